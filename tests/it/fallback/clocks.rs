//! Rows D1 to D17: what is silent, what is not, and what a wait may take.

use std::time::{Duration, Instant};

use super::stage::{
    DOWN, Does, INVALID, NO_MODEL, Played, REFUSED, ROW, Row, TASK, TOO_LONG, always, call, candidates, each,
    endpoint, hold, number, profile,
};
use crate::support::sandbox::{Sandbox, events, finish, of_kind, signal, wait_for};

use Does::{Answers, Asks, Cuts, Drips, Late, Lingers, Noise, Runs, Says, Silent, Stops};

const SHORT: &[&str] = &["round.first_event=800ms", "round.stall=2s"];
const FIRST_EVENT: &[&str] = &["first_event_timeout"];

/// A fake agent that answers in the words of a known one.
const ANSWERS: &str = r#"
printf '%s\n' '{"type":"system","subtype":"init","session_id":"s2","model":"m","tools":[]}'
printf '%s\n' '{"type":"assistant","message":{"id":"m1","role":"assistant","model":"m","content":[{"type":"text","text":"It is painted."}],"usage":{"input_tokens":1,"output_tokens":1}},"session_id":"s2"}'
printf '%s\n' '{"type":"result","subtype":"success","is_error":false,"result":"It is painted.","stop_reason":"end_turn","session_id":"s2","total_cost_usd":0,"usage":{"input_tokens":1,"output_tokens":1}}'
"#;
/// One that tries again by itself, for ever, every 200 ms.
const TRIES: &str = r#"
printf '%s\n' '{"type":"system","subtype":"init","session_id":"s1","model":"m","tools":[]}'
n=1
while :; do
  printf '{"type":"system","subtype":"api_retry","attempt":%d,"max_retries":10,"retry_delay_ms":200,"error_status":529,"error":"overloaded","session_id":"s1"}\n' $n
  n=$((n+1)); sleep 0.2
done
"#;
/// One whose next try is a minute away.
const TRIES_LATER: &str = r#"
printf '%s\n' '{"type":"system","subtype":"init","session_id":"s1","model":"m","tools":[]}'
printf '%s\n' '{"type":"system","subtype":"api_retry","attempt":1,"max_retries":10,"retry_delay_ms":60000,"error_status":529,"error":"overloaded","session_id":"s1"}'
exec sleep 60
"#;
/// One whose key is refused, and who tries that again.
const REFUSES: &str = r#"
printf '%s\n' '{"type":"system","subtype":"init","session_id":"s1","model":"m","tools":[]}'
n=1
while :; do
  printf '{"type":"system","subtype":"api_retry","attempt":%d,"max_retries":10,"retry_delay_ms":500,"error_status":401,"error":"authentication_failed","session_id":"s1"}\n' $n
  n=$((n+1)); sleep 0.5
done
"#;
const MUTE: &str = "exec sleep 60\n";
const CLAUDES: &str = "harness = \"command\"\ncommand = [\"sh\", \"a.sh\"]\nprotocol = \"claude-stream-json\"\n\
                       fallback = [{ harness = \"command\", command = [\"sh\", \"b.sh\"] }]";

/// One that answers when it is told to end.
const TOO_LATE: &str = r#"
trap 'printf "%s\n" "{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"result\":\"Late.\",\"stop_reason\":\"end_turn\",\"session_id\":\"s1\",\"total_cost_usd\":0,\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}"; exit 0' TERM
while :; do sleep 0.1; done
"#;
const THREE: &str = "harness = \"command\"\ncommand = [\"sh\", \"a.sh\"]\nprotocol = \"claude-stream-json\"\n\
                     fallback = [{ harness = \"command\", command = [\"sh\", \"b.sh\"] }, \
                     { harness = \"command\", command = [\"sh\", \"c.sh\"] }]";
const TEXTS: &str = "harness = \"command\"\ncommand = [\"sh\", \"a.sh\"]\n\
                     fallback = [{ harness = \"command\", command = [\"sh\", \"b.sh\"] }]";

const ROWS: &[Row] = &[
    Row {
        id: "B5-text",
        says: "an agent that says nothing until its answer has taken the turn with that",
        program: (TEXTS, &[("a.sh", "kill -9 $$\n"), ("b.sh", "echo It is painted.\n")]),
        candidates: &[0, 1],
        classes: &["agent_crash"],
        switched: &[1],
        ..ROW
    },
    Row {
        id: "B16-agent",
        says: "an agent that is there, and whose model refuses, has taken nothing",
        program: (THREE, &[("a.sh", MUTE), ("b.sh", REFUSES), ("c.sh", ANSWERS)]),
        sets: SHORT,
        candidates: &[0, 1, 2],
        classes: &["first_event_timeout", "auth"],
        switched: &[2],
        takes: (0.8, 10.0),
        ..ROW
    },
    Row {
        id: "B24-late",
        says: "an agent that is ended for its silence answers as it goes",
        decided: "nobody else was asked yet, and a whole answer is an answer",
        program: (CLAUDES, &[("a.sh", TOO_LATE), ("b.sh", ANSWERS)]),
        sets: SHORT,
        candidates: &[0],
        takes: (0.8, 10.0),
        ..ROW
    },
    Row {
        id: "D1",
        says: "the fallback that was asked is silent: its request is taken back, then the next one is asked",
        endpoints: &[&[DOWN], &[Silent], &[Answers]],
        sets: SHORT,
        candidates: &[0, 1, 2],
        classes: &["server_error", "first_event_timeout"],
        switched: &[2],
        requests: &[1, 1, 1],
        takes: (0.8, 10.0),
        ..ROW
    },
    Row {
        id: "D2",
        says: "what passes by in the wait moves no clock: comments that keep a connection open",
        decided: "there is no chat to override; a clock belongs to a request",
        endpoints: &[&[Noise(": keep-alive\n\n")], &[Answers]],
        sets: SHORT,
        candidates: &[0, 1],
        classes: FIRST_EVENT,
        switched: &[1],
        requests: &[1, 1],
        takes: (0.8, 10.0),
        ..ROW
    },
    Row {
        id: "D3",
        says: "idle while it waits: the clock stays armed",
        decided: "the nearest thing is a chunk without a choice in it; the first one says that the request was taken, and from \
                  then on the clock of the stall runs, which nothing without content moves",
        endpoints: &[&[Noise("data: {\"id\":\"c\",\"choices\":[]}\n\n")], &[Answers]],
        sets: SHORT,
        candidates: &[0, 1],
        classes: &["stall"],
        switched: &[1],
        requests: &[1, 1],
        takes: (2.0, 10.0),
        ..ROW
    },
    Row {
        id: "D5",
        says: "who has completed is not timed out, though the connection stays open",
        endpoints: &[&[Lingers], &[Answers]],
        sets: SHORT,
        candidates: &[0],
        requests: &[1, 0],
        ..ROW
    },
    Row {
        id: "D6",
        says: "a reply ends the clock of the first event: one that takes longer than that is no silence",
        endpoints: &[&[DOWN], &[Drips(6, 250)], &[Answers]],
        sets: SHORT,
        candidates: &[0, 1],
        classes: &["server_error"],
        switched: &[1],
        requests: &[1, 1, 0],
        takes: (1.2, 10.0),
        ..ROW
    },
    Row {
        id: "D7",
        says: "an update without visible text keeps the clock",
        decided: "the first chunk says that the request was taken; the clock of the stall runs on, whatever comes without \
                  content",
        endpoints: &[
            &[Noise(
                "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n",
            )],
            &[Answers],
        ],
        sets: SHORT,
        candidates: &[0, 1],
        classes: &["stall"],
        switched: &[1],
        requests: &[1, 1],
        takes: (2.0, 10.0),
        ..ROW
    },
    Row {
        id: "D8",
        says: "the next one refuses, and the one after that is silent again: it has a clock of its own",
        endpoints: &[&[Silent], &[REFUSED], &[Silent], &[Answers]],
        sets: SHORT,
        candidates: &[0, 1, 2, 3],
        classes: &["first_event_timeout", "auth", "first_event_timeout"],
        switched: &[3],
        requests: &[1, 1, 1, 1],
        takes: (1.6, 10.0),
        ..ROW
    },
    Row {
        id: "D9",
        says: "an agent process is silent: it is ended, and the next one is asked",
        program: (CLAUDES, &[("a.sh", MUTE), ("b.sh", ANSWERS)]),
        sets: SHORT,
        candidates: &[0, 1],
        classes: FIRST_EVENT,
        switched: &[1],
        takes: (0.8, 10.0),
        ..ROW
    },
    Row {
        id: "D10-text",
        says: "any text ends the clock of the first event; the rest may be later",
        endpoints: &[&[Drips(1, 1300)], &[Answers]],
        sets: SHORT,
        candidates: &[0],
        requests: &[1, 0],
        takes: (1.3, 10.0),
        ..ROW
    },
    Row {
        id: "D10-tool",
        says: "so does a call of a tool, and each request has its own clock",
        endpoints: &[&[Runs("true"), Silent], &[Answers]],
        agent: "tools = [\"shell\"]",
        sets: SHORT,
        candidates: &[0, 1],
        openings: &["fresh", "retold"],
        classes: FIRST_EVENT,
        switched: &[1],
        requests: &[2, 1],
        ..ROW
    },
    Row {
        id: "D10-stall",
        says: "and then another clock runs",
        endpoints: &[&[Stops], &[Answers]],
        sets: &["round.first_event=5s", "round.stall=500ms"],
        candidates: &[0, 1],
        openings: &["fresh", "retold"],
        classes: &["stall"],
        switched: &[1],
        requests: &[1, 1],
        takes: (0.5, 4.5),
        ..ROW
    },
    Row {
        id: "D11",
        says: "empty parts are no progress",
        decided: "the first chunk says that the request was taken; the clock of the stall runs on, whatever comes without \
                  content",
        endpoints: &[
            &[Noise(
                "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":null}]}\n\n",
            )],
            &[Answers],
        ],
        sets: SHORT,
        candidates: &[0, 1],
        classes: &["stall"],
        switched: &[1],
        requests: &[1, 1],
        takes: (2.0, 10.0),
        ..ROW
    },
    Row {
        id: "D12",
        says: "the main session has the same clocks",
        decided: "the older system watches delegated children only",
        endpoints: &[&[Silent], &[Answers]],
        sets: SHORT,
        candidates: &[0, 1],
        classes: FIRST_EVENT,
        switched: &[1],
        requests: &[1, 1],
        takes: (0.8, 10.0),
        ..ROW
    },
    Row {
        id: "D13",
        says: "silent, and there is no chain",
        decided: "the turn ends as what it was; the older system writes a line of log and goes on waiting",
        endpoints: &[&[Silent]],
        sets: SHORT,
        code: 1,
        candidates: &[0],
        classes: FIRST_EVENT,
        requests: &[1],
        takes: (0.8, 10.0),
        ..ROW
    },
    Row {
        id: "D14",
        says: "the end comes first of all",
        endpoints: &[&[NO_MODEL]],
        sets: SHORT,
        code: 4,
        candidates: &[0],
        classes: &["model_not_found"],
        requests: &[1],
        ..ROW
    },
    Row {
        id: "D15",
        says: "a tool that runs without a word is no stall",
        endpoints: &[&[Runs("sleep 1.6"), Answers], &[Answers]],
        agent: "tools = [\"shell\"]",
        sets: &["round.first_event=800ms", "round.stall=800ms"],
        candidates: &[0],
        requests: &[2, 0],
        takes: (1.6, 10.0),
        ..ROW
    },
    Row {
        id: "D15-tool",
        says: "it has a clock of its own, and no other candidate would do better",
        endpoints: &[&[Runs("sleep 30"), Answers], &[Answers]],
        agent: "tools = [\"shell\"]",
        sets: &["round.tool=600ms", "round.stall=500ms"],
        code: 1,
        candidates: &[0],
        classes: &["tool_stall"],
        requests: &[1, 0],
        takes: (0.6, 10.0),
        ..ROW
    },
    Row {
        id: "D16",
        says: "an agent's own retries count against the budget of waits, and are no activity",
        program: (CLAUDES, &[("a.sh", TRIES), ("b.sh", ANSWERS)]),
        sets: &["retry.wait=1s", "round.stall=500ms"],
        candidates: &[0, 1],
        classes: &["overloaded"],
        switched: &[1],
        takes: (0.8, 10.0),
        ..ROW
    },
    Row {
        id: "D16-far",
        says: "one that means to wait longer than that is not waited for",
        program: (CLAUDES, &[("a.sh", TRIES_LATER), ("b.sh", ANSWERS)]),
        sets: &["retry.wait=5s"],
        candidates: &[0, 1],
        classes: &["overloaded"],
        switched: &[1],
        takes: (0.0, 4.5),
        ..ROW
    },
    Row {
        id: "D16-auth",
        says: "a refused key is not tried again at all",
        program: (CLAUDES, &[("a.sh", REFUSES), ("b.sh", ANSWERS)]),
        candidates: &[0, 1],
        classes: &["auth"],
        switched: &[1],
        takes: (0.0, 4.5),
        ..ROW
    },
    Row {
        id: "D17",
        says: "to come back in 24 days: the next one at once",
        decided: "a wait of days is a used-up quota",
        endpoints: &[&[Asks("2073600")], &[Answers]],
        sets: &["retry.same_model=2"],
        candidates: &[0, 1],
        classes: &["quota_exhausted"],
        switched: &[1],
        requests: &[1, 1],
        takes: (0.0, 5.0),
        ..ROW
    },
    Row {
        id: "retry-after",
        says: "a short wait that the server names is taken as it is",
        endpoints: &[&[Asks("0.4"), Answers], &[Answers]],
        sets: &["retry.same_model=1"],
        candidates: &[0, 0],
        classes: &["rate_limited"],
        requests: &[2, 0],
        waits: 1,
        takes: (0.4, 10.0),
        ..ROW
    },
    Row {
        id: "retry-budget",
        says: "and no longer than all of them may take",
        endpoints: &[&[Asks("0.7"), Asks("0.7"), Answers], &[Answers]],
        sets: &["retry.same_model=2", "retry.wait=1s"],
        candidates: &[0, 0, 1],
        classes: &["rate_limited", "rate_limited"],
        switched: &[1],
        requests: &[2, 1],
        waits: 1,
        ..ROW
    },
    Row {
        id: "I-6-invalid",
        says: "a wrong request is wrong anywhere",
        endpoints: &[&[INVALID], &[Answers]],
        sets: &["retry.same_model=2"],
        code: 1,
        candidates: &[0],
        classes: &["request_invalid"],
        requests: &[1, 0],
        ..ROW
    },
    Row {
        id: "I-6-context",
        says: "and one that is too large from the start has nothing to be told shorter",
        endpoints: &[&[TOO_LONG], &[Answers]],
        sets: &["retry.same_model=2"],
        code: 1,
        candidates: &[0],
        classes: &["context_overflow"],
        requests: &[1, 0],
        ..ROW
    },
    Row {
        id: "words",
        says: "an answer that talks about limits is an answer",
        endpoints: &[
            &[Says("Error 429: rate limit exceeded, try again in 20 s. You have hit your quota.")],
            &[Answers],
        ],
        candidates: &[0],
        requests: &[1, 0],
        ..ROW
    },
    Row {
        id: "cut",
        says: "a stream that is cut after it began: what was said is told to the next one",
        endpoints: &[&[Cuts], &[Late(10)]],
        candidates: &[0, 1],
        openings: &["fresh", "retold"],
        classes: &["transport"],
        switched: &[1],
        requests: &[1, 1],
        ..ROW
    },
    Row {
        id: "wall",
        says: "a wait ends with the wall of the run",
        decided: "the wall of the budget is what ended it, and so it says; what was waited for is in attempt.failed",
        endpoints: &[&[Asks("30")]],
        sets: &["retry.same_model=2", "budget.wall=700ms"],
        code: 5,
        candidates: &[0],
        classes: &["rate_limited"],
        requests: &[1],
        waits: 1,
        takes: (0.5, 10.0),
        also: |played| cut_short(played),
        ..ROW
    },
];

fn cut_short(played: &Played) -> Result<(), String> {
    let ends = played.of("wait.ended");
    let cut = ends.iter().any(|end| end["complete"] == false);
    let ended = &played.ended()["outcome"];
    let wall = ended == "budget_exhausted";
    (cut && wall).then_some(()).ok_or(format!("the wait ended as {ends:?}, the run as {ended}"))
}

#[test]
fn every_row_of_the_clocks_holds() {
    each(ROWS, hold);
}

/// D4: a stop during a wait ends it, no later fallback comes, and the run can be taken up again.
#[test]
fn d4_a_stop_during_a_wait_is_the_end_of_it() {
    for chain in [1, 2] {
        let row = Row { sets: &["retry.same_model=1"], ..ROW };
        let deeds: [&[Does]; 2] = [&[Asks("3"), Answers], &[Answers]];
        let servers: Vec<_> =
            deeds[..chain].iter().map(|deeds| std::sync::Arc::new(endpoint(deeds))).collect();
        let sandbox = Sandbox::new(&profile(&row, &servers));
        let child = sandbox.start(&["run", "--out", "run", "--set", "retry.same_model=1", TASK]);
        let journal = || sandbox.read("run/journal.jsonl");
        wait_for("the wait", || journal().contains("\"wait.started\""));
        let asked = Instant::now();
        signal(child.id(), "TERM");
        let ran = finish(child);
        assert!(asked.elapsed() < Duration::from_millis(1500), "{:?} {}", asked.elapsed(), ran.err);
        assert_eq!(ran.code, Some(143), "{}", ran.err);
        let before = events(&sandbox.path("run"));
        assert_eq!(before.last().unwrap()["outcome"], "interrupted", "{}", ran.err);
        assert_eq!(candidates(&before), [0], "D4: a later fallback: {}", ran.err);
        assert_eq!(of_kind(&before, "wait.ended")[0]["complete"], false);
        assert_eq!(servers.last().unwrap().requests().len(), usize::from(chain == 1));

        let ran = sandbox.run(&["run", "--resume", sandbox.path("run").to_str().unwrap()]);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        let after = events(&sandbox.path("run"));
        assert_eq!(candidates(&after).len(), 2, "{}", ran.err);
        let mut wrong = super::stage::Wrong(Vec::new());
        let requests: Vec<_> = servers.iter().map(|server| server.requests()).collect();
        always(&after, &requests, &mut wrong);
        assert_eq!(wrong.0, Vec::<String>::new());
        assert_eq!(requests.iter().map(Vec::len).sum::<usize>(), 2);
        // Nothing moves in a turn of its own that was not asked for.
        assert_eq!(number(&of_kind(&after, "round.started"), "round"), [1, 2]);
    }
}

/// D4: the same for a wait before the first request, for what another run has met.
#[test]
fn d4_a_stop_while_it_waits_for_leave_asks_nobody() {
    let row = Row { sets: &["retry.wait=0s"], ..ROW };
    let server = std::sync::Arc::new(endpoint(&[Asks("20"), Answers]));
    let sandbox = Sandbox::new(&profile(&row, std::slice::from_ref(&server)));
    let (ran, _) = call(&sandbox, &row, "first");
    assert_eq!(ran.code, Some(4), "{}", ran.err);
    let child = sandbox.start(&["run", "--out", "second", TASK]);
    wait_for("the wait", || sandbox.read("second/journal.jsonl").contains("\"wait.started\""));
    let asked = Instant::now();
    signal(child.id(), "TERM");
    let ran = finish(child);
    assert!(asked.elapsed() < Duration::from_millis(1500), "{:?} {}", asked.elapsed(), ran.err);
    assert_eq!(ran.code, Some(143), "{}", ran.err);
    let second = events(&sandbox.path("second"));
    assert_eq!(second.last().unwrap()["outcome"], "interrupted", "{}", ran.err);
    assert_eq!(of_kind(&second, "wait.ended")[0]["complete"], false);
    assert_eq!(server.requests().len(), 1);
}

/// B25, B17, B23: what one run has met, the next ones know.
#[test]
fn b25_what_a_run_has_met_the_next_ones_know() {
    let row = Row { sets: &["retry.max_fallbacks=1"], ..ROW };
    let servers: Vec<_> = [&[Does::Spent("68400")][..], &[Answers, DOWN], &[Answers]]
        .map(|deeds| std::sync::Arc::new(endpoint(deeds)))
        .into();
    let sandbox = Sandbox::new(&profile(&row, &servers));
    let asked = || -> Vec<usize> { servers.iter().map(|server| server.requests().len()).collect() };
    let (ran, _) = call(&sandbox, &row, "first");
    assert_eq!((ran.code, asked()), (Some(0), vec![1, 1, 0]), "{}", ran.err);

    // For 19 hours the primary is not asked by any run of this account; what it is passed by for uses nothing up.
    let (ran, _) = call(&sandbox, &row, "second");
    let second = events(&sandbox.path("second"));
    assert_eq!((ran.code, asked()), (Some(0), vec![1, 2, 1]), "B25: {}", ran.err);
    assert_eq!(candidates(&second), [1, 2], "B17: {}", ran.err);

    // The account is what is spent: another model of it does not help, and a choice by hand is taken at its word.
    let row = Row { sets: &["agent.model=local/m9", "agent.fallback=[]"], ..ROW };
    let (ran, took) = call(&sandbox, &row, "third");
    let third = events(&sandbox.path("third"));
    assert_eq!((ran.code, asked()), (Some(4), vec![1, 2, 1]), "B23: {}", ran.err);
    assert_eq!(candidates(&third), [0], "B23: {}", ran.err);
    assert!(third.last().unwrap()["reset_at"].is_string(), "B26: {}", ran.err);
    assert!(took < Duration::from_secs(5), "{took:?}");
}
