//! What a gate says, and every figure that it says it with: the part of a certificate that journal, reports and readers
//! share. Data only; how the figures are made is in the room `certify`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ArmName, ScoreName};

/// What a gate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It may ship.
    Pass,
    /// It must not: the evidence is against it.
    Fail,
    /// The evidence does not decide.
    Inconclusive,
}

/// Why; a closed list. In the order of how much they weigh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Pass: the lift is above the margin at the stated error rate.
    Significant,
    /// Pass: the loss is within the margin.
    NonInferior,
    /// Pass: the loss is within the margin, and it costs less.
    NonInferiorAndCheaper,
    /// Pass: the bound of the rate is above the threshold.
    AboveThreshold,
    /// Fail: it is worse than the baseline, or its lift is below the margin, at the stated error rate.
    Worse,
    /// Fail: its loss is larger than the margin.
    Inferior,
    /// Fail: the rate is below the threshold.
    BelowThreshold,
    /// Fail: what must not become worse has become worse.
    GuardRegressed,
    /// Candidate and baseline are the same.
    IdenticalChampion,
    /// Fewer than six independent units were answered on both arms.
    FewTasks,
    /// Part of what was dealt has no answer, and the gate demands more.
    IncompleteCoverage,
    /// The verdict would change with what the missing cells might have been.
    MissingDecides,
    /// Cells without any reported usage, and nobody said that the agent is offline.
    StubCells,
    /// The lift may be above the margin or not.
    NoMargin,
    /// Whether the loss is within the margin is not proven.
    NonInferiorityUnproven,
    /// It is not inferior, and whether it costs less is not proven.
    NotCheaper,
    /// The rate may be above the threshold or not.
    ThresholdUnproven,
    /// Whether a guarded score became worse is not known.
    GuardUnproven,
    /// There was no answer to measure on an arm.
    NoEvidence,
    /// The budget ended before the evidence was there.
    BudgetExhausted,
    /// Somebody ended it before the evidence was there.
    Interrupted,
    /// The plan cannot see the effect that it was asked to see.
    Underpowered,
}

/// How a gate decides, as it was fixed before the first cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GateFixed {
    /// The score that decides.
    pub score: ScoreName,
    /// Further scores that are claimed under the same error rate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<ScoreName>,
    /// Scores that must not become worse by more than so much.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub guard: BTreeMap<ScoreName, f64>,
    /// What is to be shown.
    pub mode: GateMode,
    /// The share of null changes that may pass.
    pub alpha: f64,
    /// The lift that must be exceeded, or the loss that is tolerated.
    pub margin: f64,
    /// What the bound of the rate must exceed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Answered / dealt that is demanded, on each arm.
    pub coverage: f64,
    /// Whether a non-inferior candidate must also cost less.
    #[serde(default)]
    pub cheaper: bool,
    /// Whether it may stop early, by the test that is valid at every look.
    #[serde(default)]
    pub sequential: bool,
    /// Whether cells without reported usage are accepted.
    #[serde(default)]
    pub stubs: bool,
}

/// What a gate is to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GateMode {
    /// Better than the baseline by more than the margin.
    Superiority,
    /// Not worse than the baseline by more than the margin.
    NonInferiority,
    /// A rate above a number.
    Threshold,
}

/// All figures of a verdict.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Certified {
    /// Why, of the run as a whole: the reasons of the candidate that decides.
    pub reasons: Vec<Reason>,
    /// Each candidate, in the order of the plan.
    pub candidates: Vec<CandidateFigures>,
    /// Each arm and score by itself, the baseline included.
    pub arms: Vec<ArmFigures>,
    /// Parts of the suite by tag. Exploratory: no claim rests on them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slices: Vec<SliceFigures>,
    /// Remarks that a reader of the figures must know, each a sentence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

/// A candidate, held against the baseline or the threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CandidateFigures {
    /// The arm.
    pub arm: ArmName,
    /// Its verdict.
    pub verdict: Option<Verdict>,
    /// Why.
    pub reasons: Vec<Reason>,
    /// Each score that was claimed, the one that decides first.
    pub claims: Vec<ClaimFigures>,
    /// Each score that must not become worse.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guards: Vec<ClaimFigures>,
    /// What it costs less than the baseline, dollars a case; absent where the spend of either is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub savings_usd: Option<Estimate>,
    /// Cases × trials answered on both arms.
    pub matched: u64,
    /// Answered on the candidate only.
    pub candidate_only: u64,
    /// Answered on the baseline only.
    pub baseline_only: u64,
}

/// One claim: a score of a candidate, held against the baseline or the threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClaimFigures {
    /// The score.
    pub score: ScoreName,
    /// Independent units that were compared.
    pub units: u64,
    /// What is claimed: the lift, or in threshold mode the rate. Its bounds are one-sided at alpha each, after the
    /// correction for several claims.
    pub effect: Estimate,
    /// The p-value of the claim, one-sided; absent where nothing could be tested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
    /// The same after Holm's correction for all claims of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_adjusted: Option<f64>,
    /// The test, in words.
    pub test: String,
    /// How the bounds were made, in words.
    pub interval: String,
    /// The effect if all that is missing had gone against the candidate.
    pub worst: Estimate,
    /// The effect if all that is missing had gone its way.
    pub best: Estimate,
    /// Units on which the candidate is better.
    pub wins: u64,
    /// Units on which it is worse.
    pub losses: u64,
    /// The smallest effect that this evidence could have seen at 80 % power.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mde: Option<f64>,
    /// Units that would settle an effect as large as the one that was seen, at 80 % power; absent where none would.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units_needed: Option<u64>,
    /// Where it stopped early: after so many units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_after: Option<u64>,
    /// The wealth of the sequential test at its end: the evidence against the null, as odds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wealth: Option<f64>,
}

/// An estimate with its bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// The lower bound; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// The upper bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
}

/// A score of one arm by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ArmFigures {
    /// The arm.
    pub arm: ArmName,
    /// The score.
    pub score: ScoreName,
    /// Cells that were dealt.
    pub dealt: u64,
    /// Cells with a value.
    pub answered: u64,
    /// The mean over units of the mean over their cases of the mean over trials; 95 %, two-sided.
    pub mean: Estimate,
    /// How the interval was made, in words.
    pub interval: String,
    /// Cases all of whose trials passed.
    pub stable_pass: u64,
    /// Cases with both outcomes.
    pub flaky: u64,
    /// Cases none of whose trials passed.
    pub stable_fail: u64,
    /// The chance that at least one of k trials passes, k from 1 to the trials; averaged over cases with k trials.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pass_at: Vec<f64>,
    /// The chance that all of k trials pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pass_all: Vec<f64>,
    /// How far the judge agrees with itself over all answers of the arm; absent where it judged each of them once, or said
    /// the same of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement: Option<Agreement>,
    /// Of the variance of the mean, the share that more trials would take away; absent with one trial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial_share: Option<f64>,
}

/// How far repeated judgements agree: Krippendorff's α for numbers, 1 in full agreement and 0 as chance has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Agreement {
    /// Over all answers and dimensions, each dimension of an answer a unit.
    pub alpha: f64,
    /// Units that were judged more than once.
    pub units: u64,
    /// What it means: `reliable` from 0.8 on, `tentative` from 0.667 on, `unreliable` below (Krippendorff's own marks).
    pub means: Reliability,
    /// The α of each dimension by itself, where there are several; one of which all judgements are the same has none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dimensions: BTreeMap<String, f64>,
}

/// What an α means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reliability {
    /// From 0.8 on: what it says can be relied on.
    Reliable,
    /// From 0.667 on: for tentative conclusions.
    Tentative,
    /// Below: its grades are noise for the most part.
    Unreliable,
}

impl Reliability {
    /// What an α means.
    pub fn of(alpha: f64) -> Self {
        match alpha {
            0.8.. => Self::Reliable,
            0.667.. => Self::Tentative,
            _ => Self::Unreliable,
        }
    }
}

/// A part of the suite, by tag.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SliceFigures {
    /// The tag.
    pub tag: String,
    /// The candidate.
    pub arm: ArmName,
    /// The score.
    pub score: ScoreName,
    /// Cases in it.
    pub cases: u64,
    /// The lift, or in threshold mode the rate; 95 %, two-sided.
    pub effect: Estimate,
    /// The p-value after Benjamini-Hochberg over all slices, two-sided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q: Option<f64>,
}
