//! What rounds in a row have in common: the counters of every breaker of `supervise`.
//!
//! They are part of the fold, so that a restart of provost, a crash of it, and an upgrade change none of them.

use std::collections::{BTreeSet, VecDeque};
use std::io;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::OpenRound;
use crate::event::{Failure, FaultClass, FaultScope, RoundEnded, RoundOutcome, TreeAction, WaitCause};

/// A round that fails within this time has crashed, milliseconds.
const CRASH_WITHIN_MS: u64 = 60_000;
/// A round that ends well within this time, and in which nothing was consumed, was idle, milliseconds.
const IDLE_WITHIN_MS: u64 = 30_000;
/// Pauses for want of memory that are kept.
const KEPT_PAUSES: usize = 8;
/// Phases that are known to report usage.
const KEPT_REPORTERS: usize = 64;

/// Counters of rounds in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Streak {
    /// Rounds in a row that failed within a minute, for a reason of their own.
    pub crashes: u64,
    /// Rounds in a row that failed of the provider.
    pub throttled: u64,
    /// Rounds in a row that ended well, at once, and without any use of a model.
    pub idle: u64,
    /// Rounds in a row that were ended for want of memory.
    pub memory: u64,
    /// When the loop last paused for that, oldest first.
    pub memory_pauses: VecDeque<Timestamp>,
    /// Whether it has paused for these; the next one counts anew.
    #[serde(default)]
    pub memory_paused: bool,
    /// Rounds in a row whose work tree had to be stashed.
    pub orphans: u64,
    /// Phases whose agent has ever reported usage; the empty name stands for no phase.
    pub reporters: BTreeSet<String>,
}

impl Streak {
    /// A round has settled.
    pub(super) fn settled(&mut self, ended: &RoundEnded, open: &OpenRound) {
        let phase = open.phase.as_ref().map_or("", |phase| phase.as_str());
        if open.consumed && self.reporters.len() < KEPT_REPORTERS {
            self.reporters.insert(phase.to_owned());
        }
        let idle = !open.consumed && ended.duration_ms < IDLE_WITHIN_MS && self.reporters.contains(phase);
        match (ended.outcome, &ended.failure) {
            // A person or a kill has ended it: it says nothing of the agent.
            (RoundOutcome::Stopped | RoundOutcome::Interrupted, _) => {}
            (RoundOutcome::Answered, _) | (_, None) => {
                *self = Self { idle: if idle { self.idle + 1 } else { 0 }, ..self.over() };
            }
            (_, Some(failure)) if failure.is_environmental() => {}
            (_, Some(failure)) if failure.is_memory() => {
                let before = if self.memory_paused { 0 } else { self.memory };
                *self = Self { memory: before + 1, ..self.over() };
            }
            (_, Some(failure)) if failure.class.is_of_provider() => {
                *self = Self { throttled: self.throttled + 1, ..self.over() };
            }
            (RoundOutcome::Failed, Some(_)) if ended.duration_ms < CRASH_WITHIN_MS => {
                *self = Self { crashes: self.crashes + 1, ..self.over() };
            }
            _ => *self = self.over(),
        }
    }

    /// A wait has begun; or has begun again, after a restart in it.
    pub(super) fn waits(&mut self, cause: Option<WaitCause>, at: Timestamp) {
        if cause == Some(WaitCause::MemoryLoop) && !self.memory_paused {
            self.memory_paused = true;
            if self.memory_pauses.len() == KEPT_PAUSES {
                self.memory_pauses.pop_front();
            }
            self.memory_pauses.push_back(at);
        }
    }

    /// A work tree was looked at.
    pub(super) fn tree(&mut self, action: TreeAction) {
        match action {
            TreeAction::Stashed | TreeAction::StashedBefore => self.orphans += 1,
            TreeAction::Clean | TreeAction::Committed => self.orphans = 0,
            _ => {}
        }
    }

    /// Without what a round of another kind ends.
    fn over(&self) -> Self {
        Self {
            memory_pauses: self.memory_pauses.clone(),
            orphans: self.orphans,
            reporters: self.reporters.clone(),
            ..Self::default()
        }
    }
}

impl FaultClass {
    /// Whether it is the provider, or the way to it, that failed: what going on after a while may mend.
    pub fn is_of_provider(self) -> bool {
        matches!(
            self,
            Self::RateLimited | Self::QuotaExhausted | Self::Overloaded | Self::ServerError | Self::Transport
        )
    }
}

/// The rule of a failure of ours: the host was short of memory, and the round was ended to spare it.
const MEMORY: &str = "provost.host_memory";
/// The rule of a failure of ours: the round could not begin for a reason that is not its own.
const ENVIRONMENT: &str = "provost.environment";

impl Failure {
    /// The failure of a round that was ended since the host is short of memory.
    pub fn memory(evidence: impl Into<String>) -> Self {
        Self { rule: MEMORY.to_owned(), ..Self::ours(FaultClass::SelfAbort, evidence) }
    }

    /// Whether it is that.
    pub fn is_memory(&self) -> bool {
        self.rule == MEMORY
    }

    /// The failure of a round that could not begin for a reason that is not its own and goes away: a full disk, a lock.
    pub fn environment(evidence: impl Into<String>) -> Self {
        Self { rule: ENVIRONMENT.to_owned(), ..Self::ours(FaultClass::SelfAbort, evidence) }
    }

    /// The failure of what could not be written to a disk: it passes where the disk is full, and else is this machine's.
    pub fn of_disk(error: &io::Error, evidence: impl Into<String>) -> Self {
        if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            return Self::environment(evidence);
        }
        Self { scope: FaultScope::Local, ..Self::ours(FaultClass::ConfigMissing, evidence) }
    }

    /// Whether it is that.
    pub fn is_environmental(&self) -> bool {
        self.rule == ENVIRONMENT
    }
}
