//! Access control lists: XFS stores them big endian under names of its own
//! (`fs/xfs/libxfs/xfs_format.h`); shown is version 2 of `posix_acl_xattr.h`.

use crate::filesystem::bytes::{be16, be32, to_usize};
use crate::model::Fault;

/// The names in the root namespace, and what they are shown as.
pub const NAMES: [(&[u8], &str); 2] = [
    (b"SGI_ACL_FILE", "system.posix_acl_access"),
    (b"SGI_ACL_DEFAULT", "system.posix_acl_default"),
];

const SHOWN_VERSION: u32 = 2;
const COUNT_LENGTH: usize = 4;
/// Tag, id, permissions, padding.
const ENTRY_LENGTH: usize = 12;
/// `ACL_USER`, `ACL_GROUP`: the tags whose id means something.
const WITH_ID: [u16; 2] = [0x02, 0x08];
const TAGS: [u16; 6] = [0x01, 0x02, 0x04, 0x08, 0x10, 0x20];
/// `ACL_UNDEFINED_ID`.
const UNDEFINED: u32 = u32::MAX;

/// The value that the kernel shows, made of what lies on disk.
pub fn shown(disk: &[u8]) -> Result<Vec<u8>, Fault> {
    let count = to_usize(be32(disk, 0)?)?;
    let entries = disk.get(COUNT_LENGTH..).unwrap_or_default();
    if count.checked_mul(ENTRY_LENGTH).is_none_or(|length| length > entries.len()) {
        return Err(Fault::damaged(format!("{count} entries in a list of {} bytes", disk.len())));
    }
    let mut shown = SHOWN_VERSION.to_le_bytes().to_vec();
    for entry in entries.chunks_exact(ENTRY_LENGTH).take(count) {
        let tag = u16::try_from(be32(entry, 0)?).ok().filter(|tag| TAGS.contains(tag));
        let tag =
            tag.ok_or_else(|| Fault::damaged("an access control list with an unknown tag"))?;
        let id = if WITH_ID.contains(&tag) { be32(entry, 4)? } else { UNDEFINED };
        shown.extend_from_slice(&tag.to_le_bytes());
        shown.extend_from_slice(&be16(entry, 8)?.to_le_bytes());
        shown.extend_from_slice(&id.to_le_bytes());
    }
    Ok(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_turned_around() {
        let check = |disk: &[u8], expected: Option<&[u8]>| {
            assert_eq!(shown(disk).ok().as_deref(), expected);
        };
        let disk =
            [0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 2, 0, 0, 3, 0xe8, 0, 4, 0, 0];
        check(
            &disk,
            Some(&[2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 0xe8, 3, 0, 0]),
        );
        check(&disk[..27], None);
        check(&[0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 0, 0, 6, 0, 0], None);
        check(&[255; 4], None);
    }
}
