//! What happens in a run of many cells: the plan that is fixed first, the cells, their scores, and the verdict.
//!
//! A cell is one case × trial × arm. What its agent does is not journaled step by step: `cell.ended` has it all in one
//! line, and the texts that it names are in `prompts.jsonl` and `outputs.jsonl`. Events of a cell that did not go
//! smoothly (`attempt.failed`, `fallback.switched`, …) are there with the cell's node, `root.c17`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Scores;
use crate::event::{
    ArmName, CaseId, CellIndex, Certified, FaultClass, GateFixed, Origin, ScoreName, Sha256, Trial, Usage,
    Verdict,
};

/// What will be done, before any of it is done. The whole plan is `plan.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanFixed {
    /// Names the bytes of `plan.json`.
    pub plan_sha256: Sha256,
    /// The suite.
    pub suite: String,
    /// Its arms: the baseline first, if there is one.
    pub arms: Vec<ArmFixed>,
    /// Cases of the part that is measured.
    pub cases: u64,
    /// Independent units among them: groups, and cases without one.
    pub units: u64,
    /// Repetitions of each case on each arm.
    pub trials: u64,
    /// Cells in all, those of a stored arm left out.
    pub cells: u64,
    /// The part of the split that is measured; absent where the suite has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// How many runs of this root have measured that part before.
    #[serde(default)]
    pub uses: u64,
    /// The scores, in the order of the suite.
    pub scores: Vec<ScoreName>,
    /// The gate; absent where the suite only measures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateFixed>,
    /// The smallest effect that the plan can see at 80 % power, in the score's unit, and on which assumption; absent
    /// where there is no gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mde: Option<f64>,
    /// The assumption behind it, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mde_assumes: Option<String>,
    /// What the run is expected to cost, dollars; absent where nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_usd: Option<f64>,
    /// The same in words: where it is from, or why nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Expected>,
    /// The seed of the order and of every draw.
    pub seed: u64,
}

/// What a run is expected to cost, before its first cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    /// Dollars, as earlier runs had it; absent where that is not known of every part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd: Option<f64>,
    /// Dollars that it is not expected to exceed, where some part has no more than such a bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_usd: Option<f64>,
    /// Where that is from, or why nobody knows, in words.
    pub says: String,
    /// What this means for the ceiling of the suite, where it is not enough or may not be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<String>,
}

/// One arm of the plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArmFixed {
    /// Its name; unique in the plan.
    pub name: ArmName,
    /// What it is there for.
    pub role: ArmRole,
    /// The profile's name.
    pub profile: String,
    /// Names the resolved profile.
    pub profile_sha256: Sha256,
    /// The harness.
    pub harness: String,
    /// The model; absent when the harness chooses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Whether its profile says that it costs nothing, and need not report any usage.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub offline: bool,
    /// The treatment on its prompt; absent for "as is".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub treatment: Option<String>,
    /// The run that its cells are taken from, where they are not run again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored: Option<String>,
    /// Names all that its cells depend on, beside the case: profile, prompt, tools, treatment, judge, data, binary.
    pub provenance_sha256: Sha256,
}

impl ArmFixed {
    /// What a cell of it is billed for: of one that is offline, no dollars where nobody said any.
    pub fn billed(&self, usage: Option<Usage>) -> Option<Usage> {
        billed(self.offline, usage)
    }
}

/// What is billed, of an agent that is `offline` or not.
pub fn billed(offline: bool, usage: Option<Usage>) -> Option<Usage> {
    if !offline {
        return usage;
    }
    let usage = usage.unwrap_or_default();
    Some(Usage { usd: usage.usd.or(Some(0.0)), ..usage })
}

/// What an arm is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArmRole {
    /// What may ship.
    Candidate,
    /// What it is held against.
    Baseline,
}

/// Some cases of the plan, in its order. Several of these events follow each other in a large suite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CasesFixed {
    /// The place of the first of them.
    pub from: u64,
    /// The cases.
    pub cases: Vec<CaseFixed>,
}

/// One case of the plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseFixed {
    /// The case.
    pub id: CaseId,
    /// What it is counted together with; a case without one stands for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Words that slices are made by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Scores that it does not have, whatever is answered: their absence is not a missing value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<ScoreName>,
    /// Names its content.
    pub sha256: Sha256,
}

/// A cell begins. One without an end was cut off, and what it has spent is not known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellStarted {
    /// Its place in the plan.
    pub cell: CellIndex,
}

/// A cell has ended: it has an answer, or is missing with its reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellEnded {
    /// Its place in the plan.
    pub cell: CellIndex,
    /// Its identity: profile, case, trial, treatment and template. A later call takes it over where this is equal.
    pub key: Sha256,
    /// The arm.
    pub arm: ArmName,
    /// The case.
    pub case: CaseId,
    /// Which repetition; starts at 1.
    pub trial: Trial,
    /// Why it has no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<Missing>,
    /// The texts that were sent, in order; equal ones once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prompts: Vec<Sha256>,
    /// The answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_sha256: Option<Sha256>,
    /// Whether the answer was cut at the output limit; it is scored as it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
    /// The scores that are known at once; others follow as `cell.scored`.
    #[serde(default, skip_serializing_if = "Scores::is_empty")]
    pub scores: Scores,
    /// All that was consumed, failed attempts included; absent when nobody said anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Requests or invocations, failed ones included.
    pub attempts: u64,
    /// Rounds of the agent.
    pub rounds: u64,
    /// The model that really answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// From its start to its end, waits included, milliseconds.
    pub duration_ms: u64,
    /// The raw transcript, relative to the run directory, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript: Option<String>,
    /// Whether it was taken over from another run, which was billed for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stored: bool,
    /// The shard that it was taken over from, where another process of the same run has run it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// Why a cell has no answer. Such a cell is never dropped and never zero.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Missing {
    /// What kind of reason.
    pub reason: MissingReason,
    /// The class of the last failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<FaultClass>,
    /// What was seen, short.
    pub evidence: String,
}

/// Kinds of reasons why something is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingReason {
    /// The provider, the network or this machine: not the agent's doing.
    Infrastructure,
    /// A deadline of ours.
    Timeout,
    /// The agent itself: a crash, a refusal, no answer.
    Agent,
    /// The budget could not cover it.
    Budget,
    /// What scores it has failed.
    Judge,
    /// The run ended before its turn.
    NotRun,
    /// A newer provost says something else.
    #[serde(other)]
    Unknown,
}

/// What a score says of an answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// From 0 to 1; absent when the scorer failed, which is missing and never zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Whether it counts as passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed: Option<bool>,
    /// Why, short: what was expected, or what the scorer said, or how it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Parts of it by name, from 0 to 1.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dimensions: BTreeMap<String, f64>,
    /// How far repeated judgements agree, from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement: Option<f64>,
    /// What each of several judgements said, by dimension, from 0 to 1 in favour of the answer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub judgements: BTreeMap<String, Vec<f64>>,
}

/// A score of an answer that came after its cell's end: a judge's, a command's, or one of stored outputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellScored {
    /// The cell.
    pub cell: CellIndex,
    /// The score.
    pub score: ScoreName,
    /// Names how it was scored; the last one of these that the plan names stands.
    pub scorer_sha256: Sha256,
    /// What it says.
    #[serde(flatten)]
    pub scored: Scored,
    /// What scoring consumed; kept apart from what the agent did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Requests of a judge.
    #[serde(default)]
    pub attempts: u64,
    /// The texts that a judge was sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prompts: Vec<Sha256>,
    /// What it answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replies: Vec<Sha256>,
    /// The model that judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The shard that it was taken over from, where another process of the same run has scored it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// Somebody is asked to treat a text. One without a `treatment.applied` behind it was cut off, and what it has spent is not known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TreatmentStarted {
    /// The treatment, as the suite names it.
    pub treatment: String,
    /// The text.
    pub before_sha256: Sha256,
}

/// A treatment was applied to a text, once for all cells that share it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TreatmentApplied {
    /// The treatment, as the suite names it.
    pub treatment: String,
    /// The text before.
    pub before_sha256: Sha256,
    /// The text after; the one before where it was skipped.
    pub after_sha256: Sha256,
    /// Names how it was made: its share, who was to do it, and our own words. A later call takes the text over where this is equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256>,
    /// Words before.
    pub words_before: u64,
    /// Words that were asked for.
    pub words_target: u64,
    /// Words after.
    pub words_after: u64,
    /// Why it was left as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// The model that did it; a fallback's own name where that one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What it consumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Requests.
    pub attempts: u64,
    /// How long it took, milliseconds.
    pub duration_ms: u64,
}

/// The verdict, with every figure that it rests on. Follows from the plan and the rows above it alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VerdictReached {
    /// The verdict.
    pub verdict: Verdict,
    /// The plan that it is about.
    pub plan_sha256: Sha256,
    /// Names the rows that it rests on: cells, outcomes, scores and answers, whatever the times and the spend.
    pub evidence_sha256: Sha256,
    /// The figures.
    pub certified: Certified,
}
