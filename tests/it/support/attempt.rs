//! One attempt of the chat harness without an engine around it.

use std::path::Path;
use std::time::Duration;

use provost::backend::chat::{ChatHarness, Endpoint, ModelOptions, SecretKey, Settings};
use provost::backend::{Answer, Harness as _, Link, Replayed, Report, Request, SessionPlan};
use provost::event::{AttemptNumber, Failure, NodeId, RoundNumber, SessionId};
use provost::profile::Api;

use super::http::{Response, Server};

/// The key that is sent, and must come out nowhere.
pub(crate) const KEY: &str = "sk-never-to-be-seen";

/// What came of an attempt.
#[derive(Debug)]
pub(crate) struct Attempted {
    /// Its end.
    pub(crate) ended: Result<Answer, Failure>,
    /// The text that was shown.
    pub(crate) shown: String,
    /// The turns that were recorded.
    pub(crate) turns: usize,
    /// The requests that the server had, where it is ours.
    pub(crate) requests: usize,
}

/// Asks a server that gives these responses.
pub(crate) async fn attempt(api: Api, responses: Vec<Response>, user: &str) -> Attempted {
    let server = Server::start(responses);
    let attempted = attempt_at(api, &server.url(), "local/tiny", user, Vec::new()).await;
    Attempted { requests: server.requests().len(), ..attempted }
}

/// Asks whoever is there, going on after what is on record.
pub(crate) async fn attempt_at(
    api: Api,
    url: &str,
    model: &str,
    user: &str,
    replay: Vec<Replayed>,
) -> Attempted {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("ws")).unwrap();
    let key = Some(SecretKey::new(KEY));
    let options = ModelOptions { max_output_tokens: Some(20), ..ModelOptions::default() };
    let endpoint = Endpoint::new(api, url, key, model, options, None).unwrap();
    let harness = ChatHarness::new(endpoint, Settings::default());
    let (link, mut ear, switch) = Link::new();
    let engine = tokio::spawn(async move {
        let (mut shown, mut turns) = (String::new(), 0);
        while let Some(message) = ear.recv().await {
            match message.report {
                Report::Text(text) => shown.push_str(&text),
                Report::Turn { .. } => turns += 1,
                _ => {}
            }
            if let Some(recorded) = message.recorded {
                recorded.send(()).unwrap();
            }
        }
        drop(switch);
        (shown, turns)
    });
    let attempt = harness.attempt(request(dir.path(), user, replay), link);
    let ended = tokio::time::timeout(Duration::from_mins(1), attempt).await.unwrap();
    let (shown, turns) = engine.await.unwrap();
    let attempted = Attempted { ended, shown, turns, requests: 0 };
    assert!(!format!("{attempted:?}").contains(KEY), "the key has come out: {attempted:?}");
    attempted
}

fn request(dir: &Path, user: &str, replay: Vec<Replayed>) -> Request {
    Request {
        node: NodeId::root(),
        round: RoundNumber(1),
        attempt: AttemptNumber(1),
        system: Some("be good".to_owned()),
        user: user.to_owned(),
        session: SessionPlan::Fresh(SessionId::new("s")),
        workspace: dir.join("ws"),
        transcript: dir.join("transcript.log"),
        directory: dir.to_owned(),
        images: Vec::new(),
        terse: false,
        takes_cut: false,
        replay,
    }
}
