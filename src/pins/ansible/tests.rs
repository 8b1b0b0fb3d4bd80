//! Playbooks and roles as people write them, and what is found in them.

use super::*;
use crate::pins::steps::inputs_of;

#[track_caller]
fn check(files: &[(&str, &str)], expected: &[&str]) {
    assert_eq!(inputs_of(&CARRIER, files), expected, "{}", files[0].1);
}

/// One task in a role's file.
#[track_caller]
fn task(text: &str, expected: &[&str]) {
    let lines: String = text.lines().map(|line| format!("  {line}\n")).collect();
    check(&[("tasks/main.yml", &format!("- name: x\n{lines}"))], expected);
}

#[test]
fn files_are_recognised() {
    let check = |path: &str, head: &str, expected: Option<FileKind>| {
        assert_eq!(kind_of(path, head.as_bytes()), expected, "{path}");
    };
    let playbook = Some(FileKind::Playbook);
    check("site.yml", "---\n- hosts: all\n  roles: [a]\n", playbook);
    check("site.yml", "- name: x\n  hosts: all\n", playbook);
    check("a.yaml", "- import_playbook: b.yml\n", playbook);
    check("setup.yml", "- name: x\n  apt:\n    name: y\n", playbook);
    check("setup.yml", "- name: x\n  community.general.snap:\n    name: y\n", playbook);
    check("roles/x/tasks/main.yml", "# c\n---\n- debug: msg=x\n", playbook);
    check("roles/x/tasks/main.yml", "apiVersion: v1\n", None);
    check("list.yml", "- name: x\n  command: y\n", None);
    check("docker-compose.yml", "services:\n  a:\n    image: b\n", None);
    check("requirements.yml", "---\nroles:\n  - a.b\n", Some(FileKind::Requirements));
    check("requirements.yaml", "dependencies:\n- name: x\n  version: 1\n", None);
    check("collections/requirements.yml", "collections:\n- a.b\n", Some(FileKind::Requirements));
    check("galaxy.yml", "namespace: a\nname: b\n", Some(FileKind::Galaxy));
    check("meta/main.yml", "galaxy_info:\n", Some(FileKind::Meta));
    check("molecule/default/molecule.yml", "driver:\n", Some(FileKind::Molecule));
}

#[test]
fn packages() {
    task("apt: name=curl state=latest", &["apt curl none @curl"]);
    task("apt: {name: curl=7.88.1-10}", &["apt curl exact @curl=7.88.1-10"]);
    task(
        "ansible.builtin.apt:\n  pkg: [curl, 'jq=1.6*']",
        &["apt curl none @curl", "apt jq range @jq=1.6*"],
    );
    task("apt: name=a,b=1 state=present", &["apt a none @a", "apt b exact @b=1"]);
    task("apt: name=curl state=absent", &[]);
    task("apt:\n  upgrade: dist\n  update_cache: yes", &["apt upgrade: dist none @dist"]);
    task(
        "apt:\n  deb: https://e.org/x_1.2.3.deb",
        &["download https://e.org/x_1.2.3.deb exact @https://e.org/x_1.2.3.deb"],
    );
    task("apt: {name: curl, default_release: sid}", &["apt curl floating @curl"]);
    task("yum: name='*' state=latest", &["dnf * none @*"]);
    task(
        "dnf:\n  name:\n    - '@dev'\n    - nginx-1.20.1-1.el9",
        &["dnf @dev none @@dev", "dnf nginx exact @nginx-1.20.1-1.el9"],
    );
    task("package: name=curl\nwhen: ansible_os_family == 'RedHat'", &["dnf curl none @curl"]);
    task("package: name=curl", &["os curl none @curl"]);
    task("package: name=curl-7.76.1", &["os curl exact @curl-7.76.1"]);
    task(
        "community.general.snap:\n  name: lxd\n  channel: 5.15/stable",
        &["snap lxd floating @lxd"],
    );
    task("pip: name=flask version=3.0.2", &["pip flask exact @flask"]);
    task("pip: {name: flask, version: '>=3'}", &["pip flask range @flask"]);
    task(
        "pip: {name: ['flask==3.0.2', 'x>1,<2', y]}",
        &["pip flask exact @flask==3.0.2", "pip x range @x>1,<2", "pip y none @y"],
    );
    task("npm: {name: yarn, global: yes, version: 1.22.19}", &["npm yarn exact @yarn"]);
    task("npm: {path: /app, ci: true}", &["npm ci content @npm"]);
    task("gem: {name: rake, version: '~> 13.0'}", &["gem rake range @rake"]);
    task(
        "win_chocolatey: {name: [git, vim], version: 1.2.3}",
        &["choco git exact @git", "choco vim exact @vim"],
    );
    task(
        "community.general.cargo: {name: ripgrep, version: 14.1.0, locked: true}",
        &["cargo ripgrep exact @ripgrep"],
    );
    task("jenkins_plugin: {name: git, version: 5.2.1}", &["plugin git exact @git"]);
    task("cpanm: {name: Moose}", &["lang Moose none @Moose"]);
    task("win_psmodule: {name: Az, required_version: 9.0.1}", &["powershell Az exact @Az"]);
}

#[test]
fn what_is_fetched() {
    let digits = "0123456789abcdef".repeat(4);
    let url = "https://e.org/t-1.2.3.tgz";
    let held = |checksum: &str, strength: &str| {
        task(
            &format!("get_url:\n  url: {url}\n  dest: /tmp/t.tgz\n  checksum: {checksum}"),
            &[&format!("download {url} {strength} @{url}")],
        );
    };
    held(&format!("sha256:{digits}"), "content");
    held("sha256:https://e.org/sums", "exact");
    held("'sha256:{{ x }}'", "unknown");
    held("md5:0123456789abcdef0123456789abcdef", "exact");
    task(
        "unarchive: {src: 'https://e.org/x.tgz', dest: /opt, remote_src: yes}",
        &["download https://e.org/x.tgz none @https://e.org/x.tgz"],
    );
    task("unarchive: {src: x.tgz, dest: /opt}", &[]);
    task("uri: {url: 'https://e.org/x', return_content: yes}", &[]);
    task(
        "uri: {url: 'https://e.org/x', dest: /tmp/x}",
        &["download https://e.org/x none @https://e.org/x"],
    );
    task(
        "git: repo=https://e.org/a.git dest=/a",
        &["git https://e.org/a.git none @https://e.org/a.git"],
    );
    task(
        "git: {repo: 'https://e.org/a.git', version: v1.2.3}",
        &["git https://e.org/a.git exact @https://e.org/a.git"],
    );
    task(
        "git: {repo: 'https://e.org/a.git', version: main}",
        &["git https://e.org/a.git none @https://e.org/a.git"],
    );
    task(
        "subversion: {repo: 'svn://e.org/a', revision: 1234}",
        &["git svn://e.org/a exact @svn://e.org/a"],
    );
    task("apt_repository: repo=ppa:a/b", &["repository ppa:a/b floating @ppa:a/b"]);
    task(
        "apt_key: {url: 'https://e.org/k.asc', id: 9DC858229FC7DD38854AE2D88D81803C0EBFCD88}",
        &["download https://e.org/k.asc content @https://e.org/k.asc"],
    );
}

#[test]
fn containers() {
    task(
        "docker_container: {name: x, image: 'nginx:1.25.3'}",
        &["container-image nginx exact @nginx:1.25.3"],
    );
    task(
        "docker_image: {name: nginx, tag: latest, source: pull}",
        &["container-image nginx none @nginx"],
    );
    task("docker_image: {name: x, source: build, build: {path: .}}", &[]);
    task(
        "helm: {name: x, chart_ref: bitnami/nginx, chart_version: 15.0.1}",
        &["helm bitnami/nginx exact @bitnami/nginx"],
    );
    task(
        "k8s:\n  definition:\n    spec:\n      containers:\n        - image: redis",
        &["container-image redis none @redis"],
    );
    task(
        "ec2_instance: {image_id: ami-0123456789abcdef0}",
        &["machine-image ami-0123456789abcdef0 content @ami-0123456789abcdef0"],
    );
}

#[test]
fn commands() {
    task("shell: apt-get install -y curl chdir=/tmp", &["apt curl none @curl"]);
    task("command:\n  argv: [pip, install, flask==3.0.2]", &["pip flask exact @flask==3.0.2"]);
    task(
        "shell: |\n  {% if a %}\n  apk add curl\n  {% endif %}\n  npm i -g x@{{ v }}",
        &["apk curl none @curl", "npm x unknown @x@{{ v }}"],
    );
    task("win_shell: choco install git -y", &["choco git none @git"]);
    task("shell: print('x')\nargs: {executable: /usr/bin/python3}", &[]);
    check(
        &[
            ("roles/a/tasks/main.yml", "- script: i.sh x\n"),
            ("roles/a/files/i.sh", "apk add curl\n"),
        ],
        &["apk curl none @curl"],
    );
    check(
        &[(
            "tasks/main.yml",
            "- get_url: {url: 'https://e.org/1.2.3/i.sh', dest: /tmp/i.sh}\n- command: sh /tmp/i.sh\n",
        )],
        &["download https://e.org/1.2.3/i.sh none @https://e.org/1.2.3/i.sh"],
    );
}

#[test]
fn variables() {
    let defaults =
        ("roles/a/defaults/main.yml", "v: 1.2.3\nlist:\n  - curl\n  - jq=1.6\nw: '{{ v }}'\n");
    let check = |tasks: &str, expected: &[&str]| {
        check(&[("roles/a/tasks/main.yml", tasks), defaults], expected);
    };
    check("- apt: name=nginx={{ v }}\n", &["apt nginx exact @nginx={{ v }}"]);
    check("- apt: {name: 'nginx={{ w }}'}\n", &["apt nginx exact @nginx={{ w }}"]);
    check("- apt: {name: 'nginx={{ z }}'}\n", &["apt nginx unknown @nginx={{ z }}"]);
    check("- apt: {name: '{{ list }}'}\n", &["apt curl none @curl", "apt jq exact @jq=1.6"]);
    check(
        "- apt: {name: '{{ item }}'}\n  loop: '{{ list }}'\n",
        &["apt curl none @curl", "apt jq exact @jq=1.6"],
    );
    check(
        "- apt: name={{ item }}\n  with_items: [a, b=1]\n",
        &["apt a none @a", "apt b exact @b=1"],
    );
    check(
        "- apt: {name: '{{ item.n }}={{ item.v }}'}\n  loop:\n    - {n: a, v: 1.2}\n    - {n: b, v: '1.*'}\n",
        &["apt a exact @a", "apt b range @b"],
    );
    check(
        "- block:\n    - apt: {name: 'x={{ y }}'}\n  vars: {y: 1.2}\n",
        &["apt x exact @x={{ y }}"],
    );
    check("- set_fact: {y: 1.2}\n- apt: {name: 'x={{ y }}'}\n", &["apt x exact @x={{ y }}"]);
    check("- apt: {name: x, state: \"{{ 'latest' if up else 'present' }}\"}\n", &["apt x none @x"]);
    check("- pip: {name: x, version: '{{ v | default(omit) }}'}\n", &["pip x exact @x"]);
    check("- shell: pip install x=={{ v }}\n", &["pip x exact @x=={{ v }}"]);
}

#[test]
fn platforms_and_groups() {
    check(
        &[
            (
                "roles/a/tasks/main.yml",
                "- package: {name: '{{ names }}'}\n- apt: {name: 'x={{ v }}'}\n",
            ),
            ("roles/a/vars/Debian.yml", "names: [curl]\n"),
            ("roles/a/vars/RedHat.yml", "names: [wget]\n"),
            ("group_vars/all.yml", "v: 1.2\n"),
            ("group_vars/test.yml", "v: '1.*'\n"),
        ],
        &[
            "apt x exact @x={{ v }}",
            "apt x range @x={{ v }}",
            "apt curl none @curl",
            "dnf wget none @wget",
        ],
    );
}

#[test]
fn roles_and_includes_are_given_variables() {
    let role = ("roles/a/tasks/main.yml", "- include_tasks: b.yml\n");
    let inner = ("roles/a/tasks/b.yml", "- apt: {name: 'x={{ v }}'}\n");
    for play in [
        "- hosts: all\n  vars: {v: 1.2}\n  roles: [a]\n",
        "- hosts: all\n  roles:\n    - {role: a, v: 1.2}\n",
        "- hosts: all\n  roles:\n    - role: a\n      vars: {v: 1.2}\n",
        "- hosts: all\n  tasks:\n    - import_role: {name: a}\n      vars: {v: 1.2}\n",
    ] {
        check(&[("site.yml", play), role, inner], &["apt x exact @x={{ v }}"]);
    }
    check(
        &[("roles/a/tasks/main.yml", "- include: b.yml v=1.2\n"), inner],
        &["apt x exact @x={{ v }}"],
    );
    check(&[("site.yml", "- hosts: all\n  roles: [a]\n"), role, inner], &[]);
}

#[test]
fn requirements() {
    check(
        &[(
            "requirements.yml",
            "roles:\n  - name: a.b\n  - {src: c.d, version: 1.2.3}\n  - {src: 'https://github.com/e/f', version: main, scm: git}\n  - src: https://e.org/x-1.2.3.tar.gz\ncollections:\n  - g.h\n  - {name: i.j, version: '>=1.0.0'}\n  - name: https://github.com/k/l.git\n    type: git\n    version: v1.2.3\n  - name: https://e.org/m.git,1.2.2\n  - ./local\n",
        )],
        &[
            "galaxy a.b none @a.b",
            "galaxy c.d exact @c.d",
            "galaxy https://github.com/e/f none @https://github.com/e/f",
            "download https://e.org/x-1.2.3.tar.gz exact @https://e.org/x-1.2.3.tar.gz",
            "galaxy g.h none @g.h",
            "galaxy i.j range @i.j",
            "galaxy https://github.com/k/l.git exact @https://github.com/k/l.git",
            "galaxy https://e.org/m.git exact @https://e.org/m.git,1.2.2",
        ],
    );
    check(
        &[("requirements.yml", "- src: a.b,v1.2.3\n- name: c\n  src: git+https://e.org/c.git\n")],
        &[
            "galaxy a.b exact @a.b,v1.2.3",
            "galaxy git+https://e.org/c.git none @git+https://e.org/c.git",
        ],
    );
    check(
        &[("galaxy.yml", "namespace: a\ndependencies:\n  b.c: '*'\n  d.e: 1.2.3\n")],
        &["galaxy b.c none @b.c", "galaxy d.e exact @d.e"],
    );
    check(
        &[(
            "roles/x/meta/main.yml",
            "dependencies:\n  - a.b\n  - role: common\n  - {src: c.d, version: 1.0.0}\n",
        )],
        &["galaxy a.b none @a.b", "galaxy c.d exact @c.d"],
    );
}

#[test]
fn environments() {
    check(
        &[(
            "execution-environment.yml",
            "version: 3\nimages:\n  base_image:\n    name: quay.io/a/b:latest\ndependencies:\n  galaxy:\n    collections: [a.b]\n  python: [six]\n  ansible_core: {package_pip: ansible-core==2.14.4}\nadditional_build_steps:\n  append_final:\n    - RUN dnf install -y jq\n",
        )],
        &[
            "container-image quay.io/a/b none @quay.io/a/b:latest",
            "galaxy a.b none @a.b",
            "pip six none @six",
            "pip ansible-core exact @ansible-core==2.14.4",
            "dnf jq none @jq",
        ],
    );
    check(
        &[(
            "molecule/default/molecule.yml",
            "driver: {name: docker}\nplatforms:\n  - name: x\n    image: geerlingguy/docker-${D:-rocky9}-ansible:latest\n  - {name: y, box: debian/bookworm64}\n",
        )],
        &[
            "container-image geerlingguy/docker-rocky9-ansible none @geerlingguy/docker-${D:-rocky9}-ansible:latest",
            "machine-image debian/bookworm64 none @debian/bookworm64",
        ],
    );
}
