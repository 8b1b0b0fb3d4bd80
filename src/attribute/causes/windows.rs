//! By time alone: what ran when the change happened. A provisioner's session is a strong reason,
//! since nothing else tells what its scripts did; all else is weak.

use super::index::{Index, Known, Window, is_open_task};
use super::moment::Moment;
use super::outer::outer;
use super::sessions::{Session, Use, session_at};
use super::{Attributor, Case, Found};
use crate::collect::events::syslog::jobs::JOB;
use crate::model::{Cause, CauseKind, Confidence, Subject, TreePath};

/// The row of the table.
pub static ATTRIBUTOR: Attributor = Attributor {
    name: "window",
    summary: "it changed while something ran",
    last_resort: true,
    attribute,
};

/// A provisioner's session longer than this says little about one change in it, in seconds.
const LONG_SESSION: i64 = 1800;

/// Places in which a running system writes at all times, but for what packages' scripts keep there.
const BUSY: [&str; 5] = ["/var/log", "/run", "/var/run", "/var/lib/systemd", "/var/lib/dhcp"];

fn attribute(index: &Index<'_>, case: &Case<'_>) -> Vec<Found> {
    let Some(moment) = case.moment else { return Vec::new() };
    let Subject::Path(path) = &case.change.change.subject else { return Vec::new() };
    let is_helpers = path.as_bytes().starts_with(b"/var/lib/systemd/deb-systemd-helper-");
    if !is_helpers && BUSY.iter().any(|place| path.is_at_or_below(&TreePath::parse(place))) {
        return Vec::new();
    }
    ran_at(index, moment)
}

/// What ran at a moment: the shortest event or session that it lies in (one that only just missed
/// it where there is none), and after it a job of the
/// system: there is always one, so it says the least.
pub fn ran_at(index: &Index<'_>, moment: Moment) -> Vec<Found> {
    let lasting = index.lasting.iter().filter_map(|number| index.events.get(*number));
    let lasting = lasting
        .filter(|known| known.agrees(Some(moment)))
        .filter_map(|known| Some((known.window?, known)));
    let (jobs, others): (Vec<_>, Vec<_>) = lasting.partition(|(_, one)| one.event.action == JOB);
    let shortest_session = session_at(&index.sessions, moment.at);
    // A tool's connection is kept open for a while: what a person does meanwhile is the person's.
    let others = others.into_iter().filter(|(_, known)| !is_over(index, known, shortest_session));
    // What was over, or had not begun, says less than what ran.
    let shortest_event =
        others.min_by_key(|(window, _)| (window.misses(moment.at), window.length()));
    let mut found = shortest(index, moment, shortest_event, shortest_session);
    // Of a job's own line and the login that was made for it, the line says more.
    let job = jobs
        .into_iter()
        .min_by_key(|(window, one)| (window.length(), std::cmp::Reverse(one.event.detail.len())));
    found.extend(job.into_iter().flat_map(|(_, known)| of_event(index, known)));
    found
}

/// Whether a task is likely over, as a person's session began after it.
fn is_over(index: &Index<'_>, known: &Known<'_>, session: Option<&Session>) -> bool {
    let (Some(session), Some(time)) = (session, known.event.time) else { return false };
    let is_last = |one: &&Session| {
        matches!(one.used_for, Use::Tool(CauseKind::Ansible, _))
            && one.window.contains(time.at)
            && one.idle_from.is_some_and(|from| session.window.start >= from)
    };
    is_open_task(known.event)
        && session.used_for == Use::Person
        && session.window.start > time.at.seconds
        && index.sessions.iter().any(|one| is_last(&one))
}

fn shortest(
    index: &Index<'_>,
    moment: Moment,
    event: Option<(Window, &Known<'_>)>,
    session: Option<&Session>,
) -> Vec<Found> {
    match (event, session) {
        (Some((window, known)), session) if is_shorter(window, session) => of_event(index, known),
        (_, Some(session)) => of_session(session, moment.is_certain && moment.is_own),
        (Some((_, known)), None) => of_event(index, known),
        (None, None) => Vec::new(),
    }
}

/// A provisioner's session is nearer to the change than whatever else ran at the time.
fn is_shorter(window: Window, session: Option<&Session>) -> bool {
    session.is_none_or(|session| match session.used_for {
        Use::Tool(CauseKind::Terraform | CauseKind::Packer, _) => false,
        _ => window.length() <= session.window.length(),
    })
}

fn of_event(index: &Index<'_>, known: &Known<'_>) -> Vec<Found> {
    let cause = match known.event.actor {
        CauseKind::PackageManager | CauseKind::UnattendedUpgrades if known.event.action != JOB => {
            outer(index, known)
        }
        kind => Cause {
            kind,
            detail: known.event.detail.clone(),
            confidence: Confidence::Weak,
            evidence: vec![known.evidence()],
        },
    };
    vec![Found { cause: Cause { confidence: Confidence::Weak, ..cause }, agrees: true }]
}

/// A person's session is told as what it is; where it had a terminal, or typed commands, also as
/// the person's doing.
fn of_session(session: &Session, is_certain: bool) -> Vec<Found> {
    let is_short = session.is_closed && session.window.length() <= LONG_SESSION;
    let found = |kind, detail: &str, confidence| Found {
        cause: Cause {
            kind,
            detail: detail.to_owned(),
            confidence,
            evidence: session.evidence.clone(),
        },
        agrees: true,
    };
    match session.used_for {
        Use::Tool(kind @ (CauseKind::Terraform | CauseKind::Packer), detail)
            if is_short && is_certain =>
        {
            vec![found(kind, detail, Confidence::Strong)]
        }
        Use::Tool(kind, detail) => vec![found(kind, detail, Confidence::Weak)],
        Use::Person => {
            let mut all = vec![found(session.kind, &session.detail, Confidence::Weak)];
            if session.is_interactive && session.kind != CauseKind::Human {
                all.push(found(CauseKind::Human, &session.user, Confidence::Weak));
            }
            all
        }
    }
}
