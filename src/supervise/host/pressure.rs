//! Whether memory is short: a ladder of signs, of which the first that can be read decides.
//!
//! 1. Stalls (`/proc/pressure/memory`): the share of 10 s in which all tasks waited for memory is critical, that in which some
//!    did is a warning. Readable and quiet means healthy: nothing further is asked.
//! 2. Swapping: what was swapped out since the last look is a warning, and critical when no memory is free besides. Quiet
//!    proves nothing, since a host without swap never swaps.
//! 3. Memory that is free and memory that is available, both low: a warning. Free memory alone says nothing, since a healthy
//!    kernel keeps it in use as cache; available memory alone says nothing, since some hosts report too much of it.

use super::{MIB, Sample};
use crate::event::Severity;
use crate::profile::Host;

/// Which sign was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// Stalls, as the kernel measures them.
    Stall,
    /// What was swapped out since the last look.
    SwapOut,
    /// Free and available memory.
    Free,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// By which sign.
    pub tier: Tier,
    /// In words, with the limit.
    pub message: String,
}

/// How short memory is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pressure {
    /// Not at all, or nothing is told of it.
    None,
    /// Work goes on, slower.
    Warning(Signal),
    /// No round may begin; one that runs is ended if it stays so.
    Critical(Signal),
}

impl Pressure {
    /// What was seen, if it is short.
    pub fn signal(&self) -> Option<&Signal> {
        match self {
            Self::None => None,
            Self::Warning(signal) | Self::Critical(signal) => Some(signal),
        }
    }

    /// How loud an alert of it is, if it is short.
    pub fn severity(&self) -> Option<Severity> {
        match self {
            Self::None => None,
            Self::Warning(_) => Some(Severity::Warning),
            Self::Critical(_) => Some(Severity::Critical),
        }
    }
}

/// How short memory is `now`; `before` is the look before this one, without which nothing is known of swapping.
pub fn pressure(settings: &Host, before: Option<&Sample>, now: &Sample) -> Pressure {
    if let Some((full, some)) = stalls(now) {
        return stalled(settings, full, some);
    }
    if let Some(swapped) =
        swapped(before, now).filter(|bytes| *bytes > settings.swap_out_mb.saturating_mul(MIB))
    {
        let message = format!("{} MiB were swapped out since the last look", swapped / MIB);
        return match now.mem_free_mb {
            Some(free) if free < settings.memory_free_mb => Pressure::Critical(Signal {
                tier: Tier::SwapOut,
                message: format!(
                    "{message} and {free} MiB are free, critical below {} MiB",
                    settings.memory_free_mb
                ),
            }),
            _ => Pressure::Warning(Signal {
                tier: Tier::SwapOut,
                message: format!("{message}, a warning above {} MiB", settings.swap_out_mb),
            }),
        };
    }
    match (now.mem_free_mb, now.mem_available_mb) {
        (Some(free), Some(available))
            if free < settings.memory_free_mb && available < settings.memory_available_mb =>
        {
            Pressure::Warning(Signal {
                tier: Tier::Free,
                message: format!(
                    "{free} MiB are free, a warning below {} MiB, and {available} MiB available, below {} MiB",
                    settings.memory_free_mb, settings.memory_available_mb
                ),
            })
        }
        _ => Pressure::None,
    }
}

/// Whether any sign could be read at all. `false` is not health: nobody would see memory run short.
pub fn told(before: Option<&Sample>, now: &Sample) -> bool {
    stalls(now).is_some()
        || swapped(before, now).is_some()
        || (now.mem_free_mb.is_some() && now.mem_available_mb.is_some())
}

/// What is wrong, in words, when memory is short by stalls or by swapping while the host reports as much available memory as
/// the limit asks for: on such a host a gate on available memory would never close.
pub fn gate_inert(settings: &Host, before: Option<&Sample>, now: &Sample) -> Option<String> {
    let available = now.mem_available_mb.filter(|available| *available >= settings.memory_available_mb)?;
    let pressure = pressure(settings, before, now);
    let signal = pressure.signal().filter(|signal| signal.tier != Tier::Free)?;
    Some(format!(
        "{}, yet {available} MiB count as available: `memory_available_mb = {}` would not have seen it",
        signal.message, settings.memory_available_mb
    ))
}

fn stalled(settings: &Host, full: f64, some: f64) -> Pressure {
    let signal = |message: String| Signal { tier: Tier::Stall, message };
    if full >= settings.memory_full_critical {
        Pressure::Critical(signal(format!(
            "all tasks waited for memory in {full:.1} % of the last 10 s, critical from {} %",
            settings.memory_full_critical
        )))
    } else if some >= settings.memory_some_warning {
        Pressure::Warning(signal(format!(
            "some task waited for memory in {some:.1} % of the last 10 s, a warning from {} %",
            settings.memory_some_warning
        )))
    } else {
        Pressure::None
    }
}

/// Percent of 10 s in which all tasks, and in which some, waited for memory.
fn stalls(now: &Sample) -> Option<(f64, f64)> {
    let (full, some) = (now.memory_full_avg10, now.memory_some_avg10);
    (full.is_some() || some.is_some()).then(|| (full.unwrap_or(0.0), some.unwrap_or(0.0)))
}

/// Bytes swapped out between two looks.
fn swapped(before: Option<&Sample>, now: &Sample) -> Option<u64> {
    Some(now.swapped_out_bytes?.saturating_sub(before?.swapped_out_bytes?))
}
