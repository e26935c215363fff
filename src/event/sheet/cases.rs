//! The cases of the plan, packed: a suite may have a hundred thousand of them.

use super::arena::{Arena, At, Taker, put_number, put_text};
use crate::event::{CaseFixed, ScoreName, Sha256};

/// The cases of the plan, in its order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cases {
    arena: Arena,
    places: Vec<At>,
}

/// A case of the plan.
#[derive(Clone, Copy, Debug)]
pub struct PlannedCase<'a> {
    /// Its id.
    pub id: &'a str,
    /// What it is counted together with; a case without one stands for itself.
    pub group: Option<&'a str>,
    sha256: &'a [u8],
    /// The tags and then the scores that it does not have, the number of each before it.
    words: Taker<'a>,
}

impl<'a> PlannedCase<'a> {
    /// Names its content.
    pub fn sha256(self) -> Sha256 {
        Sha256::from_bytes(self.sha256.try_into().unwrap_or_default())
    }

    /// Words that slices are made by.
    pub fn tags(self) -> impl Iterator<Item = &'a str> {
        let mut words = self.words;
        (0..words.number()).map(move |_| words.text())
    }

    /// Whether it does not have a score, whatever is answered: its absence is not a missing value.
    pub fn is_without(self, score: &ScoreName) -> bool {
        let mut words = self.words;
        for _ in 0..words.number() {
            words.text();
        }
        (0..words.number()).any(|_| words.text() == score.as_str())
    }
}

impl Cases {
    pub(super) fn push(&mut self, case: &CaseFixed) {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(case.sha256.bytes());
        put_text(&mut bytes, case.id.as_str());
        bytes.push(u8::from(case.group.is_some()));
        if let Some(group) = &case.group {
            put_text(&mut bytes, group);
        }
        put_number(&mut bytes, case.tags.len() as u64);
        case.tags.iter().for_each(|tag| put_text(&mut bytes, tag));
        put_number(&mut bytes, case.without.len() as u64);
        case.without.iter().for_each(|score| put_text(&mut bytes, score.as_str()));
        self.places.push(self.arena.put(&bytes));
    }

    /// Makes room for so many more, so that a list that grows is not there twice.
    pub(super) fn expect(&mut self, count: usize) {
        self.places.reserve_exact(count.min(1 << 20));
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The case at a place; `None` past the last.
    pub fn get(&self, at: usize) -> Option<PlannedCase<'_>> {
        let mut taker = Taker::new(self.arena.at(*self.places.get(at)?)?);
        let sha256 = taker.bytes(32);
        let id = taker.text();
        let [has_group] = taker.array();
        let group = (has_group != 0).then(|| taker.text());
        Some(PlannedCase { id, group, sha256, words: taker })
    }

    /// The id of the case at a place; empty past the last.
    pub fn id(&self, at: usize) -> &str {
        self.get(at).map_or("", |case| case.id)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = PlannedCase<'_>> {
        (0..self.len()).filter_map(|at| self.get(at))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::CaseId;

    fn case() -> impl Strategy<Value = CaseFixed> {
        let words = || proptest::collection::vec(".{0,6}", 0..4);
        (".{1,20}", proptest::option::of(".{0,9}"), words(), words(), any::<u8>()).prop_map(
            |(id, group, tags, without, content)| CaseFixed {
                id: CaseId::new(id),
                group,
                tags,
                without: without.into_iter().map(ScoreName::new).collect(),
                sha256: Sha256::of(&[content]),
            },
        )
    }

    proptest! {
        #[test]
        fn each_case_comes_back_as_it_was(cases in proptest::collection::vec(case(), 0..40)) {
            let mut packed = Cases::default();
            for case in &cases {
                packed.push(case);
            }
            prop_assert_eq!((packed.len(), packed.is_empty()), (cases.len(), cases.is_empty()));
            prop_assert_eq!(packed.iter().count(), cases.len());
            for (at, case) in cases.iter().enumerate() {
                let found = packed.get(at).unwrap();
                prop_assert_eq!(found.id, case.id.as_str());
                prop_assert_eq!(packed.id(at), case.id.as_str());
                prop_assert_eq!(found.group, case.group.as_deref());
                prop_assert_eq!(found.sha256(), case.sha256.clone());
                prop_assert!(found.tags().eq(case.tags.iter().map(String::as_str)));
                for score in case.without.iter().chain(cases.iter().flat_map(|case| &case.without)) {
                    prop_assert_eq!(found.is_without(score), case.without.contains(score));
                }
            }
            prop_assert!(packed.get(cases.len()).is_none());
            prop_assert_eq!(packed.id(cases.len()), "");
        }
    }
}
