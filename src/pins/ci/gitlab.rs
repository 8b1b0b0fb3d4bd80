//! Carrier: GitLab CI. Images and services, includes (remote files, other projects, components),
//! and what scripts install.
//!
//! A job is read as GitLab makes it: `extends` merged, `!reference` followed, `default` and the
//! global keys below it, variables of the file and of the job, `$[[ inputs.x ]]` by its default.

use super::{Placeholder, interpolate, module_version, word_range};
use crate::pins::audit::Audit;
use crate::pins::carrier::Carrier;
use crate::pins::classify;
use crate::pins::input::Input;
use crate::pins::repository::{self, SourceFile};
use crate::pins::shell::{self, Dialect, Expanded};
use crate::pins::span::{Fragment, FragmentBuilder};
use crate::pins::steps::Stage;
use crate::pins::strength::{Ecosystem, Strength};
use crate::pins::yaml::{self, Kind, Node};
use std::cell::Cell;
use std::sync::Arc;

/// Pipelines, and the files that they include from the same repository.
pub const CARRIER: Carrier = Carrier {
    name: "gitlab-ci",
    summary: "GitLab CI: .gitlab-ci.yml, *.gitlab-ci.yml, .gitlab/ci/*.yml",
    recognises: |path, _| {
        let name = repository::file_name(path);
        let yaml = name.ends_with(".yml") || name.ends_with(".yaml");
        let folder = [".gitlab/ci/", ".gitlab-ci/", "gitlab-ci/"]
            .iter()
            .any(|folder| path.starts_with(folder) || path.contains(&format!("/{folder}")));
        yaml && (name.contains("gitlab-ci") || folder)
    },
    read,
};

/// Jobs that extend jobs, as deep as GitLab allows and one more.
const MAX_EXTENDS: usize = 12;

/// References that lead to references.
const MAX_REFERENCES: usize = 10;

/// Lines of scripts in one file, references followed: lists of references can multiply.
const MAX_LINES: usize = 500_000;

/// What one job runs, in bytes.
const MAX_SCRIPT: usize = 1024 * 1024;

/// Top-level keys that are no jobs.
const GLOBAL: &[&str] = &[
    "image",
    "services",
    "include",
    "default",
    "variables",
    "stages",
    "workflow",
    "cache",
    "spec",
    "before_script",
    "after_script",
];

fn read(file: &SourceFile, audit: &mut Audit<'_>) {
    let documents = yaml::parse(&file.fragment()).report(audit);
    let inputs = documents.iter().find_map(|document| document.get("spec")?.get("inputs").cloned());
    for document in &documents {
        if document.is_mapping() {
            let lines = Cell::new(MAX_LINES);
            Pipeline { document, inputs: inputs.as_ref(), lines: &lines }.read(audit);
            if lines.get() == 0 {
                audit.gap("its scripts are too long: the rest was not judged", None);
            }
        }
    }
}

/// A file while it is read.
struct Pipeline<'p> {
    document: &'p Node,
    inputs: Option<&'p Node>,
    /// How many lines may still be read.
    lines: &'p Cell<usize>,
}

impl Pipeline<'_> {
    fn read(&self, audit: &mut Audit<'_>) {
        let mut stage = Stage::new(audit);
        self.includes(self.document.get("include"), &mut stage);
        let default = self.document.get("default");
        let global =
            |key: &str| default.and_then(|d| d.get(key)).or_else(|| self.document.get(key));
        stage.constants("variable", self.document.get("variables"));
        // What all jobs know is made once: there may be many of both.
        let known = stage.environment.clone();
        self.images(global("image"), global("services"), &mut stage);
        let jobs = self.document.pairs().iter().filter(|(name, job)| {
            job.is_mapping() && !name.text().is_some_and(|name| GLOBAL.contains(&name))
        });
        for (_, job) in jobs {
            let chain = self.chain(job);
            let of = |key: &str| chain.iter().find_map(|job| job.get(key));
            let mut stage = Stage { audit: &mut *audit, environment: known.clone() };
            for job in chain.iter().rev() {
                let variables = job.get("variables").and_then(|node| self.referenced(node, 0));
                stage.constants("variable", variables.as_ref());
            }
            self.images(of("image"), of("services"), &mut stage);
            if let Some(include) = of("trigger").and_then(|trigger| trigger.get("include")) {
                self.includes(Some(include), &mut stage);
            }
            self.needs(of("needs"), &mut stage);
            let mut script = FragmentBuilder::default();
            let before = of("before_script").or_else(|| global("before_script"));
            for lines in before.into_iter().chain(of("script")) {
                self.lines(lines, &mut script, 0);
            }
            stage.run(&script.finish(), Dialect::Posix);
            let mut script = FragmentBuilder::default();
            if let Some(lines) = of("after_script").or_else(|| global("after_script")) {
                self.lines(lines, &mut script, 0);
            }
            stage.run(&script.finish(), Dialect::Posix);
            self.steps(of("run"), &mut stage);
        }
    }

    /// A job and what it extends, its own keys first.
    fn chain(&self, job: &Node) -> Vec<Node> {
        let mut found = vec![job.clone()];
        let mut at = 0_usize;
        while let Some(job) = found.get(at).cloned() {
            at = at.saturating_add(1);
            let Some(extends) = job.get("extends") else { continue };
            let names =
                if extends.is_sequence() { extends.items() } else { std::slice::from_ref(extends) };
            for name in names.iter().rev() {
                let parent = name.text().and_then(|name| self.document.get(name));
                if let Some(parent) = parent.filter(|_| found.len() < MAX_EXTENDS) {
                    found.push(parent.clone());
                }
            }
        }
        found
    }

    /// What `!reference [a, b]` means; anything else is itself.
    fn referenced(&self, node: &Node, depth: usize) -> Option<Node> {
        if node.tag() != Some("reference") {
            return Some(node.clone());
        }
        if depth > MAX_REFERENCES {
            return None;
        }
        let mut names = node.items().iter();
        let mut found = self.document.get(names.next()?.text()?)?.clone();
        for name in names {
            found = self.referenced(found.get(name.text()?)?, depth.saturating_add(1))?;
        }
        self.referenced(&found, depth.saturating_add(1))
    }

    /// A text with the inputs of the file filled in.
    fn filled(&self, fragment: &Fragment) -> Fragment {
        interpolate(fragment, ("$[[", "]]"), &|name| {
            let name = name.split('|').next().unwrap_or_default().trim();
            let input = name.strip_prefix("inputs.").and_then(|name| self.inputs?.get(name));
            Placeholder::of(input.and_then(|input| input.get("default")))
        })
    }

    fn lines(&self, node: &Node, text: &mut FragmentBuilder, depth: usize) {
        self.lines.set(self.lines.get().saturating_sub(1));
        if self.lines.get() == 0 || text.text().len() > MAX_SCRIPT {
            return;
        }
        let Some(node) = self.referenced(node, 0) else { return };
        match node.kind() {
            Kind::Scalar { fragment, .. } => {
                text.append(&self.filled(fragment));
                let end = fragment.raw_whole().end;
                text.replaced("\n", end..end);
            }
            Kind::Sequence(items) if depth < MAX_REFERENCES => {
                for item in items {
                    if text.text().len() > MAX_SCRIPT {
                        break;
                    }
                    self.lines(item, text, depth.saturating_add(1));
                }
            }
            _ => {}
        }
    }

    fn images(&self, image: Option<&Node>, services: Option<&Node>, stage: &mut Stage<'_, '_>) {
        let services = services.and_then(|services| self.referenced(services, 0));
        let services = services.as_ref().map(Node::items).unwrap_or_default();
        for node in image.into_iter().chain(services) {
            let Some(node) = self.referenced(node, 0) else { continue };
            let Some(fragment) = node.get("name").unwrap_or(&node).fragment() else { continue };
            let fragment = self.filled(fragment);
            if fragment.text().trim().is_empty() {
                continue;
            }
            let file = Arc::clone(&stage.audit.file().path);
            let word = shell::expand_value(&fragment, &stage.environment, &file);
            if word.text().starts_with("macos-") && word.text().contains("-xcode-") {
                hosted(&word, stage.audit);
            } else {
                shell::image(&word, &mut stage.environment, stage.audit);
            }
        }
    }

    fn includes(&self, include: Option<&Node>, stage: &mut Stage<'_, '_>) {
        let Some(include) = include else { return };
        let entries =
            if include.is_sequence() { include.items() } else { std::slice::from_ref(include) };
        for entry in entries {
            if entry.text().is_some_and(|text| text.contains("://")) {
                self.remote(entry, None, stage);
            } else if let Some(remote) = entry.get("remote") {
                self.remote(remote, entry.get("integrity"), stage);
            } else if let Some(project) = entry.get("project") {
                self.project(project, entry.get("ref"), stage);
            } else if let Some(component) = entry.get("component").and_then(Node::fragment) {
                let component = self.filled(component);
                let text = component.text();
                let (name, version) = text.rsplit_once('@').unwrap_or((text, ""));
                let strength = module_version(version);
                let at = component.raw_whole();
                let input = stage.input(Ecosystem::CiInclude, name, strength, at);
                stage.audit.push(input.requesting(version));
            }
        }
    }

    /// A file by its URL.
    fn remote(&self, node: &Node, integrity: Option<&Node>, stage: &mut Stage<'_, '_>) {
        let Some(fragment) = node.fragment() else { return };
        let fragment = self.filled(fragment);
        let text = fragment.text();
        let fixed = integrity.is_some() || text.split('/').any(classify::is_full_hash);
        let strength = if fixed { Strength::Content } else { classify::url(text) };
        let input = stage.input(Ecosystem::CiInclude, text, strength, fragment.raw_whole());
        stage.audit.push(input);
    }

    /// Files of another project, by its ref.
    fn project(&self, project: &Node, reference: Option<&Node>, stage: &mut Stage<'_, '_>) {
        let reference = reference.filter(|reference| !reference.is_null());
        let word = reference.and_then(Node::text).unwrap_or_default();
        let strength =
            if word.starts_with('$') { Strength::Unknown } else { classify::git_ref(word) };
        let name = project.text().unwrap_or_default();
        let at = word_range(reference.unwrap_or(project));
        let mut input = stage.input(Ecosystem::CiInclude, name, strength, at).requesting(word);
        if classify::is_short_hash(word) {
            input = input.noting("an abbreviated hash is no promise");
        }
        stage.audit.push(input);
    }

    /// Artifacts of another project's newest pipeline.
    fn needs(&self, needs: Option<&Node>, stage: &mut Stage<'_, '_>) {
        for need in needs.map(Node::items).unwrap_or_default() {
            if let (Some(project), Some(reference)) = (need.get("project"), need.get("ref")) {
                self.project(project, Some(reference), stage);
            }
        }
    }

    /// `run`: scripts and steps by reference.
    fn steps(&self, run: Option<&Node>, stage: &mut Stage<'_, '_>) {
        for step in run.map(Node::items).unwrap_or_default() {
            if let Some(script) = step.get("script").and_then(Node::fragment) {
                stage.run(&self.filled(script), Dialect::Posix);
            }
            if let Some(name) = step.get("step").and_then(Node::fragment)
                && !name.text().starts_with(['.', '/'])
            {
                let text = name.text();
                let (subject, version) = text.rsplit_once('@').unwrap_or((text, ""));
                let strength = module_version(version);
                let at = name.raw_whole();
                let input = stage.input(Ecosystem::CiInclude, subject, strength, at);
                stage.audit.push(input.requesting(version));
            }
        }
    }
}

/// A machine's image of GitLab's runners for macOS, which is no container.
fn hosted(word: &Expanded, audit: &mut Audit<'_>) {
    let place = audit.place(word.range.clone());
    let mut input = Input::new(Ecosystem::MachineImage, word.text(), Strength::Floating, place)
        .noting("the runner's image is brought up to date under the same name");
    input.origin.clone_from(&word.origin);
    audit.push(input);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::steps::check_files;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        check_files(&CARRIER, &[(".gitlab-ci.yml", text)], expected);
    }

    /// References that multiply.
    #[test]
    fn lines_are_bounded() {
        use std::fmt::Write;
        let mut text = ".a0:\n  script: [pip install x]\n".to_owned();
        for level in 1..12 {
            let one = format!("!reference [.a{}, script]", level - 1);
            writeln!(text, ".a{level}:\n  script: [{}]", vec![one; 10].join(", ")).unwrap();
        }
        let repository = crate::pins::Repository::of_files([]);
        let file = SourceFile::new(".gitlab-ci.yml", text.as_bytes());
        let collected = crate::pins::walk::audit_source(&file, &CARRIER, &repository);
        assert!(!collected.inputs.is_empty() && !collected.gaps.is_empty());
    }

    #[test]
    fn images_and_scripts() {
        check(
            "image: ruby:3.2\nvariables: {TAG: 16.1.2, P: {value: x==1.0}}\n.base:\n  image: node:$TAG\n  before_script: [V=1.0]\nbuild:\n  extends: .base\n  services: [postgres, {name: 'redis:7', alias: r}]\n  script:\n  - pip install $P a==$V\n  - !reference [.setup, script]\n.setup: {script: [[apk add curl]]}\ntest:\n  image: $OTHER\n  script: npm ci\n",
            &[
                "container-image ruby floating @ruby:3.2",
                "container-image node exact @node:$TAG",
                "container-image node exact @node:$TAG",
                "container-image postgres none @postgres",
                "container-image redis floating @redis:7",
                "pip x exact @$P",
                "pip a exact @a==$V",
                "apk curl none @curl",
                "apk curl none @curl",
                "container-image $OTHER unknown @$OTHER",
                "npm ci content @ci",
            ],
        );
    }

    #[test]
    fn includes() {
        let hash = "0123456789".repeat(4);
        check(
            &format!(
                "include:\n- local: /a.yml\n- template: Jobs/Build.gitlab-ci.yml\n- remote: https://e.org/main/x.yml\n- project: g/p\n  file: x.yml\n- {{project: g/q, ref: {hash}, file: x.yml}}\n- component: $CI_SERVER_FQDN/g/c/x@1.2\n- component: e.org/g/c/y@~latest\n- 'https://e.org/x-1.2.3.yml'\n"
            ),
            &[
                "ci-include https://e.org/main/x.yml none @https://e.org/main/x.yml",
                "ci-include g/p none @g/p",
                &format!("ci-include g/q content @{hash}"),
                "ci-include $CI_SERVER_FQDN/g/c/x range @$CI_SERVER_FQDN/g/c/x@1.2",
                "ci-include e.org/g/c/y none @e.org/g/c/y@~latest",
                "ci-include https://e.org/x-1.2.3.yml exact @https://e.org/x-1.2.3.yml",
            ],
        );
    }

    #[test]
    fn inputs_of_components() {
        check(
            "spec:\n  inputs:\n    image: {default: 'alpine:3.20'}\n    other: {}\n---\njob:\n  image: $[[ inputs.image ]]\n  script: [echo, 'apk add $[[ inputs.other ]]']\n",
            &[
                "container-image alpine floating @$[[ inputs.image ]]",
                "apk $[[ inputs.other ]] unknown @$[[ inputs.other ]]",
            ],
        );
    }
}
