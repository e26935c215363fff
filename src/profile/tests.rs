//! The way of a profile, from text to value.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::*;

mod chain;
mod phase;

const MINIMAL: &str = "schema = 1\nname = \"m\"\n[agent]\nharness = \"claude\"\n";

/// A directory with files in it.
fn dir(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        put(&dir.path().join(name), text.as_bytes());
    }
    dir
}

fn put(path: &Path, bytes: &[u8]) {
    use std::io::Write;
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::File::create(path).unwrap().write_all(bytes).unwrap();
}

fn resolve(dir: &Path, sets: &[&str]) -> Result<Loaded, ProfileError> {
    let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
    load(Source { path: Path::new("p.toml"), sets: &sets, cwd: dir })
}

#[test]
fn a_minimal_profile_has_the_defaults() {
    let dir = dir(&[("p.toml", MINIMAL)]);
    let loaded = resolve(dir.path(), &[]).unwrap();
    let profile = &loaded.profile;
    assert_eq!(profile.round.timeout.0, Duration::from_mins(30));
    assert_eq!(profile.round.first_event.0, Duration::from_secs(90));
    assert_eq!(profile.round.stall.0, Duration::from_mins(10));
    assert_eq!(profile.round.tool.0, Duration::from_mins(15));
    assert_eq!(profile.round.grace.0, Duration::from_secs(10));
    assert_eq!(profile.round.grace_after_result.0, Duration::from_secs(20));
    assert_eq!((profile.retry.same_model, profile.retry.max_fallbacks), (2, 3));
    assert_eq!(profile.agent.inherit_env, ["PATH", "HOME", "LANG", "TERM"]);
    assert_eq!(profile.check, None, "the default timeout of a check makes no check");
    assert_eq!(profile.workspace.dir, PathBuf::from("."));
    assert_eq!(loaded.files, [dir.path().join("p.toml")]);
    assert_eq!(loaded.dir, dir.path());
}

#[test]
fn a_check_has_a_default_timeout() {
    let dir = dir(&[("p.toml", &format!("{MINIMAL}[check]\ncontains = \"ok\"\n"))]);
    let check = resolve(dir.path(), &[]).unwrap().profile.check.clone().unwrap();
    assert_eq!(check.timeout.unwrap().0, Duration::from_mins(10));
    let by_set = resolve(dir.path(), &["check.timeout=5s"]).unwrap();
    assert_eq!(by_set.profile.check.as_ref().unwrap().timeout.unwrap().0, Duration::from_secs(5));
}

#[test]
fn layers_merge_tables_and_replace_lists() {
    let base = "schema = 1\nname = \"base\"\n[agent]\nharness = \"claude\"\nargs = [\"-a\", \"-b\"]\nenv = { A = \"1\", B = \"1\" }\n[budget]\nrounds = 3\n";
    let top = "schema = 1\nextends = \"sub/base.toml\"\nname = \"top\"\n[agent]\nargs = [\"-c\"]\nenv = { B = \"2\" }\n";
    let dir = dir(&[("sub/base.toml", base), ("p.toml", top)]);
    let loaded = resolve(dir.path(), &["budget.rounds=7", "agent.env.C=3x"]).unwrap();
    let profile = &loaded.profile;
    assert_eq!((profile.name.as_str(), &profile.extends), ("top", &None));
    assert_eq!(profile.agent.args, ["-c"]);
    let env: Vec<_> = profile.agent.env.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(env, [("A", "1"), ("B", "2"), ("C", "3x")]);
    assert_eq!(profile.budget.rounds, Some(7));
    assert_eq!(loaded.files, [dir.path().join("sub/base.toml"), dir.path().join("p.toml")]);
}

#[test]
fn a_chain_is_followed_from_file_to_file_and_a_circle_is_refused() {
    let dir = dir(&[
        ("p.toml", "schema = 1\nextends = \"a/one.toml\"\nname = \"p\"\n"),
        ("a/one.toml", "schema = 1\nextends = \"../b/two.toml\"\n[budget]\nrounds = 2\n"),
        ("b/two.toml", "schema = 1\n[agent]\nharness = \"claude\"\n[budget]\nrounds = 1\ntokens = 5\n"),
    ]);
    let loaded = resolve(dir.path(), &[]).unwrap();
    assert_eq!((loaded.profile.budget.rounds, loaded.profile.budget.tokens), (Some(2), Some(5)));
    put(&dir.path().join("b/two.toml"), b"schema = 1\nextends = \"../p.toml\"\n");
    let message = resolve(dir.path(), &[]).unwrap_err().render(false);
    assert!(message.contains("extends itself") && message.contains("two.toml:2:11"), "{message}");
}

#[test]
fn set_takes_values_of_toml_and_else_a_string() {
    let dir = dir(&[("p.toml", MINIMAL)]);
    let set = |sets: &[&str]| resolve(dir.path(), sets).map(|loaded| loaded.profile);
    assert_eq!(set(&["agent.model=anthropic/x"]).unwrap().agent.model.as_deref(), Some("anthropic/x"));
    assert_eq!(set(&["agent.model='a=b'"]).unwrap().agent.model.as_deref(), Some("a=b"));
    assert_eq!(set(&["agent.args=[\"-x\"]"]).unwrap().agent.args, ["-x"]);
    assert_eq!(set(&["budget.usd=5"]).unwrap().budget.usd, Some(5.0));
    assert_eq!(set(&["budget.rounds=1", "budget.rounds=2"]).unwrap().budget.rounds, Some(2));
    assert_eq!(
        set(&["prompt.system=two\nlines = 1"]).unwrap().prompt.system.as_deref(),
        Some("two\nlines = 1")
    );
    let priced = set(&["prices.\"a/b=1.5\".input=1", "prices.'a/b=1.5'.output=2"]).unwrap();
    assert_eq!(priced.prices["a/b=1.5"].output.to_string(), "2");
    for bad in ["", "=", "=1", "a", "a.=1", "[agent]\nx=1", "a=1\nb=1", &format!("{}a=1", "a.".repeat(9999))]
    {
        assert!(set(&[bad]).unwrap_err().render(false).contains("--set"), "{bad:?}");
    }
}

#[test]
fn files_are_relative_to_who_names_them() {
    let dir = dir(&[
        ("sub/base.toml", "schema = 1\n[prompt]\nsystem_file = \"system.md\"\n"),
        ("sub/system.md", "Be brief."),
        ("task.md", "Do it."),
        ("p.toml", &format!("extends = \"./sub/base.toml\"\n{MINIMAL}[prompt]\nfiles = [\"task.md\"]\n")),
    ]);
    let loaded = resolve(dir.path(), &[]).unwrap();
    assert_eq!(loaded.profile.prompt.system_file, Some(dir.path().join("sub/system.md")));
    assert_eq!(loaded.profile.prompt.files, [dir.path().join("task.md")]);
    let by_set = resolve(dir.path(), &["prompt.files=[\"./sub/system.md\"]"]).unwrap();
    assert_eq!(by_set.profile.prompt.files, [dir.path().join("sub/system.md")]);
}

#[test]
fn a_resolved_profile_survives_the_manifest() {
    let text = format!(
        "{MINIMAL}model = \"a/b\"\n[check]\ncommand = [\"true\"]\n[budget]\nusd = 5\nwall = \"1h 30m\"\n[prices.\"a/b\"]\ninput = 1\noutput = 2.5\n"
    );
    let dir = dir(&[("p.toml", &text)]);
    let loaded = resolve(dir.path(), &[]).unwrap();
    let json = serde_json::to_value(&*loaded.profile).unwrap();
    assert_eq!(json["budget"]["wall"], json!("1h 30m"));
    assert_eq!(from_manifest(json).unwrap(), *loaded.profile);
}

#[test]
fn the_schema_takes_what_the_loader_takes() {
    let schema = json_schema();
    jsonschema::meta::validate(&schema).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let valid = |text: &str| validator.is_valid(&toml::from_str::<serde_json::Value>(text).unwrap());
    assert!(valid(include_str!("default.toml")));
    assert!(valid(MINIMAL));
    assert!(!valid("name = \"no schema\""));
    assert!(!valid("schema = 2"));
    assert!(!valid("schema = 1\n[round]\ntimeout = 90"));
    assert!(!valid("schema = 1\n[round]\ntimeout = \"soon\""));
    assert!(valid("schema = 1\n[round]\ntimeout = \"1h 30m\""));
    assert!(!valid("schema = 1\n[round]\ntimout = \"90s\""));
    assert!(!valid("schema = 1\n[check]\ncommand = \"cargo test\""));
    let fallback = |value: &str| valid(&format!("schema = 1\n[agent]\nfallback = {value}"));
    assert!(fallback("[]") && fallback("\"a/b\"") && fallback("[\"a/b\", { model = \"a/c\", args = [] }]"));
    assert!(fallback("[{ harness = \"claude\", without = [\"model.seed\"] }]"));
    assert!(!fallback("5") && !fallback("[5]") && !fallback("{ model = \"a/b\" }"));
    assert!(!fallback("[{ modle = \"a/b\" }]") && !fallback("[{ without = [\"prompt.system\"] }]"));
    assert_eq!(schema["$schema"], json!("https://json-schema.org/draft/2020-12/schema"));
    assert_eq!(schema.pointer("/$defs/Round/properties/stall/default"), Some(&json!("10m")));
    assert_eq!(
        schema.pointer("/$defs/Round/properties/stall/description"),
        Some(&json!("No event and no tool in flight for this long."))
    );
}

#[test]
fn the_table_of_capabilities_is_about_keys_that_exist() {
    let schema = json_schema();
    for row in capabilities() {
        let (table, key) = row.key.split_once('.').unwrap();
        let reference = schema["properties"][table]["$ref"].as_str().unwrap().trim_start_matches('#');
        let place = format!("{reference}/properties/{key}");
        assert!(schema.pointer(&place).is_some(), "{} is no key", row.key);
        assert!(row.harnesses.iter().all(|harness| HARNESSES.contains(harness)));
    }
    insta::assert_snapshot!(capability_table());
}

#[test]
fn each_harness_takes_all_that_it_honours() {
    let endpoint = |api: &str| {
        format!("[endpoints.e]\napi = \"{api}\"\nbase_url = \"http://127.0.0.1:1/v1\"\nkey_env = \"KEY\"\n")
    };
    let head = "schema = 1\nname = \"full\"\n[agent]\n";
    let profiles = [
        format!(
            "{head}harness = \"claude\"\nmodel = \"a/b\"\nallowed_models = [\"a/b\"]\nendpoint = \"e\"\ncommand = [\"claude\"]\nargs = [\"-x\"]\nprompt_via = \"argv\"\npermissions = \"bypass\"\nfallback = []\n[model]\nmax_output_tokens = 5\n[prompt]\nsystem = \"s\"\n[lineage]\nsession = \"continue\"\n{}",
            endpoint("anthropic")
        ),
        format!(
            "{head}harness = \"opencode\"\nmodel = \"a/b\"\nendpoint = \"e\"\ncommand = [\"opencode\"]\nargs = [\"-x\"]\npermissions = \"read-only\"\nmax_turns = 9\n[agent.mcp.m]\ncommand = [\"m\"]\n[model]\nmax_output_tokens = 5\ntemperature = 0\n[prompt]\nsystem = \"s\"\n[lineage]\nsession = \"continue\"\nfork = \"require\"\n{}",
            endpoint("openai-responses")
        ),
        format!(
            "{head}harness = \"command\"\ncommand = [\"cat\"]\nargs = [\"-\"]\nprompt_via = \"file\"\nprotocol = \"text\"\n[check]\njson = {{ path = \"a.b\", equals = \"1\" }}\n"
        ),
        format!(
            "{head}harness = \"chat\"\nmodel = \"a/b\"\nendpoint = \"e\"\ntools = [\"read\", \"shell\"]\nmax_turns = 9\n[model]\nmax_output_tokens = 5\ntemperature = 0\nreasoning_effort = \"low\"\nseed = 7\n[prompt]\nsystem = \"s\"\n{}",
            endpoint("openai")
        ),
        format!(
            "{head}harness = \"scripted\"\nscript = \"s.toml\"\ntools = [\"read\"]\n[prompt]\nsystem = \"s\"\n"
        ),
    ];
    for text in profiles {
        let dir = dir(&[("p.toml", &text), ("s.toml", "")]);
        if let Err(error) = resolve(dir.path(), &[]) {
            panic!("{error}");
        }
    }
}

#[test]
fn depth_is_bounded() {
    for text in [
        format!("{MINIMAL}\n{}a = 1\n", "a.".repeat(20_000)),
        format!("{MINIMAL}\na = {}1{}\n", "[".repeat(20_000), "]".repeat(20_000)),
        format!("{MINIMAL}\n[{}a]\n", "a.".repeat(20_000)),
    ] {
        let dir = dir(&[("p.toml", &text)]);
        assert!(resolve(dir.path(), &[]).is_err());
    }
}

#[test]
fn colour_only_on_demand() {
    let dir = dir(&[("p.toml", "schema = 1\nnmae = 1\n")]);
    let error = resolve(dir.path(), &[]).unwrap_err();
    assert!(!error.render(false).contains('\u{1b}'));
    assert!(error.render(true).contains('\u{1b}'));
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let dir = tempfile::tempdir().unwrap();
        put(&dir.path().join("p.toml"), &bytes);
        if let Err(error) = resolve(dir.path(), &[]) {
            prop_assert!(!error.render(false).is_empty());
        }
    }

    #[test]
    fn any_end_of_a_profile_is_read_without_a_panic(end in "(\\PC|[\\[\\]{}=\"'.,\n\r\t#a-z0-9 ]){0,200}") {
        let dir = tempfile::tempdir().unwrap();
        put(&dir.path().join("p.toml"), format!("{MINIMAL}{end}").as_bytes());
        if let Err(error) = resolve(dir.path(), &[]) {
            prop_assert!(!error.render(false).is_empty());
        }
    }

    #[test]
    fn any_set_is_read_without_a_panic(set in "[a-z.]{0,12}=?\\PC{0,40}") {
        let dir = dir(&[("p.toml", MINIMAL)]);
        if let Err(error) = resolve(dir.path(), &[&set]) {
            prop_assert!(!error.render(false).is_empty());
        }
    }
}
