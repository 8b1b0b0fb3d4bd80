//! Extended attributes, alike on every medium.

use crate::model::Xattr;

/// ACLs by the names that the system has for them, and by those under which XFS stores them and
/// shows them to root once more (`fs/xfs/xfs_xattr.c`), in a form of its own.
const STORED_ACLS: [(&[u8], &[u8]); 2] = [
    (b"system.posix_acl_access", b"trusted.SGI_ACL_FILE"),
    (b"system.posix_acl_default", b"trusted.SGI_ACL_DEFAULT"),
];

/// Leaves away the second form of ACLs that are there in the first, so that a tree on XFS has the
/// ids that it has elsewhere. On its own such an attribute is one like others, and stays.
pub(super) fn drop_stored_acls(xattrs: &mut Vec<Xattr>) {
    for (shown, stored) in STORED_ACLS {
        if xattrs.iter().any(|xattr| *xattr.name == *shown) {
            xattrs.retain(|xattr| *xattr.name != *stored);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acl_is_told_once() {
        let check = |names: &[&str], expected: &[&str]| {
            let xattr = |name: &&str| Xattr { name: name.as_bytes().into(), value: [].into() };
            let mut xattrs: Vec<Xattr> = names.iter().map(xattr).collect();
            drop_stored_acls(&mut xattrs);
            let left: Vec<&str> =
                xattrs.iter().map(|xattr| str::from_utf8(&xattr.name).unwrap()).collect();
            assert_eq!(left, expected);
        };
        check(
            &["system.posix_acl_access", "trusted.SGI_ACL_DEFAULT", "trusted.SGI_ACL_FILE"],
            &["system.posix_acl_access", "trusted.SGI_ACL_DEFAULT"],
        );
        check(&["trusted.SGI_ACL_FILE", "user.a"], &["trusted.SGI_ACL_FILE", "user.a"]);
    }
}
