//! `write_files`: contents through their encodings, and files by URL.
//!
//! A script is read where its first line or its name says that it is one; a repository file, apt
//! preferences and version locks count for the packages that are installed later; every file is
//! remembered, so that a command which runs it finds it.

use super::{Seed, transport};
use crate::pins::classify;
use crate::pins::environment::MachineFile;
use crate::pins::input::Input;
use crate::pins::repository::extension;
use crate::pins::script;
use crate::pins::shell::{self, Dialect};
use crate::pins::span::{Fragment, UNKNOWN};
use crate::pins::strength::Ecosystem;
use crate::pins::yaml::Node;
use std::sync::Arc;

impl Seed<'_, '_> {
    /// The files that are written early, or those that wait for the packages (`defer`).
    pub(super) fn files(&mut self, config: &Node, deferred: bool) {
        for file in config.get("write_files").map(Node::items).unwrap_or_default() {
            let waits = file.get("defer").and_then(Node::truth) == Some(true);
            if waits == deferred {
                self.file(file);
            }
        }
    }

    fn file(&mut self, file: &Node) {
        let path = file.get("path").and_then(Node::text).unwrap_or_default().to_owned();
        if let Some(uri) = file.get("source").and_then(|source| source.get("uri")) {
            self.fetched(uri, &path);
        }
        let Some(content) = file.get("content").filter(|content| !content.is_null()) else {
            return;
        };
        let Some(raw) = content.fragment() else { return };
        let encoding = file.get("encoding").and_then(Node::text).unwrap_or_default();
        let Some(text) = self.decoded(raw, encoding, content.tag() == Some("binary")) else {
            return;
        };
        shell::file_written(&path, &text, self.environment, self.audit);
        if !path.is_empty() {
            let own = Arc::clone(&self.audit.file().path);
            let entry = MachineFile::Text(Arc::new(text.clone()), own);
            self.environment.machine.files.insert(path.clone(), entry);
        }
        self.written_script(&path, &text);
    }

    /// The text of a file's content.
    fn decoded(&mut self, raw: &Fragment, encoding: &str, binary: bool) -> Option<Fragment> {
        let encoding = encoding.trim().to_ascii_lowercase();
        let coded = binary || encoding.contains("b64") || encoding.contains("base64");
        let zipped = encoding.starts_with("gz");
        if !coded && !zipped {
            return Some(raw.clone());
        }
        let text = raw.text();
        if text.contains(UNKNOWN) || text.contains("${") {
            return None;
        }
        let bytes = if coded { transport::base64(text) } else { Some(text.as_bytes().to_vec()) };
        let unpacked = bytes.and_then(|bytes| self.unpacked(&bytes));
        if unpacked.is_none() && !zipped {
            // Keys and archives are written in base64 too: only what says that it is text is missed.
            return None;
        }
        if unpacked.is_none() {
            self.audit.gap("a file's content cannot be unpacked", Some(raw.raw_whole().start));
        }
        unpacked.map(|text| Fragment::opaque(&text, raw.raw_whole()))
    }

    fn written_script(&mut self, path: &str, text: &Fragment) {
        let content = text.text();
        let extension = extension(path).map(str::to_ascii_lowercase).unwrap_or_default();
        if content.starts_with("#!") {
            if script::is_shell_script(content.as_bytes()) {
                self.script(text, Dialect::Posix);
            }
        } else if ["ps1", "psm1"].contains(&extension.as_str()) {
            self.script(text, Dialect::PowerShell);
        } else if ["sh", "bash"].contains(&extension.as_str())
            || path.starts_with("/etc/profile.d/")
        {
            self.script(text, Dialect::Posix);
        } else if content.trim_start().starts_with("#cloud-config") {
            self.dispatch(text, None);
        }
    }

    /// `source: {uri}`: fetched at boot; a checksum that a later command verifies counts.
    fn fetched(&mut self, uri: &Node, path: &str) {
        let Some(fragment) = uri.fragment() else { return };
        let text = fragment.text();
        if !text.contains("://") {
            return;
        }
        let place = self.audit.place(fragment.raw_whole());
        let subject = text.replace(UNKNOWN, "…");
        let input = Input::new(Ecosystem::Download, &subject, classify::url(text), place);
        let id = self.audit.push(input);
        if !path.is_empty() {
            let entry = MachineFile::Downloaded(id);
            self.environment.machine.files.insert(path.to_owned(), entry);
        }
    }
}
