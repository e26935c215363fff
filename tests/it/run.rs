//! `provost run` and its siblings, called for real: what they exit with and what they leave behind.
#![allow(clippy::disallowed_methods, clippy::allow_attributes, reason = "a test stands outside of the house")]

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::sandbox::{PATIENCE, Ran, Sandbox, finish, lives, of_kind, signal, wait_for};

const ANSWERS: &str = "[[round]]\n[[round.turn]]\ntext = \"Done.\"\nusage = { input = 100, output = 10 }\n";
const FAILS: &str = "[check]\ncommand = [\"sh\", \"-c\", \"echo the wall is red; exit 1\"]\n";

/// Repairs `wall.txt` in the second round only.
const REPAIRS: &str = r#"
[[round]]
[[round.turn]]
tool = [{ name = "write", path = "wall.txt", content = "red" }]
usage = { input = 100, output = 10, usd = 0.25 }
[[round.turn]]
text = "It is red now."
usage = { input = 110, output = 5, usd = 0.25 }
[[round]]
[[round.turn]]
tool = [{ name = "edit", path = "wall.txt", old = "red", new = "green" }]
usage = { input = 120, output = 10, usd = 0.25 }
[[round.turn]]
text = "It is green now."
usage = { input = 130, output = 5, usd = 0.25 }
"#;
const GREEN: &str = "[check]\ncommand = [\"sh\", \"-c\", \"cat wall.txt; grep -q green wall.txt\"]\n";

/// Works until `go` is there, then answers.
const WAITS: &str = "if [ -e go ]; then echo done; exit; fi\necho $$ > pid\nexec sleep 60\n";

#[track_caller]
fn ends(sandbox: &Sandbox, code: i32, outcome: &str) -> Ran {
    let ran = sandbox.run(&["run", "Paint the wall."]);
    assert_eq!(ran.code, Some(code), "{}", ran.err);
    assert_eq!(sandbox.events().last().unwrap()["outcome"], outcome, "{}", ran.err);
    let result: Value =
        serde_json::from_slice(&std::fs::read(sandbox.run_dir().join("result.json")).unwrap()).unwrap();
    assert_eq!(result["exit_code"], code);
    ran
}

/// Refused before there is a run.
#[track_caller]
fn refused(sandbox: &Sandbox, args: &[&str], code: i32, says: &str) {
    let ran = sandbox.run(args);
    assert_eq!(ran.code, Some(code), "{}", ran.err);
    assert!(ran.err.contains(says), "{}", ran.err);
    assert_eq!(ran.out, "");
}

#[track_caller]
fn failure_class(sandbox: &Sandbox) -> String {
    let events = sandbox.events();
    let failed = of_kind(&events, "attempt.failed");
    failed.last().unwrap()["class"].as_str().unwrap().to_owned()
}

/// Every byte under a directory.
fn bytes_under(dir: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(bytes_under(&path));
        } else if path.is_file() {
            files.push((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
    files
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn does_a_delivered_run_exit_with_0_and_print_the_answer_alone() {
    let sandbox = Sandbox::scripted(REPAIRS, &format!("{GREEN}[budget]\nrounds = 3\n"));
    let ran = ends(&sandbox, 0, "delivered");
    assert_eq!(ran.out, "It is green now.\n");
    assert_eq!(sandbox.read("wall.txt"), "green");
    assert_eq!(sandbox.events().last().unwrap()["rounds"], 2);
}

#[test]
fn does_a_settled_run_exit_with_0_and_not_claim_delivery() {
    let sandbox = Sandbox::scripted(ANSWERS, "");
    ends(&sandbox, 0, "settled");
    assert_eq!(sandbox.events().last().unwrap()["delivered"], false);
}

#[test]
fn does_a_failed_check_of_one_round_exit_with_1() {
    ends(&Sandbox::scripted(ANSWERS, FAILS), 1, "check_failed");
}

#[test]
fn do_three_equal_failures_end_the_run_before_its_rounds_are_used() {
    let sandbox = Sandbox::scripted(ANSWERS, &format!("{FAILS}[budget]\nrounds = 9\n"));
    ends(&sandbox, 1, "stuck");
    assert_eq!(of_kind(&sandbox.events(), "round.ended").len(), 3);
}

#[test]
fn do_mistakes_of_the_caller_exit_with_2_and_start_nothing() {
    let sandbox = Sandbox::scripted(ANSWERS, "[budgett]\nrounds = 9\n");
    refused(&sandbox, &["run", "x"], 2, "budgett");
    let sandbox = Sandbox::scripted(ANSWERS, "");
    refused(&sandbox, &["run"], 2, "there is no task");
    refused(&sandbox, &["run", " "], 2, "the task is empty");
    refused(&sandbox, &["run", "-p", "absent.toml", "x"], 2, "provost init");
    refused(&sandbox, &["run", "--label", "colour", "x"], 2, "colour");
    refused(&sandbox, &["run", "--no-such-flag", "x"], 2, "--no-such-flag");
    refused(&sandbox, &["run", "--resume", "absent"], 2, "absent");
    assert!(!sandbox.path(".provost").exists());
}

#[test]
fn does_a_missing_program_exit_with_4() {
    let sandbox = Sandbox::new("[agent]\nharness = \"command\"\ncommand = [\"no-such-program\"]\n");
    refused(&sandbox, &["run", "x"], 4, "no-such-program");
}

fn chat(base_url: &str, more: &str) -> Sandbox {
    Sandbox::new(&format!(
        "[agent]\nharness = \"chat\"\nmodel = \"local/m\"\nendpoint = \"main\"\n[retry]\nsame_model = 0\n\
         [endpoints.main]\napi = \"openai\"\nbase_url = \"{base_url}\"\n{more}"
    ))
}

#[test]
fn does_a_missing_key_exit_with_4_and_name_its_variable() {
    refused(&chat("http://127.0.0.1:9/v1", "key_env = \"NO_SUCH_KEY\"\n"), &["run", "x"], 4, "NO_SUCH_KEY");
}

#[test]
fn does_an_endpoint_that_nobody_listens_at_exit_with_4() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    ends(&chat(&format!("http://127.0.0.1:{port}/v1"), ""), 4, "unavailable");
}

#[test]
fn do_ceilings_exit_with_5() {
    let sandbox = Sandbox::scripted(ANSWERS, &format!("{FAILS}[budget]\nrounds = 2\n"));
    ends(&sandbox, 5, "budget_exhausted");
    assert_eq!(of_kind(&sandbox.events(), "round.ended").len(), 2);
    let sandbox = Sandbox::scripted(ANSWERS, &format!("{FAILS}[budget]\nrounds = 9\ntokens = 110\n"));
    ends(&sandbox, 5, "budget_exhausted");
    assert_eq!(of_kind(&sandbox.events(), "round.ended").len(), 1);
}

#[test]
fn does_a_ceiling_in_dollars_stop_what_has_no_price() {
    let sandbox = Sandbox::shell("echo done", "", &format!("{FAILS}[budget]\nrounds = 9\nusd = 1.0\n"));
    ends(&sandbox, 3, "spend_unknown");
    assert_eq!(of_kind(&sandbox.events(), "round.ended").len(), 1);
}

#[track_caller]
fn interrupts(name: &str, code: i32) {
    let sandbox = Sandbox::shell(WAITS, "", "");
    let child = sandbox.start(&["run", "Wait."]);
    let agent = sandbox.pid("pid");
    signal(child.id(), name);
    let ran = finish(child);
    assert_eq!(ran.code, Some(code), "{}", ran.err);
    assert!(!lives(agent));
    let events = sandbox.events();
    assert_eq!(events.last().unwrap()["kind"], "run.ended");
    assert_eq!(events.last().unwrap()["outcome"], "interrupted");
    sandbox.write("go", "");
    let ran = sandbox.run(&["run", "--resume", sandbox.run_dir().to_str().unwrap()]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "done\n"), "{}", ran.err);
    let events = sandbox.events();
    assert_eq!(of_kind(&events, "run.resumed").len(), 1);
    assert_eq!(events.last().unwrap()["outcome"], "settled");
}

#[test]
fn does_an_interrupted_run_exit_with_130_and_go_on_when_asked() {
    interrupts("INT", 130);
}

#[test]
fn does_a_terminated_run_exit_with_143_and_go_on_when_asked() {
    interrupts("TERM", 143);
}

#[test]
fn does_a_second_interrupt_end_a_deaf_agent_at_once() {
    let deaf = "trap '' TERM INT\necho $$ > pid\nwhile :; do sleep 0.05; done\n";
    let sandbox = Sandbox::shell(deaf, "", "[round]\ngrace = \"10m\"\n");
    let child = sandbox.start(&["run", "Wait."]);
    let agent = sandbox.pid("pid");
    signal(child.id(), "INT");
    // Two signals that are sent at once may arrive as one.
    std::thread::sleep(Duration::from_millis(300));
    assert!(lives(agent));
    let begin = Instant::now();
    signal(child.id(), "INT");
    assert_eq!(finish(child).code, Some(130));
    assert!(begin.elapsed() < PATIENCE / 2);
    assert!(!lives(agent));
}

#[test]
fn does_each_deadline_leave_its_name_in_the_journal() {
    let silent = "exec sleep 60";
    let chatty = "while :; do echo still here; sleep 0.05; done";
    let halting = "echo a word; exec sleep 60";
    let cases = [
        (chatty, "timeout = \"400ms\"", "round_timeout"),
        (silent, "first_event = \"200ms\"", "first_event_timeout"),
        (halting, "stall = \"300ms\"", "stall"),
    ];
    for (program, key, class) in cases {
        let rest = format!("[round]\n{key}\ngrace = \"1s\"\n[retry]\nsame_model = 0\n");
        let sandbox = Sandbox::shell(program, "", &rest);
        ends(&sandbox, 1, "agent_failed");
        assert_eq!(failure_class(&sandbox), class);
        assert_eq!(of_kind(&sandbox.events(), "round.ended")[0]["outcome"], "timed_out");
    }
}

#[test]
fn is_a_secret_that_the_agent_prints_written_nowhere() {
    let value = "q7Zk-0pW3x_Yt5Lm2Nv8";
    let agent =
        "cat\necho \"it is $MY_TOKEN\"\necho \"it is $MY_TOKEN\" >&2\nprintf %s \"$MY_TOKEN\" > leaked\n";
    let check = "[check]\ncommand = [\"sh\", \"-c\", \"cat leaked; exit 1\"]\n[budget]\nrounds = 2\n";
    let sandbox = Sandbox::shell(agent, "inherit_env = [\"PATH\", \"MY_TOKEN\"]", check);
    let task = format!("Print the token, which is {value}.");
    let child = sandbox.command(&["run", "--json", &task]).env("MY_TOKEN", value).spawn().unwrap();
    let ran = finish(child);
    assert_eq!(ran.code, Some(5), "{}", ran.err);
    assert_eq!(sandbox.read("leaked"), value);
    assert!(!ran.out.contains(value) && !ran.err.contains(value));
    let files = bytes_under(&sandbox.run_dir());
    for (path, bytes) in &files {
        assert!(!holds(bytes, value), "{}", path.display());
    }
    for name in ["root-1.log", "root-1.err", "manifest.json", "journal.jsonl"] {
        let (_, bytes) = files.iter().find(|(path, _)| path.ends_with(name)).unwrap();
        assert!(holds(bytes, "[secret:MY_TOKEN]"), "{name}");
    }
}

/// The prompt on record hides the secret; a file that does not would be the very leak.
#[test]
fn is_a_prompt_that_holds_a_secret_never_passed_in_a_file() {
    let value = "q7Zk-0pW3x_Yt5Lm2Nv8";
    let agent = "cat \"$1\" > read; echo done";
    let keys = "prompt_via = \"file\"\nargs = [\"{prompt_file}\"]\ninherit_env = [\"PATH\", \"MY_TOKEN\"]";
    let sandbox = Sandbox::shell(agent, keys, "");
    let call = |task: &str| finish(sandbox.command(&["run", task]).env("MY_TOKEN", value).spawn().unwrap());
    assert_eq!(call("Paint the wall.").code, Some(0));
    assert_eq!(sandbox.read("read"), "Paint the wall.\n");
    let ran = call(&format!("Use {value}."));
    assert_eq!(ran.code, Some(4), "{}", ran.err);
    assert!(ran.err.contains("prompt_via") && !ran.err.contains(value), "{}", ran.err);
    assert_eq!(sandbox.read("read"), "Paint the wall.\n");
}

#[test]
fn does_a_killed_provost_leave_nothing_running_and_can_it_go_on() {
    let program = "if [ -e go ]; then echo done; exit; fi\nsetsid sleep 300 &\necho $! > grandchild\n\
                   echo $$ > pid\nwait\n";
    let sandbox = Sandbox::shell(program, "", "");
    let child = sandbox.start(&["run", "Wait."]);
    let (agent, grandchild) = (sandbox.pid("pid"), sandbox.pid("grandchild"));
    assert!(lives(agent) && lives(grandchild));
    signal(child.id(), "KILL");
    assert_eq!(finish(child).code, None);
    wait_for("the agent's end", || !lives(agent));
    wait_for("the grandchild's end", || !lives(grandchild));
    assert_eq!(sandbox.run(&["peek", "--select", "state"]).out, "dead\n");
    sandbox.write("go", "");
    let ran = sandbox.run(&["run", "--resume", sandbox.run_dir().to_str().unwrap()]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "done\n"), "{}", ran.err);
    assert_eq!(sandbox.run(&["peek", "--select", "state"]).out, "finished\n");
}

#[test]
fn does_the_same_call_with_out_do_nothing_twice() {
    let sandbox = Sandbox::shell("echo x >> calls; echo done", "", "");
    let call = ["run", "--out", "here", "Count."];
    let first = sandbox.run(&call);
    assert_eq!((first.code, first.out.as_str()), (Some(0), "done\n"), "{}", first.err);
    let journal = sandbox.read("here/journal.jsonl");
    let second = sandbox.run(&call);
    assert_eq!(second.code, Some(0), "{}", second.err);
    assert_eq!(second.out, first.out);
    assert_eq!(sandbox.read("calls"), "x\n");
    assert_eq!(sandbox.read("here/journal.jsonl"), journal);
    refused(&sandbox, &["run", "--out", "here", "Another task."], 2, "another profile or task");
}

#[test]
fn does_a_dry_run_keep_the_prompt_and_call_nothing() {
    let sandbox = Sandbox::scripted(REPAIRS, "[prompt]\nsystem = \"Be brief.\"\n");
    let ran = sandbox.run(&["run", "--dry-run", "Count to three."]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(!sandbox.path("wall.txt").exists());
    let prompts = bytes_under(&sandbox.run_dir().join("prompts"));
    assert!(prompts.iter().any(|(_, bytes)| holds(bytes, "Count to three.")));
    assert!(prompts.iter().any(|(_, bytes)| holds(bytes, "Be brief.")));
    assert_eq!(sandbox.events().last().unwrap()["outcome"], "dry_run");
}

#[test]
fn is_what_json_prints_the_journal_itself() {
    let sandbox = Sandbox::scripted(REPAIRS, &format!("{GREEN}[budget]\nrounds = 3\n"));
    let ran = sandbox.run(&["run", "--json", "Paint."]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let journal = std::fs::read_to_string(sandbox.run_dir().join("journal.jsonl")).unwrap();
    let (_header, events) = journal.split_once('\n').unwrap();
    assert_eq!(ran.out, events);
}

#[test]
fn does_peek_answer_from_the_journal() {
    let sandbox = Sandbox::scripted(REPAIRS, &format!("{GREEN}[budget]\nrounds = 3\n"));
    ends(&sandbox, 0, "delivered");
    let peek = |args: &[&str]| {
        let ran = sandbox.run(&[&["peek"], args].concat());
        assert_eq!(ran.code, Some(0), "{args:?}: {}", ran.err);
        ran.out
    };
    let snapshot: Value = serde_json::from_str(&peek(&["--json"])).unwrap();
    assert_eq!(snapshot["state"], "finished");
    assert_eq!(snapshot["spend"]["usd"], 1.0);
    assert_eq!(peek(&["--select", "spend.usd"]), "1.0\n");
    let journal = std::fs::read_to_string(sandbox.run_dir().join("journal.jsonl")).unwrap();
    let lines: Vec<&str> = journal.lines().collect();
    assert_eq!(peek(&["--events", "3"]).lines().collect::<Vec<_>>(), lines[lines.len() - 3..]);
    let prompts = peek(&["--prompts"]);
    let (first, second) = prompts.split_once("--- round 2").unwrap();
    assert!(first.contains("Paint the wall.") && !first.contains("### "), "{first}");
    assert!(second.contains("Paint the wall.") && second.contains("red"), "{second}");
    assert!(peek(&["--prompts", "--round", "2"]).contains("red"));
    assert!(peek(&["--runs"]).contains("Paint the wall."));
    assert!(peek(&["--round", "1", "--log"]).contains("It is red now."));
    assert!(peek(&[]).contains("Paint the wall."));
    refused(&sandbox, &["peek", "absent"], 2, "absent");
    refused(&sandbox, &["peek", "--round", "7"], 2, "7");
}

#[test]
fn does_init_write_a_profile_that_loads_and_never_overwrite() {
    let sandbox = Sandbox::new("");
    refused(&sandbox, &["init"], 2, "is there already");
    std::fs::remove_file(sandbox.path("provost.toml")).unwrap();
    let ran = sandbox.run(&["init"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let profile = sandbox.read("provost.toml");
    assert_eq!(sandbox.run(&["init", "--print"]).out, profile);
    let ran = sandbox.run(&["run", "--dry-run", "Try."]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    refused(&sandbox, &["init"], 2, "is there already");
    assert_eq!(sandbox.read("provost.toml"), profile);
}

#[test]
fn does_init_write_the_harness_of_the_agent_or_the_endpoint_of_the_key_that_it_finds() {
    let init = |programs: &[&str], key: Option<&str>| {
        let sandbox = Sandbox::new("");
        std::fs::remove_file(sandbox.path("provost.toml")).unwrap();
        std::fs::create_dir(sandbox.path("bin")).unwrap();
        for program in programs {
            let program = sandbox.path(&format!("bin/{program}"));
            std::fs::copy("/bin/true", program).unwrap();
        }
        let mut command = sandbox.command(&["init", "first.toml"]);
        command.env("PATH", sandbox.path("bin"));
        if let Some(key) = key {
            command.env(key, "sk-of-no-account-1d7e");
        }
        let ran = finish(command.spawn().unwrap());
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        assert!(ran.err.contains("next: provost run --check -p first.toml"), "{}", ran.err);
        let profile = sandbox.read("first.toml");
        assert!(!profile.contains("sk-of-no-account"), "{profile}");
        let agent = profile.split_once("[agent]").unwrap().1.split_once('\n').unwrap().1;
        (agent.to_owned(), sandbox)
    };
    for (program, permissions) in [
        ("claude", "accept-edits"),
        ("codex", "accept-edits"),
        ("opencode", "accept-edits"),
        ("gemini", "accept-edits"),
        ("aider", "bypass"),
    ] {
        let (agent, _sandbox) = init(&[program], Some("GEMINI_API_KEY"));
        let expected = format!("harness = \"{program}\"\npermissions = \"{permissions}\"");
        assert!(agent.starts_with(&expected), "{agent}");
    }
    assert!(init(&["gemini", "claude"], Some("OPENAI_API_KEY")).0.starts_with("harness = \"claude\""));
    for (key, api, model) in [
        ("ANTHROPIC_API_KEY", "anthropic", "anthropic/claude-sonnet-4-5"),
        ("OPENAI_API_KEY", "openai", "openai/gpt-5-mini"),
        ("OPENROUTER_API_KEY", "openai", "openrouter/auto"),
        ("GROQ_API_KEY", "openai", "groq/openai/gpt-oss-120b"),
    ] {
        let (agent, sandbox) = init(&[], Some(key));
        assert!(agent.starts_with(&format!("harness = \"chat\"\nmodel = \"{model}\"")), "{agent}");
        assert!(
            agent.contains(&format!("api = \"{api}\"")) && agent.contains(&format!("key_env = \"{key}\""))
        );
        if api == "openai" {
            let mut run = sandbox.command(&["run", "--dry-run", "-p", "first.toml", "Try."]);
            let ran = finish(run.env(key, "sk-of-no-account-1d7e").spawn().unwrap());
            assert_eq!(ran.code, Some(0), "{}", ran.err);
        }
    }
    // Without its own CLI the key of a protocol that the chat harness does not speak is of no use.
    assert!(init(&[], Some("GEMINI_API_KEY")).0.contains("command = [\"cat\"]"));
}

#[test]
fn does_a_run_that_is_interrupted_while_it_waits_go_on_when_asked() {
    let script = "[[round]]\n[[round.turn]]\nfault = { status = 429, text = \"slow down\", retry_after = 30 }\n\
                  [[round]]\n[[round.turn]]\ntext = \"done\"\n";
    let sandbox = Sandbox::scripted(script, "");
    let provost = sandbox.start(&["run", "go on"]);
    wait_for("the wait", || {
        let runs = std::fs::read_dir(sandbox.path(".provost/runs")).into_iter().flatten().flatten();
        let journals = runs.filter_map(|run| std::fs::read_to_string(run.path().join("journal.jsonl")).ok());
        journals.into_iter().any(|journal| journal.contains("\"wait.started\""))
    });
    signal(provost.id(), "INT");
    assert_eq!(finish(provost).code, Some(130));
    let events = sandbox.events();
    assert_eq!(of_kind(&events, "attempt.failed")[0]["class"], "rate_limited");
    assert_eq!(of_kind(&events, "round.ended")[0]["outcome"], "stopped");
    let run = sandbox.run_dir();
    let ran = sandbox.run(&["run", "--resume", run.to_str().unwrap()]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "done\n"), "{}", ran.err);
}
