//! Which texts of a target may be kept to be shown as differences later, and what of them is
//! hidden before anything is kept.
//!
//! A key or a password never reaches the store. Files that exist to hold secrets are refused by
//! their path, and files that look like a private key by their bytes. In all others each line is
//! looked at: values of what is named a secret, password hashes, tokens and logins in URLs become
//! [`REDACTED`]. What is hidden is seen to be hidden, and two texts that differ only there are said
//! to do so by their digests.

use super::events::redact::{REDACTED, SECRET_STARTS};
use crate::model::{Text, TreePath};

/// Bytes of one text that is kept: configuration is smaller, and a difference of more is not read.
pub const MAX_TEXT: u64 = 64 * 1024;

/// Directories that hold keys and passwords only.
const SECRET_PLACES: [&str; 16] = [
    "/etc/ssl/private",
    "/etc/pki/tls/private",
    "/etc/pki/private",
    "/etc/wireguard",
    "/etc/letsencrypt/archive",
    "/etc/letsencrypt/live",
    "/etc/letsencrypt/keys",
    "/etc/letsencrypt/accounts",
    "/etc/puppetlabs/puppet/ssl",
    "/etc/puppet/ssl",
    "/etc/salt/pki",
    "/etc/NetworkManager/system-connections",
    "/etc/openvpn",
    "/etc/swanctl/private",
    "/etc/ipsec.d/private",
    "/etc/credstore",
];

/// Names, and endings of names, of files that hold keys and passwords.
const SECRET_NAMES: [&str; 24] = [
    "shadow",
    "shadow-",
    "gshadow",
    "gshadow-",
    "opasswd",
    "krb5.keytab",
    "chap-secrets",
    "pap-secrets",
    "ipsec.secrets",
    "debian.cnf",
    ".pgpass",
    ".my.cnf",
    ".netrc",
    ".git-credentials",
    ".htpasswd",
    "htpasswd",
    "rndc.key",
    "key.json",
    "secrets.yaml",
    "secrets.yml",
    "master.key",
    "credentials",
    "random-seed",
    "wpa_supplicant.conf",
];
const SECRET_ENDINGS: [&str; 13] = [
    "_key",
    ".key",
    ".p12",
    ".pfx",
    ".jks",
    ".keytab",
    ".kdb",
    ".kdbx",
    ".ppk",
    ".gpg",
    ".secret",
    ".secrets",
    ".kubeconfig",
];

/// Last parts of a setting's name whose value is a secret.
const SECRET_WORDS: [&str; 22] = [
    "password",
    "passwd",
    "passphrase",
    "pass",
    "pwd",
    "psk",
    "secret",
    "secretkey",
    "token",
    "apikey",
    "credential",
    "credentials",
    "requirepass",
    "masterauth",
    "masteruser",
    "community",
    "rocommunity",
    "rwcommunity",
    "privatekey",
    "presharedkey",
    "authtoken",
    "bindpw",
];

/// Values that are words of configuration languages and no secrets.
const PLAIN_VALUES: [&str; 20] = [
    "yes",
    "no",
    "true",
    "false",
    "none",
    "null",
    "on",
    "off",
    "files",
    "compat",
    "required",
    "requisite",
    "sufficient",
    "optional",
    "include",
    "substack",
    "\"\"",
    "''",
    "prohibit-password",
    "*",
];

/// Whether a file exists to hold keys or passwords, by where it lies and how it is called.
#[must_use]
pub fn is_secret(path: &TreePath) -> bool {
    let name = path.file_name().unwrap_or_default().to_ascii_lowercase();
    // `ssh_host_rsa_key` has its ending before `.bak` and `~` too.
    let name = [&b"~"[..], b".bak", b".old", b".orig", b".dpkg-old", b".dpkg-dist", b".rpmsave"]
        .iter()
        .find_map(|end| name.strip_suffix(*end))
        .unwrap_or(&name);
    SECRET_PLACES.iter().any(|place| path.is_at_or_below(&TreePath::parse(place)))
        || SECRET_NAMES.iter().any(|secret| secret.as_bytes() == name)
        || SECRET_ENDINGS.iter().any(|end| name.ends_with(end.as_bytes()))
        || (name.starts_with(b"id_") && !name.ends_with(b".pub"))
}

/// The text of a file as it may be kept; `None` for what is no text, too long, or a secret as a
/// whole.
#[must_use]
pub fn keep(path: &TreePath, bytes: &[u8]) -> Option<Text> {
    if u64::try_from(bytes.len()).ok()? > MAX_TEXT || is_secret(path) {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let is_control =
        |c: char| c.is_control() && !matches!(c, '\n' | '\t' | '\r' | '\u{c}' | '\u{1b}');
    if text.contains(is_control) || text.contains("PuTTY-User-Key-File") {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut in_key = false;
    for line in text.split_inclusive('\n') {
        let (body, end) = match line.strip_suffix('\n') {
            Some(body) => (body, "\n"),
            None => (line, ""),
        };
        if body.contains("-----BEGIN ") && body.contains("PRIVATE KEY") {
            in_key = true;
        }
        if in_key {
            // One line stands for all of a key.
            if !out.ends_with(&format!("{REDACTED}\n")) {
                out.push_str(REDACTED);
                out.push('\n');
            }
            in_key = !body.contains("-----END ");
            continue;
        }
        out.push_str(&hide(body));
        out.push_str(end);
    }
    let is_redacted = out != text;
    Some(Text { text: out, is_redacted })
}

/// A line of configuration with what looks like a secret hidden.
fn hide(line: &str) -> String {
    let line = setting(line);
    let line = url_logins(&line);
    words(&line)
}

/// `name = value`, `name: value`, `name value`, `"name": "value"`, `<name>value</name>`.
fn setting(line: &str) -> String {
    let start = line.len().saturating_sub(line.trim_start().len());
    let body = line.get(start..).unwrap_or_default();
    let bare = body.trim_start_matches(['#', ';', ' ', '\t', '-', '<', '"', '\'']);
    let bare = match bare.split_once(' ') {
        // `export X=…`, `set password x`, `Environment=PASSWORD=x`
        Some(("export" | "set" | "setenv", rest)) => rest.trim_start(),
        _ => bare,
    };
    let is_end = |c: char| matches!(c, '=' | ':' | '>' | '"' | '\'') || c.is_whitespace();
    let Some(key_length) = bare.find(is_end) else { return line.to_owned() };
    let key = bare.get(..key_length).unwrap_or_default();
    let rest = bare.get(key_length..).unwrap_or_default();
    let value = rest.trim_start_matches(['"', '\'']).trim_start();
    let value = value.strip_prefix([':', '=', '>']).unwrap_or(value);
    let value = value.strip_prefix('=').unwrap_or(value).trim_start();
    if matches!(key.to_ascii_lowercase().as_str(), "environment" | "env") {
        let at = line.len().saturating_sub(value.len());
        let inner = setting(value);
        return format!("{}{inner}", line.get(..at).unwrap_or_default());
    }
    let plain = value.trim_end().trim_end_matches([',', ';']);
    let first = plain.split_whitespace().next().unwrap_or_default();
    let is_plain = plain.is_empty()
        || PLAIN_VALUES.contains(&first)
        || plain.contains("pam_")
        || first.starts_with(['[', '/', '$', '{', '%'])
        || plain.chars().all(|c| c == '*' || c == 'x');
    if !names_secret(key) || is_plain {
        return line.to_owned();
    }
    let at = line.len().saturating_sub(value.len());
    let tail = match value.find("</") {
        Some(end) => value.get(end..).unwrap_or_default(),
        None => value.get(plain.len()..).unwrap_or_default(),
    };
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
    let quote = quote.map(String::from).unwrap_or_default();
    format!("{}{quote}{REDACTED}{quote}{tail}", line.get(..at).unwrap_or_default())
}

/// Whether the last part of a name is a secret's: `db.password`, `API_KEY`, `clientSecret`.
fn names_secret(key: &str) -> bool {
    let lower = key.to_ascii_lowercase();
    let parts: Vec<&str> = lower.split(['.', '_', '-', '/']).collect();
    let last = parts.last().copied().unwrap_or_default();
    let pair = match parts.as_slice() {
        [.., one, two] => format!("{one}{two}"),
        _ => String::new(),
    };
    let keys =
        ["apikey", "secretkey", "accesskey", "privatekey", "presharedkey", "authkey", "enckey"];
    SECRET_WORDS.contains(&last)
        || keys.contains(&pair.as_str())
        || keys.iter().any(|end| last.ends_with(end))
        || ["password", "passphrase", "secret", "token", "passwd"]
            .iter()
            .any(|end| last.ends_with(end))
}

/// `scheme://user:password@host`.
fn url_logins(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (head, tail) = rest.split_at(at.saturating_add(3));
        out.push_str(head);
        let end = tail.find(|c: char| matches!(c, '/' | '"' | '\'') || c.is_whitespace());
        let authority = tail.get(..end.unwrap_or(tail.len())).unwrap_or_default();
        if let Some((login, host)) = authority.rsplit_once('@')
            && let Some((user, _)) = login.split_once(':')
        {
            out.push_str(&format!("{user}:{REDACTED}@{host}"));
        } else {
            out.push_str(authority);
        }
        rest = tail.get(authority.len()..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// Tokens of known issuers, password hashes, and what follows `Bearer`.
fn words(line: &str) -> String {
    let is_separator = |c: char| {
        c.is_whitespace() || matches!(c, '"' | '\'' | '=' | ':' | ',' | ';' | '<' | '>' | '(' | ')')
    };
    let mut out = String::with_capacity(line.len());
    let mut after_bearer = false;
    let mut rest = line;
    while !rest.is_empty() {
        let end = rest.find(is_separator).unwrap_or(rest.len());
        let (word, tail) = rest.split_at(end);
        let is_hidden = !word.is_empty() && (after_bearer || is_token(word));
        if !word.is_empty() {
            let lower = word.to_ascii_lowercase();
            after_bearer =
                matches!(lower.as_str(), "bearer" | "basic") && line.contains("uthorization");
        }
        out.push_str(if is_hidden { REDACTED } else { word });
        let next = tail.chars().next().map_or(0, char::len_utf8);
        out.push_str(tail.get(..next).unwrap_or_default());
        rest = tail.get(next..).unwrap_or_default();
    }
    out
}

/// Letters and digits in such a mixture and length are made by machines.
const MACHINE_MADE: usize = 32;

fn is_token(word: &str) -> bool {
    let known = SECRET_STARTS
        .iter()
        .any(|start| word.starts_with(start) && word.len() > start.len().saturating_add(7));
    let hashes =
        ["$argon2", "$apr1$", "$2y$", "$7$", "$gy$", "$sha1$", "{SSHA}", "{SHA}", "{CRYPT}"];
    if known || hashes.iter().any(|start| word.starts_with(start)) {
        return true;
    }
    // Public keys begin so, and paths have slashes in their words.
    if word.len() < MACHINE_MADE || word.starts_with("AAAA") || word.starts_with('/') {
        return false;
    }
    let is_alphabet =
        word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '_' | '-'));
    let count = |fits: fn(&char) -> bool| word.chars().filter(fits).count();
    is_alphabet
        && count(char::is_ascii_uppercase) >= 4
        && count(char::is_ascii_lowercase) >= 4
        && count(char::is_ascii_digit) >= 3
        && word.matches(['/', '-', '_']).count() <= word.len().div_euclid(12)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &str) {
        let path = TreePath::parse("/etc/x.conf");
        assert_eq!(keep(&path, line.as_bytes()).unwrap().text, expected, "{line}");
    }

    #[test]
    fn secrets_are_hidden_and_the_rest_stays() {
        check("password = hunter2\n", "password = [redacted]\n");
        check("  db_password: 'hunter2',", "  db_password: '[redacted]',");
        check("\"clientSecret\": \"abc\",", "\"clientSecret\": \"[redacted]\",");
        check("<password>abc</password>", "<password>[redacted]</password>");
        check("requirepass foobared", "requirepass [redacted]");
        check("export API_KEY=abc", "export API_KEY=[redacted]");
        check("Environment=DB_PASSWORD=abc", "Environment=DB_PASSWORD=[redacted]");
        check("#password=old", "#password=[redacted]");
        check("joe:$6$salt$hash1234:19000:", "joe:[redacted]:19000:");
        check("url=https://me:pw@host/x", "url=https://me:[redacted]@host/x");
        check("header = Authorization: Bearer abc", "header = Authorization: Bearer [redacted]");
        check("x ghp_0123456789abcdef y", "x [redacted] y");
        check("aws = wJalrXUtnFEMI7MDENGbPxRfiCYEXAMPLEKEY1a2", "aws = [redacted]");
    }

    #[test]
    fn settings_that_only_sound_like_it() {
        for line in [
            "PasswordAuthentication no",
            "passwd:         files systemd",
            "password\trequisite\tpam_deny.so",
            "password [success=1 default=ignore] pam_unix.so",
            "anna ALL=(ALL) NOPASSWD:ALL",
            "PASS_MAX_DAYS 99999",
            "ssl_certificate_key /etc/ssl/private/x.key;",
            "password_file /etc/x",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1aB2cD3eF4gH5iJ6kL7mN8oP9qR0 me@h",
            "root:x:0:0:root:/root:/bin/bash",
            "/usr/lib/x86_64-linux-gnu/Something/Very/Long/Path1/With2/Digits3",
            "deb http://deb.debian.org/debian bookworm main",
            "token = $TOKEN",
        ] {
            check(line, line);
        }
    }

    #[test]
    fn keys_are_one_hidden_line() {
        check(
            "a\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\nMIIF\n-----END RSA PRIVATE KEY-----\nb\n",
            "a\n[redacted]\nb\n",
        );
        check("-----BEGIN CERTIFICATE-----\nMIIE\n", "-----BEGIN CERTIFICATE-----\nMIIE\n");
    }

    #[test]
    fn what_is_not_kept_at_all() {
        let refused = |path: &str, bytes: &[u8]| {
            assert_eq!(keep(&TreePath::parse(path), bytes), None, "{path}");
        };
        for path in [
            "/etc/shadow",
            "/etc/gshadow-",
            "/etc/shadow.bak",
            "/etc/ssh/ssh_host_rsa_key",
            "/etc/ssl/private/x.pem",
            "/etc/app/tls.key",
            "/root/.ssh/id_rsa",
            "/etc/wireguard/wg0.conf",
        ] {
            refused(path, b"x");
        }
        refused("/etc/x", b"\0binary");
        refused("/etc/x", b"\xff\xfe");
        refused("/etc/x", &vec![b'a'; 70_000]);
        assert!(!is_secret(&TreePath::parse("/etc/ssh/ssh_host_rsa_key.pub")));
        let plain = keep(&TreePath::parse("/etc/motd"), b"hello\n").unwrap();
        assert_eq!((plain.text.as_str(), plain.is_redacted), ("hello\n", false));
    }
}
