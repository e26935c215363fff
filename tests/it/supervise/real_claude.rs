//! The loop with the real Claude Code CLI, whose server names the time at which a limit resets.

use std::process::Child;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::support::anthropic::{self, Turn};
use crate::support::http::{Recorded, Response, Server};
use crate::support::run::{holds, needed};
use crate::support::sandbox::{Ran, Sandbox, events, finish, of_kind, signal, wait_for};

const KEY: &str = "dummy-key-of-no-account-51a7";
const FIRST: &str = "The first word is written.";
const LAST: &str = "The last word is written.";

/// A request, and when it came.
#[derive(Clone, Debug)]
struct Asked {
    at: Timestamp,
    request: Recorded,
}

/// A server, and all that it was asked.
struct Model {
    server: Server,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// The reset that it has named.
    reset: Arc<Mutex<Option<Timestamp>>>,
}

/// Whether it is a turn of the agent, and nothing that the program asks beside its work.
fn is_turn(request: &Recorded) -> bool {
    anthropic::asks(request) && anthropic::offers(request, "Write")
}

/// The refusal of a subscription whose limit of five hours is used up, in the headers of the API.
fn used_up(reset: Timestamp) -> Response {
    let after = reset.duration_since(Timestamp::now()).as_secs().max(1);
    anthropic::refusal(429, "rate_limit_error", "This request would exceed your account's rate limit.")
        .header("retry-after", &after.to_string())
        .header("anthropic-ratelimit-unified-status", "rejected")
        .header("anthropic-ratelimit-unified-representative-claim", "five_hour")
        .header("anthropic-ratelimit-unified-reset", &reset.as_second().to_string())
}

impl Model {
    /// Answers the first turn, refuses the second for so many seconds, and answers the ones after that.
    fn limited(seconds: i64) -> Self {
        let (asked, reset) = (Arc::new(Mutex::new(Vec::<Asked>::new())), Arc::new(Mutex::new(None)));
        let (notes, named) = (Arc::clone(&asked), Arc::clone(&reset));
        let server = Server::answering(move |_, request| {
            let mut asked = notes.lock().unwrap();
            let before = asked.iter().filter(|asked| is_turn(&asked.request)).count();
            asked.push(Asked { at: Timestamp::now(), request: request.clone() });
            Some(match before {
                _ if !anthropic::asks(request) => anthropic::aside(request),
                _ if !is_turn(request) => anthropic::answer(request, &Turn::Say("Aside")),
                0 => anthropic::answer(request, &Turn::Say(FIRST)),
                1 => {
                    // The API names whole seconds.
                    let at = Timestamp::from_second(Timestamp::now().as_second() + seconds).unwrap();
                    *named.lock().unwrap() = Some(at);
                    used_up(at)
                }
                _ => anthropic::answer(request, &Turn::Say(LAST)),
            })
        });
        Self { server, asked, reset }
    }

    fn all(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    fn turns(&self) -> Vec<Asked> {
        self.all().into_iter().filter(|asked| is_turn(&asked.request)).collect()
    }
}

/// A profile for the CLI at the server; `endpoint` are more keys of its table, `supervise` of its own.
fn sandbox(server: &Server, endpoint: &str, supervise: &str) -> Sandbox {
    let claude = needed("PROVOST_TEST_CLAUDE");
    Sandbox::new(&format!(
        r#"
[agent]
harness = "claude"
model = "anthropic/claude-sonnet-4-5"
endpoint = "here"
command = ["{claude}"]
permissions = "bypass"
[agent.env]
IS_SANDBOX = "1"
CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC = "1"
CLAUDE_CODE_MAX_RETRIES = "0"
DISABLE_TELEMETRY = "1"
DISABLE_ERROR_REPORTING = "1"
[endpoints.here]
api = "anthropic"
base_url = "{url}"
{endpoint}
[lineage]
session = "continue"
[retry]
wait = "1s"
[workspace]
dirty = "ignore"
[supervise]
pause = "50ms"
{supervise}
"#,
        claude = claude.display(),
        url = server.url(),
    ))
}

const TASK: &str = "Write one word more into words.txt.";

/// The loop, with a login of a subscription.
fn start(sandbox: &Sandbox) -> Child {
    let mut command = sandbox.command(&["supervise", TASK]);
    command.env("CLAUDE_CODE_OAUTH_TOKEN", KEY).spawn().unwrap()
}

fn story(ran: &Ran, events: &[Value]) -> String {
    let events: Vec<String> = events.iter().map(Value::to_string).collect();
    format!("{}\n{}\n{}", ran.out, ran.err, events.join("\n"))
}

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

/// Waits until the loop waits for the reset, for the nth time.
fn waits(sandbox: &Sandbox, times: usize) -> Value {
    let mut wait = None;
    wait_for("the wait for the reset", || {
        if !sandbox.path(".provost/runs").exists() {
            return false;
        }
        let Some(journal) = journal(sandbox) else { return false };
        let limits = of_kind(&journal, "wait.started").into_iter().filter(|wait| wait["cause"] == "limit");
        let found: Vec<&Value> = limits.collect();
        wait = found.get(times - 1).map(|wait| (*wait).clone());
        wait.is_some()
    });
    wait.unwrap()
}

/// The whole lines of the journal of the only run, where there is one.
fn journal(sandbox: &Sandbox) -> Option<Vec<Value>> {
    let run = std::fs::read_dir(sandbox.path(".provost/runs")).ok()?.next()?.ok()?.path();
    let text = std::fs::read_to_string(run.join("journal.jsonl")).ok()?;
    let (whole, _) = text.rsplit_once('\n')?;
    Some(whole.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// Section 7, G13: three rounds of one session; the second meets a limit with a reset, which is kept to the second.
#[test]
#[cfg_attr(not(real_claude), ignore = "needs the Claude Code CLI; .ci/install-real installs it")]
fn real_claude_goes_on_with_its_session_after_the_reset_and_not_a_moment_before() {
    let model = Model::limited(9);
    let sandbox = sandbox(&model.server, "", "rounds = 3");
    let ran = finish_patiently(start(&sandbox));
    let events = events(&sandbox.run_dir());
    let story = story(&ran, &events);
    assert_eq!(ran.code, Some(0), "{story}");
    let outcomes: Vec<&Value> =
        of_kind(&events, "round.ended").iter().map(|round| &round["outcome"]).collect();
    assert_eq!(outcomes, ["answered", "failed", "answered"], "{story}");

    // One conversation, under one id.
    let sessions: Vec<&Value> =
        of_kind(&events, "attempt.accepted").iter().map(|accepted| &accepted["session"]).collect();
    assert_eq!(sessions.len(), 3, "{story}");
    assert!(sessions[0].is_string() && sessions.iter().all(|session| *session == sessions[0]), "{story}");
    let turns = model.turns();
    assert_eq!(turns.len(), 3, "one request a round, and none again: {story}");
    let known: Vec<bool> = turns.iter().map(|turn| turn.request.body.contains(FIRST)).collect();
    assert_eq!(known, [false, true, true], "{story}");

    // The reset, as the server has named it, is what failed, what is waited for, and what is kept.
    let reset = model.reset.lock().unwrap().unwrap();
    let failed = of_kind(&events, "attempt.failed");
    assert_eq!(failed.len(), 1, "{story}");
    assert_eq!(
        (&failed[0]["class"], time(&failed[0]["reset_at"])),
        (&"quota_exhausted".into(), reset),
        "{story}"
    );
    let wait = waits(&sandbox, 1);
    assert_eq!(time(&wait["until"]), reset, "{story}");
    let alerts: Vec<&Value> = of_kind(&events, "alert.raised").iter().map(|alert| &alert["alert"]).collect();
    assert!(alerts.contains(&&Value::from("rate_limit")), "{story}");
    let refused = turns[1].at;
    let later: Vec<Timestamp> =
        model.all().iter().map(|asked| asked.at).filter(|at| *at > refused && *at < reset).collect();
    assert_eq!(later, Vec::<Timestamp>::new(), "nothing is asked before {reset}: {story}");
    let begun = events
        .iter()
        .find(|event| event["kind"] == "round.started" && event["round"] == 3)
        .map(|event| time(&event["at"]))
        .unwrap();
    assert!(begun >= reset, "{begun} {reset}: {story}");
    // It would be within milliseconds on a machine that has nothing else to do.
    assert!(begun < reset.checked_add(SignedDuration::from_secs(5)).unwrap(), "{begun} {reset}: {story}");
    assert!(!holds(&sandbox.path(".provost"), KEY.as_bytes()), "the token is on record");
}

/// Three starts of a large program and a wait, on a machine that may be busy.
fn finish_patiently(mut child: Child) -> Ran {
    let deadline = Instant::now() + Duration::from_mins(2);
    while child.try_wait().unwrap().is_none() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    finish(child)
}

/// Scar "SIGTERM ignored for hours": the wait for a reset ends at once, and the loop that is started again waits on for the
/// same reset.
#[test]
#[cfg_attr(not(real_claude), ignore = "needs the Claude Code CLI; .ci/install-real installs it")]
fn real_claude_waits_for_a_reset_that_a_sigterm_cuts_short_and_a_restart_keeps() {
    let model = Model::limited(3600);
    let sandbox = sandbox(&model.server, "", "");
    let mut asked = None;
    for times in 1..=2 {
        let child = start(&sandbox);
        let wait = waits(&sandbox, times);
        assert_eq!(time(&wait["until"]), model.reset.lock().unwrap().unwrap());
        let begun = Instant::now();
        signal(child.id(), "TERM");
        let ran = finish(child);
        let took = begun.elapsed();
        let events = events(&sandbox.run_dir());
        let story = story(&ran, &events);
        assert_eq!(ran.code, Some(0), "{story}");
        // What it takes is measured elsewhere (benches/limit_stop.py); here only that it is no part of the hour.
        assert!(took < Duration::from_secs(5), "{took:?}: {story}");
        let ended = of_kind(&events, "run.ended").pop().unwrap();
        assert_eq!((&ended["outcome"], &ended["exit_code"]), (&"stopped".into(), &0.into()), "{story}");
        assert_eq!(of_kind(&events, "wait.ended").pop().unwrap()["complete"], false, "{story}");
        assert_eq!(of_kind(&events, "round.started").len(), 2, "{story}");
        let all = model.all().len();
        assert_eq!(asked.replace(all).unwrap_or(all), all, "nothing is asked before the reset: {story}");
    }
    assert_eq!(model.turns().len(), 2);
    assert!(!holds(&sandbox.path(".provost"), KEY.as_bytes()), "the token is on record");
}

/// Scar "pi exits 0 on a rejected key": a refused key is no crash to be tried again, and ends the loop after the one round.
#[test]
#[cfg_attr(not(real_claude), ignore = "needs the Claude Code CLI; .ci/install-real installs it")]
fn real_claude_with_a_refused_key_ends_the_loop_after_one_round() {
    let server = Server::answering(|_, request| {
        Some(if anthropic::asks(request) {
            anthropic::refusal(401, "authentication_error", "invalid x-api-key")
        } else {
            anthropic::aside(request)
        })
    });
    let sandbox = sandbox(&server, "key_env = \"PROVOST_TEST_KEY\"", "");
    let mut command = sandbox.command(&["supervise", TASK]);
    let ran = finish_patiently(command.env("PROVOST_TEST_KEY", KEY).spawn().unwrap());
    let events = events(&sandbox.run_dir());
    let story = story(&ran, &events);
    assert_eq!(ran.code, Some(4), "{story}");
    assert_eq!(of_kind(&events, "round.ended").len(), 1, "{story}");
    let classes: Vec<&Value> =
        of_kind(&events, "attempt.failed").iter().map(|failed| &failed["class"]).collect();
    assert!(!classes.is_empty() && classes.iter().all(|class| **class == "auth"), "{story}");
    let alert = of_kind(&events, "alert.raised").into_iter().find(|alert| alert["alert"] == "auth_failure");
    assert_eq!(alert.unwrap_or_else(|| panic!("no alert: {story}"))["severity"], "critical", "{story}");
    assert_eq!(of_kind(&events, "run.ended").pop().unwrap()["outcome"], "unavailable", "{story}");
    let requests = server.requests();
    assert!(requests.iter().any(|request| request.header("x-api-key") == Some(KEY)), "{story}");
    assert!(!holds(&sandbox.path(".provost"), KEY.as_bytes()), "the key is on record");
    assert!(!story.contains(KEY), "the key is in what is said");
}
