//! Module sources: registries, git and Mercurial, archives, object stores, OCI.
//!
//! Follows Terraform's "Module Sources": a local path is no input; a source without a scheme and
//! with three or four parts is a registry's.

use super::Configuration;
use crate::pins::classify;
use crate::pins::hcl::syntax::Body;
use crate::pins::hcl::value::Word;
use crate::pins::image::ImageRef;
use crate::pins::strength::{Ecosystem, Strength};

/// Where a module comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Local,
    Registry,
    Git,
    Mercurial,
    Archive,
    Oci,
}

impl Configuration<'_, '_> {
    pub(super) fn module(&mut self, body: &Body) {
        let Some(source) = self.present(body, "source") else { return };
        let text = source.text.clone();
        match kind_of(&text) {
            Source::Local => {}
            Source::Registry => match self.present(body, "version") {
                Some(version) if !version.text.is_empty() => {
                    let held = classify::constraint(&version.text);
                    self.push(Ecosystem::TerraformModule, bare(&text), held, &version);
                }
                _ => {
                    let unknown = classify::is_unknown(&text);
                    let word = Word { text: String::new(), ..source };
                    let held = if unknown { Strength::Unknown } else { Strength::None };
                    let id = self.push(Ecosystem::TerraformModule, bare(&text), held, &word);
                    if !unknown {
                        self.note(id, "no version: the newest");
                    }
                }
            },
            Source::Git => self.parameter(&source, "ref"),
            Source::Mercurial => self.parameter(&source, "rev"),
            Source::Archive => self.archive(&source),
            Source::Oci => self.oci(body, &source),
        }
    }

    /// A source that names its revision in a parameter.
    fn parameter(&mut self, source: &Word, name: &str) {
        let subject = bare(&source.text).to_owned();
        let Some((value, word)) = query(source, name).filter(|(value, _)| !value.is_empty()) else {
            let unknown = source.text.ends_with(crate::pins::UNKNOWN);
            let held = if unknown { Strength::Unknown } else { Strength::None };
            let word = Word { text: String::new(), verbatim: false, ..source.clone() };
            let id = self.push(Ecosystem::TerraformModule, &subject, held, &word);
            self.note(id, "no ref: the default branch");
            return;
        };
        let held = classify::git_ref(&value);
        let id = self.push(Ecosystem::TerraformModule, &subject, held, &word);
        if classify::is_short_hash(&value) {
            if let Some(input) = self.audit.input_mut(id) {
                input.rule = "pins/fake-pin";
            }
            self.note(id, "an abbreviated hash can become ambiguous");
        }
    }

    fn archive(&mut self, source: &Word) {
        let subject = bare(&source.text).to_owned();
        for name in ["checksum", "versionId", "generation", "version"] {
            let Some((value, word)) = query(source, name) else { continue };
            let held = if classify::is_unknown(&value) {
                Strength::Unknown
            } else if name == "version" || value.is_empty() {
                Strength::None
            } else {
                Strength::Content
            };
            self.push(Ecosystem::TerraformModule, &subject, held, &word);
            return;
        }
        let held = classify::url(&subject);
        let id = self.push(Ecosystem::TerraformModule, &subject, held, source);
        self.note(id, "an archive without a checksum");
    }

    /// By digest or tag, as OpenTofu has it; some tools read a `version`, or a tag in the address.
    fn oci(&mut self, body: &Body, source: &Word) {
        let subject = bare(&source.text).to_owned();
        let image = ImageRef::parse(&subject);
        let version = self.present(body, "version").filter(|version| !version.text.is_empty());
        if let Some((value, word)) = query(source, "digest") {
            let unknown = classify::is_unknown(&value);
            let held = if unknown { Strength::Unknown } else { Strength::Content };
            self.push(Ecosystem::TerraformModule, &subject, held, &word);
        } else if let Some((value, word)) = query(source, "tag") {
            let held = classify::version(Ecosystem::Image, &value);
            self.push(Ecosystem::TerraformModule, &subject, held, &word);
        } else if let Some(version) = version {
            let held = classify::constraint(&version.text);
            self.push(Ecosystem::TerraformModule, &subject, held, &version);
        } else {
            let requested = image.requested();
            let word = Word { text: requested, verbatim: false, ..source.clone() };
            let subject = subject.get(..subject.len().saturating_sub(word.text.len()));
            let subject = subject.unwrap_or_default().trim_end_matches(':').to_owned();
            self.push(Ecosystem::TerraformModule, &subject, image.strength(), &word);
        }
    }
}

/// A parameter of a source behind its `?`: its value, and the word that it stands at.
fn query(source: &Word, name: &str) -> Option<(String, Word)> {
    let at = source.text.find('?')?.saturating_add(1);
    let mut start = at;
    for part in source.text.get(at..)?.split('&') {
        if let Some(value) = part.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')) {
            let end = start.saturating_add(part.len());
            let value_start = end.saturating_sub(value.len());
            let mut word = source.clone();
            word.text = value.to_owned();
            if source.verbatim && !value.is_empty() {
                word.range = source.range.start.saturating_add(value_start)
                    ..source.range.start.saturating_add(end);
            } else {
                word.verbatim = false;
            }
            return Some((value.to_owned(), word));
        }
        start = start.saturating_add(part.len()).saturating_add(1);
    }
    None
}

/// A source without the words that only say how it is fetched.
fn bare(source: &str) -> &str {
    let source = source.split('?').next().unwrap_or(source);
    ["git::", "hg::", "s3::", "gcs::", "tfr:///"]
        .iter()
        .find_map(|prefix| source.strip_prefix(prefix))
        .unwrap_or(source)
}

fn kind_of(source: &str) -> Source {
    let address = source.split('?').next().unwrap_or(source);
    let lower = address.to_ascii_lowercase();
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| lower.starts_with(prefix));
    if source.is_empty()
        || starts(&["./", "../", "/", ".\\", "..\\"])
        || [".", ".."].contains(&source)
    {
        return Source::Local;
    }
    if starts(&[
        "git::",
        "github.com/",
        "bitbucket.org/",
        "gitlab.com/",
        "git@",
        "ssh://",
        "git://",
    ]) {
        return Source::Git;
    }
    if starts(&["hg::"]) {
        return Source::Mercurial;
    }
    if starts(&["oci://", "oci::"]) {
        return Source::Oci;
    }
    if starts(&["tfr://"]) {
        return Source::Archive;
    }
    if starts(&["s3::", "gcs::", "http://", "https://", "file://"]) {
        let git = lower.ends_with(".git") || lower.contains(".git//");
        return if git { Source::Git } else { Source::Archive };
    }
    if lower.contains(".git") && lower.contains('@') {
        return Source::Git;
    }
    let parts = address.split("//").next().unwrap_or(address).split('/').count();
    let hosted = address.split('/').next().is_some_and(|host| host.contains('.'));
    match parts {
        1 if classify::is_unknown(address) => Source::Registry,
        3 if !hosted => Source::Registry,
        4 => Source::Registry,
        _ if classify::is_unknown(address) => Source::Registry,
        // Names of modules in a folder beside, as older releases allowed.
        _ => Source::Local,
    }
}

#[cfg(test)]
mod tests {
    use crate::pins::packer::tests::inputs;

    fn check(source: &str, version: &str, expected: &[&str]) {
        let version =
            if version.is_empty() { String::new() } else { format!(" version = \"{version}\"\n") };
        let text = format!("module \"x\" {{\n source = \"{source}\"\n{version}}}\n");
        assert_eq!(inputs("main.tf", &text, &[]), expected, "{text}");
    }

    #[test]
    fn registry_modules() {
        check("./modules/x", "", &[]);
        check("a/vpc/aws", "", &["a/vpc/aws@:none|a/vpc/aws"]);
        check("a/vpc/aws", "5.1.2", &["a/vpc/aws@5.1.2:exact|5.1.2"]);
        check(
            "app.terraform.io/a/vpc/aws",
            "~> 5.0",
            &["app.terraform.io/a/vpc/aws@~> 5.0:range|~> 5.0"],
        );
        check("a/iam/aws//modules/role", "5.1.2", &["a/iam/aws//modules/role@5.1.2:exact|5.1.2"]);
    }

    #[test]
    fn oci_modules() {
        let digest = "sha256:47f14534bda344d9fe6ffd6effb95eefe579f4be0d508b7445cf77f61a0e5724";
        let (url, held) = ("oci://e.org/a/vpc", "oci://e.org/a/vpc@1.2.0:exact|1.2.0");
        check(&format!("{url}?tag=1.2.0"), "", &[held]);
        check(url, "1.2.0", &[held]);
        let at = format!("oci://e.org/a/vpc@1.2.0:exact|{url}:1.2.0");
        check(&format!("{url}:1.2.0"), "", &[&at]);
        check(url, "", &[&format!("{url}@:none|{url}")]);
        let held = format!("{url}@{digest}:content|{digest}");
        check(&format!("{url}?digest={digest}"), "", &[&held]);
    }

    #[test]
    fn git_modules() {
        let hash = "0123456789012345678901234567890123456789";
        let url = "https://e.org/vpc.git";
        let check_ref = |reference: &str, strength: &str| {
            let source = format!("git::{url}?ref={reference}");
            check(&source, "", &[&format!("{url}@{reference}:{strength}|{reference}")]);
        };
        check_ref(hash, "content");
        check_ref("v1.2.3", "exact");
        check_ref("main", "none");
        check_ref("feature-x", "floating");
        check_ref("decade", "floating");
        check_ref("0123abc", "floating");
        check(&format!("git::{url}"), "", &[&format!("{url}@:none|git::{url}")]);
        check("github.com/a/b", "", &["github.com/a/b@:none|github.com/a/b"]);
        check(
            "git@github.com:a/b.git?ref=v1.0.0",
            "",
            &["git@github.com:a/b.git@v1.0.0:exact|v1.0.0"],
        );
        check("hg::http://e.org/v?rev=v1.0.0", "", &["http://e.org/v@v1.0.0:exact|v1.0.0"]);
    }

    #[test]
    fn archives() {
        let url = "https://e.org/vpc-1.2.0.zip";
        check(url, "", &[&format!("{url}@{url}:exact|{url}")]);
        check(&format!("{url}?checksum=md5:ab"), "", &[&format!("{url}@md5:ab:content|md5:ab")]);
        let url = "https://e.org/vpc.zip";
        check(url, "", &[&format!("{url}@{url}:none|{url}")]);
        check(&format!("s3::{url}"), "", &[&format!("{url}@s3::{url}:none|s3::{url}")]);
    }
}
