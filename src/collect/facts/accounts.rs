//! Users, groups, how they may log in, and subordinate ids: passwd(5), group(5), shadow(5),
//! subuid(5).
//!
//! Scopes `users`, `groups`, `logins`, `subuid` and `subgid`, the key is the account's name. Of a
//! password only its state is told: `password`, `empty`, `locked` (one is kept behind a `!`) or
//! `none` (nothing can match); neither the hash nor its salt leaves this file. The state is a
//! scope of its own because it has a file of its own, which often cannot be read.

use super::Sheet;
use super::lines::{self, Parsed};
use crate::collect::{Collector, View};
use crate::model::{Records, Timestamp};

/// Reads the account files.
pub static COLLECTOR: Collector = Collector {
    name: "accounts",
    version: 1,
    summary: "users, groups, login states and subordinate ids",
    wanted: &[],
    collect,
};

fn collect(view: &View<'_>, records: &mut Records) {
    let mut sheet = Sheet::new(view, records);
    if let Some((path, text)) = sheet.file("/etc/passwd") {
        let (users, skipped) = users(&text);
        for user in users {
            let attributes = [
                ("uid", user.uid),
                ("gid", user.gid),
                ("name", user.gecos),
                ("home", user.home),
                ("shell", user.shell),
            ];
            sheet.add("users", user.name, &path, &attributes);
        }
        sheet.skipped("users", &path, &skipped);
    }
    if let Some((path, text)) = sheet.file("/etc/group") {
        let (groups, skipped) = groups(&text);
        for group in groups {
            let attributes = [("gid", group.gid), ("members", &group.members)];
            sheet.add("groups", group.name, &path, &attributes);
        }
        sheet.skipped("groups", &path, &skipped);
    }
    if let Some((path, text)) = sheet.file("/etc/shadow") {
        let (logins, skipped) = logins(&text);
        for login in logins {
            let attributes = [
                ("login", login.state),
                ("hash", &login.hash),
                ("changed", &login.changed),
                ("aging", &login.aging),
                ("expires", &login.expires),
            ];
            sheet.add("logins", login.name, &path, &attributes);
        }
        sheet.skipped("logins", &path, &skipped);
    }
    for (scope, path) in [("subuid", "/etc/subuid"), ("subgid", "/etc/subgid")] {
        if let Some((path, text)) = sheet.file(path) {
            let (ranges, skipped) = ranges(&text);
            for (name, start, count) in ranges {
                sheet.add(scope, name, &path, &[("start", start), ("count", count)]);
            }
            sheet.skipped(scope, &path, &skipped);
        }
    }
}

/// A line of `passwd`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User<'a> {
    /// Login name; one that begins with `+` or `-` asks NIS.
    pub name: &'a str,
    /// A number, empty where NIS gives it.
    pub uid: &'a str,
    /// Primary group.
    pub gid: &'a str,
    /// Comment, by custom the full name.
    pub gecos: &'a str,
    /// Home directory.
    pub home: &'a str,
    /// Empty stands for `/bin/sh`.
    pub shell: &'a str,
}

/// Reads `passwd`.
#[must_use]
pub fn users(text: &str) -> Parsed<User<'_>> {
    lines::each(text, |line| {
        let fields: Vec<&str> = line.splitn(8, ':').collect();
        match fields.as_slice() {
            [name, _, uid, gid, gecos, home, shell] if is_account(name, &[uid, gid]) => {
                Ok(Some(User { name, uid, gid, gecos, home, shell }))
            }
            [name, ..] if is_nis(name) => {
                Ok(Some(User { name, uid: "", gid: "", gecos: "", home: "", shell: "" }))
            }
            // The line is not quoted: a misplaced one may hold a hash.
            _ => Err("no account"),
        }
    })
}

/// A line of `group`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group<'a> {
    /// Its name.
    pub name: &'a str,
    /// A number, empty where NIS gives it.
    pub gid: &'a str,
    /// Names in order, with spaces between.
    pub members: String,
}

/// Reads `group`.
#[must_use]
pub fn groups(text: &str) -> Parsed<Group<'_>> {
    lines::each(text, |line| {
        let fields: Vec<&str> = line.splitn(5, ':').collect();
        match fields.as_slice() {
            [name, _, gid, members] if is_account(name, &[gid]) => {
                let mut members: Vec<&str> =
                    members.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
                members.sort_unstable();
                members.dedup();
                Ok(Some(Group { name, gid, members: members.join(" ") }))
            }
            [name, ..] if is_nis(name) => Ok(Some(Group { name, gid: "", members: String::new() })),
            _ => Err("no group"),
        }
    })
}

fn is_account(name: &str, ids: &[&str]) -> bool {
    !name.is_empty() && !is_nis(name) && ids.iter().all(|id| id.parse::<u32>().is_ok())
}

fn is_nis(name: &str) -> bool {
    name.starts_with(['+', '-'])
}

/// What `shadow` says of an account, without what is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login<'a> {
    /// The account.
    pub name: &'a str,
    /// `password`, `empty`, `locked` or `none`.
    pub state: &'static str,
    /// Which algorithm hashed the password.
    pub hash: String,
    /// The day of the last change, `must` where one is asked for at the next login.
    pub changed: String,
    /// Minimum, maximum, warning and grace in days where they are not the usual `0 99999 7`.
    pub aging: String,
    /// The day on which the account ends.
    pub expires: String,
}

/// Reads `shadow`.
#[must_use]
pub fn logins(text: &str) -> Parsed<Login<'_>> {
    lines::each(text, |line| {
        let fields: Vec<&str> = line.splitn(10, ':').collect();
        let [name, password, changed, min, max, warn, grace, expires, _] = fields.as_slice() else {
            return Err("no login");
        };
        let (state, hash) = password_state(password);
        let aging = match [*min, *max, *warn, *grace] {
            ["0" | "", "99999" | "", "7" | "", ""] => String::new(),
            other => other.map(number).join(" "),
        };
        let changed = if *changed == "0" { "must".to_owned() } else { day(changed) };
        Ok(Some(Login { name, state, hash, changed, aging, expires: day(expires) }))
    })
}

fn number(field: &str) -> &str {
    match field.parse::<i64>() {
        Ok(_) => field,
        Err(_) if field.is_empty() => "-",
        Err(_) => "unclear",
    }
}

/// What can be done with the second field of `shadow`.
fn password_state(field: &str) -> (&'static str, String) {
    let locked = field.starts_with('!');
    let hash = field.trim_start_matches('!');
    let algorithm = algorithm(hash);
    match (locked, hash) {
        (false, "") => ("empty", String::new()),
        (_, _) if algorithm.is_empty() => ("none", String::new()),
        (true, _) => ("locked", algorithm),
        (false, _) => ("password", algorithm),
    }
}

/// The method of crypt(5), by its prefix; empty for what no password hashes to.
fn algorithm(hash: &str) -> String {
    let method = hash.strip_prefix('$').and_then(|rest| rest.split('$').next());
    let known = match method {
        Some("1") => "md5",
        Some("2a" | "2b" | "2x" | "2y") => "bcrypt",
        Some("5") => "sha256",
        Some("6") => "sha512",
        Some("y") => "yescrypt",
        Some("gy") => "gost-yescrypt",
        Some("7") => "scrypt",
        Some("sha1") => "sha1",
        Some("md5") => "sunmd5",
        Some(_) => "unknown",
        None if hash.starts_with('_') => "bsdi",
        None if hash.len() == 13 && !hash.contains('*') => "des",
        None => "",
    };
    known.to_owned()
}

/// Days since 1970 as a date. What is no such number is not shown: it may be a misplaced hash.
fn day(days: &str) -> String {
    let seconds = days.parse::<i64>().ok().and_then(|days| days.checked_mul(86_400));
    match seconds {
        Some(seconds) => {
            let moment = Timestamp::from_seconds(seconds).to_string();
            moment.split('T').next().unwrap_or_default().to_owned()
        }
        None if days.is_empty() => String::new(),
        None => "unclear".to_owned(),
    }
}

/// Reads `subuid` and `subgid`: account, first id, how many.
#[must_use]
pub fn ranges(text: &str) -> Parsed<(&str, &str, &str)> {
    lines::each(text, |line| {
        let mut fields = line.split(':');
        match (fields.next(), fields.next(), fields.next(), fields.next()) {
            (Some(name), Some(start), Some(count), None) if is_account(name, &[start, count]) => {
                Ok(Some((name, start, count)))
            }
            _ => Err("no range"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, skipped};
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    #[test]
    fn accounts_without_their_secrets() {
        let mut tree = MemoryFilesystem::new();
        check(&COLLECTOR, &tree, &[], &[]);
        tree.file("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\n\n+@staff::::::\njunk:$6$a\n")
            .file("/etc/group", "sudo:x:27:deploy,ann\nempty:x:5:\nbad:x:y:\n")
            .file("/etc/shadow", "root:$6$s$h:19000:0:99999:7:::\nann:!$y$a:0:0:9:7:::\n")
            .file("/etc/subuid", "deploy:100000:65536\n")
            .file("/etc/subgid", "deploy:x\n");
        check(
            &COLLECTOR,
            &tree,
            &[
                "users/root gid=0 home=/root name=root shell=/bin/bash uid=0 @/etc/passwd",
                "users/+@staff @/etc/passwd",
                &skipped("users", "/etc/passwd", "no account", "junk:$6$a"),
                "groups/sudo gid=27 members=ann deploy @/etc/group",
                "groups/empty gid=5 @/etc/group",
                &skipped("groups", "/etc/group", "no group", "bad:x:y:"),
                "logins/root changed=2022-01-08 hash=sha512 login=password @/etc/shadow",
                "logins/ann aging=0 9 7 - changed=must hash=yescrypt login=locked @/etc/shadow",
                "subuid/deploy count=65536 start=100000 @/etc/subuid",
                &skipped("subgid", "/etc/subgid", "no range", "deploy:x"),
            ],
            &[],
        );
    }

    #[test]
    fn states_of_passwords() {
        let check = |field: &str, expected: (&str, &str)| {
            let (state, hash) = password_state(field);
            assert_eq!((state, hash.as_str()), expected, "{field}");
        };
        check("", ("empty", ""));
        check("*", ("none", ""));
        check("!", ("none", ""));
        check("!!", ("none", ""));
        check("!*", ("none", ""));
        check("x", ("none", ""));
        check("abCDefGHijKLm", ("password", "des"));
        check("!$2b$05$x", ("locked", "bcrypt"));
        check("$9$x", ("password", "unknown"));
    }

    #[test]
    fn days_may_be_anything() {
        let check = |days: &str, expected: &str| assert_eq!(day(days), expected);
        check("", "");
        check("1", "1970-01-02");
        check("$6$a", "unclear");
        check("9223372036854775807", "unclear");
    }
}
