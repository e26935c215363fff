//! Who plays in a round, and what is said to them first: the same in every round, unless the loop has phases.

use std::sync::Arc;

use super::Candidate;
use crate::backend::Image;
use crate::profile::Profile;

/// Everything that may differ from phase to phase.
#[derive(Clone)]
pub struct Cast {
    /// The profile as it is in this phase.
    pub profile: Arc<Profile>,
    /// Who can be asked: the primary first, and never empty.
    pub candidates: Vec<Candidate>,
    /// The system prompt.
    pub system: Option<String>,
    /// The texts of the prompt files, front matter stripped.
    pub files: Vec<String>,
    /// The task as it is put to the agent, where that is not as it was given.
    pub task: Option<String>,
    /// Images that go along with each prompt.
    pub images: Vec<Image>,
}
