//! Carrier: cloud-init user-data, in every form that cloud-init takes it.
//!
//! A file is recognised by its first line (`#cloud-config`, `## template: jinja`, `#include`,
//! `#cloud-boothook`, MIME headers) or its name (`user-data`, `cloud.cfg`, `*.cloud-config`). Other
//! carriers hand in what they find in `user_data` with [`audit_user_data`], which looks at the
//! content as cloud-init's `user_data.py` does: a script, a cloud-config, an archive of them, a
//! list of URLs, MIME parts, any of them compressed or in base64.
//!
//! All parts configure one machine: files that one writes and repositories that it freezes count
//! in the next. What no module here installs or fetches is passed over.

mod config;
mod files;
mod multipart;
mod packages;
mod sources;
mod tools;
mod transport;

use super::audit::Audit;
use super::carrier::Carrier;
use super::environment::Environment;
use super::input::Input;
use super::repository::{self, SourceFile};
use super::script;
use super::shell::{self, Context, Dialect};
use super::span::{Fragment, UNKNOWN};
use super::strength::{Ecosystem, Strength};
use super::yaml::{self, Node};
use std::ops::Range;

/// User-data and cloud-init's own configuration.
pub const CARRIER: Carrier = Carrier {
    name: "cloud-init",
    summary: "cloud-init user-data: #cloud-config, MIME multipart, #include; user-data, cloud.cfg",
    recognises,
    read,
};

/// Parts within parts (an archive in a MIME part in base64 …): deeper ones are no user-data.
const MAX_DEPTH: usize = 6;

/// Names without any header that say what the file is.
const NAMES: &[&str] = &[
    "user-data",
    "user_data",
    "userdata",
    "vendor-data",
    "cloud.cfg",
    "cloud-init",
    "cloud-config",
    "cloud_init",
    "cloud_config",
    "cloudinit",
    "cloudconfig",
    "autoinstall",
];

/// Endings that leave such a name what it is.
const ENDINGS: &[&str] =
    &["", ".yaml", ".yml", ".txt", ".cfg", ".tpl", ".tftpl", ".tmpl", ".j2", ".mime"];

fn recognises(path: &str, head: &[u8]) -> bool {
    let name = repository::file_name(path).to_ascii_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    if name.ends_with(".md") || name.ends_with(".rst") {
        return false;
    }
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let head = String::from_utf8_lossy(head);
    let first = head.trim_start();
    let line = first.lines().next().unwrap_or_default().trim_end();
    if line == "#cloud-config"
        || line.starts_with("#cloud-config ")
        || ["#cloud-boothook", "#cloud-config-archive", "#cloud-config-jsonp", "#include http"]
            .iter()
            .any(|header| line.starts_with(header))
        || is_include_list(first)
    {
        return true;
    }
    if is_jinja(line) {
        return first
            .lines()
            .take(5)
            .any(|line| line.starts_with("#cloud-") || line.starts_with("#!"));
    }
    let mime = ["content-type:", "mime-version:", "from nobody"]
        .iter()
        .any(|header| line.to_ascii_lowercase().starts_with(header));
    if mime
        && ["text/cloud-config", "text/x-shellscript", "text/x-include-url", "text/cloud-boothook"]
            .iter()
            .any(|kind| head.contains(kind))
    {
        return true;
    }
    name.ends_with(".cloud-config")
        || path.contains("cloud.cfg.d/") && name.ends_with(".cfg")
        || NAMES.iter().any(|own| {
            name.strip_prefix(own).is_some_and(|rest| {
                ENDINGS.contains(&rest)
                    || ENDINGS
                        .iter()
                        .any(|ending| rest.strip_suffix(".j2").is_some_and(|rest| rest == *ending))
            })
        })
}

fn is_include_list(text: &str) -> bool {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default().trim_end();
    ["#include", "#include-once"].contains(&first)
        && lines.next().is_some_and(|line| line.contains("://"))
}

fn is_jinja(line: &str) -> bool {
    line.strip_prefix("##").is_some_and(|rest| {
        let rest: String = rest.chars().filter(|c| !c.is_whitespace()).collect();
        rest.eq_ignore_ascii_case("template:jinja")
    })
}

fn read(file: &SourceFile, audit: &mut Audit<'_>) {
    let mut environment = Environment::default();
    let mut seed = Seed { environment: &mut environment, audit, depth: 0 };
    if let Some(text) = transport::gunzip(&file.bytes) {
        seed.dispatch(&Fragment::opaque(&text, 0..file.bytes.len()), None);
        return;
    }
    let data = file.fragment();
    if !seed.dispatch(&data, None) {
        // The name said what it is.
        seed.config(&data);
    }
}

/// Audits user-data that another file carries. Its raw ranges count in [`Audit::file`]; the
/// environment is the machine's. What is no user-data that cloud-init knows is passed over, as
/// cloud-init does; the answer is whether it was anything that it knows. `kind` is the MIME type
/// that stands beside a part, if one does.
pub fn audit_user_data(
    data: &Fragment,
    kind: Option<&str>,
    environment: &mut Environment,
    audit: &mut Audit<'_>,
) -> bool {
    Seed { environment, audit, depth: 0 }.dispatch(data, kind)
}

/// One machine's user-data while it is read.
struct Seed<'s, 'a> {
    environment: &'s mut Environment,
    audit: &'s mut Audit<'a>,
    depth: usize,
}

impl Seed<'_, '_> {
    /// Reads a part by its content, or as the type that stands beside it says. Answers whether it
    /// was anything that cloud-init knows.
    fn dispatch(&mut self, data: &Fragment, kind: Option<&str>) -> bool {
        if self.depth >= MAX_DEPTH {
            self.audit.gap("user-data nests too deep: not read", Some(data.raw_whole().start));
            return true;
        }
        if !self.audit.spend(data.text().len()) {
            return true;
        }
        self.depth = self.depth.saturating_add(1);
        let known = self.by_content(data) || kind.is_some_and(|kind| self.by_type(data, kind));
        self.depth = self.depth.saturating_sub(1);
        known
    }

    /// Text as it is or out of gzip, as far as the file may still cause work: what is too much to
    /// unpack cost as much as what fits.
    fn unpacked(&mut self, bytes: &[u8]) -> Option<String> {
        if !self.audit.spend(bytes.len()) {
            return None;
        }
        let text = transport::unpacked(bytes);
        let most = usize::try_from(transport::MAX_INFLATED).unwrap_or(usize::MAX);
        let cost = match &text {
            Some(text) => text.len(),
            None if transport::is_gzip(bytes) => most,
            None => 0,
        };
        self.audit.spend(cost).then_some(text).flatten()
    }

    fn by_content(&mut self, data: &Fragment) -> bool {
        let text = data.text();
        let start = text
            .len()
            .saturating_sub(text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']).len());
        let rest = text.get(start..).unwrap_or_default();
        let line = rest.lines().next().unwrap_or_default().trim_end();
        let lower = line.to_ascii_lowercase();
        if is_jinja(line) {
            let behind = start.saturating_add(rest.find('\n').unwrap_or(rest.len()));
            return self.dispatch(&data.slice(behind..text.len()), None);
        }
        if lower.starts_with("#cloud-config-archive") {
            self.archive(data);
        } else if lower.starts_with("#cloud-config") {
            self.config(data);
        } else if lower.starts_with("#include") {
            self.include(data);
        } else if lower.starts_with("#cloud-boothook") {
            self.script(data, Dialect::Posix);
        } else if lower.starts_with("#ps1") || lower.starts_with("<powershell>") {
            self.script(&powershell_body(data), Dialect::PowerShell);
        } else if lower.starts_with("rem cmd") || lower.starts_with("<script>") {
            self.script(data, Dialect::Cmd);
        } else if rest.starts_with("#!") {
            if script::is_shell_script(rest.as_bytes()) {
                self.script(data, Dialect::Posix);
            }
        } else if lower.starts_with("#part-handler") || lower.starts_with("#upstart-job") {
            // Python and a job description: nothing that the engine reads.
        } else if multipart::is_mime(rest) {
            self.mime(&data.slice(start..text.len()));
        } else if let Some(decoded) =
            transport::whole_base64(rest).and_then(|bytes| self.unpacked(&bytes))
        {
            return self.dispatch(&Fragment::opaque(&decoded, data.raw_whole()), None);
        } else {
            return false;
        }
        true
    }

    /// A part whose content has no header, by its MIME type.
    fn by_type(&mut self, data: &Fragment, kind: &str) -> bool {
        let kind = kind.to_ascii_lowercase();
        if kind.starts_with("text/cloud-config-archive") {
            self.archive(data);
        } else if kind.starts_with("text/cloud-config") || kind == "text/jinja2" {
            self.config(data);
        } else if kind.starts_with("text/x-shellscript") || kind == "text/cloud-boothook" {
            self.script(data, Dialect::Posix);
        } else if kind.starts_with("text/x-include") {
            self.include(data);
        } else {
            return false;
        }
        true
    }

    /// A script of its own: what it sets does not outlive it.
    fn script(&mut self, data: &Fragment, dialect: Dialect) {
        let before = self.environment.constants_only();
        let functions = std::mem::take(&mut self.environment.functions);
        shell::audit(data, self.environment, self.audit, Context { dialect });
        self.environment.functions = functions;
        self.environment.restore_constants(&before);
    }

    /// Documents of a cloud-config.
    fn documents(&mut self, data: &Fragment) -> Vec<Node> {
        yaml::parse(data).report(self.audit)
    }

    /// `#cloud-config-archive`: a list of parts.
    fn archive(&mut self, data: &Fragment) {
        for document in self.documents(data) {
            for part in document.items() {
                let content = part.get("content").unwrap_or(part);
                let kind = part.get("type").and_then(Node::text).map(str::to_owned);
                if let Some(content) = content.fragment() {
                    self.dispatch(&content.clone(), kind.as_deref());
                }
            }
        }
    }

    /// `#include`: what stands behind the URLs is run as user-data, unseen.
    fn include(&mut self, data: &Fragment) {
        let mut at = 0_usize;
        for line in data.text().split_inclusive('\n') {
            let start = at;
            at = at.saturating_add(line.len());
            let content = line.trim_start_matches("#include-once").trim_start_matches("#include");
            let url = content.trim();
            if url.starts_with('#') || !url.contains("://") {
                continue;
            }
            let from = start.saturating_add(line.find(url).unwrap_or(0));
            let range = data.raw_range(from..from.saturating_add(url.len()));
            let place = self.audit.place(range);
            let subject = url.replace(UNKNOWN, "…");
            self.audit.push(
                Input::new(Ecosystem::Download, &subject, Strength::None, place)
                    .noting("run as user-data without a check"),
            );
        }
    }

    /// Words that are run without a shell.
    fn words(&mut self, words: &[Fragment]) {
        shell::audit_words(words, self.environment, self.audit);
    }

    /// A word of a command that stands for the raw bytes `range`.
    fn made(text: &str, range: &Range<usize>) -> Fragment {
        Fragment::opaque(text, range.clone())
    }
}

/// What stands between the marks of `<powershell>…</powershell>`.
fn powershell_body(data: &Fragment) -> Fragment {
    let text = data.text();
    let lower = text.to_ascii_lowercase();
    match (lower.find("<powershell>"), lower.find("</powershell>")) {
        (Some(open), close) => {
            let from = open.saturating_add("<powershell>".len());
            data.slice(from..close.unwrap_or(text.len()).max(from))
        }
        _ => data.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::carrier::carrier_of;
    use crate::pins::repository::Repository;
    use crate::pins::walk::audit_source;

    /// What is said of a file: `ecosystem subject strength at the raw word`, and gaps.
    fn said(path: &str, text: &str) -> Vec<String> {
        assert_eq!(carrier_of(path, text.as_bytes()).map(|c| c.name), Some("cloud-init"), "{path}");
        let repository = Repository::of_files([]);
        let collected =
            audit_source(&SourceFile::new(path, text.as_bytes()), &CARRIER, &repository);
        let mut lines: Vec<(usize, String)> = collected
            .inputs
            .iter()
            .map(|input| {
                let range = input.place.range();
                let word = text.get(range.clone()).unwrap_or("?");
                let (ecosystem, subject, held) = (input.ecosystem, &input.subject, input.held());
                (range.start, format!("{ecosystem} {subject} {held} @{word}"))
            })
            .collect();
        lines.sort();
        lines.dedup();
        let gaps = collected.gaps.iter().map(|gap| format!("gap: {}", gap.reason));
        lines.into_iter().map(|(_, line)| line).chain(gaps).collect()
    }

    /// What is compressed costs what it unpacks to, whether it fits or not.
    #[test]
    fn bombs() {
        use base64::Engine;
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(&vec![b'#'; 6 * 1024 * 1024]).unwrap();
        let bomb = base64::engine::general_purpose::STANDARD.encode(encoder.finish().unwrap());
        let file = |number| format!("- path: /f{number}\n  encoding: gz+b64\n  content: {bomb}\n");
        let files: String = (0..40).map(file).collect();
        let said = said("user-data", &format!("#cloud-config\nwrite_files:\n{files}"));
        assert!(said.iter().any(|line| line.contains("too much work")), "{said:?}");
    }

    #[track_caller]
    fn check(body: &str, expected: &[&str]) {
        assert_eq!(said("user-data", &format!("#cloud-config\n{body}")), expected, "{body}");
    }

    #[test]
    fn packages_in_every_form() {
        check(
            "packages:\n- curl\n- nginx=1.22.1-9\n- [jq, 1.6-2.1]\n- [wget]\n- git=1:2.*\n",
            &[
                "apt curl none @curl",
                "apt nginx exact @nginx=1.22.1-9",
                "apt jq exact @jq, 1.6-2.1",
                "apt wget none @wget",
                "apt git range @git=1:2.*",
            ],
        );
        check(
            "packages:\n- apt: [curl, [jq, 1.6]]\n- snap:\n  - certbot\n  - [lxd, --channel=5.15/stable]\n",
            &[
                "apt curl none @curl",
                "apt jq exact @jq, 1.6",
                "snap certbot none @certbot",
                "snap lxd floating @lxd",
            ],
        );
        check("package_upgrade: true\n", &["apt package_upgrade none @package_upgrade"]);
        check(
            "package_upgrade: false\npackage_update: true\npackage_reboot_if_required: true\n",
            &[],
        );
        check(
            "packages: [[curl, 8.5.0-r0]]\napk_repos: {alpine_repo: {version: edge}}\n",
            &["apk curl none @curl, 8.5.0-r0", "repository alpine floating @edge"],
        );
        check("packages: [httpd]\nruncmd:\n- [yum, clean, all]\n", &["dnf httpd none @httpd"]);
    }

    #[test]
    fn repositories() {
        check(
            "apt:\n  sources:\n    a: {source: 'ppa:x/y'}\n    b: {source: 'deb https://e.org/apt stable main'}\n    c: {source: 'deb https://e.org/apt v main', keyid: ABC}\n",
            &[
                "repository ppa:x/y floating @ppa:x/y",
                "repository https://e.org/apt floating @deb https://e.org/apt stable main",
                "repository https://e.org/apt exact @deb https://e.org/apt v main",
            ],
        );
        check(
            "apt:\n  primary:\n  - arches: [default]\n    uri: https://snapshot.ubuntu.com/ubuntu/20240101T000000Z\npackages: [curl]\n",
            &[
                "repository https://snapshot.ubuntu.com/ubuntu/20240101T000000Z content @https://snapshot.ubuntu.com/ubuntu/20240101T000000Z",
                "apt curl content @curl",
            ],
        );
        check(
            "yum_repos:\n  e: {baseurl: 'https://e.org/9', gpgcheck: false}\n",
            &["repository https://e.org/9 floating @https://e.org/9"],
        );
        check(
            "write_files:\n- path: /etc/apt/preferences.d/curl\n  content: |\n    Package: curl\n    Pin: version 7.88.1-10\n    Pin-Priority: 1001\npackages: [curl]\n",
            &["apt curl exact @curl"],
        );
    }

    #[test]
    fn files_and_commands() {
        check(
            "write_files:\n- path: /opt/a\n  source: {uri: 'https://e.org/a-1.2.3'}\n",
            &["download https://e.org/a-1.2.3 exact @https://e.org/a-1.2.3"],
        );
        check(
            "snap:\n  commands:\n    0: snap install vlc\n    1: [install, lxd, --revision=24061]\n",
            &["snap vlc none @vlc", "snap lxd exact @lxd"],
        );
        check(
            "autoinstall:\n  version: 1\n  packages: [curl]\n  snaps: [{name: lxd, channel: 5.15/stable}]\n  late-commands:\n  - curtin in-target --target=/target -- apt-get install -y jq\n  - [curtin, in-target, --, apt-get, install, wget]\n  user-data: {packages: [git]}\n",
            &[
                "apt curl none @curl",
                "snap lxd floating @lxd",
                "apt jq none @jq",
                "apt wget none @wget",
                "apt git none @git",
            ],
        );
        check(
            "runcmd:\n- [echo, apt-get install x]\n- V=1.2.3\n- pip install a==$V\n- null\nssh_import_id: [x]\nswap: {size: 1}\n",
            &["pip a exact @a==$V"],
        );
    }

    #[test]
    fn tools() {
        check(
            "chef: {install_type: omnibus, omnibus_version: 18.2.7}\n",
            &["tool chef exact @18.2.7"],
        );
        check("chef: {install_type: omnibus}\n", &["tool chef none @omnibus"]);
        check("chef: {install_type: gems, version: '18'}\n", &["gem chef exact @gems"]);
        check("puppet: {install: true, collection: puppet7}\n", &["tool puppet floating @puppet7"]);
        check("puppet: {conf: {}}\n", &["tool puppet none @puppet"]);
        check("salt_minion: {conf: {}}\n", &["apt salt-minion none @salt_minion"]);
        check(
            "ansible:\n  install_method: pip\n  package_name: ansible-core==2.15.0\n  galaxy: {actions: [[ansible-galaxy, collection, install, community.general]]}\n  pull: {url: 'https://e.org/x.git', playbook_name: p.yml}\n",
            &[
                "pip ansible-core exact @ansible-core==2.15.0",
                "galaxy community.general none @community.general",
                "git https://e.org/x.git none @https://e.org/x.git",
            ],
        );
    }

    #[test]
    fn transports() {
        let include = "#include\nhttps://e.org/v1.2.3/user-data\n";
        assert_eq!(
            said("seed", include),
            ["download https://e.org/v1.2.3/user-data none @https://e.org/v1.2.3/user-data"]
        );
        let archive = "#cloud-config-archive\n- type: text/cloud-config\n  content: |\n    packages: [curl]\n- |\n  #!/bin/sh\n  pip install x\n";
        assert_eq!(said("seed", archive), ["apt curl none @curl", "pip x none @x"]);
        let code = "I2Nsb3VkLWNvbmZpZwpwYWNrYWdlczogW2N1cmxdCg==";
        let mime = format!(
            "MIME-Version: 1.0\nContent-Type: multipart/mixed;\n boundary=\"b\"\n\n--b\nContent-Type: text/cloud-config\nContent-Transfer-Encoding: base64\n\n{code}\n--b--\n"
        );
        assert_eq!(said("seed", &mime), [format!("apt curl none @{code}")]);
        assert_eq!(said("user-data", code), [format!("apt curl none @{code}")]);
        assert_eq!(said("user-data", "#!/bin/bash\npip install x\n"), ["pip x none @x"]);
        assert_eq!(said("user-data", "#!/usr/bin/python3\nimport x\n"), Vec::<String>::new());
    }

    #[test]
    fn damage_is_a_gap_of_its_own_part() {
        check(
            "packages: [curl]\nx: [1\ny: : z\n",
            &[
                "apt curl none @curl",
                "gap: is no YAML from here on: illegal placement of ':' indicator",
            ],
        );
    }
}
