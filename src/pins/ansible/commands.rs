//! Modules that run commands and scripts.

use super::arguments::Arguments;
use super::tasks::Tasks;
use crate::pins::hcl::follow_script;
use crate::pins::hcl::value::{Text, Value};
use crate::pins::shell::Dialect;
use crate::pins::span::FragmentBuilder;
use crate::pins::yaml::Node;
use std::sync::Arc;

impl Tasks<'_, '_> {
    /// `command`, `shell`, `raw`, `expect`.
    pub(super) fn command(&mut self, arguments: &Arguments) {
        let interpreter = self.word(arguments, &["executable"]);
        let name = interpreter.rsplit('/').next().unwrap_or_default();
        let dialect = match name {
            "pwsh" | "powershell" => Dialect::PowerShell,
            name if ["python", "perl", "ruby", "node"].iter().any(|o| name.starts_with(o)) => {
                return;
            }
            _ => Dialect::Posix,
        };
        self.run(arguments, dialect);
    }

    pub(super) fn windows_command(&mut self, arguments: &Arguments) {
        self.run(arguments, Dialect::Cmd);
    }

    pub(super) fn windows_shell(&mut self, arguments: &Arguments) {
        self.run(arguments, Dialect::PowerShell);
    }

    fn run(&mut self, arguments: &Arguments, dialect: Dialect) {
        let before = self.environment.machine.directory.clone();
        self.enter(arguments);
        let given = arguments.get(&["cmd", "script", "command", "_raw_params"]);
        if let Some(node) = given.or(arguments.free.as_ref()).cloned() {
            if node.is_sequence() {
                self.argv(&node);
            } else {
                let file = Arc::clone(&self.audit.file().path);
                let value = self.scope.value(&node, &file, true);
                for script in scripts(&value) {
                    self.host().script(&script, dialect);
                }
            }
        }
        if let Some(node) = arguments.get(&["argv"]).cloned() {
            self.argv(&node);
        }
        self.environment.machine.directory = before;
    }

    /// Words without a shell.
    fn argv(&mut self, node: &Node) {
        let words = self.texts(node);
        self.host().words(&words, &node.range());
    }

    /// The working directory of a command.
    pub(super) fn enter(&mut self, arguments: &Arguments) {
        let directory = self.word(arguments, &["chdir", "path", "working_dir"]);
        if !directory.is_empty() {
            self.environment.machine.directory = Some(directory);
        }
    }

    /// A script of the repository that is copied to the machine and run there.
    pub(super) fn script(&mut self, arguments: &Arguments) {
        let node = arguments.get(&["cmd"]).or(arguments.free.as_ref()).cloned();
        let Some(node) = node else { return };
        for text in self.texts(&node) {
            let name = text.text().split_whitespace().next().unwrap_or_default();
            if let Some(path) = self.locate(name, &["files", "scripts"]) {
                let dialect =
                    if path.ends_with(".ps1") { Dialect::PowerShell } else { Dialect::Posix };
                if ![".py", ".rb", ".pl", ".js"].iter().any(|other| path.ends_with(other)) {
                    follow_script(&path, self.environment, self.audit, dialect);
                }
            }
        }
    }
}

/// The scripts that a value may be; the words of a list are one.
fn scripts(value: &Value) -> Vec<Text> {
    match value {
        Value::Text(text) => vec![text.clone()],
        Value::Either(values) => values.iter().flat_map(scripts).collect(),
        Value::List(values) => {
            let texts: Vec<&Text> = values
                .iter()
                .filter_map(|value| match value {
                    Value::Text(text) => Some(text),
                    _ => None,
                })
                .collect();
            let Some(first) = texts.first() else { return Vec::new() };
            let mut builder = FragmentBuilder::default();
            for text in texts.iter().filter(|text| text.file == first.file) {
                builder.append(&text.fragment);
                let end = text.fragment.raw_whole().end;
                builder.replaced("\n", end..end);
            }
            vec![Text { fragment: builder.finish(), ..(*first).clone() }]
        }
        _ => Vec::new(),
    }
}
