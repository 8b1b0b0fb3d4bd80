//! The attributes of an entry by the contract's names, and which of them differ.

use crate::model::path::Escaped;
use crate::model::{Attribute, AttributeValue, Content, DirectoryContent, Entry, Xattr};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// What a compare passes over because a medium does not carry it: names of the contract, `xattr`
/// for all of them.
#[derive(Clone, Copy)]
pub(super) struct Skipped<'a>(pub(super) &'a BTreeSet<String>);

impl Skipped<'_> {
    fn has(&self, name: &str) -> bool {
        self.0.contains(name)
            || name.split_once(':').is_some_and(|(family, _)| self.0.contains(family))
    }
}

/// Whether two entries are alike in all that is compared of every medium; the common case, told
/// without making lists. Directories are alike when they hold the same.
pub(super) fn alike(before: &Entry, after: &Entry) -> bool {
    same_content(&before.content, &after.content)
        && before.mode == after.mode
        && (before.uid, before.gid) == (after.uid, after.gid)
        && before.xattrs == after.xattrs
}

fn same_content(before: &Content, after: &Content) -> bool {
    match (before, after) {
        (
            Content::Directory(DirectoryContent::Read { content: one, .. }),
            Content::Directory(DirectoryContent::Read { content: other, .. }),
        ) => one == other,
        _ => before == after,
    }
}

/// All attributes of an entry in the contract's order. A directory has no size.
fn list(entry: &Entry, skipped: Skipped<'_>) -> Vec<(Cow<'static, str>, AttributeValue)> {
    let mut found: Vec<(Cow<'static, str>, AttributeValue)> = vec![
        ("kind".into(), AttributeValue::Kind(entry.content.kind())),
        ("mode".into(), AttributeValue::Mode(entry.mode)),
        ("uid".into(), AttributeValue::Number(entry.uid.into())),
        ("gid".into(), AttributeValue::Number(entry.gid.into())),
    ];
    match &entry.content {
        Content::File { size, digest } => {
            found.push(("size".into(), AttributeValue::Number(*size)));
            found.push(("digest".into(), AttributeValue::Digest(*digest)));
        }
        Content::Symlink { target } => {
            found.push(("target".into(), AttributeValue::Bytes(target.to_vec())));
        }
        Content::CharacterDevice(device) | Content::BlockDevice(device) => {
            found.push(("device".into(), AttributeValue::Device(*device)));
        }
        Content::Directory(_) | Content::Fifo | Content::Socket => {}
    }
    for Xattr { name, value } in entry.xattrs.iter().flatten() {
        let name = format!("xattr:{}", Escaped(name));
        found.push((name.into(), AttributeValue::Bytes(value.to_vec())));
    }
    found.retain(|(name, _)| !skipped.has(name));
    found
}

/// Every attribute of something that is on one side only.
pub(super) fn one_sided(entry: &Entry, skipped: Skipped<'_>, is_after: bool) -> Vec<Attribute> {
    list(entry, skipped)
        .into_iter()
        .map(|(name, value)| {
            let (before, after) = if is_after { (None, Some(value)) } else { (Some(value), None) };
            Attribute { name: name.into_owned(), before, after }
        })
        .collect()
}

/// Every attribute that differs between two entries. What could not be read of one of them
/// differs from nothing.
pub(super) fn difference(before: &Entry, after: &Entry, skipped: Skipped<'_>) -> Vec<Attribute> {
    let mut old = list(before, skipped);
    let new = list(after, skipped);
    let mut found = Vec::new();
    // Names are unique in each list and stand in the contract's order; what only the old side has
    // is put in front of the first later name of the new side.
    for (name, after_value) in new {
        let position = old.iter().position(|(old_name, _)| *old_name == name);
        let before_value = position.map(|index| old.remove(index).1);
        if before_value.as_ref() == Some(&after_value) {
            continue;
        }
        let unknown = [before_value.as_ref(), Some(&after_value)]
            .iter()
            .any(|value| matches!(value, Some(AttributeValue::Digest(None))));
        let unread_xattr =
            before_value.is_none() && name.starts_with("xattr:") && before.xattrs.is_none();
        if (unknown && before_value.is_some()) || unread_xattr {
            continue;
        }
        let (name, after) = (name.into_owned(), Some(after_value));
        found.push(Attribute { name, before: before_value, after });
    }
    for (name, value) in old {
        if !(name.starts_with("xattr:") && after.xattrs.is_none()) {
            found.push(Attribute { name: name.into_owned(), before: Some(value), after: None });
        }
    }
    found.sort_by(|one, other| rank(&one.name).cmp(&rank(&other.name)));
    found
}

/// The contract's order: `kind mode uid gid size digest target device`, then xattrs by name.
fn rank(name: &str) -> (usize, &str) {
    const ORDER: [&str; 8] = ["kind", "mode", "uid", "gid", "size", "digest", "target", "device"];
    ORDER.iter().position(|known| *known == name).map_or((ORDER.len(), name), |index| (index, ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ContentDigest, DeviceNumber, Timestamp};

    fn entry(content: Content) -> Entry {
        Entry {
            name: None,
            content,
            mode: 0o644,
            uid: 0,
            gid: 0,
            xattrs: Some(vec![]),
            mtime: Timestamp::default(),
            ctime: None,
            links: 1,
        }
    }

    fn file(bytes: &[u8]) -> Entry {
        entry(Content::File { size: bytes.len() as u64, digest: Some(ContentDigest::of(bytes)) })
    }

    fn check(before: &Entry, after: &Entry, skip: &[&str], expected: &str) {
        let skip = skip.iter().map(ToString::to_string).collect();
        let found = difference(before, after, Skipped(&skip));
        let names: Vec<&str> = found.iter().map(|attribute| attribute.name.as_str()).collect();
        assert_eq!(names.join(" "), expected);
    }

    #[test]
    fn what_differs_is_named_in_order() {
        let old = file(b"old");
        check(&old, &old, &[], "");
        check(&old, &file(b"new"), &[], "digest");
        check(&old, &file(b"longer"), &[], "size digest");
        let loose = Entry { mode: 0o666, uid: 5, gid: 6, ..old.clone() };
        check(&old, &loose, &[], "mode uid gid");
        check(&old, &loose, &["mode", "uid"], "gid");
        let times = Entry { mtime: Timestamp::from_seconds(9), links: 7, ..old.clone() };
        check(&old, &times, &[], "");
        let link = entry(Content::Symlink { target: b"x".as_slice().into() });
        check(&old, &link, &[], "kind size digest target");
        let device = entry(Content::BlockDevice(DeviceNumber { major: 8, minor: 0 }));
        check(&link, &device, &[], "kind target device");
    }

    #[test]
    fn unknown_differs_from_nothing() {
        let known = file(b"old");
        let unread = entry(Content::File { size: 3, digest: None });
        check(&known, &unread, &[], "");
        check(&unread, &known, &[], "");
        let grown = entry(Content::File { size: 4, digest: None });
        check(&known, &grown, &[], "size");
        let xattr = Xattr { name: b"user.b".as_slice().into(), value: b"1".as_slice().into() };
        let with = Entry { xattrs: Some(vec![xattr]), ..known.clone() };
        check(&with, &Entry { xattrs: None, ..known.clone() }, &[], "");
        check(&Entry { xattrs: None, ..known.clone() }, &with, &[], "");
        check(&known, &with, &[], "xattr:user.b");
        check(&with, &known, &[], "xattr:user.b");
        check(&with, &known, &["xattr"], "");
    }
}
