//! What is mounted below a live tree, and which of it belongs to the machine's image.
//!
//! Format of `/proc/self/mountinfo`: proc_pid_mountinfo(5).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Kernel interfaces and memory: nothing of them is on a disk.
const PSEUDO: &[&str] = &[
    "autofs",
    "binder",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "cpuset",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "nfsd",
    "nsfs",
    "proc",
    "pstore",
    "ramfs",
    "resctrl",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "smackfs",
    "sysfs",
    "tmpfs",
    "tracefs",
    "xenfs",
];

/// File systems whose bytes are on another machine.
const NETWORK: &[&str] = &[
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "coda",
    "gfs2",
    "glusterfs",
    "gpfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "ocfs2",
    "orangefs",
    "smb3",
    "smbfs",
    "virtiofs",
    "wekafs",
];

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mount {
    id: u64,
    /// `major:minor` as it stands there.
    device: Vec<u8>,
    /// What of the file system is mounted.
    root: PathBuf,
    /// Where.
    point: PathBuf,
    kind: String,
}

/// The mounts of this process, read again when an unknown one is met.
#[derive(Debug, Default)]
pub(super) struct MountTable {
    mounts: Vec<Mount>,
}

impl MountTable {
    /// Reads the table; where there is none, every mount counts as part of the tree. Only mounts
    /// at or below `top`, and the one that it lies on, are kept.
    pub(super) fn read(top: &Path) -> Self {
        let text = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
        Self {
            mounts: parse(&text)
                .into_iter()
                .filter(|m| m.point.starts_with(top) || top.starts_with(&m.point))
                .collect(),
        }
    }

    /// Why the file system with this mount id is not entered; `None` where it belongs to the tree.
    pub(super) fn reason_to_leave_out(&mut self, id: u64, top: &Path) -> Option<String> {
        if !self.mounts.iter().any(|mount| mount.id == id) {
            *self = Self::read(top);
        }
        let mount = self.mounts.iter().find(|mount| mount.id == id)?;
        let kind = mount.kind.as_str();
        if PSEUDO.contains(&kind) {
            return Some(format!("{kind}: a pseudo file system"));
        }
        if NETWORK.contains(&kind) {
            return Some(format!("{kind}: a network file system"));
        }
        if kind.starts_with("fuse") && kind != "fuseblk" {
            return Some(format!("{kind}: a file system of a user's process"));
        }
        self.visited_elsewhere(mount, top)
            .map(|place| format!("bind mount of what is visited at {}", place.display()))
    }

    /// Where else below `top` the same part of the same device is visited: the widest mount of it
    /// counts, among equals the first.
    fn visited_elsewhere(&self, mount: &Mount, top: &Path) -> Option<PathBuf> {
        let covers = |other: &&Mount| {
            other.id != mount.id
                && other.device == mount.device
                && mount.root.starts_with(&other.root)
                && (mount.root != other.root || other.id < mount.id)
        };
        let place = |other: &Mount| {
            let inner = mount.root.strip_prefix(&other.root).ok()?;
            let place = if inner.as_os_str().is_empty() {
                other.point.clone()
            } else {
                other.point.join(inner)
            };
            // Not if it lies outside of what is scanned, nor behind the mount itself.
            let seen = place.starts_with(top)
                && (place == mount.point || !place.starts_with(&mount.point));
            seen.then_some(place)
        };
        self.mounts.iter().filter(covers).find_map(place)
    }
}

/// Reads the table; lines of another shape are passed over.
fn parse(text: &[u8]) -> Vec<Mount> {
    text.split(|b| *b == b'\n').filter_map(parse_line).collect()
}

fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|b| *b == b' ');
    let id = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    let _parent = fields.next()?;
    let device = fields.next()?.to_vec();
    let root = unescape(fields.next()?);
    let point = unescape(fields.next()?);
    let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
    Some(Mount { id, device, root, point, kind: String::from_utf8_lossy(kind).into_owned() })
}

/// Undoes the octal escapes of the kernel (`\040` for a space).
fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        let octal = after.get(..3).filter(|_| first == b'\\');
        let value = octal
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match value {
            Some(value) => {
                bytes.push(value);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    PathBuf::from(OsStr::from_bytes(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"\
25 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
26 25 0:22 / /proc rw - proc proc rw
27 25 254:0 /srv /mnt/my\\040bind rw master:1 - ext4 /dev/vda rw
28 25 254:16 / /data rw - xfs /dev/vdb rw
29 25 254:16 /sub /mnt/sub rw - xfs /dev/vdb rw
30 25 254:16 / /again rw - xfs /dev/vdb rw
31 25 0:40 / /net rw - nfs4 server:/x rw
32 25 0:41 / /user rw - fuse.sshfs x rw
33 25 254:32 /deep /only rw - ext4 /dev/vdc rw
not a mount
";

    #[test]
    fn pseudo_network_and_second_visits_are_left_out() {
        let mut table = MountTable { mounts: parse(TABLE) };
        let mut check = |id, expected: Option<&str>| {
            let found = table.reason_to_leave_out(id, Path::new("/"));
            assert_eq!(found.as_deref(), expected, "mount {id}");
        };
        check(26, Some("proc: a pseudo file system"));
        check(27, Some("bind mount of what is visited at /srv"));
        check(28, None);
        check(29, Some("bind mount of what is visited at /data/sub"));
        check(30, Some("bind mount of what is visited at /data"));
        check(31, Some("nfs4: a network file system"));
        check(32, Some("fuse.sshfs: a file system of a user's process"));
        check(33, None);
    }

    #[test]
    fn what_is_bound_from_outside_of_the_tree_is_entered() {
        let mut table = MountTable { mounts: parse(TABLE) };
        assert_eq!(table.reason_to_leave_out(29, Path::new("/mnt")), None);
    }
}
