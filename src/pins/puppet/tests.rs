//! Manifests and module lists, each with what is said of it.

use super::*;
use crate::pins::steps::inputs_of;

#[track_caller]
fn check_all(files: &[(&str, &str)], expected: &[&str]) {
    assert_eq!(inputs_of(&CARRIER, files), expected, "{}", files[0].1);
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    check_all(&[("manifests/init.pp", text)], expected);
}

#[test]
fn packages() {
    check("package { 'curl': }\n", &["os curl none @curl"]);
    check("package { 'curl': ensure => latest, }\n", &["os curl none @curl"]);
    check("package { 'curl': ensure => '7.88.1-10' }\n", &["os curl exact @curl"]);
    check(
        "package { 'curl':\n  ensure => absent;\n  'jq':\n    ensure => present;\n}\n",
        &["os jq none @jq"],
    );
    check(
        "package { ['curl', 'jq']: ensure => installed }\n",
        &["os curl none @curl", "os jq none @jq"],
    );
    check(
        "package { 'x': name => 'rake', provider => gem, ensure => '13.0.6' }\n",
        &["gem rake exact @rake"],
    );
    check(
        "class a (\n  String $version = '1.2.3',\n  $names = ['x', 'y'],\n) {\n  package { $names: ensure => $version }\n}\n",
        &["os x exact @x", "os y exact @y"],
    );
    check(
        "case $facts['os']['family'] {\n  'Debian': { package { 'curl': } }\n  default: { package { 'wget': } }\n}\n",
        &["apt curl none @curl", "os wget none @wget"],
    );
    check(
        "if $facts['os']['family'] == 'RedHat' {\n  package { 'curl': }\n} else {\n  package { 'jq': }\n}\n",
        &["dnf curl none @curl", "os jq none @jq"],
    );
    check("['a', 'b'].each |$n| {\n  package { $n: }\n}\n", &["os a none @a", "os b none @b"]);
    check("ensure_packages(['curl', 'jq'])\n", &["os curl none @curl", "os jq none @jq"]);
    check("Package { ensure => latest }\npackage { 'curl': }\n", &["os curl none @curl"]);
    check("$v = '1.2.3'\npackage { \"curl-${v}\": }\n", &["os curl exact @curl-${v}"]);
    check(
        "package { 'x': ensure => $x ? { 'a' => '1.2', default => 'latest' } }\n",
        &["os x exact @x", "os x none @x"],
    );
    check_all(
        &[
            (
                "manifests/init.pp",
                "class web (\n  String $version,\n) {\n  package { 'nginx': ensure => $version }\n}\n",
            ),
            ("data/common.yaml", "web::version: 1.2.3\n"),
        ],
        &["os nginx exact @nginx"],
    );
}

#[test]
fn what_is_fetched() {
    let digits = "0123456789abcdef".repeat(4);
    let url = "https://e.org/t-1.2.3.tgz";
    check(
        &format!(
            "archive {{ '/tmp/t':\n  source => '{url}',\n  checksum => '{digits}',\n  checksum_type => 'sha256',\n}}\n"
        ),
        &[&format!("download {url} content @{url}")],
    );
    check(
        &format!("archive {{ '/tmp/t': source => \"{url}\" }}\n"),
        &[&format!("download {url} exact @{url}")],
    );
    check("file { '/x': source => 'puppet:///modules/a/b' }\n", &[]);
    check(
        "vcsrepo { '/a': provider => git, source => 'https://e.org/a.git', revision => 'main' }\n",
        &["git https://e.org/a.git none @https://e.org/a.git"],
    );
    check(
        "docker::image { 'nginx': image_tag => '1.25.3' }\n",
        &["container-image nginx exact @nginx"],
    );
    check(
        "docker::run { 'x': image => 'nginx:latest' }\n",
        &["container-image nginx none @nginx:latest"],
    );
    check("apt::ppa { 'ppa:a/b': }\n", &["repository ppa:a/b floating @ppa:a/b"]);
    check("class { 'docker': version => 'latest' }\n", &["tool docker none @latest"]);
}

#[test]
fn commands() {
    check(
        "exec { 'x':\n  command => '/usr/bin/apt-get install -y curl',\n  path => ['/bin'],\n}\n",
        &["apt curl none @curl"],
    );
    check("exec { \"pip install flask==3.0.2\": }\n", &["pip flask exact @flask==3.0.2"]);
    check("exec { 'x': command => ['npm', 'i', '-g', 'yarn'] }\n", &["npm yarn none @yarn"]);
    check(
        "exec { 'x': command => @(\"EOT\"/L)\n  apk add curl\n  | EOT\n}\npackage { 'jq': }\n",
        &["apk curl none @curl", "os jq none @jq"],
    );
    check(
        "# package { 'x': }\n/* package { 'y': } */\nexec { 'a': unless => '/bin/grep x', onlyif => \"test ${y}\" }\n",
        &[],
    );
}

#[test]
fn modules() {
    let text = "forge 'https://forge.puppet.com'\nmod 'puppetlabs/stdlib', '9.4.0'\nmod 'puppetlabs-apt'\nmod 'x', :latest\nmod 'a',\n  :git => 'https://e.org/a.git',\n  :ref => 'main'\nmod 'b', git: 'https://e.org/b.git', tag: 'v1.2.3'\nmod 'c', git: 'https://e.org/c.git'\nmod 'd', :local => true\n";
    check_all(
        &[("Puppetfile", text)],
        &[
            "puppet-module puppetlabs/stdlib exact @puppetlabs/stdlib",
            "puppet-module puppetlabs-apt none @puppetlabs-apt",
            "puppet-module x none @x",
            "puppet-module a none @a",
            "puppet-module b exact @b",
            "puppet-module c none @c",
        ],
    );
    check_all(
        &[(
            "metadata.json",
            "{\"dependencies\": [{\"name\": \"puppetlabs/stdlib\", \"version_requirement\": \">= 4.13.1 < 9.0.0\"}, {\"name\": \"x/y\"}]}",
        )],
        &[
            "puppet-module puppetlabs/stdlib range @puppetlabs/stdlib",
            "puppet-module x/y none @x/y",
        ],
    );
    check_all(
        &[(
            ".fixtures.yml",
            "fixtures:\n  repositories:\n    stdlib: https://e.org/stdlib.git\n    apt:\n      repo: https://e.org/apt.git\n      ref: v1.2.3\n  forge_modules:\n    z: a/z\n",
        )],
        &[
            "puppet-module stdlib none @https://e.org/stdlib.git",
            "puppet-module apt exact @https://e.org/apt.git",
            "puppet-module z none @a/z",
        ],
    );
}

/// Loops in loops that declare nothing.
#[test]
fn loops_are_bounded() {
    let items = (0..300).map(|item| format!("'p{item}'")).collect::<Vec<_>>().join(", ");
    let open: String = (0..6).map(|level| format!("[{items}].each |$x{level}| {{\n")).collect();
    let text = format!("class a {{\n{open}notice('x')\n{}", "}".repeat(7));
    let repository = crate::pins::Repository::of_files([]);
    let file = SourceFile::new("manifests/init.pp", text.as_bytes());
    let collected = crate::pins::walk::audit_source(&file, &CARRIER, &repository);
    assert!(collected.gaps.iter().any(|gap| gap.reason.contains("too much work")));
}
