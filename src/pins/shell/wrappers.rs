//! What stands before a command and only says how it is run: `sudo -E`, `env A=b`, `nice -n 5` …

use super::words::Word;

/// A command that runs the command behind it.
struct Wrapper {
    name: &'static str,
    /// Options that take the next word.
    valued: &'static [&'static str],
    /// Words of its own before the command (`timeout 5 command`, `chroot DIR command`).
    operands: usize,
    /// Words that must follow the name (`bundle exec`).
    subcommand: &'static str,
}

const fn row(name: &'static str, valued: &'static [&'static str], operands: usize) -> Wrapper {
    Wrapper { name, valued, operands, subcommand: "" }
}

const fn tool(
    name: &'static str,
    subcommand: &'static str,
    valued: &'static [&'static str],
) -> Wrapper {
    Wrapper { name, valued, operands: 0, subcommand }
}

const WRAPPERS: &[Wrapper] = &[
    row(
        "sudo",
        &[
            "-u", "--user", "-g", "--group", "-h", "--host", "-p", "--prompt", "-C", "-T", "-R",
            "-D", "-r", "-t", "-U",
        ],
        0,
    ),
    row("doas", &["-u", "-C", "-a"], 0),
    row("env", &["-u", "--unset", "-C", "--chdir"], 0),
    row("nice", &["-n", "--adjustment"], 0),
    row("ionice", &["-c", "-n", "-p", "--class", "--classdata"], 0),
    row("time", &["-f", "-o"], 0),
    row("timeout", &["-s", "--signal", "-k", "--kill-after"], 1),
    row("nohup", &[], 0),
    row("command", &[], 0),
    row("builtin", &[], 0),
    row("exec", &["-a"], 0),
    row("stdbuf", &["-i", "-o", "-e"], 0),
    row("setsid", &[], 0),
    row("eatmydata", &[], 0),
    row("fakeroot", &[], 0),
    row("unbuffer", &[], 0),
    row("catchsegv", &[], 0),
    row("tini", &[], 0),
    row("dumb-init", &[], 0),
    row("chroot", &["--userspec", "--groups"], 1),
    row("arch-chroot", &["-u"], 1),
    row("gosu", &[], 1),
    row("su-exec", &[], 1),
    row("setpriv", &[], 0),
    row("strace", &["-o", "-e", "-s", "-p"], 0),
    row("flock", &["-w", "-E"], 1),
    row("ssh-agent", &[], 0),
    row("proxychains", &["-f"], 0),
    row("proxychains4", &["-f"], 0),
    row("travis_retry", &[], 0),
    row("watch", &["-n"], 0),
    row("then", &[], 0),
    row("do", &[], 0),
    row("else", &[], 0),
    row("!", &[], 0),
    tool("bundle", "exec", &[]),
    tool("curtin", "in-target", &["-t"]),
    tool("poetry", "run", &[]),
    tool("pipenv", "run", &[]),
    tool("pdm", "run", &[]),
    tool("hatch", "run", &[]),
    tool("conda", "run", &["-n", "--name", "-p", "--prefix", "--cwd"]),
    tool("mamba", "run", &["-n", "--name", "-p", "--prefix", "--cwd"]),
    tool("micromamba", "run", &["-n", "--name", "-p", "--prefix", "--cwd"]),
    tool("scl", "enable", &[]),
    tool("asdf", "exec", &[]),
    tool("mise", "exec", &[]),
    tool("rbenv", "exec", &[]),
    tool("pyenv", "exec", &[]),
    tool("opam", "exec", &[]),
    tool("nix-shell", "--run", &[]),
];

/// Words in the name of a shell function that runs what follows it.
const RETRIERS: &[&str] = &[
    "retry", "attempt", "backoff", "try", "run", "exec", "sudo", "wait", "root", "chroot", "with",
];

/// Takes wrappers off the front of a command.
pub(super) fn strip(words: &mut Vec<Word>) {
    // Each round takes at least one word away.
    for _ in 0..32 {
        assignments(words);
        let name = super::call::command_name(words);
        let sub = words.get(1).map(|word| word.text().to_owned()).unwrap_or_default();
        let found = WRAPPERS
            .iter()
            .find(|w| w.name == name && (w.subcommand.is_empty() || w.subcommand == sub));
        let Some(wrapper) = found else { break };
        if name == "command" && matches!(sub.as_str(), "-v" | "-V") {
            break;
        }
        let skip = 1_usize.saturating_add(usize::from(!wrapper.subcommand.is_empty()));
        words.drain(..skip.min(words.len()));
        options(words, wrapper);
        if name == "env" {
            assignments(words);
        }
        words.drain(..wrapper.operands.min(words.len()));
        if words.first().is_some_and(|word| word.text() == "--") {
            words.remove(0);
        }
    }
    // `$SUDO apt-get …`: a variable in front that nobody knows.
    let unknown = words.first().is_some_and(Word::is_unknown);
    if unknown && words.get(1).is_some_and(|word| super::managers::is_known(&base(word.text()))) {
        words.remove(0);
    }
    retrier(words);
}

/// `NAME=value` in front of a command.
fn assignments(words: &mut Vec<Word>) {
    while let Some(first) = words.first() {
        let assignment = first.text().split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        });
        if !assignment {
            break;
        }
        words.remove(0);
    }
}

fn options(words: &mut Vec<Word>, wrapper: &Wrapper) {
    while let Some(first) = words.first() {
        let text = first.text();
        if text == "--" || !text.starts_with('-') || text == "-" {
            break;
        }
        let valued = wrapper.valued.contains(&text);
        words.remove(0);
        if valued && !words.is_empty() {
            words.remove(0);
        }
    }
}

/// `retry 5 apt-get install …`: a function that nobody knows, by its name a wrapper, with a known
/// manager behind it.
fn retrier(words: &mut Vec<Word>) {
    let name = super::call::command_name(words).to_ascii_lowercase();
    if super::managers::is_known(&name) || !RETRIERS.iter().any(|word| name.contains(word)) {
        return;
    }
    let manager = words
        .iter()
        .skip(1)
        .take(6)
        .position(|word| super::managers::is_known(&base(word.text())) && !word.quoted);
    if let Some(position) = manager {
        words.drain(..position.saturating_add(1));
    }
}

/// The last name of a program's path, without `.exe`.
pub(super) fn base(program: &str) -> String {
    let name = program.rsplit(['/', '\\']).next().unwrap_or(program);
    name.strip_suffix(".exe").unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::span::Fragment;

    #[test]
    fn wrappers_are_taken_off() {
        let check = |command: &str, expected: &str| {
            let words = command.split(' ');
            let mut words: Vec<Word> =
                words.map(|word| Word::plain(Fragment::verbatim(word, 0))).collect();
            strip(&mut words);
            let left: Vec<&str> = words.iter().map(Word::text).collect();
            assert_eq!(left.join(" "), expected);
        };
        check("sudo -E -u root apt-get install x", "apt-get install x");
        check("env -u C A=b pip install x", "pip install x");
        check("sudo env A=b pip install x", "pip install x");
        check("timeout -k 5 10 curl x", "curl x");
        check("nice -n 5 ionice -c3 apt-get update", "apt-get update");
        check("command -v curl", "command -v curl");
        check("bundle exec gem install x", "gem install x");
        check("bundle install", "bundle install");
        check("retry 5 apt-get install x", "apt-get install x");
        check("echo apt-get install x", "echo apt-get install x");
    }
}
