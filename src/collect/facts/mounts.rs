//! What is mounted at boot, swapped to and decrypted: fstab(5), crypttab(5).
//!
//! Scopes `fstab` (the mount point is the key, of swap `swap` and its device) and `crypttab` (the
//! name is). Passwords among mount options are not shown.

use super::Sheet;
use super::lines::{self, Parsed};
use crate::collect::{Collector, View};
use crate::model::Records;

/// Reads the tables.
pub static COLLECTOR: Collector = Collector {
    name: "mounts",
    version: 1,
    summary: "file systems and swap of fstab, volumes of crypttab",
    wanted: &[],
    collect,
};

fn collect(view: &View<'_>, records: &mut Records) {
    let mut sheet = Sheet::new(view, records);
    if let Some((path, text)) = sheet.file("/etc/fstab") {
        let (mounts, skipped) = fstab(&text);
        for mount in mounts {
            let key = match mount.kind {
                "swap" => format!("swap {}", mount.device),
                _ => mount.point,
            };
            let attributes = [
                ("device", mount.device.as_str()),
                ("type", mount.kind),
                ("options", &mount.options),
                ("pass", mount.pass),
            ];
            sheet.add("fstab", &key, &path, &attributes);
        }
        sheet.skipped("fstab", &path, &skipped);
    }
    if let Some((path, text)) = sheet.file("/etc/crypttab") {
        for line in text.lines().map(lines::without_comment).filter(|line| !line.is_empty()) {
            let mut words = line.split_whitespace();
            let name = words.next().unwrap_or_default();
            let (device, key) = (words.next().unwrap_or_default(), words.next());
            let attributes = [
                ("device", device),
                ("key", key.unwrap_or_default()),
                ("options", words.next().unwrap_or_default()),
            ];
            sheet.add("crypttab", name, &path, &attributes);
        }
    }
}

/// One line of fstab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount<'a> {
    /// What.
    pub device: String,
    /// Where.
    pub point: String,
    /// The file system's type.
    pub kind: &'a str,
    /// How, in the order of the file.
    pub options: String,
    /// When it is checked; empty stands for never.
    pub pass: &'a str,
}

/// Reads fstab; white space in a field is written as `\040` and stays so.
#[must_use]
pub fn fstab(text: &str) -> Parsed<Mount<'_>> {
    lines::each(text, |line| {
        let mut words = line.split_whitespace();
        let (device, point, kind) = (words.next(), words.next(), words.next());
        let (Some(device), Some(point), Some(kind)) = (device, point, kind) else {
            return Err("fewer than three fields");
        };
        let options = words.next().unwrap_or("defaults");
        let pass = words.nth(1).unwrap_or_default();
        let options: Vec<String> = options.split(',').map(option).collect();
        Ok(Some(Mount {
            device: device.to_owned(),
            point: point.to_owned(),
            kind,
            options: options.join(","),
            pass: if pass == "0" { "" } else { pass },
        }))
    })
}

/// Without the value of a password.
fn option(option: &str) -> String {
    match option.split_once('=') {
        Some((name, _)) if name.contains("pass") || name.contains("secret") => {
            format!("{name}=***")
        }
        _ => option.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, skipped};
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    #[test]
    fn tables() {
        let mut tree = MemoryFilesystem::new();
        tree.file(
            "/etc/fstab",
            "# c\nUUID=1 / ext4 rw,noatime 0 1\n/swap none swap sw 0 0\n\
             //h/s /mnt cifs user=a,password=b\nx y\n",
        )
        .file("/etc/crypttab", "data UUID=2 none luks,discard # c\n");
        check(
            &COLLECTOR,
            &tree,
            &[
                "fstab// device=UUID=1 options=rw,noatime pass=1 type=ext4 @/etc/fstab",
                "fstab/swap /swap device=/swap options=sw type=swap @/etc/fstab",
                "fstab//mnt device=//h/s options=user=a,password=*** type=cifs @/etc/fstab",
                &skipped("fstab", "/etc/fstab", "fewer than three fields", "x y"),
                "crypttab/data device=UUID=2 key=none options=luks,discard @/etc/crypttab",
            ],
            &[],
        );
    }
}
