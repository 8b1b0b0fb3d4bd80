//! LVM2: physical volumes of one disk, put together into logical volumes.
//!
//! Read: linear and striped segments over several physical volumes. Everything else (mirror, raid,
//! thin, cache, snapshot, …) is named per logical volume, and so is a physical volume that is not
//! there. The newest metadata of a group, by its sequence number, counts.
//! Reference: the source of LVM2, `lib/format_text`.

mod config;
mod label;

use super::concat::{Segment, Source, concatenation};
use super::volumes::{Volume, VolumeSource};
use super::{BlockDevice, read_vec};
use crate::model::Fault;
use config::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

const SECTOR: u64 = 512;
const LABEL_BYTES: u64 = 2048;

fn label_of(device: &dyn BlockDevice) -> Option<Result<label::Label, Fault>> {
    let count = usize::try_from(device.length().min(LABEL_BYTES)).unwrap_or(0);
    read_vec(device, 0, count).ok().and_then(|head| label::parse(&head))
}

/// Whether the device is a physical volume.
pub(super) fn is_physical_volume(device: &dyn BlockDevice) -> bool {
    label_of(device).is_some()
}

/// Physical volumes by UUID.
type Physical = BTreeMap<String, Arc<dyn BlockDevice>>;

/// Puts together what can be, out of all physical volumes that there are.
pub(super) fn logical_volumes(
    devices: &[Arc<dyn BlockDevice>],
    parts: &mut Vec<Volume>,
    faults: &mut Vec<Fault>,
) {
    let mut physical = Physical::new();
    // By the group's id: its sequence number, its name, its metadata.
    let mut groups: BTreeMap<String, (u64, String, Value)> = BTreeMap::new();
    for device in devices {
        let read = label_of(device.as_ref()).unwrap_or_else(|| Err(Fault::damaged("no label")));
        let text = read.and_then(|label| {
            physical.insert(label.uuid.clone(), Arc::clone(device));
            label::text(device.as_ref(), &label)
        });
        match text.and_then(|text| text.map(|text| config::parse(&text)).transpose()) {
            Ok(Some(config)) => {
                for (name, group) in config.members() {
                    let Some(id) = group.text("id") else {
                        // Beside the group there are plain values: who wrote it, when.
                        if matches!(group, Value::Section(_)) {
                            faults.push(Fault::damaged(format!("volume group {name}: no id")));
                        }
                        continue;
                    };
                    let sequence = group.number("seqno").unwrap_or(0);
                    if groups.get(id).is_none_or(|(newest, ..)| *newest < sequence) {
                        groups.insert(id.to_owned(), (sequence, name.clone(), group.clone()));
                    }
                }
            }
            Ok(None) => {}
            Err(fault) => faults.push(fault.within("physical volume")),
        }
    }
    if groups.is_empty() && faults.is_empty() {
        faults.push(Fault::damaged("physical volumes of LVM without metadata or volume group"));
    }
    for (_, name, group) in groups.values() {
        add_group(name, group, &physical, parts, faults);
    }
}

fn add_group(
    name: &str,
    group: &Value,
    physical: &Physical,
    parts: &mut Vec<Volume>,
    faults: &mut Vec<Fault>,
) {
    let volumes = group.get("logical_volumes").map_or(&[][..], Value::members);
    // What keeps the changed blocks of a snapshot looks like a linear volume.
    let stores: Vec<&str> = volumes
        .iter()
        .flat_map(|(_, volume)| volume.members())
        .filter_map(|(_, segment)| segment.text("cow_store"))
        .collect();
    for (volume_name, volume) in volumes {
        let visible = Value::Text("VISIBLE".to_owned());
        if !volume.list("status").contains(&visible) {
            continue;
        }
        let opened = if stores.contains(&volume_name.as_str()) {
            Err(Fault::unsupported("a snapshot volume"))
        } else {
            open_volume(group, volume, physical)
        };
        match opened {
            Ok(device) => parts.push(Volume {
                name: format!("{name}/{volume_name}"),
                source: VolumeSource::Logical {
                    group: name.to_owned(),
                    volume: volume_name.clone(),
                    uuid: volume.text("id").unwrap_or_default().to_owned(),
                },
                device,
            }),
            Err(fault) => {
                faults.push(fault.within(format!("logical volume {name}/{volume_name}")));
            }
        }
    }
}

fn open_volume(
    group: &Value,
    volume: &Value,
    physical: &Physical,
) -> Result<Arc<dyn BlockDevice>, Fault> {
    let damaged = |what: &str| Fault::damaged(format!("no {what}"));
    let extent = group
        .number("extent_size")
        .and_then(|sectors| sectors.checked_mul(SECTOR))
        .ok_or_else(|| damaged("extent_size"))?;
    let mut segments: Vec<(u64, &Value)> = volume
        .members()
        .iter()
        .filter(|(name, _)| name.starts_with("segment") && !name.ends_with("count"))
        .map(|(_, segment)| (segment.number("start_extent").unwrap_or(u64::MAX), segment))
        .collect();
    segments.sort_by_key(|(start, _)| *start);
    let mut stores = Vec::new();
    let mut placed = Vec::new();
    let mut expected = 0_u64;
    for (start, segment) in segments {
        if start != expected {
            return Err(Fault::damaged(format!("a segment at extent {start}, not {expected}")));
        }
        let count = segment.number("extent_count").ok_or_else(|| damaged("extent_count"))?;
        expected = expected.checked_add(count).ok_or_else(|| damaged("end"))?;
        let length = count.checked_mul(extent).ok_or_else(|| damaged("end"))?;
        let source = match segment.text("type") {
            Some("striped" | "linear") => stripes(group, segment, extent, physical, &mut stores)?,
            Some("zero") => Source::Zeros,
            Some(other) => return Err(Fault::unsupported(format!("segments of type {other}"))),
            None => return Err(damaged("type")),
        };
        placed.push(Segment { length, source });
    }
    concatenation(stores, placed)
}

fn stripes(
    group: &Value,
    segment: &Value,
    extent: u64,
    physical: &Physical,
    stores: &mut Vec<Arc<dyn BlockDevice>>,
) -> Result<Source, Fault> {
    let mut stripes = Vec::new();
    for pair in segment.list("stripes").chunks(2) {
        let [Value::Text(name), Value::Number(first)] = pair else {
            return Err(Fault::damaged("stripes that are no pairs"));
        };
        let volume = group.get("physical_volumes").and_then(|volumes| volumes.get(name));
        let volume = volume.ok_or_else(|| match group.get("logical_volumes") {
            Some(volumes) if volumes.get(name).is_some() => {
                Fault::unsupported(format!("stripes on the logical volume {name}"))
            }
            _ => Fault::damaged(format!("an unknown physical volume {name}")),
        })?;
        let uuid = volume.text("id").unwrap_or_default().replace('-', "");
        let device = physical.get(&uuid).ok_or_else(|| {
            Fault::unsupported(format!("the physical volume {name} ({uuid}) is not on this disk"))
        })?;
        let base = volume.number("pe_start").and_then(|start| start.checked_mul(SECTOR));
        let within = first.checked_mul(extent);
        let offset = base.zip(within).and_then(|(base, within)| base.checked_add(within));
        let offset = offset.ok_or_else(|| Fault::damaged(format!("extent {first} of {name}")))?;
        stripes.push((stores.len(), offset));
        stores.push(Arc::clone(device));
    }
    match (stripes.as_slice(), segment.number("stripe_size")) {
        ([(store, offset)], _) => Ok(Source::Linear { store: *store, offset: *offset }),
        ([_, _, ..], Some(size)) if size > 0 => {
            Ok(Source::Striped { stripes, size: size.saturating_mul(SECTOR) })
        }
        _ => Err(Fault::damaged("a segment without stripes")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Random, read_some};
    use super::super::{MemoryDevice, volumes};
    use super::*;

    const TEXT: &str = r#"vg {
        id = "group" seqno = 2 extent_size = 8
        physical_volumes { pv0 { id = "aaaa-aaaaaaaaaaaaaaaaaaaaaaaaaaaa" pe_start = 128 }
                           pv1 { id = "bbbb" pe_start = 128 } }
        logical_volumes {
            root { id = "root" status = ["READ", "VISIBLE"] segment_count = 2
                segment2 { start_extent = 1 extent_count = 1 type = "striped" stripes = ["pv0", 0] }
                segment1 { start_extent = 0 extent_count = 1 type = "striped" stripes = ["pv0", 2] } }
            far { status = ["VISIBLE"]
                segment1 { start_extent = 0 extent_count = 1 type = "striped" stripes = ["pv1", 0] } }
            thin { status = ["VISIBLE"]
                segment1 { start_extent = 0 extent_count = 1 type = "thin" } }
            hidden { status = ["READ"]
                segment1 { start_extent = 0 extent_count = 1 type = "raid1" } }
            cow { status = ["VISIBLE"]
                segment1 { start_extent = 0 extent_count = 1 type = "striped" stripes = ["pv0", 1] } }
            snapshot0 { status = ["READ"]
                segment1 { start_extent = 0 extent_count = 1 type = "snapshot" cow_store = "cow" } }
        } }"#;

    /// A physical volume whose metadata goes over the end of its ring.
    fn sample() -> Vec<u8> {
        let mut disk = vec![0; 80 << 10];
        let mut put = |at: usize, bytes: &[u8]| disk[at..at + bytes.len()].copy_from_slice(bytes);
        let (ring, size) = (4096, 8192);
        let offset = size - 100;
        put(ring + offset, &TEXT.as_bytes()[..100]);
        put(ring + 512, &TEXT.as_bytes()[100..]);
        put(ring + 4, b" LVM2 x[5A%r0N*>");
        for (at, value) in [(24, ring), (32, size), (40, offset), (48, TEXT.len())] {
            put(ring + at, &u64::try_from(value).unwrap().to_le_bytes());
        }
        put(ring + 56, &label::crc(TEXT.as_bytes()).to_le_bytes());
        put(512, b"LABELONE");
        put(512 + 20, &32_u32.to_le_bytes());
        put(512 + 24, b"LVM2 001");
        put(512 + 32, &[b'a'; 32]);
        // Data areas: one. Metadata areas: one.
        for (at, value) in [(72, 64 << 10), (104, ring), (112, size)] {
            put(512 + at, &u64::try_from(value).unwrap().to_le_bytes());
        }
        for extent in 0..4 {
            disk[(64 << 10) + extent * 4096..][..4096].fill(u8::try_from(extent).unwrap());
        }
        let sum = label::crc(&disk[ring + 4..ring + 512]).to_le_bytes();
        disk[ring..ring + 4].copy_from_slice(&sum);
        let sum = label::crc(&disk[512 + 20..1024]).to_le_bytes();
        disk[512 + 16..512 + 20].copy_from_slice(&sum);
        disk
    }

    #[test]
    fn volumes_are_put_together_and_the_rest_is_named() {
        let device: Arc<dyn BlockDevice> = Arc::new(MemoryDevice::new(sample()));
        let found = volumes(&device);
        let names: Vec<&str> = found.parts.iter().map(|part| part.name.as_str()).collect();
        assert_eq!(names, ["vg/root"]);
        let bytes = read_vec(found.parts[0].device.as_ref(), 0, 8192).unwrap();
        assert_eq!((bytes[0], bytes[4096]), (2, 0));
        let faults: Vec<String> = found.faults.iter().map(ToString::to_string).collect();
        assert_eq!(
            faults,
            [
                "logical volume vg/far: the physical volume pv1 (bbbb) is not on this disk",
                "logical volume vg/thin: segments of type thin",
                "logical volume vg/cow: a snapshot volume",
            ]
        );
    }

    #[test]
    fn damage_ends() {
        let sample = sample();
        let mut random = Random(3);
        for round in 0..600 {
            let mut disk = sample.clone();
            // The text, with checksums that fit, and everything before it without.
            let (from, to) = if round % 2 == 0 { (4608, 4608 + TEXT.len()) } else { (512, 4700) };
            for _ in 0..4 {
                disk[from + random.below(to - from)] = u8::try_from(random.below(128)).unwrap();
            }
            if round % 2 == 0 {
                let text =
                    [&disk[4096 + 8092..4096 + 8192], &disk[4608..4508 + TEXT.len()]].concat();
                disk[4096 + 56..4096 + 60].copy_from_slice(&label::crc(&text).to_le_bytes());
                let sum = label::crc(&disk[4100..4608]).to_le_bytes();
                disk[4096..4100].copy_from_slice(&sum);
            }
            let device: Arc<dyn BlockDevice> = Arc::new(MemoryDevice::new(disk));
            let found = volumes(&device);
            found.parts.iter().for_each(|part| read_some(part.device.as_ref()));
        }
    }
}
