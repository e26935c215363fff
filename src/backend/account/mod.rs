//! What all runs of a user know of an account together: until when it is not to be asked, who tries first afterwards,
//! and how fast requests may follow each other.
//!
//! **Invariant: nobody asks a party that is known to refuse**, whichever process was told so, and nobody is held up by
//! a process that has gone. What cannot be shared is kept for this process alone; no run fails over it.
//!
//! - A deadline that a server gave is *firm*: it binds every process. The later one of two stands. When it has passed,
//!   one process sends one request, the *probe*; the others wait until it has come out.
//! - A deadline that we estimated only says what to prefer; [`Accounts::ask`] does not know it.
//! - *Slow start*: an account without an answer in the last minute gets one request at a time, each until it is taken
//!   or a second has passed; every eight answers allow one more, and from 64 on there is no bound. A refusal for too
//!   many requests sets that back.
//! - *Pace*: after such a refusal requests are spaced to 0.7 of the rate that was too fast, at the slowest one in two
//!   seconds. The pace rises by a twentieth every ten answers and is dropped after five minutes without a refusal.
//! - *In vain*: where the first request after the server's own time is refused again, and nothing was taken meanwhile, twice
//!   as many try the next time, up to 32, and at no pace. Each still waits as long as it was told.
//! - *Limits*: where a profile states how many requests an endpoint stands, at once or in a minute, no more are let go, by
//!   all processes together. Such an endpoint does not start slowly, unless it refuses.
//!
//! Where nothing is wrong, leave costs a glance at a file: nothing is written for a request that goes well, and its answer
//! is told with others, ten times a second.
//!
//! The files hold neither keys nor prompts nor addresses with credentials. Nothing waits for the disk: after a power
//! failure it is as if nothing had been known.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::{Failure, FaultClass, FaultScope, Sha256};
use crate::file::redact_shapes;

mod allowance;
mod book;
mod flow;
mod holder;
mod known;
mod ledger;
mod rate;
mod store;

pub use allowance::{Limits, Pass, Queue};

use allowance::{Allowance, Full};
use book::{Asker, Wait, Which};
use holder::Holder;
use known::{Known, KnownAccounts};
use store::Store;

/// Lengths of time in milliseconds.
const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const DAY: i64 = 86_400 * SECOND;
/// Stamps of different processes may be in the wrong order by so much; a clock that is further back was set.
const SLACK: i64 = 5 * SECOND;
/// Characters of evidence that are kept.
const EVIDENCE_LIMIT: usize = 160;
/// Hex digits of an account's name.
const NAME_LENGTH: usize = 16;
/// So many of them are needed to mean one.
const SHORTEST_NAME: usize = 4;

/// An account, named by a salted hash of its key: two runs of a user agree on it, and it says nothing to others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(String);

impl AccountId {
    /// The hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for AccountId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a request depends on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Party {
    /// The provider's address, or the harness's own word. Credentials and queries in an address are left out.
    pub provider: String,
    /// The account there.
    pub account: AccountId,
    /// The model; `None` when the harness chooses it.
    pub model: Option<String>,
}

/// Who uses accounts: a run in a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The process.
    pub pid: u32,
    /// The run.
    pub run: String,
}

/// A party that is not to be asked for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cooling {
    /// The provider.
    pub provider: String,
    /// The account; `None` when all accounts at that provider cool.
    pub account: Option<AccountId>,
    /// The model; `None` when all models cool, an empty one when it is the harness's own choice.
    pub model: Option<String>,
    /// How far it reaches: model, account or provider.
    pub scope: FaultScope,
    /// When it was written down.
    pub since: Timestamp,
    /// Until when. In the past when nobody has tried since.
    pub until: Timestamp,
    /// Whether the server said so; else it is an estimate, which is no obstacle.
    pub firm: bool,
    /// What was wrong.
    pub class: FaultClass,
    /// What was said, short and without credentials.
    pub evidence: String,
    /// The process that tries first, while it does.
    pub probe: Option<u32>,
}

/// Whether a request may be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Send it. A place is reserved; give it back with `taken`, `failed` or `left`.
    Go,
    /// Not yet.
    Wait {
        /// When to ask again, always later than the time of asking.
        until: Timestamp,
        /// Why, in words.
        why: String,
        /// Whether a refusal of the server is the reason. Else it is a short wait for the sake of others.
        firm: bool,
    },
}

/// The leave to send a request, or the place of one who waits for it.
#[derive(Debug)]
pub enum Leave {
    /// Send it. A place is reserved; give it back with `taken`, `failed` or `left`, and drop the pass when the answer has
    /// ended.
    Go(Pass),
    /// Not yet.
    Wait {
        /// When to ask again, always later than the time of asking.
        until: Timestamp,
        /// Why, in words.
        why: String,
        /// Whether a refusal of the server is the reason. Else it is a short wait for the sake of others.
        firm: bool,
        /// Tells when it is worth asking sooner; for endpoints with limits.
        queue: Option<Queue>,
    },
}

/// The accounts of a user, as this run sees them. Cheap to clone. Calls take well under a millisecond, and 200 ms at the
/// longest when another process is stuck.
#[derive(Clone, Debug)]
pub struct Accounts {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    salt: Vec<u8>,
    me: Holder,
    known: KnownAccounts,
}

impl Inner {
    fn new(store: Store, salt: Vec<u8>, me: Holder) -> Self {
        Self { store, salt, me, known: KnownAccounts::default() }
    }

    /// Lets `look` see who asks, and when.
    fn asker<R>(&self, party: (&AccountId, Option<&str>), now: i64, look: impl FnOnce(&Asker<'_>) -> R) -> R {
        let me = &self.me;
        let (account, model) = party;
        look(&Asker { account, model, me, now, gone: &|other| other.is_gone(me), stated: false })
    }
}

/// Answers that were not told yet are told by whoever goes last.
impl Drop for Inner {
    fn drop(&mut self) {
        for (provider, account, known) in self.known.all() {
            let untold = known.untold();
            if let Some(last) = untold.last() {
                self.asker((&account, None), *last, |asker| {
                    self.store.change(&provider, *last, |book| book.answered(asker, &untold));
                });
            }
        }
    }
}

impl Accounts {
    /// The accounts that all processes of the user share, in `directory`, which is made when it is not there.
    ///
    /// # Errors
    ///
    /// The directory cannot be made or is not ours; use [`Accounts::private`] then.
    pub fn shared(directory: PathBuf, owner: &Owner) -> io::Result<Self> {
        let salt = store::salt(&directory)?;
        Ok(Self::new(Store::new(Some(directory)), salt, owner))
    }

    /// Accounts of this process alone.
    pub fn private(owner: &Owner) -> Self {
        Self::new(Store::new(None), uuid::Uuid::new_v4().as_bytes().to_vec(), owner)
    }

    fn new(store: Store, salt: Vec<u8>, owner: &Owner) -> Self {
        Self { inner: Arc::new(Inner::new(store, salt, Holder::new(owner))) }
    }

    /// Names the account behind a key, or behind whatever else tells logins of that provider apart.
    pub fn name(&self, provider: &str, secret: &str) -> AccountId {
        let mut text = Vec::new();
        for part in [&self.inner.salt, plain(provider).as_bytes(), secret.as_bytes()] {
            text.extend(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            text.extend(part);
        }
        let mut name = Sha256::of(&text).to_string();
        name.truncate(NAME_LENGTH);
        AccountId(name)
    }

    /// States what an endpoint stands: no more requests are let go, by all processes that state it together. Where limits
    /// are stated already, the stricter one stands.
    pub fn limit(&self, party: &Party, limits: Limits) {
        if limits.is_empty() {
            return;
        }
        let provider = plain(&party.provider);
        let known = self.inner.known.of(&provider, &party.account);
        let file = self.inner.store.beside(&provider, party.account.as_str(), "slots");
        let made = || Allowance::new(file.as_deref(), limits, self.inner.me.pid);
        known.allowance_or(made).keep_to(limits);
    }

    /// The cooling that concerns a party longest; a firm one comes before an estimate.
    pub fn standing(&self, party: &Party, now: Timestamp) -> Option<Cooling> {
        let (now, provider) = (millis(now), plain(&party.provider));
        let (account, model) = (&party.account, party.model.as_deref());
        if !self.inner.store.glance(&provider, |book| book.concerns(account, model)) {
            return None;
        }
        self.inner.store.look(&provider, now).standing(account, model, now)
    }

    /// To be asked before each request is sent, and before each time that it is sent again.
    pub fn leave(&self, party: &Party, now: Timestamp) -> Leave {
        let (at, known) = (self.at(party, now), self.known(party));
        let quiet = self.glance(&at, book::Book::is_quiet);
        // Most of those who must wait need no lock to see it.
        if !quiet && let Some(wait) = self.look(&at, book::Book::obstacle) {
            return waits(&at, wait, known.allowance().map(|allowance| allowance.queue(false)));
        }
        let pass = match known.allowance().map(|allowance| (allowance, allowance.ask(at.now))) {
            None => Pass::default(),
            Some((_, Ok(pass))) => pass,
            Some((allowance, Err(full))) => {
                let (until, why, wants) = match full {
                    Full::Slots(until) => {
                        (until, "as many requests as the endpoint stands are on their way", true)
                    }
                    Full::Rate(until) => {
                        (until, "as many requests a minute as the endpoint stands were sent", false)
                    }
                };
                let wait = Wait { until, why: why.to_owned(), firm: false };
                return waits(&at, wait, Some(allowance.queue(wants)));
            }
        };
        if !quiet && let Some(wait) = self.change(&at, book::Book::ask) {
            return waits(&at, wait, known.allowance().map(|allowance| allowance.queue(false)));
        }
        Leave::Go(pass)
    }

    /// As [`Accounts::leave`], where no limits are stated, so that there is no pass to be kept.
    pub fn ask(&self, party: &Party, now: Timestamp) -> Admission {
        match self.leave(party, now) {
            Leave::Go(_) => Admission::Go,
            Leave::Wait { until, why, firm, .. } => Admission::Wait { until, why, firm },
        }
    }

    /// The server has taken the request: it answers, and does not refuse. Gives the place of `leave` back; a probe has
    /// come out well.
    pub fn taken(&self, party: &Party, now: Timestamp) {
        let (at, known) = (self.at(party, now), self.known(party));
        let quiet = self.glance(&at, book::Book::is_quiet);
        let Some(answers) = known.answered(at.now, quiet) else { return };
        self.change(&at, |book, asker| {
            book.answered(asker, answers.split_last().map_or(&[], |(_, before)| before));
            book.taken(asker);
        });
        if !quiet {
            // One place has come back, and one more may be allowed.
            known.tell();
            known.tell();
        }
    }

    /// A whole answer has come: estimates are dropped and no series of failures goes on. Also ends a probe well, for
    /// harnesses that cannot tell when a request was taken.
    pub fn succeeded(&self, party: &Party, now: Timestamp) {
        let at = self.at(party, now);
        if self.glance(&at, book::Book::is_quiet) {
            return;
        }
        let changes = self.look(&at, |book, asker| {
            let mut after = book.clone();
            after.succeeded(asker);
            after != *book
        });
        if changes {
            self.change(&at, book::Book::succeeded);
        }
    }

    /// The request failed. Records what follows for others, gives the place back, and ends a probe badly. What is
    /// returned stands now; it may be longer than what this failure alone would ask for.
    pub fn failed(&self, party: &Party, failure: &Failure, now: Timestamp) -> Option<Cooling> {
        let (evidence, known) = (short(&failure.evidence), self.known(party));
        let untold = known.untold();
        let stands = self.change(&self.at(party, now), |book, asker| {
            book.answered(asker, &untold);
            book.failed(asker, failure, &evidence)
        });
        known.tell();
        stands
    }

    /// The request was taken back before an answer: gives the place back and decides nothing.
    pub fn left(&self, party: &Party, now: Timestamp) {
        let at = self.at(party, now);
        if !self.glance(&at, book::Book::is_quiet) {
            self.change(&at, book::Book::left);
            self.known(party).tell();
        }
    }

    /// What went wrong with the shared files, once; nothing fails over it.
    pub fn trouble(&self) -> Option<String> {
        self.inner.store.trouble().or_else(|| self.inner.known.trouble())
    }

    /// All that cools, the longest last.
    ///
    /// # Errors
    ///
    /// The directory cannot be read.
    pub fn list(&self, now: Timestamp) -> io::Result<Vec<Cooling>> {
        list(&self.inner.store, &self.inner.me, millis(now))
    }

    fn known(&self, party: &Party) -> Arc<Known> {
        self.inner.known.of(&plain(&party.provider), &party.account)
    }

    fn at<'a>(&self, party: &'a Party, now: Timestamp) -> Asked<'a> {
        let stated = self.known(party).stated();
        Asked { provider: plain(&party.provider), party, now: millis(now), stated }
    }

    fn with<R>(&self, at: &Asked<'_>, look: impl FnOnce(&Asker<'_>) -> R) -> R {
        let party = (&at.party.account, at.party.model.as_deref());
        self.inner.asker(party, at.now, |asker| look(&Asker { stated: at.stated, ..*asker }))
    }

    fn glance<R>(&self, at: &Asked<'_>, look: impl FnOnce(&book::Book, &Asker<'_>) -> R) -> R {
        self.with(at, |asker| self.inner.store.glance(&at.provider, |book| look(book, asker)))
    }

    fn look<R>(&self, at: &Asked<'_>, look: impl FnOnce(&book::Book, &Asker<'_>) -> R) -> R {
        let book = self.inner.store.look(&at.provider, at.now);
        self.with(at, |asker| look(&book, asker))
    }

    fn change<R>(&self, at: &Asked<'_>, change: impl Fn(&mut book::Book, &Asker<'_>) -> R) -> R {
        self.with(at, |asker| self.inner.store.change(&at.provider, asker.now, |book| change(book, asker)))
    }
}

/// A question, as it goes on.
struct Asked<'a> {
    provider: String,
    party: &'a Party,
    now: i64,
    stated: bool,
}

fn waits(at: &Asked<'_>, wait: Wait, queue: Option<Queue>) -> Leave {
    let Wait { until, why, firm } = wait;
    Leave::Wait { until: stamp(book::at_least_a_moment(until, at.now)), why, firm, queue }
}

/// A look at the accounts of a user from outside of any run. Makes no directory and no file.
#[derive(Debug)]
pub struct Overview {
    store: Store,
    me: Holder,
}

impl Overview {
    /// Looks at `directory`; one that is not there knows of nothing.
    pub fn new(directory: PathBuf) -> Self {
        let me = Holder::new(&Owner { pid: std::process::id(), run: String::new() });
        Self { store: Store::new(Some(directory)), me }
    }

    /// All that cools, the longest last.
    ///
    /// # Errors
    ///
    /// The directory cannot be read.
    pub fn list(&self, now: Timestamp) -> io::Result<Vec<Cooling>> {
        list(&self.store, &self.me, millis(now))
    }

    /// Forgets what is known of an account, by its id or at least four of its first digits, of a provider with all its
    /// accounts, or of `all`. Gives what was cooling.
    ///
    /// # Errors
    ///
    /// The directory cannot be read or written.
    pub fn clear(&self, which: &str, now: Timestamp) -> io::Result<Vec<Cooling>> {
        let now = millis(now);
        let mut cleared = Vec::new();
        for book in self.store.books(now)? {
            let named = which == "all" || book.provider == plain(which) || host(&book.provider) == which;
            let which = if named {
                Which::Whole
            } else if which.len() >= SHORTEST_NAME {
                Which::Account(which)
            } else {
                continue;
            };
            let gone = |other: &Holder| other.is_gone(&self.me);
            cleared.extend(self.store.change(&book.provider, now, |book| book.clear(which, now, &gone)));
            if let Some(trouble) = self.store.trouble() {
                return Err(io::Error::other(trouble));
            }
        }
        Ok(cleared)
    }
}

fn list(store: &Store, me: &Holder, now: i64) -> io::Result<Vec<Cooling>> {
    let mut all: Vec<Cooling> =
        store.books(now)?.iter().flat_map(|book| book.list(now, &|other| other.is_gone(me))).collect();
    all.sort_by(|a, b| a.until.cmp(&b.until).then_with(|| a.provider.cmp(&b.provider)));
    Ok(all)
}

/// An address without what does not belong to it: credentials, query, fragment, and a slash at its end.
pub(super) fn plain(provider: &str) -> String {
    let Some((scheme, rest)) = provider.split_once("://") else { return provider.trim().to_owned() };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{}://{}{}", scheme.trim(), authority, path.trim_end_matches('/'))
}

/// The host and port of an address.
fn host(provider: &str) -> &str {
    let rest = provider.split_once("://").map_or(provider, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}

/// Evidence as it may be kept: one line, short, and without what looks like a credential.
fn short(evidence: &str) -> String {
    let clean = redact_shapes(evidence);
    let words: Vec<&str> = clean.split(|c: char| c.is_whitespace() || c.is_control()).collect();
    let line = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(EVIDENCE_LIMIT) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

fn millis(at: Timestamp) -> i64 {
    at.as_millisecond()
}

fn stamp(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(if millis < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

#[cfg(test)]
mod tests;
