//! Blocks that file systems compress one by one: each is unpacked into a buffer of the length that
//! the format allows, so that none can grow beyond it.

use crate::model::Fault;
use flate2::{Decompress, FlushDecompress, Status};
use liblzma::stream::{Action, Stream};

/// Memory that an xz or lzma decoder may take: blocks have at most 1 MiB, dictionaries of tools
/// up to 8 MiB for it.
const MAX_LZMA_MEMORY: u64 = 32 << 20;

/// How blocks are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    /// RFC 1950.
    Zlib,
    /// RFC 1951 alone.
    Deflate,
    /// The format of `lzma`, with a header of 13 bytes.
    Lzma,
    /// `xz`.
    Xz,
    /// An LZ4 block, without a frame.
    Lz4,
    /// RFC 8878.
    Zstd,
}

/// Unpacks into the beginning of `output`; returns how many bytes there were. More than it holds
/// is damage.
pub(super) fn unpack(codec: Codec, input: &[u8], output: &mut [u8]) -> Result<usize, Fault> {
    let damaged = |reason: &dyn std::fmt::Display| {
        Fault::damaged(format!("a block compressed with {codec:?}: {reason}"))
    };
    match codec {
        Codec::Zlib | Codec::Deflate => {
            let mut decoder = Decompress::new(codec == Codec::Zlib);
            let status = decoder
                .decompress(input, output, FlushDecompress::Finish)
                .map_err(|error| damaged(&error))?;
            let count = usize::try_from(decoder.total_out()).unwrap_or(usize::MAX);
            match status {
                Status::StreamEnd => Ok(count),
                // What is wanted may be only the beginning of a raw stream.
                _ if codec == Codec::Deflate && count == output.len() => Ok(count),
                _ => Err(damaged(&"it does not end where it should")),
            }
        }
        Codec::Lzma => {
            let stream = Stream::new_lzma_decoder(MAX_LZMA_MEMORY);
            lzma(stream.map_err(|error| damaged(&error))?, input, output)
                .map_err(|error| damaged(&error))
        }
        Codec::Xz => {
            let stream = Stream::new_stream_decoder(MAX_LZMA_MEMORY, 0);
            lzma(stream.map_err(|error| damaged(&error))?, input, output)
                .map_err(|error| damaged(&error))
        }
        Codec::Lz4 => {
            lz4_flex::block::decompress_into(input, output).map_err(|error| damaged(&error))
        }
        Codec::Zstd => {
            let mut decoder = zstd::bulk::Decompressor::new()
                .map_err(|error| Fault::unreadable("zstd", error))?;
            decoder.decompress_to_buffer(input, output).map_err(|error| damaged(&error))
        }
    }
}

fn lzma(
    mut stream: Stream,
    input: &[u8],
    output: &mut [u8],
) -> Result<usize, liblzma::stream::Error> {
    loop {
        let taken = usize::try_from(stream.total_in()).unwrap_or(usize::MAX);
        let given = usize::try_from(stream.total_out()).unwrap_or(usize::MAX);
        let rest = output.get_mut(given..).unwrap_or_default();
        let is_full = rest.is_empty();
        let status =
            stream.process(input.get(taken..).unwrap_or_default(), rest, Action::Finish)?;
        let now = usize::try_from(stream.total_out()).unwrap_or(usize::MAX);
        match status {
            liblzma::stream::Status::StreamEnd => return Ok(now),
            _ if is_full || now == given => return Err(liblzma::stream::Error::Data),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn what_fits_is_unpacked() {
        let plain = b"some text, some text, some text, some text".as_slice();
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        zlib.write_all(plain).unwrap();
        let packed = [
            (Codec::Zlib, zlib.finish().unwrap()),
            (Codec::Xz, liblzma::encode_all(plain, 6).unwrap()),
            (Codec::Lz4, lz4_flex::block::compress(plain)),
            (Codec::Zstd, zstd::bulk::compress(plain, 3).unwrap()),
        ];
        for (codec, packed) in packed {
            let mut output = vec![0; plain.len() + 5];
            assert_eq!(unpack(codec, &packed, &mut output).unwrap(), plain.len(), "{codec:?}");
            assert_eq!(&output[..plain.len()], plain, "{codec:?}");
            assert!(unpack(codec, &packed, &mut [0; 20]).is_err(), "{codec:?}");
            assert!(unpack(codec, &packed[..packed.len() - 5], &mut output).is_err(), "{codec:?}");
        }
    }
}
