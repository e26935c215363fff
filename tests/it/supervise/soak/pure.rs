//! Years in seconds: thousands of rounds of the loop alone, with the time passed by hand and the fold put on paper and read back.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use provost::engine::{View, counted};
use provost::event::{
    BudgetCeilings, Event, Failure, FaultClass, Kind, NodeId, PhaseName, RoundEnded, RoundNumber,
    RoundOutcome, RoundStarted, RunId, RunOutcome, RunResumed, RunStarted, Seq, Sha256, Tally, Usage,
    UsageReported, UsageSource, WaitCause, WaitEnded, WaitStarted,
};
use provost::profile::{PhasePolicy, Source, Supervise, load_supervised};
use provost::supervise::restart::{Verdict, verdict};
use provost::supervise::schedule::{Calendar, Choice, choose};

use super::watch::Chance;

/// Rounds after which a loop is done.
const ROUNDS: u64 = 120;
const PROFILE: &str = r#"schema = 1
name = "p"
[agent]
harness = "command"
command = ["true"]
[supervise]
rounds = 120
rotation = ["plan", "build", "build"]
[supervise.give_up]
crashes = 5
idle = 5
memory = 3
[supervise.schedule]
timezone = "Europe/Berlin"
run = ["Mon..Fri 08:00-18:00", "Sat 22:00-02:00"]
pause = ["Wed 12:00-13:00"]
"#;

fn settings() -> Supervise {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("p.toml"), PROFILE).unwrap();
    let source = Source { path: "p.toml".as_ref(), sets: &[], cwd: dir.path() };
    load_supervised(source).unwrap().profile.supervise.clone().unwrap()
}

/// What a round comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Good,
    Idle,
    Crash,
    LongFailure,
    Timeout,
    /// The provider wants to be left alone for so many seconds.
    Told(i64),
    Overloaded,
    Network,
    Memory,
    Environment,
    Stopped,
}

impl Fate {
    /// How the rounds of a stretch fail is alike, as in life; drawn from the seed and the round.
    fn of(seed: u64, round: u64) -> Self {
        let mut weather = Chance(seed ^ (round / 8).wrapping_mul(0x51ed));
        let mut chance = Chance(seed.wrapping_mul(31) ^ (round << 8));
        let bad = match weather.below(7) {
            0 => Self::Crash,
            1 => Self::Overloaded,
            2 => Self::Memory,
            3 => Self::Network,
            4 => Self::Idle,
            5 => Self::Told(i64::try_from(1 + chance.below(400_000)).unwrap()),
            _ => Self::LongFailure,
        };
        match chance.below(16) {
            0..=5 => Self::Good,
            6..=12 => bad,
            13 => Self::Timeout,
            14 => Self::Environment,
            _ => Self::Stopped,
        }
    }

    fn seconds(self, chance: &mut Chance) -> u64 {
        match self {
            Self::Good | Self::LongFailure | Self::Timeout => 61 + chance.below(3_000),
            Self::Memory => 1 + chance.below(500),
            Self::Idle => chance.below(30),
            Self::Environment => 0,
            _ => 1 + chance.below(58),
        }
    }

    /// Whether a round like this changes no counter.
    fn is_neutral(self) -> bool {
        matches!(self, Self::Environment | Self::Stopped)
    }

    fn end(self, at: Timestamp) -> (RoundOutcome, Option<Failure>) {
        let failed = |class| (RoundOutcome::Failed, Some(Failure::ours(class, "evidence")));
        match self {
            Self::Good | Self::Idle => (RoundOutcome::Answered, None),
            Self::Crash | Self::LongFailure => failed(FaultClass::AgentCrash),
            Self::Timeout => {
                (RoundOutcome::TimedOut, Some(Failure::ours(FaultClass::RoundTimeout, "evidence")))
            }
            Self::Told(seconds) => {
                let reset_at = at.checked_add(SignedDuration::from_secs(seconds)).ok();
                let failure = Failure { reset_at, ..Failure::ours(FaultClass::RateLimited, "evidence") };
                (RoundOutcome::Failed, Some(failure))
            }
            Self::Overloaded => failed(FaultClass::Overloaded),
            Self::Network => failed(FaultClass::Transport),
            Self::Memory => (RoundOutcome::Failed, Some(Failure::memory("full avg10 is 71"))),
            Self::Environment => (RoundOutcome::Failed, Some(Failure::environment("no space left"))),
            Self::Stopped => (RoundOutcome::Stopped, Some(Failure::ours(FaultClass::UserAbort, "stopped"))),
        }
    }
}

/// When provost is killed and begun again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kills {
    Never,
    /// Between rounds and in waits, and back before the wait would have ended.
    Brief,
    /// Anywhere, and away for as long as it likes.
    Any,
}

/// A round as the model knows it, which keeps all of them and counts anew each time.
#[derive(Clone, Debug)]
struct Told {
    fate: Fate,
    phase: String,
    settled_at: Timestamp,
    /// The pauses for want of memory that have begun after it.
    memory_pause: Option<Timestamp>,
}

struct Loop {
    settings: Supervise,
    calendar: Calendar,
    rotation: Vec<PhaseName>,
    seed: u64,
    kills: Kills,
    chance: Chance,
    now: Timestamp,
    tally: Tally,
    told: Vec<Told>,
    began: Vec<(u64, Timestamp, String)>,
    restarts: u64,
    waits: u64,
    widest: usize,
    instant: Instant,
}

impl Loop {
    fn new(seed: u64, kills: Kills) -> Self {
        let settings = settings();
        let calendar = Calendar::new(settings.schedule.as_ref().unwrap());
        let rotation = settings.rotation.iter().map(PhaseName::new).collect();
        let mut this = Self {
            settings,
            calendar,
            rotation,
            seed,
            kills,
            chance: Chance(seed ^ 0xabcd),
            now: "2026-03-20T09:00:00Z".parse().unwrap(),
            tally: Tally::default(),
            told: Vec::new(),
            began: Vec::new(),
            restarts: 0,
            waits: 0,
            widest: 0,
            instant: Instant::now(),
        };
        this.push(RunStarted {
            run: RunId::new("r"),
            verb: "supervise".to_owned(),
            profile: "p".to_owned(),
            harness: "command".to_owned(),
            model: None,
            task_sha256: Sha256::of(b""),
            task: String::new(),
            seed,
            budget: BudgetCeilings::default(),
            checked: false,
            pid: 1,
        });
        this
    }

    fn push(&mut self, kind: impl Into<Kind>) {
        let seq = Seq(self.tally.last_seq.0 + 1);
        self.tally.apply(&Event { seq, at: self.now, node: NodeId::root(), kind: kind.into() });
    }

    fn pass(&mut self, seconds: u64) {
        self.now = self.now.checked_add(SignedDuration::from_secs(i64::try_from(seconds).unwrap())).unwrap();
    }

    /// What is on disk is all that is left.
    fn restart(&mut self) {
        let text = serde_json::to_string(&self.tally).unwrap();
        self.widest = self.widest.max(text.len());
        let read: Tally = serde_json::from_str(&text).unwrap();
        assert_eq!(read, self.tally, "the fold changes on its way to the disk");
        self.tally = read;
        let after = self.tally.last_seq;
        self.push(RunResumed { after, cut_bytes: 0, in_doubt: Vec::new(), pid: 2, binary: None });
        self.restarts += 1;
    }

    fn verdict(&self) -> Verdict {
        let budget = BudgetCeilings::default();
        let (tally, now, instant) = (&self.tally, self.now, self.instant);
        verdict(
            &self.settings,
            &View { tally, budget: &budget, wall_s: 0.0, now, instant, checked: false, draining: false },
            self.seed,
        )
    }

    /// Plays until the end, and says which it is.
    fn play(&mut self) -> RunOutcome {
        loop {
            let verdict = self.verdict();
            if self.kills != Kills::Never && self.chance.below(6) == 0 {
                self.restart();
                assert_eq!(self.verdict(), verdict, "a restart changes what comes next");
            }
            self.agrees(&verdict);
            match verdict {
                Verdict::End(outcome, _) => return outcome,
                Verdict::Wait(pause) => self.wait(pause.cause, pause.until),
                Verdict::Ready if !self.calendar.runnable(self.now) => {
                    let until = self.calendar.next_change(self.now).expect("there is a window each week");
                    self.wait(WaitCause::Schedule, until);
                }
                Verdict::Ready => self.round(),
            }
        }
    }

    fn wait(&mut self, cause: WaitCause, until: Timestamp) {
        assert!(until > self.now, "{cause:?}: a wait that is over would be waited for ever");
        self.waits += 1;
        self.push(WaitStarted { reason: String::new(), until, cause: Some(cause) });
        if cause == WaitCause::MemoryLoop
            && let Some(last) = self.told.last_mut()
        {
            last.memory_pause.get_or_insert(self.now);
        }
        let length = u64::try_from(until.duration_since(self.now).as_secs()).unwrap();
        let killed = self.kills != Kills::Never && self.chance.below(3) == 0;
        if killed {
            let far = if self.kills == Kills::Any { 3 * length + 2 } else { length };
            let away = self.chance.below(far);
            self.pass(away);
            self.restart();
            return;
        }
        self.now = until;
        self.push(WaitEnded { complete: true });
    }

    fn round(&mut self) {
        let number = self.tally.rounds.next();
        assert_eq!(number.0, self.told.len() as u64 + 1, "numbers without gaps");
        let at = usize::try_from(counted(&self.tally)).unwrap();
        let expected = self.rotation[at % self.rotation.len()].clone();
        let Some(Choice::Run(phase)) = choose(&self.rotation, at, PhasePolicy::Wait, |_| Ok(())) else {
            panic!("no phase");
        };
        assert_eq!(phase, expected);
        assert!(self.calendar.runnable(self.now), "a round begins outside of its windows: {}", self.now);
        self.began.push((number.0, self.now, phase.as_str().to_owned()));
        self.push(RoundStarted { phase: Some(phase.clone()), ..RoundStarted::plain(number) });
        if self.kills == Kills::Any && self.chance.below(8) == 0 {
            // It is made again, under its number, and nothing was counted.
            self.pass(5);
            self.restart();
            assert_eq!(self.tally.open.as_ref().map(|open| open.round), Some(number));
        }
        let fate = Fate::of(self.seed, number.0);
        if fate == Fate::Good {
            self.push(UsageReported { usage: Usage::default(), source: UsageSource::Provider, model: None });
        }
        let seconds = fate.seconds(&mut Chance(self.seed ^ number.0));
        self.pass(seconds);
        let (outcome, failure) = fate.end(self.now);
        self.push(RoundEnded {
            round: number,
            outcome,
            duration_ms: seconds * 1000,
            output_sha256: None,
            failure,
        });
        let (settled_at, phase) = (self.now, phase.as_str().to_owned());
        self.told.push(Told { fate, phase, settled_at, memory_pause: None });
        assert_eq!(self.tally.settled_rounds(), number.0, "settled once");
    }

    /// How many of the last rounds, but for those that change nothing, are so.
    fn in_a_row(&self, is: impl Fn(&Told) -> bool) -> u64 {
        let rounds = self.told.iter().rev().filter(|told| !told.fate.is_neutral());
        rounds.take_while(|told| is(told)).count() as u64
    }

    /// Rounds in a row that were ended for want of memory, since the last pause for that.
    fn short_of_memory(&self) -> u64 {
        let mut count = 0;
        for told in self.told.iter().rev().filter(|told| !told.fate.is_neutral()) {
            if told.fate != Fate::Memory || (told.memory_pause.is_some() && count > 0) {
                break;
            }
            count += 1;
        }
        count
    }

    /// Whether the agent of a phase has ever said what it uses before this round.
    fn reports(&self, told: &Told) -> bool {
        let good = self.told.iter().find(|other| other.fate == Fate::Good && other.phase == told.phase);
        good.is_some_and(|good| good.settled_at < told.settled_at)
    }

    /// What a person would say who has the list of all rounds, and no counter.
    fn agrees(&self, verdict: &Verdict) {
        let Some(last) = self.told.last() else { return assert_eq!(*verdict, Verdict::Ready) };
        let rounds = self.told.iter().filter(|told| !told.fate.is_neutral()).count() as u64;
        assert_eq!(counted(&self.tally), rounds);
        let crashes = self.in_a_row(|told| told.fate == Fate::Crash);
        let idle = self.in_a_row(|told| told.fate == Fate::Idle && self.reports(told));
        let memory = self.short_of_memory();
        let paused = self.told.iter().rev().find(|told| !told.fate.is_neutral());
        let paused = paused.is_some_and(|told| told.memory_pause.is_some());
        let recent = self.told.iter().filter_map(|told| told.memory_pause);
        let recent =
            recent.filter(|at| self.now.duration_since(*at) <= SignedDuration::from_hours(2)).count();
        let limits = &self.settings.give_up;
        let gave_up = crashes >= limits.crashes
            || idle >= limits.idle
            || (memory >= limits.memory && !paused && recent >= 2);
        match verdict {
            Verdict::End(RunOutcome::Done, _) => return assert_eq!(rounds, ROUNDS),
            Verdict::End(outcome, why) => {
                assert_eq!((*outcome, gave_up), (RunOutcome::GaveUp, true), "{why}");
                return;
            }
            _ => assert!(!gave_up && rounds < ROUNDS, "{crashes} {idle} {memory} {recent}: {verdict:?}"),
        }
        let Verdict::Wait(pause) = verdict else {
            // Whatever had to be waited for is over.
            if let Fate::Told(seconds) = last.fate {
                let reset = last.settled_at.checked_add(SignedDuration::from_secs(seconds)).unwrap();
                assert!(self.now >= reset, "asked again before the reset");
            }
            return;
        };
        let length = pause.until.duration_since(last.settled_at).as_secs();
        let ladder = |first: i64, times: u64| (first << times.min(20)).min(1_800);
        let provider = |told: &Told| matches!(told.fate, Fate::Told(_) | Fate::Overloaded | Fate::Network);
        let (cause, shortest, spread) = match last.fate {
            Fate::Good | Fate::Idle => (WaitCause::Pause, 3, 0),
            Fate::LongFailure | Fate::Timeout => (WaitCause::Pause, 6, 0),
            Fate::Crash => (WaitCause::Backoff, ladder(3, crashes), 0),
            Fate::Told(seconds) => (WaitCause::Limit, seconds, 0),
            Fate::Overloaded => (WaitCause::Limit, ladder(60, self.in_a_row(provider) - 1) + 5, 25),
            Fate::Network => (WaitCause::Limit, ladder(30, self.in_a_row(provider) - 1) + 5, 25),
            Fate::Memory if memory >= limits.memory => (WaitCause::MemoryLoop, 1_800, 0),
            Fate::Memory => (WaitCause::Backoff, 6, 0),
            Fate::Environment => (WaitCause::Environment, 6, 0),
            Fate::Stopped => panic!("a wait after what a person has stopped: {pause:?}"),
        };
        assert_eq!(pause.cause, cause, "after {last:?}");
        assert!(
            (shortest..=shortest + spread).contains(&length),
            "{length} s instead of {shortest} after {last:?}"
        );
    }
}

/// W6: counters, waits and breakers are the same for a loop that is killed as for one that never is, over thousands of rounds.
#[test]
fn a_loop_that_is_killed_between_rounds_is_the_loop_that_never_is() {
    let (mut rounds, mut restarts) = (0, 0);
    for seed in 0..24 {
        let mut whole = Loop::new(seed, Kills::Never);
        let mut killed = Loop::new(seed, Kills::Brief);
        assert_eq!(whole.play(), killed.play(), "seed {seed}");
        for (whole, killed) in whole.began.iter().zip(&killed.began) {
            assert_eq!(whole, killed, "seed {seed}: each round begins when it would have");
        }
        assert_eq!(whole.began.len(), killed.began.len(), "seed {seed}");
        assert_eq!(whole.tally.streak, killed.tally.streak, "seed {seed}");
        rounds += killed.told.len();
        restarts += killed.restarts;
    }
    println!("{rounds} rounds, {restarts} restarts");
    assert!(rounds > 2_000 && restarts > 1_000, "{rounds} rounds, {restarts} restarts");
}

/// W6, W8: nothing that kills provost, wherever and for however long, makes the loop count wrong, hurry or stand still.
#[test]
fn thousands_of_rounds_under_a_test_clock_keep_what_was_promised() {
    let (mut rounds, mut restarts, mut ends) = (0, 0, Vec::new());
    let mut widest = 0;
    for seed in 0..60 {
        let mut this = Loop::new(seed, Kills::Any);
        ends.push(this.play());
        rounds += this.told.len();
        restarts += this.restarts;
        widest = widest.max(this.widest);
        let last = RoundNumber(this.told.len() as u64);
        assert_eq!(this.tally.rounds, last);
        assert!(this.waits < 40 * last.0 + 40, "it waits for ever");
    }
    println!("{rounds} rounds, {restarts} restarts, the fold at most {widest} bytes");
    assert!(rounds > 5_000 && restarts > 3_000, "{rounds} rounds, {restarts} restarts");
    assert!(ends.contains(&RunOutcome::GaveUp) && ends.contains(&RunOutcome::Done), "{ends:?}");
    // The same for a hundred rounds and for ten million.
    assert!(widest < 64 * 1024, "the fold grows: {widest} bytes");
}
