//! `[supervise]`: how the loop drives a profile, and what defends it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Agent, ModelSettings, Prompt, Round};
use crate::profile::element::{Period, Week, Window, Zone};

/// `[supervise]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Supervise {
    /// Who decides the next round.
    pub driver: Driver,
    /// What is waited between a round and the next; twice that after a failed one, and doubled with each crash in a row. Not 0.
    pub pause: Period,
    /// Ends with exit code 0 after so many rounds; `budget.rounds` is a ceiling and ends with 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounds: Option<u64>,
    /// When the work is done: `delivered` ends the loop once the check has passed, `stopped` goes on until somebody ends it.
    pub until: Until,
    /// What happens while the provider wants to be left alone.
    pub on_limit: OnLimit,
    /// Ends the loop while this file is there, relative to the workspace and below it; its text is the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_file: Option<PathBuf>,
    /// The agent ends the loop by writing this file, relative to the workspace and below it; it is taken away when the loop begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_file: Option<PathBuf>,
    /// Each round whose number is a multiple of it begins a conversation of its own, and says so to the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fresh_eyes: Option<u64>,
    /// Bytes that the prompt files and the task must come to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_prompt: Option<u64>,
    /// Transcripts of so many rounds are kept; 0 keeps all.
    pub keep_rounds: u64,
    /// Globs, relative to the workspace: a digest of these files is on record before and after each round.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fingerprint: Vec<String>,
    /// Alerts that end the loop; any but `supervisor_stale`.
    pub auto_stop: Vec<Alarm>,
    /// How long failures of the provider without a date are waited out.
    pub backoff: Backoff,
    /// How many of a kind in a row are too many.
    pub give_up: GiveUp,
    /// When rounds may begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// Names of phases in the order of their rounds; begins anew after the last, and may name one more than once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rotation: Vec<String>,
    /// What happens when the phase whose turn it is must not run.
    pub phase_policy: PhasePolicy,
    /// What is different in a phase.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub phase: BTreeMap<String, PhaseKeys>,
    /// What is looked for while a round runs.
    pub detect: Detect,
    /// What the host must have.
    pub host: Host,
    /// The members of a fleet; each is a profile with a run of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub member: Vec<Member>,
    /// Rounds of a fleet that run at once, at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel: Option<u32>,
}

/// `[supervise] driver`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Driver {
    /// Round after round, by rule.
    Restart,
    /// An agent.
    Agent,
}

/// `[supervise] until`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Until {
    /// Until the check has passed; without a check, until it is stopped.
    Delivered,
    /// Until it is stopped.
    Stopped,
}

/// `[supervise] on_limit`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnLimit {
    /// Waited out.
    Wait,
    /// The next round comes after the usual pause.
    Skip,
    /// The loop ends.
    Stop,
}

/// `[supervise] phase_policy`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PhasePolicy {
    /// It is waited for.
    Wait,
    /// The next one that may run takes its place.
    Skip,
}

/// Alerts of `supervise`, as `auto_stop` and the journal name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Alarm {
    /// The provider wants to be left alone.
    RateLimit,
    /// The key or the login is refused.
    AuthFailure,
    /// The same tool with the same argument again and again.
    RepeatedTool,
    /// A round is older than its wall and has not ended.
    Hung,
    /// Rounds in which the agent never began.
    NoFirstEvent,
    /// Rounds that failed of the network.
    NetworkFailures,
    /// Rounds that ran into a deadline.
    TimeoutRate,
    /// Round after round leaves a dirty tree.
    OrphanChain,
    /// The disk is nearly full.
    DiskWarning,
    /// The disk is full in all but name.
    DiskCritical,
    /// The disk fills fast.
    DiskGrowth,
    /// The host is short of memory.
    MemoryPressure,
    /// The host does not tell how its memory is.
    MemoryUnknown,
    /// Memory is short by one sign, and the gate that looks at another one would not see it.
    MemoryGateInert,
    /// The control group grows fast.
    CgroupGrowth,
    /// Nothing has been written for long, though the loop should be at work. Seen by `peek`.
    SupervisorStale,
    /// More transcripts are to be deleted at once than are kept.
    PruneDeferred,
}

/// `[supervise.backoff]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Backoff {
    /// The first wait; it doubles with each failure in a row. Not 0, and no longer than the longest.
    pub base: Period,
    /// The longest one.
    pub ceiling: Period,
}

/// `[supervise.give_up]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GiveUp {
    /// Rounds in a row that fail within a minute; 0 never gives up of them.
    pub crashes: u64,
    /// Rounds in a row that end well within 30 s and in which nothing was consumed, of an agent that reports usage; 0 never.
    pub idle: u64,
    /// Rounds in a row that were ended for want of memory, before a long pause; the third such pause within two hours ends the
    /// loop. 0 never.
    pub memory: u64,
}

/// `[supervise.schedule]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// An IANA time zone; the host's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<Zone>,
    /// Windows in which rounds may begin, the end left out; none means always. One that ends before it begins goes on past
    /// midnight and belongs to the day it begins on; 24:00 can only be an end. A round that runs is never cut by one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub run: Vec<Window>,
    /// Windows in which none may begin.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pause: Vec<Window>,
}

impl Schedule {
    /// The minutes of a week at which rounds may begin, whatever the zone.
    pub fn week(&self) -> Week {
        Week::of(&self.run, &self.pause)
    }
}

/// `[supervise.phase.NAME]`: what is laid over the profile while the phase runs.
///
/// A file says of a table what is different in it. In a resolved profile each table here is whole: the profile's, with that
/// laid over.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PhaseKeys {
    /// Keys of `[agent]`, laid over the profile's; another harness does not get the profile's `model`, `window`, `command`,
    /// `args`, `prompt_via`, `protocol`, `script`, `server`, `tools` and `max_turns`, and another model not its `window`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Agent>,
    /// Keys of `[model]`, laid over the profile's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelSettings>,
    /// Keys of `[prompt]`, laid over the profile's; one of `system` and `system_file` takes the place of the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<Prompt>,
    /// Keys of `[round]`, laid over the profile's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<Round>,
    /// When rounds of this phase may begin; replaces the windows of `[supervise.schedule]` whole, and keeps its time zone
    /// unless it has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
}

/// `[supervise.detect]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Detect {
    /// Calls that are looked at together for repetition; 0 looks for none.
    pub repeat_window: u32,
    /// How many of them must be the same: 2 or more, and no more than the window has.
    pub repeat_threshold: u32,
    /// Whether repetition ends the round.
    pub repeat_ends_round: bool,
    /// How old a round may become, in parts of `round.timeout`, before it counts as hung; above 0.
    pub hung_factor: f64,
    /// Rounds that the rates are taken over, 1 to 32.
    pub rate_window: u32,
    /// Share of them that is too many, above 0, to 1.
    pub rate_threshold: f64,
    /// Dirty trees in a row that are too many, 1 or more.
    pub orphan_chain: u32,
    /// How long nothing may be written before the loop counts as stale; 1.5 times `round.timeout` when absent, and `0s` never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale: Option<Period>,
}

/// `[supervise.host]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// How often the host is looked at.
    pub sample: Period,
    /// Percent of the disk, or of its inodes, that are a warning; above 0, and no more than is critical.
    pub disk_warning_pct: f64,
    /// Percent of the disk, or of its inodes, at which no round may begin; above 0, to 100.
    pub disk_critical_pct: f64,
    /// Percent of the disk in an hour that are a warning.
    pub disk_growth_pct_per_hour: f64,
    /// What the growth is measured over.
    pub disk_growth_window: Period,
    /// Percent of 10 s in which all tasks waited for memory that are critical; above 0, to 100.
    pub memory_full_critical: f64,
    /// Percent of 10 s in which some task waited for memory that are a warning; above 0, to 100.
    pub memory_some_warning: f64,
    /// MiB swapped out between two looks that mean pressure, where the kernel does not tell of it.
    pub swap_out_mb: u64,
    /// MiB of unused memory below which it is short.
    pub memory_free_mb: u64,
    /// MiB of available memory below which it is short.
    pub memory_available_mb: u64,
    /// Critical looks in a row that end the round.
    pub memory_looks: u32,
    /// Whether they end it.
    pub memory_terminate: bool,
    /// MiB a minute by which the control group, or else the agent, may grow.
    pub cgroup_growth_mb_per_min: f64,
    /// Whether pressure lowers the soft limit of our own control group.
    pub brake: bool,
    /// By how many percent, 0 to 50.
    pub brake_step_pct: u32,
}

/// `[[supervise.member]]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its profile, relative to this file.
    pub profile: PathBuf,
    /// Its task; the fleet's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
}
