//! The scanned tree, as far as a build file may refer into it: reading siblings by path, never
//! outside of the root, never more than [`MAX_FILE`] bytes.
//!
//! Paths are relative to the root, with `/` between the names and without `.` and `..`.

use super::encoding::Utf16;
use super::span::{Fragment, LineIndex, Position};
use std::any::Any;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};

/// Larger files are no build files that a person wrote; a generated one of this size would cost
/// seconds and hundreds of megabytes in every parser.
pub const MAX_FILE: u64 = 5 * 1024 * 1024;

/// A directory with more entries than this is not listed for references (`*.auto.pkrvars.hcl`).
const MAX_LISTED: usize = 10_000;

/// A file under audit.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Relative to the root, with `/` between the names.
    pub path: Arc<str>,
    /// The raw bytes; every range of the audit counts in them.
    pub bytes: Arc<[u8]>,
    lines: Arc<OnceLock<LineIndex>>,
}

impl SourceFile {
    /// A file that was read.
    #[must_use]
    pub fn new(path: &str, bytes: impl Into<Arc<[u8]>>) -> Self {
        Self { path: Arc::from(path), bytes: bytes.into(), lines: Arc::default() }
    }

    /// The file as text with its map.
    #[must_use]
    pub fn fragment(&self) -> Fragment {
        Fragment::of_file(&self.bytes)
    }

    /// Start and end of a raw range as people count.
    #[must_use]
    pub fn positions(&self, range: &Range<usize>) -> (Position, Position) {
        let lines = self.lines.get_or_init(|| LineIndex::new(&self.bytes));
        (lines.position(&self.bytes, range.start), lines.position(&self.bytes, range.end))
    }

    /// The last name of the path.
    #[must_use]
    pub fn name(&self) -> &str {
        file_name(&self.path)
    }
}

/// The last name of a path.
#[must_use]
pub fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// What follows the last dot of the last name, if the name has more than that.
#[must_use]
pub fn extension(path: &str) -> Option<&str> {
    let (stem, extension) = file_name(path).rsplit_once('.')?;
    (!stem.is_empty()).then_some(extension)
}

/// The tree that build files refer into.
#[derive(Debug, Default)]
pub struct Repository {
    root: Option<PathBuf>,
    memory: BTreeMap<String, Arc<[u8]>>,
    utf16: Mutex<BTreeMap<String, Arc<Utf16>>>,
    prepared: Mutex<BTreeMap<String, Arc<dyn Any + Send + Sync>>>,
}

impl Repository {
    /// A directory on disk. A root that cannot be resolved holds no files.
    #[must_use]
    pub fn at(root: PathBuf) -> Self {
        Self { root: fs::canonicalize(root).ok(), ..Self::default() }
    }

    /// The same with files that are read from memory instead of the disk.
    #[must_use]
    pub fn with_files<'a>(
        mut self,
        files: impl IntoIterator<Item = (&'a str, &'a Arc<[u8]>)>,
    ) -> Self {
        let files = files.into_iter().map(|(path, bytes)| (path.to_owned(), Arc::clone(bytes)));
        self.memory.extend(files);
        self
    }

    /// A tree that exists only in memory.
    #[must_use]
    pub fn of_files<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let memory = files.into_iter().map(|(path, bytes)| (path.to_owned(), Arc::from(bytes)));
        Self { memory: memory.collect(), ..Self::default() }
    }

    /// The bytes of a file inside of the root; `None` where there is no such regular file, where
    /// it is too large, and where a link leads out of the root.
    #[must_use]
    pub fn read(&self, path: &str) -> Option<Arc<[u8]>> {
        let path = normalise(path)?;
        if let Some(bytes) = self.memory.get(&path) {
            return Some(Arc::clone(bytes));
        }
        let root = self.root.as_ref()?;
        let real = fs::canonicalize(root.join(&path)).ok()?;
        if !real.starts_with(root) || !fs::metadata(&real).ok()?.is_file() {
            return None;
        }
        let mut bytes = Vec::new();
        let file = fs::File::open(&real).ok()?;
        file.take(MAX_FILE.saturating_add(1)).read_to_end(&mut bytes).ok()?;
        let fits = u64::try_from(bytes.len()).ok()? <= MAX_FILE;
        fits.then(|| self.readable(&path, bytes))
    }

    /// The bytes of a file as UTF-8: those of UTF-16 by its mark are turned into it, and remembered
    /// with the way back.
    #[must_use]
    pub fn readable(&self, path: &str, bytes: Vec<u8>) -> Arc<[u8]> {
        let Some(utf16) = Utf16::decode(&bytes) else { return Arc::from(bytes) };
        let text = Arc::from(utf16.text().as_bytes());
        if let Ok(mut known) = self.utf16.lock() {
            known.insert(path.to_owned(), Arc::new(utf16));
        }
        text
    }

    /// The files that were turned into UTF-8.
    #[must_use]
    pub fn utf16(&self) -> BTreeMap<String, Arc<Utf16>> {
        self.utf16.lock().map(|known| known.clone()).unwrap_or_default()
    }

    /// What several files of the tree need in common, made once for all of them: `key` names what
    /// it is and of which folder. Two threads may both make it; both get the same one.
    pub fn prepared<T: Any + Send + Sync>(&self, key: &str, make: impl FnOnce() -> T) -> Arc<T> {
        let known = self.prepared.lock().ok().and_then(|prepared| prepared.get(key).cloned());
        if let Some(Ok(known)) = known.map(Arc::downcast::<T>) {
            return known;
        }
        let made = Arc::new(make());
        if let Ok(mut prepared) = self.prepared.lock() {
            prepared.insert(key.to_owned(), Arc::clone(&made) as Arc<dyn Any + Send + Sync>);
        }
        made
    }

    /// Whether there is such a file.
    #[must_use]
    pub fn exists(&self, path: &str) -> bool {
        let Some(path) = normalise(path) else { return false };
        self.memory.contains_key(&path)
            || self.root.as_ref().is_some_and(|root| root.join(&path).is_file())
    }

    /// The names of the files directly in a directory (`""` is the root), sorted.
    #[must_use]
    pub fn list(&self, directory: &str) -> Vec<String> {
        let Some(directory) = normalise(directory) else { return Vec::new() };
        let prefix = if directory.is_empty() { String::new() } else { format!("{directory}/") };
        let in_memory = self.memory.keys().filter_map(|path| path.strip_prefix(&prefix));
        let mut names: Vec<String> =
            in_memory.filter(|rest| !rest.contains('/')).map(str::to_owned).collect();
        if let Some(root) = &self.root
            && let Ok(real) = fs::canonicalize(root.join(&directory))
            && real.starts_with(root)
            && let Ok(entries) = fs::read_dir(real)
        {
            let files = entries.take(MAX_LISTED).filter_map(Result::ok);
            names.extend(files.filter_map(|entry| entry.file_name().into_string().ok()));
        }
        names.sort();
        names.dedup();
        names
    }
}

/// The path that `reference` means in the file `from`; `None` where it leads out of the root or
/// is no path in the repository at all (absolute, a URL, with [`super::span::UNKNOWN`] parts).
#[must_use]
pub fn resolve(from: &str, reference: &str) -> Option<String> {
    if reference.starts_with('/') || reference.contains("://") {
        return None;
    }
    let directory = from.rsplit_once('/').map_or("", |(directory, _)| directory);
    normalise(&format!("{directory}/{reference}"))
}

/// A path without `.`, `..` and empty names; `None` where it leads out of the root.
fn normalise(path: &str) -> Option<String> {
    if path.contains(['\0', super::span::UNKNOWN]) {
        return None;
    }
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => {
                names.pop()?;
            }
            name => names.push(name),
        }
    }
    Some(names.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_stay_inside() {
        let check = |from: &str, reference: &str, expected: Option<&str>| {
            assert_eq!(resolve(from, reference).as_deref(), expected, "{from} {reference}");
        };
        check("a/Dockerfile", "x.sh", Some("a/x.sh"));
        check("a/Dockerfile", "../b/./x.sh", Some("b/x.sh"));
        check("Dockerfile", "../x.sh", None);
        check("Dockerfile", "/etc/passwd", None);
        check("Dockerfile", "https://e.org/x", None);
    }

    #[test]
    fn a_link_out_of_the_root_is_not_followed() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "x").unwrap();
        let inside = tempfile::tempdir().unwrap();
        fs::write(inside.path().join("own"), "y").unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret"), inside.path().join("link"))
            .unwrap();
        let repository = Repository::at(inside.path().to_path_buf());
        assert_eq!(repository.read("own").as_deref(), Some(&b"y"[..]));
        assert!(repository.read("link").is_none() && repository.read("../secret").is_none());
        assert_eq!(repository.list(""), ["link", "own"]);
    }
}
