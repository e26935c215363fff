//! The detectors, fed through the fold as a run feeds them. Steps and what follows are written as words.

use std::fmt::Write as _;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::*;
use crate::event::{
    AttemptFailed, AttemptFinished, AttemptNumber, AttemptRetrying, AttemptStarted, BudgetCeilings, NodeId,
    Opening, PhaseName, RoundEnded, RoundNumber, RoundOutcome, RoundStarted, RunEnded, RunId, RunResumed,
    RunStarted, Seq, Sha256, Spend, ToolCalled, ToolId, TurnEnded, TurnNumber, WaitCause, WaitEnded,
    WaitStarted,
};
use crate::profile::{self, Profile, Source};

mod properties;
mod rows;
mod silence;

/// A profile with `[supervise]`, and what `--set` says.
fn profile(sets: &[&str]) -> Profile {
    static DEFAULT: LazyLock<Profile> = LazyLock::new(|| load(&[]));
    if sets.is_empty() { DEFAULT.clone() } else { load(sets) }
}

fn load(sets: &[&str]) -> Profile {
    let dir = tempfile::tempdir().unwrap();
    let text = "schema = 1\nname = \"w\"\n[agent]\nharness = \"claude\"\n[supervise]\n";
    crate::file::write_atomic(&dir.path().join("p.toml"), text.as_bytes()).unwrap();
    let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
    let source = Source { path: std::path::Path::new("p.toml"), sets: &sets, cwd: dir.path() };
    Profile::clone(&profile::load(source).unwrap().profile)
}

/// A run as its journal and its detectors see it.
struct Watch {
    profile: Profile,
    tally: Tally,
    detectors: Detectors,
    budget: BudgetCeilings,
    now: Timestamp,
    instant: Instant,
    rounds: u64,
    /// What followed, in words.
    heard: Vec<String>,
}

impl Watch {
    fn new(sets: &[&str]) -> Self {
        let profile = profile(sets);
        let supervise = profile.supervise.clone().unwrap();
        let mut watch = Self {
            detectors: Detectors::new(&supervise, &profile.round),
            profile,
            tally: Tally::default(),
            budget: BudgetCeilings::default(),
            now: "2026-11-21T02:00:00Z".parse().unwrap(),
            instant: Instant::now(),
            rounds: 0,
            heard: Vec::new(),
        };
        watch.tell(RunStarted {
            run: RunId::new("r"),
            verb: "supervise".to_owned(),
            profile: "w".to_owned(),
            harness: "claude".to_owned(),
            model: None,
            task_sha256: Sha256::of(b""),
            task: String::new(),
            seed: 0,
            budget: BudgetCeilings::default(),
            checked: false,
            pid: 1,
        });
        watch
    }

    /// Provost goes away and comes back with what is on disk alone.
    fn restart(&mut self) {
        let supervise = self.profile.supervise.clone().unwrap();
        self.detectors = Detectors::new(&supervise, &self.profile.round);
        let stored = serde_json::to_string(&self.tally).unwrap();
        self.tally = serde_json::from_str(&stored).unwrap();
    }

    /// Puts an event on record, and lets the detectors hear it.
    fn tell(&mut self, kind: impl Into<Kind>) {
        let event =
            Event { seq: self.tally.last_seq.next(), at: self.now, node: NodeId::root(), kind: kind.into() };
        self.tally.apply(&event);
        let view = view(&self.tally, &self.budget, self.now, self.instant);
        let acts = self.detectors.hear(&event, &view);
        self.act(acts);
    }

    fn look(&mut self, seen: &Seen) {
        let view = view(&self.tally, &self.budget, self.now, self.instant);
        let acts = self.detectors.look(&view, seen);
        self.act(acts);
    }

    /// Does at once what is wanted, as the engine does.
    fn act(&mut self, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Tell(kind) => {
                    self.heard.push(match &*kind {
                        Kind::AlertRaised(raised) => {
                            let loud = if raised.severity == Severity::Critical { "!" } else { "" };
                            format!("+{}{loud}", raised.alert)
                        }
                        Kind::AlertCleared(cleared) => format!("-{}", cleared.alert),
                        other => panic!("{other:?} is no alert"),
                    });
                    self.tell(*kind);
                }
                Act::EndRound(failure) => self.heard.push(format!("round ends: {}", failure.rule)),
                Act::EndRun(outcome, _) => self.heard.push(format!("run ends: {}", outcome.word())),
                Act::EndWait { .. } => panic!("detectors end no wait"),
            }
        }
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.instant += Duration::from_secs(seconds);
    }

    fn settle(&mut self, outcome: RoundOutcome, failure: Option<Failure>) {
        let round = RoundNumber(self.rounds);
        self.tell(RoundEnded { round, outcome, duration_ms: 90_000, output_sha256: None, failure });
    }

    /// Does what the words of one step say.
    fn step(&mut self, step: &str) {
        let words: Vec<&str> = step.split_whitespace().collect();
        match words.as_slice() {
            ["round", phase @ ..] => {
                self.rounds += 1;
                let phase = phase.first().map(|phase| PhaseName::new(*phase));
                self.tell(RoundStarted { phase, ..RoundStarted::plain(RoundNumber(self.rounds)) });
                self.step("attempt 0");
            }
            ["attempt", candidate] => self.tell(AttemptStarted {
                round: RoundNumber(self.rounds),
                attempt: AttemptNumber(1),
                model: None,
                session: None,
                candidate: candidate.parse().unwrap(),
                opening: Opening::Fresh,
            }),
            ["call", name, about, times @ ..] => {
                let times = times.first().map_or(1, |times| times.parse().unwrap());
                for _ in 0..times {
                    let id = ToolId::new("t");
                    self.tell(ToolCalled { id, name: (*name).to_owned(), about: (*about).to_owned() });
                }
            }
            ["turn", calls] => self.tell(TurnEnded {
                turn: TurnNumber(1),
                message_sha256: None,
                preview: "words".to_owned(),
                tool_calls: calls.parse().unwrap(),
                usage: None,
                source: None,
            }),
            ["retrying", status, delay] => self.tell(AttemptRetrying {
                attempt: 1,
                delay_ms: Some(delay.parse().unwrap()),
                status: Some(status.parse().unwrap()),
                evidence: format!("status {status}"),
            }),
            ["failed", rest @ ..] => {
                let failure = self.failure(rest);
                self.tell(AttemptFailed { attempt: AttemptNumber(1), failure, partial_sha256: None });
            }
            ["finished"] => self.tell(AttemptFinished {
                attempt: AttemptNumber(1),
                stop_reason: None,
                output_sha256: None,
            }),
            ["answered"] => self.settle(RoundOutcome::Answered, None),
            ["stopped"] => self.settle(RoundOutcome::Stopped, None),
            ["lost", rest @ ..] => {
                let failure = self.failure(rest);
                self.settle(RoundOutcome::Failed, Some(failure));
            }
            ["late", rest @ ..] => {
                let failure = self.failure(rest);
                self.settle(RoundOutcome::TimedOut, Some(failure));
            }
            ["disk-full"] => self.settle(RoundOutcome::Failed, Some(Failure::environment("no space"))),
            ["tree", action] => self.tell(TreeSettled {
                round: RoundNumber(self.rounds),
                action: word_of(action),
                commit: (*action == "stashed").then(|| "c0ffee".to_owned()),
                files: 1,
                listed: Vec::new(),
                lock_removed: None,
                reason: None,
                head: None,
                fingerprint: None,
            }),
            ["wait", cause, seconds] => {
                let until = self.now + Duration::from_secs(seconds.parse().unwrap());
                let cause = Some(word_of::<WaitCause>(cause));
                self.tell(WaitStarted { reason: "because".to_owned(), until, cause });
            }
            ["waited"] => self.tell(WaitEnded { complete: true }),
            ["restart"] => self.restart(),
            ["resume"] => {
                self.restart();
                let after = self.tally.last_seq;
                self.tell(RunResumed { after, cut_bytes: 0, in_doubt: Vec::new(), pid: 2, binary: None });
            }
            ["look", rest @ ..] => self.look(&seen(rest)),
            ["end"] => self.tell(RunEnded {
                run: RunId::new("r"),
                verb: "supervise".to_owned(),
                outcome: RunOutcome::Stopped,
                exit_code: 0,
                delivered: false,
                score: None,
                output: None,
                rounds: self.rounds,
                spend: Spend::default(),
                reset_at: None,
                reason: None,
            }),
            [seconds] if seconds.starts_with('+') => self.pass(seconds[1..].parse().unwrap()),
            _ => panic!("`{step}` is no step"),
        }
    }

    fn steps(&mut self, steps: &str) {
        for step in steps.split(';').map(str::trim).filter(|step| !step.is_empty()) {
            match step.split_once(" times ") {
                Some((times, step)) => {
                    for _ in 0..times.parse::<u32>().unwrap() {
                        step.split(',').for_each(|step| self.step(step.trim()));
                    }
                }
                None => step.split(',').for_each(|step| self.step(step.trim())),
            }
        }
    }

    /// `CLASS`, and when it is over: `reset 3600`, `after 60`; `unasked` for a candidate that was left alone.
    fn failure(&self, words: &[&str]) -> Failure {
        let (class, rest) = words.split_first().unwrap();
        let mut failure = Failure::ours(word_of(class), format!("{class} it is"));
        match rest {
            [] => {}
            ["unasked"] => failure = failure.unasked(),
            ["reset", seconds] => {
                failure.reset_at = Some(self.now + Duration::from_secs(seconds.parse().unwrap()));
            }
            ["ago", seconds] => {
                failure.reset_at = Some(self.now - Duration::from_secs(seconds.parse().unwrap()));
            }
            ["after", seconds] => failure.retry_after = Some(seconds.parse().unwrap()),
            other => panic!("{other:?} says nothing of a failure"),
        }
        failure
    }
}

fn view<'a>(tally: &'a Tally, budget: &'a BudgetCeilings, now: Timestamp, instant: Instant) -> View<'a> {
    View { tally, budget, wall_s: 0.0, now, instant, checked: false, draining: false }
}

/// A word of the journal as what it stands for.
fn word_of<T: serde::de::DeserializeOwned>(word: &str) -> T {
    serde_json::from_value(word.into()).unwrap()
}

/// `disk warning`, `memory none`, `gate inert`, `cgroup 600`, in any number; what is not named is fine.
fn seen(words: &[&str]) -> Seen {
    let level = |word: &str| match word {
        "fine" => Level::Fine,
        "warning" => Level::Warning("it is short".to_owned()),
        "critical" => Level::Critical("it is out".to_owned()),
        other => panic!("`{other}` is no level"),
    };
    let mut seen = Seen { memory: Some(Level::Fine), ..Seen::default() };
    for pair in words.chunks(2) {
        match pair {
            ["disk", word] => seen.disk = level(word),
            ["memory", "none"] => seen.memory = None,
            ["memory", word] => seen.memory = Some(level(word)),
            ["gate", "inert"] => seen.gate_inert = Some("plenty counts as available".to_owned()),
            ["growth", rate] => seen.disk_growth_pct_per_hour = Some(rate.parse().unwrap()),
            ["inodes", rate] => seen.inode_growth_pct_per_hour = Some(rate.parse().unwrap()),
            ["cgroup", rate] => seen.cgroup_mb_per_min = Some(rate.parse().unwrap()),
            other => panic!("{other:?} says nothing of a host"),
        }
    }
    seen
}

/// A row: its id, what the profile sets, the steps, and what must follow.
type Row = (&'static str, &'static [&'static str], &'static str, &'static str);

fn hold(rows: &[Row]) {
    let mut wrong = String::new();
    for (id, sets, steps, expected) in rows {
        let mut watch = Watch::new(sets);
        watch.steps(steps);
        let heard = watch.heard.join(", ");
        if heard != *expected {
            let _ = writeln!(wrong, "{id}\n  steps:    {steps}\n  expected: {expected}\n  heard:    {heard}");
        }
    }
    assert!(wrong.is_empty(), "rows that do not hold:\n{wrong}");
}

#[test]
fn an_alarm_is_named_as_the_profile_names_it() {
    for name in [
        "rate_limit",
        "auth_failure",
        "repeated_tool",
        "hung",
        "no_first_event",
        "network_failures",
        "timeout_rate",
        "orphan_chain",
        "disk_warning",
        "disk_critical",
        "disk_growth",
        "memory_pressure",
        "memory_unknown",
        "memory_gate_inert",
        "cgroup_growth",
        "supervisor_stale",
        "prune_deferred",
    ] {
        assert_eq!(word(word_of::<Alarm>(name)), name);
    }
}

#[test]
fn the_seq_of_the_watch_has_no_gaps() {
    let mut watch = Watch::new(&[]);
    watch.steps("round; failed rate_limited; finished; answered");
    assert_eq!(watch.tally.last_seq, Seq(8), "six events, a raise and a clear");
}
