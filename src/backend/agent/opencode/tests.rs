use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::*;
use crate::backend::agent::invoke::{Environment, Invocation};
use crate::backend::{Request, SessionPlan};
use crate::event::{AttemptNumber, NodeId, RoundNumber, Sha256};
use crate::profile::{self, Profile, Source};

const DONE: ExitFacts = ExitFacts { code: Some(0), signal: None };
const FAILED: ExitFacts = ExitFacts { code: Some(1), signal: None };

fn feed(dialect: &mut OpencodeDialect, lines: &[Value]) -> Vec<Signal> {
    let mut out = Vec::new();
    for line in lines {
        let mut line = line.clone();
        line["sessionID"] = json!("ses_1");
        dialect.line(line.to_string().as_bytes(), &mut out);
    }
    dialect.end(&mut out);
    out
}

fn verdict(lines: &[Value], exit: ExitFacts) -> Result<Answer, Failure> {
    let mut dialect = OpencodeDialect::default();
    feed(&mut dialect, lines);
    dialect.finish(exit, "")
}

fn start(message: &str) -> Value {
    json!({"type": "step_start", "part": {"messageID": message}})
}

fn said(message: &str, text: &str) -> Value {
    json!({"type": "text", "part": {"messageID": message, "text": text}})
}

fn finish(message: &str, reason: &str) -> Value {
    json!({"type": "step_finish", "part": {"messageID": message, "reason": reason, "tokens": {"input": 0, "output": 0}, "cost": 0}})
}

fn error(name: &str, data: &Value) -> Value {
    json!({"type": "error", "error": {"name": name, "data": data}})
}

#[test]
fn an_error_is_what_the_provider_said_and_not_what_it_is_wrapped_in() {
    let body = |code: &str| json!({"error": {"message": "no", "code": code}}).to_string();
    let rows = [
        (
            "M11b",
            error(
                "APIError",
                &json!({"message": "You exceeded it", "statusCode": 429, "isRetryable": true, "responseBody": body("insufficient_quota")}),
            ),
            FaultClass::QuotaExhausted,
        ),
        (
            "M11c",
            error(
                "UnknownError",
                &json!({"message": json!({"code": 502, "message": "upstream"}).to_string()}),
            ),
            FaultClass::ServerError,
        ),
        (
            "M11c by word",
            error(
                "UnknownError",
                &json!({"message": json!({"code": "server_error", "message": "x"}).to_string()}),
            ),
            FaultClass::ServerError,
        ),
        (
            "wrapped twice",
            error(
                "UnknownError",
                &json!({"message": json!({"error": {"message": json!({"error": {"code": 401, "message": "bad key"}}).to_string()}}).to_string()}),
            ),
            FaultClass::Auth,
        ),
        (
            "anthropic in a stream",
            error(
                "UnknownError",
                &json!({"message": json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}).to_string()}),
            ),
            FaultClass::Overloaded,
        ),
        (
            "prefixed",
            error("UnknownError", &json!({"message": "Error: {\"code\": 503, \"message\": \"x\"}"})),
            FaultClass::Overloaded,
        ),
        ("M13", error("ContextOverflowError", &json!({"message": "too much"})), FaultClass::ContextOverflow),
        ("login", error("ProviderAuthError", &json!({"message": "log in"})), FaultClass::Auth),
        ("limit", error("MessageOutputLengthError", &json!({})), FaultClass::OutputLimit),
        ("odd", json!({"type": "error", "error": "boom"}), FaultClass::Unknown),
    ];
    for (id, line, class) in rows {
        let failure = verdict(&[line.clone(), line], FAILED).unwrap_err();
        assert_eq!(failure.class, class, "{id}: {failure:?}");
    }
}

#[test]
fn the_wait_that_was_asked_for_is_in_the_headers() {
    for (headers, wait) in [
        (json!({"retry-after": "7"}), Some(7.0)),
        (json!({"retry-after-ms": "250", "retry-after": "7"}), Some(0.25)),
        (json!({"retry-after": "soon"}), None),
        (json!("none"), None),
    ] {
        let line = error("APIError", &json!({"message": "x", "statusCode": 429, "responseHeaders": headers}));
        assert_eq!(verdict(&[line], FAILED).unwrap_err().retry_after, wait);
    }
}

#[test]
fn success_is_a_last_step_that_stopped_with_a_text() {
    let killed = ExitFacts { code: None, signal: Some(15) };
    let whole = [start("a"), said("a", "four"), finish("a", "stop")];
    assert_eq!(verdict(&whole, DONE).unwrap().text, "four");
    // M21: it lingered, and was ended for that.
    assert_eq!(verdict(&whole, killed).unwrap().text, "four");
    let rows = [
        ("exit code", whole.to_vec(), FAILED, FaultClass::AgentCrash),
        ("blank", vec![start("a"), said("a", " \n"), finish("a", "stop")], DONE, FaultClass::NoPayload),
        ("cut", vec![start("a"), said("a", "fo"), finish("a", "length")], DONE, FaultClass::OutputLimit),
        ("filter", vec![start("a"), finish("a", "content-filter")], DONE, FaultClass::ContentPolicy),
        ("tools", vec![start("a"), said("a", "so"), finish("a", "tool-calls")], DONE, FaultClass::Transport),
        ("new reason", vec![start("a"), said("a", "so"), finish("a", "whale")], DONE, FaultClass::Unknown),
        ("no finish", vec![start("a"), said("a", "so")], DONE, FaultClass::Transport),
        (
            "another step",
            [whole.to_vec(), vec![start("b"), said("b", "more")]].concat(),
            killed,
            FaultClass::UserAbort,
        ),
        (
            "an error last",
            vec![
                start("a"),
                said("a", "four"),
                error("APIError", &json!({"message": "x", "statusCode": 500})),
            ],
            FAILED,
            FaultClass::ServerError,
        ),
    ];
    for (id, lines, exit, class) in rows {
        assert_eq!(verdict(&lines, exit).unwrap_err().class, class, "{id}");
    }
}

/// A connection that breaks once is not a loop; what opencode then asks may well be answered.
#[test]
fn one_stream_that_broke_off_is_made_good_by_the_next() {
    let broken = |message| [start(message), said(message, "hel"), finish(message, "unknown")];
    let good = [start("b"), said("b", "hello"), finish("b", "stop")];
    assert_eq!(verdict(&[&broken("a")[..], &good[..]].concat(), DONE).unwrap().text, "hello");
    let lines = [&broken("a")[..], &good[..], &broken("c")[..]].concat();
    let out = feed(&mut OpencodeDialect::default(), &lines);
    assert!(!out.iter().any(|signal| matches!(signal, Signal::Runaway(_))), "{out:?}");
    let failure = verdict(&[broken("a"), broken("b")].concat(), DONE).unwrap_err();
    assert_eq!((failure.class, failure.emitted_output), (FaultClass::Transport, true));
}

/// Older versions start the same step again for ever.
#[test]
fn a_step_that_starts_again_and_again_is_ended() {
    let mut dialect = OpencodeDialect::default();
    let out = feed(&mut dialect, &vec![start("a"); 6]);
    assert!(!out.iter().any(|signal| matches!(signal, Signal::Fatal(_))));
    let out = feed(&mut dialect, &[start("a"), start("a")]);
    assert_eq!(out.iter().filter(|signal| matches!(signal, Signal::Fatal(_))).count(), 1);
    assert_eq!(dialect.finish(DONE, "").unwrap_err().class, FaultClass::Transport);
    // Another step is progress.
    let steps: Vec<Value> = (0..9).map(|step| start(&step.to_string())).collect();
    let out = feed(&mut OpencodeDialect::default(), &steps);
    assert!(
        !out.iter().any(|signal| matches!(signal, Signal::Fatal(_) | Signal::Report(Report::Retrying(_))))
    );
}

#[test]
fn what_nobody_said_is_unknown_and_the_profile_has_the_last_word_on_prices() {
    let step = |tokens: Value, cost: f64| json!({"type": "step_finish", "part": {"reason": "stop", "tokens": tokens, "cost": cost}});
    let tokens = json!({"input": 10, "output": 3, "reasoning": 2, "cache": {"read": 7, "write": 1}});
    let price = Price { input: 1e6, output: 2e6, cache_read: Some(0.0), cache_write: Some(0.0) };
    let usage = |price: &Option<Price>, line: &Value| {
        let out = feed(&mut OpencodeDialect::new(price.clone(), None), &[start("a"), line.clone()]);
        out.into_iter().find_map(|signal| match signal {
            Signal::Report(Report::Turn { usage, .. }) => usage,
            _ => None,
        })
    };
    let known = |usd| Usage { input: 10, output: 5, cache_read: 7, cache_write: 1, usd };
    let rows = [
        (None, step(json!({"input": 0, "output": 0}), 0.0), None),
        (None, step(json!(null), 0.0), None),
        (None, step(tokens.clone(), 0.0), Some((known(None), UsageSource::Provider))),
        (None, step(tokens.clone(), 0.5), Some((known(Some(0.5)), UsageSource::Priced))),
        (Some(price), step(tokens, 0.5), Some((known(Some(20.0)), UsageSource::Priced))),
    ];
    for (price, line, expected) in rows {
        assert_eq!(usage(&price, &line), expected, "{line}");
    }
}

#[test]
fn a_subagent_makes_the_figures_incomplete_and_that_is_said_once() {
    let task = json!({"type": "tool_use", "part": {"tool": "task", "callID": "c", "state": {"status": "completed", "input": {"description": "look"}, "output": "seen"}}});
    let out = feed(&mut OpencodeDialect::default(), &[start("a"), task.clone(), task]);
    let alerts = out.iter().filter(|signal| matches!(signal, Signal::Report(Report::Alert(_)))).count();
    let unknown = out
        .iter()
        .filter(|signal| matches!(signal, Signal::Report(Report::Usage(usage)) if usage.usage.usd.is_none()));
    assert_eq!((alerts, unknown.count()), (1, 1), "{out:?}");
}

fn profile(more: &str) -> Profile {
    let dir = tempfile::tempdir().unwrap();
    let text = format!("schema = 1\nname = \"x\"\n[agent]\nharness = \"opencode\"\n{more}");
    crate::file::write_atomic(&dir.path().join("p.toml"), text.as_bytes()).unwrap();
    let source = Source { path: Path::new("p.toml"), sets: &[], cwd: dir.path() };
    Profile::clone(&profile::load(source).unwrap().profile)
}

fn request(directory: &Path, system: Option<&str>, session: SessionPlan) -> Request {
    Request {
        node: NodeId::root(),
        round: RoundNumber(1),
        attempt: AttemptNumber(1),
        system: system.map(str::to_owned),
        user: "do it".to_owned(),
        session,
        workspace: PathBuf::from("/w"),
        transcript: directory.join("t"),
        directory: directory.to_owned(),
        images: Vec::new(),
        terse: false,
        takes_cut: false,
        replay: Vec::new(),
    }
}

#[test]
fn an_endpoint_is_a_provider_of_our_own_and_its_key_a_name() {
    for (api, package) in [
        ("openai", "@ai-sdk/openai-compatible"),
        ("openai-responses", "@ai-sdk/openai"),
        ("anthropic", "@ai-sdk/anthropic"),
    ] {
        let profile = profile(&format!(
            "model = \"openai/meta/llama\"\nendpoint = \"e\"\n[endpoints.e]\napi = \"{api}\"\n\
             base_url = \"http://127.0.0.1:1/v1/\"\nkey_env = \"MY_KEY\"\n"
        ));
        let config = config::config(&profile, None);
        assert_eq!(
            (&config["model"], &config["small_model"]),
            (&json!("provost/meta/llama"), &config["model"])
        );
        let provider = &config["provider"]["provost"];
        assert_eq!(provider["npm"], package);
        assert_eq!(
            provider["options"],
            json!({"baseURL": "http://127.0.0.1:1/v1", "apiKey": "{env:MY_KEY}"})
        );
        assert_eq!(provider["models"], json!({"meta/llama": {}}));
        let caller = Environment::from([("MY_KEY".to_owned(), "s3cret".to_owned())]);
        assert!(!config.to_string().contains("s3cret"));
        assert_eq!(config::environment(&profile, &caller)["MY_KEY"], "s3cret");
    }
    // A key of the caller's own is for somebody else.
    let keyless = profile(
        "model = \"x/m\"\nendpoint = \"e\"\n[endpoints.e]\napi = \"openai-responses\"\nbase_url = \"http://h/v1\"\n",
    );
    assert_eq!(config::config(&keyless, None)["provider"]["provost"]["options"]["apiKey"], "none");
}

#[test]
fn what_the_profile_does_not_say_is_left_to_the_user() {
    let config = config::config(&profile(""), None);
    assert_eq!(config, json!({"autoupdate": false, "share": "disabled"}));
    assert_eq!(config::environment(&profile(""), &Environment::new()), Environment::new());
    let config = config::config(&profile("model = \"anthropic/opus\"\n[model]\ntemperature = 0.5\n"), None);
    assert_eq!(config["model"], "anthropic/opus");
    assert_eq!(config["provider"], json!({"anthropic": {"models": {"opus": {"temperature": true}}}}));
    assert_eq!(config["agent"], json!({"build": {"temperature": 0.5}}));
    assert_eq!(config["default_agent"], "build");
}

#[test]
fn permissions_and_servers_are_said_as_opencode_takes_them() {
    let rules = |word: &str| {
        let config = config::config(&profile(&format!("permissions = \"{word}\"\n")), None);
        assert_eq!(config["permission"], config["agent"]["build"]["permission"]);
        config["permission"].clone()
    };
    assert_eq!(rules("bypass"), "allow");
    assert_eq!(rules("accept-edits"), json!({"edit": "allow", "bash": "deny", "external_directory": "deny"}));
    assert_eq!(rules("read-only"), json!({"edit": "deny", "bash": "deny", "external_directory": "deny"}));
    let servers = profile(
        "[agent.mcp.near]\ncommand = [\"a\", \"b\"]\nenv = { X = \"1\" }\n\
         [agent.mcp.far]\nurl = \"http://h/mcp\"\nkey_env = \"T\"\n",
    );
    assert_eq!(
        config::config(&servers, None)["mcp"],
        json!({
            "near": {"type": "local", "command": ["a", "b"], "environment": {"X": "1"}, "enabled": true},
            "far": {"type": "remote", "url": "http://h/mcp", "enabled": true,
                "headers": {"Authorization": "Bearer {env:T}"}, "oauth": false},
        })
    );
}

fn words(call: &crate::backend::agent::Call) -> String {
    call.args.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_session_is_continued_or_forked_by_its_id_and_a_fresh_one_has_none_yet() {
    let dir = tempfile::tempdir().unwrap();
    let ask = |plan| {
        words(
            &Opencode::new(&profile("args = [\"--variant\", \"high\"]"))
                .call(&request(dir.path(), None, plan))
                .unwrap(),
        )
    };
    let id = SessionId::new;
    let head = "run --format json --title provost --print-logs --log-level ERROR";
    assert_eq!(ask(SessionPlan::Fresh(id("new"))), format!("{head} --variant high"));
    assert_eq!(ask(SessionPlan::Continue(id("ses_1"))), format!("{head} --session ses_1 --variant high"));
    let fork = SessionPlan::Fork { parent: id("ses_1"), id: id("new") };
    assert_eq!(ask(fork), format!("{head} --session ses_1 --fork --variant high"));
}

#[test]
fn a_configuration_that_would_be_lost_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let request = request(dir.path(), None, SessionPlan::Fresh(SessionId::new("s")));
    for more in ["env = { OPENCODE_CONFIG_CONTENT = \"{}\" }", "inherit_env = [\"OPENCODE_CONFIG_CONTENT\"]"]
    {
        let refused = Opencode::new(&profile(more)).call(&request).unwrap_err();
        assert!(refused.evidence.contains("OPENCODE_CONFIG`"), "{}", refused.evidence);
    }
}

#[test]
fn the_system_prompt_is_the_file_on_record_and_one_with_a_secret_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let request = request(dir.path(), Some("be brief"), SessionPlan::Fresh(SessionId::new("s")));
    let opencode = Opencode::new(&profile("model = \"p/m\"\n"));
    // The record hides a secret under another name, so that nothing is under this one.
    let refused = opencode.call(&request).unwrap_err();
    assert_eq!(refused.class, FaultClass::ConfigMissing);
    let file = dir.path().join("prompts").join(format!("{}.txt", Sha256::of(b"be brief")));
    crate::file::ensure_private_dir(file.parent().unwrap()).unwrap();
    crate::file::write_atomic(&file, b"be brief").unwrap();
    let call = opencode.call(&request).unwrap();
    assert!(words(&call).ends_with("--model p/m"), "{}", words(&call));
    assert_eq!(call.stdin, b"do it");
    let (name, config) = &call.env[0];
    assert_eq!(name, "OPENCODE_CONFIG_CONTENT");
    let config: Value = serde_json::from_str(config.to_str().unwrap()).unwrap();
    assert_eq!(config["instructions"], json!([file]));
}
