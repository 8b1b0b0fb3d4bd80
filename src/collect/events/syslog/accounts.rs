//! What shadow-utils and cron say they did. They do not say for whom: the events are steps of
//! something else, and attribution looks for what they were a step of.

use super::Message;
use crate::collect::events::{Sink, below, fact, path};
use crate::model::{CauseKind, EventSubject};

/// Programs whose messages are read here.
pub const TAGS: [&str; 13] = [
    "useradd", "usermod", "userdel", "groupadd", "groupmod", "groupdel", "gpasswd", "passwd",
    "chpasswd", "chage", "chfn", "chsh", "crontab",
];

/// The action of events that are a step of something else.
pub const STEP: &str = "step";

/// One message.
pub fn take(message: Message<'_>, sink: &mut Sink) {
    let subjects = subjects(message.tag, message.text);
    if subjects.is_empty() {
        return;
    }
    let text = format!("{}[{}]: {}", message.tag, message.pid, message.text);
    let mut event = message.at.event(CauseKind::Human, STEP, message.tag, &text);
    event.time = Some(message.time);
    event.subjects = subjects;
    event.forgeable = message.forgeable;
    sink.push(event);
}

fn subjects(tag: &str, text: &str) -> Vec<EventSubject> {
    let quoted = |phrase: &str| {
        let rest = text.split_once(phrase)?.1;
        rest.split('\'').next().filter(|name| !name.is_empty())
    };
    let field = |name: &str| {
        let rest = text.split_once(name)?.1;
        rest.split([',', ' ']).next().filter(|value| !value.is_empty())
    };
    let mut found = Vec::new();
    if text.starts_with("new user: ") {
        found.extend(field("name=").map(|name| fact("users", name)));
        found.extend(field("home=").and_then(below));
    } else if text.starts_with("new group: ") || text.starts_with("group added to ") {
        found.extend(field("name=").map(|name| fact("groups", name)));
    } else if let Some(name) = quoted("add '") {
        found.push(fact("users", name));
        found.extend(quoted("group '").map(|name| fact("groups", name)));
    } else if let Some(name) = quoted("delete user '").or(quoted("change user '")) {
        found.push(fact("users", name));
    } else if let Some(name) = quoted("removed group '").or(quoted("changed group '")) {
        found.push(fact("groups", name));
    } else if let Some(name) = quoted("password for '").or(quoted("password expiry for '")) {
        found.push(fact("users", name));
    } else if let Some(name) = quoted("lock user '").or(quoted("changed user '")) {
        found.push(fact("users", name));
    } else if let Some(name) = quoted("delete '") {
        found.push(fact("users", name));
        found.extend(quoted("group '").map(|name| fact("groups", name)));
    } else if let Some((_, rest)) = text.split_once("password changed for ") {
        found.extend(rest.split_whitespace().next().map(|name| fact("users", name)));
    } else if let Some((_, rest)) = text.split_once("changed password expiry for ") {
        found.extend(rest.split_whitespace().next().map(|name| fact("users", name)));
    } else if let Some((user, group)) = member(text) {
        found.push(fact("users", user));
        found.push(fact("groups", group));
    } else if tag == "crontab" && (text.contains(" REPLACE (") || text.contains(" DELETE (")) {
        let user = text.rsplit('(').next().unwrap_or_default().trim_end_matches(')');
        found.extend(path(&format!("/var/spool/cron/crontabs/{user}")));
        found.extend(path(&format!("/var/spool/cron/{user}")));
    }
    found
}

/// gpasswd's `user anna added by root to group docker`, `user anna removed by root from group x`.
fn member(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("user ")?;
    let (user, rest) = rest.split_once(' ')?;
    let (_, group) = rest.split_once(" group ")?;
    (rest.starts_with("added by") || rest.starts_with("removed by")).then_some((user, group.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(tag: &str, text: &str, expected: &[&str]) {
        let shown = subjects(tag, text).into_iter().map(|subject| match subject {
            EventSubject::Fact { scope, key } => format!("{scope} {key}"),
            EventSubject::Path(path) => path.to_string(),
            EventSubject::Below(path) => format!("{path}/"),
            _ => String::new(),
        });
        assert_eq!(shown.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn accounts() {
        let new = "new user: name=app, UID=999, GID=997, home=/home/app, shell=/x, from=none";
        check("useradd", new, &["users app", "/home/app/"]);
        check("useradd", "new group: name=app, GID=997", &["groups app"]);
        check("usermod", "add 'app' to shadow group 'sudo'", &["users app", "groups sudo"]);
        check("passwd", "password for 'app' changed by 'root'", &["users app"]);
        check("userdel", "delete user 'app'", &["users app"]);
        check("usermod", "lock user 'app' password", &["users app"]);
        check("usermod", "change user 'app' shell from '/a' to '/b'", &["users app"]);
        check("chpasswd", "pam_unix(chpasswd:chauthtok): password changed for app", &["users app"]);
        check("gpasswd", "user app added by root to group ops", &["users app", "groups ops"]);
        check("userdel", "delete 'app' from group 'ops'", &["users app", "groups ops"]);
        let cron = ["/var/spool/cron/crontabs/root", "/var/spool/cron/root"];
        check("crontab", "(root) REPLACE (root)", &cron);
        check("crontab", "(root) LIST (root)", &[]);
    }
}
