//! Every attempt passes the gate of its session: one prompt at a time, in order, and none beside one that may have been
//! taken.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::event::{Failure, Opening, Provenance};

use super::attempt::Try;
use super::gate::{Asked, Gate, Limits, Prompt, Seen, Sending, Session, Source, Ticket, Whose};
use super::run::{EngineError, Run};

/// How long nothing else is sent after a prompt was taken, should nobody give its place back.
const HOLD: Duration = Duration::from_secs(2);
/// How long a prompt may be on its way: agents start slowly, and some wait for leave.
const DISPATCH: Duration = Duration::from_hours(24 * 366);
/// How long nothing is sent after one that may have been taken.
const UNANSWERED: Duration = Duration::from_mins(1);

/// The gate of the session, and what is seen of that.
pub(super) struct Turnstile {
    gate: Gate<Try>,
    session: Session,
    out: Option<(Ticket, Source)>,
}

impl Turnstile {
    pub(super) fn new() -> Self {
        // None of them is zero, which is all that it could refuse.
        let limits = Limits::new(HOLD, DISPATCH, UNANSWERED).unwrap_or_default();
        Self { gate: Gate::new(limits), session: Session::default(), out: None }
    }

    fn sends(&mut self, sending: Sending<Try>) -> Try {
        self.session = self.session.then(Seen::Prompted(match sending.payload.opening {
            Opening::Resumed => Provenance::Internal,
            _ => Provenance::User,
        }));
        self.out = Some((sending.ticket, sending.source));
        sending.payload
    }

    /// The other side has taken what was sent.
    pub(super) fn accepted(&mut self, now: Instant) {
        if let Some((ticket, _)) = &self.out {
            self.gate.accepted(*ticket, now);
        }
    }

    /// Something was seen of the session.
    pub(super) fn sees(&mut self, seen: Seen) {
        self.session = self.session.then(seen);
    }

    /// The attempt is over, and nothing of it is left that could still answer; `lost` where that is not sure.
    pub(super) fn over(&mut self, lost: bool, now: Instant) {
        self.session = self.session.then(Seen::EndedByUs);
        let Some((ticket, source)) = self.out.take() else { return };
        if lost {
            self.gate.maybe_accepted(ticket, now);
        } else {
            // What it gives way to is asked for by its owner, who is here.
            let _ = self.gate.release(&Whose::Exactly(source), now, self.session);
        }
    }
}

/// Who asks for an attempt.
fn source(this: &Try) -> Source {
    match (this.attempt.0, this.opening) {
        (1, _) => Source::user(),
        (attempt, Opening::Retold) => Source::new(format!("retold:{attempt}")),
        (attempt, _) => Source::new(format!("retry:{attempt}")),
    }
}

impl Run {
    /// Waits for the attempt's place at the gate. `None` when somebody asked to end, the run has no time left, or
    /// its place was lost.
    pub(super) async fn pass_the_gate(&mut self, this: Try) -> Result<Option<Try>, EngineError> {
        let clock = self.emitter.clock();
        let content =
            json!({ "round": this.round.0, "attempt": this.attempt.0, "candidate": this.candidate });
        let prompt = Prompt::turn(source(&this), &content, this);
        let session = self.turnstile.session;
        let wait = match self.turnstile.gate.ask(prompt, clock.now(), session) {
            Asked::Dispatch(sending) => return Ok(Some(self.turnstile.sends(sending))),
            Asked::Queued { wait, .. } => wait,
            Asked::Active | Asked::Reserved | Asked::Unavailable => return Ok(None),
        };
        let times = self.shutdown.times();
        let mut shutdown = self.shutdown.clone();
        loop {
            let next = self.turnstile.gate.next_deadline(clock.now());
            tokio::select! {
                () = super::clock::until(next) => {}
                () = super::clock::until(self.wall) => {
                    self.turnstile.gate.close(clock.now());
                    return Ok(None);
                }
                _ = shutdown.asked_more_than(times) => {
                    self.acknowledge()?;
                    self.turnstile.gate.close(clock.now());
                    return Ok(None);
                }
            }
            let drained = self.turnstile.gate.drain(clock.now(), self.turnstile.session);
            if let Some(sending) = drained.send {
                return Ok(Some(self.turnstile.sends(sending)));
            }
            if drained.settled.iter().any(|settled| settled.wait == wait) {
                return Ok(None);
            }
        }
    }

    /// The attempt is over; says so at the gate.
    pub(super) fn leave_the_gate(&mut self, candidate: usize, failure: Option<&Failure>) {
        let now = self.emitter.clock().now();
        // A stateless endpoint keeps nothing that a later answer could come from.
        let keeps = !self.cast.candidates[candidate].harness.replays();
        self.turnstile.over(failure.is_some_and(|failure| failure.maybe_accepted && keeps), now);
    }
}
