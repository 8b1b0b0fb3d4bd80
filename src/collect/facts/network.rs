//! Names and how they are looked up: hosts(5), resolv.conf(5), nsswitch.conf(5); and the rule
//! files of firewalls.
//!
//! Scopes `hosts` (the name is the key), `resolver` (the directive is), `nsswitch` (the database
//! is) and `firewall` (the file is): of rules only their number and a digest without comments and
//! white space are told, so that the same rules written in another way are no change.

use super::lines::{single_spaced, without_comment};
use super::search::glob;
use super::{Sheet, decode};
use crate::collect::{Collector, View};
use crate::model::{ContentDigest, Records};
use std::collections::BTreeMap;

/// Reads the files.
pub static COLLECTOR: Collector = Collector {
    name: "network",
    version: 1,
    summary: "hosts, resolver, name services, rule files of firewalls",
    wanted: &[],
    collect,
};

/// nftables, iptables, ufw, firewalld, awall, SUSE.
const FIREWALLS: [&str; 18] = [
    "/etc/nftables.conf",
    "/etc/nftables.nft",
    "/etc/nftables/*.nft",
    "/etc/nftables.d/*",
    "/etc/sysconfig/nftables.conf",
    "/etc/iptables/*rules*",
    "/etc/iptables.rules",
    "/etc/sysconfig/iptables",
    "/etc/sysconfig/ip6tables",
    "/etc/ufw/*.rules",
    "/etc/ufw/ufw.conf",
    "/etc/default/ufw",
    "/etc/firewalld/firewalld.conf",
    "/etc/firewalld/direct.xml",
    "/etc/firewalld/*/*.xml",
    "/etc/ferm/ferm.conf",
    "/etc/shorewall*/rules",
    "/etc/awall/*/*.json",
];

fn collect(view: &View<'_>, records: &mut Records) {
    let mut sheet = Sheet::new(view, records);
    if let Some((path, text)) = sheet.file("/etc/hosts") {
        for (name, addresses) in hosts(&text) {
            sheet.add("hosts", name, &path, &[("address", &addresses.join(" "))]);
        }
    }
    if let Some((path, text)) = sheet.file("/etc/resolv.conf") {
        for (key, values) in resolver(&text) {
            sheet.add("resolver", key, &path, &[("value", &values)]);
        }
    }
    if let Some((path, text)) = sheet.file("/etc/nsswitch.conf") {
        for line in text.lines() {
            if let Some((database, sources)) = without_comment(line).split_once(':') {
                let value = single_spaced(sources);
                sheet.add("nsswitch", database.trim(), &path, &[("value", &value)]);
            }
        }
    }
    for pattern in FIREWALLS {
        for path in glob(&mut sheet, pattern) {
            let Some(bytes) = sheet.reader.file(&path) else { continue };
            let rules = rules(&decode(&bytes));
            let digest = ContentDigest::of(rules.join("\n").as_bytes()).to_string();
            let count = rules.len().to_string();
            sheet.add(
                "firewall",
                &path.to_string(),
                &path,
                &[("rules", &count), ("digest", &digest)],
            );
        }
    }
}

/// Names with their addresses in the order of the file.
#[must_use]
pub fn hosts(text: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in text.lines() {
        let mut words = without_comment(line).split_whitespace();
        let Some(address) = words.next() else { continue };
        for name in words {
            let addresses = names.entry(name).or_default();
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
    }
    names
}

/// Directives; servers and options add up, of the others the last counts.
#[must_use]
pub fn resolver(text: &str) -> BTreeMap<&str, String> {
    let mut found: BTreeMap<&str, String> = BTreeMap::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with(['#', ';']) {
            continue;
        }
        let Some((key, value)) = line.split_once([' ', '\t']) else { continue };
        let (entry, value) = (found.entry(key).or_default(), single_spaced(value));
        if matches!(key, "nameserver" | "options" | "sortlist") && !entry.is_empty() {
            entry.push(' ');
            entry.push_str(&value);
        } else {
            *entry = value;
        }
    }
    found
}

/// Lines that say something: without comments, and without the counters of iptables-save.
#[must_use]
pub fn rules(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| {
        let line = single_spaced(line);
        match line.rsplit_once(" [") {
            Some((rule, _)) if line.starts_with(':') => rule.to_owned(),
            _ => line,
        }
    });
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::check;
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    #[test]
    fn names_and_their_services() {
        let mut tree = MemoryFilesystem::new();
        tree.file("/etc/hosts", "127.0.0.1 localhost h # c\n::1\tlocalhost\n#x y\n")
            .file(
                "/etc/resolv.conf",
                "nameserver 1.1.1.1\nnameserver 9.9.9.9\nsearch a\nsearch b\n",
            )
            .file("/etc/nsswitch.conf", "passwd:  files  systemd # c\n\n");
        check(
            &COLLECTOR,
            &tree,
            &[
                "hosts/h address=127.0.0.1 @/etc/hosts",
                "hosts/localhost address=127.0.0.1 ::1 @/etc/hosts",
                "resolver/nameserver value=1.1.1.1 9.9.9.9 @/etc/resolv.conf",
                "resolver/search value=b @/etc/resolv.conf",
                "nsswitch/passwd value=files systemd @/etc/nsswitch.conf",
            ],
            &[],
        );
    }

    #[test]
    fn rules_without_their_writing() {
        let check = |text: &str, expected: &[&str]| assert_eq!(rules(text), expected, "{text}");
        check(
            "# at 5\n*filter\n:INPUT ACCEPT [12:34]\n-A  INPUT\t-j DROP\n",
            &["*filter", ":INPUT ACCEPT", "-A INPUT -j DROP"],
        );
        let mut tree = MemoryFilesystem::new();
        tree.file("/etc/iptables/rules.v4", "#\n*filter\n");
        let digest = ContentDigest::of(b"*filter");
        let expected = format!(
            "firewall//etc/iptables/rules.v4 digest={digest} rules=1 @/etc/iptables/rules.v4"
        );
        super::super::testing::check(&COLLECTOR, &tree, &[&expected], &[]);
    }
}
