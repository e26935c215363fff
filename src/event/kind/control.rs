//! What other processes ask of a live run, and what it answers.

use serde::{Deserialize, Serialize};

use crate::event::{RequestId, StopEffect};

/// The run has seen a request to stop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StopRequested {
    /// The request.
    pub id: RequestId,
    /// Whether the agent is to be ended without its grace.
    pub now: bool,
}

/// The run's answer to it; each request gets one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StopAcknowledged {
    /// The request.
    pub id: RequestId,
    /// What becomes of it.
    pub effect: StopEffect,
}
