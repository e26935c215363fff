//! The loop that keeps an agent working: round after round, by rule.
//!
//! **Invariant: the loop is a fold.** What comes next follows from the journal's fold, the profile, the time and what the
//! host shows now; no counter lives anywhere else. Killed at any point and started again, the loop goes on as if it had
//! never been away, and what is wrong with the environment never uses up a round.
//!
//! ```text
//!   tally ─▶ restart::verdict ─▶ Step          between rounds: tree ▸ breakers ▸ schedule ▸ host ▸ prompt ▸ round
//!   event ─▶ detect ─▶ Act                     in a round: alerts, and what they end
//!   time  ─▶ host::sample ─▶ detect ─▶ Act
//! ```

pub mod battery;
pub mod defense;
pub mod detect;
mod driver;
pub mod host;
mod notes;
pub mod restart;
pub mod retention;
pub mod schedule;
pub mod tree;
mod vigil;

pub use driver::{Making, Player, Restart};
