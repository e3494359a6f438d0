//! Batches by what proving them costs. Defends SSQ-8.

use alloy::{
    hex,
    primitives::{Address, TxKind},
};
use cloister_proto::sequencer::v1::{
    EstimateError, ExecutedBatch, GetStatusRequest, GetStatusResponse, GetTransactionRequest,
    OpenBatch, ReportProvingLoadRequest, StreamBatchesRequest,
};
use cloister_types::BatchHeader;

use crate::harness::{Client, Sequencer, code, deploying, height, seal, submit, transaction};

const TO: TxKind = TxKind::Call(Address::repeat_byte(1));

async fn status(client: &Client) -> GetStatusResponse {
    let answer = client.clone().get_status(GetStatusRequest {}).await;
    answer.unwrap().into_inner()
}

async fn open(client: &Client) -> OpenBatch {
    status(client).await.open_batch.unwrap()
}

#[tokio::test]
async fn refuses_what_could_hardly_be_proved_and_goes_on() {
    let settings = "[block]\ninterval_ms = 1\n[batch]\nmax_instructions = 4000000\n\
                    max_transaction_instructions = 4000000\n";
    let sequencer = Sequencer::start(settings).await.unwrap();
    let client = sequencer.gateway().unwrap();
    let mut alice = sequencer.funded();
    // JUMPDEST PUSH0 JUMP: burns whatever gas it is given.
    let loops = deploying(&hex!("5b5f56"));
    let answer = alice
        .send(&client, TxKind::Create, 0, &loops)
        .await
        .unwrap();
    let deployed = transaction(&client, &answer.hash).await.unwrap();
    let address = deployed.receipt.unwrap().contract_address.unwrap();
    let contract = TxKind::Call(Address::from_slice(&address));
    let before = height(&client).await.unwrap();

    let costly = alice.sign(alice.draft(contract, 0, &[]));
    let hash = alloy::primitives::keccak256(&costly);
    let status = submit(&client, costly).await.unwrap_err();
    assert!(
        status.message().contains("more than the 4000000"),
        "{status:?}"
    );
    assert_eq!(code::<()>(Err(status)), "proving_limit");
    assert_eq!(height(&client).await.unwrap(), before);
    let request = GetTransactionRequest {
        hash: hash.to_vec().into(),
    };
    let known = client.clone().get_transaction(request).await.unwrap();
    assert_eq!(known.into_inner().transaction, None);

    // The same nonce with less gas to burn.
    let mut cheap = alice.draft(contract, 0, &[]);
    cheap.gas_limit = 100_000;
    submit(&client, alice.sign(cheap)).await.unwrap();
    assert_eq!(height(&client).await.unwrap(), before + 1);
    assert_eq!(seal(&client).await.unwrap(), 1);
}

const BUDGET: u64 = 1_000_000;

fn budget() -> String {
    format!(
        "[block]\ninterval_ms = 1\n[batch]\nmax_age_ms = 600000\nmax_instructions = {BUDGET}\n\
         max_transaction_instructions = {BUDGET}\n"
    )
}

#[tokio::test]
async fn closes_a_batch_by_its_instructions_even_across_a_kill() {
    let mut sequencer = Sequencer::start(&budget()).await.unwrap();
    let client = sequencer.gateway().unwrap();
    let mut alice = sequencer.funded();
    for _ in 0..2 {
        alice.send(&client, TO, 1, &[]).await.unwrap();
    }
    let half = open(&client).await;
    sequencer.kill();
    sequencer.resume().await.unwrap();
    let client = sequencer.gateway().unwrap();
    assert_eq!(open(&client).await, half);

    let prover = sequencer.client("prover").unwrap();
    let request = StreamBatchesRequest { from_batch: 1 };
    let mut sealed = prover
        .clone()
        .stream_batches(request)
        .await
        .unwrap()
        .into_inner();
    let mut sent = 2;
    loop {
        alice.send(&client, TO, 1, &[]).await.unwrap();
        sent += 1;
        // The batch is closed as soon as its estimate reaches the budget, not before.
        match status(&client).await.open_batch {
            Some(open) if open.number == 1 && open.estimated_instructions < BUDGET => {}
            _ => break,
        }
    }
    let batch = sealed.message().await.unwrap().unwrap().batch.unwrap();
    let header = BatchHeader::decode(&batch.header).unwrap();
    assert_eq!(header.private.last_block.0, sent);
}

#[tokio::test]
async fn tells_how_far_estimates_were_off() {
    let mut sequencer = Sequencer::start("[block]\ninterval_ms = 1\n")
        .await
        .unwrap();
    let client = sequencer.gateway().unwrap();
    let prover = sequencer.client("prover").unwrap();
    let mut alice = sequencer.funded();
    alice.send(&client, TO, 1, &[]).await.unwrap();
    let now = status(&client).await;
    let table = now.cost_table;
    let (image, _) = table.split_once('.').unwrap();
    let estimated = now.open_batch.unwrap().estimated_instructions;
    assert_eq!(seal(&client).await.unwrap(), 1);
    let report = |image: &str, instructions| {
        let executed = ExecutedBatch {
            number: 1,
            instructions,
            image: image.to_owned(),
        };
        let request = ReportProvingLoadRequest {
            executed: vec![executed],
            time_to_live_ms: 1_000,
            ..ReportProvingLoadRequest::default()
        };
        let client = prover.clone();
        async move { client.clone().report_proving_load(request).await.unwrap() }
    };
    // Another image, then the right one, then again: only the first measurement counts.
    report("v0", 1).await;
    assert_eq!(
        status(&client).await.estimate_error,
        Some(EstimateError::default())
    );
    report(image, estimated * 2).await;
    report(image, estimated * 4).await;
    let expected = EstimateError {
        batches: 1,
        mean_permille: 500,
        p95_permille: 500,
        worst_permille: 500,
        underestimated: 1,
    };
    assert_eq!(status(&client).await.estimate_error, Some(expected));
    sequencer.kill();
    sequencer.resume().await.unwrap();
    let client = sequencer.gateway().unwrap();
    assert_eq!(status(&client).await.estimate_error, Some(expected));
}
