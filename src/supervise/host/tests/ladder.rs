//! Memory and disk, row by row.

use super::fixture::{memory, settings, stalls};
use crate::event::Severity;
use crate::supervise::host::{
    DiskState, MIB, Pressure, Sample, Tier, disk_state, gate_inert, pressure, told,
};

#[derive(Debug, PartialEq)]
enum Want {
    None,
    Warning(Tier),
    Critical(Tier),
}

fn seen(pressure: &Pressure) -> Want {
    match pressure {
        Pressure::None => Want::None,
        Pressure::Warning(signal) => Want::Warning(signal.tier),
        Pressure::Critical(signal) => Want::Critical(signal.tier),
    }
}

#[test]
fn the_first_sign_that_can_be_read_decides() {
    use Tier::{Free, Stall, SwapOut};
    use Want::{Critical, None, Warning};

    let zero = Sample::default().swapped(0);
    let nothing = Sample::default();
    let rows: [(&str, Option<&Sample>, Sample, Want); 22] = [
        ("stall 0", Option::None, stalls(0.0, 0.0), None),
        ("stall below", Option::None, stalls(59.99, 4.99), None),
        ("stall some at", Option::None, stalls(0.0, 5.0), Warning(Stall)),
        ("stall full at", Option::None, stalls(60.0, 60.0), Critical(Stall)),
        ("stall full 59 is a warning", Option::None, stalls(59.0, 70.0), Warning(Stall)),
        (
            "stall full alone",
            Option::None,
            Sample { memory_some_avg10: Option::None, ..stalls(61.0, 0.0) },
            Critical(Stall),
        ),
        (
            "stall some alone",
            Option::None,
            Sample { memory_full_avg10: Option::None, ..stalls(0.0, 6.0) },
            Warning(Stall),
        ),
        // Readable and quiet ends the ladder, whatever the signs below it say.
        ("stall quiet, swapping", Some(&zero), stalls(0.0, 0.0).swapped(900 * MIB), None),
        (
            "stall quiet, nothing free",
            Option::None,
            Sample { mem_free_mb: Some(1), mem_available_mb: Some(1), ..stalls(0.0, 0.0) },
            None,
        ),
        ("swap at", Some(&zero), memory(500, 500).swapped(32 * MIB), None),
        ("swap above", Some(&zero), memory(500, 500).swapped(32 * MIB + 1), Warning(SwapOut)),
        ("swap above, free at", Some(&zero), memory(16, 500).swapped(33 * MIB), Warning(SwapOut)),
        ("swap above, free below", Some(&zero), memory(15, 5000).swapped(33 * MIB), Critical(SwapOut)),
        ("swap above, free unknown", Some(&zero), nothing.clone().swapped(33 * MIB), Warning(SwapOut)),
        ("swap without a look before", Option::None, memory(500, 500).swapped(900 * MIB), None),
        ("swap, look before untold", Some(&nothing), memory(500, 500).swapped(900 * MIB), None),
        // A host without swap never swaps: that it is quiet proves nothing.
        ("swap quiet, free low", Some(&zero), memory(15, 199).swapped(0), Warning(Free)),
        ("free low, available not", Option::None, memory(15, 200), None),
        ("available low, free not", Option::None, memory(16, 199), None),
        ("both low", Option::None, memory(15, 199), Warning(Free)),
        ("both zero is no more than a warning", Option::None, memory(0, 0), Warning(Free)),
        ("untold", Option::None, nothing.clone(), None),
    ];
    for (id, before, now, want) in rows {
        assert_eq!(seen(&pressure(&settings(), before, &now)), want, "{id}");
    }
}

#[test]
fn does_a_counter_that_goes_backwards_mean_swapping() {
    let before = Sample::default().swapped(u64::MAX);
    assert_eq!(pressure(&settings(), Some(&before), &memory(1, 900).swapped(0)), Pressure::None);
}

#[test]
fn a_sign_says_what_it_saw_and_where_its_limit_is() {
    let found = pressure(&settings(), None, &stalls(73.25, 90.0));
    assert_eq!(
        found.signal().unwrap().message,
        "all tasks waited for memory in 73.2 % of the last 10 s, critical from 60 %"
    );
    assert_eq!(found.severity(), Some(Severity::Critical));
    assert_eq!(pressure(&settings(), None, &stalls(0.0, 8.0)).severity(), Some(Severity::Warning));
    assert_eq!(pressure(&settings(), None, &stalls(0.0, 0.0)).severity(), None);
}

#[test]
fn is_silence_told_from_health() {
    let zero = Sample::default().swapped(0);
    let rows = [
        ("untold", None, Sample::default(), false),
        ("free alone", None, Sample { mem_free_mb: Some(1), ..Sample::default() }, false),
        ("available alone", None, Sample { mem_available_mb: Some(1), ..Sample::default() }, false),
        ("one look at swap", None, zero.clone(), false),
        ("two looks at swap", Some(&zero), zero.clone(), true),
        ("stalls", None, stalls(0.0, 0.0), true),
        ("free and available", None, memory(1, 1), true),
    ];
    for (id, before, now, want) in rows {
        assert_eq!(told(before, &now), want, "{id}");
    }
}

/// Scar "`MemAvailable` inflated; gate never fired": the ladder does not ask for available memory where the kernel tells of
/// stalls, and says that a gate on it would be blind.
#[test]
fn does_inflated_available_memory_hide_pressure() {
    let inflated = Sample { mem_available_mb: Some(12_000), mem_free_mb: Some(20), ..stalls(71.0, 88.0) };
    assert_eq!(seen(&pressure(&settings(), None, &inflated)), Want::Critical(Tier::Stall));
    let message = gate_inert(&settings(), None, &inflated).unwrap();
    assert!(message.contains("12000 MiB count as available"), "{message}");

    let zero = Sample::default().swapped(0);
    let rows = [
        ("swapping", Some(&zero), memory(10, 200).swapped(64 * MIB), true),
        ("the gate would close", Some(&zero), memory(10, 199).swapped(64 * MIB), false),
        (
            "a warm cache is no pressure",
            None,
            Sample { mem_available_mb: Some(12_000), ..stalls(0.0, 0.0) },
            false,
        ),
        ("available untold", None, stalls(90.0, 90.0), false),
        ("low by free memory, which the gate sees", None, memory(10, 199), false),
    ];
    for (id, before, now, want) in rows {
        assert_eq!(gate_inert(&settings(), before, &now).is_some(), want, "{id}");
    }
}

#[test]
fn a_disk_is_full_by_blocks_or_by_inodes() {
    let disk = |blocks: Option<f64>, inodes: Option<f64>| {
        disk_state(
            &settings(),
            &Sample { disk_used_pct: blocks, inode_used_pct: inodes, ..Sample::default() },
        )
    };
    let level = |state: &DiskState| match state {
        DiskState::Fine => 0,
        DiskState::Warning(_) => 1,
        DiskState::Critical(_) => 2,
    };
    let rows = [
        ("untold", None, None, 0),
        ("below", Some(89.99), Some(0.0), 0),
        ("warning at", Some(90.0), Some(0.0), 1),
        ("warning to", Some(94.99), None, 1),
        ("critical at", Some(95.0), None, 2),
        ("full", Some(100.0), Some(0.0), 2),
        ("inodes warn", Some(10.0), Some(91.0), 1),
        ("inodes full, blocks warn", Some(92.0), Some(99.0), 2),
        ("inodes alone", None, Some(96.0), 2),
    ];
    for (id, blocks, inodes, want) in rows {
        assert_eq!(level(&disk(blocks, inodes)), want, "{id}");
    }
    assert_eq!(
        disk(Some(12.0), Some(96.5)),
        DiskState::Critical(
            "the inodes of the disk are 96.5 % used, critical from 95 %: free some space".to_owned()
        )
    );
}
