//! YAML (and JSON, which is YAML) as a small tree whose scalars know their raw bytes.
//!
//! Every format on YAML (cloud-init, CI files, playbooks, manifests) reads this tree. It follows
//! YAML 1.2.2 with merge keys (`<<`, yaml.org/type/merge.html) resolved, and aliases standing for
//! what they name.
//!
//! Hostile input: depth, the number of nodes and what aliases may expand to are bounded, so that a
//! walk over the whole tree, aliases and all, costs no more than a few times the file. A document
//! that does not parse is a fault at its place; what came before it is kept, and reading goes on
//! at the next `---`.

mod indent;
mod notations;
mod scalar;
mod template;

pub use notations::{MAX_NOTATION, json, toml};

use super::audit::Audit;
use super::span::{Fragment, FragmentBuilder};
use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Collections within collections, aliases included: no person nests deeper, and the walks over
/// the tree recurse.
const MAX_DEPTH: usize = 64;

/// Nodes of one file: with their maps a few hundred bytes each.
const MAX_NODES: usize = 200_000;

/// What all aliases of one file may expand to, in bytes of text and [`NODE_WEIGHT`] for each node.
/// Large honest files (CI with shared steps) stay far below; an explosion ends here.
const MAX_EXPANSION: usize = 1024 * 1024;

/// What a node counts for besides its text.
const NODE_WEIGHT: usize = 16;

/// From this size on a mapping has an index of its keys: a pipeline of thousands of jobs asks for each
/// of them by name.
const LARGE_MAPPING: usize = 32;

/// Broken documents after which the rest of a file is given up.
const MAX_FAULTS: usize = 50;

/// A node of the tree. Clones share.
#[derive(Clone, Debug)]
pub struct Node(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Kind,
    range: Range<usize>,
    tag: Option<String>,
    weight: usize,
    height: usize,
    /// The last pair of each key, made for large mappings when they are asked for one.
    #[expect(clippy::box_collection, reason = "one word instead of six in each of 200,000 nodes")]
    index: OnceLock<Box<HashMap<String, usize>>>,
}

/// What a node is.
#[derive(Debug)]
pub enum Kind {
    /// A value.
    Scalar {
        /// Decoded, with its map.
        fragment: Fragment,
        /// Written without quotes and not as a block, so that it may be a number, a boolean or
        /// nothing.
        plain: bool,
    },
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values in the order of the file, merged ones behind.
    Mapping(Vec<(Node, Node)>),
}

impl Node {
    fn new(kind: Kind, range: Range<usize>, tag: Option<String>) -> Self {
        let (weight, height) = match &kind {
            Kind::Scalar { fragment, .. } => (fragment.text().len(), 0),
            Kind::Sequence(items) => sum(items.iter()),
            Kind::Mapping(pairs) => sum(pairs.iter().flat_map(|(key, value)| [key, value])),
        };
        let weight = weight.saturating_add(NODE_WEIGHT);
        let index = OnceLock::new();
        Self(Arc::new(Inner { kind, range, tag, weight, height, index }))
    }

    /// A value that another notation holds (`name=value` in a text), as if it stood here.
    #[must_use]
    pub fn scalar(fragment: Fragment) -> Self {
        let range = fragment.raw_whole();
        Self::new(Kind::Scalar { fragment, plain: false }, range, None)
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> &Kind {
        &self.0.kind
    }

    /// Its raw bytes; of a collection from its first to its last entry.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.0.range.clone()
    }

    /// Its tag without the exclamation marks and the core schema's prefix: `Ref`, `binary`.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.0.tag.as_deref()
    }

    /// A scalar's value with its map.
    #[must_use]
    pub fn fragment(&self) -> Option<&Fragment> {
        match &self.0.kind {
            Kind::Scalar { fragment, .. } => Some(fragment),
            _ => None,
        }
    }

    /// A scalar's value.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.fragment().map(Fragment::text)
    }

    /// The entries of a list; nothing for anything else.
    #[must_use]
    pub fn items(&self) -> &[Self] {
        match &self.0.kind {
            Kind::Sequence(items) => items,
            _ => &[],
        }
    }

    /// The entries of a mapping; nothing for anything else.
    #[must_use]
    pub fn pairs(&self) -> &[(Self, Self)] {
        match &self.0.kind {
            Kind::Mapping(pairs) => pairs,
            _ => &[],
        }
    }

    /// The value of a key: the last one where the file repeats it, as loaders do.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|(_, value)| value)
    }

    /// A key and its value.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<(&Self, &Self)> {
        let pairs = self.pairs();
        let found = if pairs.len() < LARGE_MAPPING {
            pairs.iter().rev().find(|(own, _)| own.text() == Some(key))
        } else {
            let index = self.0.index.get_or_init(|| {
                let names = pairs.iter().enumerate();
                let named = names.filter_map(|(at, (own, _))| Some((own.text()?.to_owned(), at)));
                Box::new(named.collect())
            });
            index.get(key).and_then(|at| pairs.get(*at))
        };
        found.map(|(key, value)| (key, value))
    }

    /// The value of the first of several spellings of a key.
    #[must_use]
    pub fn any(&self, keys: &[&str]) -> Option<&Self> {
        keys.iter().find_map(|key| self.get(key))
    }

    /// Whether it is a mapping.
    #[must_use]
    pub fn is_mapping(&self) -> bool {
        matches!(self.0.kind, Kind::Mapping(_))
    }

    /// Whether it is a list.
    #[must_use]
    pub fn is_sequence(&self) -> bool {
        matches!(self.0.kind, Kind::Sequence(_))
    }

    /// Whether nothing stands there (`null`, `~`, an empty plain value).
    #[must_use]
    pub fn is_null(&self) -> bool {
        match &self.0.kind {
            Kind::Scalar { fragment, plain: true } => {
                matches!(fragment.text(), "" | "~" | "null" | "Null" | "NULL")
            }
            _ => false,
        }
    }

    /// A truth value, in the spellings of YAML 1.1 that most programs still read.
    #[must_use]
    pub fn truth(&self) -> Option<bool> {
        match self.text()?.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Some(true),
            "false" | "no" | "off" | "0" => Some(false),
            _ => None,
        }
    }
}

fn sum<'n>(nodes: impl Iterator<Item = &'n Node>) -> (usize, usize) {
    nodes.fold((0, 0), |(weight, height), node| {
        let own = node.0.height.saturating_add(1);
        (usize::saturating_add(weight, node.0.weight), own.max(height))
    })
}

/// The documents of a file, and what could not be read of it.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    /// In order; a broken one as far as it could be read.
    pub documents: Vec<Node>,
    /// A raw offset and the reason.
    pub faults: Vec<(usize, String)>,
}

impl Stream {
    /// Hands the faults in as gaps, and the documents out.
    pub fn report(self, audit: &mut Audit<'_>) -> Vec<Node> {
        for (at, reason) in self.faults {
            audit.gap(reason, Some(at));
        }
        self.documents
    }
}

/// Reads YAML. Template expressions become unknown ([`super::span::UNKNOWN`]).
#[must_use]
pub fn parse(source: &Fragment) -> Stream {
    let masked = template::mask(source);
    stream(masked.as_ref().unwrap_or(source))
}

/// Reads YAML whose template expressions stand in its strings and are resolved later. What is no
/// YAML before it is rendered is read as [`parse`] does.
#[must_use]
pub fn parse_verbatim(source: &Fragment) -> Stream {
    let verbatim = stream(source);
    if verbatim.faults.is_empty() {
        return verbatim;
    }
    let masked = parse(source);
    if masked.faults.len() < verbatim.faults.len() { masked } else { verbatim }
}

fn stream(source: &Fragment) -> Stream {
    let stream = read(source);
    if stream.faults.iter().any(|(_, reason)| reason.contains("invalid indentation"))
        && let Some(indented) = indent::continuations(source)
    {
        let again = read(&indented);
        if again.faults.len() < stream.faults.len() {
            return again;
        }
    }
    stream
}

fn read(source: &Fragment) -> Stream {
    let text = source.text();
    let mut reader = Reader { source, text, stream: Stream::default(), nodes: 0, expansion: 0 };
    let mut at = if text.starts_with('\u{feff}') { 3 } else { 0 };
    while let Err(broken) = reader.documents(at) {
        let behind = text.get(broken..).unwrap_or_default();
        let next = behind.match_indices("\n---").map(|(found, _)| broken.saturating_add(found));
        let next = next.map(|found| found.saturating_add(1)).find(|found| {
            let marker = text.get(found.saturating_add(3)..).unwrap_or_default();
            marker.is_empty() || marker.starts_with(char::is_whitespace)
        });
        match next {
            Some(next) if next > at && reader.stream.faults.len() < MAX_FAULTS => at = next,
            _ => break,
        }
    }
    reader.stream
}

/// A collection that is being read.
struct Frame {
    pairs: bool,
    nodes: Vec<Node>,
    start: usize,
    anchor: usize,
    tag: Option<String>,
}

struct Reader<'s> {
    source: &'s Fragment,
    text: &'s str,
    stream: Stream,
    nodes: usize,
    expansion: usize,
}

/// The state of one run of the parser.
struct Run {
    frames: Vec<Frame>,
    anchors: HashMap<usize, Node>,
    /// Collections that are passed over because they are too deep.
    skipped: usize,
    end: usize,
}

impl Reader<'_> {
    /// Reads from an offset to the end or to the first damage, whose offset is the error.
    fn documents(&mut self, base: usize) -> Result<(), usize> {
        let text = self.text.get(base..).unwrap_or_default();
        let offsets = Offsets::new(text, base);
        let mut parser = Parser::new_from_str(text);
        let mut run = Run { frames: Vec::new(), anchors: HashMap::new(), skipped: 0, end: base };
        while let Some(next) = parser.next_event() {
            let (event, span) = match next {
                Ok(next) => next,
                Err(error) => {
                    let at = offsets.byte(error.marker().index());
                    self.fault(at, format!("is no YAML from here on: {}", error.info()));
                    self.close_all(&mut run);
                    return Err(at);
                }
            };
            let range = offsets.byte(span.start.index())..offsets.byte(span.end.index());
            run.end = range.end.max(run.end);
            if self.nodes >= MAX_NODES {
                self.fault(
                    range.start,
                    format!("more than {MAX_NODES} nodes: the rest was not read"),
                );
                self.close_all(&mut run);
                return Ok(());
            }
            self.event(event, range, &mut run);
        }
        self.close_all(&mut run);
        Ok(())
    }

    fn event(&mut self, event: Event<'_>, range: Range<usize>, run: &mut Run) {
        match event {
            Event::Scalar(value, style, anchor, tag) => {
                if run.skipped == 0 {
                    let mut range = range;
                    if anchor > 0 || tag.is_some() {
                        range.start = scalar::behind_properties(self.text, range.clone(), style);
                    }
                    range.end = scalar::closing(self.text, range.clone(), style);
                    let inner = scalar::decode(self.text, range.clone(), style, &value);
                    let fragment = inner.compose(self.source);
                    let plain = style == ScalarStyle::Plain;
                    let range = self.source.raw_range(range);
                    let node = Node::new(Kind::Scalar { fragment, plain }, range, name_of(tag));
                    self.add(node, anchor, run);
                }
            }
            Event::SequenceStart(anchor, tag) => self.open(false, anchor, tag, &range, run),
            Event::MappingStart(anchor, tag) => self.open(true, anchor, tag, &range, run),
            Event::SequenceEnd | Event::MappingEnd => {
                if run.skipped > 0 {
                    run.skipped = run.skipped.saturating_sub(1);
                } else {
                    self.close(run);
                }
            }
            Event::Alias(anchor) => {
                if run.skipped == 0 {
                    let node = self.alias(anchor, &range, run);
                    self.add(node, 0, run);
                }
            }
            Event::DocumentEnd => self.close_all(run),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) => {}
        }
    }

    fn open(
        &mut self,
        pairs: bool,
        anchor: usize,
        tag: Option<Cow<'_, Tag>>,
        range: &Range<usize>,
        run: &mut Run,
    ) {
        if run.skipped > 0 || run.frames.len() >= MAX_DEPTH {
            if run.skipped == 0 {
                self.fault(range.start, format!("nests deeper than {MAX_DEPTH}: not read"));
                self.add(self.nothing(range), 0, run);
            }
            run.skipped = run.skipped.saturating_add(1);
            return;
        }
        let tag = name_of(tag);
        run.frames.push(Frame { pairs, nodes: Vec::new(), start: range.start, anchor, tag });
    }

    fn close(&mut self, run: &mut Run) {
        let Some(frame) = run.frames.pop() else { return };
        let first = frame.nodes.first().map(|node| node.range().start);
        let last = frame.nodes.last().map(|node| node.range().end);
        let own = self.source.raw_range(frame.start..frame.start).start;
        let start = first.unwrap_or(own).min(own.max(first.unwrap_or(own)));
        let range = start..last.unwrap_or(start).max(start);
        let kind = if frame.pairs {
            let mut pairs = Vec::with_capacity(frame.nodes.len() / 2);
            let mut nodes = frame.nodes.into_iter();
            while let (Some(key), Some(value)) = (nodes.next(), nodes.next()) {
                pairs.push((key, value));
            }
            merge(&mut pairs);
            Kind::Mapping(pairs)
        } else {
            Kind::Sequence(frame.nodes)
        };
        self.add(Node::new(kind, range, frame.tag), frame.anchor, run);
    }

    /// Ends a document, whole or not.
    fn close_all(&mut self, run: &mut Run) {
        run.skipped = 0;
        while !run.frames.is_empty() {
            self.close(run);
        }
    }

    fn add(&mut self, node: Node, anchor: usize, run: &mut Run) {
        self.nodes = self.nodes.saturating_add(1);
        if anchor > 0 {
            run.anchors.insert(anchor, node.clone());
        }
        match run.frames.last_mut() {
            Some(frame) => frame.nodes.push(node),
            None => self.stream.documents.push(node),
        }
    }

    /// What an alias stands for, as long as the expansion stays in bounds.
    fn alias(&mut self, anchor: usize, range: &Range<usize>, run: &Run) -> Node {
        let Some(node) = run.anchors.get(&anchor) else { return self.nothing(range) };
        let deep = run.frames.len().saturating_add(node.0.height) > MAX_DEPTH;
        let expansion = self.expansion.saturating_add(node.0.weight);
        if deep || expansion > MAX_EXPANSION {
            let reason = format!("aliases expand to more than {MAX_EXPANSION} bytes: not followed");
            if !self.stream.faults.iter().any(|(_, known)| *known == reason) {
                self.fault(range.start, reason);
            }
            return self.nothing(range);
        }
        self.expansion = expansion;
        node.clone()
    }

    fn nothing(&self, range: &Range<usize>) -> Node {
        let fragment = FragmentBuilder::default().finish();
        let range = self.source.raw_range(range.clone());
        Node::new(Kind::Scalar { fragment, plain: true }, range, None)
    }

    fn fault(&mut self, at: usize, reason: String) {
        if self.stream.faults.len() <= MAX_FAULTS {
            self.stream.faults.push((self.source.raw_range(at..at).start, reason));
        }
    }
}

/// `<<: *defaults`, `<<: [*a, *b]`: keys that are not there yet, an earlier source first.
fn merge(pairs: &mut Vec<(Node, Node)>) {
    let is_merge = |key: &Node| matches!(key.kind(), Kind::Scalar { fragment, plain: true } if fragment.text() == "<<");
    let sources: Vec<Node> =
        pairs.iter().filter(|(key, _)| is_merge(key)).map(|(_, value)| value.clone()).collect();
    if sources.is_empty() {
        return;
    }
    let mut known: BTreeSet<String> =
        pairs.iter().filter_map(|(key, _)| key.text().map(str::to_owned)).collect();
    for source in &sources {
        let mappings =
            if source.is_mapping() { std::slice::from_ref(source) } else { source.items() };
        for (key, value) in mappings.iter().flat_map(Node::pairs) {
            if key.text().is_some_and(|text| known.insert(text.to_owned())) {
                pairs.push((key.clone(), value.clone()));
            }
        }
    }
}

/// A tag's own word.
fn name_of(tag: Option<Cow<'_, Tag>>) -> Option<String> {
    tag.map(|tag| {
        let suffix = tag.suffix.trim_start_matches('!');
        suffix.strip_prefix("tag:yaml.org,2002:").unwrap_or(suffix).to_owned()
    })
}

/// The parser counts in characters: byte offsets of every [`Offsets::STRIDE`]th of them.
struct Offsets<'t> {
    text: &'t str,
    base: usize,
    /// Empty where every character is a byte.
    marks: Vec<usize>,
}

impl<'t> Offsets<'t> {
    const STRIDE: usize = 64;

    fn new(text: &'t str, base: usize) -> Self {
        let marks = if text.is_ascii() {
            Vec::new()
        } else {
            text.char_indices().step_by(Self::STRIDE).map(|(at, _)| at).collect()
        };
        Self { text, base, marks }
    }

    fn byte(&self, index: usize) -> usize {
        let inside = if self.marks.is_empty() {
            index.min(self.text.len())
        } else {
            let mark = self.marks.get(index / Self::STRIDE).copied().unwrap_or(self.text.len());
            let tail = self.text.get(mark..).unwrap_or_default();
            let found = tail.char_indices().nth(index % Self::STRIDE);
            found.map_or(self.text.len(), |(at, _)| mark.saturating_add(at))
        };
        self.base.saturating_add(inside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::span::UNKNOWN;

    fn only(text: &str) -> Node {
        let stream = parse(&Fragment::verbatim(text, 0));
        assert!(stream.faults.is_empty(), "{:?}\n{text}", stream.faults);
        assert_eq!(stream.documents.len(), 1, "{text}");
        stream.documents.into_iter().next().unwrap()
    }

    /// The value of `k`, and the raw bytes of the word `curl` in it.
    #[track_caller]
    fn check(text: &str, value: &str) {
        let node = only(text);
        let fragment = node.get("k").unwrap().fragment().unwrap().clone();
        assert_eq!(fragment.text().replace(UNKNOWN, "?"), value, "{text}");
        if let Some(at) = fragment.text().find("curl") {
            let raw = fragment.raw_range(at..at + 4);
            assert_eq!(&text[raw.clone()], "curl", "{text}");
            assert_eq!(raw.start, text.find("curl").unwrap(), "{text}");
        }
    }

    #[test]
    fn every_style_of_scalar_keeps_its_bytes() {
        check("k: a curl b\n", "a curl b");
        check("k: a\n  b curl\n\n  c\n", "a b curl\nc");
        check("k: 'it''s\n  curl'\n", "it's curl");
        check("k: \"a\\t\\\"curl\\x41\\u00e4\\\n   b\"\n", "a\t\"curlAäb");
        check("ä: ö\nk: |\n  one\n    two \\\n\n  curl x\nz: 1\n", "one\n  two \\\n\ncurl x\n");
        check("k: |-\n\n  one\n  curl\n\n", "\none\ncurl");
        check("k: |+\n  curl\n\n", "curl\n\n");
        check("k: >\n  one\n  curl\n\n  para\n   more\n  last\n", "one curl\npara\n more\nlast\n");
        check("k: >-\n  one\n  curl", "one curl");
        check("k: |2\n    one\n  curl\n", "  one\ncurl\n");
        check("k: |\r\n  one\r\n  curl\r\nz: 1\r\n", "one\ncurl\n");
        check("k: a\r\n  curl\r\nz: 1\r\n", "a curl");
        check("{\"j\": [1], \"k\": \"a \\\"curl\\\" \\u0041\"}", "a \"curl\" A");
        check("\u{feff}k: curl\n", "curl");
        check("j: &a [x]\nk: &b curl\n", "curl");
        check("k: !x &b 'curl'\n", "curl");
        check("k: &b !!str |\n\n  a\n  curl\n", "\na\ncurl\n");
    }

    #[test]
    fn templates_are_unknown() {
        check("k: {{ a }} curl\n", "? curl");
        check("k: x\n{% if a %}\nj: {{ b }}\n{% endif %}\n", "x");
        check("{{- if .Values.x }}\nk: curl\n{{- end }}\n", "curl");
        check("k: |\n  {{ a }}\n  n=${#x[@]} {# c #} curl\n", "\nn=${#x[@]}  curl\n");
        check("k: ${{ a }} curl\n", "? curl");
    }

    #[test]
    fn aliases_and_merge_keys() {
        let node = only("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: [*a, *a]\n");
        let b = node.get("b").unwrap();
        assert_eq!(
            (b.get("x").unwrap().text(), b.get("y").unwrap().text()),
            (Some("1"), Some("3"))
        );
        assert_eq!(node.get("c").unwrap().items().len(), 2);
    }

    #[test]
    fn broken_documents_do_not_hide_others() {
        let text = "a: 1\n---\nb: [1\nc: : x\n---\nd: 2\n";
        let stream = parse(&Fragment::verbatim(text, 0));
        assert_eq!(stream.faults.len(), 1, "{:?}", stream.faults);
        let values: Vec<_> =
            stream.documents.iter().filter_map(|d| d.get("a").or(d.get("d"))).collect();
        assert_eq!(values.len(), 2, "{:?}", stream.documents);
    }

    #[test]
    fn hostile_files_end() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..30 {
            let alias = format!("*a{}", level - 1);
            bomb.push_str(&format!("a{level}: &a{level} [{}]\n", [alias.as_str(); 10].join(", ")));
        }
        for (text, faulty) in [
            (bomb, true),
            ("[".repeat(1_000_000), true),
            ("- ".repeat(500_000), true),
            ("{a: ".repeat(200_000), true),
            ("a".repeat(1_000_000), false),
            ("? ".repeat(100_000), true),
            ("*a &b ".repeat(100_000), true),
            ("\"\\".repeat(500_000), true),
            ("k: |\n".repeat(100_000), true),
            ("a: b: ".repeat(100_000), true),
            ("- a\n".repeat(400_000), true),
        ] {
            let before = std::time::Instant::now();
            let stream = parse(&Fragment::verbatim(&text, 0));
            let head: String = text.chars().take(20).collect();
            println!("{head}: {:?}", before.elapsed());
            assert!(!faulty || !stream.faults.is_empty(), "{head}");
        }
    }
}
