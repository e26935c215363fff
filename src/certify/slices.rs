//! Parts of a suite by tag: where to look next, and nothing to claim.

use std::collections::{BTreeMap, BTreeSet};

use super::claim::{FEW, Fixed, Tested};
use super::docket::Docket;
use super::error::GateError;
use super::figures::SIDE;
use super::units::Fill;
use crate::event::{Estimate, PlannedCase, SliceFigures};
use crate::stats::{BoundedMean, benjamini_hochberg};

/// The first claim of each candidate over the cases of each tag. A unit counts in a slice with those of its cases that have the
/// tag. Exploratory: two-sided, under Benjamini and Hochberg over all slices of six units or more.
pub(super) fn slices(docket: &Docket<'_>, scope: &[usize]) -> Result<Vec<SliceFigures>, GateError> {
    let cases = docket.sheet.cases();
    let mut tags: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for case in docket.cases(scope) {
        for tag in cases.get(case).into_iter().flat_map(PlannedCase::tags) {
            tags.entry(tag).or_default().insert(case);
        }
    }
    let (column, null) = (&docket.claims[0], docket.null());
    let mut found = Vec::new();
    let mut p = Vec::new();
    for (tag, tagged) in tags {
        for against in &docket.candidates {
            let values: Vec<f64> = scope
                .iter()
                .filter_map(|unit| {
                    let of_it: Vec<usize> =
                        docket.units[*unit].iter().copied().filter(|case| tagged.contains(case)).collect();
                    column.unit(*against, &of_it, Fill::Observed)
                })
                .collect();
            if values.is_empty() {
                continue;
            }
            let mapped: Vec<f64> = values.iter().map(|value| null.unit(*value)).collect();
            let bounded = BoundedMean::new(&mapped)?;
            let tested = Fixed::new(values, null, 1)?;
            if tested.units() >= FEW {
                p.push((found.len(), (2.0 * tested.p_greater().min(tested.p_less())).min(1.0)));
            }
            found.push(SliceFigures {
                tag: tag.to_owned(),
                arm: docket.plan.arms[against.candidate].name.clone(),
                score: column.name.clone(),
                cases: tagged.len() as u64,
                effect: Estimate {
                    mean: tested.mean(),
                    low: Some(null.own(bounded.lower(SIDE)?)),
                    high: Some(null.own(bounded.upper(SIDE)?)),
                },
                q: None,
            });
        }
    }
    if !p.is_empty() {
        let q = benjamini_hochberg(&p.iter().map(|(_, p)| *p).collect::<Vec<_>>())?;
        for ((at, _), q) in p.iter().zip(q) {
            found[*at].q = Some(q);
        }
    }
    Ok(found)
}
