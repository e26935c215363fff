//! `provost service uninstall`

use std::time::{Duration, Instant};

use super::init_system::{Activity, ask};
use super::{Place, WhichArgs, needs_root};
use crate::cli::context::{Context, say};
use crate::cli::error::CliError;
use crate::cli::{Common, exit};
use crate::engine::Clock;

/// How long a service is looked at that may end at once, since no round runs.
const LOOK: Duration = Duration::from_secs(3);
/// How often.
const GLANCE: Duration = Duration::from_millis(100);

/// Stops a service and takes it away.
pub(super) fn uninstall(context: &Context, common: &Common, args: &WhichArgs) -> Result<u8, CliError> {
    needs_root(args.system, "uninstall")?;
    let place = Place::find(context, args)?;
    place.read()?;
    let (manager, name, path) = (place.manager, &place.name, place.path.display());
    let tell = |text: String| {
        if !common.quiet {
            say(&text);
        }
    };
    let unheard = |why: String| {
        let commands = [Some(manager.stop(name)), manager.disable(name)];
        let commands: Vec<String> = commands.into_iter().flatten().map(|command| command.join(" ")).collect();
        CliError::unavailable(format!("{path} is still there: {why}")).hint(format!(
            "by hand, where the service manager runs: {}; then remove the file",
            commands.join(" && ")
        ))
    };
    ask(context, &manager.stop(name))?.map_err(unheard)?;
    if let Some(command) = manager.disable(name) {
        ask(context, &command)?.map_err(unheard)?;
    }
    let begun: Instant = Clock.now();
    loop {
        let activity = match ask(context, &manager.show(name))? {
            Ok(answer) => manager.seen(&answer).activity,
            // launchd has forgotten it already.
            Err(_) if manager.launchd => Activity::Inactive,
            Err(why) => return Err(unheard(why)),
        };
        if activity == Activity::Inactive {
            break;
        }
        if begun.elapsed() >= LOOK {
            tell(format!(
                "`{name}` drains: its round goes on to its end, and it is not started again\n\
                 {path} stays until then, since the drain needs its settings; call this again to remove it\n"
            ));
            return Ok(exit::INCONCLUSIVE);
        }
        std::thread::sleep(GLANCE);
    }
    std::fs::remove_file(&place.path)
        .map_err(|error| CliError::unavailable(format!("cannot remove {path}: {error}")))?;
    if let Some(command) = manager.forget()
        && let Err(why) = ask(context, &command)?
    {
        tell(format!("{why}\n"));
    }
    tell(format!("removed {path}; its runs and its keys are kept\n"));
    Ok(0)
}
