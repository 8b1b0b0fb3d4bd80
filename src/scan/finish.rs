//! All that was read into one manifest.

use super::memo::Memos;
use super::walk::Walked;
use super::{Options, Scanned};
use crate::filesystem::{Carries, Filesystem};
use crate::model::encoding::set_id;
use crate::model::{Header, Manifest, Records, Sections, ShippedId};

/// Sorts the records, names the sets, and packs what the next scan may trust.
pub(super) fn assemble(
    filesystem: &dyn Filesystem,
    options: Options<'_>,
    walked: Walked,
    mut records: Records,
    shipped: Option<ShippedId>,
    memos: &Memos,
) -> Scanned {
    sort(&mut records);
    let header = Header {
        name: options.name,
        target: options.target,
        scanned_at: options.scanned_at,
        scanner: concat!("driftcheck ", env!("CARGO_PKG_VERSION")).to_owned(),
        root: walked.root,
        entries: walked.entries,
        bytes: walked.bytes,
        shipped,
        sections: Sections {
            packages: set_id(&records.packages),
            facts: set_id(&records.facts),
            events: set_id(&records.events),
            gaps: set_id(&records.gaps),
            omissions: set_id(&records.omissions),
            hard_links: set_id(&walked.hard_links),
        },
        not_carried: not_carried(filesystem.carries()),
    };
    Scanned {
        manifest: Manifest { header, records, hard_links: walked.hard_links },
        cache: walked.trusted.pack(),
        memo: memos.pack(),
        relied_on_previous: walked.relied_on_previous,
    }
}

/// What a medium does not carry, by the names that [`Header::not_carried`] knows.
fn not_carried(carries: Carries) -> Vec<String> {
    let acls = ["xattr:system.posix_acl_access", "xattr:system.posix_acl_default"];
    let table = [
        (carries.mode, &["mode"][..]),
        (carries.owner, &["gid", "uid"]),
        (carries.xattrs, &["xattr"]),
        // Among the others where none are carried.
        (carries.acls || !carries.xattrs, &acls),
    ];
    let lost = table.iter().filter(|(carried, _)| !carried);
    let names = lost.flat_map(|(_, names)| names.iter().map(|name| (*name).to_owned()));
    let kinds = carries.kinds.missing().iter().map(|kind| format!("kind:{kind}"));
    let mut found: Vec<String> = names.chain(kinds).collect();
    found.sort();
    found
}

/// The canonical order: by key, and each record once.
fn sort(records: &mut Records) {
    records.packages.sort_by(|left, right| {
        (&left.key, &left.evidence, &left.version).cmp(&(
            &right.key,
            &right.evidence,
            &right.version,
        ))
    });
    records.packages.dedup();
    records.facts.sort_by(|left, right| {
        (&left.scope, &left.key, &left.evidence).cmp(&(&right.scope, &right.key, &right.evidence))
    });
    records.facts.dedup();
    records.events.sort_by(|left, right| {
        (left.time, &left.source, left.line, &left.action, &left.text).cmp(&(
            right.time,
            &right.source,
            right.line,
            &right.action,
            &right.text,
        ))
    });
    records.events.dedup();
    records.gaps.sort();
    records.gaps.dedup();
    records.omissions.sort();
    records.omissions.dedup();
}
