//! Container images and Helm charts that resources name.

use super::{Configuration, each_below};
use crate::pins::classify;
use crate::pins::hcl::module::inside;
use crate::pins::hcl::syntax::{Body, Expr, Kind};
use crate::pins::hcl::value::{Value, Word};
use crate::pins::hcl::{self, json};
use crate::pins::kubernetes;
use crate::pins::strength::{Ecosystem, Strength};

/// Objects in objects of a definition.
const MAX_DEPTH: usize = 16;

/// Resources whose own attribute is a container image.
const ATTRIBUTES: &[(&str, &str)] = &[
    ("aws_lambda_function", "image_uri"),
    ("docker_container", "image"),
    ("docker_image", "name"),
    ("docker_registry_image", "name"),
    ("docker_volume", "image"),
    ("podman_container", "image"),
];

/// Resources (by the start of their type) that have container images in nested blocks.
const NESTED: &[&str] = &[
    "azurerm_container_app",
    "azurerm_container_group",
    "docker_service",
    "google_cloud_run",
    "kubernetes_",
];

/// Attributes of Google's resources that are container images wherever they stand.
const GOOGLE_ATTRIBUTES: &[&str] =
    &["container_image", "container_image_uri", "dependency_images", "image_uri"];

/// Blocks of Google's resources that describe a container, and the attribute that names its image.
const GOOGLE_BLOCKS: &[(&str, &str)] = &[
    ("container", "image"),
    ("container_image", "image"),
    ("container_spec", "image"),
    ("containers", "image"),
    ("step", "name"),
];

/// Attributes that hold a definition in JSON.
const DEFINITIONS: &[&str] = &["container_definitions", "container_properties", "manifest"];

impl Configuration<'_, '_> {
    pub(super) fn containers(&mut self, kind: &str, body: &Body) {
        for (resource, attribute) in ATTRIBUTES {
            if kind == *resource
                && (kind != "docker_registry_image" || body.block("build").is_none())
                && (kind != "docker_image" || body.block("build").is_none())
                && let Some(expr) = body.get(attribute)
            {
                for word in self.evaluator.words(expr) {
                    self.container_image(&word);
                }
            }
        }
        if NESTED.iter().any(|prefix| kind.starts_with(prefix)) {
            let mut words = Vec::new();
            each_below(body, 0, &mut |_, body| {
                let images = body.get("image").map(|image| self.evaluator.words(image));
                words.extend(images.unwrap_or_default());
            });
            for word in words {
                self.container_image(&word);
            }
        }
        if kind.starts_with("google_") && !NESTED.iter().any(|prefix| kind.starts_with(prefix)) {
            self.google_containers(kind, body);
        }
        if kind == "aws_codebuild_project"
            && let Some(environment) = body.block("environment")
            && let Some(word) = self.word(&environment.body, "image")
        {
            self.container_image(&word);
        }
        if kind == "aws_apprunner_service" {
            let mut words = Vec::new();
            each_below(body, 0, &mut |_, body| {
                let image = body.get("image_identifier");
                words.extend(image.and_then(|image| self.evaluator.word(image)));
            });
            for word in words {
                self.container_image(&word);
            }
        }
        for attribute in DEFINITIONS {
            if let Some(expr) = body.get(attribute) {
                let value = self.evaluator.value(expr);
                self.definition(&value, expr, 0);
            }
        }
        if kind == "helm_release" {
            self.helm(body);
            if let Some(values) = body.get("values") {
                let value = self.evaluator.value(values);
                for text in value.texts() {
                    hcl::within(text, self.audit, |audit| {
                        kubernetes::audit_values(&text.fragment, audit);
                    });
                }
            }
        }
        if let Some(manifest) = body.get("yaml_body") {
            let value = self.evaluator.value(manifest);
            for text in value.texts() {
                hcl::within(text, self.audit, |audit| {
                    kubernetes::audit_text(&text.fragment, audit);
                });
            }
        }
    }

    fn google_containers(&mut self, kind: &str, body: &Body) {
        let mut words = Vec::new();
        each_below(body, 0, &mut |keyword, body| {
            let own = GOOGLE_BLOCKS.iter().filter(|(block, attribute)| {
                *block == keyword && (*attribute != "name" || kind == "google_cloudbuild_trigger")
            });
            let own = own.map(|(_, attribute)| attribute);
            for attribute in GOOGLE_ATTRIBUTES.iter().chain(own) {
                words.extend(body.get(attribute).iter().flat_map(|e| self.evaluator.words(e)));
            }
        });
        for attribute in GOOGLE_ATTRIBUTES {
            words.extend(body.get(attribute).iter().flat_map(|e| self.evaluator.words(e)));
        }
        for word in words {
            self.container_image(&word);
        }
    }

    fn container_image(&mut self, word: &Word) {
        if !word.text.is_empty() && !word.text.contains(char::is_whitespace) {
            self.container(word);
        }
    }

    /// `image` entries of a definition, given as a value or as a JSON text.
    fn definition(&mut self, value: &Value, expr: &Expr, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        let depth = depth.saturating_add(1);
        match value {
            Value::List(values) | Value::Either(values) => {
                for value in values {
                    self.definition(value, expr, depth);
                }
            }
            Value::Object(entries) => {
                for (name, value) in entries {
                    if name == "image" {
                        let file = self.evaluator.file.clone();
                        for word in value.words(&file, &inside(expr)) {
                            self.container_image(&word);
                        }
                    } else {
                        self.definition(value, expr, depth);
                    }
                }
            }
            Value::Text(text) if text.file == self.evaluator.file && text.site.is_none() => {
                let (parsed, _) = json::value(text.text());
                if let Some(parsed) = parsed {
                    self.definition_text(&parsed, text, 0);
                }
            }
            Value::Text(_) | Value::Null | Value::Unknown(_) => {}
        }
    }

    fn definition_text(&mut self, parsed: &Expr, outer: &hcl::value::Text, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        let depth = depth.saturating_add(1);
        match &parsed.kind {
            Kind::List(values) => {
                for value in values {
                    self.definition_text(value, outer, depth);
                }
            }
            Kind::Object(entries) => {
                for (key, value) in entries {
                    match (&value.kind, key.key()) {
                        (Kind::Text(image), Some("image")) => {
                            let mut inner = outer.clone();
                            inner.fragment = image.compose(&outer.fragment);
                            let range = inner.fragment.raw_whole();
                            let mut word = inner.word(&outer.file, &range);
                            word.origin = outer
                                .spliced
                                .iter()
                                .find(|(at, _)| at.start < range.end && range.start < at.end)
                                .map(|(_, origin)| origin.clone());
                            self.container_image(&word);
                        }
                        _ => self.definition_text(value, outer, depth),
                    }
                }
            }
            _ => {}
        }
    }

    fn helm(&mut self, body: &Body) {
        let Some(chart) = self.present(body, "chart") else { return };
        let local = chart.text.starts_with(['.', '/']);
        if local || chart.text.is_empty() {
            return;
        }
        match self.present(body, "version").filter(|word| !word.text.is_empty()) {
            Some(version) => {
                let held = classify::constraint(&version.text);
                self.push(Ecosystem::Helm, &chart.text, held, &version);
            }
            None if chart.text.contains("://") && !chart.text.starts_with("oci:") => {
                let held = classify::url(&chart.text);
                self.push(Ecosystem::Helm, &chart.text.clone(), held, &chart);
            }
            None => {
                let unknown = classify::is_unknown(&chart.text);
                let held = if unknown { Strength::Unknown } else { Strength::None };
                let word = Word { text: String::new(), ..chart.clone() };
                self.push(Ecosystem::Helm, &chart.text, held, &word);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::pins::packer::tests::inputs;

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(inputs("main.tf", text, &[]), expected, "{text}");
    }

    #[test]
    fn container_images() {
        check(
            "resource \"docker_image\" \"x\" {\n name = \"nginx:latest\"\n}\n",
            &["nginx@latest:none|nginx:latest"],
        );
        check("resource \"docker_container\" \"x\" {\n image = docker_image.x.image_id\n}\n", &[]);
        check(
            "resource \"aws_ecs_task_definition\" \"x\" {\n container_definitions = jsonencode([{\n  \
             name = \"a\"\n  image = \"redis:7\"\n }])\n}\n",
            &["redis@7:floating|redis:7"],
        );
        check(
            "resource \"aws_ecs_task_definition\" \"x\" {\n container_definitions = <<EOF\n[\n  \
             {\"name\": \"a\", \"image\": \"redis:7\"}\n]\nEOF\n}\n",
            &["redis@7:floating|redis:7"],
        );
        check(
            "resource \"kubernetes_deployment\" \"x\" {\n spec {\n  template {\n   spec {\n    \
             container {\n     image = \"redis\"\n    }\n   }\n  }\n }\n}\n",
            &["redis@:none|redis"],
        );
    }

    #[test]
    fn containers_of_google() {
        check(
            "resource \"google_cloudbuild_trigger\" \"x\" {\n build {\n  step {\n   name = \"a/b:1\"\n  }\n }\n}\n",
            &["a/b@1:floating|a/b:1"],
        );
        check(
            "resource \"google_dataproc_gdc_spark_application\" \"x\" {\n dependency_images = [\"a/b:1\", \"a/c\"]\n}\n",
            &["a/b@1:floating|a/b:1", "a/c@:none|a/c"],
        );
        check(
            "resource \"google_bigquery_routine\" \"x\" {\n spark_options {\n  container_image = \"a/b\"\n }\n}\n",
            &["a/b@:none|a/b"],
        );
        check(
            "resource \"google_vertex_ai_endpoint\" \"x\" {\n container_spec {\n  image_uri = \"a/b\"\n }\n step {\n  name = \"x\"\n }\n}\n",
            &["a/b@:none|a/b"],
        );
    }

    #[test]
    fn charts() {
        check(
            "resource \"helm_release\" \"x\" {\n repository = \"https://e.org\"\n chart = \"redis\"\n}\n",
            &["redis@:none|redis"],
        );
        check(
            "resource \"helm_release\" \"x\" {\n chart = \"redis\"\n version = \"1.2.3\"\n}\n",
            &["redis@1.2.3:exact|1.2.3"],
        );
        check("resource \"helm_release\" \"x\" {\n chart = \"./redis\"\n}\n", &[]);
        check(
            "resource \"helm_release\" \"x\" {\n chart = \"./redis\"\n values = [<<-EOT\n  image:\n    repository: \
             nginx\n    tag: latest\n  EOT\n  , file(\"v.yaml\")]\n}\n",
            &["nginx@latest:none|latest"],
        );
        check(
            "resource \"kubectl_manifest\" \"x\" {\n yaml_body = <<-YAML\n    apiVersion: v1\n    kind: \
             Pod\n    metadata:\n      name: ${var.n}\n    spec:\n      containers:\n      - image: \
             redis:7\n  YAML\n}\n",
            &["redis@7:floating|redis:7"],
        );
    }
}
