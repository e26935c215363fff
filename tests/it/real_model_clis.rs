//! Real agent CLIs, each with a real model of the smallest size behind it: nothing here plays anything.
#![allow(clippy::disallowed_methods, clippy::allow_attributes, reason = "a test stands outside of the house")]

use crate::support::model::Served;
use crate::support::run::{Ran, Stage, needed};

const TASK: &str = "Say hello.";

/// One round of one turn.
fn one_turn(profile: &str) -> Ran {
    let stage = Stage::new(&format!(
        "schema = 1\nname = \"real-model\"\n{profile}\n[budget]\nrounds = 1\nwall = \"3m\"\n[prompt]\nsystem = \"You are terse.\"\n"
    ));
    std::fs::write(stage.path("home/short.md"), "You answer in one short sentence.\n").unwrap();
    std::fs::create_dir(stage.path("home/agent")).unwrap();
    let ran = stage.run(TASK, &[("PROVOST_TEST_KEY", "dummy-key-of-no-account-55aa")], &[]);
    let story = ran.story();
    assert_eq!(ran.output.status.code(), Some(0), "{story}");
    assert!(!ran.ended()["output"].as_str().unwrap().trim().is_empty(), "{story}");
    assert_eq!(ran.prompts("user"), [format!("{TASK}\n")], "{story}");
    let turns = ran.of("turn.ended");
    assert_eq!(turns.len(), 1, "{story}");
    let usage = ran.of("usage.reported");
    assert_eq!(usage.len(), 1, "{story}");
    let spend = &ran.ended()["spend"];
    let read = spend["input"].as_u64().unwrap() + spend["cache_read"].as_u64().unwrap();
    assert!(read > 10 && spend["output"].as_u64().unwrap() > 0, "{story}");
    assert_eq!((&spend["tokens_known"], &spend["usd_known"]), (&true.into(), &true.into()), "{story}");
    ran
}

#[test]
#[cfg_attr(
    not(all(real_codex, real_model)),
    ignore = "needs the Codex CLI and a model in a Python environment; .ci/install-real installs them"
)]
fn real_codex_does_a_turn_on_a_real_model() {
    let served = Served::start();
    // All that it tells a model of itself is twice what this one can read.
    let ran = one_turn(&format!(
        r#"
[agent]
harness = "codex"
model = "local/smollm2"
endpoint = "here"
command = ["{codex}"]
args = [
    "-c", "model_instructions_file=\"{{home}}/short.md\"", "-c", "web_search=\"disabled\"",
    "-c", "include_environment_context=false", "-c", "include_permissions_instructions=false",
    "-c", "include_apps_instructions=false", "-c", "skills.include_instructions=false",
    "--disable", "multi_agent", "--disable", "goals", "--disable", "apps", "--disable", "shell_tool",
    "--disable", "unified_exec",
]
[agent.env]
CODEX_HOME = "{{home}}/agent"
[endpoints.here]
api = "openai-responses"
base_url = "http://127.0.0.1:{port}/v1"
key_env = "PROVOST_TEST_KEY"
[prices]
"local/smollm2" = {{ input = 1.0, output = 2.0 }}
"#,
        codex = needed("PROVOST_TEST_CODEX").display(),
        port = served.port,
    ));
    assert_eq!(ran.of("usage.reported")[0]["source"], "priced", "{}", ran.story());
}

#[test]
#[cfg_attr(
    not(all(real_claude, real_model)),
    ignore = "needs the Claude Code CLI and a model in a Python environment; .ci/install-real installs them"
)]
fn real_claude_does_a_turn_on_a_real_model() {
    let served = Served::start();
    one_turn(&format!(
        r#"
[agent]
harness = "claude"
model = "local/smollm2"
endpoint = "here"
command = ["{claude}"]
args = ["--bare", "--tools", "", "--system-prompt", "You answer in one short sentence."]
[agent.env]
CLAUDE_CONFIG_DIR = "{{home}}/agent"
CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC = "1"
DISABLE_TELEMETRY = "1"
DISABLE_ERROR_REPORTING = "1"
[endpoints.here]
api = "anthropic"
base_url = "http://127.0.0.1:{port}/v1"
key_env = "PROVOST_TEST_KEY"
"#,
        claude = needed("PROVOST_TEST_CLAUDE").display(),
        port = served.port,
    ));
}
