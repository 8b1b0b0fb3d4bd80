//! The kinds of files that carry inputs, as rows of a table.

use super::audit::Audit;
use super::repository::SourceFile;
use super::span::MARK;

/// A kind of file.
pub struct Carrier {
    /// The word in reports: `dockerfile`, `shell`.
    pub name: &'static str,
    /// What it reads, in one line.
    pub summary: &'static str,
    /// Whether a file is of this kind, by its path (relative to the root) and its first
    /// [`HEAD`] bytes. The first row that says yes reads the file, so the narrow rows stand
    /// before the wide ones.
    pub recognises: fn(path: &str, head: &[u8]) -> bool,
    /// Reads a file into the audit. Never fails: what cannot be read becomes a gap.
    pub read: fn(file: &SourceFile, audit: &mut Audit<'_>),
}

/// How many first bytes of a file its recognition may look at.
pub const HEAD: usize = 4096;

/// All kinds of files, in the order in which they are asked.
pub const CARRIERS: &[Carrier] = &[
    super::dockerfile::CARRIER,
    super::packer::CARRIER,
    super::packer::LEGACY,
    super::github_actions::CARRIER,
    super::ci::GITLAB,
    super::ci::CIRCLECI,
    super::ci::BITBUCKET,
    super::ci::DRONE,
    super::ci::CLOUD_BUILD,
    super::ci::JENKINS,
    super::cloud_init::CARRIER,
    super::compose::CARRIER,
    super::devcontainer::CARRIER,
    super::pre_commit::CARRIER,
    super::kubernetes::KUSTOMIZE,
    super::kubernetes::CHART,
    super::kubernetes::HELMFILE,
    super::kubernetes::CARRIER,
    super::kubernetes::VALUES,
    super::ci::AZURE,
    super::manifests::REQUIREMENTS,
    super::manifests::PYPROJECT,
    super::manifests::PIPFILE,
    super::manifests::SETUP_CFG,
    super::manifests::NODE,
    super::manifests::GEMFILE,
    super::manifests::GO,
    super::manifests::CARGO,
    super::manifests::COMPOSER,
    super::manifests::TOOL_FILES,
    super::manifests::BREWFILE,
    super::manifests::CONDA,
    super::ansible::CARRIER,
    super::vagrant::CARRIER,
    super::chef::CARRIER,
    super::puppet::CARRIER,
    super::salt::CARRIER,
    super::makefile::CARRIER,
    super::terraform::CARRIER,
    super::script::POWERSHELL,
    super::script::SHELL,
];

/// Reads another file of the repository within the audit, by the carrier that knows it; false where
/// it is not there or none does.
pub fn follow(path: &str, audit: &mut Audit<'_>) -> bool {
    let read = |audit: &mut Audit<'_>| {
        let file = audit.file().clone();
        let head = file.bytes.get(..HEAD.min(file.bytes.len())).unwrap_or_default();
        let carrier = carrier_of(&file.path, head);
        if let Some(carrier) = carrier {
            (carrier.read)(&file, audit);
        }
        carrier.is_some()
    };
    audit.follow(path, read).unwrap_or_default()
}

/// The carrier of a file.
#[must_use]
pub fn carrier_of(path: &str, head: &[u8]) -> Option<&'static Carrier> {
    carrier_among(path, head, &|_| true)
}

/// The carrier of a file among those that a policy reads.
#[must_use]
pub fn carrier_among(
    path: &str,
    head: &[u8],
    reads: &dyn Fn(&str) -> bool,
) -> Option<&'static Carrier> {
    let head = head.strip_prefix(MARK).unwrap_or(head);
    let mut known = CARRIERS.iter().filter(|carrier| reads(carrier.name));
    known.find(|carrier| (carrier.recognises)(path, head))
}
