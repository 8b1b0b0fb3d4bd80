//! Names that package managers give to configuration files that they set aside.
//!
//! Where a person edited a file, an upgrade leaves that edit in its place and writes the package's
//! own version beside it, or the other way round. dpkg(1), rpm(8), pacman(8) "Handling Config
//! Files", apk(8), opkg, etc-update(1) of portage.

/// Endings of the package's own version beside an edited file.
const SHIPPED: [&[u8]; 6] =
    [b".dpkg-dist", b".dpkg-new", b".rpmnew", b".pacnew", b".apk-new", b"-opkg"];

/// Endings of what lay there before the package's own version took its place.
const SAVED: [&[u8]; 4] = [b".dpkg-old", b".rpmsave", b".rpmorig", b".pacsave"];

/// Whose version lies beside the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// The package's.
    Shipped,
    /// What was there before.
    Saved,
}

/// The name of the file beside which one of that name was set aside.
#[must_use]
pub fn beside(name: &[u8]) -> Option<(&[u8], Version)> {
    let strip = |endings: &[&[u8]]| endings.iter().find_map(|ending| name.strip_suffix(*ending));
    // `._cfg0000_NAME`
    let numbered = name.strip_prefix(b"._cfg").and_then(|rest| rest.split_at_checked(5));
    let numbered = numbered.filter(|(number, _)| {
        number.ends_with(b"_") && number.iter().take(4).all(u8::is_ascii_digit)
    });
    let shipped = strip(&SHIPPED).or(numbered.map(|(_, name)| name));
    let shipped = shipped.map(|name| (name, Version::Shipped));
    shipped.or_else(|| Some((strip(&SAVED)?, Version::Saved))).filter(|(name, _)| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let check = |name: &str, expected: Option<(&str, Version)>| {
            let expected = expected.map(|(name, version)| (name.as_bytes(), version));
            assert_eq!(beside(name.as_bytes()), expected, "{name}");
        };
        check("nginx.conf.rpmnew", Some(("nginx.conf", Version::Shipped)));
        check("sshd_config.dpkg-dist", Some(("sshd_config", Version::Shipped)));
        check("._cfg0001_fstab", Some(("fstab", Version::Shipped)));
        check("pacman.conf.pacsave", Some(("pacman.conf", Version::Saved)));
        check("._cfg00a1_fstab", None);
        check(".rpmnew", None);
        check("nginx.conf", None);
    }
}
