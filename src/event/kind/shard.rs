//! A run that several processes write: each has a journal of its own, and the run takes over what they hold.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::{CellIndex, RunId, Seq, Sha256, ShardName};

/// The first event of a shard: whose it is, and what it is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardStarted {
    /// The run that it is a part of.
    pub run: RunId,
    /// Its name; unique in the run.
    pub shard: ShardName,
    /// The machine that it is written on, as that calls itself.
    pub host: String,
    /// Process id of provost there.
    pub pid: u32,
    /// Names the plan.
    pub plan_sha256: Sha256,
    /// The cells that it is to run, such as `3,7-9`.
    pub cells: String,
    /// How many they are.
    pub count: u64,
    /// What runs them: version and hash, where it is not the program that the plan was made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binary: Option<String>,
}

/// All that a shard holds was taken over. Comes once for each shard that nobody writes any more, and again where it has
/// grown all the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardMerged {
    /// The shard.
    pub shard: ShardName,
    /// The machine that it was written on.
    pub host: String,
    /// Process id of provost there.
    pub pid: u32,
    /// Cells that were begun in it and have no end: what they have spent is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<CellIndex>,
    /// Bytes of a torn last line that were left out.
    #[serde(default)]
    pub torn_bytes: u64,
    /// Bytes of its journal that were looked at.
    pub bytes: u64,
}

/// Where an event stood before it was taken over. Nothing is taken over twice: of each shard only what stands behind the
/// last one of these counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The shard.
    pub shard: ShardName,
    /// Its place there.
    pub seq: Seq,
    /// When it happened.
    pub at: Timestamp,
    /// Whether the cell had an answer by then: it counts as cost, and says nothing else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
    /// What has run the cell, as the shard says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binary: Option<String>,
}
