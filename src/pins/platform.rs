//! What a machine says of itself: its architecture, its system, its distribution's release. No
//! version of anything is chosen by it, so that a URL or a package with such a word in it is judged
//! by the rest.

/// What stands in the place of such a word.
pub(super) const FACT: &str = "…";

/// Commands that print one.
const COMMANDS: &[&str] = &[
    "arch",
    "apk --print-arch",
    "dpkg --print-architecture",
    "go env GOARCH",
    "go env GOOS",
    "lsb_release --codename",
    "lsb_release -c",
    "lsb_release -cs",
    "lsb_release -sc",
    "rpm --eval %_arch",
    "rpm -E %{_arch}",
    "uname",
    "uname -i",
    "uname -m",
    "uname -o",
    "uname -p",
    "uname -s",
];

/// Filters behind such a command that only spell it in another way.
const FILTERS: &[&str] = &["sed", "tr", "awk", "cut", "head", "tail", "xargs"];

/// Variables that hold one wherever nobody gives them another value.
const VARIABLES: &[&str] = &[
    "ARCH",
    "BUILDARCH",
    "BUILDOS",
    "BUILDPLATFORM",
    "DEB_HOST_ARCH",
    "DISTRIB_CODENAME",
    "DISTRIB_ID",
    "DISTRIB_RELEASE",
    "DISTRO",
    "GOARCH",
    "GOOS",
    "HOSTTYPE",
    "ID",
    "ID_LIKE",
    "MACHTYPE",
    "OSTYPE",
    "TARGETARCH",
    "TARGETOS",
    "TARGETPLATFORM",
    "TARGETVARIANT",
    "UBUNTU_CODENAME",
    "VERSION_CODENAME",
    "VERSION_ID",
    "arch",
    "basearch",
    "distro",
    "releasever",
];

/// Names of architectures, systems and C libraries, as files of releases have them.
const WORDS: &[&str] = &[
    "32bit",
    "386",
    "64bit",
    "aarch64",
    "amd64",
    "apple",
    "arm",
    "arm64",
    "armel",
    "armhf",
    "armv5",
    "armv6",
    "armv6l",
    "armv7",
    "armv7hf",
    "armv7l",
    "armv8",
    "darwin",
    "eabi",
    "freebsd",
    "gnu",
    "gnueabihf",
    "i386",
    "i686",
    "intel",
    "linux",
    "linux32",
    "linux64",
    "loong64",
    "mac",
    "macos",
    "mips64el",
    "mips64le",
    "musl",
    "musleabihf",
    "osx",
    "pc",
    "powerpc64le",
    "ppc64el",
    "ppc64le",
    "riscv64",
    "s390x",
    "unknown",
    "v5",
    "v6",
    "v7",
    "v8",
    "win",
    "win32",
    "win64",
    "windows",
    "x32",
    "x64",
    "x86",
];

/// Whether commands print nothing else.
#[must_use]
pub(super) fn is_fact(commands: &str) -> bool {
    let mut stages = commands.split('|').map(str::trim);
    let first = stages.next().unwrap_or_default();
    let first = first.split(" 2>").next().unwrap_or_default().replace(['"', '\''], "");
    let words: Vec<&str> = first.split_whitespace().collect();
    let filtered = |stage: &str| {
        stage.split_whitespace().next().is_some_and(|program| FILTERS.contains(&program))
    };
    let release = first.contains("os-release") && first.contains("_CODENAME");
    (release || COMMANDS.contains(&words.join(" ").as_str())) && stages.all(filtered)
}

/// Parts of a variable's name that say that it holds one: `HOST_ARCH`, `os_arch`, `dpkgArch`.
const NAMES: &[&str] = &[
    "arch",
    "archname",
    "codename",
    "cpu",
    "goarch",
    "goos",
    "hostarch",
    "hostos",
    "machine",
    "os",
    "osarch",
    "osname",
    "ostype",
    "platform",
    "targetarch",
    "targetos",
    "uname",
];

/// Whether a variable holds one, by its name, whatever gave it its value.
#[must_use]
pub(super) fn is_variable(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let other = ["ver", "tag", "image", "url", "sha", "sum", "pkg", "package", "list"];
    let camel = ["Arch", "Os", "Platform"].iter().any(|end| name.ends_with(end));
    VARIABLES.contains(&name)
        || !other.iter().any(|part| lower.contains(part))
            && (camel || lower.split('_').any(|part| NAMES.contains(&part)))
}

/// Whether a text is made of such words only (`linux-x64`, `x86_64-unknown-linux-musl`).
#[must_use]
pub(super) fn is_word(text: &str) -> bool {
    let text = text.to_ascii_lowercase().replace("x86_64", "amd64");
    text == FACT
        || !text.is_empty()
            && text.split(['-', '_', '/', '.']).all(|part| part == FACT || WORDS.contains(&part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_that_say_no_version() {
        let check = |commands: &str, expected: bool| {
            assert_eq!(is_fact(commands), expected, "{commands}");
        };
        check("uname -m", true);
        check(" uname -s | tr '[:upper:]' '[:lower:]' ", true);
        check("dpkg --print-architecture | awk -F- '{ print $NF }'", true);
        check(". /etc/os-release && echo \"$VERSION_CODENAME\"", true);
        check("uname -r", false);
        check("curl -s https://e.org | cut -d. -f1", false);
        check("uname -m | xz", false);
    }

    #[test]
    fn words_of_platforms() {
        let check = |text: &str, expected: bool| assert_eq!(is_word(text), expected, "{text}");
        check("x64", true);
        check("Linux-x86_64", true);
        check("aarch64-unknown-linux-musl", true);
        check("linux-1.2", false);
        check("stable", false);
        check("", false);
    }
}
