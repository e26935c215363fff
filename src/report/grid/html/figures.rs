//! How figures read on the page: those of every other report, with a true minus.

use crate::event::{Estimate, Spend, Usage};
use crate::report::human::style;

use super::super::figure;

/// A score, or with `lift` a difference of two.
pub(super) fn value(value: f64, lift: bool) -> String {
    // What sums of fractions leave behind is a zero.
    let value = if value.abs() < 5e-10 { 0.0 } else { value };
    minus(&figure::effect(value, lift))
}

/// Both bounds; empty where there are none.
pub(super) fn bounds(estimate: &Estimate, lift: bool) -> String {
    match (estimate.low, estimate.high) {
        (None, None) => String::new(),
        (Some(low), Some(high)) => format!("{} to {}", value(low, lift), value(high, lift)),
        (Some(low), None) => format!("{} or more", value(low, lift)),
        (None, Some(high)) => format!("{} or less", value(high, lift)),
    }
}

/// A share as percent, kept on one line.
pub(super) fn percent(share: f64) -> String {
    figure::percent(share).replace(' ', "\u{a0}")
}

/// A tick: as few places as it needs, at most four.
pub(super) fn tick(value: f64, lift: bool) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    match text {
        "-0" | "0" | "" => "0".to_owned(),
        text if lift && !text.starts_with('-') => format!("+{text}"),
        text => minus(text),
    }
}

/// Dollars of one of many, which may be very small: two digits that count.
pub(super) fn dollars(usd: f64) -> String {
    if !usd.is_finite() {
        return "unknown".to_owned();
    }
    let places = (2..8).find(|places| usd.abs() * 10_f64.powi(*places) >= 9.5).unwrap_or(8);
    let places = usize::try_from(places).unwrap_or(2);
    if usd == 0.0 { "$0".to_owned() } else { format!("{}${:.places$}", sign(usd), usd.abs()) }
}

/// Tokens of one of many, on average.
pub(super) fn tokens(mean: f64) -> String {
    if mean < 1_000.0 { format!("{mean:.0}") } else { format!("{:.1}k", mean / 1_000.0) }
}

fn sign(value: f64) -> &'static str {
    if value < 0.0 { "\u{2212}" } else { "" }
}

/// What a run, or a part of it, has spent.
pub(super) fn spent(spend: &Spend) -> String {
    style::money(spend)
}

/// What one cell has consumed, in words.
pub(super) fn usage(usage: Option<&Usage>) -> String {
    match usage {
        None => "spend not reported".to_owned(),
        Some(usage) => {
            let tokens = format!("{} in, {} out", style::count(usage.input), style::count(usage.output));
            match usage.usd {
                Some(usd) => format!("{}, {tokens}", dollars(usd)),
                None => format!("price unknown, {tokens}"),
            }
        }
    }
}

/// `1,234`.
pub(super) fn whole(n: u64) -> String {
    let digits = n.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn minus(text: &str) -> String {
    text.replace('-', "\u{2212}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        assert_eq!([0.072, -0.05, -0.0].map(|lift| value(lift, true)), ["+0.072", "−0.050", "0.000"]);
        let ticks = [0.1, -0.05, -0.0, 0.125, 0.300_000_000_000_004, 1.0].map(|at| tick(at, false));
        assert_eq!(ticks, ["0.1", "−0.05", "0", "0.125", "0.3", "1"]);
        assert_eq!([0.1, 0.0].map(|at| tick(at, true)), ["+0.1", "0"]);
        let both = Estimate { mean: 0.05, low: Some(-0.01), high: Some(0.11) };
        assert_eq!(bounds(&both, true), "−0.010 to +0.110");
        assert_eq!(bounds(&Estimate { high: None, ..both }, true), "−0.010 or more");
        assert_eq!(bounds(&Estimate { low: None, ..both }, false), "0.110 or less");
        assert_eq!(bounds(&Estimate { low: None, high: None, ..both }, false), "");
        assert_eq!([0.0, 389.6, 12_345.0].map(tokens), ["0", "390", "12.3k"]);
        assert_eq!([7, 999, 1_000, 1_234_567].map(whole), ["7", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [0.0, 12.345, 0.001_234, 0.000_002_1, -0.5].map(dollars),
            ["$0", "$12.35", "$0.0012", "$0.0000021", "−$0.50"]
        );
    }
}
