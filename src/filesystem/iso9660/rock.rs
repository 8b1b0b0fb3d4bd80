//! Rock Ridge: what POSIX needs, in the system use area of a record (SUSP 1.12, RRIP 1.12).

use super::record::date;
use crate::filesystem::bytes::{byte, le32, slice};
use crate::model::{DeviceNumber, Fault, FileKind, Timestamp};

/// Bytes of a name; Linux cuts there too.
const MAX_NAME: usize = 255;
/// `PATH_MAX`.
const MAX_TARGET: usize = 4096;

/// What the entries of one record say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rock {
    /// Kind and permission bits.
    pub mode: Option<(FileKind, u16)>,
    /// Hard links.
    pub links: u32,
    /// Owner and group.
    pub owner: (u32, u32),
    /// The device's number, high and low word.
    pub device: Option<(u32, u32)>,
    /// The name.
    pub name: Option<Vec<u8>>,
    /// The target of a link.
    pub target: Option<Target>,
    /// Last change of the bytes, and of the inode.
    pub times: (Option<Timestamp>, Option<Timestamp>),
    /// The directory lies elsewhere, at this block.
    pub child: Option<u32>,
    /// A mode of no kind. In the `..` of directories that were moved genisoimage writes 0.
    pub odd_mode: Option<u32>,
    /// In a `..`: where the directory above really is.
    pub parent: Option<u32>,
    /// The directory was moved here and is shown where it belongs.
    pub is_relocated: bool,
    /// The bytes are compressed by zisofs.
    pub is_zisofs: bool,
    /// How many bytes other area's entries have to be skipped: `SP`, in the root's own record.
    pub skip: Option<usize>,
    /// Where the entries go on: block, offset and length.
    pub continuation: Option<(u32, u32, u32)>,
}

/// A target in parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    bytes: Vec<u8>,
    /// The next part belongs to the one before.
    goes_on: bool,
}

impl Target {
    /// The whole.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl Rock {
    /// Adds the entries of one area.
    pub fn add(&mut self, mut area: &[u8]) -> Result<(), Fault> {
        self.continuation = None;
        while area.len() >= 4 {
            let length = usize::from(byte(area, 2)?);
            // A byte for padding, or nothing more.
            if length < 4 {
                break;
            }
            let entry = slice(area, 0, length)?;
            match entry.first_chunk::<2>() {
                Some(b"ST") => break,
                Some(signature) => self.entry(*signature, entry)?,
                None => {}
            }
            area = area.get(length..).unwrap_or_default();
        }
        Ok(())
    }

    /// Refuses what cannot be shown.
    pub fn check(&self) -> Result<(), Fault> {
        match self.odd_mode {
            Some(mode) => Err(Fault::damaged(format!("mode {mode:o} is of no kind"))),
            None => Ok(()),
        }
    }

    fn entry(&mut self, signature: [u8; 2], entry: &[u8]) -> Result<(), Fault> {
        match &signature {
            b"SP" if slice(entry, 4, 2)? == [0xbe, 0xef] => {
                self.skip = Some(byte(entry, 6)?.into());
            }
            b"CE" => {
                self.continuation = Some((le32(entry, 4)?, le32(entry, 12)?, le32(entry, 20)?));
            }
            b"PX" => {
                let mode = le32(entry, 4)?;
                let bits = u16::try_from(mode & 0o7777).unwrap_or(0);
                self.mode = FileKind::from_mode(mode).map(|kind| (kind, bits));
                self.odd_mode = self.mode.is_none().then_some(mode);
                self.links = le32(entry, 12)?;
                self.owner = (le32(entry, 20)?, le32(entry, 28)?);
            }
            b"PN" => self.device = Some((le32(entry, 4)?, le32(entry, 12)?)),
            // Flags 2 and 4 stand for the directory itself and the one above.
            b"NM" if byte(entry, 4)? & 6 == 0 => {
                let name = self.name.get_or_insert_default();
                name.extend_from_slice(entry.get(5..).unwrap_or_default());
                if name.len() > MAX_NAME {
                    return Err(Fault::damaged(format!("a name of {} bytes", name.len())));
                }
            }
            b"SL" => self.link(entry.get(5..).unwrap_or_default())?,
            b"TF" => self.times(entry)?,
            b"CL" => self.child = Some(le32(entry, 4)?),
            b"PL" => self.parent = Some(le32(entry, 4)?),
            b"RE" => self.is_relocated = true,
            b"ZF" => self.is_zisofs = true,
            _ => {}
        }
        Ok(())
    }

    fn link(&mut self, mut parts: &[u8]) -> Result<(), Fault> {
        let target = self.target.get_or_insert_default();
        while parts.len() >= 2 {
            let flags = byte(parts, 0)?;
            let length = usize::from(byte(parts, 1)?);
            let text = slice(parts, 2, length)?;
            let is_start = target.bytes.is_empty() || target.bytes.last() == Some(&b'/');
            if !target.goes_on && !is_start {
                target.bytes.push(b'/');
            }
            match flags & 0xe {
                2 => target.bytes.push(b'.'),
                4 => target.bytes.extend_from_slice(b".."),
                8 => {
                    target.bytes.clear();
                    target.bytes.push(b'/');
                }
                _ => target.bytes.extend_from_slice(text),
            }
            target.goes_on = flags & 1 != 0;
            if target.bytes.len() > MAX_TARGET {
                return Err(Fault::damaged(format!("a target of {} bytes", target.bytes.len())));
            }
            parts = parts.get(length.saturating_add(2)..).unwrap_or_default();
        }
        Ok(())
    }

    /// Times in the order of their bits: creation, change, access, change of the inode.
    fn times(&mut self, entry: &[u8]) -> Result<(), Fault> {
        let flags = byte(entry, 4)?;
        // Those of 17 bytes are rare enough that Linux does not read them either.
        if flags & 0x80 != 0 {
            return Ok(());
        }
        let mut at = 5_usize;
        for bit in 0..4 {
            if flags & (1 << bit) == 0 {
                continue;
            }
            let time = Some(date(slice(entry, at, 7)?)?);
            match bit {
                1 => self.times.0 = time,
                3 => self.times.1 = time,
                _ => {}
            }
            at = at.saturating_add(7);
        }
        Ok(())
    }

    /// The device's number as Linux reads the two words.
    pub fn device_number(&self) -> Option<DeviceNumber> {
        let (high, low) = self.device?;
        if high == 0 && low > 0xff {
            return Some(DeviceNumber { major: low >> 8, minor: low & 0xff });
        }
        Some(DeviceNumber { major: high, minor: low })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_targets_have_parts() {
        let mut rock = Rock::default();
        rock.add(b"NM\x08\x01\x01abcNM\x07\x01\0deSL\x0b\x01\x01\x08\0\x01\x02us").unwrap();
        rock.add(b"SL\x0f\x01\0\0\x01r\x04\0\0\x03binCE").unwrap();
        assert_eq!(rock.name.as_deref(), Some(b"abcde".as_slice()));
        assert_eq!(rock.target.unwrap().into_bytes(), b"/usr/../bin");
        assert!(Rock::default().add(b"NM\x20\x01\0ab").is_err());
        assert!(Rock::default().add(b"PX\x05\x01\0").is_err());
    }
}
