//! What lies on a device: partitions, logical volumes, or the device itself.
//!
//! Whatever cannot be read (encryption, RAID, thin pools, a partition beyond the end) is a fault
//! with its name; all the rest is still found.

use super::partitions::{self, Partition, TableKind};
use super::{BlockDevice, Slice, lvm, members};
use crate::model::Fault;
use std::sync::Arc;

/// Where a volume comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeSource {
    /// The device as a whole.
    Whole,
    /// A partition.
    Partition(Partition),
    /// A logical volume of LVM2.
    Logical {
        /// The volume group.
        group: String,
        /// Its name in the group.
        volume: String,
        /// As `lvs` shows it, with dashes.
        uuid: String,
    },
}

/// Something that a file system may lie on.
#[derive(Clone, Debug)]
pub struct Volume {
    /// A partition's number, `group/volume`, or `disk` for the whole device: unique on the device.
    pub name: String,
    /// Where it comes from.
    pub source: VolumeSource,
    /// Its bytes.
    pub device: Arc<dyn BlockDevice>,
}

/// All that was found.
#[derive(Debug)]
pub struct Volumes {
    /// The partition table.
    pub table: TableKind,
    /// In the order of the disk, logical volumes last.
    pub parts: Vec<Volume>,
    /// What is there and cannot be read.
    pub faults: Vec<Fault>,
    /// What a person should know: that the backup table was used.
    pub notes: Vec<String>,
}

/// Finds the volumes of a device.
#[must_use]
pub fn volumes(device: &Arc<dyn BlockDevice>) -> Volumes {
    let mut found = Volumes {
        table: TableKind::None,
        parts: Vec::new(),
        faults: Vec::new(),
        notes: Vec::new(),
    };
    let mut physical = Vec::new();
    // A physical volume and a RAID member may well have what looks like a boot sector.
    if lvm::is_physical_volume(device.as_ref()) || members::name_of(device.as_ref()).is_some() {
        found.sort_in(whole(device), &mut physical);
    } else {
        match partitions::read(device.as_ref()) {
            Ok((TableKind::None, ..)) => found.sort_in(whole(device), &mut physical),
            Ok((table, partitions, notes)) => {
                found.table = table;
                found.notes = notes;
                for partition in partitions {
                    found.add_partition(device, partition, &mut physical);
                }
            }
            Err(fault) => found.faults.push(fault.within("partition table")),
        }
    }
    if !physical.is_empty() {
        lvm::logical_volumes(&physical, &mut found.parts, &mut found.faults);
    }
    found
}

fn whole(device: &Arc<dyn BlockDevice>) -> Volume {
    Volume { name: "disk".to_owned(), source: VolumeSource::Whole, device: Arc::clone(device) }
}

impl Volumes {
    fn add_partition(
        &mut self,
        device: &Arc<dyn BlockDevice>,
        partition: Partition,
        physical: &mut Vec<Arc<dyn BlockDevice>>,
    ) {
        match Slice::new(Arc::clone(device), partition.offset, partition.length) {
            Ok(slice) => {
                let name = partition.number.to_string();
                let source = VolumeSource::Partition(partition);
                self.sort_in(Volume { name, source, device: Arc::new(slice) }, physical);
            }
            Err(fault) => {
                self.faults.push(fault.within(format!("partition {}", partition.number)));
            }
        }
    }

    fn sort_in(&mut self, volume: Volume, physical: &mut Vec<Arc<dyn BlockDevice>>) {
        if lvm::is_physical_volume(volume.device.as_ref()) {
            physical.push(volume.device);
        } else if let Some(member) = members::name_of(volume.device.as_ref()) {
            let place = match &volume.source {
                VolumeSource::Partition(partition) => format!("partition {}", partition.number),
                _ => volume.name,
            };
            self.faults.push(Fault::unsupported(format!("{place}: {member}")));
        } else {
            self.parts.push(volume);
        }
    }
}
