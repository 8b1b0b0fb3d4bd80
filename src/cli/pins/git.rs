//! What a change touched: `git diff BASE HEAD` as ranges of lines, read by the git binary.
//!
//! The repository may be hostile: git runs with an environment of its own, without the user's
//! configuration, hooks, file system monitor, external diffs, text conversions and transports, so
//! that nothing that the repository configures is run. Only committed bytes are looked at.

use crate::cli::error::CliError;
use crate::pins::{MAX_FILE, PinReport, Place};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

/// More changed files than this are no change that a gate judges file by file.
const MAX_FILES: usize = 50_000;

/// What the later side of a range has that the earlier has not.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// By the path that the report shows: lines from 1, half-open.
    lines: BTreeMap<String, Vec<Range<usize>>>,
    /// The files as they were committed.
    pub(super) files: BTreeMap<String, Arc<[u8]>>,
}

impl Change {
    /// Reads a range of commits of the repository that the roots lie in.
    pub(super) fn read(range: &str, roots: &[PathBuf]) -> Result<Self, CliError> {
        let Some(first) = roots.first() else { return Ok(Self::default()) };
        let start = if first.is_dir() { first.as_path() } else { parent(first) };
        let top = line(&git(start, &["rev-parse", "--show-toplevel"])?);
        let top = std::fs::canonicalize(&top)
            .map_err(|error| CliError::because(format!("the repository {top}"), error))?;
        let (base, head) = ends(range, &top)?;
        let patch = git(
            &top,
            &[
                "diff",
                "--no-ext-diff",
                "--no-textconv",
                "--no-color",
                "--no-renames",
                "--unified=0",
                "--inter-hunk-context=0",
                "--src-prefix=a/",
                "--dst-prefix=b/",
                "--ignore-submodules",
                &base,
                &head,
                "--",
            ],
        )?;
        let mut change = Self::default();
        let mut wanted = Vec::new();
        for (path, lines) in hunks(&patch) {
            for root in roots {
                let Some(shown) = shown(&top, &path, root) else { continue };
                change.lines.entry(shown.clone()).or_default().extend(lines.iter().cloned());
                wanted.push((path.clone(), shown));
            }
        }
        wanted.truncate(MAX_FILES);
        change.files = contents(&top, &head, &wanted)?;
        Ok(change)
    }

    /// Keeps of a report what the change touched: the word, or where its value is given.
    pub(super) fn narrow(&self, report: &mut PinReport) {
        let touched = |file: &str, from: usize, to: usize| {
            let lines = self.lines.get(file).map(Vec::as_slice).unwrap_or_default();
            lines.iter().any(|range| range.start <= to && from < range.end)
        };
        let at = |place: &Place| touched(&place.file, place.start.line, place.end.line);
        report.findings.retain(|finding| {
            let origin = finding.origin.as_ref().and_then(|origin| origin.place.as_ref());
            touched(&finding.file, finding.start.line, finding.end.line) || origin.is_some_and(at)
        });
        report.gaps.retain(|gap| self.lines.contains_key(&gap.file));
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The path of a repository's file as the report shows it; `None` outside of the root.
fn shown(top: &Path, path: &str, root: &Path) -> Option<String> {
    let real = std::fs::canonicalize(root).ok()?;
    let file = top.join(path);
    if !root.is_dir() {
        let text = root.to_string_lossy();
        return (file == real).then(|| text.trim_start_matches("./").to_owned());
    }
    let below = file.strip_prefix(&real).ok()?.to_str()?;
    let text = root.to_string_lossy();
    let text = text.trim_start_matches("./").trim_end_matches('/');
    let here = text == "." || text.is_empty() && !root.is_absolute();
    Some(if here { below.to_owned() } else { format!("{text}/{below}") })
}

/// The two commits of `A..B`, or of `A...B` the common ancestor and B; an end left out is HEAD.
fn ends(range: &str, top: &Path) -> Result<(String, String), CliError> {
    let (base, head, common) = match (range.split_once("..."), range.split_once("..")) {
        (Some((base, head)), _) => (base, head, true),
        (None, Some((base, head))) => (base, head, false),
        (None, None) => (range, "", false),
    };
    let commit = |word: &str| -> Result<String, CliError> {
        let word = if word.is_empty() { "HEAD" } else { word };
        let commit = format!("{word}^{{commit}}");
        let found = git(top, &["rev-parse", "--verify", "--end-of-options", &commit]);
        let found = found.map_err(|error| {
            CliError::because(format!("{word} is no commit here"), error)
                .hint("in CI, fetch both ends of the range (a full clone, or `git fetch` the base)")
        });
        Ok(line(&found?))
    };
    let (base, head) = (commit(base)?, commit(head)?);
    let base = if common { line(&git(top, &["merge-base", &base, &head])?) } else { base };
    Ok((base, head))
}

fn line(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches(['\n', '\r']).to_owned()
}

/// Git with nothing of the user's and nothing that a repository can have run.
fn command(folder: &Path) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/bin:/bin"));
    // A relative folder would find a program of the repository.
    let folders = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
    let path = std::env::join_paths(folders).unwrap_or_default();
    let program = std::env::split_paths(&path).map(|folder| folder.join("git"));
    let program = program.into_iter().find(|program| program.is_file());
    let mut command = Command::new(program.unwrap_or_else(|| PathBuf::from("/usr/bin/git")));
    command.env_clear().env("PATH", path).current_dir(folder).stdin(Stdio::null());
    for (name, value) in [
        ("LC_ALL", "C"),
        ("HOME", "/nonexistent"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_SYSTEM", "/dev/null"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_ATTR_NOSYSTEM", "1"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_OPTIONAL_LOCKS", "0"),
        ("GIT_NO_LAZY_FETCH", "1"),
        ("GIT_NO_REPLACE_OBJECTS", "1"),
    ] {
        command.env(name, value);
    }
    command.args(["--no-pager", "--literal-pathspecs"]);
    for setting in [
        "core.fsmonitor=false",
        "core.hooksPath=/dev/null",
        "core.attributesFile=/dev/null",
        "core.quotePath=true",
        "core.sshCommand=false",
        "protocol.allow=never",
        "diff.orderFile=/dev/null",
        // Only reading, and nothing that it configures is run: who owns it does not matter.
        "safe.directory=*",
    ] {
        command.args(["-c", setting]);
    }
    command
}

fn git(folder: &Path, arguments: &[&str]) -> Result<Vec<u8>, CliError> {
    let output = command(folder).args(arguments).output().map_err(cannot_run)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let reason = String::from_utf8_lossy(&output.stderr);
    let reason = reason.lines().next().unwrap_or("it failed").to_owned();
    let what = arguments.first().copied().unwrap_or_default();
    Err(CliError::new(format!("git {what} in {}: {reason}", folder.display()))
        .hint("--diff BASE..HEAD judges a change of a git repository; in CI, fetch both commits"))
}

fn cannot_run(error: std::io::Error) -> CliError {
    CliError::because("--diff BASE..HEAD needs the git program, which cannot be run", error)
        .hint("install git, or run the gate without --diff")
}

/// The changed files of a patch without context, and the lines that each has after it.
fn hunks(patch: &[u8]) -> Vec<(String, Vec<Range<usize>>)> {
    let mut found: Vec<(String, Vec<Range<usize>>)> = Vec::new();
    // Lines of the hunk that are still to come: they may look like headers.
    let (mut old, mut new) = (0_usize, 0_usize);
    for line in patch.split(|byte| *byte == b'\n') {
        if old > 0 && line.starts_with(b"-") {
            old = old.saturating_sub(1);
        } else if new > 0 && line.starts_with(b"+") {
            new = new.saturating_sub(1);
        } else if let Some(path) = line.strip_prefix(b"+++ ") {
            if let Some(path) =
                unquoted(path).and_then(|path| path.strip_prefix("b/").map(str::to_owned))
            {
                found.push((path, Vec::new()));
            }
        } else if let Some((removed, start, added)) = header(line) {
            (old, new) = (removed, added);
            if let Some((_, lines)) = found.last_mut().filter(|_| added > 0) {
                lines.push(start..start.saturating_add(added));
            }
        } else if line.starts_with(b"diff --git ") {
            (old, new) = (0, 0);
        }
    }
    found.retain(|(_, lines)| !lines.is_empty());
    found
}

/// `@@ -1,2 +3,4 @@`: how many lines go, where the new ones begin, how many they are.
fn header(line: &[u8]) -> Option<(usize, usize, usize)> {
    let text =
        std::str::from_utf8(line.strip_prefix(b"@@ -")?.split(|b| *b == b'@').next()?).ok()?;
    let (old, new) = text.trim().split_once(" +")?;
    let pair = |text: &str| -> Option<(usize, usize)> {
        let (start, count) = text.split_once(',').unwrap_or((text, "1"));
        Some((start.parse().ok()?, count.parse().ok()?))
    };
    let ((_, removed), (start, added)) = (pair(old)?, pair(new)?);
    Some((removed, start, added))
}

/// A path of a patch: in quotes with C escapes where it is not plain, a tab behind it where it
/// has blanks.
fn unquoted(path: &[u8]) -> Option<String> {
    let path = path.strip_suffix(b"\t").unwrap_or(path);
    let Some(inner) = path.strip_prefix(b"\"").and_then(|path| path.strip_suffix(b"\"")) else {
        return String::from_utf8(path.to_vec()).ok();
    };
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner.iter().copied();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let escaped = rest.next()?;
        bytes.push(match escaped {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'a' => 7,
            b'b' => 8,
            b'v' => 11,
            b'f' => 12,
            b'0'..=b'3' => {
                let digits = [escaped, rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 8).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

/// The committed bytes of files, by the path that the report shows.
fn contents(
    top: &Path,
    head: &str,
    wanted: &[(String, String)],
) -> Result<BTreeMap<String, Arc<[u8]>>, CliError> {
    let wanted: Vec<&(String, String)> =
        wanted.iter().filter(|(path, _)| !path.contains('\n')).collect();
    let mut files = BTreeMap::new();
    if wanted.is_empty() {
        return Ok(files);
    }
    let mut child = command(top)
        .args(["cat-file", "--batch"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(cannot_run)?;
    let (Some(mut ask), Some(answer)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(CliError::new("git cat-file has no pipes"));
    };
    let failed = |error| CliError::because("git cat-file", error);
    let mut answer = BufReader::new(answer);
    // One question at a time: neither side ever waits for a full pipe.
    for (path, shown) in wanted {
        writeln!(ask, "{head}:{path}").and_then(|()| ask.flush()).map_err(failed)?;
        let mut header = String::new();
        answer.read_line(&mut header).map_err(failed)?;
        let mut words = header.split_whitespace().rev();
        let size = words.next().and_then(|size| size.parse::<u64>().ok());
        let Some(size) = size.filter(|_| words.next().is_some()) else { continue };
        let mut bytes = Vec::new();
        answer.by_ref().take(size.min(MAX_FILE)).read_to_end(&mut bytes).map_err(failed)?;
        let rest = size.saturating_sub(MAX_FILE).saturating_add(1);
        std::io::copy(&mut answer.by_ref().take(rest), &mut std::io::sink()).map_err(failed)?;
        if size <= MAX_FILE {
            files.insert(shown.clone(), Arc::from(bytes));
        }
    }
    drop(ask);
    child.wait().map_err(failed)?;
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_are_lines() {
        let patch = b"diff --git a/x b/x\nindex 1..2 100644\n--- a/x\n+++ b/x\n@@ -1 +1,2 @@ FROM x\n-+++ b/evil\n+a\n+++ b/evil\n@@ -9,2 +9,0 @@\n-x\n--- a/y\ndiff --git a/g b/g\n--- /dev/null\n+++ \"b/gr\\303\\274n\\t.sh\"\n@@ -0,0 +1 @@\n+x\n\\ No newline at end of file\n";
        let found = hunks(patch);
        let found: Vec<(&str, &[Range<usize>])> =
            found.iter().map(|(path, lines)| (path.as_str(), lines.as_slice())).collect();
        let one = |start: usize, end: usize| Range { start, end };
        assert_eq!(found, [("x", &[one(1, 3)][..]), ("gr\u{fc}n\t.sh", &[one(1, 2)][..])]);
    }
}
