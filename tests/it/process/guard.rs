//! The guard itself: what it outlives, and what does not outlive it.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use super::*;
use crate::support::sandbox::Sandbox;

#[test]
fn does_a_dropped_child_live_on() {
    run(async {
        let guard = Guard::start(exe()).await.unwrap();
        let mut child = sh(&guard, "setsid sh -c 'echo $$; exec sleep 1000' & wait").await;
        let grandchild = number(&mut child.take_stdout().unwrap());
        let leader = child.pid();
        drop(child);
        tokio::task::yield_now().await;
        tokio::time::timeout(PATIENCE, async {
            while lives(leader) || lives(grandchild) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await
        .expect("both are killed");
    });
}

#[test]
fn does_close_leave_anything_running() {
    run(async {
        let guard = Guard::start(exe()).await.unwrap();
        let mut child = sh(&guard, "trap '' TERM; setsid sh -c 'echo $$; exec sleep 1000' & wait").await;
        let grandchild = number(&mut child.take_stdout().unwrap());
        let other = guard.clone();
        let strays = guard.close().await;
        assert!(!lives(child.pid()) && !lives(grandchild));
        assert!(strays.iter().any(|stray| stray.pid == grandchild), "{strays:?}");
        assert_eq!(child.wait().await.signal, Some(9));
        assert!(matches!(other.spawn(spec("true", &[])).await.err(), Some(ProcessError::GuardGone)));
        assert_eq!(other.close().await, []);
    });
}

#[test]
fn does_anything_survive_when_the_guard_loses_its_parent() {
    // The runtime is torn down with all its tasks, which is all that the guard sees of a provost that is killed.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (child, grandchild) = runtime.block_on(async {
        let guard = Guard::start(exe()).await.unwrap();
        let mut child =
            sh(&guard, "trap '' TERM; setsid sh -c 'trap \"\" TERM HUP; echo $$; exec sleep 1000' & wait")
                .await;
        let grandchild = number(&mut child.take_stdout().unwrap());
        let pid = child.pid();
        std::mem::forget(child);
        std::mem::forget(guard);
        (pid, grandchild)
    });
    assert!(lives(child) && lives(grandchild));
    drop(runtime);
    assert!(dies(child) && dies(grandchild));
}

#[test]
fn does_anything_survive_when_provost_is_killed() {
    let program = "trap '' TERM; setsid sh -c 'echo $$ >own; exec sleep 1000' & \
                   (setsid sh -c 'echo $$ >daemon; exec sleep 1000' &); echo $$ >agent; wait";
    let sandbox = Sandbox::shell(program, "", "");
    let mut provost = sandbox.start(&["run", "go on"]);
    let pids = ["agent", "own", "daemon"].map(|name| sandbox.pid(name));
    assert!(pids.iter().all(|pid| lives(*pid)), "{pids:?}");
    provost.kill().unwrap();
    provost.wait().unwrap();
    assert!(pids.into_iter().all(dies));
}

#[test]
fn does_a_direct_child_survive_the_guard() {
    run(async {
        let guard = Guard::start(exe()).await.unwrap();
        let mut child = sh(&guard, "cut -d' ' -f4 /proc/$$/stat; exec sleep 1000").await;
        let keeper = number(&mut child.take_stdout().unwrap());
        let name = std::fs::read_to_string(format!("/proc/{keeper}/comm")).unwrap();
        assert_eq!(name.trim(), "provost-guard");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(keeper.cast_signed()), nix::sys::signal::SIGKILL)
            .unwrap();
        assert!(dies(child.pid()));
        assert_eq!(child.wait().await, Exit::default(), "nobody knows how it ended");
        assert!(matches!(guard.spawn(spec("true", &[])).await.err(), Some(ProcessError::GuardGone)));
    });
}

#[test]
fn does_ctrl_c_reach_the_guard_and_does_a_child_inherit_its_deafness() {
    run(async {
        let guard = Guard::start(exe()).await.unwrap();
        let mut child = sh(&guard, "cut -d' ' -f4 /proc/$$/stat; exec sleep 1000").await;
        let keeper = nix::unistd::Pid::from_raw(number(&mut child.take_stdout().unwrap()).cast_signed());
        for signal in [nix::sys::signal::SIGINT, nix::sys::signal::SIGTERM, nix::sys::signal::SIGHUP] {
            nix::sys::signal::kill(keeper, signal).unwrap();
            let mut next = sh(&guard, &format!("kill -{} $$", signal as i32)).await;
            assert_eq!(next.wait().await.signal, Some(signal as i32));
        }
        child.control().end(Duration::ZERO);
        assert_eq!(child.wait().await.signal, Some(9));
        assert_eq!(guard.close().await, []);
    });
}

#[test]
fn does_a_guard_end_that_hears_nonsense_or_has_no_line() {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut guard =
        Command::new(exe()).arg("guard").stdin(Stdio::from(OwnedFd::from(theirs))).spawn().unwrap();
    (&ours).write_all(&[1, 0, 0, 0, 99]).unwrap();
    assert!(guard.wait().unwrap().success());
    assert!(!Command::new(exe()).arg("guard").stdin(Stdio::null()).status().unwrap().success());
}

#[test]
fn are_many_children_at_once_all_heard() {
    run(async {
        let guard = Guard::start(exe()).await.unwrap();
        let mut children = Vec::new();
        for code in 0..40 {
            children.push((code, sh(&guard, &format!("exit {code}")).await));
        }
        for (code, mut child) in children {
            assert_eq!(child.wait().await.code, Some(code));
        }
    });
}
