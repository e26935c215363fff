//! What a run is expected to cost, before it is paid for: as an earlier run of the same arm had it, or bounded by prices and
//! lengths. Where neither is there, nobody knows, and it is said so.

use crate::event::{Expected, RunId};
use crate::profile::{Api, Profile};

/// A token takes at least so many bytes in the texts that people write; fewer in rare scripts and in noise.
const BYTES_A_TOKEN: f64 = 3.0;
/// What `anthropic` is asked for where a profile says no ceiling.
const ANTHROPIC_OUTPUT: u32 = 8_192;

/// A part of the run that is paid for by itself: the cells of an arm, or its judges.
#[derive(Clone, Debug, PartialEq)]
pub struct Costs {
    /// What it is called.
    pub who: String,
    /// Cells that will be run.
    pub cells: u64,
    /// What is known of it.
    pub outlook: Outlook,
}

/// What is known of what something will cost.
#[derive(Clone, Debug, PartialEq)]
pub enum Outlook {
    /// Its profile says that it costs nothing.
    Offline,
    /// An earlier run paid so many dollars for a cell, on the average of its answered ones.
    Seen {
        /// The run.
        run: RunId,
        /// Its answered cells.
        answered: u64,
        /// Dollars a cell.
        usd: f64,
    },
    /// All its cells together cannot take more than about so many dollars.
    Most(f64),
    /// Why nobody knows.
    Unknown(String),
}

impl Costs {
    /// Dollars, and whether they are a ceiling; `None` where nobody knows.
    fn usd(&self) -> Option<(f64, bool)> {
        match self.outlook {
            Outlook::Offline => Some((0.0, false)),
            #[expect(clippy::cast_precision_loss, reason = "a count of cells")]
            Outlook::Seen { usd, .. } => Some((usd * self.cells as f64, false)),
            Outlook::Most(usd) => Some((usd, true)),
            Outlook::Unknown(_) => None,
        }
    }

    fn says(&self) -> String {
        let who = &self.who;
        match &self.outlook {
            Outlook::Offline => format!("{who} is offline"),
            Outlook::Seen { run, answered, usd } => {
                format!("{who} took ${usd:.6} a cell in {answered} answers of {run}")
            }
            Outlook::Most(usd) => format!(
                "{who} at most about ${usd:.4}: a token for {BYTES_A_TOKEN} bytes of prompt, answers as long as \
                 `model.max_output_tokens` lets them be, without retries"
            ),
            Outlook::Unknown(why) => format!("{who}: {why}"),
        }
    }
}

/// What all parts together are expected to cost. `ceiling` is that of the suite, dollars.
pub fn expected(parts: &[Costs], ceiling: Option<f64>) -> Expected {
    let known: Option<Vec<(f64, bool)>> = parts.iter().map(Costs::usd).collect();
    let (sum, bounded) =
        known.iter().flatten().fold((0.0, false), |(sum, any), (usd, most)| (sum + usd, any | most));
    let (usd, most_usd) = match &known {
        None => (None, None),
        Some(_) if bounded => (None, Some(sum)),
        Some(_) => (Some(sum), None),
    };
    // What is known of some parts is the least that all of them take.
    let least: f64 = parts.iter().filter_map(Costs::usd).filter(|(_, most)| !most).map(|(usd, _)| usd).sum();
    let over = ceiling.and_then(|ceiling| {
        let budget = format!("`budget.usd` of the suite is ${ceiling:.4}");
        if least > ceiling {
            Some(format!("{budget}, and ${least:.4} are expected at least: it will end before the last cell"))
        } else {
            most_usd
                .filter(|most| *most > ceiling)
                .map(|_| format!("{budget}: it may end before the last cell"))
        }
    });
    let mut says: Vec<String> = parts.iter().map(Costs::says).collect();
    says.dedup();
    Expected { usd, most_usd, says: says.join("; "), over }
}

/// What the cells of an arm cannot exceed. `bytes` are those of all their prompts together.
///
/// # Errors
///
/// Why there is no such bound, in words.
pub fn most(profile: &Profile, bytes: u64, cells: u64) -> Result<f64, String> {
    let agent = &profile.agent;
    if agent.harness != "chat" {
        return Err(format!("nothing bounds what {} uses in a cell", agent.harness));
    }
    if agent.tools.as_ref().is_none_or(|tools| !tools.is_empty()) || !agent.mcp.is_empty() {
        return Err("an agent with tools takes as many turns as it likes".to_owned());
    }
    if profile.budget.rounds.is_some_and(|rounds| rounds > 1) {
        return Err("it may take several rounds".to_owned());
    }
    if !profile.prompt.images.is_empty() {
        return Err("nobody knows the tokens of its images".to_owned());
    }
    let each =
        profile.candidates().iter().map(|one| most_of(one, bytes, cells)).collect::<Result<Vec<_>, _>>()?;
    Ok(each.into_iter().fold(0.0, f64::max))
}

/// The same of one model of the chain.
#[expect(clippy::cast_precision_loss, reason = "lengths and counts, for an estimate")]
fn most_of(profile: &Profile, bytes: u64, cells: u64) -> Result<f64, String> {
    let Some(model) = &profile.agent.model else { return Err("its model is not named".to_owned()) };
    let Some(price) = profile.prices.get(model) else { return Err(format!("no price of {model}")) };
    let endpoint = profile.agent.endpoint.as_ref().and_then(|name| profile.endpoints.get(name));
    let default = endpoint.filter(|endpoint| endpoint.api == Api::Anthropic).map(|_| ANTHROPIC_OUTPUT);
    let Some(output) = profile.model.max_output_tokens.or(default) else {
        return Err(format!("no `model.max_output_tokens` bounds the answers of {model}"));
    };
    let fresh = price.input.max(price.cache_write.unwrap_or(0.0));
    let input = bytes as f64 / BYTES_A_TOKEN * fresh;
    Ok((input + cells as f64 * f64::from(output) * price.output) / 1e6)
}
