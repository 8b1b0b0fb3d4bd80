//! The members of an archive, one after the other, with everything that stands before their header.
//!
//! A block that is no header where one must stand is passed over until one is found, as GNU tar
//! does, and is told. A cut-off archive gives the members before the cut.

use super::header::{BLOCK, Block, Header, is_zero};
use super::pax::Pax;
use super::sparse::{self, DataMap, Extent, padded};
use super::stream::Stream;
use crate::model::{Fault, Timestamp, TreePath, path::Escaped};

/// Long names and extended headers beyond this are refused: the largest that is written in earnest
/// is the map of a file with a hundred thousand holes.
const MAX_EXTENDED: u64 = 16 << 20;

/// Bytes that are searched for the next header after damage: more than the largest file of an image.
const MAX_SEARCH: u64 = 64 << 30;

/// Damage is told so many times; an archive of nothing but damage is one damaged archive.
const MAX_FAULTS: usize = 1000;

/// Whether an archive must end with its mark, two blocks of zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndMark {
    /// Without it, it may have been cut off, and that is told.
    Required,
    /// Something else vouches that it is whole.
    Optional,
}

/// What a member makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    HardLink,
    Symlink,
    CharacterDevice,
    BlockDevice,
    Directory,
    Fifo,
}

/// Where the bytes of a file are.
#[derive(Clone, Debug)]
pub(super) enum Data {
    /// In one piece, from this offset of the archive.
    Stored(u64),
    /// In these pieces.
    Sparse(Box<[Extent]>),
    /// Nobody knows.
    Unknown(Box<Fault>),
}

/// What its header says beside name and kind.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Attributes {
    pub(super) mode: u16,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mtime: Timestamp,
    pub(super) device: (u32, u32),
}

/// One member.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) path: Vec<u8>,
    pub(super) kind: Kind,
    pub(super) link: Vec<u8>,
    pub(super) attributes: Result<Attributes, Fault>,
    /// Length of the file with its holes.
    pub(super) size: u64,
    pub(super) data: Data,
    /// The extended header's records.
    pub(super) pax: Pax,
}

/// Something wrong, with the path of the member where one is known.
#[derive(Debug)]
pub(super) struct MemberFault {
    pub(super) path: TreePath,
    pub(super) fault: Fault,
}

/// Reads members.
pub(super) struct Members {
    stream: Stream,
    global: Pax,
    end_mark: EndMark,
    /// A block that was looked at and belongs to what comes next.
    put_back: Option<Block>,
    is_done: bool,
    /// Whether extended attributes of any member were seen.
    pub(super) has_xattrs: bool,
    /// Whether an ACL of any member was seen.
    pub(super) has_acls: bool,
    /// Whether a header was seen at all.
    pub(super) has_header: bool,
    /// What was wrong so far.
    pub(super) faults: Vec<MemberFault>,
}

/// What stood before a member's header.
#[derive(Default)]
struct Before {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    pax: Option<Pax>,
    fault: Option<Fault>,
}

impl Members {
    pub(super) fn new(stream: Stream, end_mark: EndMark) -> Self {
        Self {
            stream,
            global: Pax::default(),
            end_mark,
            put_back: None,
            is_done: false,
            has_xattrs: false,
            has_acls: false,
            has_header: false,
            faults: Vec::new(),
        }
    }

    /// The next member; `None` at the end, and where nothing more can be read.
    pub(super) fn next(&mut self) -> Option<Member> {
        while !self.is_done {
            match self.read_member() {
                Ok(Some(member)) => return Some(member),
                Ok(None) => {}
                Err(fault) => {
                    self.is_done = true;
                    self.tell(b"", fault);
                }
            }
        }
        None
    }

    /// Reads what is left and hands out the bytes that were passed.
    pub(super) fn into_stream(mut self) -> (Stream, Vec<MemberFault>) {
        if self.has_header
            && let Err(fault) = self.stream.drain()
        {
            self.tell(b"", fault);
        }
        (self.stream, self.faults)
    }

    fn tell(&mut self, path: &[u8], fault: Fault) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(MemberFault { path: TreePath::parse(path), fault });
        }
    }

    /// One header with what belongs to it. `None` at the end or where what was found makes no
    /// member; a fault where nothing more can be read.
    fn read_member(&mut self) -> Result<Option<Member>, Fault> {
        let mut before = Before::default();
        loop {
            let Some(header) = self.next_header()? else {
                self.is_done = true;
                return Ok(None);
            };
            match header.type_flag() {
                b'L' => match self.read_extended(&header)? {
                    Ok(name) => before.name = Some(name),
                    Err(fault) => before.fault = Some(fault),
                },
                b'K' => match self.read_extended(&header)? {
                    Ok(link) => before.link = Some(link),
                    Err(fault) => before.fault = Some(fault),
                },
                b'x' | b'X' => {
                    let (pax, fault) = self.read_pax(&header)?;
                    self.has_xattrs |= pax.has_xattrs();
                    self.has_acls |= pax.has_acls();
                    before.pax = Some(pax);
                    before.fault = before.fault.or(fault);
                }
                b'g' => {
                    let (pax, fault) = self.read_pax(&header)?;
                    self.global = pax.or(&self.global);
                    if let Some(fault) = fault {
                        self.tell(b"", fault.within("global extended header"));
                    }
                }
                // A volume's label.
                b'V' => self.skip(header.size().unwrap_or(0))?,
                _ => return self.member(&header, before),
            }
        }
    }

    /// Reads a block; `None` at the end.
    fn next_block(&mut self) -> Result<Option<Block>, Fault> {
        if let Some(block) = self.put_back.take() {
            return Ok(Some(block));
        }
        let mut block = [0; BLOCK];
        let position = self.stream.position();
        match self.stream.fill(&mut block)? {
            BLOCK => Ok(Some(block)),
            0 => Ok(None),
            count => Err(Fault::damaged(format!(
                "cut off at byte {}",
                position.saturating_add(count as u64)
            ))),
        }
    }

    /// The next block that is a header; what is none is passed over and told. `None` at the end.
    fn next_header(&mut self) -> Result<Option<Header>, Fault> {
        let mut zeros = 0_u64;
        let mut skipped = 0_u64;
        loop {
            let position = self.stream.position();
            let Some(block) = self.next_block()? else {
                if zeros == 0 && self.end_mark == EndMark::Required {
                    let what = "the end mark is missing: the archive may have been cut off";
                    self.tell(b"", Fault::damaged(format!("{what} at byte {position}")));
                }
                self.tell_skipped(skipped, position);
                return Ok(None);
            };
            if is_zero(&block) {
                zeros = zeros.saturating_add(1);
                if zeros == 2 && skipped == 0 {
                    return Ok(None);
                }
                continue;
            }
            if let Some(header) = Header::new(&block) {
                let between = skipped.saturating_add(zeros);
                self.tell_skipped(between, position);
                self.has_header = true;
                return Ok(Some(header));
            }
            if !self.has_header {
                return Err(Fault::unsupported("no tar archive: no header at its start"));
            }
            skipped = skipped.saturating_add(1);
            if skipped.saturating_mul(BLOCK as u64) > MAX_SEARCH {
                self.tell_skipped(skipped, position);
                return Err(Fault::limit(format!("no header within {MAX_SEARCH} bytes")));
            }
        }
    }

    fn tell_skipped(&mut self, blocks: u64, position: u64) {
        if blocks > 0 && self.has_header {
            let detail = format!("{blocks} blocks before byte {position} are no part of a member");
            self.tell(b"", Fault::damaged(detail));
        }
    }

    fn skip(&mut self, size: u64) -> Result<(), Fault> {
        let target = padded(size).and_then(|size| self.stream.position().checked_add(size));
        let target = target.ok_or_else(|| Fault::damaged(format!("size {size}")))?;
        if self.stream.skip_to(target)? {
            return Ok(());
        }
        let end = self.stream.position();
        Err(Fault::damaged(format!("cut off at byte {end}, {target} were to come")))
    }

    /// The data of a member that describes the next one. The inner fault is about this one alone.
    fn read_extended(&mut self, header: &Header) -> Result<Result<Vec<u8>, Fault>, Fault> {
        let size = match header.size() {
            Ok(size) => size,
            Err(fault) => return Ok(Err(fault)),
        };
        let length = usize::try_from(size).ok().filter(|_| size <= MAX_EXTENDED);
        let Some(length) = length else {
            self.skip(size)?;
            let detail = format!("an extended header of {size} bytes, more than {MAX_EXTENDED}");
            return Ok(Err(Fault::limit(detail)));
        };
        let start = self.stream.position();
        let mut data = vec![0; length];
        let count = self.stream.fill(&mut data)?;
        if count < length {
            return Err(Fault::damaged(format!("cut off in the extended header at byte {start}")));
        }
        let rest = padded(size).unwrap_or(size).saturating_sub(size);
        self.stream.skip_to(self.stream.position().saturating_add(rest))?;
        if matches!(header.type_flag(), b'L' | b'K') {
            let end = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
            data.truncate(end);
        }
        Ok(Ok(data))
    }

    fn read_pax(&mut self, header: &Header) -> Result<(Pax, Option<Fault>), Fault> {
        Ok(match self.read_extended(header)? {
            Ok(data) => Pax::parse(&data),
            Err(fault) => (Pax::default(), Some(fault)),
        })
    }

    fn member(&mut self, header: &Header, before: Before) -> Result<Option<Member>, Fault> {
        let mut pax = before.pax.unwrap_or_default().or(&self.global);
        let path = pax.sparse.name.take().or_else(|| pax.path.take()).or(before.name);
        let path = path.unwrap_or_else(|| header.path());
        if let Some(fault) = before.fault {
            pax.xattr_fault.get_or_insert_with(|| fault.clone());
            self.tell(&path, fault);
        }
        let stored = match pax.size.map_or_else(|| header.size(), Ok) {
            Ok(stored) => stored,
            Err(fault) => {
                // Where the next header stands is not known: it is looked for.
                self.tell(&path, fault);
                return Ok(None);
            }
        };
        let flag = header.type_flag();
        let Some(kind) = self.kind(flag, &path, stored)? else { return Ok(None) };
        let link = pax.link_path.take().or(before.link).unwrap_or_else(|| header.link_name());
        let attributes = attributes(header, &pax);
        let (size, data) = if kind == Kind::File {
            let (size, data) = self.file_data(header, &pax, stored)?;
            if self.is_done {
                let end = self.stream.position();
                self.tell(&path, Fault::damaged(format!("cut off at byte {end}")));
            }
            (size, data)
        } else {
            if flag == b'D' {
                self.skip(stored)?;
            } else {
                self.skip_if_data(stored)?;
            }
            (0, Data::Stored(0))
        };
        Ok(Some(Member { path, kind, link, attributes, size, data, pax }))
    }

    /// What a type flag stands for; what makes no file is skipped.
    fn kind(&mut self, flag: u8, path: &[u8], stored: u64) -> Result<Option<Kind>, Fault> {
        Ok(Some(match flag {
            b'1' => Kind::HardLink,
            b'2' => Kind::Symlink,
            b'3' => Kind::CharacterDevice,
            b'4' => Kind::BlockDevice,
            b'5' | b'D' => Kind::Directory,
            b'6' => Kind::Fifo,
            0 | b'0' | b'7' if path.ends_with(b"/") => Kind::Directory,
            0 | b'0' | b'7' | b'S' => Kind::File,
            b'M' | b'A' | b'E' | b'N' => {
                let what = match flag {
                    b'M' => "the rest of a file from another volume",
                    b'N' => "names in an old GNU form",
                    _ => "attributes in Solaris form",
                };
                self.tell(path, Fault::unsupported(what));
                self.skip(stored)?;
                return Ok(None);
            }
            // POSIX: what is not known is taken for a file.
            _ => {
                let detail = format!("member type \"{}\", taken for a file", Escaped(&[flag]));
                self.tell(path, Fault::unsupported(detail));
                Kind::File
            }
        }))
    }

    /// Links, directories and devices have no data, yet some writers give them a size and a few
    /// also data: what follows tells.
    fn skip_if_data(&mut self, stored: u64) -> Result<(), Fault> {
        if stored == 0 {
            return Ok(());
        }
        let Some(block) = self.next_block()? else { return Ok(()) };
        if is_zero(&block) || Header::new(&block).is_some() {
            self.put_back = Some(block);
            return Ok(());
        }
        self.skip(padded(stored).unwrap_or(stored).saturating_sub(BLOCK as u64))
    }

    /// Length and place of a file's bytes, which are skipped. Sets the end where they are cut off.
    fn file_data(&mut self, header: &Header, pax: &Pax, stored: u64) -> Result<(u64, Data), Fault> {
        let old_gnu = header.type_flag() == b'S';
        let real_size = if old_gnu { Some(header.gnu_real_size()) } else { None };
        let size = match pax.sparse.real_size.map(Ok).or(real_size).transpose() {
            Ok(size) => size.unwrap_or(stored),
            Err(fault) => {
                self.skip(stored)?;
                return Ok((stored, Data::Unknown(Box::new(fault))));
            }
        };
        let start = self.stream.position();
        let pairs = if old_gnu {
            self.old_gnu_map(header)?.map(Some)
        } else if pax.sparse.map_is_in_data() {
            self.data_map(stored)?.map(Some)
        } else {
            pax.sparse.pairs()
        };
        // The old form's blocks stand before the data, the newest form's map is part of it.
        let data_start = self.stream.position();
        let end = if old_gnu { data_start } else { start }
            .checked_add(padded(stored).unwrap_or(u64::MAX))
            .ok_or_else(|| Fault::damaged(format!("size {stored}")))?;
        let data = match pairs {
            Ok(None) => Data::Stored(start),
            Ok(Some(pairs)) => {
                let available = end.saturating_sub(data_start);
                match sparse::extents(&pairs, size, data_start, available) {
                    Ok(extents) => Data::Sparse(extents.into()),
                    Err(fault) => Data::Unknown(Box::new(fault)),
                }
            }
            Err(fault) => Data::Unknown(Box::new(fault)),
        };
        if !self.stream.skip_to(end)? {
            self.is_done = true;
        }
        let size = if matches!(data, Data::Stored(_)) { stored } else { size };
        Ok((size, data))
    }

    fn old_gnu_map(&mut self, header: &Header) -> Result<Result<Vec<(u64, u64)>, Fault>, Fault> {
        let mut pairs = Vec::new();
        let mut fault = sparse::gnu_pairs(header.gnu_sparse_pairs(), &mut pairs).err();
        let mut continues = header.gnu_sparse_continues();
        while continues && fault.is_none() {
            let Some(block) = self.next_block()? else {
                return Err(Fault::damaged("cut off in a sparse map"));
            };
            match sparse::gnu_continuation(&block, &mut pairs) {
                Ok(more) => continues = more,
                Err(damage) => fault = Some(damage),
            }
        }
        Ok(fault.map_or(Ok(pairs), Err))
    }

    fn data_map(&mut self, stored: u64) -> Result<Result<Vec<(u64, u64)>, Fault>, Fault> {
        let mut map = DataMap::default();
        let limit = self.stream.position().saturating_add(stored);
        while self.stream.position() < limit {
            let Some(block) = self.next_block()? else { break };
            match map.take(&block) {
                Ok(Some(pairs)) => return Ok(Ok(pairs)),
                Ok(None) => {}
                Err(fault) => return Ok(Err(fault)),
            }
        }
        Ok(Err(Fault::damaged("a sparse map that does not end")))
    }
}

fn attributes(header: &Header, pax: &Pax) -> Result<Attributes, Fault> {
    let (major, minor) = match (pax.device_major, pax.device_minor) {
        (Some(major), Some(minor)) => (major, minor),
        _ if matches!(header.type_flag(), b'3' | b'4') => header.device()?,
        _ => (0, 0),
    };
    Ok(Attributes {
        mode: header.mode()?,
        uid: pax.uid.map_or_else(|| header.uid(), Ok)?,
        gid: pax.gid.map_or_else(|| header.gid(), Ok)?,
        mtime: pax.mtime.map_or_else(|| header.mtime().map(Timestamp::from_seconds), Ok)?,
        device: (major, minor),
    })
}
