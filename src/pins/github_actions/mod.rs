//! Carrier: GitHub Actions workflows and actions (Gitea's and Forgejo's are the same).
//!
//! What it takes for an input: actions and reusable workflows (`uses`), images of jobs, services
//! and steps, runners that are labelled `-latest`, the versions that `setup-*` actions are asked
//! for or not, and what the commands of `run` install, in the shell that they run in. One machine
//! per job. Expressions (`${{ }}`) are unknown, but for those whose value stands in the file
//! ([`expressions`]).

mod expressions;
mod tools;

use super::audit::Audit;
use super::carrier::Carrier;
use super::classify;
use super::environment::Environment;
use super::input::{Input, PinForm};
use super::repository::{self, SourceFile};
use super::shell::{self, Dialect, Expanded};
use super::span::UNKNOWN;
use super::steps::{self, Stage};
use super::strength::{Ecosystem, Strength};
use super::yaml::{self, Node};

/// Workflows, and actions of a repository's own.
pub const CARRIER: Carrier = Carrier {
    name: "github-actions",
    summary: "GitHub Actions: .github/workflows/*.yml, action.yml",
    recognises: |path, head| {
        let name = repository::file_name(path);
        let workflow = [".github", ".gitea", ".forgejo"].iter().any(|forge| {
            let folder = format!("{forge}/workflows/");
            path.starts_with(&folder) || path.contains(&format!("/{folder}"))
        });
        let yaml = matches!(repository::extension(path), Some("yml" | "yaml"));
        ["action.yml", "action.yaml"].contains(&name)
            || yaml && (workflow || looks_like_workflow(head))
    },
    read,
};

/// A workflow that lies elsewhere (a template for other repositories, an example): it has both
/// `on` and `jobs` at its top, which nothing else in YAML has.
fn looks_like_workflow(head: &[u8]) -> bool {
    let top = |key: &str| {
        head.split(|byte| *byte == b'\n').any(|line| {
            let line = String::from_utf8_lossy(line);
            line.split_once(':').is_some_and(|(word, _)| word.trim_matches(['"', '\'']) == key)
        })
    };
    top("on") && top("jobs")
}

fn read(file: &SourceFile, audit: &mut Audit<'_>) {
    for document in yaml::parse(&file.fragment()).report(audit) {
        if let Some(runs) = document.get("runs") {
            let mut job = Job::new(audit, Environment::default());
            job.action(runs);
        }
        // What all jobs know is made once: there may be many of both.
        let mut known = Job::new(&mut *audit, Environment::default());
        known.constants(document.get("env"));
        let known = known.environment;
        for (_, body) in document.get("jobs").map(Node::pairs).unwrap_or_default() {
            let mut job = Job::new(&mut *audit, known.clone());
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
    /// The job's matrix, where it stands in the file.
    matrix: Option<Node>,
}

impl<'j, 'a> Job<'j, 'a> {
    fn new(audit: &'j mut Audit<'a>, environment: Environment) -> Self {
        Self { audit, environment, shell: None, matrix: None }
    }

    fn job(&mut self, job: &Node, shell: Option<String>) {
        self.matrix = job.get("strategy").and_then(|strategy| strategy.get("matrix")).cloned();
        self.constants(job.get("env"));
        self.uses(job);
        let windows = self.runner(job);
        if let Some(container) = job.get("container") {
            self.image(container.get("image").unwrap_or(container));
        }
        for (_, service) in job.get("services").map(Node::pairs).unwrap_or_default() {
            if let Some(image) = service.get("image") {
                self.image(image);
            }
        }
        let windows = windows.then(|| "pwsh".to_owned());
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
            let shell = shell.unwrap_or("bash");
            // A shell that comes from outside is most likely one that reads like sh.
            let unknown = shell.contains(UNKNOWN).then_some(Dialect::Posix);
            let Some(dialect) = steps::dialect_of(shell).or(unknown) else { continue };
            let before = self.environment.constants_only();
            self.constants(step.get("env"));
            let run = self.filled(run);
            self.stage(|stage| stage.run(&run, dialect));
            self.environment.restore_constants(&before);
        }
    }

    /// Works on the machine as one of those that all CI systems have.
    fn stage<T>(&mut self, work: impl FnOnce(&mut Stage<'_, 'a>) -> T) -> T {
        let environment = std::mem::take(&mut self.environment);
        let mut stage = Stage { audit: &mut *self.audit, environment };
        let answer = work(&mut stage);
        self.environment = stage.environment;
        answer
    }

    /// `env`: what the commands below see.
    fn constants(&mut self, env: Option<&Node>) {
        for (name, value) in env.map(Node::pairs).unwrap_or_default() {
            let (Some(name), Some(fragment)) = (name.text(), value.fragment()) else { continue };
            let value = self.filled(fragment);
            self.stage(|stage| stage.constant("env", name, &value));
        }
    }

    fn image(&mut self, node: &Node) {
        let Some(fragment) = node.fragment().filter(|image| !image.text().is_empty()) else {
            return;
        };
        for word in self.values(fragment) {
            if !word.text().trim().is_empty() {
                shell::image(&word, &mut self.environment, self.audit);
            }
        }
    }

    /// An action, a reusable workflow or an image; what stands in this repository is no input.
    fn uses(&mut self, step: &Node) {
        let Some(node) = step.get("uses") else { return };
        let text = node.text().unwrap_or_default().trim();
        let local = ["./", "../", "$/"].iter().any(|start| text.starts_with(start));
        if local || text.is_empty() {
            return;
        }
        if text.starts_with("docker://") {
            self.image(node);
            return;
        }
        let (name, reference) = text.split_once('@').unwrap_or((text, ""));
        let strength = classify::git_ref(reference);
        let place = self.audit.place(node.range());
        let mut input = Input::new(Ecosystem::Action, &name.replace(UNKNOWN, "…"), strength, place)
            .requesting(&reference.replace(UNKNOWN, "…"));
        if classify::is_short_hash(reference) {
            input = input.noting("an abbreviated hash is no promise");
        }
        input.form = form(node, name);
        let id = self.audit.push(input);
        self.tool(name, step, id);
        if name == "docker/build-push-action" {
            self.builds(step);
        }
    }

    /// The images that a step builds: a later step that runs one fetches nothing.
    fn builds(&mut self, step: &Node) {
        let Some(tags) = step.get("with").and_then(|with| with.get("tags")) else { return };
        let Some(tags) = tags.fragment().map(|tags| self.filled(tags)) else { return };
        for tag in tags.text().split([',', '\n']).map(str::trim).filter(|tag| !tag.is_empty()) {
            self.audit.made_image(shell::image_name(tag));
        }
    }

    /// A runner's label that names whatever is newest. Answers whether the runner is a Windows.
    fn runner(&mut self, job: &Node) -> bool {
        let Some(label) = job.get("runs-on") else { return false };
        let label = label.get("labels").unwrap_or(label);
        let labels = if label.is_sequence() { label.items() } else { std::slice::from_ref(label) };
        let mut windows = !labels.is_empty();
        for fragment in labels.iter().filter_map(Node::fragment) {
            for word in self.values(fragment) {
                windows &= word.text().starts_with("windows");
                self.latest(&word);
            }
        }
        windows
    }

    fn latest(&mut self, label: &Expanded) {
        let text = label.text();
        let hosted = ["ubuntu-", "windows-", "macos-"].iter().any(|os| text.starts_with(os));
        if !hosted || !text.split('-').any(|part| part == "latest") {
            return;
        }
        let place = self.audit.place(label.range.clone());
        let mut input = Input::new(Ecosystem::MachineImage, text, Strength::Floating, place)
            .requesting("latest")
            .noting("the runner's image is chosen anew at every run");
        input.origin.clone_from(&label.origin);
        self.audit.push(input);
    }
}

/// How the commit is written behind an action's name.
fn form(node: &Node, name: &str) -> Option<PinForm> {
    let fragment = node.fragment()?;
    let range = node.fragment()?.raw_whole();
    let plain = fragment.is_verbatim(0..fragment.text().len()) && !name.contains(UNKNOWN);
    let template = format!("{name}@{{digest}}");
    plain.then_some(PinForm { start_byte: range.start, end_byte: range.end, template })
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
                "container-image a none @a@b",
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
            "jobs:\n  a:\n    strategy: {matrix: {v: [20, 22.1.0], include: [{image: 'node:18', v: 16.x}, {image: node}]}}\n    runs-on: ${{ inputs.runner || 'ubuntu-latest' }}\n    container: ${{ matrix.image }}\n    services: {db: {image: 'x:${{ matrix.v }}'}}\n    steps:\n    - uses: actions/setup-node@v4.0.0\n      with: {node-version: '${{ matrix.v }}'}\n    - uses: actions/setup-go@v5.0.0\n    - uses: actions/setup-go@v5.0.0\n      with: {go-version-file: go.mod}\n    - uses: hashicorp/setup-terraform@v3.0.0\n      with: {terraform_version: latest, terraform_wrapper: false}\n",
            &[
                "tool node range @20",
                "tool node exact @22.1.0",
                "container-image node floating @node:18",
                "tool node range @16.x",
                "container-image node none @node",
                "machine-image ubuntu-latest floating @ubuntu-latest",
                "container-image x exact @x:${{ matrix.v }}",
                "container-image x floating @x:${{ matrix.v }}",
                "container-image x floating @x:${{ matrix.v }}",
                "github-action actions/setup-node exact @actions/setup-node@v4.0.0",
                "github-action actions/setup-go exact @actions/setup-go@v5.0.0",
                "github-action actions/setup-go exact @actions/setup-go@v5.0.0",
                "github-action hashicorp/setup-terraform exact @hashicorp/setup-terraform@v3.0.0",
                "tool terraform none @latest",
            ],
        );
        check(
            "runs:\n  using: composite\n  steps:\n  - uses: docker://alpine:edge\n  - run: apt-get install curl\n    shell: bash\n",
            &["container-image alpine floating @docker://alpine:edge", "apt curl none @curl"],
        );
    }
}
