//! Modules of package managers.

use super::arguments::Arguments;
use super::tasks::Tasks;
use crate::pins::classify;
use crate::pins::hcl::value::Text;
use crate::pins::resource::{Manager, made, split};
use crate::pins::span::{Fragment, FragmentBuilder, UNKNOWN};
use crate::pins::strength::{Ecosystem, Strength};
use crate::pins::yaml::Node;

/// Names of the argument that holds the packages.
const NAMES: &[&str] =
    &["name", "pkg", "package", "packages", "formula", "cask", "id", "spell", "names"];

/// Names of the argument that holds a version.
const VERSIONS: &[&str] = &["version", "required_version", "channel", "branch"];

/// Why a package without a version moves even where it is there already.
const LATEST: &str = "`state: latest` asks for whatever is newest at every run";

impl Tasks<'_, '_> {
    /// The names of a packages' argument: a list, or words that commas divide.
    pub(super) fn names(&self, arguments: &Arguments) -> Vec<Text> {
        let Some(node) = arguments.get(NAMES) else { return Vec::new() };
        self.texts(node).iter().flat_map(divided).collect()
    }

    fn note(&self, arguments: &Arguments) -> Option<&'static str> {
        let state = self.word(arguments, &["state"]);
        ["latest", "head", "upgraded", "newest"].contains(&state.as_str()).then_some(LATEST)
    }

    /// Any manager: `name`, `version`, `state`.
    pub(super) fn packages(&mut self, manager: Manager, arguments: &Arguments) {
        if self.is_removal(arguments) {
            return;
        }
        let manager = self.narrowed(manager, arguments);
        self.upgrades(manager, arguments);
        let version = self.text(arguments, VERSIONS).map(|(text, _)| text);
        let note = self.note(arguments);
        let mut options: Vec<&str> = Vec::new();
        if self.word(arguments, &["type"]) == "pattern" {
            options.extend(["-t", "pattern"]);
        }
        let release = self.word(arguments, &["releasever"]);
        if manager == Manager::Dnf && !release.is_empty() {
            options.extend(["--releasever", release.as_str()]);
        }
        if manager == Manager::Cargo && arguments.is_true(&["locked"]) {
            options.push("--locked");
        }
        let at = arguments.get(NAMES).map_or_else(|| arguments.at.clone(), Node::range);
        let mut names = self.names(arguments);
        if let Some(everything) = names.iter().position(|name| name.text() == "*") {
            let name = names.remove(everything);
            if self.word(arguments, &["state"]) == "latest" {
                self.host().upgrade_all(manager, &name, "*");
            }
        }
        names.retain(|name| !(name.text().starts_with('-') && manager == Manager::Zypper));
        let here = std::sync::Arc::clone(&self.audit.file().path);
        for group in names.chunk_by(|one, next| one.file == next.file) {
            let file = group.first().map(|name| &name.file).filter(|file| **file != here);
            let by_file = file.and_then(|file| Manager::of_file(file));
            let own = by_file.filter(|_| arguments.module == "package").unwrap_or(manager);
            self.host().packages_with(own, group, version.as_ref(), &options, &at, note);
        }
    }

    fn narrowed(&self, manager: Manager, arguments: &Arguments) -> Manager {
        match manager {
            Manager::System if super::modules::own_name(&arguments.module) == "package" => {
                let used = self.word(arguments, &["use"]);
                Manager::of_platform(&used).unwrap_or_else(|| self.system())
            }
            other => other,
        }
    }

    /// Switches that upgrade everything.
    fn upgrades(&mut self, manager: Manager, arguments: &Arguments) {
        for key in ["upgrade", "upgrade_all", "update_all"] {
            let Some(node) = arguments.get(&[key]) else { continue };
            let word = self.text_of(node);
            let on = ["yes", "true", "dist", "full", "safe", "True", "on", "Yes", "world"];
            if on.contains(&word.as_str()) {
                let range = node.range();
                let at = Text::new(made(&word, &range), &self.audit.file().path);
                let subject =
                    if manager == Manager::Apt { format!("{key}: {word}") } else { key.to_owned() };
                self.host().upgrade_all(manager, &at, &subject);
            }
        }
        let state = arguments.get(&["state"]).map(|node| (self.text_of(node), node.range()));
        if let Some((state, range)) = state
            && ["dist-upgrade", "upgrade"].contains(&state.as_str())
        {
            let at = Text::new(made(&state, &range), &self.audit.file().path);
            self.host().upgrade_all(manager, &at, &state);
        }
    }

    /// apt: also files by URL, and a release that packages are taken from.
    pub(super) fn apt(&mut self, arguments: &Arguments) {
        if self.is_removal(arguments) || self.word(arguments, &["state"]) == "build-dep" {
            return;
        }
        if arguments.is_true(&["update_cache", "update-cache"]) {
            self.environment.machine.refreshed = true;
        }
        self.upgrades(Manager::Apt, arguments);
        if let Some((url, range)) = self.text(arguments, &["deb"])
            && url.text().contains("://")
        {
            self.host().packages(Manager::Apt, &[url], None, &range, None);
        }
        let release = self.word(arguments, &["default_release", "default-release"]);
        let options: Vec<&str> =
            if release.is_empty() { Vec::new() } else { vec!["-t", release.as_str()] };
        let note = self.note(arguments);
        let mut names = self.names(arguments);
        if let Some(everything) = names.iter().position(|name| name.text() == "*") {
            let name = names.remove(everything);
            self.host().upgrade_all(Manager::Apt, &name, "*");
        }
        let at = arguments.get(NAMES).map_or_else(|| arguments.at.clone(), Node::range);
        self.host().packages_with(Manager::Apt, &names, None, &options, &at, note);
    }

    /// pip: names, a version for them, or a file of requirements.
    pub(super) fn pip(&mut self, arguments: &Arguments) {
        if self.is_removal(arguments) {
            return;
        }
        let extra = self.word(arguments, &["extra_args"]);
        let mut options: Vec<&str> = extra.split_whitespace().collect();
        if arguments.is_true(&["editable"]) {
            options.push("-e");
        }
        if let Some((file, range)) = self.text(arguments, &["requirements"]) {
            let start = file.fragment.raw_whole().start;
            let word = |text: &str| Text::new(made(text, &(start..start)), &self.audit.file().path);
            let mut words = vec![word("pip"), word("install")];
            words.extend(options.iter().map(|option| word(option)));
            words.extend([word("-r"), file]);
            self.host().words(&words, &range);
        }
        let version = self.text(arguments, &["version"]).map(|(text, _)| text);
        let note = self.note(arguments);
        let at = arguments.get(NAMES).map_or_else(|| arguments.at.clone(), Node::range);
        let names = self.names(arguments);
        self.host().packages_with(Manager::Pip, &names, version.as_ref(), &options, &at, note);
    }

    /// npm, yarn, pnpm: a package, or the manifest of a folder.
    pub(super) fn npm(&mut self, arguments: &Arguments) {
        if self.is_removal(arguments) {
            return;
        }
        let manager = match arguments.module.as_str() {
            "yarn" => Manager::Yarn,
            "pnpm" => Manager::Pnpm,
            _ => Manager::Npm,
        };
        if arguments.get(NAMES).is_none() {
            let enforced = arguments.is_true(&["ci", "frozen_lockfile"]);
            let program = arguments.module.clone();
            let command: &[&str] = match (manager, enforced) {
                (Manager::Npm, true) => &["ci"],
                (_, true) => &["install", "--frozen-lockfile"],
                _ => &["install"],
            };
            self.bare_command(arguments, &program, command);
            return;
        }
        let version = self.text(arguments, &["version"]).map(|(text, _)| text);
        let note = self.note(arguments);
        let at = arguments.get(NAMES).map_or_else(|| arguments.at.clone(), Node::range);
        let names = self.names(arguments);
        self.host().packages(manager, &names, version.as_ref(), &at, note);
    }

    /// bundler: by the lockfile, unless it is told to move it.
    pub(super) fn bundler(&mut self, arguments: &Arguments) {
        if self.is_removal(arguments) {
            return;
        }
        let command: &[&str] = if self.word(arguments, &["state"]) == "latest" {
            &["update"]
        } else if arguments.is_true(&["deployment_mode"]) {
            &["install", "--deployment"]
        } else {
            &["install"]
        };
        self.bare_command(arguments, "bundle", command);
    }

    /// composer: `require` of a package, or the manifest of a folder.
    pub(super) fn composer(&mut self, arguments: &Arguments) {
        let command = self.word(arguments, &["command"]);
        let command = if command.is_empty() { "install".to_owned() } else { command };
        match self.text(arguments, &["arguments"]) {
            Some((text, range)) if !text.text().trim().is_empty() => {
                let start = text.fragment.raw_whole().start;
                let mut builder = FragmentBuilder::default();
                builder.replaced(&format!("composer {command} "), start..start);
                builder.append(&text.fragment);
                let words = Text { fragment: builder.finish(), ..text };
                let _ = range;
                self.host().script(&words, crate::pins::shell::Dialect::Posix);
            }
            _ => self.bare_command(arguments, "composer", &[command.as_str()]),
        }
    }

    /// A command whose words stand for the module's name.
    fn bare_command(&mut self, arguments: &Arguments, program: &str, command: &[&str]) {
        let at = arguments.at.clone();
        let file = std::sync::Arc::clone(&self.audit.file().path);
        let word = |text: &str| Text::new(made(text, &at), &file);
        let words: Vec<Text> =
            std::iter::once(program).chain(command.iter().copied()).map(word).collect();
        let before = self.environment.machine.directory.clone();
        self.enter(arguments);
        self.host().words(&words, &at);
        self.environment.machine.directory = before;
    }

    /// `brew tap`: a repository of formulas at its default branch.
    pub(super) fn tap(&mut self, arguments: &Arguments) {
        if self.is_removal(arguments) {
            return;
        }
        let names = self.names(arguments);
        for name in names {
            let range = name.fragment.raw_whole();
            let note = "a tap is read at its newest commit";
            let held = Strength::Floating;
            self.host().input(Ecosystem::Repository, &name, "", held, &range, Some(note));
        }
    }

    pub(super) fn copr(&mut self, arguments: &Arguments) {
        if self.is_removal(arguments) {
            return;
        }
        if let Some((name, range)) = self.text(arguments, &["name"]) {
            let note = "a Copr keeps only its newest packages";
            let held = Strength::Floating;
            self.host().input(Ecosystem::Repository, &name, "", held, &range, Some(note));
        }
    }

    /// Version locks count for what is installed later.
    pub(super) fn version_lock(&mut self, arguments: &Arguments) {
        if self.is_removal(arguments) {
            return;
        }
        let file = std::sync::Arc::clone(&self.audit.file().path);
        for name in self.names(arguments) {
            let range = name.fragment.raw_whole();
            let front = ["dnf", "versionlock", "add"];
            let mut words: Vec<Text> =
                front.iter().map(|word| Text::new(made(word, &range), &file)).collect();
            words.push(name);
            self.host().words(&words, &range);
        }
    }

    pub(super) fn windows_updates(&mut self, arguments: &Arguments) {
        if !["searched", "downloaded"].contains(&self.word(arguments, &["state"]).as_str()) {
            let at = arguments.at.clone();
            let at = Text::new(made("win_updates", &at), &self.audit.file().path);
            self.host().upgrade_all(Manager::System, &at, "windows updates");
        }
    }

    /// Windows installers: by path or URL, held by a checksum.
    pub(super) fn windows_package(&mut self, arguments: &Arguments) {
        if self.is_removal(arguments) {
            return;
        }
        let Some((url, range)) = self.text(arguments, &["path"]) else { return };
        if !url.text().contains("://") {
            return;
        }
        let checksum = self.text(arguments, &["checksum"]).map(|(text, _)| text);
        self.host().download(&url, "", checksum.as_ref(), &range);
    }

    /// Roles and collections by `ansible-galaxy`.
    pub(super) fn galaxy_install(&mut self, arguments: &Arguments) {
        let role = self.word(arguments, &["type"]) == "role";
        let separator = if role { ',' } else { ':' };
        for name in self.names(arguments) {
            let range = name.fragment.raw_whole();
            let text = name.text().to_owned();
            let (_, version) = text.split_once(separator).unwrap_or((&text, ""));
            let strength = if version.is_empty() && text.contains(UNKNOWN) {
                Strength::Unknown
            } else {
                classify::version(Ecosystem::Galaxy, version)
            };
            let end = text.len().saturating_sub(version.len());
            let own = if version.is_empty() { end } else { end.saturating_sub(1) };
            let subject = Text { fragment: whole_as(&name, own), ..name };
            self.host().input(Ecosystem::Galaxy, &subject, version, strength, &range, None);
        }
    }
}

/// The first bytes of a text, standing for all of its raw bytes.
fn whole_as(text: &Text, end: usize) -> Fragment {
    let name = text.text().get(..end).unwrap_or_default();
    Fragment::opaque(name, text.fragment.raw_whole())
}

/// Names that commas divide; a comma within a version (`django>1,<2`) divides nothing.
fn divided(text: &Text) -> Vec<Text> {
    let whole = text.text();
    let version = whole
        .split(',')
        .skip(1)
        .any(|part| part.trim_start().starts_with(['<', '>', '=', '!', '~']));
    if version || whole.contains("://") || whole.contains('[') && whole.contains(']') {
        vec![text.clone()]
    } else {
        split(text, ',')
    }
}
