//! Rates, over samples with made-up times.

use std::time::{Duration, Instant};

use crate::supervise::host::{Growth, Sample};

const WINDOW: Duration = Duration::from_mins(30);

fn disk(used: f64, inodes: f64) -> Sample {
    Sample { disk_used_pct: Some(used), inode_used_pct: Some(inodes), ..Sample::default() }
}

fn ram(group: Option<u64>, agent: Option<u64>) -> Sample {
    Sample { cgroup_mb: group, agent_rss_mb: agent, ..Sample::default() }
}

/// One look in each `step`.
fn grown(step: Duration, samples: impl IntoIterator<Item = Sample>) -> Growth {
    let mut growth = Growth::new(WINDOW);
    let mut at = Instant::now();
    for sample in samples {
        growth.push(at, &sample);
        at += step;
    }
    growth
}

fn close(rate: Option<f64>, want: f64) {
    let rate = rate.unwrap();
    assert!((rate - want).abs() < 0.05 * want.abs().max(0.1), "{rate} is not {want}");
}

/// W16: growth is measured in the round: a disk that fills in minutes is seen in the first of them.
#[test]
fn is_a_disk_that_fills_within_a_round_seen() {
    let filling = (0..12).map(|look| disk(40.0 + f64::from(look), 1.0));
    close(grown(Duration::from_secs(10), filling).disk_pct_per_hour(), 11.0 / 300.0 * 3600.0);
}

#[test]
fn is_one_file_in_ten_seconds_the_growth_of_an_hour() {
    let growth = grown(Duration::from_secs(10), [disk(40.0, 1.0), disk(40.1, 1.0)]);
    assert!(growth.disk_pct_per_hour().unwrap() < 5.0);
}

#[test]
fn the_oldest_look_within_the_window_counts() {
    // An hour of 6 % an hour, then half an hour of nothing.
    let samples = (0..541).map(|look| disk(10.0 + f64::from(look.min(360)) / 60.0, 1.0));
    let growth = grown(Duration::from_secs(10), samples);
    close(growth.disk_pct_per_hour(), 0.0);
    let steady =
        grown(Duration::from_secs(10), (0..360).map(|look| disk(10.0 + f64::from(look) / 60.0, 1.0)));
    close(steady.disk_pct_per_hour(), 6.0);
    // Looks that are further apart than the window.
    let rare = grown(Duration::from_hours(1), [disk(10.0, 1.0), disk(14.0, 1.0), disk(17.0, 1.0)]);
    close(rare.disk_pct_per_hour(), 3.0);
}

#[test]
fn inodes_count_as_the_disk_does_and_less_is_negative() {
    let minute = Duration::from_mins(1);
    let growth = grown(minute, (0..20).map(|look| disk(40.0 - f64::from(look), f64::from(look))));
    close(growth.inode_pct_per_hour(), 60.0);
    close(growth.disk_pct_per_hour(), -60.0);
}

#[test]
fn memory_grows_by_the_group_or_else_by_the_agent() {
    let ten = Duration::from_secs(10);
    close(grown(ten, (0..7).map(|n| ram(Some(100 + n * 100), Some(5)))).memory_mb_per_min(), 600.0);
    close(grown(ten, (0..7).map(|n| ram(None, Some(100 + n * 50)))).memory_mb_per_min(), 300.0);
    // Two looks suffice, as a leak may end the host within a minute.
    close(grown(ten, [ram(Some(100), None), ram(Some(200), None)]).memory_mb_per_min(), 600.0);
}

#[test]
fn is_nothing_told_nothing() {
    let ten = Duration::from_secs(10);
    let none = |growth: &Growth| {
        (growth.disk_pct_per_hour().or(growth.inode_pct_per_hour()), growth.memory_mb_per_min())
    };
    assert_eq!(none(&Growth::new(WINDOW)), (None, None));
    assert_eq!(none(&grown(ten, [disk(1.0, 1.0)])), (None, None));
    assert_eq!(none(&grown(ten, [Sample::default(), Sample::default()])), (None, None));
    assert_eq!(none(&grown(ten, [ram(Some(1), None), ram(None, None), ram(Some(900), None)])), (None, None));
    // Two looks in the same moment.
    assert_eq!(none(&grown(Duration::ZERO, [disk(1.0, 1.0), disk(9.0, 1.0)])), (None, None));
}

#[test]
fn a_new_round_begins_memory_anew_and_not_the_disk() {
    let mut growth = Growth::new(WINDOW);
    let start = Instant::now();
    let both = |used: f64, mib: u64| Sample { agent_rss_mb: Some(mib), ..disk(used, 1.0) };
    growth.push(start, &both(10.0, 10));
    growth.push(start + Duration::from_mins(10), &both(11.0, 900));
    growth.begin();
    assert_eq!(growth.memory_mb_per_min(), None);
    close(growth.disk_pct_per_hour(), 6.0);
    growth.push(start + Duration::from_mins(11), &both(11.0, 12));
    assert_eq!(growth.memory_mb_per_min(), None);
}

#[test]
fn does_it_stay_small_however_often_it_is_told() {
    let growth = grown(Duration::from_millis(1), (0..100_000).map(|_| disk(1.0, 1.0)));
    assert!(std::mem::size_of_val(&growth) < 1024);
    assert!(growth.kept() <= 4 * 182, "{}", growth.kept());
}
