//! The Rollup contract: what it holds, and the call that commits.

use std::fmt;

use alloy::eips::BlockId;
use alloy::primitives::{Address, B256, Bytes};
use alloy::rpc::types::Filter;
use alloy::sol_types::{SolCall, SolEvent as _};
use cloister_types::BatchNumber;
use cloister_types::batch::PublicHeader;

use crate::bindings::{IRollup, Rollup as contract};
use crate::client::EthClient;
use crate::error::{L1Error, bad_answer};

/// Most batches in one call of `commit`; the contract refuses more.
pub const MAX_BATCHES_PER_COMMIT: usize = 64;

/// How far Ethereum's knowledge of a batch goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AnchorState {
    /// Root and hash are on Ethereum; no proof was checked.
    Committed,
    /// Ethereum checked a validity proof.
    Proved,
    /// Proved, and old enough that Ethereum will not take it back.
    Finalized,
}

impl fmt::Display for AnchorState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Committed => "committed",
            Self::Proved => "proved",
            Self::Finalized => "finalized",
        })
    }
}

/// What Ethereum holds about a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnchorRecord {
    /// The batch.
    pub number: BatchNumber,
    /// Root of the state after it.
    pub state_root: B256,
    /// Hash of its header.
    pub batch_hash: B256,
    /// Root of its messages to Ethereum.
    pub message_root: B256,
    /// Messages from Ethereum consumed so far.
    pub l1_message_count: u64,
    /// How far it is.
    pub state: AnchorState,
    /// Ethereum block of the commit.
    pub commit_block: u64,
    /// Ethereum block of the proof, when there is one.
    pub prove_block: Option<u64>,
    /// Version of the verifier that checked the proof, when there is one.
    pub verifier_version: Option<u32>,
}

/// The contract's heads, all read at one Ethereum block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heads {
    /// Newest committed batch.
    pub committed: BatchNumber,
    /// Newest proved batch.
    pub proved: BatchNumber,
    /// Newest finalized batch.
    pub finalized: BatchNumber,
    /// Whether the guardian paused the contract.
    pub paused: bool,
}

/// A `BatchCommitted` event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitEvent {
    /// The batch.
    pub number: BatchNumber,
    /// Hash of its header.
    pub batch_hash: B256,
    /// Root of the state after it.
    pub state_root: B256,
    /// The transaction that committed it.
    pub transaction: B256,
    /// The transaction's block.
    pub block_number: u64,
}

/// The Rollup contract at an address.
#[derive(Debug, Clone)]
pub struct Rollup {
    client: EthClient,
    address: Address,
}

impl Rollup {
    pub(crate) const fn new(client: EthClient, address: Address) -> Self {
        Self { client, address }
    }

    pub(crate) const fn client(&self) -> &EthClient {
        &self.client
    }

    /// The contract's address.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// What Ethereum holds about a batch at its newest block; `None` when it does not know it.
    ///
    /// # Errors
    /// [`L1Error`] when the node or the contract gives no usable answer.
    pub async fn anchor(&self, number: BatchNumber) -> Result<Option<AnchorRecord>, L1Error> {
        self.anchor_at(number, BlockId::latest()).await
    }

    /// As [`Rollup::anchor`], as of one Ethereum block.
    ///
    /// # Errors
    /// As [`Rollup::anchor`].
    pub async fn anchor_in(
        &self,
        number: BatchNumber,
        block: B256,
    ) -> Result<Option<AnchorRecord>, L1Error> {
        self.anchor_at(number, BlockId::hash(block)).await
    }

    async fn anchor_at(
        &self,
        number: BatchNumber,
        block: BlockId,
    ) -> Result<Option<AnchorRecord>, L1Error> {
        let call = contract::anchorCall { number: number.0 };
        let found = self.call(&call, block).await?;
        // The numbers of IRollup.BatchState.
        let state = match found.state {
            0 => return Ok(None),
            1 => AnchorState::Committed,
            2 => AnchorState::Proved,
            3 => AnchorState::Finalized,
            other => {
                return Err(bad_answer(
                    "eth_call",
                    &format!("batch {number} is in the unknown state {other}: update this program"),
                ));
            }
        };
        Ok(Some(AnchorRecord {
            number,
            state_root: found.stateRoot,
            batch_hash: found.batchHash,
            message_root: found.messageRoot,
            l1_message_count: found.l1MessageCount,
            state,
            commit_block: found.commitBlock,
            prove_block: (found.proveBlock != 0).then_some(found.proveBlock),
            verifier_version: (found.verifierVersion != 0).then_some(found.verifierVersion),
        }))
    }

    /// The contract's heads as of one Ethereum block.
    ///
    /// # Errors
    /// [`L1Error`] when the node or the contract gives no usable answer.
    pub async fn heads_in(&self, block: B256) -> Result<Heads, L1Error> {
        self.heads_at(BlockId::hash(block)).await
    }

    /// The contract's heads at the newest block.
    ///
    /// # Errors
    /// [`L1Error`] when the node or the contract gives no usable answer.
    pub async fn heads(&self) -> Result<Heads, L1Error> {
        let head = self.client.head().await?;
        self.heads_in(head.hash).await
    }

    async fn heads_at(&self, block: BlockId) -> Result<Heads, L1Error> {
        Ok(Heads {
            committed: BatchNumber(self.call(&contract::lastCommittedCall {}, block).await?),
            proved: BatchNumber(self.call(&contract::lastProvedCall {}, block).await?),
            finalized: BatchNumber(self.call(&contract::lastFinalizedCall {}, block).await?),
            paused: self.call(&contract::pausedCall {}, block).await?,
        })
    }

    /// Newest committed batch at the newest block; 0 is genesis.
    ///
    /// # Errors
    /// [`L1Error`] when the node or the contract gives no usable answer.
    pub async fn last_committed(&self) -> Result<BatchNumber, L1Error> {
        let last = self
            .call(&contract::lastCommittedCall {}, BlockId::latest())
            .await?;
        Ok(BatchNumber(last))
    }

    /// Id of the private chain whose record this is.
    ///
    /// # Errors
    /// [`L1Error`] when the node or the contract gives no usable answer.
    pub async fn chain_id(&self) -> Result<u64, L1Error> {
        self.call(&contract::chainIdCall {}, BlockId::latest())
            .await
    }

    /// Whether an account may commit batches.
    ///
    /// # Errors
    /// [`L1Error`] when the node or the contract gives no usable answer.
    pub async fn is_committer(&self, account: Address) -> Result<bool, L1Error> {
        let role = self
            .call(&contract::COMMITTER_ROLECall {}, BlockId::latest())
            .await?;
        let call = contract::hasRoleCall { role, account };
        self.call(&call, BlockId::latest()).await
    }

    /// Commits of a batch that are in the chain, by any transaction, in order.
    ///
    /// # Errors
    /// [`L1Error`] when the node gives no usable answer.
    pub async fn commits_of(
        &self,
        number: BatchNumber,
        from_block: u64,
    ) -> Result<Vec<CommitEvent>, L1Error> {
        let filter = Filter::new()
            .address(self.address)
            .event_signature(contract::BatchCommitted::SIGNATURE_HASH)
            .topic1(B256::left_padding_from(&number.0.to_be_bytes()))
            .from_block(from_block);
        self.commit_events(filter).await
    }

    /// Every commit that is in the chain from a block on, in order.
    ///
    /// # Errors
    /// [`L1Error`] when the node gives no usable answer.
    pub async fn commits_from(&self, from_block: u64) -> Result<Vec<CommitEvent>, L1Error> {
        let filter = Filter::new()
            .address(self.address)
            .event_signature(contract::BatchCommitted::SIGNATURE_HASH)
            .from_block(from_block);
        self.commit_events(filter).await
    }

    async fn commit_events(&self, filter: Filter) -> Result<Vec<CommitEvent>, L1Error> {
        const METHOD: &str = "eth_getLogs";
        let mut events = Vec::new();
        for log in self.client.logs(&filter).await? {
            let event = contract::BatchCommitted::decode_log(&log.inner)
                .map_err(|error| bad_answer(METHOD, &error.to_string()))?;
            let (Some(transaction), Some(block_number)) = (log.transaction_hash, log.block_number)
            else {
                return Err(bad_answer(METHOD, "a log without its transaction"));
            };
            events.push(CommitEvent {
                number: BatchNumber(event.number),
                batch_hash: event.batchHash,
                state_root: event.stateRoot,
                transaction,
                block_number,
            });
        }
        Ok(events)
    }

    /// Input of the call that commits consecutive batches; only the public part of each header
    /// goes in. The contract recomputes every hash on its own parent and compares.
    #[must_use]
    pub fn commit_call(batches: &[PublicHeader]) -> Bytes {
        let batches = batches
            .iter()
            .map(|header| IRollup::BatchCommitment {
                number: header.number.0,
                batchHash: header.hash(),
                stateRoot: header.state_root,
                messageRoot: header.message_root,
                l1MessageCount: header.l1_message_count,
                l1MessageHash: header.l1_message_hash,
                privateDigest: header.private_digest,
            })
            .collect();
        contract::commitCall { batches }.abi_encode().into()
    }

    async fn call<C: SolCall>(&self, call: &C, block: BlockId) -> Result<C::Return, L1Error> {
        self.client.view(self.address, call, block).await
    }
}
