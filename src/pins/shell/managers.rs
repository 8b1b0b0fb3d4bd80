//! What a row of the package managers' table says, and how a command is read by it.

use super::install;
use super::interpret::Interpreter;
use super::options::{Arguments, Dashes};
use super::table::MANAGERS;
use super::words::Word;
use crate::pins::strength::Ecosystem;
use Action::{Install, Refresh, Upgrade, UpgradeAll};

/// What a subcommand does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Installs its operands.
    Install,
    /// Upgrades its operands, or everything where there are none.
    Upgrade,
    /// Upgrades everything.
    UpgradeAll,
    /// Refreshes the index.
    Refresh,
}

/// A command as its row read it.
pub(super) struct Invocation<'w> {
    pub(super) manager: &'static Manager,
    /// The name that it was called by.
    pub(super) program: &'w str,
    /// The subcommand as the row writes it.
    pub(super) subcommand: &'static str,
    /// The word of the (last) subcommand.
    pub(super) word: &'w Word,
    pub(super) arguments: Arguments,
}

/// A package manager.
pub(super) struct Manager {
    pub(super) names: &'static [&'static str],
    pub(super) ecosystem: Ecosystem,
    /// Subcommands and what each does; two words where the program nests them. The empty word
    /// stands for no subcommand at all.
    pub(super) subcommands: &'static [(&'static str, Action)],
    /// Options that take the next word.
    pub(super) valued: &'static [&'static str],
    pub(super) dashes: Dashes,
    /// Reads the operands of an installing subcommand.
    pub(super) install: fn(&mut Interpreter<'_, '_>, &Invocation<'_>),
}

/// Whether a name is in the table.
pub(super) fn is_known(name: &str) -> bool {
    MANAGERS.iter().any(|manager| manager.names.contains(&name))
        || ["pip3", "pip2", "pip", "curl", "wget", "docker", "podman", "git", "kubectl"]
            .contains(&name)
}

impl Interpreter<'_, '_> {
    /// Reads a manager's command by its row.
    pub(super) fn manager(&mut self, name: &str, words: &[Word]) {
        let rest = words.get(1..).unwrap_or_default();
        if rest.iter().any(|word| word.text() == "versionlock") {
            for word in rest.iter().filter(|word| !word.text().starts_with('-')) {
                self.version_lock(word.text());
            }
            return;
        }
        for manager in MANAGERS.iter().filter(|manager| manager.names.contains(&name)) {
            let Some((subcommand, action, at)) = subcommand_of(manager, name, rest) else {
                continue;
            };
            let own = usize::from(!subcommand.is_empty());
            let before = rest.get(..at).unwrap_or_default();
            let count = subcommand.split(' ').count();
            let after =
                rest.get(at.saturating_add(own.saturating_mul(count))..).unwrap_or_default();
            let all: Vec<Word> = before.iter().chain(after).cloned().collect();
            let arguments = Arguments::parse(&all, manager.valued, manager.dashes);
            if arguments.has(&["--help", "--version-only"])
                || only_says(manager.ecosystem, &arguments)
            {
                return;
            }
            let last = at.saturating_add(own.saturating_mul(count)).checked_sub(1);
            let word = last.and_then(|last| rest.get(last)).or(words.first());
            let Some(word) = word else { return };
            let invocation = Invocation { manager, program: name, subcommand, word, arguments };
            self.act(action, &invocation);
            return;
        }
    }

    fn act(&mut self, action: Action, invocation: &Invocation<'_>) {
        self.snapshot_options(invocation);
        let nothing = invocation.arguments.operands.is_empty();
        match action {
            Refresh => self.environment.machine.refreshed = true,
            Install => (invocation.manager.install)(self, invocation),
            Upgrade if !nothing => (invocation.manager.install)(self, invocation),
            Upgrade | UpgradeAll => install::upgrade_all(self, invocation),
        }
    }
}

/// Whether options ask what would be done, and nothing is done.
fn only_says(ecosystem: Ecosystem, arguments: &Arguments) -> bool {
    let options: &[&str] = match ecosystem {
        Ecosystem::Apt => &[
            "-s",
            "--simulate",
            "--just-print",
            "--dry-run",
            "--recon",
            "--no-act",
            "--print-uris",
        ],
        Ecosystem::Dnf => &["--assumeno"],
        Ecosystem::Apk => &["-s", "--simulate"],
        Ecosystem::Pacman => &["-p", "--print"],
        Ecosystem::Gem => &["--explain"],
        Ecosystem::Choco => &["--noop", "--what-if", "--whatif"],
        Ecosystem::PowerShell => &["-WhatIf"],
        Ecosystem::Snap => &["--list", "--time", "--hold", "--unhold"],
        Ecosystem::Zypper
        | Ecosystem::Pip
        | Ecosystem::Npm
        | Ecosystem::Brew
        | Ecosystem::Composer
        | Ecosystem::Conda
        | Ecosystem::Cargo => &["--dry-run"],
        _ => &[],
    };
    arguments.has(options)
}

/// The subcommand of a command, its action, and at which word it stands; options (and their
/// values) may stand before it.
fn subcommand_of(
    manager: &'static Manager,
    program: &str,
    words: &[Word],
) -> Option<(&'static str, Action, usize)> {
    let mut at = 0_usize;
    while let Some(word) = words.get(at) {
        let text = word.text();
        if !text.starts_with('-') || text.len() < 2 {
            break;
        }
        let skip = manager.valued.contains(&text);
        at = at.saturating_add(1).saturating_add(usize::from(skip));
    }
    let first = words.get(at).map(Word::text).unwrap_or_default();
    let second = words.get(at.saturating_add(1)).map(Word::text).unwrap_or_default();
    let pair = format!("{first} {second}");
    let named = manager.subcommands.iter().find(|(name, _)| *name == pair).or_else(|| {
        manager.subcommands.iter().find(|(name, _)| !name.is_empty() && *name == first)
    });
    if let Some((name, action)) = named {
        return Some((name, *action, at));
    }
    let only = manager.subcommands.len() == 1 || first.is_empty() || !needs_word(program);
    let bare = manager.subcommands.iter().find(|(name, _)| name.is_empty());
    bare.filter(|_| only).map(|(name, action)| (*name, *action, 0))
}

/// Programs that also work without a subcommand, but read a word as one where there is one.
fn needs_word(program: &str) -> bool {
    ["yarn", "pnpm", "bun", "bundle", "bundler", "rustup", "choco", "chocolatey"].contains(&program)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn rows_are_consistent() {
        for manager in MANAGERS {
            assert!(!manager.names.is_empty() && !manager.subcommands.is_empty());
            let names: BTreeSet<_> = manager.subcommands.iter().map(|(name, _)| name).collect();
            assert_eq!(names.len(), manager.subcommands.len(), "{:?}", manager.names);
            assert!(manager.valued.iter().all(|option| option.starts_with('-')));
        }
    }
}
