//! Claims of all packages into one tree of shipped files.

use super::Keep;
use crate::model::encoding::encode_shipped;
use crate::model::{Claim, Name, ShippedEntry, ShippedId, ShippedTree};
use std::sync::Arc;

/// Builds the tree from the leaves up and keeps its directories; `None` where nothing is claimed.
pub(super) fn build(mut claims: Vec<Claim>, keep: &Keep<'_>) -> Option<ShippedId> {
    claims.sort_unstable();
    claims.dedup();
    // The directories on the way to the current path, each with what it holds so far.
    let mut open: Vec<ShippedTree> = vec![ShippedTree::default()];
    let mut trail: Vec<Vec<u8>> = Vec::new();
    for claim in claims {
        let names: Vec<&[u8]> = claim.path.names().collect();
        let shared = trail.iter().zip(&names).take_while(|(have, want)| have == *want).count();
        while trail.len() > shared {
            close(&mut open, &mut trail, keep);
        }
        for name in names.iter().skip(shared) {
            trail.push(name.to_vec());
            open.push(ShippedTree::default());
            let below = open.len().checked_sub(2).and_then(|index| open.get_mut(index));
            if let (Some(parent), Some(name)) = (below, Name::new(name)) {
                parent.entries.push(ShippedEntry { name, claims: Vec::new(), below: None });
            }
        }
        let parent = open.len().checked_sub(2).and_then(|index| open.get_mut(index));
        if let Some(entry) = parent.and_then(|parent| parent.entries.last_mut()) {
            entry.claims.push((Arc::unwrap_or_clone(claim.package), claim.expectation));
        }
    }
    while !trail.is_empty() {
        close(&mut open, &mut trail, keep);
    }
    let root = open.pop().filter(|root| !root.entries.is_empty())?;
    Some(store(&root, keep))
}

/// Finishes the innermost open directory and hangs it below its entry in the one around it.
fn close(open: &mut Vec<ShippedTree>, trail: &mut Vec<Vec<u8>>, keep: &Keep<'_>) {
    trail.pop();
    let Some(tree) = open.pop() else { return };
    if !tree.entries.is_empty()
        && let Some(entry) = open.last_mut().and_then(|parent| parent.entries.last_mut())
    {
        entry.below = Some(store(&tree, keep));
    }
}

fn store(tree: &ShippedTree, keep: &Keep<'_>) -> ShippedId {
    let (id, bytes) = encode_shipped(tree);
    (keep.shipped)(id, bytes);
    id
}
