//! The budget of a run of many cells: set aside before it is spent, so that no number of cells in flight overshoots it.

use std::io;

use crate::event::{Spend, Usage};
use crate::profile::SuiteBudget;

/// Tokens that a first cell is taken to consume when nobody knows better, beside its prompt.
const FIRST_OUTPUT: u64 = 4_096;
/// Cells may be larger than the mean of those before them.
const HEADROOM: f64 = 1.5;

/// What is set aside for one cell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Share {
    tokens: u64,
    usd: f64,
}

impl Share {
    /// So much, so many times.
    fn times(self, cells: u64) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "counts of cells are small")]
        let usd = self.usd * cells as f64;
        Self { tokens: self.tokens.saturating_mul(cells), usd }
    }
}

/// Counts an answer whose size is known.
fn know(known: &mut (u64, u64, f64), usage: &Usage) {
    // What was turned away, and what is offline, says nothing of what an answer takes.
    if usage.is_empty() {
        return;
    }
    known.0 += 1;
    known.1 = known.1.saturating_add(usage.charged_tokens());
    known.2 += usage.usd.unwrap_or(0.0);
}

/// Why a cell cannot begin.
#[derive(Clone, Debug, PartialEq)]
pub enum Refused {
    /// Cells in flight hold what is left; when they have ended there may be enough.
    Later,
    /// There is not enough left.
    Over {
        /// Which ceiling, in words.
        why: String,
        /// By how much it is short, in its unit.
        shortfall: f64,
    },
    /// A ceiling in dollars is set, and something ran whose price nobody said.
    Unknown,
}

/// What other processes that run cells of the same plan have spent, and hold.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Elsewhere {
    /// All that they were billed for.
    spent: Spend,
    /// Answers whose size is known, and what they consumed.
    known: (u64, u64, f64),
    /// Cells that have ended.
    ended: u64,
    /// Cells that they have begun and not ended.
    pub open: u64,
    /// Cells that were cut off by the end of such a process: what they have spent is not known.
    pub lost: u64,
}

impl Elsewhere {
    /// Takes what a cell has consumed. `unsaid`: whether something ran and nobody said what it took.
    pub fn ended(&mut self, unsaid: bool, usage: Option<&Usage>) {
        self.bill(unsaid, usage);
        self.ended += 1;
        if let Some(usage) = usage {
            know(&mut self.known, usage);
        }
    }

    /// Takes what something else has consumed: a judge, a treatment.
    pub fn bill(&mut self, unsaid: bool, usage: Option<&Usage>) {
        bill(&mut self.spent, unsaid, usage);
    }
}

/// Takes what something has consumed. `unsaid`: whether, without a word on it, it has consumed nobody knows what.
fn bill(spent: &mut Spend, unsaid: bool, usage: Option<&Usage>) {
    match usage {
        Some(usage) => spent.add(usage),
        None if unsaid => spent.bill(None),
        None => {}
    }
}

/// The right to reserve; nobody else has it until it is dropped.
pub type Turn = Box<dyn Send>;

/// Looks at the other processes; `None` when one of them reserves right now.
pub type Look = Box<dyn FnMut() -> io::Result<Option<(Elsewhere, Turn)>> + Send>;

/// The pool.
pub struct Pool {
    tokens: Option<u64>,
    usd: Option<f64>,
    spent: Spend,
    /// Answers whose size is known, and what they consumed.
    known: (u64, u64, f64),
    held: Share,
    flying: u64,
    /// Cells that have ended, also those that say nothing of what a cell takes.
    ended: u64,
    look: Option<Look>,
    elsewhere: Elsewhere,
}

impl Pool {
    /// The pool of a suite, after what is on record.
    pub fn new(budget: &SuiteBudget, spent: Spend, answered: u64) -> Self {
        Self {
            tokens: budget.tokens,
            usd: budget.usd,
            spent,
            known: (answered, spent.charged_tokens(), spent.usd),
            held: Share::default(),
            flying: 0,
            ended: answered,
            look: None,
            elsewhere: Elsewhere::default(),
        }
    }

    /// The same, which other processes draw from as well.
    #[must_use]
    pub fn beside(self, look: Look) -> Self {
        Self { look: Some(look), ..self }
    }

    /// Waits for nobody: the turn to reserve, with what the others have spent by now; `None` when another one has it.
    /// Where nothing is bounded it is everybody's turn.
    ///
    /// # Errors
    ///
    /// What the others have recorded cannot be read.
    pub fn turn(&mut self) -> io::Result<Option<Turn>> {
        let bounded = self.is_bounded();
        let Some(look) = self.look.as_mut().filter(|_| bounded) else { return Ok(Some(Box::new(()))) };
        let Some((elsewhere, turn)) = look()? else { return Ok(None) };
        self.elsewhere = elsewhere;
        Ok(Some(turn))
    }

    /// Whether anything is bounded.
    pub fn is_bounded(&self) -> bool {
        self.tokens.is_some() || self.usd.is_some()
    }

    /// Charges what was cut off and never reported: as much as the mean of those that were.
    pub fn charge_lost(&mut self, cells: u64) {
        let share = self.mean(0).times(cells);
        self.spent.input = self.spent.input.saturating_add(share.tokens);
        self.spent.usd += share.usd;
    }

    /// Sets aside what a cell may consume. `prompt` is the length of its prompt in bytes.
    ///
    /// # Errors
    ///
    /// The pool cannot cover it, now or ever.
    pub fn reserve(&mut self, prompt: usize) -> Result<Share, Refused> {
        if !self.is_bounded() {
            self.flying += 1;
            return Ok(Share::default());
        }
        let flying = self.flying.saturating_add(self.elsewhere.open);
        let first = self.seen().0 == 0 && self.ended == 0 && self.elsewhere.ended == 0;
        if self.usd.is_some() && flying > 0 && first {
            // What a cell costs is not known before the first one has ended: it goes alone.
            return Err(Refused::Later);
        }
        self.take(self.mean(prompt as u64), "a cell")
    }

    /// Sets aside what something else may consume, which `what` calls by its name: a treatment.
    ///
    /// # Errors
    ///
    /// The pool cannot cover it.
    pub fn reserve_for(&mut self, what: &str, tokens: u64, usd: f64) -> Result<Share, Refused> {
        if !self.is_bounded() {
            self.flying += 1;
            return Ok(Share::default());
        }
        self.take(Share { tokens, usd }, what)
    }

    fn take(&mut self, share: Share, what: &str) -> Result<Share, Refused> {
        if self.usd.is_some() && !(self.spent.usd_known && self.elsewhere.spent.usd_known) {
            return Err(Refused::Unknown);
        }
        let flying = self.flying.saturating_add(self.elsewhere.open);
        let mean = self.mean(0);
        let (lost, open) = (mean.times(self.elsewhere.lost), mean.times(self.elsewhere.open));
        let spent_tokens = self.spent.charged_tokens().saturating_add(self.elsewhere.spent.charged_tokens());
        let spent_tokens = spent_tokens.saturating_add(lost.tokens);
        let spent_usd = self.spent.usd + self.elsewhere.spent.usd + lost.usd;
        let held = self.held.tokens.saturating_add(open.tokens).saturating_add(share.tokens);
        let tokens = spent_tokens.saturating_add(held);
        let usd = spent_usd + self.held.usd + open.usd + share.usd;
        let over = match (self.tokens, self.usd) {
            #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
            (Some(ceiling), _) if tokens > ceiling => Some((
                format!(
                    "`budget.tokens` of the suite is {ceiling}; {spent_tokens} are used, and {what} takes about {}",
                    share.tokens
                ),
                (tokens - ceiling) as f64,
            )),
            (_, Some(ceiling)) if usd > ceiling => Some((
                format!(
                    "`budget.usd` of the suite is {ceiling}; ${spent_usd:.4} are spent, and {what} takes about ${:.4}",
                    share.usd
                ),
                usd - ceiling,
            )),
            _ => None,
        };
        match over {
            Some(_) if flying > 0 => Err(Refused::Later),
            Some((why, shortfall)) => Err(Refused::Over { why, shortfall }),
            None => {
                self.held.tokens += share.tokens;
                self.held.usd += share.usd;
                self.flying += 1;
                Ok(share)
            }
        }
    }

    /// Gives a share back, and takes what was really consumed. `unsaid`: whether something ran and nobody said what it took.
    pub fn settle(&mut self, share: Share, unsaid: bool, usage: Option<&Usage>) {
        self.held.tokens = self.held.tokens.saturating_sub(share.tokens);
        self.held.usd = (self.held.usd - share.usd).max(0.0);
        self.flying = self.flying.saturating_sub(1);
        self.ended += 1;
        self.bill(unsaid, usage);
        if let Some(usage) = usage {
            know(&mut self.known, usage);
        }
    }

    /// Takes what something else has consumed: a judge, a treatment.
    pub fn bill(&mut self, unsaid: bool, usage: Option<&Usage>) {
        bill(&mut self.spent, unsaid, usage);
    }

    /// Answers whose size is known, here and elsewhere.
    fn seen(&self) -> (u64, u64, f64) {
        let (here, there) = (self.known, self.elsewhere.known);
        (here.0 + there.0, here.1.saturating_add(there.1), here.2 + there.2)
    }

    /// What a cell is taken to consume.
    fn mean(&self, prompt: u64) -> Share {
        let (cells, tokens, usd) = self.seen();
        if cells == 0 {
            return Share { tokens: prompt / 3 + FIRST_OUTPUT, usd: 0.0 };
        }
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an estimate"
        )]
        let tokens = (tokens as f64 / cells as f64 * HEADROOM).ceil() as u64;
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let usd = usd / cells as f64 * HEADROOM;
        Share { tokens, usd }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(tokens: u64, usd: f64) -> Usage {
        Usage { output: tokens, usd: Some(usd), ..Usage::default() }
    }

    #[test]
    fn what_is_in_flight_is_set_aside() {
        let budget = SuiteBudget { tokens: Some(10_000), usd: None, wall: None };
        let mut pool = Pool::new(&budget, Spend::default(), 0);
        let first = pool.reserve(300).unwrap();
        let second = pool.reserve(300).unwrap();
        assert_eq!(pool.reserve(300), Err(Refused::Later), "two cells might use it all");
        pool.settle(first, false, Some(&usage(1_000, 0.0)));
        pool.settle(second, false, Some(&usage(1_000, 0.0)));
        let mut shares = Vec::new();
        while let Ok(share) = pool.reserve(300) {
            shares.push(share);
        }
        assert_eq!(shares.len(), 5, "8000 are left, and each may take 1500");
        for share in shares {
            pool.settle(share, false, Some(&usage(1_600, 0.0)));
        }
        let refused = pool.reserve(300);
        assert!(matches!(refused, Err(Refused::Over { .. })), "{refused:?}");
    }

    #[test]
    fn a_price_that_nobody_says_ends_a_run_with_a_ceiling_in_dollars() {
        let budget = SuiteBudget { tokens: None, usd: Some(1.0), wall: None };
        let mut pool = Pool::new(&budget, Spend::default(), 0);
        let share = pool.reserve(10).unwrap();
        pool.settle(share, false, Some(&Usage { output: 5, usd: None, ..Usage::default() }));
        assert_eq!(pool.reserve(10), Err(Refused::Unknown));
        let mut pool = Pool::new(&budget, Spend::default(), 0);
        let share = pool.reserve(10).unwrap();
        pool.settle(share, false, None);
        let share = pool.reserve(10).expect("a request that was refused has cost nothing");
        pool.settle(share, true, None);
        assert_eq!(pool.reserve(10), Err(Refused::Unknown), "an answer of which nobody says anything");
    }

    #[test]
    fn a_treatment_is_set_aside_like_a_cell() {
        let budget = SuiteBudget { tokens: Some(1_000), usd: Some(0.5), wall: None };
        let mut pool = Pool::new(&budget, Spend::default(), 0);
        assert!(pool.reserve_for("a treatment", 900, 0.4).is_ok());
        let mut pool = Pool::new(&budget, Spend::default(), 0);
        for (tokens, usd, said) in
            [(1_100, 0.0, "a treatment takes about 1100"), (10, 0.75, "a treatment takes about $0.7500")]
        {
            let Err(Refused::Over { why, .. }) = pool.reserve_for("a treatment", tokens, usd) else {
                panic!("{tokens} tokens, ${usd}")
            };
            assert!(why.contains(said), "{why}");
        }
    }

    #[test]
    fn without_a_ceiling_everything_goes() {
        let mut pool = Pool::new(&SuiteBudget::default(), Spend::default(), 0);
        for _ in 0..1_000 {
            pool.reserve(1_000_000).unwrap();
        }
    }
}
