//! The soft limit of our control group, on files that stand for it.

use proptest::prelude::*;

use super::fixture::{Tree, settings, stalls};
use crate::event::{DefenseActed, Event, Kind, NodeId, RoundNumber, Seq, Tally};
use crate::profile::Host;
use crate::supervise::host::{Brake, Braked, MIB, Pressure, Sample, pressure};

fn on(step: u32) -> Host {
    Host { brake: true, brake_step_pct: step, ..settings() }
}

fn group(high: &str, current: u64) -> Tree {
    let tree = Tree::with_group();
    tree.put_leaf("memory.high", high).put_leaf("memory.current", &current.to_string());
    tree
}

fn short() -> Pressure {
    pressure(&settings(), None, &stalls(0.0, 9.0))
}

/// What each look says: `.` nothing, `E` engaged, `R` released, `F` failed.
fn looks(brake: &mut Brake, settings: &Host, pressures: &[Pressure]) -> String {
    let letter = |done: Option<Braked>| match done {
        None => '.',
        Some(Braked::Engaged(_)) => 'E',
        Some(Braked::Released(_)) => 'R',
        Some(Braked::Failed(_)) => 'F',
    };
    pressures.iter().map(|pressure| letter(brake.look(settings, pressure))).collect()
}

/// Scar "write mechanisms off by default": by its defaults nothing is ever written to a control group.
#[test]
fn is_the_brake_off_by_default() {
    assert!(!settings().brake);
    let tree = group("max\n", 900 * MIB);
    let mut brake = Brake::new(&tree.leaf());
    assert_eq!(looks(&mut brake, &settings(), &vec![short(); 20]), ".".repeat(20));
    assert_eq!(tree.leaf_has("memory.high"), "max\n");
}

#[test]
fn the_third_look_in_a_row_lowers_and_the_third_quiet_one_gives_back() {
    let (p, q) = (short(), Pressure::None);
    let rows: [(&str, &[&Pressure], &str, &str); 5] = [
        ("two are not enough", &[&p, &p], "..", "max\n"),
        ("a quiet one between", &[&p, &p, &q, &p, &p], ".....", "max\n"),
        ("lowered once", &[&p, &p, &p, &p, &p, &p, &p], "..E....", "849346560"),
        ("two quiet ones do not give back", &[&p, &p, &p, &q, &q, &p, &q, &q], "..E.....", "849346560"),
        ("given back", &[&p, &p, &p, &q, &q, &q, &q], "..E..R.", "max"),
    ];
    for (id, pressures, want, high) in rows {
        let tree = group("max\n", 900 * MIB);
        let mut brake = Brake::new(&tree.leaf());
        let pressures: Vec<Pressure> = pressures.iter().map(|one| (*one).clone()).collect();
        assert_eq!(looks(&mut brake, &on(10), &pressures), want, "{id}");
        assert_eq!(tree.leaf_has("memory.high"), high, "{id}");
        assert_eq!(brake.is_engaged(), high != "max" && high != "max\n", "{id}");
    }
}

#[test]
fn it_is_lowered_by_the_step_and_never_raised() {
    let rows = [
        ("by 10 %", 10, "max", 1000 * MIB, Some(900 * MIB)),
        ("by 0 %", 0, "max", 1000 * MIB, Some(1000 * MIB)),
        ("by 50 %", 50, "max", 1000 * MIB, Some(500 * MIB)),
        ("64 MiB at least", 50, "max", 128 * MIB, Some(64 * MIB)),
        ("little in use", 50, "max", 128 * MIB - 1, None),
        ("from a limit above", 10, "1048576000", 1000 * MIB, Some(900 * MIB)),
        ("a limit that is as low", 10, "943718400", 1000 * MIB, None),
        ("a limit below", 10, "100000000", 1000 * MIB, None),
    ];
    for (id, step, high, current, want) in rows {
        let tree = group(high, current);
        let mut brake = Brake::new(&tree.leaf());
        let said = looks(&mut brake, &on(step), &vec![short(); 3]);
        assert_eq!(said, if want.is_some() { "..E" } else { "..." }, "{id}");
        let page = super::super::sampler::page();
        let want = want.map_or(high.to_owned(), |bytes| (bytes / page * page).to_string());
        assert_eq!(tree.leaf_has("memory.high"), want, "{id}");
        drop(brake);
        assert_eq!(tree.leaf_has("memory.high"), high, "{id}: given back");
    }
}

#[test]
fn it_is_given_back_at_the_end_of_a_round_and_when_it_is_dropped() {
    let tree = group("max\n", 900 * MIB);
    let mut brake = Brake::new(&tree.leaf());
    looks(&mut brake, &on(10), &vec![short(); 3]);
    let said = brake.release("the round has ended").unwrap();
    assert_eq!(said, Braked::Released("the round has ended; memory.high is max again".to_owned()));
    assert_eq!((tree.leaf_has("memory.high").as_str(), brake.release("again")), ("max", None));

    // It can be lowered anew afterwards, after three looks as ever.
    assert_eq!(looks(&mut brake, &on(10), &vec![short(); 3]), "..E");
    drop(brake);
    assert_eq!(tree.leaf_has("memory.high"), "max");
}

#[test]
fn is_a_limit_that_another_has_set_left_alone() {
    let tree = group("max\n", 900 * MIB);
    let mut brake = Brake::new(&tree.leaf());
    looks(&mut brake, &on(10), &vec![short(); 3]);
    tree.put_leaf("memory.high", "777777152\n");
    let Some(Braked::Released(said)) = brake.release("over") else { panic!("it was engaged") };
    assert_eq!(said, "over; memory.high is no longer what was written, and is left as it is");
    assert_eq!(tree.leaf_has("memory.high"), "777777152\n");
}

/// Two members of a fleet live in one group: the second must not take the first one's limit for the one to give back.
#[test]
fn do_two_brakes_on_one_group_give_the_right_limit_back() {
    let tree = group("max\n", 900 * MIB);
    let (mut one, mut other) = (Brake::new(&tree.leaf()), Brake::new(&tree.leaf()));
    assert_eq!(looks(&mut one, &on(10), &vec![short(); 3]), "..E");
    tree.put_leaf("memory.current", &(500 * MIB).to_string());
    assert_eq!(looks(&mut other, &on(10), &vec![short(); 9]), ".........");
    drop(one);
    assert_eq!(tree.leaf_has("memory.high"), "max");
    drop(other);
    assert_eq!(tree.leaf_has("memory.high"), "max");
}

#[test]
fn it_fails_open_and_says_so_once() {
    let missing = Tree::with_group();
    missing.put_leaf("memory.current", &(900 * MIB).to_string());
    let odd = group("soft\n", 900 * MIB);
    let unread = group("max\n", 900 * MIB);
    unread.put_leaf("memory.current", "\n");
    for (id, tree) in [("no memory.high", missing), ("neither number nor max", odd), ("no use told", unread)]
    {
        let mut brake = Brake::new(&tree.leaf());
        assert_eq!(looks(&mut brake, &on(10), &vec![short(); 9]), "..F......", "{id}");
        let (p, q) = (short(), Pressure::None);
        let later = [&q, &q, &q, &q, &p, &p, &p, &p].map(Clone::clone);
        assert_eq!(looks(&mut brake, &on(10), &later), "........", "{id}: not again after quiet looks");
        assert!(!brake.is_engaged(), "{id}");
    }
}

/// What is left when nothing of us runs any more, not even a destructor.
#[test]
fn is_a_limit_given_back_that_a_killed_run_has_left() {
    let left = |high: &str| {
        let tree = group(high, 900 * MIB);
        let mut brake = Brake::new(&tree.leaf());
        let [_, _, done] = [(); 3].map(|()| brake.look(&on(10), &short()));
        let lowered = tree.leaf_has("memory.high");
        drop(brake);
        tree.put_leaf("memory.high", &lowered);
        (tree, done.unwrap().event("memory_brake", RoundNumber(1)))
    };
    for high in ["max", "1048576000"] {
        let (tree, event) = left(high);
        let want = format!("left by a run that died; memory.high is {high} again");
        assert_eq!(Brake::mend(&tree.leaf(), &event), Some(Braked::Released(want)));
        assert_eq!(tree.leaf_has("memory.high"), high);
    }

    let (tree, event) = left("max");
    tree.put_leaf("memory.high", "max\n");
    assert!(matches!(Brake::mend(&tree.leaf(), &event), Some(Braked::Released(_))), "a new group");
    assert_eq!(tree.leaf_has("memory.high"), "max\n");
    assert!(matches!(Brake::mend(&tree.root().join("gone"), &event), Some(Braked::Failed(_))));

    let mut other = Brake::new(&tree.leaf());
    looks(&mut other, &on(10), &vec![short(); 3]);
    assert_eq!(Brake::mend(&tree.leaf(), &event), None, "another round brakes");
    drop(other);

    for message in
        ["", "memory.high", "memory.high soft -> 5 at", "memory.high max ->", "memory.high max -> x"]
    {
        let odd = DefenseActed { message: message.to_owned(), ..event.clone() };
        assert_eq!(Brake::mend(&tree.leaf(), &odd), None, "{message}");
    }
}

#[test]
fn the_fold_keeps_a_brake_that_was_not_released() {
    let event = |action: &str, seq: u64| Event {
        seq: Seq(seq),
        at: jiff::Timestamp::UNIX_EPOCH,
        node: NodeId::root(),
        kind: Kind::DefenseActed(DefenseActed {
            defense: "memory_brake".to_owned(),
            action: action.to_owned(),
            message: String::new(),
            round: RoundNumber(1),
        }),
    };
    let mut tally = Tally::default();
    let mut after = |action: &str, seq: u64| {
        tally.apply(&event(action, seq));
        tally.brake.is_some()
    };
    let actions =
        ["terminated", "brake_engaged", "nudged", "brake_released", "brake_engaged", "brake_failed"];
    let seen: Vec<bool> = actions.into_iter().zip(1..).map(|(action, seq)| after(action, seq)).collect();
    assert_eq!(seen, [false, true, true, false, true, false]);
}

#[test]
fn what_it_did_is_an_event() {
    let tree = group("max\n", 900 * MIB);
    let mut brake = Brake::new(&tree.leaf());
    let [_, _, done] = [(); 3].map(|()| brake.look(&on(10), &short()));
    let event = done.unwrap().event("memory_brake", RoundNumber(7));
    assert_eq!((event.action.as_str(), event.round), ("brake_engaged", RoundNumber(7)));
    assert_eq!(
        event.message,
        "memory.high max -> 849346560 at 900 MiB in use: some task waited for memory in 9.0 % of the last 10 s, a warning from 5 %"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever comes, the limit is never above what it was, and in the end it is what it was.
    #[test]
    fn the_limit_is_only_lowered_and_always_given_back(
        high in prop_oneof![Just(None), (0_u64..4_000 * MIB).prop_map(Some)],
        current in 0_u64..4_000 * MIB,
        step in 0_u32..=50,
        pressures in prop::collection::vec(any::<bool>(), 0..24),
    ) {
        let text = high.map_or("max".to_owned(), |bytes| bytes.to_string());
        let tree = group(&text, current);
        let mut brake = Brake::new(&tree.leaf());
        for is_short in pressures {
            let seen = if is_short { short() } else { pressure(&settings(), None, &Sample::default()) };
            brake.look(&on(step), &seen);
            let now = tree.leaf_has("memory.high").parse::<u64>().unwrap_or(u64::MAX);
            prop_assert!(now <= high.unwrap_or(u64::MAX));
            prop_assert!(now >= (64 * MIB).min(high.unwrap_or(u64::MAX)));
        }
        drop(brake);
        prop_assert_eq!(tree.leaf_has("memory.high"), text);
    }
}
