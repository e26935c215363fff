//! Who decides what a run does between its rounds, and who watches over them.
//!
//! The engine asks a driver whenever nothing is open, and hands it every event. A driver answers with a step or with acts;
//! it records nothing itself. What it knows it has from the fold, so a run that is taken up again goes on where it was.

use std::future::Future;
use std::pin::Pin;
use std::time::Instant;

use jiff::Timestamp;

use crate::event::{
    BudgetCeilings, Event, Failure, Kind, PhaseName, RoundNumber, RunOutcome, Sha256, Tally, WaitCause,
};

/// What a driver is shown.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// All that is known.
    pub tally: &'a Tally,
    /// The ceilings of the run.
    pub budget: &'a BudgetCeilings,
    /// Wall time of the run so far, seconds.
    pub wall_s: f64,
    /// Wall-clock time.
    pub now: Timestamp,
    /// Monotonic time.
    pub instant: Instant,
    /// Whether there is a check.
    pub checked: bool,
    /// Whether somebody wants the end and the run drains: what the last round has left is still to be seen to, and nothing
    /// else is to be begun.
    pub draining: bool,
}

/// A round that a driver wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its number.
    pub round: RoundNumber,
    /// Its phase.
    pub phase: Option<PhaseName>,
    /// Who plays in it: an index into [`Parts::casts`](super::Parts).
    pub cast: usize,
    /// Whether it begins a conversation of its own, whatever the profile says.
    pub fresh_eyes: bool,
    /// The commit that the workspace stands at.
    pub head: Option<String>,
    /// Names the contents of the files that are watched.
    pub fingerprint: Option<Sha256>,
    /// The texts of the prompt files as they are now; those that the run began with when absent.
    pub files: Option<Vec<String>>,
    /// Sentences that the prompt's context block has, beside those on the round before.
    pub notes: Vec<String>,
}

impl Order {
    /// A round of which nothing more is to be said.
    pub fn plain(round: RoundNumber) -> Self {
        Self {
            round,
            phase: None,
            cast: 0,
            fresh_eyes: false,
            head: None,
            fingerprint: None,
            files: None,
            notes: Vec::new(),
        }
    }
}

/// A wait between rounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// What kind it is.
    pub cause: WaitCause,
    /// Why, in words.
    pub reason: String,
    /// Until when, by the wall clock; it also ends when as much time has passed as this was away, whatever the clock says.
    pub until: Timestamp,
}

/// What a run does next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Start this round.
    Round(Order),
    /// Go on with the round that is open.
    Reopen(Order),
    /// Check the result of this round.
    Check(RoundNumber),
    /// Wait.
    Wait(Pause),
    /// Put this on record, and ask again.
    Tell(Vec<Kind>),
    /// End.
    End(RunOutcome, String),
}

/// What a driver wants done at once, in a round or in a wait.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Put this on record.
    Tell(Box<Kind>),
    /// End the round that runs, for this.
    EndRound(Failure),
    /// End the wait that runs; `fulfilled` says that what it was for has come.
    EndWait {
        /// Whether it has come.
        fulfilled: bool,
    },
    /// End the run; a round that runs is ended first.
    EndRun(RunOutcome, String),
}

/// A step, when it is known.
pub type NextStep<'a> = Pin<Box<dyn Future<Output = Step> + Send + 'a>>;

/// Decides.
pub trait Driver: Send {
    /// The next step. Asked whenever no work is under way; may take its time, and is given up only when the run must end
    /// at once.
    fn next<'a>(&'a mut self, view: View<'a>) -> NextStep<'a>;

    /// Hears an event that is on record, its own included.
    fn hear(&mut self, _event: &Event, _view: View<'_>) -> Vec<Act> {
        Vec::new()
    }

    /// When it wants to look next, in a round or in a wait; never, when absent.
    fn wants_to_look(&self) -> Option<Instant> {
        None
    }

    /// Looks.
    fn look(&mut self, _view: View<'_>) -> Vec<Act> {
        Vec::new()
    }

    /// Whether the first request to end lets the round that runs go on to its end.
    fn drains(&self) -> bool {
        false
    }
}
