//! The cloud-config of an instance: the bytes of `write_files`, the commands of `runcmd` and
//! `bootcmd`, and what else names a path, a package or a user.

use super::Window;
use crate::collect::events::{At, Sink, below, command, fact, package, path};
use crate::model::{CauseKind, ContentDigest, Event, EventSubject, Fault, TreePath};
use base64::Engine;
use saphyr::{LoadableYamlNode, Yaml};
use std::collections::BTreeMap;
use std::io::Read;

/// What one written file may unpack to.
const MAX_CONTENT: u64 = 64 << 20;

/// Entries of one list that are read.
const MAX_ENTRIES: usize = 5000;

/// Aliases unfold while YAML is loaded; a user-data that has more is read no further.
const MAX_ALIASES: usize = 100;

/// Indentation and open brackets of one place.
const MAX_DEPTH: usize = 256;

/// Adds the events of a cloud-config. Other kinds of user-data (scripts, archives) have none.
pub fn events(
    source: &TreePath,
    bytes: &[u8],
    windows: &BTreeMap<String, Window>,
    sink: &mut Sink,
) -> Result<(), Fault> {
    let text = String::from_utf8_lossy(bytes);
    if !text.starts_with("#cloud-config") && !text.contains("\n#cloud-config") {
        return Ok(());
    }
    if text.matches(" *").count() > MAX_ALIASES && text.matches(" &").count() > MAX_ALIASES {
        return Err(Fault::limit("more aliases than are read"));
    }
    if is_deep(&text) {
        return Err(Fault::limit("nested deeper than is read"));
    }
    let documents =
        Yaml::load_from_str(&text).map_err(|error| Fault::damaged(format!("YAML: {error}")))?;
    let Some(top) = documents.first() else { return Ok(()) };
    let mut work = Work { source, text: &text, windows, sink };
    work.files(top);
    work.commands(top);
    work.rest(top);
    Ok(())
}

/// Whether collections may be nested so deeply that unfolding them would need much stack.
pub(in crate::collect::events) fn is_deep(text: &str) -> bool {
    let mut depth = 0_usize;
    text.lines().any(|line| {
        let content = line.trim_start_matches([' ', '-', '?', ':', '\t']);
        for byte in line.bytes() {
            match byte {
                b'[' | b'{' => depth = depth.saturating_add(1),
                b']' | b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        depth > MAX_DEPTH || line.len().saturating_sub(content.len()) > MAX_DEPTH
    })
}

struct Work<'a> {
    source: &'a TreePath,
    text: &'a str,
    windows: &'a BTreeMap<String, Window>,
    sink: &'a mut Sink,
}

impl Work<'_> {
    /// An event of a module, with its window; the line is the first that holds `needle`.
    fn add(
        &mut self,
        module: &str,
        run_by: &str,
        needle: &str,
        text: &str,
        subjects: Vec<EventSubject>,
    ) {
        if subjects.is_empty() {
            return;
        }
        let line = self.text.lines().position(|line| !needle.is_empty() && line.contains(needle));
        let line =
            line.and_then(|line| u64::try_from(line).ok()).map(|line| line.saturating_add(1));
        let at = At { path: self.source, line };
        let mut event: Event = at.event(CauseKind::CloudInit, "configure", module, text);
        if let Some((start, end)) = self.windows.get(run_by) {
            (event.time, event.until) = (Some(*start), Some(*end));
        }
        event.subjects = subjects;
        self.sink.push(event);
    }

    fn files(&mut self, top: &Yaml<'_>) {
        for entry in list(get(top, "write_files")) {
            let Some(name) = text_of(entry, "path") else { continue };
            let Some(named) = path(&name) else { continue };
            let deferred =
                matches!(get(entry, "defer"), Some(Yaml::Value(saphyr::Scalar::Boolean(true))));
            let append =
                matches!(get(entry, "append"), Some(Yaml::Value(saphyr::Scalar::Boolean(true))));
            let mut subjects = vec![named];
            let content = text_of(entry, "content").unwrap_or_default();
            let encoding = text_of(entry, "encoding").unwrap_or_default();
            if !append && let Some(bytes) = decode(&content, &encoding) {
                let digest = ContentDigest::of(&bytes);
                subjects.push(EventSubject::Content { path: TreePath::parse(&name), digest });
            }
            let module = if deferred { "write_files_deferred" } else { "write_files" };
            self.add("write_files", module, &name, &format!("write_files: path: {name}"), subjects);
        }
    }

    fn commands(&mut self, top: &Yaml<'_>) {
        for (key, run_by) in [("runcmd", "scripts_user"), ("bootcmd", "bootcmd")] {
            for entry in list(get(top, key)) {
                let (subjects, text) = match entry {
                    Yaml::Sequence(words) => {
                        let words: Vec<String> = words.iter().filter_map(scalar).collect();
                        (command::of_words(&words, "/", "/root"), words.join(" "))
                    }
                    entry => match scalar(entry) {
                        Some(text) => (command::subjects(&text, "/", "/root"), text),
                        None => continue,
                    },
                };
                let needle = text.lines().next().unwrap_or_default().to_owned();
                let needle = needle.rsplit(' ').next().unwrap_or_default().to_owned();
                self.add(key, run_by, &needle, &format!("{key}: {text}"), subjects);
            }
        }
    }

    fn rest(&mut self, top: &Yaml<'_>) {
        let mut packages = Vec::new();
        for entry in list(get(top, "packages")) {
            let name = match entry {
                Yaml::Sequence(pair) => pair.first().and_then(scalar),
                entry => scalar(entry),
            };
            if let Some(name) = name {
                let name = name.split(['=', '/']).next().unwrap_or_default();
                packages
                    .extend(["dpkg", "rpm", "apk", "pacman"].map(|one| package(one, name, None)));
            }
        }
        let module = "package_update_upgrade_install";
        self.add(module, module, "packages:", "packages", packages);
        for entry in list(get(top, "users")).into_iter().chain(get(top, "user")) {
            let name = text_of(entry, "name").or_else(|| scalar(entry));
            let Some(name) = name.filter(|name| name != "default") else { continue };
            let home = text_of(entry, "homedir").unwrap_or_else(|| format!("/home/{name}"));
            let mut subjects = vec![fact("users", &name), fact("groups", &name)];
            subjects.extend(below(&home));
            for key in ["groups", "primary_group"] {
                let groups = text_of(entry, key).unwrap_or_default();
                let listed = list(get(entry, key)).into_iter().filter_map(scalar);
                let named = groups.split(',').map(|one| one.trim().to_owned()).chain(listed);
                subjects
                    .extend(named.filter(|one| !one.is_empty()).map(|one| fact("groups", &one)));
            }
            if get(entry, "sudo").is_some() || get(entry, "doas").is_some() {
                subjects.extend(path("/etc/sudoers.d/90-cloud-init-users"));
                subjects.extend(path("/etc/doas.conf"));
            }
            self.add("users_groups", "users_groups", &name, &format!("users: {name}"), subjects);
        }
        self.groups(top);
        self.mounts(top);
        for (key, module, paths) in KEYS {
            if get(top, key).is_some() {
                // Which of them it wrote is for the log to say, or for the time: each is only where
                // it may have written.
                let subjects = paths.iter().filter_map(|place| below(place.trim_end_matches('/')));
                self.add(module, module, &format!("{key}:"), key, subjects.collect());
            }
        }
    }
}

impl Work<'_> {
    /// `groups: [ops, {docker: [anna]}]`.
    fn groups(&mut self, top: &Yaml<'_>) {
        let mut subjects = Vec::new();
        for entry in list(get(top, "groups")).into_iter().chain(get(top, "groups")) {
            match entry {
                Yaml::Mapping(map) => {
                    let names = map.iter().take(MAX_ENTRIES).filter_map(|(name, _)| scalar(name));
                    subjects.extend(names.map(|name| fact("groups", &name)));
                }
                entry => {
                    let names = scalar(entry).unwrap_or_default();
                    let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
                    subjects.extend(names.map(|name| fact("groups", name)));
                }
            }
        }
        self.add("users_groups", "users_groups", "groups:", "groups", subjects);
    }

    /// `mounts: [[device, /data, …]]`, `swap: {filename: /swap.img}`, `rsyslog`'s and repositories'
    /// own file names.
    fn mounts(&mut self, top: &Yaml<'_>) {
        let (mut subjects, mut text) = (Vec::new(), "mounts:".to_owned());
        for entry in list(get(top, "mounts")) {
            let point = match entry {
                Yaml::Sequence(fields) => fields.get(1).and_then(scalar),
                _ => None,
            };
            let Some(point) = point else { continue };
            text.push_str(&format!(" {point}"));
            subjects.extend(path(&point));
        }
        if !list(get(top, "mounts")).is_empty() {
            subjects.extend(path("/etc/fstab"));
        }
        if let Some(swap) = get(top, "swap") {
            subjects.extend(text_of(swap, "filename").and_then(|file| path(&file)));
        }
        self.add("mounts", "mounts", "mounts:", &text, subjects);
        let mut named = Vec::new();
        for (key, directory, end) in
            [("yum_repos", "/etc/yum.repos.d", ".repo"), ("zypper", "/etc/zypp/repos.d", ".repo")]
        {
            if let Some(Yaml::Mapping(map)) = get(top, key) {
                let names = map.iter().take(MAX_ENTRIES).filter_map(|(name, _)| scalar(name));
                named.extend(names.filter_map(|name| path(&format!("{directory}/{name}{end}"))));
            }
        }
        self.add("yum_add_repo", "yum_add_repo", "yum_repos:", "yum_repos", named);
    }
}

/// Keys of cloud-config, the module that reads each, and the paths that it may write.
const KEYS: &[(&str, &str, &[&str])] = &[
    ("timezone", "timezone", &["/etc/localtime", "/etc/timezone"]),
    ("hostname", "set_hostname", &["/etc/hostname"]),
    ("fqdn", "set_hostname", &["/etc/hostname"]),
    ("manage_etc_hosts", "update_etc_hosts", &["/etc/hosts"]),
    ("locale", "locale", &["/etc/default/locale", "/etc/locale.conf", "/etc/locale.gen"]),
    ("keyboard", "keyboard", &["/etc/default/keyboard", "/etc/vconsole.conf"]),
    (
        "ntp",
        "ntp",
        &[
            "/etc/ntp.conf",
            "/etc/chrony/chrony.conf",
            "/etc/chrony.conf",
            "/etc/systemd/timesyncd.conf.d/cloud-init.conf",
        ],
    ),
    (
        "apt",
        "apt_configure",
        &[
            "/etc/apt/sources.list",
            "/etc/apt/sources.list.d/",
            "/etc/apt/apt.conf.d/",
            "/etc/apt/cloud-init.gpg.d/",
            "/etc/apt/trusted.gpg.d/",
            "/etc/apt/preferences.d/",
        ],
    ),
    ("yum_repos", "yum_add_repo", &["/etc/yum.repos.d/"]),
    ("zypper", "zypper_add_repo", &["/etc/zypp/repos.d/", "/etc/zypp/zypp.conf"]),
    ("apk_repos", "apk_configure", &["/etc/apk/repositories"]),
    ("ca_certs", "ca_certs", &["/usr/local/share/ca-certificates/", "/etc/ssl/certs/"]),
    ("ca-certs", "ca_certs", &["/usr/local/share/ca-certificates/", "/etc/ssl/certs/"]),
    ("rsyslog", "rsyslog", &["/etc/rsyslog.d/"]),
    ("resolv_conf", "resolv_conf", &["/etc/resolv.conf", "/etc/systemd/resolved.conf.d/"]),
    ("mounts", "mounts", &["/etc/fstab"]),
    ("swap", "mounts", &["/etc/fstab", "/swap.img"]),
    (
        "ssh_pwauth",
        "set_passwords",
        &["/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/50-cloud-init.conf"],
    ),
    ("chpasswd", "set_passwords", &["/etc/shadow", "/etc/shadow-"]),
    ("password", "set_passwords", &["/etc/shadow", "/etc/shadow-"]),
    ("ssh_keys", "ssh", &["/etc/ssh/"]),
    ("ssh_genkeytypes", "ssh", &["/etc/ssh/"]),
    ("ssh_authorized_keys", "ssh", &["/root/.ssh/authorized_keys"]),
    ("puppet", "puppet", &["/etc/puppet/", "/etc/puppetlabs/", "/etc/default/puppet"]),
    ("chef", "chef", &["/etc/chef/"]),
    ("salt_minion", "salt_minion", &["/etc/salt/"]),
    ("snap", "snap", &["/snap/", "/var/lib/snapd/"]),
    ("wireguard", "wireguard", &["/etc/wireguard/"]),
    ("preserve_hostname", "set_hostname", &["/etc/hostname"]),
    ("apt_pipelining", "apt_pipelining", &["/etc/apt/apt.conf.d/90cloud-init-pipelining"]),
    ("apt_sources", "apt_configure", &["/etc/apt/sources.list.d/", "/etc/apt/trusted.gpg.d/"]),
    ("apt_proxy", "apt_configure", &["/etc/apt/apt.conf.d/90cloud-init-aptproxy"]),
    ("disk_setup", "disk_setup", &["/etc/fstab"]),
    ("grub_dpkg", "grub_dpkg", &["/var/cache/debconf/"]),
    ("byobu_by_default", "byobu", &["/etc/profile.d/Z97-byobu.sh", "/etc/byobu/"]),
    ("landscape", "landscape", &["/etc/landscape/", "/etc/default/landscape-client"]),
    ("lxd", "lxd", &["/var/lib/lxd/", "/var/snap/lxd/", "/etc/default/lxd-bridge"]),
    ("mcollective", "mcollective", &["/etc/mcollective/", "/etc/puppetlabs/mcollective/"]),
    (
        "ubuntu_advantage",
        "ubuntu_advantage",
        &["/etc/ubuntu-advantage/", "/var/lib/ubuntu-advantage/"],
    ),
    ("ubuntu_pro", "ubuntu_pro", &["/etc/ubuntu-advantage/", "/var/lib/ubuntu-advantage/"]),
    ("rh_subscription", "rh_subscription", &["/etc/pki/", "/etc/rhsm/", "/etc/yum.repos.d/"]),
    ("spacewalk", "spacewalk", &["/etc/sysconfig/rhn/"]),
    ("fan", "fan", &["/etc/network/fan"]),
    ("ssh", "ssh", &["/etc/ssh/"]),
    ("ssh_deletekeys", "ssh", &["/etc/ssh/"]),
    ("ssh_import_id", "ssh_import_id", &["/root/.ssh/authorized_keys"]),
    ("ansible", "ansible", &["/etc/ansible/", "/usr/local/bin/", "/root/.local/"]),
    ("updates", "install_hotplug", &["/etc/udev/rules.d/90-cloud-init-hook-hotplug.rules"]),
    ("raspberry_pi", "raspberry_pi", &["/boot/firmware/config.txt"]),
];

pub(in crate::collect::events) fn get<'a, 'b>(
    node: &'a Yaml<'b>,
    key: &str,
) -> Option<&'a Yaml<'b>> {
    match node {
        Yaml::Tagged(_, inner) => get(inner, key),
        Yaml::Mapping(map) => {
            map.iter().find(|(name, _)| scalar(name).as_deref() == Some(key)).map(|(_, v)| v)
        }
        _ => None,
    }
}

pub(in crate::collect::events) fn text_of(node: &Yaml<'_>, key: &str) -> Option<String> {
    get(node, key).and_then(scalar)
}

pub(in crate::collect::events) fn scalar(node: &Yaml<'_>) -> Option<String> {
    match node {
        Yaml::Value(saphyr::Scalar::String(text)) => Some(text.to_string()),
        Yaml::Value(saphyr::Scalar::Integer(number)) => Some(number.to_string()),
        Yaml::Value(saphyr::Scalar::Boolean(value)) => Some(value.to_string()),
        Yaml::Value(saphyr::Scalar::FloatingPoint(value)) => Some(value.to_string()),
        Yaml::Representation(text, ..) => Some(text.to_string()),
        Yaml::Tagged(_, inner) => scalar(inner),
        _ => None,
    }
}

fn list<'a, 'b>(node: Option<&'a Yaml<'b>>) -> Vec<&'a Yaml<'b>> {
    match node {
        Some(Yaml::Sequence(entries)) => entries.iter().take(MAX_ENTRIES).collect(),
        _ => Vec::new(),
    }
}

/// The bytes that `write_files` writes: plain, or `b64`, `gz`, `gz+b64` and their long names, or
/// a binary value of YAML.
fn decode(content: &str, encoding: &str) -> Option<Vec<u8>> {
    let encoding = encoding.trim().to_ascii_lowercase();
    let (packed, based) = match encoding.as_str() {
        "" | "text/plain" => (false, false),
        "b64" | "base64" => (false, true),
        "gz" | "gzip" => (true, false),
        "gz+b64" | "gzip+b64" | "gz+base64" | "gzip+base64" => (true, true),
        _ => return None,
    };
    let mut bytes = if based {
        let joined: String = content.split_whitespace().collect();
        base64::engine::general_purpose::STANDARD.decode(joined).ok()?
    } else {
        content.as_bytes().to_vec()
    };
    if packed {
        let mut unpacked = Vec::new();
        let mut decoder = flate2::read::MultiGzDecoder::new(bytes.as_slice()).take(MAX_CONTENT);
        decoder.read_to_end(&mut unpacked).ok()?;
        bytes = unpacked;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let mut sink = Sink::default();
        let path = TreePath::parse("/user-data");
        events(&path, text.as_bytes(), &BTreeMap::new(), &mut sink).unwrap();
        let shown = sink.into_events().into_iter().map(|event| {
            let subjects: Vec<String> = event
                .subjects
                .iter()
                .map(|subject| match subject {
                    EventSubject::Path(path) => path.to_string(),
                    EventSubject::Below(path) => format!("{path}/"),
                    EventSubject::Package { key, .. } => format!("{}:{key}", key.manager),
                    EventSubject::Fact { scope, key } => format!("{scope}:{key}"),
                    EventSubject::Content { digest, .. } => digest.short(),
                })
                .collect();
            format!("{} {}", event.detail, subjects.join(" "))
        });
        assert_eq!(shown.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_user_data_asks_for() {
        let x = ContentDigest::of(b"x = 1\n").short();
        check(
            "#cloud-config\nwrite_files:\n- path: /etc/a\n  content: |\n    x = 1\n\
             - {path: /etc/b, encoding: b64, content: eCA9IDEK}\n\
             - {path: /etc/c, append: true, content: y}\n\
             runcmd:\n- [sh, -c, 'echo > /etc/d']\n- touch /etc/e\n\
             users: [default, {name: bob}]\ntimezone: Europe/Berlin\n",
            &[
                &format!("write_files /etc/a {x}"),
                &format!("write_files /etc/b {x}"),
                "write_files /etc/c",
                "runcmd /etc/d",
                "runcmd /etc/e",
                "users_groups users:bob groups:bob /home/bob/",
                "timezone /etc/localtime/ /etc/timezone/",
            ],
        );
        check("#!/bin/sh\nrm -rf /etc", &[]);
        check("#cloud-config\n[]", &[]);
    }

    #[test]
    fn gzip_in_base64() {
        use std::io::Write;
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(b"hello").unwrap();
        let text = base64::engine::general_purpose::STANDARD.encode(gz.finish().unwrap());
        assert_eq!(decode(&text, "gz+b64").unwrap(), b"hello");
        assert_eq!(decode("!", "b64"), None);
        assert_eq!(decode("x", "rot13"), None);
    }
}
