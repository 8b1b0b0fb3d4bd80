//! Carrier: Dockerfiles and Containerfiles.
//!
//! Every instruction form: stages with the flow of ARG and ENV, `FROM`, `COPY --from`,
//! `RUN --mount=from=`, `# syntax=`, `ADD` of URLs and git repositories, heredocs, the JSON form,
//! `SHELL`, `ONBUILD`. A stage's name, `scratch` and a stage's number are no inputs.

mod arguments;
mod instructions;
mod json;

use super::audit::Audit;
use super::carrier::Carrier;
use super::classify;
use super::environment::{Constant, Environment, MachineFile};
use super::input::{Built, Input, Origin};
use super::jinja::{self, Piece};
use super::platform;
use super::repository::{self, SourceFile};
use super::shell::{self, Context, Dialect, Expanded};
use super::span::{Fragment, FragmentBuilder, UNKNOWN};
use super::strength::{Ecosystem, Strength};
use arguments::{flags, pairs, strip, trimmed};
use instructions::Instruction;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Dockerfiles.
pub const CARRIER: Carrier = Carrier {
    name: "dockerfile",
    summary: "Dockerfile, Containerfile, *.dockerfile, Dockerfile.*",
    recognises,
    read,
};

/// Endings of files that are about Dockerfiles, and none themselves.
const OTHER_ENDINGS: &[&str] = &[
    "c",
    "containerignore",
    "cpp",
    "css",
    "dockerignore",
    "go",
    "h",
    "hs",
    "html",
    "java",
    "js",
    "json",
    "lua",
    "md",
    "nanorc",
    "php",
    "pl",
    "png",
    "ps1",
    "py",
    "rb",
    "rs",
    "rst",
    "scss",
    "sh",
    "snap",
    "svg",
    "swift",
    "test",
    "toml",
    "ts",
    "tsx",
    "vim",
    "xml",
    "yaml",
    "yml",
];

fn recognises(path: &str, _head: &[u8]) -> bool {
    let name = repository::file_name(path).to_ascii_lowercase();
    let ending = repository::extension(&name).unwrap_or_default();
    if OTHER_ENDINGS.contains(&ending) {
        return false;
    }
    ["dockerfile", "containerfile"].iter().any(|own| {
        let behind = name.strip_prefix(own);
        behind.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-', '_']))
            || name.strip_suffix(own).is_some_and(|rest| rest.ends_with(['.', '-', '_']))
    })
}

/// Stages whose state is kept for those that begin with them: people write a few dozen.
const MAX_STAGES: usize = 300;

/// The state of the walk over the instructions.
struct Walk<'w, 'a> {
    audit: &'w mut Audit<'a>,
    /// ARGs before the first FROM.
    globals: Environment,
    /// The stage that is being built.
    stage: Environment,
    /// Finished and running stages by name (lower case) and by number.
    stages: BTreeMap<String, Arc<Environment>>,
    /// How many FROMs there were.
    count: usize,
    name: Option<String>,
    dialect: Dialect,
}

fn read(file: &SourceFile, audit: &mut Audit<'_>) {
    let fragment = file.fragment();
    let fragment = without_statements(&fragment).unwrap_or(fragment);
    audit_text(&fragment, audit);
}

/// A template without its engine's statements and remarks that go over several lines: what stands
/// in them is no instruction. `None` where there are none.
fn without_statements(fragment: &Fragment) -> Option<Fragment> {
    let text = fragment.text();
    let mut builder = FragmentBuilder::default();
    let mut done = 0_usize;
    for piece in jinja::pieces(text) {
        let (Piece::Statement(whole) | Piece::Comment(whole)) = piece else { continue };
        let before = text.get(..whole.start).unwrap_or_default().trim_end_matches([' ', '\t']);
        let begins = whole.start == 0 || before.ends_with(['\n', '}']);
        if begins && fragment.get(whole.clone()).contains('\n') {
            builder.append_range(fragment, done..whole.start);
            builder.replaced(" ", fragment.raw_range(whole.clone()));
            done = whole.end;
        }
    }
    if done == 0 {
        return None;
    }
    builder.append_range(fragment, done..text.len());
    Some(builder.finish())
}

/// Audits a Dockerfile that another file carries; its raw ranges count in [`Audit::file`].
pub(super) fn audit_text(fragment: &Fragment, audit: &mut Audit<'_>) {
    let parsed = instructions::parse(fragment);
    let mut walk = Walk {
        audit,
        globals: Environment::default(),
        stage: Environment::default(),
        stages: BTreeMap::new(),
        count: 0,
        name: None,
        dialect: Dialect::Posix,
    };
    if let Some(syntax) = &parsed.syntax {
        let word = Expanded::plain(syntax.clone());
        shell::image(&word, &mut Environment::default(), walk.audit);
    }
    for instruction in &parsed.instructions {
        walk.instruction(instruction);
    }
}

impl Walk<'_, '_> {
    fn instruction(&mut self, instruction: &Instruction) {
        let body = &instruction.body;
        match instruction.keyword.as_str() {
            "FROM" => self.from(body),
            "ARG" => self.arg(body),
            "ENV" => self.env(body),
            "RUN" => self.run(instruction),
            "CMD" | "ENTRYPOINT" => {
                let (_, rest) = flags(body);
                self.command(&rest, &Fragment::default());
            }
            "COPY" => self.copy(instruction, false),
            "ADD" => self.copy(instruction, true),
            "SHELL" => self.shell(body),
            "WORKDIR" => self.workdir(body),
            "ONBUILD" => self.onbuild(instruction),
            "EXPOSE" | "HEALTHCHECK" | "LABEL" | "MAINTAINER" | "STOPSIGNAL" | "USER"
            | "VOLUME" | "CROSS_BUILD_COPY" => {}
            other => {
                // Lines of a template engine are no damage.
                if !other.starts_with(['{', '%', '<', '@', '$']) {
                    let word: String = other.chars().take(40).collect();
                    let reason =
                        format!("`{word}` is no Dockerfile instruction: the line was skipped");
                    self.audit.gap(reason, Some(instruction.at));
                }
            }
        }
    }

    fn words(&self, body: &Fragment, environment: &Environment) -> Vec<Expanded> {
        shell::expand(body, environment, &self.audit.file().path)
    }

    fn from(&mut self, body: &Fragment) {
        self.remember_stage();
        let (found, rest) = flags(body);
        let platform = found.iter().find_map(|flag| strip(flag, "--platform="));
        let words = self.words(&rest, &self.globals);
        let mut operands = words.iter();
        let Some(image) = operands.next() else { return };
        let name = match (operands.next(), operands.next()) {
            (Some(word), Some(name)) if word.text().eq_ignore_ascii_case("as") => {
                Some(name.text().to_ascii_lowercase())
            }
            _ => None,
        };
        self.dialect = Dialect::Posix;
        let text = image.text().to_owned();
        if let Some(parent) = self.stage_of(&text) {
            self.stage = Environment::clone(parent);
        } else {
            self.stage = Environment::default();
            if text != "scratch" && !text.is_empty() {
                let id = shell::image(image, &mut self.stage, self.audit);
                let held = self.audit.input_mut(id).map(|input| input.strength);
                self.stage.machine.digest_base = held == Some(Strength::Content);
                let platform = platform.map(|platform| platform.text().to_owned());
                self.stage.machine.built = Some(Arc::new(Built { base: text.clone(), platform }));
            }
            let lower = text.to_ascii_lowercase();
            if ["windows/", "nanoserver", "servercore"].iter().any(|word| lower.contains(word)) {
                self.dialect = Dialect::Cmd;
            }
        }
        self.stage.machine.directory = Some("/".to_owned());
        if self.count == MAX_STAGES {
            let reason = format!("more than {MAX_STAGES} stages: what they share was not judged");
            self.audit.gap(reason, Some(body.raw_whole().start));
        }
        self.remember(&name, &Arc::default(), self.count);
        self.count = self.count.saturating_add(1);
        self.name = name;
    }

    /// The stage of this name; with parts that only the build knows (`build-$TARGETARCH`), one that
    /// it may name.
    fn stage_of(&self, name: &str) -> Option<&Arc<Environment>> {
        let name = name.to_ascii_lowercase();
        if let Some(stage) = self.stages.get(&name) {
            return Some(stage);
        }
        let name = name.replace(platform::FACT, &UNKNOWN.to_string());
        let (before, behind) = name.split_once(UNKNOWN)?;
        let behind = behind.rsplit(UNKNOWN).next().unwrap_or_default();
        if name.contains(['/', ':', '@']) {
            return None;
        }
        let fits = |stage: &&String| {
            stage.len() > before.len().saturating_add(behind.len())
                && stage.starts_with(before)
                && stage.ends_with(behind)
                && !stage.bytes().all(|byte| byte.is_ascii_digit())
        };
        self.stages.keys().find(fits).and_then(|stage| self.stages.get(stage))
    }

    fn remember_stage(&mut self) {
        if let Some(number) = self.count.checked_sub(1).filter(|number| *number < MAX_STAGES) {
            let (name, stage) = (self.name.take(), Arc::new(std::mem::take(&mut self.stage)));
            self.remember(&name, &stage, number);
        }
    }

    /// Gives the number and the name of a stage its state.
    fn remember(&mut self, name: &Option<String>, stage: &Arc<Environment>, number: usize) {
        if number < MAX_STAGES {
            let names = std::iter::once(number.to_string()).chain(name.clone());
            self.stages.extend(names.map(|name| (name, Arc::clone(stage))));
        }
    }

    fn arg(&mut self, body: &Fragment) {
        for (name, value) in pairs(body) {
            let environment = if self.count == 0 { &self.globals } else { &self.stage };
            let constant = match value {
                Some(value) => {
                    let word = shell::expand_value(&value, environment, &self.audit.file().path);
                    let place = Some(self.audit.place(word.range.clone()));
                    let origin = Origin { name: format!("ARG {name}"), place, overridable: true };
                    let file = Arc::clone(&self.audit.file().path);
                    Some(Constant { values: vec![word.fragment], file, origin, element: false })
                }
                None => self.globals.get(&name).cloned(),
            };
            let target = if self.count == 0 { &mut self.globals } else { &mut self.stage };
            match constant {
                Some(constant) => target.set(&name, constant),
                None if self.count == 0 => target.unset(&name),
                None => {}
            }
        }
    }

    fn env(&mut self, body: &Fragment) {
        let text = body.text().trim_start();
        let first = text.split_whitespace().next().unwrap_or_default();
        let found = if first.contains('=') {
            pairs(body)
        } else {
            // The old form: ENV NAME the whole rest.
            let lead = body.text().len().saturating_sub(text.len());
            let behind = lead.saturating_add(first.len());
            let rest = body.text().get(behind..).unwrap_or_default();
            let skip = rest.len().saturating_sub(rest.trim_start().len());
            let start = behind.saturating_add(skip);
            let end = start.saturating_add(rest.trim().len());
            vec![(first.to_owned(), Some(body.slice(start..end)))]
        };
        for (name, value) in found {
            let Some(value) = value else { continue };
            let word = shell::expand_value(&value, &self.stage, &self.audit.file().path);
            let overridable = word.origin.as_ref().is_some_and(|origin| origin.overridable);
            let place = Some(self.audit.place(word.range.clone()));
            let origin = Origin { name: format!("ENV {name}"), place, overridable };
            let file = Arc::clone(&self.audit.file().path);
            let values = vec![word.fragment];
            self.stage.set(&name, Constant { values, file, origin, element: false });
        }
    }

    fn run(&mut self, instruction: &Instruction) {
        let (found, rest) = flags(&instruction.body);
        for flag in &found {
            if let Some(mount) = strip(flag, "--mount=") {
                self.mount(&mount);
            }
        }
        let text = rest.text().trim();
        let only = !instruction.heredocs.is_empty()
            && text.split_whitespace().all(|word| word.starts_with("<<"));
        if only {
            for heredoc in &instruction.heredocs {
                let script = heredoc.body.text().trim_start();
                let shebang =
                    script.starts_with("#!").then(|| script.lines().next().unwrap_or_default());
                if shebang.is_none_or(|line| line.contains("sh")) {
                    self.command(&heredoc.body, &Fragment::default());
                }
            }
            return;
        }
        let mut builder = FragmentBuilder::default();
        for heredoc in &instruction.heredocs {
            let start = heredoc.whole.raw_whole().start;
            if builder.text().is_empty() {
                builder.replaced("\n", start..start);
            }
            builder.append(&heredoc.whole);
        }
        self.command(&rest, &builder.finish());
    }

    /// A command in shell or JSON form; what it sets does not outlive it.
    fn command(&mut self, body: &Fragment, heredocs: &Fragment) {
        if let Some(words) = json::strings(body) {
            let before = self.stage.constants_only();
            shell::audit_words(&words, &mut self.stage, self.audit);
            self.stage.restore_constants(&before);
            return;
        }
        let mut builder = FragmentBuilder::default();
        builder.append(body);
        builder.append(heredocs);
        let before = self.stage.constants_only();
        let directory = self.stage.machine.directory.clone();
        let context = Context { dialect: self.dialect };
        shell::audit(&builder.finish(), &mut self.stage, self.audit, context);
        self.stage.machine.directory = directory;
        self.stage.restore_constants(&before);
        self.stage.functions.clear();
    }

    /// `type=bind,from=image,source=x,target=/y`.
    fn mount(&mut self, mount: &Fragment) {
        let mut values: BTreeMap<String, Fragment> = BTreeMap::new();
        let mut at = 0_usize;
        for part in mount.text().split(',') {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let end = at.saturating_add(part.len());
            values.insert(name.to_owned(), mount.slice(end.saturating_sub(value.len())..end));
            at = end.saturating_add(1);
        }
        match values.get("from") {
            Some(from) => {
                let from = from.clone();
                self.source_image(&from);
            }
            None => {
                let source = values.get("source").or(values.get("src"));
                let target =
                    values.get("target").or(values.get("dst")).or(values.get("destination"));
                if let (Some(source), Some(target)) = (source, target) {
                    let (source, target) = (source.text().to_owned(), target.text().to_owned());
                    self.copied(&source, &target);
                }
            }
        }
    }

    /// `--from`: another stage by name or number, a build context, or an image.
    fn source_image(&mut self, value: &Fragment) {
        let word = shell::expand_value(value, &self.globals, &self.audit.file().path);
        let text = word.text().to_ascii_lowercase();
        let number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if number || text.is_empty() || text == "scratch" || self.stage_of(&text).is_some() {
            return;
        }
        shell::image(&word, &mut self.stage, self.audit);
    }

    fn copy(&mut self, instruction: &Instruction, add: bool) {
        let (found, rest) = flags(&instruction.body);
        let mut checksum = None;
        let mut from = false;
        for flag in &found {
            if let Some(value) = strip(flag, "--from=") {
                from = true;
                self.source_image(&value);
            } else if let Some(value) = strip(flag, "--checksum=") {
                checksum = Some(shell::expand_value(&value, &self.stage, &self.audit.file().path));
            }
        }
        let words: Vec<Expanded> = match json::strings(&rest) {
            Some(words) => words.into_iter().map(Expanded::plain).collect(),
            None => self.words(&rest, &self.stage),
        };
        let Some((target, sources)) = words.split_last() else { return };
        let target = target.text().to_owned();
        if let [heredoc] = instruction.heredocs.as_slice() {
            let entry = MachineFile::Text(
                Arc::new(heredoc.body.clone()),
                Arc::clone(&self.audit.file().path),
            );
            self.stage.machine.files.insert(self.absolute(&target), entry);
            return;
        }
        for source in sources {
            let text = source.text().to_owned();
            if add && (text.contains("://") || text.starts_with("git@")) {
                self.add_url(source, checksum.as_ref(), &target);
            } else if !from {
                self.copied(&text, &target);
            }
        }
    }

    fn add_url(&mut self, word: &Expanded, checksum: Option<&Expanded>, target: &str) {
        let text = word.text();
        let (address, fragment) = text.split_once('#').unwrap_or((text, ""));
        let git =
            text.starts_with("git@") || address.ends_with(".git") || text.starts_with("git://");
        let place = self.audit.place(word.range.clone());
        let mut input = if git {
            let reference = fragment.split(':').next().unwrap_or_default();
            let strength = classify::git_ref(reference);
            Input::new(Ecosystem::Git, address, strength, place).requesting(reference)
        } else {
            Input::new(Ecosystem::Download, text, classify::url(text), place)
        };
        input.subject = input.subject.replace(UNKNOWN, "…");
        input.origin.clone_from(&word.origin);
        if let Some(checksum) = checksum {
            input.strength = if classify::is_unknown(checksum.text()) {
                Strength::Unknown
            } else {
                Strength::Content
            };
            checksum.text().clone_into(&mut input.requested);
        }
        let id = self.audit.push(input);
        if checksum.is_none() && !git {
            let last = repository::file_name(address);
            let path =
                if target.ends_with('/') { format!("{target}{last}") } else { target.to_owned() };
            let path = self.absolute(&path);
            self.stage.machine.files.insert(path, MachineFile::Downloaded(id));
        }
    }

    /// Remembers which file of the repository lies where in the machine.
    fn copied(&mut self, source: &str, target: &str) {
        if source.contains(['*', '?', '[']) {
            return;
        }
        let own = self.audit.file().path.to_string();
        let repository = self.audit.repository();
        let relative = source.trim_start_matches('/');
        let beside = repository::resolve(&own, relative);
        let at_root = repository::resolve("", relative);
        let file = [beside.clone(), at_root].into_iter().flatten().find(|p| repository.exists(p));
        let destination = self.absolute(target);
        match file {
            Some(path) => {
                let into = target.ends_with('/') || target == "." || target.ends_with("/.");
                let name = repository::file_name(&path);
                let destination = if into {
                    format!(
                        "{}/{name}",
                        destination.trim_end_matches(['/', '.']).trim_end_matches('/')
                    )
                } else {
                    destination
                };
                self.stage.machine.files.insert(destination, MachineFile::Repository(path));
            }
            None => {
                // A directory: what is below it is found by its prefix.
                if let Some(directory) = beside {
                    let key = format!(
                        "{}/",
                        destination.trim_end_matches(['/', '.']).trim_end_matches('/')
                    );
                    let directory = format!("{directory}/").trim_start_matches('/').to_owned();
                    self.stage.machine.files.insert(key, MachineFile::Repository(directory));
                }
            }
        }
    }

    /// A path in the machine, from the working directory.
    fn absolute(&self, path: &str) -> String {
        let bare = path.trim_start_matches("./");
        if path.starts_with('/') {
            return path.to_owned();
        }
        let directory = self.stage.machine.directory.as_deref().unwrap_or("/");
        format!("{}/{bare}", directory.trim_end_matches('/'))
    }

    fn shell(&mut self, body: &Fragment) {
        let words = json::strings(body).unwrap_or_default();
        let program =
            words.first().map(|word| word.text().to_ascii_lowercase()).unwrap_or_default();
        self.dialect = if program.contains("powershell") || program.contains("pwsh") {
            Dialect::PowerShell
        } else if program.contains("cmd") {
            Dialect::Cmd
        } else {
            Dialect::Posix
        };
    }

    fn workdir(&mut self, body: &Fragment) {
        let word = shell::expand_value(&trimmed(body), &self.stage, &self.audit.file().path);
        self.stage.machine.directory = Some(self.absolute(word.text()));
    }

    fn onbuild(&mut self, instruction: &Instruction) {
        let body = trimmed(&instruction.body);
        let keyword: String = body.text().chars().take_while(|c| !c.is_whitespace()).collect();
        let inner = Instruction {
            keyword: keyword.to_ascii_uppercase(),
            at: instruction.at,
            body: body.slice(keyword.len()..body.text().len()),
            heredocs: instruction.heredocs.clone(),
        };
        if !["ONBUILD", "FROM", "MAINTAINER"].contains(&inner.keyword.as_str()) {
            self.instruction(&inner);
        }
    }
}
