//! Pipelines of CI systems: the first byte chooses which one.

#![no_main]

#[path = "pins_common.rs"]
mod common;

use libfuzzer_sys::fuzz_target;

const KINDS: common::Files = &[
    (".gitlab-ci.yml", b""),
    (".circleci/config.yml", b""),
    ("azure-pipelines.yml", b"steps:\n"),
    ("bitbucket-pipelines.yml", b""),
    (".drone.yml", b"kind: pipeline\n"),
    ("cloudbuild.yaml", b"steps:\n"),
    ("Jenkinsfile", b""),
    (".pre-commit-config.yaml", b"repos:\n"),
];

fuzz_target!(|bytes: &[u8]| common::audit_one_of(KINDS, bytes, &[("ci/other.yml", b"x:\n  script: [apk add curl]\n")]));
