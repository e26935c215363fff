//! A real model of the smallest size, on this machine, behind a real server.

use crate::support::model::Served;
use crate::support::run::Stage;

#[test]
#[cfg_attr(not(real_model), ignore = "needs a model in a Python environment; .ci/install-real installs it")]
fn real_model_answers_and_its_usage_is_on_record() {
    let served = Served::start();
    let stage = Stage::new(&format!(
        r#"
schema = 1
name = "real-model"
[agent]
harness = "chat"
model = "local/smollm2"
endpoint = "here"
tools = []
[model]
temperature = 0.0
seed = 7
[endpoints.here]
api = "openai"
base_url = "http://127.0.0.1:{port}/v1"
[prices]
"local/smollm2" = {{ input = 1.0, output = 2.0 }}
[prompt]
system = "You answer in one short sentence."
[budget]
wall = "3m"
"#,
        port = served.port,
    ));
    let task = "What is the capital of France?";
    let ran = stage.run(task, &[], &["--json"]);
    let story = ran.story();
    assert_eq!(ran.output.status.code(), Some(0), "{story}");

    let answer = ran.ended()["output"].as_str().unwrap();
    assert!(!answer.trim().is_empty(), "{story}");
    // What is printed with `--json` is the journal, to the byte.
    let journal = std::fs::read_to_string(ran.dir.join("journal.jsonl")).unwrap();
    let printed = String::from_utf8(ran.output.stdout.clone()).unwrap();
    assert!(journal.ends_with(&printed) && !printed.is_empty(), "{printed}");
    assert!(ran.prompts("user").iter().any(|text| text.contains(task)), "{story}");

    let turns = ran.of("turn.ended");
    assert_eq!(turns.len(), 1, "{story}");
    assert_eq!(turns[0]["source"], "priced", "{story}");
    assert!(answer.starts_with(turns[0]["preview"].as_str().unwrap()), "{story}");
    let spend = &ran.ended()["spend"];
    assert!(spend["input"].as_u64().unwrap() > 10, "{story}");
    assert!(spend["output"].as_u64().unwrap() > 0, "{story}");
    assert_eq!((&spend["usd_known"], &spend["tokens_known"]), (&true.into(), &true.into()), "{story}");
}
