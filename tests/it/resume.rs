//! A run that is killed after any of its events, or in the middle of writing one, comes to the same end.
#![allow(clippy::disallowed_methods, clippy::allow_attributes, reason = "a test stands outside of the house")]

use serde_json::Value;

use crate::support::sandbox::{Sandbox, copy, events, of_kind};

const SCRIPT: &str = r#"
[[round]]
[[round.turn]]
text = "Let me look."
tool = [{ name = "read", path = "wall.txt" }]
usage = { input = 100, output = 10, usd = 0.5 }
[[round.turn]]
tool = [{ name = "edit", path = "wall.txt", old = "white", new = "red" }, { name = "list", path = "." }]
usage = { input = 110, output = 11, usd = 0.25 }
[[round.turn]]
text = "It is red now."
usage = { input = 120, output = 5, usd = 0.125 }
[[round]]
[[round.turn]]
tool = [{ name = "edit", path = "wall.txt", old = "red", new = "green" }]
usage = { input = 130, output = 12, usd = 0.0625 }
[[round.turn]]
text = "It is green now."
usage = { input = 140, output = 6, usd = 0.03125 }
"#;
const PROFILE: &str = "[check]\ncommand = [\"sh\", \"-c\", \"cat wall.txt; grep -q green wall.txt\"]\n\
                       [budget]\nrounds = 3\n";
const STATES: [&str; 3] = ["white", "red", "green"];

/// What a run comes to, whatever happened on the way.
fn end(ended: &Value) -> Value {
    let mut ended = ended.clone();
    for key in ["seq", "at"] {
        ended.as_object_mut().unwrap().remove(key);
    }
    ended["spend"].as_object_mut().unwrap().remove("wall_s");
    ended
}

/// How many edits the events know of: called, and returned from.
fn edits(before: &[Value]) -> (usize, usize) {
    let (mut called, mut returned, mut open) = (0, 0, None);
    for event in before {
        match event["kind"].as_str().unwrap() {
            "tool.called" if event["name"] == "edit" => {
                called += 1;
                open = Some(&event["id"]);
            }
            "tool.returned" if open == Some(&event["id"]) => {
                returned += 1;
                open = None;
            }
            _ => {}
        }
    }
    (called, returned)
}

/// The input tokens of all turns on record: each turn has its own number of them.
fn turns(events: &[Value]) -> Vec<u64> {
    of_kind(events, "turn.ended").iter().map(|turn| turn["usage"]["input"].as_u64().unwrap()).collect()
}

struct Whole {
    sandbox: Sandbox,
    code: Option<i32>,
    journal: Vec<u8>,
    events: Vec<Value>,
}

fn whole() -> Whole {
    let sandbox = Sandbox::scripted(SCRIPT, PROFILE);
    sandbox.write("wall.txt", STATES[0]);
    let ran = sandbox.run(&["run", "Paint the wall."]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(sandbox.read("wall.txt"), "green");
    let dir = sandbox.run_dir();
    let journal = std::fs::read(dir.join("journal.jsonl")).unwrap();
    let events = events(&dir);
    Whole { sandbox, code: ran.code, journal, events }
}

impl Whole {
    /// Goes on from the first `bytes` bytes of the journal with the wall in a colour, and expects the same end.
    fn goes_on(&self, what: &str, bytes: usize, wall: &str) {
        let copied = tempfile::tempdir().unwrap();
        let dir = copied.path().join("run");
        copy(&self.sandbox.run_dir(), &dir);
        std::fs::remove_file(dir.join("result.json")).unwrap();
        std::fs::write(dir.join("journal.jsonl"), &self.journal[..bytes]).unwrap();
        self.sandbox.write("wall.txt", wall);
        let ran = self.sandbox.run(&["run", "--resume", dir.to_str().unwrap()]);
        assert_eq!(ran.code, self.code, "{what}: {}", ran.err);
        assert_eq!(self.sandbox.read("wall.txt"), "green", "{what}: {}", ran.err);
        let after = events(&dir);
        let expected = end(self.events.last().unwrap());
        assert_eq!(end(after.last().unwrap()), expected, "{what}: {}", ran.err);
        let result: Value =
            serde_json::from_slice(&std::fs::read(dir.join("result.json")).expect(what)).unwrap();
        assert_eq!(result["spend"]["usd"], expected["spend"]["usd"], "{what}");
        assert_eq!(turns(&after), turns(&self.events), "{what}: a turn was paid twice, or not at all");
        let sequence: Vec<u64> = after.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
        assert!(sequence.windows(2).all(|pair| pair[1] == pair[0] + 1), "{what}: {sequence:?}");
        assert_eq!(
            of_kind(&after, "check.ended").len(),
            of_kind(&self.events, "check.ended").len(),
            "{what}"
        );
    }

    fn goes_on_everywhere(&self, torn: bool) {
        let mut at = 0;
        let mut ends = Vec::new();
        for line in self.journal.split_inclusive(|byte| *byte == b'\n') {
            at += line.len();
            ends.push(at);
        }
        for known in 0..=self.events.len() {
            let mut bytes = ends[known];
            if torn {
                let Some(next) = ends.get(known + 1) else { continue };
                bytes = usize::midpoint(bytes, *next);
            }
            let before = &self.events[..known];
            let (called, returned) = edits(before);
            let last = before.last().map_or("nothing", |event| event["kind"].as_str().unwrap());
            // An edit that is in doubt may have been made or not.
            for (done, state) in STATES.iter().enumerate().take(called + 1).skip(returned) {
                let what = format!("after {known} events ({last}), torn: {torn}, edits: {done}");
                self.goes_on(&what, bytes, state);
            }
        }
    }
}

#[test]
fn does_a_run_that_is_killed_after_any_event_come_to_the_same_end() {
    whole().goes_on_everywhere(false);
}

#[test]
fn does_a_run_that_is_killed_while_it_writes_any_event_come_to_the_same_end() {
    whole().goes_on_everywhere(true);
}
