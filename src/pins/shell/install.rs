//! How each manager's operands are read: where the name ends, and what the version says.

use super::interpret::Interpreter;
use super::managers::Invocation;
use super::package::{Package, is_local, is_url, may_hold_version};
use super::sources;
use super::words::Word;
use crate::pins::classify::{self, is_unknown};
use crate::pins::span::UNKNOWN;
use crate::pins::strength::{Ecosystem, Strength};

pub(super) use super::go::go;
pub(super) use super::install_languages::{
    bundle, cargo, composer, conda, cpan, gem, luarocks, npm, npx, nuget, pip, pipx, poetry,
    powershell, rustup, tool, uv,
};

/// Everything installed is upgraded.
pub(super) fn upgrade_all(shell: &mut Interpreter<'_, '_>, invocation: &Invocation<'_>) {
    let ecosystem = invocation.manager.ecosystem;
    let word = invocation.word;
    let undone = shell.environment.machine.exact.len();
    let mut package = Package::new(ecosystem, word, word.text(), "").held(Strength::None);
    package.rule = Some("pins/upgrade-all");
    package.note = Some(match undone {
        0 => "upgrades everything that is installed".to_owned(),
        _ => format!("upgrades everything that is installed, {undone} pinned installs included"),
    });
    if ecosystem.category() != crate::pins::strength::Category::OsPackage {
        package.note = Some("moves everything to the newest that is allowed".to_owned());
    }
    shell.package(package);
}

/// A file by URL among a manager's operands.
pub(super) fn by_url(shell: &mut Interpreter<'_, '_>, word: &Word) {
    let url = word.text().to_owned();
    let hashed = url.split_once('#').is_some_and(|(_, fragment)| fragment.contains("sha256="));
    let mut package = Package::new(Ecosystem::Download, word, &url, "");
    package.strength = if hashed { Strength::Content } else { classify::url(&url) };
    shell.package(package);
}

/// apt: `name=version`, `name/release`, `name:arch`, files.
pub(super) fn apt(shell: &mut Interpreter<'_, '_>, invocation: &Invocation<'_>) {
    let release = invocation
        .arguments
        .value(&["-t", "--target-release", "--default-release"])
        .map(|word| word.text().to_owned());
    for word in &invocation.arguments.operands {
        let text = word.text();
        if is_url(text) {
            by_url(shell, word);
            continue;
        }
        // `name/release` has one slash, and something before it.
        let path = text.matches('/').count() > 1
            || text.trim_start_matches(UNKNOWN).starts_with('/') && text.starts_with(UNKNOWN);
        if path
            || is_local(text)
            || text.ends_with(".deb")
            || text.ends_with('-') && !text.ends_with(UNKNOWN)
        {
            continue;
        }
        let (name, version) = match (text.split_once('='), text.split_once('/')) {
            (Some((name, version)), _) => (name, version.to_owned()),
            (None, Some((name, release))) => (name, release.to_owned()),
            (None, None) => (text, String::new()),
        };
        let by_release = !text.contains('=') && text.contains('/');
        let name = name.trim_end_matches('+');
        let form = format!("{name}={{version}}");
        let mut package = Package::new(Ecosystem::Apt, word, name, &version).form(form);
        if may_hold_version(text) && !text.contains('=') {
            // The variable may bring a version along.
            package.strength = Strength::Unknown;
        } else if by_release {
            package.strength = Strength::Floating;
        } else if version.is_empty()
            && let Some(release) = &release
        {
            release.clone_into(&mut package.requested);
            package.strength = Strength::Floating;
        }
        shell.package(package);
    }
}

/// Architectures that end an rpm's name.
const RPM_ARCHES: &[&str] =
    &[".x86_64", ".noarch", ".aarch64", ".i686", ".i386", ".s390x", ".ppc64le", ".armv7hl", ".src"];

/// yum and dnf: `name-version-release.arch`, `@group`, files, URLs.
pub(super) fn dnf(shell: &mut Interpreter<'_, '_>, invocation: &Invocation<'_>) {
    if ["config-manager", "copr enable"].contains(&invocation.subcommand) {
        sources::rpm_repository(shell, invocation);
        return;
    }
    let group = invocation.subcommand.contains("group");
    let module = invocation.subcommand.starts_with("module");
    for word in &invocation.arguments.operands {
        let text = word.text();
        if is_url(text) {
            by_url(shell, word);
        } else if text.starts_with('@') && !module {
            shell.package(Package::new(Ecosystem::Dnf, word, text, "").held(Strength::None));
        } else if text.starts_with('/') && !text.ends_with(".rpm") && text.contains("/bin/") {
            shell.package(Package::new(Ecosystem::Dnf, word, text, ""));
        } else if is_local(text) || text.ends_with(".rpm") || text.contains('/') {
        } else if let Some((name, stream)) = text.split_once(':').filter(|_| module) {
            let package = Package::new(Ecosystem::Dnf, word, name, stream);
            shell.package(package.held(Strength::Floating));
        } else if group {
            shell.package(Package::new(Ecosystem::Dnf, word, text, "").held(Strength::None));
        } else {
            rpm(shell, Ecosystem::Dnf, word);
        }
    }
}

fn rpm(shell: &mut Interpreter<'_, '_>, ecosystem: Ecosystem, word: &Word) {
    let text = word.text();
    let bare = RPM_ARCHES.iter().find_map(|arch| text.strip_suffix(arch)).unwrap_or(text);
    let (name, version) = split_rpm(bare);
    let arch = text.get(bare.len()..).unwrap_or_default();
    let form = match ecosystem {
        Ecosystem::Zypper => format!("{name}{arch}={{version}}"),
        _ => format!("{name}-{{version}}{arch}"),
    };
    let mut package = Package::new(ecosystem, word, name, version).form(form);
    if version.is_empty() && may_hold_version(text) {
        package.strength = Strength::Unknown;
    }
    shell.package(package);
}

/// `name` and `[epoch:]version[-release]` of an rpm specification. Names may hold dashes and
/// digits (`java-1.8.0-openjdk`, `gcc-toolset-12`), so what follows a dash is a version only if it
/// starts with a digit, nothing behind it starts with a letter, and it is more than one number.
fn split_rpm(text: &str) -> (&str, &str) {
    for operator in [">=", "<=", "=", ">", "<"] {
        if let Some((name, version)) = text.split_once(operator) {
            let from = name.len();
            let version =
                if operator == "=" { version } else { text.get(from..).unwrap_or_default() };
            return (name.trim_end(), version.trim());
        }
    }
    for (at, _) in text.match_indices('-') {
        let rest = text.get(at.saturating_add(1)..).unwrap_or_default();
        let starts = |part: &str| part.starts_with(|c: char| c.is_ascii_digit() || c == UNKNOWN);
        let parts: Vec<&str> = rest.split('-').collect();
        let release = parts.get(1).is_none_or(|part| starts(part) || part.starts_with('*'));
        let number = !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
        if parts.len() <= 2 && parts.first().is_some_and(|part| starts(part)) && release && !number
        {
            return (text.get(..at).unwrap_or_default(), rest);
        }
    }
    match text.split_once('*') {
        Some((name, _)) if !name.is_empty() => (text, ""),
        _ => (text, ""),
    }
}

/// zypper: `name=version`, `name>=version`, `name-version`, `pattern:name`.
pub(super) fn zypper(shell: &mut Interpreter<'_, '_>, invocation: &Invocation<'_>) {
    if ["addrepo", "ar"].contains(&invocation.subcommand) {
        sources::rpm_repository(shell, invocation);
        return;
    }
    let pattern =
        invocation.arguments.value(&["-t", "--type"]).is_some_and(|kind| kind.text() == "pattern");
    for word in &invocation.arguments.operands {
        let text = word.text();
        if is_url(text) {
            by_url(shell, word);
        } else if is_local(text) || text.ends_with(".rpm") {
        } else if pattern || text.starts_with("pattern:") {
            shell.package(Package::new(Ecosystem::Zypper, word, text, ""));
        } else if text.contains(['=', '<', '>']) {
            let (name, version) = split_rpm(text);
            let form = format!("{name}={{version}}");
            shell.package(Package::new(Ecosystem::Zypper, word, name, version).form(form));
        } else {
            rpm(shell, Ecosystem::Zypper, word);
        }
    }
}

/// apk: `name=version`, `name~version`, `name<version`, `name><checksum`, `name@repository`, also
/// with a version behind the repository.
pub(super) fn apk(shell: &mut Interpreter<'_, '_>, invocation: &Invocation<'_>) {
    for repository in invocation.arguments.values(&["-X", "--repository"]) {
        sources::repository_word(shell, repository);
    }
    for word in &invocation.arguments.operands {
        let text = word.text();
        if is_local(text) || text.ends_with(".apk") || text.starts_with('!') {
            continue;
        }
        let at = text.find(['=', '~', '<', '>', '@']).unwrap_or(text.len());
        let (name, mut rest) = text.split_at_checked(at).unwrap_or((text, ""));
        // `name@repository=version`.
        let tagged = rest.strip_prefix('@').and_then(|tag| tag.find(['=', '~', '<', '>']));
        let at = at.saturating_add(tagged.map_or(0, |length| length.saturating_add(1)));
        let label = if tagged.is_some() { text.get(..at).unwrap_or(name) } else { name };
        if tagged.is_some() {
            rest = text.get(at..).unwrap_or_default();
        }
        let requested = rest.strip_prefix('=').filter(|r| !r.starts_with('~')).unwrap_or(rest);
        let form = format!("{label}={{version}}");
        let mut package = Package::new(Ecosystem::Apk, word, name, requested).form(form);
        if rest.starts_with("><") && !is_unknown(rest) {
            // By the checksum of the package.
            package.strength = Strength::Content;
        } else if rest.starts_with('@') {
            package.strength = Strength::None;
        } else if rest.is_empty() && may_hold_version(text) {
            package.strength = Strength::Unknown;
        } else if rest.is_empty() && dashed_version(text).is_some_and(|v| v.contains("-r")) {
            package = package.fake("apk writes versions as name=version");
        }
        shell.package(package);
    }
}

/// `1.2-r0` in `name-1.2-r0`.
fn dashed_version(text: &str) -> Option<&str> {
    text.match_indices('-').find_map(|(at, _)| {
        let rest = text.get(at.saturating_add(1)..)?;
        (rest.starts_with(|c: char| c.is_ascii_digit()) && rest.contains('.')).then_some(rest)
    })
}

/// pacman: `-S name`, `-Syu`, `-U url`.
pub(super) fn pacman(shell: &mut Interpreter<'_, '_>, invocation: &Invocation<'_>) {
    let arguments = &invocation.arguments;
    let has = |short: &str, long: &str| arguments.has(&[short, long]);
    if has("-U", "--upgrade") {
        for word in arguments.operands.iter().filter(|word| is_url(word.text())) {
            by_url(shell, word);
        }
        return;
    }
    let installs = has("-S", "--sync") || invocation.subcommand == "install";
    let query = ["-s", "-i", "-l", "-g", "-c", "--search", "--info", "--clean"];
    if !installs || arguments.has(&query) {
        return;
    }
    if has("-u", "--sysupgrade") {
        upgrade_all(shell, invocation);
    }
    for word in &arguments.operands {
        let text = word.text();
        if is_url(text) {
            by_url(shell, word);
            continue;
        }
        if is_local(text) || text.contains(".pkg.tar") {
            continue;
        }
        let (name, version) = text.split_once('=').unwrap_or((text, ""));
        let mut package = Package::new(Ecosystem::Pacman, word, name, version);
        if version.is_empty() && may_hold_version(text) {
            package.strength = Strength::Unknown;
        } else if version.is_empty() && dashed_version(text).is_some() {
            package = package.fake("pacman installs what the repository has, not name-version");
        }
        shell.package(package);
    }
}

/// snap: `--channel`, `--revision`.
pub(super) fn snap(shell: &mut Interpreter<'_, '_>, invocation: &Invocation<'_>) {
    let channel = invocation.arguments.value(&["--channel"]).map(|word| word.text().to_owned());
    let risk = ["--edge", "--beta", "--candidate", "--stable"]
        .iter()
        .find(|risk| invocation.arguments.has(&[risk]))
        .map(|risk| risk.trim_start_matches('-').to_owned());
    let revision =
        invocation.arguments.value(&["--revision"]).map(|word| format!("revision={}", word.text()));
    let requested = revision.or(channel).or(risk).unwrap_or_default();
    for word in &invocation.arguments.operands {
        let text = word.text();
        if is_local(text) || text.ends_with(".snap") {
            continue;
        }
        let (name, channel) = text.split_once('=').unwrap_or((text, &requested));
        let mut package = Package::new(Ecosystem::Snap, word, name, channel);
        if ["latest/stable", "latest"].contains(&channel) {
            package.strength = Strength::Floating;
        }
        shell.package(package);
    }
}

/// flatpak: `[remote] application[//branch]`.
pub(super) fn flatpak(shell: &mut Interpreter<'_, '_>, invocation: &Invocation<'_>) {
    let commit = invocation.arguments.value(&["--commit"]).is_some();
    for word in &invocation.arguments.operands {
        let text = word.text();
        if is_url(text) {
            by_url(shell, word);
            continue;
        }
        if !text.contains(['.', UNKNOWN]) && invocation.arguments.operands.len() > 1 {
            continue;
        }
        let (name, branch) = text.split_once("//").unwrap_or((text, ""));
        let mut package = Package::new(Ecosystem::Flatpak, word, name, branch);
        if commit {
            package.strength = Strength::Content;
        } else if !branch.is_empty() && package.strength == Strength::Exact {
            package.strength = Strength::Floating;
        }
        shell.package(package);
    }
}

/// brew: `name@major` names another formula, not a version of it.
pub(super) fn brew(shell: &mut Interpreter<'_, '_>, invocation: &Invocation<'_>) {
    for word in &invocation.arguments.operands {
        let text = word.text();
        if is_url(text) {
            by_url(shell, word);
            continue;
        }
        if is_local(text) {
            continue;
        }
        let (name, version) = text.split_once('@').unwrap_or((text, ""));
        let mut package = Package::new(Ecosystem::Brew, word, name, version);
        if !version.is_empty() && package.strength == Strength::Exact {
            package.strength = Strength::Floating;
        } else if version.is_empty() && may_hold_version(text) {
            package.strength = Strength::Unknown;
        }
        shell.package(package);
    }
}

/// A package whose version stands in an option, for all operands alike.
fn with_version_option(
    shell: &mut Interpreter<'_, '_>,
    invocation: &Invocation<'_>,
    version: Option<&Word>,
    words: &[&Word],
) {
    let requested = version.map(|word| word.text().to_owned()).unwrap_or_default();
    for word in words {
        let mut package = Package::new(invocation.manager.ecosystem, word, word.text(), &requested);
        if requested.is_empty() && may_hold_version(word.text()) {
            package.strength = Strength::Unknown;
        }
        shell.package(package);
    }
}

/// choco: `--version`.
pub(super) fn choco(shell: &mut Interpreter<'_, '_>, invocation: &Invocation<'_>) {
    let operands: Vec<&Word> = invocation.arguments.operands.iter().collect();
    if let [only] = operands.as_slice()
        && only.text() == "all"
    {
        upgrade_all(shell, invocation);
        return;
    }
    let operands: Vec<&Word> =
        operands.into_iter().filter(|word| !word.text().ends_with(".config")).collect();
    let version = invocation.arguments.value(&["--version", "-version"]);
    with_version_option(shell, invocation, version, &operands);
}

/// winget: `--id`, `--version`.
pub(super) fn winget(shell: &mut Interpreter<'_, '_>, invocation: &Invocation<'_>) {
    let arguments = &invocation.arguments;
    let version = arguments.value(&["--version", "-v"]);
    let mut named: Vec<&Word> =
        arguments.values(&["--id", "--name", "--moniker", "-q", "--query"]).collect();
    named.extend(&arguments.operands);
    if named.is_empty() && arguments.has(&["--all"]) {
        upgrade_all(shell, invocation);
    }
    with_version_option(shell, invocation, version, &named);
}

/// helm: `[release] chart --version`.
pub(super) fn helm(shell: &mut Interpreter<'_, '_>, invocation: &Invocation<'_>) {
    let arguments = &invocation.arguments;
    let version = arguments.value(&["--version"]);
    if invocation.subcommand == "plugin install" {
        with_version_option(
            shell,
            invocation,
            version,
            &arguments.operands.iter().collect::<Vec<_>>(),
        );
        return;
    }
    let remote = |word: &&Word| {
        let text = word.text();
        !is_local(text) && (text.contains('/') || arguments.has(&["--repo"]) || is_url(text))
    };
    let Some(chart) = arguments.operands.iter().rfind(remote) else { return };
    if chart.text().ends_with(".tgz") && !is_url(chart.text()) {
        return;
    }
    if is_url(chart.text()) && !chart.text().starts_with("oci://") {
        by_url(shell, chart);
        return;
    }
    let digest = chart.text().contains("@sha256:");
    let requested = version.map(|word| word.text().to_owned()).unwrap_or_default();
    let mut package = Package::new(Ecosystem::Helm, chart, chart.text(), &requested);
    if digest {
        package.strength = Strength::Content;
    }
    shell.package(package);
}

/// ansible-galaxy: `name,version`, `namespace.name:version`, git sources.
pub(super) fn galaxy(shell: &mut Interpreter<'_, '_>, invocation: &Invocation<'_>) {
    let listed = ["-r", "--role-file", "--requirements-file"];
    for file in invocation.arguments.values(&listed) {
        if let Some(path) = super::python::repository_path(shell, file.text()) {
            shell.audit.follow(&path, crate::pins::ansible::read_requirements);
        } else {
            let package = Package::new(Ecosystem::Galaxy, file, file.text(), "");
            let mut package = package.held(Strength::Unknown);
            package.note = Some("the requirements file is not in the repository".to_owned());
            shell.package(package);
        }
    }
    for word in &invocation.arguments.operands {
        let text = word.text();
        if is_local(text) || text.ends_with(".tar.gz") && !is_url(text) {
            continue;
        }
        let git = text.starts_with("git") || text.contains(".git");
        if is_url(text) && !git {
            by_url(shell, word);
            continue;
        }
        let collection = invocation.subcommand.starts_with("collection") && !git;
        let separator = if collection { ':' } else { ',' };
        let (name, version) = text.split_once(separator).unwrap_or((text, ""));
        let mut package = Package::new(Ecosystem::Galaxy, word, name, version);
        if git {
            package.strength = classify::git_ref(version);
        } else if version.is_empty() && may_hold_version(text) {
            package.strength = Strength::Unknown;
        }
        shell.package(package.form(format!("{name}{separator}{{version}}")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rpm_names_and_versions() {
        let check = |text: &str, name: &str, version: &str| {
            assert_eq!(split_rpm(text), (name, version), "{text}");
        };
        check("curl", "curl", "");
        check("curl-7.76.1-26.el9", "curl", "7.76.1-26.el9");
        check("python3.12-3.12.1-4.el9", "python3.12", "3.12.1-4.el9");
        check("java-1.8.0-openjdk-devel", "java-1.8.0-openjdk-devel", "");
        check("java-11-openjdk", "java-11-openjdk", "");
        check("docker-ce-3:20.10.7-3.el8", "docker-ce", "3:20.10.7-3.el8");
        check("glibc-2.17*", "glibc", "2.17*");
        check("gcc-toolset-12", "gcc-toolset-12", "");
        check("kernel-4.18.0", "kernel", "4.18.0");
        check("gcc-c++", "gcc-c++", "");
        check("nginx >= 1.20", "nginx", ">= 1.20");
        check("nginx=1.20", "nginx", "1.20");
    }
}
