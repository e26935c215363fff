//! When a round may begin. Pure: windows and a time in, an answer and the next change out.
