//! Carrier: Jenkinsfiles, declarative and scripted. Shell steps, images of agents, shared
//! libraries, pods in YAML, clones, and the tools of the controller by name.
//!
//! Groovy is read word by word, not run: a string that is put together at run time is unknown
//! where it is.

use super::groovy::{self, Kind, Token};
use crate::pins::audit::Audit;
use crate::pins::carrier::Carrier;
use crate::pins::classify;
use crate::pins::environment::Environment;
use crate::pins::kubernetes;
use crate::pins::repository::{self, SourceFile};
use crate::pins::shell::{self, Dialect, Expanded};
use crate::pins::span::{Fragment, UNKNOWN};
use crate::pins::steps::{self, Stage};
use crate::pins::strength::{Ecosystem, Strength};
use std::collections::BTreeMap;

/// Jenkinsfiles and shared libraries that look like them.
pub const CARRIER: Carrier = Carrier {
    name: "jenkins",
    summary: "Jenkinsfile, *.jenkinsfile; Groovy files with a pipeline in them",
    recognises,
    read,
};

fn recognises(path: &str, head: &[u8]) -> bool {
    let name = repository::file_name(path).to_ascii_lowercase();
    let named = name == "jenkinsfile"
        || name.ends_with(".jenkinsfile")
        || name.ends_with(".jenkins")
        || name.strip_prefix("jenkinsfile").is_some_and(|rest| rest.starts_with(['.', '-', '_']));
    let document = [".md", ".txt", ".rst", ".sh", ".yml", ".yaml", ".json", ".dockerfile"];
    if named {
        return !document.iter().any(|ending| name.ends_with(ending));
    }
    let text = String::from_utf8_lossy(head);
    let begins = |word: &str| text.lines().any(|line| line.trim_start().starts_with(word));
    name.ends_with(".groovy")
        && (begins("pipeline {") || begins("@Library(") || begins("node {") || begins("node("))
}

fn read(file: &SourceFile, audit: &mut Audit<'_>) {
    let source = file.fragment();
    let tokens = groovy::tokens(source.text());
    let mut reader = Reader { source: &source, tokens: &tokens, known: BTreeMap::new(), audit };
    reader.constants();
    reader.read();
}

struct Reader<'r, 'a> {
    source: &'r Fragment,
    tokens: &'r [Token],
    /// Names with one literal value each.
    known: BTreeMap<String, Option<String>>,
    audit: &'r mut Audit<'a>,
}

impl Reader<'_, '_> {
    fn token(&self, at: usize) -> Option<&Token> {
        self.tokens.get(at)
    }

    fn value(&self, at: usize) -> Option<Fragment> {
        let Kind::Text { inside, interpolated } = &self.token(at)?.kind else { return None };
        let known = |name: &str| self.known.get(name).cloned().flatten();
        Some(groovy::value(self.source, inside.clone(), *interpolated, &known))
    }

    /// `NAME = 'value'`: what two places give different values is unknown.
    fn constants(&mut self) {
        for at in 1..self.tokens.len() {
            let is = self.token(at).is_some_and(|token| token.is_mark('='));
            let Some(Kind::Name(name)) = self.token(at.saturating_sub(1)).map(|t| t.kind.clone())
            else {
                continue;
            };
            if !is {
                continue;
            }
            let next = at.saturating_add(1);
            let value = self.value(next).map(|value| value.text().to_owned());
            let joined = self.token(next.saturating_add(1)).is_some_and(|token| token.is_mark('+'));
            let value = value.filter(|value| !value.contains(UNKNOWN) && !joined);
            match self.known.get(&name) {
                Some(other) if *other != value => self.known.insert(name, None),
                _ => self.known.insert(name, value),
            };
        }
    }

    fn read(&mut self) {
        let mut environment = Environment::default();
        let mut block = String::new();
        for at in 0..self.tokens.len() {
            let Some(token) = self.token(at).cloned() else { break };
            let Kind::Name(name) = &token.kind else { continue };
            if self.token(at.saturating_add(1)).is_some_and(|next| next.is_mark('{')) {
                name.clone_into(&mut block);
            }
            let before = at.checked_sub(1).and_then(|before| self.token(before));
            let member = before.is_some_and(|token| token.is_mark('.'));
            match name.as_str() {
                "sh" | "bat" | "powershell" | "pwsh" if !member => {
                    let dialect = steps::dialect_of(name).unwrap_or(Dialect::Cmd);
                    if let Some(script) = self.argument(at, &["script"]) {
                        let mut stage = Stage { audit: &mut *self.audit, environment };
                        stage.run(&script, dialect);
                        environment = stage.environment;
                    }
                }
                "image" | "docker" => {
                    // `docker { image 'x' }`, `docker 'x'`, `docker.image('x')`, `image: 'x'`.
                    if let Some(image) = self.argument(at, &["image"]) {
                        self.image(image);
                    }
                }
                "Library" | "library" => self.libraries(at),
                "yaml" => {
                    if let Some(text) = self.argument(at, &[]) {
                        kubernetes::audit_text(&text, self.audit);
                    }
                }
                "git" if !member => self.clone_step(at),
                _ if block == "tools" => self.tool(name, at),
                _ => {}
            }
        }
    }

    /// The string behind a name: `name 'x'`, `name('x')`, `name: 'x'`, `name(key: 'x')`.
    fn argument(&self, at: usize, keys: &[&str]) -> Option<Fragment> {
        let mut next = at.saturating_add(1);
        let mark = |at: usize, mark: char| self.token(at).is_some_and(|token| token.is_mark(mark));
        if mark(next, '(') || mark(next, ':') {
            next = next.saturating_add(1);
        }
        // Named arguments before the one that is wanted: a few of them.
        for _ in 0..12 {
            let token = self.token(next)?;
            if token.is_text() {
                let text = self.value(next);
                // A string that goes on is put together at run time.
                return text.filter(|text| !text.text().trim().is_empty());
            }
            let Kind::Name(name) = &token.kind else { return None };
            let colon = next.saturating_add(1);
            if !mark(colon, ':') {
                return None;
            }
            if keys.contains(&name.as_str()) {
                next = next.saturating_add(2);
                continue;
            }
            // Past `key: value,`.
            next = next.saturating_add(3);
            if !mark(next, ',') {
                return None;
            }
            next = next.saturating_add(1);
        }
        None
    }

    fn image(&mut self, image: Fragment) {
        if !image.text().contains(char::is_whitespace) && !image.text().contains("://") {
            let word = Expanded::plain(image);
            shell::image(&word, &mut Environment::default(), self.audit);
        }
    }

    /// `@Library('a@1') _`, `@Library(['a@1', 'b'])`, `library 'a@1'`, `library identifier: 'a@1'`.
    fn libraries(&mut self, at: usize) {
        for next in at.saturating_add(1)..at.saturating_add(12) {
            let Some(token) = self.token(next) else { return };
            let own = ["identifier", "value"].iter().any(|name| token.is(name));
            if let Some(library) = self.value(next) {
                let text = library.text().to_owned();
                let (name, version) = text.split_once('@').unwrap_or((&text, ""));
                let strength = classify::git_ref(version);
                let name = name.replace(UNKNOWN, "…");
                let stage = Stage::new(self.audit);
                let input = stage.input(Ecosystem::CiInclude, &name, strength, library.raw_whole());
                let mut input = input.requesting(version);
                if version.is_empty() {
                    input.note = Some("the controller's default version of it is used".to_owned());
                }
                self.audit.push(input);
                let more = next.saturating_add(1);
                if !self.token(more).is_some_and(|token| token.is_mark(',')) {
                    return;
                }
            } else if !own && !['(', '[', ',', ':'].iter().any(|mark| token.is_mark(*mark)) {
                return;
            }
        }
    }

    /// `git 'https://…'`, `git url: '…', branch: 'main'`.
    fn clone_step(&mut self, at: usize) {
        let mut next = at.saturating_add(1);
        if self.token(next).is_some_and(|token| token.is_mark('(')) {
            next = next.saturating_add(1);
        }
        let (mut address, mut branch) = (self.value(next), None);
        for step in next..next.saturating_add(16) {
            let behind = step.saturating_add(1);
            if !self.token(behind).is_some_and(|token| token.is_mark(':')) {
                continue;
            }
            let value = self.value(step.saturating_add(2));
            match self.token(step) {
                Some(token) if token.is("url") => address = value,
                Some(token) if token.is("branch") => branch = value,
                _ => {}
            }
        }
        let Some(address) = address.filter(|a| a.text().contains("://") || a.text().contains('@'))
        else {
            return;
        };
        let word = branch.map(|branch| branch.text().to_owned()).unwrap_or_default();
        let strength = if word.is_empty() {
            Strength::None
        } else {
            classify::git_ref(&format!("refs/heads/{word}"))
        };
        let subject = address.text().replace(UNKNOWN, "…");
        let stage = Stage::new(self.audit);
        let input = stage.input(Ecosystem::Git, &subject, strength, address.raw_whole());
        self.audit.push(input.requesting(&word.replace(UNKNOWN, "…")));
    }

    /// `tools { maven 'Maven 3.9.1' }`: a name of the controller's, which may say a version.
    fn tool(&mut self, name: &str, at: usize) {
        let Some(label) = self.value(at.saturating_add(1)) else { return };
        let text = label.text();
        let full = text.split([' ', '-', '_']).any(|part| {
            part.split('.').filter(|n| n.starts_with(|c: char| c.is_ascii_digit())).count() >= 3
        });
        let strength = if full {
            Strength::Exact
        } else if text.eq_ignore_ascii_case("latest") {
            Strength::None
        } else {
            Strength::Unknown
        };
        let requested = text.to_owned();
        let stage = Stage::new(self.audit);
        let input = stage.input(Ecosystem::Tool, name, strength, label.raw_whole());
        self.audit.push(input.requesting(&requested));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::steps::check_files;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        check_files(&CARRIER, &[("Jenkinsfile", text)], expected);
    }

    #[test]
    fn declarative() {
        check(
            "@Library('own@main') _\n@Library(['a@v1.2.3', 'b']) _\ndef V = '2.0'\npipeline {\n  agent { docker { image 'maven:3.9' } }\n  tools { maven 'Maven 3.9.1'\n jdk 'jdk17' }\n  environment { P = 'x==1.0' }\n  stages { stage('a') { steps {\n    sh 'pip install $P y'\n    sh \"\"\"\n      apt-get install curl=${V} ${params.W}\n    \"\"\"\n    sh(script: 'npm i -g z', returnStdout: true)\n    sh(returnStatus: true, script: \"npm ci\")\n    powershell 'Install-Module Az'\n    git url: 'https://e.org/x.git', branch: 'main'\n  } } }\n}\n",
            &[
                "ci-include own none @own@main",
                "ci-include a exact @a@v1.2.3",
                "ci-include b none @b",
                "container-image maven floating @maven:3.9",
                "tool maven exact @Maven 3.9.1",
                "tool jdk unknown @jdk17",
                "pip $P unknown @$P",
                "pip y none @y",
                "apt curl exact @curl=${V}",
                "apt ${params.W} unknown @${params.W}",
                "npm z none @z",
                "npm ci content @ci",
                "powershell Az none @Az",
                "git https://e.org/x.git none @https://e.org/x.git",
            ],
        );
    }

    #[test]
    fn scripted() {
        check(
            "node {\n  docker.image('node:20').inside { sh 'yarn global add x' }\n  containerTemplate(name: 'a', image: 'b/c:1.2.3')\n  podTemplate(yaml: '''\napiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: busybox\n''') {}\n  image(x)\n}\n",
            &[
                "container-image node floating @node:20",
                "npm x none @x",
                "container-image b/c exact @b/c:1.2.3",
                "container-image busybox none @busybox",
            ],
        );
    }
}
