//! Methods, functions and operators of which recipes make their values.

use super::draft::Draft;
use super::{Evaluator, MAX_TEXT, children};
use crate::pins::hcl::value::{Text, Value};
use crate::pins::input::Origin;
use crate::pins::resource::{either, sited};
use crate::pins::span::{Fragment, FragmentBuilder, UNKNOWN};
use tree_sitter::Node;

impl<'e> Evaluator<'e> {
    pub(super) fn call(&self, node: Node<'e>, depth: usize) -> Value {
        let Some(method) = node.child_by_field_name("method") else { return Value::Unknown(None) };
        let name = self.source.text(method);
        let arguments = node.child_by_field_name("arguments");
        let arguments: Vec<Node<'e>> = arguments.map(children).unwrap_or_default();
        let Some(receiver) = node.child_by_field_name("receiver") else {
            return self.function(node, name, &arguments, depth);
        };
        if ["read", "fetch", "dig"].contains(&name)
            && let Some(path) = self.attribute_path(node, depth)
            && let Some(value) = self.names.attribute(&path)
        {
            return sited(value, &self.source.range(node));
        }
        if self.source.text(receiver) == "new_resource" {
            return match self.names.local(name) {
                Some((value, _)) => sited(value, &self.source.range(node)),
                None => {
                    let name = format!("property `{name}`");
                    Value::Unknown(Some(Origin { name, place: None, overridable: true }))
                }
            };
        }
        if name == "join" && self.source.text(receiver).ends_with("File") {
            return self.path(node, &arguments, depth);
        }
        let base = self.evaluate(receiver, depth);
        match name {
            "to_s" | "strip" | "freeze" | "dup" | "to_str" | "chomp" | "to_a" | "flatten"
            | "uniq" | "sort" | "compact" | "reject" | "select" | "to_sym" | "clone"
            | "reverse" | "squeeze" | "to_h" => base,
            "join" => {
                let separator = arguments.first().map(|first| self.evaluate(*first, depth));
                let separator = match &separator {
                    Some(Value::Text(text)) => text.text().to_owned(),
                    _ => String::new(),
                };
                self.list_joined(&base, &separator, node)
            }
            "split" => match base {
                Value::Text(text) if arguments.is_empty() => Value::List(
                    crate::pins::resource::split(&text, ' ').into_iter().map(Value::Text).collect(),
                ),
                _ => Value::Unknown(None),
            },
            "concat" | "push" | "union" => match (base, arguments.first()) {
                (base, Some(more)) => self.joined(base, self.evaluate(*more, depth), node),
                (base, None) => base,
            },
            "first" | "last" => match base {
                Value::List(values) => either(values),
                _ => Value::Unknown(None),
            },
            "keys" => match base {
                Value::Object(entries) => {
                    let at = self.source.range(node);
                    let keys = entries.into_iter().map(|(key, _)| {
                        Value::text(Fragment::opaque(&key, at.clone()), &self.source.file)
                    });
                    Value::List(keys.collect())
                }
                _ => Value::Unknown(None),
            },
            _ => Value::Unknown(None),
        }
    }

    /// A call without receiver.
    fn function(&self, node: Node<'e>, name: &str, arguments: &[Node<'e>], depth: usize) -> Value {
        match name {
            "lazy" => node
                .child_by_field_name("block")
                .and_then(|block| block.child_by_field_name("body"))
                .map_or(Value::Unknown(None), |body| self.evaluate(body, depth)),
            "value_for_platform" | "value_for_platform_family" => {
                let mut values = Vec::new();
                for argument in arguments {
                    match argument.kind() {
                        "pair" => {
                            let value = argument.child_by_field_name("value");
                            values.extend(value.map(|value| self.evaluate(value, depth)));
                        }
                        _ => {
                            if let Value::Object(entries) = self.evaluate(*argument, depth) {
                                values.extend(entries.into_iter().map(|(_, value)| value));
                            }
                        }
                    }
                }
                // `value_for_platform` has a hash of versions in each.
                let flat = values.into_iter().flat_map(|value| match value {
                    Value::Object(entries) => entries.into_iter().map(|(_, v)| v).collect(),
                    other => vec![other],
                });
                either(flat.collect())
            }
            _ if arguments.is_empty() => self
                .names
                .local(name)
                .map_or(Value::Unknown(None), |(value, _)| sited(value, &self.source.range(node))),
            _ => Value::Unknown(None),
        }
    }

    /// `File.join(…)`.
    fn path(&self, node: Node<'e>, arguments: &[Node<'e>], depth: usize) -> Value {
        let mut path = String::new();
        for argument in arguments {
            if !path.is_empty() && !path.ends_with('/') {
                path.push('/');
            }
            match self.evaluate(*argument, depth) {
                Value::Text(text) => path.push_str(text.text().trim_start_matches('/')),
                _ => path.push(UNKNOWN),
            }
        }
        let absolute = arguments.first().is_some_and(|first| {
            matches!(self.evaluate(*first, depth), Value::Text(text) if text.text().starts_with('/'))
        });
        let path = if absolute { format!("/{path}") } else { path };
        Value::text(Fragment::opaque(&path, self.source.range(node)), &self.source.file)
    }

    pub(super) fn binary(&self, node: Node<'e>, depth: usize) -> Value {
        let operator = node.child_by_field_name("operator").map(|node| self.source.text(node));
        let side = |field: &str| {
            node.child_by_field_name(field).map_or(Value::Null, |side| self.evaluate(side, depth))
        };
        match operator {
            Some("+" | "<<" | "|") => self.joined(side("left"), side("right"), node),
            Some("||" | "or") => match side("left") {
                known @ (Value::Text(_) | Value::List(_)) => known,
                Value::Unknown(Some(origin)) if origin.place.is_none() => {
                    from_outside(side("right"), &origin)
                }
                Value::Null => side("right"),
                other => either(vec![other, side("right")]),
            },
            Some("&&" | "and") => side("right"),
            _ => Value::Unknown(None),
        }
    }

    pub(super) fn joined(&self, one: Value, other: Value, node: Node<'e>) -> Value {
        match (one, other) {
            (Value::List(mut values), Value::List(more)) => {
                values.extend(more);
                Value::List(values)
            }
            (Value::List(mut values), other) => {
                values.push(other);
                Value::List(values)
            }
            (Value::Object(mut entries), Value::Object(more)) => {
                entries.extend(more);
                Value::Object(entries)
            }
            (Value::Text(one), Value::Text(other))
                if one.file == other.file
                    && one.site.is_none()
                    && other.site.is_none()
                    && one.fragment.raw_whole().end <= other.fragment.raw_whole().start =>
            {
                let mut builder = FragmentBuilder::default();
                builder.append(&one.fragment);
                builder.append(&other.fragment);
                let mut spliced = one.spliced;
                spliced.extend(other.spliced);
                Value::Text(Text { fragment: builder.finish(), spliced, ..other })
            }
            (one @ (Value::Text(_) | Value::Unknown(_)), other) => {
                let mut draft = Draft::new(&self.source.file);
                let site = self.source.range(node);
                draft.put(&one, &site);
                draft.put(&other, &site);
                draft.finish()
            }
            _ => Value::Unknown(None),
        }
    }

    fn list_joined(&self, value: &Value, separator: &str, node: Node<'e>) -> Value {
        let Value::List(values) = value else { return Value::Unknown(None) };
        // Words that stand in the file one behind the other keep their places.
        let mut builder = FragmentBuilder::default();
        let mut spliced = Vec::new();
        let site = self.source.range(node);
        for (index, value) in values.iter().enumerate() {
            if builder.text().len() > MAX_TEXT {
                return Value::Unknown(None);
            }
            if index > 0 {
                builder.replaced(separator, site.start..site.start);
            }
            match value {
                Value::Text(text) if text.file == self.source.file && text.site.is_none() => {
                    builder.append(&text.fragment);
                    spliced.extend(text.spliced.iter().cloned());
                }
                Value::Text(text) => {
                    builder.replaced(text.text(), site.clone());
                    spliced.extend(text.origin.iter().map(|o| (site.clone(), o.clone())));
                }
                _ => builder.unknown(site.clone()),
            }
        }
        Value::Text(Text { spliced, ..Text::new(builder.finish(), &self.source.file) })
    }
}

fn from_outside(value: Value, origin: &Origin) -> Value {
    match value {
        Value::Text(mut text) if text.origin.is_none() => {
            text.spliced.push((text.fragment.raw_whole(), origin.clone()));
            Value::Text(text)
        }
        other => other,
    }
}
