//! Provost runs AI agents, keeps them running, makes them better, and says with evidence whether a change may ship.
//!
//! # The house
//!
//! Every room is a module, and these are the only arrows between them (`tests/it/architecture.rs` holds them):
//!
//! ```text
//! main      -> cli
//! cli       -> certify improve persona supervise suite engine backend report journal profile event fault stats
//! certify   -> suite engine stats persona profile event
//! suite     -> engine backend profile event stats file text
//! supervise -> engine process profile fault event
//! engine    -> backend profile fault event
//! backend   -> process profile fault event file
//! report    -> event file text
//! journal   -> event file
//! profile   -> fault stats text
//! leaves    :  event fault stats process file text      (fault and process may use event's ids)
//! ```
//!
//! Five consequences: the engine cannot print; a report cannot steer; statistics cannot be random by accident; `peek`
//! needs no engine at all; a new harness touches one file and one line.
//!
//! | I want to … | open |
//! | --- | --- |
//! | change a flag or its help | `cli/<verb>.rs`, then `provost generate` |
//! | add a key of a profile | `profile/keys.rs`, `profile/default.toml`, `profile/check.rs` |
//! | add a harness | one file in `backend/agent/` or `backend/chat/`, one row in `backend/registry.rs` |
//! | let `chat` speak another API | one file in `backend/chat/wire/`, one line in its `of` |
//! | change how a failure is classified | `fault/table/`, a table with tests |
//! | change what is shown | `report/human/` |
//! | change what is stored | `event/kind.rs`, `journal/format.rs` (bump the version) |
#![warn(missing_docs)]

pub mod backend;
pub mod certify;
pub mod cli;
pub mod engine;
pub mod event;
pub mod fault;
pub mod file;
pub mod journal;
pub mod process;
pub mod profile;
pub mod report;
pub mod stats;
pub mod suite;
pub mod supervise;
pub mod text;

pub use cli::main;
