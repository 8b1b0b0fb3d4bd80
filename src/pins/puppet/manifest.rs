//! A manifest: its resource declarations with their values, variables and parameters.

use super::lexer::{Kind, Token, tokens};
use super::resources;
use crate::pins::audit::Audit;
use crate::pins::environment::Environment;
use crate::pins::hcl::value::{Text, Value};
use crate::pins::input::Origin;
use crate::pins::repository::{Repository, SourceFile};
use crate::pins::resource::{Host, Manager, either, single_quoted, sited};
use crate::pins::span::{Fragment, FragmentBuilder, UNKNOWN};
use crate::pins::yaml::{self, Kind as YamlKind, Node};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Values in values, blocks in blocks.
const MAX_DEPTH: usize = 40;

/// Resources declared by one file.
const MAX_RESOURCES: usize = 20_000;

/// A longer text is unknown.
const MAX_TEXT: usize = 64 * 1024;

/// Elements of a loop.
const MAX_ITEMS: usize = 300;

/// What all references of one file bring along, in bytes: lists of lists that double would never
/// end.
const MAX_COPIED: usize = 32 * 1024 * 1024;

/// Statements and elements of loops in one file: loops in loops would never end.
const MAX_STEPS: usize = 300_000;

/// A longer expression in a string is none.
const MAX_REFERENCE: usize = 1000;

/// A resource as it is declared.
pub(super) struct Resource {
    /// One title or several.
    pub title: Value,
    pub at: Range<usize>,
    pub attributes: Vec<(String, Value)>,
}

impl Resource {
    /// An attribute that is given.
    pub fn get(&self, names: &[&str]) -> Option<&Value> {
        let found = names.iter().find_map(|name| {
            self.attributes.iter().rev().find(|(own, _)| own == name).map(|(_, value)| value)
        });
        found.filter(|value| !matches!(value, Value::Null))
    }
}

/// Reads the manifest.
pub(super) fn read(file: &SourceFile, audit: &mut Audit<'_>) {
    let fragment = file.fragment();
    let text = fragment.text().to_owned();
    let tokens = tokens(&text);
    let mut environment = Environment::default();
    let variables = hiera(audit.repository(), &file.path);
    let mut manifest = Manifest {
        fragment: &fragment,
        text: &text,
        tokens: &tokens,
        at: 0,
        environment: &mut environment,
        audit,
        variables: BTreeMap::new(),
        copied: Cell::new(0),
        elements: Vec::new(),
        hiera: variables,
        class: String::new(),
        platform: None,
        defaults: BTreeMap::new(),
        count: 0,
        steps: 0,
    };
    manifest.statements(0, None);
    if manifest.count > MAX_RESOURCES || manifest.steps > MAX_STEPS {
        manifest.audit.gap("judging it takes too much work: the rest was not judged", None);
    }
}

/// The data of a module or of a control repository, by key.
fn hiera(repository: &Repository, path: &str) -> Arc<BTreeMap<String, Value>> {
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
        YamlKind::Scalar { .. } if node.is_null() => Value::Null,
        YamlKind::Scalar { fragment, .. } if fragment.text().contains("%{") => Value::Unknown(None),
        YamlKind::Scalar { fragment, .. } => {
            let origin = Origin { name: format!("data `{key}`"), place: None, overridable: true };
            let text = Text::new(fragment.clone(), &source.path);
            Value::Text(Text { origin: Some(origin), ..text })
        }
        YamlKind::Sequence(items) => {
            Value::List(items.iter().map(|item| data(item, source, key, below)).collect())
        }
        YamlKind::Mapping(pairs) => {
            let entries = pairs.iter().filter_map(|(name, value)| {
                Some((name.text()?.to_owned(), data(value, source, key, below)))
            });
            Value::Object(entries.collect())
        }
    }
}

pub(super) struct Manifest<'m, 'a> {
    fragment: &'m Fragment,
    text: &'m str,
    tokens: &'m [Token],
    at: usize,
    pub environment: &'m mut Environment,
    pub audit: &'m mut Audit<'a>,
    variables: BTreeMap<String, Value>,
    copied: Cell<usize>,
    elements: Vec<(String, Value)>,
    hiera: Arc<BTreeMap<String, Value>>,
    class: String,
    /// The package manager of the platforms that the branch is for.
    pub platform: Option<Manager>,
    /// Defaults of a type: `Package { ensure => latest }`.
    defaults: BTreeMap<String, Vec<(String, Value)>>,
    count: usize,
    steps: usize,
}

impl<'a> Manifest<'_, 'a> {
    pub fn host(&mut self) -> Host<'_, 'a> {
        Host { environment: self.environment, audit: self.audit }
    }

    fn token(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at.saturating_add(ahead))
    }

    fn word(&self, ahead: usize) -> &str {
        self.token(ahead).and_then(|token| self.text.get(token.range.clone())).unwrap_or_default()
    }

    fn is(&self, ahead: usize, symbol: &str) -> bool {
        self.token(ahead).is_some_and(|token| token.kind == Kind::Symbol)
            && self.word(ahead) == symbol
    }

    fn take(&mut self, symbol: &str) -> bool {
        let found = self.is(0, symbol);
        if found {
            self.at = self.at.saturating_add(1);
        }
        found
    }

    fn range(&self, ahead: usize) -> Range<usize> {
        let range = self.token(ahead).map(|token| token.range.clone()).unwrap_or_default();
        self.fragment.raw_range(range)
    }

    /// Passes over a bracket and everything in it.
    fn skip_group(&mut self) {
        let mut depth = 0_usize;
        while let Some(token) = self.token(0) {
            if token.kind == Kind::Symbol {
                match self.word(0) {
                    "(" | "{" | "[" => depth = depth.saturating_add(1),
                    ")" | "}" | "]" => depth = depth.saturating_sub(1),
                    _ => {}
                }
            }
            self.at = self.at.saturating_add(1);
            if depth == 0 {
                return;
            }
        }
    }

    /// Statements up to a closing brace or the end.
    fn statements(&mut self, depth: usize, end: Option<usize>) {
        while self.token(0).is_some() && end.is_none_or(|end| self.at < end) {
            self.steps = self.steps.saturating_add(1);
            if self.count > MAX_RESOURCES || self.steps > MAX_STEPS || depth > MAX_DEPTH {
                return;
            }
            if self.is(0, "}") {
                self.at = self.at.saturating_add(1);
                if end.is_none() && depth > 0 {
                    return;
                }
                continue;
            }
            self.statement(depth);
        }
    }

    fn statement(&mut self, depth: usize) {
        let Some(token) = self.token(0).cloned() else { return };
        let word = self.word(0).to_owned();
        match token.kind {
            Kind::Variable if self.is(1, "=") || self.is(1, "+=") => {
                self.at = self.at.saturating_add(2);
                let value = self.value(0);
                let name = word.trim_start_matches('$').trim_start_matches(':').to_owned();
                self.define(&name, value);
            }
            Kind::Name
                if ["class", "define", "plan"].contains(&word.as_str())
                    && self.token(1).is_some_and(|token| token.kind == Kind::Name) =>
            {
                self.class = self.word(1).to_owned();
                self.at = self.at.saturating_add(2);
                if self.is(0, "(") {
                    self.parameters();
                }
                while self.token(0).is_some() && !self.is(0, "{") && !self.is(0, "}") {
                    self.at = self.at.saturating_add(1);
                }
                if self.take("{") {
                    self.statements(depth.saturating_add(1), None);
                }
            }
            Kind::Name if ["if", "elsif", "unless"].contains(&word.as_str()) => {
                self.condition(depth, word == "unless");
            }
            Kind::Name if word == "else" && self.is(1, "{") => {
                self.at = self.at.saturating_add(2);
                self.statements(depth.saturating_add(1), None);
            }
            Kind::Name if word == "case" => {
                while self.token(0).is_some() && !self.is(0, "{") {
                    self.at = self.at.saturating_add(1);
                }
                self.at = self.at.saturating_add(1);
                self.cases(depth.saturating_add(1));
            }
            Kind::Name if self.is(1, "{") && is_type(&word) => self.resource(&word),
            Kind::Name if word.starts_with(char::is_uppercase) && self.is(1, "{") => {
                // `Package { ensure => latest }`.
                self.at = self.at.saturating_add(2);
                let attributes = self.attributes();
                self.take("}");
                self.defaults.insert(word.to_ascii_lowercase(), attributes);
            }
            Kind::Name
                if ["ensure_packages", "ensure_resource", "stdlib::ensure_packages"]
                    .contains(&word.as_str())
                    && self.is(1, "(") =>
            {
                self.ensured(&word);
            }
            Kind::Symbol | Kind::Variable if self.is_loop() => self.each(depth),
            _ => self.at = self.at.saturating_add(1),
        }
    }

    /// Gives a variable a value; another branch's value stands beside it.
    fn define(&mut self, name: &str, value: Value) {
        let value = match value {
            Value::Text(text) if text.origin.is_none() => {
                let place = (text.site.is_none() && text.file == self.audit.file().path)
                    .then(|| self.audit.place(text.fragment.raw_whole()));
                let origin = Some(Origin { name: format!("${name}"), place, overridable: false });
                Value::Text(Text { origin, ..text })
            }
            other => other,
        };
        let value = match self.variables.remove(name) {
            Some(before) => either(vec![before, value]),
            None => value,
        };
        self.variables.insert(name.to_owned(), value);
    }

    /// Parameters of a class with their defaults.
    fn parameters(&mut self) {
        self.at = self.at.saturating_add(1);
        while self.token(0).is_some() && !self.is(0, ")") {
            let variable = self.token(0).is_some_and(|token| token.kind == Kind::Variable);
            if variable && self.is(1, "=") {
                let name = self.word(0).trim_start_matches('$').to_owned();
                self.at = self.at.saturating_add(2);
                let value = match self.value(0) {
                    Value::Text(text) => {
                        let here = text.site.is_none() && text.file == self.audit.file().path;
                        let place = here.then(|| self.audit.place(text.fragment.raw_whole()));
                        let name = format!("parameter ${name}");
                        let origin = Some(Origin { name, place, overridable: true });
                        Value::Text(Text { origin, ..text })
                    }
                    other => other,
                };
                self.variables.insert(name, value);
            } else if variable {
                // Required, or given by the module's data.
                let name = self.word(0).trim_start_matches('$').to_owned();
                let key = format!("{}::{name}", self.class);
                if let Some(value) = self.hiera.get(&key).cloned() {
                    self.variables.insert(name, value);
                }
                self.at = self.at.saturating_add(1);
            } else if self.is(0, "[") || self.is(0, "{") || self.is(0, "(") {
                self.skip_group();
            } else {
                self.at = self.at.saturating_add(1);
            }
        }
        self.at = self.at.saturating_add(1);
    }

    fn condition(&mut self, depth: usize, negated: bool) {
        let start = self.token(0).map_or(0, |token| token.range.end);
        while self.token(0).is_some() && !self.is(0, "{") {
            self.at = self.at.saturating_add(1);
        }
        let end = self.token(0).map_or(start, |token| token.range.start);
        let condition = self.text.get(start..end).unwrap_or_default();
        let other = negated || condition.contains('!');
        let before = self.platform;
        self.platform = Manager::of_condition(condition).filter(|_| !other).or(before);
        if self.take("{") {
            self.statements(depth.saturating_add(1), None);
        }
        self.platform = before;
    }

    /// `'Debian', 'Ubuntu': { … }`.
    fn cases(&mut self, depth: usize) {
        while self.token(0).is_some() && !self.is(0, "}") && depth < MAX_DEPTH {
            let start = self.token(0).map_or(0, |token| token.range.start);
            while self.token(0).is_some() && !(self.is(0, ":") && self.is(1, "{")) {
                if self.is(0, "}") {
                    return;
                }
                self.at = self.at.saturating_add(1);
            }
            let end = self.token(0).map_or(start, |token| token.range.start);
            let before = self.platform;
            let options = self.text.get(start..end).unwrap_or_default();
            self.platform = Manager::of_condition(options).or(before);
            self.at = self.at.saturating_add(2);
            self.statements(depth, None);
            self.platform = before;
        }
        self.at = self.at.saturating_add(1);
    }

    /// Whether a list or a variable with `.each |$x| {` begins here.
    fn is_loop(&self) -> bool {
        if self.token(0).is_some_and(|token| token.kind == Kind::Variable) {
            return self.is(1, ".") && self.word(2) == "each";
        }
        self.is(0, "[") && {
            let mut depth = 0_usize;
            let mut at = 0_usize;
            loop {
                match self.token(at) {
                    Some(token) if token.kind == Kind::Symbol => match self.word(at) {
                        "[" => depth = depth.saturating_add(1),
                        "]" => depth = depth.saturating_sub(1),
                        _ => {}
                    },
                    Some(_) => {}
                    None => return false,
                }
                at = at.saturating_add(1);
                if depth == 0 || at > 2000 {
                    break;
                }
            }
            self.is(at, ".") && self.word(at.saturating_add(1)) == "each"
        }
    }

    /// `[…].each |$x| { … }`.
    fn each(&mut self, depth: usize) {
        let value = if self.is(0, "[") {
            self.list(0)
        } else {
            let name = self.word(0).to_owned();
            self.at = self.at.saturating_add(1);
            self.variable(&name, &self.range(0))
        };
        let mut names = Vec::new();
        while self.token(0).is_some() && !self.is(0, "{") && !self.is(0, "}") {
            if self.token(0).is_some_and(|token| token.kind == Kind::Variable) {
                names.push(self.word(0).trim_start_matches('$').to_owned());
            }
            self.at = self.at.saturating_add(1);
        }
        if !self.take("{") {
            return;
        }
        let body = self.at;
        let items: Vec<Vec<Value>> = match value {
            Value::List(values) if !values.is_empty() => {
                values.into_iter().map(|value| vec![value]).collect()
            }
            Value::Object(entries) if !entries.is_empty() => {
                let at = self.fragment.raw_range(body..body);
                let file = Arc::clone(&self.audit.file().path);
                let each = entries.into_iter().map(|(key, value)| {
                    let key = Value::text(crate::pins::resource::made(&key, &at), &file);
                    vec![key, value]
                });
                each.collect()
            }
            _ => vec![vec![Value::Unknown(None); 2]],
        };
        self.steps = self.steps.saturating_add(items.len());
        for item in items.into_iter().take(MAX_ITEMS) {
            self.at = body;
            let mark = self.elements.len();
            for (index, name) in names.iter().enumerate() {
                let value = item.get(index).cloned().unwrap_or(Value::Unknown(None));
                self.elements.push((name.clone(), value));
            }
            self.statements(depth.saturating_add(1), None);
            self.elements.truncate(mark);
        }
    }

    /// `type { title: attributes; title: attributes }`.
    fn resource(&mut self, kind: &str) {
        self.at = self.at.saturating_add(2);
        let reader = resources::reader_of(kind);
        while self.token(0).is_some() && !self.is(0, "}") {
            let at = self.range(0);
            let title = self.value(0);
            if !self.take(":") {
                // A hash, or something that is no resource after all.
                return;
            }
            let mut attributes = self.defaults.get(kind).cloned().unwrap_or_default();
            attributes.extend(self.attributes());
            self.count = self.count.saturating_add(1);
            if let Some(reader) = reader {
                let resource = Resource { title, at, attributes };
                reader(self, &resource);
            }
            self.take(";");
        }
        self.take("}");
    }

    fn attributes(&mut self) -> Vec<(String, Value)> {
        let mut found = Vec::new();
        while self.token(0).is_some() && !self.is(0, "}") && !self.is(0, ";") {
            if self.is(1, "=>") || self.is(1, "+>") {
                let name = self.word(0).to_owned();
                self.at = self.at.saturating_add(2);
                let value = self.value(0);
                if name == "*" {
                    if let Value::Object(entries) = value {
                        found.extend(entries);
                    }
                } else {
                    found.push((name, value));
                }
            } else {
                self.at = self.at.saturating_add(1);
            }
        }
        found
    }

    /// `ensure_packages(['a', 'b'], {'ensure' => …})`, `ensure_resource('package', 'a', {…})`.
    fn ensured(&mut self, function: &str) {
        self.at = self.at.saturating_add(2);
        let mut arguments = Vec::new();
        let mut at = self.range(0);
        while self.token(0).is_some() && !self.is(0, ")") && arguments.len() < 4 {
            if function == "ensure_resource" && arguments.len() == 1 {
                at = self.range(0);
            }
            arguments.push(self.value(0));
            if !self.take(",") {
                break;
            }
        }
        self.take(")");
        if function == "ensure_resource" {
            let kind = arguments.first().cloned();
            if !matches!(kind, Some(Value::Text(text)) if text.text() == "package") {
                return;
            }
            arguments.remove(0);
        }
        let mut arguments = arguments.into_iter();
        let title = arguments.next().unwrap_or(Value::Null);
        let attributes = match arguments.next() {
            Some(Value::Object(entries)) => entries,
            Some(Value::Unknown(name)) => vec![("ensure".to_owned(), Value::Unknown(name))],
            _ => Vec::new(),
        };
        if let Some(reader) = resources::reader_of("package") {
            // A hash of packages, each with its attributes.
            if let Value::Object(packages) = title {
                for (name, own) in packages {
                    let file = Arc::clone(&self.audit.file().path);
                    let title = Value::text(crate::pins::resource::made(&name, &at), &file);
                    let own = if let Value::Object(own) = own { own } else { Vec::new() };
                    let resource = Resource { title, at: at.clone(), attributes: own };
                    reader(self, &resource);
                }
                return;
            }
            reader(self, &Resource { title, at, attributes });
        }
    }

    /// A value: as far as it is a literal, a known variable or a choice of such.
    fn value(&mut self, depth: usize) -> Value {
        if depth > MAX_DEPTH {
            self.at = self.at.saturating_add(1);
            return Value::Unknown(None);
        }
        let start = self.at;
        let mut value = self.primary(depth);
        loop {
            if self.take("?") {
                value = self.selector(depth);
            } else if self.is(0, "[") && self.is_index(start) {
                self.at = self.at.saturating_add(1);
                let key = self.value(depth.saturating_add(1));
                self.take("]");
                value = match (value, key) {
                    (Value::Object(entries), Value::Text(key)) => {
                        let found = entries.into_iter().find(|(name, _)| name == key.text());
                        found.map_or(Value::Unknown(None), |(_, value)| value)
                    }
                    _ => Value::Unknown(None),
                };
            } else if self.is(0, ".") {
                self.at = self.at.saturating_add(2);
                if self.is(0, "(") {
                    self.skip_group();
                }
                if self.is(0, "|") {
                    while self.token(0).is_some() && !self.is(0, "{") {
                        self.at = self.at.saturating_add(1);
                    }
                    self.skip_group();
                }
                value = Value::Unknown(None);
            } else if self.take("+") {
                let other = self.value(depth.saturating_add(1));
                value = match (value, other) {
                    (Value::List(mut values), Value::List(more)) => {
                        values.extend(more);
                        Value::List(values)
                    }
                    (Value::Object(mut entries), Value::Object(more)) => {
                        entries.extend(more);
                        Value::Object(entries)
                    }
                    _ => Value::Unknown(None),
                };
            } else {
                return value;
            }
        }
    }

    /// `$x['a']` without a blank between: a list after a value begins something else.
    fn is_index(&self, start: usize) -> bool {
        let before = self.at.checked_sub(1).filter(|before| *before >= start);
        let end = before.and_then(|before| self.tokens.get(before)).map(|token| token.range.end);
        self.token(0).is_some_and(|token| Some(token.range.start) == end)
    }

    fn primary(&mut self, depth: usize) -> Value {
        let Some(token) = self.token(0).cloned() else { return Value::Unknown(None) };
        let file = Arc::clone(&self.audit.file().path);
        let word = self.word(0).to_owned();
        match token.kind {
            Kind::Single => {
                self.at = self.at.saturating_add(1);
                Value::text(single_quoted(&self.fragment.slice(token.range)), &file)
            }
            Kind::Double => {
                self.at = self.at.saturating_add(1);
                self.interpolated(&token.range)
            }
            Kind::Variable => {
                self.at = self.at.saturating_add(1);
                let site = self.fragment.raw_range(token.range);
                self.variable(&word, &site)
            }
            Kind::Symbol if word == "[" => self.list(depth),
            Kind::Symbol if word == "{" => self.hash(depth),
            Kind::Symbol if word == "(" => {
                self.at = self.at.saturating_add(1);
                let value = self.value(depth.saturating_add(1));
                if self.take(")") {
                    return value;
                }
                while self.token(0).is_some() && !self.is(0, ")") {
                    self.at = self.at.saturating_add(1);
                }
                self.at = self.at.saturating_add(1);
                Value::Unknown(None)
            }
            Kind::Name if word == "undef" => {
                self.at = self.at.saturating_add(1);
                Value::Null
            }
            Kind::Name if self.is(1, "(") => {
                self.at = self.at.saturating_add(1);
                self.function(&word, depth)
            }
            Kind::Name if word == "if" || word == "case" => {
                // A branch as a value: which one is decided at run time.
                while self.token(0).is_some() && !self.is(0, "{") {
                    self.at = self.at.saturating_add(1);
                }
                self.skip_group();
                while self.word(0) == "elsif" || self.word(0) == "else" {
                    while self.token(0).is_some() && !self.is(0, "{") {
                        self.at = self.at.saturating_add(1);
                    }
                    self.skip_group();
                }
                Value::Unknown(None)
            }
            Kind::Name if word.starts_with(char::is_uppercase) => {
                self.at = self.at.saturating_add(1);
                if self.is(0, "[") {
                    self.skip_group();
                }
                Value::Unknown(None)
            }
            Kind::Name => {
                self.at = self.at.saturating_add(1);
                Value::text(self.fragment.slice(token.range), &file)
            }
            Kind::Symbol => {
                self.at = self.at.saturating_add(1);
                Value::Unknown(None)
            }
        }
    }

    /// Functions that choose or default: `pick($a, 'b')`, `lookup('key', default_value => 'x')`.
    fn function(&mut self, name: &str, depth: usize) -> Value {
        if !["pick", "pick_default", "lookup", "hiera", "join", "concat", "flatten", "unique"]
            .contains(&name)
        {
            self.skip_group();
            return Value::Unknown(None);
        }
        self.at = self.at.saturating_add(1);
        let mut arguments = Vec::new();
        while self.token(0).is_some() && !self.is(0, ")") {
            arguments.push(self.value(depth.saturating_add(1)));
            if !self.take(",") {
                break;
            }
        }
        let mut open = 1_usize;
        while self.token(0).is_some() && open > 0 {
            open = match self.word(0) {
                "(" if self.is(0, "(") => open.saturating_add(1),
                ")" if self.is(0, ")") => open.saturating_sub(1),
                _ => open,
            };
            self.at = self.at.saturating_add(1);
        }
        let mut arguments = arguments.into_iter();
        let first = arguments.next().unwrap_or(Value::Null);
        match name {
            "lookup" | "hiera" => {
                let known = match &first {
                    Value::Text(key) => self.hiera.get(key.text()).cloned(),
                    _ => None,
                };
                known.unwrap_or(Value::Unknown(None))
            }
            "pick" | "pick_default" => match first {
                Value::Unknown(_) | Value::Null => arguments.next_back().unwrap_or(Value::Null),
                known => known,
            },
            "concat" => match first {
                Value::List(mut values) => {
                    for more in arguments {
                        match more {
                            Value::List(more) => values.extend(more),
                            other => values.push(other),
                        }
                    }
                    Value::List(values)
                }
                other => other,
            },
            "flatten" | "unique" => first,
            _ => Value::Unknown(None),
        }
    }

    fn list(&mut self, depth: usize) -> Value {
        self.at = self.at.saturating_add(1);
        let mut values = Vec::new();
        while self.token(0).is_some() && !self.is(0, "]") {
            let before = self.at;
            if self.take(",") {
                continue;
            }
            values.push(self.value(depth.saturating_add(1)));
            if self.at == before {
                self.at = self.at.saturating_add(1);
            }
        }
        self.at = self.at.saturating_add(1);
        Value::List(values)
    }

    fn hash(&mut self, depth: usize) -> Value {
        self.at = self.at.saturating_add(1);
        let mut entries = Vec::new();
        while self.token(0).is_some() && !self.is(0, "}") {
            if self.take(",") {
                continue;
            }
            let key = self.value(depth.saturating_add(1));
            if self.take("=>") {
                let value = self.value(depth.saturating_add(1));
                if let Value::Text(key) = key {
                    entries.push((key.text().to_owned(), value));
                }
            } else if !self.is(0, ",") && !self.is(0, "}") {
                self.at = self.at.saturating_add(1);
            }
        }
        self.at = self.at.saturating_add(1);
        Value::Object(entries)
    }

    /// `? { 'a' => 'x', default => 'y' }`.
    fn selector(&mut self, depth: usize) -> Value {
        if !self.is(0, "{") {
            return Value::Unknown(None);
        }
        match self.hash(depth) {
            Value::Object(entries) => either(entries.into_iter().map(|(_, value)| value).collect()),
            other => other,
        }
    }

    fn variable(&self, word: &str, site: &Range<usize>) -> Value {
        let name = word.trim_start_matches('$').trim_start_matches("::");
        if let Some((_, value)) = self.elements.iter().rev().find(|(own, _)| own == name) {
            return value.clone();
        }
        let local = name.strip_prefix(&format!("{}::", self.class)).unwrap_or(name);
        let known = self.variables.get(local).or_else(|| self.hiera.get(name));
        match known {
            Some(value) => {
                let copied = self.copied.get().saturating_add(value.size());
                if copied > MAX_COPIED {
                    return Value::Unknown(None);
                }
                self.copied.set(copied);
                sited(value.clone(), site)
            }
            None => {
                let name = format!("${name}");
                Value::Unknown(Some(Origin { name, place: None, overridable: true }))
            }
        }
    }

    /// A double-quoted string: `$x`, `${x}`, escapes.
    fn interpolated(&self, range: &Range<usize>) -> Value {
        let file = &self.audit.file().path;
        let text = self.text.get(range.clone()).unwrap_or_default();
        if !text.contains(['$', '\\']) {
            return Value::text(self.fragment.slice(range.clone()), file);
        }
        let mut builder = FragmentBuilder::default();
        let mut spliced = Vec::new();
        let mut at = 0_usize;
        let mut element: Option<Text> = None;
        while let Some(skip) = text.get(at..).and_then(|rest| rest.find(['$', '\\'])) {
            let from = at.saturating_add(skip);
            let whole = |from: usize, to: usize| {
                range.start.saturating_add(from)..range.start.saturating_add(to)
            };
            builder.append_range(self.fragment, whole(at, from));
            let rest = text.get(from..).unwrap_or_default();
            if rest.starts_with('\\') {
                let next = rest.chars().nth(1);
                let length = 1_usize.saturating_add(next.map_or(0, char::len_utf8));
                let decoded = match next {
                    Some('n') => "\n".to_owned(),
                    Some('t') => "\t".to_owned(),
                    Some('s') => " ".to_owned(),
                    Some('\n') => String::new(),
                    Some(other) => other.to_string(),
                    None => String::new(),
                };
                let raw = self.fragment.raw_range(whole(from, from.saturating_add(length)));
                builder.replaced(&decoded, raw);
                at = from.saturating_add(length);
                continue;
            }
            let (name, length) = reference(rest);
            if name.is_empty() {
                builder.append_range(self.fragment, whole(from, from.saturating_add(1)));
                at = from.saturating_add(1);
                continue;
            }
            let end = from.saturating_add(length);
            let site = self.fragment.raw_range(whole(from, end));
            let whole_string = from == 0 && end == text.len();
            let value = self.variable(&name, &site);
            match value {
                value if whole_string => return value,
                Value::Text(value) if builder.text().len() < MAX_TEXT => {
                    builder.replaced(value.text(), site.clone());
                    if value.site.is_none() && value.origin.is_none() {
                        element.get_or_insert(value);
                    } else {
                        spliced.extend(value.origin.map(|origin| (site, origin)));
                    }
                }
                _ => builder.unknown(site),
            }
            at = end;
        }
        let start = range.start.saturating_add(at);
        builder.append_range(self.fragment, start..range.end);
        let fragment = builder.finish();
        if let Some(element) = element {
            let own = element.fragment.raw_whole();
            let fragment = Fragment::opaque(fragment.text(), own);
            return Value::Text(Text::new(fragment, &element.file));
        }
        Value::Text(Text { spliced, ..Text::new(fragment, file) })
    }
}

/// `${name}`, `$name`, and how long it is; an expression has no name but its length.
fn reference(text: &str) -> (String, usize) {
    if let Some(rest) = text.strip_prefix("${") {
        let near = rest.get(..rest.floor_char_boundary(MAX_REFERENCE)).unwrap_or_default();
        let Some(end) = near.find('}') else { return (String::new(), 0) };
        let inner = rest.get(..end).unwrap_or_default().trim().trim_start_matches('$');
        let plain = inner.chars().all(|c| c.is_alphanumeric() || c == '_' || c == ':');
        let name = if plain { inner.to_owned() } else { UNKNOWN.to_string() };
        return (name, end.saturating_add(3));
    }
    let rest = text.get(1..).unwrap_or_default();
    let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
    let name = rest.get(..length.unwrap_or(rest.len())).unwrap_or_default().trim_end_matches(':');
    (name.to_owned(), name.len().saturating_add(1))
}

/// Words before a brace that are no resource's type.
fn is_type(word: &str) -> bool {
    word.starts_with(|c: char| c.is_lowercase() || c == ':')
        && ![
            "else", "if", "unless", "case", "default", "inherits", "node", "true", "false",
            "undef", "in", "and", "or",
        ]
        .contains(&word)
}
