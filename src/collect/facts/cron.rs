//! What runs at set times: crontab(5), anacrontab(5), the directories of run-parts(8), and at(1).
//!
//! Scope `cron`: of a line, user and command are the key and the schedule is a value; of a script
//! in `cron.daily` and its like, directory and name are the key. A variable is keyed by its file.
//! Scope `at`: the names of waiting jobs. Commands are shown without their secrets.

use super::lines::{self, Parsed};
use super::redact::redact;
use super::{Sheet, decode};
use crate::collect::{Collector, View};
use crate::model::{Records, TreePath};

/// Reads tables, directories and spools.
pub static COLLECTOR: Collector = Collector {
    name: "cron",
    version: 1,
    summary: "cron tables of the system and of users, scripts of cron directories, at jobs",
    wanted: &[],
    collect,
};

/// Tables of users: Debian, Red Hat and SUSE, Alpine.
const SPOOLS: [&str; 4] =
    ["/var/spool/cron/crontabs", "/var/spool/cron/tabs", "/var/spool/cron", "/etc/crontabs"];

/// Directories of scripts, most of them run by run-parts.
const SCRIPTS: [&str; 10] = [
    "/etc/cron.hourly",
    "/etc/cron.daily",
    "/etc/cron.weekly",
    "/etc/cron.monthly",
    "/etc/cron.yearly",
    "/etc/periodic/15min",
    "/etc/periodic/hourly",
    "/etc/periodic/daily",
    "/etc/periodic/weekly",
    "/etc/periodic/monthly",
];

/// Waiting jobs: Debian, Red Hat.
const AT_SPOOLS: [&str; 2] = ["/var/spool/cron/atjobs", "/var/spool/at"];

fn collect(view: &View<'_>, records: &mut Records) {
    let mut sheet = Sheet::new(view, records);
    table(&mut sheet, &TreePath::parse("/etc/crontab"), Owner::InLine);
    let directory = TreePath::parse("/etc/cron.d");
    for (name, _) in sheet.reader.list(&directory) {
        if is_run(name.as_bytes()) {
            table(&mut sheet, &directory.join(&name), Owner::InLine);
        }
    }
    table(&mut sheet, &TreePath::parse("/etc/anacrontab"), Owner::Anacron);
    for spool in SPOOLS.map(TreePath::parse) {
        for (name, _) in sheet.reader.list(&spool) {
            table(&mut sheet, &spool.join(&name), Owner::User(&name.to_string()));
        }
    }
    for directory in SCRIPTS.map(TreePath::parse) {
        let short = directory.to_string().replace("/etc/", "");
        for (name, node) in sheet.reader.list(&directory) {
            if name.as_bytes() == b".placeholder" {
                continue;
            }
            let mode = sheet.reader.filesystem.metadata(&node).map_or(0, |metadata| metadata.mode);
            // Fedora's run-parts takes names with dots, so what runs is told by both.
            let runs = if mode & 0o111 != 0 { "yes" } else { "no" };
            let attributes = [("executable", runs)];
            sheet.add("cron", &format!("{short}/{name}"), &directory.join(&name), &attributes);
        }
    }
    for spool in AT_SPOOLS.map(TreePath::parse) {
        for (name, _) in sheet.reader.list(&spool) {
            if !name.as_bytes().starts_with(b".") && name.as_bytes() != b"spool" {
                sheet.add("at", &name.to_string(), &spool.join(&name), &[]);
            }
        }
    }
}

/// Cron passes over names that are not of these characters.
fn is_run(name: &[u8]) -> bool {
    name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

fn table(sheet: &mut Sheet<'_>, path: &TreePath, owner: Owner<'_>) {
    let Some(bytes) = sheet.reader.file(path) else { return };
    let (lines, skipped) = parse(&decode(&bytes), owner);
    for line in lines {
        match line {
            Line::Job { schedule, user, command } => {
                let key = format!("{user}: {}", redact(&command));
                sheet.add("cron", &key, path, &[("schedule", &schedule)]);
            }
            Line::Variable { name, value } => {
                let shown = redact(&format!("{name}={value}"));
                let value = shown.split_once('=').map_or("", |(_, value)| value);
                sheet.add("cron", &format!("{path} {name}"), path, &[("value", value)]);
            }
        }
    }
    sheet.skipped("cron", path, &skipped);
}

/// Whose jobs a table has.
#[derive(Clone, Copy, Debug)]
pub enum Owner<'a> {
    /// Each line names a user before its command.
    InLine,
    /// The table is one user's own.
    User(&'a str),
    /// Root's, with anacron's columns: period, delay, name, command.
    Anacron,
}

/// A line of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A command.
    Job {
        /// Five columns, `@daily` and its like, or anacron's period and delay.
        schedule: String,
        /// As whom.
        user: String,
        /// What.
        command: String,
    },
    /// A setting for the commands.
    Variable {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
}

/// Reads a table.
#[must_use]
pub fn parse(text: &str, owner: Owner<'_>) -> Parsed<Line> {
    lines::each(text, |line| variable(line).or_else(|| job(line, owner)).map(Some).ok_or("no job"))
}

fn variable(line: &str) -> Option<Line> {
    let (name, value) = line.split_once('=')?;
    let name = name.trim().trim_matches(['"', '\'']);
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let is_name = starts && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let value = value.trim().trim_matches(['"', '\'']);
    is_name.then(|| Line::Variable { name: name.to_owned(), value: value.to_owned() })
}

fn job(line: &str, owner: Owner<'_>) -> Option<Line> {
    // A leading minus keeps SUSE's cron from logging.
    let line = line.strip_prefix('-').unwrap_or(line);
    let columns = match owner {
        Owner::Anacron => 3,
        _ if line.starts_with('@') => 1,
        _ => 5,
    };
    let mut rest = line;
    let mut next = || {
        let (word, after) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
        rest = after.trim_start();
        Some(word.to_owned()).filter(|word| !word.is_empty())
    };
    let schedule = (0..columns).map(|_| next()).collect::<Option<Vec<_>>>()?;
    let is_time = |word: &String| {
        word.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '*' | '@'))
            || word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, ',' | '-' | '/'))
    };
    let user = match owner {
        Owner::InLine => next()?,
        Owner::User(name) => name.to_owned(),
        Owner::Anacron => "root".to_owned(),
    };
    let command = rest.to_owned();
    let fits = !command.is_empty() && schedule.first().is_some_and(is_time);
    fits.then(|| Line::Job { schedule: schedule.join(" "), user, command })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, skipped};
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    #[test]
    fn cron_of_every_kind() {
        let mut tree = MemoryFilesystem::new();
        tree.file("/etc/crontab", "SHELL=/bin/sh\n17 *\t* * *\troot    cd / && run\nx\n")
            .file("/etc/cron.d/app", "@reboot app run --token t\n")
            .file("/etc/cron.d/app.dpkg-old", "* * * * * root no\n")
            .file("/etc/anacrontab", "1\t5\tcron.daily\trun-parts /etc/cron.daily\n")
            .file("/var/spool/cron/crontabs/root", "#Ansible: x\n*/5 * * * mon-fri /opt/a b=c\n")
            .file("/etc/cron.daily/dpkg", "#!")
            .file("/etc/cron.daily/.placeholder", "")
            .file("/var/spool/cron/atjobs/a0000101c", "")
            .directory("/var/spool/cron/atspool");
        tree.change("/etc/cron.daily/dpkg", |metadata| metadata.mode = 0o755);
        check(
            &COLLECTOR,
            &tree,
            &[
                "cron//etc/crontab SHELL value=/bin/sh @/etc/crontab",
                "cron/root: cd / && run schedule=17 * * * * @/etc/crontab",
                &skipped("cron", "/etc/crontab", "no job", "x"),
                "cron/app: run --token *** schedule=@reboot @/etc/cron.d/app",
                "cron/root: run-parts /etc/cron.daily schedule=1 5 cron.daily @/etc/anacrontab",
                "cron/root: /opt/a b=c schedule=*/5 * * * mon-fri @/var/spool/cron/crontabs/root",
                "cron/cron.daily/dpkg executable=yes @/etc/cron.daily/dpkg",
                "at/a0000101c @/var/spool/cron/atjobs/a0000101c",
            ],
            &[],
        );
    }
}
