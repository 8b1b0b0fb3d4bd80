//! Compressed clusters: inflated whole, into a buffer of a size that is known before.
//!
//! Decompressors are kept and used again, since making one costs as much as a small cluster.
//! Nothing here can inflate to more than the buffer that it is given.

use super::cache::Cache;
use crate::model::Fault;
use std::sync::{Arc, Mutex, PoisonError};

/// How clusters are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    /// RFC 1951 without a header (qcow2).
    Deflate,
    /// RFC 1950 (VMDK).
    Zlib,
    /// RFC 8878 (qcow2).
    Zstd,
}

/// Inflates the clusters of one image, by many threads at once.
pub(super) struct Inflater {
    codec: Codec,
    flate: Mutex<Vec<flate2::Decompress>>,
    zstd: Mutex<Vec<zstd::bulk::Decompressor<'static>>>,
}

impl Inflater {
    /// For clusters of that kind.
    pub(super) const fn new(codec: Codec) -> Self {
        Self { codec, flate: Mutex::new(Vec::new()), zstd: Mutex::new(Vec::new()) }
    }

    /// Fills `output` whole. What follows the compressed data in `input` is ignored, since
    /// containers round its length up.
    pub(super) fn inflate(&self, input: &[u8], output: &mut [u8]) -> Result<(), Fault> {
        let filled = match self.codec {
            Codec::Deflate | Codec::Zlib => self.inflate_flate(input, output)?,
            Codec::Zstd => self.inflate_zstd(input, output)?,
        };
        if filled != output.len() {
            return Err(Fault::damaged(format!(
                "a compressed cluster holds {filled} bytes instead of {}",
                output.len()
            )));
        }
        Ok(())
    }

    fn inflate_flate(&self, input: &[u8], output: &mut [u8]) -> Result<usize, Fault> {
        let with_header = self.codec == Codec::Zlib;
        let kept = self.flate.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut inflater = kept.unwrap_or_else(|| flate2::Decompress::new(with_header));
        inflater.reset(with_header);
        let status = inflater
            .decompress(input, output, flate2::FlushDecompress::Finish)
            .map_err(|error| Fault::damaged(format!("a compressed cluster: {error}")))?;
        let mut filled = usize::try_from(inflater.total_out()).unwrap_or(0);
        // A VMDK's last grain may hold only what is left of the disk; its checksum was right.
        if with_header && status == flate2::Status::StreamEnd {
            output.get_mut(filled..).unwrap_or_default().fill(0);
            filled = output.len();
        }
        self.flate.lock().unwrap_or_else(PoisonError::into_inner).push(inflater);
        Ok(filled)
    }

    fn inflate_zstd(&self, input: &[u8], output: &mut [u8]) -> Result<usize, Fault> {
        let damaged = |what: &str| Fault::damaged(format!("a compressed cluster: {what}"));
        let kept = self.zstd.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut inflater = match kept {
            Some(inflater) => inflater,
            None => {
                zstd::bulk::Decompressor::new().map_err(|error| Fault::unreadable("zstd", error))?
            }
        };
        let mut input = input;
        let mut filled = 0_usize;
        // Mostly one frame; each adds at least a byte or is the last.
        while let Some(rest) = output.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let frame = zstd::zstd_safe::find_frame_compressed_size(input)
                .map_err(|_| damaged("no whole zstd frame"))?;
            let (frame, after) =
                input.split_at_checked(frame).ok_or_else(|| damaged("a zstd frame is cut off"))?;
            let count = inflater
                .decompress_to_buffer(frame, rest)
                .map_err(|error| damaged(&error.to_string()))?;
            if count == 0 {
                break;
            }
            filled = filled.saturating_add(count);
            input = after;
        }
        self.zstd.lock().unwrap_or_else(PoisonError::into_inner).push(inflater);
        Ok(filled)
    }

    /// Bytes of the cluster at `key`, from `skip` on, into `buffer`: from the cache where it is
    /// there, and into the cache where only a part of it is wanted. `load` reads the compressed
    /// bytes; `size` is that of the inflated cluster.
    pub(super) fn read(
        &self,
        cache: &Cache<[u8]>,
        key: (u32, u64),
        size: usize,
        (skip, buffer): (usize, &mut [u8]),
        load: impl FnOnce() -> Result<Vec<u8>, Fault>,
    ) -> Result<(), Fault> {
        let cached = cache.get(key);
        if cached.is_none() && skip == 0 && buffer.len() == size {
            return self.inflate(&load()?, buffer);
        }
        let cluster = match cached {
            Some(cluster) => cluster,
            None => {
                let mut cluster = vec![0; size];
                self.inflate(&load()?, &mut cluster)?;
                let cluster = Arc::from(cluster);
                cache.put(key, &cluster, size);
                cluster
            }
        };
        let part = skip.checked_add(buffer.len()).and_then(|end| cluster.get(skip..end));
        let part = part.ok_or_else(|| {
            Fault::damaged(format!("{} bytes at {skip} of a cluster of {size}", buffer.len()))
        })?;
        buffer.copy_from_slice(part);
        Ok(())
    }
}

impl std::fmt::Debug for Inflater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Inflater({:?})", self.codec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn bytes() -> Vec<u8> {
        (0..4096_u32).flat_map(|n| (n * n).to_le_bytes()).collect()
    }

    fn check(codec: Codec, mut packed: Vec<u8>) {
        let inflater = Inflater::new(codec);
        packed.extend([0xa5; 300]);
        let mut output = vec![0; 16384];
        inflater.inflate(&packed, &mut output).unwrap();
        assert_eq!(output, bytes());
        let mut longer = vec![0; 16385];
        assert_eq!(inflater.inflate(&packed, &mut longer).is_ok(), codec == Codec::Zlib);
        assert!(inflater.inflate(packed.get(..40).unwrap(), &mut output).is_err());
    }

    #[test]
    fn clusters_are_filled_exactly() {
        let level = flate2::Compression::default();
        let mut raw = flate2::write::DeflateEncoder::new(Vec::new(), level);
        raw.write_all(&bytes()).unwrap();
        check(Codec::Deflate, raw.finish().unwrap());
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), level);
        zlib.write_all(&bytes()).unwrap();
        check(Codec::Zlib, zlib.finish().unwrap());
        check(Codec::Zstd, zstd::encode_all(bytes().as_slice(), 3).unwrap());
    }
}
