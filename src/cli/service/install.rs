//! `provost service install`

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use nix::unistd::{Group, User};

use super::init_system::{Activity, InitSystem, ask};
use super::plan::{self, Wanted};
use super::{Place, needs_root};
use crate::cli::context::{Context, say};
use crate::cli::error::{CliError, environment};
use crate::cli::{Common, data};
use crate::journal::write_atomic;

/// Arguments of `service install`.
#[derive(Clone, Debug, Args)]
pub(crate) struct InstallArgs {
    /// The profile; several make a fleet
    #[arg(short, long = "profile", value_name = "FILE", default_value = "provost.toml")]
    profiles: Vec<PathBuf>,
    /// Its name; that of the profile when absent, or of this directory
    #[arg(long)]
    name: Option<String>,
    /// A service of the whole system, which runs without a login
    #[arg(long)]
    system: bool,
    /// Whose a service of the whole system is; who called `sudo` when absent
    #[arg(long, value_name = "USER", requires = "system")]
    user: Option<String>,
    /// Replace a service of this name that works in another directory
    #[arg(long)]
    force: bool,
    /// Print it, and touch nothing
    #[arg(long)]
    print: bool,
    /// What `provost supervise` gets besides, after `--`
    #[arg(last = true, value_name = "FLAG")]
    flags: Vec<String>,
}

/// Writes a service and starts it.
pub(super) fn install(context: &Context, common: &Common, args: &InstallArgs) -> Result<u8, CliError> {
    let manager = InitSystem::here(args.system);
    let root = context.root(common.root.as_ref());
    let owner = if args.system { Some(owner(context, args.user.as_deref())?) } else { None };
    let wanted = Wanted {
        profiles: &args.profiles,
        name: args.name.as_deref(),
        root: &root,
        owner,
        flags: &args.flags,
        program: &crate::cli::launch::own_program()?,
    };
    let mut unit = plan::unit(context, &wanted)?;
    unit.keys = plan::text(&manager.keys(context, &unit.name)?, "the path of the file with the keys")?;
    let text = manager.text(&unit, context);
    if args.print {
        return data(&text);
    }
    needs_root(args.system, "install")?;
    let directory = manager.directory(context)?;
    let path = directory.join(manager.file(&unit.name));
    let place = Place { manager, name: unit.name.clone(), path: path.clone() };
    if path.exists() {
        let there = place.read()?;
        let elsewhere = manager.noted(&there).1.filter(|directory| *directory != unit.directory);
        if let Some(elsewhere) = elsewhere.filter(|_| !args.force) {
            return Err(CliError::usage(format!(
                "the service `{}` works in another directory: {elsewhere}",
                unit.name
            ))
            .hint("give this one another name with `--name`, or replace that one with `--force`"));
        }
    }
    let failed =
        |error: std::io::Error| CliError::unavailable(format!("cannot write {}: {error}", path.display()));
    std::fs::create_dir_all(&directory).map_err(failed)?;
    write_atomic(&path, text.as_bytes()).map_err(failed)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).map_err(environment)?;

    let before = ask(context, &manager.show(&unit.name))?.map(|answer| manager.seen(&answer).activity);
    let commands = manager.start(&unit.name, &path);
    for (index, command) in commands.iter().enumerate() {
        if let Err(why) = ask(context, command)? {
            let rest: Vec<String> = commands.iter().skip(index).map(|command| command.join(" ")).collect();
            return Err(CliError::unavailable(format!(
                "wrote {}, but it was not started: {why}",
                path.display()
            ))
            .hint(format!("do it by hand, where the service manager runs: {}", rest.join(" && "))));
        }
    }
    let mut told = format!("wrote {}\n", path.display());
    if before == Ok(Activity::Active) && !manager.launchd {
        let scope = if args.system { "" } else { "--user " };
        let _ = writeln!(
            told,
            "it runs with what it was started with; `systemctl {scope}restart {}` lets its round drain and starts it anew",
            unit.file()
        );
    } else {
        told.push_str("started\n");
    }
    if manager.launchd {
        told.push_str("launchd has no file for keys: log in with the agent itself\n");
    } else {
        let _ = writeln!(
            told,
            "keys: NAME=value a line in {} (chmod 600), which is read when it starts",
            unit.keys
        );
    }
    let _ = writeln!(told, "a stop lets the round drain, for up to {} s", unit.stop.as_secs());
    told.push_str(&linger(context, manager));
    if !common.quiet {
        say(&told);
    }
    Ok(0)
}

/// What a service of a user needs to outlive its login.
fn linger(context: &Context, manager: InitSystem) -> String {
    let user = context.environment.get("USER").map_or("", String::as_str);
    let lingers = !user.is_empty() && Path::new("/var/lib/systemd/linger").join(user).exists();
    if manager.launchd || manager.system || lingers {
        return String::new();
    }
    "it ends with your last login, unless you call `loginctl enable-linger` once\n".to_owned()
}

/// Whose a service of the whole system is.
fn owner(context: &Context, asked: Option<&str>) -> Result<(String, String), CliError> {
    let named = asked.or_else(|| context.environment.get("SUDO_USER").map(String::as_str));
    let name = named.filter(|name| !name.is_empty()).ok_or_else(|| {
        CliError::usage("nobody says whose the service is to be")
            .hint("call it through `sudo`, or add `--user USER`")
    })?;
    let user = User::from_name(name).map_err(environment)?.ok_or_else(|| {
        CliError::usage(format!("there is no user `{}`", name.escape_debug()))
            .hint("name one with `--user USER`")
    })?;
    let group = Group::from_gid(user.gid).map_err(environment)?;
    Ok((user.name, group.map_or_else(|| user.gid.to_string(), |group| group.name)))
}
