//! Secrets that only the program they are given to makes one: `sshpass -p X`, `curl -u me:X`,
//! `echo me:X | chpasswd`. By the programs' own manuals; a line that names none of them is kept as
//! it is.

use super::REDACTED;
use std::borrow::Cow;

/// Programs with options whose next word is a secret; where a third word is given, only in lines
/// that have it too.
const NEXT: [(&[&str], &[&str], &str); 12] = [
    (&["sshpass"], &["-p"], ""),
    (&["redis-cli", "redis-benchmark"], &["-a", "--pass"], ""),
    (&["ldapsearch", "ldapadd", "ldapmodify", "ldapdelete", "ldappasswd"], &["-w", "-s"], ""),
    (&["docker", "podman", "buildah", "skopeo", "helm", "nerdctl", "oras"], &["-p"], "login"),
    (&["az", "oc", "cf", "argocd"], &["-p"], "login"),
    (&["useradd", "usermod", "groupadd", "groupmod"], &["-p"], ""),
    (&["mosquitto_pub", "mosquitto_sub", "ipmitool"], &["-P"], ""),
    (&["snmpget", "snmpwalk", "snmpset"], &["-A", "-X", "-c"], ""),
    (&["mongo", "mongosh", "mongodump", "mongorestore"], &["-p"], ""),
    (&["openssl"], &["-k", "-K", "-pass", "-passin", "-passout"], ""),
    (&["zip", "unzip"], &["-P"], ""),
    (&["net", "smbclient", "rpcclient"], &["-U"], ""),
];

/// Programs whose `-pX` is one word.
const ATTACHED: [&str; 8] = [
    "mysql",
    "mysqladmin",
    "mysqldump",
    "mysqlimport",
    "mariadb",
    "mariadb-dump",
    "mariadb-admin",
    "sshpass",
];

/// Programs whose `-u` takes `NAME:SECRET`.
const LOGINS: [&str; 4] = ["curl", "http", "https", "xh"];

/// Programs whose last word is a secret where they are given it at all.
const LAST: [(&str, &[&str]); 3] = [
    ("htpasswd", &["-b", "-bc", "-cb", "-Bb", "-bB"]),
    ("wpa_passphrase", &[]),
    ("openssl", &["passwd"]),
];

/// Programs that read a secret from what is piped into them.
const READERS: [(&str, &str); 5] =
    [("passwd", "--stdin"), ("sudo", "-S"), ("cryptsetup", ""), ("vncpasswd", "-f"), ("su", "")];

/// The line without the secrets among the arguments of these programs.
pub(super) fn arguments(line: &str) -> Cow<'_, str> {
    let words: Vec<&str> = line.split(' ').collect();
    let named = |program: &str| words.iter().any(|word| is(word, program));
    let has = |option: &str| option.is_empty() || words.iter().any(|word| bare(word) == option);
    let next: Vec<&str> = NEXT
        .iter()
        .filter(|(programs, _, with)| programs.iter().any(|one| named(one)) && has(with))
        .flat_map(|(_, options, _)| options.iter().copied())
        .collect();
    let is_attached = ATTACHED.iter().any(|program| named(program));
    let is_login = LOGINS.iter().any(|program| named(program));
    let is_accounts = named("chpasswd") || named("newusers");
    let is_last = LAST.iter().any(|(program, options)| {
        named(program) && (options.is_empty() || options.iter().any(|option| has(option)))
    });
    let piped = piped(&words);
    if next.is_empty() && !(is_attached || is_login || is_accounts || is_last) && piped.is_none() {
        return Cow::Borrowed(line);
    }
    let end = words.iter().position(|word| matches!(*word, ">" | ">>" | "|" | "&&" | ";"));
    let last = end.unwrap_or(words.len()).checked_sub(1).filter(|_| is_last);
    let mut before = "";
    let hidden = words.iter().enumerate().map(|(at, word)| {
        let option = std::mem::replace(&mut before, bare(word));
        if word.is_empty() {
            before = option;
            return Cow::Borrowed(*word);
        }
        let is_secret = next.contains(&option)
            || last == Some(at)
            || piped.is_some_and(|(from, to)| from < at && at < to && !word.starts_with('-'));
        if is_secret {
            Cow::Borrowed(REDACTED)
        } else if is_attached && word.len() > 2 && word.starts_with("-p") {
            Cow::Owned(format!("-p{REDACTED}"))
        } else if is_accounts || (is_login && matches!(option, "-u" | "--user" | "--proxy-user")) {
            login(word).map_or(Cow::Borrowed(*word), Cow::Owned)
        } else {
            Cow::Borrowed(*word)
        }
    });
    let hidden: Vec<Cow<'_, str>> = hidden.collect();
    Cow::Owned(hidden.join(" "))
}

fn bare(word: &str) -> &str {
    word.trim_matches(['"', '\'', ';', '(', ')'])
}

fn is(word: &str, program: &str) -> bool {
    let word = bare(word).trim_start_matches("COMMAND=");
    word == program || word.strip_suffix(program).is_some_and(|folder| folder.ends_with('/'))
}

/// The words of an `echo` or `printf` that are piped into a program that reads a secret.
fn piped(words: &[&str]) -> Option<(usize, usize)> {
    let from = words.iter().position(|word| matches!(bare(word), "echo" | "printf"))?;
    let rest = words.get(from..)?;
    let pipe = rest.iter().position(|word| matches!(*word, "|" | "<<<"))?;
    let into = rest.get(pipe..)?;
    let reads = READERS.iter().any(|(program, option)| {
        into.iter().any(|word| is(word, program))
            && (option.is_empty() || into.iter().any(|word| bare(word) == *option))
    });
    reads.then_some((from, from.saturating_add(pipe)))
}

/// `NAME:SECRET`, in quotes or not; nothing that is an address.
fn login(word: &str) -> Option<String> {
    let (name, rest) = word.split_once(':')?;
    let is_name = !bare(name).is_empty()
        && bare(name).chars().all(|c| c.is_alphanumeric() || "._-@$\\".contains(c));
    (is_name && !rest.is_empty() && !rest.starts_with("//")).then(|| format!("{name}:{REDACTED}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &str) {
        assert_eq!(arguments(line), expected);
    }

    #[test]
    fn by_program() {
        check("echo 'bob:Secret1' | sudo chpasswd", "echo 'bob:[redacted] | sudo chpasswd");
        check("sshpass -p Secret1 ssh h -p 22", "sshpass -p [redacted] ssh h -p [redacted]");
        check("mysql -u root -pSecret1 db", "mysql -u root -p[redacted] db");
        check("curl -u me:Secret1 https://h:8080/x", "curl -u me:[redacted] https://h:8080/x");
        check("docker login -u me -p Secret1 h", "docker login -u me -p [redacted] h");
        check("docker run -p 80:80 x", "docker run -p 80:80 x");
        check("htpasswd -bc /etc/x me Secret1", "htpasswd -bc /etc/x me [redacted]");
        check("htpasswd -c /etc/x me", "htpasswd -c /etc/x me");
        check("wpa_passphrase net Secret1 > /etc/x", "wpa_passphrase net [redacted] > /etc/x");
        check("echo Secret1 | passwd --stdin joe", "echo [redacted] | passwd --stdin joe");
        check("echo Secret1 | sudo -S ls", "echo [redacted] | sudo -S ls");
        check("openssl enc -pass pass:Secret1 -in x", "openssl enc -pass [redacted] -in x");
        check("usermod -p Secret1 joe; cp -p a b", "usermod -p [redacted] joe; cp -p [redacted] b");
        check("mkdir -p /srv/x && echo a:b > /srv/x/y", "mkdir -p /srv/x && echo a:b > /srv/x/y");
        check(
            "x : COMMAND=/usr/sbin/useradd -p S joe",
            "x : COMMAND=/usr/sbin/useradd -p [redacted] joe",
        );
    }
}
