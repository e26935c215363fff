//! `peek --follow`: what happens, until the run ends.

use std::io::stdout;
use std::time::Duration;

use super::{CliError, Common, Context, PeekArgs, environment, show};
use crate::cli::stop::goes_on;
use crate::event::{Event, Seq, Tally};
use crate::journal::{self, Follower, RunDir};
use crate::report::{Lines, Reporter as _, Verbosity};

/// The journal is looked at this often.
const GLANCE: Duration = Duration::from_millis(100);

/// Shows what happens, from the beginning or from behind an event; exits as the run does.
pub(super) fn follow(
    context: &Context,
    common: &Common,
    args: &PeekArgs,
    dir: &RunDir,
) -> Result<u8, CliError> {
    let mut report = lines(context, common, dir.path().display().to_string());
    let (mut follower, mut tally) = match args.after {
        None => (Follower::open(dir, 0).map_err(environment)?, Tally::default()),
        Some(seq) => Follower::after(dir, Seq(seq)).map_err(environment)?,
    };
    loop {
        // Asked first: what was written before it ended is read then.
        let live = dir.is_live().map_err(environment)?;
        let fresh = follower.poll().map_err(environment)?;
        let idle = fresh.is_empty();
        for line in fresh {
            let Ok(event) = serde_json::from_slice::<Event>(&line) else { continue };
            tally.apply(&event);
            if args.json {
                show::lines(std::slice::from_ref(&line))?;
            } else if report.event(&event, &line, &tally).is_err() {
                return Ok(0);
            }
        }
        if !idle {
            continue;
        }
        if let Some(ended) = &tally.ended {
            return Ok(ended.exit_code);
        }
        if !live {
            let error = CliError::unavailable(format!("the run in {} is dead", dir.path().display()));
            return Err(match journal::snapshot(dir) {
                Ok(seen) => error.hint(goes_on(&seen)),
                Err(_) => error,
            });
        }
        std::thread::sleep(GLANCE);
    }
}

/// What people read, on standard output.
pub(super) fn lines(context: &Context, common: &Common, place: String) -> Lines {
    let verbosity = if common.verbose > 0 { Verbosity::Verbose } else { Verbosity::Normal };
    Lines::new(Box::new(stdout()), context.stdout_look(), verbosity, place)
}
