//! States, each with what is said of it.

use super::*;
use crate::pins::steps::inputs_of;

#[track_caller]
fn check_all(files: &[(&str, &str)], expected: &[&str]) {
    assert_eq!(inputs_of(&CARRIER, files), expected, "{}", files[0].1);
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    check_all(&[("web/init.sls", text)], expected);
}

#[test]
fn packages() {
    check("curl:\n  pkg.installed\n", &["os curl none @curl"]);
    check("curl: pkg.installed\n", &["os curl none @curl"]);
    check("curl:\n  pkg.installed:\n    - version: 7.88.1-10\n", &["os curl exact @curl"]);
    check("curl:\n  pkg:\n    - latest\n", &["os curl none @curl"]);
    check(
        "x:\n  pkg.installed:\n    - pkgs:\n      - curl\n      - jq: 1.6-2.1\n      - vim: '>=9'\n",
        &["os curl none @curl", "os jq exact @jq", "os vim range @vim"],
    );
    check("x:\n  pkg.removed:\n    - name: curl\n", &[]);
    check(
        "x:\n  pip.installed:\n    - name: flask == 3.0.2\n",
        &["pip flask exact @flask == 3.0.2"],
    );
    check(
        "x:\n  gem.installed:\n    - name: rake\n    - version: 13.0.6\n",
        &["gem rake exact @rake"],
    );
    check(
        "x:\n  npm.installed:\n    - names: [yarn@1.22.19, gulp]\n",
        &["npm yarn exact @yarn@1.22.19", "npm gulp none @gulp"],
    );
    check("x:\n  pkg.uptodate: []\n", &["os pkg.uptodate none @x"]);
}

#[test]
fn templates() {
    check(
        "{% set v = '1.2.3' %}\nx:\n  pkg.installed:\n    - name: curl\n    - version: {{ v }}\n",
        &["os curl exact @curl"],
    );
    check(
        "x:\n  pkg.installed:\n    - name: curl\n    - version: {{ pillar['v'] }}\n",
        &["os curl unknown @curl"],
    );
    check(
        "x:\n  pkg.installed:\n    - version: {{ salt['pillar.get']('v', '1.2') }}\n    - name: curl\n",
        &["os curl exact @curl"],
    );
    check(
        "{% for p in ['curl', 'jq'] %}\n{{ p }}-pkg:\n  pkg.installed:\n    - name: {{ p }}\n{% endfor %}\n",
        &["os curl none @curl", "os jq none @jq"],
    );
    check(
        "{% if grains['os'] == 'x' %}\na:\n  pkg.installed\n{% else %}\nb:\n  pkg.installed\n{% endif %}\n",
        &["os a none @a", "os b none @b"],
    );
    check(
        "x:\n  pkg.installed:\n    - pkgs: {{ ['a', 'b'] | json }}\n",
        &["os a none @{{ ['a', 'b'] | json }}", "os b none @{{ ['a', 'b'] | json }}"],
    );
    check_all(
        &[
            (
                "web/init.sls",
                "{% from 'web/map.jinja' import web with context %}\nx:\n  pkg.installed:\n    - name: {{ web.package }}\n",
            ),
            (
                "web/map.jinja",
                "{% set web = salt['grains.filter_by']({'Debian': {'package': 'nginx'}}) %}\n",
            ),
        ],
        &["os nginx none @{{ web.package }}"],
    );
}

#[test]
fn what_is_fetched_and_run() {
    let digits = "0123456789abcdef".repeat(4);
    let url = "https://e.org/t-1.2.3.tgz";
    check(
        &format!(
            "/opt:\n  archive.extracted:\n    - source: {url}\n    - source_hash: sha256={digits}\n"
        ),
        &[&format!("download {url} content @{url}")],
    );
    check(
        &format!(
            "/opt/t:\n  file.managed:\n    - source: {url}\n    - source_hash: {url}.sha256\n"
        ),
        &[&format!("download {url} exact @{url}")],
    );
    check("/x:\n  file.managed:\n    - source: salt://a/b\n", &[]);
    check(
        "https://e.org/a.git:\n  git.latest:\n    - rev: main\n    - target: /a\n",
        &["git https://e.org/a.git none @https://e.org/a.git"],
    );
    check(
        "x:\n  cmd.run:\n    - name: |\n        apt-get install -y curl\n    - unless: which curl\n",
        &["apt curl none @curl"],
    );
    check(
        "nginx:\n  docker_image.present:\n    - tag: 1.25.3\n",
        &["container-image nginx exact @nginx"],
    );
    check(
        "x:\n  docker_container.running:\n    - image: nginx:latest\n",
        &["container-image nginx none @nginx:latest"],
    );
    check("x:\n  pkgrepo.managed:\n    - ppa: a/b\n", &["repository ppa:a/b floating @a/b"]);
}

/// Loops in loops that write nothing, and braces that nothing closes.
#[test]
fn work_is_bounded() {
    let items = (0..200).map(|item| format!("'p{item}'")).collect::<Vec<_>>().join(", ");
    let open: String = (0..6).map(|level| format!("{{% for x{level} in [{items}] %}}")).collect();
    let closed = "{% endfor %}".repeat(6);
    check(&format!("{open}{{% set y = 1 %}}{closed}"), &[]);
    check(&"{{ a }}".repeat(50_000), &[]);
    check(&format!("# {}\n", "{%".repeat(200_000)), &[]);
}
