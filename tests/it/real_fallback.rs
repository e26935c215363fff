//! Real agents, and our own loop, whose first endpoint fails as a row says and whose second one works: the task is done,
//! once, by one turn of the user.
#![allow(clippy::disallowed_methods, clippy::allow_attributes, reason = "a test stands outside of the house")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use play::{COMMAND, Chain, Fault, KEYS, Played, TASK, play};
use tongue::{Chat, Claude, Codex, Gemini, Opencode, Refusal, Tongue};

mod play;
mod tongue;

/// One row: what fails, what that is, and what an agent takes it for that tells less than the server did.
struct Row {
    id: &'static str,
    fault: Fault,
    class: &'static str,
    but: &'static [(&'static str, &'static str)],
}

const ROWS: &[Row] = &[
    Row {
        id: "429-long",
        fault: Fault::Refused(Refusal::RateLimit),
        class: "quota_exhausted",
        // It does not say how long the server asked to wait.
        but: &[("claude", "rate_limited")],
    },
    Row { id: "529", fault: Fault::Refused(Refusal::Overloaded), class: "overloaded", but: &[] },
    Row { id: "500", fault: Fault::Refused(Refusal::Server), class: "server_error", but: &[] },
    Row { id: "401", fault: Fault::Refused(Refusal::Auth), class: "auth", but: &[] },
    Row { id: "silent", fault: Fault::Silent, class: "first_event_timeout", but: &[] },
    Row { id: "hang-mid", fault: Fault::HangsMid, class: "stall", but: &[] },
    Row { id: "cut", fault: Fault::Cut, class: "transport", but: &[] },
    Row {
        id: "after-tool",
        fault: Fault::AfterTool(Refusal::Overloaded),
        class: "overloaded",
        // It tries again and again without a word.
        but: &[("opencode", "stall")],
    },
    Row { id: "overflow", fault: Fault::AfterTool(Refusal::Context), class: "context_overflow", but: &[] },
];

/// Notes what does not hold.
struct Complaints(Vec<String>);

impl Complaints {
    fn unless(&mut self, held: bool, what: impl FnOnce() -> String) {
        if !held {
            self.0.push(what());
        }
    }
}

/// How often the task stands in what a request has under the name of the user.
fn turns_of_user(tongue: &dyn Tongue, request: &crate::support::http::Recorded) -> usize {
    tongue.users(request).iter().map(|text| text.matches(TASK).count()).sum()
}

/// Plays a row, and says what does not hold of it.
fn hold(chain: Chain, row: &Row) -> Result<(), String> {
    let played = play(chain, row.fault);
    let mut wrong = Complaints(Vec::new());
    done_once(&played, chain, &mut wrong);
    let harness = chain.first.harness();
    let class = row.but.iter().find(|(named, _)| *named == harness).map_or(row.class, |(_, class)| class);
    let failed = played.ran.classes();
    wrong.unless(failed == [class], || format!("failed as {failed:?}, not as {class}"));
    if row.fault == Fault::AfterTool(Refusal::Context) {
        retold(&played, chain, &mut wrong);
    } else {
        switched(&played, chain, class, &mut wrong);
    }
    if matches!(row.fault, Fault::AfterTool(_)) {
        let last = if played.second.is_empty() { played.first.last() } else { played.second.first() };
        let told = last.is_some_and(|request| request.body.contains(COMMAND));
        wrong.unless(told, || "whoever went on was not told what had been done".to_owned());
    }
    if wrong.0.is_empty() {
        return Ok(());
    }
    let (id, took) = (row.id, played.ran.took);
    Err(format!("{id} over {harness} ({took:?}):\n- {}\n{}", wrong.0.join("\n- "), played.ran.story()))
}

/// What holds of every row: the task is done, by one turn of the user, and no secret is anywhere.
fn done_once(played: &Played, chain: Chain, wrong: &mut Complaints) {
    let ran = &played.ran;
    let code = ran.output.status.code();
    wrong.unless(code == Some(0), || format!("exit code {code:?}"));
    let file = &played.file;
    wrong.unless(file == "right\n", || format!("the file holds {file:?}"));
    let calls = ran.of("tool.called").len();
    wrong.unless(calls == 1, || format!("{calls} calls of tools"));
    // An agent that shortens a conversation by itself asks for that without the turn.
    let aside = played.first.iter().map(|request| (chain.first, request, 0));
    let second = played.second.iter().map(|request| (chain.second, request, 1));
    let last = if played.second.is_empty() { played.first.last() } else { None };
    let last = last.map(|request| (chain.first, request, 1));
    for (tongue, request, least) in aside.chain(second).chain(last) {
        let turns = turns_of_user(tongue, request);
        wrong.unless((least..=1).contains(&turns), || {
            format!("{turns} turns of the user: {:?}", tongue.users(request))
        });
    }
    for (variable, key) in KEYS {
        wrong.unless(!ran.holds(key), || format!("the key of {variable} is on record"));
    }
    // Address, key and model of a candidate go together.
    let stray = played.second_raw.iter().any(|request| format!("{request:?}").contains(KEYS[0].1));
    wrong.unless(!stray, || "the second endpoint was given the first one's key".to_owned());
    let [_, second] = chain.second.models();
    let named: Vec<String> = played.second.iter().map(|request| chain.second.model(request)).collect();
    wrong.unless(named.iter().all(|model| second.ends_with(model)), || format!("it was asked for {named:?}"));
}

/// What holds where another candidate goes on.
fn switched(played: &Played, chain: Chain, class: &str, wrong: &mut Complaints) {
    let (ran, [from, _], [_, to]) = (&played.ran, chain.first.models(), chain.second.models());
    let switches = ran.of("fallback.switched");
    let right = switches.len() == 1
        && says(switches[0], "from", &[chain.first.harness(), from])
        && says(switches[0], "to", &[chain.second.harness(), to])
        && switches[0]["why"] == class
        && switches[0]["candidate"] == 1;
    wrong.unless(right, || format!("switched {switches:?}"));
    let candidates = candidates(played);
    wrong.unless(candidates == [0, 1], || format!("the candidates of the attempts were {candidates:?}"));
    wrong.unless(!played.second.is_empty(), || "the second endpoint was not asked".to_owned());
    let waits = ran.of("wait.started").len();
    wrong.unless(waits == 0, || format!("{waits} waits, where there was another to go on"));
}

/// What holds where the conversation had grown too large: the same candidate begins a shorter one.
fn retold(played: &Played, chain: Chain, wrong: &mut Complaints) {
    let switches = played.ran.of("fallback.switched");
    wrong.unless(switches.is_empty(), || format!("switched {switches:?}"));
    let candidates = candidates(played);
    wrong.unless(candidates == [0, 0], || format!("the candidates of the attempts were {candidates:?}"));
    let asked = played.second.len();
    wrong.unless(asked == 0, || format!("the second endpoint was asked {asked} times"));
    let opening = played.ran.of("attempt.started").last().map(|started| started["opening"].clone());
    wrong.unless(opening == Some("retold".into()), || format!("the conversation was {opening:?}"));
    let last = played.first.last();
    wrong.unless(last.is_some_and(|request| !chain.first.returned(request)), || {
        "what did not fit was sent again".to_owned()
    });
}

fn says(event: &Value, key: &str, words: &[&str]) -> bool {
    event[key].as_str().is_some_and(|text| words.iter().all(|word| text.contains(word)))
}

fn candidates(played: &Played) -> Vec<u64> {
    let started = played.ran.of("attempt.started");
    started.iter().map(|event| event["candidate"].as_u64().unwrap_or(0)).collect()
}

/// Plays rows, two at a time: agents are heavy, and their own clocks do not wait for a machine that is busy.
fn all(chains: &[(Chain, &Row)]) {
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((chain, row)) = chains.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(complaint) = hold(*chain, row) {
                        wrong.lock().unwrap().push(complaint);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {} rows\n{}", wrong.len(), chains.len(), wrong.join("\n\n"));
}

/// Plays rows with two candidates of one harness.
fn rows(tongue: &'static dyn Tongue, ids: &[&str]) {
    let chain = Chain { first: tongue, second: tongue };
    let rows: Vec<(Chain, &Row)> = ids.iter().map(|id| (chain, row(id))).collect();
    all(&rows);
}

fn row(id: &str) -> &'static Row {
    ROWS.iter().find(|row| row.id == id).unwrap_or_else(|| panic!("there is no row {id}"))
}

/// Every row.
fn every(tongue: &'static dyn Tongue) {
    rows(tongue, &ROWS.iter().map(|row| row.id).collect::<Vec<_>>());
}

#[test]
fn chat_falls_back_on_every_row() {
    every(&Chat);
}

#[test]
#[cfg_attr(not(real_claude), ignore = "needs the Claude Code CLI; .ci/install-real installs it")]
fn real_claude_falls_back_on_every_row() {
    every(&Claude);
}

#[test]
#[cfg_attr(not(real_codex), ignore = "needs the Codex CLI; .ci/install-real installs it")]
fn real_codex_falls_back_on_every_row() {
    every(&Codex);
}

#[test]
#[cfg_attr(not(real_opencode), ignore = "needs the opencode CLI; .ci/install-real installs it")]
fn real_opencode_falls_back_on_what_it_tells_of() {
    // The others it meets with more than a minute of silence, which the row `silent` is about; it shortens a conversation
    // by itself.
    rows(&Opencode, &["401", "silent", "after-tool"]);
}

#[test]
#[cfg_attr(not(real_gemini), ignore = "needs Gemini CLI; .ci/install-real installs it")]
fn real_gemini_falls_back_on_a_refusal_a_silence_and_a_cut() {
    rows(&Gemini, &["429-long", "silent", "cut", "after-tool", "overflow"]);
}

/// Where the harness changes there is no session to go on with: what was done is told in words.
#[test]
#[cfg_attr(not(all(real_claude, real_codex)), ignore = "needs two CLIs; .ci/install-real installs them")]
fn real_clis_hand_over_to_another_harness_what_was_done() {
    let chains = [
        Chain { first: &Claude, second: &Codex },
        Chain { first: &Codex, second: &Chat },
        Chain { first: &Chat, second: &Claude },
    ];
    all(&chains.map(|chain| (chain, row("after-tool"))));
}
