//! qcow2, versions 2 and 3: QEMU's own container.
//!
//! Read: zlib and zstd clusters, backing chains, internal snapshots, extended L2 entries
//! (subclusters), external data files. Refcounts are not looked at, since nothing is written, and
//! the dirty and corrupt marks are about them. Refused by name: encryption, unknown incompatible
//! features, backing files that are not plain files beside the image.
//! Specification: `docs/interop/qcow2.txt` of QEMU.

mod header;
mod table;

pub use header::Snapshot;

use super::beside::Chain;
use super::image::{Image, open_layer};
use super::inflate::Inflater;
use super::mapped::MappedDevice;
use super::recognise::ImageFormat;
use super::{BlockDevice, read_vec};
use crate::model::Fault;
use crate::model::path::Escaped;
use header::Header;
use std::path::Path;
use std::sync::Arc;
use table::Qcow2;

/// QEMU reads no larger first-level table.
const MAX_L1_BYTES: u64 = 32 << 20;
/// QEMU reads no larger snapshot table.
const MAX_SNAPSHOT_BYTES: u64 = 64 << 20;

/// Opens the image in `file`, which lies at `path`, and what is below it.
pub(super) fn open(
    chain: &mut Chain,
    path: &Path,
    file: Arc<dyn BlockDevice>,
    snapshot: Option<&str>,
    image: &mut Image,
) -> Result<Arc<dyn BlockDevice>, Fault> {
    let head = usize::try_from(file.length()).unwrap_or(usize::MAX).min(header::HEADER_BYTES);
    let header = header::parse(&read_vec(file.as_ref(), 0, head)?)?;
    if header.dirty {
        let note = "it was not closed (dirty mark); only its reference counts may be wrong";
        image.notes.push(note.to_owned());
    }
    if header.corrupt {
        image.faults.push(Fault::damaged("it is marked corrupt by whoever wrote it last"));
    }
    match snapshots(&header, file.as_ref()) {
        Ok(snapshots) => image.snapshots = snapshots,
        Err(fault) if snapshot.is_some() => return Err(fault),
        Err(fault) => image.notes.push(format!("its snapshots cannot be read: {fault}")),
    }
    let (l1_offset, l1_entries, size) = match snapshot {
        None => (header.l1_offset, header.l1_entries, header.size),
        Some(wanted) => {
            let found = image.snapshots.iter().find(|s| s.id == wanted || s.name == wanted);
            let found = found.ok_or_else(|| {
                Fault::unsupported(format!("no snapshot \"{wanted}\"; {}", known(&image.snapshots)))
            })?;
            (found.l1_offset, found.l1_entries, found.size.unwrap_or(header.size))
        }
    };
    let l1 = read_l1(chain, file.as_ref(), l1_offset, l1_entries)?;
    let data = match &header.data_file {
        None => None,
        Some(name) if name.is_empty() => {
            return Err(Fault::unsupported("a qcow2 image that does not name its data file"));
        }
        Some(name) => Some(Arc::new(chain.open_named(path, name)?) as Arc<dyn BlockDevice>),
    };
    let parent = match &header.backing_file {
        None => None,
        Some(name) => {
            let below = open_backing(chain, path, name, header.backing_format.as_deref())?;
            let place = format!("backing file \"{}\"", Escaped(name));
            image.notes.extend(below.notes.iter().map(|note| format!("{place}: {note}")));
            image.faults.extend(below.faults.into_iter().map(|fault| fault.within(&place)));
            Some(below.device)
        }
    };
    let device = Qcow2 {
        layer: chain.next_layer(),
        caches: Arc::clone(&chain.caches),
        inflater: Inflater::new(header.codec),
        cluster_bits: header.cluster_bits,
        extended: header.extended_l2,
        size,
        l1,
        file,
        data,
        parent,
    };
    device.check_size()?;
    Ok(Arc::new(MappedDevice(device)))
}

fn known(snapshots: &[Snapshot]) -> String {
    if snapshots.is_empty() {
        return "it has none".to_owned();
    }
    let names: Vec<String> =
        snapshots.iter().take(20).map(|s| format!("{} ({})", s.name, s.id)).collect();
    format!("it has {}", names.join(", "))
}

fn snapshots(header: &Header, file: &dyn BlockDevice) -> Result<Vec<Snapshot>, Fault> {
    if header.snapshots == 0 {
        return Ok(Vec::new());
    }
    // Their table has no length of its own: each entry is at most 40 bytes, 2 x 64 KiB and extra
    // data, and 4 KiB for each is more than is ever written.
    let rest = file.length().saturating_sub(header.snapshots_offset);
    let wanted = u64::from(header.snapshots).saturating_mul(4096);
    let count = usize::try_from(rest.min(wanted).min(MAX_SNAPSHOT_BYTES)).unwrap_or(0);
    header::snapshots(&read_vec(file, header.snapshots_offset, count)?, header.snapshots)
}

fn read_l1(
    chain: &mut Chain,
    file: &dyn BlockDevice,
    offset: u64,
    entries: u32,
) -> Result<Vec<u64>, Fault> {
    let bytes = u64::from(entries).saturating_mul(8);
    if bytes > MAX_L1_BYTES {
        return Err(Fault::limit(format!("an L1 table of {bytes} bytes, over {MAX_L1_BYTES}")));
    }
    chain.keep_table(bytes)?;
    let bytes = read_vec(file, offset, usize::try_from(bytes).unwrap_or(usize::MAX))
        .map_err(|fault| fault.within("L1 table"))?;
    Ok(table::entries(&bytes))
}

fn open_backing(
    chain: &mut Chain,
    path: &Path,
    name: &[u8],
    format: Option<&[u8]>,
) -> Result<Image, Fault> {
    let format = match format {
        None => None,
        Some(format) => Some(ImageFormat::parse(format).ok_or_else(|| {
            Fault::unsupported(format!("a backing file of format \"{}\"", Escaped(format)))
        })?),
    };
    let file = chain.open_named(path, name)?;
    open_layer(chain, file, format, None)
}
