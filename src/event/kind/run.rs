//! What a run as a whole is about: its rounds, its checks, its budget and its alerts.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::{
    Failure, PhaseName, RoundNumber, RoundOutcome, RunId, RunOutcome, Seq, Severity, Sha256, Spend,
};

/// The ceilings of a run; absent means none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BudgetCeilings {
    /// Rounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounds: Option<u64>,
    /// Tokens, counted as [`Usage::charged_tokens`](crate::event::Usage::charged_tokens).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd: Option<f64>,
    /// Wall time in seconds, from the first `run.started`; a resume never extends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall_s: Option<f64>,
}

/// The first event of every run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunStarted {
    /// The run.
    pub run: RunId,
    /// `run`, `supervise`, …
    pub verb: String,
    /// Name of the profile.
    pub profile: String,
    /// Harness of the profile.
    pub harness: String,
    /// Model of the profile, `provider/model`; absent means the harness's own default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The task, as it was given.
    pub task_sha256: Sha256,
    /// The first line of the task, at most 120 characters.
    pub task: String,
    /// The seed of everything random.
    pub seed: u64,
    /// The ceilings.
    pub budget: BudgetCeilings,
    /// Whether an independent check decides.
    pub checked: bool,
    /// Process id of provost.
    pub pid: u32,
}

/// A killed or interrupted run goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunResumed {
    /// The last event that was found.
    pub after: Seq,
    /// Bytes of a torn last line that were cut.
    pub cut_bytes: u64,
    /// Work that was started and whose end is not on record; never silently repeated.
    pub in_doubt: Vec<String>,
    /// Process id of the provost that goes on.
    pub pid: u32,
    /// What runs cells from here on: version and hash, where it is not the program that the plan was made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binary: Option<String>,
}

/// The last event of every run; the same object is `result.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunEnded {
    /// The run.
    pub run: RunId,
    /// The verb.
    pub verb: String,
    /// How it ended.
    pub outcome: RunOutcome,
    /// What the process exits with.
    pub exit_code: u8,
    /// Whether the check passed; false when there was none.
    pub delivered: bool,
    /// The check's score, if it gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// The agent's last answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// Rounds that were started.
    pub rounds: u64,
    /// What it consumed.
    pub spend: Spend,
    /// The earliest time at which trying again makes sense.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_at: Option<Timestamp>,
    /// The primary reason, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A round begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoundStarted {
    /// Its number.
    pub round: RoundNumber,
    /// The phase that it belongs to, where the loop has phases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<PhaseName>,
    /// Whether it begins without what earlier rounds have left in the agent's mind.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fresh_eyes: bool,
    /// The commit that the workspace stood at, in rounds of `supervise`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// Names the contents of the files that `supervise.fingerprint` lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Sha256>,
}

impl RoundStarted {
    /// A round of which nothing more is to be said.
    pub fn plain(round: RoundNumber) -> Self {
        Self { round, phase: None, fresh_eyes: false, head: None, fingerprint: None }
    }
}

/// A round has settled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoundEnded {
    /// Its number.
    pub round: RoundNumber,
    /// How.
    pub outcome: RoundOutcome,
    /// How long, milliseconds.
    pub duration_ms: u64,
    /// The blob that holds the agent's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_sha256: Option<Sha256>,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// The check begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckStarted {
    /// The round whose result it checks.
    pub round: RoundNumber,
}

/// The check has decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckEnded {
    /// The round whose result it checked.
    pub round: RoundNumber,
    /// Whether it passed.
    pub delivered: bool,
    /// Its score, if it gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// What it said: the end of its output, at most 4 KiB.
    pub evidence: String,
    /// Its exit code, where it is a command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The blob with its whole output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_sha256: Option<Sha256>,
    /// Names this failure; equal for equal failures, whatever the times and counts in the output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_sha256: Option<Sha256>,
    /// How long it took, milliseconds.
    pub duration_ms: u64,
}

/// A part of the pool is set aside for work that begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BudgetReserved {
    /// Rounds set aside.
    pub rounds: u64,
    /// Rounds that remain free; absent when there is no ceiling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounds_left: Option<u64>,
}

/// What was really used of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BudgetCommitted {
    /// Rounds used.
    pub rounds: u64,
    /// All that the run has consumed so far.
    pub spend: Spend,
}

/// The pool cannot cover what is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BudgetRefused {
    /// Which ceiling, in words.
    pub why: String,
    /// By how much it is short, in the unit of the ceiling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shortfall: Option<f64>,
}

/// Something a person should know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertRaised {
    /// Names the alert; the same one is not raised twice before it is cleared.
    pub alert: String,
    /// How loud.
    pub severity: Severity,
    /// What, in words.
    pub message: String,
}

/// It is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertCleared {
    /// Names the alert.
    pub alert: String,
}
