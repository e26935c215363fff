//! Tools of MCP servers in the chat loop: real servers, a model that is played, and the real binary between them.
#![allow(clippy::disallowed_methods, clippy::allow_attributes, reason = "a test stands outside of the house")]

use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::http::{Response, Server};
use crate::support::run::needed;
use crate::support::sandbox::{Ran, Sandbox, finish, lives, of_kind, signal, wait_for};

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/mcp_server.py");

/// A model that makes these calls, one a turn, and then says `done`.
fn model(calls: &[(&str, &str)]) -> Server {
    let chunk = |delta: Value, reason: Option<&str>| {
        json!({"choices": [{"delta": delta, "finish_reason": reason}]}).to_string()
    };
    let mut turns: Vec<Response> = Vec::new();
    for (index, (name, arguments)) in calls.iter().enumerate() {
        let call = json!({"index": 0, "id": format!("c{index}"), "function": {"name": name, "arguments": arguments}});
        turns.push(Response::stream(&[
            &chunk(json!({"tool_calls": [call]}), None),
            &chunk(json!({}), Some("tool_calls")),
        ]));
    }
    turns
        .push(Response::stream(&[&chunk(json!({"content": "done"}), None), &chunk(json!({}), Some("stop"))]));
    Server::start(turns)
}

/// A directory whose profile has the model and these tables of servers.
fn sandbox(model: &Server, servers: &str, rest: &str) -> Sandbox {
    Sandbox::new(&format!(
        "[agent]\nharness = \"chat\"\nmodel = \"local/m\"\nendpoint = \"here\"\ntools = [\"list\"]\n{servers}\n\
         [endpoints.here]\napi = \"openai\"\nbase_url = \"{}\"\n{rest}",
        model.url()
    ))
}

/// The table of the fixture as a program with these arguments.
fn program(name: &str, arguments: &[&str]) -> String {
    let mut command = vec!["python3", FIXTURE];
    command.extend(arguments);
    format!("[agent.mcp.{name}]\ncommand = {command:?}\n")
}

/// What the model was told by each tool.
fn answers(model: &Server) -> Vec<String> {
    let requests = model.requests();
    let last = requests.last().unwrap().json();
    let messages = last["messages"].as_array().unwrap().iter().filter(|message| message["role"] == "tool");
    messages.map(|message| message["content"].as_str().unwrap().to_owned()).collect()
}

fn names(tools: &Value) -> Vec<&str> {
    tools.as_array().unwrap().iter().map(|tool| tool["function"]["name"].as_str().unwrap()).collect()
}

/// The run was refused by a server that is not there, before the model was asked.
fn refused(ran: &Ran, model: &Server, words: &[&str]) {
    assert_eq!(ran.code, Some(4), "{ran:?}");
    for word in words {
        assert!(ran.err.contains(word), "`{word}` is not in: {}", ran.err);
    }
    assert!(model.requests().is_empty(), "the model was asked");
}

#[test]
fn tools_of_a_program_are_offered_called_and_on_record() {
    let model = model(&[
        ("mcp__notes__write", r#"{"text":"hello"}"#),
        ("mcp__notes__fail", ""),
        ("mcp__notes__raise", "{}"),
        ("mcp__notes__picture", "{}"),
        ("mcp__notes__flood", "{}"),
        ("mcp__notes__write", "{\"text\": "),
        ("mcp__notes__nothing", "{}"),
    ]);
    let sandbox = sandbox(&model, &program("notes", &[]), "");
    let ran = sandbox.run(&["run", "do it"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "done\n"), "{}", ran.err);
    assert_eq!(sandbox.read("note.txt"), "hello");

    let told = answers(&model);
    assert_eq!(told[0], "wrote hello");
    assert_eq!(told[1], "ERROR: the disk is made of cheese");
    assert_eq!(told[2], "ERROR: nothing is known of 'raise' (code -32602)");
    assert_eq!(told[3], "[image image/png, 4 bytes]");
    assert!(told[4].len() < 70_000 && told[4].contains("[cut: "), "{} bytes", told[4].len());
    assert!(told[5].contains("are not valid") && told[5].contains("\"required\":[\"text\"]"), "{}", told[5]);
    assert!(
        told[6].contains("there is no tool `mcp__notes__nothing`; there are: list, mcp__notes__die"),
        "{}",
        told[6]
    );

    // What is on record as offered is what was sent, from both pages of the list.
    let sent = model.requests()[0].json()["tools"].clone();
    let own: Vec<&str> = names(&sent);
    assert_eq!(own[..3], ["list", "mcp__notes__write", "mcp__notes__fail"]);
    assert_eq!(own.len(), 9);
    assert_eq!(sent[1]["function"]["description"], "Writes a text to note.txt.");
    assert_eq!(sent[1]["function"]["parameters"]["required"], json!(["text"]));
    assert_eq!(sent[2]["function"]["parameters"], json!({"type": "object", "properties": {}}));
    let events = sandbox.events();
    let prompts = of_kind(&events, "prompt.sent");
    let tools = prompts.iter().find(|prompt| prompt["part"] == "tools").unwrap();
    let kept = std::fs::read_to_string(
        sandbox.run_dir().join(format!("prompts/{}.txt", tools["sha256"].as_str().unwrap())),
    );
    assert_eq!(serde_json::from_str::<Value>(&kept.unwrap()).unwrap(), sent);
    let worked: Vec<&Value> =
        of_kind(&events, "tool.returned").into_iter().map(|event| &event["ok"]).collect();
    assert_eq!(worked, [true, false, false, true, true, false, false]);
    // It ended with its input, and nothing had to be killed.
    assert!(sandbox.read("server.log").ends_with("input ended\n"));
}

#[test]
fn several_servers_start_side_by_side_and_the_scripted_harness_has_them_too() {
    let model =
        model(&[("mcp__one__write", r#"{"text":"1"}"#), ("mcp__two__variable", r#"{"text":"COLOUR"}"#)]);
    let two = format!("{}env = {{ COLOUR = \"blue\" }}\n", program("two", &["--slow", "1.5"]));
    let sandbox = sandbox(&model, &(program("one", &["--slow", "1.5"]) + &two), "");
    let ran = sandbox.run(&["run", "do it"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(answers(&model), ["wrote 1", "blue"]);

    let call = "name = \"mcp__one__write\"\narguments = '{\"text\":\"played\"}'";
    let script =
        format!("[[round]]\n[[round.turn]]\n[[round.turn.tool]]\n{call}\n[[round.turn]]\ntext = \"done\"\n");
    let played = Sandbox::scripted(&script, &program("one", &[]));
    let ran = played.run(&["run", "do it"]);
    assert_eq!((ran.code, played.read("note.txt").as_str()), (Some(0), "played"), "{}", ran.err);
}

#[test]
fn a_server_that_is_not_there_is_refused_before_the_model_is_asked() {
    let slow = "[round]\nfirst_event = \"9s\"\n";
    for (servers, rest, words) in [
        (
            "[agent.mcp.docs]\ncommand = [\"no-such-program\"]\n".to_owned(),
            "",
            vec!["`no-such-program` of the MCP server `docs`", "`agent.mcp.docs.command`"],
        ),
        (
            program("docs", &["--broken"]),
            "",
            vec![
                "the MCP server `docs` cannot be used",
                "exit code 1",
                "no configuration, no service",
                "`agent.mcp.docs`",
            ],
        ),
        (
            program("docs", &["--silent"]),
            slow,
            vec!["`docs`", "was not ready after 6 s", "`round.first_event`"],
        ),
        (program("docs", &["--toolless"]), "", vec!["`docs`", "it offers no tools"]),
        (program("docs", &["--endless"]), "", vec!["`docs`", "more than 128 pages"]),
        (program("docs", &["--twins"]), "", vec!["`a/b` and another, `a.b`, are both `mcp__docs__a_b`"]),
        (
            "[agent.mcp.docs]\nurl = \"http://127.0.0.1:1/mcp\"\n".to_owned(),
            "",
            vec!["the MCP server `docs` cannot be used", "refused"],
        ),
        (
            "[agent.mcp.docs]\nurl = \"http://127.0.0.1:1/mcp\"\nkey_env = \"NOT_SET\"\n".to_owned(),
            "",
            vec!["the variable `NOT_SET`"],
        ),
    ] {
        let model = model(&[]);
        // A second one that is there must not be left running.
        let good = program("good", &["--pids", "pids"]);
        let sandbox = sandbox(&model, &(servers + &good), rest);
        refused(&sandbox.run(&["run", "do it"]), &model, &words);
        for pid in sandbox.read("pids").lines() {
            assert!(!lives(pid.parse().unwrap()), "{words:?} left {pid} behind");
        }
    }
}

#[test]
fn a_server_that_dies_or_hangs_is_an_error_to_the_model_and_no_end() {
    let server = program("notes", &[]);
    let model_dies = model(&[("mcp__notes__die", "{}"), ("mcp__notes__write", r#"{"text":"late"}"#)]);
    let sandbox_dies = sandbox(&model_dies, &server, "");
    let ran = sandbox_dies.run(&["run", "do it"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    for told in answers(&model_dies) {
        assert_eq!(told, "ERROR: the MCP server `notes` has ended; its tools are gone");
    }
    let rounds = sandbox_dies.run_dir().join("rounds");
    let complaints = std::fs::read_dir(rounds).unwrap().find_map(|entry| {
        let path = entry.unwrap().path();
        path.to_string_lossy().ends_with(".mcp-notes.err").then(|| std::fs::read_to_string(path).unwrap())
    });
    assert_eq!(complaints.unwrap(), "dying as asked\n");

    let model_hangs = model(&[("mcp__notes__hang", "{}"), ("mcp__notes__write", r#"{"text":"later"}"#)]);
    let sandbox_hangs = sandbox(&model_hangs, &server, "[round]\ntool = \"6s\"\n");
    let ran = sandbox_hangs.run(&["run", "do it"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let told = answers(&model_hangs);
    assert_eq!(told[0], "ERROR: no answer after 4 s; the call was taken back");
    assert_eq!(told[1], "wrote later");
    assert!(
        sandbox_hangs.read("server.log").contains("hanging\ncancelled"),
        "{}",
        sandbox_hangs.read("server.log")
    );
}

#[test]
fn nothing_of_a_server_outlives_the_attempt() {
    for (arguments, calls, interrupted) in [
        (&["--pids", "pids"][..], &[("mcp__notes__write", r#"{"text":"x"}"#)][..], false),
        (&["--pids", "pids", "--stubborn"], &[], false),
        (&["--pids", "pids"], &[("mcp__notes__hang", "{}")], true),
        (&["--pids", "pids", "--stubborn"], &[("mcp__notes__hang", "{}")], true),
        (&["--pids", "pids", "--silent"], &[], true),
    ] {
        let model = model(calls);
        let sandbox = sandbox(&model, &program("notes", arguments), "[round]\ngrace = \"1s\"\n");
        let child = sandbox.start(&["run", "do it"]);
        wait_for("the server", || sandbox.read("pids").lines().count() == 2);
        let pids: Vec<u32> = sandbox.read("pids").lines().map(|pid| pid.parse().unwrap()).collect();
        if interrupted {
            if !calls.is_empty() {
                wait_for("the call", || sandbox.read("server.log").contains("hanging"));
            }
            signal(child.id(), "INT");
        }
        let ran = finish(child);
        assert_eq!(ran.code, Some(if interrupted { 130 } else { 0 }), "{arguments:?} {}", ran.err);
        for pid in pids {
            assert!(!lives(pid), "{arguments:?} {calls:?} left {pid} behind");
        }
        if interrupted && !calls.is_empty() {
            let events = sandbox.events();
            assert!(of_kind(&events, "tool.returned").is_empty(), "a call that was cut has no result");
        }
    }
}

#[test]
fn a_secret_of_a_server_reaches_the_server_and_no_file() {
    const SECRET: &str = "tok-of-no-account-93ab";
    let model = model(&[("mcp__notes__variable", r#"{"text":"NOTES_API_KEY"}"#)]);
    let server = format!("{}env = {{ NOTES_API_KEY = \"{SECRET}\" }}\n", program("notes", &[]));
    let sandbox = sandbox(&model, &server, "");
    let ran = sandbox.run(&["run", "do it"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(answers(&model), [SECRET], "the model is told what the tool returns");
    let run = sandbox.run_dir();
    let found = Command::new("grep").args(["-rl", SECRET]).arg(&run).output().unwrap();
    assert_eq!(String::from_utf8(found.stdout).unwrap(), "", "the secret is on record");
    let marked =
        Command::new("grep").args(["-rl", "secret:mcp.notes.NOTES_API_KEY"]).arg(&run).output().unwrap();
    assert!(!marked.stdout.is_empty());
}

/// A server over HTTP, which ends with the test.
struct Served {
    child: Child,
    url: String,
}

impl Served {
    fn start(sandbox: &Sandbox, arguments: &[&str]) -> Self {
        let address = sandbox.path("address");
        let child = Command::new("python3")
            .arg(FIXTURE)
            .args(["--http", address.to_str().unwrap()])
            .args(arguments)
            .current_dir(sandbox.path("."))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        wait_for("the server's address", || address.exists());
        Self { child, url: sandbox.read("address") }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_server_at_an_address_gets_its_token_and_nobody_else_does() {
    const TOKEN: &str = "token-of-no-account-71c4";
    let place = Sandbox::new("");
    let served = Served::start(&place, &["--token", TOKEN]);
    let table = format!("[agent.mcp.docs]\nurl = \"{}\"\nkey_env = \"DOCS_TOKEN\"\n", served.url);
    let model = model(&[("mcp__docs__write", r#"{"text":"far"}"#), ("shell", r#"{"command":"env"}"#)]);
    let sandbox = Sandbox::new(&format!(
        "[agent]\nharness = \"chat\"\nmodel = \"local/m\"\nendpoint = \"here\"\n{table}\
         [endpoints.here]\napi = \"openai\"\nbase_url = \"{}\"\n",
        model.url()
    ));
    let ran = finish(sandbox.command(&["run", "do it"]).env("DOCS_TOKEN", TOKEN).spawn().unwrap());
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(place.read("note.txt"), "far");
    assert_eq!(place.read("server.log"), "session closed\n");
    let told = answers(&model);
    assert_eq!(told[0], "wrote far");
    assert!(told[1].contains("PATH=") && !told[1].contains("DOCS_TOKEN"), "{}", told[1]);

    let wrong =
        finish(sandbox.command(&["run", "do it"]).env("DOCS_TOKEN", "another-token").spawn().unwrap());
    assert_eq!(wrong.code, Some(4), "{}", wrong.err);
    assert!(wrong.err.contains("the MCP server `docs` cannot be used"), "{}", wrong.err);
    assert!(!format!("{ran:?}{wrong:?}").contains(TOKEN) && !wrong.err.contains("another-token"));
}

#[test]
fn a_server_at_an_address_that_hangs_or_goes_away_is_an_error_to_the_model() {
    let place = Sandbox::new("");
    let served = Served::start(&place, &[]);
    let calls =
        [("hang", "{}"), ("write", r#"{"text":"on"}"#), ("die", "{}"), ("write", r#"{"text":"off"}"#)];
    let calls = calls.map(|(tool, arguments)| (format!("mcp__docs__{tool}"), arguments));
    let model = model(&calls.each_ref().map(|(name, arguments)| (name.as_str(), *arguments)));
    let table = format!("[agent.mcp.docs]\nurl = \"{}\"\n", served.url);
    let sandbox = sandbox(&model, &table, "[round]\ntool = \"6s\"\n");
    let ran = sandbox.run(&["run", "do it"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let told = answers(&model);
    assert_eq!(told[0], "ERROR: no answer after 4 s; the call was taken back");
    assert_eq!(told[1], "wrote on");
    assert!(told[2].starts_with("ERROR: the MCP server `docs`"), "{}", told[2]);
    assert!(told[3].starts_with("ERROR: the MCP server `docs`"), "{}", told[3]);
    assert_eq!(place.read("note.txt"), "on");
    assert!(place.read("server.log").starts_with("hanging\ncancelled"), "{}", place.read("server.log"));
}

#[test]
fn what_was_interrupted_in_a_servers_tool_is_in_doubt_after_a_resume() {
    let model = model(&[("mcp__notes__hang", "{}")]);
    let sandbox = sandbox(&model, &program("notes", &[]), "");
    let child = sandbox.start(&["run", "do it"]);
    wait_for("the call", || sandbox.read("server.log").contains("hanging"));
    signal(child.id(), "KILL");
    finish(child);
    let id = sandbox.run_dir().file_name().unwrap().to_str().unwrap().to_owned();
    let ran = sandbox.run(&["run", "--resume", &id]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(answers(&model)[0].starts_with("ERROR: interrupted before"), "{:?}", answers(&model));
    assert_eq!(sandbox.read("server.log").matches("hanging").count(), 1, "the call was made again");
}

#[test]
#[cfg_attr(not(real_mcp), ignore = "needs the reference MCP server; .ci/install-real installs it")]
fn real_reference_server_answers_over_both_transports() {
    let script = needed("PROVOST_TEST_MCP");
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let mut far = Command::new("node")
        .arg(&script)
        .arg("streamableHttp")
        .env("PORT", port.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for("the reference server", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    let model = model(&[
        ("mcp__near__echo", r#"{"message":"over a pipe"}"#),
        ("mcp__far__echo", r#"{"message":"over the wire"}"#),
        ("mcp__far__get-sum", r#"{"a":2,"b":40}"#),
        ("mcp__near__get-tiny-image", "{}"),
        ("mcp__far__get-sum", r#"{"a":"two"}"#),
    ]);
    let servers = format!(
        "[agent.mcp.near]\ncommand = [\"node\", {script:?}, \"stdio\"]\n\
         [agent.mcp.far]\nurl = \"http://127.0.0.1:{port}/mcp\"\n"
    );
    let sandbox = sandbox(&model, &servers, "");
    let ran = sandbox.run(&["run", "do it"]);
    far.kill().unwrap();
    far.wait().unwrap();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let told = answers(&model);
    assert_eq!(told[0], "Echo: over a pipe");
    assert_eq!(told[1], "Echo: over the wire");
    assert!(told[2].contains("42"), "{}", told[2]);
    assert!(told[3].contains("[image image/png, "), "{}", told[3]);
    assert!(told[4].starts_with("ERROR: "), "{}", told[4]);
}
