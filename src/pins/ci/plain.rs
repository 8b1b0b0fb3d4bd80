//! Carriers: systems whose steps are containers by name: Drone and Woodpecker, Google Cloud Build.

use super::each_mapping;
use crate::pins::carrier::Carrier;
use crate::pins::repository;
use crate::pins::shell::Dialect;
use crate::pins::span::Fragment;
use crate::pins::steps::Stage;
use crate::pins::yaml::{self, Node};

/// Drone and Woodpecker.
pub const DRONE: Carrier = Carrier {
    name: "drone",
    summary: "Drone and Woodpecker: .drone.yml, .woodpecker/*.yml",
    recognises: |path, _| {
        let name = repository::file_name(path);
        let woodpecker = path.starts_with(".woodpecker/") || path.contains("/.woodpecker/");
        let yaml = name.ends_with(".yml") || name.ends_with(".yaml");
        yaml && (woodpecker || name.starts_with(".drone.") || name.starts_with(".woodpecker."))
    },
    read: |file, audit| {
        for document in yaml::parse(&file.fragment()).report(audit) {
            each_mapping(&document, 0, &mut |node| {
                let mut stage = Stage::new(audit);
                stage.constants("environment", node.get("environment"));
                if let Some(image) = node.get("image") {
                    stage.image(image);
                }
                if let Some(commands) = node.get("commands") {
                    stage.script(commands, Dialect::Posix);
                }
            });
        }
    },
};

/// Google Cloud Build.
pub const CLOUD_BUILD: Carrier = Carrier {
    name: "cloud-build",
    summary: "Google Cloud Build: cloudbuild*.yaml",
    recognises: |path, head| {
        let name = repository::file_name(path);
        let yaml = name.ends_with(".yml") || name.ends_with(".yaml");
        yaml && name.starts_with("cloudbuild")
            && head.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"steps:"))
    },
    read: |file, audit| {
        for document in yaml::parse(&file.fragment()).report(audit) {
            // What all steps know is made once: there may be many of both.
            let mut known = Stage::new(&mut *audit);
            known.constants("substitution", document.get("substitutions"));
            let known = known.environment;
            for step in document.get("steps").map(Node::items).unwrap_or_default() {
                let mut stage = Stage { audit: &mut *audit, environment: known.clone() };
                if let Some(name) = step.get("name") {
                    stage.image(name);
                }
                if let Some(script) = step.get("script") {
                    stage.script(script, Dialect::Posix);
                }
                let builder = step.get("name").and_then(Node::text).unwrap_or_default();
                let program = builder.rsplit('/').next().unwrap_or_default();
                let program = program.split([':', '@']).next().unwrap_or_default().to_owned();
                let at = step.get("name").map(Node::range).unwrap_or_default();
                let entry = step.get("entrypoint").and_then(Node::fragment).cloned();
                let arguments = step.get("args").map(Node::items).unwrap_or_default();
                let mut words = vec![entry.unwrap_or_else(|| Fragment::opaque(&program, at))];
                words.extend(arguments.iter().filter_map(|word| word.fragment().cloned()));
                if words.len() > 1 {
                    stage.words(&words);
                }
            }
        }
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::steps::check_files;

    #[test]
    fn containers_by_name() {
        check_files(
            &DRONE,
            &[(
                ".drone.yml",
                "kind: pipeline\nsteps:\n- name: a\n  image: golang:1.22\n  commands: [go install e.org/x@latest]\nservices: [{name: db, image: redis}]\n",
            )],
            &[
                "container-image golang floating @golang:1.22",
                "go e.org/x none @e.org/x@latest",
                "container-image redis none @redis",
            ],
        );
        check_files(
            &CLOUD_BUILD,
            &[(
                "cloudbuild.yaml",
                "steps:\n- name: gcr.io/cloud-builders/npm\n  args: [install, -g, x]\n- name: 'node:$_N'\n  entrypoint: bash\n  args: [-c, pip install y]\nsubstitutions: {_N: 20.1.0}\n",
            )],
            &[
                "container-image gcr.io/cloud-builders/npm none @gcr.io/cloud-builders/npm",
                "npm x none @x",
                "container-image node exact @node:$_N",
                "pip y none @y",
            ],
        );
    }
}
