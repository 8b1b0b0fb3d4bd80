//! What a distribution says of its files: `RECORD`, the list of old pip, or an egg as a whole.

use super::{is_in_site, record};
use crate::collect::packages::place::{MAX_PATH, Places};
use crate::collect::packages::tell;
use crate::collect::reader::{Reader, below};
use crate::filesystem::Filesystem;
use crate::filesystem::resolve::{LastLink, resolve};
use crate::model::{
    Claim, Expectation, FileKind, Name, Package, PackageKey, ShippedSource, TreePath,
};
use std::sync::Arc;

/// What the distribution says of its files.
pub(super) fn claims(
    reader: &mut Reader<'_>,
    places: &mut Places<'_>,
    key: &Arc<PackageKey>,
    place: &TreePath,
    package: &mut Package,
) -> Vec<Claim> {
    let is_carried = place.parent().is_some_and(|parent| is_in_site(&parent));
    if is_carried {
        package.details.insert("carried-by".to_owned(), place.to_string());
        return Vec::new();
    }
    if package.evidence.file_name().is_some_and(|name| name.ends_with(b".egg")) {
        let expectation = Expectation::owned(ShippedSource::File);
        let path = package.evidence.clone();
        return vec![Claim { path, package: Arc::clone(key), expectation }];
    }
    let Some(info) = package.evidence.parent() else { return Vec::new() };
    let record = below(&info, "RECORD");
    if package.evidence.file_name() == Some(b"METADATA") {
        let Some(bytes) = reader.file(&record) else { return Vec::new() };
        let (lines, damages) = record::parse(&bytes);
        tell(reader, &record, &damages);
        let mut out = Vec::with_capacity(lines.len());
        for line in lines {
            let is_editable = line.path.starts_with(b"__editable__");
            if is_editable {
                package.details.insert("editable".to_owned(), "yes".to_owned());
            }
            let expectation = Expectation {
                kind: Some(FileKind::File),
                digest: line.digest,
                size: line.size,
                ..Expectation::owned(ShippedSource::File)
            };
            let packed = absolute(place, &line.path);
            let found = places.entry(&packed);
            let moved = script(reader.filesystem, place, &line.path, found.as_ref());
            if let Some(path) = moved.or(found) {
                out.push(Claim { path, package: Arc::clone(key), expectation });
            }
        }
        return out;
    }
    // Of old pip: paths from the egg-info itself, without digests.
    let Some(bytes) = reader.file(&below(&info, "installed-files.txt")) else { return Vec::new() };
    let lines = bytes.split(|b| *b == b'\n').map(<[u8]>::trim_ascii);
    lines
        .filter(|line| !line.is_empty() && line.len() <= MAX_PATH)
        .filter_map(|line| places.entry(&absolute(&info, line)))
        .map(|path| Claim {
            path,
            package: Arc::clone(key),
            expectation: Expectation::owned(ShippedSource::File),
        })
        .collect()
}

/// `pip install --target` puts programs below the target itself and leaves their record as it was
/// made (`../../bin/NAME`): where nothing lies there and the target has it, that is meant.
fn script(
    filesystem: &dyn Filesystem,
    place: &TreePath,
    recorded: &[u8],
    found: Option<&TreePath>,
) -> Option<TreePath> {
    let program = recorded.strip_prefix(b"../../bin/")?;
    let exists = |path: &TreePath| {
        resolve(filesystem, path, LastLink::Keep).is_ok_and(|found| found.is_some())
    };
    if found.is_some_and(exists) {
        return None;
    }
    let name = Name::new(program)?;
    Some(below(place, "bin").join(&name)).filter(exists)
}

fn absolute(directory: &TreePath, path: &[u8]) -> Vec<u8> {
    if path.first() == Some(&b'/') {
        return path.to_vec();
    }
    // `..` goes up from where the directory really lies: its own path is free of links.
    TreePath::parse([directory.as_bytes(), b"/", path].concat()).as_bytes().to_vec()
}
