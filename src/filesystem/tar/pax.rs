//! Extended headers: the records of members of type `x` and `g`.
//!
//! Specification: POSIX.1-2024 `pax` ("pax Extended Header"): each record is
//! `LENGTH KEYWORD=VALUE\n`, where the length counts itself. Beside the standard keywords these are
//! read: `SCHILY.xattr.*` (star, GNU tar, Go), `LIBARCHIVE.xattr.*` (bsdtar), `SCHILY.acl.*`,
//! `SCHILY.dev*`, `RHT.security.selinux` (GNU tar) and `GNU.sparse.*`. Values are bytes; no
//! character set is assumed.

use super::sparse::PaxSparse;
use crate::model::{Fault, Timestamp, path::Escaped};
use base64::Engine as _;
use std::collections::BTreeMap;

/// ACLs by the names of their attributes.
const ACLS: [&[u8]; 2] = [super::acl::ACCESS, super::acl::DEFAULT];

/// What a tar says of one member beyond its header block.
#[derive(Clone, Debug, Default)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link_path: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) mtime: Option<Timestamp>,
    pub(super) device_major: Option<u32>,
    pub(super) device_minor: Option<u32>,
    /// Names and values.
    pub(super) xattrs: BTreeMap<Box<[u8]>, Box<[u8]>>,
    /// An ACL in text form.
    pub(super) access_acl: Option<Vec<u8>>,
    /// The ACL that new files of a directory get, in text form.
    pub(super) default_acl: Option<Vec<u8>>,
    pub(super) sparse: PaxSparse,
    /// Why extended attributes or ACLs are incomplete.
    pub(super) xattr_fault: Option<Fault>,
}

impl Pax {
    /// Reads the records of one extended header. A value that makes no sense is passed over, a
    /// record that breaks the format ends the reading; the first fault is told.
    pub(super) fn parse(mut data: &[u8]) -> (Self, Option<Fault>) {
        let mut pax = Self::default();
        let mut first = None;
        while data.first().is_some_and(|byte| *byte != 0) {
            let ((keyword, value), rest) = match split_record(data) {
                Ok(split) => split,
                Err(fault) => {
                    first = first.or(Some(fault));
                    break;
                }
            };
            if let Err(fault) = pax.take(keyword, value) {
                first = first.or(Some(fault.within(Escaped(keyword))));
            }
            data = rest;
        }
        (pax, first)
    }

    /// This one where it says something, `global` elsewhere.
    pub(super) fn or(mut self, global: &Self) -> Self {
        self.path = self.path.or_else(|| global.path.clone());
        self.link_path = self.link_path.or_else(|| global.link_path.clone());
        self.size = self.size.or(global.size);
        self.uid = self.uid.or(global.uid);
        self.gid = self.gid.or(global.gid);
        self.mtime = self.mtime.or(global.mtime);
        self.access_acl = self.access_acl.or_else(|| global.access_acl.clone());
        self.default_acl = self.default_acl.or_else(|| global.default_acl.clone());
        self.xattr_fault = self.xattr_fault.or_else(|| global.xattr_fault.clone());
        for (name, value) in &global.xattrs {
            self.xattrs.entry(name.clone()).or_insert_with(|| value.clone());
        }
        self
    }

    /// Whether its writer stores extended attributes.
    pub(super) fn has_xattrs(&self) -> bool {
        self.xattrs.keys().any(|name| !ACLS.contains(&&**name))
    }

    /// Whether its writer stores ACLs.
    pub(super) fn has_acls(&self) -> bool {
        let is_acl = |name: &&[u8]| self.xattrs.contains_key(*name);
        self.access_acl.is_some() || self.default_acl.is_some() || ACLS.iter().any(is_acl)
    }

    /// How much memory it takes, about.
    pub(super) fn cost(&self) -> usize {
        let acls = [&self.access_acl, &self.default_acl].into_iter().flatten();
        let acls = acls.map(|acl| acl.len().saturating_mul(2));
        let xattrs = self.xattrs.iter();
        let xattrs = xattrs.map(|(name, value)| name.len().saturating_add(value.len()));
        let xattrs = xattrs.map(|length| length.saturating_add(80));
        acls.chain(xattrs).fold(0, usize::saturating_add)
    }

    fn take(&mut self, keyword: &[u8], value: &[u8]) -> Result<(), Fault> {
        match keyword {
            b"path" => self.path = some(value),
            b"linkpath" => self.link_path = some(value),
            b"size" => self.size = decimal(value)?,
            b"uid" => self.uid = decimal(value)?,
            b"gid" => self.gid = decimal(value)?,
            b"mtime" => self.mtime = time(value)?,
            b"SCHILY.devmajor" => self.device_major = decimal(value)?,
            b"SCHILY.devminor" => self.device_minor = decimal(value)?,
            b"SCHILY.acl.access" => self.access_acl = some(value),
            b"SCHILY.acl.default" => self.default_acl = some(value),
            b"SCHILY.acl.ace" => {
                self.xattr_fault = Some(Fault::unsupported("an NFSv4 ACL"));
            }
            b"RHT.security.selinux" => {
                // The kernel's value ends with a NUL that the record has not.
                let value = [value.strip_suffix(b"\0").unwrap_or(value), b"\0"].concat();
                self.add_xattr(b"security.selinux", &value, Priority::IfAbsent);
            }
            _ => self.take_prefixed(keyword, value)?,
        }
        Ok(())
    }

    fn take_prefixed(&mut self, keyword: &[u8], value: &[u8]) -> Result<(), Fault> {
        if let Some(name) = keyword.strip_prefix(b"SCHILY.xattr.") {
            self.add_xattr(&decode_percent(name, GNU_ESCAPES), value, Priority::Replace);
        } else if let Some(name) = keyword.strip_prefix(b"LIBARCHIVE.xattr.") {
            let name = decode_percent(name, Escapes::All);
            match decode_base64(value) {
                Some(value) => self.add_xattr(&name, &value, Priority::IfAbsent),
                None => {
                    self.xattr_fault =
                        Some(Fault::damaged(format!("{}: not base64", Escaped(keyword))));
                }
            }
        } else if let Some(name) = keyword.strip_prefix(b"GNU.sparse.") {
            self.sparse.take(name, value)?;
        }
        Ok(())
    }

    fn add_xattr(&mut self, name: &[u8], value: &[u8], priority: Priority) {
        if name.is_empty() || name.contains(&0) {
            self.xattr_fault = Some(Fault::damaged("an extended attribute without a name"));
            return;
        }
        if priority == Priority::Replace || !self.xattrs.contains_key(name) {
            self.xattrs.insert(name.into(), value.into());
        }
    }
}

/// The same attribute may stand there in several spellings.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Priority {
    Replace,
    IfAbsent,
}

/// An empty value stands for "as if there were no record".
fn some(value: &[u8]) -> Option<Vec<u8>> {
    (!value.is_empty()).then(|| value.to_vec())
}

type Record<'a> = (&'a [u8], &'a [u8]);

fn split_record(data: &[u8]) -> Result<(Record<'_>, &[u8]), Fault> {
    let damaged = || {
        let start = data.get(..data.len().min(40)).unwrap_or_default();
        Fault::damaged(format!("\"{}\" is no extended header record", Escaped(start)))
    };
    let blank = data.iter().take(20).position(|byte| *byte == b' ').ok_or_else(damaged)?;
    let length: Option<u64> = decimal(data.get(..blank).unwrap_or_default())?;
    let length = usize::try_from(length.ok_or_else(damaged)?).map_err(|_| damaged())?;
    let record = data.get(blank.saturating_add(1)..length).ok_or_else(damaged)?;
    let record = record.strip_suffix(b"\n").ok_or_else(damaged)?;
    let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(damaged)?;
    let (keyword, value) = record.split_at_checked(equals).ok_or_else(damaged)?;
    let rest = data.get(length..).unwrap_or_default();
    Ok(((keyword, value.get(1..).unwrap_or_default()), rest))
}

/// A decimal number of nothing but digits; `None` where there is none at all.
pub(super) fn decimal<T: TryFrom<u64>>(value: &[u8]) -> Result<Option<T>, Fault> {
    if value.is_empty() {
        return Ok(None);
    }
    let number = parse_digits(value).and_then(|number| T::try_from(number).ok());
    number
        .map(Some)
        .ok_or_else(|| Fault::damaged(format!("\"{}\" is no number in range", Escaped(value))))
}

fn parse_digits(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// Decimal seconds with an optional sign and fraction.
fn time(value: &[u8]) -> Result<Option<Timestamp>, Fault> {
    if value.is_empty() {
        return Ok(None);
    }
    let damaged = || Fault::damaged(format!("\"{}\" is no time", Escaped(value)));
    parse_time(value).map(Some).ok_or_else(damaged)
}

fn parse_time(value: &[u8]) -> Option<Timestamp> {
    let (negative, digits) = match value.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, value),
    };
    let dot = digits.iter().position(|byte| *byte == b'.').unwrap_or(digits.len());
    let (whole, fraction) = digits.split_at_checked(dot)?;
    let seconds = i64::try_from(parse_digits(whole)?).ok()?;
    let fraction = fraction.get(1..).unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut nanoseconds = 0_u32;
    for place in 0..9 {
        let digit = fraction.get(place).map_or(0, |byte| u32::from(byte.wrapping_sub(b'0')));
        nanoseconds = nanoseconds.checked_mul(10)?.checked_add(digit)?;
    }
    if !negative {
        return Some(Timestamp { seconds, nanoseconds });
    }
    // Nanoseconds count forward from the second before.
    Some(if nanoseconds == 0 {
        Timestamp::from_seconds(seconds.checked_neg()?)
    } else {
        Timestamp {
            seconds: seconds.checked_neg()?.checked_sub(1)?,
            nanoseconds: 1_000_000_000_u32.checked_sub(nanoseconds)?,
        }
    })
}

/// Which escapes a writer makes.
#[derive(Clone, Copy)]
enum Escapes {
    /// Every `%XX`.
    All,
    /// Only these two.
    Only([u8; 2]),
}

/// GNU tar writes `%` and `=` of an attribute's name as `%25` and `%3D`, and nothing else.
const GNU_ESCAPES: Escapes = Escapes::Only([b'%', b'=']);

fn decode_percent(text: &[u8], escapes: Escapes) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let hex = (*first == b'%').then(|| after.get(..2)).flatten();
        let byte = hex
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
            .filter(|byte| match escapes {
                Escapes::All => true,
                Escapes::Only(known) => known.contains(byte),
            });
        match byte {
            Some(byte) => {
                decoded.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                decoded.push(*first);
                rest = after;
            }
        }
    }
    decoded
}

/// libarchive leaves the padding out; others may write it.
fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let end = text.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last.saturating_add(1));
    base64::engine::general_purpose::STANDARD_NO_PAD.decode(text.get(..end)?).ok()
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may fail loudly")]
mod tests {
    use super::*;

    /// A record with its length in front.
    fn record(keyword: &str, value: &[u8]) -> Vec<u8> {
        let body = [b" ", keyword.as_bytes(), b"=", value, b"\n"].concat();
        let mut length = body.len() + 1;
        while length != body.len() + length.to_string().len() {
            length += 1;
        }
        [length.to_string().as_bytes(), &body].concat()
    }

    #[test]
    fn records_are_read_as_bytes() {
        let data = [
            record("path", b"a\xffb/\n"),
            record("uid", b"4294967295"),
            record("SCHILY.xattr.user.a%3Db%41", b"\0\n="),
            record("LIBARCHIVE.xattr.user.%e4", b"AAo9"),
            record("LIBARCHIVE.xattr.user.a=b", b"!"),
        ]
        .concat();
        let (pax, fault) = Pax::parse(&data);
        assert!(fault.is_none());
        assert_eq!(pax.path.as_deref(), Some(b"a\xffb/\n".as_slice()));
        assert_eq!(pax.uid, Some(u32::MAX));
        let names: Vec<&[u8]> = pax.xattrs.keys().map(|name| &**name).collect();
        assert_eq!(names, [b"user.a=b%41".as_slice(), b"user.\xe4"]);
        assert!(pax.xattrs.values().all(|value| **value == *b"\0\n="));
        assert!(pax.xattr_fault.is_some(), "the last has the equals sign of its name in its value");
    }

    #[test]
    fn times() {
        let check = |text: &str, expected: Option<(i64, u32)>| {
            let found = parse_time(text.as_bytes()).map(|t| (t.seconds, t.nanoseconds));
            assert_eq!(found, expected, "{text}");
        };
        check("1350244992.023960108", Some((1_350_244_992, 23_960_108)));
        check("5.1", Some((5, 100_000_000)));
        check("-1.5", Some((-2, 500_000_000)));
        check("-315619200", Some((-315_619_200, 0)));
        check("7.", Some((7, 0)));
        check("1.1234567899", Some((1, 123_456_789)));
        check("", None);
        check("1e3", None);
        check("99999999999999999999", None);
    }

    #[test]
    fn broken_records_are_refused() {
        let check = |data: &[u8]| assert!(Pax::parse(data).1.is_some(), "{}", Escaped(data));
        check(b"9 path=ab");
        check(b"999999999999999999999 path=a\n");
        check(b"100 path=a\n");
        check(b"3 a");
        check(b"path=a\n");
        check(b"8 path\n\n");
        check(&record("uid", b"-1"));
        check(&record("size", b"12a"));
    }
}
