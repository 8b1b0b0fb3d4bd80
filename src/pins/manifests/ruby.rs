//! Carrier: `Gemfile` with `Gemfile.lock`. A Gemfile is a program; what is read of it is the `gem`
//! and `ruby` lines with literal words, which is how they are written.

use super::locks;
use super::versions::Dialect;
use super::{Declared, find_lock, git, is_named, relative};
use crate::pins::audit::Audit;
use crate::pins::carrier::Carrier;
use crate::pins::input::Input;
use crate::pins::repository::SourceFile;
use crate::pins::span::Fragment;
use crate::pins::steps;
use crate::pins::strength::{Ecosystem, Strength};
use std::ops::Range;

/// Manifests of Ruby.
pub const CARRIER: Carrier = Carrier {
    name: "gemfile",
    summary: "Gemfile or gems.rb with its lock",
    recognises: |path, _| is_named(path, &["Gemfile", "gems.rb"]),
    read,
};

fn read(file: &SourceFile, audit: &mut Audit<'_>) {
    let lock = find_lock(audit, &["Gemfile.lock", "gems.locked"], |above, name, bytes| {
        relative(audit, above).is_empty().then(|| locks::gemfile(name, bytes)).flatten()
    });
    let fragment = file.fragment();
    let text = fragment.text();
    let mut at = 0_usize;
    while at < text.len() {
        let end = statement(text, at);
        let words = words(text, at..end);
        let line = text.get(at..end).unwrap_or_default().trim_start();
        at = end;
        let verb = line.split([' ', '(', '\t']).next().unwrap_or_default();
        match verb {
            "gem" => gem(&fragment, &words, lock.as_ref(), audit),
            "ruby" => {
                if let Some(Word::Text(range)) = words.first() {
                    let version = fragment.get(range.clone()).to_owned();
                    let strength = match crate::pins::classify::constraint(&version) {
                        Strength::Exact => steps::tool_version(&version),
                        other => other,
                    };
                    let place = audit.place(fragment.raw_range(range.clone()));
                    let input = Input::new(Ecosystem::Tool, "ruby", strength, place);
                    audit.push(input.requesting(&version));
                }
            }
            _ => {}
        }
    }
}

/// Where the statement at an offset ends: at its line's end, or further where that ends in a comma.
fn statement(text: &str, start: usize) -> usize {
    let mut at = start;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let length = rest.find('\n').map_or(rest.len(), |feed| feed.saturating_add(1));
        let line = rest.get(..length).unwrap_or_default();
        at = at.saturating_add(length);
        let code = line.split(" #").next().unwrap_or_default().trim_end();
        if length == 0 || !code.ends_with(',') {
            return at;
        }
    }
}

/// A literal word of a statement.
enum Word {
    /// What stands between the quotes.
    Text(Range<usize>),
    /// `name:` or `:name =>`.
    Key(String),
    /// An argument that the program makes up: a variable, a call.
    Made(String),
}

/// The strings and the names of options of a statement.
fn words(text: &str, range: Range<usize>) -> Vec<Word> {
    let mut found = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let Some(rest) = text.get(at..range.end) else { break };
        let Some(first) = rest.chars().next() else { break };
        let mut length = first.len_utf8();
        if matches!(first, '"' | '\'') {
            let body = rest.get(1..).unwrap_or_default();
            let Some(close) = body.find(first) else { break };
            let from = at.saturating_add(1);
            found.push(Word::Text(from..from.saturating_add(close)));
            length = close.saturating_add(2);
        } else if first == '#' {
            length = rest.find('\n').unwrap_or(rest.len());
        } else if first.is_alphabetic() || first == '_' {
            length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let name = rest.get(..length).unwrap_or_default();
            let behind = rest.get(length..).unwrap_or_default();
            let before = text.get(..at).unwrap_or_default();
            let old = before.ends_with(':') && behind.trim_start().starts_with("=>");
            if behind.starts_with(": ") || behind.starts_with(":\n") || old {
                found.push(Word::Key(name.to_owned()));
            } else if before.trim_end().ends_with([',', '*']) {
                found.push(Word::Made(name.to_owned()));
            }
        }
        at = at.saturating_add(length);
    }
    found
}

fn gem(fragment: &Fragment, words: &[Word], lock: Option<&locks::Lock>, audit: &mut Audit<'_>) {
    let Some(Word::Text(name)) = words.first() else { return };
    let subject = fragment.get(name.clone()).to_owned();
    if subject.contains("#{") {
        return;
    }
    let mut constraints: Vec<Range<usize>> = Vec::new();
    let mut options: Vec<(&str, Range<usize>)> = Vec::new();
    let mut key: Option<&str> = None;
    let mut made: Option<&str> = None;
    for word in words.iter().skip(1) {
        match word {
            Word::Made(name) if options.is_empty() && key.is_none() => made = Some(name),
            Word::Made(_) => {}
            Word::Key(name) => key = Some(name),
            Word::Text(range) => match key.take() {
                Some(name) => options.push((name, range.clone())),
                None if options.is_empty() => constraints.push(range.clone()),
                None => {}
            },
        }
    }
    let of = |names: &[&str]| options.iter().find(|(name, _)| names.contains(name));
    if of(&["path"]).is_some() {
        return;
    }
    if let Some((_, url)) = of(&["git", "github", "gitlab", "bitbucket", "gist"]) {
        let reference = of(&["ref", "tag", "branch"]);
        let word = reference.map(|(_, range)| fragment.get(range.clone())).unwrap_or_default();
        let branch = reference.is_some_and(|(name, _)| *name == "branch");
        let word = if branch { format!("refs/heads/{word}") } else { word.to_owned() };
        let at = reference.map_or(url, |(_, range)| range).clone();
        let held = lock.filter(|lock| lock.entries(&subject).is_some());
        git(audit, fragment.get(url.clone()), &word, fragment.raw_range(at), held);
        return;
    }
    let texts: Vec<&str> = constraints.iter().map(|range| fragment.get(range.clone())).collect();
    let requested = match made {
        Some(name) if texts.is_empty() => format!("${{{name}}}"),
        _ => texts.join(", "),
    };
    // Reported from the first constraint to the last, or at the name where there is none.
    let at = match (constraints.first(), constraints.last()) {
        (Some(first), Some(last)) => first.start..last.end,
        _ => name.clone(),
    };
    let declared = Declared::new(
        Ecosystem::Gem,
        Dialect::Ruby,
        &subject,
        &requested,
        fragment.raw_range(at.clone()),
    );
    let single = constraints.len() == 1;
    let word = fragment.slice(at);
    let declared = if single { declared.form(&word, "{version}") } else { declared };
    declared.push(lock, audit);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::steps::check_files;

    const MANIFEST: &str = "source 'https://rubygems.org'\nruby '3.2'\ngem 'a'\ngem \"b\", \"~> 1.2\", \">= 1.2.3\" # why\ngem 'c', '2.0.1', require: false\ngem 'd', git: 'https://e.org/d', branch: 'main'\ngem 'e', :path => '../e'\ngroup :test do\n  gem 'f',\n      '~> 3.0'\nend\n# gem 'g'\n";

    #[test]
    fn gems() {
        check_files(
            &CARRIER,
            &[("Gemfile", MANIFEST)],
            &[
                "tool ruby range @3.2",
                "gem a none @a",
                "gem b range @~> 1.2\", \">= 1.2.3",
                "gem c exact @2.0.1",
                "git https://e.org/d none @main",
                "gem f range @~> 3.0",
            ],
        );
        check_files(
            &CARRIER,
            &[(
                "Gemfile",
                "gem 'a', version, :require => false\ngem 'b', *place(v)\ngem 'c', group\n",
            )],
            &["gem a unknown @a", "gem b unknown @b", "gem c unknown @c"],
        );
        let lock = "GIT\n  remote: x\n  specs:\n    d (0.1)\n\nGEM\n  specs:\n    a (1.0)\n    b (1.2.9)\n    c (2.0.0)\n    f (2.9.0)\n\nDEPENDENCIES\n  a\n";
        check_files(
            &CARRIER,
            &[("Gemfile", MANIFEST), ("Gemfile.lock", lock)],
            &[
                "tool ruby range @3.2",
                "gem a exact @a",
                "gem b exact @~> 1.2\", \">= 1.2.3",
                "gem c range @2.0.1",
                "git https://e.org/d content @main",
                "gem f range @~> 3.0",
            ],
        );
    }
}
