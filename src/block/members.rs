//! What a device is a member of, where it does not itself hold a file system: encryption, RAID,
//! caches. Recognised by magic, named, and not read.

use super::bytes::Fields;
use super::{BlockDevice, read_vec};

/// Linux RAID's magic number, little-endian on disk from version 1 on.
const MD_MAGIC: u32 = 0xa92b_4efc;
const BCACHE_MAGIC: [u8; 16] = [
    0xc6, 0x85, 0x73, 0xf6, 0x4e, 0x1a, 0x45, 0xca, 0x82, 0x65, 0xf5, 0x7f, 0x48, 0xba, 0x6d, 0x81,
];

/// What the device is, in words, where it is something that cannot be read.
pub(super) fn name_of(device: &dyn BlockDevice) -> Option<String> {
    let start = |count: u64| {
        let count = usize::try_from(device.length().min(count)).unwrap_or(0);
        read_vec(device, 0, count).unwrap_or_default()
    };
    let head = start(8192);
    let fields = Fields::new("start", &head);
    let is = |at: usize, magic: &[u8]| fields.slice(at, magic.len()).is_ok_and(|b| b == magic);
    if is(0, b"LUKS\xba\xbe") {
        let version = fields.u16_be(6).unwrap_or(0);
        let uuid = fields.slice(168, 40).unwrap_or_default();
        let uuid = uuid.split(|b| *b == 0).next().unwrap_or_default().escape_ascii();
        return Some(format!("encrypted (LUKS{version}, UUID {uuid})"));
    }
    if is(3, b"-FVE-FS-") {
        return Some("encrypted (BitLocker)".to_owned());
    }
    for at in [0, 4096] {
        if fields.u32_le(at).is_ok_and(|magic| magic == MD_MAGIC) {
            return Some("a member of a Linux software RAID".to_owned());
        }
    }
    if md_at_end(device) {
        return Some("a member of a Linux software RAID".to_owned());
    }
    if is(4096 + 24, &BCACHE_MAGIC) {
        return Some("a member of a bcache".to_owned());
    }
    if is(0, b"integrt\0") {
        return Some("a dm-integrity volume".to_owned());
    }
    is(0, b"dmvdo001").then(|| "a VDO volume".to_owned())
}

/// Versions 1.0 and 0.90 have their superblock near the end.
fn md_at_end(device: &dyn BlockDevice) -> bool {
    let version_1 = (device.length() / 512).checked_sub(16).map(|n| (n / 8).saturating_mul(4096));
    let version_0 = (device.length() / 65_536).checked_sub(1).map(|n| n.saturating_mul(65_536));
    [version_1, version_0].into_iter().flatten().any(|at| {
        let bytes = read_vec(device, at, 8).unwrap_or_default();
        Fields::new("superblock", &bytes).u32_le(0).is_ok_and(|magic| magic == MD_MAGIC)
    })
}

#[cfg(test)]
mod tests {
    use super::super::MemoryDevice;
    use super::*;

    #[test]
    fn members_are_named() {
        let check = |at: usize, magic: &[u8], expected: Option<&str>| {
            let mut bytes = vec![0; 256 << 10];
            bytes[at..at + magic.len()].copy_from_slice(magic);
            assert_eq!(name_of(&MemoryDevice::new(bytes)).as_deref(), expected);
        };
        check(0, b"LUKS\xba\xbe\0\x02", Some("encrypted (LUKS2, UUID )"));
        let md = MD_MAGIC.to_le_bytes();
        check(4096, &md, Some("a member of a Linux software RAID"));
        check((256 << 10) - 8192, &md, Some("a member of a Linux software RAID"));
        check((256 << 10) - 65536, &md, Some("a member of a Linux software RAID"));
        check(4096 + 24, &BCACHE_MAGIC, Some("a member of a bcache"));
        check(100, b"x", None);
        assert_eq!(name_of(&MemoryDevice::new(Vec::new())), None);
    }
}
