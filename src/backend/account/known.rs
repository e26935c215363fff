//! What this process alone keeps of accounts: the limits that its profiles state, and answers that are not written down
//! yet. Where nothing is wrong, nobody waits to be told of an answer, and a tenth of a second's answers are told at once.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::AccountId;
use super::allowance::Allowance;

/// How long an answer may stay untold, milliseconds.
const UNTOLD: i64 = 100;
/// How many are told at once: of more, the last ones say as much of what an account stands.
const UNTOLD_LIMIT: usize = 512;

/// All accounts that were used, by provider.
#[derive(Debug, Default)]
pub(super) struct KnownAccounts(Mutex<BTreeMap<String, BTreeMap<AccountId, Arc<Known>>>>);

/// One account.
#[derive(Debug, Default)]
pub(super) struct Known {
    allowance: OnceLock<Arc<Allowance>>,
    answers: Mutex<Answers>,
}

#[derive(Debug, Default)]
struct Answers {
    untold: VecDeque<i64>,
    told: Option<i64>,
}

impl KnownAccounts {
    /// What is kept of an account.
    pub(super) fn of(&self, provider: &str, account: &AccountId) -> Arc<Known> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(provider).and_then(|accounts| accounts.get(account)) {
            return Arc::clone(known);
        }
        let known = Arc::<Known>::default();
        all.entry(provider.to_owned()).or_default().insert(account.clone(), Arc::clone(&known));
        known
    }

    /// What went wrong first with the limits of one, once.
    pub(super) fn trouble(&self) -> Option<String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().flat_map(BTreeMap::values).find_map(|known| known.allowance()?.trouble())
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<(String, AccountId, Arc<Known>)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let accounts = all.iter().flat_map(|(provider, accounts)| {
            accounts.iter().map(|(account, known)| (provider.clone(), account.clone(), Arc::clone(known)))
        });
        accounts.collect()
    }
}

impl Known {
    /// The limits that are stated for it, if there are any.
    pub(super) fn allowance(&self) -> Option<&Arc<Allowance>> {
        self.allowance.get()
    }

    /// The limits that are stated for it, made when there are none.
    pub(super) fn allowance_or(&self, make: impl FnOnce() -> Allowance) -> &Arc<Allowance> {
        self.allowance.get_or_init(|| Arc::new(make()))
    }

    /// Whether it is stated how many requests it stands at once.
    pub(super) fn stated(&self) -> bool {
        self.allowance().is_some_and(|allowance| allowance.states_slots())
    }

    /// An answer has come. Gives those that are to be told now, this one included; nothing when that has time, which it has
    /// only while all is `quiet`.
    pub(super) fn answered(&self, now: i64, quiet: bool) -> Option<Vec<i64>> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.untold.len() >= UNTOLD_LIMIT {
            answers.untold.pop_front();
        }
        answers.untold.push_back(now);
        let fresh = answers.told.is_some_and(|told| (0..UNTOLD).contains(&(now - told)));
        if quiet && fresh {
            return None;
        }
        answers.told = Some(now);
        Some(std::mem::take(&mut answers.untold).into())
    }

    /// Answers that were not told.
    pub(super) fn untold(&self) -> Vec<i64> {
        std::mem::take(&mut self.answers.lock().unwrap_or_else(PoisonError::into_inner).untold).into()
    }

    /// Tells one who waits that something has changed.
    pub(super) fn tell(&self) {
        if let Some(allowance) = self.allowance() {
            allowance.tell();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_ten_times_a_second_and_at_once_where_something_is_wrong() {
        let known = Known::default();
        assert_eq!(known.answered(1_000, true), Some(vec![1_000]), "the first one proves the account");
        let told: Vec<usize> =
            (1_001..2_000).filter_map(|now| known.answered(now, true)).map(|told| told.len()).collect();
        assert_eq!(told, [100; 9]);
        assert_eq!(known.answered(2_000, false).map(|told| told.len()), Some(100));
        (0..2_000).for_each(|_| assert_eq!(known.answered(2_001, true), None));
        assert_eq!(known.untold().len(), UNTOLD_LIMIT);
        assert_eq!(
            known.answered(500, true),
            Some(vec![500]),
            "a clock that was set back holds nothing back"
        );
    }
}
