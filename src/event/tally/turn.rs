//! What one turn of the user has met so far: the facts that decide what happens after its next fault.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::blur;
use crate::event::{
    AttemptFailed, AttemptRetrying, AttemptStarted, FallbackSwitched, FaultClass, Opening, Seq, ToolCalled,
    ToolId,
};

/// Tools that are remembered by name; of a longer turn the last ones are, and the number of the others.
const KEPT_DEEDS: usize = 64;

/// A tool that was called in this turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// The call.
    pub id: ToolId,
    /// The tool.
    pub name: String,
    /// What it was about.
    pub about: String,
    /// Whether it worked; `None` while its answer is not on record.
    pub ok: Option<bool>,
}

/// The state of one turn of the user, over all attempts at it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// The candidate of the last attempt.
    pub candidate: u64,
    /// Retries of the request on that candidate.
    pub retries: u64,
    /// Steps along the chain: other candidates that were asked, whatever came of it.
    pub fallbacks: u64,
    /// Whether the last attempt is such a step and nothing says yet that it was asked.
    pub stepped: bool,
    /// Names the last failure: its class and its words, without numbers.
    pub failure: Option<String>,
    /// Failures in a row with that name.
    pub identical: u64,
    /// On so many different candidates in a row.
    pub identical_candidates: u64,
    /// The candidate that failed last.
    pub failed: u64,
    /// Milliseconds waited between attempts, and those that agents' own retry loops have announced.
    pub waited_ms: u64,
    /// Whether the conversation was retold because it had grown too large.
    pub compacted: bool,
    /// The last tools that were called.
    pub deeds: VecDeque<Deed>,
    /// Tools called before those.
    pub deeds_before: u64,
    /// Whether any answer has come, be it a part of one.
    pub answered: bool,
    /// Where the steps begin that the conversation holds now.
    pub steps_from: Seq,
    /// The candidate that took the first of them.
    pub steps_by: u64,
    /// How that conversation began: never by going on from recorded steps.
    pub began: Opening,
    /// Tools that had been called before it.
    pub deeds_told: u64,
    /// The last words before it.
    pub words_told: String,
    /// Since when the wait runs that runs now.
    pub wait_since: Option<Timestamp>,
}

impl Turn {
    /// Whether anything was done or said in it.
    pub fn has_begun(&self) -> bool {
        self.answered || !self.deeds.is_empty() || self.deeds_before > 0
    }

    /// The tools that had been called before the conversation of now began, as far as they are remembered.
    pub fn told(&self) -> impl Iterator<Item = &Deed> {
        let told = self.deeds_told.saturating_sub(self.deeds_before);
        self.deeds.iter().take(usize::try_from(told).unwrap_or(usize::MAX))
    }

    /// `first`: no attempt came before this one; `words`: the last ones before it.
    pub(super) fn started(&mut self, started: &AttemptStarted, seq: Seq, first: bool, words: &str) {
        let same = !first && started.candidate == self.candidate;
        if same && started.opening == Opening::Retold {
            // Otherwise a session was lost, and to tell it anew is part of the retry that wanted to go on with it.
            if self.failed_of(FaultClass::ContextOverflow) {
                (self.compacted, self.retries) = (true, 0);
            }
        } else if same {
            self.retries += u64::from(!self.own_end());
        } else {
            self.retries = 0;
        }
        // The first attempt of a turn is no step of it, wherever it begins, and neither is the way back after a long wait.
        self.stepped = !first && started.candidate > self.candidate;
        self.candidate = started.candidate;
        if started.opening != Opening::Carried {
            (self.steps_from, self.steps_by) = (seq, started.candidate);
            self.began = started.opening;
            self.deeds_told = self.deeds_before + self.deeds.len() as u64;
            words.clone_into(&mut self.words_told);
        }
    }

    /// Whether the last attempt was ended by provost, so that making it again is no retry.
    fn own_end(&self) -> bool {
        self.failed_of(FaultClass::SelfAbort)
    }

    fn failed_of(&self, class: FaultClass) -> bool {
        self.failure.as_ref().is_some_and(|name| name.starts_with(class.word()))
    }

    pub(super) fn switched(&mut self, switched: &FallbackSwitched) {
        self.step();
        self.candidate = switched.candidate;
    }

    /// The step is made: whoever it leads to has the request.
    fn step(&mut self) {
        self.fallbacks += u64::from(std::mem::take(&mut self.stepped));
    }

    pub(super) fn failed(&mut self, failed: &AttemptFailed) {
        let failure = &failed.failure;
        // Past a candidate that was not asked nothing is used up.
        if !failure.not_asked() {
            self.step();
        }
        let name = format!("{}: {}", failure.class, blur(&failure.evidence));
        if self.failure.as_ref() == Some(&name) {
            self.identical += 1;
            self.identical_candidates += u64::from(self.candidate != self.failed);
        } else {
            (self.identical, self.identical_candidates) = (1, 1);
        }
        self.failure = Some(name);
        self.failed = self.candidate;
        self.answered |= failure.emitted_output;
    }

    pub(super) fn retrying(&mut self, retrying: &AttemptRetrying) {
        self.waited_ms = self.waited_ms.saturating_add(retrying.delay_ms.unwrap_or(0));
    }

    pub(super) fn waited(&mut self, until: Timestamp) {
        if let Some(since) = self.wait_since.take() {
            let waited = until.duration_since(since).as_millis().max(0);
            self.waited_ms = self.waited_ms.saturating_add(u64::try_from(waited).unwrap_or(u64::MAX));
        }
    }

    pub(super) fn called(&mut self, called: &ToolCalled) {
        if self.deeds.len() == KEPT_DEEDS {
            self.deeds.pop_front();
            self.deeds_before += 1;
        }
        self.deeds.push_back(Deed {
            id: called.id.clone(),
            name: called.name.clone(),
            about: called.about.clone(),
            ok: None,
        });
    }

    pub(super) fn returned(&mut self, id: &ToolId, ok: bool) {
        if let Some(deed) = self.deeds.iter_mut().rev().find(|deed| deed.id == *id) {
            deed.ok = Some(ok);
        }
    }
}

#[cfg(test)]
mod tests;
