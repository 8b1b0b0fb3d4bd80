//! Compose, Kubernetes, Kustomize, Helm, development containers: the first byte chooses.

#![no_main]

#[path = "pins_common.rs"]
mod common;

use libfuzzer_sys::fuzz_target;

const KINDS: common::Files = &[
    ("compose.yaml", b"services:\n"),
    ("pod.yaml", b"apiVersion: v1\nkind: Pod\n"),
    ("pod.json", b"{\"apiVersion\": \"v1\", \"kind\": \"Pod\", "),
    ("kustomization.yaml", b""),
    ("chart/Chart.yaml", b"apiVersion: v2\nname: a\n"),
    ("chart/values.yaml", b""),
    ("helmfile.yaml", b""),
    (".devcontainer/devcontainer.json", b""),
];

fuzz_target!(|bytes: &[u8]| common::audit_one_of(KINDS, bytes, &[("chart/templates/a.yaml", b"image: {{ .Values.image }}\n"), (".env", b"A=1\n")]));
