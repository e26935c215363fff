//! How the host is: memory, disk and control group, and what that means for a round.
