//! A real `opencode serve` against a server on this machine that plays the model.
#![allow(clippy::disallowed_methods, clippy::allow_attributes, reason = "a test stands outside of the house")]

use crate::support::http::{Recorded, Server};
use crate::support::run::{Ran, Stage};
use provost::backend::opencode::OpencodeServer;
use provost::backend::{Answer, Harness as _, Link, Request, SessionPlan, Stop};
use provost::event::{AttemptNumber, Failure, FaultClass, NodeId, RoundNumber, SessionId};
use provost::profile::Source;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

mod stage;

use stage::*;

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
        // Its dollars are from a catalogue, here the one of its configuration.
        assert_eq!(
            (&usage["input"], &usage["output"], &usage["source"]),
            (&json!(80), &json!(7), &json!("priced"))
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
    assert_eq!(ran.classes(), ["auth"], "{}", ran.story());
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
    assert_eq!(ran.classes(), ["stall"], "{}", ran.story());
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
        assert_eq!(ran.classes(), ["user_abort"], "{mode}: {story}");
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
        assert_eq!(ran.classes(), ["transport"], "{mode}: {story}");
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
    assert_eq!(ran.classes(), ["agent_crash"], "{story}");
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

#[test]
#[cfg_attr(not(real_opencode), ignore = "needs opencode; .ci/install-real installs it")]
fn real_opencode_server_continues_a_session_and_forks_one() {
    let knows =
        |request: &Recorded| said(request).contains(&("assistant".to_owned(), "first answer".to_owned()));
    let (ran, requests) = rounds("");
    let fresh = ran.sessions("attempt.accepted");
    assert_ne!(fresh[0], fresh[1]);
    assert!(!knows(&requests[1]));

    let (ran, requests) = rounds("[lineage]\nsession = \"continue\"");
    let continued = ran.sessions("attempt.accepted");
    assert_eq!(continued[0], continued[1]);
    assert!(knows(&requests[1]), "{:?}", said(&requests[1]));
    assert!(said(&requests[1])[0].1.ends_with(SYSTEM));

    let (ran, requests) = rounds("[lineage]\nsession = \"continue\"\nfork = \"require\"");
    let forked = ran.sessions("attempt.accepted");
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
            assert_eq!(ran.classes(), [class], "{mode}: {story}");
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
    assert_eq!(ran.classes(), ["transport"], "{story}");
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
        assert_eq!(ran.classes(), ["tool_error"], "{mode}: {story}");
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
    assert_eq!(ran.classes(), ["model_not_found"], "{}", ran.story());
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
            terse: false,
            takes_cut: false,
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
