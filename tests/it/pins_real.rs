//! Shapes that stand in real repositories: what is an input there, and what only looks like one.
//!
//! Each case is a small tree; the first file is judged, the others are beside it. A line of what is
//! expected is `subject strength @the word under the caret`.

use driftcheck::pins::walk::audit_source;
use driftcheck::pins::{CARRIERS, Repository, SourceFile};

#[track_caller]
fn check(files: &[(&str, &str)], expected: &[&str]) {
    let (path, text) = files[0];
    let carrier = CARRIERS.iter().find(|carrier| (carrier.recognises)(path, text.as_bytes()));
    let carrier = carrier.unwrap_or_else(|| panic!("nobody reads {path}"));
    let repository =
        Repository::of_files(files.iter().map(|(path, text)| (*path, text.as_bytes())));
    let source = SourceFile::new(path, text.as_bytes());
    let collected = audit_source(&source, carrier, &repository);
    assert!(collected.gaps.is_empty(), "{path}: {:?}", collected.gaps);
    let mut found: Vec<(usize, String)> = collected
        .inputs
        .iter()
        .map(|input| {
            let file = files.iter().find(|(path, _)| *path == &*input.place.file);
            let word = file.and_then(|(_, text)| text.get(input.place.range())).unwrap_or("?");
            (input.place.start_byte, format!("{} {} @{word}", input.subject, input.held()))
        })
        .collect();
    found.sort();
    let found: Vec<String> = found.into_iter().map(|(_, line)| line).collect();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn options_are_no_addresses() {
    check(
        &[(
            "x.sh",
            "#!/bin/sh\ncurl -1sLf https://e.org/key | gpg --import\nwget -4 -O x https://e.org/x\n",
        )],
        &["https://e.org/key none @https://e.org/key", "https://e.org/x none @https://e.org/x"],
    );
    // curl takes the second word for an address as well, but it is none.
    check(
        &[("x.sh", "#!/bin/sh\ncurl -LO https://e.org/a /etc/a\n")],
        &["https://e.org/a none @https://e.org/a"],
    );
}

#[test]
fn what_is_only_shown_is_not_installed() {
    check(
        &[(
            "x.sh",
            "#!/bin/sh\napt-get --just-print upgrade | grep -i security\napt-get -s install x\nyum --assumeno update\npip install --dry-run x\napk add --simulate x\nzypper -n install --dry-run x\nbrew install --dry-run x\nsnap refresh --time\nchoco install x --noop\n",
        )],
        &[],
    );
}

#[test]
fn backticks_within_a_word() {
    check(
        &[(
            "x.sh",
            "#!/bin/sh\ndocker run --mount type=bind,source=`pwd`/bin,destination=/x e.org/a/b:1.0.0 /x/run\n",
        )],
        &["e.org/a/b exact @e.org/a/b:1.0.0"],
    );
}

#[test]
fn names_of_files_on_the_machine() {
    check(
        &[("x.sh", "#!/bin/sh\nfor i in *.h */*.h; do curl -o $i https://e.org/main/$i; done\n")],
        &["https://e.org/main/… none @https://e.org/main/$i"],
    );
    check(
        &[("x.sh", "#!/bin/sh\nsudo apt build-dep -y $WORK/src/snapd\napt install x/sid\n")],
        &["x floating @x/sid"],
    );
}

#[test]
fn stages_that_the_platform_chooses() {
    check(
        &[(
            "Dockerfile",
            "FROM debian:12.5.0 AS base\nFROM base AS build-linux\nFROM base AS build-windows\nFROM build-${TARGETOS} AS target\nFROM ${TARGETOS}\nCOPY --from=build-$TARGETOS /a /a\nRUN xx-apk add curl\n",
        )],
        &["debian exact @debian:12.5.0", "curl none @curl"],
    );
}

#[test]
fn statements_of_a_template_over_several_lines() {
    check(
        &[(
            "Dockerfile.j2",
            "FROM debian:12.5.0\n{% set packages = [\n    'curl',\n    'git'\n] %}\n{# nobody\nreads this #}\nRUN apt-get install -y wget\n",
        )],
        &["debian exact @debian:12.5.0", "wget none @wget"],
    );
}

#[test]
fn images_that_the_file_makes() {
    // In whichever order the recipes stand.
    check(
        &[(
            "Makefile",
            "run:\n\tdocker run --rm own:1 x\nrun-other:\n\tdocker run other\nbuild:\n\tdocker build -t own:1 .\n",
        )],
        &["other none @other"],
    );
    check(
        &[(
            ".github/workflows/ci.yml",
            "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n    - uses: docker/build-push-action@0123456789012345678901234567890123456789\n      with:\n        load: true\n        tags: |\n          a/own:pr\n          a/own:next\n    - run: docker run a/own:pr --version\n    - run: docker run a/other:pr\n",
        )],
        &[
            "docker/build-push-action content @docker/build-push-action@0123456789012345678901234567890123456789",
            "a/other floating @a/other:pr",
        ],
    );
}

#[test]
fn packages_of_the_module_around() {
    let manifest = "module e.org/own\n\nrequire (\n\te.org/tool v1.2.0\n)\n";
    let text = "#!/bin/sh\ngo install e.org/own/cmd/x\ngo install e.org/tool/cmd/y\ngo run e.org/tool\ngo get -u e.org/tool\ngo install e.org/other\n";
    check(
        &[("scripts/x.sh", text), ("go.mod", manifest)],
        &[
            "e.org/tool/cmd/y exact @e.org/tool/cmd/y",
            "e.org/tool exact @e.org/tool",
            "e.org/tool none @e.org/tool",
            "e.org/other none @e.org/other",
        ],
    );
    check(
        &[("x.sh", "go install e.org/tool/cmd/y\n"), ("go.mod", manifest), ("go.sum", "")],
        &["e.org/tool/cmd/y content @e.org/tool/cmd/y"],
    );
}

#[test]
fn functions_of_make_are_no_recipes() {
    check(
        &[(
            "Makefile",
            "PATHS=$(shell echo ${GOPATH} | tr \":\" \"\\n\" | tr \";\" \"\\n\")\nrel = $(shell perl -e 'use File::Spec; print 1')\na: V=x;y\na: ; pip install x\n",
        )],
        &["x none @x"],
    );
}

#[test]
fn boxes_from_the_environment() {
    check(
        &[(
            "Vagrantfile",
            "Vagrant.configure(\"2\") do |config|\n  config.vm.box = ENV[\"BOX\"] || \"fedora/37\"\n  config.vm.box_version = ENV[\"BOX_VERSION\"]\nend\n",
        )],
        &["fedora/37 unknown @fedora/37"],
    );
}

#[test]
fn what_mercurial_checks_out() {
    check(
        &[("x.sh", "#!/bin/sh\nhg clone -U https://e.org/x x\ncd x && hg update -q v1.2.0\n")],
        &["https://e.org/x exact @https://e.org/x"],
    );
}

#[test]
fn lists_that_branches_choose() {
    check(
        &[(
            "x.sh",
            "#!/bin/bash\nif old; then\n  list=(podman=3.4.4 skopeo)\nelse\n  list=(podman skopeo)\nfi\napt-get install ${list[@]}\n",
        )],
        &["podman exact @podman=3.4.4", "podman none @podman", "skopeo none @skopeo"],
    );
    check(
        &[(
            "x.sh",
            "case $ID in\n  debian) PM=apt-get; P=\"curl libc6\" ;;\n  *) PM=yum; P=\"curl glibc\" ;;\nesac\n$PM install -y $P\n",
        )],
        &["curl none @curl", "libc6 none @libc6", "curl none @curl", "glibc none @glibc"],
    );
}

#[test]
fn helpers_that_download() {
    let digest = "0123456789abcdef".repeat(4);
    let text = format!(
        "#!/bin/sh\n. $HELPERS/x.sh\na=$(download_with_retry \"https://e.org/latest/a.zip\")\ndownload_file https://e.org/b-1.2.3.tgz b.tgz {digest}\n"
    );
    check(
        &[("x.sh", &text)],
        &[
            "https://e.org/latest/a.zip none @https://e.org/latest/a.zip",
            "https://e.org/b-1.2.3.tgz content @https://e.org/b-1.2.3.tgz",
        ],
    );
}

#[test]
fn platforms_by_the_name_of_the_variable() {
    check(
        &[(
            "x.sh",
            "#!/bin/sh\nHOSTARCH=$(own_function)\ncurl -Lo x https://e.org/v1.2.3/x_${HOST_OS}_${HOSTARCH}.tgz\ncurl -Lo y https://e.org/v$OS_VERSION/y.tgz\n",
        )],
        &[
            "https://e.org/v1.2.3/x_…_….tgz exact @https://e.org/v1.2.3/x_${HOST_OS}_${HOSTARCH}.tgz",
            "https://e.org/v…/y.tgz unknown @https://e.org/v$OS_VERSION/y.tgz",
        ],
    );
}

#[test]
fn what_is_only_read() {
    check(
        &[(
            "x.sh",
            "#!/bin/sh\na=$(wget https://e.org/latest -q -O - 2>&1 || true)\nb=$(wget https://e.org/x -O - 2>/dev/null)\n",
        )],
        &[],
    );
}

#[test]
fn sums_that_somebody_signed() {
    check(
        &[(
            "x.sh",
            "#!/bin/sh\ncurl -fsSLO https://e.org/v1.2.3/a.tgz && curl -fsSL https://e.org/v1.2.3/SUMS.txt.asc | gpgv --keyring=k --output - | grep \" a.tgz\\$\" | sha256sum -c -\ncurl -fsSL https://e.org/release.asc | apt-key add -\n",
        )],
        &[
            "https://e.org/v1.2.3/a.tgz content @https://e.org/v1.2.3/a.tgz",
            "https://e.org/v1.2.3/SUMS.txt.asc content @https://e.org/v1.2.3/SUMS.txt.asc",
            "https://e.org/release.asc none @https://e.org/release.asc",
        ],
    );
}

#[test]
fn resources_whose_attributes_are_computed() {
    check(
        &[(
            "manifests/init.pp",
            "class a {\n  ensure_resource('package', 'docker', merge($h, { ensure => $v }))\n  ensure_resource('package', 'curl', { ensure => '1.0-1' })\n  ensure_resource('package', 'git')\n}\n",
        )],
        &["docker unknown @docker", "curl exact @curl", "git none @git"],
    );
}

#[test]
fn repositories_that_roll() {
    check(
        &[(
            "x.sh",
            "#!/bin/sh\nzypper ar -f https://download.opensuse.org/tumbleweed/repo/oss/ oss\nzypper addrepo https://download.opensuse.org/repositories/a/openSUSE_Tumbleweed/a.repo\nzypper ar https://download.opensuse.org/distribution/leap/15.6/repo/oss/ leap\ndnf config-manager --add-repo https://e.org/rpm/testing/e.repo\nyum-config-manager --add-repo=https://e.org/nightly\ndnf -y copr enable o/p\ndnf config-manager --set-enabled crb\n",
        )],
        &[
            "https://download.opensuse.org/tumbleweed/repo/oss/ floating @https://download.opensuse.org/tumbleweed/repo/oss/",
            "https://download.opensuse.org/repositories/a/openSUSE_Tumbleweed/a.repo floating @https://download.opensuse.org/repositories/a/openSUSE_Tumbleweed/a.repo",
            "https://download.opensuse.org/distribution/leap/15.6/repo/oss/ exact @https://download.opensuse.org/distribution/leap/15.6/repo/oss/",
            "https://e.org/rpm/testing/e.repo floating @https://e.org/rpm/testing/e.repo",
            "https://e.org/nightly floating @https://e.org/nightly",
            "o/p floating @o/p",
        ],
    );
}

#[test]
fn personal_archives_and_repositories_that_are_off() {
    check(
        &[(
            "user-data",
            "#cloud-config\napt:\n  sources:\n    a.list:\n      source: deb http://ppa.launchpad.net/o/n/ubuntu jammy main\n      keyid: F430BBA5\nyum_repos:\n  epel-testing:\n    baseurl: http://e.org/epel/testing/9\n    enabled: false\n",
        )],
        &[
            "http://ppa.launchpad.net/o/n/ubuntu floating @deb http://ppa.launchpad.net/o/n/ubuntu jammy main",
        ],
    );
    check(
        &[(
            "tasks/main.yml",
            "- yum_repository:\n    name: t\n    baseurl: http://e.org/testing/9\n    enabled: no\n",
        )],
        &[],
    );
}

#[test]
fn what_the_distribution_says_of_itself() {
    check(
        &[(
            "x.sh",
            "#!/bin/sh\n. /etc/os-release\ncurl -fsSL https://e.org/linux/$ID/gpg | gpg --dearmor > /usr/share/keyrings/e.gpg\ncurl -fsSLO https://e.org/v1.2.3/x-$ID-$VERSION_ID.tgz\n",
        )],
        &[
            "https://e.org/linux/…/gpg none @https://e.org/linux/$ID/gpg",
            "https://e.org/v1.2.3/x-…-….tgz exact @https://e.org/v1.2.3/x-$ID-$VERSION_ID.tgz",
        ],
    );
}

#[test]
fn what_test_kitchen_runs_in_its_images() {
    check(
        &[(
            "kitchen.yml",
            "driver:\n  name: docker\nplatforms:\n- name: a\n  driver:\n    image: opensuse/leap:15\n    provision_command:\n    - curl -o b.sh -L https://e.org/b\n    - sh b.sh -x python3\n    - zypper install -y curl\n",
        )],
        &[
            "opensuse/leap floating @opensuse/leap:15",
            "https://e.org/b none @https://e.org/b",
            "curl none @curl",
        ],
    );
}

#[test]
fn puppets_files_with_their_checksum() {
    let sum = "a".repeat(64);
    check(
        &[(
            "a.pp",
            &format!(
                "file {{ '/a': source => 'https://e.org/a', checksum => 'sha256', checksum_value => '{sum}' }}\nfile {{ '/b': source => 'https://e.org/b', checksum => 'sha256' }}\n"
            ),
        )],
        &["https://e.org/a content @https://e.org/a", "https://e.org/b none @https://e.org/b"],
    );
}

#[test]
fn names_that_somebody_fills_in() {
    check(
        &[("Dockerfile", "FROM BASE_IMAGE\nFROM BASE_IMAGE:latest\n")],
        &["BASE_IMAGE unknown @BASE_IMAGE", "BASE_IMAGE none @BASE_IMAGE:latest"],
    );
}

#[test]
fn the_newest_that_a_server_tells() {
    check(
        &[(
            "a.sh",
            "#!/bin/sh\nK=$(curl -sL https://e.org/release/stable.txt)\ncurl -LO https://e.org/release/$K/kubectl\nIP=$(curl -s https://e.org/my/address)\ncurl -O http://$IP/x\nwget $(curl -s https://api.github.com/repos/o/r/releases/latest | jq -r .url)\n",
        )],
        &[
            "https://e.org/release/latest/kubectl none @https://e.org/release/$K/kubectl",
            "http://…/x unknown @http://$IP/x",
            "$(curl -s https://api.github.com/repos/o/r/releases/latest | jq -r .url) none @$(curl -s https://api.github.com/repos/o/r/releases/latest | jq -r .url)",
        ],
    );
    check(
        &[(
            "b.sh",
            "#!/bin/sh\ngit clone https://e.org/x && cd x && git checkout $(git describe --tags $(git rev-list --tags --max-count=1))\n",
        )],
        &["https://e.org/x floating @https://e.org/x"],
    );
}
