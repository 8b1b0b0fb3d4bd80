//! Version orders against dpkg's and rpm's own. A few hundred pairs by default, 10,000 with
//! `DRIFTCHECK_HEAVY` set.

use driftcheck::collect::packages::version::{deb, rpm};
use std::cmp::Ordering;
use std::io::Write;
use std::process::{Command, Stdio};

/// Pairs that look like versions, the same ones every time. Most pairs share a beginning, for that
/// is where orders differ.
fn pairs(alphabet: &[&str]) -> Vec<(String, String)> {
    let count = if std::env::var_os("DRIFTCHECK_HEAVY").is_some() { 10_000 } else { 400 };
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap() % below
    };
    let mut word =
        |length: usize| -> String { (0..length).map(|_| alphabet[next(alphabet.len())]).collect() };
    let mut pairs = Vec::new();
    for index in 0..count {
        let shared = word(index % 5);
        let (left, right) = (word(1 + index % 4), word(1 + index % 3));
        pairs.push((format!("1{shared}{left}"), format!("1{shared}{right}")));
    }
    pairs
}

/// Feeds a script and reads one answer a line.
fn ask(program: &str, arguments: &[&str], script: &str) -> Option<Vec<String>> {
    let child = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            println!("skipped: {program}: {error}");
            return None;
        }
    };
    let mut input = child.stdin.take().unwrap();
    let script = script.to_owned();
    let writer = std::thread::spawn(move || input.write_all(script.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    Some(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect())
}

fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        println!("skipped: no {program}");
    }
    found
}

#[test]
fn debian_versions_as_dpkg_has_them() {
    if !has("dpkg") {
        return;
    }
    let pairs = pairs(&["0", "1", "2", "10", "00", "a", "b", "Z", ".", "+", "~", "~~", "-", "rc"]);
    // dpkg asks for a digit first and for a revision that is not empty.
    let script: String = pairs
        .iter()
        .map(|(a, b)| {
            format!(
                "if dpkg --compare-versions '{a}x' lt '{b}x'; then echo lt; \
                 elif dpkg --compare-versions '{a}x' eq '{b}x'; then echo eq; else echo gt; fi\n"
            )
        })
        .collect();
    let Some(answers) = ask("sh", &[], &script) else { return };
    assert_eq!(answers.len(), pairs.len());
    for ((a, b), answer) in pairs.iter().zip(answers) {
        let expected = match answer.as_str() {
            "lt" => Ordering::Less,
            "eq" => Ordering::Equal,
            _ => Ordering::Greater,
        };
        assert_eq!(deb::compare(&format!("{a}x"), &format!("{b}x")), expected, "{a}x {b}x");
    }
}

#[test]
fn rpm_versions_as_rpm_has_them() {
    if !has("rpm") {
        return;
    }
    let pairs = pairs(&["0", "1", "2", "10", "00", "a", "b", "Z", ".", "+", "~", "^", "_", "rc"]);
    let calls: String =
        pairs.iter().map(|(a, b)| format!("print(rpm.vercmp(\"{a}\",\"{b}\")..\"\\n\")")).collect();
    // rpm reads macros from a file; a long argument list has a limit.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pairs.lua");
    std::fs::write(&file, calls).unwrap();
    let eval = format!("%{{lua:dofile(\"{}\")}}", file.display());
    let Some(answers) = ask("rpm", &["--eval", &eval], "") else { return };
    let answers: Vec<i32> = answers.iter().filter_map(|line| line.trim().parse().ok()).collect();
    if answers.is_empty() {
        println!("skipped: this rpm has no Lua");
        return;
    }
    assert_eq!(answers.len(), pairs.len());
    for ((a, b), answer) in pairs.iter().zip(answers) {
        assert_eq!(rpm::compare(a, b), answer.cmp(&0), "{a} {b}");
    }
}
