//! Every kind of event, one struct each. Kinds are `noun.verb`, additive; a kind's meaning never changes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    AttemptNumber, Failure, RoundNumber, RoundOutcome, RunId, RunOutcome, Seq, SessionId, Severity, Sha256,
    Spend, ToolId, TurnNumber, Usage, UsageSource,
};

macro_rules! kinds {
    ($($name:ident = $word:literal: $about:literal,)*) => {
        /// What happened. The `kind` key of a line names the variant.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        pub enum Kind {
            $(
                #[doc = concat!("`", $word, "`: ", $about)]
                #[serde(rename = $word)]
                $name($name),
            )*
            /// A kind that a newer provost wrote; readers pass over it.
            #[serde(other)]
            Unknown,
        }

        impl Kind {
            /// The `noun.verb` of the kind.
            pub fn word(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => $word,)*
                    Self::Unknown => "unknown",
                }
            }

            /// All words, in the order of the first journal.
            pub const WORDS: &'static [&'static str] = &[$($word,)*];

            /// Each word with a sentence about it, for `provost-events(7)`.
            pub const ABOUT: &'static [(&'static str, &'static str)] = &[$(($word, $about),)*];
        }

        $(
            impl From<$name> for Kind {
                fn from(kind: $name) -> Self {
                    Self::$name(kind)
                }
            }
        )*
    };
}

kinds! {
    RunStarted = "run.started": "A run begins: what it was asked to do, with which profile and under which ceilings.",
    RunResumed = "run.resumed": "A killed or interrupted run goes on; says what was cut and what was in doubt.",
    RunEnded = "run.ended": "The last event of every run; the same object is `result.json`.",
    RoundStarted = "round.started": "A round begins: one invocation of the agent.",
    RoundEnded = "round.ended": "A round has settled, in one way or another.",
    PromptSent = "prompt.sent": "A text is about to be sent; `prompts/<sha256>.txt` holds it already.",
    AgentSpawned = "agent.spawned": "The agent process runs.",
    AgentExited = "agent.exited": "The agent process is gone, and so is all that it started.",
    AttemptStarted = "attempt.started": "One try of the round's request on one model begins.",
    AttemptAccepted = "attempt.accepted": "The other side has taken the request.",
    AttemptRetrying = "attempt.retrying": "The agent's own retry loop is at work; never success, never terminal.",
    AttemptFailed = "attempt.failed": "The attempt failed, with the classified failure.",
    AttemptFinished = "attempt.finished": "The attempt succeeded: an explicit end and a meaningful answer.",
    TextDelta = "text.delta": "Text as it streams; shown live and never journaled.",
    TurnEnded = "turn.ended": "One model inference has ended.",
    ToolCalled = "tool.called": "A tool is about to run, or runs inside the agent.",
    ToolReturned = "tool.returned": "A tool has answered.",
    UsageReported = "usage.reported": "Somebody said what was consumed.",
    WaitStarted = "wait.started": "A wait begins: why, and until when at the latest.",
    WaitEnded = "wait.ended": "A wait is over, complete or cut short.",
    CheckStarted = "check.started": "The check of a round's result begins.",
    CheckEnded = "check.ended": "The check has decided; only this makes a result a result.",
    BudgetReserved = "budget.reserved": "A part of the budget is set aside for work that begins.",
    BudgetCommitted = "budget.committed": "What was really used of a reservation, and of the budget so far.",
    BudgetRefused = "budget.refused": "The budget cannot cover what is asked for.",
    AlertRaised = "alert.raised": "Something that a person should know.",
    AlertCleared = "alert.cleared": "What an alert was about is over.",
}

/// The ceilings of a run; absent means none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BudgetCeilings {
    /// Rounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounds: Option<u64>,
    /// Tokens, counted as [`Usage::charged_tokens`].
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

/// Which part of a request a prompt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromptPart {
    /// The system prompt.
    System,
    /// What the user says: files, context and the task.
    User,
    /// The list of tools, as JSON.
    Tools,
    /// The whole conversation of a later turn, as JSON.
    Conversation,
    /// An image that goes along with what the user says; `blobs/<sha256>` holds it.
    Image,
}

/// A text is about to be sent; `prompts/<sha256>.txt` holds it already.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PromptSent {
    /// Names the file.
    pub sha256: Sha256,
    /// Its size.
    pub bytes: u64,
    /// Who gets it: harness, and model where one is named.
    pub target: String,
    /// Which part of the request.
    pub part: PromptPart,
    /// How many secret values were replaced in the stored copy.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub redacted: u64,
}

/// The agent process runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentSpawned {
    /// Its process id, which is also its process group.
    pub pid: u32,
    /// The program, without its arguments: they may hold what is nobody's business.
    pub program: String,
    /// The raw transcript, relative to the run directory.
    pub transcript: String,
}

/// What ended the agent process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitCause {
    /// By itself, with code 0.
    Clean,
    /// By itself, with another code.
    Error,
    /// A signal that provost did not send.
    Signal,
    /// Ended by provost: a deadline.
    Deadline,
    /// Ended by provost: it lingered after its result.
    Lingered,
    /// Ended by provost: a person or a budget said stop.
    Stopped,
}

/// The agent process is gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentExited {
    /// Its exit code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// The signal that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Who ended it.
    pub cause: ExitCause,
    /// How long it ran, milliseconds.
    pub duration_ms: u64,
    /// Bytes of its transcript.
    pub transcript_bytes: u64,
    /// Processes it left behind that had to be killed, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strays: Vec<String>,
    /// How many secret values were replaced in the transcript.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub redacted: u64,
}

/// One try of the round's request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptStarted {
    /// Its round.
    pub round: RoundNumber,
    /// Its number in the round.
    pub attempt: AttemptNumber,
    /// The model it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The session it continues, or that was chosen for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
}

/// The other side has taken the request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptAccepted {
    /// The session, as the harness names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// The model that really answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Name and version of the agent, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

/// The agent's own retry loop is at work; never success, never terminal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptRetrying {
    /// Its count.
    pub attempt: u64,
    /// How long it means to wait, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// The HTTP status it met.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Its own words.
    pub evidence: String,
}

/// The attempt failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptFailed {
    /// Its number in the round.
    pub attempt: AttemptNumber,
    /// The classified failure.
    #[serde(flatten)]
    pub failure: Failure,
    /// The blob with what the agent had said until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial_sha256: Option<Sha256>,
}

/// The attempt succeeded: an explicit terminal event and a meaningful payload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptFinished {
    /// Its number in the round.
    pub attempt: AttemptNumber,
    /// Why the agent stopped, in its own word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<String>,
    /// The blob that holds the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_sha256: Option<Sha256>,
}

/// Text as it streams. Never journaled; the transcript has it and the journal has the turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TextDelta {
    /// The text.
    pub text: String,
}

/// One model inference has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TurnEnded {
    /// Its number in the attempt.
    pub turn: TurnNumber,
    /// The blob that holds the whole message, tool calls included; a resume reads it instead of asking again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_sha256: Option<Sha256>,
    /// The beginning of its text, at most 280 characters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub preview: String,
    /// How many tools it calls.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tool_calls: u64,
    /// What it consumed, where each turn is reported by itself; paid, and so part of the same line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Where those figures come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<UsageSource>,
}

/// A tool is about to run, or runs inside the agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCalled {
    /// The call.
    pub id: ToolId,
    /// The tool.
    pub name: String,
    /// What it is about: a path, a command, a pattern; at most 200 characters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
}

/// A tool has answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolReturned {
    /// The call.
    pub id: ToolId,
    /// Whether it worked.
    pub ok: bool,
    /// Size of its answer.
    pub bytes: u64,
    /// The blob that holds the answer, where provost ran the tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_sha256: Option<Sha256>,
}

/// Somebody said what was consumed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UsageReported {
    /// The figures.
    #[serde(flatten)]
    pub usage: Usage,
    /// Where they come from.
    pub source: UsageSource,
    /// The model they are about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// A wait begins; it can be seen and cut short.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WaitStarted {
    /// Why.
    pub reason: String,
    /// Until when, at the latest.
    pub until: Timestamp,
}

/// A wait is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WaitEnded {
    /// Whether it ran to its end.
    pub complete: bool,
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

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it by reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Kind {
    /// Hands every free text of the event to `each`, so that what must not be written can be taken out of it first.
    pub fn for_each_prose(&mut self, mut each: impl FnMut(&mut String)) {
        let mut optional = |text: &mut Option<String>| {
            if let Some(text) = text {
                each(text);
            }
        };
        match self {
            Self::RunEnded(ended) => {
                optional(&mut ended.output);
                optional(&mut ended.reason);
            }
            Self::RunStarted(started) => each(&mut started.task),
            Self::RoundEnded(ended) => {
                if let Some(failure) = &mut ended.failure {
                    optional(&mut failure.cleanup);
                    each(&mut failure.evidence);
                }
            }
            Self::AttemptFailed(failed) => {
                optional(&mut failed.failure.cleanup);
                each(&mut failed.failure.evidence);
            }
            Self::AttemptRetrying(retrying) => each(&mut retrying.evidence),
            Self::TextDelta(delta) => each(&mut delta.text),
            Self::TurnEnded(turn) => each(&mut turn.preview),
            Self::ToolCalled(tool) => each(&mut tool.about),
            Self::WaitStarted(wait) => each(&mut wait.reason),
            Self::CheckEnded(check) => each(&mut check.evidence),
            Self::BudgetRefused(refused) => each(&mut refused.why),
            Self::AlertRaised(alert) => each(&mut alert.message),
            _ => {}
        }
    }
}
