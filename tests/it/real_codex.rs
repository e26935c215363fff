//! The real Codex CLI against a server on this machine that plays the model.
#![allow(clippy::disallowed_methods, clippy::allow_attributes, reason = "a test stands outside of the house")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::http::{Recorded, Response, Server, Step};
use crate::support::responses::{self, Turn, USAGE};
use crate::support::run::{Ran, Stage, needed};
use crate::support::sandbox::{lives, signal, wait_for};

const KEY: &str = "dummy-key-of-no-account-2d7e";
const SYSTEM: &str = "You are watched by Provost: «weigh each word», \\\"quoted\\\" \\\\ and = # {all}.";
const TASK: &str = "Write the word into answer.txt.\n\n  Keep «these» bytes: \"a\\b\" \u{1F980}";
const COMPLAINT: &str = "answer.txt does not hold the word that is wanted";

/// A profile for the CLI at the server; `agent` are more keys of its table, `more` is what comes before it.
fn stage(server: &Server, agent: &str, more: &str) -> Stage {
    let codex = needed("PROVOST_TEST_CODEX");
    let stage = Stage::new(&format!(
        r#"
schema = 1
name = "real-codex"
{more}
[agent]
harness = "codex"
model = "openai/gpt-5-codex"
endpoint = "here"
command = ["{codex}"]
{agent}
[agent.env]
CODEX_HOME = "{{home}}/codex"
[endpoints.here]
api = "openai-responses"
base_url = "{url}"
key_env = "PROVOST_TEST_KEY"
[prompt]
system = "{SYSTEM}"
[check]
command = ["sh", "-c", "grep -qx right answer.txt || {{ echo '{COMPLAINT}'; exit 1; }}"]
"#,
        codex = codex.display(),
        url = server.url(),
    ));
    std::fs::create_dir(stage.path("home/codex")).unwrap();
    stage
}

const BYPASS: &str = "permissions = \"bypass\"";
const BUDGET: &str = "[budget]\nrounds = 3\nwall = \"90s\"\n";

fn variables() -> [(&'static str, &'static str); 1] {
    [("PROVOST_TEST_KEY", KEY)]
}

/// A server where only turns are answered, by what a function says.
fn turns(answer: impl Fn(&Recorded) -> Response + Send + Sync + 'static) -> Server {
    Server::answering(move |_, request| {
        Some(if responses::asks(request) { answer(request) } else { responses::aside() })
    })
}

/// The requests for a turn.
fn asked(server: &Server) -> Vec<Recorded> {
    server.requests().into_iter().filter(responses::asks).collect()
}

/// The requests that begin a round: they bring no tool's result.
fn first(asked: &[Recorded]) -> Vec<&Recorded> {
    asked.iter().filter(|request| responses::returned(request).is_none()).collect()
}

/// Runs the task against a model that writes the wrong word first, and the right one once the prompt brings the check's
/// complaint.
fn two_rounds(more: &str) -> (Ran, Vec<Recorded>) {
    let server = turns(|request| {
        let write =
            |id, word| Turn::Call(id, "exec_command", json!({"cmd": format!("echo {word} > answer.txt")}));
        responses::answer(&match responses::returned(request) {
            Some((id, _)) if id == "call_r1" => Turn::Say("I wrote a word."),
            Some(_) => Turn::Say("I wrote the right word."),
            None if responses::texts(request).iter().any(|text| text.contains(COMPLAINT)) => {
                write("call_r2", "right")
            }
            None => write("call_r1", "wrong"),
        })
    });
    let ran = stage(&server, BYPASS, &format!("{BUDGET}{more}")).run(TASK, &variables(), &[]);
    let story = ran.story();
    ran.was_delivered_in_the_second_round();
    assert_eq!(ran.ended()["output"], "I wrote the right word.", "{story}");
    assert!(!ran.holds(KEY), "the key is on record");
    let asked = asked(&server);
    assert_eq!(asked.len(), 4, "{story}");
    for request in &asked {
        assert_eq!(responses::path(request), "/v1/responses");
        assert_eq!(request.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
        assert_eq!(request.json()["model"], "gpt-5-codex");
    }
    // What it sums up over a conversation, and over the one that it was forked from, is counted once.
    let spend = &ran.ended()["spend"];
    assert_eq!(spend["input"], 4 * (USAGE.input - USAGE.cached), "{story}");
    assert_eq!(spend["cache_read"], 4 * USAGE.cached, "{story}");
    assert_eq!(spend["output"], 4 * USAGE.output, "{story}");
    assert_eq!(spend["tokens_known"], true, "{story}");
    (ran, asked)
}

#[test]
#[cfg_attr(not(real_codex), ignore = "needs the Codex CLI; .ci/install-real installs it")]
fn real_codex_delivers_in_the_second_round_what_the_check_refused_in_the_first() {
    let (ran, asked) = two_rounds("");
    let story = ran.story();

    // What is kept as a prompt is what went over the wire.
    let (user, system) = (ran.prompts("user"), ran.prompts("system"));
    let begun = first(&asked);
    assert_eq!((user.len(), system.len(), begun.len()), (2, 2, 2), "{story}");
    for (round, request) in begun.iter().enumerate() {
        let texts = responses::texts(request);
        assert!(texts.contains(&user[round]), "{:?} not in {texts:?}", user[round]);
        assert!(system[round].contains("\"quoted\" \\ and"), "{}", system[round]);
        let sent = responses::system(request);
        assert!(sent.contains(&system[round]), "{:?} not in {sent}", system[round]);
    }
    assert!(!user[0].contains(COMPLAINT) && user[1].contains(COMPLAINT), "{user:?}");
    assert!(user.iter().all(|text| text.contains(TASK)), "{user:?}");

    // Each round is a conversation of its own.
    let sessions = ran.sessions("attempt.accepted");
    assert_ne!(sessions[0], sessions[1]);
    assert!(!begun[1].body.contains("call_r1"));

    let (called, returned) = (ran.of("tool.called"), ran.of("tool.returned"));
    assert_eq!((called.len(), returned.len()), (2, 2), "{story}");
    for (called, returned) in called.iter().zip(returned) {
        assert_eq!(called["id"], returned["id"], "{story}");
        assert_eq!(
            (&called["name"], &returned["ok"]),
            (&json!("command_execution"), &json!(true)),
            "{story}"
        );
    }
    // Nobody says what it costs.
    assert_eq!(ran.ended()["spend"]["usd_known"], false, "{story}");
    for round in ["rounds/root-1.log", "rounds/root-2.log"] {
        let log = std::fs::read_to_string(ran.dir.join(round)).unwrap();
        let lines: Vec<Value> =
            log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
        assert_eq!(lines[0]["type"], "thread.started", "{log}");
        assert_eq!(lines.iter().filter(|line| line["type"] == "turn.completed").count(), 1, "{log}");
    }
}

#[test]
#[cfg_attr(not(real_codex), ignore = "needs the Codex CLI; .ci/install-real installs it")]
fn real_codex_resumes_the_session_where_the_profile_says_continue() {
    let prices = "[lineage]\nsession = \"continue\"\n[prices.\"openai/gpt-5-codex\"]\ninput = 1000.0\noutput = 10000.0\ncache_read = 100.0\n";
    let (ran, asked) = two_rounds(prices);
    let story = ran.story();
    let sessions = ran.sessions("attempt.accepted");
    assert_eq!(sessions[0], sessions[1], "{story}");
    // The second round's first request brings the first round's conversation along, and the system prompt once.
    let begun = first(&asked);
    assert!(begun[1].body.contains("call_r1") && begun[1].body.contains("I wrote a word."), "{story}");
    assert_eq!(responses::system(begun[1]).matches("You are watched by Provost").count(), 1);
    let reported = ran.of("usage.reported");
    assert_eq!(reported.len(), 2, "{story}");
    for usage in reported {
        // Two requests: 140 fresh tokens, 60 from a cache, 40 out.
        assert!((usage["usd"].as_f64().unwrap() - (0.14 + 0.006 + 0.4)).abs() < 1e-9, "{usage}");
        assert_eq!(
            (&usage["source"], &usage["model"]),
            (&json!("priced"), &json!("openai/gpt-5-codex")),
            "{usage}"
        );
    }
    assert_eq!(ran.ended()["spend"]["usd_known"], true, "{story}");
}

#[test]
#[cfg_attr(not(real_codex), ignore = "needs the Codex CLI; .ci/install-real installs it")]
fn real_codex_forks_the_session_where_the_profile_requires_it() {
    let (ran, asked) = two_rounds("[lineage]\nsession = \"continue\"\nfork = \"require\"\n");
    let sessions = ran.sessions("attempt.accepted");
    assert_ne!(sessions[0], sessions[1], "{}", ran.story());
    let begun = first(&asked);
    assert!(
        begun[1].body.contains("call_r1") && begun[1].body.contains("I wrote a word."),
        "{}",
        ran.story()
    );
}

/// An MCP server that notes what it is told, and says which variables it has got.
const MCP: &str = r#"
import json, os, sys
for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    result = {}
    if asked["method"] == "initialize":
        result = {"protocolVersion": asked["params"]["protocolVersion"], "capabilities": {"tools": {}},
                  "serverInfo": {"name": "notes", "version": "1"}}
    elif asked["method"] == "tools/list":
        schema = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
        result = {"tools": [{"name": "note", "description": "Notes a text.", "inputSchema": schema}]}
    elif asked["method"] == "tools/call":
        text = asked["params"]["arguments"]["text"]
        open("answer.txt", "w").write(text + "\n")
        seen = [name for name in ("MINE", "AGENTS", "PROVOST_TEST_KEY") if name in os.environ]
        result = {"content": [{"type": "text", "text": "noted by " + " ".join(seen) + "."}]}
    print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}), flush=True)
"#;

#[test]
#[cfg_attr(not(real_codex), ignore = "needs the Codex CLI; .ci/install-real installs it")]
fn real_codex_reaches_a_tool_of_an_mcp_server_that_needs_no_approval() {
    let server = turns(|request| {
        responses::answer(&match responses::returned(request) {
            None => Turn::CallMcp("call_note", "notes", "note", json!({"text": "right"})),
            Some(_) => Turn::Say("It is noted."),
        })
    });
    // The sandbox of `accept-edits` is for commands; what an MCP server does is up to it.
    let agent = "permissions = \"accept-edits\"\n[agent.mcp.notes]\ncommand = [\"python3\", \"{home}/notes.py\"]\nenv = { MINE = \"1\" }";
    let stage = stage(&server, agent, BUDGET);
    std::fs::write(stage.path("home/notes.py"), MCP).unwrap();
    let ran = stage.run(TASK, &variables(), &["--set", "agent.env.AGENTS=yes"]);
    let story = ran.story();
    assert_eq!(ran.output.status.code(), Some(0), "{story}");
    let asked = asked(&server);
    assert_eq!(asked.len(), 2, "{story}");
    let (_, result) = responses::returned(&asked[1]).unwrap();
    // It has the variables of the agent and its own, and not the key.
    assert!(result.contains("noted by MINE AGENTS."), "{result}");
    let called = ran.of("tool.called");
    assert_eq!(called.len(), 1, "{story}");
    assert_eq!(called[0]["name"], "mcp__notes__note", "{story}");
    assert!(called[0]["about"].as_str().unwrap().contains("right"), "{story}");
    assert_eq!(ran.of("tool.returned")[0]["ok"], true, "{story}");
}

/// What an MCP server over HTTP answers.
fn notes(request: &Recorded) -> Response {
    if !request.line.starts_with("POST ") {
        return Response::json(405, "{}");
    }
    let asked = request.json();
    let result = match asked["method"].as_str() {
        Some("initialize") => json!({
            "protocolVersion": asked["params"]["protocolVersion"], "capabilities": {"tools": {}},
            "serverInfo": {"name": "notes", "version": "1"},
        }),
        Some("tools/list") => json!({"tools": [{"name": "note", "inputSchema": {"type": "object"}}]}),
        Some("tools/call") => json!({"content": [{"type": "text", "text": "noted"}]}),
        _ => return Response::json(202, "{}"),
    };
    Response::json(200, &json!({"jsonrpc": "2.0", "id": asked["id"], "result": result}).to_string())
}

#[test]
#[cfg_attr(not(real_codex), ignore = "needs the Codex CLI; .ci/install-real installs it")]
fn real_codex_gives_an_mcp_server_its_token_which_is_nowhere_on_record() {
    const TOKEN: &str = "dummy-token-of-nobody-77be";
    let server = Server::answering(|_, request| {
        if request.line.contains("/mcp ") {
            return Some(notes(request));
        }
        Some(responses::answer(&match responses::returned(request) {
            None => Turn::CallMcp("call_note", "notes", "note", json!({})),
            Some(_) => Turn::Say("It is noted."),
        }))
    });
    let agent =
        format!("{BYPASS}\n[agent.mcp.notes]\nurl = \"{}/mcp\"\nkey_env = \"NOTES_TOKEN\"", server.url());
    let ran = stage(&server, &agent, "[budget]\nrounds = 1\n").run(
        TASK,
        &[("PROVOST_TEST_KEY", KEY), ("NOTES_TOKEN", TOKEN)],
        &[],
    );
    let story = ran.story();
    assert_eq!(ran.of("attempt.finished").len(), 1, "{story}");
    let calls: Vec<Recorded> =
        server.requests().into_iter().filter(|request| request.body.contains("\"tools/call\"")).collect();
    assert_eq!(calls.len(), 1, "{story}");
    assert_eq!(calls[0].header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    assert_eq!(ran.of("tool.returned")[0]["ok"], true, "{story}");
    assert!(!ran.holds(TOKEN) && !ran.holds(KEY), "a secret is on record");
}

#[test]
#[cfg_attr(not(real_codex), ignore = "needs the Codex CLI; .ci/install-real installs it")]
fn real_codex_keeps_the_users_own_provider_where_the_profile_names_no_endpoint() {
    let server = turns(|_| responses::answer(&Turn::Say("Done.")));
    let codex = needed("PROVOST_TEST_CODEX");
    let stage = Stage::new(&format!(
        "schema = 1\nname = \"own\"\n[agent]\nharness = \"codex\"\ncommand = [\"{}\"]\n[agent.env]\nMY_KEY = \"mine\"\n",
        codex.display()
    ));
    // Below the home, where it looks by itself.
    std::fs::create_dir(stage.path("home/.codex")).unwrap();
    let config = format!(
        "model = \"my-model\"\nmodel_provider = \"mine\"\n[model_providers.mine]\nname = \"mine\"\nbase_url = \"{}\"\nenv_key = \"MY_KEY\"\nwire_api = \"responses\"\n",
        server.url()
    );
    std::fs::write(stage.path("home/.codex/config.toml"), config).unwrap();
    let ran = stage.run(TASK, &[], &[]);
    assert_eq!(ran.output.status.code(), Some(0), "{}", ran.story());
    let asked = asked(&server);
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].header("authorization"), Some("Bearer mine"));
    assert_eq!(asked[0].json()["model"], "my-model");
}

#[test]
#[cfg_attr(not(real_codex), ignore = "needs the Codex CLI; .ci/install-real installs it")]
fn real_codex_is_given_the_permissions_and_the_effort_of_the_profile() {
    for (permissions, mode) in [
        ("", "read-only"),
        ("permissions = \"read-only\"", "read-only"),
        ("permissions = \"accept-edits\"", "workspace-write"),
        (BYPASS, "danger-full-access"),
    ] {
        let server = turns(|_| responses::answer(&Turn::Say("Done.")));
        let more = "[model]\nreasoning_effort = \"low\"\n[budget]\nrounds = 1\n";
        let ran =
            stage(&server, permissions, more).run(TASK, &variables(), &["--set", "agent.prompt_via=argv"]);
        assert_eq!(ran.of("attempt.finished").len(), 1, "{}", ran.story());
        let asked = asked(&server);
        assert!(responses::texts(&asked[0]).contains(&ran.prompts("user")[0]), "{}", ran.story());
        let metadata: Value =
            serde_json::from_str(asked[0].header("x-codex-turn-metadata").unwrap()).unwrap();
        assert_eq!(metadata["sandbox_mode"], mode, "{permissions}");
        assert_eq!(asked[0].json()["reasoning"]["effort"], "low", "{permissions}");
    }
}

/// What a fault may cost, in requests, with all retries that the default profile allows.
#[test]
#[cfg_attr(not(real_codex), ignore = "needs the Codex CLI; .ci/install-real installs it")]
fn real_codex_spends_little_on_a_fault() {
    let none = json!({});
    let rows = [
        ("auth", 2, 4, responses::refusal(401, "invalid_request_error", "Incorrect API key provided", &none)),
        ("forbidden", 2, 4, responses::refusal(403, "invalid_request_error", "not for you", &none)),
        ("rate_limited", 6, 4, responses::refusal(429, "rate_limit_exceeded", "slower", &none)),
        ("server_error", 6, 4, responses::refusal(500, "server_error", "oops", &none)),
        (
            "quota_exhausted",
            1,
            4,
            responses::refusal(
                429,
                "insufficient_quota",
                "You exceeded your current quota",
                &json!({"code": "insufficient_quota"}),
            ),
        ),
        (
            "context_overflow",
            1,
            1,
            responses::refusal(
                400,
                "invalid_request_error",
                "too long",
                &json!({"code": "context_length_exceeded"}),
            ),
        ),
        ("request_invalid", 1, 1, responses::refusal(400, "invalid_request_error", "Invalid value", &none)),
    ];
    for (class, most, code, response) in rows {
        let server = turns(move |_| response.clone());
        let ran = stage(&server, BYPASS, "[budget]\nrounds = 1\n").run(TASK, &variables(), &[]);
        let story = ran.story();
        assert_eq!(ran.output.status.code(), Some(code), "{class}: {story}");
        let failed = ran.of("attempt.failed");
        assert!(
            !failed.is_empty() && failed.iter().all(|failure| failure["class"] == class),
            "{class}: {story}"
        );
        let requests = asked(&server).len();
        assert!((1..=most).contains(&requests), "{class}: {requests} requests: {story}");
        assert!(!ran.holds(KEY), "the key is on record");
    }
}

/// M9, with the words of the real program.
#[test]
#[cfg_attr(not(real_codex), ignore = "needs the Codex CLI; .ci/install-real installs it")]
fn real_codex_says_when_a_used_up_plan_resets_and_the_run_knows_it() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    // It says a time of day, or a date with it.
    for resets_at in [now + 3600, now + 40 * 3600] {
        let limit = json!({"plan_type": "pro", "resets_at": resets_at});
        let server = turns(move |_| responses::refusal(429, "usage_limit_reached", "no", &limit));
        let more = "[budget]\nrounds = 1\n";
        let ran =
            stage(&server, BYPASS, more).run(TASK, &[("PROVOST_TEST_KEY", KEY), ("TZ", "Asia/Kolkata")], &[]);
        let story = ran.story();
        assert_eq!(ran.output.status.code(), Some(4), "{story}");
        assert_eq!(ran.of("attempt.failed")[0]["class"], "quota_exhausted", "{story}");
        let said: jiff::Timestamp = ran.ended()["reset_at"].as_str().expect(&story).parse().unwrap();
        let minute = i64::try_from(resets_at - resets_at % 60).unwrap();
        assert_eq!(said.as_second(), minute, "{story}");
        assert_eq!(asked(&server).len(), 1, "{story}");
    }
}

#[test]
#[cfg_attr(not(real_codex), ignore = "needs the Codex CLI; .ci/install-real installs it")]
fn real_codex_at_a_silent_server_is_ended_by_our_clock() {
    let server = turns(|_| Response::steps(vec![Step::Hang]));
    let more = "[round]\nfirst_event = \"8s\"\n[retry]\nsame_model = 0\n[budget]\nrounds = 1\n";
    let ran = stage(&server, BYPASS, more).run(TASK, &variables(), &[]);
    let story = ran.story();
    assert_eq!(ran.of("attempt.failed")[0]["class"], "first_event_timeout", "{story}");
    assert_eq!(asked(&server).len(), 1, "{story}");
    assert!(server.hung_up(), "it still waits");
}

/// It prints nothing while a model thinks; its log has signs of it.
#[test]
#[cfg_attr(not(real_codex), ignore = "needs the Codex CLI; .ci/install-real installs it")]
fn real_codex_with_a_model_that_thinks_for_long_is_not_taken_for_silent() {
    let server = turns(|request| {
        let pause = Step::Wait(Duration::from_secs(12));
        match responses::returned(request) {
            None => {
                let command = "echo right > answer.txt; echo log=$RUST_LOG.; echo 'Error: x' >&2";
                let call = Turn::Call("call_write", "exec_command", json!({"cmd": command}));
                responses::held(&call, pause)
            }
            Some(_) => responses::answer(&Turn::Say("Done.")),
        }
    });
    let more = "[round]\nfirst_event = \"8s\"\n[retry]\nsame_model = 0\n[budget]\nrounds = 1\n";
    let ran = stage(&server, BYPASS, more).run(TASK, &variables(), &[]);
    let story = ran.story();
    assert_eq!(ran.output.status.code(), Some(0), "{story}");
    let (_, result) = responses::returned(&asked(&server)[1]).unwrap();
    assert!(result.contains("log=.") && result.contains("Error: x"), "{result}");
    // What it logs besides complaints is not kept.
    let complaints = std::fs::read_to_string(ran.dir.join("rounds/root-1.err")).unwrap_or_default();
    for noise in ["codex_otel", "sse_event", "Error: x", "conversation.id"] {
        assert!(!complaints.contains(noise), "{complaints}");
    }
}

/// A round may be hours old: one lost connection does not end it.
#[test]
#[cfg_attr(not(real_codex), ignore = "needs the Codex CLI; .ci/install-real installs it")]
fn real_codex_mends_one_fault_in_the_middle_of_a_round_by_itself() {
    let faults: [fn() -> Response; 2] = [
        || responses::refusal(503, "server_error", "busy", &json!({})),
        || responses::held(&Turn::Say("never whole"), Step::Cut),
    ];
    for fault in faults {
        let failed = AtomicBool::new(false);
        let server = turns(move |request| match responses::returned(request) {
            None => {
                let write = json!({"cmd": "echo right > answer.txt"});
                responses::answer(&Turn::Call("call_write", "exec_command", write))
            }
            Some(_) if !failed.swap(true, Ordering::Relaxed) => fault(),
            Some(_) => responses::answer(&Turn::Say("Done.")),
        });
        let ran = stage(&server, BYPASS, "[budget]\nrounds = 1\n").run(TASK, &variables(), &[]);
        let story = ran.story();
        assert_eq!(ran.output.status.code(), Some(0), "{story}");
        assert_eq!(asked(&server).len(), 3, "{story}");
        assert_eq!((ran.of("attempt.started").len(), ran.of("attempt.retrying").len()), (1, 1), "{story}");
        assert_eq!(ran.of("attempt.retrying")[0]["attempt"], 1, "{story}");
    }
}

#[test]
#[cfg_attr(not(real_codex), ignore = "needs the Codex CLI; .ci/install-real installs it")]
fn real_codex_notices_a_stream_that_stalls_as_early_as_we_do() {
    let server = turns(|_| responses::held(&Turn::Say("never whole"), Step::Hang));
    let more =
        "[round]\nfirst_event = \"60s\"\nstall = \"3s\"\n[retry]\nsame_model = 0\n[budget]\nrounds = 1\n";
    let ran = stage(&server, BYPASS, more).run(TASK, &variables(), &[]);
    let story = ran.story();
    assert_eq!(ran.of("attempt.failed")[0]["class"], "stall", "{story}");
    assert!(asked(&server).len() <= 2, "{story}");
    assert!(ran.took < Duration::from_secs(40), "{:?}: {story}", ran.took);
}

#[test]
#[cfg_attr(not(real_codex), ignore = "needs the Codex CLI; .ci/install-real installs it")]
fn real_codex_that_is_interrupted_leaves_nothing_running() {
    for name in ["TERM", "INT"] {
        let server = turns(|request| {
            assert!(responses::returned(request).is_none(), "the tool has ended");
            let command = "sh -c 'echo $$ > tool.pid; exec sleep 600' & wait";
            responses::answer(&Turn::Call(
                "call_sleep",
                "exec_command",
                json!({"cmd": command, "yield_time_ms": 300_000}),
            ))
        });
        let stage = stage(&server, BYPASS, "[budget]\nrounds = 1\n");
        let child = stage.start(TASK, &variables(), &[]);
        let mut tool = None;
        let file = stage.path("work/tool.pid");
        wait_for("the tool", || {
            tool = std::fs::read_to_string(&file).ok().and_then(|pid| pid.trim().parse().ok());
            tool.is_some()
        });
        signal(child.id(), name);
        let ran = stage.end(child);
        let story = ran.story();
        assert_eq!(ran.ended()["outcome"], "interrupted", "{story}");
        let agent = ran.of("agent.spawned")[0]["pid"].as_u64().unwrap();
        for pid in [tool.unwrap(), u32::try_from(agent).unwrap()] {
            assert!(!lives(pid), "{pid} still runs after {name}: {story}");
        }
    }
}
