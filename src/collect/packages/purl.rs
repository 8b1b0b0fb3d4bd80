//! Package URLs (<https://github.com/package-url/purl-spec>) of system packages.

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

#[cfg(test)]
mod tests {
    use super::*;

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
