//! What comes after a round. Pure: the fold, the profile and the time in, a verdict out.
