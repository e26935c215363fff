//! One round: attempts until one answers, fails for good, or is ended.

use std::time::{Duration, Instant};

use crate::backend::SessionPlan;
use crate::event::{
    AttemptFailed, AttemptFinished, AttemptNumber, AttemptStarted, BudgetCommitted, BudgetReserved, Failure,
    FaultClass, Live, Opening, PromptPart, PromptSent, Provenance, RoundEnded, RoundNumber, RoundOutcome,
    RoundStarted, SessionId, Sha256, Stored, WaitEnded, WaitStarted,
};
use crate::fault::{self, Decision, History, Policy};
use crate::profile::{Context, Fork, SessionPolicy};

use super::attempt::Attempted;
use super::clock::millis;
use super::prompt;
use super::run::{EngineError, Run};

/// How an attempt came out, and what of it is stored.
type Outcome = Result<Option<Sha256>, Failure>;

impl Run {
    /// Starts a round and sees it through.
    pub(crate) async fn round(&mut self, number: RoundNumber) -> Result<(), EngineError> {
        let left = self.budget.rounds.map(|rounds| rounds.saturating_sub(number.0));
        self.emitter.emit(BudgetReserved { rounds: 1, rounds_left: left })?;
        self.emitter.emit(RoundStarted { round: number })?;
        let started = self.emitter.clock().now();
        self.reopened = false;
        self.replay.clear();
        self.attempts(number, AttemptNumber(1), started).await
    }

    /// Goes on with a round that was open when provost was killed: nothing on record is done again.
    pub(crate) async fn reopen(&mut self) -> Result<(), EngineError> {
        let started = self.emitter.clock().now();
        let Some(open) = self.emitter.tally().open.clone() else { return Ok(()) };
        self.reopened = true;
        let attempt = open.attempt;
        if attempt == AttemptNumber(0) {
            return self.attempts(open.round, AttemptNumber(1), started).await;
        }
        if open.attempt_open {
            if self.harness.replays() {
                return self.attempts(open.round, attempt, started).await;
            }
            // What the agent did is in doubt; its attempt is closed as that and made anew.
            let failure = Failure::ours(FaultClass::SelfAbort, "provost was killed while the agent worked");
            self.emitter.emit(AttemptFailed { attempt, failure, partial_sha256: None })?;
            return self.attempts(open.round, attempt.next(), started).await;
        }
        match open.failure {
            None => self.settle(open.round, started, Ok(open.output_sha256)),
            Some(failure) => {
                if let Some(next) = self.again(attempt, &failure).await? {
                    return self.attempts(open.round, next, started).await;
                }
                let failure = self.interrupted(failure);
                self.settle(open.round, started, Err(failure))
            }
        }
    }

    async fn attempts(
        &mut self,
        round: RoundNumber,
        first: AttemptNumber,
        started: Instant,
    ) -> Result<(), EngineError> {
        let mut attempt = first;
        loop {
            let outcome = self.one(round, attempt, started).await?;
            if let Err(failure) = &outcome
                && let Some(next) = self.again(attempt, failure).await?
            {
                attempt = next;
                continue;
            }
            return self.settle(round, started, outcome.map_err(|failure| self.interrupted(failure)));
        }
    }

    /// Makes one attempt, with its first and its last event.
    async fn one(
        &mut self,
        round: RoundNumber,
        attempt: AttemptNumber,
        started: Instant,
    ) -> Result<Outcome, EngineError> {
        let replaying = self.reopened && self.harness.replays() && self.is_open(attempt);
        let session = self.session(replaying);
        if !replaying {
            self.replay.clear();
            let id = session.id().clone();
            let model = self.plan.profile.agent.model.clone();
            self.emitter.emit(AttemptStarted {
                round,
                attempt,
                model,
                session: Some(id),
                candidate: 0,
                opening: Opening::Fresh,
            })?;
        }
        let user = self.user_prompt(round, attempt)?;
        if self.plan.dry_run {
            self.dry_prompts(&user)?;
            return Ok(Err(Failure::ours(FaultClass::SelfAbort, "dry run")));
        }
        if !replaying {
            self.images()?;
        }
        let Attempted { result, partial } = self.attempt(round, attempt, session, user, started).await?;
        let outcome = match result {
            Ok(answer) => {
                let sha256 = self.emitter.store(Stored::Blob, answer.text.as_bytes())?;
                self.emitter.emit(AttemptFinished {
                    attempt,
                    stop_reason: answer.stop_reason,
                    output_sha256: Some(sha256.clone()),
                })?;
                self.answer = Some(answer.text);
                Ok(Some(sha256))
            }
            Err(failure) => {
                let partial_sha256 = if partial.is_empty() {
                    None
                } else {
                    Some(self.emitter.store(Stored::Blob, partial.as_bytes())?)
                };
                if !partial.is_empty() {
                    self.answer = Some(partial);
                }
                self.emitter.emit(AttemptFailed { attempt, failure: failure.clone(), partial_sha256 })?;
                Err(failure)
            }
        };
        self.emitter.sync()?;
        Ok(outcome)
    }

    /// Whether to try again, after the wait that this takes.
    async fn again(
        &mut self,
        attempt: AttemptNumber,
        failure: &Failure,
    ) -> Result<Option<AttemptNumber>, EngineError> {
        if self.plan.dry_run || self.shutdown.asked().is_some() {
            return Ok(None);
        }
        if failure.class == FaultClass::SelfAbort {
            return Ok(Some(attempt.next()));
        }
        let retry = &self.plan.profile.retry;
        let policy = Policy { same_model: retry.same_model, max_fallbacks: 0, wait: retry.wait.0 };
        let retries = u32::try_from(attempt.0.saturating_sub(1)).unwrap_or(u32::MAX);
        let history = History { retries, ..History::default() };
        let seed = self.plan.seed ^ attempt.0;
        let now = self.emitter.clock().stamp();
        let Decision::RetrySame { after } = fault::decide(failure, &history, &policy, now, seed) else {
            return Ok(None);
        };
        let complete = self.wait(format!("{}: {}", failure.class, failure.evidence), after).await?;
        Ok(complete.then(|| attempt.next()))
    }

    /// A failure that would have been tried again, had nobody asked to end: the round was stopped, and a resume makes it
    /// again. What failed stays on record in `attempt.failed`.
    fn interrupted(&self, failure: Failure) -> Failure {
        match self.shutdown.asked() {
            Some(asked) if fault::retryable(failure.class) && !failure.emitted_output => {
                Failure::ours(FaultClass::UserAbort, format!("interrupted by signal {}", asked.signal))
            }
            _ => failure,
        }
    }

    /// Waits where it can be seen; false when it was cut short.
    async fn wait(&mut self, reason: String, length: Duration) -> Result<bool, EngineError> {
        let until = self.emitter.clock().stamp().checked_add(length).unwrap_or(jiff::Timestamp::MAX);
        self.emitter.emit(WaitStarted { reason, until })?;
        let asked = self.shutdown.asked().map_or(0, |asked| asked.times);
        let mut shutdown = self.shutdown.clone();
        let end = self.emitter.clock().now() + length;
        let cut = self.wall.is_some_and(|wall| wall < end);
        let complete = tokio::select! {
            () = tokio::time::sleep_until(self.wall.map_or(end, |wall| wall.min(end)).into()) => !cut,
            _ = shutdown.asked_more_than(asked) => false,
        };
        self.emitter.emit(WaitEnded { complete })?;
        Ok(complete)
    }

    fn settle(&mut self, round: RoundNumber, started: Instant, outcome: Outcome) -> Result<(), EngineError> {
        let (outcome, output_sha256, failure) = match outcome {
            Ok(output) => (RoundOutcome::Answered, output, None),
            Err(failure) => (round_outcome(&failure), None, Some(failure)),
        };
        let duration_ms = millis(self.emitter.clock().now() - started);
        self.emitter.emit(RoundEnded { round, outcome, duration_ms, output_sha256, failure })?;
        let mut spend = self.emitter.tally().spend;
        spend.wall_s = self.wall_s();
        self.emitter.emit(BudgetCommitted { rounds: 1, spend })?;
        Ok(self.emitter.sync()?)
    }

    fn is_open(&self, attempt: AttemptNumber) -> bool {
        let open = self.emitter.tally().open.as_ref();
        open.is_some_and(|open| open.attempt_open && open.attempt == attempt)
    }

    fn session(&self, replaying: bool) -> SessionPlan {
        let tally = self.emitter.tally();
        if replaying && let Some(session) = tally.open.as_ref().and_then(|open| open.session.clone()) {
            return SessionPlan::Fresh(session);
        }
        let lineage = &self.plan.profile.lineage;
        let id = SessionId::new(uuid::Uuid::new_v4().to_string());
        match (&tally.session, lineage.session) {
            (Some(parent), SessionPolicy::Continue) if self.forks() => {
                SessionPlan::Fork { parent: parent.clone(), id }
            }
            (Some(session), SessionPolicy::Continue) => SessionPlan::Continue(session.clone()),
            _ => SessionPlan::Fresh(id),
        }
    }

    /// Whether a later round forks the conversation of the one before instead of adding to it.
    fn forks(&self) -> bool {
        match self.plan.profile.lineage.fork {
            Fork::Off => false,
            Fork::Prefer => self.harness.forks(),
            // Refused with the profile where the harness cannot.
            Fork::Require => true,
        }
    }

    fn user_prompt(&mut self, round: RoundNumber, attempt: AttemptNumber) -> Result<String, EngineError> {
        let text = prompt::assemble(&self.plan.files, &self.plan.task);
        // A replayed attempt gets the very prompt that it had: whether it was interrupted is no news to it.
        let interrupted = self.reopened && attempt > AttemptNumber(1) && !self.harness.replays();
        let context = prompt::context(round, self.emitter.tally().last_round(), interrupted);
        let Some(context) = context else { return Ok(text) };
        Ok(match self.plan.profile.prompt.context {
            Context::None => text,
            Context::Prepend => format!("{context}{text}"),
            Context::File => {
                let sha256 = self.emitter.store(Stored::Blob, context.as_bytes())?;
                let path = self.plan.directory.join("blobs").join(sha256.as_str());
                format!("What happened in earlier rounds is in {}; read it first.\n\n{text}", path.display())
            }
        })
    }

    /// Puts the images of a prompt on record.
    fn images(&mut self) -> Result<(), EngineError> {
        for image in &self.plan.images {
            let sha256 = self.emitter.store(Stored::Blob, &image.bytes)?;
            let bytes = image.bytes.len() as u64;
            let target = self.plan.profile.agent.harness.clone();
            let sent = PromptSent {
                sha256,
                bytes,
                target,
                part: PromptPart::Image,
                origin: Provenance::User,
                redacted: 0,
            };
            self.emitter.emit(sent)?;
        }
        Ok(())
    }

    fn dry_prompts(&mut self, user: &str) -> Result<(), EngineError> {
        let target = self.plan.profile.agent.harness.clone();
        let system = self.plan.system.clone();
        let parts = [(PromptPart::System, system), (PromptPart::User, Some(user.to_owned()))];
        for (part, text) in parts {
            let Some(text) = text else { continue };
            let (sha256, redacted) = self.emitter.store_counted(Stored::Prompt, text.as_bytes())?;
            let bytes = text.len() as u64;
            self.emitter.emit(PromptSent {
                sha256,
                bytes,
                target: target.clone(),
                part,
                origin: Provenance::User,
                redacted,
            })?;
        }
        self.images()?;
        self.emitter.live(&Live::NextDeadline(None))?;
        Ok(())
    }
}

fn round_outcome(failure: &Failure) -> RoundOutcome {
    match failure.class {
        FaultClass::UserAbort => RoundOutcome::Stopped,
        FaultClass::BudgetLimit if failure.rule == "provost.budget_limit" => RoundOutcome::Stopped,
        FaultClass::FirstEventTimeout
        | FaultClass::Stall
        | FaultClass::ToolStall
        | FaultClass::RoundTimeout => RoundOutcome::TimedOut,
        _ => RoundOutcome::Failed,
    }
}
