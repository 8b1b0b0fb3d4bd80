//! The same command gets the same verdict in every carrier, at the offending word of the raw file.
//!
//! To add a carrier: one row in [`CARRIERS`], with a function that lays a command into a file of
//! that kind and says where each byte of the command went ([`Laid`]). To add a command: one row in
//! [`COMMANDS`], the words that are inputs marked with `«»`, in the order of their places.

use base64::Engine;
use driftcheck::pins::walk::audit_source;
use driftcheck::pins::{CARRIERS as READERS, Repository, SourceFile};

/// A command in a file.
pub struct Laid {
    /// The raw file.
    pub text: String,
    /// The raw offset of each byte of the command, and of its end.
    pub map: Vec<usize>,
    /// The raw bytes that every word is reported at, where the encoding keeps no offsets.
    pub opaque: Option<(usize, usize)>,
}

impl Laid {
    /// Lays `command` between two texts, some characters written as an escape.
    pub fn between(
        before: &str,
        command: &str,
        after: &str,
        escape: impl Fn(char) -> Option<&'static str>,
    ) -> Self {
        let mut text = before.to_owned();
        let mut map = Vec::new();
        for character in command.chars() {
            map.extend(std::iter::repeat_n(text.len(), character.len_utf8()));
            match escape(character) {
                Some(escaped) => text.push_str(escaped),
                None => text.push(character),
            }
        }
        map.push(text.len());
        text.push_str(after);
        Self { text, map, opaque: None }
    }
}

/// A command in base64, on one line of the file.
fn encoded(before: &str, script: &str, after: &str) -> Laid {
    let code = base64::engine::general_purpose::STANDARD.encode(script);
    let text = format!("{before}{code}{after}");
    let opaque = Some((before.len(), before.len() + code.len()));
    Laid { text, map: Vec::new(), opaque }
}

/// Lines of a block scalar that is indented by six.
fn indented(character: char) -> Option<&'static str> {
    (character == '\n').then_some("\n      ")
}

/// One kind of file.
pub struct Template {
    /// The carrier that must read it.
    pub carrier: &'static str,
    /// What is special about it.
    pub form: &'static str,
    /// A path that the carrier recognises.
    pub path: &'static str,
    /// Lays a command into it.
    pub lay: fn(&str) -> Laid,
}

fn plain(before: &str, command: &str, after: &str) -> Laid {
    Laid::between(before, command, after, |_| None)
}

fn json(character: char) -> Option<&'static str> {
    match character {
        '"' => Some("\\\""),
        '\\' => Some("\\\\"),
        '\t' => Some("\\t"),
        '\n' => Some("\\n"),
        _ => None,
    }
}

fn quoted(character: char) -> Option<&'static str> {
    match character {
        '"' => Some("\\\""),
        '\\' => Some("\\\\"),
        _ => None,
    }
}

/// Lays a command into a template of HCL: `${` and `%{` are doubled, other characters escaped.
fn templated(
    before: &str,
    command: &str,
    after: &str,
    escape: impl Fn(char) -> Option<&'static str>,
) -> Laid {
    let mut laid = Laid::between(before, "", "", |_| None);
    laid.map.clear();
    let mut rest = command.chars().peekable();
    while let Some(character) = rest.next() {
        laid.map.extend(std::iter::repeat_n(laid.text.len(), character.len_utf8()));
        if matches!(character, '$' | '%') && rest.peek() == Some(&'{') {
            laid.text.push(character);
        }
        match escape(character) {
            Some(escaped) => laid.text.push_str(escaped),
            None => laid.text.push(character),
        }
    }
    laid.map.push(laid.text.len());
    laid.text.push_str(after);
    laid
}

/// Every carrier that runs shell commands, in each of its forms.
pub const CARRIERS: &[Template] = &[
    Template {
        carrier: "shell",
        form: "script",
        path: "setup.sh",
        lay: |command| plain("#!/bin/sh\nset -e\n", command, "\n"),
    },
    Template {
        carrier: "shell",
        form: "shebang, no extension, in a function",
        path: "bin/setup",
        lay: |command| plain("#!/usr/bin/env bash\nmain() {\n  ", command, "\n}\nmain \"$@\"\n"),
    },
    Template {
        carrier: "dockerfile",
        form: "RUN",
        path: "Dockerfile",
        lay: |command| plain("FROM scratch\nRUN ", command, "\nUSER nobody\n"),
    },
    Template {
        carrier: "dockerfile",
        form: "RUN over several lines, with a comment",
        path: "web.dockerfile",
        lay: |command| {
            plain("FROM scratch\nRUN set -eux; \\\n  # why\n  ", command, " \\\n  && true\n")
        },
    },
    Template {
        carrier: "dockerfile",
        form: "heredoc",
        path: "Containerfile",
        lay: |command| plain("FROM scratch\nRUN <<EOT\nset -e\n", command, "\nEOT\n"),
    },
    Template {
        carrier: "dockerfile",
        form: "JSON",
        path: "Dockerfile.json-form",
        lay: |command| {
            Laid::between("FROM scratch\nRUN [\"bash\", \"-c\", \"", command, "\"]\n", json)
        },
    },
    Template {
        carrier: "makefile",
        form: "recipe",
        path: "Makefile",
        lay: |command| Laid::between("all:\n\t@", command, "\n", |c| (c == '$').then_some("$$")),
    },
    Template {
        carrier: "packer",
        form: "inline list",
        path: "web.pkr.hcl",
        lay: |command| {
            let before = "build {\n  provisioner \"shell\" {\n    inline = [\"set -e\", \"";
            templated(before, command, "\"]\n  }\n}\n", quoted)
        },
    },
    Template {
        carrier: "packer",
        form: "indented heredoc",
        path: "web.pkr.hcl",
        lay: |command| {
            let before =
                "build {\n  provisioner \"shell\" {\n    inline = [<<-EOT\n      set -e\n      ";
            templated(before, command, "\n    EOT\n    ]\n  }\n}\n", |_| None)
        },
    },
    Template {
        carrier: "packer-json",
        form: "inline list",
        path: "web.json",
        lay: |command| {
            let before =
                "{\"builders\": [], \"provisioners\": [{\"type\": \"shell\", \"inline\": [\"";
            Laid::between(before, command, "\"]}]}\n", json)
        },
    },
    Template {
        carrier: "terraform",
        form: "remote-exec",
        path: "main.tf",
        lay: |command| {
            let before = "resource \"null_resource\" \"x\" {\n  provisioner \"remote-exec\" {\n    inline = [\n      \"";
            templated(before, command, "\",\n    ]\n  }\n}\n", quoted)
        },
    },
    Template {
        carrier: "terraform",
        form: "local-exec",
        path: "main.tofu",
        lay: |command| {
            let before = "resource \"terraform_data\" \"x\" {\n  provisioner \"local-exec\" {\n    command = \"";
            templated(before, command, "\"\n  }\n}\n", quoted)
        },
    },
    Template {
        carrier: "terraform",
        form: "user_data heredoc",
        path: "main.tf",
        lay: |command| {
            let before = "resource \"aws_instance\" \"x\" {\n  user_data = <<EOF\n#!/bin/bash\n";
            templated(before, command, "\nEOF\n}\n", |_| None)
        },
    },
    Template {
        carrier: "terraform",
        form: "user_data, encoded and indented",
        path: "main.tf",
        lay: |command| {
            let before = "resource \"aws_launch_template\" \"x\" {\n  user_data = base64encode(<<-EOF\n    #!/bin/bash\n    ";
            templated(before, command, "\n  EOF\n  )\n}\n", |_| None)
        },
    },
    Template {
        carrier: "terraform",
        form: "JSON",
        path: "main.tf.json",
        lay: |command| {
            let before = "{\"resource\": {\"null_resource\": {\"x\": {\"provisioner\": {\"remote-exec\": {\"inline\": [\"";
            templated(before, command, "\"]}}}}}}\n", json)
        },
    },
    Template {
        carrier: "cloud-init",
        form: "runcmd, literal",
        path: "user-data",
        lay: |command| {
            Laid::between("#cloud-config\nruncmd:\n  - |\n      ", command, "\n  - x\n", indented)
        },
    },
    Template {
        carrier: "cloud-init",
        form: "runcmd, double quotes, CRLF",
        path: "seed/user-data.yaml",
        lay: |command| Laid::between("#cloud-config\r\nruncmd:\r\n  - \"", command, "\"\r\n", json),
    },
    Template {
        carrier: "cloud-init",
        form: "runcmd, list",
        path: "web.cloud-config",
        lay: |command| {
            let before = "#cloud-config\nruncmd:\n  - [bash, -c, \"";
            Laid::between(before, command, "\"]\n", json)
        },
    },
    Template {
        carrier: "cloud-init",
        form: "bootcmd, single quotes, behind other characters than ASCII",
        path: "any.txt",
        lay: |command| {
            let before = "#cloud-config\n# \u{e4}\u{1f600}\nbootcmd:\n- '";
            Laid::between(before, command, "'\n", |c| (c == '\'').then_some("''"))
        },
    },
    Template {
        carrier: "cloud-init",
        form: "write_files, literal",
        path: "user-data",
        lay: |command| {
            let before = "#cloud-config\nwrite_files:\n  - path: /opt/x\n    content: |\n      #!/bin/sh\n\n      ";
            Laid::between(before, command, "\n    permissions: '0755'\n", indented)
        },
    },
    Template {
        carrier: "cloud-init",
        form: "write_files, base64",
        path: "user-data",
        lay: |command| {
            let before =
                "#cloud-config\nwrite_files:\n  - path: /opt/x\n    encoding: b64\n    content: ";
            encoded(before, &format!("#!/bin/sh\n{command}\n"), "\n")
        },
    },
    Template {
        carrier: "cloud-init",
        form: "MIME part",
        path: "user-data.mime",
        lay: |command| {
            let before = "Content-Type: multipart/mixed; boundary=\"==B==\"\nMIME-Version: 1.0\n\n--==B==\nContent-Type: text/x-shellscript; charset=\"us-ascii\"\n\n#!/bin/sh\n";
            plain(before, command, "\n\n--==B==--\n")
        },
    },
    Template {
        carrier: "cloud-init",
        form: "MIME part, quoted-printable",
        path: "user-data.txt",
        lay: |command| {
            let before = "Content-Type: multipart/mixed; boundary=B\n\n--B\nContent-Type: text/x-shellscript\nContent-Transfer-Encoding: quoted-printable\n\n#!/bin/sh\n";
            Laid::between(before, command, "\n--B--\n", |c| (c == '=').then_some("=3D"))
        },
    },
    Template {
        carrier: "cloud-init",
        form: "jinja, folded",
        path: "user-data.j2",
        lay: |command| {
            let before = "## template: jinja\n#cloud-config\nfqdn: {{ name }}\n{% if x %}\nruncmd:\n  - >-\n      ";
            Laid::between(before, command, "\n{% endif %}\n", |c| {
                (c == '\n').then_some("\n\n      ")
            })
        },
    },
    Template {
        carrier: "chef",
        form: "bash, quoted heredoc",
        path: "cookbooks/web/recipes/default.rb",
        lay: |command| {
            let before = "bash 'x' do\n  code <<-'EOH'\n    set -e\n    ";
            plain(before, command, "\n  EOH\nend\n")
        },
    },
    Template {
        carrier: "chef",
        form: "execute, double quotes, in a branch",
        path: "resources/x.rb",
        lay: |command| {
            let before = "action :run do\n  if x\n    execute 'x' do\n      command \"";
            Laid::between(before, command, "\"\n    end\n  end\nend\n", |c| match c {
                '#' => Some("\\#"),
                other => json(other),
            })
        },
    },
    Template {
        carrier: "chef",
        form: "execute, single quotes as name",
        path: "recipes/x.rb",
        lay: |command| {
            Laid::between("execute '", command, "'\n", |c| match c {
                '\'' => Some("\\'"),
                '\\' => Some("\\\\"),
                _ => None,
            })
        },
    },
    Template {
        carrier: "puppet",
        form: "exec, single quotes",
        path: "manifests/init.pp",
        lay: |command| {
            let before = "class x {\n  exec { 'x':\n    command => '";
            Laid::between(before, command, "',\n    path => '/bin',\n  }\n}\n", |c| match c {
                '\'' => Some("\\'"),
                '\\' => Some("\\\\"),
                _ => None,
            })
        },
    },
    Template {
        carrier: "puppet",
        form: "exec, heredoc",
        path: "site.pp",
        lay: |command| {
            plain("exec { 'x':\n  command => @(EOT)\n    set -e\n    ", command, "\n    | EOT\n}\n")
        },
    },
    Template {
        carrier: "salt",
        form: "cmd.run, literal",
        path: "web/init.sls",
        lay: |command| {
            let before = "{% set x = 1 %}\nx:\n  cmd.run:\n  - name: |\n      ";
            Laid::between(before, command, "\n  - cwd: /\n", indented)
        },
    },
    Template {
        carrier: "ansible",
        form: "shell, literal",
        path: "roles/web/tasks/main.yml",
        lay: |command| {
            let before = "- name: x\n  ansible.builtin.shell: |\n      ";
            Laid::between(before, command, "\n  when: y\n", indented)
        },
    },
    Template {
        carrier: "ansible",
        form: "shell, double quotes, in a block of a play",
        path: "site.yml",
        lay: |command| {
            let before =
                "- hosts: all\n  tasks:\n    - block:\n        - shell:\n            cmd: \"";
            Laid::between(before, command, "\"\n", json)
        },
    },
    Template {
        carrier: "ansible",
        form: "raw, single quotes, through a variable's text",
        path: "tasks/x.yml",
        lay: |command| Laid::between("- raw: '", command, "'\n", |c| (c == '\'').then_some("''")),
    },
    Template {
        carrier: "ansible",
        form: "argv",
        path: "handlers/main.yml",
        lay: |command| {
            let before = "- ansible.builtin.command:\n    argv: [bash, -c, \"";
            Laid::between(before, command, "\"]\n", json)
        },
    },
    Template {
        carrier: "github-actions",
        form: "run, literal",
        path: ".github/workflows/ci.yml",
        lay: |command| {
            let before = "on: push\njobs:\n a:\n  runs-on: ubuntu-24.04\n  steps:\n  - run: |\n      set -e\n      ";
            Laid::between(before, command, "\n  - run: true\n", indented)
        },
    },
    Template {
        carrier: "github-actions",
        form: "run, double quotes, shell named",
        path: ".github/workflows/ci.yaml",
        lay: |command| {
            let before = "jobs: {a: {runs-on: x, steps: [{shell: 'bash -e {0}', run: \"";
            Laid::between(before, command, "\"}]}}\n", json)
        },
    },
    Template {
        carrier: "github-actions",
        form: "step of a composite action, folded",
        path: "tools/action.yml",
        lay: |command| {
            let before = "name: x\nruns:\n  using: composite\n  steps:\n  - shell: bash\n    run: >-\n      ";
            Laid::between(before, command, "\n", |c| (c == '\n').then_some("\n\n      "))
        },
    },
    Template {
        carrier: "compose",
        form: "command, list",
        path: "compose.yaml",
        lay: |command| {
            let before = "services:\n  a:\n    build: .\n    command: [bash, -c, \"";
            Laid::between(before, command, "\"]\n", |c| match c {
                '$' => Some("$$"),
                other => json(other),
            })
        },
    },
    Template {
        carrier: "kubernetes",
        form: "command and args",
        path: "deploy/app.yaml",
        lay: |command| {
            let before = "apiVersion: apps/v1\nkind: Deployment\nspec:\n  template:\n    spec:\n      containers:\n      - command: [/bin/sh, -c]\n        args:\n        - |\n      ";
            Laid::between(&format!("{before}    "), command, "\n", |c| {
                (c == '\n').then_some("\n          ")
            })
        },
    },
    Template {
        carrier: "kubernetes",
        form: "script in a config map, JSON",
        path: "deploy/app.json",
        lay: |command| {
            let before = "{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"data\": {\"a.sh\": \"set -e\\n";
            Laid::between(before, command, "\"}}\n", json)
        },
    },
    Template {
        carrier: "devcontainer",
        form: "postCreateCommand",
        path: ".devcontainer/devcontainer.json",
        lay: |command| {
            let before = "{\n  // after it was made\n  \"postCreateCommand\": \"";
            Laid::between(before, command, "\",\n}\n", json)
        },
    },
    Template {
        carrier: "gitlab-ci",
        form: "script, literal, behind before_script",
        path: ".gitlab-ci.yml",
        lay: |command| {
            let before = "a:\n  before_script: [set -e]\n  script:\n  - |\n      ";
            Laid::between(before, command, "\n  - true\n", indented)
        },
    },
    Template {
        carrier: "gitlab-ci",
        form: "after_script by reference, double quotes",
        path: "ci/build.gitlab-ci.yml",
        lay: |command| {
            let before = "a:\n  after_script: [!reference [.b, lines]]\n.b:\n  lines: \"";
            Laid::between(before, command, "\"\n", json)
        },
    },
    Template {
        carrier: "circleci",
        form: "run, command",
        path: ".circleci/config.yml",
        lay: |command| {
            let before = "jobs:\n a:\n  steps:\n  - run:\n     command: |\n      ";
            Laid::between(before, command, "\n", |c| match c {
                '\n' => Some("\n      "),
                _ => None,
            })
        },
    },
    Template {
        carrier: "azure-pipelines",
        form: "bash",
        path: "azure-pipelines.yml",
        lay: |command| Laid::between("steps:\n- bash: \"", command, "\"\n", json),
    },
    Template {
        carrier: "azure-pipelines",
        form: "script of a job, literal",
        path: ".azure-pipelines/a.yml",
        lay: |command| {
            let before = "jobs:\n- job: a\n  steps:\n  - script: |\n      ";
            Laid::between(before, command, "\n", indented)
        },
    },
    Template {
        carrier: "bitbucket-pipelines",
        form: "script",
        path: "bitbucket-pipelines.yml",
        lay: |command| {
            let before =
                "pipelines:\n  default:\n  - step:\n     script:\n     - set -e\n     - |\n      ";
            Laid::between(before, command, "\n", |c| match c {
                '\n' => Some("\n      "),
                _ => None,
            })
        },
    },
    Template {
        carrier: "jenkins",
        form: "sh, three single quotes",
        path: "Jenkinsfile",
        lay: |command| {
            let before =
                "pipeline {\n  // it's one\n  stages { stage('a') { steps { sh '''set -e\n";
            Laid::between(before, command, "\n''' } } }\n}\n", |c| match c {
                '\\' => Some("\\\\"),
                '\'' => Some("\\'"),
                _ => None,
            })
        },
    },
    Template {
        carrier: "jenkins",
        form: "sh, double quotes, by name",
        path: "build.jenkinsfile",
        lay: |command| {
            let before = "node { sh(returnStdout: true, script: \"";
            Laid::between(before, command, "\") }\n", |c| match c {
                '$' => Some("\\$"),
                other => json(other),
            })
        },
    },
    Template {
        carrier: "drone",
        form: "commands",
        path: ".drone.yml",
        lay: |command| Laid::between("steps:\n- commands: [\"", command, "\"]\n", json),
    },
    Template {
        carrier: "cloud-build",
        form: "script",
        path: "cloudbuild.yaml",
        lay: |command| Laid::between("steps:\n- script: \"", command, "\"\n", json),
    },
    Template {
        carrier: "vagrant",
        form: "shell provisioner, here-document",
        path: "Vagrantfile",
        lay: |command| {
            let before = "Vagrant.configure(\"2\") do |config|\n  config.vm.provision \"shell\", inline: <<-SHELL\n    set -e\n    ";
            plain(before, command, "\n  SHELL\nend\n")
        },
    },
];

/// A command, and its inputs in order: ecosystem, subject, strength with credits.
pub type Row = (&'static str, &'static [(&'static str, &'static str, &'static str)]);

/// Commands. `H40` and `H64` stand for that many hexadecimal digits.
pub const COMMANDS: &[Row] = &[
    // Debian and Ubuntu.
    ("apt-get install -y «curl»", &[("apt", "curl", "none")]),
    ("apt-get install -y «curl» «wget»", &[("apt", "curl", "none"), ("apt", "wget", "none")]),
    ("apt-get install -y «curl=7.88.1-10»", &[("apt", "curl", "exact")]),
    ("apt-get install -y «curl=7.*»", &[("apt", "curl", "range")]),
    ("apt-get install -y '«curl=7.88.1-10»'", &[("apt", "curl", "exact")]),
    ("apt-get install -y «curl/bookworm-backports»", &[("apt", "curl", "floating")]),
    ("apt-get -t sid install «curl»", &[("apt", "curl", "floating")]),
    ("apt-get -yq -o Dpkg::Use-Pty=0 install «curl»", &[("apt", "curl", "none")]),
    ("apt-get install ./local.deb /tmp/x.deb", &[]),
    ("apt install «curl:amd64»", &[("apt", "curl:amd64", "none")]),
    ("aptitude install -y «curl»", &[("apt", "curl", "none")]),
    ("sudo -E apt-get install «curl»", &[("apt", "curl", "none")]),
    (
        "env DEBIAN_FRONTEND=noninteractive /usr/bin/apt-get install «curl»",
        &[("apt", "curl", "none")],
    ),
    ("DEBIAN_FRONTEND=noninteractive apt-get install «curl»", &[("apt", "curl", "none")]),
    ("apt-get install «curl=$VERSION»", &[("apt", "curl", "unknown")]),
    ("V=7.88.1-10; apt-get install «curl=$V»", &[("apt", "curl", "exact")]),
    ("apt-get install «curl=${V:-7.88.1-10}»", &[("apt", "curl", "exact")]),
    ("P='«curl» «jq=1.6»'; apt-get install $P", &[("apt", "curl", "none"), ("apt", "jq", "exact")]),
    (
        "P=(«curl» «jq=1.6»); apt-get install \"${P[@]}\"",
        &[("apt", "curl", "none"), ("apt", "jq", "exact")],
    ),
    (
        "for p in «curl» «jq=1.6»; do apt-get install \"$p\"; done",
        &[("apt", "curl", "none"), ("apt", "jq", "exact")],
    ),
    (
        "echo «curl» «jq=1.6» | xargs apt-get install -y",
        &[("apt", "curl", "none"), ("apt", "jq", "exact")],
    ),
    ("bash -c \"apt-get install '«curl»'\"", &[("apt", "curl", "none")]),
    ("sh -exc 'apt-get install «curl»'", &[("apt", "curl", "none")]),
    ("su - root -c 'apt-get install «curl»'", &[("apt", "curl", "none")]),
    ("eval \"apt-get install «curl»\"", &[("apt", "curl", "none")]),
    ("apk add «nodejs@edge=22.13.1-r0»", &[("apk", "nodejs", "exact")]),
    ("apk add «nodejs@edge»", &[("apk", "nodejs", "none")]),
    ("apk add '«a><Q12lvT0pPK3aQaUWmI9djiLpFg»'", &[("apk", "a", "content")]),
    (
        "s=$(curl -L «https://e.org/i.sh»); eval \"$s\"",
        &[("download", "https://e.org/i.sh", "none")],
    ),
    (
        "s=$(curl -L «https://e.org/i.sh»); echo \"$s\" | sh",
        &[("download", "https://e.org/i.sh", "none")],
    ),
    ("s=$(curl -L https://e.org/i.sh); echo \"$s\"", &[]),
    (
        "if true; then apt-get install «curl»; else (apt-get install «wget»); fi",
        &[("apt", "curl", "none"), ("apt", "wget", "none")],
    ),
    ("inst() { apt-get install \"$@\"; }; inst «curl»", &[("apt", "curl", "none")]),
    ("timeout 300 nice -n 10 apt-get install «curl» || exit 1", &[("apt", "curl", "none")]),
    ("apt-get update && apt-get «upgrade» -y", &[("apt", "upgrade", "none")]),
    ("apt-get «dist-upgrade» -y", &[("apt", "dist-upgrade", "none")]),
    (
        "apt-get update --snapshot 20240101T000000Z && apt-get install «curl»",
        &[("apt", "curl", "content")],
    ),
    (
        "sed -i 's|deb.debian.org/debian|snapshot.debian.org/archive/debian/20240101T000000Z|' /etc/apt/sources.list; apt-get install «curl»",
        &[("apt", "curl", "content")],
    ),
    (
        "printf 'Package: curl\\nPin: version 7.88.1-10\\n' > /etc/apt/preferences.d/curl; apt-get install «curl»",
        &[("apt", "curl", "exact")],
    ),
    (
        "add-apt-repository -y «ppa:deadsnakes/ppa»",
        &[("repository", "ppa:deadsnakes/ppa", "floating")],
    ),
    ("apt-get purge -y curl && apt-get autoremove && apt-get clean", &[]),
    ("echo apt-get install curl", &[]),
    ("dpkg -l | grep curl", &[]),
    ("install_packages «curl»", &[("apt", "curl", "none")]),
    ("$(which apt-get) install «curl»", &[("apt", "curl", "none")]),
    ("retry 5 apt-get install «curl»", &[("apt", "curl", "none")]),
    ("bash -c 'apt-get install \"$@\"' _ «curl»", &[("apt", "curl", "none")]),
    ("apt-get install \"«linux-headers-$(uname -r)»\"", &[("apt", "linux-headers-…", "none")]),
    ("rpm -ivh «https://e.org/x-1.2.3.rpm»", &[("download", "https://e.org/x-1.2.3.rpm", "exact")]),
    ("tfenv install «1.5.7»", &[("tool", "tfenv", "exact")]),
    ("asdf install nodejs «20»", &[("tool", "nodejs", "range")]),
    (
        ". /dev/stdin <<< \"$(wget -qO- «https://e.org/x»)\"",
        &[("download", "https://e.org/x", "none")],
    ),
    ("aws s3 cp «s3://b/x.sh» x.sh && sh x.sh", &[("download", "s3://b/x.sh", "none")]),
    (
        "curl -LO «https://e.org/t.tgz» && tar xf t.tgz && echo 'H64  other' | sha256sum -c",
        &[("download", "https://e.org/t.tgz", "none")],
    ),
    ("bundle exec rake && npm test && yarn build && go build ./...", &[]),
    // The grammar that the shell engine stands on reads these wrongly when left to itself.
    (
        "B=https://e.org V=1.2.3; curl -fsSLO «$B/$V/x.tgz»",
        &[("download", "https://e.org/1.2.3/x.tgz", "exact")],
    ),
    ("U=$BASE/$V/x.sh; curl -fsSL «$U» | sh", &[("download", "…/…/x.sh", "none")]),
    (
        "A=curl; B=jq=1.6; P=\"«$A» «$B»\"; apt-get install $P",
        &[("apt", "curl", "none"), ("apt", "jq", "exact")],
    ),
    (
        "P=; for p in «curl» «jq=1.6»; do apt-get install $p; done; apt-get clean $P/$p/x",
        &[("apt", "curl", "none"), ("apt", "jq", "exact")],
    ),
    (
        "A=x; echo \"$A $(curl -fsSL «https://e.org/x» | sh)\"",
        &[("download", "https://e.org/x", "none")],
    ),
    (
        "f() { x=$1; shift; apt-get install \"$@\"; }; f x «curl» «jq=1.6»",
        &[("apt", "curl", "none"), ("apt", "jq", "exact")],
    ),
    ("yum install -y rpms/x86_64/* «curl»", &[("dnf", "curl", "none")]),
    ("dnf --installroot /mnt --release 30 install «curl»", &[("dnf", "curl", "none")]),
    (
        "git clone -b v1.2.3 «https://e.org/x.git» && cd x && ./configure && make",
        &[("git", "https://e.org/x.git", "exact")],
    ),
    ("gem install «bundler:2.0.1» -- --with-x=true y", &[("gem", "bundler", "exact")]),
    ("npm install ./x x-1.2.3.tar x-1.2.3.tgz «sax»", &[("npm", "sax", "none")]),
    ("pip install «a» -c https://e.org/c.txt", &[("pip", "a", "unknown")]),
    // rpm.
    ("yum install -y «curl»", &[("dnf", "curl", "none")]),
    ("yum -y install «curl-7.76.1-26.el9»", &[("dnf", "curl", "exact")]),
    ("dnf install -y «python3.12-3.12.1-4.el9»", &[("dnf", "python3.12", "exact")]),
    ("dnf --releasever 9 install «java-11-openjdk»", &[("dnf", "java-11-openjdk", "none")]),
    ("dnf install -y «nginx-1.20*»", &[("dnf", "nginx", "range")]),
    ("dnf group install «Development»", &[("dnf", "Development", "none")]),
    ("dnf install -y «@development»", &[("dnf", "@development", "none")]),
    ("microdnf install «curl» --nodocs", &[("dnf", "curl", "none")]),
    ("tdnf install -y «curl»", &[("dnf", "curl", "none")]),
    ("dnf «update» -y", &[("dnf", "update", "none")]),
    ("dnf module enable «nodejs:18»", &[("dnf", "nodejs", "floating")]),
    ("dnf versionlock add curl-7.76.1 && dnf install «curl»", &[("dnf", "curl", "exact")]),
    (
        "yum install -y «https://e.org/x-1.2.3.rpm»",
        &[("download", "https://e.org/x-1.2.3.rpm", "exact")],
    ),
    ("zypper --non-interactive in «curl»", &[("zypper", "curl", "none")]),
    ("zypper install -y «curl=8.0.1»", &[("zypper", "curl", "exact")]),
    ("zypper install '«curl>=8»'", &[("zypper", "curl", "range")]),
    ("zypper «dup»", &[("zypper", "dup", "none")]),
    // Alpine, Arch, stores.
    ("apk add --no-cache «curl»", &[("apk", "curl", "none")]),
    (
        "apk add --no-cache --virtual .build «gcc=13.2.1_git20231014-r0» «make»",
        &[("apk", "gcc", "exact"), ("apk", "make", "none")],
    ),
    ("apk add '«curl~8»'", &[("apk", "curl", "range")]),
    ("apk add '«curl=~8.5»'", &[("apk", "curl", "range")]),
    ("apk add «curl-8.5.0-r0»", &[("apk", "curl-8.5.0-r0", "none")]),
    ("apk «upgrade»", &[("apk", "upgrade", "none")]),
    ("pacman -S --noconfirm «curl»", &[("pacman", "curl", "none")]),
    ("pacman -Qs curl", &[]),
    ("snap install «lxd»", &[("snap", "lxd", "none")]),
    ("snap install «lxd» --channel=5.15/stable", &[("snap", "lxd", "floating")]),
    ("snap install «lxd» --revision=24061", &[("snap", "lxd", "exact")]),
    ("flatpak install -y flathub «org.gimp.GIMP»", &[("flatpak", "org.gimp.GIMP", "none")]),
    ("brew install «jq»", &[("brew", "jq", "none")]),
    ("brew install «node@18»", &[("brew", "node", "floating")]),
    ("choco install -y «git» --version 2.40.0", &[("choco", "git", "exact")]),
    ("choco install «git» -y", &[("choco", "git", "none")]),
    ("winget install --id «Git.Git» -e", &[("winget", "Git.Git", "none")]),
    (
        "pwsh -Command 'Install-Module -Name «Az» -RequiredVersion 9.0.1 -Force'",
        &[("powershell", "Az", "exact")],
    ),
    ("pwsh -Command 'Install-Module «Az» -Force'", &[("powershell", "Az", "none")]),
    // Python.
    ("pip install «requests»", &[("pip", "requests", "none")]),
    ("pip3 install --no-cache-dir «requests==2.31.0»", &[("pip", "requests", "exact")]),
    ("python3 -m pip install --upgrade «pip»", &[("pip", "pip", "none")]),
    ("pip install '«requests>=2»'", &[("pip", "requests", "range")]),
    ("pip install «requests~=2.31»", &[("pip", "requests", "range")]),
    ("pip install «requests==2.*»", &[("pip", "requests", "range")]),
    ("pip install \"«requests[socks]==2.31.0»\"", &[("pip", "requests", "exact")]),
    ("pip install «requests=2.31.0»", &[("pip", "requests", "none")]),
    ("pip install «requests»>=2", &[("pip", "requests", "none")]),
    (
        "pip install -i https://e.org/simple --extra-index-url https://f.org «requests»",
        &[("pip", "requests", "none")],
    ),
    ("pip install . -e ./pkg dist/x.whl", &[]),
    ("pip install «git+https://github.com/a/b@main#egg=b»", &[("git", "b", "none")]),
    (
        "pip install «git+https://github.com/a/b@H40»",
        &[("git", "git+https://github.com/a/b", "content")],
    ),
    ("pip install -r «missing.txt»", &[("pip", "missing.txt", "unknown")]),
    ("pip install --require-hashes -r «missing.txt»", &[("pip", "missing.txt", "content")]),
    ("pipx install «black==24.1.0»", &[("pip", "black", "exact")]),
    ("uv pip install «black»", &[("pip", "black", "none")]),
    ("uv tool install «ruff==0.4.1»", &[("pip", "ruff", "exact")]),
    ("uvx «ruff@0.4.1» check", &[("pip", "ruff", "exact")]),
    ("poetry add «requests@^2»", &[("pip", "requests", "range")]),
    ("conda install -y -c conda-forge «numpy=1.26.4»", &[("conda", "numpy", "exact")]),
    ("conda install -y «numpy»", &[("conda", "numpy", "none")]),
    ("mamba install «numpy=1.26»", &[("conda", "numpy", "range")]),
    // JavaScript.
    ("npm install -g «typescript»", &[("npm", "typescript", "none")]),
    ("npm i -g «typescript@5.4.2»", &[("npm", "typescript", "exact")]),
    ("npm install «typescript@latest»", &[("npm", "typescript", "none")]),
    ("npm install «typescript@^5»", &[("npm", "typescript", "range")]),
    ("npm install «@angular/cli@17.0.0»", &[("npm", "@angular/cli", "exact")]),
    ("npm «install»", &[("npm", "install", "range")]),
    ("npm «ci»", &[("npm", "ci", "content")]),
    ("npx «cowsay» hello", &[("npm", "cowsay", "none")]),
    ("npx -y «cowsay@1.5.0» hello", &[("npm", "cowsay", "exact")]),
    ("yarn global add «gulp»", &[("npm", "gulp", "none")]),
    ("yarn «install» --frozen-lockfile", &[("npm", "install", "content")]),
    ("pnpm add -g «turbo@1.12.3»", &[("npm", "turbo", "exact")]),
    ("bun add «zod»", &[("npm", "zod", "none")]),
    // Ruby, Go, Rust, .NET, PHP.
    ("gem install «rails»", &[("gem", "rails", "none")]),
    ("gem install «rails» -v 7.1.2", &[("gem", "rails", "exact")]),
    ("gem install «rails:7.1.2» --no-document", &[("gem", "rails", "exact")]),
    ("gem install «rails» -v '~> 7.0'", &[("gem", "rails", "range")]),
    ("gem install «rails=7.1.2»", &[("gem", "rails", "none")]),
    ("bundle «install»", &[("gem", "install", "range")]),
    ("go install «github.com/a/b@latest»", &[("go", "github.com/a/b", "none")]),
    (
        "go install -ldflags '-s -w' «github.com/a/b/cmd/x@v1.2.3»",
        &[("go", "github.com/a/b/cmd/x", "exact")],
    ),
    ("go get «github.com/a/b»", &[("go", "github.com/a/b", "none")]),
    ("go install ./...", &[]),
    ("cargo install «ripgrep»", &[("cargo", "ripgrep", "none")]),
    ("cargo install --locked «ripgrep» --version 14.1.0", &[("cargo", "ripgrep", "exact")]),
    ("cargo install «ripgrep@14.1.0»", &[("cargo", "ripgrep", "exact")]),
    ("rustup toolchain install «stable»", &[("rustup", "rust", "floating")]),
    ("rustup default «1.75.0»", &[("rustup", "rust", "exact")]),
    ("dotnet tool install -g «dotnet-ef» --version 8.0.1", &[("nuget", "dotnet-ef", "exact")]),
    ("dotnet tool install --global «dotnet-ef»", &[("nuget", "dotnet-ef", "none")]),
    ("composer require «monolog/monolog:^3.0»", &[("composer", "monolog/monolog", "range")]),
    ("composer global require «phpunit/phpunit»", &[("composer", "phpunit/phpunit", "none")]),
    // Charts, manifests, roles, images.
    ("helm install web «bitnami/nginx»", &[("helm", "bitnami/nginx", "none")]),
    (
        "helm upgrade --install web «bitnami/nginx» --version 15.0.1 -f values.yaml",
        &[("helm", "bitnami/nginx", "exact")],
    ),
    (
        "kubectl apply -f «https://raw.githubusercontent.com/a/b/main/x.yaml»",
        &[("kubernetes", "https://raw.githubusercontent.com/a/b/main/x.yaml", "none")],
    ),
    (
        "kubectl apply -f «https://github.com/a/b/releases/download/v1.2.3/x.yaml»",
        &[("kubernetes", "https://github.com/a/b/releases/download/v1.2.3/x.yaml", "exact")],
    ),
    (
        "ansible-galaxy collection install «community.general»",
        &[("galaxy", "community.general", "none")],
    ),
    (
        "ansible-galaxy collection install «community.general:8.1.0»",
        &[("galaxy", "community.general", "exact")],
    ),
    (
        "ansible-galaxy install «geerlingguy.docker,6.1.0»",
        &[("galaxy", "geerlingguy.docker", "exact")],
    ),
    ("docker pull «nginx»", &[("container-image", "nginx", "none")]),
    (
        "docker run --rm -v /a:/b -e X=1 «nginx:1.25.3» nginx -t",
        &[("container-image", "nginx", "exact")],
    ),
    (
        "podman run -it «registry:5000/a/b@sha256:H64»",
        &[("container-image", "registry:5000/a/b", "content")],
    ),
    (
        "docker run «alpine:3» apk add «curl»",
        &[("container-image", "alpine", "floating"), ("apk", "curl", "none")],
    ),
    // Git.
    ("git clone «https://github.com/a/b.git»", &[("git", "https://github.com/a/b.git", "none")]),
    (
        "git clone --depth 1 -b v1.2.3 «https://github.com/a/b»",
        &[("git", "https://github.com/a/b", "exact")],
    ),
    (
        "git clone -b feature «https://github.com/a/b»",
        &[("git", "https://github.com/a/b", "floating")],
    ),
    (
        "git clone «https://github.com/a/b» && cd b && git checkout H40",
        &[("git", "https://github.com/a/b", "content")],
    ),
    (
        "git clone «https://github.com/a/b» /src && git -C /src checkout main",
        &[("git", "https://github.com/a/b", "none")],
    ),
    // Downloads.
    (
        "curl -fsSL «https://get.example.org» | sh",
        &[("download", "https://get.example.org", "none")],
    ),
    (
        "curl -fsSL «https://e.org/v1.2.3/install.sh» | sudo bash -s -- -y",
        &[("download", "https://e.org/v1.2.3/install.sh", "none")],
    ),
    (
        "bash <(curl -fsSL «https://get.example.org»)",
        &[("download", "https://get.example.org", "none")],
    ),
    (
        "sh -c \"$(curl -fsSL «https://get.example.org»)\"",
        &[("download", "https://get.example.org", "none")],
    ),
    (
        "wget -qO- «https://get.example.org» | python3 -",
        &[("download", "https://get.example.org", "none")],
    ),
    (
        "curl -fsSLo i.sh «https://e.org/1.2.3/i.sh» && sh i.sh",
        &[("download", "https://e.org/1.2.3/i.sh", "none")],
    ),
    ("curl -LO «https://e.org/t-1.2.3.tgz»", &[("download", "https://e.org/t-1.2.3.tgz", "exact")]),
    (
        "curl -LO «https://e.org/releases/latest/download/t.tgz»",
        &[("download", "https://e.org/releases/latest/download/t.tgz", "none")],
    ),
    (
        "curl -LO «https://e.org/t-1.2.3.tgz» && echo 'H64  t-1.2.3.tgz' | sha256sum -c -",
        &[("download", "https://e.org/t-1.2.3.tgz", "content")],
    ),
    (
        "wget «https://e.org/t-1.2.3.tgz» && sha256sum -c <<< 'H64  t-1.2.3.tgz' && tar xf t-1.2.3.tgz",
        &[("download", "https://e.org/t-1.2.3.tgz", "content")],
    ),
    (
        "curl -L «https://e.org/t-1.2.3.tgz» | tar xz",
        &[("download", "https://e.org/t-1.2.3.tgz", "exact")],
    ),
    (
        "curl -LO «https://e.org/t-1.2.3.tgz»; S=$(sha256sum t-1.2.3.tgz | cut -d' ' -f1); test \"$S\" = H64",
        &[("download", "https://e.org/t-1.2.3.tgz", "content")],
    ),
    (
        "S=H64; curl -LO «https://e.org/t-1.2.3.tgz»; sha256sum t-1.2.3.tgz | grep -q \"$S\"",
        &[("download", "https://e.org/t-1.2.3.tgz", "content")],
    ),
    (
        "curl -fsSL «https://raw.githubusercontent.com/o/r/H40/i.sh» | sh",
        &[("download", "https://raw.githubusercontent.com/o/r/H40/i.sh", "content")],
    ),
    ("curl -s https://example.org > /dev/null", &[]),
    (
        "curl -LO «https://e.org/t-1.2.3.tgz» && echo 'H64  t-1.2.3.tgz' > sums && sha256sum -c sums",
        &[("download", "https://e.org/t-1.2.3.tgz", "content")],
    ),
    (
        "curl -LO «https://e.org/t-1.2.3.tgz» && echo \"$(curl -s https://e.org/t.sha256)  t-1.2.3.tgz\" > sums && sha256sum -c sums",
        &[("download", "https://e.org/t-1.2.3.tgz", "exact")],
    ),
    ("apt-get source «curl»", &[("apt", "curl", "none")]),
    (
        "curl -LO «https://e.org/t-1.2.3-$(uname -m).tgz»",
        &[("download", "https://e.org/t-1.2.3-….tgz", "exact")],
    ),
    (
        "A=$(dpkg --print-architecture); case $A in amd64) A=x64;; *) A=arm64;; esac; curl -LO «https://e.org/1.2.3/t-$A.tgz»",
        &[("download", "https://e.org/1.2.3/t-arm64.tgz", "exact")],
    ),
    (
        "V=1.2.3; curl -LO «https://e.org/t_${V//./_}.tgz»",
        &[("download", "https://e.org/t_1_2_3.tgz", "exact")],
    ),
    (
        "VERSION=$(curl -s https://e.org/stable.txt); curl -LO «https://e.org/$VERSION/t.tgz»",
        &[("download", "https://e.org/latest/t.tgz", "none")],
    ),
    (
        "curl -LO «https://e.org/$(curl -s https://e.org/stable.txt)/t.tgz»",
        &[("download", "https://e.org/latest/t.tgz", "none")],
    ),
    (
        "VERSION=$(make version); curl -LO «https://e.org/$VERSION/t.tgz»",
        &[("download", "https://e.org/…/t.tgz", "unknown")],
    ),
    (
        "curl -fsSL «https://e.org/key-1.2.asc» | apt-key add -",
        &[("download", "https://e.org/key-1.2.asc", "exact")],
    ),
    ("sh -c '\"curl -fsSL «https://e.org/x» | sh\"'", &[("download", "https://e.org/x", "none")]),
    ("svn checkout «https://svn.e.org/r/trunk»", &[("git", "https://svn.e.org/r/trunk", "none")]),
    ("svn co -r 1234 «https://svn.e.org/r»", &[("git", "https://svn.e.org/r", "exact")]),
    ("git submodule update --init «--remote»", &[("git", "submodules", "floating")]),
    ("docker build -t app . && docker run app:latest", &[]),
    ("buildah bud -t app . && buildah from app && buildah run app-working-container true", &[]),
    ("kubectl set selector services app role=web", &[]),
    (
        "kubectl set image deployment/web web=«nginx:1.25.3»",
        &[("container-image", "nginx", "exact")],
    ),
    ("pip install \"«$DIR/app»\" «jq»", &[("pip", "…/app", "unknown"), ("pip", "jq", "none")]),
    ("npm «install-test»", &[("npm", "install-test", "range")]),
    ("go get «example.org/a@latest» example.org/b@none", &[("go", "example.org/a", "none")]),
    ("pip install --no-index --find-links=/wheels app", &[]),
    ("pip install -e «git://e.org/r.git@H40»", &[("git", "git://e.org/r.git", "content")]),
    ("pipenv «install» --system", &[("pip", "install", "range")]),
    ("dnf install -y «gcc-toolset-12»", &[("dnf", "gcc-toolset-12", "none")]),
    ("dnf install -y «@web/client»", &[("dnf", "@web/client", "none")]),
    ("pacman -S ./x-1.0-1-any.pkg.tar.zst", &[]),
    ("curl -fsS http://localhost:8080/health", &[]),
    ("curl -s https://api.example.org/x | jq .tag", &[]),
    ("curl -o /dev/null https://example.org", &[]),
];

/// Image references, for carriers that name images without a command: reference, subject, strength.
pub const IMAGES: &[(&str, &str, &str)] = &[
    ("debian", "debian", "none"),
    ("debian:latest", "debian", "none"),
    ("debian:12", "debian", "floating"),
    ("debian:stable-slim", "debian", "floating"),
    ("alpine:edge", "alpine", "floating"),
    ("nginx:1.25.3-alpine", "nginx", "exact"),
    ("localhost:5000/team/app", "localhost:5000/team/app", "none"),
    ("ghcr.io/a/b:v1.2.3", "ghcr.io/a/b", "exact"),
    ("debian@sha256:H64", "debian", "content"),
    ("debian:12@sha256:H64", "debian", "content"),
];

/// A row's command without its marks, and the marked ranges.
fn marked(row: &str) -> (String, Vec<(usize, usize)>) {
    let row =
        row.replace("H40", &"0123456789".repeat(4)).replace("H64", &"0123456789abcdef".repeat(4));
    let (mut command, mut spans, mut open) = (String::new(), Vec::new(), 0);
    for character in row.chars() {
        match character {
            '«' => open = command.len(),
            '»' => spans.push((open, command.len())),
            other => command.push(other),
        }
    }
    (command, spans)
}

/// Everything that a reader says of a file, one line each.
fn verdicts(carrier: &str, path: &str, text: &str) -> Vec<String> {
    let reader = READERS.iter().find(|reader| (reader.recognises)(path, text.as_bytes()));
    let reader = reader.unwrap_or_else(|| panic!("no carrier for {path}"));
    assert_eq!(reader.name, carrier, "{path}");
    let repository = Repository::of_files([(path, text.as_bytes())]);
    let collected = audit_source(&SourceFile::new(path, text.as_bytes()), reader, &repository);
    assert!(collected.gaps.is_empty(), "{:?}\n{text}", collected.gaps);
    let mut lines: Vec<(usize, String)> = collected
        .inputs
        .iter()
        // What the laid file itself leaves open is not what was laid into it.
        .filter(|input| input.ecosystem.as_str() != "terraform-provider")
        .map(|input| {
            let range = input.place.range();
            let word = text.get(range.clone()).unwrap_or("?");
            let (ecosystem, subject) = (input.ecosystem, &input.subject);
            (
                range.start,
                format!(
                    "{}..{} {word}: {ecosystem} {subject} {}",
                    range.start,
                    range.end,
                    input.held()
                ),
            )
        })
        .collect();
    lines.sort();
    lines.dedup();
    lines.into_iter().map(|(_, line)| line).collect()
}

#[test]
fn every_command_has_one_verdict_in_every_carrier() {
    assert!(COMMANDS.len() + IMAGES.len() >= 120, "{}", COMMANDS.len());
    let mut wrong = Vec::new();
    for (row, inputs) in COMMANDS {
        let (command, spans) = marked(row);
        assert_eq!(spans.len(), inputs.len(), "{row}");
        for template in CARRIERS {
            let laid = (template.lay)(&command);
            let mut expected: Vec<String> = spans
                .iter()
                .zip(*inputs)
                .map(|((from, to), (ecosystem, subject, strength))| {
                    let (from, to) =
                        laid.opaque.unwrap_or_else(|| (laid.map[*from], laid.map[*to]));
                    let subject = subject
                        .replace("H40", &"0123456789".repeat(4))
                        .replace("H64", &"0123456789abcdef".repeat(4));
                    format!(
                        "{from}..{to} {}: {ecosystem} {subject} {strength}",
                        &laid.text[from..to]
                    )
                })
                .collect();
            if laid.opaque.is_some() {
                expected.sort();
            }
            let found = verdicts(template.carrier, template.path, &laid.text);
            if found != expected {
                let place = format!("{} ({})", template.carrier, template.form);
                wrong.push(format!(
                    "{place}: {command}\n  expected {expected:?}\n  found    {found:?}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_image_has_one_verdict_in_every_instruction() {
    for (row, subject, strength) in IMAGES {
        let (image, _) = marked(row);
        let forms: [(&str, &str); 4] = [
            ("FROM ", " AS build\n"),
            ("FROM scratch\nCOPY --from=", " /a /b\n"),
            ("FROM scratch\nRUN --mount=type=bind,from=", ",target=/x true\n"),
            ("ARG X\nFROM --platform=$X ", "\n"),
        ];
        for (before, after) in forms {
            let text = format!("{before}{image}{after}");
            let (from, to) = (before.len(), before.len() + image.len());
            let expected = format!("{from}..{to} {image}: container-image {subject} {strength}");
            assert_eq!(verdicts("dockerfile", "Dockerfile", &text), [expected], "{text}");
        }
        let forms: [(&str, &str, &str, &str); 23] = [
            ("puppet", "a.pp", "docker::run { 'x': image => '", "' }\n"),
            ("salt", "a.sls", "x:\n  docker_container.running:\n    - image: ", "\n"),
            ("chef", "recipes/x.rb", "docker_container 'x' do\n  image '", "'\nend\n"),
            ("chef", "recipes/x.rb", "docker_image \"", "\"\n"),
            ("gitlab-ci", ".gitlab-ci.yml", "a:\n  image: ", "\n  script: true\n"),
            ("gitlab-ci", ".gitlab-ci.yml", "default: {services: [{name: '", "'}]}\n"),
            ("circleci", ".circleci/config.yml", "jobs: {a: {docker: [{image: '", "'}]}}\n"),
            (
                "azure-pipelines",
                "azure-pipelines.yml",
                "resources:\n  containers:\n  - container: c\n    image: ",
                "\n",
            ),
            ("bitbucket-pipelines", "bitbucket-pipelines.yml", "image: {name: '", "'}\n"),
            ("jenkins", "Jenkinsfile", "pipeline { agent { docker { image '", "' } } }\n"),
            (
                "github-actions",
                ".github/workflows/a.yml",
                "jobs:\n  a:\n    container: ",
                "\n    runs-on: x\n",
            ),
            (
                "github-actions",
                ".github/workflows/a.yml",
                "jobs:\n  a:\n    services: {db: {image: '",
                "'}}\n",
            ),
            ("compose", "docker-compose.yml", "services:\n  a:\n    image: ", "\n"),
            (
                "kubernetes",
                "a.yml",
                "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: \"",
                "\"\n",
            ),
            (
                "kubernetes",
                "a.yml",
                "apiVersion: e.org/v1\nkind: Own\nspec:\n  web:\n    image: ",
                "\n",
            ),
            ("devcontainer", "devcontainer.json", "{\"image\": \"", "\"}"),
            ("ansible", "tasks/a.yml", "- docker_container: {name: x, image: \"", "\"}\n"),
            ("ansible", "tasks/a.yml", "- containers.podman.podman_image:\n    name: ", "\n"),
            (
                "ansible",
                "molecule/default/molecule.yml",
                "driver: {name: docker}\nplatforms:\n  - image: '",
                "'\n",
            ),
            ("packer", "a.pkr.hcl", "source \"docker\" \"x\" {\n  image = \"", "\"\n}\n"),
            (
                "packer-json",
                "a.json",
                "{\"builders\": [{\"type\": \"docker\", \"image\": \"",
                "\"}]}",
            ),
            ("terraform", "a.tf", "resource \"docker_image\" \"x\" {\n  name = \"", "\"\n}\n"),
            (
                "terraform",
                "a.tf",
                "resource \"aws_ecs_task_definition\" \"x\" {\n  container_definitions = <<EOF\n[{\"image\": \"",
                "\"}]\nEOF\n}\n",
            ),
        ];
        for (carrier, path, before, after) in forms {
            let text = format!("{before}{image}{after}");
            let (from, to) = (before.len(), before.len() + image.len());
            let expected = format!("{from}..{to} {image}: container-image {subject} {strength}");
            assert_eq!(verdicts(carrier, path, &text), [expected], "{text}");
        }
    }
}
