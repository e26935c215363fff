//! Cooldowns that processes share: several real ones on one directory, some of them killed or stopped at any moment,
//! and what `peek` says of them.
//!
//! A process is this test program itself, told by variables to be the worker of a test.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use provost::backend::account::{Accounts, Admission, Owner, Party};
use provost::event::{Failure, FaultClass, FaultScope};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::sandbox::{PATIENCE, Ran, Sandbox, signal, wait_for};

const PROVIDER: &str = "https://api.example.com/v1";
const DIRECTORY: &str = "ACCOUNTS_TEST_DIRECTORY";
const TASK: &str = "ACCOUNTS_TEST_TASK";

fn open(dir: &Path) -> (Accounts, Party) {
    let owner = Owner { pid: std::process::id(), run: "test".to_owned() };
    let accounts = Accounts::shared(dir.to_owned(), &owner).unwrap();
    let account = accounts.name(PROVIDER, "the key");
    let party = Party { provider: PROVIDER.to_owned(), account, model: Some("m".to_owned()) };
    (accounts, party)
}

fn refusal(seconds: f64) -> Failure {
    Failure {
        scope: FaultScope::Account,
        retry_after: Some(seconds),
        ..Failure::ours(FaultClass::RateLimited, "slow down")
    }
}

fn soon(millis: i64) -> Timestamp {
    Timestamp::now().checked_add(SignedDuration::from_millis(millis)).unwrap()
}

/// Workers of one directory, ended when dropped.
struct Workers {
    dir: TempDir,
    children: Vec<Child>,
}

impl Workers {
    fn new() -> Self {
        Self { dir: TempDir::new().unwrap(), children: Vec::new() }
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("accounts")
    }

    /// Starts one; the place in the list is its name.
    fn start(&mut self, task: &str) -> u32 {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["accounts::worker", "--exact", "--nocapture"])
            .env(DIRECTORY, self.dir.path())
            .env(TASK, task)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let pid = child.id();
        self.children.push(child);
        pid
    }

    /// Kills with SIGKILL and waits until it is gone.
    fn kill(&mut self, pid: u32) {
        let at = self.children.iter().position(|child| child.id() == pid).unwrap();
        let mut child = self.children.swap_remove(at);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// What the workers have written down, in order: process, word, milliseconds since 1970.
    fn log(&self) -> Vec<(u32, String, i64)> {
        let text = fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        text.lines()
            .map(|line| {
                let words: Vec<&str> = line.split(' ').collect();
                (words[0].parse().unwrap(), words[1].to_owned(), words[2].parse().unwrap())
            })
            .collect()
    }

    fn words(&self, word: &str) -> Vec<(u32, i64)> {
        self.log().into_iter().filter(|(_, said, _)| said == word).map(|(pid, _, at)| (pid, at)).collect()
    }

    /// Every book can be read whole at any moment.
    fn books_are_whole(&self) {
        for entry in fs::read_dir(self.state()).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|end| end == "json") {
                let bytes = fs::read(entry.path()).unwrap();
                let whole = bytes.is_empty() || serde_json::from_slice::<Value>(&bytes).is_ok();
                assert!(whole, "{}", String::from_utf8_lossy(&bytes));
            }
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What the processes of the tests below do; without a task it has nothing to do.
#[test]
fn worker() {
    let Some(dir) = std::env::var_os(DIRECTORY).map(PathBuf::from) else { return };
    let task = std::env::var(TASK).unwrap();
    let (accounts, party) = open(&dir.join("accounts"));
    let mut log = fs::OpenOptions::new().create(true).append(true).open(dir.join("log")).unwrap();
    let mut say = |word: &str, at: Timestamp| {
        // One write, so that lines of several processes do not mix.
        let line = format!("{} {word} {}\n", std::process::id(), at.as_millisecond());
        log.write_all(line.as_bytes()).unwrap();
    };
    let go = || {
        while let Admission::Wait { until, .. } = accounts.ask(&party, Timestamp::now()) {
            let wait = until.duration_since(Timestamp::now()).unsigned_abs();
            std::thread::sleep(wait.min(Duration::from_millis(100)));
        }
    };
    match task.as_str() {
        // Writes as often as it can, ever later deadlines of a model of its own and of the account.
        "write" => {
            for round in 0_i64.. {
                let until = accounts.failed(&party, &refusal(1_000.0), Timestamp::now()).unwrap().until;
                if round % 16 == 0 {
                    say("until", until);
                }
                accounts.left(&party, Timestamp::now());
            }
        }
        // Waits for its turn, and keeps it.
        "hold" => {
            go();
            say("go", Timestamp::now());
            std::thread::sleep(PATIENCE);
        }
        // Waits for its turn, keeps it for a while, and hears well.
        "answer" => {
            go();
            say("go", Timestamp::now());
            std::thread::sleep(Duration::from_millis(300));
            say("end", Timestamp::now());
            accounts.taken(&party, Timestamp::now());
        }
        other => panic!("{other}"),
    }
}

#[test]
fn killed_writers_leave_a_whole_book_and_nothing_that_was_said_is_lost() {
    let mut workers = Workers::new();
    let mut pids: Vec<u32> = (0..4).map(|_| workers.start("write")).collect();
    wait_for("the first word of all", || {
        let words = workers.words("until");
        pids.iter().all(|pid| words.iter().any(|(who, _)| who == pid))
    });
    for round in 0..24_u64 {
        // Somewhere in a cycle of reading, writing and renaming.
        std::thread::sleep(Duration::from_micros(7_000 + round * 1_311 % 5_000));
        workers.kill(pids.remove(0));
        workers.books_are_whole();
        pids.push(workers.start("write"));
    }
    for pid in pids {
        workers.kill(pid);
    }
    workers.books_are_whole();
    let latest = workers.words("until").into_iter().map(|(_, at)| at).max().unwrap();
    let (accounts, party) = open(&workers.state());
    let began = Instant::now();
    let stands = accounts.standing(&party, Timestamp::now()).unwrap().until.as_millisecond();
    assert!(stands >= latest, "{stands} was {latest} already");
    accounts.left(&party, Timestamp::now());
    assert!(began.elapsed() < Duration::from_secs(2), "the dead hold a lock: {:?}", began.elapsed());
    assert_eq!(accounts.trouble(), None);
}

#[test]
fn a_stopped_process_holds_nobody_up() {
    let mut workers = Workers::new();
    let pids: Vec<u32> = (0..2).map(|_| workers.start("write")).collect();
    wait_for("both", || workers.words("until").len() >= 2);
    let (accounts, party) = open(&workers.state());
    let mut longest = Duration::ZERO;
    for round in 0..30_u64 {
        for pid in &pids {
            signal(*pid, "STOP");
        }
        let began = Instant::now();
        accounts.left(&party, Timestamp::now());
        let until = accounts.failed(&party, &refusal(2_000.0), Timestamp::now()).unwrap().until;
        longest = longest.max(began.elapsed());
        for pid in &pids {
            signal(*pid, "CONT");
        }
        std::thread::sleep(Duration::from_millis(3 + round % 5));
        let stands = accounts.standing(&party, Timestamp::now()).unwrap().until;
        assert!(stands >= until, "an outdated book was written over a newer one");
    }
    // Two of them may have been stopped with the lock, one after the other.
    assert!(longest < Duration::from_secs(3), "{longest:?}");
    workers.books_are_whole();
}

#[test]
#[cfg(target_os = "linux")]
fn one_probes_at_a_time_and_a_killed_one_is_replaced() {
    let mut workers = Workers::new();
    let (accounts, party) = open(&workers.state());
    // It is over in a moment: what comes then is a probe.
    let over = accounts.failed(&party, &refusal(2.0), Timestamp::now()).unwrap().until.as_millisecond();
    for _ in 0..4 {
        workers.start("hold");
    }
    let mut killed = Vec::new();
    for probe in 0..3_usize {
        wait_for("a probe", || workers.words("go").len() > probe);
        // The others have the time to do wrong.
        std::thread::sleep(Duration::from_millis(400));
        let going = workers.words("go");
        assert_eq!(going.len(), probe + 1, "{going:?}");
        let (pid, at) = going[probe];
        assert!(at >= over, "it was let go {} ms too early", over - at);
        if let Some(died) = killed.last() {
            assert!(at - died < 5_000, "the next one came {} ms after a kill", at - died);
        }
        workers.kill(pid);
        killed.push(Timestamp::now().as_millisecond());
    }
    // The last one holds; then it is killed too, and those who answer open it for all, one after the other at first.
    wait_for("the last holder", || workers.words("go").len() == 4);
    let mut answering: Vec<u32> = (0..3).map(|_| workers.start("answer")).collect();
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(workers.words("go").len(), 4);
    workers.kill(workers.words("go")[3].0);
    wait_for("all", || workers.words("end").len() == 3);
    let log = workers.log();
    let first = log.iter().position(|(pid, word, _)| word == "go" && answering.contains(pid)).unwrap();
    assert_eq!((log[first].0, "end"), (log[first + 1].0, log[first + 1].1.as_str()), "{log:?}");
    answering.clear();
    wait_for("it to be open", || accounts.list(Timestamp::now()).unwrap().is_empty());
}

#[test]
fn a_killed_process_gives_its_place_back_within_about_a_second() {
    let mut workers = Workers::new();
    let pid = workers.start("hold");
    wait_for("a place", || !workers.words("go").is_empty());
    workers.kill(pid);
    let taken = workers.words("go")[0].1;
    let (accounts, party) = open(&workers.state());
    while accounts.ask(&party, Timestamp::now()) != Admission::Go {
        assert!(Timestamp::now().as_millisecond() - taken < 1_500, "the place of the dead is kept");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn peek(sandbox: &Sandbox, args: &[&str]) -> Ran {
    sandbox.run(&[&["peek"], args].concat())
}

#[test]
fn peek_shows_and_clears_what_cools() {
    let sandbox = Sandbox::new("");
    let none = peek(&sandbox, &["--cooldowns"]);
    assert_eq!((none.code, none.out.as_str()), (Some(0), "nothing is cooling: all accounts may be asked\n"));
    assert_eq!(peek(&sandbox, &["--cooldowns", "--json"]).out, "");
    assert!(!sandbox.path(".local").exists(), "a look makes nothing");

    let (accounts, party) = open(&sandbox.path(".local/state/provost/accounts"));
    accounts.failed(&party, &refusal(3_600.0), Timestamp::now());
    let missing =
        Failure { scope: FaultScope::Model, ..Failure::ours(FaultClass::ModelNotFound, "no such model") };
    let other = Party { provider: "codex".to_owned(), account: accounts.name("codex", ""), model: None };
    accounts.failed(&other, &missing, Timestamp::now());
    let id = party.account.as_str();

    let shown = peek(&sandbox, &["--cooldowns"]);
    assert_eq!(shown.code, Some(0));
    for part in [
        &format!("{PROVIDER}  account {}  all models", &id[..8]),
        "(in 59m",
        "the server said so",
        "rate_limited: slow down",
        "codex  account",
        "the agent's own model",
        "model_not_found: no such model",
    ] {
        assert!(shown.out.contains(part), "`{part}` is not in:\n{}", shown.out);
    }
    let json = peek(&sandbox, &["--cooldowns", "--json"]).out;
    let rows: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 2);
    let row = rows.iter().find(|row| row["provider"] == PROVIDER).unwrap();
    assert_eq!(row["account"], id);
    assert_eq!((&row["scope"], &row["class"]), (&"account".into(), &"rate_limited".into()));
    assert_eq!((&row["firm"], &row["model"], &row["probe"]), (&true.into(), &Value::Null, &Value::Null));
    assert!(row["until"].as_str().unwrap().parse::<Timestamp>().unwrap() > soon(3_500_000));
    assert!(row["seconds_left"].as_f64().unwrap() > 3_500.0);

    let nobody = peek(&sandbox, &["--clear", "nobody"]);
    assert_eq!((nobody.code, nobody.out.as_str()), (Some(1), ""));
    assert!(nobody.err.contains("`nobody`") && nobody.err.contains("--clear all"), "{}", nobody.err);
    let cleared = peek(&sandbox, &["--clear", &id[..8]]);
    assert_eq!(cleared.code, Some(0));
    assert_eq!(cleared.out, format!("cleared  {PROVIDER}  account {}  all models  rate_limited\n", &id[..8]));
    assert_eq!(accounts.ask(&party, soon(2_000)), Admission::Go);
    let cleared = peek(&sandbox, &["--cooldowns", "--clear", "all", "--json"]);
    assert_eq!(cleared.out.lines().count(), 1);
    assert!(accounts.list(Timestamp::now()).unwrap().is_empty());

    for args in [
        &["--cooldowns", "--runs"][..],
        &["--cooldowns", "--follow"],
        &["--cooldowns", "a-run"],
        &["--clear", "all", "--events", "3"],
        &["--clear", "all", "a-run"],
        &["--cooldowns", "--select", "spend"],
    ] {
        let refused = peek(&sandbox, args);
        assert_eq!(refused.code, Some(2), "{args:?}");
        assert!(refused.err.contains("cannot be used with"), "{}", refused.err);
    }
}
