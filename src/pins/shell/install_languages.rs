//! npm and its kin, gem, go, cargo, rustup, .NET, Composer, PowerShell, CPAN.

use super::install::by_url;
use super::interpret::Interpreter;
use super::managers::Invocation;
use super::package::{Package, is_local, is_url, may_hold_version};
use super::python::lock;
pub(super) use super::python::{conda, pip, pipx, poetry, uv};
use super::words::Word;
use crate::pins::classify;
use crate::pins::span::UNKNOWN;
use crate::pins::strength::{Ecosystem, Strength};

/// npm, yarn, pnpm, bun.
pub(super) fn npm(shell: &mut Interpreter<'_, '_>, invocation: &Invocation<'_>) {
    let arguments = &invocation.arguments;
    let operands = &arguments.operands;
    match invocation.subcommand {
        "ci" | "clean-install" | "install-clean" | "install-ci-test" | "clean-install-test"
        | "cit" => return lock(shell, invocation, true, "", ""),
        "exec" | "x" | "dlx" => return npx(shell, invocation),
        "init" | "create" => {
            for word in operands.iter().take(1) {
                javascript(shell, word, Some("create-"));
            }
            return;
        }
        "" if operands.first().is_some_and(|word| word.text() != "install") => return,
        _ => {}
    }
    if operands.is_empty() {
        if arguments.has(&["--version", "-v", "--help", "-h"]) {
            return;
        }
        let enforced =
            arguments.has(&["--frozen-lockfile", "--immutable", "--pure-lockfile", "--frozen"]);
        let global = arguments.has(&["-g", "--global"]);
        if !global {
            lock(shell, invocation, enforced, "the lockfile", "`npm ci` or --frozen-lockfile");
        }
        return;
    }
    for word in operands {
        javascript(shell, word, None);
    }
}

/// npx and its kin: the first operand, or what `--package` names.
pub(super) fn npx(shell: &mut Interpreter<'_, '_>, invocation: &Invocation<'_>) {
    let arguments = &invocation.arguments;
    if arguments.has(&["--no-install", "--no"]) {
        return;
    }
    let packages: Vec<Word> = arguments.values(&["-p", "--package"]).cloned().collect();
    if packages.is_empty() {
        // Options behind the package belong to it: only the first operand counts.
        if let Some(word) = arguments.operands.first() {
            javascript(shell, word, None);
        }
    }
    for word in &packages {
        javascript(shell, word, None);
    }
}

/// `name@version`, `@scope/name@version`, git and URLs.
fn javascript(shell: &mut Interpreter<'_, '_>, word: &Word, prefix: Option<&str>) {
    let text = word.text();
    let git = ["git+", "git://", "git@", "github:", "gitlab:", "bitbucket:", "gist:"]
        .iter()
        .any(|scheme| text.starts_with(scheme))
        || text.contains(".git#")
        || text.ends_with(".git");
    let shorthand =
        !text.starts_with('@') && text.contains('/') && !is_local(text) && !is_url(text);
    if git || shorthand {
        let (subject, reference) = text.split_once('#').unwrap_or((text, ""));
        let semver = reference.strip_prefix("semver:");
        let strength = match semver {
            Some(range) => classify::version(Ecosystem::Npm, range),
            None => classify::git_ref(reference),
        };
        shell.package(Package::new(Ecosystem::Git, word, subject, reference).held(strength));
        return;
    }
    if is_url(text) {
        by_url(shell, word);
        return;
    }
    if is_local(text) || [".tgz", ".tar.gz", ".tar"].iter().any(|end| text.ends_with(end)) {
        return;
    }
    let text = text.split_once("@npm:").map_or(text, |(_, real)| real);
    let at = text.char_indices().skip(1).find(|(_, c)| *c == '@').map(|(at, _)| at);
    let (name, version) = match at {
        Some(at) => (
            text.get(..at).unwrap_or_default(),
            text.get(at.saturating_add(1)..).unwrap_or_default(),
        ),
        None => (text, ""),
    };
    let subject = format!("{}{name}", prefix.unwrap_or_default());
    let mut package =
        Package::new(Ecosystem::Npm, word, &subject, version).form(format!("{name}@{{version}}"));
    if version.is_empty() && may_hold_version(text) {
        package.strength = Strength::Unknown;
    }
    shell.package(package);
}

/// gem: `name:version`, `-v`.
pub(super) fn gem(shell: &mut Interpreter<'_, '_>, invocation: &Invocation<'_>) {
    let arguments = &invocation.arguments;
    if arguments.has(&["--system"]) && invocation.subcommand == "update" {
        let system = arguments.operands.first();
        let word = system.unwrap_or(invocation.word);
        let version = system.map(|word| word.text().to_owned()).unwrap_or_default();
        shell.package(Package::new(Ecosystem::Gem, word, "rubygems", &version));
        return;
    }
    let option = arguments.value(&["-v", "--version"]);
    let version = option.map(|word| word.text().to_owned());
    // Behind the dashes stand the options of extensions' builds.
    let count = arguments.before_dashes.unwrap_or(arguments.operands.len());
    let option = option.filter(|_| count == 1);
    for word in arguments.operands.iter().take(count) {
        let text = word.text();
        if is_url(text) {
            by_url(shell, word);
            continue;
        }
        if is_local(text) || text.ends_with(".gem") || ["true", "false"].contains(&text) {
            continue;
        }
        let (name, own) = text.split_once(':').unwrap_or((text, ""));
        let requested =
            if own.is_empty() { version.clone().unwrap_or_default() } else { own.to_owned() };
        let mut package = Package::new(Ecosystem::Gem, word, name, &requested)
            .form(format!("{name}:{{version}}"))
            .version_word(option.filter(|_| own.is_empty()));
        if own.is_empty() && name.contains('=') {
            package = package.fake("gem writes versions as name:version or with -v");
            package.name = name.split('=').next().unwrap_or_default().to_owned();
        } else if requested.is_empty() && may_hold_version(text) {
            package.strength = Strength::Unknown;
        }
        shell.package(package);
    }
}

/// bundle install, bundle add.
pub(super) fn bundle(shell: &mut Interpreter<'_, '_>, invocation: &Invocation<'_>) {
    if invocation.subcommand == "add" {
        return gem(shell, invocation);
    }
    if invocation.subcommand == "update" {
        return super::install::upgrade_all(shell, invocation);
    }
    if invocation.subcommand.is_empty() && !invocation.arguments.operands.is_empty() {
        return;
    }
    let set = |name: &str| shell.environment.get(name).is_some();
    let enforced = invocation.arguments.has(&["--frozen", "--deployment"])
        || set("BUNDLE_FROZEN")
        || set("BUNDLE_DEPLOYMENT");
    lock(shell, invocation, enforced, "Gemfile.lock", "BUNDLE_FROZEN=1");
}

/// cargo install: `name@version`, `--version`, `--git` with `--rev`, `--tag`, `--branch`.
pub(super) fn cargo(shell: &mut Interpreter<'_, '_>, invocation: &Invocation<'_>) {
    let arguments = &invocation.arguments;
    if arguments.value(&["--path"]).is_some() {
        return;
    }
    if let Some(url) = arguments.value(&["--git"]) {
        let reference = arguments.value(&["--rev", "--tag", "--branch"]);
        let branch = arguments.value(&["--branch"]).is_some();
        let requested = reference.map(|word| word.text().to_owned()).unwrap_or_default();
        let strength = match classify::git_ref(&requested) {
            Strength::Exact if branch => Strength::Floating,
            Strength::Floating if arguments.value(&["--tag"]).is_some() => Strength::Exact,
            other => other,
        };
        shell.package(Package::new(Ecosystem::Git, url, url.text(), &requested).held(strength));
        return;
    }
    let option = arguments.value(&["--version", "--vers"]);
    let version = option.map(|word| word.text().to_owned());
    let option = option.filter(|_| arguments.operands.len() == 1);
    for word in &arguments.operands {
        let text = word.text();
        let (name, own) = text.split_once('@').unwrap_or((text, ""));
        let requested =
            if own.is_empty() { version.clone().unwrap_or_default() } else { own.to_owned() };
        let strength = cargo_version(&requested);
        let mut package = Package::new(Ecosystem::Cargo, word, name, &requested)
            .held(strength)
            .form(format!("{name}@{{version}}"))
            .version_word(option.filter(|_| own.is_empty()));
        if requested.is_empty() && may_hold_version(text) {
            package.strength = Strength::Unknown;
        } else if strength == Strength::Exact
            && !arguments.has(&["--locked"])
            && invocation.subcommand == "install"
        {
            package.advice =
                Some("without --locked its dependencies are whatever is newest".to_owned());
        }
        shell.package(package);
    }
}

/// A version of `cargo install` without operator is exact; with one it is a requirement.
fn cargo_version(requested: &str) -> Strength {
    let full = requested.trim_start_matches('=').split('-').next().unwrap_or_default();
    let partial = full.starts_with(|c: char| c.is_ascii_digit()) && full.matches('.').count() < 2;
    match classify::version(Ecosystem::Cargo, requested) {
        Strength::Exact if partial => Strength::Range,
        other => other,
    }
}

/// rustup: toolchains by channel, version or dated nightly.
pub(super) fn rustup(shell: &mut Interpreter<'_, '_>, invocation: &Invocation<'_>) {
    let arguments = &invocation.arguments;
    let named: Vec<&Word> = arguments
        .values(&["--default-toolchain"])
        .chain(&arguments.operands)
        .filter(|word| word.text() != "none")
        .collect();
    if invocation.subcommand.is_empty() && arguments.value(&["--default-toolchain"]).is_none() {
        return;
    }
    for word in named {
        let text = word.text();
        let strength = toolchain(text);
        shell.package(Package::new(Ecosystem::Rustup, word, "rust", text).held(strength));
    }
}

fn toolchain(text: &str) -> Strength {
    if classify::is_unknown(text) {
        return Strength::Unknown;
    }
    let mut parts = text.split('-');
    let channel = parts.next().unwrap_or_default();
    let year = parts.next().unwrap_or_default();
    let dated = year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit());
    if channel.starts_with(|c: char| c.is_ascii_digit()) {
        if channel.matches('.').count() >= 2 { Strength::Exact } else { Strength::Range }
    } else if dated {
        Strength::Exact
    } else {
        Strength::Floating
    }
}

/// dotnet and nuget: `--version`.
pub(super) fn nuget(shell: &mut Interpreter<'_, '_>, invocation: &Invocation<'_>) {
    let arguments = &invocation.arguments;
    if invocation.subcommand == "restore" {
        let enforced = arguments.has(&["--locked-mode", "-LockedMode"]);
        lock(shell, invocation, enforced, "packages.lock.json", "--locked-mode");
        return;
    }
    let version = arguments.value(&["--version", "-v", "-Version"]);
    let requested = version.map(|word| word.text().to_owned()).unwrap_or_default();
    let mut operands: Vec<&Word> = arguments.operands.iter().collect();
    if invocation.subcommand == "add" {
        // `dotnet add PROJECT package NAME`.
        match operands.iter().position(|word| word.text() == "package") {
            Some(at) => operands.drain(..=at),
            None => return,
        };
    }
    for word in operands.into_iter().take(1) {
        let text = word.text();
        if text.ends_with(".config") || text.ends_with("proj") || is_local(text) {
            continue;
        }
        let (name, own) =
            text.split_once('@').or_else(|| text.split_once("::")).unwrap_or((text, ""));
        let requested = if own.is_empty() { requested.clone() } else { own.to_owned() };
        let mut package = Package::new(Ecosystem::Nuget, word, name, &requested);
        if requested.is_empty() && may_hold_version(text) {
            package.strength = Strength::Unknown;
        }
        shell.package(package);
    }
}

/// composer: `vendor/name:constraint`.
pub(super) fn composer(shell: &mut Interpreter<'_, '_>, invocation: &Invocation<'_>) {
    let operands = &invocation.arguments.operands;
    match invocation.subcommand {
        "install" => return lock(shell, invocation, true, "composer.lock", ""),
        "self-update" => {
            if let Some(word) = operands.first() {
                shell.package(Package::new(Ecosystem::Composer, word, "composer", word.text()));
            }
            return;
        }
        "create-project" => {
            if let Some(word) = operands.first() {
                let version = operands.get(2).map(|word| word.text().to_owned());
                vendor(shell, word, version.as_deref());
            }
            return;
        }
        _ => {}
    }
    let mut words = operands.iter().peekable();
    while let Some(word) = words.next() {
        let separate = words
            .peek()
            .filter(|next| !next.text().contains('/') && !word.text().contains([':', '=']))
            .map(|next| next.text().to_owned());
        if separate.is_some() {
            words.next();
        }
        vendor(shell, word, separate.as_deref());
    }
}

fn vendor(shell: &mut Interpreter<'_, '_>, word: &Word, separate: Option<&str>) {
    let text = word.text();
    if !text.contains('/') && !text.starts_with("ext-") {
        return;
    }
    let (name, own) = text.split_once([':', '=']).unwrap_or((text, ""));
    let requested = if own.is_empty() { separate.unwrap_or_default() } else { own };
    let mut package = Package::new(Ecosystem::Composer, word, name, requested)
        .form(format!("{name}:{{version}}"));
    if requested.contains('@') || requested.starts_with("dev-") {
        package.strength = Strength::Floating;
    } else if requested.is_empty() && may_hold_version(text) {
        package.strength = Strength::Unknown;
    }
    shell.package(package);
}

/// Install-Module and its kin.
pub(super) fn powershell(shell: &mut Interpreter<'_, '_>, invocation: &Invocation<'_>) {
    let arguments = &invocation.arguments;
    let exact = arguments.value(&["-RequiredVersion"]).map(|word| word.text().to_owned());
    let range =
        arguments.value(&["-MinimumVersion", "-MaximumVersion"]).map(|w| w.text().to_owned());
    let version = arguments.value(&["-Version"]).map(|word| word.text().to_owned());
    let (requested, strength) = match (exact, version, range) {
        (Some(exact), ..) => (exact.clone(), classify::constraint(&exact)),
        (None, Some(version), _) => {
            let strength = classify::version(Ecosystem::Nuget, &version);
            (version, strength)
        }
        (None, None, Some(range)) => (range, Strength::Range),
        (None, None, None) => (String::new(), Strength::None),
    };
    let named = arguments.values(&["-Name"]).chain(&arguments.operands);
    let words: Vec<Word> = named
        .flat_map(|word| {
            let text = word.text();
            let mut parts = Vec::new();
            let mut at = 0_usize;
            for part in text.split(',') {
                let end = at.saturating_add(part.len());
                if !part.trim().is_empty() {
                    parts.push(word.slice(at..end));
                }
                at = end.saturating_add(1);
            }
            parts
        })
        .collect();
    for word in &words {
        let package = Package::new(Ecosystem::PowerShell, word, word.text().trim(), &requested);
        shell.package(package.held(strength));
    }
}

/// Version managers: `tfenv install 1.5.7`, `asdf install nodejs 20.1.0`, `mise use node@20`.
pub(super) fn tool(shell: &mut Interpreter<'_, '_>, invocation: &Invocation<'_>) {
    let arguments = &invocation.arguments;
    let Some(first) = arguments.operands.first() else { return };
    let version_first =
        first.text().starts_with(|c: char| c.is_ascii_digit() || c == 'v' || c == UNKNOWN)
            && !first.text().contains('@')
            || arguments.operands.len() == 1 && !first.text().contains('@');
    let (subject, version, word) = match (first.split_once('@'), arguments.operands.get(1)) {
        (Some((name, version)), _) => (name.text().to_owned(), version.text().to_owned(), first),
        (None, Some(version)) if !version_first => {
            (first.text().to_owned(), version.text().to_owned(), version)
        }
        _ => (invocation.program.to_owned(), first.text().to_owned(), first),
    };
    let bare = version.trim_start_matches('v');
    let digits = bare.starts_with(|c: char| c.is_ascii_digit());
    let strength = if classify::is_unknown(&version) {
        Strength::Unknown
    } else if digits && bare.matches('.').count() >= 2 {
        Strength::Exact
    } else if digits {
        Strength::Range
    } else {
        match classify::constraint(&version) {
            Strength::None => Strength::None,
            _ => Strength::Floating,
        }
    };
    shell.package(Package::new(Ecosystem::Tool, word, &subject, &version).held(strength));
}

/// cpan and cpanm: `Name@version`, `Name~range`.
pub(super) fn cpan(shell: &mut Interpreter<'_, '_>, invocation: &Invocation<'_>) {
    for word in &invocation.arguments.operands {
        let text = word.text();
        if is_url(text) {
            by_url(shell, word);
            continue;
        }
        if is_local(text) || text.ends_with(".gz") {
            continue;
        }
        let at = text.find(['@', '~']).unwrap_or(text.len());
        let (name, rest) = text.split_at_checked(at).unwrap_or((text, ""));
        let version = rest.strip_prefix('@').unwrap_or(rest);
        shell.package(Package::new(Ecosystem::OtherLanguage, word, name, version));
    }
}

/// luarocks install NAME \[VERSION\].
pub(super) fn luarocks(shell: &mut Interpreter<'_, '_>, invocation: &Invocation<'_>) {
    let mut operands = invocation.arguments.operands.iter();
    if let Some(word) = operands.next().filter(|word| !is_local(word.text())) {
        let version = operands.next().map(|word| word.text().to_owned()).unwrap_or_default();
        shell.package(Package::new(Ecosystem::OtherLanguage, word, word.text(), &version));
    }
}
