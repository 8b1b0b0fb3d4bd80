//! Directories that changed because something was written in them.

use super::index::Index;
use super::{Attributor, Case, Found};
use crate::collect::events::syslog::accounts::STEP;
use crate::model::{AttributeValue, FileKind, Subject};

/// The row of the table.
pub static ATTRIBUTOR: Attributor = Attributor {
    name: "nearby",
    summary: "something was written in this directory when it changed",
    last_resort: true,
    attribute,
};

fn attribute(index: &Index<'_>, case: &Case<'_>) -> Vec<Found> {
    let Subject::Path(path) = &case.change.change.subject else { return Vec::new() };
    let kind = case.change.change.attribute("kind").and_then(|one| one.after.as_ref());
    if kind.is_some_and(|kind| *kind != AttributeValue::Kind(FileKind::Directory)) {
        return Vec::new();
    }
    let writes = index
        .naming_in(path)
        .into_iter()
        .filter(|known| known.event.action != STEP && known.agrees(case.moment));
    let found = writes.map(|known| Found { cause: index.told(&known), agrees: true });
    found.collect()
}
