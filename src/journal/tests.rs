//! What the room promises, tried on real directories.

mod reading;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use jiff::Timestamp;

use super::*;
use crate::event::{
    AttemptNumber, AttemptStarted, BudgetCeilings, Event, Kind, NodeId, Opening, RoundEnded, RoundNumber,
    RoundOutcome, RoundStarted, RunEnded, RunId, RunOutcome, RunResumed, RunStarted, Seq, Sha256, Spend,
    Stored, Tally, ToolCalled, ToolId, ToolReturned, TurnEnded, TurnNumber, Usage, UsageReported,
    UsageSource,
};

const START: i64 = 1_795_229_101_000;

fn at(n: u64) -> Timestamp {
    Timestamp::from_millisecond(START + i64::try_from(n).unwrap() * 250).unwrap()
}

fn run_id() -> RunId {
    new_run_id("run", at(0), 1_000_003)
}

fn manifest() -> Manifest {
    Manifest {
        format: VERSION,
        version: "0.1.0".to_owned(),
        argv: vec!["provost".to_owned(), "run".to_owned()],
        verb: "run".to_owned(),
        run: run_id(),
        profile: serde_json::json!({"name": "p"}),
        profile_sha256: Sha256::of(b"p"),
        suite: None,
        task: "do it".to_owned(),
        task_sha256: Sha256::of(b"do it"),
        seed: 7,
        budget: BudgetCeilings { rounds: Some(3), ..BudgetCeilings::default() },
        labels: std::collections::BTreeMap::from([("model".to_owned(), "m".to_owned())]),
        git_head: None,
        started_at: at(0),
        parent: None,
        cwd: "/w".into(),
        workspace: "/w".into(),
    }
}

fn started() -> Kind {
    Kind::RunStarted(RunStarted {
        run: run_id(),
        verb: "run".to_owned(),
        profile: "p".to_owned(),
        harness: "scripted".to_owned(),
        model: None,
        task_sha256: Sha256::of(b"do it"),
        task: "do \"it\"\n\u{2028}".to_owned(),
        seed: 7,
        budget: BudgetCeilings::default(),
        checked: false,
        pid: 1,
    })
}

fn ended() -> Kind {
    Kind::RunEnded(RunEnded {
        run: run_id(),
        verb: "run".to_owned(),
        outcome: RunOutcome::Settled,
        exit_code: 0,
        delivered: false,
        score: None,
        output: Some("ok".to_owned()),
        rounds: 1,
        spend: Spend::default(),
        reset_at: None,
        reason: None,
    })
}

/// The kinds of one round, with `tools` tool calls.
fn round(n: u64, tools: u64) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = vec![
        RoundStarted::plain(RoundNumber(n)).into(),
        AttemptStarted {
            round: RoundNumber(n),
            attempt: AttemptNumber(1),
            model: None,
            session: None,
            candidate: 0,
            opening: Opening::Fresh,
        }
        .into(),
    ];
    for tool in 0..tools {
        let id = ToolId::new(format!("t{tool}"));
        kinds.push(
            ToolCalled { id: id.clone(), name: "bash".to_owned(), about: "ls \\ \"x\"".to_owned() }.into(),
        );
        kinds.push(ToolReturned { id, ok: true, bytes: 3, result_sha256: None }.into());
    }
    kinds.push(
        TurnEnded {
            turn: TurnNumber(1),
            message_sha256: None,
            preview: "thinking — 考".to_owned(),
            tool_calls: tools,
            usage: None,
            source: None,
        }
        .into(),
    );
    let usage = Usage { input: 10, output: 2, cache_read: 0, cache_write: 0, usd: Some(0.5) };
    kinds.push(UsageReported { usage, source: UsageSource::Provider, model: None }.into());
    kinds.push(
        RoundEnded {
            round: RoundNumber(n),
            outcome: RoundOutcome::Answered,
            duration_ms: 5,
            output_sha256: Some(Sha256::of(b"out")),
            failure: None,
        }
        .into(),
    );
    kinds
}

fn events(kinds: Vec<Kind>) -> Vec<Event> {
    let stamp = |(n, kind)| Event { seq: Seq(n + 1), at: at(n), node: NodeId::root(), kind };
    (0..).zip(kinds).map(stamp).collect()
}

fn small_run() -> Vec<Event> {
    let mut kinds = vec![started()];
    kinds.extend(round(1, 1));
    kinds.push(ended());
    events(kinds)
}

fn fold(events: &[Event]) -> Tally {
    let mut tally = Tally::default();
    for event in events {
        tally.apply(event);
    }
    tally
}

struct Place {
    _temp: tempfile::TempDir,
    dir: RunDir,
}

fn place() -> Place {
    let temp = tempfile::tempdir().unwrap();
    let dir = RunDir::create(temp.path().join("root/runs").join(run_id().as_str())).unwrap();
    manifest().write(&dir).unwrap();
    Place { _temp: temp, dir }
}

fn written(events: &[Event]) -> Place {
    let place = place();
    let mut writer = Writer::create(&place.dir, &run_id(), at(0)).unwrap();
    for event in events {
        writer.append(event).unwrap();
    }
    writer.finish().unwrap();
    place
}

#[expect(clippy::disallowed_methods, reason = "a journal is damaged here on purpose")]
fn overwrite(dir: &RunDir, bytes: impl AsRef<[u8]>) {
    fs::write(dir.journal(), bytes).unwrap();
}

#[test]
fn what_is_appended_is_what_is_read_and_what_is_in_the_file() {
    let place = place();
    let events = small_run();
    let mut writer = Writer::create(&place.dir, &run_id(), at(0)).unwrap();
    let mut said = Vec::new();
    for event in &events {
        said.extend_from_slice(writer.append(event).unwrap());
    }
    assert_eq!(writer.finish().unwrap(), fold(&events));
    let bytes = fs::read(place.dir.journal()).unwrap();
    let header = bytes.iter().position(|b| *b == b'\n').unwrap() + 1;
    assert_eq!(&bytes[header..], said);
    assert!(bytes.starts_with(b"{\"provost\":\"journal\",\"format\":\"1.1\",\"run\":\"2026"), "{bytes:?}");
    let read: Result<Vec<Event>, _> = Reader::open(&place.dir).unwrap().collect();
    assert_eq!(read.unwrap(), events);
}

#[test]
fn a_kill_after_any_byte_leaves_a_prefix_that_goes_on() {
    let events = small_run();
    let whole = fs::read(written(&events).dir.journal()).unwrap();
    let place = place();
    for cut in 0..=whole.len() {
        overwrite(&place.dir, &whole[..cut]);
        let lines = memchr::memchr_iter(b'\n', &whole[..cut]).count();
        let kept = lines.saturating_sub(1);
        let (mut writer, recovered) = Writer::resume(&place.dir).unwrap();
        assert_eq!(recovered.tally, fold(&events[..kept]), "cut at {cut}");
        let torn = cut - whole[..cut].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        assert_eq!(recovered.cut_bytes, torn as u64, "cut at {cut}");
        for event in &events[kept..] {
            writer.append(event).unwrap();
        }
        assert_eq!(writer.finish().unwrap(), fold(&events));
        let read: Result<Vec<Event>, _> = Reader::open(&place.dir).unwrap().collect();
        assert_eq!(read.unwrap(), events, "cut at {cut}");
    }
}

#[test]
fn a_run_killed_before_its_journal_began_starts_one() {
    let place = place();
    let (mut writer, recovered) = Writer::resume(&place.dir).unwrap();
    assert_eq!(recovered, Recovered { tally: Tally::default(), cut_bytes: 0 });
    writer.append(&small_run()[0]).unwrap();
    assert_eq!(Reader::open(&place.dir).unwrap().header().run, run_id());
}

#[test]
fn two_writers_are_one_too_many() {
    let place = written(&small_run());
    let (writer, _) = Writer::resume(&place.dir).unwrap();
    let error = Writer::resume(&place.dir).unwrap_err();
    assert!(matches!(error, JournalError::Locked { .. }), "{error}");
    assert!(error.to_string().contains("another provost"), "{error}");
    drop(writer);
    Writer::resume(&place.dir).unwrap();
    assert!(Writer::create(&place.dir, &run_id(), at(0)).is_err(), "a journal is never replaced");
}

#[test]
fn newer_formats() {
    let place = written(&small_run());
    let journal = fs::read_to_string(place.dir.journal()).unwrap();
    overwrite(&place.dir, journal.replacen("\"1.1\"", "\"2.0\"", 1));
    assert!(matches!(Reader::open(&place.dir), Err(JournalError::TooNew { .. })));
    assert!(matches!(Writer::resume(&place.dir), Err(JournalError::TooNew { .. })));
    let newer = journal.replacen("\"1.1\"", "\"1.7\"", 1).replacen("tool.returned", "tool.praised", 1);
    overwrite(&place.dir, newer);
    assert_eq!(Reader::open(&place.dir).unwrap().flatten().count(), small_run().len());
    assert!(matches!(Writer::resume(&place.dir), Err(JournalError::ReadOnly { .. })));
    overwrite(&place.dir, "{\"provost\":\"journal\",\"format\":\"2.0\"}\n");
    assert!(matches!(snapshot(&place.dir), Err(JournalError::TooNew { .. })));
}

/// The upgrade of a service: a newer binary goes on with the run of an older one, whose checkpoint does not count.
#[test]
fn an_older_minor_is_gone_on_with_and_folded_anew() {
    let place = written(&small_run());
    let (writer, recovered) = Writer::resume(&place.dir).unwrap();
    drop(writer);
    let journal = fs::read_to_string(place.dir.journal()).unwrap();
    overwrite(&place.dir, journal.replacen("\"1.1\"", "\"1.0\"", 1));
    for entry in fs::read_dir(place.dir.path()).unwrap().flatten().filter(|entry| entry.path().is_file()) {
        if entry.path() == place.dir.journal() {
            continue;
        }
        // As an older binary has left it: its own version, and a fold that knows less.
        let Ok(text) = fs::read_to_string(entry.path()) else { continue };
        let older = text.replace("\"1.1\"", "\"1.0\"").replace("\"rounds\":1", "\"rounds\":9");
        super::write_atomic(&entry.path(), older.as_bytes()).unwrap();
    }
    let (_, again) = Writer::resume(&place.dir).unwrap();
    assert_eq!(again.tally, recovered.tally);
}

#[test]
fn a_bad_line_is_named_and_does_not_stop_a_reader() {
    let events = small_run();
    let place = written(&events);
    let journal = fs::read_to_string(place.dir.journal()).unwrap();
    let mut lines: Vec<&str> = journal.lines().collect();
    lines[3] = "{\"seq\":3,";
    overwrite(&place.dir, lines.join("\n") + "\n");
    let error = Writer::resume(&place.dir).unwrap_err().to_string();
    assert!(error.contains("journal.jsonl:4: not an event"), "{error}");
    let read: Vec<_> = Reader::open(&place.dir).unwrap().collect();
    assert_eq!(read.len(), events.len());
    assert_eq!(read.iter().filter(|event| event.is_err()).count(), 1);
    let snapshot = snapshot(&place.dir).unwrap();
    assert_eq!(snapshot.bad_lines.len(), 1);
    assert_eq!(snapshot.state, RunState::Finished);
    assert_eq!(snapshot.tally.last_seq, events.last().unwrap().seq);
}

#[test]
fn a_missing_event_is_named() {
    let place = written(&small_run());
    let journal = fs::read_to_string(place.dir.journal()).unwrap();
    let mut lines: Vec<&str> = journal.lines().collect();
    lines.remove(3);
    overwrite(&place.dir, lines.join("\n") + "\n");
    let error = Writer::resume(&place.dir).unwrap_err().to_string();
    assert!(error.contains("journal.jsonl:4: expected event 3, found 4"), "{error}");
    let read: Vec<_> = Reader::open(&place.dir).unwrap().collect();
    assert_eq!(read.iter().filter(|event| event.is_ok()).count(), small_run().len() - 1);
}

#[test]
fn an_event_out_of_turn_is_refused() {
    let place = place();
    let mut writer = Writer::create(&place.dir, &run_id(), at(0)).unwrap();
    assert!(writer.append(&small_run()[1]).is_err());
    writer.append(&small_run()[0]).unwrap();
    assert!(writer.append(&small_run()[0]).is_err());
    assert_eq!(Reader::open(&place.dir).unwrap().count(), 1);
}

#[test]
fn bytes_are_there_before_the_event_that_names_them() {
    let place = place();
    let mut writer = Writer::create(&place.dir, &run_id(), at(0)).unwrap();
    let (prompt, blob) = (Sha256::of(b"say hi"), Sha256::of(b"hi"));
    writer.bytes(Stored::Prompt, &prompt, b"say hi").unwrap();
    writer.bytes(Stored::Blob, &blob, b"hi").unwrap();
    let prompt_path = place.dir.prompts().join(format!("{prompt}.txt"));
    assert_eq!(fs::read(&prompt_path).unwrap(), b"say hi");
    let path = place.dir.blobs().join(blob.hex().as_str());
    assert_eq!(fs::read(&path).unwrap(), b"hi");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    writer.append(&small_run()[0]).unwrap();
    writer.sync().unwrap();
    writer.sync().unwrap();
    drop(writer);
    // What a power failure may leave under the right name is not taken for the right bytes.
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
    let (mut writer, _) = Writer::resume(&place.dir).unwrap();
    writer.bytes(Stored::Blob, &blob, b"hi").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"hi");
    let many = |n: u32| n.to_le_bytes();
    for n in 0..200 {
        writer.bytes(Stored::Blob, &Sha256::of(&many(n)), &many(n)).unwrap();
    }
    writer.finish().unwrap();
    assert_eq!(fs::read_dir(place.dir.blobs()).unwrap().count(), 201, "and no temporary files");
}

#[test]
fn a_run_directory_is_for_its_owner_alone() {
    let place = written(&small_run());
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for dir in [place.dir.prompts(), place.dir.blobs(), place.dir.rounds(), place.dir.control()] {
        assert_eq!(mode(&dir), 0o700);
    }
    assert_eq!(mode(place.dir.path()), 0o700);
    assert_eq!(mode(&place.dir.journal()), 0o600);
    assert_eq!(mode(&place.dir.manifest()), 0o600);
    assert!(matches!(RunDir::create(place.dir.path()), Err(JournalError::NotEmpty { .. })));
    assert_eq!(RunDir::open(place.dir.path()).unwrap(), place.dir);
    assert!(matches!(RunDir::open(place.dir.prompts()), Err(JournalError::NotARun { .. })));
}

#[test]
fn a_manifest_is_read_back() {
    let place = place();
    assert_eq!(Manifest::read(&place.dir).unwrap(), manifest());
    let newer = Manifest { format: Version { major: 2, minor: 0 }, ..manifest() };
    newer.write(&place.dir).unwrap();
    assert!(matches!(Manifest::read(&place.dir), Err(JournalError::TooNew { .. })));
}

#[test]
fn runs_are_found_by_what_people_type() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path();
    assert!(list(root).unwrap().is_empty());
    assert!(matches!(find(root, None), Err(JournalError::NoRun { .. })));
    let ids = [new_run_id("run", at(0), 1), new_run_id("run", at(8), 2), new_run_id("certify", at(16), 3)];
    for id in &ids {
        let dir = RunDir::create(root.join("runs").join(id.as_str())).unwrap();
        manifest().write(&dir).unwrap();
    }
    fs::create_dir(root.join("runs/notes")).unwrap();
    let newest_first: Vec<RunId> = ids.iter().rev().cloned().collect();
    assert_eq!(list(root).unwrap(), newest_first);
    let found = |which: Option<&str>| find(root, which).unwrap().path().file_name().unwrap().to_owned();
    assert_eq!(found(None), ids[2].as_str());
    assert_eq!(found(Some(ids[0].as_str())), ids[0].as_str());
    assert_eq!(found(Some("run-2000")), ids[1].as_str());
    assert_eq!(found(Some(&ids[1].as_str()[..16])), ids[1].as_str());
    let path = root.join("runs").join(ids[0].as_str());
    assert_eq!(found(path.to_str()), ids[0].as_str());
    let error = find(root, Some("2026")).unwrap_err();
    assert!(matches!(&error, JournalError::Ambiguous { candidates, .. } if candidates.len() == 3), "{error}");
    assert!(matches!(find(root, Some("zzzz")), Err(JournalError::UnknownRun { .. })));
}

#[test]
fn a_run_id_sorts_by_time_and_says_the_verb() {
    assert_eq!(new_run_id("run", at(0), 0).as_str(), "20261121T024501Z-run-0000");
    assert_ne!(new_run_id("run", at(0), 1), new_run_id("run", at(0), 2));
}
