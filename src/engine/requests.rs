//! What other processes ask of the run while it runs, and what it answers: each request is on record, and so is its answer.

use std::io;

use crate::backend::{Replayed, Word};
use crate::event::{
    RoundNumber, SteerAcknowledged, SteerEffect, SteerRequested, StopAcknowledged, StopEffect, StopRequested,
};

use super::attempt::Watch;
use super::run::Run;
use super::{Emitter, Shutdown, Steer, Stop};

impl Run {
    /// Answers the requests of other processes that are not answered yet.
    pub(super) fn acknowledge(&mut self) -> io::Result<()> {
        let drains = self.emitter.tally().open.is_some() && self.shutdown.times() <= self.patience();
        self.answer_stops(if drains { StopEffect::Draining } else { StopEffect::Stopping })?;
        self.hear_steers()
    }

    /// Puts messages for the agent on record. One may be there already, when a killed run goes on.
    pub(super) fn hear_steers(&mut self) -> io::Result<()> {
        for Steer { id, text } in self.shutdown.take_steers() {
            if !self.emitter.tally().steers.iter().any(|steer| steer.id == id) {
                self.emitter.emit(SteerRequested { id, text })?;
            }
        }
        Ok(())
    }

    /// Says that the prompt of this round has the messages that are open.
    pub(super) fn tell_steers(&mut self, round: RoundNumber) -> io::Result<()> {
        let open: Vec<_> = self.emitter.tally().steers.iter().filter(|steer| steer.round.is_none()).collect();
        let ids: Vec<_> = open.into_iter().map(|steer| steer.id.clone()).collect();
        for id in ids {
            self.emitter.emit(SteerAcknowledged {
                id,
                effect: SteerEffect::NextPrompt,
                round: Some(round),
            })?;
        }
        Ok(())
    }

    /// The messages that no prompt has.
    pub(super) fn untold(&self) -> Vec<Word> {
        let open = self.emitter.tally().steers.iter().filter(|steer| steer.round.is_none());
        open.map(|steer| Word { id: steer.id.clone(), text: steer.text.clone() }).collect()
    }

    /// Hands the agent that works the messages that no prompt has, where it can be told. One that it is not told before it
    /// has answered stays open, for the next prompt.
    pub(super) fn offer(&self, watch: &Watch) {
        let Some(people) = &watch.people else { return };
        people.send_if_modified(|told| {
            let before = told.len();
            for word in self.untold() {
                if !told.contains(&word) {
                    told.push(word);
                }
            }
            told.len() > before
        });
    }

    /// The agent that works is told a message, in the request that follows.
    pub(super) fn steered(&mut self, Word { id, text }: Word) -> io::Result<()> {
        let round = self.emitter.tally().open.as_ref().map(|open| open.round);
        self.emitter.emit(SteerAcknowledged { id, effect: SteerEffect::Live, round })?;
        self.steps.push(Replayed::Said(text));
        Ok(())
    }

    pub(super) fn answer_stops(&mut self, effect: StopEffect) -> io::Result<()> {
        answer_stops(&mut self.emitter, &self.shutdown, effect)
    }

    /// No prompt will have the messages that are open. Those that a round of before had are answered.
    pub(super) fn drop_steers(&mut self) -> io::Result<()> {
        for Word { id, .. } in self.untold() {
            self.emitter.emit(SteerAcknowledged { id, effect: SteerEffect::NotLive, round: None })?;
        }
        Ok(())
    }
}

/// Answers the requests to stop that nobody has answered.
///
/// # Errors
///
/// What happened could not be recorded.
pub fn answer_stops(emitter: &mut Emitter, shutdown: &Shutdown, effect: StopEffect) -> io::Result<()> {
    for (Stop { id, now }, late) in shutdown.take_open() {
        emitter.emit(StopRequested { id: id.clone(), now })?;
        let effect = if late { StopEffect::NotLive } else { effect };
        emitter.emit(StopAcknowledged { id, effect })?;
    }
    Ok(())
}

/// Says of the messages for an agent that nobody will be told them, in a run of many cells: none of its agents is the one
/// that was meant.
///
/// # Errors
///
/// What happened could not be recorded.
pub fn decline_steers(emitter: &mut Emitter, shutdown: &Shutdown) -> io::Result<()> {
    for Steer { id, text } in shutdown.take_steers() {
        emitter.emit(SteerRequested { id: id.clone(), text })?;
        emitter.emit(SteerAcknowledged { id, effect: SteerEffect::NotLive, round: None })?;
    }
    Ok(())
}
