//! A store in a temporary folder, and manifests with something of everything, for unit tests.

use super::{Access, Spool, Store};
use crate::model::encoding::{decode_tree, encode_shipped, encode_tree, set_id};
use crate::model::testing::{World, fact};
use crate::model::{
    CauseKind, Content, ContentDigest, DirectoryContent, Event, EventSubject, EventTime, ExactId,
    Gap, Manifest, Omission, ShippedId, Stage, TimeCertainty, Timestamp, TreePath, TreeSource,
};

pub(super) struct Place {
    _folder: tempfile::TempDir,
    pub(super) store: Store,
}

/// An empty store.
pub(super) fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store.db"), Access::Write).unwrap();
    Place { _folder: folder, store }
}

/// A small machine with records of every kind.
pub(super) fn world() -> World {
    let mut world = World::new();
    world
        .file("/etc/motd", "hello")
        .symlink("/etc/mtab", "../proc/\u{1b}mounts")
        .device("/dev/null", 1, 3)
        .close("/dev", DirectoryContent::LeftOut)
        .directory("/root")
        .close("/root", DirectoryContent::Unread)
        .install("jq", "1.7", &[("/usr/bin/jq", "jq"), ("/usr/share/doc/jq/copyright", "mit")]);
    for number in 0..300 {
        world.file(&format!("/usr/lib/many/{number:04}"), &number.to_string());
    }
    let path = |text: &str| TreePath::parse(text);
    let records = &mut world.records;
    records.facts.push(fact("users", "deploy", &[("shell", "/bin/\"sh\""), ("uid", "1000")]));
    let time =
        |seconds, certainty| EventTime { at: Timestamp { seconds, nanoseconds: 5 }, certainty };
    records.events.push(Event {
        source: TreePath::parse(b"/var/log/a\xff b"),
        line: Some(7),
        time: Some(time(1_700_000_000, TimeCertainty::LocalTime)),
        until: Some(time(1_700_000_009, TimeCertainty::Guessed)),
        actor: CauseKind::Ansible,
        detail: "copy, \"a task\"\n".into(),
        action: "write".into(),
        subjects: vec![
            EventSubject::Path(TreePath::parse(b"/etc/\xfe")),
            EventSubject::Below(path("/opt")),
            EventSubject::Package { key: crate::model::testing::key("jq"), version: None },
            EventSubject::Fact { scope: "users".into(), key: "deploy".into() },
            EventSubject::Content { path: path("/etc/motd"), digest: ContentDigest::of(b"x") },
        ],
        forgeable: true,
        text: "line\twith \u{202e} things".into(),
    });
    let gap = |path| Gap { path, stage: Stage::List, reason: "refused: \\x41".into() };
    records.gaps.push(gap(path("/root")));
    let reason = "tmpfs".into();
    records.omissions.push(Omission { path: path("/dev"), reason });
    world
}

/// Builds a world under a name and a time, with hard links.
pub(super) fn manifest(world: &World, name: &str, seconds: i64) -> (Manifest, Spool) {
    let (mut manifest, trees) = world.build();
    manifest.header.name = name.into();
    manifest.header.scanned_at = Timestamp::from_seconds(seconds);
    manifest.hard_links = vec![vec![TreePath::parse("/a"), TreePath::parse(b"/b\xff")]];
    manifest.header.sections.hard_links = set_id(&manifest.hard_links);
    let spool = Spool::new();
    if let Content::Directory(DirectoryContent::Read { exact, .. }) = manifest.header.root.content {
        spool_tree(&spool, &trees, &exact);
    }
    if let Some(id) = manifest.header.shipped {
        spool_shipped(&spool, &trees, &id);
    }
    (manifest, spool)
}

fn spool_tree(spool: &Spool, from: &dyn TreeSource, id: &ExactId) {
    let tree = from.tree(id).unwrap();
    for entry in &tree.entries {
        match &entry.content {
            Content::Directory(DirectoryContent::Read { exact, .. }) => {
                spool_tree(spool, from, exact);
            }
            Content::File { digest: Some(digest), .. } => {
                spool.add_alternates(*digest, from.alternate_digests(digest).unwrap());
            }
            _ => {}
        }
    }
    let encoded = encode_tree(&tree);
    assert_eq!(decode_tree(&encoded.bytes).unwrap(), *tree);
    spool.add_tree(&encoded);
}

fn spool_shipped(spool: &Spool, from: &dyn TreeSource, id: &ShippedId) {
    let tree = from.shipped(id).unwrap();
    for below in tree.entries.iter().filter_map(|entry| entry.below.as_ref()) {
        spool_shipped(spool, from, below);
    }
    let (id, bytes) = encode_shipped(&tree);
    spool.add_shipped(id, &bytes);
}
