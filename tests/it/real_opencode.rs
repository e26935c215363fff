//! The real opencode CLI against a server on this machine that plays the model.
#![allow(clippy::disallowed_methods, clippy::allow_attributes, reason = "a test stands outside of the house")]

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::completions::{self, Turn, USAGE};
use crate::support::http::{Recorded, Response, Server, Step};
use crate::support::run::{Ran, Stage, holds, needed};

const KEY: &str = "dummy-key-of-no-account-5e2a";
const SYSTEM: &str = "You are watched by Provost: «weigh each word».";
const TASK: &str = "Write the word into answer.txt.\n\n  Keep «these» bytes: \"a\\b\" \u{1F980}";
const BYPASS: &str = "agent.permissions=\"bypass\"";
const COMPLAINT: &str = "answer.txt does not hold the word that is wanted";

/// A profile for the CLI at the server; `more` is appended.
fn stage(server: &Server, more: &str) -> Stage {
    let opencode = needed("PROVOST_TEST_OPENCODE");
    Stage::new(&format!(
        r#"
schema = 1
name = "real-opencode"
{more}
[agent]
harness = "opencode"
model = "somebody/small-one"
endpoint = "here"
command = ["sh", "-c", 'printf "%s\n" "$@" "$OPENCODE_CONFIG_CONTENT" >> "$HOME/seen"; exec "$0" "$@"', "{opencode}"]
permissions = "bypass"
[agent.env]
OPENCODE_DISABLE_LSP_DOWNLOAD = "1"
npm_config_offline = "true"
[model]
temperature = 0.25
max_output_tokens = 777
[endpoints.here]
api = "openai"
base_url = "{url}"
key_env = "PROVOST_TEST_KEY"
[prices."somebody/small-one"]
input = 1.0
output = 10.0
[prompt]
system = "{SYSTEM}"
[check]
command = ["sh", "-c", "grep -qx right answer.txt || {{ echo '{COMPLAINT}'; exit 1; }}"]
[budget]
rounds = 3
wall = "5m"
"#,
        opencode = opencode.display(),
        url = server.url(),
    ))
}

/// A model that writes the wrong word first, and the right one once the prompt brings the check's complaint.
fn model(file: String) -> Server {
    Server::answering(move |_, request| {
        if !completions::asks(request) {
            return None;
        }
        let write = |id, word| Turn::Call(id, "write", json!({ "filePath": file, "content": word }));
        let turn = match completions::returned(request).as_deref() {
            _ if !completions::offers(request, "write") => Turn::Say("Aside"),
            Some("call_r1_write") => Turn::Say("I wrote a word."),
            // It lets nobody overwrite what the session has not read.
            Some("call_r2_read") => write("call_r2_write", "right\n"),
            Some(_) => Turn::Say("I wrote the right word."),
            None if completions::texts(request).iter().any(|text| text.contains(COMPLAINT)) => {
                Turn::Call("call_r2_read", "read", json!({ "filePath": file }))
            }
            None => write("call_r1_write", "wrong\n"),
        };
        Some(completions::answer(request, &turn))
    })
}

/// Runs the task against that model, which has to know where the workspace is.
fn two_rounds(more: &str) -> (Ran, Vec<Recorded>) {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("answer.txt");
    let server = model(file.to_str().unwrap().to_owned());
    let workspace = format!("{more}\n[workspace]\ndir = \"{}\"\n", place.path().display());
    let ran = stage(&server, &workspace).run(TASK, &[("PROVOST_TEST_KEY", KEY)], &[]);
    let story = ran.story();
    ran.was_delivered_in_the_second_round();
    assert_eq!(std::fs::read_to_string(file).unwrap(), "right\n", "{story}");
    assert!(!ran.holds(KEY), "the key is on record");
    let home = ran.dir.with_file_name("home");
    let seen = std::fs::read_to_string(home.join("seen")).unwrap();
    assert!(seen.contains("{env:PROVOST_TEST_KEY}") && seen.contains("--format\njson\n"), "{seen}");
    assert!(!holds(&home, KEY.as_bytes()), "the key is in a file, or was an argument");
    let asked = server.requests();
    assert_eq!(asked.len(), 5, "only what the task needs is paid: {story}");
    for request in &asked {
        assert!(completions::asks(request) && completions::offers(request, "write"), "{}", request.line);
        assert_eq!(request.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
        let body = request.json();
        assert_eq!((&body["model"], &body["temperature"]), (&json!("small-one"), &json!(0.25)));
        assert_eq!(body["max_tokens"], 777);
    }
    (ran, asked)
}

/// The requests that begin a round: they bring no tool's result.
fn first(asked: &[Recorded]) -> Vec<&Recorded> {
    asked.iter().filter(|request| completions::returned(request).is_none()).collect()
}

/// What still runs of the agents of a run; a pid that is used again belongs to nobody that we started.
fn alive(ran: &Ran) -> Vec<String> {
    let spawned = ran.of("agent.spawned");
    assert!(!spawned.is_empty(), "{}", ran.story());
    let pids: Vec<String> = spawned.iter().map(|event| event["pid"].to_string()).collect();
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| {
            let path = entry.unwrap().path();
            let stat = std::fs::read_to_string(path.join("stat")).ok()?;
            // After the name, which may hold anything: state, parent, group, session.
            let mut words = stat.rsplit_once(')')?.1.split_whitespace();
            let (state, _parent, group) = (words.next()?, words.next()?, words.next()?);
            let ours = pids.iter().any(|pid| pid == group) || of_stage(&path, ran);
            (ours && state != "Z").then_some(stat)
        })
        .collect()
}

/// Whether a process has the stage for its home.
fn of_stage(process: &Path, ran: &Ran) -> bool {
    let home = ran.dir.with_file_name("home");
    let wanted = format!("HOME={}", home.display());
    let environ = std::fs::read(process.join("environ")).unwrap_or_default();
    environ.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
}

#[test]
#[cfg_attr(not(real_opencode), ignore = "needs the opencode CLI; .ci/install-real installs it")]
fn real_opencode_delivers_in_the_second_round_what_the_check_refused_in_the_first() {
    let (ran, asked) = two_rounds("");
    let story = ran.story();

    // What is kept as a prompt is what went over the wire.
    let (user, system) = (ran.prompts("user"), ran.prompts("system"));
    let begun = first(&asked);
    assert_eq!((user.len(), system.len(), begun.len()), (2, 2, 2), "{story}");
    for (round, request) in begun.iter().enumerate() {
        assert_eq!(completions::texts(request), [user[round].as_str()]);
        assert_eq!(system[round], SYSTEM);
        let sent = completions::system(request);
        // Appended to its own, not put in its place.
        assert!(sent.contains(SYSTEM) && sent.len() > 2000, "{sent}");
    }
    assert!(!user[0].contains(COMPLAINT) && user[1].contains(COMPLAINT), "{user:?}");
    assert!(user.iter().all(|text| text.contains(TASK)), "{user:?}");

    // Each round is a conversation of its own.
    let sessions = ran.sessions("attempt.accepted");
    assert_eq!(sessions.len(), 2, "{story}");
    assert_ne!(sessions[0], sessions[1]);
    assert!(!begun[1].body.contains("call_r1_write"));

    let calls: Vec<(&str, bool)> = ran
        .of("tool.called")
        .iter()
        .zip(ran.of("tool.returned"))
        .map(|(called, returned)| {
            assert_eq!(called["id"], returned["id"], "{story}");
            (called["name"].as_str().unwrap(), returned["ok"] == true)
        })
        .collect();
    assert_eq!(calls, [("write", true), ("read", true), ("write", true)], "{story}");

    let turns = ran.of("turn.ended");
    assert_eq!(turns.len(), asked.len(), "{story}");
    assert!(turns.iter().all(|turn| turn["source"] == "priced"), "{story}");
    let spend = &ran.ended()["spend"];
    let requests = asked.len() as u64;
    assert_eq!((&spend["input"], &spend["output"]), (&json!(requests * USAGE.0), &json!(requests * USAGE.1)));
    // A dollar and ten for a million.
    assert!((spend["usd"].as_f64().unwrap() - 0.0015).abs() < 1e-9, "{story}");
    assert_eq!((&spend["usd_known"], &spend["tokens_known"]), (&json!(true), &json!(true)), "{story}");

    for round in ["rounds/root-1.log", "rounds/root-2.log"] {
        let log = std::fs::read_to_string(ran.dir.join(round)).unwrap();
        let lines: Vec<Value> =
            log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
        assert!(lines.iter().any(|line| line["type"] == "step_finish"), "{log}");
    }
    assert_eq!(alive(&ran), [""; 0]);
}

#[test]
#[cfg_attr(not(real_opencode), ignore = "needs the opencode CLI; .ci/install-real installs it")]
fn real_opencode_goes_on_with_the_session_where_the_profile_says_continue() {
    let (ran, asked) = two_rounds("[lineage]\nsession = \"continue\"\n");
    let sessions = ran.sessions("attempt.accepted");
    assert_eq!(sessions.len(), 2, "{}", ran.story());
    assert_eq!(sessions[0], sessions[1], "{}", ran.story());
    // The second round's first request brings the first round's conversation along.
    let begun = first(&asked);
    assert_eq!(begun.len(), 2);
    assert!(!begun[0].body.contains("call_r1_write"));
    assert!(begun[1].body.contains("call_r1_write") && begun[1].body.contains("I wrote a word."));
    assert_eq!(ran.ended()["spend"]["input"], asked.len() as u64 * USAGE.0);
}

#[test]
#[cfg_attr(not(real_opencode), ignore = "needs the opencode CLI; .ci/install-real installs it")]
fn real_opencode_forks_a_session_that_knows_its_parent_and_leaves_it_as_it_was() {
    let (ran, asked) = two_rounds("[lineage]\nsession = \"continue\"\nfork = \"require\"\n");
    let sessions = ran.sessions("attempt.accepted");
    assert_eq!(sessions.len(), 2, "{}", ran.story());
    assert_ne!(sessions[0], sessions[1], "{}", ran.story());
    let begun = first(&asked);
    assert!(begun[1].body.contains("call_r1_write") && begun[1].body.contains("I wrote a word."));
    assert_eq!(ran.ended()["spend"]["input"], asked.len() as u64 * USAGE.0);
}

/// One round with one attempt, and one more setting, against a server that answers every request alike.
fn fault(more: &str, set: &str, answer: fn(&Recorded) -> Response) -> (Ran, Server) {
    let server = Server::answering(move |_, request| completions::asks(request).then(|| answer(request)));
    let more = format!("[retry]\nsame_model = 0\n{more}");
    let flags = ["--set", "budget.rounds=1", "--set", set];
    let ran = stage(&server, &more).run(TASK, &[("PROVOST_TEST_KEY", KEY)], &flags);
    assert!(!ran.holds(KEY), "the key is on record");
    (ran, server)
}

/// M12: left alone it asks eight times a second, for ever.
#[test]
#[cfg_attr(not(real_opencode), ignore = "needs the opencode CLI; .ci/install-real installs it")]
fn real_opencode_before_streams_that_break_off_is_ended_after_a_few_requests() {
    for answer in
        [(|request| completions::broken(request, "The answer ")) as fn(&Recorded) -> Response, |_| {
            Response::json(200, "{\"id\": \"chatcmpl-1\", \"choices\": [{\"mess")
        }]
    {
        let (ran, server) = fault("", BYPASS, answer);
        let story = ran.story();
        assert_eq!(ran.classes(), ["transport"], "{story}");
        let requests = server.requests().len();
        assert!((2..=6).contains(&requests), "{requests} requests: {story}");
        let (spawned, exited) = (ran.of("agent.spawned"), ran.of("agent.exited"));
        assert_eq!((spawned.len(), exited.len()), (1, 1), "{story}");
        // Not one more than those that were under way when it was told to end.
        assert_eq!(exited[0]["signal"], 9, "{story}");
        assert_eq!(alive(&ran), [""; 0], "{story}");
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(server.requests().len(), requests, "somebody still asks");
        // Nobody said what it cost, and that is not nothing.
        assert_eq!(ran.ended()["spend"]["tokens_known"], false, "{story}");
    }
}

/// It gives each command a group of its own and leaves it running when it is told to end.
#[test]
#[cfg_attr(not(real_opencode), ignore = "needs the opencode CLI; .ci/install-real installs it")]
fn real_opencode_that_is_ended_leaves_no_command_of_its_own_behind() {
    let (ran, _server) = fault("[round]\nstall = \"10s\"\ngrace = \"2s\"\n", BYPASS, |request| {
        let input = json!({ "command": "sleep 300", "description": "Sleeps", "timeout": 600_000 });
        completions::answer(request, &Turn::Call("call_sleep", "bash", input))
    });
    let story = ran.story();
    assert_eq!(ran.classes(), ["stall"], "{story}");
    assert!(story.contains("sleep"), "the command has not run: {story}");
    assert_eq!(alive(&ran), [""; 0], "{story}");
}

/// A model that calls tools for ever goes on as long as the profile lets it.
#[test]
#[cfg_attr(not(real_opencode), ignore = "needs the opencode CLI; .ci/install-real installs it")]
fn real_opencode_is_ended_after_the_turns_that_the_profile_allows() {
    let (ran, server) = fault("", "agent.max_turns=3", |request| {
        let call = Turn::Call("call_glob", "glob", json!({ "pattern": "*.txt" }));
        completions::answer(request, &call)
    });
    assert_eq!(ran.classes(), ["budget_limit"], "{}", ran.story());
    // A turn against this server takes no time: one more may be over before the end has reached the agent.
    let (turns, requests) = (ran.of("turn.ended").len(), server.requests().len());
    assert!(turns >= 3 && turns <= requests && requests <= 6, "{turns} of {requests}: {}", ran.story());
    assert_eq!(alive(&ran), [""; 0]);
}

#[test]
#[cfg_attr(not(real_opencode), ignore = "needs the opencode CLI; .ci/install-real installs it")]
fn real_opencode_with_a_bad_key_ends_fast_as_unavailable() {
    let (ran, server) =
        fault("", BYPASS, |_| completions::refusal(401, "invalid_api_key", "Incorrect API key"));
    let story = ran.story();
    assert_eq!(ran.output.status.code(), Some(4), "{story}");
    assert_eq!(ran.classes(), ["auth"], "{story}");
    let requests = server.requests().len();
    assert!((1..=2).contains(&requests), "{requests} requests: {story}");
    assert_eq!(alive(&ran), [""; 0], "{story}");
}

/// M11: it says nothing until the first step has begun.
#[test]
#[cfg_attr(not(real_opencode), ignore = "needs the opencode CLI; .ci/install-real installs it")]
fn real_opencode_before_a_silent_server_is_ended_by_our_own_clock() {
    // On a busy machine it takes its time until it asks at all.
    let silent = |first_event: &str| {
        let round = format!("[round]\nfirst_event = {first_event:?}\ngrace = \"2s\"\n");
        fault(&round, BYPASS, |_| Response::steps(vec![Step::Hang]))
    };
    let (ran, server) = ["10s", "40s", "80s"]
        .into_iter()
        .map(silent)
        .find(|(_, server)| !server.requests().is_empty())
        .unwrap();
    let story = ran.story();
    assert_eq!(ran.classes(), ["first_event_timeout"], "{story}");
    assert_eq!(server.requests().len(), 1, "{story}");
    assert!(server.hung_up(), "the agent is still there");
    assert_eq!(alive(&ran), [""; 0], "{story}");
}

/// What may not be done is not offered.
#[test]
#[cfg_attr(not(real_opencode), ignore = "needs the opencode CLI; .ci/install-real installs it")]
fn real_opencode_offers_the_model_only_what_the_profile_permits() {
    for (permissions, write, shell) in
        [("bypass", true, true), ("accept-edits", true, false), ("read-only", false, false)]
    {
        let set = format!("agent.permissions={permissions:?}");
        let (ran, server) = fault("", &set, |request| completions::answer(request, &Turn::Say("Done.")));
        let requests = server.requests();
        assert_eq!(requests.len(), 1, "{permissions}: {}", ran.story());
        let offered = (completions::offers(&requests[0], "write"), completions::offers(&requests[0], "bash"));
        assert_eq!(offered, (write, shell), "{permissions}");
    }
}

/// The event says only where the log tells it.
#[test]
#[cfg_attr(not(real_opencode), ignore = "needs the opencode CLI; .ci/install-real installs it")]
fn real_opencode_that_does_not_know_the_model_says_so() {
    let server = Server::start(Vec::new());
    let stage = stage(&server, "");
    let profile = std::fs::read_to_string(stage.path("provost.toml")).unwrap();
    let profile = profile
        .replace("endpoint = \"here\"\n", "")
        .replace("temperature = 0.25\n", "")
        .replace("[agent.env]\n", "[agent.env]\nOPENCODE_DISABLE_MODELS_FETCH = \"1\"\n");
    std::fs::write(stage.path("provost.toml"), profile).unwrap();
    let ran = stage.run(TASK, &[("PROVOST_TEST_KEY", KEY)], &[]);
    assert_eq!(ran.classes(), ["model_not_found"], "{}", ran.story());
    assert_eq!(ran.output.status.code(), Some(4), "{}", ran.story());
    assert_eq!(server.requests().len(), 0);
}

/// What a server of each protocol is asked, and with which key.
#[test]
#[cfg_attr(not(real_opencode), ignore = "needs the opencode CLI; .ci/install-real installs it")]
fn real_opencode_speaks_each_protocol_with_the_key_of_the_profile() {
    let bearer = format!("Bearer {KEY}");
    for (api, path, header, value) in [
        ("openai-responses", "POST /v1/responses ", "authorization", bearer.as_str()),
        ("anthropic", "POST /v1/messages ", "x-api-key", KEY),
    ] {
        let server =
            Server::answering(|_, _| Some(completions::refusal(401, "invalid_api_key", "Incorrect API key")));
        let set = format!("endpoints.here.api={api:?}");
        let flags = ["--set", "budget.rounds=1", "--set", &set];
        let ran = stage(&server, "").run(TASK, &[("PROVOST_TEST_KEY", KEY)], &flags);
        assert_eq!(ran.classes(), ["auth"], "{api}: {}", ran.story());
        for request in server.requests() {
            assert!(request.line.starts_with(path), "{api}: {}", request.line);
            assert_eq!(request.header(header), Some(value), "{api}");
            let body = request.json();
            assert_eq!((&body["model"], &body["temperature"]), (&json!("small-one"), &json!(0.25)), "{api}");
            let most = body.get("max_tokens").or(body.get("max_output_tokens"));
            assert_eq!(most, Some(&json!(777)), "{api}");
        }
    }
}

/// What the user has set stands, where the profile does not say otherwise.
#[test]
#[cfg_attr(not(real_opencode), ignore = "needs the opencode CLI; .ci/install-real installs it")]
fn real_opencode_keeps_what_the_user_has_set_and_the_profile_wins() {
    let server = Server::answering(|_, request| {
        completions::asks(request).then(|| completions::answer(request, &Turn::Say("Done.")))
    });
    let stage = stage(&server, "");
    let own = stage.path("home/.config/opencode");
    std::fs::create_dir_all(&own).unwrap();
    std::fs::write(own.join("manners.md"), "Say please.").unwrap();
    let config = json!({
        "instructions": [own.join("manners.md")], "default_agent": "plan", "permission": "allow",
        "agent": { "build": { "permission": { "edit": "allow" } } },
    });
    std::fs::write(own.join("opencode.json"), config.to_string()).unwrap();
    let flags = ["--set", "budget.rounds=1", "--set", "agent.permissions=\"read-only\""];
    let ran = stage.run(TASK, &[("PROVOST_TEST_KEY", KEY)], &flags);
    let requests = server.requests();
    assert_eq!(requests.len(), 1, "{}", ran.story());
    let system = completions::system(&requests[0]);
    assert!(system.contains("Say please.") && system.contains(SYSTEM), "{system}");
    assert!(!completions::offers(&requests[0], "edit"), "{}", ran.story());
    assert_eq!(requests[0].json()["temperature"], 0.25);
}

/// A server for tools, at the same address as the model.
fn tools(request: &Recorded) -> Response {
    if !request.line.starts_with("POST ") {
        return Response::json(405, "{}");
    }
    let body = request.json();
    let result = match body["method"].as_str().unwrap_or_default() {
        "initialize" => json!({
            "protocolVersion": body["params"]["protocolVersion"], "capabilities": { "tools": {} },
            "serverInfo": { "name": "tools", "version": "1" },
        }),
        "tools/list" => {
            let schema = json!({ "type": "object", "properties": { "word": { "type": "string" } } });
            json!({ "tools": [{ "name": "echo", "description": "Says it again.", "inputSchema": schema }] })
        }
        "tools/call" => json!({ "content": [{ "type": "text", "text": "it echoes" }] }),
        _ if body.get("id").is_none() => return Response::json(202, " "),
        _ => json!({}),
    };
    Response::json(200, &json!({ "jsonrpc": "2.0", "id": body["id"], "result": result }).to_string())
}

#[test]
#[cfg_attr(not(real_opencode), ignore = "needs the opencode CLI; .ci/install-real installs it")]
fn real_opencode_calls_the_tools_of_a_server_with_the_token_of_the_profile() {
    const TOKEN: &str = "dummy-token-of-no-account-77b0";
    let server = Server::answering(|_, request| {
        if !completions::asks(request) {
            return Some(tools(request));
        }
        let turn = match completions::returned(request) {
            Some(_) => Turn::Say("Done."),
            None => Turn::Call("call_echo", "far_echo", json!({ "word": "hi" })),
        };
        Some(completions::answer(request, &turn))
    });
    let url = format!("agent.mcp.far.url=\"{}/mcp\"", server.url());
    let flags =
        ["--set", "budget.rounds=1", "--set", &url, "--set", "agent.mcp.far.key_env=\"PROVOST_TEST_TOKEN\""];
    let keys = [("PROVOST_TEST_KEY", KEY), ("PROVOST_TEST_TOKEN", TOKEN)];
    let ran = stage(&server, "").run(TASK, &keys, &flags);
    let story = ran.story();
    let (asked, rest): (Vec<Recorded>, Vec<Recorded>) =
        server.requests().into_iter().partition(completions::asks);
    assert_eq!(asked.len(), 2, "{story}");
    assert!(asked[1].body.contains("it echoes"), "{story}");
    assert!(rest.iter().any(|request| request.body.contains("tools/call")), "{story}");
    for request in rest {
        assert_eq!(request.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    }
    assert!(!ran.holds(TOKEN), "the token is on record");
    assert_eq!(ran.of("tool.called")[0]["name"], "far_echo", "{story}");
}
