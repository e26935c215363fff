//! `provost suite`: what is wrong with a suite, and suites of other tools' files.

mod check;
mod import;
mod sight;

use clap::{Args, Subcommand};

use super::context::Context;
use super::error::CliError;

/// Arguments of `suite`.
#[derive(Clone, Debug, Args)]
pub(crate) struct SuiteArgs {
    #[command(subcommand)]
    deed: Deed,
}

#[derive(Clone, Debug, Subcommand)]
enum Deed {
    /// Say all that is wrong with a suite, its cases, its templates and the profiles that it names
    ///
    /// Prints the parts with their sizes, how many cases each score has, and the smallest effect that the gate can show with a
    /// chance of 80 % on the part that it measures: the test part, or all cases where there is no split. It says what that
    /// assumes, and how many cases half of the effect would take. Nothing is run and nothing is asked.
    ///
    /// Exits with 0 when the suite can be used, and with 2 when it cannot.
    Check(check::CheckArgs),
    /// Make a suite of a promptfoo configuration, or of samples with `input` and `target`
    ///
    /// Writes suite.toml, cases.jsonl and a profile for each prompt and provider, and says what was not taken over. No file
    /// is overwritten, and no key is copied: profiles name the variable that holds it.
    Import(import::ImportArgs),
}

/// Does one of the two.
pub(crate) fn suite(context: &Context, args: &SuiteArgs) -> Result<u8, CliError> {
    match &args.deed {
        Deed::Check(args) => check::check(context, args),
        Deed::Import(args) => import::import(context, args),
    }
}
