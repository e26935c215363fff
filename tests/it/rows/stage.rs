//! A chain of agents that are shell scripts and speak the lines of Claude Code.

use serde_json::Value;

use crate::support::sandbox::{Ran, Sandbox, of_kind};

/// What every script may say.
const WORDS: &str = r#"
[ "$1" = --version ] && { echo "2.1.328 (Claude Code)"; exit; }
begin() { echo '{"type":"system","subtype":"init","session_id":"s-'$$'"}'; }
say() { echo '{"type":"assistant","message":{"id":"m'$$'","content":[{"type":"text","text":"'"$1"'"}]}}'; }
result() { echo '{"type":"result","subtype":"success","is_error":false,"result":"'"$1"'"}'; }
answer() { begin; say "$1"; result "$1"; }
# A status, and a text.
fails() { begin; echo '{"type":"result","subtype":"success","is_error":true,"api_error_status":'$1',"result":"'"$2"'"}'; exit 1; }
# A number, a status, a label, a wait in milliseconds.
retries() { echo '{"type":"system","subtype":"api_retry","attempt":'$1',"error_status":'$2',"error":"'$3'","retry_delay_ms":'$4'}'; }
echo x >> "asked.$NAME"
"#;

/// A primary and its fallbacks: names, which are providers too, and scripts.
pub(super) fn chain(agents: &[(&str, &str)], rest: &str) -> Sandbox {
    let entry = |name: &str| format!("model = \"{name}/m\"\ncommand = [\"sh\", \"{name}.sh\"]\n");
    let fallback: Vec<String> = agents[1..]
        .iter()
        .map(|(name, _)| format!("{{ {} }}", entry(name).trim_end().replace('\n', ", ")))
        .collect();
    let sandbox = Sandbox::new(&format!(
        "[agent]\nharness = \"claude\"\npermissions = \"bypass\"\n{}fallback = [{}]\n{rest}\n",
        entry(agents[0].0),
        fallback.join(", ")
    ));
    for (name, script) in agents {
        sandbox.write(&format!("{name}.sh"), &format!("NAME={name}\n{WORDS}\n{script}\n"));
    }
    sandbox
}

/// One try on each candidate, as a table of the profile that other keys can follow.
pub(super) const ONCE: &str = "[retry]\nsame_model = 0\n";

/// How often an agent was started.
pub(super) fn asked(sandbox: &Sandbox, name: &str) -> usize {
    sandbox.read(&format!("asked.{name}")).lines().count()
}

/// Runs, and asserts how it ends.
#[track_caller]
pub(super) fn ends(sandbox: &Sandbox, code: i32, out: &str) -> Vec<Value> {
    let ran = sandbox.run(&["run", "Paint the wall."]);
    ended(sandbox, &ran, code, out)
}

/// Asserts how a run has ended.
#[track_caller]
pub(super) fn ended(sandbox: &Sandbox, ran: &Ran, code: i32, out: &str) -> Vec<Value> {
    let events = sandbox.events();
    assert_eq!((ran.code, ran.out.trim_end()), (Some(code), out), "{}\n{}", ran.err, story(&events));
    events
}

/// All that one needs to see when an assertion fails.
pub(super) fn story(events: &[Value]) -> String {
    events.iter().map(Value::to_string).collect::<Vec<_>>().join("\n")
}

/// The classes of the failed attempts.
pub(super) fn classes(events: &[Value]) -> Vec<&str> {
    of_kind(events, "attempt.failed").iter().map(|failed| failed["class"].as_str().unwrap()).collect()
}

/// The candidates of the attempts.
pub(super) fn candidates(events: &[Value]) -> Vec<u64> {
    of_kind(events, "attempt.started")
        .iter()
        .map(|started| started["candidate"].as_u64().unwrap_or_default())
        .collect()
}

/// The switches: from where to where.
pub(super) fn switches(events: &[Value]) -> Vec<(&str, &str)> {
    of_kind(events, "fallback.switched")
        .iter()
        .map(|event| (event["from"].as_str().unwrap(), event["to"].as_str().unwrap()))
        .collect()
}
