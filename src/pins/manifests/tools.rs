//! Carriers: files that name the tools of a project (asdf and mise, nvm, pyenv, rbenv, rustup,
//! tfenv …), Brewfiles, and conda environments.

use super::is_named;
use crate::pins::audit::Audit;
use crate::pins::carrier::Carrier;
use crate::pins::classify;
use crate::pins::environment::Environment;
use crate::pins::input::{Credit, Input};
use crate::pins::repository::{self, SourceFile};
use crate::pins::shell::{self, Dialect, Expanded};
use crate::pins::span::Fragment;
use crate::pins::steps::{self, Stage};
use crate::pins::strength::{Ecosystem, Strength};
use crate::pins::yaml::{self, Node};

/// Files with the versions of tools.
pub const TOOL_FILES: Carrier = Carrier {
    name: "tool-versions",
    summary: "versions of tools: .tool-versions, mise.toml, .nvmrc, .python-version, rust-toolchain.toml, global.json",
    recognises: |path, _| {
        let name = repository::file_name(path);
        ONE_TOOL.iter().any(|(own, _)| *own == name)
            || [".tool-versions", "rust-toolchain", "rust-toolchain.toml", "global.json"]
                .contains(&name)
            || is_mise(path)
    },
    read: read_tools,
};

/// Brewfiles.
pub const BREWFILE: Carrier = Carrier {
    name: "brewfile",
    summary: "Homebrew: Brewfile",
    recognises: |path, _| is_named(path, &["Brewfile", ".Brewfile"]),
    read: read_brewfile,
};

/// Environments of conda.
pub const CONDA: Carrier = Carrier {
    name: "conda-environment",
    summary: "conda: environment.yml",
    recognises: |path, head| {
        let name = repository::file_name(path);
        let yaml = name.ends_with(".yml") || name.ends_with(".yaml");
        let named = name.starts_with("environment")
            || name.starts_with("conda-env")
            || name.ends_with("-environment.yml");
        yaml && named
            && head.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"dependencies:"))
    },
    read: read_conda,
};

/// Files that hold the version of one tool.
const ONE_TOOL: &[(&str, &str)] = &[
    (".bun-version", "bun"),
    (".crystal-version", "crystal"),
    (".deno-version", "deno"),
    (".dvmrc", "deno"),
    (".go-version", "go"),
    (".java-version", "java"),
    (".node-version", "node"),
    (".nvmrc", "node"),
    (".opentofu-version", "tofu"),
    (".packer-version", "packer"),
    (".php-version", "php"),
    (".python-version", "python"),
    (".ruby-version", "ruby"),
    (".terraform-version", "terraform"),
    (".terragrunt-version", "terragrunt"),
    (".yvmrc", "yarn"),
];

fn is_mise(path: &str) -> bool {
    let name = repository::file_name(path);
    let mise =
        |name: &str| name == "mise.toml" || name.starts_with("mise.") && name.ends_with(".toml");
    mise(name.trim_start_matches('.')) || name == "config.toml" && path.contains("mise/")
}

fn read_tools(file: &SourceFile, audit: &mut Audit<'_>) {
    let name = file.name().to_owned();
    let fragment = file.fragment();
    if let Some((_, tool)) = ONE_TOOL.iter().find(|(own, _)| *own == name) {
        for word in words(&fragment).into_iter().flatten().take(16) {
            one(tool, &word, audit);
        }
    } else if name == ".tool-versions" {
        for line in words(&fragment) {
            let Some((tool, versions)) = line.split_first() else { continue };
            for version in versions {
                one(tool.text(), version, audit);
            }
        }
    } else if name == "global.json" {
        global_json(&fragment, audit);
    } else if is_mise(&file.path) {
        mise(&fragment, audit);
    } else if name == "rust-toolchain" && !fragment.text().contains('[') {
        for word in words(&fragment).into_iter().flatten().take(1) {
            toolchain(&word, audit);
        }
    } else {
        for document in yaml::toml(&fragment).report(audit) {
            let channel = document.get("toolchain").and_then(|own| own.get("channel"));
            if let Some(channel) = channel.and_then(Node::fragment) {
                toolchain(channel, audit);
            }
        }
    }
}

/// Words of one file: more inputs than a file may have.
const MAX_WORDS: usize = 120_000;

/// The words of each line, comments left out.
fn words(fragment: &Fragment) -> Vec<Vec<Fragment>> {
    let mut at = 0_usize;
    let mut found = Vec::new();
    let mut count = 0_usize;
    for line in fragment.text().split_inclusive('\n') {
        if count > MAX_WORDS {
            break;
        }
        let start = at;
        at = at.saturating_add(line.len());
        let code = line.split('#').next().unwrap_or_default();
        let mut own = Vec::new();
        let mut from = 0_usize;
        for word in code.split([' ', '\t', '\r', '\n']) {
            if !word.is_empty() {
                let begin = start.saturating_add(from);
                count = count.saturating_add(1);
                own.push(fragment.slice(begin..begin.saturating_add(word.len())));
            }
            from = from.saturating_add(word.len()).saturating_add(1);
        }
        found.push(own);
    }
    found
}

/// A version of a tool, in the words of asdf and mise. A name without a number is an environment
/// of one's own (pyenv) or the system's, and nothing that is fetched.
fn one(tool: &str, word: &Fragment, audit: &mut Audit<'_>) {
    let text = word.text();
    let lower = text.to_ascii_lowercase();
    let moving =
        ["latest", "lts", "stable", "node", "nightly"].iter().any(|own| lower.starts_with(own));
    if lower == "system"
        || text.starts_with("path:")
        || !moving && !text.contains(|c: char| c.is_ascii_digit())
    {
        return;
    }
    let strength = if let Some(reference) = text.strip_prefix("ref:") {
        classify::git_ref(reference)
    } else if lower.starts_with("latest:")
        || lower.starts_with("prefix:")
        || lower.starts_with("sub-")
    {
        Strength::Range
    } else if lower == "latest" {
        Strength::None
    } else {
        // Ruby's file may name the implementation.
        let bare =
            text.strip_prefix("ruby-").or_else(|| text.strip_prefix("python-")).unwrap_or(text);
        steps::tool_version(bare)
    };
    let place = audit.place(word.raw_whole());
    audit.push(Input::new(Ecosystem::Tool, tool, strength, place).requesting(text));
}

/// rustup's channels: a dated nightly and three numbers are one toolchain.
fn toolchain(word: &Fragment, audit: &mut Audit<'_>) {
    let text = word.text();
    let channel = text.split('-').next().unwrap_or_default();
    let dated = text
        .split('-')
        .filter(|part| part.len() >= 2 && part.bytes().all(|b| b.is_ascii_digit()))
        .count()
        >= 3;
    let strength = if dated || channel.matches('.').count() >= 2 {
        Strength::Exact
    } else if channel.starts_with(|c: char| c.is_ascii_digit()) {
        Strength::Range
    } else {
        Strength::Floating
    };
    let place = audit.place(word.raw_whole());
    audit.push(Input::new(Ecosystem::Rustup, "rust", strength, place).requesting(text));
}

/// .NET: the SDK with how far it may roll, and SDKs of MSBuild by version.
fn global_json(fragment: &Fragment, audit: &mut Audit<'_>) {
    for document in yaml::json(fragment).report(audit) {
        let sdk = document.get("sdk");
        if let Some(version) = sdk.and_then(|sdk| sdk.get("version")).and_then(Node::fragment) {
            let roll = sdk.and_then(|sdk| sdk.get("rollForward")).and_then(Node::text);
            let rolls = roll.is_some_and(|roll| !["disable", "patch"].contains(&roll));
            let strength =
                if rolls { Strength::Range } else { steps::tool_version(version.text()) };
            let place = audit.place(version.raw_whole());
            let input = Input::new(Ecosystem::Tool, "dotnet", strength, place);
            audit.push(input.requesting(version.text()));
        }
        for (name, version) in document.get("msbuild-sdks").map(Node::pairs).unwrap_or_default() {
            if let (Some(name), Some(version)) = (name.text(), version.fragment()) {
                let strength = classify::version(Ecosystem::Nuget, version.text());
                let place = audit.place(version.raw_whole());
                let input = Input::new(Ecosystem::Nuget, name, strength, place);
                audit.push(input.requesting(version.text()));
            }
        }
    }
}

/// mise: tools, and tasks that run commands.
fn mise(fragment: &Fragment, audit: &mut Audit<'_>) {
    for document in yaml::toml(fragment).report(audit) {
        for (name, value) in document.get("tools").map(Node::pairs).unwrap_or_default() {
            let Some(name) = name.text() else { continue };
            let values =
                if value.is_sequence() { value.items() } else { std::slice::from_ref(value) };
            for value in values {
                if let Some(version) = value.get("version").unwrap_or(value).fragment() {
                    one(name, version, audit);
                }
            }
        }
        for (_, task) in document.get("tasks").map(Node::pairs).unwrap_or_default() {
            if let Some(run) = task.get("run").or(Some(task)).filter(|run| !run.is_mapping()) {
                Stage::new(audit).script(run, Dialect::Posix);
            }
        }
    }
}

/// `brew "x"`, `cask "x"`, `mas "x", id: 1`, `vscode "x"`, `whalebrew "x"`.
fn read_brewfile(file: &SourceFile, audit: &mut Audit<'_>) {
    let fragment = file.fragment();
    let mut at = 0_usize;
    for line in fragment.text().split_inclusive('\n') {
        let start = at;
        at = at.saturating_add(line.len());
        let code = line.trim_start();
        let verb = code.split([' ', '(']).next().unwrap_or_default();
        if !["brew", "cask", "whalebrew"].contains(&verb) {
            continue;
        }
        let Some(open) = line.find(['"', '\'']) else { continue };
        let from = open.saturating_add(1);
        let body = line.get(from..).unwrap_or_default();
        let Some(length) = body.find(['"', '\'']) else { continue };
        let word = body.get(..length).unwrap_or_default();
        let begin = start.saturating_add(from);
        let word_at = fragment.slice(begin..begin.saturating_add(length));
        if verb == "whalebrew" {
            let image = Expanded::plain(word_at);
            shell::image(&image, &mut Environment::default(), audit);
            continue;
        }
        let (name, version) = word.split_once('@').unwrap_or((word, ""));
        let strength = if version.is_empty() { Strength::None } else { Strength::Floating };
        let place = audit.place(word_at.raw_whole());
        audit.push(Input::new(Ecosystem::Brew, name, strength, place).requesting(version));
    }
}

/// An environment with conda's packages and pip's.
fn read_conda(file: &SourceFile, audit: &mut Audit<'_>) {
    let locked = ["conda-lock.yml", "conda-lock.yaml", "pixi.lock"]
        .iter()
        .filter_map(|name| repository::resolve(&file.path, name))
        .find(|path| audit.repository().exists(path));
    for document in yaml::parse(&file.fragment()).report(audit) {
        for entry in document.get("dependencies").map(Node::items).unwrap_or_default() {
            for word in entry.get("pip").map(Node::items).unwrap_or_default() {
                if let Some(fragment) = word.fragment().filter(|word| !word.text().starts_with('-'))
                {
                    let word = Expanded::plain(fragment.clone());
                    shell::requirement(&word, &mut Environment::default(), audit);
                }
            }
            let Some(fragment) = entry.fragment() else { continue };
            let text = fragment.text().rsplit_once("::").map_or(fragment.text(), |(_, name)| name);
            let end = text.find(['=', '<', '>', '!', '~', ' ', '[']).unwrap_or(text.len());
            let (name, version) = text.split_at_checked(end).unwrap_or((text, ""));
            let version = version.trim();
            let strength = classify::version(Ecosystem::Conda, version);
            let place = audit.place(fragment.raw_whole());
            let mut input = Input::new(Ecosystem::Conda, name, strength, place).requesting(version);
            if let Some(lock) = &locked {
                let why = format!("{} holds it", repository::file_name(lock));
                input.credit = Some(Credit { strength: Strength::Content, why });
            }
            audit.push(input);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::steps::check_files;

    #[test]
    fn tool_files() {
        let check = |path: &str, text: &str, expected: &[&str]| {
            check_files(&TOOL_FILES, &[(path, text)], expected);
        };
        check(
            ".tool-versions",
            "nodejs 20.11.1 18 # why\n# c\npython latest\nruby system\nterraform latest:1.5\n",
            &[
                "tool nodejs exact @20.11.1",
                "tool nodejs range @18",
                "tool python none @latest",
                "tool terraform range @latest:1.5",
            ],
        );
        check(".nvmrc", "lts/iron\n", &["tool node floating @lts/iron"]);
        check(".python-version", "own-env\n3.12.1\n", &["tool python exact @3.12.1"]);
        check(".ruby-version", "ruby-3.3.0\n", &["tool ruby exact @ruby-3.3.0"]);
        check("rust-toolchain", "stable\n", &["rustup rust floating @stable"]);
        check(
            "rust-toolchain.toml",
            "[toolchain]\nchannel = \"nightly-2024-01-01\"\n",
            &["rustup rust exact @nightly-2024-01-01"],
        );
        check(
            "rust-toolchain.toml",
            "[toolchain]\nchannel = \"1.75\"\n",
            &["rustup rust range @1.75"],
        );
        check(
            "global.json",
            "{\"sdk\": {\"version\": \"8.0.100\", \"rollForward\": \"latestFeature\"}}",
            &["tool dotnet range @8.0.100"],
        );
        check(
            "mise.toml",
            "[tools]\nnode = \"20\"\ngo = [\"1.22.1\", \"latest\"]\n\"npm:prettier\" = {version = \"3.0.0\"}\n[tasks.x]\nrun = \"pip install y\"\n",
            &[
                "tool node range @20",
                "tool go exact @1.22.1",
                "tool go none @latest",
                "tool npm:prettier exact @3.0.0",
                "pip y none @y",
            ],
        );
    }

    #[test]
    fn brew_and_conda() {
        check_files(
            &BREWFILE,
            &[("Brewfile", "tap 'a/b'\nbrew \"jq\"\nbrew 'node@18', link: true\ncask \"x\"\n")],
            &["brew jq none @jq", "brew node floating @node@18", "brew x none @x"],
        );
        let text = "name: x\ndependencies:\n- python=3.12.1\n- conda-forge::numpy>=1\n- pip:\n  - flask==3.0.2\n  - y\n";
        check_files(
            &CONDA,
            &[("environment.yml", text)],
            &[
                "conda python exact @python=3.12.1",
                "conda numpy range @conda-forge::numpy>=1",
                "pip flask exact @flask==3.0.2",
                "pip y none @y",
            ],
        );
    }
}
