//! What is looked at before anything is spent: whether the program is there and of a version that is known to work, and
//! whether the model answers.
//!
//! **Invariant: what is missing is said with what to do about it, and nothing has been paid then** but, where it was
//! asked for, one tiny request for each distinct model. A program that is known is not asked for its version again.

mod memory;
mod probe;
mod version;

pub use memory::Memory;
pub use probe::{Probed, distinct, model, servers};
pub use version::VersionCheck;
pub(super) use version::collect;

/// Something that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What it is about, in one word: `program`, `version`, `key`, `mcp`, `model`.
    pub about: &'static str,
    /// What was seen, in words.
    pub text: String,
    /// Whether it is as it should be; what is not stops nothing, and a person should know it.
    pub usual: bool,
}

impl Notice {
    /// Something that is as it should be.
    pub fn usual(about: &'static str, text: impl Into<String>) -> Self {
        Self { about, text: text.into(), usual: true }
    }

    /// Something that a person should know.
    pub fn unusual(about: &'static str, text: impl Into<String>) -> Self {
        Self { about, text: text.into(), usual: false }
    }
}
