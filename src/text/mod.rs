//! How things are worded for people: lengths of time, sizes, counts, and the nearest name to a misspelt one.
//!
//! **Invariant: pure.** Functions from values to text; nothing here knows where the text goes.

mod duration;
mod nearest;
mod plural;
mod size;
mod truncate;

pub use duration::duration;
pub use nearest::nearest;
pub use plural::plural;
pub use size::size;
pub use truncate::truncate;
