//! Where an input comes from and who takes it: what the bill of inputs says beside its strength.

use super::image::ImageRef;
use super::input::Input;
use super::strength::Ecosystem;

/// Where an input is fetched from by default: a host where the words name one, else the ecosystem's
/// own registry; a distribution's packages come from its mirrors.
#[must_use]
pub fn source(input: &Input) -> String {
    let subject = input.subject.as_str();
    if let Some(host) = host(subject) {
        return host.to_owned();
    }
    let registry = match input.ecosystem {
        Ecosystem::Image => {
            let name = ImageRef::parse(subject).name;
            let first = name.split_once('/').map_or("", |(first, _)| first);
            let named = first.contains(['.', ':']) || first == "localhost";
            return if named { first.to_owned() } else { "docker.io".to_owned() };
        }
        Ecosystem::Apt
        | Ecosystem::Dnf
        | Ecosystem::Zypper
        | Ecosystem::Apk
        | Ecosystem::Pacman
        | Ecosystem::OtherOs => "the distribution's mirrors",
        Ecosystem::Snap => "snapcraft.io",
        Ecosystem::Flatpak => "flathub.org",
        Ecosystem::Brew => "formulae.brew.sh",
        Ecosystem::Choco => "community.chocolatey.org",
        Ecosystem::Winget => "cdn.winget.microsoft.com",
        Ecosystem::Pip => "pypi.org",
        Ecosystem::Conda => "conda.anaconda.org",
        Ecosystem::Npm => "registry.npmjs.org",
        Ecosystem::Gem => "rubygems.org",
        Ecosystem::Go => "proxy.golang.org",
        Ecosystem::Cargo => "crates.io",
        Ecosystem::Nuget => "nuget.org",
        Ecosystem::Composer => "packagist.org",
        Ecosystem::PowerShell => "powershellgallery.com",
        Ecosystem::TerraformModule | Ecosystem::TerraformProvider => "registry.terraform.io",
        Ecosystem::Galaxy => "galaxy.ansible.com",
        Ecosystem::Cookbook => "supermarket.chef.io",
        Ecosystem::PuppetModule => "forge.puppet.com",
        Ecosystem::Action | Ecosystem::PackerPlugin => "github.com",
        Ecosystem::Rustup => "static.rust-lang.org",
        _ => "",
    };
    registry.to_owned()
}

/// The host of a URL, or of an address of git.
fn host(subject: &str) -> Option<&str> {
    let behind = match subject.split_once("://") {
        Some((_, behind)) => behind,
        None => subject.strip_prefix("git@")?,
    };
    let host = behind.split(['/', ':', '?']).next().unwrap_or_default();
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    (!host.is_empty() && !host.contains('…')).then_some(host)
}

/// Who takes an input: the kind of file, and the machine that it goes into where the file says
/// what that is built from.
#[must_use]
pub fn consumer(input: &Input) -> String {
    match &input.built {
        Some(built) => {
            format!("{} ({})", input.carrier, built.base.replace(super::span::UNKNOWN, "…"))
        }
        None => input.carrier.to_owned(),
    }
}

/// The package URL of an input, where its ecosystem has a type of its own.
#[must_use]
pub fn purl(input: &Input) -> Option<String> {
    let subject = input.subject.as_str();
    if subject.contains(['…', super::span::UNKNOWN, ' ']) {
        return None;
    }
    let system = input.built.as_deref();
    let system =
        system.and_then(|built| super::fix::distribution::Distribution::of_image(&built.base));
    let (kind, name) = match input.ecosystem {
        Ecosystem::Apt => {
            ("deb", format!("{}/{subject}", system.map_or("debian".to_owned(), |s| s.id)))
        }
        Ecosystem::Dnf | Ecosystem::Zypper => {
            ("rpm", system.map_or(subject.to_owned(), |s| format!("{}/{subject}", s.id)))
        }
        Ecosystem::Apk => ("apk", format!("alpine/{subject}")),
        Ecosystem::Pip => ("pypi", super::fix::known::name_of("pypi", subject)),
        Ecosystem::Npm => ("npm", subject.replacen('@', "%40", 1)),
        Ecosystem::Gem => ("gem", subject.to_owned()),
        Ecosystem::Go => ("golang", subject.to_owned()),
        Ecosystem::Cargo => ("cargo", subject.to_owned()),
        Ecosystem::Nuget => ("nuget", subject.to_owned()),
        Ecosystem::Composer => ("composer", subject.to_owned()),
        Ecosystem::Conda => ("conda", subject.to_owned()),
        Ecosystem::Action => {
            let mut parts = subject.split('/');
            ("github", format!("{}/{}", parts.next()?, parts.next()?))
        }
        Ecosystem::Image => ("docker", subject.to_owned()),
        _ => return None,
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-%:+".contains(c);
    if !name.chars().all(plain) {
        return None;
    }
    let version = input.requested.trim_start_matches(['=', '@', ' ']);
    let version = version.rsplit_once('@').map_or(version, |(_, digest)| digest);
    let is_version = !version.is_empty()
        && version.chars().all(|c| c.is_ascii_alphanumeric() || "._-+:~".contains(c));
    let version = version.replace(':', "%3A").replace('+', "%2B");
    Some(if is_version {
        format!("pkg:{kind}/{name}@{version}")
    } else {
        format!("pkg:{kind}/{name}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::{Place, Position, Strength};
    use std::sync::Arc;

    #[test]
    fn sources_and_purls() {
        let at = Position { line: 1, column: 1 };
        let place = Place { file: Arc::from("f"), start_byte: 0, end_byte: 1, start: at, end: at };
        let check = |ecosystem, subject: &str, requested: &str, from: &str, url: Option<&str>| {
            let input = Input::new(ecosystem, subject, Strength::None, place.clone());
            let input = input.requesting(requested);
            assert_eq!((source(&input).as_str(), purl(&input).as_deref()), (from, url));
        };
        check(Ecosystem::Image, "debian", "12", "docker.io", Some("pkg:docker/debian@12"));
        check(Ecosystem::Image, "ghcr.io/a/b", "", "ghcr.io", Some("pkg:docker/ghcr.io/a/b"));
        check(Ecosystem::Npm, "@s/c", "1.2.3", "registry.npmjs.org", Some("pkg:npm/%40s/c@1.2.3"));
        check(Ecosystem::Pip, "Foo_Bar", ">=1", "pypi.org", Some("pkg:pypi/foo-bar"));
        check(Ecosystem::Download, "https://u@e.org:8/x", "", "e.org", None);
        check(Ecosystem::Git, "git@e.org:a/b.git", "main", "e.org", None);
        check(Ecosystem::Action, "a/b/c", "v1", "github.com", Some("pkg:github/a/b@v1"));
    }
}
