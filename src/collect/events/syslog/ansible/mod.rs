//! Ansible's modules, which log `Invoked with` and their arguments unless `no_log` is set: each
//! task with what it names.

mod modules;

use super::Message;
use crate::collect::events::Sink;
use crate::collect::events::python::{arguments, strings};
use crate::model::CauseKind;

/// One message: `ansible-MODULE: Invoked with …`, or the same in the text where the tag is
/// Python's.
pub fn take(message: Message<'_>, sink: &mut Sink) {
    let (module, rest) = match message.tag.strip_prefix("ansible-") {
        Some(module) => (module, message.text),
        None => {
            let Some(rest) = message.text.strip_prefix("ansible-") else { return };
            let Some((module, rest)) = rest.split_once(' ') else { return };
            (module.trim_end_matches(':'), rest)
        }
    };
    let Some(rest) = rest.strip_prefix("Invoked with ") else { return };
    // `ansible.builtin.copy`, `community.general.ufw`: the last part is what people write.
    let module = module.rsplit('.').next().unwrap_or(module);
    // rsyslog writes control characters as `#` and three octal digits.
    let told = rest.replace("#012", "\n").replace("#011", "\t");
    let arguments = Arguments { text: &told, pairs: arguments(&told) };
    let name = match module {
        "copy" | "file" if arguments.is_template() => "template",
        module => module,
    };
    let text = format!("ansible-{module}: Invoked with {rest}");
    let mut event = message.at.event(CauseKind::Ansible, "task", name, &text);
    event.time = Some(message.time);
    event.subjects = modules::subjects(module, &arguments);
    event.forgeable = message.forgeable;
    sink.push(event);
}

/// Names and values of one invocation.
struct Arguments<'a> {
    text: &'a str,
    pairs: Vec<(&'a str, &'a str)>,
}

/// What the `command` family logs beside the command itself; everything else with a `=` is part of
/// the command.
const COMMAND_ARGUMENTS: [&str; 12] = [
    " _uses_shell=",
    " expand_argument_vars=",
    " stdin_add_newline=",
    " strip_empty_ends=",
    " argv=",
    " chdir=",
    " executable=",
    " creates=",
    " removes=",
    " stdin=",
    " warn=",
    " cmd=",
];

impl<'a> Arguments<'a> {
    /// All values of a name; one that stands in another's text cannot be told from a true one.
    fn all(&self, name: &str) -> impl Iterator<Item = &'a str> {
        let given = |value: &str| !matches!(value, "None" | "" | "NOT_LOGGING_PARAMETER");
        self.pairs.iter().filter(move |(own, value)| *own == name && given(value)).map(|(_, v)| *v)
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.all(name).next()
    }

    fn is(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| matches!(value, "True" | "yes" | "true"))
    }

    /// The whole command of a `command`, `shell` or `raw` task, whatever words are in it.
    fn command(&self) -> Option<&'a str> {
        let (_, rest) = self.text.split_once("_raw_params=")?;
        let ends = COMMAND_ARGUMENTS.iter().filter_map(|name| rest.find(name));
        let command = rest.get(..ends.min().unwrap_or(rest.len()))?;
        (command != "None").then_some(command)
    }

    /// The template action sends its result through `copy`; its source keeps the ending.
    fn is_template(&self) -> bool {
        let original = self.get("_original_basename");
        original.is_some_and(|name| name.ends_with(".j2") || name.ends_with(".jinja2"))
    }

    /// `['a', 'b']` or `a,b` or `a`.
    fn list(&self, name: &str) -> Vec<String> {
        let values = self.all(name).flat_map(|value| {
            if value.starts_with(['[', '(']) {
                strings(value)
            } else {
                value.split(',').map(|one| one.trim().to_owned()).collect()
            }
        });
        values.filter(|value| !value.is_empty()).collect()
    }
}
