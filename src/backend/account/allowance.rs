//! What an endpoint is stated to stand: requests in flight, and requests per minute. All processes of the user that name
//! it keep to it together.
//!
//! A request in flight has a slot, a byte of a file that the kernel unlocks when its holder ends; so nothing is left
//! behind by a process that is killed. The rate is a number in the same file. A process that wants more slots than it
//! gets says so with another byte, and while several do, none of them takes more than its share.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::rate::Rate;
use crate::file::Slots;

/// What the bytes of the file mean. The first one is the right to change its number.
const RATE: u64 = 0;
/// Where the slots begin.
const FIRST: u64 = 1024;
/// Where those who want more say so, one byte for each process.
const WANTS: u64 = 1 << 40;
const WANTS_LIMIT: u64 = 256;
/// How often it is looked who else wants, milliseconds.
const LOOK_CROWD: i64 = 20;
/// When a process looks again whether another one has given a slot back, milliseconds.
const LOOK_SLOTS: i64 = 8;
/// How long a process that has its share leaves what it gives back to others, milliseconds: longer than they do not look.
const COURTESY: i64 = 20;
/// When it is looked again after another process was found deciding just now, milliseconds.
const LOOK_RATE: i64 = 2;

/// Limits that a profile states for an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests in flight, at most; 0 counts as 1.
    pub max_concurrency: Option<u32>,
    /// Requests per minute, at most; 0 counts as 1.
    pub rpm: Option<u32>,
}

impl Limits {
    /// Whether nothing is stated.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What keeps to both.
    fn stricter(self, other: Self) -> Self {
        let least = |one: Option<u32>, two: Option<u32>| one.into_iter().chain(two).min();
        Self {
            max_concurrency: least(self.max_concurrency, other.max_concurrency),
            rpm: least(self.rpm, other.rpm),
        }
    }
}

/// Why a request has to wait, and until when it is worth looking again, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// All slots are taken.
    Slots(i64),
    /// The minute is full.
    Rate(i64),
}

/// The limits of an endpoint, as this process keeps to them.
#[derive(Debug)]
pub(super) struct Allowance {
    /// None where they are kept by this process alone.
    shared: Option<Slots>,
    /// Where those who wait are told that something has changed.
    changed: Notify,
    state: Mutex<State>,
    /// Where this process begins to look for a byte that says what it wants.
    seed: u64,
}

#[derive(Debug, Default)]
struct State {
    limits: Limits,
    /// Slots that we do not have; those at the front are the likeliest to be free.
    free: VecDeque<u32>,
    held: u32,
    /// How many wait here for a slot, and the byte that says so.
    waiting: u32,
    want: Option<u64>,
    /// How many other processes want, and when that was looked at.
    crowd: Option<(i64, u64)>,
    /// When all slots were found taken.
    full: Option<i64>,
    /// Whether a slot was given back since this was last looked at, and until when what was is left to others.
    gave: bool,
    courtesy: i64,
    /// When the next request is due, microseconds, where the rate is ours alone.
    due: i64,
    /// What went wrong first, until it is told; whether something did.
    trouble: Option<String>,
    complained: bool,
}

/// The right to have one request in flight. Dropping it gives the slot back.
#[derive(Debug, Default)]
pub struct Pass(Option<(Arc<Allowance>, u32)>);

/// A place among those who wait for an endpoint. Dropping it leaves the queue.
#[derive(Debug)]
pub struct Queue {
    allowance: Arc<Allowance>,
    /// Whether it is a slot that is waited for.
    wants: bool,
}

impl Queue {
    /// Returns when it is worth asking again, sooner than was said.
    pub async fn changed(&self) {
        self.allowance.changed.notified().await;
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        if self.wants {
            self.allowance.unwant();
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some((allowance, slot)) = self.0.take() {
            allowance.give(slot);
        }
    }
}

impl Allowance {
    /// Limits that all who open the same file keep to together; without one, those of this process.
    pub(super) fn new(file: Option<&Path>, limits: Limits, pid: u32) -> Self {
        let (shared, trouble) = match file.map(|file| (file, Slots::open(file))) {
            None => (None, None),
            Some((_, Ok(slots))) => (Some(slots), None),
            Some((file, Err(error))) => (None, Some(unshared(&file.display().to_string(), &error))),
        };
        let mut state = State { complained: trouble.is_some(), trouble, ..State::default() };
        state.keep_to(limits);
        Self { shared, changed: Notify::new(), state: Mutex::new(state), seed: u64::from(pid) }
    }

    /// Keeps to these limits too: the stricter one of two stands.
    pub(super) fn keep_to(&self, limits: Limits) {
        self.state().keep_to(limits);
    }

    /// Whether it is stated how many requests may be in flight.
    pub(super) fn states_slots(&self) -> bool {
        self.state().limits.max_concurrency.is_some()
    }

    /// What went wrong first, once.
    pub(super) fn trouble(&self) -> Option<String> {
        self.state().trouble.take()
    }

    /// Lets a request go, at `now` in milliseconds.
    pub(super) fn ask(self: &Arc<Self>, now: i64) -> Result<Pass, Full> {
        let mut state = self.state();
        let slot = self.take(&mut state, now)?;
        let Some(rpm) = state.limits.rpm else {
            return Ok(Pass(slot.map(|slot| (Arc::clone(self), slot))));
        };
        let asked = self.spend(&mut state, Rate::of(rpm), now);
        drop(state);
        let pass = Pass(slot.map(|slot| (Arc::clone(self), slot)));
        asked.map(|()| pass).map_err(Full::Rate)
    }

    /// Waits with others for a change.
    pub(super) fn queue(self: &Arc<Self>, wants: bool) -> Queue {
        if wants {
            let mut state = self.state();
            state.waiting += 1;
            if let Some(shared) = self.shared.as_ref().filter(|_| state.want.is_none()) {
                let bytes = (0..WANTS_LIMIT).map(|step| WANTS + (self.seed + step) % WANTS_LIMIT);
                // Who cannot say that it wants gets what is left.
                state.want = bytes.into_iter().find(|byte| shared.take(*byte).unwrap_or(false));
            }
        }
        Queue { allowance: Arc::clone(self), wants }
    }

    /// Tells one who waits that something has changed.
    pub(super) fn tell(&self) {
        self.changed.notify_one();
    }

    fn unwant(&self) {
        let mut state = self.state();
        state.waiting = state.waiting.saturating_sub(1);
        if state.waiting == 0
            && let (Some(byte), Some(shared)) = (state.want.take(), &self.shared)
        {
            let _ = shared.give(byte);
        }
    }

    /// A slot; none where none is needed.
    fn take(&self, state: &mut State, now: i64) -> Result<Option<u32>, Full> {
        let Some(max) = state.limits.max_concurrency else { return Ok(None) };
        let again = Full::Slots(now + LOOK_SLOTS);
        // Nothing has come back to us since; somebody else's slot is worth a look once in a while.
        if state.full == Some(now) || !self.may_have_more(state, max.max(1), now) {
            return Err(again);
        }
        for _ in 0..state.free.len() {
            let Some(slot) = state.free.pop_front() else { break };
            if self.have(state, FIRST + u64::from(slot)) {
                state.held += 1;
                return Ok(Some(slot));
            }
            state.free.push_back(slot);
        }
        state.full = Some(now);
        Err(again)
    }

    /// Whether we may have one more: always, unless other processes want some too. Then each has its even share, and what
    /// is left over, or is less than one for each, goes round.
    fn may_have_more(&self, state: &mut State, max: u32, now: i64) -> bool {
        let crowd = self.crowd(state, now);
        if crowd == 0 {
            return state.held < max;
        }
        let all = u32::try_from(crowd).unwrap_or(u32::MAX).saturating_add(1);
        if std::mem::take(&mut state.gave) {
            state.courtesy = now + COURTESY;
        }
        let waits = (now..=now + COURTESY).contains(&state.courtesy) && state.courtesy > now;
        state.held < max / all || (state.held < max.div_ceil(all) && !waits)
    }

    /// How many other processes want a slot.
    fn crowd(&self, state: &mut State, now: i64) -> u64 {
        let Some(shared) = &self.shared else { return 0 };
        let fresh = |(looked, _): &(i64, u64)| (0..LOOK_CROWD).contains(&(now - *looked));
        if let Some((_, others)) = state.crowd.filter(fresh) {
            return others;
        }
        let others = shared.taken_by_others(WANTS..WANTS + WANTS_LIMIT).unwrap_or(0);
        state.crowd = Some((now, others));
        others
    }

    /// Takes a byte. Where the system keeps no locks, what this process has is all that is known.
    fn have(&self, state: &mut State, byte: u64) -> bool {
        match self.shared.as_ref().map(|shared| shared.take(byte)) {
            None => true,
            Some(Ok(taken)) => taken,
            Some(Err(error)) => {
                state.complain(&error);
                true
            }
        }
    }

    fn give(&self, slot: u32) {
        let mut state = self.state();
        if let Some(shared) = &self.shared
            && let Err(error) = shared.give(FIRST + u64::from(slot))
        {
            state.complain(&error);
        }
        state.held = state.held.saturating_sub(1);
        (state.full, state.gave) = (None, true);
        if slot < state.limits.max_concurrency.unwrap_or(0).max(1) {
            state.free.push_front(slot);
        }
        drop(state);
        self.tell();
    }

    /// One request of the minute, or until when there is none, milliseconds.
    fn spend(&self, state: &mut State, rate: Rate, now: i64) -> Result<(), i64> {
        let micros = now.saturating_mul(1_000);
        let rounded = |until: i64| until.saturating_add(999) / 1_000;
        let Some(shared) = &self.shared else {
            state.due = rate.ask(state.due, micros).map_err(rounded)?;
            return Ok(());
        };
        match shared.take(RATE) {
            Ok(true) => {}
            // Another process decides at this moment; that takes some microseconds.
            Ok(false) => return Err(now + LOOK_RATE),
            Err(error) => {
                state.complain(&error);
                state.due = rate.ask(state.due, micros).map_err(rounded)?;
                return Ok(());
            }
        }
        let asked = shared.number().map(|due| rate.ask(due, micros));
        let spent = match asked {
            Ok(Ok(due)) => shared.set_number(due).map(|()| Ok(())),
            Ok(Err(until)) => Ok(Err(rounded(until))),
            Err(error) => Err(error),
        };
        let _ = shared.give(RATE);
        spent.unwrap_or_else(|error| {
            state.complain(&error);
            state.due = rate.ask(state.due, micros).map_err(rounded)?;
            Ok(())
        })
    }

    /// Whoever panicked while holding it has left whole values behind.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn keep_to(&mut self, limits: Limits) {
        let before = self.limits.max_concurrency;
        self.limits = self.limits.stricter(limits);
        match (before, self.limits.max_concurrency) {
            (None, Some(max)) => self.free = (0..max.max(1)).collect(),
            (Some(_), Some(max)) => self.free.retain(|slot| *slot < max.max(1)),
            (_, None) => {}
        }
    }

    fn complain(&mut self, error: &std::io::Error) {
        if !std::mem::replace(&mut self.complained, true) {
            self.trouble = Some(unshared("the file of slots", error));
        }
    }
}

fn unshared(what: &str, error: &std::io::Error) -> String {
    format!(
        "the limits of an endpoint are kept by this process alone, not together with others: {what}: {error}; put the \
         state directory (`XDG_STATE_HOME`) on a disk of this machine"
    )
}

#[cfg(test)]
mod tests;
