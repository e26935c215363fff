//! The fault table: one row a cause, the first that matches wins.
//!
//! Order is meaning. Reasons and codes come first because a machine said them on purpose; a status alone says less than
//! the words that come with it, so words refine a status before the status decides; words without any status come
//! after; an agent's generic label comes after those, since it calls a refused connection a server error; how a process
//! ended says the least.

use std::fmt;
use std::sync::LazyLock;

use super::search::{Bits, INDEX};
use super::{Facts, Origin};
use crate::event::{FaultClass, FaultScope};

mod coded;
mod labelled;
mod stated;
mod worded;

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Names the row in `Failure::rule`.
    pub id: &'static str,
    /// What it means.
    pub class: FaultClass,
    /// How far it reaches.
    pub scope: FaultScope,
    /// Only from this mouth.
    pub origin: Option<Origin>,
    /// All of these hold.
    pub tests: &'static [Test],
}

/// One condition of a row.
#[derive(Clone, Copy, Debug)]
pub enum Test {
    /// The agent says that it ended for one of these reasons.
    Terminal(&'static [&'static str]),
    /// Code, type, label, or a name in the JSON that the text holds, is one of these; case, `_` and `-` do not count.
    Word(&'static [&'static str]),
    /// The HTTP status is one of these.
    Status(&'static [u16]),
    /// The HTTP status lies between these two.
    StatusIn(u16, u16),
    /// The HTTP status is another one, or there is none.
    StatusNot(u16),
    /// The words are one of these and no more.
    Exactly(&'static [&'static str]),
    /// The words contain one of these phrases; `…` stands for anything.
    Says(&'static [&'static str]),
    /// There is no HTTP status.
    NoStatus,
    /// The server said to come back later than this, in seconds.
    WaitOver(f64),
    /// The time at which a limit resets is known.
    ResetKnown,
    /// Who said it thinks that it may be repeated.
    Retryable,
    /// The process was ended by one of these signals, or reports so by 128 + n.
    Signal(&'static [i32]),
    /// The process was ended by a signal.
    AnySignal,
    /// The process exited with one of these codes.
    Exit(&'static [i32]),
    /// The process exited with a code other than 0.
    ExitFailed,
}

/// Facts, and what their words say beyond them.
pub(super) struct Seen<'a> {
    pub(super) facts: &'a Facts<'a>,
    /// In lower case.
    pub(super) words: &'a str,
    /// The phrases of the table that they hold.
    pub(super) said: Bits,
    /// The names of the table that are code, type, label or a name further in.
    pub(super) named: Bits,
    pub(super) status: Option<u16>,
    pub(super) retry_after: Option<f64>,
    pub(super) reset_known: bool,
    pub(super) retryable: Option<bool>,
}

impl Seen<'_> {
    /// The first row that matches.
    pub(super) fn rule(&self) -> Option<&'static Rule> {
        let row = |(place, rule): &(usize, &'static Rule)| {
            rule.origin.is_none_or(|origin| origin == self.facts.origin)
                && rule.tests.iter().enumerate().all(|(nth, test)| match test {
                    Test::Says(_) => INDEX.wants(*place, nth, &self.said),
                    Test::Word(_) => INDEX.wants(*place, nth, &self.named),
                    test => test.holds(self),
                })
        };
        rules().iter().enumerate().find(row).map(|(_, rule)| rule)
    }
}

impl Test {
    /// The phrases of which one must be said.
    pub(super) fn phrases(&self) -> Option<&'static [&'static str]> {
        if let Self::Says(list) = self { Some(list) } else { None }
    }

    /// The names of which one must be there.
    pub(super) fn words(&self) -> Option<&'static [&'static str]> {
        if let Self::Word(list) = self { Some(list) } else { None }
    }

    /// Whether it holds; phrases and names are the index's business.
    fn holds(&self, seen: &Seen<'_>) -> bool {
        let facts = seen.facts;
        let among = |word: Option<&str>, list: &[&str]| {
            word.is_some_and(|word| list.iter().any(|entry| entry.eq_ignore_ascii_case(word.trim())))
        };
        match self {
            Self::Terminal(list) => among(facts.terminal, list),
            Self::Exactly(list) => list.contains(&seen.words.trim()),
            Self::Status(list) => seen.status.is_some_and(|status| list.contains(&status)),
            Self::StatusIn(low, high) => seen.status.is_some_and(|status| (*low..=*high).contains(&status)),
            Self::StatusNot(not) => seen.status != Some(*not),
            Self::NoStatus => seen.status.is_none(),
            Self::WaitOver(limit) => seen.retry_after.is_some_and(|wait| wait > *limit),
            Self::ResetKnown => seen.reset_known,
            Self::Retryable => seen.retryable == Some(true),
            Self::Signal(list) => list.iter().any(|signal| {
                facts.signal == Some(*signal) || facts.exit_code.is_some_and(|code| code == 128 + signal)
            }),
            Self::AnySignal => facts.signal.is_some(),
            Self::Exit(list) => facts.exit_code.is_some_and(|code| list.contains(&code)),
            Self::ExitFailed => facts.exit_code.is_some_and(|code| code != 0),
            Self::Says(_) | Self::Word(_) => false,
        }
    }
}

/// A condition as `provost-faults(7)` says it.
impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list(items: &[impl fmt::Display]) -> String {
            items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        }
        match self {
            Self::Terminal(reasons) => write!(f, "the agent ended with {}", list(reasons)),
            Self::Word(words) => write!(f, "code, type or label {}", list(words)),
            Self::Status(statuses) => write!(f, "status {}", list(statuses)),
            Self::StatusIn(low, high) => write!(f, "status {low} to {high}"),
            Self::StatusNot(status) => write!(f, "status not {status}"),
            Self::NoStatus => f.write_str("no status"),
            Self::Exactly(texts) => write!(f, "the text is no more than \"{}\"", list(texts)),
            Self::Retryable => f.write_str("it says that it may be repeated"),
            Self::Says(phrases) => {
                let quoted: Vec<String> = phrases.iter().map(|phrase| format!("\"{phrase}\"")).collect();
                write!(f, "the text says {}", list(&quoted))
            }
            Self::WaitOver(seconds) => write!(f, "asked to wait more than {seconds} s"),
            Self::ResetKnown => f.write_str("the time of the reset is known"),
            Self::Signal(signals) => write!(f, "ended by signal {}", list(signals)),
            Self::AnySignal => f.write_str("ended by a signal"),
            Self::Exit(codes) => write!(f, "exited with {} and no result", list(codes)),
            Self::ExitFailed => f.write_str("exited with another code than 0 and no result"),
        }
    }
}

/// The table, in order.
pub fn rules() -> &'static [Rule] {
    static ALL: LazyLock<Vec<Rule>> =
        LazyLock::new(|| [coded::ROWS, stated::ROWS, worded::ROWS, labelled::ROWS].concat());
    &ALL
}

const fn rule(id: &'static str, class: FaultClass, scope: FaultScope, tests: &'static [Test]) -> Rule {
    Rule { id, class, scope, origin: None, tests }
}

/// The same, from one mouth only.
macro_rules! mouths {
    ($($name:ident = $origin:ident,)*) => {
        $(
            const fn $name(
                id: &'static str,
                class: FaultClass,
                scope: FaultScope,
                tests: &'static [Test],
            ) -> Rule {
                Rule { id, class, scope, origin: Some(Origin::$origin), tests }
            }
        )*
    };
}

mouths! {
    claude = Claude,
    codex = Codex,
    opencode = Opencode,
    gemini = Gemini,
    aider = Aider,
    openai = OpenAi,
    anthropic = Anthropic,
}
