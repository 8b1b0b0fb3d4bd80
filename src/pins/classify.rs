//! How firmly a version, a tag or a ref holds: the one place that every carrier asks.
//!
//! Each function is pure and takes what stands *behind* the name (`1.2`, `^1`, `main`, the empty
//! text for nothing). What holds [`UNKNOWN`] is unknown unless the known part already decides
//! (`>=` in front of a variable is a range whatever the variable says).

use super::span::UNKNOWN;
use super::strength::{Ecosystem, Strength};

/// Names of versions and tags that mean "whatever is newest".
const NEWEST: &[&str] = &["", "latest", "*", "newest", "current", "head", "tip", "x"];

/// Names of releases and channels that move.
const CHANNELS: &[&str] = &[
    "stable",
    "edge",
    "beta",
    "candidate",
    "nightly",
    "next",
    "lts",
    "canary",
    "dev",
    "devel",
    "develop",
    "development",
    "testing",
    "unstable",
    "sid",
    "rolling",
    "rawhide",
    "tumbleweed",
    "leap",
    "main",
    "master",
    "trunk",
    "release",
    "experimental",
    "mainline",
    "preview",
    "rc",
    "alpha",
    "snapshot",
    "prod",
    "production",
    "staging",
    "insiders",
    "bleeding",
    "unreleased",
    "current-stable",
    "latest-stable",
];

/// Branches that nobody can take for a version.
const DEFAULT_BRANCHES: &[&str] = &["", "main", "master", "head", "trunk", "default", "tip"];

/// The strength of what stands behind a package's or module's name.
#[must_use]
pub fn version(ecosystem: Ecosystem, word: &str) -> Strength {
    let word = word.trim();
    let lower = word.to_ascii_lowercase();
    if NEWEST.contains(&lower.as_str()) {
        return Strength::None;
    }
    match ecosystem {
        Ecosystem::Image => super::image::tag_strength(word),
        Ecosystem::Git | Ecosystem::CiInclude | Ecosystem::Action => git_ref(word),
        Ecosystem::Apt => distribution(word, &["*", "?"]),
        Ecosystem::Apk => operators(word, &["~", "<", ">", "!"]),
        Ecosystem::Dnf | Ecosystem::Zypper => distribution(word, &["*", "?", "<", ">", "!", "["]),
        Ecosystem::Pip => python(word),
        Ecosystem::Npm => npm(word),
        Ecosystem::Go => go(word),
        Ecosystem::Snap => snap(word),
        Ecosystem::Conda => conda(word),
        Ecosystem::Nuget => nuget(word),
        _ => constraint(word),
    }
}

/// Whether the word holds something that nobody here can resolve: a value from outside, or an
/// expression of a template that is filled in elsewhere.
#[must_use]
pub fn is_unknown(word: &str) -> bool {
    word.contains(UNKNOWN) || word.contains("${") || word.contains("{{")
}

/// A distribution's version, where only the given characters make a pattern of it.
fn distribution(word: &str, patterns: &[&str]) -> Strength {
    if patterns.iter().any(|pattern| word.contains(pattern)) {
        Strength::Range
    } else if is_unknown(word) {
        Strength::Unknown
    } else if CHANNELS.contains(&word.to_ascii_lowercase().as_str()) {
        Strength::Floating
    } else {
        Strength::Exact
    }
}

fn operators(word: &str, ranges: &[&str]) -> Strength {
    let start = word.trim_start_matches('=');
    if ranges.iter().any(|operator| start.starts_with(operator) || word.starts_with(operator)) {
        return Strength::Range;
    }
    distribution(start, &["*"])
}

/// PEP 440: what stands behind the name, operators included (`==1.2`, `>=1,<2`).
fn python(word: &str) -> Strength {
    let mut strongest = Strength::None;
    for part in word.split(',') {
        let part = part.trim();
        let strength = if let Some(version) = part.strip_prefix("===") {
            constraint_value(version.trim())
        } else if let Some(version) = part.strip_prefix("==") {
            let version = version.trim();
            if version.contains('*') { Strength::Range } else { constraint_value(version) }
        } else if part.starts_with(['>', '<', '~', '!', '^']) {
            Strength::Range
        } else {
            constraint(part)
        };
        strongest = match (strongest, strength) {
            (Strength::Unknown, other) | (other, Strength::Unknown) if other < Strength::Exact => {
                Strength::Unknown
            }
            (Strength::Unknown, other) | (other, Strength::Unknown) => other,
            (a, b) => a.max(b),
        };
    }
    strongest
}

/// semver as npm reads it: a partial version is a range, a word is a tag that moves.
fn npm(word: &str) -> Strength {
    if word.contains("://") || word.starts_with("git@") || word.contains('#') {
        return git_ref(word.rsplit_once('#').map_or("", |(_, reference)| reference));
    }
    let bare = word.trim_start_matches('=').trim_start_matches('v');
    if is_full_semver(bare) {
        return Strength::Exact;
    }
    semver_range(word)
        .unwrap_or_else(|| if is_unknown(word) { Strength::Unknown } else { Strength::Floating })
}

/// A range in any of the semver dialects, `None` for a word.
fn semver_range(word: &str) -> Option<Strength> {
    let ranged = word.starts_with(['^', '~', '>', '<', '!'])
        || word.contains("||")
        || word.contains(" - ")
        || word.contains(['*', ','])
        || word.split('.').any(|part| part.eq_ignore_ascii_case("x"));
    if ranged {
        return Some(Strength::Range);
    }
    let bare = word.trim_start_matches(['=', 'v', ' ']);
    bare.starts_with(|c: char| c.is_ascii_digit())
        .then(|| if is_unknown(word) { Strength::Unknown } else { Strength::Range })
}

/// Three numeric parts, with pre-release and build behind them.
fn is_full_semver(word: &str) -> bool {
    let core = word.split(['-', '+']).next().unwrap_or_default();
    let mut count = 0_usize;
    for part in core.split('.') {
        if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return false;
        }
        count = count.saturating_add(1);
    }
    count >= 3 && !is_unknown(word)
}

/// Go module queries: `v1.2.3`, a pseudo-version, a hash; `v1.2` is a prefix query.
fn go(word: &str) -> Strength {
    let lower = word.to_ascii_lowercase();
    if ["upgrade", "patch"].contains(&lower.as_str()) || DEFAULT_BRANCHES.contains(&lower.as_str())
    {
        return Strength::None;
    }
    if word.starts_with(['<', '>']) {
        return Strength::Range;
    }
    if word.strip_prefix('v').is_some_and(is_full_semver) {
        return Strength::Exact;
    }
    if is_unknown(word) {
        return Strength::Unknown;
    }
    let partial = word.strip_prefix('v').is_some_and(|rest| {
        !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    });
    if partial {
        return Strength::Range;
    }
    git_ref(word)
}

/// A snap channel: `TRACK/RISK`, `RISK`; every one of them moves.
fn snap(word: &str) -> Strength {
    let revision = word.strip_prefix("revision=").unwrap_or(word);
    if revision.bytes().all(|byte| byte.is_ascii_digit()) && word.starts_with("revision=") {
        Strength::Exact
    } else if is_unknown(word) {
        Strength::Unknown
    } else {
        Strength::Floating
    }
}

/// conda match specifications: `=1.2` is a prefix match, `==1.2` and `=1.2=build` are exact.
fn conda(word: &str) -> Strength {
    if word.contains(['*', '>', '<', '~', '|', ',']) || word.starts_with('!') {
        return Strength::Range;
    }
    if is_unknown(word) {
        return Strength::Unknown;
    }
    if word.starts_with("==") {
        return Strength::Exact;
    }
    let value = word.trim_start_matches('=');
    if value.contains('=') || value.matches('.').count() >= 2 {
        Strength::Exact
    } else {
        Strength::Range
    }
}

/// NuGet: a bare version is one version to a tool and a minimum to a project; brackets fix it.
fn nuget(word: &str) -> Strength {
    let bracketed = word.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Some(inner) = bracketed {
        return if inner.contains(',') { Strength::Range } else { Strength::Exact };
    }
    if word.contains(['*', ',', '(', '[']) {
        return Strength::Range;
    }
    if is_unknown(word) { Strength::Unknown } else { Strength::Exact }
}

/// A version constraint as gem, cargo, Terraform, Helm, Composer, Galaxy and most others write it:
/// operators make a range, `=` and nothing make one version.
#[must_use]
pub fn constraint(word: &str) -> Strength {
    let word = word.trim();
    let lower = word.to_ascii_lowercase();
    if NEWEST.contains(&lower.as_str()) {
        return Strength::None;
    }
    let several: Vec<&str> = word.split(',').map(str::trim).filter(|p| !p.is_empty()).collect();
    if several.len() > 1 {
        let exact = several.iter().any(|part| part.starts_with('=') && !is_unknown(part));
        return if exact { Strength::Exact } else { Strength::Range };
    }
    let ranged = word.starts_with(['^', '~', '>', '<', '!'])
        || word.contains("||")
        || word.contains(" - ")
        || word.contains(['*', '['])
        || word.split('.').any(|part| part.eq_ignore_ascii_case("x"));
    if ranged {
        return Strength::Range;
    }
    constraint_value(word.trim_start_matches(['=', ' ']))
}

fn constraint_value(word: &str) -> Strength {
    let lower = word.to_ascii_lowercase();
    if NEWEST.contains(&lower.as_str()) {
        Strength::None
    } else if is_unknown(word) {
        Strength::Unknown
    } else if CHANNELS.contains(&lower.as_str()) || lower.starts_with("dev-") {
        Strength::Floating
    } else {
        Strength::Exact
    }
}

/// A git ref: a full hash holds the content, a version tag is exact as long as nobody moves it, a
/// short hash is no promise, the default branch is nothing, anything else is a branch.
#[must_use]
pub fn git_ref(word: &str) -> Strength {
    let word = word.trim();
    let bare = word.strip_prefix("refs/heads/").unwrap_or(word);
    let tag = word.strip_prefix("refs/tags/");
    if is_unknown(word) {
        return Strength::Unknown;
    }
    if DEFAULT_BRANCHES.contains(&bare.to_ascii_lowercase().as_str()) {
        return Strength::None;
    }
    if is_full_hash(bare) {
        return Strength::Content;
    }
    if word.starts_with("refs/heads/") {
        return Strength::Floating;
    }
    let name = tag.unwrap_or(bare);
    if looks_like_release(name) {
        return Strength::Exact;
    }
    if tag.is_some() && !is_major_only(name) {
        return Strength::Exact;
    }
    Strength::Floating
}

/// 40 (SHA-1) or 64 (SHA-256) hexadecimal digits.
#[must_use]
pub fn is_full_hash(word: &str) -> bool {
    [40, 64].contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// 7 to 39 hexadecimal digits with a digit among them: an abbreviated hash, which a later commit
/// can make ambiguous and anyone can grind.
#[must_use]
pub fn is_short_hash(word: &str) -> bool {
    (7..40).contains(&word.len())
        && word.bytes().all(|byte| byte.is_ascii_hexdigit())
        && word.bytes().any(|byte| byte.is_ascii_digit())
}

/// `v4`, `4`: a tag that is moved on purpose.
fn is_major_only(name: &str) -> bool {
    let digits = name.trim_start_matches(['v', 'V']);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.len() < 6
}

/// A name that ends in a version with two dots or more, or in one with a dot behind a word
/// (`release-1.2`), or in a date.
fn looks_like_release(name: &str) -> bool {
    let Some(start) = name.find(|c: char| c.is_ascii_digit()) else { return false };
    let before = name.get(..start).unwrap_or_default();
    let version = name.get(start..).unwrap_or_default();
    let plausible = before.is_empty() || before.ends_with(['v', 'V', '-', '_', '/', '.', 'r']);
    let numbers = version
        .split(['.', '_', '-'])
        .take_while(|part| part.starts_with(|c: char| c.is_ascii_digit()));
    let count = numbers.count();
    let branch = before.contains('/') && !before.ends_with('v');
    let date = version.bytes().take_while(u8::is_ascii_digit).count() >= 8;
    plausible
        && (count >= 3 || date || (count == 2 && version.contains('.') && !branch))
        && !version.ends_with(".x")
        && !version.contains('*')
}

/// A URL of a file: `latest`, a branch and the like make it move; a version or a hash in it names
/// one file that can still be replaced.
#[must_use]
pub fn url(word: &str) -> Strength {
    let path = word.split_once("://").map_or(word, |(_, rest)| rest);
    let (host, path) = path.split_once('/').unwrap_or((path, ""));
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let lower = path.to_ascii_lowercase();
    let mut parts = lower.split('/').filter(|part| !part.is_empty());
    let floating = |part: &str| {
        let stem = part.split('.').next().unwrap_or_default();
        ["latest", "current", "master", "main", "head", "nightly", "stable", "edge", "trunk", "tip"]
            .contains(&part)
            || ["lastbuild", "laststablebuild", "lastsuccessfulbuild"].contains(&part)
            || part.contains("latest")
            || ["current", "stable", "nightly"].contains(&stem)
    };
    if parts.any(floating) {
        return Strength::None;
    }
    if is_unknown(path) || is_unknown(host) {
        return Strength::Unknown;
    }
    if is_forge(host) && lower.split(['/', '@', '.']).any(is_full_hash) {
        return Strength::Content;
    }
    let mut words = lower.split(['/', '-', '_', '@', '=', '%']);
    let spelled = lower.split('/').any(|part| numbers(part, '_') || numbers(part, '-'));
    if spelled || words.any(|word| is_full_hash(word) || has_version(word)) {
        return Strength::Exact;
    }
    if is_forge(host) {
        return released(&lower);
    }
    Strength::None
}

/// What the tag of a release in a forge's path says: `v7_1` names one release, `continuous` and
/// `v1` are moved along.
fn released(path: &str) -> Strength {
    let Some((_, rest)) = path.split_once("/releases/download/") else { return Strength::None };
    let tag = rest.split('/').next().unwrap_or_default();
    if tag.bytes().any(|byte| byte.is_ascii_digit()) && !is_major_only(tag) {
        Strength::Exact
    } else {
        Strength::Floating
    }
}

/// `boost_1_82_0`, `2024-01-10`: three numbers and what stands between them.
fn numbers(part: &str, separator: char) -> bool {
    part.split(|c: char| !c.is_ascii_digit() && c != separator).any(|run| {
        let run = run.trim_matches(separator);
        run.split(separator).count() >= 3 && run.split(separator).all(|number| !number.is_empty())
    })
}

/// Hosts that serve files of git repositories, so that a commit in the path is the content.
fn is_forge(host: &str) -> bool {
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host).to_ascii_lowercase();
    let known = ["github.com", "githubusercontent.com", "gitlab.com", "bitbucket.org"];
    known.iter().any(|forge| {
        host.strip_suffix(forge).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }) || ["codeberg.org", "gitea.com", "cdn.jsdelivr.net", "raw.githack.com", "rawcdn.githack.com"]
        .contains(&host.as_str())
}

/// `v1.2`, `1.2.3`, `tool1.2.tar.gz`, `20240101`.
fn has_version(word: &str) -> bool {
    let Some(start) = word.find(|c: char| c.is_ascii_digit()) else { return false };
    let version = word.get(start..).unwrap_or_default();
    let mut numbers = version.split('.');
    let first = numbers.next().unwrap_or_default();
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let second = numbers.next().is_some_and(|part| part.starts_with(|c: char| c.is_ascii_digit()));
    (digits(first) && second) || (digits(first) && first.len() >= 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_by_ecosystem() {
        let check = |ecosystem: Ecosystem, word: &str, expected: Strength| {
            assert_eq!(version(ecosystem, word), expected, "{ecosystem} {word}");
        };
        use Ecosystem::*;
        use Strength::{Content, Exact, Floating, None, Range, Unknown};
        check(Apt, "", None);
        check(Apt, "7.88.1-10", Exact);
        check(Apt, "7.*", Range);
        check(Apt, "${docker-version}", Unknown);
        check(Pip, "=={{ v }}", Unknown);
        check(Apt, "7.\u{10fffe}", Unknown);
        check(Apk, "~8", Range);
        check(Apk, "8.5.0-r0", Exact);
        check(Apk, ">8", Range);
        check(Pip, "==1.2", Exact);
        check(Pip, "==1.*", Range);
        check(Pip, ">=1,==1.2", Exact);
        check(Pip, "~=1.2", Range);
        check(Pip, "==\u{10fffe}", Unknown);
        check(Npm, "1.2.3", Exact);
        check(Npm, "1.2", Range);
        check(Npm, "^5", Range);
        check(Npm, "next", Floating);
        check(Npm, "latest", None);
        check(Go, "v1.2.3", Exact);
        check(Go, "v1.2", Range);
        check(Go, "master", None);
        check(Go, "0123456789012345678901234567890123456789", Content);
        check(Gem, "~> 2.0", Range);
        check(Gem, "1.0", Exact);
        check(Snap, "5.15/stable", Floating);
        check(Conda, "=1.2", Range);
        check(Conda, "=1.2.3", Exact);
        check(TerraformModule, ">= 1.0", Range);
        check(TerraformModule, "5.1.2", Exact);
        check(TerraformProvider, "= 5.1.2", Exact);
        check(TerraformProvider, ">= 1, < 2", Range);
        check(Composer, "dev-main", Floating);
    }

    #[test]
    fn git_refs() {
        let check = |word: &str, expected: Strength| assert_eq!(git_ref(word), expected, "{word}");
        check("main", Strength::None);
        check("", Strength::None);
        check("v4", Strength::Floating);
        check("v4.1.2", Strength::Exact);
        check("v1.2", Strength::Exact);
        check("release-1.2.3", Strength::Exact);
        check("feature-x", Strength::Floating);
        check("decade", Strength::Floating);
        check("0123abc", Strength::Floating);
        check("refs/heads/v1.2.3", Strength::Floating);
        check("0123456789012345678901234567890123456789", Strength::Content);
    }

    #[test]
    fn urls() {
        let check = |word: &str, expected: Strength| assert_eq!(url(word), expected, "{word}");
        check("https://get.example.org", Strength::None);
        check("https://e.org/releases/latest/download/x.tgz", Strength::None);
        check("https://e.org/tool-1.2.3.tgz", Strength::Exact);
        check("https://e.org/v1.2/tool.tgz", Strength::Exact);
        check("https://raw.example.org/a/main/install.sh", Strength::None);
        check("https://e.org/\u{10fffe}/tool.tgz", Strength::Unknown);
        check("https://e.org/x86_64/tool.tgz", Strength::None);
        check("https://e.org/boost_1_82_0.tar.gz", Strength::Exact);
        check("https://e.org/builds/2024-01-10/x.iso", Strength::Exact);
        check("https://e.org/a/1/2/3", Strength::None);
        check("https://github.com/o/r/releases/download/r7/x.tgz", Strength::Exact);
        check("https://github.com/o/r/releases/download/v1/x.tgz", Strength::Floating);
        check("https://github.com/o/r/releases/download/continuous/x", Strength::Floating);
        check("https://e.org/o/r/releases/download/r7/x.tgz", Strength::None);
        check("https://e.org/job/x/lastSuccessfulBuild/artifact/\u{10fffe}", Strength::None);
        let commit = "0123456789abcdef0123456789abcdef01234567";
        check(&format!("https://raw.githubusercontent.com/o/r/{commit}/i.sh"), Strength::Content);
        check(&format!("https://github.com/o/r/archive/{commit}.tar.gz"), Strength::Content);
        check(&format!("https://notgithub.com/o/r/{commit}/i.sh"), Strength::Exact);
    }
}
