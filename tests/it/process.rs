//! Children that behave, children that do not, and what they leave behind.
#![allow(clippy::disallowed_methods, clippy::allow_attributes, reason = "a test stands outside of the house")]

use std::io::{PipeReader, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use provost::process::{Child, Exit, Guard, ProcessError, Spec};

const PATIENCE: Duration = Duration::from_secs(10);

fn exe() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_provost"))
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(3 * PATIENCE, test).await.expect("the test hangs") });
}

fn spec(program: &str, args: &[&str]) -> Spec {
    Spec {
        program: program.into(),
        args: args.iter().map(Into::into).collect(),
        env: vec![("PATH".into(), std::env::var_os("PATH").unwrap())],
        cwd: std::env::temp_dir(),
        stdin: Vec::new(),
    }
}

async fn sh(guard: &Guard, script: &str) -> Child {
    guard.spawn(spec("sh", &["-c", script])).await.unwrap()
}

/// Reads up to the end of the next line.
fn line(pipe: &mut PipeReader) -> String {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while pipe.read(&mut byte).unwrap() == 1 && byte != *b"\n" {
        bytes.push(byte[0]);
    }
    String::from_utf8(bytes).unwrap()
}

fn number(pipe: &mut PipeReader) -> u32 {
    line(pipe).trim().parse().unwrap()
}

/// Whether a process runs; a zombie does not.
fn lives(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(") ").unwrap().1.starts_with(['Z', 'X']))
}

fn dies(pid: u32) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while lives(pid) {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    true
}

fn pids(exit: &Exit) -> Vec<u32> {
    exit.strays.iter().map(|stray| stray.pid).collect()
}

#[test]
fn does_a_polite_child_end_at_term_without_the_grace_being_waited_for() {
    run(async {
        let guard = Guard::start(exe()).await.unwrap();
        let mut child = sh(&guard, "trap 'exit 7' TERM; echo up; while :; do sleep 0.01; done").await;
        line(&mut child.take_stdout().unwrap());
        let begin = Instant::now();
        child.control().end(Duration::from_mins(1));
        let exit = child.wait().await;
        assert_eq!((exit.code, exit.signal), (Some(7), None));
        assert_eq!(exit.strays, []);
        assert!(begin.elapsed() < PATIENCE);
        assert_eq!(guard.close().await, []);
    });
}

#[test]
fn is_a_deaf_child_killed_after_the_grace() {
    run(async {
        let guard = Guard::start(exe()).await.unwrap();
        let mut child = sh(&guard, "trap '' TERM; echo up; while :; do sleep 0.01; done").await;
        line(&mut child.take_stdout().unwrap());
        let begin = Instant::now();
        child.control().end(Duration::from_millis(100));
        let exit = child.wait().await;
        assert_eq!((exit.code, exit.signal), (None, Some(9)));
        assert!(begin.elapsed() >= Duration::from_millis(100));
    });
}

#[test]
fn is_a_deaf_grandchild_of_a_polite_child_killed_and_reported() {
    run(async {
        let guard = Guard::start(exe()).await.unwrap();
        let mut child = sh(
            &guard,
            "sh -c 'trap \"\" TERM; echo $$; while :; do sleep 0.01; done' & trap 'exit 0' TERM; wait",
        )
        .await;
        let grandchild = number(&mut child.take_stdout().unwrap());
        child.control().end(Duration::from_millis(100));
        let exit = child.wait().await;
        assert_eq!(exit.code, Some(0));
        assert!(pids(&exit).contains(&grandchild), "{exit:?}");
        assert!(!lives(grandchild));
    });
}

#[test]
fn is_a_grandchild_in_a_session_of_its_own_found_and_killed() {
    run(async {
        let guard = Guard::start(exe()).await.unwrap();
        let mut child = sh(&guard, "setsid sh -c 'echo $$; exec sleep 1000' & wait").await;
        let grandchild = number(&mut child.take_stdout().unwrap());
        child.control().end(Duration::ZERO);
        let exit = child.wait().await;
        assert_eq!(exit.signal, Some(9));
        assert_eq!(pids(&exit), [grandchild]);
        assert!(!lives(grandchild));
    });
}

/// Starts a daemon, in the way that daemons start, and exits once it runs: `$F` is how they tell each other.
const LEAVES_A_DAEMON: &str =
    "(setsid sh -c 'trap \"\" TERM; echo $$; : >\"$F\"; while :; do sleep 0.01; done' &)
    while ! [ -e \"$F\" ]; do sleep 0.01; done; exit 0";

fn leaves_a_daemon(flag: &Path) -> Spec {
    let mut spec = spec("sh", &["-c", LEAVES_A_DAEMON]);
    spec.env.push(("F".into(), flag.into()));
    spec
}

#[test]
fn is_a_daemon_left_after_a_clean_exit_killed_and_reported() {
    run(async {
        let place = tempfile::tempdir().unwrap();
        let guard = Guard::start(exe()).await.unwrap();
        let mut child = guard.spawn(leaves_a_daemon(&place.path().join("flag"))).await.unwrap();
        let mut stdout = child.take_stdout().unwrap();
        let daemon = number(&mut stdout);
        let exit = child.wait().await;
        assert_eq!(exit.code, Some(0));
        let stray = exit.strays.iter().find(|stray| stray.pid == daemon).expect("reported");
        assert_eq!(stray.name, "sh");
        assert!(!lives(daemon));
        assert_eq!(stdout.read_to_end(&mut Vec::new()).unwrap(), 0, "nobody holds the pipe any more");
    });
}

#[test]
fn does_a_flood_of_output_keep_a_child_from_being_killed() {
    run(async {
        let guard = Guard::start(exe()).await.unwrap();
        let mut child = sh(&guard, "trap '' TERM; yes & yes >&2 & yes").await;
        let mut stdout = child.take_stdout().unwrap();
        let drained = std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()).unwrap());
        child.control().end(Duration::from_millis(50));
        let exit = child.wait().await;
        assert_eq!(exit.signal, Some(9));
        assert!(drained.join().unwrap() > 0);
    });
}

#[test]
fn does_a_megabyte_for_a_child_that_never_reads_block_its_end() {
    run(async {
        let guard = Guard::start(exe()).await.unwrap();
        let stdin = vec![b'x'; 1 << 20];
        let mut child = guard.spawn(Spec { stdin, ..spec("sleep", &["1000"]) }).await.unwrap();
        let begin = Instant::now();
        child.control().end(Duration::from_mins(1));
        assert_eq!(child.wait().await.signal, Some(15));
        assert!(begin.elapsed() < PATIENCE);
    });
}

#[test]
fn does_a_megabyte_arrive_whole() {
    run(async {
        let guard = Guard::start(exe()).await.unwrap();
        let stdin = vec![b'x'; 1 << 20];
        let mut child = guard.spawn(Spec { stdin, ..spec("wc", &["-c"]) }).await.unwrap();
        assert_eq!(child.wait().await.code, Some(0));
        assert_eq!(number(&mut child.take_stdout().unwrap()), 1 << 20);
    });
}

#[test]
fn does_a_second_end_only_ever_shorten_the_grace() {
    run(async {
        let guard = Guard::start(exe()).await.unwrap();
        let script = "trap '' TERM; echo up; while :; do sleep 0.01; done";
        let mut child = sh(&guard, script).await;
        line(&mut child.take_stdout().unwrap());
        let begin = Instant::now();
        child.control().end(Duration::from_secs(1000));
        child.control().end(Duration::ZERO);
        assert_eq!(child.wait().await.signal, Some(9));
        assert!(begin.elapsed() < PATIENCE);

        let mut child = sh(&guard, script).await;
        line(&mut child.take_stdout().unwrap());
        child.control().end(Duration::from_millis(50));
        child.control().end(Duration::from_secs(1000));
        assert_eq!(child.wait().await.signal, Some(9));
        assert!(begin.elapsed() < PATIENCE);
    });
}

#[test]
fn what_is_said_about_a_program_that_cannot_run() {
    run(async {
        let guard = Guard::start(exe()).await.unwrap();
        let missing = guard.spawn(spec("no-such-program", &[])).await.err();
        assert!(
            matches!(missing, Some(ProcessError::NotFound { program }) if program == Path::new("no-such-program"))
        );
        let denied = guard.spawn(spec("/", &[])).await.err();
        assert!(matches!(denied, Some(ProcessError::Denied { .. })), "{denied:?}");
        let nowhere = Spec { cwd: PathBuf::from("/no/such/place"), ..spec("true", &[]) };
        match guard.spawn(nowhere).await.err() {
            Some(ProcessError::Spawn { source, .. }) => {
                assert!(source.to_string().contains("/no/such/place"));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(sh(&guard, "exit 3").await.wait().await.code, Some(3), "and the guard goes on");
    });
}

#[test]
fn are_codes_and_signals_told_apart() {
    run(async {
        let guard = Guard::start(exe()).await.unwrap();
        for (script, code, signal) in [
            ("exit 0", Some(0), None),
            ("exit 137", Some(137), None),
            ("kill -INT $$; exit 1", None, Some(2)),
        ] {
            let mut child = sh(&guard, script).await;
            let exit = child.wait().await;
            assert_eq!((exit.code, exit.signal), (code, signal), "{script}");
            assert_eq!(child.wait().await, exit, "asked again");
        }
    });
}

#[test]
fn does_a_child_get_its_environment_and_arguments_and_nothing_else() {
    run(async {
        let guard = Guard::start(exe()).await.unwrap();
        let long = "x".repeat(120 * 1024);
        let mut given = spec("sh", &["-c", "echo ${#1}; env; pwd", "sh", &long]);
        given.env.push(("GIVEN".into(), "a=b c".into()));
        given.cwd = "/".into();
        let mut child = guard.spawn(given).await.unwrap();
        let mut text = String::new();
        child.take_stdout().unwrap().read_to_string(&mut text).unwrap();
        assert!(text.starts_with(&format!("{}\n", long.len())));
        assert!(text.contains("\nGIVEN=a=b c\n") && text.ends_with("\n/\n"), "{text}");
        assert!(!text.contains("CARGO"), "{text}");
        assert_eq!(child.wait().await.code, Some(0));
    });
}

#[test]
fn are_the_daemons_of_two_children_told_apart() {
    run(async {
        let place = tempfile::tempdir().unwrap();
        let guard = Guard::start(exe()).await.unwrap();
        let mut lasting = sh(&guard, "(setsid sh -c 'echo $$; exec sleep 1000' &); sleep 1000").await;
        let lasting_daemon = number(&mut lasting.take_stdout().unwrap());
        let mut brief = guard.spawn(leaves_a_daemon(&place.path().join("flag"))).await.unwrap();
        let brief_daemon = number(&mut brief.take_stdout().unwrap());
        let exit = brief.wait().await;
        assert!(pids(&exit).contains(&brief_daemon) && !pids(&exit).contains(&lasting_daemon), "{exit:?}");
        assert!(!lives(brief_daemon) && lives(lasting_daemon));
        let workers: Vec<u32> = lasting.control().workers().await.iter().map(|worker| worker.pid).collect();
        assert!(workers.contains(&lasting_daemon) && !workers.contains(&lasting.pid()), "{workers:?}");
        lasting.control().end(Duration::ZERO);
        assert!(pids(&lasting.wait().await).contains(&lasting_daemon));
        assert!(!lives(lasting_daemon));
    });
}

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

/// The other half of the next test, which runs it in a process of its own and kills that.
#[test]
#[ignore = "runs until it is killed"]
fn a_provost_to_be_killed() {
    run(async {
        let guard = Guard::start(exe()).await.unwrap();
        let script = "trap '' TERM; echo $$; setsid sh -c 'echo $$; exec sleep 1000' & (setsid sh -c 'echo $$; exec sleep 1000' &); wait";
        let mut child = sh(&guard, script).await;
        let mut stdout = child.take_stdout().unwrap();
        for _ in 0..3 {
            println!("\npid {}", number(&mut stdout));
        }
        child.wait().await;
    });
}

#[test]
fn does_anything_survive_when_provost_is_killed() {
    let mut provost = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "process::a_provost_to_be_killed", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(provost.stdout.take().unwrap()));
    let pids: Vec<u32> =
        lines.filter_map(|line| line.unwrap().strip_prefix("pid ")?.parse().ok()).take(3).collect();
    assert!(pids.len() == 3 && pids.iter().all(|pid| lives(*pid)), "{pids:?}");
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

#[test]
fn does_a_child_that_forks_without_end_escape() {
    run(async {
        let guard = Guard::start(exe()).await.unwrap();
        let script = "echo up; while :; do (setsid sh -c 'sleep 1000 & sleep 0.01; exec sleep 1000' &); done";
        let mut child = sh(&guard, script).await;
        line(&mut child.take_stdout().unwrap());
        let deadline = Instant::now() + PATIENCE;
        while child.control().workers().await.len() < 50 {
            assert!(Instant::now() < deadline);
        }
        child.control().end(Duration::from_millis(10));
        let exit = child.wait().await;
        assert!(exit.strays.len() >= 50, "{}", exit.strays.len());
        assert!(exit.strays.iter().all(|stray| !lives(stray.pid)));
        assert_eq!(guard.close().await, []);
    });
}
