//! The end of a loop from outside: it drains, it is cut, and no wait keeps it.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::looped::{closed, story};
use crate::support::sandbox::{Sandbox, finish, lives, of_kind, signal, wait_for};

/// Far longer than it takes to hear of it, and far less than any wait here.
const SOON: Duration = Duration::from_secs(10);
/// Two signals that follow at once may be one.
const APART: Duration = Duration::from_millis(400);

/// Works until it may end, and notes who disturbs it.
const WORKS: &str = "cat > /dev/null\nmkdir ctl/busy || echo two >> ctl/overlap\n\
                     trap 'echo hurt >> ctl/hurt; exit 1' TERM INT\necho $$ > ctl/pid\n\
                     while [ ! -e ctl/go ]; do sleep 0.05; done\nrmdir ctl/busy\necho done\n";
/// Takes its time to go.
const TIDIES: &str = "trap 'sleep 0.3; echo tidied > ctl/tidied; exit 1' TERM\necho $$ > ctl/pid\n\
                      while :; do sleep 0.05; done\n";
/// Does not hear.
const DEAF: &str = "trap '' TERM INT\necho $$ > ctl/pid\nwhile :; do sleep 0.05; done\n";

/// Scar R725: SIGTERM in a round started the next provost while the agent of the first still worked: two at once.
#[test]
fn a_signal_lets_the_round_go_on_to_its_end_and_nobody_else_begins_one() {
    let sandbox = Sandbox::looped(WORKS, "[supervise]\npause = \"50ms\"\nrounds = 2\n");
    let run = sandbox.begin(&[]);
    let agent = sandbox.pid("ctl/pid");
    signal(run.id(), "TERM");
    let second = sandbox.supervise(&[]);
    assert_eq!(second.code, Some(4), "{}", second.err);
    std::thread::sleep(APART);
    assert!(lives(agent) && lives(run.id()));
    sandbox.write("ctl/go", "");
    let ran = finish(run);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(!lives(agent));
    let events = sandbox.events();
    assert_eq!(of_kind(&events, "round.started").len(), 1, "{}", story(&events));
    assert_eq!(of_kind(&events, "round.ended")[0]["outcome"], "answered", "{}", story(&events));
    let (outcome, code, rounds, _) = sandbox.ended();
    assert_eq!((outcome.as_str(), code, rounds), ("stopped", 0, 1));
    let ran = sandbox.supervise(&[]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let (outcome, code, rounds, _) = sandbox.ended();
    assert_eq!((outcome.as_str(), code, rounds), ("done", 0, 2), "it is the same run");
    assert_eq!((sandbox.read("ctl/hurt"), sandbox.read("ctl/overlap")), (String::new(), String::new()));
}

/// Scar R725: a second signal ends the agent, which gets its grace.
#[test]
fn a_second_signal_ends_the_agent_with_its_grace() {
    let sandbox = Sandbox::looped(TIDIES, "");
    let run = sandbox.begin(&[]);
    let agent = sandbox.pid("ctl/pid");
    signal(run.id(), "TERM");
    std::thread::sleep(APART);
    assert!(lives(agent));
    signal(run.id(), "TERM");
    let ran = finish(run);
    assert_eq!(ran.code, Some(143), "{}", ran.err);
    assert_eq!(sandbox.read("ctl/tidied"), "tidied\n");
    assert!(!lives(agent));
    assert_eq!(sandbox.ended().0, "interrupted");
    let events = sandbox.events();
    assert_eq!(of_kind(&events, "round.ended")[0]["outcome"], "stopped", "{}", story(&events));
}

/// Scar R725: a third one ends it at once, however long its grace is.
#[test]
fn a_third_signal_ends_a_deaf_agent_at_once() {
    let sandbox = Sandbox::looped(DEAF, "[round]\ngrace = \"10m\"\n");
    let run = sandbox.begin(&[]);
    let agent = sandbox.pid("ctl/pid");
    for _ in 0..2 {
        signal(run.id(), "TERM");
        std::thread::sleep(APART);
        assert!(lives(agent));
    }
    signal(run.id(), "TERM");
    let ran = finish(run);
    assert_eq!(ran.code, Some(143), "{}", ran.err);
    assert!(!lives(agent));
}

/// W14: `stop` said "stopped" while the loop was alive; it says that it drains.
#[test]
fn a_request_to_stop_drains_and_says_so() {
    let sandbox = Sandbox::looped(WORKS, "[supervise]\npause = \"50ms\"\n");
    let run = sandbox.begin(&[]);
    let agent = sandbox.pid("ctl/pid");
    let ran = sandbox.run(&["stop", "--timeout", "400ms"]);
    assert_eq!(ran.code, Some(3), "{}{}", ran.out, ran.err);
    assert!(ran.out.starts_with("draining: round 1 runs since "), "{}", ran.out);
    assert!(!ran.out.contains("stopped"), "{}", ran.out);
    assert!(lives(agent) && lives(run.id()));
    sandbox.write("ctl/go", "");
    let ran = finish(run);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let events = sandbox.events();
    assert_eq!(of_kind(&events, "stop.acknowledged")[0]["effect"], "draining");
    assert_eq!(of_kind(&events, "round.ended")[0]["outcome"], "answered");
    assert_eq!(sandbox.ended().0, "stopped");
    assert_eq!(sandbox.read("ctl/hurt"), "");
}

/// Scar R725: who does not want to wait for the round ends the agent, after its grace.
#[test]
fn a_request_to_stop_now_ends_a_deaf_agent() {
    let sandbox = Sandbox::looped(DEAF, "[round]\ngrace = \"300ms\"\n");
    let run = sandbox.begin(&[]);
    let agent = sandbox.pid("ctl/pid");
    let ran = sandbox.run(&["stop", "--timeout", "100ms"]);
    assert_eq!(ran.code, Some(3), "{}{}", ran.out, ran.err);
    assert!(lives(agent));
    let ran = sandbox.run(&["stop", "--now"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    assert_eq!(finish(run).code, Some(0));
    assert!(!lives(agent));
    assert_eq!(sandbox.ended().0, "stopped");
}

/// W6: a signal that comes while the loop is busy between two rounds, here with a slow `git`, is not forgotten in the wait or
/// the round that would come next.
#[test]
fn a_signal_between_two_rounds_begins_neither_a_wait_nor_a_round() {
    use std::os::unix::fs::PermissionsExt as _;
    for pause in ["10m", "1ms"] {
        let sandbox = Sandbox::looped(
            "cat > /dev/null\necho x >> ctl/rounds\necho work > work.txt\necho done\n",
            &format!("[supervise]\npause = \"{pause}\"\n"),
        );
        let path = std::env::var("PATH").unwrap();
        std::fs::create_dir(sandbox.path("ctl/bin")).unwrap();
        let slow = format!(
            "#!/bin/sh\ncase \"$*\" in *stash*push*) touch ctl/busy; sleep 1;; esac\nPATH='{path}' exec git \"$@\"\n"
        );
        sandbox.write("ctl/bin/git", &slow);
        let runs = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(sandbox.path("ctl/bin/git"), runs).unwrap();
        let path = format!("{}:{path}", sandbox.path("ctl/bin").display());
        let run = sandbox.command(&["supervise", "Go on."]).env("PATH", path).spawn().unwrap();
        wait_for("a slow git", || sandbox.path("ctl/busy").exists());
        signal(run.id(), "TERM");
        let ran = finish(run);
        assert_eq!(ran.code, Some(0), "{pause}: {}", ran.err);
        let events = sandbox.events();
        assert_eq!(of_kind(&events, "tree.settled")[0]["action"], "stashed", "{pause}: {}", story(&events));
        assert_eq!(of_kind(&events, "wait.started").len(), 0, "{pause}: {}", story(&events));
        assert_eq!(sandbox.read("ctl/rounds"), "x\n", "{pause}");
    }
}

/// Each wait that a loop has between its rounds: its cause, and what brings it about.
fn waiting() -> Vec<(&'static str, Sandbox)> {
    let scripted = |script: &str, rest: &str| {
        let sandbox = Sandbox::scripted(script, rest);
        sandbox.repository();
        sandbox
    };
    let ok = "[[round]]\n[[round.turn]]\ntext = \"done\"\n";
    let refused =
        "[[round]]\n[[round.turn]]\nfault = { status = 429, text = \"slow down\", retry_after = 3600 }\n";
    let crashes = "[supervise]\npause = \"10m\"\n[retry]\nsame_model = 0\n";
    vec![
        ("pause", scripted(ok, "[supervise]\npause = \"10m\"\n")),
        ("limit", scripted(refused, "")),
        ("backoff", Sandbox::looped("exit 3\n", crashes)),
        ("schedule", scripted(ok, &format!("[supervise.schedule]\n{}", closed()))),
        (
            "disk",
            scripted(
                ok,
                "[supervise]\nauto_stop = []\n[supervise.host]\ndisk_warning_pct = 0.001\ndisk_critical_pct = 0.001\n",
            ),
        ),
    ]
}

/// W6: SIGTERM was heard after 26 s in a back-off. There is no wait in which it is not heard at once.
#[test]
fn a_signal_ends_any_wait_at_once() {
    for (cause, sandbox) in waiting() {
        let run = sandbox.begin(&[]);
        sandbox.comes_to("wait.started", 1);
        let asked = Instant::now();
        signal(run.id(), "TERM");
        let ran = finish(run);
        assert!(asked.elapsed() < SOON, "{cause}: {:?}", asked.elapsed());
        assert_eq!(ran.code, Some(0), "{cause}: {}", ran.err);
        let events = sandbox.events();
        assert_eq!(of_kind(&events, "wait.started")[0]["cause"], cause, "{}", story(&events));
        assert_eq!(of_kind(&events, "wait.ended")[0]["complete"], false, "{cause}");
        assert_eq!(sandbox.ended().0, "stopped", "{cause}");
    }
}

/// W6: nor does a wait keep `provost stop`; and what is gone on with waits for the rest of it alone.
#[test]
fn a_request_ends_any_wait_at_once_and_the_next_loop_waits_for_the_rest() {
    for (cause, sandbox) in waiting() {
        let run = sandbox.begin(&[]);
        sandbox.comes_to("wait.started", 1);
        let asked = Instant::now();
        let ran = sandbox.run(&["stop"]);
        assert_eq!(ran.code, Some(0), "{cause}: {}{}", ran.out, ran.err);
        assert!(asked.elapsed() < SOON, "{cause}: {:?}", asked.elapsed());
        assert_eq!(finish(run).code, Some(0), "{cause}");
        let rounds = of_kind(&sandbox.events(), "round.started").len();
        let run = sandbox.begin(&[]);
        sandbox.comes_to("wait.started", 2);
        wait_for("its handler", || lives(run.id()));
        signal(run.id(), "TERM");
        assert_eq!(finish(run).code, Some(0), "{cause}");
        let events = sandbox.events();
        assert_eq!(of_kind(&events, "round.started").len(), rounds, "{cause}: a round was begun in the wait");
        let waits = of_kind(&events, "wait.started");
        assert_eq!(waits[1]["cause"], cause);
        if cause != "disk" {
            let until = |wait: &Value| wait["until"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
            let later = until(waits[1]).duration_since(until(waits[0])).as_secs_f64();
            assert!(later.abs() < 1.0, "{cause}: it began anew, {later} s later");
        }
    }
}
