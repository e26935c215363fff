//! A real model of the smallest size, on this machine, behind a real server.
#![allow(clippy::disallowed_methods, clippy::allow_attributes, reason = "a test stands outside of the house")]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::support::run::{Stage, needed};

/// The server, which ends with the test.
struct Served {
    child: Child,
    port: u16,
}

impl Served {
    fn start() -> Self {
        let python = needed("PROVOST_TEST_PYTHON");
        // Free a moment ago; the server takes no listener from outside.
        let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let mut child = Command::new(python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/serve_model.py"))
            .arg(port.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let ready = output.lines().map_while(Result::ok).any(|line| line.starts_with("ready "));
        let served = Self { child, port };
        assert!(ready, "serve_model.py ended before it served");
        served
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

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
