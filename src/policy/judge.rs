//! Every change gets its disposition, then what is drift becomes findings.

use super::file::{Accept, Expect, Policy, PolicyError, SeverityRule};
use super::findings;
use super::matcher::{Possibility, Reach, kind, mode_gained};
use crate::model::{
    AttributeValue, Change, ChangeKind, Disposition, FileKind, Finding, JudgedChange, Outcome,
    Severity, Subject, Timestamp, TreePath,
};
use std::collections::{BTreeSet, HashSet};

/// The shipped policy, as it stands in the repository.
const DEFAULT: &str = include_str!("../../policies/default.toml");

/// Where the shipped policy's refusals would point.
const DEFAULT_ORIGIN: &str = "policies/default.toml";

/// All policies that hold in one run.
#[derive(Debug)]
pub struct Policies {
    shipped: Policy,
    own: Vec<Policy>,
}

impl Policies {
    /// The shipped policy alone.
    pub fn shipped() -> Result<Self, PolicyError> {
        Ok(Self { shipped: Policy::parse(DEFAULT, DEFAULT_ORIGIN)?, own: Vec::new() })
    }

    /// A user's policy beside it. Its severities go before the shipped ones, and of its entries
    /// each must match something.
    pub fn add(&mut self, policy: Policy) {
        self.own.push(policy);
    }

    /// Whether any of them wants the text of the file at this path kept.
    #[must_use]
    pub fn keeps_text(&self, path: &TreePath) -> bool {
        self.all().flat_map(|policy| &policy.text).any(|matcher| matcher.has_path(path))
    }

    fn all(&self) -> impl Iterator<Item = &Policy> {
        self.own.iter().chain([&self.shipped])
    }

    /// The rule that says how much a change matters: the first of the user's, else the most severe
    /// of the shipped ones, the first among equals.
    pub(super) fn severity(&self, judged: &JudgedChange) -> Option<&SeverityRule> {
        let fits = |rule: &&SeverityRule| rule.matcher.matches(judged, Reach::Some);
        let own = self.own.iter().flat_map(|policy| &policy.severity).find(fits);
        let mut best: Option<&SeverityRule> = own;
        if own.is_none() {
            for rule in self.shipped.severity.iter().filter(fits) {
                if best.is_none_or(|best| rule.severity > best.severity) {
                    best = Some(rule);
                }
            }
        }
        best
    }
}

/// What judging made of the changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// All changes, in the order in which they came.
    pub changes: Vec<JudgedChange>,
    /// Most severe first.
    pub findings: Vec<Finding>,
}

/// Gives every change that is not explained its disposition and makes the findings. `now` decides
/// only whether an acceptance has expired.
#[must_use]
pub fn judge(mut changes: Vec<JudgedChange>, policies: &Policies, now: Timestamp) -> Judged {
    let context = Context::new(&changes);
    let mut matched: HashSet<*const ()> = HashSet::new();
    for judged in &mut changes {
        if judged.disposition == Disposition::Explained {
            continue;
        }
        if let Some(entry) = accepted(judged, policies, now, &mut matched) {
            judged.disposition = Disposition::Accepted;
            judged.rule = Some(entry.id.clone());
            judged.note.get_or_insert_with(|| entry.reason.clone());
        } else if let Some(entry) = expected(judged, policies, &context, &mut matched) {
            judged.disposition = Disposition::Expected;
            judged.rule = Some(entry.id.clone());
        } else {
            judged.disposition = Disposition::Drift;
            let rule = policies.severity(judged);
            if let Some(rule) = rule {
                matched.insert(address(rule));
            }
            judged.rule = rule.map(|rule| rule.id.clone());
        }
    }
    // Of what is expected anyway nobody needs to know which job of the system ran at the time.
    for judged in changes.iter_mut().filter(|judged| judged.disposition != Disposition::Drift) {
        judged.causes.retain(|cause| !cause.is_idle_job());
    }
    let mut findings = findings::make(&changes, policies);
    findings.extend(idle_entries(policies, now, &matched));
    findings::order(&mut findings);
    Judged { changes, findings }
}

/// The answer of a run: drift where a finding is at or above the threshold. `incomplete` is
/// whether anything could not be read (and gaps were not allowed).
#[must_use]
pub fn outcome(findings: &[Finding], fail_on: Severity, incomplete: bool) -> Outcome {
    if incomplete {
        Outcome::Incomplete
    } else if findings.iter().any(|finding| finding.severity >= fail_on) {
        Outcome::Drift
    } else {
        Outcome::Clean
    }
}

/// An entry's identity within a run.
fn address<T>(entry: &T) -> *const () {
    std::ptr::from_ref(entry).cast()
}

fn accepted<'p>(
    judged: &JudgedChange,
    policies: &'p Policies,
    now: Timestamp,
    matched: &mut HashSet<*const ()>,
) -> Option<&'p Accept> {
    let mut first = None;
    for entry in policies.all().flat_map(|policy| &policy.accept) {
        if entry.matcher.matches(judged, Reach::All) {
            matched.insert(address(entry));
            if first.is_none() && entry.expires.is_none_or(|end| now < end) {
                first = Some(entry);
            }
        }
    }
    first
}

fn expected<'p>(
    judged: &JudgedChange,
    policies: &'p Policies,
    context: &Context,
    matched: &mut HashSet<*const ()>,
) -> Option<&'p Expect> {
    let mut entries = policies.all().flat_map(|policy| &policy.expect);
    let found = entries.find(|entry| {
        entry.matcher.matches(judged, Reach::Some)
            && entry.told_by.as_ref().is_none_or(|scope| context.told.contains(scope))
            && allows(&entry.may, &judged.change, context)
    })?;
    matched.insert(address(found));
    Some(found)
}

/// What of the whole report a single decision needs.
struct Context {
    /// Scopes of facts that changed, and `packages` where packages did.
    told: BTreeSet<String>,
    /// Paths that appeared or changed: where rotated logs went.
    arrived: BTreeSet<TreePath>,
}

impl Context {
    fn new(changes: &[JudgedChange]) -> Self {
        let mut told = BTreeSet::new();
        let mut arrived = BTreeSet::new();
        for judged in changes {
            match &judged.change.subject {
                Subject::Package(_) => drop(told.insert("packages".to_owned())),
                Subject::Fact { scope, .. } => drop(told.insert(scope.clone())),
                Subject::Path(path) if judged.change.kind != ChangeKind::Removed => {
                    arrived.insert(path.clone());
                }
                Subject::Path(_) => {}
            }
        }
        Self { told, arrived }
    }

    /// Whether a sibling `NAME.…` or `NAME-…` arrived, as a rotation leaves it.
    fn rotated(&self, path: &TreePath) -> bool {
        let is_rotated = |name: &[u8]| {
            let rest = path.file_name().and_then(|own| name.strip_prefix(own));
            rest.is_some_and(|rest| matches!(rest.first(), Some(b'.' | b'-')))
        };
        self.arrived
            .range(path.clone()..)
            .skip(1)
            .take_while(|one| one.parent() == path.parent())
            .take_while(|one| shares_name(one, path))
            .any(|one| one.file_name().is_some_and(is_rotated))
    }
}

fn shares_name(one: &TreePath, path: &TreePath) -> bool {
    match (one.file_name(), path.file_name()) {
        (Some(name), Some(prefix)) => name.starts_with(prefix),
        _ => false,
    }
}

/// Whether all that happened is among what may happen.
fn allows(may: &[Possibility], change: &Change, context: &Context) -> bool {
    let has = |one: Possibility| may.contains(&one);
    if is_special(change) && !has(Possibility::Special) {
        return false;
    }
    match change.kind {
        ChangeKind::Added => return has(Possibility::Added),
        ChangeKind::Removed => return has(Possibility::Removed),
        ChangeKind::Modified => {}
    }
    let grew = match change.attribute("size").map(|size| (&size.before, &size.after)) {
        Some((Some(AttributeValue::Number(before)), Some(AttributeValue::Number(after)))) => {
            after >= before
        }
        // Other bytes of the same length are no growth.
        _ => false,
    };
    let rotated = || match &change.subject {
        Subject::Path(path) => context.rotated(path),
        _ => false,
    };
    change.attributes.iter().all(|attribute| match attribute.name.as_str() {
        "size" | "digest" => {
            has(Possibility::Content) || (has(Possibility::Growth) && (grew || rotated()))
        }
        "target" => has(Possibility::Target),
        "mode" => has(Possibility::Mode),
        "uid" | "gid" => has(Possibility::Owner),
        "kind" => has(Possibility::Kind),
        "device" => false,
        name if name.starts_with("xattr:") => has(Possibility::Xattrs),
        _ => has(Possibility::Content),
    })
}

/// What no entry covers unless it says so: rights that a file gained, and devices.
fn is_special(change: &Change) -> bool {
    let Subject::Path(_) = change.subject else { return false };
    if change.kind == ChangeKind::Removed {
        return false;
    }
    let kind = kind(change);
    let file = matches!(kind, None | Some(FileKind::File));
    let directory = kind == Some(FileKind::Directory);
    let gained = mode_gained(change);
    let rights = if directory { 0o4000 } else { 0o6002 };
    let device = matches!(kind, Some(FileKind::CharacterDevice | FileKind::BlockDevice));
    let capability =
        change.attribute("xattr:security.capability").is_some_and(|one| one.after.is_some());
    device || capability || ((file || directory) && gained & rights != 0)
}

/// The user's entries that did nothing: matched no change, or expired.
fn idle_entries(policies: &Policies, now: Timestamp, matched: &HashSet<*const ()>) -> Vec<Finding> {
    let mut found = Vec::new();
    for policy in &policies.own {
        let origin = &policy.origin;
        for entry in &policy.accept {
            if let Some(end) = entry.expires.filter(|end| now >= *end) {
                let title = format!("{origin}: acceptance {} expired at {end}", entry.id);
                found.push(findings::about_policy("policy-expired", title));
            }
        }
        let accept = policy.accept.iter().map(|entry| (address(entry), &entry.id));
        let expect = policy.expect.iter().map(|entry| (address(entry), &entry.id));
        let severity = policy.severity.iter().map(|entry| (address(entry), &entry.id));
        for (address, id) in accept.chain(expect).chain(severity) {
            if !matched.contains(&address) {
                let title = format!("{origin}: entry {id} matched nothing");
                found.push(findings::about_policy("policy-unmatched", title));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Attribute, Cause, CauseKind, Confidence, PackageKey};

    fn change(
        kind: ChangeKind,
        path: &str,
        attributes: &[(&str, AttributeValue, AttributeValue)],
    ) -> JudgedChange {
        let attributes = attributes.iter().map(|(name, before, after)| Attribute {
            name: (*name).to_owned(),
            before: (kind != ChangeKind::Added).then(|| before.clone()),
            after: (kind != ChangeKind::Removed).then(|| after.clone()),
        });
        let subject = Subject::Path(TreePath::parse(path));
        JudgedChange::new(Change { subject, kind, attributes: attributes.collect() })
    }

    fn added(path: &str, mode: u16) -> JudgedChange {
        let file = AttributeValue::Kind(FileKind::File);
        let mode = AttributeValue::Mode(mode);
        let root = AttributeValue::Number(0);
        change(
            ChangeKind::Added,
            path,
            &[
                ("kind", file.clone(), file),
                ("mode", mode.clone(), mode),
                ("uid", root.clone(), root),
            ],
        )
    }

    fn resized(path: &str, before: u64, after: u64) -> JudgedChange {
        let digest = |n: u64| {
            AttributeValue::Digest(Some(crate::model::ContentDigest::of(&n.to_le_bytes())))
        };
        change(
            ChangeKind::Modified,
            path,
            &[
                ("size", AttributeValue::Number(before), AttributeValue::Number(after)),
                ("digest", digest(before), digest(after)),
            ],
        )
    }

    fn with_mode(path: &str, before: u16, after: u16) -> JudgedChange {
        change(
            ChangeKind::Modified,
            path,
            &[("mode", AttributeValue::Mode(before), AttributeValue::Mode(after))],
        )
    }

    fn check(changes: Vec<JudgedChange>, own: &str, expected: &[&str]) {
        let mut policies = Policies::shipped().unwrap();
        if !own.is_empty() {
            policies.add(Policy::parse(own, "own.toml").unwrap());
        }
        let count = changes.len();
        let now = Timestamp::from_seconds(1_800_000_000);
        let judged = judge(changes, &policies, now);
        assert_eq!(judged.changes.len(), count);
        let quiet = judged.changes.iter().filter(|one| one.disposition != Disposition::Drift);
        let quiet = quiet.map(|one| {
            let rule = one.rule.clone().unwrap_or_default();
            format!("{} {} {rule}", one.change.subject, one.disposition.as_str())
        });
        let findings = judged.findings.iter().map(|one| format!("{} {}", one.severity, one.title));
        assert_eq!(quiet.chain(findings).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn expected_is_what_may_happen_and_no_more() {
        check(
            vec![resized("/etc/machine-id", 0, 33)],
            "",
            &["/etc/machine-id expected identity-machine-id"],
        );
        check(
            vec![with_mode("/etc/machine-id", 0o444, 0o600)],
            "",
            &["low changed: /etc/machine-id (mode 0444 -> 0600)"],
        );
        check(
            vec![resized("/var/log/syslog", 5, 9)],
            "",
            &["/var/log/syslog expected volatile-logs"],
        );
        check(
            vec![resized("/var/log/auth.log", 9, 5)],
            "",
            &["high log changed: /var/log/auth.log (content, 9 -> 5 bytes)"],
        );
        check(
            vec![resized("/var/log/syslog", 9, 5), added("/var/log/syslog.1", 0o640)],
            "",
            &["/var/log/syslog expected volatile-logs", "/var/log/syslog.1 expected volatile-logs"],
        );
        check(
            vec![added("/tmp/x", 0o4755), added("/tmp/y", 0o644)],
            "",
            &[
                "/tmp/y expected volatile-temporary-files",
                "critical setuid program added: /tmp/x (root, 04755)",
            ],
        );
    }

    #[test]
    fn facts_of_one_file_name_it_once() {
        let fact = |key: &str, file: &str| {
            let mut judged = added(file, 0o644);
            judged.change.subject = Subject::Fact { scope: "groups".into(), key: key.into() };
            judged.change.attributes.clear();
            judged.file = Some(TreePath::parse(file));
            judged
        };
        check(
            vec![fact("a", "/etc/group"), fact("b", "/etc/group")],
            "",
            &["medium groups: 2 added in /etc/group: a, b"],
        );
        check(
            vec![fact("a", "/etc/group"), fact("b", "/usr/lib/group")],
            "",
            &["medium groups: 2 added: a, b"],
        );
    }

    #[test]
    fn links_of_one_script_are_one_finding() {
        check(
            vec![
                added("/etc/alternatives/vi.1.gz", 0o644),
                added("/etc/alternatives/vi.de.1.gz", 0o644),
                added("/etc/rc0.d/K01nginx", 0o755),
                added("/etc/rc2.d/K01nginx", 0o755),
                added("/etc/rc2.d/S02other", 0o755),
                added("/etc/rc.d/rc3.d/K01nginx", 0o755),
                added("/etc/rc3.d/README", 0o644),
            ],
            "",
            &[
                "high service or unit: 3 links of nginx changed in the runlevels",
                "high service or unit added: /etc/rc2.d/S02other (root, 0755)",
                "high service or unit added: /etc/rc3.d/README (root, 0644)",
                "low alternative: 2 added in /etc/alternatives: vi.1.gz, vi.de.1.gz",
            ],
        );
    }

    #[test]
    fn the_shipped_severities_know_their_places() {
        let policies = Policies::shipped().unwrap();
        let rule = |judged: JudgedChange| {
            let rule = policies.severity(&judged);
            rule.map_or("none".to_owned(), |rule| format!("{} {}", rule.severity, rule.id))
        };
        let check = |path: &str, new: &str, changed: &str| {
            assert_eq!(rule(added(path, 0o644)), new, "{path} added");
            assert_eq!(rule(resized(path, 1, 2)), changed, "{path} changed");
        };
        check("/etc/motd", "none", "none");
        check("/etc/ld.so.preload", "critical preload", "critical preload");
        check("/etc/sudoers.d/x", "high sudoers", "high sudoers");
        check("/root/.ssh/authorized_keys", "high authorized-keys", "high authorized-keys");
        check("/home/a/.ssh/authorized_keys", "high authorized-keys", "high authorized-keys");
        check("/etc/ssh/sshd_config.d/x.conf", "high sshd", "high sshd");
        check("/usr/lib/x86_64-linux-gnu/security/pam_x.so", "high pam", "high pam");
        check("/lib64/security/pam_x.so", "high pam", "high pam");
        check("/etc/cron.d/x", "high cron", "high cron");
        check("/var/spool/cron/crontabs/root", "high cron", "high cron");
        check("/usr/lib/systemd/system/x.service", "high units", "high units");
        check("/etc/systemd/system/x.wants/y.service", "high units", "high units");
        check("/etc/profile.d/x.sh", "high profile", "high profile");
        check("/home/a/.bashrc", "low profile", "low profile");
        check("/usr/lib/modules/6.1/kernel/x.ko.xz", "high kernel", "high kernel");
        check("/lib/modules/6.1/x.ko", "high kernel", "high kernel");
        check("/boot/vmlinuz-6.1", "high boot", "high boot");
        check("/usr/bin/x", "medium program-added", "high program-changed");
        check("/sbin/x", "medium program-added", "high program-changed");
        check("/usr/local/bin/x", "medium program-added", "high program-changed");
        check(
            "/usr/lib/x86_64-linux-gnu/libx.so.1",
            "medium program-added",
            "high program-changed",
        );
        check("/usr/lib64/libx.so", "medium program-added", "high program-changed");
        check("/etc/apt/sources.list.d/x.list", "high package-sources", "high package-sources");
        check("/etc/ssl/certs/x.pem", "high trust", "high trust");
        assert_eq!(rule(added("/srv/x", 0o2755)), "high setgid");
        assert_eq!(rule(added("/srv/x", 0o666)), "medium world-writable");
        assert_eq!(rule(added("/etc/x", 0o666)), "critical world-writable-system-file");
        assert_eq!(rule(with_mode("/usr/bin/x", 0o666, 0o644)), "high program-changed");
    }

    #[test]
    fn severe_comes_first() {
        check(
            vec![
                added("/etc/app.conf", 0o644),
                with_mode("/etc/crontab", 0o644, 0o666),
                resized("/etc/ssh/sshd_config", 3, 8),
                added("/usr/local/bin/editor", 0o4755),
            ],
            "",
            &[
                "critical /etc/crontab became world-writable: 0644 -> 0666",
                "critical setuid program added: /usr/local/bin/editor (root, 04755)",
                "high ssh configuration changed: /etc/ssh/sshd_config (content, 3 -> 8 bytes)",
                "low file added: /etc/app.conf (root, 0644)",
            ],
        );
    }

    #[test]
    fn accepted_by_a_person() {
        let accept = "[[accept]]\nid='motd'\npaths=['/etc/motd']\nattributes=['size','digest']\nreason='so'\n";
        check(vec![resized("/etc/motd", 1, 2)], accept, &["/etc/motd accepted motd"]);
        check(
            vec![with_mode("/etc/motd", 0o644, 0o640)],
            accept,
            &[
                "low changed: /etc/motd (mode 0644 -> 0640)",
                "info own.toml: entry motd matched nothing",
            ],
        );
        check(
            vec![resized("/etc/motd", 1, 2)],
            &format!("{accept}until=2026-12-31\n"),
            &[
                "low changed: /etc/motd (content, 1 -> 2 bytes)",
                "info own.toml: acceptance motd expired at 2027-01-01T00:00:00Z",
            ],
        );
    }

    #[test]
    fn accepted_by_cause_covers_no_other_cause() {
        let cause =
            |kind, confidence| Cause { kind, detail: String::new(), confidence, evidence: vec![] };
        let own = "[[accept]]\nid='a'\ncauses=['ansible']\nreason='so'\n";
        let mut both = resized("/etc/motd", 1, 2);
        both.causes = vec![cause(CauseKind::Ansible, Confidence::Strong)];
        check(vec![both.clone()], own, &["/etc/motd accepted a"]);
        both.causes.push(cause(CauseKind::Human, Confidence::Strong));
        let refused = [
            "low changed: /etc/motd (content, 1 -> 2 bytes)",
            "info own.toml: entry a matched nothing",
        ];
        check(vec![both.clone()], own, &refused);
        both.causes = vec![cause(CauseKind::Ansible, Confidence::Weak)];
        check(vec![both], own, &refused);
    }

    #[test]
    fn what_belongs_together_is_one_finding() {
        let directory = |path: &str| {
            let mut one = added(path, 0o755);
            one.change.attributes[0].after = Some(AttributeValue::Kind(FileKind::Directory));
            one
        };
        check(
            vec![
                directory("/srv/data"),
                added("/srv/data/a", 0o644),
                added("/srv/data/b", 0o4755),
                added("/srv/x", 0o644),
                added("/srv/y", 0o644),
            ],
            "",
            &[
                "critical setuid program added: /srv/data/b (root, 04755)",
                "low directory added: /srv/data with 1 path below",
                "low path: 2 added in /srv: x, y",
            ],
        );
    }

    #[test]
    fn packages_of_one_place_are_one_finding() {
        let installed = |name: &str, version: &str, place: &str| {
            let mut one = added("/", 0);
            one.change.subject = Subject::Package(PackageKey {
                manager: "npm".into(),
                name: name.into(),
                architecture: None,
                instance: Some(place.into()),
            });
            let version = Some(AttributeValue::Text(version.into()));
            one.change.attributes =
                vec![Attribute { name: "version".into(), before: None, after: version }];
            one
        };
        check(
            vec![
                installed("accepts", "1.3.8", "/srv/app/node_modules"),
                installed("bytes", "3.1.2", "/srv/app/node_modules"),
                installed("ms", "2.1.3", "/srv/other/node_modules"),
            ],
            "",
            &[
                "low 2 npm packages installed in /srv/app/node_modules: accepts 1.3.8, bytes 3.1.2",
                "low package added: ms [/srv/other/node_modules] 2.1.3 (npm)",
            ],
        );
    }

    #[test]
    fn a_user_may_rate_differently() {
        check(
            vec![resized("/etc/ssh/sshd_config", 3, 8)],
            "[[severity]]\nid='calm'\npaths=['/etc/ssh/**']\nseverity='info'\n",
            &["info changed: /etc/ssh/sshd_config (content, 3 -> 8 bytes)"],
        );
    }

    #[test]
    fn fingerprints_stay() {
        let run = || {
            let policies = Policies::shipped().unwrap();
            judge(vec![added("/usr/local/bin/editor", 0o4755)], &policies, Timestamp::default())
        };
        assert_eq!(run(), run());
        assert_eq!(run().findings[0].fingerprint.len(), 32);
    }
}
