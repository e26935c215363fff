//! What goes wrong while a round runs, seen in its events and in the host; each once until it is over.
