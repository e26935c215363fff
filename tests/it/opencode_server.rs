//! A real `opencode serve` against a server on this machine that plays the model.
#![allow(clippy::disallowed_methods, clippy::allow_attributes, reason = "a test stands outside of the house")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use provost::backend::opencode::OpencodeServer;
use provost::backend::{Answer, Harness as _, Link, Request, SessionPlan, Stop};
use provost::event::{AttemptNumber, Failure, FaultClass, NodeId, RoundNumber, SessionId};
use provost::profile::Source;
use serde_json::{Value, json};

use crate::support::http::{Recorded, Response, Server, Step};
use crate::support::run::{Ran, Stage, needed};

const KEY: &str = "dummy-key-of-no-account-8c1f";
const PASSWORD: &str = "open-sesame-31f7";
const SYSTEM: &str = "You are watched by Provost: «weigh each word».";
const TASK: &str = "Write the word into answer.txt.\n\n  Keep «these» bytes: \"a\\b\" \u{1F980}";
/// What one answer of the model costs: input, of which cached, and output, of which reasoning.
const USAGE: (u64, u64, u64, u64) = (100, 20, 7, 3);

/// What the model does.
#[derive(Clone, Debug)]
enum Turn {
    Say(&'static str),
    /// Word by word, with a wait after each.
    Drip(&'static [&'static str], Duration),
    /// Nothing for so long, and then this.
    Late(Duration, &'static str),
    Call(&'static str, Value),
    /// Begins and ends without a terminal marker.
    Cut,
    Refuse(u16, Value, Option<&'static str>),
}

fn chunk(delta: &Value, finish: Option<&str>) -> Step {
    let chunk = json!({
        "id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }],
    });
    Step::Send(format!("data: {chunk}\n\n"))
}

fn answer(turn: &Turn) -> Response {
    let say = |text: &str| chunk(&json!({ "role": "assistant", "content": text }), None);
    let mut finish = Some("stop");
    let mut steps = match turn {
        Turn::Say(text) => vec![say(text)],
        Turn::Drip(words, wait) => words.iter().flat_map(|word| [say(word), Step::Wait(*wait)]).collect(),
        Turn::Late(wait, text) => vec![Step::Wait(*wait), say(text)],
        Turn::Call(name, input) => {
            finish = Some("tool_calls");
            let function = json!({ "name": name, "arguments": input.to_string() });
            let call = json!([{ "index": 0, "id": "call_1", "type": "function", "function": function }]);
            vec![chunk(&json!({ "role": "assistant", "tool_calls": call }), None)]
        }
        Turn::Cut => return Response::steps(vec![say("hel")]),
        Turn::Refuse(status, error, after) => {
            let body = json!({ "error": error }).to_string();
            let refusal = Response::json(*status, &body);
            return after.map_or(refusal.clone(), |after| refusal.header("retry-after", after));
        }
    };
    steps.push(chunk(&json!({}), finish));
    let (input, cached, output, reasoning) = USAGE;
    let usage = json!({ "id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [], "usage": {
        "prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output,
        "prompt_tokens_details": { "cached_tokens": cached },
        "completion_tokens_details": { "reasoning_tokens": reasoning },
    } });
    steps.push(Step::Send(format!("data: {usage}\n\ndata: [DONE]\n\n")));
    Response::steps(steps)
}

/// A model that does what the function says, given how many requests came before and what is asked.
fn model(does: impl Fn(usize, &Recorded) -> Turn + Send + Sync + 'static) -> Server {
    Server::answering(move |index, request| Some(answer(&does(index, request))))
}

/// The messages of a request, as role and text.
fn said(request: &Recorded) -> Vec<(String, String)> {
    let body = request.json();
    let messages = body["messages"].as_array().unwrap();
    let text = |content: &Value| match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    };
    messages
        .iter()
        .map(|message| (message["role"].as_str().unwrap().to_owned(), text(&message["content"])))
        .collect()
}

fn has_tool_result(request: &Recorded) -> bool {
    said(request).last().is_some_and(|(role, _)| role == "tool")
}

/// A model that writes a file and says so.
fn writer(file: PathBuf) -> Server {
    model(move |_, request| {
        if has_tool_result(request) {
            Turn::Drip(&["I wrote", " the ", "word."], Duration::from_millis(30))
        } else {
            Turn::Call("write", json!({ "filePath": file, "content": "right\n" }))
        }
    })
}

/// The variables without which opencode talks to hosts outside.
const SILENT: [(&str, &str); 4] = [
    ("OPENCODE_DISABLE_MODELS_FETCH", "1"),
    ("OPENCODE_DISABLE_AUTOUPDATE", "1"),
    ("OPENCODE_DISABLE_DEFAULT_PLUGINS", "1"),
    ("npm_config_offline", "true"),
];

/// A profile whose server provost starts.
fn own(server: &Server, mode: &str, added: &str) -> Stage {
    let opencode = needed("PROVOST_TEST_OPENCODE");
    Stage::new(&format!(
        r#"
schema = 1
name = "own"
{added}
[agent]
harness = "opencode-server"
model = "anything/m"
endpoint = "here"
command = ["{opencode}"]
permissions = "bypass"
[agent.env]
npm_config_offline = "true"
[endpoints.here]
api = "openai"
base_url = "{url}"
key_env = "PROVOST_TEST_KEY"
[prompt]
system = "{SYSTEM}"
[stream]
mode = "{mode}"
[prices."anything/m"]
input = 1.0
output = 2.0
[budget]
rounds = 3
wall = "120s"
"#,
        opencode = opencode.display(),
        url = server.url(),
    ))
}

/// A profile for a server that is there already.
fn given(url: &str, mode: &str, added: &str) -> Stage {
    Stage::new(&format!(
        r#"
schema = 1
name = "given"
{added}
[agent]
harness = "opencode-server"
model = "p/m"
{permissions}
[agent.server]
url = "{url}"
password_env = "PROVOST_TEST_PASSWORD"
[prompt]
system = "{SYSTEM}"
[stream]
mode = "{mode}"
[budget]
rounds = 3
wall = "120s"
"#,
        permissions = if added.contains("# ask") { "" } else { "permissions = \"bypass\"" },
    ))
}

/// A server that somebody else has started.
struct Serve {
    child: Child,
    url: String,
    home: tempfile::TempDir,
}

impl Serve {
    fn start(model: &Server, extra: &Value) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut config = json!({
            "provider": { "p": {
                "npm": "@ai-sdk/openai-compatible",
                "options": { "baseURL": model.url(), "apiKey": KEY },
                "models": { "m": { "cost": { "input": 1, "output": 2 } } },
            } },
            "autoupdate": false, "share": "disabled",
        });
        config.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let mut child = Command::new(needed("PROVOST_TEST_OPENCODE"))
            .args(["serve", "--hostname", "127.0.0.1", "--port", "0"])
            .current_dir(home.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", home.path())
            .env("OPENCODE_CONFIG_CONTENT", config.to_string())
            .env("OPENCODE_SERVER_PASSWORD", PASSWORD)
            .envs(SILENT)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
        let line =
            out.find_map(|line| line.unwrap().split_once("listening on ").map(|(_, url)| url.to_owned()));
        thread::spawn(move || out.for_each(drop));
        Self { child, url: line.unwrap().trim().to_owned(), home }
    }

    /// Asks it something, as its user would.
    fn get(&self, path: &str) -> Value {
        let address = self.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        // opencode:open-sesame-31f7
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\nauthorization: Basic b3BlbmNvZGU6b3Blbi1zZXNhbWUtMzFmNw==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
        serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"))
    }

    fn statuses(&self, stage_work: &std::path::Path) -> Value {
        self.get(&format!("/session/status?directory={}", stage_work.display()))
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = self.home.path();
    }
}

/// What a proxy does to the first stream of events that it carries.
#[derive(Clone, Copy, PartialEq)]
enum Harm {
    None,
    /// Closes the connection after the model has begun to speak.
    Cut,
    /// Lets nothing through any added, and keeps the connection.
    Hang,
}

/// Stands between provost and a server, and knows what was asked.
struct Proxy {
    url: String,
    lines: Arc<Mutex<Vec<String>>>,
    harmed: Arc<AtomicUsize>,
}

impl Proxy {
    fn start(to: &str, harm: Harm) -> Self {
        let to = to.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (lines, harmed) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let (seen, count) = (Arc::clone(&lines), Arc::clone(&harmed));
        thread::spawn(move || {
            for client in listener.incoming() {
                let (to, seen, count) = (to.clone(), Arc::clone(&seen), Arc::clone(&count));
                thread::spawn(move || {
                    let _ = carry(client.unwrap(), &to, &seen, &count, harm);
                });
            }
        });
        Self { url, lines, harmed }
    }

    /// How many requests began so.
    fn asked(&self, start: &str, end: &str) -> usize {
        let lines = self.lines.lock().unwrap();
        let path = |line: &String| line.split([' ', '?']).nth(1).unwrap_or_default().to_owned();
        lines.iter().filter(|line| line.starts_with(start) && path(line).ends_with(end)).count()
    }
}

/// One connection: requests that way and answers this way, until either side ends.
fn carry(
    client: TcpStream,
    to: &str,
    seen: &Mutex<Vec<String>>,
    count: &AtomicUsize,
    harm: Harm,
) -> std::io::Result<()> {
    let server = TcpStream::connect(to)?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    let (mut from_server, mut to_client) = (server, client);
    let events = Arc::new(AtomicUsize::new(0));
    let is_events = Arc::clone(&events);
    let mut buffer = vec![0; 64 * 1024];
    // A request's head comes in one piece from the clients of these tests.
    let requests = {
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let inner = Arc::clone(&heads);
        thread::spawn(move || -> std::io::Result<()> {
            let mut buffer = vec![0; 64 * 1024];
            loop {
                let read = from_client.read(&mut buffer)?;
                if read == 0 {
                    return to_server.shutdown(std::net::Shutdown::Write);
                }
                let text = String::from_utf8_lossy(&buffer[..read]);
                let line = text.lines().next().unwrap_or_default();
                if line.ends_with("HTTP/1.1") {
                    if line.starts_with("GET /event") {
                        is_events.store(1, Ordering::SeqCst);
                    }
                    inner.lock().unwrap().push(line.to_owned());
                }
                to_server.write_all(&buffer[..read])?;
            }
        });
        heads
    };
    loop {
        let read = from_server.read(&mut buffer)?;
        seen.lock().unwrap().append(&mut requests.lock().unwrap());
        if read == 0 {
            return to_client.shutdown(std::net::Shutdown::Both);
        }
        let spoken = String::from_utf8_lossy(&buffer[..read]).contains("message.part.delta");
        let first = || count.fetch_add(1, Ordering::SeqCst) == 0;
        if harm != Harm::None && events.load(Ordering::SeqCst) == 1 && spoken && first() {
            if harm == Harm::Hang {
                thread::sleep(Duration::from_mins(2));
            }
            return to_client.shutdown(std::net::Shutdown::Both);
        }
        to_client.write_all(&buffer[..read])?;
    }
}

const KEYS: [(&str, &str); 2] = [("PROVOST_TEST_KEY", KEY), ("PROVOST_TEST_PASSWORD", PASSWORD)];

fn usage(ran: &Ran) -> Value {
    let reported = ran.of("usage.reported");
    assert_eq!(reported.len(), 1, "one report of usage: {}", ran.story());
    let keys = ["input", "output", "cache_read", "cache_write", "usd", "source"];
    keys.into_iter()
        .map(|key| (key.to_owned(), reported[0][key].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn calls(ran: &Ran) -> Vec<(String, bool)> {
    let ends = ran.of("tool.called").into_iter().zip(ran.of("tool.returned"));
    ends.map(|(called, returned)| (called["name"].as_str().unwrap().to_owned(), returned["ok"] == true))
        .collect()
}

fn failures(ran: &Ran) -> Vec<String> {
    ran.of("attempt.failed").iter().map(|failed| failed["class"].as_str().unwrap().to_owned()).collect()
}

/// Whether any process still has this in its command line or its environment.
fn lives(mark: &str) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let holds = |name: &str| {
            let bytes = std::fs::read(entry.path().join(name)).unwrap_or_default();
            bytes.windows(mark.len()).any(|window| window == mark.as_bytes())
        };
        entry.file_name().to_string_lossy().parse::<u32>().is_ok_and(|pid| pid != std::process::id())
            && holds("environ")
    })
}

/// The same task in both modes; what must be the same.
fn task_in(mode: &str) -> (Value, Value, Vec<(String, bool)>) {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("answer.txt");
    let server = writer(file.clone());
    let settings = "[model]\ntemperature = 0.5\nmax_output_tokens = 111";
    let added = format!("{settings}\n[workspace]\ndir = \"{}\"", place.path().display());
    let ran = own(&server, mode, &added).run(TASK, &KEYS, &[]);
    let story = ran.story();
    assert_eq!(ran.output.status.code(), Some(0), "{story}");
    assert_eq!(std::fs::read_to_string(file).unwrap(), "right\n", "{story}");
    assert!(!ran.holds(KEY), "the key is on record");
    // What is on record as a prompt is what was sent.
    let requests = server.requests();
    assert_eq!(requests.len(), 2, "{story}");
    let (user, system) = (ran.prompts("user"), ran.prompts("system"));
    assert_eq!((user.len(), &*system), (1, &[SYSTEM.to_owned()][..]), "{story}");
    for request in &requests {
        assert_eq!(request.header("authorization"), Some(&*format!("Bearer {KEY}")));
        let said = said(request);
        assert!(said.contains(&("user".to_owned(), user[0].clone())), "{said:?}");
        assert!(said[0].0 == "system" && said[0].1.ends_with(SYSTEM), "{said:?}");
        let body = request.json();
        assert_eq!(
            (&body["model"], &body["temperature"], &body["max_tokens"]),
            (&json!("m"), &json!(0.5), &json!(111))
        );
    }
    // The session is the one that the server chose.
    let session = ran.of("attempt.accepted")[0]["session"].as_str().unwrap().to_owned();
    assert!(session.starts_with("ses_"), "{story}");
    assert_ne!(ran.of("attempt.started")[0]["session"], session.as_str());
    let log = std::fs::read_to_string(ran.dir.join("rounds/root-1.log")).unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!lines.is_empty() && log.contains(&session), "{log}");
    assert_eq!(ran.of("turn.ended").len(), 2, "{story}");
    (ran.ended()["output"].clone(), usage(&ran), calls(&ran))
}

#[test]
#[cfg_attr(not(real_opencode), ignore = "needs opencode; .ci/install-real installs it")]
fn real_opencode_server_gives_the_same_text_and_usage_by_stream_and_by_polling() {
    let (by_stream, by_polling) = (task_in("sse"), task_in("poll"));
    assert_eq!(by_stream, by_polling);
    assert_eq!(by_stream.0, "I wrote the word.");
    assert_eq!(by_stream.2, [("write".to_owned(), true)]);
    let (input, cached, output, _) = USAGE;
    // Dollars per million tokens: 1 for input, read from a cache or not, and 2 for output.
    let usd = f64::from(u32::try_from(2 * (input + 2 * output)).unwrap()) / 1e6;
    let expected = json!({
        "input": 2 * (input - cached), "output": 2 * output, "cache_read": 2 * cached, "cache_write": 0,
        "source": "priced",
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(by_stream.1[key], *value, "{key}");
    }
    assert!((by_stream.1["usd"].as_f64().unwrap() - usd).abs() < 1e-12, "{:?}", by_stream.1);
}

#[test]
#[cfg_attr(not(real_opencode), ignore = "needs opencode; .ci/install-real installs it")]
fn real_opencode_server_elsewhere_is_asked_with_its_password_and_polled_without_a_stream() {
    let model = model(|_, _| Turn::Say("hello"));
    let serve = Serve::start(&model, &json!({}));
    for (mode, streams) in [("poll", 0), ("sse", 1)] {
        let proxy = Proxy::start(&serve.url, Harm::None);
        let ran = given(&proxy.url, mode, "").run(TASK, &KEYS, &[]);
        let story = ran.story();
        assert_eq!(ran.output.status.code(), Some(0), "{story}");
        assert_eq!(ran.ended()["output"], "hello", "{story}");
        assert_eq!(proxy.asked("GET /event", "/event"), streams, "{mode}");
        assert_eq!(proxy.asked("POST /session/", "/prompt_async"), 1, "{mode}");
        let session = ran.of("attempt.accepted")[0]["session"].as_str().unwrap();
        assert!(proxy.asked(&format!("GET /session/{session}/"), "/message") > 0, "{mode}");
        let usage = usage(&ran);
        assert_eq!(
            (&usage["input"], &usage["output"], &usage["source"]),
            (&json!(80), &json!(7), &json!("provider"))
        );
        assert!(usage["usd"].as_f64().unwrap() > 0.0, "{usage}");
        assert!(!ran.holds(PASSWORD), "the password is on record");
        assert!(ran.of("agent.spawned").is_empty(), "{story}");
    }
    // It is not ours to end.
    assert_eq!(serve.get("/global/health")["healthy"], true);
}

#[test]
#[cfg_attr(not(real_opencode), ignore = "needs opencode; .ci/install-real installs it")]
fn real_opencode_server_with_a_wrong_password_is_unavailable_at_once() {
    let model = model(|_, _| Turn::Say("hello"));
    let serve = Serve::start(&model, &json!({}));
    let ran = given(&serve.url, "sse", "").run(TASK, &[("PROVOST_TEST_PASSWORD", "another-password")], &[]);
    assert_eq!(ran.output.status.code(), Some(4), "{}", ran.story());
    assert_eq!(failures(&ran), ["auth"], "{}", ran.story());
    assert!(!ran.holds("another-password"));
    assert!(model.requests().is_empty());
    // Where the variable is not set at all, nothing is begun.
    let ran = given(&serve.url, "sse", "").run(TASK, &[], &[]);
    assert_eq!(ran.output.status.code(), Some(4), "{}", ran.story());
    assert!(ran.story().contains("PROVOST_TEST_PASSWORD"), "{}", ran.story());
    assert!(ran.events.is_empty());
}

/// A stream that is harmed in the middle of a turn.
fn harmed(harm: Harm) -> (Ran, Proxy) {
    let words: &[&str] = &["one ", "two ", "three ", "four ", "five"];
    let model = model(move |_, request| {
        if has_tool_result(request) {
            Turn::Drip(words, Duration::from_millis(250))
        } else {
            Turn::Call("bash", json!({ "command": "echo hi", "description": "greets" }))
        }
    });
    let serve = Serve::start(&model, &json!({}));
    let proxy = Proxy::start(&serve.url, harm);
    let ran = given(&proxy.url, "sse", "").run(TASK, &KEYS, &[]);
    let story = ran.story();
    assert_eq!(proxy.harmed.load(Ordering::SeqCst).min(1), 1, "nothing was harmed: {story}");
    assert_eq!(ran.output.status.code(), Some(0), "{story}");
    assert_eq!(ran.ended()["output"], "one two three four five", "{story}");
    assert_eq!(model.requests().len(), 2, "{story}");
    assert_eq!(ran.of("turn.ended").len(), 2, "{story}");
    assert_eq!(calls(&ran), [("bash".to_owned(), true)], "{story}");
    assert_eq!(usage(&ran)["input"], 160, "{story}");
    assert_eq!(ran.of("alert.raised").len(), 1, "{story}");
    assert_eq!(ran.of("alert.raised")[0]["alert"], "event-stream", "{story}");
    (ran, proxy)
}

#[test]
#[cfg_attr(not(real_opencode), ignore = "needs opencode; .ci/install-real installs it")]
fn real_opencode_server_ends_in_the_right_result_when_the_stream_is_cut_in_the_middle_of_a_turn() {
    let (ran, proxy) = harmed(Harm::Cut);
    assert!(proxy.asked("GET /event", "/event") > 1, "{}", ran.story());
}

#[test]
#[cfg_attr(not(real_opencode), ignore = "needs opencode; .ci/install-real installs it")]
fn real_opencode_server_is_heard_again_when_the_stream_falls_silent_without_an_end() {
    let (ran, proxy) = harmed(Harm::Hang);
    assert!(proxy.asked("GET /event", "/event") > 1, "{}", ran.story());
}

#[test]
#[cfg_attr(not(real_opencode), ignore = "needs opencode; .ci/install-real installs it")]
fn real_opencode_server_loses_nothing_of_a_quiet_turn_by_polling() {
    let clocks = "[round]\nstall = \"3s\"\nfirst_event = \"60s\"\n[retry]\nsame_model = 0";
    let run = |mode| {
        let model = model(|_, _| Turn::Late(Duration::from_secs(10), "late"));
        own(&model, mode, clocks).run(TASK, &KEYS, &[])
    };
    let ran = run("poll");
    assert_eq!(ran.output.status.code(), Some(0), "{}", ran.story());
    assert_eq!(ran.ended()["output"], "late", "{}", ran.story());
    // A stream that says nothing is another matter.
    let ran = run("sse");
    assert_eq!(failures(&ran), ["stall"], "{}", ran.story());
}

/// Interrupts a run as soon as the model is asked.
fn interrupted(stage: Stage, model: &Server) -> (Ran, PathBuf) {
    while_asked(stage, model, |events| {
        let started = events.iter().find(|event| event["kind"] == "run.started").unwrap();
        let pid = nix::unistd::Pid::from_raw(i32::try_from(started["pid"].as_i64().unwrap()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    })
}

/// Does something to a run while the model is asked, given the events so far.
fn while_asked(stage: Stage, model: &Server, act: impl FnOnce(&[Value])) -> (Ran, PathBuf) {
    let work = stage.path("work");
    let asked = model.requests().len();
    let dir = stage.path("run");
    thread::scope(|scope| {
        let running = scope.spawn(|| stage.run(TASK, &KEYS, &[]));
        let begun = Instant::now();
        let events = loop {
            assert!(begun.elapsed() < Duration::from_mins(1), "the model was not asked");
            thread::sleep(Duration::from_millis(50));
            let journal = std::fs::read_to_string(dir.join("journal.jsonl")).unwrap_or_default();
            if model.requests().len() > asked && journal.contains("attempt.accepted") {
                let whole = journal.lines().filter_map(|line| serde_json::from_str(line).ok());
                break whole.collect::<Vec<Value>>();
            }
        };
        thread::sleep(Duration::from_millis(700));
        act(&events);
        (running.join().unwrap(), work)
    })
}

fn hanging() -> Server {
    model(|_, request| {
        if has_tool_result(request) {
            Turn::Say("done")
        } else {
            Turn::Call("bash", json!({ "command": "sleep 611", "description": "sleeps" }))
        }
    })
}

#[test]
#[cfg_attr(not(real_opencode), ignore = "needs opencode; .ci/install-real installs it")]
fn real_opencode_server_is_left_without_a_busy_session_when_the_run_is_interrupted() {
    let model = hanging();
    let serve = Serve::start(&model, &json!({}));
    for mode in ["sse", "poll"] {
        let (ran, work) = interrupted(given(&serve.url, mode, ""), &model);
        let story = ran.story();
        assert_eq!(ran.output.status.code(), Some(130), "{mode}: {story}");
        assert_eq!(serve.statuses(&work), json!({}), "{mode}: {story}");
        assert_eq!(failures(&ran), ["user_abort"], "{mode}: {story}");
        assert!(ran.of("attempt.failed")[0].get("cleanup").is_none(), "{mode}: {story}");
        let session = ran.of("attempt.accepted")[0]["session"].as_str().unwrap();
        let messages = serve.get(&format!("/session/{session}/message?directory={}", work.display()));
        let last = messages.as_array().unwrap().last().unwrap();
        assert_eq!(last["info"]["error"]["name"], "MessageAbortedError", "{messages}");
    }
    assert_eq!(model.requests().len(), 2);
}

#[test]
#[cfg_attr(not(real_opencode), ignore = "needs opencode; .ci/install-real installs it")]
fn real_opencode_server_of_our_own_is_gone_when_the_run_is_interrupted_and_when_it_ends() {
    let model = hanging();
    let (ran, work) = interrupted(own(&model, "poll", ""), &model);
    let story = ran.story();
    assert_eq!(ran.output.status.code(), Some(130), "{story}");
    assert_eq!(ran.of("agent.spawned").len(), 1, "{story}");
    assert_eq!(ran.of("agent.exited")[0]["cause"], "stopped", "{story}");
    let home = work.with_file_name("home");
    assert!(!lives(home.to_str().unwrap()), "a process of the run lives");
    let quick = self::model(|_, _| Turn::Say("hello"));
    let stage = own(&quick, "sse", "");
    let home = stage.path("home");
    let ran = stage.run(TASK, &KEYS, &[]);
    assert_eq!(ran.output.status.code(), Some(0), "{}", ran.story());
    assert!(!lives(home.to_str().unwrap()), "a process of the run lives");
}

#[test]
#[cfg_attr(not(real_opencode), ignore = "needs opencode; .ci/install-real installs it")]
fn real_opencode_server_that_vanishes_in_the_middle_of_a_turn_is_a_fault_and_no_empty_success() {
    let quick = "[retry]\nsame_model = 0\n[round]\ngrace = \"1s\"";
    for mode in ["sse", "poll"] {
        let model = hanging();
        let mut serve = Serve::start(&model, &json!({}));
        let stage = given(&serve.url, mode, quick);
        let (ran, _) = while_asked(stage, &model, |_| serve.child.kill().unwrap());
        let story = ran.story();
        assert_eq!(failures(&ran), ["transport"], "{mode}: {story}");
        assert_eq!(ran.output.status.code(), Some(4), "{mode}: {story}");
        assert!(ran.of("attempt.failed")[0]["cleanup"].as_str().unwrap().contains("ses_"), "{mode}: {story}");
    }
    let model = hanging();
    let (ran, work) = while_asked(own(&model, "poll", quick), &model, |events| {
        let spawned = events.iter().find(|event| event["kind"] == "agent.spawned").unwrap();
        let pid = nix::unistd::Pid::from_raw(i32::try_from(spawned["pid"].as_i64().unwrap()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    });
    let story = ran.story();
    assert_eq!(failures(&ran), ["agent_crash"], "{story}");
    assert_eq!(ran.of("agent.exited")[0]["cause"], "signal", "{story}");
    assert!(!lives(work.with_file_name("home").to_str().unwrap()), "a process of the run lives");
}

/// Two rounds of one server; the second is refused nothing.
fn rounds(lineage: &str) -> (Ran, Vec<Recorded>) {
    let model =
        model(|index, _| if index == 0 { Turn::Say("first answer") } else { Turn::Say("second answer") });
    let check =
        "[check]\ncommand = [\"sh\", \"-c\", \"test -e again || { touch again; echo not yet; exit 1; }\"]";
    let ran = own(&model, "sse", &format!("{check}\n{lineage}")).run(TASK, &KEYS, &[]);
    let story = ran.story();
    assert_eq!(ran.output.status.code(), Some(0), "{story}");
    assert_eq!(ran.of("agent.spawned").len(), 1, "one server for all rounds: {story}");
    assert_eq!(ran.of("attempt.accepted").len(), 2, "{story}");
    assert_eq!(ran.ended()["spend"]["input"], 160, "nothing is counted twice: {story}");
    let requests = model.requests();
    assert_eq!(requests.len(), 2, "{story}");
    (ran, requests)
}

fn sessions(ran: &Ran) -> Vec<String> {
    ran.of("attempt.accepted").iter().map(|event| event["session"].as_str().unwrap().to_owned()).collect()
}

#[test]
#[cfg_attr(not(real_opencode), ignore = "needs opencode; .ci/install-real installs it")]
fn real_opencode_server_continues_a_session_and_forks_one() {
    let knows =
        |request: &Recorded| said(request).contains(&("assistant".to_owned(), "first answer".to_owned()));
    let (ran, requests) = rounds("");
    let fresh = sessions(&ran);
    assert_ne!(fresh[0], fresh[1]);
    assert!(!knows(&requests[1]));

    let (ran, requests) = rounds("[lineage]\nsession = \"continue\"");
    let continued = sessions(&ran);
    assert_eq!(continued[0], continued[1]);
    assert!(knows(&requests[1]), "{:?}", said(&requests[1]));
    assert!(said(&requests[1])[0].1.ends_with(SYSTEM));

    let (ran, requests) = rounds("[lineage]\nsession = \"continue\"\nfork = \"require\"");
    let forked = sessions(&ran);
    assert_ne!(forked[0], forked[1]);
    assert!(knows(&requests[1]), "{:?}", said(&requests[1]));
}

#[test]
#[cfg_attr(not(real_opencode), ignore = "needs opencode; .ci/install-real installs it")]
fn real_opencode_server_shows_its_retries_and_is_not_let_to_make_hopeless_ones() {
    let limited =
        json!({ "message": "Rate limit reached", "type": "rate_limit", "code": "rate_limit_exceeded" });
    for mode in ["sse", "poll"] {
        let error = limited.clone();
        let model = model(move |index, _| match index {
            0 => Turn::Refuse(429, error.clone(), Some("2")),
            _ => Turn::Say("hello"),
        });
        let ran = own(&model, mode, "").run(TASK, &KEYS, &[]);
        let story = ran.story();
        assert_eq!(ran.output.status.code(), Some(0), "{mode}: {story}");
        let retrying = ran.of("attempt.retrying");
        assert_eq!(retrying.len(), 1, "{mode}: {story}");
        assert_eq!(
            (&retrying[0]["attempt"], &retrying[0]["evidence"]),
            (&json!(1), &json!("Rate limit reached"))
        );
        // A wait of two seconds and not a point in time, whatever the machine's load adds.
        assert!(retrying[0]["delay_ms"].as_u64().unwrap() <= 30_000, "{mode}: {story}");
    }
    let spent = json!({ "message": "You exceeded your current quota", "type": "insufficient_quota", "code": "insufficient_quota" });
    let bad = json!({ "message": "Incorrect API key provided", "type": "invalid_request_error", "code": "invalid_api_key" });
    for mode in ["sse", "poll"] {
        for (status, error, class) in [(429, &spent, "quota_exhausted"), (401, &bad, "auth")] {
            let error = error.clone();
            let model = model(move |_, _| Turn::Refuse(status, error.clone(), None));
            let ran = own(&model, mode, "").run(TASK, &KEYS, &[]);
            let story = ran.story();
            assert_eq!(failures(&ran), [class], "{mode}: {story}");
            assert_eq!(ran.output.status.code(), Some(4), "{mode}: {story}");
            assert!(model.requests().len() <= 2, "{} requests: {story}", model.requests().len());
        }
    }
}

#[test]
#[cfg_attr(not(real_opencode), ignore = "needs opencode; .ci/install-real installs it")]
fn real_opencode_server_is_stopped_when_it_asks_a_cut_model_again_and_again() {
    let model = model(|_, _| Turn::Cut);
    let ran = own(&model, "sse", "[retry]\nsame_model = 0").run(TASK, &KEYS, &[]);
    let story = ran.story();
    assert_eq!(failures(&ran), ["transport"], "{story}");
    assert!(model.requests().len() <= 6, "{} requests: {story}", model.requests().len());
}

#[test]
#[cfg_attr(not(real_opencode), ignore = "needs opencode; .ci/install-real installs it")]
fn real_opencode_server_that_asks_for_permission_is_answered_as_the_profile_says() {
    for mode in ["sse", "poll"] {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("answer.txt");
        let model = writer(file.clone());
        let serve = Serve::start(&model, &json!({ "permission": { "edit": "ask" } }));
        let added = format!("[workspace]\ndir = \"{}\"", place.path().display());
        let ran = given(&serve.url, mode, &format!("# ask\n{added}")).run(TASK, &KEYS, &[]);
        let story = ran.story();
        assert_eq!(failures(&ran), ["tool_error"], "{mode}: {story}");
        assert_eq!(ran.of("alert.raised")[0]["alert"], "refused-edit", "{mode}: {story}");
        assert!(!file.exists(), "{mode}: {story}");
        assert_eq!(serve.statuses(place.path()), json!({}), "{mode}: {story}");

        let ran = given(&serve.url, mode, &added).run(TASK, &KEYS, &[]);
        assert_eq!(ran.output.status.code(), Some(0), "{mode}: {}", ran.story());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "right\n", "{mode}");
    }
}

#[test]
#[cfg_attr(not(real_opencode), ignore = "needs opencode; .ci/install-real installs it")]
fn real_opencode_server_does_not_know_a_model_and_is_not_asked() {
    let model = model(|_, _| Turn::Say("hello"));
    let serve = Serve::start(&model, &json!({}));
    let ran = given(&serve.url, "poll", "").run(TASK, &KEYS, &["--set", "agent.model=\"p/nope\""]);
    assert_eq!(ran.output.status.code(), Some(4), "{}", ran.story());
    assert_eq!(failures(&ran), ["model_not_found"], "{}", ran.story());
    assert!(model.requests().is_empty());
}

/// One attempt of the harness itself at a server that is there already.
fn attempt(
    serve: &Serve,
    session: SessionPlan,
    ordered: Option<Stop>,
) -> (Result<Answer, Failure>, Vec<String>) {
    let stage = given(&serve.url, "poll", "");
    let work = stage.path("work");
    let source = Source { path: &stage.path("provost.toml"), sets: &[], cwd: &work };
    let profile = provost::profile::load(source).unwrap().profile;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let secrets = Arc::new(provost::file::Secrets::default());
        let harness = OpencodeServer::given(&profile, Some(PASSWORD.to_owned()), &work, secrets).unwrap();
        let (link, mut ear, stop) = Link::new();
        let _ = stop.send(ordered);
        let request = Request {
            node: NodeId::root(),
            round: RoundNumber(1),
            attempt: AttemptNumber(1),
            system: None,
            user: TASK.to_owned(),
            session,
            workspace: work,
            transcript: stage.path("rounds/root-1.log"),
            directory: stage.path("run"),
            images: Vec::new(),
            replay: Vec::new(),
        };
        let mut doing = harness.attempt(request, link);
        let mut reports = Vec::new();
        let result = loop {
            tokio::select! {
                biased;
                Some(message) = ear.recv() => {
                    reports.push(format!("{:?}", message.report));
                    let _ = message.recorded.map(|recorded| recorded.send(()));
                }
                result = &mut doing => break result,
            }
        };
        while let Ok(message) = ear.try_recv() {
            reports.push(format!("{:?}", message.report));
        }
        (result, reports)
    })
}

#[test]
#[cfg_attr(not(real_opencode), ignore = "needs opencode; .ci/install-real installs it")]
fn real_opencode_server_is_sent_no_prompt_for_a_session_that_it_does_not_know_nor_after_an_order_to_stop() {
    let model = model(|_, _| Turn::Say("hello"));
    let serve = Serve::start(&model, &json!({}));
    let dead = SessionId::new("ses_0123456789abcdef");
    let new = SessionId::new("mine");
    for plan in
        [SessionPlan::Continue(dead.clone()), SessionPlan::Fork { parent: dead.clone(), id: new.clone() }]
    {
        let (result, reports) = attempt(&serve, plan, None);
        let failure = result.unwrap_err();
        assert_eq!(failure.class, FaultClass::RequestInvalid, "{failure:?}");
        assert!(failure.evidence.contains(dead.as_str()), "{failure:?}");
        assert_eq!(reports, Vec::<String>::new(), "nothing was sent, and nothing is on record as sent");
    }
    let (result, reports) = attempt(&serve, SessionPlan::Fresh(new.clone()), Some(Stop::Gracefully));
    assert_eq!(result.unwrap_err().class, FaultClass::UserAbort);
    assert!(reports.is_empty(), "{reports:?}");
    assert!(model.requests().is_empty());
    // The same one goes through when nothing is in its way.
    let (result, reports) = attempt(&serve, SessionPlan::Fresh(new), None);
    assert_eq!(result.unwrap().text, "hello");
    assert_eq!(reports.iter().filter(|report| report.starts_with("Usage")).count(), 1, "{reports:?}");
}
