#![expect(clippy::disallowed_methods, reason = "tests write files as a person would")]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::backend::chat::{Running, Script, ScriptedHarness, Shell, ShellCall, ShellOutput};
use crate::backend::{Harness as _, SessionPlan, Stop};
use crate::event::{AttemptNumber, NodeId, RoundNumber, SessionId};

fn request(dir: &Path, replay: Vec<Replayed>) -> Request {
    Request {
        node: NodeId::root(),
        round: RoundNumber(1),
        attempt: AttemptNumber(1),
        system: Some("be good".to_owned()),
        user: "do it".to_owned(),
        session: SessionPlan::Fresh(SessionId::new("s")),
        workspace: dir.join("ws"),
        transcript: dir.join("t/transcript.log"),
        directory: dir.to_owned(),
        images: Vec::new(),
        terse: false,
        takes_cut: false,
        replay,
    }
}

/// What an engine would have on record, one word each; and what it keeps for a resume.
#[derive(Default)]
struct Journal {
    words: Vec<String>,
    replay: Vec<Replayed>,
}

async fn play(
    dir: &Path,
    script: &str,
    settings: Settings,
    replay: Vec<Replayed>,
    stop_at: Option<&str>,
) -> (Result<Answer, Failure>, Journal) {
    std::fs::create_dir_all(dir.join("ws")).unwrap();
    let file = dir.join("script.toml");
    std::fs::write(&file, script).unwrap();
    let harness = ScriptedHarness::new(Script::load(&file).unwrap(), settings);
    let (link, mut ear, switch) = Link::new();
    let journal = Arc::new(Mutex::new(Journal::default()));
    let seen = Arc::clone(&journal);
    let stop_at = stop_at.map(str::to_owned);
    let engine = tokio::spawn(async move {
        while let Some(message) = ear.recv().await {
            let word = {
                let mut journal = seen.lock().unwrap();
                let word = match message.report {
                    Report::Prompt { part, .. } => format!("prompt {part:?}"),
                    Report::Turn { turn, message, .. } => {
                        journal.replay.push(Replayed::Turn(message.unwrap()));
                        format!("turn {turn}")
                    }
                    Report::ToolCalled(called) => {
                        journal.replay.push(Replayed::InDoubt(called.id.clone()));
                        format!("called {} {}", called.name, called.about)
                    }
                    Report::ToolReturned { id, ok, result, .. } => {
                        journal.replay.retain(|step| *step != Replayed::InDoubt(id.clone()));
                        journal.replay.push(Replayed::Tool { id, ok, result: result.unwrap() });
                        format!("returned {ok}")
                    }
                    Report::Accepted(_) => "accepted".to_owned(),
                    // Nobody else asks here.
                    Report::Leave => "may ask".to_owned(),
                    _ => continue,
                };
                if word != "may ask" {
                    journal.words.push(word.clone());
                }
                word
            };
            if stop_at.as_deref() == Some(word.as_str()) {
                switch.send_replace(Some(Stop::Gracefully));
            }
            if let Some(recorded) = message.recorded {
                recorded.send(()).unwrap();
            }
        }
        switch
    });
    let ended = tokio::time::timeout(Duration::from_secs(20), harness.attempt(request(dir, replay), link))
        .await
        .unwrap();
    let _ = engine.await.unwrap();
    let journal = std::mem::take(&mut *journal.lock().unwrap());
    (ended, journal)
}

const SCRIPT: &str = r#"
schema = 1
[[round]]
[[round.turn]]
text = "writing"
tool = [{ name = "write", path = "f", content = "a x b" }, { name = "edit", path = "f", old = "x", new = "y" }]
[[round.turn]]
tool = [{ name = "edit", path = "f", old = "b", new = "c" }, { name = "read", arguments = "{" }]
[[round.turn]]
text = "done"
"#;

#[tokio::test]
async fn everything_is_on_record_before_it_happens() {
    let dir = tempfile::tempdir().unwrap();
    let (ended, journal) = play(dir.path(), SCRIPT, Settings::default(), Vec::new(), None).await;
    assert_eq!(ended.unwrap(), Answer { text: "done".to_owned(), stop_reason: Some("stop".to_owned()) });
    assert_eq!(
        journal.words,
        [
            "prompt System",
            "prompt Tools",
            "prompt User",
            "accepted",
            "turn 1",
            "called write f",
            "returned true",
            "called edit f",
            "returned true",
            "prompt Conversation",
            "turn 2",
            "called edit f",
            "returned true",
            "called read ",
            "returned false",
            "prompt Conversation",
            "turn 3",
        ]
    );
    assert_eq!(std::fs::read_to_string(dir.path().join("ws/f")).unwrap(), "a y c");
    let transcript = std::fs::read_to_string(dir.path().join("t/transcript.log")).unwrap();
    assert!(transcript.contains("## turn 1\nwriting\n-> write {"), "{transcript}");
    assert!(transcript.ends_with("## answer\nstop\n"), "{transcript}");
}

#[tokio::test]
async fn an_attempt_goes_on_after_every_prefix_of_its_record() {
    let whole = tempfile::tempdir().unwrap();
    let (_, journal) = play(whole.path(), SCRIPT, Settings::default(), Vec::new(), None).await;
    let steps = journal.replay;
    for kept in 0..=steps.len() {
        for in_doubt in [false, true] {
            // The files are what the whole attempt made of them: the harder case for running a tool again.
            let dir = tempfile::tempdir().unwrap();
            std::fs::create_dir_all(dir.path().join("ws")).unwrap();
            let mut replay = steps[..kept].to_vec();
            let before = if kept > 1 { "a y b" } else { "a x b" };
            if kept > 0 {
                std::fs::write(dir.path().join("ws/f"), before).unwrap();
            }
            if let (true, Some(Replayed::Tool { id, .. })) = (in_doubt, replay.last().cloned()) {
                *replay.last_mut().unwrap() = Replayed::InDoubt(id);
            }
            if kept >= 5 {
                std::fs::write(dir.path().join("ws/f"), "a y c").unwrap();
            } else if kept == 2 {
                std::fs::write(dir.path().join("ws/f"), "a x b").unwrap();
            }
            let turns = replay.iter().filter(|step| matches!(step, Replayed::Turn(_))).count();
            let (ended, journal) = play(dir.path(), SCRIPT, Settings::default(), replay, None).await;
            assert_eq!(ended.unwrap().text, "done", "{kept} {in_doubt}");
            assert_eq!(
                std::fs::read_to_string(dir.path().join("ws/f")).unwrap(),
                "a y c",
                "{kept} {in_doubt}"
            );
            let asked = journal.words.iter().filter(|word| word.starts_with("turn ")).count();
            assert_eq!(asked + turns, 3, "{kept} {in_doubt}");
        }
    }
}

#[tokio::test]
async fn a_stop_ends_a_hang_and_a_delay() {
    for turn in ["hang = true", "delay = \"1h\"\ntext = \"late\""] {
        let dir = tempfile::tempdir().unwrap();
        let script = format!("schema = 1\n[[round]]\n[[round.turn]]\n{turn}\n");
        let (ended, _) = play(dir.path(), &script, Settings::default(), Vec::new(), Some("accepted")).await;
        let failure = ended.unwrap_err();
        assert_eq!(failure.class, FaultClass::UserAbort);
        assert!(!failure.emitted_output);
    }
}

#[tokio::test]
async fn a_stop_between_tools_runs_no_further_tool() {
    let dir = tempfile::tempdir().unwrap();
    let (ended, journal) =
        play(dir.path(), SCRIPT, Settings::default(), Vec::new(), Some("called write f")).await;
    let failure = ended.unwrap_err();
    assert_eq!((failure.class, failure.emitted_output), (FaultClass::UserAbort, true));
    assert_eq!(journal.words.last().unwrap(), "returned true");
    assert_eq!(std::fs::read_to_string(dir.path().join("ws/f")).unwrap(), "a x b");
}

#[tokio::test]
async fn an_attempt_without_an_answer_is_a_failure() {
    for (turn, class) in [
        ("no_payload = true", FaultClass::NoPayload),
        ("text = \"cut\"\nstop_reason = \"length\"", FaultClass::OutputLimit),
        ("text = \"no\"\nstop_reason = \"content_filter\"", FaultClass::ContentPolicy),
        ("text = \"x\"\nstop_reason = \"tool_calls\"", FaultClass::NoPayload),
        ("text = \"x\"\nstop_reason = \"eos\"", FaultClass::Unknown),
        ("tool = [{ name = \"list\" }]\nrepeat = 9", FaultClass::BudgetLimit),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let script = format!("schema = 1\n[[round]]\n[[round.turn]]\n{turn}\n");
        let settings = Settings { max_turns: 3, ..Settings::default() };
        let (ended, journal) = play(dir.path(), &script, settings, Vec::new(), None).await;
        let failure = ended.unwrap_err();
        assert_eq!(failure.class, class, "{turn}");
        assert_eq!(failure.emitted_output, !turn.starts_with("no_payload"), "{turn}");
        assert!(journal.words.iter().any(|word| word == "turn 1"), "a paid turn is on record");
    }
}

/// A text that was cut at the output limit is an answer for who takes it as one, and nothing else that was cut is.
#[tokio::test]
async fn a_text_that_was_cut_is_an_answer_where_that_is_asked_for() {
    for (turn, tools, takes_cut, taken) in [
        ("text = \"cut\"\nstop_reason = \"length\"", false, true, true),
        ("text = \"cut\"\nstop_reason = \"max_tokens\"", false, true, true),
        ("text = \"cut\"\nstop_reason = \"length\"", false, false, false),
        ("text = \"cut\"\nstop_reason = \"length\"", true, true, false),
        ("text = \" \\n\"\nstop_reason = \"length\"", false, true, false),
        ("text = \"no\"\nstop_reason = \"content_filter\"", false, true, false),
    ] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("ws")).unwrap();
        let file = dir.path().join("script.toml");
        std::fs::write(&file, format!("schema = 1\n[[round]]\n[[round.turn]]\n{turn}\n")).unwrap();
        let default = Settings::default();
        let settings = Settings { tools: if tools { default.tools.clone() } else { Vec::new() }, ..default };
        assert_eq!(settings.tools.is_empty(), !tools);
        let harness = ScriptedHarness::new(Script::load(&file).unwrap(), settings);
        let (link, mut ear, _switch) = Link::new();
        tokio::spawn(async move {
            while let Some(message) = ear.recv().await {
                message.recorded.map(|recorded| recorded.send(()));
            }
        });
        let request = Request { takes_cut, ..request(dir.path(), Vec::new()) };
        match harness.attempt(request, link).await {
            Ok(answer) => assert!(taken && answer.text == "cut", "{turn} {tools} {takes_cut}: {answer:?}"),
            Err(failure) => assert!(!taken, "{turn} {tools} {takes_cut}: {failure:?}"),
        }
    }
}

#[tokio::test]
async fn a_fault_ends_the_attempt_and_the_next_one_plays_on() {
    let dir = tempfile::tempdir().unwrap();
    let script =
        "schema = 1\n[[round]]\n[[round.turn]]\nfault = { status = 503 }\n[[round.turn]]\ntext = \"ok\"\n";
    let (ended, _) = play(dir.path(), script, Settings::default(), Vec::new(), None).await;
    assert!(!ended.unwrap_err().emitted_output);
    let script = Script::load(&dir.path().join("script.toml")).unwrap();
    let harness = ScriptedHarness::new(script, Settings::default());
    let (link, mut ear, _switch) = Link::new();
    tokio::spawn(async move {
        while let Some(message) = ear.recv().await {
            message.recorded.map(|recorded| recorded.send(()));
        }
    });
    let second = Request { attempt: AttemptNumber(2), ..request(dir.path(), Vec::new()) };
    assert_eq!(harness.attempt(second, link).await.unwrap().text, "ok");
}

#[test]
fn ids_that_cannot_be_answered_are_replaced() {
    let call = |id: &str| Call { id: id.to_owned(), name: "list".to_owned(), arguments: String::new() };
    let mut turn = Turn { tool_calls: vec![call("a"), call("a"), call("")], ..Turn::default() };
    turn.name_calls(TurnNumber(3));
    let ids: Vec<_> = turn.tool_calls.iter().map(|call| call.id.as_str()).collect();
    assert_eq!(ids, ["a", "call_3_1", "call_3_2"]);
}

/// A command that runs until it is told to stop.
struct Endless;

impl Shell for Endless {
    fn run<'a>(&'a self, mut call: ShellCall<'a>) -> Running<'a> {
        Box::pin(async move {
            call.stop.stopped(None).await;
            Ok(ShellOutput { output: b"killed".to_vec(), ..ShellOutput::default() })
        })
    }
}

#[tokio::test]
async fn a_stop_ends_a_command_and_leaves_it_in_doubt() {
    let dir = tempfile::tempdir().unwrap();
    let script =
        "schema = 1\n[[round]]\n[[round.turn]]\ntool = [{ name = \"shell\", command = \"sleep 9\" }]\n";
    let settings = Settings {
        tools: vec![crate::profile::Tool::Shell],
        shell: Arc::new(Endless),
        ..Settings::default()
    };
    let (ended, journal) = play(dir.path(), script, settings, Vec::new(), Some("called shell sleep 9")).await;
    assert_eq!(ended.unwrap_err().class, FaultClass::UserAbort);
    assert_eq!(journal.words.last().unwrap(), "called shell sleep 9");
    assert!(matches!(journal.replay.last(), Some(Replayed::InDoubt(_))));
}

#[tokio::test]
async fn an_engine_that_has_gone_ends_the_attempt() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("script.jsonl");
    std::fs::write(&file, "{\"text\":\"ok\"}\n").unwrap();
    let harness = ScriptedHarness::new(Script::load(&file).unwrap(), Settings::default());
    let (link, ear, _switch) = Link::new();
    drop(ear);
    let ended = harness.attempt(request(dir.path(), Vec::new()), link).await;
    assert_eq!(ended.unwrap_err().class, FaultClass::SelfAbort);
}
