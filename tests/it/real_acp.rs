//! Real agents that speak the Agent Client Protocol, against servers on this machine that play their models.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::http::{Recorded, Response, Server, Step};
use crate::support::run::{Ran, Stage, needed};
use crate::support::sandbox::{lives, of_kind, signal};

const KEY: &str = "dummy-key-of-no-account-77aa";
const TASK: &str = "Write the word.\n\n  Keep «these» bytes: \"a\\b\" \u{1F980}";
const COMPLAINT: &str = "there is no right word yet";

/// What the model does in one turn.
enum Turn {
    Say(&'static str),
    /// Writes a word into a file of the workspace.
    Write(&'static str),
    Refuse(u16),
    Hang,
}

/// A request for a turn.
struct Ask {
    body: String,
    /// Whether it brings the result of a tool.
    returned: bool,
    /// The last text of the user.
    text: String,
}

/// One real agent.
#[derive(Clone, Copy)]
enum Agent {
    Gemini,
    Opencode,
}

use Agent::{Gemini, Opencode};

impl Agent {
    /// Whether a request asks the model for a turn of the work; agents ask also for titles and the like.
    fn asks(self, request: &Recorded) -> bool {
        let path = match self {
            Gemini => ":streamGenerateContent",
            Opencode => "/chat/completions",
        };
        request.line.starts_with("POST ") && request.line.contains(path) && !request.json()["tools"].is_null()
    }

    fn ask(self, request: &Recorded) -> Ask {
        let body = request.json();
        let last = |list: &Value| list.as_array().and_then(|list| list.last()).cloned().unwrap_or_default();
        let (returned, text) = match self {
            Gemini => {
                let parts = last(&body["contents"])["parts"].as_array().cloned().unwrap_or_default();
                let texts: Vec<&str> = parts.iter().filter_map(|part| part["text"].as_str()).collect();
                (parts.iter().any(|part| part["functionResponse"].is_object()), texts.join("\n"))
            }
            Opencode => {
                let message = last(&body["messages"]);
                let text = match &message["content"] {
                    Value::Array(parts) => {
                        parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n")
                    }
                    content => content.as_str().unwrap_or_default().to_owned(),
                };
                (message["role"] == "tool", text)
            }
        };
        Ask { body: request.body.clone(), returned, text }
    }

    fn response(self, turn: &Turn, work: &str) -> Response {
        match (self, turn) {
            (_, Turn::Hang) => Response::steps(vec![Step::Hang]),
            (Gemini, Turn::Refuse(status)) => {
                let error = json!({"error": {"code": status, "message": "API key not valid.", "status": "UNAUTHENTICATED"}});
                Response::json(*status, &error.to_string())
            }
            (Opencode, Turn::Refuse(status)) => {
                let error =
                    json!({"error": {"message": "Incorrect API key provided.", "code": "invalid_api_key"}});
                Response::json(*status, &error.to_string())
            }
            (Gemini, Turn::Say(text)) => gemini(&json!({"text": text})),
            (Gemini, Turn::Write(name)) => gemini(&json!({"functionCall": {
                "name": "write_file", "args": {"file_path": format!("{work}/{name}"), "content": "right\n"}}})),
            (Opencode, Turn::Say(text)) => opencode(&json!({"role": "assistant", "content": text}), "stop"),
            (Opencode, Turn::Write(name)) => {
                let input = json!({"filePath": format!("{work}/{name}"), "content": "right\n"}).to_string();
                let call = json!({"index": 0, "id": format!("call_{name}"), "type": "function",
                    "function": {"name": "write", "arguments": input}});
                opencode(&json!({"role": "assistant", "tool_calls": [call]}), "tool_calls")
            }
        }
    }

    /// A model that does what `turn` says, for an agent that works in `work`.
    fn model(self, work: String, turn: impl Fn(&Ask) -> Turn + Send + Sync + 'static) -> Server {
        Server::answering(move |_, request| {
            let turn = if self.asks(request) { turn(&self.ask(request)) } else { Turn::Say("Aside") };
            Some(self.response(&turn, &work))
        })
    }

    fn stage(self, permissions: &str, more: &str) -> (Stage, tempfile::TempDir) {
        self.stage_with(&format!("permissions = \"{permissions}\""), more)
    }

    /// A profile; `agent` and `more` are more of its keys.
    fn stage_with(self, agent: &str, more: &str) -> (Stage, tempfile::TempDir) {
        let work = tempfile::tempdir().unwrap();
        let program = needed(match self {
            Gemini => "PROVOST_TEST_GEMINI",
            Opencode => "PROVOST_TEST_OPENCODE",
        });
        let args = match self {
            Gemini => "\"--acp\", \"-m\", \"gemini-2.5-flash\"",
            Opencode => "\"acp\"",
        };
        let stage = Stage::new(&format!(
            r#"
schema = 1
name = "real-acp"
{more}
[agent]
harness = "acp"
command = ["{program}", {args}]
{agent}
inherit_env = ["PATH", "HOME", "GEMINI_API_KEY", "MOCK_KEY", "GOOGLE_GEMINI_BASE_URL", "OPENCODE_CONFIG_CONTENT"]
[agent.env]
GEMINI_CLI_NO_RELAUNCH = "true"
GEMINI_CLI_TRUST_WORKSPACE = "true"
OPENCODE_DISABLE_MODELS_FETCH = "1"
OPENCODE_DISABLE_AUTOUPDATE = "1"
OPENCODE_DISABLE_DEFAULT_PLUGINS = "1"
npm_config_offline = "true"
[workspace]
dir = "{work}"
"#,
            program = program.display(),
            work = work.path().display(),
        ));
        let settings = json!({
            "security": {"auth": {"selectedType": "gemini-api-key"}},
            "privacy": {"usageStatisticsEnabled": false},
            "telemetry": {"enabled": false},
            "general": {"enableAutoUpdate": false, "maxAttempts": 1},
        });
        std::fs::create_dir(stage.path("home/.gemini")).unwrap();
        std::fs::write(stage.path("home/.gemini/settings.json"), settings.to_string()).unwrap();
        (stage, work)
    }

    /// The variables that take the agent to the server.
    fn environment(self, server: &Server) -> Vec<(&'static str, String)> {
        match self {
            Gemini => {
                let base = server.url();
                let base = base.strip_suffix("/v1").unwrap();
                vec![("GEMINI_API_KEY", KEY.to_owned()), ("GOOGLE_GEMINI_BASE_URL", base.to_owned())]
            }
            Opencode => {
                let model = |name| json!({"name": name, "limit": {"context": 128_000, "output": 8192}});
                let config = json!({
                    "provider": {"p": {
                        "npm": "@ai-sdk/openai-compatible",
                        "options": {"baseURL": server.url(), "apiKey": "{env:MOCK_KEY}"},
                        "models": {"m": model("m"), "n": model("n")},
                    }},
                    "model": "p/m", "small_model": "p/m", "autoupdate": false, "share": "disabled",
                    // Else it asks nobody.
                    "permission": {"edit": "ask"},
                });
                vec![("MOCK_KEY", KEY.to_owned()), ("OPENCODE_CONFIG_CONTENT", config.to_string())]
            }
        }
    }

    /// Does the task.
    fn run(self, stage: Stage, server: &Server) -> Ran {
        let environment = self.environment(server);
        let environment: Vec<(&str, &str)> =
            environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        stage.run(TASK, &environment, &[])
    }
}

/// What each turn is said to have consumed.
const USAGE: (u64, u64) = (100, 20);

fn gemini(part: &Value) -> Response {
    let chunk = json!({
        "candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": USAGE.0, "candidatesTokenCount": USAGE.1, "totalTokenCount": USAGE.0 + USAGE.1},
        "modelVersion": "gemini-2.5-flash",
    });
    Response::steps(vec![Step::Send(format!("data: {chunk}\n\n"))])
}

fn opencode(delta: &Value, finish: &str) -> Response {
    let chunk = |choice: Value, usage: Value| {
        json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": choice, "usage": usage})
        .to_string()
    };
    let usage =
        json!({"prompt_tokens": USAGE.0, "completion_tokens": USAGE.1, "total_tokens": USAGE.0 + USAGE.1});
    let said = chunk(json!([{"index": 0, "delta": delta, "finish_reason": null}]), Value::Null);
    let done = chunk(json!([{"index": 0, "delta": {}, "finish_reason": finish}]), usage);
    Response::stream(&[&said, &done])
}

/// Every line that was said to the agent in a round.
fn said(ran: &Ran, round: u32) -> Vec<Value> {
    let text = std::fs::read_to_string(ran.dir.join(format!("rounds/root-{round}.in"))).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn methods(said: &[Value]) -> Vec<&str> {
    said.iter().filter_map(|line| line["method"].as_str()).collect()
}

fn answers(agent: Agent) {
    let (stage, work) = agent.stage("bypass", "");
    let server = agent.model(work.path().display().to_string(), |_| Turn::Say("Forty-two."));
    let ran = agent.run(stage, &server);
    let story = ran.story();
    assert_eq!(ran.output.status.code(), Some(0), "{story}");
    assert_eq!(ran.output.stdout, b"Forty-two.\n", "{story}");
    let accepted = ran.of("attempt.accepted");
    assert!(accepted[0]["session"].is_string() && accepted[0]["agent"].is_string(), "{story}");
    let exited = ran.of("agent.exited");
    assert_eq!((&exited[0]["cause"], &exited[0]["code"]), (&json!("clean"), &json!(0)), "{story}");
    let spend = &ran.ended()["spend"];
    assert_eq!((&spend["input"], &spend["output"]), (&json!(USAGE.0), &json!(USAGE.1)), "{story}");
    assert!(!ran.holds(KEY), "the key is on record");
}

fn takes_the_model(agent: Agent) {
    let (wanted, offered) = match agent {
        Gemini => ("google/gemini-2.5-pro", "gemini-2.5-pro"),
        Opencode => ("p/n", "p/n"),
    };
    let (stage, work) = agent.stage_with(&format!("model = \"{wanted}\""), "");
    let server = agent.model(work.path().display().to_string(), |_| Turn::Say("Forty-two."));
    let ran = agent.run(stage, &server);
    let story = ran.story();
    assert_eq!(ran.output.status.code(), Some(0), "{story}");
    assert_eq!(ran.of("attempt.accepted")[0]["model"], offered, "{story}");
    let requests = server.requests();
    let asked: Vec<&Recorded> = requests.iter().filter(|request| agent.asks(request)).collect();
    let takes = |request: &&Recorded| match agent {
        Gemini => request.line.contains("/models/gemini-2.5-pro:"),
        Opencode => request.json()["model"] == "n",
    };
    assert!(!asked.is_empty() && asked.iter().all(takes), "{story}");
}

/// A first round that is refused, and a second one that goes on with the session.
fn delivers(agent: Agent) {
    // Gemini CLI 0.61.0 names the file of a session after the minute, and loses what is in it when it is to load the
    // session in the minute in which it made it; so that minute is waited out.
    let wait = match agent {
        Gemini => "sleep $((61 - $(date +%-S)));",
        Opencode => "",
    };
    let check = format!(
        "command = [\"sh\", \"-c\", \"grep -qx right two.txt || {{ {wait} echo '{COMPLAINT}'; exit 1; }}\"]"
    );
    let more = format!(
        "[check]\n{check}\n[budget]\nrounds = 3\nwall = \"240s\"\n[lineage]\nsession = \"continue\"\n"
    );
    let (stage, work) = agent.stage("bypass", &more);
    let server = agent.model(work.path().display().to_string(), |ask| match ask.text.contains(COMPLAINT) {
        _ if ask.returned && ask.body.contains("two.txt") => Turn::Say("It is in two."),
        _ if ask.returned => Turn::Say("It is in one."),
        true => Turn::Write("two.txt"),
        false => Turn::Write("one.txt"),
    });
    let ran = agent.run(stage, &server);
    let story = ran.story();
    assert_eq!(ran.output.status.code(), Some(0), "{story}");
    assert_eq!(ran.ended()["outcome"], "delivered", "{story}");
    assert_eq!(ran.ended()["rounds"], 2, "{story}");
    for name in ["one.txt", "two.txt"] {
        assert_eq!(std::fs::read_to_string(work.path().join(name)).unwrap(), "right\n", "{story}");
    }

    // What is kept as a prompt is what went over the wire, and the past went along.
    let asked: Vec<Ask> = server
        .requests()
        .iter()
        .filter(|request| agent.asks(request))
        .map(|request| agent.ask(request))
        .collect();
    let begun: Vec<&Ask> = asked.iter().filter(|ask| !ask.returned).collect();
    let user = ran.prompts("user");
    assert_eq!((user.len(), begun.len()), (2, 2), "{story}");
    for (round, ask) in begun.iter().enumerate() {
        assert!(ask.text.contains(&user[round]), "{:?} not in {:?}", user[round], ask.text);
    }
    assert!(begun[1].body.contains("It is in one.") && begun[1].body.contains("one.txt"), "{story}");

    let sessions: Vec<&Value> =
        ran.of("attempt.accepted").into_iter().map(|event| &event["session"]).collect();
    assert_eq!(sessions.len(), 2, "{story}");
    assert_eq!(sessions[0], sessions[1], "{story}");
    let (called, returned) = (ran.of("tool.called"), ran.of("tool.returned"));
    assert_eq!((called.len(), returned.len()), (2, 2), "what was done before is not told again: {story}");
    for (called, returned) in called.iter().zip(returned) {
        assert_eq!(called["id"], returned["id"], "{story}");
        assert_eq!(returned["ok"], true, "{story}");
    }
    assert_eq!(ran.output.stdout, b"It is in two.\n", "{story}");
    for (round, open) in [(1, "session/new"), (2, "")] {
        let said = said(&ran, round);
        let methods = methods(&said);
        assert_eq!((methods[0], *methods.last().unwrap()), ("initialize", "session/prompt"));
        assert!(open.is_empty() || methods[1] == open, "{methods:?}");
        // Each was asked for a permission, and gave it for once.
        let granted = said.iter().filter(|line| line["result"]["outcome"]["outcome"] == "selected").count();
        assert_eq!(granted, 1, "{said:?}");
    }
    assert!(ran.of("alert.raised").is_empty(), "{story}");
    let known = ran.of("usage.reported");
    match agent {
        Gemini => {
            assert_eq!(known.len(), 2, "{story}");
            assert_eq!(ran.ended()["spend"]["input"], asked.len() as u64 * USAGE.0, "{story}");
        }
        // It counts one of several inferences.
        Opencode => assert!(known.is_empty(), "{story}"),
    }
    assert!(!ran.holds(KEY), "the key is on record");
}

fn may_only_read(agent: Agent) {
    let (stage, work) = agent.stage("read-only", "");
    let server = agent.model(work.path().display().to_string(), |ask| {
        if ask.returned { Turn::Say("I may not.") } else { Turn::Write("one.txt") }
    });
    let ran = agent.run(stage, &server);
    let story = ran.story();
    assert!(!work.path().join("one.txt").exists(), "{story}");
    let said = said(&ran, 1);
    let set = said.iter().any(|line| line["params"]["modeId"] == "plan" || line["params"]["value"] == "plan");
    assert!(set, "{said:?}");
    assert!(ran.of("tool.returned").iter().all(|returned| returned["ok"] == false), "{story}");
}

fn is_refused(agent: Agent) {
    let (stage, work) = agent.stage("bypass", "");
    let server = agent.model(work.path().display().to_string(), |_| Turn::Refuse(401));
    let ran = agent.run(stage, &server);
    let story = ran.story();
    assert_eq!(ran.output.status.code(), Some(4), "{story}");
    let failed = ran.of("attempt.failed");
    assert!(!failed.is_empty() && failed.iter().all(|failure| failure["class"] == "auth"), "{story}");
    assert!(server.requests().len() < 10, "{story}");
    assert!(!ran.holds(KEY), "the key is on record");
}

fn hears_nothing(agent: Agent) {
    let (stage, work) = agent.stage("bypass", "[round]\nfirst_event = \"30s\"\n[retry]\nsame_model = 0\n");
    let server = agent.model(work.path().display().to_string(), |_| Turn::Hang);
    let ran = agent.run(stage, &server);
    let story = ran.story();
    let failed = ran.of("attempt.failed");
    assert_eq!(failed.len(), 1, "{story}");
    assert_eq!(failed[0]["class"], "first_event_timeout", "{story}");
    assert!(server.requests().iter().any(|request| agent.asks(request)), "{story}");
    assert_eq!(methods(&said(&ran, 1)).last(), Some(&"session/cancel"), "{story}");
    for spawned in ran.of("agent.spawned") {
        assert!(!lives(u32::try_from(spawned["pid"].as_u64().unwrap()).unwrap()), "{story}");
    }
}

fn start(agent: Agent, stage: &Stage, server: &Server) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_provost"));
    command
        .args(["run", "--profile"])
        .arg(stage.path("provost.toml"))
        .arg("--out")
        .arg(stage.path("run"))
        .arg(TASK)
        .current_dir(stage.path("work"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", stage.path("home"))
        .envs(agent.environment(server))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().unwrap()
}

fn is_interrupted(agent: Agent) {
    let (stage, work) = agent.stage("bypass", "");
    let server = agent.model(work.path().display().to_string(), |_| Turn::Hang);
    let mut provost = start(agent, &stage, &server);
    let patience = Instant::now() + Duration::from_secs(90);
    while !server.requests().iter().any(|request| agent.asks(request)) {
        assert!(Instant::now() < patience && provost.try_wait().unwrap().is_none(), "it never asked");
        std::thread::sleep(Duration::from_millis(20));
    }
    signal(provost.id(), "INT");
    let status = provost.wait().unwrap();
    assert!(status.code() == Some(130) || status.signal() == Some(2), "{status:?}");
    let journal = std::fs::read_to_string(stage.path("run/journal.jsonl")).unwrap();
    let events: Vec<Value> =
        journal.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
    let failed = of_kind(&events, "attempt.failed");
    assert!(failed.iter().all(|failure| failure["class"] == "user_abort"), "{journal}");
    let spawned = of_kind(&events, "agent.spawned");
    assert_eq!(spawned.len(), 1, "{journal}");
    assert!(!lives(u32::try_from(spawned[0]["pid"].as_u64().unwrap()).unwrap()), "{journal}");
    let said = std::fs::read_to_string(stage.path("run/rounds/root-1.in")).unwrap();
    assert!(said.lines().last().unwrap().contains("session/cancel"), "{said}");
    let heard = std::fs::read_to_string(stage.path("run/rounds/root-1.log")).unwrap();
    assert!(heard.contains("\"cancelled\""), "it said that it left its work: {heard}");
}

macro_rules! real {
    ($($test:ident)*) => {
        mod gemini_cli {
            $(#[test]
            #[cfg_attr(not(real_gemini), ignore = "needs Gemini CLI; .ci/install-real installs it")]
            fn $test() {
                super::$test(super::Gemini);
            })*
        }
        mod opencode_cli {
            $(#[test]
            #[cfg_attr(not(real_opencode), ignore = "needs opencode; .ci/install-real installs it")]
            fn $test() {
                super::$test(super::Opencode);
            })*
        }
    };
}

real! { answers takes_the_model delivers may_only_read is_refused hears_nothing is_interrupted }
