//! One attempt: the select loop over the harness, the deadlines and the requests to end.

use std::time::Instant;

use tokio::sync::watch;

use crate::backend::{Answer, Link, Message, Report, Request, SessionPlan, Stop};
use crate::event::{
    AgentSpawned, AttemptNumber, Deadline, Failure, FaultClass, Live, PromptSent, Provenance, RoundNumber,
    Stored, ToolReturned, TurnEnded,
};
use crate::fault;

use super::clock::Clock;
use super::deadline::Deadlines;
use super::run::{EngineError, Run};
use super::signal::Asked;

/// How an attempt came out.
pub(crate) struct Attempted {
    /// The answer, or the primary failure.
    pub(crate) result: Result<Answer, Failure>,
    /// What the agent had said when it failed.
    pub(crate) partial: String,
}

/// What can happen next. Named first and acted on after, so that nothing is decided inside the select.
enum Incoming {
    Report(Message),
    Ended(Result<Answer, Failure>),
    Asked(Asked),
    Due(Deadline),
}

/// What the loop keeps while an attempt runs.
struct Watch {
    deadlines: Deadlines,
    /// Why we end it, if we do; the first reason stays.
    ending: Option<Failure>,
    stop: watch::Sender<Option<Stop>>,
    words: String,
    transcript: String,
}

impl Watch {
    fn end(&mut self, failure: Option<Failure>, how: Stop) {
        if self.ending.is_none() {
            self.ending = failure;
        }
        self.stop.send_if_modified(|stop| {
            let harder = Some(how) > *stop;
            if harder {
                *stop = Some(how);
            }
            harder
        });
    }

    fn stopping(&self) -> bool {
        *self.stop.borrow() > Some(Stop::WhenIdle)
    }
}

impl Run {
    /// Runs the harness once.
    pub(crate) async fn attempt(
        &mut self,
        round: RoundNumber,
        attempt: AttemptNumber,
        session: SessionPlan,
        user: String,
        round_started: Instant,
    ) -> Result<Attempted, EngineError> {
        let clock = self.emitter.clock();
        let (link, mut ear, stop) = Link::new();
        let transcript = format!("rounds/root-{round}.log");
        let request = Request {
            node: crate::event::NodeId::root(),
            round,
            attempt,
            system: self.plan.system.clone(),
            user,
            images: self.plan.images.clone(),
            session,
            workspace: self.plan.workspace.clone(),
            transcript: self.plan.directory.join(&transcript),
            directory: self.plan.directory.clone(),
            replay: std::mem::take(&mut self.replay),
        };
        let mut watch = Watch {
            deadlines: Deadlines::new(&self.plan.profile.round, round_started, clock.now(), self.wall),
            ending: None,
            stop,
            words: String::new(),
            transcript,
        };
        let mut work = self.harness.attempt(request, link);
        let mut shutdown = self.shutdown.clone();
        let mut asked = 0;
        let mut broken = None;
        let result = loop {
            let (deadline, at) = watch.deadlines.next();
            if broken.is_none() {
                broken = self.emitter.live(&Live::NextDeadline(Some((deadline, at)))).err();
            }
            let incoming = tokio::select! {
                biased;
                Some(message) = ear.recv() => Incoming::Report(message),
                result = &mut work => Incoming::Ended(result),
                asked = shutdown.asked_more_than(asked) => Incoming::Asked(asked),
                () = tokio::time::sleep_until(at.into()), if !watch.stopping() => Incoming::Due(deadline),
            };
            let acted = match incoming {
                Incoming::Report(message) => self.heard(&mut watch, message, clock),
                Incoming::Ended(result) => {
                    while let Ok(message) = ear.try_recv() {
                        if let Err(error) = self.heard(&mut watch, message, clock) {
                            broken.get_or_insert(error);
                        }
                    }
                    break result;
                }
                Incoming::Asked(how) => {
                    asked = how.times;
                    let failure =
                        Failure::ours(FaultClass::UserAbort, format!("interrupted by signal {}", how.signal));
                    watch.end(Some(failure), if how.times > 1 { Stop::Now } else { Stop::Gracefully });
                    self.emitter.live(&Live::Ending("interrupted".to_owned()))
                }
                Incoming::Due(deadline) => self.due(&mut watch, deadline),
            };
            if let Err(error) = acted {
                // What cannot be recorded must not go on.
                watch.end(None, Stop::Now);
                broken.get_or_insert(error);
            }
        };
        if let Some(error) = broken {
            return Err(EngineError::Record(error));
        }
        let result = match (result, watch.ending) {
            // The terminal event was complete before the end was ordered: it stands.
            (Ok(answer), _) => Ok(answer),
            (Err(failure), Some(ours)) => Err(Failure {
                emitted_output: ours.emitted_output || failure.emitted_output,
                cleanup: failure.cleanup,
                ..ours
            }),
            (Err(failure), None) => Err(self.with_reset(failure)),
        };
        Ok(Attempted { result, partial: watch.words })
    }

    /// Fills in when a used-up quota resets, where that is only said in words: on the agent's clock, and as of now.
    fn with_reset(&self, mut failure: Failure) -> Failure {
        if failure.class == FaultClass::QuotaExhausted && failure.reset_at.is_none() {
            let zone = self.plan.profile.agent.env.get("TZ").map(String::as_str);
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
        let failure = Deadlines::class(deadline).map(|class| {
            let setting = match deadline {
                Deadline::Timeout => self.plan.profile.round.timeout.0,
                Deadline::FirstEvent => self.plan.profile.round.first_event.0,
                Deadline::Stall => self.plan.profile.round.stall.0,
                Deadline::Tool => self.plan.profile.round.tool.0,
                Deadline::GraceAfterResult => self.plan.profile.round.grace_after_result.0,
                Deadline::Wall => self.plan.profile.budget.wall.map_or_else(Default::default, |wall| wall.0),
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
            Report::Prompt { target, part, text } => {
                let bytes = text.len() as u64;
                let (sha256, redacted) = self.emitter.store_counted(Stored::Prompt, text.as_bytes())?;
                self.emitter.emit(PromptSent {
                    sha256,
                    bytes,
                    target,
                    part,
                    origin: Provenance::User,
                    redacted,
                })?;
            }
            Report::Spawned { pid, program } => {
                let transcript = watch.transcript.clone();
                self.emitter.emit(AgentSpawned { pid, program, transcript })?;
            }
            Report::Accepted(accepted) => {
                watch.deadlines.alive(now);
                self.emitter.emit(accepted)?;
            }
            Report::Begun => watch.deadlines.begun(now),
            Report::Text(text) => {
                watch.deadlines.begun(now);
                self.emitter.live(&Live::Text(text))?;
            }
            Report::Turn { turn, message, text, tool_calls, usage } => {
                watch.deadlines.begun(now);
                let message_sha256 = match message {
                    Some(bytes) => Some(self.emitter.store(Stored::Blob, &bytes)?),
                    None => None,
                };
                let (usage, source) = usage.unzip();
                let preview = text.trim().chars().take(280).collect();
                if !text.trim().is_empty() {
                    watch.words = text;
                }
                self.emitter.emit(TurnEnded { turn, message_sha256, preview, tool_calls, usage, source })?;
                self.within_budget(watch);
            }
            Report::ToolCalled(called) => {
                watch.deadlines.begun(now);
                watch.deadlines.tool_called(called.id.clone(), now);
                self.emitter.emit(called)?;
            }
            Report::ToolReturned { id, ok, bytes, result } => {
                watch.deadlines.begun(now);
                watch.deadlines.tool_returned(&id);
                let result_sha256 = match result {
                    Some(result) => Some(self.emitter.store(Stored::Blob, &result)?),
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
                watch.deadlines.begun(now);
                self.emitter.emit(retrying)?;
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
