//! Accounts, by the step that made them: shadow-utils log when a user or group was changed, and
//! not for whom. Whatever named the account then, or else ran then, was it.

use super::index::{Index, Known};
use super::moment::Moment;
use super::sessions::Use;
use super::windows::ran_at;
use super::{Attributor, Case, Found};
use crate::collect::events::syslog::accounts::STEP;
use crate::model::{Cause, Confidence, Subject, TimeCertainty};

/// The row of the table.
pub static ATTRIBUTOR: Attributor = Attributor {
    name: "step",
    summary: "a tool's own log says when an account was changed, and something ran then",
    last_resort: false,
    attribute,
};

fn attribute(index: &Index<'_>, case: &Case<'_>) -> Vec<Found> {
    let Subject::Fact { scope, key } = &case.change.change.subject else { return Vec::new() };
    let scope = match scope.as_str() {
        "logins" | "subuid" | "subgid" => "users",
        scope => scope,
    };
    let known = index.naming_fact(scope, key);
    let steps = known.iter().filter(|known| known.event.action == STEP);
    let Some(step) = steps.max_by_key(|known| known.event.time) else { return Vec::new() };
    let Some(time) = step.event.time else { return Vec::new() };
    let moment = Moment { at: time.at, is_certain: false, is_own: true };
    let is_sure = !step.event.forgeable && time.certainty == TimeCertainty::Exact;
    // A history without times was typed in its user's session.
    let is_typed = |one: &Known<'_>| {
        one.event.time.is_none()
            && matches!(one.event.action.as_str(), "history" | "type")
            && index.sessions.iter().any(|session| {
                session.used_for == Use::Person
                    && session.is_of(&one.event.detail)
                    && session.window.contains(time.at)
            })
    };
    let namers = known
        .iter()
        .filter(|one| one.event.action != STEP && (one.agrees(Some(moment)) || is_typed(one)));
    let named: Vec<Found> = namers.map(|one| of(index, one, step, is_sure)).collect();
    if !named.is_empty() {
        return named;
    }
    let ran = ran_at(index, moment).into_iter().map(|mut found| {
        found.cause.evidence.push(step.evidence());
        found.cause.confidence = Confidence::Weak;
        found
    });
    ran.collect()
}

fn of(index: &Index<'_>, known: &Known<'_>, step: &Known<'_>, is_sure: bool) -> Found {
    let confidence = match is_sure && !known.event.forgeable {
        true => Confidence::Strong,
        false => Confidence::Weak,
    };
    let mut cause = Cause { confidence, ..index.told(known) };
    cause.evidence.push(step.evidence());
    Found { cause, agrees: true }
}
