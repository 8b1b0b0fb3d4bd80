//! btrfs: the input is an image of mkfs.btrfs without the holes in it: its superblock, its first
//! chunk, and what lies in its second.

#![no_main]

use driftcheck::filesystem::btrfs::Btrfs;
use harness::{Input, walk};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

/// The smallest block that all seeds are made of.
const BLOCK: usize = 4096;
/// Where the three parts lie in an image.
const SUPERBLOCK: usize = 64 << 10;
const FIRST_CHUNK: usize = 1 << 20;
const SECOND_CHUNK: usize = 5 << 20;
/// Bytes of the first chunk that are used.
const FIRST_LENGTH: usize = 64 << 10;

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
    let mut bytes = bytes.to_vec();
    seal(&mut bytes);
    let (superblock, rest) = bytes.split_at(bytes.len().min(BLOCK));
    let (first, second) = rest.split_at(rest.len().min(FIRST_LENGTH));
    let mut image = vec![0; SECOND_CHUNK];
    image[SUPERBLOCK..][..superblock.len()].copy_from_slice(superblock);
    image[FIRST_CHUNK..][..first.len()].copy_from_slice(first);
    image.extend_from_slice(second);
    // The chunk goes on behind what is used of it.
    image.resize(image.len().max(SECOND_CHUNK + (1 << 20)), 0);
    if let Ok(filesystem) = Btrfs::open(Arc::new(Input::new(&image))) {
        walk(&filesystem);
    }
});
