//! Leave to ask: before each request it is seen whether the account may be asked now, by us and by every other provost
//! of the user. Waits for it are seen like every other, and end with the attempt. A pass that came with it is kept until
//! the answer has ended, whichever way.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::oneshot;

use crate::backend::account::{Leave, Pass, Queue};
use crate::backend::{Answer, Stop};
use crate::event::{
    AlertRaised, AttemptRetrying, Failure, FaultClass, FaultScope, Severity, WaitEnded, WaitStarted,
};
use crate::fault::{self, Facts, Origin};

use super::attempt::Watch;
use super::run::Run;

/// The longest that nobody looks whether the way is free: another process may open it sooner than it said.
const GLANCE: Duration = Duration::from_millis(500);
/// A wait from here on is worth a word. What is shorter is over before it could be read.
const WORTH_A_WORD: Duration = Duration::from_millis(400);

/// Somebody who waits for leave.
#[derive(Debug)]
pub(super) struct Asking {
    granted: oneshot::Sender<()>,
    since: Instant,
    again: Instant,
    /// Whether the wait was told.
    told: bool,
    /// Where it is told that it is worth looking sooner.
    queue: Option<Queue>,
}

impl Asking {
    /// When it is to be seen again whether the way is free.
    pub(super) fn again(&self) -> Instant {
        self.again
    }

    /// Returns when somebody says that it is worth looking; never, where nobody can.
    pub(super) async fn changed(asking: Option<&Self>) {
        match asking.and_then(|asking| asking.queue.as_ref()) {
            Some(queue) => queue.changed().await,
            None => std::future::pending().await,
        }
    }
}

impl Run {
    /// An attempt asks for leave to send a request.
    pub(super) fn ask_leave(
        &mut self,
        watch: &mut Watch,
        granted: Option<oneshot::Sender<()>>,
    ) -> std::io::Result<()> {
        // Who is being ended gets no leave: dropping the question says so.
        let Some(granted) = granted.filter(|_| !watch.stopping()) else { return Ok(()) };
        let now = self.emitter.clock().now();
        watch.deadlines.held();
        // What was sent before has come to its end, if not to a good one.
        watch.pass = None;
        watch.asking = Some(Asking { granted, since: now, again: now, told: false, queue: None });
        self.seek_leave(watch)
    }

    /// Sees whether the way is free.
    pub(super) fn seek_leave(&mut self, watch: &mut Watch) -> std::io::Result<()> {
        let Some(mut asking) = watch.asking.take() else { return Ok(()) };
        let (clock, wait) = (self.emitter.clock(), self.cast.profile.retry.wait.0);
        let (now, stamp) = (clock.now(), clock.stamp());
        let leave = match &self.cast.candidates[watch.candidate].party {
            Some(party) => self.accounts.leave(party, stamp),
            None => Leave::Go(Pass::default()),
        };
        if let Some(trouble) = self.accounts.trouble() {
            let alert =
                AlertRaised { alert: "accounts".to_owned(), severity: Severity::Notice, message: trouble };
            self.emitter.emit(alert)?;
        }
        match leave {
            Leave::Go(pass) => {
                if asking.told {
                    self.emitter.emit(WaitEnded { complete: true })?;
                }
                watch.deadlines.asked(now);
                watch.taken = false;
                watch.pass = Some(pass);
                // Nobody there to hear it: the attempt has ended by itself.
                let _ = asking.granted.send(());
                Ok(())
            }
            Leave::Wait { until, firm, .. } if firm && left(stamp, until) > wait => {
                if asking.told {
                    self.emitter.emit(WaitEnded { complete: false })?;
                }
                watch.end(Some(self.cooling(watch.candidate, stamp, until)), Stop::Gracefully);
                Ok(())
            }
            Leave::Wait { until, why, queue, .. } => {
                let left = left(stamp, until);
                if !asking.told && left.max(now.duration_since(asking.since)) >= WORTH_A_WORD {
                    asking.told = true;
                    self.emitter.emit(WaitStarted { reason: why, until, cause: None })?;
                }
                asking.again = now + left.clamp(Duration::from_millis(1), GLANCE);
                // The new place is taken before the old one is left: in between nobody would wait.
                asking.queue = queue;
                watch.asking = Some(asking);
                Ok(())
            }
        }
    }

    /// Nobody waits for leave any more.
    pub(super) fn take_back_leave(&mut self, watch: &mut Watch) -> std::io::Result<()> {
        match watch.asking.take() {
            Some(asking) if asking.told => self.emitter.emit(WaitEnded { complete: false }),
            _ => Ok(()),
        }
    }

    /// What becomes of an attempt at a candidate that must not be asked for longer than we wait.
    fn cooling(&self, candidate: usize, now: Timestamp, until: Timestamp) -> Failure {
        let party = self.cast.candidates[candidate].party.as_ref();
        let cooling = party.and_then(|party| self.accounts.standing(party, now));
        let (class, scope, evidence) = match cooling {
            Some(cooling) => (cooling.class, cooling.scope, cooling.evidence),
            None => (FaultClass::RateLimited, FaultScope::Account, "told to wait".to_owned()),
        };
        let which = party.map_or("all", |party| party.account.as_str());
        Failure {
            scope,
            retry_after: Some(left(now, until).as_secs_f64()),
            reset_at: Some(until),
            evidence: format!(
                "not asked, as it was told before (`provost peek --clear {which}` forgets it): {evidence}"
            ),
            ..Failure::ours(class, "").unasked()
        }
    }

    /// Tells all who share the account how a request came out.
    pub(super) fn tell_account(&self, candidate: usize, result: &Result<Answer, Failure>) {
        let Some(party) = &self.cast.candidates[candidate].party else { return };
        let now = self.emitter.clock().stamp();
        match result {
            Ok(_) => self.accounts.succeeded(party, now),
            Err(failure) if failure.not_asked() => {}
            Err(failure) if binds(failure, now) => {
                self.accounts.failed(party, failure, now);
            }
            // One blip says little; what it says is told when the candidate is left for it.
            Err(_) => self.accounts.left(party, now),
        }
    }

    /// Tells that a candidate was left for a failure that says nothing for certain.
    pub(super) fn leave_candidate(&self, candidate: usize, failure: &Failure) {
        let now = self.emitter.clock().stamp();
        if let Some(party) = &self.cast.candidates[candidate].party
            && !failure.not_asked()
            && !binds(failure, now)
        {
            self.accounts.failed(party, failure, now);
        }
    }

    /// What an agent's own retry loop has met, should that be what it fails of.
    pub(super) fn met(&self, candidate: usize, retrying: &AttemptRetrying) -> Failure {
        let origin = match self.cast.candidates[candidate].profile.agent.harness.as_str() {
            "claude" => Origin::Claude,
            "codex" => Origin::Codex,
            "opencode" | "opencode-server" => Origin::Opencode,
            "gemini" => Origin::Gemini,
            "aider" => Origin::Aider,
            "acp" => Origin::Acp,
            _ => Origin::Command,
        };
        // Codex tells how long the server asked it to wait; what others announce is a wait of their own.
        let asked = retrying.delay_ms.filter(|_| origin == Origin::Codex);
        let facts = Facts {
            status: retrying.status,
            retry_after: asked.map(|ms| Duration::from_millis(ms).as_secs_f64()),
            ..Facts::new(origin, &retrying.evidence)
        };
        let emitted_output = self.emitter.tally().open.as_ref().is_some_and(|open| open.turn.has_begun());
        Failure { emitted_output, ..fault::classify(&facts) }
    }

    /// What was waited in this turn, the announcements of the agent's own loop included.
    pub(super) fn waited(&self) -> Duration {
        let open = self.emitter.tally().open.as_ref();
        Duration::from_millis(open.map_or(0, |open| open.turn.waited_ms))
    }
}

/// Whether a failure binds everybody at once: the server has said something that holds for all.
fn binds(failure: &Failure, now: Timestamp) -> bool {
    failure.class == FaultClass::RateLimited
        || fault::cooldown(failure, 0, now).is_some_and(|cooldown| cooldown.firm)
}

fn left(now: Timestamp, until: Timestamp) -> Duration {
    Duration::try_from(until.duration_since(now)).unwrap_or_default()
}
