//! Who may call what. Defends SSQ-5 and SSQ-6.

use alloy::primitives::{B256, TxKind};
use cloister_proto::code::code_of;
use cloister_proto::sequencer::v1::{
    AnchorAuditHeadRequest, CallRequest, GetBatchInputRequest, GetInfoRequest, GetStatusRequest,
    GetTransactionRequest, ReportProvingLoadRequest, SealBatchRequest,
};

use crate::harness::{Sequencer, code, submit};

fn head(ledger: &str, count: u64, byte: u8) -> AnchorAuditHeadRequest {
    AnchorAuditHeadRequest {
        ledger: ledger.to_owned(),
        count,
        head: B256::repeat_byte(byte).to_vec().into(),
    }
}

#[tokio::test]
async fn a_peer_may_call_only_what_it_needs() {
    let sequencer = Sequencer::start("").await.unwrap();
    let alice = sequencer.funded();
    let raw = alice.sign(alice.draft(TxKind::Call(alice.address()), 1, &[]));
    for peer in ["prover", "disclosure", "sequencer", "stranger"] {
        let client = sequencer.client(peer).unwrap();
        assert_eq!(code(submit(&client, raw.clone()).await), "peer_denied");
        let called = client.clone().call(CallRequest::default()).await;
        assert_eq!(code(called), "peer_denied");
        assert_eq!(
            code(client.clone().seal_batch(SealBatchRequest {}).await),
            "peer_denied"
        );
    }
    for peer in ["gateway", "disclosure", "sequencer", "stranger"] {
        let client = sequencer.client(peer).unwrap();
        let report = ReportProvingLoadRequest::default();
        let reported = client.clone().report_proving_load(report).await;
        assert_eq!(code(reported), "peer_denied");
    }
    for peer in ["disclosure", "stranger"] {
        let client = sequencer.client(peer).unwrap();
        let asked = client.clone().get_status(GetStatusRequest {}).await;
        assert_eq!(code(asked), "peer_denied");
    }
    let stranger = sequencer.client("stranger").unwrap();
    assert_eq!(
        code(stranger.clone().get_info(GetInfoRequest {}).await),
        "peer_denied"
    );
    let prover = sequencer.client("prover").unwrap();
    assert!(prover.clone().get_info(GetInfoRequest {}).await.is_ok());
    let request = GetTransactionRequest {
        hash: vec![0; 32].into(),
    };
    assert_eq!(
        code(prover.clone().get_transaction(request.clone()).await),
        "peer_denied"
    );
    let disclosure = sequencer.client("disclosure").unwrap();
    assert!(disclosure.clone().get_transaction(request).await.is_ok());
    for peer in ["gateway", "disclosure"] {
        let client = sequencer.client(peer).unwrap();
        let asked = client
            .clone()
            .get_batch_input(GetBatchInputRequest { number: 1 })
            .await;
        assert_eq!(code(asked.map(|_| ())), "peer_denied");
    }
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    let sequencer = Sequencer::start("").await.unwrap();
    let other = Sequencer::prepare(&crate::harness::shared_database().await.unwrap(), "").unwrap();
    let client = other.client_of("gateway", &sequencer).unwrap();
    let status = client
        .clone()
        .get_info(GetInfoRequest {})
        .await
        .unwrap_err();
    // The connection fails before any call is read: such a status carries no stable code.
    assert_eq!(code_of(&status), None, "{status:?}");
}

#[tokio::test]
async fn a_service_reports_only_its_own_ledger_and_only_forward() {
    let sequencer = Sequencer::start("").await.unwrap();
    let gateway = sequencer.gateway().unwrap();
    let report = |request| {
        let client = gateway.clone();
        async move { client.clone().anchor_audit_head(request).await.map(|_| ()) }
    };
    assert_eq!(
        code(report(head("disclosure", 1, 1)).await),
        "ledger_denied"
    );
    report(head("gateway", 2, 2)).await.unwrap();
    report(head("gateway", 2, 2)).await.unwrap();
    assert_eq!(
        code(report(head("gateway", 1, 1)).await),
        "audit_head_went_back"
    );
    assert_eq!(
        code(report(head("gateway", 2, 3)).await),
        "audit_head_changed"
    );
    report(head("gateway", 3, 3)).await.unwrap();
}
