//! Actions that install a tool, and the inputs that say which version of it.
//!
//! The versions of actions that are not in the table are looked at where an input's name says that
//! it is one (`version`, `node-version`, `terraform_version`); only of those in the table is it
//! known what comes when nothing is asked for.

use super::Job;
use crate::pins::audit::InputId;
use crate::pins::shell::Expanded;
use crate::pins::span::UNKNOWN;
use crate::pins::steps;
use crate::pins::strength::{Ecosystem, Strength};
use crate::pins::yaml::Node;

/// An action that installs a tool which moves unless it is told a version.
struct Setup {
    /// Owner and name, in lower case.
    action: &'static str,
    /// What it installs.
    tool: &'static str,
    /// Inputs that say the version, or the file in which it stands.
    inputs: &'static [&'static str],
    /// Files of the repository that it reads when no input says.
    files: &'static [&'static str],
    /// Whether it installs something that moves where nothing says which version.
    moves: bool,
}

const fn row(
    action: &'static str,
    tool: &'static str,
    inputs: &'static [&'static str],
    files: &'static [&'static str],
    moves: bool,
) -> Setup {
    Setup { action, tool, inputs, files, moves }
}

/// The newest release is installed.
const NEWEST: bool = true;
/// Nothing is installed: the version that the runner happens to have, which is of its image.
const RUNNER: bool = false;

/// What the actions' own descriptions say.
const SETUPS: &[Setup] = &[
    row("1password/load-secrets-action", "op", &["version"], &[], NEWEST),
    row(
        "actions/setup-dotnet",
        "dotnet",
        &["dotnet-version", "global-json-file"],
        &["global.json"],
        RUNNER,
    ),
    row("actions/setup-go", "go", &["go-version", "go-version-file"], &[], RUNNER),
    row("actions/setup-java", "java", &["java-version", "java-version-file"], &[], RUNNER),
    row("actions/setup-node", "node", &["node-version", "node-version-file"], &[], RUNNER),
    row(
        "actions/setup-python",
        "python",
        &["python-version", "python-version-file"],
        &[".python-version"],
        RUNNER,
    ),
    row("aquasecurity/setup-trivy", "trivy", &["version"], &[], NEWEST),
    row(
        "astral-sh/setup-uv",
        "uv",
        &["version", "version-file"],
        &["uv.toml", "pyproject.toml"],
        NEWEST,
    ),
    row("azure/setup-helm", "helm", &["version"], &[], NEWEST),
    row("azure/setup-kubectl", "kubectl", &["version"], &[], NEWEST),
    row("denoland/setup-deno", "deno", &["deno-version", "deno-version-file"], &[], NEWEST),
    row("extractions/setup-just", "just", &["just-version"], &[], NEWEST),
    row("fluxcd/flux2", "flux", &["version"], &[], NEWEST),
    row(
        "golangci/golangci-lint-action",
        "golangci-lint",
        &["version", "version-file"],
        &[],
        NEWEST,
    ),
    row("google-github-actions/setup-gcloud", "gcloud", &["version"], &[], NEWEST),
    row("goreleaser/goreleaser-action", "goreleaser", &["version"], &[], NEWEST),
    row("hashicorp/setup-packer", "packer", &["version"], &[], NEWEST),
    row("hashicorp/setup-terraform", "terraform", &["terraform_version"], &[], NEWEST),
    row("opentofu/setup-opentofu", "tofu", &["tofu_version", "tofu_version_file"], &[], NEWEST),
    row(
        "oven-sh/setup-bun",
        "bun",
        &["bun-version", "bun-version-file"],
        &["package.json", ".bun-version", ".tool-versions"],
        NEWEST,
    ),
    row("pnpm/action-setup", "pnpm", &["version", "package_json_file"], &["package.json"], NEWEST),
    row(
        "ruby/setup-ruby",
        "ruby",
        &["ruby-version"],
        &[".ruby-version", ".tool-versions", "mise.toml"],
        RUNNER,
    ),
    row(
        "shivammathur/setup-php",
        "php",
        &["php-version", "php-version-file"],
        &[".php-version", "composer.lock", "composer.json"],
        NEWEST,
    ),
    row("terraform-linters/setup-tflint", "tflint", &["tflint_version"], &[], NEWEST),
];

/// Inputs that have `version` in their names and install nothing.
const OTHER_INPUTS: &[&str] = &["update-version", "check-version", "schema-version", "api-version"];

impl Job<'_, '_> {
    /// The tools that an action installs; `action` is the input that the action itself is.
    pub(super) fn tool(&mut self, name: &str, step: &Node, action: InputId) {
        let lower = name.to_ascii_lowercase();
        let known = SETUPS.iter().find(|setup| setup.action == lower);
        let last = name.split('/').nth(1).unwrap_or_default();
        let named = last.strip_prefix("setup-").or_else(|| last.strip_suffix("-setup"));
        let installs = known.map(|setup| setup.tool).or(named);
        let tool = installs.unwrap_or(last);
        let with = step.get("with");
        let mut asked = with.is_some_and(|with| !with.is_mapping() && !with.is_null());
        for (key, value) in with.map(Node::pairs).unwrap_or_default() {
            let Some(key) = key.text() else { continue };
            let listed = known.is_some_and(|setup| setup.inputs.contains(&key));
            let version = key == "version"
                || ["-version", "_version"].iter().any(|end| key.ends_with(end))
                || key == "toolchain";
            asked |= listed && !value.is_null();
            // Of other actions only what says itself that it moves.
            let moves = || value.text().is_some_and(|text| ["latest", "*"].contains(&text.trim()));
            if version && !OTHER_INPUTS.contains(&key) && (installs.is_some() || moves()) {
                let own = ["-version", "_version"].iter().find_map(|end| key.strip_suffix(end));
                let own = own.filter(|_| installs.is_some());
                self.versions(own.filter(|own| !own.is_empty()).unwrap_or(tool), value);
            }
        }
        if let Some(setup) = known.filter(|setup| !asked && setup.moves) {
            let repository = self.audit.repository();
            if !setup.files.iter().any(|file| repository.exists(file)) {
                self.missing(setup, action);
            }
        }
    }

    /// Nothing says which version: reported at the action.
    fn missing(&mut self, setup: &Setup, action: InputId) {
        let Some(place) = self.audit.input(action).map(|input| input.place.clone()) else { return };
        let key = setup.inputs.first().copied().unwrap_or("version");
        let input = self.stage_input(setup.tool, Strength::None, place.range());
        self.audit.push(input.noting(format!("without `{key}` the newest release is installed")));
    }

    /// A version, or a version in each line.
    fn versions(&mut self, tool: &str, value: &Node) {
        let items = if value.is_sequence() { value.items() } else { std::slice::from_ref(value) };
        for fragment in items.iter().filter_map(Node::fragment) {
            for word in self.values(fragment) {
                self.lines(tool, &word);
            }
        }
    }

    fn lines(&mut self, tool: &str, word: &Expanded) {
        let text = word.text();
        let several = text.trim().contains('\n');
        let mut at = 0_usize;
        for line in text.split_inclusive('\n') {
            let version = line.trim();
            let lead = line.len().saturating_sub(line.trim_start().len());
            let start = at.saturating_add(lead);
            at = at.saturating_add(line.len());
            if version.is_empty() || version.starts_with('#') {
                continue;
            }
            let own = word.fragment.raw_range(start..start.saturating_add(version.len()));
            let range = if several { own } else { word.range.clone() };
            let mut input = self
                .stage_input(tool, steps::tool_version(version), range)
                .requesting(&version.replace(UNKNOWN, "…"));
            input.origin.clone_from(&word.origin);
            self.audit.push(input);
        }
    }

    fn stage_input(
        &self,
        tool: &str,
        strength: Strength,
        range: std::ops::Range<usize>,
    ) -> crate::pins::Input {
        let place = self.audit.place(range);
        crate::pins::Input::new(Ecosystem::Tool, &tool.replace(UNKNOWN, "…"), strength, place)
    }
}
