//! A run that is killed anywhere in a fallback, and taken up again, comes to the same end by the same candidate.
#![allow(clippy::disallowed_methods, clippy::allow_attributes, reason = "a test stands outside of the house")]

use std::sync::Arc;

use serde_json::{Value, json};

use super::stage::{ROW, Row, TASK, Wrong, always, candidates, number, profile};
use crate::support::completions::{Turn, answer, refusal, returned};
use crate::support::http::{Recorded, Response, Server};
use crate::support::sandbox::{Sandbox, copy, events, finish, of_kind, wait_for};

const COMMAND: &str = "echo red >> wall";

fn shell(request: &Recorded, command: &str) -> Response {
    answer(request, &Turn::Call("call_1", "shell", json!({ "command": command })))
}

/// Paints, and has no more to give when it is told that this is done.
fn first(request: &Recorded) -> Response {
    match returned(request) {
        None => shell(request, COMMAND),
        Some(_) => refusal(429, "rate_limit_exceeded", "Rate limit reached").header("retry-after", "0.1"),
    }
}

/// Looks at what was done, and says so.
fn third(request: &Recorded) -> Response {
    match returned(request) {
        Some(_) => answer(request, &Turn::Say("It is painted.")),
        None if request.body.contains(COMMAND) => shell(request, "cat wall"),
        None => shell(request, COMMAND),
    }
}

/// A run of three: the first is asked twice, with a wait between; the second refuses; the third does it.
struct Whole {
    sandbox: Sandbox,
    servers: Vec<Arc<Server>>,
    journal: Vec<u8>,
    events: Vec<Value>,
}

const SAME_MODEL: &str = "retry.same_model=1";

fn whole() -> Whole {
    let servers = vec![
        Arc::new(Server::answering(|_, request| Some(first(request)))),
        Arc::new(Server::answering(|_, _| {
            Some(refusal(401, "invalid_api_key", "Incorrect API key provided"))
        })),
        Arc::new(Server::answering(|_, request| Some(third(request)))),
    ];
    let row = Row { agent: "tools = [\"shell\"]", ..ROW };
    let sandbox = Sandbox::new(&profile(&row, &servers));
    let ran = sandbox.run(&["run", "--out", "whole", "--set", SAME_MODEL, TASK]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let events = events(&sandbox.path("whole"));
    assert_eq!(candidates(&events), [0, 0, 1, 2], "{}", ran.err);
    assert_eq!(number(&of_kind(&events, "fallback.switched"), "candidate"), [2]);
    assert_eq!(of_kind(&events, "wait.started").len(), 1);
    assert_eq!(sandbox.read("wall"), "red\n");
    let journal = std::fs::read(sandbox.path("whole/journal.jsonl")).unwrap();
    Whole { sandbox, servers, journal, events }
}

impl Whole {
    /// Goes on after so many events, of which nobody else knows anything.
    fn goes_on(&self, known: usize) -> Result<(), String> {
        let dir = self.sandbox.path(&format!("after-{known}"));
        copy(&self.sandbox.path("whole"), &dir);
        std::fs::remove_file(dir.join("result.json")).unwrap();
        let lines = self.journal.split_inclusive(|byte| *byte == b'\n').take(known + 1);
        std::fs::write(dir.join("journal.jsonl"), lines.collect::<Vec<_>>().concat()).unwrap();
        let _ = std::fs::remove_dir_all(self.sandbox.path(".local"));
        // What was called may have been done; here it was.
        let called = of_kind(&self.events[..known], "tool.called").len();
        self.sandbox.write("wall", if called > 0 { "red\n" } else { "" });
        let asked: Vec<usize> = self.servers.iter().map(|server| server.requests().len()).collect();

        let ran = self.sandbox.run(&["run", "--resume", dir.to_str().unwrap()]);
        let after = events(&dir);
        let mut wrong = Wrong(Vec::new());
        wrong.same("exit code", &ran.code, &Some(0));
        wrong.same("the wall", &self.sandbox.read("wall").as_str(), &"red\n");
        let (end, shall) = (after.last().unwrap(), self.events.last().unwrap());
        for key in ["outcome", "output", "rounds"] {
            wrong.same(key, &end[key], &shall[key]);
        }
        wrong.same("tokens", &end["spend"]["input"], &shall["spend"]["input"]);
        wrong.same("who answered", &candidates(&after).last(), &Some(&2));
        wrong.same("switched", &number(&of_kind(&after, "fallback.switched"), "candidate"), &vec![2]);
        let walked = candidates(&after);
        wrong.unless(walked.is_sorted(), format!("I-7: walked {walked:?}"));
        let requests: Vec<Vec<Recorded>> = self
            .servers
            .iter()
            .zip(asked)
            .map(|(server, asked)| server.requests().split_off(asked))
            .collect();
        always(&after, &requests, &mut wrong);
        let sequence = number(&after.iter().collect::<Vec<_>>(), "seq");
        wrong.unless(sequence.windows(2).all(|pair| pair[1] == pair[0] + 1), format!("{sequence:?}"));
        if wrong.0.is_empty() {
            return Ok(());
        }
        let last = known.checked_sub(1).map(|last| self.events[last].to_string());
        let story: Vec<String> = after[known.min(after.len())..].iter().map(Value::to_string).collect();
        let what = wrong.0.join("\n- ");
        Err(format!(
            "after {known} events, the last of which is {last:?}\n- {what}\n{}\n{}",
            ran.err,
            story.join("\n")
        ))
    }
}

#[test]
fn does_a_run_that_is_killed_anywhere_in_a_fallback_come_to_the_same_end() {
    let whole = whole();
    let wrong: Vec<String> =
        (0..=whole.events.len()).filter_map(|known| whole.goes_on(known).err()).collect();
    assert!(wrong.is_empty(), "{} of {}\n{}", wrong.len(), whole.events.len() + 1, wrong.join("\n\n"));
}

/// The first one's key is refused.
const REFUSED: &str = r#"
printf '%s\n' '{"type":"system","subtype":"init","session_id":"s1","model":"m","tools":[]}'
printf '%s\n' '{"type":"system","subtype":"api_retry","attempt":1,"max_retries":10,"retry_delay_ms":500,"error_status":401,"error":"authentication_failed","session_id":"s1"}'
exec sleep 60
"#;
/// Works until `go` is there, then answers.
const WORKS: &str = r#"
printf '%s\n' '{"type":"system","subtype":"init","session_id":"s2","model":"m","tools":[]}'
if [ ! -e go ]; then echo $$ > pid; exec sleep 60; fi
printf '%s\n' '{"type":"result","subtype":"success","is_error":false,"result":"It is painted.","stop_reason":"end_turn","session_id":"s2","total_cost_usd":0,"usage":{"input_tokens":1,"output_tokens":1}}'
"#;

#[test]
fn a_kill_while_the_second_agent_works_leaves_the_turn_with_it() {
    let sandbox = Sandbox::new(
        "[agent]\nharness = \"command\"\ncommand = [\"sh\", \"a.sh\"]\nprotocol = \"claude-stream-json\"\n\
         fallback = [{ harness = \"command\", command = [\"sh\", \"b.sh\"] }]\n",
    );
    sandbox.write("a.sh", REFUSED);
    sandbox.write("b.sh", WORKS);
    let mut child = sandbox.start(&["run", "--out", "run", TASK]);
    let agent = sandbox.pid("pid");
    child.kill().unwrap();
    finish(child);
    wait_for("the end of the agent", || !crate::support::sandbox::lives(agent));
    sandbox.write("go", "");
    let ran = sandbox.run(&["run", "--resume", sandbox.path("run").to_str().unwrap()]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let after = events(&sandbox.path("run"));
    assert_eq!(candidates(&after), [0, 1, 1], "{}", ran.err);
    assert_eq!(number(&of_kind(&after, "fallback.switched"), "candidate"), [1], "{}", ran.err);
    let mut wrong = Wrong(Vec::new());
    always(&after, &[], &mut wrong);
    assert_eq!(wrong.0, Vec::<String>::new(), "{}", ran.err);
}
