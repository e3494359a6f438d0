//! Verifiers on Ethereum: which versions an installation has, and how a wrap is brought to one of
//! them in parts.
//!
//! ```text
//!  Rollup ─router─► versions, newest first ─► WrapVerifier
//!  begin(head) ──► context ──► check(context, queries) × n ──► Rollup.prove(context, the rest)
//! ```

use alloy::eips::BlockId;
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::rpc::types::Filter;
use alloy::sol_types::{SolCall as _, SolEvent as _, SolValue as _};
use cloister_types::BatchNumber;

use crate::bindings::{Rollup as rollup, VerifierRouter as router, WrapVerifier as contract};
use crate::client::{EthClient, MAX_TRANSACTION_GAS};
use crate::error::{L1Error, bad_answer};
use crate::rollup::Rollup;

/// Most versions that are looked at, the newest.
const MAX_VERSIONS: u32 = 64;

/// A version of an installation's verifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifierVersion {
    /// Its number.
    pub version: u32,
    /// The contract.
    pub address: Address,
    /// Whether it refuses every proof, for ever.
    pub frozen: bool,
    /// What it checks; `None` when it is no verifier of wraps.
    pub wraps: Option<WrapCircuit>,
}

/// What a verifier of wraps checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrapCircuit {
    /// Hash of the circuit's image.
    pub image_hash: B256,
    /// Commitment to the program.
    pub program: B256,
}

/// What a verifier knows of a wrap that is brought in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// Whether the head was checked.
    pub begun: bool,
    /// Queries that were checked, a bit for each.
    pub checked: U256,
}

/// A `BatchesProved` event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProofEvent {
    /// First batch of the proof.
    pub first: BatchNumber,
    /// Last batch of the proof.
    pub last: BatchNumber,
    /// Version of the verifier.
    pub version: u32,
    /// The transaction that proved them.
    pub transaction: B256,
}

impl Rollup {
    /// Versions of the router's verifiers as of one Ethereum block, newest first; at most the 64
    /// newest.
    ///
    /// # Errors
    /// [`L1Error`] when the node or the contracts give no usable answer.
    pub async fn verifiers_in(&self, block: B256) -> Result<Vec<VerifierVersion>, L1Error> {
        let (client, block) = (self.client(), BlockId::hash(block));
        let address = client
            .view(self.address(), &rollup::routerCall {}, block)
            .await?;
        let latest = client
            .view(address, &router::latestVersionCall {}, block)
            .await?;
        let oldest = latest.saturating_sub(MAX_VERSIONS - 1).max(1);
        let mut versions = Vec::new();
        for version in (oldest..=latest).rev() {
            let call = router::verifierOfCall { version };
            let entry = client.view(address, &call, block).await?;
            versions.push(VerifierVersion {
                version,
                address: entry.verifier,
                frozen: entry.frozen,
                wraps: client.wrap_circuit(entry.verifier, block).await?,
            });
        }
        Ok(versions)
    }

    /// Ethereum blocks between a proof and finality.
    ///
    /// # Errors
    /// [`L1Error`] when the node or the contract gives no usable answer.
    pub async fn finality_blocks(&self) -> Result<u64, L1Error> {
        let call = rollup::finalityBlocksCall {};
        let blocks = self
            .client()
            .view(self.address(), &call, BlockId::latest())
            .await?;
        Ok(u64::from(blocks))
    }

    /// Proofs in one Ethereum block, by any transaction, in order.
    ///
    /// # Errors
    /// [`L1Error`] when the node gives no usable answer.
    pub async fn proofs_in_block(&self, number: u64) -> Result<Vec<ProofEvent>, L1Error> {
        const METHOD: &str = "eth_getLogs";
        let filter = Filter::new()
            .address(self.address())
            .event_signature(rollup::BatchesProved::SIGNATURE_HASH)
            .from_block(number)
            .to_block(number);
        let mut events = Vec::new();
        for log in self.client().logs(&filter).await? {
            let event = rollup::BatchesProved::decode_log(&log.inner)
                .map_err(|error| bad_answer(METHOD, &error.to_string()))?;
            let transaction = log
                .transaction_hash
                .ok_or_else(|| bad_answer(METHOD, "a log without its transaction"))?;
            events.push(ProofEvent {
                first: BatchNumber(event.first),
                last: BatchNumber(event.last),
                version: event.verifierVersion,
                transaction,
            });
        }
        Ok(events)
    }

    /// Input of the call that proves one batch by what completes the sender's session: the context,
    /// and `count` queries from the `first`, which may be none.
    #[must_use]
    pub fn prove_call(
        batch: BatchNumber,
        version: u32,
        context: &Bytes,
        first: usize,
        count: usize,
        queries: &Bytes,
    ) -> Bytes {
        // No head: the session has checked it.
        let (first, count) = (U256::from(first), U256::from(count));
        let proof = (Bytes::new(), context.clone(), first, count, queries.clone());
        rollup::proveCall {
            first: batch.0,
            last: batch.0,
            verifierVersion: version,
            proof: proof.abi_encode_params().into(),
        }
        .abi_encode()
        .into()
    }

    /// Input of the call that makes proved batches up to `last` final.
    #[must_use]
    pub fn finalize_call(last: BatchNumber) -> Bytes {
        rollup::finalizeCall { last: last.0 }.abi_encode().into()
    }
}

impl EthClient {
    /// What the contract at an address checks, if it is a verifier of wraps.
    async fn wrap_circuit(
        &self,
        address: Address,
        block: BlockId,
    ) -> Result<Option<WrapCircuit>, L1Error> {
        let image_hash = self.view(address, &contract::imageHashCall {}, block).await;
        let program = self
            .view(address, &contract::programCommitmentCall {}, block)
            .await;
        match (image_hash, program) {
            (Ok(image_hash), Ok(program)) => Ok(Some(WrapCircuit {
                image_hash,
                program,
            })),
            (Err(error), _) | (_, Err(error)) => match error {
                // A verifier of another kind.
                L1Error::Reverts(_) | L1Error::NoContract { .. } | L1Error::BadAnswer { .. } => {
                    Ok(None)
                }
                error => Err(error),
            },
        }
    }

    /// The verifier of wraps at an address.
    #[must_use]
    pub fn wrap_verifier(&self, address: Address) -> WrapVerifier {
        WrapVerifier {
            client: self.clone(),
            address,
        }
    }
}

/// A verifier of wraps at an address. All its sessions are for one batch by one proof.
#[derive(Debug, Clone)]
pub struct WrapVerifier {
    client: EthClient,
    address: Address,
}

impl WrapVerifier {
    /// The contract's address.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Input of the call that begins a session for `consumer`, the Rollup.
    #[must_use]
    pub fn begin_call(consumer: Address, batch_hash: B256, head: &Bytes) -> Bytes {
        contract::beginCall {
            consumer,
            batchHashes: vec![batch_hash],
            head: head.clone(),
        }
        .abi_encode()
        .into()
    }

    /// Input of the call that checks `count` queries from the `first` in the sender's session.
    #[must_use]
    pub fn check_call(
        consumer: Address,
        context: &Bytes,
        first: usize,
        count: usize,
        queries: &Bytes,
    ) -> Bytes {
        contract::checkCall {
            consumer,
            context: context.clone(),
            first: U256::from(first),
            count: U256::from(count),
            queries: queries.clone(),
        }
        .abi_encode()
        .into()
    }

    /// What a head's queries are checked against, as the contract of one Ethereum block says. The
    /// node runs `begin` and keeps nothing of it.
    ///
    /// # Errors
    /// [`L1Error::Reverts`] when the contract refuses the head; else as for any question.
    pub async fn context_in(
        &self,
        consumer: Address,
        batch_hash: B256,
        head: &Bytes,
        block: B256,
    ) -> Result<Bytes, L1Error> {
        let call = contract::beginCall {
            consumer,
            batchHashes: vec![batch_hash],
            head: head.clone(),
        };
        self.client
            .view_with_gas(
                self.address,
                &call,
                BlockId::hash(block),
                Some(MAX_TRANSACTION_GAS),
            )
            .await
    }

    /// What the contract knows as of one Ethereum block of a session of `submitter`'s.
    ///
    /// # Errors
    /// [`L1Error`] when the node or the contract gives no usable answer.
    pub async fn session_in(
        &self,
        consumer: Address,
        submitter: Address,
        context: &Bytes,
        block: B256,
    ) -> Result<Session, L1Error> {
        let call = contract::sessionCall {
            consumer,
            submitter,
            contextHash: alloy::primitives::keccak256(context),
        };
        let found = self
            .client
            .view(self.address, &call, BlockId::hash(block))
            .await?;
        Ok(Session {
            begun: found.begun,
            checked: found.checked,
        })
    }
}
