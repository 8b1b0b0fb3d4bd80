//! Containers of disks (qcow2, VMDK, VHD, VHDX, VDI): the input is an image; of VHDX it is the
//! pieces that are in use, since its parts lie 1 MiB apart.

#![no_main]

use driftcheck::block::{OpenOptions, open_image};
use harness::{OnDisk, read_device};
use libfuzzer_sys::fuzz_target;

/// The beginning of the block that a VHDX's checksum covers, and its length.
const VHDX_HEADERS: [(usize, usize); 4] =
    [(64 << 10, 4096), (128 << 10, 4096), (192 << 10, 65_536), (256 << 10, 65_536)];
/// The sum of a VHD's header or footer: where it begins, its length, where its sum is.
const VHD_SUMS: [(usize, usize, usize); 2] = [(0, 512, 64), (512, 1024, 36)];

/// Makes the checksums right that stop a mutation of VHDX and VHD.
fn seal(bytes: &mut [u8]) {
    if bytes.starts_with(b"vhdxfile") {
        for (at, length) in VHDX_HEADERS {
            let Some(block) = bytes.get_mut(at..at + length) else { return };
            block[4..8].fill(0);
            let sum = crc32c::crc32c(block);
            block[4..8].copy_from_slice(&sum.to_le_bytes());
        }
    } else if bytes.starts_with(b"conectix") {
        for (at, length, sum_at) in VHD_SUMS {
            let Some(block) = bytes.get_mut(at..at + length) else { return };
            block[sum_at..sum_at + 4].fill(0);
            let sum = !block.iter().map(|byte| u32::from(*byte)).sum::<u32>();
            block[sum_at..sum_at + 4].copy_from_slice(&sum.to_be_bytes());
        }
    }
}

/// Where pieces of a VHDX go, and their lengths; the last is as long as it is.
const VHDX_PIECES: [(usize, usize); 5] = [
    (0, 320 << 10),
    (1 << 20, 64 << 10),
    (2 << 20, 64 << 10),
    (3 << 20, 64 << 10),
    (4 << 20, 1 << 20),
];

fn spread(mut bytes: &[u8]) -> Vec<u8> {
    let mut image = Vec::new();
    for (at, length) in VHDX_PIECES {
        let (piece, rest) = bytes.split_at(length.min(bytes.len()));
        image.resize(at, 0);
        image.extend_from_slice(piece);
        bytes = rest;
    }
    image
}

fuzz_target!(|bytes: &[u8]| {
    let is_vhdx = bytes.starts_with(b"vhdxfile");
    let mut bytes = if is_vhdx { spread(bytes) } else { bytes.to_vec() };
    seal(&mut bytes);
    let file = OnDisk::new(&bytes);
    if let Ok(image) = open_image(file.path(), &OpenOptions::default()) {
        read_device(image.device.as_ref());
    }
    let snapshot = OpenOptions { snapshot: Some("1".into()), ..OpenOptions::default() };
    if bytes.starts_with(b"QFI\xfb")
        && let Ok(image) = open_image(file.path(), &snapshot)
    {
        read_device(image.device.as_ref());
    }
});
