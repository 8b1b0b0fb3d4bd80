//! Partition tables and LVM2: the input is the beginning of a disk of 4 MiB.

#![no_main]

use driftcheck::block::{BlockDevice, volumes};
use driftcheck::filesystem::recognise;
use harness::{Input, read_device};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

/// Where the seeds' partitions begin, and the disk itself.
const STARTS: [usize; 3] = [0, 1 << 20, 2 << 20];

fn crc(start: u32, bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    bytes.iter().fold(start, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..)?.first_chunk::<8>()?;
    usize::try_from(u64::from_le_bytes(*bytes)).ok()
}

fn put(bytes: &mut [u8], at: usize, sum: u32) -> Option<()> {
    bytes.get_mut(at..at.checked_add(4)?)?.copy_from_slice(&sum.to_le_bytes());
    Some(())
}

/// The sums of a GPT's table and header.
fn seal_gpt(bytes: &mut [u8]) -> Option<()> {
    let header = bytes.get(512..604)?;
    if !header.starts_with(b"EFI PART") {
        return None;
    }
    let count = usize::try_from(u32::from_le_bytes(*header.get(80..)?.first_chunk()?)).ok()?;
    let size = usize::try_from(u32::from_le_bytes(*header.get(84..)?.first_chunk()?)).ok()?;
    let start = number(header, 72)?.checked_mul(512)?;
    if let Some(end) = count.checked_mul(size).and_then(|length| start.checked_add(length))
        && let Some(table) = bytes.get(start..end)
    {
        put(bytes, 512 + 88, !crc(!0, table))?;
    }
    put(bytes, 512 + 16, 0)?;
    let sum = !crc(!0, bytes.get(512..604)?);
    put(bytes, 512 + 16, sum)
}

/// Those of a physical volume's label, of its ring and of the text in that.
fn seal_lvm(bytes: &mut [u8]) -> Option<()> {
    const START: u32 = 0xf597_a6cf;
    let sum = crc(START, bytes.get(532..1024)?);
    put(bytes, 528, sum)?;
    let ring = bytes.get(4096..4608)?;
    if ring.get(4..20)? != b" LVM2 x[5A%r0N*>" {
        return None;
    }
    let start = number(ring, 40)?.checked_add(4096)?;
    let end = start.checked_add(number(ring, 48)?)?;
    if let Some(text) = bytes.get(start..end) {
        let sum = crc(START, text);
        put(bytes, 4096 + 56, sum)?;
    }
    let sum = crc(START, bytes.get(4100..4608)?);
    put(bytes, 4096, sum)
}

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.to_vec();
    seal_gpt(&mut bytes);
    for start in STARTS {
        if let Some(part) = bytes.get_mut(start..)
            && part.get(512..).is_some_and(|label| label.starts_with(b"LABELONE"))
        {
            seal_lvm(part);
        }
    }
    let device: Arc<dyn BlockDevice> = Arc::new(Input::new(&bytes));
    for part in volumes(&device).parts {
        let _ = recognise::identify(part.device.as_ref());
        read_device(part.device.as_ref());
    }
});
