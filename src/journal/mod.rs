//! The durable record of a run: the one file that `peek`, resume and every report fold.
//!
//! **Invariant: the journal is the truth.** Everything else in a run directory can be rebuilt from it, is named by it,
//! or was written before it. One [`Writer`] at a time appends whole lines; any number of readers look on without
//! writing anything. Kill the process after any byte, and what is left is a prefix of what was said.
//!
//! Nothing here reads a clock or the environment.

mod control;
mod error;
mod follow;
mod format;
mod git;
mod index;
mod line;
mod manifest;
mod pack;
mod reader;
mod shard;
mod snapshot;
mod store;
mod tail;
mod writer;

pub use crate::file::{
    Bell, Held, HoldError, Holder, hold, is_secret_name, redact_shapes, try_lock, write_atomic,
    write_atomic_from, write_atomic_unsynced, write_atomic_with,
};
pub use control::{LONGEST_STEER, SteerRequest, StopRequest};
pub use error::JournalError;
pub use follow::Follower;
pub use format::{Header, VERSION, Version};
pub use git::git_head;
pub use manifest::Manifest;
pub use pack::Texts;
pub use reader::{Lines, Reader, round_events};
pub use shard::{claim_shard, shards};
pub use snapshot::{RunState, Snapshot, snapshot};
pub use store::{RunDir, find, list, new_run_id};
pub use tail::{tail, tail_kind};
pub use writer::{Recovered, Writer};

#[cfg(test)]
mod tests;
