//! What is made from the definitions is made again after they change, and everything it says of profiles is true.

use std::collections::BTreeMap;
use std::path::Path;

use assert_cmd::Command;
use tempfile::TempDir;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Provost without anything of the caller's surroundings, in a directory of its own.
fn provost(cwd: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_provost"));
    command.current_dir(cwd).env_clear();
    // A search path without agents: what `init` finds on this machine must not change the test.
    command.env("HOME", cwd).env("PATH", "/usr/bin:/bin").env("XDG_STATE_HOME", cwd);
    command
}

fn contents(dir: &Path) -> BTreeMap<String, String> {
    let Ok(entries) = std::fs::read_dir(dir) else { return BTreeMap::new() };
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    entries
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), read(&entry.path())))
        .collect()
}

#[test]
fn man_pages_and_completions_are_fresh() {
    let fresh = TempDir::new().unwrap();
    provost(fresh.path()).args(["man", "--write", "."]).assert().success();
    for dir in ["man", "completions"] {
        let (fresh, kept) = (contents(&fresh.path().join(dir)), contents(&root().join(dir)));
        assert!(!fresh.is_empty(), "nothing was written to {dir}/");
        let mut stale: Vec<&String> =
            fresh.keys().filter(|name| fresh.get(*name) != kept.get(*name)).collect();
        stale.extend(kept.keys().filter(|name| !fresh.contains_key(*name)));
        assert!(
            stale.is_empty(),
            "stale in {dir}/: {stale:?}\nfix: run `cargo run -q -- man --write .`, delete what is no longer written, \
             and commit both"
        );
    }
}

#[test]
fn every_page_has_what_a_page_needs() {
    for (name, page) in contents(&root().join("man")) {
        assert!(page.contains(".TH "), "{name} has no title");
        assert!(page.contains(".SH NAME") || page.contains(".SH \"NAME\""), "{name} has no name");
    }
}

/// The keys of a schema, as they are written in a file.
fn keys(schema: &serde_json::Value) -> Vec<String> {
    let names = |table: &serde_json::Value| -> Vec<String> {
        table["properties"].as_object().map(|keys| keys.keys().cloned().collect()).unwrap_or_default()
    };
    let mut keys = names(schema);
    for (_, table) in schema["$defs"].as_object().unwrap() {
        keys.extend(names(table));
    }
    keys
}

#[test]
fn the_schema_is_one_and_the_page_has_all_its_keys() {
    let dir = TempDir::new().unwrap();
    let output =
        provost(dir.path()).args(["schema", "profile"]).assert().success().get_output().stdout.clone();
    let schema: serde_json::Value = serde_json::from_slice(&output).unwrap();
    jsonschema::meta::validate(&schema).unwrap();
    let page = contents(&root().join("man")).remove("provost-profile.5").unwrap();
    for key in keys(&schema) {
        let forms = [format!("{key}\\fR"), format!("{key}]"), format!("{key}.NAME]")];
        let found = forms.iter().any(|form| page.contains(form));
        assert!(found, "`{key}` is not in provost-profile(5)");
    }
    // What the schema is for: an editor accepts a good profile and marks a bad one.
    let validator = jsonschema::validator_for(&schema).unwrap();
    let text = std::fs::read_to_string(root().join("examples/broken/provost.toml")).unwrap();
    let mut profile: serde_json::Value = toml::from_str(&text).unwrap();
    assert!(validator.is_valid(&profile), "the example is not valid by the schema");
    profile["agent"]["modle"] = "x/y".into();
    assert!(!validator.is_valid(&profile), "an unknown key is valid by the schema");
}

#[test]
fn the_example_loads() {
    let dir = TempDir::new().unwrap();
    let out = dir.path().join("run");
    provost(&root().join("examples/broken"))
        .args(["run", "--dry-run", "repair it", "--out"])
        .arg(&out)
        .assert()
        .success();
    assert!(out.join("manifest.json").exists());
}

#[test]
fn a_first_profile_loads() {
    let dir = TempDir::new().unwrap();
    let printed =
        provost(dir.path()).args(["init", "--print"]).assert().success().get_output().stdout.clone();
    let profile = dir.path().join("provost.toml");
    std::fs::write(&profile, &printed).unwrap();
    provost(dir.path()).args(["run", "--dry-run", "hello", "--out", "run"]).assert().success();
    assert!(dir.path().join("run/manifest.json").exists());
}
