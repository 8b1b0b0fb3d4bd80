//! .NET as deployed: the `NAME.deps.json` beside an application with the packages it was published
//! with, and shared frameworks and SDKs by their folders (`shared/NAME/VERSION`, `sdk/VERSION`).
//!
//! A library of type `package` came from NuGet; one of type `project` is the application or a part
//! of it and has no package URL. Assemblies without a deps.json are not looked into.
//! <https://github.com/dotnet/sdk/blob/main/documentation/specs/runtime-configuration-file.md>

use super::copies::{Copy, tell_apart};
use super::json::{needs, word};
use super::purl::{Parts, purl};
use super::{installed, text};
use crate::collect::reader::Reader;
use crate::collect::{Collector, View};
use crate::model::{Fault, Package, Records, Stage, TreePath};
use serde_json::{Map, Value};

/// Reads what .NET applications were published with.
pub static COLLECTOR: Collector = Collector {
    name: "dotnet",
    version: 1,
    summary: "NuGet packages of .NET applications, shared frameworks and SDKs",
    wanted: &["*.deps.json"],
    collect,
};

/// The largest real ones, of SDK tools, have some MB.
const MAX_SIZE: u64 = 16 * 1024 * 1024;

/// Where `dotnet` itself lies: of distributions, of Microsoft's packages, images and scripts.
const ORDINARY: [&str; 5] = [
    "/usr/share/dotnet",
    "/usr/lib/dotnet",
    "/usr/lib64/dotnet",
    "/usr/local/share/dotnet",
    "/opt/dotnet",
];

fn collect(view: &View<'_>, records: &mut Records) {
    let mut reader = Reader::new(view, records, Stage::Packages, MAX_SIZE);
    let ordinary = ORDINARY.map(TreePath::parse);
    let mut copies = Vec::new();
    for path in view.found {
        let Some(folder) = path.parent() else { continue };
        let Some(bytes) = reader.file(path) else { continue };
        if let Some((name, version, place)) = framework(path) {
            let is_ordinary = ordinary.iter().any(|top| place.is_at_or_below(top));
            let package = of_nuget(installed("nuget", name, version, path));
            copies.push(Copy { package, place, is_ordinary });
        }
        let Some(packages) = reader.keep(path, parse(&bytes, path).map(Some)) else { continue };
        let copy = |package| Copy { package, place: folder.clone(), is_ordinary: false };
        copies.extend(packages.into_iter().map(copy));
    }
    tell_apart(&mut copies);
    reader.records.packages.extend(copies.into_iter().map(|copy| copy.package));
}

/// `ROOT/shared/NAME/VERSION/NAME.deps.json`, with the place of all versions.
fn framework(path: &TreePath) -> Option<(String, String, TreePath)> {
    let names: Vec<&[u8]> = path.names().collect();
    let [.., shared, name, version, file] = names.as_slice() else { return None };
    let is_framework = *shared == b"shared" && file.strip_suffix(b".deps.json") == Some(name);
    let place = path.parent()?.parent()?.parent()?;
    is_framework.then(|| (text(name), text(version), place))
}

fn of_nuget(mut package: Package) -> Package {
    let (name, version) = (&package.key.name, Some(package.version.as_str()));
    package.purl = purl("nuget", Parts { name, version, ..Parts::default() });
    package
}

/// All libraries of the file.
fn parse(bytes: &[u8], path: &TreePath) -> Result<Vec<Package>, Fault> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let whole: Map<String, Value> = serde_json::from_slice(bytes).map_err(Fault::damaged)?;
    let Some(libraries) = whole.get("libraries").and_then(Value::as_object) else {
        return Err(Fault::damaged("no libraries"));
    };
    let target = whole.get("runtimeTarget").and_then(Value::as_object);
    let target = target.and_then(|target| word(target, "name"));
    let targets = whole.get("targets").and_then(Value::as_object);
    // What each needs is written for every target; the one that is run, else the first.
    let wired = targets.and_then(|targets| {
        let named = target.as_deref().and_then(|name| targets.get(name));
        named.or(targets.values().next())?.as_object()
    });
    let package = |(key, library): (&String, &Value)| {
        let library = library.as_object()?;
        let (name, version) = key.split_once('/')?;
        let (name, version) = (text(name.as_bytes()), text(version.as_bytes()));
        let mut package = installed("nuget", name, version, path);
        let kind = word(library, "type").unwrap_or_default();
        match kind.as_str() {
            "package" => package = of_nuget(package),
            // The framework that a self-contained application brings along.
            "runtimepack" => {
                let bare = package.key.name.strip_prefix("runtimepack.");
                package.key.name = bare.unwrap_or(&package.key.name).to_owned();
                package = of_nuget(package);
            }
            _ => {}
        }
        let wire = wired.and_then(|wired| wired.get(key)?.get("dependencies"));
        let integrity = word(library, "sha512");
        for (word, value) in [
            ("depends", wire.and_then(needs)),
            ("integrity", integrity),
            ("type", Some(kind).filter(|kind| kind != "package")),
            ("target", target.clone()),
        ] {
            if let Some(value) = value {
                package.details.insert(word.to_owned(), value);
            }
        }
        (!package.key.name.is_empty()).then_some(package)
    };
    Ok(libraries.iter().filter_map(package).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    const APP: &str = "\u{feff}{
      \"runtimeTarget\": {\"name\": \".NETCoreApp,Version=v8.0/linux-x64\", \"signature\": \"\"},
      \"targets\": {
        \".NETCoreApp,Version=v8.0\": {},
        \".NETCoreApp,Version=v8.0/linux-x64\": {
          \"App/1.0.0\": {\"dependencies\": {\"Serilog\": \"3.1.1\", \"A\": \"1.0.0\"},
            \"runtime\": {\"App.dll\": {}}},
          \"Serilog/3.1.1\": {}}},
      \"libraries\": {
        \"App/1.0.0\": {\"type\": \"project\", \"serviceable\": false, \"sha512\": \"\"},
        \"Serilog/3.1.1\": {\"type\": \"package\", \"serviceable\": true, \"sha512\": \"sha512-P6G4\",
          \"path\": \"serilog/3.1.1\", \"hashPath\": \"serilog.3.1.1.nupkg.sha512\"},
        \"runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/8.0.1\": {\"type\": \"runtimepack\"},
        \"odd\": {}}}";

    #[test]
    fn applications_and_frameworks() {
        let shared = "/usr/share/dotnet/shared/Microsoft.NETCore.App";
        let files = [
            ("/srv/app/App.deps.json".to_owned(), APP),
            (format!("{shared}/6.0.1/Microsoft.NETCore.App.deps.json"), "{\"libraries\": {}}"),
            (format!("{shared}/8.0.1/Microsoft.NETCore.App.deps.json"), "{\"libraries\": {}}"),
            ("/srv/odd.deps.json".to_owned(), "[]"),
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
                "Microsoft.NETCore.App pkg:nuget/Microsoft.NETCore.App@6.0.1 None",
                "Microsoft.NETCore.App [/usr/share/dotnet/shared] \
                 pkg:nuget/Microsoft.NETCore.App@8.0.1 None",
                "App [/srv/app]  Some(\"A 1.0.0, Serilog 3.1.1\")",
                "Serilog [/srv/app] pkg:nuget/Serilog@3.1.1 None",
                "Microsoft.NETCore.App.Runtime.linux-x64 [/srv/app] \
                 pkg:nuget/Microsoft.NETCore.App.Runtime.linux-x64@8.0.1 None",
            ]
        );
        assert_eq!(records.gaps.len(), 1);
    }
}
