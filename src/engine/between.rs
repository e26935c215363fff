//! Between rounds: the driver is asked, its acts are done, and its waits are waited.

use std::io;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::event::{BudgetCeilings, Live, RunOutcome, WaitCause, WaitEnded, WaitStarted};

use super::clock::seconds_between;
use super::driver::{Act, Pause, Step, View};
use super::emit::Emitter;
use super::run::{EngineError, Run};
use super::signal::Asked;

/// The wall clock is looked at at least this often in a wait: it may be set, and a host may sleep.
const GLANCE: Duration = Duration::from_mins(1);
/// What is waited for longer than this has no end that a clock could show.
const LONGEST: Duration = Duration::from_hours(366 * 24);

/// How long a wait is, and when it ends. Both come from one look at the clock: a moment that somebody named is waited for as
/// it was named, and not as what is left of it plus the time at which that is added up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Span {
    until: Timestamp,
    length: Duration,
}

impl Span {
    /// From `now` to a moment; nothing where that is over.
    pub(super) fn to(now: Timestamp, until: Timestamp) -> Self {
        let length = Duration::try_from(until.duration_since(now)).unwrap_or_default();
        Self { until: until.max(now), length }
    }

    /// So long, from `now` on.
    pub(super) fn of(now: Timestamp, length: Duration) -> Self {
        Self { until: now.checked_add(length).unwrap_or(Timestamp::MAX), length }
    }
}

impl<'a> View<'a> {
    fn of(emitter: &'a Emitter, budget: &'a BudgetCeilings, checked: bool) -> Self {
        let (tally, clock) = (emitter.tally(), emitter.clock());
        let now = clock.stamp();
        let wall_s = tally.started_at.map_or(0.0, |started| seconds_between(started, now));
        View { tally, budget, wall_s, now, instant: clock.now(), checked, draining: false }
    }
}

impl Run {
    /// How many requests to end leave what is under way alone.
    pub(super) fn patience(&self) -> u32 {
        u32::from(self.driver.drains())
    }

    /// How a run ends that was asked to.
    pub(super) fn outcome_of(&self, asked: &Asked) -> RunOutcome {
        // Nothing was cut: it was stopped as asked, whoever asked.
        if asked.times <= self.patience() { RunOutcome::Stopped } else { asked.by.outcome() }
    }

    /// What is still to be done before a run ends that drains: nothing but to check and to record.
    pub(super) async fn last_step(&mut self) -> Option<Step> {
        self.next_step().await.filter(|step| matches!(step, Step::Check(_) | Step::Tell(_)))
    }

    /// The next step; `None` when somebody wants the end meanwhile.
    pub(super) async fn next_step(&mut self) -> Option<Step> {
        let mut shutdown = self.shutdown.clone();
        let patience = shutdown.times().max(u32::from(self.driver.drains()));
        let draining = shutdown.asked().is_some();
        let view = View { draining, ..View::of(&self.emitter, &self.budget, self.oracle.is_some()) };
        tokio::select! {
            step = self.driver.next(view) => Some(step),
            // What it does may be work of its own, such as a stash: that is not cut short by a request to drain.
            _ = shutdown.asked_more_than(patience) => None,
        }
    }

    /// Lets the driver hear what is new, and does what it wants done; what is to be ended is returned.
    pub(super) fn consult(&mut self) -> io::Result<Vec<Act>> {
        let mut ends = Vec::new();
        loop {
            let fresh = self.emitter.take_fresh();
            if fresh.is_empty() {
                return Ok(ends);
            }
            for event in fresh {
                let view = View::of(&self.emitter, &self.budget, self.oracle.is_some());
                let acts = self.driver.hear(&event, view);
                self.act(acts, &mut ends)?;
            }
        }
    }

    /// Lets the driver look at the time and the host.
    pub(super) fn look(&mut self) -> io::Result<Vec<Act>> {
        let view = View::of(&self.emitter, &self.budget, self.oracle.is_some());
        let acts = self.driver.look(view);
        let mut ends = Vec::new();
        self.act(acts, &mut ends)?;
        ends.extend(self.consult()?);
        Ok(ends)
    }

    fn act(&mut self, acts: Vec<Act>, ends: &mut Vec<Act>) -> io::Result<()> {
        for act in acts {
            match act {
                Act::Tell(kind) => self.emitter.emit(*kind)?,
                Act::EndRun(outcome, why) => {
                    self.verdict.get_or_insert_with(|| (outcome, why.clone()));
                    ends.push(Act::EndRun(outcome, why));
                }
                act => ends.push(act),
            }
        }
        Ok(())
    }

    /// A wait between rounds; false when it was cut short.
    pub(super) async fn pause(&mut self, pause: Pause) -> Result<bool, EngineError> {
        let span = Span::to(self.emitter.clock().stamp(), pause.until);
        self.wait(Some(pause.cause), pause.reason, span).await
    }

    /// Waits where it can be seen; false when it was cut short.
    ///
    /// It is over when the time has passed, and also when the wall clock says so: it may have been set, and the monotonic one
    /// stands still while the host sleeps.
    pub(super) async fn wait(
        &mut self,
        cause: Option<WaitCause>,
        reason: String,
        span: Span,
    ) -> Result<bool, EngineError> {
        let clock = self.emitter.clock();
        let Span { until, length } = span;
        self.emitter.emit(WaitStarted { reason, until, cause })?;
        self.emitter.live(&Live::NextDeadline(None))?;
        let asked = self.shutdown.times();
        let (mut shutdown, listener) = (self.shutdown.clone(), self.shutdown.clone());
        let end = clock.now() + length.min(LONGEST);
        let complete = loop {
            if let Some(complete) = over(&self.consult()?) {
                break complete;
            }
            let now = clock.now();
            if now >= end || clock.stamp() >= until {
                break true;
            }
            if self.wall.is_some_and(|wall| now >= wall) {
                break false;
            }
            let look = self.driver.wants_to_look();
            let next = [Some(end), self.wall, look, Some(now + GLANCE)].into_iter().flatten().min();
            tokio::select! {
                biased;
                how = shutdown.news(asked) => {
                    self.acknowledge()?;
                    if how.times > asked {
                        break false;
                    }
                }
                () = listener.steered() => self.acknowledge()?,
                () = super::clock::until(next) => {
                    let due = |at: Instant| at <= clock.now();
                    if look.is_some_and(due)
                        && let Some(complete) = over(&self.look()?)
                    {
                        break complete;
                    }
                }
            }
        };
        self.acknowledge()?;
        self.emitter.emit(WaitEnded { complete })?;
        Ok(complete)
    }
}

/// Whether a wait is over that the driver has these wishes in, and whether it has come to what it was for.
fn over(acts: &[Act]) -> Option<bool> {
    (!acts.is_empty()).then(|| acts.iter().all(|act| matches!(act, Act::EndWait { fulfilled: true })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_that_was_named_is_waited_for_to_the_letter() {
        let named: Timestamp = "2026-11-28T21:00:00Z".parse().unwrap();
        for (ms, left) in [(3_600_000, 3_600_000), (1, 1), (0, 0), (-1, 0), (-5_000, 0)] {
            let now = named.checked_sub(jiff::SignedDuration::from_millis(ms)).unwrap();
            let span = Span::to(now, named);
            assert_eq!(span.until, named.max(now), "{ms} ms before it");
            assert_eq!(span.length, Duration::from_millis(left));
        }
        let span = Span::of(named, Duration::from_secs(5));
        assert_eq!(span, Span::to(named, named.checked_add(Duration::from_secs(5)).unwrap()));
        assert_eq!(Span::of(named, Duration::MAX).until, Timestamp::MAX);
    }
}
