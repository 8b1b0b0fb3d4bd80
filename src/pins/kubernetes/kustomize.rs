//! Carrier: kustomizations. What they take from outside: images whose tag they set, resources,
//! bases and components by URL or repository, charts that they inflate.

use super::delivery::helm_chart;
use crate::pins::audit::Audit;
use crate::pins::carrier::Carrier;
use crate::pins::image;
use crate::pins::repository::{self, SourceFile};
use crate::pins::shell;
use crate::pins::steps::Stage;
use crate::pins::strength::{Ecosystem, Strength};
use crate::pins::yaml::{self, Node};

/// Kustomizations.
pub const CARRIER: Carrier = Carrier {
    name: "kustomize",
    summary: "kustomizations: kustomization.yaml",
    recognises: |path, _| {
        let name = repository::file_name(path);
        ["kustomization.yaml", "kustomization.yml", "Kustomization"].contains(&name)
    },
    read,
};

/// Lists whose entries may be files, folders, repositories or URLs.
const LISTS: &[&str] = &[
    "resources",
    "bases",
    "components",
    "crds",
    "generators",
    "transformers",
    "validators",
    "configurations",
];

fn read(file: &SourceFile, audit: &mut Audit<'_>) {
    for document in yaml::parse(&file.fragment()).report(audit) {
        let mut stage = Stage::new(audit);
        for list in LISTS {
            for entry in document.get(list).map(Node::items).unwrap_or_default() {
                stage.resource(entry);
            }
        }
        for entry in document.get("images").map(Node::items).unwrap_or_default() {
            stage.new_image(entry);
        }
        for chart in document.get("helmCharts").map(Node::items).unwrap_or_default() {
            if let Some(name) = chart.get("name")
                && chart.get("repo").is_some()
            {
                helm_chart(name, chart.get("version"), stage.audit);
            }
        }
        for chart in
            document.get("helmChartInflationGenerator").map(Node::items).unwrap_or_default()
        {
            if let Some(name) = chart.get("chartName")
                && chart.get("chartRepoUrl").is_some()
            {
                helm_chart(name, chart.get("chartVersion"), stage.audit);
            }
        }
    }
}

/// Whether an entry names something that does not lie in this repository, as kustomize's
/// `repospec` reads it: a scheme, `git@`, or a known host before a path.
fn is_remote(word: &str) -> bool {
    let host = word.split('/').next().unwrap_or_default();
    word.contains("://")
        || word.starts_with("git@")
        || word.starts_with("git::")
        || ["github.com", "gitlab.com", "bitbucket.org"].contains(&host)
        || word.contains("?ref=")
        || word.contains(".git//")
}

impl Stage<'_, '_> {
    fn resource(&mut self, entry: &Node) {
        let Some(fragment) = entry.fragment().filter(|word| is_remote(word.text())) else { return };
        let text = fragment.text();
        let referenced = text.contains("ref=") || text.contains("version=");
        let strength = if referenced {
            shell::manifest(&text.replace("?version=", "?ref=").replace("&version=", "&ref="))
        } else if text.ends_with(".yaml") || text.ends_with(".yml") || text.ends_with(".json") {
            shell::manifest(text)
        } else {
            Strength::None
        };
        let input = self.input(Ecosystem::Kubernetes, text, strength, fragment.raw_whole());
        self.audit.push(input);
    }

    /// An image whose tag or digest is set here; one that only gets another name keeps the tag
    /// that stands in the manifests.
    fn new_image(&mut self, entry: &Node) {
        let name = entry.any(&["newName", "name"]).and_then(Node::text).unwrap_or_default();
        let digest = entry.get("digest").filter(|digest| !digest.is_null());
        let Some(node) = digest.or_else(|| entry.get("newTag")).filter(|node| !node.is_null())
        else {
            return;
        };
        let Some(fragment) = node.fragment() else { return };
        let word = fragment.text();
        let strength = if digest.is_some() {
            image::ImageRef { name, tag: None, digest: Some(word) }.strength()
        } else {
            image::tag_strength(word)
        };
        let input = self.input(Ecosystem::Image, name, strength, fragment.raw_whole());
        self.audit.push(input.requesting(word));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::steps::check_files;

    #[test]
    fn kustomizations() {
        let hash = "0123456789".repeat(4);
        let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
        let text = format!(
            "resources:\n- ../base\n- deploy.yaml\n- github.com/a/b//config?ref=v1.2.3\n- https://github.com/a/b//config?ref={hash}\n- https://github.com/a/b\n- https://raw.example.org/a/main/x.yaml\nimages:\n- {{name: a, newTag: latest}}\n- {{name: b, newName: c, digest: '{digest}'}}\n- {{name: d, newName: e}}\nhelmCharts:\n- {{name: web, repo: 'https://e.org'}}\n- {{name: db, repo: 'https://e.org', version: 1.2.3}}\n"
        );
        check_files(
            &CARRIER,
            &[("kustomization.yaml", &text)],
            &[
                "kubernetes github.com/a/b//config?ref=v1.2.3 exact @github.com/a/b//config?ref=v1.2.3",
                &format!(
                    "kubernetes https://github.com/a/b//config?ref={hash} content @https://github.com/a/b//config?ref={hash}"
                ),
                "kubernetes https://github.com/a/b none @https://github.com/a/b",
                "kubernetes https://raw.example.org/a/main/x.yaml none @https://raw.example.org/a/main/x.yaml",
                "container-image a none @latest",
                &format!("container-image c content @{digest}"),
                "helm web none @web",
                "helm db exact @1.2.3",
            ],
        );
    }
}
