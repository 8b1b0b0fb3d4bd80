//! Two versions of a file as a unified diff that `patch` and `git apply` read. Line ends stand as
//! they are, and so do bytes that are no text.

use super::FixedFile;
use std::io::{self, Write};

/// Lines around a change.
const CONTEXT: usize = 3;

/// Writes the difference of one file; nothing where there is none.
///
/// # Errors
/// Of the sink.
pub fn unified(file: &FixedFile, out: &mut dyn Write) -> io::Result<()> {
    let old: Vec<&[u8]> = file.before.split_inclusive(|byte| *byte == b'\n').collect();
    let new: Vec<&[u8]> = file.after.split_inclusive(|byte| *byte == b'\n').collect();
    let ops = similar::capture_diff_slices(similar::Algorithm::Myers, &old, &new);
    let groups = similar::group_diff_ops(ops, CONTEXT);
    if groups.is_empty() {
        return Ok(());
    }
    let path = file.path.trim_start_matches('/');
    writeln!(out, "--- a/{path}\n+++ b/{path}")?;
    for group in groups {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let range = |start: usize, end: usize| match end.saturating_sub(start) {
            0 => format!("{start},0"),
            1 => format!("{}", start.saturating_add(1)),
            count => format!("{},{count}", start.saturating_add(1)),
        };
        writeln!(
            out,
            "@@ -{} +{} @@",
            range(first.old_range().start, last.old_range().end),
            range(first.new_range().start, last.new_range().end)
        )?;
        for op in &group {
            let same = op.tag() == similar::DiffTag::Equal;
            let removed = if same { b' ' } else { b'-' };
            lines(&old, op.old_range(), removed, out)?;
            if !same {
                lines(&new, op.new_range(), b'+', out)?;
            }
        }
    }
    Ok(())
}

fn lines(
    all: &[&[u8]],
    range: std::ops::Range<usize>,
    mark: u8,
    out: &mut dyn Write,
) -> io::Result<()> {
    for line in all.get(range).unwrap_or_default() {
        out.write_all(&[mark])?;
        out.write_all(line)?;
        if !line.ends_with(b"\n") {
            out.write_all(b"\n\\ No newline at end of file\n")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn as_patch_reads_it() {
        let check = |before: &str, after: &str, expected: &str| {
            let (before, after) = (Arc::from(before.as_bytes()), Arc::from(after.as_bytes()));
            let mut out = Vec::new();
            unified(&FixedFile { path: "a/f".to_owned(), before, after }, &mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        };
        check("a\n", "a\n", "");
        check(
            "a",
            "b",
            "--- a/a/f\n+++ b/a/f\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n\\ No newline at end of file\n",
        );
        check(
            "1\r\n2\r\n3\r\n4\r\n5\r\n6\r\n",
            "1\r\n2\r\n3\r\n4\r\nx\r\n6\r\n",
            "--- a/a/f\n+++ b/a/f\n@@ -2,5 +2,5 @@\n 2\r\n 3\r\n 4\r\n-5\r\n+x\r\n 6\r\n",
        );
    }
}
