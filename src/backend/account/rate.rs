//! How many requests a minute are let go. Pure: the state is one number, and time is an argument.
//!
//! This is the generic cell rate algorithm (ITU-T I.371, the virtual scheduling form): the state is the time at which the
//! next request would be due at an even pace, and a request may be early by what a burst allows. Its interval is a bit
//! longer than a minute divided by the rate, by what the burst takes, so that no minute, wherever it begins, has more
//! requests than were stated.

/// Lengths of time in microseconds.
const SECOND: i64 = 1_000_000;
/// A minute, and as much more as a stamp in milliseconds and the way to the socket may be off.
const WINDOW: i64 = 60 * SECOND + 10_000;
/// A state further ahead than this is of a clock that was set back since.
const FURTHEST: i64 = WINDOW + 5 * SECOND;

/// A bound on requests per minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    /// Between two requests, microseconds.
    interval: i64,
    /// So many may go at once after a pause: a second's worth.
    burst: i64,
}

impl Rate {
    /// So many in a minute; 0 counts as 1.
    pub(super) fn of(rpm: u32) -> Self {
        let rpm = i64::from(rpm.max(1));
        let burst = (rpm / 60).max(1);
        let steps = rpm - burst + 1;
        // In a window of `steps` intervals there are at most `steps` even requests, and the burst but one before them.
        Self { interval: (WINDOW + steps - 1) / steps, burst }
    }

    /// Asks to go at `now`, microseconds, when the next request is due at `due`: when the one after it is due, or until
    /// when to wait.
    pub(super) fn ask(self, due: i64, now: i64) -> Result<i64, i64> {
        let due = if due.saturating_sub(now) > FURTHEST { now + self.burst * self.interval } else { due };
        let earliest = due - (self.burst - 1) * self.interval;
        if earliest > now { Err(earliest) } else { Ok(due.max(now) + self.interval) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks as often as it is allowed, from `start` on, for so long; gives the times.
    fn greedy(rate: Rate, due: &mut i64, start: i64, length: i64) -> Vec<i64> {
        let (mut now, mut went) = (start, Vec::new());
        while now < start + length {
            match rate.ask(*due, now) {
                Ok(next) => {
                    *due = next;
                    went.push(now);
                }
                Err(until) => {
                    assert!(until > now, "a wait has to end later than now");
                    now = until;
                }
            }
        }
        went
    }

    #[test]
    fn no_minute_has_more_than_were_stated_and_long_stretches_have_nearly_as_many() {
        for rpm in [1, 2, 59, 60, 61, 119, 120, 600, 3_000, 100_000_u32] {
            let rate = Rate::of(rpm);
            let (mut due, start) = (0, 1_795_000_000 * SECOND);
            let mut went = greedy(rate, &mut due, start, 150 * SECOND);
            // A pause, in which a burst is saved up, and again.
            went.extend(greedy(rate, &mut due, start + 200 * SECOND, 150 * SECOND));
            for crowd in went.windows(rpm as usize + 1) {
                let took = crowd[rpm as usize] - crowd[0];
                assert!(took >= 60 * SECOND, "{} of {rpm} a minute in {took} us", rpm + 1);
            }
            let least = 5 * (rpm as usize) * 97 / 100;
            assert!(went.len() + 2 >= least, "{} of {rpm} a minute in five minutes", went.len());
        }
    }

    #[test]
    fn a_clock_that_was_set_back_holds_nobody_up_for_long() {
        let rate = Rate::of(60);
        let until = rate.ask(1_000_000 * SECOND, 500 * SECOND).unwrap_err();
        assert!(until <= 502 * SECOND, "{until}");
        assert!(rate.ask(1_000_000 * SECOND, i64::MAX / 4).is_ok());
    }
}
