//! `driftcheck.packages/1`, `files/1`, `facts/1`, `events/1`, `gaps/1` and `manifest/1`: what
//! `show` prints of one manifest.
//!
//! `ndjson` has a first line of type `manifest` and then one line for each row, its type the
//! list's name without the `s`.

use super::parts::{Gap, Omission, PackageKey, Path, Side, Subject, Value, base64, path_text};
use super::{document, line, verify_v1};
use crate::model::{self, Content, EventSubject, EventTime, TimeCertainty};
use crate::report::{FileRow, Owners, Section, ShowReport, View};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};

#[derive(Serialize)]
struct Head<'a> {
    schema: &'static str,
    manifest: Side<'a>,
}

#[derive(Serialize)]
struct Package<'a> {
    manager: &'a str,
    name: &'a str,
    version: &'a str,
    architecture: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<&'a str>,
    state: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    installed_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<&'a str>,
    purl: &'a str,
    evidence: Cow<'a, str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    details: &'a BTreeMap<String, String>,
}

impl<'a> From<&'a model::Package> for Package<'a> {
    fn from(package: &'a model::Package) -> Self {
        Self {
            manager: &package.key.manager,
            name: &package.key.name,
            version: &package.version,
            architecture: package.key.architecture.as_deref(),
            instance: package.key.instance.as_deref(),
            state: &package.state,
            installed_at: package.installed_at.map(|time| time.to_string()),
            origin: package.origin.as_deref(),
            purl: &package.purl,
            evidence: path_text(&package.evidence),
            details: &package.details,
        }
    }
}

#[derive(Serialize)]
struct File<'a> {
    #[serde(flatten)]
    path: Path<'a>,
    kind: &'static str,
    mode: String,
    uid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    gid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    /// `null` for a file whose bytes could not be read, absent for what has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'static str>,
    xattrs: Option<Xattrs<'a>>,
    mtime: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ctime: Option<String>,
    links: u32,
}

struct Xattrs<'a>(&'a [model::Xattr]);

impl Serialize for Xattrs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for xattr in self.0 {
            let name = model::path::Escaped(&xattr.name).to_string();
            map.serialize_entry(&name, &Value::bytes(&name, &xattr.value))?;
        }
        map.end()
    }
}

impl<'a> File<'a> {
    fn new(row: &'a FileRow, owners: &'a Owners) -> Self {
        let entry = &row.entry;
        let (size, digest) = match &entry.content {
            Content::File { size, digest } => (Some(*size), Some(digest.map(|d| d.to_string()))),
            _ => (None, None),
        };
        let content = match &entry.content {
            Content::Directory(model::DirectoryContent::Unread) => Some("unread"),
            Content::Directory(model::DirectoryContent::LeftOut) => Some("left-out"),
            _ => None,
        };
        Self {
            path: (&row.path).into(),
            kind: entry.content.kind().as_str(),
            mode: format!("{:04o}", entry.mode),
            uid: entry.uid,
            user: owners.user(entry.uid),
            gid: entry.gid,
            group: owners.group(entry.gid),
            size,
            digest,
            target: match &entry.content {
                Content::Symlink { target } => Some(Value::bytes("", target)),
                _ => None,
            },
            device: match &entry.content {
                Content::CharacterDevice(device) | Content::BlockDevice(device) => {
                    Some(device.to_string())
                }
                _ => None,
            },
            content,
            xattrs: entry.xattrs.as_deref().map(Xattrs),
            mtime: entry.mtime.to_string(),
            ctime: entry.ctime.map(|time| time.to_string()),
            links: entry.links,
        }
    }
}

#[derive(Serialize)]
struct Fact<'a> {
    scope: &'a str,
    key: &'a str,
    attributes: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<Cow<'a, str>>,
}

impl<'a> From<&'a model::Fact> for Fact<'a> {
    fn from(fact: &'a model::Fact) -> Self {
        Self {
            scope: &fact.scope,
            key: &fact.key,
            attributes: &fact.attributes,
            evidence: fact.evidence.as_ref().map(path_text),
        }
    }
}

#[derive(Serialize)]
struct Event<'a> {
    source: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Time>,
    actor: &'static str,
    detail: &'a str,
    action: &'a str,
    subjects: Vec<EventAbout<'a>>,
    forgeable: bool,
    text: &'a str,
}

#[derive(Serialize)]
struct Time {
    at: String,
    certainty: &'static str,
}

impl From<EventTime> for Time {
    fn from(time: EventTime) -> Self {
        let certainty = match time.certainty {
            TimeCertainty::Exact => "exact",
            TimeCertainty::LocalTime => "local-time",
            TimeCertainty::Guessed => "guessed",
        };
        Self { at: time.at.to_string(), certainty }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum EventAbout<'a> {
    Plain(Subject<'a>),
    Below {
        #[serde(rename = "type")]
        kind: &'static str,
        #[serde(flatten)]
        path: Path<'a>,
    },
    Package {
        #[serde(rename = "type")]
        kind: &'static str,
        #[serde(flatten)]
        key: PackageKey<'a>,
        version: Option<&'a str>,
    },
    Content {
        #[serde(rename = "type")]
        kind: &'static str,
        #[serde(flatten)]
        path: Path<'a>,
        digest: String,
    },
}

impl<'a> From<&'a EventSubject> for EventAbout<'a> {
    fn from(subject: &'a EventSubject) -> Self {
        match subject {
            EventSubject::Path(path) => Self::Plain(Subject::Path(path.into())),
            EventSubject::Fact { scope, key } => Self::Plain(Subject::Fact { scope, key }),
            EventSubject::Below(path) => Self::Below { kind: "below", path: path.into() },
            EventSubject::Package { key, version } => {
                Self::Package { kind: "package", key: key.into(), version: version.as_deref() }
            }
            EventSubject::Content { path, digest } => {
                Self::Content { kind: "content", path: path.into(), digest: digest.to_string() }
            }
        }
    }
}

impl<'a> From<&'a model::Event> for Event<'a> {
    fn from(event: &'a model::Event) -> Self {
        let plain = event.source.as_plain_str().is_some();
        Self {
            source: path_text(&event.source),
            source_base64: (!plain).then(|| base64(event.source.as_bytes())),
            line: event.line,
            time: event.time.map(Into::into),
            until: event.until.map(Into::into),
            actor: event.actor.as_str(),
            detail: &event.detail,
            action: &event.action,
            subjects: event.subjects.iter().map(Into::into).collect(),
            forgeable: event.forgeable,
            text: &event.text,
        }
    }
}

#[derive(Serialize)]
struct Overview<'a> {
    scanner: &'a str,
    content_id: Option<String>,
    exact_id: Option<String>,
    bytes: u64,
    not_carried: &'a [String],
    packages: usize,
    facts: usize,
    events: usize,
    gaps: usize,
    omissions: usize,
    hard_links: usize,
}

impl<'a> From<&'a model::Manifest> for Overview<'a> {
    fn from(manifest: &'a model::Manifest) -> Self {
        let (content, exact) = match &manifest.header.root.content {
            Content::Directory(model::DirectoryContent::Read { content, exact }) => {
                (Some(content.to_string()), Some(exact.to_string()))
            }
            _ => (None, None),
        };
        Self {
            scanner: &manifest.header.scanner,
            content_id: content,
            exact_id: exact,
            bytes: manifest.header.bytes,
            not_carried: &manifest.header.not_carried,
            packages: manifest.records.packages.len(),
            facts: manifest.records.facts.len(),
            events: manifest.records.events.len(),
            gaps: manifest.records.gaps.len(),
            omissions: manifest.records.omissions.len(),
            hard_links: manifest.hard_links.len(),
        }
    }
}

/// A document: the head, then one or two lists (or the overview) under their names.
struct Document<'a, A, B> {
    head: &'a Head<'a>,
    first: (&'static str, A),
    second: Option<(&'static str, B)>,
}

impl<A: Serialize, B: Serialize> Serialize for Document<'_, A, B> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("schema", self.head.schema)?;
        map.serialize_entry("manifest", &self.head.manifest)?;
        map.serialize_entry(self.first.0, &self.first.1)?;
        if let Some((name, list)) = &self.second {
            map.serialize_entry(name, list)?;
        }
        map.end()
    }
}

/// Rows that are made while they are written, so that a listing of a whole tree costs no memory.
struct Rows<F>(F);

impl<F, I> Serialize for Rows<F>
where
    F: Fn() -> I,
    I: Iterator<Item: Serialize>,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}

fn head<'a>(report: &ShowReport<'a>) -> Head<'a> {
    let schema = match report.section {
        Section::Overview => "driftcheck.manifest/1",
        Section::Packages => "driftcheck.packages/1",
        Section::Files(_) => "driftcheck.files/1",
        Section::Facts => "driftcheck.facts/1",
        Section::Events => "driftcheck.events/1",
        Section::Gaps => "driftcheck.gaps/1",
        Section::Verification(_) => "driftcheck.verify/1",
    };
    Head { schema, manifest: report.manifest.into() }
}

/// `json`.
pub(in crate::report) fn write(
    report: &ShowReport<'_>,
    _: &View,
    out: &mut dyn Write,
) -> io::Result<()> {
    let head = &head(report);
    let records = &report.manifest.records;
    let second = None::<(&'static str, ())>;
    match report.section {
        Section::Overview => {
            let first = ("overview", Overview::from(report.manifest));
            document(&Document { head, first, second }, out)
        }
        Section::Packages => {
            let first = ("packages", Rows(|| records.packages.iter().map(Package::from)));
            document(&Document { head, first, second }, out)
        }
        Section::Files(rows) => {
            let first = ("files", Rows(|| rows.iter().map(|row| File::new(row, report.owners))));
            document(&Document { head, first, second }, out)
        }
        Section::Facts => {
            let first = ("facts", Rows(|| records.facts.iter().map(Fact::from)));
            document(&Document { head, first, second }, out)
        }
        Section::Events => {
            let first = ("events", Rows(|| records.events.iter().map(Event::from)));
            document(&Document { head, first, second }, out)
        }
        Section::Gaps => {
            let first = ("gaps", Rows(|| records.gaps.iter().map(Gap::from)));
            let omissions = Rows(|| records.omissions.iter().map(Omission::from));
            document(&Document { head, first, second: Some(("omissions", omissions)) }, out)
        }
        Section::Verification(all) => verify_v1::write(report.manifest, all, out),
    }
}

/// `ndjson`.
pub(in crate::report) fn write_lines(
    report: &ShowReport<'_>,
    _: &View,
    out: &mut dyn Write,
) -> io::Result<()> {
    let records = &report.manifest.records;
    if let Section::Verification(all) = report.section {
        return verify_v1::write_lines(report.manifest, all, out);
    }
    line("manifest", &head(report), out)?;
    match report.section {
        Section::Overview => line("overview", &Overview::from(report.manifest), out),
        Section::Packages => {
            records.packages.iter().try_for_each(|row| line("package", &Package::from(row), out))
        }
        Section::Files(rows) => {
            rows.iter().try_for_each(|row| line("file", &File::new(row, report.owners), out))
        }
        Section::Facts => {
            records.facts.iter().try_for_each(|row| line("fact", &Fact::from(row), out))
        }
        Section::Events => {
            records.events.iter().try_for_each(|row| line("event", &Event::from(row), out))
        }
        Section::Gaps => {
            records.gaps.iter().try_for_each(|row| line("gap", &Gap::from(row), out))?;
            let mut omissions = records.omissions.iter();
            omissions.try_for_each(|row| line("omission", &Omission::from(row), out))
        }
        Section::Verification(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::json::schema;
    use crate::report::testing::{self, golden};

    #[test]
    fn every_section_follows_its_schema() {
        let manifest = testing::manifest();
        let files = testing::files();
        let owners = Owners::from_facts(&manifest.records.facts);
        let check = |name: &str, section: Section<'_>| {
            let mut out = Vec::new();
            let report = ShowReport { manifest: &manifest, section, owners: &owners };
            write(&report, &View::PLAIN, &mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            schema::check(&format!("{name}-1.json"), &text);
            golden(&format!("show-{name}.json"), &text);
            let mut out = Vec::new();
            write_lines(&report, &View::PLAIN, &mut out).unwrap();
            for line in String::from_utf8(out).unwrap().lines() {
                let value: serde_json::Value = serde_json::from_str(line).unwrap();
                assert!(value["type"].is_string(), "{line}");
            }
        };
        check("manifest", Section::Overview);
        check("packages", Section::Packages);
        check("files", Section::Files(&files));
        check("facts", Section::Facts);
        check("events", Section::Events);
        check("gaps", Section::Gaps);
        check("verify", Section::Verification(&testing::verification()));
    }
}
