//! Directories: each entry twice, without and with what a compare ignores.

use super::{Reader, VERSION, Writer};
use crate::model::{
    Content, ContentDigest, ContentId, DeviceNumber, DirectoryContent, Entry, ExactId, Fault, Name,
    Timestamp, Tree, Xattr,
};

const TREE: u8 = b'T';
const CONTENT: u8 = b'C';

const FILE: u8 = 1;
const DIRECTORY: u8 = 2;
const SYMLINK: u8 = 3;
const FIFO: u8 = 4;
const SOCKET: u8 = 5;
const CHARACTER_DEVICE: u8 = 6;
const BLOCK_DEVICE: u8 = 7;

const READ: u8 = 0;
const UNREAD: u8 = 1;
const LEFT_OUT: u8 = 2;

/// An encoded directory with both its ids.
#[derive(Clone, Debug)]
pub struct EncodedTree {
    /// Without times, link counts and the children's exact ids.
    pub content: ContentId,
    /// Of [`EncodedTree::bytes`].
    pub exact: ExactId,
    /// What a store keeps and [`decode_tree`] reads.
    pub bytes: Vec<u8>,
}

/// Encodes a directory, whose entries are sorted by name and have one each.
#[must_use]
pub fn encode_tree(tree: &Tree) -> EncodedTree {
    let mut exact = Writer(Vec::with_capacity(2 + tree.entries.len() * 96));
    exact.fixed(&[VERSION, TREE]);
    let mut content = Writer(Vec::with_capacity(2 + tree.entries.len() * 80));
    content.fixed(&[VERSION, CONTENT]);
    for entry in &tree.entries {
        let start = exact.0.len();
        write_common(&mut exact, entry);
        content.fixed(exact.0.get(start..).unwrap_or_default());
        write_rest(&mut exact, entry);
    }
    EncodedTree { content: ContentId::of(&content.0), exact: ExactId::of(&exact.0), bytes: exact.0 }
}

/// Reads what [`encode_tree`] wrote. The caller knows the id and has checked it, or checks it now.
pub fn decode_tree(bytes: &[u8]) -> Result<Tree, Fault> {
    let mut reader = Reader::with_tag(bytes, TREE)?;
    let mut entries: Vec<Entry> = Vec::new();
    while !reader.is_at_end() {
        let entry = read_entry(&mut reader)?;
        if entries.last().is_some_and(|last| last.name >= entry.name) {
            return Err(Fault::damaged("entries of a directory out of order"));
        }
        entries.push(entry);
    }
    Ok(Tree { entries })
}

/// Where each entry of an encoded directory ends, with its name: for stores that keep a large
/// directory in parts. The first entry begins at offset 2.
pub fn entry_ends(bytes: &[u8]) -> Result<Vec<(usize, Name)>, Fault> {
    let mut reader = Reader::with_tag(bytes, TREE)?;
    let mut ends = Vec::new();
    while !reader.is_at_end() {
        let name = read_entry(&mut reader)?.name;
        ends.push((reader.offset, name.ok_or_else(|| Fault::damaged("an entry without a name"))?));
    }
    Ok(ends)
}

/// What both ids cover.
fn write_common(out: &mut Writer, entry: &Entry) {
    out.bytes(entry.name.as_ref().map_or(&[], |name| name.as_bytes()));
    match &entry.content {
        Content::File { size, digest } => {
            out.byte(FILE);
            out.number(*size);
            out.option(digest.as_ref(), |out, digest| out.fixed(digest.as_bytes()));
        }
        Content::Directory(DirectoryContent::Read { content, .. }) => {
            out.fixed(&[DIRECTORY, READ]);
            out.fixed(content.as_bytes());
        }
        Content::Directory(DirectoryContent::Unread) => out.fixed(&[DIRECTORY, UNREAD]),
        Content::Directory(DirectoryContent::LeftOut) => out.fixed(&[DIRECTORY, LEFT_OUT]),
        Content::Symlink { target } => {
            out.byte(SYMLINK);
            out.bytes(target);
        }
        Content::Fifo => out.byte(FIFO),
        Content::Socket => out.byte(SOCKET),
        Content::CharacterDevice(device) => write_device(out, CHARACTER_DEVICE, *device),
        Content::BlockDevice(device) => write_device(out, BLOCK_DEVICE, *device),
    }
    out.number(entry.mode.into());
    out.number(entry.uid.into());
    out.number(entry.gid.into());
    out.option(entry.xattrs.as_deref(), |out, xattrs| {
        out.list(xattrs, |out, xattr| {
            out.bytes(&xattr.name);
            out.bytes(&xattr.value);
        });
    });
}

/// What only the exact id covers.
fn write_rest(out: &mut Writer, entry: &Entry) {
    write_time(out, entry.mtime);
    out.option(entry.ctime, write_time);
    out.number(entry.links.into());
    if let Content::Directory(DirectoryContent::Read { exact, .. }) = &entry.content {
        out.fixed(exact.as_bytes());
    }
}

/// One entry alone, as the header of a manifest holds its root.
pub(super) fn write_entry(out: &mut Writer, entry: &Entry) {
    write_common(out, entry);
    write_rest(out, entry);
}

fn write_device(out: &mut Writer, kind: u8, device: DeviceNumber) {
    out.byte(kind);
    out.number(device.major.into());
    out.number(device.minor.into());
}

fn write_time(out: &mut Writer, time: Timestamp) {
    out.signed(time.seconds);
    out.number(time.nanoseconds.into());
}

fn read_entry(reader: &mut Reader<'_>) -> Result<Entry, Fault> {
    let name = Name::new(reader.bytes()?)
        .ok_or_else(|| Fault::damaged("a name that no directory can hold"))?;
    let mut content = match reader.byte()? {
        FILE => Content::File {
            size: reader.number()?,
            digest: reader.option(|reader| Ok(ContentDigest(reader.array()?)))?,
        },
        DIRECTORY => Content::Directory(match reader.byte()? {
            READ => DirectoryContent::Read {
                content: ContentId(reader.array()?),
                // Stands at the end of the entry.
                exact: ExactId([0; 32]),
            },
            UNREAD => DirectoryContent::Unread,
            LEFT_OUT => DirectoryContent::LeftOut,
            other => return Err(Fault::damaged(format!("directory state {other}"))),
        }),
        SYMLINK => Content::Symlink { target: reader.bytes()?.into() },
        FIFO => Content::Fifo,
        SOCKET => Content::Socket,
        CHARACTER_DEVICE => Content::CharacterDevice(read_device(reader)?),
        BLOCK_DEVICE => Content::BlockDevice(read_device(reader)?),
        other => return Err(Fault::damaged(format!("entry kind {other}"))),
    };
    let mode = reader.small()?;
    let uid = reader.small()?;
    let gid = reader.small()?;
    let xattrs = reader.option(|reader| {
        reader.list(|reader| {
            Ok(Xattr { name: reader.bytes()?.into(), value: reader.bytes()?.into() })
        })
    })?;
    let mtime = read_time(reader)?;
    let ctime = reader.option(read_time)?;
    let links = reader.small()?;
    if let Content::Directory(DirectoryContent::Read { exact, .. }) = &mut content {
        *exact = ExactId(reader.array()?);
    }
    Ok(Entry { name: Some(name), content, mode, uid, gid, xattrs, mtime, ctime, links })
}

fn read_device(reader: &mut Reader<'_>) -> Result<DeviceNumber, Fault> {
    Ok(DeviceNumber { major: reader.small()?, minor: reader.small()? })
}

fn read_time(reader: &mut Reader<'_>) -> Result<Timestamp, Fault> {
    Ok(Timestamp { seconds: reader.signed()?, nanoseconds: reader.small()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One entry of every kind, with every optional part once there and once not.
    fn sample() -> Tree {
        let entry = |name: &[u8], content| Entry {
            name: Name::new(name),
            content,
            mode: 0o4755,
            uid: 1000,
            gid: 123_456,
            xattrs: Some(vec![]),
            mtime: Timestamp { seconds: -1, nanoseconds: 999_999_999 },
            ctime: Some(Timestamp::from_seconds(4_999_999_999)),
            links: 2,
        };
        let device = DeviceNumber { major: 8, minor: 300 };
        let read = DirectoryContent::Read { content: ContentId([1; 32]), exact: ExactId([2; 32]) };
        let xattr = Xattr { name: b"user.x".as_slice().into(), value: b"\0\xff".as_slice().into() };
        let digest = Some(ContentDigest::of(b"hello"));
        Tree {
            entries: vec![
                entry(b"a", Content::File { size: 5, digest }),
                Entry {
                    xattrs: None,
                    ..entry(b"b", Content::File { size: 1 << 40, digest: None })
                },
                entry(b"c", Content::Directory(read)),
                entry(b"d", Content::Directory(DirectoryContent::Unread)),
                Entry { ctime: None, ..entry(b"e", Content::Directory(DirectoryContent::LeftOut)) },
                entry(b"f", Content::Symlink { target: b"../x\xff".as_slice().into() }),
                Entry { xattrs: Some(vec![xattr]), ..entry(b"g", Content::Fifo) },
                entry(b"h", Content::Socket),
                entry(b"i", Content::CharacterDevice(device)),
                entry(b"j\xff", Content::BlockDevice(device)),
            ],
        }
    }

    #[test]
    fn every_kind_comes_back() {
        let tree = sample();
        assert_eq!(decode_tree(&encode_tree(&tree).bytes).unwrap(), tree);
    }

    #[test]
    fn entries_end_where_the_next_begins() {
        let tree = sample();
        let bytes = encode_tree(&tree).bytes;
        let ends = entry_ends(&bytes).unwrap();
        assert_eq!(ends.len(), tree.entries.len());
        let mut start = 2;
        for ((end, name), entry) in ends.iter().zip(&tree.entries) {
            let alone = encode_tree(&Tree { entries: vec![entry.clone()] }).bytes;
            assert_eq!((&bytes[start..*end], Some(name)), (&alone[2..], entry.name.as_ref()));
            start = *end;
        }
        assert_eq!(start, bytes.len());
    }

    /// A change here orphans every stored manifest: raise the version instead.
    #[test]
    fn ids_are_pinned() {
        let check = |tree: &Tree, content: &str, exact: &str| {
            let encoded = encode_tree(tree);
            assert_eq!(
                (encoded.content.to_string(), encoded.exact.to_string()),
                (content.into(), exact.into())
            );
        };
        check(
            &Tree::default(),
            "55d6cbaf4ee6044dffff4af74352fd0d13f640f2d32a36c164b2455fbf8f0ffb",
            "0f8b6c907107424c99bb31d524bdfa3a0f5f83f22e75955b3d460d1aa116b50c",
        );
        check(
            &sample(),
            "172b8d79767fe635fd7208bac94e540ba99a0bf183c7aaadb79e9112b49755b2",
            "12cc834fa2112d9545c884d1dde59f58e7815c4e7afd7f9c74f3d80666de3e1a",
        );
    }

    #[test]
    fn content_id_ignores_times_and_link_counts() {
        let mut tree = sample();
        let before = encode_tree(&tree);
        tree.entries[0].mtime = Timestamp::default();
        tree.entries[0].ctime = None;
        tree.entries[0].links = 1;
        tree.entries[2].content = Content::Directory(DirectoryContent::Read {
            content: ContentId([1; 32]),
            exact: ExactId([3; 32]),
        });
        let after = encode_tree(&tree);
        assert_eq!(before.content, after.content);
        assert_ne!(before.exact, after.exact);
    }

    #[test]
    fn damage_is_refused_and_never_panics() {
        let bytes = encode_tree(&sample()).bytes;
        for cut in 0..bytes.len() {
            // Cut at an entry's end it is a shorter tree, which the id tells.
            let _ = decode_tree(&bytes[..cut]);
        }
        for index in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[index] ^= 0x80;
            if let Ok(tree) = decode_tree(&flipped) {
                assert_eq!(encode_tree(&tree).bytes, flipped, "byte {index}");
            }
        }
    }
}
