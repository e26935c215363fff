//! Provost from outside: one binary, so that it links once; one module per verb or question.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::allow_attributes, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "tests write files and start programs")]
#![allow(missing_docs, reason = "tests")]

mod architecture;
mod captures;
mod chat;
mod generated;
mod opencode_server;
mod process;
mod profile_errors;
mod real_claude;
mod real_model;
mod resume;
mod run;
mod support;
