//! The word in the raw file, and how it is written with a version in its manager's own syntax.
//!
//! Nothing is edited that does not stand there as it was read: the raw bytes are taken apart once
//! more and must say what the input says. So what a base64 layer or a variable made up is refused,
//! and an edit never lands in the wrong place.

use super::known::Pin;
use crate::pins::image::ImageRef;
use crate::pins::input::{Input, Place};
use crate::pins::repository::{extension, file_name};
use crate::pins::strength::Ecosystem;

/// Raw bytes to be replaced, and by what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Replacement {
    /// The first.
    pub start_byte: usize,
    /// Past the last.
    pub end_byte: usize,
    /// What stands there then.
    pub text: String,
}

/// Bytes with replacements made; of overlapping ones the first counts.
#[must_use]
pub fn apply(bytes: &[u8], mut edits: Vec<Replacement>) -> Vec<u8> {
    edits.sort();
    edits.dedup();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0_usize;
    for edit in edits {
        let Some(between) = bytes.get(at..edit.start_byte) else { continue };
        out.extend_from_slice(between);
        out.extend_from_slice(edit.text.as_bytes());
        at = edit.end_byte.max(edit.start_byte);
    }
    out.extend_from_slice(bytes.get(at..).unwrap_or_default());
    out
}

/// A word of the raw file, its quotes left out.
#[derive(Clone, Copy)]
struct Raw<'a> {
    bytes: &'a [u8],
    start: usize,
    text: &'a str,
}

impl<'a> Raw<'a> {
    fn at(bytes: &'a [u8], place: &Place) -> Option<Self> {
        let text = std::str::from_utf8(bytes.get(place.range())?).ok()?;
        let lead = text.len().saturating_sub(text.trim_start().len());
        let start = place.start_byte.saturating_add(lead);
        Some(Self { bytes, start, text: text.trim() }.unquoted())
    }

    fn unquoted(self) -> Self {
        for quote in ['"', '\''] {
            let inside = self.text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
            if let Some(text) = inside {
                return Self { start: self.start.saturating_add(1), text, ..self };
            }
        }
        self
    }

    /// The value of an assignment: `NAME="value"`.
    fn value(self) -> Self {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        match self.text.split_once('=') {
            Some((name, text)) if !name.is_empty() && name.chars().all(is_name) => {
                let skip = name.len().saturating_add(1);
                Self { start: self.start.saturating_add(skip), text, ..self }.unquoted()
            }
            _ => self,
        }
    }

    fn end(&self) -> usize {
        self.start.saturating_add(self.text.len())
    }

    /// A replacement of a part of the word.
    fn replace(&self, from: usize, to: usize, text: &str) -> Replacement {
        Replacement {
            start_byte: self.start.saturating_add(from),
            end_byte: self.start.saturating_add(to),
            text: text.to_owned(),
        }
    }
}

const NOT_VERBATIM: &str =
    "the word does not stand in the file as it is read (encoded, escaped, or made of variables)";

/// The ways to write a pin, the best first.
///
/// # Errors
/// The sentence that says why it cannot be written here.
pub fn ways(input: &Input, pin: &Pin, bytes: &[u8]) -> Result<Vec<Vec<Replacement>>, String> {
    match pin {
        Pin::Digest(digest) if input.ecosystem == Ecosystem::Image => {
            image(input, digest, bytes).map(|edit| vec![vec![edit]])
        }
        Pin::Digest(digest) => checksum(input, digest, bytes).map(|edit| vec![vec![edit]]),
        Pin::Commit { sha, label } => {
            reference(input, sha, label.as_deref(), bytes).map(|edits| vec![edits])
        }
        Pin::Version(version) | Pin::Word(version) => {
            if !is_plain(version) {
                return Err(format!(
                    "`{}` is no version to be written into a file",
                    shown(version)
                ));
            }
            let ways = self::version(input, version, bytes)?;
            Ok(ways.into_iter().map(|edit| vec![quoted(input, edit, bytes)]).collect())
        }
    }
}

/// Whether a version holds only characters that neither a shell nor YAML, JSON or HCL reads
/// otherwise in the middle of a word. Manifests are data from outside.
fn is_plain(version: &str) -> bool {
    version.len() <= 256
        && version.starts_with(|c: char| c.is_ascii_alphanumeric())
        && version.bytes().all(|b| b.is_ascii_alphanumeric() || b".+~:^_-/!".contains(&b))
}

fn shown(text: &str) -> String {
    text.chars().take(60).filter(|c| !c.is_control()).collect()
}

/// Where an input's words may stand: at its place, and where the variable that it is made of was
/// given its value.
fn places<'a>(input: &'a Input, bytes: &'a [u8]) -> impl Iterator<Item = Raw<'a>> {
    let origin = input.origin.as_ref().and_then(|origin| origin.place.as_ref());
    let origin = origin.filter(|place| place.file == input.place.file);
    let own = std::iter::once(Raw::at(bytes, &input.place));
    own.chain(origin.map(|place| Raw::at(bytes, place).map(Raw::value))).flatten()
}

/// `name[:tag]` becomes `name[:tag]@digest`.
fn image(input: &Input, digest: &str, bytes: &[u8]) -> Result<Replacement, String> {
    for raw in places(input, bytes) {
        let reference = ImageRef::parse(raw.text);
        if reference.name != input.subject || reference.requested() != input.requested {
            continue;
        }
        let end = raw.text.find('@').unwrap_or(raw.text.len());
        return Ok(raw.replace(end, raw.text.len(), &format!("@{digest}")));
    }
    let named = places(input, bytes).any(|raw| raw.text == input.subject);
    Err(if named { "name and tag stand apart from each other" } else { NOT_VERBATIM }.to_owned())
}

/// `ADD URL` becomes `ADD --checksum=digest URL`; other carriers have no word for it.
fn checksum(input: &Input, digest: &str, bytes: &[u8]) -> Result<Replacement, String> {
    let raw = Raw::at(bytes, &input.place).filter(|raw| raw.text == input.subject);
    let raw = raw.ok_or(NOT_VERBATIM)?;
    let line = line_before(bytes, raw.start).trim_ascii();
    let is_add = input.carrier == "dockerfile"
        && line.get(..3).is_some_and(|word| word.eq_ignore_ascii_case(b"ADD"))
        && !line.contains(&b'[')
        && line.get(3..).is_some_and(|rest| {
            rest.split(u8::is_ascii_whitespace).all(|w| w.is_empty() || w.starts_with(b"--"))
        });
    if !is_add {
        return Err(format!("no word here takes a checksum: check the bytes against {digest}"));
    }
    Ok(raw.replace(0, 0, &format!("--checksum={digest} ")))
}

fn line_before(bytes: &[u8], at: usize) -> &[u8] {
    let before = bytes.get(..at).unwrap_or_default();
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at.saturating_add(1));
    before.get(start..).unwrap_or_default()
}

fn line_behind(bytes: &[u8], at: usize) -> &[u8] {
    let behind = bytes.get(at..).unwrap_or_default();
    let end = behind.iter().position(|byte| *byte == b'\n').unwrap_or(behind.len());
    let line = behind.get(..end).unwrap_or_default();
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// A ref becomes a commit, with the ref in the comment beside it.
fn reference(
    input: &Input,
    sha: &str,
    label: Option<&str>,
    bytes: &[u8],
) -> Result<Vec<Replacement>, String> {
    let requested = input.requested.as_str();
    let form = input.form.as_ref().filter(|form| form.template == "{version}");
    if let Some(form) = form.filter(|_| RESOURCES.contains(&input.carrier))
        && let Some(text) = bytes.get(form.start_byte..form.end_byte)
        && let Ok(text) = std::str::from_utf8(text)
    {
        let raw = Raw { bytes, start: form.start_byte, text };
        let mut edits = vec![raw.replace(0, text.len(), sha)];
        let label = label.unwrap_or(requested);
        edits.extend(comment(input, &raw, label).filter(|_| is_plain(label)));
        return Ok(edits);
    }
    if input.ecosystem == Ecosystem::Git && form.is_some() {
        let raw = Raw::at(bytes, &input.place);
        if raw.is_none_or(|raw| !requested.is_empty() && !raw.text.contains(requested)) {
            return Err("git clone takes no commit: check it out after the clone".to_owned());
        }
    }
    for raw in places(input, bytes) {
        let Some((from, to, text)) = ref_part(raw.text, input, sha) else { continue };
        let mut edits = vec![raw.replace(from, to, &text)];
        let label = label.unwrap_or(requested);
        if !label.is_empty() && is_plain(label) {
            edits.extend(comment(input, &raw, label));
        }
        return Ok(edits);
    }
    Err(NOT_VERBATIM.to_owned())
}

/// Which part of a word is the ref, and what takes its place.
fn ref_part(text: &str, input: &Input, sha: &str) -> Option<(usize, usize, String)> {
    let requested = input.requested.as_str();
    if requested.is_empty() {
        let subject = input.subject.as_str();
        let end = text.find('#').unwrap_or(text.len());
        let git = text.contains("git::") || text.contains("?") || text.contains(".git//");
        return if git && input.ecosystem == Ecosystem::TerraformModule {
            let mark = if text.contains('?') { '&' } else { '?' };
            Some((text.len(), text.len(), format!("{mark}ref={sha}")))
        } else if text == subject && input.ecosystem == Ecosystem::Action {
            Some((text.len(), text.len(), format!("@{sha}")))
        } else if text.starts_with("git+") && input.ecosystem == Ecosystem::Git {
            Some((end, end, format!("@{sha}")))
        } else {
            None
        };
    }
    if text == requested {
        return Some((0, text.len(), sha.to_owned()));
    }
    ["?ref=", "&ref=", "@", "#", ","].iter().find_map(|separator| {
        let whole = format!("{separator}{requested}");
        let at = text.rfind(&whole)?;
        let from = at.saturating_add(separator.len());
        let to = from.saturating_add(requested.len());
        let behind = text.get(to..)?;
        let ends = behind.is_empty() || behind.starts_with(['&', '#', '?', ' ', ';', '"', '\'']);
        ends.then(|| (from, to, sha.to_owned()))
    })
}

/// The comment behind a word: one that names a version is brought up to date, any other stays
/// behind the new one. Only where the format has comments to the end of the line and nothing else
/// follows.
fn comment(input: &Input, raw: &Raw<'_>, label: &str) -> Option<Replacement> {
    let file = &*input.place.file;
    let yaml = is_yaml(file);
    let hcl = extension(file).is_some_and(|own| ["tf", "hcl", "tofu"].contains(&own));
    if !yaml && !hcl {
        return None;
    }
    let mut end = raw.end();
    if raw.bytes.get(end).is_some_and(|byte| b"\"'".contains(byte)) {
        end = end.saturating_add(1);
    }
    let rest = std::str::from_utf8(line_behind(raw.bytes, end)).ok()?;
    let frozen = file_name(file).starts_with(".pre-commit-config");
    let fresh = if frozen { format!("  # frozen: {label}") } else { format!(" # {label}") };
    let insert = Replacement { start_byte: end, end_byte: end, text: fresh };
    if rest.trim().is_empty() {
        return Some(insert);
    }
    let body = rest.trim_start().strip_prefix('#')?;
    if rest.starts_with('#') {
        return None;
    }
    let at = rest.len().saturating_sub(body.len());
    let token = body.trim_start();
    let token_at = at.saturating_add(body.len().saturating_sub(token.len()));
    let token = token.split_whitespace().next().unwrap_or_default();
    let prefix =
        ["tag=", "pin@", "ref=", "branch="].iter().find(|prefix| token.starts_with(**prefix));
    let skip = prefix.map_or(0, |prefix| prefix.len());
    let (skip, token) = match token {
        "frozen:" | "ref:" | "version:" | "tag:" => {
            let behind = body.split_once(token).map_or("", |(_, behind)| behind);
            let version = behind.split_whitespace().next().unwrap_or_default();
            let lead = behind.len().saturating_sub(behind.trim_start().len());
            (token.len().saturating_add(lead), version)
        }
        token => (skip, token.get(skip..).unwrap_or_default()),
    };
    let start = end.saturating_add(token_at).saturating_add(skip);
    let is_version = token == input.requested || token == label || {
        let bare = token.trim_start_matches('v');
        bare.starts_with(|c: char| c.is_ascii_digit())
            && bare.chars().all(|c| c.is_ascii_alphanumeric() || ".-+_".contains(c))
    };
    if is_version {
        let end_byte = start.saturating_add(token.len());
        return Some(Replacement { start_byte: start, end_byte, text: label.to_owned() });
    }
    Some(insert)
}

fn is_yaml(file: &str) -> bool {
    extension(file).is_some_and(|own| ["yml", "yaml"].contains(&own))
}

/// What stands between a name and its version on a command line.
fn separator(ecosystem: Ecosystem) -> Option<&'static str> {
    Some(match ecosystem {
        Ecosystem::Apt | Ecosystem::Zypper | Ecosystem::Apk | Ecosystem::Conda => "=",
        Ecosystem::Dnf => "-",
        Ecosystem::Pip => "==",
        Ecosystem::Npm | Ecosystem::Go | Ecosystem::Cargo => "@",
        Ecosystem::Gem | Ecosystem::Composer => ":",
        _ => return None,
    })
}

/// A package and a version in the manager's syntax.
pub(super) fn plain(input: &Input, version: &str) -> String {
    format!("{}{}{version}", input.subject, separator(input.ecosystem).unwrap_or(" "))
}

/// A package's word with its version; several ways where a manifest may want an operator.
fn version(input: &Input, version: &str, bytes: &[u8]) -> Result<Vec<Replacement>, String> {
    let go = input.ecosystem == Ecosystem::Go && version.starts_with(|c: char| c.is_ascii_digit());
    let version = if go { format!("v{version}") } else { version.to_owned() };
    if let Some(reason) = has_no_word(input) {
        return Err(reason.to_owned());
    }
    if let Some(form) = &input.form
        && form.template.contains("{version}")
    {
        let text = form.template.replace("{version}", &version);
        let (start_byte, end_byte) = (form.start_byte, form.end_byte);
        return Ok(vec![Replacement { start_byte, end_byte, text }]);
    }
    let (subject, requested) = (input.subject.as_str(), input.requested.as_str());
    for raw in places(input, bytes) {
        let text = raw.text;
        if text == requested && !requested.is_empty() {
            let whole = |text: &str| raw.replace(0, raw.text.len(), text);
            return Ok(vec![
                whole(&version),
                whole(&format!("={version}")),
                whole(&format!("=={version}")),
            ]);
        }
        let Some(separator) = separator(input.ecosystem) else { continue };
        let Some(rest) = text.strip_prefix(subject) else { continue };
        if !is_used_once(input, &raw) {
            return Err("the variable that it stands in is used elsewhere too".to_owned());
        }
        if rest.is_empty() {
            return Ok(vec![raw.replace(text.len(), text.len(), &format!("{separator}{version}"))]);
        }
        // Extras of a Python package stay; an operator and what it compares with go.
        let extras =
            rest.find(']').filter(|_| rest.starts_with('[')).map_or(0, |at| at.saturating_add(1));
        let behind = rest.get(extras..).unwrap_or_default();
        let from = subject.len().saturating_add(extras);
        if behind.trim().is_empty() {
            return Ok(vec![raw.replace(from, text.len(), &format!("{separator}{version}"))]);
        }
        if requested.is_empty()
            || !behind.trim_start().starts_with(['=', '<', '>', '~', '!', '@', ':', '^', '(', '-'])
        {
            continue;
        }
        if let Some(at) = behind.find(requested) {
            let end = at.saturating_add(requested.len());
            let Some(end) = closed(behind, end, raw.bytes.get(raw.end())) else { continue };
            let to = from.saturating_add(end);
            return Ok(vec![raw.replace(from, to, &format!("{separator}{version}"))]);
        }
    }
    Err(NOT_VERBATIM.to_owned())
}

/// Where a part that ends at `end` ends with the quote that it opened (`='1.*'`), if it can be
/// closed at all; `next` is the byte behind the text.
fn closed(text: &str, end: usize, next: Option<&u8>) -> Option<usize> {
    let part = text.get(..end)?;
    let odd = |quote: char| part.matches(quote).count() % 2 == 1;
    let Some(quote) = ['\'', '"'].into_iter().find(|quote| odd(*quote)) else { return Some(end) };
    let behind = text.as_bytes().get(end).or(next).copied();
    (behind.map(char::from) == Some(quote)).then(|| end.saturating_add(1))
}

/// Resources of configuration management: where their carrier names no form, the version does not
/// belong into the name.
const RESOURCES: &[&str] = &["ansible", "chef", "puppet", "salt"];

/// Why the word itself cannot take a version where it stands.
fn has_no_word(input: &Input) -> Option<&'static str> {
    let in_name = input.carrier == "ansible"
        && matches!(
            input.ecosystem,
            Ecosystem::Apt | Ecosystem::Dnf | Ecosystem::Zypper | Ecosystem::Apk | Ecosystem::Pip
        );
    let resource = RESOURCES.contains(&input.carrier) && input.form.is_none();
    (resource && !in_name).then_some("the version is an argument of its own, which is not there")
}

/// Whether a word that a variable brought along is used in one place only.
fn is_used_once(input: &Input, raw: &Raw<'_>) -> bool {
    let Some(origin) = &input.origin else { return true };
    let name = origin.name.rsplit([' ', '$']).next().filter(|name| !name.is_empty());
    let Some(name) = name else { return true };
    let text = String::from_utf8_lossy(raw.bytes);
    let uses = text.match_indices(name).filter(|(at, _)| {
        let before = text.get(..*at).unwrap_or_default();
        let behind = text.get(at.saturating_add(name.len())..).unwrap_or_default();
        (before.ends_with('$') || before.ends_with("${"))
            && !behind.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
    });
    uses.count() <= 1
}

/// A whole plain scalar of YAML that would be read as a number is put into quotes.
fn quoted(input: &Input, edit: Replacement, bytes: &[u8]) -> Replacement {
    let numeric = edit.text.bytes().all(|b| b.is_ascii_digit() || b"._+-eE:".contains(&b))
        && edit.text.matches('.').count() < 2;
    if !numeric || !(is_yaml(&input.place.file) || bytes.starts_with(b"#cloud-config")) {
        return edit;
    }
    let before = line_before(bytes, edit.start_byte).trim_ascii_end();
    let spaced = line_before(bytes, edit.start_byte).len() > before.len();
    let behind = line_behind(bytes, edit.end_byte).trim_ascii_start();
    let whole = before.last().is_some_and(|byte| b":-[,".contains(byte))
        && (spaced || before.last() == Some(&b'['))
        && behind.first().is_none_or(|byte| b",]}#".contains(byte));
    if whole { Replacement { text: format!("\"{}\"", edit.text), ..edit } } else { edit }
}
