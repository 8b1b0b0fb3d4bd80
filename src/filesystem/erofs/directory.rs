//! Directories: blocks that begin with all their entries, and have the names behind them.

use crate::filesystem::bytes::{le16, le64, slice};
use crate::model::Fault;

/// Bytes of an entry.
const ENTRY: usize = 12;
/// `EROFS_NAME_LEN`.
const MAX_NAME: usize = 255;

/// The numbers and names of one block, `.` and `..` among them.
pub fn parse(block: &[u8]) -> Result<Vec<(u64, &[u8])>, Fault> {
    let first = usize::from(le16(block, 8)?);
    if first < ENTRY || first % ENTRY != 0 || first >= block.len() {
        return Err(Fault::damaged(format!("names at byte {first} of a block of a directory")));
    }
    let entries = slice(block, 0, first)?;
    let mut found = Vec::new();
    let mut start = first;
    for (index, entry) in entries.chunks_exact(ENTRY).enumerate() {
        let next = index.saturating_add(1).saturating_mul(ENTRY);
        let end = match entries.get(next..).filter(|rest| !rest.is_empty()) {
            Some(rest) => usize::from(le16(rest, 8)?),
            None => block.len(),
        };
        let name = block.get(start..end).filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| Fault::damaged(format!("a name from {start} to {end}")))?;
        // The last one ends with the block, or with a zero before.
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        if name.len() > MAX_NAME {
            return Err(Fault::damaged(format!("a name of {} bytes", name.len())));
        }
        found.push((le64(entry, 0)?, name));
        start = end;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_where_the_next_begin() {
        let entry = |number: u8, at: u8| [number, 0, 0, 0, 0, 0, 0, 0, at, 0, 1, 0];
        let mut block = [entry(36, 36), entry(36, 37), entry(7, 39)].concat();
        block.extend_from_slice(b"...name\0\0");
        let expected: [(u64, &[u8]); 3] = [(36, b"."), (36, b".."), (7, b"name")];
        assert_eq!(parse(&block).unwrap(), expected);
        let check = |at: usize, value: u8| {
            let mut block = block.clone();
            block[at] = value;
            assert!(parse(&block).is_err(), "{at}: {value}");
        };
        check(8, 0);
        check(8, 13);
        check(8, 240);
        check(20, 36);
        check(32, 200);
    }
}
