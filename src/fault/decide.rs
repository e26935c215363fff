//! What follows a failed attempt. Pure: time and chance are arguments.

use std::time::Duration;

use jiff::Timestamp;

use super::cooldown::after;
use super::policy::{Decision, History, Policy, Reach, reaches, retryable};
use super::{cooldown, jitter, phrases, read};
use crate::event::{Failure, FaultClass};

/// So many failures of the same words in a row are no accident: on one candidate it is not asked again, on as many
/// candidates the turn ends.
const PATTERN: u32 = 3;

/// On so many candidates in a row that could not be reached at all, it is this machine's network.
const UNREACHED: u32 = 2;

/// Decides after a failed attempt; `seed` is the chance in a wait of our own.
///
/// The same candidate is asked again only where it can help and can harm nothing: the class goes away by itself, or the
/// server says so, nothing that was done would be done twice, a try is left, and the wait that was asked for fits. Then
/// another candidate is taken, one that gets away from what failed. Then a known reset is waited for, where that is
/// wished.
pub fn decide(failure: &Failure, history: &History, policy: &Policy, now: Timestamp, seed: u64) -> Decision {
    match failure.class {
        FaultClass::UserAbort | FaultClass::BudgetLimit => return Decision::Abort,
        FaultClass::ContextOverflow => return too_large(history, policy),
        _ => {}
    }
    // Who may have taken the request and keeps it may be at work on it still.
    if failure.maybe_accepted && !history.ways.repeatable || everywhere(failure, history) {
        return Decision::GiveUp;
    }
    // What was done is not done twice by the same agent; another one is told of it.
    let done = failure.emitted_output && !history.ways.repeatable;
    if !done && let Some(after) = again(failure, history, policy, now, seed) {
        return Decision::RetrySame { after };
    }
    if history.fallbacks < policy.max_fallbacks
        && let Some(reach) = reaches(failure).iter().find(|reach| history.ways.open(**reach))
    {
        return Decision::FallBack { reach: *reach };
    }
    match (cooldown::cooldown(failure, 0, now), cooldown::said(failure, now)) {
        // Short waits without an end are no reset, but a server that always says the same.
        (Some(cooling), Some(at))
            if cooling.firm
                && history.ways.patient
                && (history.identical < PATTERN || at > after(now, policy.wait)) =>
        {
            Decision::WaitUntil { at }
        }
        _ => Decision::GiveUp,
    }
}

/// A conversation that is larger than the window is told shorter once, or told to a larger window; any other candidate
/// would refuse it too.
fn too_large(history: &History, policy: &Policy) -> Decision {
    if history.ways.compact && !history.compacted {
        Decision::Compact
    } else if history.ways.window && history.fallbacks < policy.max_fallbacks {
        Decision::FallBack { reach: Reach::Window }
    } else {
        Decision::GiveUp
    }
}

/// Whether every candidate fails alike, so that the rest of the chain would too.
fn everywhere(failure: &Failure, history: &History) -> bool {
    let pattern = if unreached(failure) { UNREACHED } else { PATTERN };
    history.identical_candidates >= pattern
}

/// Whether no server was reached at all: refused, or a name that is not known.
fn unreached(failure: &Failure) -> bool {
    failure.class == FaultClass::Transport && {
        let words = read::normal(read::head(&failure.evidence, super::EVIDENCE_BYTES));
        phrases::UNREACHED.iter().any(|phrase| read::says(&words, phrase))
    }
}

/// The wait before the same candidate is asked again; `None` where it is not.
fn again(
    failure: &Failure,
    history: &History,
    policy: &Policy,
    now: Timestamp,
    seed: u64,
) -> Option<Duration> {
    let allowed = match failure.class {
        // Whoever answered knows best whether it can help.
        _ if failure.should_retry == Some(false) => 0,
        _ if failure.should_retry == Some(true) => policy.same_model,
        // A silent start may be a queue somewhere; twice is a pattern.
        FaultClass::FirstEventTimeout if !policy.persistent => policy.same_model.min(1),
        class if retryable(class) => policy.same_model,
        _ => 0,
    };
    if history.retries >= allowed || (history.identical >= PATTERN && !policy.persistent) {
        return None;
    }
    let left = policy.wait.checked_sub(history.waited)?;
    match failure.retry_after {
        // As it was asked for; one that can not be meant is none that we could keep.
        Some(wait) => Duration::try_from_secs_f64(wait).ok().filter(|wait| *wait <= left),
        None => match cooldown::said(failure, now).map(|at| Duration::try_from(at.duration_since(now))) {
            Some(Ok(wait)) if !wait.is_zero() => Some(wait).filter(|wait| *wait <= left),
            // Nothing was said, or a time that is over.
            _ => Some(jitter::backoff(history.retries, seed)).filter(|wait| *wait <= left),
        },
    }
}
