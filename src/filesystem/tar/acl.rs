//! POSIX ACLs in text form, as archives carry them, made into what the kernel hands out.
//!
//! Specification: POSIX.1e draft 17 §23.3 for the text (`user:lisa:rw-`, one entry a line or
//! separated by commas, star and libarchive with the number as a fourth field), Linux
//! `uapi/linux/posix_acl_xattr.h` (version 2) for the bytes.

use crate::model::{Fault, path::Escaped};

/// The attribute of an access ACL.
pub(super) const ACCESS: &[u8] = b"system.posix_acl_access";

/// The attribute of a directory's default ACL.
pub(super) const DEFAULT: &[u8] = b"system.posix_acl_default";

const VERSION: u32 = 2;
const NO_ID: u32 = u32::MAX;

/// More entries than this in one ACL no file system stores.
const MAX_ENTRIES: usize = 8192;

/// Whose rights an entry gives, in the order in which the kernel sorts them; the numbers are its
/// tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Tag {
    Owner = 0x01,
    User = 0x02,
    OwningGroup = 0x04,
    Group = 0x08,
    Mask = 0x10,
    Other = 0x20,
}

/// What a name in an entry names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    User,
    Group,
}

/// Turns the text into the value of the attribute; names without a number are asked of `lookup`.
/// `None` where the ACL says no more than the permission bits do and the kernel keeps none.
pub(super) fn to_xattr(
    text: &[u8],
    attribute: &[u8],
    lookup: &dyn Fn(Named, &[u8]) -> Option<u32>,
) -> Result<Option<Vec<u8>>, Fault> {
    let mut entries: Vec<(Tag, u32, u16)> = Vec::new();
    for line in text.split(|byte| matches!(byte, b'\n' | b',' | 0)) {
        let line = line.split(|byte| *byte == b'#').next().unwrap_or_default().trim_ascii();
        if line.is_empty() {
            continue;
        }
        if entries.len() >= MAX_ENTRIES {
            return Err(Fault::limit(format!("an ACL of more than {MAX_ENTRIES} entries")));
        }
        entries.push(entry(line, lookup)?);
    }
    entries.sort_unstable();
    let is_minimal = entries.len() <= 3 && entries.iter().all(|(_, id, _)| *id == NO_ID);
    if entries.is_empty() || (attribute == ACCESS && is_minimal) {
        return Ok(None);
    }
    let mut value = VERSION.to_le_bytes().to_vec();
    for (tag, id, rights) in entries {
        value.extend_from_slice(&(tag as u16).to_le_bytes());
        value.extend_from_slice(&rights.to_le_bytes());
        value.extend_from_slice(&id.to_le_bytes());
    }
    Ok(Some(value))
}

fn entry(
    line: &[u8],
    lookup: &dyn Fn(Named, &[u8]) -> Option<u32>,
) -> Result<(Tag, u32, u16), Fault> {
    let damaged = || Fault::damaged(format!("\"{}\" is no ACL entry", Escaped(line)));
    let line = line.strip_prefix(b"default:").unwrap_or(line);
    let mut fields = line.split(|byte| *byte == b':').map(<[u8]>::trim_ascii);
    let kind = fields.next().ok_or_else(damaged)?;
    let second = fields.next().ok_or_else(damaged)?;
    let third = fields.next();
    // "mask::rw-" and "other::r--" are also written without the empty field.
    let (qualifier, rights) = match (kind, third) {
        (b"mask" | b"m" | b"other" | b"o", None) => (b"".as_slice(), second),
        (_, Some(rights)) => (second, rights),
        (_, None) => return Err(damaged()),
    };
    let rights = parse_rights(rights).ok_or_else(damaged)?;
    let (own, other, named) = match kind {
        b"user" | b"u" => (Tag::Owner, Tag::User, Named::User),
        b"group" | b"g" => (Tag::OwningGroup, Tag::Group, Named::Group),
        b"mask" | b"m" if qualifier.is_empty() => return Ok((Tag::Mask, NO_ID, rights)),
        b"other" | b"o" if qualifier.is_empty() => return Ok((Tag::Other, NO_ID, rights)),
        _ => return Err(damaged()),
    };
    if qualifier.is_empty() {
        return Ok((own, NO_ID, rights));
    }
    let id = fields
        .next()
        .and_then(parse_id)
        .or_else(|| parse_id(qualifier))
        .or_else(|| lookup(named, qualifier))
        .ok_or_else(|| {
            Fault::unsupported(format!("an ACL names {}, whose number is not known", {
                Escaped(qualifier)
            }))
        })?;
    Ok((other, id, rights))
}

fn parse_id(field: &[u8]) -> Option<u32> {
    let is_number = !field.is_empty() && field.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(field).ok().filter(|_| is_number)?.parse().ok()
}

fn parse_rights(field: &[u8]) -> Option<u16> {
    let mut rights = 0;
    for byte in field {
        rights |= match byte {
            b'r' => 4,
            b'w' => 2,
            b'x' => 1,
            b'-' => 0,
            _ => return None,
        };
    }
    (!field.is_empty()).then_some(rights)
}

/// The number that a `passwd` or `group` file gives a name.
pub(super) fn id_in(file: &[u8], name: &[u8]) -> Option<u32> {
    file.split(|byte| *byte == b'\n').find_map(|line| {
        let mut fields = line.split(|byte| *byte == b':');
        (fields.next()? == name).then_some(())?;
        parse_id(fields.nth(1)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_bytes() {
        let check = |text: &str, attribute: &[u8], expected: Option<&[(u16, u16, u32)]>| {
            let lookup =
                |named, name: &[u8]| (named == Named::User && name == b"lisa").then_some(1000);
            let value = to_xattr(text.as_bytes(), attribute, &lookup).unwrap();
            let expected = expected.map(|entries| {
                let mut bytes = vec![2, 0, 0, 0];
                for (tag, rights, id) in entries {
                    bytes.extend([tag.to_le_bytes(), rights.to_le_bytes()].concat());
                    bytes.extend(id.to_le_bytes());
                }
                bytes
            });
            assert_eq!(value, expected, "{text}");
        };
        let full: &[(u16, u16, u32)] = &[
            (1, 6, NO_ID),
            (2, 4, 7),
            (2, 5, 1000),
            (4, 4, NO_ID),
            (8, 6, 33),
            (16, 6, NO_ID),
            (32, 0, NO_ID),
        ];
        let lines = "user::rw-\nuser:lisa:r-x\t#effective:r--\nuser:7:r--\ngroup::r--\n\
                     group:33:rw-\nmask::rw-\nother::---\n";
        check(lines, ACCESS, Some(full));
        let commas = "user::rw-,group::r--,other::---,mask::rw-,user:x:r--:7,user:y:r-x:1000,\
                      group:www-data:rw-:33";
        check(commas, ACCESS, Some(full));
        let minimal = "user::rwx,group::r-x,other::r-x";
        check(minimal, ACCESS, None);
        check(minimal, DEFAULT, Some(&[(1, 7, NO_ID), (4, 5, NO_ID), (32, 5, NO_ID)]));
        check("", DEFAULT, None);
    }

    #[test]
    fn unknown_names_and_nonsense_are_faults() {
        for text in ["user:nobody-knows:r--", "user", "user::rq-", "mask:7:rw-", "what::rwx"] {
            assert!(to_xattr(text.as_bytes(), ACCESS, &|_, _| None).is_err(), "{text}");
        }
    }

    #[test]
    fn passwd_knows_numbers() {
        let file = b"root:x:0:0::/root:/bin/sh\nlisa:x:1000:1000::/home/lisa:/bin/sh\n";
        assert_eq!(id_in(file, b"lisa"), Some(1000));
        assert_eq!(id_in(file, b"lis"), None);
    }
}
