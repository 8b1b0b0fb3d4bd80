//! Modules that are taken from the Forge or from git: Puppetfile, metadata.json, .fixtures.yml.

use super::lexer::{Kind, Token, tokens};
use crate::pins::audit::Audit;
use crate::pins::classify;
use crate::pins::input::{Input, PinForm};
use crate::pins::repository::SourceFile;
use crate::pins::span::{Fragment, UNKNOWN};
use crate::pins::strength::{Ecosystem, Strength};
use crate::pins::yaml::{self, Node};
use std::ops::Range;

/// What a module is asked for.
struct Wanted<'w> {
    name: &'w str,
    at: Range<usize>,
    /// A version or a constraint.
    version: Option<(&'w str, Range<usize>)>,
    git: bool,
    /// A commit, a tag or a branch.
    reference: Option<(&'w str, Range<usize>)>,
    tag: bool,
}

fn push(wanted: &Wanted<'_>, audit: &mut Audit<'_>) {
    let requested = wanted.version.as_ref().or(wanted.reference.as_ref());
    let text = requested.map(|(text, _)| *text).unwrap_or_default();
    let strength = if wanted.git {
        match classify::git_ref(text) {
            Strength::Floating if wanted.tag => Strength::Exact,
            other => other,
        }
    } else if text.contains(' ') && !text.starts_with('=') {
        // `>= 1.0.0 < 2.0.0`.
        Strength::Range
    } else {
        classify::version(Ecosystem::PuppetModule, text)
    };
    let place = audit.place(wanted.at.clone());
    let subject = wanted.name.replace(UNKNOWN, "…");
    let mut input = Input::new(Ecosystem::PuppetModule, &subject, strength, place)
        .requesting(&text.replace(UNKNOWN, "…"));
    if wanted.git && classify::is_short_hash(text) {
        input = input.noting("an abbreviated hash can become ambiguous");
    }
    input.form = requested.filter(|(text, _)| !text.is_empty()).map(|(_, range)| PinForm {
        start_byte: range.start,
        end_byte: range.end,
        template: "{version}".to_owned(),
    });
    audit.push(input);
}

/// `mod 'puppetlabs/stdlib', '9.4.0'`, `mod 'x', git: '…', tag: 'v1'`.
pub(super) fn puppetfile(file: &SourceFile, audit: &mut Audit<'_>) {
    let fragment = file.fragment();
    let text = fragment.text();
    let tokens = tokens(text);
    let word = |token: &Token| text.get(token.range.clone()).unwrap_or_default();
    let raw = |token: &Token| fragment.raw_range(token.range.clone());
    let is_start = |token: &Token| token.kind == Kind::Name && word(token) == "mod";
    let mut rest = tokens.as_slice();
    while let Some(at) = rest.iter().position(is_start) {
        rest = rest.get(at.saturating_add(1)..).unwrap_or_default();
        let end = rest.iter().position(is_start).unwrap_or(rest.len());
        let statement = rest.get(..end).unwrap_or_default();
        let quoted = |token: &&Token| matches!(token.kind, Kind::Single | Kind::Double);
        let Some(name) = statement.first().filter(quoted) else { continue };
        let mut wanted = Wanted {
            name: word(name),
            at: raw(name),
            version: None,
            git: false,
            reference: None,
            tag: false,
        };
        let mut local = false;
        for (index, token) in statement.iter().enumerate().skip(1) {
            if !matches!(token.kind, Kind::Single | Kind::Double | Kind::Name) {
                continue;
            }
            let back = |ahead: usize| index.checked_sub(ahead).and_then(|at| statement.get(at));
            let before = back(1).map(word).unwrap_or_default();
            if before == "," || before == "mod" {
                // `'x', '1.2.3'`, `'x', :latest`.
                if quoted(&token) && statement.get(index.saturating_add(1)).map(word) != Some("=>")
                {
                    wanted.version.get_or_insert((word(token), raw(token)));
                }
                continue;
            }
            // `:ref => 'x'`, `ref: 'x'`, `:latest`.
            let key = match before {
                "=>" => back(2).map(word).unwrap_or_default(),
                ":" => back(2).filter(|t| t.kind == Kind::Name).map(word).unwrap_or_default(),
                _ => "",
            };
            match key {
                "git" | "svn" | "github_tarball" => wanted.git = true,
                "ref" | "commit" | "branch" | "tag" | "revision" | "rev" => {
                    wanted.tag = key == "tag";
                    wanted.reference = Some((word(token), raw(token)));
                }
                "path" | "local" => local = true,
                _ if before == ":" && ["latest", "local"].contains(&word(token)) => {
                    local |= word(token) == "local";
                }
                _ => {}
            }
        }
        if wanted.git {
            wanted.version = None;
        }
        if !local {
            push(&wanted, audit);
        }
    }
}

/// `dependencies` of a module.
pub(super) fn metadata(file: &SourceFile, audit: &mut Audit<'_>) {
    for document in yaml::parse_verbatim(&file.fragment()).report(audit) {
        for dependency in document.get("dependencies").map(Node::items).unwrap_or_default() {
            let name = dependency.get("name").and_then(Node::fragment);
            let version = dependency.get("version_requirement").and_then(Node::fragment);
            let Some(name) = name else { continue };
            push(
                &Wanted {
                    name: name.text(),
                    at: name.raw_whole(),
                    version: version.map(|version| (version.text(), version.raw_whole())),
                    git: false,
                    reference: None,
                    tag: false,
                },
                audit,
            );
        }
    }
}

/// Modules that a module's tests take.
pub(super) fn fixtures(file: &SourceFile, audit: &mut Audit<'_>) {
    for document in yaml::parse(&file.fragment()).report(audit) {
        let Some(fixtures) = document.get("fixtures") else { continue };
        for (list, git) in [("repositories", true), ("forge_modules", false)] {
            for (name, value) in fixtures.get(list).map(Node::pairs).unwrap_or_default() {
                let repository = value.get("repo").and_then(Node::fragment).or(value.fragment());
                let Some(source) = repository.or(name.fragment()) else { continue };
                let part = |key: &str| -> Option<(&str, Range<usize>)> {
                    let found = value.get(key).and_then(Node::fragment)?;
                    Some((found.text(), Fragment::raw_whole(found)))
                };
                let git = git && source.text().contains([':', '/']);
                push(
                    &Wanted {
                        name: name.text().unwrap_or_default(),
                        at: source.raw_whole(),
                        version: part("ref").filter(|_| !git),
                        git,
                        reference: part("ref").or_else(|| part("tag")).or_else(|| part("branch")),
                        tag: value.get("tag").is_some(),
                    },
                    audit,
                );
            }
        }
    }
}
