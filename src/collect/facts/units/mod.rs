//! Units of systemd (systemd.unit(5)), runlevel links of System V and OpenRC.
//!
//! Scope `units` (`user-units` for those of user managers): by the words of
//! `systemctl is-enabled`, as far as files alone say it. A drop-in is a fact of its own under
//! `UNIT.d/NAME`, and so is what `default.target` stands for. Scope `runlevels`: in which a script
//! is started and stopped. Generated and run-time units are not of the image.

mod folder;

use self::folder::{Folder, Link, LinkKind};
use super::{Sheet, decode};
use crate::collect::{Collector, View};
use crate::filesystem::resolve::{LastLink, resolve};
use crate::model::{Records, TreePath};
use std::collections::{BTreeMap, BTreeSet};

/// Reads unit directories and runlevels.
pub static COLLECTOR: Collector = Collector {
    name: "units",
    version: 1,
    summary: "systemd units: enabled, masked, overridden, timers; runlevel links",
    wanted: &[],
    collect,
};

/// The first directory that has a unit decides what it is.
const SYSTEM: [&str; 4] = [
    "/etc/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
const USER: [&str; 4] = [
    "/etc/systemd/user",
    "/usr/local/lib/systemd/user",
    "/usr/lib/systemd/user",
    "/lib/systemd/user",
];

/// What is in `[Timer]` that says when.
const SCHEDULES: [&str; 6] = [
    "OnCalendar",
    "OnBootSec",
    "OnStartupSec",
    "OnUnitActiveSec",
    "OnUnitInactiveSec",
    "OnActiveSec",
];

fn collect(view: &View<'_>, records: &mut Records) {
    let mut sheet = Sheet::new(view, records);
    units(&mut sheet, "units", &SYSTEM);
    units(&mut sheet, "user-units", &USER);
    runlevels(&mut sheet);
}

fn units(sheet: &mut Sheet<'_>, scope: &'static str, directories: &[&str]) {
    let mut folders: Vec<Folder> = Vec::new();
    let mut seen: Vec<TreePath> = Vec::new();
    for directory in directories {
        let path = TreePath::parse(directory);
        // `/lib` is `/usr/lib` on most systems.
        let real = resolve(sheet.reader.filesystem, &path, LastLink::Follow);
        let Some(real) = sheet.reader.keep(&path, real) else { continue };
        if !seen.contains(&real.path) {
            folders.push(Folder::read(sheet, &path));
            seen.push(real.path);
        }
    }
    let links: Vec<&Link> = folders.iter().flat_map(|folder| &folder.links).collect();
    let mut wanted: BTreeMap<&str, Vec<&Link>> = BTreeMap::new();
    // As systemctl has it, a template is enabled where one of its instances is.
    let mut instances: BTreeMap<String, &Link> = BTreeMap::new();
    for link in links {
        wanted.entry(&link.unit).or_default().push(link);
        if let (true, Some(template)) = (link.is_local, template(&link.unit)) {
            instances.entry(template).or_insert(link);
        }
    }
    let names = folders.iter().flat_map(|folder| folder.units.keys().map(String::as_str));
    let names: BTreeSet<&str> = names.chain(wanted.keys().copied()).collect();
    for name in names {
        let links = wanted.get(name).map_or(&[][..], Vec::as_slice);
        unit(sheet, scope, name, &folders, (links, instances.get(name).copied()));
    }
    for (key, path) in folders.iter().flat_map(|folder| &folder.drop_ins) {
        sheet.add(scope, key, path, &[]);
    }
}

fn unit(
    sheet: &mut Sheet<'_>,
    scope: &'static str,
    name: &str,
    folders: &[Folder],
    (links, instance): (&[&Link], Option<&Link>),
) {
    let mut found = folders.iter().filter_map(|folder| folder.units.get(name));
    let own = found.next();
    let hidden = found.next().map(|path| path.path.to_string()).unwrap_or_default();
    let by = |is_alias: bool| {
        let links = links.iter().filter(|link| link.is_alias == is_alias);
        let names: BTreeSet<&str> = links.map(|link| link.by.as_str()).collect();
        names.into_iter().collect::<Vec<_>>().join(" ")
    };
    let (wanted_by, aliases) = (by(false), by(true));
    let template = template(name).filter(|_| own.is_none());
    let source = own.or_else(|| {
        let template = template.as_deref()?;
        folders.iter().find_map(|folder| folder.units.get(template))
    });
    let enabling = links.iter().copied().find(|link| link.is_local).or(instance);
    // Names that `[Install]` gives the unit; under another it is in use, but not enabled.
    let mut own_names = String::new();
    let Some(source) = source else {
        // What wants a unit that is not there does nothing; but it is there to be filled.
        if let Some(link) = enabling.or(links.first().copied()) {
            let attributes = [("state", "not-found"), ("wanted-by", &wanted_by)];
            sheet.add(scope, name, &link.path, &attributes);
        }
        return;
    };
    let (mut target, mut schedule) = (String::new(), String::new());
    let mut state = match &source.kind {
        LinkKind::Null => "masked",
        LinkKind::To(to) => {
            target.clone_from(to);
            if to.ends_with(&format!("/{name}")) { "linked" } else { "alias" }
        }
        LinkKind::No => match sheet.reader.node(&source.path, &source.node) {
            Some(bytes) if bytes.is_empty() => "masked",
            Some(bytes) => {
                let text = decode(&bytes);
                schedule = folder::values(&text, "Timer", &SCHEDULES);
                own_names = folder::values(&text, "Install", &["Alias"]).replace('=', " ");
                folder::install_state(&text)
            }
            None => "unknown",
        },
    };
    let mut evidence = &source.path;
    let is_own =
        |link: &&Link| !link.is_alias || own_names.split_whitespace().any(|name| name == link.by);
    let local = links.iter().copied().filter(|link| link.is_local);
    match (state, local.clone().find(is_own).or(instance), enabling) {
        ("masked" | "alias", ..) | (_, None, None) => {}
        (_, Some(link), _) => (state, evidence) = ("enabled", &link.path),
        (_, None, Some(link)) => (state, evidence) = ("indirect", &link.path),
    }
    let attributes = [
        ("state", state),
        ("wanted-by", &wanted_by),
        ("aliases", &aliases),
        ("target", &target),
        ("template", template.as_deref().unwrap_or_default()),
        ("overrides", &hidden),
        ("schedule", &schedule),
    ];
    sheet.add(scope, name, evidence, &attributes);
}

/// `getty@.service` of its instance `getty@tty1.service`.
fn template(name: &str) -> Option<String> {
    let (stem, rest) = name.split_once('@')?;
    let (instance, kind) = rest.rsplit_once('.')?;
    (!instance.is_empty()).then(|| format!("{stem}@.{kind}"))
}

/// `rcN.d/S01name` and `runlevels/LEVEL/name`.
fn runlevels(sheet: &mut Sheet<'_>) {
    let mut levels: BTreeMap<String, (BTreeSet<String>, BTreeSet<String>, TreePath)> =
        BTreeMap::new();
    let mut note = |name: &str, level: &str, starts: bool, path: TreePath| {
        let (start, stop, _) = levels
            .entry(name.to_owned())
            .or_insert_with(|| (BTreeSet::new(), BTreeSet::new(), path));
        if starts { start } else { stop }.insert(level.to_owned());
    };
    for level in ["0", "1", "2", "3", "4", "5", "6", "S"] {
        for directory in [format!("/etc/rc{level}.d"), format!("/etc/rc.d/rc{level}.d")] {
            let directory = TreePath::parse(directory);
            for (name, _) in sheet.reader.list(&directory) {
                let text = name.to_string();
                let script = text.get(1..).unwrap_or_default();
                let script = script.trim_start_matches(|c: char| c.is_ascii_digit());
                if text.starts_with(['S', 'K']) && !script.is_empty() {
                    note(script, level, text.starts_with('S'), directory.join(&name));
                }
            }
        }
    }
    let openrc = TreePath::parse("/etc/runlevels");
    for (level, _) in sheet.reader.list_directories(&openrc) {
        let directory = openrc.join(&level);
        for (name, _) in sheet.reader.list(&directory) {
            note(&name.to_string(), &level.to_string(), true, directory.join(&name));
        }
    }
    for (name, (start, stop, path)) in levels {
        let words = |levels: BTreeSet<String>| levels.into_iter().collect::<Vec<_>>().join(" ");
        sheet.add("runlevels", &name, &path, &[("start", &words(start)), ("stop", &words(stop))]);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::check;
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    #[test]
    fn states_are_those_of_systemctl() {
        let mut tree = MemoryFilesystem::new();
        tree.symlink("/lib", "usr/lib");
        let lib = "/usr/lib/systemd/system";
        let etc = "/etc/systemd/system";
        let install = "[Unit]\n[Install]\nWantedBy=multi-user.target\n";
        tree.file(&format!("{lib}/a.service"), install)
            .file(&format!("{lib}/b.service"), install)
            .file(&format!("{lib}/c.service"), "[Service]\n")
            .file(&format!("{lib}/d.service"), install)
            .file(&format!("{lib}/e@.service"), install)
            .file(&format!("{lib}/f.service"), install)
            .file(&format!("{lib}/h.service"), "[Install]\nAlias=hh.service\n")
            .symlink(&format!("{etc}/hh.service"), "/lib/systemd/system/h.service")
            .file(&format!("{lib}/g.timer"), "[Timer]\nOnCalendar=daily\n[Install]\nAlso=x\n")
            .symlink(&format!("{lib}/default.target"), "graphical.target")
            .file(&format!("{lib}/graphical.target"), "[Unit]\n")
            .symlink(&format!("{lib}/basic.target.wants/c.service"), "../c.service")
            .symlink(
                &format!("{etc}/multi-user.target.wants/a.service"),
                "/lib/systemd/system/a.service",
            )
            .symlink(
                &format!("{etc}/multi-user.target.wants/e@1.service"),
                "/lib/systemd/system/e@.service",
            )
            .symlink(&format!("{etc}/multi-user.target.wants/gone.service"), "/x/gone.service")
            .symlink(&format!("{etc}/d.service"), "/dev/null")
            .symlink(&format!("{etc}/ff.service"), "/lib/systemd/system/f.service")
            .symlink(&format!("{etc}/l.service"), "/opt/l.service")
            .file(&format!("{etc}/b.service"), install)
            .file(&format!("{etc}/a.service.d/o.conf"), "[Service]\n");
        check(
            &COLLECTOR,
            &tree,
            &[
                "units/a.service state=enabled wanted-by=multi-user.target @/etc/systemd/system/multi-user.target.wants/a.service",
                "units/b.service overrides=/usr/lib/systemd/system/b.service state=disabled @/etc/systemd/system/b.service",
                "units/c.service state=static wanted-by=basic.target @/usr/lib/systemd/system/c.service",
                "units/d.service overrides=/usr/lib/systemd/system/d.service state=masked @/etc/systemd/system/d.service",
                "units/default.target state=alias target=graphical.target @/usr/lib/systemd/system/default.target",
                "units/e@.service state=enabled @/etc/systemd/system/multi-user.target.wants/e@1.service",
                "units/e@1.service state=enabled template=e@.service wanted-by=multi-user.target @/etc/systemd/system/multi-user.target.wants/e@1.service",
                "units/f.service aliases=ff.service state=indirect @/etc/systemd/system/ff.service",
                "units/ff.service state=alias target=/lib/systemd/system/f.service @/etc/systemd/system/ff.service",
                "units/g.timer schedule=OnCalendar=daily state=indirect @/usr/lib/systemd/system/g.timer",
                "units/gone.service state=not-found wanted-by=multi-user.target @/etc/systemd/system/multi-user.target.wants/gone.service",
                "units/graphical.target aliases=default.target state=static @/usr/lib/systemd/system/graphical.target",
                "units/h.service aliases=hh.service state=enabled @/etc/systemd/system/hh.service",
                "units/hh.service state=alias target=/lib/systemd/system/h.service @/etc/systemd/system/hh.service",
                "units/l.service state=linked target=/opt/l.service @/etc/systemd/system/l.service",
                "units/a.service.d/o.conf @/etc/systemd/system/a.service.d/o.conf",
            ],
            &[],
        );
    }

    #[test]
    fn runlevels_of_both_kinds() {
        let mut tree = MemoryFilesystem::new();
        tree.symlink("/etc/rc2.d/S01cron", "../init.d/cron")
            .symlink("/etc/rc0.d/K01cron", "../init.d/cron")
            .file("/etc/rc2.d/README", "")
            .symlink("/etc/runlevels/default/sshd", "/etc/init.d/sshd");
        check(
            &COLLECTOR,
            &tree,
            &[
                "runlevels/cron start=2 stop=0 @/etc/rc0.d/K01cron",
                "runlevels/sshd start=default @/etc/runlevels/default/sshd",
            ],
            &[],
        );
    }
}
