//! Carriers: requirements files, `pyproject.toml` (PEP 621, PEP 735, Poetry, uv, PDM, Hatch),
//! `Pipfile`, `setup.cfg`.

use super::locks::{self, Lock, python_name};
use super::versions::Dialect;
use super::{Declared, find_lock, git, is_named, relative};
use crate::pins::audit::Audit;
use crate::pins::carrier::Carrier;
use crate::pins::classify;
use crate::pins::environment::Environment;
use crate::pins::input::Credit;
use crate::pins::repository::{self, SourceFile};
use crate::pins::shell::{self, Expanded};
use crate::pins::span::Fragment;
use crate::pins::strength::{Ecosystem, Strength};
use crate::pins::yaml::{self, Node};

/// Requirements files of pip.
pub const REQUIREMENTS: Carrier = Carrier {
    name: "requirements",
    summary: "pip: requirements*.txt, constraints*.txt, requirements/*.txt",
    recognises: is_requirements,
    read: read_requirements,
};

/// `pyproject.toml`.
pub const PYPROJECT: Carrier = Carrier {
    name: "pyproject",
    summary: "pyproject.toml with uv.lock, poetry.lock, pdm.lock or pylock.toml",
    recognises: |path, _| is_named(path, &["pyproject.toml"]),
    read: read_pyproject,
};

/// `Pipfile`.
pub const PIPFILE: Carrier = Carrier {
    name: "pipfile",
    summary: "Pipfile with Pipfile.lock",
    recognises: |path, _| is_named(path, &["Pipfile"]),
    read: read_pipfile,
};

/// `setup.cfg`.
pub const SETUP_CFG: Carrier = Carrier {
    name: "setup-cfg",
    summary: "setuptools: setup.cfg",
    recognises: |path, _| is_named(path, &["setup.cfg"]),
    read: read_setup_cfg,
};

fn is_requirements(path: &str, head: &[u8]) -> bool {
    let name = repository::file_name(path).to_ascii_lowercase();
    let Some(stem) = name.strip_suffix(".txt") else { return false };
    let folder = path.rsplit('/').nth(1).unwrap_or_default();
    let named = ["requirements", "constraints"].iter().any(|own| {
        stem == *own
            || ["-", "_", "."].iter().any(|mark| {
                stem.starts_with(&format!("{own}{mark}")) || stem.ends_with(&format!("{mark}{own}"))
            })
    });
    (named || folder == "requirements") && reads_like_requirements(head)
}

/// Whether the lines are requirements and not prose.
fn reads_like_requirements(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.all(|line| {
        let code = line.split(" #").next().unwrap_or_default().trim();
        let name = code.find(|c: char| !c.is_alphanumeric() && !"._-".contains(c));
        let rest = code.get(name.unwrap_or(code.len())..).unwrap_or_default().trim_start();
        line.starts_with(['#', '-', '.', '/', '$', '{', '\\'])
            || code.contains("://")
            || code.contains('=')
            || rest.is_empty()
            || rest.starts_with(['[', '<', '>', '=', '~', '!', ';', '@', '(', '\\', '{'])
    })
}

fn read_requirements(file: &SourceFile, audit: &mut Audit<'_>) {
    let mut environment = Environment::default();
    // A constraints file beside it is meant for it.
    let own = repository::file_name(&file.path);
    let beside = repository::resolve(&file.path, "constraints.txt");
    if let Some(bytes) = beside.and_then(|path| audit.repository().read(&path))
        && own != "constraints.txt"
    {
        for line in String::from_utf8_lossy(&bytes).lines() {
            let line = line.split('#').next().unwrap_or_default();
            let (name, version) = shell::split_requirement(line);
            let strength = classify::version(Ecosystem::Pip, version);
            if strength == Strength::Exact {
                let why = format!("constraints.txt fixes it to {version}");
                environment.machine.held.insert(name.to_owned(), Credit { strength, why });
            }
        }
    }
    shell::requirements(&mut environment, audit);
}

fn read_pyproject(file: &SourceFile, audit: &mut Audit<'_>) {
    let documents = yaml::toml(&file.fragment()).report(audit);
    let lock = lock(audit);
    for document in &documents {
        let mut project = Project { audit, lock: lock.as_ref(), sources: None };
        project.document(document);
    }
}

fn lock(audit: &Audit<'_>) -> Option<Lock> {
    let names = ["uv.lock", "poetry.lock", "pdm.lock", "pylock.toml"];
    find_lock(audit, &names, |above, name, bytes| {
        let own = relative(audit, above);
        // Only uv's workspaces have their lock above them.
        (own.is_empty() || name == "uv.lock").then(|| locks::python(name, bytes)).flatten()
    })
}

/// A project while it is read.
struct Project<'p, 'a> {
    audit: &'p mut Audit<'a>,
    lock: Option<&'p Lock>,
    /// uv's table of where packages come from.
    sources: Option<Node>,
}

impl Project<'_, '_> {
    fn document(&mut self, document: &Node) {
        let tool = document.get("tool");
        let of = |name: &str| tool.and_then(|tool| tool.get(name));
        let uv = of("uv");
        self.sources = uv.and_then(|uv| uv.get("sources")).cloned();
        if let Some(project) = document.get("project") {
            self.list(project.get("dependencies"));
            self.lists(project.get("optional-dependencies"));
        }
        self.lists(document.get("dependency-groups"));
        self.list(uv.and_then(|uv| uv.get("dev-dependencies")));
        self.lists(of("pdm").and_then(|pdm| pdm.get("dev-dependencies")));
        if let Some(poetry) = of("poetry") {
            self.table(poetry.get("dependencies"));
            self.table(poetry.get("dev-dependencies"));
            for (_, group) in poetry.get("group").map(Node::pairs).unwrap_or_default() {
                self.table(group.get("dependencies"));
            }
        }
        // No lock holds what builds the project.
        let lock = self.lock.take();
        for (_, hatch) in
            of("hatch").and_then(|h| h.get("envs")).map(Node::pairs).unwrap_or_default()
        {
            self.list(hatch.get("dependencies"));
            self.list(hatch.get("extra-dependencies"));
        }
        self.list(document.get("build-system").and_then(|build| build.get("requires")));
        self.lock = lock;
    }

    /// Several lists by name.
    fn lists(&mut self, table: Option<&Node>) {
        for (_, list) in table.map(Node::pairs).unwrap_or_default() {
            self.list(Some(list));
        }
    }

    /// PEP 508 requirements.
    fn list(&mut self, list: Option<&Node>) {
        for word in list.map(Node::items).unwrap_or_default() {
            if let Some(fragment) = word.fragment() {
                self.requirement(fragment);
            }
        }
    }

    fn requirement(&mut self, fragment: &Fragment) {
        let text = fragment.text();
        if text.contains("://") {
            // `name @ git+https://…@ref`, `name @ https://…`.
            let held = self.lock.filter(|lock| {
                lock.entries(&python_name(shell::split_requirement(text).0)).is_some()
            });
            let count = self.audit.inputs().len();
            let word = Expanded::plain(fragment.clone());
            shell::requirement(&word, &mut Environment::default(), self.audit);
            if let Some(lock) = held {
                let why = format!("{} holds it", lock.file);
                for input in self.audit.inputs_since_mut(count) {
                    input.credit = Some(Credit { strength: Strength::Content, why: why.clone() });
                }
            }
            return;
        }
        let (name, version) = shell::split_requirement(text);
        let bare = name.split('[').next().unwrap_or(name).trim();
        if bare.is_empty() || bare.starts_with(['.', '/', '{']) {
            return;
        }
        let source = self.sources.as_ref().and_then(|sources| find(sources, bare));
        if source.is_some_and(|source| self.other_source(&source)) {
            return;
        }
        let normal = python_name(bare);
        let template = format!("{name}=={{version}}");
        let declared =
            Declared::new(Ecosystem::Pip, Dialect::Python, &normal, version, fragment.raw_whole());
        let declared =
            if text.contains(';') { declared } else { declared.form(fragment, &template) };
        declared.push(self.lock, self.audit);
    }

    /// A table of names and constraints, or tables that say where a package comes from.
    fn table(&mut self, table: Option<&Node>) {
        for (name, value) in table.map(Node::pairs).unwrap_or_default() {
            let Some(bare) = name.text().filter(|name| *name != "python") else { continue };
            let several = std::slice::from_ref(value);
            let values = if value.is_sequence() { value.items() } else { several };
            for value in values {
                if value.is_mapping() && self.other_source(value) {
                    continue;
                }
                let Some(version) = value.get("version").unwrap_or(value).fragment() else {
                    continue;
                };
                let word = version.text();
                // Poetry reads a bare version as that version, a bare part of one as well.
                let strength = match word {
                    "" | "*" => Strength::None,
                    word => classify::version(Ecosystem::Pip, word),
                };
                let normal = python_name(bare);
                let at = version.raw_whole();
                Declared::new(Ecosystem::Pip, Dialect::Python, &normal, word, at)
                    .held(strength)
                    .push(self.lock, self.audit);
            }
        }
    }

    /// A package that comes from a repository, a folder or a URL. Answers whether it does.
    fn other_source(&mut self, source: &Node) -> bool {
        if ["path", "file", "workspace"].iter().any(|key| source.get(key).is_some()) {
            return true;
        }
        if let Some(url) = source.get("git").and_then(Node::fragment) {
            let reference = source.any(&["rev", "ref", "tag", "branch"]).and_then(Node::fragment);
            let branch = source.get("branch").is_some();
            let word = reference.map(Fragment::text).unwrap_or_default();
            let word = if branch { format!("refs/heads/{word}") } else { word.to_owned() };
            let place = reference.unwrap_or(url).raw_whole();
            git(self.audit, url.text(), &word, place, self.lock);
            return true;
        }
        if let Some(url) = source.get("url").and_then(Node::fragment) {
            let word = Expanded::plain(url.clone());
            shell::requirement(&word, &mut Environment::default(), self.audit);
            return true;
        }
        false
    }
}

/// A key of a table, compared as Python names are.
fn find(table: &Node, name: &str) -> Option<Node> {
    let name = python_name(name);
    let pairs = table.pairs().iter();
    let mut own = pairs.filter(|(key, _)| key.text().is_some_and(|key| python_name(key) == name));
    own.next().map(|(_, value)| value.clone())
}

fn read_pipfile(file: &SourceFile, audit: &mut Audit<'_>) {
    let documents = yaml::toml(&file.fragment()).report(audit);
    let lock = find_lock(audit, &["Pipfile.lock"], |above, _, bytes| {
        relative(audit, above).is_empty().then(|| locks::pipfile(bytes)).flatten()
    });
    for document in &documents {
        let mut project = Project { audit, lock: lock.as_ref(), sources: None };
        project.table(document.get("packages"));
        project.table(document.get("dev-packages"));
    }
}

/// `install_requires` and its kin: an indented requirement in each line.
fn read_setup_cfg(file: &SourceFile, audit: &mut Audit<'_>) {
    let fragment = file.fragment();
    let mut project = Project { audit, lock: None, sources: None };
    let (mut section, mut inside, mut at) = (String::new(), false, 0_usize);
    for line in fragment.text().split_inclusive('\n') {
        let start = at;
        at = at.saturating_add(line.len());
        let body = line.trim();
        if body.is_empty() || body.starts_with(['#', ';']) {
            continue;
        }
        let mut word = body;
        if !line.starts_with([' ', '\t']) {
            if let Some(name) = body.strip_prefix('[') {
                name.trim_end_matches(']').clone_into(&mut section);
                inside = false;
                continue;
            }
            let (key, value) = body.split_once('=').unwrap_or((body, ""));
            let key = key.trim();
            inside = section == "options"
                && ["install_requires", "setup_requires", "tests_require"].contains(&key)
                || section == "options.extras_require";
            word = value.trim();
        }
        if inside && !word.is_empty() && !word.starts_with("file:") {
            let offset = start.saturating_add(line.rfind(word).unwrap_or(0));
            project.requirement(&fragment.slice(offset..offset.saturating_add(word.len())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::steps::check_files;

    #[test]
    fn requirements_files() {
        check_files(
            &REQUIREMENTS,
            &[
                (
                    "requirements.txt",
                    "-r base.txt\n# c\nflask==3.0.2\nrequests>=2 ; python_version > '3'\ndjango\ngit+https://github.com/a/b@main\n-e .\nx==1.0 \\\n    --hash=sha256:00\n",
                ),
                ("base.txt", "y\n"),
                ("constraints.txt", "django==5.0.1\n"),
            ],
            &[
                "pip y none @y",
                "pip flask exact @flask==3.0.2",
                "pip requests range @requests>=2 ; python_version > '3'",
                "pip django exact @django",
                "git git+https://github.com/a/b none @git+https://github.com/a/b@main",
                "pip x content @x==1.0",
            ],
        );
        assert!(!is_requirements("docs/requirements.txt", b"You need a machine with two cores.\n"));
        assert!(is_requirements("requirements/dev.txt", b"a[b] >= 1\n"));
    }

    const PROJECT: &str = "[project]\ndependencies = [\"a>=1,<2\", \"B_c==2.0\", \"d @ git+https://e.org/d@v1.2.3\"]\n[project.optional-dependencies]\nx = [\"e\"]\n[dependency-groups]\ndev = [\"f~=1.0\", {include-group = \"y\"}]\n[build-system]\nrequires = [\"hatchling\"]\n[tool.uv.sources]\nf = {git = \"https://e.org/f\", branch = \"dev\"}\n";

    #[test]
    fn projects() {
        check_files(
            &PYPROJECT,
            &[("pyproject.toml", PROJECT)],
            &[
                "pip a range @a>=1,<2",
                "pip b-c exact @B_c==2.0",
                "git d @ git+https://e.org/d exact @d @ git+https://e.org/d@v1.2.3",
                "pip e none @e",
                "pip hatchling none @hatchling",
                "git https://e.org/f floating @dev",
            ],
        );
        let lock = "[[package]]\nname = \"a\"\nversion = \"1.5\"\nwheels = [{hash = \"x\"}]\n[[package]]\nname = \"b-c\"\nversion = \"2.1\"\nsdist = {hash = \"x\"}\n[[package]]\nname = \"d\"\nversion = \"1.2.3\"\n[[package]]\nname = \"f\"\nversion = \"1\"\n";
        check_files(
            &PYPROJECT,
            &[("pyproject.toml", PROJECT), ("uv.lock", lock)],
            &[
                "pip a content @a>=1,<2",
                "pip b-c range @B_c==2.0",
                "git d @ git+https://e.org/d content @d @ git+https://e.org/d@v1.2.3",
                "pip e none @e",
                "pip hatchling none @hatchling",
                "git https://e.org/f content @dev",
            ],
        );
    }

    #[test]
    fn poetry_and_pipenv() {
        check_files(
            &PYPROJECT,
            &[(
                "pyproject.toml",
                "[tool.poetry.dependencies]\npython = \"^3.11\"\na = \"^1.2\"\nb = {version = \"*\", extras = [\"x\"]}\nc = {path = \"../c\"}\nd = {git = \"https://e.org/d.git\", rev = \"main\"}\n[tool.poetry.group.dev.dependencies]\ne = \"1.0.2\"\n",
            )],
            &[
                "pip a range @^1.2",
                "pip b none @*",
                "git https://e.org/d.git none @main",
                "pip e exact @1.0.2",
            ],
        );
        check_files(
            &PIPFILE,
            &[
                (
                    "Pipfile",
                    "[packages]\na = \"*\"\nb = \"==1.0\"\n[requires]\npython_version = \"3.11\"\n",
                ),
                (
                    "Pipfile.lock",
                    "{\"default\": {\"a\": {\"version\": \"==1.0\", \"hashes\": []}}}",
                ),
            ],
            &["pip a content @*", "pip b range @==1.0"],
        );
        check_files(
            &SETUP_CFG,
            &[("setup.cfg", "[options]\ninstall_requires =\n    a>=1\n    b==1.0\nzip_safe = x\n")],
            &["pip a range @a>=1", "pip b exact @b==1.0"],
        );
    }
}
