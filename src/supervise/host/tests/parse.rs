//! The kernel's files, whole, torn and odd.

use proptest::prelude::*;

use super::fixture::Tree;
use crate::supervise::host::group::tightest;
use crate::supervise::host::read::{avg10, group, limit, load, number, stat};
use crate::supervise::host::{Cap, disk, own_group};

const MEMINFO: &str = "MemTotal:       24684092 kB\nMemFree:        18753740 kB\nMemAvailable:   22116892 kB\nSwapTotal:             0 kB\n";
const VMSTAT: &str = "nr_free_pages 4688435\npswpin 12\npswpout 3456\npswpout_x 9\n";
const STALLS: &str = "some avg10=12.50 avg60=1.00 avg300=0.20 total=16031128\nfull avg10=3.25 avg60=0.10 avg300=0.00 total=7996810\n";
const EVENTS: &str = "low 0\nhigh 7\nmax 3\noom 2\noom_kill 4\noom_group_kill 1\n";
const STAT: &str = "42 (a) R (b) S 7 40 40 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 777 4096 333 184467 1 1";

#[test]
fn whole_files_are_read() {
    assert_eq!(number(MEMINFO, "MemFree"), Some(18_753_740));
    assert_eq!(number(MEMINFO, "Mem"), None);
    assert_eq!(number(MEMINFO, "SwapTotal"), Some(0));
    assert_eq!(number(VMSTAT, "pswpout"), Some(3456));
    assert_eq!((number(EVENTS, "oom_kill"), number(EVENTS, "oom")), (Some(4), Some(2)));
    assert_eq!((avg10(STALLS, "some"), avg10(STALLS, "full")), (Some(12.5), Some(3.25)));
    assert_eq!(load("2.24 0.77 1.27 4/119 11810\n"), Some(2.24));
    assert_eq!((limit("max\n"), limit("4096\n"), limit("")), (None, Some(4096), None));
    assert_eq!(group("9:x:/\n0::/a/b\n"), Some("a/b"));
    let seen = stat(STAT).unwrap();
    assert_eq!((seen.parent, seen.start, seen.resident), (7, 777, 333));
}

/// Scar "NaN, Infinity, null, 10^18": a figure that cannot be is none.
#[test]
fn odd_figures_are_absent() {
    for odd in ["NaN", "inf", "-inf", "-1", "101", "1e400", "null", "", "1,5"] {
        assert_eq!(avg10(&format!("full avg10={odd} avg60=0"), "full"), None, "{odd}");
    }
    for odd in ["NaN", "inf", "-0.5", "", "x"] {
        assert_eq!(load(odd), None, "{odd}");
    }
    for odd in ["MemFree: -5 kB", "MemFree: 99999999999999999999 kB", "MemFree:", "MemFree", "MemFree kB"] {
        assert_eq!(number(odd, "MemFree"), None, "{odd}");
    }
}

#[test]
fn a_disk_counts_as_df_counts_it() {
    let rows = [
        ("empty", [100, 100, 100], Some(0.0)),
        ("full", [100, 0, 0], Some(100.0)),
        ("full for us, 5 % kept for root", [100, 5, 0], Some(100.0)),
        ("half of what we may have", [100, 55, 45], Some(50.0)),
        ("no inodes, as some file systems", [0, 0, 0], None),
        ("more free than there is", [10, 20, 20], None),
        ("more for us than is free", [100, 50, 90], Some(50.0)),
        ("as large as can be", [u64::MAX, 0, 0], Some(100.0)),
        ("nothing of it is ours or used", [100, 100, 0], None),
    ];
    for (id, counts, want) in rows {
        assert_eq!(disk::percent(counts), want, "{id}");
    }
}

#[test]
fn the_limit_that_is_met_first_counts_with_what_is_above_it() {
    let rows = [
        ("none", vec![], None),
        ("no limit", vec![(None, Some(1)), (None, None)], None),
        ("own", vec![(Some(5), Some(2)), (None, None)], Some((5, Some(2)))),
        ("from above", vec![(None, None), (Some(7), None)], Some((7, None))),
        ("tighter above, swap capped below only", vec![(Some(9), Some(1)), (Some(7), None)], Some((7, None))),
        ("own, swap capped above", vec![(Some(5), None), (Some(7), Some(3))], Some((5, Some(3)))),
        ("alike: the lower one", vec![(Some(5), Some(2)), (Some(5), None)], Some((5, Some(2)))),
    ];
    for (id, levels, want) in rows {
        let want = want.map(|(memory_max, swap_max)| Cap { memory_max, swap_max });
        assert_eq!(tightest(&levels), want, "{id}");
    }
}

#[test]
fn our_group_is_found_where_it_is() {
    let tree = Tree::with_group();
    assert_eq!(own_group(tree.root()), Some(tree.leaf()));
    // Beside version 1.
    let hybrid = Tree::new();
    hybrid.put("proc/self/cgroup", "4:memory:/m\n0::/x y\n");
    hybrid.put("sys/fs/cgroup/unified/cgroup.controllers", "");
    hybrid.put("sys/fs/cgroup/unified/x y/cgroup.controllers", "");
    assert_eq!(own_group(hybrid.root()), Some(hybrid.root().join("sys/fs/cgroup/unified/x y")));
    // At the root of a namespace.
    let root = Tree::with_group();
    root.put("proc/self/cgroup", "0::/\n");
    assert_eq!(own_group(root.root()), Some(root.root().join("sys/fs/cgroup/")));
    for (id, text) in [
        ("version 1 alone", "4:memory:/m\n"),
        ("outside the namespace", "0::/../../x\n"),
        ("not to be seen", "0::/elsewhere\n"),
        ("gone", "0::/top/leaf (deleted)\n"),
        ("torn", "0::"),
        ("empty", ""),
    ] {
        let tree = Tree::with_group();
        tree.put("proc/self/cgroup", text);
        assert_eq!(own_group(tree.root()), None, "{id}");
    }
    assert_eq!(own_group(Tree::new().root()), None, "no /proc");
}

proptest! {
    #[test]
    fn no_text_is_too_odd(text in any::<String>(), name in "[A-Za-z_]{0,8}") {
        let _ = (number(&text, &name), limit(&text), group(&text), stat(&text));
        prop_assert!(avg10(&text, "some").is_none_or(|share| (0.0..=100.0).contains(&share)));
        prop_assert!(load(&text).is_none_or(f64::is_finite));
    }

    /// A file that is cut off anywhere tells what stands before the cut, or a number with fewer digits, and never more.
    #[test]
    fn no_cut_is_too_odd(at in 0_usize..110) {
        let cut = |text: &str| text.chars().take(at).collect::<String>();
        prop_assert!(number(&cut(MEMINFO), "MemFree").is_none_or(|kib| kib <= 18_753_740));
        prop_assert!(number(&cut(VMSTAT), "pswpout").is_none_or(|pages| pages <= 3456));
        prop_assert!(number(&cut(EVENTS), "oom_kill").is_none_or(|kills| kills <= 4));
        prop_assert!(avg10(&cut(STALLS), "full").is_none_or(|share| share <= 3.25));
        prop_assert!(stat(&cut(STAT)).is_none_or(|seen| seen.start == 777 && seen.resident <= 333));
    }

}

proptest! {
    // Each case writes a dozen files.
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// A whole host of odd files: a look never fails.
    #[test]
    fn no_host_is_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let tree = Tree::with_group();
        for name in ["meminfo", "vmstat", "loadavg", "pressure/memory", "pressure/io", "9/stat", "9/task/9/children", "9/cgroup"] {
            tree.put(&format!("proc/{name}"), &bytes);
        }
        for name in ["memory.current", "memory.peak", "memory.events", "memory.max", "memory.swap.max"] {
            tree.put(&format!("sys/fs/cgroup/top/leaf/{name}"), &bytes);
        }
        let sample = tree.sampler().sample(Some(9));
        prop_assert!(sample.disk_used_pct.is_some(), "the disk is told whatever the rest is");
    }
}
