//! The real opencode CLI with a real model of the smallest size behind it: nothing here plays anything.
#![allow(clippy::disallowed_methods, clippy::allow_attributes, reason = "a test stands outside of the house")]

use serde_json::json;

use crate::support::model::Served;
use crate::support::run::{Stage, needed};

const TASK: &str = "Say hello.";

#[test]
#[cfg_attr(
    not(all(real_opencode, real_model)),
    ignore = "needs the opencode CLI and a model in a Python environment; .ci/install-real installs them"
)]
fn real_opencode_does_a_turn_on_a_real_model() {
    let served = Served::start();
    let stage = Stage::new(&format!(
        r#"
schema = 1
name = "real-model"
[agent]
harness = "opencode"
model = "local/smollm2"
endpoint = "here"
command = ["{opencode}"]
[agent.env]
npm_config_offline = "true"
[model]
temperature = 0.0
[endpoints.here]
api = "openai"
base_url = "http://127.0.0.1:{port}/v1"
[prompt]
system = "You are terse."
[prices]
"local/smollm2" = {{ input = 1.0, output = 2.0 }}
[budget]
rounds = 1
wall = "3m"
"#,
        opencode = needed("PROVOST_TEST_OPENCODE").display(),
        port = served.port,
    ));
    // All that it tells a model of itself and of its tools is more than this one can follow.
    let own = stage.path("home/.config/opencode");
    std::fs::create_dir_all(&own).unwrap();
    let build = json!({ "prompt": "You answer in one short sentence.", "tools": { "*": false } });
    std::fs::write(own.join("opencode.json"), json!({ "agent": { "build": build } }).to_string()).unwrap();
    let ran = stage.run(TASK, &[], &[]);
    let story = ran.story();
    assert_eq!(ran.output.status.code(), Some(0), "{story}");
    assert!(!ran.ended()["output"].as_str().unwrap().trim().is_empty(), "{story}");
    assert_eq!(ran.prompts("user"), [format!("{TASK}\n")], "{story}");
    let turns = ran.of("turn.ended");
    assert_eq!(turns.len(), 1, "{story}");
    assert_eq!(turns[0]["source"], "priced", "{story}");
    let spend = &ran.ended()["spend"];
    let read = spend["input"].as_u64().unwrap() + spend["cache_read"].as_u64().unwrap();
    assert!(read > 10 && spend["output"].as_u64().unwrap() > 0, "{story}");
    assert_eq!((&spend["tokens_known"], &spend["usd_known"]), (&true.into(), &true.into()), "{story}");
}
