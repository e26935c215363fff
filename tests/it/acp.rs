//! Agents over the Agent Client Protocol that behave as no decent one would: shell scripts that speak just enough of it.

use serde_json::{Value, json};

use crate::support::sandbox::{Sandbox, finish, lives, of_kind, signal, wait_for};

/// Answers `initialize` and `session/new`, and has read the prompt.
const OPENS: &str = r#"
say() { printf '%s\n' "$1"; }
hear() { IFS= read -r line || exit 9; printf '%s\n' "$line" >> heard.txt; }
update() { say '{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s1","update":'"$1"'}}'; }
chunk() { update '{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"'"$1"'"}}'; }
hear; say '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":1,"agentCapabilities":{"mcpCapabilities":{"http":true}},"agentInfo":{"name":"sh","version":"1"}}}'
hear; say '{"jsonrpc":"2.0","id":2,"result":{"sessionId":"s1"}}'
hear
"#;

const ENDS: &str = r#"say '{"jsonrpc":"2.0","id":3,"result":{"stopReason":"end_turn"}}'"#;

/// An agent that does this after it has read the prompt.
fn agent(then: &str, rest: &str) -> Sandbox {
    let sandbox = Sandbox::new(&format!(
        "[agent]\nharness = \"acp\"\ncommand = [\"sh\", \"agent.sh\"]\n[retry]\nsame_model = 0\n{rest}"
    ));
    sandbox.write("agent.sh", &format!("{OPENS}{then}\n"));
    sandbox
}

fn failed(sandbox: &Sandbox) -> Value {
    sandbox.run(&["run", "do it"]);
    let events = sandbox.events();
    let failed = of_kind(&events, "attempt.failed");
    assert_eq!(failed.len(), 1, "{events:?}");
    failed[0].clone()
}

#[test]
fn an_answer_is_printed_and_the_prompt_was_on_record_before_the_agent_ran() {
    let sandbox = agent(&format!("chunk 'Well, '; chunk 'done.'; {ENDS}"), "");
    let ran = sandbox.run(&["run", "do it"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "Well, done.\n"), "{}", ran.err);
    let events = sandbox.events();
    let at = |kind: &str| events.iter().position(|event| event["kind"] == kind).unwrap();
    assert!(at("prompt.sent") < at("agent.spawned"));
    let accepted = of_kind(&events, "attempt.accepted")[0];
    assert_eq!((&accepted["session"], &accepted["agent"]), (&json!("s1"), &json!("sh 1")));
    assert_eq!(of_kind(&events, "agent.exited")[0]["cause"], "clean");
    let said = std::fs::read_to_string(sandbox.run_dir().join("rounds/root-1.in")).unwrap();
    assert_eq!(said, sandbox.read("heard.txt"), "what was said is kept");
}

#[test]
fn a_key_goes_to_the_agent_and_to_no_file_of_ours() {
    const TOKEN: &str = "token-of-the-docs-93ac";
    let mcp = "[agent.mcp.docs]\nurl = \"http://127.0.0.1:9/mcp\"\nkey_env = \"DOCS_TOKEN\"\n";
    let sandbox = agent(&format!("chunk done; {ENDS}"), mcp);
    let mut command = sandbox.command(&["run", "do it"]);
    let ran = finish(command.env("DOCS_TOKEN", TOKEN).spawn().unwrap());
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(sandbox.read("heard.txt").contains(&format!("\"value\":\"Bearer {TOKEN}\"")));
    let said = std::fs::read_to_string(sandbox.run_dir().join("rounds/root-1.in")).unwrap();
    assert!(said.contains("Bearer [secret:DOCS_TOKEN]") && !said.contains(TOKEN), "{said}");
    let events = sandbox.events();
    assert_eq!(of_kind(&events, "agent.exited")[0]["redacted"], 1);
}

#[test]
fn an_agent_without_a_server_over_http_is_refused_by_the_server_s_name() {
    let mcp = "[agent.mcp.docs]\nurl = \"http://127.0.0.1:9/mcp\"\n";
    let sandbox = agent(ENDS, mcp);
    let script = OPENS.replace(r#""mcpCapabilities":{"http":true}"#, "");
    sandbox.write("agent.sh", &script);
    let failed = failed(&sandbox);
    assert_eq!(failed["class"], "config_missing");
    assert!(failed["evidence"].as_str().unwrap().contains("agent.mcp.docs"), "{failed}");
}

#[test]
fn noise_and_a_huge_line_are_passed_over() {
    let noise = "echo 'Debugger attached.'; printf '\\377\\n'; echo '{\"jsonrpc\":'; echo '[1,2]'; \
                 head -c 20000000 /dev/zero | tr '\\0' 'x'; echo";
    let sandbox = agent(&format!("{noise}; chunk done; {noise}; {ENDS}"), "");
    let ran = sandbox.run(&["run", "do it"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "done\n"), "{}", ran.err);
}

#[test]
fn what_we_do_not_offer_is_answered_and_the_agent_goes_on() {
    let asks = r#"
for method in fs/read_text_file terminal/create _x/y; do
  say '{"jsonrpc":"2.0","id":"q","method":"'$method'","params":{}}'; hear
  case "$line" in *'"error":{"code":-32601'*) ;; *) exit 7;; esac
done
chunk done"#;
    let sandbox = agent(&format!("{asks}\n{ENDS}"), "");
    let ran = sandbox.run(&["run", "do it"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
}

#[test]
fn an_agent_that_asks_and_never_reads_is_ended() {
    let sandbox = agent(
        r#"while :; do say '{"jsonrpc":"2.0","id":"q","method":"terminal/create","params":{}}'; done"#,
        "",
    );
    let failed = failed(&sandbox);
    assert_eq!(failed["class"], "agent_crash");
    assert!(failed["evidence"].as_str().unwrap().contains("more than it reads"), "{failed}");
}

#[test]
fn an_agent_that_ends_without_an_answer_has_failed_by_how_it_ended() {
    for (then, class) in [("chunk half; exit 0", "transport"), ("echo oops >&2; exit 3", "agent_crash")] {
        assert_eq!(failed(&agent(then, ""))["class"], class, "{then}");
    }
    // One that speaks no ACP at all.
    let sandbox = agent("", "");
    sandbox.write("agent.sh", "echo 'usage: agent [TASK]'; exit 2");
    assert_eq!(failed(&sandbox)["class"], "agent_crash");
}

#[test]
fn an_agent_that_stays_after_its_answer_is_ended_and_the_answer_stands() {
    let sandbox =
        agent(&format!("chunk done; {ENDS}; exec sleep 1000"), "[round]\ngrace_after_result = \"300ms\"\n");
    let ran = sandbox.run(&["run", "do it"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "done\n"), "{}", ran.err);
    assert_eq!(of_kind(&sandbox.events(), "agent.exited")[0]["cause"], "lingered");
}

#[test]
fn an_interrupted_agent_is_first_asked_to_leave_its_work() {
    let leaves =
        format!("echo $$ > pid.txt; hear; {}; exec sleep 1000", ENDS.replace("end_turn", "cancelled"));
    // One leaves its work and stays, one hears nothing and heeds no TERM.
    for then in [leaves.as_str(), "trap '' TERM; echo $$ > pid.txt; while :; do sleep 0.1; done"] {
        let sandbox = agent(then, "[round]\ngrace = \"300ms\"\n");
        let provost = sandbox.start(&["run", "do it"]);
        let pid = sandbox.pid("pid.txt");
        signal(provost.id(), "INT");
        let ran = finish(provost);
        assert!(matches!(ran.code, Some(130) | None), "{:?} {}", ran.code, ran.err);
        wait_for("the end of the agent", || !lives(pid));
        let said = std::fs::read_to_string(sandbox.run_dir().join("rounds/root-1.in")).unwrap();
        assert!(said.lines().last().unwrap().contains("session/cancel"), "{said}");
        let events = sandbox.events();
        assert_eq!(of_kind(&events, "attempt.failed")[0]["class"], "user_abort");
    }
}

#[test]
fn a_program_that_is_not_there_is_told_before_a_run_is_made() {
    let sandbox = Sandbox::new("[agent]\nharness = \"acp\"\ncommand = [\"no-such-agent\", \"--acp\"]\n");
    let ran = sandbox.run(&["run", "do it"]);
    assert_eq!(ran.code, Some(4));
    assert!(ran.err.contains("no-such-agent"), "{}", ran.err);
    assert!(!sandbox.path(".provost").exists());
}
