//! The loop of `supervise`, and what it stands on.

mod soak;
mod tree;
