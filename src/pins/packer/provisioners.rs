//! Provisioners: commands written in the template, scripts it names, and tools it installs.

use super::Template;
use crate::pins::classify;
use crate::pins::environment::{Constant, Environment};
use crate::pins::hcl::syntax::Body;
use crate::pins::hcl::{self, children, locate};
use crate::pins::input::Origin;
use crate::pins::shell::Dialect;
use crate::pins::span::{Fragment, UNKNOWN};
use crate::pins::strength::{Ecosystem, Strength};
use std::ops::Range;
use std::sync::Arc;

impl Template<'_, '_> {
    /// `range` is where the provisioner's type stands.
    pub(super) fn provisioner(
        &mut self,
        kind: &str,
        range: &Range<usize>,
        body: &Body,
        environment: &mut Environment,
    ) {
        match kind {
            "shell" => self.shell(body, environment, Dialect::Posix),
            "shell-local" => self.shell(body, &mut Environment::default(), Dialect::Posix),
            "powershell" => self.shell(body, environment, Dialect::PowerShell),
            "windows-shell" => self.shell(body, environment, Dialect::Cmd),
            "chef-solo" | "chef-client" => self.chef(kind, range, body, environment),
            "salt-masterless" => self.salt(range, body),
            "windows-update" => {
                let id = self.push_bare(Ecosystem::OtherOs, "windows updates", range);
                if let Some(input) = self.audit.input_mut(id) {
                    input.rule = "pins/upgrade-all";
                }
            }
            "ansible" | "ansible-local" => self.ansible(body),
            "file" => self.file(body),
            _ => {}
        }
        for inner in children(body, "override") {
            for entry in &inner.attributes {
                if let Some(body) = entry.value.as_body() {
                    self.shell(&body, environment, Dialect::Posix);
                }
            }
        }
    }

    pub(super) fn post_processor(&mut self, kind: &str, body: &Body) {
        if kind == "shell-local" {
            self.shell(body, &mut Environment::default(), Dialect::Posix);
        }
    }

    fn shell(&mut self, body: &Body, environment: &mut Environment, dialect: Dialect) {
        let before = environment.constants_only();
        self.variables(body, environment);
        for name in ["inline", "command"] {
            if let Some(expr) = body.get(name) {
                let value = self.evaluator.value(expr);
                hcl::run(&value, environment, self.audit, dialect);
            }
        }
        for name in ["script", "scripts"] {
            let Some(expr) = body.get(name) else { continue };
            for word in self.evaluator.words(expr) {
                let own = &self.evaluator.file;
                if let Some(path) = locate(self.evaluator.repository, own, &word.text) {
                    hcl::follow_script(&path, environment, self.audit, dialect);
                }
            }
        }
        environment.restore_constants(&before);
        environment.functions.clear();
    }

    /// `environment_vars = ["NAME=value"]`, `env = { NAME = "value" }`.
    fn variables(&self, body: &Body, environment: &mut Environment) {
        let mut set = |name: &str, text: &str, origin: Option<Origin>, range: &Range<usize>| {
            let place = Some(self.audit.place(range.clone()));
            let overridable = origin.is_some_and(|origin| origin.overridable);
            let origin = Origin { name: format!("${name}"), place, overridable };
            let values = vec![Fragment::opaque(text, range.clone())];
            let file = Arc::clone(&self.evaluator.file);
            environment.set(name, Constant { values, file, origin, element: false });
        };
        for attribute in ["environment_vars", "environment"] {
            let Some(expr) = body.get(attribute) else { continue };
            for word in self.evaluator.words(expr) {
                if let Some((name, value)) = word.text.split_once('=')
                    && !name.contains(UNKNOWN)
                {
                    set(name, value, word.origin.clone(), &word.range);
                }
            }
        }
        for block in children(body, "env") {
            for attribute in &block.attributes {
                if let Some(word) = self.evaluator.word(&attribute.value) {
                    set(&attribute.name, &word.text, word.origin.clone(), &word.range);
                }
            }
        }
    }

    /// Roles and collections by their file, and the playbooks, which say what they install.
    fn ansible(&mut self, body: &Body) {
        let files = |own: &Self, name: &str| -> Vec<String> {
            let words = body.get(name).map(|expr| own.evaluator.words(expr)).unwrap_or_default();
            let (repository, file) = (own.evaluator.repository, &own.evaluator.file);
            words.iter().filter_map(|word| locate(repository, file, &word.text)).collect()
        };
        for path in files(self, "galaxy_file") {
            self.audit.follow(&path, crate::pins::ansible::read_requirements);
        }
        for name in ["playbook_file", "playbook_files"] {
            for path in files(self, name) {
                crate::pins::carrier::follow(&path, self.audit);
            }
        }
    }

    fn chef(
        &mut self,
        kind: &str,
        range: &Range<usize>,
        body: &Body,
        environment: &mut Environment,
    ) {
        if self.evaluator.is_true(body.get("skip_install")) {
            return;
        }
        if let Some(command) = body.get("install_command") {
            let value = self.evaluator.value(command);
            hcl::run(&value, environment, self.audit, Dialect::Posix);
            return;
        }
        match self.present(body, "version").filter(|word| !word.text.is_empty()) {
            Some(word) => {
                let held = match classify::constraint(&word.text) {
                    // The installer takes `14` for the newest 14.
                    Strength::Exact if word.text.matches('.').count() < 2 => Strength::Range,
                    other => other,
                };
                self.push(Ecosystem::Tool, "chef", held, &word);
            }
            None => {
                let id = self.push_bare(Ecosystem::Tool, "chef", range);
                self.note(id, &format!("{kind} installs the newest release"));
            }
        }
    }

    fn salt(&mut self, range: &Range<usize>, body: &Body) {
        if self.evaluator.is_true(body.get("skip_bootstrap")) {
            return;
        }
        let arguments = self.present(body, "bootstrap_args").filter(|word| !word.text.is_empty());
        match arguments {
            Some(word) => {
                let last = word.text.split_whitespace().last().unwrap_or_default();
                let held = match classify::constraint(last) {
                    _ if last.starts_with('-') => Strength::None,
                    Strength::Exact if !last.contains('.') => Strength::Floating,
                    other => other,
                };
                self.push(Ecosystem::Tool, "salt", held, &word);
            }
            None => {
                let id = self.push_bare(Ecosystem::Tool, "salt", range);
                self.note(id, "the bootstrap script installs the newest release");
            }
        }
    }

    fn file(&mut self, body: &Body) {
        if let Some(word) = self.word(body, "source").filter(|word| word.text.starts_with("http")) {
            let held = classify::url(&word.text);
            self.push(Ecosystem::Download, &word.text, held, &word);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::inputs;

    fn check(text: &str, others: &[(&str, &str)], expected: &[&str]) {
        assert_eq!(inputs("t/a.pkr.hcl", text, others), expected, "{text}");
    }

    #[test]
    fn commands_of_a_template() {
        check(
            "build {\n provisioner \"shell\" {\n  inline = [\"sudo apt-get update\", \"sudo apt-get \
             install -y curl jq=1.6-2.1\"]\n }\n}\n",
            &[],
            &["curl@:none|curl", "jq@1.6-2.1:exact|jq=1.6-2.1"],
        );
        check(
            "build {\n provisioner \"shell\" {\n  inline = [<<-EOT\n    V=1.2\n    pip install \
             a==$V b\n  EOT\n  ]\n }\n}\n",
            &[],
            &["a@==1.2:exact|a==$V", "b@:none|b"],
        );
        check(
            "variable \"v\" {\n default = \"8.5.0\"\n}\nbuild {\n provisioner \"shell\" {\n  inline \
             = [\"npm i -g npm@${var.v}\"]\n }\n}\n",
            &[],
            &["npm@8.5.0:exact|npm@${var.v}"],
        );
        check(
            "build {\n provisioner \"shell\" {\n  environment_vars = [\"V=1.0\"]\n  inline = \
             [\"pip install a==$V\"]\n }\n}\n",
            &[],
            &["a@==1.0:exact|a==$V"],
        );
    }

    #[test]
    fn scripts_are_followed() {
        let other = ("t/scripts/a.sh", "#!/bin/sh\napk add curl\n");
        for script in ["script = \"scripts/a.sh\"", "scripts = [\"${path.root}/scripts/a.sh\"]"] {
            let text = format!("build {{\n provisioner \"shell\" {{\n  {script}\n }}\n}}\n");
            check(&text, &[other], &["curl@:none|curl"]);
        }
        let text = "build {\n provisioner \"powershell\" {\n  inline = [\"choco install git -y\"]\n }\n}\n";
        check(text, &[], &["git@:none|git"]);
    }

    #[test]
    fn playbooks_and_their_requirements_are_followed() {
        let roles = ("t/galaxy.yaml", "collections:\n- a.b\n- {name: c.d, version: 1.2.3}\n");
        let play = ("t/p.yml", "- hosts: all\n  tasks:\n  - apt: {name: curl}\n");
        check(
            "build {\n provisioner \"ansible\" {\n  playbook_file = \"./p.yml\"\n  galaxy_file = \
             \"${path.root}/galaxy.yaml\"\n }\n}\n",
            &[roles, play],
            &["a.b@:none|a.b", "c.d@1.2.3:exact|c.d", "curl@:none|curl"],
        );
        check(
            "build {\n provisioner \"shell\" {\n  inline = [\"ansible-galaxy install -r galaxy.yaml\"]\n \
             }\n}\n",
            &[roles],
            &["a.b@:none|a.b", "c.d@1.2.3:exact|c.d"],
        );
    }

    #[test]
    fn tools_that_provisioners_install() {
        check(
            "build {\n provisioner \"chef-solo\" {\n }\n provisioner \"chef-client\" {\n  version = \
             \"18.2.7\"\n }\n provisioner \"salt-masterless\" {\n  bootstrap_args = \"-x python3 \
             stable 3006.1\"\n }\n}\n",
            &[],
            &[
                "chef@:none|chef-solo",
                "chef@18.2.7:exact|18.2.7",
                "salt@-x python3 stable 3006.1:exact|-x python3 stable 3006.1",
            ],
        );
    }
}
