//! Reports made by hand for this room's tests, hostile names included, and their goldens.

use super::{FileRow, View};
use crate::model::{
    AlternateDigests, Attribute, AttributeValue, Cause, CauseKind, Change, ChangeKind, Confidence,
    Content, ContentDigest, ContentId, Deviation, DeviceNumber, DirectoryContent, Disposition,
    DriftReport, Entry, Event, EventSubject, EventTime, Evidence, ExactId, Fact, Fault, FileKind,
    Finding, Gap, Header, JudgedChange, LineKind, Manifest, ManifestId, ManifestSummary, Name,
    Omission, Outcome, Package, PackageKey, Records, Sections, SetId, Severity, ShippedId,
    ShippedSource, ShippedTree, Stage, Subject, TextDiff, TimeCertainty, Timestamp, Tree, TreePath,
    TreeSource, Unverified, Verification, Xattr,
};
use crate::pins::against::{Against, Undeclared};
use crate::pins::fix::word::Replacement;
use crate::pins::fix::{Fixed, Fixing, Left};
use crate::pins::{
    self, Ecosystem, Input, LineIndex, Origin, PinFinding, PinForm, PinGap, PinInput, PinReport,
    Place, Strength,
};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::sync::Arc;

/// Compares with `snapshots/reports/NAME.snap`.
pub(super) fn golden(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots/reports"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// What a reporter writes for the plain view.
pub(super) fn render<T: ?Sized>(
    write: fn(&T, &View, &mut dyn Write) -> io::Result<()>,
    report: &T,
) -> String {
    render_as(write, report, View::PLAIN)
}

pub(super) fn render_as<T: ?Sized>(
    write: fn(&T, &View, &mut dyn Write) -> io::Result<()>,
    report: &T,
    view: View,
) -> String {
    let mut out = Vec::new();
    write(report, &view, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn path(path: &str) -> Subject {
    Subject::Path(TreePath::parse(path))
}

fn package(name: &str) -> PackageKey {
    PackageKey {
        manager: "dpkg".to_owned(),
        name: name.to_owned(),
        architecture: Some("amd64".to_owned()),
        instance: None,
    }
}

fn attribute(
    name: &str,
    before: Option<AttributeValue>,
    after: Option<AttributeValue>,
) -> Attribute {
    Attribute { name: name.to_owned(), before, after }
}

fn text(value: &str) -> Option<AttributeValue> {
    Some(AttributeValue::Text(value.to_owned()))
}

fn mode(value: u16) -> Option<AttributeValue> {
    Some(AttributeValue::Mode(value))
}

fn judged(
    subject: Subject,
    kind: ChangeKind,
    attributes: Vec<Attribute>,
    disposition: Disposition,
) -> JudgedChange {
    let change = Change { subject, kind, attributes };
    JudgedChange { disposition, ..JudgedChange::new(change) }
}

fn added_file(bits: u16, size: u64, content: &[u8]) -> Vec<Attribute> {
    vec![
        attribute("kind", None, Some(AttributeValue::Kind(FileKind::File))),
        attribute("mode", None, mode(bits)),
        attribute("uid", None, Some(AttributeValue::Number(0))),
        attribute("gid", None, Some(AttributeValue::Number(0))),
        attribute("size", None, Some(AttributeValue::Number(size))),
        attribute("digest", None, Some(AttributeValue::Digest(Some(ContentDigest::of(content))))),
    ]
}

fn rewritten(before: &[u8], after: &[u8]) -> Attribute {
    let side = |bytes| Some(AttributeValue::Digest(Some(ContentDigest::of(bytes))));
    attribute("digest", side(before), side(after))
}

fn ansible() -> Cause {
    Cause {
        kind: CauseKind::Ansible,
        detail: "lineinfile".to_owned(),
        confidence: Confidence::Strong,
        evidence: vec![Evidence {
            path: TreePath::parse("/var/log/syslog"),
            line: Some(812),
            time: Some(Timestamp::from_seconds(1_795_395_553)),
            text: "ansible-lineinfile: Invoked with path=/etc/ssh/sshd_config".to_owned(),
        }],
    }
}

fn person() -> Cause {
    Cause {
        kind: CauseKind::Human,
        detail: "debian".to_owned(),
        confidence: Confidence::Weak,
        evidence: vec![Evidence {
            path: TreePath::parse("/home/debian/.bash_history"),
            line: None,
            time: None,
            text: "sudo vi /etc/motd \u{1b}[31m".to_owned(),
        }],
    }
}

fn finding(id: &str, rule: &str, severity: Severity, title: &str, of: &[Subject]) -> Finding {
    Finding {
        id: id.to_owned(),
        rule: rule.to_owned(),
        severity,
        title: title.to_owned(),
        subjects: of.to_vec(),
        causes: Vec::new(),
        fingerprint: ContentDigest::of(title.as_bytes()).short(),
    }
}

/// A name that attacks terminals, tables, HTML, Markdown and workflow commands at once.
pub(super) const HOSTILE: &[u8] =
    b"/tmp/<script>alert(1)</script>|`x`\x1b[2J\n::error::%0A,[a](b)\xff";

fn changes() -> Vec<JudgedChange> {
    let hostile = Subject::Path(TreePath::parse(HOSTILE));
    let ghost =
        AttributeValue::Bytes(vec![1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    vec![
        judged(
            Subject::Package(package("jq")),
            ChangeKind::Modified,
            vec![attribute("version", text("1.6-2.1"), text("1.6-2.1+deb12u2"))],
            Disposition::Drift,
        ),
        judged(
            Subject::Fact { scope: "users".to_owned(), key: "deploy".to_owned() },
            ChangeKind::Added,
            vec![attribute("uid", None, text("1000")), attribute("shell", None, text("/bin/sh"))],
            Disposition::Drift,
        ),
        judged(
            path("/etc/crontab"),
            ChangeKind::Modified,
            vec![attribute("mode", mode(0o644), mode(0o666))],
            Disposition::Drift,
        ),
        JudgedChange {
            rule: Some("identity/machine-id".to_owned()),
            direction: None,
            ..judged(
                path("/etc/machine-id"),
                ChangeKind::Modified,
                vec![rewritten(b"a", b"b")],
                Disposition::Expected,
            )
        },
        JudgedChange {
            causes: vec![person()],
            ..judged(
                path("/etc/motd"),
                ChangeKind::Modified,
                vec![
                    attribute(
                        "size",
                        Some(AttributeValue::Number(286)),
                        Some(AttributeValue::Number(4096)),
                    ),
                    rewritten(b"old", b"new"),
                ],
                Disposition::Drift,
            )
        },
        JudgedChange {
            package: Some(package("openssh-server")),
            causes: vec![ansible(), person()],
            note: Some("edited configuration file".to_owned()),
            file: None,
            ..judged(
                path("/etc/ssh/sshd_config"),
                ChangeKind::Modified,
                vec![rewritten(b"yes", b"no")],
                Disposition::Drift,
            )
        },
        judged(hostile, ChangeKind::Added, added_file(0o644, 6, b"x"), Disposition::Drift),
        JudgedChange {
            package: Some(package("jq")),
            note: Some("matches what jq 1.6-2.1+deb12u2 ships".to_owned()),
            file: None,
            ..judged(
                path("/usr/bin/jq"),
                ChangeKind::Modified,
                vec![rewritten(b"1", b"2")],
                Disposition::Explained,
            )
        },
        judged(
            path("/usr/bin/ping"),
            ChangeKind::Modified,
            vec![attribute("xattr:security.capability", None, Some(ghost))],
            Disposition::Drift,
        ),
        judged(
            path("/usr/local/bin/editor"),
            ChangeKind::Added,
            added_file(0o4755, 4_321_000, b"editor"),
            Disposition::Drift,
        ),
        JudgedChange {
            rule: Some("accepted: agent rollout, until 2027-01-01".to_owned()),
            direction: None,
            ..judged(
                path("/var/lib/agent"),
                ChangeKind::Removed,
                vec![attribute("kind", Some(AttributeValue::Kind(FileKind::Directory)), None)],
                Disposition::Accepted,
            )
        },
    ]
}

fn summary(name: &str, target: &str, seconds: i64, entries: u64) -> ManifestSummary {
    ManifestSummary {
        name: name.to_owned(),
        id: ManifestId::of(name.as_bytes()),
        target: target.to_owned(),
        scanned_at: Timestamp::from_seconds(seconds),
        entries,
    }
}

fn diffs() -> Vec<TextDiff> {
    let lines = [
        (LineKind::Place, "@@ -3,3 +3,3 @@"),
        (LineKind::Context, "# \t```</pre><script>alert(1)</script>"),
        (LineKind::Removed, "PasswordAuthentication no"),
        (LineKind::Added, "PasswordAuthentication yes\u{1b}[2J"),
    ];
    vec![TextDiff {
        path: TreePath::parse("/etc/ssh/sshd_config"),
        lines: lines.map(|(kind, line)| (kind, line.to_owned())).into(),
        note: Some("what looks like a secret is hidden".to_owned()),
    }]
}

/// Drift of every kind.
pub(super) fn drift() -> DriftReport {
    let hostile = Subject::Path(TreePath::parse(HOSTILE));
    let editor = [path("/usr/local/bin/editor")];
    let findings = vec![
        finding(
            "F1",
            "setuid",
            Severity::Critical,
            "setuid program added: /usr/local/bin/editor (root, 04755)",
            &editor,
        ),
        finding(
            "F2",
            "world-writable",
            Severity::High,
            "/etc/crontab became world-writable: 0644 -> 0666",
            &[path("/etc/crontab")],
        ),
        Finding {
            causes: vec![ansible(), person()],
            ..finding(
                "F3",
                "sshd",
                Severity::Medium,
                "sshd configuration changed: /etc/ssh/sshd_config (content)",
                &[path("/etc/ssh/sshd_config")],
            )
        },
        Finding {
            causes: vec![person()],
            ..finding(
                "F4",
                "changed",
                Severity::Low,
                "changed: /etc/motd (content, 286 -> 4096 bytes)",
                &[path("/etc/motd")],
            )
        },
        finding(
            "F5",
            "unowned",
            Severity::Medium,
            "4 subjects that nothing accounts for",
            &[
                hostile,
                Subject::Package(package("jq")),
                Subject::Fact { scope: "users".to_owned(), key: "deploy".to_owned() },
                path("/usr/bin/ping"),
            ],
        ),
    ];
    DriftReport {
        baseline: summary("golden", "disk:golden.qcow2", 1_795_000_000, 15_820),
        current: summary("web-01", "disk:web-01.qcow2", 1_795_400_000, 16_068),
        outcome: Outcome::Drift,
        changes: changes(),
        findings,
        diffs: diffs(),
        build_lines: Vec::new(),
        gaps: vec![
            Gap {
                path: TreePath::parse("/root/.cache"),
                stage: Stage::List,
                reason: "Permission denied (os error 13)".to_owned(),
            },
            Gap {
                path: TreePath::parse(b"/srv/a\nb".as_slice()),
                stage: Stage::Content,
                reason: "changed while it was read".to_owned(),
            },
        ],
        omissions: vec![Omission {
            path: TreePath::parse("/proc"),
            reason: "pseudo file system (proc)".to_owned(),
        }],
        notes: vec!["the logs reach back to 2026-11-20; 1 change is older".to_owned()],
    }
}

/// Nothing but what is expected.
pub(super) fn clean() -> DriftReport {
    let expected = |judged: &JudgedChange| judged.disposition == Disposition::Expected;
    DriftReport {
        outcome: Outcome::Clean,
        changes: changes().into_iter().filter(expected).collect(),
        findings: Vec::new(),
        diffs: Vec::new(),
        gaps: Vec::new(),
        notes: Vec::new(),
        ..drift()
    }
}

/// One of each case of `show --packages --verify`.
pub(super) fn verification() -> Verification {
    let hex = |digit: &str| text(&format!("md5:{}", digit.repeat(32)));
    let deviation = |path: &[u8], source, attributes: Vec<Attribute>| Deviation {
        path: TreePath::parse(path),
        package: package("nginx-common"),
        source,
        is_missing: attributes.is_empty(),
        attributes,
    };
    Verification {
        claims: 15_820,
        digests: 1,
        deviations: vec![
            deviation(
                b"/etc/nginx/nginx.conf",
                ShippedSource::Configuration,
                vec![attribute("digest", hex("a"), hex("b"))],
            ),
            deviation(
                b"/usr/sbin/nginx",
                ShippedSource::File,
                vec![
                    attribute("mode", mode(0o755), mode(0o4755)),
                    attribute("user", text("root"), text("deploy")),
                ],
            ),
            deviation(HOSTILE, ShippedSource::File, Vec::new()),
        ],
        unverified: vec![Unverified {
            path: TreePath::parse("/usr/share/doc/x"),
            package: package("nginx-common"),
            reason: "its digest was not computed",
        }],
        unread: vec![(TreePath::parse("/proc"), "it was left out".to_owned())],
    }
}

fn entry(name: &str, content: Content, mode: u16) -> Entry {
    Entry {
        name: Name::new(name.as_bytes()),
        content,
        mode,
        uid: 0,
        gid: 0,
        xattrs: Some(Vec::new()),
        mtime: Timestamp { seconds: 1_795_000_000, nanoseconds: 500_000_000 },
        ctime: Some(Timestamp::from_seconds(1_795_000_001)),
        links: 1,
    }
}

/// Rows of every kind.
pub(super) fn files() -> Vec<FileRow> {
    let at = |path: &[u8], entry| FileRow { path: TreePath::parse(path), entry };
    let file = |size, digest| Content::File { size, digest };
    let directory = Content::Directory(DirectoryContent::Unread);
    let capability =
        Xattr { name: b"security.selinux".as_slice().into(), value: b"etc_t\0".as_slice().into() };
    vec![
        at(b"/root", entry("root", directory, 0o700)),
        at(b"/etc/motd", entry("motd", file(286, Some(ContentDigest::of(b"motd"))), 0o644)),
        at(
            b"/usr/bin/su",
            Entry { xattrs: Some(vec![capability]), ..entry("su", file(71_912, None), 0o4755) },
        ),
        at(
            b"/usr/bin/sh",
            entry("sh", Content::Symlink { target: b"dash".as_slice().into() }, 0o777),
        ),
        at(
            b"/dev/sda1",
            entry("sda1", Content::BlockDevice(DeviceNumber { major: 8, minor: 1 }), 0o660),
        ),
        at(
            HOSTILE,
            Entry {
                uid: 1000,
                gid: 65_534,
                xattrs: None,
                ..entry("x", file(5 << 30, Some(ContentDigest::of(b"x"))), 0o666)
            },
        ),
    ]
}

fn event(source: &str, actor: CauseKind, action: &str, subject: EventSubject) -> Event {
    Event {
        source: TreePath::parse(source),
        line: Some(12),
        time: Some(EventTime {
            at: Timestamp::from_seconds(1_795_395_553),
            certainty: TimeCertainty::LocalTime,
        }),
        until: None,
        actor,
        detail: "template".to_owned(),
        action: action.to_owned(),
        subjects: vec![subject],
        forgeable: actor == CauseKind::Ansible,
        text: format!("{action} \u{1b}[31m"),
    }
}

fn records() -> Records {
    let owned = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let fact = |scope: &str, key: &str, pairs: &[(&str, &str)]| Fact {
        scope: scope.to_owned(),
        key: key.to_owned(),
        attributes: owned(pairs),
        evidence: Some(TreePath::parse("/etc/passwd")),
    };
    let report = drift();
    Records {
        packages: vec![Package {
            key: package("jq"),
            version: "1.6-2.1+deb12u2".to_owned(),
            state: "installed".to_owned(),
            installed_at: Some(Timestamp::from_seconds(1_795_000_000)),
            origin: None,
            purl: "pkg:deb/debian/jq@1.6-2.1%2Bdeb12u2?arch=amd64".to_owned(),
            evidence: TreePath::parse("/var/lib/dpkg/status"),
            details: owned(&[("source", "jq")]),
        }],
        facts: vec![
            fact("groups", "root", &[("gid", "0")]),
            fact("users", "deploy", &[("shell", "/bin/sh"), ("uid", "1000")]),
            fact("users", "root", &[("shell", "/bin/bash"), ("uid", "0")]),
        ],
        events: vec![
            event(
                "/var/log/syslog",
                CauseKind::Ansible,
                "write",
                EventSubject::Path(TreePath::parse("/etc/motd")),
            ),
            event(
                "/var/log/dpkg.log",
                CauseKind::PackageManager,
                "upgrade",
                EventSubject::Package {
                    key: package("jq"),
                    version: Some("1.6-2.1+deb12u2".to_owned()),
                },
            ),
            event(
                "/var/lib/cloud/instance/user-data.txt",
                CauseKind::CloudInit,
                "write",
                EventSubject::Content {
                    path: TreePath::parse("/opt/app/app.py"),
                    digest: ContentDigest::of(b"app"),
                },
            ),
        ],
        gaps: report.gaps,
        omissions: report.omissions,
        claims: Vec::new(),
    }
}

fn manifest_of(root: Entry, entries: u64) -> Manifest {
    let none = SetId::of(b"");
    Manifest {
        header: Header {
            name: "web-01".to_owned(),
            target: "disk:web-01.qcow2".to_owned(),
            scanned_at: Timestamp::from_seconds(1_795_400_000),
            scanner: "driftcheck 0.1.0".to_owned(),
            root,
            entries,
            bytes: 386_547_056,
            shipped: None,
            sections: Sections {
                packages: none,
                facts: none,
                events: none,
                gaps: none,
                omissions: none,
                hard_links: none,
            },
            not_carried: vec!["uid".to_owned()],
        },
        records: records(),
        hard_links: Vec::new(),
    }
}

/// A manifest with records of every kind.
pub(super) fn manifest() -> Manifest {
    manifest_of(entry("", directory(b"/"), 0o755), 16_068)
}

fn directory(of: &[u8]) -> Content {
    Content::Directory(DirectoryContent::Read {
        content: ContentId::of(of),
        exact: ExactId::of(of),
    })
}

/// Trees by id, for listings.
pub(super) struct Trees(HashMap<ExactId, Arc<Tree>>);

impl TreeSource for Trees {
    fn tree(&self, id: &ExactId) -> Result<Arc<Tree>, Fault> {
        self.0.get(id).cloned().ok_or_else(|| Fault::damaged("no such tree"))
    }

    fn shipped(&self, _: &ShippedId) -> Result<Arc<ShippedTree>, Fault> {
        Err(Fault::damaged("no such tree"))
    }

    fn alternate_digests(&self, _: &ContentDigest) -> Result<AlternateDigests, Fault> {
        Ok(AlternateDigests::default())
    }
}

/// `/a/b/file` and `/z`, with their source.
pub(super) fn tree() -> (Manifest, Trees) {
    let file = |name| entry(name, Content::File { size: 0, digest: None }, 0o644);
    let trees = [
        (b"/".as_slice(), vec![entry("a", directory(b"/a"), 0o755), file("z")]),
        (b"/a", vec![entry("b", directory(b"/a/b"), 0o755)]),
        (b"/a/b", vec![file("file")]),
    ];
    let trees = trees
        .into_iter()
        .map(|(path, entries)| (ExactId::of(path), Arc::new(Tree { entries })))
        .collect();
    (manifest_of(entry("", directory(b"/"), 0o755), 5), Trees(trees))
}

/// The build file of [`render_pins`].
const DOCKERFILE: &[u8] = b"FROM debian:12\n\tRUN apt-get install -y curl j\xff\x1b[31mq gr\xc3\xbcn\nADD http://example.org/tool.tgz /opt/\n";

fn pin(word: &str, severity: Severity, rule: &'static str) -> PinFinding {
    let start = DOCKERFILE.windows(word.len()).position(|part| part == word.as_bytes()).unwrap();
    let end = start + word.len();
    let index = LineIndex::new(DOCKERFILE);
    PinFinding {
        rule,
        severity,
        strength: Strength::None,
        required: Strength::Exact,
        file: "images/Dockerfile".to_owned(),
        start: index.position(DOCKERFILE, start),
        end: index.position(DOCKERFILE, end),
        byte_range: (start, end),
        carrier: "dockerfile",
        ecosystem: "apt",
        subject: word.to_owned(),
        requested: String::new(),
        message: format!("`{word}` has no version; policy asks for exact"),
        fix: pins::rules::rule(rule).map(|rule| rule.fix.to_owned()),
        form: Some(PinForm {
            start_byte: start,
            end_byte: end,
            template: format!("{word}={{version}}"),
        }),
        origin: None,
        fingerprint: ContentDigest::of(word.as_bytes()).short(),
    }
}

fn pin_input(word: &str, version: &str) -> PinInput {
    let finding = pin(word, Severity::Low, "pins/os-package");
    let place = Place {
        file: finding.file.as_str().into(),
        start_byte: finding.byte_range.0,
        end_byte: finding.byte_range.1,
        start: finding.start,
        end: finding.end,
    };
    let origin =
        Origin { name: "ARG CURL".to_owned(), place: Some(place.clone()), overridable: true };
    let input = Input {
        carrier: "dockerfile",
        origin: (!version.is_empty()).then_some(origin),
        ..Input::new(Ecosystem::Apt, word, Strength::None, place).requesting(version)
    };
    PinInput { input, required: Strength::Exact, accepted: false }
}

/// A pin for one finding, and one that is not known.
fn fixing(report: &PinReport, curl: &str) -> Fixing {
    let mut fixing = Fixing::default();
    for finding in &report.findings {
        let (file, start) = (finding.file.clone(), finding.start);
        let (subject, fingerprint) = (finding.subject.clone(), finding.fingerprint.clone());
        let ecosystem = finding.ecosystem;
        if fingerprint == curl {
            let (start_byte, end_byte) = finding.byte_range;
            let edits =
                vec![Replacement { start_byte, end_byte, text: "curl=7.88.1-10".to_owned() }];
            let (pin, from) = ("7.88.1-10".to_owned(), "golden".to_owned());
            fixing.fixed.push(Fixed {
                fingerprint,
                file,
                start,
                ecosystem,
                subject,
                pin,
                from,
                edits,
            });
        } else {
            let reason = format!("golden has no package {subject}\u{1b}");
            fixing.left.push(Left { fingerprint, file, start, ecosystem, subject, reason });
        }
    }
    fixing
}

/// What a reporter writes of an audit with hostile lines in it.
pub(super) fn render_pins(write: super::PinsFn, inventory: bool, view: View) -> String {
    let report = PinReport {
        findings: vec![
            pin("debian:12", Severity::High, "pins/image-ref"),
            pin("curl", Severity::Medium, "pins/os-package"),
            pin("gr\u{fc}n", Severity::Medium, "pins/os-package"),
            pin("http://example.org/tool.tgz", Severity::Low, "pins/download"),
        ],
        inputs: vec![pin_input("curl", "7.*"), pin_input("gr\u{fc}n", "")],
        gaps: vec![PinGap {
            file: "a\u{1b}[2J/main.tf".to_owned(),
            line: Some(3),
            reason: "expected `}`".to_owned(),
        }],
        files_read: 2,
        files_seen: 9,
        ..PinReport::default()
    };
    let sources = |file: &str| (file == "images/Dockerfile").then(|| Arc::from(DOCKERFILE));
    let curl = report.findings[1].fingerprint.clone();
    let fixing = fixing(&report, &curl);
    let against = Against {
        label: "golden".to_owned(),
        installed: 9,
        declared: 2,
        needed: 3,
        base: Some(2),
        asked_for: 1,
        undeclared: vec![Undeclared {
            manager: "dpkg".to_owned(),
            name: "htop\u{1b}".to_owned(),
            version: "3.2-1".to_owned(),
            base: Some("3.1-1".to_owned()),
        }],
    };
    let pins = super::Pins {
        report: &report,
        sources: &sources,
        inventory,
        against: Some(&against),
        fixing: Some(&fixing),
        is_fixed: false,
    };
    let mut out = Vec::new();
    write(&pins, &view, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}
