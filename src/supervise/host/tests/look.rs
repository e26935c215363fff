//! The sampler on a tree of files.

use std::time::{Duration, Instant};

use super::fixture::{Tree, settings};
use crate::event::{RoundNumber, Severity};
use crate::supervise::host::sampler::page;
use crate::supervise::host::{Cap, MIB, Pressure, Sample, Sampler, Watch};

fn mib(pages: u64) -> u64 {
    pages * page() / MIB
}

#[test]
fn everything_that_is_told_is_in_the_sample_and_in_its_event() {
    let tree = Tree::with_group();
    tree.put(
        "proc/meminfo",
        "MemTotal: 8388608 kB\nMemFree: 102400 kB\nMemAvailable: 204800 kB\nSwapTotal: 1048576 kB\n",
    )
    .put("proc/vmstat", "pswpout 10000\n")
    .put("proc/loadavg", "1.5 1 1 1/1 1\n")
    .put("proc/pressure/memory", "some avg10=6.00 avg60=0\nfull avg10=2.50 avg60=0\n")
    .put("proc/pressure/io", "some avg10=7.00 avg60=0\n")
    .put("sys/fs/cgroup/top/memory.max", "2147483648\n")
    .put("sys/fs/cgroup/top/memory.swap.max", "0\n")
    .put("proc/9/cgroup", "0::/top/leaf/scope\n")
    .put("sys/fs/cgroup/top/leaf/scope/cgroup.controllers", "");
    tree.put_leaf("memory.current", "524288000\n").put_leaf("memory.max", "max\n");
    tree.put_leaf("memory.events", "oom_kill 3\n").put_leaf("memory.peak", "629145600\n");
    tree.process(9, 1, 5, 25_600);
    let mut sampler = tree.sampler();
    tree.put_leaf("memory.events", "oom_kill 5\n").put_leaf("memory.peak", "734003200\n");

    let sample = sampler.sample(Some(9));
    let disk = (sample.disk_used_pct, sample.inode_used_pct);
    assert!(disk.0.is_some());
    assert_eq!(
        sample,
        Sample {
            mem_total_mb: Some(8192),
            mem_available_mb: Some(200),
            mem_free_mb: Some(100),
            swap_total_mb: Some(1024),
            swapped_out_bytes: Some(10_000 * page()),
            memory_some_avg10: Some(6.0),
            memory_full_avg10: Some(2.5),
            io_some_avg10: Some(7.0),
            disk_used_pct: disk.0,
            inode_used_pct: disk.1,
            load_1m: Some(1.5),
            cgroup_mb: Some(500),
            cgroup_peak_mb: Some(700),
            oom_kills: Some(2),
            agent_rss_mb: Some(mib(25_600)),
            cap: Some(Cap { memory_max: 2048 * MIB, swap_max: Some(0) }),
            agent_in_group: Some(true),
        }
    );
    assert!(sample.cap_can_bind());
    let event = sample.event(RoundNumber(3));
    assert_eq!((event.round, event.mem_free_mb, event.oom_kills), (RoundNumber(3), Some(100), Some(2)));
    assert_eq!(event.swapped_out_mb, Some(10_000 * page() / MIB));
    assert_eq!(
        (event.cgroup_mb, event.cgroup_peak_mb, event.agent_rss_mb),
        (Some(500), Some(700), Some(mib(25_600)))
    );
}

#[test]
fn a_host_that_tells_nothing_gives_a_sample_of_nothing() {
    let tree = Tree::new();
    let sample = tree.sampler().sample(Some(1));
    let (disk_used_pct, inode_used_pct) = (sample.disk_used_pct, sample.inode_used_pct);
    assert_eq!(sample, Sample { disk_used_pct, inode_used_pct, ..Sample::default() });
    let nowhere = tree.root().join("nowhere");
    assert_eq!(Sampler::new(tree.root(), &nowhere, Some(nowhere.clone())).sample(None), Sample::default());
}

/// W16: a sampler sees what changes between two looks within one round.
#[test]
fn a_look_sees_what_is_now() {
    let tree = Tree::with_group();
    tree.put("proc/pressure/memory", "full avg10=0.00\n");
    let mut sampler = tree.sampler();
    assert_eq!(sampler.sample(None).memory_full_avg10, Some(0.0));
    tree.put("proc/pressure/memory", "full avg10=88.00\n");
    assert_eq!(sampler.sample(None).memory_full_avg10, Some(88.0));
}

#[test]
fn peaks_and_kills_are_those_of_the_round() {
    let tree = Tree::with_group();
    tree.put_leaf("memory.current", "104857600").put_leaf("memory.peak", "943718400");
    tree.put_leaf("memory.events", "oom_kill 2\n");
    let mut sampler = tree.sampler();
    let seen = |sample: Sample| (sample.cgroup_mb, sample.cgroup_peak_mb, sample.oom_kills);
    // The peak of the group is older than the round.
    assert_eq!(seen(sampler.sample(None)), (Some(100), Some(100), Some(0)));
    tree.put_leaf("memory.current", "209715200");
    assert_eq!(seen(sampler.sample(None)), (Some(200), Some(200), Some(0)));
    tree.put_leaf("memory.current", "104857600").put_leaf("memory.events", "oom_kill 3\n");
    assert_eq!(seen(sampler.sample(None)), (Some(100), Some(200), Some(1)));
    // One between two looks, which only the kernel has seen.
    tree.put_leaf("memory.peak", "1048576000");
    assert_eq!(seen(sampler.sample(None)), (Some(100), Some(1000), Some(1)));
    sampler.begin();
    assert_eq!(seen(sampler.sample(None)), (Some(100), Some(100), Some(0)));
}

/// G5: the memory of the agent with all that it started is told, also of what threads have started and of grandchildren.
#[test]
fn the_agent_counts_with_all_that_it_started() {
    let tree = Tree::new();
    tree.process(10, 1, 100, 1000).children(10, 10, "11 ").children(10, 15, "12");
    tree.process(11, 10, 101, 2000).children(11, 11, "13\n");
    tree.process(12, 10, 102, 4000).children(12, 12, "");
    tree.process(13, 11, 103, 8000).children(13, 13, "");
    tree.process(99, 1, 9, 64_000).children(99, 99, "");
    assert_eq!(tree.sampler().sample(Some(10)).agent_rss_mb, Some(mib(15_000)));
    assert_eq!(tree.sampler().sample(None).agent_rss_mb, None);
    assert_eq!(tree.sampler().sample(Some(77)).agent_rss_mb, None);
}

#[test]
fn without_lists_of_children_all_processes_are_looked_at() {
    let tree = Tree::new();
    tree.process(10, 1, 100, 1000)
        .process(11, 10, 101, 2000)
        .process(12, 11, 102, 4000)
        .process(99, 1, 9, 64_000);
    assert_eq!(tree.sampler().sample(Some(10)).agent_rss_mb, Some(mib(7000)));
}

#[test]
fn one_whose_parent_has_ended_still_counts() {
    let tree = Tree::new();
    tree.process(10, 1, 100, 1000).children(10, 10, "11");
    tree.process(11, 10, 101, 2000).children(11, 11, "12");
    tree.process(12, 11, 102, 4000).children(12, 12, "");
    let mut sampler = tree.sampler();
    assert_eq!(sampler.sample(Some(10)).agent_rss_mb, Some(mib(7000)));
    tree.gone(11).children(10, 10, "").process(12, 1, 102, 4000);
    assert_eq!(sampler.sample(Some(10)).agent_rss_mb, Some(mib(5000)));
    // Even when the agent itself has ended.
    tree.gone(10);
    assert_eq!(sampler.sample(Some(10)).agent_rss_mb, Some(mib(4000)));
    tree.gone(12);
    assert_eq!(sampler.sample(Some(10)).agent_rss_mb, None);
}

/// Scar "recycled pid": an id that another process has got since is neither the agent nor one of its descendants.
#[test]
fn does_a_recycled_pid_count() {
    let tree = Tree::new();
    tree.process(10, 1, 100, 1000).children(10, 10, "11");
    tree.process(11, 10, 101, 2000).children(11, 11, "");
    let mut sampler = tree.sampler();
    assert_eq!(sampler.sample(Some(10)).agent_rss_mb, Some(mib(3000)));
    // The child's id is a stranger's now.
    tree.children(10, 10, "").process(11, 1, 900, 64_000);
    assert_eq!(sampler.sample(Some(10)).agent_rss_mb, Some(mib(1000)));
    // And so is the agent's.
    tree.process(10, 1, 901, 64_000);
    assert_eq!(sampler.sample(Some(10)).agent_rss_mb, None);
    // In a new round it may be a new agent's.
    sampler.begin();
    assert_eq!(sampler.sample(Some(10)).agent_rss_mb, Some(mib(64_000)));
}

#[test]
fn does_a_ring_of_processes_end() {
    let tree = Tree::new();
    tree.process(10, 11, 1, 1000).children(10, 10, "11 10");
    tree.process(11, 10, 2, 1000).children(11, 11, "10 11");
    assert_eq!(tree.sampler().sample(Some(10)).agent_rss_mb, Some(mib(2000)));
}

#[test]
fn where_the_agent_lives_is_told() {
    let tree = Tree::with_group();
    for dir in ["top/leaf/below", "top/leafy", "docker"] {
        tree.put(&format!("sys/fs/cgroup/{dir}/cgroup.controllers"), "");
    }
    for (text, want) in [
        ("0::/top/leaf", Some(true)),
        ("0::/top/leaf/below", Some(true)),
        ("0::/top/leafy", Some(false)),
        ("0::/docker", Some(false)),
        ("0::/top", Some(false)),
        ("0::/unseen", None),
        ("4:memory:/x", None),
    ] {
        tree.put("proc/9/cgroup", format!("{text}\n"));
        assert_eq!(tree.sampler().sample(Some(9)).agent_in_group, want, "{text}");
    }
    assert_eq!(tree.sampler().sample(None).agent_in_group, None);
}

#[test]
fn a_look_is_held_against_the_one_before_it_unless_that_was_long_ago() {
    let tree = Tree::with_group();
    tree.put("proc/vmstat", "pswpout 0\n");
    let mut watch = Watch::new(tree.sampler(), &settings());
    let start = Instant::now();
    let after = |seconds: u64| start + Duration::from_secs(seconds);
    let look = watch.look(start, None);
    assert_eq!((look.told(), look.pressure(&settings())), (false, Pressure::None));

    tree.put("proc/vmstat", format!("pswpout {}\n", 33 * MIB / page()));
    let look = watch.look(after(10), None);
    assert_eq!((look.told(), look.pressure(&settings()).severity()), (true, Some(Severity::Warning)));

    tree.put("proc/vmstat", format!("pswpout {}\n", 330 * MIB / page()));
    let look = watch.look(after(3600), None);
    assert_eq!((look.before.as_ref(), look.told()), (None, false));
    assert_eq!(look.pressure(&settings()), Pressure::None);
}

#[test]
fn a_watch_tells_what_grows() {
    let tree = Tree::with_group();
    tree.put_leaf("memory.current", "104857600");
    let mut watch = Watch::new(tree.sampler(), &settings());
    let start = Instant::now();
    assert_eq!(watch.look(start, None).memory_mb_per_min, None);
    tree.put_leaf("memory.current", "209715200");
    let look = watch.look(start + Duration::from_secs(10), None);
    assert!((look.memory_mb_per_min.unwrap() - 600.0).abs() < 1.0);
    assert!(look.disk_pct_per_hour.is_some());
    watch.begin();
    assert_eq!(watch.look(start + Duration::from_secs(20), None).memory_mb_per_min, None);
}
