//! Bytes on their way to disk: written whole or not at all, by one writer at a time, and without what must not be in
//! them.
//!
//! **Invariant: whole and clean.** A reader sees the old file or the new one, never half of one, and no secret that was
//! known when it was written.
//!
//! Two nets take secrets out. [`Secrets`] knows exact values and replaces them everywhere, prompts and transcripts
//! included. [`redact_shapes`] knows what keys look like and is for free text only, since it may also hit what is none.
//! Both run before a text is cut: half a secret matches nothing.

mod atomic;
mod bell;
mod lock;
mod secret;
mod shape;
mod slots;
mod veil;

pub use atomic::{
    ensure_private_dir, sync_dir, write_atomic, write_atomic_from, write_atomic_readable,
    write_atomic_unsynced, write_atomic_with,
};
pub use bell::{Bell, ring};
pub use lock::{Held, HoldError, Holder, hold, is_locked, try_lock};
pub use secret::Secrets;
pub use shape::{is_secret_name, redact_shapes};
pub use slots::Slots;
pub use veil::Veil;
