//! Which numbers there are. A name stays with its meaning; new ones may come.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::text::{Type, family, label_name};
use crate::event::{
    HostSampled, OpenAlert, Outcomes, Phase, RunId, RunStarted, Severity, Spend, Streak, Tally,
};

const MIB: f64 = 1024.0 * 1024.0;
const PHASES: [(Phase, &str); 5] = [
    (Phase::Deciding, "deciding"),
    (Phase::Round, "round"),
    (Phase::Checking, "checking"),
    (Phase::Waiting, "waiting"),
    (Phase::Ended, "ended"),
];

/// What is shown of one run; taken from its fold at each event, so that no fold has to be kept.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    about: Vec<(String, String)>,
    profile: String,
    started_at: Option<Timestamp>,
    last_at: Option<Timestamp>,
    events: u64,
    phase: Phase,
    resumes: u64,
    rounds: u64,
    open_since: Option<Timestamp>,
    outcomes: Outcomes,
    turns: u64,
    tools: u64,
    spend: Spend,
    same_failures: u64,
    streak: [(&'static str, u64); 5],
    delivered: Option<bool>,
    alerts: Vec<OpenAlert>,
    wait: Option<(String, Timestamp)>,
    steers: u64,
    host: Option<HostSampled>,
    ended: Option<(&'static str, u8)>,
}

impl Facts {
    pub(super) fn new(started: &RunStarted, labels: &[(String, String)], tally: &Tally) -> Self {
        let mut about = vec![
            ("verb".to_owned(), started.verb.clone()),
            ("harness".to_owned(), started.harness.clone()),
            ("model".to_owned(), started.model.clone().unwrap_or_default()),
        ];
        let mut names = BTreeSet::new();
        for (key, value) in labels {
            let name = label_name(key);
            if names.insert(name.clone()) {
                about.push((name, value.clone()));
            }
        }
        let mut facts = Self {
            about,
            profile: started.profile.clone(),
            started_at: None,
            last_at: None,
            events: 0,
            phase: Phase::Empty,
            resumes: 0,
            rounds: 0,
            open_since: None,
            outcomes: Outcomes::default(),
            turns: 0,
            tools: 0,
            spend: Spend::default(),
            same_failures: 0,
            streak: streak(&Streak::default()),
            delivered: None,
            alerts: Vec::new(),
            wait: None,
            steers: 0,
            host: None,
            ended: None,
        };
        facts.update(tally);
        facts
    }

    pub(super) fn update(&mut self, tally: &Tally) {
        self.started_at = tally.started_at;
        self.last_at = tally.last_at;
        self.events = tally.last_seq.0;
        self.phase = tally.phase;
        self.resumes = tally.resumes;
        self.rounds = tally.rounds.0;
        self.open_since = tally.open.as_ref().map(|open| open.started_at);
        self.outcomes = tally.outcomes;
        self.turns = tally.turns;
        self.tools = tally.tools;
        self.spend = tally.spend;
        self.same_failures = tally.same_failures;
        self.streak = streak(&tally.streak);
        self.delivered = tally.check.as_ref().map(|check| check.delivered);
        if !tally.alerts.iter().eq(&self.alerts) {
            self.alerts = tally.alerts.iter().cloned().collect();
        }
        let cause = || match tally.wait_cause {
            Some(cause) => serde_json::to_value(cause).ok().and_then(|word| word.as_str().map(str::to_owned)),
            None => None,
        };
        // Within a round it has no cause of the loop: it is for the provider.
        self.wait =
            tally.wait.as_ref().map(|(_, until)| (cause().unwrap_or_else(|| "attempt".to_owned()), *until));
        self.steers = tally.steers.iter().filter(|steer| steer.round.is_none()).count() as u64;
        if self.host != tally.host {
            self.host.clone_from(&tally.host);
        }
        self.ended = tally.ended.as_ref().map(|ended| (ended.outcome.word(), ended.exit_code));
    }
}

fn streak(streak: &Streak) -> [(&'static str, u64); 5] {
    [
        ("crashes", streak.crashes),
        ("throttled", streak.throttled),
        ("idle", streak.idle),
        ("memory", streak.memory),
        ("orphans", streak.orphans),
    ]
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts are exact up to 2^53, and that is what the format has"
)]
fn count(value: u64) -> f64 {
    value as f64
}

fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

fn yes(so: bool) -> f64 {
    f64::from(u8::from(so))
}

/// Samples of a run beside its own labels: one more label at most, and the number.
type Samples = Vec<(Option<(&'static str, String)>, f64)>;

fn one(value: f64) -> Samples {
    vec![(None, value)]
}

fn maybe(value: Option<f64>) -> Samples {
    value.map(one).unwrap_or_default()
}

fn each<'a>(label: &'static str, values: impl IntoIterator<Item = (&'a str, f64)>) -> Samples {
    values.into_iter().map(|(word, value)| (Some((label, word.to_owned())), value)).collect()
}

fn host(facts: &Facts, fact: impl Fn(&HostSampled) -> Option<f64>) -> Samples {
    maybe(facts.host.as_ref().and_then(fact))
}

fn mib(value: Option<u64>) -> Option<f64> {
    value.map(|value| count(value) * MIB)
}

fn part(percent: Option<f64>) -> Option<f64> {
    percent.map(|percent| percent / 100.0)
}

/// A metric: its name without `provost_`, what it is, and what a run has of it.
type Metric = (&'static str, Type, &'static str, fn(&Facts) -> Samples);

const METRICS: &[Metric] = &[
    ("run_phase", Type::Gauge, "Where the run stands: 1 for one of them.", |facts| {
        each("phase", PHASES.map(|(phase, word)| (word, yes(facts.phase == phase))))
    }),
    ("run_started_timestamp_seconds", Type::Gauge, "When the run began.", |facts| {
        maybe(facts.started_at.map(seconds))
    }),
    ("last_event_timestamp_seconds", Type::Gauge, "When something was recorded last.", |facts| {
        maybe(facts.last_at.map(seconds))
    }),
    ("events_total", Type::Counter, "Events that were recorded.", |facts| one(count(facts.events))),
    ("resumes_total", Type::Counter, "How often the run was taken up again.", |facts| {
        one(count(facts.resumes))
    }),
    ("rounds_started_total", Type::Counter, "Rounds that were begun.", |facts| one(count(facts.rounds))),
    ("rounds_total", Type::Counter, "Rounds that have settled, by how they ended.", |facts| {
        let Outcomes { answered, failed, stopped, environment } = facts.outcomes;
        let outcomes =
            [("answered", answered), ("failed", failed), ("stopped", stopped), ("environment", environment)];
        each("outcome", outcomes.map(|(word, value)| (word, count(value))))
    }),
    ("round_started_timestamp_seconds", Type::Gauge, "When the round that is open began.", |facts| {
        maybe(facts.open_since.map(seconds))
    }),
    ("turns_total", Type::Counter, "Turns of the agent.", |facts| one(count(facts.turns))),
    ("tool_calls_total", Type::Counter, "Tools that were called.", |facts| one(count(facts.tools))),
    ("tokens_total", Type::Counter, "Tokens that were reported.", |facts| {
        let Spend { input, output, cache_read, cache_write, .. } = facts.spend;
        let kinds =
            [("input", input), ("output", output), ("cache_read", cache_read), ("cache_write", cache_write)];
        each("type", kinds.map(|(word, value)| (word, count(value))))
    }),
    (
        "tokens_known",
        Type::Gauge,
        "Whether these are all: 0 when anything ran that reported none.",
        |facts| one(yes(facts.spend.tokens_known)),
    ),
    ("spend_usd_total", Type::Counter, "Dollars of which we know.", |facts| one(facts.spend.usd)),
    (
        "spend_known",
        Type::Gauge,
        "Whether these are all: 0 when anything ran whose price is unknown.",
        |facts| one(yes(facts.spend.usd_known)),
    ),
    ("same_failures", Type::Gauge, "Rounds in a row that failed in the same way.", |facts| {
        one(count(facts.same_failures))
    }),
    ("streak", Type::Gauge, "What breakers count: rounds in a row of a kind.", |facts| {
        each("kind", facts.streak.map(|(word, value)| (word, count(value))))
    }),
    ("check_delivered", Type::Gauge, "Whether the last check has passed.", |facts| {
        maybe(facts.delivered.map(yes))
    }),
    ("alerts_open", Type::Gauge, "Alerts that are open, by how loud they are.", |facts| {
        let words =
            [(Severity::Notice, "notice"), (Severity::Warning, "warning"), (Severity::Critical, "critical")];
        let open = |severity| facts.alerts.iter().filter(|alert| alert.severity == severity).count() as u64;
        each("severity", words.map(|(severity, word)| (word, count(open(severity)))))
    }),
    ("alert_since_timestamp_seconds", Type::Gauge, "Since when an alert is open.", |facts| {
        each("alert", facts.alerts.iter().map(|alert| (alert.alert.as_str(), seconds(alert.since))))
    }),
    (
        "wait_until_timestamp_seconds",
        Type::Gauge,
        "Until when at the latest the run waits, by why.",
        |facts| each("cause", facts.wait.iter().map(|(cause, until)| (cause.as_str(), seconds(*until)))),
    ),
    ("steers_open", Type::Gauge, "Messages for the agent that no round has been told.", |facts| {
        one(count(facts.steers))
    }),
    ("host_memory_available_bytes", Type::Gauge, "Memory that can be had without swapping.", |facts| {
        host(facts, |host| mib(host.mem_available_mb))
    }),
    ("host_memory_free_bytes", Type::Gauge, "Memory that is in no use.", |facts| {
        host(facts, |host| mib(host.mem_free_mb))
    }),
    ("host_swapped_out_bytes_total", Type::Counter, "What was swapped out since the host booted.", |facts| {
        host(facts, |host| mib(host.swapped_out_mb))
    }),
    (
        "host_memory_pressure_some_ratio",
        Type::Gauge,
        "Part of 10 s in which some task waited for memory.",
        |facts| host(facts, |host| part(host.memory_some_avg10)),
    ),
    (
        "host_memory_pressure_full_ratio",
        Type::Gauge,
        "Part of 10 s in which all tasks waited for memory.",
        |facts| host(facts, |host| part(host.memory_full_avg10)),
    ),
    (
        "host_io_pressure_some_ratio",
        Type::Gauge,
        "Part of 10 s in which some task waited for a disk.",
        |facts| host(facts, |host| part(host.io_some_avg10)),
    ),
    ("host_disk_used_ratio", Type::Gauge, "How full the file system of the run is.", |facts| {
        host(facts, |host| part(host.disk_used_pct))
    }),
    ("host_inodes_used_ratio", Type::Gauge, "How many of its inodes are used.", |facts| {
        host(facts, |host| part(host.inode_used_pct))
    }),
    ("host_load1", Type::Gauge, "Load of the last minute.", |facts| host(facts, |host| host.load_1m)),
    ("cgroup_memory_bytes", Type::Gauge, "Memory of our control group.", |facts| {
        host(facts, |host| mib(host.cgroup_mb))
    }),
    ("agent_memory_bytes", Type::Gauge, "Memory of the agent and all that it has started.", |facts| {
        host(facts, |host| mib(host.agent_rss_mb))
    }),
    ("run_ended", Type::Gauge, "1 with how the run has ended, once it has.", |facts| {
        each("outcome", facts.ended.map(|(outcome, _)| (outcome, 1.0)))
    }),
    ("run_exit_code", Type::Gauge, "What the run has exited with, once it has.", |facts| {
        maybe(facts.ended.map(|(_, code)| f64::from(code)))
    }),
];

/// The whole file.
pub(super) fn text(runs: &BTreeMap<RunId, Facts>, failures: u64) -> String {
    let mut out = String::new();
    let own = |run: &RunId, facts: &Facts| {
        vec![("run".to_owned(), run.to_string()), ("profile".to_owned(), facts.profile.clone())]
    };
    let about = "What the run is. Always 1; labels of the run begin with label_.";
    let infos = runs.iter().map(|(run, facts)| ([own(run, facts), facts.about.clone()].concat(), 1.0));
    family(&mut out, "provost_run_info", Type::Gauge, about, infos);
    for (name, kind, about, of) in METRICS {
        let samples = runs.iter().flat_map(|(run, facts)| {
            of(facts).into_iter().map(move |(more, value)| {
                let mut labels = own(run, facts);
                labels.extend(more.map(|(label, word)| (label.to_owned(), word)));
                (labels, value)
            })
        });
        family(&mut out, &format!("provost_{name}"), *kind, about, samples);
    }
    let about = "How often this file could not be written.";
    family(
        &mut out,
        "provost_metrics_write_errors_total",
        Type::Counter,
        about,
        [(Vec::new(), count(failures))],
    );
    out
}
