//! Whether a model answers: one tiny request, through the very harness that a run would use.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::Notice;
use crate::backend::registry::{self, Place, Unavailable};
use crate::backend::{Answer, Link, Message, Report, Request, SessionPlan, Stop};
use crate::event::{AttemptNumber, Failure, FaultClass, NodeId, RoundNumber, SessionId, Usage};
use crate::file::redact_shapes;
use crate::profile::{Profile, Tool};

/// What a model is asked.
const QUESTION: &str = "Reply with OK.";
/// Tokens of its answer, at most, where that can be said; a model that thinks first needs some for it.
const TOKENS: u32 = 64;
/// How much longer than its first event an answer may take.
const ANSWERING: Duration = Duration::from_mins(1);

/// What came of asking.
#[derive(Clone, Debug, PartialEq)]
pub struct Probed {
    /// What was seen.
    pub notice: Notice,
    /// What it cost, as far as somebody said.
    pub usage: Option<Usage>,
}

/// The profiles whose models are different ones: of those that would send the same request to the same place, the first.
pub fn distinct<'a>(profiles: impl IntoIterator<Item = &'a Profile>) -> Vec<&'a Profile> {
    let mut seen = BTreeSet::new();
    let place = |profile: &Profile| {
        let agent = &profile.agent;
        let endpoint = agent.endpoint.as_ref().and_then(|name| profile.endpoints.get(name));
        let endpoint = endpoint
            .map(|endpoint| format!("{:?} {} {:?}", endpoint.api, endpoint.base_url, endpoint.key_env));
        (
            agent.harness.clone(),
            endpoint,
            agent.model.clone(),
            agent.command.as_ref().map(|argv| argv.0.clone()),
        )
    };
    profiles.into_iter().filter(|profile| seen.insert(place(profile))).collect()
}

/// Asks the model of a profile for one word, in a directory of its own, and pays for it. `directory` is empty and its
/// owner's alone. The attempt ends when `stop` says so.
///
/// # Errors
///
/// [`Unavailable`], when no answer came.
pub async fn model(
    place: &Place<'_>,
    directory: &Path,
    stop: &mut watch::Receiver<Option<Stop>>,
) -> Result<Probed, Unavailable> {
    let mut profile = place.profile.clone();
    let name = match (&profile.agent.model, profile.agent.harness.as_str()) {
        (_, "scripted") => return Ok(skipped("a script calls no model")),
        (_, "command") => return Ok(skipped("nobody knows what this command would do with a question")),
        (Some(model), _) => format!("`{model}`"),
        (None, harness) => format!("the model of `{harness}`"),
    };
    if profile.agent.harness == "chat" {
        // Nothing is to be done, so nothing is offered; the servers are looked at apart.
        profile.agent.tools = Some(Vec::<Tool>::new());
        profile.agent.mcp.clear();
        profile.model.max_output_tokens =
            Some(profile.model.max_output_tokens.map_or(TOKENS, |most| most.min(TOKENS)));
    }
    let place = Place {
        profile: &profile,
        environment: place.environment,
        guard: place.guard.clone(),
        secrets: place.secrets.clone(),
        workspace: place.workspace,
    };
    let harness = registry::harness(&place)?;
    let request = request(directory)?;
    let (link, ear, switch) = Link::new();
    let round = &profile.round;
    let patience = (round.first_event.0 + ANSWERING).min(round.timeout.0);
    let mut hearing = Hearing { ear, switch, usage: None, turns: 0, late: false };
    let ended = hearing
        .until_the_end(harness.attempt(request, link), patience, round.grace_after_result.0, stop)
        .await;
    let spent = hearing.usage.map_or_else(|| "nobody said what it cost".to_owned(), spent);
    let Err(failure) = ended else {
        let notice = Notice::usual("model", format!("{name} answers: {spent}"));
        return Ok(Probed { notice, usage: hearing.usage });
    };
    // A model that was cut short, or said nothing, has been asked and has answered.
    let how = match failure.class {
        FaultClass::OutputLimit => Some("answers until it is cut"),
        FaultClass::NoPayload | FaultClass::BudgetLimit => Some("answers, though with no text"),
        _ => None,
    };
    if let Some(how) = how.filter(|_| hearing.turns > 0) {
        let notice = Notice::usual("model", format!("{name} {how}: {spent}"));
        return Ok(Probed { notice, usage: hearing.usage });
    }
    let why = if hearing.late {
        format!("no answer within {} s", patience.as_secs_f64())
    } else {
        evidence(&place, &failure)
    };
    Err(Unavailable {
        what: format!("{name} does not answer: {why}"),
        remedy: remedy(failure.class).to_owned(),
    })
}

/// Starts the MCP servers of our own loop, lists their tools, and ends them.
///
/// # Errors
///
/// [`Unavailable`], for the first that is not there.
pub async fn servers(
    place: &Place<'_>,
    directory: &Path,
    stop: &mut watch::Receiver<Option<Stop>>,
) -> Result<Vec<Notice>, Unavailable> {
    if !matches!(place.profile.agent.harness.as_str(), "chat" | "scripted") {
        return Ok(Vec::new());
    }
    let Some(servers) = registry::mcp(place)? else { return Ok(Vec::new()) };
    let request = Request { workspace: place.workspace.to_owned(), ..request(directory)? };
    let (link, _ear, switch) = Link::new();
    let counting = servers.count(&request, &link);
    tokio::pin!(counting);
    let counted = loop {
        tokio::select! {
            counted = &mut counting => break counted,
            Ok(()) = stop.changed() => { switch.send_replace(*stop.borrow_and_update()); }
        }
    };
    let counted = counted.map_err(|failure| Unavailable {
        what: evidence(place, &failure),
        remedy: "correct the table under `agent.mcp`, or remove it".to_owned(),
    })?;
    let notice =
        |(server, tools)| Notice::usual("mcp", format!("`{server}` lists {}", counted_word(tools, "tool")));
    Ok(counted.into_iter().map(notice).collect())
}

fn skipped(why: &str) -> Probed {
    Probed { notice: Notice::usual("model", format!("not asked: {why}")), usage: None }
}

fn request(directory: &Path) -> Result<Request, Unavailable> {
    let workspace = directory.join("workspace");
    std::fs::create_dir_all(&workspace).map_err(|error| Unavailable {
        what: format!("cannot make {}: {error}", workspace.display()),
        remedy: "look at the directory for temporary files".to_owned(),
    })?;
    Ok(Request {
        node: NodeId::root(),
        round: RoundNumber(1),
        attempt: AttemptNumber(1),
        system: None,
        user: QUESTION.to_owned(),
        session: SessionPlan::Fresh(SessionId::new(uuid::Uuid::new_v4().to_string())),
        workspace,
        transcript: directory.join("probe.log"),
        directory: directory.to_owned(),
        images: Vec::new(),
        terse: false,
        takes_cut: false,
        replay: Vec::new(),
    })
}

/// What an engine would hear of the attempt, as far as it matters here.
struct Hearing {
    ear: mpsc::Receiver<Message>,
    switch: watch::Sender<Option<Stop>>,
    usage: Option<Usage>,
    turns: u64,
    late: bool,
}

impl Hearing {
    async fn until_the_end(
        &mut self,
        attempt: crate::backend::Attempt,
        patience: Duration,
        linger: Duration,
        stop: &mut watch::Receiver<Option<Stop>>,
    ) -> Result<Answer, Failure> {
        let mut attempt = attempt;
        let deadline = tokio::time::sleep(patience);
        tokio::pin!(deadline);
        let mut asked = stop.borrow_and_update().is_some();
        if asked {
            self.switch.send_replace(Some(Stop::Now));
        }
        let mut over = false;
        let ended = loop {
            tokio::select! {
                ended = &mut attempt => break ended,
                message = self.ear.recv() => match message {
                    Some(message) => {
                        if self.hear(message) && !over {
                            // The answer is here, and the program may take its leave.
                            over = true;
                            self.switch.send_replace(Some(Stop::WhenIdle));
                            deadline.as_mut().reset(tokio::time::Instant::now() + linger);
                        }
                    }
                    None => break attempt.await,
                },
                () = &mut deadline, if !asked => {
                    asked = true;
                    self.late = !over;
                    self.switch.send_replace(Some(Stop::Now));
                }
                Ok(()) = stop.changed() => {
                    asked = true;
                    self.switch.send_replace(*stop.borrow_and_update());
                }
            }
        };
        while let Ok(message) = self.ear.try_recv() {
            self.hear(message);
        }
        ended
    }

    /// Takes a report; says whether it was the result.
    fn hear(&mut self, message: Message) -> bool {
        let mut over = false;
        match message.report {
            Report::Turn { usage, .. } => {
                self.turns += 1;
                if let Some((usage, _)) = usage {
                    self.add(usage);
                }
            }
            Report::Usage(reported) => self.add(reported.usage),
            Report::ResultSeen => over = true,
            _ => {}
        }
        if let Some(recorded) = message.recorded {
            let _ = recorded.send(());
        }
        over
    }

    fn add(&mut self, more: Usage) {
        let so_far = self.usage.unwrap_or(Usage { usd: Some(0.0), ..Usage::default() });
        self.usage = Some(Usage {
            input: so_far.input.saturating_add(more.input),
            output: so_far.output.saturating_add(more.output),
            cache_read: so_far.cache_read.saturating_add(more.cache_read),
            cache_write: so_far.cache_write.saturating_add(more.cache_write),
            usd: so_far.usd.zip(more.usd).map(|(one, other)| one + other),
        });
    }
}

fn spent(usage: Usage) -> String {
    let usd = usage.usd.map_or_else(|| "cost unknown".to_owned(), |usd| format!("${usd:.6}"));
    let input = usage.input.saturating_add(usage.cache_read).saturating_add(usage.cache_write);
    format!("{input} tokens in, {} out, {usd}", usage.output)
}

fn counted_word(count: usize, word: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {word}{ending}")
}

fn evidence(place: &Place<'_>, failure: &Failure) -> String {
    let known = place.secrets.redact_str(&failure.evidence).0.into_owned();
    let status = failure.status.map_or_else(String::new, |status| format!(", status {status}"));
    format!("{} ({}{status})", redact_shapes(&known), failure.class)
}

fn remedy(class: FaultClass) -> &'static str {
    match class {
        FaultClass::Auth | FaultClass::Forbidden => {
            "look at the key that `key_env` names, or log in with the agent's own command"
        }
        FaultClass::ModelNotFound => "look at `agent.model`",
        FaultClass::QuotaExhausted | FaultClass::RateLimited => "wait, or use another account",
        FaultClass::Transport | FaultClass::FirstEventTimeout => {
            "look at `base_url`, and whether the server runs"
        }
        _ => "look at `[agent]` and the endpoint it names",
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn a_request_that_would_be_the_same_is_made_once() {
        let load = |agent: &str, url: &str| {
            let dir = tempfile::tempdir().unwrap();
            let mut text = "schema = 1\nname = \"x\"\n[agent]\n".to_owned();
            let _ = write!(text, "{agent}\n[endpoints.e]\napi = \"openai\"\nbase_url = \"{url}\"\n");
            let path = dir.path().join("p.toml");
            crate::file::write_atomic(&path, text.as_bytes()).unwrap();
            let source = crate::profile::Source { path: &path, sets: &[], cwd: dir.path() };
            crate::profile::load(source).unwrap().profile
        };
        let chat = |model: &str| format!("harness = \"chat\"\nendpoint = \"e\"\nmodel = \"{model}\"\n");
        let profiles = [
            load(&chat("a/one"), "http://h:1"),
            load(&(chat("a/one") + "tools = []\n"), "http://h:1"),
            load(&chat("a/two"), "http://h:1"),
            load(&chat("a/one"), "http://h:2"),
            load("harness = \"claude\"\nmodel = \"a/one\"\n", "http://h:1"),
            load("harness = \"claude\"\nmodel = \"a/one\"\n", "http://h:9"),
        ];
        let kept = distinct(profiles.iter().map(|profile| &**profile));
        let same = |one: &Profile, other: usize| std::ptr::eq(one, &raw const *profiles[other]);
        assert!(kept.len() == 4 && [0, 2, 3, 4].iter().zip(&kept).all(|(index, kept)| same(kept, *index)));
    }
}
