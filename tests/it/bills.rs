//! Bills of materials: what is written of a root is the same as the root, in every form, and what
//! others wrote is compared as far as it goes.

use super::support::{driftcheck, json, put, run};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

const STATUS: &str = "Package: a\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:2-3\n\
    Depends: b (>= 1)\n\nPackage: b\nStatus: hold ok installed\nArchitecture: all\nVersion: 1+x~1\n\n\
    Package: old\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: 1\n\n";

fn root(folder: &Path) {
    let list = "/.\n/usr\n/usr/a\n";
    put(
        folder,
        &[
            ("etc/os-release", "ID=debian\nVERSION_ID=12\n"),
            ("var/lib/dpkg/status", STATUS),
            ("var/lib/dpkg/info/a.list", list),
            ("var/lib/dpkg/info/b.list", list),
            ("var/lib/dpkg/info/old.list", list),
            ("usr/lib/python3/dist-packages/Foo_Bar-1.0.dist-info/METADATA", PYTHON),
            (
                "opt/x/node_modules/@s/m/package.json",
                "{\"name\": \"@s/m\", \"version\": \"1.0.0\"}",
            ),
            (
                "opt/y/node_modules/@s/m/package.json",
                "{\"name\": \"@s/m\", \"version\": \"2.0.0\"}",
            ),
        ],
    );
}

const PYTHON: &str = "Metadata-Version: 2.1\nName: Foo_Bar\nVersion: 1.0\n";

fn packages(report: &Value) -> Vec<String> {
    let changes = report["changes"].as_array().unwrap().iter();
    let row = |one: &Value| {
        assert_eq!(one["subject"]["type"], "package");
        let side =
            |side: &str| one["attributes"]["version"][side].as_str().unwrap_or("-").to_owned();
        let name = one["subject"]["name"].as_str().unwrap();
        format!("{name} {} -> {}", side("before"), side("after"))
    };
    changes.map(row).collect()
}

#[test]
fn a_bill_of_a_root_is_the_root() {
    let folder = tempfile::tempdir().unwrap();
    let (store, tree) = (folder.path().join("store"), folder.path().join("tree"));
    root(&tree);
    for format in ["cyclonedx", "spdx"] {
        let bill = folder.path().join(format!("{format}.json"));
        let mut show = driftcheck(&store);
        show.arg("show").arg(&tree).args(["--format", format, "--output"]).arg(&bill);
        run(&mut show, 0);
        for (before, after) in [(&bill, &tree), (&tree, &bill), (&bill, &bill)] {
            let mut compare = driftcheck(&store);
            compare.arg("compare").arg(before).arg(after).args(["--format", "json"]);
            let report = json(&mut compare, 0);
            assert_eq!(packages(&report), [""; 0]);
            assert!(report["notes"].as_array().unwrap().iter().any(|note| {
                note.as_str().unwrap().starts_with("files: not carried by one of the media")
            }));
        }
        let named = format!("sbom:{}", bill.display());
        run(driftcheck(&store).args(["baseline", "set", "golden", &named]), 0);
        let mut check = driftcheck(&store);
        run(check.args(["check", "--baseline", "golden"]).arg(&tree), 0);
    }
    fs::write(tree.join("var/lib/dpkg/status"), STATUS.replace("1:2-3", "1:2-4")).unwrap();
    let mut check = driftcheck(&store);
    check.args(["check", "--baseline", "golden", "--format", "json"]).arg(&tree);
    let report = json(&mut check, 1);
    assert_eq!(packages(&report), ["a 1:2-3 -> 1:2-4"]);
    assert_eq!(report["changes"][0]["direction"], "upgraded");
    let mut scan = driftcheck(&store);
    run(scan.arg("scan").arg(format!("sbom:{}", folder.path().join("spdx.json").display())), 2);
}

#[test]
fn what_others_wrote_is_compared_as_far_as_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let (store, tree) = (folder.path().join("store"), folder.path().join("tree"));
    root(&tree);
    let bill = folder.path().join("bill");
    let check = |document: &str, code: i32, expected: &[&str]| {
        fs::write(&bill, document).unwrap();
        let mut compare = driftcheck(&store);
        compare.arg("compare").arg(&bill).arg(&tree).args(["--format", "json"]);
        assert_eq!(packages(&json(&mut compare, code)), expected);
    };
    let syft = r#"{"artifacts": [
        {"name": "a", "type": "deb",
         "purl": "pkg:deb/debian/a@1%3A2-3?arch=amd64&distro=debian-12&upstream=src%401"},
        {"name": "b", "type": "deb", "purl": "pkg:deb/debian/b@1%2Bx~1?arch=all"},
        {"name": "Foo_Bar", "type": "python", "purl": "pkg:pypi/Foo_Bar@1.1"},
        {"name": "gone", "type": "npm", "purl": "pkg:npm/gone@1"},
        {"name": "m", "type": "npm", "purl": "pkg:npm/%40s/m@1.0.0"}],
        "descriptor": {"name": "syft", "version": "1"}}"#;
    // Of two packages that are new and gone, neither is the other.
    check(syft, 1, &["@s/m - -> 2.0.0", "gone 1 -> -", "foo-bar 1.1 -> 1.0"]);
    let tags = "SPDXVersion: SPDX-2.3\nPackageName: a\n\
        ExternalRef: PACKAGE-MANAGER purl pkg:deb/debian/a@1:2-3?arch=amd64\nPackageName: b\n\
        ExternalRef: PACKAGE-MANAGER purl pkg:deb/debian/b@1%2Bx~1?arch=all\n";
    check(tags, 0, &[]);
    let xml = "<?xml version=\"1.0\"?>\n<bom xmlns=\"http://cyclonedx.org/schema/bom/1.5\">\
        <components><component type=\"library\"><name>a</name>\
        <purl>pkg:deb/debian/a@1%3A2-4?arch=amd64&amp;distro=debian-12</purl></component>\
        <component type=\"library\"><purl>pkg:deb/debian/b@1%2Bx~1?arch=all</purl></component>\
        </components></bom>";
    check(xml, 1, &["a 1:2-4 -> 1:2-3"]);
}

/// What checks documents against the official schemas: `cyclonedx-python-lib[validation]` and
/// `spdx-tools` of PyPI.
const VALIDATE: &str = "
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document
print(JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read()))
print(validate_full_spdx_document(parse_file(sys.argv[2])))
";

#[test]
fn the_official_schemas_hold() {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    root(&tree);
    let write = |format: &str| {
        let bill = folder.path().join(format!("{format}.json"));
        let mut show = driftcheck(&folder.path().join("store"));
        show.arg("show").arg(&tree).args(["--format", format, "--output"]).arg(&bill);
        run(&mut show, 0);
        bill
    };
    let python = std::env::var("DRIFTCHECK_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut validate = Command::new(python);
    validate.args(["-c", VALIDATE]).arg(write("cyclonedx")).arg(write("spdx"));
    match validate.output() {
        Ok(output) if output.status.success() => {
            assert_eq!(String::from_utf8_lossy(&output.stdout), "None\n[]\n");
        }
        _ => println!("skipped: no validators (set DRIFTCHECK_PYTHON to a Python that has them)"),
    }
}
