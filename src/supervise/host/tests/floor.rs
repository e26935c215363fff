//! A round is ended for want of memory only when it lasts, and only by us where the kernel would not.

use super::fixture::{memory, settings, stalls};
use crate::profile::Host;
use crate::supervise::host::{Cap, Floor, FloorAct, MIB, Sample};

/// What each look says: `.` nothing, `T` terminate, `D` defer.
fn looks(settings: &Host, samples: &[Sample]) -> String {
    let mut floor = Floor::default();
    samples
        .iter()
        .map(|now| match floor.look(settings, None, now) {
            FloorAct::Nothing => '.',
            FloorAct::Terminate(_) => 'T',
            FloorAct::DeferToCgroup(_) => 'D',
        })
        .collect()
}

fn short() -> Sample {
    stalls(80.0, 90.0)
}

/// A host of 8 GiB with 2 GiB of swap, and an agent in a group that may use 4 GiB and swap 1.
fn capped() -> Sample {
    Sample {
        mem_total_mb: Some(8192),
        swap_total_mb: Some(2048),
        cap: Some(Cap { memory_max: 4096 * MIB, swap_max: Some(1024 * MIB) }),
        agent_in_group: Some(true),
        ..short()
    }
}

/// Scar "PSI-full 1 % killed every round on a small Pi": a stall of 1 % ends nothing, however long it lasts.
#[test]
fn does_a_small_stall_that_lasts_end_a_round() {
    assert_eq!(looks(&settings(), &vec![stalls(1.0, 4.0); 100]), ".".repeat(100));
    assert_eq!(looks(&settings(), &vec![stalls(59.9, 99.0); 100]), ".".repeat(100));
}

/// Scar "PSI-full 1 % killed every round on a small Pi": 60 % must hold for three looks in a row.
#[test]
fn does_a_great_stall_end_a_round_only_when_it_lasts() {
    let calm = || stalls(10.0, 20.0);
    let rows = [
        ("two looks", vec![short(), short()], ".."),
        ("three looks, and once", vec![short(); 6], "..T..."),
        ("interrupted", vec![short(), short(), calm(), short(), short()], "....."),
        (
            "again after it was over",
            vec![short(), short(), short(), calm(), short(), short(), short()],
            "..T...T",
        ),
        ("untold in between", vec![short(), short(), Sample::default(), short()], "...."),
        ("a warning is not critical", vec![memory(1, 1); 9], "........."),
    ];
    for (id, samples, want) in rows {
        assert_eq!(looks(&settings(), &samples), want, "{id}");
    }
}

#[test]
fn the_profile_says_how_long_and_whether_at_all() {
    let one = Host { memory_looks: 1, ..settings() };
    assert_eq!(looks(&one, &[short(), short()]), "T.");
    let off = Host { memory_terminate: false, ..settings() };
    assert_eq!(looks(&off, &vec![short(); 9]), ".........");
}

#[test]
fn what_it_says_names_the_sign_and_the_looks() {
    let mut floor = Floor::default();
    let [_, _, said] = [(); 3].map(|()| floor.look(&settings(), None, &short()));
    let want =
        "all tasks waited for memory in 80.0 % of the last 10 s, critical from 60 %; for 3 looks in a row";
    assert_eq!(said, FloorAct::Terminate(want.to_owned()));
    assert_eq!(floor.streak(), 3);
}

/// Scar "`MemoryMax` without swap cap, or larger than the host": it is left to the kernel only where the limit can bind.
#[test]
fn is_it_left_to_the_kernel_only_where_the_limit_can_bind() {
    let cap = |memory_max: u64, swap_max: Option<u64>| Some(Cap { memory_max, swap_max });
    let rows = [
        ("binds", capped(), "..D..."),
        ("swap forbidden", Sample { cap: cap(4096 * MIB, Some(0)), ..capped() }, "..D..."),
        (
            "swap cap as large as the host's swap",
            Sample { cap: cap(4096 * MIB, Some(2048 * MIB)), ..capped() },
            "..D...",
        ),
        ("no limit", Sample { cap: None, ..capped() }, "..T..."),
        ("no swap cap", Sample { cap: cap(4096 * MIB, None), ..capped() }, "..T..."),
        (
            "swap cap larger than the host's swap",
            Sample { cap: cap(4096 * MIB, Some(4096 * MIB)), ..capped() },
            "..T...",
        ),
        ("limit as large as the host", Sample { cap: cap(8192 * MIB, Some(0)), ..capped() }, "..T..."),
        ("limit larger than the host", Sample { cap: cap(99_999 * MIB, Some(0)), ..capped() }, "..T..."),
        (
            "no swap on the host, none allowed",
            Sample { swap_total_mb: Some(0), cap: cap(4096 * MIB, Some(0)), ..capped() },
            "..D...",
        ),
        ("memory of the host untold", Sample { mem_total_mb: None, ..capped() }, "..T..."),
        ("swap of the host untold", Sample { swap_total_mb: None, ..capped() }, "..T..."),
        ("agent in a container", Sample { agent_in_group: Some(false), ..capped() }, "..T..."),
        ("place of the agent untold", Sample { agent_in_group: None, ..capped() }, "..T..."),
    ];
    for (id, sample, want) in rows {
        assert_eq!(looks(&settings(), &vec![sample; 6]), want, "{id}");
    }
}

#[test]
fn is_a_limit_that_is_lifted_still_relied_on() {
    let lifted = Sample { cap: None, ..capped() };
    assert_eq!(looks(&settings(), &[capped(), capped(), capped(), lifted.clone(), lifted]), "..DT.");
    let calm = stalls(0.0, 0.0);
    let again = [capped(), capped(), capped(), calm, capped(), capped(), capped()];
    assert_eq!(looks(&settings(), &again), "..D...D");
}
