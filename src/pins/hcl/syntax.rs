//! What HCL and its JSON form are read into: bodies, blocks and expressions, each with the raw
//! range it stands at.

use crate::pins::span::Fragment;
use std::ops::Range;

/// The inside of a file or a block.
#[derive(Clone, Debug, Default)]
pub(in crate::pins) struct Body {
    /// `name = value`, in the order of the file.
    pub attributes: Vec<Attribute>,
    /// `keyword "label" { … }`, in the order of the file.
    pub blocks: Vec<Block>,
}

/// `name = value`.
#[derive(Clone, Debug)]
pub(in crate::pins) struct Attribute {
    pub name: String,
    pub name_range: Range<usize>,
    pub value: Expr,
}

/// `keyword "label" { … }`.
#[derive(Clone, Debug)]
pub(in crate::pins) struct Block {
    pub keyword: String,
    pub keyword_range: Range<usize>,
    /// Each with the range inside of its quotes.
    pub labels: Vec<(String, Range<usize>)>,
    pub body: Body,
}

/// An expression.
#[derive(Clone, Debug)]
pub(in crate::pins) struct Expr {
    pub range: Range<usize>,
    pub kind: Kind,
}

/// What an expression is.
#[derive(Clone, Debug)]
pub(in crate::pins) enum Kind {
    Null,
    /// A string without expressions in it; the fragment's raw range is inside of the quotes.
    Text(Fragment),
    /// A number or a boolean as it is written.
    Word(String),
    Template(Vec<Part>),
    List(Vec<Expr>),
    Object(Vec<(Expr, Expr)>),
    Variable(String),
    Access(Box<Expr>, Vec<Step>),
    Call(String, Vec<Expr>),
    Conditional(Box<Expr>, Box<Expr>, Box<Expr>),
    For(Box<Loop>),
    /// Operators: nothing that a name or a version is made of.
    Other,
}

/// `[for key, value in collection : body if …]`.
#[derive(Clone, Debug)]
pub(in crate::pins) struct Loop {
    pub key: Option<String>,
    pub value: String,
    pub collection: Expr,
    pub key_body: Option<Expr>,
    pub body: Expr,
}

/// A part of a template.
#[derive(Clone, Debug)]
pub(in crate::pins) enum Part {
    Text(Fragment),
    /// `${ … }` with the range of the whole.
    Value(Expr, Range<usize>),
    /// `%{ if }` with both of its branches.
    Either(Vec<Part>, Vec<Part>),
    /// `%{ for x in … }`.
    Repeat {
        key: Option<String>,
        value: String,
        collection: Expr,
        body: Vec<Part>,
    },
}

/// A step of an access.
#[derive(Clone, Debug)]
pub(in crate::pins) enum Step {
    Name(String),
    Index(Expr),
    Splat,
}

impl Body {
    /// The value of an attribute.
    pub fn get(&self, name: &str) -> Option<&Expr> {
        self.attribute(name).map(|attribute| &attribute.value)
    }

    /// An attribute.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    /// The blocks of a keyword.
    pub fn blocks<'b>(&'b self, keyword: &'b str) -> impl Iterator<Item = &'b Block> {
        self.blocks.iter().filter(move |block| block.keyword == keyword)
    }

    /// The first block of a keyword.
    pub fn block(&self, keyword: &str) -> Option<&Block> {
        self.blocks.iter().find(|block| block.keyword == keyword)
    }
}

impl Block {
    /// The text of a label, empty where there is none.
    pub fn label(&self, index: usize) -> &str {
        self.labels.get(index).map_or("", |(text, _)| text)
    }

    /// The range of a label, else of the keyword.
    pub fn label_range(&self, index: usize) -> Range<usize> {
        self.labels.get(index).map_or(&self.keyword_range, |(_, range)| range).clone()
    }
}

impl Expr {
    /// The name that an object's key stands for.
    pub fn key(&self) -> Option<&str> {
        match &self.kind {
            Kind::Variable(name) | Kind::Word(name) => Some(name),
            Kind::Text(fragment) => Some(fragment.text()),
            _ => None,
        }
    }

    /// An entry of an object by its constant key.
    pub fn entry(&self, name: &str) -> Option<&Self> {
        let Kind::Object(entries) = &self.kind else { return None };
        entries.iter().find(|(key, _)| key.key() == Some(name)).map(|(_, value)| value)
    }

    /// A string without expressions.
    pub fn literal(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(fragment) => Some(fragment.text()),
            Kind::Word(word) => Some(word),
            _ => None,
        }
    }

    /// An object as a body, so that `x = { … }` reads like `x { … }`.
    pub fn as_body(&self) -> Option<Body> {
        let Kind::Object(entries) = &self.kind else { return None };
        let attributes = entries.iter().filter_map(|(key, value)| {
            let name = key.key()?.to_owned();
            Some(Attribute { name, name_range: key.range.clone(), value: value.clone() })
        });
        Some(Body { attributes: attributes.collect(), blocks: Vec::new() })
    }
}
