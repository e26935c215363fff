//! An OpenAI-compatible endpoint, asked with streaming.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{self, HeaderMap, HeaderValue};
use serde_json::Value;

use super::sse;
use super::turn::{Asking, Conversation, Model, Turn, Voice};
use super::wire::{self, Assembly, Piece, WireError};
use crate::event::{Failure, FaultClass};
use crate::fault::{self, Facts, Origin};
use crate::profile::element::Price;

#[cfg(test)]
mod tests;

/// Bytes of one turn; a model that never ends must not fill our memory.
const BODY_LIMIT: usize = 8 * 1024 * 1024;
/// Bytes of an error; how much of it is kept as evidence is decided where it is classified.
const ERROR_BODY_LIMIT: usize = 64 * 1024;
/// How long the body of an error may take; its status is known by then.
const ERROR_BODY_WAIT: Duration = Duration::from_secs(10);

/// A key. It goes into one header and is shown nowhere.
#[derive(Clone)]
pub struct SecretKey(String);

impl SecretKey {
    /// Wraps a key.
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
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
    /// 0 to 2.
    pub temperature: Option<f64>,
    /// Ceiling of one answer.
    pub max_output_tokens: Option<u32>,
    /// For providers that draw with it.
    pub seed: Option<u64>,
    /// As the provider knows it.
    pub reasoning_effort: Option<String>,
}

/// Why an endpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
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
pub struct Openai {
    client: reqwest::Client,
    url: reqwest::Url,
    key: Option<SecretKey>,
    provider_model: String,
    options: ModelOptions,
    price: Option<Price>,
}

impl Openai {
    /// Prepares an endpoint. `model` is `provider/model`; the prefix is not sent.
    ///
    /// # Errors
    ///
    /// A URL or a key that cannot be used; the key is in none of them.
    pub fn new(
        base_url: &str,
        key: Option<SecretKey>,
        model: &str,
        options: ModelOptions,
        price: Option<Price>,
    ) -> Result<Self, SetupError> {
        let text = format!("{}/chat/completions", base_url.trim_end_matches('/'));
        let url = reqwest::Url::parse(&text)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.username().is_empty())
            .filter(|url| url.password().is_none() && url.host().is_some())
            // A query would swallow the path, and some people put a key there.
            .filter(|url| url.query().is_none() && url.fragment().is_none())
            .ok_or_else(|| SetupError::Url(without_credentials(base_url)))?;
        let mut headers = HeaderMap::new();
        if let Some(SecretKey(key)) = &key {
            let mut value = HeaderValue::from_str(&format!("Bearer {key}"))
                .map_err(|_| SetupError::Key(base_url.to_owned()))?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
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
        if is_loopback(&url) {
            builder = builder.no_proxy();
        }
        let client =
            builder.build().map_err(|source| SetupError::Client { url: base_url.to_owned(), source })?;
        Ok(Self { client, url, key, provider_model: model.to_owned(), options, price })
    }

    /// Who gets the prompts.
    pub(super) fn target(&self) -> String {
        format!("chat {}", self.provider_model)
    }

    fn model(&self) -> &str {
        self.provider_model.split_once('/').map_or(&*self.provider_model, |(_, model)| model)
    }

    async fn ask(&self, conversation: &Conversation, voice: &mut Voice) -> Result<Turn, Failure> {
        let body = wire::body(self.model(), &self.options, conversation);
        let sent = self.client.post(self.url.clone()).json(&body).send().await;
        let mut response = sent.map_err(|error| self.transport(&error, voice.emitted()))?;
        let status = response.status();
        let wait = Wait::read(response.headers());
        if !status.is_success() {
            // A body that never ends does not make the status less true.
            let mut bytes = Vec::new();
            let body = read_body(&mut response, &mut bytes, ERROR_BODY_LIMIT);
            let _ = tokio::time::timeout(ERROR_BODY_WAIT, body).await;
            let error = error_in(&bytes);
            return Err(self.classify(&error, Some(status.as_u16()), wait, voice.emitted()));
        }
        let mut assembly = Assembly::default();
        let first = response.chunk().await.map_err(|error| self.transport(&error, voice.emitted()))?;
        let first = first.unwrap_or_default();
        // Not every server streams, and not every one that does or does not says so in its header.
        if matches!(first.trim_ascii_start().first(), Some(b'{' | b'[')) {
            let mut bytes = first.to_vec();
            read_body(&mut response, &mut bytes, BODY_LIMIT)
                .await
                .map_err(|error| self.transport(&error, voice.emitted()))?;
            let value = serde_json::from_slice(&bytes)
                .map_err(|error| transport(format!("the answer is not JSON: {error}"), voice.emitted()))?;
            self.take(&mut assembly, &value, wait, voice).await?;
        } else {
            self.follow(&mut response, &first, &mut assembly, wait, voice).await?;
        }
        match assembly.finished() {
            None => {
                Err(transport("the stream ended before the model had finished".to_owned(), voice.emitted()))
            }
            Some("error") => {
                let error = WireError {
                    text: "the model's turn ended with finish_reason `error`".to_owned(),
                    ..WireError::default()
                };
                Err(self.classify(&error, None, wait, voice.emitted()))
            }
            Some(_) => Ok(assembly.into_turn()),
        }
    }

    async fn follow(
        &self,
        response: &mut reqwest::Response,
        first: &[u8],
        assembly: &mut Assembly,
        wait: Wait,
        voice: &mut Voice,
    ) -> Result<(), Failure> {
        let mut parser = sse::Parser::default();
        let mut events = Vec::new();
        let too_large = |error: sse::TooLarge| transport(error.to_string(), true);
        parser.feed(first, &mut events).map_err(too_large)?;
        loop {
            for event in events.drain(..) {
                if event.data.trim() == "[DONE]" {
                    return Ok(());
                }
                match serde_json::from_str::<Value>(&event.data) {
                    Ok(value) => self.take(assembly, &value, wait, voice).await?,
                    Err(_) if event.name == "error" => {
                        let error = WireError { text: event.data, ..WireError::default() };
                        return Err(self.classify(&error, None, wait, voice.emitted()));
                    }
                    Err(error) => {
                        let text = format!("an event of the stream is not JSON: {error}");
                        return Err(transport(text, voice.emitted()));
                    }
                }
            }
            match response.chunk().await {
                Ok(Some(chunk)) => parser.feed(&chunk, &mut events).map_err(too_large)?,
                Ok(None) => return Ok(()),
                // The terminal marker was here already; what is lost is no part of the answer.
                Err(_) if assembly.finished().is_some() => return Ok(()),
                Err(error) => return Err(self.transport(&error, voice.emitted())),
            }
        }
    }

    async fn take(
        &self,
        assembly: &mut Assembly,
        value: &Value,
        wait: Wait,
        voice: &mut Voice,
    ) -> Result<(), Failure> {
        let piece = assembly.add(value, self.price.as_ref());
        if let Piece::Error(error) = &piece {
            return Err(self.classify(error, None, wait, voice.emitted()));
        }
        if assembly.bytes() > BODY_LIMIT {
            let text = format!("the turn is larger than {BODY_LIMIT} bytes");
            return Err(Failure { emitted_output: true, ..Failure::ours(FaultClass::OutputLimit, text) });
        }
        voice.accepted(assembly.model.clone()).await?;
        match piece {
            Piece::Text(text) if !text.is_empty() => voice.text(text).await,
            Piece::Call => {
                voice.content();
                voice.alive().await
            }
            Piece::Thought => voice.alive().await,
            Piece::Text(_) | Piece::Error(_) => Ok(()),
        }
    }

    fn classify(&self, error: &WireError, status: Option<u16>, wait: Wait, emitted_output: bool) -> Failure {
        let text = self.clean(&error.text);
        let facts = Facts {
            origin: Origin::OpenAi,
            // Inside a 200 the code of the body is all there is.
            status: status.or(error.status),
            code: error.code.as_deref(),
            kind: error.kind.as_deref(),
            label: None,
            terminal: None,
            text: &text,
            retry_after: wait.seconds.or(error.resets_in),
            reset_at: error.resets_at.and_then(|second| Timestamp::from_second(second).ok()).or(wait.until),
            emitted_output,
            exit_code: None,
            signal: None,
        };
        fault::classify(&facts)
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

/// One attempt's conversation with an endpoint.
#[derive(Debug)]
pub(super) struct Conversing {
    endpoint: Arc<Openai>,
}

impl Conversing {
    /// Talks to `endpoint`.
    pub(super) fn new(endpoint: Arc<Openai>) -> Self {
        Self { endpoint }
    }
}

impl Model for Conversing {
    fn turn<'a>(&'a mut self, conversation: &'a Conversation, voice: &'a mut Voice) -> Asking<'a> {
        Box::pin(self.endpoint.ask(conversation, voice))
    }
}

fn transport(text: String, emitted_output: bool) -> Failure {
    Failure { emitted_output, ..Failure::ours(FaultClass::Transport, text) }
}

fn error_in(bytes: &[u8]) -> WireError {
    let found = serde_json::from_slice(bytes).ok().and_then(|value| WireError::find(&value));
    found.unwrap_or_else(|| WireError {
        text: String::from_utf8_lossy(bytes).into_owned(),
        ..WireError::default()
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

/// When to come back, as the headers say it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Wait {
    seconds: Option<f64>,
    until: Option<Timestamp>,
}

impl Wait {
    fn read(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        let date = |name: &str| {
            text(name).and_then(|text| jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok())
        };
        let number = |name: &str| {
            text(name)
                .and_then(|text| text.parse::<f64>().ok())
                .filter(|number| number.is_finite() && *number >= 0.0)
        };
        let until = date("retry-after");
        // A date is counted from the server's own clock, so that ours need not be right.
        let counted =
            until.zip(date("date")).map(|(until, now)| until.duration_since(now).as_secs_f64().max(0.0));
        let seconds = number("retry-after-ms").map(|millis| millis / 1000.0);
        Self { seconds: seconds.or_else(|| number("retry-after")).or(counted), until }
    }
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
