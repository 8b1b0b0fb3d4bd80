//! A disk image as a target: the file systems of its volumes, put together as its fstab says.
//!
//! The root is found by looking at every file system, since nothing on a disk says which it is;
//! where several systems are on one disk the person chooses. What fstab mounts from this disk and
//! cannot be read is a gap at its place; what it mounts from elsewhere, what lies on the disk and is
//! mounted nowhere, and what a person should know of the image itself, is an omission.

mod device;
mod fstab;
mod root;

use super::spec;
use super::{Target, TargetSpec};
use crate::block::{self, Volume, open_image};
use crate::filesystem::mounts::{Mounts, Rights};
use crate::filesystem::recognise::{self, Identity};
use crate::filesystem::resolve::read_file;
use crate::filesystem::{Filesystem, Node};
use crate::model::path::Escaped;
use crate::model::{Fault, Gap, Omission, Stage, TreePath};
use device::Names;
use fstab::FstabLine;
use root::{Candidate, Likeness};
use std::path::Path;
use std::sync::Arc;

/// Longer ones are no fstab.
const MAX_FSTAB: u64 = 1 << 20;

/// What may be chosen when a disk is opened.
#[derive(Clone, Debug, Default)]
pub struct DiskOptions {
    /// How the image is opened: where files that it names may lie, which snapshot.
    pub image: block::OpenOptions,
    /// The volume with the root: a partition's number, `group/volume`, `UUID=…`, `LABEL=…`, …
    pub partition: Option<String>,
    /// What is mounted where, instead of what fstab says; volumes as for `partition`.
    pub mounts: Vec<(TreePath, String)>,
}

/// A volume with what is known of it.
struct Found {
    volume: Volume,
    identity: Option<Identity>,
    /// Opened, or why not.
    filesystem: Result<Arc<dyn Filesystem>, Fault>,
    /// Whether it is a part of the tree.
    used: bool,
}

impl Found {
    fn new(volume: Volume) -> Self {
        let identity = recognise::identify(volume.device.as_ref());
        let filesystem = match &identity {
            Ok(_) => recognise::open(&volume.device),
            Err(fault) => Err(fault.clone()),
        };
        Self { volume, identity: identity.ok().flatten(), filesystem, used: false }
    }

    fn names(&self) -> Names<'_> {
        Names {
            name: &self.volume.name,
            source: &self.volume.source,
            identity: self.identity.as_ref(),
        }
    }

    /// For people: `2 (ext4, cloudimg-rootfs)`.
    fn shown(&self) -> String {
        let kind = self.identity.as_ref().map_or("unknown", |identity| identity.type_name);
        let label = self.identity.as_ref().and_then(|identity| identity.label.as_deref());
        match label {
            Some(label) => format!("{} ({kind}, {})", self.volume.name, Escaped(label)),
            None => format!("{} ({kind})", self.volume.name),
        }
    }
}

/// Opens a disk image, or a block device, as one tree.
pub fn open_disk(path: &Path, options: &DiskOptions) -> Result<Target, Fault> {
    let place = path.display();
    let image = open_image(path, &options.image)?;
    let volumes = block::volumes(&image.device);
    let gap = |reason: String| Gap { path: TreePath::root(), stage: Stage::Image, reason };
    let faults = image.faults.iter().chain(&volumes.faults);
    let mut gaps: Vec<Gap> = faults.map(|fault| gap(fault.chain())).collect();
    let mut found: Vec<Found> = volumes.parts.into_iter().map(Found::new).collect();
    let chosen = choose_root(&found, options.partition.as_deref()).map_err(|fault| {
        let known: Vec<String> = gaps.iter().map(|gap| gap.reason.clone()).collect();
        match known.is_empty() {
            true => fault.within(&place),
            false => Fault::unsupported(format!("{place}: {fault}; {}", known.join("; "))),
        }
    })?;
    let mut tree = Assembly::new(&mut found, chosen)?;
    tree.place_all(options)?;
    let Assembly { mounts, gaps: own_gaps, mut omissions, .. } = tree;
    gaps.extend(own_gaps);
    let root = TreePath::root();
    for note in image.notes.iter().chain(&volumes.notes) {
        omissions.push(Omission { path: root.clone(), reason: format!("the image: {note}") });
    }
    for left in found.iter().filter(|found| !found.used) {
        omissions.push(Omission {
            path: root.clone(),
            reason: format!("volume {} is mounted nowhere", left.shown()),
        });
    }
    let spec = TargetSpec::Disk(path.to_path_buf());
    let mut target = Target::new(spec::stem(path), &spec, Arc::new(mounts));
    target.gaps = gaps;
    target.omissions = omissions;
    Ok(target)
}

/// The volume with the root, and the directory that is it.
fn choose_root(found: &[Found], partition: Option<&str>) -> Result<(usize, Node), Fault> {
    let list = || found.iter().map(Found::shown).collect::<Vec<_>>().join(", ");
    if let Some(wanted) = partition {
        let index = found.iter().position(|found| found.names().are_chosen_by(wanted));
        let index = index.ok_or_else(|| {
            Fault::unsupported(format!("no volume \"{wanted}\"; there are {}", list()))
        })?;
        let chosen = found.get(index).map(|found| found.filesystem.clone());
        let filesystem = chosen.unwrap_or_else(|| Err(Fault::damaged("no volume")))?;
        return Ok((index, root::look(filesystem.as_ref()).node));
    }
    let mut candidates: Vec<(usize, Candidate)> = Vec::new();
    for (index, found) in found.iter().enumerate() {
        if let Ok(filesystem) = &found.filesystem {
            candidates.push((index, root::look(filesystem.as_ref())));
        }
    }
    for wanted in [Likeness::System, Likeness::Tree, Likeness::None] {
        let mut fitting = candidates.iter().filter(|(_, c)| c.likeness == wanted);
        match (fitting.next(), fitting.next()) {
            (None, _) => {}
            (Some((index, candidate)), None) => return Ok((*index, candidate.node.clone())),
            (Some(_), Some(_)) => {
                let fitting = candidates.iter().filter(|(_, c)| c.likeness == wanted);
                let names: Vec<String> =
                    fitting.filter_map(|(i, _)| found.get(*i).map(Found::shown)).collect();
                let what = match wanted {
                    Likeness::None => "none of its file systems is that of a system",
                    _ => "it holds several systems",
                };
                return Err(Fault::unsupported(format!(
                    "{what}: choose one with --partition: {}",
                    names.join(", ")
                )));
            }
        }
    }
    let reasons: Vec<String> = found
        .iter()
        .filter_map(|found| {
            let fault = found.filesystem.as_ref().err()?;
            Some(format!("volume {}: {}", found.shown(), fault.chain()))
        })
        .collect();
    match reasons.is_empty() {
        true => Err(Fault::unsupported("no volume with a file system")),
        false => Err(Fault::unsupported(reasons.join("; "))),
    }
}

/// The tree as far as it is put together.
struct Assembly<'a> {
    found: &'a mut [Found],
    mounts: Mounts,
    gaps: Vec<Gap>,
    omissions: Vec<Omission>,
}

impl<'a> Assembly<'a> {
    fn new(found: &'a mut [Found], (index, node): (usize, Node)) -> Result<Self, Fault> {
        let root = found.get_mut(index).ok_or_else(|| Fault::damaged("no root"))?;
        root.used = true;
        let mounts = Mounts::rooted_at(root.filesystem.clone()?, node);
        Ok(Self { found, mounts, gaps: Vec::new(), omissions: Vec::new() })
    }

    fn place_all(&mut self, options: &DiskOptions) -> Result<(), Fault> {
        let mut chosen = options.mounts.clone();
        chosen.sort_by_key(|(path, _)| path.names().count());
        let lines = match read_file(&self.mounts, &TreePath::parse("/etc/fstab"), MAX_FSTAB) {
            Ok(bytes) => fstab::parse(&bytes.unwrap_or_default()),
            Err(fault) => {
                self.gap(&TreePath::parse("/etc/fstab"), &fault);
                Vec::new()
            }
        };
        let overridden = |line: &FstabLine| chosen.iter().any(|(path, _)| *path == line.path);
        let lines: Vec<FstabLine> = lines.into_iter().filter(|line| !overridden(line)).collect();
        let depth = |path: &TreePath| path.names().count();
        let mut lines = lines.into_iter().peekable();
        for (path, volume) in &chosen {
            // Upper directories first, whoever says so.
            while let Some(line) = lines.next_if(|line| depth(&line.path) < depth(path)) {
                self.place(&line);
            }
            let index = self.found.iter().position(|f| f.names().are_chosen_by(volume));
            let index = index
                .ok_or_else(|| Fault::unsupported(format!("--mount {path}: no volume {volume}")))?;
            if let Err(fault) = self.mount(index, path, None) {
                return Err(fault.within(format!("--mount {path}")));
            }
        }
        for line in lines {
            self.place(&line);
        }
        Ok(())
    }

    fn gap(&mut self, path: &TreePath, fault: &Fault) {
        let gap = Gap { path: path.clone(), stage: Stage::Image, reason: fault.chain() };
        self.gaps.push(gap);
    }

    /// Mounts what a line says, or records why not.
    fn place(&mut self, line: &FstabLine) {
        let is_disk = line.source.starts_with(b"/dev/") || line.source.contains(&b'=');
        if line.path.is_root() || line.kind == b"swap" {
            let swap = |found: &&mut Found| found.names().are_meant_by(&line.source);
            if let Some(found) = self.found.iter_mut().find(swap) {
                found.used = true;
            }
            return;
        }
        if line.has("bind") || line.has("rbind") || !is_disk {
            let reason = format!(
                "fstab mounts {} ({}) here, which is no disk",
                Escaped(&line.source),
                Escaped(&line.kind)
            );
            self.omissions.push(Omission { path: line.path.clone(), reason });
            return;
        }
        let Some(index) = self.found.iter().position(|f| f.names().are_meant_by(&line.source))
        else {
            let reason =
                format!("fstab mounts {} here, which is not on this disk", Escaped(&line.source));
            self.omissions.push(Omission { path: line.path.clone(), reason });
            return;
        };
        if let Err(fault) = self.mount(index, &line.path, Some(line)) {
            self.gap(&line.path, &fault);
        }
    }

    fn mount(
        &mut self,
        index: usize,
        path: &TreePath,
        line: Option<&FstabLine>,
    ) -> Result<(), Fault> {
        let found = self.found.get_mut(index).ok_or_else(|| Fault::damaged("no volume"))?;
        found.used = true;
        let filesystem = found
            .filesystem
            .clone()
            .map_err(|fault| fault.within(format!("volume {}", found.volume.name)))?;
        let root = match line.map(FstabLine::subvolume).transpose()?.flatten() {
            None => filesystem.root(),
            Some(name) => filesystem.subvolume(name)?,
        };
        let rights = line.map_or_else(Rights::default, FstabLine::rights);
        self.mounts.mount(path, filesystem, root, rights)
    }
}
