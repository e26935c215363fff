//! What holds of the alerts whatever happens.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// What can happen in a run; nonsense in the order is harmless.
const STEPS: &[&str] = &[
    "round",
    "round plan",
    "attempt 0",
    "attempt 1",
    "failed rate_limited reset 300",
    "failed quota_exhausted reset 18000",
    "failed rate_limited",
    "failed overloaded after 20",
    "failed auth",
    "failed auth unasked",
    "failed transport",
    "retrying 429 2000",
    "retrying 529 90000",
    "turn 0",
    "turn 1",
    "finished",
    "answered",
    "stopped",
    "lost auth",
    "lost transport",
    "late first_event_timeout",
    "late stall",
    "disk-full",
    "tree stashed",
    "tree clean",
    "tree kept",
    "wait limit 60",
    "waited",
    "+1",
    "+30",
    "+300",
    "+20000",
    "resume",
];

/// Calls that repeat, and what a look finds.
const WINDOWS: &[&str] = &[
    "call Bash a 8",
    "call Bash b 9",
    "call Read a 15",
    "look",
    "look disk warning",
    "look disk critical",
    "look memory warning gate inert",
    "look memory critical",
    "look memory none",
    "look cgroup 900",
];

fn steps(of: &[&[&'static str]]) -> impl Strategy<Value = Vec<&'static str>> + use<> {
    let all: Vec<&'static str> = of.concat();
    proptest::collection::vec(proptest::sample::select(all), 1..120)
}

/// The alerts that are open after what was heard; each raise and each clear must be of something that changes by it.
fn open_after(heard: &[String]) -> Result<BTreeSet<String>, TestCaseError> {
    let mut open = BTreeSet::new();
    for word in heard {
        if let Some(name) = word.strip_prefix('+') {
            let name = name.trim_end_matches('!').to_owned();
            prop_assert!(open.insert(name), "{word} though it is open: {heard:?}");
        } else if let Some(name) = word.strip_prefix('-') {
            prop_assert!(open.remove(name), "{word} though it is not open: {heard:?}");
        }
    }
    Ok(open)
}

/// The raises and clears of some steps, with a restart before the step of that place.
fn alerts(steps: &[&str], restart: Option<usize>) -> Vec<String> {
    let mut watch = Watch::new(&[]);
    for (place, step) in steps.iter().enumerate() {
        if restart == Some(place) {
            watch.restart();
        }
        watch.step(step);
    }
    // Each process ends the run once; what is said is the same.
    watch.heard.retain(|word| !word.starts_with("run ends"));
    watch.heard
}

proptest! {
    #[test]
    fn no_alert_is_raised_twice_without_a_clear_between(
        steps in steps(&[STEPS, WINDOWS]),
        restarts in proptest::collection::btree_set(0..120_usize, 0..4),
    ) {
        let mut watch = Watch::new(&[]);
        for (place, step) in steps.iter().enumerate() {
            if restarts.contains(&place) {
                watch.restart();
            }
            watch.step(step);
            prop_assert!(watch.tally.alerts.len() <= 64);
        }
        let open = open_after(&watch.heard)?;
        let folded: BTreeSet<String> = watch.tally.alerts.iter().map(|alert| alert.alert.clone()).collect();
        prop_assert_eq!(open, folded);
    }

    /// But for the last calls of the open round and the looks in a row, which are about what is gone with the process.
    #[test]
    fn a_restart_anywhere_changes_nothing_of_what_is_said(steps in steps(&[STEPS]), place in 0..120_usize) {
        prop_assert_eq!(alerts(&steps, Some(place)), alerts(&steps, None));
    }

    #[test]
    fn a_restart_between_rounds_changes_nothing_of_repetitions(steps in steps(&[STEPS, &WINDOWS[..3]]), place in 0..120_usize) {
        // The restart comes where a round has just ended.
        let ends = |step: &&str| {
            ["answered", "stopped", "disk-full"].contains(step) || step.starts_with("lost") || step.starts_with("late")
        };
        if let Some(end) = steps.iter().enumerate().skip(place).find(|(_, step)| ends(step)).map(|(place, _)| place) {
            prop_assert_eq!(alerts(&steps, Some(end + 1)), alerts(&steps, None));
        }
    }
}
