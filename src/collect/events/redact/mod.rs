//! Lines as they may be stored and shown: without secrets, without control characters, cut.

mod arguments;

use crate::model::Event;

/// Words whose value is taken out, wherever they end a name.
const SECRET_WORDS: [&str; 15] = [
    "password",
    "mysql_pwd",
    "passwd",
    "passphrase",
    "passwort",
    "secret",
    "token",
    "api_key",
    "apikey",
    "api-key",
    "access_key",
    "private_key",
    "private-key",
    "credential",
    "credentials",
];

/// How tokens of well-known issuers and password hashes begin.
pub const SECRET_STARTS: [&str; 17] = [
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "AKIA",
    "ASIA",
    "xoxb-",
    "xoxp-",
    "sk-",
    "eyJ",
    "$1$",
    "$5$",
    "$6$",
    "$y$",
    "$2a$",
    "$2b$",
];

/// Options that begin so have no value, whatever their name ends with.
const FLAGS: [&str; 5] = ["--disabled-", "--disable-", "--no-", "--without-", "--ask-"];

/// What stands in the place of a secret.
pub const REDACTED: &str = "[redacted]";

/// A line without secrets, at most [`Event::TEXT_LIMIT`] bytes long.
#[must_use]
pub fn quote(line: &str) -> String {
    // A secret that begins before the cut is taken out whole, so more than is kept is looked at.
    let line = cut(line, Event::TEXT_LIMIT.saturating_mul(4));
    let clean: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let hidden = values(&arguments::arguments(&keys(&clean)));
    let mut text = cut(&hidden, Event::TEXT_LIMIT).trim_end().to_owned();
    if text.len() < hidden.trim_end().len() {
        text = format!("{}…", cut(&text, Event::TEXT_LIMIT.saturating_sub(3)));
    }
    text
}

fn cut(text: &str, limit: usize) -> &str {
    text.get(..text.floor_char_boundary(limit)).unwrap_or(text)
}

/// Private keys end the line.
fn keys(line: &str) -> String {
    match line.find("-----BEGIN ").zip(line.find("PRIVATE KEY")) {
        Some((start, key)) if key > start => {
            format!("{}{REDACTED}", line.get(..start).unwrap_or_default())
        }
        _ => line.to_owned(),
    }
}

/// Words that follow the name of a secret, that look like one, or that are part of a URL's login.
fn values(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut is_value = false;
    for word in line.split_inclusive(' ') {
        let bare = word.trim_end_matches(' ');
        let space = word.get(bare.len()..).unwrap_or_default();
        if is_value && !bare.is_empty() {
            // `Authorization: Bearer TOKEN` has its value one word later.
            is_value = matches!(bare.to_ascii_lowercase().as_str(), "bearer" | "basic" | "=" | ":");
            out.push_str(if is_value { bare } else { REDACTED });
            out.push_str(space);
            continue;
        }
        if bare.is_empty() {
            out.push_str(word);
            continue;
        }
        match secret_in(bare) {
            // `--disabled-password` says that there is none.
            Found::Next if FLAGS.iter().any(|start| bare.starts_with(start)) => out.push_str(bare),
            Found::Nothing => out.push_str(bare),
            Found::Next => {
                is_value = true;
                out.push_str(bare);
            }
            Found::From(start) => {
                out.push_str(bare.get(..start).unwrap_or_default());
                out.push_str(REDACTED);
            }
            Found::Within(start, end) => {
                out.push_str(bare.get(..start).unwrap_or_default());
                out.push_str(REDACTED);
                out.push_str(bare.get(end..).unwrap_or_default());
            }
        }
        out.push_str(space);
    }
    out
}

enum Found {
    Nothing,
    /// The next word is the secret.
    Next,
    /// From here to the end of the word.
    From(usize),
    /// From here to there.
    Within(usize, usize),
}

fn secret_in(word: &str) -> Found {
    let lower = word.to_ascii_lowercase();
    let quotes = ['"', '\'', '[', '{', '(', ','];
    for secret in SECRET_WORDS {
        let Some(start) = lower.find(secret) else { continue };
        let end = start.saturating_add(secret.len());
        let rest = lower.get(end..).unwrap_or_default();
        let after = rest.trim_start_matches(['"', '\'']);
        if let Some(value) = after.strip_prefix(['=', ':']) {
            let value = value.trim_start_matches(quotes);
            if value.is_empty() {
                return Found::Next;
            }
            if value == "none" || value == "not_logging_parameter" {
                return Found::Nothing;
            }
            return Found::From(word.len().saturating_sub(value.len()));
        }
        if rest.trim_matches(quotes).is_empty() && lower.starts_with('-') {
            return Found::Next;
        }
    }
    if lower.trim_start_matches(quotes).starts_with("authorization:") || lower == "bearer" {
        return Found::Next;
    }
    if let Some(scheme) = word.find("://") {
        let start = scheme.saturating_add(3);
        let login = word.get(start..).unwrap_or_default();
        let login = login.split('/').next().unwrap_or_default();
        if let Some((user, _)) = login.rsplit_once('@')
            && let Some(colon) = user.find(':')
        {
            let from = start.saturating_add(colon).saturating_add(1);
            return Found::Within(from, start.saturating_add(user.len()));
        }
    }
    let begins = |at: usize| {
        let rest = word.get(at..).unwrap_or_default();
        SECRET_STARTS.iter().any(|start| rest.starts_with(start) && rest.len() > start.len() + 7)
    };
    let mut starts = word.char_indices().filter(|(at, _)| {
        *at == 0 || word.get(..*at).is_some_and(|s| s.ends_with(['=', ':', '"', '\'', ',']))
    });
    starts.find(|(at, _)| begins(*at)).map_or(Found::Nothing, |(at, _)| Found::From(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &str) {
        assert_eq!(quote(line), expected);
    }

    #[test]
    fn secrets_are_taken_out_and_the_rest_stays() {
        check("mysql --password=hunter2 db", "mysql --password=[redacted] db");
        check("adduser --disabled-password --gecos x e", "adduser --disabled-password --gecos x e");
        check("x --password hunter2 -v", "x --password [redacted] -v");
        check(
            "curl -H 'Authorization: Bearer abc' u",
            "curl -H 'Authorization: Bearer [redacted] u",
        );
        check("Authorization: Bearer abc", "Authorization: Bearer [redacted]");
        check("DB_PASSWORD=\"a\" run", "DB_PASSWORD=\"[redacted] run");
        check("password=NOT_LOGGING_PARAMETER x=1", "password=NOT_LOGGING_PARAMETER x=1");
        check("git clone https://me:pw@host/x", "git clone https://me:[redacted]@host/x");
        check("export T=ghp_0123456789abcdef", "export T=[redacted]");
        check("usermod -p $6$salt$hash1234 joe", "usermod -p [redacted] joe");
        check("k: -----BEGIN OPENSSH PRIVATE KEY----- AAA", "k: [redacted]");
        check("passwd -l deploy", "passwd -l deploy");
        check("a\tb\u{1b}[1m", "a b [1m");
        assert!(quote(&"ä".repeat(4000)).len() <= Event::TEXT_LIMIT);
    }
}
