//! What the room promises, tried on real directories.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use jiff::Timestamp;
use proptest::prelude::*;

use super::index::{Checkpoint, RoundTable};
use super::*;
use crate::event::{
    AttemptNumber, AttemptStarted, BudgetCeilings, Event, Kind, NodeId, RoundEnded, RoundNumber,
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
        RoundStarted { round: RoundNumber(n) }.into(),
        AttemptStarted { round: RoundNumber(n), attempt: AttemptNumber(1), model: None, session: None }
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
    events.iter().for_each(|event| tally.apply(event));
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
    assert!(bytes.starts_with(b"{\"provost\":\"journal\",\"format\":\"1.0\",\"run\":\"2026"), "{bytes:?}");
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
        let lines = whole[..cut].iter().filter(|b| **b == b'\n').count();
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
    overwrite(&place.dir, journal.replacen("\"1.0\"", "\"2.0\"", 1));
    assert!(matches!(Reader::open(&place.dir), Err(JournalError::TooNew { .. })));
    assert!(matches!(Writer::resume(&place.dir), Err(JournalError::TooNew { .. })));
    let newer = journal.replacen("\"1.0\"", "\"1.7\"", 1).replacen("tool.returned", "tool.praised", 1);
    overwrite(&place.dir, newer);
    assert_eq!(Reader::open(&place.dir).unwrap().filter(Result::is_ok).count(), small_run().len());
    assert!(matches!(Writer::resume(&place.dir), Err(JournalError::ReadOnly { .. })));
    overwrite(&place.dir, "{\"provost\":\"journal\",\"format\":\"2.0\"}\n");
    assert!(matches!(snapshot(&place.dir), Err(JournalError::TooNew { .. })));
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
    let path = place.dir.blobs().join(blob.as_str());
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

#[test]
fn a_snapshot_tells_live_from_dead_from_finished() {
    let events = small_run();
    let place = place();
    assert_eq!(snapshot(&place.dir).unwrap().state, RunState::Dead, "not begun, and nobody is at it");
    let mut writer = Writer::create(&place.dir, &run_id(), at(0)).unwrap();
    for event in &events[..4] {
        writer.append(event).unwrap();
    }
    let live = snapshot(&place.dir).unwrap();
    assert_eq!((live.state, live.tally), (RunState::Live, fold(&events[..4])));
    drop(writer);
    let mut journal = fs::read(place.dir.journal()).unwrap();
    let bytes = journal.len() as u64;
    journal.extend_from_slice(b"{\"seq\"");
    overwrite(&place.dir, &journal);
    let dead = snapshot(&place.dir).unwrap();
    assert_eq!((dead.state, dead.torn_bytes, dead.journal_bytes), (RunState::Dead, 6, bytes));
    assert_eq!(fs::read(place.dir.journal()).unwrap(), journal, "reading never writes");
    let finished = snapshot(&written(&events).dir).unwrap();
    assert_eq!((finished.state, finished.tally), (RunState::Finished, fold(&events)));
}

#[test]
fn tails_are_the_last_lines_without_header_and_torn_end() {
    let mut kinds = vec![started()];
    (1..300).for_each(|n| kinds.extend(round(n, 3)));
    let events = events(kinds);
    let place = written(&events);
    let whole = fs::read_to_string(place.dir.journal()).unwrap();
    let lines: Vec<&str> = whole.lines().skip(1).collect();
    overwrite(&place.dir, whole.clone() + "{\"seq\":9");
    let text = |lines: Vec<Vec<u8>>| -> Vec<String> {
        lines.into_iter().map(|line| String::from_utf8(line).unwrap()).collect()
    };
    for n in [0, 1, 7, 1000, lines.len(), lines.len() + 5] {
        let expected = &lines[lines.len().saturating_sub(n)..];
        assert_eq!(text(tail(&place.dir, n).unwrap()), expected);
    }
    let ends: Vec<&str> =
        lines.iter().filter(|line| line.contains("\"kind\":\"round.ended\"")).copied().collect();
    assert_eq!(text(tail_kind(&place.dir, "round.ended", 20).unwrap()), ends[ends.len() - 20..]);
    assert_eq!(tail_kind(&place.dir, "bash", 20).unwrap(), Vec::<Vec<u8>>::new());
}

#[test]
fn a_round_is_found_in_a_long_journal() {
    let mut kinds = vec![started()];
    (1..1500).for_each(|n| kinds.extend(round(n, 3)));
    let events = events(kinds);
    let place = written(&events);
    assert!(place.dir.index().exists());
    let expected: Vec<Kind> = round(777, 3);
    for _ in 0..2 {
        let found: Vec<Kind> =
            round_events(&place.dir, RoundNumber(777)).unwrap().into_iter().map(|event| event.kind).collect();
        assert_eq!(found, expected);
        let _ = fs::remove_file(place.dir.index());
    }
    assert!(round_events(&place.dir, RoundNumber(5000)).unwrap().is_empty());
}

#[test]
fn the_table_of_rounds_stays_small_and_right() {
    let mut table = RoundTable::default();
    let events = events((1..=10_000).map(|n| RoundStarted { round: RoundNumber(n) }.into()).collect());
    for event in &events {
        table.note(event, event.seq.0 * 100);
    }
    for n in [1, 2, 17, 5000, 9_999, 10_000, 20_000] {
        let before = table.before(RoundNumber(n)).unwrap();
        assert!(before <= n * 100 && before + 32 * 100 > n.min(10_000) * 100, "{n}: {before}");
    }
    assert!(serde_json::to_string(&table).unwrap().len() < 20_000);
    assert_eq!(RoundTable::default().before(RoundNumber(1)), None);
}

#[test]
fn a_checkpoint_of_another_journal_is_not_believed() {
    let mut kinds = vec![started()];
    (1..1500).for_each(|n| kinds.extend(round(n, 2)));
    let events = events(kinds);
    let place = written(&events);
    let whole = snapshot(&place.dir).unwrap().tally;
    assert_eq!(whole, fold(&events));
    // The same journal, cut short of what the checkpoint covers; then with another last line.
    let journal = fs::read_to_string(place.dir.journal()).unwrap();
    let lines: Vec<&str> = journal.lines().collect();
    overwrite(&place.dir, lines[..101].join("\n") + "\n");
    assert_eq!(snapshot(&place.dir).unwrap().tally, fold(&events[..100]));
    overwrite(&place.dir, journal.replace("\"duration_ms\":5", "\"duration_ms\":6"));
    let other = snapshot(&place.dir).unwrap().tally;
    assert_eq!(other.last_round().unwrap().duration_ms, 6);
    // And what is no checkpoint at all.
    crate::file::write_atomic(&place.dir.index(), b"{}").unwrap();
    assert_eq!(snapshot(&place.dir).unwrap().tally, other);
}

#[test]
fn a_follower_gives_each_line_once_and_only_whole() {
    let events = small_run();
    let whole = fs::read(written(&events).dir.journal()).unwrap();
    let place = place();
    overwrite(&place.dir, b"");
    let mut follower = Follower::open(&place.dir, 0).unwrap();
    let mut lines = Vec::new();
    for end in (0..=whole.len()).step_by(7).chain([whole.len()]) {
        overwrite(&place.dir, &whole[..end]);
        lines.extend(follower.poll().unwrap());
    }
    assert!(follower.poll().unwrap().is_empty());
    let expected: Vec<Vec<u8>> =
        whole.split(|b| *b == b'\n').skip(1).filter(|l| !l.is_empty()).map(<[u8]>::to_vec).collect();
    assert_eq!(lines, expected);
    assert_eq!(follower.offset(), whole.len() as u64);
}

fn any_kind() -> impl Strategy<Value = Vec<Kind>> {
    prop_oneof![
        4 => (0u64..6, 0u64..4).prop_map(|(n, tools)| round(n, tools)),
        2 => (0u64..6, 1usize..5).prop_map(|(n, len)| round(n, 1).into_iter().take(len).collect()),
        1 => Just(vec![RunResumed { after: Seq(1), cut_bytes: 0, in_doubt: vec![], pid: 2 }.into()]),
        1 => Just(vec![ended()]),
        1 => Just(vec![started()]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_checkpoint_anywhere_changes_nothing(kinds in prop::collection::vec(any_kind(), 1..8)) {
        let events = events(kinds.into_iter().flatten().collect());
        let place = written(&events);
        let plain = snapshot(&place.dir).unwrap();
        prop_assert_eq!(&plain.tally, &fold(&events));
        let journal = fs::read(place.dir.journal()).unwrap();
        let ends: Vec<usize> = journal.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1).collect();
        for covered in 1..=events.len() {
            let line = &journal[ends[covered - 1]..ends[covered]];
            let tally = fold(&events[..covered]);
            let checkpoint = Checkpoint {
                format: VERSION,
                offset: ends[covered] as u64,
                seq: tally.last_seq,
                line_bytes: line.len() as u64,
                line_sha256: Sha256::of(line),
                tally,
                rounds: RoundTable::default(),
            };
            checkpoint.write(&place.dir).unwrap();
            let mut file = fs::File::open(place.dir.journal()).unwrap();
            prop_assert_eq!(Checkpoint::load(&place.dir, &mut file), Some(checkpoint));
            let with = snapshot(&place.dir).unwrap();
            prop_assert_eq!(&with.tally, &plain.tally);
            prop_assert_eq!(with.journal_bytes, plain.journal_bytes);
            prop_assert!(with.bad_lines.is_empty());
        }
    }
}
