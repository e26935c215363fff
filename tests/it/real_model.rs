//! A real model of the smallest size, on this machine, behind a real server.

use provost::backend::Replayed;
use provost::backend::chat::{Call, Turn};
use provost::event::{FaultClass, ToolId};
use provost::profile::Api;

use crate::support::attempt::attempt_at;
use crate::support::chat_api::APIS;
use crate::support::model::Served;
use crate::support::run::{Ran, Stage};

const TASK: &str = "What is the capital of France?";

/// Gives the task to the model over an API. Only chat completions draw with a seed; at temperature 0 nobody has to.
fn run(api: Api, served: &Served) -> Ran {
    let seed = if api == Api::OpenAi { "seed = 7" } else { "" };
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
max_output_tokens = 100
{seed}
[endpoints.here]
api = "{api}"
base_url = "http://127.0.0.1:{port}/v1"
[prices]
"local/smollm2" = {{ input = 1.0, output = 2.0 }}
[prompt]
system = "You answer in one short sentence."
[budget]
wall = "3m"
"#,
        api = api.word(),
        port = served.port,
    ));
    stage.run(TASK, &[], &["--json"])
}

#[test]
#[cfg_attr(not(real_model), ignore = "needs a model in a Python environment; .ci/install-real installs it")]
fn real_model_answers_under_each_api_and_its_usage_is_on_record() {
    let served = Served::start();
    let mut answers = Vec::new();
    for api in APIS {
        let ran = run(api, &served);
        let story = ran.story();
        assert_eq!(ran.output.status.code(), Some(0), "{api:?}: {story}");

        let answer = ran.ended()["output"].as_str().unwrap();
        assert!(!answer.trim().is_empty(), "{api:?}: {story}");
        answers.push(answer.trim().to_owned());
        // What is printed with `--json` is the journal, to the byte.
        let journal = std::fs::read_to_string(ran.dir.join("journal.jsonl")).unwrap();
        let printed = String::from_utf8(ran.output.stdout.clone()).unwrap();
        assert!(journal.ends_with(&printed) && !printed.is_empty(), "{printed}");
        assert!(ran.prompts("user").iter().any(|text| text.contains(TASK)), "{story}");

        let turns = ran.of("turn.ended");
        assert_eq!(turns.len(), 1, "{api:?}: {story}");
        assert_eq!(turns[0]["source"], "priced", "{api:?}: {story}");
        assert!(answer.starts_with(turns[0]["preview"].as_str().unwrap()), "{story}");
        let spend = &ran.ended()["spend"];
        // The server keeps what it has read; the same prompt again is read from there.
        let read = spend["input"].as_u64().unwrap() + spend["cache_read"].as_u64().unwrap();
        assert!(read > 10, "{api:?}: {story}");
        assert!(spend["output"].as_u64().unwrap() > 0, "{api:?}: {story}");
        assert_eq!((&spend["usd_known"], &spend["tokens_known"]), (&true.into(), &true.into()), "{story}");
    }
    // One model, one prompt, no chance: what it says does not depend on how it is asked.
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], answers[2]);
}

#[tokio::test]
#[cfg_attr(not(real_model), ignore = "needs a model in a Python environment; .ci/install-real installs it")]
async fn real_model_goes_on_after_a_tool_has_answered_under_each_api() {
    let served = Served::start();
    let url = format!("http://127.0.0.1:{}/v1", served.port);
    for api in APIS {
        // The model is too small to call a tool by itself, so the call is on record, as after an interruption.
        let turn = Turn {
            text: "I look.".to_owned(),
            tool_calls: ["call_a", "call_b"].map(list).to_vec(),
            stop_reason: Some("tool_calls".to_owned()),
            ..Turn::default()
        };
        let answer =
            |id| Replayed::Tool { id: ToolId::new(id), ok: id == "call_a", result: b"a.txt".to_vec() };
        let replay =
            vec![Replayed::Turn(serde_json::to_vec(&turn).unwrap()), answer("call_a"), answer("call_b")];
        let attempted = attempt_at(api, &url, "local/smollm2", "Which files are there?", replay).await;
        // It says something, perhaps more than it may; the server has understood what it was told.
        assert!(!attempted.shown.trim().is_empty(), "{api:?}: {attempted:?}");
        match attempted.ended {
            Ok(answer) => assert_eq!(answer.text, attempted.shown, "{api:?}"),
            Err(failure) => assert_eq!(failure.class, FaultClass::OutputLimit, "{api:?}: {failure:?}"),
        }
        assert_eq!(attempted.turns, 1, "{api:?}");
    }
}

fn list(id: &str) -> Call {
    Call { id: id.to_owned(), name: "list".to_owned(), arguments: "{\"path\":\".\"}".to_owned() }
}
