//! What a person named: a target that is scanned now, a stored manifest, or an exported one.

use super::baseline::read_export;
use super::context::Context;
use super::error::CliError;
use super::scanning::{self, ScanOptions};
use crate::collect::packages::bill;
use crate::model::{Header, Manifest, ManifestId, Records, TreeSource};
use crate::policy::Policies;
use crate::store::{Spool, Store, StoreErrorKind};
use crate::targets::{TargetSpec, stem};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a word of the command line stands for.
pub(super) enum Subject {
    /// In the store.
    Stored(Arc<Store>, ManifestId),
    /// A manifest as text.
    Exported(PathBuf),
    /// A bill of materials.
    Bill(PathBuf),
    /// To be scanned.
    Target(TargetSpec),
}

/// A manifest with its trees; records that lie in a store are loaded when they are asked for.
pub(super) struct Loaded {
    /// What it is about.
    pub(super) header: Header,
    /// Where its trees are.
    pub(super) source: Arc<dyn TreeSource>,
    records: Place,
}

enum Place {
    Here(Box<Manifest>),
    Stored(Arc<Store>),
}

/// How an exported manifest begins, before its version.
const EXPORT_MAGIC: [u8; 20] = *b"driftcheck-manifest ";

/// Documents of whole machines with every file in them have some 300 MB.
const MAX_BILL: u64 = 1024 * 1024 * 1024;

impl Subject {
    /// Decides what a word stands for. A scheme or a slash makes it a target; a bare word is a
    /// stored manifest if the store has it, else what lies at that path.
    pub(super) fn resolve(word: &str, context: &Context) -> Result<Self, CliError> {
        let spec = TargetSpec::parse(OsStr::new(word))?;
        match spec {
            TargetSpec::Bare(_) => {}
            TargetSpec::Bill(path) => return Ok(Self::Bill(path)),
            spec => return Ok(Self::Target(spec)),
        }
        let path = Path::new(word);
        let is_there = path.symlink_metadata().is_ok();
        let stored = match find_stored(word, context) {
            _ if word.contains('/') => None,
            // What lies there can be read without a store, however broken that is.
            Err(_) if is_there => None,
            found => found?,
        };
        match (stored, is_there) {
            (Some(_), true) => Err(CliError::new(format!(
                "{word} is the name of a stored manifest and of a file or folder here"
            ))
            .hint(format!("write ./{word} for the one, {word}@1 for the other"))),
            (Some((store, id)), false) => Ok(Self::Stored(store, id)),
            (None, true) if is_export(path) => Ok(Self::Exported(path.to_owned())),
            (None, true) if is_bill(path) => Ok(Self::Bill(path.to_owned())),
            (None, true) => Ok(Self::Target(TargetSpec::Bare(path.to_owned()))),
            (None, false) => Err(CliError::new(format!(
                "{word} is neither a stored manifest nor a file or folder"
            ))
            .hint("`driftcheck list manifests` shows what is stored")),
        }
    }

    /// Loads it, or scans it without storing. `reference` is what it will be compared with;
    /// `policies` name the files whose text is kept, where differences are to be shown.
    pub(super) fn load(
        self,
        context: &Context,
        options: &ScanOptions,
        reference: Option<&Loaded>,
        policies: Option<&Policies>,
    ) -> Result<Loaded, CliError> {
        match self {
            Self::Stored(store, id) => Loaded::stored(store, &id),
            Self::Exported(path) => {
                let spool = Spool::new();
                let manifest = read_export(&path, &spool)?;
                Ok(Loaded::here(manifest, Arc::new(spool)))
            }
            Self::Bill(path) => {
                let manifest = read_bill(&path, context)?;
                Ok(Loaded::here(manifest, Arc::new(Spool::new())))
            }
            Self::Target(spec) => {
                scanning::scan_apart(&spec, context, options, reference, policies)
            }
        }
    }
}

impl Loaded {
    /// What was scanned or imported just now.
    pub(super) fn here(manifest: Manifest, source: Arc<dyn TreeSource>) -> Self {
        let header = manifest.header.clone();
        Self { header, source, records: Place::Here(Box::new(manifest)) }
    }

    /// A manifest of the store.
    pub(super) fn stored(store: Arc<Store>, id: &ManifestId) -> Result<Self, CliError> {
        let header = store.header(id)?;
        Ok(Self { header, source: store.clone(), records: Place::Stored(store) })
    }

    /// The whole manifest.
    pub(super) fn manifest(&self) -> Result<Manifest, CliError> {
        match &self.records {
            Place::Here(manifest) => Ok(Manifest::clone(manifest)),
            Place::Stored(store) => Ok(store.manifest(&self.header.id())?),
        }
    }

    /// The manifest with those records that a compare with `other` needs: of equal sets none, and
    /// events only where something differs.
    pub(super) fn manifest_against(&self, other: &Header) -> Result<Manifest, CliError> {
        let store = match &self.records {
            Place::Here(manifest) => return Ok(Manifest::clone(manifest)),
            Place::Stored(store) => store,
        };
        let (own, its) = (&self.header.sections, &other.sections);
        let is_same = own.packages == its.packages
            && own.facts == its.facts
            && self.header.root.content == other.root.content;
        let mut records = Records {
            gaps: store.gaps(&own.gaps)?,
            omissions: store.omissions(&own.omissions)?,
            ..Records::default()
        };
        if own.packages != its.packages {
            records.packages = store.packages(&own.packages)?;
        }
        if own.facts != its.facts {
            records.facts = store.facts(&own.facts)?;
        }
        if !is_same {
            records.events = store.events(&own.events)?;
        }
        Ok(Manifest { header: self.header.clone(), records, hard_links: Vec::new() })
    }
}

/// Reads a bill of materials as a manifest of packages alone, named like the file.
pub(super) fn read_bill(path: &Path, context: &Context) -> Result<Manifest, CliError> {
    let place = path.display().to_string();
    let failed = |error| CliError::because(place.clone(), error);
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_BILL.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_BILL {
        return Err(CliError::new(format!("{place}: more than {MAX_BILL} bytes")));
    }
    let bill = bill::parse(&bytes).map_err(|fault| fault.within(&place))?;
    let target = TargetSpec::Bill(path.to_owned()).to_string();
    Ok(bill.into_manifest(stem(path), target, context.now))
}

/// Looks a word up in the store; no store at all is no manifest.
fn find_stored(
    word: &str,
    context: &Context,
) -> Result<Option<(Arc<Store>, ManifestId)>, CliError> {
    let Some(store) = context.open_store_if_there()? else { return Ok(None) };
    match store.resolve(word) {
        Ok(id) => {
            store.hold()?;
            Ok(Some((store, id)))
        }
        Err(error) if error.kind == StoreErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether a file begins as an exported manifest does.
fn is_export(path: &Path) -> bool {
    let mut head = [0; EXPORT_MAGIC.len()];
    path.is_file()
        && File::open(path).is_ok_and(|mut file| file.read_exact(&mut head).is_ok())
        && head == EXPORT_MAGIC
}

/// Whether a file begins as a bill of materials does.
fn is_bill(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = |file: File| file.take(bill::HEAD as u64).read_to_end(&mut head);
    path.is_file() && File::open(path).and_then(read).is_ok() && bill::is_bill(&head)
}
