//! The `provost` binary: one call into the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    provost::main()
}
