//! How scores, bounds and chances look. All scores are from 0 to 1; a lift is a difference of two of them.

use crate::event::Estimate;

/// A count to reckon with.
#[expect(clippy::cast_precision_loss, reason = "cells of one run are far below 2^52")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

/// Three decimals; what these would make zero, and is not, gets as many as it needs, up to six.
pub(super) fn number(value: f64) -> String {
    if !value.is_finite() {
        return "unknown".to_owned();
    }
    let decimals = (3..6).find(|decimals| value == 0.0 || !is_zero(value, *decimals)).unwrap_or(6);
    let text = format!("{value:.decimals$}");
    // A negative zero is a zero.
    if is_zero(value, decimals) { text.trim_start_matches('-').to_owned() } else { text }
}

fn is_zero(value: f64, decimals: usize) -> bool {
    format!("{value:.decimals$}").chars().all(|c| !c.is_ascii_digit() || c == '0')
}

/// The smallest effect that could be seen. One that six decimals make zero is that of units which all differ alike: `any`.
pub(super) fn seen(effect: f64) -> String {
    if is_any(effect) { "any".to_owned() } else { number(effect) }
}

/// Whether any effect could be seen, however small.
pub(super) fn is_any(effect: f64) -> bool {
    effect.is_finite() && is_zero(effect, 6)
}

/// The same with its sign.
pub(super) fn signed(value: f64) -> String {
    let text = number(value);
    let plain = text.starts_with('-') || value.is_nan() || is_zero(value, 6);
    if plain { text } else { format!("+{text}") }
}

/// A lift has a sign, a rate has none.
pub(super) fn effect(value: f64, lift: bool) -> String {
    if lift { signed(value) } else { number(value) }
}

/// `[+0.011, +0.109]`; a bound that is not there is `-`.
pub(super) fn bounds(estimate: &Estimate, lift: bool) -> String {
    let bound = |bound: Option<f64>| bound.map_or_else(|| "-".to_owned(), |bound| effect(bound, lift));
    if estimate.low.is_none() && estimate.high.is_none() {
        return "-".to_owned();
    }
    format!("[{}, {}]", bound(estimate.low), bound(estimate.high))
}

/// Mean and bounds.
pub(super) fn estimate(estimate: &Estimate, lift: bool) -> String {
    match bounds(estimate, lift).as_str() {
        "-" => effect(estimate.mean, lift),
        bounds => format!("{} {bounds}", effect(estimate.mean, lift)),
    }
}

/// `0.0310`, `<0.0001`.
pub(super) fn chance(p: f64) -> String {
    if p < 0.0001 { "<0.0001".to_owned() } else { format!("{p:.4}") }
}

/// A share as percent, without a decimal that says nothing: `95 %`, `97.5 %`.
pub(super) fn percent(share: f64) -> String {
    let text = format!("{:.1}", share * 100.0);
    format!("{} %", text.strip_suffix(".0").unwrap_or(&text))
}

/// A part of a whole as percent, rounded down: what is not whole is never shown as 100 %.
pub(super) fn part(part: u64, whole: u64) -> String {
    match u128::from(part).saturating_mul(1000).checked_div(u128::from(whole)) {
        None => "none".to_owned(),
        Some(permille) if permille % 10 == 0 => format!("{} %", permille / 10),
        Some(permille) => format!("{}.{} %", permille / 10, permille % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_counts_is_rounded_away() {
        assert_eq!(
            [0.0, -0.0, 0.84, 0.0004, -0.000_04, 1e-9, f64::NAN].map(number),
            ["0.000", "0.000", "0.840", "0.0004", "-0.00004", "0.000000", "unknown"]
        );
        assert_eq!(
            [0.06, -0.06, 0.0, -0.0, 0.0002].map(signed),
            ["+0.060", "-0.060", "0.000", "0.000", "+0.0002"]
        );
        assert_eq!([0.018, 0.000_02].map(chance), ["0.0180", "<0.0001"]);
        assert_eq!([9e-13, 0.0, 0.000_001, 0.1].map(seen), ["any", "any", "0.000001", "0.100"]);
    }

    #[test]
    fn only_the_whole_is_all_of_it() {
        assert_eq!(part(1999, 2000), "99.9 %");
        assert_eq!(part(99_999, 100_000), "99.9 %");
        assert_eq!((part(5, 5).as_str(), part(0, 0).as_str()), ("100 %", "none"));
        assert_eq!([0.95, 0.975].map(percent), ["95 %", "97.5 %"]);
    }

    #[test]
    fn a_bound_that_is_not_there_is_no_number() {
        let low = Estimate { mean: 0.06, low: Some(0.011), high: None };
        assert_eq!(bounds(&low, true), "[+0.011, -]");
        assert_eq!(estimate(&Estimate { mean: 0.5, low: None, high: None }, false), "0.500");
    }
}
