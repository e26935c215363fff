//! A task moves from one agent to another by one line of its profile.

use crate::support::sandbox::{Sandbox, of_kind};

/// A profile that says all that every agent CLI honours, with one line left open.
const REST: &str = "permissions = \"bypass\"\n[prompt]\nsystem = \"Be brief.\"\n[lineage]\nsession = \"continue\"\n\
                    [check]\ncommand = [\"true\"]\n[budget]\nrounds = 3\n";

#[test]
fn is_the_harness_line_all_that_moves_a_task_to_another_agent() {
    for harness in ["claude", "codex", "opencode", "gemini", "aider", "opencode-server"] {
        let sandbox = Sandbox::new(&format!("[agent]\nharness = \"{harness}\"\n{REST}"));
        let ran = sandbox.run(&["run", "--dry-run", "Paint the wall."]);
        assert_eq!(ran.code, Some(0), "{harness}: {}", ran.err);
        let events = sandbox.events();
        let parts: Vec<&str> =
            of_kind(&events, "prompt.sent").iter().map(|sent| sent["part"].as_str().unwrap()).collect();
        assert_eq!(parts, ["system", "user"], "{harness}");
        // Without the program nothing is spent, and the remedy is named.
        let ran = sandbox.command(&["run", "Paint the wall."]).env("PATH", "/nowhere").output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(ran.status.code(), Some(4), "{harness}: {said}");
        let program = harness.trim_end_matches("-server");
        assert!(
            said.contains(&format!("`{program}`")) && said.contains("agent.command"),
            "{harness}: {said}"
        );
    }
}
