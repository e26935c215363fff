//! Says whether the real agent CLI and the real model are at hand, so that their tests run where these are and stand as
//! ignored in the closing line where they are not. The program itself does not depend on it.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::allow_attributes,
    reason = "how a build script talks"
)]

/// The variables that name a real part, and the cfg under which its tests run.
const REAL: [(&str, &str); 10] = [
    ("PROVOST_TEST_LLMOCK", "real_llmock"),
    ("PROVOST_TEST_AIMOCK", "real_aimock"),
    ("PROVOST_TEST_AIDER", "real_aider"),
    ("PROVOST_TEST_CLAUDE", "real_claude"),
    ("PROVOST_TEST_CODEX", "real_codex"),
    ("PROVOST_TEST_GEMINI", "real_gemini"),
    ("PROVOST_TEST_MCP", "real_mcp"),
    ("PROVOST_TEST_OPENCODE", "real_opencode"),
    ("PROVOST_TEST_PYTHON", "real_model"),
    ("PROVOST_TEST_SYSTEMD", "real_systemd"),
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for (variable, flag) in REAL {
        println!("cargo::rerun-if-env-changed={variable}");
        println!("cargo::rustc-check-cfg=cfg({flag})");
        if std::env::var_os(variable).is_some_and(|value| !value.is_empty()) {
            println!("cargo::rustc-cfg={flag}");
        }
    }
}
