//! The loop with the real Codex CLI.

use serde_json::Value;

use crate::support::http::{Recorded, Server};
use crate::support::responses::{self, Turn};
use crate::support::run::{holds, needed};
use crate::support::sandbox::{Sandbox, events, of_kind};

const KEY: &str = "dummy-key-of-no-account-51a8";
const FIRST: &str = "The first word is written.";

#[test]
#[cfg_attr(not(real_codex), ignore = "needs the Codex CLI; .ci/install-real installs it")]
fn real_codex_goes_on_with_its_session_in_the_next_round() {
    let server = Server::answering(|_, request| {
        Some(match responses::asks(request) {
            true if request.body.contains(FIRST) => responses::answer(&Turn::Say("And the second.")),
            true => responses::answer(&Turn::Say(FIRST)),
            false => responses::aside(),
        })
    });
    let codex = needed("PROVOST_TEST_CODEX");
    let sandbox = Sandbox::new(&format!(
        r#"
[agent]
harness = "codex"
model = "openai/gpt-5-codex"
endpoint = "here"
command = ["{codex}"]
permissions = "bypass"
[endpoints.here]
api = "openai-responses"
base_url = "{url}"
key_env = "PROVOST_TEST_KEY"
[lineage]
session = "continue"
[workspace]
dirty = "ignore"
[supervise]
pause = "50ms"
rounds = 2
"#,
        codex = codex.display(),
        url = server.url(),
    ));
    let mut command = sandbox.command(&["supervise", "Write one word more into words.txt."]);
    let output = command.env("PROVOST_TEST_KEY", KEY).output().unwrap();
    let events = events(&sandbox.run_dir());
    let lines: Vec<String> = events.iter().map(Value::to_string).collect();
    let story = format!("{}\n{}", String::from_utf8_lossy(&output.stderr), lines.join("\n"));
    assert_eq!(output.status.code(), Some(0), "{story}");
    let sessions: Vec<&Value> =
        of_kind(&events, "attempt.accepted").iter().map(|accepted| &accepted["session"]).collect();
    assert!(sessions.len() == 2 && sessions[0].is_string() && sessions[0] == sessions[1], "{story}");
    let turns: Vec<Recorded> = server.requests().into_iter().filter(responses::asks).collect();
    let known: Vec<bool> = turns.iter().map(|turn| turn.body.contains(FIRST)).collect();
    assert_eq!(known, [false, true], "{story}");
    assert!(!holds(&sandbox.path(".provost"), KEY.as_bytes()), "the key is on record");
}
