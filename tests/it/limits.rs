//! The limits that a profile states for an endpoint, kept by several real processes together.
//!
//! A process is this test program itself, told by variables to be the worker of a test, or the real binary.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use provost::backend::account::{Accounts, Leave, Limits, Owner, Party, Pass};
use tempfile::TempDir;

use crate::support::chat_api::{self, Said};
use crate::support::http::{Response, Server, Step};
use crate::support::sandbox::{PATIENCE, Sandbox, finish, wait_for};
use provost::profile::Api;

const DIRECTORY: &str = "LIMITS_TEST_DIRECTORY";
const TASK: &str = "LIMITS_TEST_TASK";

/// Requests of a worker's thread, and threads of a worker.
const REQUESTS: usize = 30;
const THREADS: usize = 6;
/// Slots of the endpoint.
const SLOTS: usize = 3;

fn open(dir: &std::path::Path, limits: Limits) -> (Accounts, Party) {
    let owner = Owner { pid: std::process::id(), run: "test".to_owned() };
    let accounts = Accounts::shared(dir.to_owned(), &owner).unwrap();
    let provider = "http://127.0.0.1:9/v1";
    let account = accounts.name(provider, "");
    let party = Party { provider: provider.to_owned(), account, model: Some("m".to_owned()) };
    accounts.limit(&party, limits);
    (accounts, party)
}

/// Waits for leave, by looking as often as is said; says when it was given.
fn go(accounts: &Accounts, party: &Party) -> (Pass, Timestamp) {
    let mut place = None;
    loop {
        let now = Timestamp::now();
        match accounts.leave(party, now) {
            Leave::Go(pass) => return (pass, now),
            Leave::Wait { until, queue, .. } => {
                place = queue.or(place);
                let wait = until.duration_since(Timestamp::now()).unsigned_abs();
                std::thread::sleep(wait.min(Duration::from_millis(100)));
            }
        }
    }
}

fn say(dir: &std::path::Path, word: &str, at: Timestamp) {
    let mut log = fs::OpenOptions::new().create(true).append(true).open(dir.join("log")).unwrap();
    // One write, so that lines of several processes do not mix.
    let line = format!("{} {word} {}\n", std::process::id(), at.as_millisecond());
    log.write_all(line.as_bytes()).unwrap();
}

/// What the processes of the tests below do; without a task it has nothing to do.
#[test]
fn worker() {
    let Some(dir) = std::env::var_os(DIRECTORY).map(PathBuf::from) else { return };
    let slots = Limits { max_concurrency: Some(u32::try_from(SLOTS).unwrap()), rpm: None };
    let rate = Limits { max_concurrency: None, rpm: Some(1_200) };
    match std::env::var(TASK).unwrap().as_str() {
        "slots" => {
            let (accounts, party) = open(&dir.join("accounts"), slots);
            std::thread::scope(|scope| {
                for thread in 0..THREADS {
                    let (accounts, party, dir) = (&accounts, &party, &dir);
                    scope.spawn(move || {
                        for request in 0..REQUESTS {
                            let (pass, at) = go(accounts, party);
                            say(dir, "in", at);
                            std::thread::sleep(Duration::from_micros(
                                500 + (thread * 7 + request) as u64 * 97 % 2_000,
                            ));
                            accounts.taken(party, Timestamp::now());
                            say(dir, "out", Timestamp::now());
                            drop(pass);
                        }
                    });
                }
            });
            say(&dir, "end", Timestamp::now());
        }
        "rate" => {
            let (accounts, party) = open(&dir.join("accounts"), rate);
            loop {
                let (_pass, at) = go(&accounts, &party);
                say(&dir, "in", at);
                accounts.taken(&party, Timestamp::now());
            }
        }
        other => panic!("{other}"),
    }
}

/// Workers of one directory, ended when dropped.
struct Workers {
    dir: TempDir,
    children: Vec<Child>,
}

impl Workers {
    fn start(count: usize, task: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let child = |_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["limits::worker", "--exact", "--nocapture"])
                .env(DIRECTORY, dir.path())
                .env(TASK, task)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::inherit())
                .spawn()
                .unwrap()
        };
        let children = (0..count).map(child).collect();
        Self { dir, children }
    }

    fn kill(&mut self, at: usize) -> u32 {
        let mut child = self.children.remove(at);
        child.kill().unwrap();
        child.wait().unwrap();
        child.id()
    }

    /// Process, word, milliseconds since 1970, in order.
    fn log(&self) -> Vec<(u32, String, i64)> {
        let text = fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        text.lines()
            .map(|line| {
                let words: Vec<&str> = line.split(' ').collect();
                (words[0].parse().unwrap(), words[1].to_owned(), words[2].parse().unwrap())
            })
            .collect()
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

#[test]
#[cfg(target_os = "linux")]
fn four_processes_have_no_more_in_flight_than_the_endpoint_stands() {
    let mut workers = Workers::start(4, "slots");
    wait_for("some requests", || workers.log().len() > 200);
    // It dies with slots; the kernel gives them back.
    let dead = workers.kill(1);
    wait_for("the others to end", || workers.log().iter().filter(|(_, word, _)| word == "end").count() == 3);
    let log = workers.log();
    let mut flying: Vec<u32> = Vec::new();
    let mut most = 0;
    let last = log.iter().rposition(|(pid, _, _)| *pid == dead).unwrap();
    for (at, (pid, word, _)) in log.iter().enumerate() {
        match word.as_str() {
            "in" => flying.push(*pid),
            "out" => {
                let place = flying.iter().position(|other| other == pid).unwrap();
                flying.swap_remove(place);
            }
            _ => {}
        }
        if at == last {
            flying.retain(|pid| *pid != dead);
        }
        most = most.max(flying.len());
        assert!(flying.len() <= SLOTS, "{} in flight at line {at}", flying.len());
    }
    assert_eq!(most, SLOTS, "the slots were used");
    let done = log.iter().filter(|(pid, word, _)| *pid != dead && word == "out").count();
    assert_eq!(done, 3 * THREADS * REQUESTS, "all of the others were served");
}

#[test]
#[cfg(target_os = "linux")]
fn four_processes_send_no_more_in_a_minute_than_the_endpoint_stands() {
    let workers = Workers::start(4, "rate");
    // Twenty a second, after a burst of twenty.
    wait_for("three seconds", || {
        let log = workers.log();
        log.last().is_some_and(|last| last.2 - log[0].2 >= 3_000)
    });
    // By when leave was given, and without what the last ones may still have to say.
    let mut log = workers.log();
    log.sort_by_key(|(_, _, at)| *at);
    for from in 0..log.len() {
        for crowd in [30_usize, 45, 60] {
            if let Some(last) = log.get(from + crowd) {
                let least = 50 * (i64::try_from(crowd).unwrap() - 20);
                assert!(last.2 - log[from].2 >= least, "{crowd} in {} ms", last.2 - log[from].2);
            }
        }
    }
    assert!(log.len() >= 40, "{} in three seconds", log.len());
    let pids: std::collections::BTreeSet<u32> = log.iter().map(|(pid, _, _)| *pid).collect();
    assert_eq!(pids.len(), 4, "each has its turn");
}

/// A server that counts what is in flight, and answers by what it is told.
fn counting(answer: impl Fn(usize) -> Response + Send + Sync + 'static) -> (Server, Arc<[AtomicUsize; 2]>) {
    let counts = Arc::new([const { AtomicUsize::new(0) }; 2]);
    let seen = Arc::clone(&counts);
    let server = Server::answering(move |index, _| {
        let now = seen[0].fetch_add(1, Ordering::SeqCst) + 1;
        seen[1].fetch_max(now, Ordering::SeqCst);
        // Until there was a second one, however slowly it comes; then as long as a third one would need to be seen.
        let began = Instant::now();
        while seen[1].load(Ordering::SeqCst) < 2 && began.elapsed() < PATIENCE / 3 {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(120));
        seen[0].fetch_sub(1, Ordering::SeqCst);
        Some(answer(index))
    });
    (server, counts)
}

fn profile(server: &Server, more: &str) -> String {
    format!(
        "[agent]\nharness = \"chat\"\nendpoint = \"local\"\nmodel = \"local/m\"\ntools = []\n\
         [endpoints.local]\napi = \"openai\"\nbase_url = \"{}\"\n{more}",
        server.url()
    )
}

#[test]
#[cfg(target_os = "linux")]
fn runs_of_the_binary_keep_to_an_endpoint_together_whatever_becomes_of_a_request() {
    // Some answers break off, so that their requests are sent again.
    let broken = || Response::steps(vec![Step::Send("data: {\"choices\"".to_owned())]);
    let said = || chat_api::stream(Api::OpenAi, &Said::text("it is ", "done"));
    let (server, counts) = counting(move |index| if [2, 5].contains(&index) { broken() } else { said() });
    let sandbox = Sandbox::new(&profile(&server, "max_concurrency = 2\n"));
    let runs: Vec<Child> = (0..6)
        .map(|run| sandbox.start(&["run", "--out", &format!("out-{run}"), "say that it is done"]))
        .collect();
    for run in runs {
        let ran = finish(run);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
    }
    assert_eq!(counts[1].load(Ordering::SeqCst), 2);
    assert!(server.requests().len() > 6);
}

#[test]
fn an_endpoint_that_states_its_slots_may_begin_with_all_of_them() {
    let limits = Limits { max_concurrency: Some(32), rpm: None };
    let dir = TempDir::new().unwrap();
    let (accounts, party) = open(dir.path(), limits);
    let began = Instant::now();
    let passes: Vec<Pass> = (0..32).map(|_| go(&accounts, &party).0).collect();
    assert!(began.elapsed() < PATIENCE);
    assert!(matches!(accounts.leave(&party, Timestamp::now()), Leave::Wait { firm: false, .. }));
    drop(passes);
    assert!(matches!(accounts.leave(&party, Timestamp::now()), Leave::Go(_)));
}
