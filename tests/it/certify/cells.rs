//! Single cells: trials, workspaces, budgets, secrets, and what a workflow sees.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::{Bench, GATE, by_name, ended, number};
use crate::support::completions::{self, Turn};
use crate::support::http::Server;
use crate::support::run::holds;
use crate::support::sandbox::{finish, of_kind};

#[test]
fn a_second_trial_is_asked_for_itself() {
    let asked: [AtomicU64; 8] = std::array::from_fn(|_| AtomicU64::new(0));
    // The first time yes, the second time no: an answer that was taken twice would show.
    let server = Server::answering(move |_, request| {
        let number = usize::try_from(number(&request.body)).unwrap();
        let before = asked[number].fetch_add(1, Ordering::SeqCst);
        let turn = Turn::Say(if before.is_multiple_of(2) { "yes" } else { "no" });
        Some(completions::answer(request, &turn))
    });
    let bench = Bench::against(server, 8, "");
    bench.suite("Question {{ n }}: yes or no?", 2, "");
    bench.call(&["certify", "-p", "base.toml", "-S", "suite.toml", "--out", "run", "--csv", "c.csv"], 0);
    assert_eq!(bench.asked(), 16);
    let events = bench.events("run");
    let cells = of_kind(&events, "cell.ended");
    for case in 0..8 {
        let of_case: Vec<&&Value> = cells.iter().filter(|cell| cell["case"] == format!("c{case}")).collect();
        assert_eq!(of_case.len(), 2);
        assert_ne!(of_case[0]["trial"], of_case[1]["trial"]);
        assert_ne!(of_case[0]["key"], of_case[1]["key"], "the trial is part of the identity");
        assert_ne!(of_case[0]["output_sha256"], of_case[1]["output_sha256"], "each has an answer of its own");
    }
    let csv = bench.sandbox.read("c.csv");
    assert_eq!(csv.lines().count(), 17, "{csv}");
}

#[test]
fn the_files_of_a_case_are_in_a_fresh_workspace_with_its_own_check() {
    let bench = Bench::new(0, GATE, Duration::ZERO, by_name);
    let mut cases = String::new();
    for n in 0..8 {
        bench.sandbox.write(&format!("word{n}"), &format!("word {n}\n"));
        let _ = writeln!(
            cases,
            "{{\"id\": \"c{n}\", \"n\": {n}, \"input\": \"?\", \"files\": {{\"in/word.txt\": \"word{n}\"}}, \
             \"check\": {{\"command\": [\"grep\", \"-qx\", \"word {n}, seen\", \"out.txt\"]}}}}"
        );
    }
    bench.sandbox.write("cases.jsonl", &cases);
    bench.sandbox.write(
        "suite.toml",
        "schema = 1\nname = \"files\"\n[cases]\nfile = \"cases.jsonl\"\n[trials]\ncount = 2\nretries = 0\n\
         [[score]]\nname = \"delivered\"\nkind = \"check\"\n[gate]\nscore = \"delivered\"\n",
    );
    // Whoever finds what another cell has left says so.
    let reads = "cat > /dev/null; [ -e out.txt ] && { echo stale > out.txt; exit 0; }\n\
                 echo \"$(cat in/word.txt), seen\" > out.txt; echo done\n";
    bench.shell("reads", reads, "");
    bench.shell("idle", "cat > /dev/null; echo done\n", "");
    bench.certify("reads.toml", "idle.toml", "run", &["--allow-stubs"], 0);
    let events = bench.events("run");
    let passed = |arm: &str| -> Vec<bool> {
        ended(&events, arm).iter().map(|cell| cell["scores"]["delivered"]["value"] == 1.0).collect()
    };
    assert_eq!(passed("reads"), [true; 16]);
    assert_eq!(passed("idle"), [false; 16]);
    let work = bench.path("run/work");
    let left = std::fs::read_dir(&work).map_or(0, Iterator::count);
    assert_eq!(left, 0, "workspaces are taken away");
    bench.certify("reads.toml", "idle.toml", "kept", &["--allow-stubs", "--keep-workspaces"], 0);
    assert_eq!(std::fs::read_dir(bench.path("kept/work")).unwrap().count(), 32);
}

#[test]
fn the_budget_of_the_suite_ends_it_and_the_rest_is_missing() {
    let bench = Bench::new(30, GATE, Duration::ZERO, by_name);
    bench
        .sandbox
        .write("suite.toml", &format!("{}\n[budget]\ntokens = 6000\n", bench.sandbox.read("suite.toml")));
    let ran = bench.certify("good.toml", "base.toml", "run", &["--junit", "j.xml"], 5);
    assert!(ran.err.contains("budget"), "{}", ran.err);
    let events = bench.events("run");
    let cells = of_kind(&events, "cell.ended");
    assert_eq!(cells.len(), 60, "every cell has an end");
    let missing = cells.iter().filter(|cell| cell["missing"]["reason"] == "budget").count();
    assert_eq!(missing + bench.asked(), 60);
    assert!(missing > 0 && bench.asked() > 0, "{missing} missing");
    let spend = &bench.json("run/result.json")["spend"];
    let tokens = spend["input"].as_u64().unwrap() + spend["output"].as_u64().unwrap();
    assert!(tokens <= 6000, "{tokens} tokens of 6000");
    assert_eq!(tokens, 120 * bench.asked() as u64);
    assert!(!of_kind(&events, "budget.refused").is_empty());
    // The gate that could not decide is an error too.
    assert_eq!(bench.sandbox.read("j.xml").matches("<error").count(), missing + 1);
}

#[test]
fn a_secret_is_in_no_file_of_the_run() {
    const SECRET: &str = "hunter2-and-more-of-it";
    let bench = Bench::new(8, GATE, Duration::ZERO, by_name);
    let rest = "inherit_env = [\"PATH\", \"MY_TOKEN\"]\nenv = { OTHER_TOKEN = \"swordfish-77-swordfish\" }\n";
    let script = "cat > /dev/null; echo \"$MY_TOKEN $OTHER_TOKEN\"; echo \"$MY_TOKEN\" >&2\n\
                  [ -n \"$MY_TOKEN\" ] && touch seen\n[ ${#OTHER_TOKEN} = 22 ] && touch literal\n";
    bench.shell("leaks", script, rest);
    bench.shell("none", "cat > /dev/null; echo no\n", "");
    let more = ["--allow-stubs", "--junit", "run.xml", "--html", "run.html", "--csv", "run.csv"];
    let args = [&Bench::args("leaks.toml", "none.toml", "run")[..], &more, &["--keep-workspaces"]].concat();
    let ran = finish(bench.sandbox.command(&args).env("MY_TOKEN", SECRET).spawn().unwrap());
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    assert!(
        std::fs::read_dir(bench.path("run/work"))
            .unwrap()
            .any(|work| { work.unwrap().path().join("seen").exists() })
    );
    let literal = |work: std::io::Result<std::fs::DirEntry>| work.unwrap().path().join("literal").exists();
    assert!(
        std::fs::read_dir(bench.path("run/work")).unwrap().any(literal),
        "the agent has what the profile says, and not what stands for it on record"
    );
    for secret in [SECRET, "swordfish-77-swordfish"] {
        assert!(!ran.out.contains(secret) && !ran.err.contains(secret));
        assert!(!holds(&bench.path("run"), secret.as_bytes()), "{secret} is on disk");
        for name in ["run.xml", "run.html", "run.csv"] {
            assert!(!bench.sandbox.read(name).contains(secret), "{secret} is in {name}");
        }
    }
    bench.call(&["certify", "--verify", "run"], 0);
}

#[test]
fn a_workflow_gets_a_summary_and_annotations() {
    let bench = Bench::new(20, GATE, Duration::ZERO, by_name);
    bench.sandbox.write("summary.md", "before\n");
    let args = Bench::args("bad.toml", "base.toml", "run");
    let mut command = bench.sandbox.command(&args);
    command.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", bench.path("summary.md"));
    let ran = finish(command.spawn().unwrap());
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    // The workflow reads standard output.
    assert!(ran.out.lines().any(|line| line.starts_with("::error title=")), "{}", ran.out);
    assert!(!ran.err.contains("::error"), "{}", ran.err);
    let mut command = bench.sandbox.command(&[&args[..], &["--json"]].concat());
    let ran = finish(command.env("GITHUB_ACTIONS", "true").spawn().unwrap());
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(ran.out.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{}", ran.out);
    assert!(ran.err.lines().any(|line| line.starts_with("::error title=")), "{}", ran.err);
    let summary = bench.sandbox.read("summary.md");
    assert!(summary.starts_with("before\n"), "what others wrote stays");
    assert!(summary.contains("questions"), "{summary}");
    let plain = Bench::new(8, GATE, Duration::ZERO, by_name);
    let ran = plain.certify("good.toml", "good.toml", "run", &[], 3);
    assert!(!(ran.out + &ran.err).contains("::warning"), "only in a workflow");
}

#[test]
fn a_changed_workspace_is_another_identity() {
    let bench = Bench::new(6, "", Duration::ZERO, by_name);
    std::fs::create_dir(bench.path("base")).unwrap();
    bench.sandbox.write("base/word", "yes");
    let suite = bench.sandbox.read("suite.toml").replace("[trials]", "workspace = \"base\"\n[trials]");
    bench.sandbox.write("suite.toml", &suite);
    bench.shell("reads", "cat > /dev/null; cat word\n", "");
    let args = ["certify", "-p", "reads.toml", "-S", "suite.toml", "--out"];
    let run = |out: &str, code: i32| bench.call(&[&args[..], &[out]].concat(), code);
    run("one", 0);
    run("one", 0);
    bench.sandbox.write("base/word", "no");
    let ran = run("one", 2);
    assert!(ran.err.contains("other profiles, cases or settings"), "{}", ran.err);
    let ran = bench.call(&["certify", "--resume", "one"], 4);
    assert!(ran.err.contains("cases.workspace"), "{}", ran.err);
    run("two", 0);
    let key = |out: &str| of_kind(&bench.events(out), "cell.ended")[0]["key"].clone();
    assert_ne!(key("one"), key("two"));
    assert_ne!(bench.json("one/plan.json")["shared"], bench.json("two/plan.json")["shared"]);
    // And a stored run is not compared with it.
    let compared = [&args[..], &["three", "--baseline", "one"]].concat();
    let ran = bench.call(&compared, 2);
    assert!(ran.err.contains("the workspace"), "{}", ran.err);
}
