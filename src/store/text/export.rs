//! Writing: the trees are walked, nothing is gathered.

use super::FIRST_LINE;
use super::records::AsLine;
use super::token::{Line, time_word};
use crate::model::{
    Content, DirectoryContent, Entry, Manifest, ShippedId, ShippedTree, TreePath, TreeSource,
};
use crate::store::walk::each_entry;
use crate::store::{StoreError, StoreErrorKind};
use std::io::Write;
use std::sync::Arc;

/// Writes a manifest with its trees as text.
pub fn export_text(
    manifest: &Manifest,
    source: &dyn TreeSource,
    out: &mut dyn Write,
) -> Result<(), StoreError> {
    let mut to = Lines { out };
    to.header(manifest)?;
    to.line("[entries]")?;
    each_entry(&manifest.header, source, |path, entry| to.entry(path, entry))?;
    let records = &manifest.records;
    to.section("[packages]", &records.packages)?;
    to.section("[facts]", &records.facts)?;
    to.line("[events]")?;
    for event in &records.events {
        to.record(event)?;
        for subject in &event.subjects {
            to.record(subject)?;
        }
    }
    to.section("[gaps]", &records.gaps)?;
    to.section("[omissions]", &records.omissions)?;
    to.section("[hard-links]", &manifest.hard_links)?;
    if let Some(id) = manifest.header.shipped {
        to.line("[shipped]")?;
        to.shipped(&id, source)?;
    }
    to.out.flush().map_err(|error| StoreError::io("writing the manifest", error))
}

struct Lines<'a> {
    out: &'a mut dyn Write,
}

impl Lines<'_> {
    fn line(&mut self, line: &str) -> Result<(), StoreError> {
        writeln!(self.out, "{line}").map_err(|error| StoreError::io("writing the manifest", error))
    }

    fn record(&mut self, record: &impl AsLine) -> Result<(), StoreError> {
        let mut line = Line::default();
        record.write(&mut line);
        self.line(&line.0)
    }

    fn section<R: AsLine>(&mut self, name: &str, records: &[R]) -> Result<(), StoreError> {
        self.line(name)?;
        records.iter().try_for_each(|record| self.record(record))
    }

    fn header(&mut self, manifest: &Manifest) -> Result<(), StoreError> {
        let header = &manifest.header;
        self.line(FIRST_LINE)?;
        let mut field = |name: &str, value: &[u8]| {
            let mut line = Line::default();
            line.word(name).field(value);
            self.line(&line.0)
        };
        field("id", manifest.id().to_string().as_bytes())?;
        field("name", header.name.as_bytes())?;
        field("target", header.target.as_bytes())?;
        field("scanned-at", time_word(header.scanned_at).as_bytes())?;
        field("scanner", header.scanner.as_bytes())?;
        field("entries", header.entries.to_string().as_bytes())?;
        field("bytes", header.bytes.to_string().as_bytes())?;
        header.not_carried.iter().try_for_each(|name| field("not-carried", name.as_bytes()))
    }

    fn entry(&mut self, path: &TreePath, entry: &Entry) -> Result<(), StoreError> {
        let mut line = Line::default();
        line.field(path.as_bytes()).word(entry.content.kind());
        line.word(format_args!("{:04o}", entry.mode));
        line.word(format_args!("{}:{}", entry.uid, entry.gid));
        line.word(time_word(entry.mtime));
        line.word(entry.ctime.map_or_else(|| "-".into(), time_word));
        line.word(format_args!("links={}", entry.links));
        match &entry.content {
            Content::File { size, digest } => {
                line.word(format_args!("size={size}"));
                match digest {
                    Some(digest) => line.word(format_args!("digest={digest}")),
                    None => line.word("digest=unread"),
                };
            }
            Content::Directory(DirectoryContent::Unread) => {
                line.word("children=unread");
            }
            Content::Directory(DirectoryContent::LeftOut) => {
                line.word("children=left-out");
            }
            Content::Symlink { target } => {
                line.pair(b"target", target);
            }
            Content::CharacterDevice(device) | Content::BlockDevice(device) => {
                line.word(format_args!("device={device}"));
            }
            Content::Directory(DirectoryContent::Read { .. }) | Content::Fifo | Content::Socket => {
            }
        }
        match &entry.xattrs {
            None => {
                line.word("xattrs=unread");
            }
            Some(xattrs) => {
                for xattr in xattrs {
                    line.pair(&[b"xattr:", &*xattr.name].concat(), &xattr.value);
                }
            }
        }
        self.line(&line.0)
    }

    fn shipped(&mut self, id: &ShippedId, source: &dyn TreeSource) -> Result<(), StoreError> {
        let mut open: Vec<(TreePath, Arc<ShippedTree>, usize)> =
            vec![(TreePath::root(), source.shipped(id)?, 0)];
        while let Some((path, tree, next)) = open.last_mut() {
            let Some(entry) = tree.entries.get(*next) else {
                open.pop();
                continue;
            };
            *next += 1;
            let path = path.join(&entry.name);
            for claim in &entry.claims {
                let mut line = Line::default();
                claim.write(line.field(path.as_bytes()));
                self.line(&line.0)?;
            }
            if entry.claims.is_empty() && entry.below.is_none() {
                let mut line = Line::default();
                line.field(path.as_bytes()).word("-");
                self.line(&line.0)?;
            }
            if let Some(below) = entry.below {
                let tree = source.shipped(&below)?;
                open.push((path, tree, 0));
            }
            if open.len() > DEPTH {
                let detail = format!("shipped files deeper than {DEPTH} directories");
                return Err(StoreError::new(StoreErrorKind::Damaged, detail));
            }
        }
        Ok(())
    }
}

/// Deeper than any package's path (`PATH_MAX` allows 2048 names); a tree that holds itself ends
/// here.
const DEPTH: usize = 4096;
