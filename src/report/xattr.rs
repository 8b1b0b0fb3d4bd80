//! What extended attributes say, as the tools that set them would write it.
//!
//! Known are POSIX ACLs (`system.posix_acl_access` and `…_default`, version 2 of
//! `include/uapi/linux/posix_acl_xattr.h`), file capabilities (`security.capability`, versions 1
//! to 3 of `include/uapi/linux/capability.h`) and SELinux labels. Values that do not follow their
//! format are not decoded: the raw bytes are shown instead.

use std::fmt::Write as _;

/// Capabilities by their number, without the leading `cap_`.
const CAPABILITIES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// How many capabilities the oldest kernels in use know (Linux 3.16 to 5.7). "All" means all that
/// the kernel of the time knew, which the value does not say.
const OLDEST_COUNT: u32 = 38;

/// The decoded form of a value whose attribute is known and well formed. The text may hold any
/// character that the value held; escape it where it is shown.
#[must_use]
pub fn decode(name: &str, value: &[u8]) -> Option<String> {
    match name {
        "system.posix_acl_access" | "system.posix_acl_default" => posix_acl(value),
        "security.capability" => capability(value),
        "security.selinux" => selinux(value),
        _ => None,
    }
}

fn word(bytes: &[u8]) -> Option<u32> {
    bytes.try_into().ok().map(u32::from_le_bytes)
}

/// The short text form of `acl(5)`: `user::rw-,user:1000:r--,group::r--,mask::r--,other::---`.
fn posix_acl(value: &[u8]) -> Option<String> {
    let (version, entries) = value.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*version) != 2 || !entries.len().is_multiple_of(8) {
        return None;
    }
    let mut text = String::new();
    for entry in entries.chunks_exact(8) {
        let tag = u16::from_le_bytes(entry.get(..2)?.try_into().ok()?);
        let permissions = u16::from_le_bytes(entry.get(2..4)?.try_into().ok()?);
        let id = word(entry.get(4..)?)?;
        if !text.is_empty() {
            text.push(',');
        }
        match tag {
            0x01 => text.push_str("user::"),
            0x02 => write!(text, "user:{id}:").ok()?,
            0x04 => text.push_str("group::"),
            0x08 => write!(text, "group:{id}:").ok()?,
            0x10 => text.push_str("mask::"),
            0x20 => text.push_str("other::"),
            _ => return None,
        }
        for (bit, letter) in [(4, 'r'), (2, 'w'), (1, 'x')] {
            text.push(if permissions & bit == 0 { '-' } else { letter });
        }
    }
    Some(text)
}

/// As `cap_to_text(3)` and `getcap` write it: `cap_net_raw=ep`, with the user namespace's root
/// (version 3) behind it: `cap_net_raw=ep [rootid=1000]`.
fn capability(value: &[u8]) -> Option<String> {
    let words: Vec<u32> = value.chunks(4).map(word).collect::<Option<_>>()?;
    let (magic, sets) = words.split_first()?;
    let (permitted, inheritable, root) = match (magic >> 24, sets) {
        (1, [permitted, inheritable]) => (u64::from(*permitted), u64::from(*inheritable), None),
        (2, [p0, i0, p1, i1]) => (wide(*p0, *p1), wide(*i0, *i1), None),
        (3, [p0, i0, p1, i1, root]) => (wide(*p0, *p1), wide(*i0, *i1), Some(*root)),
        _ => return None,
    };
    let effective = if magic & 1 == 0 { 0 } else { permitted | inheritable };
    let mut text = capability_sets(effective, inheritable, permitted);
    if let Some(root) = root {
        write!(text, " [rootid={root}]").ok()?;
    }
    Some(text)
}

fn wide(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

fn capability_sets(effective: u64, inheritable: u64, permitted: u64) -> String {
    let flags = |bit: u32| {
        let has = |set: u64| set >> bit & 1 == 1;
        (has(effective), has(inheritable), has(permitted))
    };
    let letters = |(e, i, p): (bool, bool, bool)| {
        [(e, 'e'), (i, 'i'), (p, 'p')].iter().filter(|(set, _)| *set).map(|(_, c)| *c).collect()
    };
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for bit in 0..u64::BITS {
        let written: String = letters(flags(bit));
        if written.is_empty() {
            continue;
        }
        let known = usize::try_from(bit).ok().and_then(|index| CAPABILITIES.get(index));
        let name = known.map_or_else(|| bit.to_string(), |name| format!("cap_{name}"));
        match groups.iter_mut().find(|(flags, _)| *flags == written) {
            Some((_, names)) => names.push(name),
            None => groups.push((written, vec![name])),
        }
    }
    let all = effective | inheritable | permitted;
    let every = all.trailing_ones() == all.count_ones() && all.count_ones() >= OLDEST_COUNT;
    match groups.as_slice() {
        [] => "=".to_owned(),
        [(flags, _)] if every => format!("={flags}"),
        _ => {
            let parts: Vec<String> = groups
                .iter()
                .map(|(flags, names)| format!("{}={flags}", names.join(",")))
                .collect();
            parts.join(" ")
        }
    }
}

/// The label without the NUL that ends it on disk.
fn selinux(value: &[u8]) -> Option<String> {
    let label = value.strip_suffix(&[0]).unwrap_or(value);
    let text = std::str::from_utf8(label).ok()?;
    (!text.is_empty() && !text.chars().any(char::is_control)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    #[test]
    fn known_values_are_decoded() {
        let check = |name: &str, hex: &str, expected: Option<&str>| {
            assert_eq!(decode(name, &bytes(hex)).as_deref(), expected, "{name} {hex}");
        };
        // setcap cap_net_raw=ep
        let raw = "01000002 00200000 00000000 00000000 00000000";
        check("security.capability", raw, Some("cap_net_raw=ep"));
        let two = "00000002 01000000 00200000 00000000 00000000";
        check("security.capability", two, Some("cap_chown=p cap_net_raw=i"));
        let root = "01000003 00040000 00000000 00000000 00000000 e8030000";
        check("security.capability", root, Some("cap_net_bind_service=ep [rootid=1000]"));
        let all = "01000002 ffffffff 00000000 ff010000 00000000";
        check("security.capability", all, Some("=ep"));
        let all_of_linux_4 = "01000002 ffffffff 00000000 3f000000 00000000";
        check("security.capability", all_of_linux_4, Some("=ep"));
        check("security.capability", "01000002 00200000", None);
        check("security.capability", "", None);
        // setfacl -m u:1000:r
        let acl = "02000000 01000600 ffffffff 02000400 e8030000 04000400 ffffffff \
                   10000400 ffffffff 20000000 ffffffff";
        check(
            "system.posix_acl_access",
            acl,
            Some("user::rw-,user:1000:r--,group::r--,mask::r--,other::---"),
        );
        check("system.posix_acl_access", "02000000 0100", None);
        check("system.posix_acl_default", "02000000 40000600 ffffffff", None);
        check("security.selinux", "6574635f7400", Some("etc_t"));
        check("security.selinux", "ff00", None);
        check("user.other", "41", None);
    }
}
