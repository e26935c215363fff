//! Shards: what several processes write of one run, each in a directory of its own.
//!
//! A shard has the layout of a run directory. Its name is taken by making the directory, which only one can do, also on a
//! network file system; so no file is ever written by two.

use std::fs;
use std::io::ErrorKind;

use super::error::io_error;
use super::{JournalError, RunDir};
use crate::event::ShardName;
use crate::file;

/// Takes a name for a new shard, as `wish` or with a number behind it, and makes its directory.
///
/// # Errors
///
/// A directory cannot be made.
pub fn claim_shard(run: &RunDir, wish: &str) -> Result<(ShardName, RunDir), JournalError> {
    let all = run.shards();
    file::ensure_private_dir(&all).map_err(io_error("create", &all))?;
    let mut number = 1_u64;
    loop {
        let name = if number == 1 { wish.to_owned() } else { format!("{wish}.{number}") };
        let path = all.join(&name);
        match fs::create_dir(&path) {
            Ok(()) => return Ok((ShardName::new(name), RunDir::create(path)?)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(io_error("create", &path)(error)),
        }
    }
}

/// The shards of a run whose journal has begun, by their names.
///
/// # Errors
///
/// The directory cannot be read.
pub fn shards(run: &RunDir) -> Result<Vec<(ShardName, RunDir)>, JournalError> {
    let all = run.shards();
    let entries = match fs::read_dir(&all) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io_error("read", &all)(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(io_error("read", &all))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let Ok(dir) = RunDir::open(entry.path()) else { continue };
        if dir.journal().is_file() {
            found.push((ShardName::new(name), dir));
        }
    }
    found.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    Ok(found)
}
