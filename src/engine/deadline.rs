//! Which clock ends a round next. Pure: instants in, a deadline out.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::event::{Deadline, FaultClass, ToolId};
use crate::profile::Round;

/// The deadlines of one attempt.
#[derive(Clone, Debug)]
pub(crate) struct Deadlines {
    round: Round,
    /// The hard wall of the round; activity never moves it.
    wall: Instant,
    /// The end of the run's wall budget.
    run_wall: Option<Instant>,
    started: Instant,
    last_event: Option<Instant>,
    begun: bool,
    tools: BTreeMap<ToolId, Instant>,
    result: Option<Instant>,
    lingering: bool,
    /// Whether it waits for leave to ask: then only the walls count.
    held: bool,
    /// Since when nothing but the agent's own retry loop is at work, and how long that may go on.
    retrying: Option<Instant>,
    patience: Duration,
}

impl Deadlines {
    /// The round began at `round_started`, this attempt at `now`.
    pub(crate) fn new(
        round: &Round,
        round_started: Instant,
        now: Instant,
        run_wall: Option<Instant>,
        patience: Duration,
    ) -> Self {
        Self {
            round: round.clone(),
            wall: round_started + round.timeout.0,
            run_wall,
            started: now,
            last_event: None,
            begun: false,
            tools: BTreeMap::new(),
            result: None,
            lingering: false,
            held: false,
            retrying: None,
            patience,
        }
    }

    /// It waits for leave to ask.
    pub(crate) fn held(&mut self) {
        self.held = true;
    }

    /// It asks now, so that an answer must begin.
    pub(crate) fn asked(&mut self, now: Instant) {
        self.held = false;
        self.begun = false;
        self.started = now;
        self.last_event = None;
    }

    /// The agent tries again by itself: an answer of a kind, but no progress.
    pub(crate) fn retrying(&mut self, now: Instant) {
        self.begun = true;
        self.last_event = Some(now);
        self.retrying.get_or_insert(now);
    }

    /// The agent shows that it is there. That alone does not say that a model answers it.
    pub(crate) fn alive(&mut self, now: Instant) {
        self.last_event = Some(now);
    }

    /// The model answers, or does something.
    pub(crate) fn begun(&mut self, now: Instant) {
        self.begun = true;
        self.retrying = None;
        self.alive(now);
    }

    /// A tool is in flight: silence is no stall until it ends.
    pub(crate) fn tool_called(&mut self, id: ToolId, now: Instant) {
        self.tools.insert(id, now);
    }

    /// It has ended.
    pub(crate) fn tool_returned(&mut self, id: &ToolId) {
        self.tools.remove(id);
    }

    /// The terminal event is here.
    pub(crate) fn result_seen(&mut self, now: Instant) {
        self.tools.clear();
        self.result = Some(now);
    }

    /// The grace after the result has passed and is dealt with; from now on only the walls count.
    pub(crate) fn lingers(&mut self) {
        self.lingering = true;
    }

    /// The next deadline, the earliest of those that run.
    pub(crate) fn next(&self) -> (Deadline, Instant) {
        let mut due = (Deadline::Timeout, self.wall);
        let mut consider = |deadline: Deadline, at: Instant| {
            if at < due.1 {
                due = (deadline, at);
            }
        };
        if let Some(at) = self.run_wall {
            consider(Deadline::Wall, at);
        }
        if self.held {
            return due;
        }
        if let Some(result) = self.result {
            if !self.lingering {
                consider(Deadline::GraceAfterResult, result + self.round.grace_after_result.0);
            }
            return due;
        }
        if !self.begun {
            consider(Deadline::FirstEvent, self.started + self.round.first_event.0);
        }
        if let Some(last) = self.last_event.filter(|_| self.tools.is_empty()) {
            consider(Deadline::Stall, last + self.round.stall.0);
        }
        if let Some(since) = self.retrying {
            consider(Deadline::OwnRetries, since + self.patience);
        }
        for called in self.tools.values() {
            consider(Deadline::Tool, *called + self.round.tool.0);
        }
        due
    }

    /// What a deadline means once it has passed; `None` where that is no failure.
    pub(crate) fn class(deadline: Deadline) -> Option<FaultClass> {
        match deadline {
            Deadline::Timeout => Some(FaultClass::RoundTimeout),
            Deadline::FirstEvent => Some(FaultClass::FirstEventTimeout),
            Deadline::Stall => Some(FaultClass::Stall),
            Deadline::Tool => Some(FaultClass::ToolStall),
            Deadline::Wall => Some(FaultClass::BudgetLimit),
            // What the agent met is what it failed of.
            Deadline::OwnRetries | Deadline::GraceAfterResult => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::element::Period;

    fn deadlines(t0: Instant) -> Deadlines {
        let seconds = |s| Period(Duration::from_secs(s));
        let round = Round {
            timeout: seconds(1000),
            first_event: seconds(90),
            stall: seconds(200),
            tool: seconds(300),
            grace: seconds(10),
            grace_after_result: seconds(20),
        };
        Deadlines::new(&round, t0, t0, None, Duration::from_mins(1))
    }

    fn at(t0: Instant, seconds: u64) -> Instant {
        t0 + Duration::from_secs(seconds)
    }

    #[test]
    fn nothing_yet_is_first_event() {
        let t0 = Instant::now();
        assert_eq!(deadlines(t0).next(), (Deadline::FirstEvent, at(t0, 90)));
    }

    /// M4: an agent that says that it is there, and whose model never answers.
    #[test]
    fn a_sign_of_life_is_no_first_event() {
        let t0 = Instant::now();
        let mut d = deadlines(t0);
        d.alive(at(t0, 10));
        assert_eq!(d.next(), (Deadline::FirstEvent, at(t0, 90)));
        d.begun(at(t0, 80));
        assert_eq!(d.next(), (Deadline::Stall, at(t0, 280)));
    }

    #[test]
    fn a_tool_in_flight_suspends_the_stall() {
        let t0 = Instant::now();
        let mut d = deadlines(t0);
        d.begun(at(t0, 10));
        assert_eq!(d.next(), (Deadline::Stall, at(t0, 210)));
        d.tool_called(ToolId::new("a"), at(t0, 20));
        assert_eq!(d.next(), (Deadline::Tool, at(t0, 320)));
        d.tool_returned(&ToolId::new("a"));
        d.alive(at(t0, 250));
        assert_eq!(d.next(), (Deadline::Stall, at(t0, 450)));
    }

    /// D16: a retry loop is no activity; it is given the wait budget and no more.
    #[test]
    fn the_agents_own_retries_are_bounded_until_it_gets_on() {
        let t0 = Instant::now();
        let mut d = deadlines(t0);
        d.retrying(at(t0, 10));
        d.retrying(at(t0, 40));
        assert_eq!(d.next(), (Deadline::OwnRetries, at(t0, 70)));
        d.begun(at(t0, 50));
        assert_eq!(d.next(), (Deadline::Stall, at(t0, 250)));
    }

    #[test]
    fn who_waits_for_leave_is_not_late_and_each_request_has_its_first_event() {
        let t0 = Instant::now();
        let mut d = deadlines(t0);
        d.held();
        assert_eq!(d.next(), (Deadline::Timeout, at(t0, 1000)));
        d.asked(at(t0, 100));
        assert_eq!(d.next(), (Deadline::FirstEvent, at(t0, 190)));
        d.begun(at(t0, 120));
        d.asked(at(t0, 150));
        assert_eq!(d.next(), (Deadline::FirstEvent, at(t0, 240)));
    }

    #[test]
    fn activity_never_moves_the_wall() {
        let t0 = Instant::now();
        let mut d = deadlines(t0);
        d.begun(at(t0, 999));
        assert_eq!(d.next(), (Deadline::Timeout, at(t0, 1000)));
    }

    #[test]
    fn after_the_result_only_the_grace_and_the_wall_count() {
        let t0 = Instant::now();
        let mut d = deadlines(t0);
        d.begun(at(t0, 1));
        d.tool_called(ToolId::new("a"), at(t0, 1));
        d.result_seen(at(t0, 2));
        assert_eq!(d.next(), (Deadline::GraceAfterResult, at(t0, 22)));
        d.lingers();
        assert_eq!(d.next(), (Deadline::Timeout, at(t0, 1000)));
    }

    #[test]
    fn the_wall_of_the_run_counts_too() {
        let t0 = Instant::now();
        let mut d = deadlines(t0);
        d.run_wall = Some(at(t0, 5));
        assert_eq!(d.next(), (Deadline::Wall, at(t0, 5)));
    }
}
