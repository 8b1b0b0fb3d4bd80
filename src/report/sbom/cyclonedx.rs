//! CycloneDX 1.6 as JSON (ECMA-424, <https://cyclonedx.org/docs/1.6/json/>).

use super::{Bill, Listed, unread, uuid};
use crate::report::json::document;
use crate::report::{ShowReport, View};
use serde::Serialize;
use std::io::{self, Write};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Bom {
    #[serde(rename = "$schema")]
    pub(super) schema: &'static str,
    pub(super) bom_format: &'static str,
    pub(super) spec_version: &'static str,
    pub(super) serial_number: String,
    pub(super) version: u32,
    pub(super) metadata: Metadata,
    pub(super) components: Vec<Component>,
    pub(super) dependencies: Vec<Dependency>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) compositions: Vec<Composition>,
}

/// Whether all is there that belongs to a component.
#[derive(Serialize)]
pub(super) struct Composition {
    aggregate: &'static str,
    assemblies: Vec<&'static str>,
}

#[derive(Serialize)]
pub(super) struct Metadata {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) timestamp: Option<String>,
    pub(super) tools: Tools,
    pub(super) component: Component,
}

#[derive(Serialize)]
pub(super) struct Tools {
    pub(super) components: Vec<Component>,
}

#[derive(Default, Serialize)]
pub(super) struct Component {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    #[serde(rename = "bom-ref", skip_serializing_if = "Option::is_none")]
    pub(super) reference: Option<String>,
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) licenses: Vec<LicenseChoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) purl: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) properties: Vec<Property>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) evidence: Option<Evidence>,
}

#[derive(Serialize)]
pub(super) struct LicenseChoice {
    license: License,
}

#[derive(Serialize)]
pub(super) struct License {
    name: String,
}

#[derive(Serialize)]
pub(super) struct Property {
    pub(super) name: &'static str,
    pub(super) value: String,
}

#[derive(Serialize)]
pub(super) struct Evidence {
    pub(super) occurrences: Vec<Occurrence>,
}

#[derive(Serialize)]
pub(super) struct Occurrence {
    pub(super) location: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) line: Option<usize>,
    #[serde(rename = "additionalContext", skip_serializing_if = "Option::is_none")]
    pub(super) context: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Dependency {
    #[serde(rename = "ref")]
    pub(super) reference: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) depends_on: Vec<String>,
}

/// Of the version that is written.
pub(super) const SCHEMA: &str = "http://cyclonedx.org/schema/bom-1.6.schema.json";

/// The component that everything belongs to.
const SYSTEM: &str = "system";

/// Writes the bill.
pub(in crate::report) fn write(
    report: &ShowReport<'_>,
    _: &View,
    out: &mut dyn Write,
) -> io::Result<()> {
    let manifest = report.manifest;
    let bill = Bill::new(manifest);
    let mut components: Vec<Component> = bill.packages.iter().map(component).collect();
    if let Some(system) = &bill.system {
        components.push(Component {
            kind: "operating-system",
            reference: Some("os".to_owned()),
            name: system.name.to_owned(),
            version: system.version.map(str::to_owned),
            description: system.description.map(str::to_owned),
            ..Component::default()
        });
    }
    let id = |index: &usize| bill.packages.get(*index).map(|needed| needed.id.clone());
    let dependencies = bill.packages.iter().map(|listed| Dependency {
        reference: listed.id.clone(),
        depends_on: listed.needs.iter().filter_map(id).collect(),
    });
    let unread = unread(manifest);
    let incomplete =
        unread.iter().map(|_| Composition { aggregate: "incomplete", assemblies: vec![SYSTEM] });
    let bom = Bom {
        schema: SCHEMA,
        bom_format: "CycloneDX",
        spec_version: "1.6",
        serial_number: format!("urn:uuid:{}", uuid(&manifest.id())),
        version: 1,
        metadata: Metadata {
            timestamp: Some(manifest.header.scanned_at.to_string()),
            tools: tools(),
            component: Component {
                kind: "platform",
                reference: Some(SYSTEM.to_owned()),
                name: manifest.header.name.clone(),
                description: Some(manifest.header.target.clone()),
                properties: unread
                    .iter()
                    .map(|text| Property { name: "driftcheck:gaps", value: text.clone() })
                    .collect(),
                ..Component::default()
            },
        },
        dependencies: dependencies.collect(),
        compositions: incomplete.collect(),
        components,
    };
    document(&bom, out)
}

/// The program that wrote the bill.
pub(super) fn tools() -> Tools {
    let own = Component {
        kind: "application",
        name: "driftcheck".to_owned(),
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        ..Component::default()
    };
    Tools { components: vec![own] }
}

fn component(listed: &Listed<'_>) -> Component {
    let package = listed.package;
    let mut properties = vec![
        Property { name: "driftcheck:manager", value: package.key.manager.clone() },
        Property { name: "driftcheck:state", value: package.state.clone() },
    ];
    let mut keep = |name, value: Option<&String>| {
        properties.extend(value.map(|value| Property { name, value: value.clone() }));
    };
    keep("driftcheck:architecture", package.key.architecture.as_ref());
    keep("driftcheck:instance", package.key.instance.as_ref());
    keep("driftcheck:origin", package.origin.as_ref());
    keep("driftcheck:source", package.details.get("source"));
    let licence = package.details.get("licence").filter(|text| !text.is_empty());
    Component {
        kind: "library",
        reference: Some(listed.id.clone()),
        name: package.key.name.clone(),
        version: Some(package.version.clone()).filter(|version| !version.is_empty()),
        description: None,
        licenses: licence
            .map(|name| LicenseChoice { license: License { name: name.clone() } })
            .into_iter()
            .collect(),
        purl: Some(package.purl.clone()).filter(|purl| !purl.is_empty()),
        properties,
        evidence: Some(Evidence {
            occurrences: vec![Occurrence {
                location: package.evidence.to_string(),
                line: None,
                context: None,
            }],
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::written;
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_reference_is_there_once() {
        let bom = written(write);
        assert_eq!(bom["specVersion"], "1.6");
        let components = bom["components"].as_array().unwrap();
        let references: BTreeSet<&str> =
            components.iter().map(|one| one["bom-ref"].as_str().unwrap()).collect();
        assert_eq!(references.len(), components.len());
        assert!(components.iter().any(|one| one["type"] == "library"));
        for dependency in bom["dependencies"].as_array().unwrap() {
            assert!(references.contains(dependency["ref"].as_str().unwrap()));
            for needed in dependency["dependsOn"].as_array().into_iter().flatten() {
                assert!(references.contains(needed.as_str().unwrap()));
            }
        }
    }
}
