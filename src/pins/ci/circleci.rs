//! Carrier: CircleCI. Orbs, images of containers and machines, and what steps run; parameters by
//! their defaults.

use super::{Placeholder, interpolate, module_version};
use crate::pins::audit::Audit;
use crate::pins::carrier::Carrier;
use crate::pins::repository::SourceFile;
use crate::pins::shell::{self, Dialect, Expanded};
use crate::pins::span::Fragment;
use crate::pins::steps::{self, Stage};
use crate::pins::strength::{Ecosystem, Strength};
use crate::pins::yaml::{self, Node};

/// Configurations, and the sources of orbs.
pub const CARRIER: Carrier = Carrier {
    name: "circleci",
    summary: "CircleCI: .circleci/*.yml",
    recognises: |path, _| {
        let folder = path.starts_with(".circleci/") || path.contains("/.circleci/");
        folder && (path.ends_with(".yml") || path.ends_with(".yaml"))
    },
    read,
};

/// Steps within conditions within steps.
const MAX_DEPTH: usize = 12;

fn read(file: &SourceFile, audit: &mut Audit<'_>) {
    for document in yaml::parse(&file.fragment()).report(audit) {
        config(&document, document.get("parameters"), audit, 0);
    }
}

/// A configuration, or an orb that is written in one.
fn config(config: &Node, parameters: Option<&Node>, audit: &mut Audit<'_>, depth: usize) {
    for (_, orb) in config.get("orbs").map(Node::pairs).unwrap_or_default() {
        if orb.is_mapping() && depth < MAX_DEPTH {
            self::config(orb, parameters, audit, depth.saturating_add(1));
        } else if let Some(fragment) = orb.fragment() {
            let text = fragment.text();
            let (name, version) = text.rsplit_once('@').unwrap_or((text, ""));
            let stage = Stage::new(audit);
            let strength =
                if version.contains("<<") { Strength::Unknown } else { module_version(version) };
            let input = stage.input(Ecosystem::CiInclude, name, strength, fragment.raw_whole());
            audit.push(input.requesting(version));
        }
    }
    for part in ["executors", "commands", "jobs"] {
        for (_, body) in config.get(part).map(Node::pairs).unwrap_or_default() {
            let own = body.get("parameters");
            let mut job = Job { stage: Stage::new(audit), own, pipeline: parameters };
            job.read(body);
        }
    }
}

/// A job, a command or an executor.
struct Job<'j, 's, 'a> {
    stage: Stage<'s, 'a>,
    own: Option<&'j Node>,
    pipeline: Option<&'j Node>,
}

impl Job<'_, '_, '_> {
    fn filled(&self, fragment: &Fragment) -> Fragment {
        interpolate(fragment, ("<<", ">>"), &|name| {
            let default = |map: Option<&Node>, name: &str| -> Placeholder {
                Placeholder::of(map.and_then(|map| map.get(name)?.get("default")))
            };
            if let Some(name) = name.strip_prefix("parameters.") {
                default(self.own, name)
            } else if let Some(name) = name.strip_prefix("pipeline.parameters.") {
                default(self.pipeline, name)
            } else if name.starts_with("pipeline.") || name.starts_with("matrix.") {
                Placeholder::Unknown
            } else {
                Placeholder::None
            }
        })
    }

    fn read(&mut self, body: &Node) {
        for (name, value) in super::super::compose::entries(body.get("environment")) {
            let value = self.filled(&value);
            self.stage.constant("environment", &name, &value);
        }
        for container in body.get("docker").map(Node::items).unwrap_or_default() {
            if let Some(image) = container.get("image").and_then(Node::fragment) {
                let word = Expanded::plain(self.filled(image));
                shell::image(&word, &mut self.stage.environment, self.stage.audit);
            }
        }
        if let Some(machine) = body.get("machine") {
            self.machine(machine);
        }
        let xcode = body.get("macos").and_then(|mac| mac.get("xcode")).and_then(Node::fragment);
        if let Some(xcode) = xcode {
            let version = self.filled(xcode);
            let strength = steps::tool_version(version.text());
            let at = version.raw_whole();
            let input = self.stage.input(Ecosystem::Tool, "xcode", strength, at);
            self.stage.audit.push(input.requesting(version.text()));
        }
        let windows = body.get("shell").and_then(Node::text).unwrap_or_default().to_owned();
        self.steps(body.get("steps"), &windows, 0);
    }

    fn machine(&mut self, machine: &Node) {
        let Some(fragment) = machine.get("image").unwrap_or(machine).fragment() else { return };
        let word = self.filled(fragment);
        let text = word.text();
        if text == "false" {
            return;
        }
        let (name, tag) = text.split_once(':').unwrap_or((text, ""));
        let strength = match tag {
            "current" | "edge" | "default" | "previous" => Strength::Floating,
            _ if ["true", "default"].contains(&text) => Strength::None,
            _ if crate::pins::classify::is_unknown(text) => Strength::Unknown,
            "" => Strength::Floating,
            _ => Strength::Exact,
        };
        let name = if text == "true" { "machine" } else { name };
        let input = self.stage.input(Ecosystem::MachineImage, name, strength, word.raw_whole());
        // One exact image is as firm as a machine image can be named here.
        let mut input = input.requesting(tag);
        if strength == Strength::Exact {
            let why = "dated machine images are not changed".to_owned();
            input.credit = Some(crate::pins::Credit { strength: Strength::Content, why });
        }
        self.stage.audit.push(input);
    }

    fn steps(&mut self, steps: Option<&Node>, shell: &str, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        let depth = depth.saturating_add(1);
        for step in steps.map(Node::items).unwrap_or_default() {
            if let Some(run) = step.get("run") {
                self.run(run, shell);
            }
            for (_, body) in step.pairs() {
                // `when`, `unless` and the parameters of an orb's job hold steps of their own.
                for key in ["steps", "pre-steps", "post-steps"] {
                    self.steps(body.get(key), shell, depth);
                }
            }
        }
    }

    fn run(&mut self, run: &Node, shell: &str) {
        let Some(command) = run.get("command").unwrap_or(run).fragment() else { return };
        let named = run.get("shell").and_then(Node::text).unwrap_or(shell);
        let named = if named.is_empty() { "bash" } else { named };
        let Some(dialect) =
            steps::dialect_of(named).or(named.contains("<<").then_some(Dialect::Posix))
        else {
            return;
        };
        let before = self.stage.environment.constants_only();
        for (name, value) in super::super::compose::entries(run.get("environment")) {
            self.stage.constant("environment", &name, &value);
        }
        let command = self.filled(command);
        self.stage.run(&command, dialect);
        self.stage.environment.restore_constants(&before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::steps::check_files;

    #[test]
    fn configurations() {
        check_files(
            &CARRIER,
            &[(
                ".circleci/config.yml",
                "version: 2.1\norbs:\n  node: circleci/node@5.1\n  slack: circleci/slack@volatile\n  aws: circleci/aws@4.1.3\nexecutors:\n  e:\n    parameters: {tag: {default: '20.1'}}\n    docker: [{image: 'cimg/node:<< parameters.tag >>'}]\njobs:\n  a:\n    machine: {image: 'ubuntu-2204:current'}\n    environment: {V: '1.0'}\n    steps:\n    - checkout\n    - run: pip install x==$V\n    - when: {condition: true, steps: [{run: {name: n, command: npm i -g y}}]}\n  b:\n    machine: true\n    steps: [{run: {command: choco install z, shell: powershell.exe}}]\n  c:\n    machine: {image: 'ubuntu-2204:2024.01.1'}\n    docker: [{image: 'x:<< pipeline.number >>'}]\n",
            )],
            &[
                "ci-include circleci/node range @circleci/node@5.1",
                "ci-include circleci/slack none @circleci/slack@volatile",
                "ci-include circleci/aws exact @circleci/aws@4.1.3",
                "container-image cimg/node floating @cimg/node:<< parameters.tag >>",
                "machine-image ubuntu-2204 floating @ubuntu-2204:current",
                "pip x exact @x==$V",
                "npm y none @y",
                "machine-image machine none @true",
                "choco z none @z",
                "machine-image ubuntu-2204 content @ubuntu-2204:2024.01.1",
                "container-image x unknown @x:<< pipeline.number >>",
            ],
        );
    }
}
