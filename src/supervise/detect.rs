//! What goes wrong while a round runs, seen in its events and in the host; each once until it is over.
//!
//! Pure: events, the fold and the host's facts in, [`Act`]s out. Which alerts are open is read in the fold, and until when
//! a limit holds in the alert itself, so that a restart of provost neither raises an alert again nor forgets one. Only
//! what is about the round that is open is kept here: its last calls, and since when it runs by the monotonic clock.
//!
//! | alert | raised | over |
//! | --- | --- | --- |
//! | `rate_limit` | an attempt, or the agent's own retry, meets a limit | the same candidate gets on, or the time is there |
//! | `auth_failure` | the first attempt whose key is refused | the same candidate answers |
//! | `repeated_tool` | so many of the last calls of the round are the same | five rounds later without it |
//! | `timeout_rate`, `network_failures`, `no_first_event` | a share of the last rounds | fewer of them |
//! | `orphan_chain` | so many dirty trees in a row | a clean one |
//! | `hung` | a round is older than its wall and has not ended | it ends |
//! | the host's | a look says so | three looks in a row say otherwise |

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::engine::{Act, View};
use crate::event::{Event, Failure, FaultClass, Kind, RunOutcome, Severity, Tally, TreeAction, TreeSettled};
use crate::profile::{Alarm, Round, Supervise};

mod bell;
mod host;
mod limit;
mod rates;
mod repeat;
mod stale;
#[cfg(test)]
mod tests;

pub use bell::word;
pub use host::{Level, Seen};
pub use stale::stale;

use bell::Bell;
use repeat::Calls;

/// So many looks in a row must find nothing before an alert about the host is over: what swings about its limit is one
/// episode.
const QUIET_LOOKS: u32 = 3;

/// Watches over the rounds of one run.
#[derive(Debug)]
pub struct Detectors {
    settings: Supervise,
    /// The wall of a round.
    wall: Duration,
    /// Since when the open round runs in this process.
    begun: Option<Instant>,
    /// The last calls of the open round.
    calls: Calls,
    /// How many looks in a row found nothing of what is open.
    quiet: BTreeMap<Alarm, u32>,
    /// What has ended the run already.
    stopped: BTreeSet<Alarm>,
}

impl Detectors {
    /// Detectors that have seen nothing yet; `round` is the profile's.
    pub fn new(settings: &Supervise, round: &Round) -> Self {
        Self {
            settings: settings.clone(),
            wall: round.timeout.0,
            begun: None,
            calls: Calls::new(&settings.detect),
            quiet: BTreeMap::new(),
            stopped: BTreeSet::new(),
        }
    }

    /// The next round has deadlines of its own, those of its phase.
    pub fn goes_by(&mut self, round: &Round) {
        self.wall = round.timeout.0;
    }

    /// Hears an event that is on record and folded into the tally of `view`, and says what is to be done at once.
    ///
    /// An event in which nothing is wrong costs a walk over the open alerts.
    pub fn hear(&mut self, event: &Event, view: &View<'_>) -> Vec<Act> {
        // What a look or a detector has put on record is heard while the rest of its acts is still to be done.
        if matches!(
            event.kind,
            Kind::AlertRaised(_) | Kind::AlertCleared(_) | Kind::HostSampled(_) | Kind::DefenseActed(_)
        ) {
            return Vec::new();
        }
        let tally = view.tally;
        let mut bell = Bell::new(&tally.alerts);
        limit::expire(&mut bell, view.now);
        match &event.kind {
            Kind::RoundStarted(_) => self.opens(view.instant),
            // Nothing of it ran while provost was away.
            Kind::RunResumed(_) if tally.open.is_some() => self.opens(view.instant),
            Kind::ToolCalled(called) => {
                limit::gets_on(&mut bell, tally);
                if let Some(seen) = self.calls.add(called) {
                    let message = seen.message(tally.open.as_ref().map(|open| open.round));
                    self.ring(
                        &mut bell,
                        Alarm::RepeatedTool,
                        Some(&seen.identity),
                        Severity::Warning,
                        &message,
                    );
                    if seen.ends_round {
                        bell.act(Act::EndRound(ended_by(Alarm::RepeatedTool, message)));
                    }
                }
            }
            Kind::TurnEnded(turn) if turn.tool_calls > 0 => limit::gets_on(&mut bell, tally),
            Kind::AttemptRetrying(retrying) => {
                if let Some(message) = limit::retrying(&mut bell, retrying, tally, view.now) {
                    self.stop(&mut bell, Alarm::RateLimit, &message);
                }
            }
            Kind::AttemptFailed(failed) => self.failed(&mut bell, &failed.failure, view),
            Kind::AttemptFinished(_) => {
                limit::gets_on(&mut bell, tally);
                bell.clear(&limit::name(Alarm::AuthFailure, tally));
            }
            Kind::RoundEnded(ended) => self.ended(&mut bell, ended.failure.as_ref(), tally),
            Kind::TreeSettled(settled) => self.tree(&mut bell, settled, tally),
            _ => {}
        }
        bell.acts()
    }

    /// Looks at the host and at the clock: in a round, and in a wait.
    pub fn look(&mut self, view: &View<'_>, seen: &Seen) -> Vec<Act> {
        let mut bell = Bell::new(&view.tally.alerts);
        limit::expire(&mut bell, view.now);
        self.hung(&mut bell, view);
        for (alarm, found) in host::findings(&self.settings.host, seen) {
            match found {
                Some((severity, message)) => {
                    self.quiet.remove(&alarm);
                    self.ring(&mut bell, alarm, None, severity, &message);
                }
                None if bell.severity(word(alarm)).is_some() => {
                    let quiet = self.quiet.entry(alarm).or_default();
                    *quiet += 1;
                    if *quiet >= QUIET_LOOKS {
                        bell.clear(word(alarm));
                        self.quiet.remove(&alarm);
                    }
                }
                None => {}
            }
        }
        bell.acts()
    }

    fn opens(&mut self, at: Instant) {
        self.begun = Some(at);
        self.calls = Calls::new(&self.settings.detect);
    }

    fn failed(&mut self, bell: &mut Bell<'_>, failure: &Failure, view: &View<'_>) {
        if failure.class == FaultClass::Auth {
            // Somebody further on in the chain may be let in; whether nobody is, the end of the round says.
            let name = limit::name(Alarm::AuthFailure, view.tally);
            bell.raise(
                name,
                Severity::Critical,
                format!("the key or the login is refused: {}", failure.evidence),
            );
        } else if let Some(message) = limit::failed(bell, failure, view.tally, view.now) {
            self.stop(bell, Alarm::RateLimit, &message);
        }
    }

    fn ended(&mut self, bell: &mut Bell<'_>, failure: Option<&Failure>, tally: &Tally) {
        self.begun = None;
        bell.clear(word(Alarm::Hung));
        repeat::forget(bell, &self.calls, tally);
        self.calls = Calls::new(&self.settings.detect);
        if let Some(failure) = failure.filter(|failure| failure.class == FaultClass::Auth) {
            self.stop(bell, Alarm::AuthFailure, &failure.evidence);
        }
        for (alarm, rate) in rates::over(&self.settings.detect, tally) {
            match rate {
                Some(message) => self.ring(bell, alarm, None, Severity::Warning, &message),
                None => bell.clear(word(alarm)),
            }
        }
    }

    fn tree(&mut self, bell: &mut Bell<'_>, settled: &TreeSettled, tally: &Tally) {
        let chain = u64::from(self.settings.detect.orphan_chain);
        let orphans = tally.streak.orphans;
        if chain > 0 && orphans >= chain {
            let message = match &settled.commit {
                Some(commit) => {
                    format!(
                        "{orphans} rounds in a row left a dirty tree; the last one is in the stash {commit}"
                    )
                }
                None => format!("{orphans} rounds in a row left a dirty tree"),
            };
            self.ring(bell, Alarm::OrphanChain, None, Severity::Warning, &message);
        } else if matches!(settled.action, TreeAction::Clean | TreeAction::Committed) {
            bell.clear(word(Alarm::OrphanChain));
        }
    }

    /// A round that is older than its wall by half, though its own deadline should have ended it.
    fn hung(&mut self, bell: &mut Bell<'_>, view: &View<'_>) {
        let Some(open) = &view.tally.open else { return };
        let begun = *self.begun.get_or_insert(view.instant);
        let waits = view.tally.wait.as_ref().is_some_and(|(_, until)| *until > view.now);
        let waited = Duration::from_millis(open.turn.waited_ms);
        let age = view.instant.saturating_duration_since(begun).saturating_sub(waited);
        let limit = self.wall.as_secs_f64() * self.settings.detect.hung_factor;
        if age.as_secs_f64() > limit && !waits {
            let message = format!(
                "round {} has run for {} s and has not ended; its wall is {} s",
                open.round,
                age.as_secs(),
                self.wall.as_secs(),
            );
            self.ring(bell, Alarm::Hung, None, Severity::Warning, &message);
        } else {
            bell.clear(word(Alarm::Hung));
        }
    }

    /// Something is the case: it is raised where it is not open yet, and ends the run where the profile wants that.
    fn ring(
        &mut self,
        bell: &mut Bell<'_>,
        alarm: Alarm,
        identity: Option<&str>,
        severity: Severity,
        message: &str,
    ) {
        let name =
            identity.map_or_else(|| word(alarm).to_owned(), |identity| format!("{}:{identity}", word(alarm)));
        bell.raise(name, severity, message.to_owned());
        self.stop(bell, alarm, message);
    }

    /// An alert that was open before is no reason to go on; each alarm ends a run once.
    fn stop(&mut self, bell: &mut Bell<'_>, alarm: Alarm, message: &str) {
        if !self.settings.auto_stop.contains(&alarm) || !self.stopped.insert(alarm) {
            return;
        }
        let outcome = match alarm {
            Alarm::AuthFailure | Alarm::DiskCritical => RunOutcome::Unavailable,
            _ => RunOutcome::GaveUp,
        };
        bell.act(Act::EndRun(outcome, format!("auto_stop {}: {message}", word(alarm))));
    }
}

/// The failure of a round that a detector has ended; the same round is not tried again for it.
fn ended_by(alarm: Alarm, evidence: String) -> Failure {
    Failure { rule: format!("provost.{}", word(alarm)), ..Failure::ours(FaultClass::SelfAbort, evidence) }
}
