//! Blocks that file systems compress one by one: each is unpacked into a buffer of the length that
//! the format allows, so that none can grow beyond it.

use crate::model::Fault;
use flate2::{Decompress, FlushDecompress, Status};
use liblzma::stream::{Action, Stream};
use std::io::Read;

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
    /// LZO1X, without a frame.
    Lzo,
    /// An LZ4 block, without a frame.
    Lz4,
    /// RFC 8878.
    Zstd,
    /// LZMA without a header; its first byte, which is always 0, holds the properties inverted.
    MicroLzma,
}

/// The largest dictionary that EROFS allows, and the smallest that LZMA has.
const MICRO_LZMA_DICTIONARY: (u32, u32) = (8 << 20, 4 << 10);
/// Windows beyond 16 MiB are refused.
const MAX_WINDOW_LOG: u32 = 24;

/// Fills the whole output with the beginning of what the input unpacks to; the input may go on.
pub(super) fn unpack_start(codec: Codec, input: &[u8], output: &mut [u8]) -> Result<(), Fault> {
    let damaged = |reason: &dyn std::fmt::Display| {
        Fault::damaged(format!("a block compressed with {codec:?}: {reason}"))
    };
    if output.is_empty() {
        return Ok(());
    }
    match codec {
        Codec::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(input)
                .map_err(|error| Fault::unreadable("zstd", error))?;
            decoder.window_log_max(MAX_WINDOW_LOG).map_err(|error| damaged(&error))?;
            return decoder.read_exact(output).map_err(|error| damaged(&error));
        }
        Codec::MicroLzma => {
            let (properties, rest) = input.split_first().ok_or_else(|| damaged(&"it is empty"))?;
            let mut header = vec![!properties];
            // Nothing lies further back than what is wanted is long.
            let (most, least) = MICRO_LZMA_DICTIONARY;
            let dictionary = u32::try_from(output.len()).unwrap_or(most).clamp(least, most);
            header.extend_from_slice(&dictionary.to_le_bytes());
            // Of unknown length, and the byte that stood where the properties are.
            header.extend_from_slice(&[0xff; 8]);
            header.push(0);
            let stream = Stream::new_lzma_decoder(MAX_LZMA_MEMORY).map_err(|e| damaged(&e))?;
            return lzma_start(stream, &[&header, rest].concat(), output)
                .map_err(|error| damaged(&error));
        }
        _ => {}
    }
    let count = unpack(codec, input, output)?;
    if count < output.len() {
        return Err(damaged(&format_args!("{count} bytes instead of {}", output.len())));
    }
    Ok(())
}

fn lzma_start(
    mut stream: Stream,
    input: &[u8],
    output: &mut [u8],
) -> Result<(), liblzma::stream::Error> {
    loop {
        let taken = usize::try_from(stream.total_in()).unwrap_or(usize::MAX);
        let given = usize::try_from(stream.total_out()).unwrap_or(usize::MAX);
        let rest = output.get_mut(given..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(());
        }
        stream.process(input.get(taken..).unwrap_or_default(), rest, Action::Run)?;
        let now = usize::try_from(stream.total_out()).unwrap_or(usize::MAX);
        if now == given {
            return Err(liblzma::stream::Error::Data);
        }
    }
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
        Codec::Lzo => super::btrfs::lzo::decompress(input, output),
        Codec::Lz4 => {
            lz4_flex::block::decompress_into(input, output).map_err(|error| damaged(&error))
        }
        Codec::MicroLzma => {
            unpack_start(codec, input, output)?;
            Ok(output.len())
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
    fn beginnings_are_unpacked() {
        let plain: Vec<u8> =
            (0..3000_u32).flat_map(|n| format!("{} ", n / 7 * 31).into_bytes()).collect();
        let options = liblzma::stream::LzmaOptions::new_preset(6).unwrap();
        let stream = Stream::new_lzma_encoder(&options).unwrap();
        let mut lzma = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
        lzma.write_all(&plain).unwrap();
        let lzma = lzma.finish().unwrap();
        assert_eq!(lzma[13], 0);
        let micro = [&[!lzma[0]], &lzma[14..]].concat();
        let mut deflate =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        deflate.write_all(&plain).unwrap();
        let packed = [
            (Codec::MicroLzma, micro),
            (Codec::Deflate, deflate.finish().unwrap()),
            (Codec::Zstd, zstd::bulk::compress(&plain, 3).unwrap()),
        ];
        for (codec, packed) in packed {
            for length in [0, 1, 100, plain.len()] {
                let mut output = vec![0; length];
                unpack_start(codec, &packed, &mut output).unwrap();
                assert_eq!(output, plain[..length], "{codec:?}");
            }
            let mut output = vec![0; plain.len()];
            assert!(unpack_start(codec, &packed[..packed.len() / 2], &mut output).is_err());
        }
    }

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
