//! Carrier: `.pre-commit-config.yaml`. Repositories of hooks by their `rev`, and the packages that
//! hooks are given besides.

use super::carrier::Carrier;
use super::classify;
use super::environment::Environment;
use super::input::PinForm;
use super::repository;
use super::shell::{self, Expanded};
use super::span::Fragment;
use super::steps::Stage;
use super::strength::{Ecosystem, Strength};
use super::yaml::{self, Node};

/// Configurations of pre-commit.
pub const CARRIER: Carrier = Carrier {
    name: "pre-commit",
    summary: "pre-commit: .pre-commit-config.yaml",
    recognises: |path, _| {
        let name = repository::file_name(path);
        [".pre-commit-config.yaml", ".pre-commit-config.yml"].contains(&name)
    },
    read: |file, audit| {
        for document in yaml::parse(&file.fragment()).report(audit) {
            for repo in document.get("repos").map(Node::items).unwrap_or_default() {
                Stage::new(audit).hooks(repo);
            }
        }
    },
};

impl Stage<'_, '_> {
    fn hooks(&mut self, repo: &Node) {
        let Some(address) = repo.get("repo") else { return };
        let name = address.text().unwrap_or_default();
        if !["local", "meta", "builtin"].contains(&name) {
            self.revision(address, repo.get("rev"));
        }
        for hook in repo.get("hooks").map(Node::items).unwrap_or_default() {
            let language = hook.get("language").and_then(Node::text).unwrap_or_default();
            for word in hook.get("additional_dependencies").map(Node::items).unwrap_or_default() {
                if let Some(fragment) = word.fragment() {
                    self.dependency(fragment, language);
                }
            }
            if ["docker_image"].contains(&language)
                && let Some(entry) = hook.get("entry").and_then(Node::fragment)
            {
                let end = entry.text().find(' ').unwrap_or(entry.text().len());
                let word = Expanded::plain(entry.slice(0..end));
                shell::image(&word, &mut self.environment, self.audit);
            }
        }
    }

    fn revision(&mut self, address: &Node, revision: Option<&Node>) {
        let revision = revision.filter(|revision| !revision.is_null());
        let word = revision.and_then(Node::text).unwrap_or_default();
        let strength = classify::git_ref(word);
        let at = revision.unwrap_or(address);
        let range = at.fragment().map_or(at.range(), Fragment::raw_whole);
        let subject = address.text().unwrap_or_default();
        let mut input =
            self.input(Ecosystem::CiInclude, subject, strength, range.clone()).requesting(word);
        if revision
            .is_some_and(|node| node.fragment().is_some_and(|f| f.is_verbatim(0..word.len())))
        {
            let template = "{digest}".to_owned();
            input.form = Some(PinForm { start_byte: range.start, end_byte: range.end, template });
        }
        if classify::is_short_hash(word) {
            input = input.noting("an abbreviated hash is no promise");
        }
        self.audit.push(input);
    }

    /// A package, in the syntax of the hook's language; where that stands in the other repository,
    /// the word itself tells.
    fn dependency(&mut self, fragment: &Fragment, language: &str) {
        let text = fragment.text();
        if text.starts_with(['.', '/', '-']) || text.contains("://") && !text.contains("git+") {
            return;
        }
        let at = text.get(1..).and_then(|rest| rest.find('@')).map(|at| at.saturating_add(1));
        let scoped = text.starts_with('@');
        let found = match language {
            "node" => Some((Ecosystem::Npm, at.unwrap_or(text.len()))),
            "golang" => Some((Ecosystem::Go, at.unwrap_or(text.len()))),
            "ruby" => Some((Ecosystem::Gem, text.find(':').unwrap_or(text.len()))),
            "rust" => {
                let name = text.strip_prefix("cli:").unwrap_or(text);
                let skip = text.len().saturating_sub(name.len());
                let end = name.find(':').map_or(text.len(), |at| at.saturating_add(skip));
                Some((Ecosystem::Cargo, end))
            }
            "python" | "" if !scoped && (at.is_none() || text.contains(['=', '+', ' '])) => None,
            "" => Some((Ecosystem::Npm, at.unwrap_or(text.len()))),
            "python" => None,
            _ => Some((Ecosystem::OtherLanguage, text.find([':', '@', '=']).unwrap_or(text.len()))),
        };
        let Some((ecosystem, end)) = found else {
            let word = Expanded::plain(fragment.clone());
            shell::requirement(&word, &mut Environment::default(), self.audit);
            return;
        };
        let (name, version) = text.split_at_checked(end).unwrap_or((text, ""));
        let version = version.trim_start_matches(['@', ':', '=']);
        let name = name.strip_prefix("cli:").unwrap_or(name);
        let strength =
            if version.is_empty() { Strength::None } else { classify::version(ecosystem, version) };
        let input = self.input(ecosystem, name, strength, fragment.raw_whole());
        self.audit.push(input.requesting(version));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::steps::check_files;

    #[test]
    fn hooks() {
        let text = "repos:\n- repo: https://e.org/a\n  rev: v4.5.0\n  hooks:\n  - id: x\n    additional_dependencies: [types-x, 'y==1.0', 'eslint@8.1.0', '@a/b@^1']\n- repo: https://e.org/b\n  rev: main\n- repo: https://e.org/c\n- repo: local\n  hooks:\n  - {id: z, language: golang, additional_dependencies: ['e.org/t@v1.2.3']}\n  - {id: q, language: docker_image, entry: 'koalaman/shellcheck:v0.10.0 -x'}\n- repo: meta\n";
        check_files(
            &CARRIER,
            &[(".pre-commit-config.yaml", text)],
            &[
                "ci-include https://e.org/a exact @v4.5.0",
                "pip types-x none @types-x",
                "pip y exact @y==1.0",
                "npm eslint exact @eslint@8.1.0",
                "npm @a/b range @@a/b@^1",
                "ci-include https://e.org/b none @main",
                "ci-include https://e.org/c none @https://e.org/c",
                "go e.org/t exact @e.org/t@v1.2.3",
                "container-image koalaman/shellcheck exact @koalaman/shellcheck:v0.10.0",
            ],
        );
    }
}
