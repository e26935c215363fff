#![allow(clippy::unwrap_used, clippy::allow_attributes, reason = "tests")]

use super::*;

fn being(pid: i32, parent: i32, group: i32) -> Being {
    Being { pid, ppid: parent, group, start: 1, alive: true, name: format!("p{pid}") }
}

fn leader(ticket: Ticket, pid: i32, alive: bool) -> Leader {
    Leader { ticket, pid, alive }
}

fn pids(census: &Census, leader: Leader) -> Vec<i32> {
    census.of(leader).iter().map(|being| being.pid).collect()
}

#[test]
fn does_a_name_with_parentheses_and_spaces_break_the_line() {
    let stat = b"42 (a) R (b) S 1 40 40 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 777 0 0";
    let being = Being::parse(42, stat).unwrap();
    assert_eq!((being.ppid, being.group, being.start, being.alive), (1, 40, 777, true));
    assert_eq!(being.name, "a) R (b");
}

#[test]
fn is_a_zombie_with_living_threads_alive() {
    let stat = |threads: u32| format!("42 (x) Z 1 40 40 0 -1 0 0 0 0 0 0 0 0 0 20 0 {threads} 0 7 0");
    assert!(!Being::parse(42, stat(1).as_bytes()).unwrap().alive);
    assert!(Being::parse(42, stat(2).as_bytes()).unwrap().alive);
}

#[test]
fn whose_is_a_process_among_two_children() {
    let (a, b) = (leader(1, 10, true), leader(2, 20, true));
    let beings = vec![
        being(10, 5, 10),
        being(11, 10, 11), // setsid, parent alive
        being(20, 5, 20),
        being(21, 5, 20), // orphan in the group of b
        being(22, 5, 22), // orphan with a marker
        being(23, 22, 22),
        being(24, 5, 24), // nobody's
        being(99, 1, 99), // not below the guard
    ];
    let mut memory = Memory::new();
    let census = Census::sort(&beings, 5, &[a, b], &mut memory, |pid| (pid == 22).then_some(1));
    assert_eq!(pids(&census, a), [11, 22, 23]);
    assert_eq!(pids(&census, b), [21]);
    assert_eq!(census.living().count(), 7);
}

#[test]
fn is_an_orphan_remembered_after_its_parents_have_gone() {
    let (a, b) = (leader(1, 10, true), leader(2, 20, true));
    let mut memory = Memory::new();
    Census::sort(&[being(10, 5, 10), being(11, 10, 11)], 5, &[a, b], &mut memory, |_| None);
    let gone = leader(1, 10, false);
    let census = Census::sort(&[being(11, 5, 11)], 5, &[gone, b], &mut memory, |_| None);
    assert_eq!(pids(&census, gone), [11]);
}

#[test]
fn does_the_only_child_own_every_stranger() {
    let gone = leader(1, 10, false);
    let mut memory = Memory::new();
    let census = Census::sort(&[being(33, 5, 33)], 5, &[gone], &mut memory, |_| None);
    assert_eq!(pids(&census, gone), [33]);
    assert!(memory.is_empty(), "a guess is not remembered");
}

#[test]
fn does_a_ring_of_parents_end() {
    let mut memory = Memory::new();
    let census = Census::sort(&[being(1, 2, 1), being(2, 1, 1)], 5, &[], &mut memory, |_| None);
    assert_eq!(census.living().count(), 0);
}

#[test]
fn is_only_our_own_marker_believed() {
    let environ = b"A=b\0PROVOST_CHILD=abc.17\0C=d\0";
    assert_eq!(ticket_in(environ, "abc"), Some(17));
    assert_eq!(ticket_in(environ, "abd"), None);
    assert_eq!(ticket_in(b"XPROVOST_CHILD=abc.17\0", "abc"), None);
}
