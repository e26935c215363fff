//! An attempt, from its first request to the server to its last.
//!
//! **Invariant: nothing works on when the attempt has ended.** Whatever ends it, a session that may still be busy is
//! aborted and waited for; where that fails, a server of our own is ended, and of another's it is said.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::api::{Api, ApiError};
use super::fold::Fold;
use super::server::Running;
use super::stream::Stream;
use super::transcript::Transcript;
use super::verdict;
use super::wire::Status;
use super::work::{Verdict, Work, consumed};
use super::{Host, Shared, follow, poll, rules};
use crate::backend::price::catalogued;
use crate::backend::{Gone, Link, Report, Request, SessionPlan, Stop};
use crate::event::{
    AlertRaised, AttemptAccepted, Failure, FaultClass, FaultScope, PromptPart, SessionId, Severity,
    UsageReported,
};
use crate::profile::StreamMode;

/// How long a session that is to be continued may be busy with somebody else's prompt.
const BUSY: Duration = Duration::from_secs(10);
/// The wait between two looks at a session that is to become idle.
const LOOK: Duration = Duration::from_millis(200);
/// How long an order to kill leaves for the session's own end.
const AT_ONCE: Duration = Duration::from_secs(2);

/// What must be seen to when an attempt ends.
#[derive(Default)]
struct Ends {
    server: Option<Arc<Running>>,
    work: Option<Work>,
    /// A session of our own server works on.
    stuck: bool,
}

impl Shared {
    /// Makes one attempt.
    pub(super) async fn drive(&self, request: Request, mut link: Link) -> Verdict {
        let mut ends = Ends::default();
        let mut stop = link.stop_now();
        let verdict = if stop.is_some() {
            Err(told())
        } else {
            let own = link.clone();
            tokio::select! {
                biased;
                order = link.stopped(None) => {
                    stop = Some(order);
                    Err(told())
                }
                verdict = self.attempt(&request, own, &mut ends) => verdict,
            }
        };
        let verdict = self.settle(&mut ends, verdict, stop, &mut link).await;
        if let Some(server) = ends.server {
            let goes = ends.stuck || stop.is_some() || server.is_gone();
            self.end_server(server, goes, stop, &link).await;
        }
        verdict
    }

    async fn attempt(&self, request: &Request, link: Link, ends: &mut Ends) -> Verdict {
        let transcript = Transcript::open(&request.transcript, &self.secrets)?;
        let api = self.server(request, &link, ends).await?;
        let Some(server) = ends.server.clone() else {
            return self.prompt(request, api, link, transcript, ends).await;
        };
        tokio::select! {
            biased;
            verdict = self.prompt(request, api, link, transcript, ends) => return verdict,
            _ = server.gone() => {}
        }
        Err(server.crashed(ends.work.as_ref().is_some_and(|work| work.fold.emitted())))
    }

    /// The server to ask: the given one, or our own, started if it is not there any more.
    async fn server(&self, request: &Request, link: &Link, ends: &mut Ends) -> Result<Arc<Api>, Failure> {
        let (recipe, server) = match &self.host {
            Host::Given(api) => return Ok(Arc::clone(api)),
            Host::Own { recipe, server } => (recipe, server),
        };
        let mut slot = server.lock().await;
        if let Some(server) = slot.as_ref().filter(|server| !server.running.is_gone()) {
            ends.server = Some(Arc::clone(&server.running));
            return Ok(Arc::clone(&server.api));
        }
        let log = request.transcript.with_file_name("opencode-server.log");
        let starting = recipe.start(&request.workspace, &log).await?;
        ends.server = Some(Arc::clone(&starting.running));
        let program = recipe.program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        link.tell(Report::Spawned { pid: starting.running.pid, program }).await.map_err(gone)?;
        let server = starting.listens().await?;
        let api = Arc::clone(&server.api);
        *slot = Some(server);
        Ok(api)
    }

    /// Finds the session, sends the prompt, and waits for its end.
    async fn prompt(
        &self,
        request: &Request,
        api: Arc<Api>,
        link: Link,
        transcript: Transcript,
        ends: &mut Ends,
    ) -> Verdict {
        let version = api.version().await.map_err(|error| error.failure(false))?;
        let model = self.model(&api).await?;
        let session = self.session(&api, request).await?;
        let id = session.as_str().to_owned();
        // What cannot be read is not added to: whatever is in the session already would be taken for an answer.
        let newest = api.newest(&id, 1).await.map_err(|error| error.failure(false))?;
        let anchor = newest.last().map_or_else(String::new, |message| message.id.clone());
        let before = consumed(&api, &id).await;
        let stream = match self.mode {
            StreamMode::Sse => Some(Stream::open(&api).await.map_err(|error| error.failure(false))?),
            StreamMode::Poll => None,
        };
        let fold = Fold::new(anchor, self.patience);
        let quiet = stream.is_none();
        let work = Work::new(
            (Arc::clone(&api), id, link.clone()),
            fold,
            transcript,
            self.permissions,
            quiet,
            before,
        );
        link.leave().await?;
        self.record(request, &link).await?;
        let mut body = json!({ "parts": [{ "type": "text", "text": request.user }] });
        if let Some(system) = &request.system {
            body["system"] = json!(system);
        }
        if let Some((provider, model)) = &model {
            body["model"] = json!({ "providerID": provider, "modelID": model });
        }
        let work = ends.work.insert(work);
        dispatch(work, &body).await?;
        let accepted = AttemptAccepted {
            session: Some(session),
            model: model.map(|(provider, model)| format!("{provider}/{model}")),
            agent: Some(format!("opencode {version}")),
        };
        link.tell(Report::Accepted(accepted)).await.map_err(gone)?;
        match stream {
            Some(stream) => follow::follow(work, stream).await,
            None => poll::poll(work).await,
        }
    }
    /// The model as a request names it, if the server knows it: one that it does not know gets no answer at all.
    async fn model(&self, api: &Api) -> Result<Option<(String, String)>, Failure> {
        let Some(model) = &self.model else { return Ok(None) };
        let unknown =
            |text| Failure { scope: FaultScope::Model, ..Failure::ours(FaultClass::ModelNotFound, text) };
        let (provider, name) = model.split_once('/').ok_or_else(|| {
            unknown(format!("the model `{model}` names no provider; write `agent.model` as `provider/model`"))
        })?;
        if api.knows(provider, name).await.map_err(|error| error.failure(false))? {
            return Ok(Some((provider.to_owned(), name.to_owned())));
        }
        Err(unknown(format!(
            "the opencode server knows no model `{model}`; look at `agent.model` and its configuration"
        )))
    }

    /// The session of the plan, with the profile's permissions. A session that is to be known must be.
    async fn session(&self, api: &Api, request: &Request) -> Result<SessionId, Failure> {
        let failed = |error: ApiError| error.failure(false);
        let rules = rules(self.permissions);
        let session = match &request.session {
            SessionPlan::Fresh(_) => {
                // With a title the server does not ask the model for one.
                let title = format!("provost {} round {}", request.node, request.round);
                return Ok(api.create(&title, &rules).await.map_err(failed)?.id);
            }
            SessionPlan::Continue(id) => {
                let session = api.session(id.as_str()).await.map_err(|error| unknown(id, &error))?;
                free(api, id).await?;
                session
            }
            SessionPlan::Fork { parent, .. } => {
                api.session(parent.as_str()).await.map_err(|error| unknown(parent, &error))?;
                free(api, parent).await?;
                api.fork(parent.as_str()).await.map_err(failed)?
            }
        };
        if !session.rules.ends_with(&rules) {
            api.permit(session.id.as_str(), &rules).await.map_err(failed)?;
        }
        Ok(session.id)
    }

    async fn record(&self, request: &Request, link: &Link) -> Result<(), Failure> {
        let parts =
            [(PromptPart::System, request.system.clone()), (PromptPart::User, Some(request.user.clone()))];
        for (part, text) in parts {
            let Some(text) = text else { continue };
            let target = self.target.clone();
            link.record(Report::Prompt { target, part, text }).await.map_err(gone)?;
        }
        Ok(())
    }

    /// Ends what may still run, and reports what was said and consumed to the last.
    async fn settle(
        &self,
        ends: &mut Ends,
        verdict: Verdict,
        stop: Option<Stop>,
        link: &mut Link,
    ) -> Verdict {
        let Some(work) = &mut ends.work else { return verdict };
        let mut verdict = verdict;
        if ends.server.as_ref().is_some_and(|server| server.is_gone()) {
            return verdict;
        }
        if !work.ended {
            let last = tokio::time::timeout(AT_ONCE, work.look()).await;
            if let Ok(Ok(Some(found))) = last
                && (found.is_ok() || stop.is_none() && verdict.is_ok())
            {
                // It had ended before the end was ordered.
                verdict = found;
            }
        }
        if !work.ended {
            let bound = if stop == Some(Stop::Now) { AT_ONCE } else { self.grace.max(AT_ONCE) };
            let aborted = tokio::select! {
                biased;
                _ = link.stopped(Some(Stop::Gracefully)), if stop != Some(Stop::Now) => Err(busy(&work.session)),
                aborted = abort(&work.api, &work.session, bound) => aborted,
            };
            if let Err(text) = aborted {
                if ends.server.is_some() {
                    ends.stuck = true;
                } else {
                    verdict = verdict.map_err(|failure| Failure { cleanup: Some(text), ..failure });
                }
            }
        }
        if let Ok(Ok(())) = tokio::time::timeout(AT_ONCE.max(self.grace), self.close(work)).await {
            return verdict;
        }
        let alert = AlertRaised {
            alert: "usage".to_owned(),
            severity: Severity::Warning,
            message: "what the attempt consumed could not be read from the server".to_owned(),
        };
        let _ = link.tell(Report::Alert(alert)).await;
        verdict
    }

    /// Tells what has not been told, and what was consumed: the one report of it.
    async fn close(&self, work: &mut Work) -> Result<(), ApiError> {
        let messages = work.messages().await?;
        work.finish(&messages).await;
        let children = work.by_children().await;
        let Some((usage, model)) = verdict::usage(&messages, children) else { return Ok(()) };
        let (usage, source) = catalogued(usage, self.price.as_ref());
        let _ = work.link.tell(Report::Usage(UsageReported { usage, source, model })).await;
        Ok(())
    }

    /// Ends a server of our own that `goes` or that never came to listen, unless another attempt needs it, and says how
    /// it went.
    async fn end_server(&self, server: Arc<Running>, goes: bool, stop: Option<Stop>, link: &Link) {
        let Host::Own { server: slot, .. } = &self.host else { return };
        let mut slot = slot.lock().await;
        let is_kept = slot.as_ref().is_some_and(|kept| Arc::ptr_eq(&kept.running, &server));
        let gone = server.is_gone();
        if is_kept && !goes {
            return;
        }
        if !gone && Arc::strong_count(&server) > 1 + usize::from(is_kept) {
            return;
        }
        if is_kept {
            *slot = None;
        }
        drop(slot);
        server.end(if stop == Some(Stop::Now) { Duration::ZERO } else { self.grace }).await;
        let _ = link.tell(Report::Exited(server.exited(!gone))).await;
    }
}

/// Sends the prompt. Where it is not certain that it arrived, the session says so.
async fn dispatch(work: &mut Work, body: &Value) -> Result<(), Failure> {
    let error = match work.api.prompt(&work.session, body).await {
        Ok(()) => return Ok(()),
        Err(error @ ApiError::Transport(_)) => error,
        Err(error) => {
            // It was refused, so that there is nothing to end.
            work.ended = true;
            return Err(if error.is_missing() {
                unknown(&SessionId::new(work.session.as_str()), &error)
            } else {
                error.failure(false)
            });
        }
    };
    // Sending it twice would be worse than waiting for it.
    match work.messages().await {
        Ok(messages) if !messages.is_empty() => Ok(()),
        _ => Err(error.failure(false)),
    }
}

/// Waits until nobody else's prompt is worked on in a session: two at once would be mixed up.
async fn free(api: &Api, id: &SessionId) -> Result<(), Failure> {
    let since = Instant::now();
    // A status that is not to be had is no reason not to go on.
    while api.status(id.as_str()).await.is_ok_and(|status| status != Status::Idle) {
        if since.elapsed() >= BUSY {
            return Err(Failure::ours(
                FaultClass::RequestInvalid,
                format!("the session `{id}` is busy with somebody else's prompt"),
            ));
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// Aborts what a session does and waits until it stays idle: a prompt that was just sent may begin after the first abort.
async fn abort(api: &Api, id: &str, bound: Duration) -> Result<(), String> {
    let since = Instant::now();
    let mut aborts = 0;
    let mut idle = 0;
    while since.elapsed() < bound {
        if idle == 0 && aborts < 16 {
            match tokio::time::timeout(AT_ONCE, api.abort(id)).await {
                Ok(Ok(())) => aborts += 1,
                Ok(Err(error)) if error.is_missing() => return Ok(()),
                _ => {}
            }
        }
        match tokio::time::timeout(AT_ONCE, api.status(id)).await {
            Ok(Ok(Status::Idle)) if aborts > 0 => idle += 1,
            Ok(Err(error)) if error.is_missing() => return Ok(()),
            _ => idle = 0,
        }
        if idle > 3 {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
    Err(busy(id))
}

fn busy(id: &str) -> String {
    format!("the session `{id}` could not be aborted and may be at work on the server")
}

fn unknown(id: &SessionId, error: &ApiError) -> Failure {
    if !error.is_missing() {
        return error.failure(false);
    }
    Failure::ours(
        FaultClass::RequestInvalid,
        format!("the session `{id}` is not known to the opencode server"),
    )
}

fn told() -> Failure {
    Failure::ours(FaultClass::UserAbort, "told to stop")
}

fn gone(gone: Gone) -> Failure {
    Failure::ours(FaultClass::SelfAbort, gone.to_string())
}
