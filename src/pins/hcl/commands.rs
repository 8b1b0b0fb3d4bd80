//! Commands and scripts that a value holds, given to the shell engine in the file they stand in.

use super::value::{Text, Value};
use crate::pins::audit::Audit;
use crate::pins::environment::Environment;
use crate::pins::repository::extension;
use crate::pins::shell::{self, Context, Dialect};
use crate::pins::span::FragmentBuilder;

/// Runs a list of commands as one script: what one sets counts in the next.
pub(in crate::pins) fn run(
    value: &Value,
    environment: &mut Environment,
    audit: &mut Audit<'_>,
    dialect: Dialect,
) {
    let mut open: Option<Text> = None;
    for text in value.texts() {
        match &mut open {
            Some(script) if script.file == text.file => {
                let mut builder = FragmentBuilder::default();
                builder.append(&script.fragment);
                let end = script.fragment.raw_whole().end;
                builder.replaced("\n", end..end);
                builder.append(&text.fragment);
                script.fragment = builder.finish();
                script.spliced.extend(text.spliced.iter().cloned());
            }
            _ => {
                if let Some(script) = open.take() {
                    run_in(&script, environment, audit, dialect);
                }
                open = Some(text.clone());
            }
        }
    }
    if let Some(script) = open {
        run_in(&script, environment, audit, dialect);
    }
}

/// Runs one text in the file that it is written in.
pub(in crate::pins) fn run_in(
    text: &Text,
    environment: &mut Environment,
    audit: &mut Audit<'_>,
    dialect: Dialect,
) {
    let context = Context { dialect };
    within(text, audit, |audit| shell::audit(&text.fragment, environment, audit, context));
}

/// Reads a text in the file that it is written in; `None` where that file cannot be followed.
pub(in crate::pins) fn within<T>(
    text: &Text,
    audit: &mut Audit<'_>,
    read: impl FnOnce(&mut Audit<'_>) -> T,
) -> Option<T> {
    let before = audit.inputs().len();
    let answer = if *audit.file().path == *text.file {
        Some(read(audit))
    } else {
        audit.follow(&text.file, |audit| read(audit))
    };
    name_origins(text, audit, before);
    answer
}

/// Inputs that a value was put into say where that value came from.
fn name_origins(text: &Text, audit: &mut Audit<'_>, before: usize) {
    for input in audit.inputs_since_mut(before) {
        if input.origin.is_some() || input.place.file != text.file {
            continue;
        }
        let place = input.place.range();
        let spliced = text.spliced.iter();
        let mut over = spliced.filter(|(at, _)| at.start < place.end && place.start < at.end);
        let origin = over.next().map(|(_, origin)| origin);
        input.origin = origin.or(text.origin.as_ref()).cloned();
    }
}

/// Follows a script of the repository that a machine runs.
pub(in crate::pins) fn follow_script(
    path: &str,
    environment: &mut Environment,
    audit: &mut Audit<'_>,
    dialect: Dialect,
) {
    let dialect = match extension(path) {
        Some("ps1" | "psm1") => Dialect::PowerShell,
        Some("bat" | "cmd") => Dialect::Cmd,
        _ => dialect,
    };
    audit.follow(path, |audit| {
        let file = audit.file().clone();
        let other = file.bytes.starts_with(b"#!") && !is_shell(&file.bytes);
        if !other {
            let environment_before = environment.constants_only();
            shell::audit(&file.fragment(), environment, audit, Context { dialect });
            environment.restore_constants(&environment_before);
            environment.functions.clear();
        }
    });
}

/// Whether the shebang names a shell.
pub(super) fn is_shell(bytes: &[u8]) -> bool {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let program = line.split_whitespace().map(|word| word.rsplit('/').next().unwrap_or(word));
    program.into_iter().any(|word| word.trim_start_matches("#!").ends_with("sh"))
}
