//! Sets of records and the header: encoded only to be named; stores keep them as tables.

use super::tree::write_entry;
use super::{Writer, shipped::write_key};
use crate::model::{
    Event, EventSubject, EventTime, Fact, Gap, HardLinks, Header, ManifestId, Omission, Package,
    SetId, Timestamp, TreePath,
};
use std::collections::BTreeMap;

const HEADER: u8 = b'H';

/// A record that can be named as part of a set.
pub trait Canonical {
    /// Tells the kinds of sets apart.
    const TAG: u8;

    /// Appends this record.
    fn write(&self, out: &mut Writer);
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
}

impl Canonical for Fact {
    const TAG: u8 = b'F';

    fn write(&self, out: &mut Writer) {
        text(out, &self.scope);
        text(out, &self.key);
        map(out, &self.attributes);
        out.option(self.evidence.as_ref(), path);
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

impl Canonical for Gap {
    const TAG: u8 = b'G';

    fn write(&self, out: &mut Writer) {
        path(out, &self.path);
        text(out, self.stage.as_str());
        text(out, &self.reason);
    }
}

impl Canonical for Omission {
    const TAG: u8 = b'O';

    fn write(&self, out: &mut Writer) {
        path(out, &self.path);
        text(out, &self.reason);
    }
}

impl Canonical for HardLinks {
    const TAG: u8 = b'L';

    fn write(&self, out: &mut Writer) {
        out.list(self, path);
    }
}
