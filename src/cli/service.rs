//! `provost service`: supervise as a service of this machine, which drains when it is stopped.

mod init_system;
mod install;
mod launchd;
mod plan;
mod status;
mod uninstall;
mod unit;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::Common;
use super::context::Context;
use super::error::CliError;
use init_system::InitSystem;

/// Arguments of `service`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServiceArgs {
    #[command(subcommand)]
    deed: Deed,
}

#[derive(Clone, Debug, Subcommand)]
enum Deed {
    /// Write the service of a profile, and start it
    ///
    /// It works in the directory that this is called in, and is stopped as by one Ctrl-C: the round that runs goes on to its
    /// end. It comes back after a crash, and not after an exit code of 2 to 6. No secret is written into it: it names a file
    /// for variables, which you write.
    ///
    /// Exits with 4 when it was written and the service manager does not answer.
    Install(install::InstallArgs),
    /// Stop the service, and take it away once it has drained
    ///
    /// Exits with 0 when it is gone, with 1 when there is none, and with 3 while its round still runs: the file stays until
    /// then, since the drain needs its settings. Call it again later.
    Uninstall(WhichArgs),
    /// Say how the service is
    ///
    /// Exits with 0 when it is active, with 1 when it is not, and with 3 while it drains.
    Status(WhichArgs),
}

/// Which service.
#[derive(Clone, Debug, Args)]
pub(crate) struct WhichArgs {
    /// The profile that it is named after
    #[arg(short, long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// Its name
    #[arg(long, conflicts_with = "profile")]
    name: Option<String>,
    /// A service of the whole system
    #[arg(long)]
    system: bool,
}

/// Does one of the three.
pub(crate) fn service(context: &Context, common: &Common, args: &ServiceArgs) -> Result<u8, CliError> {
    match &args.deed {
        Deed::Install(args) => install::install(context, common, args),
        Deed::Uninstall(args) => uninstall::uninstall(context, common, args),
        Deed::Status(args) => status::status(context, common, args),
    }
}

/// A service that may be installed: its name and its file.
struct Place {
    manager: InitSystem,
    name: String,
    path: PathBuf,
}

impl Place {
    /// The service that is meant: as named, as the profile is called, or the only one there is.
    fn find(context: &Context, args: &WhichArgs) -> Result<Self, CliError> {
        let manager = InitSystem::here(args.system);
        let directory = manager.directory(context)?;
        let at = |name: String| Self { manager, path: directory.join(manager.file(&name)), name };
        if args.name.is_some() {
            return Ok(at(plan::name(args.name.as_deref(), None, &context.cwd)?));
        }
        let installed = installed(manager, &directory);
        if let Some(path) = &args.profile {
            let loaded = crate::profile::load(crate::profile::Source { path, sets: &[], cwd: &context.cwd })
                .map_err(|error| CliError::report(error.render(context.stderr_look().colour)))?;
            return Ok(at(plan::name(None, Some(&loaded.profile.name), &context.cwd)?));
        }
        // The one that works here, or the only one.
        let here = installed.iter().find(|name| {
            let text = std::fs::read_to_string(directory.join(manager.file(name))).unwrap_or_default();
            manager.noted(&text).1.as_deref().map(Path::new) == Some(context.cwd.as_path())
        });
        match (here, installed.as_slice()) {
            (Some(name), _) | (None, [name]) => Ok(at(name.clone())),
            (None, []) => {
                Err(CliError::not_good(format!("no service of provost is in {}", directory.display()))
                    .hint("`provost service install` writes one"))
            }
            (None, many) => Err(CliError::usage("there is more than one service of provost")
                .hint(format!("name one with `--name`: {}", many.join(", ")))),
        }
    }

    /// The text of the file.
    fn read(&self) -> Result<String, CliError> {
        match std::fs::read_to_string(&self.path) {
            Ok(text) if self.manager.is_ours(&text) => Ok(text),
            Ok(_) => Err(CliError::usage(format!("{} was not written by provost", self.path.display()))
                .hint("look at it, and remove it by hand")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(CliError::not_good(format!(
                "there is no service `{}`: {} is not there",
                self.name,
                self.path.display()
            ))
            .hint("`provost service install` writes one")),
            Err(error) => Err(CliError::unavailable(format!("cannot read {}: {error}", self.path.display()))),
        }
    }
}

/// The names of all that are installed.
fn installed(manager: InitSystem, directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| Some(manager.name(entry.file_name().to_str()?)?.to_owned()))
        .filter(|name| {
            let text = std::fs::read_to_string(directory.join(manager.file(name))).unwrap_or_default();
            manager.is_ours(&text)
        })
        .collect();
    names.sort_unstable();
    names
}

/// What only root may do, with how it is done.
fn needs_root(system: bool, verb: &str) -> Result<(), CliError> {
    if system && !nix::unistd::Uid::effective().is_root() {
        return Err(CliError::usage("a service of the whole system belongs to root").hint(format!(
            "call it as root: `sudo provost service {verb} --system …`; without `--system` it is yours alone"
        )));
    }
    Ok(())
}
