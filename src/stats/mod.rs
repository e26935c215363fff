//! Statistics of rates, scores, pairs and early stops: what a gate may claim, and at which error rate.
//!
//! **Invariant: pure.** Slices and a seed in, a struct out: no clock, no file, no global chance. The same input gives the
//! same bits on every machine. Every function says its formula, its source and its domain; what lies outside of the domain
//! is a [`StatsError`], never a NaN.

mod agreement;
mod beta;
mod betting;
mod binary;
mod binomial;
mod bootstrap;
mod bounded;
mod cluster;
mod count;
mod draw;
mod effect;
mod error;
mod flip;
mod gamma;
mod interval;
mod level;
mod many;
mod mean;
mod normal;
mod plan;
mod plug_in;
mod rank;
mod rate;
mod root;
mod rounded;
mod sequential;
mod sign;
mod sprt;
mod student;
mod ties;
mod trials;

#[cfg(test)]
mod tests;

pub use agreement::{Level, krippendorff_alpha};
pub use beta::{beta_inc, beta_quantile};
pub use betting::{BETS, EProcess, betting_lower, betting_upper};
pub use binary::{
    McNemar, RateDifference, RiskDifference, mcnemar, newcombe_independent, newcombe_paired, risk_difference,
    tango_p_greater, tango_score,
};
pub use binomial::{binomial_cdf, binomial_pmf, binomial_sf};
pub use bootstrap::{Bootstrap, Method, Statistic, Why, bca, paired_bootstrap, percentile_bootstrap};
pub use bounded::BoundedMean;
pub use cluster::{
    Clustered, TrialVariance, cluster_bootstrap, clustered, clustered_interval, clustered_rate_interval,
    kish_deff, variance_of_trials,
};
pub use draw::Draws;
pub use effect::{CliffsDelta, Size, cliffs_delta, paired_d};
pub use error::StatsError;
pub use flip::{FLIP_BOUND_DRAWS, FLIP_EXACT, Flip, flip_lower, flip_upper, sign_flip};
pub use gamma::ln_gamma;
pub use interval::Interval;
pub use many::{benjamini_hochberg, benjamini_yekutieli, bonferroni, holm, significant};
pub use mean::{t_interval, t_lower, t_upper};
pub use normal::{normal_cdf, normal_quantile, normal_sf};
pub use plan::{
    Sides, mcnemar_mde, mcnemar_power, mde_one_rate, mde_paired_binary, mde_paired_mean, mde_unpaired,
    n_paired_binary, n_paired_mean, n_per_arm, optimal_power, power_paired_binary, sd_with_trials,
};
pub use plug_in::PlugIn;
pub use rank::{MannWhitney, RANKS_EXACT, RankMethod, Wilcoxon, mann_whitney, wilcoxon};
pub use rate::{
    clopper_pearson, clopper_pearson_lower, clopper_pearson_upper, jeffreys, wilson, wilson_effective,
    wilson_lower, wilson_upper,
};
pub use rounded::{FlipRounded, sign_flip_rounded};
pub use sequential::{Direction, PairedSequential, SequentialDecision, Setting};
pub use sign::{SignTest, sign_test};
pub use sprt::{Decision, Sprt};
pub use student::{t_cdf, t_quantile};
pub use trials::{Stability, pass_all_k, pass_at_k, stability};
