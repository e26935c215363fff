//! All that is known of one provider: what cools, whose turn it is, and the flow of each account. Pure: time is an
//! argument, and so is the eye for processes that have gone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::flow::{Flow, Hold};
use super::holder::Holder;
use super::ledger::{Cool, Gone, Ledger, Target};
use super::{AccountId, Cooling, SECOND, millis, stamp};
use crate::event::{Failure, FaultClass, FaultScope};
use crate::fault::cooldown;

/// Accounts of one provider that are remembered; the one that was longest without a word is dropped.
const ACCOUNTS_LIMIT: usize = 64;
/// How soon it is looked again whether a place is free, and how soon whether a probe has come out.
const LOOK_PLACES: i64 = 30;
const LOOK_PROBE: i64 = 150;

/// One provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Book {
    pub(super) provider: String,
    /// What cools for all of its accounts.
    #[serde(default)]
    ledger: Ledger,
    #[serde(default)]
    accounts: BTreeMap<AccountId, Account>,
}

/// One account of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Account {
    /// The last word of it.
    at: i64,
    #[serde(default)]
    ledger: Ledger,
    #[serde(default)]
    flow: Flow,
}

/// Who asks, and when.
#[derive(Clone, Copy)]
pub(super) struct Asker<'a> {
    pub(super) account: &'a AccountId,
    pub(super) model: Option<&'a str>,
    pub(super) me: &'a Holder,
    pub(super) now: i64,
    pub(super) gone: Gone<'a>,
    /// Whether it is stated how many requests the account stands at once.
    pub(super) stated: bool,
}

/// What a request has to wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    pub(super) until: i64,
    pub(super) why: String,
    pub(super) firm: bool,
}

impl Book {
    pub(super) fn new(provider: &str) -> Self {
        Self { provider: provider.to_owned(), ..Self::default() }
    }

    /// Whether it says nothing any more.
    pub(super) fn is_empty(&self) -> bool {
        self.ledger.is_empty() && self.accounts.is_empty()
    }

    /// Drops what is over. Says whether the clock was set back, so that the book has to be written anew.
    pub(super) fn settle(&mut self, now: i64) -> bool {
        let mut was_set_back = self.ledger.settle(now);
        self.accounts.retain(|_, account| {
            was_set_back |= account.ledger.settle(now) | account.flow.settle(now);
            !(account.ledger.is_empty() && account.flow.is_empty())
        });
        while self.accounts.len() > ACCOUNTS_LIMIT {
            let oldest = self.accounts.iter().min_by_key(|(_, account)| account.at).map(|(id, _)| id.clone());
            oldest.and_then(|id| self.accounts.remove(&id));
        }
        was_set_back
    }

    fn concerning(&self, account: &AccountId, model: Option<&str>) -> impl Iterator<Item = &Cool> {
        let own = self.accounts.get(account).into_iter();
        own.flat_map(move |account| account.ledger.concerning(model)).chain(self.ledger.concerning(model))
    }

    fn account(&mut self, asker: &Asker<'_>) -> &mut Account {
        let account = self.accounts.entry(asker.account.clone()).or_default();
        account.at = asker.now;
        account
    }

    /// The ledgers that concern an account.
    fn ledgers(&mut self, account: &AccountId) -> impl Iterator<Item = &mut Ledger> {
        let own = self.accounts.get_mut(account).into_iter().map(|account| &mut account.ledger);
        own.chain(std::iter::once(&mut self.ledger))
    }

    /// Whether nothing stands in the way of a request, and nothing that is known here would change by its going well. True
    /// also of a book that is not settled: what is over may be in it, and then this is false.
    pub(super) fn is_quiet(&self, asker: &Asker<'_>) -> bool {
        let own = match self.accounts.get(asker.account) {
            None => asker.stated,
            Some(own) => own.ledger.is_quiet(asker.model) && own.flow.is_open(asker.now, asker.stated),
        };
        own && self.ledger.is_quiet(asker.model)
    }

    /// Whether anything cools, or did so lately, for this model of this account.
    pub(super) fn concerns(&self, account: &AccountId, model: Option<&str>) -> bool {
        self.concerning(account, model).next().is_some()
    }

    /// Why a request cannot go now; `None` when it can. Changes nothing.
    pub(super) fn obstacle(&self, asker: &Asker<'_>) -> Option<Wait> {
        let Asker { account, model, now, gone, me, stated } = *asker;
        let firm = || self.concerning(account, model).filter(|cool| cool.firm);
        if let Some(cool) = firm().filter(|cool| cool.until > now).max_by_key(|cool| cool.until) {
            let why = format!("{}: {}", cool.class, cool.evidence);
            return Some(Wait { until: cool.until, why, firm: true });
        }
        // Those who wait look at different moments.
        let spread = |look: i64| now + look + i64::from(me.pid) % (look / 2);
        let flow = self.accounts.get(account).map(|account| &account.flow);
        // Where one of them found nothing out, several try, as many as there are places.
        let alone = !flow.is_some_and(|flow| flow.waits_in_vain(stated));
        let mut probes = firm().filter(|_| alone).filter_map(|cool| cool.probe.as_ref());
        if let Some(probe) = probes.find(|probe| probe.is_open(now, gone)) {
            let why = format!("process {} tries first whether the limit is over", probe.holder.pid);
            return Some(Wait { until: spread(LOOK_PROBE), why, firm: true });
        }
        let (until, why) = match flow?.hold(now, stated)? {
            Hold::Pace(until) => (until, "requests are spaced since the account refused some"),
            Hold::Places(until) => (
                until.min(spread(LOOK_PLACES)),
                "other requests go first until it is known that they are taken",
            ),
        };
        Some(Wait { until, why: why.to_owned(), firm: false })
    }

    /// Lets a request go, or says why not.
    pub(super) fn ask(&mut self, asker: &Asker<'_>) -> Option<Wait> {
        if let Some(wait) = self.obstacle(asker) {
            return Some(wait);
        }
        self.account(asker).flow.go(asker.me, asker.now, asker.stated);
        for ledger in self.ledgers(asker.account) {
            ledger.probe(asker.model, asker.me, asker.now);
        }
        None
    }

    /// Answers that were not written down when they came.
    pub(super) fn answered(&mut self, asker: &Asker<'_>, at: &[i64]) {
        if !at.is_empty() {
            let flow = &mut self.account(asker).flow;
            for at in at {
                flow.answer(*at);
            }
        }
    }

    /// The server has taken it.
    pub(super) fn taken(&mut self, asker: &Asker<'_>) {
        let flow = &mut self.account(asker).flow;
        flow.leave(asker.me);
        flow.answer(asker.now);
        for ledger in self.ledgers(asker.account) {
            ledger.open(asker.model, asker.me, asker.now, asker.gone);
        }
    }

    /// It has answered in full.
    pub(super) fn succeeded(&mut self, asker: &Asker<'_>) {
        for ledger in self.ledgers(asker.account) {
            ledger.open(asker.model, asker.me, asker.now, asker.gone);
            ledger.succeed(asker.model);
        }
    }

    /// It came to nothing, and that is nobody's fault here.
    pub(super) fn left(&mut self, asker: &Asker<'_>) {
        if let Some(account) = self.accounts.get_mut(asker.account) {
            account.flow.leave(asker.me);
        }
        for ledger in self.ledgers(asker.account) {
            ledger.give_up(asker.model, asker.me);
        }
    }

    /// It failed.
    pub(super) fn failed(&mut self, asker: &Asker<'_>, failure: &Failure, evidence: &str) -> Option<Cooling> {
        let Asker { account, model, me, now, gone, stated } = *asker;
        if failure.class == FaultClass::RateLimited {
            let (mut stands, mut passed) = (false, false);
            for cool in self.concerning(account, model).filter(|cool| cool.firm) {
                stands |= cool.until > now;
                passed |= cool.until <= now;
            }
            let flow = &mut self.account(asker).flow;
            // While the server's time runs, what comes is of the same wave.
            if stated && !stands {
                flow.waited(passed);
            }
            flow.refuse(now, stated);
        }
        let found = target(asker, failure).and_then(|(target, of_account)| {
            let ledger = if of_account { &mut self.account(asker).ledger } else { &mut self.ledger };
            let strikes = ledger.strikes(&target, now);
            let cooldown = cooldown(failure, strikes, stamp(now))?;
            Some((target, of_account, millis(cooldown.until), cooldown.firm))
        });
        let Some((target, of_account, until, firm)) = found else {
            // An answer about the request itself is a proof that the account is served.
            if answers(failure.class) {
                self.ledgers(account).for_each(|ledger| ledger.open(model, me, now, gone));
            }
            self.left(asker);
            return None;
        };
        if !firm {
            self.ledgers(account).for_each(|ledger| ledger.extend(model, me, now, until));
        }
        // The place goes back last: whoever comes then sees what was recorded.
        let cool = Cool {
            target,
            since: now,
            until,
            firm,
            class: failure.class,
            evidence: evidence.to_owned(),
            probe: None,
        };
        let ledger = if of_account { &mut self.account(asker).ledger } else { &mut self.ledger };
        let stands = ledger.record(cool);
        self.left(asker);
        let id = of_account.then_some(account);
        stands.map(|cool| Cooling { probe: None, ..self.shown(id, &cool, now, gone) })
    }

    /// The one that concerns a request longest; what the server said comes before what we think.
    pub(super) fn standing(&self, account: &AccountId, model: Option<&str>, now: i64) -> Option<Cooling> {
        let own = self.accounts.get(account).into_iter().flat_map(|own| own.ledger.concerning(model));
        let own = own.map(|cool| (Some(account), cool));
        let all = own.chain(self.ledger.concerning(model).map(|cool| (None, cool)));
        let (id, cool) =
            all.filter(|(_, cool)| cool.until > now).max_by_key(|(_, cool)| (cool.firm, cool.until))?;
        Some(self.shown(id, cool, now, &|_| false))
    }

    /// All that cools, or waits for somebody to try.
    pub(super) fn list(&self, now: i64, gone: Gone<'_>) -> Vec<Cooling> {
        let whole = self.ledger.cools.iter().map(|cool| (None, cool));
        let own =
            self.accounts.iter().flat_map(|(id, own)| own.ledger.cools.iter().map(move |c| (Some(id), c)));
        whole.chain(own).map(|(id, cool)| self.shown(id, cool, now, gone)).collect()
    }

    fn shown(&self, id: Option<&AccountId>, cool: &Cool, now: i64, gone: Gone<'_>) -> Cooling {
        let model = match &cool.target {
            Target::Whole => None,
            Target::Model(model) => Some(model.clone().unwrap_or_default()),
        };
        let probe = cool.probe.as_ref().filter(|probe| probe.is_open(now, gone));
        Cooling {
            provider: self.provider.clone(),
            account: id.cloned(),
            model,
            scope: cool.target.scope(id.is_some()),
            since: stamp(cool.since),
            until: stamp(cool.until),
            firm: cool.firm,
            class: cool.class,
            evidence: cool.evidence.clone(),
            probe: probe.map(|probe| probe.holder.pid),
        }
    }

    /// Forgets what is known of the accounts that are meant, or of the whole provider; gives what cooled.
    pub(super) fn clear(&mut self, which: Which<'_>, now: i64, gone: Gone<'_>) -> Vec<Cooling> {
        let meant = |id: &AccountId| match which {
            Which::Whole => true,
            Which::Account(start) => id.as_str().starts_with(start),
        };
        let mut cleared = self.list(now, gone);
        cleared.retain(|cooling| match &cooling.account {
            None => which == Which::Whole,
            Some(id) => meant(id),
        });
        if which == Which::Whole {
            self.ledger = Ledger::default();
        }
        self.accounts.retain(|id, _| !meant(id));
        cleared
    }

    /// Takes over what the server said to this process while it could not be written down.
    pub(super) fn absorb(&mut self, other: Self) {
        self.ledger.absorb(other.ledger);
        for (id, account) in other.accounts {
            self.accounts.entry(id).or_default().ledger.absorb(account.ledger);
        }
    }
}

/// What is to be forgotten of a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which<'a> {
    /// All of it.
    Whole,
    /// The accounts whose id begins so.
    Account(&'a str),
}

/// Which ledger a failure is written in, and for what.
fn target(asker: &Asker<'_>, failure: &Failure) -> Option<(Target, bool)> {
    // Whether a class cools at all is the same from the second strike on.
    let scope = cooldown(failure, 1, stamp(asker.now))?.scope;
    match scope {
        FaultScope::Model => Some((Target::Model(asker.model.map(str::to_owned)), true)),
        FaultScope::Account => Some((Target::Whole, true)),
        FaultScope::Provider => Some((Target::Whole, false)),
        FaultScope::Request | FaultScope::Local => None,
    }
}

/// Whether the failure is an answer of a server that serves this account.
fn answers(class: FaultClass) -> bool {
    matches!(
        class,
        FaultClass::RequestInvalid
            | FaultClass::ContentPolicy
            | FaultClass::ContextOverflow
            | FaultClass::OutputLimit
            | FaultClass::ToolError
    )
}

/// Not in the past of the one who waits, whatever the book says.
pub(super) fn at_least_a_moment(until: i64, now: i64) -> i64 {
    until.clamp(now + 1, now.saturating_add(366 * 86_400 * SECOND))
}
