//! Users, packages, services and settings that administration programs are given.

use super::Shell;
use super::options::{Given, given};
use crate::collect::events::{below, fact, package, path, unit};

/// What a program writes in fixed places, whatever its arguments; a slash at the end stands for
/// all below.
const FIXED: &[(&[&str], &[&str])] = &[
    (&["chpasswd"], &["/etc/shadow", "/etc/shadow-", "/etc/passwd", "/etc/passwd-"]),
    (&["pwconv", "pwunconv"], &["/etc/passwd", "/etc/shadow", "/etc/passwd-", "/etc/shadow-"]),
    // Ubuntu's writes the list, Debian's only reads it.
    (&["locale-gen"], &["/etc/locale.gen/", "/usr/lib/locale/"]),
    (&["localedef"], &["/usr/lib/locale/"]),
    (&["update-locale"], &["/etc/default/locale", "/etc/locale.conf"]),
    (&["setupcon"], &["/etc/console-setup/", "/etc/default/keyboard"]),
    (
        &["a2enmod", "a2dismod", "a2ensite", "a2dissite", "a2enconf", "a2disconf"],
        &["/etc/apache2/", "/var/lib/apache2/"],
    ),
    (&["phpenmod", "phpdismod"], &["/etc/php/", "/var/lib/php/"]),
    (&["ufw"], &["/etc/ufw/", "/etc/default/ufw"]),
    (&["firewall-cmd", "firewall-offline-cmd"], &["/etc/firewalld/"]),
    (&["netfilter-persistent", "iptables-persistent"], &["/etc/iptables/"]),
    (&["update-ca-certificates"], &["/etc/ssl/certs/", "/etc/ca-certificates.conf"]),
    (&["update-ca-trust", "trust"], &["/etc/pki/ca-trust/", "/etc/ssl/certs/"]),
    (&["ldconfig"], &["/etc/ld.so.cache", "/var/cache/ldconfig/"]),
    (&["update-grub", "update-grub2"], &["/boot/grub/grub.cfg"]),
    (&["grub-install", "grub2-install"], &["/boot/grub/", "/boot/grub2/", "/boot/efi/"]),
    (&["grubby"], &["/boot/loader/entries/", "/etc/default/grub", "/boot/grub2/"]),
    (&["update-initramfs", "mkinitramfs", "dracut", "mkinitcpio"], &["/boot/"]),
    (&["depmod"], &["/lib/modules/", "/usr/lib/modules/"]),
    (
        &["add-apt-repository", "apt-add-repository"],
        &[
            "/etc/apt/sources.list",
            "/etc/apt/sources.list.d/",
            "/etc/apt/trusted.gpg.d/",
            "/etc/apt/keyrings/",
        ],
    ),
    (&["apt-key"], &["/etc/apt/trusted.gpg", "/etc/apt/trusted.gpg.d/"]),
    (&["debconf-set-selections", "debconf-communicate"], &["/var/cache/debconf/"]),
    (&["pam-auth-update", "authselect", "authconfig"], &["/etc/pam.d/", "/etc/authselect/"]),
    (&["setsebool", "semanage", "semodule", "setenforce"], &["/etc/selinux/", "/var/lib/selinux/"]),
    (&["nmcli", "nmtui"], &["/etc/NetworkManager/"]),
    (&["netplan"], &["/etc/netplan/"]),
    (&["resolvconf"], &["/etc/resolv.conf", "/etc/resolvconf/"]),
    (&["wg-quick", "wg"], &["/etc/wireguard/"]),
    (&["certbot"], &["/etc/letsencrypt/"]),
    (&["ssh-copy-id"], &["~/.ssh/known_hosts"]),
    (&["ssh-add", "ssh"], &["~/.ssh/known_hosts"]),
    (&["subscription-manager", "rhsm"], &["/etc/pki/", "/etc/rhsm/", "/etc/yum.repos.d/"]),
    (&["sysctl"], &[]),
    (&["at", "batch", "atrm"], &["/var/spool/cron/atjobs/", "/var/spool/at/"]),
    (&["newaliases", "postalias"], &["/etc/aliases.db", "/etc/postfix/"]),
    (&["postconf", "postmap"], &["/etc/postfix/"]),
    (&["snap"], &["/snap/", "/var/lib/snapd/", "/etc/systemd/system/"]),
    (&["flatpak"], &["/var/lib/flatpak/"]),
    (&["docker", "podman"], &["/var/lib/docker/", "/var/lib/containers/"]),
];

/// The files that hold accounts, each with the copy that tools keep.
const ACCOUNT_FILES: [&str; 6] = ["passwd", "shadow", "group", "gshadow", "subuid", "subgid"];

impl Shell {
    /// What an administration program changes.
    pub(super) fn tools(&mut self, program: &str, arguments: &[&str]) {
        let given = given(program, arguments);
        match program {
            "useradd" | "adduser" | "usermod" | "userdel" | "deluser" | "passwd" | "chsh"
            | "chage" | "chfn" | "newusers" => self.account(program, arguments),
            "groupadd" | "addgroup" | "groupmod" | "groupdel" | "delgroup" | "gpasswd"
            | "groupmems" => self.group(program, &given),
            "crontab" if !given.has(&["l"]) => {
                let user = given.get(&["u"]).unwrap_or("root");
                self.add(path(&format!("/var/spool/cron/crontabs/{user}")));
                self.add(path(&format!("/var/spool/cron/{user}")));
            }
            "systemctl" | "service" | "update-rc.d" | "chkconfig" | "rc-update"
            | "deb-systemd-helper" => self.services(program, &given),
            "loginctl" => {
                let user = given.operands.get(1).copied().unwrap_or("root");
                self.add(path(&format!("/var/lib/systemd/linger/{user}")));
            }
            "apt" | "apt-get" | "aptitude" | "dnf" | "dnf5" | "yum" | "microdnf" | "tdnf"
            | "zypper" | "apk" | "pacman" | "rpm" | "dpkg" | "apt-mark" | "pip" | "pip3"
            | "npm" | "pnpm" | "yarn" | "gem" | "snap" | "dpkg-reconfigure" | "gdebi" => {
                self.packages(program, &given);
            }
            "python" | "python3" | "virtualenv" => self.python(program, arguments),
            "update-alternatives" | "alternatives" => self.alternatives(&given),
            "hostnamectl" | "timedatectl" | "localectl" => self.settings(&given),
            "dpkg-divert" => {
                for file in &given.operands {
                    self.path(file);
                    // Its own choice where none is made.
                    self.path(&format!("{file}.distrib"));
                }
                given.all(&["divert"]).for_each(|file| self.path(file));
                self.path("/var/lib/dpkg/diversions");
            }
            // `--add OWNER GROUP MODE FILE`, `--remove FILE`.
            "dpkg-statoverride" => {
                given.operands.last().into_iter().for_each(|file| self.path(file));
                self.path("/var/lib/dpkg/statoverride");
            }
            "make" | "gmake" | "ninja" | "cmake" | "meson" => self.build(program, &given),
            "grub-mkconfig" | "grub2-mkconfig" => {
                given.all(&["o", "output"]).for_each(|file| self.path(file));
            }
            _ => {}
        }
        let places = FIXED.iter().filter(|(programs, _)| programs.contains(&program));
        for place in places.flat_map(|(_, places)| *places) {
            match place.strip_suffix('/') {
                Some(directory) => {
                    let whole = below(directory);
                    self.add(whole);
                }
                None => self.path(place),
            }
        }
    }

    fn account(&mut self, program: &str, arguments: &[&str]) {
        let (names, home, groups) = account_arguments(program, arguments);
        let mut names = names.into_iter();
        // `adduser USER GROUP`; the others have one name.
        if let Some(name) = names.next().filter(|name| is_user(name)) {
            self.add(Some(fact("users", name)));
            let makes = matches!(program, "useradd" | "adduser");
            if makes {
                self.add(Some(fact("groups", name)));
            }
            let more = names.next().filter(|_| matches!(program, "adduser" | "deluser"));
            let groups = groups.iter().flat_map(|list| list.split(',')).chain(more);
            for group in groups.filter(|group| is_user(group)) {
                self.add(Some(fact("groups", group)));
            }
            if makes || matches!(program, "userdel" | "deluser") || home.is_some() {
                self.add(below(home.unwrap_or(&format!("/home/{name}"))));
                self.add(path(&format!("/var/mail/{name}")));
                self.add(path(&format!("/var/spool/mail/{name}")));
            }
        }
        let files = match program {
            "passwd" | "chage" => ACCOUNT_FILES.get(..2),
            "chsh" | "chfn" => ACCOUNT_FILES.get(..1),
            "usermod" => ACCOUNT_FILES.get(..4),
            _ => ACCOUNT_FILES.get(..),
        };
        self.account_files(files.unwrap_or_default());
    }

    fn group(&mut self, program: &str, given: &Given<'_>) {
        let last = given.get(&["g"]).filter(|_| program == "groupmems");
        let name = last.or(given.operands.last().copied()).unwrap_or_default();
        if is_user(name) {
            self.add(Some(fact("groups", name)));
        }
        for user in given.all(&["a", "d", "add", "delete"]).filter(|user| is_user(user)) {
            self.add(Some(fact("users", user)));
        }
        self.account_files(ACCOUNT_FILES.get(2..4).unwrap_or_default());
    }

    fn account_files(&mut self, files: &[&str]) {
        for file in files {
            self.add(path(&format!("/etc/{file}")));
            self.add(path(&format!("/etc/{file}-")));
        }
    }

    fn services(&mut self, program: &str, given: &Given<'_>) {
        let (verb, units) = match (program, given.operands.as_slice()) {
            ("systemctl" | "deb-systemd-helper", [verb, units @ ..]) => (*verb, units),
            ("rc-update", [verb, units @ ..]) => (*verb, units),
            ("update-rc.d" | "chkconfig", [unit, verb, ..]) => (*verb, std::slice::from_ref(unit)),
            ("chkconfig", [unit]) => ("on", std::slice::from_ref(unit)),
            _ => return,
        };
        let verbs = [
            "enable",
            "disable",
            "reenable",
            "mask",
            "unmask",
            "preset",
            "edit",
            "link",
            "revert",
            "set-property",
            "defaults",
            "defaults-disabled",
            "remove",
            "on",
            "off",
            "add",
            "del",
            "add-wants",
            "add-requires",
        ];
        if verb == "set-default" {
            self.add(path("/etc/systemd/system/default.target"));
        }
        if !verbs.contains(&verb) {
            return;
        }
        for name in units.iter().filter(|name| !name.contains('=')) {
            let file = name.rsplit('/').next().unwrap_or_default();
            self.add(Some(unit(file)));
            if let crate::model::EventSubject::Fact { key, .. } = unit(file)
                && matches!(verb, "edit" | "set-property" | "revert")
            {
                self.add(below(&format!("/etc/systemd/system/{key}.d")));
                self.add(below(&format!("/etc/systemd/system.control/{key}.d")));
                self.add(path(&format!("/etc/systemd/system/{key}")));
            }
            if file.len() < name.len() {
                self.path(&format!("/etc/systemd/system/{file}"));
            }
        }
    }

    fn packages(&mut self, program: &str, given: &Given<'_>) {
        let manager = match program {
            "apt" | "apt-get" | "aptitude" | "dpkg" | "apt-mark" | "dpkg-reconfigure" | "gdebi" => {
                "dpkg"
            }
            "dnf" | "dnf5" | "yum" | "microdnf" | "tdnf" | "zypper" | "rpm" => "rpm",
            "pip" | "pip3" => "pypi",
            "pnpm" | "yarn" => "npm",
            other => other,
        };
        let verbs = [
            "install",
            "remove",
            "purge",
            "reinstall",
            "erase",
            "add",
            "del",
            "upgrade",
            "update",
            "downgrade",
            "hold",
            "unhold",
            "localinstall",
            "in",
            "rm",
            "up",
            "dup",
            "uninstall",
            "full-upgrade",
            "dist-upgrade",
            "autoremove",
            "build-dep",
            "refresh",
            "i",
            "swap",
            "auto",
            "manual",
            "ci",
            "global",
            "update-to",
            "distro-sync",
            "groupinstall",
        ];
        let operands = given.operands.as_slice();
        let names = match operands {
            [verb, names @ ..] if verbs.contains(verb) => names,
            names if matches!(program, "dpkg-reconfigure" | "gdebi") => names,
            names
                if matches!(program, "pacman" | "rpm" | "dpkg")
                    && given.has(&[
                        "i",
                        "U",
                        "F",
                        "e",
                        "S",
                        "R",
                        "r",
                        "P",
                        "install",
                        "remove",
                        "purge",
                        "erase",
                        "upgrade",
                        "sync",
                        "unpack",
                        "configure",
                    ]) =>
            {
                names
            }
            _ => return,
        };
        for name in names {
            let name = match manager {
                "npm" => npm_name(name),
                _ => package_name(manager, name),
            };
            if !name.is_empty() && !name.starts_with(['-', '.', '$']) {
                self.add(Some(package(manager, &name, None)));
            }
        }
        match manager {
            "pypi" => match given.get(&["t", "target", "prefix", "root"]) {
                Some(directory) => self.named(directory, true),
                None => {
                    self.add(below("/usr/local/lib"));
                    self.add(below("/usr/local/bin"));
                    self.below("~/.local");
                }
            },
            "npm" if given.has(&["g", "global", "location"]) || operands.contains(&"global") => {
                for place in ["/usr/local/lib/node_modules", "/usr/lib/node_modules"] {
                    self.add(below(place));
                }
                self.add(below("/usr/local/bin"));
            }
            "npm" => self.below(if self.directory.is_empty() { "" } else { "node_modules" }),
            "gem" => {
                ["/var/lib/gems", "/usr/local/bin", "/usr/local/share/gems", "/usr/share/gems"]
                    .iter()
                    .for_each(|place| self.add(below(place)));
            }
            _ => {}
        }
    }

    /// `python -m venv DIR`, `python -m pip install X`, `virtualenv DIR`.
    fn python(&mut self, program: &str, arguments: &[&str]) {
        let rest = match arguments {
            ["-m", module, rest @ ..] => match *module {
                "pip" => return self.packages("pip", &given("pip", rest)),
                "venv" | "virtualenv" => rest,
                _ => return,
            },
            rest if program == "virtualenv" => rest,
            _ => return,
        };
        given("virtualenv", rest).operands.iter().for_each(|directory| self.named(directory, true));
    }

    /// What systemd's own programs write, by their verbs.
    fn settings(&mut self, given: &Given<'_>) {
        let Some((verb, values)) = given.operands.split_first() else { return };
        let places: &[&str] = match *verb {
            // Without a value they only show.
            _ if values.is_empty() => return,
            "set-hostname" | "hostname" => &["/etc/hostname", "/etc/machine-info/"],
            "set-icon-name" | "icon-name" | "set-chassis" | "chassis" | "set-deployment"
            | "deployment" | "set-location" | "location" => &["/etc/machine-info"],
            "set-timezone" => &["/etc/localtime", "/etc/timezone"],
            "set-local-rtc" => &["/etc/adjtime"],
            "set-locale" => &["/etc/locale.conf", "/etc/default/locale"],
            "set-keymap" | "set-x11-keymap" => {
                &["/etc/vconsole.conf", "/etc/default/keyboard", "/etc/X11/xorg.conf.d/"]
            }
            _ => return,
        };
        for place in places {
            self.add(match place.strip_suffix('/') {
                Some(directory) => below(directory),
                None => path(place),
            });
        }
    }

    /// `--set NAME PATH`, `--install LINK NAME PATH PRIORITY`, `--config NAME`.
    fn alternatives(&mut self, given: &Given<'_>) {
        let name = match given.has(&["install"]) {
            true => {
                if let Some(link) = given.operands.first() {
                    self.path(link);
                }
                given.operands.get(1)
            }
            false => given.operands.first(),
        };
        let Some(name) = name else { return };
        self.path(&format!("/etc/alternatives/{name}"));
        self.path(&format!("/var/lib/dpkg/alternatives/{name}"));
        self.path(&format!("/var/lib/alternatives/{name}"));
        self.path(&format!("/usr/bin/{name}"));
    }

    /// `make install` writes below its prefix: `/usr/local` unless something else is said.
    fn build(&mut self, program: &str, given: &Given<'_>) {
        let installs = given.operands.iter().any(|word| word.starts_with("install"))
            || given.has(&["install"]);
        let directory = given.get(&["C", "directory", "build"]);
        match directory {
            Some(directory) => self.named(directory, true),
            None if program == "make" || program == "ninja" => {
                let here = self.directory.clone();
                self.below(&here);
            }
            None => {}
        }
        if !installs {
            return;
        }
        let set = |name: &str| {
            given.operands.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
        };
        let prefix = set("PREFIX").or(set("prefix")).or(given.get(&["prefix"]));
        match set("DESTDIR").or(prefix) {
            Some(place) => self.named(place, true),
            None => {
                for place in ["bin", "sbin", "lib", "share", "include", "etc", "libexec"] {
                    self.add(below(&format!("/usr/local/{place}")));
                }
            }
        }
    }
}

/// `jq=1.6`, `./jq_1.6_amd64.deb`, `htop-3.2-1.el9.x86_64.rpm`, `requests[x]>=2`: the name.
fn package_name(manager: &str, word: &str) -> String {
    let file = word.rsplit('/').next().unwrap_or_default();
    if let Some(nevra) = file.strip_suffix(".rpm") {
        let name = nevra.rsplitn(3, '-').nth(2).unwrap_or(nevra);
        return name.to_owned();
    }
    // `jq/bookworm` names a release, `./jq.deb` and `https://…/x.deb` a file.
    let is_file = file.ends_with(".deb") || file.ends_with(".apk") || word.contains("://");
    let word = if is_file { file } else { word.split('/').next().unwrap_or_default() };
    let ends: &[char] =
        if is_file { &['_', '='] } else { &['=', '<', '>', '!', '~', '[', ';', '@'] };
    let name = word.split(ends).next().unwrap_or_default();
    let name = name.strip_suffix(['+', '-']).filter(|_| manager == "dpkg").unwrap_or(name);
    name.to_owned()
}

/// `@scope/name@1`, `name@1`.
fn npm_name(word: &str) -> String {
    let (scope, rest) = match word.strip_prefix('@') {
        Some(rest) => ("@", rest),
        None => ("", word),
    };
    format!("{scope}{}", rest.split('@').next().unwrap_or_default())
}

/// Names, home and groups: of shadow-utils' and Debian's programs nearly every short option takes
/// a value, and the same letter means other things in each.
fn account_arguments<'a>(
    program: &str,
    arguments: &[&'a str],
) -> (Vec<&'a str>, Option<&'a str>, Vec<&'a str>) {
    let flags = [
        "create-home",
        "system",
        "no-create-home",
        "no-user-group",
        "user-group",
        "lock",
        "unlock",
        "delete",
        "expire",
        "append",
        "remove",
        "disabled-password",
        "quiet",
        "disabled-login",
        "force",
        "no-log-init",
        "move-home",
        "non-unique",
        "remove-home",
        "remove-all-files",
        "ingroup-only",
        "stdin",
        "allow-bad-names",
        "force-badname",
        "group",
        "allow-all-names",
        "badname",
        "status",
        "all",
        "keep-tokens",
        "backup",
        "only-if-empty",
        "add-extra-groups",
    ];
    let short = match program {
        "passwd" => "nwxiRP",
        "chage" => "dEImMWR",
        "useradd" | "usermod" => "bcdefgGkKpPRsuvVwWZ",
        "adduser" | "deluser" => "cdgGkKpsub",
        "chsh" => "sR",
        "chfn" => "fhoprwu",
        _ => "R",
    };
    let (mut names, mut home, mut groups) = (Vec::new(), None, Vec::new());
    let mut words = arguments.iter().copied();
    while let Some(word) = words.next() {
        let (option, value) = if let Some(long) = word.strip_prefix("--") {
            match long.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None if flags.contains(&long) => (long, None),
                None => (long, words.next()),
            }
        } else if let Some(cluster) = word.strip_prefix('-') {
            match cluster.char_indices().find(|(_, letter)| short.contains(*letter)) {
                Some((at, letter)) => {
                    let end = at.saturating_add(letter.len_utf8());
                    let rest = cluster.get(end..).unwrap_or_default();
                    let option = cluster.get(at..end).unwrap_or_default();
                    (option, if rest.is_empty() { words.next() } else { Some(rest) })
                }
                None => continue,
            }
        } else {
            names.push(word);
            continue;
        };
        match option {
            "d" | "home" | "home-dir" => home = value,
            "g" | "G" | "gid" | "groups" | "ingroup" => groups.extend(value),
            _ => {}
        }
    }
    (names, home, groups)
}

fn is_user(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.len() <= 32
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '$'))
}

#[cfg(test)]
mod tests {
    use super::super::subjects;
    use super::super::tests::{check, show};

    fn first(text: &str, count: usize, expected: &[&str]) {
        let shown: Vec<String> =
            subjects(text, "/w", "/root").iter().map(show).take(count).collect();
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn packages_by_any_manager() {
        check("apt-get install -y -o A=b jq=1.6 nginx/stable", &["dpkg:jq", "dpkg:nginx"]);
        check("DEBIAN_FRONTEND=noninteractive apt-mark hold nginx", &["dpkg:nginx"]);
        check("dpkg -i ./htop_3.2_amd64.deb; dpkg -l jq", &["dpkg:htop"]);
        check("apt install ./x_1_all.deb; apt remove y-", &["dpkg:x", "dpkg:y"]);
        check("rpm -Uvh https://h/htop-3.2.2-2.el9.x86_64.rpm; rpm -qa x", &["rpm:htop"]);
        check("dnf -y --enablerepo epel install htop; zypper -n in jq", &["rpm:htop", "rpm:jq"]);
        check(
            "apk add --no-cache jq; pacman -S --noconfirm htop; pacman -Q x",
            &["apk:jq", "pacman:htop"],
        );
        first("pip3 install 'requests[x]>=2' -r r.txt", 1, &["pypi:requests"]);
        first("python3 -m pip install -U flask", 1, &["pypi:flask"]);
        first("npm install -g @a/b@1 yarn@2", 2, &["npm:@a/b", "npm:yarn"]);
        check("python3 -m venv /opt/venv", &["/opt/venv", "/opt/venv/"]);
        check("apt-get update; apt list jq", &[]);
    }

    #[test]
    fn accounts() {
        let users = |text: &str, expected: &str| {
            let all = subjects(text, "", "");
            let found: Vec<String> =
                all.iter().map(show).filter(|one| !one.starts_with('/')).collect();
            assert_eq!(found.join(","), expected, "{text}");
        };
        users("usermod -aG sudo,adm anna", "users anna,groups sudo,groups adm");
        users(
            "useradd deploy --groups sudo --shell /bin/bash -m",
            "users deploy,groups deploy,groups sudo",
        );
        users("useradd -r -s /usr/sbin/nologin -d /opt/x svc", "users svc,groups svc");
        users("passwd -e bob", "users bob");
        users(
            "adduser --disabled-password --gecos '' joe; adduser joe docker",
            "users joe,groups joe,groups docker",
        );
        users("gpasswd -a joe docker", "groups docker,users joe");
        users("groupadd -g 1500 ops", "groups ops");
        users("chage -E 2030-01-01 joe", "users joe");
        first("useradd -m -d /srv/joe joe", 3, &["users joe", "groups joe", "/srv/joe/"]);
    }

    #[test]
    fn services_and_settings() {
        check("systemctl enable --now app; systemctl restart app", &["units app.service"]);
        check("systemctl enable /opt/x.timer", &["units x.timer", "/etc/systemd/system/x.timer"]);
        check("systemctl set-default multi-user.target", &["/etc/systemd/system/default.target"]);
        first(
            "systemctl edit ssh",
            2,
            &["units ssh.service", "/etc/systemd/system/ssh.service.d/"],
        );
        check("update-rc.d app defaults", &["units app.service"]);
        check(
            "crontab -u bob -l; crontab -u bob f",
            &["/var/spool/cron/crontabs/bob", "/var/spool/cron/bob"],
        );
        first(
            "update-alternatives --install /usr/bin/vi vi /opt/vi 5",
            2,
            &["/usr/bin/vi", "/etc/alternatives/vi"],
        );
        first("update-alternatives --set editor /usr/bin/vim", 1, &["/etc/alternatives/editor"]);
        check("hostnamectl set-hostname web", &["/etc/hostname", "/etc/machine-info/"]);
        check("hostnamectl; hostname web; hostnamectl set-location x", &["/etc/machine-info"]);
        first("localectl set-locale LANG=C", 2, &["/etc/locale.conf", "/etc/default/locale"]);
        let diverted = ["/a", "/a.distrib", "/a.real", "/var/lib/dpkg/diversions"];
        check("dpkg-divert --rename --divert /a.real --add /a", &diverted);
        let overridden = ["/bin/a", "/var/lib/dpkg/statoverride"];
        check("dpkg-statoverride --update --add root adm 2750 /bin/a", &overridden);
        first("make install PREFIX=/opt/x", 2, &["/opt/x", "/opt/x/"]);
        check("ldconfig", &["/etc/ld.so.cache", "/var/cache/ldconfig/"]);
    }
}
