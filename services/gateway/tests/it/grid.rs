//! The golden grid: every method of the table × every role. A method without an entry, or one whose
//! answer changed for some role, fails here until somebody has decided it.

use cloister_gateway::method::Method;
use cloister_test_kit::client::{Client, Wallet};
use serde_json::{Value, json};

use crate::support::{NOWHERE, person, stack};

const GOLDEN: &str = include_str!("grid.txt");

/// The pattern of the methods that are asked without parameters.
macro_rules! no_parameters {
    () => {
        Method::EthChainId
            | Method::NetVersion
            | Method::Web3ClientVersion
            | Method::EthBlockNumber
            | Method::EthGasPrice
            | Method::EthMaxPriorityFeePerGas
            | Method::EthBlobBaseFee
            | Method::EthSyncing
            | Method::EthNewBlockFilter
            | Method::EthNewPendingTransactionFilter
            | Method::EthGetFilterChanges
            | Method::EthGetFilterLogs
            | Method::EthUninstallFilter
            | Method::EthSubscribe
            | Method::EthUnsubscribe
            | Method::EthGetStorageAt
            | Method::EthGetProof
            | Method::DebugTraceTransaction
            | Method::DebugTraceCall
            | Method::EthSimulateV1
            | Method::EthAccounts
            | Method::EthSign
            | Method::EthSendTransaction
            | Method::Personal
            | Method::Admin
            | Method::Miner
            | Method::Txpool
            | Method::Engine
            | Method::CloisterWhoami
            | Method::CloisterSealBatch
            | Method::CloisterListProofJobs
    };
}

/// Parameters that a method takes, about nothing that exists; every method is named.
fn sample(method: Method, wallet: &Wallet) -> Value {
    use Method as M;
    let hash = "0x7777777777777777777777777777777777777777777777777777777777777777";
    match method {
        M::EthFeeHistory => json!(["0x1", "latest", []]),
        M::EthGetBalance | M::EthGetTransactionCount | M::EthGetCode => json!([NOWHERE, "latest"]),
        M::EthCall | M::EthEstimateGas | M::EthCreateAccessList => {
            json!([{"to": NOWHERE, "data": "0x70a08231"}])
        }
        M::EthSendRawTransaction | M::EthSendRawTransactionSync => {
            json!([samples::unlinked(wallet)])
        }
        M::EthGetTransactionByHash
        | M::EthGetTransactionReceipt
        | M::EthGetRawTransactionByHash
        | M::EthGetBlockByHash
        | M::EthGetHeaderByHash
        | M::EthGetBlockTransactionCountByHash
        | M::CloisterGetBatchByTransaction
        | M::CloisterGetFinality => json!([hash]),
        M::EthGetTransactionByBlockHashAndIndex | M::EthGetRawTransactionByBlockHashAndIndex => {
            json!([hash, "0x0"])
        }
        M::EthGetTransactionByBlockNumberAndIndex
        | M::EthGetRawTransactionByBlockNumberAndIndex => json!(["latest", "0x0"]),
        M::EthGetBlockByNumber
        | M::EthGetHeaderByNumber
        | M::EthGetBlockReceipts
        | M::EthGetBlockTransactionCountByNumber => json!(["latest"]),
        M::EthGetLogs | M::EthNewFilter => json!([{}]),
        M::CloisterRevokeSessions => json!(["nobody"]),
        M::CloisterExplain => json!(["call"]),
        M::CloisterGetStateProof | M::CloisterRegisterContract | M::CloisterGetContract => {
            json!([NOWHERE])
        }
        M::CloisterGetProofJob
        | M::CloisterRetryProofJob
        | M::CloisterDiscardProofJob
        | M::CloisterGetProof => json!(["0x1"]),
        // Far beyond the end: the answer does not need the prover, which is away.
        M::CloisterGetBatch => json!(["0xffffff"]),
        no_parameters!() => json!([]),
    }
}

mod samples {
    use alloy::primitives::{Bytes, TxKind, U256};
    use cloister_test_kit::client::Wallet;

    /// A transaction that a wallet of nobody signed.
    pub(super) fn unlinked(wallet: &Wallet) -> String {
        wallet
            .sign_with(0, TxKind::Call(super::NOWHERE), U256::ZERO, Bytes::new())
            .unwrap()
    }
}

async fn verdict(client: &Client, method: Method, wallet: &Wallet) -> String {
    let name = method.name().replace('*', "Anything");
    let answer = client.respond(&name, sample(method, wallet)).await.unwrap();
    match answer.get("error") {
        None if answer["result"].is_null() => "null".to_owned(),
        None => "ok".to_owned(),
        Some(error) => error["data"]["code"].as_str().unwrap().to_owned(),
    }
}

#[tokio::test]
async fn every_method_answers_every_role_as_decided() {
    // Defends SGW-1, and SPV-24 for `cloister_getProof`.
    let stack = stack().await;
    let people = &stack.people;
    let nobodys = Wallet::random();
    let roles = [
        ("anonymous", Client::new(&stack, None).unwrap()),
        ("trader", person(&stack, &people.alice).await.0),
        ("compliance", person(&stack, &people.carol).await.0),
        ("operator", person(&stack, &people.operator).await.0),
        ("auditor", person(&stack, &people.dave).await.0),
    ];
    let mut grid = String::new();
    for method in Method::ALL {
        let mut line = format!("{:<42}", method.name());
        for (role, client) in &roles {
            let verdict = verdict(client, *method, &nobodys).await;
            line = format!("{line} {role}={verdict}");
        }
        grid.push_str(&line);
        grid.push('\n');
    }
    assert_eq!(grid, GOLDEN, "the grid is now:\n{grid}");
}
