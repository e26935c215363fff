//! Whether a loop that should be at work has gone silent. Asked by whoever reads the journal, not by the loop.

use jiff::{SignedDuration, Timestamp};

use crate::event::{Phase, Tally};
use crate::profile::{Round, Supervise};

/// A round may be silent for its whole wall; half of it more, and nobody is at work.
const WALLS: f64 = 1.5;

/// What is to be said of a loop whose newest event is older than `supervise.detect.stale`; `None` where all is well.
///
/// A wait is silent by its nature: it counts from its end. A check is silent too, so the threshold should be longer than
/// `check.timeout`. A run that has ended is never stale, and neither is one whose
/// threshold is 0. Only the loop itself writes to its journal, so each event is a sign of its life; reading leaves none.
pub fn stale(settings: &Supervise, round: &Round, tally: &Tally, now: Timestamp) -> Option<String> {
    let threshold = match settings.detect.stale {
        Some(stale) => SignedDuration::try_from(stale.0).ok()?,
        None => SignedDuration::try_from_secs_f64(round.timeout.0.as_secs_f64() * WALLS).ok()?,
    };
    if threshold.is_zero() || matches!(tally.phase, Phase::Ended | Phase::Empty) {
        return None;
    }
    let newest = tally.last_at?;
    let from = tally.wait.as_ref().map_or(newest, |(_, until)| newest.max(*until));
    let silent = now.duration_since(from);
    if silent <= threshold {
        return None;
    }
    let waited = match &tally.wait {
        Some((reason, until)) => format!(", and the wait ({reason}) should have ended at {until}"),
        None => String::new(),
    };
    Some(format!("nothing was written since {newest}, more than {} s ago{waited}", threshold.as_secs()))
}
