//! Who plays in a round, and what is said to them first: the same in every round, unless the loop has phases.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Candidate, strip_front_matter};
use crate::backend::account::Accounts;
use crate::backend::registry::{self, Place, Secrets, Unavailable};
use crate::backend::{self, Guard, Image};
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

/// What an agent is told before its task, as the files of its profile have it.
#[derive(Clone, Debug)]
pub struct Words {
    /// The system prompt.
    pub system: Option<String>,
    /// The texts of the prompt files, the front matter of the first one stripped.
    pub files: Vec<String>,
    /// Images.
    pub images: Vec<Image>,
}

/// A file of a prompt that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// A text.
    #[error("cannot read the prompt {path}: {error}")]
    Prompt {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A picture.
    #[error("cannot read the image {path}: {error}")]
    Image {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file that is no picture.
    #[error("{0} is not an image of a kind that models take")]
    NoImage(PathBuf),
}

impl Unreadable {
    /// What can be done, where the error does not say it.
    pub fn remedy(&self) -> Option<&'static str> {
        matches!(self, Self::NoImage(_)).then_some("`prompt.images` takes PNG, JPEG, GIF and WebP")
    }
}

impl Words {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or is not what the profile takes it for.
    pub fn read(profile: &Profile) -> Result<Self, Unreadable> {
        let prompt = &profile.prompt;
        let text = |path: &PathBuf| {
            std::fs::read_to_string(path).map_err(|error| Unreadable::Prompt { path: path.clone(), error })
        };
        let system = match (&prompt.system, &prompt.system_file) {
            (Some(system), _) => Some(system.clone()),
            (None, Some(file)) => Some(text(file)?),
            (None, None) => None,
        };
        let mut files = Vec::new();
        for (index, path) in prompt.files.iter().enumerate() {
            let text = text(path)?;
            files.push(if index == 0 { strip_front_matter(&text).to_owned() } else { text });
        }
        let image = |path: &PathBuf| {
            let bytes =
                std::fs::read(path).map_err(|error| Unreadable::Image { path: path.clone(), error })?;
            Image::new(path.clone(), bytes).ok_or_else(|| Unreadable::NoImage(path.clone()))
        };
        Ok(Self { system, files, images: prompt.images.iter().map(image).collect::<Result<_, _>>()? })
    }
}

/// What the candidates of a profile are made from.
pub struct Means<'a> {
    /// The caller's environment.
    pub environment: &'a BTreeMap<String, String>,
    /// Starts processes.
    pub guard: &'a Guard,
    /// Values that are never written.
    pub secrets: &'a Arc<Secrets>,
    /// What is known of accounts.
    pub accounts: &'a Accounts,
    /// Where the agent works; absolute.
    pub workspace: &'a Path,
    /// Assemble prompts, and call nothing.
    pub dry_run: bool,
}

impl Means<'_> {
    /// The chain of a profile, each with what drives it.
    ///
    /// # Errors
    ///
    /// What one of them needs is not there; an entry of the chain is named.
    pub fn chain(&self, profile: &Profile) -> Result<Vec<Candidate>, Unavailable> {
        let candidate = |(index, profile): (usize, Profile)| {
            let place = Place {
                profile: &profile,
                environment: self.environment,
                guard: self.guard.clone(),
                secrets: Arc::clone(self.secrets),
                workspace: self.workspace,
            };
            let harness = if self.dry_run {
                registry::dry()
            } else {
                registry::harness(&place).map_err(|error| error.of_candidate(index))?
            };
            let party = backend::party(&place, self.accounts);
            Ok(Candidate { name: profile.describes(), harness, party, profile: Arc::new(profile) })
        };
        profile.candidates().into_iter().enumerate().map(candidate).collect()
    }
}
