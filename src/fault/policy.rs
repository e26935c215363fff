//! The words of a decision, and what a class says by itself. Pure.

use std::time::Duration;

use jiff::Timestamp;

use crate::event::{Failure, FaultClass, FaultScope};

/// What a profile allows after a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Retries on the same candidate.
    pub same_model: u32,
    /// Switches to another candidate in one turn of the user.
    pub max_fallbacks: u32,
    /// How long may be waited in one turn of the user; a server-given wait that does not fit is not waited out.
    pub wait: Duration,
    /// Whether the same words again are no reason to stop asking: where the answer to this very request is wanted, and
    /// the number of retries is the only bound.
    pub persistent: bool,
}

/// What has happened in this turn of the user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Retries of the same request on this candidate so far.
    pub retries: u32,
    /// Switches so far in this turn.
    pub fallbacks: u32,
    /// Failures in a row with the same class and blurred words, this one included.
    pub identical: u32,
    /// On so many different candidates in a row.
    pub identical_candidates: u32,
    /// Waits so far in this turn, the agent's own retry loop included.
    pub waited: Duration,
    /// Whether the conversation was retold already because it had grown too large.
    pub compacted: bool,
    /// What is open.
    pub ways: Ways,
}

/// What is open after a fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ways {
    /// A candidate further on in the chain has another model and is not firmly cooling.
    pub model: bool,
    /// One further on has another account.
    pub account: bool,
    /// One further on has another provider.
    pub provider: bool,
    /// One further on has a larger window.
    pub window: bool,
    /// There is a conversation to retell shorter.
    pub compact: bool,
    /// What was done is kept, as recorded steps or in a session that can be continued, so that content that came, and a
    /// request that may have been taken, are no obstacle.
    pub repeatable: bool,
    /// Known resets are waited for.
    pub patient: bool,
}

impl Ways {
    /// Whether there is a candidate that differs in this.
    pub fn open(&self, reach: Reach) -> bool {
        match reach {
            Reach::Model => self.model,
            Reach::Account => self.account,
            Reach::Provider => self.provider,
            Reach::Window => self.window,
        }
    }
}

/// In what the next candidate must differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Another model.
    Model,
    /// Another account.
    Account,
    /// Another provider.
    Provider,
    /// A larger window.
    Window,
}

/// What to do with a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The same request again.
    RetrySame {
        /// After this long.
        after: Duration,
    },
    /// Another candidate.
    FallBack {
        /// In what it must differ.
        reach: Reach,
    },
    /// The conversation is told shorter, and the turn is made again.
    Compact,
    /// The same request again at a time that the server has said.
    WaitUntil {
        /// That time.
        at: Timestamp,
    },
    /// Somebody, or a ceiling, wants an end: nothing else is tried, in this turn or a later one.
    Abort,
    /// The attempt's failure is the turn's.
    GiveUp,
}

/// Every class, in the order in which they are defined.
pub const CLASSES: [FaultClass; 24] = [
    FaultClass::RateLimited,
    FaultClass::QuotaExhausted,
    FaultClass::Overloaded,
    FaultClass::ServerError,
    FaultClass::Transport,
    FaultClass::FirstEventTimeout,
    FaultClass::Stall,
    FaultClass::ToolStall,
    FaultClass::RoundTimeout,
    FaultClass::Auth,
    FaultClass::Forbidden,
    FaultClass::ConfigMissing,
    FaultClass::ModelNotFound,
    FaultClass::ContextOverflow,
    FaultClass::RequestInvalid,
    FaultClass::ContentPolicy,
    FaultClass::OutputLimit,
    FaultClass::BudgetLimit,
    FaultClass::UserAbort,
    FaultClass::SelfAbort,
    FaultClass::ToolError,
    FaultClass::NoPayload,
    FaultClass::AgentCrash,
    FaultClass::Unknown,
];

/// Whether the class goes away by itself, so that the same request to the same model may work.
pub fn retryable(class: FaultClass) -> bool {
    matches!(
        class,
        FaultClass::RateLimited
            | FaultClass::Overloaded
            | FaultClass::ServerError
            | FaultClass::Transport
            | FaultClass::FirstEventTimeout
    )
}

/// Whether another round would fail the same way, so that the run ends here.
pub fn ends_run(class: FaultClass) -> bool {
    matches!(
        class,
        FaultClass::Auth
            | FaultClass::ConfigMissing
            | FaultClass::QuotaExhausted
            | FaultClass::ModelNotFound
            | FaultClass::Forbidden
    )
}

/// Whether backend, credentials or environment are not to be had: what exit code 4 says.
pub fn unavailable(class: FaultClass) -> bool {
    ends_run(class)
        || matches!(
            class,
            FaultClass::RateLimited
                | FaultClass::Overloaded
                | FaultClass::ServerError
                | FaultClass::Transport
        )
}

/// Whether this account is empty, so that no request of any model is to be made of it until it is filled.
///
/// What is used up for one model only, such as a weekly limit on one model of a plan, leaves the account alive.
pub fn account_is_spent(failure: &Failure) -> bool {
    failure.class == FaultClass::QuotaExhausted && failure.scope != FaultScope::Model
}

/// Whether another account may be tried. That one is empty says nothing of the next; that a request is wrong does.
pub fn may_another_account(failure: &Failure) -> bool {
    reaches(failure).contains(&Reach::Account)
}

/// In what another candidate would have to differ to get away from a failure, the nearest first; none where another one
/// is not to be tried at all, or only one with a larger window.
pub fn reaches(failure: &Failure) -> &'static [Reach] {
    use Reach::{Account, Model, Provider};
    match (failure.class, failure.scope) {
        (FaultClass::RateLimited, FaultScope::Account) => &[Account, Provider],
        (FaultClass::RateLimited, FaultScope::Provider) => &[Provider],
        (FaultClass::RateLimited, _) | (FaultClass::QuotaExhausted, FaultScope::Model) => {
            &[Model, Account, Provider]
        }
        (FaultClass::QuotaExhausted | FaultClass::Auth, _) | (FaultClass::Forbidden, FaultScope::Account) => {
            &[Account, Provider]
        }
        (FaultClass::Forbidden | FaultClass::ConfigMissing, _) => &[Provider, Account],
        (FaultClass::Overloaded | FaultClass::ModelNotFound | FaultClass::NoPayload, _) => &[Model, Provider],
        (
            FaultClass::ServerError
            | FaultClass::Transport
            | FaultClass::FirstEventTimeout
            | FaultClass::Stall
            | FaultClass::AgentCrash,
            _,
        ) => &[Provider, Model],
        _ => &[],
    }
}
