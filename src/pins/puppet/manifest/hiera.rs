//! Hiera's data beside a manifest: what its look-ups give unless a node has its own.

use crate::pins::hcl::value::{Text, Value};
use crate::pins::input::Origin;
use crate::pins::repository::{Repository, SourceFile};
use crate::pins::yaml::{self, Kind, Node};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The data of a module or of a control repository, by key.
pub(super) fn read(repository: &Repository, path: &str) -> Arc<BTreeMap<String, Value>> {
    let root = path.rsplit_once("manifests/").map_or("", |(root, _)| root);
    repository.prepared(&format!("puppet data {root}"), || {
        let mut found = BTreeMap::new();
        for folder in ["data", "hieradata"] {
            let names = repository.list(&format!("{root}{folder}"));
            for name in names.into_iter().filter(|name| name.starts_with("common.")).take(4) {
                let path = format!("{root}{folder}/{name}");
                let Some(bytes) = repository.read(&path) else { continue };
                let source = SourceFile::new(&path, bytes);
                for document in yaml::parse(&source.fragment()).documents {
                    for (key, value) in document.pairs() {
                        if let Some(key) = key.text() {
                            found.insert(key.to_owned(), data(value, &source, key, 0));
                        }
                    }
                }
            }
        }
        found
    })
}

/// A node of Hiera's data as a value.
fn data(node: &Node, source: &SourceFile, key: &str, depth: usize) -> Value {
    if depth > 8 {
        return Value::Unknown(None);
    }
    let below = depth.saturating_add(1);
    match node.kind() {
        Kind::Scalar { .. } if node.is_null() => Value::Null,
        Kind::Scalar { fragment, .. } if fragment.text().contains("%{") => Value::Unknown(None),
        Kind::Scalar { fragment, .. } => {
            let origin = Origin { name: format!("data `{key}`"), place: None, overridable: true };
            let text = Text::new(fragment.clone(), &source.path);
            Value::Text(Text { origin: Some(origin), ..text })
        }
        Kind::Sequence(items) => {
            Value::List(items.iter().map(|item| data(item, source, key, below)).collect())
        }
        Kind::Mapping(pairs) => {
            let entries = pairs.iter().filter_map(|(name, value)| {
                Some((name.text()?.to_owned(), data(value, source, key, below)))
            });
            Value::Object(entries.collect())
        }
    }
}
