//! An endpoint that speaks one of the APIs, asked with streaming: HTTP, and what a failure of it was.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::HeaderMap;

use super::conversation::{Conversation, Turn};
use super::stream::{Stream, StreamError};
use super::turn::{Asking, Model, Voice};
use super::wire::{self, ProviderError, Wire};
use crate::backend::price::priced;
use crate::event::{Failure, FaultClass};
use crate::fault::{self, Facts, Origin};
use crate::profile::Api;
use crate::profile::element::Price;

mod advice;
#[cfg(test)]
mod tests;

use advice::Advice;

/// Bytes of an error; how much of it is kept as evidence is decided where it is classified.
const ERROR_BODY_LIMIT: usize = 64 * 1024;
/// How long the body of an error may take; its status is known by then.
const ERROR_BODY_WAIT: Duration = Duration::from_secs(10);
/// Bytes behind the end of a turn that are worth reading.
const DRAINED: usize = 64 * 1024;
/// How long they may take: less than a handshake.
const DRAIN_WAIT: Duration = Duration::from_millis(50);
/// A request from this size on that is refused without a word was too large for the model: some providers say no more.
const LARGE_REQUEST: usize = 100_000;

/// A key. It goes into one header and is shown nowhere.
#[derive(Clone)]
pub struct SecretKey(String);

impl SecretKey {
    /// Wraps a key.
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    /// The key, for the one header that it goes into.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey")
    }
}

/// Settings of the model that are sent when they are set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelOptions {
    /// 0 to 2; to 1 over `anthropic`.
    pub temperature: Option<f64>,
    /// Ceiling of one answer; over `anthropic`, which needs one, 8192 where it is not set.
    pub max_output_tokens: Option<u32>,
    /// Sent over `openai` alone; the other APIs have no such field.
    pub seed: Option<u64>,
    /// As the provider knows it; not sent over `anthropic`.
    pub reasoning_effort: Option<String>,
}

/// Why an endpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Only an agent CLI speaks it.
    #[error("the API `{0}` is for agent CLIs only")]
    Api(&'static str),
    /// The URL is none.
    #[error("endpoint `{0}` is not an http or https URL without credentials and query")]
    Url(String),
    /// The key has characters that a header cannot hold.
    #[error("the key of endpoint `{0}` has characters that cannot be sent")]
    Key(String),
    /// The client could not be made.
    #[error("endpoint `{url}`: {source}")]
    Client {
        /// The endpoint.
        url: String,
        /// Why.
        source: reqwest::Error,
    },
}

/// An endpoint and the model behind it.
#[derive(Debug)]
pub struct Endpoint {
    client: reqwest::Client,
    wire: &'static dyn Wire,
    url: reqwest::Url,
    key: Option<SecretKey>,
    provider_model: String,
    options: ModelOptions,
    price: Option<Price>,
}

impl Endpoint {
    /// Prepares an endpoint that speaks `api`. `model` is `provider/model`; the prefix is not sent.
    ///
    /// # Errors
    ///
    /// A URL or a key that cannot be used; the key is in none of them.
    pub fn new(
        api: Api,
        base_url: &str,
        key: Option<SecretKey>,
        model: &str,
        options: ModelOptions,
        price: Option<Price>,
    ) -> Result<Self, SetupError> {
        let wire = wire::of(api).ok_or(SetupError::Api(api.word()))?;
        let text = format!("{}{}", base_url.trim_end_matches('/'), wire.path());
        let url = reqwest::Url::parse(&text)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.username().is_empty())
            .filter(|url| url.password().is_none() && url.host().is_some())
            // A query would swallow the path, and some people put a key there.
            .filter(|url| url.query().is_none() && url.fragment().is_none())
            .ok_or_else(|| SetupError::Url(without_credentials(base_url)))?;
        let mut headers = wire.headers();
        if let Some(key) = &key {
            let (name, mut value) = wire.key(key).ok_or_else(|| SetupError::Key(base_url.to_owned()))?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let client = client(&url, headers)
            .map_err(|source| SetupError::Client { url: base_url.to_owned(), source })?;
        Ok(Self { client, wire, url, key, provider_model: model.to_owned(), options, price })
    }

    /// Who gets the prompts.
    pub(super) fn target(&self) -> String {
        format!("chat {}", self.provider_model)
    }

    fn model(&self) -> &str {
        self.provider_model.split_once('/').map_or(&*self.provider_model, |(_, model)| model)
    }

    async fn ask(&self, conversation: &Conversation, voice: &mut Voice) -> Result<Turn, Failure> {
        let body = self.wire.body(self.model(), &self.options, conversation).to_string();
        let size = body.len();
        let request = self.client.post(self.url.clone());
        let sent = request.header(reqwest::header::CONTENT_TYPE, "application/json").body(body).send().await;
        let mut response = sent.map_err(|error| Failure {
            // Whatever broke after the connection stood may have been read on the other side.
            maybe_accepted: !(error.is_connect() || error.is_builder()),
            ..self.transport(&error, voice.emitted())
        })?;
        let status = response.status();
        let advice = Advice::read(response.headers());
        if !status.is_success() {
            // A body that never ends does not make the status less true.
            let mut bytes = Vec::new();
            let body = read_body(&mut response, &mut bytes, ERROR_BODY_LIMIT);
            let _ = tokio::time::timeout(ERROR_BODY_WAIT, body).await;
            let said = Said { status: Some(status.as_u16()), size, advice };
            return Err(self.classify(&error_in(&bytes), &said, voice.emitted()));
        }
        let said = Said { status: None, size, advice };
        let mut stream = Stream::on(self.wire);
        self.follow(&mut response, &mut stream, &said, voice).await?;
        let mut turn = stream.finish().map_err(|error| self.broken(error, &said, voice.emitted()))?;
        turn.usage = turn.usage.map(|(usage, _)| priced(usage, self.price.as_ref()));
        Ok(turn)
    }

    /// Reads the response to its end and tells what comes.
    async fn follow(
        &self,
        response: &mut reqwest::Response,
        stream: &mut Stream,
        said: &Said,
        voice: &mut Voice,
    ) -> Result<(), Failure> {
        while !stream.over() {
            let read = match response.chunk().await {
                Ok(Some(chunk)) => stream.push(&chunk),
                Ok(None) => break,
                // The terminal marker was here already; what is lost is no part of the answer.
                Err(_) if stream.complete() => break,
                Err(error) => return Err(self.transport(&error, voice.emitted())),
            };
            tell(stream, voice).await?;
            read.map_err(|error| self.broken(error, said, voice.emitted()))?;
        }
        if stream.over() {
            drain(response).await;
        }
        let read = stream.end();
        tell(stream, voice).await?;
        read.map_err(|error| self.broken(error, said, voice.emitted()))
    }

    fn broken(&self, error: StreamError, said: &Said, emitted_output: bool) -> Failure {
        match error {
            StreamError::Provider(error) => self.classify(&error, said, emitted_output),
            StreamError::TooLarge => {
                let failure = Failure::ours(FaultClass::OutputLimit, error.to_string());
                Failure { emitted_output: true, ..failure }
            }
            StreamError::Malformed(_) | StreamError::Unfinished => {
                transport(self.clean(&error.to_string()), emitted_output)
            }
        }
    }

    fn classify(&self, error: &ProviderError, said: &Said, emitted_output: bool) -> Failure {
        let text = self.clean(&error.text);
        let origin = self.wire.origin();
        let unexplained = text.trim().is_empty() && error.code.is_none() && said.size >= LARGE_REQUEST;
        let label = match origin {
            _ if said.advice.rejected => Some("rejected"),
            Origin::OpenAi if unexplained => Some("large_request_no_body"),
            _ => None,
        };
        let facts = Facts {
            origin,
            status: status(said.status, error.status),
            code: error.code.as_deref().or(said.advice.claim.as_deref()),
            kind: error.kind.as_deref(),
            label,
            terminal: None,
            text: &text,
            retry_after: said.advice.seconds.or(error.resets_in),
            reset_at: error
                .resets_at
                .and_then(|second| Timestamp::from_second(second).ok())
                .or(said.advice.until),
            retryable: None,
            emitted_output,
            maybe_accepted: false,
            exit_code: None,
            signal: None,
        };
        Failure { should_retry: said.advice.should_retry, ..fault::classify(&facts) }
    }

    /// What a network error says, with its causes: the outermost text alone says nothing.
    fn transport(&self, error: &reqwest::Error, emitted_output: bool) -> Failure {
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(inner) = cause {
            text.push_str(": ");
            text.push_str(&inner.to_string());
            cause = inner.source();
        }
        transport(self.clean(&text), emitted_output)
    }

    /// Some providers repeat the key in what they say about it.
    fn clean(&self, text: &str) -> String {
        let text = match &self.key {
            Some(SecretKey(key)) if !key.is_empty() => text.replace(key.as_str(), "[redacted]"),
            _ => text.to_owned(),
        };
        text[..text.floor_char_boundary(ERROR_BODY_LIMIT)].to_owned()
    }
}

/// What is known of a failed response beside its body.
#[derive(Debug)]
struct Said {
    /// The status, where it says that it failed.
    status: Option<u16>,
    /// Bytes of the request.
    size: usize,
    advice: Advice,
}

/// The status that says what happened.
///
/// Inside a 200 the code of the body is all there is. A proxy that fails for the sake of its provider answers with a
/// status of its own, and the body still has the provider's.
fn status(of_response: Option<u16>, in_body: Option<u16>) -> Option<u16> {
    match (of_response, in_body) {
        (Some(500..), Some(inner @ 400..)) => Some(inner),
        (Some(status), _) => Some(status),
        (None, inner) => inner,
    }
}

/// Tells what the model has said since this was last told.
async fn tell(stream: &mut Stream, voice: &mut Voice) -> Result<(), Failure> {
    if !stream.begun() {
        return Ok(());
    }
    voice.accepted(stream.model().map(str::to_owned)).await?;
    let heard = stream.heard();
    if heard.calls {
        voice.content();
    }
    if !heard.text.is_empty() {
        return voice.text(heard.text).await;
    }
    if heard.calls || heard.thinks { voice.alive().await } else { Ok(()) }
}

fn client(url: &reqwest::Url, headers: HeaderMap) -> Result<reqwest::Client, reqwest::Error> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .default_headers(headers)
        .connect_timeout(Duration::from_secs(10))
        // A redirect would carry the prompt, and perhaps the key, to somebody nobody named.
        .redirect(reqwest::redirect::Policy::none());
    if url.scheme() == "http" {
        // Reading the system's certificates takes longer than many a request to a local model.
        let none = rustls::ClientConfig::builder()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        builder = builder.tls_backend_preconfigured(none);
    }
    if is_loopback(url) {
        builder = builder.no_proxy();
    }
    builder.build()
}

/// One attempt's conversation with an endpoint.
#[derive(Debug)]
pub(super) struct Conversing {
    endpoint: Arc<Endpoint>,
}

impl Conversing {
    /// Talks to `endpoint`.
    pub(super) fn new(endpoint: Arc<Endpoint>) -> Self {
        Self { endpoint }
    }
}

impl Model for Conversing {
    fn wire(&self) -> &'static dyn Wire {
        self.endpoint.wire
    }

    fn turn<'a>(&'a mut self, conversation: &'a Conversation, voice: &'a mut Voice) -> Asking<'a> {
        Box::pin(self.endpoint.ask(conversation, voice))
    }
}

fn transport(text: String, emitted_output: bool) -> Failure {
    Failure { emitted_output, ..Failure::ours(FaultClass::Transport, text) }
}

fn error_in(bytes: &[u8]) -> ProviderError {
    let found = serde_json::from_slice(bytes).ok().and_then(|value| ProviderError::find(&value));
    found.unwrap_or_else(|| ProviderError {
        text: String::from_utf8_lossy(bytes).into_owned(),
        ..ProviderError::default()
    })
}

/// Reads until `bytes` holds `limit` bytes; the rest is nobody's.
async fn read_body(
    response: &mut reqwest::Response,
    bytes: &mut Vec<u8>,
    limit: usize,
) -> Result<(), reqwest::Error> {
    while bytes.len() < limit {
        let Some(chunk) = response.chunk().await? else { break };
        bytes.extend_from_slice(&chunk[..chunk.len().min(limit - bytes.len())]);
    }
    Ok(())
}

/// Reads what is left behind the end of a turn, which is next to nothing: only a connection that was read to its end can
/// carry the next turn's request, and a new one costs a handshake.
async fn drain(response: &mut reqwest::Response) {
    let rest = async {
        let mut left = DRAINED;
        while let Ok(Some(chunk)) = response.chunk().await {
            let Some(less) = left.checked_sub(chunk.len()) else { return };
            left = less;
        }
    };
    let _ = tokio::time::timeout(DRAIN_WAIT, rest).await;
}

fn is_loopback(url: &reqwest::Url) -> bool {
    url.host_str().is_some_and(|host| {
        host == "localhost"
            || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    })
}

/// The part of a URL that may be shown: nothing before an `@`, nothing after a `?`.
fn without_credentials(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}://{}", &url[..scheme], &url[at + 1..]),
        (None, Some(at)) => url[at + 1..].to_owned(),
        _ => url.to_owned(),
    }
}
