//! The rows of the cells that have ended, packed: a run of a hundred thousand cells holds them all.
//!
//! **Invariant: a row that is read is the one that was put last, with the marks that were set since.** Of what is put
//! anew, the bytes of before stay behind and nobody's.

use std::collections::BTreeMap;

use super::arena::{Arena, At, Taker, put_number};
use super::{CellIndex, Mark};
use crate::event::{CellEnded, FaultClass, MissingReason, ScoreName, Scored, Sha256, ShardName, Usage};

/// Cells whose places lie together.
const PAGE: usize = 256;
/// Bytes of a mark.
const MARK: usize = 9;

const OUTPUT: u8 = 1;
const MISSING: u8 = 2;
const CUT: u8 = 4;
const USAGE: u8 = 8;
const USD: u8 = 16;
const SHARD: u8 = 32;

/// What is known of a cell that has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Row<'a> {
    /// Its identity.
    pub key: Sha256,
    /// Why it has no answer.
    pub missing: Option<MissingReason>,
    /// The class of the failure that it has none for, where it was one.
    pub class: Option<FaultClass>,
    /// Whether its answer was cut at the output limit.
    pub cut: bool,
    /// Names the answer.
    pub output: Option<Sha256>,
    /// One for each score of the plan.
    pub marks: Marks<'a>,
    /// What it consumed; `None` when nobody said anything.
    pub usage: Option<Usage>,
    /// Requests, failed ones included.
    pub attempts: u64,
    /// Milliseconds.
    pub duration_ms: u64,
    /// The shard that it is of; absent where the run itself has it.
    pub shard: Option<&'a ShardName>,
}

impl Row<'_> {
    /// The value of a score, by its place in the plan; `None` is missing.
    pub fn value(&self, score: usize) -> Option<f64> {
        self.marks.get(score)?.value
    }

    /// Whether it has an answer and nobody reported any usage for it.
    pub fn is_stub(&self) -> bool {
        self.missing.is_none()
            && self.usage.is_none_or(|usage| usage.charged_tokens() == 0 && usage.cache_read == 0)
    }
}

/// What the scores of the plan came to in one cell.
#[derive(Clone, Copy, Debug)]
pub struct Marks<'a> {
    bytes: &'a [[u8; MARK]],
}

impl Marks<'_> {
    /// What a score came to, by its place in the plan.
    pub fn get(&self, score: usize) -> Option<Mark> {
        self.bytes.get(score).copied().map(Mark::unpack)
    }

    /// All of them, in the order of the plan.
    pub fn iter(&self) -> impl Iterator<Item = Mark> {
        self.bytes.iter().copied().map(Mark::unpack)
    }
}

impl PartialEq for Marks<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Mark {
    fn pack(self) -> [u8; MARK] {
        let mut bytes = [0; MARK];
        let (head, value) = bytes.split_at_mut(1);
        head[0] =
            set(self.value.is_some(), 1) | set(self.passed.is_some(), 2) | set(self.passed == Some(true), 4);
        value.copy_from_slice(&self.value.unwrap_or_default().to_le_bytes());
        bytes
    }

    fn unpack([head, value @ ..]: [u8; MARK]) -> Self {
        Self {
            value: (head & 1 != 0).then(|| f64::from_le_bytes(value)),
            passed: (head & 2 != 0).then_some(head & 4 != 0),
        }
    }
}

/// The rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    arena: Arena,
    /// Where the rows of so many cells in a row are; cells come in any order, and of some plans only a few.
    pages: BTreeMap<u64, Box<[At; PAGE]>>,
    /// The reasons that were there so far, which a row has by number.
    reasons: Vec<(MissingReason, Option<FaultClass>)>,
    /// The same of shards, and the number of each.
    shards: Vec<ShardName>,
    numbers: BTreeMap<ShardName, u64>,
    row: Vec<u8>,
}

impl Rows {
    /// Puts the row of a cell that has ended, in place of what was there.
    pub(super) fn put(&mut self, ended: &CellEnded, scores: &[ScoreName]) {
        let mut row = std::mem::take(&mut self.row);
        row.clear();
        self.pack(ended, scores, &mut row);
        let (page, slot) = slot(ended.cell);
        let page = self.pages.entry(page).or_insert_with(|| Box::new([At::NOWHERE; PAGE]));
        page[slot] = self.arena.put(&row);
        self.row = row;
    }

    fn pack(&mut self, ended: &CellEnded, scores: &[ScoreName], row: &mut Vec<u8>) {
        let shard = ended.origin.as_ref().map(|origin| self.number_of(&origin.shard));
        let usd = ended.usage.and_then(|usage| usage.usd);
        let flags = set(ended.output_sha256.is_some(), OUTPUT)
            | set(ended.missing.is_some(), MISSING)
            | set(ended.cut && ended.missing.is_none(), CUT)
            | set(ended.usage.is_some(), USAGE)
            | set(usd.is_some(), USD)
            | set(shard.is_some(), SHARD);
        row.push(flags);
        row.extend_from_slice(ended.key.bytes());
        if let Some(output) = &ended.output_sha256 {
            row.extend_from_slice(output.bytes());
        }
        put_number(row, scores.len() as u64);
        for name in scores {
            row.extend(ended.scores.get(name).map(Mark::of).unwrap_or_default().pack());
        }
        if let Some(missing) = &ended.missing {
            let reason = (missing.reason, missing.class);
            let known = self.reasons.iter().position(|known| *known == reason);
            let number = known.unwrap_or(self.reasons.len());
            if known.is_none() {
                self.reasons.push(reason);
            }
            put_number(row, number as u64);
        }
        if let Some(usage) = ended.usage {
            for count in [usage.input, usage.output, usage.cache_read, usage.cache_write] {
                put_number(row, count);
            }
        }
        row.extend(usd.into_iter().flat_map(f64::to_le_bytes));
        put_number(row, ended.attempts);
        put_number(row, ended.duration_ms);
        if let Some(shard) = shard {
            put_number(row, shard);
        }
    }

    fn number_of(&mut self, shard: &ShardName) -> u64 {
        if let Some(number) = self.numbers.get(shard) {
            return *number;
        }
        let number = self.shards.len() as u64;
        self.shards.push(shard.clone());
        self.numbers.insert(shard.clone(), number);
        number
    }

    /// The row of a cell, if it has ended.
    pub(super) fn get(&self, cell: CellIndex) -> Option<Row<'_>> {
        let mut taker = Taker::new(self.arena.at(self.at(cell)?)?);
        let [flags] = taker.array();
        let is = |bit: u8| flags & bit != 0;
        let key = Sha256::from_bytes(taker.array());
        let output = is(OUTPUT).then(|| Sha256::from_bytes(taker.array()));
        let count = usize::try_from(taker.number()).ok()?;
        let (marks, _) = taker.bytes(count * MARK).as_chunks();
        let reason =
            if is(MISSING) { Some(*self.reasons.get(usize::try_from(taker.number()).ok()?)?) } else { None };
        let mut usage = is(USAGE).then(|| Usage {
            input: taker.number(),
            output: taker.number(),
            cache_read: taker.number(),
            cache_write: taker.number(),
            usd: None,
        });
        if let Some(usage) = usage.as_mut().filter(|_| is(USD)) {
            usage.usd = Some(taker.float());
        }
        let (attempts, duration_ms) = (taker.number(), taker.number());
        let shard = is(SHARD).then(|| usize::try_from(taker.number()).ok()).flatten();
        Some(Row {
            key,
            missing: reason.map(|(reason, _)| reason),
            class: reason.and_then(|(_, class)| class),
            cut: is(CUT),
            output,
            marks: Marks { bytes: marks },
            usage,
            attempts,
            duration_ms,
            shard: shard.and_then(|number| self.shards.get(number)),
        })
    }

    /// Sets what a score of a cell came to, by its place in the plan.
    pub(super) fn mark(&mut self, cell: CellIndex, score: usize, scored: &Scored) {
        let Some(bytes) = self.at(cell).and_then(|at| self.arena.over(at)) else { return };
        let mut taker = Taker::new(bytes);
        let [flags] = taker.array();
        taker.bytes(if flags & OUTPUT == 0 { 32 } else { 64 });
        let count = taker.number();
        let begin = bytes.len() - taker.left() + score * MARK;
        if (score as u64) < count
            && let Some(place) = bytes.get_mut(begin..begin + MARK)
        {
            place.copy_from_slice(&Mark::of(scored).pack());
        }
    }

    /// All rows, in the order of their cells.
    pub(super) fn iter(&self) -> impl Iterator<Item = (CellIndex, Row<'_>)> {
        let cells =
            self.pages.keys().flat_map(|page| (0..PAGE as u64).map(move |slot| page * PAGE as u64 + slot));
        cells.map(CellIndex).filter_map(|cell| Some((cell, self.get(cell)?)))
    }

    fn at(&self, cell: CellIndex) -> Option<At> {
        let (page, slot) = slot(cell);
        self.pages.get(&page).map(|page| page[slot])
    }
}

/// What the rows are counts, not how they came to lie there.
impl PartialEq for Rows {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

/// A bit, where it is set.
fn set(is: bool, bit: u8) -> u8 {
    if is { bit } else { 0 }
}

/// The page of a cell, and its place in it.
fn slot(cell: CellIndex) -> (u64, usize) {
    (cell.0 / PAGE as u64, usize::try_from(cell.0 % PAGE as u64).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::{ArmName, CaseId, Missing, Origin, Scores, Seq, Trial};

    const SCORES: usize = 3;

    fn names() -> Vec<ScoreName> {
        (0..SCORES).map(|at| ScoreName::new(format!("s{at}"))).collect()
    }

    fn scored() -> impl Strategy<Value = Scored> {
        let value = proptest::option::of(prop_oneof![any::<f64>(), 0.0..1.0_f64]);
        (value, any::<Option<bool>>()).prop_map(|(value, passed)| Scored {
            value,
            passed,
            ..Scored::default()
        })
    }

    fn ended() -> impl Strategy<Value = CellEnded> {
        let reasons = [MissingReason::Infrastructure, MissingReason::Agent, MissingReason::Budget];
        let classes = [None, Some(FaultClass::Transport), Some(FaultClass::Stall)];
        let missing = proptest::option::of((0..3_usize, 0..3_usize));
        let usage = proptest::option::of((any::<[u64; 4]>(), proptest::option::of(0.0..9.0_f64)));
        let cell = prop_oneof![0..600_u64, any::<u64>()];
        let scores = proptest::collection::vec(proptest::option::of(scored()), SCORES);
        let rest = (any::<[bool; 2]>(), any::<[u64; 2]>(), proptest::option::of(0..4_u8));
        (cell, any::<u8>(), missing, usage, scores, rest).prop_map(
            move |(cell, key, missing, usage, scores, ([output, cut], [attempts, duration_ms], shard))| {
                let usage = usage.map(|([input, output, cache_read, cache_write], usd)| Usage {
                    input,
                    output,
                    cache_read,
                    cache_write,
                    usd,
                });
                let origin = |shard| Origin {
                    shard: ShardName::new(format!("shard-{shard}")),
                    seq: Seq(1),
                    at: jiff::Timestamp::UNIX_EPOCH,
                    late: false,
                    binary: None,
                };
                CellEnded {
                    cell: CellIndex(cell),
                    key: Sha256::of(&[key]),
                    arm: ArmName::new("a"),
                    case: CaseId::new("c"),
                    trial: Trial(1),
                    missing: missing.map(|(reason, class)| Missing {
                        reason: reasons[reason],
                        class: classes[class],
                        evidence: String::new(),
                    }),
                    prompts: Vec::new(),
                    output_sha256: output.then(|| Sha256::of(&[key, 1])),
                    cut,
                    scores: names()
                        .into_iter()
                        .zip(scores)
                        .filter_map(|(n, s)| Some((n, s?)))
                        .collect::<Scores>(),
                    usage,
                    attempts,
                    rounds: 1,
                    model: None,
                    duration_ms,
                    transcript: None,
                    stored: false,
                    origin: shard.map(origin),
                }
            },
        )
    }

    /// What a row must say of an end, and of what was scored since.
    fn holds(row: &Row<'_>, ended: &CellEnded, marks: &[Mark]) -> Result<(), TestCaseError> {
        prop_assert_eq!(&row.key, &ended.key);
        prop_assert_eq!(row.missing, ended.missing.as_ref().map(|missing| missing.reason));
        prop_assert_eq!(row.class, ended.missing.as_ref().and_then(|missing| missing.class));
        prop_assert_eq!(row.cut, ended.cut && ended.missing.is_none());
        prop_assert_eq!(&row.output, &ended.output_sha256);
        prop_assert_eq!(row.usage, ended.usage);
        prop_assert_eq!((row.attempts, row.duration_ms), (ended.attempts, ended.duration_ms));
        prop_assert_eq!(row.shard, ended.origin.as_ref().map(|origin| &origin.shard));
        prop_assert_eq!(row.marks.iter().collect::<Vec<_>>(), marks);
        for at in 0..=SCORES {
            prop_assert_eq!(row.value(at), marks.get(at).and_then(|mark| mark.value));
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn each_row_says_what_was_put_last_and_scored_since(
            steps in proptest::collection::vec((ended(), 0..SCORES + 1, scored(), any::<bool>()), 0..60)
        ) {
            let names = names();
            let mut rows = Rows::default();
            let mut known: BTreeMap<CellIndex, (CellEnded, Vec<Mark>)> = BTreeMap::new();
            for (ended, at, scored, later) in &steps {
                if *later {
                    // Of a cell that is there, and now and then of one that is not.
                    let cell = known.keys().nth(*at).copied().unwrap_or(ended.cell);
                    rows.mark(cell, *at, scored);
                    if let Some(mark) = known.get_mut(&cell).and_then(|(_, marks)| marks.get_mut(*at)) {
                        *mark = Mark::of(scored);
                    }
                } else {
                    rows.put(ended, &names);
                    let marks = names.iter().map(|n| ended.scores.get(n).map(Mark::of).unwrap_or_default());
                    known.insert(ended.cell, (ended.clone(), marks.collect()));
                }
            }
            prop_assert!(rows.iter().map(|(cell, _)| cell).eq(known.keys().copied()));
            for (cell, (ended, marks)) in &known {
                holds(&rows.get(*cell).unwrap(), ended, marks)?;
            }
            // In another order they are the same rows, and one that differs is seen.
            let mut others = Rows::default();
            for (ended, marks) in known.values().rev() {
                others.put(ended, &names);
                for (at, Mark { value, passed }) in marks.iter().enumerate() {
                    let scored = Scored { value: *value, passed: *passed, ..Scored::default() };
                    others.mark(ended.cell, at, &scored);
                }
            }
            prop_assert!(rows == others);
            if let Some((ended, _)) = known.values().next() {
                others.put(&CellEnded { attempts: ended.attempts.wrapping_add(1), ..ended.clone() }, &names);
                prop_assert!(rows != others);
            }
        }
    }
}
