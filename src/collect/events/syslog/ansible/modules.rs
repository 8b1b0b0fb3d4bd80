//! What the arguments of each module name: the paths, packages, users and units that it changes,
//! by the modules' documentation. Of a module that is not known here, the arguments that are named
//! as paths usually are.

use super::Arguments;
use crate::collect::events::python::strings;
use crate::collect::events::{below, command, fact, package, path, unit};
use crate::model::EventSubject;

/// Modules that change nothing that lasts.
const READERS: [&str; 34] = [
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
    "wait_for_connection",
    "uri",
    "command_facts",
    "async_status",
    "mount_facts",
    "gather_facts",
    "async_wrapper",
    "fail",
    "tempfile",
    "pause",
    "meta",
    "set_fact",
    "set_stats",
    "reboot",
    "add_host",
    "group_by",
    "validate_argument_spec",
    "listen_ports_facts",
    "openssl_certificate_info",
    "x509_certificate_info",
    "docker_host_info",
    "getfact",
];

/// Arguments that are the path of what a module writes, whatever the module.
const PATHS: [&str; 34] = [
    "path",
    "dest",
    "destfile",
    "name_file",
    "file",
    "filename",
    "filepath",
    "sysctl_file",
    "fstab",
    "creates",
    "removes",
    "config_file",
    "conf_file",
    "blacklist_file",
    "directory",
    "destination",
    "target",
    "link",
    "virtualenv",
    "keyring",
    "ssh_key_file",
    "privatekey_path",
    "csr_path",
    "fullchain_dest",
    "chain_dest",
    "keystore_path",
    "ssh_config_file",
    "install_dir",
    "project_path",
    "working_dir",
    "name",
    "chroot",
    "target_path",
    "output_path",
];

/// Modules that write all below what they are given.
const DEEP: [&str; 18] = [
    "unarchive",
    "synchronize",
    "git",
    "subversion",
    "hg",
    "assemble",
    "iso_extract",
    "composer",
    "npm",
    "yarn",
    "bundler",
    "make",
    "maven_artifact",
    "pip",
    "patch",
    "xattr",
    "django_manage",
    "acl",
];

pub(super) fn subjects(module: &str, arguments: &Arguments<'_>) -> Vec<EventSubject> {
    let mut found = Vec::new();
    if READERS.contains(&module) || module.ends_with("_info") || module.ends_with("_facts") {
        return found;
    }
    for key in PATHS {
        found.extend(arguments.all(key).filter_map(path));
    }
    let name = arguments.get("name").unwrap_or_default();
    match module {
        "copy" | "template" | "file" | "get_url" | "archive" => {
            files(module, arguments, &mut found);
        }
        module if DEEP.contains(&module) => {
            for key in ["path", "dest", "chdir", "virtualenv", "target", "working_dir"] {
                found.extend(arguments.all(key).filter_map(below));
            }
        }
        "replace" | "lineinfile" | "blockinfile" | "ini_file" | "xml" | "toml_file" => {}
        "user" => user(name, arguments, &mut found),
        "group" => {
            found.push(fact("groups", name));
            for file in ["group", "group-", "gshadow", "gshadow-"] {
                found.extend(path(&format!("/etc/{file}")));
            }
        }
        "authorized_key" | "openssh_keypair" | "ssh_config" | "known_hosts" => {
            keys(module, arguments, &mut found);
        }
        "cron" | "cronvar" | "at" => cron(arguments, &mut found),
        "systemd" | "systemd_service" | "service" | "sysvinit" | "runit" | "openrc" => {
            let changes = ["enabled", "masked"].iter().any(|key| arguments.get(key).is_some());
            let names = arguments.all("name").chain(arguments.all("service"));
            let names = names.chain(arguments.all("unit")).take(usize::from(changes));
            found.extend(names.map(unit));
        }
        "command" | "shell" | "raw" | "script" | "expect" => run(arguments, &mut found),
        _ => {}
    }
    packages(module, arguments, &mut found);
    fixed(module, name, &mut found);
    let mut kept: Vec<EventSubject> = Vec::with_capacity(found.len());
    for subject in found {
        if !kept.contains(&subject) {
            kept.push(subject);
        }
    }
    kept
}

/// Modules that write one file, or a tree where they are told to.
fn files(module: &str, arguments: &Arguments<'_>, found: &mut Vec<EventSubject>) {
    let deep = arguments.is("recurse")
        || arguments.get("directory_mode").is_some()
        || arguments.get("state") == Some("absent")
        || arguments.is("remote_src");
    if deep && module != "get_url" {
        found.extend(arguments.all("path").chain(arguments.all("dest")).filter_map(below));
    }
    // `dest` may be a directory: then the file gets the name of what is fetched or copied.
    let source = arguments.get("_original_basename").or(arguments.get("url"));
    let source = source.or(arguments.get("src").filter(|_| arguments.is("remote_src")));
    let dest = arguments.get("dest").or(arguments.get("path"));
    if let (Some(dest), Some(source)) = (dest, source)
        && module != "file"
    {
        let name = source.split('?').next().unwrap_or_default();
        let name = if name.contains("://") || name.starts_with('/') {
            name.rsplit('/').next().unwrap_or_default()
        } else {
            name
        };
        found.extend(path(&format!("{}/{name}", dest.trim_end_matches('/'))));
    }
    if arguments.is("remove") {
        found.extend(arguments.list("path").iter().filter_map(|one| path(one)));
    }
}

fn run(arguments: &Arguments<'_>, found: &mut Vec<EventSubject>) {
    let directory = arguments.get("chdir").unwrap_or_default();
    if let Some(line) = arguments.command() {
        found.extend(command::subjects(line, directory, "/root"));
    }
    for key in ["cmd", "command"] {
        for line in arguments.all(key) {
            found.extend(command::subjects(line, directory, "/root"));
        }
    }
    if let Some(words) = arguments.get("argv") {
        found.extend(command::of_words(&strings(words), directory, "/root"));
    }
}

/// Modules of package managers, and whose packages they are.
fn managers(module: &str) -> &'static [&'static str] {
    match module {
        "apt" | "dpkg_selections" | "aptitude" | "apt_rpm" => &["dpkg"],
        "dnf" | "dnf5" | "yum" | "zypper" | "yum_versionlock" | "rpm_ostree_pkg"
        | "dnf_versionlock" | "tdnf" => &["rpm"],
        "pip" | "pipx" => &["pypi"],
        "package" => &["dpkg", "rpm", "apk", "pacman"],
        "homebrew" => &["brew"],
        "gem" => &["gem"],
        "npm" | "yarn" => &["npm"],
        "apk" => &["apk"],
        "pacman" => &["pacman"],
        "snap" => &["snap"],
        "flatpak" => &["flatpak"],
        "opkg" => &["opkg"],
        "portage" => &["portage"],
        _ => &[],
    }
}

fn packages(module: &str, arguments: &Arguments<'_>, found: &mut Vec<EventSubject>) {
    let managers = managers(module);
    if managers.is_empty() {
        return;
    }
    let mut names = arguments.list("name");
    names.extend(["package", "pkg", "deb"].iter().flat_map(|key| arguments.list(key)));
    names.sort();
    names.dedup();
    for name in names {
        let file = name.rsplit('/').next().unwrap_or_default();
        // `jq/bookworm` is a release of apt's, `jq_1.6_amd64.deb` a file.
        let name = if name.ends_with(".deb") || name.ends_with(".rpm") || name.starts_with('@') {
            file
        } else {
            name.split('/').next().unwrap_or_default()
        };
        let ends: &[char] = match name.ends_with(".deb") {
            true => &['_'],
            false => &['=', '<', '>', '!', '[', '@'],
        };
        let name = name.split(ends).next().unwrap_or_default().trim_end();
        let name = match file.strip_suffix(".rpm") {
            Some(nevra) => nevra.rsplitn(3, '-').nth(2).unwrap_or(nevra),
            None => name,
        };
        if !name.is_empty() && name != "*" {
            found.extend(managers.iter().map(|manager| package(manager, name, None)));
        }
    }
    let places: &[&str] = match module {
        "pip" if arguments.get("virtualenv").is_none() => {
            &["/usr/local/lib", "/usr/local/bin", "/root/.local"]
        }
        "npm" if arguments.is("global") => {
            &["/usr/local/lib/node_modules", "/usr/lib/node_modules", "/usr/local/bin"]
        }
        "gem" => &["/var/lib/gems", "/usr/local/bin", "/usr/share/gems"],
        _ => &[],
    };
    found.extend(places.iter().filter_map(|place| below(place)));
}

fn user(name: &str, arguments: &Arguments<'_>, found: &mut Vec<EventSubject>) {
    found.push(fact("users", name));
    let home = match (arguments.get("home"), name) {
        (Some(home), _) => home.to_owned(),
        (None, "root") => "/root/.ssh".to_owned(),
        (None, name) => format!("/home/{name}"),
    };
    if arguments.is("create_home")
        || arguments.is("createhome")
        || arguments.is("remove")
        || arguments.is("generate_ssh_key")
    {
        found.extend(below(&home));
        found.extend(path(&format!("/var/mail/{name}")));
        found.extend(path(&format!("/var/spool/mail/{name}")));
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

/// Keys of a user, where homes are by custom.
fn keys(module: &str, arguments: &Arguments<'_>, found: &mut Vec<EventSubject>) {
    if let Some(file) = arguments.get("path") {
        if module == "openssh_keypair" {
            found.extend(path(&format!("{file}.pub")));
        }
        return;
    }
    let user = arguments.get("user").unwrap_or("root");
    let home = if user == "root" { "/root".to_owned() } else { format!("/home/{user}") };
    found.extend(path(&format!("{home}/.ssh")));
    match module {
        "authorized_key" => found.extend(path(&format!("{home}/.ssh/authorized_keys"))),
        "ssh_config" => found.extend(path(&format!("{home}/.ssh/config"))),
        "known_hosts" => {
            found.extend(path(&format!("{home}/.ssh/known_hosts")));
            found.extend(path("/etc/ssh/ssh_known_hosts"));
        }
        _ => {}
    }
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

/// Modules that write in fixed places; a slash at the end stands for all below, `{}` for the name.
const FIXED: &[(&str, &[&str])] = &[
    ("hostname", &["/etc/hostname", "/etc/conf.d/hostname", "/etc/sysconfig/network"]),
    (
        "timezone",
        &[
            "/etc/localtime",
            "/etc/timezone",
            "/etc/sysconfig/clock",
            "/etc/conf.d/clock",
            "/etc/adjtime",
        ],
    ),
    ("sysctl", &["/etc/sysctl.conf"]),
    ("mount", &["/etc/fstab"]),
    ("filesystem", &[]),
    ("locale_gen", &["/etc/locale.gen", "/usr/lib/locale/", "/var/lib/locales/supported.d/"]),
    ("apt_key", &["/etc/apt/trusted.gpg", "/etc/apt/trusted.gpg.d/"]),
    (
        "apt_repository",
        &[
            "/etc/apt/sources.list",
            "/etc/apt/sources.list.d/",
            "/etc/apt/keyrings/",
            "/etc/apt/trusted.gpg.d/",
        ],
    ),
    (
        "deb822_repository",
        &["/etc/apt/sources.list.d/{}.sources", "/etc/apt/sources.list.d/", "/etc/apt/keyrings/"],
    ),
    ("yum_repository", &["/etc/yum.repos.d/{}.repo", "/etc/yum.repos.d/"]),
    ("zypper_repository", &["/etc/zypp/repos.d/"]),
    ("rpm_key", &["/etc/pki/rpm-gpg/"]),
    ("rhsm_repository", &["/etc/yum.repos.d/"]),
    ("ufw", &["/etc/ufw/", "/etc/default/ufw"]),
    ("firewalld", &["/etc/firewalld/"]),
    ("iptables_state", &["/etc/iptables/"]),
    ("nftables", &["/etc/nftables.conf", "/etc/nftables/"]),
    ("selinux", &["/etc/selinux/config", "/etc/sysconfig/selinux"]),
    ("seboolean", &["/etc/selinux/", "/var/lib/selinux/"]),
    ("sefcontext", &["/etc/selinux/", "/var/lib/selinux/"]),
    ("seport", &["/etc/selinux/", "/var/lib/selinux/"]),
    ("pam_limits", &["/etc/security/limits.conf"]),
    ("pamd", &["/etc/pam.d/{}"]),
    ("modprobe", &["/etc/modules-load.d/{}.conf", "/etc/modprobe.d/{}.conf"]),
    ("kernel_blacklist", &["/etc/modprobe.d/blacklist-ansible.conf"]),
    ("debconf", &["/var/cache/debconf/"]),
    ("apache2_module", &["/etc/apache2/mods-enabled/"]),
    ("nmcli", &["/etc/NetworkManager/system-connections/"]),
    (
        "alternatives",
        &[
            "/etc/alternatives/{}",
            "/var/lib/dpkg/alternatives/{}",
            "/var/lib/alternatives/{}",
            "/usr/bin/{}",
        ],
    ),
    ("sudoers", &["/etc/sudoers.d/{}", "/etc/sudoers.d/"]),
    ("interfaces_file", &["/etc/network/interfaces"]),
    ("java_cert", &["/etc/ssl/certs/java/cacerts", "/etc/pki/java/cacerts"]),
    ("crypttab", &["/etc/crypttab"]),
    ("dpkg_divert", &["/var/lib/dpkg/diversions"]),
    ("lvol", &["/etc/lvm/"]),
    ("lvg", &["/etc/lvm/"]),
    ("docker_container", &["/var/lib/docker/"]),
    ("docker_image", &["/var/lib/docker/"]),
    ("podman_container", &["/var/lib/containers/"]),
    ("snap", &["/snap/", "/var/lib/snapd/", "/etc/systemd/system/"]),
    ("logrotate", &["/etc/logrotate.d/"]),
    ("git_config", &["/root/.gitconfig", "/etc/gitconfig"]),
    ("htpasswd", &[]),
];

fn fixed(module: &str, name: &str, found: &mut Vec<EventSubject>) {
    let rows = FIXED.iter().filter(|(own, _)| *own == module);
    for place in rows.flat_map(|(_, places)| *places) {
        let place = match place.contains("{}") {
            true if name.is_empty() || name.contains('/') => continue,
            true => place.replace("{}", name),
            false => (*place).to_owned(),
        };
        found.extend(match place.strip_suffix('/') {
            Some(place) => below(place),
            None => path(&place),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::events::python::arguments;

    fn check(module: &str, text: &str, expected: &str) {
        let arguments = Arguments { text, pairs: arguments(text) };
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
        check(
            "shell",
            "_raw_params=set -e\necho PermitRootLogin=no >> /etc/x\nA=b touch /etc/y \
             _uses_shell=True chdir=/opt executable=None",
            "/etc/x /etc/y",
        );
        check("command", "_raw_params=touch z chdir=/opt _uses_shell=False", "/opt/z");
        check("command", "_raw_params=None argv=['touch', '/srv/a b'] chdir=None", "/srv/a b");
        check("unarchive", "dest=/opt/app src=/tmp/a.tgz", "/opt/app /opt/app/");
        check(
            "authorized_key",
            "user=anna key=ssh-ed25519 AAAA path=None",
            "/home/anna/.ssh /home/anna/.ssh/authorized_keys",
        );
        check(
            "hostname",
            "name=web use=None",
            "/etc/hostname /etc/conf.d/hostname /etc/sysconfig/network",
        );
        check("get_url", "url=https://h/a/b.tgz?x dest=/opt mode=0644", "/opt /opt/b.tgz");
        check("replace", "path=/etc/x regexp=a replace=b=c backup=False", "/etc/x");
        check("ini_file", "path=/etc/x.ini section=a option=b value=c", "/etc/x.ini");
        check("file", "path=/srv/x state=absent recurse=False", "/srv/x /srv/x/");
        check("file", "path=/srv/x state=link src=/srv/y", "/srv/x");
        check("mount", "path=/data src=/dev/sdb1 fstype=ext4 state=present", "/data /etc/fstab");
        check(
            "sysctl",
            "name=vm.swappiness value=1 sysctl_file=/etc/sysctl.d/9.conf",
            "/etc/sysctl.d/9.conf /etc/sysctl.conf",
        );
        check(
            "modprobe",
            "name=br_netfilter persistent=present params=",
            "/etc/modules-load.d/br_netfilter.conf /etc/modprobe.d/br_netfilter.conf",
        );
        check(
            "sudoers",
            "name=ops user=anna nopassword=True",
            "/etc/sudoers.d/ops /etc/sudoers.d/",
        );
        check(
            "yum_repository",
            "name=epel baseurl=https://h",
            "/etc/yum.repos.d/epel.repo /etc/yum.repos.d/",
        );
        check("package", "name=['jq'] state=present use=auto", "dpkg:jq rpm:jq apk:jq pacman:jq");
        check("pip", "name=['flask==1.0'] virtualenv=/opt/v", "/opt/v /opt/v/ pypi:flask");
        check("git", "repo=https://h/x dest=/opt/x version=main", "/opt/x /opt/x/");
        check("service", "name=nginx enabled=yes state=started", "units:nginx.service");
        check("nothing_known", "path=/etc/x other=/etc/y", "/etc/x");
        check("service_facts", "path=/etc/x", "");
    }
}
