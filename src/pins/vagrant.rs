//! Carrier: Vagrantfiles. Boxes with their version and checksum, plugins, Vagrant's own version,
//! shell provisioners, images of the docker provisioner and provider.
//!
//! A Vagrantfile is a Ruby program; what is read of it is the literal form that people write:
//! `config.vm.box = "…"`, `provision "shell", inline: <<-SHELL`. Anything computed is passed over.

use super::audit::Audit;
use super::carrier::Carrier;
use super::classify;
use super::environment::Environment;
use super::input::Input;
use super::repository::{self, SourceFile};
use super::shell::{self, Dialect, Expanded};
use super::span::Fragment;
use super::steps::Stage;
use super::strength::{Ecosystem, Strength};
use std::collections::BTreeMap;
use std::ops::Range;

/// Vagrantfiles.
pub const CARRIER: Carrier = Carrier {
    name: "vagrant",
    summary: "Vagrantfile: boxes, provisioners, plugins",
    recognises: |path, _| {
        let name = repository::file_name(path);
        name == "Vagrantfile"
            || name
                .strip_prefix("Vagrantfile")
                .is_some_and(|rest| rest.starts_with(['.', '-', '_']) && !rest.ends_with(".md"))
    },
    read,
};

/// Lines with code in them. A program that people write has thousands.
const MAX_LINES: usize = 100_000;

/// A box that is put together from several lines.
#[derive(Default)]
struct BoxLines {
    name: Option<Range<usize>>,
    version: Option<Range<usize>>,
    url: Option<Range<usize>>,
    checksum: bool,
    /// A part of it comes from outside.
    computed: bool,
}

fn read(file: &SourceFile, audit: &mut Audit<'_>) {
    let fragment = file.fragment();
    let lines = lines(fragment.text());
    if let Some(last) = lines.get(MAX_LINES.saturating_sub(1)) {
        let reason = format!("more than {MAX_LINES} lines: the rest was not judged");
        audit.gap(reason, Some(fragment.raw_range(last.code.clone()).start));
    }
    let mut reader = Reader {
        fragment: &fragment,
        heredocs: BTreeMap::new(),
        boxes: BTreeMap::new(),
        machine: Environment::default(),
        audit,
    };
    for line in &lines {
        if let (Some(name), Some(body)) = (assigned(&fragment, line), &line.heredoc) {
            reader.heredocs.insert(name, body.clone());
        }
    }
    for line in &lines {
        reader.line(line);
    }
    reader.report_boxes();
}

/// A line of code, and the here-document that it starts.
struct Line {
    code: Range<usize>,
    heredoc: Option<Range<usize>>,
}

/// Lines with comments left out and here-documents taken out.
fn lines(text: &str) -> Vec<Line> {
    let mut found = Vec::new();
    let mut at = 0_usize;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if found.len() == MAX_LINES {
            break;
        }
        let length = rest.find('\n').map_or(rest.len(), |feed| feed.saturating_add(1));
        let line = rest.get(..length).unwrap_or_default();
        let start = at;
        at = at.saturating_add(length);
        let code = line.trim_start();
        if code.is_empty() || code.starts_with('#') {
            continue;
        }
        let heredoc = tag(line).map(|tag| {
            let begin = at;
            let mut end = at;
            while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
                let length = rest.find('\n').map_or(rest.len(), |feed| feed.saturating_add(1));
                let line = rest.get(..length).unwrap_or_default();
                at = at.saturating_add(length);
                if line.trim() == tag {
                    break;
                }
                end = at;
            }
            begin..end
        });
        found.push(Line { code: start..start.saturating_add(length), heredoc });
    }
    found
}

/// The tag of `<<-SHELL`, `<<~'EOF'`.
fn tag(line: &str) -> Option<&str> {
    let (_, behind) = line.split_once("<<")?;
    let behind = behind.trim_start_matches(['-', '~']).trim_start_matches(['"', '\'']);
    let end = behind.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(behind.len());
    behind.get(..end).filter(|tag| tag.starts_with(|c: char| c.is_ascii_uppercase() || c == '_'))
}

/// The variable that a line gives a here-document to.
fn assigned(fragment: &Fragment, line: &Line) -> Option<String> {
    let (name, _) = fragment.get(line.code.clone()).split_once('=')?;
    let name = name.trim();
    let plain = name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '$');
    plain.then(|| name.to_owned())
}

struct Reader<'r, 'a> {
    fragment: &'r Fragment,
    heredocs: BTreeMap<String, Range<usize>>,
    boxes: BTreeMap<String, BoxLines>,
    machine: Environment,
    audit: &'r mut Audit<'a>,
}

impl Reader<'_, '_> {
    fn line(&mut self, line: &Line) {
        let code = self.fragment.get(line.code.clone()).to_owned();
        let trimmed = code.trim_start();
        for key in ["box", "box_version", "box_url", "box_download_checksum"] {
            self.box_line(&code, line, key);
        }
        if trimmed.contains("require_version") {
            for range in self.strings(line).into_iter().take(1) {
                let version = self.fragment.get(range.clone()).to_owned();
                let strength = classify::constraint(&version);
                self.push(Ecosystem::Tool, "vagrant", &version, strength, range);
            }
        }
        if code.contains(".plugins") && code.contains('=') {
            self.plugins(&code, line);
        }
        if code.contains("provision") || code.contains("inline") {
            self.provision(&code, line);
        }
        self.images(&code, line);
    }

    /// `config.vm.box = "…"`, by the machine that it is said of.
    fn box_line(&mut self, code: &str, line: &Line, key: &str) {
        let Some((before, behind)) = code.split_once(&format!(".vm.{key}")) else { return };
        if !behind.trim_start().starts_with('=') {
            return;
        }
        let machine = before.trim().to_owned();
        let value = self.literal(line);
        let own = self.boxes.entry(machine).or_default();
        own.computed |= value.is_none();
        match key {
            "box" if own.name.is_some() => {
                // The same variable in another machine's block: a box of its own.
                let done = std::mem::replace(own, BoxLines { name: value, ..BoxLines::default() });
                self.report_box(&done);
            }
            "box" => own.name = value,
            "box_version" => own.version = value,
            "box_url" => own.url = value,
            _ => own.checksum = value.is_some(),
        }
    }

    fn report_boxes(&mut self) {
        for (_, own) in std::mem::take(&mut self.boxes) {
            self.report_box(&own);
        }
    }

    fn report_box(&mut self, own: &BoxLines) {
        let Some(name) = own.name.clone().or_else(|| own.url.clone()) else { return };
        let subject = self.fragment.get(name.clone()).to_owned();
        if subject.contains("#{") || subject.is_empty() {
            return;
        }
        let (word, at) = match (&own.version, &own.url) {
            (Some(version), _) => (self.fragment.get(version.clone()).to_owned(), version.clone()),
            (None, Some(url)) => (String::new(), url.clone()),
            (None, None) => (String::new(), name),
        };
        let strength = match (&own.version, &own.url) {
            _ if own.checksum => Strength::Content,
            (None, _) if own.computed => Strength::Unknown,
            (Some(_), _) => classify::version(Ecosystem::MachineImage, &word),
            (None, Some(url)) => classify::url(self.fragment.get(url.clone())),
            (None, None) => Strength::None,
        };
        self.push(Ecosystem::MachineImage, &subject, &word, strength, at);
    }

    /// `config.vagrant.plugins = ["x"]`, or `{"x" => {"version" => "1"}}`.
    fn plugins(&mut self, code: &str, line: &Line) {
        let strings = self.strings(line);
        let at = |place: usize| line.code.start.saturating_add(place);
        let mut inner = 0_usize;
        for name in &strings {
            if name.start < inner {
                continue;
            }
            let from = name.end.saturating_sub(line.code.start).saturating_add(1);
            let rest = code.get(from..).unwrap_or_default();
            let options = rest.trim_start().strip_prefix("=>").map(str::trim_start);
            let mut version = None;
            if let Some(options) = options.filter(|options| options.starts_with('{')) {
                let begin = code.len().saturating_sub(options.len());
                let length = options.find('}').unwrap_or(options.len());
                inner = at(begin.saturating_add(length));
                let key = options.get(..length).and_then(|options| options.find("version"));
                let key = key.map(|key| at(begin.saturating_add(key).saturating_add(8)));
                version = key.and_then(|key| {
                    strings.iter().find(|range| range.start > key && range.start < inner)
                });
            }
            let word = version.map(|range| self.fragment.get(range.clone())).unwrap_or_default();
            let (word, strength) = (word.to_owned(), classify::constraint(word));
            let subject = self.fragment.get(name.clone()).to_owned();
            let at = version.unwrap_or(name).clone();
            self.push(Ecosystem::Plugin, &subject, &word, strength, at);
        }
    }

    fn provision(&mut self, code: &str, line: &Line) {
        let Some(at) = code.find("inline") else { return };
        let dialect =
            if code.contains("powershell") { Dialect::PowerShell } else { Dialect::Posix };
        let behind = code.get(at..).unwrap_or_default();
        let offset = line.code.start.saturating_add(at);
        let body = match &line.heredoc {
            Some(body) => Some(body.clone()),
            None => {
                let quoted = self.strings(line).into_iter().find(|range| range.start > offset);
                let name =
                    behind.trim_start_matches("inline").trim_start_matches([':', '=', '>', ' ']);
                let end = name.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '$');
                let name = name.get(..end.unwrap_or(name.len())).unwrap_or_default();
                quoted.or_else(|| self.heredocs.get(name).cloned())
            }
        };
        if let Some(body) = body {
            let text = self.fragment.slice(body);
            let environment = std::mem::take(&mut self.machine);
            let mut stage = Stage { audit: &mut *self.audit, environment };
            stage.run(&text, dialect);
            self.machine = stage.environment;
        }
    }

    /// Images of docker's provisioner and provider.
    fn images(&mut self, code: &str, line: &Line) {
        let strings = self.strings(line);
        let after = |word: &str| {
            let at = code.find(word)?;
            let offset = line.code.start.saturating_add(at);
            strings.iter().find(|range| range.start > offset).cloned()
        };
        let listed: Vec<Range<usize>> =
            if code.contains(".pull_images") || code.contains("images: [") {
                let from = code.find("images").map_or(0, |at| line.code.start.saturating_add(at));
                strings.iter().filter(|range| range.start > from).cloned().collect()
            } else if code.contains("image:") && code.contains(".run ") {
                after("image:").into_iter().collect()
            } else if code.contains(".run \"") && !code.trim_end().ends_with(',') {
                // Docker's provisioner names the container after its image.
                after(".run").into_iter().collect()
            } else if code.contains(".image =") {
                after(".image =").into_iter().collect()
            } else {
                Vec::new()
            };
        for range in listed {
            let word = Expanded::plain(self.fragment.slice(range));
            if !word.text().contains("#{") {
                shell::image(&word, &mut Environment::default(), self.audit);
            }
        }
    }

    /// The first string that is a value, and not the name of one (`ENV["X"] || "value"`).
    fn literal(&self, line: &Line) -> Option<Range<usize>> {
        let code = self.fragment.get(line.code.clone());
        let before = |range: &Range<usize>| {
            let quote = range.start.saturating_sub(line.code.start).saturating_sub(1);
            code.get(..quote).unwrap_or_default().trim_end()
        };
        let names = |range: &Range<usize>| {
            let before = before(range);
            before.ends_with('[') && before.trim_end_matches('[').ends_with(char::is_alphanumeric)
                || ["fetch(", "key?(", "fetch"].iter().any(|call| before.ends_with(call))
        };
        self.strings(line).into_iter().find(|range| !names(range))
    }

    /// What stands between the quotes of a line.
    fn strings(&self, line: &Line) -> Vec<Range<usize>> {
        let code = self.fragment.get(line.code.clone());
        let mut found = Vec::new();
        let mut at = 0_usize;
        while let Some(rest) = code.get(at..) {
            let Some(open) = rest.find(['"', '\'', '#']) else { break };
            let quote = rest.get(open..).and_then(|rest| rest.chars().next()).unwrap_or('#');
            if quote == '#' {
                break;
            }
            let from = at.saturating_add(open).saturating_add(1);
            let Some(length) = code.get(from..).and_then(|rest| rest.find(quote)) else { break };
            let start = line.code.start.saturating_add(from);
            found.push(start..start.saturating_add(length));
            at = from.saturating_add(length).saturating_add(1);
        }
        found
    }

    fn push(
        &mut self,
        ecosystem: Ecosystem,
        subject: &str,
        requested: &str,
        strength: Strength,
        at: Range<usize>,
    ) {
        let place = self.audit.place(self.fragment.raw_range(at));
        self.audit.push(Input::new(ecosystem, subject, strength, place).requesting(requested));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::steps::check_files;

    #[test]
    fn lines_are_bounded() {
        assert_eq!(lines(&"\n \n# a\n".repeat(1000)).len(), 0);
        assert_eq!(lines(&"a\n".repeat(MAX_LINES + 10)).len(), MAX_LINES);
    }

    #[test]
    fn machines() {
        check_files(
            &CARRIER,
            &[(
                "Vagrantfile",
                "$script = <<~'EOF'\n  apt-get install -y curl\nEOF\nVagrant.require_version \">= 2.2\"\nVagrant.configure(\"2\") do |config|\n  config.vagrant.plugins = [\"vagrant-x\", {\"vagrant-y\" => {\"version\" => \"1.0.0\"}}, 'vagrant-z']\n  config.vm.box = \"debian/bookworm64\" # why\n  # config.vm.box = \"old\"\n  config.vm.define \"web\" do |web|\n    web.vm.box = \"ubuntu/jammy64\"\n    web.vm.box_version = \"20240101.0.0\"\n    web.vm.provision \"shell\", inline: <<-SHELL\n      pip install x\n    SHELL\n    web.vm.provision \"shell\", inline: $script\n    web.vm.provision :shell, inline: \"npm ci\"\n    web.vm.provision \"docker\" do |d|\n      d.pull_images \"redis\"\n      d.run \"db\", image: \"postgres:16\"\n      d.run \"mysql:8\"\n    end\n  end\nend\n",
            )],
            &[
                "apt curl none @curl",
                "tool vagrant range @>= 2.2",
                "plugin vagrant-x none @vagrant-x",
                "plugin vagrant-y exact @1.0.0",
                "plugin vagrant-z none @vagrant-z",
                "machine-image debian/bookworm64 none @debian/bookworm64",
                "machine-image ubuntu/jammy64 exact @20240101.0.0",
                "pip x none @x",
                "npm ci content @ci",
                "container-image redis none @redis",
                "container-image postgres floating @postgres:16",
                "container-image mysql floating @mysql:8",
            ],
        );
    }
}
