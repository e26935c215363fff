//! What a run does when its candidates fail: the rows of the chain (12.B) and of the clocks (12.D), and what holds of
//! every run whatever its endpoints do.

mod chain;
mod chance;
mod clocks;
mod more;

mod stage;
mod taken_up;
