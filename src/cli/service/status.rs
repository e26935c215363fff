//! `provost service status`

use std::fmt::Write as _;
use std::path::Path;

use super::init_system::{Activity, ask};
use super::{Place, WhichArgs};
use crate::cli::context::Context;
use crate::cli::error::{CliError, environment};
use crate::cli::{Common, exit};
use crate::journal::{self, RunState};

/// Says how a service is.
pub(super) fn status(context: &Context, common: &Common, args: &WhichArgs) -> Result<u8, CliError> {
    let place = Place::find(context, args)?;
    let text = place.read()?;
    let answer = ask(context, &place.manager.show(&place.name))?;
    let answer = answer.map_err(|why| {
        CliError::unavailable(format!("{} is there, but nobody says how it is: {why}", place.path.display()))
            .hint("`provost peek` shows its newest run")
    })?;
    let seen = place.manager.seen(&answer);
    let mut told = format!("{}: {}", place.manager.file(&place.name), seen.words);
    if let Some(pid) = seen.pid {
        let _ = write!(told, ", pid {pid}");
    }
    if let Some(since) = &seen.since {
        let _ = write!(told, ", since {since}");
    }
    if seen.activity == Activity::Draining {
        told.push_str("; it lets its round come to an end");
    }
    told.push('\n');
    if let (Some(root), _) = place.manager.noted(&text) {
        told.push_str(&newest(Path::new(&root))?);
    }
    if !common.quiet {
        crate::cli::print(&told).map_err(environment)?;
    }
    Ok(match seen.activity {
        Activity::Active => 0,
        Activity::Inactive => exit::NOT_GOOD,
        Activity::Draining => exit::INCONCLUSIVE,
    })
}

/// The newest run under a root, in words.
fn newest(root: &Path) -> Result<String, CliError> {
    let shown = root.display();
    if journal::list(root).map_err(environment)?.is_empty() {
        return Ok(format!("no run under {shown} yet\n"));
    }
    let seen = journal::find(root, None).and_then(|dir| journal::snapshot(&dir)).map_err(environment)?;
    let state = match (seen.state, &seen.tally.ended) {
        (RunState::Live, _) => "live".to_owned(),
        (RunState::Finished, Some(ended)) => format!("ended: {}", ended.outcome.word()),
        _ => "dead: it was killed before it could end".to_owned(),
    };
    Ok(format!(
        "newest run: {}, {state}, {} rounds settled\n",
        seen.manifest.run,
        seen.tally.settled_rounds()
    ))
}
