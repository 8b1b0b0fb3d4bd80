//! Where a system takes its packages from: apt, dnf, yum, zypper, apk, pacman, opkg and flatpak, with
//! whether a source is a dated snapshot, and the fingerprints of the keys that are trusted.
//!
//! Formats: sources.list(5) in both forms, dnf.conf(5), apk-repositories(5), pacman.conf(5). User
//! names and passwords in addresses are left out.

use super::lines::Skipped;
use super::{SKIPPED, decode, fact, ini};
use crate::collect::openpgp;
use crate::collect::packages::deb822;
use crate::collect::packages::text;
use crate::collect::reader::Reader;
use crate::collect::{Collector, View};
use crate::model::{Fact, Name, Records, Stage, TreePath};
use std::collections::{BTreeMap, BTreeSet};

/// Reads the package sources.
pub static COLLECTOR: Collector = Collector {
    name: "repositories",
    version: 2,
    summary: "package sources, dated snapshots among them, and trusted keys",
    wanted: &[],
    collect,
};

/// Keyrings have some 100 KB.
const MAX_SIZE: u64 = 8 * 1024 * 1024;

/// Where trusted keys lie, as OpenPGP or PEM.
const KEY_DIRECTORIES: [&str; 8] = [
    "/etc/apt",
    "/etc/apt/trusted.gpg.d",
    "/etc/apt/keyrings",
    "/usr/share/keyrings",
    "/etc/pki/rpm-gpg",
    "/etc/apk/keys",
    "/usr/share/pacman/keyrings",
    "/var/lib/flatpak/repo",
];

fn collect(view: &View<'_>, records: &mut Records) {
    let mut reader = Reader::new(view, records, Stage::Facts, MAX_SIZE);
    let mut found = BTreeMap::new();
    if let Some(bytes) = reader.file(&TreePath::parse("/etc/apt/sources.list")) {
        let lines = one_line(&bytes);
        add(&mut found, lines, &TreePath::parse("/etc/apt/sources.list"));
    }
    for (name, path, bytes) in files(&mut reader, "/etc/apt/sources.list.d") {
        if name.as_bytes().ends_with(b".list") {
            add(&mut found, one_line(&bytes), &path);
        } else if name.as_bytes().ends_with(b".sources") {
            let (sources, damages) = deb822_sources(&bytes);
            add(&mut found, sources, &path);
            let skipped = Skipped::of_stanzas(&decode(&bytes), &damages);
            let malformed = skipped.attributes().map(BTreeMap::from);
            let key = format!("{SKIPPED}{path}");
            add(
                &mut found,
                malformed.map(|attributes| (key, attributes)).into_iter().collect(),
                &path,
            );
        }
    }
    for (manager, directory) in [
        ("dnf", "/etc/yum.repos.d"),
        ("dnf", "/etc/distro.repos.d"),
        ("zypper", "/etc/zypp/repos.d"),
    ] {
        for (name, path, bytes) in files(&mut reader, directory) {
            if name.as_bytes().ends_with(b".repo") {
                add(&mut found, repo_sections(manager, &bytes), &path);
            }
        }
    }
    let alpine = TreePath::parse("/etc/apk/repositories");
    if let Some(bytes) = reader.file(&alpine) {
        add(&mut found, apk_lines(&bytes), &alpine);
    }
    let arch = TreePath::parse("/etc/pacman.conf");
    if let Some(bytes) = reader.file(&arch) {
        let mut included = |path: &str| reader.file(&TreePath::parse(path)).unwrap_or_default();
        let sources = pacman_sections(&bytes, &mut included);
        add(&mut found, sources, &arch);
    }
    let flatpak = TreePath::parse("/var/lib/flatpak/repo/config");
    if let Some(bytes) = reader.file(&flatpak) {
        add(&mut found, flatpak_remotes(&bytes), &flatpak);
    }
    let mut feeds = files(&mut reader, "/etc/opkg");
    let opkg = TreePath::parse("/etc/opkg.conf");
    if let (Some(bytes), Some(name)) = (reader.file(&opkg), Name::new(b"opkg.conf")) {
        feeds.push((name, opkg, bytes));
    }
    for (name, path, bytes) in feeds {
        if name.as_bytes().ends_with(b".conf") {
            add(&mut found, opkg_lines(&bytes), &path);
        }
    }
    reader.records.facts.extend(found.into_values());
    keys(&mut reader);
}

/// Regular files of a directory, with their names and bytes.
fn files(reader: &mut Reader<'_>, directory: &str) -> Vec<(Name, TreePath, Vec<u8>)> {
    let directory = TreePath::parse(directory);
    let mut files = Vec::new();
    for (name, _) in reader.list(&directory) {
        let path = directory.join(&name);
        if let Some(bytes) = reader.file(&path) {
            files.push((name, path, bytes));
        }
    }
    files
}

/// One source: a key, and what is said of it.
type Source = (String, BTreeMap<&'static str, String>);

/// A source that is named twice is one, with the words of both.
fn add(found: &mut BTreeMap<String, Fact>, sources: Vec<Source>, evidence: &TreePath) {
    for (key, attributes) in sources {
        match found.get_mut(&key) {
            Some(fact) => {
                for (name, value) in attributes {
                    if value.is_empty() {
                        continue;
                    }
                    let own = fact.attributes.entry(name.to_owned()).or_default();
                    let words: BTreeSet<&str> = own
                        .split_ascii_whitespace()
                        .chain(value.split_ascii_whitespace())
                        .collect();
                    *own = words.into_iter().collect::<Vec<_>>().join(" ");
                }
            }
            None => {
                let one = fact("repositories", key.clone(), attributes, evidence);
                found.insert(key, one);
            }
        }
    }
}

/// `deb [option=value …] URI SUITE COMPONENT…`
fn one_line(bytes: &[u8]) -> Vec<Source> {
    let whole = String::from_utf8_lossy(bytes);
    let line = |line: &str| -> Option<Source> {
        let line = line.split('#').next()?.trim();
        let (kind, rest) = line.split_once(char::is_whitespace)?;
        if !matches!(kind, "deb" | "deb-src") {
            return None;
        }
        let rest = rest.trim_start();
        let (options, rest) = match rest.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?,
            None => ("", rest),
        };
        let rest = rest.trim_start();
        // The name of a medium has blanks in it: `cdrom:[Debian 12 _Bookworm_]/`.
        let medium = rest.strip_prefix("cdrom:[").and_then(|rest| rest.find(']'));
        let length = medium.map_or(0, |end| end.saturating_add("cdrom:[]".len()));
        let (medium, rest) = rest.split_at_checked(length)?;
        let (place, rest) = rest.split_once(char::is_whitespace)?;
        let uri = &format!("{medium}{place}");
        let mut words = rest.split_ascii_whitespace();
        let suite = words.next()?;
        let components: Vec<&str> = words.collect();
        let options: Vec<(&str, &str)> =
            options.split_ascii_whitespace().filter_map(|option| option.split_once('=')).collect();
        Some(apt_source(kind, uri, suite, &components.join(" "), &options))
    };
    whole.lines().filter_map(line).collect()
}

fn apt_source(
    kind: &str,
    uri: &str,
    suite: &str,
    components: &str,
    options: &[(&str, &str)],
) -> Source {
    let uri = without_secrets(uri);
    let mut components: Vec<&str> = components.split_ascii_whitespace().collect();
    components.sort_unstable();
    let option = |name: &str| {
        let found = options.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| (*value).to_owned()).unwrap_or_default()
    };
    let snapshot = match option("snapshot") {
        empty if empty.is_empty() => snapshot_of(&uri),
        snapshot => snapshot,
    };
    let attributes = BTreeMap::from([
        ("manager", "apt".to_owned()),
        ("uri", uri.clone()),
        ("suite", suite.to_owned()),
        ("components", components.join(" ")),
        ("architectures", option("arch") + &option("architectures")),
        ("signed-by", option("signed-by")),
        ("trusted", option("trusted")),
        ("check-valid-until", option("check-valid-until")),
        ("snapshot", snapshot),
        ("enabled", option("enabled")),
    ]);
    (format!("{kind} {uri} {suite}"), attributes)
}

/// The `.sources` form: every type with every address and suite.
fn deb822_sources(bytes: &[u8]) -> (Vec<Source>, Vec<deb822::Damage>) {
    let (stanzas, damages) = deb822::parse(bytes);
    let mut sources = Vec::new();
    for stanza in &stanzas {
        let field =
            |name: &str| stanza.get(name).map(|value| String::from_utf8_lossy(value).into_owned());
        let signed_by = field("Signed-By").unwrap_or_default();
        // A key may stand in the file itself.
        let signed_by = if signed_by.contains("-----BEGIN") {
            let plain = signed_by.lines().map(|line| match line.trim() {
                "." => "",
                line => line,
            });
            let block = plain.collect::<Vec<_>>().join("\n");
            openpgp::fingerprints(block.as_bytes()).join(" ")
        } else {
            signed_by.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
        };
        let values = [
            ("signed-by", signed_by),
            ("trusted", field("Trusted").unwrap_or_default()),
            ("architectures", field("Architectures").unwrap_or_default()),
            ("check-valid-until", field("Check-Valid-Until").unwrap_or_default()),
            ("snapshot", field("Snapshot").unwrap_or_default()),
            ("enabled", field("Enabled").unwrap_or_default()),
        ];
        let options: Vec<(&str, &str)> =
            values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let components = field("Components").unwrap_or_default();
        let [types, uris, suites] =
            ["Types", "URIs", "Suites"].map(|name| field(name).unwrap_or_default());
        for kind in types.split_ascii_whitespace() {
            for uri in uris.split_ascii_whitespace() {
                for suite in suites.split_ascii_whitespace() {
                    if sources.len() < MAX_SOURCES {
                        sources.push(apt_source(kind, uri, suite, &components, &options));
                    }
                }
            }
        }
    }
    (sources, damages)
}

/// Of one file: three short lists multiply.
const MAX_SOURCES: usize = 10_000;

fn repo_sections(manager: &'static str, bytes: &[u8]) -> Vec<Source> {
    let section = |section: &ini::Section| {
        let addresses = |key: &str| {
            let value = section.get(key).unwrap_or_default();
            let words = value.split([' ', ',']).filter(|word| !word.is_empty());
            words.map(without_secrets).collect::<Vec<_>>().join(" ")
        };
        let plain = |key: &str| section.get(key).unwrap_or_default().to_owned();
        let uri = addresses("baseurl");
        let attributes = BTreeMap::from([
            ("manager", manager.to_owned()),
            ("snapshot", snapshot_of(&uri)),
            ("uri", uri),
            ("mirrorlist", addresses("mirrorlist")),
            ("metalink", addresses("metalink")),
            ("enabled", plain("enabled")),
            ("gpgcheck", plain("gpgcheck")),
            ("repo-gpgcheck", plain("repo_gpgcheck")),
            ("gpgkey", addresses("gpgkey")),
            ("sslverify", plain("sslverify")),
            ("priority", plain("priority")),
            ("exclude", [plain("exclude"), plain("excludepkgs")].concat()),
        ]);
        (format!("{manager} {}", section.name), attributes)
    };
    let sections = ini::parse(bytes);
    let named = sections.iter().filter(|section| !matches!(section.name.as_str(), "" | "main"));
    named.map(section).collect()
}

/// `[@tag] URL` a line.
fn apk_lines(bytes: &[u8]) -> Vec<Source> {
    let whole = String::from_utf8_lossy(bytes);
    let line = |line: &str| -> Option<Source> {
        let line = line.trim();
        let (tag, uri) = match line.strip_prefix('@') {
            Some(rest) => rest.split_once(char::is_whitespace)?,
            None => ("", line),
        };
        let uri = without_secrets(uri.trim());
        let is_comment = uri.is_empty() || uri.starts_with('#');
        let attributes = BTreeMap::from([
            ("manager", "apk".to_owned()),
            ("tag", tag.to_owned()),
            ("snapshot", snapshot_of(&uri)),
            ("uri", uri.clone()),
        ]);
        (!is_comment).then(|| (format!("apk {uri}"), attributes))
    };
    whole.lines().filter_map(line).collect()
}

/// `src/gz NAME URL` a line.
fn opkg_lines(bytes: &[u8]) -> Vec<Source> {
    let whole = String::from_utf8_lossy(bytes);
    let line = |line: &str| -> Option<Source> {
        let mut words = line.split_ascii_whitespace();
        let kind = words.next().filter(|word| matches!(*word, "src" | "src/gz"))?;
        let (name, uri) = (text(words.next()?.as_bytes()), without_secrets(words.next()?));
        let attributes = BTreeMap::from([
            ("manager", "opkg".to_owned()),
            ("snapshot", snapshot_of(&uri)),
            ("uri", uri),
            ("format", kind.to_owned()),
        ]);
        Some((format!("opkg {name}"), attributes))
    };
    whole.lines().filter_map(line).collect()
}

/// `[remote "NAME"]` sections of an OSTree repository's configuration.
fn flatpak_remotes(bytes: &[u8]) -> Vec<Source> {
    let remote = |section: &ini::Section| {
        let name = section.name.strip_prefix("remote \"")?.strip_suffix('"')?;
        let plain = |key: &str| section.get(key).unwrap_or_default().to_owned();
        let attributes = BTreeMap::from([
            ("manager", "flatpak".to_owned()),
            ("uri", without_secrets(&plain("url"))),
            ("gpgcheck", plain("gpg-verify")),
            ("repo-gpgcheck", plain("gpg-verify-summary")),
            ("disabled", plain("xa.disable")),
        ]);
        Some((format!("flatpak {}", text(name.as_bytes())), attributes))
    };
    ini::parse(bytes).iter().filter_map(remote).collect()
}

/// Files that one section may include; Arch has one.
const MAX_INCLUDES: usize = 8;

/// Repositories, with the servers of the mirror lists that they include.
fn pacman_sections(bytes: &[u8], included: &mut dyn FnMut(&str) -> Vec<u8>) -> Vec<Source> {
    let section = |section: &ini::Section| {
        let mut servers = section.all("Server");
        for path in section.all("Include").split_ascii_whitespace().take(MAX_INCLUDES) {
            for list in ini::parse(&included(path)) {
                servers.push(' ');
                servers.push_str(&list.all("Server"));
            }
        }
        let uri = servers.split_ascii_whitespace().map(without_secrets).collect::<Vec<_>>();
        let uri = uri.join(" ");
        let attributes = BTreeMap::from([
            ("manager", "pacman".to_owned()),
            ("snapshot", snapshot_of(&uri)),
            ("uri", uri),
            ("include", section.all("Include")),
            ("signature-level", section.all("SigLevel")),
        ]);
        (format!("pacman {}", section.name), attributes)
    };
    let sections = ini::parse(bytes);
    let named = sections.iter().filter(|section| !matches!(section.name.as_str(), "" | "options"));
    named.map(section).collect()
}

/// Parameters by which mirror lists of Fedora, Rocky and their like name a repository.
const PLAIN_PARAMETERS: [&str; 6] = ["arch", "country", "infra", "release", "repo", "version"];

/// An address without `user:password@` and without parameters that may be secret.
pub fn without_secrets(uri: &str) -> String {
    let Some((scheme, rest)) = uri.split_once("://") else { return text(uri.as_bytes()) };
    let (host, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, ""),
    };
    let host = host.rsplit('@').next().unwrap_or(host);
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    // Anything else that follows a question mark may be a token.
    let is_plain = |word: &&str| {
        word.split_once('=').is_some_and(|(name, _)| PLAIN_PARAMETERS.contains(&name))
    };
    let query = query.split('&').filter(is_plain).collect::<Vec<_>>().join("&");
    let mark = if query.is_empty() { "" } else { "?" };
    text(format!("{scheme}://{host}{path}{mark}{query}").as_bytes())
}

/// The day that an address names: eight digits in a row that are a date, or YYYY/MM/DD.
fn snapshot_of(uri: &str) -> String {
    let path = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let parts: Vec<&str> = path.split('/').collect();
    let digits =
        |part: &str, count: usize| part.len() == count && part.bytes().all(|b| b.is_ascii_digit());
    let by_day = parts.windows(3).find_map(|window| match window {
        [year, month, day] if digits(year, 4) && digits(month, 2) && digits(day, 2) => {
            is_date(year, month, day).then(|| format!("{year}{month}{day}"))
        }
        _ => None,
    });
    let in_word = || {
        parts.iter().flat_map(|part| part.split(['-', '_', '.'])).find_map(|word| {
            let (date, rest) = word.split_at_checked(8)?;
            let rest_fits = rest.is_empty() || rest.starts_with(['T', 't']);
            let fits = digits(date, 8)
                && rest_fits
                && is_date(date.get(..4)?, date.get(4..6)?, date.get(6..)?);
            fits.then(|| word.to_owned())
        })
    };
    by_day.or_else(in_word).unwrap_or_default()
}

fn is_date(year: &str, month: &str, day: &str) -> bool {
    let within = |text: &str, low: u32, high: u32| {
        text.parse::<u32>().is_ok_and(|number| (low..=high).contains(&number))
    };
    within(year, 1990, 2100) && within(month, 1, 12) && within(day, 1, 31)
}

fn keys(reader: &mut Reader<'_>) {
    for directory in KEY_DIRECTORIES {
        for (name, path, bytes) in files(reader, directory) {
            let ends = [".gpg", ".asc", ".pgp", ".pub", ".rsa.pub"];
            let is_key = directory != "/etc/apt" || name.as_bytes() == b"trusted.gpg";
            let plain = name.to_string();
            // Fedora's have no ending.
            let is_named =
                directory == "/etc/pki/rpm-gpg" || ends.iter().any(|e| plain.ends_with(e));
            if !is_key || !is_named {
                continue;
            }
            let mut fingerprints = openpgp::fingerprints(&bytes);
            fingerprints.sort_unstable();
            if !fingerprints.is_empty() {
                let attributes = [("fingerprints", fingerprints.join(" "))];
                let one = fact("repository-keys", path.to_string(), attributes, &path);
                reader.records.facts.push(one);
            } else if bytes.starts_with(b"-----BEGIN PUBLIC KEY-----") {
                let digest = blake3::hash(&bytes).to_hex().to_string();
                let attributes = [("blake3", digest)];
                let one = fact("repository-keys", path.to_string(), attributes, &path);
                reader.records.facts.push(one);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::of_file;
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    fn check(path: &str, bytes: &str, expected: &[&str]) {
        let found = of_file(collect, path, bytes).into_iter();
        let shown = found.map(|[_, key, values]| format!("{key}: {values}"));
        assert_eq!(shown.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn apt_in_both_forms() {
        check(
            "/etc/apt/sources.list",
            "# deb http://no x\ndeb [signed-by=/k.gpg trusted=yes] https://u:p@h/debian bookworm main\n\
             deb https://h/debian bookworm contrib # more\ndeb file:/mnt/repo ./\n",
            &[
                "deb file:/mnt/repo ./: manager=apt; suite=./; uri=file:/mnt/repo",
                "deb https://h/debian bookworm: components=contrib main; manager=apt; \
                 signed-by=/k.gpg; suite=bookworm; trusted=yes; uri=https://h/debian",
            ],
        );
        check(
            "/etc/apt/sources.list.d/a.sources",
            "Types: deb deb-src\nURIs: http://snapshot.debian.org/archive/debian/20230501T024743Z/\n\
             Suites: sid\nComponents: main\nEnabled: no\n",
            &[
                "deb http://snapshot.debian.org/archive/debian/20230501T024743Z/ sid: \
                 components=main; enabled=no; manager=apt; snapshot=20230501T024743Z; suite=sid; \
                 uri=http://snapshot.debian.org/archive/debian/20230501T024743Z/",
                "deb-src http://snapshot.debian.org/archive/debian/20230501T024743Z/ sid: \
                 components=main; enabled=no; manager=apt; snapshot=20230501T024743Z; suite=sid; \
                 uri=http://snapshot.debian.org/archive/debian/20230501T024743Z/",
            ],
        );
    }

    #[test]
    fn other_managers() {
        check(
            "/etc/yum.repos.d/x.repo",
            "[base]\nbaseurl=http://u@h/$releasever/?token=1\ngpgcheck=0\npassword=p\n",
            &["dnf base: gpgcheck=0; manager=dnf; uri=http://h/$releasever/"],
        );
        check(
            "/etc/apk/repositories",
            "#http://no\nhttp://h/v3.16/main\n@edge http://h/edge/main\n",
            &[
                "apk http://h/edge/main: manager=apk; tag=edge; uri=http://h/edge/main",
                "apk http://h/v3.16/main: manager=apk; uri=http://h/v3.16/main",
            ],
        );
        check(
            "/etc/pacman.conf",
            "[options]\nHoldPkg = pacman\n[core]\nServer = https://archive.archlinux.org/repos/2023/01/31/$repo/os/$arch\n",
            &["pacman core: manager=pacman; snapshot=20230131; \
               uri=https://archive.archlinux.org/repos/2023/01/31/$repo/os/$arch"],
        );
    }

    #[test]
    fn managers_with_lists_of_their_own() {
        check(
            "/etc/yum.repos.d/x.repo",
            "[b]\nmirrorlist=https://h/list?arch=$basearch&token=1&repo=b-9\n",
            &["dnf b: manager=dnf; mirrorlist=https://h/list?arch=$basearch&repo=b-9"],
        );
        check(
            "/etc/apt/sources.list",
            "deb cdrom:[Debian 12 _B_ - amd64]/ bookworm main\n",
            &["deb cdrom:[Debian 12 _B_ - amd64]/ bookworm: components=main; manager=apt; \
               suite=bookworm; uri=cdrom:[Debian 12 _B_ - amd64]/"],
        );
        check(
            "/etc/opkg/distfeeds.conf",
            "# c\nsrc/gz core https://u:p@h/23.05/targets/x86\ndest root /\n",
            &["opkg core: format=src/gz; manager=opkg; uri=https://h/23.05/targets/x86"],
        );
        check(
            "/var/lib/flatpak/repo/config",
            "[core]\nmode=bare\n[remote \"hub\"]\nurl=https://h/repo/\ngpg-verify=true\n",
            &["flatpak hub: gpgcheck=true; manager=flatpak; uri=https://h/repo/"],
        );
    }

    #[test]
    fn servers_of_a_mirror_list() {
        let mut tree = MemoryFilesystem::new();
        let list = "#Server = http://no\nServer = https://h/repos/2024/05/01/$repo\n";
        tree.file("/etc/pacman.conf", "[core]\nInclude = /etc/pacman.d/mirrorlist\n")
            .file("/etc/pacman.d/mirrorlist", list);
        super::super::testing::check(
            &COLLECTOR,
            &tree,
            &["repositories/pacman core include=/etc/pacman.d/mirrorlist manager=pacman \
               snapshot=20240501 uri=https://h/repos/2024/05/01/$repo @/etc/pacman.conf"],
            &[],
        );
    }

    #[test]
    fn dates_in_addresses() {
        let check = |uri: &str, expected: &str| assert_eq!(snapshot_of(uri), expected, "{uri}");
        check("http://h/ubuntu/20240301T000000Z", "20240301T000000Z");
        check("http://h/repo-20240301/x", "20240301");
        check("http://h/99999999/x", "");
        check("http://h/build/12345678", "");
        check("http://h/debian", "");
    }
}
