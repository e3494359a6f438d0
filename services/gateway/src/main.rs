//! The gateway; see the library of this package.

fn main() -> std::process::ExitCode {
    cloister_service_kit::main::<cloister_gateway::GatewayService>()
}
