//! What several tests need: the binary in a clean environment, a tree that is a machine, the
//! fixtures.

pub(crate) mod debian;

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The binary with nothing of the caller's environment but `PATH`, and a store of its own.
pub(crate) fn driftcheck(store: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_driftcheck"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("DRIFTCHECK_STORE", store).env("HOME", "/nonexistent");
    command
}

/// Runs, and tells everything where the exit code is another.
pub(crate) fn run(command: &mut Command, code: i32) -> Output {
    let output = command.output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(code),
        "{command:?}\n{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Runs and reads the JSON that is printed.
pub(crate) fn json(command: &mut Command, code: i32) -> Value {
    serde_json::from_slice(&run(command, code).stdout).unwrap()
}

/// Writes files below a folder, making folders as needed.
pub(crate) fn put(root: &Path, files: &[(&str, &str)]) {
    for (path, bytes) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// A large fixture, or a line that says that the test was skipped without it.
pub(crate) fn fixture(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("DRIFTCHECK_FIXTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures"),
        PathBuf::from,
    );
    let path = folder.join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: no fixture {name} (set DRIFTCHECK_FIXTURES)");
    None
}

/// The changes of a report as `(path, change)`, paths only.
pub(crate) fn path_changes(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let paths = report["changes"].as_array().unwrap().iter();
    paths
        .filter(|change| change["subject"]["type"] == "path")
        .map(|change| (text(&change["subject"]["path"]), text(&change["change"])))
        .collect()
}
