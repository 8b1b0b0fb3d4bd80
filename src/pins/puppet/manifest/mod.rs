//! A manifest: its resource declarations with their values, variables and parameters.

mod hiera;
mod values;

use super::lexer::{Kind, Token, tokens};
use super::resources;
use crate::pins::audit::Audit;
use crate::pins::environment::Environment;
use crate::pins::hcl::value::{Text, Value};
use crate::pins::input::Origin;
use crate::pins::repository::SourceFile;
use crate::pins::resource::{Host, Manager, either};
use crate::pins::span::Fragment;
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
    let variables = hiera::read(audit.repository(), &file.path);
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
