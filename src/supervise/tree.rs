//! What a round leaves in the work tree, put away between rounds so that nothing of it is lost.
