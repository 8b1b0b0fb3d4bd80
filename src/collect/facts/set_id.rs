//! Programs that run with the rights of their owner or group, wherever they lie.
//!
//! Scope `set-id`, the path is the key. Programs with capabilities are not in it: these are known
//! by their extended attributes, which the walk does not read of what it knows already; the change
//! of such a file says `xattr:security.capability`.

use super::Sheet;
use crate::collect::{Collector, SET_ID, View};
use crate::filesystem::resolve::{LastLink, resolve};
use crate::model::Records;

/// Records what the walk found.
pub static COLLECTOR: Collector = Collector {
    name: "set-id",
    version: 1,
    summary: "setuid and setgid programs",
    wanted: &[SET_ID],
    collect,
};

fn collect(view: &View<'_>, records: &mut Records) {
    let mut sheet = Sheet::new(view, records);
    for path in view.found {
        let look = || match resolve(view.filesystem, path, LastLink::Keep)? {
            Some(found) => view.filesystem.metadata(&found.node).map(Some),
            None => Ok(None),
        };
        let Some(metadata) = sheet.reader.keep(path, look()) else { continue };
        let attributes = [
            ("mode", format!("{:04o}", metadata.mode)),
            ("uid", metadata.uid.to_string()),
            ("gid", metadata.gid.to_string()),
        ];
        let attributes = attributes.each_ref().map(|(name, value)| (*name, value.as_str()));
        sheet.add("set-id", &path.to_string(), path, &attributes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;
    use crate::model::TreePath;

    #[test]
    fn rights_are_told() {
        let mut tree = MemoryFilesystem::new();
        tree.file("/bin/su", "").change("/bin/su", |metadata| metadata.mode = 0o4755);
        let found = ["/bin/gone", "/bin/su"].map(TreePath::parse);
        let mut records = Records::default();
        collect(&View { filesystem: &tree, found: &found }, &mut records);
        assert_eq!((records.facts.len(), records.gaps.len()), (1, 0));
        assert_eq!(
            (records.facts[0].key.as_str(), &*records.facts[0].attributes["mode"]),
            ("/bin/su", "4755")
        );
    }
}
