//! What a shell command touches, as far as its words say: for `sudo` lines, histories, scripts of
//! cloud-init and of provisioners.
//!
//! This is no shell: it splits words and lists, follows `cd`, and knows which arguments of common
//! programs name what they write. What only reads names nothing. Variables, substitutions and
//! loops are not run; a path that cannot be known is left out.

use super::{below, fact, package, path};
use crate::model::EventSubject;

/// Commands that are read of one text; scripts are longer than lines, and hostile ones endless.
const MAX_COMMANDS: usize = 2000;

/// `sudo env nice …` may be nested, not endlessly.
const MAX_WRAPPERS: usize = 8;

/// What a piece of shell touches, from this working directory (empty where it is not known).
#[must_use]
pub fn subjects(text: &str, directory: &str, home: &str) -> Vec<EventSubject> {
    let mut shell = Shell { directory: directory.into(), home: home.into(), found: Vec::new() };
    shell.run(text, 0);
    shell.found
}

/// What an argument vector touches.
#[must_use]
pub fn of_words(words: &[String], directory: &str, home: &str) -> Vec<EventSubject> {
    let mut shell = Shell { directory: directory.into(), home: home.into(), found: Vec::new() };
    shell.command(words, 0);
    shell.found
}

/// The commands of a shell text, in words, quotes taken off. An operator that redirects output is
/// a word of its own, `>`, before the file's.
#[must_use]
pub fn split(text: &str) -> Vec<Vec<String>> {
    let mut commands = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if commands.len() >= MAX_COMMANDS {
            break;
        }
        match c {
            '\'' => {
                let word = word.get_or_insert_default();
                word.extend(chars.by_ref().take_while(|c| *c != '\''));
            }
            '"' => {
                let word = word.get_or_insert_default();
                while let Some(c) = chars.next() {
                    match c {
                        '"' => break,
                        '\\' => word.extend(chars.next()),
                        c => word.push(c),
                    }
                }
            }
            '\\' => match chars.next() {
                Some('\n') | None => {}
                Some(c) => word.get_or_insert_default().push(c),
            },
            '#' if word.is_none() => {
                while chars.peek().is_some_and(|c| *c != '\n') {
                    chars.next();
                }
            }
            ';' | '&' | '|' | '\n' | '(' | ')' => {
                if c == '&' && chars.peek() == Some(&'>') {
                    continue;
                }
                words.extend(word.take());
                if !words.is_empty() {
                    commands.push(std::mem::take(&mut words));
                }
            }
            '>' => {
                // `2>`: the digit is no word.
                word = word.filter(|word| !word.chars().all(|c| c.is_ascii_digit()));
                words.extend(word.take());
                if chars.peek() == Some(&'>') {
                    chars.next();
                }
                if chars.peek() == Some(&'&') {
                    chars.next();
                    while chars.peek().is_some_and(|c| c.is_ascii_digit() || *c == '-') {
                        chars.next();
                    }
                } else {
                    words.push(">".into());
                }
            }
            '<' => {
                words.extend(word.take());
                words.push("<".into());
            }
            c if c.is_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    if !words.is_empty() {
        commands.push(words);
    }
    commands
}

/// Programs that run another one, with those of their options that take a value.
const WRAPPERS: [(&str, &[&str]); 12] = [
    ("sudo", &["-u", "-g", "-h", "-p", "-C", "-D", "--user", "--group"]),
    ("doas", &["-u", "-C"]),
    ("env", &["-u", "-C", "-S"]),
    ("nice", &["-n"]),
    ("ionice", &["-c", "-n"]),
    ("nohup", &[]),
    ("time", &["-f", "-o"]),
    ("timeout", &["-k", "-s"]),
    ("exec", &["-a"]),
    ("command", &[]),
    ("eatmydata", &[]),
    ("setsid", &[]),
];

/// Editors write the files they are given.
const EDITORS: [&str; 14] = [
    "vi",
    "vim",
    "vim.tiny",
    "vim.basic",
    "nvim",
    "nano",
    "emacs",
    "mg",
    "joe",
    "ed",
    "ex",
    "editor",
    "sensible-editor",
    "mcedit",
];

struct Shell {
    directory: String,
    home: String,
    found: Vec<EventSubject>,
}

impl Shell {
    fn run(&mut self, text: &str, depth: usize) {
        for words in split(text) {
            self.command(&words, depth);
        }
    }

    fn command(&mut self, words: &[String], depth: usize) {
        let mut plain: Vec<&str> = Vec::new();
        let mut iter = words.iter().map(String::as_str);
        while let Some(word) = iter.next() {
            match word {
                ">" => {
                    if let Some(file) = iter.next().filter(|file| !file.starts_with("/dev/")) {
                        self.path(file);
                    }
                }
                "<" => drop(iter.next()),
                word => plain.push(word),
            }
        }
        let keywords = ["then", "do", "else", "if", "while", "until", "{", "!"];
        let is_prefix = |word: &&&str| {
            keywords.contains(*word)
                || word.split_once('=').is_some_and(|(name, _)| is_identifier(name))
        };
        let skip = plain.iter().take_while(is_prefix).count();
        let Some((program, arguments)) = plain.get(skip..).and_then(<[_]>::split_first) else {
            return;
        };
        let program = program.rsplit('/').next().unwrap_or_default();
        if depth < MAX_WRAPPERS
            && let Some((_, valued)) = WRAPPERS.iter().find(|(name, _)| *name == program)
        {
            let inner = unwrap(program, arguments, valued);
            let inner: Vec<String> = inner.iter().map(|word| (*word).to_owned()).collect();
            return self.command(&inner, depth.saturating_add(1));
        }
        if matches!(program, "sh" | "bash" | "dash" | "zsh" | "ksh" | "ash" | "su" | "eval") {
            let mut arguments = arguments.iter();
            let is_command = |word: &&&str| word.starts_with('-') && word.ends_with('c');
            if program == "eval" || arguments.by_ref().any(|word| is_command(&word)) {
                let text: Vec<&str> = arguments.copied().take(1).collect();
                if depth < MAX_WRAPPERS {
                    self.run(&text.join(" "), depth.saturating_add(1));
                }
            }
            return;
        }
        self.program(program, arguments);
    }

    fn program(&mut self, program: &str, arguments: &[&str]) {
        let (options, operands) = sort_out(arguments);
        let has = |name: &str| options.contains(&name);
        match program {
            "cd" | "pushd" => self.change_directory(operands.first().copied().unwrap_or("~")),
            "cp" | "install" | "mv" | "ln" | "rsync" | "scp" => {
                self.copy(program, arguments, &operands);
            }
            "rm" | "unlink" | "rmdir" | "shred" | "mkdir" | "touch" | "tee" | "truncate"
            | "mkfifo" | "mknod" | "gzip" | "gunzip" | "xz" | "bzip2" | "zstd" | "visudo" => {
                let deep = matches!(program, "rm" | "mkdir");
                operands.iter().for_each(|operand| self.named(operand, deep));
            }
            "chmod" | "chown" | "chgrp" | "setfacl" | "chattr" | "setcap" | "chcon" => {
                let deep = has("-R") || has("--recursive");
                for operand in operands.iter().filter(|word| word.contains(['/', '.'])) {
                    self.named(operand, deep);
                }
                // Without a slash: every operand but the mode or owner.
                operands.iter().skip(1).for_each(|operand| self.named(operand, deep));
            }
            "sed" | "perl" | "awk" | "gawk" => {
                let in_place = |word: &&str| {
                    word.starts_with("-i") || word.starts_with("--in-place") || is_short_i(word)
                };
                if options.iter().any(in_place) {
                    let files = operands.iter().filter(|word| is_path_like(word));
                    files.for_each(|file| self.path(file));
                }
            }
            "dd" => {
                for word in arguments {
                    if let Some(file) = word.strip_prefix("of=") {
                        self.path(file);
                    }
                }
            }
            "curl" | "wget" => {
                let names = ["-o", "-O", "--output", "--output-document"];
                valued(arguments, &names).for_each(|file| self.path(file));
                valued(arguments, &["-P", "--directory-prefix"]).for_each(|file| self.below(file));
            }
            "tar" | "unzip" | "bsdtar" => {
                valued(arguments, &["-C", "--directory", "-d"]).for_each(|dir| self.below(dir));
            }
            "git" if operands.first() == Some(&"clone") => {
                if let Some(directory) = operands.get(2) {
                    self.below(directory);
                }
            }
            "ssh-keygen" => valued(arguments, &["-f"]).for_each(|file| {
                self.path(file);
                self.path(&format!("{file}.pub"));
            }),
            "openssl" => valued(arguments, &["-out", "-keyout"]).for_each(|file| self.path(file)),
            "patch" => operands.iter().take(1).for_each(|file| self.path(file)),
            _ if EDITORS.contains(&program) => {
                operands.iter().for_each(|file| self.path(file.trim_start_matches('+')));
            }
            _ => tools(program, arguments, &operands, &mut self.found),
        }
    }

    /// The last operand is written; `mv` takes its sources away, `-t` names the directory first.
    fn copy(&mut self, program: &str, arguments: &[&str], operands: &[&str]) {
        let directory: Vec<&str> = valued(arguments, &["-t", "--target-directory"]).collect();
        let (sources, target) = match (directory.first(), operands.split_last()) {
            (Some(directory), _) => (operands, *directory),
            (None, Some((target, sources))) if !sources.is_empty() => (sources, *target),
            _ => {
                if program == "install" {
                    operands.iter().for_each(|operand| self.named(operand, false));
                }
                return;
            }
        };
        if target.contains(':') && matches!(program, "scp" | "rsync") {
            return;
        }
        let deep = program == "rsync"
            || arguments.iter().any(|word| {
                matches!(*word, "-r" | "-R" | "-a" | "--recursive" | "--archive")
                    || (word.starts_with('-')
                        && !word.starts_with("--")
                        && word.contains(['r', 'a']))
            });
        self.named(target, deep && matches!(program, "cp" | "rsync" | "mv" | "scp"));
        for source in sources {
            let name = source.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
            self.path(&format!("{}/{name}", target.trim_end_matches('/')));
            if program == "mv" {
                self.named(source, true);
            }
        }
    }

    /// A path, or what a pattern in its last name may stand for.
    fn named(&mut self, word: &str, deep: bool) {
        if let Some(star) = word.find(['*', '?', '[']) {
            if let Some(slash) = word.get(..star).and_then(|start| start.rfind('/')) {
                self.below(word.get(..slash).unwrap_or_default());
            }
            return;
        }
        self.path(word);
        if deep {
            self.below(word);
        }
    }

    fn path(&mut self, word: &str) {
        let full = self.absolute(word);
        self.found
            .extend(full.and_then(|full| path(&full)).filter(|one| !self.found.contains(one)));
    }

    fn below(&mut self, word: &str) {
        // Nothing is said by "everything".
        let full = self.absolute(word).filter(|full| full.trim_matches('/').contains('/'));
        self.found.extend(full.and_then(|f| below(&f)).filter(|one| !self.found.contains(one)));
    }

    fn change_directory(&mut self, word: &str) {
        self.directory = self.absolute(word).unwrap_or_default();
    }

    /// The whole path; `None` where it depends on what is not known.
    fn absolute(&self, word: &str) -> Option<String> {
        if word.is_empty() || word.contains(['$', '`', '*', '?', '[', '{']) || word == "-" {
            return None;
        }
        if word.starts_with('/') {
            return Some(word.to_owned());
        }
        if word == "~" || word.starts_with("~/") {
            let rest = word.get(1..).unwrap_or_default();
            return (!self.home.is_empty()).then(|| format!("{}{rest}", self.home));
        }
        (!self.directory.is_empty() && !word.starts_with(['~', '-']))
            .then(|| format!("{}/{word}", self.directory.trim_end_matches('/')))
    }
}

/// The words after a wrapper's own options and assignments.
fn unwrap<'a>(program: &str, arguments: &'a [&'a str], valued: &[&str]) -> &'a [&'a str] {
    let mut at = 0_usize;
    while let Some(word) = arguments.get(at) {
        let is_assignment = word.split_once('=').is_some_and(|(name, _)| is_identifier(name));
        if valued.contains(word) {
            at = at.saturating_add(2);
        } else if word.starts_with('-') || is_assignment {
            at = at.saturating_add(1);
        } else {
            // A duration comes before the command of `timeout`.
            let is_duration =
                program == "timeout" && word.starts_with(|c: char| c.is_ascii_digit());
            if is_duration {
                at = at.saturating_add(1);
            }
            break;
        }
    }
    arguments.get(at..).unwrap_or_default()
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// `perl -pi`: short options with an `i` among them.
fn is_short_i(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|rest| {
        !rest.starts_with('-') && rest.len() <= 4 && rest.contains('i') && !rest.contains('/')
    })
}

fn is_path_like(word: &str) -> bool {
    !word.contains(char::is_whitespace) && !word.starts_with("s/") && !word.is_empty()
}

/// Options and operands, in order.
fn sort_out<'a>(arguments: &[&'a str]) -> (Vec<&'a str>, Vec<&'a str>) {
    let mut only_operands = false;
    arguments.iter().copied().filter(|word| *word != "--").partition(|word| {
        only_operands |= *word == "--";
        !only_operands && word.starts_with('-') && word.len() > 1
    })
}

/// The values of these options, written `-o x`, `-ox` or `--output=x`.
fn valued<'a>(arguments: &[&'a str], names: &[&str]) -> impl Iterator<Item = &'a str> {
    let mut found = Vec::new();
    for (index, word) in arguments.iter().enumerate() {
        for name in names {
            if word == name {
                found.extend(arguments.get(index.saturating_add(1)).copied());
            } else if let Some(rest) = word.strip_prefix(name) {
                match rest.strip_prefix('=') {
                    Some(value) => found.push(value),
                    None if !name.starts_with("--") && name.len() == 2 => found.push(rest),
                    None => {}
                }
            }
        }
    }
    found.into_iter()
}

/// Users, packages and services that administration programs are given.
fn tools(program: &str, arguments: &[&str], operands: &[&str], found: &mut Vec<EventSubject>) {
    let last = operands.last().copied().unwrap_or_default();
    let mut add = |subject: Option<EventSubject>| found.extend(subject);
    match program {
        "useradd" | "adduser" | "usermod" | "userdel" | "deluser" | "passwd" | "chsh" | "chage"
        | "chfn" => {
            let home = valued(arguments, &["-d", "--home", "--home-dir"]).next();
            let names = account_operands(program, arguments);
            // `adduser USER GROUP`; the others have one name.
            for name in names.into_iter().take(1).filter(|name| is_user(name)) {
                add(Some(fact("users", name)));
                if matches!(program, "useradd" | "adduser") {
                    add(Some(fact("groups", name)));
                }
                let groups = valued(arguments, &["-G", "-aG", "--groups", "-g", "--gid"]);
                for group in groups.flat_map(|list| list.split(',')).filter(|group| is_user(group))
                {
                    add(Some(fact("groups", group)));
                }
                if matches!(program, "useradd" | "adduser" | "userdel" | "deluser") {
                    add(below(home.unwrap_or(&format!("/home/{name}"))));
                }
            }
            account_files(program, &mut add);
        }
        "groupadd" | "addgroup" | "groupmod" | "groupdel" | "delgroup" | "gpasswd" => {
            add(Some(fact("groups", last)));
            account_files("groupadd", &mut add);
        }
        "chpasswd" => account_files("passwd", &mut add),
        "crontab" if arguments.first() != Some(&"-l") => {
            let user = valued(arguments, &["-u"]).next().unwrap_or("root");
            add(path(&format!("/var/spool/cron/crontabs/{user}")));
            add(path(&format!("/var/spool/cron/{user}")));
        }
        "hostnamectl" | "hostname" => add(path("/etc/hostname")),
        "timedatectl" => {
            add(path("/etc/localtime"));
            add(path("/etc/timezone"));
        }
        "locale-gen" => add(path("/etc/locale.gen")),
        "update-locale" | "localectl" => {
            add(path("/etc/default/locale"));
            add(path("/etc/locale.conf"));
        }
        "systemctl" | "service" | "update-rc.d" | "chkconfig" => {
            services(program, operands, &mut add);
        }
        "apt" | "apt-get" | "aptitude" | "dnf" | "yum" | "microdnf" | "zypper" | "apk"
        | "pacman" | "rpm" | "dpkg" | "apt-mark" | "pip" | "pip3" | "npm" | "gem" => {
            packages(program, arguments, operands, &mut add);
        }
        "update-alternatives" | "alternatives" => {
            operands
                .iter()
                .take(1)
                .for_each(|name| add(path(&format!("/etc/alternatives/{name}"))));
        }
        "a2enmod" | "a2dismod" | "a2ensite" | "a2dissite" => add(below("/etc/apache2")),
        "ufw" => add(below("/etc/ufw")),
        "firewall-cmd" => add(below("/etc/firewalld")),
        _ => {}
    }
}

/// The operands without the values of options, which only `passwd` has none of with short names.
fn account_operands<'a>(program: &str, arguments: &[&'a str]) -> Vec<&'a str> {
    let mut found = Vec::new();
    let mut is_value = false;
    for word in arguments {
        if std::mem::take(&mut is_value) {
            continue;
        }
        if let Some(long) = word.strip_prefix("--") {
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
            ];
            is_value = !long.contains('=') && !flags.contains(&long);
        } else if let Some(short) = word.strip_prefix('-') {
            is_value = program != "passwd"
                && short.ends_with([
                    'c', 'd', 'e', 'f', 'g', 'G', 'k', 'K', 'p', 's', 'u', 'b', 'E', 'I', 'M', 'W',
                ]);
            // `-M` takes a value for chage only.
            is_value &= program == "chage" || !short.ends_with(['E', 'I', 'M', 'W']);
        } else {
            found.push(*word);
        }
    }
    found
}

fn is_user(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.len() <= 32
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// The files that hold accounts.
fn account_files(program: &str, add: &mut impl FnMut(Option<EventSubject>)) {
    let files: &[&str] = match program {
        "passwd" | "chage" => &["passwd", "shadow"],
        "groupadd" => &["group", "gshadow"],
        "useradd" | "adduser" | "userdel" | "deluser" => {
            &["passwd", "shadow", "group", "gshadow", "subuid", "subgid"]
        }
        _ => &["passwd", "shadow", "group", "gshadow"],
    };
    for file in files {
        add(path(&format!("/etc/{file}")));
        add(path(&format!("/etc/{file}-")));
    }
}

fn services(program: &str, operands: &[&str], add: &mut impl FnMut(Option<EventSubject>)) {
    let (verb, units) = match (program, operands) {
        ("systemctl", [verb, units @ ..]) => (*verb, units),
        ("update-rc.d" | "chkconfig", [unit, verb, ..]) => (*verb, std::slice::from_ref(unit)),
        _ => return,
    };
    let changes = matches!(
        verb,
        "enable"
            | "disable"
            | "reenable"
            | "mask"
            | "unmask"
            | "preset"
            | "edit"
            | "link"
            | "revert"
            | "set-property"
            | "defaults"
            | "remove"
            | "on"
            | "off"
            | "set-default"
    );
    if changes {
        for unit in units {
            let name = unit.rsplit('/').next().unwrap_or_default();
            add(Some(super::unit(name)));
        }
    }
}

fn packages(
    program: &str,
    arguments: &[&str],
    operands: &[&str],
    add: &mut impl FnMut(Option<EventSubject>),
) {
    let manager = match program {
        "apt" | "apt-get" | "aptitude" | "dpkg" | "apt-mark" => "dpkg",
        "dnf" | "yum" | "microdnf" | "zypper" | "rpm" => "rpm",
        "pip" | "pip3" => "pypi",
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
        "uninstall",
        "full-upgrade",
        "dist-upgrade",
    ];
    let values: Vec<&str> = valued(arguments, &["-o", "-c", "-t", "--option"]).collect();
    let operands: Vec<&str> =
        operands.iter().copied().filter(|word| !values.contains(word)).collect();
    let names = match operands.as_slice() {
        [verb, names @ ..] if verbs.contains(verb) => names,
        names if matches!(program, "pacman" | "rpm" | "dpkg") && !arguments.is_empty() => names,
        _ => return,
    };
    for name in names {
        let file = name.rsplit('/').next().unwrap_or_default();
        let name = file.split(['=', '_', '<', '>', '@']).next().unwrap_or_default();
        if !name.is_empty() && !name.starts_with('-') {
            add(Some(package(manager, name, None)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let shown: Vec<String> = subjects(text, "/root", "/root").iter().map(show).collect();
        assert_eq!(shown, expected, "{text}");
    }

    fn show(subject: &EventSubject) -> String {
        match subject {
            EventSubject::Path(path) => path.to_string(),
            EventSubject::Below(path) => format!("{path}/"),
            EventSubject::Package { key, .. } => format!("package {}", key.name),
            EventSubject::Fact { scope, key } => format!("{scope} {key}"),
            EventSubject::Content { path, .. } => format!("{path}="),
        }
    }

    #[test]
    fn what_is_written() {
        check("echo 'a > b' > /etc/x 2>/dev/null", &["/etc/x"]);
        check("sudo sh -c \"echo 1 >> /etc/y\"; true", &["/etc/y"]);
        check("sed -i 's/^#\\?A.*/A yes/' /etc/ssh/sshd_config", &["/etc/ssh/sshd_config"]);
        check(
            "cp /usr/bin/vim /usr/local/bin/editor",
            &["/usr/local/bin/editor", "/usr/local/bin/editor/vim"],
        );
        check("chmod 4755 /usr/local/bin/editor", &["/usr/local/bin/editor"]);
        check("mv a /srv/b", &["/srv/b", "/srv/b/a", "/root/a", "/root/a/"]);
        check("cd /etc && rm -rf cron.d/x", &["/etc/cron.d/x", "/etc/cron.d/x/"]);
        check("rm /etc/cron.d/*", &["/etc/cron.d/"]);
        check("cat /etc/passwd | tee -a ~/copy", &["/root/copy"]);
        check("ls -la /opt/app; less /etc/x; grep y /etc/z < /etc/q", &[]);
        check("vim +3 /etc/hosts # and so on", &["/root/3", "/etc/hosts"]);
        check("ssh-keygen -t rsa -N '' -f /etc/ssh/k", &["/etc/ssh/k", "/etc/ssh/k.pub"]);
        check("curl -o /usr/bin/x https://h; rm $FILE -- -f", &["/usr/bin/x"]);
    }

    #[test]
    fn what_is_administered() {
        check("apt-get install -y -o A=b jq=1.6 nginx", &["package jq", "package nginx"]);
        check("DEBIAN_FRONTEND=noninteractive apt-mark hold nginx", &["package nginx"]);
        check("systemctl enable --now app", &["units app.service"]);
        check("systemctl restart app", &[]);
        let accounts = |text: &str| {
            let found = subjects(text, "", "");
            found.iter().map(show).find(|one| one.starts_with("users")).unwrap_or_default()
        };
        assert_eq!(accounts("usermod -aG sudo anna"), "users anna");
        assert_eq!(accounts("useradd deploy --groups sudo --shell /bin/bash -m"), "users deploy");
        assert_eq!(accounts("passwd -e bob"), "users bob");
    }
}
