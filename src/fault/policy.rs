//! What a class leads to. Pure: time and chance are arguments.

use std::time::Duration;

use crate::event::{Failure, FaultClass};

/// What a profile allows after a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Retries on the same model.
    pub same_model: u32,
    /// A server-given wait up to this long is waited out.
    pub wait: Duration,
}

/// What to do with a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The same request again.
    RetrySame {
        /// After this long.
        after: Duration,
    },
    /// The attempt's failure is the round's.
    GiveUp,
}

/// The longest wait that we choose ourselves.
const BACKOFF_CAP: Duration = Duration::from_secs(30);

/// Decides after a failed attempt; `tries` is how many retries there have been, `seed` is the chance in the wait.
///
/// A retry is made only where it can help and can harm nothing: the class goes away by itself, or the server says so, no
/// content had come, a try is left, and the wait that the server asked for is one we are ready for.
pub fn decide(failure: &Failure, tries: u32, policy: &Policy, seed: u64) -> Decision {
    let tries_allowed = match failure.class {
        // Whoever answered knows best whether it can help.
        _ if failure.should_retry == Some(false) => 0,
        _ if failure.should_retry == Some(true) => policy.same_model,
        // A silent start may be a queue somewhere; twice is a pattern.
        FaultClass::FirstEventTimeout => policy.same_model.min(1),
        class if retryable(class) => policy.same_model,
        _ => 0,
    };
    if failure.emitted_output || tries >= tries_allowed {
        return Decision::GiveUp;
    }
    let Some(wait) = failure.retry_after else {
        let ceiling = Duration::from_secs(1).saturating_mul(1_u32 << tries.min(10)).min(BACKOFF_CAP);
        return Decision::RetrySame { after: ceiling.mul_f64(fraction(seed)) };
    };
    match Duration::try_from_secs_f64(wait) {
        // A little later than asked, so that many callers do not come back in one instant.
        Ok(wait) if wait <= policy.wait => {
            let spread = (wait / 10).min(Duration::from_secs(1));
            Decision::RetrySame { after: wait.saturating_add(spread.mul_f64(fraction(seed))) }
        }
        _ => Decision::GiveUp,
    }
}

/// Whether the class goes away by itself, so that the same request to the same model may work.
pub fn retryable(class: FaultClass) -> bool {
    matches!(
        class,
        FaultClass::RateLimited
            | FaultClass::Overloaded
            | FaultClass::ServerError
            | FaultClass::Transport
            | FaultClass::FirstEventTimeout
    )
}

/// Whether another round would fail the same way, so that the run ends here.
pub fn ends_run(class: FaultClass) -> bool {
    matches!(
        class,
        FaultClass::Auth
            | FaultClass::ConfigMissing
            | FaultClass::QuotaExhausted
            | FaultClass::ModelNotFound
            | FaultClass::Forbidden
    )
}

/// Whether backend, credentials or environment are not to be had: what exit code 4 says.
pub fn unavailable(class: FaultClass) -> bool {
    ends_run(class)
        || matches!(
            class,
            FaultClass::RateLimited
                | FaultClass::Overloaded
                | FaultClass::ServerError
                | FaultClass::Transport
        )
}

/// A number from 0 to 1 out of a seed (`SplitMix64`, so that seeds that follow each other are far apart).
fn fraction(seed: u64) -> f64 {
    let mut mixed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^= mixed >> 31;
    // 32 bits are plenty for a wait and fit a float exactly.
    let [a, b, c, d, ..] = mixed.to_be_bytes();
    f64::from(u32::from_be_bytes([a, b, c, d])) / f64::from(u32::MAX)
}
