//! Names of devices: which volume of a disk is meant by `UUID=…`, `/dev/vda1`, `/dev/vg/root`.

use crate::block::VolumeSource;
use crate::filesystem::recognise::Identity;

/// What a volume may be called by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names<'a> {
    /// A partition's number, `group/volume`, `disk`.
    pub(super) name: &'a str,
    pub(super) source: &'a VolumeSource,
    pub(super) identity: Option<&'a Identity>,
}

/// What a name asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    Uuid(Vec<u8>),
    Label(Vec<u8>),
    PartUuid(Vec<u8>),
    PartLabel(Vec<u8>),
    /// The first disk as a whole.
    Disk,
    /// A partition of the first disk.
    Partition(u32),
    Logical(String, String),
}

impl Names<'_> {
    /// Whether this is what `fstab` calls `source`. Disks by name are taken for this one where
    /// they are the first of their kind (`sda`, `vda`, `xvda`, `hda`, `nvme0n1`, `mmcblk0`).
    pub(super) fn are_meant_by(&self, source: &[u8]) -> bool {
        let Some(wanted) = parse(source) else { return false };
        let uuid = self.identity.and_then(|identity| identity.uuid.as_deref());
        let label = self.identity.and_then(|identity| identity.label.as_deref());
        match (&wanted, self.source) {
            (Wanted::Uuid(wanted), _) => {
                uuid.is_some_and(|uuid| uuid.as_bytes().eq_ignore_ascii_case(wanted))
            }
            (Wanted::Label(wanted), _) => label == Some(wanted),
            (Wanted::PartUuid(wanted), VolumeSource::Partition(partition)) => partition
                .uuid
                .as_deref()
                .is_some_and(|uuid| uuid.as_bytes().eq_ignore_ascii_case(wanted)),
            (Wanted::PartLabel(wanted), VolumeSource::Partition(partition)) => {
                partition.name.as_deref().map(str::as_bytes) == Some(wanted)
            }
            (Wanted::Partition(number), VolumeSource::Partition(partition)) => {
                partition.number == *number
            }
            (Wanted::Disk, VolumeSource::Whole) => true,
            (Wanted::Logical(group, volume), VolumeSource::Logical { group: g, volume: v, .. }) => {
                group == g && volume == v
            }
            _ => false,
        }
    }

    /// Whether this is what a person calls `text`: also by number, `group/volume` or `disk`.
    pub(super) fn are_chosen_by(&self, text: &str) -> bool {
        self.name == text || self.are_meant_by(text.as_bytes())
    }
}

fn parse(source: &[u8]) -> Option<Wanted> {
    let by = [
        (b"UUID=".as_slice(), b"/dev/disk/by-uuid/".as_slice(), Wanted::Uuid as fn(_) -> _),
        (b"LABEL=", b"/dev/disk/by-label/", Wanted::Label),
        (b"PARTUUID=", b"/dev/disk/by-partuuid/", Wanted::PartUuid),
        (b"PARTLABEL=", b"/dev/disk/by-partlabel/", Wanted::PartLabel),
    ];
    for (tag, folder, wanted) in by {
        if let Some(value) = source.strip_prefix(tag) {
            let bare = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
            return Some(wanted(bare.unwrap_or(value).to_vec()));
        }
        if let Some(value) = source.strip_prefix(folder) {
            return Some(wanted(unescape_hex(value)));
        }
    }
    let name = std::str::from_utf8(source).ok()?.strip_prefix("/dev/")?;
    if let Some(mapped) = name.strip_prefix("mapper/") {
        return split_mapped(mapped).map(|(group, volume)| Wanted::Logical(group, volume));
    }
    if let Some((group, volume)) = name.split_once('/') {
        return Some(Wanted::Logical(group.to_owned(), volume.to_owned()));
    }
    for (disk, separator) in
        [("sda", ""), ("vda", ""), ("xvda", ""), ("hda", ""), ("nvme0n1", "p"), ("mmcblk0", "p")]
    {
        let Some(rest) = name.strip_prefix(disk) else { continue };
        if rest.is_empty() {
            return Some(Wanted::Disk);
        }
        return rest.strip_prefix(separator)?.parse().ok().map(Wanted::Partition);
    }
    None
}

/// udev writes what is no plain character as `\x20`.
fn unescape_hex(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = value;
    while let Some((first, after)) = rest.split_first() {
        let hex = after.strip_prefix(b"x").and_then(|hex| std::str::from_utf8(hex.get(..2)?).ok());
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        let (byte, taken) = match byte {
            Some(byte) if *first == b'\\' => (byte, 3),
            _ => (*first, 0),
        };
        out.push(byte);
        rest = after.get(taken..).unwrap_or_default();
    }
    out
}

/// The device mapper joins group and volume by a dash and doubles those that they have.
fn split_mapped(name: &str) -> Option<(String, String)> {
    let hidden = name.replace("--", "\0");
    let (group, volume) = hidden.split_once('-')?;
    Some((group.replace('\0', "-"), volume.replace('\0', "-")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_understood() {
        let check = |source: &str, expected: Option<Wanted>| {
            assert_eq!(parse(source.as_bytes()), expected, "{source}");
        };
        check("UUID=\"AB-12\"", Some(Wanted::Uuid(b"AB-12".to_vec())));
        check("/dev/disk/by-label/a\\x20b", Some(Wanted::Label(b"a b".to_vec())));
        check("PARTUUID=x-01", Some(Wanted::PartUuid(b"x-01".to_vec())));
        check("/dev/vda", Some(Wanted::Disk));
        check("/dev/sda15", Some(Wanted::Partition(15)));
        check("/dev/nvme0n1p2", Some(Wanted::Partition(2)));
        check("/dev/sdb1", None);
        check("/dev/vg0/root", Some(Wanted::Logical("vg0".into(), "root".into())));
        check("/dev/mapper/my--vg-root", Some(Wanted::Logical("my-vg".into(), "root".into())));
        check("server:/export", None);
    }
}
