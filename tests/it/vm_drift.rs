//! Two hosts against the image that they were booted from: compared, folded and judged.

use super::ext4_journal::fixture;
use crate::support;
use driftcheck::attribute::{Collapsed, collapse};
use driftcheck::collect::COLLECTORS;
use driftcheck::compare::{Side, compare};
use driftcheck::filesystem::Filesystem;
use driftcheck::model::encoding::{EncodedTree, decode_shipped, decode_tree};
use driftcheck::model::{
    AlternateDigests, ChangeKind, ContentDigest, Disposition, ExactId, Fault, Header, JudgedChange,
    Manifest, Records, ShippedId, ShippedTree, Subject, Timestamp, Tree, TreeSource,
};
use driftcheck::policy::{Judged, Policies, judge};
use driftcheck::scan::{Keep, Options, Verify, scan};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// All that scans made, as a store would keep it.
#[derive(Default)]
pub(crate) struct Kept {
    trees: Mutex<HashMap<ExactId, Arc<Tree>>>,
    shipped: Mutex<HashMap<ShippedId, Arc<ShippedTree>>>,
    alternates: Mutex<HashMap<ContentDigest, AlternateDigests>>,
}

impl TreeSource for Kept {
    fn tree(&self, id: &ExactId) -> Result<Arc<Tree>, Fault> {
        self.trees.lock().unwrap().get(id).cloned().ok_or_else(|| Fault::damaged("no such tree"))
    }

    fn shipped(&self, id: &ShippedId) -> Result<Arc<ShippedTree>, Fault> {
        self.shipped.lock().unwrap().get(id).cloned().ok_or_else(|| Fault::damaged("no such tree"))
    }

    fn alternate_digests(&self, content: &ContentDigest) -> Result<AlternateDigests, Fault> {
        Ok(self.alternates.lock().unwrap().get(content).copied().unwrap_or_default())
    }
}

impl Kept {
    pub(crate) fn scan(
        &self,
        filesystem: &dyn Filesystem,
        name: &str,
        reference: Option<&Header>,
    ) -> Manifest {
        let tree = |tree: EncodedTree| {
            let decoded = Arc::new(decode_tree(&tree.bytes).unwrap());
            self.trees.lock().unwrap().insert(tree.exact, decoded);
        };
        let shipped = |id, bytes: Vec<u8>| {
            let decoded = Arc::new(decode_shipped(&bytes).unwrap());
            self.shipped.lock().unwrap().insert(id, decoded);
        };
        let alternates = |content, digests| {
            self.alternates.lock().unwrap().insert(content, digests);
        };
        let keep = Keep {
            tree: &tree,
            shipped: &shipped,
            alternates: &alternates,
            texts: None,
            source: self,
        };
        let options = Options {
            name: name.to_owned(),
            target: format!("disk:{name}.qcow2"),
            scanned_at: Timestamp::from_seconds(4_000_000_000),
            previous: None,
            reference,
            verify: Verify::Changed,
            collectors: COLLECTORS,
            records: Records::default(),
            leave_out: &[],
            progress: &|_| {},
        };
        scan(filesystem, options, &keep).manifest
    }
}

/// The image and a host, scanned.
pub(crate) struct Hosts {
    pub(crate) kept: Kept,
    pub(crate) golden: Manifest,
    pub(crate) current: Manifest,
}

pub(crate) fn hosts(name: &str) -> Option<Hosts> {
    let folder = TempDir::new().unwrap();
    let kept = Kept::default();
    let golden = kept.scan(&fixture(folder.path(), "golden")?, "golden", None);
    fs::remove_file(folder.path().join("golden")).unwrap();
    let current = kept.scan(&fixture(folder.path(), name)?, name, Some(&golden.header));
    Some(Hosts { kept, golden, current })
}

fn run(name: &str) -> Option<Judged> {
    let Hosts { kept, golden, current } = hosts(name)?;
    let before = Side { manifest: &golden, source: &kept };
    let after = Side { manifest: &current, source: &kept };
    let comparison = compare(&before, &after).unwrap();
    assert_eq!((&comparison.gaps, &comparison.notes), (&vec![], &vec![]));
    assert_is_truth(name, &comparison.changes);
    let Collapsed { changes, gaps } = collapse(comparison.changes, &before, &after);
    assert_eq!(gaps, []);
    let judged = judge(changes, &Policies::shipped().unwrap(), current.header.scanned_at);
    for one in &judged.findings {
        println!("{} {}", one.severity, one.title);
    }
    for one in &judged.changes {
        let owner = one.package.as_ref().map_or("-", |key| key.name.as_str());
        let (rule, note) = (one.rule.as_deref(), one.note.as_deref());
        let (rule, note) = (rule.unwrap_or("-"), note.unwrap_or("-"));
        let kind = one.change.kind.as_str();
        println!(
            "{} {kind} {} {owner} {rule}: {note}",
            one.disposition.as_str(),
            one.change.subject
        );
    }
    Some(judged)
}

/// Every path of the truth with its kind of change and its attributes, and no other.
fn assert_is_truth(name: &str, changes: &[driftcheck::model::Change]) {
    let truth = fs::read(support::fixture(&format!("vm/{name}.truth.json")).unwrap()).unwrap();
    let truth: Value = serde_json::from_slice(&truth).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut expected = BTreeMap::new();
    for change in truth["changes"].as_array().unwrap() {
        let attributes: BTreeSet<String> = change["attributes"]
            .as_array()
            .map(|names| names.iter().map(text).collect())
            .unwrap_or_default();
        expected.insert(text(&change["path"]), (text(&change["change"]), attributes));
    }
    let mut found = BTreeMap::new();
    for change in changes {
        let Subject::Path(path) = &change.subject else { continue };
        let names = change.attributes.iter().map(|one| match one.name.split(':').next().unwrap() {
            "digest" => "sha256".to_owned(),
            "xattr" => "xattrs".to_owned(),
            name => name.to_owned(),
        });
        let modified = change.kind == ChangeKind::Modified;
        let names = if modified { names.collect() } else { BTreeSet::new() };
        found.insert(path.to_string(), (change.kind.as_str().to_owned(), names));
    }
    assert_eq!(found, expected);
}

fn packages(judged: &Judged) -> Vec<String> {
    let packages = judged.changes.iter().filter_map(|one| match &one.change.subject {
        Subject::Package(key) => Some(format!("{} {}", one.change.kind.as_str(), key.name)),
        _ => None,
    });
    packages.collect()
}

/// Paths of packages that changed which are not explained.
fn residue(judged: &Judged) -> Vec<String> {
    let changed: BTreeSet<_> = judged
        .changes
        .iter()
        .filter_map(|one| match &one.change.subject {
            Subject::Package(key) => Some(key),
            _ => None,
        })
        .collect();
    let is_residue = |one: &&JudgedChange| {
        one.disposition != Disposition::Explained
            && matches!(one.change.subject, Subject::Path(_))
            && one.package.as_ref().is_some_and(|key| changed.contains(key))
    };
    let left = judged.changes.iter().filter(is_residue);
    left.map(|one| one.change.subject.to_string()).collect()
}

#[test]
fn a_customised_host() {
    let Some(judged) = run("web-01") else { return };
    assert_eq!(
        packages(&judged),
        [
            "htop",
            "jq",
            "libjq1",
            "libnl-3-200",
            "libnl-genl-3-200",
            "libonig5",
            "nginx",
            "nginx-common"
        ]
        .map(|name| format!("added {name}"))
    );
    assert_eq!(residue(&judged), [""; 0]);
    let titles: Vec<&str> = judged.findings.iter().map(|one| one.title.as_str()).collect();
    assert_eq!(titles[0], "/etc/crontab became world-writable: 0644 -> 0666");
    assert_eq!(titles[1], "setuid program added: /usr/local/bin/editor (root, 04755)");
    let inventory = "setuid or setgid program: /usr/local/bin/editor added";
    assert!(titles.iter().any(|title| title.starts_with(inventory)));
    assert!(titles.iter().take(12).any(|title| title.starts_with("sshd: PasswordAuthentication")));
}

#[test]
fn an_upgraded_host() {
    let Some(judged) = run("web-02") else { return };
    let mut expected =
        ["added jq", "added libjq1", "added libonig5", "added nginx", "added nginx-common"]
            .to_vec();
    expected.extend(["modified libssl3", "modified openssl", "modified sudo", "modified tzdata"]);
    let mut found = packages(&judged);
    found.sort();
    assert_eq!(found, expected);
    // Its mode is cloud-init's doing and not that of the upgrade of sudo, which owns it.
    assert_eq!(residue(&judged), ["/etc/sudoers.d"]);
}
