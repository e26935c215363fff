//! The loop that owns the truth of a run.
//!
//! **Invariant: one place stamps.** Everything that happens enters [`run`] as a message (a report of the attempt, a
//! signal, a deadline) and leaves as an [`Event`](crate::event::Event), given its number and time in [`emit`] and
//! nowhere else. What to do next is a pure function of the tally ([`decide`]), so a killed run that is taken up again
//! goes on exactly where an uninterrupted one would be.
//!
//! ```text
//!   tally ──▶ decide::next ──▶ round ──▶ attempt ⇄ harness      every arrow to the right ends in events,
//!     ▲                          check ──▶ oracle                every event is folded into the tally
//!     └──────────── emit ◀──────────┘                            before anything else happens
//! ```
//!
//! The engine is handed a closure and knows neither journal nor reports. What the closure has returned from is on
//! record; that is why a round's prompt is handed over before the request is sent, and a paid answer before it is used.

mod attempt;
mod between;
mod cast;
mod chain;
mod clock;
mod deadline;
mod decide;
mod driver;
mod emit;
mod gate;
mod leave;
mod message;
mod prompt;
mod requests;
mod retell;
mod round;
mod run;
mod signal;
mod tries;
mod turnstile;

pub use cast::{Cast, Means, Unreadable, Words};
pub use chain::Candidate;
pub use clock::Clock;
pub(crate) use clock::until;
pub use decide::{OneTask, counted, reached};
pub use driver::{Act, Driver, NextStep, Order, Pause, Step, View};
pub use emit::{Emitter, Sink, Veiling};
pub use prompt::{assemble, strip_front_matter};
pub use requests::{answer_stops, decline_steers};
pub use run::{EngineError, Parts, Plan, Taken, ceilings, run};
pub use signal::{Inbox, Request, Shutdown, Steer, Stop};
