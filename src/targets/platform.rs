//! Which machine a container image is for.

use std::fmt;

/// `OS/ARCHITECTURE[/VARIANT]` in the words of the OCI image index (Go's `GOOS` and `GOARCH`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platform {
    /// `linux`.
    pub os: String,
    /// `amd64`, `arm64`, …
    pub architecture: String,
    /// `v8`, …; [`None`] where it does not matter.
    pub variant: Option<String>,
}

impl Platform {
    /// Reads what a person writes; an architecture alone is Linux's.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        if parts.iter().any(|part| part.is_empty()) {
            return None;
        }
        let (os, architecture, variant) = match parts.as_slice() {
            [architecture] => ("linux", *architecture, None),
            [os, architecture] => (*os, *architecture, None),
            [os, architecture, variant] => (*os, *architecture, Some(*variant)),
            _ => return None,
        };
        Some(Self {
            os: os.to_owned(),
            architecture: normal_architecture(architecture).to_owned(),
            variant: variant.map(str::to_owned),
        })
    }

    /// This machine's.
    #[must_use]
    pub fn here() -> Self {
        let architecture = normal_architecture(std::env::consts::ARCH).to_owned();
        Self { os: "linux".to_owned(), architecture, variant: None }
    }

    /// Whether an image for `other` is one for this. A variant counts where both have one.
    #[must_use]
    pub fn accepts(&self, other: &Self) -> bool {
        let variants_agree = match (&self.variant, &other.variant) {
            (Some(own), Some(others)) => own == others,
            _ => true,
        };
        self.os == other.os && self.architecture == other.architecture && variants_agree
    }
}

/// The kernel's and Rust's words for architectures in Go's.
fn normal_architecture(name: &str) -> &str {
    match name {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" | "i386" | "i686" => "386",
        "armhf" | "armv7l" => "arm",
        "powerpc64" => "ppc64le",
        "loongarch64" => "loong64",
        other => other,
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_read_and_matched() {
        let check = |wanted: &str, offered: &str, expected: bool| {
            let (wanted, offered) = (Platform::parse(wanted), Platform::parse(offered));
            assert_eq!(wanted.unwrap().accepts(&offered.unwrap()), expected);
        };
        check("linux/amd64", "linux/amd64", true);
        check("x86_64", "linux/amd64", true);
        check("linux/arm64", "linux/arm64/v8", true);
        check("linux/arm/v7", "linux/arm/v6", false);
        check("linux/amd64", "windows/amd64", false);
        assert_eq!(Platform::parse("linux/"), None);
        assert_eq!(Platform::parse("a/b/c/d"), None);
    }
}
