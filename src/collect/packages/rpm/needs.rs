//! Which installed packages fulfil what another requires.
//!
//! rpm's dependencies name what packages provide (`libc.so.6()(64bit)`) or files (`/bin/sh`), and
//! seldom packages. All that is installed is at hand while the database is read, so the names are
//! resolved then and only the answer is kept. Versions are not looked at: rpm itself refused what
//! did not fit. Of several packages that provide one name all are named; conditional requirements
//! (`(a if b)`) are left out.

use super::header::{Header, tag};
use crate::collect::packages::text;
use std::collections::{BTreeSet, HashMap};

/// Of all packages together; a full desktop has 100,000. More is made to use up memory.
const MAX_NAMES: usize = 2_000_000;

/// Providers of one name that are kept; every kernel provides the same symbols.
const MAX_PROVIDERS: usize = 4;

/// What packages provide and require, by the order in which they were added.
#[derive(Debug, Default)]
pub(super) struct Needs {
    providers: HashMap<Vec<u8>, Vec<usize>>,
    required: Vec<Vec<Vec<u8>>>,
    names: usize,
}

impl Needs {
    /// Takes in the next package.
    pub(super) fn add(&mut self, header: &Header<'_>) {
        let index = self.required.len();
        let mut required = header.strings(tag::REQUIRE_NAME);
        required.retain(|name| !name.starts_with(b"rpmlib(") && !name.starts_with(b"("));
        let provided = header.strings(tag::PROVIDE_NAME);
        self.names = self.names.saturating_add(required.len()).saturating_add(provided.len());
        if self.names > MAX_NAMES {
            required.clear();
        } else {
            for name in provided {
                self.provide(name, index);
            }
        }
        self.required.push(required.into_iter().map(<[u8]>::to_vec).collect());
    }

    fn provide(&mut self, name: &[u8], index: usize) {
        let providers = self.providers.entry(name.to_vec()).or_default();
        if providers.len() < MAX_PROVIDERS && !providers.contains(&index) {
            providers.push(index);
        }
    }

    /// Of each package what it needs, as `name, name`; `names` and `files` are those of the
    /// packages in the order in which they were added. Links among the files' directories are
    /// followed as merged systems have them: `/bin/sh` is what owns `/usr/bin/sh`.
    pub(super) fn resolve<'f>(
        mut self,
        names: &[&str],
        files: impl Iterator<Item = (usize, &'f [u8])>,
    ) -> Vec<String> {
        let all = self.required.iter().flatten().filter(|name| name.starts_with(b"/"));
        let wanted: BTreeSet<Vec<u8>> = all.map(|path| merged(path)).collect();
        for (index, path) in files {
            let path = merged(path);
            if wanted.contains(&path) {
                self.provide(&path, index);
            }
        }
        let resolved = self.required.iter().enumerate().map(|(index, required)| {
            let of = |name: &Vec<u8>| {
                let by_name = self.providers.get(name);
                by_name.or_else(|| self.providers.get(&merged(name)))
            };
            let needed = required.iter().filter_map(of).flatten().filter(|one| **one != index);
            let needed: BTreeSet<&str> =
                needed.filter_map(|one| names.get(*one)).copied().collect();
            needed.into_iter().map(|name| text(name.as_bytes())).collect::<Vec<_>>().join(", ")
        });
        resolved.collect()
    }
}

/// A path as systems with a merged `/usr` have it.
fn merged(path: &[u8]) -> Vec<u8> {
    let is_moved = [&b"/bin/"[..], b"/sbin/", b"/lib/", b"/lib64/"];
    if is_moved.iter().any(|start| path.starts_with(start)) {
        let path = [b"/usr", path].concat();
        return path;
    }
    path.to_vec()
}

#[cfg(test)]
mod tests {
    use super::super::header::testing::{Tag, blob};
    use super::*;

    #[test]
    fn names_and_files_lead_to_packages() {
        let headers: [&[Tag<'_>]; 3] = [
            &[(tag::REQUIRE_NAME, 8, 4, b"libc.so\0/bin/sh\0rpmlib(X)\0(a if b)\0")],
            &[
                (tag::PROVIDE_NAME, 8, 2, b"libc.so\0glibc\0"),
                (tag::REQUIRE_NAME, 8, 2, b"glibc\0nothing\0"),
            ],
            &[(tag::PROVIDE_NAME, 8, 1, b"bash\0"), (tag::REQUIRE_NAME, 8, 1, b"libc.so\0")],
        ];
        let mut needs = Needs::default();
        for tags in headers {
            needs.add(&Header::parse(&blob(tags)).unwrap());
        }
        let files = [(2, &b"/usr/bin/sh"[..]), (1, b"/usr/lib/libc.so")];
        let resolved = needs.resolve(&["app", "glibc", "bash"], files.into_iter());
        assert_eq!(resolved, ["bash, glibc", "", "glibc"]);
    }
}
