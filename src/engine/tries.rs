//! The attempts at one turn of the user: what comes after a failure is decided by the fault table, and done here.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::backend::{Replayed, SessionPlan};
use crate::event::{
    AttemptFailed, AttemptFinished, AttemptNumber, AttemptStarted, Failure, FaultClass, Opening, Provenance,
    RoundNumber, Sha256, Stored, Turn,
};
use crate::fault::{self, Decision, History, Policy, Ways};

use super::attempt::{Attempted, Try};
use super::between::Span;
use super::chain::{Chain, Link, Standing};
use super::run::{EngineError, Run};

/// How an attempt came out, and what of it is stored.
pub(super) type Outcome = Result<Option<Sha256>, Failure>;

/// What follows an attempt that failed.
enum Next {
    /// Another attempt.
    Again(Try),
    /// The failure is the round's.
    Settle,
    /// The round was stopped, or the wall of the run was reached in a wait.
    Stopped,
}

impl Run {
    /// The first attempt of a round.
    pub(super) fn first_try(&self, round: RoundNumber) -> Try {
        let chain = self.chain();
        let restored = self.cast.profile.retry.restore_primary;
        let from = if restored { 0 } else { self.emitter.tally().candidate };
        let from = usize::try_from(from).unwrap_or(0);
        Try { round, attempt: AttemptNumber(1), candidate: chain.begin(from), opening: Opening::Fresh }
    }

    /// Makes attempts until one answers or there is no more to try, and settles the round.
    pub(super) async fn tries(&mut self, first: Try, started: Instant) -> Result<(), EngineError> {
        let mut next = first;
        loop {
            let round = next.round;
            let Some(this) = self.pass_the_gate(next).await? else {
                return self.settle(round, started, Err(self.interrupted()));
            };
            let outcome = self.one(&this, started).await?;
            let Err(failure) = outcome else { return self.settle(this.round, started, outcome) };
            match self.after(&this, &failure).await? {
                Next::Again(again) => next = again,
                Next::Settle => return self.settle(this.round, started, Err(failure)),
                Next::Stopped => return self.settle(this.round, started, Err(self.interrupted())),
            }
        }
    }

    /// Goes on after an attempt whose failure is on record.
    pub(super) async fn tries_after(
        &mut self,
        failed: Try,
        failure: Failure,
        started: Instant,
    ) -> Result<(), EngineError> {
        match self.after(&failed, &failure).await? {
            Next::Again(next) => self.tries(next, started).await,
            Next::Settle => self.settle(failed.round, started, Err(failure)),
            Next::Stopped => self.settle(failed.round, started, Err(self.interrupted())),
        }
    }

    /// Makes one attempt, with its first and its last event.
    async fn one(&mut self, this: &Try, started: Instant) -> Result<Outcome, EngineError> {
        let taken_up = self.reopened && self.is_open(this.attempt);
        if !taken_up && this.opening != Opening::Carried {
            self.steps.clear();
        }
        let said = self.say(this, taken_up).await?;
        if !taken_up {
            let started = AttemptStarted {
                round: this.round,
                attempt: this.attempt,
                model: self.cast.candidates[this.candidate].profile.agent.model.clone(),
                session: Some(said.session.id().clone()),
                candidate: this.candidate as u64,
                opening: this.opening,
            };
            self.emitter.emit(started)?;
        }
        if self.plan.dry_run {
            self.dry_prompts(&said.user)?;
            return Ok(Err(Failure::ours(FaultClass::SelfAbort, "dry run")));
        }
        if !taken_up && said.origin != Provenance::Internal {
            self.images()?;
        }
        let Attempted { result, partial } = self.attempt(this, said, started).await?;
        let attempt = this.attempt;
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
        // An answer settles the round at once, and that waits for the disk.
        if outcome.is_err() {
            self.sync_unless_ending(false)?;
        }
        Ok(outcome)
    }

    /// What follows a failure, after the wait that it takes.
    async fn after(&mut self, failed: &Try, failure: &Failure) -> Result<Next, EngineError> {
        // A second writer must not start while the first may still be there.
        if self.plan.dry_run || failure.cleanup.is_some() || self.verdict.is_some() {
            return Ok(Next::Settle);
        }
        let again = |candidate, opening| Try {
            round: failed.round,
            attempt: failed.attempt.next(),
            candidate,
            opening,
        };
        if failure.class == FaultClass::SelfAbort && failure.rule == "provost.self_abort" {
            let stopped = self.shutdown.asked().is_some();
            return Ok(if stopped {
                Next::Stopped
            } else {
                Next::Again(again(failed.candidate, failed.opening))
            });
        }
        // A session that is not there after all says nothing of the turn.
        if failed.opening == Opening::Resumed && failure.rule.ends_with(".session") {
            return Ok(Next::Again(again(failed.candidate, Opening::Retold)));
        }
        let decision = self.decide(failed, failure);
        if self.shutdown.asked().is_some() {
            let ends = matches!(decision, Decision::GiveUp | Decision::Abort);
            return Ok(if ends { Next::Settle } else { Next::Stopped });
        }
        let reason = format!("{}: {}", failure.class, failure.evidence);
        match decision {
            Decision::RetrySame { after } => {
                let span = Span::of(self.emitter.clock().stamp(), after);
                let complete = self.wait(None, reason, span).await?;
                let opening = self.opening(failed.candidate, failed.candidate, false);
                Ok(or_stopped(complete, again(failed.candidate, opening)))
            }
            Decision::FallBack { reach } => {
                self.leave_candidate(failed.candidate, failure);
                let Some(next) = self.chain().next(failed.candidate, failure.class, reach) else {
                    return Ok(Next::Settle);
                };
                let opening = self.opening(failed.candidate, next, false);
                Ok(Next::Again(again(next, opening)))
            }
            Decision::Compact => {
                let opening = self.opening(failed.candidate, failed.candidate, true);
                Ok(Next::Again(again(failed.candidate, opening)))
            }
            Decision::WaitUntil { at } => {
                self.leave_candidate(failed.candidate, failure);
                let at = self.chain().earliest().map_or(at, |earliest| earliest.min(at));
                let span = Span::to(self.emitter.clock().stamp(), at);
                let begun = self.emitter.clock().now();
                let complete = self.wait(None, reason, span).await?;
                // A person wants this wait; the round's own clock stands still meanwhile.
                self.paused += self.emitter.clock().now() - begun;
                // What had to cool has cooled: the walk begins anew.
                let next = self.chain().begin(0);
                let opening = self.opening(failed.candidate, next, false);
                Ok(or_stopped(complete, again(next, opening)))
            }
            Decision::Abort | Decision::GiveUp => {
                self.leave_candidate(failed.candidate, failure);
                Ok(Next::Settle)
            }
        }
    }

    fn decide(&self, failed: &Try, failure: &Failure) -> Decision {
        let tally = self.emitter.tally();
        let turn = tally.open.as_ref().map(|open| open.turn.clone()).unwrap_or_default();
        let retry = &self.cast.profile.retry;
        let policy = Policy {
            same_model: retry.same_model,
            max_fallbacks: retry.max_fallbacks,
            wait: retry.wait.0,
            persistent: self.plan.cell.is_some(),
        };
        let count = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        let history = History {
            retries: count(turn.retries),
            fallbacks: count(turn.fallbacks),
            identical: count(turn.identical),
            identical_candidates: count(turn.identical_candidates),
            waited: Duration::from_millis(turn.waited_ms),
            compacted: turn.compacted,
            ways: self.ways(failed.candidate, failure.class, &turn),
        };
        let seed = self.plan.seed ^ failed.attempt.0;
        fault::decide(failure, &history, &policy, self.emitter.clock().stamp(), seed)
    }

    fn ways(&self, candidate: usize, class: FaultClass, turn: &Turn) -> Ways {
        let begun = turn.has_begun();
        Ways {
            compact: begun || self.continued_session(candidate).is_some(),
            repeatable: !begun || self.opening(candidate, candidate, false) != Opening::Retold,
            patient: self.plan.patient,
            ..self.chain().ways(candidate, class)
        }
    }

    /// The chain as it stands now.
    pub(super) fn chain(&self) -> Chain {
        let now = self.emitter.clock().stamp();
        let standing = |party| self.accounts.standing(party, now);
        Chain {
            links: self.cast.candidates.iter().map(Link::of).collect(),
            standings: self
                .cast
                .candidates
                .iter()
                .map(|candidate| Standing::of(candidate.party.as_ref().and_then(standing).as_ref()))
                .collect(),
            patience: now.checked_add(self.cast.profile.retry.wait.0).unwrap_or(Timestamp::MAX),
        }
    }

    /// The recorded steps that an attempt goes on from.
    pub(super) fn replayed(&self, this: &Try) -> Vec<Replayed> {
        let open = self.emitter.tally().open.as_ref();
        let made_by_another = open.is_some_and(|open| open.turn.steps_by != this.candidate as u64);
        let carried = this.opening == Opening::Carried || (self.reopened && self.is_open(this.attempt));
        match (carried, made_by_another) {
            (false, _) => Vec::new(),
            (true, false) => self.steps.clone(),
            (true, true) => self.steps.iter().cloned().map(Replayed::impersonal).collect(),
        }
    }

    /// Why a candidate is asked that did not take the last request.
    pub(super) fn why_another(&self) -> String {
        let open = self.emitter.tally().open.as_ref();
        let failure = open.and_then(|open| open.failure.as_ref());
        match (failure, open.map_or(0, |open| open.turn.candidate)) {
            (Some(failure), _) => failure.class.word().to_owned(),
            (None, 0) => "restored".to_owned(),
            (None, _) => "cooling".to_owned(),
        }
    }

    /// What becomes of a round that would have been tried again, had nobody asked to end and were there time left. What
    /// failed stays on record in `attempt.failed`.
    fn interrupted(&self) -> Failure {
        if let Some(asked) = self.shutdown.asked() {
            return Failure::ours(FaultClass::UserAbort, asked.by.to_string());
        }
        match self.cast.profile.budget.wall {
            Some(wall) => {
                Failure::ours(FaultClass::BudgetLimit, format!("`budget.wall` of {:?} has passed", wall.0))
            }
            None => Failure::ours(FaultClass::SelfAbort, "the prompt has lost its place at the gate"),
        }
    }

    fn is_open(&self, attempt: AttemptNumber) -> bool {
        let open = self.emitter.tally().open.as_ref();
        open.is_some_and(|open| open.attempt_open && open.attempt == attempt)
    }

    /// The session of earlier rounds that an attempt at this candidate goes on with.
    pub(super) fn continued_session(&self, candidate: usize) -> Option<SessionPlan> {
        self.lineage(candidate)
    }
}

fn or_stopped(complete: bool, next: Try) -> Next {
    if complete { Next::Again(next) } else { Next::Stopped }
}
