//! When a loop counts as stale.

use super::*;

/// Steps, how long nothing happens then, and whether that is stale; the wall is 30 minutes.
const ROWS: &[(&str, &[&str], &str, u64, bool)] = &[
    ("T1 a silent round within one wall and a half", &[], "round", 2700, false),
    ("T2 longer than that", &[], "round", 2701, true),
    ("T3 between rounds too", &[], "round; answered", 2701, true),
    ("T4 a wait is silent by its nature", &[], "wait schedule 36000", 36_000 + 2700, false),
    ("T5 and stale when it should be over", &[], "wait schedule 36000", 36_000 + 2701, true),
    ("T6 a wait that is over counts no more", &[], "wait schedule 36000; +10; waited", 2701, true),
    ("T7 a run that has ended is not", &[], "round; answered; end", 1_000_000, false),
    ("T8 the profile's own threshold", &["supervise.detect.stale=1m"], "round", 61, true),
    ("T9 zero is never", &["supervise.detect.stale=0s"], "round", 1_000_000, false),
    ("T10 what the loop does by itself is a sign of life", &[], "round; +2700; tree clean", 2700, false),
    (
        "T11 an alert of the loop's own is written by a loop that lives",
        &[],
        "round; +2701; look",
        2700,
        false,
    ),
];

/// Scar monitor's own events hid a dead supervisor: whoever looks writes nothing, so only the loop's own events count.
#[test]
fn a_loop_is_stale_when_nothing_is_written_though_no_wait_runs() {
    for (id, sets, steps, silent, stale) in ROWS {
        let mut watch = Watch::new(sets);
        watch.steps(steps);
        let before = watch.tally.clone();
        watch.pass(*silent);
        let supervise = watch.profile.supervise.clone().unwrap();
        let said = super::stale(&supervise, &watch.profile.round, &watch.tally, watch.now);
        assert_eq!(said.is_some(), *stale, "{id}: {said:?}");
        assert_eq!(watch.tally, before, "{id}: looking leaves nothing behind");
    }
}

#[test]
fn a_clock_that_is_set_back_makes_nothing_stale() {
    let mut watch = Watch::new(&[]);
    watch.steps("+9000; round");
    watch.now -= Duration::from_mins(150);
    let supervise = watch.profile.supervise.clone().unwrap();
    assert_eq!(super::stale(&supervise, &watch.profile.round, &watch.tally, watch.now), None);
}
