//! Phases: whole in a resolved profile, and what is different in one is all that is.

use super::*;
use crate::profile::element::Window;

const CHAT: &str = "schema = 1\nname = \"m\"\n[agent]\nharness = \"chat\"\nmodel = \"local/a\"\nwindow = 9000\n\
                    endpoint = \"local\"\ntools = [\"read\"]\nenv = { A = \"1\", B = \"1\" }\nallowed_models = []\n\
                    [endpoints.local]\napi = \"openai\"\nbase_url = \"http://127.0.0.1:1/v1\"\n\
                    [model]\ntemperature = 0.5\nseed = 7\n";

fn loaded(text: &str, sets: &[&str]) -> Arc<Profile> {
    let dir = dir(&[("p.toml", text), ("s.md", "Be brief.")]);
    match resolve(dir.path(), sets) {
        Ok(loaded) => loaded.profile,
        Err(error) => panic!("{error}"),
    }
}

fn supervise(profile: &Profile) -> &Supervise {
    profile.supervise.as_ref().unwrap()
}

fn windows(texts: &[&str]) -> Vec<Window> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn a_profile_without_the_table_is_driven_by_the_defaults_and_only_by_supervise() {
    let dir = dir(&[("p.toml", MINIMAL)]);
    let source = Source { path: Path::new("p.toml"), sets: &[], cwd: dir.path() };
    assert_eq!(load(source).unwrap().profile.supervise, None);
    let driven = load_supervised(source).unwrap().profile;
    assert_eq!(driven.check, None, "the defaults of a check make no check");
    assert_eq!((supervise(&driven).pause.0, supervise(&driven).rounds), (Duration::from_secs(3), None));
    assert_eq!(supervise(&driven).auto_stop, [Alarm::AuthFailure, Alarm::DiskCritical]);
    let sets = ["supervise.rounds=4".to_owned()];
    let set = load_supervised(Source { sets: &sets, ..source }).unwrap().profile;
    let plain = load(Source { sets: &sets, ..source }).unwrap().profile;
    assert_eq!(
        (supervise(&set).rounds, &set),
        (Some(4), &plain),
        "one key of the table brings the rest of it"
    );
}

#[test]
fn a_phase_is_the_profile_but_for_what_it_says() {
    let text = format!(
        "{CHAT}[supervise]\nrotation = [\"build\", \"review\", \"build\", \"rest\"]\n\
         [supervise.phase.review]\nagent = {{ model = \"local/b\", env = {{ B = \"2\" }} }}\nmodel = {{ temperature = 0.1 }}\n\
         [supervise.phase.review.round]\ntimeout = \"5m\"\n[supervise.phase.build.agent]\nmax_turns = 3\n"
    );
    let base = loaded(&text, &[]);
    let review = base.phased("review");
    assert_eq!(review.agent.model.as_deref(), Some("local/b"));
    assert_eq!(review.agent.window, None, "another model has another window");
    let env: Vec<_> = review.agent.env.iter().map(|(key, value)| (&**key, &**value)).collect();
    assert_eq!(env, [("A", "1"), ("B", "2")]);
    assert_eq!(review.agent.tools, base.agent.tools);
    assert_eq!((review.model.temperature, review.model.seed), (Some(0.1), Some(7)));
    assert_eq!(review.round, Round { timeout: "5m".parse().unwrap(), ..base.round.clone() });
    // What it says nothing of is the profile's.
    let mended = Profile {
        agent: base.agent.clone(),
        model: base.model.clone(),
        round: base.round.clone(),
        ..review.clone()
    };
    assert_eq!(mended, *base);
    let build = base.phased("build");
    assert_eq!((build.agent.max_turns, build.agent.window), (Some(3), Some(9000)));
    for name in ["rest", "unheard-of"] {
        assert_eq!(base.phased(name), *base, "{name}");
    }
}

/// W9: a phase with an agent of its own has that agent's own settings, and no other's grace.
#[test]
fn another_harness_gets_nothing_that_is_the_profiles_own_and_the_grace_that_its_phase_says() {
    let text = "schema = 1\nname = \"m\"\n[agent]\nharness = \"claude\"\nmodel = \"anthropic/x\"\nargs = [\"--verbose\"]\n\
                command = [\"claude-wrapper\"]\nprompt_via = \"argv\"\nenv = { A = \"1\" }\n[round]\ngrace = \"10s\"\n\
                [supervise]\nrotation = [\"write\", \"try\"]\n[supervise.phase.try]\nround = { grace = \"2s\" }\n\
                agent = { harness = \"command\", command = [\"pi\"] }\n";
    let base = loaded(text, &[]);
    let phase = base.phased("try");
    let agent = &phase.agent;
    assert_eq!(
        (agent.harness.as_str(), agent.command.clone().unwrap().0),
        ("command", vec!["pi".to_owned()])
    );
    assert_eq!((&agent.model, &agent.args, agent.prompt_via), (&None, &Vec::new(), None));
    assert_eq!(agent.env, base.agent.env);
    assert_eq!(phase.round.grace.0, Duration::from_secs(2));
    assert_eq!(base.phased("write").round.grace.0, Duration::from_secs(10));
    assert_eq!(base.phased("write"), *base);
}

#[test]
fn a_system_prompt_takes_the_place_of_the_other_kind() {
    let phase = "[supervise]\nrotation = [\"a\"]\n[supervise.phase.a.prompt]\n";
    let by_text =
        loaded(&format!("{MINIMAL}[prompt]\nsystem_file = \"s.md\"\n{phase}system = \"Be long.\"\n"), &[]);
    let prompt = by_text.phased("a").prompt;
    assert_eq!((prompt.system.as_deref(), prompt.system_file), (Some("Be long."), None));
    let by_file =
        loaded(&format!("{MINIMAL}[prompt]\nsystem = \"Be long.\"\n{phase}system_file = \"s.md\"\n"), &[]);
    let prompt = by_file.phased("a").prompt;
    assert_eq!((prompt.system, prompt.system_file.is_some()), (None, true));
    let none = loaded(&format!("{MINIMAL}[prompt]\nfiles = [\"s.md\"]\n{phase}files = []\n"), &[]);
    assert_eq!((none.prompt.files.len(), none.phased("a").prompt.files.len()), (1, 0));
}

#[test]
fn a_schedule_of_a_phase_replaces_the_windows_and_keeps_the_zone() {
    let text = format!(
        "{MINIMAL}[supervise]\nrotation = [\"a\", \"b\", \"c\"]\n[supervise.schedule]\ntimezone = \"europe/berlin\"\n\
         run = [\"Mon..Fri 09:00-17:00\"]\npause = [\"12:00-13:00\"]\n\
         [supervise.phase.a.schedule]\nrun = [\"sat 10:00-12:00\"]\n[supervise.phase.b.schedule]\ntimezone = \"UTC\"\n"
    );
    let base = loaded(&text, &[]);
    let schedule = |name| supervise(&base.phased(name)).schedule.clone().unwrap();
    let name = |schedule: &Schedule| schedule.timezone.as_ref().unwrap().name().to_owned();
    assert_eq!((schedule("a").run, schedule("a").pause), (windows(&["Sat 10:00-12:00"]), Vec::new()));
    assert_eq!(name(&schedule("a")), "Europe/Berlin");
    assert_eq!(
        (schedule("b").run.len(), schedule("b").pause.len(), name(&schedule("b"))),
        (0, 0, "UTC".to_owned())
    );
    assert_eq!(schedule("c"), supervise(&base).schedule.clone().unwrap());
}

/// Scar, relative paths were resolved against the caller's directory: they are those of the file that names them.
#[test]
fn files_of_a_phase_are_relative_to_who_names_them() {
    let base = "schema = 1\n[prompt]\nfiles = [\"common.md\"]\n[supervise]\nrotation = [\"a\", \"b\"]\n\
                [supervise.phase.a.prompt]\nfiles = [\"a.md\"]\n[[supervise.member]]\nprofile = \"other.toml\"\n";
    let top =
        format!("extends = \"sub/base.toml\"\n{MINIMAL}[supervise.phase.b.prompt]\nsystem_file = \"b.md\"\n");
    let dir = dir(&[
        ("sub/base.toml", base),
        ("sub/common.md", ""),
        ("sub/a.md", ""),
        ("sub/other.toml", ""),
        ("b.md", ""),
        ("c.md", ""),
        ("p.toml", &top),
    ]);
    let profile = resolve(dir.path(), &[]).unwrap().profile;
    let at = |name: &str| dir.path().join(name);
    assert_eq!(profile.phased("a").prompt.files, [at("sub/a.md")]);
    let second = profile.phased("b").prompt;
    assert_eq!((second.files, second.system_file), (vec![at("sub/common.md")], Some(at("b.md"))));
    assert_eq!(supervise(&profile).member[0].profile, at("sub/other.toml"));
    let set = resolve(dir.path(), &["supervise.phase.a.prompt.files=[\"c.md\"]"]).unwrap().profile;
    assert_eq!(set.phased("a").prompt.files, [at("c.md")]);
}

#[test]
fn what_is_missing_in_each_phase_is_told_once() {
    let text = format!(
        "{MINIMAL}[prompt]\nfiles = [\"gone.md\"]\n[supervise]\nrotation = [\"a\"]\n\
         [supervise.phase.a.prompt]\nsystem = \"Be brief.\"\n"
    );
    let dir = dir(&[("p.toml", &text)]);
    let error = resolve(dir.path(), &["budget.rounds=0", "agent.harness=clod"]).unwrap_err();
    let titles: Vec<&str> = error.titles().collect();
    assert_eq!(titles.len(), 3, "{titles:?}");
    assert!(!titles.iter().any(|title| title.contains("phase")), "{titles:?}");
}

#[test]
fn what_is_wrong_with_the_profile_is_told_of_the_profile() {
    // The phase comes first in the file, and holds what is wrong too.
    let text = "schema = 1\nname = \"m\"\n[supervise]\nrotation = [\"a\"]\n[supervise.phase.a]\nagent = { max_turns = 3 }\n\
                [agent]\nharness = \"claude\"\nmodle = \"x\"\n";
    let dir = dir(&[("p.toml", text)]);
    let error = resolve(dir.path(), &[]).unwrap_err();
    assert_eq!(error.titles().collect::<Vec<_>>(), ["unknown key `modle` in `[agent]`"]);
}

#[test]
fn phases_and_windows_survive_the_manifest() {
    let text = format!(
        "{CHAT}[supervise]\nrotation = [\"a\", \"b\"]\nphase_policy = \"skip\"\nstop_file = \"STOP\"\nfingerprint = [\"src/**\"]\n\
         [supervise.schedule]\ntimezone = \"Europe/Berlin\"\npause = [\"mon-wed 22:00-06:00\"]\n\
         [supervise.phase.a]\nagent = {{ model = \"local/b\" }}\nprompt = {{ files = [\"s.md\"] }}\n\
         schedule = {{ run = [\"Sat,Sun 00:00-24:00\"] }}\n[supervise.phase.b]\n"
    );
    let profile = loaded(&text, &["supervise.detect.stale=1h"]);
    let json = serde_json::to_value(&*profile).unwrap();
    assert_eq!(json["supervise"]["schedule"]["pause"], json!(["Mon..Wed 22:00-06:00"]));
    assert_eq!(json["supervise"]["phase"]["b"], json!({}));
    let read = from_manifest(serde_json::from_str(&json.to_string()).unwrap()).unwrap();
    assert_eq!(read, *profile);
    for name in ["a", "b"] {
        assert_eq!(read.phased(name), profile.phased(name));
    }
}

#[test]
fn two_phases_overlap_only_with_agents_and_windows_of_their_own_in_one_zone() {
    let phase = |name: &str, keys: &str| format!("[supervise.phase.{name}]\n{keys}\n");
    let agent = "agent = { max_turns = 3 }\n";
    let case = |a: &str, b: &str| {
        let text =
            format!("{CHAT}[supervise]\nrotation = [\"a\", \"b\"]\n{}{}", phase("a", a), phase("b", b));
        let dir = dir(&[("p.toml", &text)]);
        resolve(dir.path(), &[]).err().map(|error| error.titles().map(str::to_owned).collect::<Vec<_>>())
    };
    let day = |agent: &str, more: &str| format!("{agent}schedule = {{ run = [\"08:00-20:00\"]{more} }}");
    let night =
        |agent: &str, more: &str| format!("{agent}schedule = {{ run = [\"Fri 19:59-06:00\"]{more} }}");
    let told = case(&day(agent, ""), &night(agent, "")).unwrap();
    assert_eq!(told, ["the phases `a` and `b` may both run at Fri 19:59, each with an agent of its own"]);
    assert_eq!(case(&day("", ""), &night(agent, "")), None, "one of them has the profile's agent");
    assert_eq!(case(agent, &night(agent, "")), None, "one of them has no windows");
    assert_eq!(case(&day(agent, ", pause = [\"19:00-20:00\"]"), &night(agent, "")), None);
    let elsewhere = ", timezone = \"UTC\"";
    assert_eq!(case(&day(agent, elsewhere), &night(agent, "")), None, "not the same zone");
    assert!(case(&day(agent, elsewhere), &night(agent, elsewhere)).is_some());
}

#[test]
fn the_schema_knows_the_loop() {
    let schema = json_schema();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let valid = |text: &str| {
        validator.is_valid(&toml::from_str::<serde_json::Value>(&format!("schema = 1\n{text}")).unwrap())
    };
    assert!(valid(
        "[supervise.schedule]\nrun = [\"Mon..Fri 09:00-17:30\", \"sat, sun 22:00-06:00\", \"00:00-24:00\"]"
    ));
    for wrong in ["Monday 09:00-17:00", "9:00-17:00", "24:00-06:00", "09:00-24:30", "09:00"] {
        assert!(!valid(&format!("[supervise.schedule]\nrun = [\"{wrong}\"]")), "{wrong}");
    }
    assert!(valid("[supervise.phase.a]\nagent = { model = \"a/b\" }\nround = { timeout = \"5m\" }"));
    assert!(!valid("[supervise.phase.a]\nagent = { modle = \"a/b\" }"));
    assert!(!valid("[supervise.phase.a]\nworkspace = { dirty = \"commit\" }"));
    assert_eq!(schema.pointer("/$defs/Backoff/properties/ceiling/default"), Some(&json!("30m")));
    assert_eq!(schema.pointer("/$defs/Supervise/properties/pause/default"), Some(&json!("3s")));
}

/// Scar, a scalar where a list belongs exploded into characters: it is refused, with what to write.
#[test]
fn a_text_where_a_list_belongs_is_refused() {
    for key in ["rotation", "fingerprint", "auto_stop", "schedule.run", "schedule.pause", "member"] {
        let dir = dir(&[("p.toml", MINIMAL)]);
        let error = resolve(dir.path(), &[&format!("supervise.{key}=\"Mon\"")]).unwrap_err();
        assert_eq!(
            error.titles().collect::<Vec<_>>(),
            [format!("`supervise.{key}` has a value that it cannot take")]
        );
        let text = error.render(false);
        assert!(text.contains("expected a list, found a string") && text.contains("help: "), "{text}");
    }
}

/// Scar, NaN and Infinity crashed the loop: no number of it may be either, nor below what it means.
#[test]
fn a_number_that_is_none_is_refused_by_name() {
    for key in [
        "detect.hung_factor",
        "detect.rate_threshold",
        "host.disk_warning_pct",
        "host.disk_critical_pct",
        "host.memory_full_critical",
        "host.memory_some_warning",
        "host.disk_growth_pct_per_hour",
        "host.cgroup_growth_mb_per_min",
    ] {
        for value in ["nan", "-nan", "inf", "-inf", "-0.1", "0"] {
            let dir = dir(&[("p.toml", MINIMAL)]);
            let error = resolve(dir.path(), &[&format!("supervise.{key}={value}")]).unwrap_err();
            let title = format!("`supervise.{key}` is out of range");
            assert!(error.titles().any(|told| told == title), "{value}: {error}");
        }
    }
}

#[test]
fn the_bounds_of_a_range_are_in_it() {
    let dir = dir(&[("p.toml", MINIMAL)]);
    for sets in [
        &["detect.rate_window=1", "detect.rate_threshold=1", "detect.orphan_chain=1"][..],
        &["detect.rate_window=32", "detect.repeat_window=2", "detect.repeat_threshold=2"],
        &["detect.repeat_window=0", "detect.repeat_threshold=0"],
        &["host.brake_step_pct=50", "host.brake=true", "host.memory_available_mb=0"],
        &["host.disk_warning_pct=100", "host.disk_critical_pct=100", "host.memory_full_critical=100"],
        &["backoff.base=1ms", "backoff.ceiling=1ms", "pause=1ms", "rounds=1", "parallel=1", "fresh_eyes=1"],
        &["give_up.crashes=0", "give_up.idle=0", "give_up.memory=0", "keep_rounds=0", "auto_stop=[]"],
        &["stop_file=./a/STOP", "done_file=DONE", "fingerprint=[\"**/*.{rs,toml}\"]"],
    ] {
        let sets: Vec<String> = sets.iter().map(|set| format!("supervise.{set}")).collect();
        let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
        if let Err(error) = resolve(dir.path(), &sets) {
            panic!("{sets:?}: {error}");
        }
    }
}
