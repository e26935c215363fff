//! The loop of `supervise`, and what it stands on.

mod battery;
mod breakers;
mod drain;
mod ends;
mod fleet;
mod full_disk;
mod holder;
mod killed;
mod leftovers;
mod live_steer;
mod phases;
mod prompts;
mod real_claude;
mod real_codex;
mod soak;
mod tree;
mod work;
