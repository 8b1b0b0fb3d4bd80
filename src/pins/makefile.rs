//! Carrier: recipes of makefiles (GNU make).
//!
//! Variables with literal values flow into recipes; `$(shell …)` and functions are unknown. Each
//! recipe is one shell text: make starts a shell per line, but what one line fetches the next one
//! uses, and a shell that sees them together sees more.

use super::audit::Audit;
use super::carrier::Carrier;
use super::environment::{Constant, Environment};
use super::input::Origin;
use super::repository::{SourceFile, extension, file_name};
use super::shell::{self, Context};
use super::span::{Fragment, FragmentBuilder, UNKNOWN};
use std::ops::Range;
use std::sync::Arc;

/// Makefiles.
pub const CARRIER: Carrier = Carrier {
    name: "makefile",
    summary: "makefiles: Makefile, GNUmakefile, *.mk; their recipes",
    recognises: |path, _| {
        let name = file_name(path);
        ["Makefile", "makefile", "GNUmakefile"].contains(&name)
            || name.starts_with("Makefile.")
            || extension(path).is_some_and(|own| ["mk", "make"].contains(&own))
    },
    read,
};

/// Values within values, per value: a variable that doubles another one, line by line, explodes.
const MAX_SPLICED: usize = 8 * 1024;

/// Where a variable is expanded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum In {
    /// The shell resolves it, with the origin and the splitting of any variable.
    Recipe,
    /// Its value becomes a part of another one.
    Value,
}

fn read(file: &SourceFile, audit: &mut Audit<'_>) {
    let fragment = file.fragment();
    let mut environment = Environment::default();
    let mut recipe = FragmentBuilder::default();
    for range in logical_lines(fragment.text()) {
        let line = fragment.get(range.clone());
        let body = line.strip_prefix('\t');
        if let Some(body) = body {
            let skip =
                body.len().saturating_sub(body.trim_start_matches(['@', '-', '+', ' ']).len());
            let start = range.start.saturating_add(1).saturating_add(skip);
            expand(&fragment, start..range.end, &environment, &mut recipe, In::Recipe);
            continue;
        }
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        run(std::mem::take(&mut recipe), &environment, audit);
        assignment(&fragment, range.clone(), &mut environment, audit);
        if let Some(inline) = inline_recipe(line) {
            expand(
                &fragment,
                range.start.saturating_add(inline)..range.end,
                &environment,
                &mut recipe,
                In::Recipe,
            );
        }
    }
    run(recipe, &environment, audit);
}

fn run(recipe: FragmentBuilder, environment: &Environment, audit: &mut Audit<'_>) {
    let recipe = recipe.finish();
    if !recipe.text().trim().is_empty() {
        let mut own = environment.named_in(recipe.text());
        shell::audit(&recipe, &mut own, audit, Context::default());
    }
}

/// Lines with their continuations, line ends included.
fn logical_lines(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut at = 0_usize;
    let mut open = false;
    for line in text.split_inclusive('\n') {
        let end = at.saturating_add(line.len());
        match found.last_mut().filter(|_| open) {
            Some(last) => last.end = end,
            None => found.push(at..end),
        }
        open = line.trim_end_matches(['\n', '\r']).ends_with('\\');
        at = end;
    }
    found
}

/// Where a recipe behind `target: prerequisites ;` starts.
fn inline_recipe(line: &str) -> Option<usize> {
    // Brackets hold functions, whose text may have anything.
    let mut open = 0_usize;
    let colon = line.bytes().position(|byte| {
        match byte {
            b'(' | b'{' => open = open.saturating_add(1),
            b')' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        open == 0 && matches!(byte, b':' | b'=')
    })?;
    let rest = line.get(colon..)?.strip_prefix(':')?;
    if rest.starts_with('=') || rest.starts_with(":=") {
        return None;
    }
    let semicolon = rest.find(';')?;
    if rest.get(..semicolon).is_some_and(|before| before.contains('=')) {
        // A variable of the target's own.
        return None;
    }
    Some(colon.saturating_add(semicolon).saturating_add(2))
}

/// `NAME = value`, `:=`, `?=`, `+=`, with `export` and `override` before it.
fn assignment(
    fragment: &Fragment,
    range: Range<usize>,
    environment: &mut Environment,
    audit: &Audit<'_>,
) {
    let line = fragment.get(range.clone());
    let Some(equals) = line.find('=') else { return };
    let left = line.get(..equals).unwrap_or_default();
    let name = left.trim_end_matches([':', '?', '+', '!', ' ']).trim();
    let name = name.trim_start_matches("export ").trim_start_matches("override ").trim();
    if name.is_empty() || name.contains([' ', ':', '$', '\t', '(']) {
        return;
    }
    let operator =
        left.get(left.trim_end_matches([':', '?', '+', '!']).len()..).unwrap_or_default();
    let value = line.get(equals.saturating_add(1)..).unwrap_or_default();
    let content = value.split(" #").next().unwrap_or_default();
    let lead = content.len().saturating_sub(content.trim_start().len());
    let start = range.start.saturating_add(equals).saturating_add(1).saturating_add(lead);
    let end = start.saturating_add(content.trim().len());
    let mut builder = FragmentBuilder::default();
    // A list that grows line by line is copied with each: a long one is not known any more.
    if operator == "+"
        && let Some(old) = environment.get(name)
        && old.texts().map(str::len).sum::<usize>() <= MAX_SPLICED
    {
        for value in &old.values {
            builder.append(value);
            builder.replaced(" ", value.raw_whole());
        }
    }
    expand(fragment, start..end, environment, &mut builder, In::Value);
    let origin = Origin {
        name: format!("make variable {name}"),
        place: Some(audit.place(fragment.raw_range(range.start..end))),
        overridable: true,
    };
    let file = Arc::clone(&audit.file().path);
    let values = vec![builder.finish()];
    environment.set(name, Constant { values, file, origin, element: false });
}

/// Appends make text with `$(NAME)` resolved and `$$` become `$`.
fn expand(
    fragment: &Fragment,
    range: Range<usize>,
    environment: &Environment,
    builder: &mut FragmentBuilder,
    place: In,
) {
    let text = fragment.get(range.clone());
    let mut done = 0_usize;
    while let Some(found) = text.get(done..).and_then(|rest| rest.find('$')) {
        let at = done.saturating_add(found);
        let absolute = |offset: usize| range.start.saturating_add(offset);
        builder.append_range(fragment, absolute(done)..absolute(at));
        let rest = text.get(at.saturating_add(1)..).unwrap_or_default();
        let (name, length) = match rest.chars().next() {
            Some('$') => {
                let end = at.saturating_add(2);
                builder.replaced("$", fragment.raw_range(absolute(at)..absolute(end)));
                done = end;
                continue;
            }
            Some(open @ ('(' | '{')) => {
                let length = balanced(rest, open);
                (rest.get(1..length.saturating_sub(1)).unwrap_or_default(), length)
            }
            Some(c) => (rest.get(..c.len_utf8()).unwrap_or_default(), c.len_utf8()),
            None => ("", 0),
        };
        let end = at.saturating_add(1).saturating_add(length);
        let raw = fragment.raw_range(absolute(at)..absolute(end));
        let known = environment.get(name);
        match known.filter(|known| known.texts().all(|text| !text.contains(UNKNOWN))) {
            Some(_) if place == In::Recipe => builder.replaced(&format!("${{{name}}}"), raw),
            Some(known) if builder.text().len() < MAX_SPLICED => {
                for text in known.texts().filter(|text| text.len() <= MAX_SPLICED) {
                    builder.replaced(text, raw.clone());
                }
            }
            _ => builder.unknown(raw),
        }
        done = end;
    }
    builder.append_range(fragment, range.start.saturating_add(done)..range.end);
}

/// The length of a bracketed text, brackets included.
fn balanced(text: &str, open: char) -> usize {
    let close = if open == '(' { ')' } else { '}' };
    let mut depth = 0_usize;
    for (at, character) in text.char_indices() {
        if character == open {
            depth = depth.saturating_add(1);
        } else if character == close {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return at.saturating_add(1);
            }
        } else if character == '\n' {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::repository::Repository;
    use crate::pins::walk::audit_source;

    #[test]
    fn recipes() {
        let check = |text: &str, expected: &[&str]| {
            let source = SourceFile::new("Makefile", text.as_bytes());
            let collected = audit_source(&source, &CARRIER, &Repository::of_files([]));
            let found: Vec<String> = collected
                .inputs
                .iter()
                .map(|input| {
                    let word = text.get(input.place.range()).unwrap_or("?");
                    format!("{} {} @{word}", input.subject, input.held())
                })
                .collect();
            assert_eq!(found, expected, "{text}");
        };
        check(
            "V ?= 1.2.3\nU = https://e.org/v$(V)/x\nall:\n\tcurl -LO $(U) && sh x\n",
            &["https://e.org/v1.2.3/x none @$(U)"],
        );
        check("P = a\nP += b=1\nx: ; apt-get install $(P)\n", &["a none @a", "b exact @b=1"]);
        check(
            "x:\n\tpip install $(shell cat v) y\n",
            &["$(shell cat v) unknown @$(shell cat v)", "y none @y"],
        );
    }
}
