//! Digests and the ids made of them: one type for each identity, so that none is taken for another.

use std::fmt;

macro_rules! digest_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// The digest of `bytes`, BLAKE3, 256 bits.
            #[must_use]
            pub fn of(bytes: &[u8]) -> Self {
                Self(*blake3::hash(bytes).as_bytes())
            }

            /// Reads exactly 32 bytes, as a store keeps them.
            #[must_use]
            pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }

            /// Reads 64 hexadecimal digits.
            #[must_use]
            pub fn from_hex(text: &str) -> Option<Self> {
                blake3::Hash::from_hex(text).ok().map(|hash| Self(*hash.as_bytes()))
            }

            /// The 32 raw bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The first twelve hexadecimal digits, as people quote it.
            #[must_use]
            pub fn short(&self) -> String {
                self.to_string().chars().take(12).collect()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.short())
            }
        }
    };
}

digest_type! {
    /// BLAKE3 of a file's bytes.
    ContentDigest
}
digest_type! {
    /// Names what a directory holds, down to the leaves, without times and link counts: two trees
    /// that a person would call equal have the same one, on whatever medium they lie.
    ContentId
}
digest_type! {
    /// Names what a directory holds, times and link counts included; trees are stored under it.
    ExactId
}
digest_type! {
    /// Names a manifest: its header, its tree and all its records.
    ManifestId
}
digest_type! {
    /// Names a set of records (packages, facts, events, gaps) by their canonical encoding.
    SetId
}
digest_type! {
    /// Names a directory of what packages shipped (see [`super::ShippedTree`]).
    ShippedId
}
