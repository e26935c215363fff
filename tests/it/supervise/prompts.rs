//! The prompt of each round: exactly as it is then, with what the agent should know in front of it.

use crate::support::looped::story;
use crate::support::sandbox::{Sandbox, of_kind};

const ANSWERS: &str = "cat > /dev/null\necho done\n";

fn with_file(agent: &str, rest: &str) -> Sandbox {
    let keys = format!("[prompt]\nfiles = [\"ctl/task.md\"]\n[supervise]\npause = \"20ms\"\n{rest}");
    let sandbox = Sandbox::looped(agent, &keys);
    sandbox.write("ctl/task.md", "---\ntitle: front matter\n---\nPaint the wall.\n");
    sandbox
}

#[test]
fn a_prompt_file_that_is_changed_is_sent_as_it_is_then() {
    let sandbox =
        with_file("cat > /dev/null\necho 'Paint the door.' > ctl/task.md\necho done\n", "rounds = 2\n");
    let ran = sandbox.supervise(&[]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(sandbox.prompts(1), ["Paint the wall.\n\nGo on.\n"]);
    let second = sandbox.prompts(2).pop().unwrap();
    assert!(second.ends_with("</round-context>\n\nPaint the door.\n\nGo on.\n"), "{second}");
}

/// Scar R721: a prompt that no agent would take burned 123 rounds. It ends the loop before a round is used up.
#[test]
fn a_prompt_that_becomes_unfit_ends_the_loop_and_costs_no_round() {
    for (change, words) in [
        ("printf '' > ctl/task.md", "the prompt is empty"),
        ("echo '--help' > ctl/task.md", "begins with a dash, in"),
        ("printf -- '---\\na: 1\\n---\\n- list' > ctl/task.md", "begins with a dash, in"),
        ("rm ctl/task.md", "cannot be read"),
    ] {
        let agent =
            format!("cat > /dev/null\nif [ -e ctl/once ]; then {change}; fi\ntouch ctl/once\necho done\n");
        let sandbox = with_file(&agent, "");
        let ran = sandbox.run(&["supervise"]);
        assert_eq!(ran.code, Some(2), "{change}: {}", ran.err);
        let (outcome, code, rounds, reason) = sandbox.ended();
        assert_eq!((outcome.as_str(), code, rounds), ("misconfigured", 2, 2), "{change}: {reason}");
        assert!(
            reason.contains(words) && reason.contains("task.md") || words == "the prompt is empty",
            "{reason}"
        );
        assert_eq!(of_kind(&sandbox.events(), "round.started").len(), 2, "{change}");
    }
}

/// Scar R721: before the first round it is refused, and no run is there.
#[test]
fn an_unfit_prompt_is_refused_before_the_first_round() {
    let sandbox = with_file(ANSWERS, "min_prompt = 500\n");
    for (text, words) in [
        ("---\nnever closed\n", "begins with a dash"),
        ("- a list\n", "begins with a dash"),
        ("---\na: 1\n---\n", "the prompt is empty"),
        ("Short.\n", "`supervise.min_prompt` wants 500"),
    ] {
        sandbox.write("ctl/task.md", text);
        let ran = sandbox.run(&["supervise"]);
        assert_eq!(ran.code, Some(2), "{text}: {}", ran.err);
        assert!(ran.err.contains(words), "{text}: {}", ran.err);
        assert!(!sandbox.path(".provost/runs").exists(), "{text}");
    }
}

/// Scar "90 KB of memos vanished in an orphan stash": the next prompt names the commit. And all else that it should know.
#[test]
fn the_next_prompt_tells_what_was_stashed_how_the_last_round_ended_and_what_somebody_said() {
    let agent = "cat > /dev/null\necho memo > memo.md\nprintf x >> a.txt\n\
                 if [ ! -e ctl/once ]; then touch ctl/once; while [ ! -e ctl/go ]; do sleep 0.05; done; fi\necho done\n";
    let sandbox = Sandbox::looped(agent, "[supervise]\npause = \"20ms\"\nrounds = 2\n");
    sandbox.write("a.txt", "a\n");
    sandbox.git(&["add", "a.txt"]);
    sandbox.git(&["commit", "-qm", "a"]);
    let run = sandbox.begin(&[]);
    sandbox.comes_to("agent.spawned", 1);
    let steer = sandbox.run(&["steer", "--no-wait", "Use tabs."]);
    assert_eq!(steer.code, Some(0), "{}", steer.err);
    sandbox.write("ctl/go", "");
    let ran = crate::support::sandbox::finish(run);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let events = sandbox.events();
    let commit = of_kind(&events, "tree.settled")[0]["commit"].as_str().unwrap();
    let expected = format!(
        "<round-context>\nThis is round 2. Round 1 ended with an answer.\n\
         Round 1 left work that was not committed: 2 files (a.txt, memo.md). It is in the stash commit {commit}; \
         `git stash apply {commit}` brings it back.\n\
         A message for you from whoever watches:\nUse tabs.\n</round-context>\n\nGo on.\n"
    );
    assert_eq!(sandbox.prompts(1), ["Go on.\n"]);
    assert_eq!(sandbox.prompts(2), [expected], "{}", story(&events));
    let told = of_kind(&events, "steer.acknowledged");
    assert_eq!((&told[0]["effect"], &told[0]["round"]), (&"next_prompt".into(), &2.into()));
    assert_eq!(sandbox.git(&["show", &format!("{commit}^3:memo.md")]), "memo");
}

#[test]
fn the_next_prompt_tells_how_the_last_round_failed() {
    let agent = "cat > /dev/null\necho half > half.txt\necho boom >&2\nexit 3\n";
    let sandbox = Sandbox::looped(
        agent,
        "[retry]\nsame_model = 0\n[supervise]\npause = \"20ms\"\ngive_up = { crashes = 2 }\n",
    );
    let ran = sandbox.supervise(&[]);
    assert_eq!(ran.code, Some(6), "{}", ran.err);
    let prompt = sandbox.prompts(2).pop().unwrap();
    assert!(prompt.contains("Round 1 failed (") && prompt.contains("boom"), "{prompt}");
    assert!(prompt.contains("The work tree still has what round 1 left: 1 file (half.txt)."), "{prompt}");
}

/// An agent that keeps its conversation: every second round begins a new one, and the agent is told.
#[test]
fn fresh_eyes_begin_a_conversation_of_their_own_and_say_so() {
    let said = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/captures/claude-2.1.328/text.jsonl");
    let agent = format!("echo \"$*\" >> ctl/argv\ncat > /dev/null\ncat {said}\n");
    let sandbox = Sandbox::new(
        "[agent]\nharness = \"claude\"\ncommand = [\"sh\", \"agent.sh\"]\npermissions = \"bypass\"\n\
         [lineage]\nsession = \"continue\"\n[supervise]\npause = \"20ms\"\nrounds = 4\nfresh_eyes = 3\n",
    );
    sandbox.write("agent.sh", &agent);
    sandbox.repository();
    let ran = sandbox.supervise(&[]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let events = sandbox.events();
    let fresh: Vec<bool> = of_kind(&events, "round.started")
        .iter()
        .map(|round| round["fresh_eyes"].as_bool().unwrap_or(false))
        .collect();
    assert_eq!(fresh, [false, false, true, false]);
    let argv = sandbox.read("ctl/argv");
    let goes_on: Vec<bool> = argv
        .lines()
        .filter(|line| line.contains("stream-json"))
        .map(|line| line.contains("--resume"))
        .collect();
    assert_eq!(goes_on, [false, true, false, true], "{argv}");
    for round in 1..=4 {
        let prompt = sandbox.prompts(round).pop().unwrap();
        assert_eq!(prompt.contains("Look at it with fresh eyes"), round == 3, "{prompt}");
    }
}
