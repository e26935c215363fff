//! What is looked at before anything is spent: programs, versions, keys, servers and models.
#![allow(clippy::disallowed_methods, clippy::allow_attributes, reason = "a test stands outside of the house")]

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::support::anthropic::{self, Turn};
use crate::support::http::{Recorded, Response, Server};
use crate::support::run::needed;
use crate::support::sandbox::{Ran, Sandbox, finish, lives, of_kind, signal, wait_for};

/// What a program of the `claude` harness prints in one round.
const ANSWER: &str = r#"{"type":"result","subtype":"success","is_error":false,"result":"OK","stop_reason":"end_turn","session_id":"s","total_cost_usd":0.25,"usage":{"input_tokens":7,"output_tokens":2}}"#;

/// A program that says its version in this way, and else answers; it counts how often it was asked.
fn claude(version: &str) -> Sandbox {
    let sandbox = Sandbox::new("[agent]\nharness = \"claude\"\ncommand = [\"./claude\"]\n");
    install(&sandbox, version);
    sandbox
}

fn install(sandbox: &Sandbox, version: &str) {
    let program = format!(
        "#!/bin/sh\nif [ \"$1\" = --version ]; then echo x >>asked; {version}; exit; fi\ncat >/dev/null\necho '{ANSWER}'\n"
    );
    sandbox.write("claude", &program);
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(sandbox.path("claude"), mode).unwrap();
}

fn asked(sandbox: &Sandbox) -> usize {
    sandbox.read("asked").lines().count()
}

fn alerts(sandbox: &Sandbox) -> Vec<String> {
    let events = sandbox.events();
    of_kind(&events, "alert.raised")
        .iter()
        .map(|alert| alert["message"].as_str().unwrap().to_owned())
        .collect()
}

/// What `run --check` found: `finding`, `about`, `text`.
fn found(ran: &Ran) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let lines = ran.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|line| (text(&line["finding"]), text(&line["about"]), text(&line["text"]))).collect()
}

#[test]
fn a_version_is_seen_before_a_run_directory_is_made() {
    for (version, notice) in [
        ("echo '2.1.328 (Claude Code)'", None),
        ("echo warning >&2; echo 2.99.1", Some("`claude` 2.99.1 was not tested; 2.1.328 was")),
        ("echo 2.0.0 >&2", Some("`claude` 2.0.0 was not tested; 2.1.328 was")),
        ("echo hello", Some("`claude` did not say its version; 2.1.328 is the one that was tested")),
        ("head -c 3000000 /dev/zero; echo 2.1.328", Some("`claude` did not say its version")),
    ] {
        let sandbox = claude(version);
        let ran = sandbox.run(&["run", "do it"]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(0), "OK\n"), "{version}: {}", ran.err);
        let raised = alerts(&sandbox);
        match notice {
            None => assert!(raised.is_empty(), "{raised:?}"),
            Some(notice) => {
                assert!(raised.len() == 1 && raised[0].starts_with(notice), "{raised:?}");
                assert!(ran.err.contains(&format!("version: {notice}")), "{}", ran.err);
            }
        }
    }
    for (version, words) in [
        ("echo 1.9.9", ["`claude` 1.9.9, which is too old", "install 2.0.0 or newer"]),
        (
            "echo 'no native binary' >&2; exit 1",
            [
                "exit code 1 when asked for its version, and said: no native binary",
                "install `claude` 2.1.328 again",
            ],
        ),
        ("kill -9 $$", ["ended with a signal", "install `claude`"]),
    ] {
        let sandbox = claude(version);
        let ran = sandbox.run(&["run", "do it"]);
        assert_eq!(ran.code, Some(4), "{version}: {}", ran.err);
        for word in words {
            assert!(ran.err.contains(word), "`{word}` is not in: {}", ran.err);
        }
        assert!(!sandbox.path(".provost").exists(), "a run directory was made");
    }
}

#[test]
fn a_program_that_hangs_is_given_up_and_ended() {
    let sandbox = claude("echo $$ >pid; sleep 600");
    let ran = sandbox.run(&["run", "do it"]);
    assert_eq!(ran.code, Some(4), "{}", ran.err);
    assert!(ran.err.contains("did not say its version within 20 s"), "{}", ran.err);
    assert!(!lives(sandbox.pid("pid")), "it still runs");
}

#[test]
fn a_program_is_asked_once_for_as_long_as_it_stays_the_same() {
    let sandbox = claude("echo 2.50.0");
    for times in 0..3 {
        let out = format!("out{times}");
        let ran = sandbox.run(&["run", "--out", &out, "do it"]);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        assert!(
            ran.err.contains("2.50.0 was not tested"),
            "it is noticed also when it is remembered: {}",
            ran.err
        );
    }
    assert_eq!(asked(&sandbox), 1);
    let state = sandbox.path(".local/state/provost");
    assert_eq!(std::fs::metadata(&state).unwrap().permissions().mode() & 0o777, 0o700);
    let known: Value = serde_json::from_str(&sandbox.read(".local/state/provost/versions.json")).unwrap();
    assert_eq!(known["format"], 1);

    // It is replaced: by an old one, which is refused each time until it is replaced again.
    install(&sandbox, "echo 1.0.0");
    for _ in 0..2 {
        assert_eq!(sandbox.run(&["run", "do it"]).code, Some(4));
    }
    assert_eq!(asked(&sandbox), 3);
    install(&sandbox, "echo 2.1.328");
    assert_eq!(sandbox.run(&["run", "--out", "out9", "do it"]).code, Some(0));
    assert_eq!(asked(&sandbox), 4);
    // What cannot be read is as good as nothing.
    sandbox.write(".local/state/provost/versions.json", "{\"format\":1,\"prog");
    assert_eq!(sandbox.run(&["run", "--out", "out10", "do it"]).code, Some(0));
    assert_eq!(asked(&sandbox), 5);
    // A dry run calls nothing.
    sandbox.write(".local/state/provost/versions.json", "");
    assert_eq!(sandbox.run(&["run", "--dry-run", "--out", "out11", "do it"]).code, Some(0));
    assert_eq!(asked(&sandbox), 5);
}

#[test]
fn the_shared_state_is_where_the_caller_says() {
    let sandbox = claude("echo 2.1.328");
    let state = sandbox.path("elsewhere");
    let ran = finish(sandbox.command(&["run", "do it"]).env("XDG_STATE_HOME", &state).spawn().unwrap());
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(state.join("provost/versions.json").exists() && !sandbox.path(".local").exists());
    let nowhere = finish(sandbox.command(&["run", "do it"]).env_remove("HOME").spawn().unwrap());
    assert_eq!(nowhere.code, Some(0), "{}", nowhere.err);
}

#[test]
fn a_check_of_an_agent_ends_in_one_tiny_round_elsewhere() {
    let sandbox = claude("echo 2.1.328");
    let ran = sandbox.run(&["run", "--check", "--json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let found = found(&ran);
    let about: Vec<&str> = found.iter().map(|(_, about, _)| about.as_str()).collect();
    assert_eq!(about, ["program", "version", "model"]);
    assert!(found.iter().all(|(finding, ..)| finding == "ok"), "{found:?}");
    assert_eq!(found[2].2, "the model of `claude` answers: 7 tokens in, 2 out, $0.250000");
    assert!(!sandbox.path(".provost").exists(), "a check is no run");

    let people = sandbox.run(&["run", "--check"]);
    assert_eq!((people.code, people.err.as_str()), (Some(0), ""));
    assert!(people.out.starts_with("ok      program  /"), "{}", people.out);
    assert!(
        people.out.contains("\nok      version  `claude` 2.1.328, the one that was tested\n"),
        "{}",
        people.out
    );

    install(&sandbox, "echo 1.0.0");
    let old = sandbox.run(&["run", "--check", "--json"]);
    assert_eq!(old.code, Some(4));
    let last: Value = serde_json::from_str(old.out.lines().last().unwrap()).unwrap();
    assert_eq!(last["finding"], "missing");
    assert!(last["remedy"].as_str().unwrap().contains("2.0.0 or newer"), "{last}");

    std::fs::remove_file(sandbox.path("claude")).unwrap();
    let gone = sandbox.run(&["run", "--check"]);
    assert_eq!(gone.code, Some(4));
    assert!(gone.out.contains("missing") && gone.out.contains("to do"), "{}", gone.out);
    assert_eq!(sandbox.run(&["run", "--check", "a task"]).code, Some(2));
}

fn chat(server: &Server, rest: &str) -> Sandbox {
    Sandbox::new(&format!(
        "[agent]\nharness = \"chat\"\nmodel = \"local/m\"\nendpoint = \"here\"\n{rest}\
         [prices.\"local/m\"]\ninput = 1.0\noutput = 2.0\n\
         [endpoints.here]\napi = \"openai\"\nbase_url = \"{}\"\nkey_env = \"SOME_KEY\"\n",
        server.url()
    ))
}

fn check(sandbox: &Sandbox) -> Ran {
    let mut command = sandbox.command(&["run", "--check", "--json"]);
    finish(command.env("SOME_KEY", "sk-of-no-account-5a2b").spawn().unwrap())
}

#[test]
fn a_check_of_an_endpoint_is_one_tiny_request() {
    let chunk = |delta: Value, reason: Option<&str>| {
        json!({"choices": [{"delta": delta, "finish_reason": reason}]}).to_string()
    };
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 1}}).to_string();
    // A model that thinks uses up the few tokens: it answers all the same.
    for (words, reason) in [("OK", "stop"), ("Let me th", "length"), ("", "length")] {
        let server = Server::start(vec![Response::stream(&[
            &chunk(json!({"content": words}), None),
            &chunk(json!({}), Some(reason)),
            &usage,
        ])]);
        let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/mcp_server.py");
        let sandbox =
            chat(&server, &format!("mcp = {{ notes = {{ command = [\"python3\", {fixture:?}] }} }}\n"));
        let ran = check(&sandbox);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let found = found(&ran);
        let texts: Vec<&str> = found.iter().map(|(_, _, text)| text.as_str()).collect();
        assert_eq!(texts[..2], ["`SOME_KEY` is set", "`notes` lists 8 tools"]);
        assert!(
            texts[2].starts_with("`local/m` answers") && texts[2].ends_with("9 tokens in, 1 out, $0.000011"),
            "{texts:?}"
        );
        let requests = server.requests();
        assert_eq!(requests.len(), 1);
        let body = requests[0].json();
        assert_eq!(body["messages"], json!([{"role": "user", "content": "Reply with OK."}]));
        assert!(body.get("tools").is_none_or(|tools| tools == &json!([])), "{body}");
        let most = body.get("max_completion_tokens").or_else(|| body.get("max_tokens"));
        assert_eq!(most, Some(&json!(64)), "{body}");
    }
}

#[test]
fn a_check_says_what_is_missing_and_what_to_do() {
    let error = |status, body: &str| Server::start(vec![Response::json(status, body)]);
    for (server, words, remedy) in [
        (
            error(401, r#"{"error":{"message":"wrong sk-of-no-account-5a2b"}}"#),
            "`local/m` does not answer: ",
            "key_env",
        ),
        (
            error(404, r#"{"error":{"message":"no such model","code":"model_not_found"}}"#),
            "model_not_found",
            "`agent.model`",
        ),
        (error(429, r#"{"error":{"message":"slow down"}}"#), "rate_limited", "another account"),
    ] {
        let ran = check(&chat(&server, ""));
        assert_eq!(ran.code, Some(4), "{ran:?}");
        let last: Value = serde_json::from_str(ran.out.lines().last().unwrap()).unwrap();
        assert!(last["text"].as_str().unwrap().contains(words), "{last}");
        assert!(last["remedy"].as_str().unwrap().contains(remedy), "{last}");
        assert!(!ran.out.contains("sk-of-no-account"), "{}", ran.out);
        assert_eq!(server.requests().len(), 1, "one request, and no other");
    }
    let server = Server::start(Vec::new());
    let keyless = chat(&server, "").run(&["run", "--check"]);
    assert_eq!(keyless.code, Some(4));
    assert!(keyless.out.contains("`SOME_KEY`"), "{}", keyless.out);
    let broken = chat(&server, "mcp = { notes = { command = [\"false\"] } }\n");
    let ran = check(&broken);
    assert_eq!(ran.code, Some(4));
    assert!(ran.out.contains("the MCP server `notes` cannot be used"), "{}", ran.out);
    assert!(server.requests().is_empty());
}

/// A chain: a script, then what `entries` say, with an endpoint at `server` that wants a key.
fn chain(server: &Server, entries: &str) -> Sandbox {
    let script = "[[round]]\n[[round.turn]]\ntext = \"played\"\n";
    let endpoint = format!(
        "{entries}\n[endpoints.here]\napi = \"openai\"\nbase_url = \"{}\"\nkey_env = \"SOME_KEY\"\n",
        server.url()
    );
    Sandbox::scripted(script, &endpoint)
}

#[test]
fn what_an_entry_of_the_chain_lacks_is_told_before_there_is_a_run() {
    let server = Server::start(Vec::new());
    for (entries, words) in [
        (
            "[[agent.fallback]]\nharness = \"scripted\"\nscript = \"other.toml\"\n[[agent.fallback]]\nharness = \"chat\"\nmodel = \"local/m\"\nendpoint = \"here\"\n",
            ["`agent.fallback[1]`: ", "the variable `SOME_KEY` that holds the key is not set"],
        ),
        (
            "[[agent.fallback]]\nharness = \"claude\"\ncommand = [\"./absent\"]\n",
            ["`agent.fallback[0]`: ", "the program `./absent` is not on the agent's PATH"],
        ),
        (
            "[[agent.fallback]]\nharness = \"claude\"\ncommand = [\"./old\"]\n",
            ["`agent.fallback[0]`: ", "/old is `claude` 1.0.0, which is too old"],
        ),
    ] {
        let sandbox = chain(&server, entries);
        sandbox.write("other.toml", "schema = 1\n[[round]]\n[[round.turn]]\ntext = \"other\"\n");
        sandbox.write("old", "#!/bin/sh\necho 1.0.0\n");
        std::fs::set_permissions(sandbox.path("old"), std::fs::Permissions::from_mode(0o755)).unwrap();
        let ran = sandbox.run(&["run", "do it"]);
        assert_eq!(ran.code, Some(4), "{words:?}: {}", ran.err);
        assert!(words.iter().all(|word| ran.err.contains(word)), "{words:?} is not in: {}", ran.err);
        assert!(ran.err.contains("take the entry out of the chain"), "{}", ran.err);
        assert!(!sandbox.path(".provost").exists(), "a run directory was made");
        let checked = sandbox.run(&["run", "--check"]);
        assert_eq!(checked.code, Some(4), "{checked:?}");
        assert!(words.iter().all(|word| checked.out.contains(word)), "{}", checked.out);
    }
}

#[test]
fn a_check_asks_each_model_of_the_chain_once() {
    let answer = || {
        let chunk = json!({"choices": [{"delta": {"content": "OK"}, "finish_reason": "stop"}]}).to_string();
        Response::stream(&[&chunk])
    };
    let server = Server::start(vec![answer(), answer()]);
    let entry = |model: &str, rest: &str| {
        format!(
            "[[agent.fallback]]\nharness = \"chat\"\nmodel = \"local/{model}\"\nendpoint = \"here\"\n{rest}\n"
        )
    };
    // Other settings are another candidate, of the same model.
    let entries = [entry("m", ""), entry("n", ""), entry("m", "temperature = 0.5")].concat();
    let sandbox = chain(&server, &entries);
    let ran = check(&sandbox);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let texts: Vec<String> = found(&ran).into_iter().map(|(.., text)| text).collect();
    assert_eq!(texts[..2], ["`SOME_KEY` is set", "not asked: a script calls no model"]);
    assert_eq!(texts.len(), 4, "{texts:?}");
    let asked: Vec<Value> = server.requests().iter().map(|request| request.json()["model"].clone()).collect();
    assert_eq!(asked, ["m", "n"]);
}

#[test]
fn a_secret_that_only_an_entry_of_the_chain_is_given_is_written_nowhere() {
    let server = Server::start(Vec::new());
    let key = "correct-horse-of-no-account";
    for (entries, veiled) in [("", false), ("[[agent.fallback]]\nharness = \"claude\"\n", true)] {
        let sandbox = chain(&server, entries);
        let mut command = sandbox.command(&["run", "--dry-run", "--out", "out", &format!("it is {key}")]);
        let ran = finish(command.env("ANTHROPIC_API_KEY", key).spawn().unwrap());
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        assert_eq!(!sandbox.read("out/manifest.json").contains(key), veiled, "{entries}");
    }
}

#[test]
fn a_check_of_what_has_no_model_asks_none() {
    let script = "[[round]]\n[[round.turn]]\ntext = \"played\"\n";
    let ran = Sandbox::scripted(script, "").run(&["run", "--check"]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (Some(0), "ok      model    not asked: a script calls no model\n")
    );
    let sandbox = Sandbox::shell("touch called", "", "");
    let ran = sandbox.run(&["run", "--check"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.contains("not asked: nobody knows"), "{}", ran.out);
    assert!(!sandbox.path("called").exists());
}

#[test]
fn a_check_that_is_interrupted_leaves_nothing() {
    let hanging = claude("echo $$ >pid; sleep 600");
    let child = hanging.start(&["run", "--check"]);
    let pid = hanging.pid("pid");
    signal(child.id(), "INT");
    assert_eq!(finish(child).code, Some(130));
    assert!(!lives(pid), "it still says its version");

    let sandbox = Sandbox::new("[agent]\nharness = \"claude\"\ncommand = [\"./claude\"]\n");
    let pid = sandbox.path("pid");
    sandbox.write(
        "claude",
        &format!(
            "#!/bin/sh\n[ \"$1\" = --version ] && exec echo 2.1.328\necho $$ >{}\nsleep 600\n",
            pid.display()
        ),
    );
    std::fs::set_permissions(sandbox.path("claude"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let child = sandbox.start(&["run", "--check"]);
    let pid = sandbox.pid("pid");
    signal(child.id(), "INT");
    assert_eq!(finish(child).code, Some(130));
    wait_for("its end", || !lives(pid));
}

#[test]
#[cfg_attr(not(real_claude), ignore = "needs the Claude Code CLI; .ci/install-real installs it")]
fn real_claude_is_the_version_that_was_tested_and_is_asked_for_one_word() {
    let program = needed("PROVOST_TEST_CLAUDE");
    let server = Server::answering(|_, request| {
        Some(if anthropic::asks(request) {
            anthropic::answer(request, &Turn::Say("OK"))
        } else {
            anthropic::aside(request)
        })
    });
    let sandbox = Sandbox::new(&format!(
        r#"
[agent]
harness = "claude"
model = "anthropic/claude-sonnet-4-5"
endpoint = "here"
command = [{program:?}]
[agent.env]
CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC = "1"
DISABLE_TELEMETRY = "1"
DISABLE_ERROR_REPORTING = "1"
[endpoints.here]
api = "anthropic"
base_url = "{}"
key_env = "SOME_KEY"
"#,
        server.url(),
    ));
    let ran = check(&sandbox);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let found = found(&ran);
    assert!(found.iter().all(|(finding, ..)| finding == "ok"), "{found:?}");
    let about: Vec<&str> = found.iter().map(|(_, about, _)| about.as_str()).collect();
    assert_eq!(about, ["key", "program", "version", "model"]);
    assert!(found[3].2.starts_with("`anthropic/claude-sonnet-4-5` answers: "), "{found:?}");
    let main = |request: &&Recorded| anthropic::asks(request) && anthropic::offers(request, "Read");
    let asked = server.requests().iter().filter(main).count();
    assert_eq!(asked, 1, "one round of one turn");
}
