//! `provost peek --host`: over an `ssh` of ours, which runs the command here through a shell as the other side would.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Child;

use serde_json::{Value, json};

use crate::support::played::Played;
use crate::support::sandbox::{Ran, Sandbox, finish, lives, wait_for};

const RUN: &str = "20261121T024501Z-supervise-aaaa";

/// Notes its arguments, one a line, and does what the file `plan` says of this call: `die` breaks the connection in the
/// midst of a line, after some events; `refuse` never makes it; else the command runs where the other machine's home is.
const SSH: &str = r#"#!/bin/sh
n=$(($(cat "$STAGE/calls" 2>/dev/null || echo 0) + 1)); echo $n > "$STAGE/calls"
for argument; do printf '%s\n' "$argument"; done > "$STAGE/args.$n"
while [ "$1" != -- ]; do shift; done
shift; host=$1; shift
[ $# = 1 ] || { echo "more than one word" >&2; exit 99; }
cd "$STAGE/there" || exit 98
case $(sed -n ${n}p "$STAGE/plan" 2>/dev/null) in
refuse) echo "ssh: connect to host $host port 22: Connection refused" >&2; exit 255;;
die) echo "Welcome to $host"; sh -c "$1" | head -c 900; echo "Connection to $host closed by remote host." >&2; exit 255;;
esac
exec sh -c "$1"
"#;

fn stage() -> Sandbox {
    let sandbox = Sandbox::new("");
    for dir in ["bin", "there"] {
        std::fs::create_dir(sandbox.path(dir)).unwrap();
    }
    sandbox.write("bin/ssh", SSH);
    std::fs::set_permissions(sandbox.path("bin/ssh"), std::fs::Permissions::from_mode(0o755)).unwrap();
    sandbox
}

/// A run on the other side.
fn there(sandbox: &Sandbox) -> Played {
    std::fs::create_dir_all(sandbox.path("there/.provost/runs")).unwrap();
    let mut played = Played::begin(&sandbox.path(&format!("there/.provost/runs/{RUN}")), "supervise", RUN);
    for round in 1..=3 {
        played.says(json!({"kind": "round.started", "round": round}));
        played.says(json!({"kind": "round.ended", "round": round, "outcome": "answered", "duration_ms": 5}));
    }
    played
}

fn start(sandbox: &Sandbox, args: &[&str]) -> Child {
    let path = format!("{}:{}", sandbox.path("bin").display(), std::env::var("PATH").unwrap());
    let program = format!("--remote-command={}", env!("CARGO_BIN_EXE_provost"));
    let mut command = sandbox.command(&[&["peek"], args].concat());
    if args.iter().any(|arg| arg.starts_with("--host")) {
        command.arg(program);
    }
    command.env("PATH", path).env("STAGE", sandbox.path("")).spawn().unwrap()
}

fn peek(sandbox: &Sandbox, args: &[&str]) -> Ran {
    finish(start(sandbox, args))
}

fn seqs(text: &str) -> Vec<u64> {
    text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].as_u64().unwrap()).collect()
}

#[test]
fn the_other_side_is_asked_the_same_and_its_answer_and_exit_code_are_handed_on() {
    let sandbox = stage();
    let mut played = there(&sandbox);
    let ran = peek(&sandbox, &["--host", "box", "--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(serde_json::from_str::<Value>(&ran.out).unwrap()["run"], RUN);
    let args = sandbox.read("args.1");
    assert!(args.starts_with("-T\n-o\nBatchMode=yes\n") && args.contains("\n--\nbox\n"), "{args}");
    // Each word arrives as it was, whatever a shell would make of it.
    let odd = r#"rounds.$(touch "$STAGE/x").'a "b' *; touch "$STAGE/x""#;
    let ran = peek(&sandbox, &["--host", "box", "--select", odd]);
    assert_eq!(ran.code, Some(2), "{}", ran.out);
    assert!(ran.err.starts_with("box: error: no `$(touch \"$STAGE/x\")` in `rounds`"), "{}", ran.err);
    assert!(!sandbox.path("x").exists());
    played.says(json!({"kind": "alert.raised", "alert": "a", "severity": "critical", "message": "m"}));
    assert_eq!(peek(&sandbox, &["--host", "box", "--alerts", RUN]).code, Some(3));
    let ran =
        peek(&sandbox, &["--host=box", "--events", "2", "./.provost/runs/20261121T024501Z-supervise-aaaa"]);
    assert_eq!(seqs(&ran.out), [7, 8], "{}", ran.err);
    // Nothing of this machine answers.
    let ran = peek(&sandbox, &["--json"]);
    assert_eq!(ran.code, Some(2), "{}", ran.out);
}

/// Scar: an ssh host that was an option, and a newline in a name.
#[test]
fn a_hostile_host_is_never_given_to_ssh() {
    let sandbox = stage();
    there(&sandbox);
    for host in ["-oProxyCommand=touch x", "-v", "box\nreboot", "$(reboot)", "a b", ""] {
        let ran = peek(&sandbox, &[&format!("--host={host}")]);
        assert_eq!(ran.code, Some(2), "{host}: {}", ran.err);
    }
    let ran = peek(&sandbox, &["--host=box", "a\nb"]);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert!(ran.err.contains("control character"), "{}", ran.err);
    assert!(!sandbox.path("calls").exists(), "ssh was called");
}

#[test]
fn a_host_that_is_not_reached_is_said_to_be_so() {
    let sandbox = stage();
    sandbox.write("plan", "refuse\nrefuse\n");
    for more in [&[][..], &["--follow"]] {
        let ran = peek(&sandbox, &[&["--host", "box"], more].concat());
        assert_eq!(ran.code, Some(4), "{}", ran.out);
        assert!(ran.err.contains("no connection to box: ssh: connect to host box port 22"), "{}", ran.err);
    }
}

/// W5: a line that is cut is neither lost nor glued to another, and nothing is shown twice.
#[test]
fn a_connection_that_is_lost_is_made_anew_behind_the_last_event() {
    let sandbox = stage();
    drop(there(&sandbox).ends("done"));
    // The newest run is asked for; a connection that breaks; one that is not made; one that holds.
    sandbox.write("plan", "\ndie\nrefuse\n");
    let ran = peek(&sandbox, &["--host", "box", "--follow", "--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(seqs(&ran.out), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert!(
        ran.err.contains("lost (Connection to box closed by remote host.); the next try comes in 1s"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("the next try comes in 2s"), "{}", ran.err);
    assert_eq!(sandbox.read("calls"), "4\n");
    let last = sandbox.read("args.4");
    assert!(last.contains("'--after=") && last.trim_end().ends_with(RUN), "{last}");
}

#[test]
fn what_happens_there_is_told_here_in_words() {
    let sandbox = stage();
    drop(there(&sandbox).ends("done"));
    let ran = peek(&sandbox, &["--host", "box", "--follow", RUN]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let here = finish(sandbox.start(&["peek", "--follow", &format!("./there/.provost/runs/{RUN}")]));
    let body =
        |text: &str| text.lines().filter(|line| !line.contains(RUN)).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(body(&ran.out), body(&here.out));
    let ran = peek(&sandbox, &["--host", "box", "--follow", "--after", "7", RUN]);
    assert!(ran.out.lines().count() < here.out.lines().count() && !ran.out.is_empty(), "{}", ran.out);
}

#[test]
fn ssh_ends_with_us() {
    let sandbox = stage();
    let _played = there(&sandbox);
    sandbox.write("bin/ssh", "#!/bin/sh\necho $$ > \"$STAGE/pid\"\nexec sleep 60\n");
    let mut child = start(&sandbox, &["--host", "box", "--json"]);
    let ssh = sandbox.pid("pid");
    child.kill().unwrap();
    child.wait().unwrap();
    wait_for("the end of ssh", || !lives(ssh));
}
