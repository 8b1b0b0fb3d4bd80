//! Modules that fetch: files by URL, checkouts, repositories and keys.

use super::arguments::Arguments;
use super::tasks::Tasks;
use crate::pins::hcl::value::Text;
use crate::pins::resource::{made, split};
use crate::pins::yaml::Node;

impl Tasks<'_, '_> {
    pub(super) fn get_url(&mut self, arguments: &Arguments) {
        let Some((url, range)) = self.text(arguments, &["url"]) else { return };
        let target = self.word(arguments, &["dest"]);
        let checksum = self.text(arguments, &["checksum", "sha256sum"]).map(|(text, _)| text);
        let target = target.replace("\\", "/");
        self.host().download(&url, &target, checksum.as_ref(), &range);
    }

    /// An archive by URL; nothing checks it.
    pub(super) fn unarchive(&mut self, arguments: &Arguments) {
        let node = arguments.get(&["src"]).cloned();
        let Some(node) = node else { return };
        let target = self.word(arguments, &["dest"]);
        let target = format!("{}/", target.trim_end_matches('/'));
        let checksum = self.text(arguments, &["checksum"]).map(|(text, _)| text);
        for url in self.texts(&node) {
            if url.text().contains("://") {
                self.host().download(&url, &target, checksum.as_ref(), &node.range());
            }
        }
    }

    /// A request whose answer is kept in a file.
    pub(super) fn uri(&mut self, arguments: &Arguments) {
        let method = self.word(arguments, &["method"]);
        if arguments.get(&["dest"]).is_none() || !["", "GET"].contains(&method.as_str()) {
            return;
        }
        let Some((url, range)) = self.text(arguments, &["url"]) else { return };
        let target = self.word(arguments, &["dest"]);
        self.host().download(&url, &target, None, &range);
    }

    pub(super) fn git(&mut self, arguments: &Arguments) {
        if arguments.is_false(&["clone"]) {
            return;
        }
        self.checkout(arguments, "git", &["version"]);
    }

    pub(super) fn mercurial(&mut self, arguments: &Arguments) {
        self.checkout(arguments, "hg", &["revision", "rev", "version"]);
    }

    pub(super) fn subversion(&mut self, arguments: &Arguments) {
        self.checkout(arguments, "svn", &["revision", "rev", "version"]);
    }

    fn checkout(&mut self, arguments: &Arguments, program: &str, names: &[&str]) {
        let Some(node) = arguments.get(&["repo", "name"]).cloned() else { return };
        let reference = self.text(arguments, names).map(|(text, _)| text);
        for url in self.texts(&node) {
            self.host().checkout(program, &url, reference.as_ref(), &node.range());
        }
    }

    /// apt, yum, zypper, Chocolatey and flatpak sources.
    pub(super) fn repository(&mut self, arguments: &Arguments) {
        let off = arguments.get(&["enabled"]).and_then(Node::truth) == Some(false);
        if off || self.is_removal(arguments) {
            return;
        }
        let names = ["repo", "baseurl", "mirrorlist", "metalink", "flatpakrepo_url", "source"];
        for name in names {
            let Some(node) = arguments.get(&[name]).cloned() else { continue };
            for address in self.texts(&node) {
                self.host().repository(&address, None, &node.range());
            }
        }
    }

    /// The fields of a deb822 source: each address with its suites.
    pub(super) fn deb822(&mut self, arguments: &Arguments) {
        if self.is_removal(arguments) {
            return;
        }
        let suites = arguments.get(&["suites"]).map(|node| self.texts(node)).unwrap_or_default();
        let suites: Vec<&str> = suites.iter().map(Text::text).collect();
        if let Some(node) = arguments.get(&["uris"]).cloned() {
            for address in self.texts(&node).iter().flat_map(|text| split(text, ' ')) {
                let line = format!("deb {} {}", address.text(), suites.join(" "));
                self.host().repository(&address, Some(&line), &node.range());
            }
        }
    }

    /// A key by URL; its full fingerprint holds it.
    pub(super) fn key(&mut self, arguments: &Arguments) {
        if self.is_removal(arguments) {
            return;
        }
        let Some((url, range)) = self.text(arguments, &["url", "key"]) else { return };
        if !url.text().contains("://") {
            return;
        }
        let digits = |text: &str| {
            let id: String = text.trim_start_matches("0x").split_whitespace().collect();
            id
        };
        let fingerprint = self.text(arguments, &["fingerprint", "id"]).map(|(text, _)| {
            let id = digits(text.text());
            Text { fragment: made(&id, &text.fragment.raw_whole()), ..text }
        });
        let whole = fingerprint.filter(|text| text.text().len() >= 40);
        self.host().download(&url, "", whole.as_ref(), &range);
    }

    pub(super) fn maven(&mut self, arguments: &Arguments) {
        let group = self.word(arguments, &["group_id"]);
        let Some((artifact, range)) = self.text(arguments, &["artifact_id"]) else { return };
        let version = self.text(arguments, &["version"]).map(|(text, _)| text);
        let requested = version.as_ref().map(Text::text).unwrap_or_default().to_owned();
        let name = format!("{group}:{}", artifact.text());
        let fragment = made(&name, &artifact.fragment.raw_whole());
        let subject = Text { fragment, ..artifact };
        let ecosystem = crate::pins::strength::Ecosystem::OtherLanguage;
        let strength = crate::pins::classify::version(ecosystem, &requested);
        self.host().input(ecosystem, &subject, &requested, strength, &range, None);
    }

    /// Files that a task lays down: repositories, preferences, scripts that a later task runs.
    pub(super) fn copy(&mut self, arguments: &Arguments) {
        let target = self.word(arguments, &["dest"]);
        if target.is_empty() {
            return;
        }
        if let Some((text, _)) = self.text(arguments, &["content"]) {
            self.host().file_written(&target, &text);
            return;
        }
        let source = self.word(arguments, &["src"]);
        let folder = if arguments.module == "template" { "templates" } else { "files" };
        if let Some(path) = self.locate(&source, &[folder]) {
            let target = if target.ends_with('/') {
                let name = crate::pins::repository::file_name(&path);
                format!("{target}{}", name.trim_end_matches(".j2"))
            } else {
                target
            };
            self.host().file_copied(&target, &path);
        }
    }
}
