//! The ssh server: its settings, its host keys, and the keys that may log in.
//!
//! Scopes `sshd` (the setting is the key; in a `Match` block the condition comes first),
//! `ssh-host-keys` (the algorithm is the key) and `authorized-keys` (user and fingerprint are).
//! Only public halves of keys are read.

mod config;
mod keys;

use self::config::{Directive, Settings};
use super::redact::redact;
use super::search::glob;
use super::{Sheet, accounts, decode};
use crate::collect::{Collector, View};
use crate::model::{Records, TreePath};
use std::collections::BTreeMap;

/// Reads `/etc/ssh` and the keys of every user.
pub static COLLECTOR: Collector = Collector {
    name: "ssh",
    version: 1,
    summary: "settings of sshd, its host keys, and the keys that may log in as whom",
    wanted: &[],
    collect,
};

/// As sshd has it (`SERVCONF_MAX_DEPTH`).
const MAX_DEPTH: usize = 16;

/// Files in all; includes may fan out at each depth.
const MAX_FILES: usize = 1024;

/// The main file: `/usr/etc` where a distribution keeps its own there.
const CONFIGS: [&str; 2] = ["/etc/ssh/sshd_config", "/usr/etc/ssh/sshd_config"];

/// What sshd looks into without a setting.
const DEFAULT_KEY_FILES: &str = ".ssh/authorized_keys .ssh/authorized_keys2";

fn collect(view: &View<'_>, records: &mut Records) {
    let mut sheet = Sheet::new(view, records);
    let mut settings = Settings::default();
    let mut left = MAX_FILES;
    for path in CONFIGS.map(TreePath::parse) {
        if read(&mut sheet, &path, "", &mut settings, (&mut left, &mut Vec::new())) {
            break;
        }
    }
    for (key, setting) in &settings.values {
        sheet.add("sshd", key, &setting.evidence, &[("value", &redact(&setting.value))]);
    }
    host_keys(&mut sheet, &settings);
    authorized_keys(&mut sheet, &settings);
}

/// Whether there was such a file.
fn read(
    sheet: &mut Sheet<'_>,
    path: &TreePath,
    condition: &str,
    settings: &mut Settings,
    (left, open): (&mut usize, &mut Vec<TreePath>),
) -> bool {
    if open.contains(path) || open.len() > MAX_DEPTH || *left == 0 {
        sheet.reader.gap(path, "includes itself, or includes are too many or too deep");
        return true;
    }
    *left = left.saturating_sub(1);
    let Some(bytes) = sheet.reader.file(path) else { return false };
    open.push(path.clone());
    // A block ends with its file.
    let mut condition = condition.to_owned();
    for Directive { keyword, value } in config::parse(&decode(&bytes)) {
        if keyword.eq_ignore_ascii_case("match") {
            condition = value;
        } else if keyword.eq_ignore_ascii_case("include") {
            for pattern in config::words(&value) {
                let pattern = match pattern.strip_prefix('/') {
                    Some(_) => pattern,
                    None => format!("/etc/ssh/{pattern}"),
                };
                for found in glob(sheet, &pattern) {
                    read(sheet, &found, &condition, settings, (&mut *left, &mut *open));
                }
            }
        } else {
            settings.add(&condition, &keyword, value, path);
        }
    }
    open.pop();
    true
}

fn host_keys(sheet: &mut Sheet<'_>, settings: &Settings) {
    let mut paths = glob(sheet, "/etc/ssh/ssh_host_*_key.pub");
    let configured = settings.values.get("HostKey").map_or("", |setting| &setting.value);
    for name in config::words(configured) {
        let path = TreePath::parse(format!("{name}.pub"));
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    for path in paths {
        let Some(bytes) = sheet.reader.file(&path) else { continue };
        let (keys, skipped) = keys::parse(&decode(&bytes));
        for key in keys {
            sheet.add("ssh-host-keys", &key.kind, &path, &[("fingerprint", &key.fingerprint)]);
        }
        sheet.skipped("ssh-host-keys", &path, &skipped);
    }
}

fn authorized_keys(sheet: &mut Sheet<'_>, settings: &Settings) {
    let Some((_, passwd)) = sheet.file("/etc/passwd") else { return };
    let files = settings.values.get("AuthorizedKeysFile");
    let files = config::words(files.map_or(DEFAULT_KEY_FILES, |setting| &setting.value));
    // Many accounts of a system share one home.
    let mut known: BTreeMap<TreePath, Vec<keys::Key>> = BTreeMap::new();
    for user in accounts::users(&passwd).0 {
        for file in files.iter().filter(|file| !file.eq_ignore_ascii_case("none")) {
            let file = expand(file, &user);
            let path = match file.strip_prefix('/') {
                Some(_) => TreePath::parse(&file),
                None => TreePath::parse(format!("{}/{file}", user.home)),
            };
            if !known.contains_key(&path) {
                let bytes = sheet.reader.file(&path).unwrap_or_default();
                let (keys, skipped) = keys::parse(&decode(&bytes));
                sheet.skipped("authorized-keys", &path, &skipped);
                known.insert(path.clone(), keys);
            }
            for key in known.get(&path).into_iter().flatten() {
                let name = format!("{} {}", user.name, key.fingerprint);
                let attributes = [
                    ("type", key.kind.as_str()),
                    ("comment", &key.comment),
                    ("options", &redact(&key.options)),
                ];
                sheet.add("authorized-keys", &name, &path, &attributes);
            }
        }
    }
}

/// The tokens of sshd_config(5) that this setting knows.
fn expand(file: &str, user: &accounts::User<'_>) -> String {
    let mut out = String::new();
    let mut characters = file.chars();
    while let Some(c) = characters.next() {
        match (c, characters.clone().next()) {
            ('%', Some(token @ ('h' | 'u' | 'U' | '%'))) => {
                out.push_str(match token {
                    'h' => user.home,
                    'u' => user.name,
                    'U' => user.uid,
                    _ => "%",
                });
                characters.next();
            }
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, skipped};
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
    const PRINT: &str = "SHA256:ZkAslGjFiUHdGf/WUL8rQvkib4PTvQatUV0OUQSncCA";

    #[test]
    fn the_first_value_counts() {
        let mut tree = MemoryFilesystem::new();
        tree.file(
            "/etc/ssh/sshd_config",
            "Include sshd_config.d/*.conf\npermitRootLogin yes # x\nPort 22\nPort 2222\n\
             Match User app\n  PermitRootLogin no\nInclude /etc/ssh/more\n",
        )
        .file(
            "/etc/ssh/sshd_config.d/10-app.conf",
            "PermitRootLogin=prohibit-password\nMatch all\nX11Forwarding no\n",
        )
        .file("/etc/ssh/more", "Include /etc/ssh/more\nBanner \"/etc/issue net\"\n");
        check(
            &COLLECTOR,
            &tree,
            &[
                "sshd/Match User app: Banner value=\"/etc/issue net\" @/etc/ssh/more",
                "sshd/Match User app: PermitRootLogin value=no @/etc/ssh/sshd_config",
                "sshd/Match all: X11Forwarding value=no @/etc/ssh/sshd_config.d/10-app.conf",
                "sshd/PermitRootLogin value=prohibit-password @/etc/ssh/sshd_config.d/10-app.conf",
                "sshd/Port value=22 2222 @/etc/ssh/sshd_config",
            ],
            &["/etc/ssh/more includes itself, or includes are too many or too deep"],
        );
    }

    #[test]
    fn keys_by_fingerprint() {
        let mut tree = MemoryFilesystem::new();
        tree.file("/etc/passwd", "ann:x:1:1::/home/ann:\nbob:x:2:2::/home/ann:\n")
            .file("/etc/ssh/ssh_host_ed25519_key.pub", format!("{KEY} root@h\n"))
            .file("/etc/ssh/ssh_host_ed25519_key", "secret")
            .file(
                "/home/ann/.ssh/authorized_keys",
                format!("no-pty,command=\"a b\" {KEY} c d\nx\n"),
            );
        check(
            &COLLECTOR,
            &tree,
            &[
                &format!(
                    "ssh-host-keys/ssh-ed25519 fingerprint={PRINT} @/etc/ssh/ssh_host_ed25519_key.pub"
                ),
                &skipped("authorized-keys", "/home/ann/.ssh/authorized_keys", "no key", "x"),
                &format!(
                    "authorized-keys/ann {PRINT} comment=c d options=no-pty,command=\"a b\" type=ssh-ed25519 @/home/ann/.ssh/authorized_keys"
                ),
                &format!(
                    "authorized-keys/bob {PRINT} comment=c d options=no-pty,command=\"a b\" type=ssh-ed25519 @/home/ann/.ssh/authorized_keys"
                ),
            ],
            &[],
        );
        tree.file("/etc/ssh/sshd_config", "AuthorizedKeysFile /etc/keys/%u none\n")
            .file("/etc/keys/bob", KEY);
        check(
            &COLLECTOR,
            &tree,
            &[
                "sshd/AuthorizedKeysFile value=/etc/keys/%u none @/etc/ssh/sshd_config",
                &format!(
                    "ssh-host-keys/ssh-ed25519 fingerprint={PRINT} @/etc/ssh/ssh_host_ed25519_key.pub"
                ),
                &format!("authorized-keys/bob {PRINT} type=ssh-ed25519 @/etc/keys/bob"),
            ],
            &[],
        );
    }
}
