//! Opening and scanning targets, with and without a store.

use super::context::Context;
use super::error::CliError;
use super::progress::Meter;
use super::subject::Loaded;
use crate::block::{self, Beside};
use crate::collect::COLLECTORS;
use crate::filesystem::directory::inode_of;
use crate::model::{Header, ManifestId, Records, Text, TreePath};
use crate::policy::Policies;
use crate::report::Verbosity;
use crate::scan::{self, Keep, Options, Previous, Scanned, Texts, Verify};
use crate::store::{CacheEntry, Cached, Keep as Lasting, Spool, Store, StoreErrorKind};
use crate::targets::disk::DiskOptions;
use crate::targets::{self, OpenOptions, Platform, Target, TargetSpec};
use std::sync::Arc;

/// Kinds of cached blobs in the store.
const TRUST: &str = "scan-trust";
const MEMO: &str = "scan-memo";

/// How targets are opened and scanned.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct ScanOptions {
    /// Read everything again, trusting no unchanged times
    #[arg(long)]
    full: bool,
    /// Check all files against what their packages shipped, not only what changed
    #[arg(long)]
    verify: bool,
    /// Disk images: the volume with the root (2, vg/root, LABEL=..)
    #[arg(long, value_name = "VOLUME")]
    partition: Option<String>,
    /// Disk images: what is mounted where, instead of what fstab says
    #[arg(long, value_name = "PATH=VOLUME", value_parser = parse_mount)]
    mount: Vec<(TreePath, String)>,
    /// Disk images: read an internal snapshot, by id or name
    #[arg(long, value_name = "NAME")]
    snapshot: Option<String>,
    /// Disk images: open backing files outside of the image's folder
    #[arg(long)]
    trust_image_paths: bool,
    /// Container images: the platform to read (linux/arm64) [default: this machine's]
    #[arg(long, value_name = "PLATFORM", value_parser = platform)]
    platform: Option<Platform>,
}

fn platform(word: &str) -> Result<Platform, String> {
    Platform::parse(word).ok_or_else(|| "write it as linux/arm64 or linux/arm/v7".to_owned())
}

/// Reads `PATH=VOLUME`; a volume may have a `=` of its own (`/home=LABEL=home`).
fn parse_mount(text: &str) -> Result<(TreePath, String), String> {
    match text.split_once('=') {
        Some((path, volume)) if path.starts_with('/') && !volume.is_empty() => {
            Ok((TreePath::parse(path), volume.to_owned()))
        }
        _ => Err("a mount is PATH=VOLUME, like /home=3 or /home=LABEL=home".to_owned()),
    }
}

impl ScanOptions {
    fn open(&self, spec: &TargetSpec) -> Result<Target, CliError> {
        let beside = if self.trust_image_paths { Beside::OrAnywhere } else { Beside::Only };
        let image = block::OpenOptions { beside, snapshot: self.snapshot.clone(), format: None };
        let partition = self.partition.clone();
        let disk = DiskOptions { image, partition, mounts: self.mount.clone() };
        let platform = self.platform.clone();
        let options = OpenOptions { disk, platform, ..OpenOptions::default() };
        Ok(targets::open(spec, &options)?)
    }

    /// Whether `--verify` was given.
    pub(super) fn is_verifying(&self) -> bool {
        self.verify
    }

    fn verify(&self) -> Verify {
        if self.verify { Verify::All } else { Verify::Changed }
    }
}

/// A target that was opened, with the name of its manifests.
pub(super) struct Opened {
    pub(super) target: Target,
    spec: TargetSpec,
}

/// Opens a target under its own name or another.
pub(super) fn open(
    spec: TargetSpec,
    name: Option<&str>,
    options: &ScanOptions,
) -> Result<Opened, CliError> {
    let mut target = options.open(&spec)?;
    if let Some(name) = name {
        name.clone_into(&mut target.name);
    }
    if target.name.is_empty() {
        return Err(CliError::new("this target has no name of its own").hint("give it one: --name"));
    }
    Ok(Opened { target, spec })
}

/// Scans into the store. What an earlier scan of the same target saw is taken over where nothing
/// has changed, unless `--full`.
pub(super) fn scan_into(
    store: &Arc<Store>,
    opened: Opened,
    context: &Context,
    options: &ScanOptions,
    policies: Option<&Policies>,
) -> Result<Loaded, CliError> {
    let Opened { target, spec } = opened;
    let is_live = is_live(&spec, &target);
    let key = format!("{}\n{}", target.name, target.spec);
    let recall = |kind| -> Result<Option<Cached>, CliError> {
        if options.full || !is_live {
            return Ok(None);
        }
        Ok(store.cache(kind, key.as_bytes())?)
    };
    let trust = recall(TRUST)?;
    let memo = recall(MEMO)?.map(|cached| cached.data).unwrap_or_default();
    let reference = reference_of(store, &target.name)?;
    let mut previous = trust.as_ref().map(|trust| (trust.data.as_slice(), memo.as_slice()));
    loop {
        let spool = Spool::over(store.clone());
        let previous_manifest = trust.as_ref().and_then(|trust| trust.manifest);
        let scanned =
            run(&target, context, options, &spool, previous, reference.as_ref(), policies);
        let entry = |kind, data| CacheEntry {
            kind,
            key: key.as_bytes(),
            data,
            keep: Lasting::WithManifest,
        };
        let caches = [entry(TRUST, &scanned.cache), entry(MEMO, &scanned.memo)];
        let caches = if is_live { &caches[..] } else { &[] };
        let relied_on = previous_manifest.filter(|_| scanned.relied_on_previous);
        match store.commit(&scanned.manifest, &spool, caches, relied_on) {
            Ok(_) => return Ok(Loaded::here(scanned.manifest, store.clone())),
            // Somebody dropped what this scan took over: read it all, once.
            Err(error) if error.kind == StoreErrorKind::Outdated && previous.is_some() => {
                previous = None;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Scans into memory.
pub(super) fn scan_apart(
    spec: &TargetSpec,
    context: &Context,
    options: &ScanOptions,
    reference: Option<&Loaded>,
    policies: Option<&Policies>,
) -> Result<Loaded, CliError> {
    let Opened { target, .. } = open(spec.clone(), None, options)?;
    let spool = match reference {
        Some(reference) => Spool::over(reference.source.clone()),
        None => Spool::new(),
    };
    let reference = reference.map(|reference| &reference.header);
    let scanned = run(&target, context, options, &spool, None, reference, policies);
    Ok(Loaded::here(scanned.manifest, Arc::new(spool)))
}

/// The name under which this host's manifests are stored.
pub(super) fn host_name() -> Result<String, CliError> {
    Ok(open(TargetSpec::Host, None, &ScanOptions::default())?.target.name)
}

/// Whether unchanged times mean unchanged bytes: on a running system, not on media that are
/// replaced as a whole.
fn is_live(spec: &TargetSpec, target: &Target) -> bool {
    matches!(spec, TargetSpec::Host | TargetSpec::Directory(_))
        || target.filesystem.type_name() == "directory"
}

/// What a new manifest will most likely be compared with: its baseline, else the scan before it,
/// else the newest of all.
fn reference_of(store: &Store, name: &str) -> Result<Option<Header>, CliError> {
    let newest = || -> Result<Option<ManifestId>, CliError> {
        let all = store.list()?;
        Ok(all.into_iter().max_by_key(|summary| summary.scanned_at).map(|summary| summary.id))
    };
    let baseline = store.baseline_for(name).ok().flatten().map(|baseline| baseline.manifest);
    let id = match baseline {
        Some(id) => Some(id),
        None => match store.latest(name)? {
            Some(id) => Some(id),
            None => newest()?,
        },
    };
    Ok(id.map(|id| store.header(&id)).transpose()?)
}

fn run(
    target: &Target,
    context: &Context,
    options: &ScanOptions,
    spool: &Spool,
    previous: Option<(&[u8], &[u8])>,
    reference: Option<&Header>,
    policies: Option<&Policies>,
) -> Scanned {
    let meter = Meter::new(&target.name, context.verbosity == Verbosity::Quiet);
    let left_out: Vec<((u64, u64), String)> = ["", "-wal", "-shm", "-journal"]
        .iter()
        .filter_map(|suffix| {
            let mut path = context.store.clone().into_os_string();
            path.push(suffix);
            Some((inode_of(path.as_ref())?, "the manifest store itself".to_owned()))
        })
        .collect();
    let wanted = |path: &TreePath| policies.is_some_and(|policies| policies.keeps_text(path));
    let take = |content, text: &Text| spool.add_kept(content, text);
    let keep = Keep {
        texts: policies.map(|_| Texts { wanted: &wanted, take: &take }),
        tree: &|tree| spool.add_tree(&tree),
        shipped: &|id, bytes| spool.add_shipped(id, &bytes),
        alternates: &|content, digests| spool.add_alternates(content, digests),
        source: spool,
    };
    let options = Options {
        name: target.name.clone(),
        target: target.spec.clone(),
        scanned_at: context.now,
        previous: previous.map(|(cache, memo)| Previous { cache, memo, source: spool }),
        reference,
        verify: options.verify(),
        collectors: COLLECTORS,
        records: Records {
            facts: target.facts.clone(),
            gaps: target.gaps.clone(),
            omissions: target.omissions.clone(),
            ..Records::default()
        },
        leave_out: &left_out,
        progress: &|progress| meter.show(progress),
    };
    scan::scan(target.filesystem.as_ref(), options, &keep)
}
