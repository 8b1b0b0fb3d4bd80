//! `/etc/fstab`: what a system mounts where. Format: fstab(5).

use crate::filesystem::SubvolumeName;
use crate::filesystem::mounts::Rights;
use crate::model::path::Escaped;
use crate::model::{Fault, TreePath};

/// More lines than a person or an installer writes.
const MAX_LINES: usize = 1_000;

/// One line that says something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FstabLine {
    /// What to mount: `UUID=…`, `LABEL=…`, a device's name.
    pub(super) source: Vec<u8>,
    /// Where.
    pub(super) path: TreePath,
    /// Its type: `ext4`, `auto`, `swap`, …
    pub(super) kind: Vec<u8>,
    options: Vec<u8>,
}

impl FstabLine {
    /// The value of an option `name=value`.
    pub(super) fn option(&self, name: &str) -> Option<&[u8]> {
        self.options
            .split(|b| *b == b',')
            .filter_map(|option| option.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
            .next_back()
    }

    /// The subvolume that it mounts; by its path where it says that, as the kernel does.
    pub(super) fn subvolume(&self) -> Result<Option<SubvolumeName<'_>>, Fault> {
        if let Some(path) = self.option("subvol") {
            return Ok(Some(SubvolumeName::Path(path)));
        }
        let Some(digits) = self.option("subvolid") else { return Ok(None) };
        let number = str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
        let number = number
            .ok_or_else(|| Fault::damaged(format!("subvolid={} is no number", Escaped(digits))))?;
        Ok(Some(SubvolumeName::Id(number)))
    }

    /// Whose the files are of a medium without owners, and what their modes are (mount(8), "Mount
    /// options for fat"). Names of users are not looked up.
    pub(super) fn rights(&self) -> Rights {
        let number = |name: &str, radix: u32| {
            let digits = str::from_utf8(self.option(name)?).ok()?;
            u32::from_str_radix(digits, radix).ok()
        };
        let mask = |name: &str| number(name, 8).and_then(|mask| u16::try_from(mask).ok());
        let plain = Rights::default();
        let both = mask("umask").unwrap_or(plain.file_mask);
        Rights {
            uid: number("uid", 10).unwrap_or(plain.uid),
            gid: number("gid", 10).unwrap_or(plain.gid),
            file_mask: mask("fmask").unwrap_or(both),
            directory_mask: mask("dmask").unwrap_or(both),
        }
    }

    /// Whether it is there for a flag.
    pub(super) fn has(&self, flag: &str) -> bool {
        self.options.split(|b| *b == b',').any(|option| option == flag.as_bytes())
    }
}

/// Reads the lines that mount something somewhere, those of upper directories first.
pub(super) fn parse(bytes: &[u8]) -> Vec<FstabLine> {
    let mut lines: Vec<FstabLine> =
        bytes.split(|b| *b == b'\n').take(MAX_LINES).filter_map(parse_line).collect();
    lines.sort_by_key(|line| line.path.names().count());
    lines
}

fn parse_line(line: &[u8]) -> Option<FstabLine> {
    let mut fields = line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
    let source = unescape(fields.next().filter(|field| !field.starts_with(b"#"))?);
    let path = unescape(fields.next()?);
    let kind = unescape(fields.next().unwrap_or(b"auto"));
    let options = unescape(fields.next().unwrap_or_default());
    path.starts_with(b"/").then(|| FstabLine {
        source,
        path: TreePath::parse(&path),
        kind,
        options,
    })
}

/// `\040` is a space: octal, three digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let octal = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = octal.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match (first, byte) {
            (b'\\', Some(byte)) => {
                out.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            _ => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_upper_directories_first() {
        let text = b"# comment\nUUID=a /boot/efi vfat umask=0077 0 1\n\
            LABEL=x\\040y / btrfs subvol=@,ro 0 0\n/dev/sda2 none swap sw\n\n/dev/vdb /data\n";
        let shown: Vec<String> = parse(text)
            .iter()
            .map(|l| format!("{} {} {}", l.source.escape_ascii(), l.path, l.kind.escape_ascii()))
            .collect();
        assert_eq!(shown, ["LABEL=x y / btrfs", "/dev/vdb /data auto", "UUID=a /boot/efi vfat"]);
        let root = &parse(text)[0];
        assert_eq!(root.option("subvol"), Some(b"@".as_slice()));
        let subvolume = |options: &str| {
            let line = format!("/dev/vda /x btrfs {options} 0 0");
            parse(line.as_bytes()).first().unwrap().subvolume().map(|name| format!("{name:?}"))
        };
        assert_eq!(subvolume("ro,subvolid=256").unwrap(), "Some(Id(256))");
        assert_eq!(subvolume("subvol=/@,subvolid=256").unwrap(), "Some(Path([47, 64]))");
        assert_eq!(subvolume("ro").unwrap(), "None");
        assert!(subvolume("subvolid=x").is_err());
        assert!(root.has("ro") && !root.has("rw"));
        let rights = |options: &str| {
            let line = format!("/dev/vda1 /boot/efi vfat {options} 0 1");
            let rights = parse(line.as_bytes()).first().unwrap().rights();
            let Rights { uid, gid, file_mask, directory_mask } = rights;
            format!("{uid}:{gid} {file_mask:o} {directory_mask:o}")
        };
        assert_eq!(rights("defaults"), "0:0 22 22");
        assert_eq!(rights("umask=0077"), "0:0 77 77");
        assert_eq!(rights("fmask=0137,dmask=0027,uid=5,gid=disk,umask=0"), "5:0 137 27");
    }
}
