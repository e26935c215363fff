//! Student's t distribution.

use super::StatsError;
use super::beta::share_below;
use super::root;

const FREEDOM: &str = "from 1e-99 to 1e10";

/// P(T ≤ t) with `df` degrees of freedom, which need not be whole.
///
/// P(T > t) = ½ I_{df/(df+t²)}(df/2, ½) for t ≥ 0 (Abramowitz and Stegun 1964, 26.7.1), for every `df`: there is no step
/// to the normal. Domain: finite t; 1e-99 ≤ df ≤ 1e10.
pub fn t_cdf(t: f64, df: f64) -> Result<f64, StatsError> {
    StatsError::check("t", t, "finite", |_| true)?;
    freedom(df)?;
    let tail = upper_tail(t.abs(), df)?;
    Ok(if t > 0.0 { 1.0 - tail } else { tail })
}

/// The t with P(T ≤ t) = p. Domain: 0 < p < 1; 1e-99 ≤ df ≤ 1e10. A value beyond the largest number is that number.
pub fn t_quantile(p: f64, df: f64) -> Result<f64, StatsError> {
    StatsError::check("p", p, "above 0 and below 1", |p| p > 0.0 && p < 1.0)?;
    freedom(df)?;
    let tail = p.min(1.0 - p);
    if tail >= 0.5 {
        return Ok(0.0);
    }
    // Between the two, the inner probability has the digits.
    let size = if tail > 0.25 {
        let inner = 1.0 - 2.0 * tail;
        root::first(0.0, f64::MAX, |t| inside(t, df).map(|share| share >= inner))?
    } else {
        root::first(0.0, f64::MAX, |t| upper_tail(t, df).map(|share| share <= tail))?
    };
    Ok(if p < 0.5 { -size } else { size })
}

fn freedom(df: f64) -> Result<f64, StatsError> {
    StatsError::check("df", df, FREEDOM, |df| (1e-99..=1e10).contains(&df))
}

/// P(T > t) for t ≥ 0.
fn upper_tail(t: f64, df: f64) -> Result<f64, StatsError> {
    let (x, rest) = shares(t, df);
    Ok(0.5 * share_below(df / 2.0, 0.5, x, rest)?)
}

/// P(|T| ≤ t) for t ≥ 0.
fn inside(t: f64, df: f64) -> Result<f64, StatsError> {
    let (x, rest) = shares(t, df);
    share_below(0.5, df / 2.0, rest, x)
}

/// df/(df+t²) and t²/(df+t²), each with all its digits, also where t² is too large for a number.
fn shares(t: f64, df: f64) -> (f64, f64) {
    let ratio = t / df.sqrt();
    if ratio > 1.0 {
        let inverse = 1.0 / ratio;
        let square = inverse * inverse;
        (square / (1.0 + square), 1.0 / (1.0 + square))
    } else {
        let square = ratio * ratio;
        (1.0 / (1.0 + square), square / (1.0 + square))
    }
}
