//! What the page says of the loop of `supervise`: what rounds in a row have in common, what they have left behind, what the
//! agent is to be told, and how the host is.

use super::{Ink, Page, PageView, style};
use crate::event::{HostSampled, OpenSteer, Streak, TreeAction, TreeSettled, WaitCause};
use crate::text;

/// As much of a message is shown, columns.
const SHOWN_STEER: usize = 60;

impl Page {
    /// Nothing for a run that has none of it.
    pub(super) fn loop_of_supervise(&mut self, view: &PageView<'_>) {
        let tally = view.tally;
        // What the breakers of the loop count says nothing of a run that has none.
        let supervised = tally.started.as_ref().is_some_and(|started| started.verb == "supervise");
        let in_a_row = if supervised { in_a_row(&tally.streak) } else { String::new() };
        let told = |steer: &OpenSteer| match steer.round {
            Some(round) => format!("in the prompt of round {round}"),
            None => "for the next round".to_owned(),
        };
        if in_a_row.is_empty() && tally.tree.is_none() && tally.steers.is_empty() && tally.host.is_none() {
            return;
        }
        self.title("loop");
        self.fact("in a row", &in_a_row);
        if let Some(tree) = &tally.tree {
            self.fact("work tree", &settled(tree));
        }
        if let Some(orphan) = &tally.orphan {
            let commit = style::clean(orphan.commit.as_deref().unwrap_or("of an unknown commit"));
            let whose = orphan.round;
            self.line(Ink::Warn, &format!("{:<10} {commit} holds what round {whose} has left", "stash"));
        }
        for steer in &tally.steers {
            let message = style::fit(&style::clean(&steer.text), SHOWN_STEER, self.look);
            self.fact("message", &format!("\"{message}\" ({})", told(steer)));
        }
        if let Some(host) = &tally.host {
            self.fact("host", &on_host(host));
        }
    }
}

/// What kind of wait it is.
pub(super) fn cause(cause: WaitCause) -> &'static str {
    match cause {
        WaitCause::Pause => "the pause between rounds",
        WaitCause::Backoff => "failures in a row",
        WaitCause::Limit => "a limit of the provider",
        WaitCause::Schedule => "the schedule",
        WaitCause::Memory => "memory of the host",
        WaitCause::MemoryLoop => "memory of the host, after rounds that were ended for it",
        WaitCause::Disk => "room on the disk",
        WaitCause::Environment => "the environment",
        WaitCause::Turn => "its turn in the fleet",
        WaitCause::Unknown => "what a newer provost knows",
    }
}

fn in_a_row(streak: &Streak) -> String {
    let counts = [
        (streak.crashes, "crash", "crashes"),
        (streak.throttled, "failure of the provider", "failures of the provider"),
        (streak.idle, "idle round", "idle rounds"),
        (streak.memory, "round ended for memory", "rounds ended for memory"),
        (streak.orphans, "stashed tree", "stashed trees"),
    ];
    let worded = counts.iter().filter(|(count, ..)| *count > 0);
    let worded: Vec<String> = worded
        .map(|(count, one, more)| format!("{count} {}", if *count == 1 { one } else { more }))
        .collect();
    worded.join(", ")
}

fn settled(tree: &TreeSettled) -> String {
    let files = style::plural(tree.files, "file");
    let round = tree.round;
    let what = match tree.action {
        TreeAction::Clean => return format!("clean after round {round}"),
        TreeAction::Stashed => format!("{files} of round {round} stashed"),
        TreeAction::StashedBefore => format!("{files} of round {round} were stashed before"),
        TreeAction::Committed => format!("{files} of round {round} committed"),
        TreeAction::Ignored => format!("{files} of round {round} left, as the profile wants it"),
        TreeAction::Kept => format!("{files} of round {round} kept, since it has failed"),
        TreeAction::Failed => format!("{files} of round {round} left, since it could not be settled"),
        TreeAction::Unknown => format!("{files} of round {round} settled by a newer provost"),
    };
    let commit = tree.commit.as_deref().map_or_else(String::new, |commit| format!(" as {commit}"));
    let reason = tree.reason.as_deref().map_or_else(String::new, |reason| format!(": {reason}"));
    what + &commit + &reason
}

fn on_host(host: &HostSampled) -> String {
    let mib = |mib: u64| text::size(mib.saturating_mul(1024 * 1024));
    let facts = [
        host.mem_available_mb.map(|available| format!("memory {} available", mib(available))),
        host.memory_full_avg10.map(|full| format!("pressure {full:.0}%")),
        host.disk_used_pct.map(|used| format!("disk {used:.0}% used")),
        host.load_1m.map(|load| format!("load {load:.2}")),
        host.agent_rss_mb.map(|resident| format!("agent {}", mib(resident))),
        host.oom_kills.filter(|kills| *kills > 0).map(|kills| style::plural(kills, "kill for memory")),
    ];
    facts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
