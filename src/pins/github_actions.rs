//! Carrier: GitHub Actions workflows and actions.
//!
//! What it takes for an input: actions and reusable workflows (`uses`), images of jobs, services
//! and steps, runners that are labelled `-latest`, the versions that `setup-*` actions are asked
//! for, and what the commands of `run` install, in the shell that they run in. One machine per
//! job. Expressions (`${{ }}`) are unknown, but for a matrix of runners, which stands in the file.

use super::audit::Audit;
use super::carrier::Carrier;
use super::classify;
use super::environment::{Constant, Environment};
use super::input::{Input, Origin};
use super::repository::{self, SourceFile};
use super::shell::{self, Context, Dialect, Expanded};
use super::span::UNKNOWN;
use super::strength::{Ecosystem, Strength};
use super::yaml::{self, Kind, Node};
use std::sync::Arc;

/// Workflows, and actions of a repository's own.
pub const CARRIER: Carrier = Carrier {
    name: "github-actions",
    summary: "GitHub Actions: .github/workflows/*.yml, action.yml",
    recognises: |path, head| {
        let name = repository::file_name(path);
        let workflow =
            path.starts_with(".github/workflows/") || path.contains("/.github/workflows/");
        let yaml = matches!(repository::extension(path), Some("yml" | "yaml"));
        ["action.yml", "action.yaml"].contains(&name)
            || yaml && (workflow || looks_like_workflow(head))
    },
    read,
};

/// Actions that install the newest release of their tool unless an input says which, as their
/// `action.yml` tells.
const NEWEST_UNLESS_TOLD: &[(&str, &str)] = &[
    ("1password/load-secrets-action", "version"),
    ("aquasecurity/setup-trivy", "version"),
    ("astral-sh/setup-uv", "version"),
    ("azure/setup-helm", "version"),
    ("azure/setup-kubectl", "version"),
    ("extractions/setup-just", "just-version"),
    ("golangci/golangci-lint-action", "version"),
    ("hashicorp/setup-packer", "version"),
    ("hashicorp/setup-terraform", "terraform_version"),
    ("opentofu/setup-opentofu", "tofu_version"),
    ("oven-sh/setup-bun", "bun-version"),
    ("terraform-linters/setup-tflint", "tflint_version"),
];

/// A workflow that lies elsewhere (a template for other repositories, an example): it has both
/// `on` and `jobs` at its top, which nothing else in YAML has.
fn looks_like_workflow(head: &[u8]) -> bool {
    let has = |wanted: &[u8]| {
        head.split(|byte| *byte == b'\n').any(|line| {
            let line = line.strip_prefix(b"\"").or(line.strip_prefix(b"'")).unwrap_or(line);
            let rest = line.strip_prefix(wanted).unwrap_or_default();
            let rest = rest.strip_prefix(b"\"").or(rest.strip_prefix(b"'")).unwrap_or(rest);
            rest.first() == Some(&b':')
        })
    };
    has(b"jobs") && has(b"on")
}

fn read(file: &SourceFile, audit: &mut Audit<'_>) {
    for document in yaml::parse(&file.fragment()).report(audit) {
        if let Some(runs) = document.get("runs") {
            let mut job = Job { audit, environment: Environment::default(), shell: None };
            job.action(runs);
        }
        for (_, body) in document.get("jobs").map(Node::pairs).unwrap_or_default() {
            let environment = Environment::default();
            let mut job = Job { audit: &mut *audit, environment, shell: None };
            job.constants(document.get("env"));
            job.job(body, default_shell(&document));
        }
    }
}

fn default_shell(node: &Node) -> Option<String> {
    let run = node.get("defaults")?.get("run")?;
    run.get("shell")?.text().map(str::to_owned)
}

/// A job, or an action's own steps: one machine.
struct Job<'j, 'a> {
    audit: &'j mut Audit<'a>,
    environment: Environment,
    /// The shell of steps that name none.
    shell: Option<String>,
}

impl Job<'_, '_> {
    fn job(&mut self, job: &Node, shell: Option<String>) {
        self.constants(job.get("env"));
        self.uses(job);
        self.runner(job);
        if let Some(container) = job.get("container") {
            self.job_image(container.get("image").unwrap_or(container), job);
        }
        for (_, service) in job.get("services").map(Node::pairs).unwrap_or_default() {
            if let Some(image) = service.get("image") {
                self.job_image(image, job);
            }
        }
        let runner = job.get("runs-on").and_then(Node::text).unwrap_or_default();
        let windows = runner.starts_with("windows").then(|| "pwsh".to_owned());
        self.shell = default_shell(job).or(shell).or(windows);
        self.steps(job);
    }

    fn action(&mut self, runs: &Node) {
        if runs.get("image").and_then(Node::text).is_some_and(|image| image.contains("://")) {
            self.image(runs.get("image").unwrap_or(runs));
        }
        self.steps(runs);
    }

    fn steps(&mut self, job: &Node) {
        for step in job.get("steps").map(Node::items).unwrap_or_default() {
            self.uses(step);
            let Some(run) = step.get("run").and_then(Node::fragment) else { continue };
            let shell = step.get("shell").and_then(Node::text).or(self.shell.as_deref());
            let program = shell.unwrap_or("bash").split_whitespace().next().unwrap_or_default();
            let dialect = match program {
                "pwsh" | "powershell" => Dialect::PowerShell,
                "cmd" => Dialect::Cmd,
                "bash" | "sh" => Dialect::Posix,
                _ => continue,
            };
            let before = self.environment.constants_only();
            self.constants(step.get("env"));
            shell::audit(run, &mut self.environment, self.audit, Context { dialect });
            self.environment.restore_constants(&before);
            self.environment.functions.clear();
            self.environment.machine.directory = None;
        }
    }

    /// `env`: what the commands below see.
    fn constants(&mut self, env: Option<&Node>) {
        for (name, value) in env.map(Node::pairs).unwrap_or_default() {
            let (Some(name), Some(fragment)) = (name.text(), value.fragment()) else { continue };
            let place = Some(self.audit.place(fragment.raw_whole()));
            let origin = Origin { name: format!("env {name}"), place, overridable: false };
            let file = Arc::clone(&self.audit.file().path);
            let values = vec![fragment.clone()];
            self.environment.set(name, Constant { values, file, origin, element: false });
        }
    }

    fn image(&mut self, node: &Node) {
        let Some(fragment) = node.fragment().filter(|image| !image.text().is_empty()) else {
            return;
        };
        shell::image(&Expanded::plain(fragment.clone()), &mut self.environment, self.audit);
    }

    /// An image of a job: one that its matrix names is every image that stands there.
    fn job_image(&mut self, node: &Node, job: &Node) {
        let bytes = self.audit.file().bytes.get(node.range()).unwrap_or_default();
        let text = String::from_utf8_lossy(bytes);
        let name = text.trim_matches(['"', '\'', ' ']).strip_prefix("${{");
        let name = name.and_then(|rest| rest.strip_suffix("}}")).map(str::trim);
        let path: Option<Vec<&str>> = name
            .and_then(|name| name.strip_prefix("matrix."))
            .map(|name| name.split('.').collect());
        let matrix = job.get("strategy").and_then(|strategy| strategy.get("matrix"));
        let mut values = Vec::new();
        if let (Some([axis, rest @ ..]), Some(matrix)) = (path.as_deref(), matrix) {
            let own = matrix.get(axis).map(Node::items).unwrap_or_default();
            let included = matrix.get("include").map(Node::items).unwrap_or_default();
            let all = own.iter().chain(included.iter().filter_map(|entry| entry.get(axis)));
            let inner = |value| rest.iter().try_fold(value, |value: &Node, key| value.get(key));
            values.extend(all.filter_map(inner).filter(|value| value.text().is_some()).cloned());
        }
        if values.is_empty() {
            return self.image(node);
        }
        for value in values {
            self.image(&value);
        }
    }

    /// An action, a reusable workflow or an image; what stands in this repository is no input.
    fn uses(&mut self, step: &Node) {
        let Some(node) = step.get("uses") else { return };
        let text = node.text().unwrap_or_default().trim();
        if text.starts_with("./") || text.is_empty() {
            return;
        }
        if text.starts_with("docker://") {
            self.image(node);
            return;
        }
        let (name, reference) = text.split_once('@').unwrap_or((text, ""));
        let place = self.audit.place(node.range());
        let mut input = Input::new(
            Ecosystem::Action,
            &name.replace(UNKNOWN, "…"),
            classify::git_ref(reference),
            place,
        )
        .requesting(&reference.replace(UNKNOWN, "…"));
        if classify::is_short_hash(reference) {
            input = input.noting("an abbreviated hash is no promise");
        }
        self.audit.push(input);
        let action = name.split('/').nth(1).unwrap_or_default();
        let tool = action.strip_prefix("setup-");
        let with = step.get("with");
        self.versions(tool.unwrap_or(action), with, tool.is_some());
        let asked = |input: &str| with.is_some_and(|with| with.get(input).is_some());
        let newest = NEWEST_UNLESS_TOLD.iter().find(|(known, _)| name == *known);
        if let Some((_, input)) = newest.filter(|(_, input)| !asked(input)) {
            let place = self.audit.place(node.range());
            let tool = tool.unwrap_or(action);
            let input = format!("without `{input}` the newest is installed");
            self.audit.push(Input::new(Ecosystem::Tool, tool, Strength::None, place).noting(input));
        }
    }

    /// `python-version`, `version` … of an action that installs a tool; of any other action only
    /// one that says itself that it moves.
    fn versions(&mut self, tool: &str, with: Option<&Node>, installs: bool) {
        for (key, value) in with.map(Node::pairs).unwrap_or_default() {
            let named = key.text().is_some_and(|key| key == "version" || key.ends_with("version"));
            let moves = || value.text().is_some_and(|text| ["latest", "*"].contains(&text.trim()));
            let named = named && (installs || moves());
            let Some(fragment) = value.fragment().filter(|_| named) else { continue };
            let mut at = 0_usize;
            for line in fragment.text().split_inclusive('\n') {
                let word = line.trim();
                let lead = line.len().saturating_sub(line.trim_start().len());
                let start = at.saturating_add(lead);
                at = at.saturating_add(line.len());
                if word.is_empty() {
                    continue;
                }
                let range = fragment.raw_range(start..start.saturating_add(word.len()));
                let place = self.audit.place(range);
                self.audit.push(
                    Input::new(Ecosystem::Tool, tool, tool_version(word), place)
                        .requesting(&word.replace(UNKNOWN, "…")),
                );
            }
        }
    }

    /// A runner's label that names whatever is newest.
    fn runner(&mut self, job: &Node) {
        let Some(label) = job.get("runs-on") else { return };
        let label = label.get("labels").unwrap_or(label);
        let labels = if label.is_sequence() { label.items() } else { std::slice::from_ref(label) };
        for label in labels {
            if label.text().is_some_and(classify::is_unknown) {
                let matrix = job.get("strategy").and_then(|strategy| strategy.get("matrix"));
                if let Some(matrix) = matrix {
                    self.latest_below(matrix, 0);
                }
            } else {
                self.latest(label);
            }
        }
    }

    /// Runner labels in a matrix: lists of axes, and entries of `include`.
    fn latest_below(&mut self, node: &Node, depth: usize) {
        if depth > 3 {
            return;
        }
        match node.kind() {
            Kind::Scalar { .. } => self.latest(node),
            Kind::Sequence(items) => {
                for item in items {
                    self.latest_below(item, depth.saturating_add(1));
                }
            }
            Kind::Mapping(pairs) => {
                for (_, value) in pairs.iter().filter(|(key, _)| key.text() != Some("exclude")) {
                    self.latest_below(value, depth.saturating_add(1));
                }
            }
        }
    }

    fn latest(&mut self, label: &Node) {
        let text = label.text().unwrap_or_default();
        let hosted = ["ubuntu-", "windows-", "macos-"].iter().any(|os| text.starts_with(os));
        if !hosted || !text.split('-').any(|part| part == "latest") {
            return;
        }
        let place = self.audit.place(label.range());
        self.audit.push(
            Input::new(Ecosystem::MachineImage, text, Strength::Floating, place)
                .requesting("latest")
                .noting("the runner's image is chosen anew at every run"),
        );
    }
}

/// A tool's version as setup actions read it: a part of one means the newest that begins so.
fn tool_version(word: &str) -> Strength {
    let bare = word.trim_start_matches('v');
    let partial = bare.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && bare.split('.').count() < 3;
    if word.starts_with("lts") {
        Strength::Floating
    } else if partial {
        Strength::Range
    } else {
        classify::version(Ecosystem::Tool, word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::repository::Repository;
    use crate::pins::walk::audit_source;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let path = ".github/workflows/ci.yml";
        assert!((CARRIER.recognises)(path, b""));
        let source = SourceFile::new(path, text.as_bytes());
        let collected = audit_source(&source, &CARRIER, &Repository::of_files([]));
        assert!(collected.gaps.is_empty(), "{:?}", collected.gaps);
        let mut found: Vec<(usize, String)> = collected
            .inputs
            .iter()
            .map(|input| {
                let word = text.get(input.place.range()).unwrap_or("?");
                let line =
                    format!("{} {} {} @{word}", input.ecosystem, input.subject, input.held());
                (input.place.start_byte, line)
            })
            .collect();
        found.sort();
        let found: Vec<String> = found.into_iter().map(|(_, line)| line).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn workflows_are_recognised_anywhere() {
        let check = |path: &str, head: &str, expected: bool| {
            assert_eq!((CARRIER.recognises)(path, head.as_bytes()), expected, "{path} {head}");
        };
        check(".github/workflows/x.yml", "", true);
        check("a/.github/workflows/x.yaml", "", true);
        check("x/action.yml", "", true);
        check("templates/ci.yml", "name: x\n\"on\": push\njobs:\n", true);
        check("templates/ci.yml", "jobs:\n  on: push\n", false);
        check("templates/ci.txt", "on: push\njobs:\n", false);
    }

    #[test]
    fn workflows() {
        let hash = "0123456789".repeat(4);
        check(
            &format!(
                "env: {{V: 1.2.3}}\njobs:\n  a:\n    runs-on: ubuntu-latest\n    container: debian:12\n    services: {{db: {{image: postgres}}}}\n    steps:\n    - uses: actions/checkout@v4\n    - uses: a/b/c@{hash}\n    - uses: ./local\n    - uses: actions/setup-python@v5.1.0\n      with: {{python-version: '3.12', cache: pip}}\n    - run: |\n        pip install x==$V ${{{{ inputs.y }}}}\n        npm i -g y\n    - run: print()\n      shell: python\n  b:\n    uses: o/r/.github/workflows/w.yml@main\n"
            ),
            &[
                "machine-image ubuntu-latest floating @ubuntu-latest",
                "container-image debian floating @debian:12",
                "container-image postgres none @postgres",
                "github-action actions/checkout floating @actions/checkout@v4",
                &format!("github-action a/b/c content @a/b/c@{hash}"),
                "github-action actions/setup-python exact @actions/setup-python@v5.1.0",
                "tool python range @3.12",
                "pip x exact @x==$V",
                "pip ${{ inputs.y }} unknown @${{ inputs.y }}",
                "npm y none @y",
                "github-action o/r/.github/workflows/w.yml none @o/r/.github/workflows/w.yml@main",
            ],
        );
        check(
            "jobs:\n  a:\n    strategy: {matrix: {os: [ubuntu-22.04, windows-latest]}}\n    runs-on: ${{ matrix.os }}\n    steps:\n    - run: choco install git\n      shell: pwsh\n",
            &["machine-image windows-latest floating @windows-latest", "choco git none @git"],
        );
        check(
            "jobs:\n  a:\n    strategy:\n      matrix:\n        image: [debian:12, '']\n        include:\n          - {image: alpine, x: 1}\n        os: [\n          {c: {i: 'a@b'}},\n        ]\n    container: ${{ matrix.image }}\n    services:\n      a: {image: '${{ matrix.os.c.i }}'}\n      b: {image: '${{ matrix.gone }}'}\n",
            &[
                "container-image debian floating @debian:12",
                "container-image alpine none @alpine",
                "container-image a unknown @a@b",
                "container-image ${{ matrix.gone }} unknown @${{ matrix.gone }}",
            ],
        );
        check(
            &format!(
                "jobs:\n  a:\n    steps:\n    - uses: extractions/setup-just@{hash}\n    - uses: a/b@{hash}\n      with: {{x-version: latest, version: 1.2}}\n    - uses: extractions/setup-just@{hash}\n      with: {{just-version: 1.2.3}}\n"
            ),
            &[
                &format!(
                    "github-action extractions/setup-just content @extractions/setup-just@{hash}"
                ),
                &format!("tool just none @extractions/setup-just@{hash}"),
                &format!("github-action a/b content @a/b@{hash}"),
                "tool b none @latest",
                &format!(
                    "github-action extractions/setup-just content @extractions/setup-just@{hash}"
                ),
                "tool just exact @1.2.3",
            ],
        );
        check(
            "runs:\n  using: composite\n  steps:\n  - uses: docker://alpine:edge\n  - run: apt-get install curl\n    shell: bash\n",
            &["container-image alpine floating @docker://alpine:edge", "apt curl none @curl"],
        );
    }
}
