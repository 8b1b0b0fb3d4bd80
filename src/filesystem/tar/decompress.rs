//! Compressed archives: recognised by their first bytes, unpacked as one stream, bombs stopped.
//!
//! Several members or frames after each other are one stream (gzip: RFC 1952; zstd: RFC 8878, with
//! its skippable frames; xz; bzip2). What follows the last gzip member is ignored, as gzip does.

use crate::block::BlockDevice;
use crate::model::Fault;
use flate2::bufread::GzDecoder;
use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;
use std::sync::Arc;

/// How an archive is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
    /// xz.
    Xz,
    /// bzip2.
    Bzip2,
}

impl Compression {
    /// Recognises it by an archive's first bytes; what is compressed by something that is not read
    /// here is a fault, anything else is taken for not compressed. With the first 512 bytes a
    /// member whose name is like a magic number is none.
    pub fn recognise(start: &[u8]) -> Result<Self, Fault> {
        if super::is_header(start) {
            return Ok(Self::None);
        }
        let foreign: &[(&[u8], &str)] = &[
            (b"LZIP", "lzip"),
            (b"\x1f\x9d", "compress"),
            (b"\x04\x22\x4d\x18", "lz4"),
            (b"\x89LZO\0\r\n", "lzop"),
            (b"\x5d\0\0", "lzma"),
        ];
        if let Some((_, name)) = foreign.iter().find(|(magic, _)| start.starts_with(magic)) {
            return Err(Fault::unsupported(format!("compressed with {name}, which is not read")));
        }
        Ok(match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Self::Bzip2,
            _ => Self::None,
        })
    }
}

/// How much an archive may grow when it is unpacked: what stops a decompression bomb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnpackLimits {
    /// Bytes in all. The default is 256 GiB: above any image that is built, below what fills a
    /// day.
    pub bytes: u64,
    /// Times the compressed bytes read so far, looked at after [`RATIO_GRACE`]. The default is
    /// 200: trees of programs and texts shrink to a half or a tenth, empty disk space in a file to
    /// a thousandth.
    pub ratio: u64,
}

impl Default for UnpackLimits {
    fn default() -> Self {
        Self { bytes: 256 << 30, ratio: 200 }
    }
}

/// So many bytes are unpacked before the ratio counts: small archives of zeros are no bombs.
pub const RATIO_GRACE: u64 = 1 << 30;

/// xz and zstd windows beyond this are refused; the tools themselves stay below it unless they are
/// asked to (`zstd --long=28`, `xz` presets end at 64 MiB).
const MAX_WINDOW_LOG: u32 = 27;

/// The memory that an xz decoder may take: the window and its tables.
const MAX_XZ_MEMORY: u64 = 192 << 20;

/// Reads a device from its start, in large pieces.
struct DeviceReader {
    device: Arc<dyn BlockDevice>,
    position: Rc<Cell<u64>>,
}

impl Read for DeviceReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let position = self.position.get();
        let rest = self.device.length().saturating_sub(position);
        let count = buffer.len().min(usize::try_from(rest).unwrap_or(usize::MAX));
        let part = buffer.get_mut(..count).unwrap_or_default();
        self.device.read_at(position, part).map_err(|fault| io::Error::other(fault.chain()))?;
        self.position.set(position.saturating_add(count as u64));
        Ok(count)
    }
}

/// The unpacked bytes of a compressed device, with the limits watched.
pub(super) struct Unpacker {
    decoder: Box<dyn Read>,
    consumed: Rc<Cell<u64>>,
    produced: u64,
    limits: UnpackLimits,
}

impl Unpacker {
    /// Starts unpacking; `None` where there is nothing to unpack.
    pub(super) fn new(
        device: Arc<dyn BlockDevice>,
        compression: Compression,
        limits: UnpackLimits,
    ) -> Result<Option<Self>, Fault> {
        let consumed = Rc::new(Cell::new(0));
        let reader = DeviceReader { device, position: Rc::clone(&consumed) };
        let reader = BufReader::with_capacity(128 * 1024, reader);
        let unreadable = |error| Fault::unreadable("starting to unpack", error);
        let decoder: Box<dyn Read> = match compression {
            Compression::None => return Ok(None),
            Compression::Gzip => Box::new(Gzip { member: Some(GzDecoder::new(reader)) }),
            Compression::Zstd => {
                let mut decoder =
                    zstd::stream::read::Decoder::with_buffer(reader).map_err(unreadable)?;
                decoder.window_log_max(MAX_WINDOW_LOG).map_err(unreadable)?;
                Box::new(decoder)
            }
            Compression::Xz => {
                let stream = liblzma::stream::Stream::new_stream_decoder(
                    MAX_XZ_MEMORY,
                    liblzma::stream::CONCATENATED,
                )
                .map_err(|error| unreadable(error.into()))?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(reader, stream))
            }
            Compression::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(reader)),
        };
        Ok(Some(Self { decoder, consumed, produced: 0, limits }))
    }

    /// Fills the buffer as far as there are bytes.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, Fault> {
        let mut filled = 0_usize;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.decoder.read(rest) {
                Ok(0) => break,
                Ok(count) => filled = filled.saturating_add(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(Fault::damaged(format!(
                        "unpacking fails after {} bytes, near byte {} of the compressed file: \
                         {error}",
                        self.produced.saturating_add(filled as u64),
                        self.consumed.get()
                    )));
                }
            }
        }
        self.produced = self.produced.saturating_add(filled as u64);
        self.check_limits()?;
        Ok(filled)
    }

    fn check_limits(&self) -> Result<(), Fault> {
        let by_ratio = self.consumed.get().saturating_mul(self.limits.ratio).max(RATIO_GRACE);
        if self.produced > self.limits.bytes {
            return Err(Fault::limit(format!("unpacks to more than {} bytes", self.limits.bytes)));
        }
        if self.produced > by_ratio {
            return Err(Fault::limit(format!(
                "unpacks {} bytes to {}, more than {} times as many",
                self.consumed.get(),
                self.produced,
                self.limits.ratio
            )));
        }
        Ok(())
    }
}

/// gzip members one after the other.
struct Gzip<R> {
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let count = member.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let Some(member) = self.member.take() else { break };
            let mut reader = member.into_inner();
            if reader.fill_buf()?.starts_with(&[0x1f]) {
                self.member = Some(GzDecoder::new(reader));
            }
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::stream::tests::Bytes;
    use super::*;
    use std::io::Write as _;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn unpack(packed: &[u8], limits: UnpackLimits) -> Result<Vec<u8>, Fault> {
        let compression = Compression::recognise(packed)?;
        let device = Arc::new(Bytes(packed.to_vec()));
        let mut unpacker = Unpacker::new(device, compression, limits)?.unwrap();
        let mut bytes = Vec::new();
        let mut buffer = [0; 1000];
        loop {
            let count = unpacker.fill(&mut buffer)?;
            bytes.extend_from_slice(&buffer[..count]);
            if count < buffer.len() {
                return Ok(bytes);
            }
        }
    }

    #[test]
    fn several_members_are_one_stream() {
        let check = |packed: &[u8]| {
            assert_eq!(unpack(packed, UnpackLimits::default()).unwrap(), b"onetwo");
        };
        check(&[gzip(b"one"), gzip(b"two")].concat());
        check(&[gzip(b"one"), gzip(b""), gzip(b"two"), vec![0; 40]].concat());
        let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
        let skippable = b"\x5a\x2a\x4d\x18\x03\0\0\0abc".to_vec();
        check(&[zstd(b"one"), skippable.clone(), zstd(b"two")].concat());
        check(&[skippable, zstd(b"one"), zstd(b"two")].concat());
        let xz = |bytes: &[u8]| liblzma::encode_all(bytes, 1).unwrap();
        check(&[xz(b"one"), xz(b"two")].concat());
        let bzip2 = |bytes: &[u8]| {
            let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        };
        check(&[bzip2(b"one"), bzip2(b"two")].concat());
    }

    #[test]
    fn what_is_cut_off_is_damaged() {
        for packed in [gzip(&[7; 5000]), zstd::encode_all([7; 5000].as_slice(), 1).unwrap()] {
            let cut = &packed[..packed.len() - 3];
            assert!(unpack(cut, UnpackLimits::default()).is_err());
        }
    }

    #[test]
    fn limits_stop_a_bomb() {
        let packed = gzip(&[0; 100_000]);
        let limits = UnpackLimits { bytes: 50_000, ratio: 200 };
        let fault = unpack(&packed, limits).unwrap_err();
        assert_eq!(fault.detail, "unpacks to more than 50000 bytes");
    }

    #[test]
    fn foreign_compression_is_named() {
        let fault = Compression::recognise(b"LZIP\x01\x0c").unwrap_err();
        assert_eq!(fault.detail, "compressed with lzip, which is not read");
        assert_eq!(Compression::recognise(b"\x50\x2a\x4d\x18").unwrap(), Compression::Zstd);
        assert_eq!(Compression::recognise(b"etc/motd\0\0").unwrap(), Compression::None);
    }
}
