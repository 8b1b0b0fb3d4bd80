//! `RECORD` of a dist-info: a line for each installed file with its digest and length.
//!
//! Comma-separated values (RFC 4180 quoting): a path from the directory around the dist-info or
//! from the root, `ALGORITHM=DIGEST` in URL-safe base64 without padding, decimal bytes. Digest and
//! length are empty for what the installer made itself.
//! <https://packaging.python.org/en/latest/specifications/recording-installed-packages/>

use crate::collect::packages::deb822::Damage;
use crate::collect::packages::hex;
use crate::collect::packages::place::MAX_PATH;
use crate::model::ShippedDigest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::borrow::Cow;

/// One installed file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// As recorded.
    pub path: Cow<'a, [u8]>,
    /// Of the bytes; `None` also for an algorithm that is not known.
    pub digest: Option<ShippedDigest>,
    /// In bytes.
    pub size: Option<u64>,
}

/// Reads all lines. The first damaged one is told; it costs nothing but itself.
#[must_use]
pub fn parse(bytes: &[u8]) -> (Vec<Line<'_>>, Vec<Damage>) {
    let mut lines = Vec::new();
    let mut damages = Vec::new();
    for (index, line) in bytes.split(|b| *b == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        match read(line) {
            Some(line) => lines.push(line),
            None if damages.is_empty() => {
                let reason = "no path, digest and length".to_owned();
                damages.push(Damage { line: index.saturating_add(1), reason });
            }
            None => {}
        }
    }
    (lines, damages)
}

fn read(line: &[u8]) -> Option<Line<'_>> {
    let (path, rest) = first_value(line)?;
    if path.is_empty() || path.len() > MAX_PATH {
        return None;
    }
    // Neither digests nor lengths hold what would have to be quoted.
    let mut values = rest.split(|b| *b == b',');
    let digest = values.next()?;
    let size = values.next().unwrap_or_default();
    let digest = if digest.is_empty() { None } else { read_digest(digest)? };
    let size = match std::str::from_utf8(size).ok()? {
        "" => None,
        digits => Some(digits.parse().ok()?),
    };
    Some(Line { path, digest, size })
}

/// The value before the first comma, and what follows that comma.
fn first_value(line: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let Some(mut rest) = line.strip_prefix(b"\"") else {
        let comma = line.iter().position(|b| *b == b',')?;
        return Some((line.get(..comma)?.into(), line.get(comma.checked_add(1)?..)?));
    };
    let mut value = Vec::new();
    loop {
        let quote = rest.iter().position(|b| *b == b'"')?;
        value.extend_from_slice(rest.get(..quote)?);
        rest = rest.get(quote.checked_add(1)?..)?;
        match rest.split_first()? {
            (b'"', after) => {
                value.push(b'"');
                rest = after;
            }
            (b',', after) => return Some((value.into(), after)),
            _ => return None,
        }
    }
}

/// `None` for what is no digest, `Some(None)` for one of an algorithm that is not known.
#[expect(clippy::option_option, reason = "damaged and unknown are told apart in one place")]
fn read_digest(text: &[u8]) -> Option<Option<ShippedDigest>> {
    let equals = text.iter().position(|b| *b == b'=')?;
    let (algorithm, digest) = text.split_at(equals);
    let digest = digest.get(1..)?.trim_ascii_end();
    // The specification has unpadded base64; builders wrote hexadecimal, too, and padding.
    let is_hexadecimal = matches!((algorithm, digest.len()), (b"sha256", 64) | (b"sha512", 128));
    let digest = match hex::decode(digest).filter(|_| is_hexadecimal) {
        Some(digest) => digest,
        None => {
            let end =
                digest.iter().rposition(|b| *b != b'=').map_or(0, |last| last.saturating_add(1));
            URL_SAFE_NO_PAD.decode(digest.get(..end)?).ok()?
        }
    };
    match (algorithm, ShippedDigest::from_slice(&digest)) {
        (b"sha256", Some(found @ ShippedDigest::Sha256(_)))
        | (b"sha512", Some(found @ ShippedDigest::Sha512(_))) => Some(Some(found)),
        (b"sha256" | b"sha512", _) => None,
        _ => Some(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_comma_separated_values() {
        let check = |line: &str, expected: Option<(&str, bool, Option<u64>)>| {
            let (lines, damages) = parse(line.as_bytes());
            let seen = lines.first().map(|line| {
                (std::str::from_utf8(&line.path).unwrap(), line.digest.is_some(), line.size)
            });
            assert_eq!(seen, expected, "{line}");
            assert_eq!(damages.is_empty(), expected.is_some(), "{line}");
        };
        let digest = "sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";
        check(&format!("a/b.py,{digest},0\r\n"), Some(("a/b.py", true, Some(0))));
        check("a.dist-info/RECORD,,\n", Some(("a.dist-info/RECORD", false, None)));
        check(&format!("\"a,\"\"b\"\"\",{digest},7"), Some(("a,\"b\"", true, Some(7))));
        check(&format!("a/b.py,{digest}=,0"), Some(("a/b.py", true, Some(0))));
        check(&format!("a/b.py,sha256={},0", "d79a".repeat(16)), Some(("a/b.py", true, Some(0))));
        check("a,sha384=AAAA,1", Some(("a", false, Some(1))));
        check("a,sha256=AAAA,1", None);
        check("a,x,1", None);
        check("a,,-1", None);
        check("a", None);
        check("\"a,b", None);
        check("\"a\"b,,", None);
        check(",,", None);
    }
}
