//! Reading, line by line; what is wrong is named with its line and column.

use super::FIRST_LINE;
use super::builder::{ShippedBuilder, TreeBuilder};
use super::records::{AsLine, INDENT};
use super::token::{Fields, Wrong};
use crate::model::encoding::set_id;
use crate::model::{
    Content, ContentDigest, ContentId, DeviceNumber, DirectoryContent, Entry, Event, EventSubject,
    ExactId, Expectation, FileKind, HardLinks, Header, Manifest, ManifestId, PackageKey, Records,
    Sections, Timestamp, Xattr,
};
use crate::store::{Spool, StoreError, StoreErrorKind};
use std::io::{BufRead, Read};

/// Bytes of one line at most: the largest xattrs of an entry, escaped, stay below it.
const LINE_LIMIT: u64 = 64 * 1024 * 1024;

/// In this order; the last one only where packages ship something.
const SECTIONS: [&str; 8] = [
    "[entries]",
    "[packages]",
    "[facts]",
    "[events]",
    "[gaps]",
    "[omissions]",
    "[hard-links]",
    "[shipped]",
];

/// Reads what [`super::export_text`] wrote; the trees go to the spool.
pub fn import_text(input: &mut dyn BufRead, spool: &Spool) -> Result<Manifest, StoreError> {
    let mut state = State::new(spool);
    let mut line = Vec::new();
    let mut number = 0_u64;
    let at = |number: u64, wrong: Wrong| {
        let detail = format!("line {number}, column {}: {}", wrong.column, wrong.detail);
        StoreError::new(StoreErrorKind::Damaged, detail)
    };
    let whole_line = |detail: &str| Wrong { column: 1, detail: detail.into() };
    loop {
        line.clear();
        number += 1;
        let length = Read::take(&mut *input, LINE_LIMIT)
            .read_until(b'\n', &mut line)
            .map_err(|error| StoreError::io("reading the manifest", error))?;
        if length == 0 {
            break;
        }
        if line.pop() != Some(b'\n') {
            return Err(at(number, whole_line("the line does not end")));
        }
        let text =
            std::str::from_utf8(&line).map_err(|_| at(number, whole_line("it is not UTF-8")))?;
        state.line(number, text).map_err(|wrong| at(number, wrong))?;
    }
    state.finish().map_err(|wrong| at(number, wrong))
}

struct State<'a> {
    section: Option<usize>,
    id: Option<ManifestId>,
    name: Option<String>,
    target: Option<String>,
    scanned_at: Option<Timestamp>,
    scanner: Option<String>,
    entries: Option<u64>,
    bytes: Option<u64>,
    not_carried: Vec<String>,
    tree: TreeBuilder<'a>,
    shipped: ShippedBuilder<'a>,
    records: Records,
    hard_links: Vec<HardLinks>,
}

impl<'a> State<'a> {
    fn new(spool: &'a Spool) -> Self {
        Self {
            section: None,
            id: None,
            name: None,
            target: None,
            scanned_at: None,
            scanner: None,
            entries: None,
            bytes: None,
            not_carried: Vec::new(),
            tree: TreeBuilder::new(spool),
            shipped: ShippedBuilder::new(spool),
            records: Records::default(),
            hard_links: Vec::new(),
        }
    }

    fn line(&mut self, number: u64, line: &str) -> Result<(), Wrong> {
        if number == 1 {
            let wrong = || Wrong { column: 1, detail: format!("expected {FIRST_LINE:?}") };
            return if line == FIRST_LINE { Ok(()) } else { Err(wrong()) };
        }
        let next = self.section.map_or(0, |section| section + 1);
        if line.starts_with('[') {
            if SECTIONS.get(next).is_none_or(|expected| *expected != line) {
                let expected = SECTIONS.get(next).copied().unwrap_or("the end");
                return Err(Wrong { column: 1, detail: format!("expected {expected}") });
            }
            self.section = Some(next);
            return Ok(());
        }
        let indented = line.strip_prefix(INDENT);
        let mut fields = Fields::new(indented.unwrap_or(line));
        let shift = |mut wrong: Wrong| {
            wrong.column += indented.map_or(0, |_| INDENT.len());
            wrong
        };
        self.fields(&mut fields, indented.is_some()).map_err(shift)?;
        fields.end().map_err(shift)
    }

    fn fields(&mut self, fields: &mut Fields<'_>, is_indented: bool) -> Result<(), Wrong> {
        let section = self.section.and_then(|section| SECTIONS.get(section)).copied();
        if is_indented {
            let event = self.records.events.last_mut().filter(|_| section == Some("[events]"));
            let event = event.ok_or_else(|| fields.wrong("no event to belong to"))?;
            event.subjects.push(EventSubject::read(fields)?);
            return Ok(());
        }
        match section {
            None => self.header(fields)?,
            Some("[entries]") => {
                let path = fields.path()?;
                let entry = read_entry(fields)?;
                let placed = self.tree.add(path, entry);
                placed.map_err(|detail| Wrong { column: 1, detail })?;
            }
            Some("[packages]") => self.records.packages.push(AsLine::read(fields)?),
            Some("[facts]") => self.records.facts.push(AsLine::read(fields)?),
            Some("[events]") => self.records.events.push(Event::read(fields)?),
            Some("[gaps]") => self.records.gaps.push(AsLine::read(fields)?),
            Some("[omissions]") => self.records.omissions.push(AsLine::read(fields)?),
            Some("[hard-links]") => self.hard_links.push(AsLine::read(fields)?),
            Some(_) => {
                let path = fields.path()?;
                let claim = fields.optional(<(PackageKey, Expectation)>::read)?;
                let placed = self.shipped.add(&path, claim);
                placed.map_err(|detail| Wrong { column: 1, detail })?;
            }
        }
        Ok(())
    }

    fn header(&mut self, fields: &mut Fields<'_>) -> Result<(), Wrong> {
        fn once<T>(place: &mut Option<T>, value: T, fields: &Fields<'_>) -> Result<(), Wrong> {
            match place.replace(value) {
                None => Ok(()),
                Some(_) => Err(fields.wrong("said twice")),
            }
        }
        match fields.raw()? {
            "id" => once(&mut self.id, fields.parse("id", ManifestId::from_hex)?, fields),
            "name" => once(&mut self.name, fields.text()?, fields),
            "target" => once(&mut self.target, fields.text()?, fields),
            "scanned-at" => once(&mut self.scanned_at, fields.time()?, fields),
            "scanner" => once(&mut self.scanner, fields.text()?, fields),
            "entries" => once(&mut self.entries, fields.number()?, fields),
            "bytes" => once(&mut self.bytes, fields.number()?, fields),
            "not-carried" => {
                self.not_carried.push(fields.text()?);
                Ok(())
            }
            other => Err(fields.wrong(format!("{other:?} is no field of the header"))),
        }
    }

    fn finish(self) -> Result<Manifest, Wrong> {
        fn need<T>(value: Option<T>, what: &str) -> Result<T, Wrong> {
            value.ok_or_else(|| Wrong { column: 1, detail: format!("the {what} is missing") })
        }
        let wrong = |detail: String| Wrong { column: 1, detail };
        let section = self.section.unwrap_or_default();
        if section + 2 < SECTIONS.len() {
            return Err(wrong("the manifest ends too early".into()));
        }
        let (found, named) = (self.tree.entries, need(self.entries, "number of entries")?);
        if found != named {
            return Err(wrong(format!("{named} entries expected, found {found}")));
        }
        let has_shipped = section + 1 == SECTIONS.len();
        let shipped = self.shipped.finish().filter(|_| has_shipped);
        let manifest = Manifest {
            header: Header {
                name: need(self.name, "name")?,
                target: need(self.target, "target")?,
                scanned_at: need(self.scanned_at, "time of the scan")?,
                scanner: need(self.scanner, "scanner")?,
                root: self.tree.finish().map_err(wrong)?,
                entries: named,
                bytes: need(self.bytes, "number of bytes")?,
                shipped,
                sections: Sections {
                    packages: set_id(&self.records.packages),
                    facts: set_id(&self.records.facts),
                    events: set_id(&self.records.events),
                    gaps: set_id(&self.records.gaps),
                    omissions: set_id(&self.records.omissions),
                    hard_links: set_id(&self.hard_links),
                },
                not_carried: self.not_carried,
            },
            records: self.records,
            hard_links: self.hard_links,
        };
        match self.id.filter(|id| *id != manifest.id()) {
            None => Ok(manifest),
            Some(named) => Err(wrong(format!(
                "it makes the manifest {} and not {}: it was changed (without its line `id` it \
                 is read as it is)",
                manifest.id().short(),
                named.short()
            ))),
        }
    }
}

fn read_entry(fields: &mut Fields<'_>) -> Result<Entry, Wrong> {
    let kind = fields.parse("kind of file", |word| {
        (0..=0xf).filter_map(|bits| FileKind::from_mode(bits << 12)).find(|k| k.as_str() == word)
    })?;
    let mode = fields.parse("mode", |word| {
        u16::from_str_radix(word, 8).ok().filter(|mode| format!("{mode:04o}") == word)
    })?;
    let (uid, gid) = fields.parse("owner", |word| {
        let (uid, gid) = word.split_once(':')?;
        Some((uid.parse().ok()?, gid.parse().ok()?))
    })?;
    let mtime = fields.time()?;
    let ctime = fields.optional(Fields::time)?;
    let links = fields.parse("count of links", |word| word.strip_prefix("links=")?.parse().ok())?;
    let content = read_content(fields, kind)?;
    let (content, mut xattrs) = (content, Some(Vec::new()));
    while !fields.is_at_end() {
        let (name, value) = fields.pair()?;
        match (name.strip_prefix(b"xattr:"), &mut xattrs) {
            (Some(name), Some(xattrs)) => {
                xattrs.push(Xattr { name: name.into(), value: value.into() });
            }
            (None, Some(none)) if none.is_empty() && name == b"xattrs" && value == b"unread" => {
                xattrs = None;
            }
            _ => return Err(fields.wrong("an attribute that is none")),
        }
    }
    Ok(Entry { name: None, content, mode, uid, gid, xattrs, mtime, ctime, links })
}

fn read_content(fields: &mut Fields<'_>, kind: FileKind) -> Result<Content, Wrong> {
    let device = |word: &str| {
        let (major, minor) = word.strip_prefix("device=")?.split_once(':')?;
        Some(DeviceNumber { major: major.parse().ok()?, minor: minor.parse().ok()? })
    };
    Ok(match kind {
        FileKind::File => Content::File {
            size: fields.parse("size", |word| word.strip_prefix("size=")?.parse().ok())?,
            digest: fields.parse("digest", |word| match word.strip_prefix("digest=")? {
                "unread" => Some(None),
                digits => ContentDigest::from_hex(digits).map(Some),
            })?,
        },
        FileKind::Directory => Content::Directory(fields.take_if("children=").map_or(
            Ok(DirectoryContent::Read { content: ContentId([0; 32]), exact: ExactId([0; 32]) }),
            |state| match state {
                "unread" => Ok(DirectoryContent::Unread),
                "left-out" => Ok(DirectoryContent::LeftOut),
                _ => Err(fields.wrong("no state of a directory")),
            },
        )?),
        FileKind::Symlink => match fields.pair()? {
            (name, target) if name == b"target" => Content::Symlink { target: target.into() },
            _ => return Err(fields.wrong("expected target=")),
        },
        FileKind::Fifo => Content::Fifo,
        FileKind::Socket => Content::Socket,
        FileKind::CharacterDevice => Content::CharacterDevice(fields.parse("device", device)?),
        FileKind::BlockDevice => Content::BlockDevice(fields.parse("device", device)?),
    })
}
