//! What other processes ask of the run while it runs, and what it answers: each request is on record, and so is its answer.

use std::io;

use crate::event::{
    RoundNumber, SteerAcknowledged, SteerEffect, SteerRequested, StopAcknowledged, StopEffect, StopRequested,
};

use super::run::Run;
use super::{Steer, Stop};

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

    pub(super) fn answer_stops(&mut self, effect: StopEffect) -> io::Result<()> {
        for (Stop { id, now }, late) in self.shutdown.take_open() {
            self.emitter.emit(StopRequested { id: id.clone(), now })?;
            let effect = if late { StopEffect::NotLive } else { effect };
            self.emitter.emit(StopAcknowledged { id, effect })?;
        }
        Ok(())
    }

    /// No prompt will have the messages that are open.
    pub(super) fn drop_steers(&mut self) -> io::Result<()> {
        let ids: Vec<_> = self.emitter.tally().steers.iter().map(|steer| steer.id.clone()).collect();
        for id in ids {
            self.emitter.emit(SteerAcknowledged { id, effect: SteerEffect::NotLive, round: None })?;
        }
        Ok(())
    }
}
