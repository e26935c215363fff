//! Runs a plan: makes it where it is not there yet, runs what is missing, and comes to the verdict.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::{Guard, registry};
use crate::certify::{self, Early, Plan, PlanArm, canonical};
use crate::cli::Common;
use crate::cli::context::Context;
use crate::cli::error::{CliError, environment};
use crate::cli::launch::{self, own_program};
use crate::cli::record::{Recorder, Shared as SharedRecorder, lock};
use crate::engine::{self, Clock, Emitter, Shutdown};
use crate::event::{
    CellIndex, NodeId, Place, PlanFixed, RunEnded, RunResumed, RunStarted, ScoreName, Sha256, Sheet,
    StopEffect, Stored as Kept, Trial,
};
use crate::journal::{self, Texts};
use crate::profile::{self, Profile, Source, Suite};
use crate::suite::{
    Arm, CONCURRENCY, Case, Cell, Grid, GridEnd, Identity, Player, Pool, Scorers, Setting, Stage, StageError,
    Template, cell_seed,
};

use super::CertifyArgs;
use super::draft::{Asked, Prepared};
use super::finish;
use super::treat::{Bench, NoPlan};

/// Drives a run of many cells to its end.
pub(super) async fn drive(
    context: &Context,
    common: &Common,
    args: &CertifyArgs,
    mut prepared: Prepared,
) -> Result<u8, CliError> {
    // Hung first: what comes before it is looked for is told then.
    let mut bell = prepared.dir.bell();
    let late = std::mem::take(&mut prepared.late);
    let shutdown = crate::cli::stop::listen(&prepared.dir, late).map_err(environment)?;
    let door = shutdown.clone();
    let guard = Guard::start(&own_program()?).await.map_err(environment)?;
    let judges = judges(context, &prepared.suite)?;
    let mut bench = Bench::default();
    if prepared.plan.is_none() {
        bench = Bench::new(context, &prepared.suite)?;
        if prepared.cut_bytes.is_some() {
            bench.recall(&prepared.dir, &prepared.suite)?;
        }
    }
    let planned: Vec<&Profile> = match &prepared.plan {
        Some(plan) => plan.arms.iter().map(|arm| &arm.profile).collect(),
        None => prepared.arms.iter().map(|arm| &*arm.profile).collect(),
    };
    let profiles =
        planned.into_iter().chain(judges.values().map(|profile| &**profile)).chain(bench.profiles());
    let secrets = Arc::new(registry::secrets_of(profiles, &context.environment));
    let accounts = launch::accounts(context, args.dry_run, &prepared.manifest);
    prepared.writer.pack().map_err(environment)?;
    let Prepared {
        dir,
        manifest,
        suite,
        suite_dir,
        cases,
        part,
        arms,
        plan,
        writer,
        tally,
        sheet,
        cut_bytes,
        rescore,
        ..
    } = prepared;
    let reports = finish::reports(context, common, args.json, dir.path());
    let recorder = Recorder::new(writer, reports, Arc::clone(&secrets), dir.clone());
    let (sink, veil) = (Arc::clone(&recorder), Arc::clone(&secrets));
    let emitter = Emitter::new(
        Clock,
        Box::new(move |record| lock(&sink).take(&record)),
        Box::new(move |bytes| veil.redact(bytes)),
        tally,
        NodeId::root(),
    );
    let stage = Stage {
        guard: guard.clone(),
        environment: context.environment.clone(),
        secrets,
        accounts,
        shutdown: shutdown.inner(),
        directory: dir.path().to_owned(),
        run: manifest.run.clone(),
        dry_run: args.dry_run,
    };
    let show = Arc::clone(&recorder);
    let mut course = Course {
        context,
        args,
        dir,
        manifest,
        suite,
        suite_dir,
        cases,
        part,
        asked: arms,
        emitter,
        sheet,
        stage,
        shutdown,
        judges,
        bench,
        rescore,
        recorder: Arc::clone(&recorder),
    };
    let outcome = {
        let mut running = std::pin::pin!(course.run(plan, cut_bytes));
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                outcome = &mut running => break outcome,
                _ = ticks.tick(), if context.animated() => lock(&show).tick(),
                () = bell.rung() => door.look(),
            }
        }
    };
    // While the journal is still ours: the next one who has it hangs a bell of its own.
    drop(bell);
    guard.close().await;
    let finished = lock(&recorder).finish();
    let ended = outcome?;
    finished.map_err(environment)?;
    // What is left behind is made of what is on disk; the cases and rows of a large suite need not be there twice.
    let dir = course.dir.clone();
    drop(course);
    finish::leave(context, common, args, &dir, &ended)?;
    Ok(ended.exit_code)
}

/// A run on its way.
pub(super) struct Course<'a> {
    pub(super) context: &'a Context,
    pub(super) args: &'a CertifyArgs,
    pub(super) dir: journal::RunDir,
    pub(super) manifest: journal::Manifest,
    pub(super) suite: Arc<Suite>,
    pub(super) suite_dir: PathBuf,
    pub(super) cases: Arc<Vec<Case>>,
    pub(super) part: Option<String>,
    pub(super) asked: Vec<Asked>,
    pub(super) emitter: Emitter,
    pub(super) sheet: Sheet,
    pub(super) stage: Stage,
    pub(super) shutdown: Shutdown,
    pub(super) judges: BTreeMap<PathBuf, Arc<Profile>>,
    pub(super) bench: Bench,
    pub(super) rescore: bool,
    pub(super) recorder: SharedRecorder,
}

impl Course<'_> {
    async fn run(&mut self, plan: Option<Plan>, cut_bytes: Option<u64>) -> Result<RunEnded, CliError> {
        self.begin(cut_bytes)?;
        let judges = self.judge_players()?;
        let scorers = Scorers::new(&self.suite, &self.suite_dir, &self.stage, &judges)
            .map_err(|error| CliError::usage(error.to_string()))?;
        let plan = match plan {
            Some(plan) => plan,
            None => match self.plan(&scorers).await {
                Ok(plan) => plan,
                Err(NoPlan::Ended(ended)) => return Ok(*ended),
                Err(NoPlan::Error(error)) => return Err(error),
            },
        };
        if !self.args.dry_run {
            super::treat::refuse_untreated(&plan)?;
        }
        let foresight = self.fix(&plan, &scorers)?;
        if let Some(ended) = self.refuse(&plan, foresight.as_ref())? {
            return Ok(ended);
        }
        let fixed = self.sheet.plan().cloned();
        let Some(fixed) = fixed else { return Err(CliError::unavailable("the plan is not on record")) };
        if self.args.dry_run {
            self.dry(&plan)?;
            return self.end(&plan, GridEnd::Whole);
        }
        let unscored = self.take_stored(&plan, &scorers)?;
        let cells = self.missing_cells(&plan, &fixed);
        let end = if cells.is_empty() && unscored.is_empty() {
            GridEnd::Whole
        } else {
            self.grid(&plan, &fixed, scorers, cells, unscored).await?
        };
        self.end(&plan, end)
    }

    fn begin(&mut self, cut_bytes: Option<u64>) -> Result<(), CliError> {
        let resumed = self.emitter.tally().started.is_some();
        if resumed {
            // The certificate of an earlier end is not of the journal that goes on.
            match std::fs::remove_file(self.dir.certificate()) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(environment(error)),
                _ => {}
            }
            let event = RunResumed {
                after: self.emitter.tally().last_seq,
                cut_bytes: cut_bytes.unwrap_or(0),
                in_doubt: Vec::new(),
                pid: std::process::id(),
            };
            self.emitter.emit(event).map_err(environment)?;
        } else {
            let text = |key: &str| {
                let value = self.manifest.profile.get("agent").and_then(|agent| agent.get(key));
                value.and_then(|value| value.as_str()).map(str::to_owned)
            };
            let name = self.manifest.profile.get("name").and_then(|name| name.as_str());
            let event = RunStarted {
                run: self.manifest.run.clone(),
                verb: "certify".to_owned(),
                profile: name.unwrap_or_default().to_owned(),
                harness: text("harness").unwrap_or_default(),
                model: text("model"),
                task_sha256: self.manifest.task_sha256.clone(),
                task: self.suite.name.clone(),
                seed: self.manifest.seed,
                budget: self.manifest.budget,
                checked: false,
                pid: std::process::id(),
            };
            self.emitter.emit(event).map_err(environment)?;
        }
        self.fold();
        Ok(())
    }

    /// Folds what was recorded since into the rows.
    pub(super) fn fold(&mut self) {
        for event in self.emitter.take_fresh() {
            self.sheet.apply(&event);
        }
    }

    fn judge_players(&self) -> Result<BTreeMap<PathBuf, Player>, CliError> {
        let player = |(path, profile): (&PathBuf, &Arc<Profile>)| {
            let player = self.player(&cell_profile(profile, &self.suite, None))?;
            Ok((path.clone(), player))
        };
        self.judges.iter().map(player).collect()
    }

    pub(super) fn player(&self, profile: &Profile) -> Result<Player, CliError> {
        self.stage.player(Arc::new(profile.clone())).map_err(not_there)
    }

    /// Takes over the cells of stored arms. Gives the answers that lack a score.
    fn take_stored(&mut self, plan: &Plan, scorers: &Scorers) -> Result<Vec<(CellIndex, String)>, CliError> {
        let own = plan.shared.scorers.clone();
        for (arm, planned) in plan.arms.iter().enumerate() {
            let Some(run) = &planned.fixed.stored else { continue };
            let mut places = self.places(plan, arm);
            places.retain(|place| self.sheet.at(*place).is_none());
            if places.is_empty() {
                continue;
            }
            let stored = match self.asked.get(arm).and_then(|asked| asked.stored.clone()) {
                Some(stored) => stored,
                None => self.stored_again(run, arm)?,
            };
            let theirs = &stored.plan().shared.scorers;
            let same = |name: &ScoreName| own.contains_key(name) && own.get(name) == theirs.get(name);
            for place in places {
                let (Some(index), Some(case)) =
                    (self.sheet.cell(place), self.sheet.cases().get(place.case).cloned())
                else {
                    continue;
                };
                let Some((mut cell, output)) = stored.cell(&case, place.trial, same) else { continue };
                if let Some(bytes) = output {
                    self.emitter.store(Kept::Blob, &bytes).map_err(environment)?;
                }
                cell.cell = index;
                cell.arm = plan.arms[arm].fixed.name.clone();
                cell.case = case.id;
                cell.stored = true;
                cell.transcript = None;
                self.emitter.emit_of(NodeId::cell(index), cell).map_err(environment)?;
                self.fold();
            }
        }
        // Answers whose scores have not come: an earlier process was killed between, or they are scored anew.
        let later: Vec<ScoreName> = scorers.names_later().cloned().collect();
        let all: Vec<ScoreName> = own.keys().cloned().collect();
        let wanted = if plan.arms.iter().any(|arm| arm.fixed.stored.is_some()) { all } else { later };
        let lacking: Vec<(CellIndex, Sha256)> = self
            .sheet
            .rows()
            .filter(|(_, _, row)| {
                let lacks = |name: &ScoreName| {
                    self.sheet.score(name).is_some_and(|at| row.values.get(at).copied().flatten().is_none())
                };
                row.missing.is_none() && wanted.iter().any(lacks)
            })
            .filter_map(|(cell, _, row)| Some((cell, row.output.clone()?)))
            .collect();
        if lacking.is_empty() {
            return Ok(Vec::new());
        }
        self.emitter.sync().map_err(environment)?;
        let texts = Texts::open(&self.dir).map_err(environment)?;
        let text = |(cell, name): (CellIndex, Sha256)| {
            Some((cell, String::from_utf8(texts.get(Kept::Blob, &name)?).ok()?))
        };
        Ok(lacking.into_iter().filter_map(text).collect())
    }

    /// The stored run of an arm, where an earlier process was ended before all of its cells were taken over.
    pub(super) fn stored_again(&self, run: &str, arm: usize) -> Result<Arc<super::stored::Stored>, CliError> {
        let dir = journal::find(&self.root(), Some(run)).map_err(|error| {
            crate::cli::run::no_run(error)
                .hint("cells of it are still to be taken over: call with the same arguments as before")
        })?;
        super::stored::Stored::open(&dir, self.rescore.then_some(arm)).map(Arc::new)
    }

    fn places(&self, plan: &Plan, arm: usize) -> Vec<Place> {
        let trials = u64::from(plan.suite.trials.count);
        (0..self.cases.len())
            .flat_map(|case| (1..=trials).map(move |trial| Place { arm, case, trial: Trial(trial) }))
            .collect()
    }

    /// The cells that have no answer yet, in the order of the plan.
    fn missing_cells(&self, plan: &Plan, fixed: &PlanFixed) -> Vec<Cell> {
        let units = certify::units(self.sheet.cases());
        let who: Vec<(Sha256, Sha256)> = plan
            .arms
            .iter()
            .map(|arm| (Sha256::of(&canonical(&arm.provenance)), arm.template_sha256(&plan.shared)))
            .collect();
        let mut cells = Vec::new();
        for case in certify::order(fixed).into_iter().filter_map(|unit| units.get(unit)).flatten().copied() {
            let Some(of) = self.cases.get(case) else { continue };
            for trial in 1..=u64::from(plan.suite.trials.count) {
                let trial = Trial(trial);
                for (arm, (planned, (who, template))) in plan.arms.iter().zip(&who).enumerate() {
                    let place = Place { arm, case, trial };
                    let Some(index) = self.sheet.cell(place) else { continue };
                    if planned.fixed.stored.is_some() {
                        continue;
                    }
                    let identity = Identity { arm: who, case: &of.sha256, template, trial, seed: plan.seed };
                    let key = identity.key();
                    let there = self.sheet.row(index).filter(|row| row.missing.is_none() && row.key == key);
                    if there.is_none() {
                        cells.push(Cell { index, place, key, seed: cell_seed(plan.seed, &of.id, trial) });
                    }
                }
            }
        }
        cells
    }

    async fn grid(
        &mut self,
        plan: &Plan,
        fixed: &PlanFixed,
        scorers: Scorers,
        cells: Vec<Cell>,
        unscored: Vec<(CellIndex, String)>,
    ) -> Result<GridEnd, CliError> {
        let setting = self.setting(plan, scorers)?;
        let answered = self.sheet.arms().iter().map(|arm| arm.answered).sum();
        let mut pool = Pool::new(&self.suite.budget, self.sheet.spend(), answered);
        pool.charge_lost(self.sheet.lost());
        let mut early = Early::new(fixed, self.sheet.cases());
        let enough =
            |sheet: &Sheet| early.as_mut().is_some_and(|early| matches!(early.look(sheet), Ok(Some(_))));
        let grid = Grid::new(&setting, &mut self.emitter, &mut self.sheet, pool);
        grid.run(cells, unscored, enough).await.map_err(environment)
    }

    /// What the cells share.
    pub(super) fn setting(&self, plan: &Plan, scorers: Scorers) -> Result<Setting, CliError> {
        let mut arms = Vec::new();
        for planned in &plan.arms {
            arms.push(match planned.fixed.stored {
                Some(_) => None,
                None => Some(self.playing(planned)?),
            });
        }
        let used =
            self.emitter.tally().started_at.map_or(0.0, |at| Clock.stamp().duration_since(at).as_secs_f64());
        Ok(Setting {
            stage: self.stage.clone(),
            arms,
            cases: Arc::clone(&self.cases),
            template: Template::new(&plan.suite.cases.template)
                .map_err(|error| CliError::usage(error.to_string()))?,
            scorers: Arc::new(scorers),
            base: plan.suite.cases.workspace.clone(),
            concurrency: concurrency(plan, self.args.jobs),
            wall: crate::suite::wall(self.suite.budget.wall.map(|wall| wall.0), used),
            keep_workspaces: self.args.keep_workspaces,
            rescore: self.rescore,
            seed: plan.seed,
            shutdown: self.shutdown.clone(),
        })
    }

    fn playing(&self, planned: &PlanArm) -> Result<Arm, CliError> {
        // A model that is given a seed is given another one in each trial, and the same one on each arm.
        let trials = if planned.profile.model.seed.is_some() { self.suite.trials.count } else { 1 };
        let mut players = Vec::new();
        for trial in 0..trials {
            let mut player = self.player(&cell_profile(&planned.profile, &self.suite, Some(trial)))?;
            player.system.clone_from(&planned.system);
            player.files.clone_from(&planned.files);
            players.push(player);
        }
        let agent = &planned.profile.agent;
        let tools = agent.tools.as_ref().is_none_or(|tools| !tools.is_empty()) || !agent.mcp.is_empty();
        Ok(Arm {
            name: planned.fixed.name.clone(),
            players,
            template: planned
                .template
                .as_deref()
                .map(Template::new)
                .transpose()
                .map_err(|error| CliError::usage(error.to_string()))?,
            check: planned.profile.check.clone(),
            offline: agent.offline,
            works: tools
                || !matches!(agent.harness.as_str(), "chat" | "scripted")
                || planned.profile.check.is_some(),
        })
    }

    /// Assembles and keeps the prompt of each case on each arm.
    fn dry(&mut self, plan: &Plan) -> Result<(), CliError> {
        let template =
            Template::new(&plan.suite.cases.template).map_err(|error| CliError::usage(error.to_string()))?;
        for planned in plan.arms.iter().filter(|arm| arm.fixed.stored.is_none()) {
            let arm = self.playing(planned)?;
            let Some(player) = arm.players.first() else { continue };
            for case in Arc::clone(&self.cases).iter() {
                let template = arm.template.as_ref().unwrap_or(&template);
                let task = template.render(case).map_err(|error| CliError::usage(error.to_string()))?;
                let text = engine::assemble(&player.files, &task);
                for text in player.system.iter().chain([&text]) {
                    self.emitter.store(Kept::Prompt, text.as_bytes()).map_err(environment)?;
                }
            }
        }
        Ok(())
    }

    fn end(&mut self, plan: &Plan, end: GridEnd) -> Result<RunEnded, CliError> {
        let stopped = end == GridEnd::Stopped;
        let effect = if stopped { StopEffect::Stopping } else { StopEffect::NotLive };
        self.shutdown.look();
        engine::answer_stops(&mut self.emitter, &self.shutdown, effect).map_err(environment)?;
        engine::decline_steers(&mut self.emitter, &self.shutdown).map_err(environment)?;
        let ended = finish::end(self, plan, end, self.args.dry_run)?;
        lock(&self.recorder).finish().map_err(environment)?;
        Ok(ended)
    }

    /// The run.
    pub(super) fn run_id(&self) -> &crate::event::RunId {
        &self.manifest.run
    }

    /// The seed of the run.
    pub(super) fn run_seed(&self) -> u64 {
        self.manifest.seed
    }
}

/// A profile as a cell plays it: the suite says how often what is not the agent's doing is tried again, and one round is
/// all where the profile names no number.
pub(super) fn cell_profile(profile: &Profile, suite: &Suite, trial: Option<u32>) -> Profile {
    let mut profile = profile.clone();
    profile.retry.same_model = suite.trials.retries;
    profile.retry.wait = suite.trials.wait;
    profile.budget.rounds = Some(profile.budget.rounds.unwrap_or(1));
    if let (Some(seed), Some(trial)) = (&mut profile.model.seed, trial) {
        *seed = seed.wrapping_add(trial.into());
    }
    profile
}

/// Cells in flight: as the caller says, else as the suite says, else what the endpoints allow together.
fn concurrency(plan: &Plan, jobs: Option<u32>) -> usize {
    let said = jobs.or(plan.suite.trials.concurrency);
    let mut endpoints: BTreeMap<&str, Option<u32>> = BTreeMap::new();
    for arm in plan.arms.iter().filter(|arm| arm.fixed.stored.is_none()) {
        let profile = &arm.profile;
        if let Some(endpoint) = profile.agent.endpoint.as_ref().and_then(|name| profile.endpoints.get(name)) {
            endpoints.insert(&endpoint.base_url, endpoint.max_concurrency);
        }
    }
    let allowed: Option<u32> = endpoints.values().copied().sum();
    let allowed = allowed.filter(|_| !endpoints.is_empty());
    said.or(allowed).and_then(|count| usize::try_from(count).ok()).unwrap_or(CONCURRENCY).max(1)
}

/// The profiles of the judges, by the paths that the suite names.
fn judges(context: &Context, suite: &Suite) -> Result<BTreeMap<PathBuf, Arc<Profile>>, CliError> {
    let colour = context.stderr_look().colour;
    let mut judges = BTreeMap::new();
    for path in suite.score.iter().filter_map(|score| score.options.profile.as_ref()) {
        let source = Source { path, sets: &[], cwd: &context.cwd };
        let loaded = profile::load(source).map_err(|error| CliError::report(error.render(colour)))?;
        launch::no_template(&loaded.profile, "a judge")?;
        judges.insert(path.clone(), loaded.profile);
    }
    Ok(judges)
}

fn not_there(error: StageError) -> CliError {
    match error {
        StageError::Unavailable(error) => launch::unavailable(&error),
        StageError::Words(error) => launch::unreadable(&error),
        StageError::Engine(error) => environment(error),
    }
}
