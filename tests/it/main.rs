//! Provost from outside, in one binary so that it is linked once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::allow_attributes, reason = "tests")]
#![allow(missing_docs, reason = "tests")]

mod chat;
mod support;
