//! Holds a document against a schema of `snapshots/schema/`: the part of JSON Schema 2020-12 that
//! our schemas use (`type enum const properties required additionalProperties items anyOf $ref`), and
//! what OASIS's schema of SARIF has besides, in its draft 7. A keyword that is not known here fails the test, so that no rule is believed to be checked that
//! is not.

use serde_json::Value;
use std::path::Path;

/// Fails with every place where `document` breaks the schema in that file.
pub(in crate::report) fn check(file: &str, document: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots/schema").join(file);
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let document: Value = serde_json::from_str(document).unwrap();
    let faults = validate(&schema, &schema, &document, "$");
    assert!(faults.is_empty(), "{file}:\n{}", faults.join("\n"));
}

fn validate(root: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if *schema == Value::Bool(true) {
        return faults;
    }
    for (keyword, rule) in schema.as_object().expect("a schema is an object") {
        match keyword.as_str() {
            "$schema" | "$id" | "$defs" | "definitions" | "title" | "description" | "default"
            | "format" => {}
            "type" if is_type(rule, value) => {}
            "type" => faults.push(format!("{at}: {value} is not of type {rule}")),
            "const" if rule == value => {}
            "const" => faults.push(format!("{at}: {value} is not {rule}")),
            "enum" if rule.as_array().unwrap().contains(value) => {}
            "enum" => faults.push(format!("{at}: {value} is none of {rule}")),
            "required" => {
                let missing =
                    rule.as_array().unwrap().iter().filter(|key| {
                        value.is_object() && value.get(key.as_str().unwrap()).is_none()
                    });
                faults.extend(missing.map(|key| format!("{at}: {key} is missing")));
            }
            "properties" => {
                for (key, rule) in rule.as_object().unwrap() {
                    if let Some(value) = value.get(key) {
                        faults.extend(validate(root, rule, value, &format!("{at}.{key}")));
                    }
                }
            }
            "additionalProperties" => {
                let known = schema.get("properties");
                for (key, value) in value.as_object().into_iter().flatten() {
                    if known.and_then(|known| known.get(key)).is_some() {
                        continue;
                    }
                    match rule {
                        Value::Bool(false) => faults.push(format!("{at}: {key} is not known")),
                        rule => faults.extend(validate(root, rule, value, &format!("{at}.{key}"))),
                    }
                }
            }
            "items" => {
                for (index, value) in value.as_array().into_iter().flatten().enumerate() {
                    faults.extend(validate(root, rule, value, &format!("{at}[{index}]")));
                }
            }
            "anyOf" => {
                let choices = rule.as_array().unwrap();
                if choices.iter().all(|rule| !validate(root, rule, value, at).is_empty()) {
                    faults.push(format!("{at}: {value} fits none of the choices"));
                }
            }
            "oneOf" => {
                let choices = rule.as_array().unwrap().iter();
                let fitting = choices.filter(|rule| validate(root, rule, value, at).is_empty());
                if fitting.count() != 1 {
                    faults.push(format!("{at}: {value} fits not one of the choices"));
                }
            }
            "minimum" | "maximum" => {
                let (own, limit) = (value.as_f64(), rule.as_f64().unwrap());
                let least = keyword == "minimum";
                if own.is_some_and(|own| if least { own < limit } else { own > limit }) {
                    faults.push(format!("{at}: {value} is beyond {limit}"));
                }
            }
            "minItems" => {
                let least = usize::try_from(rule.as_u64().unwrap()).unwrap();
                if value.as_array().is_some_and(|items| items.len() < least) {
                    faults.push(format!("{at}: fewer than {least} items"));
                }
            }
            "uniqueItems" => {
                let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
                if items.iter().enumerate().any(|(index, one)| items[..index].contains(one)) {
                    faults.push(format!("{at}: an item stands there twice"));
                }
            }
            "$ref" => {
                let pointer = rule.as_str().unwrap().strip_prefix('#').unwrap();
                let target = root.pointer(pointer).unwrap();
                faults.extend(validate(root, target, value, at));
            }
            other => panic!("{at}: the keyword {other} is not checked here"),
        }
    }
    faults
}

fn is_type(rule: &Value, value: &Value) -> bool {
    match rule {
        Value::Array(rules) => rules.iter().any(|rule| is_type(rule, value)),
        Value::String(name) => match name.as_str() {
            "null" => value.is_null(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_u64() || value.is_i64(),
            "number" => value.is_number(),
            "string" => value.is_string(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            other => panic!("no such type: {other}"),
        },
        _ => panic!("type is a name or a list of names"),
    }
}
