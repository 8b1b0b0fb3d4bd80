//! Recipes, manifests of cookbooks and kitchen.yml, each with what is said of it.

use super::*;
use crate::pins::steps::inputs_of;

#[track_caller]
fn check(files: &[(&str, &str)], expected: &[&str]) {
    assert_eq!(inputs_of(&CARRIER, files), expected, "{}", files[0].1);
}

#[track_caller]
fn recipe(text: &str, expected: &[&str]) {
    check(&[("recipes/default.rb", text)], expected);
}

#[test]
fn packages() {
    recipe("package 'curl'\n", &["os curl none @curl"]);
    recipe("package 'curl' do\n  version '7.88.1-10'\nend\n", &["os curl exact @curl"]);
    recipe(
        "package 'x' do\n  package_name 'curl'\n  action :upgrade\nend\n",
        &["os curl none @curl"],
    );
    recipe("package 'curl' do\n  action [:remove]\nend\n", &[]);
    recipe("package %w(curl jq)\n", &["os curl none @curl", "os jq none @jq"]);
    recipe(
        "package %w(curl jq) do\n  version ['1.2', nil]\nend\n",
        &["os curl exact @curl", "os jq none @jq"],
    );
    recipe("apt_package 'curl' do\n  version '7.*'\nend\n", &["apt curl range @curl"]);
    recipe("package('curl') { version '1.2' }\n", &["os curl exact @curl"]);
    recipe("yum_package 'nginx-1.20.1-1.el9'\n", &["dnf nginx exact @nginx-1.20.1-1.el9"]);
    recipe("gem_package 'rake' do\n  version '~> 13.0'\nend\n", &["gem rake range @rake"]);
    recipe("chocolatey_package ['git', 'vim']\n", &["choco git none @git", "choco vim none @vim"]);
    recipe("snap_package 'lxd' do\n  channel '5.15/stable'\nend\n", &["snap lxd floating @lxd"]);
    recipe("%w(a b).each do |name|\n  package name\nend\n", &["os a none @a", "os b none @b"]);
    recipe(
        "{ 'a' => '1.2', 'b' => '2.*' }.each { |n, v| apt_package(n) { version v } }\n",
        &[
            "apt a exact @{ 'a' => '1.2', 'b' => '2.*' }",
            "apt b range @{ 'a' => '1.2', 'b' => '2.*' }",
        ],
    );
    recipe(
        "case node['platform_family']\nwhen 'debian'\n  package 'curl'\nwhen 'rhel', 'fedora'\n  package 'wget-1.2.3'\nend\n",
        &["apt curl none @curl", "dnf wget exact @wget-1.2.3"],
    );
    recipe("package 'curl' if platform?('ubuntu')\n", &["apt curl none @curl"]);
    recipe("v = '1.2.3'\npackage 'curl' do\n  version v\nend\n", &["os curl exact @curl"]);
    recipe("package \"curl=#{node['x']}\"\n", &["os curl unknown @curl=#{node['x']}"]);
}

#[test]
fn attributes() {
    let attributes = (
        "cookbooks/a/attributes/default.rb",
        "default['a']['version'] = '1.2.3'\ndefault['a']['names'] = %w(x y)\ndefault['a']['url'] = \"https://e.org/a-#{node['a']['version']}.tgz\"\n",
    );
    let check = |text: &str, expected: &[&str]| {
        check(&[("cookbooks/a/recipes/default.rb", text), attributes], expected);
    };
    check("package 'curl' do\n  version node['a']['version']\nend\n", &["os curl exact @curl"]);
    check("package node['a']['names']\n", &["os x none @x", "os y none @y"]);
    check(
        "remote_file '/tmp/a.tgz' do\n  source node['a']['url']\nend\n",
        &["download https://e.org/a-1.2.3.tgz exact @node['a']['url']"],
    );
    check("package 'curl' do\n  version node['b']['version']\nend\n", &["os curl unknown @curl"]);
}

#[test]
fn custom_resources() {
    check(
        &[(
            "resources/default.rb",
            "property :version, String, default: '1.2.3'\naction :install do\n  package 'x' do\n    version new_resource.version\n  end\n  execute \"pip install y==#{new_resource.version}\"\nend\n",
        )],
        &["os x exact @x", "pip y exact @y==#{new_resource.version}"],
    );
}

#[test]
fn what_is_fetched() {
    let digits = "0123456789abcdef".repeat(4);
    let url = "https://e.org/t-1.2.3.tgz";
    recipe(
        &format!("remote_file '/tmp/t' do\n  source '{url}'\n  checksum '{digits}'\nend\n"),
        &[&format!("download {url} content @{url}")],
    );
    recipe(
        &format!("remote_file '/tmp/t' do\n  source '{url}'\nend\nexecute 'sh /tmp/t'\n"),
        &[&format!("download {url} none @{url}")],
    );
    recipe(
        &format!("ark 't' do\n  url '{url}'\nend\n"),
        &[&format!("download {url} exact @{url}")],
    );
    recipe(
        "git '/opt/a' do\n  repository 'https://e.org/a.git'\n  revision 'main'\nend\n",
        &["git https://e.org/a.git none @https://e.org/a.git"],
    );
    recipe(
        "git '/opt/a' do\n  repository 'https://e.org/a.git'\n  reference 'v1.2.3'\nend\n",
        &["git https://e.org/a.git exact @https://e.org/a.git"],
    );
    recipe(
        "docker_image 'nginx' do\n  tag '1.25.3'\nend\n",
        &["container-image nginx exact @nginx"],
    );
    recipe(
        "docker_container 'x' do\n  repo 'nginx'\n  tag 'latest'\nend\n",
        &["container-image nginx none @nginx"],
    );
    recipe(
        "apt_repository 'x' do\n  uri 'ppa:a/b'\nend\n",
        &["repository ppa:a/b floating @ppa:a/b"],
    );
}

#[test]
fn commands() {
    recipe("execute 'apt-get install -y curl'\n", &["apt curl none @curl"]);
    recipe(
        "execute 'x' do\n  command \"npm i -g \\\"yarn@1.22.19\\\"\"\nend\n",
        &["npm yarn exact @yarn@1.22.19"],
    );
    recipe("execute ['pip', 'install', 'flask']\n", &["pip flask none @flask"]);
    recipe(
        "bash 'x' do\n  code <<-EOH\n    apk add curl\n    pip install x==#{v}\n  EOH\n  not_if { true }\nend\n",
        &["apk curl none @curl", "pip x unknown @x==#{v}"],
    );
    recipe(
        "script = <<~EOH\n  apk add curl\nEOH\nbash 'x' do\n  code script\nend\n",
        &["apk curl none @script"],
    );
    recipe(
        "powershell_script 'x' do\n  code 'choco install git -y'\nend\n",
        &["choco git none @git"],
    );
}

#[test]
fn manifests() {
    check(
        &[(
            "metadata.rb",
            "name 'x'\nversion '1.0.0'\ndepends 'apt'\ndepends 'yum', '~> 3.0'\ndepends 'z', '= 1.2.3'\n",
        )],
        &["cookbook apt none @apt", "cookbook yum range @yum", "cookbook z exact @z"],
    );
    let berksfile = "source 'https://supermarket.chef.io'\nmetadata\ngroup :x do\n  cookbook 'apt'\nend\ncookbook 'a', git: 'https://e.org/a.git'\ncookbook 'b', path: '../b'\ncookbook 'c', github: 'x/c', tag: 'v1.2.3'\n";
    check(
        &[("Berksfile", berksfile)],
        &["cookbook apt none @apt", "cookbook a none @a", "cookbook c exact @c"],
    );
    check(
        &[
            ("Berksfile", "cookbook 'apt'\ncookbook 'z'\n"),
            ("Berksfile.lock", "DEPENDENCIES\n  apt\n\nGRAPH\n  apt (2.9.2)\n    y (>= 0)\n"),
        ],
        &["cookbook apt exact @apt", "cookbook z none @z"],
    );
    check(
        &[
            ("Policyfile.rb", "name 'x'\ndefault_source :supermarket\ncookbook 'apt', '~> 2.0'\n"),
            (
                "Policyfile.lock.json",
                "{\"cookbook_locks\": {\"apt\": {\"version\": \"2.9.2\", \"identifier\": \"ab\"}}}",
            ),
        ],
        &["cookbook apt content @apt"],
    );
    check(
        &[(
            "kitchen.yml",
            "driver: {name: dokken, chef_version: latest}\nprovisioner: {name: chef_zero, product_version: latest}\nplatforms:\n  - name: ubuntu\n    driver: {image: 'dokken/ubuntu-20.04', box: bento/ubuntu-20.04}\n  - name: <%= ENV['X'] %>\n",
        )],
        &[
            "tool chef none @latest",
            "container-image dokken/ubuntu-20.04 none @dokken/ubuntu-20.04",
            "machine-image bento/ubuntu-20.04 none @bento/ubuntu-20.04",
        ],
    );
}

#[test]
fn files_are_recognised() {
    let check = |path: &str, head: &str, expected: bool| {
        assert_eq!(kind_of(path, head.as_bytes()).is_some(), expected, "{path}");
    };
    check("cookbooks/a/recipes/x.rb", "", true);
    check("default.rb", "package 'x' do\n  action :install\nend\n", true);
    check("site.rb", "apt_package 'x'\n", true);
    check("lib/x.rb", "class X\n  def git(x)\n  end\nend\n", false);
    check("app.rb", "execute 'x'\n", false);
    check("spec/recipes/x_spec.rb", "package 'x' do\n", false);
}

/// Values that double and loops in loops: an answer or a gap in time that does not grow with them.
#[test]
fn work_is_bounded() {
    let check = |files: &[(&str, &str)], gap: bool| {
        let (path, text) = files[0];
        let repository = crate::pins::Repository::of_files(
            files.iter().map(|(path, text)| (*path, text.as_bytes())),
        );
        let file = SourceFile::new(path, text.as_bytes());
        let collected = crate::pins::walk::audit_source(&file, &CARRIER, &repository);
        let found = collected.gaps.iter().any(|gap| gap.reason.contains("too much work"));
        assert_eq!(found, gap, "{path} {}", text.get(..60).unwrap_or(text));
    };
    let doubling = format!("a = %w(a b c)\n{}package a\n", "a += a\n".repeat(60));
    check(&[("recipes/default.rb", &doubling)], true);
    let text = format!("a = 'xxxxxxx'\n{}{}", "a = a + a\n".repeat(60), "package a\n".repeat(900));
    check(&[("recipes/default.rb", &text)], false);
    let items = (0..300).map(|item| format!("p{item}")).collect::<Vec<_>>().join(" ");
    let open: String = (0..6).map(|level| format!("%w({items}).each do |x{level}|\n")).collect();
    let nested = format!("{open}y = 1\n{}", "end\n".repeat(6));
    check(&[("recipes/default.rb", &nested)], true);
    let grown = "default['a']['b'] = node['a']['b'] + node['a']['b']\n".repeat(200);
    let attributes = format!("default['a']['b'] = %w(x y)\n{grown}");
    let recipe = ("recipes/default.rb", "package node['a']['b']\n");
    check(&[recipe, ("attributes/default.rb", &attributes)], false);
}
