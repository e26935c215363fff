//! Provost from outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::allow_attributes, reason = "tests")]
#![allow(missing_docs, reason = "tests")]

mod process;
