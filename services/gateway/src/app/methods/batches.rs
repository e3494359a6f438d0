//! Batches and how far they are on their way to Ethereum.

use alloy_eips::BlockNumberOrTag;
use alloy_primitives::{Address, B256, Bytes, U64};
use cloister_audit::Outcome;
use cloister_authz::Ask as _;
use cloister_authz::request::{Administer, ViewAccount, ViewBatch};
use cloister_types::BatchHeader;
use serde::{Deserialize, Serialize};

use super::{Answer, json};
use crate::app::failure;
use crate::app::op::Op;
use crate::rpc::RpcError;
use crate::rpc::params::Params;
use crate::upstream::prover::{BatchState, BatchStatus, L1Transaction, Proving};
use crate::upstream::sequencer::{Batch, BatchKey};

/// A batch as `cloister_getBatch` shows it: what Ethereum holds of it, and where it begins and ends.
/// How much happened in it is not told.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchView {
    number: U64,
    hash: B256,
    previous_hash: B256,
    state_root: B256,
    message_root: B256,
    private_digest: B256,
    first_block: U64,
    last_block: U64,
    sealed_at: U64,
    finality: Finality,
}

/// How far a batch is, in a form that cannot be mistaken.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Finality {
    /// `open`, `sealed`, `committed`, `proved` or `finalized`.
    state: &'static str,
    /// Whether Ethereum has checked a proof of it.
    proved: bool,
    /// What the state means.
    meaning: &'static str,
    commit_transactions: Vec<L1Transaction>,
    /// Those that brought the proof, in order; the last one had it accepted.
    prove_transactions: Vec<L1Transaction>,
    /// Ethereum block in which a proof of it was checked.
    proof_block: Option<U64>,
    /// Whether the commit's Ethereum block is final.
    commit_final: bool,
    /// How far the proof is: only for those who run or watch over the installation.
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<Proving>,
}

impl Finality {
    fn open() -> Self {
        Self {
            state: "open",
            proved: false,
            meaning: "durable at the institution; its batch is not sealed yet",
            commit_transactions: Vec::new(),
            prove_transactions: Vec::new(),
            proof_block: None,
            commit_final: false,
            proof: None,
        }
    }

    fn of(number: u64, status: Option<BatchStatus>) -> Self {
        let status = status.unwrap_or(BatchStatus {
            state: BatchState::Sealed,
            commits: Vec::new(),
            proofs: Vec::new(),
            commit_final: false,
            proof: None,
        });
        let (state, proved, meaning) = match status.state {
            _ if number == 0 => (
                "finalized",
                false,
                "the contract on Ethereum was deployed with it; nothing was to be proved",
            ),
            BatchState::Sealed => (
                "sealed",
                false,
                "sealed at the institution; Ethereum does not know it yet",
            ),
            BatchState::Committed => (
                "committed",
                false,
                "Ethereum holds its root and hash, but has NOT checked a proof of it",
            ),
            BatchState::Proved => ("proved", true, "Ethereum has checked a proof of it"),
            BatchState::Finalized => (
                "finalized",
                true,
                "Ethereum has checked a proof of it, in a final block",
            ),
        };
        let last = status.proofs.last().filter(|_| proved);
        Self {
            state,
            proved,
            meaning,
            proof_block: last.map(|transaction| transaction.block_number),
            commit_transactions: status.commits,
            prove_transactions: status.proofs,
            commit_final: status.commit_final,
            proof: status.proof,
        }
    }
}

/// Whether the caller may know how the institution's proving goes (SPV-24). Recorded when it is shown; for
/// others the answer is the same as where nothing is proved.
async fn sees_proving(op: &Op<'_>) -> Result<bool, RpcError> {
    let ask = Administer {
        operation: "view_proving".to_owned(),
        now: op.app.clock.now().seconds(),
    };
    let resource = ask.resource_text();
    match op.app.engine.authorize(&op.caller.principal, ask) {
        Ok(allowed) => {
            op.record(allowed.decision(), &resource, Outcome::Allowed)
                .await?;
            Ok(true)
        }
        Err(_) => Ok(false),
    }
}

async fn finality(op: &Op<'_>, number: u64) -> Result<Finality, RpcError> {
    let status = op.app.prover.batch_status(number).await;
    let status = status.map_err(|error| failure::upstream(&error))?;
    let mut finality = Finality::of(number, status);
    if finality.proof.is_some() && !sees_proving(op).await? {
        finality.proof = None;
    }
    Ok(finality)
}

async fn find(op: &Op<'_>, key: BatchKey) -> Result<Option<Batch>, RpcError> {
    op.app
        .sequencer
        .batch(key)
        .await
        .map_err(|error| failure::upstream(&error))
}

async fn show(op: &Op<'_>, batch: Option<Batch>) -> Answer {
    let Some(batch) = batch else {
        return json(&None::<U64>);
    };
    let header = BatchHeader::decode(&batch.header).map_err(|error| {
        tracing::error!(%error, batch = batch.number, "a batch header does not decode");
        RpcError::internal()
    })?;
    json(&BatchView {
        number: U64::from(batch.number),
        hash: batch.hash,
        previous_hash: header.previous_hash,
        state_root: header.state_root,
        message_root: header.message_root,
        private_digest: header.private_digest(),
        first_block: U64::from(header.private.first_block.0),
        last_block: U64::from(header.private.last_block.0),
        sealed_at: U64::from(batch.sealed_at),
        finality: finality(op, batch.number).await?,
    })
}

/// `cloister_getBatch`: by number, or `latest`.
pub(crate) async fn batch(op: &Op<'_>, params: &Params<'_>) -> Answer {
    let tag: BlockNumberOrTag = params.required(0, "batch")?;
    let key = match tag {
        BlockNumberOrTag::Number(number) => BatchKey::Number(number),
        BlockNumberOrTag::Earliest => BatchKey::Number(0),
        BlockNumberOrTag::Latest
        | BlockNumberOrTag::Pending
        | BlockNumberOrTag::Safe
        | BlockNumberOrTag::Finalized => BatchKey::Latest,
    };
    let found = find(op, key).await?;
    let number = match (key, &found) {
        (_, Some(batch)) => batch.number,
        (BatchKey::Number(number) | BatchKey::Block(number), None) => number,
        (BatchKey::Latest, None) => 0,
    };
    op.authorize(ViewBatch { number }).await?;
    show(op, found).await
}

/// The block of a transaction that the caller sees; recorded.
async fn visible_block(op: &Op<'_>, hash: B256) -> Result<Option<u64>, RpcError> {
    let resource = format!("transaction:{hash:?}");
    let Some(seen) = op.app.seen_with(op.caller, hash).await? else {
        op.record_rule("absent", &resource, Outcome::Denied).await?;
        return Ok(None);
    };
    let visible = seen.transaction(hash).is_some();
    seen.record(op, &resource, visible).await?;
    Ok(visible.then_some(seen.block.number))
}

/// `cloister_getBatchByTransaction`: `null` while the batch is open, and for what is not visible.
pub(crate) async fn batch_by_transaction(op: &Op<'_>, params: &Params<'_>) -> Answer {
    let hash: B256 = params.required(0, "transaction")?;
    match visible_block(op, hash).await? {
        None => json(&None::<U64>),
        Some(block) => {
            let found = find(op, BatchKey::Block(block)).await?;
            show(op, found).await
        }
    }
}

/// A batch number, or a transaction's hash.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Finalized {
    Transaction(B256),
    Batch(U64),
}

/// `cloister_getFinality`: of a transaction or of a batch.
pub(crate) async fn get_finality(op: &Op<'_>, params: &Params<'_>) -> Answer {
    let number = match params.required(0, "transaction or batch")? {
        Finalized::Transaction(hash) => {
            let Some(block) = visible_block(op, hash).await? else {
                return json(&None::<U64>);
            };
            match find(op, BatchKey::Block(block)).await? {
                None => return json(&Finality::open()),
                Some(batch) => batch.number,
            }
        }
        Finalized::Batch(number) => {
            let number: u64 = number.to();
            op.authorize(ViewBatch { number }).await?;
            if find(op, BatchKey::Number(number)).await?.is_none() {
                return json(&None::<U64>);
            }
            number
        }
    };
    json(&finality(op, number).await?)
}

/// `cloister_sealBatch`: seals the open batch now.
pub(crate) async fn seal(op: &Op<'_>) -> Answer {
    let now = op.app.clock.now().seconds();
    op.authorize(Administer {
        operation: "seal_batch".to_owned(),
        now,
    })
    .await?;
    let number = op.app.sequencer.seal_batch().await;
    json(&U64::from(
        number.map_err(|error| failure::upstream(&error))?,
    ))
}

/// An account's opening at a batch, as `cloister_getStateProof` shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StateProof {
    batch: U64,
    batch_hash: B256,
    header: Bytes,
    value: Option<Bytes>,
    salt: Bytes,
    proof: Bytes,
}

/// `cloister_getStateProof`: the account's leaf and its path at a sealed batch (the latest one
/// unless named), in Cloister's own form.
pub(crate) async fn state_proof(op: &Op<'_>, params: &Params<'_>) -> Answer {
    let address: Address = params.required(0, "address")?;
    let at: Option<BlockNumberOrTag> = params.optional(1, "batch")?;
    let directory = op.app.registry.lookup(&[address]).await;
    let target = directory
        .map_err(|error| failure::database(&error))?
        .target(address);
    op.authorize(ViewAccount { target }).await?;
    let number = match at.unwrap_or_default() {
        BlockNumberOrTag::Number(number) => number,
        BlockNumberOrTag::Earliest => 0,
        BlockNumberOrTag::Latest
        | BlockNumberOrTag::Pending
        | BlockNumberOrTag::Safe
        | BlockNumberOrTag::Finalized => {
            let latest = find(op, BatchKey::Latest).await?;
            latest.ok_or_else(RpcError::internal)?.number
        }
    };
    if find(op, BatchKey::Number(number)).await?.is_none() {
        return json(&None::<U64>);
    }
    let proof = op.app.sequencer.account_proof(number, address).await;
    let (batch, opening) = proof.map_err(|error| failure::upstream(&error))?;
    json(&StateProof {
        batch: U64::from(batch.number),
        batch_hash: batch.hash,
        header: batch.header,
        value: opening.value,
        salt: opening.salt,
        proof: opening.proof,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn committed_is_never_called_proved() {
        let status = |state| {
            Some(BatchStatus {
                state,
                commits: vec![],
                proofs: vec![],
                commit_final: true,
                proof: None,
            })
        };
        let proved = |state| Finality::of(1, status(state)).proved;
        assert!(!Finality::open().proved);
        assert!(!Finality::of(1, None).proved);
        assert!(!proved(BatchState::Sealed));
        assert!(!proved(BatchState::Committed));
        assert!(proved(BatchState::Proved));
        assert!(proved(BatchState::Finalized));
        assert!(
            Finality::of(1, status(BatchState::Committed))
                .meaning
                .contains("NOT checked a proof")
        );
        // Genesis is final, but nothing was proved.
        let genesis = Finality::of(0, status(BatchState::Finalized));
        assert_eq!((genesis.state, genesis.proved), ("finalized", false));
    }

    #[test]
    fn the_block_of_the_proof_is_told_once_ethereum_has_checked_it() {
        let transaction = |block: u64| L1Transaction {
            hash: B256::repeat_byte(1),
            gas_used: U64::from(14_000_000),
            block_number: U64::from(block),
        };
        let block = |state| {
            let status = BatchStatus {
                state,
                commits: vec![transaction(3)],
                proofs: vec![transaction(7), transaction(8), transaction(9)],
                commit_final: true,
                proof: None,
            };
            serde_json::to_value(Finality::of(1, Some(status))).unwrap()["proofBlock"].clone()
        };
        // Two of three transactions are there, and nothing is proved.
        assert_eq!(block(BatchState::Committed), serde_json::Value::Null);
        assert_eq!(block(BatchState::Proved), serde_json::json!("0x9"));
        assert_eq!(block(BatchState::Finalized), serde_json::json!("0x9"));
    }

    #[test]
    fn spv_24_without_leave_the_answer_has_no_field_about_proving() {
        let value = serde_json::to_value(Finality::of(1, None)).unwrap();
        assert!(value.get("proof").is_none(), "{value}");
    }

    #[test]
    fn a_batch_that_the_prover_has_not_heard_of_is_sealed() {
        assert_eq!(Finality::of(1, None).state, "sealed");
    }

    #[test]
    fn finality_takes_a_hash_or_a_number() {
        let parse = |text: &str| serde_json::from_str::<Finalized>(text).unwrap();
        assert!(matches!(parse("\"0x5\""), Finalized::Batch(_)));
        let hash = format!("\"{:?}\"", B256::repeat_byte(1));
        assert!(matches!(parse(&hash), Finalized::Transaction(_)));
    }
}
