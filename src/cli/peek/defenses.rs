//! `peek --defenses`: what keeps the loop of a run from harm, and how each of it stands.

use std::io::IsTerminal as _;

use serde_json::{Value, json};

use super::{CliError, Context, PeekArgs, data, environment};
use crate::journal::Snapshot;
use crate::profile;
use crate::report::{self, DefenseRow};
use crate::supervise::defense::{self, Standing};

/// Prints each defense with its value now.
pub(super) fn defenses(context: &Context, args: &PeekArgs, seen: &Snapshot) -> Result<u8, CliError> {
    let profile = profile::from_manifest(seen.manifest.profile.clone()).map_err(environment)?;
    let standing = defense::standing(&profile, &seen.tally);
    if args.json {
        let rows: Vec<Value> = standing
            .iter()
            .map(|Standing { defense, value, state }| {
                json!({
                    "name": defense.name, "state": state.word(), "value": value, "key": defense.key,
                    "about": defense.about, "incident": defense.incident, "test": defense.test,
                })
            })
            .collect();
        return data(&format!("{}\n", serde_json::to_string_pretty(&rows).map_err(environment)?));
    }
    let rows: Vec<DefenseRow> = standing
        .into_iter()
        .map(|Standing { defense, value, state }| DefenseRow {
            name: defense.name.to_owned(),
            state: state.word().to_owned(),
            value,
            incident: defense.incident.to_owned(),
        })
        .collect();
    let width = if std::io::stdout().is_terminal() { context.width() } else { usize::MAX };
    data(&report::defenses(&rows, context.stdout_look().colour, width))
}
