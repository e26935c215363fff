//! Phases: whose turn it is, with which agent and prompt, and when.

use serde_json::Value;

use crate::support::looped::{closed, story};
use crate::support::sandbox::{Sandbox, finish, of_kind, signal};

const AGENT: &str = "cat > /dev/null\necho base >> ctl/agents\necho done\n";

/// Two phases: `plan` as the profile is, `build` with an agent and a prompt of its own.
fn two(rest: &str) -> Sandbox {
    let sandbox = Sandbox::looped(
        AGENT,
        &format!(
            "[prompt]\nfiles = [\"plan.md\"]\n[supervise]\nrotation = [\"plan\", \"build\"]\npause = \"20ms\"\nrounds = 3\n{rest}"
        ),
    );
    sandbox.write("plan.md", "Plan the work.\n");
    sandbox.write("build.md", "Build what is planned.\n");
    sandbox.write("builder.sh", "cat > /dev/null\necho builder >> ctl/agents\necho done\n");
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-qm", "phases"]);
    sandbox
}

const BUILD: &str = "[supervise.phase.build]\nagent = { command = [\"sh\", \"builder.sh\"] }\nprompt = { files = [\"build.md\"] }\n";

fn phases(sandbox: &Sandbox) -> Vec<String> {
    let events = sandbox.events();
    let started = of_kind(&events, "round.started");
    started.iter().map(|round| round["phase"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn phases_take_turns_each_with_its_own_agent_and_prompt() {
    let sandbox = two(BUILD);
    let ran = sandbox.supervise(&[]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(phases(&sandbox), ["plan", "build", "plan"]);
    assert_eq!(sandbox.read("ctl/agents"), "base\nbuilder\nbase\n");
    for (round, words, not) in [
        (1, "Plan the work.", "Build what"),
        (2, "Build what is planned.", "Plan the"),
        (3, "Plan the work.", "Build what"),
    ] {
        let prompt = sandbox.prompts(round).pop().unwrap();
        assert!(prompt.contains(words) && !prompt.contains(not), "{round}: {prompt}");
        assert!(prompt.ends_with("\n\nGo on.\n"), "{prompt}");
        let phase = if round == 2 { "build" } else { "plan" };
        assert!(prompt.contains(&format!("This is a round of the phase `{phase}`.")), "{round}: {prompt}");
    }
}

/// The rotation is a matter of the rounds that are on record: a loop that is gone on with does not begin it anew.
#[test]
fn a_rotation_goes_on_where_it_was() {
    let sandbox = two(BUILD);
    let run = sandbox.begin(&["--set", "supervise.pause=\"10m\""]);
    sandbox.comes_to("wait.started", 1);
    signal(run.id(), "TERM");
    assert_eq!(finish(run).code, Some(0));
    let run = sandbox.begin(&["--set", "supervise.pause=\"10m\""]);
    sandbox.comes_to("wait.started", 2);
    signal(run.id(), "TERM");
    assert_eq!(finish(run).code, Some(0));
    assert_eq!(phases(&sandbox), ["plan"]);
    assert_eq!(sandbox.supervise(&["--new"]).code, Some(0));
}

#[test]
fn a_phase_that_must_not_run_now_is_waited_for() {
    let sandbox = two(&format!("{BUILD}[supervise.phase.build.schedule]\n{}", closed()));
    let run = sandbox.begin(&[]);
    sandbox.comes_to("round.ended", 1);
    let waits = |events: &[Value]| {
        of_kind(events, "wait.started").into_iter().filter(|wait| wait["cause"] == "schedule").count()
    };
    crate::support::sandbox::wait_for("the wait for the phase", || waits(&sandbox.so_far()) > 0);
    let peeked = sandbox.run(&["peek"]);
    assert!(peeked.out.contains("phase `build`: outside of "), "peek says whom it waits for: {}", peeked.out);
    signal(run.id(), "TERM");
    assert_eq!(finish(run).code, Some(0));
    assert_eq!(phases(&sandbox), ["plan"]);
    let events = sandbox.events();
    assert_eq!(waits(&events), 1, "{}", story(&events));
}

#[test]
fn a_phase_that_must_not_run_now_is_skipped_and_that_is_told() {
    let sandbox =
        two(&format!("phase_policy = \"skip\"\n{BUILD}[supervise.phase.build.schedule]\n{}", closed()));
    let ran = sandbox.supervise(&[]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(phases(&sandbox), ["plan", "plan", "plan"]);
    let events = sandbox.events();
    let skipped = of_kind(&events, "phase.skipped");
    assert_eq!(skipped.len(), 1, "{}", story(&events));
    assert_eq!(
        (&skipped[0]["round"], &skipped[0]["skipped"], &skipped[0]["chosen"]),
        (&2.into(), &serde_json::json!(["build"]), &"plan".into())
    );
}

#[test]
fn windows_are_passed_over_when_asked() {
    let sandbox = two(&format!("{BUILD}[supervise.schedule]\n{}", closed()));
    let ran = sandbox.supervise(&["--ignore-schedule"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(phases(&sandbox), ["plan", "build", "plan"]);
}

/// A limit of one agent keeps the other from nothing, where phases are skipped.
#[test]
fn a_limit_of_one_agent_leaves_the_phases_of_the_other_to_go_on() {
    let sandbox = Sandbox::scripted(
        "[[round]]\n[[round.turn]]\nfault = { status = 429, text = \"slow down\", retry_after = 3600 }\n",
        "[supervise]\nrotation = [\"plan\", \"build\"]\nphase_policy = \"skip\"\npause = \"20ms\"\nrounds = 3\n\
         [supervise.phase.build]\nagent = { harness = \"command\", command = [\"sh\", \"-c\", \"cat > /dev/null; echo done\"] }\n",
    );
    sandbox.repository();
    let ran = sandbox.supervise(&[]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(phases(&sandbox), ["plan", "build", "build"]);
    let events = sandbox.events();
    assert_eq!(of_kind(&events, "phase.skipped").len(), 1, "{}", story(&events));
}
