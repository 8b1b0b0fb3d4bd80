//! SARIF 2.1.0 (OASIS, `sarif-schema-2.1.0.json`), for code scanning services and editors.
//!
//! One run with the rules that its results name, stable fingerprints, and edits where they are
//! known. What could not be read is a notification of the invocation, so that a run with gaps does
//! not look like one that saw everything. Paths are relative URIs, percent-encoded byte by byte:
//! those of a target hang below the base `TARGET`, those of build files below `SRCROOT`.

use super::View;
use super::json::document;
use super::pins::{self, Pins};
use super::sheet::{Place, Region, Row, Sheet};
use crate::model::{DriftReport, Severity};
use serde_json::{Map, Value, json};
use std::io::{self, Write};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
/// The key of our fingerprints; another way to compute them is another version.
const FINGERPRINT: &str = "driftcheck/v1";

/// Writes a comparison.
pub(super) fn drift(report: &DriftReport, _: &View, out: &mut dyn Write) -> io::Result<()> {
    write(&Sheet::of_drift(report), out)
}

/// Writes an audit of build files.
pub(super) fn pins(pins: &Pins<'_>, _: &View, out: &mut dyn Write) -> io::Result<()> {
    write(&pins::sheet(pins), out)
}

/// Writes any sheet as one run.
fn write(sheet: &Sheet, out: &mut dyn Write) -> io::Result<()> {
    let base = if sheet.kind == "pins" { "SRCROOT" } else { "TARGET" };
    let rules: Vec<Value> = sheet
        .rules
        .iter()
        .map(|rule| {
            let mut value = json!({"id": rule.id, "shortDescription": {"text": rule.summary}});
            if !rule.help.is_empty() {
                insert(&mut value, "help", json!({"text": rule.help}));
            }
            value
        })
        .collect();
    let mut results: Vec<Value> = sheet.rows.iter().map(|row| result(row, sheet, base)).collect();
    results.extend(sheet.excepted.iter().map(|excepted| {
        let mut value = result(&excepted.row, sheet, base);
        let kind = if excepted.in_source { "inSource" } else { "external" };
        let suppression = json!({"kind": kind, "justification": excepted.reason});
        insert(&mut value, "suppressions", json!([suppression]));
        value
    }));
    let notifications: Vec<Value> = sheet
        .gaps
        .iter()
        .map(|(place, reason)| {
            json!({"level": "error", "message": {"text": format!("not read: {place}: {reason}")}})
        })
        .collect();
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "driftcheck",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "automationDetails": {"id": format!("driftcheck/{}/", sheet.kind)},
            "invocations": [{
                "executionSuccessful": sheet.gaps.is_empty(),
                "toolExecutionNotifications": notifications,
            }],
            "originalUriBaseIds": {base: {"description": {"text": match base {
                "SRCROOT" => "the top of the build files",
                _ => "the root of the target",
            }}}},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    document(&log, out)
}

fn insert(value: &mut Value, key: &str, item: Value) {
    if let Some(map) = value.as_object_mut() {
        map.insert(key.to_owned(), item);
    }
}

fn result(row: &Row, sheet: &Sheet, base: &str) -> Value {
    let text = if row.details.is_empty() {
        row.title.clone()
    } else {
        format!("{}\n{}", row.title, row.details.join("\n"))
    };
    let locations: Vec<Value> = row.places.iter().map(|place| location(place, base)).collect();
    let mut value = json!({
        "ruleId": row.rule,
        "level": level(row.severity),
        "message": {"text": message(&text)},
        "locations": locations,
        "partialFingerprints": {FINGERPRINT: row.fingerprint},
        "properties": {"severity": row.severity.as_str()},
    });
    if let Some(index) = sheet.rules.iter().position(|rule| rule.id == row.rule) {
        insert(&mut value, "ruleIndex", json!(index));
    }
    if let Some(fix) = &row.fix {
        let replacements: Vec<Value> = fix
            .replacements
            .iter()
            .map(|(part, text)| {
                json!({"deletedRegion": region(part), "insertedContent": {"text": text}})
            })
            .collect();
        let change = json!({
            "artifactLocation": artifact(&fix.path, base),
            "replacements": replacements,
        });
        let fix = json!({"description": {"text": fix.description}, "artifactChanges": [change]});
        insert(&mut value, "fixes", json!([fix]));
    }
    value
}

/// A plain text message may hold links, `[text](target)`: a name that looks like one is none
/// (section 3.11.6).
fn message(text: &str) -> String {
    if text.contains("](") { text.replace('[', "\\[").replace(']', "\\]") } else { text.to_owned() }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "note",
    }
}

fn location(place: &Place, base: &str) -> Value {
    match place {
        Place::File { path, region: part } => {
            let mut physical = Map::new();
            physical.insert("artifactLocation".to_owned(), artifact(path, base));
            if let Some(part) = part {
                physical.insert("region".to_owned(), region(part));
            }
            json!({"physicalLocation": physical})
        }
        Place::Named { name, kind } => {
            json!({"logicalLocations": [{"fullyQualifiedName": name, "kind": kind}]})
        }
    }
}

fn artifact(path: &[u8], base: &str) -> Value {
    json!({"uri": relative_uri(path), "uriBaseId": base})
}

fn region(region: &Region) -> Value {
    json!({
        "startLine": region.start_line,
        "startColumn": region.start_column,
        "endLine": region.end_line,
        "endColumn": region.end_column,
        "byteOffset": region.byte_offset,
        "byteLength": region.byte_length,
    })
}

/// A path as a relative URI reference (RFC 3986): unreserved characters and slashes stand as they
/// are, every other byte as `%XX`.
fn relative_uri(path: &[u8]) -> String {
    let path = path.strip_prefix(b"/").unwrap_or(path);
    let mut uri = String::with_capacity(path.len());
    for byte in path {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(*byte));
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    if uri.is_empty() { ".".to_owned() } else { uri }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::json::schema;
    use crate::report::testing::{self, golden, render, render_pins};

    /// The schema of the standard (errata 01), as OASIS publishes it.
    const OASIS: &str = "sarif-2.1.0.json";

    #[test]
    fn pins_as_sarif() {
        let text = render_pins(pins, false, View::PLAIN);
        golden("pins.sarif", &text);
        schema::check(OASIS, &text);
    }

    #[test]
    fn drift_as_sarif() {
        let text = render(drift, &testing::drift());
        golden("drift.sarif", &text);
        schema::check(OASIS, &text);
        schema::check(OASIS, &render(drift, &testing::clean()));
        let value: Value = serde_json::from_str(&text).unwrap();
        let run = &value["runs"][0];
        let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
        for result in run["results"].as_array().unwrap() {
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(rules[index]["id"], result["ruleId"]);
        }
    }

    #[test]
    fn names_are_no_links() {
        assert_eq!(message("a [b](c)"), "a \\[b\\](c)");
        assert_eq!(message("a [b]"), "a [b]");
    }

    #[test]
    fn uris_hold_any_path() {
        let check = |path: &[u8], expected: &str| assert_eq!(relative_uri(path), expected);
        check(b"/etc/motd", "etc/motd");
        check(b"/", ".");
        check(b"/a b%\xff#?", "a%20b%25%FF%23%3F");
        check("/grün".as_bytes(), "gr%C3%BCn");
    }
}
