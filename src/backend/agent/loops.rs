//! The retry loops that agent CLIs have of their own: what of them can be turned down is, and the rest is cut short.

/// Each harness with what its agent repeats by itself, for `provost-faults(7)`.
pub const OWN_LOOPS: [(&str, &str); 8] = [
    (
        "claude",
        "Turned down to two retries a request (CLAUDE_CODE_MAX_RETRIES, unless the caller sets it); a refused key is \
         ended at its first retry. A stream that was cut it repeats once without streaming, in silence: that has no knob.",
    ),
    (
        "codex",
        "With an endpoint of the profile: no retry of a request, one of a stream. With its own login neither can be set, \
         and a status of 500 may cost thirty requests an attempt; a refused key, an empty account and a request that is \
         wrong are ended at the first sign all the same.",
    ),
    (
        "opencode",
        "No knob. It repeats 429 and 5xx up to nine times in more than a minute, in silence: `round.first_event` bounds \
         that, and provost does not begin it again. A stream without a finish reason it repeats without end: it is \
         killed at the second such step.",
    ),
    (
        "opencode-server",
        "No knob, but each retry is told, and shown as attempt.retrying. Together they draw on `retry.wait`; hopeless \
         ones are ended at once, and so is the repetition of cut streams.",
    ),
    (
        "gemini",
        "One attempt a request (general.maxAttempts, in settings laid over the user's own); the settings of a project \
         override that. A silent retry is bounded by `round.first_event`.",
    ),
    (
        "aider",
        "No knob. A hopeless error is ended at its first retry, any other at the third, and provost does not begin that again.",
    ),
    ("acp", "The agent's own affair, and not told: `round.first_event` and `round.stall` bound it."),
    ("command", "Nothing is known of it: `round.first_event` and `round.stall` bound it."),
];
