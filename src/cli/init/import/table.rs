//! The keys that have one key of ours with the same meaning, and those that have none: as data.

use std::time::Duration;

use toml::Value;

use super::draft::Draft;
use super::source::Source;
use crate::profile::element::Period;

/// How a value becomes ours.
#[derive(Clone, Copy)]
enum Turn {
    Same,
    /// A number that we write with a decimal point.
    Number,
    /// Seconds become a duration.
    Seconds,
    /// Words have other names.
    Words(&'static [(&'static str, &'static str)]),
}

use Turn::{Number, Same, Seconds, Words};

/// Theirs, our table, our key.
#[rustfmt::skip]
const SAME: &[(&str, &str, &str, Turn)] = &[
    ("runtime.round_budget_s", "round", "timeout", Seconds),
    ("agent.sigterm_grace_s", "round", "grace", Seconds),
    ("vcs.dirty_action", "workspace", "dirty", Words(&[("auto_commit", "commit")])),
    ("runtime.restart_delay_s", "supervise", "pause", Seconds),
    ("runtime.max_rounds", "supervise", "rounds", Same),
    ("runtime.transient_error_action", "supervise", "on_limit", Words(&[("back_off", "wait")])),
    ("runtime.fresh_eyes_every_n", "supervise", "fresh_eyes", Same),
    ("runtime.round_log_retention", "supervise", "keep_rounds", Same),
    ("runtime.substrate_fingerprint_paths", "supervise", "fingerprint", Same),
    ("phases.list", "supervise", "rotation", Same),
    ("phases.phase_policy", "supervise", "phase_policy", Same),
    ("monitor.host_health.disk.warning_pct", "supervise.host", "disk_warning_pct", Number),
    ("monitor.host_health.disk.critical_pct", "supervise.host", "disk_critical_pct", Number),
    ("monitor.host_health.disk.growth_window_s", "supervise.host", "disk_growth_window", Seconds),
    ("monitor.host_health.disk.disk_growth_pct_per_hr_warning", "supervise.host", "disk_growth_pct_per_hour", Number),
    ("monitor.host_health.memory.avail_min_mb", "supervise.host", "memory_available_mb", Same),
    ("monitor.host_health.memory.free_low_mb", "supervise.host", "memory_free_mb", Same),
    ("monitor.host_health.memory.swap_out_noise_floor_mb", "supervise.host", "swap_out_mb", Same),
    ("monitor.host_health.pressure.full_avg10_critical", "supervise.host", "memory_full_critical", Number),
    ("monitor.host_health.pressure.some_avg10_warning", "supervise.host", "memory_some_warning", Number),
    ("monitor.host_health.pressure.critical_consecutive_samples", "supervise.host", "memory_looks", Same),
    ("monitor.host_health.pressure.in_round_terminate", "supervise.host", "memory_terminate", Same),
    ("monitor.host_health.pressure.cgroup_growth_rate_warning_mb_per_min", "supervise.host", "cgroup_growth_mb_per_min", Number),
    ("monitor.host_health.brake.memory_high", "supervise.host", "brake", Same),
    ("monitor.host_health.brake.memory_high_step_pct", "supervise.host", "brake_step_pct", Same),
];

/// Keys that have no counterpart, and why.
const GONE: &[(&str, &str)] = &[
    (
        "agent.terminal_marker",
        "the end of the work is read from the agent's event stream, or is the end of its process",
    ),
    ("runtime.narrative_file", "`provost peek` tells what the agent did, from the journal"),
    (
        "runtime.dry_run",
        "it is no property of a profile: `provost run --dry-run` assembles the prompts and calls nothing",
    ),
    (
        "runtime.grace_kill_ignore_patterns",
        "a lingering agent is judged by what runs below it, without a list of names",
    ),
    ("vcs.stash_idempotency_s", "it is 5 s, and the stash is known by its commit"),
    (
        "monitor.auth_fail_patterns",
        "a refused key is told by one table of faults for all agents, provost-faults(7)",
    ),
    ("monitor.auth_fail_hint", "each error names its own remedy"),
    ("monitor.remote_failure_tolerance_s", "`provost peek --host` reconnects for 90 s"),
    ("monitor.round_progress_interval_s", "what happens in a round is an event when it happens"),
    (
        "monitor.host_health.disk.inode_growth_pct_per_hr_warning",
        "`supervise.host.disk_growth_pct_per_hour` is for inodes, too",
    ),
    (
        "monitor.host_health.pressure.in_round_nudge",
        "nothing is written to other programs to make them use less",
    ),
    (
        "monitor.host_health.brake.warning_consecutive_samples",
        "the brake acts on the ladder of memory pressure itself",
    ),
    ("plugins.disable", "there are no plugins"),
    ("goal.ledger", "what the check says is told to the next round without a file"),
];

/// Moves over what has one counterpart, and lists what has none.
pub(super) fn apply(source: &mut Source, draft: &mut Draft) {
    for (theirs, table, key, turn) in SAME {
        let path: Vec<&str> = theirs.split('.').collect();
        let Some(leaf) = source.take(&path) else { continue };
        let value = match (turn, &leaf.value) {
            (Seconds, Value::Integer(seconds)) => Value::from(seconds_as_text(*seconds)),
            (Number, Value::Integer(whole)) => {
                i32::try_from(*whole).map_or(leaf.value.clone(), |n| Value::from(f64::from(n)))
            }
            (Words(words), Value::String(word)) => Value::from(
                words.iter().find(|(theirs, _)| theirs == word).map_or(word.as_str(), |(_, ours)| ours),
            ),
            (_, value) => value.clone(),
        };
        draft.put(table, key, value, Some(&leaf));
    }
    for (theirs, why) in GONE {
        let path: Vec<&str> = theirs.split('.').collect();
        if let Some(leaf) = source.take(&path) {
            draft.gone(theirs, Some(&leaf), *why);
        }
    }
}

/// Seconds as people write them.
pub(super) fn seconds_as_text(seconds: i64) -> String {
    Period(Duration::from_secs(u64::try_from(seconds).unwrap_or(0))).to_string()
}
