//! A fully pinned file is clean; each pin taken away is exactly one finding, on exactly that word.
//!
//! To add a carrier: one sample in [`SAMPLES`]; each pin is written `«word|word without pin»`.

use driftcheck::pins::walk::audit_source;
use driftcheck::pins::{CARRIERS, PinReport, Repository, Requirements, SourceFile};

/// A path, and a file of that kind with its pins marked.
const SAMPLES: &[(&str, &str)] = &[
    (
        "Dockerfile",
        "# syntax=«docker/dockerfile:1@sha256:H64|docker/dockerfile:1»\n\
         ARG NODE=20.11.1\n\
         FROM «debian:12@sha256:H64|debian:12» AS base\n\
         ARG CURL=7.88.1-10\n\
         RUN apt-get update && apt-get install -y --no-install-recommends \\\n\
         \x20   # the client\n\
         \x20   «curl=${CURL}|curl» \\\n\
         \x20   «jq=1.6-2.1|jq»\n\
         RUN [\"pip\", \"install\", \"«flask==3.0.2|flask»\"]\n\
         COPY --from=«alpine:3@sha256:H64|alpine:3» /a /b\n\
         RUN --mount=from=«busybox@sha256:H64|busybox» true\n\
         ADD «--checksum=sha256:H64 |»https://e.org/a-1.2.3.tgz /tmp/\n\
         RUN <<EOT\n\
         apk add «bash=5.2.15-r5|bash»\n\
         EOT\n\
         RUN npm install -g «yarn@1.22.19|yarn» && gem install «rails:7.1.2|rails»\n\
         FROM base\n\
         FROM «node:${NODE}@sha256:H64|node:${NODE}»\n",
    ),
    (
        "setup.sh",
        "#!/bin/bash\nset -e\n\
         for p in «curl=7.88.1-10|curl» «jq=1.6-2.1|jq»; do\n  sudo apt-get install -y \"$p\"\ndone\n\
         pip install «requests==2.31.0|requests» «flask==3.0.2|flask>\\=2»\n\
         git clone -b «v1.2.3|main» https://github.com/a/b\n\
         cargo install --locked «ripgrep@14.1.0|ripgrep»\n\
         docker pull «nginx@sha256:H64|nginx:latest»\n",
    ),
    (
        "Makefile",
        "P := «curl=7.88.1-10|curl» jq=1.6-2.1\nall: deps\ndeps:\n\t@apt-get install -y $(P) less=590-2\n\
         \tgo install «github.com/a/b@v1.2.3|github.com/a/b@latest»\n",
    ),
    (
        "recipes/default.rb",
        "v = '1.6-2.1'\n\
         package 'jq' do\n\
         \x20 version «v|nil»\n\
         end\n\
         %w(«wget-1.21.3|wget» less-1.590.2).each do |name|\n\
         \x20 yum_package name\n\
         end\n\
         remote_file '/tmp/a' do\n\
         \x20 source 'https://e.org/a-1.2.3.tgz'\n\
         «  checksum 'H64'\n|»\
         end\n\
         bash 'x' do\n\
         \x20 code <<-EOH\n\
         \x20   pip install «flask==3.0.2|flask»\n\
         \x20 EOH\n\
         end\n\
         docker_image '«nginx@sha256:H64|nginx»'\n\
         git '/x' do\n\
         \x20 repository 'https://e.org/a.git'\n\
         \x20 revision '«v1.2.3|main»'\n\
         end\n",
    ),
    ("metadata.rb", "name 'x'\ndepends 'apt', '= 7.4.0'\ndepends «'yum', '= 1.2.3'|'yum'»\n"),
    (
        "manifests/init.pp",
        "class web (\n\
         \x20 String $version = '1.22.1-9',\n\
         ) {\n\
         \x20 package { 'nginx': ensure => «$version|latest» }\n\
         \x20 package { 'rake': provider => gem, ensure => '«13.0.6|installed»' }\n\
         \x20 exec { 'pip install «flask==3.0.2|flask»': }\n\
         \x20 vcsrepo { '/a': source => 'https://e.org/a.git', revision => '«v1.2.3|main»' }\n\
         \x20 docker::run { 'x': image => '«nginx@sha256:H64|nginx»' }\n\
         }\n",
    ),
    (
        "web/init.sls",
        "{% set v = '1.22.1-9' %}\n\
         web:\n\
         \x20 pkg.installed:\n\
         \x20   - pkgs:\n\
         \x20     - nginx: {{ v }}\n\
         \x20     - «jq: 1.6-2.1|jq»\n\
         \x20 pip.installed:\n\
         \x20   - name: «flask==3.0.2|flask»\n\
         \x20 cmd.run:\n\
         \x20   - name: npm i -g «yarn@1.22.19|yarn»\n",
    ),
    (
        "site.yml",
        "- hosts: all\n\
         \x20 vars: {v: 1.6-2.1}\n\
         \x20 tasks:\n\
         \x20   - apt:\n\
         \x20       name:\n\
         \x20         - «curl=7.88.1-10|curl»  # the client\n\
         \x20         - «jq={{ v }}|jq»\n\
         \x20   - ansible.builtin.yum: name=«nginx-1.20.1-1.el9|nginx» state=present\n\
         \x20   - pip: {name: '«flask==3.0.2|flask»', state: present}\n\
         \x20   - apt: {name: '{{ item }}'}\n\
         \x20     loop: ['«wget=1.21.3-1|wget»', less=590-2]\n\
         \x20   - get_url:\n\
         \x20       url: https://e.org/a-1.2.3.tgz\n\
         \x20       dest: /tmp/a.tgz\n\
         «        checksum: sha256:H64\n|»\
         \x20   - git: {repo: 'https://e.org/a.git', version: «v1.2.3|main»}\n\
         \x20   - shell: npm install -g «yarn@1.22.19|yarn»\n\
         \x20   - docker_container: {name: x, image: '«nginx@sha256:H64|nginx:latest»'}\n",
    ),
    (
        "requirements.yml",
        "roles:\n\
         \x20 - «{src: geerlingguy.docker, version: 6.1.0}|geerlingguy.docker»\n\
         collections:\n\
         \x20 - name: community.general\n\
         \x20   version: 8.1.0\n",
    ),
    (
        ".github/workflows/ci.yml",
        "on: push\nenv: {V: 2.31.0}\njobs:\n  build:\n    strategy:\n      matrix:\n        os: [«ubuntu-24.04|ubuntu-latest», windows-2022]\n        node: ['«20.11.1|20»', 22.1.0]\n        image: ['«node:20@sha256:H64|node:20»']\n\
         \x20   runs-on: ${{ matrix.os }}\n    container: ${{ matrix.image }}\n    services:\n      db:\n        image: «postgres:16@sha256:H64|postgres:16»\n    steps:\n\
         \x20   - uses: «actions/checkout@H40|actions/checkout@v4» # v4.2.2\n    - uses: actions/setup-node@H40\n      with:\n        node-version: ${{ matrix.node }}\n\
         \x20   - uses: ./.github/actions/own\n    - uses: docker://«alpine@sha256:H64|alpine:3»\n    - run: |\n        pip install «requests==${{ env.V }}|requests»\n        npm install -g «yarn@1.22.19|yarn»\n\
         \x20 call:\n    uses: «a/b/.github/workflows/w.yml@H40|a/b/.github/workflows/w.yml@main»\n",
    ),
    (
        "docker-compose.yml",
        "services:\n  db:\n    image: «postgres:16@sha256:H64|postgres:16»\n  web:\n    build: .\n    image: own/web\n    command: [sh, -c, \"pip install «x==1.0|x»\"]\n",
    ),
    (
        "k8s/app.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nspec:\n  template:\n    spec:\n      initContainers:\n      - image: «busybox@sha256:H64|busybox»\n      containers:\n      - image: \"«nginx:1@sha256:H64|nginx:1»\"\n        command: [sh, -c, 'apk add «curl=8.5.0-r0|curl»']\n",
    ),
    (
        "kustomization.yaml",
        "resources:\n- ../base\n- «https://github.com/a/b?ref=v1.2.3|https://github.com/a/b»\nimages:\n- name: a\n  digest: sha256:H64\nhelmCharts:\n- {name: w, repo: 'https://e.org', version: «1.2.3|^1»}\n",
    ),
    (
        "chart/Chart.yaml",
        "apiVersion: v2\ndependencies:\n- name: a\n  version: «1.2.3|~1.2»\n  repository: https://e.org\n",
    ),
    (
        "chart/values.yaml",
        "image:\n  repository: a/b\n  tag: «v1.2.3@sha256:H64|v1.2.3»\nsidecarImage: «c:1@sha256:H64|c:1»\n",
    ),
    (
        ".pre-commit-config.yaml",
        "repos:\n- repo: https://e.org/a\n  rev: «v4.5.0|main»\n  hooks:\n  - id: x\n    additional_dependencies: ['«y==1.0|y»']\n",
    ),
    (
        ".devcontainer/devcontainer.json",
        "{\"image\": \"«a@sha256:H64|a»\", \"features\": {\"«ghcr.io/a/b:1.2.3|ghcr.io/a/b:1»\": {\"version\": \"«1.22.1|latest»\"}}, \"postCreateCommand\": \"pip install «x==1|x»\"}",
    ),
    (
        ".gitlab-ci.yml",
        "image: «ruby@sha256:H64|ruby:3.2»\nvariables: {V: 1.0.2}\ninclude:\n- project: g/p\n  ref: «v1.2.3|main»\n  file: /x.yml\n- component: «e.org/c/x@1.2.3|e.org/c/x@~latest»\na:\n  services: [«redis@sha256:H64|redis»]\n  script:\n  - pip install «x==$V|x»\n",
    ),
    (
        ".circleci/config.yml",
        "orbs: {n: «circleci/node@5.1.0|circleci/node@5»}\njobs:\n  a:\n    docker: [{image: «cimg/base@sha256:H64|cimg/base:stable»}]\n    steps:\n    - run: {command: 'npm i -g «x@1.0.0|x»'}\n    - run: pip install «x==1|x»\n",
    ),
    (
        "azure-pipelines.yml",
        "resources:\n  repositories: [{repository: t, type: git, name: p/t, ref: «refs/tags/v1.2.3|refs/heads/main»}]\npool: {vmImage: «ubuntu-24.04|ubuntu-latest»}\nsteps:\n- task: UseNode@1\n  inputs: {version: «20.11.1|20.x»}\n- bash: apt-get install «curl=7.88.1-10|curl»\n",
    ),
    (
        "bitbucket-pipelines.yml",
        "image: «node@sha256:H64|node:20»\npipelines:\n  default:\n  - step:\n      script:\n      - pipe: «a/b:1.2.3|a/b:1»\n      - pip install «x==1.0|x»\n",
    ),
    (
        "Jenkinsfile",
        "@Library('«own@v1.2.3|own»') _\npipeline {\n  agent { docker { image '«maven@sha256:H64|maven:3»' } }\n  stages { stage('a') { steps { sh 'pip install «x==1.0|x»' } } }\n}\n",
    ),
    ("requirements.txt", "# own\n«flask==3.0.2|flask»\n«requests==2.31.0|requests»\n"),
    (
        "pyproject.toml",
        "[project]\ndependencies = [\"«a==1.0.2|a»\", \"«b==2.0|b~\\=2.0»\"]\n[build-system]\nrequires = [\"«hatchling==1.21.0|hatchling»\"]\n",
    ),
    (
        "package.json",
        "{\n\t\"dependencies\": {\"a\": \"«1.2.3|^1.2.3»\", \"b\": \"«1.0.0|latest»\"},\n\t\"packageManager\": \"«pnpm@9.1.0|pnpm@9»\"\n}\n",
    ),
    (
        "Cargo.toml",
        "[package]\nname = \"own\"\n[dependencies]\na = \"«=1.2.3|1.2»\"\nb = { version = \"«=2.0.1|*»\", features = [] }\n",
    ),
    (
        "Gemfile",
        "source 'https://rubygems.org'\nruby '«3.2.1|3.2»'\ngem '«a', '1.0.2|a»'\ngem \"b\", git: 'https://e.org/b', tag: '«v1.2.3|main»'\n",
    ),
    ("go.mod", "module own\n\ntoolchain «go1.22.1|go1.22»\n\nrequire e.org/a v1.0.0\n"),
    ("composer.json", "{\"require\": {\"php\": \">=8\", \"a/b\": \"«1.2.3|^1.2»\"}}"),
    (".tool-versions", "nodejs «20.11.1|20»\npython «3.12.1|latest»\n"),
    ("rust-toolchain.toml", "[toolchain]\nchannel = \"«1.75.0|stable»\"\n"),
    (
        "environment.yml",
        "dependencies:\n- «python=3.12.1|python»\n- pip: ['«flask==3.0.2|flask»']\n",
    ),
    (
        "Vagrantfile",
        "Vagrant.configure(\"2\") do |config|\n  config.vm.box = \"a/b\"\n  config.vm.box_download_checksum = \"x\"\n  config.vm.provision \"shell\", inline: <<-SHELL\n    apt-get install «curl=7.88.1-10|curl»\n  SHELL\nend\n",
    ),
];

/// One variant of a sample: which pin is taken away (none at first), and the text.
fn variant(sample: &str, stripped: Option<usize>) -> String {
    let sample = sample.replace("H64", &"0123456789abcdef".repeat(4));
    let sample = sample.replace("H40", &"0123456789".repeat(4)).replace("\\=", "=");
    let mut text = String::new();
    for (index, part) in sample.split('«').enumerate() {
        match part.split_once('»') {
            Some((mark, rest)) => {
                let (pinned, bare) = mark.split_once('|').unwrap();
                text.push_str(if stripped == index.checked_sub(1) { bare } else { pinned });
                text.push_str(rest);
            }
            None => text.push_str(part),
        }
    }
    text
}

fn findings(path: &str, text: &str) -> PinReport {
    let carrier = CARRIERS.iter().find(|c| (c.recognises)(path, text.as_bytes())).unwrap();
    let repository = Repository::of_files([(path, text.as_bytes())]);
    let collected = audit_source(&SourceFile::new(path, text.as_bytes()), carrier, &repository);
    let policy = Requirements::shipped().unwrap();
    PinReport::judge(collected.inputs, collected.remarks, collected.gaps, &policy)
}

#[test]
fn a_pin_taken_away_is_one_finding_on_its_word() {
    for (path, sample) in SAMPLES {
        let clean = findings(path, &variant(sample, None));
        assert!(clean.findings.is_empty() && clean.gaps.is_empty(), "{path}: {clean:#?}");
        let pins = sample.matches('«').count();
        for pin in 0..pins {
            let text = variant(sample, Some(pin));
            let report = findings(path, &text);
            let words: Vec<&str> = report
                .findings
                .iter()
                .map(|finding| &text[finding.byte_range.0..finding.byte_range.1])
                .collect();
            let mark = sample.split('«').nth(pin + 1).unwrap().split('»').next().unwrap();
            let bare = mark.split_once('|').unwrap().1.replace("\\=", "=");
            assert_eq!(words.len(), 1, "{path}, pin {pin} ({mark}): {words:?}\n{text}");
            let expected = bare.split('>').next().unwrap();
            let stripped = expected.trim_matches('\'');
            let named = words[0] == expected
                || words[0] == stripped
                || ["nil", "latest", "installed"].contains(&expected)
                    && ["jq", "nginx", "rake"].contains(&words[0])
                || words[0] == format!("docker://{expected}")
                || ["", "main"].contains(&bare.as_str()) && words[0].starts_with("https://");
            assert!(named, "{path}, pin {pin} ({mark}): {words:?}");
        }
    }
}
