//! A task's module and its arguments, in each way that they are written: a mapping, `name=value`
//! words, `args`, `action` and `local_action`.

use super::modules::{self, Reader};
use crate::pins::span::{Fragment, FragmentBuilder};
use crate::pins::yaml::{Kind, Node};
use std::ops::Range;

/// Keys of a task that are no module.
const KEYWORDS: &[&str] = &[
    "action",
    "args",
    "async",
    "become",
    "become_user",
    "block",
    "changed_when",
    "check_mode",
    "debugger",
    "delegate_to",
    "environment",
    "failed_when",
    "ignore_errors",
    "listen",
    "local_action",
    "loop",
    "loop_control",
    "name",
    "no_log",
    "notify",
    "poll",
    "register",
    "remote_user",
    "retries",
    "run_once",
    "tags",
    "throttle",
    "until",
    "vars",
    "when",
];

/// Options of commands that are written among their words.
const COMMAND_OPTIONS: &[&str] =
    &["chdir", "creates", "removes", "executable", "warn", "stdin", "decrypt"];

/// A module's call.
pub(super) struct Arguments {
    /// The module's own name, without its collection.
    pub module: String,
    /// Named arguments.
    pub entries: Vec<(String, Node)>,
    /// What stands there without a name: a command, a file.
    pub free: Option<Node>,
    /// The raw bytes of the module's name.
    pub at: Range<usize>,
}

impl Arguments {
    /// The argument by the first of several spellings.
    pub fn get(&self, names: &[&str]) -> Option<&Node> {
        names.iter().find_map(|name| {
            self.entries.iter().find(|(own, _)| own == name).map(|(_, value)| value)
        })
    }

    /// Whether a switch is on.
    pub fn is_true(&self, names: &[&str]) -> bool {
        self.get(names).and_then(Node::truth) == Some(true)
    }

    /// Whether a switch is off.
    pub fn is_false(&self, names: &[&str]) -> bool {
        self.get(names).and_then(Node::truth) == Some(false)
    }
}

/// The call of a task, and who reads it; `None` where no module of the table is called.
pub(super) fn of(task: &Node) -> Option<(Arguments, Reader)> {
    for (key, value) in task.pairs() {
        let Some(name) = key.text() else { continue };
        if name == "action" || name == "local_action" {
            if let Some(found) = action(value) {
                return Some(with_args(found, task));
            }
            continue;
        }
        if KEYWORDS.contains(&name) || name.starts_with("with_") {
            continue;
        }
        if let Some(reader) = modules::reader_of(name) {
            let found = (call(name, value, key.range()), reader);
            return Some(with_args(found, task));
        }
    }
    None
}

/// `action: apt name=x`, `action: {module: apt, name: x}`.
fn action(value: &Node) -> Option<(Arguments, Reader)> {
    if value.is_mapping() {
        let module = value.get("module")?;
        let name = module.text()?;
        let reader = modules::reader_of(name)?;
        return Some((call(name, value, module.range()), reader));
    }
    let fragment = value.fragment()?;
    let text = fragment.text();
    let start = text.len().saturating_sub(text.trim_start().len());
    let rest = text.get(start..)?;
    let length = rest.find(char::is_whitespace).unwrap_or(rest.len());
    let name = rest.get(..length)?;
    let reader = modules::reader_of(name)?;
    let end = start.saturating_add(length);
    let arguments = Node::scalar(fragment.slice(end..text.len()));
    Some((call(name, &arguments, fragment.raw_range(start..end)), reader))
}

fn with_args(found: (Arguments, Reader), task: &Node) -> (Arguments, Reader) {
    let (mut arguments, reader) = found;
    for (key, value) in task.get("args").map(Node::pairs).unwrap_or_default() {
        if let Some(key) = key.text() {
            arguments.entries.push((key.to_owned(), value.clone()));
        }
    }
    (arguments, reader)
}

fn call(name: &str, value: &Node, at: Range<usize>) -> Arguments {
    let module = modules::own_name(name).to_owned();
    let mut arguments = Arguments { module, entries: Vec::new(), free: None, at };
    match value.kind() {
        Kind::Mapping(pairs) => {
            for (key, value) in pairs {
                if let Some(key) = key.text() {
                    arguments.entries.push((key.to_owned(), value.clone()));
                }
            }
        }
        Kind::Scalar { fragment, .. } if !value.is_null() => free(&mut arguments, fragment),
        Kind::Scalar { .. } => {}
        Kind::Sequence(_) => arguments.free = Some(value.clone()),
    }
    arguments
}

/// `name=value` words, or a command with options among its words.
fn free(arguments: &mut Arguments, fragment: &Fragment) {
    let commands = modules::takes_command(&arguments.module);
    let mut rest = FragmentBuilder::default();
    let mut done = 0_usize;
    let text = fragment.text();
    for word in words(text) {
        let Some(part) = text.get(word.clone()) else { continue };
        let pair = part.split_once('=').filter(|(key, _)| {
            let plain = !key.is_empty()
                && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            plain && (!commands || COMMAND_OPTIONS.contains(key))
        });
        let Some((key, value)) = pair else { continue };
        rest.append_range(fragment, done..word.start);
        done = word.end;
        let start = word.start.saturating_add(key.len()).saturating_add(1);
        let quoted = ['"', '\'']
            .iter()
            .any(|quote| value.len() >= 2 && value.starts_with(*quote) && value.ends_with(*quote));
        let inset = usize::from(quoted);
        let range = start.saturating_add(inset)..word.end.saturating_sub(inset);
        arguments.entries.push((key.to_owned(), Node::scalar(fragment.slice(range))));
    }
    rest.append_range(fragment, done..text.len());
    let rest = rest.finish();
    if !rest.text().trim().is_empty() {
        arguments.free = Some(Node::scalar(rest));
    }
}

/// Words that blanks divide, outside of quotes and expressions.
fn words(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start: Option<usize> = None;
    let mut quote: Option<u8> = None;
    let mut braces = 0_usize;
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        if let Some(open) = quote {
            if *byte == open {
                quote = None;
            }
            continue;
        }
        let next = bytes.get(at.saturating_add(1));
        match byte {
            b'{' if next == Some(&b'{') => braces = braces.saturating_add(1),
            b'}' if next == Some(&b'}') => braces = braces.saturating_sub(1),
            b'"' | b'\'' => quote = Some(*byte),
            b' ' | b'\t' | b'\n' | b'\r' if braces == 0 => {
                found.extend(start.take().map(|start| start..at));
                continue;
            }
            _ => {}
        }
        start.get_or_insert(at);
    }
    found.extend(start.map(|start| start..text.len()));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::yaml;

    fn check(text: &str, expected: &str) {
        let stream = yaml::parse_verbatim(&Fragment::verbatim(text, 0));
        let task = stream.documents.first().unwrap();
        let found = of(task).map(|(arguments, _)| {
            let entries = arguments.entries.iter();
            let entries = entries.map(|(key, value)| format!("{key}={}", value.text().unwrap()));
            let free = arguments.free.as_ref().and_then(Node::text).unwrap_or_default().trim();
            format!("{} {} {free}", arguments.module, entries.collect::<Vec<_>>().join(" "))
        });
        assert_eq!(found.unwrap_or_default().trim_end(), expected, "{text}");
    }

    #[test]
    fn calls() {
        check("apt: {name: curl}", "apt name=curl");
        check("ansible.builtin.apt: name=curl state=latest", "apt name=curl state=latest");
        check("apt: name=\"curl={{ v }}\" state=present", "apt name=curl={{ v }} state=present");
        check("action: yum name={{ item }} state=installed", "yum name={{ item }} state=installed");
        check("local_action: {module: git, repo: x}", "git module=git repo=x");
        check("local_action: command git clone x", "command  git clone x");
        check("shell: a=b make install chdir=/tmp", "shell chdir=/tmp a=b make install");
        check("name: x\nshell: >\n  echo 'x'\nargs:\n  chdir: /x\n", "shell chdir=/x echo 'x'");
        check("debug: msg=x", "");
        check("import_tasks: a.yml tags=x", "import_tasks tags=x a.yml");
    }
}
