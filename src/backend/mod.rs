//! Something that takes a request and does the work of one attempt: an agent CLI, or a model in our own tool loop.
//!
//! **Invariant: a harness only reports.** It decides neither whether to go on nor what a failure means for the run;
//! it says what happens through its [`Link`], in order, and ends in exactly one [`Answer`] or one classified
//! [`Failure`]. Success is an explicit terminal event with a meaningful payload, never an exit code alone.
//!
//! A new harness is one file in this room and one row in [`registry`].

use std::future::Future;
use std::pin::Pin;

use crate::event::Failure;

pub mod account;
pub mod agent;
pub mod chat;
mod check;
mod errand;
mod link;
pub mod opencode;
mod party;
mod price;
pub mod ready;
pub mod registry;
pub mod remote;
mod request;
mod shell;

pub use check::{Checking, Finding, Oracle, oracle, survey};
pub use errand::{Errand, Returned};
pub use link::{Gone, Link, Message, Report, Stop, Word};
pub use party::party;
pub use request::{Answer, Image, Replayed, Request, SessionPlan};

/// The future of one attempt.
pub type Attempt = Pin<Box<dyn Future<Output = Result<Answer, Failure>> + Send>>;

/// What drives a profile.
pub trait Harness: Send + Sync {
    /// Starts one attempt. The future ends only when nothing of the attempt is left running.
    ///
    /// # Errors
    ///
    /// The one classified failure of the attempt.
    fn attempt(&self, request: Request, link: Link) -> Attempt;

    /// Whether it can fork a conversation.
    fn forks(&self) -> bool {
        false
    }

    /// Whether another process can go on with a session whose last turn was cut.
    fn resumes(&self) -> bool {
        false
    }

    /// Whether an interrupted attempt goes on from its recorded steps; else it is made anew.
    fn replays(&self) -> bool {
        false
    }

    /// Whether it tells the agent of an attempt what comes in over [`Link::words`], where a next request follows. Only one
    /// that also [replays](Self::replays) may: what was said is a recorded step.
    fn steers(&self) -> bool {
        false
    }
}

pub use crate::process::{Guard, guard};
