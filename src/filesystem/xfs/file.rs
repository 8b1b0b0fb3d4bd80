//! The bytes of files and of links' targets.

use super::checksum::{self, REMOTE};
use super::fork::Mapped;
use super::inode::{self, Format, Inode};
use super::volume::Volume;
use crate::filesystem::bytes::{be32, slice, to_usize};
use crate::filesystem::runs::{self, Blocks};
use crate::model::{Fault, FileKind};
use std::ops::Range;

/// `XFS_SYMLINK_MAXLEN`.
const MAX_TARGET: u64 = 1024;
/// `XSLM`.
const TARGET_MAGIC: u32 = 0x5853_4c4d;
/// `XARM`.
const VALUE_MAGIC: u32 = 0x5841_524d;
/// Of blocks that hold a target or the value of an attribute, in version 5.
const REMOTE_HEADER: usize = 56;
/// How often a file may hold the same block by reflink, on average: files that repeat themselves
/// exist, files that would be read for days do not.
const MAX_SHARING: u64 = 16;

/// The data fork; bytes on the realtime device are refused.
fn data<'a>(volume: &'a Volume, inode: &'a Inode) -> Result<Mapped<'a>, Fault> {
    if inode.is_realtime {
        return Err(Fault::unsupported("its bytes lie in the realtime section, which is not read"));
    }
    Ok(Mapped { volume, inode, fork: &inode.data })
}

/// Reads from a byte of the file on: as much as fits and is there.
pub fn read_at(
    volume: &Volume,
    inode: &Inode,
    offset: u64,
    buffer: &mut [u8],
) -> Result<usize, Fault> {
    let wanted = runs::clipped(inode.size, offset, buffer);
    runs::read(&data(volume, inode)?, offset, wanted)?;
    Ok(wanted.len())
}

/// The next range at or after `offset` that has blocks of its own and was written.
pub fn next_data(volume: &Volume, inode: &Inode, offset: u64) -> Result<Option<Range<u64>>, Fault> {
    runs::next_data(&data(volume, inode)?, inode.size, offset)
}

/// Refuses a file of more blocks than there can be.
pub fn check_blocks(volume: &Volume, inode: &Inode) -> Result<(), Fault> {
    let sharing = if inode.shares_blocks { MAX_SHARING } else { 1 };
    let limit = volume.capacity().saturating_mul(sharing);
    runs::check_mapped(&data(volume, inode)?, inode.size, limit)
}

/// The target of a symbolic link: in the inode where it is short, else in blocks.
pub fn target(volume: &Volume, inode: &Inode) -> Result<Vec<u8>, Fault> {
    if inode.kind != FileKind::Symlink {
        return Err(Fault::damaged("it is no symbolic link"));
    }
    if inode.size > MAX_TARGET {
        return Err(Fault::damaged(format!("a target of {} bytes", inode.size)));
    }
    if inode.data.format == Format::Local {
        return Ok(inode::local(&inode.data, inode.size)?.to_vec());
    }
    let mapped = Mapped { volume, inode, fork: &inode.data };
    remote(&mapped, 0, to_usize(inode.size)?, Remote::Target)
}

/// What lies in blocks of its own, each part with a header before it in version 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remote {
    /// The target of a link: a part is what one extent holds of it.
    Target,
    /// The value of an extended attribute: a part is a block.
    Value,
}

impl Remote {
    const fn magic(self) -> u32 {
        match self {
            Self::Target => TARGET_MAGIC,
            Self::Value => VALUE_MAGIC,
        }
    }
}

/// Bytes that lie in blocks of their own from block `from` of a fork on. The caller bounds the
/// length.
pub fn remote(
    mapped: &Mapped<'_>,
    from: u64,
    length: usize,
    what: Remote,
) -> Result<Vec<u8>, Fault> {
    let superblock = &mapped.volume.superblock;
    let size = to_usize(superblock.block_size)?;
    let mut bytes = Vec::new();
    if !superblock.has_checksums {
        bytes.resize(length, 0);
        let offset = from.saturating_mul(superblock.block_size.into());
        runs::read(mapped, offset, &mut bytes)?;
        return Ok(bytes);
    }
    let mut logical = from;
    while bytes.len() < length {
        let rest = length.saturating_sub(bytes.len());
        let run = run_at(mapped, logical)?;
        let wanted = rest.div_ceil(size.saturating_sub(REMOTE_HEADER)) as u64;
        let blocks = if what == Remote::Target { run.1.min(wanted) } else { 1 };
        let numbers: Vec<u64> = (run.0..).take(to_usize(blocks)?).collect();
        let part = mapped.volume.joined(&numbers)?;
        parse_remote(mapped, &part, (run.0, bytes.len(), rest), what)
            .map(|found| bytes.extend_from_slice(found))
            .map_err(|fault| fault.within(format_args!("block {}", run.0)))?;
        logical = logical.saturating_add(blocks);
    }
    Ok(bytes)
}

/// What a part holds, which lies at `number`, begins with byte `done` and has `rest` at most.
fn parse_remote<'a>(
    mapped: &Mapped<'_>,
    part: &'a [u8],
    (number, done, rest): (u64, usize, usize),
    what: Remote,
) -> Result<&'a [u8], Fault> {
    let found = be32(part, 0)?;
    if found != what.magic() {
        return Err(Fault::damaged(format!("the magic number {found:#x}")));
    }
    let superblock = &mapped.volume.superblock;
    checksum::verify_block(superblock, REMOTE, part, number, mapped.inode.number)?;
    let (offset, count) = (to_usize(be32(part, 4)?)?, to_usize(be32(part, 8)?)?);
    if offset != done || count == 0 || count > rest {
        return Err(Fault::damaged(format!(
            "{count} bytes from {offset} on, where {rest} from {done} on are missing"
        )));
    }
    slice(part, REMOTE_HEADER, count)
}

/// The block of the device that a fork has at `logical`.
pub fn physical(mapped: &Mapped<'_>, logical: u64) -> Result<u64, Fault> {
    run_at(mapped, logical).map(|(number, _)| number)
}

/// The block of the device that a fork has at `logical`, and how many lie there.
fn run_at(mapped: &Mapped<'_>, logical: u64) -> Result<(u64, u64), Fault> {
    let run = mapped.runs(logical)?.into_iter().next();
    run.and_then(|run| run.first.map(|first| (first, run.blocks)))
        .ok_or_else(|| Fault::damaged(format!("a hole at block {logical} of metadata")))
}
