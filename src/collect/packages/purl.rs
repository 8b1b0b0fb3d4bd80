//! Package URLs (<https://github.com/package-url/purl-spec>), written and read.

use super::python::metadata::normalized;
use crate::collect::os_release::OsRelease;
use packageurl::PackageUrl;

/// What stands in a package URL besides the type. Empty parts are left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parts<'a> {
    /// The distribution's name, for most system packages.
    pub namespace: Option<&'a str>,
    /// The package.
    pub name: &'a str,
    /// As the type writes it.
    pub version: Option<&'a str>,
    /// In any order.
    pub qualifiers: &'a [(&'a str, Option<&'a str>)],
}

/// The text of a package URL; empty where the parts cannot form one (a damaged name).
#[must_use]
pub fn purl(kind: &str, parts: Parts<'_>) -> String {
    let build = || -> packageurl::Result<String> {
        let mut url = PackageUrl::new(kind.to_owned(), parts.name.to_owned())?;
        if let Some(namespace) = parts.namespace.filter(|text| !text.is_empty()) {
            url.with_namespace(namespace.to_owned())?;
        }
        if let Some(version) = parts.version.filter(|text| !text.is_empty()) {
            url.with_version(version.to_owned())?;
        }
        for (key, value) in parts.qualifiers {
            if let Some(value) = value.filter(|text| !text.is_empty()) {
                url.add_qualifier((*key).to_owned(), value.to_owned())?;
            }
        }
        Ok(url.to_string())
    };
    build().unwrap_or_default()
}

/// The package URL of a distribution's package. `fallback` is the namespace where the system does
/// not say what it is.
#[must_use]
pub fn system_purl(
    kind: &str,
    (system, fallback): (&OsRelease, &str),
    name: &str,
    version: &str,
    architecture: Option<&str>,
) -> String {
    let namespace = match system.id() {
        "linux" => fallback,
        id => id,
    };
    purl(
        kind,
        Parts {
            namespace: Some(namespace),
            name,
            version: Some(version),
            qualifiers: &[("arch", architecture), ("distro", system.distro().as_deref())],
        },
    )
}

/// Types whose namespace says where a package is from and not what it is called.
const BY_ORIGIN: [&str; 10] =
    ["alpm", "apk", "brew", "deb", "flatpak", "nix", "opkg", "rpm", "snap", "cpan"];

/// Types of which one system may have several architectures.
const BY_ARCHITECTURE: [&str; 5] = ["alpm", "apk", "deb", "opkg", "rpm"];

/// What a package URL names, as far as everybody who writes one of that package agrees.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Coordinates {
    /// The type.
    pub kind: String,
    /// With the namespace in front where that is part of the name (`@scope/name` of npm, Go's
    /// modules, Maven's groups).
    pub name: String,
    /// Of system packages, where it is told.
    pub architecture: Option<String>,
    /// As package managers write it, with its epoch in front where there is one; an epoch of 0 is
    /// none.
    pub version: Option<String>,
}

impl Coordinates {
    /// Reads a package URL; `None` for what is none.
    #[must_use]
    pub fn parse(url: &str) -> Option<Self> {
        let url: PackageUrl<'_> = url.parse().ok()?;
        let kind = url.ty();
        let name = match (kind, url.namespace()) {
            ("pypi", _) => normalized(url.name()),
            (_, Some(namespace)) if !BY_ORIGIN.contains(&kind) => {
                format!("{namespace}/{}", url.name())
            }
            _ => url.name().to_owned(),
        };
        let qualifier = |name: &str| url.qualifiers().get(name).filter(|value| !value.is_empty());
        let has_epoch = matches!(kind, "deb" | "opkg" | "rpm" | "alpm");
        let version = url.version().map(|version| {
            let epoch = qualifier("epoch").filter(|_| has_epoch && !version.contains(':'));
            let whole = epoch.map_or_else(|| version.to_owned(), |e| format!("{e}:{version}"));
            match whole.strip_prefix("0:") {
                Some(bare) if has_epoch => bare.to_owned(),
                _ => whole,
            }
        });
        let architecture = qualifier("arch").filter(|_| BY_ARCHITECTURE.contains(&kind));
        let architecture = architecture.map(ToString::to_string);
        Some(Self { kind: kind.to_owned(), name, architecture, version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_packages() {
        let check = |url: &str, expected: Option<&str>| {
            let seen = Coordinates::parse(url).map(|named| {
                let architecture = named.architecture.unwrap_or_default();
                format!("{} {} {architecture} {:?}", named.kind, named.name, named.version)
            });
            assert_eq!(seen.as_deref(), expected, "{url}");
        };
        check(
            "pkg:deb/debian/libstdc%2B%2B6@1%3A12?arch=amd64&upstream=gcc-12%401&distro=debian-12",
            Some("deb libstdc++6 amd64 Some(\"1:12\")"),
        );
        check("pkg:rpm/a@1-2?epoch=3&arch=noarch", Some("rpm a noarch Some(\"3:1-2\")"));
        check("pkg:rpm/rhel/a@1-2?epoch=0", Some("rpm a  Some(\"1-2\")"));
        check("pkg:npm/%40scope/a@1", Some("npm @scope/a  Some(\"1\")"));
        check("pkg:golang/github.com/a/b@v1#sub", Some("golang github.com/a/b  Some(\"v1\")"));
        check("pkg:pypi/Foo_Bar.baz", Some("pypi foo-bar-baz  None"));
        check("not a url", None);
        check("", None);
    }

    #[test]
    fn parts_are_encoded() {
        let check = |kind, parts: Parts<'_>, expected: &str| {
            assert_eq!(purl(kind, parts), expected);
        };
        check(
            "deb",
            Parts {
                namespace: Some("debian"),
                name: "jq",
                version: Some("1.6-2.1+deb12u2"),
                qualifiers: &[("distro", Some("debian-12")), ("arch", Some("amd64"))],
            },
            "pkg:deb/debian/jq@1.6-2.1%2Bdeb12u2?arch=amd64&distro=debian-12",
        );
        check(
            "deb",
            Parts {
                namespace: Some("debian"),
                name: "libstdc++6",
                version: Some("1:12~rc"),
                qualifiers: &[("arch", None)],
            },
            "pkg:deb/debian/libstdc%2B%2B6@1:12~rc",
        );
        check("deb", Parts::default(), "");
    }
}
