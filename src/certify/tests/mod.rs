//! The gate, row by row; by simulation; and what must never change it.

use super::*;
use crate::event;

mod agreement;
mod cut;
mod expect;
mod foresight;
mod grid;
mod properties;
mod rows;
mod sequential;
mod simulation;
mod treat;
