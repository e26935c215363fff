//! How many requests of an account may be on their way, and how fast they may follow each other. Pure.

use serde::{Deserialize, Serialize};

use super::holder::Holder;
use super::{MINUTE, SECOND, SLACK};

/// An answer proves an account for so long.
const PROVEN: i64 = MINUTE;
/// A place is held no longer than this, whatever became of its holder.
const PLACE_LIMIT: i64 = SECOND;
/// So many answers allow one more place.
const ANSWERS_A_PLACE: u32 = 8;
/// From so many places on there is no bound.
const PLACES_LIMIT: u32 = 64;
/// A pace is kept so long after the last refusal.
const PACE_LASTS: i64 = 10 * MINUTE;
/// Refusals this close together are one.
const SAME_REFUSAL: i64 = 2 * SECOND;
/// So many answers raise a pace.
const ANSWERS_A_RAISE: u32 = 20;
/// The slowest pace: a request in two seconds. In requests per thousand seconds.
const SLOWEST: i64 = 500;
/// The pace after a refusal before which nothing was taken, in the same unit.
const BLIND: i64 = 1_000;
/// Stamps of answers that are kept; more of them in a second tell nothing more.
const RECENT_LIMIT: usize = 128;

/// The flow of one account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Flow {
    /// Requests that were let go and have not been answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    places: Vec<Place>,
    /// Answers since the beginning or the last refusal.
    #[serde(default)]
    ramp: u32,
    /// The last answer.
    #[serde(default)]
    answered: i64,
    /// Answers within the last second.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    recent: Vec<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pace: Option<Pace>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    holder: Holder,
    since: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Pace {
    /// Requests per thousand seconds.
    rate: i64,
    /// No request before this.
    next: i64,
    /// Answers since the rate was set or raised.
    answers: u32,
    /// The last refusal.
    refused: i64,
}

impl Pace {
    fn interval(&self) -> i64 {
        1_000 * SECOND / self.rate.max(SLOWEST)
    }
}

/// Why a request has to wait, and until when at the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// The account is paced.
    Pace(i64),
    /// All places are taken.
    Places(i64),
}

impl Flow {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Drops what is over. A clock that was set back makes nothing last longer.
    pub(super) fn settle(&mut self, now: i64) {
        let latest = now.saturating_add(SLACK);
        let past = |at: i64| if at > latest { now } else { at };
        for place in &mut self.places {
            place.since = past(place.since);
        }
        self.places.retain(|place| now.saturating_sub(place.since) < PLACE_LIMIT);
        self.recent.retain(|at| *at <= latest && now.saturating_sub(*at) < SECOND);
        self.answered = past(self.answered);
        if now.saturating_sub(self.answered) > PROVEN {
            self.answered = 0;
            self.ramp = 0;
        }
        if let Some(pace) = &mut self.pace {
            pace.refused = past(pace.refused);
            pace.rate = pace.rate.max(SLOWEST);
            pace.next = pace.next.min(now.saturating_add(pace.interval()));
        }
        self.pace.take_if(|pace| now.saturating_sub(pace.refused) > PACE_LASTS);
    }

    /// How many may be on their way; `None` when there is no bound.
    pub(super) fn window(&self) -> Option<usize> {
        let places = 1 + self.ramp / ANSWERS_A_PLACE;
        (places < PLACES_LIMIT).then_some(places as usize)
    }

    /// Whether the next request has to wait.
    pub(super) fn hold(&self, now: i64) -> Option<Hold> {
        if let Some(pace) = self.pace.as_ref().filter(|pace| pace.next > now) {
            return Some(Hold::Pace(pace.next));
        }
        let window = self.window()?;
        let first = self.places.iter().map(|place| place.since).min()?;
        (self.places.len() >= window).then(|| Hold::Places(first.saturating_add(PLACE_LIMIT)))
    }

    /// A request goes.
    pub(super) fn go(&mut self, me: &Holder, now: i64) {
        if let Some(pace) = &mut self.pace {
            pace.next = now.saturating_add(pace.interval());
        }
        if self.window().is_some() {
            self.places.push(Place { holder: me.clone(), since: now });
        }
    }

    /// Gives a place back.
    pub(super) fn leave(&mut self, me: &Holder) {
        if let Some(at) = self.places.iter().position(|place| place.holder == *me) {
            self.places.remove(at);
        }
    }

    /// An answer that is no refusal.
    pub(super) fn answer(&mut self, now: i64) {
        self.answered = self.answered.max(now);
        self.ramp = self.ramp.saturating_add(1).min(ANSWERS_A_PLACE * PLACES_LIMIT);
        if self.recent.len() >= RECENT_LIMIT {
            self.recent.remove(0);
        }
        self.recent.push(now);
        if let Some(pace) = &mut self.pace {
            pace.answers += 1;
            if pace.answers >= ANSWERS_A_RAISE {
                pace.answers = 0;
                pace.rate = pace.rate.saturating_add(pace.rate / 20);
            }
        }
    }

    /// Too many requests: from the beginning, and slower than what was too fast.
    pub(super) fn refuse(&mut self, now: i64) {
        self.ramp = 0;
        if let Some(pace) = self.pace.as_mut().filter(|pace| now - pace.refused < SAME_REFUSAL) {
            pace.refused = now;
            return;
        }
        let before = i64::try_from(self.recent.len()).unwrap_or(i64::MAX);
        let rate = if before == 0 { BLIND } else { before.saturating_mul(700) };
        // What was too fast before is not right now because little happened to be sent.
        let slower = self.pace.as_ref().map_or(i64::MAX, |pace| pace.rate * 7 / 10);
        let rate = rate.min(slower).max(SLOWEST);
        self.pace = Some(Pace { rate, next: now, answers: 0, refused: now });
    }

    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        self.places.len()
    }

    /// Requests per thousand seconds.
    #[cfg(test)]
    pub(super) fn rate(&self) -> Option<i64> {
        self.pace.as_ref().map(|pace| pace.rate)
    }
}
