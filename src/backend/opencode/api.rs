//! The HTTP interface of an opencode server, as far as an attempt needs it.
//!
//! **Invariant: bounded, and the password is in one header only.** Each request has a time limit and each body a size;
//! no error text holds what came with the request.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::header::{self, HeaderMap};
use reqwest::{Method, Url};
use serde_json::{Value, json};

use super::wire::{Ask, Message, Status, Tokens, text};
use crate::event::{Failure, FaultClass, FaultScope, SessionId};
use crate::fault::{self, Facts, Origin};
use crate::file::Secrets;

/// Bytes of one answer.
const BODY_LIMIT: usize = 32 * 1024 * 1024;
/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(30);
/// How long the server may take to accept a stream.
const CONNECT: Duration = Duration::from_secs(10);
/// Messages of one page.
const PAGE: usize = 50;
/// Pages of one prompt, so that a server that always has another one does not hold us.
const PAGES: usize = 200;

/// Who asks.
#[derive(Clone)]
pub(super) struct Credentials {
    pub(super) username: String,
    pub(super) password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ApiError {
    /// No answer came, or not all of it.
    #[error("{0}")]
    Transport(String),
    /// The server says no.
    #[error("the opencode server answered with HTTP status {status}: {text}")]
    Refused {
        /// The status.
        status: u16,
        /// Its words.
        text: String,
    },
    /// What came is not what an opencode server says.
    #[error("{0}")]
    Strange(String),
}

impl ApiError {
    /// Whether what was asked for is not there.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    /// The failure of an attempt that could not go on.
    pub(super) fn failure(&self, emitted_output: bool) -> Failure {
        let failure =
            |class, scope| Failure { scope, emitted_output, ..Failure::ours(class, self.to_string()) };
        match self {
            Self::Transport(_) => failure(FaultClass::Transport, FaultScope::Provider),
            Self::Strange(_) | Self::Refused { status: 404, .. } => {
                failure(FaultClass::ConfigMissing, FaultScope::Local)
            }
            Self::Refused { status, .. } => {
                let text = match status {
                    401 => format!("{self}; look at `agent.server.password_env` and `agent.server.username`"),
                    _ => self.to_string(),
                };
                let facts =
                    Facts { status: Some(*status), emitted_output, ..Facts::new(Origin::Opencode, &text) };
                fault::classify(&facts)
            }
        }
    }
}

/// A server, and the directory in it where the agent works.
pub(super) struct Api {
    client: reqwest::Client,
    base: Url,
    credentials: Option<Credentials>,
    /// What the agent works on; absent means where the server was started.
    directory: Option<String>,
    /// The password of a server of our own: its agent's tools could print it.
    veil: Secrets,
    /// The server's clock when we last heard it, and when that was.
    clock: Mutex<Option<(u64, Instant)>>,
}

/// A session as the server has it.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) parent: Option<String>,
    pub(super) rules: Vec<Value>,
    pub(super) tokens: Tokens,
    pub(super) cost: f64,
}

impl Session {
    fn read(value: &Value) -> Result<Self, ApiError> {
        let id = text(value, "id")
            .filter(|id| !id.is_empty())
            .ok_or_else(|| strange("a session without an id"))?;
        Ok(Self {
            id: SessionId::new(id),
            parent: text(value, "parentID"),
            rules: value.get("permission").and_then(Value::as_array).cloned().unwrap_or_default(),
            tokens: value.get("tokens").map(Tokens::read).unwrap_or_default(),
            cost: value.get("cost").and_then(Value::as_f64).filter(|cost| cost.is_finite()).unwrap_or(0.0),
        })
    }
}

/// Reads the address of a server; `None` when it is none that one can ask.
pub(super) fn address(url: &str) -> Option<Url> {
    Url::parse(url)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        // A password in it would be shown in many places, and a query would swallow the path.
        .filter(|url| url.username().is_empty() && url.password().is_none())
        .filter(|url| url.query().is_none() && url.fragment().is_none())
}

/// Whether the server runs on this machine, so that our directories are its own.
pub(super) fn is_here(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let host = host.trim_matches(['[', ']']);
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    })
}

impl Api {
    /// Prepares to talk to the server at `base`.
    ///
    /// # Errors
    ///
    /// Why no client can be made; it holds no password.
    pub(super) fn new(
        base: Url,
        credentials: Option<Credentials>,
        directory: Option<String>,
        veil: Secrets,
    ) -> Result<Self, String> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            // A redirect would carry the prompt and the password to somebody nobody named.
            .redirect(reqwest::redirect::Policy::none());
        if base.scheme() == "http" {
            // Reading the system's certificates takes longer than many a request to this machine.
            let none = rustls::ClientConfig::builder()
                .with_root_certificates(rustls::RootCertStore::empty())
                .with_no_client_auth();
            builder = builder.tls_backend_preconfigured(none);
        }
        if is_here(&base) {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| error.to_string())?;
        Ok(Self { client, base, credentials, directory, veil, clock: Mutex::new(None) })
    }

    /// The server's clock, in milliseconds since 1970, up to a second late; `None` before its first answer.
    pub(super) fn now(&self) -> Option<u64> {
        let (at, heard) = (*self.clock.lock().unwrap_or_else(PoisonError::into_inner))?;
        Some(at.saturating_add(u64::try_from(heard.elapsed().as_millis()).unwrap_or(0)))
    }

    /// Whether it is there and lets us in; its version.
    pub(super) async fn version(&self) -> Result<String, ApiError> {
        let health = self.ask(Method::GET, &["global", "health"], &[], None).await?;
        text(&health, "version").ok_or_else(|| strange("no version: is it an opencode server?"))
    }

    /// Whether the server knows a model of a provider.
    pub(super) async fn knows(&self, provider: &str, model: &str) -> Result<bool, ApiError> {
        let listed = self.ask(Method::GET, &["config", "providers"], &[], None).await?;
        let providers = listed.get("providers").and_then(Value::as_array);
        let providers = providers.ok_or_else(|| strange("no list of providers"))?;
        Ok(providers.iter().any(|entry| {
            entry.get("id").and_then(Value::as_str) == Some(provider)
                && entry
                    .get("models")
                    .and_then(Value::as_object)
                    .is_some_and(|models| models.contains_key(model))
        }))
    }

    /// Makes a session. The server chooses its id.
    pub(super) async fn create(&self, title: &str, rules: &[Value]) -> Result<Session, ApiError> {
        let body = json!({ "title": title, "permission": rules });
        Session::read(&self.ask(Method::POST, &["session"], &[], Some(&body)).await?)
    }

    /// One session.
    pub(super) async fn session(&self, id: &str) -> Result<Session, ApiError> {
        Session::read(&self.ask(Method::GET, &["session", id], &[], None).await?)
    }

    /// The sessions of the agents that a session's agent has started.
    pub(super) async fn children(&self, id: &str) -> Result<Vec<Session>, ApiError> {
        let listed = self.ask(Method::GET, &["session", id, "children"], &[], None).await?;
        listed.as_array().into_iter().flatten().map(Session::read).collect()
    }

    /// Makes a session that begins with all that was said in another.
    pub(super) async fn fork(&self, parent: &str) -> Result<Session, ApiError> {
        Session::read(&self.ask(Method::POST, &["session", parent, "fork"], &[], Some(&json!({}))).await?)
    }

    /// Adds permission rules to a session; the last that matches decides.
    pub(super) async fn permit(&self, id: &str, rules: &[Value]) -> Result<(), ApiError> {
        let body = json!({ "permission": rules });
        self.ask(Method::PATCH, &["session", id], &[], Some(&body)).await.map(drop)
    }

    /// Sends a prompt. The server answers it in the session, and this at once.
    pub(super) async fn prompt(&self, id: &str, body: &Value) -> Result<(), ApiError> {
        self.ask(Method::POST, &["session", id, "prompt_async"], &[], Some(body)).await.map(drop)
    }

    /// Ends what a session does.
    pub(super) async fn abort(&self, id: &str) -> Result<(), ApiError> {
        self.ask(Method::POST, &["session", id, "abort"], &[], None).await.map(drop)
    }

    /// What a session does.
    pub(super) async fn status(&self, id: &str) -> Result<Status, ApiError> {
        let all = self.ask(Method::GET, &["session", "status"], &[], None).await?;
        let all = all.as_object().ok_or_else(|| strange("a status that is no table"))?;
        // Only those that are at work are listed.
        Ok(all.get(id).map_or(Status::Idle, Status::read))
    }

    /// The newest messages of a session, at most `limit`, oldest first.
    pub(super) async fn newest(&self, id: &str, limit: usize) -> Result<Vec<Message>, ApiError> {
        Ok(self.page(id, limit, None).await?.0)
    }

    /// All messages of a session that `ours` takes, oldest first. They are the newest ones.
    pub(super) async fn messages(
        &self,
        id: &str,
        ours: impl Fn(&str) -> bool,
    ) -> Result<Vec<Message>, ApiError> {
        let mut pages = Vec::new();
        let mut cursor = None;
        for _ in 0..PAGES {
            let (mut page, next) = self.page(id, PAGE, cursor.as_deref()).await?;
            let before = page.len();
            page.retain(|message| ours(&message.id));
            let whole = page.len() == before && before > 0;
            pages.push(page);
            cursor = next.filter(|_| whole);
            if cursor.is_none() {
                break;
            }
        }
        Ok(pages.into_iter().rev().flatten().collect())
    }

    async fn page(
        &self,
        id: &str,
        limit: usize,
        before: Option<&str>,
    ) -> Result<(Vec<Message>, Option<String>), ApiError> {
        let limit = limit.to_string();
        let mut query = vec![("limit", limit.as_str())];
        query.extend(before.map(|before| ("before", before)));
        let sent = self.request(Method::GET, &["session", id, "message"], &query);
        let (value, headers) = self.answer(sent).await?;
        let next = headers.get("x-next-cursor").and_then(|cursor| cursor.to_str().ok()).map(str::to_owned);
        Ok((Message::list(&value), next))
    }

    /// What waits for a person's word: permissions and questions, of whatever session.
    pub(super) async fn asks(&self) -> Result<Vec<Ask>, ApiError> {
        let permissions = self.ask(Method::GET, &["permission"], &[], None).await?;
        let questions = self.ask(Method::GET, &["question"], &[], None).await?;
        let list = |value: &Value, read: fn(&Value) -> Option<Ask>| -> Vec<Ask> {
            value.as_array().into_iter().flatten().filter_map(read).collect()
        };
        let mut asks = list(&permissions, Ask::permission);
        asks.extend(list(&questions, Ask::question));
        Ok(asks)
    }

    /// Answers a request for permission, for this once.
    pub(super) async fn permission(&self, id: &str, granted: bool) -> Result<(), ApiError> {
        let body = json!({ "reply": if granted { "once" } else { "reject" } });
        self.ask(Method::POST, &["permission", id, "reply"], &[], Some(&body)).await.map(drop)
    }

    /// Dismisses a question.
    pub(super) async fn dismiss(&self, id: &str) -> Result<(), ApiError> {
        self.ask(Method::POST, &["question", id, "reject"], &[], None).await.map(drop)
    }

    /// Opens the stream of events.
    pub(super) async fn events(&self) -> Result<reqwest::Response, ApiError> {
        let sent =
            self.request(Method::GET, &["event"], &[]).header(header::ACCEPT, "text/event-stream").send();
        let response = tokio::time::timeout(CONNECT, sent)
            .await
            .map_err(|_| ApiError::Transport("the server's event stream did not open in time".to_owned()))?
            .map_err(|error| self.transport(&error))?;
        self.hear(response.headers());
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        Err(ApiError::Refused { status: status.as_u16(), text: "no event stream".to_owned() })
    }

    /// Takes the server's own secret out of what came.
    pub(super) fn veil(&self, bytes: Vec<u8>) -> Vec<u8> {
        if self.veil.is_empty() {
            return bytes;
        }
        self.veil.redact(&bytes).0.into_owned()
    }

    fn request(&self, method: Method, path: &[&str], query: &[(&str, &str)]) -> reqwest::RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if self.directory.is_some() || !query.is_empty() {
            let mut pairs = url.query_pairs_mut();
            pairs.extend_pairs(self.directory.iter().map(|directory| ("directory", directory)));
            pairs.extend_pairs(query);
        }
        let request = self.client.request(method, url);
        match &self.credentials {
            Some(Credentials { username, password }) => request.basic_auth(username, Some(password)),
            None => request,
        }
    }

    async fn ask(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Value, ApiError> {
        let mut request = self.request(method, path, query);
        if let Some(body) = body {
            request = request.json(body);
        }
        Ok(self.answer(request).await?.0)
    }

    /// Sends a request and reads the whole answer.
    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<(Value, HeaderMap), ApiError> {
        let asking = async {
            let mut response = request.send().await.map_err(|error| self.transport(&error))?;
            self.hear(response.headers());
            let (status, headers) = (response.status(), response.headers().clone());
            let mut bytes = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(|error| self.transport(&error))? {
                bytes.extend_from_slice(&chunk);
                if bytes.len() > BODY_LIMIT {
                    return Err(strange(&format!("an answer of more than {BODY_LIMIT} bytes")));
                }
            }
            let bytes = self.veil(bytes);
            if !status.is_success() {
                return Err(ApiError::Refused { status: status.as_u16(), text: words(&bytes) });
            }
            if bytes.is_empty() {
                return Ok((Value::Null, headers));
            }
            let value = serde_json::from_slice(&bytes)
                .map_err(|_| strange("an answer that is not JSON: is it an opencode server?"))?;
            Ok((value, headers))
        };
        tokio::time::timeout(REQUEST, asking)
            .await
            .map_err(|_| ApiError::Transport(format!("the server at {} did not answer in time", self.base)))?
    }

    /// Sets our idea of the server's clock.
    fn hear(&self, headers: &HeaderMap) {
        let date = headers.get(header::DATE).and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date).ok());
        let millis = date.and_then(|date| u64::try_from(date.as_millisecond()).ok());
        // The header has whole seconds and is late: it is never earlier there than it says, so that the largest is the
        // nearest.
        if let Some(millis) = millis.filter(|millis| self.now().is_none_or(|now| now < *millis)) {
            *self.clock.lock().unwrap_or_else(PoisonError::into_inner) = Some((millis, Instant::now()));
        }
    }

    /// What a network error says, with its causes: the outermost text alone says nothing.
    fn transport(&self, error: &reqwest::Error) -> ApiError {
        let mut text = format!("the opencode server at {} cannot be reached", self.base);
        let mut cause = std::error::Error::source(error);
        while let Some(inner) = cause {
            text.push_str(": ");
            text.push_str(&inner.to_string());
            cause = inner.source();
        }
        ApiError::Transport(text)
    }
}

fn strange(what: &str) -> ApiError {
    ApiError::Strange(format!("the server said {what}"))
}

/// The words of a refusal, bounded.
fn words(bytes: &[u8]) -> String {
    let value: Option<Value> = serde_json::from_slice(bytes).ok();
    let said = value.as_ref().and_then(|value| {
        let at = ["/data/message", "/message", "/error/message"];
        at.iter().find_map(|at| value.pointer(at)?.as_str())
    });
    let text = said.map_or_else(|| String::from_utf8_lossy(bytes).into_owned(), str::to_owned);
    let text = text.trim();
    if text.is_empty() { "no words".to_owned() } else { text[..text.floor_char_boundary(500)].to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_neither_credentials_nor_a_query() {
        for good in ["http://127.0.0.1:4096", "https://box.example/opencode/", "http://[::1]:80"] {
            assert!(address(good).is_some(), "{good}");
        }
        for bad in
            ["", "box", "ftp://box", "http://", "http://me:pw@box", "http://box?directory=x", "http://box#x"]
        {
            assert!(address(bad).is_none(), "{bad}");
        }
        let here = |url: &str| is_here(&address(url).unwrap());
        assert!(here("http://localhost:1") && here("http://[::1]:80") && here("http://127.8.9.1"));
        assert!(!here("http://10.0.0.1") && !here("https://localhost.example"));
    }

    #[test]
    fn paths_keep_the_prefix_of_a_server_behind_another() {
        let base = address("http://127.0.0.1:9/opencode/").unwrap();
        let api = Api::new(base, None, Some("/a b".to_owned()), Secrets::default()).unwrap();
        let request = api.request(Method::GET, &["session", "s/1"], &[("limit", "2")]).build().unwrap();
        let url = request.url().as_str();
        assert_eq!(url, "http://127.0.0.1:9/opencode/session/s%2F1?directory=%2Fa+b&limit=2");
    }

    #[test]
    fn a_refusal_is_classified_by_its_status() {
        let refused = |status| ApiError::Refused { status, text: "no".to_owned() }.failure(false);
        assert_eq!(refused(401).class, FaultClass::Auth);
        assert!(refused(401).evidence.contains("agent.server.password_env"));
        assert_eq!(refused(403).class, FaultClass::Forbidden);
        assert_eq!(refused(400).class, FaultClass::RequestInvalid);
        assert_eq!(refused(500).class, FaultClass::ServerError);
        // Not a model that is unknown: the server itself is another one.
        assert_eq!(refused(404).class, FaultClass::ConfigMissing);
        assert_eq!(ApiError::Transport("gone".to_owned()).failure(true).class, FaultClass::Transport);
    }
}
