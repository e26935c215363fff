//! The table of cli-agent-runner 0.3.14, `tests/fixtures/agent_runner.tsv`: nothing of it is left out, and what a row says
//! of us is so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use provost::event::Kind;
use provost::profile::Alarm;
use provost::supervise::defense::DEFENSES;
use provost::supervise::detect;
use serde_json::Value;

use crate::rows;

mod cost;

/// How many rows there are of each kind.
const COUNTS: [(&str, usize); 11] = [
    ("verb", 17),
    ("flag", 36),
    ("key", 77),
    ("event", 71),
    ("detector", 14),
    ("defense", 15),
    ("file", 15),
    ("exit", 9),
    ("scar", 45),
    ("weakness", 20),
    ("gap", 13),
];

/// What has happened to its users, a word or two each.
const SCARS: [&str; 45] = [
    "r1128_polling",
    "setsid_descendants",
    "r725_two_agents",
    "r721_dashes",
    "r820_three_stashes",
    "stash_index",
    "r2110_moved_text",
    "run6_empty_rounds",
    "exit_0_on_rejected_key",
    "usage_less_clis",
    "fixed_60s_wait",
    "backoff_lost",
    "null_limit_type",
    "custom_agent_name",
    "wrong_log_path",
    "result_pushed_out",
    "lingering_process",
    "argv_secrets",
    "pkill_by_argv",
    "prompt_64k",
    "bulk_prune",
    "orphan_memos",
    "zero_work_commit",
    "index_lock",
    "control_group_kill",
    "enospc_as_crash",
    "bug_as_environment",
    "psi_1_percent",
    "inflated_available",
    "cap_that_cannot_bind",
    "mem_loop_for_ever",
    "recycled_pid",
    "ntp_step",
    "deaf_in_backoff",
    "nan_epochs",
    "non_utf8_byte",
    "auto_stop_unconfirmed",
    "monitor_hides_dead",
    "remote_reads_local",
    "ssh_host_option",
    "cidfile_poisoned",
    "old_hung_latch",
    "relative_paths",
    "upgrade_old_migrate",
    "scalar_for_list",
];

/// One row: what they have, and what we have instead.
struct Row<'a> {
    kind: &'a str,
    theirs: &'a str,
    /// Things of ours, each a word that says what it is and its name.
    ours: Vec<(&'a str, &'a str)>,
    place: &'a str,
    test: &'a str,
    note: &'a str,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn table() -> String {
    read("tests/fixtures/agent_runner.tsv")
}

fn rows_of(table: &str) -> Vec<Row<'_>> {
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            let [kind, theirs, _default, ours, place, test, remark] = fields[..] else {
                panic!("{} fields instead of 7: {line}", fields.len())
            };
            let ours = ours.split("; ").filter(|one| !one.is_empty());
            let ours =
                ours.map(|one| one.split_once(' ').unwrap_or_else(|| panic!("what is `{one}`? {line}")));
            Row { kind, theirs, ours: ours.collect(), place, test, note: remark }
        })
        .collect()
}

/// The table or the value that a dotted key leads to, in a JSON schema; `*` is any name.
fn leads<'a>(schema: &'a Value, key: &str) -> Option<&'a Value> {
    let target = |value: &'a Value| {
        let reference = value["$ref"].as_str().or_else(|| value["anyOf"][0]["$ref"].as_str());
        reference.map_or(value, |reference| schema.pointer(reference.trim_start_matches('#')).unwrap())
    };
    key.split('.').try_fold(schema, |table, part| {
        let next =
            if part == "*" { table.get("additionalProperties") } else { table["properties"].get(part) };
        next.map(target)
    })
}

/// The flags of a verb, as the shell is told of them; `None` where there is no such verb.
fn flags<'a>(completions: &'a str, verb: &str) -> Option<Vec<&'a str>> {
    let head = format!("provost__subcmd__{})", verb.replace(' ', "__subcmd__"));
    let (_, after) = completions.split_once(&format!("        {head}\n"))?;
    let (_, options) = after.split_once("opts=\"")?;
    Some(options.split('"').next()?.split_whitespace().collect())
}

/// All that is Rust below a directory.
fn texts(dir: &Path, into: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(std::fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn nothing_of_it_is_left_out() {
    let text = table();
    let rows = rows_of(&text);
    let mut names = BTreeMap::<&str, BTreeSet<&str>>::new();
    for row in &rows {
        assert!(
            names.entry(row.kind).or_default().insert(row.theirs),
            "{} {} is there twice",
            row.kind,
            row.theirs
        );
    }
    for (kind, count) in COUNTS {
        assert_eq!(names.get(kind).map(BTreeSet::len), Some(count), "{kind}");
    }
    assert_eq!(rows.len(), COUNTS.iter().map(|(_, count)| count).sum::<usize>());
    let numbered =
        |letter: char, last: usize| (1..=last).map(|n| format!("{letter}{n}")).collect::<BTreeSet<_>>();
    let owned = |kind: &str| names[kind].iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(owned("weakness"), numbered('W', 20));
    assert_eq!(owned("gap"), numbered('G', 13));
    assert_eq!(names["scar"], BTreeSet::from(SCARS));
    // What `init --from` reads is the list of their keys.
    let schema = read("src/cli/init/import/schema.rs");
    let known = schema.lines().filter_map(|line| line.trim().strip_prefix("(\"")?.split_once("\", Form::"));
    assert_eq!(names["key"], known.map(|(key, _)| key).collect());
}

#[test]
fn each_row_says_what_is_ours_and_which_test_holds_it_or_why_not() {
    let (text, mut sources) = (table(), Vec::new());
    texts(&root().join("src"), &mut sources);
    texts(&root().join("tests"), &mut sources);
    let mut wrong = Vec::new();
    for Row { kind, theirs, ours, place, test, note } in rows_of(&text) {
        let mut says = |what: &str| wrong.push(format!("{kind} {theirs}: {what}"));
        let held = !test.is_empty() && (!ours.is_empty() || !place.is_empty());
        if !held && note.is_empty() {
            says("neither ours and a test nor a reason");
        }
        if !test.is_empty() && !sources.iter().any(|text| rows::has_test(text, test)) {
            says(&format!("there is no test {test}"));
        }
        if !place.is_empty() && !root().join(place).exists() {
            says(&format!("there is no {place}"));
        }
        // Each of these is to be a test, but for what belongs to a verb that we do not have.
        if ["scar", "weakness"].contains(&kind) && test.is_empty() && theirs != "upgrade_old_migrate" {
            says("no test holds it");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_said_to_be_ours_is_there() {
    let text = table();
    let schema = serde_json::to_value(provost::profile::json_schema()).unwrap();
    let completions = read("completions/provost.bash");
    let exits = read("src/cli/exit.rs");
    let mut sources = Vec::new();
    texts(&root().join("src"), &mut sources);
    let alarm = |name: &str| {
        serde_json::from_value::<Alarm>(Value::from(name)).is_ok_and(|alarm| detect::word(alarm) == name)
    };
    let mut wrong = Vec::new();
    for row in rows_of(&text) {
        for (what, name) in &row.ours {
            let there = match *what {
                "key" => leads(&schema, name).is_some(),
                "event" => Kind::WORDS.contains(name),
                "alert" => alarm(name),
                "defense" => DEFENSES.iter().any(|defense| defense.name == *name),
                "verb" => flags(&completions, name).is_some(),
                "flag" => name
                    .rsplit_once(' ')
                    .and_then(|(verb, flag)| Some(flags(&completions, verb)?.contains(&flag)))
                    .unwrap_or(false),
                "exit" => {
                    exits.contains(&format!("(\"{name}\",")) || exits.contains(&format!("\"{name}\",\n"))
                }
                "file" => sources.iter().any(|text| text.contains(&format!("\"{name}\""))),
                _ => false,
            };
            if !there {
                wrong.push(format!("{} {}: there is no {what} {name}", row.kind, row.theirs));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_not_there_is_not_found() {
    let schema = serde_json::to_value(provost::profile::json_schema()).unwrap();
    assert!(leads(&schema, "supervise.phase.*.round.timeout").is_some());
    assert!(leads(&schema, "supervise.phase.*.round.boredom").is_none());
    assert!(leads(&schema, "supervise.*.timeout").is_none());
    let completions = read("completions/provost.bash");
    assert!(flags(&completions, "service install").unwrap().contains(&"--system"));
    assert!(!flags(&completions, "stop").unwrap().contains(&"--system"));
    assert!(flags(&completions, "doctor").is_none());
}

#[test]
fn the_binary_says_its_version() {
    let ran = crate::support::sandbox::Sandbox::new("").run(&["--version"]);
    assert_eq!((ran.code, ran.out), (Some(0), format!("provost {}\n", env!("CARGO_PKG_VERSION"))));
}
