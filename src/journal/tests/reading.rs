//! Looking at a run: snapshots, checkpoints, tails, rounds, following.

use std::fs;

use proptest::prelude::*;

use super::super::index::{Checkpoint, RoundTable};
use super::*;

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
fn each_event_is_found_where_its_line_begins() {
    // Shorter and longer than what is read at once, and with its newline at every place about that.
    let of = |length| match started() {
        Kind::RunStarted(run) => Kind::RunStarted(RunStarted { task: "x".repeat(length), ..run }),
        kind => kind,
    };
    let kinds = [10, 100_000, 3].into_iter().chain(1_500..2_100).chain([5]).map(of).collect();
    let events = events(kinds);
    let place = written(&events);
    let (lines, mut reader) = (Lines::open(&place.dir).unwrap(), Reader::open(&place.dir).unwrap());
    let mut places = Vec::new();
    loop {
        places.push(reader.offset());
        if reader.next().is_none() {
            break;
        }
    }
    let end = places.pop().unwrap();
    let found: Vec<Event> = places.iter().rev().map(|place| lines.at(*place).unwrap()).collect();
    assert_eq!(found.into_iter().rev().collect::<Vec<_>>(), events);
    assert!(lines.at(end).is_err() && lines.at(end + 1_000_000).is_err() && lines.at(places[2] + 1).is_err());
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
    let events = events((1..=10_000).map(|n| RoundStarted::plain(RoundNumber(n)).into()).collect());
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
        1 => Just(vec![RunResumed { after: Seq(1), cut_bytes: 0, in_doubt: vec![], pid: 2, binary: None }.into()]),
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

#[test]
fn a_killed_writer_leaves_a_checkpoint_that_helps() {
    let mut kinds = vec![started()];
    (1..1500).for_each(|n| kinds.extend(round(n, 3)));
    let events = events(kinds);
    let place = place();
    let mut writer = Writer::create(&place.dir, &run_id(), at(0)).unwrap();
    for event in &events {
        writer.append(event).unwrap();
    }
    drop(writer);
    let mut journal = fs::File::open(place.dir.journal()).unwrap();
    let checkpoint = Checkpoint::load(&place.dir, &mut journal).unwrap();
    assert!(checkpoint.offset >= 1024 * 1024);
    let covered = usize::try_from(checkpoint.seq.0).unwrap();
    assert!(covered < events.len());
    assert_eq!(checkpoint.tally, fold(&events[..covered]));
    let look = snapshot(&place.dir).unwrap();
    assert_eq!((look.state, look.tally), (RunState::Dead, fold(&events)));
    // A resume makes the same checkpoint again when it is missing.
    fs::remove_file(place.dir.index()).unwrap();
    drop(Writer::resume(&place.dir).unwrap());
    let again = Checkpoint::load(&place.dir, &mut journal).unwrap();
    assert_eq!(again.tally, fold(&events));
    assert_eq!(again.offset, journal.metadata().unwrap().len());
}
