//! Operations of the log put together into transactions: the items that each one changed.
//!
//! Follows `xlog_recover_process_ophdr` and what it calls in `fs/xfs/xfs_log_recover.c`. The parts
//! of several transactions stand between each other, and one part may go on in the next record. A
//! transaction counts from the operation that commits it; the others never happened.

use crate::filesystem::bytes::{be32, byte, le16, le32, slice, to_usize};
use crate::model::Fault;
use std::collections::HashMap;

const OPERATION: usize = 12;
/// Who writes operations: transactions, and the log itself.
const CLIENTS: [u8; 2] = [0x69, 0xaa];
/// `XFS_TRANS_HEADER_MAGIC`.
const MAGIC: u32 = 0x5452_414e;
/// Bytes of a transaction's own header.
const HEADER: usize = 16;
/// `XLOG_MAX_REGIONS_IN_ITEM`.
const MAX_REGIONS: usize = 257;
/// All that is kept in memory of a log; those of running systems hold a few megabytes that are not
/// in their places.
const MAX_BYTES: usize = 96 << 20;

/// Flags of an operation.
mod flags {
    pub const START: u8 = 1;
    pub const COMMIT: u8 = 2;
    pub const GOES_ON: u8 = 4;
    pub const WENT_ON: u8 = 8;
    pub const END: u8 = 0x10;
    pub const UNMOUNT: u8 = 0x20;
}

/// Something that a transaction changed: what it is, then the bytes that changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Item {
    wanted: usize,
    pub regions: Vec<Vec<u8>>,
}

#[derive(Debug, Default)]
struct Open {
    header: Vec<u8>,
    items: Vec<Item>,
}

/// The transactions of a log, as far as it was read.
#[derive(Debug, Default)]
pub struct Transactions {
    open: HashMap<u32, Open>,
    /// In the order in which they were committed.
    pub committed: Vec<Vec<Item>>,
    bytes: usize,
}

impl Transactions {
    /// Takes the data of the next record.
    pub fn take(&mut self, data: &[u8], operations: u32) -> Result<(), Fault> {
        let mut at = 0_usize;
        for _ in 0..operations {
            let (id, length) = (be32(data, at)?, to_usize(be32(data, at.saturating_add(4))?)?);
            let client = byte(data, at.saturating_add(8))?;
            let flags = byte(data, at.saturating_add(9))?;
            if !CLIENTS.contains(&client) {
                return Err(Fault::damaged(format!("an operation of client {client:#x}")));
            }
            at = at.saturating_add(OPERATION);
            let body = slice(data, at, length)?;
            at = at.saturating_add(length);
            self.bytes = self.bytes.saturating_add(length).saturating_add(OPERATION);
            if self.bytes > MAX_BYTES {
                return Err(Fault::limit(format!(
                    "more than the {MAX_BYTES} bytes that are replayed"
                )));
            }
            self.operation(id, flags, body)?;
        }
        Ok(())
    }

    fn operation(&mut self, id: u32, flags: u8, body: &[u8]) -> Result<(), Fault> {
        if flags & flags::START != 0 {
            self.open.insert(id, Open::default());
            return Ok(());
        }
        // One that began before the oldest change that matters.
        let Some(open) = self.open.get_mut(&id) else { return Ok(()) };
        let mut what = flags & !flags::END;
        if what & flags::WENT_ON != 0 {
            what &= !flags::GOES_ON;
        }
        match what {
            0 | flags::GOES_ON => open.add(body),
            flags::WENT_ON => open.append(body),
            flags::COMMIT => {
                self.committed.extend(self.open.remove(&id).map(|open| open.items));
                Ok(())
            }
            flags::UNMOUNT => {
                self.open.remove(&id);
                Ok(())
            }
            _ => Err(Fault::damaged(format!("an operation with the flags {flags:#x}"))),
        }
    }
}

impl Open {
    fn add(&mut self, body: &[u8]) -> Result<(), Fault> {
        if body.is_empty() {
            return Ok(());
        }
        let Some(last) = self.items.last_mut() else {
            self.header = body.to_vec();
            if body.len() > HEADER || (body.len() >= 4 && le32(body, 0)? != MAGIC) {
                return Err(Fault::damaged("a transaction without its header"));
            }
            if body.len() == HEADER {
                self.items.push(Item::default());
            }
            return Ok(());
        };
        let is_full = last.wanted != 0 && last.regions.len() == last.wanted;
        if is_full {
            self.items.push(Item::default());
        }
        let Some(item) = self.items.last_mut() else { return Ok(()) };
        if item.wanted == 0 {
            item.wanted = le16(body, 2)?.into();
            if !(1..=MAX_REGIONS).contains(&item.wanted) {
                return Err(Fault::damaged(format!("an item of {} parts", item.wanted)));
            }
        }
        item.regions.push(body.to_vec());
        Ok(())
    }

    /// The rest of what did not fit into a record.
    fn append(&mut self, body: &[u8]) -> Result<(), Fault> {
        match self.items.last_mut() {
            None => {
                self.header.extend_from_slice(body);
                if self.header.len() != HEADER {
                    return Err(Fault::damaged("a transaction's header in more than two parts"));
                }
                self.items.push(Item::default());
            }
            Some(item) => match item.regions.last_mut() {
                Some(region) => region.extend_from_slice(body),
                None => return Err(Fault::damaged("a part of an item that never began")),
            },
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(id: u32, flags: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&id.to_be_bytes()[..], &length, &[0x69, flags, 0, 0], body].concat()
    }

    fn check(operations: &[Vec<u8>], expected: &str) {
        let mut found = Transactions::default();
        let count = u32::try_from(operations.len()).unwrap();
        let shown = match found.take(&operations.concat(), count) {
            Ok(()) => {
                let shown = found.committed.iter().map(|items| {
                    let items = items.iter().map(|item| {
                        let parts = item.regions.iter().map(|r| r.escape_ascii().to_string());
                        parts.collect::<Vec<_>>().join("+")
                    });
                    items.collect::<Vec<_>>().join(",")
                });
                shown.collect::<Vec<_>>().join("; ")
            }
            Err(fault) => fault.to_string(),
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn parts_are_put_together() {
        let start = |id| operation(id, flags::START, b"");
        let header = |id| operation(id, 0, b"NART............");
        let commit = |id| operation(id, flags::COMMIT, b"");
        check(&[operation(9, 0, b"of a transaction before"), commit(9)], "");
        check(&[start(1), header(1), operation(1, 0, b"ab\x01\0")], "");
        check(
            &[
                start(1),
                start(2),
                header(2),
                header(1),
                operation(1, 0, b"ab\x02\0"),
                operation(2, flags::GOES_ON, b"cd\x01\0e"),
                operation(2, flags::WENT_ON | flags::END, b"fg"),
                commit(2),
                operation(1, 0, b"second"),
                operation(1, 0, b"hi\x01\0"),
                commit(1),
            ],
            "cd\\x01\\x00efg; ab\\x02\\x00+second,hi\\x01\\x00",
        );
        check(
            &[
                start(1),
                operation(1, flags::GOES_ON, b"NART...."),
                operation(1, flags::WENT_ON, b"........"),
                operation(1, 0, b"ab\x01\0"),
                commit(1),
            ],
            "ab\\x01\\x00",
        );
        check(&[start(1), operation(1, 0, b"ab\x01\0")], "a transaction without its header");
        check(&[start(1), header(1), operation(1, 0, b"ab\0\0")], "an item of 0 parts");
    }
}
