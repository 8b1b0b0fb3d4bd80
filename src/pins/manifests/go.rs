//! Carrier: `go.mod` with `go.sum`. A required version is one version by the rules of minimal
//! version selection; the sums hold its bytes.

use super::locks::{self, Lock};
use super::versions::Dialect;
use super::{Declared, find_lock, is_named, relative};
use crate::pins::audit::Audit;
use crate::pins::carrier::Carrier;
use crate::pins::input::Input;
use crate::pins::repository::{self, SourceFile};
use crate::pins::strength::{Ecosystem, Strength};

/// Manifests of Go.
pub const CARRIER: Carrier = Carrier {
    name: "go-mod",
    summary: "go.mod with go.sum",
    recognises: |path, _| is_named(path, &["go.mod"]),
    read,
};

/// A line of a `go.mod`, in a block or not.
pub(in crate::pins) struct Directive<'t> {
    /// `require`, `replace`, `module`, …
    pub verb: &'t str,
    /// What it is about.
    pub words: Vec<&'t str>,
    line: &'t str,
    start: usize,
}

/// The directives of a `go.mod` in their order.
pub(in crate::pins) fn directives(text: &str) -> Vec<Directive<'_>> {
    let mut found = Vec::new();
    let (mut block, mut at) = ("", 0_usize);
    for line in text.split_inclusive('\n') {
        let start = at;
        at = at.saturating_add(line.len());
        let code = line.split("//").next().unwrap_or_default();
        let words: Vec<&str> = code.split_whitespace().collect();
        let (verb, words) = match words.as_slice() {
            [")"] => {
                block = "";
                continue;
            }
            [verb, "("] => {
                block = verb;
                continue;
            }
            words if !block.is_empty() => (block, words.to_vec()),
            [verb, rest @ ..] => (*verb, rest.to_vec()),
            [] => continue,
        };
        found.push(Directive { verb, words, line, start });
    }
    found
}

fn read(file: &SourceFile, audit: &mut Audit<'_>) {
    let lock = lock(file, audit);
    let fragment = file.fragment();
    let mut replaced = Vec::new();
    let mut required = Vec::new();
    for Directive { verb, words, line, start } in directives(fragment.text()) {
        let place = |word: &str| {
            let from = start.saturating_add(line.find(word).unwrap_or(0));
            fragment.raw_range(from..from.saturating_add(word.len()))
        };
        match (verb, words.as_slice()) {
            ("require", [module, version]) => {
                let module = module.trim_matches('"');
                required.push((module.to_owned(), (*version).to_owned(), place(version)));
            }
            ("replace", [old, .., new, version]) if *new != "=>" && version.starts_with('v') => {
                replaced.push((*old).to_owned());
                required.push(((*new).to_owned(), (*version).to_owned(), place(version)));
            }
            ("replace", [old, ..]) => replaced.push((*old).to_owned()),
            ("toolchain", [version]) => {
                let word = version.trim_start_matches("go");
                let strength = crate::pins::steps::tool_version(word);
                let own = audit.place(place(version));
                audit.push(Input::new(Ecosystem::Tool, "go", strength, own).requesting(word));
            }
            _ => {}
        }
    }
    for (module, version, at) in required {
        if replaced.contains(&module) {
            continue;
        }
        let strength = if version.starts_with('v') { Strength::Exact } else { Strength::Floating };
        Declared::new(Ecosystem::Go, Dialect::Go, &module, &version, at)
            .held(strength)
            .push(lock.as_ref(), audit);
    }
}

/// The sums beside the file; with vendored modules nothing asks for them.
fn lock(file: &SourceFile, audit: &Audit<'_>) -> Option<Lock> {
    let vendored = repository::resolve(&file.path, "vendor/modules.txt");
    if vendored.is_some_and(|path| audit.repository().exists(&path)) {
        return Some(Lock::opaque("vendor/modules.txt"));
    }
    find_lock(audit, &["go.sum"], |above, _, bytes| {
        relative(audit, above).is_empty().then(|| locks::go_sum(bytes)).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::steps::check_files;

    #[test]
    fn modules() {
        let manifest = "module own\n\ngo 1.22\n\ntoolchain go1.22.1\n\nrequire e.org/a v1.0.0\n\nrequire (\n\te.org/b v1.2.0 // indirect\n\te.org/c v0.0.0-20240101000000-0123456789ab\n)\n\nreplace e.org/c => ../c\n";
        check_files(
            &CARRIER,
            &[("go.mod", manifest)],
            &["tool go exact @go1.22.1", "go e.org/a exact @v1.0.0", "go e.org/b exact @v1.2.0"],
        );
        check_files(
            &CARRIER,
            &[
                ("go.mod", manifest),
                ("go.sum", "e.org/a v1.0.0 h1:x\ne.org/b v1.1.0/go.mod h1:y\n"),
            ],
            &["tool go exact @go1.22.1", "go e.org/a content @v1.0.0", "go e.org/b range @v1.2.0"],
        );
    }
}
