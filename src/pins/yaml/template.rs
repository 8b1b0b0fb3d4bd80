//! Template expressions in YAML that is rendered before it is read (Jinja, Go templates).
//!
//! `{{ … }}` becomes unknown, `{% … %}` and `{# … #}` vanish, and so does a line that holds
//! nothing but expressions: `{{- if .Values.x }}` is no YAML. What stands around them keeps its
//! place. Expressions of one line only: a brace that is never closed must not eat the file.

use crate::pins::span::{Fragment, FragmentBuilder};

/// The fragment without templates; `None` where it holds none.
pub(super) fn mask(source: &Fragment) -> Option<Fragment> {
    let text = source.text();
    if !text.contains("{{") && !text.contains("{%") && !text.contains("{#") {
        return None;
    }
    let mut builder = FragmentBuilder::default();
    let mut at = 0_usize;
    for line in text.split_inclusive('\n') {
        mask_line(source, at, line, &mut builder);
        at = at.saturating_add(line.len());
    }
    Some(builder.finish())
}

fn mask_line(source: &Fragment, start: usize, line: &str, builder: &mut FragmentBuilder) {
    let templates = templates(line);
    let at = |offset: usize| start.saturating_add(offset);
    if templates.is_empty() {
        builder.append_range(source, start..at(line.len()));
        return;
    }
    let mut left = String::new();
    let mut done = 0_usize;
    for (from, to, _) in &templates {
        left.push_str(line.get(done..*from).unwrap_or_default());
        done = *to;
    }
    left.push_str(line.get(done..).unwrap_or_default());
    let alone = left.trim().is_empty();
    done = 0;
    for (from, to, value) in templates {
        builder.append_range(source, at(done)..at(from));
        if value && !alone {
            builder.unknown(source.raw_range(at(from)..at(to)));
        }
        done = to;
    }
    builder.append_range(source, at(done)..at(line.len()));
}

/// The expressions of a line: their ranges, and whether they give a value.
fn templates(line: &str) -> Vec<(usize, usize, bool)> {
    let mut found = Vec::new();
    let mut at = 0_usize;
    // A closing that is not there once is not there for all that opens behind.
    let mut missing: Vec<&str> = Vec::new();
    while let Some(skip) = line.get(at..).and_then(|rest| rest.find('{')) {
        let open = at.saturating_add(skip);
        let rest = line.get(open..).unwrap_or_default();
        let dollar = line.get(..open).is_some_and(|before| before.ends_with('$'));
        let (close, value) = match rest.as_bytes() {
            [b'{', b'{', ..] => ("}}", true),
            [b'{', b'%', ..] if !dollar => ("%}", false),
            [b'{', b'#', ..] if !dollar => ("#}", false),
            _ => {
                at = open.saturating_add(1);
                continue;
            }
        };
        let body = rest.get(2..).filter(|_| !missing.contains(&close));
        let Some(length) = body.and_then(|body| body.find(close)) else {
            missing.push(close);
            at = open.saturating_add(2);
            continue;
        };
        let end = open.saturating_add(length).saturating_add(4);
        let begin = if dollar { open.saturating_sub(1) } else { open };
        found.push((begin, end, value));
        at = end;
    }
    found
}
