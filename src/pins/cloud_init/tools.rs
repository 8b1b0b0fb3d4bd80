//! Modules that install a configuration management tool: `chef`, `puppet`, `salt_minion`,
//! `ansible`, and GPU `drivers`.

use super::Seed;
use crate::pins::classify;
use crate::pins::input::Input;
use crate::pins::span::{Fragment, UNKNOWN};
use crate::pins::strength::{Ecosystem, Strength};
use crate::pins::yaml::{Kind, Node};

impl Seed<'_, '_> {
    /// All of them.
    pub(super) fn tools(&mut self, config: &Node) {
        self.chef(config);
        self.puppet(config);
        if let Some((key, salt)) = config.entry("salt_minion") {
            let named = salt.get("pkg_name").and_then(Node::fragment);
            let package = named.cloned().unwrap_or_else(|| Self::made("salt-minion", &key.range()));
            self.install(config, &package);
        }
        self.ansible(config);
        let nvidia = config.get("drivers").and_then(|drivers| drivers.get("nvidia"));
        if let Some(version) = nvidia.and_then(|nvidia| nvidia.get("version")) {
            self.tool("nvidia-driver", version, None);
        }
    }

    /// A tool by the version that stands in a value, or at a key where none stands.
    fn tool(&mut self, subject: &str, at: &Node, version: Option<Strength>) {
        let text = at.text().unwrap_or_default();
        let strength = version.unwrap_or_else(|| classify::version(Ecosystem::Tool, text));
        let requested = if version == Some(Strength::None) { "" } else { text };
        let place = self.audit.place(at.range());
        let requested = requested.replace(UNKNOWN, "…");
        self.audit
            .push(Input::new(Ecosystem::Tool, subject, strength, place).requesting(&requested));
    }

    /// `install_type`: `packages` (the default), `gems` with `version`, `omnibus` with
    /// `omnibus_version`.
    fn chef(&mut self, config: &Node) {
        let Some((key, chef)) = config.entry("chef").filter(|(_, chef)| chef.is_mapping()) else {
            return;
        };
        let kind = chef.get("install_type");
        let at = kind.unwrap_or(key);
        let omnibus = chef.get("omnibus_version");
        let word = kind.and_then(Node::text).unwrap_or_default();
        if word == "omnibus" || (kind.is_none() && omnibus.is_some()) {
            match omnibus {
                Some(version) => self.tool("chef", version, None),
                None => self.tool("chef", at, Some(Strength::None)),
            }
            if let Some(url) = chef.get("omnibus_url").and_then(Node::fragment) {
                let text = url.text().replace(UNKNOWN, "…");
                let place = self.audit.place(url.raw_whole());
                self.audit.push(
                    Input::new(Ecosystem::Download, &text, Strength::None, place)
                        .noting("run without a check"),
                );
            }
        } else if word == "gems" {
            let mut words: Vec<Fragment> = ["gem", "install", "chef"]
                .iter()
                .map(|word| Self::made(word, &at.range()))
                .collect();
            if let Some(version) = chef.any(&["version", "gem_version"]).and_then(Node::fragment) {
                words.push(Self::made("-v", &at.range()));
                words.push(version.clone());
            }
            self.words(&words);
        } else {
            self.install(config, &Self::made("chef", &at.range()));
        }
    }

    /// `version` holds it; a `collection` moves.
    fn puppet(&mut self, config: &Node) {
        let Some((key, puppet)) = config.entry("puppet").filter(|(_, p)| p.is_mapping()) else {
            return;
        };
        if puppet.get("install").and_then(Node::truth) == Some(false) {
            return;
        }
        if let Some(version) = puppet.get("version").filter(|version| !version.is_null()) {
            self.tool("puppet", version, None);
        } else if let Some(collection) = puppet.get("collection").filter(|c| !c.is_null()) {
            self.tool("puppet", collection, Some(Strength::Floating));
        } else {
            let at = puppet.any(&["package_name", "install_type"]).unwrap_or(key);
            self.tool("puppet", at, Some(Strength::None));
        }
    }

    /// The package, the roles and collections of `galaxy`, and the repository of `pull`.
    fn ansible(&mut self, config: &Node) {
        let Some((key, ansible)) = config.entry("ansible").filter(|(_, a)| a.is_mapping()) else {
            return;
        };
        let method = ansible.get("install_method");
        if method.is_some() || ansible.get("package_name").is_some() {
            let named = ansible.get("package_name").and_then(Node::fragment).cloned();
            let at = method.unwrap_or(key).range();
            let package = named.unwrap_or_else(|| Self::made("ansible", &at));
            if method.and_then(Node::text) == Some("pip") {
                let front = ["pip", "install"].map(|word| Self::made(word, &(at.start..at.start)));
                let words: Vec<Fragment> = front.into_iter().chain([package]).collect();
                self.words(&words);
            } else {
                self.install(config, &package);
            }
        }
        let actions = ansible.get("galaxy").and_then(|galaxy| galaxy.get("actions"));
        for action in actions.map(Node::items).unwrap_or_default() {
            if let Kind::Sequence(words) = action.kind() {
                let words: Vec<Fragment> =
                    words.iter().filter_map(|word| word.fragment().cloned()).collect();
                self.words(&words);
            }
        }
        if let Some(pull) = ansible.get("pull") {
            let pulls = if pull.is_sequence() { pull.items() } else { std::slice::from_ref(pull) };
            for pull in pulls {
                self.git(pull.get("url"), pull.get("checkout"));
            }
        }
        let setup = ansible.get("setup_controller").and_then(|setup| setup.get("repositories"));
        for repository in setup.map(Node::items).unwrap_or_default() {
            self.git(repository.get("source"), repository.any(&["checkout", "version"]));
        }
    }

    fn git(&mut self, url: Option<&Node>, reference: Option<&Node>) {
        let Some(url) = url.and_then(Node::fragment) else { return };
        let reference = reference.and_then(Node::text).unwrap_or_default();
        let place = self.audit.place(url.raw_whole());
        let subject = url.text().replace(UNKNOWN, "…");
        let strength = classify::git_ref(reference);
        let requested = reference.replace(UNKNOWN, "…");
        self.audit
            .push(Input::new(Ecosystem::Git, &subject, strength, place).requesting(&requested));
    }
}
