//! `provost peek --cooldowns` and `--clear`: what all runs of the user know of their accounts.

use crate::backend::account::{Cooling, Overview};
use crate::engine::Clock;
use crate::report::{self, CoolingRow};

use super::context::{Context, say};
use super::error::{CliError, environment};
use super::{data, exit};

/// Shows what cools.
pub(crate) fn show(context: &Context, json: bool) -> Result<u8, CliError> {
    let now = Clock.local(None);
    let coolings = match overview(context) {
        Some(overview) => overview.list(now.timestamp()).map_err(environment)?,
        None => Vec::new(),
    };
    if json {
        return data(&lines(&coolings, now.timestamp()));
    }
    let rows: Vec<CoolingRow> = coolings.iter().map(row).collect();
    data(&report::cooldowns(&rows, &now, context.stdout_look().colour, context.width()))
}

/// Forgets what cools, and says what that was.
pub(crate) fn clear(context: &Context, which: &str, json: bool) -> Result<u8, CliError> {
    let now = Clock.stamp();
    let cleared = match overview(context) {
        Some(overview) => overview.clear(which, now).map_err(environment)?,
        None => Vec::new(),
    };
    if cleared.is_empty() {
        say(&format!(
            "nothing is cooling that `{which}` names\nhelp: `provost peek --cooldowns` lists accounts and providers; \
             `--clear all` clears all\n"
        ));
        return Ok(exit::NOT_GOOD);
    }
    if json {
        return data(&lines(&cleared, now));
    }
    data(&report::cleared(&cleared.iter().map(row).collect::<Vec<_>>(), context.width()))
}

fn overview(context: &Context) -> Option<Overview> {
    context.state().map(|state| Overview::new(state.join("accounts")))
}

fn row(cooling: &Cooling) -> CoolingRow {
    CoolingRow {
        provider: cooling.provider.clone(),
        account: cooling.account.as_ref().map(ToString::to_string),
        model: cooling.model.clone(),
        until: cooling.until,
        firm: cooling.firm,
        class: cooling.class,
        evidence: cooling.evidence.clone(),
        probe: cooling.probe,
    }
}

/// One object a line.
fn lines(coolings: &[Cooling], now: jiff::Timestamp) -> String {
    let line = |cooling: &Cooling| {
        let left = cooling.until.duration_since(now).as_secs_f64().max(0.0);
        let object = serde_json::json!({
            "provider": cooling.provider, "account": cooling.account, "model": cooling.model,
            "scope": cooling.scope, "class": cooling.class, "evidence": cooling.evidence, "firm": cooling.firm,
            "since": cooling.since, "until": cooling.until, "seconds_left": left, "probe": cooling.probe,
        });
        format!("{object}\n")
    };
    coolings.iter().map(line).collect()
}
