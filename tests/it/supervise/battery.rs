//! What must be right before a loop begins: checked alone with `--check`, and in front of every loop.

use serde_json::Value;

use crate::support::sandbox::{Ran, Sandbox};

const OK: &str = "cat > /dev/null\necho done\n";

/// What was said, without where it was said.
fn plain(sandbox: &Sandbox, ran: &Ran) -> String {
    let place = sandbox.path("");
    let text = format!("exit code {}\n{}{}", ran.code.unwrap(), ran.out, ran.err);
    text.replace(place.to_str().unwrap().trim_end_matches('/'), "[dir]")
}

#[test]
fn all_is_right() {
    let sandbox = Sandbox::looped(OK, "[supervise]\nrounds = 1\n");
    insta::assert_snapshot!("check_right", plain(&sandbox, &sandbox.supervise(&["--check"])));
    let ran = sandbox.supervise(&["--check", "--json"]);
    assert_eq!(ran.code, Some(0));
    insta::assert_snapshot!("check_right_json", plain(&sandbox, &ran));
    for line in ran.out.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["ok"], true);
    }
    assert!(!sandbox.path(".provost/runs").exists(), "it only looks");
}

#[test]
fn all_that_is_wrong_is_told_at_once_with_its_remedy() {
    let sandbox = Sandbox::new("[agent]\nharness = \"command\"\ncommand = [\"no-such-agent\"]\n");
    let ran = sandbox.run(&["supervise", "--check", "--", "--help me"]);
    insta::assert_snapshot!("check_wrong", plain(&sandbox, &ran));
    let ran = sandbox.run(&["supervise", "--check", "--json", "--", "--help me"]);
    assert_eq!(ran.code, Some(2));
    insta::assert_snapshot!("check_wrong_json", plain(&sandbox, &ran));
    let wrong = ran.out.lines().filter(|line| line.contains("\"ok\":false")).count();
    assert_eq!(wrong, 3, "{}", ran.out);
}

#[test]
fn a_workspace_without_git_is_refused_unless_its_tree_is_nobodys_business() {
    let sandbox = Sandbox::shell(OK, "", "[supervise]\nrounds = 1\n");
    let ran = sandbox.supervise(&[]);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert!(ran.err.contains("in no work tree of git") && ran.err.contains("`git init`"), "{}", ran.err);
    assert!(!sandbox.path(".provost/runs").exists(), "no run, no round");
    let ran = sandbox.supervise(&["--set", "workspace.dirty=\"ignore\""]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(sandbox.ended().2, 1);
}

/// Every phase is checked, and the one that is wrong is named.
#[test]
fn a_phase_that_could_not_run_is_found_before_the_first_round() {
    let sandbox = Sandbox::looped(
        OK,
        "[supervise]\nrotation = [\"plan\", \"build\"]\n[supervise.phase.build]\nprompt = { files = [\"build.md\"] }\n",
    );
    sandbox.write("build.md", "- a list\n");
    let ran = sandbox.supervise(&[]);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert!(ran.err.contains("phase `build`: the prompt begins with a dash"), "{}", ran.err);
}

/// Scar "5-minute ENOSPC counted as crashes": what the environment lacks refuses nothing; it is waited for.
#[test]
fn a_full_disk_is_waited_for_and_not_refused() {
    let full = "[supervise]\nauto_stop = []\n[supervise.host]\ndisk_warning_pct = 0.001\ndisk_critical_pct = 0.001\n";
    let sandbox = Sandbox::looped(OK, full);
    let ran = sandbox.supervise(&["--check"]);
    assert_eq!(ran.code, Some(2), "{}", ran.out);
    let run = sandbox.begin(&[]);
    sandbox.comes_to("wait.started", 1);
    assert_eq!(sandbox.run(&["stop"]).code, Some(0));
    assert_eq!(crate::support::sandbox::finish(run).code, Some(0));
    assert_eq!(sandbox.ended().2, 0, "no round was used up");
}
