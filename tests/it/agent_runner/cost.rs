//! What costs the same however long a loop has run, and what costs nothing while it waits.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use jiff::Timestamp;
use provost::event::{
    BudgetCeilings, Event, Kind, NodeId, RoundEnded, RoundNumber, RoundOutcome, RoundStarted, Seq, Sha256,
};
use provost::journal::{Manifest, RunDir, VERSION, Writer, new_run_id, snapshot, tail, tail_kind};
use serde_json::Value;

use crate::support::sandbox::{Sandbox, finish};

/// Makes what lies between the header and these bytes of a journal unreadable, line by line.
fn spoil(journal: &Path, until: impl FnOnce(&[u8]) -> usize) {
    let mut bytes = std::fs::read(journal).unwrap();
    let header = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let until = until(&bytes);
    assert!(until > header + 1000, "there is a past: {until} of {}", bytes.len());
    for byte in &mut bytes[header..until] {
        if *byte != b'\n' {
            *byte = b'x';
        }
    }
    // In place, since whoever has the file open appends to it.
    let file = OpenOptions::new().write(true).open(journal).unwrap();
    file.write_all_at(&bytes[header..until], u64::try_from(header).unwrap()).unwrap();
}

/// W2: to look at a loop, all of its history was read into memory. What is behind the checkpoint is not even looked at.
#[test]
fn peek_reads_the_end_of_a_journal_and_not_its_history() {
    const SPOILT: usize = 900_000;
    let temp = tempfile::tempdir().unwrap();
    let begun = Timestamp::from_second(1_790_000_000).unwrap();
    let run = new_run_id("supervise", begun, 7);
    let dir = RunDir::create(temp.path().join("runs").join(run.as_str())).unwrap();
    let manifest = Manifest {
        format: VERSION,
        version: String::new(),
        argv: Vec::new(),
        verb: "supervise".to_owned(),
        run: run.clone(),
        profile: Value::Null,
        profile_sha256: Sha256::of(b""),
        suite: None,
        task: String::new(),
        task_sha256: Sha256::of(b""),
        seed: 0,
        budget: BudgetCeilings::default(),
        labels: BTreeMap::new(),
        git_head: None,
        started_at: begun,
        parent: None,
        cwd: temp.path().to_owned(),
        workspace: temp.path().to_owned(),
    };
    manifest.write(&dir).unwrap();
    let mut writer = Writer::create(&dir, &run, begun).unwrap();
    for seq in 1..=10_000_u64 {
        let round = RoundNumber(seq.div_ceil(2));
        let kind: Kind = if seq % 2 == 1 {
            RoundStarted::plain(round).into()
        } else {
            let outcome = RoundOutcome::Answered;
            RoundEnded { round, outcome, duration_ms: 5, output_sha256: None, failure: None }.into()
        };
        writer.append(&Event { seq: Seq(seq), at: begun, node: NodeId::root(), kind }).unwrap();
    }
    writer.finish().unwrap();
    let look = || {
        let seen = snapshot(&dir).unwrap();
        let ends = (tail(&dir, 20).unwrap(), tail_kind(&dir, "round.ended", 20).unwrap());
        (seen.state, seen.tally, seen.bad_lines.len(), ends)
    };
    let before = look();
    assert_eq!((before.1.last_seq, before.2, before.3.1.len()), (Seq(10_000), 0, 20));
    spoil(&dir.journal(), |bytes| {
        assert!(bytes.len() > SPOILT + 150_000, "{} bytes have no checkpoint", bytes.len());
        SPOILT
    });
    assert!(look() == before, "the past was read");
}

/// W1: each round read whole months of events at least three times. A round needs nothing of what was before it.
#[test]
fn a_round_reads_nothing_of_the_rounds_before_it() {
    let agent = "cat > /dev/null\necho x >> ctl/rounds\n[ $(wc -l < ctl/rounds) = 3 ] && : > ctl/third\n\
                 while [ -e ctl/third ] && [ ! -e ctl/go ]; do sleep 0.05; done\necho done\n";
    let sandbox = Sandbox::looped(agent, "[supervise]\npause = \"20ms\"\nrounds = 5\n");
    let run = sandbox.begin(&[]);
    sandbox.comes_to("agent.spawned", 3);
    let journal = sandbox.run_dir().join("journal.jsonl");
    spoil(&journal, |bytes| bytes.len() - 200);
    sandbox.write("ctl/go", "");
    let ran = finish(run);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let text = std::fs::read_to_string(journal).unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["kind"], &last["outcome"], &last["rounds"]),
        (&"run.ended".into(), &"done".into(), &5.into())
    );
    assert_eq!(sandbox.read("ctl/rounds"), "x\n".repeat(5));
}

/// W17: a round paid for the start of an interpreter. Ours has no process of its own: one guard starts every agent.
#[test]
fn a_round_starts_nothing_of_provost_anew() {
    let agent = "cat > /dev/null\necho $PPID >> ctl/parents\necho done\n";
    let sandbox = Sandbox::looped(agent, "[supervise]\npause = \"20ms\"\nrounds = 3\n");
    let ran = sandbox.supervise(&[]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let parents = sandbox.read("ctl/parents");
    let parents: Vec<&str> = parents.lines().collect();
    assert!(parents.len() == 3 && parents.iter().all(|parent| *parent == parents[0]), "{parents:?}");
}

/// How often the threads of a process have gone to sleep.
#[cfg(target_os = "linux")]
fn rests(pid: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    tasks
        .map(|task| {
            // One that has ended meanwhile has been awake, but does not poll.
            let status = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap_or_default();
            let rests = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            rests.map_or(0, |rests| rests.trim().parse().unwrap())
        })
        .sum()
}

/// W18: the end of an agent was looked for five times a second. Neither provost nor its guard wakes while nothing happens.
#[test]
#[cfg(target_os = "linux")]
fn nothing_polls_while_an_agent_works() {
    use std::time::Duration;
    let agent = "cat > /dev/null\necho $PPID > ctl/guard\nread x < ctl/fifo\necho done\n";
    let sandbox = Sandbox::looped(agent, "[supervise]\nrounds = 1\n");
    let made = std::process::Command::new("mkfifo").arg(sandbox.path("ctl/fifo")).status().unwrap();
    assert!(made.success());
    let run = sandbox.begin(&[]);
    let both = [run.id(), sandbox.pid("ctl/guard")];
    std::thread::sleep(Duration::from_secs(1));
    let before = both.map(rests);
    std::thread::sleep(Duration::from_secs(3));
    let after = both.map(rests);
    // A poll of 5 Hz is 15 times; a look at the host may fall into the time.
    for (before, after) in before.iter().zip(after) {
        assert!(after - before < 10, "woke {} times in 3 s", after - before);
    }
    sandbox.write("ctl/fifo", "go\n");
    assert_eq!(finish(run).code, Some(0));
}
