//! From judgements to one score.

use std::collections::BTreeMap;

use crate::event::Scored;
use crate::text::truncate;

/// Characters of a judge's reasoning that are kept.
const KEPT: usize = 240;

/// What a judge said once: a value from 0 to 1 for each dimension, in favour of the answer, and why.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Judgement {
    pub(super) values: BTreeMap<String, f64>,
    pub(super) reasoning: String,
}

/// The mean of the dimensions, each the mean of its judgements.
pub(super) fn graded(judgements: &[Judgement]) -> Scored {
    let all: Vec<&Judgement> = judgements.iter().collect();
    scored(&all, |name| mean(judgements.iter().filter_map(|one| one.values.get(name).copied())))
}

/// The same for comparisons, each made in both orders: a win in both is 1, a loss in both 0, and anything else a tie, 0.5.
pub(super) fn compared(pairs: &[[Judgement; 2]]) -> Scored {
    let all: Vec<&Judgement> = pairs.iter().flatten().collect();
    scored(&all, |name| {
        mean(pairs.iter().filter_map(|[ahead, behind]| {
            let (ahead, behind) = (*ahead.values.get(name)?, *behind.values.get(name)?);
            Some(if (ahead - behind).abs() < f64::EPSILON { ahead } else { 0.5 })
        }))
    })
}

fn scored(all: &[&Judgement], value: impl Fn(&str) -> Option<f64>) -> Scored {
    let Some(first) = all.first() else { return Scored::default() };
    let names = first.values.keys();
    let dimensions: BTreeMap<String, f64> =
        names.filter_map(|name| Some((name.clone(), value(name)?))).collect();
    let reasoning = first.reasoning.trim();
    Scored {
        value: mean(dimensions.values().copied()),
        passed: None,
        why: (!reasoning.is_empty()).then(|| truncate(reasoning, KEPT).into_owned()),
        agreement: agreement(all),
        judgements: if all.len() > 1 { judgements(all) } else { BTreeMap::new() },
        // One dimension says nothing that the value does not.
        dimensions: if dimensions.len() > 1 { dimensions } else { BTreeMap::new() },
    }
}

/// What each of them said, by dimension: every reader had the same dimensions to fill.
fn judgements(all: &[&Judgement]) -> BTreeMap<String, Vec<f64>> {
    let mut by_name: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (name, value) in all.iter().flat_map(|one| &one.values) {
        by_name.entry(name.clone()).or_default().push(*value);
    }
    by_name
}

/// 1 − the mean absolute difference between two judgements of the same answer, over all pairs of them and all dimensions.
/// `None` when it was judged once. It is not Krippendorff's α, which corrects for chance and needs many answers; that one
/// is for a whole arm.
fn agreement(all: &[&Judgement]) -> Option<f64> {
    let mut differences = Vec::new();
    for (place, left) in all.iter().enumerate() {
        for right in all.iter().skip(place + 1) {
            let of = |(name, left): (&String, &f64)| Some((left - right.values.get(name)?).abs());
            differences.extend(left.values.iter().filter_map(of));
        }
    }
    mean(differences.into_iter()).map(|difference| 1.0 - difference)
}

/// The mean; `None` of nothing.
fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(values: &[(&str, f64)]) -> Judgement {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        Judgement { values, reasoning: "because".to_owned() }
    }

    #[test]
    fn grades_are_averaged_and_their_agreement_told() {
        let once = graded(&[said(&[("a", 1.0), ("b", 0.5)])]);
        assert_eq!((once.value, once.agreement), (Some(0.75), None));
        assert_eq!(once.dimensions, BTreeMap::from([("a".to_owned(), 1.0), ("b".to_owned(), 0.5)]));
        let same = graded(&[said(&[("a", 0.5)]), said(&[("a", 0.5)])]);
        assert_eq!((same.value, same.agreement), (Some(0.5), Some(1.0)));
        assert!(
            once.judgements.is_empty()
                && same.judgements == BTreeMap::from([("a".to_owned(), vec![0.5, 0.5])])
        );
        let apart = graded(&[said(&[("a", 0.0)]), said(&[("a", 1.0)]), said(&[("a", 1.0)])]);
        assert!((apart.value.unwrap() - 2.0 / 3.0).abs() < 1e-12);
        assert!((apart.agreement.unwrap() - 1.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn orders_that_contradict_each_other_are_a_tie() {
        let pair = |ahead, behind| [said(&[("a", ahead)]), said(&[("a", behind)])];
        for (ahead, behind, value, agreement) in [
            (1.0, 1.0, 1.0, 1.0),
            (0.0, 0.0, 0.0, 1.0),
            (0.5, 0.5, 0.5, 1.0),
            // It prefers whatever stands first.
            (1.0, 0.0, 0.5, 0.0),
            (0.0, 1.0, 0.5, 0.0),
            (1.0, 0.5, 0.5, 0.5),
        ] {
            let scored = compared(&[pair(ahead, behind)]);
            assert_eq!((scored.value, scored.agreement), (Some(value), Some(agreement)), "{ahead} {behind}");
        }
        let twice = compared(&[pair(1.0, 1.0), pair(1.0, 0.0)]);
        assert_eq!((twice.value, &twice.judgements["a"]), (Some(0.75), &vec![1.0, 1.0, 1.0, 0.0]));
    }
}
