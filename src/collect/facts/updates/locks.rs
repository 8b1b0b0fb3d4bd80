//! What keeps packages as they are: apt's preferences, version locks and excludes of yum and dnf,
//! streams of dnf's modules, locks of zypper, apk's world, pacman's ignore lists.
//!
//! Held packages of dpkg are states of these packages. Scope `package-pins`; the key is the pin as
//! its manager writes it, for two of them may name one package. Formats: apt_preferences(5),
//! dnf-versionlock(8), dnf.conf(5), dnf.modularity(7), zypper(8), apk-world(5), pacman.conf(5).

use crate::collect::View;
use crate::collect::facts::lines::Skipped;
use crate::collect::facts::{Sheet, decode, ini};
use crate::collect::packages::{deb822, folded};
use crate::collect::reader::below;
use crate::model::{Fault, Records, TreePath};
use serde::Deserialize;

const SCOPE: &str = "package-pins";

pub(super) fn collect(view: &View<'_>, records: &mut Records) {
    let mut sheet = Sheet::new(view, records);
    apt_preferences(&mut sheet);
    yum(&mut sheet);
    dnf5(&mut sheet);
    zypper(&mut sheet);
    if let Some((path, text)) = sheet.file("/etc/apk/world") {
        for word in text.split_whitespace().filter(|word| is_constrained(word)) {
            add(&mut sheet, "apk", word, &path, &[]);
        }
    }
    if let Some((path, text)) = sheet.file("/etc/pacman.conf") {
        for section in ini::parse(text.as_bytes()) {
            for (key, prefix) in [("IgnorePkg", ""), ("IgnoreGroup", "group ")] {
                for word in section.all(key).split_whitespace() {
                    add(&mut sheet, "pacman", &format!("{prefix}{word}"), &path, &[]);
                }
            }
        }
    }
}

fn add(sheet: &mut Sheet<'_>, manager: &str, key: &str, path: &TreePath, more: &[(&str, String)]) {
    let mut attributes = vec![("manager", manager)];
    attributes.extend(more.iter().map(|(name, value)| (*name, value.as_str())));
    sheet.add(SCOPE, key, path, &attributes);
}

fn apt_preferences(sheet: &mut Sheet<'_>) {
    let apt = TreePath::parse("/etc/apt");
    let directory = below(&apt, "preferences.d");
    let mut paths = vec![below(&apt, "preferences")];
    for (name, _) in sheet.reader.list(&directory) {
        let is_read = name.as_bytes().ends_with(b".pref") || !name.as_bytes().contains(&b'.');
        if is_read {
            paths.push(directory.join(&name));
        }
    }
    for path in paths {
        let Some(bytes) = sheet.reader.file(&path) else { continue };
        let (stanzas, damages) = deb822::parse(&bytes);
        sheet.skipped(SCOPE, &path, &Skipped::of_stanzas(&decode(&bytes), &damages));
        for stanza in stanzas {
            let field = |name: &str| stanza.get(name).map(folded).unwrap_or_default();
            let pin = field("Pin");
            let packages = field("Package");
            if !packages.is_empty() && !pin.is_empty() {
                let priority = [("priority", field("Pin-Priority"))];
                add(sheet, "apt", &format!("{packages} {pin}"), &path, &priority);
            }
        }
    }
}

/// Locks one a line, excludes of all repositories, and the streams that modules are kept on.
fn yum(sheet: &mut Sheet<'_>) {
    for path in ["/etc/dnf/plugins/versionlock.list", "/etc/yum/pluginconf.d/versionlock.list"] {
        let Some((path, text)) = sheet.file(path) else { continue };
        let lines = text.lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            add(sheet, "dnf", line, &path, &[]);
        }
    }
    for path in ["/etc/dnf/dnf.conf", "/etc/yum.conf"] {
        let Some((path, text)) = sheet.file(path) else { continue };
        for section in ini::parse(text.as_bytes()).iter().filter(|one| one.name == "main") {
            let words = format!("{} {}", section.all("exclude"), section.all("excludepkgs"));
            for word in words.split([' ', ',']).filter(|word| !word.is_empty()) {
                add(sheet, "dnf", &format!("exclude {word}"), &path, &[]);
            }
        }
    }
    let modules = TreePath::parse("/etc/dnf/modules.d");
    for (name, node) in sheet.reader.list(&modules) {
        let path = modules.join(&name);
        if !name.as_bytes().ends_with(b".module") {
            continue;
        }
        let bytes = sheet.reader.node(&path, &node).unwrap_or_default();
        for section in ini::parse(decode(&bytes).as_bytes()) {
            let value = |name| section.get(name).unwrap_or_default().to_owned();
            let more = ["stream", "state", "profiles"].map(|name| (name, value(name)));
            add(sheet, "dnf", &format!("module {}", section.name), &path, &more);
        }
    }
}

/// dnf 5's `versionlock.toml`.
#[derive(Deserialize)]
struct VersionLocks {
    #[serde(default)]
    packages: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Deserialize)]
struct Condition {
    key: String,
    comparator: String,
    value: String,
}

fn dnf5(sheet: &mut Sheet<'_>) {
    let Some((path, text)) = sheet.file("/etc/dnf/versionlock.toml") else { return };
    let locks = toml::from_str::<VersionLocks>(&text).map(Some).map_err(Fault::damaged);
    let Some(locks) = sheet.reader.keep(&path, locks) else { return };
    for one in locks.packages {
        let conditions = one.conditions.iter();
        let conditions: Vec<String> =
            conditions.map(|c| format!("{} {} {}", c.key, c.comparator, c.value)).collect();
        let more = [("conditions", conditions.join(", "))];
        add(sheet, "dnf", &one.name, &path, &more);
    }
}

/// `key: value` lines, an empty line between two locks; what is locked may stand several times.
fn zypper(sheet: &mut Sheet<'_>) {
    let Some((path, text)) = sheet.file("/etc/zypp/locks") else { return };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    for lock in lines.split(|line| line.is_empty()) {
        let all = |name: &str| {
            let lines = lock.iter().filter_map(|line| line.split_once(':'));
            let values = lines.filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim());
            values.collect::<Vec<_>>().join(" ")
        };
        let names = [all("solvable_name"), all("query_string")];
        let names = names.iter().filter(|names| !names.is_empty()).cloned().collect::<Vec<_>>();
        if !names.is_empty() {
            let more = [
                ("type", all("type")),
                ("match", all("match_type")),
                ("version", all("version")),
                ("architecture", all("solvable_arch")),
                ("repository", all("repo")),
            ];
            add(sheet, "zypper", &names.join(" "), &path, &more);
        }
    }
}

/// Whether an entry of apk's world says more than that a package is wanted: a version, a
/// repository, or that it is not to be there.
fn is_constrained(word: &str) -> bool {
    word.starts_with('!') || word.contains(['=', '<', '>', '~', '@'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::Collector;
    use crate::collect::facts::testing;
    use crate::filesystem::memory::MemoryFilesystem;

    const ALONE: Collector = Collector { name: "", version: 1, summary: "", wanted: &[], collect };

    fn check(path: &str, bytes: &str, expected: &[&str]) {
        let mut tree = MemoryFilesystem::new();
        tree.file(path, bytes);
        let expected: Vec<String> =
            expected.iter().map(|one| format!("package-pins/{one} @{path}")).collect();
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        testing::check(&ALONE, &tree, &expected, &[]);
    }

    #[test]
    fn pins_of_every_manager() {
        check(
            "/etc/apt/preferences.d/nginx",
            "Explanation: x\nPackage: nginx*\nPin: version 1.22.*\nPin-Priority: 1001\n",
            &["nginx* version 1.22.* manager=apt priority=1001"],
        );
        check(
            "/etc/dnf/plugins/versionlock.list",
            "# c\nkernel-0:5.14.0-1.*\nkernel-0:5.14.0-1.*\n",
            &["kernel-0:5.14.0-1.* manager=dnf", "kernel-0:5.14.0-1.* #2 manager=dnf"],
        );
        check(
            "/etc/dnf/versionlock.toml",
            "version = \"1.0\"\n[[packages]]\nname = \"bash\"\ncomment = \"c\"\n\
             [[packages.conditions]]\nkey = \"evr\"\ncomparator = \"=\"\nvalue = \"0:5.1-6\"\n",
            &["bash conditions=evr = 0:5.1-6 manager=dnf"],
        );
        check(
            "/etc/dnf/dnf.conf",
            "[main]\nexcludepkgs=foo,bar*\nbest=True\n",
            &["exclude foo manager=dnf", "exclude bar* manager=dnf"],
        );
        check(
            "/etc/dnf/modules.d/nodejs.module",
            "[nodejs]\nname=nodejs\nstream=18\nprofiles=common\nstate=enabled\n",
            &["module nodejs manager=dnf profiles=common state=enabled stream=18"],
        );
        check(
            "/etc/zypp/locks",
            "\ntype: package\nmatch_type: glob\ncase_sensitive: on\nsolvable_name: kernel-*\n\n\
             type: patch\nquery_string: x\n\n",
            &["kernel-* manager=zypper match=glob type=package", "x manager=zypper type=patch"],
        );
        check(
            "/etc/apk/world",
            "alpine-base\nnginx=1.24.0-r14\nphp82~8.2\nfoo@edge\n!bar\n",
            &[
                "nginx=1.24.0-r14 manager=apk",
                "php82~8.2 manager=apk",
                "foo@edge manager=apk",
                "!bar manager=apk",
            ],
        );
        check(
            "/etc/pacman.conf",
            "[options]\nIgnorePkg = linux glibc\nIgnoreGroup = gnome\n",
            &["linux manager=pacman", "glibc manager=pacman", "group gnome manager=pacman"],
        );
    }

    #[test]
    fn a_damaged_list_of_locks_is_a_gap() {
        let mut tree = MemoryFilesystem::new();
        tree.file("/etc/dnf/versionlock.toml", "packages = 1");
        let mut records = Records::default();
        collect(&View { filesystem: &tree, found: &[] }, &mut records);
        assert_eq!((records.facts.len(), records.gaps.len()), (0, 1));
    }
}
