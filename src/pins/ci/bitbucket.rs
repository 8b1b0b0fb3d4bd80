//! Carrier: Bitbucket Pipelines. Images of builds and services, pipes by version, scripts.

use super::{each_mapping, module_version};
use crate::pins::audit::Audit;
use crate::pins::carrier::Carrier;
use crate::pins::repository::{self, SourceFile};
use crate::pins::shell::{self, Dialect, Expanded};
use crate::pins::span::FragmentBuilder;
use crate::pins::steps::Stage;
use crate::pins::strength::Ecosystem;
use crate::pins::yaml::{self, Node};

/// `bitbucket-pipelines.yml`.
pub const CARRIER: Carrier = Carrier {
    name: "bitbucket-pipelines",
    summary: "Bitbucket Pipelines: bitbucket-pipelines.yml",
    recognises: |path, _| {
        ["bitbucket-pipelines.yml", "bitbucket-pipelines.yaml"]
            .contains(&repository::file_name(path))
    },
    read,
};

fn read(file: &SourceFile, audit: &mut Audit<'_>) {
    for document in yaml::parse(&file.fragment()).report(audit) {
        each_mapping(&document, 0, &mut |node| {
            let mut stage = Stage::new(audit);
            if let Some(image) = node.get("image").filter(|image| !image.is_null()) {
                stage.image(image.get("name").unwrap_or(image));
            }
            for key in ["script", "after-script"] {
                if let Some(script) = node.get(key) {
                    stage.bitbucket_script(script);
                }
            }
        });
    }
}

impl Stage<'_, '_> {
    /// Commands with pipes between them.
    fn bitbucket_script(&mut self, script: &Node) {
        let mut text = FragmentBuilder::default();
        for line in script.items() {
            if let Some(fragment) = line.fragment() {
                text.append(fragment);
                let end = fragment.raw_whole().end;
                text.replaced("\n", end..end);
            } else if let Some(pipe) = line.get("pipe").and_then(Node::fragment) {
                let word = pipe.text();
                if word.starts_with("docker://") {
                    let image = Expanded::plain(pipe.clone());
                    shell::image(&image, &mut self.environment, self.audit);
                } else {
                    let (name, version) = word.rsplit_once(':').unwrap_or((word, ""));
                    let strength = module_version(version);
                    let at = pipe.raw_whole();
                    let input = self.input(Ecosystem::CiInclude, name, strength, at);
                    self.audit.push(input.requesting(version));
                }
            }
        }
        self.run(&text.finish(), Dialect::Posix);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::steps::check_files;

    #[test]
    fn pipelines() {
        check_files(
            &CARRIER,
            &[(
                "bitbucket-pipelines.yml",
                "image: node:20\ndefinitions:\n  services: {db: {image: postgres}}\n  steps:\n  - step: &s\n      image: {name: 'python:3.12.1'}\n      script:\n      - V=1.0\n      - pipe: atlassian/aws-s3-deploy:1.1\n      - pip install x==$V\n      - pipe: docker://a/b\npipelines:\n  default:\n  - step: *s\n",
            )],
            &[
                "container-image node floating @node:20",
                "container-image postgres none @postgres",
                "container-image python exact @python:3.12.1",
                "container-image python exact @python:3.12.1",
                "ci-include atlassian/aws-s3-deploy range @atlassian/aws-s3-deploy:1.1",
                "ci-include atlassian/aws-s3-deploy range @atlassian/aws-s3-deploy:1.1",
                "pip x exact @x==$V",
                "pip x exact @x==$V",
                "container-image a/b none @docker://a/b",
                "container-image a/b none @docker://a/b",
            ],
        );
    }
}
