//! What the prover's reports change, and what they do not. Defends SSQ-9.

use std::time::{Duration, Instant};

use alloy::primitives::{Address, TxKind};
use cloister_proto::sequencer::v1::{
    GetStatusRequest, GetStatusResponse, ReportProvingLoadRequest, StreamBatchesRequest,
    StreamBatchesResponse,
};
use tonic::Streaming;

use crate::harness::{Client, Sequencer, code};

/// Reports that so many batches wait; answers by how much the age limit is stretched.
async fn report(prover: &Client, waiting_batches: u64, time_to_live_ms: u64) -> u32 {
    let request = ReportProvingLoadRequest {
        waiting_batches,
        time_to_live_ms,
        ..ReportProvingLoadRequest::default()
    };
    let answer = prover.clone().report_proving_load(request).await;
    answer.unwrap().into_inner().age_stretch_permille
}

async fn status(client: &Client) -> GetStatusResponse {
    let answer = client.clone().get_status(GetStatusRequest {}).await;
    answer.unwrap().into_inner()
}

async fn batches(prover: &Client) -> Streaming<StreamBatchesResponse> {
    let request = StreamBatchesRequest { from_batch: 1 };
    let answer = prover.clone().stream_batches(request).await;
    answer.unwrap().into_inner()
}

const TO: TxKind = TxKind::Call(Address::repeat_byte(1));

#[tokio::test]
async fn a_load_stretches_the_age_until_its_time_to_live_is_over() {
    let settings = "[block]\ninterval_ms = 1\n[batch]\nmax_age_ms = 50\n\
                    [backpressure]\nwaiting_batches = 1\nmax_age_factor = 100000\n";
    let sequencer = Sequencer::start(settings).await.unwrap();
    let client = sequencer.gateway().unwrap();
    let prover = sequencer.client("prover").unwrap();
    let mut alice = sequencer.funded();
    let mut sealed = batches(&prover).await;
    let reported = Instant::now();
    assert_eq!(report(&prover, 100_000, 2_000).await, 100_000_000);
    // The acknowledgement does not wait for the batch.
    alice.send(&client, TO, 1, &[]).await.unwrap();
    let now = status(&client).await;
    let open = now.open_batch.unwrap();
    assert_eq!((open.number, open.blocks, open.transactions), (1, 1, 1));
    assert_eq!(now.unsealed_batches, 1);
    assert_eq!(now.limits.unwrap().max_age_ms, 5_000_000);
    assert_eq!(now.proving_load.unwrap().waiting_batches, 100_000);
    sealed.message().await.unwrap().unwrap();
    assert!(reported.elapsed() >= Duration::from_secs(2));
    let now = status(&client).await;
    assert_eq!((now.open_batch, now.proving_load), (None, None));
    assert_eq!(now.limits.unwrap().max_age_ms, 50);
}

#[tokio::test]
async fn a_load_does_not_move_the_other_limits() {
    let settings = "[block]\ninterval_ms = 1\n[batch]\nmax_blocks = 1\nmax_age_ms = 600000\n";
    let sequencer = Sequencer::start(settings).await.unwrap();
    let client = sequencer.gateway().unwrap();
    let prover = sequencer.client("prover").unwrap();
    let mut alice = sequencer.funded();
    let mut sealed = batches(&prover).await;
    assert_eq!(report(&prover, u64::MAX, 600_000).await, 10_000);
    alice.send(&client, TO, 1, &[]).await.unwrap();
    let batch = sealed.message().await.unwrap().unwrap().batch.unwrap();
    assert_eq!((batch.number, batch.transaction_count), (1, 1));
}

#[tokio::test]
async fn a_new_report_replaces_the_one_before_and_a_restart_forgets_it() {
    let mut sequencer = Sequencer::start("").await.unwrap();
    let prover = sequencer.client("prover").unwrap();
    assert_eq!(report(&prover, 16, 600_000).await, 2_000);
    assert_eq!(report(&prover, 8, 600_000).await, 1_000);
    assert_eq!(report(&prover, 12, 600_000).await, 1_500);
    sequencer.kill();
    sequencer.resume().await.unwrap();
    let prover = sequencer.client("prover").unwrap();
    assert_eq!(status(&prover).await.proving_load, None);
}

#[tokio::test]
async fn a_report_that_holds_for_ever_is_refused() {
    let sequencer = Sequencer::start("").await.unwrap();
    let prover = sequencer.client("prover").unwrap();
    let request = ReportProvingLoadRequest {
        time_to_live_ms: u64::MAX,
        ..ReportProvingLoadRequest::default()
    };
    let refused = prover.clone().report_proving_load(request).await;
    assert_eq!(code(refused), "malformed_request");
    assert_eq!(status(&prover).await.proving_load, None);
}
