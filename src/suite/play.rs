//! One agent plays one part, from the task to its end: the cells, the judges and the compressors are all played so.
//!
//! It is a whole run of the engine, with its retries, fallbacks, deadlines and leave to ask; only that what happens is
//! kept here instead of in a journal of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::backend::account::Accounts;
use crate::backend::registry::{Secrets, Unavailable};
use crate::backend::{Guard, Image, Oracle};
use crate::engine::{
    self, Candidate, Cast, Clock, EngineError, Means, OneTask, Parts, Plan, Shutdown, Unreadable, Words,
};
use crate::event::{Event, Failure, NodeId, RunId, RunOutcome, Sha256, Usage};
use crate::profile::Profile;

use super::kept::Kept;

/// What is to be played.
pub struct Part {
    /// Whose it is; names its transcript.
    pub node: NodeId,
    /// The task, as it is put to the agent: what its profile says of that has been done.
    pub task: String,
    /// The seed of everything random in it.
    pub seed: u64,
    /// Where the agent works; absolute.
    pub workspace: PathBuf,
    /// The check, if there is one.
    pub oracle: Option<Arc<dyn Oracle>>,
    /// Whether a text that was cut at the output limit is an answer, where no tools are offered.
    pub takes_cut: bool,
}

/// How it went.
#[derive(Clone, Debug)]
pub struct Played {
    /// How it ended.
    pub outcome: RunOutcome,
    /// The failure that it ended with.
    pub failure: Option<Failure>,
    /// The answer; absent where there is none.
    pub output: Option<String>,
    /// Whether the answer was cut at the output limit.
    pub cut: bool,
    /// Whether the check passed, its score and what it said, where there was one.
    pub check: Option<(bool, Option<f64>, String)>,
    /// All that was reported, failed attempts included; absent when nobody said anything.
    pub usage: Option<Usage>,
    /// Requests or invocations, failed ones included.
    pub attempts: u64,
    /// Rounds.
    pub rounds: u64,
    /// The model that really answered.
    pub model: Option<String>,
    /// The texts that were sent, veiled, in order.
    pub prompts: Vec<Text>,
    /// What did not go smoothly, for the journal.
    pub notable: Vec<Event>,
    /// From its start to its end, milliseconds.
    pub duration_ms: u64,
    /// The raw transcript, relative to the run directory, where there is one.
    pub transcript: Option<String>,
}

/// A text and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// Names its bytes.
    pub sha256: Sha256,
    /// The bytes, without secret values.
    pub bytes: Vec<u8>,
}

/// What all parts of a run have in common: what starts processes, knows keys and accounts, and hears when to end.
#[derive(Clone)]
pub struct Stage {
    /// Starts processes.
    pub guard: Guard,
    /// The caller's environment.
    pub environment: BTreeMap<String, String>,
    /// Values that are never written.
    pub secrets: Arc<Secrets>,
    /// What is known of accounts, by all provosts of the user.
    pub accounts: Accounts,
    /// Hears requests to end.
    pub shutdown: Shutdown,
    /// The run directory; absolute.
    pub directory: PathBuf,
    /// The run.
    pub run: RunId,
    /// Assemble prompts, and call nothing.
    pub dry_run: bool,
}

/// A profile that is ready to play any number of parts, also at the same time.
#[derive(Clone)]
pub struct Player {
    /// The profile.
    pub profile: Arc<Profile>,
    /// What is said first: the system prompt.
    pub system: Option<String>,
    /// The texts of the prompt files.
    pub files: Vec<String>,
    /// Images that go along.
    pub images: Vec<Image>,
    /// Who can be asked, where that does not depend on the workspace.
    candidates: Option<Vec<Candidate>>,
}

/// Why a profile cannot play.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// Something that it needs is not there.
    #[error("{0}")]
    Unavailable(#[from] Unavailable),
    /// What happens could not be kept.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A file that it names cannot be read.
    #[error(transparent)]
    Words(#[from] Unreadable),
}

impl Stage {
    /// Makes a profile ready to play.
    ///
    /// # Errors
    ///
    /// What it needs is not there.
    pub fn player(&self, profile: Arc<Profile>) -> Result<Player, StageError> {
        let Words { system, files, images } = Words::read(&profile)?;
        // Also where they are made for each workspace: what is not there is told before anything is spent.
        let candidates = self.candidates(&profile, &self.directory)?;
        let in_process = |one: &Candidate| {
            matches!(one.profile.agent.harness.as_str(), "chat" | "scripted")
                && one.profile.agent.mcp.is_empty()
        };
        let candidates = Some(candidates).filter(|candidates| candidates.iter().all(in_process));
        Ok(Player { profile, system, files, images, candidates })
    }

    /// Plays a part to its end. Dropping the future ends whatever it has started.
    ///
    /// # Errors
    ///
    /// None of what the agent does is an error here; only what cannot be kept is.
    pub async fn play(&self, player: &Player, part: Part) -> Result<Played, StageError> {
        let candidates = match &player.candidates {
            Some(candidates) => candidates.clone(),
            None => self.candidates(&player.profile, &part.workspace)?,
        };
        let started = Clock.now();
        let kept = Arc::new(Mutex::new(Kept::default()));
        let (sink, veil) = (Arc::clone(&kept), Arc::clone(&self.secrets));
        let cast = Cast {
            profile: Arc::clone(&player.profile),
            candidates,
            system: player.system.clone(),
            files: player.files.clone(),
            // The part says what is put to the agent.
            task: None,
            images: player.images.clone(),
        };
        let plan = Plan {
            run: self.run.clone(),
            verb: "cell",
            profile: Arc::clone(&player.profile),
            task: part.task,
            seed: part.seed,
            workspace: part.workspace,
            directory: self.directory.clone(),
            dry_run: self.dry_run,
            patient: false,
            pid: std::process::id(),
            alerts: Vec::new(),
            cell: Some(part.node),
            takes_cut: part.takes_cut,
        };
        let parts = Parts {
            casts: vec![cast],
            driver: Box::new(OneTask),
            accounts: self.accounts.clone(),
            survey: None,
            oracle: part.oracle,
            sink: Box::new(move |record| {
                sink.lock().unwrap_or_else(PoisonError::into_inner).take(&record);
                Ok(())
            }),
            veiling: Box::new(move |bytes| veil.redact(bytes)),
            shutdown: self.shutdown.clone(),
        };
        let ended = Box::pin(engine::run(plan, parts, None)).await?;
        let duration = Clock.now().duration_since(started);
        let kept = std::mem::take(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(kept.played(ended, duration, &self.directory))
    }

    fn candidates(&self, profile: &Profile, workspace: &Path) -> Result<Vec<Candidate>, Unavailable> {
        let Self { environment, guard, secrets, accounts, dry_run, .. } = self;
        let dry_run = *dry_run;
        Means { environment, guard, secrets, accounts, workspace, dry_run }.chain(profile)
    }
}
