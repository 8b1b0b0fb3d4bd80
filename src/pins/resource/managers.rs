//! Package managers that resources name, and the words of their commands.

use crate::pins::audit::Audit;
use crate::pins::classify;
use crate::pins::hcl::value::Text;
use crate::pins::input::Input;
use crate::pins::repository::file_name;
use crate::pins::span::{Fragment, FragmentBuilder, UNKNOWN};
use crate::pins::strength::{Ecosystem, Strength};

/// Who installs a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pins) enum Manager {
    Apt,
    Dnf,
    Zypper,
    Apk,
    Pacman,
    Snap,
    Flatpak,
    Brew,
    Choco,
    Winget,
    Pip,
    Pipx,
    Npm,
    Yarn,
    Pnpm,
    Gem,
    Cargo,
    Perl,
    Conda,
    PowerShell,
    /// Whichever the machine has: nothing in the files says.
    System,
    /// A language's manager that no row of the engine knows.
    OtherLanguage,
    /// Plugins of a program.
    Plugin,
}

impl Manager {
    /// Its world.
    pub const fn ecosystem(self) -> Ecosystem {
        match self {
            Self::Apt => Ecosystem::Apt,
            Self::Dnf => Ecosystem::Dnf,
            Self::Zypper => Ecosystem::Zypper,
            Self::Apk => Ecosystem::Apk,
            Self::Pacman => Ecosystem::Pacman,
            Self::Snap => Ecosystem::Snap,
            Self::Flatpak => Ecosystem::Flatpak,
            Self::Brew => Ecosystem::Brew,
            Self::Choco => Ecosystem::Choco,
            Self::Winget => Ecosystem::Winget,
            Self::Pip | Self::Pipx => Ecosystem::Pip,
            Self::Npm | Self::Yarn | Self::Pnpm => Ecosystem::Npm,
            Self::Gem => Ecosystem::Gem,
            Self::Cargo => Ecosystem::Cargo,
            Self::Conda => Ecosystem::Conda,
            Self::PowerShell => Ecosystem::PowerShell,
            Self::System => Ecosystem::OtherOs,
            Self::Perl | Self::OtherLanguage => Ecosystem::OtherLanguage,
            Self::Plugin => Ecosystem::Plugin,
        }
    }

    /// By a word that names a distribution, its family or its manager.
    pub fn of_platform(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "debian" | "ubuntu" | "apt" | "deb" | "linuxmint" | "raspbian" => Self::Apt,
            "redhat" | "rhel" | "centos" | "fedora" | "amazon" | "rocky" | "almalinux"
            | "oraclelinux" | "oracle" | "yum" | "dnf" | "rpm" | "scientific" | "el" => Self::Dnf,
            "suse" | "opensuse" | "sles" | "zypper" => Self::Zypper,
            "alpine" | "apk" => Self::Apk,
            "archlinux" | "arch" | "pacman" | "manjaro" => Self::Pacman,
            "darwin" | "macos" | "macosx" | "mac_os_x" | "homebrew" | "brew" => Self::Brew,
            _ => return None,
        })
    }

    /// By the name of a file that is for one platform: `setup-RedHat.yml`, `vars/debian-12.yml`.
    pub fn of_file(path: &str) -> Option<Self> {
        let words = file_name(path).split(['-', '_', '.']);
        let mut bare = words.map(|word| word.trim_end_matches(|c: char| c.is_ascii_digit()));
        bare.find_map(Self::of_platform)
    }

    /// Whether it is the package manager of one family of systems.
    pub const fn is_system(self) -> bool {
        matches!(self, Self::Apt | Self::Dnf | Self::Zypper | Self::Apk | Self::Pacman)
    }

    /// By the platforms that a condition names, if they have one manager in common.
    pub fn of_condition(condition: &str) -> Option<Self> {
        let words = condition.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let mut found: Option<Self> = None;
        for manager in words.filter_map(Self::of_platform) {
            if found.is_some_and(|own| own != manager) {
                return None;
            }
            found = Some(manager);
        }
        found
    }

    /// Whether a version is written into the name, so that a pin can be put there.
    pub const fn writes_version_in_name(self) -> bool {
        matches!(self, Self::Apt | Self::Dnf | Self::Zypper | Self::Apk | Self::Pip | Self::Pipx)
    }

    /// The words that install a package; none where the engine has no command for it.
    pub fn words(self, name: &Text, version: Option<&Text>, options: &[&str]) -> Vec<Fragment> {
        let start = name.fragment.raw_whole().start;
        let made = |text: &str| Fragment::opaque(text, start..start);
        let front: &[&str] = match self {
            Self::Apt => &["apt-get", "install"],
            Self::Dnf => &["dnf", "install"],
            Self::Zypper => &["zypper", "install"],
            Self::Apk => &["apk", "add"],
            Self::Pacman if name.text().contains("://") => &["pacman", "-U"],
            Self::Pacman => &["pacman", "-S"],
            Self::Snap => &["snap", "install"],
            Self::Flatpak => &["flatpak", "install"],
            Self::Brew => &["brew", "install"],
            Self::Choco => &["choco", "install"],
            Self::Winget => &["winget", "install"],
            Self::Pip => &["pip", "install"],
            Self::Pipx => &["pipx", "install"],
            Self::Npm => &["npm", "install"],
            Self::Yarn => &["yarn", "global", "add"],
            Self::Pnpm => &["pnpm", "add"],
            Self::Gem => &["gem", "install"],
            Self::Cargo => &["cargo", "install"],
            Self::Conda => &["conda", "install"],
            Self::PowerShell | Self::Perl | Self::System | Self::OtherLanguage | Self::Plugin => {
                return Vec::new();
            }
        };
        let mut words: Vec<Fragment> = front.iter().chain(options).map(|word| made(word)).collect();
        let Some(version) = version.map(Text::text) else {
            words.push(name.fragment.clone());
            return words;
        };
        let option = match self {
            Self::Gem => Some("-v".to_owned()),
            Self::Choco | Self::Cargo | Self::Winget => Some("--version".to_owned()),
            Self::Snap => {
                words.push(made(&format!("--channel={version}")));
                None
            }
            _ => None,
        };
        if let Some(option) = option {
            words.push(name.fragment.clone());
            words.extend([made(&option), made(version)]);
            return words;
        }
        let operated = version.starts_with(['=', '<', '>', '~', '!', '^', ' ']);
        let separator = match self {
            Self::Snap => "",
            Self::Apt | Self::Dnf | Self::Zypper | Self::Pacman if !operated => "=",
            Self::Apk if !operated => "=",
            Self::Pip | Self::Pipx if !operated => "==",
            Self::Conda if !operated => "==",
            Self::Npm | Self::Yarn | Self::Pnpm | Self::Brew => "@",
            Self::Flatpak => "//",
            Self::Apt => "=",
            _ => "",
        };
        let mut builder = FragmentBuilder::default();
        builder.append(&name.fragment);
        if !matches!(self, Self::Snap) {
            let end = name.fragment.raw_whole().end;
            builder.replaced(separator, end..end);
            builder.replaced(version.trim(), end..end);
        }
        words.push(builder.finish());
        words
    }

    /// The words that upgrade everything.
    pub const fn upgrade(self) -> &'static [&'static str] {
        match self {
            Self::Apt => &["apt-get", "upgrade"],
            Self::Dnf => &["dnf", "upgrade"],
            Self::Zypper => &["zypper", "update"],
            Self::Apk => &["apk", "upgrade"],
            Self::Pacman => &["pacman", "-Syu"],
            Self::Brew => &["brew", "upgrade"],
            Self::Choco => &["choco", "upgrade", "all"],
            _ => &[],
        }
    }

    /// A package that the engine has no command for.
    pub fn bare(self, name: &Text, version: Option<&Text>, audit: &Audit<'_>) -> Input {
        let text = name.text();
        let (subject, written) = match self {
            _ if version.is_some() => (text, ""),
            Self::System => split_system(text),
            Self::Perl | Self::PowerShell | Self::OtherLanguage | Self::Plugin => {
                text.split_once(['@', '=', ':']).unwrap_or((text, ""))
            }
            _ => (text, ""),
        };
        let requested = version.map_or(written, Text::text).trim();
        let unknown = requested.is_empty()
            && text.strip_suffix(UNKNOWN).is_some_and(|name| {
                name.is_empty() || name.ends_with(|c: char| c.is_alphanumeric())
            });
        let strength = if unknown {
            Strength::Unknown
        } else {
            classify::version(self.ecosystem(), requested)
        };
        let place = audit.place(name.fragment.raw_whole());
        let subject = if subject.chars().all(|c| c == UNKNOWN) {
            super::shown(name, audit)
        } else {
            subject.replace(UNKNOWN, "…")
        };
        let ecosystem = if text.contains("://") { Ecosystem::Download } else { self.ecosystem() };
        let strength =
            if ecosystem == Ecosystem::Download { classify::url(text) } else { strength };
        Input::new(ecosystem, &subject, strength, place)
            .requesting(&requested.replace(UNKNOWN, "…"))
    }
}

/// Name and version in the ways that any system's manager writes them: `name=1.2`, `name-1.2.3`.
fn split_system(text: &str) -> (&str, &str) {
    if let Some((name, version)) = text.split_once('=') {
        return (name.trim_end_matches(['>', '<', '~', ' ']), version);
    }
    let at = text.match_indices('-').find(|(at, _)| {
        let rest = text.get(at.saturating_add(1)..).unwrap_or_default();
        let first = rest.split('-').next().unwrap_or_default();
        let plain = first.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        first.starts_with(|c: char| c.is_ascii_digit())
            && first.contains('.')
            && (plain || first.len() < rest.len())
            && !rest.split('-').nth(1).is_some_and(|next| next.starts_with(char::is_alphabetic))
    });
    match at {
        Some((at, _)) => {
            (text.get(..at).unwrap_or(text), text.get(at.saturating_add(1)..).unwrap_or_default())
        }
        None => (text, ""),
    }
}
