//! Weeks in minutes: hundreds of rounds of an agent that does everything wrong, under a provost that is killed again and again.
//!
//! What must hold at the end is told by two books that know nothing of each other: provost's journal, and a ledger that the
//! agent keeps outside of the work tree. `PROVOST_SOAK_ROUNDS` makes it longer, `PROVOST_SOAK_SEED` draws it anew.
#![allow(clippy::disallowed_methods, clippy::allow_attributes, reason = "a test stands outside of the house")]

mod books;
mod pure;
mod stage;
mod watch;

use std::time::Duration;

use stage::Stage;
use watch::{Chance, Cut, Seen, Watch};

/// How many times provost is killed at a random point.
const KILLS: u64 = 30;
/// Nothing may take longer than this for one life of provost.
const PATIENCE: Duration = Duration::from_mins(10);

/// Kinds of events after which provost is killed, a little later each time: between rounds, in stashes, in waits, in rounds.
const POINTS: [&str; 16] = [
    "round.started",
    "prompt.sent",
    "attempt.started",
    "agent.spawned",
    "attempt.accepted",
    "turn.ended",
    "attempt.failed",
    "attempt.finished",
    "agent.exited",
    "round.ended",
    "budget.committed",
    "tree.settled",
    "host.sampled",
    "wait.started",
    "wait.ended",
    "run.resumed",
];

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().map_or(otherwise, |text| text.parse().unwrap())
}

/// The points at which provost is killed, in the order of their rounds.
fn cuts(chance: &mut Chance, rounds: u64) -> Vec<Cut> {
    let mut cuts: Vec<Cut> = (0..KILLS)
        .map(|place| {
            let point = POINTS[usize::try_from(place).unwrap() % POINTS.len()];
            let span = (rounds.saturating_sub(4) / KILLS).max(1);
            let widest = [2_000, 60_000, 300_000][usize::try_from(chance.below(3)).unwrap()];
            Cut {
                after_rounds: place * span + chance.below(span),
                point,
                delay: Duration::from_micros(chance.below(widest)),
            }
        })
        .collect();
    cuts.sort_by_key(|cut| cut.after_rounds);
    cuts
}

/// The soak of the restart loop.
#[test]
fn nothing_is_lost_in_hundreds_of_bad_rounds_under_a_provost_that_is_killed() {
    let rounds = number("PROVOST_SOAK_ROUNDS", 500);
    let seed = number("PROVOST_SOAK_SEED", u64::from(std::process::id()));
    println!("soak: seed {seed}, {rounds} rounds; PROVOST_SOAK_SEED={seed} plays it again");
    let stage = Stage::new(seed, rounds);
    let mut chance = Chance(seed);
    let mut cuts = cuts(&mut chance, rounds);
    cuts.reverse();
    let mut watch = Watch::new(&stage);
    let begun = std::time::Instant::now();
    let (mut kills, mut rescues, mut restored, mut prune) = (0, 0, false, false);
    let mut starts = 0_u64;
    loop {
        assert!(starts < 4 * KILLS + rounds, "provost begins again and again");
        let flags: &[&str] = if std::mem::take(&mut prune) { &["--prune"] } else { &[] };
        let child = stage.start(flags);
        starts += 1;
        match watch.live(child, cuts.last(), PATIENCE) {
            Seen::Ended(code) => {
                assert_eq!(code, Some(0), "{}", stage.talk());
                if watch.is_over() {
                    break;
                }
            }
            Seen::Killed => {
                cuts.pop();
                kills += 1;
                if !restored && kills >= KILLS / 2 {
                    restored = true;
                    stage.restore_transcripts();
                } else if restored && kills == KILLS / 2 + 6 {
                    prune = true;
                }
            }
            // Somebody who looks after it finds a lock that an agent has left, and takes it away.
            Seen::Locked => rescues += 1,
        }
        match chance.below(3) {
            0 => {}
            1 => std::thread::sleep(Duration::from_millis(chance.below(300))),
            _ => stage.nobody_is_left("after a kill"),
        }
    }
    let took = begun.elapsed();
    stage.nobody_is_left("at the end");
    assert_eq!(kills, KILLS, "every kill fell into the run");
    let found = books::compare(&stage, rounds);
    println!(
        "soak: {rounds} rounds in {:.1} s, {:.1} a second; {kills} kills, {rescues} locks taken away by hand, {starts} starts; \
         provost at most {} KiB\nsoak: {found}",
        took.as_secs_f64(),
        f64::from(u32::try_from(rounds).unwrap()) / took.as_secs_f64(),
        watch.peak_kib(),
    );
    assert!(watch.peak_kib() < 96 * 1024, "provost had {} KiB", watch.peak_kib());
}
