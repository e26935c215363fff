//! What is said in an attempt, and to which conversation: the turn of the user, once, and what must be known beside it.

use crate::backend::SessionPlan;
use crate::event::{
    Deed, Live, Opening, PromptPart, PromptSent, Provenance, RoundNumber, Seq, SessionId, Stored,
};
use crate::profile::{Context, Fork, SessionPolicy};

use super::attempt::{Said, Try};
use super::prompt;
use super::retell::{self, Done, Facts, Launch, Story};
use super::run::{EngineError, Run};

impl Run {
    /// How the conversation of the next attempt begins, when another one has come before it in this turn.
    pub(super) fn opening(&self, from: usize, to: usize, overflowed: bool) -> Opening {
        let Some(open) = &self.emitter.tally().open else { return Opening::Fresh };
        let (left, next) = (&self.cast.candidates[from], &self.cast.candidates[to]);
        let same_harness = left.profile.agent.harness == next.profile.agent.harness;
        retell::opening(&Facts {
            did: open.turn.has_begun(),
            tool_in_flight: open.turn.deeds.iter().any(|deed| deed.ok.is_none()),
            same_harness,
            same_place: left.profile.agent.endpoint == next.profile.agent.endpoint,
            replays: next.harness.replays(),
            // Another endpoint may know nothing of the ids and the signed thoughts in them.
            portable: false,
            continues: next.harness.resumes(),
            session_known: open.accepted.is_some(),
            overflowed,
        })
    }

    /// What is said in an attempt. `taken_up`: it was open when provost was killed, and goes on.
    pub(super) async fn say(&mut self, this: &Try, taken_up: bool) -> Result<Said, EngineError> {
        let open = self.emitter.tally().open.as_ref();
        // A conversation that goes on begins as it began, whatever was done in it since.
        let goes_on = taken_up || this.opening == Opening::Carried;
        let opening = match open {
            Some(open) if goes_on => open.turn.began,
            _ => this.opening,
        };
        let taken_up = open.and_then(|open| open.session.clone()).filter(|_| taken_up);
        let interrupted = self.reopened && this.attempt.0 > 1 && opening == Opening::Fresh && !goes_on;
        let turn = self.turn_of_the_user(this.round, interrupted, goes_on)?;
        let turn = retell::Turn::new(Provenance::User, turn, &self.cast.images);
        let launch = Launch { turn: Some(turn), system: self.cast.system.clone(), tools: Vec::new() };
        let done = match opening {
            Opening::Fresh | Opening::Carried => Done::default(),
            Opening::Resumed | Opening::Retold => self.done(opening == Opening::Retold, goes_on).await,
        };
        let telling = Story::new(launch).tell(opening, &done);
        let session = taken_up.map_or_else(|| self.session(this), SessionPlan::Fresh);
        Ok(Said { session, user: telling.text, origin: telling.origin })
    }

    /// What was done in this turn so far; where a conversation goes on, what was done before that.
    async fn done(&mut self, look: bool, goes_on: bool) -> Done {
        let diff_stat = match (&self.survey, look) {
            (Some(survey), true) => {
                let times = self.shutdown.times();
                let mut shutdown = self.shutdown.clone();
                tokio::select! {
                    finding = survey.check(String::new()) => finding.evidence,
                    // The attempt that it is for ends at once.
                    _ = shutdown.asked_more_than(times) => String::new(),
                }
            }
            _ => String::new(),
        };
        let Some(open) = &self.emitter.tally().open else { return Done { diff_stat, ..Done::default() } };
        let told =
            |deed: &Deed| retell::Deed { name: deed.name.clone(), about: deed.about.clone(), ok: deed.ok };
        let turn = &open.turn;
        let (tools, last_words) = if goes_on {
            (turn.told().map(told).collect(), turn.words_told.clone())
        } else {
            (turn.deeds.iter().map(told).collect(), open.last_words.clone())
        };
        Done { tools, last_words, diff_stat }
    }

    /// The conversation that an attempt adds to.
    fn session(&self, this: &Try) -> SessionPlan {
        let accepted = self.emitter.tally().open.as_ref().and_then(|open| open.accepted.clone());
        match (this.opening, accepted) {
            (Opening::Resumed, Some(session)) => SessionPlan::Continue(session),
            (Opening::Fresh, _) => self.lineage(this.candidate).unwrap_or_else(fresh),
            _ => fresh(),
        }
    }

    /// The conversation of earlier rounds, where the profile wants it to go on and this candidate can.
    pub(super) fn lineage(&self, candidate: usize) -> Option<SessionPlan> {
        let tally = self.emitter.tally();
        let lineage = &self.cast.profile.lineage;
        let open = tally.open.as_ref();
        if lineage.session != SessionPolicy::Continue || open.is_some_and(|open| open.fresh_eyes) {
            return None;
        }
        // Each phase has a conversation of its own.
        let (session, by) = match open.and_then(|open| open.phase.as_ref()) {
            Some(phase) => tally.conversations.get(phase).map(|held| (&held.session, held.candidate))?,
            None => (tally.session.as_ref()?, tally.session_candidate),
        };
        let before = usize::try_from(by).ok().and_then(|at| self.cast.candidates.get(at))?;
        let next = &self.cast.candidates[candidate];
        let place = |profile: &crate::profile::Profile| {
            (profile.agent.harness.clone(), profile.agent.endpoint.clone())
        };
        // A session is where it was made.
        if place(&before.profile) != place(&next.profile) {
            return None;
        }
        Some(if self.forks(candidate) {
            SessionPlan::Fork { parent: session.clone(), id: new_id() }
        } else {
            SessionPlan::Continue(session.clone())
        })
    }

    /// Whether a later round forks the conversation of the one before instead of adding to it.
    fn forks(&self, candidate: usize) -> bool {
        match self.cast.profile.lineage.fork {
            Fork::Off => false,
            Fork::Prefer => self.cast.candidates[candidate].harness.forks(),
            // Refused with the profile where the harness cannot.
            Fork::Require => true,
        }
    }

    /// `goes_on`: the conversation has steps on record already.
    fn turn_of_the_user(
        &mut self,
        round: RoundNumber,
        interrupted: bool,
        goes_on: bool,
    ) -> Result<String, EngineError> {
        let task = self.cast.task.as_deref().unwrap_or(&self.plan.task);
        let text = prompt::assemble(&self.cast.files, task);
        let tally = self.emitter.tally();
        let steps_from = tally.open.as_ref().map_or(Seq(0), |open| open.turn.steps_from);
        // What a round has failed to answer is said again. What the agent was told in between is one of the steps.
        let steers = tally
            .steers
            .iter()
            .filter(|steer| steer.round.is_some_and(|told| told <= round))
            .filter(|steer| !(goes_on && steer.live.is_some_and(|at| at > steps_from)));
        let mut notes = self.notes.clone();
        notes.extend(steers.map(|steer| format!("A message for you from whoever watches:\n{}", steer.text)));
        let context = prompt::context(round, tally.last_round(), interrupted, &notes);
        let Some(context) = context else { return Ok(text) };
        Ok(match self.cast.profile.prompt.context {
            Context::None => text,
            Context::Prepend => format!("{context}{text}"),
            Context::File => {
                let sha256 = self.emitter.store(Stored::Blob, context.as_bytes())?;
                let path = self.plan.directory.join("blobs").join(sha256.hex().as_str());
                format!("What happened in earlier rounds is in {}; read it first.\n\n{text}", path.display())
            }
        })
    }

    /// Puts the images of a prompt on record.
    pub(super) fn images(&mut self) -> Result<(), EngineError> {
        for image in &self.cast.images {
            let sha256 = self.emitter.store(Stored::Blob, &image.bytes)?;
            let bytes = image.bytes.len() as u64;
            let target = self.cast.profile.agent.harness.clone();
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

    /// Puts the prompts of a dry run on record.
    pub(super) fn dry_prompts(&mut self, user: &str) -> Result<(), EngineError> {
        let target = self.cast.profile.agent.harness.clone();
        let system = self.cast.system.clone();
        let parts = [(PromptPart::System, system), (PromptPart::User, Some(user.to_owned()))];
        for (part, text) in parts {
            let Some(text) = text else { continue };
            let (sha256, redacted) = self.emitter.store_counted(Stored::Prompt, text.as_bytes())?;
            let bytes = text.len() as u64;
            let origin = Provenance::User;
            self.emitter.emit(PromptSent {
                sha256,
                bytes,
                target: target.clone(),
                part,
                origin,
                redacted,
            })?;
        }
        self.images()?;
        self.emitter.live(&Live::NextDeadline(None))?;
        Ok(())
    }
}

fn fresh() -> SessionPlan {
    SessionPlan::Fresh(new_id())
}

fn new_id() -> SessionId {
    SessionId::new(uuid::Uuid::new_v4().to_string())
}
