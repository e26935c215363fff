//! The sign test.

use super::StatsError;
use super::binary::fair_at_least;
use super::ties::centred;

/// What [`sign_test`] found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SignTest {
    /// Deltas above the null.
    pub positive: u64,
    /// Deltas below it.
    pub negative: u64,
    /// Deltas that are equal to it; they say nothing.
    pub zero: u64,
    /// Small when the deltas lie above the null.
    pub p_greater: f64,
    /// Small when they lie below it.
    pub p_less: f64,
    /// Small when they lie on one side of it.
    pub p_two_sided: f64,
}

/// The exact sign test of the hypothesis that deltas lie above `null` as often as below.
///
/// With n₊ above and n₋ below: `p_greater` = P\[Bin(n₊ + n₋, ½) ≥ n₊\], `p_less` = P\[Bin(n₊ + n₋, ½) ≥ n₋\], two-sided the
/// smaller of 1 and twice the smaller of them. Without any sign all are 1: there is no information. It needs no shape of
/// the deltas but independence, so it holds at any n; deltas that are all the same are decided by it.
/// Source: Arbuthnott 1710; Conover, Practical Nonparametric Statistics, 1999, section 3.4.
///
/// Domain: at least one delta; deltas and null of at most 10¹⁰⁰. A delta within 10⁻¹² of the largest number given counts as equal
/// to the null.
pub fn sign_test(deltas: &[f64], null: f64) -> Result<SignTest, StatsError> {
    let (mut positive, mut negative, mut zero) = (0, 0, 0);
    for delta in centred(deltas, null)? {
        if delta > 0.0 {
            positive += 1;
        } else if delta < 0.0 {
            negative += 1;
        } else {
            zero += 1;
        }
    }
    let p_greater = fair_at_least(positive, positive + negative)?;
    let p_less = fair_at_least(negative, positive + negative)?;
    let p_two_sided = (2.0 * p_greater.min(p_less)).min(1.0);
    Ok(SignTest { positive, negative, zero, p_greater, p_less, p_two_sided })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constant_deltas_are_decided() {
        let test = sign_test(&[0.25; 6], 0.0).unwrap();
        assert_eq!((test.positive, test.negative, test.zero), (6, 0, 0));
        assert!((test.p_greater - 1.0 / 64.0).abs() < 1e-15);
        assert!((test.p_two_sided - 1.0 / 32.0).abs() < 1e-15);
        assert!((test.p_less - 1.0).abs() < 1e-15);
    }

    #[test]
    fn no_sign_is_no_information() {
        let test = sign_test(&[0.85 - 0.90, -0.05], -0.05).unwrap();
        assert_eq!((test.zero, test.p_greater, test.p_less, test.p_two_sided), (2, 1.0, 1.0, 1.0));
        assert!(sign_test(&[f64::NAN], 0.0).is_err());
    }
}
