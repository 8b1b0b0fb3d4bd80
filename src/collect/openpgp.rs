//! As much of OpenPGP (RFC 4880, RFC 9580) as names a key: whose signature something bears, and
//! the fingerprints of public keys. Nothing is verified.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};
use sha2::Sha256;

/// A packet: its type and its body.
struct Packet<'a> {
    kind: u8,
    body: &'a [u8],
}

const SIGNATURE: u8 = 2;
const PUBLIC_KEY: u8 = 6;

/// The key id (16 hexadecimal digits) of the first signature among the packets that names one.
#[must_use]
pub fn signer(bytes: &[u8]) -> Option<String> {
    packets(bytes).filter(|packet| packet.kind == SIGNATURE).find_map(|packet| issuer(packet.body))
}

/// Fingerprints of the primary keys in a key file, upper case; binary or in ASCII armour.
#[must_use]
pub fn fingerprints(bytes: &[u8]) -> Vec<String> {
    // Every packet starts with the highest bit set, and no text does.
    let is_binary = bytes.first().is_some_and(|first| first & 0x80 != 0);
    let armours = if is_binary { Vec::new() } else { armoured(bytes) };
    let blocks: Vec<&[u8]> =
        if armours.is_empty() { vec![bytes] } else { armours.iter().map(Vec::as_slice).collect() };
    let keys = blocks.into_iter().flat_map(packets).filter(|packet| packet.kind == PUBLIC_KEY);
    keys.filter_map(|packet| fingerprint(packet.body)).collect()
}

/// Packets up to the first that does not fit; indeterminate lengths, which keys and signatures do
/// not have, end it as well.
fn packets(mut bytes: &[u8]) -> impl Iterator<Item = Packet<'_>> {
    std::iter::from_fn(move || {
        let (&tag, rest) = bytes.split_first()?;
        let (kind, length, rest) = if tag & 0xc0 == 0xc0 {
            let (length, rest) = new_length(rest)?;
            (tag & 0x3f, length, rest)
        } else if tag & 0x80 != 0 {
            let size = match tag & 3 {
                0 => 1,
                1 => 2,
                2 => 4,
                _ => return None,
            };
            let (length, rest) = rest.split_at_checked(size)?;
            ((tag >> 2) & 0x0f, big_endian(length)?, rest)
        } else {
            return None;
        };
        let (body, rest) = rest.split_at_checked(length)?;
        bytes = rest;
        Some(Packet { kind, body })
    })
}

/// The length of a packet or subpacket in the newer form.
fn new_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    match first {
        0..=191 => Some((first.into(), rest)),
        192..=223 => {
            let (&second, rest) = rest.split_first()?;
            let high = usize::from(first).checked_sub(192)?.checked_mul(256)?;
            Some((high.checked_add(second.into())?.checked_add(192)?, rest))
        }
        255 => {
            let (length, rest) = rest.split_at_checked(4)?;
            Some((big_endian(length)?, rest))
        }
        _ => None,
    }
}

fn big_endian(bytes: &[u8]) -> Option<usize> {
    bytes.iter().try_fold(0_usize, |sum, byte| sum.checked_mul(256)?.checked_add((*byte).into()))
}

fn issuer(body: &[u8]) -> Option<String> {
    match body.first()? {
        3 => body.get(7..15).map(hex),
        4 => {
            let rest = body.get(4..)?;
            let (hashed, rest) = counted(rest, 2)?;
            let (unhashed, _) = counted(rest, 2)?;
            [hashed, unhashed].into_iter().find_map(issuer_of)
        }
        6 => {
            let rest = body.get(4..)?;
            let (hashed, rest) = counted(rest, 4)?;
            let (unhashed, _) = counted(rest, 4)?;
            [hashed, unhashed].into_iter().find_map(issuer_of)
        }
        _ => None,
    }
}

/// A block with its length, in so many bytes, before it.
fn counted(bytes: &[u8], size: usize) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_at_checked(size)?;
    rest.split_at_checked(big_endian(length)?)
}

/// From subpackets: issuer (16), or the key id within the issuer's fingerprint (33).
fn issuer_of(mut area: &[u8]) -> Option<String> {
    while !area.is_empty() {
        let (length, rest) = new_length(area)?;
        let (subpacket, rest) = rest.split_at_checked(length)?;
        area = rest;
        let (&kind, value) = subpacket.split_first()?;
        match (kind & 0x7f, value.first()) {
            (16, _) if value.len() == 8 => return Some(hex(value)),
            (33, Some(4)) => return value.last_chunk::<8>().map(|id| hex(id)),
            (33, Some(6)) => return value.get(1..9).map(hex),
            _ => {}
        }
    }
    None
}

fn fingerprint(body: &[u8]) -> Option<String> {
    match body.first()? {
        4 => {
            let length = u16::try_from(body.len()).ok()?;
            let hash = Sha1::new().chain_update([0x99]).chain_update(length.to_be_bytes());
            Some(hex(&hash.chain_update(body).finalize()).to_uppercase())
        }
        6 => {
            let length = u32::try_from(body.len()).ok()?;
            let hash = Sha256::new().chain_update([0x9b]).chain_update(length.to_be_bytes());
            Some(hex(&hash.chain_update(body).finalize()).to_uppercase())
        }
        _ => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut out, byte| {
        // Writing to a string cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// The blocks of a file in ASCII armour, decoded; those that are damaged are left out.
fn armoured(bytes: &[u8]) -> Vec<Vec<u8>> {
    let text = String::from_utf8_lossy(bytes);
    let mut blocks = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while lines.by_ref().any(|line| line.starts_with("-----BEGIN PGP ")) {
        let block: Vec<&str> =
            lines.by_ref().take_while(|line| !line.starts_with("-----END PGP ")).collect();
        // Headers end with an empty line; the checksum line starts with `=`.
        let start =
            block.iter().position(|line| line.is_empty()).map_or(0, |i| i.saturating_add(1));
        let data: String =
            block.iter().skip(start).take_while(|line| !line.starts_with('=')).copied().collect();
        blocks.extend(STANDARD.decode(data).ok());
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signers() {
        let check = |bytes: &[u8], expected: Option<&str>| {
            assert_eq!(signer(bytes).as_deref(), expected);
        };
        // Version 3 in an old packet: hashed length, type, time, key id, algorithms.
        let mut old = vec![0x88, 17, 3, 5, 0, 0, 0, 0, 0];
        old.extend([0xde, 0xad, 0xbe, 0xef, 1, 2, 3, 4, 1, 8]);
        check(&old, Some("deadbeef01020304"));
        // Version 4 in a new packet: a time in the hashed area, the issuer in the other.
        let mut new = vec![0xc2, 24, 4, 0, 1, 8, 0, 6, 5, 2, 0, 0, 0, 0, 0, 10, 9, 16];
        new.extend([1, 2, 3, 4, 5, 6, 7, 8]);
        check(&new, Some("0102030405060708"));
        check(&new[..20], None);
        check(&[0xff; 40], None);
        check(b"", None);
    }

    #[test]
    fn keys_in_both_forms() {
        let body = [4, 0, 0, 0, 0, 1, 0, 1, 1];
        let mut key = vec![0xc6, 9];
        key.extend(body);
        let expected = fingerprint(&body).unwrap();
        assert_eq!(expected.len(), 40);
        assert_eq!(fingerprints(&key), [expected.as_str()]);
        let armour = format!(
            "-----BEGIN PGP PUBLIC KEY BLOCK-----\nComment: x\n\n{}\n=abcd\n\
             -----END PGP PUBLIC KEY BLOCK-----\n",
            STANDARD.encode(&key)
        );
        assert_eq!(fingerprints(armour.as_bytes()), [expected.as_str()]);
        assert!(fingerprints(b"no key").is_empty());
    }
}
