//! What changes packages by itself, and what keeps them as they are ([`locks`]): apt's periodic jobs
//! and unattended upgrades, dnf-automatic and yum-cron, the online updates of SUSE.
//!
//! Formats: apt.conf(5), dnf-automatic(8), yum-cron(8), transactional-update.conf(5).

mod locks;

use super::{fact, ini};
use crate::collect::packages::text;
use crate::collect::reader::Reader;
use crate::collect::{Collector, View};
use crate::model::{Records, Stage, TreePath};
use std::collections::BTreeMap;

/// Reads update settings and pins.
pub static COLLECTOR: Collector = Collector {
    name: "updates",
    version: 2,
    summary: "automatic updates, pinned and locked packages",
    wanted: &[],
    collect,
};

/// These files are short.
const MAX_SIZE: u64 = 1024 * 1024;

/// Blocks within blocks of apt.conf; apt's own go five deep.
const MAX_DEPTH: usize = 32;

/// Beginnings of the settings that are about updates.
const APT_SETTINGS: [&str; 2] = ["apt::periodic::", "unattended-upgrade::"];

/// Of the jobs of yum and dnf, with sections; what an administrator writes stands after what dnf 5
/// ships.
const JOBS: [(&str, &str); 5] = [
    ("/etc/dnf/automatic.conf", "dnf-automatic"),
    ("/usr/share/dnf5/dnf5-plugins/automatic.conf", "dnf5-automatic shipped"),
    ("/etc/dnf/dnf5-plugins/automatic.conf", "dnf5-automatic"),
    ("/etc/yum/yum-cron.conf", "yum-cron"),
    ("/etc/yum/yum-cron-hourly.conf", "yum-cron-hourly"),
];

/// Of SUSE's, as shell variables.
const SHEETS: [(&str, &str); 3] = [
    ("/etc/sysconfig/automatic_online_update", "automatic-online-update"),
    ("/usr/etc/transactional-update.conf", "transactional-update shipped"),
    ("/etc/transactional-update.conf", "transactional-update"),
];

fn collect(view: &View<'_>, records: &mut Records) {
    let mut reader = Reader::new(view, records, Stage::Facts, MAX_SIZE);
    apt_settings(&mut reader);
    for (path, what) in JOBS {
        let path = TreePath::parse(path);
        let Some(bytes) = reader.file(&path) else { continue };
        for section in ini::parse(&bytes) {
            // The others say where to report to, with passwords.
            if matches!(section.name.as_str(), "commands" | "base") {
                let attributes = section
                    .values
                    .iter()
                    .map(|(key, value)| (key.as_str(), text(value.as_bytes())));
                let key = format!("{what} {}", section.name);
                reader.records.facts.push(fact("automatic-updates", key, attributes, &path));
            }
        }
    }
    for (path, what) in SHEETS {
        let path = TreePath::parse(path);
        let Some(bytes) = reader.file(&path) else { continue };
        let values = assignments(&String::from_utf8_lossy(&bytes));
        let attributes = values.iter().map(|(name, value)| (name.as_str(), value.clone()));
        reader.records.facts.push(fact("automatic-updates", what, attributes, &path));
    }
    locks::collect(view, records);
}

/// `NAME="value"` lines; the last of a name counts.
fn assignments(lines: &str) -> BTreeMap<String, String> {
    let lines = lines.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let values = lines.filter_map(|line| line.split_once('='));
    values
        .map(|(name, value)| {
            (text(name.as_bytes()), text(value.trim_matches(['"', '\'']).as_bytes()))
        })
        .collect()
}

/// Settings of all files together, as apt reads them: later ones win, lists grow.
fn apt_settings(reader: &mut Reader<'_>) {
    let directory = TreePath::parse("/etc/apt/apt.conf.d");
    let mut settings: BTreeMap<String, (Vec<String>, TreePath)> = BTreeMap::new();
    let mut paths: Vec<TreePath> = Vec::new();
    for (name, _) in reader.list(&directory) {
        let is_read = name.as_bytes().ends_with(b".conf") || !name.as_bytes().contains(&b'.');
        if is_read {
            paths.push(directory.join(&name));
        }
    }
    paths.push(TreePath::parse("/etc/apt/apt.conf"));
    for path in paths {
        let Some(bytes) = reader.file(&path) else { continue };
        for setting in apt_conf(&String::from_utf8_lossy(&bytes)) {
            let entry = settings.entry(setting.name.to_ascii_lowercase());
            let (values, evidence) = entry.or_insert_with(|| (Vec::new(), path.clone()));
            if !setting.is_item {
                values.clear();
            }
            values.push(setting.value);
            *evidence = path.clone();
        }
    }
    for (name, (values, path)) in settings {
        if APT_SETTINGS.iter().any(|start| name.starts_with(start)) {
            let value = values.iter().map(|v| text(v.as_bytes())).collect::<Vec<_>>().join(", ");
            let one = fact("automatic-updates", name, [("value", value)], &path);
            reader.records.facts.push(one);
        }
    }
}

/// One value of apt.conf.
#[derive(Debug, PartialEq, Eq)]
struct Setting {
    /// With `::` between its parts.
    name: String,
    value: String,
    /// Whether it is one of a list.
    is_item: bool,
}

/// `A::B "v";`, `A { B "v"; C { "item"; }; };`, comments of three kinds.
fn apt_conf(text: &str) -> Vec<Setting> {
    let mut settings = Vec::new();
    let mut scope: Vec<String> = Vec::new();
    let mut words: Vec<(String, bool)> = Vec::new();
    for token in tokens(text) {
        match token {
            Token::Word(word, is_quoted) => words.push((word, is_quoted)),
            Token::Open => {
                let name = words.first().map(|(word, _)| word.clone()).unwrap_or_default();
                words.clear();
                if scope.len() >= MAX_DEPTH {
                    return settings;
                }
                scope.push(name);
            }
            Token::Close => {
                scope.pop();
                words.clear();
            }
            Token::End => {
                let prefix = scope.join("::");
                let join = |name: &str| match prefix.as_str() {
                    "" => name.to_owned(),
                    prefix => format!("{prefix}::{name}"),
                };
                match words.as_slice() {
                    [(value, true)] => settings.push(Setting {
                        name: prefix.clone(),
                        value: value.clone(),
                        is_item: true,
                    }),
                    [(name, false), (value, _)] if !name.starts_with('#') => {
                        let bare = name.strip_suffix("::");
                        settings.push(Setting {
                            name: join(bare.unwrap_or(name)),
                            value: value.clone(),
                            is_item: bare.is_some(),
                        });
                    }
                    _ => {}
                }
                words.clear();
            }
        }
    }
    settings
}

enum Token {
    /// With whether it stood in quotes.
    Word(String, bool),
    Open,
    Close,
    End,
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after = rest.get(first.len_utf8()..).unwrap_or_default();
        if rest.starts_with("//") || (first == '#' && !rest.starts_with("#clear")) {
            rest = rest.find('\n').and_then(|end| rest.get(end..)).unwrap_or_default();
            continue;
        }
        if rest.starts_with("/*") {
            rest = rest.split_once("*/").map_or("", |(_, rest)| rest);
            continue;
        }
        rest = match first {
            '{' | '}' | ';' => {
                tokens.push(match first {
                    '{' => Token::Open,
                    '}' => Token::Close,
                    _ => Token::End,
                });
                after
            }
            '"' => {
                let (word, rest) = after.split_once('"').unwrap_or((after, ""));
                tokens.push(Token::Word(word.to_owned(), true));
                rest
            }
            space if space.is_whitespace() => after,
            _ => {
                let is_end = |c: char| c.is_whitespace() || matches!(c, '{' | '}' | ';' | '"');
                let (word, rest) = rest.split_at(rest.find(is_end).unwrap_or(rest.len()));
                tokens.push(Token::Word(word.to_owned(), false));
                rest
            }
        };
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::facts::testing::of_file;

    fn check(path: &str, bytes: &str, expected: &[&str]) {
        let found = of_file(collect, path, bytes).into_iter();
        let shown = found.map(|[scope, key, values]| format!("{scope} {key}: {values}"));
        assert_eq!(shown.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn apt_settings_in_all_forms() {
        check(
            "/etc/apt/apt.conf.d/20auto-upgrades",
            "// c\nAPT::Periodic::Update-Package-Lists \"1\";\n# c\n/* c */\n\
             APT { Periodic { Unattended-Upgrade \"1\"; }; Other \"x\"; };\n\
             Unattended-Upgrade::Origins-Pattern { \"a=${x}\"; // \"no\";\n \"b\"; };\n\
             Unattended-Upgrade::Package-Blacklist:: \"linux\";\n",
            &[
                "automatic-updates apt::periodic::unattended-upgrade: value=1",
                "automatic-updates apt::periodic::update-package-lists: value=1",
                "automatic-updates unattended-upgrade::origins-pattern: value=a=${x}, b",
                "automatic-updates unattended-upgrade::package-blacklist: value=linux",
            ],
        );
        check("/etc/apt/apt.conf.d/20auto.dpkg-old", "APT::Periodic::X \"1\";", &[]);
        check("/etc/apt/apt.conf.d/hostile", &"a{".repeat(100_000), &[]);
    }

    #[test]
    fn jobs_of_other_managers() {
        check(
            "/etc/dnf/automatic.conf",
            "[commands]\napply_updates = yes\n[email]\npassword = p\n",
            &["automatic-updates dnf-automatic commands: apply_updates=yes"],
        );
        check(
            "/etc/yum/yum-cron.conf",
            "[commands]\nupdate_cmd = security\n[email]\nemail_to = r\n",
            &["automatic-updates yum-cron commands: update_cmd=security"],
        );
        check(
            "/etc/transactional-update.conf",
            "# c\nREBOOT_METHOD=\"auto\"\nX=\n",
            &["automatic-updates transactional-update: REBOOT_METHOD=auto"],
        );
    }
}
