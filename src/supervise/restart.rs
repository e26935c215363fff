//! What comes after a round. Pure: the fold, the profile and the time in, a verdict out.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::engine::{Pause, View, counted, reached};
use crate::event::{
    Failure, FaultClass, RoundNumber, RoundOutcome, RoundSummary, RunOutcome, Streak, Tally, WaitCause,
};
use crate::fault;
use crate::profile::{OnLimit, PhasePolicy, Supervise, Until};

/// A server-given time further away than this is no time, but a mistake.
const FARTHEST: SignedDuration = SignedDuration::from_hours(366 * 24);
/// Pauses for want of memory within this time count together.
const MEMORY_WINDOW: SignedDuration = SignedDuration::from_hours(2);
/// So many of them end the loop.
const MEMORY_PAUSES: usize = 3;
/// What is added to a wait of our own making, so that many do not come back at once.
const SPREAD: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(30));

/// What the last round leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing stands in the way of the next round.
    Ready,
    /// A wait comes first.
    Wait(Pause),
    /// The loop ends.
    End(RunOutcome, String),
}

/// What the last round leads to. `seed` draws the spread of waits.
pub fn verdict(settings: &Supervise, view: &View<'_>, seed: u64) -> Verdict {
    let tally = view.tally;
    let done = counted(tally);
    if let Some(rounds) = settings.rounds.filter(|rounds| done >= *rounds) {
        return Verdict::End(RunOutcome::Done, format!("{rounds} of {rounds} rounds are done, as asked for"));
    }
    let Some(last) = tally.last_round() else { return ceiling(view).unwrap_or(Verdict::Ready) };
    if settings.until == Until::Delivered && last.check.as_ref().is_some_and(|check| check.delivered) {
        return Verdict::End(RunOutcome::Delivered, format!("the check passed after round {}", last.round));
    }
    if let Some(end) = ceiling(view) {
        return end;
    }
    if let Some((outcome, why)) = breaker(settings, tally, last, view.now) {
        return Verdict::End(outcome, why);
    }
    let Some(settled_at) = tally.settled_at.filter(|_| tally.waited.is_none()) else { return Verdict::Ready };
    match wait(settings, &tally.streak, last, settled_at, seed) {
        // The clock decides, so that a restart in the wait does not begin it anew.
        Some(pause) if pause.until > view.now => Verdict::Wait(pause),
        _ => Verdict::Ready,
    }
}

fn ceiling(view: &View<'_>) -> Option<Verdict> {
    reached(view).map(|(outcome, why)| Verdict::End(outcome, why))
}

/// The breakers: why the loop must not go on.
fn breaker(
    settings: &Supervise,
    tally: &Tally,
    last: &RoundSummary,
    now: Timestamp,
) -> Option<(RunOutcome, String)> {
    let (streak, limits) = (&tally.streak, &settings.give_up);
    let failure = last.failure.as_ref();
    if let Some(missing) = failure.filter(|failure| failure.class == FaultClass::ConfigMissing) {
        return Some((RunOutcome::Misconfigured, missing.combined()));
    }
    if settings.on_limit == OnLimit::Stop
        && let Some(limit) = failure.filter(|failure| failure.class.is_of_provider())
    {
        let why = format!("`supervise.on_limit` is `stop`: {}: {}", limit.class, limit.combined());
        return Some((RunOutcome::Unavailable, why));
    }
    let because = || failure.map_or_else(String::new, |failure| format!("; the last: {}", said(failure)));
    let reached = |count: u64, limit: u64| limit > 0 && count >= limit;
    if reached(streak.memory, limits.memory) && !streak.memory_paused {
        let recent =
            streak.memory_pauses.iter().filter(|at| now.duration_since(**at) <= MEMORY_WINDOW).count();
        if recent + 1 >= MEMORY_PAUSES {
            let why = format!(
                "memory loop: {} rounds in a row were ended for want of memory, for the {}th time within two hours{}",
                streak.memory,
                recent + 1,
                because()
            );
            return Some((RunOutcome::GaveUp, why));
        }
    }
    if reached(streak.crashes, limits.crashes) {
        let why =
            format!("crash loop: {} rounds in a row failed within a minute{}", streak.crashes, because());
        return Some((RunOutcome::GaveUp, why));
    }
    if reached(streak.idle, limits.idle) {
        let why = format!(
            "no progress: {} rounds in a row ended well within 30 s and used no model, though this agent reports what it uses",
            streak.idle
        );
        return Some((RunOutcome::GaveUp, why));
    }
    None
}

fn said(failure: &Failure) -> String {
    format!("{}: {}", failure.class, failure.combined())
}

/// The wait that a round leaves behind.
fn wait(
    settings: &Supervise,
    streak: &Streak,
    last: &RoundSummary,
    settled_at: Timestamp,
    seed: u64,
) -> Option<Pause> {
    let pause = settings.pause.0;
    let after = |cause, reason: String, length: Duration| {
        let until = settled_at.checked_add(length).unwrap_or(Timestamp::MAX);
        Some(Pause { cause, reason, until })
    };
    let Some(failure) = &last.failure else {
        return match last.outcome {
            RoundOutcome::Stopped | RoundOutcome::Interrupted => None,
            _ => after(WaitCause::Pause, format!("the pause after round {}", last.round), pause),
        };
    };
    if matches!(last.outcome, RoundOutcome::Stopped | RoundOutcome::Interrupted) {
        return None;
    }
    if failure.is_environmental() {
        return after(WaitCause::Environment, said(failure), pause.saturating_mul(2));
    }
    if failure.is_memory() {
        let limit = settings.give_up.memory;
        return if limit > 0 && streak.memory >= limit {
            let reason = format!("{} rounds in a row were ended for want of memory", streak.memory);
            after(WaitCause::MemoryLoop, reason, settings.backoff.ceiling.0)
        } else {
            after(WaitCause::Backoff, said(failure), pause.saturating_mul(2))
        };
    }
    if failure.class.is_of_provider() {
        return match settings.on_limit {
            OnLimit::Skip | OnLimit::Stop => after(WaitCause::Pause, said(failure), pause),
            // Another phase may go on; whose limit it is waits by itself.
            OnLimit::Wait if settings.phase_policy == PhasePolicy::Skip && last.phase.is_some() => {
                after(WaitCause::Pause, said(failure), pause)
            }
            OnLimit::Wait => Some(limit(settings, streak.throttled, failure, last.round, settled_at, seed)),
        };
    }
    if streak.crashes > 0 {
        let reason =
            format!("{} rounds in a row failed within a minute; the last: {}", streak.crashes, said(failure));
        return after(WaitCause::Backoff, reason, doubled(pause, streak.crashes, settings.backoff.ceiling.0));
    }
    after(WaitCause::Pause, said(failure), pause.saturating_mul(2))
}

/// The wait after a failure of the provider: what the server said, to the letter, or the ladder.
///
/// `in_a_row` counts such failures, this one included.
pub fn limit(
    settings: &Supervise,
    in_a_row: u64,
    failure: &Failure,
    round: RoundNumber,
    settled_at: Timestamp,
    seed: u64,
) -> Pause {
    let told = failure
        .retry_after
        .filter(|after| after.is_finite() && *after > 0.0)
        .and_then(|after| settled_at.checked_add(Duration::try_from_secs_f64(after).ok()?).ok());
    let believable = |at: &Timestamp| *at > settled_at && at.duration_since(settled_at) <= FARTHEST;
    if let Some(until) = failure.reset_at.or(told).filter(believable) {
        return Pause { cause: WaitCause::Limit, reason: said(failure), until };
    }
    // What the way to the provider suffers from is over sooner than what it suffers from itself.
    let base = settings.backoff.base.0;
    let base = if failure.class == FaultClass::Transport { base / 2 } else { base };
    let length = doubled(base, in_a_row.saturating_sub(1), settings.backoff.ceiling.0);
    let until = settled_at.checked_add(length + spread(seed, round)).unwrap_or(Timestamp::MAX);
    let reason = format!("{} (failure {} in a row)", said(failure), in_a_row.max(1));
    Pause { cause: WaitCause::Limit, reason, until }
}

/// `base` times two to the power of `times`, no longer than `ceiling`.
fn doubled(base: Duration, times: u64, ceiling: Duration) -> Duration {
    let factor = u32::try_from(times).ok().and_then(|times| 1_u32.checked_shl(times)).unwrap_or(u32::MAX);
    base.saturating_mul(factor).min(ceiling)
}

/// Between [`SPREAD`], drawn for this round of this run and no other: a restart draws the same.
fn spread(seed: u64, round: RoundNumber) -> Duration {
    let (least, most) = SPREAD;
    least + most.saturating_sub(least).mul_f64(fault::fraction(seed.wrapping_add(round.0)))
}

#[cfg(test)]
mod tests;
