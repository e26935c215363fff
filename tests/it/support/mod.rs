//! What several tests stand on.

pub(crate) mod anthropic;
pub(crate) mod attempt;
pub(crate) mod chat_api;
pub(crate) mod completions;
pub(crate) mod gemini;
pub(crate) mod http;
pub(crate) mod looped;
pub(crate) mod mock;
pub(crate) mod model;
pub(crate) mod played;
pub(crate) mod responses;
pub(crate) mod run;
pub(crate) mod sandbox;
