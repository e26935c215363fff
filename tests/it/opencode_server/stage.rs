//! The model, the server and the proxy that the tests of `opencode-server` stand on.
#![allow(clippy::disallowed_methods, clippy::allow_attributes, reason = "a test stands outside of the house")]

use crate::support::http::{Recorded, Response, Server, Step};
use crate::support::run::{Ran, Stage, needed};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

pub(super) const KEY: &str = "dummy-key-of-no-account-8c1f";
pub(super) const PASSWORD: &str = "open-sesame-31f7";
pub(super) const SYSTEM: &str = "You are watched by Provost: «weigh each word».";
pub(super) const TASK: &str = "Write the word into answer.txt.\n\n  Keep «these» bytes: \"a\\b\" \u{1F980}";
/// What one answer of the model costs: input, of which cached, and output, of which reasoning.
pub(super) const USAGE: (u64, u64, u64, u64) = (100, 20, 7, 3);

/// What the model does.
#[derive(Clone, Debug)]
pub(super) enum Turn {
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

pub(super) fn chunk(delta: &Value, finish: Option<&str>) -> Step {
    let chunk = json!({
        "id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }],
    });
    Step::Send(format!("data: {chunk}\n\n"))
}

pub(super) fn answer(turn: &Turn) -> Response {
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
pub(super) fn model(does: impl Fn(usize, &Recorded) -> Turn + Send + Sync + 'static) -> Server {
    Server::answering(move |index, request| Some(answer(&does(index, request))))
}

/// The messages of a request, as role and text.
pub(super) fn said(request: &Recorded) -> Vec<(String, String)> {
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

pub(super) fn has_tool_result(request: &Recorded) -> bool {
    said(request).last().is_some_and(|(role, _)| role == "tool")
}

/// A model that writes a file and says so.
pub(super) fn writer(file: PathBuf) -> Server {
    model(move |_, request| {
        if has_tool_result(request) {
            Turn::Drip(&["I wrote", " the ", "word."], Duration::from_millis(30))
        } else {
            Turn::Call("write", json!({ "filePath": file, "content": "right\n" }))
        }
    })
}

/// The variables without which opencode talks to hosts outside.
pub(super) const SILENT: [(&str, &str); 4] = [
    ("OPENCODE_DISABLE_MODELS_FETCH", "1"),
    ("OPENCODE_DISABLE_AUTOUPDATE", "1"),
    ("OPENCODE_DISABLE_DEFAULT_PLUGINS", "1"),
    ("npm_config_offline", "true"),
];

/// A profile whose server provost starts.
pub(super) fn own(server: &Server, mode: &str, added: &str) -> Stage {
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
pub(super) fn given(url: &str, mode: &str, added: &str) -> Stage {
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
pub(super) struct Serve {
    pub(super) child: Child,
    pub(super) url: String,
    pub(super) home: tempfile::TempDir,
}

impl Serve {
    pub(super) fn start(model: &Server, extra: &Value) -> Self {
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
        // Left to itself it takes the same port as every other one, and when it is killed another may be there at once.
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let mut child = Command::new(needed("PROVOST_TEST_OPENCODE"))
            .args(["serve", "--hostname", "127.0.0.1", "--port", &port.to_string()])
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
    pub(super) fn get(&self, path: &str) -> Value {
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

    pub(super) fn statuses(&self, stage_work: &std::path::Path) -> Value {
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
pub(super) enum Harm {
    None,
    /// Closes the connection after the model has begun to speak.
    Cut,
    /// Lets nothing through any added, and keeps the connection.
    Hang,
}

/// Stands between provost and a server, and knows what was asked.
pub(super) struct Proxy {
    pub(super) url: String,
    pub(super) lines: Arc<Mutex<Vec<String>>>,
    pub(super) harmed: Arc<AtomicUsize>,
}

impl Proxy {
    pub(super) fn start(to: &str, harm: Harm) -> Self {
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
    pub(super) fn asked(&self, start: &str, end: &str) -> usize {
        let lines = self.lines.lock().unwrap();
        let path = |line: &String| line.split([' ', '?']).nth(1).unwrap_or_default().to_owned();
        lines.iter().filter(|line| line.starts_with(start) && path(line).ends_with(end)).count()
    }
}

/// One connection: requests that way and answers this way, until either side ends.
pub(super) fn carry(
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

pub(super) const KEYS: [(&str, &str); 2] = [("PROVOST_TEST_KEY", KEY), ("PROVOST_TEST_PASSWORD", PASSWORD)];

pub(super) fn usage(ran: &Ran) -> Value {
    let reported = ran.of("usage.reported");
    assert_eq!(reported.len(), 1, "one report of usage: {}", ran.story());
    let keys = ["input", "output", "cache_read", "cache_write", "usd", "source"];
    keys.into_iter()
        .map(|key| (key.to_owned(), reported[0][key].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

pub(super) fn calls(ran: &Ran) -> Vec<(String, bool)> {
    let ends = ran.of("tool.called").into_iter().zip(ran.of("tool.returned"));
    ends.map(|(called, returned)| (called["name"].as_str().unwrap().to_owned(), returned["ok"] == true))
        .collect()
}

/// Whether any process still has this in its command line or its environment.
pub(super) fn lives(mark: &str) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let holds = |name: &str| {
            let bytes = std::fs::read(entry.path().join(name)).unwrap_or_default();
            bytes.windows(mark.len()).any(|window| window == mark.as_bytes())
        };
        entry.file_name().to_string_lossy().parse::<u32>().is_ok_and(|pid| pid != std::process::id())
            && holds("environ")
    })
}
