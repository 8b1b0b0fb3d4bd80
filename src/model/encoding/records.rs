//! Sets of records and the header, to name them and to remember them. What a store keeps of them
//! are tables.

use super::tree::write_entry;
use super::{
    Reader, Writer,
    shipped::{read_key, write_key},
};
use crate::model::{
    CauseKind, ContentDigest, Event, EventSubject, EventTime, Fact, Fault, Gap, HardLinks, Header,
    ManifestId, Omission, Package, SetId, Stage, TimeCertainty, Timestamp, TreePath,
};
use std::collections::BTreeMap;

const HEADER: u8 = b'H';

/// A record that can be named as part of a set.
pub trait Canonical {
    /// Tells the kinds of sets apart.
    const TAG: u8;

    /// Appends this record.
    fn write(&self, out: &mut Writer);

    /// Reads what [`Canonical::write`] appended.
    fn read(reader: &mut Reader<'_>) -> Result<Self, Fault>
    where
        Self: Sized;
}

/// Names a set of records, which is sorted and without doubles.
#[must_use]
pub fn set_id<T: Canonical>(records: &[T]) -> SetId {
    let mut out = Writer::with_tag(T::TAG);
    out.list(records, |out, record| record.write(out));
    SetId::of(&out.0)
}

impl Header {
    /// See [`crate::model::Manifest::id`].
    #[must_use]
    pub fn id(&self) -> ManifestId {
        let mut out = Writer::with_tag(HEADER);
        text(&mut out, &self.name);
        text(&mut out, &self.target);
        time(&mut out, self.scanned_at);
        text(&mut out, &self.scanner);
        write_entry(&mut out, &self.root);
        out.number(self.entries);
        out.number(self.bytes);
        out.option(self.shipped.as_ref(), |out, id| out.fixed(id.as_bytes()));
        let sections = &self.sections;
        for set in [
            sections.packages,
            sections.facts,
            sections.events,
            sections.gaps,
            sections.omissions,
            sections.hard_links,
        ] {
            out.fixed(set.as_bytes());
        }
        out.list(&self.not_carried, |out, name| text(out, name));
        ManifestId::of(&out.0)
    }
}

fn text(out: &mut Writer, value: &str) {
    out.bytes(value.as_bytes());
}

fn path(out: &mut Writer, value: &TreePath) {
    out.bytes(value.as_bytes());
}

fn time(out: &mut Writer, value: Timestamp) {
    out.signed(value.seconds);
    out.number(value.nanoseconds.into());
}

fn read_path(reader: &mut Reader<'_>) -> Result<TreePath, Fault> {
    Ok(TreePath::parse(reader.bytes()?))
}

fn read_time(reader: &mut Reader<'_>) -> Result<Timestamp, Fault> {
    Ok(Timestamp { seconds: reader.signed()?, nanoseconds: reader.small()? })
}

fn read_map(reader: &mut Reader<'_>) -> Result<BTreeMap<String, String>, Fault> {
    Ok(reader.list(|reader| Ok((reader.text()?, reader.text()?)))?.into_iter().collect())
}

fn map(out: &mut Writer, values: &BTreeMap<String, String>) {
    out.number(values.len() as u64);
    for (key, value) in values {
        text(out, key);
        text(out, value);
    }
}

impl Canonical for Package {
    const TAG: u8 = b'P';

    fn write(&self, out: &mut Writer) {
        write_key(out, &self.key);
        text(out, &self.version);
        text(out, &self.state);
        out.option(self.installed_at, time);
        out.option(self.origin.as_deref(), text);
        text(out, &self.purl);
        path(out, &self.evidence);
        map(out, &self.details);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        Ok(Self {
            key: read_key(reader)?,
            version: reader.text()?,
            state: reader.text()?,
            installed_at: reader.option(read_time)?,
            origin: reader.option(Reader::text)?,
            purl: reader.text()?,
            evidence: read_path(reader)?,
            details: read_map(reader)?,
        })
    }
}

impl Canonical for Fact {
    const TAG: u8 = b'F';

    fn write(&self, out: &mut Writer) {
        text(out, &self.scope);
        text(out, &self.key);
        map(out, &self.attributes);
        out.option(self.evidence.as_ref(), path);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        Ok(Self {
            scope: reader.text()?,
            key: reader.text()?,
            attributes: read_map(reader)?,
            evidence: reader.option(read_path)?,
        })
    }
}

impl Canonical for Event {
    const TAG: u8 = b'E';

    fn write(&self, out: &mut Writer) {
        let event_time = |out: &mut Writer, value: EventTime| {
            time(out, value.at);
            out.byte(value.certainty as u8);
        };
        path(out, &self.source);
        out.option(self.line, Writer::number);
        out.option(self.time, event_time);
        out.option(self.until, event_time);
        text(out, self.actor.as_str());
        text(out, &self.detail);
        text(out, &self.action);
        out.list(&self.subjects, write_subject);
        out.byte(u8::from(self.forgeable));
        text(out, &self.text);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        let event_time = |reader: &mut Reader<'_>| {
            let at = read_time(reader)?;
            let certainty = match reader.byte()? {
                0 => TimeCertainty::Exact,
                1 => TimeCertainty::LocalTime,
                2 => TimeCertainty::Guessed,
                other => return Err(Fault::damaged(format!("certainty {other} of a time"))),
            };
            Ok(EventTime { at, certainty })
        };
        Ok(Self {
            source: read_path(reader)?,
            line: reader.option(Reader::number)?,
            time: reader.option(event_time)?,
            until: reader.option(event_time)?,
            actor: {
                let word = reader.text()?;
                CauseKind::parse(&word).ok_or_else(|| Fault::damaged(format!("actor {word}")))?
            },
            detail: reader.text()?,
            action: reader.text()?,
            subjects: reader.list(read_subject)?,
            forgeable: reader.byte()? == 1,
            text: reader.text()?,
        })
    }
}

fn write_subject(out: &mut Writer, subject: &EventSubject) {
    match subject {
        EventSubject::Path(value) => {
            out.byte(1);
            path(out, value);
        }
        EventSubject::Below(value) => {
            out.byte(2);
            path(out, value);
        }
        EventSubject::Package { key, version } => {
            out.byte(3);
            write_key(out, key);
            out.option(version.as_deref(), text);
        }
        EventSubject::Fact { scope, key } => {
            out.byte(4);
            text(out, scope);
            text(out, key);
        }
        EventSubject::Content { path: value, digest } => {
            out.byte(5);
            path(out, value);
            out.fixed(digest.as_bytes());
        }
    }
}

fn read_subject(reader: &mut Reader<'_>) -> Result<EventSubject, Fault> {
    Ok(match reader.byte()? {
        1 => EventSubject::Path(read_path(reader)?),
        2 => EventSubject::Below(read_path(reader)?),
        3 => {
            EventSubject::Package { key: read_key(reader)?, version: reader.option(Reader::text)? }
        }
        4 => EventSubject::Fact { scope: reader.text()?, key: reader.text()? },
        5 => EventSubject::Content {
            path: read_path(reader)?,
            digest: ContentDigest(reader.array()?),
        },
        other => return Err(Fault::damaged(format!("subject kind {other}"))),
    })
}

impl Canonical for Gap {
    const TAG: u8 = b'G';

    fn write(&self, out: &mut Writer) {
        path(out, &self.path);
        text(out, self.stage.as_str());
        text(out, &self.reason);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        let path = read_path(reader)?;
        let word = reader.text()?;
        let stage = Stage::parse(&word).ok_or_else(|| Fault::damaged(format!("stage {word}")))?;
        Ok(Self { path, stage, reason: reader.text()? })
    }
}

impl Canonical for Omission {
    const TAG: u8 = b'O';

    fn write(&self, out: &mut Writer) {
        path(out, &self.path);
        text(out, &self.reason);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        Ok(Self { path: read_path(reader)?, reason: reader.text()? })
    }
}

impl Canonical for HardLinks {
    const TAG: u8 = b'L';

    fn write(&self, out: &mut Writer) {
        out.list(self, path);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        reader.list(read_path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PackageKey;

    fn check<T: Canonical + PartialEq + std::fmt::Debug>(record: &T) {
        let mut out = Writer::with_tag(T::TAG);
        record.write(&mut out);
        let mut reader = Reader::with_tag(&out.0, T::TAG).unwrap();
        assert_eq!(T::read(&mut reader).unwrap(), *record);
        reader.end().unwrap();
        for cut in 2..out.0.len() {
            let mut reader = Reader::with_tag(&out.0[..cut], T::TAG).unwrap();
            assert!(T::read(&mut reader).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn every_record_comes_back_and_a_cut_one_does_not() {
        let path = || TreePath::parse(b"/var/log/x\xff");
        let key = PackageKey {
            manager: "rpm".into(),
            name: "kernel".into(),
            architecture: Some("x86_64".into()),
            instance: Some("6.1".into()),
        };
        let details = BTreeMap::from([("source".to_owned(), "linux".to_owned())]);
        check(&Package {
            key: key.clone(),
            version: "6.1-1".into(),
            state: "installed".into(),
            installed_at: Some(Timestamp::from_seconds(-5)),
            origin: Some("Debian".into()),
            purl: "pkg:rpm/kernel@6.1-1".into(),
            evidence: path(),
            details: details.clone(),
        });
        check(&Fact {
            scope: "users".into(),
            key: "root".into(),
            attributes: details,
            evidence: Some(path()),
        });
        let time = |certainty| Some(EventTime { at: Timestamp::from_seconds(7), certainty });
        check(&Event {
            source: path(),
            line: Some(812),
            time: time(TimeCertainty::LocalTime),
            until: time(TimeCertainty::Guessed),
            actor: CauseKind::CloudInit,
            detail: "write_files".into(),
            action: "write".into(),
            subjects: vec![
                EventSubject::Path(path()),
                EventSubject::Below(path()),
                EventSubject::Package { key, version: Some("1".into()) },
                EventSubject::Fact { scope: "users".into(), key: "deploy".into() },
                EventSubject::Content { path: path(), digest: ContentDigest([3; 32]) },
            ],
            forgeable: true,
            text: "a line".into(),
        });
        check(&Gap { path: path(), stage: Stage::Packages, reason: "damaged".into() });
        check(&Omission { path: path(), reason: "tmpfs".into() });
        check(&vec![path(), TreePath::root()]);
    }
}
