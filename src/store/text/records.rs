//! One line a record; the subjects of an event stand indented below it.

use super::token::{Fields, Line, Wrong, parse_time, time_word};
use crate::model::{
    CauseKind, ContentDigest, Event, EventSubject, EventTime, Expectation, Fact, FileKind, Gap,
    HardLinks, Omission, Package, PackageKey, ShippedDigest, ShippedSource, Stage, TreePath,
};
use crate::store::records::{certainty_word, parse_certainty};
use std::collections::BTreeMap;

/// What stands before a subject.
pub(super) const INDENT: &str = "  ";

/// A record that is one line.
pub(super) trait AsLine: Sized {
    fn write(&self, line: &mut Line);
    fn read(fields: &mut Fields<'_>) -> Result<Self, Wrong>;
}

fn bytes(text: &Option<String>) -> Option<&[u8]> {
    text.as_deref().map(str::as_bytes)
}

fn write_map(line: &mut Line, map: &BTreeMap<String, String>) {
    for (key, value) in map {
        line.pair(key.as_bytes(), value.as_bytes());
    }
}

fn read_map(fields: &mut Fields<'_>) -> Result<BTreeMap<String, String>, Wrong> {
    let mut map = BTreeMap::new();
    while !fields.is_at_end() {
        let (key, value) = fields.text_pair()?;
        if map.last_key_value().is_some_and(|(last, _)| *last >= key) {
            return Err(fields.wrong("not in the order of names"));
        }
        map.insert(key, value);
    }
    Ok(map)
}

fn write_key(line: &mut Line, key: &PackageKey) {
    line.field(key.manager.as_bytes()).field(key.name.as_bytes());
    line.optional(bytes(&key.architecture)).optional(bytes(&key.instance));
}

fn read_key(fields: &mut Fields<'_>) -> Result<PackageKey, Wrong> {
    Ok(PackageKey {
        manager: fields.text()?,
        name: fields.text()?,
        architecture: fields.optional(Fields::text)?,
        instance: fields.optional(Fields::text)?,
    })
}

impl AsLine for Package {
    fn write(&self, line: &mut Line) {
        write_key(line, &self.key);
        line.field(self.version.as_bytes()).field(self.state.as_bytes());
        line.word(self.installed_at.map_or_else(|| "-".into(), time_word));
        line.optional(bytes(&self.origin)).field(self.purl.as_bytes());
        line.field(self.evidence.as_bytes());
        write_map(line, &self.details);
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, Wrong> {
        Ok(Self {
            key: read_key(fields)?,
            version: fields.text()?,
            state: fields.text()?,
            installed_at: fields.optional(Fields::time)?,
            origin: fields.optional(Fields::text)?,
            purl: fields.text()?,
            evidence: fields.path()?,
            details: read_map(fields)?,
        })
    }
}

impl AsLine for Fact {
    fn write(&self, line: &mut Line) {
        line.field(self.scope.as_bytes()).field(self.key.as_bytes());
        line.optional(self.evidence.as_ref().map(TreePath::as_bytes));
        write_map(line, &self.attributes);
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, Wrong> {
        Ok(Self {
            scope: fields.text()?,
            key: fields.text()?,
            evidence: fields.optional(Fields::path)?,
            attributes: read_map(fields)?,
        })
    }
}

fn event_time_word(time: Option<EventTime>) -> String {
    time.map_or_else(
        || "-".into(),
        |time| format!("{}~{}", time_word(time.at), certainty_word(time.certainty)),
    )
}

fn parse_event_time(word: &str) -> Option<EventTime> {
    let (at, certainty) = word.split_once('~')?;
    Some(EventTime { at: parse_time(at)?, certainty: parse_certainty(certainty)? })
}

/// The line of an event without its subjects.
impl AsLine for Event {
    fn write(&self, line: &mut Line) {
        line.word(event_time_word(self.time)).word(event_time_word(self.until));
        line.word(self.actor).field(self.detail.as_bytes()).field(self.action.as_bytes());
        line.word(if self.forgeable { "forgeable" } else { "trusted" });
        line.field(self.source.as_bytes());
        line.word(self.line.map_or_else(|| "-".into(), |number| number.to_string()));
        line.field(self.text.as_bytes());
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, Wrong> {
        let time = |fields: &mut Fields<'_>| fields.parse("time of an event", parse_event_time);
        Ok(Self {
            time: fields.optional(time)?,
            until: fields.optional(time)?,
            actor: fields.parse("actor", CauseKind::parse)?,
            detail: fields.text()?,
            action: fields.text()?,
            forgeable: fields.parse("word for trust", |word| match word {
                "forgeable" => Some(true),
                "trusted" => Some(false),
                _ => None,
            })?,
            source: fields.path()?,
            line: fields.optional(Fields::number)?,
            text: fields.text()?,
            subjects: Vec::new(),
        })
    }
}

impl AsLine for EventSubject {
    fn write(&self, line: &mut Line) {
        line.0.push_str(INDENT);
        match self {
            Self::Path(path) => line.word("path").field(path.as_bytes()),
            Self::Below(path) => line.word("below").field(path.as_bytes()),
            Self::Package { key, version } => {
                write_key(line.word("package"), key);
                line.optional(bytes(version))
            }
            Self::Fact { scope, key } => {
                line.word("fact").field(scope.as_bytes()).field(key.as_bytes())
            }
            Self::Content { path, digest } => {
                line.word("content").field(path.as_bytes()).word(digest)
            }
        };
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, Wrong> {
        Ok(match fields.raw()? {
            "path" => Self::Path(fields.path()?),
            "below" => Self::Below(fields.path()?),
            "package" => {
                Self::Package { key: read_key(fields)?, version: fields.optional(Fields::text)? }
            }
            "fact" => Self::Fact { scope: fields.text()?, key: fields.text()? },
            "content" => Self::Content {
                path: fields.path()?,
                digest: fields.parse("digest", ContentDigest::from_hex)?,
            },
            other => return Err(fields.wrong(format!("{other:?} is no kind of subject"))),
        })
    }
}

impl AsLine for Gap {
    fn write(&self, line: &mut Line) {
        line.field(self.path.as_bytes()).word(self.stage).field(self.reason.as_bytes());
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, Wrong> {
        Ok(Self {
            path: fields.path()?,
            stage: fields.parse("stage", Stage::parse)?,
            reason: fields.text()?,
        })
    }
}

impl AsLine for Omission {
    fn write(&self, line: &mut Line) {
        line.field(self.path.as_bytes()).field(self.reason.as_bytes());
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, Wrong> {
        Ok(Self { path: fields.path()?, reason: fields.text()? })
    }
}

impl AsLine for HardLinks {
    fn write(&self, line: &mut Line) {
        for path in self {
            line.field(path.as_bytes());
        }
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, Wrong> {
        let mut paths = Vec::new();
        while !fields.is_at_end() {
            paths.push(fields.path()?);
        }
        Ok(paths)
    }
}

const SOURCES: [(&str, ShippedSource); 3] = [
    ("file", ShippedSource::File),
    ("configuration", ShippedSource::Configuration),
    ("ghost", ShippedSource::Ghost),
];

const KINDS: [FileKind; 7] = [
    FileKind::File,
    FileKind::Directory,
    FileKind::Symlink,
    FileKind::Fifo,
    FileKind::Socket,
    FileKind::CharacterDevice,
    FileKind::BlockDevice,
];

/// A package's word on a path, without the path.
impl AsLine for (PackageKey, Expectation) {
    fn write(&self, line: &mut Line) {
        let (key, expected) = self;
        write_key(line, key);
        let source = SOURCES.into_iter().find(|(_, source)| *source == expected.source);
        line.word(source.map_or("file", |(word, _)| word));
        if let Some(kind) = expected.kind {
            line.pair(b"kind", kind.as_str().as_bytes());
        }
        if let Some(digest) = &expected.digest {
            line.pair(b"digest", digest_word(digest).as_bytes());
        }
        if let Some(size) = expected.size {
            line.pair(b"size", size.to_string().as_bytes());
        }
        if let Some(mode) = expected.mode {
            line.pair(b"mode", format!("{mode:04o}").as_bytes());
        }
        let more = [
            ("user", bytes(&expected.user)),
            ("group", bytes(&expected.group)),
            ("target", expected.target.as_deref()),
            ("capabilities", bytes(&expected.capabilities)),
        ];
        for (name, value) in more {
            if let Some(value) = value {
                line.pair(name.as_bytes(), value);
            }
        }
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, Wrong> {
        let key = read_key(fields)?;
        let source = fields.parse("kind of claim", |word| {
            SOURCES.into_iter().find(|(name, _)| *name == word).map(|(_, source)| source)
        })?;
        let mut expected = Expectation::owned(source);
        while !fields.is_at_end() {
            let (name, value) = fields.pair()?;
            let understood = set_attribute(&mut expected, &name, &value);
            understood.ok_or_else(|| fields.wrong("an attribute that is none"))?;
        }
        Ok((key, expected))
    }
}

fn set_attribute(expected: &mut Expectation, name: &[u8], value: &[u8]) -> Option<()> {
    let text = || String::from_utf8(value.to_vec()).ok();
    match name {
        b"kind" => {
            let word = text()?;
            expected.kind = Some(KINDS.into_iter().find(|kind| kind.as_str() == word)?);
        }
        b"digest" => expected.digest = Some(parse_digest(&text()?)?),
        b"size" => expected.size = Some(text()?.parse().ok()?),
        b"mode" => expected.mode = Some(u16::from_str_radix(&text()?, 8).ok()?),
        b"user" => expected.user = Some(text()?),
        b"group" => expected.group = Some(text()?),
        b"target" => expected.target = Some(value.to_vec()),
        b"capabilities" => expected.capabilities = Some(text()?),
        _ => return None,
    }
    Some(())
}

fn digest_word(digest: &ShippedDigest) -> String {
    let (name, bytes): (&str, &[u8]) = match digest {
        ShippedDigest::Md5(bytes) => ("md5", bytes),
        ShippedDigest::Sha1(bytes) => ("sha1", bytes),
        ShippedDigest::Sha256(bytes) => ("sha256", bytes),
        ShippedDigest::Sha512(bytes) => ("sha512", bytes),
    };
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{name}:{digits}")
}

fn parse_digest(word: &str) -> Option<ShippedDigest> {
    let (_, digits) = word.split_once(':')?;
    let pairs = digits.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = pairs.0.iter().map(byte).collect();
    let digest = ShippedDigest::from_slice(&bytes?)?;
    (digest_word(&digest) == word).then_some(digest)
}
