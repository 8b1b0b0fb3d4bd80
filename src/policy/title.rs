//! Titles: one concrete line that a person understands without opening anything.

use crate::model::path::Escaped;
use crate::model::{
    Attribute, AttributeValue, Change, ChangeKind, FileKind, JudgedChange, Subject,
};

/// Longer values are cut in titles; reports have them in full.
const MAX_VALUE: usize = 60;
/// More attributes than this are counted in titles.
const MAX_ATTRIBUTES: usize = 3;
/// Likewise of facts that came or went: an account has five.
const MAX_FACT_ATTRIBUTES: usize = 5;
/// Of two long values that begin alike, as much of the beginning.
const MAX_ALIKE: usize = 12;

/// A value as titles and patterns show it. Modes are four octal digits; bytes are escaped.
pub(super) fn value(value: &AttributeValue) -> String {
    match value {
        AttributeValue::Kind(kind) => kind.to_string(),
        AttributeValue::Mode(mode) => format!("{mode:04o}"),
        AttributeValue::Number(number) => number.to_string(),
        AttributeValue::Digest(Some(digest)) => digest.short(),
        AttributeValue::Digest(None) => "unread".into(),
        AttributeValue::Bytes(bytes) => Escaped(bytes).to_string(),
        AttributeValue::Device(device) => device.to_string(),
        AttributeValue::Text(text) => Escaped(text.as_bytes()).to_string(),
    }
}

fn short(side: Option<&AttributeValue>) -> String {
    cut(side.map_or_else(|| "none".into(), value))
}

fn cut(text: String) -> String {
    if text.chars().count() <= MAX_VALUE {
        return text;
    }
    text.chars().take(MAX_VALUE).chain(['…']).collect()
}

/// The title of a finding about one change. `label` names the thing where a rule knows better than
/// its kind; `became` says what a change of mode made of it.
pub(super) fn single(judged: &JudgedChange, label: Option<&str>, became: Option<&str>) -> String {
    let change = &judged.change;
    match &change.subject {
        Subject::Path(path) => {
            let remark = remark(judged);
            match (change.kind, became, change.attribute("mode")) {
                (ChangeKind::Modified, Some(became), Some(mode)) => {
                    format!("{path} became {became}: {}", sides(mode))
                }
                (ChangeKind::Modified, ..) => {
                    let label = label.map_or_else(String::new, |label| format!("{label} "));
                    format!("{label}changed: {path} ({}){remark}", attributes(change))
                }
                (kind, ..) => {
                    let label = label.unwrap_or_else(|| kind_word(change));
                    let detail = detail(change);
                    format!("{label} {}: {path}{detail}{remark}", kind.as_str())
                }
            }
        }
        Subject::Package(_) => package(judged),
        Subject::Fact { scope, key } => {
            let name = Escaped(key.as_bytes());
            let scope = label.unwrap_or(scope);
            let place = |word: &str| {
                judged.telling_file().map_or_else(String::new, |file| format!(" {word} {file}"))
            };
            match change.kind {
                ChangeKind::Modified => {
                    let place = place("in");
                    format!("{scope}: {name} changed{place}: {}", attributes(change))
                }
                ChangeKind::Added => {
                    format!("{scope}: {name} added{}{}", place("in"), fact_detail(change))
                }
                ChangeKind::Removed => {
                    format!("{scope}: {name} removed{}{}", place("from"), fact_detail(change))
                }
            }
        }
    }
}

/// The case, with the package that it is about.
fn remark(judged: &JudgedChange) -> String {
    match (&judged.note, &judged.package) {
        (Some(note), Some(key)) => format!(": {note} ({})", key.name),
        (Some(note), None) => format!(": {note}"),
        (None, Some(key)) => format!(" (of {})", key.name),
        (None, None) => String::new(),
    }
}

/// `package upgraded: nginx:amd64 1.1 -> 1.2 (dpkg), all 20 of its changed paths verified`.
fn package(judged: &JudgedChange) -> String {
    let change = &judged.change;
    let Subject::Package(key) = &change.subject else { return String::new() };
    // The note begins with what happened.
    let note = judged.note.as_deref().unwrap_or(change.kind.as_str());
    let (word, rest) = note.split_once(", ").map_or((note, ""), |(word, rest)| (word, rest));
    let rest = if rest.is_empty() { String::new() } else { format!(", {rest}") };
    let manager = &key.manager;
    format!("package {word}: {key} {} ({manager}){rest}", version(change))
}

/// A package's version, what became of it, or what else changed: `1.1`, `1.1 -> 1.2`.
pub(super) fn version(change: &Change) -> String {
    match (change.kind, change.attribute("version")) {
        (ChangeKind::Modified, Some(version)) => sides(version),
        (ChangeKind::Modified, None) if change.attribute("content").is_some() => {
            "with other content".to_owned()
        }
        (ChangeKind::Modified, None) => attributes(change),
        (_, version) => short(version.and_then(|one| one.after.as_ref().or(one.before.as_ref()))),
    }
}

/// `0644 -> 0666`.
fn sides(attribute: &Attribute) -> String {
    let text = |side: &Option<AttributeValue>| side.as_ref().map_or_else(|| "none".into(), value);
    let (before, after) = (text(&attribute.before), text(&attribute.after));
    let [before, after] = unalike(before, after).map(cut);
    format!("{before} -> {after}")
}

/// Two values of which one would be cut, without what they have in common at their beginning.
fn unalike(before: String, after: String) -> [String; 2] {
    let fits = |text: &str| text.chars().count() <= MAX_VALUE;
    let alike = before.chars().zip(after.chars()).take_while(|(a, b)| a == b).count();
    let left_out = alike.saturating_sub(MAX_ALIKE);
    if left_out == 0 || (fits(&before) && fits(&after)) {
        return [before, after];
    }
    // Not from the middle of a word.
    let mut rest = before.chars().skip(left_out).take(MAX_ALIKE);
    let word = rest.position(|c| c == ' ').map_or(0, |at| at.saturating_add(1));
    let left_out = left_out.saturating_add(word);
    [before, after].map(|text| std::iter::once('…').chain(text.chars().skip(left_out)).collect())
}

/// What differs, the most telling first; bytes that differ are `content`, for nobody reads digests.
fn attributes(change: &Change) -> String {
    let mut shown: Vec<String> = Vec::new();
    for attribute in &change.attributes {
        match attribute.name.as_str() {
            "size" if change.attribute("digest").is_some() => {}
            "digest" => shown.insert(0, content(change)),
            "value" => shown.insert(0, format!("value {}", sides(attribute))),
            name if name.starts_with("xattr:") => {
                shown.push(name.trim_start_matches("xattr:").to_owned());
            }
            name => shown.push(format!("{name} {}", sides(attribute))),
        }
    }
    let more = shown.len().saturating_sub(MAX_ATTRIBUTES);
    shown.truncate(MAX_ATTRIBUTES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

fn content(change: &Change) -> String {
    let Some(size) = change.attribute("size") else { return "content".into() };
    match (&size.before, &size.after) {
        (Some(AttributeValue::Number(before)), Some(AttributeValue::Number(after))) => {
            format!("content, {before} -> {after} bytes")
        }
        _ => "content".into(),
    }
}

/// Owner and mode of what is new, in parentheses; a link's target.
fn detail(change: &Change) -> String {
    if change.kind == ChangeKind::Removed {
        return String::new();
    }
    let side = |name: &str| change.attribute(name).and_then(|attribute| attribute.after.as_ref());
    if let Some(target) = side("target") {
        return format!(" -> {}", short(Some(target)));
    }
    let owner = side("uid").map(|uid| match uid {
        AttributeValue::Number(0) => "root".to_owned(),
        uid => format!("uid {}", value(uid)),
    });
    let mode = side("mode").map(|mode| match mode {
        AttributeValue::Mode(mode) if *mode > 0o777 => format!("{mode:05o}"),
        mode => value(mode),
    });
    let parts: Vec<String> = owner.into_iter().chain(mode).collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

fn fact_detail(change: &Change) -> String {
    let shown: Vec<String> = change
        .attributes
        .iter()
        // Nobody reads digests.
        .filter(|one| one.name != "digest")
        .take(MAX_FACT_ATTRIBUTES)
        .map(|one| format!("{} {}", one.name, short(one.after.as_ref().or(one.before.as_ref()))))
        .collect();
    if shown.is_empty() { String::new() } else { format!(" ({})", shown.join(", ")) }
}

/// `file`, `directory`, `symlink`, …
pub(super) fn kind_word(change: &Change) -> &'static str {
    super::matcher::kind(change).map_or("path", FileKind::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TreePath;

    fn fact(kind: ChangeKind, key: &str, before: &str, after: &str) -> String {
        let text = |text: &str| Some(AttributeValue::Text(text.to_owned()));
        let attribute = Attribute {
            name: "value".into(),
            before: text(before).filter(|_| kind != ChangeKind::Added),
            after: text(after).filter(|_| kind != ChangeKind::Removed),
        };
        let subject = Subject::Fact { scope: "sshd".into(), key: key.into() };
        let judged = JudgedChange {
            file: Some(TreePath::parse("/etc/ssh/sshd_config")),
            ..JudgedChange::new(Change { subject, kind, attributes: vec![attribute] })
        };
        single(&judged, None, None)
    }

    #[test]
    fn facts_are_told_beside_their_file() {
        let check = |kind, key: &str, expected: &str| {
            assert_eq!(fact(kind, key, "no", "yes"), expected);
        };
        let config = "/etc/ssh/sshd_config";
        check(ChangeKind::Modified, "X", &format!("sshd: X changed in {config}: value no -> yes"));
        check(ChangeKind::Added, "X", &format!("sshd: X added in {config} (value yes)"));
        check(ChangeKind::Removed, "X", &format!("sshd: X removed from {config} (value no)"));
        check(ChangeKind::Removed, config, &format!("sshd: {config} removed (value no)"));
    }

    #[test]
    fn long_values_are_told_from_where_they_differ() {
        let check = |before: &str, after: &str, expected: [&str; 2]| {
            assert_eq!(unalike(before.into(), after.into()), expected);
        };
        let long = "required pam_env.so; ".repeat(4);
        check("a b", "a c", ["a b", "a c"]);
        check("x", &long, ["x", &long]);
        let [before, after] = [format!("{long}no"), format!("{long}yes")];
        check(&before, &after, ["…no", "…yes"]);
        let [before, after] = [format!("{long}pam_unix.so"), format!("{long}pam_unix.so nullok")];
        check(&before, &after, ["…pam_unix.so", "…pam_unix.so nullok"]);
    }
}
