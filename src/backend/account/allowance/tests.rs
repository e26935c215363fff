use super::*;

fn limits(max_concurrency: Option<u32>, rpm: Option<u32>) -> Limits {
    Limits { max_concurrency, rpm }
}

fn private(limits: Limits) -> Arc<Allowance> {
    Arc::new(Allowance::new(None, limits, 1))
}

#[test]
fn no_more_go_than_slots_are_there_and_each_comes_back() {
    let allowance = private(limits(Some(2), None));
    let one = allowance.ask(0).unwrap();
    let two = allowance.ask(0).unwrap();
    assert_eq!(allowance.ask(1).unwrap_err(), Full::Slots(1 + LOOK_SLOTS));
    drop(one);
    let three = allowance.ask(1).unwrap();
    assert!(allowance.ask(2).is_err());
    drop((two, three));
    let all: Vec<Pass> = (0..2).map(|_| allowance.ask(3).unwrap()).collect();
    assert!(allowance.ask(4).is_err());
    drop(all);
}

#[test]
fn the_stricter_of_two_statements_stands() {
    let allowance = private(limits(Some(3), None));
    let before: Vec<Pass> = (0..3).map(|_| allowance.ask(0).unwrap()).collect();
    allowance.keep_to(limits(Some(1), Some(60)));
    allowance.keep_to(limits(Some(9), Some(6_000)));
    drop(before);
    let pass = allowance.ask(0).unwrap();
    assert_eq!(allowance.ask(1).unwrap_err(), Full::Slots(1 + LOOK_SLOTS));
    drop(pass);
    assert!(matches!(allowance.ask(1), Err(Full::Rate(until)) if (1_000..1_100).contains(&until)));
    // A request that the minute has no room for keeps no slot.
    assert!(allowance.ask(2_000).is_ok());
}

#[test]
fn a_minute_that_is_full_says_when_it_is_not() {
    let allowance = private(limits(None, Some(120)));
    let start = 1_795_000_000_000;
    let (mut now, mut went) = (start, 0);
    while now < start + 60_000 {
        match allowance.ask(now) {
            Ok(_) => went += 1,
            Err(full) => {
                assert!(matches!(full, Full::Rate(until) if until > now), "{full:?} at {now}");
                let Full::Rate(until) = full else { return };
                now = until;
            }
        }
    }
    assert_eq!(went, 120);
}

#[cfg(target_os = "linux")]
mod shared {
    use super::*;

    /// As many processes, each with a file that it has opened itself.
    fn processes<const N: usize>(limits: Limits) -> (tempfile::TempDir, [Arc<Allowance>; N]) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("slots");
        let each = std::array::from_fn(|pid| {
            Arc::new(Allowance::new(Some(&path), limits, u32::try_from(pid).unwrap()))
        });
        (dir, each)
    }

    #[test]
    fn processes_keep_to_the_slots_together() {
        let (_dir, [one, two]) = processes(limits(Some(3), None));
        let first = [one.ask(0).unwrap(), two.ask(0).unwrap(), one.ask(0).unwrap()];
        assert!(one.ask(1).is_err() && two.ask(1).is_err());
        drop(first);
        let second: Vec<Pass> = (0..3).map(|_| two.ask(2).unwrap()).collect();
        assert!(one.ask(2).is_err());
        // A process that has ended has nothing.
        drop((second, two));
        let all: Vec<Pass> = (3..6).filter_map(|now| one.ask(now).ok()).collect();
        assert_eq!(all.len(), 3);
    }

    #[test]
    fn while_several_want_more_each_has_its_share() {
        for (max, least) in [(8, 4), (5, 2), (2, 1), (1, 1)] {
            let (_dir, [one, two]) = processes(limits(Some(max), None));
            let mut held: Vec<Pass> = (0..max).map(|_| one.ask(0).unwrap()).collect();
            let queues = (one.queue(true), two.queue(true));
            let mut other = Vec::new();
            // The first gives one back and asks at once, each time; the second looks as seldom as it may.
            let mut now = 100;
            for _ in 0..40 {
                held.pop();
                held.extend(one.ask(now).ok());
                now += LOOK_SLOTS;
                other.extend(two.ask(now).ok());
                assert!(held.len() + other.len() <= max as usize);
            }
            assert!(other.len() >= least, "{} of {max}", other.len());
            drop(queues);
            // Nobody else wants: all are for whoever asks.
            drop(other);
            now += LOOK_CROWD;
            let all: Vec<Pass> = (held.len()..max as usize).map(|_| one.ask(now).unwrap()).collect();
            drop(all);
        }
    }

    #[test]
    fn the_last_slot_goes_round() {
        let (_dir, [one, two]) = processes(limits(Some(1), None));
        let _queues = (one.queue(true), two.queue(true));
        let mut turns = [0, 0];
        let mut now = 0;
        for _ in 0..100 {
            // The one that had it asks again before the other one looks.
            for _ in 0..3 {
                turns[0] += usize::from(one.ask(now).is_ok());
                now += 2;
            }
            turns[1] += usize::from(two.ask(now).is_ok());
            now += 2;
        }
        assert!(turns.iter().all(|turns| *turns >= 20), "{turns:?}");
    }

    #[test]
    fn processes_keep_to_the_minute_together() {
        let (_dir, each) = processes::<3>(limits(None, Some(600)));
        let start = 1_795_000_000_000;
        let mut went = Vec::new();
        for now in start..start + 70_000 {
            went.extend(each.iter().filter(|one| one.ask(now).is_ok()).map(|_| now));
        }
        assert!(went.windows(601).all(|crowd| crowd[600] - crowd[0] >= 60_000));
        assert!(went.len() >= 680, "{}", went.len());
    }

    #[test]
    fn what_cannot_be_shared_is_kept_alone_and_said_once() {
        let dir = tempfile::tempdir().unwrap();
        let one = Arc::new(Allowance::new(Some(&dir.path().join("no/slots")), limits(Some(1), Some(60)), 1));
        let said = one.trouble().unwrap();
        assert!(said.contains("no/slots") && said.contains("XDG_STATE_HOME"), "{said}");
        assert_eq!(one.trouble(), None);
        let _pass = one.ask(0).unwrap();
        assert!(one.ask(1).is_err());
    }

    #[tokio::test]
    async fn whoever_waits_is_told_when_a_slot_comes_back() {
        let (_dir, [one]) = processes(limits(Some(1), None));
        let pass = one.ask(0).unwrap();
        let queue = one.queue(true);
        let told = async {
            queue.changed().await;
            one.ask(1).is_ok()
        };
        let given = async { drop(pass) };
        assert!(tokio::join!(told, given).0);
    }
}
