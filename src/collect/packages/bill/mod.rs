//! A software bill of materials as a list of packages: what somebody wrote down of a system that
//! is not at hand.
//!
//! CycloneDX 1.2 and later as JSON and as XML, SPDX 2.2 and 2.3 as JSON and as tag-value text, and
//! syft's own JSON. Packages are told by their package URLs; what has none is counted and left out,
//! for nobody can say which package of a system it would be. Refused by name: SPDX 3. Relations,
//! licences and files are not read.

mod tags;
mod xml;

use super::installed;
use super::purl::Coordinates;
use crate::model::encoding::set_id;
use crate::model::{
    Content, DirectoryContent, Entry, Fault, Gap, HardLinks, Header, Manifest, Omission, Package,
    PackageKey, Records, Sections, Timestamp, TreePath,
};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// What is looked at to recognise a document.
pub const HEAD: usize = 4096;

/// What a bill does not carry, beside what no medium of files does ([`Header::not_carried`]).
const NOT_CARRIED: [&str; 2] = ["facts", "files"];

/// A document that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bill {
    /// The format with its version.
    pub form: String,
    /// Sorted by key, each package once.
    pub packages: Vec<Package>,
    /// Components without a package URL.
    pub unnamed: usize,
}

/// Whether bytes begin as one of the documents does; [`HEAD`] bytes are enough to see. Any JSON
/// object is taken for one: what it is instead is said when it is read.
#[must_use]
pub fn is_bill(head: &[u8]) -> bool {
    Shape::of(head).is_some()
}

enum Shape {
    Json,
    Xml,
    Tags,
}

impl Shape {
    fn of(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
        let has = |text: &[u8]| bytes.windows(text.len()).take(HEAD).any(|part| part == text);
        match bytes.first()? {
            b'{' => Some(Self::Json),
            b'<' if has(b"cyclonedx.org/schema/bom") => Some(Self::Xml),
            b'#' | b'S' | b'D' if has(b"SPDXVersion:") => Some(Self::Tags),
            _ => None,
        }
    }
}

/// Reads a document.
pub fn parse(bytes: &[u8]) -> Result<Bill, Fault> {
    match Shape::of(bytes) {
        Some(Shape::Json) => {
            let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
            serde_json::from_slice::<Document>(bytes).map_err(Fault::damaged)?.read()
        }
        Some(Shape::Xml) => xml::read(bytes),
        Some(Shape::Tags) => tags::read(bytes),
        None => Err(Fault::unsupported("neither CycloneDX, SPDX nor syft's JSON")),
    }
}

/// All of the JSON forms at once; which it is, its own fields say.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    bom_format: Option<String>,
    spec_version: Option<String>,
    #[serde(default)]
    components: Vec<Component>,
    spdx_version: Option<String>,
    #[serde(default)]
    packages: Vec<SpdxPackage>,
    #[serde(rename = "@context")]
    context: Option<IgnoredAny>,
    artifacts: Option<Vec<Component>>,
    descriptor: Option<Descriptor>,
}

#[derive(Deserialize)]
struct Descriptor {
    #[serde(default)]
    name: String,
    #[serde(default)]
    version: String,
}

/// Of CycloneDX and of syft.
#[derive(Deserialize)]
struct Component {
    #[serde(rename = "type", default)]
    kind: String,
    purl: Option<String>,
    #[serde(default)]
    components: Vec<Self>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SpdxPackage {
    #[serde(default)]
    external_refs: Vec<ExternalRef>,
    primary_package_purpose: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExternalRef {
    #[serde(default)]
    reference_type: String,
    #[serde(default)]
    reference_locator: String,
}

impl Document {
    fn read(self) -> Result<Bill, Fault> {
        let mut intake = Intake::default();
        let form = if self.bom_format.as_deref() == Some("CycloneDX") {
            intake.components(self.components);
            cyclonedx(&self.spec_version.unwrap_or_default())?
        } else if let Some(version) = self.spdx_version {
            if !version.starts_with("SPDX-2.") {
                return Err(Fault::unsupported(version));
            }
            for package in self.packages {
                intake.spdx(package);
            }
            version.replace('-', " ")
        } else if let Some(artifacts) = self.artifacts {
            intake.components(artifacts);
            let by = self.descriptor;
            by.map_or_else(|| "syft".to_owned(), |by| format!("{} {}", by.name, by.version))
        } else if self.context.is_some() {
            return Err(Fault::unsupported("JSON-LD, as SPDX 3 is: write it as SPDX 2.3"));
        } else {
            return Err(Fault::unsupported("JSON, but neither CycloneDX, SPDX nor syft's"));
        };
        Ok(intake.finish(form))
    }
}

/// The form of a version that is read.
fn cyclonedx(version: &str) -> Result<String, Fault> {
    let form = format!("CycloneDX {version}");
    if version.starts_with("1.") { Ok(form) } else { Err(Fault::unsupported(form)) }
}

#[derive(Default)]
struct Intake {
    packages: Vec<Package>,
    unnamed: usize,
}

impl Intake {
    /// Components may hold others; the stack keeps their depth off ours.
    fn components(&mut self, mut pending: Vec<Component>) {
        while let Some(mut component) = pending.pop() {
            pending.append(&mut component.components);
            match component.purl {
                Some(purl) => self.add(&purl),
                // The system itself, and files beside the packages.
                None if matches!(component.kind.as_str(), "operating-system" | "file") => {}
                None => self.unnamed = self.unnamed.saturating_add(1),
            }
        }
    }

    fn spdx(&mut self, package: SpdxPackage) {
        let purpose = package.primary_package_purpose.unwrap_or_default();
        let purl = package.external_refs.iter().find(|one| one.reference_type == "purl");
        match purl {
            Some(purl) => self.add(&purl.reference_locator),
            None if matches!(purpose.as_str(), "OPERATING-SYSTEM" | "CONTAINER" | "FILE") => {}
            None => self.unnamed = self.unnamed.saturating_add(1),
        }
    }

    fn add(&mut self, purl: &str) {
        let Some(named) = Coordinates::parse(purl) else {
            self.unnamed = self.unnamed.saturating_add(1);
            return;
        };
        let (version, root) = (named.version.unwrap_or_default(), TreePath::root());
        let mut package = installed(manager(&named.kind), named.name, version, &root);
        package.key.architecture = named.architecture;
        purl.clone_into(&mut package.purl);
        self.packages.push(package);
    }

    /// Several versions of one package are told apart by them, the first has the plain key.
    fn finish(mut self, form: String) -> Bill {
        self.packages.sort_by(|a, b| (&a.key, &a.version).cmp(&(&b.key, &b.version)));
        self.packages.dedup_by(|a, b| (&a.key, &a.version) == (&b.key, &b.version));
        let mut last: Option<PackageKey> = None;
        for package in &mut self.packages {
            if last.as_ref() == Some(&package.key) {
                package.key.instance = Some(package.version.clone());
            } else {
                last = Some(package.key.clone());
            }
        }
        self.packages.sort_by(|a, b| a.key.cmp(&b.key));
        Bill { form, packages: self.packages, unnamed: self.unnamed }
    }
}

/// Whose packages a type of package URL means.
fn manager(kind: &str) -> &str {
    match kind {
        "deb" => "dpkg",
        "alpm" => "pacman",
        "ebuild" => "portage",
        "brew" => "homebrew",
        other => other,
    }
}

impl Bill {
    /// As a manifest of packages alone.
    #[must_use]
    pub fn into_manifest(self, name: String, target: String, scanned_at: Timestamp) -> Manifest {
        let root = TreePath::root();
        let mut omissions =
            vec![Omission { path: root.clone(), reason: format!("{} lists no files", self.form) }];
        if self.unnamed > 0 {
            let reason = format!("{} components without a package URL", self.unnamed);
            omissions.push(Omission { path: root, reason });
        }
        omissions.sort();
        let records = Records { packages: self.packages, omissions, ..Records::default() };
        let header = Header {
            name,
            target,
            scanned_at,
            scanner: concat!("driftcheck ", env!("CARGO_PKG_VERSION")).to_owned(),
            root: Entry {
                name: None,
                content: Content::Directory(DirectoryContent::LeftOut),
                mode: 0o755,
                uid: 0,
                gid: 0,
                xattrs: Some(Vec::new()),
                mtime: Timestamp::default(),
                ctime: None,
                links: 1,
            },
            entries: 0,
            bytes: 0,
            shipped: None,
            sections: Sections {
                packages: set_id(&records.packages),
                facts: set_id(&records.facts),
                events: set_id(&records.events),
                gaps: set_id::<Gap>(&[]),
                omissions: set_id(&records.omissions),
                hard_links: set_id::<HardLinks>(&[]),
            },
            not_carried: NOT_CARRIED.map(str::to_owned).to_vec(),
        };
        Manifest { header, records, hard_links: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn check(document: &str, expected: &[&str], unnamed: usize) {
        let bill = parse(document.as_bytes()).unwrap();
        let row = |package: &Package| {
            format!("{} {} {}", package.key.manager, package.key, package.version)
        };
        let seen: Vec<String> = bill.packages.iter().map(row).collect();
        let seen = [vec![bill.form.clone()], seen].concat();
        assert_eq!(seen, expected);
        assert_eq!(bill.unnamed, unnamed);
    }

    #[test]
    fn cyclonedx() {
        check(
            r#"{"bomFormat": "CycloneDX", "specVersion": "1.4", "components": [
                {"type": "library", "name": "x", "purl": "pkg:deb/debian/x@1%3A2?arch=amd64",
                 "components": [{"type": "library", "purl": "pkg:npm/%40s/c@1"}]},
                {"type": "library", "purl": "pkg:npm/%40s/c@2"},
                {"type": "operating-system", "name": "debian"},
                {"type": "library", "name": "unnamed"}]}"#,
            &["CycloneDX 1.4", "dpkg x:amd64 1:2", "npm @s/c 1", "npm @s/c [2] 2"],
            1,
        );
    }

    #[test]
    fn spdx() {
        check(
            r#"{"spdxVersion": "SPDX-2.3", "packages": [
                {"name": "os", "primaryPackagePurpose": "OPERATING-SYSTEM"},
                {"name": "a", "versionInfo": "1", "externalRefs": [
                  {"referenceCategory": "SECURITY", "referenceType": "cpe23Type",
                   "referenceLocator": "cpe:x"},
                  {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                   "referenceLocator": "pkg:rpm/rhel/a@1-2?arch=x86_64&epoch=3&upstream=b"}]}]}"#,
            &["SPDX 2.3", "rpm a:x86_64 3:1-2"],
            0,
        );
    }

    #[test]
    fn syft() {
        check(
            r#"{"artifacts": [
                {"id": "1", "name": "Foo_Bar", "type": "python", "purl": "pkg:pypi/Foo_Bar@1.0"},
                {"id": "2", "name": "bin", "type": "binary", "purl": ""}],
               "descriptor": {"name": "syft", "version": "1.2"}, "schema": {"version": "16"}}"#,
            &["syft 1.2", "pypi foo-bar 1.0"],
            1,
        );
    }

    #[test]
    fn others_are_refused_by_name() {
        let check = |document: &str, expected: &str| {
            assert_eq!(parse(document.as_bytes()).unwrap_err().to_string(), expected);
        };
        check("{}", "JSON, but neither CycloneDX, SPDX nor syft's");
        check(
            r#"{"@context": "https://spdx.org/rdf/3.0.1/x", "@graph": []}"#,
            "JSON-LD, as SPDX 3 is: write it as SPDX 2.3",
        );
        check(r#"{"bomFormat": "CycloneDX", "specVersion": "2.0"}"#, "CycloneDX 2.0");
        check("SPDXVersion: SPDX-3.0\n", "SPDX-3.0");
        check("text", "neither CycloneDX, SPDX nor syft's JSON");
        assert!(parse(b"{\"components\": 1}").is_err());
    }
}
