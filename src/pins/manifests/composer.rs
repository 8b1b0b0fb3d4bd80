//! Carrier: `composer.json` with `composer.lock`. What the platform provides (`php`, `ext-*`) is
//! passed over.

use super::locks;
use super::versions::Dialect;
use super::{Declared, find_lock, is_named, relative};
use crate::pins::audit::Audit;
use crate::pins::carrier::Carrier;
use crate::pins::repository::SourceFile;
use crate::pins::strength::Ecosystem;
use crate::pins::yaml::{self, Node};

/// Manifests of PHP.
pub const CARRIER: Carrier = Carrier {
    name: "composer",
    summary: "composer.json with composer.lock",
    recognises: |path, _| is_named(path, &["composer.json"]),
    read,
};

fn read(file: &SourceFile, audit: &mut Audit<'_>) {
    let documents = yaml::json(&file.fragment()).report(audit);
    let lock = find_lock(audit, &["composer.lock"], |above, _, bytes| {
        relative(audit, above).is_empty().then(|| locks::composer(bytes)).flatten()
    });
    for document in documents {
        for section in ["require", "require-dev"] {
            for (name, version) in document.get(section).map(Node::pairs).unwrap_or_default() {
                let (Some(name), Some(version)) = (name.text(), version.fragment()) else {
                    continue;
                };
                // Packages have a vendor; everything else is the platform's.
                if !name.contains('/') || version.text() == "self.version" {
                    continue;
                }
                let name = name.to_ascii_lowercase();
                let at = version.raw_whole();
                Declared::new(Ecosystem::Composer, Dialect::Composer, &name, version.text(), at)
                    .form(version, "{version}")
                    .push(lock.as_ref(), audit);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::steps::check_files;

    #[test]
    fn packages() {
        let manifest = "{\"require\": {\"php\": \">=8\", \"ext-json\": \"*\", \"a/b\": \"^1.0\", \"c/d\": \"2.0.1\"}, \"require-dev\": {\"e/f\": \"dev-main\"}}";
        check_files(
            &CARRIER,
            &[("composer.json", manifest)],
            &[
                "composer a/b range @^1.0",
                "composer c/d exact @2.0.1",
                "composer e/f floating @dev-main",
            ],
        );
        let lock = "{\"packages\": [{\"name\": \"a/b\", \"version\": \"v1.4.0\"}, {\"name\": \"c/d\", \"version\": \"2.0.0\"}]}";
        check_files(
            &CARRIER,
            &[("composer.json", manifest), ("composer.lock", lock)],
            &[
                "composer a/b exact @^1.0",
                "composer c/d range @2.0.1",
                "composer e/f floating @dev-main",
            ],
        );
    }
}
