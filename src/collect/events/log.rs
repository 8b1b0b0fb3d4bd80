//! Logs, current and rotated, plain and compressed, line by line in bounded memory.

use super::zone::Zone;
use crate::collect::reader::{Reader, below};
use crate::filesystem::{Filesystem, Node};
use crate::model::{Fault, FileKind, Omission, Timestamp, TreePath};
use jiff::civil::DateTime;
use std::io::{self, BufRead, BufReader, Read};

/// Of one line; the rest of a longer one is passed over.
const MAX_LINE: usize = 64 * 1024;

/// Unpacked bytes of one log; stops a decompression bomb.
const MAX_UNPACKED: u64 = 16 << 30;

/// Of one decoder: what `xz -9` needs is 65 MiB.
const MAX_DECODER: u64 = 72 << 20;

/// `zstd --long` windows are not read beyond 32 MiB.
const MAX_WINDOW_LOG: u32 = 25;

/// How much of a log's end is looked at for the time of its last line.
const TAIL: usize = 16 * 1024;

/// Logs up to this are read twice where their end is wanted; of others the last bytes are read.
const MAX_TWICE: u64 = 1 << 20;

/// What a small packed log may unpack to when its end is looked for.
const MAX_TAIL_UNPACKED: u64 = 64 << 20;

/// One log file.
#[derive(Clone, Debug)]
pub struct Log {
    /// Where it lies.
    pub path: TreePath,
    node: Node,
    /// Last written.
    pub mtime: Timestamp,
    /// Last changed, where the file system knows.
    pub ctime: Option<Timestamp>,
}

impl Log {
    /// Its node, held open, for what is no text.
    pub fn open(&self, filesystem: &dyn Filesystem) -> Result<Node, Fault> {
        filesystem.open(&self.node)
    }
}

/// A log and its rotated siblings (`x.log.2.gz`, `x.log-20260101`, `x.log.1`, `x.log`), the oldest
/// first.
pub fn rotated(reader: &mut Reader<'_>, directory: &str, name: &str) -> Vec<Log> {
    let is_sibling = |other: &[u8]| {
        let Some(rest) = other.strip_prefix(name.as_bytes()) else { return false };
        let rest = [&b".gz"[..], b".xz", b".zst", b".bz2"]
            .iter()
            .find_map(|end| rest.strip_suffix(*end))
            .unwrap_or(rest);
        rest.is_empty()
            || rest == b".old"
            || rest.split_first().is_some_and(|(first, rest)| {
                matches!(first, b'.' | b'-')
                    && !rest.is_empty()
                    && rest.iter().all(|b| b.is_ascii_digit() || *b == b'-')
            })
    };
    select(reader, directory, is_sibling)
}

/// All files of a directory whose name fits, the oldest first.
pub fn select(reader: &mut Reader<'_>, directory: &str, fits: impl Fn(&[u8]) -> bool) -> Vec<Log> {
    let directory = TreePath::parse(directory);
    let mut logs = Vec::new();
    for (name, node) in reader.list(&directory) {
        if !fits(name.as_bytes()) {
            continue;
        }
        let path = directory.join(&name);
        let metadata = reader.filesystem.metadata(&node).map(Some);
        let Some(metadata) = reader.keep(&path, metadata) else { continue };
        if metadata.kind == FileKind::File {
            logs.push(Log { path, node, mtime: metadata.mtime, ctime: metadata.ctime });
        }
    }
    logs.sort_by(|one, other| (one.mtime, &one.path).cmp(&(other.mtime, &other.path)));
    logs
}

/// The log at exactly that path.
pub fn single(reader: &mut Reader<'_>, directory: &TreePath, name: &str) -> Option<Log> {
    let path = below(directory, name);
    at_path(reader, &path)
}

/// Likewise, by the whole path; `None` where no regular file lies there.
pub fn at_path(reader: &mut Reader<'_>, path: &TreePath) -> Option<Log> {
    use crate::filesystem::resolve::{LastLink, resolve};
    let find = || {
        let Some(found) = resolve(reader.filesystem, path, LastLink::Follow)? else {
            return Ok(None);
        };
        let metadata = reader.filesystem.metadata(&found.node)?;
        let log = Log {
            path: path.clone(),
            node: found.node,
            mtime: metadata.mtime,
            ctime: metadata.ctime,
        };
        Ok((metadata.kind == FileKind::File).then_some(log))
    };
    let found = find();
    reader.keep(path, found)
}

/// Hands each line to `take`, with its number from 1. A damaged end is a gap; the lines before it
/// were taken.
pub fn each_line(reader: &mut Reader<'_>, log: &Log, mut take: impl FnMut(u64, &str)) {
    if let Err(fault) = stream(reader.filesystem, log, &mut take) {
        reader.gap(&log.path, fault.chain());
    }
}

/// The zone in which a log was written, by the time of its last line that has one.
pub fn zone_of(
    reader: &mut Reader<'_>,
    log: &Log,
    zone: &Zone,
    time: impl Fn(&str) -> Option<DateTime>,
) -> Zone {
    // What cannot be read is told when the log itself is.
    let text = tail(reader.filesystem, log).unwrap_or_default();
    let last = text.lines().rev().find_map(time);
    last.map_or_else(|| zone.clone(), |last| zone.of_log(last, log.mtime))
}

/// The last lines; of a large packed log none, for it would have to be unpacked twice.
fn tail(filesystem: &dyn Filesystem, log: &Log) -> Result<String, Fault> {
    let size = filesystem.metadata(&log.node)?.size;
    let node = filesystem.open(&log.node)?;
    let refuse = |error| Fault::unreadable("log", error);
    let file = BufReader::new(NodeReader { filesystem, node, offset: 0 });
    let mut kept = Vec::new();
    if size <= MAX_TWICE {
        let mut input = unpacked(file).map_err(refuse)?.take(MAX_TAIL_UNPACKED);
        let mut block = vec![0; 64 * 1024];
        loop {
            let count = input.read(&mut block).map_err(refuse)?;
            if count == 0 {
                break;
            }
            kept.extend_from_slice(block.get(..count).unwrap_or_default());
            let over = kept.len().saturating_sub(TAIL);
            kept.drain(..over);
        }
    } else {
        let mut file = file.into_inner();
        file.offset = size.saturating_sub(u64::try_from(TAIL).unwrap_or(u64::MAX));
        file.read_to_end(&mut kept).map_err(refuse)?;
    }
    Ok(String::from_utf8_lossy(&kept).into_owned())
}

/// Hands each whole record of that many bytes to `take`, with its number from 1.
pub fn each_record(
    reader: &mut Reader<'_>,
    log: &Log,
    size: usize,
    mut take: impl FnMut(u64, &[u8]),
) {
    let filesystem = reader.filesystem;
    let mut read = || -> Result<(), Fault> {
        let node = filesystem.open(&log.node)?;
        let file = BufReader::with_capacity(256 * 1024, NodeReader { filesystem, node, offset: 0 });
        let refuse = |error| Fault::unreadable("log", error);
        let mut input = unpacked(file).map_err(refuse)?;
        let mut record = vec![0; size];
        let mut number = 0_u64;
        loop {
            match input.read_exact(&mut record) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(refuse(error)),
            }
            number = number.saturating_add(1);
            take(number, &record);
        }
    };
    if let Err(fault) = read() {
        reader.gap(&log.path, fault.chain());
    }
}

/// Says that older events were let go.
pub fn tell_dropped(reader: &mut Reader<'_>, path: &TreePath, dropped: u64) {
    if dropped > 0 {
        let reason = format!("the {dropped} oldest events of this kind are not recorded");
        reader.records.omissions.push(Omission { path: path.clone(), reason });
    }
}

fn stream(
    filesystem: &dyn Filesystem,
    log: &Log,
    take: &mut impl FnMut(u64, &str),
) -> Result<(), Fault> {
    let node = filesystem.open(&log.node)?;
    let file = BufReader::with_capacity(256 * 1024, NodeReader { filesystem, node, offset: 0 });
    let mut input = unpacked(file).map_err(|error| Fault::unreadable("log", error))?;
    let mut line = Vec::new();
    let mut number = 0_u64;
    while next_line(&mut input, &mut line).map_err(|error| Fault::unreadable("log", error))? {
        number = number.saturating_add(1);
        take(number, &String::from_utf8_lossy(&line));
    }
    Ok(())
}

/// Reads one line without its end, cut; `false` at the end.
fn next_line(input: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut any = false;
    loop {
        let available = match input.fill_buf() {
            Ok(available) => available,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if available.is_empty() {
            return Ok(any);
        }
        any = true;
        let (part, used, done) = match available.iter().position(|byte| *byte == b'\n') {
            Some(end) => (available.get(..end), end.saturating_add(1), true),
            None => (Some(available), available.len(), false),
        };
        let part = part.unwrap_or_default();
        let room = MAX_LINE.saturating_sub(line.len()).min(part.len());
        line.extend_from_slice(part.get(..room).unwrap_or_default());
        input.consume(used);
        if done {
            return Ok(true);
        }
    }
}

/// Through the decoder that the first bytes ask for.
fn unpacked<'a>(mut file: impl BufRead + 'a) -> io::Result<Box<dyn BufRead + 'a>> {
    let start = file.fill_buf()?;
    let decoder: Box<dyn Read + 'a> = match start {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            let flags = liblzma::stream::CONCATENATED;
            let stream = liblzma::stream::Stream::new_stream_decoder(MAX_DECODER, flags)?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(file, stream))
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(file)?;
            decoder.window_log_max(MAX_WINDOW_LOG)?;
            Box::new(decoder)
        }
        [b'B', b'Z', b'h', ..] => Box::new(bzip2::bufread::MultiBzDecoder::new(file)),
        _ => return Ok(Box::new(file.take(MAX_UNPACKED))),
    };
    Ok(Box::new(BufReader::new(decoder.take(MAX_UNPACKED))))
}

/// A file of the target as a stream.
struct NodeReader<'a> {
    filesystem: &'a dyn Filesystem,
    node: Node,
    offset: u64,
}

impl Read for NodeReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.filesystem.read_at(&self.node, self.offset, buffer);
        let count = read.map_err(|fault| io::Error::other(fault.chain()))?;
        self.offset = self.offset.saturating_add(count as u64);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::View;
    use crate::filesystem::memory::MemoryFilesystem;
    use crate::model::{Records, Stage};
    use std::io::Write;

    fn lines(tree: &MemoryFilesystem) -> (Vec<String>, usize) {
        let mut records = Records::default();
        let view = View { filesystem: tree, found: &[] };
        let mut reader = Reader::new(&view, &mut records, Stage::Events, 0);
        let mut found = Vec::new();
        for log in rotated(&mut reader, "/var/log", "x.log") {
            each_line(&mut reader, &log, |number, line| {
                found.push(format!("{number} {}", line.get(..8).unwrap_or(line)));
            });
        }
        (found, records.gaps.len())
    }

    #[test]
    fn rotated_logs_of_every_compression() {
        let mut tree = MemoryFilesystem::new();
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(b"gz\n").unwrap();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        xz.write_all(b"xz\n").unwrap();
        let mut bz = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        bz.write_all(b"bz\n").unwrap();
        tree.file("/var/log/x.log.4.gz", gz.finish().unwrap());
        tree.file("/var/log/x.log.3.xz", xz.finish().unwrap());
        tree.file("/var/log/x.log.2.bz2", bz.finish().unwrap());
        tree.file("/var/log/x.log-20260101.zst", zstd::encode_all(&b"zst\n"[..], 1).unwrap());
        tree.file("/var/log/x.log", "last\nwithout end").file("/var/log/x.logic", "other");
        let mtime = |n| Timestamp::from_seconds(n);
        for (index, name) in [".4.gz", ".3.xz", ".2.bz2", "-20260101.zst", ""].iter().enumerate() {
            let time = mtime(i64::try_from(index).unwrap());
            tree.change(&format!("/var/log/x.log{name}"), |m| m.mtime = time);
        }
        let expected = ["1 gz", "1 xz", "1 bz", "1 zst", "1 last", "2 without "];
        let expected = expected.map(str::to_owned).to_vec();
        assert_eq!(lines(&tree), (expected, 0));
        tree.file("/var/log/x.log.4.gz", b"\x1f\x8bdamaged");
        assert_eq!(lines(&tree).1, 1);
    }

    #[test]
    fn long_lines_are_cut() {
        let long = vec![b'a'; MAX_LINE * 3];
        let mut input = io::Cursor::new([long.as_slice(), b"\nnext"].concat());
        let mut line = Vec::new();
        assert!(next_line(&mut input, &mut line).unwrap());
        assert_eq!(line.len(), MAX_LINE);
        assert!(next_line(&mut input, &mut line).unwrap());
        assert_eq!(line, b"next");
        assert!(!next_line(&mut input, &mut line).unwrap());
    }
}
