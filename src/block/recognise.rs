//! Which container a file is: by its magic numbers, never by its name. What has none is raw.

use super::{BlockDevice, read_vec};
use crate::model::Fault;
use std::fmt;

/// A container of disks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the formats' own")]
pub enum ImageFormat {
    Raw,
    Qcow2,
    Vmdk,
    Vhd,
    Vhdx,
    Vdi,
}

impl ImageFormat {
    /// As `qemu-img -f` says it, but `vhd` for `vpc`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
            Self::Vmdk => "vmdk",
            Self::Vhd => "vhd",
            Self::Vhdx => "vhdx",
            Self::Vdi => "vdi",
        }
    }

    /// Reads a format's name, as images record it for their backing files.
    #[must_use]
    pub fn parse(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"raw" | b"file" | b"host_device" => Self::Raw,
            b"qcow2" => Self::Qcow2,
            b"vmdk" => Self::Vmdk,
            b"vpc" | b"vhd" => Self::Vhd,
            b"vhdx" => Self::Vhdx,
            b"vdi" => Self::Vdi,
            _ => return None,
        })
    }
}

impl fmt::Display for ImageFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// As much as is looked at of a file's start.
const HEAD: u64 = 512;
/// Length of a VHD's footer.
const FOOTER: u64 = 512;

/// Looks at a file's first bytes, and at its last where a fixed VHD has its only mark.
pub fn recognise(device: &dyn BlockDevice) -> Result<ImageFormat, Fault> {
    let length = device.length();
    let head = read_vec(device, 0, usize::try_from(length.min(HEAD)).unwrap_or(0))?;
    let starts = |at: usize, magic: &[u8]| head.get(at..).is_some_and(|b| b.starts_with(magic));
    if starts(0, b"QFI\xfb") {
        return Ok(ImageFormat::Qcow2);
    }
    if starts(0, b"KDMV") || starts(0, b"COWD") || is_descriptor(&head) {
        return Ok(ImageFormat::Vmdk);
    }
    if starts(0, b"vhdxfile") {
        return Ok(ImageFormat::Vhdx);
    }
    if starts(0, b"conectix") {
        return Ok(ImageFormat::Vhd);
    }
    if starts(64, &[0x7f, 0x10, 0xda, 0xbe]) {
        return Ok(ImageFormat::Vdi);
    }
    if let Some(footer) = length.checked_sub(FOOTER)
        && read_vec(device, footer, 8)? == b"conectix"
    {
        return Ok(ImageFormat::Vhd);
    }
    Ok(ImageFormat::Raw)
}

/// A VMDK's descriptor on its own is text that begins with this comment, maybe after empty lines.
fn is_descriptor(head: &[u8]) -> bool {
    head.trim_ascii_start().starts_with(b"# Disk DescriptorFile")
}

#[cfg(test)]
mod tests {
    use super::super::MemoryDevice;
    use super::*;

    #[test]
    fn magic_decides() {
        let check = |bytes: &[u8], expected: ImageFormat| {
            assert_eq!(recognise(&MemoryDevice::new(bytes.to_vec())).unwrap(), expected);
        };
        check(b"", ImageFormat::Raw);
        check(b"QFI\xfb\0\0\0\x03", ImageFormat::Qcow2);
        check(b"KDMV", ImageFormat::Vmdk);
        check(b"\n# Disk DescriptorFile\nversion=1", ImageFormat::Vmdk);
        check(b"vhdxfile", ImageFormat::Vhdx);
        let mut fixed = vec![0; 2048];
        fixed[1536..1544].copy_from_slice(b"conectix");
        check(&fixed, ImageFormat::Vhd);
        let mut vdi = vec![0; 512];
        vdi[64..68].copy_from_slice(&0xbeda_107f_u32.to_le_bytes());
        check(&vdi, ImageFormat::Vdi);
        check(&[0; 4096], ImageFormat::Raw);
    }
}
