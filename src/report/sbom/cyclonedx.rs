//! CycloneDX 1.6 as JSON (ECMA-424, <https://cyclonedx.org/docs/1.6/json/>).

use super::{Bill, Listed, uuid};
use crate::report::json::document;
use crate::report::{ShowReport, View};
use serde::Serialize;
use std::io::{self, Write};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bom {
    #[serde(rename = "$schema")]
    schema: &'static str,
    bom_format: &'static str,
    spec_version: &'static str,
    serial_number: String,
    version: u32,
    metadata: Metadata,
    components: Vec<Component>,
    dependencies: Vec<Dependency>,
}

#[derive(Serialize)]
struct Metadata {
    timestamp: String,
    tools: Tools,
    component: Component,
}

#[derive(Serialize)]
struct Tools {
    components: Vec<Component>,
}

#[derive(Default, Serialize)]
struct Component {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "bom-ref", skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    licenses: Vec<LicenseChoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purl: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    properties: Vec<Property>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<Evidence>,
}

#[derive(Serialize)]
struct LicenseChoice {
    license: License,
}

#[derive(Serialize)]
struct License {
    name: String,
}

#[derive(Serialize)]
struct Property {
    name: &'static str,
    value: String,
}

#[derive(Serialize)]
struct Evidence {
    occurrences: Vec<Occurrence>,
}

#[derive(Serialize)]
struct Occurrence {
    location: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dependency {
    #[serde(rename = "ref")]
    reference: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    depends_on: Vec<String>,
}

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
    let bom = Bom {
        schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
        bom_format: "CycloneDX",
        spec_version: "1.6",
        serial_number: format!("urn:uuid:{}", uuid(&manifest.id())),
        version: 1,
        metadata: Metadata {
            timestamp: manifest.header.scanned_at.to_string(),
            tools: Tools {
                components: vec![Component {
                    kind: "application",
                    name: "driftcheck".to_owned(),
                    version: Some(env!("CARGO_PKG_VERSION").to_owned()),
                    ..Component::default()
                }],
            },
            component: Component {
                kind: "platform",
                reference: Some(SYSTEM.to_owned()),
                name: manifest.header.name.clone(),
                description: Some(manifest.header.target.clone()),
                ..Component::default()
            },
        },
        dependencies: dependencies.collect(),
        components,
    };
    document(&bom, out)
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
            occurrences: vec![Occurrence { location: package.evidence.to_string() }],
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
