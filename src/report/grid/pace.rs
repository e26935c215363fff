//! How fast cells end, over the last half minute.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::figure;
use crate::report::human::style;

/// What is older says little of now.
const WINDOW: SignedDuration = SignedDuration::from_secs(30);
/// No two samples are closer.
const STEP: SignedDuration = SignedDuration::from_millis(500);

/// Samples of how many cells had ended at which time; bounded.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace {
    samples: VecDeque<(Timestamp, u64)>,
}

impl Pace {
    /// So many cells had ended at `at`.
    pub(super) fn saw(&mut self, at: Timestamp, done: u64) {
        let apart = self.samples.back().is_none_or(|(last, _)| at.duration_since(*last) >= STEP);
        if apart {
            self.samples.push_back((at, done));
        }
        // One that is older than the window is kept, so that a slow run has a rate too.
        while self.samples.get(1).is_some_and(|(second, _)| at.duration_since(*second) > WINDOW) {
            self.samples.pop_front();
        }
    }

    /// Cells a second; `None` while there is nothing to tell it by.
    pub(super) fn rate(&self, at: Timestamp, done: u64) -> Option<f64> {
        let (since, before) = self.samples.front()?;
        let seconds = style::between(*since, at).as_secs_f64();
        let ended = done.checked_sub(*before)?;
        (seconds >= 1.0 && ended > 0).then(|| figure::float(ended) / seconds)
    }

    /// How long the rest will take at this pace.
    pub(super) fn left(&self, at: Timestamp, done: u64, planned: u64) -> Option<Duration> {
        let rest = figure::float(planned.saturating_sub(done));
        Duration::try_from_secs_f64(rest / self.rate(at, done)?).ok()
    }
}

/// `12.3/s`, `4.0/min`.
pub(super) fn rate(per_second: f64) -> String {
    if per_second >= 10.0 {
        format!("{per_second:.0}/s")
    } else if per_second >= 0.5 {
        format!("{per_second:.1}/s")
    } else {
        format!("{:.1}/min", per_second * 60.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::at;

    #[test]
    fn the_rate_is_that_of_the_last_half_minute() {
        let mut pace = Pace::default();
        assert_eq!(pace.left(at(0), 0, 100), None);
        for second in 0..60 {
            // Fast at first, then one a second.
            pace.saw(at(second), if second < 20 { 0 } else { u64::try_from(second).unwrap() });
        }
        assert_eq!(pace.rate(at(59), 59), Some(1.0));
        assert_eq!(pace.left(at(59), 59, 100), Some(Duration::from_secs(41)));
        assert!(pace.samples.len() < 70);
        // Stuck: nothing is promised.
        pace.saw(at(500), 59);
        assert_eq!(pace.left(at(600), 59, 100), None);
    }

    #[test]
    fn rates_read_well() {
        assert_eq!([123.4, 12.34, 1.25, 0.1].map(rate), ["123/s", "12/s", "1.2/s", "6.0/min"]);
    }
}
