//! What `peek --cooldowns` shows: who is not to be asked, why, and until when.

use std::fmt::Write as _;

use jiff::{Timestamp, Zoned};

use super::human::Look;
use super::human::style::{self, Ink};
use crate::event::FaultClass;

/// Under this width nothing can be laid out any more.
const LEAST_WIDTH: usize = 20;
/// Digits of an account's name that are shown.
const SHOWN_ID: usize = 8;

/// A party that is not to be asked for a while.
#[derive(Clone, Debug)]
pub struct CoolingRow {
    /// The provider.
    pub provider: String,
    /// The account; `None` when all accounts at that provider cool.
    pub account: Option<String>,
    /// The model; `None` when all models cool, an empty one when it is the harness's own choice.
    pub model: Option<String>,
    /// Until when.
    pub until: Timestamp,
    /// Whether the server said so.
    pub firm: bool,
    /// What was wrong.
    pub class: FaultClass,
    /// What was said.
    pub evidence: String,
    /// The process that tries first.
    pub probe: Option<u32>,
}

impl CoolingRow {
    /// What it is about, in one line: provider, account and model.
    fn party(&self) -> String {
        let account = match &self.account {
            Some(id) => format!("account {}", id.get(..SHOWN_ID).unwrap_or(id)),
            None => "all accounts".to_owned(),
        };
        let model = match self.model.as_deref() {
            None => "all models",
            Some("") => "the agent's own model",
            Some(model) => model,
        };
        [&self.provider, &account, model].map(style::clean).join("  ")
    }

    fn until(&self, now: &Zoned) -> String {
        let until = self.until.to_zoned(now.time_zone().clone());
        if self.until <= now.timestamp() {
            return format!("over since {}; the next request tries it alone", clock(&until, now));
        }
        let left = style::clock(style::between(now.timestamp(), self.until));
        let whose = if self.firm { "the server said so" } else { "an estimate, which stops nobody" };
        format!("{} (in {left}): {whose}", clock(&until, now))
    }
}

/// The time of day, with its date when that is not today's.
fn clock(at: &Zoned, now: &Zoned) -> String {
    let format = if at.date() == now.date() { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" };
    at.strftime(format).to_string()
}

/// The page of all that cools, in the order given; times are of the zone of `now`.
pub fn cooldowns(rows: &[CoolingRow], now: &Zoned, colour: bool, width: usize) -> String {
    if rows.is_empty() {
        return "nothing is cooling: all accounts may be asked\n".to_owned();
    }
    let look = Look { colour, unicode: false };
    let width = width.max(LEAST_WIDTH);
    let mut text = String::new();
    for (place, row) in rows.iter().enumerate() {
        if place > 0 {
            text.push('\n');
        }
        let ink = if row.firm { Ink::Strong } else { Ink::Plain };
        let mut line = |ink, line: &str| {
            let _ = writeln!(text, "{}", look.paint(ink, &style::fit(line.trim_end(), width, look)));
        };
        line(ink, &row.party());
        line(Ink::Plain, &format!("  until  {}", row.until(now)));
        line(Ink::Plain, &format!("  why    {}", style::clean(&format!("{}: {}", row.class, row.evidence))));
        if let Some(pid) = row.probe {
            line(Ink::Good, &format!("  probe  process {pid} is trying it"));
        }
    }
    text
}

/// What was cleared, one line each.
pub fn cleared(rows: &[CoolingRow], width: usize) -> String {
    let look = Look { colour: false, unicode: false };
    let mut text = String::new();
    for row in rows {
        let line = format!("cleared  {}  {}", row.party(), row.class);
        let _ = writeln!(text, "{}", style::fit(&line, width.max(LEAST_WIDTH), look));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(until: &str) -> CoolingRow {
        CoolingRow {
            provider: "https://api.example.com/v1".to_owned(),
            account: Some("3f9a12cd00112233".to_owned()),
            model: None,
            until: until.parse().unwrap(),
            firm: true,
            class: FaultClass::RateLimited,
            evidence: "slow \u{1b}[31mdown\u{1b}[0m,\nplease".to_owned(),
            probe: None,
        }
    }

    #[test]
    fn says_who_why_and_until_when() {
        let now: Zoned = "2026-11-21T12:00:00+01:00[Europe/Berlin]".parse().unwrap();
        let rows = [
            row("2026-11-21T11:00:18Z"),
            CoolingRow {
                account: None,
                firm: false,
                model: Some("m-1".to_owned()),
                ..row("2026-11-22T06:00:00Z")
            },
            CoolingRow { probe: Some(77), model: Some(String::new()), ..row("2026-11-21T10:59:00Z") },
        ];
        let shown = cooldowns(&rows, &now, false, 100);
        let expected = "\
https://api.example.com/v1  account 3f9a12cd  all models
  until  12:00:18 (in 18s): the server said so
  why    rate_limited: slow down, please

https://api.example.com/v1  all accounts  m-1
  until  2026-11-22 07:00:00 (in 19h 00m): an estimate, which stops nobody
  why    rate_limited: slow down, please

https://api.example.com/v1  account 3f9a12cd  the agent's own model
  until  over since 11:59:00; the next request tries it alone
  why    rate_limited: slow down, please
  probe  process 77 is trying it
";
        assert_eq!(shown, expected);
        assert!(cooldowns(&rows, &now, false, 30).lines().all(|line| line.chars().count() <= 30));
        assert!(cooldowns(&[], &now, true, 100).starts_with("nothing is cooling"));
        assert!(
            cleared(&rows, 100)
                .contains("cleared  https://api.example.com/v1  all accounts  m-1  rate_limited\n")
        );
    }
}
