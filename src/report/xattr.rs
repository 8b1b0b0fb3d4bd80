//! What extended attributes say, as the tools that set them would write it.
//!
//! Known are POSIX ACLs (`system.posix_acl_access` and `…_default`, version 2 of
//! `include/uapi/linux/posix_acl_xattr.h`), file capabilities (`security.capability`, versions 1
//! to 3 of `include/uapi/linux/capability.h`) and SELinux labels. Values that do not follow their
//! format are not decoded: the raw bytes are shown instead.

use crate::model::Capabilities;
use std::fmt::Write as _;

/// The decoded form of a value whose attribute is known and well formed. The text may hold any
/// character that the value held; escape it where it is shown.
#[must_use]
pub fn decode(name: &str, value: &[u8]) -> Option<String> {
    match name {
        "system.posix_acl_access" | "system.posix_acl_default" => posix_acl(value),
        "security.capability" => Capabilities::from_xattr(value).map(|set| set.to_string()),
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
        let raw = "01000002 00200000 00000000 00000000 00000000";
        check("security.capability", raw, Some("cap_net_raw=ep"));
        check("security.capability", "01000002 00200000", None);
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
