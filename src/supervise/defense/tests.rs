//! The catalogue holds what it says, and a standing is read from the fold.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;
use crate::event::{
    AlertRaised, Event, Failure, FaultClass, Kind, NodeId, RoundEnded, RoundNumber, RoundOutcome,
    RoundStarted, Severity, TreeAction, TreeSettled, Usage, UsageReported, UsageSource, WaitCause,
    WaitStarted,
};
use crate::profile::{self, Source};

/// A profile with these lines in it.
fn profile(lines: &str) -> Profile {
    let dir = tempfile::tempdir().unwrap();
    let text = format!("schema = 1\nname = \"d\"\n[agent]\nharness = \"claude\"\n{lines}");
    crate::file::write_atomic(&dir.path().join("p.toml"), text.as_bytes()).unwrap();
    let source = Source { path: Path::new("p.toml"), sets: &[], cwd: dir.path() };
    Profile::clone(&profile::load(source).unwrap().profile)
}

/// What the fold of these events is, read back from disk.
fn fold(kinds: &[Kind]) -> Tally {
    let mut tally = Tally::default();
    for kind in kinds {
        let at = "2026-11-21T02:00:00Z".parse().unwrap();
        tally.apply(&Event { seq: tally.last_seq.next(), at, node: NodeId::root(), kind: kind.clone() });
        tally = serde_json::from_str(&serde_json::to_string(&tally).unwrap()).unwrap();
    }
    tally
}

/// A round that takes so many milliseconds.
fn round(outcome: RoundOutcome, failure: Option<Failure>, duration_ms: u64) -> Vec<Kind> {
    let round = RoundNumber(1);
    let ended = RoundEnded { round, outcome, duration_ms, output_sha256: None, failure };
    vec![RoundStarted::plain(round).into(), ended.into()]
}

fn crash() -> Vec<Kind> {
    round(RoundOutcome::Failed, Some(Failure::ours(FaultClass::AgentCrash, "died")), 500)
}

fn idle() -> Vec<Kind> {
    round(RoundOutcome::Answered, None, 500)
}

fn starved() -> Vec<Kind> {
    round(RoundOutcome::Failed, Some(Failure::memory("all tasks waited")), 90_000)
}

fn times(count: usize, kinds: &[Kind]) -> Vec<Kind> {
    (0..count).flat_map(|_| kinds.to_vec()).collect()
}

fn usage() -> Kind {
    let usage = Usage { input: 1, ..Usage::default() };
    UsageReported { usage, source: UsageSource::Provider, model: None }.into()
}

fn stands(profile: &Profile, kinds: &[Kind], name: &str) -> (State, String) {
    let found = standing(profile, &fold(kinds)).into_iter().find(|standing| standing.defense.name == name);
    let Standing { value, state, .. } = found.unwrap_or_else(|| panic!("`{name}` is no defense"));
    (state, value)
}

#[test]
fn every_defense_has_its_words_and_a_name_of_its_own() {
    let mut names = BTreeSet::new();
    for defense in DEFENSES {
        let name = defense.name;
        assert!(names.insert(name), "`{name}` is there twice");
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "`{name}` is no word of ours");
        for text in [defense.about, defense.incident] {
            assert!(text.len() > 20 && text.ends_with('.') && !text.contains('`'), "{name}: {text}");
        }
    }
    // Those of the catalogue that we began from.
    for name in [
        "round_wall",
        "grace",
        "drain",
        "stash_once",
        "stash_by_commit",
        "tree_list",
        "environment",
        "battery",
        "root_lock",
        "atomic_files",
        "event_kinds",
        "crash_breaker",
        "memory_breaker",
        "idle_breaker",
        "bulk_prune",
    ] {
        assert!(names.contains(name), "`{name}` is missing");
    }
}

fn sources(dir: &Path, into: &mut String) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn the_test_of_every_defense_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    sources(&root.join("src"), &mut text);
    sources(&root.join("tests"), &mut text);
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    for defense in DEFENSES {
        let head = format!("fn {}(", defense.test);
        let is_test = |place: usize| {
            lines[place.saturating_sub(4)..place]
                .iter()
                .any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
        };
        let found = lines
            .iter()
            .enumerate()
            .any(|(place, line)| line.trim_start_matches("async ").starts_with(&head) && is_test(place));
        assert!(found, "{}: there is no test `{}`", defense.name, defense.test);
    }
}

/// The table or the value that a dotted key leads to, in a JSON schema.
fn leads<'a>(schema: &'a Value, key: &str) -> Option<&'a Value> {
    let target = |value: &'a Value| {
        let reference = value["$ref"].as_str().or_else(|| value["anyOf"][0]["$ref"].as_str());
        reference.map_or(value, |reference| schema.pointer(reference.trim_start_matches('#')).unwrap())
    };
    key.split('.').try_fold(schema, |table, part| Some(target(table["properties"].get(part)?)))
}

#[test]
fn the_key_of_every_defense_is_a_key_of_profiles() {
    let schema = profile::json_schema();
    let schema = serde_json::to_value(schema).unwrap();
    for defense in DEFENSES {
        if let Some(key) = defense.key {
            assert!(leads(&schema, key).is_some(), "{}: `{key}` is no key", defense.name);
        }
    }
    assert!(leads(&schema, "supervise.give_up.boredom").is_none());
}

#[test]
fn a_row_of_the_manual_has_key_deed_and_incident() {
    assert_eq!(rows().count(), DEFENSES.len());
    let (_, key, text) = rows().find(|(name, ..)| *name == "crash_breaker").unwrap();
    assert_eq!(key, "`supervise.give_up.crashes`");
    assert!(text.ends_with("Stands for: a hundred empty rounds in one night."), "{text}");
}

/// Scar Run 6: empty rounds end the loop. The count is the fold's, which is read back after each event here.
#[test]
fn a_breaker_counts_rounds_in_a_row_and_a_restart_keeps_the_count() {
    let profile = profile("[supervise]\n");
    let row = |kinds: &[Kind], name: &str, state: State, value: &str| {
        assert_eq!(stands(&profile, kinds, name), (state, value.to_owned()));
    };
    row(&[], "crash_breaker", State::Active, "0 of 5 in a row");
    row(&times(4, &crash()), "crash_breaker", State::Active, "4 of 5 in a row");
    row(&times(5, &crash()), "crash_breaker", State::Tripped, "5 of 5 in a row");
    let between = [times(4, &crash()), idle(), crash()].concat();
    row(&between, "crash_breaker", State::Active, "1 of 5 in a row");
    let slow = round(RoundOutcome::Failed, Some(Failure::ours(FaultClass::AgentCrash, "died")), 60_000);
    row(&times(9, &slow), "crash_breaker", State::Active, "0 of 5 in a row");
    let throttled =
        round(RoundOutcome::Failed, Some(Failure::ours(FaultClass::RateLimited, "slow down")), 500);
    row(&times(9, &throttled), "crash_breaker", State::Active, "0 of 5 in a row");

    row(&times(5, &starved()), "memory_breaker", State::Tripped, "5 of 5 in a row");
    row(&starved(), "memory_floor", State::Tripped, "3 critical looks in a row");
    row(&[starved(), idle()].concat(), "memory_floor", State::Active, "3 critical looks in a row");
    let wait = WaitStarted {
        reason: "memory".to_owned(),
        until: "2026-11-21T03:00:00Z".parse().unwrap(),
        cause: Some(WaitCause::MemoryLoop),
    };
    let paused = [times(5, &starved()), vec![wait.into()]].concat();
    row(&paused, "memory_breaker", State::Tripped, "pauses after 5 in a row");
}

/// Scar usage-less CLIs tripped that breaker: it is armed only for an agent that has ever reported usage.
#[test]
fn idle_rounds_count_only_for_an_agent_that_reports_usage() {
    let profile = profile("[supervise]\n");
    let (state, value) = stands(&profile, &times(9, &idle()), "idle_breaker");
    assert_eq!((state, value.as_str()), (State::Off, "not armed: no agent has reported usage yet"));
    let [started, ended] = <[Kind; 2]>::try_from(idle()).unwrap();
    let worked = vec![started, usage(), ended];
    let (state, value) = stands(&profile, &[worked.clone(), times(5, &idle())].concat(), "idle_breaker");
    assert_eq!((state, value.as_str()), (State::Tripped, "5 of 5 in a row"));
    let again = [worked.clone(), times(4, &idle()), worked].concat();
    assert_eq!(stands(&profile, &again, "idle_breaker").0, State::Active);
}

/// Scar 5-minute ENOSPC counted as crashes: what is wrong with the surroundings neither counts nor ends a count.
#[test]
fn a_full_disk_uses_up_no_patience() {
    let profile = profile("[supervise]\n");
    let full = round(RoundOutcome::Failed, Some(Failure::environment("no space left")), 10);
    let kinds = [times(3, &crash()), times(50, &full), crash()].concat();
    let (state, value) = stands(&profile, &kinds, "crash_breaker");
    assert_eq!((state, value.as_str()), (State::Active, "4 of 5 in a row"));
}

#[test]
fn off_is_said_where_the_profile_does_without() {
    let plain = profile("");
    for name in ["crash_breaker", "disk_gate", "drain", "stash_once", "auto_stop", "memory_brake"] {
        assert_eq!(stands(&plain, &[], name), (State::Off, "only under supervise".to_owned()), "{name}");
    }
    assert_eq!(stands(&plain, &[], "round_wall"), (State::Active, "30m".to_owned()));
    let without = profile(
        "[supervise]\nauto_stop = []\n[supervise.give_up]\ncrashes = 0\n[supervise.host]\nmemory_terminate = false\n\
         [workspace]\ndirty = \"ignore\"\n",
    );
    for name in [
        "auto_stop",
        "crash_breaker",
        "memory_floor",
        "memory_brake",
        "stash_once",
        "own_files",
        "bulk_prune",
        "budget",
    ] {
        assert_eq!(stands(&without, &[], name).0, State::Off, "{name}");
    }
    let kept = profile("[supervise]\nkeep_rounds = 40\n[budget]\nusd = 5.0\n");
    assert_eq!(stands(&kept, &[], "bulk_prune"), (State::Active, "keeps 40".to_owned()));
    assert_eq!(stands(&kept, &[], "budget"), (State::Active, "$5".to_owned()));
}

#[test]
fn an_open_alert_is_a_defense_that_has_tripped() {
    let profile = profile("[supervise]\n");
    let raised = |alert: &str| -> Kind {
        AlertRaised { alert: alert.to_owned(), severity: Severity::Warning, message: "m".to_owned() }.into()
    };
    for (alert, name) in [
        ("rate_limit:plan fallback 1", "cooldowns"),
        ("auth_failure", "refused_key"),
        ("auth_failure", "auto_stop"),
        ("disk_critical", "disk_gate"),
        ("memory_pressure", "memory_gate"),
        ("repeated_tool:Bash 01234567", "repetition"),
        ("network_failures", "rates"),
        ("hung", "round_wall"),
        ("prune_deferred", "bulk_prune"),
    ] {
        let settings = if name == "bulk_prune" {
            self::profile("[supervise]\nkeep_rounds = 9\n")
        } else {
            profile.clone()
        };
        assert_eq!(stands(&settings, &[], name).0, State::Active, "{name}");
        assert_eq!(stands(&settings, &[raised(alert)], name).0, State::Tripped, "{name}");
    }
    assert_eq!(stands(&profile, &[raised("memory_unknown")], "memory_gate").0, State::Degraded);
    assert_eq!(stands(&profile, &[raised("rate_limited_things")], "cooldowns").0, State::Active);
}

#[test]
fn a_tree_that_could_not_be_settled_is_a_defense_that_is_degraded() {
    let profile = profile("[supervise]\n");
    let tree = |action, reason: Option<&str>, commit: Option<&str>| -> Kind {
        TreeSettled {
            round: RoundNumber(7),
            action,
            commit: commit.map(ToOwned::to_owned),
            files: 1,
            listed: Vec::new(),
            lock_removed: None,
            reason: reason.map(ToOwned::to_owned),
            head: None,
            fingerprint: None,
        }
        .into()
    };
    let failed = [tree(TreeAction::Failed, Some("no identity"), None)];
    assert_eq!(
        stands(&profile, &failed, "stash_by_commit"),
        (State::Degraded, "round 7: no identity".to_owned())
    );
    let stashed = [tree(TreeAction::Stashed, None, Some("c0ffee"))];
    assert_eq!(stands(&profile, &stashed, "stash_by_commit"), (State::Active, "c0ffee".to_owned()));
    let chain = vec![tree(TreeAction::Stashed, None, Some("c0ffee")); 3];
    assert_eq!(stands(&profile, &chain, "orphan_chain"), (State::Tripped, "3 of 3 in a row".to_owned()));
}
