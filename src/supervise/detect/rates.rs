//! What share of the last rounds went wrong in one way.

use crate::event::{FaultClass, RoundOutcome, RoundSummary, Tally};
use crate::profile::{Alarm, Detect};

/// The fold keeps so many rounds; a longer window is one of these.
const KEPT: usize = 32;

/// Of each alarm that is a share of the last rounds: what it says, where there are too many. Nothing at all before so many
/// rounds have settled.
pub(super) fn over(settings: &Detect, tally: &Tally) -> Vec<(Alarm, Option<String>)> {
    let window = (settings.rate_window as usize).min(KEPT);
    // What a person has ended, or what could not begin, says nothing of the agent.
    let counts = |round: &&RoundSummary| {
        !matches!(round.outcome, RoundOutcome::Stopped | RoundOutcome::Interrupted)
            && !round.failure.as_ref().is_some_and(crate::event::Failure::is_environmental)
    };
    let last: Vec<&RoundSummary> = tally.settled.iter().rev().filter(counts).take(window).collect();
    if window == 0 || last.len() < window {
        return Vec::new();
    }
    let of = |class: FaultClass| {
        move |round: &RoundSummary| round.failure.as_ref().is_some_and(|failure| failure.class == class)
    };
    let too_many = |wrong: &dyn Fn(&RoundSummary) -> bool, what: &str| {
        let hits = last.iter().filter(|round| wrong(round)).count();
        let too_many = hits > 0 && share(hits, window) >= settings.rate_threshold;
        too_many.then(|| format!("{hits} of the last {window} rounds {what}"))
    };
    vec![
        (
            Alarm::TimeoutRate,
            too_many(&|round| round.outcome == RoundOutcome::TimedOut, "ran into a deadline"),
        ),
        (Alarm::NetworkFailures, too_many(&of(FaultClass::Transport), "failed of the network")),
        (Alarm::NoFirstEvent, too_many(&of(FaultClass::FirstEventTimeout), "never heard of their agent")),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "at most 32")]
fn share(hits: usize, window: usize) -> f64 {
    hits as f64 / window as f64
}
