//! One attempt: the select loop over the harness, the deadlines, the requests to end, and the leave to ask.

use std::time::Instant;

use tokio::sync::{mpsc, watch};

use crate::backend::account::Pass;
use crate::backend::{Answer, Link, Message, Replayed, Report, Request, SessionPlan, Stop, Word};
use crate::event::{
    AgentSpawned, AttemptNumber, Deadline, Failure, FallbackSwitched, FaultClass, Live, Opening, PromptPart,
    PromptSent, Provenance, RoundNumber, Stored, ToolReturned, TurnEnded,
};
use crate::fault;

use super::clock::Clock;
use super::deadline::Deadlines;
use super::driver::Act;
use super::gate::Seen;
use super::leave::Asking;
use super::run::{EngineError, Run};
use super::signal::Asked;

/// One attempt, as it was decided on.
#[derive(Clone, Debug)]
pub(super) struct Try {
    pub(super) round: RoundNumber,
    pub(super) attempt: AttemptNumber,
    /// Its place in the chain.
    pub(super) candidate: usize,
    pub(super) opening: Opening,
}

/// What is said in an attempt.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) session: SessionPlan,
    /// The prompt.
    pub(super) user: String,
    /// On whose behalf it is sent.
    pub(super) origin: Provenance,
}

/// How an attempt came out.
pub(super) struct Attempted {
    /// The answer, or the primary failure.
    pub(super) result: Result<Answer, Failure>,
    /// What the agent had said when it failed.
    pub(super) partial: String,
}

/// The rule of a failure of ours: the driver ends the whole run.
const END_RUN: &str = "provost.end_run";

/// What can happen next. Named first and acted on after, so that nothing is decided inside the select.
enum Incoming {
    Report(Message),
    Ended(Result<Answer, Failure>),
    Asked(Asked),
    Due(Deadline),
    Leave,
    Look,
    Steered,
}

/// What the loop keeps while an attempt runs.
pub(super) struct Watch {
    pub(super) candidate: usize,
    pub(super) deadlines: Deadlines,
    /// Waits for leave to ask.
    pub(super) asking: Option<Asking>,
    /// The right to have a request in flight, from the leave to the end of its answer.
    pub(super) pass: Option<Pass>,
    /// Whether the request that is out has been taken by the other side.
    pub(super) taken: bool,
    /// Why we end it, if we do; the first reason stays.
    ending: Option<Failure>,
    stop: watch::Sender<Option<Stop>>,
    /// What people say to the agent meanwhile, where it can be told.
    pub(super) people: Option<watch::Sender<Vec<Word>>>,
    words: String,
    transcript: String,
    origin: Provenance,
    /// Why this candidate is asked and not the one that took the last request.
    why: String,
    /// What the agent's own retry loop met last.
    met: Option<Failure>,
}

impl Watch {
    pub(super) fn end(&mut self, failure: Option<Failure>, how: Stop) {
        if self.ending.is_none() {
            self.ending = failure;
        }
        // Who still waits for leave will not get it.
        self.asking = None;
        self.stop.send_if_modified(|stop| {
            let harder = Some(how) > *stop;
            if harder {
                *stop = Some(how);
            }
            harder
        });
    }

    pub(super) fn stopping(&self) -> bool {
        *self.stop.borrow() > Some(Stop::WhenIdle)
    }
}

impl Run {
    /// Runs the harness once.
    pub(super) async fn attempt(
        &mut self,
        this: &Try,
        said: Said,
        round_started: Instant,
    ) -> Result<Attempted, EngineError> {
        let clock = self.emitter.clock();
        let (mut link, mut ear, stop) = Link::new();
        let mut people = None;
        if self.cast.candidates[this.candidate].harness.steers() {
            let (say, words) = watch::channel(self.untold());
            (link, people) = (link.with_words(words), Some(say));
        }
        let transcript = format!("rounds/{}-{}.log", self.plan.node(), this.round);
        let request = Request {
            node: self.plan.node(),
            round: this.round,
            attempt: this.attempt,
            system: self.cast.system.clone(),
            user: said.user,
            images: if said.origin == Provenance::Internal { Vec::new() } else { self.cast.images.clone() },
            session: said.session,
            workspace: self.plan.workspace.clone(),
            transcript: self.plan.directory.join(&transcript),
            directory: self.plan.directory.clone(),
            terse: self.plan.cell.is_some(),
            takes_cut: self.plan.takes_cut,
            replay: self.replayed(this),
        };
        let retry = &self.cast.profile.retry;
        let mut watch = Watch {
            candidate: this.candidate,
            deadlines: Deadlines::new(
                &self.cast.profile.round,
                round_started + self.paused,
                clock.now(),
                self.wall,
                retry.wait.0,
            ),
            asking: None,
            pass: None,
            taken: false,
            ending: None,
            stop,
            people,
            words: String::new(),
            transcript,
            origin: said.origin,
            why: self.why_another(),
            met: None,
        };
        let mut work = self.cast.candidates[this.candidate].harness.attempt(request, link);
        let (mut shutdown, listener) = (self.shutdown.clone(), self.shutdown.clone());
        let mut asked = 0;
        let mut broken = None;
        let result = loop {
            let (deadline, at) = watch.deadlines.next();
            if broken.is_none() {
                broken = self.emitter.live(&Live::NextDeadline(Some((deadline, at)))).err();
            }
            let leave = watch.asking.as_ref().map(Asking::again);
            let look = self.driver.wants_to_look();
            let incoming = tokio::select! {
                biased;
                Some(message) = ear.recv() => Incoming::Report(message),
                result = &mut work => Incoming::Ended(result),
                asked = shutdown.news(asked) => Incoming::Asked(asked),
                () = super::clock::until(leave), if leave.is_some() => Incoming::Leave,
                () = Asking::changed(watch.asking.as_ref()), if leave.is_some() => Incoming::Leave,
                () = tokio::time::sleep_until(at.into()), if !watch.stopping() => Incoming::Due(deadline),
                () = super::clock::until(look), if look.is_some() => Incoming::Look,
                () = listener.steered() => Incoming::Steered,
            };
            let acted = match incoming {
                Incoming::Report(message) => self.heard(&mut watch, message, clock),
                Incoming::Ended(result) => {
                    self.hear_out(&mut watch, &mut ear, clock, &mut broken);
                    break result;
                }
                Incoming::Asked(how) => {
                    asked = how.times;
                    let failure = Failure::ours(FaultClass::UserAbort, how.by.to_string());
                    let answered = self.acknowledge().map(|()| self.offer(&watch));
                    let level = how.times.saturating_sub(self.patience());
                    if level == 0 {
                        answered.and_then(|()| self.emitter.live(&Live::Draining(how.by.to_string())))
                    } else {
                        let held = self.take_back_leave(&mut watch);
                        watch.end(Some(failure), if level > 1 { Stop::Now } else { Stop::Gracefully });
                        answered.and(held).and_then(|()| self.emitter.live(&Live::Ending(how.by.to_string())))
                    }
                }
                Incoming::Leave => self.seek_leave(&mut watch),
                Incoming::Due(deadline) => self.due(&mut watch, deadline),
                Incoming::Steered => self.acknowledge().map(|()| self.offer(&watch)),
                Incoming::Look => self.look().and_then(|acts| self.enact(&mut watch, acts)),
            };
            let acted = acted.and_then(|()| self.consult()).and_then(|acts| self.enact(&mut watch, acts));
            if let Err(error) = acted {
                // What cannot be recorded must not go on.
                watch.end(None, Stop::Now);
                broken.get_or_insert(error);
            }
        };
        if let Some(error) = broken {
            return Err(EngineError::Record(error));
        }
        let result = match (result, watch.ending.take()) {
            // The terminal event was complete before the end was ordered: it stands.
            (Ok(answer), _) => Ok(answer),
            (Err(failure), Some(ours)) => Err(Failure {
                emitted_output: ours.emitted_output || failure.emitted_output,
                maybe_accepted: ours.maybe_accepted || failure.maybe_accepted,
                cleanup: failure.cleanup,
                ..ours
            }),
            (Err(failure), None) => Err(self.with_reset(failure)),
        };
        if result.is_ok() {
            // Some begin with the whole answer.
            self.switched(&watch)?;
        }
        self.tell_account(this.candidate, &result);
        self.leave_the_gate(this.candidate, result.as_ref().err());
        Ok(Attempted { result, partial: watch.words })
    }

    /// Ends the attempt, where the driver wants it.
    fn enact(&mut self, watch: &mut Watch, acts: Vec<Act>) -> std::io::Result<()> {
        for act in acts {
            let failure = match act {
                Act::EndRound(failure) => failure,
                Act::EndRun(_, why) => {
                    Failure { rule: END_RUN.to_owned(), ..Failure::ours(FaultClass::SelfAbort, why) }
                }
                Act::EndWait { .. } | Act::Tell(_) => continue,
            };
            let why = failure.evidence.clone();
            self.take_back_leave(watch)?;
            watch.end(Some(failure), Stop::Gracefully);
            self.emitter.live(&Live::Ending(why))?;
        }
        Ok(())
    }

    /// Hears what was said before the attempt ended.
    fn hear_out(
        &mut self,
        watch: &mut Watch,
        ear: &mut mpsc::Receiver<Message>,
        clock: Clock,
        broken: &mut Option<std::io::Error>,
    ) {
        while let Ok(message) = ear.try_recv() {
            if let Err(error) = self.heard(watch, message, clock) {
                broken.get_or_insert(error);
            }
        }
    }

    /// Fills in when a used-up quota resets, where that is only said in words: on the agent's clock, and as of now.
    fn with_reset(&self, mut failure: Failure) -> Failure {
        if failure.class == FaultClass::QuotaExhausted && failure.reset_at.is_none() {
            let zone = self.cast.profile.agent.env.get("TZ").map(String::as_str);
            failure.reset_at = fault::reset_said(&failure.evidence, &self.emitter.clock().local(zone));
        }
        failure
    }

    fn due(&mut self, watch: &mut Watch, deadline: Deadline) -> std::io::Result<()> {
        if deadline == Deadline::GraceAfterResult {
            // A build that the agent left running is work; a process that merely hangs on is not.
            watch.deadlines.lingers();
            watch.end(None, Stop::WhenIdle);
            return self.emitter.live(&Live::Ending("the agent lingers after its result".to_owned()));
        }
        self.take_back_leave(watch)?;
        if deadline == Deadline::OwnRetries {
            return self.lose_patience(watch);
        }
        let failure = Deadlines::class(deadline).map(|class| {
            let setting = match deadline {
                Deadline::Timeout => self.cast.profile.round.timeout.0,
                Deadline::FirstEvent => self.cast.profile.round.first_event.0,
                Deadline::Stall => self.cast.profile.round.stall.0,
                Deadline::Tool => self.cast.profile.round.tool.0,
                Deadline::GraceAfterResult => self.cast.profile.round.grace_after_result.0,
                Deadline::OwnRetries => self.cast.profile.retry.wait.0,
                Deadline::Wall => self.cast.profile.budget.wall.map_or_else(Default::default, |wall| wall.0),
            };
            let mut failure = Failure::ours(class, format!("`{}` of {setting:?} has passed", deadline.key()));
            failure.emitted_output = !watch.words.is_empty();
            failure
        });
        watch.end(failure, Stop::Gracefully);
        self.emitter.live(&Live::Ending(format!("`{}` has passed", deadline.key())))
    }

    /// Turns a report into events.
    fn heard(&mut self, watch: &mut Watch, message: Message, clock: Clock) -> std::io::Result<()> {
        let now = clock.now();
        match message.report {
            Report::Leave => return self.ask_leave(watch, message.recorded),
            Report::Steered(word) => self.steered(word)?,
            Report::Prompt { target, part, text } => {
                let origin = match part {
                    PromptPart::User => watch.origin,
                    _ => Provenance::User,
                };
                let bytes = text.len() as u64;
                let (sha256, redacted) = self.emitter.store_counted(Stored::Prompt, text.as_bytes())?;
                self.emitter.emit(PromptSent { sha256, bytes, target, part, origin, redacted })?;
            }
            Report::Spawned { pid, program } => {
                let transcript = watch.transcript.clone();
                self.emitter.emit(AgentSpawned { pid, program, transcript })?;
            }
            Report::Accepted(accepted) => {
                watch.deadlines.alive(now);
                self.turnstile.accepted(now);
                // An agent that is there has the prompt; whether its model takes it is seen when that begins.
                self.emitter.emit(accepted)?;
            }
            Report::Begun => self.begun(watch, now)?,
            Report::Text(text) => {
                self.begun(watch, now)?;
                self.emitter.live(&Live::Text(text))?;
            }
            Report::Turn { turn, message, text, tool_calls, usage } => {
                self.begun(watch, now)?;
                watch.pass = None;
                let message_sha256 = match message {
                    Some(bytes) => {
                        let sha256 = self.emitter.store(Stored::Blob, &bytes)?;
                        self.steps.push(Replayed::Turn(bytes));
                        Some(sha256)
                    }
                    None => None,
                };
                let (usage, source) = usage.unzip();
                let preview = text.trim().chars().take(280).collect();
                if !text.trim().is_empty() {
                    watch.words = text;
                }
                self.turnstile.sees(Seen::Finished { calls: tool_calls });
                self.emitter.emit(TurnEnded { turn, message_sha256, preview, tool_calls, usage, source })?;
                self.within_budget(watch);
            }
            Report::ToolCalled(called) => {
                self.begun(watch, now)?;
                watch.deadlines.tool_called(called.id.clone(), now);
                self.turnstile.sees(Seen::ToolCalled);
                self.steps.push(Replayed::InDoubt(called.id.clone()));
                self.emitter.emit(called)?;
            }
            Report::ToolReturned { id, ok, bytes, result } => {
                watch.deadlines.begun(now);
                watch.deadlines.tool_returned(&id);
                self.turnstile.sees(Seen::ToolReturned);
                let result_sha256 = match result {
                    Some(result) => {
                        let sha256 = self.emitter.store(Stored::Blob, &result)?;
                        Replayed::returned(&mut self.steps, id.clone(), ok, result);
                        Some(sha256)
                    }
                    None => None,
                };
                self.emitter.emit(ToolReturned { id, ok, bytes, result_sha256 })?;
            }
            Report::Usage(reported) => {
                self.emitter.emit(reported)?;
                self.within_budget(watch);
            }
            Report::Retrying(retrying) => {
                // It was answered, if only with a refusal.
                watch.deadlines.retrying(now);
                watch.met = Some(self.met(watch.candidate, &retrying));
                self.emitter.emit(retrying)?;
                if self.waited() > self.cast.profile.retry.wait.0 {
                    self.lose_patience(watch)?;
                }
            }
            Report::Transcript(bytes) => {
                watch.deadlines.alive(now);
                self.emitter.live(&Live::Transcript(bytes))?;
            }
            Report::ResultSeen => watch.deadlines.result_seen(now),
            Report::Exited(exited) => self.emitter.emit(exited)?,
            Report::Alert(alert) => self.emitter.emit(alert)?,
        }
        if let Some(recorded) = message.recorded {
            // A prompt must be on disk before it is sent, and a paid answer before it is used.
            self.emitter.sync()?;
            let _ = recorded.send(());
        }
        Ok(())
    }

    /// The other side has begun to answer.
    fn begun(&mut self, watch: &mut Watch, now: Instant) -> std::io::Result<()> {
        watch.deadlines.begun(now);
        self.turnstile.sees(Seen::Began);
        if !std::mem::replace(&mut watch.taken, true)
            && let Some(party) = &self.cast.candidates[watch.candidate].party
        {
            self.accounts.taken(party, self.emitter.clock().stamp());
        }
        self.switched(watch)
    }

    /// Says that another candidate goes on, once that one has taken the request, and not before.
    fn switched(&mut self, watch: &Watch) -> std::io::Result<()> {
        self.turnstile.accepted(self.emitter.clock().now());
        let candidate = watch.candidate as u64;
        let before = self.emitter.tally().candidate;
        if candidate == before {
            return Ok(());
        }
        let name = |place: u64| {
            let place = usize::try_from(place).ok().and_then(|place| self.cast.candidates.get(place));
            place.map_or_else(String::new, |candidate| candidate.name.clone())
        };
        let (from, to, why) = (name(before), name(candidate), watch.why.clone());
        self.emitter.emit(FallbackSwitched { from, to, why, candidate })
    }

    /// Ends an agent that has tried by itself for as long as a person would have it try.
    fn lose_patience(&mut self, watch: &mut Watch) -> std::io::Result<()> {
        let patience = self.cast.profile.retry.wait.0;
        let met = watch.met.take();
        watch.end(met, Stop::Gracefully);
        self.emitter
            .live(&Live::Ending(format!("its own retries have taken the {patience:?} of `retry.wait`")))
    }

    /// Ends the attempt as soon as a ceiling is known to be reached.
    fn within_budget(&mut self, watch: &mut Watch) {
        let spend = self.emitter.tally().spend;
        let over = match (self.budget.tokens, self.budget.usd) {
            (Some(tokens), _) if spend.charged_tokens() > tokens => {
                format!("`budget.tokens` is {tokens}, and {} are used", spend.charged_tokens())
            }
            (_, Some(usd)) if spend.usd > usd => {
                format!("`budget.usd` is {usd}, and ${:.4} are spent", spend.usd)
            }
            _ => return,
        };
        watch.end(Some(Failure::ours(FaultClass::BudgetLimit, over)), Stop::Gracefully);
    }
}
