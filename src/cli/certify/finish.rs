//! The end of a run of many cells: its verdict, its certificate, and everything that shows it.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use crate::certify::{self, Certificate, GateError, Plan, Seal, Sealed};
use crate::cli::Common;
use crate::cli::context::Context;
use crate::cli::error::{CliError, environment};
use crate::cli::run::no_run;
use crate::engine::Clock;
use crate::event::{
    CellIndex, Certified, Event, Kind, MissingReason, Reason, RunEnded, RunOutcome, Sha256, Sheet, Stored,
    TreatmentApplied, Verdict, VerdictReached,
};
use crate::journal::{
    self, Lines, Manifest, Reader, RunDir, Texts, write_atomic_unsynced, write_atomic_with,
};
use crate::report::grid::{self, GridView, Standing, Stands};
use crate::suite::GridEnd;

use super::CertifyArgs;
use super::draft::read_plan;
use super::drive::Course;

/// Comes to the verdict and puts the end on record.
pub(super) fn end(
    course: &mut Course<'_>,
    plan: &Plan,
    end: GridEnd,
    dry: bool,
) -> Result<RunEnded, CliError> {
    if dry {
        let why = "dry run: the plan and the prompts are on record, nothing was called".to_owned();
        return close(course, RunOutcome::DryRun, why);
    }
    if end == GridEnd::Stopped {
        return stopped(course);
    }
    let answered: u64 = course.sheet.arms().iter().map(|arm| arm.answered).sum();
    if let GridEnd::Unavailable(why) = &end {
        return unavailable(course, why.clone());
    }
    if answered == 0 && only_infrastructure(&course.sheet) {
        let why = "not one cell could be had: every request failed".to_owned();
        return close(course, RunOutcome::Unavailable, why);
    }
    if plan.gate.is_none() {
        let (outcome, why) = match end {
            GridEnd::Budget(why) => (RunOutcome::BudgetExhausted, why),
            GridEnd::Unknown => (RunOutcome::SpendUnknown, UNKNOWN.to_owned()),
            _ => (RunOutcome::Measured, "all cells have ended; no gate was asked for".to_owned()),
        };
        return close(course, outcome, why);
    }
    let reached = certify::decide(&course.sheet).map_err(|error| gate_error(&error))?;
    let verdict = reached.verdict;
    let why: Vec<&str> = reached.certified.reasons.iter().map(|reason| grid::words(*reason).0).collect();
    let why = why.join("; ");
    course.emitter.emit(reached).map_err(environment)?;
    course.fold();
    let outcome = match (verdict, end) {
        (Verdict::Pass, _) => RunOutcome::Certified,
        (Verdict::Fail, _) => RunOutcome::NotCertified,
        (Verdict::Inconclusive, GridEnd::Budget(_)) => RunOutcome::BudgetExhausted,
        (Verdict::Inconclusive, GridEnd::Unknown) => RunOutcome::SpendUnknown,
        (Verdict::Inconclusive, _) => RunOutcome::Inconclusive,
    };
    close(course, outcome, why)
}

/// Says where the plan is, and what comes next. Nothing is over: the run goes on when it is taken up again.
pub(super) fn planned(
    context: &Context,
    args: &CertifyArgs,
    dir: &RunDir,
    sheet: &Sheet,
) -> Result<u8, CliError> {
    let Some(plan) = sheet.plan() else { return Err(CliError::unavailable("the plan is not on record")) };
    if args.json {
        return Ok(0);
    }
    let run = dir.path().strip_prefix(&context.cwd).unwrap_or(dir.path()).display();
    let cells = plan.cases * plan.trials * plan.arms.len() as u64;
    let stored = if plan.cells == cells {
        String::new()
    } else {
        format!("; {} of them are taken from a stored run", cells - plan.cells)
    };
    let next = format!(
        "plan   {run}/plan.json\ncells  {cells}, 0-{}{stored}\n\nnext:\n  \
         provost cell --plan {run}/plan.json --index 0-{}      (or single ones, in any order and on any machine)\n  \
         provost certify --resume {run}\n",
        cells - 1,
        cells - 1
    );
    crate::cli::data(&next)
}

pub(super) const UNKNOWN: &str =
    "`budget.usd` of the suite is set, and something ran whose price nobody said";

/// Ends a run that was not begun, since it could not have answered.
pub(super) fn underpowered(course: &mut Course<'_>, plan: &Plan, why: String) -> Result<RunEnded, CliError> {
    let reached = VerdictReached {
        verdict: Verdict::Inconclusive,
        plan_sha256: plan.sha256(),
        evidence_sha256: certify::evidence_sha256(&course.sheet),
        certified: Certified {
            reasons: vec![Reason::Underpowered],
            remarks: vec![why.clone()],
            ..Certified::default()
        },
    };
    course.emitter.emit(reached).map_err(environment)?;
    course.fold();
    close(course, RunOutcome::Inconclusive, why)
}

/// Ends a run since somebody wants it.
pub(super) fn stopped(course: &mut Course<'_>) -> Result<RunEnded, CliError> {
    let asked = course.shutdown.asked();
    let outcome = asked.as_ref().map_or(RunOutcome::Stopped, |asked| asked.by.outcome());
    let why = asked.map_or_else(|| "stopped".to_owned(), |asked| asked.by.to_string());
    close(course, outcome, why)
}

/// Ends a run whose budget does not cover what comes before its first cell.
pub(super) fn unaffordable(
    course: &mut Course<'_>,
    outcome: RunOutcome,
    why: String,
) -> Result<RunEnded, CliError> {
    close(course, outcome, why)
}

/// Ends a run of which nothing can be had.
pub(super) fn unavailable(course: &mut Course<'_>, why: String) -> Result<RunEnded, CliError> {
    close(course, RunOutcome::Unavailable, why)
}

fn close(course: &mut Course<'_>, outcome: RunOutcome, why: String) -> Result<RunEnded, CliError> {
    let tally = course.emitter.tally();
    let mut spend = tally.spend;
    spend.wall_s = tally.started_at.map_or(0.0, |at| Clock.stamp().duration_since(at).as_secs_f64().max(0.0));
    let signal = course.shutdown.asked().and_then(|asked| asked.signal());
    let ended = RunEnded {
        run: course.run_id().clone(),
        verb: "certify".to_owned(),
        outcome,
        exit_code: outcome.exit_code(signal),
        delivered: outcome == RunOutcome::Certified,
        score: None,
        output: None,
        rounds: 0,
        spend,
        reset_at: None,
        reason: Some(why),
    };
    course.emitter.emit(ended.clone()).map_err(environment)?;
    course.emitter.sync().map_err(environment)?;
    Ok(ended)
}

fn only_infrastructure(sheet: &Sheet) -> bool {
    let mut missing = sheet.arms().iter().flat_map(|arm| arm.missing.keys()).peekable();
    missing.peek().is_some() && missing.all(|reason| *reason == MissingReason::Infrastructure)
}

pub(super) fn gate_error(error: &GateError) -> CliError {
    CliError::usage(error.to_string())
}

/// What a journal holds of a run of many cells.
pub(super) struct Read {
    pub(super) sheet: Sheet,
    pub(super) ended: Option<RunEnded>,
    standing: Standing,
    lines: Lines,
    treatments: Vec<TreatmentApplied>,
}

impl Read {
    /// Reads the journal of a run.
    pub(super) fn open(dir: &RunDir) -> Result<Self, CliError> {
        Self::open_seeing(dir, |_| ())
    }

    /// The same, and shows each event.
    pub(super) fn open_seeing(dir: &RunDir, mut seen: impl FnMut(&Event)) -> Result<Self, CliError> {
        let mut read = Self {
            sheet: Sheet::default(),
            ended: None,
            standing: Standing::default(),
            lines: Lines::open(dir).map_err(environment)?,
            treatments: Vec::new(),
        };
        let mut reader = Reader::open(dir).map_err(environment)?;
        loop {
            let at = reader.offset();
            let Some(event) = reader.next() else { break };
            let event = event.map_err(environment)?;
            seen(&event);
            if read.sheet.apply(&event) {
                read.standing.put(&event, at);
            }
            match event.kind {
                Kind::TreatmentApplied(applied) => read.treatments.push(applied),
                Kind::RunEnded(ended) => read.ended = Some(ended),
                Kind::RunResumed(_) => read.ended = None,
                _ => {}
            }
        }
        Ok(read)
    }

    /// What stands of a cell.
    fn stands(&self, cell: CellIndex) -> Option<Stands> {
        self.standing.of(cell, |at| self.lines.at(at).ok())
    }

    /// The figures of a run without a gate.
    pub(super) fn measured(&self) -> Option<Certified> {
        certify::measure(&self.sheet).ok()
    }
}

/// Writes what is left behind: the certificate, the reports, and what was asked for.
pub(super) fn leave(
    context: &Context,
    common: &Common,
    args: &CertifyArgs,
    dir: &RunDir,
    ended: &RunEnded,
) -> Result<(), CliError> {
    let manifest = Manifest::read(dir).map_err(environment)?;
    let read = Read::open(dir)?;
    if let (Some(plan), Some(reached)) = (read_plan(dir)?, read.sheet.verdict())
        && !ended.outcome.can_go_on()
        // A run that was not begun certifies nothing.
        && !reached.certified.reasons.contains(&Reason::Underpowered)
    {
        let seal = Seal { run: manifest.run.clone(), files: sealed(dir)? };
        let certificate = Certificate::new(&plan, reached, seal);
        let mut bytes = serde_json::to_vec_pretty(&certificate).map_err(environment)?;
        bytes.push(b'\n');
        write_atomic_unsynced(&dir.certificate(), &bytes).map_err(environment)?;
    }
    if read.sheet.plan().is_none() {
        return Ok(());
    }
    let texts = Texts::open(dir).map_err(environment)?;
    let text = |sha256: &Sha256| {
        let bytes = texts.get(Stored::Blob, sha256).or_else(|| texts.get(Stored::Prompt, sha256))?;
        String::from_utf8(bytes).ok()
    };
    let run_dir = dir.path().strip_prefix(&context.cwd).unwrap_or(dir.path()).display().to_string();
    let measured = read.measured();
    let measured = measured.as_ref();
    let stands = |cell| read.stands(cell);
    let view = GridView {
        measured,
        sheet: &read.sheet,
        ended: read.ended.as_ref(),
        labels: &manifest.labels,
        texts: &text,
        stands: &stands,
        treatments: &read.treatments,
        run_dir,
    };
    let markdown = grid::markdown(&view);
    let mut junit = grid::junit(&view).map_err(environment)?;
    let own = |name: &str| dir.path().join(name);
    let unwritten = |path: &Path, error: std::io::Error| {
        CliError::unavailable(format!("cannot write {}: {error}", path.display()))
    };
    let write = |path: &Path, text: &str| {
        write_atomic_unsynced(path, text.as_bytes()).map(drop).map_err(|error| unwritten(path, error))
    };
    let mut write_junit = |path: &Path| {
        write_atomic_with(path, |file| junit.write_to(file)).map(drop).map_err(|error| unwritten(path, error))
    };
    write(&own("report.md"), &markdown)?;
    write_junit(&own("report.xml"))?;
    let at = |path: &Option<PathBuf>| path.as_ref().map(|path| context.cwd.join(path));
    if let Some(path) = at(&args.markdown) {
        write(&path, &markdown)?;
    }
    if let Some(path) = at(&args.junit) {
        write_junit(&path)?;
    }
    if let Some(path) = at(&args.csv) {
        write(&path, &grid::csv(&view).map_err(environment)?)?;
    }
    if let Some(path) = at(&args.html) {
        write(&path, &grid::page(&view))?;
    }
    if let Some(path) = context.github_summary() {
        grid::append_summary(&path, &markdown).map_err(environment)?;
    }
    if context.in_actions() {
        let lines = grid::annotations(&view);
        // A workflow reads them on standard output; there must be nothing but events where somebody wants these.
        if args.json {
            crate::cli::context::say(&lines);
        } else {
            crate::cli::print(&lines).map_err(environment)?;
        }
    }
    if !args.json && !common.quiet {
        let table = grid::table(&view, context.stdout_look(), context.width());
        crate::cli::print(&table).map_err(environment)?;
    }
    Ok(())
}

/// The files of a run that show its verdict, as they are now.
pub(super) fn sealed(dir: &RunDir) -> Result<Vec<Sealed>, CliError> {
    let names =
        ["manifest.json", "plan.json", "cases.jsonl", "journal.jsonl", "prompts.jsonl", "outputs.jsonl"];
    let mut files = Vec::new();
    for name in names {
        let file = match File::open(dir.path().join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(environment(error)),
        };
        let bytes = file.metadata().map_err(environment)?.len();
        let sha256 = Sha256::of_reader(file).map_err(environment)?;
        files.push(Sealed { file: name.to_owned(), bytes, sha256 });
    }
    Ok(files)
}

/// `provost certify --report A B C`
pub(super) fn side_by_side(context: &Context, common: &Common, args: &CertifyArgs) -> Result<u8, CliError> {
    let root = context.root(common.root.as_ref());
    let mut rows = Vec::new();
    for which in &args.report {
        let dir = journal::find(&root, Some(which)).map_err(no_run)?;
        let manifest = Manifest::read(&dir).map_err(environment)?;
        if manifest.verb != "certify" {
            return Err(CliError::usage(format!("{} is a run of `provost {}`", manifest.run, manifest.verb)));
        }
        let read = Read::open(&dir)?;
        let labels: &BTreeMap<String, String> = &manifest.labels;
        rows.extend(grid::grid_rows(
            which,
            labels,
            &read.sheet,
            read.measured().as_ref(),
            read.ended.as_ref(),
        ));
    }
    let differs = grid::differences(&rows);
    if !differs.is_empty() && !args.allow_different {
        return Err(CliError::usage(format!("these runs cannot be compared: {}", differs.join("; ")))
            .hint("leave out the ones that differ, or show them all the same with `--allow-different`"));
    }
    let write =
        |path: &Path, text: &str| write_atomic_unsynced(path, text.as_bytes()).map(drop).map_err(environment);
    if let Some(path) = &args.markdown {
        write(&context.cwd.join(path), &grid::rows_markdown(&rows))?;
    }
    if let Some(path) = &args.csv {
        write(&context.cwd.join(path), &grid::rows_csv(&rows).map_err(environment)?)?;
    }
    let text = if args.json {
        let json = serde_json::to_string_pretty(&grid::rows_json(&rows)).map_err(environment)?;
        format!("{json}\n")
    } else {
        grid::rows_table(&rows, context.stdout_look(), context.width())
    };
    crate::cli::data(&text)
}
