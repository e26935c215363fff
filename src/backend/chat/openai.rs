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

/// Bytes of an answer that is no stream.
const BODY_LIMIT: usize = 8 * 1024 * 1024;
/// Bytes of a text that is kept as evidence.
const EVIDENCE_LIMIT: usize = 2000;
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
    #[error("endpoint `{0}` is not an http or https URL without credentials")]
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
            let bytes = tokio::time::timeout(ERROR_BODY_WAIT, read_body(&mut response, 64 * 1024))
                .await
                .ok()
                .and_then(Result::ok)
                .unwrap_or_default();
            let error = error_in(&bytes);
            return Err(self.classify(&error, Some(status.as_u16()), wait, voice.emitted()));
        }
        let streams = response
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .is_none_or(|kind| !kind.to_ascii_lowercase().contains("json"));
        let mut assembly = Assembly::default();
        if streams {
            self.follow(&mut response, &mut assembly, wait, voice).await?;
        } else {
            let bytes = read_body(&mut response, BODY_LIMIT)
                .await
                .map_err(|error| self.transport(&error, voice.emitted()))?;
            match serde_json::from_slice(&bytes) {
                Ok(value) => self.take(&mut assembly, &value, wait, voice).await?,
                Err(error) => {
                    let text = format!("the answer is not JSON: {error}");
                    return Err(transport(text, voice.emitted()));
                }
            }
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
        assembly: &mut Assembly,
        wait: Wait,
        voice: &mut Voice,
    ) -> Result<(), Failure> {
        let mut parser = sse::Parser::default();
        let mut events = Vec::new();
        loop {
            let chunk = match response.chunk().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => return Ok(()),
                // The terminal marker was here already; what is lost is no part of the answer.
                Err(_) if assembly.finished().is_some() => return Ok(()),
                Err(error) => return Err(self.transport(&error, voice.emitted())),
            };
            parser
                .feed(&chunk, &mut events)
                .map_err(|error| transport(error.to_string(), voice.emitted()))?;
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
        }
    }

    async fn take(
        &self,
        assembly: &mut Assembly,
        value: &Value,
        wait: Wait,
        voice: &mut Voice,
    ) -> Result<(), Failure> {
        match assembly.add(value, self.price.as_ref()) {
            Piece::Error(error) => {
                return Err(self.classify(&error, None, wait, voice.emitted()));
            }
            Piece::Call => voice.content(),
            Piece::Text(text) if !text.is_empty() => voice.text(text).await?,
            Piece::Text(_) => {}
        }
        voice.accepted(assembly.model.clone()).await
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
        text[..text.floor_char_boundary(EVIDENCE_LIMIT)].to_owned()
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

async fn read_body(response: &mut reqwest::Response, limit: usize) -> Result<Vec<u8>, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = limit - bytes.len();
        bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if bytes.len() == limit {
            break;
        }
    }
    Ok(bytes)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_shown_nowhere() {
        let key = || Some(SecretKey::new("sk-very-secret"));
        let new = |url| Openai::new(url, key(), "local/m", ModelOptions::default(), None);
        let endpoint = new("http://127.0.0.1:1/v1").unwrap();
        assert!(!format!("{endpoint:?}").contains("very-secret"));
        assert_eq!(endpoint.clean("bad key sk-very-secret"), "bad key [redacted]");
        assert_eq!(endpoint.model(), "m");
        let error = new("http://user:sk-very-secret@host/v1").unwrap_err();
        assert!(!error.to_string().contains("very-secret"), "{error}");
        assert!(matches!(new("ftp://host"), Err(SetupError::Url(_))));
        let newline =
            Openai::new("http://h", Some(SecretKey::new("a\nb")), "m", ModelOptions::default(), None);
        assert!(matches!(newline, Err(SetupError::Key(_))));
    }

    #[test]
    fn a_wait_is_read_in_every_form() {
        let wait = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("date", HeaderValue::from_static("Sat, 21 Nov 2026 10:00:00 GMT"));
            headers.insert(name, HeaderValue::from_str(value).unwrap());
            Wait::read(&headers).seconds
        };
        assert_eq!(wait("retry-after", "7"), Some(7.0));
        assert_eq!(wait("retry-after-ms", "250"), Some(0.25));
        assert_eq!(wait("retry-after", "Sat, 21 Nov 2026 10:01:30 GMT"), Some(90.0));
        assert_eq!(wait("retry-after", "Sat, 21 Nov 2026 09:00:00 GMT"), Some(0.0));
        assert_eq!(wait("retry-after", "soon"), None);
        assert_eq!(wait("retry-after", "-1"), None);
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", HeaderValue::from_static("Sat, 21 Nov 2026 10:01:30 GMT"));
        let until = "2026-11-21T10:01:30Z".parse().ok();
        assert_eq!(Wait::read(&headers), Wait { seconds: None, until });
    }

    #[test]
    fn loopback_is_told_apart() {
        let loopback = |url: &str| is_loopback(&reqwest::Url::parse(url).unwrap());
        assert!(loopback("http://localhost:1/"));
        assert!(loopback("http://127.3.0.1/"));
        assert!(loopback("http://[::1]:9/"));
        assert!(!loopback("http://example.com/"));
    }
}
