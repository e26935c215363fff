//! opencode's `run --format json`.

pub(crate) mod config;
