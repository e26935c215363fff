//! `prompt.template`: how a profile puts the task to its agent, in a run and in a suite.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::support::completions::{self, Turn};
use crate::support::http::Server;
use crate::support::sandbox::{Sandbox, events, of_kind};

/// An agent that keeps what it is told.
const KEEPS: &str = "cat > told.txt\necho done\n";

fn keeping(template: &str) -> Sandbox {
    Sandbox::shell(KEEPS, "", &format!("[prompt]\nfiles = [\"rules.md\"]\n{template}\n"))
}

#[test]
fn a_run_puts_its_task_as_the_profile_says() {
    let sandbox = keeping("template = \"Question: {{ input }} ({{ hint | default('no hint') }})\"");
    sandbox.write("rules.md", "Be brief.\n");
    let ran = sandbox.run(&["run", "What is {{ this }}?"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(sandbox.read("told.txt"), "Be brief.\n\nQuestion: What is {{ this }}? (no hint)\n");
    let started = &of_kind(&sandbox.events(), "run.started")[0].clone();
    assert_eq!(started["task"], "What is {{ this }}?", "the task is what was asked for");
}

#[test]
fn a_template_of_a_file_is_as_good() {
    let sandbox = keeping("template_file = \"ask.jinja\"");
    sandbox.write("rules.md", "Be brief.\n");
    sandbox.write("ask.jinja", "Answer this:\n{{ input }}\n");
    let ran = sandbox.run(&["run", "--out", "out", "Why?"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(sandbox.read("told.txt"), "Be brief.\n\nAnswer this:\nWhy?\n");
    sandbox.write("ask.jinja", "{{ input }");
    let ran = sandbox.run(&["run", "Why?"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("`prompt.template_file` is not a template"), "{}", ran.err);
    assert!(ran.err.contains("provost.toml:9:17"), "{}", ran.err);
}

#[test]
fn what_a_template_cannot_say_is_refused_before_anything_is_asked() {
    for (template, words) in [
        ("About {{ topic }}: {{ input }}", "`prompt.template` of `test`: there is no `topic`"),
        ("Say hello.", "`prompt.template` of `test`: the task would be dropped"),
        ("{{ input | frobnicate }}", "frobnicate"),
    ] {
        for verb in ["run", "supervise"] {
            let sandbox = keeping(&format!("template = \"{template}\""));
            sandbox.write("rules.md", "Be brief.\n");
            let ran = sandbox.run(&[verb, "Go."]);
            assert_eq!(ran.code, Some(2), "{verb} {template}: {}", ran.err);
            assert!(ran.err.contains(words) && ran.err.contains("help: "), "{verb} {template}: {}", ran.err);
            assert!(!sandbox.path("told.txt").exists(), "{template}");
            assert!(!sandbox.path(".provost/runs").exists(), "{verb} {template}: a run was begun");
        }
    }
}

#[test]
fn each_phase_of_a_loop_puts_the_task_in_its_own_way() {
    let sandbox = Sandbox::looped(
        "cat >> ctl/told\necho done\n",
        "[prompt]\ncontext = \"none\"\ntemplate = \"Plan: {{ input }}\"\n\
         [supervise]\nrotation = [\"plan\", \"build\"]\npause = \"20ms\"\nrounds = 2\n\
         [supervise.phase.build.prompt]\ntemplate_file = \"ctl/build.jinja\"\n",
    );
    sandbox.write("ctl/build.jinja", "Build {{ input }} now.\n");
    let ran = sandbox.supervise(&[]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(sandbox.read("ctl/told"), "Plan: Go on.\nBuild Go on. now.\n");
}

/// A server that knows rivers, and a directory with an imported suite that asks it.
struct Rivers {
    sandbox: Sandbox,
    server: Server,
}

const FIRST: &str = "prompt-1-openai-chat-gpt-5-mini.toml";
const SECOND: &str = "prompt-2-openai-chat-gpt-5-mini.toml";

impl Rivers {
    fn new() -> Self {
        let server = Server::answering(|_, request| {
            let said =
                if completions::texts(request).concat().contains("short") { "Rhine, Danube" } else { "Nile" };
            Some(completions::answer(request, &Turn::Say(said)))
        });
        let sandbox = Sandbox::new("");
        let two = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/suite/promptfoo/two.yaml");
        let text = std::fs::read_to_string(two).unwrap();
        sandbox.write("two.yaml", &text.replace("http://127.0.0.1:9/v1", &server.url()));
        let ran = sandbox.run(&["suite", "import", "two.yaml", "-o", "."]);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        assert!(!ran.err.contains("not taken over"), "{}", ran.err);
        Self { sandbox, server }
    }

    /// A call of `certify` with more arguments.
    #[track_caller]
    fn certify(&self, candidate: &str, baseline: &str, out: &str, more: &[&str], codes: &[i32]) -> String {
        let mut args =
            vec!["certify", "-p", candidate, "--baseline", baseline, "-S", "suite.toml", "--out", out];
        args.extend(more);
        let mut command = self.sandbox.command(&args);
        let child = command.env("OPENAI_API_KEY", "key").spawn().unwrap();
        let ran = crate::support::sandbox::finish(child);
        assert!(codes.contains(&ran.code.unwrap()), "{args:?}: {:?}\n{}", ran.code, ran.err);
        ran.err
    }

    fn said(&self) -> BTreeSet<String> {
        self.server.requests().iter().map(|request| completions::texts(request).concat()).collect()
    }

    fn asked(&self) -> usize {
        self.server.requests().len()
    }

    fn keys(&self, out: &str) -> BTreeSet<String> {
        let events = events(&self.sandbox.path(out));
        of_kind(&events, "cell.ended").iter().map(|cell| cell["key"].as_str().unwrap().to_owned()).collect()
    }

    fn edit(&self, file: &str, from: &str, to: &str) {
        let text = self.sandbox.read(file);
        assert!(text.contains(from), "{file}: {text}");
        self.sandbox.write(file, &text.replace(from, to));
    }
}

#[test]
fn two_prompts_of_a_configuration_are_held_against_each_other() {
    let rivers = Rivers::new();
    let more = ["suite", "check", "-S", "suite.toml", "-p", FIRST, "-p", SECOND];
    assert_eq!(rivers.sandbox.run(&more).code, Some(0));
    rivers.certify(SECOND, FIRST, "dry", &["--dry-run"], &[0]);
    assert_eq!(rivers.asked(), 0);
    // Two cases are too few for a gate, and enough to see what is sent.
    rivers.certify(SECOND, FIRST, "run", &[], &[3]);
    let wanted: BTreeSet<String> = [
        "Name a river near Bonn.\n",
        "Name a river near Ulm.\n",
        "You know rivers.\n\nName a short river near Bonn, and nothing else.\n",
        "You know rivers.\n\nName a short river near Ulm, and nothing else.\n",
    ]
    .map(str::to_owned)
    .into();
    assert_eq!(rivers.said(), wanted);
    assert_eq!(rivers.asked(), 4);
    let dry = rivers.sandbox.read("dry/prompts.jsonl");
    for text in wanted {
        assert!(dry.contains(&serde_json::to_string(&text).unwrap()), "{text} is not in {dry}");
    }
    let plan: Value = serde_json::from_str(&rivers.sandbox.read("run/plan.json")).unwrap();
    assert_eq!(plan["arms"][0]["template"], "Name a river near {{place}}.");
    assert_ne!(plan["arms"][0]["provenance"]["prompt"], plan["arms"][1]["provenance"]["prompt"]);
    let means = |arm: &str| {
        let events = events(&rivers.sandbox.path("run"));
        let verdict = of_kind(&events, "verdict.reached")[0].clone();
        let arms = verdict["certified"]["arms"].as_array().unwrap().clone();
        arms.iter().find(|figures| figures["arm"] == arm).unwrap()["mean"]["mean"].as_f64()
    };
    assert_eq!(means("prompt-1-openai-chat-gpt-5-mini"), Some(0.0));
    assert_eq!(means("prompt-2-openai-chat-gpt-5-mini"), Some(1.0));
}

#[test]
fn a_changed_template_is_another_cell_and_only_of_its_arm() {
    let rivers = Rivers::new();
    rivers.certify(SECOND, FIRST, "run", &[], &[3]);
    let before = rivers.keys("run");
    assert_eq!(before.len(), 4);
    // The suite's template stands for nobody here.
    rivers.edit("suite.toml", "Name a river near {{place}}.", "Which river is near {{place}}?");
    rivers.certify(SECOND, FIRST, "suite", &[], &[3]);
    assert_eq!(rivers.keys("suite"), before);
    rivers.edit(SECOND, "a short river", "a very short river");
    rivers.certify(SECOND, FIRST, "second", &[], &[3]);
    let second = rivers.keys("second");
    assert_eq!(second.intersection(&before).count(), 2, "those of the first prompt");
    // The same call would answer another question.
    let err = rivers.certify(SECOND, FIRST, "run", &[], &[2]);
    assert!(err.contains("holds a run of other profiles, cases or settings"), "{err}");
    // A run goes on with what its plan says, whatever the file says by now.
    let asked = rivers.asked();
    let journal = rivers.sandbox.read("run/journal.jsonl");
    let whole: Vec<&str> = journal.split_inclusive('\n').collect();
    let cell = whole.iter().position(|line| line.contains("\"cell.started\"")).unwrap();
    rivers.sandbox.write("run/journal.jsonl", &whole[..cell].concat());
    let mut command = rivers.sandbox.command(&["certify", "--resume", "run"]);
    let ran = crate::support::sandbox::finish(command.env("OPENAI_API_KEY", "key").spawn().unwrap());
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    assert_eq!(rivers.keys("run"), before);
    let again: Vec<String> = rivers.server.requests()[asked..]
        .iter()
        .map(|request| completions::texts(request).concat())
        .collect();
    assert!(again.iter().any(|text| text.contains("a short river near Ulm")), "{again:?}");
    assert!(!again.iter().any(|text| text.contains("very short")), "{again:?}");
}

#[test]
fn a_stored_run_is_comparable_as_long_as_its_own_template_stands() {
    let rivers = Rivers::new();
    let plain = "plain.toml";
    let text = rivers.sandbox.read(FIRST);
    rivers.sandbox.write(plain, &text[..text.find("[prompt]").unwrap()]);
    for (profile, out) in [(FIRST, "own"), (plain, "plain")] {
        rivers.certify(profile, SECOND, out, &[], &[3]);
    }
    // Only the candidate's template is another one: that is what is compared.
    rivers.edit(SECOND, "a short river", "a very short river");
    rivers.certify(SECOND, "own", "a", &[], &[3]);
    rivers.certify(SECOND, "plain", "b", &[], &[3]);
    rivers.edit("suite.toml", "Name a river near {{place}}.", "Which river is near {{place}}?");
    rivers.certify(SECOND, "own", "c", &[], &[3]);
    let err = rivers.certify(SECOND, "plain", "d", &[], &[2]);
    assert!(err.contains("the template differ"), "{err}");
}

#[test]
fn a_template_that_fails_for_a_case_is_refused_before_anything_is_asked() {
    let rivers = Rivers::new();
    rivers.edit(SECOND, "{{place}}", "{{town}}");
    let err = rivers.certify(SECOND, FIRST, "run", &[], &[2]);
    assert!(err.contains("`prompt.template` of `prompt-2-openai-chat-gpt-5-mini`: case `"), "{err}");
    assert!(err.contains("the case has no field `town`"), "{err}");
    assert_eq!(rivers.asked(), 0);
    let ran = rivers.sandbox.run(&["suite", "check", "-S", "suite.toml", "-p", SECOND, "-p", FIRST]);
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.err.contains("`prompt.template` of `prompt-2-openai-chat-gpt-5-mini` fails for 2 cases"),
        "{}",
        ran.err
    );
}

#[test]
fn a_judge_is_asked_in_words_of_ours_and_takes_no_template() {
    let rivers = Rivers::new();
    let judge =
        "[[score]]\nname = \"kind\"\nkind = \"judge\"\n[score.options]\nrubric = \"Is it kind?\"\nprofile = ";
    let suite = rivers.sandbox.read("suite.toml");
    rivers.sandbox.write(
        "suite.toml",
        &suite.replace("\n# What decides", &format!("\n{judge}\"{FIRST}\"\n\n# What decides")),
    );
    let err = rivers.certify(SECOND, FIRST, "run", &[], &[2]);
    let words = "`prompt.template` of `prompt-1-openai-chat-gpt-5-mini` cannot be honoured: a judge is asked";
    assert!(err.contains(words), "{err}");
    assert_eq!(rivers.asked(), 0);
    let ran = rivers.sandbox.run(&["suite", "check", "-S", "suite.toml"]);
    assert!(ran.code == Some(2) && ran.err.contains("cannot be honoured"), "{}", ran.err);
}
