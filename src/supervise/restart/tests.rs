//! The breakers, the waits and the ends, as tables: rounds in, a verdict out.

use std::time::Instant;

use proptest::prelude::*;

use super::*;
use crate::event::{
    BudgetCeilings, Event, Kind, NodeId, RoundEnded, RoundStarted, RunId, RunStarted, Seq, Sha256, Usage,
    UsageReported, UsageSource, WaitEnded, WaitStarted,
};
use crate::profile::Profile;

/// One round: how long it took, whether it used a model, and what it failed of.
type Row = (u64, bool, Option<Failure>);

const SECOND: i64 = 1;

struct Bench {
    tally: Tally,
    settings: Supervise,
    now: Timestamp,
}

impl Bench {
    fn new(change: impl FnOnce(&mut Supervise)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        crate::file::write_atomic_unsynced(
            &dir.path().join("p.toml"),
            b"schema = 1\nname = \"p\"\n[agent]\nharness = \"command\"\ncommand = [\"true\"]\n[supervise]\n",
        )
        .unwrap();
        let source = crate::profile::Source { path: "p.toml".as_ref(), sets: &[], cwd: dir.path() };
        let profile: Profile = (*crate::profile::load(source).unwrap().profile).clone();
        let mut settings = profile.supervise.unwrap();
        change(&mut settings);
        let mut bench =
            Self { tally: Tally::default(), settings, now: Timestamp::from_second(1_000_000).unwrap() };
        bench.push(RunStarted {
            run: RunId::new("r"),
            verb: "supervise".to_owned(),
            profile: "p".to_owned(),
            harness: "command".to_owned(),
            model: None,
            task_sha256: Sha256::of(b""),
            task: String::new(),
            seed: 0,
            budget: BudgetCeilings::default(),
            checked: false,
            pid: 1,
        });
        bench
    }

    fn push(&mut self, kind: impl Into<Kind>) {
        let seq = Seq(self.tally.last_seq.0 + 1);
        self.tally.apply(&Event { seq, at: self.now, node: NodeId::root(), kind: kind.into() });
    }

    fn round(&mut self, (seconds, used, failure): Row) {
        let round = self.tally.rounds.next();
        self.push(RoundStarted::plain(round));
        if used {
            self.push(UsageReported { usage: Usage::default(), source: UsageSource::Provider, model: None });
        }
        self.pass(i64::try_from(seconds).unwrap() * SECOND);
        let outcome = match &failure {
            None => RoundOutcome::Answered,
            Some(failure) if failure.class == FaultClass::UserAbort => RoundOutcome::Stopped,
            Some(_) => RoundOutcome::Failed,
        };
        self.push(RoundEnded { round, outcome, duration_ms: seconds * 1000, output_sha256: None, failure });
    }

    fn pass(&mut self, seconds: i64) {
        self.now = self.now.checked_add(SignedDuration::from_secs(seconds)).unwrap();
    }

    fn verdict(&self) -> Verdict {
        let budget = BudgetCeilings::default();
        let view = View {
            tally: &self.tally,
            budget: &budget,
            wall_s: 0.0,
            now: self.now,
            instant: Instant::now(),
            checked: false,
            draining: false,
        };
        verdict(&self.settings, &view, 7)
    }

    /// The verdict in short: `ready`, `cause seconds` or `end outcome`.
    fn short(&self) -> String {
        match self.verdict() {
            Verdict::Ready => "ready".to_owned(),
            Verdict::End(outcome, _) => format!("end {}", outcome.word()),
            Verdict::Wait(pause) => {
                let left = pause.until.duration_since(self.now).as_secs();
                format!("{:?} {left}", pause.cause).to_lowercase()
            }
        }
    }
}

fn crash() -> Failure {
    Failure::ours(FaultClass::AgentCrash, "exit code 1")
}

fn of(class: FaultClass) -> Failure {
    Failure::ours(class, "evidence")
}

fn memory() -> Failure {
    Failure::memory("full avg10 is 71")
}

fn table(name: &str, change: impl FnOnce(&mut Supervise), rows: &[(Row, &str)]) {
    let mut bench = Bench::new(change);
    for (place, (row, expected)) in rows.iter().enumerate() {
        bench.round(row.clone());
        assert_eq!(&bench.short(), expected, "{name}: after round {}", place + 1);
    }
}

/// Section 6, restart delay: 3 s after a good round, twice that after a long failure, doubled with each crash in a row.
#[test]
fn the_pause_is_short_and_grows_with_crashes() {
    table("good", |_| {}, &[((5, true, None), "pause 3"), ((5, true, None), "pause 3")]);
    table(
        "long failure",
        |_| {},
        &[((90, true, Some(crash())), "pause 6"), ((90, true, Some(crash())), "pause 6")],
    );
    table(
        "crashes",
        |_| {},
        &[
            ((5, true, Some(crash())), "backoff 6"),
            ((5, true, Some(crash())), "backoff 12"),
            ((5, true, None), "pause 3"),
        ],
    );
}

/// Scar Run 6: about 100 empty rounds; section 6, `crash_loop`.
#[test]
fn five_crashes_in_a_row_end_the_loop() {
    let row = || ((5, true, Some(crash())), "");
    let mut bench = Bench::new(|_| {});
    for _ in 0..4 {
        bench.round(row().0);
        assert!(matches!(bench.verdict(), Verdict::Wait(_)));
    }
    bench.round(row().0);
    assert_eq!(bench.short(), "end gave_up");
    let Verdict::End(_, why) = bench.verdict() else { panic!("not the end") };
    assert!(why.contains("crash loop") && why.contains("exit code 1"), "{why}");
}

/// Scar "supervisor bug mapped to 76 would loop for ever": what is not classified counts as a crash.
#[test]
fn an_unknown_failure_is_bounded_by_the_breaker() {
    let unknown = || (1, false, Some(of(FaultClass::Unknown)));
    let mut bench = Bench::new(|_| {});
    (0..5).for_each(|_| bench.round(unknown()));
    assert_eq!(bench.short(), "end gave_up");
}

/// Scars "pi exits 0 on a rejected key" and "usage-less CLIs tripped that breaker".
#[test]
fn no_progress_is_seen_only_of_agents_that_report_usage() {
    let mut silent = Bench::new(|_| {});
    (0..20).for_each(|_| silent.round((1, false, None)));
    assert_eq!(silent.short(), "pause 3", "an agent that never reports usage");
    let mut known = Bench::new(|_| {});
    known.round((40, true, None));
    (0..4).for_each(|_| known.round((1, false, None)));
    assert_eq!(known.short(), "pause 3");
    known.round((1, false, None));
    assert_eq!(known.short(), "end gave_up");
    let mut slow = Bench::new(|_| {});
    slow.round((40, true, None));
    (0..9).for_each(|_| slow.round((31, false, None)));
    assert_eq!(slow.short(), "pause 3", "rounds that take their time");
}

/// Scar "`mem_loop` restarted for ever": a long pause, and the third within two hours is the end.
#[test]
fn a_memory_loop_pauses_and_the_third_one_ends_the_loop() {
    let mut bench = Bench::new(|_| {});
    for pass in 1..=3 {
        for _ in 0..4 {
            bench.round((90, true, Some(memory())));
            assert_eq!(bench.short(), "backoff 6");
        }
        bench.round((90, true, Some(memory())));
        if pass == 3 {
            break;
        }
        let Verdict::Wait(pause) = bench.verdict() else { panic!("no pause") };
        assert_eq!((pause.cause, bench.short().as_str()), (WaitCause::MemoryLoop, "memoryloop 1800"));
        bench.push(WaitStarted { reason: pause.reason, until: pause.until, cause: Some(pause.cause) });
        bench.pass(1800);
        bench.push(WaitEnded { complete: true });
        assert_eq!(bench.short(), "ready");
    }
    assert_eq!(bench.short(), "end gave_up");
    // Two hours later the earlier pauses are forgotten.
    bench.pass(3 * 3600);
    assert_ne!(bench.short(), "end gave_up");
}

/// Section 7: what the server says is kept to the second, whatever came before.
#[test]
fn a_reset_that_the_server_names_is_honoured_to_the_second() {
    let mut bench = Bench::new(|_| {});
    let reset = bench.now.checked_add(SignedDuration::from_secs(2 + 4711)).unwrap();
    bench.round((2, false, Some(Failure { reset_at: Some(reset), ..of(FaultClass::RateLimited) })));
    assert_eq!(bench.short(), "limit 4711");
    bench.pass(4710);
    assert_eq!(bench.short(), "limit 1");
    bench.pass(1);
    assert_eq!(bench.short(), "ready");
    let mut bench = Bench::new(|_| {});
    let after = Failure { retry_after: Some(90.0), ..of(FaultClass::RateLimited) };
    bench.round((2, false, Some(after)));
    assert_eq!(bench.short(), "limit 90");
}

/// G13: a quota of seven days is waited out, and not asked again after a minute.
#[test]
fn a_weekly_quota_with_a_date_is_waited_out() {
    let mut bench = Bench::new(|_| {});
    let reset = bench.now.checked_add(SignedDuration::from_hours(5 * 24)).unwrap();
    bench.round((2, false, Some(Failure { reset_at: Some(reset), ..of(FaultClass::QuotaExhausted) })));
    assert_eq!(bench.short(), format!("limit {}", 5 * 86_400 - 2));
}

/// Scar "NaN, Infinity, null, 10^18 epochs crashed the loop": what cannot be a time falls back on the ladder.
#[test]
fn a_time_that_cannot_be_is_none() {
    let now = Bench::new(|_| {}).now;
    let absurd = [
        (Some(Timestamp::MAX), None),
        (Some(now.checked_sub(SignedDuration::from_hours(1)).unwrap()), None),
        (None, Some(f64::NAN)),
        (None, Some(f64::INFINITY)),
        (None, Some(-5.0)),
        (None, Some(1e18)),
    ];
    for (reset_at, retry_after) in absurd {
        let mut bench = Bench::new(|_| {});
        bench.round((2, false, Some(Failure { retry_after, reset_at, ..of(FaultClass::RateLimited) })));
        let Verdict::Wait(pause) = bench.verdict() else { panic!("no wait") };
        let left = pause.until.duration_since(bench.now).as_secs();
        assert!((65..=90).contains(&left), "{reset_at:?} {retry_after:?}: {left}");
    }
}

/// Scar "fixed 60 s wait through a long outage"; section 7: 60, 120, 240 … 1800 s, and 5 to 30 s on top.
#[test]
fn the_ladder_doubles_to_its_ceiling() {
    for (class, ladder) in [
        (FaultClass::ServerError, [60, 120, 240, 480, 960, 1800, 1800]),
        (FaultClass::Overloaded, [60, 120, 240, 480, 960, 1800, 1800]),
        (FaultClass::RateLimited, [60, 120, 240, 480, 960, 1800, 1800]),
        (FaultClass::Transport, [30, 60, 120, 240, 480, 960, 1800]),
    ] {
        let mut bench = Bench::new(|_| {});
        for step in ladder {
            bench.round((2, false, Some(of(class))));
            let Verdict::Wait(pause) = bench.verdict() else { panic!("no wait") };
            let left = pause.until.duration_since(bench.now).as_secs();
            assert!((step + 5..=step + 30).contains(&left), "{class}: {left} for {step}");
        }
    }
}

/// W7: seven failures days apart were answered with half an hour each, since an agent without usage never reset the ladder.
#[test]
fn any_round_that_ends_well_resets_the_ladder() {
    let mut bench = Bench::new(|_| {});
    for _ in 0..7 {
        bench.round((2, false, Some(of(FaultClass::RateLimited))));
        let Verdict::Wait(pause) = bench.verdict() else { panic!("no wait") };
        assert!(pause.until.duration_since(bench.now).as_secs() <= 90);
        bench.round((40, false, None));
    }
}

/// W6, scar "back-off counter lost at restart": the wait hangs on when the round settled, not on when somebody began to wait.
#[test]
fn a_restart_in_the_wait_does_not_begin_it_anew() {
    let mut bench = Bench::new(|_| {});
    bench.round((2, false, Some(of(FaultClass::ServerError))));
    let Verdict::Wait(first) = bench.verdict() else { panic!("no wait") };
    bench.push(WaitStarted { reason: String::new(), until: first.until, cause: Some(first.cause) });
    bench.pass(30);
    bench.push(crate::event::RunResumed {
        after: bench.tally.last_seq,
        cut_bytes: 0,
        in_doubt: Vec::new(),
        pid: 2,
        binary: None,
    });
    assert_eq!(bench.verdict(), Verdict::Wait(first));
}

/// W6: nor does one in the long pause of a memory loop, which counts once however often it is begun anew.
#[test]
fn a_restart_in_the_pause_of_a_memory_loop_neither_ends_nor_doubles_it() {
    let mut bench = Bench::new(|_| {});
    (0..5).for_each(|_| bench.round((90, true, Some(memory()))));
    let Verdict::Wait(first) = bench.verdict() else { panic!("no wait") };
    assert_eq!(first.cause, WaitCause::MemoryLoop);
    for _ in 0..3 {
        bench.push(WaitStarted { reason: String::new(), until: first.until, cause: Some(first.cause) });
        bench.pass(100);
        let after = bench.tally.last_seq;
        bench.push(crate::event::RunResumed {
            after,
            cut_bytes: 0,
            in_doubt: Vec::new(),
            pid: 2,
            binary: None,
        });
        assert_eq!(bench.verdict(), Verdict::Wait(first.clone()));
    }
    assert_eq!(bench.tally.streak.memory_pauses.len(), 1);
    bench.pass(1500);
    assert_eq!(bench.short(), "ready");
    bench.round((90, true, Some(memory())));
    assert_eq!((bench.short().as_str(), bench.tally.streak.memory), ("backoff 6", 1), "it counts anew");
}

/// W8: a lock that somebody holds, or a full disk, is no round, uses none up, and never counts as a crash.
#[test]
fn an_environmental_failure_is_no_round() {
    let mut bench = Bench::new(|settings| settings.rounds = Some(3));
    (0..50).for_each(|_| bench.round((0, false, Some(Failure::environment("no space left")))));
    assert_eq!(bench.short(), "environment 6");
    assert_eq!((counted(&bench.tally), bench.tally.streak.crashes), (0, 0));
    (0..3).for_each(|_| bench.round((40, true, None)));
    assert_eq!(bench.short(), "end done");
}

#[test]
fn as_many_rounds_as_asked_for_are_done_and_a_stopped_one_is_made_again() {
    let mut bench = Bench::new(|settings| settings.rounds = Some(2));
    bench.round((40, true, None));
    bench.round((40, true, Some(of(FaultClass::UserAbort))));
    assert_eq!(bench.short(), "ready", "no pause after what a person has stopped");
    bench.round((40, true, None));
    assert_eq!(bench.short(), "end done");
}

#[test]
fn what_a_limit_leads_to_is_the_profiles_to_say() {
    let limited = || (2, false, Some(of(FaultClass::RateLimited)));
    table("skip", |settings| settings.on_limit = OnLimit::Skip, &[(limited(), "pause 3")]);
    table("stop", |settings| settings.on_limit = OnLimit::Stop, &[(limited(), "end unavailable")]);
}

/// Section 6, `config_broken`.
#[test]
fn a_program_that_is_gone_ends_the_loop_at_once() {
    table("gone", |_| {}, &[((0, false, Some(of(FaultClass::ConfigMissing))), "end misconfigured")]);
}

#[test]
fn breakers_can_be_turned_off() {
    let mut bench = Bench::new(|settings| settings.give_up.crashes = 0);
    (0..40).for_each(|_| bench.round((1, false, Some(crash()))));
    assert_eq!(bench.short(), "backoff 1800");
}

proptest! {
    /// Scar "SIGTERM ignored for hours", "RTC-less Pi slept hours": no wait of our own making is longer than its ceiling and the
    /// spread, whatever the rounds were; and the verdict after a restart is the same.
    #[test]
    fn no_wait_of_ours_is_longer_than_its_ceiling(rows in prop::collection::vec((0_u64..120, any::<bool>(), 0_usize..7), 1..60)) {
        let mut bench = Bench::new(|settings| {
            settings.give_up.crashes = 0;
            settings.give_up.idle = 0;
            settings.give_up.memory = 0;
        });
        for (seconds, used, kind) in rows {
            let failure = [
                None, Some(crash()), Some(of(FaultClass::RateLimited)), Some(of(FaultClass::Transport)), Some(memory()),
                Some(of(FaultClass::RoundTimeout)), Some(Failure::environment("disk")),
            ][kind].clone();
            bench.round((seconds, used, failure));
            let text = serde_json::to_string(&bench.tally).unwrap();
            let again: Tally = serde_json::from_str(&text).unwrap();
            let verdict = bench.verdict();
            if let Verdict::Wait(pause) = &verdict {
                let left = pause.until.duration_since(bench.now).as_secs();
                prop_assert!(left <= 1830, "{left}");
            }
            bench.tally = again;
            prop_assert_eq!(verdict, bench.verdict());
        }
    }
}
