//! R packages as installed: `LIBRARY/NAME/DESCRIPTION` with the `Built` field that only
//! installation writes, so that sources lying around are no packages.
//!
//! <https://cran.r-project.org/doc/manuals/r-release/R-exts.html#The-DESCRIPTION-file>

use super::copies::{Copy, tell_apart};
use super::deb822::{self, Stanza};
use super::purl::{Parts, purl};
use super::{folded, installed, tell, text};
use crate::collect::facts::repositories::without_secrets;
use crate::collect::reader::Reader;
use crate::collect::{Collector, View};
use crate::model::{Package, Records, Stage, TreePath};

/// Reads R's libraries.
pub static COLLECTOR: Collector = Collector {
    name: "r",
    version: 1,
    summary: "R packages in their libraries",
    wanted: &["DESCRIPTION"],
    collect,
};

/// A description has some KB.
const MAX_SIZE: u64 = 4 * 1024 * 1024;

/// The system's own libraries: of R itself, of Debian's packages, of `install.packages` by root.
const ORDINARY: [&str; 8] = [
    "/usr/lib/R/library",
    "/usr/lib64/R/library",
    "/usr/share/R/library",
    "/usr/lib/R/site-library",
    "/usr/local/lib/R/library",
    "/usr/local/lib/R/site-library",
    "/usr/local/lib64/R/library",
    "/opt/R/library",
];

fn collect(view: &View<'_>, records: &mut Records) {
    let mut reader = Reader::new(view, records, Stage::Packages, MAX_SIZE);
    let ordinary = ORDINARY.map(TreePath::parse);
    let mut copies = Vec::new();
    for path in view.found {
        let Some(place) = path.parent().and_then(|folder| folder.parent()) else { continue };
        let Some(bytes) = reader.file(path) else { continue };
        let (stanzas, damages) = deb822::parse(&bytes);
        let Some(package) = stanzas.first().and_then(|stanza| package(stanza, path)) else {
            continue;
        };
        tell(&mut reader, path, &damages);
        let is_ordinary = ordinary.contains(&place);
        copies.push(Copy { package, place, is_ordinary });
    }
    tell_apart(&mut copies);
    reader.records.packages.extend(copies.into_iter().map(|copy| copy.package));
}

/// `None` for what was not installed, or is no description of R's.
fn package(stanza: &Stanza<'_>, path: &TreePath) -> Option<Package> {
    let built = stanza.get("Built")?;
    let (name, version) = (text(stanza.get("Package")?), text(stanza.get("Version")?));
    let mut package = installed("cran", name, version, path);
    let mut keep = |word: &str, value: Option<String>| {
        if let Some(value) = value {
            package.details.insert(word.to_owned(), value);
        }
    };
    keep("built", Some(folded(built)));
    keep("licence", stanza.get("License").map(folded));
    keep("maintainer", stanza.get("Maintainer").map(folded));
    keep("priority", stanza.get("Priority").map(text));
    keep("revision", stanza.get("RemoteSha").map(text));
    let needed = ["Depends", "Imports", "LinkingTo"].map(|field| stanza.get(field).map(folded));
    let needed: Vec<String> = needed.into_iter().flatten().collect();
    keep("depends", (!needed.is_empty()).then(|| needed.join(", ")));
    let origin = stanza.get("RemoteUrl").or(stanza.get("Repository"));
    package.origin = origin.map(|origin| without_secrets(&text(origin)));
    let (name, version) = (&package.key.name, Some(package.version.as_str()));
    package.purl = purl("cran", Parts { name, version, ..Parts::default() });
    Some(package)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    #[test]
    fn only_what_was_built_is_installed() {
        let built = "Built: R 4.2.2; x86_64-pc-linux-gnu; 2023-01-20 18:24:19 UTC; unix\n";
        let files = [
            (
                "/usr/lib/R/library/stats/DESCRIPTION",
                format!(
                    "Package: stats\nVersion: 4.2.2\nImports: utils,\n        grDevices\nPriority: base\n{built}"
                ),
            ),
            (
                "/home/me/R/lib/A3/DESCRIPTION",
                format!("Package: A3\nVersion: 1.0-1\nRepository: CRAN\n{built}odd\n"),
            ),
            ("/home/me/src/A3/DESCRIPTION", "Package: A3\nVersion: 1.0-1\n".to_owned()),
            ("/home/me/x/DESCRIPTION", "Just a text.\n".to_owned()),
        ];
        let mut tree = MemoryFilesystem::new();
        for (path, bytes) in &files {
            tree.file(path, bytes);
        }
        let found: Vec<TreePath> = files.iter().map(|(path, _)| TreePath::parse(path)).collect();
        let mut records = Records::default();
        collect(&View { filesystem: &tree, found: &found }, &mut records);
        let package = |p: &Package| format!("{} {} {:?}", p.key, p.purl, p.details.get("depends"));
        assert_eq!(
            records.packages.iter().map(package).collect::<Vec<_>>(),
            [
                "stats pkg:cran/stats@4.2.2 Some(\"utils, grDevices\")",
                "A3 [/home/me/R/lib] pkg:cran/A3@1.0-1 None",
            ]
        );
        assert_eq!(records.packages[1].origin.as_deref(), Some("CRAN"));
        assert_eq!(records.gaps.len(), 1, "{:?}", records.gaps);
    }
}
