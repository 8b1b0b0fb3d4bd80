//! What a shell command touches, as far as its words say: for `sudo` lines, histories, scripts of
//! cloud-init and of provisioners.
//!
//! This is no shell: it splits words and lists ([`words`]), follows `cd`, keeps plain assignments
//! and the words that a `for` goes over, and knows which arguments of common programs name what
//! they write ([`files`], [`tools`]). What only reads names nothing. Substitutions are not run; a
//! path that cannot be known is left out.

mod files;
pub mod options;
mod tools;
pub mod words;

use super::{below, path};
use crate::model::EventSubject;
use words::{Variables, expand};
pub use words::{opened_document, split};

/// `sudo env nice …` may be nested, not endlessly.
const MAX_WRAPPERS: usize = 8;

/// Variables of one script, and values of one loop.
const MAX_VARIABLES: usize = 64;

/// What one text may name; a list of more says nothing of each.
const MAX_FOUND: usize = 2000;

/// What a piece of shell touches, from this working directory (empty where it is not known).
#[must_use]
pub fn subjects(text: &str, directory: &str, home: &str) -> Vec<EventSubject> {
    let mut shell = Shell::new(directory, home);
    shell.run(text, 0);
    shell.found
}

/// What an argument vector touches.
#[must_use]
pub fn of_words(words: &[String], directory: &str, home: &str) -> Vec<EventSubject> {
    let mut shell = Shell::new(directory, home);
    shell.program(words, 0);
    shell.found
}

/// What a whole script touches, each with the first line that seems to say so and its number.
#[must_use]
pub fn of_script(text: &str, home: &str) -> Vec<(Vec<EventSubject>, Option<u64>, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let quoted = |subject: EventSubject| {
        let needle = match &subject {
            EventSubject::Path(path) | EventSubject::Below(path) => path.to_string(),
            EventSubject::Package { key, .. } => key.name.clone(),
            EventSubject::Fact { key, .. } => key.split('.').next().unwrap_or_default().to_owned(),
            EventSubject::Content { path, .. } => path.to_string(),
        };
        let name = needle.rsplit('/').next().unwrap_or_default();
        let holds = |part: &str| {
            lines
                .iter()
                .position(|line| !part.is_empty() && line.contains(part) && !line.starts_with("#!"))
        };
        let at = holds(&needle).or_else(|| holds(name));
        let line = at.and_then(|at| lines.get(at)).copied().unwrap_or("a command of this script");
        let number = at.and_then(|at| u64::try_from(at).ok()).map(|at| at.saturating_add(1));
        (subject, number, line.to_owned())
    };
    let mut found: Vec<(Vec<EventSubject>, Option<u64>, String)> = Vec::new();
    for (subject, number, line) in subjects(text, "", home).into_iter().map(quoted) {
        match found.iter_mut().find(|(_, other, _)| *other == number) {
            Some((subjects, ..)) => subjects.push(subject),
            None => found.push((vec![subject], number, line)),
        }
    }
    found
}

/// Programs that run another one, with those of their options that take a value.
const WRAPPERS: [(&str, &[&str]); 18] = [
    (
        "sudo",
        &["-u", "-g", "-h", "-p", "-C", "-D", "-R", "-T", "-U", "--user", "--group", "--chdir"],
    ),
    ("doas", &["-u", "-C"]),
    ("env", &["-u", "-C", "-S"]),
    ("nice", &["-n"]),
    ("ionice", &["-c", "-n"]),
    ("nohup", &[]),
    ("time", &["-f", "-o"]),
    ("timeout", &["-k", "-s"]),
    ("exec", &["-a"]),
    ("command", &[]),
    ("builtin", &[]),
    ("eatmydata", &[]),
    ("setsid", &[]),
    ("stdbuf", &["-i", "-o", "-e"]),
    ("chrt", &["-p"]),
    ("pkexec", &["--user"]),
    ("cloud-init-per", &[]),
    ("watch", &["-n"]),
];

/// Shells that take a script after `-c`.
const SHELLS: [&str; 9] = ["sh", "bash", "dash", "zsh", "ksh", "mksh", "ash", "su", "fish"];

struct Shell {
    directory: String,
    home: String,
    variables: Variables,
    found: Vec<EventSubject>,
}

impl Shell {
    fn new(directory: &str, home: &str) -> Self {
        let mut shell = Self {
            directory: directory.into(),
            home: home.into(),
            variables: Variables::new(),
            found: Vec::new(),
        };
        if !home.is_empty() {
            shell.set("HOME", vec![home.to_owned()]);
        }
        shell
    }

    fn set(&mut self, name: &str, values: Vec<String>) {
        if self.variables.len() < MAX_VARIABLES || self.variables.contains_key(name) {
            self.variables.insert(name.to_owned(), values);
        }
    }

    fn run(&mut self, text: &str, depth: usize) {
        for words in split(text) {
            self.command(&words, depth);
        }
    }

    /// A command as it stands in a script: loops, assignments, then what is run, once for each
    /// value of the loop variable that it names.
    fn command(&mut self, words: &[String], depth: usize) {
        if let [keyword, name, is_in, values @ ..] = words
            && matches!(keyword.as_str(), "for" | "select")
            && is_in == "in"
        {
            let values = values.iter().flat_map(|value| expand(value, &self.variables));
            let values = values.take(MAX_VARIABLES).collect();
            self.set(name, values);
            return;
        }
        let is_named = |name: &str| {
            words.iter().any(|word| {
                word.contains(&format!("${name}")) || word.contains(&format!("${{{name}}}"))
            })
        };
        let looped = self
            .variables
            .iter()
            .find(|(name, values)| values.len() > 1 && is_named(name))
            .map(|(name, values)| (name.clone(), values.clone()));
        let Some((name, values)) = looped else { return self.simple(words, depth) };
        for value in &values {
            self.set(&name, vec![value.clone()]);
            self.simple(words, depth);
        }
        self.set(&name, values);
    }

    fn simple(&mut self, words: &[String], depth: usize) {
        let keywords = ["then", "do", "else", "elif", "if", "while", "until", "{", "!"];
        let skip = words.iter().take_while(|word| keywords.contains(&word.as_str())).count();
        let words = words.get(skip..).unwrap_or_default();
        let declares = ["export", "local", "readonly", "declare", "typeset"];
        let skip = usize::from(words.first().is_some_and(|one| declares.contains(&one.as_str())));
        let words = words.get(skip..).unwrap_or_default();
        let assignments: Vec<(&str, &str)> =
            words.iter().map_while(|word| assignment(word)).collect();
        let rest = words.get(assignments.len()..).unwrap_or_default();
        if rest.is_empty() {
            for (name, value) in assignments {
                let values = expand(value, &self.variables);
                self.set(name, if values.len() == 1 { values } else { vec![value.to_owned()] });
            }
            return;
        }
        let scripts = ["-c", "-e", "eval", "awk", "gawk", "perl"];
        let prints = rest.first().is_some_and(|one| matches!(one.as_str(), "echo" | "printf"));
        let has_code = !prints && rest.iter().any(|word| scripts.contains(&word.as_str()));
        let rest: Vec<String> = match has_code {
            // Braces and dollars of another language, or of a script that expands its own.
            true => rest.to_vec(),
            false => rest.iter().flat_map(|word| expand(word, &self.variables)).collect(),
        };
        self.program(&rest, depth);
    }

    /// A program with its arguments and redirections.
    fn program(&mut self, words: &[String], depth: usize) {
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
        let skip = plain.iter().take_while(|word| assignment(word).is_some()).count();
        let Some((program, arguments)) = plain.get(skip..).and_then(<[_]>::split_first) else {
            return;
        };
        let program = program.rsplit('/').next().unwrap_or_default();
        if depth < MAX_WRAPPERS
            && let Some((_, valued)) = WRAPPERS.iter().find(|(name, _)| *name == program)
        {
            if program == "sudo" && arguments.iter().any(|word| matches!(*word, "-e" | "--edit")) {
                let files = arguments.iter().filter(|word| !word.starts_with('-'));
                files.for_each(|file| self.path(file));
                return;
            }
            let inner = unwrap(program, arguments, valued);
            let inner: Vec<String> = inner.iter().map(|word| (*word).to_owned()).collect();
            return self.program(&inner, depth.saturating_add(1));
        }
        if matches!(program, "xargs" | "parallel") {
            return;
        }
        if program == "eval" || SHELLS.contains(&program) {
            let mut arguments = arguments.iter();
            let is_command = |word: &&&str| {
                word.starts_with('-') && !word.starts_with("--") && word.ends_with('c')
                    || **word == "--command"
            };
            if program == "eval" || arguments.by_ref().any(|word| is_command(&word)) {
                let text: Vec<&str> = arguments.copied().take(1).collect();
                if depth < MAX_WRAPPERS {
                    self.run(&text.join(" "), depth.saturating_add(1));
                }
            }
            return;
        }
        if !self.files(program, arguments) {
            self.tools(program, arguments);
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
        self.add(full.and_then(|full| path(&full)));
    }

    fn below(&mut self, word: &str) {
        // Nothing is said by "everything".
        let full = self.absolute(word).filter(|full| full.trim_matches('/').contains('/'));
        self.add(full.and_then(|full| below(&full)));
    }

    fn add(&mut self, subject: Option<EventSubject>) {
        if self.found.len() < MAX_FOUND {
            self.found.extend(subject.filter(|one| !self.found.contains(one)));
        }
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
        if let Some(rest) = word.strip_prefix('~') {
            // `~deploy/x`: where homes are by custom.
            return Some(if rest == "root" || rest.starts_with("root/") {
                format!("/{rest}")
            } else {
                format!("/home/{rest}")
            });
        }
        (!self.directory.is_empty() && !word.starts_with('-'))
            .then(|| format!("{}/{word}", self.directory.trim_end_matches('/')))
    }
}

/// The words after a wrapper's own options and assignments.
fn unwrap<'a>(program: &str, arguments: &'a [&'a str], valued: &[&str]) -> &'a [&'a str] {
    let mut at = 0_usize;
    while let Some(word) = arguments.get(at) {
        if valued.contains(word) {
            at = at.saturating_add(2);
        } else if word.starts_with('-') || assignment(word).is_some() {
            at = at.saturating_add(1);
        } else {
            // A duration comes before the command of `timeout`, a frequency and a name before that
            // of `cloud-init-per`.
            let is_duration =
                program == "timeout" && word.starts_with(|c: char| c.is_ascii_digit());
            at = at.saturating_add(usize::from(is_duration));
            at = at.saturating_add(if program == "cloud-init-per" { 2 } else { 0 });
            break;
        }
    }
    arguments.get(at..).unwrap_or_default()
}

/// `NAME=value`.
fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then_some((name, value))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(super) fn check(text: &str, expected: &[&str]) {
        let shown: Vec<String> = subjects(text, "/root", "/root").iter().map(show).collect();
        assert_eq!(shown, expected, "{text}");
    }

    pub(super) fn show(subject: &EventSubject) -> String {
        match subject {
            EventSubject::Path(path) => path.to_string(),
            EventSubject::Below(path) => format!("{path}/"),
            EventSubject::Package { key, .. } => format!("{}:{}", key.manager, key.name),
            EventSubject::Fact { scope, key } => format!("{scope} {key}"),
            EventSubject::Content { path, .. } => format!("{path}="),
        }
    }

    #[test]
    fn what_the_shell_itself_does() {
        check("echo 'a > b' > /etc/x 2>/dev/null", &["/etc/x"]);
        check("cat > /etc/x <<EOF\nrm /etc/y\nEOF", &["/etc/x"]);
        check("cd /etc && touch a && cd apt; touch b", &["/etc/a", "/etc/apt/b"]);
        check("F=/etc/x; echo 1 >> \"$F\"; echo > ${F}.d", &["/etc/x", "/etc/x.d"]);
        check("for f in a b; do touch /srv/$f; done", &["/srv/a", "/srv/b"]);
        check("touch /etc/{a,b}", &["/etc/a", "/etc/b"]);
        check("if [ -f /a ]; then touch /b; fi", &["/b"]);
        check("x=$(cat /etc/y) touch $x/z", &[]);
        check("touch ~/a ~root/b ~anna/c", &["/root/a", "/root/b", "/home/anna/c"]);
        check("touch $HOME/a", &["/root/a"]);
    }

    #[test]
    fn programs_that_run_others() {
        check("sudo -u root sh -c \"echo 1 >> /etc/y\"; true", &["/etc/y"]);
        check("sudo sudo env A=b nice -n 5 touch /a", &["/a"]);
        check("timeout 5 touch /a; nohup touch /b &", &["/a", "/b"]);
        check("su - -c 'touch /a'; bash -xec 'touch /b'", &["/a", "/b"]);
        check("sudo -e /etc/hosts; sudoedit /etc/y", &["/etc/hosts", "/etc/y"]);
        check("cloud-init-per once x touch /a", &["/a"]);
        check("echo x | sudo tee -a /etc/z", &["/etc/z"]);
        let nested = format!("{}touch /a", "sudo ".repeat(50));
        check(&nested, &[]);
    }
}
