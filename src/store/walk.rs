//! Every entry of a manifest in the order of paths, without gathering them.

use super::{StoreError, StoreErrorKind};
use crate::model::{Content, DirectoryContent, Entry, Fault, Header, Tree, TreePath, TreeSource};
use std::sync::Arc;

/// Calls `visit` with each entry, the root first, a directory before what is below it.
pub(super) fn each_entry(
    header: &Header,
    source: &dyn TreeSource,
    mut visit: impl FnMut(&TreePath, &Entry) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let root = TreePath::root();
    visit(&root, &header.root)?;
    let mut visited = 1_u64;
    let mut open: Vec<Open> = Vec::new();
    open.extend(below(root, &header.root, source)?);
    while let Some((path, tree, next)) = open.last_mut() {
        let Some(entry) = tree.entries.get(*next) else {
            open.pop();
            continue;
        };
        *next += 1;
        let name = entry.name.as_ref();
        let path = path.join(name.ok_or_else(|| Fault::damaged("an entry without a name"))?);
        visited += 1;
        // A tree that holds itself would never end.
        if visited > header.entries {
            let detail = format!("more entries than the {} of the header", header.entries);
            return Err(StoreError::new(StoreErrorKind::Damaged, detail));
        }
        visit(&path, entry)?;
        let below = below(path, entry, source)?;
        open.extend(below);
    }
    Ok(())
}

/// A directory that is being walked: its path, its entries, the next one.
type Open = (TreePath, Arc<Tree>, usize);

fn below(path: TreePath, entry: &Entry, source: &dyn TreeSource) -> Result<Option<Open>, Fault> {
    match &entry.content {
        Content::Directory(DirectoryContent::Read { exact, .. }) => {
            Ok(Some((path, source.tree(exact)?, 0)))
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{manifest, world};

    #[test]
    fn goes_by_path_and_stops_at_the_promised_count() {
        let (mut made, spool) = manifest(&world(), "web-01", 1);
        let mut paths = Vec::new();
        each_entry(&made.header, &spool, |path, _| {
            paths.push(path.clone());
            Ok(())
        })
        .unwrap();
        assert_eq!(paths.len() as u64, made.header.entries);
        assert!(paths.is_sorted());
        made.header.entries -= 1;
        let refused = each_entry(&made.header, &spool, |_, _| Ok(())).unwrap_err();
        assert_eq!(refused.kind, StoreErrorKind::Damaged);
    }
}
