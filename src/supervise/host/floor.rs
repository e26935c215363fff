//! Ends a round when the host has been short of memory for several looks in a row.

use super::{Pressure, Sample, pressure};
use crate::profile::Host;

/// The streak of critical looks in one round. A new round has a new one.
#[derive(Clone, Debug, Default)]
pub struct Floor {
    /// Critical looks in a row.
    streak: u32,
    /// What was said in this streak.
    said: Said,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Said {
    #[default]
    Nothing,
    Deferred,
    Terminate,
}

/// What a look means for the round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FloorAct {
    /// It goes on.
    Nothing,
    /// It must be ended; in words. Said once in a streak.
    Terminate(String),
    /// It goes on, since the kernel will kill in our control group before the host suffers; in words. Said once in a streak.
    DeferToCgroup(String),
}

impl Floor {
    /// Critical looks in a row so far.
    pub fn streak(&self) -> u32 {
        self.streak
    }

    /// Takes a look in, which is to come once in each `settings.sample`.
    pub fn look(&mut self, settings: &Host, before: Option<&Sample>, now: &Sample) -> FloorAct {
        let Pressure::Critical(signal) = pressure(settings, before, now) else {
            *self = Self::default();
            return FloorAct::Nothing;
        };
        self.streak = self.streak.saturating_add(1);
        if !settings.memory_terminate || self.streak < settings.memory_looks {
            return FloorAct::Nothing;
        }
        let seen = format!("{}; for {} looks in a row", signal.message, self.streak);
        match (self.said, now.cap_can_bind()) {
            (Said::Nothing, true) => {
                self.said = Said::Deferred;
                FloorAct::DeferToCgroup(format!("{seen}; the limit of the control group is left to bind"))
            }
            // A limit that was lifted while we relied on it is none.
            (Said::Nothing | Said::Deferred, false) => {
                self.said = Said::Terminate;
                FloorAct::Terminate(seen)
            }
            _ => FloorAct::Nothing,
        }
    }
}
