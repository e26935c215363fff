//! Runs a plan: makes it where it is not there yet, runs what is missing, and comes to the verdict.

use std::sync::Arc;

use crate::backend::registry;
use crate::certify::{self, Early, Plan};
use crate::cli::Common;
use crate::cli::context::Context;
use crate::cli::error::{CliError, environment};
use crate::cli::launch;
use crate::cli::record::{Shared as SharedRecorder, lock};
use crate::engine::{self, Clock, Emitter, Shutdown};
use crate::event::{
    CaseId, CellIndex, NodeId, Place, PlanFixed, Row, RunEnded, RunResumed, ScoreName, Sha256, Sheet,
    StopEffect, Stored as Kept, Trial,
};
use crate::journal::{self, Texts};
use crate::profile::Profile;
use crate::suite::{Grid, GridEnd, Pool, Scorers, Stage};

use super::CertifyArgs;
use super::desk::{Desk, Given, run_started};
use super::draft::{Matter, Prepared};
use super::finish;
use super::ledger::Ledger;
use super::players::{self, ArmDigests, How, Judges};
use super::treat::{Bench, NoPlan};

/// Drives a run of many cells to its end.
pub(super) async fn drive(
    context: &Context,
    common: &Common,
    args: &CertifyArgs,
    prepared: Prepared,
) -> Result<u8, CliError> {
    let Prepared { dir, manifest, matter, plan, writer, tally, sheet, cut_bytes, late } = prepared;
    if args.collect && plan.is_none() {
        return Err(CliError::usage("there is nothing to collect: the plan was not made yet")
            .hint("`provost certify --plan` makes it, and `provost cell` runs its cells"));
    }
    if let (true, Some(plan)) = (args.plan, &plan)
        && sheet.plan().is_some()
        && sheet.cases().len() as u64 == plan.cases
    {
        // It is there, and nothing is touched: a verdict that was reached stays.
        return finish::planned(context, args, &dir, &sheet);
    }
    let binary = match &plan {
        Some(plan) if has_open(plan, &sheet) && !args.collect && !args.dry_run => {
            super::planning::other_binary(plan, args.allow_different)?
        }
        _ => None,
    };
    let judges = players::judges(context, &matter.suite)?;
    let mut bench = Bench::default();
    if plan.is_none() {
        bench = Bench::new(context, &matter.suite)?;
        if cut_bytes.is_some() {
            bench.recall(&dir, &matter.suite)?;
        }
    }
    let planned: Vec<&Profile> = match &plan {
        Some(plan) => plan.arms.iter().map(|arm| &arm.profile).collect(),
        None => matter.asked.iter().map(|arm| &*arm.profile).collect(),
    };
    let profiles =
        planned.into_iter().chain(judges.values().map(|profile| &**profile)).chain(bench.profiles());
    let secrets = registry::secrets_of(profiles, &context.environment);
    let reports = launch::reports(context, common, args.json, dir.path());
    let given = Given {
        dir: &dir,
        manifest: &manifest,
        writer,
        tally,
        secrets,
        reports,
        dry_run: args.dry_run,
        late,
    };
    let Desk { stage, emitter, shutdown, recorder, watch } = Desk::open(context, given).await?;
    let mut course = Course {
        context,
        common,
        args,
        dir,
        manifest,
        matter,
        emitter,
        sheet,
        stage,
        shutdown,
        judges,
        bench,
        recorder,
    };
    let (outcome, finished) = watch.over(Box::pin(course.run(plan, cut_bytes, binary))).await;
    let ended = outcome?;
    finished.map_err(environment)?;
    let Some(ended) = ended else { return finish::planned(context, args, &course.dir, &course.sheet) };
    // What is left behind is made of what is on disk; the cases and rows of a large suite need not be there twice.
    let dir = course.dir.clone();
    drop(course);
    finish::leave(context, common, args, &dir, &ended)?;
    Ok(ended.exit_code)
}

/// Whether any cell of the plan has no answer on record.
fn has_open(plan: &Plan, sheet: &Sheet) -> bool {
    let arms = plan.arms.iter().zip(sheet.arms()).filter(|(arm, _)| arm.fixed.stored.is_none());
    let each = plan.cases * u64::from(plan.suite.trials.count);
    sheet.arms().is_empty() || arms.into_iter().any(|(_, totals)| totals.answered < each)
}

/// A run on its way.
pub(super) struct Course<'a> {
    pub(super) context: &'a Context,
    pub(super) common: &'a Common,
    pub(super) args: &'a CertifyArgs,
    pub(super) dir: journal::RunDir,
    pub(super) manifest: journal::Manifest,
    pub(super) matter: Matter,
    pub(super) emitter: Emitter,
    pub(super) sheet: Sheet,
    pub(super) stage: Stage,
    pub(super) shutdown: Shutdown,
    pub(super) judges: Judges,
    pub(super) bench: Bench,
    pub(super) recorder: SharedRecorder,
}

impl Course<'_> {
    /// Runs it; `None` where the plan was made, and that is all that is wanted.
    async fn run(
        &mut self,
        plan: Option<Plan>,
        cut_bytes: Option<u64>,
        binary: Option<String>,
    ) -> Result<Option<RunEnded>, CliError> {
        self.begin(cut_bytes, binary)?;
        let scorers =
            players::scorers(&self.stage, &self.matter.suite, &self.matter.suite_dir, &self.judges)?;
        let plan = match plan {
            Some(plan) => {
                if !self.args.collect {
                    players::refuse_changed(&plan, &scorers)?;
                }
                plan
            }
            None => match self.plan(&scorers).await {
                Ok(plan) => plan,
                Err(NoPlan::Ended(ended)) => return Ok(Some(*ended)),
                Err(NoPlan::Error(error)) => return Err(error),
            },
        };
        if !self.args.dry_run {
            super::treat::refuse_untreated(&plan)?;
        }
        let foresight = self.fix(&plan, &scorers)?;
        if let Some(ended) = self.refuse(&plan, foresight.as_ref())? {
            return Ok(Some(ended));
        }
        let fixed = self.sheet.plan().cloned();
        let Some(fixed) = fixed else { return Err(CliError::unavailable("the plan is not on record")) };
        if self.args.dry_run {
            self.dry(&plan)?;
            return self.end(&plan, GridEnd::Whole).map(Some);
        }
        self.take_in_shards(&plan)?;
        let unscored = self.take_stored(&plan, &scorers)?;
        if self.args.plan {
            self.emitter.sync().map_err(environment)?;
            return Ok(None);
        }
        if self.args.collect {
            return self.end(&plan, GridEnd::Whole).map(Some);
        }
        let arms = players::arm_digests(&plan);
        let cells = self.missing_cells(&plan, &fixed, &arms);
        let end = if cells.is_empty() && unscored.is_empty() {
            GridEnd::Whole
        } else {
            self.grid(&plan, &fixed, scorers, (cells, &arms), unscored).await?
        };
        self.end(&plan, end).map(Some)
    }

    fn begin(&mut self, cut_bytes: Option<u64>, binary: Option<String>) -> Result<(), CliError> {
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
                binary,
            };
            self.emitter.emit(event).map_err(environment)?;
        } else {
            let event = run_started(&self.manifest, &self.matter.suite.name);
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
            let stored = match self.matter.asked.get(arm).and_then(|asked| asked.stored.clone()) {
                Some(stored) => stored,
                None => self.stored_again(run, arm)?,
            };
            let theirs = &stored.plan().shared.scorers;
            let same = |name: &ScoreName| own.contains_key(name) && own.get(name) == theirs.get(name);
            for place in places {
                let (Some(index), Some(case)) = (self.sheet.cell(place), self.sheet.cases().get(place.case))
                else {
                    continue;
                };
                let Some((mut cell, output)) = stored.cell(&case.sha256(), place.trial, same) else {
                    continue;
                };
                if let Some(bytes) = output {
                    self.emitter.store(Kept::Blob, &bytes).map_err(environment)?;
                }
                cell.cell = index;
                cell.arm = plan.arms[arm].fixed.name.clone();
                cell.case = CaseId::new(case.id);
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
        let lacks = |row: &Row<'_>| {
            let none = |name: &ScoreName| self.sheet.score(name).is_some_and(|at| row.value(at).is_none());
            row.missing.is_none() && wanted.iter().any(none)
        };
        // What is still to be compared with an answer of the baseline needs that answer, however long it has been scored.
        let compared = scorers.names_later().any(|name| scorers.needs_rival(name));
        let awaited = |place: Place| {
            let open = |arm| self.sheet.at(Place { arm, ..place }).is_none_or(|row| lacks(&row));
            compared && plan.is_baseline(place.arm) && (0..plan.arms.len()).any(open)
        };
        let lacking: Vec<(CellIndex, Sha256)> = self
            .sheet
            .rows()
            .filter(|(_, place, row)| row.missing.is_none() && (lacks(row) || awaited(*place)))
            .filter_map(|(cell, _, row)| Some((cell, row.output?)))
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
        super::stored::Stored::open(&dir, self.matter.rescore.then_some(arm)).map(Arc::new)
    }

    fn places(&self, plan: &Plan, arm: usize) -> Vec<Place> {
        let trials = u64::from(plan.suite.trials.count);
        (0..self.matter.cases.len())
            .flat_map(|case| (1..=trials).map(move |trial| Place { arm, case, trial: Trial(trial) }))
            .collect()
    }

    /// The cells that have no answer yet, in the order of the plan.
    fn missing_cells(&self, plan: &Plan, fixed: &PlanFixed, arms: &[ArmDigests]) -> Vec<CellIndex> {
        let units = certify::units(self.sheet.cases());
        let mut cells = Vec::new();
        for case in certify::order(fixed).into_iter().filter_map(|unit| units.get(unit)).flatten().copied() {
            for trial in 1..=u64::from(plan.suite.trials.count) {
                for arm in 0..plan.arms.len() {
                    let place = Place { arm, case, trial: Trial(trial) };
                    cells.extend(players::open_cell(plan, arms, &self.sheet, place).map(|cell| cell.index));
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
        (cells, arms): (Vec<CellIndex>, &[ArmDigests]),
        unscored: Vec<(CellIndex, String)>,
    ) -> Result<GridEnd, CliError> {
        let mut early = Early::new(fixed, self.sheet.cases());
        let mut enough =
            |sheet: &Sheet| early.as_mut().is_some_and(|early| matches!(early.look(sheet), Ok(Some(_))));
        if enough(&self.sheet) {
            // What other processes have run, or an earlier one, is enough already.
            return Ok(GridEnd::Enough);
        }
        let used = self.emitter.tally().started_at;
        let how = How {
            jobs: self.args.jobs,
            keep_workspaces: self.args.keep_workspaces,
            rescore: self.matter.rescore,
            alone: false,
            used_s: used.map_or(0.0, |at| Clock.stamp().duration_since(at).as_secs_f64()),
        };
        let cases = &self.matter.cases;
        let played = players::unveiled(plan, &self.matter.asked)?;
        let setting = players::setting(&self.stage, &self.shutdown, &played, cases, scorers, &how)?;
        let answered = self.sheet.arms().iter().map(|arm| arm.answered).sum();
        let mut pool = Pool::new(&self.matter.suite.budget, self.sheet.spend(), answered);
        pool.charge_lost(self.sheet.lost());
        let pool = pool.beside(Ledger::of_run(&self.dir, &self.sheet).looking());
        let grid = Grid::new(&setting, &mut self.emitter, &mut self.sheet, pool);
        let identify = |sheet: &Sheet, cell| players::open_index(plan, arms, sheet, cell);
        grid.run(cells, identify, unscored, enough).await.map_err(environment)
    }

    /// Assembles and keeps the prompt of each case on each arm.
    fn dry(&mut self, plan: &Plan) -> Result<(), CliError> {
        let template = players::template(plan)?;
        for planned in plan.arms.iter().filter(|arm| arm.fixed.stored.is_none()) {
            let arm = players::arm(&self.stage, &self.matter.suite, planned)?;
            let Some(player) = arm.players.first() else { continue };
            for case in Arc::clone(&self.matter.cases).iter() {
                let template = arm.template.as_ref().unwrap_or(&template);
                let case = case.map_err(environment)?;
                let task = template.render(&case).map_err(|error| CliError::usage(error.to_string()))?;
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
