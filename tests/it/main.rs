//! Provost from outside: one binary, so that it links once; one module per verb or question.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::allow_attributes, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "tests write files and start programs")]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what a long test has found, and why one was left out"
)]
#![allow(missing_docs, reason = "tests")]

mod accounts;
mod acp;
mod agent_runner;
mod alerts;
mod architecture;
mod captures;
mod captures_acp;
mod certify;
mod certify_faults;
mod certify_treat;
mod chat;
mod chat_apis;
mod chat_faults;
mod chat_streams;
mod fallback;
mod generated;
mod grid;
mod harness_files;
mod import;
mod limits;
mod llmock_judge;
mod lock;
mod mcp;
mod one_line;
mod opencode_server;
mod process;
mod profile_errors;
mod prompt_template;
mod public_mocks;
mod ready;
mod real_acp;
mod real_aider;
mod real_claude;
mod real_codex;
mod real_fallback;
mod real_gemini;
mod real_judge;
mod real_model;
mod real_model_clis;
mod real_model_opencode;
mod real_opencode;
mod remote;
mod resume;
mod rows;
mod run;
mod scores;
mod service;
mod steer;
mod stop;
mod stop_drain;
mod suite_files;
mod supervise;
mod support;
