//! pip, pipx, uv, poetry and conda: PEP 508 requirements, requirements files, constraints.

use super::install::by_url;
use super::interpret::Interpreter;
use super::managers::Invocation;
use super::package::{Package, is_local, is_url, may_hold_version};
use super::words::Word;
use crate::pins::classify;
use crate::pins::input::Credit;
use crate::pins::repository;
use crate::pins::span::UNKNOWN;
use crate::pins::strength::{Ecosystem, Strength};

/// Requirements files that include requirements files, no deeper than this.
const MAX_INCLUDES: usize = 8;

/// pip install.
pub(super) fn pip(shell: &mut Interpreter<'_, '_>, invocation: &Invocation<'_>) {
    let arguments = &invocation.arguments;
    let hashes = arguments.has(&["--require-hashes"]);
    // Without an index only files that are here already can be installed.
    let offline = arguments.has(&["--no-index"]);
    let mut unread = false;
    for file in arguments.values(&["-c", "--constraint", "--constraints"]) {
        unread |= constraints(shell, file).is_none();
    }
    let before = shell.audit.inputs().len();
    for file in arguments.values(&["-r", "--requirement", "--requirements"]) {
        requirements_file(shell, file, hashes);
    }
    if invocation.subcommand == "pip sync" {
        for file in &arguments.operands {
            requirements_file(shell, file, hashes);
        }
        return;
    }
    for word in arguments.values(&["-e", "--editable"]) {
        requirement(shell, word, hashes);
    }
    for word in &arguments.operands {
        if !offline || is_url(word.text()) {
            requirement(shell, word, hashes);
        }
    }
    if unread {
        // What the constraints say of them is not known here.
        for input in shell.audit.inputs_since_mut(before) {
            if input.requested.is_empty() && input.strength == Strength::None {
                input.strength = Strength::Unknown;
                input.note = Some("the constraints file is not in the repository".to_owned());
            }
        }
    }
}

/// pipx install, pipx run, uvx: the first operand is the package.
pub(super) fn pipx(shell: &mut Interpreter<'_, '_>, invocation: &Invocation<'_>) {
    let arguments = &invocation.arguments;
    let runs = matches!(invocation.subcommand, "run" | "" | "tool run");
    let named: Vec<&Word> = arguments.values(&["--spec", "--from"]).collect();
    let words: Vec<&Word> = if !named.is_empty() {
        named
    } else if invocation.subcommand == "inject" {
        arguments.operands.iter().skip(1).collect()
    } else if runs {
        arguments.operands.iter().take(1).collect()
    } else {
        arguments.operands.iter().collect()
    };
    for word in words.into_iter().chain(arguments.values(&["--with"])) {
        // `uvx tool@1.2` writes the version with an @.
        match word.split_once('@').filter(|(name, _)| runs && !name.text().contains([' ', '+'])) {
            Some((name, version)) => {
                let (name, version) = (name.text().to_owned(), version.text().to_owned());
                let strength = classify::constraint(&version);
                shell.package(Package::new(Ecosystem::Pip, word, &name, &version).held(strength));
            }
            None => requirement(shell, word, false),
        }
    }
}

/// uv.
pub(super) fn uv(shell: &mut Interpreter<'_, '_>, invocation: &Invocation<'_>) {
    let frozen = invocation.arguments.has(&["--frozen", "--locked"]);
    match invocation.subcommand {
        "pip install" | "pip sync" | "add" => pip(shell, invocation),
        "python install" => {
            for word in &invocation.arguments.operands {
                let full = word.text().matches('.').count() >= 2;
                let strength = if word.is_unknown() {
                    Strength::Unknown
                } else if full {
                    Strength::Exact
                } else {
                    Strength::Range
                };
                let mut package = Package::new(Ecosystem::Tool, word, "python", word.text());
                package.strength = strength;
                shell.package(package);
            }
        }
        "sync" => lock(shell, invocation, frozen, "uv.lock", "uv sync --frozen"),
        _ => pipx(shell, invocation),
    }
}

/// poetry, pdm, pipenv.
pub(super) fn poetry(shell: &mut Interpreter<'_, '_>, invocation: &Invocation<'_>) {
    if invocation.subcommand.ends_with("add") || !invocation.arguments.operands.is_empty() {
        for word in &invocation.arguments.operands {
            match word.split_once('@').filter(|(name, _)| !name.text().contains([' ', '+', '='])) {
                Some((name, version)) => {
                    let (name, version) = (name.text().to_owned(), version.text().to_owned());
                    let strength = classify::constraint(&version);
                    shell.package(
                        Package::new(Ecosystem::Pip, word, &name, &version).held(strength),
                    );
                }
                None => requirement(shell, word, false),
            }
        }
        return;
    }
    // poetry refuses to leave its lockfile; pipenv does so only when told.
    let enforced = invocation.arguments.has(&["--deploy", "--frozen-lockfile", "--locked"])
        || invocation.subcommand == "sync"
        || invocation.program == "poetry";
    let (file, command) = match invocation.program {
        "pipenv" => ("Pipfile.lock", "--deploy"),
        "pdm" => ("pdm.lock", "--frozen-lockfile"),
        _ => ("poetry.lock", "the lockfile's own command"),
    };
    lock(shell, invocation, enforced, file, command);
}

/// An installation of what a lockfile says, enforced or not.
pub(super) fn lock(
    shell: &mut Interpreter<'_, '_>,
    invocation: &Invocation<'_>,
    enforced: bool,
    file: &str,
    command: &str,
) {
    let word = invocation.word;
    let package = Package::new(invocation.manager.ecosystem, word, word.text(), "");
    if enforced {
        shell.package(
            package
                .held(Strength::Content)
                .credited(Strength::Content, "the command enforces the lockfile"),
        );
    } else {
        let note = format!("may leave {file}; {command} enforces it");
        shell.package(package.held(Strength::Range).under("pins/lock", &note));
    }
}

/// One PEP 508 requirement, URL, version control source or path.
pub(super) fn requirement(shell: &mut Interpreter<'_, '_>, word: &Word, hashes: bool) {
    let text = word.text().trim();
    let vcs = ["git+", "hg+", "svn+", "bzr+"].iter().any(|scheme| text.contains(scheme))
        || text.starts_with("git://");
    if vcs {
        vcs_requirement(shell, word);
        return;
    }
    if is_url(text) {
        by_url(shell, word);
        return;
    }
    let archive = [".whl", ".tar.gz", ".zip", ".tar.bz2", ".txt"];
    if is_local(text)
        || archive.iter().any(|suffix| text.ends_with(suffix))
        || text.contains('/') && !text.starts_with(UNKNOWN)
        || text.is_empty()
    {
        return;
    }
    if text.starts_with(UNKNOWN) && text.contains('/') {
        // A folder here, or an address.
        let mut package = Package::new(Ecosystem::Pip, word, text, "");
        package.strength = Strength::Unknown;
        shell.package(package);
        return;
    }
    let (name, version) = split_requirement(text);
    let bare = name.split('[').next().unwrap_or(name);
    let form = format!("{name}=={{version}}");
    let mut package = Package::new(Ecosystem::Pip, word, bare, version).form(form);
    let glued = shell.glued(word);
    if version.starts_with('=') && !version.starts_with("==") {
        package = package.fake("pip compares with ==; a single = is refused or taken for a name");
    } else if glued {
        package =
            package.fake("the shell takes an unquoted > for a redirect: no version is asked for");
    } else if hashes && version.is_empty() {
        package.strength = Strength::Content;
    } else if version.is_empty() && may_hold_version(text) {
        package.strength = Strength::Unknown;
    } else if hashes {
        package = package.credited(Strength::Content, "--require-hashes");
    }
    shell.package(package);
}

/// `git+https://host/repo@ref#egg=name`.
fn vcs_requirement(shell: &mut Interpreter<'_, '_>, word: &Word) {
    let text = word.text();
    let (url, fragment) = text.split_once('#').unwrap_or((text, ""));
    let after_scheme = url.find("://").map_or(0, |at| at.saturating_add(3));
    let path = url.get(after_scheme..).unwrap_or_default();
    let slash = path.find('/').unwrap_or(path.len());
    let reference = path
        .get(slash..)
        .and_then(|rest| rest.rsplit_once('@'))
        .map(|(_, reference)| reference)
        .unwrap_or_default();
    let egg = fragment.split('&').find_map(|part| part.strip_prefix("egg="));
    let end = url.len().saturating_sub(reference.len());
    let address = url.get(..end).unwrap_or(url).trim_end_matches('@');
    let subject = egg.unwrap_or(address);
    let strength = classify::git_ref(reference);
    shell.package(Package::new(Ecosystem::Git, word, subject, reference).held(strength));
}

/// The name (extras included) and what stands behind it, without the environment marker.
pub(in crate::pins) fn split_requirement(text: &str) -> (&str, &str) {
    let text = text.split(';').next().unwrap_or(text).trim();
    let at = text.find(['=', '<', '>', '~', '!', '^', ' ', '@', '(']).unwrap_or(text.len());
    let (name, rest) = text.split_at_checked(at).unwrap_or((text, ""));
    let rest = rest.trim().trim_start_matches('(').trim_end_matches(')');
    let rest = rest.split(" --").next().unwrap_or(rest);
    (name.trim(), rest.trim())
}

/// A requirements file: followed where it is in the repository.
fn requirements_file(shell: &mut Interpreter<'_, '_>, file: &Word, hashes: bool) {
    if is_url(file.text()) {
        by_url(shell, file);
        return;
    }
    let Some(path) = repository_path(shell, file.text()) else {
        let package = Package::new(Ecosystem::Pip, file, file.text(), "");
        let mut package = package.held(Strength::Unknown);
        package.note = Some("the requirements file is not in the repository".to_owned());
        if hashes {
            package = package.credited(Strength::Content, "--require-hashes");
        }
        shell.package(package);
        return;
    };
    shell.audit.follow(&path, |audit| {
        read_requirements(audit, shell.environment, hashes, 0);
    });
}

/// The repository's path of a file that a command names.
pub(super) fn repository_path(shell: &Interpreter<'_, '_>, name: &str) -> Option<String> {
    if let Some(crate::pins::MachineFile::Repository(path)) = shell.machine_file(name) {
        return Some(path);
    }
    let reference = name.trim_start_matches('/');
    let repository = shell.audit.repository();
    let candidates = [
        repository::resolve(&shell.file, name),
        repository::resolve("", name.trim_start_matches("./")),
        repository::resolve(&shell.file, repository::file_name(reference)),
    ];
    candidates.into_iter().flatten().find(|path| repository.exists(path))
}

/// What a line of requirements costs: for [`crate::pins::Audit::spend`].
const LINE_COST: usize = 60;

/// Reads the requirements file that the audit is at.
pub(super) fn read_requirements(
    audit: &mut crate::pins::Audit<'_>,
    environment: &mut crate::pins::Environment,
    hashes: bool,
    depth: usize,
) {
    let fragment = audit.file().fragment();
    let mut state = super::interpret::State::new();
    let file = std::sync::Arc::clone(&audit.file().path);
    let whole = fragment.text().to_owned();
    let mut at = 0_usize;
    let mut lines = whole.split_inclusive('\n').peekable();
    while let Some(first) = lines.next() {
        let start = at;
        at = at.saturating_add(first.len());
        let mut last = first;
        while last.trim_end().ends_with('\\')
            && let Some(next) = lines.next()
        {
            at = at.saturating_add(next.len());
            last = next;
        }
        if !audit.spend(LINE_COST) {
            return;
        }
        let logical = whole.get(start..at).unwrap_or_default();
        let text = logical.split(" #").next().unwrap_or_default();
        let end = text.find(" --").unwrap_or(text.len());
        let bare =
            text.get(..end).unwrap_or_default().trim_end_matches(['\\', ' ', '\n', '\r', '\t']);
        let trimmed = bare.trim_start();
        let from = start.saturating_add(bare.len().saturating_sub(trimmed.len()));
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let word = Word::plain(fragment.slice(from..from.saturating_add(trimmed.len())));
        let include = ["-r ", "--requirement ", "--requirement=", "-r"]
            .iter()
            .find_map(|option| trimmed.strip_prefix(option));
        if let Some(name) = include.filter(|_| depth < MAX_INCLUDES) {
            if let Some(path) = repository::resolve(&file, name.trim()) {
                audit.follow(&path, |audit| {
                    read_requirements(audit, environment, hashes, depth.saturating_add(1));
                });
            }
            continue;
        }
        let editable = trimmed.strip_prefix("-e ").or_else(|| trimmed.strip_prefix("--editable "));
        if trimmed.starts_with('-') && editable.is_none() {
            continue;
        }
        let word = match editable {
            Some(rest) => {
                let end = from.saturating_add(trimmed.len());
                Word::plain(fragment.slice(end.saturating_sub(rest.trim_start().len())..end))
            }
            None => word,
        };
        let hashed = hashes || logical.contains("--hash=") || logical.contains("--hash ");
        let mut shell = Interpreter {
            fragment: &fragment,
            environment: &mut *environment,
            audit: &mut *audit,
            state: &mut state,
            file: std::sync::Arc::clone(&file),
        };
        requirement(&mut shell, &word, hashed);
    }
}

/// What each package that a constraints file holds costs, each time that it is taken in.
const CONSTRAINT_COST: usize = 16;

/// A constraints file holds the packages that it names; `None` where it cannot be read.
fn constraints(shell: &mut Interpreter<'_, '_>, file: &Word) -> Option<()> {
    let path = repository_path(shell, file.text())?;
    let repository = shell.audit.repository();
    // Thousands of commands may name the same file.
    let found = repository.prepared(&format!("constraints of {path}"), || {
        let bytes = repository.read(&path)?;
        Some(fixed(&String::from_utf8_lossy(&bytes), &path))
    });
    let found = found.as_ref().as_ref()?;
    let known = |(name, credit): &(String, Credit)| {
        let held = shell.environment.machine.held.get(name);
        held.is_some_and(|held| held.why == credit.why)
    };
    if found.first().is_some_and(known) && found.last().is_some_and(known) {
        return Some(());
    }
    if !shell.audit.spend(found.len().saturating_mul(CONSTRAINT_COST)) {
        return None;
    }
    shell.environment.machine.held.extend(found.iter().cloned());
    Some(())
}

/// The packages that a constraints file fixes to one version.
fn fixed(text: &str, path: &str) -> Vec<(String, Credit)> {
    let mut found = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let (name, version) = split_requirement(line);
        let strength = classify::version(Ecosystem::Pip, version);
        if !name.is_empty() && strength == Strength::Exact {
            let why = format!("{path} fixes it to {version}");
            found.push((name.to_owned(), Credit { strength, why }));
        }
    }
    found
}

/// conda: `name=version=build`, `channel::name`, environment files.
pub(super) fn conda(shell: &mut Interpreter<'_, '_>, invocation: &Invocation<'_>) {
    let arguments = &invocation.arguments;
    let environment = invocation.subcommand.starts_with("env");
    if arguments.has(&["--clone"]) {
        return;
    }
    if arguments.operands.is_empty() && arguments.has(&["--all"]) {
        super::install::upgrade_all(shell, invocation);
        return;
    }
    for word in arguments.operands.iter().filter(|_| !environment) {
        let text = word.text();
        if is_url(text) {
            by_url(shell, word);
            continue;
        }
        let bare = text.rsplit_once("::").map_or(text, |(_, name)| name);
        let at = bare.find(['=', '<', '>', '!', '~', ' ', '[']).unwrap_or(bare.len());
        let (name, version) = bare.split_at_checked(at).unwrap_or((bare, ""));
        let mut package = Package::new(Ecosystem::Conda, word, name, version.trim())
            .form(format!("{}={{version}}", text.trim_end_matches(version)));
        if version.is_empty() && may_hold_version(text) {
            package.strength = Strength::Unknown;
        }
        shell.package(package);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_are_split() {
        let check = |text: &str, name: &str, version: &str| {
            assert_eq!(split_requirement(text), (name, version), "{text}");
        };
        check("requests", "requests", "");
        check("requests==2.31.0", "requests", "==2.31.0");
        check("requests[socks] >= 2, < 3 ; python_version > '3'", "requests[socks]", ">= 2, < 3");
        check("x (==1.0)", "x", "==1.0");
        check("x=1", "x", "=1");
    }
}
