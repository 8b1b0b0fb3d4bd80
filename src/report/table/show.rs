//! `show` for a person: an overview, or one list as a table with a header.

use super::Page;
use crate::model::{
    Content, Deviation, DirectoryContent, Entry, Event, EventSubject, Manifest, ShippedSource,
    TimeCertainty, Verification, path::Escaped,
};
use crate::report::{FileRow, Owners, Section, ShowReport, Verbosity, View, format, xattr};
use comfy_table::Cell;
use std::io::{self, Write};

/// Writes the section.
pub(in crate::report) fn write(
    report: &ShowReport<'_>,
    view: &View,
    out: &mut dyn Write,
) -> io::Result<()> {
    let manifest = report.manifest;
    let mut page = Page { view, out };
    match report.section {
        Section::Overview => overview(&mut page, manifest),
        Section::Packages => packages(&mut page, manifest),
        Section::Files(rows) => files(&mut page, rows, report.owners),
        Section::Facts => facts(&mut page, manifest),
        Section::Events => events(&mut page, manifest),
        Section::Gaps => gaps(&mut page, manifest),
        Section::Verification(all) => verification(&mut page, all),
    }
}

fn overview(page: &mut Page<'_>, manifest: &Manifest) -> io::Result<()> {
    let header = &manifest.header;
    let records = &manifest.records;
    if page.view.verbosity == Verbosity::Quiet {
        return writeln!(page.out, "{} {}", manifest.id(), format::escaped(&header.name));
    }
    page.heading(&format::escaped(&header.name), None)?;
    let mut rows = vec![
        ("id", manifest.id().to_string()),
        ("target", format::escaped(&header.target)),
        ("scanned", format!("{} by {}", format::moment(&header.scanned_at), header.scanner)),
        (
            "files",
            format!(
                "{} entries, {}, {}",
                format::number(header.entries),
                format::bytes(header.bytes),
                format::count(manifest.hard_links.len(), "group") + " of hard links"
            ),
        ),
        ("packages", format::length(records.packages.len())),
        ("facts", format::length(records.facts.len())),
        ("events", format::length(records.events.len())),
        ("gaps", format::length(records.gaps.len())),
        ("left out", format::length(records.omissions.len())),
    ];
    if let Content::Directory(DirectoryContent::Read { content, .. }) = header.root.content {
        rows.insert(1, ("content id", content.to_string()));
    }
    if !header.not_carried.is_empty() {
        rows.push(("not carried", format::escaped(&header.not_carried.join(", "))));
    }
    let rows = rows.into_iter().map(|(name, value)| vec![Cell::new(name), Cell::new(value)]);
    let rows = rows.collect();
    page.grid(rows, &[])
}

fn packages(page: &mut Page<'_>, manifest: &Manifest) -> io::Result<()> {
    let rows = manifest.records.packages.iter().map(|package| {
        let mut name = package.key.name.clone();
        if let Some(instance) = &package.key.instance {
            name.push_str(&format!(" [{instance}]"));
        }
        vec![
            Cell::new(format::escaped(&package.key.manager)),
            Cell::new(format::escaped(&name)),
            Cell::new(format::escaped(&package.version)),
            Cell::new(format::escaped(package.key.architecture.as_deref().unwrap_or("-"))),
            Cell::new(format::escaped(&package.state)),
        ]
    });
    let rows = rows.collect();
    let header = ["MANAGER", "NAME", "VERSION", "ARCHITECTURE", "STATE"];
    page.table(Some(&header), rows, &[], None)
}

/// One line for each entry with its path unbroken at the end, as `ls` does it: listings are long,
/// and are searched.
fn files(page: &mut Page<'_>, rows: &[FileRow], owners: &Owners) -> io::Result<()> {
    let owner = |row: &FileRow| {
        let name =
            |name: Option<&str>, id: u32| name.map_or_else(|| id.to_string(), format::escaped);
        let Entry { uid, gid, .. } = row.entry;
        format!("{}:{}", name(owners.user(uid), uid), name(owners.group(gid), gid))
    };
    let widest = rows.iter().map(|row| owner(row).chars().count()).max().unwrap_or_default();
    for row in rows {
        let entry = &row.entry;
        let plain = entry.xattrs.as_ref().is_some_and(Vec::is_empty);
        writeln!(
            page.out,
            "{}{} {:widest$} {:>10} {:12} {:20} {}",
            format::mode(entry.content.kind(), entry.mode),
            if plain { ' ' } else { '+' },
            owner(row),
            size(&entry.content),
            digest(&entry.content),
            format::moment(&entry.mtime),
            file_name(row),
        )?;
        if page.view.verbosity == Verbosity::Verbose {
            xattrs(page, entry)?;
        }
    }
    Ok(())
}

fn xattrs(page: &mut Page<'_>, entry: &Entry) -> io::Result<()> {
    let Some(xattrs) = &entry.xattrs else {
        return writeln!(page.out, "            extended attributes could not be read");
    };
    for attribute in xattrs {
        let name = Escaped(&attribute.name).to_string();
        let value = xattr::decode(&name, &attribute.value)
            .map_or_else(|| Escaped(&attribute.value).to_string(), |text| format::escaped(&text));
        writeln!(page.out, "            {name}={value}")?;
    }
    Ok(())
}

fn size(content: &Content) -> String {
    match content {
        Content::File { size, .. } => format::bytes(*size),
        Content::CharacterDevice(device) | Content::BlockDevice(device) => device.to_string(),
        _ => "-".to_owned(),
    }
}

fn digest(content: &Content) -> String {
    match content {
        Content::File { digest: Some(digest), .. } => digest.short(),
        Content::File { digest: None, .. } => "unreadable".to_owned(),
        Content::Directory(DirectoryContent::Unread) => "unread".to_owned(),
        Content::Directory(DirectoryContent::LeftOut) => "left out".to_owned(),
        _ => "-".to_owned(),
    }
}

fn file_name(row: &FileRow) -> String {
    match &row.entry.content {
        Content::Symlink { target } => format!("{} -> {}", row.path, Escaped(target)),
        _ => row.path.to_string(),
    }
}

fn facts(page: &mut Page<'_>, manifest: &Manifest) -> io::Result<()> {
    let rows = manifest.records.facts.iter().map(|fact| {
        let pair = |(name, value): (&String, &String)| {
            format!("{}={}", format::escaped(name), format::escaped(value))
        };
        let attributes: Vec<String> = fact.attributes.iter().map(pair).collect();
        vec![
            Cell::new(format::escaped(&fact.scope)),
            Cell::new(format::escaped(&fact.key)),
            Cell::new(attributes.join(" ")),
        ]
    });
    let rows = rows.collect();
    page.table(Some(&["SCOPE", "KEY", "ATTRIBUTES"]), rows, &[], None)
}

fn events(page: &mut Page<'_>, manifest: &Manifest) -> io::Result<()> {
    let verbose = page.view.verbosity == Verbosity::Verbose;
    let rows = manifest.records.events.iter().map(|event| {
        let mut what: Vec<String> = vec![event_subjects(event)];
        let line = event.line.map_or_else(String::new, |line| format!(":{line}"));
        what.push(format!("{}{line}", event.source));
        if verbose {
            what.push(format::escaped(&event.text));
        }
        let detail = format::escaped(&event.detail);
        vec![
            Cell::new(event_time(event)),
            Cell::new(format!("{} {detail}", event.actor).trim_end()),
            Cell::new(format::escaped(&event.action)),
            Cell::new(what.join("\n").trim_start()),
        ]
    });
    let rows = rows.collect();
    page.table(Some(&["TIME", "ACTOR", "ACTION", "WHAT, AND WHERE IT IS WRITTEN"]), rows, &[], None)
}

/// The moment, with a question mark where the zone or the year is not certain.
fn event_time(event: &Event) -> String {
    match &event.time {
        Some(time) if time.certainty == TimeCertainty::Exact => format::moment(&time.at),
        Some(time) => format!("{}?", format::moment(&time.at)),
        None => "unknown".to_owned(),
    }
}

fn event_subjects(event: &Event) -> String {
    let subjects: Vec<String> = event
        .subjects
        .iter()
        .map(|subject| match subject {
            EventSubject::Path(path) => path.to_string(),
            EventSubject::Below(path) => format!("{path}/**"),
            EventSubject::Package { key, version } => {
                let version = version.as_deref().map_or_else(String::new, |v| format!(" {v}"));
                format::escaped(&format!("{key}{version}"))
            }
            EventSubject::Fact { scope, key } => format::escaped(&format!("{scope}/{key}")),
            EventSubject::Content { path, digest } => format!("{path} ({})", digest.short()),
        })
        .collect();
    subjects.join(", ")
}

fn gaps(page: &mut Page<'_>, manifest: &Manifest) -> io::Result<()> {
    let gaps = manifest.records.gaps.iter().map(|gap| {
        vec![
            Cell::new(gap.stage.as_str()),
            Cell::new(gap.path.to_string()),
            Cell::new(format::escaped(&gap.reason)),
        ]
    });
    let omissions = manifest.records.omissions.iter().map(|omission| {
        vec![
            Cell::new("left out"),
            Cell::new(omission.path.to_string()),
            Cell::new(format::escaped(&omission.reason)),
        ]
    });
    let rows = gaps.chain(omissions).collect();
    page.table(Some(&["STAGE", "PATH", "REASON"]), rows, &[], None)
}

/// What differs; what could not be compared is counted, and listed with `-v`.
fn verification(page: &mut Page<'_>, all: &Verification) -> io::Result<()> {
    if page.view.verbosity > Verbosity::Quiet {
        let rows = all.deviations.iter().map(|row| {
            vec![
                Cell::new(differs(row)),
                Cell::new(row.path.to_string()),
                Cell::new(format::escaped(&row.package.to_string())),
            ]
        });
        page.table(Some(&["DIFFERS", "PATH", "PACKAGE"]), rows.collect(), &[], None)?;
        let unread = all.unread.iter().map(|(path, reason)| {
            vec![
                Cell::new("unread"),
                Cell::new(path.to_string()),
                Cell::new(format::escaped(reason)),
            ]
        });
        page.list(unread.collect())?;
    }
    if page.view.verbosity == Verbosity::Verbose {
        let unverified = all.unverified.iter().map(|row| {
            let package = format::escaped(&row.package.to_string());
            let words = ["not verified", &row.path.to_string(), &package, row.reason];
            words.map(Cell::new).to_vec()
        });
        page.list(unverified.collect())?;
    }
    writeln!(
        page.out,
        "{} of packages: {} differ, {} compared, {} not verified",
        format::count(usize::try_from(all.claims).unwrap_or(usize::MAX), "path"),
        format::length(all.deviations.len()),
        format::count(usize::try_from(all.digests).unwrap_or(usize::MAX), "digest"),
        format::length(all.unverified.len()),
    )
}

fn differs(row: &Deviation) -> String {
    let mark = match row.source {
        ShippedSource::Configuration => "configuration: ",
        ShippedSource::File | ShippedSource::Ghost => "",
    };
    if row.is_missing {
        return format!("{mark}missing");
    }
    // Nobody reads digests.
    let one = |attribute: &crate::model::Attribute| match attribute.name.as_str() {
        "digest" => "content".to_owned(),
        _ => format::attribute(attribute),
    };
    format!("{mark}{}", row.attributes.iter().map(one).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::{self, golden};

    #[test]
    fn every_section_at_80_columns() {
        let manifest = testing::manifest();
        let files = testing::files();
        let owners = Owners::from_facts(&manifest.records.facts);
        let mut all = String::new();
        for section in [
            Section::Overview,
            Section::Packages,
            Section::Files(&files),
            Section::Facts,
            Section::Events,
            Section::Gaps,
            Section::Verification(&testing::verification()),
        ] {
            let report = ShowReport { manifest: &manifest, section, owners: &owners };
            let view = View { width: 80, verbosity: Verbosity::Verbose, ..View::PLAIN };
            let mut out = Vec::new();
            write(&report, &view, &mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            let listing = matches!(section, Section::Files(_));
            assert!(listing || text.lines().all(|line| line.chars().count() <= 80));
            assert!(!text.contains('\x1b'));
            all.push_str(&text);
            all.push('\n');
        }
        golden("show-80.txt", &all);
    }
}
