//! The fold of a turn of the user: what counts, when it counts, and that it does not matter where the fold began.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::super::Tally;
use super::Turn;
use crate::event::{
    AttemptFailed, AttemptFinished, AttemptNumber, AttemptRetrying, AttemptStarted, Event, Failure,
    FallbackSwitched, FaultClass, Kind, NodeId, Opening, RoundEnded, RoundNumber, RoundOutcome, RoundStarted,
    Seq, ToolCalled, ToolId, ToolReturned, TurnEnded, TurnNumber, WaitEnded, WaitStarted,
};

/// A step of a history, in a word.
#[derive(Clone, Debug)]
enum Word {
    Round(u64),
    /// An attempt at this candidate that begins like this.
    Starts(u64, Opening),
    /// The candidate has taken the request after another one.
    Takes(u64),
    Fails(FaultClass, &'static str),
    /// It was not asked at all.
    NotAsked,
    /// The agent's own retry, with this delay.
    Retries(u64),
    /// A wait of so many milliseconds; of the attempt, when one is open.
    Waits(i64),
    Says,
    Calls(u64),
    Returns(u64),
    Answers,
    Settles,
}

use Word::{Answers, Calls, Fails, NotAsked, Retries, Returns, Round, Says, Settles, Starts, Takes, Waits};

/// The events of a history, one a second.
fn events(words: &[Word]) -> Vec<Event> {
    let (mut seq, mut attempt, mut round) = (0, 0, 1);
    let mut at: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
    let mut events = Vec::new();
    for word in words {
        let mut push = |kind: Kind, after: i64| {
            seq += 1;
            at = at.checked_add(SignedDuration::from_millis(after)).unwrap();
            events.push(Event { seq: Seq(seq), at, node: NodeId::root(), kind });
        };
        let failed =
            |failure| AttemptFailed { attempt: AttemptNumber(attempt), failure, partial_sha256: None };
        match word {
            Round(number) => {
                (round, attempt) = (*number, 0);
                push(RoundStarted::plain(RoundNumber(round)).into(), 1000);
            }
            Starts(candidate, opening) => {
                attempt += 1;
                let started = AttemptStarted {
                    round: RoundNumber(round),
                    attempt: AttemptNumber(attempt),
                    model: None,
                    session: None,
                    candidate: *candidate,
                    opening: *opening,
                };
                push(started.into(), 1000);
            }
            Takes(candidate) => {
                let (from, to, why) = ("a".to_owned(), "b".to_owned(), "overloaded".to_owned());
                push(FallbackSwitched { from, to, why, candidate: *candidate }.into(), 1000);
            }
            Fails(class, evidence) => push(failed(Failure::ours(*class, *evidence)).into(), 1000),
            NotAsked => {
                push(failed(Failure::ours(FaultClass::QuotaExhausted, "wait").unasked()).into(), 1000);
            }
            Retries(delay) => {
                let evidence = "busy".to_owned();
                push(
                    AttemptRetrying { attempt: 1, delay_ms: Some(*delay), status: None, evidence }.into(),
                    1000,
                );
            }
            Waits(length) => {
                push(WaitStarted { reason: "r".to_owned(), until: Timestamp::MAX, cause: None }.into(), 1000);
                push(WaitEnded { complete: true }.into(), *length);
            }
            Says => {
                let preview = "words".to_owned();
                let turn = TurnEnded {
                    turn: TurnNumber(1),
                    message_sha256: None,
                    preview,
                    tool_calls: 0,
                    usage: None,
                    source: None,
                };
                push(turn.into(), 1000);
            }
            Calls(id) => {
                let (id, name) = (ToolId::new(id.to_string()), "bash".to_owned());
                push(ToolCalled { id, name, about: String::new() }.into(), 1000);
            }
            Returns(id) => {
                let id = ToolId::new(id.to_string());
                push(ToolReturned { id, ok: true, bytes: 0, result_sha256: None }.into(), 1000);
            }
            Answers => {
                let attempt = AttemptNumber(attempt);
                push(AttemptFinished { attempt, stop_reason: None, output_sha256: None }.into(), 1000);
            }
            Settles => {
                let ended = RoundEnded {
                    round: RoundNumber(round),
                    outcome: RoundOutcome::Answered,
                    duration_ms: 1,
                    output_sha256: None,
                    failure: None,
                };
                push(ended.into(), 1000);
            }
        }
    }
    events
}

fn fold(words: &[Word]) -> Tally {
    folded(Tally::default(), &events(words))
}

fn folded(mut tally: Tally, events: &[Event]) -> Tally {
    for event in events {
        tally.apply(event);
    }
    tally
}

fn turn(words: &[Word]) -> Turn {
    fold(words).open.unwrap().turn
}

const FRESH: Opening = Opening::Fresh;
const BUSY: Word = Fails(FaultClass::Overloaded, "busy 1");
const DOWN: Word = Fails(FaultClass::ServerError, "down");

/// What a history comes to: retries, fallbacks, failures alike, candidates alike, waited.
type Counts = (u64, u64, u64, u64, u64);

#[test]
fn each_history_counts_what_it_says() {
    let rows: &[(&str, &str, &[Word], Counts)] = &[
        ("first", "the first attempt is no retry", &[Starts(0, FRESH)], (0, 0, 0, 0, 0)),
        (
            "retry",
            "the same candidate again",
            &[Starts(0, FRESH), BUSY, Starts(0, FRESH), BUSY, Starts(0, FRESH)],
            (2, 0, 2, 1, 0),
        ),
        (
            "B17",
            "a candidate that is about to be asked uses nothing up yet",
            &[Starts(0, FRESH), BUSY, Starts(1, FRESH)],
            (0, 0, 1, 1, 0),
        ),
        (
            "B5",
            "and does when it has taken the request",
            &[Starts(0, FRESH), BUSY, Starts(1, FRESH), Takes(1)],
            (0, 1, 1, 1, 0),
        ),
        (
            "B10",
            "or has refused it",
            &[Starts(0, FRESH), BUSY, Starts(1, FRESH), DOWN, Starts(2, FRESH), BUSY],
            (0, 2, 1, 1, 0),
        ),
        (
            "B17-blocked",
            "who was not asked uses nothing up at all",
            &[Starts(0, FRESH), BUSY, Starts(1, FRESH), NotAsked, Starts(2, FRESH), Takes(2)],
            (0, 1, 1, 1, 0),
        ),
        (
            "taken-then-failed",
            "a step counts once",
            &[Starts(0, FRESH), BUSY, Starts(1, FRESH), Takes(1), Says, DOWN, Starts(1, Opening::Carried)],
            (1, 1, 1, 1, 0),
        ),
        (
            "retries-anew",
            "another candidate has its own retries",
            &[Starts(0, FRESH), BUSY, Starts(0, FRESH), BUSY, Starts(1, FRESH)],
            (0, 0, 2, 1, 0),
        ),
        (
            "B21",
            "that a turn begins elsewhere is no step of it",
            &[Starts(2, FRESH), Takes(2)],
            (0, 0, 0, 0, 0),
        ),
        (
            "back",
            "and neither is the way back after a long wait",
            &[Starts(0, FRESH), BUSY, Starts(1, FRESH), DOWN, Waits(500), Starts(0, FRESH), Takes(0)],
            (0, 1, 1, 1, 500),
        ),
        (
            "alike",
            "the same words with other numbers, on ever more candidates",
            &[
                Starts(0, FRESH),
                BUSY,
                Starts(1, FRESH),
                Fails(FaultClass::Overloaded, "busy 22"),
                Starts(2, FRESH),
                Fails(FaultClass::Overloaded, "busy 333"),
            ],
            (0, 2, 3, 3, 0),
        ),
        (
            "E1",
            "an attempt that provost ended itself is no retry when it is made again",
            &[Starts(0, FRESH), Fails(FaultClass::SelfAbort, "killed"), Starts(0, FRESH)],
            (0, 0, 1, 1, 0),
        ),
        (
            "D16",
            "the delays of the agent's own retries are waits of the turn",
            &[Starts(0, FRESH), Retries(300), Retries(600), BUSY, Waits(250), Starts(0, FRESH)],
            (1, 0, 1, 1, 1150),
        ),
        (
            "place",
            "a wait for a place, within an attempt, is not",
            &[Starts(0, FRESH), Waits(700), BUSY],
            (0, 0, 1, 1, 0),
        ),
        (
            "compacted",
            "a conversation that was told shorter is no retry",
            &[
                Starts(0, FRESH),
                Says,
                Fails(FaultClass::ContextOverflow, "large"),
                Starts(0, Opening::Retold),
            ],
            (0, 0, 1, 1, 0),
        ),
        (
            "B11",
            "the next turn of the user begins with nothing",
            &[
                Starts(0, FRESH),
                BUSY,
                Starts(1, FRESH),
                Takes(1),
                Answers,
                Settles,
                Round(2),
                Starts(0, FRESH),
            ],
            (0, 0, 0, 0, 0),
        ),
    ];
    for (id, says, words, counts) in rows {
        let words: Vec<Word> = std::iter::once(Round(1)).chain(words.iter().cloned()).collect();
        let turn = turn(&words);
        let counted =
            (turn.retries, turn.fallbacks, turn.identical, turn.identical_candidates, turn.waited_ms);
        assert_eq!(counted, *counts, "{id}: {says}");
    }
}

#[test]
fn the_steps_of_a_conversation_begin_where_it_does() {
    let rows: &[(&str, &[Word], u64, u64)] = &[
        ("fresh", &[Starts(0, FRESH), Says], 2, 0),
        ("carried", &[Starts(0, FRESH), Says, BUSY, Starts(0, Opening::Carried)], 2, 0),
        ("carried-on", &[Starts(0, FRESH), Says, BUSY, Starts(1, Opening::Carried), Takes(1)], 2, 0),
        ("retold", &[Starts(0, FRESH), Says, BUSY, Starts(1, Opening::Retold)], 5, 1),
        ("resumed", &[Starts(0, FRESH), Says, BUSY, Starts(0, Opening::Resumed)], 5, 0),
    ];
    for (id, words, from, by) in rows {
        let words: Vec<Word> = std::iter::once(Round(1)).chain(words.iter().cloned()).collect();
        let turn = turn(&words);
        assert_eq!((turn.steps_from, turn.steps_by), (Seq(*from), *by), "{id}");
    }
}

/// A conversation that goes on, at once or when the run is taken up again, begins as it began.
#[test]
fn what_a_conversation_was_told_at_its_beginning_is_kept() {
    let before = [Round(1), Starts(0, FRESH), Says, Calls(1), Returns(1), BUSY];
    let then = |words: &[Word]| turn(&before.iter().chain(words).cloned().collect::<Vec<_>>());
    let told = |turn: &Turn| turn.told().map(|deed| deed.id.to_string()).collect::<Vec<_>>();
    let retold = [Starts(1, Opening::Retold), Says, Calls(2), Returns(2), BUSY];
    let rows: [(&str, Turn, Opening, &[&str], &str); 4] = [
        ("fresh", then(&[]), FRESH, &[], ""),
        ("retold", then(&retold), Opening::Retold, &["1"], "words"),
        (
            "went on",
            then(&[&retold[..], &[Starts(1, Opening::Carried)]].concat()),
            Opening::Retold,
            &["1"],
            "words",
        ),
        (
            "again",
            then(&[&retold[..], &[Starts(2, Opening::Retold)]].concat()),
            Opening::Retold,
            &["1", "2"],
            "words",
        ),
    ];
    for (id, turn, began, deeds, words) in rows {
        assert_eq!(turn.began, began, "{id}");
        assert_eq!(told(&turn), deeds, "{id}");
        assert_eq!(turn.words_told, words, "{id}");
    }
}

#[test]
fn a_retold_conversation_is_compacted_only_at_the_same_candidate() {
    let begun = [Round(1), Starts(0, FRESH), Says, Fails(FaultClass::ContextOverflow, "large")];
    let then = |last: Word| begun.iter().cloned().chain([last]).collect::<Vec<_>>();
    assert!(turn(&then(Starts(0, Opening::Retold))).compacted);
    assert!(!turn(&then(Starts(1, Opening::Retold))).compacted, "it was told to another one");
}

#[test]
fn whoever_took_the_last_request_is_known_beyond_the_turn() {
    let asked = [Round(1), Starts(0, FRESH), BUSY, Starts(1, FRESH)];
    assert_eq!(fold(&asked).candidate, 0, "I-2: nothing has changed before it is taken");
    let taken: Vec<Word> = asked.iter().cloned().chain([Takes(1), Answers, Settles]).collect();
    assert_eq!(fold(&taken).candidate, 1);
}

fn any_word() -> impl Strategy<Value = Word> {
    let opening =
        prop_oneof![Just(FRESH), Just(Opening::Carried), Just(Opening::Resumed), Just(Opening::Retold)];
    prop_oneof![
        (1_u64..3).prop_map(Round),
        (0_u64..4, opening).prop_map(|(candidate, opening)| Starts(candidate, opening)),
        (0_u64..4).prop_map(Takes),
        (0_usize..24, prop_oneof![Just("busy 1"), Just("busy 2"), Just("down")])
            .prop_map(|(class, evidence)| Fails(crate_class(class), evidence)),
        Just(NotAsked),
        (0_u64..5000).prop_map(Retries),
        (0_i64..5000).prop_map(Waits),
        Just(Says),
        (0_u64..100).prop_map(Calls),
        (0_u64..100).prop_map(Returns),
        Just(Answers),
        Just(Settles),
    ]
}

fn crate_class(place: usize) -> FaultClass {
    [FaultClass::Overloaded, FaultClass::SelfAbort, FaultClass::Transport, FaultClass::Auth][place % 4]
}

proptest! {
    /// A run that is taken up again anywhere knows what one that went on knows: folded from a checkpoint and from the
    /// journal behind it, of which the first lines may be known already.
    #[test]
    fn a_fold_is_the_same_wherever_it_is_taken_up(
        words in proptest::collection::vec(any_word(), 0..120),
        at in any::<prop::sample::Index>(),
        again in any::<prop::sample::Index>(),
    ) {
        let words: Vec<Word> = std::iter::once(Round(1)).chain(words).collect();
        let events = events(&words);
        let whole = folded(Tally::default(), &events);
        let before = folded(Tally::default(), &events[..at.index(events.len())]);
        let kept = serde_json::to_vec(&before).unwrap();
        let taken_up: Tally = serde_json::from_slice(&kept).unwrap();
        prop_assert_eq!(&taken_up, &before);
        let from = again.index(at.index(events.len()) + 1);
        let taken_up = folded(taken_up, &events[from..]);
        prop_assert_eq!(taken_up, whole);
    }

    /// I-2, I-4: steps along the chain are never more than the attempts that follow another one, and only a step forward
    /// is one; no history makes the fold larger than it may be.
    #[test]
    fn no_history_counts_more_than_it_has(words in proptest::collection::vec(any_word(), 0..200)) {
        let words: Vec<Word> = std::iter::once(Round(1)).chain(words).collect();
        let mut tally = Tally::default();
        let (mut started, mut forward, mut last) = (0_u64, 0_u64, 0);
        let mut known = false;
        for event in events(&words) {
            let before = tally.open.as_ref().map(|open| open.turn.clone());
            tally.apply(&event);
            match &event.kind {
                Kind::RoundStarted(_) => (started, forward, last, known) = (0, 0, 0, true),
                Kind::AttemptStarted(attempt) => {
                    started += 1;
                    forward += u64::from(started > 1 && attempt.candidate > last);
                    last = attempt.candidate;
                }
                Kind::FallbackSwitched(switched) => last = switched.candidate,
                Kind::RoundEnded(_) => known = false,
                _ => {}
            }
            let Some(open) = tally.open.as_ref().filter(|_| known) else { continue };
            prop_assert!(open.turn.fallbacks <= forward);
            prop_assert!(open.turn.retries <= started.saturating_sub(1));
            prop_assert!(open.turn.identical_candidates <= open.turn.identical.max(1));
            prop_assert!(open.turn.deeds.len() <= 64);
            if let (Some(before), Kind::AttemptStarted(_)) = (before, &event.kind) {
                prop_assert_eq!(open.turn.fallbacks, before.fallbacks, "nothing counts before it is taken");
            }
        }
    }
}
