//! The two books at the end: what provost says happened, and what the agent says it did.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use provost::event::{RoundOutcome, Tally};
use provost::journal::{Reader, RunDir, RunState, snapshot};
use serde_json::Value;

use super::stage::{CHANGED, COMMITTED, IGNORED, Stage, UNTRACKED};
use crate::support::sandbox::of_kind;

/// A start of the agent, by its own account.
#[derive(Debug)]
struct Start {
    round: u64,
    pid: u64,
    kind: String,
    again: bool,
}

/// What the agent has written down.
#[derive(Debug, Default)]
struct Ledger {
    starts: Vec<Start>,
    ends: BTreeSet<(u64, u64)>,
    tokens: BTreeSet<String>,
    daemons: u64,
    overlaps: Vec<String>,
}

impl Ledger {
    fn read(stage: &Stage) -> Self {
        let mut ledger = Self::default();
        for line in stage.read("ledger/ledger").lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let number = |place: usize| words[place].parse::<u64>().unwrap();
            match words[0] {
                "start" => ledger.starts.push(Start {
                    round: number(1),
                    pid: number(2),
                    kind: words[3].to_owned(),
                    again: words[4] == "again",
                }),
                "end" => drop(ledger.ends.insert((number(1), number(2)))),
                "wrote" => drop(ledger.tokens.insert(words[2].to_owned())),
                "daemon" => ledger.daemons += 1,
                "locked" => {}
                "overlap" => ledger.overlaps.push(line.to_owned()),
                word => panic!("an odd line of the ledger: {word}"),
            }
        }
        ledger
    }
}

/// Compares the books, and says in words what is in them.
pub(super) fn compare(stage: &Stage, rounds: u64) -> String {
    let dir = stage.run_dir().unwrap();
    let events = journal_is_sound(&dir);
    let ledger = Ledger::read(stage);
    every_round_is_once(&events, &ledger, rounds);
    cut_rounds_are_made_again(&dir, &events, &ledger);
    files_are_kept(stage, &events, &ledger);
    let disk = disk_is_bounded(stage, &dir, &events, &ledger, rounds);
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    for start in &ledger.starts {
        *kinds.entry(&start.kind).or_default() += 1;
    }
    let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    let mut trees: BTreeMap<&str, u64> = BTreeMap::new();
    for settled in of_kind(&events, "tree.settled") {
        *trees.entry(settled["action"].as_str().unwrap()).or_default() += 1;
    }
    let mut cuts: BTreeMap<&str, u64> = BTreeMap::new();
    for pair in events.windows(2).filter(|pair| pair[1]["kind"] == "run.resumed") {
        *cuts.entry(pair[0]["kind"].as_str().unwrap()).or_default() += 1;
    }
    format!(
        "{} starts of the agent ({}); {} daemons; {} texts written, none lost; trees {trees:?}; {} events; gone on with after {cuts:?}; {disk}",
        ledger.starts.len(),
        kinds.join(", "),
        ledger.daemons,
        ledger.tokens.len(),
        events.len(),
    )
}

/// Every line is whole, the header comes first, `seq` has no gaps, time does not go back, and provost's reader sees the same.
fn journal_is_sound(dir: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(dir.join("journal.jsonl")).unwrap();
    assert!(text.ends_with('\n'), "the last line is torn");
    let mut lines = text.lines();
    let header: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    assert_eq!(header["run"].as_str(), dir.file_name().unwrap().to_str(), "{header}");
    let events: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    for (place, event) in events.iter().enumerate() {
        assert_eq!(event["seq"], place + 1, "a gap: {event}");
    }
    let run = RunDir::open(dir).unwrap();
    let mut tally = Tally::default();
    let mut read = 0;
    for event in Reader::open(&run).unwrap() {
        let event = event.unwrap();
        assert!(tally.last_at.is_none_or(|last| last <= event.at), "time goes back: {event:?}");
        tally.apply(&event);
        read += 1;
    }
    assert_eq!(read, events.len());
    // From the last checkpoint on, and from the first line on: the same.
    let seen = snapshot(&run).unwrap();
    assert!(seen.bad_lines.is_empty() && seen.torn_bytes == 0, "{:?}", seen.bad_lines);
    assert_eq!(seen.state, RunState::Finished);
    assert_eq!(seen.tally, tally);
    let result: Value = serde_json::from_slice(&std::fs::read(run.result()).unwrap()).unwrap();
    assert_eq!((result["outcome"].as_str(), &result["rounds"]), (Some("done"), &tally.rounds.0.into()));
    events
}

/// No round is lost, none is counted twice, and the agent agrees.
fn every_round_is_once(events: &[Value], ledger: &Ledger, rounds: u64) {
    let numbers = |kind: &str| -> Vec<u64> {
        of_kind(events, kind).iter().map(|event| event["round"].as_u64().unwrap()).collect()
    };
    let all: Vec<u64> = (1..=rounds).collect();
    assert_eq!(numbers("round.started"), all, "rounds that have begun");
    assert_eq!(numbers("round.ended"), all, "rounds that have settled");
    // One place at a time: what the agent says of a round is what the journal says of it, process by process.
    let mut open = 0;
    let mut spawned: BTreeMap<(u64, u64), bool> = BTreeMap::new();
    let mut last = None;
    for event in events {
        match event["kind"].as_str().unwrap() {
            "round.started" => open = event["round"].as_u64().unwrap(),
            "agent.spawned" => {
                last = Some((open, event["pid"].as_u64().unwrap()));
                assert!(spawned.insert(last.unwrap(), false).is_none(), "one process, told twice: {event}");
            }
            "agent.exited" => *spawned.get_mut(&last.take().unwrap()).unwrap() = true,
            _ => {}
        }
    }
    let started: BTreeSet<(u64, u64)> = ledger.starts.iter().map(|start| (start.round, start.pid)).collect();
    assert_eq!(started.len(), ledger.starts.len(), "one process, started twice");
    for (spawn, exited) in &spawned {
        assert!(!exited || started.contains(spawn), "the agent does not know of {spawn:?}");
    }
    let resumes = of_kind(events, "run.resumed").len();
    let untold: Vec<_> = started.iter().filter(|start| !spawned.contains_key(start)).collect();
    assert!(untold.len() <= resumes, "starts that provost does not know of: {untold:?}");
    let known: BTreeSet<u64> = started.iter().map(|(round, _)| *round).collect();
    assert_eq!(known.into_iter().collect::<Vec<_>>(), all, "each round has met the agent");
    assert_eq!(ledger.overlaps, [] as [&str; 0], "two agents at once");
    // Who ended by itself was seen to.
    for start in ledger.ends.iter().filter(|end| spawned.get(end) == Some(&true)) {
        assert!(started.contains(start), "an end without a start: {start:?}");
    }
    // The same round is the same to the agent, and is no other to provost.
    let mut kinds: BTreeMap<u64, &str> = BTreeMap::new();
    for start in &ledger.starts {
        assert_eq!(*kinds.entry(start.round).or_insert(&start.kind), start.kind, "{start:?}");
    }
    for ended in of_kind(events, "round.ended") {
        let outcome: RoundOutcome = serde_json::from_value(ended["outcome"].clone()).unwrap();
        let kind = kinds[&ended["round"].as_u64().unwrap()];
        let expected = match kind {
            "hang" | "deaf" | "deluge" => RoundOutcome::TimedOut,
            "crash" | "crash_dirty" | "segfault" | "rejected" | "torn_crash" | "silent" | "limit" => {
                RoundOutcome::Failed
            }
            // Its own git may meet a lock that an earlier one has left.
            "commits" if outcome == RoundOutcome::Failed => continue,
            _ => RoundOutcome::Answered,
        };
        assert_eq!(outcome, expected, "an agent that is `{kind}`: {ended}");
        if kind == "rejected" {
            assert_eq!(ended["failure"]["class"], "auth", "exit code 0 is no excuse: {ended}");
        }
    }
}

/// A round that was cut by a kill keeps its number, and the agent is told.
fn cut_rounds_are_made_again(dir: &Path, events: &[Value], ledger: &Ledger) {
    let (mut open, mut attempted, mut cut, mut told) = (None, false, false, 0);
    for event in events {
        match event["kind"].as_str().unwrap() {
            "round.started" => (open, attempted, cut) = (event["round"].as_u64(), false, false),
            "round.ended" => open = None,
            "attempt.started" => attempted = true,
            "run.resumed" => cut |= open.is_some() && attempted,
            "prompt.sent" if cut && event["part"] == "user" => {
                let sha256 = event["sha256"].as_str().unwrap();
                let prompt = std::fs::read_to_string(dir.join(format!("prompts/{sha256}.txt"))).unwrap();
                assert!(
                    prompt.contains("An earlier attempt at this round was interrupted"),
                    "round {open:?} was cut, and its agent is not told:\n{prompt}"
                );
                told += 1;
            }
            _ => {}
        }
    }
    assert!(told > 0, "no round was cut");
    let again = ledger.starts.iter().filter(|start| start.again).count();
    assert!(again > 0 && again <= told, "{again} agents have heard it, {told} were told");
}

/// All that the user had, and all that the agent wrote, is in `HEAD`, in the work tree, or in a stash that the journal names.
fn files_are_kept(stage: &Stage, events: &[Value], ledger: &Ledger) {
    assert_eq!(stage.read("work/src.txt"), COMMITTED);
    assert_eq!(stage.read("work/private.env"), IGNORED);
    let named: BTreeSet<&str> =
        of_kind(events, "tree.settled").iter().filter_map(|settled| settled["commit"].as_str()).collect();
    assert!(!named.is_empty(), "nothing was ever put away");
    let mut places = vec!["HEAD".to_owned()];
    let mut args = vec!["rev-list", "--no-walk=unsorted", "--parents"];
    args.extend(&named);
    for line in stage.git(&args).lines() {
        // A stash, what was in the index, and what was not tracked.
        let commits: Vec<&str> = line.split(' ').collect();
        places.push(commits[0].to_owned());
        places.extend(commits.get(3).map(|commit| (*commit).to_owned()));
    }
    let mut found = BTreeSet::new();
    for places in places.chunks(100) {
        let mut args = vec!["grep", "-h", "-o", "-e", "soak-[a-z0-9-]*"];
        args.extend(places.iter().map(String::as_str));
        found.extend(stage.git(&args).lines().map(str::to_owned));
    }
    look_through(&stage.path("work"), &mut found);
    let users = [UNTRACKED, CHANGED].map(str::to_owned);
    let lost: Vec<&String> =
        ledger.tokens.iter().chain(&users).filter(|token| !found.contains(*token)).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
}

/// The texts of the work tree itself.
fn look_through(dir: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            if ![".git", ".provost"].iter().any(|name| entry.file_name() == *name) {
                look_through(&entry.path(), found);
            }
        } else if let Ok(text) = std::fs::read_to_string(entry.path()) {
            found.extend(text.split_whitespace().filter(|word| word.starts_with("soak-")).map(str::to_owned));
        }
    }
}

/// As many transcripts as are kept, whatever the agent has printed; and nothing was deleted in bulk before it was asked for.
fn disk_is_bounded(stage: &Stage, dir: &Path, events: &[Value], ledger: &Ledger, rounds: u64) -> String {
    let keep = stage.keep();
    let transcripts = stage.transcripts();
    let numbers: BTreeSet<u64> = transcripts
        .iter()
        .map(|name| {
            let stem = name.split('.').next().unwrap();
            stem.rsplit_once('-').unwrap().1.parse().unwrap()
        })
        .collect();
    // Those of the last round come on top.
    assert!(numbers.len() as u64 <= keep + 1, "{} transcripts: {transcripts:?}", numbers.len());
    assert!(
        numbers.contains(&rounds) && numbers.iter().all(|number| *number + keep >= rounds),
        "{numbers:?}"
    );
    let mut asked = false;
    let (mut deferred, mut bulk) = (0, 0);
    for event in events {
        match event["kind"].as_str().unwrap() {
            "alert.raised" if event["alert"] == "prune_deferred" => {
                deferred += 1;
                asked = true;
            }
            "logs.pruned" => {
                let deleted = event["deleted"].as_u64().unwrap();
                if deleted > event["kept"].as_u64().unwrap() {
                    assert!(asked, "deleted in bulk, and nobody has asked for it: {event}");
                    bulk += 1;
                }
            }
            _ => {}
        }
    }
    assert_eq!((deferred, bulk), (1, 1), "a backup that was restored is kept until `--prune` takes it");
    let all = size(dir);
    let of_transcripts = size(&dir.join("rounds"));
    // What is named by the journal stays: of an agent that never stops, the last 4 MiB, and else a few KiB a round.
    let endless = ledger.starts.iter().filter(|start| start.kind == "deluge").count() as u64;
    let rest = all - of_transcripts;
    assert!(rest < rounds * 16 * 1024 + endless * 9 * 1024 * 1024, "{rest} bytes beside the transcripts");
    format!("{} KiB of transcripts, {} KiB beside", of_transcripts / 1024, rest / 1024)
}

/// Bytes of all files below a directory.
fn size(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            let facts = entry.metadata().unwrap();
            if facts.is_dir() { size(&entry.path()) } else { facts.len() }
        })
        .sum()
}
