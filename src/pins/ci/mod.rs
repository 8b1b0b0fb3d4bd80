//! Carriers: CI systems other than GitHub's: GitLab CI, CircleCI, Azure Pipelines, Bitbucket
//! Pipelines, Jenkins, and those that run containers by name and nothing else (Drone, Woodpecker,
//! Google Cloud Build).
//!
//! Each reads its own format; what they share (constants, images, lines of script) is
//! [`super::steps`], and here the filling in of a system's own placeholders.

mod azure;
mod bitbucket;
mod circleci;
mod gitlab;
mod groovy;
mod jenkins;
mod plain;

pub use azure::CARRIER as AZURE;
pub use bitbucket::CARRIER as BITBUCKET;
pub use circleci::CARRIER as CIRCLECI;
pub use gitlab::CARRIER as GITLAB;
pub use jenkins::CARRIER as JENKINS;
pub use plain::{CLOUD_BUILD, DRONE};

use super::classify;
use super::span::{Fragment, FragmentBuilder, MAX_FILLED};
use super::strength::{Ecosystem, Strength};
use super::yaml::{Kind, Node};

/// Nodes within nodes: deeper ones are no pipeline.
const MAX_DEPTH: usize = 32;

/// A longer expression is no placeholder: its end belongs to something else.
const MAX_PLACEHOLDER: usize = 1000;

/// Fills in placeholders (`<< name >>`, `$[[ name ]]`): what `value` knows is put there, what it
/// takes for a placeholder and does not know is unknown, what is none at all stays.
fn interpolate(
    fragment: &Fragment,
    (open, close): (&str, &str),
    value: &dyn Fn(&str) -> Placeholder,
) -> Fragment {
    let text = fragment.text();
    if !text.contains(open) {
        return fragment.clone();
    }
    let mut builder = FragmentBuilder::default();
    let (mut done, mut at, mut room) = (0_usize, 0_usize, MAX_FILLED);
    while let Some(found) = text.get(at..).and_then(|rest| rest.find(open)) {
        let start = at.saturating_add(found);
        let body = start.saturating_add(open.len());
        let near = text.get(body..).unwrap_or_default();
        let near = near.get(..near.floor_char_boundary(MAX_PLACEHOLDER)).unwrap_or_default();
        let Some(length) = near.find(close) else {
            at = body;
            continue;
        };
        let end = body.saturating_add(length).saturating_add(close.len());
        let name = text.get(body..body.saturating_add(length)).unwrap_or_default().trim();
        let raw = fragment.raw_range(start..end);
        match value(name) {
            Placeholder::Value(text) if text.len() <= room => {
                room = room.saturating_sub(text.len());
                builder.append_range(fragment, done..start);
                builder.replaced(&text, raw);
                done = end;
            }
            Placeholder::Value(_) | Placeholder::Unknown => {
                builder.append_range(fragment, done..start);
                builder.unknown(raw);
                done = end;
            }
            Placeholder::None => {
                at = body;
                continue;
            }
        }
        at = end;
    }
    builder.append_range(fragment, done..text.len());
    builder.finish()
}

/// What a placeholder stands for.
enum Placeholder {
    /// This text.
    Value(String),
    /// Something from outside.
    Unknown,
    /// It is none.
    None,
}

impl Placeholder {
    fn of(value: Option<&Node>) -> Self {
        value
            .filter(|value| !value.is_null())
            .and_then(Node::text)
            .map_or(Self::Unknown, |text| Self::Value(text.to_owned()))
    }
}

/// A version of an orb, a component or a pipe: a part of one moves.
fn module_version(word: &str) -> Strength {
    let bare = word.trim_start_matches('v');
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let lower = word.to_ascii_lowercase();
    if ["", "~latest", "latest", "volatile"].contains(&lower.as_str()) {
        Strength::None
    } else if bare.split('.').all(digits) && bare.len() < 40 {
        if bare.split('.').count() < 3 { Strength::Range } else { Strength::Exact }
    } else if lower.starts_with("dev:") {
        Strength::Floating
    } else {
        classify::version(Ecosystem::CiInclude, word)
    }
}

/// Calls `visit` for every mapping below a node, the node first.
fn each_mapping(node: &Node, depth: usize, visit: &mut dyn FnMut(&Node)) {
    if depth > MAX_DEPTH {
        return;
    }
    let depth = depth.saturating_add(1);
    match node.kind() {
        Kind::Mapping(pairs) => {
            visit(node);
            for (_, value) in pairs {
                each_mapping(value, depth, visit);
            }
        }
        Kind::Sequence(items) => {
            for item in items {
                each_mapping(item, depth, visit);
            }
        }
        Kind::Scalar { .. } => {}
    }
}

/// A scalar's raw range without its quotes.
fn word_range(node: &Node) -> std::ops::Range<usize> {
    node.fragment().map_or(node.range(), Fragment::raw_whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_modules() {
        let check =
            |word: &str, expected: Strength| assert_eq!(module_version(word), expected, "{word}");
        check("", Strength::None);
        check("~latest", Strength::None);
        check("1", Strength::Range);
        check("1.2", Strength::Range);
        check("1.2.3", Strength::Exact);
        check("dev:first", Strength::Floating);
        check("main", Strength::None);
    }
}
