//! A gateway that stands beside the wrong sequencer takes no traffic.

use std::time::Duration;

use cloister_test_kit::service::ServiceName;
use cloister_test_kit::stack::{CHAIN_ID, Stack};
use cloister_test_kit::tools;

use crate::support::stack;

const READY: Duration = Duration::from_mins(1);
/// Long enough for several comparisons.
const LONG: Duration = Duration::from_secs(8);

/// Starts the gateway again with a changed configuration.
fn restart(stack: &mut Stack, from: &str, to: &str) {
    let path = stack.file("gateway.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "`{from}` is not in {text}");
    std::fs::write(&path, text.replace(from, to)).unwrap();
    let gateway = stack.service(ServiceName::Gateway).unwrap();
    gateway.kill();
    gateway.start().unwrap();
}

#[tokio::test]
async fn it_is_ready_only_beside_a_sequencer_of_its_chain_and_policies() {
    let mut stack = stack().await;
    let (ours, other) = (format!("id = {CHAIN_ID}"), "id = 1".to_owned());
    restart(&mut stack, &ours, &other);
    let gateway = stack.service(ServiceName::Gateway).unwrap();
    assert!(
        gateway.wait_ready(LONG).await.is_err(),
        "ready beside another chain"
    );
    restart(&mut stack, &other, &ours);
    stack
        .service(ServiceName::Gateway)
        .unwrap()
        .wait_ready(READY)
        .await
        .unwrap();

    let policies = tools::checkout().join("policies");
    let changed = stack.file("policies");
    std::fs::create_dir(&changed).unwrap();
    for entry in std::fs::read_dir(&policies).unwrap().map(Result::unwrap) {
        if entry.path().is_file() {
            std::fs::copy(entry.path(), changed.join(entry.file_name())).unwrap();
        }
    }
    let extra = "@id(\"extra\") forbid (principal, action == Action::\"deploy\", resource);\n";
    std::fs::write(changed.join("99-extra.cedar"), extra).unwrap();
    let (from, to) = (
        policies.display().to_string(),
        changed.display().to_string(),
    );
    restart(&mut stack, &from, &to);
    let gateway = stack.service(ServiceName::Gateway).unwrap();
    assert!(
        gateway.wait_ready(LONG).await.is_err(),
        "ready beside other policies"
    );
}
