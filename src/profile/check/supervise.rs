//! Rules for the loop: what its numbers may be, which files it may name, and which phases there are.

use std::path::{Component, Path};

use super::{Diagnostic, Rules};
use crate::profile::element::Period;
use crate::profile::{Alarm, Driver, Schedule, Supervise};
use crate::text::nearest;

/// Rounds that the fold keeps for rates.
const KEPT_ROUNDS: u32 = 32;
/// What a phase is called is part of the names of files and of measures.
const LONGEST_NAME: usize = 64;

impl Rules<'_> {
    pub(super) fn supervise(&mut self) {
        let Some(supervise) = &self.profile.supervise else { return };
        if supervise.driver == Driver::Agent {
            let title = "this value of `supervise.driver` is not available in this version";
            self.refuse("supervise.driver", title, "not available", "write `driver = \"restart\"`");
        }
        self.counts(supervise);
        self.lasts(supervise);
        self.shares(supervise);
        self.pairs(supervise);
        self.watched_files(supervise);
        self.fingerprint(supervise);
        self.auto_stop(supervise);
        self.rotation(supervise);
        if let Some(schedule) = &supervise.schedule {
            self.opens(&["supervise", "schedule"], schedule);
        }
        for (name, keys) in &supervise.phase {
            if let Some(schedule) = &keys.schedule {
                self.opens(&["supervise", "phase", name, "schedule"], schedule);
            }
        }
        self.overlaps(supervise);
    }

    fn counts(&mut self, supervise: &Supervise) {
        for (key, zero) in [
            ("supervise.rounds", supervise.rounds == Some(0)),
            ("supervise.fresh_eyes", supervise.fresh_eyes == Some(0)),
            ("supervise.parallel", supervise.parallel == Some(0)),
        ] {
            if zero {
                self.zero(key);
            }
        }
        let (detect, host) = (&supervise.detect, &supervise.host);
        let repeats = if detect.repeat_window == 0 { 0 } else { 2 };
        for (key, value, least, most) in [
            ("supervise.detect.rate_window", detect.rate_window, 1, KEPT_ROUNDS),
            ("supervise.detect.orphan_chain", detect.orphan_chain, 1, u32::MAX),
            ("supervise.detect.repeat_threshold", detect.repeat_threshold, repeats, u32::MAX),
            ("supervise.host.memory_looks", host.memory_looks, 1, u32::MAX),
            ("supervise.host.brake_step_pct", host.brake_step_pct, 0, 50),
        ] {
            if !(least..=most).contains(&value) {
                let range = match most {
                    u32::MAX => format!("{least} or more"),
                    _ => format!("from {least} to {most}"),
                };
                let (title, label) = (format!("`{key}` is out of range"), format!("not {range}"));
                self.refuse(key, title, &label, format!("write a number, {range}"));
            }
        }
        for (key, value) in [
            ("supervise.host.swap_out_mb", host.swap_out_mb),
            ("supervise.host.memory_free_mb", host.memory_free_mb),
        ] {
            if value == 0 {
                let help = "write a number of MiB, 1 or more";
                self.refuse(key, format!("`{key}` must not be 0"), "would always, or never, be true", help);
            }
        }
    }

    fn lasts(&mut self, supervise: &Supervise) {
        let rows: [(&str, Period, &str); 5] = [
            // A loop without a pause burns through its rounds when something is wrong.
            ("supervise.pause", supervise.pause, "write a duration such as \"3s\""),
            ("supervise.backoff.base", supervise.backoff.base, "write a duration such as \"60s\""),
            ("supervise.backoff.ceiling", supervise.backoff.ceiling, "write a duration such as \"30m\""),
            ("supervise.host.sample", supervise.host.sample, "write a duration such as \"10s\""),
            (
                "supervise.host.disk_growth_window",
                supervise.host.disk_growth_window,
                "write a duration such as \"30m\"",
            ),
        ];
        for (key, period, help) in rows {
            if period.0.is_zero() {
                self.refuse(key, format!("`{key}` must not be zero"), "no time at all", help);
            }
        }
    }

    /// Numbers with a fraction. What is not a number is in no range.
    fn shares(&mut self, supervise: &Supervise) {
        let (detect, host) = (&supervise.detect, &supervise.host);
        for (key, value, most) in [
            ("supervise.detect.rate_threshold", detect.rate_threshold, 1.0),
            ("supervise.detect.hung_factor", detect.hung_factor, f64::MAX),
            ("supervise.host.disk_warning_pct", host.disk_warning_pct, 100.0),
            ("supervise.host.disk_critical_pct", host.disk_critical_pct, 100.0),
            ("supervise.host.memory_full_critical", host.memory_full_critical, 100.0),
            ("supervise.host.memory_some_warning", host.memory_some_warning, 100.0),
            ("supervise.host.disk_growth_pct_per_hour", host.disk_growth_pct_per_hour, f64::MAX),
            ("supervise.host.cgroup_growth_mb_per_min", host.cgroup_growth_mb_per_min, f64::MAX),
        ] {
            if !(value > 0.0 && value <= most) {
                let range = if most < f64::MAX {
                    format!("above 0 and at most {most}")
                } else {
                    "above 0".to_owned()
                };
                let (title, label) = (format!("`{key}` is out of range"), format!("not {range}"));
                self.refuse(key, title, &label, format!("write a number {range}"));
            }
        }
    }

    /// Two numbers of which one must not be above the other.
    fn pairs(&mut self, supervise: &Supervise) {
        let (detect, host, backoff) = (&supervise.detect, &supervise.host, &supervise.backoff);
        if detect.repeat_window > 0 && detect.repeat_threshold > detect.repeat_window {
            let help = format!(
                "write at most {}, or a larger `repeat_window`; `repeat_window = 0` looks for none",
                detect.repeat_window
            );
            let title = "`supervise.detect.repeat_threshold` is above `repeat_window`";
            self.refuse("supervise.detect.repeat_threshold", title, "could never be reached", help);
        }
        if host.disk_warning_pct > host.disk_critical_pct {
            let title = "`supervise.host.disk_warning_pct` is above `disk_critical_pct`";
            let help = format!("write at most {}, or a higher `disk_critical_pct`", host.disk_critical_pct);
            self.refuse("supervise.host.disk_warning_pct", title, "would warn too late", help);
        }
        if backoff.base.0 > backoff.ceiling.0 {
            let title = "`supervise.backoff.base` is above `ceiling`";
            let help = format!("write at most \"{}\", or a longer `ceiling`", backoff.ceiling);
            self.refuse("supervise.backoff.base", title, "the first wait is longer than the longest", help);
        }
    }

    fn watched_files(&mut self, supervise: &Supervise) {
        for (key, path) in
            [("supervise.stop_file", &supervise.stop_file), ("supervise.done_file", &supervise.done_file)]
        {
            if path.as_ref().is_some_and(|path| !lies_below(path)) {
                let title = format!("`{key}` is not a file below the workspace");
                let help = "write a path relative to the workspace, without `..`, such as \"STOP\"";
                self.refuse(key, title, "would be looked for elsewhere", help);
            }
        }
        if supervise.done_file.is_some() && supervise.done_file == supervise.stop_file {
            let title = "`supervise.done_file` and `supervise.stop_file` are the same file";
            let help = "give each a name of its own: one is the agent's, the other yours";
            self.refuse("supervise.done_file", title, "who has written it?", help);
        }
    }

    fn fingerprint(&mut self, supervise: &Supervise) {
        let key = "supervise.fingerprint";
        for (index, glob) in supervise.fingerprint.iter().enumerate() {
            if !lies_below(Path::new(glob)) {
                let title = format!("`{key}[{index}]` does not stay below the workspace");
                let help = "write globs relative to the workspace, without `..`, such as \"src/**/*.rs\"";
                self.refuse_item(key, index, title, "leads elsewhere", help);
            } else if let Err(error) = globset::Glob::new(glob) {
                let title = format!("`{key}[{index}]` is not a glob");
                self.refuse_item(
                    key,
                    index,
                    title,
                    &error.kind().to_string(),
                    "mend it; `*`, `**`, `?` and `[…]` mean something",
                );
            }
        }
    }

    fn auto_stop(&mut self, supervise: &Supervise) {
        // Seen by who looks on, when there is no loop left that could stop.
        let stale = supervise.auto_stop.iter().position(|alarm| *alarm == Alarm::SupervisorStale);
        if let Some(index) = stale {
            let title = "`supervisor_stale` cannot end the loop";
            let help = "remove it; `provost peek --alerts` tells of a loop that is stale";
            self.refuse_item("supervise.auto_stop", index, title, "nobody is left to stop", help);
        }
    }

    fn rotation(&mut self, supervise: &Supervise) {
        let plain = |name: &str| {
            let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            !name.is_empty() && name.len() <= LONGEST_NAME && name.bytes().all(known)
        };
        for (index, name) in supervise.rotation.iter().enumerate() {
            if !plain(name) {
                let title = format!("{name:?} is not a name for a phase");
                let help = format!("use letters, digits, `-` and `_`, at most {LONGEST_NAME} of them");
                self.refuse_item("supervise.rotation", index, title, "not a name", help);
            }
        }
        for name in supervise.phase.keys().filter(|name| !supervise.rotation.contains(name)) {
            let rotation = supervise.rotation.iter().map(String::as_str);
            let help = match nearest(name, rotation) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("add {name:?} to `rotation` under `[supervise]`, or remove the table"),
            };
            let title = format!("the phase {name:?} is not in `supervise.rotation`");
            self.refuse_at(&["supervise", "phase", name], title, "its turn never comes", help);
        }
    }

    /// A schedule that never opens is a mistake, and would be waited for without end.
    fn opens(&mut self, path: &[&str], schedule: &Schedule) {
        if schedule.week().is_shut() {
            let title = format!("`{}` lets no round begin", path.join("."));
            let help = "leave some of the `run` windows out of `pause`";
            self.refuse_at(path, title, "never open", help);
        }
    }

    /// Two phases with an agent and windows of their own must not be open at once: which agent works would be left to chance.
    fn overlaps(&mut self, supervise: &Supervise) {
        let own: Vec<(&String, &Schedule)> = supervise
            .phase
            .iter()
            .filter(|(_, keys)| keys.agent.is_some())
            .filter_map(|(name, keys)| {
                Some((name, keys.schedule.as_ref().filter(|schedule| !schedule.run.is_empty())?))
            })
            .collect();
        for (at, (name, schedule)) in own.iter().enumerate() {
            let week = schedule.week();
            for (other, others) in own.iter().take(at) {
                if schedule.timezone != others.timezone {
                    continue;
                }
                let Some(minute) = week.overlap(&others.week()) else { continue };
                let title = format!(
                    "the phases `{other}` and `{name}` may both run at {minute}, each with an agent of its own"
                );
                let help = "let their `run` windows not overlap, or add a `pause` to one of them";
                self.refuse_at(&["supervise", "phase", name, "schedule"], title, "overlaps", help);
            }
        }
    }

    /// A problem with one item of a list.
    fn refuse_item(
        &mut self,
        key: &str,
        index: usize,
        title: impl Into<String>,
        label: &str,
        help: impl Into<String>,
    ) {
        let item = self.tree.entry(key).and_then(|entry| entry.node.items().get(index));
        match item.filter(|item| item.origin.layer > 0) {
            Some(item) => {
                self.problems.push(Diagnostic::new(title, item.origin.clone(), label).help(help));
            }
            None => self.refuse(key, title, label, help),
        }
    }
}

/// Whether a path stays below the directory that it is relative to, and names something there.
fn lies_below(path: &Path) -> bool {
    let named = path.components().any(|part| matches!(part, Component::Normal(_)));
    named && path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}
