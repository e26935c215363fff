//! The chain of candidates: the rows of `runtime-fallback.md` that a profile decides, and what a candidate is made of.

use super::*;

const HEAD: &str = "schema = 1\nname = \"m\"\n";
const CLAUDE: &str = "harness = \"claude\"\nmodel = \"anthropic/claude-opus-4-5\"\n";
const CHAT: &str = "harness = \"chat\"\nmodel = \"local/qwen3\"\nendpoint = \"local\"\n";
const ENDPOINTS: &str = "[endpoints.local]\napi = \"openai\"\nbase_url = \"http://127.0.0.1:1/v1\"\n[endpoints.claude]\napi = \"anthropic\"\nbase_url = \"http://127.0.0.1:2/v1\"\nkey_env = \"CLAUDE_KEY\"\n";

/// A profile with this `[agent]`, these other tables, and the endpoints `local` and `claude`.
fn text(agent: &str, rest: &str) -> String {
    format!("{HEAD}[agent]\n{agent}\n{rest}\n{ENDPOINTS}")
}

fn loaded(agent: &str, rest: &str) -> Result<Profile, String> {
    let dir = dir(&[("p.toml", &text(agent, rest)), ("s.toml", "")]);
    resolve(dir.path(), &[]).map(|loaded| (*loaded.profile).clone()).map_err(|error| error.render(false))
}

fn described(profile: &Profile) -> Vec<String> {
    profile.candidates().iter().map(Profile::describes).collect()
}

/// A row of the specification.
struct Row {
    id: &'static str,
    agent: &'static str,
    fallback: &'static str,
    /// Who is asked, in order; or a part of what is said, when it is refused.
    expected: Result<&'static [&'static str], &'static str>,
    /// Where we decide otherwise than the older system, or say it more exactly.
    decided: &'static str,
}

const ROWS: &[Row] = &[
    Row {
        id: "B5",
        agent: CLAUDE,
        fallback: "[\"anthropic/a\", \"anthropic/b\"]",
        expected: Ok(&["claude anthropic/claude-opus-4-5", "claude anthropic/a", "claude anthropic/b"]),
        decided: "",
    },
    Row {
        id: "B4",
        agent: CLAUDE,
        fallback: "[]",
        expected: Ok(&["claude anthropic/claude-opus-4-5"]),
        decided: "there are no categories: a profile's own chain is the only one, and `[]` means none",
    },
    Row {
        id: "B8",
        agent: CLAUDE,
        fallback: "[\"anthropic/claude-opus-4.5\", \"bedrock/claude-opus-4-5\"]",
        expected: Ok(&[
            "claude anthropic/claude-opus-4-5",
            "claude anthropic/claude-opus-4.5",
            "claude bedrock/claude-opus-4-5",
        ]),
        decided: "an alias stays in the chain: whether it is of use depends on the scope of the failure",
    },
    Row {
        id: "B20",
        agent: CHAT,
        fallback: "[\"qwen3-small\"]",
        expected: Err("`agent.fallback[0]`: the model `qwen3-small` does not say its provider"),
        decided: "refused before the run, not when it is wanted",
    },
    Row {
        id: "B27",
        agent: CLAUDE,
        fallback: "\"anthropic/claude-opus-4-5\"",
        expected: Err("`agent.fallback[0]`: it asks for the same as the primary"),
        decided: "refused at load time, where it can be mended, and not skipped in silence",
    },
    Row {
        id: "B27",
        agent: CHAT,
        fallback: "[\"local/a\", { model = \"local/a\", endpoint = \"local\", harness = \"chat\" }]",
        expected: Err("`agent.fallback[1]`: it asks for the same as `agent.fallback[0]`"),
        decided: "an entry that repeats an earlier one as well",
    },
    Row {
        id: "B27",
        agent: CHAT,
        fallback: "[{ model = \"local/qwen3\", temperature = 0.5 }]",
        expected: Ok(&["chat local/qwen3 at local", "chat local/qwen3 at local"]),
        decided: "the same model with other settings is another request",
    },
    Row {
        id: "B30",
        agent: "harness = \"codex\"\nmodel = \"openai/gpt-5.2\"\n",
        fallback: "[\"openai/gpt-5-mini(high)\"]",
        expected: Err("write `{ model = \"openai/gpt-5-mini\", reasoning_effort = \"high\" }`"),
        decided: "effort is a key of the entry and no part of a name; a name with one in it is refused",
    },
    Row {
        id: "B30",
        agent: "harness = \"codex\"\nmodel = \"openai/gpt-5.2\"\n",
        fallback: "[\"\"]",
        expected: Err("`agent.fallback[0]`: the model's name is empty"),
        decided: "refused before the run",
    },
    Row {
        id: "1.2 mixed",
        agent: CLAUDE,
        fallback: "[\"anthropic/a\", { model = \"local/qwen3\", harness = \"chat\", endpoint = \"local\" }]",
        expected: Ok(&[
            "claude anthropic/claude-opus-4-5",
            "claude anthropic/a",
            "chat local/qwen3 at local",
        ]),
        decided: "",
    },
    Row {
        id: "1.2 string",
        agent: CLAUDE,
        fallback: "\"anthropic/a\"",
        expected: Ok(&["claude anthropic/claude-opus-4-5", "claude anthropic/a"]),
        decided: "",
    },
    Row {
        id: "1.2 unknown keys",
        agent: CLAUDE,
        fallback: "[{ model = \"anthropic/a\", top_p = 1 }]",
        expected: Err("unknown key `top_p` in `[agent.fallback[0]]`"),
        decided: "",
    },
    Row {
        id: "1.2 model required",
        agent: CLAUDE,
        fallback: "[{ endpoint = \"claude\" }]",
        expected: Err("`agent.fallback[0]`: the entry has no `model`"),
        decided: "",
    },
    Row {
        id: "1.2 inline variant",
        agent: "harness = \"codex\"\nmodel = \"openai/gpt-5.2\"\n",
        fallback: "[\"openai/gpt-5.2 XHigh\"]",
        expected: Err("reasoning_effort = \"xhigh\""),
        decided: "refused; only the words that are efforts, for a name may end in brackets",
    },
    Row {
        id: "1.2 inline variant",
        agent: CLAUDE,
        fallback: "[\"anthropic/claude (beta)\"]",
        expected: Ok(&["claude anthropic/claude-opus-4-5", "claude anthropic/claude (beta)"]),
        decided: "a word that is no effort is a part of the name",
    },
    Row {
        id: "8.6",
        agent: "harness = \"claude\"\nmodel = \"anthropic/a\"\nallowed_models = [\"anthropic/a\"]\n",
        fallback: "[\"anthropic/A\"]",
        expected: Err("`agent.fallback[0]`: the model `anthropic/A` is not among `agent.allowed_models`"),
        decided: "compared as written, never swapped",
    },
    Row {
        id: "8.6",
        agent: "harness = \"claude\"\nmodel = \"anthropic/a\"\nallowed_models = [\"anthropic/a\"]\n",
        fallback: "[{ harness = \"codex\" }]",
        expected: Err("name the model in the entry"),
        decided: "a harness that chooses by itself cannot be held to a list",
    },
];

#[test]
fn each_row_of_the_specification_holds() {
    for Row { id, agent, fallback, expected, decided } in ROWS {
        let got = loaded(&format!("{agent}fallback = {fallback}\n"), "");
        match (got, expected) {
            (Ok(profile), Ok(expected)) => assert_eq!(described(&profile), *expected, "{id}: {decided}"),
            (Err(error), Err(expected)) => assert!(error.contains(expected), "{id} ({decided}): {error}"),
            (Ok(profile), Err(_)) => panic!("{id} is accepted: {:?}", described(&profile)),
            (Err(error), Ok(_)) => panic!("{id} is refused: {error}"),
        }
    }
}

/// B1, decided: there is no switch; a chain is off when it may not be walked.
#[test]
fn a_chain_may_be_left_alone() {
    let agent = format!("{CLAUDE}fallback = [\"anthropic/a\"]\n");
    assert_eq!(loaded(&agent, "[retry]\nmax_fallbacks = 0\n").unwrap().retry.max_fallbacks, 0);
}

/// B3 and B4: a chain is the profile's own. One that it extends is inherited, unless it says its own or `[]`.
#[test]
fn a_chain_is_inherited_and_replaced_as_a_whole() {
    let base = format!("{HEAD}[agent]\n{CLAUDE}fallback = [\"anthropic/a\", \"anthropic/b\"]\n");
    for (own, expected) in [
        ("", &["claude anthropic/a", "claude anthropic/b"][..]),
        ("[agent]\nfallback = [\"anthropic/c\"]\n", &["claude anthropic/c"]),
        ("[agent]\nfallback = \"anthropic/d\"\n", &["claude anthropic/d"]),
        ("[agent]\nfallback = []\n", &[]),
    ] {
        let top = format!("schema = 1\nextends = \"base.toml\"\n{own}");
        let dir = dir(&[("base.toml", &base), ("p.toml", &top)]);
        let profile = resolve(dir.path(), &[]).unwrap().profile;
        assert_eq!(described(&profile)[1..], *expected, "{own}");
    }
}

/// B29 and B30: what is asked stays the same, and an entry's settings stay with it.
#[test]
fn a_candidate_is_the_primary_but_for_what_its_entry_names() {
    let agent = format!(
        "{CHAT}tools = [\"read\"]\nmax_turns = 9\nwindow = 32_000\nmcp = {{ m = {{ command = [\"m\"] }} }}\nfallback = [\"local/a\", {{ model = \"local/b\", temperature = 0.7, seed = 8, reasoning_effort = \"low\", max_output_tokens = 64, window = 200_000, tools = [], max_turns = 3 }}, \"local/c\"]\n"
    );
    let rest = "[model]\ntemperature = 0.2\nseed = 7\n[prompt]\nsystem = \"s\"\n[check]\ncontains = \"x\"\n";
    let profile = loaded(&agent, rest).unwrap();
    let [primary, plain, own, after] = profile.candidates().try_into().unwrap();
    assert_eq!(primary.window(), Some(32_000));
    for candidate in [&plain, &after] {
        assert_eq!(candidate.model, profile.model, "not the settings of the entry between");
        assert_eq!((candidate.window(), candidate.agent.max_turns), (None, Some(9)));
    }
    assert_eq!((own.model.temperature, own.model.seed), (Some(0.7), Some(8)));
    assert_eq!((own.model.max_output_tokens, own.model.reasoning_effort.as_deref()), (Some(64), Some("low")));
    assert_eq!(
        (own.window(), own.agent.max_turns, own.agent.tools.clone()),
        (Some(200_000), Some(3), Some(vec![]))
    );
    for candidate in [primary, plain, own, after] {
        assert_eq!((&candidate.prompt, &candidate.check), (&profile.prompt, &profile.check));
        assert_eq!(
            (&candidate.agent.mcp, &candidate.agent.endpoint),
            (&profile.agent.mcp, &profile.agent.endpoint)
        );
        assert!(candidate.agent.fallback.is_empty());
    }
}

#[test]
fn another_harness_gets_what_is_meant_and_not_what_is_the_primarys_own() {
    let agent = format!(
        "{CLAUDE}endpoint = \"claude\"\ncommand = [\"my-claude\"]\nargs = [\"-x\"]\nprompt_via = \"argv\"\npermissions = \"read-only\"\nfallback = [\
         {{ harness = \"opencode\", model = \"anthropic/a\" }}, \
         {{ harness = \"codex\", without = [\"agent.endpoint\", \"model.max_output_tokens\"], permissions = \"bypass\", args = [\"-y\"] }}, \
         {{ harness = \"chat\", model = \"local/b\", endpoint = \"local\", without = [\"agent.permissions\", \"lineage.session\"] }}, \
         {{ model = \"anthropic/c\", without = [\"agent.endpoint\"], args = [] }}]\n"
    );
    let rest = "[lineage]\nsession = \"continue\"\n[model]\nmax_output_tokens = 5\n";
    let profile = loaded(&agent, rest).unwrap();
    let [_, opencode, codex, chat, claude] = profile.candidates().try_into().unwrap();
    for other in [&opencode, &codex, &chat] {
        assert_eq!((&other.agent.command, other.agent.prompt_via), (&None, None), "{}", other.describes());
    }
    assert_eq!(opencode.describes(), "opencode anthropic/a at claude");
    assert_eq!((opencode.agent.permissions, opencode.agent.args.len()), (Some(Permissions::ReadOnly), 0));
    assert_eq!(opencode.lineage.session, SessionPolicy::Continue);
    assert_eq!((codex.describes().as_str(), &codex.agent.args[..]), ("codex", &["-y".to_owned()][..]));
    assert_eq!((codex.agent.permissions, codex.model.max_output_tokens), (Some(Permissions::Bypass), None));
    assert_eq!((chat.agent.permissions, chat.lineage.session), (None, SessionPolicy::Fresh));
    assert_eq!(chat.model.max_output_tokens, Some(5));
    assert_eq!(claude.describes(), "claude anthropic/c");
    assert_eq!((&claude.agent.command, claude.agent.args.len()), (&profile.agent.command, 0));
}

/// Each key that an entry may go without is refused without that, and gone with it: nothing is dropped, nothing is stuck.
#[test]
fn what_an_entry_goes_without_is_the_only_thing_it_lacks() {
    let set = |key: Without| match key {
        Without::Endpoint => (CHAT, "", "harness = \"acp\"\ncommand = [\"a\"]"),
        Without::Permissions => {
            (CLAUDE, "permissions = \"bypass\"", "harness = \"scripted\"\nscript = \"s.toml\"")
        }
        Without::Mcp => (CLAUDE, "mcp.m.command = [\"m\"]", "harness = \"aider\""),
        Without::MaxOutputTokens => (CLAUDE, "[model]\nmax_output_tokens = 5", "harness = \"codex\""),
        Without::Temperature => ("harness = \"opencode\"", "[model]\ntemperature = 1", "harness = \"codex\""),
        Without::ReasoningEffort => {
            ("harness = \"codex\"", "[model]\nreasoning_effort = \"low\"", "harness = \"claude\"")
        }
        Without::Seed => (CHAT, "[model]\nseed = 1", "model = \"a/b\"\nendpoint = \"claude\""),
        Without::Session => {
            (CLAUDE, "[lineage]\nsession = \"continue\"", "harness = \"scripted\"\nscript = \"s.toml\"")
        }
        Without::Fork => {
            (CLAUDE, "[lineage]\nsession = \"continue\"\nfork = \"require\"", "harness = \"gemini\"")
        }
        Without::Stream => {
            ("harness = \"opencode-server\"", "[stream]\nmode = \"poll\"", "harness = \"opencode\"")
        }
    };
    for key in Without::ALL {
        let (agent, rest, entry) = set(key);
        let with = |without: &str| loaded(agent, &format!("{rest}\n[[agent.fallback]]\n{entry}\n{without}"));
        let (word, json) = (key.key(), serde_json::to_value(key).unwrap());
        assert_eq!(json, word);
        let refused = with("").unwrap_err();
        let remedy = format!("add `without = [\"{word}\"]` to the entry");
        assert!(refused.contains(&remedy) && refused.contains("`agent.fallback[0]`: "), "{word}: {refused}");
        assert_eq!(refused.matches("error: ").count(), 1, "{word}: {refused}");
        let accepted = with(&format!("without = [\"{word}\"]")).unwrap();
        assert_eq!(accepted.candidates().len(), 2);
    }
}

#[test]
fn the_script_of_an_entry_is_found_where_it_is_named() {
    let agent = format!("{CLAUDE}fallback = [{{ harness = \"scripted\", script = \"./s.toml\" }}]\n");
    let dir = dir(&[("p.toml", &text(&agent, "")), ("s.toml", "")]);
    let profile = resolve(dir.path(), &[]).unwrap().profile;
    assert_eq!(profile.candidates()[1].agent.script, Some(dir.path().join("s.toml")));
}

#[test]
fn a_plain_entry_is_written_as_a_name() {
    let profile = loaded(
        &format!("{CLAUDE}fallback = [{{ model = \"a/b\" }}, {{ model = \"a/c\", args = [] }}]\n"),
        "",
    );
    let json = serde_json::to_value(profile.unwrap()).unwrap();
    assert_eq!(json["agent"]["fallback"], json!(["a/b", { "model": "a/c", "args": [] }]));
}

fn entry() -> impl Strategy<Value = Fallback> {
    let settings = (
        proptest::option::of(1_u32..9_999),
        proptest::option::of(0.0..=2.0_f64),
        proptest::option::of(Just("low".to_owned())),
        proptest::option::of(0..=i64::MAX.unsigned_abs()),
    );
    let agent = (
        proptest::option::of(1_u64..2_000_000),
        proptest::option::of(proptest::collection::vec(
            prop_oneof![Just(Tool::Read), Just(Tool::Shell), Just(Tool::Edit)],
            0..3,
        )),
        proptest::option::of(1_u32..99),
        any::<bool>(),
    );
    (settings, agent).prop_map(|((most, temperature, effort, seed), (window, tools, max_turns, harness))| {
        Fallback {
            max_output_tokens: most,
            temperature,
            reasoning_effort: effort,
            seed,
            window,
            tools,
            max_turns,
            harness: harness.then(|| "chat".to_owned()),
            ..Fallback::default()
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_chain_survives_the_manifest_and_the_file(entries in proptest::collection::vec(entry(), 0..5)) {
        let mut profile = loaded(CHAT, "").unwrap();
        profile.agent.fallback = entries;
        for (index, entry) in profile.agent.fallback.iter_mut().enumerate() {
            entry.model = Some(format!("p/m{index}"));
        }
        let json = serde_json::to_string(&profile).unwrap();
        let back = from_manifest(serde_json::from_str(&json).unwrap()).unwrap();
        prop_assert_eq!(&back, &profile);
        prop_assert_eq!(back.candidates(), profile.candidates());

        let dir = tempfile::tempdir().unwrap();
        put(&dir.path().join("p.toml"), toml::to_string(&profile).unwrap().as_bytes());
        let read = resolve(dir.path(), &[]).map_err(|error| TestCaseError::fail(error.render(false)))?;
        prop_assert_eq!(&*read.profile, &profile);
    }
}
