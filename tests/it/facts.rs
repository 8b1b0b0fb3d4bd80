//! Facts of the fixture's hosts: what differs from the image by meaning, and what is never said.

use super::ext4_journal::fixture;
use driftcheck::collect::facts::units;
use driftcheck::collect::{COLLECTORS, View};
use driftcheck::filesystem::Filesystem;
use driftcheck::filesystem::directory::DirectoryFilesystem;
use driftcheck::model::Records;
use std::collections::BTreeMap;
use std::path::Path;
use tempfile::TempDir;

/// `scope/key` with its attributes and evidence, of every collector that needs no walk.
fn facts(filesystem: &dyn Filesystem) -> (BTreeMap<String, String>, Vec<String>) {
    let mut records = Records::default();
    for collector in COLLECTORS {
        (collector.collect)(&View { filesystem, found: &[] }, &mut records);
    }
    let mut found = BTreeMap::new();
    for fact in &records.facts {
        let attributes: Vec<String> =
            fact.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let path = fact.evidence.as_ref().map(ToString::to_string).unwrap_or_default();
        let key = format!("{}/{}", fact.scope, fact.key);
        let is_new =
            found.insert(key.clone(), format!("{} @{path}", attributes.join(" "))).is_none();
        assert!(is_new, "{key} is there twice");
    }
    let gaps = records.gaps.iter().map(|gap| format!("{} {}", gap.path, gap.reason)).collect();
    (found, gaps)
}

#[test]
fn a_customised_host_differs_by_meaning() {
    let folder = TempDir::new().unwrap();
    let Some(golden) = fixture(folder.path(), "golden") else { return };
    let (golden, gaps) = facts(&golden);
    assert_eq!(gaps, [""; 0]);
    let Some(current) = fixture(folder.path(), "web-01") else { return };
    let (current, gaps) = facts(&current);
    assert_eq!(gaps, [""; 0]);
    let mut changes = BTreeMap::new();
    for (key, value) in &current {
        match golden.get(key) {
            Some(before) if before == value => {}
            Some(before) => drop(changes.insert(key.as_str(), format!("{before} -> {value}"))),
            None => drop(changes.insert(key.as_str(), format!("+ {value}"))),
        }
    }
    for (key, before) in &golden {
        if !current.contains_key(key) {
            changes.insert(key, format!("- {before}"));
        }
    }
    for (key, change) in &changes {
        println!("{key}: {change}");
    }
    let expected = [
        ("users/deploy", "uid="),
        ("users/debian", "uid="),
        ("users/app", "uid="),
        ("groups/deploy", "gid="),
        ("logins/deploy", "login="),
        ("sudoers/deploy", "@/etc/sudoers.d/90-cloud-init-users"),
        ("sshd/PasswordAuthentication", "value="),
        ("system/timezone", "-> zone="),
        ("system/hostname", "name=web-01"),
        ("units/app.service", "state=enabled"),
        ("units/nginx.service", "state=enabled"),
    ];
    for (key, part) in expected {
        let change = changes.get(key).unwrap_or_else(|| panic!("{key} did not change"));
        assert!(change.contains(part), "{key}: {change}");
    }
    let any = |scope: &str, path: &str| {
        let mut changes = changes.iter();
        changes.any(|(key, change)| key.starts_with(scope) && change.contains(path))
    };
    assert!(any("sysctl/", "@/etc/sysctl.d/99-app.conf"));
    assert!(any("cron/root: ", "@/var/spool/cron/crontabs/root"));
    assert!(any("ssh-host-keys/", "fingerprint=SHA256:"));
}

#[test]
fn no_hash_of_a_password_is_told() {
    let folder = TempDir::new().unwrap();
    let Some(current) = fixture(folder.path(), "web-01") else { return };
    for (key, value) in facts(&current).0 {
        let is_hash = ["$y$", "$6$", "$5$", "$1$", "$2b$"].iter().any(|mark| value.contains(mark));
        assert!(!is_hash, "{key}");
    }
}

/// What systemctl says of this host's unit files; it runs on the files alone.
#[test]
fn states_of_units_are_those_of_systemctl() {
    let listing = std::process::Command::new("systemctl")
        .args(["--root=/", "list-unit-files", "--no-legend", "--plain", "--no-pager"])
        .output();
    let listing = match listing {
        Ok(output) if output.status.success() => String::from_utf8(output.stdout).unwrap(),
        Ok(output) => return println!("skipped: systemctl: {}", output.status),
        Err(error) => return println!("skipped: systemctl: {error}"),
    };
    let filesystem = DirectoryFilesystem::open(Path::new("/")).unwrap();
    let mut records = Records::default();
    (units::COLLECTOR.collect)(&View { filesystem: &filesystem, found: &[] }, &mut records);
    let ours: BTreeMap<&str, &str> = records
        .facts
        .iter()
        .filter(|fact| fact.scope == "units")
        .filter_map(|fact| Some((fact.key.as_str(), fact.attributes.get("state")?.as_str())))
        .collect();
    let mut wrong = Vec::new();
    for line in listing.lines() {
        let mut words = line.split_whitespace();
        let (Some(unit), Some(state)) = (words.next(), words.next()) else { continue };
        // Of a running system, not of its files.
        if ["generated", "transient", "enabled-runtime", "masked-runtime"].contains(&state) {
            continue;
        }
        let own = ours.get(unit).copied().unwrap_or("-");
        if own != state {
            wrong.push(format!("{unit}: {own}, systemctl: {state}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
