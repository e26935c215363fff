//! Several trials of one case: luck and reliability.

use super::count::real;

/// pass@k: the chance that at least one of `k` trials passes, 1 - C(n-c,k)/C(n,k), of `c` passes among `n` valid trials.
///
/// Unbiased (Chen et al. 2021, arXiv 2107.03374). `None`, which is neither 0 nor 1, where it is undefined: fewer than `k`
/// trials, k = 0, or c > n.
pub fn pass_at_k(n: u64, c: u64, k: u64) -> Option<f64> {
    let fails = n.checked_sub(c)?;
    all_of(n, fails, k).map(|none| 1.0 - none)
}

/// pass^k: the chance that all of `k` trials pass, C(c,k)/C(n,k), of `c` passes among `n` valid trials.
///
/// Unbiased (Yao et al. 2024, arXiv 2406.12045). `None` as [`pass_at_k`].
pub fn pass_all_k(n: u64, c: u64, k: u64) -> Option<f64> {
    if c > n { None } else { all_of(n, c, k) }
}

/// C(some,k)/C(n,k), as a product of shares, so that nothing overflows.
fn all_of(n: u64, some: u64, k: u64) -> Option<f64> {
    if k == 0 || k > n {
        return None;
    }
    if some < k {
        return Some(0.0);
    }
    // The same share by whichever has fewer factors: C(some,k)/C(n,k) = C(n-k,n-some)/C(n,n-some).
    let (steps, left) = if k <= n - some { (k, some) } else { (n - some, n - k) };
    Some((0..steps).map(|step| real(left - step) / real(n - step)).product())
}

/// How many cases always pass, sometimes pass and never pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stability {
    /// Every trial passed.
    pub stable_pass: usize,
    /// Both outcomes were seen.
    pub flaky: usize,
    /// No trial passed.
    pub stable_fail: usize,
    /// No valid trial: nothing is known.
    pub untried: usize,
}

/// Counts the cases by the outcomes of their trials; a case is `(passes, trials)`, and more passes than trials count as all.
///
/// One trial can show no flakiness: a case of one trial is stable only as far as it was looked at.
pub fn stability(cases: &[(u64, u64)]) -> Stability {
    let mut found = Stability::default();
    for &(passes, trials) in cases {
        *match (passes, trials) {
            (_, 0) => &mut found.untried,
            (0, _) => &mut found.stable_fail,
            (passes, trials) if passes >= trials => &mut found.stable_pass,
            _ => &mut found.flaky,
        } += 1;
    }
    found
}
