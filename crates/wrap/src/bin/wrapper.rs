//! The wrapper: makes and checks wraps.

use std::process::ExitCode;

fn main() -> ExitCode {
    cloister_wrap::openvm::cli::main()
}
