//! rpm's own database format, `Packages.db` (SUSE): slots that point to blobs.
//!
//! Little-endian. A header of 32 bytes, then slots of 16 bytes up to the end of the slot pages;
//! blobs lie in blocks of 16 bytes. rpm's `lib/backend/ndb/rpmpkg.c`.

use crate::model::Fault;

const HEADER_MAGIC: &[u8] = b"RpmP";
const SLOT_MAGIC: &[u8] = b"Slot";
const BLOB_MAGIC: &[u8] = b"BlbS";
const TAIL_MAGIC: &[u8] = b"BlbE";
const HEADER_SIZE: usize = 32;
const SLOT_SIZE: usize = 16;
const PAGE_SIZE: usize = 4096;
const BLOCK_SIZE: usize = 16;
const BLOB_HEADER_SIZE: usize = 16;
const BLOB_TAIL_SIZE: usize = 12;

/// How many faults are told one by one.
const MAX_FAULTS: usize = 50;

/// The header blobs of all packages; what is damaged is told beside them.
pub fn blobs(file: &[u8]) -> Result<(Vec<&[u8]>, Vec<Fault>), Fault> {
    if !file.starts_with(HEADER_MAGIC) {
        return Err(Fault::damaged("no ndb package database"));
    }
    match le32(file, 4) {
        Some(0) => {}
        version => return Err(Fault::unsupported(format!("ndb version {version:?}"))),
    }
    let pages = le32(file, 12).and_then(|pages| usize::try_from(pages).ok());
    let slots = pages
        .and_then(|pages| pages.checked_mul(PAGE_SIZE))
        .and_then(|end| file.get(HEADER_SIZE..end))
        .ok_or_else(|| Fault::damaged(format!("{pages:?} slot pages in {} bytes", file.len())))?;
    let mut blobs = Vec::new();
    let mut faults = Vec::new();
    for slot in slots.as_chunks::<SLOT_SIZE>().0 {
        if !slot.starts_with(SLOT_MAGIC) {
            faults.push(Fault::damaged("a slot without its magic number"));
            break;
        }
        let [package, offset, blocks] = [4, 8, 12].map(|at| le32(slot, at).unwrap_or_default());
        if package == 0 {
            continue;
        }
        match blob(file, package, offset, blocks) {
            Some(blob) => blobs.push(blob),
            None if faults.len() >= MAX_FAULTS => {}
            None => faults.push(Fault::damaged(format!(
                "package {package}: no blob of {blocks} blocks at block {offset}"
            ))),
        }
    }
    Ok((blobs, faults))
}

fn blob(file: &[u8], package: u32, offset: u32, blocks: u32) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?.checked_mul(BLOCK_SIZE)?;
    let size = usize::try_from(blocks).ok()?.checked_mul(BLOCK_SIZE)?;
    let whole = file.get(start..start.checked_add(size)?)?;
    let (rest, tail) = whole.split_at_checked(whole.len().checked_sub(BLOB_TAIL_SIZE)?)?;
    let length = usize::try_from(le32(rest, 12)?).ok()?;
    let fits = rest.starts_with(BLOB_MAGIC)
        && le32(rest, 4)? == package
        && tail.ends_with(TAIL_MAGIC)
        && le32(tail, 4)? == le32(rest, 12)?;
    if !fits {
        return None;
    }
    rest.get(BLOB_HEADER_SIZE..BLOB_HEADER_SIZE.checked_add(length)?)
}

fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_le_bytes(*chunk))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut file = vec![0; PAGE_SIZE];
        file[..4].copy_from_slice(HEADER_MAGIC);
        file[12] = 1;
        for slot in file[HEADER_SIZE..].chunks_mut(SLOT_SIZE) {
            slot[..4].copy_from_slice(SLOT_MAGIC);
        }
        // Package 7 at block 256, 3 blocks: 16 + 5 bytes, padding, 12.
        file[HEADER_SIZE + 4] = 7;
        file[HEADER_SIZE + 9] = 1;
        file[HEADER_SIZE + 12] = 3;
        let mut blob = vec![0; 48];
        blob[..4].copy_from_slice(BLOB_MAGIC);
        blob[4] = 7;
        blob[12] = 5;
        blob[16..21].copy_from_slice(b"hello");
        blob[40] = 5;
        blob[44..].copy_from_slice(TAIL_MAGIC);
        file.extend(blob);
        file
    }

    #[test]
    fn blobs_are_found_and_damage_stays_local() {
        let check = |change: fn(&mut Vec<u8>), blobs_seen: &[&[u8]], damaged: usize| {
            let mut file = sample();
            change(&mut file);
            let (seen, faults) = blobs(&file).unwrap();
            assert_eq!((seen.as_slice(), faults.len()), (blobs_seen, damaged));
        };
        check(|_| (), &[b"hello"], 0);
        check(|file| file[PAGE_SIZE + 4] = 8, &[], 1);
        check(|file| file[PAGE_SIZE + 12] = 200, &[], 1);
        check(|file| file[HEADER_SIZE + 11] = 255, &[], 1);
        check(|file| file[HEADER_SIZE + SLOT_SIZE] = 0, &[b"hello"], 1);
        check(|file| file.truncate(PAGE_SIZE + 10), &[], 1);
    }

    #[test]
    fn other_files_are_refused() {
        assert!(blobs(b"").is_err());
        assert!(blobs(b"RpmP\0\0\0\0").is_err());
        let mut file = sample();
        file[4] = 1;
        assert!(blobs(&file).is_err());
    }
}
