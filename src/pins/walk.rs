//! Trees of files into one report.
//!
//! Which files is said in [`super::tree`]. They are read in parallel and reported in the order of
//! their paths, whatever thread was first. A file that makes a parser panic is a gap.

use super::audit::{Audit, Collected};
use super::carrier::{self, HEAD};
use super::consistency;
use super::encoding::{self, Utf16};
use super::input::PinGap;
use super::report::PinReport;
use super::repository::{MAX_FILE, Repository, SourceFile};
use super::requirements::Requirements;
use super::span::MAX_INVALID;
use super::tree::{self, MAX_ABOVE, Tree, TreeFile};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Syntax trees are walked recursively, to a bounded depth that wants more than a thread's usual
/// two megabytes in a build without optimisation.
const STACK: usize = 16 * 1024 * 1024;

/// What to read.
#[derive(Clone, Debug, Default)]
pub struct AuditOptions {
    /// What policy asks for.
    pub requirements: Requirements,
    /// Read vendored folders and submodules too.
    pub include_vendored: bool,
    /// Read files that `.gitignore` names too.
    pub include_ignored: bool,
    /// Pass over files that `.gitattributes` calls generated.
    pub exclude_generated: bool,
    /// Follow links, wherever they lead.
    pub follow_links: bool,
    /// Lay the `driftcheck.toml` of each root, or of the repository around it, over the
    /// requirements.
    pub discover: bool,
    /// Scopes and strengths that go over every policy.
    pub require: Vec<(String, String)>,
    /// What day it is, so that suppressions expire; without it none does.
    pub today: Option<jiff::civil::Date>,
    /// Files by the path that the report shows, to be read from here instead of the disk.
    pub overlay: BTreeMap<String, Arc<[u8]>>,
}

/// Audits files and trees. Paths in the report are the given root joined with what lies below it.
#[must_use]
pub fn audit_paths(roots: &[PathBuf], options: &AuditOptions) -> PinReport {
    let mut reports = roots.iter().map(|root| audit_root(root, options));
    let mut report = reports.next().unwrap_or_default();
    for other in reports {
        report.join(other);
    }
    report
}

fn audit_root(root: &Path, options: &AuditOptions) -> PinReport {
    let Tree { base, mut files, gaps } = tree::below(root, options);
    let mut collected = Collected { gaps, ..Collected::default() };
    let prefix = shown_prefix(&base);
    let requirements = match policy_of(&base, &prefix, options) {
        Ok(requirements) => requirements,
        Err(gap) => {
            collected.gaps.push(gap);
            options.requirements.clone()
        }
    };
    files.retain(|file| !requirements.excludes(&format!("{prefix}{}", file.shown)));
    let overlay = options.overlay.iter();
    let overlay: BTreeMap<&str, &Arc<[u8]>> = overlay
        .filter_map(|(shown, bytes)| Some((shown.strip_prefix(prefix.as_str())?, bytes)))
        .collect();
    let own = overlay.iter().map(|(path, bytes)| (*path, *bytes));
    let repository = Repository::at(base.clone()).with_files(own);
    let work = || -> Vec<Option<Collected>> {
        let read = |file: &TreeFile| match overlay.get(file.shown.as_str()) {
            Some(bytes) => audit_bytes(&file.shown, bytes, &repository, &requirements),
            None => audit_file(&base, file, &repository, &requirements),
        };
        files.par_iter().map(read).collect()
    };
    let pool = rayon::ThreadPoolBuilder::new().stack_size(STACK).build();
    let answers = pool.map_or_else(|_| work(), |pool| pool.install(work));
    let utf16 = repository.utf16();
    let mut read = 0_usize;
    for mut answer in answers.into_iter().flatten() {
        read = read.saturating_add(1);
        encoding::restore(&mut answer, &utf16);
        show_below(&prefix, &mut answer);
        collected.inputs.append(&mut answer.inputs);
        collected.remarks.append(&mut answer.remarks);
        collected.gaps.append(&mut answer.gaps);
        collected.suppressions.append(&mut answer.suppressions);
    }
    let Collected { inputs, mut remarks, gaps, suppressions } = collected;
    remarks.extend(consistency::remarks(&inputs));
    let mut report = PinReport::judge(inputs, remarks, gaps, &requirements);
    report.suppress(suppressions, &requirements, options.today);
    report.files_seen = files.len();
    report.files_read = read;
    report
}

/// What is asked of the files below a root: the given requirements, with its own policy over them.
#[must_use]
pub fn requirements_of(root: &Path, options: &AuditOptions) -> Requirements {
    let base = if root.is_dir() { root } else { root.parent().unwrap_or(Path::new(".")) };
    let prefix = shown_prefix(base);
    policy_of(base, &prefix, options).unwrap_or_else(|_| options.requirements.clone())
}

/// A file of that name in a root or above it, as far as its repository reaches.
#[must_use]
pub fn find_above(root: &Path, name: &str) -> Option<PathBuf> {
    let own = |root: &Path| root.join(name);
    let base = match root.parent() {
        Some(parent) if !root.is_dir() && !parent.as_os_str().is_empty() => parent,
        Some(_) if !root.is_dir() => Path::new("."),
        _ => root,
    };
    if own(base).is_file() {
        return Some(if base == Path::new(".") { PathBuf::from(name) } else { own(base) });
    }
    let real = std::fs::canonicalize(base).ok()?;
    for above in real.ancestors().take(MAX_ABOVE) {
        if own(above).is_file() {
            return Some(own(above));
        }
        if above.join(".git").exists() {
            return None;
        }
    }
    None
}

/// The name of a repository's policy.
const POLICY: &str = "driftcheck.toml";

/// What is asked of a root: its own policy over the given one, the overrides over both.
fn policy_of(base: &Path, prefix: &str, options: &AuditOptions) -> Result<Requirements, PinGap> {
    let mut requirements = options.requirements.clone().for_root(prefix, "");
    let found = if options.discover { find_policy(base) } else { None };
    if let Some((path, below)) = found {
        let shown = if below.is_empty() {
            format!("{prefix}{POLICY}")
        } else {
            path.to_string_lossy().into_owned()
        };
        let gap = |reason: String| PinGap { file: shown.clone(), line: None, reason };
        let text = std::fs::read_to_string(&path).map_err(|error| gap(error.to_string()))?;
        let added = requirements.add_file(&shown, &text);
        added.map_err(|fault| gap(format!("is no policy: {fault}")))?;
        requirements = requirements.for_root(prefix, &below);
    }
    for (scope, strength) in &options.require {
        let reason = |fault| PinGap { file: String::new(), line: None, reason: format!("{fault}") };
        requirements.require(scope, strength).map_err(reason)?;
    }
    Ok(requirements)
}

/// The policy in a root or above it, as far as its repository reaches, and how the root's paths
/// begin seen from there.
fn find_policy(base: &Path) -> Option<(PathBuf, String)> {
    let own = base.join(POLICY);
    if own.is_file() {
        return Some((own, String::new()));
    }
    let base = std::fs::canonicalize(base).ok()?;
    for above in base.ancestors().take(MAX_ABOVE) {
        let path = above.join(POLICY);
        if path.is_file() {
            let below = base.strip_prefix(above).ok()?.to_string_lossy().into_owned();
            return Some((path, format!("{below}/")));
        }
        if above.join(".git").exists() {
            return None;
        }
    }
    None
}

/// The root as it stands before the paths of the report: nothing for the current directory.
fn shown_prefix(base: &Path) -> String {
    let text = base.to_string_lossy();
    let text = text.trim_start_matches("./").trim_end_matches('/');
    if text == "." || text.is_empty() && !base.is_absolute() {
        String::new()
    } else {
        format!("{text}/")
    }
}

fn show_below(prefix: &str, collected: &mut Collected) {
    if prefix.is_empty() {
        return;
    }
    let join = |file: &str| Arc::<str>::from(format!("{prefix}{file}"));
    for input in &mut collected.inputs {
        input.place.file = join(&input.place.file);
        if let Some(place) = input.origin.as_mut().and_then(|origin| origin.place.as_mut()) {
            place.file = join(&place.file);
        }
    }
    for remark in &mut collected.remarks {
        remark.place.file = join(&remark.place.file);
    }
    for suppression in &mut collected.suppressions {
        suppression.place.file = join(&suppression.place.file);
    }
    for gap in &mut collected.gaps {
        gap.file = format!("{prefix}{}", gap.file);
    }
}

/// Reads and audits one file; `None` where no carrier knows it.
fn audit_file(
    base: &Path,
    file: &TreeFile,
    repository: &Repository,
    requirements: &Requirements,
) -> Option<Collected> {
    let path = file.shown.as_str();
    let carrier_of =
        |head: &[u8]| carrier::carrier_among(path, head, &|carrier| requirements.reads(carrier));
    let unread = |error| carrier_of(b"").map(|_| gap(path, format!("cannot be read: {error}")));
    let mut source = match File::open(base.join(file.path())) {
        Ok(source) => source,
        Err(error) => return unread(error),
    };
    let mut bytes = Vec::new();
    let head = u64::try_from(HEAD).unwrap_or(u64::MAX);
    if let Err(error) = source.by_ref().take(head).read_to_end(&mut bytes) {
        return unread(error);
    }
    let readable = Utf16::decode(&bytes);
    let carrier = carrier_of(readable.as_ref().map_or(&bytes, |own| own.text().as_bytes()))?;
    if readable.is_none()
        && let Some(reason) = binary(&bytes, carrier)
    {
        return Some(gap(path, reason));
    }
    if let Err(error) = source.take(MAX_FILE.saturating_add(1)).read_to_end(&mut bytes) {
        return Some(gap(path, format!("cannot be read: {error}")));
    }
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_FILE {
        let reason = format!("is larger than {MAX_FILE} bytes, so that it was passed over");
        return Some(gap(path, reason));
    }
    audit_read(path, bytes, carrier, repository)
}

/// Audits one file that is not read from the disk.
fn audit_bytes(
    path: &str,
    bytes: &Arc<[u8]>,
    repository: &Repository,
    requirements: &Requirements,
) -> Option<Collected> {
    let head = bytes.get(..HEAD).unwrap_or(bytes);
    let readable = Utf16::decode(head);
    let reads = |carrier: &str| requirements.reads(carrier);
    let own = readable.as_ref().map_or(head, |own| own.text().as_bytes());
    let carrier = carrier::carrier_among(path, own, &reads)?;
    if readable.is_none() && binary(head, carrier).is_some() {
        return None;
    }
    audit_read(path, bytes.to_vec(), carrier, repository)
}

/// Audits the bytes of a file that were read.
fn audit_read(
    path: &str,
    bytes: Vec<u8>,
    carrier: &'static carrier::Carrier,
    repository: &Repository,
) -> Option<Collected> {
    let bytes = repository.readable(path, bytes);
    if !bytes.starts_with(GZIP) && bytes.utf8_chunks().take(MAX_INVALID).count() == MAX_INVALID {
        return Some(gap(path, format!("is no text, so that it is no {}", carrier.name)));
    }
    Some(audit_source(&SourceFile::new(path, bytes), carrier, repository))
}

/// How gzip begins: cloud-init takes user-data that is compressed.
const GZIP: &[u8] = &[0x1f, 0x8b];

/// Why the beginning of a file is none of a carrier's.
fn binary(head: &[u8], carrier: &carrier::Carrier) -> Option<String> {
    let compressed = carrier.name == "cloud-init" && head.starts_with(GZIP);
    (head.contains(&0) && !compressed)
        .then(|| format!("is binary, so that it is no {}", carrier.name))
}

fn gap(path: &str, reason: String) -> Collected {
    let gaps = vec![PinGap { file: path.to_owned(), line: None, reason }];
    Collected { gaps, ..Collected::default() }
}

/// Audits bytes that are already there, by the carrier that is given. A panic becomes a gap.
#[must_use]
pub fn audit_source(
    file: &SourceFile,
    carrier: &'static carrier::Carrier,
    repository: &Repository,
) -> Collected {
    let path = file.path.to_string();
    let work = || {
        let mut audit = Audit::new(repository, file.clone(), carrier.name);
        (carrier.read)(file, &mut audit);
        audit.finish()
    };
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Collected {
        gaps: vec![PinGap { file: path, line: None, reason: "the reader failed on it".into() }],
        ..Collected::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn tree(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (path, bytes) in files {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        directory
    }

    fn check(directory: &Path, options: &AuditOptions, subjects: &[&str], gaps: &[&str]) {
        let report = audit_paths(&[directory.to_path_buf()], options);
        let found: Vec<&str> = report.inputs.iter().map(|i| i.input.subject.as_str()).collect();
        assert_eq!(found, subjects);
        let prefix = format!("{}/", directory.display());
        let files: Vec<&str> =
            report.gaps.iter().filter_map(|gap| gap.file.strip_prefix(&prefix)).collect();
        assert_eq!(files, gaps);
    }

    #[test]
    fn sensible_defaults_all_to_be_overridden() {
        let large = vec![b'x'; usize::try_from(MAX_FILE).unwrap() + 1];
        let directory = tree(&[
            (".gitignore", b"ignored/\n"),
            (".hidden/a.sh", b"apk add one\n"),
            ("b.sh", b"apk add two\n"),
            ("binary.sh", b"apk\0add x\n"),
            ("c/Dockerfile", b"RUN apk add three\n"),
            ("ignored/d.sh", b"apk add four\n"),
            ("large.sh", &large),
            ("large.txt", &large),
            ("node_modules/e.sh", b"apk add five\n"),
            ("picture.png", b"\0\0"),
        ]);
        let gaps = ["binary.sh", "large.sh"];
        let mut options =
            AuditOptions { requirements: Requirements::shipped().unwrap(), ..Default::default() };
        check(directory.path(), &options, &["one", "two", "three"], &gaps);
        options.include_ignored = true;
        check(directory.path(), &options, &["one", "two", "three", "four"], &gaps);
        options.include_vendored = true;
        check(directory.path(), &options, &["one", "two", "three", "four", "five"], &gaps);
    }

    #[test]
    fn what_a_dockerfile_runs_is_read_once() {
        let directory = tree(&[
            ("Dockerfile", b"FROM scratch\nCOPY tools /t/\nRUN /t/x.sh && sh /t/list\n"),
            ("tools/list", b"apk add two\n"),
            ("tools/x.sh", b"#!/bin/sh\napk add one\n"),
        ]);
        let options =
            AuditOptions { requirements: Requirements::shipped().unwrap(), ..Default::default() };
        check(directory.path(), &options, &["two", "one"], &[]);
        let root = [directory.path().join("missing")];
        assert_eq!(audit_paths(&root, &options).gaps.len(), 1);
    }

    #[test]
    fn a_panic_is_a_gap() {
        let carrier: &'static carrier::Carrier = Box::leak(Box::new(carrier::Carrier {
            name: "bad",
            summary: "",
            recognises: |_, _| true,
            read: |_, _| panic!("on purpose"),
        }));
        let repository = Repository::of_files([]);
        let collected = audit_source(&SourceFile::new("f", &b""[..]), carrier, &repository);
        assert_eq!(collected.gaps.len(), 1);
    }
}
