//! Snaps: what snapd's `state.json` says is installed, or, where that cannot be had, the images in
//! `var/lib/snapd/snaps`.
//!
//! A snap is named by its revision, which counts up and is the same whether it is mounted or not;
//! the version that its author gave it is read where the snap is mounted.

use super::purl::{Parts, purl};
use super::{installed, text};
use crate::collect::reader::{Reader, below};
use crate::collect::{Collector, View};
use crate::model::{Fault, Package, Records, Stage, TreePath};
use serde_json::Value;

/// Reads snapd's state.
pub static COLLECTOR: Collector = Collector {
    name: "snap",
    version: 1,
    summary: "snaps with revision, channel and confinement",
    wanted: &[],
    collect,
};

const STATE: &str = "/var/lib/snapd/state.json";
const IMAGES: &str = "/var/lib/snapd/snaps";
const MOUNTS: &str = "/snap";

/// snapd keeps its changes of some days in it: some MB.
const MAX_SIZE: u64 = 64 * 1024 * 1024;

fn collect(view: &View<'_>, records: &mut Records) {
    let mut reader = Reader::new(view, records, Stage::Packages, MAX_SIZE);
    let path = TreePath::parse(STATE);
    let gaps = reader.records.gaps.len();
    let Some(state) = reader.file(&path) else {
        // A state that is there and cannot be read is a gap; the images say less.
        if reader.records.gaps.len() == gaps {
            images(&mut reader);
        }
        return;
    };
    let parsed = parse(&state, &path).map(Some);
    for mut package in reader.keep(&path, parsed).unwrap_or_default() {
        let mount = below(&below(&TreePath::parse(MOUNTS), &package.key.name), &package.version);
        let yaml = reader.file(&below(&below(&mount, "meta"), "snap.yaml"));
        if let Some(version) = yaml.as_deref().and_then(author_version) {
            package.details.insert("version".to_owned(), version);
        }
        reader.records.packages.push(package);
    }
}

/// The snaps of a state. Missing parts of one snap cost that part.
pub fn parse(bytes: &[u8], evidence: &TreePath) -> Result<Vec<Package>, Fault> {
    let state: Value = serde_json::from_slice(bytes).map_err(Fault::damaged)?;
    let Some(snaps) = state.pointer("/data/snaps").and_then(Value::as_object) else {
        return Ok(Vec::new());
    };
    let mut packages = Vec::new();
    for (name, snap) in snaps {
        let word = |key: &str| snap.get(key).and_then(Value::as_str).map(str::to_owned);
        // A revision made here is written as `x1`, and one of the store as a string of digits.
        let Some(current) = word("current").filter(|word| !word.is_empty()) else { continue };
        let mut package = installed("snap", text(name.as_bytes()), current.clone(), evidence);
        let sequence = snap.get("sequence").and_then(Value::as_array);
        let revision = sequence.into_iter().flatten().find(|side| {
            // Newer states wrap the side information once more.
            let side = side.get("snap").unwrap_or(side);
            side.get("revision").and_then(Value::as_str) == Some(current.as_str())
        });
        let revision = revision.map(|side| side.get("snap").unwrap_or(side));
        let store_id = revision.and_then(|side| side.get("snap-id")).and_then(Value::as_str);
        let channel = word("channel")
            .or_else(|| Some(revision?.get("channel")?.as_str()?.to_owned()))
            .filter(|channel| !channel.is_empty());
        for (key, value) in [
            ("kind", word("type")),
            ("channel", channel.clone()),
            ("store-id", store_id.map(str::to_owned)),
            ("cohort", word("cohort-key")),
        ] {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                package.details.insert(key.to_owned(), text(value.as_bytes()));
            }
        }
        let flag = |key: &str| snap.get(key).and_then(Value::as_bool).unwrap_or_default();
        for (key, word) in [("classic", "classic"), ("devmode", "devmode"), ("jailmode", "strict")]
        {
            if flag(key) {
                package.details.insert("confinement".to_owned(), word.to_owned());
            }
        }
        if snap.get("active").is_some_and(|active| active == &Value::Bool(false)) {
            package.state = "disabled".to_owned();
        }
        package.origin = channel;
        package.purl = snap_purl(&package);
        packages.push(package);
    }
    Ok(packages)
}

fn snap_purl(package: &Package) -> String {
    let parts =
        Parts { name: &package.key.name, version: Some(&package.version), ..Parts::default() };
    purl("snap", parts)
}

/// `NAME_REVISION.snap`, of each snap the highest revision.
fn images(reader: &mut Reader<'_>) {
    let directory = TreePath::parse(IMAGES);
    let mut found: Vec<Package> = Vec::new();
    for (file, _) in reader.list(&directory) {
        let name = text(file.as_bytes());
        let Some((name, revision)) =
            name.strip_suffix(".snap").and_then(|name| name.rsplit_once('_'))
        else {
            continue;
        };
        let mut package =
            installed("snap", name.to_owned(), revision.to_owned(), &directory.join(&file));
        package.purl = snap_purl(&package);
        let number = |package: &Package| package.version.parse::<u64>().unwrap_or_default();
        match found.iter_mut().find(|other| other.key == package.key) {
            Some(other) if number(other) < number(&package) => *other = package,
            Some(_) => {}
            None => found.push(package),
        }
    }
    reader.records.packages.append(&mut found);
}

/// The `version` of a `snap.yaml`, which stands at the start of a line.
fn author_version(yaml: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(yaml);
    let value = text.lines().find_map(|line| line.strip_prefix("version:"))?;
    let value = value.trim().trim_matches(['\'', '"']);
    (!value.is_empty()).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    fn check(tree: &MemoryFilesystem, expected: &[&str], gaps: usize) {
        let mut records = Records::default();
        collect(&View { filesystem: tree, found: &[] }, &mut records);
        let package = |p: &Package| {
            let details: Vec<String> =
                p.details.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("{} {} {} {}", p.key, p.version, p.state, details.join(" "))
        };
        assert_eq!(records.packages.iter().map(package).collect::<Vec<_>>(), expected);
        assert_eq!(records.gaps.len(), gaps);
    }

    #[test]
    fn states_and_images() {
        let mut tree = MemoryFilesystem::new();
        check(&tree, &[], 0);
        tree.file("/var/lib/snapd/snaps/core_9.snap", "")
            .file("/var/lib/snapd/snaps/core_10.snap", "")
            .file("/var/lib/snapd/snaps/partial", "");
        check(&tree, &["core 10 installed "], 0);
        tree.file(
            STATE,
            r#"{"data":{"snaps":{
                "lxd":{"type":"app","current":"77","channel":"5.0/stable","active":true,
                    "sequence":[{"name":"lxd","snap-id":"J6","revision":"77"}]},
                "mine":{"type":"app","current":"x1","active":false,"devmode":true,"sequence":[]},
                "odd":{}}}}"#,
        )
        .file("/snap/lxd/77/meta/snap.yaml", "name: lxd\nversion: '5.0.2'\n");
        check(
            &tree,
            &[
                "lxd 77 installed channel=5.0/stable kind=app store-id=J6 version=5.0.2",
                "mine x1 disabled confinement=devmode kind=app",
            ],
            0,
        );
        tree.file(STATE, "{");
        check(&tree, &[], 1);
    }
}
