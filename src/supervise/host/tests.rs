#![allow(clippy::unwrap_used, clippy::allow_attributes, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "tests write files and start children as a person would")]

mod brake;
mod fixture;
mod floor;
mod growth;
mod ladder;
mod look;
mod parse;
mod real;
