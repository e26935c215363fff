//! One loop of a fleet: its run directory, and the engine with the restart driver in it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::backend::registry::{self, Secrets};
use crate::backend::{self, Guard, Oracle};
use crate::cli::Common;
use crate::cli::context::Context;
use crate::cli::error::{CliError, environment};
use crate::cli::launch::{self, Again, Given};
use crate::cli::record::{Recorder, lock};
use crate::engine::{self, Cast, EngineError, Parts, Plan, Request, Shutdown, Taken, Words};
use crate::event::{PhaseName, RunEnded, RunId};
use crate::journal::{self, Manifest, RunDir, RunState, Writer};
use crate::profile::{Dirty, Profile, Supervise};
use crate::report::{Board, Metrics};
use crate::supervise::schedule::Calendar;
use crate::supervise::tree::Tree;
use crate::supervise::{Making, Player, Restart};

use super::{Named, SuperviseArgs};

/// How soon a journal that could not be written is tried again.
const DISK_AGAIN: Duration = Duration::from_secs(10);

/// What the members of a fleet share.
pub(super) struct Fleet {
    pub(super) context: Context,
    pub(super) common: Common,
    pub(super) args: SuperviseArgs,
    pub(super) root: PathBuf,
    pub(super) guard: Guard,
    pub(super) board: Option<Arc<Board>>,
    pub(super) turns: Option<Arc<Semaphore>>,
    pub(super) several: bool,
}

/// A run that is to be driven.
pub(super) struct Member {
    dir: RunDir,
    manifest: Manifest,
    profile: Arc<Profile>,
    settings: Supervise,
    task: String,
    secrets: Arc<Secrets>,
    writer: Option<Writer>,
    taken: Option<Taken>,
    late: Vec<Request>,
}

impl Member {
    /// A new run, or one that is gone on with.
    pub(super) fn prepare(fleet: &Fleet, named: Named) -> Result<Self, CliError> {
        let Named { profile, workspace, task, settings } = named;
        let (context, args) = (&fleet.context, &fleet.args);
        let labels = launch::labels(&args.labels)?;
        let given = Given {
            verb: "supervise",
            profile: &profile,
            workspace,
            task: task.clone(),
            seed: args.seed,
            labels,
        };
        let mut manifest = launch::manifest(context, given)?;
        let secrets = Arc::new(registry::secrets(&profile, &context.environment));
        let path = match &args.out {
            Some(out) => context.cwd.join(out),
            None => fleet.root.join("runs").join(manifest.run.as_str()),
        };
        let found = if args.out.is_some() {
            RunDir::open(&path).ok().map(Earlier::GoOn)
        } else if args.new {
            None
        } else {
            earlier(&fleet.root, &manifest)?
        };
        match found {
            Some(Earlier::GoOn(dir)) => {
                let held = Manifest::read(&dir).map_err(environment)?;
                if held.profile_sha256 != manifest.profile_sha256 || held.task_sha256 != manifest.task_sha256
                {
                    let place = dir.path().display();
                    return Err(CliError::usage(format!("{place} holds a run of another profile or task"))
                        .hint("choose another `--out`"));
                }
                return Self::again(dir, profile, settings, task, secrets);
            }
            Some(Earlier::Changed(run)) => manifest.parent = Some(run),
            None => {}
        }
        let dir = RunDir::create(&path)
            .map_err(|error| CliError::usage(format!("{:#}", anyhow::Error::new(error))))?;
        let manifest = launch::veiled(&manifest, &secrets)?;
        manifest.write(&dir).map_err(environment)?;
        let writer = Writer::create(&dir, &manifest.run, manifest.started_at).map_err(environment)?;
        let late = Vec::new();
        Ok(Self { dir, manifest, profile, settings, task, secrets, writer: Some(writer), taken: None, late })
    }

    fn again(
        dir: RunDir,
        profile: Arc<Profile>,
        settings: Supervise,
        task: String,
        secrets: Arc<Secrets>,
    ) -> Result<Self, CliError> {
        let Again { manifest, writer, taken, late, .. } = launch::resume(&dir, "supervise")?;
        let (writer, taken) = (Some(writer), Some(taken));
        Ok(Self { dir, manifest, profile, settings, task, secrets, writer, taken, late })
    }

    /// Drives it to its end; its exit code.
    pub(super) async fn keep(mut self, fleet: &Fleet) -> Result<u8, CliError> {
        if let Some(done) = &self.settings.done_file {
            // What an earlier agent has said is over.
            let _ = std::fs::remove_file(self.manifest.workspace.join(done));
        }
        loop {
            let error = match self.drive(fleet).await? {
                Ok(ended) => return Ok(ended.exit_code),
                Err(EngineError::Record(error)) => error,
            };
            if !is_passing(&error) {
                return Err(environment(error));
            }
            // Not a round, and none is used up: the journal says where to go on, once it can be written again.
            let run = &self.manifest.run;
            crate::cli::say(&format!(
                "{run}: cannot be recorded, tried again in {}s: {error}\n",
                DISK_AGAIN.as_secs()
            ));
            let mut shutdown = Shutdown::listen().map_err(environment)?;
            tokio::select! {
                () = tokio::time::sleep(DISK_AGAIN) => {}
                () = shutdown.wanted() => return Err(environment(error)),
            }
            let Self { dir, profile, settings, task, secrets, .. } = self;
            self = Self::again(dir, profile, settings, task, secrets)?;
        }
    }

    async fn drive(&mut self, fleet: &Fleet) -> Result<Result<RunEnded, EngineError>, CliError> {
        // Hung first: what comes before it is looked for is told then.
        let mut bell = self.dir.bell();
        let late = std::mem::take(&mut self.late);
        let shutdown = crate::cli::stop::listen(&self.dir, late).map_err(environment)?;
        let door = shutdown.clone();
        let Some(writer) = self.writer.take() else {
            return Err(CliError::unavailable("the journal is not at hand"));
        };
        let recorder =
            Recorder::new(writer, self.reports(fleet), Arc::clone(&self.secrets), self.dir.clone());
        let (plan, parts) = self.parts(fleet, shutdown, &recorder)?;
        let taken = self.taken.take();
        let mut running = std::pin::pin!(engine::run(plan, parts, taken));
        let animated = fleet.context.animated() && !fleet.several;
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let ended = loop {
            tokio::select! {
                ended = &mut running => break ended,
                _ = ticks.tick(), if animated => lock(&recorder).tick(),
                () = bell.rung() => door.look(),
            }
        };
        // While the journal is still ours: the next one who has it hangs a bell of its own.
        drop(bell);
        if ended.is_ok() {
            lock(&recorder).finish().map_err(environment)?;
        }
        Ok(ended)
    }

    fn reports(&self, fleet: &Fleet) -> crate::report::Fanout {
        let dir = self.dir.path();
        let mut reports = if fleet.several {
            launch::reports_of(&fleet.context, &fleet.common, &self.profile.name, dir)
        } else {
            launch::reports(&fleet.context, &fleet.common, fleet.args.json, dir)
        };
        if let Some(board) = &fleet.board {
            reports.0.push(Box::new(Metrics::new(Arc::clone(board), self.labels())));
        }
        reports
    }

    fn labels(&self) -> Vec<(String, String)> {
        // The run and its profile are labels of their own.
        self.manifest.labels.clone().into_iter().collect()
    }

    fn parts(
        &self,
        fleet: &Fleet,
        shutdown: Shutdown,
        recorder: &crate::cli::record::Shared,
    ) -> Result<(Plan, Parts), CliError> {
        let (context, guard, workspace) = (&fleet.context, &fleet.guard, &self.manifest.workspace);
        let secrets = &self.secrets;
        let settings = self.settings.clone();
        let accounts = launch::accounts(context, false, &self.manifest);
        let surroundings = || registry::check_environment(&context.environment, secrets);
        let oracle: Option<Arc<dyn Oracle>> = self.profile.check.as_ref().and_then(|check| {
            backend::oracle(check, guard.clone(), surroundings(), workspace, Arc::clone(secrets))
        });
        let survey = backend::survey(guard.clone(), surroundings(), workspace, Arc::clone(secrets));
        let mut casts = Vec::new();
        let mut players = Vec::new();
        for (phase, profile) in phases(&self.profile, &settings) {
            let Words { system, files, images } = launch::words(&profile)?;
            let task = launch::put(&profile, &self.task)?;
            let said = task.clone().unwrap_or_else(|| self.task.clone());
            let candidates =
                launch::candidates(context, false, &profile, &self.manifest, guard, secrets, &accounts)?;
            let schedule = profile.supervise.as_ref().and_then(|supervise| supervise.schedule.as_ref());
            let calendar = schedule.map(Calendar::new);
            let profile = Arc::new(profile);
            casts.push(Cast { profile: Arc::clone(&profile), candidates, system, files, task, images });
            players.push(Player { phase, profile, task: said, calendar });
        }
        let tree = Tree::new(
            guard.clone(),
            workspace.clone(),
            surroundings(),
            self.spared(fleet),
            self.manifest.run.clone(),
        )
        .noting(self.dir.path().join("git.busy"))
        .reading_head(journal::git_head);
        let git = self.profile.workspace.dirty != Dirty::Ignore || workspace.join(".git").exists();
        let driver = Restart::new(Making {
            base: Arc::clone(&self.profile),
            settings,
            players,
            workspace: workspace.clone(),
            directory: self.dir.path().to_owned(),
            tree: git.then_some(tree),
            seed: self.manifest.seed,
            ignore_schedule: fleet.args.ignore_schedule,
            prune: fleet.args.prune,
            turn: fleet.turns.clone(),
        });
        let plan = Plan {
            run: self.manifest.run.clone(),
            verb: "supervise",
            profile: Arc::clone(&self.profile),
            task: self.task.clone(),
            seed: self.manifest.seed,
            workspace: workspace.clone(),
            directory: self.dir.path().to_owned(),
            dry_run: false,
            patient: false,
            pid: std::process::id(),
            alerts: Vec::new(),
            cell: None,
            takes_cut: false,
        };
        let (sink, veil) = (Arc::clone(recorder), Arc::clone(secrets));
        let parts = Parts {
            casts,
            driver: Box::new(driver),
            accounts,
            survey: Some(survey),
            oracle,
            sink: Box::new(move |record| lock(&sink).take(&record)),
            veiling: Box::new(move |bytes| veil.redact(bytes)),
            shutdown,
        };
        Ok((plan, parts))
    }

    /// What provost owns and no round may put away.
    fn spared(&self, fleet: &Fleet) -> Vec<PathBuf> {
        let workspace = &self.manifest.workspace;
        let files = [&self.settings.stop_file, &self.settings.done_file].into_iter().flatten();
        let mut spared: Vec<PathBuf> = files.map(|file| workspace.join(file)).collect();
        spared.extend([fleet.root.clone(), self.dir.path().to_owned()]);
        // Who works in a home directory has it there.
        spared.extend(fleet.context.state());
        spared.extend(fleet.args.metrics_file.as_ref().map(|file| fleet.context.cwd.join(file)));
        spared
    }
}

/// The phases of a profile, each with the profile as it is in it; one without a name where there are none.
fn phases(profile: &Profile, settings: &Supervise) -> Vec<(Option<PhaseName>, Profile)> {
    let mut phases: Vec<(Option<PhaseName>, Profile)> = Vec::new();
    for name in &settings.rotation {
        let phase = Some(PhaseName::new(name));
        if !phases.iter().any(|(known, _)| *known == phase) {
            phases.push((phase, profile.phased(name)));
        }
    }
    if phases.is_empty() {
        phases.push((None, profile.clone()));
    }
    phases
}

/// A run under the root that this call is about, too.
enum Earlier {
    /// It is not over: it is gone on with.
    GoOn(RunDir),
    /// It is not over, and its profile or task was another one.
    Changed(RunId),
}

/// The newest run of `supervise` with this profile and task that is not over and that nobody drives; without one, the newest
/// that another text of the profile or another task has left so.
fn earlier(root: &Path, manifest: &Manifest) -> Result<Option<Earlier>, CliError> {
    let name = manifest.profile.get("name");
    let mut changed = None;
    for id in journal::list(root).map_err(environment)? {
        let Ok(dir) = RunDir::open(root.join("runs").join(id.as_str())) else { continue };
        let Ok(held) = Manifest::read(&dir) else { continue };
        let same_place = held.workspace == manifest.workspace;
        if held.verb != "supervise" || held.profile.get("name") != name || !same_place {
            continue;
        }
        let same = held.profile_sha256 == manifest.profile_sha256 && held.task_sha256 == manifest.task_sha256;
        if !same && changed.is_some() {
            continue;
        }
        let seen = journal::snapshot(&dir).map_err(environment)?;
        // Another member of the fleet has it.
        if seen.state == RunState::Live {
            continue;
        }
        let over = seen.tally.ended.as_ref().is_some_and(|ended| !ended.outcome.can_go_on());
        match (same, over) {
            (true, false) => return Ok(Some(Earlier::GoOn(dir))),
            (true, true) => break,
            (false, _) => changed = Some((!over).then_some(id)),
        }
    }
    Ok(changed.flatten().map(Earlier::Changed))
}

/// Whether what went wrong with the disk may pass.
fn is_passing(error: &io::Error) -> bool {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<io::Error>()
            && matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        {
            return true;
        }
        source = match error.downcast_ref::<io::Error>() {
            Some(outer) => outer.get_ref().map(|inner| inner as &(dyn std::error::Error + 'static)),
            None => error.source(),
        };
    }
    false
}
