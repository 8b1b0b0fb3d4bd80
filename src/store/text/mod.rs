//! A manifest as text that a person can review and git can diff.
//!
//! ```text
//! driftcheck-manifest 1
//! id 5c1d…
//! name golden
//! …
//! [entries]
//! / directory 0755 0:0 2026-03-01T12:00:00Z - links=18
//! /etc/motd file 0644 0:0 2026-03-01T12:00:00Z - links=1 size=5 digest=ea8f…
//! [packages]
//! …
//! ```
//!
//! One line an entry, sorted by path; fields are parted by single spaces. A field with a space, a
//! quote or nothing in it stands in double quotes; control characters, bytes that are not UTF-8,
//! backslashes and quotes are escaped as [`crate::model::path::escape`] does. `-` is "none". The
//! ids of directories are not written: reading makes the trees again, and the same text makes the
//! same id. Reading streams, and refuses anything that it would not have written itself; a text
//! without the line `id` may be edited.

mod builder;
mod export;
mod import;
mod records;
mod token;

pub use export::export_text;
pub use import::import_text;

/// The first line.
const FIRST_LINE: &str = "driftcheck-manifest 1";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::encoding::set_id;
    use crate::model::testing::World;
    use crate::model::{
        Content, ContentDigest, DeviceNumber, Manifest, Timestamp, TreePath, Xattr,
    };
    use crate::store::Spool;
    use crate::store::testing::{manifest, world};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn written(made: &Manifest, spool: &Spool) -> String {
        let mut out = Vec::new();
        export_text(made, spool, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn read(text: &str) -> Result<(Manifest, Spool), String> {
        let spool = Spool::new();
        let made = import_text(&mut text.as_bytes(), &spool).map_err(|error| error.to_string())?;
        Ok((made, spool))
    }

    fn comes_back(made: &Manifest, spool: &Spool) {
        let text = written(made, spool);
        let (again, spool) = read(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(again, *made, "{text}");
        assert_eq!(written(&again, &spool), text);
    }

    #[test]
    fn everything_comes_back() {
        let (mut made, spool) = manifest(&world(), "a \"name\" -", -7);
        made.header.not_carried = vec!["gid".into(), "uid".into()];
        comes_back(&made, &spool);
        let (empty, spool) = manifest(&World::new(), "", 0);
        comes_back(&empty, &spool);
    }

    #[test]
    fn is_what_people_expect() {
        let mut world = World::new();
        world.file("/etc/a b", "hello").symlink("/bin", "usr/bin").change("/etc/a b", |entry| {
            entry.ctime = Some(Timestamp { seconds: 1_000_000_000, nanoseconds: 5 });
        });
        let (mut made, spool) = manifest(&world, "golden", 0);
        made.hard_links.clear();
        made.header.sections.hard_links = set_id(&made.hard_links);
        let text = written(&made, &spool);
        let digest = ContentDigest::of(b"hello");
        let expected = format!(
            "driftcheck-manifest 1\nid {}\nname golden\ntarget memory\n\
             scanned-at 1970-01-01T00:00:00Z\nscanner test\nentries 4\nbytes 0\n\
             [entries]\n\
             / directory 0755 0:0 1970-01-01T00:00:00Z - links=1\n\
             /bin symlink 0777 0:0 1970-01-01T00:00:00Z - links=1 target=usr/bin\n\
             /etc directory 0755 0:0 1970-01-01T00:00:00Z - links=1\n\
             \"/etc/a b\" file 0644 0:0 1970-01-01T00:00:00Z 2001-09-09T01:46:40.000000005Z \
             links=1 size=5 digest={digest}\n\
             [packages]\n[facts]\n[events]\n[gaps]\n[omissions]\n[hard-links]\n",
            made.id()
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn refusals_name_line_and_column() {
        let (made, spool) = manifest(&world(), "golden", 0);
        let text = written(&made, &spool);
        let check = |from: &str, to: &str, expected: &str| {
            assert!(text.contains(from), "{from}");
            let refused = read(&text.replacen(from, to, 1)).unwrap_err();
            assert!(refused.contains(expected), "{refused}");
        };
        check("manifest 1", "manifest 2", "line 1, column 1");
        check("name golden", "nam golden", "line 3, column 1");
        check("/etc directory 0755", "/etc directory 0x55", "line 12, column 16: ");
        check("/etc directory 0755", "/usr directory 0755", "line 13, column 1: ");
        check("name golden", "name silver", "it makes the manifest");
        check("[facts]", "[fact]", "column 1: ");
        check("entries 3", "entries 4", "entries");
        for cut in (0..text.len()).step_by(97) {
            assert!(read(&text[..cut]).is_err(), "cut at {cut}");
        }
    }

    fn name() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            proptest::collection::vec(1_u8.., 1..6),
            "[a-c \"=\\\\-]{1,3}".prop_map(String::into_bytes)
        ]
        .prop_filter("a name", |name| crate::model::Name::new(name).is_some())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_tree_comes_back(
            paths in proptest::collection::vec(proptest::collection::vec(name(), 1..4), 0..12),
            bytes in proptest::collection::vec(any::<u8>(), 0..9),
            time in any::<(i64, u32)>(),
            numbers in any::<(u16, u32, u32, u64)>(),
        ) {
            let (mut made, spool) = manifest(&World::new(), "any", time.0);
            let mut all = BTreeMap::from([(TreePath::root(), made.header.root.clone())]);
            for (index, path) in paths.iter().enumerate() {
                let mut entry = made.header.root.clone();
                entry.content = match index % 5 {
                    0 => Content::File { size: numbers.3, digest: None },
                    1 => Content::Symlink { target: bytes.clone().into() },
                    2 => Content::BlockDevice(DeviceNumber { major: numbers.1, minor: 0 }),
                    3 => Content::Fifo,
                    _ => Content::Socket,
                };
                (entry.mode, entry.uid, entry.gid) = (numbers.0 & 0o7777, numbers.1, numbers.2);
                entry.mtime = Timestamp { seconds: time.0, nanoseconds: time.1 };
                let xattr = Xattr { name: path[0].clone().into(), value: bytes.clone().into() };
                entry.xattrs = (index % 3 > 0).then(|| vec![xattr]);
                let mut above = TreePath::parse(path.join(&b'/'));
                all.entry(above.clone()).or_insert(entry);
                while let Some(parent) = above.parent() {
                    all.insert(parent.clone(), made.header.root.clone());
                    above = parent;
                }
            }
            made.header.entries = all.len() as u64;
            let mut builder = builder::TreeBuilder::new(&spool);
            for (path, entry) in all {
                builder.add(path, entry).unwrap();
            }
            made.header.root = builder.finish().unwrap();
            comes_back(&made, &spool);
        }

        #[test]
        fn nothing_panics(text in "(.{0,40}\n){0,8}") {
            let _ = read(&format!("driftcheck-manifest 1\n{text}"));
        }
    }
}
