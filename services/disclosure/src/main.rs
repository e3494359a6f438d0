//! The binary `cloister-disclosure`.

use std::process::ExitCode;

fn main() -> ExitCode {
    cloister_service_kit::main::<cloister_disclosure_service::DisclosureService>()
}
