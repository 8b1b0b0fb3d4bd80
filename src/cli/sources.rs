//! `--sources`: for a package that drifted, the line of the build files that let it, and the pin
//! that would have held it.

use super::context::Context;
use super::error::CliError;
use super::scanning::ScanOptions;
use super::subject::{Loaded, Subject as Named};
use crate::model::{BuildLine, ChangeKind, DriftReport, JudgedChange, Manifest, Package, Subject};
use crate::pins::fix::known::{Packages, manager_of, name_of};
use crate::pins::fix::pinned_word;
use crate::pins::{AuditOptions, Input, LineIndex, Requirements, Strength, audit_paths};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Stored manifests of other targets that are asked what version they have.
const MAX_OTHERS: usize = 20;

/// Longer lines (minified files) are cut off.
const MAX_LINE: usize = 160;

/// Where packages are declared.
#[derive(Debug, clap::Args)]
pub(super) struct SourceOptions {
    /// Name the line of these build files that let a package drift; may be repeated
    #[arg(long, value_name = "PATH")]
    sources: Vec<PathBuf>,
    /// Take the pin of a package that the baseline lacks from this manifest
    #[arg(long, value_name = "MANIFEST", requires = "sources")]
    from: Option<String>,
}

impl SourceOptions {
    /// Puts the lines of build files into a report, where they were asked for.
    pub(super) fn trace(
        &self,
        report: &mut DriftReport,
        before: &Loaded,
        after: &Loaded,
        context: &Context,
    ) -> Result<(), CliError> {
        if self.sources.is_empty() {
            return Ok(());
        }
        let (old, new) =
            (before.manifest_against(&after.header)?, after.manifest_against(&before.header)?);
        report.build_lines =
            self.lines(&report.changes, (&old, &new), &mut report.notes, context)?;
        Ok(())
    }

    /// The lines of every package that was added or has another version.
    fn lines(
        &self,
        changes: &[JudgedChange],
        (old, new): (&Manifest, &Manifest),
        notes: &mut Vec<String>,
        context: &Context,
    ) -> Result<Vec<BuildLine>, CliError> {
        for path in &self.sources {
            let look =
                |error| CliError::because(format!("cannot look at {}", path.display()), error);
            path.symlink_metadata().map_err(look)?;
        }
        let options =
            AuditOptions { requirements: Requirements::shipped()?, ..AuditOptions::default() };
        let report = audit_paths(&self.sources, &options);
        if !report.gaps.is_empty() {
            notes.push(format!("{} parts of the build files could not be read", report.gaps.len()));
        }
        let mut declared: BTreeMap<(&str, String), Vec<&Input>> = BTreeMap::new();
        for judged in &report.inputs {
            let Some(manager) = manager_of(judged.input.ecosystem) else { continue };
            let name = bare(manager, &judged.input.subject);
            declared.entry((manager, name)).or_default().push(&judged.input);
        }
        let others = self.others(changes, (old, new), context)?;
        let needs = Needs::of(&new.records.packages);
        let mut lines = Vec::new();
        for judged in changes {
            let Subject::Package(key) = &judged.change.subject else { continue };
            let version = judged.change.attribute("version");
            let before = match judged.change.kind {
                ChangeKind::Removed => continue,
                ChangeKind::Modified if version.is_none() => continue,
                _ => version.and_then(|version| version.before.as_ref()).map(text),
            };
            let name = name_of(&key.manager, &key.name);
            let own = declared.get(&(key.manager.as_str(), name.clone()));
            let (through, inputs) = match own {
                Some(inputs) => (None, inputs),
                None => {
                    let parent = needs.declared(&key.manager, &name, &declared);
                    let found = parent.and_then(|parent| {
                        Some((Some(parent.clone()), declared.get(&(key.manager.as_str(), parent))?))
                    });
                    let Some(found) = found else { continue };
                    found
                }
            };
            let (pin, from) = match (&through, before) {
                (Some(_), _) => (None, None),
                (None, Some(before)) => (Some(before), Some(old.header.name.clone())),
                (None, None) => {
                    let after = version.and_then(|version| version.after.as_ref()).map(text);
                    let own = (after, Some(new.header.name.clone()));
                    let known = others.iter().find_map(|other| {
                        let version = other.version(inputs.first()?).ok()?;
                        Some((Some(version), Some(other.label().to_owned())))
                    });
                    known.unwrap_or(own)
                }
            };
            let holds = |input: &&&Input| {
                let is_pin = input.held() >= Strength::Exact && input.held() != Strength::Unknown;
                is_pin && pin.as_deref().is_some_and(|pin| input.requested == pin)
            };
            for input in inputs.iter().filter(|input| !holds(input)) {
                let bytes = std::fs::read(&*input.place.file).unwrap_or_default();
                let line = LineIndex::new(&bytes);
                let line = String::from_utf8_lossy(line.line(&bytes, input.place.start_byte));
                let line: String = line.trim().chars().take(MAX_LINE).collect();
                let pin = pin.as_ref().map(|version| pinned_word(input, version, &bytes));
                lines.push(BuildLine {
                    package: key.clone(),
                    file: input.place.file.to_string(),
                    line: input.place.start.line,
                    column: input.place.start.column,
                    text: line,
                    requested: input.requested.clone(),
                    strength: input.held().as_str(),
                    through: through.clone(),
                    from: from.clone().filter(|_| pin.is_some()),
                    pin,
                });
            }
        }
        lines.sort();
        lines.dedup();
        Ok(lines)
    }

    /// Who else may know the version of a package that the baseline lacks: the manifest that was
    /// named, else what the store has of other targets.
    fn others(
        &self,
        changes: &[JudgedChange],
        (old, new): (&Manifest, &Manifest),
        context: &Context,
    ) -> Result<Vec<Packages>, CliError> {
        let named = |word: &str| -> Result<Packages, CliError> {
            let options = ScanOptions::default();
            let records = Named::resolve(word, context)?
                .load(context, &options, None, None)?
                .manifest()?
                .records;
            Ok(Packages::new(word, &records.packages, &records.facts))
        };
        if let Some(word) = &self.from {
            return Ok(vec![named(word)?]);
        }
        let added = changes.iter().any(|judged| {
            let is_package = matches!(judged.change.subject, Subject::Package(_));
            is_package && judged.change.kind == ChangeKind::Added
        });
        let Some(store) = context.open_store_if_there().ok().flatten().filter(|_| added) else {
            return Ok(Vec::new());
        };
        let mut names: Vec<String> = store.list()?.into_iter().map(|one| one.name).collect();
        names.sort();
        names.dedup();
        names.retain(|name| *name != old.header.name && *name != new.header.name);
        names.truncate(MAX_OTHERS);
        let mut found = Vec::new();
        for name in names {
            if let Some(id) = store.latest(&name)? {
                let sections = store.header(&id)?.sections;
                let (packages, facts) =
                    (store.packages(&sections.packages)?, store.facts(&sections.facts)?);
                found.push(Packages::new(&name, &packages, &facts));
            }
        }
        Ok(found)
    }
}

fn text(value: &crate::model::AttributeValue) -> String {
    match value {
        crate::model::AttributeValue::Text(text) => text.clone(),
        other => format!("{other:?}"),
    }
}

/// A declared name without the architecture that apt takes behind it.
fn bare(manager: &str, subject: &str) -> String {
    let name = match manager {
        "dpkg" => subject.split(':').next().unwrap_or(subject),
        _ => subject,
    };
    name_of(manager, name)
}

/// Who needs a package, by manager and name.
struct Needs(BTreeMap<(String, String), Vec<String>>);

impl Needs {
    fn of(packages: &[Package]) -> Self {
        let mut needed: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        let graph = crate::collect::packages::depends::Dependencies::of(packages.iter());
        for (index, package) in packages.iter().enumerate() {
            for other in graph.needs(index).filter_map(|other| packages.get(other)) {
                let manager = other.key.manager.clone();
                let key = (manager.clone(), name_of(&manager, &other.key.name));
                needed.entry(key).or_default().push(name_of(&manager, &package.key.name));
            }
        }
        Self(needed)
    }

    /// The nearest package that a build file names and that needs this one.
    fn declared(
        &self,
        manager: &str,
        name: &str,
        declared: &BTreeMap<(&str, String), Vec<&Input>>,
    ) -> Option<String> {
        let mut seen = std::collections::BTreeSet::from([name.to_owned()]);
        let mut front = vec![name.to_owned()];
        while !front.is_empty() {
            let mut next = Vec::new();
            for one in front {
                let above = self.0.get(&(manager.to_owned(), one));
                for parent in above.into_iter().flatten() {
                    if declared.contains_key(&(manager, parent.clone())) {
                        return Some(parent.clone());
                    }
                    if seen.insert(parent.clone()) {
                        next.push(parent.clone());
                    }
                }
            }
            front = next;
        }
        None
    }
}
