//! Finding all phrases and all names of the table at once, so that a row costs a few bits to compare.

use std::collections::HashMap;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::read::{STATUS_LEADS, WAIT_LEADS, says};
use super::table::{Rule, Test};

/// Room for this many phrases and names.
const ROOM: usize = 8 * 64;

/// A set of phrases and names, by their numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bits([u64; ROOM / 64]);

impl Bits {
    fn add(&mut self, number: usize) {
        if let Some(word) = self.0.get_mut(number / 64) {
            *word |= 1 << (number % 64);
        }
    }

    fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).any(|(one, two)| one & two != 0)
    }
}

/// What a text says.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Said {
    /// Phrases of the table.
    pub(super) phrases: Bits,
    /// Whether it may have a status.
    pub(super) status: bool,
    /// Whether it may have a wait.
    pub(super) wait: bool,
}

/// The table's phrases and names with numbers.
#[derive(Debug)]
pub(super) struct Index {
    /// Finds the first parts of phrases; none if it could not be built, and then each phrase is looked for.
    automaton: Option<AhoCorasick>,
    /// The phrases that begin with a part, by the part's number in the automaton.
    begins: Vec<Vec<usize>>,
    /// From which part on those of a wait begin; behind the phrases' parts come those of a status, which are no phrases.
    waits: usize,
    phrases: Vec<&'static str>,
    /// Numbers of names behind those of phrases.
    names: HashMap<String, usize>,
    /// Of each row and each of its conditions, what satisfies it.
    wanted: Vec<Vec<Bits>>,
}

impl Index {
    pub(super) fn new(rules: &[Rule]) -> Self {
        let mut numbers: HashMap<&'static str, usize> = HashMap::new();
        let mut phrases = Vec::new();
        let mut parts: Vec<&'static str> = Vec::new();
        let mut begins: Vec<Vec<usize>> = Vec::new();
        for list in rules.iter().flat_map(|rule| rule.tests).filter_map(Test::phrases) {
            for phrase in list {
                if numbers.contains_key(phrase) {
                    continue;
                }
                numbers.insert(phrase, phrases.len());
                let first = phrase.split('…').next().unwrap_or(phrase);
                let place = parts.iter().position(|part| *part == first).unwrap_or_else(|| {
                    parts.push(first);
                    begins.push(Vec::new());
                    parts.len() - 1
                });
                begins[place].push(phrases.len());
                phrases.push(*phrase);
            }
        }
        let mut names = HashMap::new();
        for name in rules.iter().flat_map(|rule| rule.tests).filter_map(Test::words).flatten() {
            let next = phrases.len() + names.len();
            names.entry(plain(name)).or_insert(next);
        }
        let wanted = |test: &Test| {
            let mut bits = Bits::default();
            for phrase in test.phrases().into_iter().flatten() {
                numbers.get(phrase).into_iter().for_each(|number| bits.add(*number));
            }
            for name in test.words().into_iter().flatten() {
                names.get(&plain(name)).into_iter().for_each(|number| bits.add(*number));
            }
            bits
        };
        let wanted = rules.iter().map(|rule| rule.tests.iter().map(wanted).collect()).collect();
        let waits = parts.len() + STATUS_LEADS.len();
        parts.extend(STATUS_LEADS.iter().chain(&WAIT_LEADS));
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::DFA))
            .build(&parts)
            .ok();
        Self { automaton, begins, waits, phrases, names, wanted }
    }

    /// What is said.
    pub(super) fn said(&self, words: &str) -> Said {
        let mut said = Said { status: words.starts_with('['), ..Said::default() };
        let Some(automaton) = &self.automaton else {
            let numbers = (0..self.phrases.len()).filter(|number| says(words, self.phrases[*number]));
            numbers.for_each(|number| said.phrases.add(number));
            return Said { status: true, wait: true, ..said };
        };
        let mut begun = vec![false; self.begins.len()];
        for found in automaton.find_overlapping_iter(words) {
            let part = found.pattern().as_usize();
            match begun.get_mut(part) {
                Some(true) => {}
                Some(new) => {
                    *new = true;
                    let numbers = self.begins[part].iter().filter(|number| {
                        let phrase = self.phrases[**number];
                        !phrase.contains('…') || says(words, phrase)
                    });
                    numbers.for_each(|number| said.phrases.add(*number));
                }
                None if part < self.waits => said.status = true,
                None => said.wait = true,
            }
        }
        said
    }

    /// Which names are among these.
    pub(super) fn named<'a>(&self, names: impl Iterator<Item = &'a str>) -> Bits {
        let mut bits = Bits::default();
        for name in names {
            self.names.get(&plain(name)).into_iter().for_each(|number| bits.add(*number));
        }
        bits
    }

    /// Whether a condition of a row wants one of these.
    pub(super) fn wants(&self, rule: usize, test: usize, found: &Bits) -> bool {
        self.wanted.get(rule).and_then(|tests| tests.get(test)).is_some_and(|wanted| wanted.meets(found))
    }

    /// How many there are, and how many there may be.
    #[cfg(test)]
    pub(super) fn room(&self) -> (usize, usize) {
        (self.phrases.len() + self.names.len(), ROOM)
    }
}

/// The index of the table.
pub(super) static INDEX: LazyLock<Index> = LazyLock::new(|| Index::new(super::rules()));

/// A name as names are compared: in lower case, without `_`, `-` and space.
fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}
