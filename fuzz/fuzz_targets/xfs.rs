//! XFS: the input is the beginning of an image.

#![no_main]

use driftcheck::filesystem::xfs::Xfs;
use harness::{Input, walk};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

const SECTOR: usize = 512;
/// Of the header of the log's records, what has a checksum, and where that is.
const RECORD: (usize, usize) = (328, 32);

/// Makes the checksums right of the log's records, so that a mutation is replayed.
fn seal(bytes: &mut [u8]) {
    for start in (0..bytes.len().saturating_sub(SECTOR)).step_by(SECTOR) {
        let record = &mut bytes[start..];
        if !record.starts_with(&[0xfe, 0xed, 0xba, 0xbe]) {
            continue;
        }
        let number = |at: usize| {
            usize::try_from(u32::from_be_bytes([0, 1, 2, 3].map(|index| record[at + index])))
        };
        let (Ok(length), Ok(size)) = (number(12), number(320)) else { continue };
        let data = SECTOR * size.div_ceil(32 << 10).clamp(1, 32);
        let Some(data) = record.get(data..data.saturating_add(length)) else { continue };
        let mut header = record[..RECORD.0].to_vec();
        header[RECORD.1..RECORD.1 + 4].fill(0);
        let mut sum = crc32c::crc32c(&header);
        if size > 32 << 10 {
            for further in record[SECTOR..].chunks_exact(SECTOR).take(size.div_ceil(32 << 10) - 1) {
                sum = crc32c::crc32c_append(sum, &further[..260]);
            }
        }
        let sum = crc32c::crc32c_append(sum, data);
        record[RECORD.1..RECORD.1 + 4].copy_from_slice(&sum.to_le_bytes());
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.to_vec();
    seal(&mut bytes);
    if let Ok(filesystem) = Xfs::open(Arc::new(Input::new(&bytes))) {
        walk(&filesystem);
    }
});
