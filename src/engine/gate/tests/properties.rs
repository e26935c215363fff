//! What holds of a gate whatever is asked of it, in whatever order.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::event::Provenance;

const SOURCES: [&str; 6] = ["user", "retry", "fallback:1", "fallback:2", "steer:1", "steer:2"];
const OWNERS: [&str; 8] =
    ["user", "retry", "fallback:1", "steer:2", "fallback:", "steer:", "retry,fallback:", "nobody"];
const SESSIONS: [&[Seen]; 5] = [
    &[],
    &[Seen::Prompted(Provenance::User), Seen::Began],
    &[Seen::Began, Seen::Questioned, Seen::Finished { calls: 0 }],
    &[Seen::Began, Seen::ToolCalled, Seen::EndedByUs],
    &[Seen::Readable(false)],
];

#[derive(Clone, Debug)]
enum Act {
    Ask { source: usize, text: u8, defer: bool, wait: Option<u64> },
    GoOn { source: usize },
    Pass(u64),
    See(usize),
    Result { what: u8, stale: bool },
    Cancel(usize),
    Release(usize),
    Replace(usize, usize),
    Drain,
}

fn act() -> impl Strategy<Value = Act> {
    let source = 0..SOURCES.len();
    let owner = 0..OWNERS.len();
    prop_oneof![
        6 => (source.clone(), 0..5_u8, any::<bool>(), proptest::option::of(0..40_000_u64))
            .prop_map(|(source, text, defer, wait)| Act::Ask { source, text, defer, wait }),
        1 => source.prop_map(|source| Act::GoOn { source }),
        3 => prop_oneof![0..300_u64, 1_900..2_100_u64, 10_000..35_000_u64].prop_map(Act::Pass),
        2 => (0..SESSIONS.len()).prop_map(Act::See),
        6 => (0..5_u8, proptest::bool::weighted(0.2)).prop_map(|(what, stale)| Act::Result { what, stale }),
        1 => owner.clone().prop_map(Act::Cancel),
        1 => owner.clone().prop_map(Act::Release),
        1 => (owner.clone(), owner).prop_map(|(cancel, release)| Act::Replace(cancel, release)),
        4 => Just(Act::Drain),
    ]
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    proptest::collection::vec(act(), 1..60)
}

/// A gate, and what must be true of it.
struct Watched {
    gate: Gate<String>,
    now: Instant,
    session: Session,
    /// The prompt that is out: sent, and nothing heard of it that ends it.
    live: Option<(Ticket, Source)>,
    tickets: Vec<Ticket>,
    open: BTreeSet<Wait>,
    ended: BTreeSet<Wait>,
}

impl Watched {
    fn new() -> Self {
        Self {
            gate: Gate::new(Limits::default()),
            now: Instant::now(),
            session: Session::default(),
            live: None,
            tickets: Vec::new(),
            open: BTreeSet::new(),
            ended: BTreeSet::new(),
        }
    }

    fn sent(&mut self, sending: Sending<String>) {
        assert_eq!(self.live, None, "a second prompt while one is out");
        assert!(
            self.tickets.last().is_none_or(|last| *last < sending.ticket),
            "a generation that does not grow"
        );
        assert!(!self.session.blocks(&sending.source), "sent into a session that is at work");
        self.tickets.push(sending.ticket);
        self.live = Some((sending.ticket, sending.source));
    }

    fn drained(&mut self, drained: Drained<String>) {
        for settled in drained.settled {
            assert!(self.open.remove(&settled.wait), "ended, and was not open: {settled:?}");
            assert!(self.ended.insert(settled.wait), "ended twice: {settled:?}");
        }
        for ticket in drained.lapsed {
            self.live = self.live.take().filter(|(live, _)| *live != ticket);
        }
        if let Some(sending) = drained.send {
            self.sent(sending);
        }
    }

    fn ask(&mut self, prompt: Prompt<String>) {
        let defers = prompt.mode == Mode::Defer;
        let before = self.gate.state.queue.len();
        let idle = self.gate.is_idle();
        // What has had its time is known before a new one can be sent.
        let passed = self.gate.cancel(&whose("nobody"), self.now);
        assert_eq!(passed, 0);
        self.drop_lapsed();
        match self.gate.ask(prompt, self.now, self.session) {
            Asked::Dispatch(sending) => self.sent(sending),
            Asked::Queued { wait, position, .. } => {
                assert!(!defers || position == 0, "a deferred prompt waits");
                assert!(self.open.insert(wait), "a wait twice");
            }
            Asked::Active | Asked::Reserved | Asked::Unavailable => {
                assert!(defers, "one that may wait is told no");
                assert!(self.gate.state.queue.len() <= before);
                assert!(!idle || self.session != Session::default(), "told no for nothing");
            }
        }
    }

    /// Takes note of what has lapsed and is not reported yet.
    fn drop_lapsed(&mut self) {
        let lapsed = self.gate.lapsed.clone();
        self.live = self.live.take().filter(|(live, _)| !lapsed.contains(live));
    }

    fn give_back(&mut self, whose: &Whose, state: &State<String>) {
        // The owner says that its prompt is over.
        let free = state
            .held
            .as_ref()
            .is_none_or(|held| self.live.as_ref().is_none_or(|(live, _)| *live != held.ticket));
        if free && let Some((_, source)) = self.live.take() {
            assert!(whose.means(&source), "taken from {source:?} by {whose:?}");
            assert!(!source.is_user() || *whose == Whose::Exactly(source), "taken from the user");
        }
    }

    fn act(&mut self, act: &Act) {
        let (now, session) = (self.now, self.session);
        match *act {
            Act::Ask { source, text, defer, wait } => {
                let content = json!({ "text": text });
                let prompt = Prompt::turn(Source::new(SOURCES[source]), &content, text.to_string());
                let expires = wait.map(|wait| now + Duration::from_millis(wait));
                let mode = if defer { Mode::Defer } else { Mode::Enqueue };
                self.ask(Prompt { mode, expires, ..prompt });
            }
            Act::GoOn { source } => {
                self.ask(Prompt::continuation(Source::new(SOURCES[source]), "go on".to_owned()));
            }
            Act::Pass(millis) => self.now += Duration::from_millis(millis),
            Act::See(place) => {
                self.session = SESSIONS[place].iter().fold(Session::default(), |s, seen| s.then(*seen));
            }
            Act::Result { what, stale } => self.result(what, stale),
            Act::Cancel(who) => {
                self.gate.cancel(&whose(OWNERS[who]), now);
                self.drop_lapsed();
            }
            Act::Release(who) => {
                let whose = whose(OWNERS[who]);
                self.gate.cancel(&super::whose("nobody"), now);
                self.drop_lapsed();
                let mut after = self.gate.clone();
                after.give_back(&whose, now);
                self.give_back(&whose, &after.state);
                let drained = self.gate.release(&whose, now, session);
                self.drained(drained);
            }
            Act::Replace(cancel, release) => {
                let (cancel, release) = (whose(OWNERS[cancel]), whose(OWNERS[release]));
                self.gate.cancel(&super::whose("nobody"), now);
                self.drop_lapsed();
                let mut after = self.gate.clone();
                after.cancel(&cancel, now);
                after.give_back(&release, now);
                self.give_back(&release, &after.state);
                let drained = self.gate.cancel_and_release(&cancel, &release, now, session);
                let sent = drained.send.as_ref().map(|sending| sending.source.clone());
                assert!(sent.is_none_or(|source| !cancel.means(&source)), "sent what was cancelled");
                self.drained(drained);
            }
            Act::Drain => {
                let drained = self.gate.drain(now, session);
                self.drained(drained);
            }
        }
        let held = self.gate.state.held.as_ref();
        assert!(
            held.is_none_or(|held| self.gate.state.queue.iter().all(|entry| entry.key != held.entry.key))
        );
        assert!(self.gate.is_idle() || self.gate.next_deadline(now).is_some(), "nobody would come back");
    }

    fn result(&mut self, what: u8, stale: bool) {
        let now = self.now;
        let ticket = if stale { self.tickets.first() } else { self.tickets.last() };
        let Some(ticket) = ticket.copied() else { return };
        self.gate.cancel(&whose("nobody"), now);
        self.drop_lapsed();
        let before = self.gate.state.clone();
        let counted = match what {
            0 => self.gate.accepted(ticket, now),
            1 => self.gate.maybe_accepted(ticket, now),
            2 => self.gate.refused(ticket, now),
            _ => self.gate.failed(ticket, what == 3, now),
        };
        let is_live = self.live.as_ref().is_some_and(|(live, _)| *live == ticket);
        if !is_live {
            assert!(!counted, "an older generation counted");
        }
        if !counted {
            assert_eq!(self.gate.state, before, "and changed something");
        }
        if counted && what != 1 {
            self.live = None;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// At most one prompt is out; each wait ends in exactly one outcome, and all of them end.
    #[test]
    fn one_at_a_time_and_every_wait_ends(acts in acts()) {
        let mut watched = Watched::new();
        for act in &acts {
            watched.act(act);
        }
        watched.gate.close(watched.now);
        watched.drop_lapsed();
        watched.now += Duration::from_secs(31);
        watched.act(&Act::Drain);
        prop_assert!(watched.open.is_empty(), "never ended: {:?}", watched.open);
        prop_assert_eq!(watched.gate.next_deadline(watched.now), None);
    }

    /// Without anybody to give anything back, what waits is sent or expires by itself: the deadlines alone drive it.
    #[test]
    fn deadlines_alone_empty_the_queue(acts in acts()) {
        let mut watched = Watched::new();
        for act in &acts {
            watched.act(act);
        }
        watched.session = Session::default();
        for _ in 0..500 {
            let Some(due) = watched.gate.next_deadline(watched.now) else { break };
            watched.now = watched.now.max(due);
            watched.act(&Act::Drain);
        }
        prop_assert!(watched.gate.is_idle());
        prop_assert!(watched.open.is_empty(), "never ended: {:?}", watched.open);
    }

    /// I-2: refused, all is as it was.
    #[test]
    fn refused_is_as_if_never_asked(acts in acts(), source in 0..SOURCES.len(), text in any::<u8>(), defer: bool) {
        let mut watched = Watched::new();
        for act in &acts {
            watched.act(act);
        }
        watched.session = Session::default();
        let (now, session) = (watched.now, watched.session);
        watched.gate.cancel(&whose("nobody"), now);
        let before = watched.gate.state.clone();
        if let Some(sending) = watched.gate.drain(now, session).send {
            prop_assert_ne!(&watched.gate.state, &before);
            prop_assert!(watched.gate.refused(sending.ticket, now));
            prop_assert_eq!(&watched.gate.state, &before);
        }
        let mode = if defer { Mode::Defer } else { Mode::Enqueue };
        let prompt = Prompt::turn(Source::new(SOURCES[source]), &json!(text), text.to_string());
        if let Asked::Dispatch(sending) = watched.gate.ask(Prompt { mode, ..prompt }, now, session) {
            prop_assert!(watched.gate.failed(sending.ticket, false, now));
            prop_assert_eq!(&watched.gate.state, &before);
        }
    }

    /// I-9: what waits is sent in the order in which it was asked for, without what was cancelled, refusals or not.
    #[test]
    fn first_in_first_out(
        asked in proptest::collection::vec((1..SOURCES.len(), proptest::bool::weighted(0.2)), 1..20),
        cancelled in 0..OWNERS.len(),
    ) {
        let mut play = Play::new();
        play.step(&Step::Ask("owner", json!("out"), Told::Go));
        play.step(&Step::Accepted);
        for (place, (source, _)) in asked.iter().enumerate() {
            let prompt = Prompt::turn(Source::new(SOURCES[*source]), &json!(place), place.to_string());
            prop_assert_eq!(play.ask(prompt), Told::Queued(place + 1));
        }
        let cancelled = whose(OWNERS[cancelled]);
        let kept = |source: usize| !cancelled.means(&Source::new(SOURCES[source]));
        let expected: Vec<String> = (0..asked.len()).filter(|place| kept(asked[*place].0)).map(|place| place.to_string()).collect();
        let first = play.gate.cancel_and_release(&cancelled, &whose("owner"), play.now, play.session);
        prop_assert_eq!(first.cancelled, asked.len() - expected.len());
        let mut arrived = Vec::new();
        let mut next = play.drained(first);
        let mut refusals: Vec<bool> = asked.iter().map(|(_, refused)| *refused).collect();
        while let Some(text) = next {
            let ticket = *play.tickets.last().unwrap();
            if refusals.pop() == Some(true) {
                prop_assert!(play.gate.refused(ticket, play.now));
            } else {
                prop_assert!(play.gate.accepted(ticket, play.now));
                arrived.push(text);
            }
            play.now += Duration::from_secs(2);
            let drained = play.gate.drain(play.now, play.session);
            next = play.drained(drained);
        }
        prop_assert_eq!(arrived, expected);
    }
}
