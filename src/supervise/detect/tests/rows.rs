//! Steps of a run, and the alerts that follow, in tables. `+` raises, `-` clears, `!` is critical.

use super::*;

/// W10: a five-hour limit that was met and then a success leaves nothing behind, and a seven-day quota counts (G13).
///
/// G3: a limit is seen when it is met, not after the round.
#[test]
fn a_limit_is_open_until_the_candidate_gets_on_or_its_time_has_come() {
    hold(&[
        (
            "L1 a five-hour limit, then a success: nothing lingers",
            &[],
            "round; failed rate_limited reset 18000; attempt 0; finished; answered; round",
            "+rate_limit, -rate_limit",
        ),
        (
            "L2 a seven-day quota is a limit, in the round",
            &[],
            "round; failed quota_exhausted reset 600000",
            "+rate_limit",
        ),
        (
            "L3 the time that was said ends it, whatever happens then",
            &[],
            "round; failed quota_exhausted reset 18000; lost quota_exhausted; wait limit 18000; +17999; look; +2; waited",
            "+rate_limit, -rate_limit",
        ),
        (
            "L4 ten failures are one episode",
            &[],
            "10 times round, failed rate_limited reset 18000, lost rate_limited reset 18000, +5",
            "+rate_limit",
        ),
        (
            "L5 a much later time is said anew",
            &[],
            "round; failed rate_limited reset 300; attempt 0; failed quota_exhausted reset 18000",
            "+rate_limit, -rate_limit, +rate_limit",
        ),
        (
            "L6 a fallback that works says nothing of the primary, whose limit stays",
            &[],
            "round; failed quota_exhausted reset 18000; attempt 1; call Read a; finished; answered; \
             round; failed quota_exhausted unasked; attempt 1; finished; answered",
            "+rate_limit",
        ),
        (
            "L7 each candidate has its own",
            &[],
            "round; failed rate_limited reset 18000; attempt 1; failed rate_limited reset 600; attempt 0; call Read a",
            "+rate_limit, +rate_limit:fallback 1, -rate_limit",
        ),
        (
            "L8 each phase has its own, since its agent may be another one",
            &[],
            "round plan; failed rate_limited reset 18000; lost rate_limited; round work; finished; answered; \
             round plan; finished",
            "+rate_limit:plan, -rate_limit:plan",
        ),
        (
            "L9 the agent's own retries are seen while they run, and one episode",
            &[],
            "round; retrying 429 1000; +1; retrying 429 2000; +2; retrying 529 4000; turn 0; +4; turn 1; finished",
            "+rate_limit, -rate_limit",
        ),
        ("L10 a retry of something else is no limit", &[], "round; retrying 500 1000; turn 1", ""),
        ("L11 a broken server is none either", &[], "round; failed server_error; lost server_error", ""),
        ("L12 unless it says when to come back", &[], "round; failed server_error after 90", "+rate_limit"),
        (
            "L13 a time that is over is not meant",
            &[],
            "round; failed rate_limited ago 60; lost rate_limited; +30; look; +31; look",
            "+rate_limit, -rate_limit",
        ),
        (
            "L14 a restart in a wait neither raises it again nor forgets when it is over",
            &[],
            "round; failed quota_exhausted reset 3600; lost quota_exhausted; resume; wait limit 3600; +3599; look; resume; \
             wait limit 1; +2; look",
            "+rate_limit, -rate_limit",
        ),
        (
            "L15 in auto_stop it ends the run, also where it was open before",
            &["supervise.auto_stop=[\"rate_limit\"]"],
            "round; failed rate_limited reset 900; lost rate_limited; resume; round; failed rate_limited reset 900",
            "+rate_limit, run ends: gave_up, run ends: gave_up",
        ),
    ]);
}

/// G3: a refused key is seen at the first refusal, not after ten rounds.
#[test]
fn a_refused_key_is_an_alert_at_once_and_ends_the_run_when_nobody_else_is_let_in() {
    hold(&[
        (
            "A1 the first attempt; no other candidate",
            &[],
            "round; failed auth; lost auth",
            "+auth_failure!, run ends: unavailable",
        ),
        (
            "A2 a fallback with another key is let in, and the run goes on",
            &[],
            "round; failed auth; attempt 1; finished; answered; round; failed auth unasked; attempt 1; finished; answered",
            "+auth_failure!",
        ),
        (
            "A3 the login was renewed",
            &[],
            "round; failed auth; attempt 1; finished; answered; round; finished; answered",
            "+auth_failure!, -auth_failure",
        ),
        (
            "A4 without auto_stop it is said once",
            &["supervise.auto_stop=[]"],
            "20 times round, failed auth, lost auth",
            "+auth_failure!",
        ),
        (
            "A5 who takes up the run with the same key is told again that it ends",
            &[],
            "round; failed auth; lost auth; resume; round; failed auth; lost auth",
            "+auth_failure!, run ends: unavailable, run ends: unavailable",
        ),
    ]);
}

/// W11: 25 equal calls and then 30 different ones are seen, at the call that makes them too many.
#[test]
fn repeated_calls_are_seen_at_the_call_that_makes_them_too_many() {
    hold(&[
        ("R1 one less is not too many", &[], "round; call Bash a 14; call Bash b 14; call Read a 14", ""),
        ("R2 fifteen of thirty", &[], "round; call Bash a 15", "+repeated_tool:Bash 2db84316"),
        (
            "R3 25 equal ones and 30 others behind them",
            &[],
            "round; call Bash a 25; call Bash b 10; call Read a 10; call Read b 10; answered",
            "+repeated_tool:Bash 2db84316",
        ),
        (
            "R4 the window is of the last calls: fourteen that are far back do not count",
            &[],
            "round; call Bash a 14; call Read a 10; call Read b 10; call Read c 10; call Bash a 14; answered",
            "",
        ),
        ("R5 it is of one round", &[], "3 times round, call Bash a 14, answered", ""),
        (
            "R6 it ends the round where the profile wants that, once",
            &["supervise.detect.repeat_ends_round=true"],
            "round; call Bash a 17; lost self_abort; round; call Bash b 15",
            "+repeated_tool:Bash 2db84316, round ends: provost.repeated_tool, +repeated_tool:Bash 8f8adff4, \
             round ends: provost.repeated_tool",
        ),
        (
            "R7 also where the alert is open from before",
            &["supervise.detect.repeat_ends_round=true"],
            "round; call Bash a 15; lost self_abort; round; call Bash a 15",
            "+repeated_tool:Bash 2db84316, round ends: provost.repeated_tool, round ends: provost.repeated_tool",
        ),
        (
            "R8 it is over when five rounds have gone by without",
            &[],
            "round; call Bash a 15; answered; +1; 4 times round, answered, +1; look; round; answered; round; call Bash a 15",
            "+repeated_tool:Bash 2db84316, -repeated_tool:Bash 2db84316, +repeated_tool:Bash 2db84316",
        ),
        (
            "R9 and not while it goes on",
            &[],
            "round; call Bash a 15; answered; +1; 8 times round, call Bash a 15, answered, +1",
            "+repeated_tool:Bash 2db84316",
        ),
        (
            "R10 a window of nothing looks for none",
            &["supervise.detect.repeat_window=0", "supervise.detect.repeat_threshold=0"],
            "round; call Bash a 99",
            "",
        ),
        (
            "R11 in auto_stop it ends the run",
            &["supervise.auto_stop=[\"repeated_tool\"]"],
            "round; call Bash a 16",
            "+repeated_tool:Bash 2db84316, run ends: gave_up",
        ),
    ]);
}

#[test]
fn shares_of_the_last_rounds_need_as_many_rounds() {
    hold(&[
        ("S1 nine rounds say nothing", &[], "9 times round, late round_timeout", ""),
        ("S2 two of ten", &[], "8 times round, answered; 2 times round, late stall", "+timeout_rate"),
        (
            "S3 one of ten is not too many, and two that are ten apart are one",
            &[],
            "round; late stall; 10 times round, answered; round; late stall",
            "",
        ),
        (
            "S4 over when they have moved out of the window, and raised anew",
            &[],
            "8 times round, answered; 2 times round, late stall; 9 times round, answered; 2 times round, late stall",
            "+timeout_rate, -timeout_rate, +timeout_rate",
        ),
        (
            "S5 the network",
            &[],
            "8 times round, answered; 2 times round, lost transport",
            "+network_failures",
        ),
        (
            "S6 a signal, a crash or a full disk is no failure of the network",
            &[],
            "8 times round, answered; 5 times round, lost agent_crash; 5 times round, disk-full",
            "",
        ),
        (
            "S7 the agent never began; that is a deadline too",
            &[],
            "8 times round, answered; 2 times round, late first_event_timeout",
            "+timeout_rate, +no_first_event",
        ),
        (
            "S8 what a person has stopped, and what could not begin, is not counted at all",
            &[],
            "8 times round, answered; round; late stall; 9 times round, stopped; 9 times round, disk-full; round; late stall",
            "+timeout_rate",
        ),
        (
            "S9 the counters are the fold's",
            &[],
            "8 times round, answered; round; late stall; resume; round; late stall; resume; round; answered",
            "+timeout_rate",
        ),
        (
            "S10 the longest window is all that the fold keeps",
            &["supervise.detect.rate_window=32"],
            "32 times round, lost transport",
            "+network_failures",
        ),
    ]);
}

#[test]
fn dirty_trees_in_a_row_are_a_chain() {
    hold(&[
        ("O1 two are none", &[], "2 times round, answered, tree stashed; round; answered; tree clean", ""),
        ("O2 three are", &[], "4 times round, answered, tree stashed", "+orphan_chain"),
        (
            "O3 a clean one ends it, and the count begins anew",
            &[],
            "3 times round, answered, tree stashed; tree clean; 2 times round, answered, tree stashed; tree committed; \
             3 times round, answered, tree stashed",
            "+orphan_chain, -orphan_chain, +orphan_chain",
        ),
        (
            "O4 a tree that was left for a failed round, or could not be looked at, changes nothing",
            &[],
            "3 times round, answered, tree stashed; tree kept; tree failed; tree ignored",
            "+orphan_chain",
        ),
        (
            "O5 the count outlives a restart",
            &[],
            "2 times round, answered, tree stashed, resume; round; answered; tree stashed",
            "+orphan_chain",
        ),
    ]);
}

/// Scar old hung latch: only the round that is open can hang, and its end is the end of the alert.
#[test]
fn a_round_hangs_when_it_is_older_than_its_wall_by_half() {
    hold(&[
        ("H1 not before", &[], "round; +2700; look", ""),
        ("H2 then once", &[], "round; +2701; look; +10; look; +10; look", "+hung"),
        (
            "H3 its end is the end of it",
            &[],
            "round; +2701; look; late round_timeout; round; look",
            "+hung, -hung",
        ),
        (
            "H4 a round that waits for a limit, as a person wished, does not hang",
            &[],
            "round; failed quota_exhausted reset 18000; wait limit 18000; +9000; look; +8999; look; +2; waited; attempt 0; \
             look; +2701; look",
            "+rate_limit, -rate_limit, +hung",
        ),
        (
            "H5 the time that provost was away does not count",
            &[],
            "round; +1000; look; resume; +2600; look; +200; look",
            "+hung",
        ),
        ("H6 between rounds nothing hangs", &[], "round; answered; +9999; look", ""),
    ]);
}

/// W16: a disk that fills and memory that runs out in the round are seen in it.
#[test]
fn what_the_host_shows_in_a_round_is_said_in_it() {
    hold(&[
        (
            "D1 a disk that fills in one round; critical ends the run",
            &[],
            "round; look; +10; look disk warning; +10; look disk critical; +10; look disk critical",
            "+disk_warning, +disk_critical!, run ends: unavailable",
        ),
        (
            "D2 what swings about the limit is one episode",
            &[],
            "round; 9 times look disk warning, look, look",
            "+disk_warning",
        ),
        (
            "D3 three quiet looks end it",
            &[],
            "round; look disk warning; 3 times look; look disk warning",
            "+disk_warning, -disk_warning, +disk_warning",
        ),
        ("D4 growth of blocks or inodes", &[], "look growth 4.9 inodes 4.9; look inodes 5.0", "+disk_growth"),
        ("D5 a rate that is not told is none", &[], "3 times look", ""),
        (
            "M1 memory; louder is said anew, quieter is not",
            &[],
            "round; look memory warning; look memory critical; look memory warning; 3 times look",
            "+memory_pressure, -memory_pressure, +memory_pressure!, -memory_pressure",
        ),
        ("M2 a host that tells nothing says so once", &[], "5 times look memory none", "+memory_unknown"),
        (
            "M3 short by one sign while available memory looks fine",
            &[],
            "look memory warning gate inert",
            "+memory_pressure, +memory_gate_inert",
        ),
        ("C1 the control group", &[], "look cgroup 511; look cgroup 512; look cgroup 600", "+cgroup_growth"),
        (
            "X1 in auto_stop others give up",
            &["supervise.auto_stop=[\"memory_pressure\"]"],
            "round; look memory critical; look memory critical",
            "+memory_pressure!, run ends: gave_up",
        ),
        (
            "X2 what is open from before is not raised again, and is over in its time",
            &[],
            "look disk warning; resume; look disk warning; resume; 3 times look",
            "+disk_warning, -disk_warning",
        ),
    ]);
}

/// More than can be open at once are not raised, rather than pushing out what is open.
#[test]
fn at_most_64_alerts_are_open() {
    let mut watch = Watch::new(&["supervise.detect.repeat_window=2", "supervise.detect.repeat_threshold=2"]);
    watch.step("round");
    for nth in 0..100 {
        watch.step(&format!("call Bash {nth}"));
        watch.step(&format!("call Bash {nth}"));
    }
    assert_eq!((watch.tally.alerts.len(), watch.heard.len()), (64, 64));
    watch.step("call Bash 0");
    watch.step("call Bash 0");
    assert_eq!(watch.heard.len(), 64, "the first one is open still");
}

/// What a tool was called with may hold what is nobody's business: it is in the text, which is cleaned, and in no name.
#[test]
fn the_name_of_an_alert_does_not_say_what_a_tool_was_called_with() {
    let mut watch = Watch::new(&[]);
    watch.steps("round; call Bash token=hunter2hunter2 15");
    let alert = watch.tally.alerts.back().unwrap();
    assert!(!alert.alert.contains("hunter2"), "{}", alert.alert);
    assert!(
        alert.message.contains(
            "`Bash` with `token=hunter2hunter2` was called 15 times in the last 15 calls of round 1"
        ),
        "{}",
        alert.message
    );
}

#[test]
fn a_phase_has_its_own_wall() {
    let mut watch = Watch::new(&[]);
    let mut round = watch.profile.round.clone();
    round.timeout = profile::element::Period(Duration::from_secs(100));
    watch.detectors.goes_by(&round);
    watch.steps("round; +151; look");
    assert_eq!(watch.heard, ["+hung"]);
}
