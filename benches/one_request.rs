//! What one request costs in the engine: `cargo bench --bench one_request`.
//!
//! Whole runs of a `chat` profile without tools, 64 at once in one process, against a server on the loopback interface
//! that answers at once. Printed is the CPU time of the thread that runs them, for each; the server has a thread of its
//! own, which does not count. The sink only counts, so that no journal takes part.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a benchmark"
)]
#![allow(clippy::disallowed_methods, reason = "a benchmark reads clock and files")]

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use provost::backend::account::{Accounts, Owner};
use provost::backend::registry::{self, Place, Secrets};
use provost::backend::{Guard, party};
use provost::engine::{self, Candidate, Cast, OneTask, Parts, Plan, Shutdown};
use provost::event::{Record, RunId, RunOutcome};
use provost::profile::{Profile, Source, load};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Runs of one measurement.
const RUNS: usize = 2_000;
/// Of them at the same time.
const AT_ONCE: usize = 64;
/// Measurements; the least busy one says most on a machine with other work.
const ROUNDS: usize = 5;

const ANSWER: &str = concat!(
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":",
    "{\"role\":\"assistant\",\"content\":\"42\"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},",
    "\"finish_reason\":\"stop\"}]}\n\n",
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[],\"usage\":",
    "{\"prompt_tokens\":9,\"completion_tokens\":1,\"total_tokens\":10}}\n\n",
    "data: [DONE]\n\n",
);

/// A server that reads a request by its length and answers it, in a thread of its own.
fn serve(connections: Arc<AtomicU64>) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
                    loop {
                        let head = bytes.windows(4).position(|four| four == b"\r\n\r\n");
                        if let Some(head) = head {
                            let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
                            let length = text.split("content-length: ").nth(1).unwrap_or("0");
                            let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
                            if bytes.len() >= head + 4 + length {
                                bytes.drain(..head + 4 + length);
                                let answer = format!(
                                    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\n\r\n{ANSWER}",
                                    ANSWER.len()
                                );
                                socket.write_all(answer.as_bytes()).await.unwrap();
                                continue;
                            }
                        }
                        match socket.read(&mut piece).await {
                            Ok(0) | Err(_) => return,
                            Ok(count) => bytes.extend_from_slice(&piece[..count]),
                        }
                    }
                });
            }
        });
    });
    address
}

/// CPU time of this thread.
fn busy() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}

fn profile(dir: &std::path::Path, address: SocketAddr, limits: &str) -> Arc<Profile> {
    let text = format!(
        "schema = 1\nname = \"bench\"\n[agent]\nharness = \"chat\"\nendpoint = \"local\"\nmodel = \"local/m\"\ntools = []\n\
         [endpoints.local]\napi = \"openai\"\nbase_url = \"http://{address}/v1\"\n{limits}"
    );
    let path = dir.join("bench.toml");
    std::fs::write(&path, text).unwrap();
    load(Source { path: &path, sets: &[], cwd: dir }).unwrap().profile
}

async fn measure(
    dir: &std::path::Path,
    address: SocketAddr,
    guard: &Guard,
    shared: bool,
    limits: &str,
) -> (Duration, Duration) {
    let profile = profile(dir, address, limits);
    let secrets = Arc::new(Secrets::new([]));
    let environment = BTreeMap::new();
    let place = Place {
        profile: &profile,
        environment: &environment,
        guard: guard.clone(),
        secrets: Arc::clone(&secrets),
        workspace: dir,
    };
    let owner = Owner { pid: std::process::id(), run: "bench".to_owned() };
    let accounts = if shared {
        Accounts::shared(dir.join("accounts"), &owner).unwrap()
    } else {
        Accounts::private(&owner)
    };
    let candidate = Candidate {
        name: profile.describes(),
        harness: registry::harness(&place).unwrap(),
        party: party(&place, &accounts),
        profile: Arc::clone(&profile),
    };
    let cast = Cast {
        profile: Arc::clone(&profile),
        candidates: vec![candidate],
        system: None,
        files: Vec::new(),
        task: None,
        images: Vec::new(),
    };
    let shutdown = Shutdown::listen().unwrap();
    let events = Arc::new(AtomicU64::new(0));
    let one = |index: usize| {
        let plan = Plan {
            run: RunId::new("bench"),
            verb: "bench",
            profile: Arc::clone(&profile),
            task: format!("case {index}: what is six times seven?"),
            seed: index as u64,
            workspace: dir.to_owned(),
            directory: dir.to_owned(),
            dry_run: false,
            patient: false,
            pid: std::process::id(),
            alerts: Vec::new(),
            cell: None,
            takes_cut: false,
        };
        let events = Arc::clone(&events);
        let parts = Parts {
            casts: vec![cast.clone()],
            driver: Box::new(OneTask),
            accounts: accounts.clone(),
            survey: None,
            oracle: None,
            sink: Box::new(move |record| {
                if let Record::Event(_) = record {
                    events.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            }),
            veiling: Box::new(|bytes| (Cow::Borrowed(bytes), 0)),
            shutdown: shutdown.clone(),
        };
        engine::run(plan, parts, None)
    };
    let (began, cpu) = (Instant::now(), busy());
    let mut running = futures_util::stream::iter(0..RUNS).map(one).buffer_unordered(AT_ONCE);
    while let Some(ended) = running.next().await {
        let ended = ended.unwrap();
        assert!(
            ended.outcome != RunOutcome::Unavailable && ended.output.as_deref() == Some("42"),
            "{ended:?}"
        );
    }
    (began.elapsed(), busy().saturating_sub(cpu))
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let guard = Guard::start(env!("CARGO_BIN_EXE_provost").as_ref()).await.unwrap();
        let connections = Arc::new(AtomicU64::new(0));
        let address = serve(Arc::clone(&connections));
        for (what, shared, limits) in [
            ("accounts of this process", false, ""),
            ("accounts of the user", true, ""),
            ("with 64 slots", true, "max_concurrency = 64\n"),
            ("with 64 slots and a rate", true, "max_concurrency = 64\nrpm = 6000000\n"),
        ] {
            let mut best = (Duration::MAX, Duration::MAX);
            for _ in 0..ROUNDS {
                let dir = tempfile::tempdir().unwrap();
                let (wall, cpu) = measure(dir.path(), address, &guard, shared, limits).await;
                best = (best.0.min(wall), best.1.min(cpu));
            }
            let each = |time: Duration| time.as_micros() / RUNS as u128;
            println!("{what:<26} {:>5} us of CPU, {:>5} us of wall each", each(best.1), each(best.0));
        }
        println!("{} connections", connections.load(Ordering::Relaxed));
        guard.close().await;
    });
}
