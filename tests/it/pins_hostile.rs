//! Whatever the bytes, every carrier answers, and every place lies inside of its file.

use driftcheck::pins::{Audit, CARRIERS, Repository, SourceFile};
use proptest::prelude::*;

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
