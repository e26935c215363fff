//! Journals that come together: each event once, in whatever way they are cut.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::event::{
    ArmFixed, ArmRole, CaseFixed, CaseId, CasesFixed, CellStarted, Missing, NodeId, RunResumed, Scores,
    Sha256, Usage,
};

const CELLS: u64 = 6;
const SHARDS: u64 = 3;

fn event(seq: u64, kind: impl Into<Kind>) -> Event {
    let at = jiff::Timestamp::from_second(i64::try_from(seq).unwrap()).unwrap();
    Event { seq: Seq(seq), at, node: NodeId::root(), kind: kind.into() }
}

fn blank() -> Sheet {
    let name = |text: &str| Sha256::of(text.as_bytes());
    let arm = ArmFixed {
        name: ArmName::new("a"),
        role: ArmRole::Candidate,
        profile: "a".to_owned(),
        profile_sha256: name("p"),
        harness: "scripted".to_owned(),
        model: None,
        treatment: None,
        stored: None,
        offline: false,
        provenance_sha256: name("q"),
    };
    let plan = PlanFixed {
        plan_sha256: name("plan"),
        suite: "s".to_owned(),
        arms: vec![arm],
        cases: CELLS,
        units: CELLS,
        trials: 1,
        cells: CELLS,
        part: None,
        uses: 0,
        scores: vec![ScoreName::new("right")],
        gate: None,
        mde: None,
        mde_assumes: None,
        expected_usd: None,
        expected: None,
        seed: 0,
    };
    let case = |n: u64| CaseFixed {
        id: CaseId::new(n.to_string()),
        group: None,
        tags: Vec::new(),
        without: Vec::new(),
        sha256: name("case"),
    };
    let mut sheet = Sheet::default();
    sheet.apply(&event(1, plan));
    sheet.apply(&event(2, CasesFixed { from: 0, cases: (0..CELLS).map(case).collect() }));
    sheet
}

/// What a shard says next of a cell.
#[derive(Clone, Copy, Debug)]
enum Says {
    Answer,
    Missing,
    Score(f64),
    Over,
}

/// The events of shards as they are taken over; each shard counts its own, with gaps where something else stood.
fn taken_over(said: &[(u64, u64, Says)]) -> Vec<Event> {
    let mut seqs: BTreeMap<u64, u64> = BTreeMap::new();
    let mut events = Vec::new();
    for (number, (shard, cell, says)) in said.iter().enumerate() {
        let seq = seqs.entry(*shard).or_default();
        *seq += 1 + number as u64 % 2;
        let name = ShardName::new(format!("s{shard}"));
        let at = jiff::Timestamp::UNIX_EPOCH;
        let origin = Some(Origin { shard: name.clone(), seq: Seq(*seq), at, late: false, binary: None });
        let usage = Some(Usage { input: 10, output: 1 + *shard, ..Usage::default() });
        let missing = Missing { reason: MissingReason::Agent, class: None, evidence: String::new() };
        let kind: Kind = match says {
            Says::Answer | Says::Missing => CellEnded {
                cell: CellIndex(*cell),
                key: Sha256::of(b"key"),
                arm: ArmName::new("a"),
                case: CaseId::new(cell.to_string()),
                trial: Trial(1),
                missing: matches!(says, Says::Missing).then_some(missing),
                prompts: Vec::new(),
                output_sha256: matches!(says, Says::Answer).then(|| Sha256::of(name.as_str().as_bytes())),
                scores: Scores::default(),
                usage,
                attempts: 1,
                rounds: 1,
                model: None,
                duration_ms: 1,
                transcript: None,
                stored: false,
                origin,
                cut: false,
            }
            .into(),
            Says::Score(value) => CellScored {
                cell: CellIndex(*cell),
                score: ScoreName::new("right"),
                scorer_sha256: Sha256::of(b"scorer"),
                scored: Scored { value: Some(*value), ..Scored::default() },
                usage,
                attempts: 1,
                prompts: Vec::new(),
                replies: Vec::new(),
                model: None,
                offline: false,
                origin,
            }
            .into(),
            Says::Over => ShardMerged {
                shard: name,
                host: "h".to_owned(),
                pid: 1,
                lost: vec![CellIndex(*cell)],
                torn_bytes: 0,
                bytes: 1,
            }
            .into(),
        };
        events.push(event(3 + number as u64, kind));
    }
    events
}

fn fold(events: &[Event]) -> Sheet {
    let mut sheet = blank();
    for event in events {
        sheet.apply(event);
    }
    sheet
}

fn says() -> impl Strategy<Value = (u64, u64, Says)> {
    let says = prop_oneof![
        4 => Just(Says::Answer),
        2 => Just(Says::Missing),
        3 => (0.0..1.0_f64).prop_map(Says::Score),
        1 => Just(Says::Over),
    ];
    (0..SHARDS, 0..CELLS, says)
}

proptest! {
    #[test]
    fn taken_over_again_after_any_cut_nothing_is_doubled(
        said in proptest::collection::vec(says(), 0..60),
        cuts in proptest::collection::vec(0..60_usize, 0..4),
    ) {
        let events = taken_over(&said);
        let whole = fold(&events);
        // What a row is made of is told, and nothing else can change one.
        let mut sheet = blank();
        for event in &events {
            let before = sheet.rows.clone();
            let told = sheet.apply(event);
            prop_assert!(told || before == sheet.rows, "{event:?}");
            let cell = match &event.kind {
                Kind::CellEnded(ended) => Some(ended.cell),
                Kind::CellScored(scored) => Some(scored.cell),
                _ => None,
            };
            prop_assert!(!told || cell.is_some_and(|cell| sheet.row(cell).is_some()), "{event:?}");
        }
        // Each time a part of them, from the beginning; then all.
        let mut again: Vec<Event> = Vec::new();
        for cut in cuts {
            again.extend_from_slice(&events[..cut.min(events.len())]);
        }
        again.extend_from_slice(&events);
        again.extend_from_slice(&events);
        let lost = whole.lost();
        let mut sheet = fold(&again);
        prop_assert_eq!(&sheet, &whole);
        sheet.apply(&event(1000, RunResumed { after: Seq(1), cut_bytes: 0, in_doubt: Vec::new(), pid: 1, binary: None }));
        prop_assert_eq!(sheet.lost(), lost, "nothing of a shard is in flight here");
        // Every end was billed once, whichever stands.
        let ends = said.iter().filter(|(_, _, says)| matches!(says, Says::Answer | Says::Missing));
        let output: u64 = ends.clone().map(|(shard, ..)| 1 + shard).sum();
        prop_assert_eq!(whole.arms()[0].spend.output, output);
        prop_assert_eq!(whole.arms()[0].spend.input, 10 * ends.count() as u64);
        // The first answer stands, and so does the first score of the shard that gave it.
        for cell in 0..CELLS {
            let first = said.iter().position(|(_, of, says)| *of == cell && matches!(says, Says::Answer));
            let row = whole.row(CellIndex(cell));
            let Some(first) = first else {
                prop_assert!(row.is_none_or(|row| row.missing.is_some()));
                continue;
            };
            let shard = said[first].0;
            let row = row.unwrap();
            prop_assert_eq!(row.shard, Some(&ShardName::new(format!("s{shard}"))));
            let score = said[first..].iter().find_map(|(by, of, says)| match says {
                Says::Score(value) if *by == shard && *of == cell => Some(*value),
                _ => None,
            });
            prop_assert_eq!(row.value(0), score);
        }
    }
}

#[test]
fn a_cell_in_flight_is_not_ended_by_the_same_cell_of_a_shard() {
    let mut sheet = blank();
    sheet.apply(&event(3, CellStarted { cell: CellIndex(1) }));
    for taken in taken_over(&[(0, 1, Says::Answer)]) {
        sheet.apply(&taken);
    }
    sheet.apply(&event(
        9,
        RunResumed { after: Seq(8), cut_bytes: 0, in_doubt: Vec::new(), pid: 1, binary: None },
    ));
    assert_eq!((sheet.lost(), sheet.late()), (1, 0));
}
