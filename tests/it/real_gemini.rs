//! The real Gemini CLI against a server on this machine that plays the model.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::gemini::{self, Turn, USAGE};
use crate::support::http::{Recorded, Response, Server, Step};
use crate::support::run::{Ran, Stage, needed};
use crate::support::sandbox::lives;

const KEY: &str = "dummy-key-of-no-account-5e07";
const SYSTEM: &str = "You are watched by Provost: «weigh each word».";
const TASK: &str = "-- Write the word into answer.txt.\n\n\n  Keep «these» bytes: \"a\\b\" \u{1F980}\n";
const COMPLAINT: &str = "answer.txt does not hold the word that is wanted";

/// A profile for the CLI at the server; `agent` are more keys of its table, `more` is appended.
fn stage(server: &Server, agent: &str, more: &str) -> Stage {
    let program = needed("PROVOST_TEST_GEMINI");
    Stage::new(&format!(
        r#"
schema = 1
name = "real-gemini"
{more}
[agent]
harness = "gemini"
model = "google/gemini-2.5-flash"
endpoint = "here"
command = ["{program}"]
{agent}
# On a failure it writes the whole conversation there, for everybody to read.
env = {{ TMPDIR = "{{home}}" }}
[endpoints.here]
api = "gemini"
base_url = "{url}"
key_env = "PROVOST_TEST_KEY"
[prompt]
system = "{SYSTEM}"
[check]
command = ["sh", "-c", "grep -qx right answer.txt || {{ echo '{COMPLAINT}'; exit 1; }}"]
[budget]
rounds = 3
wall = "90s"
[prices."google/gemini-2.5-flash"]
input = 1.0
output = 10.0
cache_read = 0.1
"#,
        program = program.display(),
        url = server.url(),
    ))
}

/// A model that writes the wrong word first, and the right one once the prompt brings the check's complaint.
fn model(file: String) -> Server {
    Server::answering(move |_, request| {
        if !gemini::asks(request) {
            return Some(Response::json(200, "{}"));
        }
        let write = |text, word| Turn::Call(text, "write_file", json!({"file_path": file, "content": word}));
        let asked_again = request.body.contains(COMPLAINT);
        let turn = match (gemini::returned(request), asked_again) {
            _ if !gemini::offers(request, "write_file") => Turn::Say("Aside"),
            (Some(_), false) => Turn::Say("I wrote a word."),
            (Some(_), true) => Turn::Say("I wrote the right word."),
            (None, true) => write("Then this one.", "right\n"),
            (None, false) => write("A first word.", "wrong\n"),
        };
        Some(gemini::answer(request, &turn))
    })
}

/// Runs the task against that model, which has to know where the workspace is.
fn two_rounds(agent: &str, more: &str) -> (Ran, Vec<Recorded>) {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("answer.txt");
    let server = model(file.to_str().unwrap().to_owned());
    let workspace = format!("{more}\n[workspace]\ndir = \"{}\"\n", place.path().display());
    let stage = stage(&server, agent, &workspace);
    // What the user has set stays in force, and is not written down a second time.
    std::fs::create_dir(stage.path("home/.gemini")).unwrap();
    let settings = r#"{ // mine
        "context": {"fileName": "RULES.md"},
        "mcpServers": {"off": {"command": "none", "env": {"X": "literal-secret-77"}, "disabled": true}},
        "mcp": {"excluded": ["off"]}
    }"#;
    std::fs::write(stage.path("home/.gemini/settings.json"), settings).unwrap();
    std::fs::write(stage.path("home/.gemini/RULES.md"), "My rule of every project.\n").unwrap();
    let ran = stage.run(TASK, &[("PROVOST_TEST_KEY", KEY)], &["--"]);
    let story = ran.story();
    ran.was_delivered_in_the_second_round();
    assert_eq!(std::fs::read_to_string(file).unwrap(), "right\n", "{story}");
    assert!(!ran.holds(KEY), "the key is on record");
    assert!(!ran.holds("literal-secret-77"), "a secret of the user's settings is on record");
    let requests = server.requests();
    let asked: Vec<Recorded> = requests
        .into_iter()
        .filter(|request| gemini::asks(request) && gemini::offers(request, "write_file"))
        .collect();
    for request in &asked {
        assert_eq!(gemini::path(request), "/v1beta/models/gemini-2.5-flash:streamGenerateContent");
        assert_eq!(request.header("x-goog-api-key"), Some(KEY));
    }
    (ran, asked)
}

/// The requests that begin a round: they bring no tool's result.
fn first(asked: &[Recorded]) -> Vec<&Recorded> {
    asked.iter().filter(|request| gemini::returned(request).is_none()).collect()
}

#[test]
#[cfg_attr(not(real_gemini), ignore = "needs Gemini CLI; .ci/install-real installs it")]
fn real_gemini_delivers_in_the_second_round_what_the_check_refused_in_the_first() {
    let (ran, asked) = two_rounds("permissions = \"bypass\"", "");
    let story = ran.story();

    // What is kept as a prompt is what went over the wire.
    let (user, system) = (ran.prompts("user"), ran.prompts("system"));
    let begun = first(&asked);
    assert_eq!((user.len(), system.len(), begun.len()), (2, 2, 2), "{story}");
    for (round, request) in begun.iter().enumerate() {
        assert!(gemini::texts(request).contains(&user[round]), "{:?}", gemini::texts(request));
        assert_eq!(system[round], SYSTEM);
        let received = gemini::system(request);
        assert!(received.contains(SYSTEM) && received.contains("My rule of every project."), "{received}");
    }
    assert!(!user[0].contains(COMPLAINT) && user[1].contains(COMPLAINT), "{user:?}");
    assert!(user.iter().all(|text| text.contains(TASK.trim_end())), "{user:?}");

    // Each round is a conversation of its own, under the name that was chosen for it.
    let chosen = ran.sessions("attempt.started");
    assert_eq!(chosen.len(), 2, "{story}");
    assert_ne!(chosen[0], chosen[1]);
    assert_eq!(chosen, ran.sessions("attempt.accepted"), "{story}");
    assert!(!begun[1].body.contains("A first word."), "{story}");

    let calls: Vec<(&str, bool)> = ran
        .of("tool.called")
        .iter()
        .zip(ran.of("tool.returned"))
        .map(|(called, returned)| {
            assert_eq!(called["id"], returned["id"], "{story}");
            (called["name"].as_str().unwrap(), returned["ok"] == true)
        })
        .collect();
    assert_eq!(calls, [("write_file", true), ("write_file", true)], "{story}");
    assert_eq!(ran.of("turn.ended").len(), 4, "{story}");

    // Thoughts are paid for, and what was cached is not fresh.
    let requests = asked.len() as u64;
    assert_eq!(requests, 4, "{story}");
    let (input, cached, words, thoughts) = USAGE;
    let spend = &ran.ended()["spend"];
    assert_eq!(spend["input"], requests * input, "{story}");
    assert_eq!(spend["output"], requests * (words + thoughts), "{story}");
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let dollars = 4e-6 * (input as f64 + 0.1 * cached as f64 + 10.0 * (words + thoughts) as f64);
    assert!((spend["usd"].as_f64().unwrap() - dollars).abs() < 1e-9, "{story}");
    assert!(ran.of("usage.reported").iter().all(|usage| usage["source"] == "priced"), "{story}");

    // The raw transcript is JSON lines with the whole conversation.
    for round in ["rounds/root-1.log", "rounds/root-2.log"] {
        let log = std::fs::read_to_string(ran.dir.join(round)).unwrap();
        let lines: Vec<Value> =
            log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
        assert_eq!(lines.iter().filter(|line| line["type"] == "result").count(), 1, "{log}");
    }
}

#[test]
#[cfg_attr(not(real_gemini), ignore = "needs Gemini CLI; .ci/install-real installs it")]
fn real_gemini_resumes_the_session_where_the_profile_says_continue() {
    // Edits are all that it is asked for, and all that it may do.
    let (ran, asked) = two_rounds("permissions = \"accept-edits\"", "[lineage]\nsession = \"continue\"\n");
    let story = ran.story();
    let accepted = ran.sessions("attempt.accepted");
    assert_eq!(accepted.len(), 2, "{story}");
    assert_eq!(accepted[0], accepted[1], "{story}");
    // The second round's first request brings the first round's conversation along.
    let begun = first(&asked);
    assert_eq!(begun.len(), 2, "{story}");
    assert!(begun[1].body.contains("A first word.") && begun[1].body.contains("I wrote a word."), "{story}");
    assert!(asked.iter().all(|request| !gemini::offers(request, "run_shell_command")), "{story}");
    // Figures are those of one call, not of the session.
    assert_eq!(ran.ended()["spend"]["input"], asked.len() as u64 * USAGE.0, "{story}");
}

#[test]
#[cfg_attr(not(real_gemini), ignore = "needs Gemini CLI; .ci/install-real installs it")]
fn real_gemini_that_may_only_read_is_offered_no_shell_and_writes_nothing() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("other.txt").to_str().unwrap().to_owned();
    let server = Server::answering(move |_, request| {
        let turn = match gemini::returned(request) {
            Some(_) => Turn::Say("It was refused."),
            None => Turn::Call("I try.", "write_file", json!({"file_path": file, "content": "no"})),
        };
        Some(gemini::answer(request, &turn))
    });
    let workspace = format!("[workspace]\ndir = \"{}\"\n", place.path().display());
    let stage = stage(&server, "permissions = \"read-only\"\nprompt_via = \"argv\"", &workspace);
    std::fs::write(place.path().join("answer.txt"), "right\n").unwrap();
    let ran = stage.run(TASK, &[("PROVOST_TEST_KEY", KEY)], &["--"]);
    assert_eq!(ran.output.status.code(), Some(0), "{}", ran.story());
    assert!(!place.path().join("other.txt").exists(), "{}", ran.story());
    assert_eq!(ran.of("tool.returned")[0]["ok"], false, "{}", ran.story());
    let asked = server.requests();
    assert!(asked.iter().any(gemini::asks), "{}", ran.story());
    assert!(asked.iter().all(|request| !gemini::offers(request, "run_shell_command")), "{}", ran.story());
    assert!(gemini::texts(&asked[0]).contains(&ran.prompts("user")[0]), "{:?}", gemini::texts(&asked[0]));
}

#[test]
#[cfg_attr(not(real_gemini), ignore = "needs Gemini CLI; .ci/install-real installs it")]
fn real_gemini_out_of_its_daily_quota_is_asked_once() {
    let details = json!([
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{
            "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
            "quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier", "quotaValue": "250",
        }]},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "27s"},
    ]);
    let words = "You exceeded your current quota, please check your plan and billing details.";
    let server =
        Server::answering(move |_, _| Some(gemini::refusal(429, "RESOURCE_EXHAUSTED", words, &details)));
    let ran = stage(&server, "", "").run(TASK, &[("PROVOST_TEST_KEY", KEY)], &["--"]);
    let story = ran.story();
    assert_eq!(ran.output.status.code(), Some(4), "{story}");
    assert_eq!(ran.classes(), ["quota_exhausted"], "{story}");
    assert_eq!(ran.of("attempt.failed")[0]["scope"], "model", "{story}");
    assert_eq!(server.requests().len(), 1, "{story}");
    // 173 is what the CLI makes of 429, and no signal.
    let exited = ran.of("agent.exited");
    assert_eq!((exited[0]["code"].as_i64(), exited[0]["signal"].as_i64()), (Some(173), None), "{story}");
    assert!(!ran.holds(KEY), "the key is on record");
}

#[test]
#[cfg_attr(not(real_gemini), ignore = "needs Gemini CLI; .ci/install-real installs it")]
fn real_gemini_leaves_the_waiting_to_us() {
    let server = Server::answering(|index, request| {
        let busy = gemini::refusal(503, "UNAVAILABLE", "The model is overloaded.", &json!([]));
        Some(if index == 0 { busy } else { gemini::answer(request, &Turn::Say("Four.")) })
    });
    let stage = stage(&server, "", "");
    std::fs::write(stage.path("work/answer.txt"), "right\n").unwrap();
    let ran = stage.run(TASK, &[("PROVOST_TEST_KEY", KEY)], &["--"]);
    assert_eq!(ran.output.status.code(), Some(0), "{}", ran.story());
    assert_eq!(ran.classes(), ["overloaded"], "{}", ran.story());
    assert_eq!(ran.of("agent.spawned").len(), 2, "{}", ran.story());
}

/// M18: its own retry would print the text of the cut stream before that of the whole one.
#[test]
#[cfg_attr(not(real_gemini), ignore = "needs Gemini CLI; .ci/install-real installs it")]
fn real_gemini_whose_stream_is_cut_has_failed_and_what_it_said_is_no_answer() {
    let server = Server::answering(|index, request| {
        let cut =
            json!({"candidates": [{"content": {"role": "model", "parts": [{"text": "Fo"}]}, "index": 0}]});
        let cut = Response::steps(vec![Step::Send(format!("data: {cut}\n\n"))]);
        Some(if index == 0 { cut } else { gemini::answer(request, &Turn::Say("Four.")) })
    });
    let stage = stage(&server, "", "");
    std::fs::write(stage.path("work/answer.txt"), "wrong\n").unwrap();
    let ran = stage.run(TASK, &[("PROVOST_TEST_KEY", KEY)], &["--set", "budget.rounds=2", "--"]);
    let story = ran.story();
    assert_eq!(ran.classes(), ["transport"], "{story}");
    assert_eq!(ran.of("attempt.failed")[0]["emitted_output"], true, "{story}");
    assert_eq!(server.requests().len(), 2, "{story}");
    assert_eq!(ran.ended()["output"], "Four.", "{story}");
}

#[test]
#[cfg_attr(not(real_gemini), ignore = "needs Gemini CLI; .ci/install-real installs it")]
fn real_gemini_with_a_bad_key_ends_fast_as_unavailable() {
    let details = json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]);
    for (status, word, details) in [(400, "INVALID_ARGUMENT", details), (401, "UNAUTHENTICATED", json!([]))] {
        let words = "API key not valid. Please pass a valid API key.";
        let server = Server::answering(move |_, _| Some(gemini::refusal(status, word, words, &details)));
        let ran = stage(&server, "", "").run(TASK, &[("PROVOST_TEST_KEY", KEY)], &["--"]);
        let story = ran.story();
        assert_eq!(ran.output.status.code(), Some(4), "{story}");
        assert_eq!(ran.classes(), ["auth"], "{story}");
        assert_eq!(server.requests().len(), 1, "{story}");
        assert!(!ran.holds(KEY), "the key is on record");
    }
}

#[test]
#[cfg_attr(not(real_gemini), ignore = "needs Gemini CLI; .ci/install-real installs it")]
fn real_gemini_at_a_silent_server_is_ended_by_our_clock() {
    let server = Server::answering(|_, _| Some(Response::steps(vec![Step::Hang])));
    let more = "[round]\nfirst_event = \"6s\"\ngrace = \"2s\"\n[retry]\nsame_model = 0\n";
    let ran =
        stage(&server, "", more).run(TASK, &[("PROVOST_TEST_KEY", KEY)], &["--set", "budget.rounds=1", "--"]);
    let story = ran.story();
    assert_eq!(ran.classes(), ["first_event_timeout"], "{story}");
    assert!(ran.took < Duration::from_mins(1), "{:?}: {story}", ran.took);
    // Its connection goes with it.
    assert!(server.hung_up(), "{story}");
    assert_eq!(ran.of("agent.exited").len(), 1, "{story}");
    let pid = ran.of("agent.spawned")[0]["pid"].as_u64().unwrap();
    assert!(!lives(u32::try_from(pid).unwrap()), "{story}");
}

/// An MCP server with one tool, `lookup`, behind a token.
fn mcp(request: &Recorded) -> Response {
    if !request.line.starts_with("POST ") {
        return Response::json(405, "{}");
    }
    let asked = request.json();
    let result = match asked["method"].as_str().unwrap_or_default() {
        "initialize" => json!({
            "protocolVersion": asked["params"]["protocolVersion"],
            "capabilities": {"tools": {}}, "serverInfo": {"name": "docs", "version": "1"},
        }),
        "tools/list" => json!({"tools": [{
            "name": "lookup", "description": "Looks a word up.",
            "inputSchema": {"type": "object", "properties": {"word": {"type": "string"}}},
        }]}),
        "tools/call" => json!({"content": [{"type": "text", "text": "It means four."}]}),
        _ if asked.get("id").is_none() => return Response::json(202, ""),
        _ => json!({}),
    };
    Response::json(200, &json!({"jsonrpc": "2.0", "id": asked["id"], "result": result}).to_string())
}

#[test]
#[cfg_attr(not(real_gemini), ignore = "needs Gemini CLI; .ci/install-real installs it")]
fn real_gemini_uses_the_tools_of_an_mcp_server_and_keeps_its_token_off_the_record() {
    const TOKEN: &str = "dummy-token-of-nobody-41aa";
    let server = Server::answering(|_, request| {
        if gemini::path(request) == "/v1/mcp" {
            return Some(mcp(request));
        }
        let turn = match gemini::returned(request) {
            Some(_) => Turn::Say("It means four."),
            None => Turn::Call("I look it up.", "mcp_docs_lookup", json!({"word": "vier"})),
        };
        Some(gemini::answer(request, &turn))
    });
    let more =
        format!("[agent.mcp.docs]\nurl = \"{}/mcp\"\nkey_env = \"PROVOST_TEST_TOKEN\"\n", server.url());
    let stage = stage(&server, "permissions = \"bypass\"", &more);
    std::fs::write(stage.path("work/answer.txt"), "right\n").unwrap();
    let ran = stage.run(TASK, &[("PROVOST_TEST_KEY", KEY), ("PROVOST_TEST_TOKEN", TOKEN)], &["--"]);
    let story = ran.story();
    assert_eq!(ran.output.status.code(), Some(0), "{story}");
    assert_eq!(ran.of("tool.returned").len(), 1, "{story}");
    assert_eq!(ran.of("tool.returned")[0]["ok"], true, "{story}");
    let requests = server.requests();
    let (asked, others): (Vec<_>, Vec<_>) =
        requests.iter().partition(|request| gemini::path(request) == "/v1/mcp");
    let bearer = format!("Bearer {TOKEN}");
    assert!(
        !asked.is_empty() && asked.iter().all(|request| request.header("authorization") == Some(&bearer))
    );
    assert!(others.iter().any(|request| gemini::offers(request, "mcp_docs_lookup")), "{story}");
    assert!(!ran.holds(KEY) && !ran.holds(TOKEN), "a key is on record");
}
