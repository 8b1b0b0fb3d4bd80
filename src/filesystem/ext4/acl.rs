//! Access control lists: ext4 stores them shorter than the kernel shows them.
//!
//! On disk (`fs/ext4/acl.h`): version 1, entries of a tag and permissions, an id only where the
//! tag names someone. Shown (`include/uapi/linux/posix_acl_xattr.h`): version 2, an id everywhere.

use crate::filesystem::bytes::{le16, le32};
use crate::model::Fault;

const DISK_VERSION: u32 = 1;
const SHOWN_VERSION: u32 = 2;
/// `ACL_USER_OBJ`, `ACL_GROUP_OBJ`, `ACL_MASK`, `ACL_OTHER`.
const WITHOUT_ID: [u16; 4] = [0x01, 0x04, 0x10, 0x20];
/// `ACL_USER`, `ACL_GROUP`.
const WITH_ID: [u16; 2] = [0x02, 0x08];
/// `ACL_UNDEFINED_ID`.
const UNDEFINED: u32 = u32::MAX;

/// The value of `system.posix_acl_access` or `_default`, made of what lies on disk.
pub fn shown(disk: &[u8]) -> Result<Vec<u8>, Fault> {
    let version = le32(disk, 0)?;
    if version != DISK_VERSION {
        return Err(Fault::unsupported(format!("an access control list of version {version}")));
    }
    let mut shown = SHOWN_VERSION.to_le_bytes().to_vec();
    let mut rest = disk.get(4..).unwrap_or_default();
    while !rest.is_empty() {
        let (tag, permissions) = (le16(rest, 0)?, le16(rest, 2)?);
        let (id, length) = if WITHOUT_ID.contains(&tag) {
            (UNDEFINED, 4)
        } else if WITH_ID.contains(&tag) {
            (le32(rest, 4)?, 8)
        } else {
            return Err(Fault::damaged(format!("an access control list with the tag {tag:#x}")));
        };
        shown.extend_from_slice(&tag.to_le_bytes());
        shown.extend_from_slice(&permissions.to_le_bytes());
        shown.extend_from_slice(&id.to_le_bytes());
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_get_their_ids() {
        let check = |disk: &[u8], expected: Option<&[u8]>| {
            assert_eq!(shown(disk).ok().as_deref(), expected);
        };
        check(
            &[1, 0, 0, 0, 1, 0, 6, 0, 2, 0, 4, 0, 0xe8, 3, 0, 0],
            Some(&[2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 0xe8, 3, 0, 0]),
        );
        check(&[2, 0, 0, 0], None);
        check(&[1, 0, 0, 0, 3, 0, 6, 0], None);
        check(&[1, 0, 0, 0, 2, 0, 6, 0], None);
    }
}
