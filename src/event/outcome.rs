//! How things end. The numbers that a shell sees are in `cli::exit`; here are the words.

use serde::{Deserialize, Serialize};

/// How a round ended. Settled is not delivered: only a check says the latter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoundOutcome {
    /// The agent ended with an explicit success and a meaningful payload.
    Answered,
    /// The request failed; `attempt.failed` has the class.
    Failed,
    /// One of our deadlines ended it.
    TimedOut,
    /// A person or a budget ended it.
    Stopped,
    /// provost itself was killed while it ran; what it did is in doubt.
    Interrupted,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// The check passed.
    Delivered,
    /// No check was asked for and the agent answered; says nothing about the work.
    Settled,
    /// The agent settled, and the check did not pass.
    CheckFailed,
    /// The same failure three times in a row: more of the same would only cost.
    Stuck,
    /// The agent failed in a way that is its own: crash, timeout, refusal.
    AgentFailed,
    /// Backend, credentials or environment are not to be had.
    Unavailable,
    /// A ceiling of the budget was reached.
    BudgetExhausted,
    /// A ceiling in dollars is set and spend of unknown price came up.
    SpendUnknown,
    /// Ended by a signal; can be resumed.
    Interrupted,
    /// Ended by `provost stop`; can be resumed.
    Stopped,
    /// The loop of `supervise` has done what it was asked for: so many rounds, or the agent says that it is done.
    Done,
    /// A breaker of `supervise` has tripped: more of the same would only cost.
    GaveUp,
    /// What the profile names cannot be used any more: a prompt that is empty, a program that is gone.
    Misconfigured,
    /// `--dry-run`: prompts assembled and persisted, nothing called.
    DryRun,
    /// The gate says that it may ship.
    Certified,
    /// The gate says that it must not.
    NotCertified,
    /// The evidence does not decide.
    Inconclusive,
    /// All cells have ended, and no gate was asked for.
    Measured,
}

/// What kind of wait it is that is between rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitCause {
    /// The pause between a round and the next.
    Pause,
    /// A longer one after failures in a row.
    Backoff,
    /// A limit of the provider.
    Limit,
    /// The schedule.
    Schedule,
    /// The host is short of memory.
    Memory,
    /// Rounds in a row were ended for want of memory.
    MemoryLoop,
    /// The disk is full.
    Disk,
    /// What the round needs is held by somebody else, or the environment fails.
    Environment,
    /// Other members of the fleet run as many rounds as may run at once.
    Turn,
    /// A newer provost says something else.
    #[serde(other)]
    Unknown,
}

impl WaitCause {
    /// Whether it is one that a round leaves behind, and that is waited once.
    pub fn follows_a_round(self) -> bool {
        matches!(self, Self::Pause | Self::Backoff | Self::Limit | Self::MemoryLoop)
    }
}

/// What was done with a dirty work tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TreeAction {
    /// There was nothing to do.
    Clean,
    /// It is in a stash, named by its commit.
    Stashed,
    /// An earlier stash of the same round holds it already.
    StashedBefore,
    /// It was committed.
    Committed,
    /// It was left, as the profile wants it.
    Ignored,
    /// It was left, since the round has failed and its work may go on.
    Kept,
    /// It could not be done; the work tree is as it was.
    Failed,
    /// A newer provost says something else.
    #[serde(other)]
    Unknown,
}

/// What became of a message for the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SteerEffect {
    /// It is part of the prompt of a round.
    NextPrompt,
    /// The agent was told in the round that ran.
    Live,
    /// Nothing: the run was over, or not live, before it saw the request.
    NotLive,
    /// A newer provost says something else.
    #[serde(other)]
    Unknown,
}

/// What a request to stop has brought about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopEffect {
    /// The run has begun to end; `run.ended` says when it has.
    Stopping,
    /// The round that runs goes on to its end; no other one begins.
    Draining,
    /// Nothing: the run was over, or not live, before it saw the request.
    NotLive,
    /// A newer provost says something else.
    #[serde(other)]
    Unknown,
}

/// How loud an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Notice,
    /// Something is wrong and the run goes on.
    Warning,
    /// Going on would be harmful.
    Critical,
}

/// What a run has consumed so far. One type for the bar, the result, reports and peek.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spend {
    /// Fresh input tokens.
    pub input: u64,
    /// Output tokens.
    pub output: u64,
    /// Tokens read from a cache.
    #[serde(default)]
    pub cache_read: u64,
    /// Tokens written to a cache.
    #[serde(default)]
    pub cache_write: u64,
    /// Dollars of which we know.
    pub usd: f64,
    /// Whether `usd` is all there is: false as soon as anything ran whose price nobody said.
    pub usd_known: bool,
    /// Whether the token figures are all there is.
    #[serde(default = "yes")]
    pub tokens_known: bool,
    /// Wall time of the run, seconds.
    pub wall_s: f64,
}

fn yes() -> bool {
    true
}

impl Default for Spend {
    fn default() -> Self {
        Self {
            input: 0,
            output: 0,
            cache_read: 0,
            cache_write: 0,
            usd: 0.0,
            usd_known: true,
            tokens_known: true,
            wall_s: 0.0,
        }
    }
}

impl Spend {
    /// Adds what was reported; an unknown price makes the whole unknown.
    pub fn add(&mut self, usage: &super::Usage) {
        self.input = self.input.saturating_add(usage.input);
        self.output = self.output.saturating_add(usage.output);
        self.cache_read = self.cache_read.saturating_add(usage.cache_read);
        self.cache_write = self.cache_write.saturating_add(usage.cache_write);
        match usage.usd {
            Some(usd) if usd.is_finite() => self.usd += usd,
            _ => self.usd_known = false,
        }
    }

    /// Adds what something consumed: what nobody said makes the whole unknown.
    pub fn bill(&mut self, usage: Option<&super::Usage>) {
        if let Some(usage) = usage {
            self.add(usage);
        } else {
            self.usd_known = false;
            self.tokens_known = false;
        }
    }

    /// The same of what may be `offline`: it costs nothing where nobody said any dollars, and its tokens are known only where
    /// somebody said them.
    pub fn bill_of(&mut self, offline: bool, usage: Option<&super::Usage>) {
        match usage {
            None if offline => self.tokens_known = false,
            usage => self.bill(super::billed(offline, usage.copied()).as_ref()),
        }
    }

    /// Adds what another part has consumed; wall times are no sum.
    pub fn join(&mut self, other: &Self) {
        self.input = self.input.saturating_add(other.input);
        self.output = self.output.saturating_add(other.output);
        self.cache_read = self.cache_read.saturating_add(other.cache_read);
        self.cache_write = self.cache_write.saturating_add(other.cache_write);
        self.usd += other.usd;
        self.usd_known &= other.usd_known;
        self.tokens_known &= other.tokens_known;
    }

    /// The unit a token budget counts; see [`super::Usage::charged_tokens`].
    pub fn charged_tokens(&self) -> u64 {
        self.input.saturating_add(self.cache_write).saturating_add(self.output)
    }
}

impl RunOutcome {
    /// What the process exits with; the table is in `provost(1)`. `signal` is the one that interrupted the run.
    pub fn exit_code(self, signal: Option<i32>) -> u8 {
        match self {
            Self::Delivered
            | Self::Settled
            | Self::Stopped
            | Self::Done
            | Self::DryRun
            | Self::Certified
            | Self::Measured => 0,
            Self::CheckFailed | Self::Stuck | Self::AgentFailed | Self::NotCertified => 1,
            Self::Misconfigured => 2,
            Self::SpendUnknown | Self::Inconclusive => 3,
            Self::Unavailable => 4,
            Self::BudgetExhausted => 5,
            Self::GaveUp => 6,
            Self::Interrupted => {
                128 + signal.and_then(|signal| u8::try_from(signal).ok()).unwrap_or(2).min(127)
            }
        }
    }

    /// Whether the run was cut short by somebody and goes on when it is taken up again.
    pub fn can_go_on(self) -> bool {
        matches!(self, Self::Interrupted | Self::Stopped)
    }

    /// The word in the journal.
    pub fn word(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Settled => "settled",
            Self::CheckFailed => "check_failed",
            Self::Stuck => "stuck",
            Self::AgentFailed => "agent_failed",
            Self::Unavailable => "unavailable",
            Self::BudgetExhausted => "budget_exhausted",
            Self::SpendUnknown => "spend_unknown",
            Self::Interrupted => "interrupted",
            Self::Stopped => "stopped",
            Self::Done => "done",
            Self::GaveUp => "gave_up",
            Self::Misconfigured => "misconfigured",
            Self::DryRun => "dry_run",
            Self::Certified => "certified",
            Self::NotCertified => "not_certified",
            Self::Inconclusive => "inconclusive",
            Self::Measured => "measured",
        }
    }
}
