//! btrfs: the input is the beginning of an image, from its superblock on.

#![no_main]

use driftcheck::filesystem::btrfs::Btrfs;
use harness::{Input, walk};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

/// Nothing lies before the superblock, so that inputs begin with it.
const SUPERBLOCK: usize = 64 << 10;
/// The smallest block that all seeds are made of.
const BLOCK: usize = 4096;

/// Makes the checksums right of the superblock and of what has the UUID of a block, so that a
/// mutation is read and not passed over.
fn seal(bytes: &mut [u8]) {
    let Some(uuid) = bytes.get(32..48).map(<[u8]>::to_vec) else { return };
    for block in bytes.chunks_exact_mut(BLOCK) {
        if block[32..48] == uuid {
            let sum = crc32c::crc32c(&block[32..]);
            block[..4].copy_from_slice(&sum.to_le_bytes());
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut image = vec![0; SUPERBLOCK];
    image.extend_from_slice(bytes);
    seal(&mut image[SUPERBLOCK..]);
    if let Ok(filesystem) = Btrfs::open(Arc::new(Input::new(&image))) {
        walk(&filesystem);
    }
});
