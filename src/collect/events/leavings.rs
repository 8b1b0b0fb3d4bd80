//! What provisioners leave lying about: scripts of Terraform and Packer in `/tmp`, Ansible's
//! working directories and backups, and the places that are a tool's own.

use super::log::at_path;
use super::zone::{Zone, civil};
use super::{At, Sink, command};
use crate::collect::reader::Reader;
use crate::collect::{Collector, View};
use crate::filesystem::resolve::{LastLink, read_node, resolve};
use crate::model::{CauseKind, EventSubject, EventTime, Records, Stage, TimeCertainty, TreePath};

/// The row of the table.
pub static COLLECTOR: Collector = Collector {
    name: "events-leavings",
    version: 2,
    summary: "scripts, backups and directories that provisioners left",
    wanted: &["terraform_*", "terraform-*", "packer*", "script_*", "*~", ".ansible"],
    collect,
};

/// Of one script; inline provisioners have some kilobytes.
const MAX_SCRIPT: u64 = 1 << 20;

/// Where tools keep what they know of themselves, and nobody else writes.
const PLACES: [(CauseKind, &str); 7] = [
    (CauseKind::Puppet, "/var/cache/puppet"),
    (CauseKind::Puppet, "/var/lib/puppet"),
    (CauseKind::Puppet, "/opt/puppetlabs/puppet/cache"),
    (CauseKind::Chef, "/var/chef"),
    (CauseKind::Chef, "/var/cache/chef"),
    (CauseKind::Salt, "/var/cache/salt"),
    (CauseKind::CloudInit, "/var/lib/cloud"),
];

fn collect(view: &View<'_>, records: &mut Records) {
    let mut reader = Reader::new(view, records, Stage::Events, 0);
    let zone = Zone::read(reader.filesystem);
    let mut sink = Sink::default();
    for (actor, place) in PLACES {
        let path = TreePath::parse(place);
        if reader.directory(&path).is_some() {
            let text = "the place where this tool keeps what it knows of itself";
            let mut event = At { path: &path, line: None }.event(actor, "leave", "own state", text);
            event.subjects = vec![EventSubject::Below(path.clone())];
            event.forgeable = true;
            sink.push(event);
        }
    }
    for path in view.found {
        let name = path.file_name().map(String::from_utf8_lossy).unwrap_or_default();
        if let Some((actor, detail)) = script(path, &name) {
            scripts(&mut reader, path, actor, detail, &mut sink);
        } else if name == ".ansible" {
            working_directory(&mut reader, path, &mut sink);
        } else if let Some((original, time)) = backup(path) {
            let text = format!("a backup of {original} as Ansible's backup=yes names it");
            let mut event =
                At { path, line: None }.event(CauseKind::Ansible, "backup", "backup", &text);
            event.time = civil(&time).and_then(|time| {
                // Its own time of change tells the zone of then; its modification was the original's.
                let made = at_path(&mut reader, path).and_then(|log| log.ctime);
                made.map_or_else(|| zone.clone(), |made| zone.of_log(time, made)).time(time)
            });
            event.subjects = vec![EventSubject::Path(original), EventSubject::Path(path.clone())];
            sink.push(event);
        }
    }
    reader.records.events.extend(sink.into_events());
}

/// Whose script it is, by where it lies and how it is named (Terraform's `remote-exec` default
/// `script_path`, Packer's `shell` provisioner's).
fn script(path: &TreePath, name: &str) -> Option<(CauseKind, &'static str)> {
    let parent = path.parent()?;
    if !matches!(parent.as_bytes(), b"/tmp" | b"/var/tmp") {
        return None;
    }
    let digits = |start: &str| {
        let rest = name.strip_prefix(start)?;
        let rest = rest.strip_suffix(".sh").unwrap_or(rest);
        (!rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit())).then_some(())
    };
    if digits("terraform_").is_some() {
        return Some((CauseKind::Terraform, "remote-exec"));
    }
    if digits("script_").is_some() || name.starts_with("packer") {
        return Some((CauseKind::Packer, "shell"));
    }
    None
}

/// A script that was run and left: itself, and what its lines name.
pub(super) fn scripts(
    reader: &mut Reader<'_>,
    path: &TreePath,
    actor: CauseKind,
    detail: &str,
    sink: &mut Sink,
) {
    let Some(log) = at_path(reader, path) else { return };
    let time = EventTime { at: log.mtime, certainty: TimeCertainty::Exact };
    let text = "a script that was uploaded, run, and left behind";
    let mut own = At { path, line: None }.event(actor, "leave", detail, text);
    own.time = Some(time);
    own.subjects = vec![EventSubject::Path(path.clone())];
    own.forgeable = true;
    sink.push(own);
    let filesystem = reader.filesystem;
    let bytes = log.open(filesystem).and_then(|node| read_node(filesystem, &node, MAX_SCRIPT));
    let Some(bytes) = reader.keep(path, bytes) else { return };
    for (subjects, line, quoted) in command::of_script(&String::from_utf8_lossy(&bytes), "/root") {
        let mut event = At { path, line }.event(actor, "run", detail, &quoted);
        event.time = Some(time);
        event.subjects = subjects;
        event.forgeable = true;
        sink.push(event);
    }
}

/// `~/.ansible/tmp`, where Ansible's modules are put while they run.
fn working_directory(reader: &mut Reader<'_>, path: &TreePath, sink: &mut Sink) {
    let inner = crate::collect::reader::below(path, "tmp");
    let found = resolve(reader.filesystem, &inner, LastLink::Keep);
    if reader.keep(&inner, found).is_none() {
        return;
    }
    let text = "the directory in which Ansible's modules are put while they run";
    let mut event = At { path, line: None }.event(CauseKind::Ansible, "leave", "connection", text);
    event.subjects = vec![EventSubject::Path(path.clone()), EventSubject::Below(inner)];
    event.forgeable = true;
    sink.push(event);
}

/// `PATH.PID.YYYY-MM-DD@HH:MM:SS~` (`AnsibleModule.backup_local`): the path and the local time.
fn backup(path: &TreePath) -> Option<(TreePath, String)> {
    let text = path.as_plain_str()?.strip_suffix('~')?;
    let (rest, time) = text.rsplit_once('.')?;
    let (original, pid) = rest.rsplit_once('.')?;
    let is_pid = !pid.is_empty() && pid.bytes().all(|b| b.is_ascii_digit());
    let time = time.replacen('@', " ", 1);
    (is_pid && civil(&time).is_some()).then(|| (TreePath::parse(original), time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    #[test]
    fn names_tell() {
        let check = |path: &str, expected: Option<&str>| {
            let found = backup(&TreePath::parse(path)).map(|(path, time)| format!("{path} {time}"));
            assert_eq!(found.as_deref(), expected);
        };
        let name = "/etc/ssh/sshd_config.809.2026-11-23@01:59:13~";
        check(name, Some("/etc/ssh/sshd_config 2026-11-23 01:59:13"));
        check("/etc/x~", None);
        check("/etc/x.a.2026-11-23@01:59:13~", None);
        check("/etc/x.1.2026-13-23@01:59:13~", None);
        let script = |path: &str| {
            let path = TreePath::parse(path);
            script(&path, &String::from_utf8_lossy(path.file_name().unwrap())).map(|one| one.0)
        };
        assert_eq!(script("/tmp/terraform_1385657448.sh"), Some(CauseKind::Terraform));
        assert_eq!(script("/tmp/script_1234.sh"), Some(CauseKind::Packer));
        assert_eq!(script("/home/terraform_1.sh"), None);
        assert_eq!(script("/tmp/terraform_plan"), None);
    }

    #[test]
    fn a_script_says_what_it_ran() {
        let mut tree = MemoryFilesystem::new();
        tree.file("/tmp/terraform_1.sh", "#!/bin/sh\nmkdir /srv/a\nls\n");
        let found = [TreePath::parse("/tmp/terraform_1.sh")];
        let mut records = Records::default();
        collect(&View { filesystem: &tree, found: &found }, &mut records);
        let shown: Vec<&str> = records.events.iter().map(|event| event.action.as_str()).collect();
        assert_eq!(shown, ["leave", "run"]);
        assert!(records.gaps.is_empty());
    }
}
