//! What goes over the wire: one file an API, each with its request and the assembly of its response.
//!
//! A new API is one file that implements [`Wire`] and [`Assembly`], and one line in [`of`]. What is common to all stays
//! outside: HTTP is in `endpoint`, framing and limits in `stream`, what a failure means in `fault`.

use std::fmt::Debug;

use base64::Engine as _;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use super::conversation::{Conversation, Turn};
use super::endpoint::{ModelOptions, SecretKey};
use super::stream::{Heard, StreamError};
use crate::backend::Image;
use crate::fault::Origin;
use crate::profile::Api;

mod anthropic;
mod completions;
mod error;
mod lenient;
mod repeat;
mod responses;
mod usage;

pub(super) use completions::Completions;
pub use error::ProviderError;

/// Calls in one turn; a model that wants more has lost its way.
const MAX_CALLS: usize = 128;

/// Blocks or items in one turn, for the same reason.
const MAX_PARTS: usize = 1024;

/// One API: how a conversation is asked, and what puts the answer together.
pub(super) trait Wire: Debug + Send + Sync {
    /// Whose failures these are.
    fn origin(&self) -> Origin;

    /// What follows the base URL.
    fn path(&self) -> &'static str;

    /// The header that carries the key.
    fn key(&self, key: &SecretKey) -> Option<(HeaderName, HeaderValue)>;

    /// Headers that every request has.
    fn headers(&self) -> HeaderMap {
        HeaderMap::new()
    }

    /// The tools as they are sent; empty when there are none.
    fn tools(&self, conversation: &Conversation) -> Vec<Value>;

    /// The messages as they are sent.
    fn messages(&self, conversation: &Conversation) -> Vec<Value>;

    /// The body of a request.
    fn body(&self, model: &str, options: &ModelOptions, conversation: &Conversation) -> Value;

    /// Puts one answer together.
    fn assembly(&self) -> Box<dyn Assembly>;
}

/// A turn that is being put together.
pub(super) trait Assembly: Debug + Send {
    /// Takes the data of one event.
    fn event(&mut self, data: &str, heard: &mut Heard) -> Result<(), StreamError>;

    /// Takes a whole answer, from a server that does not stream.
    fn whole(&mut self, body: &str, heard: &mut Heard) -> Result<(), StreamError>;

    /// Whether the terminal marker has come.
    fn complete(&self) -> bool;

    /// Whether nothing more can come after it.
    fn over(&self) -> bool {
        self.complete()
    }

    /// The model that answers, as soon as it is known.
    fn model(&self) -> Option<&str>;

    /// How much the model has said.
    fn bytes(&self) -> usize;

    /// The turn, or what the provider says in its place.
    fn into_turn(self: Box<Self>) -> Result<Turn, ProviderError>;
}

/// The wire of an API; `None` for one that only an agent CLI speaks.
pub(super) fn of(api: Api) -> Option<&'static dyn Wire> {
    Some(match api {
        Api::OpenAi => &completions::Completions,
        Api::OpenAiResponses => &responses::Responses,
        Api::Anthropic => &anthropic::Messages,
        Api::Gemini => return None,
    })
}

fn base64(image: &Image) -> String {
    base64::engine::general_purpose::STANDARD.encode(&image.bytes)
}

/// An image as a URL that holds it.
fn data_url(image: &Image) -> String {
    format!("data:{};base64,{}", image.media_type, base64(image))
}

/// `Authorization: Bearer …`; `None` for a key that no header can hold.
fn bearer(key: &SecretKey) -> Option<(HeaderName, HeaderValue)> {
    let value = HeaderValue::from_str(&format!("Bearer {}", key.expose())).ok()?;
    Some((reqwest::header::AUTHORIZATION, value))
}

fn malformed(error: &serde_json::Error) -> StreamError {
    StreamError::Malformed(format!("an event of the stream is not what the protocol has: {error}"))
}

fn not_json(error: &serde_json::Error) -> StreamError {
    StreamError::Malformed(format!("the answer is not what the protocol has: {error}"))
}
