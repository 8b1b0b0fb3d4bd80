//! Compressed extents: zlib, lzo and zstd, each in the frame that btrfs gives it.
//!
//! An extent has at most 128 KiB in both forms (`BTRFS_MAX_COMPRESSED`, `BTRFS_MAX_UNCOMPRESSED`).

use super::lzo;
use crate::filesystem::bytes::{le32, slice, to_usize};
use crate::model::Fault;
use flate2::{Decompress, FlushDecompress, Status};
use std::io::Read;

/// An extent's bytes, before and after.
pub const MAX_BYTES: u64 = 128 << 10;
/// `ZSTD_BTRFS_MAX_WINDOWLOG`: a frame that wants more memory is not of btrfs.
const ZSTD_MAX_WINDOW_LOG: u32 = 17;
/// Of an lzo segment's length, and of the whole.
const LZO_LENGTH: usize = 4;

/// How an extent is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// RFC 1950.
    Zlib,
    /// LZO1X, one segment a sector.
    Lzo,
    /// RFC 8878.
    Zstd,
}

impl Compression {
    /// By the number in an extent; `None` for plain bytes.
    pub fn from_number(number: u8) -> Result<Option<Self>, Fault> {
        Ok(Some(match number {
            0 => return Ok(None),
            1 => Self::Zlib,
            2 => Self::Lzo,
            3 => Self::Zstd,
            _ => return Err(Fault::unsupported(format!("an extent compressed by type {number}"))),
        }))
    }

    /// Decompresses to exactly `length` bytes; what the stream is short of are zeros.
    pub fn decompress(self, input: &[u8], length: u64, sector: usize) -> Result<Vec<u8>, Fault> {
        if length > MAX_BYTES || input.len() as u64 > MAX_BYTES {
            return Err(Fault::damaged(format!(
                "a compressed extent of {} bytes for {length}",
                input.len()
            )));
        }
        let mut output = vec![0; to_usize(length)?];
        match self {
            Self::Zlib => zlib(input, &mut output)?,
            Self::Lzo => lzo(input, &mut output, sector)?,
            Self::Zstd => zstd(input, &mut output)?,
        }
        Ok(output)
    }
}

fn zlib(input: &[u8], output: &mut [u8]) -> Result<(), Fault> {
    let mut stream = Decompress::new(true);
    let outcome = stream.decompress(input, output, FlushDecompress::Finish);
    // The decompressor uses the room behind its output as it likes.
    let end = to_usize(stream.total_out())?;
    output.get_mut(end..).unwrap_or_default().fill(0);
    match outcome {
        Ok(Status::StreamEnd) => Ok(()),
        // The extent may be cut to whole sectors.
        Ok(_) if stream.total_out() == output.len() as u64 => Ok(()),
        Ok(_) => Err(Fault::damaged("zlib: cut off")),
        Err(error) => Err(Fault::damaged(format!("zlib: {error}"))),
    }
}

fn zstd(input: &[u8], output: &mut [u8]) -> Result<(), Fault> {
    let damaged = |error| Fault::damaged(format!("zstd: {error}"));
    let mut decoder =
        zstd::stream::read::Decoder::with_buffer(input).map_err(damaged)?.single_frame();
    decoder.window_log_max(ZSTD_MAX_WINDOW_LOG).map_err(damaged)?;
    let mut rest = output;
    while !rest.is_empty() {
        let count = decoder.read(rest).map_err(damaged)?;
        if count == 0 {
            // As above.
            rest.fill(0);
            break;
        }
        rest = rest.get_mut(count..).unwrap_or_default();
    }
    Ok(())
}

/// The length of the whole, then segments, each with its length before it; a length never crosses
/// a sector. Every segment makes one sector.
fn lzo(input: &[u8], output: &mut [u8], sector: usize) -> Result<(), Fault> {
    let total = to_usize(le32(input, 0)?)?;
    let input = slice(input, 0, total).map_err(|fault| fault.within("lzo"))?;
    let mut at = LZO_LENGTH;
    for page in output.chunks_mut(sector.max(1)) {
        let left = sector.saturating_sub(at.checked_rem(sector).unwrap_or(0));
        if left < LZO_LENGTH {
            at = at.saturating_add(left);
        }
        if at >= total {
            break;
        }
        let length = to_usize(le32(input, at)?)?;
        at = at.saturating_add(LZO_LENGTH);
        lzo::decompress(slice(input, at, length)?, page)?;
        at = at.saturating_add(length);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn frames_are_read_with_what_is_behind_them() {
        let text: Vec<u8> = (0..=255).cycle().take(10_000).collect();
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(&text).unwrap();
        let zstd = zstd::bulk::compress(&text, 3).unwrap();
        for (kind, mut bytes) in
            [(Compression::Zlib, zlib.finish().unwrap()), (Compression::Zstd, zstd)]
        {
            bytes.resize(8192, 0);
            assert!(kind.decompress(&bytes, 10_000, 4096).unwrap() == text, "{kind:?}");
            let longer = kind.decompress(&bytes, 12_288, 4096).unwrap();
            assert!(longer[10_000..].iter().all(|byte| *byte == 0), "{kind:?}");
            assert!(kind.decompress(&bytes[..30], 10_000, 4096).is_err());
            assert!(kind.decompress(&bytes, MAX_BYTES + 1, 4096).is_err());
        }
        let lzo = [15, 0, 0, 0, 7, 0, 0, 0, 21, b'a', b'b', b'c', b'd', 17, 0, 0];
        assert!(Compression::Lzo.decompress(&lzo, 4, 4096).is_err());
        let lzo = [16, 0, 0, 0, 8, 0, 0, 0, 21, b'a', b'b', b'c', b'd', 17, 0, 0];
        assert_eq!(Compression::Lzo.decompress(&lzo, 6, 4096).unwrap(), b"abcd\0\0");
    }
}
