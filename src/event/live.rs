//! What is worth showing while it happens and not worth keeping: it has no place in the journal.

use std::time::Instant;

/// One of the clocks that can end a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deadline {
    /// `round.timeout`: the hard wall.
    Timeout,
    /// `round.first_event`: something must come.
    FirstEvent,
    /// `round.stall`: something must keep coming, unless a tool runs.
    Stall,
    /// `round.tool`: a tool must end.
    Tool,
    /// `round.grace_after_result`: the process must go once it has given its result.
    GraceAfterResult,
    /// `retry.wait`: an agent's own retry loop, without progress.
    OwnRetries,
    /// `budget.wall`: the whole run.
    Wall,
}

impl Deadline {
    /// The key that sets it.
    pub fn key(self) -> &'static str {
        match self {
            Self::Timeout => "round.timeout",
            Self::FirstEvent => "round.first_event",
            Self::Stall => "round.stall",
            Self::Tool => "round.tool",
            Self::GraceAfterResult => "round.grace_after_result",
            Self::OwnRetries => "retry.wait",
            Self::Wall => "budget.wall",
        }
    }
}

/// A passing sight of the run.
#[derive(Clone, Debug, PartialEq)]
pub enum Live {
    /// Text as it streams.
    Text(String),
    /// Bytes of transcript so far; says that the agent is alive.
    Transcript(u64),
    /// The clock that will end the round next, if nothing happens.
    NextDeadline(Option<(Deadline, Instant)>),
    /// The agent is being ended; the text says why.
    Ending(String),
    /// The round goes on to its end, and no other one begins; the text says why.
    Draining(String),
}
