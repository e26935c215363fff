//! Limits of the provider: open until the candidate that met one gets on, or until the time that it was told.
//!
//! The alert's text ends with that time. It is the only thing that the fold keeps of it, so a restart knows it too.

use jiff::{SignedDuration, Timestamp};

use super::bell::{Bell, word};
use crate::event::{AttemptRetrying, Failure, FaultClass, PhaseName, Severity, Tally};
use crate::fault::{self, Facts, Origin};
use crate::profile::Alarm;

/// A limit of which nobody says when it ends holds this long at least; a later time is said anew only when it is later by
/// as much. So the short waits of an agent that tries again and again are one episode.
const AT_LEAST: SignedDuration = SignedDuration::from_secs(60);
/// So much of the provider's own words is in the alert, characters.
const QUOTED: usize = 160;
/// What stands before the time.
const UNTIL: &str = "; until ";

/// The alert of an alarm that is about whoever has the request now: the primary has the plain name.
pub(super) fn name(alarm: Alarm, tally: &Tally) -> String {
    let plain = word(alarm);
    let Some(open) = &tally.open else { return plain.to_owned() };
    let phase = open.phase.as_ref().map(PhaseName::as_str);
    match (phase, open.turn.candidate) {
        (None, 0) => plain.to_owned(),
        (None, nth) => format!("{plain}:fallback {nth}"),
        (Some(phase), 0) => format!("{plain}:{phase}"),
        (Some(phase), nth) => format!("{plain}:{phase} fallback {nth}"),
    }
}

/// An attempt has failed. What the alert says, where it is of a limit.
pub(super) fn failed(
    bell: &mut Bell<'_>,
    failure: &Failure,
    tally: &Tally,
    now: Timestamp,
) -> Option<String> {
    let strikes = u32::try_from(tally.streak.throttled).unwrap_or(u32::MAX);
    let cooling = fault::cooldown(failure, strikes, now);
    let limit = match failure.class {
        FaultClass::RateLimited | FaultClass::QuotaExhausted | FaultClass::Overloaded => true,
        // Who is broken and says when to come back wants to be left alone as well.
        FaultClass::ServerError => cooling.is_some_and(|cooling| cooling.firm),
        _ => false,
    };
    let until = cooling.map_or(now, |cooling| cooling.until);
    limit.then(|| say(bell, failure, tally, now, until))
}

/// The agent's own loop tries again. What the alert says, where it met a limit.
pub(super) fn retrying(
    bell: &mut Bell<'_>,
    retrying: &AttemptRetrying,
    tally: &Tally,
    now: Timestamp,
) -> Option<String> {
    let facts = Facts { status: retrying.status, ..Facts::new(Origin::Command, &retrying.evidence) };
    let failure = fault::classify(&facts);
    let limit = matches!(
        failure.class,
        FaultClass::RateLimited | FaultClass::QuotaExhausted | FaultClass::Overloaded
    );
    let said = fault::cooldown(&failure, 0, now).filter(|cooling| cooling.firm).map(|cooling| cooling.until);
    let wait = SignedDuration::from_millis(i64::try_from(retrying.delay_ms.unwrap_or(0)).unwrap_or(i64::MAX));
    let until = said.or_else(|| now.checked_add(wait).ok()).unwrap_or(now);
    limit.then(|| say(bell, &failure, tally, now, until))
}

fn say(bell: &mut Bell<'_>, failure: &Failure, tally: &Tally, now: Timestamp, until: Timestamp) -> String {
    let soonest = now.checked_add(AT_LEAST).unwrap_or(Timestamp::MAX);
    // A time that is over was not meant; and one that is near says little of when it is over.
    let until = whole_second(until.max(soonest));
    let name = name(Alarm::RateLimit, tally);
    let words: String = failure.evidence.split_whitespace().collect::<Vec<_>>().join(" ");
    let words: String = words.chars().take(QUOTED).collect();
    let message = format!("{}: {words}{UNTIL}{until}", failure.class);
    let known = bell.open_of(Alarm::RateLimit).into_iter().find(|alert| alert.alert == name);
    let later = known
        .and_then(|alert| until_of(&alert.message))
        .is_some_and(|known| until.duration_since(known) >= AT_LEAST);
    if later {
        bell.clear(&name);
    }
    bell.raise(name, Severity::Warning, message.clone());
    message
}

/// Whoever has the request gets on with it.
pub(super) fn gets_on(bell: &mut Bell<'_>, tally: &Tally) {
    bell.clear(&name(Alarm::RateLimit, tally));
}

/// Limits whose time has come are over.
pub(super) fn expire(bell: &mut Bell<'_>, now: Timestamp) {
    for alert in bell.open_of(Alarm::RateLimit) {
        if until_of(&alert.message).is_some_and(|until| until <= now) {
            bell.clear(&alert.alert);
        }
    }
}

fn until_of(message: &str) -> Option<Timestamp> {
    message.rsplit_once(UNTIL)?.1.parse().ok()
}

/// Rounded up, so that the text and the time are the same.
fn whole_second(at: Timestamp) -> Timestamp {
    let second = at.as_second() + i64::from(at.subsec_nanosecond() > 0);
    Timestamp::from_second(second).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_read_back_from_the_text() {
        let at: Timestamp = "2026-11-21T03:00:00.25Z".parse().unwrap();
        let rounded = whole_second(at);
        assert_eq!(rounded.to_string(), "2026-11-21T03:00:01Z");
        assert_eq!(until_of(&format!("rate_limited: wait; until now{UNTIL}{rounded}")), Some(rounded));
        assert_eq!(until_of("rate_limited: come back later"), None);
    }
}
