//! The only place that asks what time it is. Deadlines are monotonic; stamps are wall time.

use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use jiff::{RoundMode, Timestamp, TimestampRound, Unit, Zoned};

/// Reads the clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock;

impl Clock {
    /// Wall time in UTC, cut to milliseconds.
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn stamp(self) -> Timestamp {
        let now = Timestamp::now();
        let cut = TimestampRound::new().smallest(Unit::Millisecond).mode(RoundMode::Trunc);
        now.round(cut).unwrap_or(now)
    }

    /// Wall time in the zone of that name, or in this machine's.
    pub fn local(self, zone: Option<&str>) -> Zoned {
        let zone = zone.and_then(|name| TimeZone::get(name).ok()).unwrap_or_else(TimeZone::system);
        self.stamp().to_zoned(zone)
    }

    /// Monotonic time, for deadlines and durations.
    pub fn now(self) -> Instant {
        Instant::now()
    }
}

/// A duration in whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Wall time between two stamps, in seconds; never negative, whatever a clock was set to.
pub(crate) fn seconds_between(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64().max(0.0)
}

/// Waits until then; for ever where there is no then.
pub(crate) async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
