//! The store through its public face: several processes, sudden ends, damage.

use driftcheck::model::ManifestId;
use driftcheck::store::{
    Access, CacheEntry, Keep, Spool, Store, StoreErrorKind, export_text, import_text,
};
use rusqlite::Connection;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A manifest of `files` files, the last of which differs by `seed`.
fn text(name: &str, seed: u32, files: u32) -> String {
    use std::fmt::Write;
    let mut text = format!(
        "driftcheck-manifest 1\nname {name}\ntarget dir:/x\nscanned-at {}\nscanner test\n\
         entries {}\nbytes 0\n[entries]\n/ directory 0755 0:0 1970-01-01T00:00:00Z - links=2\n",
        "2026-01-01T00:00:00Z",
        files + 1
    );
    for number in 0..files {
        let size = if number + 1 == files { seed } else { number };
        let digest = blake3::hash(&size.to_le_bytes());
        writeln!(
            text,
            "/file-{number:05} file 0644 0:0 1970-01-01T00:00:00Z - links=1 size={size} \
             digest={digest}"
        )
        .unwrap();
    }
    text + "[packages]\ndpkg jq amd64 - 1.7 installed - - \"\" /var/lib/dpkg/status\n[facts]\n\
            users deploy - uid=1000\n[events]\n[gaps]\n/root list refused\n[omissions]\n\
            [hard-links]\n"
}

fn commit(store: &Store, name: &str, seed: u32, files: u32) -> ManifestId {
    let spool = Spool::new();
    let manifest = import_text(&mut text(name, seed, files).as_bytes(), &spool).unwrap();
    let data = vec![7; 50_000];
    let cache =
        CacheEntry { kind: "test", key: name.as_bytes(), data: &data, keep: Keep::WithManifest };
    store.commit(&manifest, &spool, &[cache], None).unwrap()
}

fn text_of(store: &Store, id: &ManifestId) -> Result<String, String> {
    let manifest = store.manifest(id).map_err(|error| error.to_string())?;
    let mut out = Vec::new();
    export_text(&manifest, store, &mut out).map_err(|error| error.to_string())?;
    String::from_utf8(out).map_err(|error| error.to_string())
}

/// Not a test of its own: what the other processes of the tests below do.
#[test]
fn as_another_process() {
    let Ok(path) = std::env::var("DRIFTCHECK_TEST_STORE") else { return };
    let name = std::env::var("DRIFTCHECK_TEST_NAME").unwrap();
    let count: u32 = std::env::var("DRIFTCHECK_TEST_COUNT").unwrap().parse().unwrap();
    for seed in 0..count {
        let store = Store::open(Path::new(&path), Access::Write).unwrap();
        commit(&store, &name, seed, 500);
    }
}

fn process(store: &Path, name: &str, count: u32) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::as_another_process"])
        .env("DRIFTCHECK_TEST_STORE", store)
        .env("DRIFTCHECK_TEST_NAME", name)
        .env("DRIFTCHECK_TEST_COUNT", count.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn processes_at_once_all_succeed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    // None of them finds the file: they make it at once.
    let processes = ["a", "b", "c"].map(|name| process(&path, name, 4));
    for mut process in processes {
        assert!(process.wait().unwrap().success());
    }
    let store = Store::open(&path, Access::Read).unwrap();
    assert_eq!(store.list().unwrap().len(), 12);
    assert_eq!(store.verify().unwrap().damages, []);
}

#[test]
fn killed_at_any_moment_it_shows_only_whole_manifests() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    for round in 0..12_u64 {
        let mut process = process(&path, &format!("n{round}"), 1000);
        std::thread::sleep(Duration::from_millis(20 + 17 * round));
        process.kill().unwrap();
        process.wait().unwrap();
        let store = Store::open(&path, Access::Write).unwrap();
        assert_eq!(store.verify().unwrap().damages, [], "round {round}");
        for manifest in store.list().unwrap() {
            assert_eq!(manifest.entries, 501);
        }
    }
    let store = Store::open(&path, Access::Read).unwrap();
    for manifest in store.list().unwrap().iter().take(3) {
        text_of(&store, &manifest.id).unwrap();
    }
}

#[test]
fn a_flipped_bit_is_found_or_touches_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let id = commit(&Store::open(&path, Access::Write).unwrap(), "web-01", 7, 1500);
    let store = Store::open(&path, Access::Read).unwrap();
    let expected = text_of(&store, &id).unwrap();
    drop(store);
    let whole = std::fs::read(&path).unwrap();
    let flipped_path = folder.path().join("flipped.db");
    let mut found = 0;
    for at in (0..whole.len()).step_by(whole.len() / 199) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        std::fs::write(&flipped_path, &flipped).unwrap();
        let Ok(store) = Store::open(&flipped_path, Access::Read) else {
            found += 1;
            continue;
        };
        match store.verify() {
            Ok(verified) if verified.damages.is_empty() => {
                assert_eq!(text_of(&store, &id).unwrap(), expected, "bit in byte {at}");
            }
            _ => found += 1,
        }
    }
    assert!(found > 20, "{found}");
}

#[test]
fn is_readable_while_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let first = commit(&Store::open(&path, Access::Write).unwrap(), "web-01", 1, 10);
    let writer = Connection::open(&path).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE; DELETE FROM manifests").unwrap();
    let store = Store::open(&path, Access::Read).unwrap();
    assert_eq!(store.latest("web-01").unwrap(), Some(first));
    text_of(&store, &first).unwrap();
    // As a person does.
    let reader = Connection::open(&path).unwrap();
    let row = |query: &str| -> String { reader.query_row(query, [], |row| row.get(0)).unwrap() };
    assert_eq!(row("SELECT id FROM manifest"), first.to_string());
    assert_eq!(row("SELECT scanned_at FROM manifest"), "2026-01-01T00:00:00Z");
    assert_eq!(row("SELECT version FROM manifest_packages WHERE name = 'jq'"), "1.7");
    assert_eq!(row("SELECT path FROM manifest_gaps"), "/root");
    writer.execute_batch("ROLLBACK").unwrap();
}

#[test]
fn a_second_manifest_of_the_same_tree_costs_almost_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let size = || std::fs::metadata(&path).unwrap().len();
    commit(&Store::open(&path, Access::Write).unwrap(), "web-01", 1, 20_000);
    let before = size();
    let spool = Spool::new();
    let later = text("web-01", 1, 20_000).replace("2026-01-01", "2026-01-02");
    let manifest = import_text(&mut later.as_bytes(), &spool).unwrap();
    Store::open(&path, Access::Write).unwrap().commit(&manifest, &spool, &[], None).unwrap();
    assert!(size() - before <= before / 100, "{before} + {}", size() - before);
    // One changed file of a large directory costs its part of it.
    let before = size();
    commit(&Store::open(&path, Access::Write).unwrap(), "web-01", 2, 20_000);
    assert!(size() - before <= before / 20, "{before} + {}", size() - before);
}

#[test]
fn a_replaced_cache_takes_the_place_of_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let spool = Spool::new();
    let manifest = import_text(&mut text("web-01", 1, 10).as_bytes(), &spool).unwrap();
    let mut sizes = Vec::new();
    for round in 0..4_u8 {
        let mut data = vec![0; 300_000];
        blake3::Hasher::new().update(&[round]).finalize_xof().fill(&mut data);
        let cache = CacheEntry { kind: "test", key: b"k", data: &data, keep: Keep::Always };
        let store = Store::open(&path, Access::Write).unwrap();
        store.commit(&manifest, &spool, &[cache], None).unwrap();
        assert_eq!(store.cache("test", b"k").unwrap().unwrap().data, data);
        drop(store);
        sizes.push(std::fs::metadata(&path).unwrap().len());
    }
    assert!(sizes.iter().all(|size| size - sizes[0] < 20_000), "{sizes:?}");
}

#[test]
fn a_full_disk_says_so_and_keeps_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=3m", "tmpfs"])
        .arg(folder.path())
        .stderr(Stdio::null())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        println!("skipped: mounting needs root");
        return;
    }
    let path = folder.path().join("store.db");
    let store = Store::open(&path, Access::Write).unwrap();
    let first = commit(&store, "web-01", 1, 100);
    let spool = Spool::new();
    let large = import_text(&mut text("web-01", 2, 60_000).as_bytes(), &spool).unwrap();
    let refused = store.commit(&large, &spool, &[], None).unwrap_err();
    let listed = store.list().unwrap();
    let damages = store.verify().unwrap().damages;
    drop(store);
    Command::new("umount").arg(folder.path()).status().unwrap();
    assert_eq!(refused.kind, StoreErrorKind::Full, "{refused}");
    assert_eq!(listed.iter().map(|one| one.id).collect::<Vec<_>>(), [first]);
    assert_eq!(damages, []);
}

#[test]
fn read_only_media_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let mount = |arguments: &[&str]| {
        Command::new("mount")
            .args(arguments)
            .arg(folder.path())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    if !mount(&["-t", "tmpfs", "tmpfs"]) {
        println!("skipped: mounting needs root");
        return;
    }
    let path = folder.path().join("store.db");
    let id = commit(&Store::open(&path, Access::Write).unwrap(), "web-01", 1, 100);
    assert!(mount(&["-o", "remount,ro"]));
    let read = Store::open(&path, Access::Read).map(|store| store.latest("web-01").unwrap());
    let refused = Store::open(&path, Access::Write).map(drop);
    Command::new("umount").arg(folder.path()).status().unwrap();
    assert_eq!(read.unwrap(), Some(id));
    assert_eq!(refused.unwrap_err().kind, StoreErrorKind::ReadOnly);
}
