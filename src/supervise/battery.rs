//! What must be right before the first round: the prompt, the program, the work tree, the place of the logs.
