//! The tests that look at provost from outside, in one binary so that they link once.

mod profile_errors;
