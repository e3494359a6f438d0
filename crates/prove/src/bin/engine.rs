//! The proof engine: `serve` for the prover service, and commands for people.

use std::process::ExitCode;

fn main() -> ExitCode {
    cloister_prove::engine::cli::main()
}
