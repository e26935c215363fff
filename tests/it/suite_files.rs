//! Files of suites from outside: every mistake is shown where it was made, `suite check` tells all of them at once, and
//! `suite import` takes over what can be and names what cannot.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use provost::profile::{Source, load, load_suite};
use provost::suite::{Template, read_cases};
use tempfile::TempDir;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/suite")
}

/// Provost, standing among the fixtures.
fn provost() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_provost"));
    command.current_dir(fixtures()).env_clear().env("PATH", "/usr/bin:/bin");
    command
}

/// How a call ended and what it said, in one text. `out` is where it wrote to.
fn ended(args: &[&str], out: Option<&Path>) -> String {
    let output = provost().args(args).output().unwrap();
    let text = |bytes: &[u8]| {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let text = out.map_or(text.clone(), |out| text.replace(out.to_str().unwrap(), "OUT"));
        if text.is_empty() { "(nothing)\n".to_owned() } else { text }
    };
    let code = output.status.code().unwrap();
    format!("exit {code}\n--- stdout\n{}--- stderr\n{}", text(&output.stdout), text(&output.stderr))
}

#[test]
fn each_bad_suite_says_what_is_wrong_with_it() {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(fixtures().join("bad")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 20, "only {} bad suites", files.len());
    let mut all = String::new();
    for path in files {
        let path = Path::new("bad").join(path.file_name().unwrap());
        let error = match load_suite(Source { path: &path, sets: &[], cwd: &fixtures() }) {
            Ok(_) => panic!("{} is accepted", path.display()),
            Err(error) => error.render(false),
        };
        assert!(error.starts_with("error: "), "{error}");
        assert!(error.contains("help: "), "{} has no remedy: {error}", path.display());
        let _ = write!(all, "=== {}\n{error}\n\n", path.display());
    }
    insta::assert_snapshot!("bad_suites", all);
}

#[test]
fn sets_are_routed_and_point_at_themselves() {
    let with = |set: &str| {
        let sets = [set.to_owned()];
        load_suite(Source { path: Path::new("good/suite.toml"), sets: &sets, cwd: &fixtures() })
    };
    assert_eq!(with("suite.budget.usd=2.5").unwrap().suite.budget.usd, Some(2.5));
    assert_eq!(with("suite.trials.count=7").unwrap().suite.trials.count, 7);
    assert_eq!(with("trials.count=8").unwrap().suite.trials.count, 8);
    assert_eq!(with("cases.limit=2").unwrap().suite.cases.limit, 2);
    insta::assert_snapshot!("set_of_a_suite", with("suite.trials.cuont=7").unwrap_err().render(false));
}

#[test]
fn a_good_suite_is_told_in_parts() {
    insta::assert_snapshot!(
        "check_good",
        ended(&["suite", "check", "-S", "good/suite.toml", "-p", "good/agent.toml"], None)
    );
    insta::assert_snapshot!(
        "check_json",
        ended(&["suite", "check", "-S", "good/suite.toml", "--json"], None)
    );
}

#[test]
fn all_mistakes_are_told_at_once() {
    let args = ["suite", "check", "-S", "broken.toml", "-p", "absent.toml"];
    insta::assert_snapshot!("check_broken", ended(&args, None));
    let code = provost().args(args).arg("--json").output().unwrap();
    assert_eq!(code.status.code(), Some(2));
    let json: serde_json::Value = serde_json::from_slice(&code.stdout).unwrap();
    assert!(json["problems"].as_array().unwrap().len() >= 4, "{json}");
}

/// What `suite check` says of so many cases under a gate, as JSON and for people.
fn sight(cases: u64, gate: &str) -> (serde_json::Value, String) {
    let dir = tempfile::tempdir().unwrap();
    let case = |n: u64| format!("{{\"id\": \"c{n}\", \"input\": \"{n}?\", \"expected\": \"{n}\"}}\n");
    std::fs::write(dir.path().join("cases.jsonl"), (0..cases).map(case).collect::<String>()).unwrap();
    let suite = dir.path().join("suite.toml");
    let text = "schema = 1\nname = \"few\"\n[cases]\nfile = \"cases.jsonl\"\n[[score]]\nname = \"exact\"\nkind = \"exact\"\n";
    std::fs::write(&suite, format!("{text}{gate}")).unwrap();
    let called = |more: &[&str]| {
        let args = [&["suite", "check", "-S", suite.to_str().unwrap()], more].concat();
        let output = provost().args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    (serde_json::from_str(&called(&["--json"])).unwrap(), called(&[]))
}

#[test]
fn a_suite_says_what_effect_its_gate_can_detect() {
    let gate = "[gate]\nscore = \"exact\"\n";
    let (json, text) = sight(100, gate);
    let gate_of = &json["gate"];
    let mde = gate_of["mde"].as_f64().unwrap();
    assert_eq!(
        (&gate_of["cases"], &gate_of["power"], &gate_of["part"]),
        (&100.into(), &0.8.into(), &().into())
    );
    assert!(gate_of["assumes"].as_str().unwrap().contains("20 % of the cases differ"), "{gate_of}");
    assert!(text.contains(&format!("a lift of {mde:.3} is shown with a chance of 80 %")), "{text}");
    // The half of it takes more cases, and with so many it is what is seen.
    let more = gate_of["half"]["cases"].as_u64().unwrap();
    assert!(text.contains(&format!("half of that distance takes {more} cases\n")), "{text}");
    let (there, _) = sight(more, gate);
    assert!(there["gate"]["mde"].as_f64().unwrap() <= mde / 2.0, "{there}");
    // Nothing can be seen with too few, and then it says how many it takes; with so many it is seen.
    let (few, text) = sight(4, gate);
    assert!(few["gate"]["mde"].is_null() && few["gate"]["half"].is_null(), "{few}");
    let least = few["gate"]["least"]["cases"].as_u64().unwrap();
    assert!(
        text.contains(&format!(
            "no effect is shown with a chance of 80 %, however large: that takes {least} cases"
        )),
        "{text}"
    );
    assert!(sight(least, gate).0["gate"]["mde"].is_number());
    assert!(sight(least - 1, gate).0["gate"]["mde"].is_null());
    // For non-inferiority it counts whether an equal one is seen.
    let (loss, text) = sight(100, "[gate]\nscore = \"exact\"\nmode = \"non-inferiority\"\nmargin = 0.3\n");
    assert!(loss["gate"]["power_of_equal"].as_f64().unwrap() > 0.8, "{loss}");
    assert!(text.contains("one that is just as good is shown with a chance of "), "{text}");
    assert!(text.contains("a candidate that is worse by "), "{text}");
    assert!(sight(100, "").1.contains("no gate: the suite only measures"));
}

#[test]
fn a_part_without_cases_cannot_be_measured() {
    let few = ended(&["suite", "check", "-S", "good/suite.toml", "--set", "cases.limit=2"], None);
    assert!(few.starts_with("exit 2"), "{few}");
    assert!(few.contains("the part `selection` has 0 units; add cases"), "{few}");
}

/// Imports a file, checks that what was written is a suite with profiles, and says how it went, and what was written.
fn imported(file: &str) -> (String, TempDir) {
    let dir = TempDir::new().unwrap();
    let out = dir.path().join("new/suite");
    let said = ended(&["suite", "import", file, "-o", out.to_str().unwrap()], Some(&out));
    assert!(said.starts_with("exit 0"), "{said}");
    let mut files = Vec::new();
    let mut dirs = vec![out.clone()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { dirs.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    let mut all = said;
    for path in &files {
        let name = path.strip_prefix(&out).unwrap().display();
        let _ = write!(all, "=== {name}\n{}", std::fs::read_to_string(path).unwrap());
        if path.extension().is_some_and(|extension| extension == "toml") && !path.ends_with("suite.toml") {
            load(Source { path, sets: &[], cwd: &out }).unwrap_or_else(|error| panic!("{error}"));
        }
    }
    let suite = load_suite(Source { path: Path::new("suite.toml"), sets: &[], cwd: &out }).unwrap().suite;
    let template = Template::new(&suite.cases.template).unwrap();
    for case in read_cases(&suite.cases, |_| true).unwrap().iter() {
        template.render(&case.unwrap()).unwrap();
    }
    let check = ended(&["suite", "check", "-S", out.join("suite.toml").to_str().unwrap()], Some(&out));
    assert!(check.starts_with("exit 0"), "{check}");
    (all, dir)
}

#[test]
fn a_promptfoo_configuration_becomes_a_suite() {
    let (all, dir) = imported("promptfoo/promptfooconfig.yaml");
    assert!(!all.contains("sk-this"), "a key was copied");
    insta::assert_snapshot!("import_promptfoo", all);
    // Nothing is overwritten.
    let out = dir.path().join("new/suite");
    let again = ended(&["suite", "import", "promptfoo/one.yaml", "-o", out.to_str().unwrap()], Some(&out));
    assert!(again.starts_with("exit 2") && again.contains("OUT/suite.toml is there already"), "{again}");
}

#[test]
fn the_first_steps_of_promptfoo_are_taken_over() {
    insta::assert_snapshot!("import_one", imported("promptfoo/one.yaml").0);
}

/// Two wordings of one request are the commonest configuration of all: each is a profile of its own.
#[test]
fn prompts_that_differ_are_all_taken_over() {
    let (all, _dir) = imported("promptfoo/two.yaml");
    assert!(!all.contains("not taken over"), "{all}");
    insta::assert_snapshot!("import_two", all);
}

#[test]
fn samples_become_a_suite() {
    insta::assert_snapshot!("import_capitals", imported("samples/capitals.jsonl").0);
    insta::assert_snapshot!("import_sums", imported("samples/sums.csv").0);
}

#[test]
fn what_is_no_configuration_is_refused() {
    let dir = TempDir::new().unwrap();
    let out = dir.path().to_str().unwrap();
    for (file, why) in [
        ("good/suite.toml", "cannot be taken over: it is neither a table nor a list"),
        ("absent.yaml", "cannot read absent.yaml"),
        ("broken.jsonl", "cannot be taken over: line 4"),
    ] {
        let said = ended(&["suite", "import", file, "-o", out], Some(dir.path()));
        assert!(said.starts_with("exit 2") && said.contains(why), "{file}: {said}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing was written");
}

#[test]
fn the_schema_accepts_what_is_written() {
    let output = provost().args(["schema", "suite"]).output().unwrap();
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let read = |name: &str| -> serde_json::Value {
        toml::from_str(&std::fs::read_to_string(fixtures().join(name)).unwrap()).unwrap()
    };
    let good = read("good/suite.toml");
    let wrong: Vec<String> = validator.iter_errors(&good).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(!validator.is_valid(&read("bad/unknown_table.toml")));
    assert!(!validator.is_valid(&read("bad/unknown_kind.toml")));
}

#[test]
fn the_verb_and_the_file_have_a_page_each() {
    let page = |name: &str| {
        let output = provost().args(["man", name]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, verb) = page("provost-suite");
    assert!(code == Some(0) && verb.contains("provost suite"), "{verb}");
    let (code, file) = page("provost-suite.5");
    assert_eq!(code, Some(0));
    // Without the first word too; and each says how the other one is called.
    assert_eq!((page("suite").1, page("suite.5").1), (verb.clone(), file.clone()));
    assert!(verb.contains("provost man suite.5") && file.contains("provost man suite"), "{verb}");
    let schema = provost::profile::suite_schema();
    for key in schema["properties"].as_object().unwrap().keys().filter(|key| *key != "schema") {
        assert!(file.contains(key.as_str()), "the page does not know `{key}`");
    }
    for (kind, _, options) in provost::profile::SCORE_OPTIONS {
        assert!(file.contains(&format!("\\fB{kind}\\fR")), "no kind {kind}");
        for option in options {
            assert!(
                schema["$defs"]["ScoreOptions"]["properties"].get(*option).is_some(),
                "no option {option}"
            );
        }
    }
    // Each option has a kind that honours it.
    for option in schema["$defs"]["ScoreOptions"]["properties"].as_object().unwrap().keys() {
        assert!(
            provost::profile::SCORE_OPTIONS.iter().any(|(_, _, known)| known.contains(&option.as_str())),
            "no kind knows `{option}`"
        );
    }
}
