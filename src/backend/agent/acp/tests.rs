//! Conversations that no capture has.

use serde_json::{Value, json};

use super::client::{AcpDialect, Errand};
use super::servers::Servers;
use crate::backend::agent::{Dialect, ExitFacts, Signal};
use crate::backend::{Answer, Report, SessionPlan};
use crate::event::{Failure, FaultClass, FaultScope, SessionId};
use crate::profile::{Agent, McpServer, Permissions, element::Argv};

/// A conversation: what was said, what was reported.
struct Talk {
    dialect: AcpDialect,
    out: Vec<Signal>,
}

fn errand() -> Errand {
    Errand { prompt: "do it".to_owned(), workspace: "/w".into(), ..Errand::default() }
}

fn going_on() -> Errand {
    Errand { session: Some(SessionPlan::Continue(SessionId::new("old"))), ..errand() }
}

impl Talk {
    fn new(errand: Errand) -> Self {
        let mut talk = Self { dialect: AcpDialect::new(errand), out: Vec::new() };
        talk.dialect.open(&mut talk.out);
        talk
    }

    /// One whose agent has answered `initialize`.
    fn with(errand: Errand, capabilities: &Value) -> Self {
        let mut talk = Self::new(errand);
        talk.answer(&json!({ "protocolVersion": 1, "agentCapabilities": capabilities,
            "authMethods": [{"id": "oauth", "name": "o"}, {"id": "x-api-key", "name": "k"}] }));
        talk
    }

    /// One in which the prompt has been sent.
    fn prompted(errand: Errand) -> Self {
        let mut talk = Self::with(errand, &json!({}));
        talk.answer(&json!({ "sessionId": "s" }));
        assert_eq!(talk.said()["method"], "session/prompt");
        talk
    }

    fn hear(&mut self, value: &Value) {
        self.dialect.line(value.to_string().as_bytes(), &mut self.out);
    }

    /// Answers the last request.
    fn answer(&mut self, result: &Value) {
        let id = self.said()["id"].clone();
        self.hear(&json!({ "jsonrpc": "2.0", "id": id, "result": result }));
    }

    fn refuse(&mut self, code: i64, message: &str) {
        let id = self.said()["id"].clone();
        self.hear(&json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } }));
    }

    fn update(&mut self, update: &Value) {
        self.hear(&json!({ "method": "session/update", "params": { "sessionId": "s", "update": update } }));
    }

    fn says(&mut self, text: &str) {
        self.update(
            &json!({ "sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text} }),
        );
    }

    /// What we said last.
    fn said(&self) -> Value {
        let said = self.out.iter().rev().find_map(|signal| match signal {
            Signal::Say(line) => Some(serde_json::from_slice(line).unwrap()),
            _ => None,
        });
        said.unwrap()
    }

    fn count(&self) -> usize {
        self.out.iter().filter(|signal| matches!(signal, Signal::Say(_))).count()
    }

    fn fatal(&self) -> Option<&Failure> {
        self.out.iter().find_map(|signal| match signal {
            Signal::Fatal(failure) => Some(failure),
            _ => None,
        })
    }

    fn alerts(&self) -> Vec<&str> {
        let mut alerts = Vec::new();
        for report in self.reports() {
            if let Report::Alert(alert) = report {
                alerts.push(alert.alert.as_str());
            }
        }
        alerts
    }

    fn reports(&self) -> Vec<&Report> {
        let mut reports = Vec::new();
        for signal in &self.out {
            if let Signal::Report(report) = signal {
                reports.push(report);
            }
        }
        reports
    }

    fn ended(mut self) -> (Result<Answer, Failure>, Vec<Signal>) {
        self.dialect.end(&mut self.out);
        (self.dialect.finish(ExitFacts { code: Some(0), signal: None }, "told on stderr"), self.out)
    }

    fn stops(mut self, reason: &str) -> Result<Answer, Failure> {
        let id = self.prompt_id();
        self.hear(&json!({ "id": id, "result": { "stopReason": reason } }));
        self.ended().0
    }

    /// The number of the prompt's request.
    fn prompt_id(&self) -> Value {
        let said = self.out.iter().find_map(|signal| match signal {
            Signal::Say(line) => {
                let value: Value = serde_json::from_slice(line).unwrap();
                (value["method"] == "session/prompt").then(|| value["id"].clone())
            }
            _ => None,
        });
        said.unwrap()
    }
}

fn permission(kind: &str) -> Value {
    json!({
        "jsonrpc": "2.0", "id": "p1", "method": "session/request_permission",
        "params": {
            "sessionId": "s", "toolCall": { "toolCallId": "t1", "title": "Do a thing", "kind": kind },
            "options": [
                { "optionId": "always", "name": "", "kind": "allow_always" },
                { "optionId": "once", "name": "", "kind": "allow_once" },
                { "optionId": "no", "name": "", "kind": "reject_once" },
            ],
        },
    })
}

#[test]
fn each_reason_to_stop_is_a_verdict() {
    let stopped = |reason: &str| {
        let mut talk = Talk::prompted(errand());
        talk.says("words");
        talk.stops(reason)
    };
    assert_eq!(stopped("end_turn").unwrap().text, "words");
    let rows = [
        ("max_tokens", FaultClass::OutputLimit),
        ("max_turn_requests", FaultClass::BudgetLimit),
        ("refusal", FaultClass::ContentPolicy),
        ("cancelled", FaultClass::UserAbort),
        ("tired", FaultClass::Unknown),
    ];
    for (reason, class) in rows {
        let failure = stopped(reason).unwrap_err();
        assert_eq!((failure.class, failure.emitted_output), (class, true), "{reason}");
        assert!(failure.evidence.contains(reason), "{failure:?}");
    }
}

#[test]
fn silence_is_no_answer() {
    assert_eq!(Talk::prompted(errand()).stops("end_turn").unwrap_err().class, FaultClass::NoPayload);
    let mut talk = Talk::prompted(errand());
    talk.says(" \n");
    assert_eq!(talk.stops("end_turn").unwrap_err().class, FaultClass::NoPayload);
}

#[test]
fn an_agent_that_goes_without_an_answer_has_failed() {
    let mut talk = Talk::prompted(errand());
    talk.says("half");
    let (verdict, _) = talk.ended();
    let failure = verdict.unwrap_err();
    assert_eq!((failure.class, failure.emitted_output), (FaultClass::Transport, true));
    assert_eq!(failure.evidence, "told on stderr");
    // Also before it has said anything at all.
    assert_eq!(Talk::new(errand()).ended().0.unwrap_err().class, FaultClass::Transport);
}

#[test]
fn a_refused_request_is_classified_by_code_and_words() {
    let rows = [
        (401, "x", FaultClass::Auth, Some(401)),
        (429, "Rate limit exceeded. Try again later.", FaultClass::RateLimited, Some(429)),
        (
            500,
            r#"{"error":{"code":400,"message":"API key not valid","status":"INVALID_ARGUMENT"}}"#,
            FaultClass::ServerError,
            Some(500),
        ),
        (
            0,
            r#"{"error":{"code":403,"message":"no","status":"PERMISSION_DENIED"}}"#,
            FaultClass::Forbidden,
            Some(403),
        ),
        (-32603, "Internal error: Incorrect API key provided: dummy", FaultClass::Auth, None),
        (-32603, "Internal error", FaultClass::Unknown, None),
        (-32602, "Session not found: s", FaultClass::RequestInvalid, None),
        (-32800, "given up", FaultClass::UserAbort, None),
    ];
    for (code, message, class, status) in rows {
        let mut talk = Talk::prompted(errand());
        talk.refuse(code, message);
        assert!(talk.out.iter().any(|signal| matches!(signal, Signal::Close)));
        let failure = talk.ended().0.unwrap_err();
        assert_eq!((failure.class, failure.status), (class, status), "{code} {message}: {failure:?}");
    }
}

#[test]
fn a_reason_that_is_told_beside_the_message_is_told() {
    let mut talk = Talk::with(going_on(), &json!({ "loadSession": true }));
    let error = json!({ "code": -32603, "message": "Internal error", "data": { "details": "No previous sessions found" } });
    let id = talk.said()["id"].clone();
    talk.hear(&json!({ "id": id, "error": error }));
    let failure = talk.fatal().unwrap();
    assert_eq!(failure.class, FaultClass::RequestInvalid);
    assert_eq!(failure.evidence, "Internal error: No previous sessions found");
}

#[test]
fn a_permission_is_given_as_the_profile_says() {
    use Permissions::{AcceptEdits, Bypass, ReadOnly};
    let rows = [
        (Some(Bypass), "execute", "once"),
        (Some(AcceptEdits), "edit", "once"),
        (Some(AcceptEdits), "read", "once"),
        (Some(AcceptEdits), "execute", "no"),
        (Some(ReadOnly), "read", "once"),
        (Some(ReadOnly), "edit", "no"),
        (Some(ReadOnly), "something-new", "no"),
        (None, "read", "no"),
    ];
    for (permissions, kind, option) in rows {
        let mut talk = Talk::prompted(Errand { permissions, ..errand() });
        talk.hear(&permission(kind));
        let said = talk.said();
        assert_eq!(said["id"], "p1");
        assert_eq!(
            said["result"]["outcome"],
            json!({"outcome": "selected", "optionId": option}),
            "{permissions:?} {kind}"
        );
        let expected: &[&str] = if permissions.is_none() { &["permissions-unset"] } else { &[] };
        assert_eq!(talk.alerts(), expected);
    }
}

#[test]
fn a_permission_that_is_asked_twice_is_alerted_once() {
    let mut talk = Talk::prompted(errand());
    talk.hear(&permission("edit"));
    talk.hear(&permission("edit"));
    assert_eq!((talk.alerts().len(), talk.count()), (1, 5));
}

#[test]
fn an_agent_that_ends_on_a_refused_tool_has_not_done_it() {
    let mut talk = Talk::prompted(Errand { permissions: Some(Permissions::ReadOnly), ..errand() });
    talk.says("I will write.");
    talk.hear(&permission("edit"));
    assert_eq!(talk.stops("end_turn").unwrap_err().class, FaultClass::ToolError);

    let mut talk = Talk::prompted(Errand { permissions: Some(Permissions::ReadOnly), ..errand() });
    talk.hear(&permission("edit"));
    talk.says("I may not, and here is why.");
    assert!(talk.stops("end_turn").is_ok());
}

#[test]
fn a_tool_that_nobody_was_asked_about_is_told_of() {
    let worked = |permissions, kind: &str, ask: bool| {
        let mut talk = Talk::prompted(Errand { permissions, ..errand() });
        if ask {
            talk.hear(&permission(kind));
        }
        talk.update(&json!({ "sessionUpdate": "tool_call", "toolCallId": "t1", "title": "x", "kind": kind }));
        talk.update(
            &json!({ "sessionUpdate": "tool_call_update", "toolCallId": "t1", "status": "completed" }),
        );
        talk.alerts().len()
    };
    assert_eq!(worked(Some(Permissions::ReadOnly), "edit", false), 1);
    assert_eq!(worked(Some(Permissions::ReadOnly), "read", false), 0);
    assert_eq!(worked(Some(Permissions::AcceptEdits), "execute", false), 1);
    assert_eq!(worked(Some(Permissions::Bypass), "execute", true), 0);
    assert_eq!(worked(None, "execute", false), 0);
}

#[test]
fn read_only_is_also_a_mode_where_there_is_one() {
    let mut talk = Talk::with(Errand { permissions: Some(Permissions::ReadOnly), ..errand() }, &json!({}));
    talk.answer(&json!({ "sessionId": "s", "modes": { "currentModeId": "default",
        "availableModes": [{ "id": "default", "name": "" }, { "id": "plan", "name": "" }] } }));
    let said = talk.said();
    assert_eq!((&said["method"], &said["params"]["modeId"]), (&json!("session/set_mode"), &json!("plan")));
    talk.refuse(-32603, "no");
    assert_eq!((talk.alerts(), talk.said()["method"].as_str()), (vec!["mode"], Some("session/prompt")));
}

#[test]
fn a_model_is_set_before_anything_is_asked_of_it_or_refused_by_name() {
    let opened = json!({ "sessionId": "s", "models": { "currentModelId": "m",
        "availableModels": [{ "modelId": "m" }, { "modelId": "n" }] } });
    let talk = |model: &str, opened: &Value| {
        let mut talk = Talk::with(Errand { model: Some(model.to_owned()), ..errand() }, &json!({}));
        talk.answer(opened);
        talk
    };
    assert_eq!(talk("p/m", &opened).said()["method"], "session/prompt", "it is set already");
    let mut set = talk("p/n", &opened);
    let said = set.said();
    assert_eq!((&said["method"], &said["params"]["modelId"]), (&json!("session/set_model"), &json!("n")));
    let accepted = set
        .reports()
        .iter()
        .any(|report| matches!(report, Report::Accepted(accepted) if accepted.model.as_deref() == Some("n")));
    assert!(accepted);
    set.answer(&json!({}));
    assert_eq!(set.said()["method"], "session/prompt");

    let mut refused = talk("p/n", &opened);
    refused.refuse(404, "no such model");
    assert_eq!(refused.fatal().unwrap().class, FaultClass::ModelNotFound);
    let other = talk("p/o", &opened);
    let failure = other.fatal().unwrap();
    assert_eq!(failure.class, FaultClass::ModelNotFound);
    assert!(failure.evidence.contains("`p/o`") && failure.evidence.contains("m, n"), "{failure:?}");
    let none = talk("p/n", &json!({ "sessionId": "s" }));
    assert_eq!(none.fatal().unwrap().class, FaultClass::ConfigMissing);
}

#[test]
fn a_continued_session_is_resumed_where_that_is_possible_and_else_loaded() {
    let talk =
        Talk::with(going_on(), &json!({ "loadSession": true, "sessionCapabilities": { "resume": {} } }));
    assert_eq!(talk.said()["method"], "session/resume");
    assert_eq!(talk.said()["params"]["sessionId"], "old");
    let talk = Talk::with(going_on(), &json!({ "loadSession": true }));
    assert_eq!(talk.said()["method"], "session/load");
    let talk = Talk::with(going_on(), &json!({}));
    let failure = talk.fatal().unwrap();
    assert_eq!(failure.class, FaultClass::RequestInvalid);
    assert!(failure.evidence.contains("session/load") && failure.evidence.contains("`old`"), "{failure:?}");
}

/// Some agents answer `session/load` and tell the past afterwards.
#[test]
fn the_past_is_not_told_again() {
    let mut talk = Talk::with(going_on(), &json!({ "loadSession": true }));
    let past = |talk: &mut Talk| {
        for update in [
            json!({ "sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "past"} }),
            json!({ "sessionUpdate": "tool_call", "toolCallId": "t", "title": "x", "status": "completed" }),
            json!({ "sessionUpdate": "usage_update", "used": 1, "size": 2, "cost": {"amount": 3.0, "currency": "USD"} }),
        ] {
            talk.hear(
                &json!({ "method": "session/update", "params": { "sessionId": "old", "update": update } }),
            );
        }
    };
    past(&mut talk);
    talk.answer(&json!({ "modes": { "currentModeId": "default", "availableModes": [] } }));
    assert_eq!(talk.said()["method"], "session/set_mode");
    past(&mut talk);
    talk.refuse(-32601, "no such method");
    assert_eq!(talk.said()["method"], "session/prompt");
    let update =
        json!({ "sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "now"} });
    talk.hear(&json!({ "method": "session/update", "params": { "sessionId": "old", "update": update } }));
    talk.answer(&json!({ "stopReason": "end_turn", "usage": { "inputTokens": 5, "outputTokens": 5 } }));
    let told = |report: &&Report| matches!(report, Report::ToolCalled(_) | Report::Usage(_));
    assert!(!talk.reports().iter().any(told));
    assert_eq!(talk.ended().0.unwrap().text, "now");
}

#[test]
fn a_login_that_needs_nobody_is_tried_once() {
    let mut talk = Talk::with(errand(), &json!({}));
    talk.refuse(-32000, "Authentication required");
    assert_eq!(talk.said()["method"], "authenticate");
    assert_eq!(talk.said()["params"]["methodId"], "x-api-key");
    talk.answer(&json!({}));
    assert_eq!(talk.said()["method"], "session/new");
    talk.refuse(-32000, "Authentication required");
    let failure = talk.fatal().unwrap();
    assert_eq!((failure.class, failure.scope), (FaultClass::Auth, FaultScope::Account));
    assert!(failure.evidence.contains("agent.inherit_env"), "{failure:?}");
    assert_eq!(talk.ended().0.unwrap_err().class, FaultClass::Auth);
}

#[test]
fn another_version_of_the_protocol_is_refused() {
    let mut talk = Talk::new(errand());
    talk.answer(&json!({ "protocolVersion": 7 }));
    let failure = talk.fatal().unwrap();
    assert_eq!((failure.class, failure.scope), (FaultClass::ConfigMissing, FaultScope::Local));
    assert!(failure.evidence.contains("version 7"), "{failure:?}");
}

fn server(command: Option<&str>, url: Option<&str>, key: Option<&str>) -> McpServer {
    McpServer {
        command: command.map(|command| Argv(command.split(' ').map(str::to_owned).collect())),
        env: command.map(|_| ("A".to_owned(), "b".to_owned())).into_iter().collect(),
        url: url.map(str::to_owned),
        key_env: key.map(str::to_owned),
    }
}

#[test]
fn servers_are_handed_over_with_their_keys_or_refused_by_name() {
    let mut agent: Agent = serde_json::from_value(json!({ "harness": "acp", "inherit_env": [] })).unwrap();
    agent.mcp.insert("docs".to_owned(), server(Some("npx docs"), None, None));
    agent.mcp.insert("web".to_owned(), server(None, Some("http://h/mcp"), Some("TOKEN")));
    let environment = [("TOKEN".into(), "the-token".into())];
    let errand = Errand { servers: Servers::new(&agent, &environment), ..errand() };
    assert!(!format!("{errand:?}").contains("the-token"));

    let talk = Talk::with(errand.clone(), &json!({ "mcpCapabilities": { "http": true } }));
    assert_eq!(
        talk.said()["params"]["mcpServers"],
        json!([
            { "name": "docs", "command": "npx", "args": ["docs"], "env": [{ "name": "A", "value": "b" }] },
            { "type": "http", "name": "web", "url": "http://h/mcp",
              "headers": [{ "name": "Authorization", "value": "Bearer the-token" }] },
        ])
    );
    let talk = Talk::with(errand, &json!({}));
    let failure = talk.fatal().unwrap();
    assert_eq!(failure.class, FaultClass::ConfigMissing);
    assert!(failure.evidence.contains("`agent.mcp.web`"), "{failure:?}");
}

#[test]
fn what_is_not_offered_is_answered_and_not_done() {
    let mut talk = Talk::prompted(errand());
    for method in ["fs/read_text_file", "fs/write_text_file", "terminal/create", "elicitation/create", "_x/y"]
    {
        talk.hear(&json!({ "id": 4, "method": method, "params": {} }));
        assert_eq!(
            (&talk.said()["id"], &talk.said()["error"]["code"]),
            (&json!(4), &json!(-32601)),
            "{method}"
        );
    }
    talk.hear(&json!({ "id": 5, "method": "session/request_permission", "params": { "options": 7 } }));
    assert_eq!(talk.said()["error"]["code"], -32602);
    let before = talk.count();
    talk.hear(&json!({ "method": "_x/notice", "params": {} }));
    assert_eq!(talk.count(), before, "a notification has no answer");
}

#[test]
fn an_interrupted_agent_is_asked_to_leave_its_work_and_gets_no_more_leave() {
    let mut talk = Talk::with(errand(), &json!({}));
    assert!(!talk.dialect.interrupt(&mut Vec::new()), "there is no work yet");
    talk.answer(&json!({ "sessionId": "s" }));
    assert!(talk.dialect.interrupt(&mut talk.out));
    assert_eq!((talk.said()["method"].as_str(), talk.said().get("id")), (Some("session/cancel"), None));
    talk.hear(&permission("read"));
    assert_eq!(talk.said()["result"]["outcome"]["outcome"], "cancelled");
}

#[test]
fn answers_that_nobody_waits_for_are_nothing() {
    let mut talk = Talk::prompted(errand());
    let before = talk.out.len();
    for id in [json!(1), json!(99), json!(-1), json!("x"), json!(null), json!(1.5)] {
        talk.hear(&json!({ "id": id, "result": { "stopReason": "end_turn" } }));
    }
    assert_eq!(talk.out.len(), before);
}

#[test]
fn another_session_is_not_ours() {
    let mut talk = Talk::prompted(errand());
    let update =
        json!({ "sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "theirs"} });
    talk.hear(&json!({ "method": "session/update", "params": { "sessionId": "other", "update": update } }));
    assert_eq!(talk.stops("end_turn").unwrap_err().class, FaultClass::NoPayload);
}

#[test]
fn a_thought_is_a_sign_of_the_model_and_no_answer() {
    let mut talk = Talk::prompted(errand());
    talk.update(
        &json!({ "sessionUpdate": "agent_thought_chunk", "content": {"type": "text", "text": "hm"} }),
    );
    talk.dialect.flush(&mut talk.out);
    assert!(talk.reports().iter().any(|report| matches!(report, Report::Begun)));
    assert_eq!(talk.stops("end_turn").unwrap_err().class, FaultClass::NoPayload);
}

#[test]
fn a_tool_whose_end_is_too_long_to_read_has_ended() {
    let mut talk = Talk::prompted(errand());
    talk.update(&json!({ "sessionUpdate": "tool_call", "toolCallId": "t1", "title": "x", "kind": "read" }));
    let line = r#"{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s","update":{"sessionUpdate":"tool_call_update","toolCallId":"t1","status":"completed","content":[{"type":"content","content":{"type":"text","text":"äaaaa"#;
    talk.dialect.line(line.as_bytes(), &mut talk.out);
    let returned = |report: &&Report| matches!(report, Report::ToolReturned { ok: true, .. });
    assert!(talk.reports().iter().any(returned));
}

#[test]
fn a_flood_of_tools_is_bounded_and_a_tool_that_is_told_of_twice_is_one() {
    let mut talk = Talk::prompted(errand());
    for index in 0..3000 {
        talk.update(&json!({ "sessionUpdate": "tool_call", "toolCallId": index.to_string(), "title": "x" }));
    }
    let called =
        |talk: &Talk| talk.reports().iter().filter(|report| matches!(report, Report::ToolCalled(_))).count();
    assert_eq!(called(&talk), 1024);
    for _ in 0..3 {
        talk.update(&json!({ "sessionUpdate": "tool_call_update", "toolCallId": "7", "status": "failed" }));
    }
    assert_eq!(called(&talk), 1024);
    let returned = |report: &&&Report| matches!(report, Report::ToolReturned { ok: false, .. });
    assert_eq!(talk.reports().iter().filter(returned).count(), 1);
}

#[test]
fn usage_is_what_is_certain() {
    let used = |talk: Talk| {
        let (_, out) = talk.ended();
        out.iter().find_map(|signal| match signal {
            Signal::Report(Report::Usage(reported)) => Some(reported.usage),
            _ => None,
        })
    };
    let said = json!({ "stopReason": "end_turn", "usage": { "inputTokens": 3, "outputTokens": 4, "thoughtTokens": 5 } });
    let mut talk = Talk::prompted(errand());
    let cost = json!({ "sessionUpdate": "usage_update", "used": 1, "size": 2, "cost": { "amount": 0.5, "currency": "USD" } });
    talk.update(&cost);
    talk.answer(&said);
    let usage = used(talk).unwrap();
    assert_eq!((usage.input, usage.output, usage.usd), (3, 9, Some(0.5)));
    // After a tool, nobody knows what it counts.
    let mut talk = Talk::prompted(errand());
    talk.update(&json!({ "sessionUpdate": "tool_call", "toolCallId": "1", "title": "x" }));
    talk.answer(&said);
    assert!(used(talk).is_none());
    // Nothing is not zero.
    let mut talk = Talk::prompted(errand());
    talk.answer(
        &json!({ "stopReason": "end_turn", "_meta": { "quota": { "token_count": { "input_tokens": 0 } } } }),
    );
    assert!(used(talk).is_none());
}
