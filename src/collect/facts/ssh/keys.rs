//! Public keys of OpenSSH (sshd(8), "AUTHORIZED_KEYS FILE FORMAT"): options, type, key, comment.
//!
//! A key is named as `ssh-keygen -l` names it, by the SHA-256 of its bytes.

use crate::collect::facts::lines::{self, Parsed};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest, Sha256};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// `ssh-ed25519`, …
    pub kind: String,
    /// `SHA256:…`.
    pub fingerprint: String,
    /// What follows the key.
    pub comment: String,
    /// What stands before it.
    pub options: String,
}

/// Reads `authorized_keys` or a `.pub` file.
#[must_use]
pub fn parse(text: &str) -> Parsed<Key> {
    // The line is not quoted: it may be a private key in the wrong place.
    lines::each(text, |line| key(line).map(Some).ok_or("no key"))
}

fn key(line: &str) -> Option<Key> {
    let (options, line) = if is_kind(line.split_whitespace().next()?) {
        ("", line)
    } else {
        let end = unquoted_space(line)?;
        line.split_at_checked(end)?
    };
    let mut words = line.split_whitespace();
    let (kind, encoded) = (words.next()?, words.next()?);
    let blob = STANDARD.decode(encoded).ok().filter(|_| is_kind(kind))?;
    // The bytes begin with the type, under its length.
    let (length, rest) = blob.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    if rest.get(..length)? != kind.as_bytes() {
        return None;
    }
    let print = STANDARD_NO_PAD.encode(Sha256::digest(&blob));
    let comment = words.collect::<Vec<_>>().join(" ");
    Some(Key {
        kind: kind.to_owned(),
        fingerprint: format!("SHA256:{print}"),
        comment,
        options: options.to_owned(),
    })
}

fn is_kind(word: &str) -> bool {
    ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"].iter().any(|start| word.starts_with(start))
}

fn unquoted_space(line: &str) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    for (index, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            ' ' | '\t' if !quoted => return Some(index),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key() {
        let check = |line: &str, expected: usize| {
            assert_eq!(parse(line).1.count, expected, "{line}");
        };
        check("# comment", 0);
        check("ssh-ed25519", 1);
        check("ssh-ed25519 !!", 1);
        check("ssh-ed25519 AAAA", 1);
        check("ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f", 1);
        check("command=\"open ssh-rsa AAAA", 1);
        check("-----BEGIN OPENSSH PRIVATE KEY-----", 1);
    }
}
