//! TOML in, one immutable value out.
//!
//! **Invariant: nothing is dropped.** Every key that a profile sets is either honoured by what will run or refused by
//! name, at the place where it was written; nothing looks at the profile's text again after [`load`].
//!
//! The way of a profile: [`layer`] parses each text into a [`tree`] that keeps places, [`load`] merges the trees, [`phase`] lays each phase over them,
//! [`decode`] turns the result into typed [`keys`], [`check`] holds the keys against each other and against what the
//! harness can do ([`capability`]), for the primary and for each entry of its [`chain`], and [`paths`] finds the files that are named. Whatever is wrong on the way becomes
//! a [`diagnostic`]. A [`suite`] goes the same way, with rules of its own. How the task is put is a
//! [`template`], the one language for profiles and suites.

mod capability;
mod chain;
mod check;
mod container;
mod decode;
mod diagnostic;
pub mod element;
mod keys;
mod layer;
mod load;
mod mismatch;
mod paths;
mod phase;
mod schema;
mod suite;
mod template;
mod tree;

pub use capability::{Capability, HARNESSES, capabilities, capability_table};
pub use container::{Container, find as find_container};
pub use diagnostic::ProfileError;
pub use keys::*;
pub use load::{Loaded, Source, from_manifest, load, load_supervised};
pub use schema::{json_schema, suite_schema};
pub use suite::{LoadedSuite, SCORE_OPTIONS, is_suite_key, load_suite};
pub use template::{Fields, Template, TemplateError};

#[cfg(test)]
mod tests;
