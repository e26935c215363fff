//! A stand-in with the signature of `fault::cooldown`, until that is merged: delete this file then, and let `book.rs`
//! use `crate::fault::{Cooldown, cooldown}`.

use jiff::{SignedDuration, Timestamp};

use crate::event::{Failure, FaultClass, FaultScope};

/// How long a party is not to be asked after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cooldown {
    /// What cools: the model, the account or the provider.
    pub(super) scope: FaultScope,
    /// Until when.
    pub(super) until: Timestamp,
    /// Whether the server said so.
    pub(super) firm: bool,
}

/// What a failure means for those who come next; `strikes` are earlier ones in a row without a success between.
pub(super) fn cooldown(failure: &Failure, strikes: u32, now: Timestamp) -> Option<Cooldown> {
    use FaultClass as C;
    let usual = match failure.class {
        C::RateLimited | C::QuotaExhausted | C::Auth | C::Forbidden | C::ConfigMissing => FaultScope::Account,
        C::Overloaded | C::ModelNotFound => FaultScope::Model,
        C::ServerError | C::Transport | C::FirstEventTimeout | C::Stall | C::RoundTimeout => {
            FaultScope::Provider
        }
        _ => return None,
    };
    let scope = match failure.scope {
        FaultScope::Local => return None,
        FaultScope::Request => usual,
        scope => scope,
    };
    let after = |seconds: i64| now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX);
    let given = failure.reset_at.or_else(|| {
        let wait = failure.retry_after.filter(|wait| wait.is_finite() && *wait > 0.0)?;
        let wait = SignedDuration::try_from_secs_f64(wait.min(366.0 * 86_400.0)).ok()?;
        now.checked_add(wait).ok()
    });
    let ladder = |base: i64| after((base << strikes.min(5)).min(1_800));
    let (until, firm) = match (failure.class, given) {
        (C::ModelNotFound, _) | (C::QuotaExhausted, None) => (after(3_600), true),
        (C::Auth | C::Forbidden | C::ConfigMissing, _) => (after(7 * 86_400), true),
        (_, Some(given)) => (given, true),
        (C::Transport, None) if strikes == 0 => return None,
        (C::Transport, None) => (ladder(15), false),
        (C::RateLimited | C::Overloaded, None) => (ladder(60), false),
        _ => (ladder(30), false),
    };
    Some(Cooldown { scope, until, firm })
}
