//! Digests of blobs, and whether blobs have them.
//!
//! Specification: OCI image descriptors, "Digests" and "Registered algorithms". A digest names a
//! file below `blobs/`; what is no plain hexadecimal number of the right length names none.

use crate::block::BlockDevice;
use crate::model::Fault;
use sha2::{Digest as _, Sha256, Sha512};
use std::fmt;
use std::fmt::Write as _;

/// Blobs are read in such pieces.
const PIECE: usize = 256 * 1024;

/// The algorithms that the specification registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Sha256,
    Sha512,
}

/// `ALGORITHM:HEX`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Digest {
    algorithm: Algorithm,
    hex: String,
}

impl Digest {
    /// Reads a digest; a fault names what it is instead.
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let shown: String = text.chars().take(80).flat_map(char::escape_default).collect();
        let (algorithm, hex) =
            text.split_once(':').ok_or_else(|| Fault::damaged(format!("digest \"{shown}\"")))?;
        let (algorithm, length) = match algorithm {
            "sha256" => (Algorithm::Sha256, 64),
            "sha512" => (Algorithm::Sha512, 128),
            _ => return Err(Fault::unsupported(format!("digest \"{shown}\""))),
        };
        let is_plain = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if hex.len() != length || !hex.bytes().all(is_plain) {
            return Err(Fault::damaged(format!("digest \"{shown}\"")));
        }
        Ok(Self { algorithm, hex: hex.to_owned() })
    }

    /// Where an image layout keeps the blob.
    pub(super) fn blob_path(&self) -> String {
        format!("/blobs/{}/{}", self.algorithm_name(), self.hex)
    }

    fn algorithm_name(&self) -> &'static str {
        match self.algorithm {
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha512 => "sha512",
        }
    }

    /// A fault where the bytes have another digest.
    pub(super) fn verify_bytes(&self, bytes: &[u8]) -> Result<(), Fault> {
        self.compare(&match self.algorithm {
            Algorithm::Sha256 => hex(&Sha256::digest(bytes)),
            Algorithm::Sha512 => hex(&Sha512::digest(bytes)),
        })
    }

    /// Reads a whole device; a fault where it has another digest.
    pub(super) fn verify(&self, device: &dyn BlockDevice) -> Result<(), Fault> {
        self.compare(&match self.algorithm {
            Algorithm::Sha256 => hex(&digest_of::<Sha256>(device)?),
            Algorithm::Sha512 => hex(&digest_of::<Sha512>(device)?),
        })
    }

    fn compare(&self, found: &str) -> Result<(), Fault> {
        if *found == self.hex {
            return Ok(());
        }
        Err(Fault::damaged(format!("its {} is {found}, not {}", self.algorithm_name(), self.hex)))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm_name(), self.hex)
    }
}

fn digest_of<D: sha2::Digest>(device: &dyn BlockDevice) -> Result<Vec<u8>, Fault> {
    let mut hasher = D::new();
    let mut buffer = vec![0; PIECE];
    let mut offset = 0_u64;
    while offset < device.length() {
        let rest = usize::try_from(device.length().saturating_sub(offset)).unwrap_or(usize::MAX);
        let piece = buffer.get_mut(..PIECE.min(rest)).unwrap_or_default();
        device.read_at(offset, piece)?;
        hasher.update(&*piece);
        offset = offset.saturating_add(piece.len() as u64);
    }
    Ok(hasher.finalize().to_vec())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &str = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

    #[test]
    fn digests_are_verified() {
        let digest = Digest::parse(HELLO).unwrap();
        assert!(digest.verify_bytes(b"hello").is_ok());
        assert!(digest.verify_bytes(b"hallo").is_err());
        assert_eq!(digest.to_string(), HELLO);
        assert!(digest.blob_path().starts_with("/blobs/sha256/2cf2"));
    }

    #[test]
    fn only_digests_name_blobs() {
        let upper = HELLO.to_uppercase().replace("SHA", "sha");
        for wrong in ["", "sha256", "sha256:", "sha256:../../etc/passwd", "md5:aa", &upper] {
            assert!(Digest::parse(wrong).is_err(), "{wrong}");
        }
    }
}
