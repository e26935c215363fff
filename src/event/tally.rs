//! The one fold of events into what is known: every total, every bar, every report, resume and `peek` read this.
//!
//! **Invariant: bounded.** A tally of ten million events is as large as one of a hundred; it can be stored as a
//! checkpoint beside the journal and taken up again from there.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    AttemptNumber, DefenseActed, Event, Failure, HostSampled, Kind, PhaseName, RoundNumber, RoundOutcome,
    RunEnded, RunStarted, Seq, SessionId, Spend, SteerEffect, TreeAction, TreeSettled, TurnNumber,
};

mod cells;
mod parts;
mod streak;
mod turn;

pub use cells::{ArmCells, Cells, GoneCell};
pub use parts::{
    CheckSummary, Conversation, Limited, OpenAlert, OpenRound, OpenSteer, OpenTool, RoundSummary,
};
pub use streak::Streak;
pub use turn::{Deed, Turn};

/// Rounds that are kept in detail; older ones are in the journal.
const KEPT_ROUNDS: usize = 32;
/// Tools in flight that are kept; an agent with more is listed without the rest.
const KEPT_TOOLS: usize = 64;
/// Open alerts that are kept.
const KEPT_ALERTS: usize = 64;
/// Messages for the agent that are kept until a round has heard them.
const KEPT_STEERS: usize = 32;
/// Phases whose conversations are kept.
const KEPT_PHASES: usize = 64;

/// Where a run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// No event yet.
    #[default]
    Empty,
    /// Between rounds: a decision is due.
    Deciding,
    /// A round is open.
    Round,
    /// A check runs.
    Checking,
    /// A wait runs.
    Waiting,
    /// Ended.
    Ended,
}

/// What is known of a run after some prefix of its journal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// The last event that was folded in.
    pub last_seq: Seq,
    /// When it happened.
    pub last_at: Option<Timestamp>,
    /// Where the run stands.
    pub phase: Phase,
    /// The first event.
    pub started: Option<RunStarted>,
    /// When it happened.
    pub started_at: Option<Timestamp>,
    /// How many times the run was taken up again.
    pub resumes: u64,
    /// Rounds that were started.
    pub rounds: RoundNumber,
    /// The round that is open.
    pub open: Option<OpenRound>,
    /// The last settled rounds, oldest first.
    pub settled: VecDeque<RoundSummary>,
    /// Rounds by outcome: answered, failed or timed out, stopped or interrupted.
    pub outcomes: Outcomes,
    /// All that was consumed.
    pub spend: Spend,
    /// Turns in all.
    pub turns: u64,
    /// Tool calls in all.
    pub tools: u64,
    /// Tool calls of the open round.
    pub round_tools: u64,
    /// Exit code of the agent process of the open round.
    pub round_exit: Option<i32>,
    /// The last check.
    pub check: Option<CheckSummary>,
    /// The round whose check has started and not ended.
    pub checking: Option<RoundNumber>,
    /// The wait that runs.
    pub wait: Option<(String, Timestamp)>,
    /// Names the failure of the last settled round, whichever way it failed.
    pub failure: Option<String>,
    /// How many rounds in a row failed in that same way.
    pub same_failures: u64,
    /// The session of the last settled round that had one.
    pub session: Option<SessionId>,
    /// The candidate whose session that is.
    #[serde(default)]
    pub session_candidate: u64,
    /// The candidate that took the last request.
    #[serde(default)]
    pub candidate: u64,
    /// The fallback that took the last request, by harness and model; `None` while that is the primary.
    #[serde(default)]
    pub goes_on_with: Option<String>,
    /// The model that really answered last.
    pub served_model: Option<String>,
    /// Alerts that are open.
    pub alerts: VecDeque<OpenAlert>,
    /// The end.
    pub ended: Option<RunEnded>,
    /// What rounds in a row have in common.
    #[serde(default)]
    pub streak: Streak,
    /// What became of the work tree of the last round that was looked at.
    #[serde(default)]
    pub tree: Option<TreeSettled>,
    /// The stash that the next prompts are told of, until a clean tree is seen.
    #[serde(default)]
    pub orphan: Option<TreeSettled>,
    /// The conversation of each phase.
    #[serde(default)]
    pub conversations: BTreeMap<PhaseName, Conversation>,
    /// The limit that each phase has run into, until a round of it ends well.
    #[serde(default)]
    pub limits: BTreeMap<PhaseName, Limited>,
    /// Messages for the agent that have not reached the end of a round yet.
    #[serde(default)]
    pub steers: VecDeque<OpenSteer>,
    /// How the host was when it was last looked at.
    #[serde(default)]
    pub host: Option<HostSampled>,
    /// The brake that was engaged and not released: by a run that has died, if none is at work.
    #[serde(default)]
    pub brake: Option<DefenseActed>,
    /// When the last round settled.
    #[serde(default)]
    pub settled_at: Option<Timestamp>,
    /// What kind of wait runs, where it is one between rounds.
    #[serde(default)]
    pub wait_cause: Option<super::WaitCause>,
    /// The wait that follows a round, once it was waited out.
    #[serde(default)]
    pub waited: Option<super::WaitCause>,
    /// The cells, in a run that has many.
    #[serde(default)]
    pub cells: Cells,
}

/// Rounds by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcomes {
    /// Ended with an answer.
    pub answered: u64,
    /// Failed, or were ended by a deadline.
    pub failed: u64,
    /// Stopped or interrupted.
    pub stopped: u64,
    /// Could not begin for a reason that is not theirs: such a round is not counted.
    #[serde(default)]
    pub environment: u64,
}

impl Tally {
    /// Folds one event in. Events that were folded already (by `seq`) change nothing.
    pub fn apply(&mut self, event: &Event) {
        if event.seq <= self.last_seq {
            return;
        }
        self.last_seq = event.seq;
        self.last_at = Some(event.at);
        if let Some(open) = &mut self.open {
            open.last_event_at = event.at;
        }
        self.cells.apply(event, &mut self.spend);
        if !self.cells.concerns(event) {
            return;
        }
        match &event.kind {
            Kind::RunStarted(started) => {
                self.started = Some(started.clone());
                self.started_at = Some(event.at);
                self.phase = Phase::Deciding;
            }
            Kind::RunResumed(_) => self.resume(),
            Kind::RunEnded(ended) => {
                self.phase = Phase::Ended;
                self.spend.wall_s = ended.spend.wall_s;
                self.ended = Some(ended.clone());
            }
            Kind::RoundStarted(started) => self.open_round(started, event),
            Kind::RoundEnded(ended) => self.settle(ended, event.at),
            Kind::CheckStarted(started) => {
                self.checking = Some(started.round);
                self.phase = Phase::Checking;
            }
            Kind::CheckEnded(ended) => self.checked(ended),
            Kind::WaitStarted(wait) => {
                self.wait = Some((wait.reason.clone(), wait.until));
                self.wait_cause = wait.cause;
                self.streak.waits(wait.cause, event.at);
                match &mut self.open {
                    // A wait inside an attempt is for a place; the budget of waits is for those between attempts.
                    Some(open) if !open.attempt_open => open.turn.wait_since = Some(event.at),
                    Some(_) => {}
                    None => self.phase = Phase::Waiting,
                }
            }
            Kind::WaitEnded(wait) => {
                self.wait = None;
                let cause = self.wait_cause.take();
                if let Some(cause) = cause.filter(|cause| wait.complete && cause.follows_a_round()) {
                    self.waited = Some(cause);
                }
                if let Some(open) = &mut self.open {
                    open.turn.waited(event.at);
                }
                if self.phase == Phase::Waiting {
                    self.phase = Phase::Deciding;
                }
            }
            Kind::UsageReported(reported) => {
                self.spend.add(&reported.usage);
                if let Some(open) = &mut self.open {
                    open.usage_reported = true;
                    open.consumed = true;
                }
            }
            Kind::AlertRaised(raised) => {
                self.alerts.retain(|open| open.alert != raised.alert);
                if self.alerts.len() == KEPT_ALERTS {
                    self.alerts.pop_front();
                }
                self.alerts.push_back(OpenAlert {
                    alert: raised.alert.clone(),
                    severity: raised.severity,
                    message: raised.message.clone(),
                    since: event.at,
                });
            }
            Kind::AlertCleared(cleared) => self.alerts.retain(|open| open.alert != cleared.alert),
            Kind::TreeSettled(settled) => self.tree_settled(settled),
            Kind::HostSampled(sampled) => self.host = Some(sampled.clone()),
            Kind::DefenseActed(acted) => match acted.action.as_str() {
                "brake_engaged" => self.brake = Some(acted.clone()),
                "brake_released" | "brake_failed" => self.brake = None,
                _ => {}
            },
            Kind::SteerRequested(steer) => {
                if self.steers.len() == KEPT_STEERS {
                    self.steers.pop_front();
                }
                self.steers.push_back(OpenSteer {
                    id: steer.id.clone(),
                    text: steer.text.clone(),
                    round: None,
                    live: None,
                });
            }
            Kind::SteerAcknowledged(answer) => self.steered(answer, event.seq),
            _ => self.within_round(event),
        }
    }

    /// Rounds that have settled.
    pub fn settled_rounds(&self) -> u64 {
        self.outcomes.answered + self.outcomes.failed + self.outcomes.stopped + self.outcomes.environment
    }

    /// The last settled round.
    pub fn last_round(&self) -> Option<&RoundSummary> {
        self.settled.back()
    }

    /// Work that has begun and whose end is not on record, in words.
    pub fn in_doubt(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        if let Some(open) = &self.open {
            for tool in &open.tools {
                doubts.push(
                    format!("round {}: tool `{}` {}", open.round, tool.name, tool.about)
                        .trim_end()
                        .to_owned(),
                );
            }
            if open.attempt_open {
                doubts.push(format!("round {}: attempt {}", open.round, open.attempt));
            }
        }
        if let Some(round) = self.checking {
            doubts.push(format!("check of round {round}"));
        }
        doubts
    }

    fn open_round(&mut self, started: &super::RoundStarted, event: &Event) {
        let round = started.round;
        if self.last_round().is_some_and(|last| last.phase != started.phase) {
            // Another phase, another chain.
            self.candidate = 0;
            self.goes_on_with = None;
        }
        self.phase = Phase::Round;
        self.rounds = self.rounds.max(round);
        self.round_tools = 0;
        self.round_exit = None;
        self.open = Some(OpenRound {
            round,
            started_at: event.at,
            seq: event.seq,
            attempt: AttemptNumber(0),
            attempt_seq: event.seq,
            attempt_open: false,
            pid: None,
            session: None,
            accepted: None,
            turns: TurnNumber(0),
            tools: Vec::new(),
            last_tool: None,
            last_words: String::new(),
            last_event_at: event.at,
            usage_reported: false,
            output_sha256: None,
            failure: None,
            turn: Turn::default(),
            phase: started.phase.clone(),
            fresh_eyes: started.fresh_eyes,
            consumed: false,
        });
    }

    fn within_round(&mut self, event: &Event) {
        let Some(open) = &mut self.open else { return };
        match &event.kind {
            Kind::AttemptStarted(started) => {
                let first = open.attempt == AttemptNumber(0);
                open.turn.started(started, event.seq, first, &open.last_words);
                open.attempt = started.attempt;
                open.attempt_seq = event.seq;
                open.attempt_open = true;
                open.usage_reported = false;
                open.tools.clear();
                open.session.clone_from(&started.session);
                open.accepted = None;
                open.turns = TurnNumber(0);
            }
            Kind::AttemptAccepted(accepted) => {
                if accepted.session.is_some() {
                    open.session.clone_from(&accepted.session);
                    open.accepted.clone_from(&accepted.session);
                }
                if accepted.model.is_some() {
                    self.served_model.clone_from(&accepted.model);
                }
            }
            Kind::FallbackSwitched(switched) => {
                open.turn.switched(switched);
                self.candidate = switched.candidate;
                self.goes_on_with = (switched.candidate > 0).then(|| switched.to.clone());
            }
            Kind::AttemptRetrying(retrying) => open.turn.retrying(retrying),
            Kind::AgentSpawned(spawned) => {
                open.pid = Some(spawned.pid);
                self.round_exit = None;
            }
            Kind::AgentExited(exited) => {
                open.pid = None;
                self.round_exit = exited.code;
            }
            Kind::TurnEnded(turn) => {
                open.turns = turn.turn;
                self.turns += 1;
                open.turn.answered |= turn.tool_calls > 0 || !turn.preview.is_empty();
                if !turn.preview.is_empty() {
                    open.last_words.clone_from(&turn.preview);
                }
                if let Some(usage) = &turn.usage {
                    self.spend.add(usage);
                    open.usage_reported = true;
                    open.consumed = true;
                }
            }
            Kind::ToolCalled(called) => {
                self.tools += 1;
                self.round_tools += 1;
                let tool = OpenTool {
                    id: called.id.clone(),
                    name: called.name.clone(),
                    about: called.about.clone(),
                    since: event.at,
                };
                open.turn.called(called);
                open.last_tool = Some(tool.clone());
                if open.tools.len() < KEPT_TOOLS {
                    open.tools.push(tool);
                }
            }
            Kind::ToolReturned(returned) => {
                open.turn.returned(&returned.id, returned.ok);
                open.tools.retain(|tool| tool.id != returned.id);
            }
            Kind::AttemptFailed(failed) => {
                open.turn.failed(failed);
                open.failure = Some(failed.failure.clone());
                // Who was refused before a word was said has not been served, and so has not been charged.
                open.usage_reported |= failed.failure.is_refusal() && open.turns == TurnNumber(0);
                close_attempt(open, &mut self.spend);
            }
            Kind::AttemptFinished(finished) => {
                open.output_sha256.clone_from(&finished.output_sha256);
                open.failure = None;
                close_attempt(open, &mut self.spend);
            }
            _ => {}
        }
    }

    fn tree_settled(&mut self, settled: &TreeSettled) {
        self.streak.tree(settled.action);
        match settled.action {
            TreeAction::Stashed | TreeAction::StashedBefore => self.orphan = Some(settled.clone()),
            TreeAction::Clean | TreeAction::Committed => self.orphan = None,
            _ => {}
        }
        self.tree = Some(settled.clone());
    }

    fn steered(&mut self, answer: &super::SteerAcknowledged, seq: Seq) {
        match answer.effect {
            // Until a round that has it has ended well it may have to be said again.
            SteerEffect::NextPrompt | SteerEffect::Live => {
                for steer in self.steers.iter_mut().filter(|steer| steer.id == answer.id) {
                    steer.round = answer.round;
                    steer.live = (answer.effect == SteerEffect::Live).then_some(seq);
                }
            }
            _ => self.steers.retain(|steer| steer.id != answer.id),
        }
    }

    fn limited(&mut self, phase: &PhaseName, ended: &super::RoundEnded, at: Timestamp) {
        match &ended.failure {
            None => drop(self.limits.remove(phase)),
            Some(failure) if failure.class.is_of_provider() => {
                let in_a_row = self.limits.get(phase).map_or(0, |before| before.in_a_row) + 1;
                if in_a_row > 1 || self.limits.len() < KEPT_PHASES {
                    let limited = Limited { failure: failure.clone(), round: ended.round, at, in_a_row };
                    self.limits.insert(phase.clone(), limited);
                }
            }
            Some(_) => {}
        }
    }

    fn settle(&mut self, ended: &super::RoundEnded, at: Timestamp) {
        self.phase = Phase::Deciding;
        let Some(open) = self.open.take() else { return };
        self.settled_at = Some(at);
        self.waited = None;
        if let Some(phase) = &open.phase {
            self.limited(phase, ended, at);
        }
        self.streak.settled(ended, &open);
        if ended.outcome == RoundOutcome::Answered {
            self.steers.retain(|steer| steer.round.is_none());
        }
        match ended.outcome {
            _ if ended.failure.as_ref().is_some_and(Failure::is_environmental) => {
                self.outcomes.environment += 1;
            }
            RoundOutcome::Answered => self.outcomes.answered += 1,
            RoundOutcome::Failed | RoundOutcome::TimedOut => self.outcomes.failed += 1,
            RoundOutcome::Stopped | RoundOutcome::Interrupted => self.outcomes.stopped += 1,
        }
        match &ended.failure {
            Some(failure) => {
                self.count_failure(Some(format!("{}: {}", failure.class, blur(&failure.evidence))));
            }
            // An answer is no failure yet; its check may say otherwise.
            None if self.started.as_ref().is_some_and(|started| started.checked) => {}
            None => self.count_failure(None),
        }
        if self.settled.len() == KEPT_ROUNDS {
            self.settled.pop_front();
        }
        // Not before: a second attempt of a round goes on from where the round began, not from the first one's failure.
        if open.accepted.is_some() {
            self.session.clone_from(&open.accepted);
            self.session_candidate = open.turn.candidate;
        }
        if let (Some(phase), Some(session)) = (&open.phase, &open.accepted)
            && (self.conversations.contains_key(phase) || self.conversations.len() < KEPT_PHASES)
        {
            let conversation = Conversation { session: session.clone(), candidate: open.turn.candidate };
            self.conversations.insert(phase.clone(), conversation);
        }
        self.settled.push_back(RoundSummary {
            round: ended.round,
            started_at: open.started_at,
            outcome: ended.outcome,
            duration_ms: ended.duration_ms,
            exit_code: self.round_exit,
            turns: open.turns,
            tools: self.round_tools,
            session: open.session,
            output_sha256: ended.output_sha256.clone(),
            failure: ended.failure.clone(),
            check: None,
            phase: open.phase,
        });
    }

    fn checked(&mut self, ended: &super::CheckEnded) {
        self.phase = Phase::Deciding;
        self.checking = None;
        let summary = CheckSummary {
            round: ended.round,
            delivered: ended.delivered,
            score: ended.score,
            exit_code: ended.exit_code,
            evidence: ended.evidence.clone(),
            failure_sha256: ended.failure_sha256.clone(),
        };
        let answered = match self.settled.back_mut().filter(|round| round.round == ended.round) {
            Some(round) => {
                round.check = Some(summary.clone());
                round.failure.is_none()
            }
            None => true,
        };
        if ended.delivered {
            self.count_failure(None);
        } else if answered {
            // A round that failed by itself was counted when it settled.
            let name =
                ended.failure_sha256.as_ref().map_or_else(|| blur(&ended.evidence), ToString::to_string);
            self.count_failure(Some(format!("check: {name}")));
        }
        self.check = Some(summary);
    }

    fn count_failure(&mut self, failure: Option<String>) {
        self.same_failures = match &failure {
            None => 0,
            Some(_) if failure == self.failure => self.same_failures + 1,
            Some(_) => 1,
        };
        self.failure = failure;
    }

    /// What was open when provost was killed stays open, but nothing of it runs any more.
    fn resume(&mut self) {
        self.resumes += 1;
        self.ended = None;
        self.wait = None;
        self.wait_cause = None;
        if let Some(open) = &mut self.open {
            // What was left of it is waited for anew.
            open.turn.wait_since = None;
        }
        self.checking = None;
        self.phase = if self.open.is_some() { Phase::Round } else { Phase::Deciding };
        if let Some(open) = &mut self.open {
            // A killed agent process has consumed what nobody will ever report.
            if open.pid.take().is_some() && open.attempt_open && !open.usage_reported {
                self.spend.usd_known = false;
                self.spend.tokens_known = false;
            }
        }
    }
}

/// An attempt that ran an agent without a word on usage makes the totals unknown, not zero.
fn close_attempt(open: &mut OpenRound, spend: &mut Spend) {
    open.attempt_open = false;
    open.tools.clear();
    if !open.usage_reported {
        spend.usd_known = false;
        spend.tokens_known = false;
    }
}

/// Makes equal failures equal that differ only in counts, times and addresses.
pub fn blur(text: &str) -> String {
    let mut blurred = String::with_capacity(text.len());
    for c in text.chars() {
        if !c.is_ascii_digit() {
            blurred.push(c);
        } else if !blurred.ends_with('#') {
            blurred.push('#');
        }
    }
    blurred
}
