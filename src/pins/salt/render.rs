//! A state's text as YAML, as far as its Jinja can be rendered without a minion: `set` and imports
//! give names, loops over literal lists are run, of every condition both branches stay.

use crate::pins::hcl::value::{Text, Value};
use crate::pins::input::Origin;
use crate::pins::jinja::{self, Found, Names, Piece};
use crate::pins::repository::{Repository, SourceFile, resolve};
use crate::pins::resource::either;
use crate::pins::span::{Fragment, FragmentBuilder};
use crate::pins::yaml::{self, Kind, Node};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Loops in loops, imports in imports.
const MAX_DEPTH: usize = 8;

/// Elements of a loop.
const MAX_ITEMS: usize = 200;

/// What loops may expand to.
const MAX_OUTPUT: usize = 2 * 1024 * 1024;

/// Files that one file imports, those that they import included.
const MAX_IMPORTS: usize = 100;

/// Pieces and elements of loops, over and over: loops in loops that write nothing would never end.
const MAX_STEPS: usize = 200_000;

/// Names of one file.
const MAX_NAMES: usize = 2000;

/// Renders a state.
pub(super) fn render(source: &Fragment, file: &SourceFile, repository: &Repository) -> Fragment {
    if !source.text().contains('{') {
        return source.clone();
    }
    let mut renderer = Renderer {
        source,
        file: Arc::clone(&file.path),
        repository,
        names: Locals::default(),
        out: FragmentBuilder::default(),
        depth: 0,
        imports: MAX_IMPORTS,
        steps: MAX_STEPS,
    };
    let pieces = jinja::pieces(source.text());
    renderer.run(&pieces);
    renderer.out.finish()
}

/// Names that a file sets.
#[derive(Clone, Default)]
struct Locals {
    values: BTreeMap<String, Value>,
    loops: Vec<(String, Value)>,
}

impl Names for Locals {
    fn name(&self, name: &str) -> Option<Found> {
        if let Some((_, value)) = self.loops.iter().rev().find(|(own, _)| own == name) {
            return Some(Found { value: value.clone(), element: true });
        }
        let value = self.values.get(name)?.clone();
        Some(Found { value, element: false })
    }

    fn call(&self, name: &str, arguments: &[Value]) -> Option<Value> {
        let function = name.trim_start_matches("salt.");
        match function {
            "pillar.get" | "config.get" | "grains.get" | "defaults.get" => {
                let key = match arguments.first() {
                    Some(Value::Text(text)) => text.text().to_owned(),
                    _ => String::new(),
                };
                let default = arguments.get(1).filter(|value| !matches!(value, Value::Null));
                let origin =
                    Origin { name: format!("{function} `{key}`"), place: None, overridable: true };
                Some(match default.cloned() {
                    Some(Value::Text(text)) => Value::Text(Text { origin: Some(origin), ..text }),
                    Some(Value::Object(entries)) if entries.iter().all(|(k, _)| k == "default") => {
                        let found = entries.into_iter().next().map(|(_, value)| value);
                        found.unwrap_or(Value::Unknown(Some(origin)))
                    }
                    Some(other) => other,
                    None => Value::Unknown(Some(origin)),
                })
            }
            "grains.filter_by" => match arguments.first() {
                // One of the platforms' entries.
                Some(Value::Object(entries)) => {
                    Some(either(entries.iter().map(|(_, value)| value.clone()).collect()))
                }
                _ => Some(Value::Unknown(None)),
            },
            _ => None,
        }
    }
}

struct Renderer<'r> {
    source: &'r Fragment,
    file: Arc<str>,
    repository: &'r Repository,
    names: Locals,
    out: FragmentBuilder,
    depth: usize,
    /// How many files may still be imported.
    imports: usize,
    /// How many pieces may still be looked at.
    steps: usize,
}

impl Renderer<'_> {
    fn run(&mut self, pieces: &[Piece]) {
        if self.depth > MAX_DEPTH {
            return;
        }
        let mut at = 0_usize;
        while let Some(piece) = pieces.get(at) {
            self.steps = self.steps.saturating_sub(1);
            if self.out.text().len() > MAX_OUTPUT || self.steps == 0 {
                return;
            }
            at = at.saturating_add(1);
            match piece {
                Piece::Literal(range) => self.out.append_range(self.source, range.clone()),
                Piece::Comment(_) => {}
                Piece::Expression(whole, inner) => self.expression(whole, inner),
                Piece::Statement(range) => {
                    let body = self.body(range);
                    let (keyword, rest) =
                        body.split_once(char::is_whitespace).unwrap_or((&body, ""));
                    match keyword {
                        "set" => {
                            let end = if rest.contains('=') {
                                at
                            } else {
                                // A block: its text is not followed.
                                matching(pieces, at, "set", "endset", self.source)
                            };
                            if end == at { self.set(range, rest) } else { at = end }
                        }
                        "from" | "import_yaml" | "import_json" | "import" | "load_yaml" => {
                            self.import(keyword, rest);
                        }
                        "macro" | "raw" => {
                            let end = format!("end{keyword}");
                            at = matching(pieces, at, keyword, &end, self.source);
                        }
                        "for" => {
                            let end = matching(pieces, at, "for", "endfor", self.source);
                            let inner = pieces.get(at..end.saturating_sub(1)).unwrap_or_default();
                            self.each(range, rest, inner);
                            at = end;
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    /// What stands in a statement, without the marks of whitespace control.
    fn body(&self, range: &Range<usize>) -> String {
        body_of(self.source, range)
    }

    fn evaluate(&self, range: Range<usize>) -> Found {
        jinja::evaluate(self.source, range, &self.file, &self.names)
    }

    /// `{% set name = expression %}`.
    fn set(&mut self, range: &Range<usize>, rest: &str) {
        let Some((name, _)) = rest.split_once('=') else { return };
        let text = self.source.get(range.clone());
        let Some(at) = text.find('=') else { return };
        let from = range.start.saturating_add(at).saturating_add(1);
        let to = range.end.saturating_sub(2);
        let value = self.evaluate(from..to.max(from)).value;
        let name = name.trim().to_owned();
        let value = match value {
            Value::Text(text) if text.origin.is_none() => {
                let origin = Origin { name: format!("`{name}`"), place: None, overridable: false };
                Value::Text(Text { origin: Some(origin), ..text })
            }
            other => other,
        };
        if self.names.values.len() < MAX_NAMES {
            self.names.values.insert(name, value);
        }
    }

    /// `from "x/map.jinja" import a with context`, `import_yaml "x.yaml" as a`.
    fn import(&mut self, keyword: &str, rest: &str) {
        let path = rest.trim().trim_start_matches(['"', '\'']);
        let Some(end) = path.find(['"', '\'']) else { return };
        let (path, rest) = path.split_at_checked(end).unwrap_or((path, ""));
        let words: Vec<&str> = rest
            .trim_start_matches(['"', '\''])
            .split([' ', ','])
            .filter(|word| !word.is_empty())
            .collect();
        let Some(found) = self.locate(path) else { return };
        let Some(left) = self.imports.checked_sub(1) else { return };
        self.imports = left;
        let Some(bytes) = self.repository.read(&found) else { return };
        let source = SourceFile::new(&found, bytes);
        let fragment = source.fragment();
        if keyword == "import_yaml" || keyword == "import_json" {
            let name = words.iter().skip_while(|word| **word != "as").nth(1);
            let document = yaml::parse(&fragment).documents.into_iter().next();
            if let (Some(name), Some(document)) = (name, document) {
                let value = value_of(&document, &source.path, 0);
                self.names.values.insert((*name).to_owned(), value);
            }
            return;
        }
        let mut inner = Renderer {
            source: &fragment,
            file: Arc::clone(&source.path),
            repository: self.repository,
            names: Locals::default(),
            out: FragmentBuilder::default(),
            depth: self.depth.saturating_add(1),
            imports: self.imports,
            steps: self.steps,
        };
        inner.run(&jinja::pieces(fragment.text()));
        self.imports = inner.imports;
        self.steps = inner.steps;
        let mut names = words.iter().skip_while(|word| **word != "import").skip(1).peekable();
        while let Some(name) = names.next() {
            if *name == "with" {
                break;
            }
            let mut known = *name;
            if names.peek() == Some(&&"as") {
                names.next();
                known = names.next().copied().unwrap_or(known);
            }
            if let Some(value) = inner.names.values.get(*name) {
                self.names.values.insert(known.to_owned(), value.clone());
            }
        }
    }

    /// A file of the state tree: from any folder above this one.
    fn locate(&self, path: &str) -> Option<String> {
        let mut from = self.file.to_string();
        for _ in 0..MAX_DEPTH {
            let candidate = resolve(&from, path)?;
            if self.repository.exists(&candidate) {
                return Some(candidate);
            }
            let (outer, _) = from.rsplit_once('/')?;
            from = outer.to_owned();
        }
        None
    }

    /// `{% for x in list %}`, `{% for k, v in map.items() %}`.
    fn each(&mut self, range: &Range<usize>, rest: &str, inner: &[Piece]) {
        let text = self.source.get(range.clone());
        let Some(at) = text.find(" in ") else { return };
        let names: Vec<String> = rest
            .split(" in ")
            .next()
            .unwrap_or_default()
            .split(',')
            .map(|name| name.trim().trim_matches(['(', ')']).to_owned())
            .collect();
        let from = range.start.saturating_add(at).saturating_add(4);
        let found = self.evaluate(from..range.end.saturating_sub(2).max(from)).value;
        let site = self.source.raw_range(range.clone());
        let items: Vec<Vec<Value>> = match found {
            Value::List(values) if !values.is_empty() => {
                values.into_iter().map(|value| vec![value]).collect()
            }
            Value::Object(entries) if !entries.is_empty() => {
                let each = entries.into_iter().map(|(key, value)| {
                    let key = Fragment::opaque(&key, site.clone());
                    vec![Value::text(key, &self.file), value]
                });
                each.collect()
            }
            _ => vec![vec![Value::Unknown(None); 2]],
        };
        self.depth = self.depth.saturating_add(1);
        self.steps = self.steps.saturating_sub(items.len());
        for item in items.into_iter().take(MAX_ITEMS) {
            let mark = self.names.loops.len();
            for (index, name) in names.iter().enumerate() {
                let value = item.get(index).cloned().unwrap_or(Value::Unknown(None));
                self.names.loops.push((name.clone(), value));
            }
            self.run(inner);
            self.names.loops.truncate(mark);
        }
        self.depth = self.depth.saturating_sub(1);
    }

    fn expression(&mut self, whole: &Range<usize>, inner: &Range<usize>) {
        let found = self.evaluate(inner.clone());
        let own = self.source.raw_range(whole.clone());
        if self.is_alone(whole) && !matches!(found.value, Value::Text(_)) {
            return;
        }
        let here = |text: &Text| {
            // An element of a loop is reported where it stands.
            let element = found.element && text.file == self.file && text.site.is_none();
            if element { text.fragment.raw_whole() } else { own.clone() }
        };
        match &found.value {
            Value::Text(text) if !text.text().contains('\n') => {
                let range = here(text);
                if found.element && text.file == self.file && text.site.is_none() {
                    self.out.append(&text.fragment);
                } else {
                    self.out.replaced(text.text(), range);
                }
            }
            Value::Either(values) => {
                let text = values.iter().find_map(|value| match value {
                    Value::Text(text) if !text.text().contains('\n') => Some(text),
                    _ => None,
                });
                match text {
                    Some(text) => self.out.replaced(text.text(), own),
                    None => self.out.unknown(own),
                }
            }
            Value::List(values) => {
                self.out.replaced("[", own.start..own.start);
                for value in values {
                    if let Value::Text(text) = value {
                        self.out.replaced(
                            &format!("'{}', ", text.text().replace('\'', "''")),
                            own.clone(),
                        );
                    } else {
                        self.out.unknown(own.clone());
                        self.out.replaced(", ", own.start..own.start);
                    }
                }
                self.out.replaced("]", own.end..own.end);
            }
            _ => self.out.unknown(own),
        }
    }

    /// Whether an expression is all that stands on its line.
    fn is_alone(&self, whole: &Range<usize>) -> bool {
        let text = self.source.text();
        let before = text.get(..whole.start).unwrap_or_default();
        let after = text.get(whole.end..).unwrap_or_default();
        // Only as far as blanks reach: a line may be long and hold many expressions.
        let blank = |c: &char| *c != '\n';
        before.chars().rev().take_while(blank).all(char::is_whitespace)
            && after.chars().take_while(blank).all(char::is_whitespace)
    }
}

fn body_of(source: &Fragment, range: &Range<usize>) -> String {
    let text = source.get(range.clone());
    let inner = text.strip_prefix("{%").and_then(|text| text.strip_suffix("%}")).unwrap_or(text);
    inner.trim_matches(['-', '+']).trim().to_owned()
}

/// The piece behind the end of a block whose start is right before `from`.
fn matching(pieces: &[Piece], from: usize, open: &str, close: &str, source: &Fragment) -> usize {
    let mut depth = 1_usize;
    for (index, piece) in pieces.iter().enumerate().skip(from) {
        let Piece::Statement(range) = piece else { continue };
        let body = body_of(source, range);
        let keyword = body.split_whitespace().next().unwrap_or_default();
        if keyword == open && !(open == "set" && body.contains('=')) {
            depth = depth.saturating_add(1);
        } else if keyword == close {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return index.saturating_add(1);
            }
        }
    }
    pieces.len()
}

/// A node of YAML as a value.
fn value_of(node: &Node, file: &Arc<str>, depth: usize) -> Value {
    if depth > MAX_DEPTH {
        return Value::Unknown(None);
    }
    let below = depth.saturating_add(1);
    match node.kind() {
        Kind::Scalar { .. } if node.is_null() => Value::Null,
        Kind::Scalar { fragment, .. } => Value::text(fragment.clone(), file),
        Kind::Sequence(items) => {
            Value::List(items.iter().map(|item| value_of(item, file, below)).collect())
        }
        Kind::Mapping(pairs) => {
            let entries = pairs.iter().filter_map(|(key, value)| {
                Some((key.text()?.to_owned(), value_of(value, file, below)))
            });
            Value::Object(entries.collect())
        }
    }
}
