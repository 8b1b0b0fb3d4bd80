//! Version orders against dpkg's and rpm's own, on 10,000 pairs each.

use driftcheck::collect::packages::version::{deb, rpm};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::process::Command;

const PAIRS: usize = 10_000;

/// A fixed sequence of choices: the same every time.
struct Choices(u64);

impl Choices {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn word(&mut self, alphabet: &[&str], length: usize) -> String {
        (0..length).map(|_| alphabet[self.below(alphabet.len())]).collect()
    }
}

/// Pairs that look like versions. Most share a beginning, for that is where orders differ; some
/// have an epoch or a revision, and some differ in nothing else.
fn pairs(alphabet: &[&str]) -> Vec<(String, String)> {
    let mut choices = Choices(0x9e37_79b9_7f4a_7c15);
    let revisions = ["", "", "-1", "-2", "-10", "-1.1", "-0a", "-1~1", "-1+b1"];
    let epochs = ["", "", "", "", "0:", "1:", "2:", "10:"];
    let mut pairs = Vec::new();
    for index in 0..PAIRS {
        let shared = choices.word(alphabet, index % 5);
        let mut one = |length: usize| {
            let rest = choices.word(alphabet, length);
            let epoch = epochs[choices.below(epochs.len())];
            let revision = revisions[choices.below(revisions.len())];
            format!("{epoch}1{shared}{rest}{revision}")
        };
        pairs.push((one(index % 4), one(index / 4 % 4)));
    }
    pairs
}

/// Asks a program for the order of each pair, a line each of -1, 0 or 1, and compares.
fn check(pairs: &[(String, String)], program: &mut Command, compare: fn(&str, &str) -> Ordering) {
    let output = match program.env("LC_ALL", "C").output() {
        Ok(output) if output.status.success() && !output.stdout.is_empty() => output,
        Ok(output) => {
            println!("skipped: {}", String::from_utf8_lossy(&output.stderr));
            return;
        }
        Err(error) => {
            println!("skipped: {program:?}: {error}");
            return;
        }
    };
    let answers = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<i32> = answers.lines().filter_map(|line| line.trim().parse().ok()).collect();
    assert_eq!(answers.len(), pairs.len());
    let wrong = |((a, b), answer): &(&(String, String), &i32)| {
        let expected = answer.cmp(&&0);
        compare(a, b) != expected || compare(b, a) != expected.reverse()
    };
    let wrong: Vec<_> = pairs.iter().zip(&answers).filter(wrong).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    // Newer, older and the same must all have been asked for.
    assert!(answers.iter().collect::<BTreeSet<_>>().len() >= 2);
}

fn lines(pairs: &[(String, String)]) -> String {
    pairs.iter().map(|(a, b)| format!("{a} {b}\n")).collect()
}

#[test]
fn debian_versions_as_dpkg_has_them() {
    let alphabet = ["0", "1", "2", "10", "00", "a", "b", "Z", ".", "+", "~", "~~", "-", "rc"];
    let pairs = pairs(&alphabet);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pairs");
    std::fs::write(&file, lines(&pairs)).unwrap();
    let script = "use Dpkg::Version; while (<>) { my @v = map { Dpkg::Version->new($_) } split; \
                  print $v[0] <=> $v[1], \"\\n\"; }";
    check(&pairs, Command::new("perl").args(["-e", script]).arg(&file), deb::compare);
}

/// The program itself, a process for each question, so fewer of them.
#[test]
fn dpkg_agrees_with_its_library() {
    let alphabet = ["0", "1", "10", "a", ".", "+", "~", "-"];
    let few: Vec<(String, String)> = pairs(&alphabet).into_iter().step_by(67).collect();
    let question = |(a, b): &(String, String)| {
        // A revision may not be empty.
        format!(
            "if dpkg --compare-versions '{a}x' lt '{b}x'; then echo -1; \
             elif dpkg --compare-versions '{a}x' eq '{b}x'; then echo 0; else echo 1; fi\n"
        )
    };
    let script: String = few.iter().map(question).collect();
    if Command::new("dpkg").arg("--version").output().is_err() {
        println!("skipped: no dpkg");
        return;
    }
    let with_end: Vec<_> = few.iter().map(|(a, b)| (format!("{a}x"), format!("{b}x"))).collect();
    check(&with_end, Command::new("sh").args(["-c", &script]), deb::compare);
}

#[test]
fn rpm_versions_as_rpm_has_them() {
    let alphabet = ["0", "1", "2", "10", "00", "a", "b", "Z", ".", "+", "~", "^", "_", "rc"];
    let pairs = pairs(&alphabet);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pairs");
    std::fs::write(&file, lines(&pairs)).unwrap();
    let script = folder.path().join("pairs.lua");
    let ask = format!(
        "for line in io.lines('{}') do local a, b = line:match('(%S+) (%S+)'); \
         a, b = rpm.ver(a), rpm.ver(b); \
         print((a < b and -1 or a == b and 0 or 1) .. '\\n') end",
        file.display()
    );
    std::fs::write(&script, ask).unwrap();
    let eval = format!("%{{lua:dofile(\"{}\")}}", script.display());
    check(&pairs, Command::new("rpm").args(["--eval", &eval]), rpm::compare);
}
