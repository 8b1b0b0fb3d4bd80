//! git and Mercurial: what is cloned, and what is checked out of it later.

use super::interpret::Interpreter;
use super::options::{Arguments, Dashes};
use super::package::{Package, is_local};
use super::words::{Word, is_newest_tag};
use crate::pins::classify;
use crate::pins::environment::MachineFile;
use crate::pins::input::PinForm;
use crate::pins::strength::{Ecosystem, Strength};

const GIT_VALUED: &[&str] = &[
    "-C",
    "-c",
    "--git-dir",
    "--work-tree",
    "--namespace",
    "-b",
    "--branch",
    "--depth",
    "-o",
    "--origin",
    "-u",
    "--upload-pack",
    "--reference",
    "--reference-if-able",
    "--separate-git-dir",
    "--template",
    "--shallow-since",
    "--shallow-exclude",
    "-j",
    "--jobs",
    "--filter",
    "--config",
    "--server-option",
    "--revision",
    "-B",
    "--orphan",
    "--name",
    "--bundle-uri",
    "-t",
];

const SVN_VALUED: &[&str] = &[
    "-r",
    "--revision",
    "--username",
    "--password",
    "--depth",
    "--config-dir",
    "--config-option",
    "--native-eol",
];

/// The prefix of the machine's entries that remember clones: no path begins with it.
const CLONE: &str = "\0clone\0";

impl Interpreter<'_, '_> {
    pub(super) fn git(&mut self, words: &[Word]) {
        let arguments =
            Arguments::parse(words.get(1..).unwrap_or_default(), GIT_VALUED, Dashes::Clusters);
        let mut operands = arguments.operands.iter();
        let Some(subcommand) = operands.next().map(|word| word.text().to_owned()) else { return };
        let rest: Vec<&Word> = operands.collect();
        match subcommand.as_str() {
            "clone" => self.clone(&arguments, &rest),
            "submodule" if rest.first().is_some_and(|word| word.text() == "add") => {
                self.clone(&arguments, rest.get(1..).unwrap_or_default());
            }
            "submodule"
                if arguments.has(&["--remote"])
                    && rest.first().is_some_and(|word| word.text() == "update") =>
            {
                if let Some(word) = words.iter().find(|word| word.text() == "--remote") {
                    let package = Package::new(Ecosystem::Git, word, "submodules", "");
                    let mut package = package.held(Strength::Floating);
                    package.note = Some("each moves to the head of its branch".to_owned());
                    self.package(package);
                }
            }
            "checkout" | "switch" | "reset" => {
                let creates = arguments.has(&["-b", "-B", "-c", "-C", "--orphan"])
                    && subcommand != "reset"
                    && !words.iter().any(|word| word.text() == "-C");
                let separated = words.iter().any(|word| word.text() == "--");
                if let Some(reference) = rest.first().filter(|_| !separated) {
                    self.checkout(&arguments, reference);
                } else if creates && let Some(start) = rest.get(1) {
                    self.checkout(&arguments, start);
                }
            }
            "fetch" | "pull" => {
                // `git fetch origin HASH` followed by a checkout of FETCH_HEAD.
                if let Some(reference) = rest.get(1).filter(|r| classify::is_full_hash(r.text())) {
                    self.checkout(&arguments, reference);
                }
            }
            _ => {}
        }
    }

    fn clone(&mut self, arguments: &Arguments, rest: &[&Word]) {
        let Some(url) = rest.first() else { return };
        let text = url.text().to_owned();
        if is_local(&text) || !text.contains([':', '/', crate::pins::span::UNKNOWN]) {
            return;
        }
        let reference = arguments.value(&["-b", "--branch", "--revision"]).cloned();
        let requested = reference.as_ref().map(|word| word.text().to_owned()).unwrap_or_default();
        let mut strength = classify::git_ref(&requested);
        if requested.is_empty() && text.chars().all(|c| c == crate::pins::span::UNKNOWN) {
            // It may as well be a directory of this machine.
            strength = Strength::Unknown;
        }
        let mut package = Package::new(Ecosystem::Git, url, &text, &requested).held(strength);
        if classify::is_short_hash(&requested) {
            package.note = Some("an abbreviated hash can become ambiguous".to_owned());
        }
        let id = self.package(package);
        if let Some(reference) = &reference
            && reference.origin.is_none()
            && reference.fragment.is_verbatim(0..reference.text().len())
            && let Some(input) = self.audit.input_mut(id)
        {
            let range = reference.range();
            input.form = Some(PinForm {
                start_byte: range.start,
                end_byte: range.end,
                template: "{version}".to_owned(),
            });
        }
        let bare = text.trim_end_matches('/').trim_end_matches(".git");
        let default = bare.rsplit(['/', ':']).next().unwrap_or_default();
        let directory = rest.get(1).map_or(default, |word| word.text());
        let name = format!("{CLONE}{}", directory.trim_end_matches('/'));
        let files = &mut self.environment.machine.files;
        files.insert(CLONE.to_owned(), MachineFile::Downloaded(id));
        files.insert(name, MachineFile::Downloaded(id));
    }

    /// The clone that a checkout belongs to: of the directory named by `-C`, else the last one.
    fn checkout(&mut self, arguments: &Arguments, reference: &Word) {
        let directory =
            arguments.value(&["-C"]).map(|word| word.text().trim_end_matches('/').to_owned());
        let files = &self.environment.machine.files;
        let named = directory.and_then(|directory| files.get(&format!("{CLONE}{directory}")));
        let Some(MachineFile::Downloaded(id)) = named.or_else(|| files.get(CLONE)) else { return };
        let id = *id;
        let text = reference.text();
        if text == "FETCH_HEAD" {
            return;
        }
        let bare = text.strip_prefix("origin/").unwrap_or(text);
        let tag = text.strip_prefix("tags/").or_else(|| text.strip_prefix("refs/tags/"));
        let strength = match classify::git_ref(tag.unwrap_or(bare)) {
            Strength::Floating if tag.is_some() => Strength::Exact,
            Strength::Exact if text.starts_with("origin/") => Strength::Floating,
            Strength::Unknown if is_newest_tag(reference) => Strength::Floating,
            other => other,
        };
        if let Some(input) = self.audit.input_mut(id) {
            let firmer = input.strength == Strength::Unknown || strength > input.strength;
            if firmer {
                input.strength = strength;
                text.clone_into(&mut input.requested);
                input.note = None;
            }
        }
    }

    /// `svn checkout URL[@REVISION]`, `svn export -r REVISION URL`: a number is one state for ever.
    pub(super) fn subversion(&mut self, words: &[Word]) {
        let arguments =
            Arguments::parse(words.get(1..).unwrap_or_default(), SVN_VALUED, Dashes::Clusters);
        let mut operands = arguments.operands.iter();
        let fetches = ["checkout", "co", "export"];
        if operands.next().is_none_or(|word| !fetches.contains(&word.text())) {
            return;
        }
        let Some(url) = operands.next().filter(|word| word.text().contains("://")) else { return };
        let text = url.text().to_owned();
        let (address, peg) = match text.rsplit_once('@') {
            Some((address, peg)) if !peg.contains('/') => (address, peg),
            _ => (text.as_str(), ""),
        };
        let option = arguments.value(&["-r", "--revision"]).map(|word| word.text().to_owned());
        let requested = option.unwrap_or_else(|| peg.to_owned());
        let revision = requested.trim_start_matches('r');
        let numbered = !revision.is_empty() && revision.bytes().all(|byte| byte.is_ascii_digit());
        let strength = if numbered { Strength::Exact } else { classify::git_ref(&requested) };
        self.package(Package::new(Ecosystem::Git, url, address, &requested).held(strength));
    }

    pub(super) fn mercurial(&mut self, words: &[Word]) {
        let valued = &[
            "-r",
            "--rev",
            "-u",
            "--updaterev",
            "-b",
            "--branch",
            "-R",
            "--cwd",
            "--config",
            "-e",
        ];
        let arguments =
            Arguments::parse(words.get(1..).unwrap_or_default(), valued, Dashes::Clusters);
        let mut operands = arguments.operands.iter();
        let subcommand = operands.next().map(Word::text).unwrap_or_default();
        if ["update", "up", "checkout", "co"].contains(&subcommand) {
            if let Some(reference) = arguments.value(&["-r", "--rev"]).or(operands.next()).cloned()
            {
                self.checkout(&arguments, &reference);
            }
            return;
        }
        if subcommand != "clone" {
            return;
        }
        if let Some(url) = operands.next().filter(|word| !is_local(word.text())) {
            let reference =
                arguments.value(&["-r", "--rev", "-u", "--updaterev", "-b", "--branch"]);
            let requested = reference.map(|word| word.text().to_owned()).unwrap_or_default();
            let strength = classify::git_ref(&requested);
            let text = url.text().to_owned();
            let id =
                self.package(Package::new(Ecosystem::Git, url, &text, &requested).held(strength));
            let clone = MachineFile::Downloaded(id);
            self.environment.machine.files.insert(CLONE.to_owned(), clone);
        }
    }
}
