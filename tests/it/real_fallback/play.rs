//! One run with two endpoints: what fails at the first, what the second sees, and what is left on record.

use super::tongue::{Refusal, Tongue, breaks};
use crate::support::http::{Recorded, Response, Server, Step};
use crate::support::run::{Ran, Stage};

/// What the task is known by wherever it turns up.
pub(super) const TASK: &str = "Put the word of the day into answer.txt.";
/// What writes it, and what is known of it afterwards.
pub(super) const COMMAND: &str = "echo right >> answer.txt";
/// The keys of the two endpoints, by the variables that hold them.
pub(super) const KEYS: [(&str, &str); 2] = [
    ("PROVOST_TEST_KEY_ONE", "dummy-key-of-no-account-6a10"),
    ("PROVOST_TEST_KEY_TWO", "dummy-key-of-no-account-6a11"),
];

/// What goes wrong at the first endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Every request is refused.
    Refused(Refusal),
    /// The headers come, and nothing else.
    Silent,
    /// The answer begins, and nothing else comes.
    HangsMid,
    /// The answer begins, and the connection ends.
    Cut,
    /// The command is run; what comes of it is refused.
    AfterTool(Refusal),
}

/// Which harness stands at each place of the chain.
#[derive(Clone, Copy)]
pub(super) struct Chain {
    pub(super) first: &'static dyn Tongue,
    pub(super) second: &'static dyn Tongue,
}

/// A run that has ended, and what its endpoints were asked.
pub(super) struct Played {
    pub(super) ran: Ran,
    /// The turns that the first endpoint was asked for.
    pub(super) first: Vec<Recorded>,
    /// And the second.
    pub(super) second: Vec<Recorded>,
    /// All requests at the second, in which the first key must not be.
    pub(super) second_raw: Vec<Recorded>,
    /// What is in the file.
    pub(super) file: String,
}

/// A model that works: it writes the word, unless it can see that this is done.
fn works(tongue: &dyn Tongue, request: &Recorded) -> Response {
    if request.body.contains(COMMAND) {
        tongue.says(request, "The word is written.")
    } else {
        tongue.runs(request, COMMAND)
    }
}

/// The endpoint that fails.
fn failing(tongue: &'static dyn Tongue, fault: Fault) -> Server {
    Server::answering(move |_, request| {
        Some(match fault {
            _ if !tongue.asks(request) => tongue.aside(request),
            Fault::Refused(refusal) => tongue.refuses(refusal),
            Fault::Silent => Response::steps(vec![Step::Hang]),
            Fault::HangsMid => breaks(tongue, request, Step::Hang),
            Fault::Cut => breaks(tongue, request, Step::Cut),
            Fault::AfterTool(refusal) if tongue.returned(request) => tongue.refuses(refusal),
            // A conversation that begins without a result knows what was done from words, if at all.
            Fault::AfterTool(_) => works(tongue, request),
        })
    })
}

/// Seconds until an agent has to begin, and until it has to say the next thing: short where the row is about that, and for
/// opencode, which keeps a failure to itself for more than a minute.
fn deadlines(chain: Chain, fault: Fault) -> (u32, u32) {
    let of = |tongue: &dyn Tongue| match tongue.harness() {
        "chat" => (3, if fault == Fault::HangsMid { 3 } else { 60 }),
        "opencode" => (25, 8),
        "gemini" => (25, if fault == Fault::HangsMid { 8 } else { 60 }),
        _ => (12, if fault == Fault::HangsMid { 6 } else { 60 }),
    };
    let (first, second) = (of(chain.first), of(chain.second));
    (first.0.max(second.0), first.1.max(second.1))
}

/// Runs the task along the chain.
pub(super) fn play(chain: Chain, fault: Fault) -> Played {
    let (one, two) = (failing(chain.first, fault), working(chain.second));
    let (first_event, stall) = deadlines(chain, fault);
    let [primary, _] = chain.first.models();
    let [_, second] = chain.second.models();
    let mut candidate = format!("model = \"{second}\", endpoint = \"two\"");
    let mut environment = chain.first.environment().to_owned();
    if chain.first.harness() != chain.second.harness() {
        let own = chain.second.agent().lines().collect::<Vec<_>>().join(", ");
        candidate = format!("{candidate}, harness = \"{}\", {own}", chain.second.harness());
        environment = format!("{environment}\n{}", chain.second.environment());
        if chain.second.harness() == "chat" {
            candidate.push_str(", without = [\"agent.permissions\"]");
        }
    }
    let stage = Stage::new(&format!(
        r#"
schema = 1
name = "real-fallback"
[round]
first_event = "{first_event}s"
stall = "{stall}s"
grace = "2s"
[retry]
same_model = 0
[agent]
harness = "{harness}"
model = "{primary}"
endpoint = "one"
fallback = [{{ {candidate} }}]
{agent}
[agent.env]
{environment}
[endpoints.one]
api = "{api_one}"
base_url = "{url_one}"
key_env = "{key_one}"
[endpoints.two]
api = "{api_two}"
base_url = "{url_two}"
key_env = "{key_two}"
[prompt]
context = "none"
[check]
command = ["sh", "-c", 'test "$(cat answer.txt)" = right']
[budget]
rounds = 1
wall = "3m"
"#,
        harness = chain.first.harness(),
        agent = chain.first.agent(),
        api_one = chain.first.api(),
        url_one = one.url(),
        key_one = KEYS[0].0,
        api_two = chain.second.api(),
        url_two = two.url(),
        key_two = KEYS[1].0,
    ));
    std::fs::create_dir(stage.path("home/codex")).unwrap();
    let file = stage.path("work/answer.txt");
    let ran = stage.run(TASK, &KEYS, &["--"]);
    let turns = |server: &Server, tongue: &dyn Tongue| {
        server.requests().into_iter().filter(|request| tongue.asks(request)).collect()
    };
    Played {
        first: turns(&one, chain.first),
        second: turns(&two, chain.second),
        second_raw: two.requests(),
        file: std::fs::read_to_string(file).unwrap_or_default(),
        ran,
    }
}

/// The endpoint that works.
fn working(tongue: &'static dyn Tongue) -> Server {
    Server::answering(move |_, request| {
        Some(if tongue.asks(request) { works(tongue, request) } else { tongue.aside(request) })
    })
}
