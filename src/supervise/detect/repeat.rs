//! The same tool with the same argument again and again: counted on each call, over the last calls of the round.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::bell::Bell;
use crate::event::{RoundNumber, Sha256, Tally, ToolCalled};
use crate::profile::{Alarm, Detect};

/// An alert of a repetition is over when so many rounds have passed without it.
const REMEMBERED: usize = 5;
/// So much of a tool's name is in the alert's, characters.
const NAMED: usize = 40;

/// The last calls of one round.
#[derive(Debug)]
pub(super) struct Calls {
    window: usize,
    threshold: u32,
    ends_round: bool,
    last: VecDeque<String>,
    counts: BTreeMap<String, u32>,
    /// What was found in this round.
    found: BTreeSet<String>,
}

/// A repetition.
pub(super) struct Repetition {
    /// Names the tool and what it is about; never says the latter, which may hold what is nobody's business.
    pub(super) identity: String,
    /// Whether it ends the round: once in each.
    pub(super) ends_round: bool,
    tool: String,
    about: String,
    count: u32,
    of: usize,
}

impl Calls {
    pub(super) fn new(settings: &Detect) -> Self {
        Self {
            window: settings.repeat_window as usize,
            threshold: settings.repeat_threshold,
            ends_round: settings.repeat_ends_round,
            last: VecDeque::new(),
            counts: BTreeMap::new(),
            found: BTreeSet::new(),
        }
    }

    /// Counts a call. A repetition, where this call makes or keeps it one.
    pub(super) fn add(&mut self, called: &ToolCalled) -> Option<Repetition> {
        if self.window == 0 || self.threshold == 0 {
            return None;
        }
        let identity = identity(called);
        if self.last.len() == self.window
            && let Some(oldest) = self.last.pop_front()
            && let Some(count) = self.counts.get_mut(&oldest)
        {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&oldest);
            }
        }
        self.last.push_back(identity.clone());
        let count = self.counts.entry(identity.clone()).or_default();
        *count += 1;
        let count = *count;
        if count < self.threshold {
            return None;
        }
        let ends_round = self.ends_round && self.found.is_empty();
        self.found.insert(identity.clone());
        Some(Repetition {
            identity,
            ends_round,
            tool: called.name.clone(),
            about: called.about.clone(),
            count,
            of: self.last.len(),
        })
    }
}

impl Repetition {
    pub(super) fn message(&self, round: Option<RoundNumber>) -> String {
        let about = if self.about.is_empty() { String::new() } else { format!(" with `{}`", self.about) };
        let round = round.map_or_else(String::new, |round| format!(" of round {round}"));
        format!("`{}`{about} was called {} times in the last {} calls{round}", self.tool, self.count, self.of)
    }
}

/// A round has ended: repetitions that the last rounds have not seen are over.
pub(super) fn forget(bell: &mut Bell<'_>, calls: &Calls, tally: &Tally) {
    for alert in bell.open_of(Alarm::RepeatedTool) {
        let identity = alert.alert.split_once(':').map_or("", |(_, identity)| identity);
        let since = tally.settled.iter().rev().take_while(|round| round.started_at > alert.since).count();
        if since >= REMEMBERED && !calls.found.contains(identity) {
            bell.clear(&alert.alert);
        }
    }
}

/// The tool's name in plain sight, and what it is about by its digest.
fn identity(called: &ToolCalled) -> String {
    let name: String =
        called.name.chars().filter(|c| c.is_ascii_graphic() && *c != ':').take(NAMED).collect();
    let digest = Sha256::of(format!("{}\n{}", called.name, called.about).as_bytes());
    format!("{name} {digest:.8}")
}
