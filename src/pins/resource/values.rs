//! Values that several tools make in the same way: choices, references, quoted strings.

use crate::pins::hcl::value::Value;
use crate::pins::span::{Fragment, FragmentBuilder};
use std::cell::Cell;
use std::ops::Range;

/// Alternatives of one value; more are cut off or unknown.
pub(in crate::pins) const MAX_ALTERNATIVES: usize = 16;

/// Work that reading one file may cause where names are followed and loops are run, in bytes that
/// are copied: a few lines can double a value, or nest loops, without end.
pub(in crate::pins) struct Budget(Cell<usize>);

impl Budget {
    pub fn new(amount: usize) -> Self {
        Self(Cell::new(amount))
    }

    /// Takes a part of it; false where nothing is left.
    pub fn spend(&self, amount: usize) -> bool {
        self.0.set(self.0.get().saturating_sub(amount));
        !self.is_spent()
    }

    pub fn is_spent(&self) -> bool {
        self.0.get() == 0
    }
}

/// One of several values, nested choices laid flat.
pub(in crate::pins) fn either(values: Vec<Value>) -> Value {
    let mut flat = Vec::new();
    for value in values {
        match value {
            Value::Either(inner) => flat.extend(inner),
            other => flat.push(other),
        }
    }
    flat.truncate(MAX_ALTERNATIVES);
    if flat.len() == 1 { flat.pop().unwrap_or(Value::Null) } else { Value::Either(flat) }
}

/// Text that a name brought here is reported at the name; elements of a list stay where they are.
pub(in crate::pins) fn sited(value: Value, site: &Range<usize>) -> Value {
    match value {
        Value::Text(mut text) => {
            text.site = Some(site.clone());
            Value::Text(text)
        }
        Value::Either(values) => {
            Value::Either(values.into_iter().map(|value| sited(value, site)).collect())
        }
        other => other,
    }
}

/// `\'` and `\\` of a single-quoted string.
pub(in crate::pins) fn single_quoted(fragment: &Fragment) -> Fragment {
    let text = fragment.text();
    if !text.contains('\\') {
        return fragment.clone();
    }
    let mut builder = FragmentBuilder::default();
    let mut at = 0_usize;
    while let Some(skip) = text.get(at..).and_then(|rest| rest.find('\\')) {
        let from = at.saturating_add(skip);
        builder.append_range(fragment, at..from);
        let next = text.get(from.saturating_add(1)..).and_then(|rest| rest.chars().next());
        let to = from.saturating_add(2);
        match next {
            Some(quoted @ ('\'' | '\\')) => {
                builder.replaced(quoted.encode_utf8(&mut [0; 4]), fragment.raw_range(from..to));
                at = to;
            }
            _ => {
                builder.append_range(fragment, from..from.saturating_add(1));
                at = from.saturating_add(1);
            }
        }
    }
    builder.append_range(fragment, at..text.len());
    builder.finish()
}
