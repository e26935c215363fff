//! From profiles and flags to a service.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::unit::Unit;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::journal::redact_shapes;
use crate::profile::{self, Loaded, Profile, Round, Source};

/// What `git` may take at most when the tree of a round is settled: looking, and stashing or committing.
const GIT: Duration = Duration::from_secs(30 + 120);
/// What is left for everything else at the end of a drain.
const REST: Duration = Duration::from_secs(30);

/// What is asked for.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub(super) profiles: &'a [PathBuf],
    pub(super) name: Option<&'a str>,
    pub(super) root: &'a Path,
    /// Whose it is to be, of a service of the whole system.
    pub(super) owner: Option<(String, String)>,
    /// Flags of `supervise`.
    pub(super) flags: &'a [String],
    pub(super) program: &'a Path,
}

/// Makes the service, all but the file with its keys.
///
/// # Errors
///
/// A profile that does not load, a name that cannot be one, a text that a unit cannot hold, a secret among the flags.
pub(super) fn unit(context: &Context, wanted: &Wanted<'_>) -> Result<Unit, CliError> {
    let brake = |profile: &Profile| profile.supervise.as_ref().is_some_and(|supervise| supervise.host.brake);
    let (mut stop, mut brakes) = (Duration::ZERO, false);
    let mut arguments = vec!["supervise".to_owned()];
    let mut first = None;
    for path in wanted.profiles {
        let loaded = load(context, path)?;
        let members = loaded.profile.supervise.iter().flat_map(|supervise| &supervise.member);
        for member in members {
            let member = load(context, &loaded.dir.join(&member.profile))?;
            stop = stop.max(drain(&member.profile));
            brakes |= brake(&member.profile);
        }
        stop = stop.max(drain(&loaded.profile));
        brakes |= brake(&loaded.profile);
        arguments.extend(["-p".to_owned(), text(&absolute(context, path), "the path of the profile")?]);
        first.get_or_insert(loaded.profile.name.clone());
    }
    arguments.extend(["--root".to_owned(), text(wanted.root, "the path of the root")?]);
    for flag in wanted.flags {
        if redact_shapes(flag) != *flag {
            return Err(CliError::usage(
                "a flag of `supervise` holds what looks like a secret, and others can read a unit",
            )
            .hint("put it into the environment: the unit names a file for that"));
        }
        arguments.push(checked(flag.clone(), "a flag of `supervise`")?);
    }
    let whole = wanted.flags.join(" ");
    if redact_shapes(&whole) != whole {
        return Err(CliError::usage(
            "the flags of `supervise` hold what looks like a secret, and others can read a unit",
        )
        .hint("put it into the environment: the unit names a file for that"));
    }
    let directory = text(&context.cwd, "the directory that provost is called in")?;
    if directory.ends_with(char::is_whitespace) || directory.ends_with('\\') {
        return Err(CliError::usage(format!("a unit cannot name the directory `{directory}`"))
            .hint("rename it: white space and backslashes at its end are lost"));
    }
    let path = context.environment.get("PATH").filter(|path| !path.is_empty());
    Ok(Unit {
        name: name(wanted.name, first.as_deref(), &context.cwd)?,
        program: text(wanted.program, "the path of provost itself")?,
        arguments,
        directory,
        root: text(wanted.root, "the path of the root")?,
        path: path.map(|path| checked(path.clone(), "`PATH`")).transpose()?,
        keys: String::new(),
        stop,
        brakes,
        owner: wanted.owner.clone(),
    })
}

/// How long a drain may take: the longest round of any phase with all its graces, its check, `git`, and a rest.
fn drain(profile: &Profile) -> Duration {
    let phases = profile.supervise.iter().flat_map(|supervise| supervise.phase.values());
    let of_phases = phases.filter_map(|phase| phase.round.as_ref());
    let round = |round: &Round| round.timeout.0 + round.grace.0 + round.grace_after_result.0;
    let rounds = of_phases.map(round).fold(round(&profile.round), Duration::max);
    let check =
        profile.check.as_ref().and_then(|check| check.timeout).map_or(Duration::ZERO, |period| period.0);
    // A part of a second is a second: the unit has whole ones.
    let whole = rounds + check + GIT + REST;
    Duration::from_secs(whole.as_secs() + u64::from(whole.subsec_nanos() > 0))
}

fn load(context: &Context, path: &Path) -> Result<Loaded, CliError> {
    profile::load_supervised(Source { path, sets: &[], cwd: &context.cwd }).map_err(|error| {
        let missing = error.is_missing_file();
        let error = CliError::report(error.render(context.stderr_look().colour));
        if missing { error.hint("`provost init` writes a first profile") } else { error }
    })
}

/// The name of a service: as asked for, or that of the profile or of the directory, whichever can be one.
pub(super) fn name(asked: Option<&str>, profile: Option<&str>, directory: &Path) -> Result<String, CliError> {
    let fits = |name: &&str| {
        !name.is_empty()
            && name.len() <= 100
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    };
    if let Some(asked) = asked {
        return Some(asked).filter(fits).map(str::to_owned).ok_or_else(|| {
            CliError::usage(format!("`{}` cannot be the name of a service", asked.escape_debug()))
                .hint("use letters, digits, `.`, `_` and `-`, at most 100")
        });
    }
    let directory = directory.file_name().and_then(|name| name.to_str());
    profile.filter(fits).or(directory.filter(fits)).map(str::to_owned).ok_or_else(|| {
        CliError::usage("neither the profile nor the directory has a name that a service can have")
            .hint("give it one with `--name`: letters, digits, `.`, `_` and `-`")
    })
}

/// A path as a unit can hold it.
pub(super) fn text(path: &Path, what: &str) -> Result<String, CliError> {
    let text = path.to_str().ok_or_else(|| {
        CliError::usage(format!("{what} is not UTF-8: {}", path.display())).hint("rename it")
    })?;
    checked(text.to_owned(), what)
}

/// A text without control characters: a line break in it would be a line of the unit.
fn checked(text: String, what: &str) -> Result<String, CliError> {
    if text.contains(char::is_control) {
        let shown = text.escape_debug();
        return Err(CliError::usage(format!("{what} has a control character in it: {shown}"))
            .hint("a service manager would read it as another line; rename it"));
    }
    Ok(text)
}

/// A path from the root on, without `.`.
fn absolute(context: &Context, path: &Path) -> PathBuf {
    context.cwd.join(path).components().filter(|part| !matches!(part, std::path::Component::CurDir)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_has_the_first_name_that_can_be_one() {
        let dir = Path::new("/home/u/my.project-2");
        let named = |asked, profile| name(asked, profile, dir).map_err(|error| error.render());
        assert_eq!(named(Some("night"), Some("fixer")).unwrap(), "night");
        assert_eq!(named(None, Some("fixer")).unwrap(), "fixer");
        assert_eq!(named(None, Some("two words")).unwrap(), "my.project-2");
        for bad in ["", "a/b", "a b", "x@y", "ä", "a\nb", &"x".repeat(101)] {
            assert!(named(Some(bad), None).unwrap_err().contains("help: "), "{bad}");
        }
        assert!(name(None, None, Path::new("/")).is_err());
    }

    /// Scar "systemd control-group kill defeated the drain": the stop timeout is derived from the longest round.
    #[test]
    fn a_drain_has_the_time_of_the_longest_round() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p.toml");
        let load = |more: &str| {
            let text = format!(
                "schema = 1\nname = \"a\"\n[agent]\nharness = \"command\"\ncommand = [\"x\"]\n{more}"
            );
            crate::journal::write_atomic(&path, text.as_bytes()).unwrap();
            profile::load_supervised(Source { path: &path, sets: &[], cwd: dir.path() }).unwrap().profile
        };
        // 30m + 10s + 20s, and 180 s for git and the rest.
        assert_eq!(drain(&load("")).as_secs(), 1800 + 30 + 180);
        assert_eq!(
            drain(&load("[check]\ncommand = [\"x\"]\ntimeout = \"1500ms\"\n")).as_secs(),
            1800 + 30 + 2 + 180
        );
        let phases = "[supervise]\nrotation = [\"a\", \"b\"]\n[supervise.phase.b.round]\ntimeout = \"2h\"\ngrace = \"5s\"\n";
        // The longest round as a whole: a phase has the graces that it has.
        assert_eq!(drain(&load(phases)).as_secs(), 7200 + 5 + 20 + 180);
    }
}
