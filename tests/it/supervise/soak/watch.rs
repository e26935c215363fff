//! Follows the journal while provost lives, and ends its life where it was said to end.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::stage::Stage;

/// A source of chance that a seed repeats.
pub(super) struct Chance(pub(super) u64);

impl Chance {
    /// The next number of splitmix64.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to one less than `end`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }
}

/// Where provost is killed.
#[derive(Debug)]
pub(super) struct Cut {
    /// So many rounds have settled.
    pub(super) after_rounds: u64,
    /// Then the next event of this kind is waited for,
    pub(super) point: &'static str,
    /// and this long after it.
    pub(super) delay: Duration,
}

/// How a life of provost went.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// It has ended by itself.
    Ended(Option<i32>),
    /// It was killed where it was said to be.
    Killed,
    /// It waits for a lock of the index that somebody else has left, and was ended after that was taken away.
    Locked,
}

pub(super) struct Watch<'a> {
    stage: &'a Stage,
    path: Option<PathBuf>,
    offset: u64,
    settled: u64,
    over: bool,
    peak_kib: u64,
    locks: u64,
}

/// An event of this kind may not come again: then the kill comes anyhow.
const AT_LATEST: Duration = Duration::from_secs(3);

impl<'a> Watch<'a> {
    pub(super) fn new(stage: &'a Stage) -> Self {
        Self { stage, path: None, offset: 0, settled: 0, over: false, peak_kib: 0, locks: 0 }
    }

    /// Whether the run has its last event.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// The most that any provost had resident, KiB.
    pub(super) fn peak_kib(&self) -> u64 {
        self.peak_kib
    }

    /// Watches over one life, and ends it at the cut.
    pub(super) fn live(&mut self, mut child: Child, cut: Option<&Cut>, patience: Duration) -> Seen {
        let begun = Instant::now();
        let mut measured = begun;
        let mut due = None;
        let mut armed: Option<Instant> = None;
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                self.fresh();
                return Seen::Ended(status.code());
            }
            for event in self.fresh() {
                let kind = event["kind"].as_str().unwrap_or_default();
                if let Some(cut) = cut
                    && due.is_none()
                    && armed.is_some()
                    && kind == cut.point
                {
                    due = Some(Instant::now() + cut.delay);
                }
                let reason = event["reason"].as_str().unwrap_or_default();
                if kind == "wait.started" && event["cause"] == "environment" {
                    assert!(reason.contains("index.lock"), "an odd reason to wait: {event}");
                    return self.rescue(child);
                }
            }
            let now = Instant::now();
            if cut.is_some_and(|cut| self.settled >= cut.after_rounds) {
                let armed = *armed.get_or_insert(now);
                if due.is_some_and(|due| now >= due) || now - armed > AT_LATEST {
                    self.measure(&child);
                    child.kill().unwrap();
                    child.wait().unwrap();
                    self.fresh();
                    return Seen::Killed;
                }
            }
            if now - begun > patience {
                self.measure(&child);
                child.kill().unwrap();
                panic!("one life of provost takes too long\n{}", self.stage.talk());
            }
            if now >= measured + Duration::from_millis(100) {
                self.measure(&child);
                measured = now;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The lock is taken away, as a person would; then provost is killed in its wait, or asked to end.
    fn rescue(&mut self, mut child: Child) -> Seen {
        let lock = self.stage.path("work/.git/index.lock");
        // An agent has left it, or its git that was killed with it; what provost's own git has left is not for others to find.
        let held = std::fs::read(&lock).unwrap();
        println!("soak: a lock of {} bytes after round {}", held.len(), self.settled);
        std::fs::remove_file(&lock).unwrap();
        self.locks += 1;
        if self.locks.is_multiple_of(2) {
            child.kill().unwrap();
            child.wait().unwrap();
        } else {
            let asked = Instant::now();
            crate::support::sandbox::signal(child.id(), "TERM");
            let status = child.wait().unwrap();
            assert_eq!(status.code(), Some(0), "a wait that is stopped is no failure\n{}", self.stage.talk());
            assert!(
                asked.elapsed() < Duration::from_secs(10),
                "it took {:?} to leave a wait",
                asked.elapsed()
            );
        }
        self.fresh();
        self.over = false;
        Seen::Locked
    }

    fn measure(&mut self, child: &Child) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|rest| rest.trim().strip_suffix(" kB")?.trim().parse().ok());
        self.peak_kib = self.peak_kib.max(peak.unwrap_or(0));
    }

    /// The events that are new, each a whole line.
    fn fresh(&mut self) -> Vec<Value> {
        if self.path.is_none() {
            self.path = self.stage.run_dir().map(|dir| dir.join("journal.jsonl"));
        }
        let Some(mut file) = self.path.as_ref().and_then(|path| std::fs::File::open(path).ok()) else {
            return Vec::new();
        };
        file.seek(SeekFrom::Start(self.offset)).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let mut events = Vec::new();
        for line in bytes[..whole].split_inclusive(|byte| *byte == b'\n') {
            let event: Value = serde_json::from_slice(line).unwrap();
            match event["kind"].as_str() {
                Some("round.ended") => self.settled += 1,
                Some("run.ended") => self.over = true,
                Some("run.resumed") => self.over = false,
                _ => {}
            }
            events.push(event);
        }
        self.offset += whole as u64;
        events
    }
}
