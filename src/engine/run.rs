//! One run, from its first event to its last.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::backend::account::Accounts;
use crate::backend::{Oracle, Replayed};
use crate::event::{
    AlertRaised, BudgetCeilings, CheckEnded, CheckStarted, Failure, NodeId, Phase, RoundNumber, RunEnded,
    RunId, RunOutcome, RunResumed, RunStarted, Sha256, StopEffect, Stored, Tally, blur,
};
use crate::profile::Profile;

use super::cast::Cast;
use super::clock::{millis, seconds_between};
use super::driver::{Driver, Order, Step};
use super::emit::Emitter;
use super::turnstile::Turnstile;
use super::{Clock, Shutdown, Sink, Veiling};

/// All that is decided before a run begins; never changed.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The run.
    pub run: RunId,
    /// The verb.
    pub verb: &'static str,
    /// The resolved profile.
    pub profile: Arc<Profile>,
    /// The task, as it was given.
    pub task: String,
    /// The seed of everything random.
    pub seed: u64,
    /// Where the agent works; absolute.
    pub workspace: PathBuf,
    /// The run directory; absolute.
    pub directory: PathBuf,
    /// Assemble and persist prompts, and call nothing.
    pub dry_run: bool,
    /// Wait for the reset of a limit, however far it is, when nobody else can be asked.
    pub patient: bool,
    /// Process id of this provost.
    pub pid: u32,
    /// What a person should know, and was seen before the run began.
    pub alerts: Vec<AlertRaised>,
    /// The node of the cell that this is, in a run of many cells. A cell is tried again as often as its profile says, also
    /// where the same words come each time, since another one in its place is not to be had; and what its agent does in
    /// one turn needs no transcript.
    pub cell: Option<NodeId>,
    /// Whether a text that was cut at the output limit is an answer, where no tools are offered.
    pub takes_cut: bool,
}

impl Plan {
    /// The node of its agent.
    pub(super) fn node(&self) -> NodeId {
        self.cell.clone().unwrap_or_else(NodeId::root)
    }
}

/// What a run works with.
pub struct Parts {
    /// Who plays: the first one in a run without phases, and never empty.
    pub casts: Vec<Cast>,
    /// Decides what comes between the rounds.
    pub driver: Box<dyn Driver>,
    /// What is known of their accounts, by all provosts of the user.
    pub accounts: Accounts,
    /// Says what has changed in the workspace, for an agent that takes over.
    pub survey: Option<Arc<dyn Oracle>>,
    /// The check, if there is one.
    pub oracle: Option<Arc<dyn Oracle>>,
    /// Takes everything that happens.
    pub sink: Sink,
    /// Takes out of texts what must never be written.
    pub veiling: Veiling,
    /// Hears requests to end.
    pub shutdown: Shutdown,
}

/// What is on record of a run that is taken up again.
#[derive(Debug)]
pub struct Taken {
    /// The fold of its journal.
    pub tally: Tally,
    /// Bytes of a torn last line that were cut.
    pub cut_bytes: u64,
    /// The answer of the last attempt that finished.
    pub answer: Option<String>,
    /// The recorded steps that the conversation of the open round holds.
    pub replay: Vec<Replayed>,
}

/// Why a run has no end on record.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// What happened could not be recorded; the agent was ended.
    #[error("failed to record what happened")]
    Record(#[from] io::Error),
}

/// The state of a run while it runs.
pub(crate) struct Run {
    pub(crate) plan: Plan,
    /// Who plays in the round that is open, or was last.
    pub(super) cast: Cast,
    casts: Vec<Cast>,
    pub(super) driver: Box<dyn Driver>,
    /// How the run is to end, as the driver wants it.
    pub(super) verdict: Option<(RunOutcome, String)>,
    /// What the context block of the open round says, beside the round before.
    pub(super) notes: Vec<String>,
    pub(super) accounts: Accounts,
    pub(super) survey: Option<Arc<dyn Oracle>>,
    pub(super) oracle: Option<Arc<dyn Oracle>>,
    pub(crate) shutdown: Shutdown,
    pub(crate) emitter: Emitter,
    pub(crate) budget: BudgetCeilings,
    pub(crate) answer: Option<String>,
    /// The recorded steps that the conversation of the open round holds.
    pub(super) steps: Vec<Replayed>,
    /// How long the round that is open has waited for resets, as a person wished it to; its wall stands still then.
    pub(super) paused: Duration,
    /// Lets one prompt at a time through.
    pub(super) turnstile: Turnstile,
    /// When the wall budget ends.
    pub(crate) wall: Option<Instant>,
    /// Whether the open round was found open when the run was taken up again.
    pub(crate) reopened: bool,
}

/// Runs until the end, and returns it.
///
/// # Errors
///
/// When the sink fails: what cannot be recorded must not go on.
pub async fn run(plan: Plan, parts: Parts, taken: Option<Taken>) -> Result<RunEnded, EngineError> {
    let (tally, answer, replay, resumed) = match taken {
        None => (Tally::default(), None, Vec::new(), None),
        Some(taken) => {
            let resumed = RunResumed {
                after: taken.tally.last_seq,
                cut_bytes: taken.cut_bytes,
                in_doubt: taken.tally.in_doubt(),
                pid: plan.pid,
                binary: None,
            };
            (taken.tally, taken.answer, taken.replay, Some(resumed))
        }
    };
    let budget = ceilings(&plan.profile);
    let Some(cast) = parts.casts.first().cloned() else {
        return Err(EngineError::Record(io::Error::other("nobody plays in this run")));
    };
    let mut run = Run {
        emitter: Emitter::new(Clock, parts.sink, parts.veiling, tally, plan.node()),
        cast,
        casts: parts.casts,
        driver: parts.driver,
        verdict: None,
        notes: Vec::new(),
        accounts: parts.accounts,
        survey: parts.survey,
        oracle: parts.oracle,
        shutdown: parts.shutdown,
        budget,
        answer,
        steps: replay,
        paused: Duration::ZERO,
        turnstile: Turnstile::new(),
        wall: None,
        reopened: resumed.is_some(),
        plan,
    };
    match resumed {
        Some(resumed) if run.emitter.tally().phase != Phase::Empty => run.emitter.emit(resumed)?,
        _ => run.begin()?,
    }
    // The original instant stands: a resume never extends the wall.
    run.wall = budget.wall_s.map(|ceiling| {
        let left = (ceiling - run.wall_s()).max(0.0);
        run.emitter.clock().now() + Duration::try_from_secs_f64(left).unwrap_or(Duration::MAX / 4)
    });
    run.play().await
}

/// The ceilings of a profile.
pub fn ceilings(profile: &Profile) -> BudgetCeilings {
    BudgetCeilings {
        rounds: profile.budget.rounds,
        tokens: profile.budget.tokens,
        usd: profile.budget.usd,
        wall_s: profile.budget.wall.map(|wall| wall.0.as_secs_f64()),
    }
}

impl Run {
    /// Asks the driver and does as it says, until the end.
    async fn play(&mut self) -> Result<RunEnded, EngineError> {
        loop {
            self.acknowledge()?;
            self.consult()?;
            let open = self.emitter.tally().open.is_some();
            let times = self.shutdown.times();
            let asked = self.shutdown.asked().filter(|_| !open);
            if let Some(asked) = asked.as_ref().filter(|asked| asked.times > self.patience()) {
                return self.end(self.outcome_of(asked), asked.by.to_string());
            }
            if let Some((outcome, why)) = self.verdict.clone()
                && !open
            {
                return self.end(outcome, why);
            }
            let step = match &asked {
                None => self.next_step().await,
                // What the last round has left is seen to, unless somebody becomes impatient.
                Some(asked) => match self.last_step().await {
                    None if self.shutdown.times() == times => {
                        return self.end(self.outcome_of(asked), asked.by.to_string());
                    }
                    step => step,
                },
            };
            // Asked while the driver made up its mind: nothing is begun any more.
            if self.shutdown.times() > times && matches!(step, Some(Step::Round(_) | Step::Wait(_))) {
                continue;
            }
            match step {
                None => {}
                Some(Step::Round(order)) => self.round(order).await?,
                Some(Step::Reopen(order)) => self.reopen(order).await?,
                Some(Step::Check(round)) => self.check(round).await?,
                Some(Step::Wait(pause)) => {
                    self.pause(pause).await?;
                }
                Some(Step::Tell(kinds)) => kinds.into_iter().try_for_each(|kind| self.emitter.emit(kind))?,
                Some(Step::End(outcome, why)) => return self.end(outcome, why),
            }
            if self.plan.dry_run && self.emitter.tally().rounds > RoundNumber(0) {
                let why = "dry run: the prompt is on record, nothing was called".to_owned();
                return self.end(RunOutcome::DryRun, why);
            }
        }
    }

    /// Who plays from now on, and what is said to them.
    pub(super) fn enter(&mut self, order: &Order) {
        if let Some(cast) = self.casts.get(order.cast) {
            self.cast = cast.clone();
        }
        if let Some(files) = &order.files {
            self.cast.files.clone_from(files);
        }
        self.notes.clone_from(&order.notes);
    }

    /// Wall time of the run so far, in seconds.
    pub(crate) fn wall_s(&self) -> f64 {
        let now = self.emitter.clock().stamp();
        self.emitter.tally().started_at.map_or(0.0, |started| seconds_between(started, now))
    }

    fn begin(&mut self) -> Result<(), EngineError> {
        let plan = &self.plan;
        let first_line = plan.task.trim_start().lines().next().unwrap_or_default();
        let started = RunStarted {
            run: plan.run.clone(),
            verb: plan.verb.to_owned(),
            profile: plan.profile.name.clone(),
            harness: plan.profile.agent.harness.clone(),
            model: plan.profile.agent.model.clone(),
            task_sha256: Sha256::of(plan.task.as_bytes()),
            task: first_line.chars().take(120).collect(),
            seed: plan.seed,
            budget: self.budget,
            checked: self.oracle.is_some(),
            pid: plan.pid,
        };
        self.emitter.emit(started)?;
        for alert in self.plan.alerts.clone() {
            self.emitter.emit(alert)?;
        }
        Ok(())
    }

    async fn check(&mut self, round: RoundNumber) -> Result<(), EngineError> {
        let Some(oracle) = self.oracle.clone() else { return Ok(()) };
        let clock = self.emitter.clock();
        self.emitter.emit(CheckStarted { round })?;
        let started = clock.now();
        let mut shutdown = self.shutdown.clone();
        let answer = self.answer.clone().unwrap_or_default();
        // Whoever drains has its result checked.
        let asked = shutdown.times().max(self.patience());
        let finding = tokio::select! {
            finding = oracle.check(answer) => finding,
            // Dropping the check ends it; its decision is derived again on resume.
            _ = shutdown.asked_more_than(asked) => return Ok(()),
        };
        let output_sha256 = match &finding.output {
            Some(output) => Some(self.emitter.store(Stored::Blob, output)?),
            None => None,
        };
        let failure_sha256 = (!finding.delivered).then(|| Sha256::of(blur(&finding.evidence).as_bytes()));
        self.emitter.emit(CheckEnded {
            round,
            delivered: finding.delivered,
            score: finding.score,
            evidence: finding.evidence,
            exit_code: finding.exit_code,
            output_sha256,
            failure_sha256,
            duration_ms: millis(clock.now() - started),
        })?;
        Ok(self.emitter.sync()?)
    }

    /// When it is worth trying again: the earliest reset of all who were told to be left alone.
    fn reset(&self, outcome: RunOutcome, failure: Option<&Failure>) -> Option<Timestamp> {
        let said = failure.and_then(|failure| failure.reset_at);
        if outcome != RunOutcome::Unavailable {
            return said;
        }
        [self.chain().earliest(), said].into_iter().flatten().min()
    }

    fn end(&mut self, outcome: RunOutcome, why: String) -> Result<RunEnded, EngineError> {
        // Who asks from here on is too late, unless it ends because it was asked to.
        self.shutdown.look();
        self.answer_stops(if outcome.can_go_on() { StopEffect::Stopping } else { StopEffect::NotLive })?;
        self.hear_steers()?;
        if !outcome.can_go_on() {
            self.drop_steers()?;
        }
        let tally = self.emitter.tally();
        let mut spend = tally.spend;
        spend.wall_s = self.wall_s();
        let last = tally.last_round();
        let ended = RunEnded {
            run: self.plan.run.clone(),
            verb: self.plan.verb.to_owned(),
            outcome,
            exit_code: outcome.exit_code(self.shutdown.asked().and_then(|asked| asked.signal())),
            delivered: outcome == RunOutcome::Delivered,
            score: tally.check.as_ref().and_then(|check| check.score),
            output: self.answer.clone(),
            rounds: tally.rounds.0,
            spend,
            reset_at: self.reset(outcome, last.and_then(|round| round.failure.as_ref())),
            reason: Some(why),
        };
        self.emitter.emit(ended.clone())?;
        self.emitter.sync()?;
        Ok(ended)
    }
}
