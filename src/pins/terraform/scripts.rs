//! Commands and scripts: what machines are given at their first start, and what provisioners run.
//!
//! First-start data is told apart by its first bytes, as cloud-init does it; encoders
//! (`base64encode`, gzip) are taken off.

use super::{Configuration, each_below};
use crate::pins::cloud_init;
use crate::pins::environment::{Environment, MachineFile};
use crate::pins::hcl::syntax::{Block, Body, Expr, Kind};
use crate::pins::hcl::value::{Text, Value};
use crate::pins::hcl::{self, follow_script, json, locate};
use crate::pins::shell::{self, Dialect};
use crate::pins::span::{Fragment, UNKNOWN};
use std::sync::Arc;

/// Attributes that hold first-start data.
const USER_DATA: &[&str] = &[
    "user_data",
    "user_data_base64",
    "user_data_raw",
    "user_data_replace_on_change_script",
    "custom_data",
    "metadata_startup_script",
    "startup_script",
    "init_script",
    "cloud_config",
];

/// Entries of `metadata` that hold first-start data.
const METADATA: &[&str] = &[
    "user-data",
    "user_data",
    "startup-script",
    "startup_script",
    "shutdown-script",
    "windows-startup-script-ps1",
    "sysprep-specialize-script-ps1",
];

impl Configuration<'_, '_> {
    /// First-start data in a resource, and in its nested blocks.
    pub(super) fn user_data(&mut self, body: &Body, depth: usize) {
        let mut found: Vec<Expr> = Vec::new();
        let mut metadata: Vec<Expr> = Vec::new();
        let mut visit = |body: &Body| {
            let names = USER_DATA.iter().filter_map(|name| body.get(name));
            found.extend(names.cloned());
            metadata.extend(body.get("metadata").cloned());
        };
        visit(body);
        each_below(body, depth, &mut |_, body| visit(body));
        for expr in found {
            let value = self.evaluator.value(&expr);
            self.first_start(&value, Dialect::Posix);
        }
        for expr in metadata {
            let value = self.evaluator.value(&expr);
            for name in METADATA {
                if let Some(entry) = value.entry(name) {
                    let windows = name.ends_with("ps1");
                    let dialect = if windows { Dialect::PowerShell } else { Dialect::Posix };
                    self.first_start(entry, dialect);
                }
            }
        }
    }

    fn first_start(&mut self, value: &Value, dialect: Dialect) {
        for text in value.texts() {
            self.by_content(text, None, dialect);
        }
    }

    /// What a text is, by how it begins; what has no header is a command in `dialect`.
    fn by_content(&mut self, text: &Text, kind: Option<&str>, dialect: Dialect) {
        let mut environment = Environment::default();
        environment.machine.directory = Some("/".to_owned());
        let known = hcl::within(text, self.audit, |audit| {
            cloud_init::audit_user_data(&text.fragment, kind, &mut environment, audit)
        });
        let start = text.text().trim_start();
        if known == Some(false) && !start.starts_with(['{', '[', '<', '#']) {
            hcl::run_in(text, &mut environment, self.audit, dialect);
        }
    }

    /// Data sources that put first-start data together or run a program.
    pub(super) fn data_scripts(&mut self, block: &Block) {
        let body = &block.body;
        match block.label(0) {
            "cloudinit_config" | "template_cloudinit_config" => {
                for part in body.blocks("part") {
                    let kind = self.word(&part.body, "content_type").map(|word| word.text);
                    if let Some(content) = part.body.get("content") {
                        let value = self.evaluator.value(content);
                        for text in value.texts() {
                            self.by_content(text, kind.as_deref(), Dialect::Posix);
                        }
                    }
                }
            }
            "template_file" => {
                if let Some(template) = body.get("template") {
                    let value = self.evaluator.value(template);
                    for text in value.texts().into_iter().filter(|text| has_header(text.text())) {
                        self.by_content(text, None, Dialect::Posix);
                    }
                }
            }
            "external" => {
                if let Some(program) = body.get("program") {
                    let value = self.evaluator.value(program);
                    self.argv(&value);
                }
            }
            _ => {}
        }
    }

    /// A command given as its words.
    fn argv(&mut self, value: &Value) {
        let texts = value.texts();
        let own = &self.evaluator.file;
        if let Some(script) = texts.iter().skip(1).find(|text| !text.text().starts_with('-'))
            && let Some(path) = locate(self.evaluator.repository, own, script.text())
            && texts.first().is_some_and(|program| program.text().ends_with("sh"))
        {
            follow_script(&path, &mut Environment::default(), self.audit, Dialect::Posix);
            return;
        }
        if texts.iter().all(|text| text.file == *own && text.site.is_none()) {
            let words: Vec<Fragment> = texts.iter().map(|text| text.fragment.clone()).collect();
            shell::audit_words(&words, &mut Environment::default(), self.audit);
        }
    }

    /// Extensions of Azure's machines run a command that stands in JSON.
    pub(super) fn resource_scripts(&mut self, kind: &str, body: &Body) {
        if !kind.contains("machine_extension") && !kind.contains("scale_set") {
            return;
        }
        let mut settings: Vec<Expr> = Vec::new();
        let mut visit = |body: &Body| {
            let names = ["settings", "protected_settings"];
            settings.extend(names.iter().filter_map(|name| body.get(name)).cloned());
        };
        visit(body);
        each_below(body, 0, &mut |_, body| visit(body));
        for expr in settings {
            match self.evaluator.value(&expr) {
                Value::Text(text) => self.settings_text(&text),
                value => {
                    for name in ["commandToExecute", "script"] {
                        if let Some(entry) = value.entry(name) {
                            self.first_start(entry, Dialect::Posix);
                        }
                    }
                }
            }
        }
    }

    fn settings_text(&mut self, text: &Text) {
        let (Some(parsed), _) = json::value(text.text()) else { return };
        for name in ["commandToExecute", "script"] {
            if let Some(Expr { kind: Kind::Text(inner), .. }) = parsed.entry(name) {
                let fragment = inner.compose(&text.fragment);
                let command = Text { fragment, ..text.clone() };
                self.first_start(&Value::Text(command), Dialect::Posix);
            }
        }
    }

    /// Provisioners of a resource, in order, on one machine.
    pub(super) fn provisioners(&mut self, body: &Body) {
        let mut machine = Environment::default();
        machine.machine.directory = Some("/".to_owned());
        for block in body.blocks("provisioner") {
            match block.label(0) {
                "local-exec" => self.local(&block.body),
                "remote-exec" => self.remote(&block.body, &mut machine),
                "file" => self.copied(&block.body, &mut machine),
                _ => {}
            }
        }
    }

    fn local(&mut self, body: &Body) {
        let interpreter = body.get("interpreter").and_then(|expr| self.evaluator.word(expr));
        let program = interpreter.map(|word| word.text.to_ascii_lowercase()).unwrap_or_default();
        let dialect = if program.contains("powershell") || program.contains("pwsh") {
            Dialect::PowerShell
        } else if program.contains("cmd") {
            Dialect::Cmd
        } else if program.is_empty() || program.trim_end_matches(".exe").ends_with("sh") {
            Dialect::Posix
        } else {
            return;
        };
        if let Some(command) = body.get("command") {
            let value = self.evaluator.value(command);
            hcl::run(&value, &mut Environment::default(), self.audit, dialect);
        }
    }

    fn remote(&mut self, body: &Body, machine: &mut Environment) {
        let before = machine.constants_only();
        if let Some(inline) = body.get("inline") {
            let value = self.evaluator.value(inline);
            hcl::run(&value, machine, self.audit, Dialect::Posix);
        }
        for name in ["script", "scripts"] {
            let Some(expr) = body.get(name) else { continue };
            for word in self.evaluator.words(expr) {
                let own = &self.evaluator.file;
                if let Some(path) = locate(self.evaluator.repository, own, &word.text) {
                    follow_script(&path, machine, self.audit, Dialect::Posix);
                }
            }
        }
        machine.restore_constants(&before);
        machine.functions.clear();
    }

    /// A file put on the machine, which a later command may run.
    fn copied(&mut self, body: &Body, machine: &mut Environment) {
        let Some(target) = self.word(body, "destination").map(|word| word.text) else { return };
        if target.contains(UNKNOWN) {
            return;
        }
        let entry = if let Some(source) = self.word(body, "source") {
            locate(self.evaluator.repository, &self.evaluator.file, &source.text)
                .map(MachineFile::Repository)
        } else {
            let value = body.get("content").map(|content| self.evaluator.value(content));
            match value {
                Some(Value::Text(text)) => {
                    Some(MachineFile::Text(Arc::new(text.fragment), text.file))
                }
                _ => None,
            }
        };
        if let Some(entry) = entry {
            machine.machine.files.insert(target, entry);
        }
    }
}

/// Whether a text says itself that it is first-start data.
fn has_header(text: &str) -> bool {
    let start = text.trim_start();
    ["#!", "#cloud", "#ps1", "<powershell>", "Content-Type:", "MIME-Version:", "## template:"]
        .iter()
        .any(|header| start.starts_with(header))
}

#[cfg(test)]
mod tests {
    use crate::pins::packer::tests::inputs;

    fn check(text: &str, others: &[(&str, &str)], expected: &[&str]) {
        assert_eq!(inputs("m/main.tf", text, others), expected, "{text}");
    }

    fn instance(inside: &str) -> String {
        format!("resource \"aws_instance\" \"w\" {{\n{inside}\n}}\n")
    }

    #[test]
    fn first_start_scripts() {
        let found = &["curl@:none|curl", "jq@1.6:exact|jq=1.6"];
        let script = "#!/bin/bash\n  apt-get install -y curl jq=1.6\n";
        check(&instance(&format!("user_data = <<EOF\n{script}EOF")), &[], found);
        check(&instance(&format!("user_data = <<-EOF\n    {script}  EOF")), &[], found);
        check(&instance(&format!("user_data = base64encode(<<EOF\n{script}EOF\n)")), &[], found);
        check(&instance("user_data = file(\"${path.module}/u.sh\")"), &[("m/u.sh", script)], found);
        check(
            &instance("user_data = templatefile(\"u.tftpl\", { v = \"1.6\" })"),
            &[(
                "m/u.tftpl",
                "#!/bin/sh\n%{ if true }apt-get install curl%{ endif }\napt-get install jq=${v}\n",
            )],
            &["curl@:none|curl", "jq@1.6:exact|jq=${v}"],
        );
        check(
            &instance("metadata = {\n startup-script = \"yum install -y curl\"\n}"),
            &[],
            &["curl@:none|curl"],
        );
        check(
            &instance("user_data = <<EOF\n<powershell>\nchoco install git -y\n</powershell>\nEOF"),
            &[],
            &["git@:none|git"],
        );
        check(
            &instance("user_data_base64 = \"IyEvYmluL3NoCmFwayBhZGQgY3VybAo=\""),
            &[],
            &["curl@:none|IyEvYmluL3NoCmFwayBhZGQgY3VybAo="],
        );
        let config =
            "#cloud-config\npackages:\n  - curl\n  - [jq, 1.6]\nruncmd:\n  - pip install x\n";
        let found = &["curl@:none|curl", "jq@1.6:exact|jq, 1.6", "x@:none|x"];
        check(&instance(&format!("user_data = <<EOF\n{config}EOF")), &[], found);
        check(
            "data \"cloudinit_config\" \"x\" {\n part {\n  content_type = \
                 \"text/cloud-config\"\n  content = file(\"c.yaml\")\n }\n}\n",
            &[("m/c.yaml", config)],
            found,
        );
    }

    #[test]
    fn provisioners() {
        check(
            &instance(
                "provisioner \"remote-exec\" {\n inline = [\n  \"sudo apt-get update\",\n  \"sudo \
                 apt-get install -y nginx\",\n ]\n}\nprovisioner \"local-exec\" {\n command = \"pip \
                 install ansible\"\n}",
            ),
            &[],
            &["nginx@:none|nginx", "ansible@:none|ansible"],
        );
        check(
            &instance(
                "provisioner \"file\" {\n source = \"s.sh\"\n destination = \
                 \"/tmp/s.sh\"\n}\nprovisioner \"remote-exec\" {\n inline = [\"bash /tmp/s.sh\"]\n}",
            ),
            &[("m/s.sh", "gem install rake\n")],
            &["rake@:none|rake"],
        );
    }

    #[test]
    fn lists_and_loops_are_evaluated() {
        check(
            "locals {\n packages = [\"curl\", \"jq=1.6\"]\n}\nresource \"null_resource\" \"x\" {\n \
             provisioner \"remote-exec\" {\n  inline = [\"apt-get install ${join(\" \", \
             local.packages)}\"]\n }\n}\n",
            &[],
            &["curl@:none|curl", "jq@1.6:exact|jq=1.6"],
        );
        check(
            "resource \"null_resource\" \"x\" {\n provisioner \"remote-exec\" {\n  inline = [for p in \
             [\"curl\", \"jq\"] : \"apt-get install ${p}\"]\n }\n}\n",
            &[],
            &["curl@:none|curl", "jq@:none|jq"],
        );
    }
}
