//! Children that behave, children that do not, and what they leave behind.
#![allow(clippy::disallowed_methods, clippy::allow_attributes, reason = "a test stands outside of the house")]

use std::io::{PipeReader, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use provost::process::{Child, Exit, Guard, ProcessError, Spec, Stdin};

mod guard;

const PATIENCE: Duration = Duration::from_secs(10);

fn exe() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_provost"))
}

fn run(test: impl Future<Output = ()> + Send) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(3 * PATIENCE, test).await.expect("the test hangs") });
}

fn spec(program: &str, args: &[&str]) -> Spec {
    Spec {
        program: program.into(),
        args: args.iter().map(Into::into).collect(),
        env: vec![("PATH".into(), std::env::var_os("PATH").unwrap())],
        cwd: std::env::temp_dir(),
        stdin: Stdin::default(),
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
        // It floods: so it has set its trap by now.
        stdout.read_exact(&mut [0; 4096]).unwrap();
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
        let mut child =
            guard.spawn(Spec { stdin: Stdin::Bytes(stdin), ..spec("sleep", &["1000"]) }).await.unwrap();
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
        let mut child =
            guard.spawn(Spec { stdin: Stdin::Bytes(stdin), ..spec("wc", &["-c"]) }).await.unwrap();
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

/// The other half of the next test, which runs it in a process of its own and kills that.
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

#[test]
fn does_a_stopped_child_heed_term() {
    run(async {
        let guard = Guard::start(exe()).await.unwrap();
        let mut child =
            sh(&guard, "trap 'exit 5' TERM; echo up; kill -STOP $$; while :; do sleep 0.01; done").await;
        line(&mut child.take_stdout().unwrap());
        child.control().end(Duration::from_mins(1));
        assert_eq!(child.wait().await.code, Some(5));
    });
}

#[test]
fn is_the_grace_of_leftovers_theirs_after_a_polite_exit() {
    run(async {
        let guard = Guard::start(exe()).await.unwrap();
        let script = "sh -c 'trap \"sleep 0.4; exit 0\" TERM; echo $$; while :; do sleep 0.01; done' & trap 'exit 0' TERM; wait";
        let mut child = sh(&guard, script).await;
        line(&mut child.take_stdout().unwrap());
        child.control().end(Duration::from_mins(1));
        let exit = child.wait().await;
        assert_eq!(
            (exit.code, exit.strays),
            (Some(0), Vec::new()),
            "it cleaned up for longer than 200 ms, unharmed"
        );
    });
}
