//! A lock and its holder, with real processes.

use std::process::{Command, Stdio};

use jiff::Timestamp;
use provost::file::{HoldError, hold};

use crate::support::sandbox::wait_for;

/// W13: whoever held it is killed, and the next one has it at once, whatever the file says.
#[test]
fn a_lock_is_free_when_its_holder_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    // `flock` takes the same lock in another process, which then says of itself what a holder says.
    let script = r#"exec 9<>"$0"; flock -n 9 || exit 1
        printf '{"pid":%s,"started_at":"2026-11-21T02:45:01Z","command":"provost supervise -p x.toml"}\n' $$ >&9
        echo held; exec sleep 60"#;
    std::fs::write(&path, "").unwrap();
    let mut child =
        Command::new("sh").args(["-c", script]).arg(&path).stdout(Stdio::piped()).spawn().unwrap();
    wait_for("the record of the holder", || std::fs::read_to_string(&path).unwrap().ends_with('\n'));
    let now: Timestamp = "2026-11-21T04:48:01Z".parse().unwrap();
    let refused = hold(&path, "mine", now).unwrap_err();
    assert!(
        matches!(&refused, HoldError::Held { holder: Some(holder), .. } if holder.pid == child.id()),
        "{refused:?}"
    );
    let text = refused.to_string();
    let expected = format!("is held by process {} for 2h 3m (provost supervise -p x.toml)", child.id());
    assert!(text.ends_with(&expected), "{text}");
    child.kill().unwrap();
    child.wait().unwrap();
    drop(hold(&path, "mine", now).unwrap());
}
