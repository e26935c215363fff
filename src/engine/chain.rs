//! The chain: who else can be asked when a candidate cannot answer. Pure: standings in, a place in the chain out.
//!
//! A walk only goes forward. What a failure is about says how far it must go: a used-up account is left for another
//! account, a model without capacity for another model, and a larger window is looked for only when the window was what
//! failed.

use std::sync::Arc;

use jiff::Timestamp;

use crate::backend::Harness;
use crate::backend::account::{Cooling, Party};
use crate::event::FaultClass;
use crate::fault::{Reach, Ways};
use crate::profile::Profile;

/// One entry of the chain, the primary included.
#[derive(Clone)]
pub struct Candidate {
    /// Harness and model, as events name it.
    pub name: String,
    /// The whole profile as it is for this candidate.
    pub profile: Arc<Profile>,
    /// What drives it.
    pub harness: Arc<dyn Harness>,
    /// Whom it depends on; `None` where nobody else could know of it, such as a script.
    pub party: Option<Party>,
}

/// What is known of a candidate before it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing speaks against it.
    Free,
    /// It has failed lately. Another one is better, and where there is none it may be asked.
    Doubtful,
    /// It must not be asked before this time.
    Cooling(Timestamp),
}

impl Standing {
    /// What a cooling means.
    pub(super) fn of(cooling: Option<&Cooling>) -> Self {
        match cooling {
            None => Self::Free,
            Some(cooling) if cooling.firm => Self::Cooling(cooling.until),
            Some(_) => Self::Doubtful,
        }
    }
}

/// Those parts of a candidate that decide whether a failure of one is a failure of the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// Names its model without the provider, spelled one way.
    pub(super) model: Option<String>,
    /// Names provider and account.
    pub(super) account: Option<String>,
    /// Names the provider.
    pub(super) provider: String,
    /// Tokens that it takes, where the profile says.
    pub(super) window: Option<u64>,
}

impl Link {
    /// Of a candidate.
    pub(super) fn of(candidate: &Candidate) -> Self {
        let agent = &candidate.profile.agent;
        let party = candidate.party.as_ref();
        Self {
            model: agent.model.as_deref().map(spelled),
            account: party.map(|party| format!("{} {}", party.provider, party.account)),
            provider: party.map_or_else(|| agent.harness.clone(), |party| party.provider.clone()),
            window: candidate.profile.window(),
        }
    }
}

/// A model's name without its provider; the same model is spelled with dots by one provider and with dashes by another.
fn spelled(model: &str) -> String {
    let bare = model.rsplit_once('/').map_or(model, |(_, bare)| bare);
    bare.to_lowercase().replace('.', "-")
}

/// A chain as it stands at one moment.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    pub(super) links: Vec<Link>,
    pub(super) standings: Vec<Standing>,
    /// Until when a cooling may last and still be waited out.
    pub(super) patience: Timestamp,
}

impl Chain {
    /// Where a turn begins: the first candidate from `from` on that nothing speaks against; else the first that may be
    /// asked at all; else `from` itself, whose refusal then says when.
    pub(super) fn begin(&self, from: usize) -> usize {
        let from = from.min(self.links.len().saturating_sub(1));
        let find = |wanted: &dyn Fn(&Standing) -> bool| {
            self.standings.iter().enumerate().skip(from).find(|(_, standing)| wanted(standing))
        };
        find(&|standing| *standing == Standing::Free)
            .or_else(|| find(&|standing| *standing == Standing::Doubtful))
            .or_else(|| find(&|standing| self.open(*standing)))
            .map_or(from, |(place, _)| place)
    }

    /// Whether a candidate may be asked within our patience.
    fn open(&self, standing: Standing) -> bool {
        match standing {
            Standing::Free | Standing::Doubtful => true,
            Standing::Cooling(until) => until <= self.patience,
        }
    }

    /// The next candidate behind `current` that is beyond the reach of its failure.
    pub(super) fn next(&self, current: usize, class: FaultClass, reach: Reach) -> Option<usize> {
        let left = self.links.get(current)?;
        let behind = || {
            self.links
                .iter()
                .zip(&self.standings)
                .enumerate()
                .skip(current + 1)
                .filter(|(_, (link, standing))| self.open(**standing) && beyond(left, link, class, reach))
        };
        // Another provider is better than another model at the one that has just failed.
        let elsewhere = |link: &Link| reach != Reach::Provider || link.provider != left.provider;
        behind()
            .find(|(_, (link, standing))| **standing == Standing::Free && elsewhere(link))
            .or_else(|| behind().find(|(_, (link, _))| elsewhere(link)))
            .or_else(|| behind().next())
            .map(|(place, _)| place)
    }

    /// The ways that the chain offers out of a failure.
    pub(super) fn ways(&self, current: usize, class: FaultClass) -> Ways {
        let way = |reach| self.next(current, class, reach).is_some();
        Ways {
            model: way(Reach::Model),
            account: way(Reach::Account),
            provider: way(Reach::Provider),
            window: way(Reach::Window),
            ..Ways::default()
        }
    }

    /// When the first of those resets that must not be asked now.
    pub(super) fn earliest(&self) -> Option<Timestamp> {
        let until = |standing: &Standing| match standing {
            Standing::Cooling(until) => Some(*until),
            _ => None,
        };
        self.standings.iter().filter_map(until).min()
    }
}

/// Whether what failed at `left` need not fail at `link`.
fn beyond(left: &Link, link: &Link, class: FaultClass, reach: Reach) -> bool {
    let another_account = left.account != link.account || link.account.is_none();
    let another_model = left.model != link.model;
    match reach {
        // A limit on requests is one account's on one model.
        Reach::Model if class == FaultClass::RateLimited => another_account || another_model,
        Reach::Model => another_model,
        Reach::Account => another_account,
        Reach::Provider => true,
        Reach::Window => match (left.window, link.window) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(left), Some(window)) => window > left,
        },
    }
}

#[cfg(test)]
mod tests;
