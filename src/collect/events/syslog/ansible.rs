//! Ansible's modules, which log `Invoked with` and their arguments unless `no_log` is set: each
//! task with what it names.

use super::Message;
use crate::collect::events::python::{arguments, strings};
use crate::collect::events::{Sink, below, command, fact, package, path, unit};
use crate::model::{CauseKind, EventSubject};

/// One message: `ansible-MODULE: Invoked with …`, or the same in the text where the tag is
/// Python's.
pub fn take(message: Message<'_>, sink: &mut Sink) {
    let (module, rest) = match message.tag.strip_prefix("ansible-") {
        Some(module) => (module, message.text),
        None => {
            let Some(rest) = message.text.strip_prefix("ansible-") else { return };
            let Some((module, rest)) = rest.split_once(' ') else { return };
            (module.trim_end_matches(':'), rest)
        }
    };
    let Some(rest) = rest.strip_prefix("Invoked with ") else { return };
    // `ansible.builtin.copy`, `community.general.ufw`: the last part is what people write.
    let module = module.rsplit('.').next().unwrap_or(module);
    let arguments = Arguments(arguments(rest));
    let name = match module {
        "copy" if arguments.is_template() => "template",
        module => module,
    };
    let text = format!("ansible-{module}: Invoked with {rest}");
    let mut event = message.at.event(CauseKind::Ansible, "task", name, &text);
    event.time = Some(message.time);
    event.subjects = subjects(module, &arguments);
    event.forgeable = message.forgeable;
    sink.push(event);
}

/// Names and values of one invocation.
struct Arguments<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Arguments<'a> {
    /// All values of a name; one that stands in another's text cannot be told from a true one.
    fn all(&self, name: &str) -> impl Iterator<Item = &'a str> {
        let given = |value: &str| !matches!(value, "None" | "" | "NOT_LOGGING_PARAMETER");
        self.0.iter().filter(move |(own, value)| *own == name && given(value)).map(|(_, v)| *v)
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.all(name).next()
    }

    fn is(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| matches!(value, "True" | "yes" | "true"))
    }

    /// The template action sends its result through `copy`; its source keeps the ending.
    fn is_template(&self) -> bool {
        let original = self.get("_original_basename");
        original.is_some_and(|name| name.ends_with(".j2") || name.ends_with(".jinja2"))
    }

    /// `['a', 'b']` or `a,b` or `a`.
    fn list(&self, name: &str) -> Vec<String> {
        let values = self.all(name).flat_map(|value| {
            if value.starts_with(['[', '(']) {
                strings(value)
            } else {
                value.split(',').map(|one| one.trim().to_owned()).collect()
            }
        });
        values.filter(|value| !value.is_empty()).collect()
    }
}

/// Modules that change nothing.
const READERS: [&str; 20] = [
    "setup",
    "stat",
    "slurp",
    "find",
    "ping",
    "debug",
    "assert",
    "package_facts",
    "service_facts",
    "getent",
    "fetch",
    "wait_for",
    "uri",
    "command_facts",
    "async_status",
    "mount_facts",
    "gather_facts",
    "async_wrapper",
    "fail",
    "tempfile",
];

fn subjects(module: &str, arguments: &Arguments<'_>) -> Vec<EventSubject> {
    let mut found = Vec::new();
    if READERS.contains(&module) {
        return found;
    }
    for key in
        ["path", "dest", "destfile", "name_file", "sysctl_file", "fstab", "creates", "config_file"]
    {
        found.extend(arguments.all(key).filter_map(path));
    }
    let name = arguments.get("name").unwrap_or_default();
    match module {
        "unarchive" | "synchronize" | "git" | "subversion" | "assemble" | "archive" | "file"
        | "copy" | "template" | "hg" | "get_url" | "iso_extract" => {
            // Only these write more than the one file; `file` with `recurse` likewise.
            let deep = !matches!(module, "file" | "copy" | "template" | "get_url" | "archive")
                || arguments.is("recurse")
                || arguments.get("directory_mode").is_some()
                || arguments.get("state") == Some("absent");
            if deep {
                found.extend(arguments.all("path").chain(arguments.all("dest")).filter_map(below));
            }
            if let (Some(dest), Some(base)) =
                (arguments.get("dest"), arguments.get("_original_basename"))
            {
                found.extend(path(&format!("{}/{base}", dest.trim_end_matches('/'))));
            }
        }
        "apt" | "dnf" | "dnf5" | "yum" | "package" | "apk" | "pacman" | "zypper" | "pip"
        | "npm" | "gem" | "dpkg_selections" | "yum_versionlock" | "homebrew" | "snap" | "opkg"
        | "portage" | "rpm_ostree_pkg" => packages(module, arguments, &mut found),
        "user" => user(name, arguments, &mut found),
        "group" => {
            found.push(fact("groups", name));
            for file in ["group", "group-", "gshadow", "gshadow-"] {
                found.extend(path(&format!("/etc/{file}")));
            }
        }
        "authorized_key" => authorized_key(arguments, &mut found),
        "cron" | "cronvar" => cron(arguments, &mut found),
        "systemd" | "systemd_service" | "service" | "sysvinit" | "runit" | "openrc" => {
            let changes = ["enabled", "masked"].iter().any(|key| arguments.get(key).is_some());
            if changes {
                found.push(unit(name));
            }
        }
        "command" | "shell" | "raw" | "script" | "expect" => {
            let directory = arguments.get("chdir").unwrap_or_default();
            for key in ["_raw_params", "cmd", "command"] {
                for line in arguments.all(key) {
                    found.extend(command::subjects(line, directory, "/root"));
                }
            }
        }
        module => fixed(module, name, &mut found),
    }
    found
}

fn packages(module: &str, arguments: &Arguments<'_>, found: &mut Vec<EventSubject>) {
    let managers: &[&str] = match module {
        "apt" | "dpkg_selections" => &["dpkg"],
        "dnf" | "dnf5" | "yum" | "zypper" | "yum_versionlock" | "rpm_ostree_pkg" => &["rpm"],
        "pip" => &["pypi"],
        "package" => &["dpkg", "rpm", "apk", "pacman"],
        "homebrew" => &["brew"],
        other => &[other],
    };
    let mut names = arguments.list("name");
    names.extend(["package", "pkg", "deb"].iter().flat_map(|key| arguments.list(key)));
    names.sort();
    names.dedup();
    for name in names {
        let file = name.rsplit('/').next().unwrap_or_default();
        let name = file.split(['=', '<', '>', '_', '@']).next().unwrap_or_default();
        found.extend(managers.iter().map(|manager| package(manager, name, None)));
    }
}

fn user(name: &str, arguments: &Arguments<'_>, found: &mut Vec<EventSubject>) {
    found.push(fact("users", name));
    let home = arguments.get("home").map_or_else(|| format!("/home/{name}"), str::to_owned);
    if arguments.is("create_home") || arguments.is("remove") || arguments.is("generate_ssh_key") {
        found.extend(below(&home));
    }
    for file in ["passwd", "shadow", "group", "gshadow", "subuid", "subgid"] {
        found.extend(path(&format!("/etc/{file}")));
        found.extend(path(&format!("/etc/{file}-")));
    }
    for group in arguments.list("groups") {
        found.push(fact("groups", &group));
    }
    found.push(fact("groups", arguments.get("group").unwrap_or(name)));
}

fn authorized_key(arguments: &Arguments<'_>, found: &mut Vec<EventSubject>) {
    if arguments.get("path").is_some() {
        return;
    }
    let user = arguments.get("user").unwrap_or("root");
    let home = if user == "root" { "/root".to_owned() } else { format!("/home/{user}") };
    found.extend(path(&format!("{home}/.ssh")));
    found.extend(path(&format!("{home}/.ssh/authorized_keys")));
}

fn cron(arguments: &Arguments<'_>, found: &mut Vec<EventSubject>) {
    match arguments.get("cron_file") {
        Some(file) if file.starts_with('/') => found.extend(path(file)),
        Some(file) => found.extend(path(&format!("/etc/cron.d/{file}"))),
        None => {
            let user = arguments.get("user").unwrap_or("root");
            found.extend(path(&format!("/var/spool/cron/crontabs/{user}")));
            found.extend(path(&format!("/var/spool/cron/{user}")));
        }
    }
}

/// Modules that write in fixed places.
fn fixed(module: &str, name: &str, found: &mut Vec<EventSubject>) {
    let places: &[&str] = match module {
        "hostname" => &["/etc/hostname"],
        "timezone" => &["/etc/localtime", "/etc/timezone", "/etc/sysconfig/clock"],
        "sysctl" => &["/etc/sysctl.conf"],
        "mount" => &["/etc/fstab"],
        "locale_gen" => &["/etc/locale.gen", "/usr/lib/locale/"],
        "known_hosts" => &["/root/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts"],
        "apt_key" => &["/etc/apt/trusted.gpg", "/etc/apt/trusted.gpg.d/"],
        "apt_repository" | "deb822_repository" => {
            &["/etc/apt/sources.list", "/etc/apt/sources.list.d/", "/etc/apt/keyrings/"]
        }
        "yum_repository" => &["/etc/yum.repos.d/"],
        "zypper_repository" => &["/etc/zypp/repos.d/"],
        "rpm_key" => &["/etc/pki/rpm-gpg/"],
        "ufw" => &["/etc/ufw/", "/etc/default/ufw"],
        "firewalld" => &["/etc/firewalld/"],
        "iptables_state" => &["/etc/iptables/"],
        "selinux" => &["/etc/selinux/config"],
        "pam_limits" => &["/etc/security/limits.conf"],
        "modprobe" => &["/etc/modules-load.d/", "/etc/modprobe.d/"],
        "debconf" => &["/var/cache/debconf/"],
        "apache2_module" => &["/etc/apache2/mods-enabled/"],
        "nmcli" => &["/etc/NetworkManager/system-connections/"],
        "alternatives" => &["/etc/alternatives/"],
        "sudoers" => &["/etc/sudoers.d/"],
        _ => &[],
    };
    for place in places {
        found.extend(match place.strip_suffix('/') {
            Some(place) => below(place),
            None => path(place),
        });
    }
    if module == "alternatives" && !name.is_empty() {
        found.extend(path(&format!("/etc/alternatives/{name}")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(module: &str, text: &str, expected: &str) {
        let arguments = Arguments(arguments(text));
        let shown: Vec<String> = subjects(module, &arguments)
            .into_iter()
            .map(|subject| match subject {
                EventSubject::Path(path) => path.to_string(),
                EventSubject::Below(path) => format!("{path}/"),
                EventSubject::Package { key, .. } => format!("{}:{key}", key.manager),
                EventSubject::Fact { scope, key } => format!("{scope}:{key}"),
                EventSubject::Content { .. } => String::new(),
            })
            .collect();
        assert_eq!(shown.join(" "), expected, "{module} {text}");
    }

    #[test]
    fn tasks_name_what_they_change() {
        check("lineinfile", "backup=True line=A 3 path=/etc/x regexp=^#?A", "/etc/x");
        check(
            "copy",
            "dest=/etc/motd _original_basename=motd.j2 owner=None",
            "/etc/motd /etc/motd/motd.j2",
        );
        check("apt", "name=htop state=latest package=['htop', 'jq=1.6']", "dpkg:htop dpkg:jq");
        check("dnf", "name=['a','b'] state=present", "rpm:a rpm:b");
        check("systemd", "enabled=True name=app state=None", "units:app.service");
        check("systemd", "enabled=None name=app state=restarted masked=None", "");
        check(
            "cron",
            "name=rotate user=None cron_file=None",
            "/var/spool/cron/crontabs/root /var/spool/cron/root",
        );
        check("cron", "name=x cron_file=backup user=root", "/etc/cron.d/backup");
        check("stat", "path=/etc/motd follow=False", "");
        check("command", "_raw_params=touch /srv/x _uses_shell=True chdir=None", "/srv/x");
        check("unarchive", "dest=/opt/app src=/tmp/a.tgz", "/opt/app /opt/app/");
        check(
            "authorized_key",
            "user=anna key=ssh-ed25519 AAAA path=None",
            "/home/anna/.ssh /home/anna/.ssh/authorized_keys",
        );
        check("hostname", "name=web", "/etc/hostname");
    }
}
