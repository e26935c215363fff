//! Looks at the host again and again, and holds each look against the ones before it.

use std::time::{Duration, Instant};

use super::{Growth, Pressure, Sample, Sampler, pressure, told};
use crate::profile::Host;

/// A look that is older than so many of `settings.sample` is not the one before: what was swapped out since then may be the
/// work of hours.
const STALE: u32 = 6;

/// A sampler with its last sample and the growth over all of them.
#[derive(Debug)]
pub struct Watch {
    sampler: Sampler,
    last: Option<(Instant, Sample)>,
    growth: Growth,
    stale: Duration,
}

/// One look, and what it means beside the ones before it.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// When it was taken.
    pub instant: Instant,
    /// The look before it, if it was not long ago.
    pub before: Option<Sample>,
    /// What is now.
    pub now: Sample,
    /// Percent of the disk that it fills in an hour.
    pub disk_pct_per_hour: Option<f64>,
    /// Percent of its inodes that it fills in an hour.
    pub inode_pct_per_hour: Option<f64>,
    /// MiB that the control group, or else the agent, grows by in a minute.
    pub memory_mb_per_min: Option<f64>,
}

impl Look {
    /// How short memory is; see [`pressure`](fn@super::pressure).
    pub fn pressure(&self, settings: &Host) -> Pressure {
        pressure(settings, self.before.as_ref(), &self.now)
    }

    /// Whether anything is told of memory; see [`told`].
    pub fn told(&self) -> bool {
        told(self.before.as_ref(), &self.now)
    }
}

impl Watch {
    /// Watches by the settings of the profile.
    pub fn new(sampler: Sampler, settings: &Host) -> Self {
        Self {
            sampler,
            last: None,
            growth: Growth::new(settings.disk_growth_window.0),
            stale: settings.sample.0.saturating_mul(STALE),
        }
    }

    /// A round begins: peaks, kills and the growth of memory are those of the round. The disk and the swap are the host's.
    pub fn begin(&mut self) {
        self.sampler.begin();
        self.growth.begin();
    }

    /// Looks; `instant` is now, and `agent` the process id of the agent while one runs.
    pub fn look(&mut self, instant: Instant, agent: Option<u32>) -> Look {
        let now = self.sampler.sample(agent);
        self.growth.push(instant, &now);
        let last = self.last.replace((instant, now.clone()));
        let before = last
            .filter(|(then, _)| instant.saturating_duration_since(*then) <= self.stale)
            .map(|(_, sample)| sample);
        Look {
            instant,
            before,
            now,
            disk_pct_per_hour: self.growth.disk_pct_per_hour(),
            inode_pct_per_hour: self.growth.inode_pct_per_hour(),
            memory_mb_per_min: self.growth.memory_mb_per_min(),
        }
    }
}
