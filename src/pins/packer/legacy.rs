//! Packer's older JSON templates, and the JSON files that give their variables values.
//!
//! A template expression (`{{user `x`}}`) becomes a reference to the variable; every other one is
//! made at run time.

use super::Template;
use crate::pins::audit::Audit;
use crate::pins::environment::Environment;
use crate::pins::hcl::syntax::{Attribute, Block, Body, Expr, Kind, Part, Step};
use crate::pins::hcl::{Evaluator, Module, Reader, inside, json, parse};
use crate::pins::repository::SourceFile;
use crate::pins::script::untemplated;
use crate::pins::span::{Fragment, FragmentBuilder};
use std::sync::Arc;

/// Whether a file is a template (`builders`, `provisioners`) or a variable file with an image.
pub(super) fn recognises(path: &str, head: &[u8]) -> bool {
    let path = untemplated(path);
    if !path.ends_with(".json") || path.ends_with(".tf.json") {
        return false;
    }
    let text = String::from_utf8_lossy(head);
    text.contains("\"builders\"")
        || text.contains("\"iso_checksum\"")
        || (text.contains("\"image_version\"") && text.contains("\"image_sku\""))
        || (text.contains("\"provisioners\"") && text.contains("\"type\""))
}

pub(super) fn read(file: &SourceFile, audit: &mut Audit<'_>) {
    let text = parse::text_of(&file.bytes);
    let (value, faults) = json::value(&text);
    for fault in faults {
        audit.gap(fault.reason, Some(fault.at));
    }
    let Some(value) = value else { return };
    let value = resolved(value, 0);
    let Some(top) = value.as_body() else { return };
    let repository = audit.repository();
    let module = Arc::new(Module::alone(file, variables(&top)));
    let evaluator = Evaluator::new(repository, module, &file.path);
    let mut template = Template(Reader { audit, evaluator });
    if top.get("builders").is_none() && top.get("provisioners").is_none() {
        template.values(&top);
        return;
    }
    for builder in list(&top, "builders") {
        let kind = template.evaluator.word(builder.get("type").unwrap_or(&value));
        let kind = kind.map(|word| word.text).unwrap_or_default();
        let name = builder.get("name").and_then(|name| template.evaluator.text(name));
        template.builder(&kind, &name.unwrap_or_else(|| kind.clone()), &builder);
    }
    let mut environment = Environment::default();
    environment.machine.directory = Some("/".to_owned());
    for provisioner in list(&top, "provisioners") {
        let Some(kind) = provisioner.get("type") else { continue };
        let name = kind.literal().unwrap_or_default().to_owned();
        template.provisioner(&name, &inside(kind), &provisioner, &mut environment);
    }
    for processor in list(&top, "post-processors") {
        if let Some(kind) = processor.get("type").and_then(Expr::literal) {
            template.post_processor(kind, &processor);
        }
    }
    if let Some(minimum) = template.word(&top, "min_packer_version") {
        let id = template.push(
            crate::pins::strength::Ecosystem::Tool,
            "packer",
            crate::pins::strength::Strength::Range,
            &minimum,
        );
        template.note(id, "a minimum");
    }
}

/// The objects of a list, lists in the list too.
fn list(body: &Body, name: &str) -> Vec<Body> {
    let Some(Expr { kind: Kind::List(values), .. }) = body.get(name) else { return Vec::new() };
    let mut found = Vec::new();
    for value in values {
        match &value.kind {
            Kind::List(inner) => found.extend(inner.iter().filter_map(Expr::as_body)),
            _ => found.extend(value.as_body()),
        }
    }
    found
}

/// `variables` as the block that a unit defines its variables by.
fn variables(top: &Body) -> Body {
    let Some(attribute) = top.attribute("variables") else { return Body::default() };
    let block = Block {
        keyword: "variables".to_owned(),
        keyword_range: attribute.name_range.clone(),
        labels: Vec::new(),
        body: attribute.value.as_body().unwrap_or_default(),
    };
    Body { attributes: Vec::<Attribute>::new(), blocks: vec![block] }
}

/// The same with template expressions taken apart.
fn resolved(expr: Expr, depth: usize) -> Expr {
    let depth = depth.saturating_add(1);
    let kind = match expr.kind {
        Kind::Text(fragment) if fragment.text().contains("{{") => templated(&fragment),
        Kind::List(values) if depth < 64 => {
            Kind::List(values.into_iter().map(|value| resolved(value, depth)).collect())
        }
        Kind::Object(entries) if depth < 64 => Kind::Object(
            entries.into_iter().map(|(key, value)| (key, resolved(value, depth))).collect(),
        ),
        other => other,
    };
    Expr { range: expr.range, kind }
}

fn templated(fragment: &Fragment) -> Kind {
    let text = fragment.text();
    let mut parts = Vec::new();
    let mut at = 0_usize;
    while let Some(rest) = text.get(at..) {
        let Some(start) = rest.find("{{") else { break };
        let Some(length) = rest.get(start..).and_then(|open| open.find("}}")) else { break };
        let from = at.saturating_add(start);
        let end = from.saturating_add(length).saturating_add(2);
        push_text(fragment, at..from, &mut parts);
        let inside = text.get(from.saturating_add(2)..end.saturating_sub(2)).unwrap_or_default();
        let range = fragment.raw_range(from..end);
        let kind = reference(inside);
        parts.push(Part::Value(Expr { range: range.clone(), kind }, range));
        at = end;
    }
    push_text(fragment, at..text.len(), &mut parts);
    Kind::Template(parts)
}

fn push_text(fragment: &Fragment, range: std::ops::Range<usize>, parts: &mut Vec<Part>) {
    if !range.is_empty() {
        let mut builder = FragmentBuilder::default();
        builder.append_range(fragment, range);
        parts.push(Part::Text(builder.finish()));
    }
}

/// `user `name``, `env `NAME``, `template_dir`; `.Path` and functions are made at run time.
fn reference(inside: &str) -> Kind {
    let words: Vec<&str> = inside.split_whitespace().collect();
    let root = |name: &str, rest: &str| {
        let base = Expr { range: 0..0, kind: Kind::Variable(name.to_owned()) };
        Kind::Access(Box::new(base), vec![Step::Name(rest.to_owned())])
    };
    match words.as_slice() {
        ["user", name] => root("var", name.trim_matches(['`', '"', '\\'])),
        ["template_dir" | "pwd"] => root("path", "root"),
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::inputs;

    #[test]
    fn templates() {
        let text = r#"{
  "variables": {"v": "1.2", "sum": ""},
  "builders": [
    {"type": "docker", "image": "debian:12"},
    {"type": "qemu", "iso_url": "https://e.org/a.iso", "iso_checksum": "{{user `sum`}}"},
    {"type": "amazon-ebs", "source_ami_filter": {"filters": {"name": "x*"}, "most_recent": true}}
  ],
  "provisioners": [
    {"type": "shell", "inline": ["apt-get install -y \"curl\" jq", "pip install a=={{user `v`}}"]},
    {"type": "shell", "scripts": ["{{template_dir}}/s/a.sh"], "execute_command": "{{.Vars}} sh {{.Path}}"}
  ]
}"#;
        let other = ("t/s/a.sh", "gem install rake\n");
        assert_eq!(
            inputs("t/x.json", text, &[other]),
            [
                "rake@:none|rake",
                "debian@12:floating|debian:12",
                "https://e.org/a.iso@…:unknown|{{user `sum`}}",
                "x*@most_recent:none|true",
                "curl@:none|curl",
                "jq@:none|jq",
                "a@==1.2:exact|a=={{user `v`}}",
            ]
        );
    }

    #[test]
    fn variable_files() {
        let text = r#"{"iso_url": "https://e.org/a.iso", "iso_checksum": "none"}"#;
        assert_eq!(inputs("v.json", text, &[]), ["https://e.org/a.iso@none:none|none"]);
    }
}
