//! HCL's native syntax into bodies: `hcl-edit` reads one item at a time.
//!
//! An item that does not parse is a [`Fault`] with its place; if it is a block, its inside is read
//! item by item, so that one broken attribute costs only itself.

use super::decode::{self, Piece};
use super::split::{self, Item};
use super::syntax::{Attribute, Block, Body, Expr, Kind, Loop, Part, Step};
use crate::pins::span::{Fragment, FragmentBuilder};
use hcl_edit::Span;
use hcl_edit::expr::{Expression, ForExpr, ObjectKey, TraversalOperator};
use hcl_edit::structure::{BlockLabel, Structure};
use hcl_edit::template::{Directive, Element, Template};
use std::borrow::Cow;
use std::ops::Range;

/// A larger item is not parsed: the parser's tree takes some hundred bytes for each of its.
const MAX_ITEM: usize = 600 * 1024;

/// What is parsed of one file all together, for the same reason.
const MAX_BODY: usize = 2 * 1024 * 1024;

/// An item with more `=` and `:` is not parsed: the parser compares each key of an object with
/// all before it.
const MAX_KEYS: usize = 20_000;

/// Blocks in blocks whose inside is read on its own after an error.
const MAX_RESCUE_DEPTH: usize = 6;

/// More faults of one file are not told apart.
const MAX_FAULTS: usize = 20;

/// A part that does not parse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::pins) struct Fault {
    /// Raw offset.
    pub at: usize,
    pub reason: String,
}

/// A file's bytes as text of the same length: what is no UTF-8 becomes question marks, a byte
/// order mark blanks.
pub(in crate::pins) fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes)
        && !text.starts_with('\u{feff}')
    {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '?'));
    }
    if let Some(rest) = text.strip_prefix('\u{feff}') {
        text = format!("   {rest}");
    }
    Cow::Owned(text)
}

/// Reads a file; `wanted` chooses its top items by their first word.
pub(in crate::pins) fn body(text: &str, wanted: impl Fn(&str) -> bool) -> (Body, Vec<Fault>) {
    let mut reader = Reader { text, faults: Vec::new() };
    let mut body = Body::default();
    let mut room = MAX_BODY;
    for item in split::items(text, 0..text.len()) {
        let first = text.get(item.range.clone()).unwrap_or_default();
        let word = first
            .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-'))
            .next()
            .unwrap_or_default();
        if wanted(word) {
            let Some(left) = room.checked_sub(first.len()) else {
                let reason = format!("holds more than {MAX_BODY} bytes: the rest was not read");
                reader.fault(item.range.start, reason);
                break;
            };
            room = left;
            reader.item(&item, &mut body, 0);
        }
    }
    (body, reader.faults)
}

/// Reads a template file (`templatefile`); `None` where it does not parse.
pub(in crate::pins) fn template(text: &str) -> Option<Vec<Part>> {
    if text.len() > MAX_ITEM {
        return None;
    }
    let template = hcl_edit::parser::parse_template(text).ok()?;
    Some(Lower { text, offset: 0 }.template(&template, None))
}

struct Reader<'t> {
    text: &'t str,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    fn fault(&mut self, at: usize, reason: impl Into<String>) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(Fault { at, reason: reason.into() });
        }
    }

    fn item(&mut self, item: &Item, into: &mut Body, depth: usize) {
        let source = self.text.get(item.range.clone()).unwrap_or_default();
        let start = item.range.start;
        let keys = source.bytes().filter(|byte| matches!(byte, b'=' | b':')).count();
        let small = source.len() <= MAX_ITEM && keys <= MAX_KEYS;
        let error = if small {
            match hcl_edit::parser::parse_body(source) {
                Ok(body) => {
                    Lower { text: source, offset: start }.body(&body, into);
                    return;
                }
                Err(error) => {
                    let offset = error.location().offset().min(source.len());
                    let reason = error.message().lines().next().unwrap_or_default().to_owned();
                    Fault { at: start.saturating_add(offset), reason }
                }
            }
        } else {
            let reason = "is too large to be parsed: it was passed over".to_owned();
            Fault { at: start, reason }
        };
        let rescued = item.body.as_ref().filter(|_| depth < MAX_RESCUE_DEPTH);
        let Some((inside, mut block)) =
            rescued.and_then(|inside| Some((inside, self.header(start, inside.start)?)))
        else {
            self.fault(error.at, error.reason);
            return;
        };
        let before = self.faults.len();
        for inner in split::items(self.text, inside.clone()) {
            self.item(&inner, &mut block.body, depth.saturating_add(1));
        }
        if self.faults.len() == before {
            self.fault(error.at, error.reason);
        }
        into.blocks.push(block);
    }

    /// The header of a block whose body did not parse.
    fn header(&self, start: usize, inside: usize) -> Option<Block> {
        let source = format!("{}}}", self.text.get(start..inside)?);
        let body = hcl_edit::parser::parse_body(&source).ok()?;
        let mut lowered = Body::default();
        Lower { text: &source, offset: start }.body(&body, &mut lowered);
        lowered.blocks.pop()
    }
}

/// From `hcl-edit`'s tree to ours. `offset` is where `text` stands in the file.
struct Lower<'t> {
    text: &'t str,
    offset: usize,
}

impl Lower<'_> {
    fn range(&self, span: Option<Range<usize>>) -> Range<usize> {
        let span = span.unwrap_or(0..0);
        span.start.saturating_add(self.offset)..span.end.saturating_add(self.offset)
    }

    fn body(&self, body: &hcl_edit::structure::Body, into: &mut Body) {
        for structure in body {
            match structure {
                Structure::Attribute(attribute) => into.attributes.push(Attribute {
                    name: attribute.key.as_str().to_owned(),
                    name_range: self.range(attribute.key.span()),
                    value: self.expression(&attribute.value),
                }),
                Structure::Block(block) => {
                    let mut lowered = Block {
                        keyword: block.ident.as_str().to_owned(),
                        keyword_range: self.range(block.ident.span()),
                        labels: block.labels.iter().map(|label| self.label(label)).collect(),
                        body: Body::default(),
                    };
                    self.body(&block.body, &mut lowered.body);
                    into.blocks.push(undynamic(lowered));
                }
            }
        }
    }

    fn label(&self, label: &BlockLabel) -> (String, Range<usize>) {
        let range = self.range(label.span());
        match label {
            BlockLabel::Ident(name) => (name.as_str().to_owned(), range),
            BlockLabel::String(text) => {
                let inside = range.start.saturating_add(1)..range.end.saturating_sub(1);
                (text.as_str().to_owned(), inside)
            }
        }
    }

    fn boxed(&self, expression: &Expression) -> Box<Expr> {
        Box::new(self.expression(expression))
    }

    fn expression(&self, expression: &Expression) -> Expr {
        let range = self.range(expression.span());
        let kind = match expression {
            Expression::Null(_) => Kind::Null,
            Expression::Bool(value) => Kind::Word(value.to_string()),
            Expression::Number(value) => Kind::Word(value.value().to_string()),
            Expression::String(value) => return self.string(value.as_str(), range),
            Expression::Array(array) => {
                Kind::List(array.iter().map(|element| self.expression(element)).collect())
            }
            Expression::Object(object) => Kind::Object(
                object
                    .iter()
                    .map(|(key, value)| (self.key(key), self.expression(value.expr())))
                    .collect(),
            ),
            Expression::StringTemplate(template) => {
                let elements = template.iter().flat_map(|element| self.element(element, true));
                Kind::Template(elements.collect())
            }
            Expression::HeredocTemplate(heredoc) => {
                let dedent = self.is_indented(&range);
                let parts = self.template(&heredoc.template, dedent.then_some(()));
                return Expr { range, kind: simplified(parts) };
            }
            Expression::Parenthesis(inner) => return self.expression(inner.inner()),
            Expression::Variable(name) => Kind::Variable(name.as_str().to_owned()),
            Expression::Conditional(conditional) => Kind::Conditional(
                self.boxed(&conditional.cond_expr),
                self.boxed(&conditional.true_expr),
                self.boxed(&conditional.false_expr),
            ),
            Expression::FuncCall(call) => Kind::Call(
                call.name.name.as_str().to_owned(),
                call.args.iter().map(|argument| self.expression(argument)).collect(),
            ),
            Expression::Traversal(traversal) => {
                let steps = traversal.operators.iter().map(|step| self.step(step.value()));
                Kind::Access(self.boxed(&traversal.expr), steps.collect())
            }
            Expression::UnaryOp(_) | Expression::BinaryOp(_) => Kind::Other,
            Expression::ForExpr(repeat) => Kind::For(Box::new(self.repeat(repeat))),
        };
        Expr { range, kind }
    }

    fn string(&self, decoded: &str, range: Range<usize>) -> Expr {
        let inside = range.start.saturating_add(1)..range.end.saturating_sub(1);
        let raw = self.raw(&inside);
        let mut builder = FragmentBuilder::default();
        if raw == decoded {
            builder.verbatim(raw, inside.start);
        } else {
            decode::literal(raw, inside.start, true, &mut builder);
        }
        Expr { range, kind: Kind::Text(builder.finish()) }
    }

    /// The text of an absolute range.
    fn raw(&self, range: &Range<usize>) -> &str {
        let start = range.start.saturating_sub(self.offset);
        let end = range.end.saturating_sub(self.offset);
        self.text.get(start..end).unwrap_or_default()
    }

    fn key(&self, key: &ObjectKey) -> Expr {
        match key {
            ObjectKey::Ident(name) => {
                Expr { range: self.range(name.span()), kind: Kind::Word(name.as_str().to_owned()) }
            }
            ObjectKey::Expression(expression) => self.expression(expression),
        }
    }

    fn step(&self, step: &TraversalOperator) -> Step {
        match step {
            TraversalOperator::AttrSplat(_) | TraversalOperator::FullSplat(_) => Step::Splat,
            TraversalOperator::GetAttr(name) => Step::Name(name.as_str().to_owned()),
            TraversalOperator::Index(index) => Step::Index(self.expression(index)),
            TraversalOperator::LegacyIndex(index) => Step::Index(Expr {
                range: self.range(index.span()),
                kind: Kind::Word(index.value().to_string()),
            }),
        }
    }

    fn repeat(&self, repeat: &ForExpr) -> Loop {
        Loop {
            key: repeat.intro.key_var.as_ref().map(|name| name.as_str().to_owned()),
            value: repeat.intro.value_var.as_str().to_owned(),
            collection: self.expression(&repeat.intro.collection_expr),
            key_body: repeat.key_expr.as_ref().map(|key| self.expression(key)),
            body: self.expression(&repeat.value_expr),
        }
    }

    fn is_indented(&self, range: &Range<usize>) -> bool {
        self.raw(range).starts_with("<<-")
    }

    /// The parts of a template that is not in quotes; `dedent` takes off its indentation.
    fn template(&self, template: &Template, dedent: Option<()>) -> Vec<Part> {
        let Some(()) = dedent else {
            return template.iter().flat_map(|element| self.element(element, false)).collect();
        };
        let pieces: Vec<Piece<'_>> = template
            .iter()
            .map(|element| match element {
                Element::Literal(text) => {
                    let range = self.range(text.span());
                    Piece::Text(self.raw(&range), range.start)
                }
                _ => Piece::Other,
            })
            .collect();
        let indent = decode::indentation(&pieces);
        let mut at_start = true;
        let mut parts = Vec::new();
        for (piece, element) in pieces.iter().zip(template.iter()) {
            match piece {
                Piece::Text(raw, offset) => {
                    parts.push(Part::Text(decode::dedented(raw, *offset, indent, at_start)));
                    at_start = raw.ends_with('\n');
                }
                Piece::Other => {
                    parts.extend(self.element(element, false));
                    at_start = false;
                }
            }
        }
        parts
    }

    fn element(&self, element: &Element, quoted: bool) -> Option<Part> {
        Some(match element {
            Element::Literal(text) => {
                let range = self.range(text.span());
                let mut builder = FragmentBuilder::default();
                decode::literal(self.raw(&range), range.start, quoted, &mut builder);
                Part::Text(builder.finish())
            }
            Element::Interpolation(value) => {
                Part::Value(self.expression(&value.expr), self.range(element.span()))
            }
            Element::Directive(directive) => match directive.as_ref() {
                Directive::If(branch) => {
                    let otherwise = branch.else_expr.as_ref();
                    Part::Either(
                        self.template(&branch.if_expr.template, None),
                        otherwise.map_or(Vec::new(), |e| self.template(&e.template, None)),
                    )
                }
                Directive::For(repeat) => Part::Repeat {
                    key: repeat.for_expr.key_var.as_ref().map(|k| k.as_str().to_owned()),
                    value: repeat.for_expr.value_var.as_str().to_owned(),
                    collection: self.expression(&repeat.for_expr.collection_expr),
                    body: self.template(&repeat.for_expr.template, None),
                },
            },
        })
    }
}

/// A template without expressions is text.
fn simplified(parts: Vec<Part>) -> Kind {
    let plain = parts.iter().all(|part| matches!(part, Part::Text(_)));
    if !plain {
        return Kind::Template(parts);
    }
    let mut builder = FragmentBuilder::default();
    for part in &parts {
        if let Part::Text(fragment) = part {
            builder.append(fragment);
        }
    }
    let fragment: Fragment = builder.finish();
    Kind::Text(fragment)
}

/// `dynamic "x" { content { … } }` is an `x` block.
fn undynamic(block: Block) -> Block {
    if block.keyword != "dynamic" {
        return block;
    }
    let content = block.body.block("content").map(|content| content.body.clone());
    match (block.labels.first().cloned(), content) {
        (Some((keyword, keyword_range)), Some(body)) => {
            Block { keyword, keyword_range, labels: Vec::new(), body }
        }
        _ => block,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(input: &str) -> (Body, Vec<Fault>) {
        body(input, |_| true)
    }

    #[test]
    fn values_stand_where_they_are_written() {
        let check = |input: &str, word: &str| {
            let (body, faults) = parsed(input);
            assert!(faults.is_empty(), "{faults:?}");
            let value = &body.attributes[0].value;
            let fragments: Vec<Fragment> = match &value.kind {
                Kind::Text(fragment) => vec![fragment.clone()],
                Kind::Template(parts) => parts
                    .iter()
                    .filter_map(|part| match part {
                        Part::Text(fragment) => Some(fragment.clone()),
                        _ => None,
                    })
                    .collect(),
                other => panic!("{other:?}"),
            };
            let found = fragments.iter().find(|f| f.text().contains(word)).unwrap();
            let at = found.text().find(word).unwrap();
            let range = found.raw_range(at..at + word.len());
            assert_eq!(&input[range.clone()], word, "{input}");
            assert_eq!(range.start, input.rfind(word).unwrap());
        };
        check("a = \"x curl\"", "curl");
        check("# é\na = \"x\\n\\\"y\\\" curl\"", "curl");
        check("a = \"${b} curl ${c}\"", "curl");
        check("a = <<EOT\n  x\n  curl\nEOT\n", "curl");
        check("  a = <<-EOT\n    x $${y}\n      curl\n  EOT\n", "curl");
        check("a = <<-EOT\n  ${x} z\n  %{ if y }w%{ endif }\n  curl ${b}\n  EOT\n", "curl");
    }

    #[test]
    fn a_broken_item_costs_only_itself() {
        let input = "a = 1\nb = = 2\nx \"y\" {\n  c = 3\n  d = [1\n  2\n}\nz \"k\" {\n  e = 4\n}\n";
        let (body, faults) = parsed(input);
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert_eq!(faults[0].at, input.find("= 2").unwrap());
        let names: Vec<&str> = body.attributes.iter().map(|a| a.name.as_str()).collect();
        assert_eq!(names, ["a"]);
        assert_eq!(body.blocks.len(), 2);
        assert!(body.blocks[0].body.get("c").is_some());
        assert_eq!(body.blocks[1].label(0), "k");
        assert!(body.blocks[1].body.get("e").is_some());
    }

    #[test]
    fn real_shapes_parse() {
        for input in [
            "a = var.x == null ? (\n var.y ? [\n  \"a\",\n ] : (\n  var.z == \"b\" ||\n  var.z == \
             \"c\" ? [] : [\n  \"d\"\n ]\n )\n) : var.x\n",
            "a = \"${var.b == \"c\" ? \"d\" : var.e}\"\n",
            "a = [for s in var.b : trimprefix(s, \"source.\")]\n",
            "a = { for k, v in var.b : k => v... if v != null }\n",
            "x \"y\" \"z\" { a = 1 }\n",
            "a = b[*].c.0.d\nb = c.*.d\n",
            "a = -1 + 2 * (3 % 4)\nb = !c && d || e\n",
            "a = provider::x::y(1, [2]...)\n",
            "a = <<EOT\nEOT\nb = \"$${x} %%{y} \\u00e9\"\r\nc = 1\r\n",
            "a = {\n  b : 1, \"c\" = 2\n  (d) = 3 // e\n}\n",
            "import {\n to = a.b[\"c\"]\n}\n",
        ] {
            let (_, faults) = parsed(input);
            assert!(faults.is_empty(), "{input}: {faults:?}");
        }
    }

    #[test]
    fn hostile_texts_end() {
        for input in ["{".repeat(100_000), "a = [".repeat(20_000), "a {\n\"".repeat(20_000)] {
            let (_, faults) = parsed(&input);
            assert!(!faults.is_empty());
        }
    }
}
