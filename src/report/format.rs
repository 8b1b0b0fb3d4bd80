//! How numbers, times, modes and attributes are written for people: one place, so that every
//! format says the same thing in the same words.
//!
//! Nothing here is read by machines; the JSON formats have their own encoding.

use super::xattr;
use crate::model::path::Escaped;
pub use crate::model::words::{count, length, number};
use crate::model::{Attribute, AttributeValue, Change, ChangeKind, FileKind, LineKind, Timestamp};

/// Bytes in binary units with three significant digits at most: `512 B`, `12.0 KiB`, `1.5 GiB`.
#[must_use]
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut unit = 0_usize;
    let mut tenths = u128::from(count) * 10 / 1024;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or("EiB");
    if tenths >= 1000 {
        format!("{} {name}", tenths / 10)
    } else {
        format!("{}.{} {name}", tenths / 10, tenths % 10)
    }
}

/// Seconds as the two largest units that are not zero: `42s`, `3m 20s`, `2h 5m`, `6d 1h`.
#[must_use]
pub fn duration(seconds: u64) -> String {
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
    ];
    let first = parts.iter().position(|(value, _)| *value > 0).unwrap_or(3);
    let shown: Vec<String> = parts
        .iter()
        .skip(first)
        .take(2)
        .enumerate()
        .filter(|(index, (value, _))| *index == 0 || *value > 0)
        .map(|(_, (value, unit))| format!("{value}{unit}"))
        .collect();
    shown.join(" ")
}

/// A moment to the second in UTC: `2026-11-20 01:47:37Z`.
#[must_use]
pub fn moment(time: &Timestamp) -> String {
    Timestamp::from_seconds(time.seconds).to_string().replacen('T', " ", 1)
}

/// Kind and permissions as `ls -l` writes them: `-rwsr-xr-x`, `drwxrwxrwt`.
#[must_use]
pub fn mode(kind: FileKind, mode: u16) -> String {
    let mut text = String::with_capacity(10);
    text.push(match kind {
        FileKind::File => '-',
        FileKind::Directory => 'd',
        FileKind::Symlink => 'l',
        FileKind::Fifo => 'p',
        FileKind::Socket => 's',
        FileKind::CharacterDevice => 'c',
        FileKind::BlockDevice => 'b',
    });
    let special = [(0o4000, 's', 'S'), (0o2000, 's', 'S'), (0o1000, 't', 'T')];
    for (shift, (bit, with_x, without_x)) in [6_u16, 3, 0].into_iter().zip(special) {
        text.push(if mode >> shift & 4 != 0 { 'r' } else { '-' });
        text.push(if mode >> shift & 2 != 0 { 'w' } else { '-' });
        text.push(match (mode & bit != 0, mode >> shift & 1 != 0) {
            (true, true) => with_x,
            (true, false) => without_x,
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

/// One side of an attribute as people read it, safe to print.
#[must_use]
pub fn value(name: &str, value: &AttributeValue) -> String {
    match value {
        AttributeValue::Kind(kind) => kind.to_string(),
        AttributeValue::Mode(mode) => format!("{mode:04o}"),
        AttributeValue::Number(count) if name == "size" => bytes(*count),
        AttributeValue::Number(count) => count.to_string(),
        AttributeValue::Digest(Some(digest)) => digest.short(),
        AttributeValue::Digest(None) => "unreadable".to_owned(),
        AttributeValue::Bytes(raw) => match name.strip_prefix("xattr:") {
            Some(xattr_name) => xattr::decode(xattr_name, raw)
                .map_or_else(|| Escaped(raw).to_string(), |text| escaped(&text)),
            None => Escaped(raw).to_string(),
        },
        AttributeValue::Device(device) => device.to_string(),
        AttributeValue::Text(text) => escaped(text),
    }
}

/// [`value`] without abbreviations: digests with all their digits, sizes in bytes.
#[must_use]
pub fn full(name: &str, side: &AttributeValue) -> String {
    match side {
        AttributeValue::Digest(Some(digest)) => digest.to_string(),
        AttributeValue::Number(count) if name == "size" => format!("{} bytes", number(*count)),
        other => value(name, other),
    }
}

/// Prose with parts that came from a target, safe to print: the same as
/// [`crate::model::path::escape`], but backslashes stay single, because paths in such a text were
/// escaped when it was put together.
#[must_use]
pub fn escaped(text: &str) -> String {
    let parts: Vec<String> =
        text.split('\\').map(|part| Escaped(part.as_bytes()).to_string()).collect();
    parts.join("\\")
}

/// One attribute as people read it: `mode 0644 -> 0666`, `content 1f… -> 9a…`, `target /x`.
#[must_use]
pub fn attribute(attribute: &Attribute) -> String {
    let raw = attribute.name.as_str();
    let name = if raw == "digest" { "content" } else { raw.trim_start_matches("xattr:") };
    let name = escaped(name);
    let side = |side: &Option<AttributeValue>| side.as_ref().map(|v| value(raw, v));
    match (side(&attribute.before), side(&attribute.after)) {
        // Sizes that look the same when they are rounded.
        (Some(before), Some(after)) if before == after && attribute.before != attribute.after => {
            let side = |side: &Option<AttributeValue>| side.as_ref().map(|v| full(raw, v));
            let [before, after] = [&attribute.before, &attribute.after].map(side);
            let [before, after] = [before.unwrap_or_default(), after.unwrap_or_default()];
            format!("{name} {before} -> {after}")
        }
        (Some(before), Some(after)) => format!("{name} {before} -> {after}"),
        (Some(before), None) => format!("{name} {before} removed"),
        (None, Some(after)) => format!("{name} {after} added"),
        (None, None) => name,
    }
}

/// What happened to the subject of a change, in one line without the subject itself:
/// `added: file 0644, 1.2 KiB`, `mode 0644 -> 0666, uid 0 -> 1000`.
#[must_use]
pub fn change(change: &Change) -> String {
    let side = match change.kind {
        ChangeKind::Modified => return modified(change),
        ChangeKind::Added => |attribute: &Attribute| attribute.after.clone(),
        ChangeKind::Removed => |attribute: &Attribute| attribute.before.clone(),
    };
    let mut parts = Vec::new();
    for attribute in &change.attributes {
        let Some(side) = side(attribute) else { continue };
        let written = value(&attribute.name, &side);
        match attribute.name.as_str() {
            "digest" => {}
            "uid" | "gid" if written == "0" => {}
            "kind" | "mode" | "size" | "version" | "state" => parts.push(written),
            "architecture" => {}
            "target" => parts.push(format!("-> {written}")),
            name => parts.push(format!("{} {written}", escaped(name.trim_start_matches("xattr:")))),
        }
    }
    match (change.kind.as_str(), parts.join(", ")) {
        (kind, parts) if parts.is_empty() => kind.to_owned(),
        (kind, parts) => format!("{kind}: {parts}"),
    }
}

/// Bytes that differ are `content`, with the sizes where those differ too: nobody reads digests.
fn modified(change: &Change) -> String {
    let digest = change.attribute("digest");
    let content = digest.filter(|one| {
        let read = |side| matches!(side, &Some(AttributeValue::Digest(Some(_))));
        read(&one.before) && read(&one.after)
    });
    let mut parts = Vec::new();
    if content.is_some() {
        let sizes = change.attribute("size").map(attribute);
        let sizes = sizes.as_deref().map(|text| text.trim_start_matches("size "));
        parts.push(sizes.map_or_else(|| "content".to_owned(), |text| format!("content ({text})")));
    }
    let told = |name: &str| content.is_some() && matches!(name, "digest" | "size");
    parts.extend(change.attributes.iter().filter(|one| !told(&one.name)).map(attribute));
    parts.join(", ")
}

/// A line of a text file, safe to print, with tabulators as spaces.
#[must_use]
pub fn text_line(kind: LineKind, line: &str) -> String {
    format!("{}{}", kind.sign(), escaped(&line.replace('\t', "    ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ContentDigest, Subject, TreePath};

    #[test]
    fn sizes_counts_and_durations() {
        let check = |got: String, expected: &str| assert_eq!(got, expected);
        check(bytes(0), "0 B");
        check(bytes(1023), "1023 B");
        check(bytes(1024), "1.0 KiB");
        check(bytes(1536 * 1024), "1.5 MiB");
        check(bytes(369 << 20), "369 MiB");
        check(bytes(u64::MAX), "15.9 EiB");
        check(duration(0), "0s");
        check(duration(200), "3m 20s");
        check(duration(7200), "2h");
        check(duration(90_061), "1d 1h");
    }

    #[test]
    fn modes_are_written_like_ls() {
        let check = |kind, bits, expected: &str| assert_eq!(mode(kind, bits), expected);
        check(FileKind::File, 0o4755, "-rwsr-xr-x");
        check(FileKind::File, 0o6644, "-rwSr-Sr--");
        check(FileKind::Directory, 0o1777, "drwxrwxrwt");
        check(FileKind::Symlink, 0o777, "lrwxrwxrwx");
        check(FileKind::BlockDevice, 0o660, "brw-rw----");
        check(FileKind::Directory, 0o1770, "drwxrwx--T");
    }

    #[test]
    fn prose_is_made_safe_once() {
        let check = |text: &str, expected: &str| assert_eq!(escaped(text), expected);
        check("plain", "plain");
        check("\x1b[2J", "\\x1b[2J");
        check("\\x1b[2J", "\\x1b[2J");
        check("a\\\u{202e}b\n", "a\\\\u{202e}b\\x0a");
    }

    #[test]
    fn times_are_to_the_second() {
        let check = |seconds, nanoseconds, expected: &str| {
            assert_eq!(moment(&Timestamp { seconds, nanoseconds }), expected);
        };
        check(0, 5, "1970-01-01 00:00:00Z");
        check(-1, 0, "1969-12-31 23:59:59Z");
        check(i64::MAX, 0, "@9223372036854775807");
    }

    #[test]
    fn changes_in_one_line() {
        let one = |name: &str, before, after| Attribute { name: name.to_owned(), before, after };
        let check = |kind, attributes, expected: &str| {
            let subject = Subject::Path(TreePath::parse("/x"));
            assert_eq!(change(&Change { subject, kind, attributes }), expected);
        };
        check(
            ChangeKind::Modified,
            vec![
                one("mode", Some(AttributeValue::Mode(0o644)), Some(AttributeValue::Mode(0o4755))),
                one("xattr:user.x", None, Some(AttributeValue::Bytes(b"\x1b".to_vec()))),
            ],
            "mode 0644 -> 4755, user.x \\x1b added",
        );
        let digest = |bytes| Some(AttributeValue::Digest(Some(ContentDigest::of(bytes))));
        let size = |count| Some(AttributeValue::Number(count));
        check(
            ChangeKind::Modified,
            vec![one("size", size(12), size(2048)), one("digest", digest(b"a"), digest(b"b"))],
            "content (12 B -> 2.0 KiB)",
        );
        check(
            ChangeKind::Modified,
            vec![one("size", size(12_910), size(12_906))],
            "size 12,910 bytes -> 12,906 bytes",
        );
        check(
            ChangeKind::Modified,
            vec![one("size", size(1), size(2)), one("digest", digest(b""), None)],
            "size 1 B -> 2 B, content af1349b9f5f9 removed",
        );
        check(
            ChangeKind::Added,
            vec![
                one("kind", None, Some(AttributeValue::Kind(FileKind::File))),
                one("mode", None, Some(AttributeValue::Mode(0o600))),
                one("uid", None, Some(AttributeValue::Number(1000))),
                one("gid", None, Some(AttributeValue::Number(0))),
                one("size", None, Some(AttributeValue::Number(13))),
                one("digest", None, Some(AttributeValue::Digest(Some(ContentDigest::of(b"x"))))),
            ],
            "added: file, 0600, uid 1000, 13 B",
        );
    }
}
