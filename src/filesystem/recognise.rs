//! Which file system lies on a volume: by magic numbers, with the names that `fstab` may call it
//! by; and the readers that there are for them.
//!
//! Recognising goes further than reading: what has no reader yet is still named, so that it
//! becomes a gap with its type. UUIDs and labels are written as `blkid` writes them.

use super::Filesystem;
use super::btrfs::Btrfs;
use super::erofs::Erofs;
use super::ext4::Ext4;
use super::fat::Fat;
use super::iso9660::Iso9660;
use super::squashfs::Squashfs;
use super::xfs::Xfs;
use crate::block::BlockDevice;
use crate::block::bytes::Fields;
use crate::model::Fault;
use std::sync::Arc;

/// What a volume's first bytes say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// As `mount -t` says it, or `swap`.
    pub type_name: &'static str,
    /// As `blkid` shows it.
    pub uuid: Option<String>,
    /// Raw, without padding.
    pub label: Option<Vec<u8>>,
}

/// Up to the end of btrfs's first superblock.
const HEAD_BYTES: usize = (64 << 10) + 4096;

/// UUID and label.
type Names = (Option<String>, Option<Vec<u8>>);
/// Opens a file system.
type Open = fn(Arc<dyn BlockDevice>) -> Result<Arc<dyn Filesystem>, Fault>;

/// A row of the table of what is recognised.
struct Known {
    type_name: &'static str,
    /// Offsets and the bytes there, one of which decides.
    magic: &'static [(usize, &'static [u8])],
    identify: fn(Fields<'_>) -> Result<Names, Fault>,
    open: Option<Open>,
}

/// In the order in which they are tried: what may have another's mark in unused space is last.
static KNOWN: &[Known] = &[
    Known {
        type_name: "xfs",
        magic: &[(0, b"XFSB")],
        identify: |f| Ok((Some(uuid(f.array(32)?)), label(f, 108, 12)?)),
        open: Some(|device| Ok(Arc::new(Xfs::open(device)?))),
    },
    Known {
        type_name: "squashfs",
        magic: &[(0, b"hsqs")],
        identify: |_| Ok((None, None)),
        open: Some(|device| Ok(Arc::new(Squashfs::open(device)?))),
    },
    Known {
        type_name: "erofs",
        magic: &[(1024, &[0xe2, 0xe1, 0xf5, 0xe0])],
        identify: |f| Ok((Some(uuid(f.array(1024 + 48)?)), label(f, 1024 + 64, 16)?)),
        open: Some(|device| Ok(Arc::new(Erofs::open(device)?))),
    },
    Known {
        type_name: "f2fs",
        magic: &[(1024, &[0x10, 0x20, 0xf5, 0xf2])],
        identify: |f| Ok((Some(uuid(f.array(1024 + 108)?)), None)),
        open: None,
    },
    Known {
        type_name: "btrfs",
        magic: &[(0x1_0040, b"_BHRfS_M")],
        identify: |f| Ok((Some(uuid(f.array(0x1_0020)?)), label(f, 0x1_012b, 256)?)),
        open: Some(|device| Ok(Arc::new(Btrfs::open(device)?))),
    },
    Known {
        type_name: "ext4",
        magic: &[(1024 + 56, &[0x53, 0xef])],
        identify: |f| Ok((Some(uuid(f.array(1024 + 104)?)), label(f, 1024 + 120, 16)?)),
        open: Some(|device| Ok(Arc::new(Ext4::open(device)?))),
    },
    Known {
        type_name: "swap",
        magic: &[
            (4086, b"SWAPSPACE2"),
            (8182, b"SWAPSPACE2"),
            (16_374, b"SWAPSPACE2"),
            (65_526, b"SWAPSPACE2"),
        ],
        identify: |f| Ok((Some(uuid(f.array(1036)?)), label(f, 1052, 16)?)),
        open: None,
    },
    Known {
        type_name: "ntfs",
        magic: &[(3, b"NTFS    ")],
        identify: |_| Ok((None, None)),
        open: None,
    },
    Known {
        type_name: "exfat",
        magic: &[(3, b"EXFAT   ")],
        identify: |f| Ok((Some(serial(f.u32_le(100)?)), None)),
        open: None,
    },
    Known {
        type_name: "vfat",
        magic: &[(82, b"FAT32   ")],
        identify: |f| Ok((Some(serial(f.u32_le(67)?)), label(f, 71, 11)?)),
        open: Some(|device| Ok(Arc::new(Fat::open(device)?))),
    },
    Known {
        type_name: "vfat",
        magic: &[(54, b"FAT16   "), (54, b"FAT12   "), (54, b"FAT     ")],
        identify: |f| Ok((Some(serial(f.u32_le(39)?)), label(f, 43, 11)?)),
        open: Some(|device| Ok(Arc::new(Fat::open(device)?))),
    },
    Known {
        type_name: "iso9660",
        magic: &[(32_769, b"CD001")],
        identify: |f| Ok((iso_uuid(f)?, label(f, 32_808, 32)?)),
        open: Some(|device| Ok(Arc::new(Iso9660::open(device)?))),
    },
];

fn uuid(bytes: [u8; 16]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

/// FAT's volume serial number.
fn serial(number: u32) -> String {
    format!("{:04X}-{:04X}", number >> 16, number & 0xffff)
}

fn label(fields: Fields<'_>, at: usize, count: usize) -> Result<Option<Vec<u8>>, Fault> {
    let text = fields.slice(at, count)?.split(|b| *b == 0).next().unwrap_or_default();
    let text = text.trim_ascii_end();
    let is_set = !text.is_empty() && text != b"NO NAME";
    Ok(is_set.then(|| text.to_vec()))
}

/// The moment of the last change, or of the making where that is not set.
fn iso_uuid(fields: Fields<'_>) -> Result<Option<String>, Fault> {
    for at in [32_768 + 830, 32_768 + 813] {
        let digits = String::from_utf8_lossy(fields.slice(at, 16)?).into_owned();
        if digits.bytes().all(|b| b.is_ascii_digit()) && digits.bytes().any(|b| b != b'0') {
            let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
            let pairs =
                [part(4, 6), part(6, 8), part(8, 10), part(10, 12), part(12, 14), part(14, 16)];
            return Ok(Some(format!("{}-{}", part(0, 4), pairs.join("-"))));
        }
    }
    Ok(None)
}

fn find(head: &[u8]) -> Option<&'static Known> {
    let is = |(at, magic): &(usize, &[u8])| head.get(*at..).is_some_and(|b| b.starts_with(magic));
    KNOWN.iter().find(|known| known.magic.iter().any(is))
}

fn head(device: &dyn BlockDevice) -> Result<Vec<u8>, Fault> {
    let count = usize::try_from(device.length()).unwrap_or(usize::MAX).min(HEAD_BYTES);
    let mut bytes = vec![0; count];
    device.read_at(0, &mut bytes)?;
    Ok(bytes)
}

/// Which file system lies on the device; `None` for what has no mark that we know.
pub fn identify(device: &dyn BlockDevice) -> Result<Option<Identity>, Fault> {
    let head = head(device)?;
    Ok(find(&head).map(|known| {
        // One that is too short for its own names has none.
        let names = (known.identify)(Fields::new("superblock", &head));
        let (uuid, label) = names.unwrap_or_default();
        Identity { type_name: known.type_name, uuid, label }
    }))
}

/// Opens what lies on the device; what has no reader is `Unsupported` with its type.
pub fn open(device: &Arc<dyn BlockDevice>) -> Result<Arc<dyn Filesystem>, Fault> {
    match find(&head(device.as_ref())?) {
        None => Err(Fault::unsupported("no file system that we know")),
        Some(known) => match known.open {
            Some(open) => open(Arc::clone(device)),
            None => Err(Fault::unsupported(format!("a file system of type {}", known.type_name))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::MemoryDevice;

    #[test]
    fn marks_and_names() {
        let check = |marks: &[(usize, &[u8])], expected: &str| {
            let mut bytes = vec![0; 128 << 10];
            for (at, mark) in marks {
                bytes[*at..*at + mark.len()].copy_from_slice(mark);
            }
            let shown = match identify(&MemoryDevice::new(bytes)).unwrap() {
                None => "none".to_owned(),
                Some(found) => format!(
                    "{} {} {}",
                    found.type_name,
                    found.uuid.unwrap_or_default(),
                    found.label.unwrap_or_default().escape_ascii()
                ),
            };
            assert_eq!(shown, expected);
        };
        check(&[], "none");
        let id: Vec<u8> = (0..16).collect();
        let text = "00010203-0405-0607-0809-0a0b0c0d0e0f";
        check(&[(0, b"XFSB"), (32, &id), (108, b"root")], &format!("xfs {text} root"));
        let ext4: [(usize, &[u8]); 3] = [(1080, b"\x53\xef"), (1128, &id), (1144, b"cloudimg")];
        check(&ext4, &format!("ext4 {text} cloudimg"));
        let fat: [(usize, &[u8]); 3] =
            [(82, b"FAT32   "), (67, b"\x01\x23\x45\xab"), (71, b"UEFI       ")];
        check(&fat, "vfat AB45-2301 UEFI");
        let iso: [(usize, &[u8]); 3] =
            [(32_769, b"CD001"), (32_808, b"cidata  "), (33_581, b"2024010203040506")];
        check(&iso, "iso9660 2024-01-02-03-04-05-06 cidata");
        assert!(identify(&MemoryDevice::new(vec![1; 10])).unwrap().is_none());
    }
}
