//! Everything that tests the whole house from outside, in one binary so that it links once.

mod claude_captures;
