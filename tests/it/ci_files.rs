//! What the repository offers to other people's CI: the composite action, the GitLab template and
//! the pre-commit hook parse, are put together rightly, and are pinned as our own gate asks.

use driftcheck::pins::walk::audit_source;
use driftcheck::pins::yaml::{self, Node};
use driftcheck::pins::{CARRIERS, Fragment, PinReport, Repository, Requirements, SourceFile};
use std::collections::BTreeSet;
use std::path::Path;

fn text(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn documents(path: &str) -> Vec<Node> {
    let stream = yaml::parse(&Fragment::verbatim(&text(path), 0));
    assert!(stream.faults.is_empty(), "{path}: {:?}", stream.faults);
    stream.documents
}

fn keys(node: Option<&Node>) -> BTreeSet<String> {
    let pairs = node.map(Node::pairs).unwrap_or_default();
    pairs.iter().filter_map(|(key, _)| key.text().map(str::to_owned)).collect()
}

/// The names behind `inputs.` between two marks.
fn used(path: &str, open: &str, close: &str) -> BTreeSet<String> {
    let text = text(path);
    let parts = text.split(open).skip(1).filter_map(|rest| rest.split(close).next());
    parts.filter_map(|word| word.trim().strip_prefix("inputs.")).map(str::to_owned).collect()
}

#[test]
fn the_action_is_whole() {
    let documents = documents("action.yml");
    let [action] = documents.as_slice() else { panic!("one document") };
    let runs = action.get("runs").unwrap();
    assert_eq!(runs.get("using").and_then(Node::text), Some("composite"));
    for step in runs.get("steps").unwrap().items() {
        assert_eq!(step.get("run").is_some(), step.get("shell").is_some(), "{step:?}");
    }
    assert_eq!(used("action.yml", "${{", "}}"), keys(action.get("inputs")));
    for (_, input) in action.get("inputs").unwrap().pairs() {
        assert!(input.get("description").is_some() && input.get("default").is_some());
    }
}

#[test]
fn the_gitlab_template_is_whole() {
    let path = "templates/driftcheck.gitlab-ci.yml";
    let documents = documents(path);
    let [header, jobs] = documents.as_slice() else { panic!("a header and jobs") };
    let inputs = header.get("spec").and_then(|spec| spec.get("inputs"));
    assert_eq!(used(path, "$[[", "]]"), keys(inputs));
    for (name, job) in jobs.pairs() {
        assert!(job.get("script").is_some_and(Node::is_sequence), "{name:?}");
    }
}

#[test]
fn the_hook_is_whole() {
    let documents = documents(".pre-commit-hooks.yaml");
    let hooks = documents.first().unwrap().items();
    assert!(!hooks.is_empty());
    for hook in hooks {
        for key in ["id", "name", "entry", "language"] {
            assert!(hook.get(key).and_then(Node::text).is_some(), "{key}");
        }
    }
}

#[test]
fn they_are_pinned() {
    for path in ["action.yml", "templates/driftcheck.gitlab-ci.yml"] {
        let text = text(path);
        let carrier = CARRIERS.iter().find(|c| (c.recognises)(path, text.as_bytes())).unwrap();
        let file = SourceFile::new(path, text.as_bytes());
        let collected = audit_source(&file, carrier, &Repository::of_files([]));
        let policy = Requirements::shipped().unwrap();
        let (inputs, remarks) = (collected.inputs, collected.remarks);
        let report = PinReport::judge(inputs, remarks, collected.gaps, &policy);
        assert!(report.findings.is_empty() && report.gaps.is_empty(), "{path}: {report:#?}");
    }
}
