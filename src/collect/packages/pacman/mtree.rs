//! The `mtree` file of a pacman package: mtree(5) as bsdtar writes it, gzipped.

use crate::collect::packages::hex::decode_array;
use crate::model::{Fault, FileKind};
use flate2::read::MultiGzDecoder;
use std::collections::HashMap;
use std::io::Read;

/// Unpacked. The largest packages have some 100,000 files of 200 bytes each.
const MAX_SIZE: u64 = 256 * 1024 * 1024;

/// What is said of a path; `None` where nothing is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// `type`
    pub kind: Option<FileKind>,
    /// `mode`, permission bits.
    pub mode: Option<u16>,
    /// `uid`
    pub uid: Option<u32>,
    /// `gid`
    pub gid: Option<u32>,
    /// `size`
    pub size: Option<u64>,
    /// `sha256` or `sha256digest`
    pub sha256: Option<[u8; 32]>,
    /// `md5` or `md5digest`
    pub md5: Option<[u8; 16]>,
    /// `link`, unescaped.
    pub link: Option<Vec<u8>>,
}

/// Unpacks an mtree file.
pub fn unpack(bytes: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::new();
    let mut decoder = MultiGzDecoder::new(bytes).take(MAX_SIZE.saturating_add(1));
    decoder.read_to_end(&mut out).map_err(|error| Fault::damaged(format!("gzip: {error}")))?;
    if out.len() as u64 > MAX_SIZE {
        return Err(Fault::limit(format!("more than {MAX_SIZE} bytes unpacked")));
    }
    Ok(out)
}

/// Entries by path, without `./`; and the first line that could not be understood.
#[must_use]
pub fn parse(text: &[u8]) -> (HashMap<Vec<u8>, Entry>, Option<usize>) {
    let mut entries = HashMap::new();
    let mut damaged = None;
    let mut defaults = Entry::default();
    for (index, line) in text.split(|b| *b == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let first = words.next().unwrap_or_default();
        let fits = match first {
            b"/set" => words.all(|word| defaults.set(word)),
            b"/unset" => {
                words.for_each(|word| defaults.unset(word));
                true
            }
            _ => {
                let mut entry = defaults.clone();
                let fits = words.all(|word| entry.set(word));
                let path = unescape(first);
                let bare = path.strip_prefix(b"./").unwrap_or(&path);
                entries.insert(bare.to_vec(), entry);
                fits
            }
        };
        if !fits {
            damaged.get_or_insert(index.saturating_add(1));
        }
    }
    (entries, damaged)
}

impl Entry {
    /// Takes a `key=value` in; `false` where a key that is read has a value that cannot be.
    fn set(&mut self, word: &[u8]) -> bool {
        let Some(equals) = word.iter().position(|b| *b == b'=') else { return true };
        let (key, value) = word.split_at(equals);
        let value = value.get(1..).unwrap_or_default();
        let digits = std::str::from_utf8(value).unwrap_or_default();
        match key {
            b"type" => store(&mut self.kind, kind(value)),
            b"mode" => {
                let mode = u16::from_str_radix(digits, 8).ok();
                store(&mut self.mode, mode.map(|mode| mode & 0o7777))
            }
            b"uid" => store(&mut self.uid, digits.parse().ok()),
            b"gid" => store(&mut self.gid, digits.parse().ok()),
            b"size" => store(&mut self.size, digits.parse().ok()),
            b"sha256" | b"sha256digest" => store(&mut self.sha256, decode_array(value)),
            b"md5" | b"md5digest" => store(&mut self.md5, decode_array(value)),
            b"link" => store(&mut self.link, Some(unescape(value))),
            _ => true,
        }
    }

    fn unset(&mut self, key: &[u8]) {
        match key {
            b"type" => self.kind = None,
            b"mode" => self.mode = None,
            b"uid" => self.uid = None,
            b"gid" => self.gid = None,
            _ => {}
        }
    }
}

fn store<T>(place: &mut Option<T>, value: Option<T>) -> bool {
    *place = value;
    place.is_some()
}

fn kind(word: &[u8]) -> Option<FileKind> {
    Some(match word {
        b"file" => FileKind::File,
        b"dir" => FileKind::Directory,
        b"link" => FileKind::Symlink,
        b"fifo" => FileKind::Fifo,
        b"socket" => FileKind::Socket,
        b"char" => FileKind::CharacterDevice,
        b"block" => FileKind::BlockDevice,
        _ => return None,
    })
}

/// `\` and three octal digits stand for a byte.
fn unescape(mut word: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(word.len());
    while let Some((&byte, rest)) = word.split_first() {
        let code = rest.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let code = code.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match (byte, code) {
            (b'\\', Some(code)) => {
                out.push(code);
                word = rest.get(3..).unwrap_or_default();
            }
            _ => {
                out.push(byte);
                word = rest;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_and_escapes() {
        let (entries, damaged) = parse(
            b"#mtree\n/set type=file uid=0 gid=0 mode=644\n./a\\040b size=3 time=1.0\n\
              ./d type=dir mode=1755 uid=7\n/unset uid\n./l type=link link=x\\134y\n./e size=x\n",
        );
        let check = |path: &[u8], expected: &str| {
            let e = entries.get(path).unwrap();
            let link = e.link.as_deref().map(String::from_utf8_lossy);
            let seen = format!("{:?} {:o} {:?} {link:?}", e.kind, e.mode.unwrap(), e.uid);
            assert_eq!(seen, expected);
        };
        check(b"a b", "Some(File) 644 Some(0) None");
        check(b"d", "Some(Directory) 1755 Some(7) None");
        check(b"l", "Some(Symlink) 644 None Some(\"x\\\\y\")");
        check(b"e", "Some(File) 644 None None");
        assert_eq!(damaged, Some(7));
    }

    #[test]
    fn gzip_is_bounded_and_checked() {
        assert!(unpack(b"no gzip").is_err());
        assert_eq!(unescape(b"\\9\\777\\"), b"\\9\\777\\");
    }
}
