//! Starts the parts in order, each as a step.

use cloister_test_kit::service::ServiceName;
use cloister_test_kit::stack::Stack;

use crate::report::Report;

/// Starts everything.
pub(crate) async fn start(stack: &mut Stack, report: &mut Report) -> anyhow::Result<()> {
    report
        .step(
            "start Postgres, one database and role per service",
            stack.start_postgres(),
        )
        .await?;
    report
        .step("start an Ethereum node", stack.start_ethereum())
        .await?;
    report
        .step("start the OpenID provider", stack.start_provider())
        .await?;
    report
        .step(
            "start the sequencer",
            stack.start_service(ServiceName::Sequencer),
        )
        .await?;
    report
        .step("deploy the contracts to Ethereum", stack.deploy_contracts())
        .await?;
    report
        .step(
            "start the committer",
            stack.start_service(ServiceName::Prover),
        )
        .await?;
    report
        .step(
            "start the gateway",
            stack.start_service(ServiceName::Gateway),
        )
        .await?;
    report
        .step(
            "start the disclosure service",
            stack.start_service(ServiceName::Disclosure),
        )
        .await
}
