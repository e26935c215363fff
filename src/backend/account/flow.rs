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
const PACE_LASTS: i64 = 5 * MINUTE;
/// Refusals this close together are one.
const SAME_REFUSAL: i64 = 2 * SECOND;
/// So many answers raise a pace.
const ANSWERS_A_RAISE: u32 = 10;
/// The slowest pace, in requests per thousand seconds. A limit that is lower still says so in its refusals.
const SLOWEST: i64 = 500;
/// A refusal after so few answers within a second says nothing of how fast is too fast.
const TELLING: i64 = 3;
/// Doublings of what may try at once after waits in vain: at most 32.
const VAIN_LIMIT: u32 = 5;
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
    /// The last refusal, while it counts; 0 for none.
    #[serde(default, skip_serializing_if = "is_zero")]
    refused: i64,
    /// How often the first request after a wait that the server had asked for was refused again.
    #[serde(default)]
    vain: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &i64) -> bool {
    *number == 0
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

    /// Drops what is over. A clock that was set back makes nothing last longer. Whether it was.
    pub(super) fn settle(&mut self, now: i64) -> bool {
        let latest = now.saturating_add(SLACK);
        let mut was_set_back = false;
        let mut past = |at: i64| {
            was_set_back |= at > latest;
            if at > latest { now } else { at }
        };
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
            pace.next = past(pace.next).min(now.saturating_add(pace.interval()));
        }
        self.refused = past(self.refused);
        if now.saturating_sub(self.refused) > PACE_LASTS {
            (self.refused, self.vain) = (0, 0);
        }
        self.pace.take_if(|pace| now.saturating_sub(pace.refused) > PACE_LASTS);
        was_set_back
    }

    /// How many may be on their way; `None` when there is no bound. What is `stated` to stand so many begins with all of
    /// them; only after a refusal it begins as others do.
    fn window(&self, stated: bool) -> Option<usize> {
        if stated && self.refused == 0 {
            return None;
        }
        let vain = if stated { 1 << self.vain } else { 1 };
        let places = (1 + self.ramp / ANSWERS_A_PLACE).max(vain);
        (places < PLACES_LIMIT).then_some(places as usize)
    }

    /// Whether requests go without anything being written down for them, and answers change nothing that others must know
    /// at once. Asked of a flow that is not settled.
    pub(super) fn is_open(&self, now: i64, stated: bool) -> bool {
        if self.pace.is_some() || self.window(stated).is_some() {
            return false;
        }
        let unproven = stated && self.refused == 0;
        unproven
            || (self.answered <= now.saturating_add(SLACK) && now.saturating_sub(self.answered) <= PROVEN)
    }

    /// Whether the next request has to wait.
    pub(super) fn hold(&self, now: i64, stated: bool) -> Option<Hold> {
        if let Some(pace) = self.pace.as_ref().filter(|pace| pace.next > now && !self.waits_in_vain(stated)) {
            return Some(Hold::Pace(pace.next));
        }
        let window = self.window(stated)?;
        let first = self.places.iter().map(|place| place.since).min()?;
        (self.places.len() >= window).then(|| Hold::Places(first.saturating_add(PLACE_LIMIT)))
    }

    /// A request goes.
    pub(super) fn go(&mut self, me: &Holder, now: i64, stated: bool) {
        if let Some(pace) = &mut self.pace {
            pace.next = now.saturating_add(pace.interval());
        }
        if self.window(stated).is_some() {
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

    /// Whether waiting as the server asks has not helped lately, for an account that is stated to stand several at once; of
    /// any other one request tries at a time, whatever comes of it.
    pub(super) fn waits_in_vain(&self, stated: bool) -> bool {
        stated && self.vain > 0
    }

    /// A refusal comes: after a wait that the server asked for and in which nobody had asked, or out of the open.
    ///
    /// A server that refuses the first request after its own time does so neither for the speed nor for the crowd: it
    /// refuses each request by itself, or all of them until something is over. One at a time would then take the whole wait
    /// for each, so that twice as many may try the next time. A refusal that comes while requests are taken says that it
    /// was the speed after all.
    pub(super) fn waited(&mut self, waited: bool) {
        self.vain = if waited { (self.vain + 1).min(VAIN_LIMIT) } else { self.vain.saturating_sub(1) };
    }

    /// Too many requests: from the beginning, and slower than what was too fast.
    pub(super) fn refuse(&mut self, now: i64, stated: bool) {
        (self.ramp, self.refused) = (0, now);
        if self.waits_in_vain(stated) {
            return; // It is not for the speed.
        }
        if let Some(pace) = self.pace.as_mut().filter(|pace| now - pace.refused < SAME_REFUSAL) {
            pace.refused = now;
            return;
        }
        let before = i64::try_from(self.recent.len()).unwrap_or(i64::MAX);
        if before < TELLING {
            return;
        }
        let rate = before.saturating_mul(700);
        // What was too fast before is not right now because little happened to be sent.
        let slower = self.pace.as_ref().map_or(i64::MAX, |pace| pace.rate * 7 / 10);
        let rate = rate.min(slower).max(SLOWEST);
        self.pace = Some(Pace { rate, next: now, answers: 0, refused: now });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(flow: &Flow) -> Option<i64> {
        flow.pace.as_ref().map(|pace| pace.rate)
    }

    fn answers(flow: &mut Flow, from: i64, count: i64, gap: i64) -> i64 {
        for index in 0..count {
            flow.settle(from + index * gap);
            flow.answer(from + index * gap);
        }
        from + count * gap
    }

    #[test]
    fn a_refusal_sets_the_pace_below_what_was_too_fast() {
        // Answers in the second before, and requests per thousand seconds after; so few say nothing.
        let rows = [
            (0, None),
            (2, None),
            (3, Some(2_100)),
            (5, Some(3_500)),
            (20, Some(14_000)),
            (500, Some(89_600)),
        ];
        for (before, paced) in rows {
            let mut flow = Flow::default();
            let now = answers(&mut flow, 1_000_000, before, 1);
            flow.refuse(now, false);
            assert_eq!(rate(&flow), paced, "{before}");
        }
    }

    #[test]
    fn refusals_of_one_moment_are_one_and_later_ones_slow_it_down_to_a_floor() {
        let mut flow = Flow::default();
        let mut now = answers(&mut flow, 1_000_000, 10, 10);
        for _ in 0..5 {
            flow.refuse(now, false);
            now += 100;
        }
        assert_eq!(rate(&flow), Some(7_000));
        let mut last = 7_000;
        for _ in 0..12 {
            now = answers(&mut flow, now + 30_000, 4, 10);
            flow.refuse(now, false);
            let slower = rate(&flow).unwrap();
            assert!(slower < last || slower == SLOWEST, "{slower} after {last}");
            last = slower;
        }
        assert_eq!(last, SLOWEST);
    }

    #[test]
    fn a_pace_rises_with_answers_and_ends() {
        let mut flow = Flow::default();
        let now = answers(&mut flow, 1_000_000, 5, 1);
        flow.refuse(now, false);
        answers(&mut flow, now, 9, 1_000);
        assert_eq!(rate(&flow), Some(3_500));
        answers(&mut flow, now + 9_000, 1, 1);
        assert_eq!(rate(&flow), Some(3_675));
        flow.settle(now + PACE_LASTS);
        assert!(rate(&flow).is_some());
        flow.settle(now + PACE_LASTS + 1);
        assert_eq!(rate(&flow), None);
    }

    #[test]
    fn each_wait_in_vain_doubles_what_tries_next_and_a_refusal_in_the_open_halves_it() {
        let me = Holder::new(&super::super::Owner { pid: 1, run: "a".to_owned() });
        let (mut flow, now) = (Flow::default(), 1_000_000);
        let places = |flow: &Flow| {
            let mut flow = flow.clone();
            let free = |flow: &mut Flow| flow.hold(now, true).is_none().then(|| flow.go(&me, now, true));
            (0..100).take_while(|_| free(&mut flow).is_some()).count()
        };
        flow.refuse(now, true);
        assert_eq!(places(&flow), 1);
        for tries in [2, 4, 8, 16, 32, 32] {
            flow.waited(true);
            flow.refuse(now, true);
            assert_eq!(places(&flow), tries);
        }
        // Answers among them say nothing of how fast is too fast.
        answers(&mut flow, now, 5, 1);
        flow.refuse(now, true);
        assert_eq!(rate(&flow), None);
        for tries in [16, 8, 4, 2, 1, 1] {
            flow.waited(false);
            flow.refuse(now, true);
            assert_eq!(places(&flow), tries);
        }
        flow.waited(true);
        flow.settle(now + PACE_LASTS + 1);
        flow.refuse(now + PACE_LASTS + 1, true);
        assert_eq!(places(&flow), 1, "what is long ago is forgotten");
    }

    #[test]
    fn requests_of_a_paced_account_are_spaced() {
        let me = Holder::new(&super::super::Owner { pid: 1, run: "a".to_owned() });
        let mut flow = Flow::default();
        let now = answers(&mut flow, 1_000_000, 10, 1);
        flow.refuse(now, false);
        assert_eq!(flow.hold(now, false), None);
        flow.go(&me, now, false);
        assert_eq!(flow.hold(now + 1, false), Some(Hold::Pace(now + 142)), "seven in a second");
        flow.leave(&me);
        assert_eq!(flow.hold(now + 142, false), None);
    }
}
