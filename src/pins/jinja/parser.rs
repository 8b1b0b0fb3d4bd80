//! Expressions as a tree, by precedence: `if else`, `or`, `and`, `not`, comparisons, `+ -`, `~`,
//! `* / %`, then what follows a value (`.name`, `[…]`, `(…)`, `| filter`, `is test`).

use super::lexer::{Kind, Token};
use std::ops::Range;

/// Parentheses in parentheses.
const MAX_DEPTH: usize = 32;

/// An expression.
#[derive(Clone, Debug)]
pub(super) enum Expr {
    /// The text between the quotes.
    Text(Range<usize>),
    Number(Range<usize>),
    Name(String),
    List(Vec<Expr>),
    Dict(Vec<(Expr, Expr)>),
    Attribute(Box<Expr>, String),
    Index(Box<Expr>, Box<Expr>),
    Call(Box<Expr>, Vec<Expr>),
    Filter(Box<Expr>, String, Vec<Expr>),
    /// The two ways of `a if c else b`.
    Choice(Box<Expr>, Option<Box<Expr>>),
    /// `a or b`.
    Or(Box<Expr>, Box<Expr>),
    /// `a ~ b`, `a + b`.
    Join(Box<Expr>, Box<Expr>),
    /// A truth value, or arithmetic.
    Opaque,
}

pub(super) struct Parser<'t> {
    pub text: &'t str,
    pub tokens: &'t [Token],
    pub at: usize,
    pub depth: usize,
}

impl Parser<'_> {
    /// The whole expression; `None` where something is left over.
    pub fn whole(mut self) -> Option<Expr> {
        let expr = self.choice()?;
        (self.at >= self.tokens.len()).then_some(expr)
    }

    fn word(&self, ahead: usize) -> Option<(Kind, &str)> {
        let token = self.tokens.get(self.at.saturating_add(ahead))?;
        Some((token.kind, self.text.get(token.range.clone())?))
    }

    fn is(&self, word: &str) -> bool {
        self.word(0).is_some_and(|(kind, text)| kind != Kind::String && text == word)
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.is(word);
        if found {
            self.at = self.at.saturating_add(1);
        }
        found
    }

    fn choice(&mut self) -> Option<Expr> {
        if self.depth > MAX_DEPTH {
            return None;
        }
        self.depth = self.depth.saturating_add(1);
        let mut value = self.or()?;
        while self.take("if") {
            self.or()?;
            let other = if self.take("else") { Some(Box::new(self.choice()?)) } else { None };
            value = Expr::Choice(Box::new(value), other);
        }
        self.depth = self.depth.saturating_sub(1);
        Some(value)
    }

    fn or(&mut self) -> Option<Expr> {
        let mut value = self.and()?;
        while self.take("or") {
            value = Expr::Or(Box::new(value), Box::new(self.and()?));
        }
        Some(value)
    }

    fn and(&mut self) -> Option<Expr> {
        let mut value = self.not()?;
        while self.take("and") {
            self.not()?;
            value = Expr::Opaque;
        }
        Some(value)
    }

    fn not(&mut self) -> Option<Expr> {
        if self.take("not") {
            let mut more = 0_usize;
            while self.take("not") && more < MAX_DEPTH {
                more = more.saturating_add(1);
            }
            self.comparison()?;
            return Some(Expr::Opaque);
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Option<Expr> {
        let mut value = self.sum()?;
        loop {
            if ["==", "!=", "<", ">", "<=", ">="].iter().any(|symbol| self.is(symbol)) {
                self.at = self.at.saturating_add(1);
            } else if self.is("not") && self.word(1).is_some_and(|(_, word)| word == "in") {
                self.at = self.at.saturating_add(2);
            } else if !self.take("in") {
                return Some(value);
            }
            self.sum()?;
            value = Expr::Opaque;
        }
    }

    fn sum(&mut self) -> Option<Expr> {
        let mut value = self.product()?;
        loop {
            if self.take("+") || self.take("~") {
                value = Expr::Join(Box::new(value), Box::new(self.product()?));
            } else if self.take("-") {
                self.product()?;
                value = Expr::Opaque;
            } else {
                return Some(value);
            }
        }
    }

    fn product(&mut self) -> Option<Expr> {
        let mut value = self.postfix()?;
        while ["*", "/", "//", "%", "**"].iter().any(|symbol| self.take(symbol)) {
            self.postfix()?;
            value = Expr::Opaque;
        }
        Some(value)
    }

    fn postfix(&mut self) -> Option<Expr> {
        let mut value = self.primary()?;
        loop {
            if self.take(".") {
                let (_, name) = self.word(0)?;
                let name = name.to_owned();
                self.at = self.at.saturating_add(1);
                value = Expr::Attribute(Box::new(value), name);
            } else if self.take("[") {
                let index = self.choice()?;
                if self.take(":") {
                    while !self.is("]") {
                        self.choice()?;
                    }
                    value = Expr::Opaque;
                } else {
                    value = Expr::Index(Box::new(value), Box::new(index));
                }
                if !self.take("]") {
                    return None;
                }
            } else if self.take("(") {
                value = Expr::Call(Box::new(value), self.arguments(")")?);
            } else if self.take("|") {
                let name = self.dotted()?;
                let arguments = if self.take("(") { self.arguments(")")? } else { Vec::new() };
                value = Expr::Filter(Box::new(value), name, arguments);
            } else if self.take("is") {
                self.take("not");
                self.dotted()?;
                if self.take("(") {
                    self.arguments(")")?;
                } else if self.word(0).is_some_and(|(kind, word)| {
                    kind == Kind::String
                        || kind == Kind::Number
                        || (kind == Kind::Name
                            && !["and", "or", "else", "if", "not", "in", "is"].contains(&word))
                }) {
                    self.primary()?;
                }
                value = Expr::Opaque;
            } else {
                return Some(value);
            }
        }
    }

    /// `ansible.utils.ipaddr`: the last name.
    fn dotted(&mut self) -> Option<String> {
        let mut last;
        loop {
            let (kind, name) = self.word(0)?;
            if kind != Kind::Name {
                return None;
            }
            last = name.to_owned();
            self.at = self.at.saturating_add(1);
            if !self.take(".") {
                return Some(last);
            }
        }
    }

    fn arguments(&mut self, close: &str) -> Option<Vec<Expr>> {
        let mut found = Vec::new();
        while !self.take(close) {
            self.take("*");
            self.take("**");
            let named = self.word(1).is_some_and(|(_, word)| word == "=")
                && self.word(0).is_some_and(|(kind, _)| kind == Kind::Name);
            if named {
                let key = self.word(0).map(|(_, name)| name.to_owned()).unwrap_or_default();
                self.at = self.at.saturating_add(2);
                let value = self.choice()?;
                found.push(Expr::Dict(vec![(Expr::Name(key), value)]));
            } else {
                found.push(self.choice()?);
            }
            if !self.take(",") && !self.is(close) {
                return None;
            }
        }
        Some(found)
    }

    fn primary(&mut self) -> Option<Expr> {
        let token = self.tokens.get(self.at)?.clone();
        self.at = self.at.saturating_add(1);
        let text = self.text.get(token.range.clone())?;
        match (token.kind, text) {
            (Kind::String, _) => Some(Expr::Text(token.range)),
            (Kind::Number, _) => Some(Expr::Number(token.range)),
            (Kind::Name, name) => Some(Expr::Name(name.to_owned())),
            (Kind::Symbol, "-" | "+") => {
                self.postfix()?;
                Some(Expr::Opaque)
            }
            (Kind::Symbol, "(") => {
                let mut values = vec![self.choice()?];
                let mut tuple = false;
                while self.take(",") {
                    tuple = true;
                    if !self.is(")") {
                        values.push(self.choice()?);
                    }
                }
                if !self.take(")") {
                    return None;
                }
                if tuple { Some(Expr::List(values)) } else { values.pop() }
            }
            (Kind::Symbol, "[") => Some(Expr::List(self.arguments("]")?)),
            (Kind::Symbol, "{") => {
                let mut entries = Vec::new();
                while !self.take("}") {
                    let key = self.choice()?;
                    if !self.take(":") {
                        return None;
                    }
                    entries.push((key, self.choice()?));
                    if !self.take(",") && !self.is("}") {
                        return None;
                    }
                }
                Some(Expr::Dict(entries))
            }
            _ => None,
        }
    }
}
