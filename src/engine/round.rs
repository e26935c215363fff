//! One round: begun, seen through by as many attempts as it takes, and settled.

use std::time::{Duration, Instant};

use crate::event::{
    AttemptFailed, AttemptNumber, BudgetCommitted, BudgetReserved, Failure, FaultClass, Opening, RoundEnded,
    RoundNumber, RoundOutcome, RoundStarted,
};

use super::attempt::Try;
use super::clock::millis;
use super::driver::Order;
use super::run::{EngineError, Run};
use super::tries::Outcome;

impl Run {
    /// Starts a round and sees it through.
    pub(crate) async fn round(&mut self, order: Order) -> Result<(), EngineError> {
        let number = order.round;
        self.enter(&order);
        let left = self.budget.rounds.map(|rounds| rounds.saturating_sub(number.0));
        self.emitter.emit(BudgetReserved { rounds: 1, rounds_left: left })?;
        let Order { phase, fresh_eyes, head, fingerprint, .. } = order;
        self.emitter.emit(RoundStarted { round: number, phase, fresh_eyes, head, fingerprint })?;
        let started = self.emitter.clock().now();
        self.tell_steers(number)?;
        self.reopened = false;
        self.steps.clear();
        self.paused = Duration::ZERO;
        let first = self.first_try(number);
        self.tries(first, started).await
    }

    /// Goes on with a round that was open when provost was killed: nothing on record is done again.
    pub(crate) async fn reopen(&mut self, order: Order) -> Result<(), EngineError> {
        self.enter(&order);
        let started = self.emitter.clock().now();
        let Some(open) = self.emitter.tally().open.clone() else { return Ok(()) };
        self.reopened = true;
        if open.attempt == AttemptNumber(0) {
            let first = self.first_try(open.round);
            return self.tries(first, started).await;
        }
        let candidate = usize::try_from(open.turn.candidate).unwrap_or(0).min(self.cast.candidates.len() - 1);
        let last = Try { round: open.round, attempt: open.attempt, candidate, opening: Opening::Fresh };
        if open.attempt_open {
            if self.cast.candidates[candidate].harness.replays() {
                return self.tries(last, started).await;
            }
            // What the agent did is in doubt; its attempt is closed as that and made anew.
            let failure = Failure::ours(FaultClass::SelfAbort, "provost was killed while the agent worked");
            let failed =
                AttemptFailed { attempt: open.attempt, failure: failure.clone(), partial_sha256: None };
            self.emitter.emit(failed)?;
            return self.tries_after(last, failure, started).await;
        }
        match open.failure {
            None => self.settle(open.round, started, Ok(open.output_sha256)),
            Some(failure) => self.tries_after(last, failure, started).await,
        }
    }

    pub(super) fn settle(
        &mut self,
        round: RoundNumber,
        started: Instant,
        outcome: Outcome,
    ) -> Result<(), EngineError> {
        let (outcome, output_sha256, failure) = match outcome {
            Ok(output) => (RoundOutcome::Answered, output, None),
            Err(failure) => (round_outcome(&failure), None, Some(failure)),
        };
        let duration_ms = millis(self.emitter.clock().now() - started);
        self.emitter.emit(RoundEnded { round, outcome, duration_ms, output_sha256, failure })?;
        let mut spend = self.emitter.tally().spend;
        spend.wall_s = self.wall_s();
        self.emitter.emit(BudgetCommitted { rounds: 1, spend })?;
        self.sync_unless_ending(outcome == RoundOutcome::Answered)
    }

    /// Waits for the disk at a settle. Where somebody asked to end and there is no answer to keep, `run.ended` follows
    /// before anything is shown or used, and its own wait is for both.
    pub(super) fn sync_unless_ending(&mut self, answered: bool) -> Result<(), EngineError> {
        if !answered && self.shutdown.asked().is_some() {
            return Ok(());
        }
        Ok(self.emitter.sync()?)
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
