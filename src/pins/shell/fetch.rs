//! Downloads, and what is done to them before anybody uses them: curl, wget, checksums, signatures.

use super::call::{Feed, Output};
use super::interpret::Interpreter;
use super::options::{Arguments, Dashes};
use super::package::{Package, is_local};
use super::words::Word;
use crate::pins::audit::InputId;
use crate::pins::classify;
use crate::pins::environment::MachineFile;
use crate::pins::input::Credit;
use crate::pins::repository::{extension, file_name};
use crate::pins::span::{Fragment, UNKNOWN};
use crate::pins::strength::{Ecosystem, Strength};
use std::sync::Arc;

const CURL_VALUED: &[&str] = &[
    "-o",
    "--output",
    "-H",
    "--header",
    "-d",
    "--data",
    "--data-raw",
    "--data-binary",
    "--data-urlencode",
    "-X",
    "--request",
    "-u",
    "--user",
    "-A",
    "--user-agent",
    "-e",
    "--referer",
    "-x",
    "--proxy",
    "-m",
    "--max-time",
    "--connect-timeout",
    "--retry",
    "--retry-delay",
    "--retry-max-time",
    "-b",
    "--cookie",
    "-c",
    "--cookie-jar",
    "-E",
    "--cert",
    "--key",
    "--cacert",
    "--capath",
    "-w",
    "--write-out",
    "-F",
    "--form",
    "-T",
    "--upload-file",
    "-K",
    "--config",
    "--url",
    "--output-dir",
    "-r",
    "--range",
    "-y",
    "-Y",
    "--limit-rate",
    "-z",
    "--resolve",
    "--interface",
    "--ciphers",
    "--proto",
    "--proto-default",
    "--proto-redir",
    "--tls-max",
    "--unix-socket",
    "--create-file-mode",
    "--netrc-file",
    "-D",
    "--dump-header",
    "--speed-limit",
    "--speed-time",
    "--keepalive-time",
    "--max-redirs",
    "--json",
    "-C",
    "--continue-at",
    "--aws-sigv4",
    "-U",
    "--proxy-user",
    "--noproxy",
    "--stderr",
    "--max-filesize",
    "--oauth2-bearer",
    "--socks5",
    "--socks5-hostname",
];

const WGET_VALUED: &[&str] = &[
    "-O",
    "--output-document",
    "-P",
    "--directory-prefix",
    "-o",
    "--output-file",
    "-a",
    "-e",
    "-t",
    "--tries",
    "-T",
    "--timeout",
    "-U",
    "--user-agent",
    "--header",
    "-i",
    "--input-file",
    "-Q",
    "-w",
    "--wait",
    "--post-data",
    "--post-file",
    "--user",
    "--password",
    "-l",
    "--level",
    "-A",
    "-R",
    "-D",
    "-B",
    "--base",
    "--ca-certificate",
    "--certificate",
    "--private-key",
    "--waitretry",
    "--dns-timeout",
    "--connect-timeout",
    "--read-timeout",
    "--limit-rate",
    "--referer",
    "--retry-on-http-error",
    "--method",
    "--body-data",
    "--progress",
    "-X",
    "-I",
    "--cut-dirs",
    "--load-cookies",
    "--save-cookies",
    "-d",
    "--dir",
    "--out",
    "-s",
    "-x",
];

/// The prefix of the machine's entries that remember whose checksum a variable has: no path begins
/// with it.
const SUM: &str = "\0sum\0";

/// The prefix of the machine's entries that remember what commands gave a variable its value.
const COMMANDS: &str = "\0commands\0";

/// How a credit by signature is worded, so that a list of checksums is known to be signed.
const SIGNED: &str = "verified by";

/// Names of files that only verify others.
const PROOFS: &[&str] = &[
    ".asc",
    ".sig",
    ".sha256",
    ".sha512",
    ".sha256sum",
    ".sha512sum",
    ".md5",
    ".sha1",
    ".minisig",
    ".sigstore",
    ".intoto.jsonl",
    "sha256sums",
    "sha512sums",
    "sha256sums.txt",
    "checksums.txt",
    "sha256sum.txt",
    "sha512sums.txt",
];

/// curl, wget, aria2c, axel.
pub(super) fn call(
    shell: &mut Interpreter<'_, '_>,
    name: &str,
    words: &[Word],
    output: &Output,
) -> Feed {
    let curl = name == "curl";
    let valued = if curl { CURL_VALUED } else { WGET_VALUED };
    let arguments = Arguments::parse(words.get(1..).unwrap_or_default(), valued, Dashes::Clusters);
    let asks_only = if curl {
        arguments.has(&["-I", "--head", "-T", "--upload-file", "-V", "--version", "-h", "--help"])
            || arguments.has(&[
                "-d",
                "--data",
                "--data-raw",
                "--data-binary",
                "--json",
                "-F",
                "--form",
            ])
    } else {
        arguments.has(&["--spider", "--version", "-V", "--help", "-h"])
    };
    if asks_only {
        return Feed::Unknown;
    }
    let out_names: &[&str] =
        if curl { &["-o", "--output"] } else { &["-O", "--output-document", "--out"] };
    // Where the grammar lost the value, it was a `-` before a redirect.
    let mut targets = arguments
        .options
        .iter()
        .filter(|(name, _)| out_names.contains(&name.as_str()))
        .map(|(_, value)| value.as_ref().map_or("-", |word| word.text()).to_owned());
    let remote_name = curl && arguments.has(&["-O", "--remote-name", "-J", "--remote-name-all"]);
    let mut feed = Feed::Unknown;
    let urls: Vec<Word> =
        arguments.values(&["--url"]).cloned().chain(arguments.operands.iter().cloned()).collect();
    for url in &urls {
        let last = file_name(url.text().split(['?', '#']).next().unwrap_or_default()).to_owned();
        let target = targets.next();
        let destination = match target.as_deref() {
            Some("-" | "/dev/stdout") => output.clone(),
            Some("/dev/null") => Output::Terminal,
            Some(file) => Output::Saved(file.to_owned()),
            None if remote_name || !curl => Output::Saved(last),
            None if matches!(output, Output::Saved(file) if file == "/dev/null") => {
                Output::Terminal
            }
            None => output.clone(),
        };
        if let Some(id) = download(shell, url, &destination) {
            feed = Feed::Download(id);
        }
    }
    feed
}

/// `download_with_retry URL [FILE] [DIGEST]`: a function of another file, by its name.
pub(super) fn helper(shell: &mut Interpreter<'_, '_>, words: &[Word]) {
    let Some(url) = words.iter().skip(1).find(|word| word.text().contains("://")) else { return };
    let last = file_name(url.text().split(['?', '#']).next().unwrap_or_default()).to_owned();
    let Some(id) = download(shell, url, &Output::Saved(last)) else { return };
    if words.iter().any(|word| has_digest(word.text()) && word.text() != url.text())
        && let Some(input) = shell.audit.input_mut(id)
    {
        let why = "the digest is handed to what downloads it".to_owned();
        input.credit = Some(Credit { strength: Strength::Content, why });
    }
}

/// One download, if it is one: a request whose answer nobody keeps is none.
pub(super) fn download(
    shell: &mut Interpreter<'_, '_>,
    url: &Word,
    destination: &Output,
) -> Option<InputId> {
    let text = url.text().to_owned();
    let nowhere = matches!(destination, Output::Terminal | Output::Captured);
    if nowhere || text.is_empty() || is_inside(&text) || is_local(&text) {
        return None;
    }
    let mut package = Package::new(Ecosystem::Download, url, &text, "");
    package.strength = classify::url(&text);
    if super::words::is_looked_up(url) {
        package.strength = Strength::None;
    }
    let lower = text.to_ascii_lowercase();
    let path = lower.split(['?', '#']).next().unwrap_or_default();
    // A key that is imported is what everything after it is trusted by; `x.tgz.asc` is a signature.
    let stem = file_name(path.strip_suffix(".asc").unwrap_or_default());
    let signed = extension(stem).is_some_and(|own| {
        own.starts_with(|c: char| c.is_ascii_alphabetic()) && !["gpg", "key"].contains(&own)
    });
    let key = path.ends_with(".asc")
        && !signed
        && match destination {
            Output::Saved(file) => ["keyring", "trusted.gpg"].iter().any(|d| file.contains(d)),
            _ => true,
        };
    if !key && PROOFS.iter().any(|suffix| path.ends_with(suffix)) {
        package = package.credited(
            Strength::Content,
            "only verifies another download, which is judged by itself",
        );
    }
    if let Output::Executed(program) = destination
        && package.strength != Strength::Content
    {
        let versioned = package.strength == Strength::Exact;
        package.strength = Strength::None;
        package.note = Some(if versioned {
            format!(
                "piped into {program} unchecked; what the script fetches is not pinned by its URL"
            )
        } else {
            format!("piped into {program} before anyone could check it")
        });
    }
    let id = shell.package(package);
    if let Output::Saved(file) = destination {
        let name = if file.is_empty() { path.to_owned() } else { file.clone() };
        shell.environment.machine.files.insert(name, MachineFile::Downloaded(id));
    }
    Some(id)
}

/// Whether a URL stays on this machine or in its cloud's metadata service.
pub(super) fn is_inside(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let name = if host.starts_with('[') { host } else { host.split(':').next().unwrap_or(host) };
    [
        "localhost",
        "0.0.0.0",
        "[::1]",
        "metadata.google.internal",
        "metadata",
        "host.docker.internal",
    ]
    .contains(&name)
        || name.starts_with("127.")
        || name.starts_with("169.254.")
        || url.starts_with("file:")
        || url.starts_with("unix:")
        || name.starts_with("[::1]")
}

/// Objects of a cloud's store: `aws s3 cp`, `aws s3api get-object`, `gsutil cp`.
pub(super) fn object_store(shell: &mut Interpreter<'_, '_>, words: &[Word], output: &Output) {
    let valued =
        &["--bucket", "--key", "--region", "--profile", "--endpoint-url", "--range", "-o", "-u"];
    let arguments = Arguments::parse(words.get(1..).unwrap_or_default(), valued, Dashes::Whole);
    let url = arguments
        .operands
        .iter()
        .find(|word| ["s3://", "gs://"].iter().any(|scheme| word.text().starts_with(scheme)));
    let key = arguments
        .value(&["--key"])
        .filter(|_| arguments.operands.iter().any(|word| word.text() == "get-object"));
    let Some(url) = url.or(key).cloned() else { return };
    let Some(target) = arguments.operands.last().filter(|last| last.text() != url.text()) else {
        return;
    };
    let destination = match target.text() {
        "-" => output.clone(),
        "." | "./" => Output::Saved(file_name(url.text()).to_owned()),
        remote if remote.contains("://") => return,
        file => Output::Saved(file.to_owned()),
    };
    download(shell, &url, &destination);
}

/// Whether a list of checksums says by name which file each is of (`-` and a name from outside say
/// nothing).
fn names_a_file(text: &str) -> bool {
    text.lines().any(|line| {
        let name = line.split_whitespace().nth(1).map(|name| name.trim_start_matches('*'));
        name.is_some_and(|name| name != "-" && !name.is_empty() && !name.contains([UNKNOWN, '$']))
    })
}

/// Whether a SHA-2 digest stands in a text.
fn has_digest(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_hexdigit()).any(|run| [64, 96, 128].contains(&run.len()))
}

/// Whether a command computes a digest.
fn hashes(text: &str) -> bool {
    ["sha256sum", "sha384sum", "sha512sum", "shasum", "openssl dgst", "openssl sha"]
        .iter()
        .any(|program| text.contains(program))
}

impl Interpreter<'_, '_> {
    /// A downloaded file is run although nothing has checked it.
    pub(super) fn executed(&mut self, id: InputId, how: &str) {
        // A checkout is held by its ref, whatever is done with it.
        if let Some(input) = self.audit.input_mut(id)
            && input.credit.is_none()
            && input.strength != Strength::Content
            && input.ecosystem == Ecosystem::Download
        {
            input.strength = Strength::None;
            input.note.get_or_insert_with(|| how.to_owned());
            // A check that comes later comes too late.
            self.environment.machine.files.forget(id);
        }
    }

    /// A checksum or signature program: which downloads does it hold?
    /// Answers whether what it writes is what somebody signed.
    pub(super) fn verify(&mut self, name: &str, words: &[Word], feed: &Feed) -> bool {
        let arguments: Vec<&Word> = words.iter().skip(1).collect();
        let says = |option: &str| arguments.iter().any(|word| word.text() == option);
        let text: Vec<&str> = arguments.iter().map(|word| word.text()).collect();
        let checks_sums = name.ends_with("sum") || name == "shasum";
        if checks_sums {
            let asked = text.iter().any(|word| {
                *word == "--check"
                    || (word.starts_with('-') && !word.starts_with("--") && word.contains('c'))
            });
            if asked && name != "md5sum" {
                self.verify_sums(&arguments, feed);
            }
            return false;
        }
        let signature = match name {
            "gpg" | "gpg2" => says("--verify") || says("--decrypt"),
            "gpgv" => true,
            "cosign" => text.first().is_some_and(|word| word.starts_with("verify")),
            "minisign" => text.iter().any(|w| w.starts_with("-V") || w.starts_with("-m")),
            "openssl" => says("-verify"),
            _ => says("-V"),
        };
        if signature {
            let why = format!("its signature is {SIGNED} {name} before use");
            let written = arguments.iter().position(|w| ["-o", "--output"].contains(&w.text()));
            if let Some(file) = written.and_then(|at| arguments.get(at.saturating_add(1))) {
                let files = &mut self.environment.machine.files;
                files.insert(file.text().to_owned(), MachineFile::Verified);
            }
            for word in &arguments {
                self.credit_download(word.text(), Strength::Content, &why);
                let signed = [".asc", ".sig", ".minisig"]
                    .iter()
                    .find_map(|suffix| word.text().strip_suffix(suffix));
                if let Some(signed) = signed {
                    self.credit_download(signed, Strength::Content, &why);
                }
            }
        }
        signature && name.starts_with("gpg")
    }

    /// `sha256sum -c`: by the lines it reads, or by a file of the repository.
    fn verify_sums(&mut self, arguments: &[&Word], feed: &Feed) {
        let operands: Vec<&&Word> = arguments
            .iter()
            .filter(|word| {
                !word.text().starts_with('-') && !word.text().bytes().all(|b| b.is_ascii_digit())
            })
            .collect();
        let listed = operands.first().filter(|word| word.process.is_none());
        let source = match listed {
            Some(word) => self.read_machine(word.text()),
            None => feed.clone(),
        };
        match source {
            Feed::Text(text) => self.verify_named_in(&text),
            // Fetched from where the file came from: whoever changes one changes both.
            Feed::Download(id) if self.is_signed(id) => {
                self.credit_all("its checksum is in a list whose signature is verified");
            }
            Feed::Verified => {
                self.credit_all("its checksum is in a list whose signature is verified");
            }
            Feed::Download(_) => {
                self.note_all("its checksum is fetched, too: whoever changes one changes both");
            }
            Feed::File(_) => self.credit_all("its checksum is in the repository"),
            _ => {
                if let Some(word) = listed
                    && !word.is_unknown()
                {
                    self.credit_all("a checksum file is checked before use");
                }
            }
        }
    }

    /// Downloads that a text names beside a checksum.
    pub(super) fn verify_named_in(&mut self, text: &Fragment) {
        let text = text.text();
        let literal = text
            .split(|c: char| !c.is_ascii_hexdigit())
            .any(|run| matches!(run.len(), 40 | 64 | 96 | 128));
        if literal || text.contains(UNKNOWN) {
            self.verify_named(text, literal);
        }
    }

    fn verify_named(&mut self, text: &str, literal: bool) {
        let downloads: Vec<(String, InputId)> = self
            .environment
            .machine
            .files
            .iter()
            .filter_map(|(name, file)| match file {
                MachineFile::Downloaded(id) if !name.starts_with('\0') => Some((name.clone(), *id)),
                _ => None,
            })
            .collect();
        let named: Vec<&(String, InputId)> =
            downloads.iter().filter(|(name, _)| text.contains(file_name(name))).collect();
        let chosen = if named.is_empty() && downloads.len() == 1 && !names_a_file(text) {
            downloads.iter().collect()
        } else {
            named
        };
        for (_, id) in chosen {
            if let Some(input) = self.audit.input_mut(*id) {
                if literal {
                    let why = "its checksum is verified before use".to_owned();
                    input.credit = Some(Credit { strength: Strength::Content, why });
                } else {
                    input.strength = Strength::Unknown;
                    input.note = Some("its checksum comes from outside".to_owned());
                }
            }
        }
    }

    /// `sum=$(sha256sum FILE | cut …)`: remembers whose checksum the variable has.
    pub(super) fn remember_sum(&mut self, name: &str, word: &Word) {
        let [commands] = word.substitutions.as_slice() else { return };
        let text = commands.text();
        if !hashes(text) {
            return;
        }
        let files = &mut self.environment.machine.files;
        let of = files.iter().find(|(file, entry)| {
            matches!(entry, MachineFile::Downloaded(_)) && text.contains(file_name(file))
        });
        if let Some(entry) = of.map(|(_, entry)| entry.clone()) {
            files.insert(format!("{SUM}{name}"), entry);
        }
    }

    /// `script=$(curl URL)`: remembers the download, in case somebody runs what it brought.
    pub(super) fn remember_commands(&mut self, name: &str, word: &Word) {
        let key = format!("{COMMANDS}{name}");
        let fetches = |text: &str| text.contains("curl") || text.contains("wget");
        match word.substitutions.as_slice() {
            [commands] if fetches(commands.text()) && self.audit.spend(commands.text().len()) => {
                let file = MachineFile::Text(Arc::new(commands.clone()), Arc::clone(&self.file));
                self.environment.machine.files.insert(key, file);
            }
            _ => self.environment.machine.files.remove(&key),
        }
    }

    /// `eval "$script"`, `echo "$script" | sh`: judges the download that gave the variable its value
    /// as one that is run.
    pub(super) fn run_remembered(&mut self, word: &Word, name: &str, output: &Output) {
        let Some(origin) = word.origin.as_ref().filter(|_| word.text().contains(UNKNOWN)) else {
            return;
        };
        let key = format!("{COMMANDS}{}", origin.name.trim_start_matches('$'));
        let commands = match self.environment.machine.files.get(&key) {
            Some(MachineFile::Text(commands, file)) if *file == self.file => Arc::clone(commands),
            _ => return,
        };
        let program = match output {
            Output::Executed(program) => program.clone(),
            _ => name.to_owned(),
        };
        self.run_in_subshell(&commands, &Output::Executed(program));
    }

    /// `[ "$(sha256sum FILE …)" = LITERAL ]`, also with either side in a variable.
    pub(super) fn verify_by_test(&mut self, text: &str) {
        let names: Vec<&str> = text
            .split('$')
            .skip(1)
            .map(|rest| {
                let rest = rest.strip_prefix('{').unwrap_or(rest);
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                rest.get(..end.unwrap_or(rest.len())).unwrap_or_default()
            })
            .collect();
        let known = |name: &&str| {
            let constant = self.environment.get(name);
            constant.is_some_and(|constant| constant.texts().any(has_digest))
        };
        if !has_digest(text) && !names.iter().any(known) {
            return;
        }
        if hashes(text) {
            self.verify_named(text, true);
        }
        for name in names {
            self.credit_download(
                &format!("{SUM}{name}"),
                Strength::Content,
                "its checksum is verified before use",
            );
        }
    }

    /// `sha256sum FILE | grep LITERAL`.
    pub(super) fn verify_by_filter(&mut self, program: &[Word], filter: &[Word]) {
        let filters = filter.first().is_some_and(|word| word.text().ends_with("grep"));
        let text: Vec<&str> = program.iter().map(Word::text).collect();
        if filters && filter.iter().any(|word| has_digest(word.text())) && hashes(&text.join(" ")) {
            self.verify_named(&text.join(" "), true);
        }
    }

    fn is_signed(&self, id: InputId) -> bool {
        let credit = self.audit.input(id).and_then(|input| input.credit.as_ref());
        credit.is_some_and(|credit| credit.why.contains(SIGNED))
    }

    fn credit_download(&mut self, name: &str, strength: Strength, why: &str) {
        if let Some(MachineFile::Downloaded(id)) = self.machine_file(name)
            && let Some(input) = self.audit.input_mut(id)
        {
            input.credit = Some(Credit { strength, why: why.to_owned() });
        }
    }

    fn each_download(&mut self, change: impl Fn(&mut crate::pins::Input)) {
        let ids: Vec<InputId> = self
            .environment
            .machine
            .files
            .iter()
            .filter_map(|(name, file)| match file {
                MachineFile::Downloaded(id) if !name.starts_with('\0') => Some(*id),
                _ => None,
            })
            .collect();
        for id in ids {
            if let Some(input) = self.audit.input_mut(id) {
                change(input);
            }
        }
    }

    fn credit_all(&mut self, why: &str) {
        self.each_download(|input| {
            input.credit = Some(Credit { strength: Strength::Content, why: why.to_owned() });
        });
    }

    fn note_all(&mut self, note: &str) {
        self.each_download(|input| {
            if input.credit.is_none() {
                input.note = Some(note.to_owned());
            }
        });
    }
}
