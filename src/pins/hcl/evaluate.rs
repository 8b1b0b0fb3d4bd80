//! From expressions to values: literals, variables through their defaults and variable files,
//! locals, templates, loops over literal lists and the functions of [`super::functions`]. What a
//! run decides is [`Value::Either`] or [`Value::Unknown`], never silently fine. Strip markers
//! (`~}`) are not applied: blanks around a word change nothing of it.

use super::functions;
use super::module::Module;
use super::syntax::{Expr, Kind, Loop, Part, Step};
use super::value::{Text, Value, Word};
use crate::pins::environment::MAX_VALUE;
use crate::pins::input::Origin;
use crate::pins::repository::Repository;
use crate::pins::span::{Fragment, FragmentBuilder};
use std::cell::Cell;
use std::ops::Range;
use std::sync::Arc;

/// Expressions evaluated for one file: locals that double each other would never end.
const MAX_STEPS: usize = 200_000;

/// References through references.
const MAX_DEPTH: usize = 96;

/// A literal list longer than this is looped over for its first elements only.
const MAX_LOOP: usize = 256;

/// Evaluates the expressions of one file in its unit.
pub(in crate::pins) struct Evaluator<'a> {
    pub repository: &'a Repository,
    pub module: Arc<Module>,
    /// The file under audit.
    pub file: Arc<str>,
    steps: Cell<usize>,
}

/// Where an expression stands, and the names that are bound there.
#[derive(Clone, Copy)]
pub(super) struct Scope<'s> {
    pub file: &'s Arc<str>,
    pub names: &'s [(String, Value)],
    pub depth: usize,
}

impl<'a> Evaluator<'a> {
    /// For the expressions of `file`.
    pub fn new(repository: &'a Repository, module: Arc<Module>, file: &Arc<str>) -> Self {
        Self { repository, module, file: Arc::clone(file), steps: Cell::new(MAX_STEPS) }
    }

    /// The value of an expression of the file under audit.
    pub fn value(&self, expr: &Expr) -> Value {
        self.evaluate(expr, Scope { file: &self.file, names: &[], depth: 0 })
    }

    /// An expression as words to judge.
    pub fn words(&self, expr: &Expr) -> Vec<Word> {
        self.value(expr).words(&self.file, &super::module::inside(expr))
    }

    /// The first word of an expression.
    pub fn word(&self, expr: &Expr) -> Option<Word> {
        self.words(expr).into_iter().next()
    }

    /// The text of an expression, where it is known.
    pub fn text(&self, expr: &Expr) -> Option<String> {
        self.word(expr).map(|word| word.text).filter(|text| !text.contains(crate::pins::UNKNOWN))
    }

    /// Whether an expression is `true`.
    pub fn is_true(&self, expr: Option<&Expr>) -> bool {
        expr.is_some_and(|expr| self.text(expr).is_some_and(|text| text == "true"))
    }

    pub(super) fn evaluate(&self, expr: &Expr, scope: Scope<'_>) -> Value {
        let Some(left) = self.steps.get().checked_sub(1).filter(|_| scope.depth < MAX_DEPTH) else {
            return Value::Unknown(None);
        };
        self.steps.set(left);
        let scope = Scope { depth: scope.depth.saturating_add(1), ..scope };
        match &expr.kind {
            Kind::Null => Value::Null,
            Kind::Text(fragment) => Value::text(fragment.clone(), scope.file),
            Kind::Word(word) => Value::text(Fragment::opaque(word, expr.range.clone()), scope.file),
            Kind::Template(parts) => self.template(parts, scope),
            Kind::List(values) => {
                Value::List(values.iter().map(|value| self.evaluate(value, scope)).collect())
            }
            Kind::Object(entries) => Value::Object(
                entries
                    .iter()
                    .filter_map(|(key, value)| {
                        let name = match key.key() {
                            Some(name) => name.to_owned(),
                            None => match self.evaluate(key, scope) {
                                Value::Text(text) => text.text().to_owned(),
                                _ => return None,
                            },
                        };
                        Some((name, self.evaluate(value, scope)))
                    })
                    .collect(),
            ),
            Kind::Variable(name) => self.bound(name, scope).unwrap_or(Value::Unknown(None)),
            Kind::Access(base, steps) => self.access(base, steps, &expr.range, scope),
            Kind::Call(name, arguments) => functions::call(self, name, arguments, expr, scope),
            Kind::Conditional(condition, then, otherwise) => {
                match condition.literal() {
                    Some("true") => return self.evaluate(then, scope),
                    Some("false") => return self.evaluate(otherwise, scope),
                    _ => {}
                }
                let values = [then, otherwise].map(|branch| self.evaluate(branch, scope));
                Value::Either(values.into_iter().filter(|v| !matches!(v, Value::Null)).collect())
            }
            Kind::For(repeat) => self.repeat(repeat, scope),
            Kind::Other => Value::Unknown(None),
        }
    }

    fn bound(&self, name: &str, scope: Scope<'_>) -> Option<Value> {
        let found = scope.names.iter().rev().find(|(bound, _)| bound == name);
        found.map(|(_, value)| value.clone())
    }

    fn access(&self, base: &Expr, steps: &[Step], range: &Range<usize>, scope: Scope<'_>) -> Value {
        let Kind::Variable(root) = &base.kind else {
            let value = self.evaluate(base, scope);
            return self.project(value, steps, scope);
        };
        if let Some(value) = self.bound(root, scope) {
            return self.project(value, steps, scope);
        }
        let Some((Step::Name(name), rest)) = steps.split_first() else {
            return Value::Unknown(None);
        };
        let value = match root.as_str() {
            "var" => self.variable(name, range, scope),
            "local" => self.local(name, range, scope),
            "path" => {
                let folder = Fragment::opaque(".", range.clone());
                return Value::text(folder, scope.file);
            }
            _ => return Value::Unknown(None),
        };
        self.project(value, rest, scope)
    }

    fn variable(&self, name: &str, range: &Range<usize>, scope: Scope<'_>) -> Value {
        let label = format!("var.{name}");
        let Some(definition) = self.module.variables.get(name) else {
            return Value::Unknown(Some(Origin { name: label, place: None, overridable: true }));
        };
        let origin = self.module.origin(label, definition, true);
        let Some(value) = &definition.value else { return Value::Unknown(Some(origin)) };
        let inner = Scope { file: &definition.file, names: &[], depth: scope.depth };
        match self.evaluate(value, inner) {
            Value::Null => Value::Unknown(Some(origin)),
            Value::Text(text) if text.text().is_empty() => Value::Unknown(Some(origin)),
            value => value.referenced(&origin, range),
        }
    }

    fn local(&self, name: &str, range: &Range<usize>, scope: Scope<'_>) -> Value {
        let Some(definition) = self.module.locals.get(name) else { return Value::Unknown(None) };
        let Some(value) = &definition.value else { return Value::Unknown(None) };
        let origin = self.module.origin(format!("local.{name}"), definition, false);
        let inner = Scope { file: &definition.file, names: &[], depth: scope.depth };
        self.evaluate(value, inner).referenced(&origin, range)
    }

    pub(super) fn project(&self, value: Value, steps: &[Step], scope: Scope<'_>) -> Value {
        let Some((step, rest)) = steps.split_first() else { return value };
        if let Value::Either(values) = value {
            let values = values.into_iter().map(|value| self.project(value, steps, scope));
            return Value::Either(values.collect());
        }
        let next = match step {
            Step::Splat => {
                let values = value.elements().unwrap_or_else(|| vec![value]);
                let values = values.into_iter().map(|value| self.project(value, rest, scope));
                return Value::List(values.collect());
            }
            Step::Name(name) => self.pick(value, Some(name.clone())),
            Step::Index(index) => {
                let key = match self.evaluate(index, scope) {
                    // A key that can be another one picks any.
                    Value::Text(text) if !text.is_overridable() => Some(text.text().to_owned()),
                    _ => None,
                };
                self.pick(value, key)
            }
        };
        self.project(next, rest, scope)
    }

    /// An element by its key; all of them, where the key is not known.
    #[expect(clippy::unused_self, reason = "one of the evaluator's steps, beside the others")]
    pub(super) fn pick(&self, value: Value, key: Option<String>) -> Value {
        match (value, key) {
            (Value::Object(mut entries), Some(key)) => {
                match entries.iter().position(|(name, _)| *name == key) {
                    Some(at) => entries.swap_remove(at).1,
                    None => Value::Unknown(None),
                }
            }
            (Value::List(mut values), Some(key)) => match key.parse::<usize>() {
                Ok(at) if at < values.len() => values.swap_remove(at),
                _ => Value::Unknown(None),
            },
            (Value::Object(entries), None) => {
                Value::Either(entries.into_iter().map(|(_, value)| value).collect())
            }
            (Value::List(values), None) => Value::Either(values),
            (Value::Unknown(origin), _) => Value::Unknown(origin),
            _ => Value::Unknown(None),
        }
    }

    fn repeat(&self, repeat: &Loop, scope: Scope<'_>) -> Value {
        let values: Vec<Value> = self
            .bindings(&repeat.collection, repeat.key.as_deref(), &repeat.value, scope)
            .iter()
            .map(|names| self.evaluate(&repeat.body, Scope { names, ..scope }))
            .collect();
        if repeat.key_body.is_some() {
            let entries = values.into_iter().enumerate();
            return Value::Object(entries.map(|(at, value)| (at.to_string(), value)).collect());
        }
        Value::List(values)
    }

    /// The names in each round of a loop; one round with unknown names where the list is unknown.
    fn bindings(
        &self,
        collection: &Expr,
        key: Option<&str>,
        value: &str,
        scope: Scope<'_>,
    ) -> Vec<Vec<(String, Value)>> {
        let rounds: Vec<(Value, Value)> = match self.evaluate(collection, scope) {
            Value::List(values) => {
                values.into_iter().map(|value| (Value::Unknown(None), value)).collect()
            }
            Value::Object(entries) => entries
                .into_iter()
                .map(|(name, value)| {
                    let name = Fragment::opaque(&name, collection.range.clone());
                    (Value::text(name, scope.file), value)
                })
                .collect(),
            _ => vec![(Value::Unknown(None), Value::Unknown(None))],
        };
        let rounds = rounds.into_iter().take(MAX_LOOP).map(|(name, element)| {
            let mut names = scope.names.to_vec();
            names.extend(key.map(|key| (key.to_owned(), name)));
            names.push((value.to_owned(), element));
            names
        });
        rounds.collect()
    }

    /// A template as one text; a template that is one expression is that expression's value.
    pub(super) fn template(&self, parts: &[Part], scope: Scope<'_>) -> Value {
        if let [Part::Value(value, _)] = parts {
            return self.evaluate(value, scope);
        }
        let mut joined = Joined::new(scope.file);
        self.append(parts, scope, &mut joined);
        joined.finish()
    }

    fn append(&self, parts: &[Part], scope: Scope<'_>, joined: &mut Joined) {
        let scope = Scope { depth: scope.depth.saturating_add(1), ..scope };
        if scope.depth > MAX_DEPTH {
            return;
        }
        for (index, part) in parts.iter().enumerate() {
            match part {
                Part::Text(fragment) => joined.builder.append(fragment),
                Part::Value(expr, range) => {
                    let value = self.evaluate(expr, scope);
                    // A list's element, or one of several words, is reported where it stands.
                    let listed = matches!(&expr.kind, Kind::Variable(_) | Kind::Call(..))
                        || matches!(&value, Value::Text(t) if t.text().trim().contains(' '));
                    if listed && joined.at_word() && ends_word(parts.get(index.saturating_add(1))) {
                        joined.append(&value, range);
                    } else {
                        joined.splice(&value, range);
                    }
                }
                Part::Either(then, otherwise) => {
                    self.append(then, scope, joined);
                    self.append(otherwise, scope, joined);
                }
                Part::Repeat { key, value, collection, body } => {
                    for names in self.bindings(collection, key.as_deref(), value, scope) {
                        self.append(body, Scope { names: &names, ..scope }, joined);
                    }
                }
            }
        }
    }
}

/// Whether what follows begins with a blank, or nothing does.
fn ends_word(next: Option<&Part>) -> bool {
    match next {
        None => true,
        Some(Part::Text(fragment)) => fragment.text().starts_with([' ', '\t', '\n', '\r']),
        Some(_) => false,
    }
}

/// Text put together of several values, all ranges in one file.
pub(super) struct Joined {
    file: Arc<str>,
    pub builder: FragmentBuilder,
    spliced: Vec<(Range<usize>, Origin)>,
}

impl Joined {
    pub fn new(file: &Arc<str>) -> Self {
        let builder = FragmentBuilder::default();
        Self { file: Arc::clone(file), builder, spliced: Vec::new() }
    }

    /// Whether a word begins here.
    fn at_word(&self) -> bool {
        self.builder.text().is_empty() || self.builder.text().ends_with([' ', '\t', '\n'])
    }

    /// Appends a value that stands for the raw bytes `range`.
    pub fn splice(&mut self, value: &Value, range: &Range<usize>) {
        match value {
            Value::Null => {}
            Value::Text(text) => {
                if self.builder.text().len().saturating_add(text.text().len()) > MAX_VALUE {
                    self.builder.unknown(range.clone());
                    return;
                }
                self.builder.replaced(text.text(), range.clone());
                let origins = text.origin.iter().chain(text.spliced.iter().map(|(_, o)| o));
                if let Some(origin) = origins.into_iter().next() {
                    self.spliced.push((range.clone(), origin.clone()));
                }
            }
            Value::Unknown(origin) => {
                self.builder.unknown(range.clone());
                if let Some(origin) = origin {
                    self.spliced.push((range.clone(), origin.clone()));
                }
            }
            _ => self.builder.unknown(range.clone()),
        }
    }

    /// Appends a value with its own places, if it is written in the same file.
    pub fn append(&mut self, value: &Value, range: &Range<usize>) {
        match value {
            Value::Text(text)
                if text.file == self.file
                    && self.builder.text().len().saturating_add(text.text().len()) <= MAX_VALUE =>
            {
                self.builder.append(&text.fragment);
                self.spliced.extend(text.spliced.iter().cloned());
                if let Some(origin) = &text.origin {
                    self.spliced.push((text.fragment.raw_whole(), origin.clone()));
                }
            }
            other => self.splice(other, range),
        }
    }

    pub fn finish(self) -> Value {
        let mut text = Text::new(self.builder.finish(), &self.file);
        text.spliced = self.spliced;
        Value::Text(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::hcl::module::{Tool, read_file};
    use crate::pins::repository::SourceFile;
    use std::io::Write;
    use std::process::{Command, Stdio};

    /// What an expression comes to, unknown parts as `?`; several values with `|` between them.
    fn evaluated(files: &[(&str, &str)]) -> Vec<String> {
        let bytes = files.iter().map(|(path, text)| (*path, text.as_bytes()));
        let repository = Repository::of_files(bytes);
        let (path, text) = files[0];
        let source = SourceFile::new(path, text.as_bytes());
        let (body, faults) = read_file(&source);
        assert!(faults.is_empty(), "{faults:?}");
        let module = Module::around(&repository, path, Tool::Terraform);
        let evaluator = Evaluator::new(&repository, module, &source.path);
        let locals = body.blocks("locals").flat_map(|block| &block.body.attributes);
        let values = locals.map(|attribute| {
            let words = evaluator.words(&attribute.value).into_iter().map(|word| word.text);
            words.collect::<Vec<_>>().join("|").replace(crate::pins::UNKNOWN, "?")
        });
        values.collect()
    }

    fn check(expression: &str, expected: &str) {
        let text = format!(
            "locals {{\n  x = {expression}\n}}\nvariable \"v\" {{\n  default = \
             \"1.2\"\n}}\nvariable \"n\" {{}}\n"
        );
        assert_eq!(evaluated(&[("main.tf", &text)]), [expected], "{expression}");
    }

    #[test]
    fn what_a_run_decides_is_not_guessed() {
        check("var.v", "1.2");
        check("var.n", "?");
        check("var.missing", "?");
        check("\"a-${var.n}-b\"", "a-?-b");
        check("aws_instance.x.id", "");
        check("\"a-${aws_instance.x.id}\"", "a-?");
        check("var.n ? \"a\" : \"b\"", "a|b");
        check("{ a = \"1\", b = \"2\" }[var.n]", "1|2");
        check("lookup({ a = \"1\", b = \"2\" }, var.n)", "1|2");
        check("try(var.v, \"x\")", "1.2|x");
        check("sha256(\"a\")", "");
    }

    #[test]
    fn variable_files_give_values() {
        let main = "locals {\n  x = var.v\n}\nvariable \"v\" {\n  default = \"1\"\n}\n";
        assert_eq!(evaluated(&[("main.tf", main), ("terraform.tfvars", "v = \"2\"\n")]), ["2"]);
        assert_eq!(evaluated(&[("main.tf", main), ("x.auto.tfvars", "v = \"3\"\n")]), ["3"]);
        assert_eq!(evaluated(&[("main.tf", main), ("other.tfvars", "v = \"4\"\n")]), ["1"]);
    }

    /// The same expressions evaluated by Terraform itself.
    #[test]
    fn terraform_comes_to_the_same() {
        let expressions = [
            "\"a\\n\\t\\\"b\\\" \\u00e9 $${c} %%{d} 100%\"",
            "\"${\"a\"}-${var.v}\"",
            "join(\" \", [\"a\", var.v, \"c\"])",
            "join(\"\\n\", concat([\"a\"], [\"b\", \"c\"]))",
            "format(\"%s-%s-%d%%\", \"a\", var.v, 3)",
            "split(\",\", \"a,b,c\")[1]",
            "element([\"a\", \"b\"], 1)",
            "lookup({ a = \"1\", b = \"2\" }, \"b\")",
            "merge({ a = \"1\" }, { a = \"2\" }).a",
            "{ a = { b = [\"c\", \"d\"] } }.a.b[1]",
            "join(\",\", [for x in [\"a\", \"b\"] : \"<${x}>\"])",
            "join(\",\", [for k, x in { q = \"a\" } : \"${k}=${x}\"])",
            "join(\",\", [{ n = \"a\" }, { n = \"b\" }][*].n)",
            "upper(replace(\"a-b\", \"-\", \"_\"))",
            "trimspace(\"  a b \")",
            "trimprefix(\"v1.2\", \"v\")",
            "basename(\"a/b.sh\")",
            "templatefile(\"t.tftpl\", { a = \"1\", l = [\"x\", \"y\"] })",
            "file(\"t.txt\")",
            "<<EOT\n  a ${var.v}\n    b $${c}\nEOT",
            "<<-EOT\n    a\n      ${var.v} b\n\n    c\n  EOT",
            "<<-EOT\n    ${var.v} x\n     y\n    EOT",
            "chomp(<<-EOT\n\ta\n\tb\n  EOT\n  )",
        ];
        let template = "a=${a}\n%{ for x in l }${x};%{ endfor }\nend $${b}\n";
        let plain = "plain ${not} a template\n";
        let mut main = "variable \"v\" {\n  default = \"1.2\"\n}\nlocals {\n".to_owned();
        for (index, expression) in expressions.iter().enumerate() {
            main.push_str(&format!("  x{index} = {expression}\n"));
        }
        main.push_str("}\n");
        let files = [("main.tf", main.as_str()), ("t.tftpl", template), ("t.txt", plain)];
        let ours = evaluated(&files);
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let child = Command::new("terraform")
            .args(["console", "-no-color"])
            .current_dir(folder.path())
            .env("CHECKPOINT_DISABLE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut child) = child else {
            eprintln!("skipped: there is no terraform here");
            return;
        };
        let names: Vec<String> = (0..expressions.len()).map(|n| format!("local.x{n}")).collect();
        let question = format!("jsonencode([{}])\n", names.join(", "));
        child.stdin.take().unwrap().write_all(question.as_bytes()).unwrap();
        let answer = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&answer.stdout);
        // The console prints the JSON as a quoted string.
        let line = text.lines().find(|line| line.starts_with('"')).unwrap_or_default();
        let Ok(inner) = serde_json::from_str::<String>(line) else {
            eprintln!("skipped: terraform answers {text}");
            return;
        };
        let theirs: Vec<String> = serde_json::from_str(&inner).unwrap();
        for ((expression, ours), theirs) in expressions.iter().zip(&ours).zip(&theirs) {
            assert_eq!(ours, theirs, "{expression}");
        }
        assert_eq!(theirs.len(), expressions.len());
    }
}
