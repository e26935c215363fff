//! What the loop of `supervise` does between rounds, and what its defenses do in them.

use serde::{Deserialize, Serialize};

use crate::event::{PhaseName, RequestId, RoundNumber, Sha256, SteerEffect, TreeAction};

/// What became of what a round has left in the work tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TreeSettled {
    /// The round that has left it.
    pub round: RoundNumber,
    /// What was done.
    pub action: TreeAction,
    /// The commit that holds it: of the stash, or on the branch. Never a place in a list, which moves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// How many files were changed, deleted or new.
    pub files: u64,
    /// The first of them, at most 20, relative to the work tree.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listed: Vec<String>,
    /// An index lock that our own timed-out git had left, and that was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock_removed: Option<String>,
    /// Why it could not be done, where `action` is `failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The commit that the work tree stands at afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// Names the contents of the files that `supervise.fingerprint` lists, afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Sha256>,
}

/// A phase was passed over, since it must not run now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseSkipped {
    /// The round that is about to begin.
    pub round: RoundNumber,
    /// Which were passed over.
    pub skipped: Vec<PhaseName>,
    /// Which runs instead.
    pub chosen: PhaseName,
    /// Why the first of them must not run.
    pub why: String,
}

/// How the host is; absent is what this host does not tell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostSampled {
    /// The round that it was taken in, or before.
    pub round: RoundNumber,
    /// Memory that can be had without swapping, MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mem_available_mb: Option<u64>,
    /// Memory that is in no use at all, MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mem_free_mb: Option<u64>,
    /// Pages swapped out since the host booted, MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swapped_out_mb: Option<u64>,
    /// Share of the last 10 s in which some task waited for memory, percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_some_avg10: Option<f64>,
    /// Share of the last 10 s in which all tasks waited for memory, percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_full_avg10: Option<f64>,
    /// Share of the last 10 s in which some task waited for a disk, percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub io_some_avg10: Option<f64>,
    /// How full the file system of the run directory is, percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_used_pct: Option<f64>,
    /// How many of its inodes are used, percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inode_used_pct: Option<f64>,
    /// Load of the last minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_1m: Option<f64>,
    /// Memory of our control group, MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup_mb: Option<u64>,
    /// The most that it had since the round began, MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup_peak_mb: Option<u64>,
    /// Processes of it that the kernel killed for want of memory since the round began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oom_kills: Option<u64>,
    /// Resident memory of the agent and all that it started, MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_rss_mb: Option<u64>,
}

/// A defense has done something to the agent or to the host, not only spoken of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DefenseActed {
    /// Which, as `peek --defenses` names it.
    pub defense: String,
    /// What it did: `terminated`, `nudged`, `deferred_to_cgroup`, `brake_engaged`, `brake_released`, `brake_failed`, `stopped`.
    pub action: String,
    /// What it saw, in words.
    pub message: String,
    /// The round that it happened in.
    pub round: RoundNumber,
}

/// Transcripts of old rounds were deleted, as `supervise.keep_rounds` wants it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogsPruned {
    /// How many were deleted.
    pub deleted: u64,
    /// How many are kept.
    pub kept: u64,
}

/// The run has seen a message that another process left for the agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SteerRequested {
    /// The request.
    pub id: RequestId,
    /// The message, at most 16 KiB.
    pub text: String,
}

/// The run's answer to it; each request gets one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SteerAcknowledged {
    /// The request.
    pub id: RequestId,
    /// What became of the message.
    pub effect: SteerEffect,
    /// The round whose agent is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<RoundNumber>,
}
