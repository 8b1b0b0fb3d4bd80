//! Command lines and options without the secrets that people write into them.
//!
//! By look, so it hides some words that are no secrets; what remains is for people to recognise
//! the command and not to run it again. White space becomes one space.

const HIDDEN: &str = "***";

/// Parts of names whose values are not shown.
const SECRET_NAMES: [&str; 10] = [
    "pass",
    "secret",
    "token",
    "apikey",
    "api_key",
    "api-key",
    "credential",
    "private",
    "pwd",
    "authorization",
];

/// The text with the values of passwords, tokens and the like replaced by `***`.
#[must_use]
pub fn redact(text: &str) -> String {
    let is_mysql = ["mysql", "mariadb", "sshpass"].iter().any(|name| text.contains(name));
    let mut out: Vec<String> = Vec::new();
    // A secret in quotes goes on until the quote closes.
    let mut until: Option<char> = None;
    // The next word is a secret.
    let mut next_is = Next::Plain;
    for word in text.split_whitespace() {
        if let Some(quote) = until {
            if word.ends_with(quote) {
                until = None;
            }
            continue;
        }
        let bare = word.trim_start_matches(['-', '"', '\'']);
        match std::mem::replace(&mut next_is, Next::Plain) {
            Next::Secret => {
                until = open_quote(word);
                // `Authorization: Bearer xyz`: the scheme is told.
                if ["basic", "bearer"].contains(&bare.to_ascii_lowercase().as_str()) {
                    out.push(word.to_owned());
                    next_is = Next::Secret;
                } else {
                    out.push(HIDDEN.to_owned());
                }
                continue;
            }
            Next::Login => {
                let user = word.split(':').next().filter(|user| user.len() < word.len());
                out.push(user.map_or_else(|| word.to_owned(), |user| format!("{user}:{HIDDEN}")));
                continue;
            }
            Next::Plain => {}
        }
        if let Some((name, value)) = word.split_once('=')
            && is_secret(name)
        {
            until = open_quote(value);
            out.push(format!("{name}={HIDDEN}"));
        } else if is_mysql && word.len() > 2 && word.starts_with("-p") {
            until = open_quote(word.get(2..).unwrap_or_default());
            out.push(format!("-p{HIDDEN}"));
        } else {
            if word == "-u" || word == "--user" {
                next_is = Next::Login;
            } else if (word.starts_with("--") || word.ends_with(':')) && is_secret(bare) {
                next_is = Next::Secret;
            }
            out.push(without_userinfo(word));
        }
    }
    out.join(" ")
}

enum Next {
    Plain,
    Secret,
    Login,
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    // sudoers' tags, which a command follows.
    if name == "passwd:" || name.ends_with("nopasswd:") {
        return false;
    }
    SECRET_NAMES.iter().any(|part| name.contains(part))
}

/// The quote that a word opens and does not close.
fn open_quote(word: &str) -> Option<char> {
    let quote = word.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    (word.len() < 2 || !word.ends_with(quote)).then_some(quote)
}

/// `https://user:password@host` as `https://user:***@host`.
fn without_userinfo(word: &str) -> String {
    let Some((scheme, rest)) = word.split_once("://") else { return word.to_owned() };
    let authority = rest.split('/').next().unwrap_or_default();
    let Some((userinfo, _)) = authority.rsplit_once('@') else { return word.to_owned() };
    let after = rest.get(userinfo.len()..).unwrap_or_default();
    let user = userinfo.split(':').next().unwrap_or_default();
    if user.len() == userinfo.len() && !user.is_empty() {
        // A name alone may be a token.
        return format!("{scheme}://{HIDDEN}{after}");
    }
    format!("{scheme}://{user}:{HIDDEN}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden() {
        let check = |text: &str, expected: &str| assert_eq!(redact(text), expected, "{text}");
        check("/usr/bin/app --daily  -x", "/usr/bin/app --daily -x");
        check("A_PASSWORD=x app --token y z", "A_PASSWORD=*** app --token *** z");
        check("app --password='a b c' z", "app --password=*** z");
        check("app --password 'a b c' z", "app --password *** z");
        check("curl -u ann:pw https://h/", "curl -u ann:*** https://h/");
        check("curl https://a:b@h/x", "curl https://a:***@h/x");
        check("git clone https://tok@h/x", "git clone https://***@h/x");
        check("mysqldump -psecret db", "mysqldump -p*** db");
        check("mkdir -pv d", "mkdir -pv d");
        check("curl -H 'Authorization: Bearer t' h", "curl -H 'Authorization: Bearer *** h");
        check("curl -H 'X-Token: t' h", "curl -H 'X-Token: *** h");
        for rule in ["bob ALL=(ALL) NOPASSWD: ALL", "ann ALL=NOPASSWD: /bin/ls"] {
            assert_eq!(redact(rule), rule);
        }
    }
}
