//! SPDX 2.3 as JSON (<https://spdx.github.io/spdx-spec/v2.3/>).

use super::{Bill, Listed, unread, uuid};
use crate::model::{ContentDigest, Timestamp};
use crate::report::json::document;
use crate::report::{ShowReport, View};
use serde::Serialize;
use std::io::{self, Write};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    spdx_version: &'static str,
    data_license: &'static str,
    #[serde(rename = "SPDXID")]
    id: &'static str,
    name: String,
    document_namespace: String,
    creation_info: CreationInfo,
    packages: Vec<Package>,
    relationships: Vec<Relationship>,
}

#[derive(Serialize)]
struct CreationInfo {
    created: String,
    creators: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Package {
    #[serde(rename = "SPDXID")]
    id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_info: Option<String>,
    download_location: &'static str,
    files_analyzed: bool,
    license_concluded: &'static str,
    license_declared: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    license_comments: Option<String>,
    copyright_text: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    primary_package_purpose: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_info: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_refs: Vec<ExternalRef>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExternalRef {
    reference_category: &'static str,
    reference_type: &'static str,
    reference_locator: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Relationship {
    spdx_element_id: String,
    relationship_type: &'static str,
    related_spdx_element: String,
}

const DOCUMENT: &str = "SPDXRef-DOCUMENT";
const SYSTEM: &str = "SPDXRef-System";
const UNKNOWN: &str = "NOASSERTION";

/// Writes the bill.
pub(in crate::report) fn write(
    report: &ShowReport<'_>,
    _: &View,
    out: &mut dyn Write,
) -> io::Result<()> {
    let manifest = report.manifest;
    let bill = Bill::new(manifest);
    let system = bill.system.as_ref();
    let mut packages = vec![Package {
        primary_package_purpose: Some("OPERATING-SYSTEM"),
        version_info: system.and_then(|system| system.version).map(str::to_owned),
        source_info: Some(manifest.header.target.clone()),
        ..package(SYSTEM.to_owned(), system.map_or(&manifest.header.name, |one| one.name))
    }];
    let mut relationships = vec![relation(DOCUMENT, "DESCRIBES", SYSTEM)];
    let ids: Vec<String> = bill.packages.iter().map(id).collect();
    for (listed, id) in bill.packages.iter().zip(&ids) {
        packages.push(described(listed, id));
        relationships.push(relation(SYSTEM, "CONTAINS", id));
        let needed = listed.needs.iter().filter_map(|index| ids.get(*index));
        relationships.extend(needed.map(|needed| relation(id, "DEPENDS_ON", needed)));
    }
    let created = Timestamp::from_seconds(manifest.header.scanned_at.seconds);
    let whole = Document {
        spdx_version: "SPDX-2.3",
        data_license: "CC0-1.0",
        id: DOCUMENT,
        name: manifest.header.name.clone(),
        document_namespace: format!("urn:uuid:{}", uuid(&manifest.id())),
        creation_info: CreationInfo {
            created: created.to_string(),
            creators: vec![concat!("Tool: driftcheck-", env!("CARGO_PKG_VERSION"))],
            comment: unread(manifest),
        },
        packages,
        relationships,
    };
    document(&whole, out)
}

/// Letters, digits, dots and dashes only; what is lost by that is made up for by a digest.
fn id(listed: &Listed<'_>) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    let key = &listed.package.key;
    let name: String = format!("{}-{}", key.manager, key.name).chars().map(plain).collect();
    format!("SPDXRef-{name}-{}", ContentDigest::of(listed.id.as_bytes()).short())
}

fn package(id: String, name: &str) -> Package {
    Package {
        id,
        name: name.to_owned(),
        version_info: None,
        download_location: UNKNOWN,
        files_analyzed: false,
        license_concluded: UNKNOWN,
        license_declared: UNKNOWN,
        license_comments: None,
        copyright_text: UNKNOWN,
        primary_package_purpose: None,
        source_info: None,
        external_refs: Vec::new(),
    }
}

fn described(listed: &Listed<'_>, id: &str) -> Package {
    let one = listed.package;
    let purl = Some(&one.purl).filter(|purl| !purl.is_empty());
    Package {
        version_info: Some(one.version.clone()).filter(|version| !version.is_empty()),
        license_comments: one.details.get("licence").map(|text| format!("recorded as: {text}")),
        source_info: Some(format!("installed, as {} says", one.evidence)),
        external_refs: purl
            .map(|purl| ExternalRef {
                reference_category: "PACKAGE-MANAGER",
                reference_type: "purl",
                reference_locator: purl.clone(),
            })
            .into_iter()
            .collect(),
        ..package(id.to_owned(), &one.key.name)
    }
}

fn relation(from: &str, kind: &'static str, to: &str) -> Relationship {
    Relationship {
        spdx_element_id: from.to_owned(),
        relationship_type: kind,
        related_spdx_element: to.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::written;
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_element_is_there_once() {
        let document = written(write);
        let packages = document["packages"].as_array().unwrap();
        let mut ids: BTreeSet<&str> =
            packages.iter().map(|one| one["SPDXID"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), packages.len());
        ids.insert(DOCUMENT);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
        assert!(ids.iter().all(|id| id.chars().all(is_plain)));
        for relation in document["relationships"].as_array().unwrap() {
            for side in ["spdxElementId", "relatedSpdxElement"] {
                assert!(ids.contains(relation[side].as_str().unwrap()), "{relation}");
            }
        }
    }
}
