//! A run with a chain of loopback endpoints, each of which does what a list says.
#![allow(clippy::disallowed_methods, clippy::allow_attributes, reason = "a test stands outside of the house")]

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::completions::{Turn, answer, refusal};
use crate::support::http::{Recorded, Response, Server, Step};
use crate::support::sandbox::{Ran, Sandbox, events, finish, of_kind};

/// The turn of the user, as it is known wherever it turns up.
pub(super) const TASK: &str = "Paint the wall of the shed.";

/// What an endpoint does with one request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Does {
    /// Answers at once.
    Answers,
    /// Answers with these words.
    Says(&'static str),
    /// Sends the headers, and the answer after so many milliseconds.
    Late(u64),
    /// Sends so many pieces, each after so many milliseconds, and ends well.
    Drips(usize, u64),
    /// Refuses with this status, code and message.
    Refuses(u16, &'static str, &'static str),
    /// Refuses with 429 and a `retry-after` of so many seconds.
    Asks(&'static str),
    /// Says that the quota is used up, and that it is there again after so many seconds.
    Spent(&'static str),
    /// Sends the headers and nothing else.
    Silent,
    /// Sends this again and again, every 50 ms, and never an answer.
    Noise(&'static str),
    /// Sends a piece of text and nothing else.
    Stops,
    /// Sends nothing of an answer, and ends the connection.
    Dies,
    /// Sends a piece of text, and ends the connection.
    Cuts,
    /// Sends the headers, and the report of an error after so many milliseconds.
    Errs(u64),
    /// Calls the shell with this.
    Runs(&'static str),
    /// Answers, and leaves the connection open.
    Lingers,
}

pub(super) const DOWN: Does = Does::Refuses(500, "server_error", "The server had an error.");
pub(super) const BUSY: Does = Does::Refuses(529, "overloaded_error", "Overloaded");
pub(super) const REFUSED: Does = Does::Refuses(401, "invalid_api_key", "Incorrect API key provided");
pub(super) const NO_MODEL: Does = Does::Refuses(404, "model_not_found", "The model does not exist");
pub(super) const INVALID: Does = Does::Refuses(400, "invalid_request_error", "Unknown parameter: 'x'");
pub(super) const TOO_LONG: Does =
    Does::Refuses(400, "context_length_exceeded", "This model's maximum context length is 8192 tokens");

fn piece(text: &str) -> Step {
    let delta = json!({ "content": text });
    let chunk = json!({ "id": "c", "model": "m", "choices": [{ "index": 0, "delta": delta, "finish_reason": null }] });
    Step::Send(format!("data: {chunk}\n\n"))
}

fn whole(request: &Recorded, before: Vec<Step>, text: &'static str) -> Response {
    Response::steps(before).and(answer(request, &Turn::Say(text)))
}

fn response(does: Does, request: &Recorded) -> Response {
    let wait = |millis| Step::Wait(Duration::from_millis(millis));
    match does {
        Does::Answers => answer(request, &Turn::Say("It is painted.")),
        Does::Says(words) => answer(request, &Turn::Say(words)),
        Does::Late(millis) => whole(request, vec![wait(millis)], "It is painted."),
        Does::Drips(pieces, millis) => {
            let steps = (0..pieces).flat_map(|_| [piece("drip "), wait(millis)]).collect();
            whole(request, steps, "drop")
        }
        Does::Refuses(status, code, message) => refusal(status, code, message),
        Does::Asks(seconds) => {
            refusal(429, "rate_limit_exceeded", "Rate limit reached").header("retry-after", seconds)
        }
        Does::Spent(seconds) => refusal(429, "insufficient_quota", "You exceeded your current quota")
            .header("retry-after", seconds),
        Does::Silent => Response::steps(vec![Step::Hang]),
        Does::Noise(noise) => {
            let steps = (0..400).flat_map(|_| [Step::Send(noise.to_owned()), wait(50)]);
            Response::steps(steps.collect())
        }
        Does::Stops => Response::steps(vec![piece("I begin "), Step::Hang]),
        Does::Dies => Response::steps(vec![Step::Cut]),
        Does::Cuts => Response::steps(vec![piece("I begin "), wait(20), Step::Cut]),
        Does::Errs(millis) => {
            let error = json!({ "error": { "code": "server_error", "message": "too late" } });
            Response::steps(vec![wait(millis), Step::Send(format!("data: {error}\n\n"))])
        }
        Does::Runs(command) => answer(request, &Turn::Call("call_1", "shell", json!({ "command": command }))),
        Does::Lingers => whole(request, Vec::new(), "It is painted.").and(Response::steps(vec![Step::Hang])),
    }
}

/// An endpoint: the nth request meets the nth deed, and the last one from then on.
pub(super) fn endpoint(deeds: &[Does]) -> Server {
    let deeds = deeds.to_vec();
    Server::answering(move |index, request| Some(response(*deeds.get(index).or(deeds.last())?, request)))
}

/// A row: what the endpoints do, and what comes of it.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub(super) id: &'static str,
    /// What the row says.
    pub(super) says: &'static str,
    /// What we decided, where an older system does otherwise or has something that we have not.
    pub(super) decided: &'static str,
    /// One endpoint for each list; the first is the primary's.
    pub(super) endpoints: &'static [&'static [Does]],
    /// The entries of the chain; else one for each further endpoint.
    pub(super) entries: &'static [&'static str],
    /// The primary's model.
    pub(super) model: &'static str,
    /// Keys of `[agent]`.
    pub(super) agent: &'static str,
    /// The whole `[agent]`, where it is no chat, and the files that go with it.
    pub(super) program: (&'static str, &'static [(&'static str, &'static str)]),
    /// Further tables.
    pub(super) profile: &'static str,
    /// Keys that are set on the command line.
    pub(super) sets: &'static [&'static str],
    pub(super) flags: &'static [&'static str],
    pub(super) code: i32,
    pub(super) candidates: &'static [u64],
    /// How their conversations begin; all afresh, where it is empty.
    pub(super) openings: &'static [&'static str],
    pub(super) classes: &'static [&'static str],
    /// Who took the turn from another one.
    pub(super) switched: &'static [u64],
    /// Requests at each endpoint.
    pub(super) requests: &'static [usize],
    pub(super) waits: usize,
    /// Seconds that it takes at least, and at most on an idle machine.
    pub(super) takes: (f64, f64),
    /// What else holds.
    pub(super) also: fn(&Played) -> Result<(), String>,
}

pub(super) const ROW: Row = Row {
    id: "",
    says: "",
    decided: "",
    endpoints: &[],
    entries: &[],
    model: "local/m0",
    agent: "",
    program: ("", &[]),
    profile: "",
    sets: &[],
    flags: &[],
    code: 0,
    candidates: &[],
    openings: &[],
    classes: &[],
    switched: &[],
    requests: &[],
    waits: 0,
    takes: (0.0, 20.0),
    also: |_| Ok(()),
};

/// A run that has ended.
pub(super) struct Played {
    pub(super) ran: Ran,
    pub(super) took: Duration,
    pub(super) events: Vec<Value>,
    pub(super) requests: Vec<Vec<Recorded>>,
    pub(super) sandbox: Sandbox,
}

impl Played {
    pub(super) fn of(&self, kind: &str) -> Vec<&Value> {
        of_kind(&self.events, kind)
    }

    pub(super) fn ended(&self) -> &Value {
        self.events.last().unwrap()
    }

    pub(super) fn candidates(&self) -> Vec<u64> {
        candidates(&self.events)
    }

    pub(super) fn story(&self) -> String {
        let events: Vec<String> = self.events.iter().map(Value::to_string).collect();
        format!("{}\n{}", self.ran.err, events.join("\n"))
    }
}

pub(super) fn candidates(events: &[Value]) -> Vec<u64> {
    number(&of_kind(events, "attempt.started"), "candidate")
}

/// A number of each event, zero where it is left out.
pub(super) fn number(events: &[&Value], key: &str) -> Vec<u64> {
    events.iter().map(|event| event[key].as_u64().unwrap_or(0)).collect()
}

pub(super) fn words<'a>(events: &[&'a Value], key: &str) -> Vec<&'a str> {
    events.iter().map(|event| event[key].as_str().unwrap_or("fresh")).collect()
}

/// The profile of a row, for these endpoints.
pub(super) fn profile(row: &Row, servers: &[Arc<Server>]) -> String {
    let entries: Vec<String> = match row.entries {
        [] => {
            (1..servers.len()).map(|n| format!("{{ model = \"local/m{n}\", endpoint = \"e{n}\" }}")).collect()
        }
        entries => entries.iter().map(|entry| (*entry).to_owned()).collect(),
    };
    let mut profile = format!(
        "[agent]\nharness = \"chat\"\nmodel = \"{}\"\nendpoint = \"e0\"\nfallback = [{}]\n{}\n",
        row.model,
        entries.join(", "),
        row.agent,
    );
    if !row.program.0.is_empty() {
        profile = format!("[agent]\n{}\n", row.program.0);
    }
    for (n, server) in servers.iter().enumerate() {
        let url = server.url();
        let _ = writeln!(profile, "[endpoints.e{n}]\napi = \"openai\"\nbase_url = \"{url}\"");
    }
    profile + "[prompt]\ncontext = \"none\"\n" + row.profile
}

/// Runs a row that has this profile, in this place.
pub(super) fn call(sandbox: &Sandbox, row: &Row, out: &str) -> (Ran, Duration) {
    let mut args = vec!["run", "--out", out, "--set", "retry.same_model=0"];
    for set in row.sets {
        args.extend(["--set", set]);
    }
    args.extend(row.flags);
    args.push(TASK);
    let begun = Instant::now();
    let ran = finish(sandbox.start(&args));
    (ran, begun.elapsed())
}

/// Plays a row.
pub(super) fn play(row: &Row) -> Played {
    let servers: Vec<Arc<Server>> = row.endpoints.iter().map(|deeds| Arc::new(endpoint(deeds))).collect();
    let sandbox = Sandbox::new(&profile(row, &servers));
    for (name, text) in row.program.1 {
        sandbox.write(name, text);
    }
    let (ran, took) = call(&sandbox, row, "run");
    let dir = sandbox.path("run");
    let events = if dir.join("journal.jsonl").exists() { events(&dir) } else { Vec::new() };
    let requests = servers.iter().map(|server| server.requests()).collect();
    Played { ran, took, events, requests, sandbox }
}

/// What does not hold of a run.
pub(super) struct Wrong(pub(super) Vec<String>);

impl Wrong {
    pub(super) fn same<T: std::fmt::Debug + PartialEq>(&mut self, what: &str, is: &T, shall: &T) {
        if is != shall {
            self.0.push(format!("{what}: {is:?}, not {shall:?}"));
        }
    }

    pub(super) fn unless(&mut self, held: bool, what: impl Into<String>) {
        if !held {
            self.0.push(what.into());
        }
    }
}

/// How often the turn stands in what a request has under the name of the user.
pub(super) fn turns_of_user(request: &Recorded) -> usize {
    let body = request.json();
    let messages = body["messages"].as_array().cloned().unwrap_or_default();
    let users = messages.iter().filter(|message| message["role"] == "user");
    users.map(|message| message["content"].to_string().matches(TASK).count()).sum()
}

/// What holds of every run, whatever its endpoints do: I-1, I-3, I-4 and I-10.
pub(super) fn always(events: &[Value], requests: &[Vec<Recorded>], wrong: &mut Wrong) {
    let (mut open, mut last, mut waiting) = (None, 0, false);
    for event in events {
        match event["kind"].as_str().unwrap() {
            "round.started" => last = 0,
            "attempt.started" => {
                let attempt = event["attempt"].as_u64().unwrap();
                wrong.unless(open.is_none(), format!("I-1: {attempt} begins while {open:?} is open"));
                wrong.unless(attempt == last + 1, format!("I-1: {attempt} comes after {last}"));
                (open, last) = (Some(attempt), attempt);
            }
            kind @ ("attempt.failed" | "attempt.finished") => {
                let attempt = event["attempt"].as_u64();
                wrong.unless(open == attempt, format!("I-1: {kind} of {attempt:?} while {open:?} is open"));
                open = None;
            }
            "wait.started" => {
                wrong.unless(!waiting, "I-3: two waits at a time");
                waiting = true;
            }
            "wait.ended" | "run.resumed" => waiting = false,
            kind @ ("turn.ended" | "tool.called" | "tool.returned" | "fallback.switched") => {
                wrong.unless(open.is_some(), format!("I-1: {kind} of an attempt that is over"));
            }
            "round.ended" => wrong.unless(open.is_none(), format!("I-10: {open:?} outlives its round")),
            _ => {}
        }
    }
    wrong.unless(!waiting, "a wait without an end");
    for (n, request) in requests.iter().enumerate().flat_map(|(n, all)| all.iter().map(move |one| (n, one))) {
        let turns = turns_of_user(request);
        wrong.unless(turns == 1, format!("I-4: {turns} turns of the user at e{n}: {}", request.body));
    }
}

/// Plays a row, and says what does not hold of it.
pub(super) fn hold(row: &Row) -> Result<(), String> {
    let played = play(row);
    let mut wrong = Wrong(Vec::new());
    wrong.same("exit code", &played.ran.code, &Some(row.code));
    wrong.same("candidates", &played.candidates(), &row.candidates.to_vec());
    let openings = match row.openings {
        [] => vec!["fresh"; row.candidates.len()],
        openings => openings.to_vec(),
    };
    wrong.same("openings", &words(&played.of("attempt.started"), "opening"), &openings);
    wrong.same("classes", &words(&played.of("attempt.failed"), "class"), &row.classes.to_vec());
    wrong.same("switched", &number(&played.of("fallback.switched"), "candidate"), &row.switched.to_vec());
    let requests: Vec<usize> = played.requests.iter().map(Vec::len).collect();
    wrong.same("requests", &requests, &row.requests.to_vec());
    wrong.same("waits", &played.of("wait.started").len(), &row.waits);
    let took = played.took.as_secs_f64();
    wrong.unless(took >= row.takes.0 && took < row.takes.1, format!("took {took:.2} s"));
    always(&played.events, &played.requests, &mut wrong);
    if let Err(what) = (row.also)(&played) {
        wrong.0.push(what);
    }
    if wrong.0.is_empty() {
        return Ok(());
    }
    let decided = if row.decided.is_empty() { String::new() } else { format!(" ({})", row.decided) };
    Err(format!("{}: {}{decided}\n- {}\n{}", row.id, row.says, wrong.0.join("\n- "), played.story()))
}

/// Does something for each of many, four at a time, and complains of all at the end.
pub(super) fn each<T: Sync>(all: &[T], hold: impl Fn(&T) -> Result<(), String> + Sync) {
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(one) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(complaint) = hold(one) {
                        wrong.lock().unwrap().push(complaint);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {}\n{}", wrong.len(), all.len(), wrong.join("\n\n"));
}
