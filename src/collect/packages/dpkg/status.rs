//! One stanza of dpkg's status file as a record: deb-control(5) and dpkg's own fields.
//!
//! A stanza is kept as far as it can be: what is missing is said by a gap of the caller's, and only
//! a stanza without a name is lost.

use crate::collect::packages::deb822::Stanza;
use crate::collect::packages::hex::decode_array;
use crate::collect::packages::{folded, text};
use crate::model::ShippedDigest;
use std::collections::BTreeMap;

/// What a stanza says of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// `Package`, raw.
    pub name: &'a [u8],
    /// `Architecture`, raw; empty where the stanza has none (a purged remnant).
    pub architecture: &'a [u8],
    /// Whether files of the database carry the architecture in their names (`Multi-Arch: same`).
    pub is_qualified: bool,
    /// `Version`, or `Config-Version` for what is only configuration files any more.
    pub version: String,
    /// dpkg's word for how far it is installed, `hold ` before it where it is held.
    pub state: String,
    /// Configuration files that dpkg watches.
    pub conffiles: Vec<Conffile<'a>>,
    /// More, by the words of reports.
    pub details: BTreeMap<String, String>,
    /// `Origin`, which third-party packages carry.
    pub origin: Option<String>,
}

/// A line of `Conffiles`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conffile<'a> {
    /// As packed.
    pub path: &'a [u8],
    /// Of the file as it was shipped; `None` while it is new and not yet put in place.
    pub digest: Option<ShippedDigest>,
    /// Not shipped any more by the installed version, left because it may have been edited.
    pub is_obsolete: bool,
    /// The package wants it gone: it has no bytes of its own.
    pub is_to_be_removed: bool,
}

/// Whether dpkg says how far a package is installed, or its presence says it (distroless).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateSource {
    /// A `Status` field is due.
    Field,
    /// No `Status` field is needed.
    Presence,
}

/// Reads one stanza. `Ok(None)` for a package that is not there (`not-installed`).
pub fn read<'a>(
    stanza: &Stanza<'a>,
    source: StateSource,
) -> Result<Option<(Record<'a>, Vec<String>)>, String> {
    let name = stanza.get("Package").ok_or("a stanza without a package name")?;
    let mut complaints = Vec::new();
    let mut details = BTreeMap::new();
    let state = match stanza.get("Status") {
        Some(status) => match read_status(status, &mut details) {
            Some(state) => state,
            None => {
                complaints.push(format!("{}: state \"{}\"", text(name), text(status)));
                "unknown".to_owned()
            }
        },
        None if source == StateSource::Presence => "installed".to_owned(),
        None => {
            complaints.push(format!("{}: no state", text(name)));
            "unknown".to_owned()
        }
    };
    if state == "not-installed" || state == "hold not-installed" {
        return Ok(None);
    }
    let version = stanza.get("Version").or_else(|| stanza.get("Config-Version"));
    if version.is_none() {
        complaints.push(format!("{}: no version", text(name)));
    }
    for (field, word) in DETAILS {
        if let Some(value) = stanza.get(field) {
            details.insert((*word).to_owned(), folded(value));
        }
    }
    let record = Record {
        name,
        architecture: stanza.get("Architecture").unwrap_or_default(),
        is_qualified: stanza.get("Multi-Arch") == Some(b"same"),
        version: version.map(text).unwrap_or_default(),
        state,
        conffiles: stanza.get("Conffiles").map(read_conffiles).unwrap_or_default(),
        details,
        origin: stanza.get("Origin").map(text),
    };
    Ok(Some((record, complaints)))
}

/// Fields that are kept as they are written, with the words of reports.
const DETAILS: &[(&str, &str)] = &[
    ("Source", "source"),
    ("Maintainer", "maintainer"),
    ("Pre-Depends", "pre-depends"),
    ("Depends", "depends"),
    ("Provides", "provides"),
    ("Replaces", "replaces"),
    ("Section", "section"),
    ("Priority", "priority"),
    ("Essential", "essential"),
    ("Multi-Arch", "multi-arch"),
    ("Homepage", "homepage"),
    ("Installed-Size", "installed-size-kib"),
    ("Config-Version", "configured-version"),
];

/// `want error state`: three words.
fn read_status(status: &[u8], details: &mut BTreeMap<String, String>) -> Option<String> {
    let mut words = status.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let (want, error, state) = (words.next()?, words.next()?, words.next()?);
    let known = STATES.iter().find(|known| known.as_bytes() == state)?;
    if error != b"ok" {
        details.insert("error".to_owned(), text(error));
    }
    match want {
        b"hold" => return Some(format!("hold {known}")),
        b"install" | b"unknown" => {}
        b"deinstall" | b"purge" if *known == "config-files" => {}
        other => {
            details.insert("wanted".to_owned(), text(other));
        }
    }
    Some((*known).to_owned())
}

/// dpkg's words, from less to more.
const STATES: [&str; 8] = [
    "not-installed",
    "config-files",
    "half-installed",
    "unpacked",
    "half-configured",
    "triggers-awaited",
    "triggers-pending",
    "installed",
];

/// ` PATH DIGEST [obsolete] [remove-on-upgrade]` a line; the path may hold blanks, so that it is
/// read from the right.
fn read_conffiles(value: &[u8]) -> Vec<Conffile<'_>> {
    let line = |line| {
        let (mut rest, mut last) = split_last(line)?;
        let (mut is_obsolete, mut is_to_be_removed) = (false, false);
        loop {
            match last {
                b"obsolete" => is_obsolete = true,
                b"remove-on-upgrade" => is_to_be_removed = true,
                _ => break,
            }
            (rest, last) = split_last(rest)?;
        }
        let digest = decode_array(last).map(ShippedDigest::Md5);
        Some(Conffile { path: rest, digest, is_obsolete, is_to_be_removed })
    };
    value.split(|b| *b == b'\n').filter_map(line).collect()
}

/// The last word, and what stands before it without blanks around it; `None` for fewer than two
/// words.
fn split_last(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let line = line.trim_ascii();
    let blank = line.iter().rposition(u8::is_ascii_whitespace)?;
    let (rest, last) = line.split_at(blank);
    Some((rest.trim_ascii_end(), last.trim_ascii_start()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::packages::deb822;

    fn record(stanza: &str, source: StateSource) -> Result<Option<(String, String)>, String> {
        let (stanzas, _) = deb822::parse(stanza.as_bytes());
        let record = read(&stanzas[0], source)?;
        Ok(record.map(|(record, _)| (record.state, record.version)))
    }

    #[test]
    fn states() {
        let check = |status: &str, expected: Option<&str>| {
            let stanza = format!("Package: a\nVersion: 1\n{status}");
            let seen = record(&stanza, StateSource::Field).unwrap();
            assert_eq!(seen.map(|(state, _)| state).as_deref(), expected, "{status}");
        };
        check("Status: install ok installed", Some("installed"));
        check("Status: hold ok installed", Some("hold installed"));
        check("Status: hold ok half-configured", Some("hold half-configured"));
        check("Status: deinstall ok config-files", Some("config-files"));
        check("Status: install reinstreq half-installed", Some("half-installed"));
        check("Status: unknown ok not-installed", None);
        check("Status: purge ok not-installed", None);
        check("Status: install", Some("unknown"));
        check("Status: install ok gone", Some("unknown"));
        check("Section: x", Some("unknown"));
    }

    #[test]
    fn presence_is_enough_for_distroless() {
        let seen = record("Package: a\nVersion: 1\n", StateSource::Presence).unwrap();
        assert_eq!(seen, Some(("installed".into(), "1".into())));
        assert!(record("Version: 1\n", StateSource::Presence).is_err());
    }

    #[test]
    fn what_is_missing_is_said() {
        let (stanzas, _) = deb822::parse(b"Package: a\nStatus: x\n");
        let (_, complaints) = read(&stanzas[0], StateSource::Field).unwrap().unwrap();
        assert_eq!(complaints, ["a: state \"x\"", "a: no version"]);
    }

    #[test]
    fn conffile_lines_are_read_from_the_right() {
        let digest = "d41d8cd98f00b204e9800998ecf8427e";
        let value = format!(
            "/etc/a {digest}\n /etc/b c {digest} obsolete\n /etc/d newconffile\n \
             /etc/e newconffile remove-on-upgrade\n broken"
        );
        let seen: Vec<_> = read_conffiles(value.as_bytes())
            .into_iter()
            .map(|c| (text(c.path), c.digest.is_some(), c.is_obsolete, c.is_to_be_removed))
            .collect();
        let expected = [
            ("/etc/a".to_owned(), true, false, false),
            ("/etc/b c".to_owned(), true, true, false),
            ("/etc/d".to_owned(), false, false, false),
            ("/etc/e".to_owned(), false, false, true),
        ];
        assert_eq!(seen, expected);
    }
}
