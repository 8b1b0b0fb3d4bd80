//! One path against what its package expects of it.

use super::root::FIRST_PERSON;
use crate::model::{
    Capabilities, Content, Entry, Expectation, FileKind, ShippedSource, TreeSource,
};

/// How a path compares with what its package ships.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Bytes, kind and rights are as shipped, as far as the database says and sanity goes.
    Matches,
    /// They are not.
    Differs(&'static str),
    /// Nobody can say.
    Unverified(&'static str),
    /// A link of which the database does not record the target: it is for the caller to see where
    /// it leads.
    Link,
}

/// Compares an entry with an expectation. `before` is what lay there in the other manifest, whose
/// rights are taken for sane.
pub(super) fn verify(
    entry: &Entry,
    before: Option<&Entry>,
    expectation: &Expectation,
    source: &dyn TreeSource,
) -> Verdict {
    let kind = entry.content.kind();
    if expectation.kind.is_some_and(|expected| expected != kind) {
        return Verdict::Differs("another kind of file than its package ships");
    }
    let bytes = bytes(entry, expectation, source);
    if matches!(bytes, Verdict::Differs(_)) {
        return bytes;
    }
    if let Some(complaint) = rights(entry, before, expectation) {
        return Verdict::Differs(complaint);
    }
    bytes
}

/// Whether the bytes alone (a link's target, a file's digest) are as shipped.
pub(super) fn bytes(entry: &Entry, expectation: &Expectation, source: &dyn TreeSource) -> Verdict {
    match &entry.content {
        Content::Directory(_) => Verdict::Matches,
        _ if expectation.source == ShippedSource::Ghost => Verdict::Matches,
        Content::Symlink { target } => match &expectation.target {
            Some(expected) if expected.as_slice() == &**target => Verdict::Matches,
            Some(_) => Verdict::Differs("leads elsewhere than its package ships"),
            None if expectation.digest.is_some() => {
                Verdict::Differs("a link where its package ships a file")
            }
            None => Verdict::Link,
        },
        Content::File { size, digest } => {
            if expectation.size.is_some_and(|expected| expected != *size) {
                return Verdict::Differs(not_shipped(expectation));
            }
            let Some(shipped) = &expectation.digest else {
                return Verdict::Unverified("its package records no digest");
            };
            let Some(digest) = digest else {
                return Verdict::Unverified("its bytes were not read");
            };
            match source.alternate_digests(digest).ok().and_then(|known| known.matches(shipped)) {
                Some(true) => Verdict::Matches,
                Some(false) => Verdict::Differs(not_shipped(expectation)),
                None => Verdict::Unverified("its bytes were not verified"),
            }
        }
        Content::Fifo | Content::Socket | Content::CharacterDevice(_) | Content::BlockDevice(_) => {
            Verdict::Unverified("a special file")
        }
    }
}

fn not_shipped(expectation: &Expectation) -> &'static str {
    match expectation.source {
        ShippedSource::Configuration => "edited configuration file",
        ShippedSource::File | ShippedSource::Ghost => "not what its package ships",
    }
}

/// What is wrong with mode, owner or capabilities; `None` where they are as recorded or, where
/// nothing is recorded, as they were or, of what is new, harmless.
fn rights(
    entry: &Entry,
    before: Option<&Entry>,
    expectation: &Expectation,
) -> Option<&'static str> {
    let before = before.filter(|before| before.content.kind() == entry.content.kind());
    let kind = entry.content.kind();
    if kind != FileKind::Symlink {
        match expectation.mode {
            Some(mode) if mode != entry.mode => return Some("another mode than its package ships"),
            Some(_) => {}
            None if before.is_some_and(|before| before.mode == entry.mode) => {}
            None if before.is_some() => return Some("another mode than before"),
            None if entry.mode & unsafe_bits(kind, entry) != 0 => {
                return Some("a mode that its package does not record");
            }
            None => {}
        }
    }
    let owner_kept = before.is_some_and(|b| (b.uid, b.gid) == (entry.uid, entry.gid));
    match number(expectation.user.as_deref()) {
        Some(uid) if uid != entry.uid => return Some("another owner than its package ships"),
        Some(_) => {}
        None if owner_kept => {}
        // A name of the target's own table: some account of the system.
        None if expectation.user.is_some() && entry.uid < FIRST_PERSON => {}
        None if before.is_some() => return Some("another owner than before"),
        None if entry.uid != 0 && (kind == FileKind::File || entry.uid >= FIRST_PERSON) => {
            return Some("an owner that its package does not record");
        }
        None => {}
    }
    match number(expectation.group.as_deref()) {
        Some(gid) if gid != entry.gid => return Some("another group than its package ships"),
        Some(_) => {}
        None if owner_kept => {}
        None if before.is_some() && expectation.group.is_none() => {
            return Some("another group than before");
        }
        None if entry.gid < FIRST_PERSON => {}
        None => return Some("a group that its package does not record"),
    }
    capabilities(entry, before, expectation)
}

/// Bits that nothing but a record makes sane.
fn unsafe_bits(kind: FileKind, entry: &Entry) -> u16 {
    match kind {
        // A sticky directory may be writable by all, a setgid one hands on its group.
        FileKind::Directory if entry.mode & 0o1000 != 0 => 0o4000,
        FileKind::Directory => 0o4002,
        _ if entry.gid != 0 => 0o6022,
        _ => 0o6002,
    }
}

/// `root` and decimal numbers; other names are of the target's own user table.
fn number(name: Option<&str>) -> Option<u32> {
    match name? {
        "root" => Some(0),
        name => name.parse().ok(),
    }
}

fn capabilities(
    entry: &Entry,
    before: Option<&Entry>,
    expectation: &Expectation,
) -> Option<&'static str> {
    let now = capability_bytes(entry);
    match (&expectation.capabilities, now) {
        (None, Some(_)) if before.and_then(capability_bytes) == now => None,
        (None, Some(_)) => Some("capabilities that its package does not record"),
        (Some(expected), _) => {
            let expected = Capabilities::from_text(expected);
            let found = now.map_or(Some(Capabilities::default()), Capabilities::from_xattr);
            match (expected, found) {
                (Some(expected), Some(found)) if expected == found => None,
                (Some(expected), _) if expected.is_empty() => {
                    Some("capabilities that its package does not ship")
                }
                (_, Some(found)) if found.is_empty() => {
                    Some("without the capabilities that its package ships")
                }
                _ => Some("other capabilities than its package ships"),
            }
        }
        (None, None) => None,
    }
}

/// The value of `security.capability`.
pub(super) fn capability_bytes(entry: &Entry) -> Option<&[u8]> {
    let xattrs = entry.xattrs.as_deref().unwrap_or_default();
    xattrs.iter().find(|x| &*x.name == b"security.capability").map(|x| &*x.value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::{World, md5};
    use crate::model::{ShippedDigest, TreePath};

    fn check(
        change: impl FnOnce(&mut Entry, &mut Expectation),
        before: Option<u16>,
        expected: &str,
    ) {
        let mut world = World::new();
        world.file("/x", "bytes").file("/y", "other");
        let (_, trees) = world.build();
        let mut entry = world.entries()[&TreePath::parse("/x")].clone();
        let mut expectation = Expectation {
            digest: Some(ShippedDigest::Md5(md5(b"bytes"))),
            ..Expectation::owned(ShippedSource::File)
        };
        let old = before.map(|mode| Entry { mode, ..entry.clone() });
        change(&mut entry, &mut expectation);
        let found = match verify(&entry, old.as_ref(), &expectation, &trees) {
            Verdict::Matches => "matches",
            Verdict::Differs(why) | Verdict::Unverified(why) => why,
            Verdict::Link => "link",
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn bytes_decide() {
        let other = ShippedDigest::Md5(md5(b"other"));
        check(|_, _| {}, None, "matches");
        check(|_, e| e.digest = Some(other), None, "not what its package ships");
        check(
            |_, e| (e.digest, e.source) = (Some(other), ShippedSource::Configuration),
            None,
            "edited configuration file",
        );
        check(|_, e| e.source = ShippedSource::Ghost, None, "matches");
        check(|_, e| e.digest = None, None, "its package records no digest");
        check(
            |_, e| e.digest = Some(ShippedDigest::Sha256([0; 32])),
            None,
            "its bytes were not verified",
        );
        check(
            |x, _| x.content = Content::File { size: 5, digest: None },
            None,
            "its bytes were not read",
        );
        check(|_, e| e.size = Some(6), None, "not what its package ships");
        check(
            |_, e| e.kind = Some(FileKind::Symlink),
            None,
            "another kind of file than its package ships",
        );
    }

    #[test]
    fn rights_are_as_recorded_or_sane() {
        check(|x, _| x.mode = 0o755, None, "matches");
        check(|x, _| x.mode = 0o666, None, "a mode that its package does not record");
        check(|x, _| x.mode = 0o4755, None, "a mode that its package does not record");
        check(|x, _| x.mode = 0o4755, Some(0o4755), "matches");
        check(|x, _| x.mode = 0o4755, Some(0o755), "another mode than before");
        check(|x, _| x.mode = 0o600, Some(0o644), "another mode than before");
        check(|x, _| x.uid = 33, Some(0o644), "another owner than before");
        check(|x, e| (x.mode, e.mode) = (0o4755, Some(0o4755)), None, "matches");
        check(|_, e| e.mode = Some(0o600), None, "another mode than its package ships");
        check(|x, _| x.uid = 33, None, "an owner that its package does not record");
        check(|x, e| (x.uid, e.user) = (33, Some("www".into())), None, "matches");
        check(
            |x, e| (x.uid, e.user) = (33, Some("root".into())),
            None,
            "another owner than its package ships",
        );
    }
}
