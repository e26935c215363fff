//! The budget of a run of many cells: set aside before it is spent, so that no number of cells in flight overshoots it.

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

/// The pool.
#[derive(Clone, Debug)]
pub struct Pool {
    tokens: Option<u64>,
    usd: Option<f64>,
    spent: Spend,
    /// Answers whose size is known, and what they consumed.
    known: (u64, u64, f64),
    held: Share,
    flying: u64,
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
        }
    }

    /// Whether anything is bounded.
    pub fn is_bounded(&self) -> bool {
        self.tokens.is_some() || self.usd.is_some()
    }

    /// Charges what was cut off and never reported: as much as the mean of those that were.
    pub fn charge_lost(&mut self, cells: u64) {
        let share = self.mean(0);
        #[expect(clippy::cast_precision_loss, reason = "counts of cells are small")]
        let cells_f = cells as f64;
        self.spent.input = self.spent.input.saturating_add(share.tokens.saturating_mul(cells));
        self.spent.usd += share.usd * cells_f;
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
        if self.usd.is_some() && !self.spent.usd_known {
            return Err(Refused::Unknown);
        }
        let tokens =
            self.spent.charged_tokens().saturating_add(self.held.tokens).saturating_add(share.tokens);
        let usd = self.spent.usd + self.held.usd + share.usd;
        let over = match (self.tokens, self.usd) {
            #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
            (Some(ceiling), _) if tokens > ceiling => Some((
                format!(
                    "`budget.tokens` of the suite is {ceiling}; {} are used, and {what} takes about {}",
                    self.spent.charged_tokens(),
                    share.tokens
                ),
                (tokens - ceiling) as f64,
            )),
            (_, Some(ceiling)) if usd > ceiling => Some((
                format!(
                    "`budget.usd` of the suite is {ceiling}; ${:.4} are spent, and {what} takes about ${:.4}",
                    self.spent.usd, share.usd
                ),
                usd - ceiling,
            )),
            _ => None,
        };
        match over {
            Some(_) if self.flying > 0 => Err(Refused::Later),
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
        self.bill(unsaid, usage);
        // What is offline says nothing about the others.
        if let Some(usage) = usage.filter(|usage| !usage.is_empty()) {
            self.known.0 += 1;
            self.known.1 = self.known.1.saturating_add(usage.charged_tokens());
            self.known.2 += usage.usd.unwrap_or(0.0);
        }
    }

    /// Takes what something else has consumed: a judge.
    pub fn bill(&mut self, unsaid: bool, usage: Option<&Usage>) {
        // A request that was refused costs nothing; one without a word on its cost costs nobody knows what.
        match usage {
            Some(usage) => self.spent.add(usage),
            None if unsaid => self.spent.bill(None),
            None => {}
        }
    }

    /// What a cell is taken to consume.
    fn mean(&self, prompt: u64) -> Share {
        let (cells, tokens, usd) = self.known;
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
