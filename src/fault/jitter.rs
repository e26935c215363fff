//! Waits of our own choice. Chance is an argument.

use std::time::Duration;

/// What the first wait is at most.
const BASE: Duration = Duration::from_secs(1);

/// The longest wait that we choose ourselves.
const CAP: Duration = Duration::from_secs(8);

/// The part of a ceiling that is always waited. Any more than half of it makes each wait longer than the one before.
const FLOOR: f64 = 0.6;

/// A wait before retry number `retries` (from 0): a ceiling that doubles from 1 s to 8 s, with jitter over its upper part,
/// so that many callers that failed in one instant do not come back in one, and each comes back later every time.
///
/// Marc Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015, "equal jitter" with another floor: his
/// full jitter draws a second wait shorter than the first in a quarter of all cases, which a server cannot tell from no
/// back-off at all.
pub(super) fn backoff(retries: u32, seed: u64) -> Duration {
    let ceiling = BASE.saturating_mul(1_u32 << retries.min(10)).min(CAP);
    ceiling.mul_f64(FLOOR + (1.0 - FLOOR) * fraction(seed))
}

/// A number from 0 to 1 out of a seed (`SplitMix64` of Steele, Lea and Flood, 2014: seeds that follow each other are far apart).
pub fn fraction(seed: u64) -> f64 {
    let mut mixed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^= mixed >> 31;
    // 32 bits are plenty for a wait and fit a float exactly.
    let [a, b, c, d, ..] = mixed.to_be_bytes();
    f64::from(u32::from_be_bytes([a, b, c, d])) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_wait_is_within_its_ceiling(retries in any::<u32>(), seed in any::<u64>()) {
            let ceiling = [1, 2, 4, 8].get(retries.min(3) as usize).copied().unwrap_or_default();
            let wait = backoff(retries, seed);
            prop_assert!(wait <= Duration::from_secs(ceiling));
            prop_assert!(wait >= Duration::from_secs(ceiling).mul_f64(FLOOR));
        }

        #[test]
        fn each_wait_is_longer_than_the_one_before(retries in 0_u32..3, first in any::<u64>(), second in any::<u64>()) {
            prop_assert!(backoff(retries + 1, second) > backoff(retries, first).mul_f64(1.1));
        }
    }

    #[test]
    fn seeds_that_follow_each_other_spread_over_the_whole_range() {
        let waits: Vec<Duration> = (0..1000).map(|seed| backoff(3, seed)).collect();
        let in_quarter = |n: u64| {
            let at = |quarters: u64| Duration::from_millis(4_800 + 800 * quarters);
            let quarter = at(n)..at(n + 1);
            waits.iter().filter(|wait| quarter.contains(wait)).count()
        };
        for quarter in 0..4 {
            assert!((200..300).contains(&in_quarter(quarter)), "{quarter}: {}", in_quarter(quarter));
        }
    }
}
