//! What Argo CD, Flux and k3s are told to bring into a cluster: charts by version, repositories by
//! ref, artifacts by tag.

use crate::pins::audit::Audit;
use crate::pins::classify;
use crate::pins::input::Input;
use crate::pins::span::UNKNOWN;
use crate::pins::strength::{Ecosystem, Strength};
use crate::pins::yaml::Node;

/// Hands in the sources of one object.
pub(super) fn sources(object: &Node, kind: &str, audit: &mut Audit<'_>) {
    let Some(spec) = object.get("spec") else { return };
    match kind {
        "Application" => argo(spec, audit),
        "ApplicationSet" => {
            if let Some(spec) = spec.get("template").and_then(|template| template.get("spec")) {
                argo(spec, audit);
            }
        }
        "GitRepository" => {
            if let Some(url) = spec.get("url") {
                let reference = spec.get("ref");
                flux_ref(Ecosystem::Git, url, reference, audit);
            }
        }
        "OCIRepository" => {
            if let Some(url) = spec.get("url") {
                flux_ref(Ecosystem::Kubernetes, url, spec.get("ref"), audit);
            }
        }
        "HelmRelease" => {
            let chart = spec.get("chart").and_then(|chart| chart.get("spec"));
            if let Some(name) = chart.and_then(|chart| chart.get("chart")) {
                let local = name.text().is_some_and(|name| name.starts_with(['.', '/']));
                if !local {
                    helm_chart(name, chart.and_then(|chart| chart.get("version")), audit);
                }
            }
        }
        "HelmChart" => {
            if let Some(name) = spec.get("chart")
                && !name.text().is_some_and(|name| name.starts_with(['.', '/', '%']))
            {
                helm_chart(name, spec.get("version"), audit);
            }
        }
        _ => {}
    }
}

/// Argo CD: a source, or several.
fn argo(spec: &Node, audit: &mut Audit<'_>) {
    let several = spec.get("sources").map(Node::items).unwrap_or_default();
    for source in spec.get("source").into_iter().chain(several) {
        let target = source.get("targetRevision");
        if let Some(chart) = source.get("chart") {
            helm_chart(chart, target, audit);
        } else if let Some(url) = source.get("repoURL") {
            let reference = target.and_then(Node::text).unwrap_or_default();
            let strength = match classify::git_ref(reference) {
                // A pattern of tags is resolved to the newest that matches.
                Strength::Floating if reference.contains(['*', '^', '~', '>', '<']) => {
                    Strength::Range
                }
                strength => strength,
            };
            push(Ecosystem::Git, url, reference, strength, target.unwrap_or(url), audit);
        }
    }
}

/// Flux: `branch`, `tag`, `semver`, `name`, `commit` or `digest`; the firmest of them counts.
fn flux_ref(ecosystem: Ecosystem, url: &Node, reference: Option<&Node>, audit: &mut Audit<'_>) {
    let of = |key: &str| reference.and_then(|reference| reference.get(key));
    let version = |word: &str| match ecosystem {
        Ecosystem::Git => classify::git_ref(word),
        _ => crate::pins::image::tag_strength(word),
    };
    let found = if let Some(commit) = of("commit").or_else(|| of("digest")) {
        let word = commit.text().unwrap_or_default();
        let known = !classify::is_unknown(word);
        Some((commit, if known { Strength::Content } else { Strength::Unknown }))
    } else if let Some(range) = of("semver") {
        Some((range, classify::constraint(range.text().unwrap_or_default())))
    } else if let Some(tag) = of("tag").or_else(|| of("name")) {
        Some((tag, version(tag.text().unwrap_or_default())))
    } else {
        of("branch").map(|branch| {
            let name = branch.text().unwrap_or_default();
            (branch, classify::git_ref(&format!("refs/heads/{name}")))
        })
    };
    let (node, strength) = found.unwrap_or((url, Strength::None));
    let requested = if found.is_some() { node.text().unwrap_or_default() } else { "" };
    push(ecosystem, url, requested, strength, node, audit);
}

/// A chart by its name and its version, which may be missing.
pub(super) fn helm_chart(name: &Node, version: Option<&Node>, audit: &mut Audit<'_>) {
    let version = version.filter(|version| !version.is_null());
    let word = version.and_then(Node::text).unwrap_or_default();
    let strength = classify::version(Ecosystem::Helm, word);
    push(Ecosystem::Helm, name, word, strength, version.unwrap_or(name), audit);
}

fn push(
    ecosystem: Ecosystem,
    subject: &Node,
    requested: &str,
    strength: Strength,
    at: &Node,
    audit: &mut Audit<'_>,
) {
    let subject = subject.text().unwrap_or_default().replace(UNKNOWN, "…");
    let place =
        audit.place(at.fragment().map_or(at.range(), crate::pins::span::Fragment::raw_whole));
    let requested = requested.replace(UNKNOWN, "…");
    audit.push(Input::new(ecosystem, &subject, strength, place).requesting(&requested));
}

#[cfg(test)]
mod tests {
    use crate::pins::kubernetes::CARRIER;
    use crate::pins::steps::check_files;

    #[track_caller]
    fn check(kind: &str, spec: &str, expected: &[&str]) {
        let text = format!("apiVersion: x/v1\nkind: {kind}\nspec: {spec}\n");
        check_files(&CARRIER, &[("a.yaml", &text)], expected);
    }

    #[test]
    fn what_is_delivered() {
        check(
            "Application",
            "{source: {repoURL: 'https://e.org/x', targetRevision: HEAD}}",
            &["git https://e.org/x none @HEAD"],
        );
        check(
            "Application",
            "{sources: [{repoURL: 'https://e.org', chart: web, targetRevision: 1.*}, {repoURL: 'https://e.org/x', targetRevision: v1.2.3}]}",
            &["helm web range @1.*", "git https://e.org/x exact @v1.2.3"],
        );
        check(
            "GitRepository",
            "{url: 'https://e.org/x', ref: {branch: v1.2.3}}",
            &["git https://e.org/x floating @v1.2.3"],
        );
        check(
            "OCIRepository",
            "{url: 'oci://e.org/x', ref: {semver: '>=1'}}",
            &["kubernetes oci://e.org/x range @>=1"],
        );
        check("HelmRelease", "{chart: {spec: {chart: web}}}", &["helm web none @web"]);
        check("HelmRelease", "{chart: {spec: {chart: ./web}}}", &[]);
    }
}
