//! The arguments of a program into options, their values and operands, by what its manual says of
//! which options take a value (getopt_long(3): clusters, `-ovalue`, `--long=value`, `--`).

/// Which options of a program take a value: the short ones, the long ones.
type Valued = (&'static [&'static str], &'static str, &'static [&'static str]);

/// A letter after `?` takes a value only where it is attached (`sed -i.bak`).
const VALUED: &[Valued] = &[
    (&["cp", "mv", "ln"], "tS", &["target-directory", "suffix"]),
    (&["install"], "mogtS", &["mode", "owner", "group", "target-directory", "suffix"]),
    (&["rsync"], "efTB", &["rsh", "filter", "exclude", "include", "files-from", "chown", "chmod"]),
    (&["scp", "sftp"], "cFiJloPSDX", &[]),
    (&["ssh", "ssh-copy-id"], "bcDEeFIiJLlmOopQRSWw", &[]),
    (&["chmod", "chown", "chgrp"], "", &["reference", "from"]),
    (&["setfacl"], "mxMX", &["modify", "remove", "modify-file", "remove-file", "restore"]),
    (&["chattr"], "pv", &[]),
    (&["chcon"], "urtl", &["user", "role", "type", "range", "reference"]),
    (&["touch"], "drt", &["date", "reference", "time"]),
    (&["mkdir", "mknod", "mkfifo"], "m", &["mode"]),
    (&["truncate"], "sr", &["size", "reference"]),
    (&["fallocate"], "lo", &["length", "offset"]),
    (&["mkswap"], "LpU", &["label", "pagesize", "uuid"]),
    (&["sed"], "efl?i", &["expression", "file", "line-length"]),
    (&["perl", "ruby"], "eEIMm?i", &[]),
    (&["awk", "gawk", "mawk"], "fvFieE", &["file", "assign", "include", "source"]),
    (
        &["curl"],
        "AbcCdDeEFhHKmoPQrtTuUwxXyYz",
        &[
            "output",
            "output-dir",
            "header",
            "data",
            "data-raw",
            "data-binary",
            "request",
            "user",
            "user-agent",
            "cacert",
            "cert",
            "key",
            "cookie",
            "cookie-jar",
            "form",
            "max-time",
            "connect-timeout",
            "retry",
            "retry-delay",
            "proxy",
            "referer",
            "url",
            "write-out",
            "dump-header",
            "upload-file",
        ],
    ),
    (
        &["wget"],
        "oOaietTQPUDARBlwI",
        &[
            "output-document",
            "output-file",
            "directory-prefix",
            "header",
            "post-data",
            "user",
            "password",
            "tries",
            "timeout",
            "user-agent",
            "ca-certificate",
            "input-file",
        ],
    ),
    (&["unzip"], "dxP", &[]),
    (
        &["gpg", "gpg2"],
        "oru",
        &["output", "keyring", "homedir", "recipient", "keyserver", "recv-keys", "local-user"],
    ),
    (&["ssh-keygen"], "tbCfNPRIDFVnsWEOzmJGKMSTUwaX", &[]),
    (&["crontab"], "u", &[]),
    (&["htpasswd"], "C", &[]),
    (&["patch"], "pdiorBDFVYz", &["strip", "directory", "input", "output", "reject-file"]),
    (&["vi", "vim", "vim.tiny", "vim.basic", "nvim", "view", "ex"], "cuSTtwWisU", &["cmd"]),
    (&["nano"], "rYoQTCXJ", &["fill", "syntax", "operatingdir", "backupdir"]),
    (
        &["systemctl"],
        "tHMnoPsp",
        &[
            "type", "root", "host", "machine", "lines", "output", "signal", "property", "state",
            "job-mode", "what",
        ],
    ),
    (
        &["apt", "apt-get", "aptitude", "apt-mark"],
        "octa",
        &["option", "config-file", "target-release", "default-release", "solver"],
    ),
    (
        &["dnf", "dnf5", "yum", "microdnf", "tdnf"],
        "cdeRx",
        &[
            "enablerepo",
            "disablerepo",
            "repo",
            "repoid",
            "releasever",
            "setopt",
            "exclude",
            "installroot",
            "config",
            "forcearch",
            "enableplugin",
            "disableplugin",
            "downloaddir",
        ],
    ),
    (&["zypper"], "cRrtD", &["root", "repo", "from", "type", "config", "reposd-dir", "plus-repo"]),
    (&["apk"], "pXt", &["root", "repository", "keys-dir", "virtual", "repositories-file"]),
    (&["pacman"], "bro", &["dbpath", "root", "config", "cachedir", "overwrite"]),
    (
        &["pip", "pip3"],
        "rtceif",
        &[
            "requirement",
            "target",
            "constraint",
            "editable",
            "index-url",
            "find-links",
            "prefix",
            "root",
            "extra-index-url",
            "proxy",
            "timeout",
            "trusted-host",
        ],
    ),
    (&["npm", "pnpm", "yarn"], "C", &["prefix", "registry", "loglevel", "cwd"]),
    (&["gem"], "nisv", &["install-dir", "bindir", "version", "source"]),
    (&["git"], "Ccb", &["branch", "depth", "git-dir", "work-tree", "origin", "reference"]),
    (&["make", "gmake"], "CfIoWjl", &["directory", "file", "jobs"]),
    (&["cmake"], "BSGDCP", &["install", "prefix", "build", "config", "component"]),
    (&["dpkg-divert", "dpkg-statoverride"], "", &["divert", "package", "admindir", "root"]),
    (&["update-alternatives", "alternatives"], "", &["altdir", "admindir", "log", "slave"]),
    (&["python", "python3", "virtualenv"], "p", &["python", "prompt"]),
    (&["passwd"], "nwxiRP", &["mindays", "maxdays", "warndays", "inactive", "root"]),
    (&["groupadd", "groupmod", "addgroup"], "gnpRK", &["gid", "new-name", "password", "root"]),
    (&["gpasswd"], "adMAQ", &["add", "delete", "members", "administrators"]),
    (&["grub-mkconfig", "grub2-mkconfig"], "o", &["output"]),
    (&["keytool"], "", &[]),
];

/// Arguments that were told apart.
#[derive(Debug, Default)]
pub struct Given<'a> {
    /// Options, each without its dashes; a cluster as its letters.
    pub flags: Vec<String>,
    /// Options with their values.
    pub values: Vec<(String, &'a str)>,
    /// The rest, in order.
    pub operands: Vec<&'a str>,
}

impl<'a> Given<'a> {
    /// Whether an option was given, with a value or without.
    pub fn has(&self, names: &[&str]) -> bool {
        let is = |name: &String| names.contains(&name.as_str());
        self.flags.iter().any(is) || self.values.iter().any(|(name, _)| is(name))
    }

    /// The values of an option by any of its names.
    pub fn all<'b>(&'b self, names: &'b [&str]) -> impl Iterator<Item = &'a str> + 'b {
        self.values
            .iter()
            .filter(move |(name, _)| names.contains(&name.as_str()))
            .map(|(_, value)| *value)
    }

    /// The last of them, which is the one that counts.
    pub fn get(&self, names: &[&str]) -> Option<&'a str> {
        self.all(names).last()
    }
}

/// Tells the arguments of a program apart.
#[must_use]
pub fn given<'a>(program: &str, arguments: &[&'a str]) -> Given<'a> {
    let row = VALUED.iter().find(|(programs, _, _)| programs.contains(&program));
    let (_, short, long) = row.copied().unwrap_or((&[], "", &[]));
    let (short, optional) = short.split_once('?').unwrap_or((short, ""));
    let mut found = Given::default();
    let mut words = arguments.iter().copied();
    while let Some(word) = words.next() {
        if word == "--" {
            found.operands.extend(words.by_ref());
        } else if let Some(name) = word.strip_prefix("--") {
            match name.split_once('=') {
                Some((name, value)) => found.values.push((name.to_owned(), value)),
                None if long.contains(&name) => match words.next() {
                    Some(value) => found.values.push((name.to_owned(), value)),
                    None => found.flags.push(name.to_owned()),
                },
                None => found.flags.push(name.to_owned()),
            }
        } else if let Some(cluster) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) {
            for (at, letter) in cluster.char_indices() {
                let rest = cluster.get(at.saturating_add(letter.len_utf8())..).unwrap_or_default();
                let name = letter.to_string();
                if optional.contains(letter) {
                    found.values.push((name, rest));
                    break;
                }
                if short.contains(letter) {
                    let value = if rest.is_empty() { words.next() } else { Some(rest) };
                    found.values.extend(value.map(|value| (name, value)));
                    break;
                }
                found.flags.push(name);
            }
        } else {
            found.operands.push(word);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(program: &str, arguments: &str, expected: &str) {
        let words: Vec<&str> = arguments.split(' ').collect();
        let found = given(program, &words);
        let values: Vec<String> =
            found.values.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let shown = format!(
            "{} | {} | {}",
            found.flags.join(","),
            values.join(","),
            found.operands.join(",")
        );
        assert_eq!(shown, expected, "{program} {arguments}");
    }

    #[test]
    fn clusters_values_and_operands() {
        check("curl", "-fsSLo /x https://h", "f,s,S,L | o=/x | https://h");
        check("curl", "--output=/x -O u", "O | output=/x | u");
        check("install", "-m 0644 -oroot a b", " | m=0644,o=root | a,b");
        check("sed", "-i.bak -e s/a/b/ -E f", "E | i=.bak,e=s/a/b/ | f");
        check("sed", "-Ei s/a/b/ f", "E | i= | s/a/b/,f");
        check("rm", "-rf -- -x y", "r,f |  | -x,y");
        check("apt-get", "install -y -o A=b jq", "y | o=A=b | install,jq");
        check("unknown", "-x y --z=1", "x | z=1 | y");
    }

    #[test]
    fn programs_have_one_row() {
        for (index, (programs, _, _)) in VALUED.iter().enumerate() {
            let rest = VALUED.iter().skip(index + 1);
            for program in *programs {
                assert!(rest.clone().all(|(other, _, _)| !other.contains(program)), "{program}");
            }
        }
    }
}
