//! The service manager of this machine: systemd, or launchd on macOS.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::unit::Unit;
use super::{launchd, unit};
use crate::backend::{Errand, Guard, Returned};
use crate::cli::context::Context;
use crate::cli::error::{CliError, environment};

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which one, and whether the service is of the whole system or of one user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InitSystem {
    pub(super) launchd: bool,
    pub(super) system: bool,
}

/// What a service does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activity {
    /// It runs, or is about to.
    Active,
    /// It was told to stop, and lets its round come to an end.
    Draining,
    /// It does not run.
    Inactive,
}

/// A service as its manager sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) activity: Activity,
    /// In the manager's words.
    pub(super) words: String,
    pub(super) pid: Option<u32>,
    pub(super) since: Option<String>,
}

impl InitSystem {
    /// The one of this machine.
    pub(super) fn here(system: bool) -> Self {
        Self { launchd: cfg!(target_os = "macos"), system }
    }

    /// Where it looks for services.
    pub(super) fn directory(self, context: &Context) -> Result<PathBuf, CliError> {
        let absolute = |name: &str| {
            let path = context.environment.get(name).map(PathBuf::from);
            path.filter(|path| path.is_absolute())
        };
        let home = || {
            absolute("HOME").ok_or_else(|| {
                CliError::unavailable("`HOME` does not say where your services are").hint("set it")
            })
        };
        Ok(match (self.launchd, self.system) {
            (true, true) => PathBuf::from("/Library/LaunchDaemons"),
            (true, false) => home()?.join("Library/LaunchAgents"),
            (false, true) => PathBuf::from("/etc/systemd/system"),
            (false, false) => match absolute("XDG_CONFIG_HOME") {
                Some(config) => config.join("systemd/user"),
                None => home()?.join(".config/systemd/user"),
            },
        })
    }

    /// Where the variables of a service are, with its keys.
    pub(super) fn keys(self, context: &Context, name: &str) -> Result<PathBuf, CliError> {
        let file = format!("{name}.env");
        if self.system {
            return Ok(Path::new("/etc/provost").join(file));
        }
        let variable = |name: &str| context.environment.get(name).map(PathBuf::from);
        let config = variable("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
        let config = config.or_else(|| variable("HOME").map(|home| home.join(".config")));
        let config = config.ok_or_else(|| {
            CliError::unavailable("`HOME` does not say where your configuration is").hint("set it")
        })?;
        Ok(config.join("provost").join(file))
    }

    /// The file of a service.
    pub(super) fn file(self, name: &str) -> String {
        if self.launchd { launchd::file(name) } else { unit::file(name) }
    }

    /// The name of the service that a file is of.
    pub(super) fn name(self, file: &str) -> Option<&str> {
        if self.launchd { launchd::name(file) } else { unit::name(file) }
    }

    /// What the file says.
    pub(super) fn text(self, unit: &Unit, context: &Context) -> String {
        if !self.launchd {
            return unit.systemd();
        }
        let logs = match context.environment.get("HOME") {
            Some(home) if !self.system => format!("{home}/Library/Logs"),
            _ => "/Library/Logs".to_owned(),
        };
        unit.plist(&format!("{logs}/provost-{}.log", unit.name))
    }

    pub(super) fn is_ours(self, text: &str) -> bool {
        if self.launchd { launchd::is_ours(text) } else { unit::is_ours(text) }
    }

    /// Where the runs of a service of ours are, and where it works.
    pub(super) fn noted(self, text: &str) -> (Option<String>, Option<String>) {
        if self.launchd {
            return (launchd::noted(text, "ProvostRoot"), launchd::noted(text, "WorkingDirectory"));
        }
        let note = |key| unit::noted(text, key).map(str::to_owned);
        (note("Root"), note("Directory"))
    }

    /// The commands that make it know the file and start the service.
    pub(super) fn start(self, name: &str, path: &Path) -> Vec<Vec<String>> {
        if self.launchd {
            return vec![words(&["launchctl", "bootstrap", &self.domain(), &path.display().to_string()])];
        }
        vec![self.systemctl(&["daemon-reload"]), self.systemctl(&["enable", "--now", &unit::file(name)])]
    }

    /// The command that ends the service, which drains, and returns at once.
    pub(super) fn stop(self, name: &str) -> Vec<String> {
        if self.launchd {
            return words(&["launchctl", "bootout", &self.target(name)]);
        }
        self.systemctl(&["stop", "--no-block", &unit::file(name)])
    }

    /// The command that no longer starts it at boot. It must not read the files anew: a service that drains would lose the
    /// settings that its drain needs.
    pub(super) fn disable(self, name: &str) -> Option<Vec<String>> {
        (!self.launchd).then(|| self.systemctl(&["disable", "--no-reload", &unit::file(name)]))
    }

    /// The command after the file is gone.
    pub(super) fn forget(self) -> Option<Vec<String>> {
        (!self.launchd).then(|| self.systemctl(&["daemon-reload"]))
    }

    /// The command that asks how it is.
    pub(super) fn show(self, name: &str) -> Vec<String> {
        if self.launchd {
            return words(&["launchctl", "print", &self.target(name)]);
        }
        let properties = "--property=ActiveState,SubState,MainPID,StateChangeTimestamp,Result,ExecMainStatus";
        self.systemctl(&["show", properties, &unit::file(name)])
    }

    /// What the answer to [`InitSystem::show`] means.
    pub(super) fn seen(self, answer: &str) -> Seen {
        if self.launchd { launched(answer) } else { shown(answer) }
    }

    fn systemctl(self, more: &[&str]) -> Vec<String> {
        let scope: &[&str] = if self.system { &["systemctl"] } else { &["systemctl", "--user"] };
        words(&[scope, more].concat())
    }

    fn domain(self) -> String {
        if self.system { "system".to_owned() } else { format!("gui/{}", nix::unistd::getuid()) }
    }

    fn target(self, name: &str) -> String {
        format!("{}/{}", self.domain(), launchd::label(name))
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// Asks, and gives what was printed; or why there is no answer, in words.
pub(super) fn ask(context: &Context, command: &[String]) -> Result<Result<String, String>, CliError> {
    let Some((program, args)) = command.split_first() else { return Ok(Ok(String::new())) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(environment)?;
    let errand = Errand {
        program: program.clone(),
        args: args.to_vec(),
        environment: context.environment.clone(),
        patience: PATIENCE,
        ..Errand::default()
    };
    let returned = runtime.block_on(async {
        let guard = Guard::start(&crate::cli::launch::own_program()?).await.map_err(environment)?;
        let returned = errand.ask(&guard).await.map_err(environment);
        guard.close().await;
        returned
    });
    // A thread that still waits for a pipe must not keep us.
    runtime.shutdown_timeout(Duration::from_millis(100));
    Ok(match returned? {
        Returned::Said { code: Some(0), out, .. } => Ok(out),
        Returned::Said { err, out, .. } => {
            let said = err.lines().chain(out.lines()).find(|line| !line.trim().is_empty());
            Err(format!("`{}` said: {}", command.join(" "), said.unwrap_or("nothing").trim()))
        }
        Returned::Absent => Err(format!("there is no `{program}` here")),
        Returned::Late => {
            Err(format!("`{}` did not answer within {} s", command.join(" "), PATIENCE.as_secs()))
        }
    })
}

/// What `systemctl show` printed.
fn shown(answer: &str) -> Seen {
    let value = |key: &str| {
        let line = answer.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.map(str::trim).filter(|value| !value.is_empty())
    };
    let (active, sub) = (value("ActiveState").unwrap_or("unknown"), value("SubState").unwrap_or("unknown"));
    let activity = match active {
        "active" | "activating" | "reloading" => Activity::Active,
        "deactivating" => Activity::Draining,
        _ => Activity::Inactive,
    };
    let mut words = format!("{active} ({sub})");
    if active == "failed" {
        let result = value("Result").unwrap_or("unknown");
        let status = value("ExecMainStatus").unwrap_or("unknown");
        let _ = write!(words, ": {result}, exit status {status}");
    }
    let pid = value("MainPID").and_then(|pid| pid.parse().ok()).filter(|pid| *pid != 0);
    Seen { activity, words, pid, since: value("StateChangeTimestamp").map(str::to_owned) }
}

/// What `launchctl print` printed.
fn launched(answer: &str) -> Seen {
    let value = |key: &str| {
        let line = answer.lines().find_map(|line| line.trim().strip_prefix(key)?.trim().strip_prefix('='));
        line.map(str::trim).filter(|value| !value.is_empty())
    };
    let state = value("state").unwrap_or("unknown");
    let activity = match state {
        "running" | "spawn scheduled" => Activity::Active,
        "exiting" | "sigterm" => Activity::Draining,
        _ => Activity::Inactive,
    };
    Seen {
        activity,
        words: state.to_owned(),
        pid: value("pid").and_then(|pid| pid.parse().ok()),
        since: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_manager_says_is_understood() {
        let seen = shown(
            "ActiveState=active\nSubState=running\nMainPID=42\nStateChangeTimestamp=Sat 2026-11-28 10:00:00 UTC\n",
        );
        assert_eq!((seen.activity, seen.pid), (Activity::Active, Some(42)));
        assert_eq!(seen.since.as_deref(), Some("Sat 2026-11-28 10:00:00 UTC"));
        let seen =
            shown("MainPID=42\nActiveState=deactivating\nSubState=stop-sigterm\nStateChangeTimestamp=\n");
        assert_eq!((seen.activity, seen.since), (Activity::Draining, None));
        let seen =
            shown("ActiveState=failed\nSubState=failed\nMainPID=0\nResult=exit-code\nExecMainStatus=6\n");
        assert_eq!((seen.activity, seen.pid), (Activity::Inactive, None));
        assert_eq!(seen.words, "failed (failed): exit-code, exit status 6");
        assert_eq!(shown("").activity, Activity::Inactive);
        let seen = launched("provost.fixer = {\n\tactive count = 1\n\tstate = running\n\tpid = 77\n}\n");
        assert_eq!((seen.activity, seen.pid), (Activity::Active, Some(77)));
    }
}
