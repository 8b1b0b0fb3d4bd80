//! The bill of inputs: everything that the build files take from outside, as CycloneDX 1.6.
//!
//! One component for each thing in one version, with every place that takes it as an occurrence.
//! How firmly it is held (the weakest of its places), where it comes from and who takes it are
//! properties. The same files give the same document.

use super::cyclonedx::{Bom, Component, Evidence, Metadata, Occurrence, Property, SCHEMA, tools};
use crate::model::ContentDigest;
use crate::pins::{Category, Input, PinInput, UNKNOWN, inventory};
use crate::report::json::document;
use crate::report::{Pins, View};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

/// Writes the bill.
pub(in crate::report) fn write(pins: &Pins<'_>, _: &View, out: &mut dyn Write) -> io::Result<()> {
    let mut groups: BTreeMap<(&str, String, String), Vec<&PinInput>> = BTreeMap::new();
    for judged in &pins.report.inputs {
        let input = &judged.input;
        let clean = |text: &str| text.replace(UNKNOWN, "\u{2026}");
        let key = (input.ecosystem.as_str(), clean(&input.subject), clean(&input.requested));
        groups.entry(key).or_default().push(judged);
    }
    let components: Vec<Component> = groups
        .into_iter()
        .map(|((ecosystem, name, version), inputs)| component(ecosystem, name, &version, &inputs))
        .collect();
    let serial = serde_json::to_vec(&components).map_err(io::Error::other)?;
    let bom = Bom {
        schema: SCHEMA,
        bom_format: "CycloneDX",
        spec_version: "1.6",
        serial_number: format!("urn:uuid:{}", uuid(&ContentDigest::of(&serial))),
        version: 1,
        metadata: Metadata {
            timestamp: None,
            tools: tools(),
            component: Component {
                kind: "application",
                reference: Some("build".to_owned()),
                name: "build files".to_owned(),
                ..Component::default()
            },
        },
        components,
        dependencies: Vec::new(),
        compositions: Vec::new(),
    };
    document(&bom, out)
}

fn component(ecosystem: &str, name: String, version: &str, inputs: &[&PinInput]) -> Component {
    let first = inputs.first().map(|judged| &judged.input);
    let weakest = inputs.iter().map(|judged| judged.input.held()).min();
    let required = inputs.iter().map(|judged| judged.required).max();
    let accepted = inputs.iter().all(|judged| judged.accepted);
    let mut properties =
        vec![Property { name: "driftcheck:ecosystem", value: ecosystem.to_owned() }];
    let mut keep = |name, value: Option<String>| {
        properties
            .extend(value.filter(|text| !text.is_empty()).map(|value| Property { name, value }));
    };
    keep("driftcheck:strength", weakest.map(|strength| strength.to_string()));
    keep("driftcheck:required", required.map(|strength| strength.to_string()));
    keep("driftcheck:accepted", Some(if accepted { "yes" } else { "no" }.to_owned()));
    keep("driftcheck:source", first.map(inventory::source));
    let consumers: BTreeSet<String> =
        inputs.iter().map(|judged| inventory::consumer(&judged.input)).collect();
    for consumer in consumers {
        keep("driftcheck:consumer", Some(consumer));
    }
    let origins: BTreeSet<&str> = inputs
        .iter()
        .filter_map(|judged| judged.input.origin.as_ref())
        .map(|origin| origin.name.as_str())
        .collect();
    for origin in origins {
        keep("driftcheck:value-from", Some(origin.to_owned()));
    }
    let occurrences = inputs.iter().map(|judged| Occurrence {
        location: judged.input.place.file.to_string(),
        line: Some(judged.input.place.start.line),
        context: Some(judged.input.carrier.to_owned()),
    });
    Component {
        kind: first.map_or("library", kind),
        reference: Some(format!("{ecosystem}/{name}@{version}")),
        name,
        version: Some(version.to_owned()).filter(|version| !version.is_empty()),
        purl: first.and_then(inventory::purl),
        properties,
        evidence: Some(Evidence { occurrences: occurrences.collect() }),
        ..Component::default()
    }
}

/// The standard's word for what an input delivers.
fn kind(input: &Input) -> &'static str {
    match input.ecosystem.category() {
        Category::ContainerImage => "container",
        Category::MachineImage => "operating-system",
        Category::Download => "file",
        Category::Tool | Category::Plugin => "application",
        Category::RepoSource => "platform",
        Category::OsPackage | Category::LangPackage | Category::Module | Category::VcsRef => {
            "library"
        }
    }
}

/// A UUID of version 8 (RFC 9562) out of a digest.
fn uuid(digest: &ContentDigest) -> String {
    let hex = digest.to_string();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-8{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::render_pins;
    use serde_json::Value;

    #[test]
    fn every_input_with_its_places() {
        let text = render_pins(write, true, View::PLAIN);
        let bom: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&bom["specVersion"], &bom["bomFormat"]), (&"1.6".into(), &"CycloneDX".into()));
        let components = bom["components"].as_array().unwrap();
        assert_eq!(components.len(), 2);
        let curl = &components[0];
        assert_eq!(curl["bom-ref"], "apt/curl@7.*");
        assert_eq!(curl["purl"], "pkg:deb/debian/curl");
        assert_eq!(curl["evidence"]["occurrences"][0]["location"], "images/Dockerfile");
        let property = |name: &str| {
            let all = curl["properties"].as_array().unwrap();
            all.iter().find(|one| one["name"] == name).map(|one| one["value"].clone())
        };
        assert_eq!(property("driftcheck:strength"), Some("none".into()));
        assert_eq!(property("driftcheck:source"), Some("the distribution's mirrors".into()));
        assert_eq!(property("driftcheck:value-from"), Some("ARG CURL".into()));
        assert!(bom["serialNumber"].as_str().unwrap().starts_with("urn:uuid:"));
    }
}
