//! Carrier: Azure Pipelines. Agents' images, container resources, repositories of templates,
//! versions that tasks install, and what script steps run.
//!
//! A task is named by its major version by design (`Bash@3`): the organisation decides which
//! release of it is installed, so that it counts as exact. Template expressions (`${{ }}`) are
//! resolved where they are a parameter with a default, macros (`$(name)`) where a variable of the
//! file gives them a value.

use super::{Placeholder, each_mapping, interpolate, word_range};
use crate::pins::audit::Audit;
use crate::pins::carrier::Carrier;
use crate::pins::classify;
use crate::pins::environment::MAX_VALUE;
use crate::pins::repository::{self, SourceFile};
use crate::pins::shell::{self, Dialect, Expanded};
use crate::pins::span::{Fragment, UNKNOWN};
use crate::pins::steps::{self, Stage};
use crate::pins::strength::{Ecosystem, Strength};
use crate::pins::yaml::{self, Node};
use std::collections::BTreeMap;

/// Pipelines and their templates.
pub const CARRIER: Carrier = Carrier {
    name: "azure-pipelines",
    summary: "Azure Pipelines: azure-pipelines*.yml, .azure-pipelines/*.yml",
    recognises,
    read,
};

fn recognises(path: &str, head: &[u8]) -> bool {
    let name = repository::file_name(path).to_ascii_lowercase();
    if !name.ends_with(".yml") && !name.ends_with(".yaml") {
        return false;
    }
    let lower = path.to_ascii_lowercase();
    let folder = [".azure-pipelines/", ".azuredevops/", "azure-pipelines/", ".azure/pipelines/"];
    let named = name.contains("azure-pipeline") || name.starts_with(".vsts-ci");
    if named
        || folder.iter().any(|own| lower.starts_with(own) || lower.contains(&format!("/{own}")))
    {
        return true;
    }
    let text = String::from_utf8_lossy(head);
    let top = |key: &str| {
        text.lines().any(|line| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':')))
    };
    let parts = ["steps", "jobs", "stages", "extends"].iter().any(|key| top(key));
    parts
        && (text.contains(" vmImage:")
            || text.lines().any(|line| line.trim().starts_with("- task: ") && line.contains('@')))
}

/// Tasks that install a tool: how their names begin or end, and the inputs that say a version.
const TOOL_INPUTS: &[&str] = &[
    "versionSpec",
    "version",
    "terraformVersion",
    "helmVersionToInstall",
    "kubectlVersion",
    "helmVersion",
    "dockerVersion",
    "packerVersion",
    "tofuVersion",
    "checkLatest",
];

/// Tasks whose input is a script: the task, the input, the dialect.
const SCRIPT_TASKS: &[(&str, &str, Dialect)] = &[
    ("bash", "script", Dialect::Posix),
    ("shellscript", "script", Dialect::Posix),
    ("cmdline", "script", Dialect::Posix),
    ("powershell", "script", Dialect::PowerShell),
    ("azurepowershell", "Inline", Dialect::PowerShell),
    ("azurecli", "inlineScript", Dialect::Posix),
];

fn read(file: &SourceFile, audit: &mut Audit<'_>) {
    for document in yaml::parse(&file.fragment()).report(audit) {
        let mut pipeline = Pipeline::new(&document, audit);
        each_mapping(&document, 0, &mut |node| pipeline.mapping(node));
    }
}

struct Pipeline<'p, 's, 'a> {
    stage: Stage<'s, 'a>,
    /// Aliases of container resources.
    containers: Vec<String>,
    parameters: BTreeMap<String, Node>,
    variables: BTreeMap<String, String>,
    document: &'p Node,
    windows: bool,
}

impl<'p, 's, 'a> Pipeline<'p, 's, 'a> {
    fn new(document: &'p Node, audit: &'s mut Audit<'a>) -> Self {
        let mut parameters = BTreeMap::new();
        if let Some(list) = document.get("parameters") {
            for (name, default) in list.pairs() {
                parameters.insert(name.text().unwrap_or_default().to_owned(), default.clone());
            }
            for entry in list.items() {
                if let (Some(name), Some(default)) = (entry.get("name"), entry.get("default")) {
                    parameters.insert(name.text().unwrap_or_default().to_owned(), default.clone());
                }
            }
        }
        let resources = document.get("resources");
        let containers = resources.and_then(|resources| resources.get("containers"));
        let containers = containers.map(Node::items).unwrap_or_default().iter();
        let containers = containers
            .filter_map(|entry| entry.get("container")?.text().map(str::to_owned))
            .collect();
        let (variables, windows) = (BTreeMap::new(), false);
        let stage = Stage::new(audit);
        Self { stage, containers, parameters, variables, document, windows }
    }

    /// A text with parameters and variables filled in.
    fn filled(&self, fragment: &Fragment) -> Fragment {
        let filled = fragment.filled(|raw| {
            let bytes = self.stage.audit.file().bytes.get(raw.clone()).unwrap_or_default();
            let word = String::from_utf8_lossy(bytes);
            let name = word.trim_start_matches("${{").trim_end_matches("}}").trim();
            let known = name.strip_prefix("parameters.").and_then(|name| self.parameters.get(name));
            known.and_then(Node::text).filter(|text| !text.is_empty()).map(str::to_owned)
        });
        let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        interpolate(&filled, ("$(", ")"), &|name| match self.variables.get(name) {
            Some(value) => Placeholder::Value(value.clone()),
            // What holds a dot or begins with a capital is a variable, everything else a command.
            None if name.contains('.') && name.chars().all(plain) => Placeholder::Unknown,
            None => Placeholder::None,
        })
    }

    fn mapping(&mut self, node: &Node) {
        if let Some(variables) = node.get("variables") {
            self.variables(variables);
        }
        if let Some(image) = node.get("vmImage").and_then(Node::fragment) {
            self.agent(image);
        }
        if let Some(resources) = node.get("resources") {
            self.resources(resources);
        }
        if let Some(container) = node.get("container").filter(|_| node.get("image").is_none()) {
            let container = container.get("image").unwrap_or(container);
            let alias =
                container.text().is_some_and(|text| self.containers.iter().any(|c| c == text));
            // In a template the alias is one of the pipeline's.
            let plain = container.text().is_some_and(|text| text.contains(['/', ':', UNKNOWN]));
            if !alias
                && (plain || !self.containers.is_empty() || self.document.get("trigger").is_some())
            {
                self.image(container);
            }
        }
        let shell = if self.windows { Dialect::Cmd } else { Dialect::Posix };
        for (key, dialect) in [
            ("script", shell),
            ("bash", Dialect::Posix),
            ("pwsh", Dialect::PowerShell),
            ("powershell", Dialect::PowerShell),
        ] {
            if let Some(text) = node.get(key).and_then(Node::fragment)
                && node.get("task").is_none()
                && !Self::is_inputs(node)
            {
                self.script(text, node.get("env"), dialect);
            }
        }
        if let Some(task) = node.get("task").and_then(Node::fragment) {
            self.task(task, node.get("inputs"));
        }
    }

    /// The inputs of a task hold `script` as well: they are read with it.
    fn is_inputs(node: &Node) -> bool {
        node.get("targetType").is_some() || node.get("scriptType").is_some()
    }

    fn variables(&mut self, variables: &Node) {
        let pairs = variables.pairs().iter().map(|(name, value)| (Some(name), Some(value)));
        let items = variables.items().iter().map(|item| (item.get("name"), item.get("value")));
        let found: Vec<(String, Fragment)> = pairs
            .chain(items)
            .filter_map(|(name, value)| {
                Some((name?.text()?.to_owned(), value?.fragment()?.clone()))
            })
            .collect();
        for (name, value) in found {
            let value = self.filled(&value);
            if !value.text().contains(UNKNOWN) && value.text().len() <= MAX_VALUE {
                self.variables.insert(name.clone(), value.text().to_owned());
            }
            self.stage.constant("variable", &name.to_ascii_uppercase().replace('.', "_"), &value);
        }
    }

    fn agent(&mut self, image: &Fragment) {
        let word = self.filled(image);
        let text = word.text().to_owned();
        self.windows = text.starts_with("windows") || text.starts_with("vs20");
        if text.split('-').any(|part| part == "latest") {
            let at = word.raw_whole();
            let input = self.stage.input(Ecosystem::MachineImage, &text, Strength::Floating, at);
            let input = input.requesting("latest");
            self.stage.audit.push(input.noting("the agent's image is chosen anew at every run"));
        }
    }

    fn image(&mut self, node: &Node) {
        let Some(fragment) = node.fragment().filter(|image| !image.text().is_empty()) else {
            return;
        };
        let word = Expanded::plain(self.filled(fragment));
        shell::image(&word, &mut self.stage.environment, self.stage.audit);
    }

    fn resources(&mut self, resources: &Node) {
        for container in resources.get("containers").map(Node::items).unwrap_or_default() {
            if let Some(image) = container.get("image") {
                self.image(image);
            }
        }
        for repository in resources.get("repositories").map(Node::items).unwrap_or_default() {
            let Some(name) = repository.any(&["name", "repository"]) else { continue };
            let reference = repository.get("ref").and_then(Node::fragment);
            let word = reference.map(|reference| self.filled(reference));
            let text = word.as_ref().map(Fragment::text).unwrap_or_default();
            // A name without refs/ is a branch.
            let strength = if text.is_empty()
                || text.starts_with("refs/")
                || classify::is_full_hash(text)
                || classify::is_unknown(text)
            {
                classify::git_ref(text)
            } else {
                classify::git_ref(&format!("refs/heads/{text}"))
            };
            let at = word.as_ref().map_or_else(|| word_range(name), Fragment::raw_whole);
            let subject = name.text().unwrap_or_default();
            let input = self.stage.input(Ecosystem::CiInclude, subject, strength, at);
            self.stage.audit.push(input.requesting(text));
        }
    }

    fn script(&mut self, text: &Fragment, env: Option<&Node>, dialect: Dialect) {
        let before = self.stage.environment.constants_only();
        for (name, value) in env.map(Node::pairs).unwrap_or_default() {
            if let (Some(name), Some(value)) = (name.text(), value.fragment()) {
                let value = self.filled(value);
                self.stage.constant("env", name, &value);
            }
        }
        let text = self.filled(text);
        self.stage.run(&text, dialect);
        self.stage.environment.restore_constants(&before);
    }

    fn task(&mut self, task: &Fragment, inputs: Option<&Node>) {
        let text = task.text().to_owned();
        let (name, version) = text.split_once('@').unwrap_or((&text, ""));
        let strength = match version {
            "" => Strength::None,
            _ if classify::is_unknown(version) => Strength::Unknown,
            _ => Strength::Exact,
        };
        let input = self.stage.input(Ecosystem::CiInclude, name, strength, task.raw_whole());
        self.stage.audit.push(input.requesting(version));
        let lower = name.to_ascii_lowercase();
        let of = |key: &str| {
            let pairs = inputs.map(Node::pairs).unwrap_or_default();
            let found = pairs
                .iter()
                .find(|(own, _)| own.text().is_some_and(|own| own.eq_ignore_ascii_case(key)));
            found.and_then(|(_, value)| value.fragment().cloned())
        };
        for (own, key, dialect) in SCRIPT_TASKS.iter().filter(|(own, ..)| *own == lower) {
            let kind = of("scriptType").map(|kind| kind.text().to_owned()).unwrap_or_default();
            let dialect = match kind.as_str() {
                "ps" | "pscore" => Dialect::PowerShell,
                "batch" => Dialect::Cmd,
                _ if *own == "cmdline" && self.windows => Dialect::Cmd,
                _ => *dialect,
            };
            if let Some(script) = of(key) {
                self.script(&script, None, dialect);
            }
        }
        let installs = name.starts_with("Use")
            || lower.ends_with("installer")
            || lower.ends_with("tool")
            || lower.contains("toolinstaller");
        if !installs {
            return;
        }
        let tool = name
            .trim_start_matches("Use")
            .trim_end_matches("Installer")
            .trim_end_matches("Tool")
            .trim_end_matches("Version");
        for key in TOOL_INPUTS.iter().filter(|key| **key != "checkLatest") {
            let Some(value) = of(key).map(|value| self.filled(&value)) else { continue };
            if value.text().is_empty() {
                continue;
            }
            let strength = steps::tool_version(value.text());
            let subject = tool.to_ascii_lowercase();
            let at = value.raw_whole();
            let input = self.stage.input(Ecosystem::Tool, &subject, strength, at);
            self.stage.audit.push(input.requesting(&value.text().replace(UNKNOWN, "…")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::steps::check_files;

    #[test]
    fn pipelines() {
        check_files(
            &CARRIER,
            &[(
                "azure-pipelines.yml",
                "trigger: [main]\nparameters:\n- {name: node, default: '20'}\nresources:\n  containers:\n  - {container: c, image: 'ubuntu:22.04'}\n  repositories:\n  - {repository: t, type: git, name: p/templates, ref: refs/heads/main}\n  - {repository: u, name: p/u, ref: refs/tags/v1.2.3}\n  - {repository: v, name: p/v}\nvariables: {V: '1.0'}\npool: {vmImage: ubuntu-latest}\njobs:\n- job: a\n  container: c\n  steps:\n  - task: UseNode@1\n    inputs: {version: '${{ parameters.node }}.x'}\n  - script: pip install x==$(V)\n  - task: Bash@3\n    inputs: {targetType: inline, script: npm i -g y}\n  - ${{ if true }}:\n    - bash: apt-get install $(name)\n- job: b\n  container: {image: 'node:20'}\n",
            )],
            &[
                "container-image ubuntu floating @ubuntu:22.04",
                "ci-include p/templates none @refs/heads/main",
                "ci-include p/u exact @refs/tags/v1.2.3",
                "ci-include p/v none @p/v",
                "machine-image ubuntu-latest floating @ubuntu-latest",
                "ci-include UseNode exact @UseNode@1",
                "tool node range @${{ parameters.node }}.x",
                "pip x exact @x==$(V)",
                "ci-include Bash exact @Bash@3",
                "npm y none @y",
                "apt $(name) unknown @$(name)",
                "container-image node floating @node:20",
            ],
        );
    }

    #[test]
    fn other_yaml_is_left_alone() {
        assert!(!recognises("a.yml", b"jobs:\n  a:\n    runs-on: x\n"));
        assert!(recognises("ci/build.yml", b"steps:\n- task: Bash@3\n"));
    }
}
