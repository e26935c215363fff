//! One loop drives a root.

use serde_json::Value;

use crate::support::sandbox::{Sandbox, finish, lives, signal, wait_for};

const WORKS: &str =
    "cat > /dev/null\necho $$ > ctl/pid\nwhile [ ! -e ctl/go ]; do sleep 0.05; done\necho done\n";

/// W13, W14: a second loop minted a round number every two seconds while the first one lived. It is refused, by name, and
/// nothing of it is on record.
#[test]
fn a_second_loop_on_the_same_root_is_refused_and_told_by_whom() {
    let sandbox = Sandbox::looped(WORKS, "[supervise]\nrounds = 1\n");
    let run = sandbox.begin(&[]);
    sandbox.pid("ctl/pid");
    for more in [&[][..], &["--new"]] {
        let ran = sandbox.supervise(more);
        assert_eq!(ran.code, Some(4), "{}", ran.err);
        assert!(ran.err.contains("supervise Go on."), "the command: {}", ran.err);
        assert!(ran.err.contains(&format!("is held by process {} for ", run.id())), "the age: {}", ran.err);
        assert!(ran.err.contains("`provost stop` ends it"), "{}", ran.err);
    }
    let lock: Value = serde_json::from_str(&sandbox.read(".provost/lock")).unwrap();
    assert_eq!(lock["pid"], run.id());
    assert_eq!(std::fs::read_dir(sandbox.path(".provost/runs")).unwrap().count(), 1);
    let other = sandbox.supervise(&["--check"]);
    assert_eq!(other.code, Some(0), "who only looks is not in the way: {}{}", other.out, other.err);
    sandbox.write("ctl/go", "");
    assert_eq!(finish(run).code, Some(0));
    assert_eq!(sandbox.ended().2, 1);
}

/// W13: what a killed loop has left in the lock keeps nobody out.
#[test]
fn the_lock_of_a_killed_loop_keeps_nobody_out() {
    let sandbox = Sandbox::looped(WORKS, "[supervise]\nrounds = 1\n");
    let run = sandbox.begin(&[]);
    let agent = sandbox.pid("ctl/pid");
    signal(run.id(), "KILL");
    finish(run);
    wait_for("the end of the agent", || !lives(agent));
    assert!(!sandbox.read(".provost/lock").is_empty());
    sandbox.write("ctl/go", "");
    let ran = sandbox.supervise(&[]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(sandbox.ended().2, 1);
}
