//! The ends of a loop that nobody asks to end: what it was asked for, files, and its budget.

use crate::support::looped::story;
use crate::support::sandbox::{Sandbox, finish, of_kind, signal};

const OK: &str = "cat > /dev/null\necho x >> ctl/rounds\necho done\n";

fn rounds(sandbox: &Sandbox) -> usize {
    sandbox.read("ctl/rounds").lines().count()
}

#[test]
fn so_many_rounds_as_are_asked_for_are_done() {
    let sandbox = Sandbox::looped(OK, "[supervise]\npause = \"20ms\"\nrounds = 9\n");
    let ran = sandbox.supervise(&["--rounds", "2"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let (outcome, code, rounds, reason) = sandbox.ended();
    assert_eq!((outcome.as_str(), code, rounds), ("done", 0, 2));
    assert!(reason.starts_with("2 of 2 rounds are done"), "{reason}");
    assert_eq!(self::rounds(&sandbox), 2);
}

#[test]
fn a_ceiling_of_rounds_is_another_end_than_what_was_asked_for() {
    let sandbox = Sandbox::looped(OK, "[supervise]\npause = \"20ms\"\n[budget]\nrounds = 2\n");
    let ran = sandbox.supervise(&[]);
    assert_eq!(ran.code, Some(5), "{}", ran.err);
    let (outcome, code, rounds, _) = sandbox.ended();
    assert_eq!((outcome.as_str(), code, rounds), ("budget_exhausted", 5, 2));
    assert_eq!(self::rounds(&sandbox), 2);
}

#[test]
fn a_check_that_passes_ends_the_loop_unless_it_is_to_go_on() {
    let check = "[check]\ncommand = [\"sh\", \"-c\", \"test $(wc -l < ctl/rounds) -ge 2\"]\n";
    let sandbox = Sandbox::looped(OK, &format!("{check}[supervise]\npause = \"20ms\"\n"));
    let ran = sandbox.supervise(&[]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!((sandbox.ended().0.as_str(), sandbox.ended().2), ("delivered", 2));
    let until = "[supervise]\npause = \"20ms\"\nrounds = 3\nuntil = \"stopped\"\n";
    let sandbox = Sandbox::looped(OK, &format!("{check}{until}"));
    let ran = sandbox.supervise(&[]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!((sandbox.ended().0.as_str(), sandbox.ended().2), ("done", 3));
}

#[test]
fn a_stop_file_ends_the_loop_before_a_round_and_stays() {
    let sandbox = Sandbox::looped(OK, "[supervise]\nstop_file = \"ctl/STOP\"\n");
    sandbox.write("ctl/STOP", "out to lunch\n");
    for _ in 0..2 {
        let ran = sandbox.supervise(&[]);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        let (outcome, code, rounds, reason) = sandbox.ended();
        assert_eq!((outcome.as_str(), code, rounds), ("stopped", 0, 0));
        assert!(reason.contains("ctl/STOP") && reason.ends_with("out to lunch"), "{reason}");
        assert_eq!(sandbox.read("ctl/STOP"), "out to lunch\n");
    }
    std::fs::remove_file(sandbox.path("ctl/STOP")).unwrap();
    assert_eq!(sandbox.supervise(&["--rounds", "1", "--new"]).code, Some(0));
    assert_eq!(rounds(&sandbox), 1);
}

/// W6: a stop file that comes in a pause of ten minutes ends it when the host is looked at next.
#[test]
fn a_stop_file_ends_a_pause() {
    let keys =
        "[supervise]\nstop_file = \"ctl/STOP\"\npause = \"10m\"\n[supervise.host]\nsample = \"100ms\"\n";
    let sandbox = Sandbox::looped(OK, keys);
    let run = sandbox.begin(&[]);
    sandbox.comes_to("wait.started", 1);
    sandbox.write("ctl/STOP", "");
    let ran = finish(run);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let (outcome, _, rounds, reason) = sandbox.ended();
    assert_eq!((outcome.as_str(), rounds), ("stopped", 1));
    assert!(reason.contains("ctl/STOP"), "{reason}");
    assert_eq!(of_kind(&sandbox.events(), "wait.ended")[0]["complete"], false);
}

#[test]
fn a_done_file_of_an_earlier_agent_is_forgotten_and_one_of_this_agent_ends_the_loop() {
    let agent = "cat > /dev/null\nif [ -e ctl/once ]; then echo all painted > ctl/DONE; fi\ntouch ctl/once\necho done\n";
    let sandbox = Sandbox::looped(agent, "[supervise]\ndone_file = \"ctl/DONE\"\npause = \"20ms\"\n");
    sandbox.write("ctl/DONE", "long ago\n");
    let ran = sandbox.supervise(&[]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let (outcome, code, rounds, reason) = sandbox.ended();
    assert_eq!((outcome.as_str(), code, rounds), ("done", 0, 2));
    assert!(reason.ends_with("all painted"), "{reason}");
}

/// The last round's work is put away like every other one's: also when the loop ends with it, however that comes.
#[test]
fn the_work_of_the_last_round_is_put_away_too() {
    let agent = "cat > /dev/null\necho work > work.txt\necho yes > ctl/DONE\necho $$ > ctl/pid\nsleep 0.4\necho done\n";
    for (more, keys) in
        [(&["--rounds", "1"][..], ""), (&[][..], "done_file = \"ctl/DONE\"\n"), (&["--label", "a=b"][..], "")]
    {
        let profile = format!("[workspace]\ndirty = \"commit\"\n[supervise]\n{keys}");
        let sandbox = Sandbox::looped(agent, &profile);
        let run = sandbox.begin(more);
        sandbox.pid("ctl/pid");
        if more.contains(&"--label") {
            signal(run.id(), "TERM");
        }
        let ran = finish(run);
        assert_eq!(ran.code, Some(0), "{more:?}: {}", ran.err);
        let events = sandbox.events();
        assert_eq!(of_kind(&events, "tree.settled").len(), 1, "{more:?}: {}", story(&events));
        assert_eq!(sandbox.git(&["log", "-1", "--format=%s"]), "provost: round 1", "{more:?}");
        assert_eq!(sandbox.git(&["status", "--porcelain"]), "?? .provost/", "{more:?}");
    }
}

/// A round that drains is checked; what has passed is not worked on again.
#[test]
fn a_round_that_drains_is_checked() {
    let agent = "cat > /dev/null\necho $$ > ctl/pid\nsleep 0.4\necho x >> ctl/rounds\necho done\n";
    let check = "[check]\ncommand = [\"sh\", \"-c\", \"test -e ctl/rounds\"]\n";
    let sandbox = Sandbox::looped(agent, check);
    let run = sandbox.begin(&[]);
    sandbox.pid("ctl/pid");
    signal(run.id(), "TERM");
    let ran = finish(run);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let events = sandbox.events();
    assert_eq!(of_kind(&events, "check.ended")[0]["delivered"], true, "{}", story(&events));
    assert_eq!(sandbox.ended().0, "stopped");
    assert_eq!(sandbox.supervise(&[]).code, Some(0));
    assert_eq!(sandbox.ended().0, "delivered");
    assert_eq!(rounds(&sandbox), 1);
}
