//! When a round may begin. Pure: windows and a time in, an answer and the next change out.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Span, Timestamp};

use crate::engine::Clock;
use crate::event::PhaseName;
use crate::profile::element::{Week, Window};
use crate::profile::{PhasePolicy, Schedule};

/// How far ahead an opening is looked for: each one of a week, whatever clocks are set to in it.
const AHEAD: SignedDuration = SignedDuration::from_hours(8 * 24);

/// When rounds may begin, by the clock on the wall of a place.
#[derive(Clone, Debug)]
pub struct Calendar {
    run: Vec<Window>,
    pause: Vec<Window>,
    week: Week,
    zone: TimeZone,
}

impl Calendar {
    /// Of a schedule; in this host's zone, where it names none.
    pub fn new(schedule: &Schedule) -> Self {
        Self::within(schedule, Clock.local(None).time_zone())
    }

    /// The same; in `host`, where it names none.
    pub fn within(schedule: &Schedule, host: &TimeZone) -> Self {
        let zone = schedule.timezone.as_ref().map_or(host, |zone| zone.rules());
        Self {
            run: schedule.run.clone(),
            pause: schedule.pause.clone(),
            week: schedule.week(),
            zone: zone.clone(),
        }
    }

    /// Whether a round may begin: in one of the windows, if there are any, and in no pause.
    pub fn runnable(&self, now: Timestamp) -> bool {
        self.week.is_open(self.minute(now))
    }

    /// The first time, from `now` on, at which a round may begin; `now`, if it may already. `None` where there is none within
    /// eight days.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        if self.runnable(now) {
            return Some(now);
        }
        // Between two of these the clock on the wall goes on minute by minute, past no opening.
        let last = now.checked_add(AHEAD).unwrap_or(Timestamp::MAX);
        let mut times = self.openings(now);
        times.extend(self.zone.following(now).map(|change| change.timestamp()).take_while(|&at| at <= last));
        times.retain(|&at| now < at && at <= last);
        times.sort_unstable();
        times.into_iter().find(|&at| self.runnable(at))
    }

    /// The window that a round may begin in now, as the profile would write it; `None` where there is none, or a pause.
    pub fn active_window(&self, now: Timestamp) -> Option<String> {
        let minute = self.minute(now);
        let open = self.week.is_open(minute);
        self.run.iter().find(|window| open && window.contains(minute)).map(Window::to_string)
    }

    /// Why no round may begin now, in words; `None` where one may.
    pub fn why_not(&self, now: Timestamp) -> Option<String> {
        let minute = self.minute(now);
        if self.week.is_open(minute) {
            return None;
        }
        if let Some(pause) = self.pause.iter().find(|window| window.contains(minute)) {
            return Some(format!("in the pause {pause}"));
        }
        let windows: Vec<String> = self.run.iter().map(Window::to_string).collect();
        Some(format!("outside of {}", windows.join(", ")))
    }

    /// The minute of the week on the wall; Monday 00:00 is 0.
    fn minute(&self, now: Timestamp) -> u16 {
        let wall = self.zone.to_datetime(now);
        let day = wall.date().weekday().to_monday_zero_offset();
        let minutes = (i16::from(day) * 24 + i16::from(wall.hour())) * 60 + i16::from(wall.minute());
        u16::try_from(minutes).unwrap_or(0)
    }

    /// Every instant of the days around at which the clock on the wall shows the begin of an opening.
    fn openings(&self, now: Timestamp) -> Vec<Timestamp> {
        let today = self.zone.to_datetime(now).date();
        let mut times = Vec::new();
        for ahead in -1..=9 {
            let Ok(date) = today.checked_add(Span::new().days(ahead)) else { continue };
            let day = date.weekday().to_monday_zero_offset();
            for &minute in self.week.openings() {
                let (on, time) = (minute / 1440, minute % 1440);
                if i16::from(day) != i16::try_from(on).unwrap_or(-1) {
                    continue;
                }
                let (hour, minute) = (i8::try_from(time / 60), i8::try_from(time % 60));
                if let (Ok(hour), Ok(minute)) = (hour, minute) {
                    times.extend(self.instants(date.at(hour, minute, 0, 0)));
                }
            }
        }
        times
    }

    /// The instants at which the clock on the wall shows a time: two in the hour that comes twice, none in the one left out.
    fn instants(&self, wall: DateTime) -> impl Iterator<Item = Timestamp> {
        let offsets = match self.zone.to_ambiguous_timestamp(wall).offset() {
            AmbiguousOffset::Unambiguous { offset } => [Some(offset), None],
            AmbiguousOffset::Gap { .. } => [None, None],
            AmbiguousOffset::Fold { before, after } => [Some(before), Some(after)],
        };
        offsets.into_iter().flatten().filter_map(move |offset| offset.to_timestamp(wall).ok())
    }
}

/// Why a phase must not run now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// In words.
    pub reason: String,
    /// When it may, where that is known.
    pub until: Option<Timestamp>,
}

/// Which phase the next round has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The one whose turn it is.
    Run(PhaseName),
    /// Another one in its place.
    Skip {
        /// Which.
        chosen: PhaseName,
        /// Those whose turn came before, in order.
        skipped: Vec<PhaseName>,
        /// Why the first of them must not run.
        why: Why,
    },
    /// None may run now.
    WaitFor {
        /// The one that is waited for: whose turn it is, or with [`PhasePolicy::Skip`] the one that may run first.
        phase: PhaseName,
        /// Why it must not run, and until when.
        why: Why,
    },
}

/// Chooses the phase of the next round. `at` counts the turns of the rotation from 0 and goes round it; `None` where there is
/// no rotation.
pub fn choose(
    rotation: &[PhaseName],
    at: usize,
    policy: PhasePolicy,
    eligible: impl Fn(&PhaseName) -> Result<(), Why>,
) -> Option<Choice> {
    let turn = rotation.get(at.checked_rem(rotation.len())?)?;
    let Err(why) = eligible(turn) else { return Some(Choice::Run(turn.clone())) };
    if policy == PhasePolicy::Wait {
        return Some(Choice::WaitFor { phase: turn.clone(), why });
    }
    let mut soonest = (turn, why.clone());
    let mut skipped = vec![turn.clone()];
    for step in 1..rotation.len() {
        let Some(phase) = rotation.get((at % rotation.len() + step) % rotation.len()) else { continue };
        if skipped.contains(phase) {
            continue;
        }
        match eligible(phase) {
            Ok(()) => return Some(Choice::Skip { chosen: phase.clone(), skipped, why }),
            Err(other) => {
                // What is never known to open is waited for last.
                let sooner = match (other.until, soonest.1.until) {
                    (Some(other), Some(soonest)) => other < soonest,
                    (other, soonest) => other.is_some() && soonest.is_none(),
                };
                if sooner {
                    soonest = (phase, other);
                }
                skipped.push(phase.clone());
            }
        }
    }
    let (phase, why) = soonest;
    Some(Choice::WaitFor { phase: phase.clone(), why })
}

#[cfg(test)]
mod tests;
