//! Facts of the fixture's hosts: what differs from the image by meaning, and what is never said.

use super::ext4_journal::fixture;
use super::vm_drift::Kept;
use driftcheck::collect::facts::units;
use driftcheck::collect::{COLLECTORS, View};
use driftcheck::compare::{Side, compare};
use driftcheck::filesystem::Filesystem;
use driftcheck::filesystem::directory::DirectoryFilesystem;
use driftcheck::filesystem::memory::MemoryFilesystem;
use driftcheck::model::{AttributeValue, Change, ChangeKind, Records, Subject};
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

/// One change of each kind, as a person would make it: path, before, after (empty stands for none),
/// and all that is told of it.
const KINDS: &[(&str, &str, &str, &[&str])] = &[
    (
        "/etc/group",
        "sudo:x:27:\n",
        "sudo:x:27:anna\ncrew:x:5000:\n",
        &["+ groups/crew gid=5000", "~ groups/sudo members= -> anna"],
    ),
    (
        "/etc/shadow",
        "anna:!:19000:0:99999:7:::\n",
        "anna:$y$j9T$a$b:19001:0:99999:7:::\n",
        &[
            "~ logins/anna changed=2022-01-08 -> 2022-01-09 hash= -> yescrypt login=none -> password",
        ],
    ),
    (
        "/etc/sudoers.d/anna",
        "",
        "anna ALL=(ALL) NOPASSWD: /usr/bin/apt\n",
        &["+ sudoers/anna nopasswd=yes rule=ALL=(ALL) NOPASSWD: /usr/bin/apt"],
    ),
    ("/etc/sudoers", "@includedir /etc/sudoers.d\n", "@includedir /etc/sudoers.d\n\n# x\n", &[]),
    (
        "/root/.ssh/authorized_keys",
        "",
        "from=\"10.0.0.1\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f anna\nssh-rsa cut\n",
        &[
            "+ authorized-keys/malformed lines of /root/.ssh/authorized_keys digest=0637f5006956765518e478283f17c5771e3835240569c69b2702ef2ea01f34d0 lines=1 reason=no key",
            "+ authorized-keys/root SHA256:ZkAslGjFiUHdGf/WUL8rQvkib4PTvQatUV0OUQSncCA comment=anna options=from=\"10.0.0.1\" type=ssh-ed25519",
        ],
    ),
    (
        "/etc/ssh/sshd_config",
        "Include /etc/ssh/sshd_config.d/*.conf\nPasswordAuthentication no\n",
        "Include /etc/ssh/sshd_config.d/*.conf\npasswordauthentication yes\n",
        &[],
    ),
    (
        "/etc/ssh/sshd_config.d/50-x.conf",
        "PasswordAuthentication no\n",
        "PasswordAuthentication yes\nMatch Group sudo\nX11Forwarding no\n",
        &[
            "+ sshd/Match Group sudo: X11Forwarding value=no",
            "~ sshd/PasswordAuthentication value=no -> yes",
        ],
    ),
    (
        "/etc/systemd/system/sweep.timer",
        "[Timer]\nOnCalendar=daily\n",
        "[Timer]\nOnCalendar=hourly\n",
        &["~ units/sweep.timer schedule=OnCalendar=daily -> OnCalendar=hourly"],
    ),
    (
        "/etc/systemd/system/ssh.service.d/override.conf",
        "",
        "[Service]\nRestart=always\n",
        &["+ units/ssh.service.d/override.conf"],
    ),
    (
        "/etc/crontab",
        "17 * * * * root run-parts /etc/cron.hourly\n",
        "# moved\n27 * * * * root run-parts /etc/cron.hourly\n",
        &["~ cron/root: run-parts /etc/cron.hourly schedule=17 * * * * -> 27 * * * *"],
    ),
    (
        "/etc/sysctl.d/99-app.conf",
        "net.ipv4.ip_forward=0\n",
        "net/ipv4/ip_forward = 1\n",
        &["~ sysctl/net.ipv4.ip_forward value=0 -> 1"],
    ),
    ("/etc/modprobe.d/x.conf", "", "blacklist floppy\n", &["+ modules/blacklist floppy"]),
    (
        "/etc/default/grub",
        "GRUB_CMDLINE_LINUX=\"quiet\"\n",
        "GRUB_CMDLINE_LINUX=\"quiet mitigations=off\"\n",
        &["+ cmdline/mitigations value=off"],
    ),
    (
        "/etc/fstab",
        "UUID=1 / ext4 defaults 0 1\n",
        "UUID=1  /  ext4  defaults,noatime 0 1\n/swapfile none swap sw 0 0\n",
        &[
            "~ fstab// options=defaults -> defaults,noatime",
            "+ fstab/swap /swapfile device=/swapfile options=sw type=swap",
        ],
    ),
    (
        "/etc/hosts",
        "127.0.0.1 localhost\n",
        "127.0.0.1\tlocalhost db\n",
        &["+ hosts/db address=127.0.0.1"],
    ),
    (
        "/etc/resolv.conf",
        "nameserver 1.1.1.1\n",
        "nameserver 9.9.9.9\n",
        &["~ resolver/nameserver value=1.1.1.1 -> 9.9.9.9"],
    ),
    ("/etc/iptables/rules.v4", "*filter\nCOMMIT\n", "# 5 o'clock\n*filter\nCOMMIT\n", &[]),
    (
        "/etc/pam.d/su",
        "auth sufficient pam_rootok.so\n",
        "auth sufficient pam_rootok.so\nauth sufficient pam_permit.so\n",
        &[
            "~ pam/su auth=sufficient pam_rootok.so -> sufficient pam_rootok.so; sufficient pam_permit.so",
        ],
    ),
    (
        "/etc/ca-certificates.conf",
        "mozilla/A.crt\n",
        "!mozilla/A.crt\n",
        &["+ distrusted/mozilla/A.crt"],
    ),
    ("/etc/ld.so.preload", "", "/usr/local/lib/x.so\n", &["+ ld-preload//usr/local/lib/x.so"]),
    ("/etc/ld.so.conf", "include /etc/ld.so.conf.d/*.conf\n", "include ld.so.conf.d/*.conf\n", &[]),
    ("/etc/ld.so.conf.d/x.conf", "", "/opt/lib\n", &["+ ld-paths//opt/lib"]),
    ("/etc/profile.d/x.sh", "", "umask 0\n", &["+ profile//etc/profile.d/x.sh"]),
    ("/etc/environment", "A=1\n", "A=2\n", &["~ environment/A value=1 -> 2"]),
    (
        "/etc/default/locale",
        "LANG=C.UTF-8\n",
        "LANG=\"de_DE.UTF-8\"\n",
        &["~ system/locale LANG=C.UTF-8 -> de_DE.UTF-8"],
    ),
    (
        "/etc/apt/sources.list",
        "deb http://deb.debian.org/debian bookworm main\n",
        "deb  http://deb.debian.org/debian  bookworm main contrib\n",
        &[
            "~ repositories/deb http://deb.debian.org/debian bookworm components=main -> contrib main",
        ],
    ),
];

/// What is told of a file's change by meaning, and nothing of what means the same.
#[test]
fn every_kind_of_fact_is_compared() {
    let tree = |changed: Option<usize>| {
        let mut tree = MemoryFilesystem::new();
        tree.file("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\n");
        for (number, (path, before, after, _)) in KINDS.iter().enumerate() {
            let text = if changed == Some(number) { after } else { before };
            if !text.is_empty() {
                tree.file(path, *text);
            }
        }
        tree
    };
    let kept = Kept::default();
    let golden = kept.scan(&tree(None), "golden", None);
    let mut wrong = Vec::new();
    for (number, (path, .., expected)) in KINDS.iter().enumerate() {
        let current = kept.scan(&tree(Some(number)), "web", Some(&golden.header));
        assert_eq!((&golden.records.gaps, &current.records.gaps), (&vec![], &vec![]), "{path}");
        let before = Side { manifest: &golden, source: &kept };
        let after = Side { manifest: &current, source: &kept };
        let changes = compare(&before, &after).unwrap().changes;
        let told: Vec<String> = changes.iter().filter_map(told).collect();
        if told != *expected {
            wrong.push(format!("{path}: {told:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `+ scope/key name=value`, `~ scope/key name=old -> new` of a change of a fact.
fn told(change: &Change) -> Option<String> {
    let Subject::Fact { scope, key } = &change.subject else { return None };
    let text = |side: &Option<AttributeValue>| match side {
        Some(AttributeValue::Text(text)) => text.clone(),
        _ => String::new(),
    };
    let attributes = change.attributes.iter().map(|one| {
        let (before, after) = (text(&one.before), text(&one.after));
        match change.kind {
            ChangeKind::Added => format!(" {}={after}", one.name),
            ChangeKind::Removed => format!(" {}={before}", one.name),
            ChangeKind::Modified => format!(" {}={before} -> {after}", one.name),
        }
    });
    let sign = match change.kind {
        ChangeKind::Added => '+',
        ChangeKind::Removed => '-',
        ChangeKind::Modified => '~',
    };
    Some(format!("{sign} {scope}/{key}{}", attributes.collect::<String>()))
}
