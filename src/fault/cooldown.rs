//! How long a party that failed is left alone. Pure: the time is an argument.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::event::{Failure, FaultClass, FaultScope};

/// For how long, and what, is not to be asked again after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cooldown {
    /// What cools: the model at the account, the account, or the provider.
    pub scope: FaultScope,
    /// Until when.
    pub until: Timestamp,
    /// Whether the server said until when; else it is our own estimate, which binds nobody who has no other choice.
    pub firm: bool,
}

/// A refused key. Another key is another account; and a login that was renewed, or a right that was given, is found out
/// by asking, which costs nothing.
const REFUSED: Duration = Duration::from_hours(24);
/// A used-up quota of which nobody says when it resets.
const QUOTA: Duration = Duration::from_hours(1);
/// A model that is not there.
const NO_MODEL: Duration = Duration::from_hours(1);
/// The longest wait that is estimated.
const LADDER_CAP: Duration = Duration::from_mins(30);
/// The ladder has this many steps; from there on it stays.
const STEPS: u32 = 5;
/// A reset further ahead than this is a mistake.
const AHEAD: SignedDuration = SignedDuration::from_hours(366 * 24);
/// A reset further back than this is one too.
const BACK: SignedDuration = SignedDuration::from_hours(24);

/// What is left alone after a failure, and until when.
///
/// `strikes` is how many failures in a row there were before this one, with no success between. A time that the server
/// said is taken as it is, and alone is firm: a quota may be filled and a key let in at any moment, and finding that out
/// costs a refused request. Else quota, key and model have lengths of their own, and what goes away by itself has a base
/// that doubles with each strike up to 32 times and half an hour. Nothing cools for a failure that is about the request,
/// for an end that somebody wanted, or for what is missing on this machine: that costs nothing to find out again, and is
/// repaired here.
pub fn cooldown(failure: &Failure, strikes: u32, now: Timestamp) -> Option<Cooldown> {
    let scope = scope(failure)?;
    let estimate = |length: Duration| Some(Cooldown { scope, until: after(now, length), firm: false });
    let ladder =
        |base: u64, strikes: u32| estimate(Duration::from_secs(base << strikes.min(STEPS)).min(LADDER_CAP));
    match failure.class {
        FaultClass::Auth | FaultClass::Forbidden | FaultClass::ConfigMissing => return estimate(REFUSED),
        FaultClass::ModelNotFound => return estimate(NO_MODEL),
        _ => {}
    }
    if let Some(until) = said(failure, now) {
        return Some(Cooldown { scope, until, firm: true });
    }
    match failure.class {
        FaultClass::QuotaExhausted => estimate(QUOTA),
        FaultClass::RateLimited | FaultClass::Overloaded => ladder(60, strikes),
        FaultClass::ServerError | FaultClass::FirstEventTimeout | FaultClass::Stall => ladder(30, strikes),
        // One lost connection says nothing.
        FaultClass::Transport => ladder(15, strikes.checked_sub(1)?),
        _ => None,
    }
}

/// When the server said to come back; `None` for what can not be meant, such as a reset two years ahead.
pub(super) fn said(failure: &Failure, now: Timestamp) -> Option<Timestamp> {
    let near = |at: &Timestamp| {
        let ahead = at.duration_since(now);
        (-BACK..=AHEAD).contains(&ahead)
    };
    let wait = || SignedDuration::try_from_secs_f64(failure.retry_after.filter(|wait| *wait >= 0.0)?).ok();
    failure.reset_at.filter(near).or_else(|| now.checked_add(wait()?).ok().filter(near))
}

/// What cools, which is no wider than what could be asked in its place; `None` where nothing does.
fn scope(failure: &Failure) -> Option<FaultScope> {
    use FaultScope::{Account, Local, Model, Provider};
    let (class, reach) = (failure.class, failure.scope);
    if reach == Local {
        // What is missing here is nothing that others would have to know of.
        return None;
    }
    // As far as it is known to reach; of what provost itself establishes only the class is known.
    let known = |class| Some(if matches!(reach, Model | Account | Provider) { reach } else { class });
    match class {
        // Another key may be let in where this one is not, so no provider cools for it.
        FaultClass::Auth | FaultClass::Forbidden | FaultClass::ConfigMissing => Some(Account),
        FaultClass::ModelNotFound => Some(Model),
        FaultClass::RateLimited | FaultClass::Overloaded => known(Model),
        FaultClass::QuotaExhausted => known(Account),
        FaultClass::ServerError
        | FaultClass::Transport
        | FaultClass::FirstEventTimeout
        | FaultClass::Stall => known(Provider),
        _ => None,
    }
}

pub(super) fn after(now: Timestamp, length: Duration) -> Timestamp {
    now.checked_add(length).unwrap_or(Timestamp::MAX)
}
