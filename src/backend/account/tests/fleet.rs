//! A fleet in imagined time: fifty runs, one account, a server that refuses what is above its limit.

use std::collections::VecDeque;

use super::*;

/// A server that lets through so many requests in any second, and says of the others when to come back.
struct Server {
    limit: usize,
    retry_after: f64,
    taken: VecDeque<f64>,
    arrivals: Vec<f64>,
    refusals: Vec<f64>,
}

impl Server {
    fn arrive(&mut self, now: f64) -> bool {
        self.arrivals.push(now);
        while self.taken.front().is_some_and(|at| now - at >= 1.0) {
            self.taken.pop_front();
        }
        let taken = self.taken.len() < self.limit;
        if taken {
            self.taken.push_back(now);
        } else {
            self.refusals.push(now);
        }
        taken
    }
}

/// What a run does next.
#[derive(Clone, Copy)]
enum Next {
    Ask,
    Hear { taken: bool },
}

#[test]
fn fifty_runs_back_off_together() {
    let (latency, length) = (0.03, 20.0);
    let dir = TempDir::new().unwrap();
    let runs: Vec<Accounts> = (0..50).map(|n| run(dir.path(), &format!("run {n}"))).collect();
    let party = party(&runs[0], "m");
    let mut server =
        Server { limit: 5, retry_after: length, taken: VecDeque::new(), arrivals: vec![], refusals: vec![] };
    // They start within half a second, as from a loop in a shell.
    let mut queue: Vec<(f64, usize, Next)> =
        (0..50_u32).map(|n| (f64::from(n) / 100.0, n as usize, Next::Ask)).collect();
    let mut finished = 0.0;
    let mut steps = 0;
    while !queue.is_empty() {
        steps += 1;
        assert!(steps < 100_000, "nobody gets on");
        let first = queue.iter().enumerate().min_by(|a, b| a.1.0.total_cmp(&b.1.0)).unwrap().0;
        let (now, who, next) = queue.swap_remove(first);
        let accounts = &runs[who];
        match next {
            Next::Ask => match accounts.ask(&party, at(now)) {
                Admission::Go => {
                    let taken = server.arrive(now + latency / 2.0);
                    queue.push((now + latency, who, Next::Hear { taken }));
                }
                Admission::Wait { until, .. } => {
                    assert!(until > at(now));
                    queue.push((until.duration_since(at(0.0)).as_secs_f64(), who, Next::Ask));
                }
            },
            Next::Hear { taken: true } => {
                accounts.taken(&party, at(now));
                accounts.succeeded(&party, at(now));
                finished = now;
            }
            Next::Hear { taken: false } => {
                accounts.failed(&party, &refusal(server.retry_after), at(now));
                queue.push((now, who, Next::Ask));
            }
        }
    }
    let first = server.refusals[0];
    let during = server.arrivals.iter().filter(|at| **at > first && **at < first + length).count();
    assert!(during <= 1, "{during} requests in the {length} s after the first refusal");
    assert!(server.refusals.len() <= 2, "refused at {:?}", server.refusals);
    assert!(server.arrivals.len() <= 52, "{} requests", server.arrivals.len());
    assert!(finished < 45.0, "the last had its answer after {finished} s");
}

#[test]
fn a_fleet_that_nobody_refuses_is_hardly_held_up() {
    let dir = TempDir::new().unwrap();
    let one = run(dir.path(), "one");
    let party = party(&one, "m");
    let mut queue: Vec<(f64, Next)> = (0..50).map(|_| (0.0, Next::Ask)).collect();
    let mut finished = 0.0;
    while !queue.is_empty() {
        let first = queue.iter().enumerate().min_by(|a, b| a.1.0.total_cmp(&b.1.0)).unwrap().0;
        let (now, next) = queue.swap_remove(first);
        match next {
            Next::Ask => match one.ask(&party, at(now)) {
                Admission::Go => queue.push((now + 0.1, Next::Hear { taken: true })),
                Admission::Wait { until, firm, .. } => {
                    assert!(!firm);
                    queue.push((until.duration_since(at(0.0)).as_secs_f64(), Next::Ask));
                }
            },
            Next::Hear { .. } => {
                one.taken(&party, at(now));
                finished = now;
            }
        }
    }
    assert!(finished < 4.0, "{finished}");
}
