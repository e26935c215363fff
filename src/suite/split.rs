//! Which part of a suite a case belongs to: by hash, so that neither order nor further cases move it.

use std::fmt;

use sha2::Digest as _;

use super::case::Case;
use crate::profile::Split;

/// A part of a suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SplitPart {
    /// What a search may learn from.
    Train,
    /// What a search chooses by.
    Selection,
    /// What the gate measures; held out until then.
    Test,
}

impl SplitPart {
    /// All of them, in the order of the file.
    pub const ALL: [Self; 3] = [Self::Train, Self::Selection, Self::Test];

    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Selection => "selection",
            Self::Test => "test",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.word() == word)
    }

    /// Its share of the cases, from 0 to 1.
    pub fn share(self, split: &Split) -> f64 {
        match self {
            Self::Train => split.train,
            Self::Selection => split.selection,
            Self::Test => split.test,
        }
    }
}

impl fmt::Display for SplitPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The part of a case. All cases of a group are in the same one; a case without a group stands for itself.
pub fn split_part(split: &Split, case: &Case) -> SplitPart {
    let place = place(case.group.as_deref().unwrap_or(case.id.as_str()));
    if place < split.train {
        SplitPart::Train
    } else if place < split.train + split.selection {
        SplitPart::Selection
    } else {
        SplitPart::Test
    }
}

/// A place from 0 to below 1: the first 53 bits of the hash of a name.
fn place(name: &str) -> f64 {
    let digest = sha2::Sha256::digest(name.as_bytes());
    let number = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte)) >> 11;
    #[expect(clippy::cast_precision_loss, reason = "53 bits are what a double holds")]
    let place = number as f64 / (1_u64 << 53) as f64;
    place
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HALVES: Split = Split { train: 0.5, selection: 0.25, test: 0.25 };

    fn case(id: &str, group: Option<&str>) -> Case {
        let mut json = serde_json::json!({ "id": id, "input": "x" });
        if let Some(group) = group {
            json["group"] = group.into();
        }
        Case::from_json(json).unwrap()
    }

    #[test]
    fn the_hash_is_of_the_name_alone() {
        // `printf alpha | sha256sum` begins with 8ed3f6ad685b959e: 0x8ed3f6ad / 2^32 is 0.558.
        assert!((place("alpha") - 0.557_922_2).abs() < 1e-6);
        assert_eq!(split_part(&HALVES, &case("alpha", None)), SplitPart::Selection);
        assert_eq!(split_part(&HALVES, &case("anything", Some("alpha"))), SplitPart::Selection);
    }

    #[test]
    fn parts_have_about_their_shares() {
        let mut counts = [0_u32; 3];
        for number in 0..4000 {
            counts[split_part(&HALVES, &case(&format!("case-{number}"), None)) as usize] += 1;
        }
        assert!(counts[0].abs_diff(2000) < 150 && counts[1].abs_diff(1000) < 130, "{counts:?}");
    }

    proptest! {
        #[test]
        fn order_and_further_cases_move_nothing(
            names in proptest::collection::btree_set("[a-z0-9]{1,12}", 1..40),
            further in proptest::collection::btree_set("[A-Z]{1,12}", 0..40),
            train in 0.05..0.6_f64,
        ) {
            let split = Split { train, selection: 0.2, test: 0.8 - train };
            let parts = |names: Vec<&String>| -> std::collections::BTreeMap<String, SplitPart> {
                names.into_iter().map(|name| (name.clone(), split_part(&split, &case(name, None)))).collect()
            };
            let before = parts(names.iter().collect());
            let after = parts(further.iter().chain(names.iter().rev()).collect());
            for (name, part) in before {
                prop_assert_eq!(after.get(&name), Some(&part));
            }
        }

        #[test]
        fn a_group_never_straddles_two_parts(
            group in "[a-z]{1,8}",
            ids in proptest::collection::vec("[a-z0-9]{1,12}", 2..20),
        ) {
            let parts: std::collections::BTreeSet<SplitPart> =
                ids.iter().map(|id| split_part(&HALVES, &case(id, Some(&group)))).collect();
            prop_assert_eq!(parts.len(), 1);
        }
    }
}
