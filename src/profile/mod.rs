//! TOML in, one immutable value out.

pub mod element;
mod keys;

pub use keys::*;
