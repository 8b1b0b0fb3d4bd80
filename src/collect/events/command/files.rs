//! Programs that write files, and which of their arguments name them.

use super::Shell;
use super::options::{Given, given};

/// Editors write the files they are given.
const EDITORS: [&str; 20] = [
    "vi",
    "vim",
    "vim.tiny",
    "vim.basic",
    "vim.nox",
    "nvim",
    "nano",
    "rnano",
    "pico",
    "emacs",
    "mg",
    "joe",
    "jed",
    "ne",
    "micro",
    "ed",
    "ex",
    "editor",
    "sensible-editor",
    "mcedit",
];

/// Every operand is written (or taken away).
const EVERY_OPERAND: [&str; 24] = [
    "rm",
    "unlink",
    "rmdir",
    "shred",
    "wipe",
    "mkdir",
    "touch",
    "tee",
    "sponge",
    "truncate",
    "mkfifo",
    "mknod",
    "gzip",
    "gunzip",
    "xz",
    "unxz",
    "bzip2",
    "bunzip2",
    "zstd",
    "unzstd",
    "fallocate",
    "mkswap",
    "dos2unix",
    "unix2dos",
];

impl Shell {
    /// Directories that are made on the way to one, but for those at the root of the tree: these
    /// are there.
    fn parents(&mut self, word: &str) {
        let mut rest = word.trim_end_matches('/');
        while let Some((above, _)) = rest.rsplit_once('/') {
            if !above.trim_start_matches('/').contains('/') && above.starts_with(['/', '~', '.']) {
                break;
            }
            self.path(above);
            rest = above;
        }
    }

    /// Whether the program is one of these.
    pub(super) fn files(&mut self, program: &str, arguments: &[&str]) -> bool {
        let given = given(program, arguments);
        match program {
            "cd" | "pushd" => {
                self.change_directory(given.operands.first().copied().unwrap_or("~"));
            }
            "cp" | "install" | "mv" | "ln" | "rsync" | "scp" => self.copy(program, &given),
            _ if EVERY_OPERAND.contains(&program) => {
                let deep = matches!(program, "rm" | "mkdir");
                given.operands.iter().for_each(|operand| self.named(operand, deep));
                if program == "mkdir" && given.has(&["p", "parents"]) {
                    given.operands.iter().for_each(|operand| self.parents(operand));
                }
                if matches!(program, "gzip" | "xz" | "bzip2" | "zstd") {
                    let end = match program {
                        "gzip" => "gz",
                        "bzip2" => "bz2",
                        "zstd" => "zst",
                        other => other,
                    };
                    given.operands.iter().for_each(|file| self.path(&format!("{file}.{end}")));
                }
            }
            "chmod" | "chown" | "chgrp" | "setfacl" | "chattr" | "setcap" | "chcon"
            | "restorecon" | "setfattr" | "lchown" => self.rights(program, arguments, &given),
            "sed" | "perl" | "ruby" | "awk" | "gawk" => self.in_place(program, &given),
            "dd" => {
                let files = arguments.iter().filter_map(|word| word.strip_prefix("of="));
                files.for_each(|file| self.path(file));
            }
            "curl" | "wget" => self.fetch(program, &given),
            "tar" | "bsdtar" => self.tar(arguments),
            "unzip" | "7z" | "7za" | "cpio" | "ar" => match given.get(&["d", "o"]) {
                Some(directory) => self.tree(directory),
                None => self.tree("."),
            },
            "zip" => given.operands.iter().take(1).for_each(|file| self.path(file)),
            "git" | "hg" | "svn" => self.checkout(program, &given),
            "ssh-keygen" => self.key(&given),
            "openssl" => {
                for (at, word) in arguments.iter().enumerate() {
                    if matches!(*word, "-out" | "-keyout" | "-CAserial" | "-signkey") {
                        let file = arguments.get(at.saturating_add(1)).copied().unwrap_or_default();
                        self.path(file);
                    }
                }
            }
            "gpg" | "gpg2" => {
                given.all(&["o", "output", "keyring"]).for_each(|file| self.path(file));
                if given.has(&["import", "recv-keys"]) {
                    self.tree("~/.gnupg");
                }
            }
            "patch" => {
                given.operands.iter().take(1).for_each(|file| self.path(file));
                if given.operands.is_empty() {
                    self.tree(given.get(&["d", "directory"]).unwrap_or("."));
                }
            }
            "find" => self.find(arguments),
            "htpasswd" => given.operands.iter().take(1).for_each(|file| self.path(file)),
            "crudini" => given.operands.iter().take(1).for_each(|file| self.path(file)),
            "yq" | "jq" if given.has(&["i", "inplace", "in-place"]) => {
                given.operands.iter().skip(1).for_each(|file| self.path(file));
            }
            "visudo" => match given.get(&["f", "file"]).or(given.operands.first().copied()) {
                Some(file) => self.path(file),
                None => self.path("/etc/sudoers"),
            },
            "vipw" => ["/etc/passwd", "/etc/shadow"].iter().for_each(|file| self.path(file)),
            "vigr" => ["/etc/group", "/etc/gshadow"].iter().for_each(|file| self.path(file)),
            "sudoedit" => given.operands.iter().for_each(|file| self.path(file)),
            "history" if given.has(&["c", "w", "a", "d"]) => self.path("~/.bash_history"),
            _ if EDITORS.contains(&program) => {
                let files = given.operands.iter().filter(|file| !file.starts_with('+'));
                files.for_each(|file| self.path(file));
            }
            _ => return false,
        }
        true
    }

    /// A directory and all that is put in it.
    fn tree(&mut self, directory: &str) {
        let directory = match directory {
            "." | "./" if self.directory.is_empty() => return,
            "." | "./" => self.directory.clone(),
            other => other.to_owned(),
        };
        self.named(&directory, true);
    }

    /// The last operand is written; `mv` takes its sources away, `-t` names the directory first.
    fn copy(&mut self, program: &str, given: &Given<'_>) {
        let operands = given.operands.as_slice();
        if program == "install" && given.has(&["d", "directory"]) {
            for operand in operands {
                self.named(operand, true);
                self.parents(operand);
            }
            return;
        }
        let (sources, target) = match (given.get(&["t", "target-directory"]), operands.split_last())
        {
            (Some(directory), _) if program != "rsync" => (operands, directory),
            (_, Some((target, sources))) if !sources.is_empty() => (sources, *target),
            // `ln -s TARGET`: a link of that name here.
            (_, Some((only, _))) if program == "ln" => (std::slice::from_ref(only), "."),
            _ => return,
        };
        if target.contains(':') && matches!(program, "scp" | "rsync") {
            return;
        }
        let recursive = ["r", "R", "a", "recursive", "archive"];
        let deep = program == "rsync" || program == "mv" || given.has(&recursive);
        if target != "." {
            self.named(target, deep && program != "ln");
        }
        if program == "install" && given.has(&["D"]) {
            self.parents(target);
        }
        for source in sources {
            // What lies at the end of a remote source is the name that it gets here.
            let source = source.rsplit_once(':').map_or(*source, |(_, path)| path);
            let name = source.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
            let is_inside = program == "rsync" && source.ends_with('/');
            if !name.is_empty() && !is_inside {
                let within = match target {
                    "." => name.to_owned(),
                    target => format!("{}/{name}", target.trim_end_matches('/')),
                };
                self.named(&within, deep && program != "ln");
            }
            if program == "mv" {
                self.named(source, true);
            }
        }
        if given.has(&["b", "backup"]) {
            self.path(&format!("{target}~"));
        }
    }

    /// Modes, owners, attributes: the first operand says what, unless an option does.
    fn rights(&mut self, program: &str, arguments: &[&str], given: &Given<'_>) {
        let deep = given.has(&["R", "recursive", "r"]);
        let says = given.has(&["reference", "m", "x", "M", "X", "modify", "remove", "b", "k"]);
        let skip = match program {
            "setfacl" | "restorecon" | "setfattr" | "chcon" => {
                usize::from(!says && program == "chcon")
            }
            // `chmod -x FILE`, `chattr -i FILE` look like options.
            "chmod" | "chattr" => {
                let first = arguments.iter().find(|word| !matches!(**word, "-R" | "-v" | "-f"));
                let is_mode = first.is_some_and(|word| word.starts_with('-'));
                usize::from(!is_mode && !given.has(&["reference"]))
            }
            "setcap" => 1,
            _ => usize::from(!given.has(&["reference"])),
        };
        given.operands.iter().skip(skip).for_each(|operand| self.named(operand, deep));
    }

    /// `sed -i`, `perl -pi -e`, `awk -i inplace`: files come after the script.
    fn in_place(&mut self, program: &str, given: &Given<'_>) {
        let suffix = given.get(&["i", "in-place"]);
        let is_flag = given.has(&["in-place"]);
        if suffix.is_none() && !is_flag {
            return;
        }
        let has_script = given.has(&["e", "E", "f", "expression", "file"]);
        let skip = usize::from(!has_script);
        let suffix =
            suffix.filter(|suffix| !suffix.is_empty() && program != "gawk" && program != "awk");
        for file in given.operands.iter().skip(skip) {
            self.named(file, false);
            if let Some(suffix) = suffix {
                self.path(&format!("{file}{suffix}"));
            }
        }
    }

    fn fetch(&mut self, program: &str, given: &Given<'_>) {
        let names: [&str; 2] =
            if program == "curl" { ["o", "output"] } else { ["O", "output-document"] };
        let directory = given.get(&["P", "directory-prefix", "output-dir"]);
        let mut is_named = false;
        for file in given.all(&names) {
            is_named = true;
            match directory {
                Some(directory) if !file.starts_with('/') => {
                    self.path(&format!("{directory}/{file}"));
                }
                _ => self.path(file),
            }
        }
        let by_url = match program {
            "curl" => given.has(&["O", "remote-name", "remote-name-all"]),
            _ => !is_named,
        };
        if !by_url {
            return;
        }
        for url in &given.operands {
            let url = url.split(['?', '#']).next().unwrap_or_default();
            let name = url.rsplit('/').next().filter(|name| !name.is_empty() && url.contains("//"));
            let Some(name) = name else { continue };
            match directory {
                Some(directory) => {
                    self.path(&format!("{}/{name}", directory.trim_end_matches('/')));
                }
                None => self.path(name),
            }
        }
    }

    /// `tar xzf A -C DIR`, `tar -czf A FILES`: with dashes, without, and long.
    fn tar(&mut self, arguments: &[&str]) {
        let mut is_making = false;
        let mut is_taking = false;
        let (mut archive, mut directory) = (None, None);
        let mut words = arguments.iter().copied().enumerate();
        while let Some((at, word)) = words.next() {
            match word {
                "-C" | "--directory" | "--cd" => directory = words.next().map(|(_, value)| value),
                "--file" => archive = words.next().map(|(_, value)| value),
                "--extract" | "--get" => is_taking = true,
                "--create" | "--append" | "--update" => is_making = true,
                _ if word.starts_with("--directory=") => {
                    directory = word.split_once('=').map(|(_, value)| value);
                }
                _ if word.starts_with("--file=") => {
                    archive = word.split_once('=').map(|(_, value)| value);
                }
                _ if word.starts_with("--") => {}
                _ if at == 0 || word.starts_with('-') => {
                    let letters = word.trim_start_matches('-');
                    is_taking |= letters.contains('x');
                    is_making |= letters.starts_with(['c', 'r', 'u']) || letters.contains('c');
                    if letters.contains('f') {
                        archive = words.next().map(|(_, value)| value);
                    }
                }
                _ => {}
            }
        }
        if is_taking {
            self.tree(directory.unwrap_or("."));
        } else if is_making && let Some(archive) = archive {
            self.path(archive);
        }
    }

    fn checkout(&mut self, program: &str, given: &Given<'_>) {
        let words: Vec<&str> = given.operands.clone();
        let (verb, rest) = match words.split_first() {
            Some((verb, rest)) => (*verb, rest),
            None => return,
        };
        match (verb, rest) {
            ("clone" | "checkout" | "co" | "export", [_, directory, ..])
                if program != "git" || verb == "clone" =>
            {
                self.tree(directory);
            }
            ("clone", [url]) => {
                let name = url.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default();
                let name = name.strip_suffix(".git").unwrap_or(name).to_owned();
                self.tree(&name);
            }
            ("init", [directory]) => self.tree(directory),
            ("config", _) if given.has(&["global"]) => self.path("~/.gitconfig"),
            ("config", _) if given.has(&["system"]) => self.path("/etc/gitconfig"),
            (
                "pull" | "checkout" | "reset" | "merge" | "switch" | "restore" | "am" | "apply"
                | "update" | "commit" | "fetch" | "clean" | "init" | "stash" | "submodule",
                _,
            ) => {
                self.tree(given.get(&["C", "work-tree"]).unwrap_or("."));
            }
            _ => {}
        }
    }

    fn key(&mut self, given: &Given<'_>) {
        if given.has(&["R"]) {
            let file = given.get(&["f"]).unwrap_or("~/.ssh/known_hosts");
            self.path(file);
            self.path(&format!("{file}.old"));
            return;
        }
        if given.has(&["l", "y", "L", "F", "B"]) {
            return;
        }
        if given.has(&["A"]) {
            self.below("/etc/ssh");
        } else if let Some(file) = given.get(&["f"]) {
            self.path(file);
            self.path(&format!("{file}.pub"));
        } else {
            self.below("~/.ssh");
        }
    }

    /// `find ROOT … -delete`, `-exec rm`: all below its roots may have been touched.
    fn find(&mut self, arguments: &[&str]) {
        let writes = ["-delete", "-fprint", "-fls"];
        let programs = [
            "rm", "chmod", "chown", "chgrp", "sed", "mv", "touch", "gzip", "truncate", "sh", "bash",
        ];
        let after = |word: &str| {
            arguments
                .iter()
                .position(|one| *one == word)
                .and_then(|at| arguments.get(at.saturating_add(1)))
        };
        let runs = ["-exec", "-execdir", "-ok"].iter().filter_map(|word| after(word)).any(|one| {
            let name = one.rsplit('/').next().unwrap_or_default();
            programs.contains(&name)
        });
        if !runs && !arguments.iter().any(|word| writes.contains(word)) {
            return;
        }
        let roots = arguments.iter().take_while(|word| !word.starts_with(['-', '(', '!']));
        let roots: Vec<&str> = roots.copied().collect();
        if roots.is_empty() {
            self.tree(".");
        }
        roots.iter().for_each(|root| self.tree(root));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;

    #[test]
    fn copies_and_links() {
        let editor = ["/usr/local/bin/editor", "/usr/local/bin/editor/vim"];
        check("cp /usr/bin/vim /usr/local/bin/editor", &editor);
        check(
            "mv a /srv/b",
            &["/srv/b", "/srv/b/", "/srv/b/a", "/srv/b/a/", "/root/a", "/root/a/"],
        );
        check("install -m 0755 -o root app /usr/bin/app", &["/usr/bin/app", "/usr/bin/app/app"]);
        check("install -d -m 0700 /srv/x", &["/srv/x", "/srv/x/"]);
        check("mkdir -p /srv/x/y", &["/srv/x/y", "/srv/x/y/", "/srv/x"]);
        check("mkdir /srv/x/y", &["/srv/x/y", "/srv/x/y/"]);
        check("cd /opt; mkdir -p a/b", &["/opt/a/b", "/opt/a/b/", "/opt/a"]);
        check(
            "install -D -m 644 x /opt/a/b/y",
            &["/opt/a/b/y", "/opt/a/b", "/opt/a", "/opt/a/b/y/x"],
        );
        check(
            "ln -sf /usr/share/zoneinfo/UTC /etc/localtime",
            &["/etc/localtime", "/etc/localtime/UTC"],
        );
        check("cd /etc/nginx/sites-enabled; ln -s ../a/app", &["/etc/nginx/sites-enabled/app"]);
        check("cp -t /etc /a/x", &["/etc", "/etc/x"]);
        check("cp -a /a/x /etc/y", &["/etc/y", "/etc/y/", "/etc/y/x", "/etc/y/x/"]);
        check("rsync -a --delete me@h:/src/ /srv/app/", &["/srv/app", "/srv/app/"]);
        check(
            "scp me@h:/tmp/x.conf /etc/x.conf; scp /etc/passwd me@h:",
            &["/etc/x.conf", "/etc/x.conf/x.conf"],
        );
        check("cp /etc/foo{,.bak}", &["/etc/foo.bak", "/etc/foo.bak/foo"]);
    }

    #[test]
    fn edits() {
        check("sed -i 's/^#\\?A.*/A yes/' /etc/ssh/sshd_config", &["/etc/ssh/sshd_config"]);
        check("sed -i.bak -e 's/a/b/' -e '/x/d' /etc/x", &["/etc/x", "/etc/x.bak"]);
        check("sed -ri 's/a/b/;s/c/d/' /etc/x /etc/y", &["/etc/x", "/etc/y"]);
        check("sed 's/a/b/' /etc/x", &[]);
        check("sed --in-place=.o 's/$HOME/x/' /etc/x", &["/etc/x", "/etc/x.o"]);
        check("perl -pi -e 's/{a,b}/$c/' /etc/x", &["/etc/x"]);
        check("awk '{print > \"/x\"}' /etc/y", &[]);
        check("vim +3 -u NONE /etc/hosts # and so on", &["/etc/hosts"]);
        check("nano -l /etc/fstab; vi", &["/etc/fstab"]);
        check("visudo; visudo -f /etc/sudoers.d/x", &["/etc/sudoers", "/etc/sudoers.d/x"]);
        check("patch /etc/x < p; cd /opt/app; patch -p1 < p", &["/etc/x", "/opt/app", "/opt/app/"]);
    }

    #[test]
    fn rights_and_removals() {
        check("chmod 4755 /usr/local/bin/editor", &["/usr/local/bin/editor"]);
        check(
            "chmod -R u+w,g-w /srv/a; chown -R x:y /srv/b",
            &["/srv/a", "/srv/a/", "/srv/b", "/srv/b/"],
        );
        check("chmod -x /a; chattr +i /b; chattr -i /c", &["/a", "/b", "/c"]);
        check("setcap cap_net_bind_service=+ep /usr/bin/x", &["/usr/bin/x"]);
        check("setfacl -m u:bob:rw /srv/x", &["/srv/x"]);
        check("cd /etc && rm -rf cron.d/x", &["/etc/cron.d/x", "/etc/cron.d/x/"]);
        check("rm /etc/cron.d/*", &["/etc/cron.d/"]);
        check("truncate -s 0 /var/log/x; touch -d yesterday /y", &["/var/log/x", "/y"]);
        check("find /srv/x -name '*.o' -delete; find /srv/y -name z", &["/srv/x", "/srv/x/"]);
        check("gzip /srv/x", &["/srv/x", "/srv/x.gz"]);
    }

    #[test]
    fn downloads_and_archives() {
        check("curl -fsSLo /usr/bin/x https://h; rm $FILE -- -f", &["/usr/bin/x"]);
        check("cd /tmp; curl -O https://h/a/b.tgz?x=1; curl https://h/c", &["/tmp/b.tgz"]);
        check("wget -qO- https://h; wget -P /opt https://h/x.zip", &["/opt/x.zip"]);
        check("wget https://h/y", &["/root/y"]);
        check(
            "tar xzf a.tgz -C /opt/app; tar -C /srv/x -xf b",
            &["/opt/app", "/opt/app/", "/srv/x", "/srv/x/"],
        );
        check("tar czf /srv/backup.tgz /etc; tar tf /a", &["/srv/backup.tgz"]);
        check(
            "cd /opt/x && tar xf /tmp/a && unzip -d /srv/z b.zip",
            &["/opt/x", "/opt/x/", "/srv/z", "/srv/z/"],
        );
        check("cd /opt; git clone https://h/me/app.git", &["/opt/app", "/opt/app/"]);
        check("git clone -b v1 --depth 1 https://h/x /srv/x", &["/srv/x", "/srv/x/"]);
        check("git -C /srv/x pull; git -C /srv/y status", &["/srv/x", "/srv/x/"]);
        check("ssh-keygen -t rsa -N '' -f /etc/ssh/k", &["/etc/ssh/k", "/etc/ssh/k.pub"]);
        check(
            "openssl req -x509 -keyout /etc/k.pem -out /etc/c.pem",
            &["/etc/k.pem", "/etc/c.pem"],
        );
        check("curl h | gpg --dearmor -o /etc/apt/keyrings/x.gpg", &["/etc/apt/keyrings/x.gpg"]);
    }

    #[test]
    fn what_only_reads() {
        check("ls -la /opt/app; less /etc/x; grep y /etc/z < /etc/q; cat /etc/passwd", &[]);
        check("ssh-keygen -lf /etc/ssh/k.pub; tail -f /x", &[]);
    }
}
