//! How the host is: memory, disk and control group, and what that means for a round.
//!
//! A [`Sampler`] looks, once; a [`Watch`] again and again. Everything else is pure over what was seen, a [`Sample`]. What the host does not tell is absent
//! in a sample and never counts as trouble by itself: the one who must know that nothing was told asks [`told`].
//!
//! ```text
//!   /proc, cgroup, statvfs ─▶ Sampler ─▶ Sample ─┬▶ pressure   is memory short?      ─▶ Floor  ends the round
//!                                                │                                   ─▶ Brake  lowers memory.high
//!                                                ├▶ disk_state is the disk full?
//!                                                └▶ Growth     what grows how fast?
//! ```
//!
//! All that needs Linux is read from files, so elsewhere it is simply not told; the disk is told on every Unix.

mod brake;
mod disk;
mod floor;
mod group;
mod growth;
mod kin;
mod pressure;
mod read;
mod sample;
mod sampler;
mod watch;

pub use brake::{Brake, Braked};
pub use disk::{DiskState, disk_state};
pub use floor::{Floor, FloorAct};
pub use group::own_group;
pub use growth::Growth;
pub use pressure::{Pressure, Signal, Tier, gate_inert, pressure, told};
pub use sample::{Cap, Sample};
pub use sampler::Sampler;
pub use watch::{Look, Watch};

/// Bytes in a MiB.
const MIB: u64 = 1024 * 1024;

#[cfg(test)]
mod tests;
