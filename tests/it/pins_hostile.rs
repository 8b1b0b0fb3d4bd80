//! Whatever the bytes, every carrier answers, and every place lies inside of its file.

use driftcheck::pins::walk::audit_source;
use driftcheck::pins::{Audit, CARRIERS, Repository, SourceFile};
use proptest::prelude::*;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// Pieces that build files are made of, so that random texts reach the deep parts of the readers.
const PIECES: &[&str] = &[
    "FROM ",
    "RUN ",
    "COPY --from=",
    "ADD ",
    "ARG A=",
    "ENV A ",
    "ONBUILD ",
    "SHELL [\"",
    "<<EOT",
    "\nEOT\n",
    "\\\n",
    "\n",
    "\t",
    " ",
    "\"",
    "'",
    "`",
    "$(",
    ")",
    "${A:-",
    "}",
    "$A",
    "{{",
    "}}",
    "{%",
    "%}",
    "[",
    "]",
    ",",
    "#",
    "=",
    "==1.2",
    ">=",
    "~",
    "*",
    "|",
    "||",
    "&&",
    ";",
    "&",
    "(",
    "if true; then ",
    "fi",
    "for i in ",
    "; do ",
    "done",
    "case x in ",
    "esac",
    "f() {",
    "apt-get ",
    "install ",
    "-y ",
    "pip ",
    "npm ",
    "curl ",
    "-o ",
    "https://e.org/x",
    "wget ",
    "sh ",
    "-c ",
    "xargs ",
    "sudo ",
    "env ",
    "eval ",
    "git clone ",
    "docker run ",
    "helm ",
    "sha256sum -c ",
    "ä",
    "\u{10fffe}",
    "\u{fffd}",
    "debian:12",
    "@sha256:",
    "resource \"a\" \"b\" {",
    "a: &b\n",
];

fn text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        9 => proptest::sample::select(PIECES).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..4),
    ];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_carrier_answers(bytes in text()) {
        for carrier in CARRIERS {
            let repository = Repository::of_files([("f", bytes.as_slice())]);
            let file = SourceFile::new("f", bytes.as_slice());
            let mut audit = Audit::new(&repository, file.clone(), carrier.name);
            (carrier.read)(&file, &mut audit);
            for input in audit.finish().inputs {
                let range = input.place.range();
                prop_assert!(range.start <= range.end && range.end <= bytes.len(), "{input:?}");
                prop_assert!(input.place.start <= input.place.end);
            }
        }
    }
}

/// What thousands of places ask of one large file beside theirs is read once. (The bound is wide:
/// this is an unoptimized build, and reading it each time takes minutes.)
#[test]
fn files_that_thousands_ask_for_are_read_once() {
    let (mut values, mut services, mut constraints) =
        (String::new(), "services:\n".to_owned(), String::new());
    for i in 0..4000 {
        let _ = writeln!(values, "a{i}:\n  image: {{repository: x/y{i}, pullPolicy: Always}}");
        let _ = writeln!(services, "  s{i}:\n    build: {{context: ., args: {{A: b}}}}");
        let _ = writeln!(constraints, "package{i}==1.2.3");
    }
    let chart = format!("appVersion: 1.2.3\nx:\n{}", "- a: b\n".repeat(30_000));
    let dockerfile = format!("ARG A\n{}", "FROM x:$A\n".repeat(30_000));
    let script = format!("#!/bin/sh\n{}", "pip install -c c.txt x\n".repeat(4000));
    for (path, text, beside, other) in [
        ("values.yaml", &values, "Chart.yaml", &chart),
        ("compose.yml", &services, "Dockerfile", &dockerfile),
        ("a.sh", &script, "c.txt", &constraints),
    ] {
        let repository =
            Repository::of_files([(path, text.as_bytes()), (beside, other.as_bytes())]);
        let carrier = CARRIERS.iter().find(|carrier| (carrier.recognises)(path, text.as_bytes()));
        let carrier = carrier.unwrap_or_else(|| panic!("nobody reads {path}"));
        let begin = Instant::now();
        let collected = audit_source(&SourceFile::new(path, text.as_bytes()), carrier, &repository);
        assert!(!collected.inputs.is_empty(), "{path}");
        assert!(begin.elapsed() < Duration::from_secs(30), "{path}: {:?}", begin.elapsed());
    }
}
