//! One database and one role per service, and no way across.

use cloister_test_kit::process::Program;
use cloister_test_kit::stack::{Options, Stack};
use cloister_test_kit::tools;

/// SDB-1, A3.
#[tokio::test]
async fn psql_as_another_services_role_is_refused() {
    let mut stack = Stack::prepare(Options::default()).unwrap();
    stack.start_postgres().await.unwrap();
    let all = stack.databases.clone().unwrap();
    let all = [all.gateway, all.sequencer, all.prover, all.disclosure];
    for owner in &all {
        for role in &all {
            let psql = Program::new(tools::postgres_program("psql").unwrap())
                .args(["-h", &owner.host, "-p", &owner.port.to_string()])
                .args(["-U", &role.user, "-d", &owner.name, "-c", "select 1"])
                .variable("PGPASSWORD", &role.password);
            let outcome = psql.output().await;
            if owner.name == role.name {
                outcome.unwrap();
            } else {
                let refusal = outcome.unwrap_err().to_string();
                let expected = format!("permission denied for database \"{}\"", owner.name);
                assert!(refusal.contains(&expected), "{refusal}");
            }
        }
    }
}
