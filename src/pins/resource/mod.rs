//! What the resources of configuration tools stand for: a package module of Ansible, a `package`
//! of Chef, Puppet or Salt asks for the same thing as a command does, and gets the same verdict.
//!
//! A resource is turned into the words of its command and given to the shell engine, so that
//! versions, credits and advice are judged in one place. Values keep the file that they are written
//! in: an element of a list in a variable file is reported there, a value that was put into a
//! text is reported where the text stands.

mod managers;
mod values;

pub(in crate::pins) use managers::Manager;
pub(in crate::pins) use values::{Budget, MAX_ALTERNATIVES, either, single_quoted, sited};

use super::audit::Audit;
use super::classify;
use super::environment::{Environment, MachineFile};
use super::hcl::value::{Text, Value};
use super::hcl::{run_in, within};
use super::input::{Credit, Input, PinForm};
use super::shell::{self, Dialect, Expanded};
use super::span::{Fragment, FragmentBuilder, UNKNOWN};
use super::strength::{Ecosystem, Strength};
use std::ops::Range;
use std::sync::Arc;

/// Elements of one list that are judged; a person writes no more.
const MAX_ELEMENTS: usize = 2000;

/// One machine that resources configure.
pub(in crate::pins) struct Host<'h, 'a> {
    /// Constants of commands, and the machine's state.
    pub environment: &'h mut Environment,
    /// Where inputs go.
    pub audit: &'h mut Audit<'a>,
}

/// All texts of a value that may be a list; what nobody knows is one unknown text at `at`.
pub(in crate::pins) fn texts(value: &Value, file: &Arc<str>, at: &Range<usize>) -> Vec<Text> {
    let mut found = Vec::new();
    collect(value, file, at, &mut found);
    found.truncate(MAX_ELEMENTS);
    found
}

fn collect(value: &Value, file: &Arc<str>, at: &Range<usize>, found: &mut Vec<Text>) {
    match value {
        Value::Text(text) => found.push(text.clone()),
        Value::List(values) | Value::Either(values) => {
            for value in values.iter().take(MAX_ELEMENTS) {
                collect(value, file, at, found);
            }
        }
        Value::Unknown(origin) => {
            let fragment = unknown(at);
            found.push(Text { origin: origin.clone(), ..Text::new(fragment, file) });
        }
        Value::Null | Value::Object(_) => {}
    }
}

/// [`UNKNOWN`] for raw bytes.
pub(in crate::pins) fn unknown(at: &Range<usize>) -> Fragment {
    Fragment::opaque(UNKNOWN.encode_utf8(&mut [0; 4]), at.clone())
}

/// A word of a command that stands for raw bytes.
pub(in crate::pins) fn made(text: &str, range: &Range<usize>) -> Fragment {
    Fragment::opaque(text, range.clone())
}

/// Parts of a text that a separator divides, without the blanks around them.
pub(in crate::pins) fn split(text: &Text, separator: char) -> Vec<Text> {
    let whole = text.text();
    if !whole.contains(separator) {
        return vec![text.clone()];
    }
    let mut found = Vec::new();
    let mut at = 0_usize;
    for part in whole.split(separator) {
        let content = part.trim();
        let lead = part.len().saturating_sub(part.trim_start().len());
        let start = at.saturating_add(lead);
        at = at.saturating_add(part.len()).saturating_add(separator.len_utf8());
        if !content.is_empty() {
            let fragment = text.fragment.slice(start..start.saturating_add(content.len()));
            found.push(Text { fragment, ..text.clone() });
        }
    }
    found
}

impl Host<'_, '_> {
    /// A text as it is reported: where a reference brought it to, or where it is written.
    fn reported(&self, text: &Text, fallback: &Range<usize>) -> Text {
        let here = Arc::clone(&self.audit.file().path);
        let own = text.fragment.raw_whole();
        let moved = |range: &Range<usize>| Text {
            fragment: Fragment::opaque(text.text(), range.clone()),
            file: Arc::clone(&here),
            site: None,
            origin: text.origin.clone().or_else(|| text.spliced.first().map(|(_, o)| o.clone())),
            spliced: Vec::new(),
        };
        match &text.site {
            Some(site) => moved(site),
            None if own.is_empty() => moved(fallback),
            None => text.clone(),
        }
    }

    /// Gives each text to `read`, in the file that it is reported in.
    pub fn each(
        &mut self,
        list: &[Text],
        fallback: &Range<usize>,
        mut read: impl FnMut(&mut Environment, &mut Audit<'_>, &Text),
    ) {
        let list: Vec<Text> = list.iter().map(|text| self.reported(text, fallback)).collect();
        for group in list.chunk_by(|one, next| one.file == next.file) {
            let Some(first) = group.first() else { continue };
            let environment = &mut *self.environment;
            let mut read_all = |audit: &mut Audit<'_>| {
                for text in group {
                    let work = |audit: &mut Audit<'_>| read(environment, audit, text);
                    within(text, audit, work);
                }
            };
            if first.file == self.audit.file().path {
                read_all(self.audit);
            } else if self.audit.follow(&first.file, |audit| read_all(audit)).is_none() {
                // Open already, or too many: reported where it is used.
                let here = Arc::clone(&self.audit.file().path);
                for text in group {
                    let fragment = Fragment::opaque(text.text(), fallback.clone());
                    let moved = Text { fragment, file: Arc::clone(&here), ..text.clone() };
                    let moved = Text { spliced: Vec::new(), ..moved };
                    let environment = &mut *self.environment;
                    within(&moved, self.audit, |audit| read(environment, audit, &moved));
                }
            }
        }
    }

    /// Packages by one manager. A version that stands beside them counts for each of them; `note`
    /// says what else moves them.
    pub fn packages(
        &mut self,
        manager: Manager,
        names: &[Text],
        version: Option<&Text>,
        fallback: &Range<usize>,
        note: Option<&str>,
    ) {
        self.packages_with(manager, names, version, &[], fallback, note);
    }

    /// The same with options of the manager's command.
    pub fn packages_with(
        &mut self,
        manager: Manager,
        names: &[Text],
        version: Option<&Text>,
        options: &[&str],
        fallback: &Range<usize>,
        note: Option<&str>,
    ) {
        let version = version.filter(|version| !version.text().is_empty());
        let here = Arc::clone(&self.audit.file().path);
        self.each(names, fallback, |environment, audit, name| {
            // A name in another platform's variables is not for this manager.
            let foreign = name.file != here
                && manager.is_system()
                && Manager::of_file(&name.file).is_some_and(|own| own != manager);
            if foreign || name.text().trim().is_empty() {
                return;
            }
            let before = audit.inputs().len();
            let manager = match manager {
                Manager::System => Manager::of_file(&name.file).unwrap_or(manager),
                other => other,
            };
            let words = manager.words(name, version, options);
            if words.is_empty() {
                audit.push(manager.bare(name, version, audit));
            } else {
                shell::audit_words(&words, environment, audit);
            }
            let own = audit.place(name.fragment.raw_whole());
            let edit = version.filter(|version| {
                version.file == name.file
                    && version.site.is_none()
                    && version.fragment.is_verbatim(0..version.text().len())
            });
            for input in audit.inputs_since_mut(before) {
                if let Some(version) = version {
                    input.place.clone_from(&own);
                    input.form = edit.map(|version| {
                        let range = version.fragment.raw_whole();
                        let template = "{version}".to_owned();
                        PinForm { start_byte: range.start, end_byte: range.end, template }
                    });
                    ranged(input, version.text());
                    if input.origin.is_none() {
                        let spliced = version.spliced.first().map(|(_, origin)| origin);
                        input.origin = version.origin.as_ref().or(spliced).cloned();
                    }
                } else if !manager.writes_version_in_name() {
                    input.form = None;
                }
                if input.strength == Strength::None
                    && let Some(note) = note
                {
                    input.note.get_or_insert_with(|| note.to_owned());
                }
            }
        });
    }

    /// Everything is upgraded.
    pub fn upgrade_all(&mut self, manager: Manager, at: &Text, subject: &str) {
        let range = at.fragment.raw_whole();
        self.each(std::slice::from_ref(at), &range, |environment, audit, text| {
            let before = audit.inputs().len();
            let range = text.fragment.raw_whole();
            let words: Vec<Fragment> =
                manager.upgrade().iter().map(|word| made(word, &range)).collect();
            if words.is_empty() {
                let place = audit.place(range);
                let input = Input::new(manager.ecosystem(), subject, Strength::None, place)
                    .under("pins/upgrade-all")
                    .noting("upgrades everything that is installed");
                audit.push(input);
            } else {
                shell::audit_words(&words, environment, audit);
            }
            for input in audit.inputs_since_mut(before) {
                subject.clone_into(&mut input.subject);
            }
        });
    }

    /// A file by URL, saved under `target`, and the checksum that it is held against.
    pub fn download(
        &mut self,
        url: &Text,
        target: &str,
        checksum: Option<&Text>,
        fallback: &Range<usize>,
    ) {
        self.each(std::slice::from_ref(url), fallback, |environment, audit, url| {
            let start = url.fragment.raw_whole().start;
            let before = audit.inputs().len();
            let target = if target.is_empty() || target.ends_with('/') {
                let last = url.text().split(['?', '#']).next().unwrap_or_default();
                format!("{target}{}", super::repository::file_name(last))
            } else {
                target.to_owned()
            };
            let words = [
                made("curl", &(start..start)),
                made("-o", &(start..start)),
                made(&target, &(start..start)),
                url.fragment.clone(),
            ];
            shell::audit_words(&words, environment, audit);
            if let Some(checksum) = checksum.filter(|checksum| !checksum.text().is_empty()) {
                for input in audit.inputs_since_mut(before) {
                    hold(input, checksum);
                }
            }
        });
    }

    /// A repository that is checked out, by the words of its program.
    pub fn checkout(
        &mut self,
        program: &str,
        url: &Text,
        reference: Option<&Text>,
        fallback: &Range<usize>,
    ) {
        let reference = reference.filter(|reference| !reference.text().is_empty());
        self.each(std::slice::from_ref(url), fallback, |environment, audit, url| {
            let start = url.fragment.raw_whole().start;
            let before = audit.inputs().len();
            if program == "svn" {
                subversion(audit, url, reference);
            } else {
                let option = if program == "hg" { "-r" } else { "-b" };
                let mut words =
                    vec![made(program, &(start..start)), made("clone", &(start..start))];
                if let Some(reference) = reference {
                    words.push(made(option, &(start..start)));
                    words.push(made(reference.text(), &(start..start)));
                }
                words.push(url.fragment.clone());
                shell::audit_words(&words, environment, audit);
            }
            let edit = reference.filter(|reference| {
                reference.file == url.file
                    && reference.site.is_none()
                    && reference.fragment.is_verbatim(0..reference.text().len())
            });
            for input in audit.inputs_since_mut(before) {
                input.form = edit.map(|reference| {
                    let range = reference.fragment.raw_whole();
                    let template = "{version}".to_owned();
                    PinForm { start_byte: range.start, end_byte: range.end, template }
                });
                if input.origin.is_none() {
                    let of = |text: &Text| {
                        text.origin.clone().or_else(|| text.spliced.first().map(|(_, o)| o.clone()))
                    };
                    input.origin = reference.and_then(of);
                }
            }
        });
    }

    /// A container image; a tag that stands beside the name counts unless the name has its own.
    pub fn image(&mut self, image: &Text, tag: Option<&Text>, fallback: &Range<usize>) {
        let tag = tag.filter(|tag| !tag.text().is_empty());
        self.each(std::slice::from_ref(image), fallback, |environment, audit, image| {
            let text = image.text();
            if text.trim().is_empty() || text.starts_with(['/', '.', '~']) || is_image_id(text) {
                return;
            }
            let parsed = super::image::ImageRef::parse(text);
            let own = parsed.tag.is_some() || parsed.digest.is_some();
            let mut builder = FragmentBuilder::default();
            builder.append(&image.fragment);
            if let Some(tag) = tag.filter(|_| !own) {
                let end = image.fragment.raw_whole().end;
                let digest = tag.text().starts_with("sha256:");
                builder.replaced(if digest { "@" } else { ":" }, end..end);
                builder.replaced(tag.text(), end..end);
            }
            let before = audit.inputs().len();
            shell::image(&Expanded::plain(builder.finish()), environment, audit);
            if let Some(tag) = tag.filter(|_| !own) {
                let place = audit.place(image.fragment.raw_whole());
                for input in audit.inputs_since_mut(before) {
                    input.place.clone_from(&place);
                    input.form = None;
                    if input.origin.is_none() {
                        let spliced = tag.spliced.first().map(|(_, origin)| origin);
                        input.origin = tag.origin.as_ref().or(spliced).cloned();
                    }
                }
            }
        });
    }

    /// A package repository by its address; `line` is what the package manager reads of it
    /// (`deb URL suite`), where that says more.
    pub fn repository(&mut self, address: &Text, line: Option<&str>, fallback: &Range<usize>) {
        self.each(std::slice::from_ref(address), fallback, |environment, audit, address| {
            let text = address.text().trim();
            let start = address.fragment.raw_whole().start;
            if text.starts_with("ppa:") || text.starts_with("cloud-archive:") {
                let words = [made("add-apt-repository", &(start..start)), address.fragment.clone()];
                shell::audit_words(&words, environment, audit);
                return;
            }
            let fragment = match line {
                Some(line) => Fragment::opaque(line, address.fragment.raw_whole()),
                None => address.fragment.clone(),
            };
            let word = Expanded { range: fragment.raw_whole(), fragment, origin: None };
            shell::repository(&word, environment, audit);
        });
    }

    /// An input that the tool's own rules judge.
    pub fn input(
        &mut self,
        ecosystem: Ecosystem,
        subject: &Text,
        requested: &str,
        strength: Strength,
        fallback: &Range<usize>,
        note: Option<&str>,
    ) {
        self.each(std::slice::from_ref(subject), fallback, |_, audit, subject| {
            let place = audit.place(subject.fragment.raw_whole());
            let name = shown(subject, audit);
            let mut input = Input::new(ecosystem, &name, strength, place)
                .requesting(&requested.replace(UNKNOWN, "…"));
            input.note = note.map(str::to_owned);
            audit.push(input);
        });
    }

    /// A script that a shell runs; what it sets does not outlive it.
    pub fn script(&mut self, script: &Text, dialect: Dialect) {
        let before = self.environment.constants_only();
        let functions = std::mem::take(&mut self.environment.functions);
        let range = script.fragment.raw_whole();
        let script = self.reported(script, &range);
        run_in(&script, self.environment, self.audit, dialect);
        self.environment.functions = functions;
        self.environment.restore_constants(&before);
    }

    /// A command without a shell.
    pub fn words(&mut self, words: &[Text], fallback: &Range<usize>) {
        let words: Vec<Text> = words.iter().map(|word| self.reported(word, fallback)).collect();
        let here = Arc::clone(&self.audit.file().path);
        let before = self.audit.inputs().len();
        let fragments: Vec<Fragment> = words
            .iter()
            .map(|word| match word.file == here {
                true => word.fragment.clone(),
                false => Fragment::opaque(word.text(), fallback.clone()),
            })
            .collect();
        shell::audit_words(&fragments, self.environment, self.audit);
        for input in self.audit.inputs_since_mut(before) {
            if input.origin.is_none() {
                let place = input.place.range();
                let over = words.iter().flat_map(|word| &word.spliced);
                let mut over = over.filter(|(at, _)| at.start < place.end && place.start < at.end);
                input.origin = over.next().map(|(_, origin)| origin.clone());
            }
        }
    }

    /// The machine has this file: what it says about packages counts from here on.
    pub fn file_written(&mut self, path: &str, text: &Text) {
        let range = text.fragment.raw_whole();
        self.each(std::slice::from_ref(text), &range, |environment, audit, text| {
            shell::file_written(path, &text.fragment, environment, audit);
        });
        if !path.is_empty() {
            let entry = MachineFile::Text(Arc::new(text.fragment.clone()), Arc::clone(&text.file));
            self.environment.machine.files.insert(path.to_owned(), entry);
        }
    }

    /// A file of the repository lies in the machine under a path.
    pub fn file_copied(&mut self, path: &str, source: &str) {
        let preferences = ["/apt/preferences", "/apt/sources.list", "/yum.repos.d/", "versionlock"];
        if preferences.iter().any(|part| path.contains(part)) {
            let environment = &mut *self.environment;
            self.audit.follow(source, |audit| {
                let fragment = audit.file().fragment();
                shell::file_written(path, &fragment, environment, audit);
            });
        }
        let entry = MachineFile::Repository(source.to_owned());
        self.environment.machine.files.insert(path.to_owned(), entry);
    }
}

/// The name of an input, for one that nobody knows the raw bytes.
fn shown(text: &Text, audit: &Audit<'_>) -> String {
    let name = text.text().trim();
    if name.chars().all(|c| c == UNKNOWN) {
        let bytes = audit.file().bytes.get(text.fragment.raw_whole()).unwrap_or_default();
        return String::from_utf8_lossy(bytes).into_owned();
    }
    name.replace(UNKNOWN, "…")
}

/// A version attribute may hold operators that the manager's own words do not know.
fn ranged(input: &mut Input, version: &str) {
    let version = version.trim();
    let operators = version.starts_with(['>', '<', '~', '^', '!']) || version.contains(',');
    if operators && matches!(input.strength, Strength::Exact | Strength::Unknown) {
        input.strength = Strength::Range;
        version.clone_into(&mut input.requested);
        input.advice = None;
    }
}

/// An image that is already there, by its id.
fn is_image_id(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|id| id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// What a checksum beside a URL says about the download. A list of checksums that is fetched from
/// the same place holds nothing: whoever changes one changes both.
pub(in crate::pins) fn hold(input: &mut Input, checksum: &Text) {
    let text = checksum.text().trim();
    let value = text.rsplit(['=', ':']).next().unwrap_or(text).trim();
    if text.contains("://") {
        input.note.get_or_insert_with(|| {
            "its checksum is fetched, too: whoever changes one changes both".to_owned()
        });
    } else if classify::is_unknown(text) {
        input.strength = Strength::Unknown;
        input.note = Some("its checksum comes from outside".to_owned());
    } else if matches!(value.len(), 40 | 56 | 64 | 96 | 128)
        && value.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        let why = "its checksum is verified before use".to_owned();
        input.credit = Some(Credit { strength: Strength::Content, why });
    } else if !text.is_empty() {
        input.note.get_or_insert_with(|| "its checksum is too weak to hold it".to_owned());
    }
}

fn subversion(audit: &mut Audit<'_>, url: &Text, reference: Option<&Text>) {
    let text = reference.map(Text::text).unwrap_or_default();
    let revision = text.trim_start_matches('r');
    let numbered = !revision.is_empty() && revision.bytes().all(|byte| byte.is_ascii_digit());
    let strength = if numbered { Strength::Exact } else { classify::git_ref(text) };
    let place = audit.place(url.fragment.raw_whole());
    let name = shown(url, audit);
    let requested = text.replace(UNKNOWN, "…");
    audit.push(Input::new(Ecosystem::Git, &name, strength, place).requesting(&requested));
}
