//! The sign-flip permutation test of paired deltas, and the bounds it gives.

use super::count::{length, place, real};
use super::draw::Draws;
use super::ties::{TIE, centred, checked};
use super::{StatsError, level};

/// Up to so many deltas that are not zero, all sign patterns are counted.
pub const FLIP_EXACT: usize = 20;

/// So many sign patterns are drawn for a bound where they cannot all be counted.
pub const FLIP_BOUND_DRAWS: usize = 9_999;

/// What [`sign_flip`] found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flip {
    /// Small when the mean lies above the null.
    pub p_greater: f64,
    /// Small when the mean lies below the null.
    pub p_less: f64,
    /// Small when the mean differs from the null.
    pub p_two_sided: f64,
    /// All sign patterns were counted; otherwise patterns were drawn.
    pub exact: bool,
    /// How many patterns were counted or drawn.
    pub draws: u64,
}

/// The sign-flip test of the hypothesis that the deltas lie symmetrically about `null`, with their sum as the statistic.
///
/// Exact up to [`FLIP_EXACT`] deltas that are not equal to the null: the share of the sign patterns whose sum is at least
/// (at most) the observed one; two-sided: at least as far from zero. Beyond that (b + 1) / (m + 1), where b of `draws` = m
/// random patterns reach it, so that the level holds whatever was drawn. Sums within 10⁻¹² of the sum of all sizes are equal.
/// Sources: Fisher 1935, The Design of Experiments; Phipson & Smyth 2010 (the + 1).
///
/// Domain: at least one delta, all of at most 10¹⁰⁰; `draws` at least 1 (not used where the count is exact).
pub fn sign_flip(deltas: &[f64], null: f64, seed: u64, draws: u64) -> Result<Flip, StatsError> {
    if draws == 0 {
        return Err(StatsError::Domain { name: "draws", value: 0.0, domain: "at least 1" });
    }
    let mut values = centred(deltas, null)?;
    values.retain(|value| *value != 0.0);
    let slack = TIE * values.iter().map(|value| value.abs()).sum::<f64>();
    if values.len() <= FLIP_EXACT {
        return Ok(counted(&values, slack));
    }
    let total: f64 = values.iter().sum();
    let mut patterns = Draws::new(seed);
    // Where T is the sum of the deltas that are turned, the new sum is S − 2T: it reaches S when T is not above zero.
    let (mut greater, mut less, mut far) = (1_u64, 1_u64, 1_u64);
    for _ in 0..draws {
        let turned = chosen(&values, &mut patterns).0;
        greater += u64::from(turned <= slack);
        less += u64::from(turned >= -slack);
        far += u64::from((total - 2.0 * turned).abs() >= total.abs() - slack);
    }
    let share = |count: u64| real(count) / (real(draws) + 1.0);
    Ok(Flip { p_greater: share(greater), p_less: share(less), p_two_sided: share(far), exact: false, draws })
}

/// All patterns of at most [`FLIP_EXACT`] values.
fn counted(values: &[f64], slack: f64) -> Flip {
    let (left, right) = values.split_at(values.len() / 2);
    let (left, right) = (sorted_subset_sums(left), sorted_subset_sums(right));
    let patterns = length(&left) * length(&right);
    let p_greater = real(pairs_up_to(&left, &right, slack)) / patterns;
    let p_less = 1.0 - real(pairs_up_to(&left, &right, (-slack).next_down())) / patterns;
    // A pattern and its mirror image lie equally far from zero on its two sides.
    let is_centre = values.iter().sum::<f64>().abs() <= slack;
    let p_two_sided = if is_centre { 1.0 } else { (2.0 * p_greater.min(p_less)).min(1.0) };
    Flip { p_greater, p_less, p_two_sided, exact: true, draws: 1 << values.len() }
}

/// The sum of every subset; that of a subset stands at the number whose bits name its members.
fn subset_sums(values: &[f64]) -> Vec<f64> {
    let mut sums = Vec::with_capacity(1 << values.len());
    sums.push(0.0);
    for value in values {
        for at in 0..sums.len() {
            sums.push(sums[at] + value);
        }
    }
    sums
}

fn sorted_subset_sums(values: &[f64]) -> Vec<f64> {
    let mut sums = subset_sums(values);
    sums.sort_unstable_by(f64::total_cmp);
    sums
}

/// How many pairs of one number of each sorted list add up to at most `limit`.
fn pairs_up_to(left: &[f64], right: &[f64], limit: f64) -> u64 {
    let mut end = right.len();
    let mut pairs = 0;
    for sum in left {
        while end > 0 && sum + right[end - 1] > limit {
            end -= 1;
        }
        pairs += end as u64;
    }
    pairs
}

/// The sum and the number of the members of a random subset: each value is in it with chance ½.
fn chosen(values: &[f64], patterns: &mut Draws) -> (f64, u64) {
    let (mut sum, mut members) = (0.0, 0);
    for part in values.chunks(64) {
        let mut bits = patterns.next_u64();
        for value in part {
            // Without a branch, which chance would make the processor guess wrong half of the time.
            sum += value * real(bits & 1);
            members += bits & 1;
            bits >>= 1;
        }
    }
    (sum, members)
}

/// The one-sided lower confidence bound of the mean by inversion of the sign-flip test: no null below it is kept.
///
/// The test of the null m keeps a pattern when the mean of the deltas it turns is at most m, so the bound is an order
/// statistic of the means of subsets: with M of them the ⌊α·2ⁿ⌋-th smallest of the 2ⁿ − 1 means of non-empty subsets up to
/// [`FLIP_EXACT`] deltas, and the ⌊α(m + 1)⌋-th smallest of m = [`FLIP_BOUND_DRAWS`] random subsets beyond (an empty one lies
/// below all). For every null below it [`sign_flip`] has `p_greater` ≤ `alpha`. `None` when there are too few deltas to
/// reject anything at this level (fewer than 5 at 5 %).
/// Source: Hartigan 1969, Using subsample values as typical values.
///
/// Domain: 0 < `alpha` < 1; at least one delta, all of at most 10¹⁰⁰; deltas symmetrical about their mean.
pub fn flip_lower(deltas: &[f64], alpha: f64, seed: u64) -> Result<Option<f64>, StatsError> {
    checked(deltas)?;
    level::one_sided(alpha)?;
    let mut means: Vec<f64> = if deltas.len() <= FLIP_EXACT {
        subset_sums(deltas)
            .into_iter()
            .enumerate()
            .map(|(set, sum)| sum / f64::from(set.count_ones()))
            .collect()
    } else {
        let mut patterns = Draws::new(seed);
        let mut mean = || {
            let (sum, members) = chosen(deltas, &mut patterns);
            sum / real(members)
        };
        // The pattern that was seen turns nothing.
        std::iter::once(f64::NEG_INFINITY).chain((0..FLIP_BOUND_DRAWS).map(|_| mean())).collect()
    };
    for mean in &mut means {
        // 0 / 0, the empty subset: its pattern reaches the observed sum under every null.
        if mean.is_nan() {
            *mean = f64::NEG_INFINITY;
        }
    }
    // ⌊α·M⌋ patterns may reach the observed sum while its null is still rejected.
    let rank = place(alpha * length(&means), means.len());
    let (_, bound, _) = means.select_nth_unstable_by(rank, f64::total_cmp);
    Ok(bound.is_finite().then_some(*bound))
}

/// The one-sided upper confidence bound of the mean: [`flip_lower`] of the deltas turned round, turned back.
pub fn flip_upper(deltas: &[f64], alpha: f64, seed: u64) -> Result<Option<f64>, StatsError> {
    let turned: Vec<f64> = deltas.iter().map(|delta| -delta).collect();
    Ok(flip_lower(&turned, alpha, seed)?.map(|bound| -bound))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELTAS: [f64; 12] = [0.2, -0.1, 0.0, 0.4, 0.1, 0.3, -0.2, 0.5, 0.0, 0.1, 0.25, 0.15];

    /// Every pattern, one by one.
    fn brute(values: &[f64]) -> (f64, f64, f64) {
        let total: f64 = values.iter().sum();
        let slack = 1e-12 * values.iter().map(|v| v.abs()).sum::<f64>();
        let (mut greater, mut less, mut far) = (0.0, 0.0, 0.0);
        for pattern in 0..1_u32 << values.len() {
            let sign = |at: usize| if pattern >> at & 1 == 1 { -1.0 } else { 1.0 };
            let sum: f64 = values.iter().enumerate().map(|(at, v)| sign(at) * v).sum();
            greater += f64::from(sum >= total - slack);
            less += f64::from(sum <= total + slack);
            far += f64::from(sum.abs() >= total.abs() - slack);
        }
        let all = f64::from(1_u32 << values.len());
        (greater / all, less / all, far / all)
    }

    proptest::proptest! {
        #[test]
        fn the_count_is_that_of_every_pattern(tenths in proptest::collection::vec(-9_i32..=9, 1..11), null in -3_i32..=3) {
            let deltas: Vec<f64> = tenths.iter().map(|tenth| f64::from(*tenth) / 10.0).collect();
            let null = f64::from(null) / 10.0;
            let flip = sign_flip(&deltas, null, 1, 1).unwrap();
            let moved: Vec<f64> = tenths.iter().map(|t| f64::from(*t) / 10.0 - null).collect();
            // Zeros double the patterns on every side, and change no share.
            assert_eq!((flip.p_greater, flip.p_less, flip.p_two_sided), brute(&moved));
            assert!(flip.exact);
        }
    }

    #[test]
    fn the_vector_of_the_specification() {
        let flip = sign_flip(&DELTAS, 0.0, 1, 1).unwrap();
        assert_eq!((flip.p_two_sided, flip.exact, flip.draws), (0.042_968_75, true, 1024));
    }

    #[test]
    fn drawn_patterns_come_close_to_the_counted_ones_and_never_to_zero() {
        // Sixty small deltas that cancel change little, but are too many to be counted.
        let mut many = DELTAS.to_vec();
        many.extend((0..60).map(|at| if at % 2 == 0 { 1e-6 } else { -1e-6 }));
        let (drawn, counted) =
            (sign_flip(&many, 0.0, 7, 40_000).unwrap(), sign_flip(&DELTAS, 0.0, 7, 1).unwrap());
        assert!(!drawn.exact && drawn.draws == 40_000);
        // Ties at the boundary are broken by the small ones, half of them to each side.
        let boundary = 0.005;
        assert!((drawn.p_greater - counted.p_greater).abs() < boundary, "{drawn:?} {counted:?}");
        assert!((drawn.p_two_sided - counted.p_two_sided).abs() < 2.0 * boundary);
        assert_eq!(drawn, sign_flip(&many, 0.0, 7, 40_000).unwrap());
        let certain = sign_flip(&[1.0; 80], 0.0, 7, 99).unwrap();
        assert_eq!((certain.p_greater, certain.p_two_sided, certain.p_less), (0.01, 0.01, 1.0));
    }

    #[test]
    fn nothing_but_ties_is_no_information() {
        let flip = sign_flip(&[0.85 - 0.90, -0.05], -0.05, 1, 99).unwrap();
        assert_eq!((flip.p_greater, flip.p_less, flip.p_two_sided, flip.draws), (1.0, 1.0, 1.0, 1));
    }

    proptest::proptest! {
        #[test]
        fn the_bound_is_where_the_test_stops_to_reject(
            deltas in proptest::collection::vec(-1.0..1.0_f64, 5..13),
            alpha in 0.04..0.3_f64,
        ) {
            let bound = flip_lower(&deltas, alpha, 1).unwrap().unwrap();
            let p = |null| sign_flip(&deltas, null, 1, 1).unwrap().p_greater;
            assert!(p(bound - 1e-6) <= alpha && alpha < p(bound + 1e-6));
            let upper = flip_upper(&deltas, alpha, 1).unwrap().unwrap();
            let q = |null| sign_flip(&deltas, null, 1, 1).unwrap().p_less;
            assert!(q(upper + 1e-6) <= alpha && alpha < q(upper - 1e-6));
        }
    }

    #[test]
    fn a_drawn_bound_is_where_the_drawn_test_stops_to_reject() {
        let mut draws = Draws::new(11);
        let deltas: Vec<f64> = (0..50).map(|_| draws.unit() - 0.3).collect();
        let bound = flip_lower(&deltas, 0.05, 3).unwrap().unwrap();
        let p = |null| sign_flip(&deltas, null, 3, FLIP_BOUND_DRAWS as u64).unwrap().p_greater;
        assert!(p(bound - 1e-6) <= 0.05 && 0.05 < p(bound + 1e-6), "{} {}", p(bound - 1e-6), p(bound + 1e-6));
        assert!((bound - 0.13).abs() < 0.05, "the mean less 1.64 standard errors: {bound}");
    }

    #[test]
    fn too_few_have_no_bound() {
        assert_eq!(flip_lower(&[1.0, 1.1, 1.2, 1.3], 0.05, 1).unwrap(), None);
        assert_eq!(flip_lower(&[1.1, 1.0, 1.2, 1.3, 1.4], 0.05, 1).unwrap(), Some(1.0));
        assert_eq!(flip_lower(&[0.5; 30], 0.05, 1).unwrap(), Some(0.5));
        assert_eq!(flip_lower(&[0.5; 30], 1e-6, 1).unwrap(), None);
    }

    /// The level of the bound, by simulation: it lies above the true mean in at most alpha of the samples.
    #[test]
    fn the_bound_covers() {
        // Expected alpha of the samples at most; the range is three standard errors.
        for (n, samples, expected) in [(8, 1_000_u64, 29..=71), (25, 200, 1..=19)] {
            let above = (0..samples)
                .filter(|sample| {
                    let mut draws = Draws::stream(5, *sample);
                    let deltas: Vec<f64> = (0..n).map(|_| draws.unit() + draws.unit() - 1.0).collect();
                    flip_lower(&deltas, 0.05, *sample).unwrap().is_some_and(|bound| bound > 0.0)
                })
                .count();
            assert!(expected.contains(&above), "{n}: {above}");
        }
    }

    #[test]
    fn what_cannot_be_flipped_is_refused() {
        assert!(sign_flip(&[], 0.0, 1, 9).is_err() && sign_flip(&[1.0], 0.0, 1, 0).is_err());
        assert!(sign_flip(&[f64::NAN], 0.0, 1, 9).is_err() && sign_flip(&[1.0], f64::NAN, 1, 9).is_err());
        assert!(flip_lower(&[], 0.05, 1).is_err() && flip_lower(&[1.0], 1.0, 1).is_err());
        assert!(flip_upper(&[f64::INFINITY], 0.05, 1).is_err());
    }
}
