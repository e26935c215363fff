//! `provost cell`: runs single cells of a plan, in a shard of the run.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::backend::registry;
use crate::certify::Plan;
use crate::cli::Common;
use crate::cli::context::Context;
use crate::cli::error::{CliError, environment};
use crate::cli::exit;
use crate::cli::launch;
use crate::engine::{self, Clock};
use crate::event::{
    CellIndex, Kind, Missing, RunEnded, RunOutcome, ShardName, ShardStarted, Sheet, StopEffect, Tally,
};
use crate::journal::{self, Manifest, Reader, RunDir, Writer};
use crate::profile::Profile;
use crate::suite::{Grid, GridEnd, Pool};

use super::desk::{Desk, Given, run_started};
use super::draft::{Matter, planned, read_plan};
use super::indexes::Indexes;
use super::ledger::Ledger;
use super::players::{self, How};
use super::{finish, merge, treat};

/// Arguments of `cell`.
#[derive(Clone, Debug, Args)]
pub(crate) struct CellArgs {
    /// The plan: the run directory that `provost certify --plan` has made, or `plan.json` in it
    #[arg(long, value_name = "RUN|FILE")]
    plan: PathBuf,
    /// The cells, by their places in the plan: `3`, or several, such as `3,7-9`
    #[arg(long, value_name = "N", required_unless_present = "missing", conflicts_with = "missing")]
    index: Option<Indexes>,
    /// Print the places of the cells that have no answer yet, such as `3,7-9`; nothing when all have one
    #[arg(long)]
    missing: bool,
    /// Run them although this is not the provost that the plan was made with; the certificate says so
    #[arg(long, conflicts_with = "missing")]
    allow_different: bool,
    /// Cells in flight, instead of what the suite and the endpoints say
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    jobs: Option<u32>,
    /// Print the shard's events as JSON lines
    #[arg(long, conflicts_with = "missing")]
    json: bool,
}

/// Runs cells, or says which have no answer.
pub(crate) fn cell(context: &Context, common: &Common, args: &CellArgs) -> Result<u8, CliError> {
    let run = run_of(&context.cwd.join(&args.plan))?;
    let manifest = Manifest::read(&run).map_err(environment)?;
    if manifest.verb != "certify" {
        return Err(CliError::usage(format!("{} is a run of `provost {}`", manifest.run, manifest.verb)));
    }
    let Some(plan) = read_plan(&run)? else {
        return Err(CliError::usage(format!("{} has no plan", run.path().display()))
            .hint("`provost certify … --out RUN --plan` makes one"));
    };
    let sheet = merge::together(&run, &plan)?;
    let matter = planned(&run, &plan)?;
    let arms = players::arm_digests(&plan);
    let all = plan.cases * u64::from(plan.suite.trials.count) * plan.arms.len() as u64;
    if args.missing {
        let open: Indexes = (0..all)
            .map(CellIndex)
            .filter(|cell| players::open_index(&plan, &arms, &sheet, *cell).is_some())
            .collect();
        let line = open.to_string();
        return crate::cli::data(&if line.is_empty() { line } else { format!("{line}\n") });
    }
    let wanted = args.index.clone().unwrap_or_default();
    if wanted.last() >= all {
        return Err(CliError::usage(format!("the plan has no cell {}", wanted.last()))
            .hint(format!("its cells are 0-{}", all.saturating_sub(1))));
    }
    let wanted = wanted.cells();
    let is_open = |cell: &CellIndex| players::open_index(&plan, &arms, &sheet, *cell).is_some();
    let cells: Vec<CellIndex> = wanted.iter().copied().filter(is_open).collect();
    if cells.is_empty() {
        if !common.quiet {
            crate::cli::say(&format!(
                "{} on record already, nothing was asked\n",
                answers(wanted.len() as u64)
            ));
        }
        return Ok(0);
    }
    treat::refuse_untreated(&plan)?;
    for arm in plan.arms.iter().filter(|arm| arm.fixed.stored.is_none()) {
        launch::refuse_veiled(&arm.profile)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(environment)?;
    let binary = super::planning::other_binary(&plan, args.allow_different)?;
    let work = Work { context, common, args, run, manifest, plan, matter, sheet, binary };
    let code = runtime.block_on(work.drive(cells));
    // A thread that still waits for a pipe must not keep us.
    runtime.shutdown_timeout(Duration::from_millis(100));
    code
}

fn answers(cells: u64) -> String {
    if cells == 1 { "the answer is".to_owned() } else { format!("all {cells} answers are") }
}

/// The run of a plan, by its directory or by the file in it.
fn run_of(path: &Path) -> Result<RunDir, CliError> {
    let found = if path.is_dir() {
        RunDir::open(path)
    } else {
        RunDir::open(path.parent().unwrap_or(path)).and_then(|run| {
            if run.plan() == path {
                Ok(run)
            } else {
                Err(journal::JournalError::NotARun { path: path.to_owned() })
            }
        })
    };
    found.map_err(|error| {
        CliError::usage(format!("{:#}", anyhow::Error::new(error)))
            .hint("`--plan` takes the directory of a run, or `plan.json` in it")
    })
}

/// What is to be done, and with what.
struct Work<'a> {
    context: &'a Context,
    common: &'a Common,
    args: &'a CellArgs,
    run: RunDir,
    manifest: Manifest,
    plan: Plan,
    matter: Matter,
    /// What all journals of the run hold together.
    sheet: Sheet,
    /// This program, where it is not the one of the plan.
    binary: Option<String>,
}

impl Work<'_> {
    async fn drive(self, cells: Vec<CellIndex>) -> Result<u8, CliError> {
        let begun = Clock.stamp();
        let host: String = self
            .context
            .host
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .take(40)
            .collect();
        let wish = format!("{}-{host}-{}", begun.strftime("%Y%m%dT%H%M%SZ"), std::process::id());
        let (name, dir) = journal::claim_shard(&self.run, &wish).map_err(environment)?;
        let outcome = Box::pin(self.play(&name, &dir, cells, begun)).await;
        if outcome.is_err() && Reader::open(&dir).is_ok_and(|mut reader| reader.next().is_none()) {
            // Nothing has happened in it: what is wrong is wrong before the first cell.
            let _ = std::fs::remove_dir_all(dir.path());
        }
        outcome
    }

    async fn play(
        mut self,
        name: &ShardName,
        dir: &RunDir,
        cells: Vec<CellIndex>,
        begun: jiff::Timestamp,
    ) -> Result<u8, CliError> {
        let context = self.context;
        let manifest = Manifest {
            verb: "cell".to_owned(),
            argv: context.argv.iter().map(|arg| journal::redact_shapes(arg).into_owned()).collect(),
            started_at: begun,
            parent: Some(self.manifest.run.clone()),
            ..self.manifest.clone()
        };
        manifest.write(dir).map_err(environment)?;
        let writer = Writer::create(dir, &manifest.run, begun).map_err(environment)?;
        let judges = players::judges(context, &self.matter.suite)?;
        let profiles = self.plan.arms.iter().map(|arm| &arm.profile);
        let profiles: Vec<&Profile> = profiles.chain(judges.values().map(|profile| &**profile)).collect();
        let given = Given {
            dir,
            manifest: &manifest,
            writer,
            tally: Tally::default(),
            secrets: registry::secrets_of(profiles, &context.environment),
            reports: launch::reports(context, self.common, self.args.json, dir.path()),
            dry_run: false,
            late: Vec::new(),
        };
        let mut desk = Desk::open(context, given).await?;
        let started = ShardStarted {
            run: self.manifest.run.clone(),
            shard: name.clone(),
            host: context.host.clone(),
            pid: std::process::id(),
            plan_sha256: self.plan.sha256(),
            cells: cells.iter().copied().collect::<Indexes>().to_string(),
            count: cells.len() as u64,
            binary: self.binary.clone(),
        };
        let scorers = players::scorers(&desk.stage, &self.matter.suite, &self.matter.suite_dir, &judges)?;
        players::refuse_changed(&self.plan, &scorers)?;
        let how = How {
            jobs: self.args.jobs,
            keep_workspaces: false,
            rescore: false,
            alone: true,
            used_s: begun.duration_since(self.manifest.started_at).as_secs_f64().max(0.0),
        };
        let cases = &self.matter.cases;
        let setting = players::setting(&desk.stage, &desk.shutdown, &self.plan, cases, scorers, &how)?;
        let pool = Pool::new(&self.plan.suite.budget, crate::event::Spend::default(), 0)
            .beside(Ledger::of_shard(&self.run, name.clone()).looking());
        let plan = &self.plan;
        let arms = players::arm_digests(plan);
        let (emitter, sheet, shutdown) = (&mut desk.emitter, &mut self.sheet, &desk.shutdown);
        let running = async {
            emitter.emit(started).map_err(environment)?;
            emitter.emit(run_started(&manifest, &plan.suite.name)).map_err(environment)?;
            let grid = Grid::new(&setting, emitter, sheet, pool);
            let identify = |sheet: &Sheet, cell| players::open_index(plan, &arms, sheet, cell);
            let end = grid.run(cells.clone(), identify, Vec::new(), |_| false).await;
            let end = end.map_err(environment)?;
            let stopped = end == GridEnd::Stopped;
            let effect = if stopped { StopEffect::Stopping } else { StopEffect::NotLive };
            shutdown.look();
            engine::answer_stops(emitter, shutdown, effect).map_err(environment)?;
            engine::decline_steers(emitter, shutdown).map_err(environment)?;
            let open = |cell: &&CellIndex| sheet.row(**cell).is_none_or(|row| row.missing.is_some());
            let missing = cells.iter().filter(open).count() as u64;
            let signal = shutdown.asked().and_then(|asked| asked.signal());
            let (outcome, why) = outcome(&end, shutdown, missing);
            let code = match outcome.exit_code(signal) {
                0 | 5 if missing > 0 => exit::INCONCLUSIVE,
                code => code,
            };
            let mut spend = emitter.tally().spend;
            spend.wall_s = Clock.stamp().duration_since(begun).as_secs_f64().max(0.0);
            let ended = RunEnded {
                run: manifest.run.clone(),
                verb: "cell".to_owned(),
                outcome,
                exit_code: code,
                delivered: missing == 0,
                score: None,
                output: None,
                rounds: 0,
                spend,
                reset_at: None,
                reason: Some(why),
            };
            emitter.emit(ended.clone()).map_err(environment)?;
            emitter.sync().map_err(environment)?;
            Ok::<_, CliError>(ended)
        };
        let (ended, finished) = desk.watch.over(running).await;
        let ended = ended?;
        finished.map_err(environment)?;
        if !self.args.json {
            crate::cli::data(&self.told(dir, &cells)?)?;
        }
        Ok(ended.exit_code)
    }

    /// The cells that have no answer, each with its reason.
    fn told(&self, dir: &RunDir, indexes: &[CellIndex]) -> Result<String, CliError> {
        let mut whys: BTreeMap<CellIndex, Missing> = BTreeMap::new();
        for event in Reader::open(dir).map_err(environment)? {
            if let Kind::CellEnded(ended) = event.map_err(environment)?.kind
                && let Some(missing) = ended.missing
            {
                whys.insert(ended.cell, missing);
            }
        }
        let mut text = String::new();
        for cell in indexes {
            if self.sheet.row(*cell).is_some_and(|row| row.missing.is_none()) {
                continue;
            }
            let named = self.sheet.place(*cell).and_then(|place| {
                let (arm, case) = (self.plan.arms.get(place.arm)?, self.sheet.cases().get(place.case)?);
                Some(format!("{}, {}, trial {}", arm.fixed.name, case.id, place.trial))
            });
            let why = whys.get(cell).map_or_else(
                || "not run".to_owned(),
                |missing| {
                    let class = missing.class.map_or_else(String::new, |class| format!(", {class}"));
                    format!(
                        "{}{class}: {}",
                        crate::report::grid::missing_words(missing.reason),
                        missing.evidence
                    )
                },
            );
            let line: String = why.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            let _ = writeln!(text, "{cell}\t{}\t{line}", named.unwrap_or_default());
        }
        Ok(text)
    }
}

/// How it ended, and why.
fn outcome(end: &GridEnd, shutdown: &engine::Shutdown, missing: u64) -> (RunOutcome, String) {
    match end {
        GridEnd::Stopped => {
            let asked = shutdown.asked();
            let outcome = asked.as_ref().map_or(RunOutcome::Stopped, |asked| asked.by.outcome());
            (outcome, asked.map_or_else(|| "stopped".to_owned(), |asked| asked.by.to_string()))
        }
        GridEnd::Unavailable(why) => (RunOutcome::Unavailable, why.clone()),
        GridEnd::Budget(why) => (RunOutcome::BudgetExhausted, why.clone()),
        GridEnd::Unknown => (RunOutcome::SpendUnknown, finish::UNKNOWN.to_owned()),
        GridEnd::Whole | GridEnd::Enough if missing > 0 => {
            (RunOutcome::Inconclusive, "some cells have no answer".to_owned())
        }
        GridEnd::Whole | GridEnd::Enough => {
            (RunOutcome::Measured, "all cells that were asked for have an answer".to_owned())
        }
    }
}
