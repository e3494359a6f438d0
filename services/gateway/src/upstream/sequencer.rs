//! The sequencer's client.

use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes, U256};
use cloister_proto::sequencer::v1 as pb;
use cloister_proto::sequencer::v1::sequencer_client::SequencerClient;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use super::{UpstreamError, decode};
use crate::app::model::{Account, Block, Call, LogQuery, Transaction};

const PART: &str = "sequencer";
/// Most bytes of one answer: a full block with its receipts.
const MAX_MESSAGE_BYTES: usize = 256 * 1024 * 1024;

/// What the sequencer says of itself and its chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Number and hash of the latest durable block.
    pub head: (u64, B256),
    /// Wei per gas.
    pub base_fee_wei: u64,
    /// Root of the policies that it enforces.
    pub policy_root: Bytes,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallOutcome {
    /// Its return data.
    Succeeded(Bytes),
    /// Its revert data.
    Reverted(Bytes),
    /// Why it stopped.
    Halted(String),
}

/// A block by what names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockKey {
    /// Its height.
    Number(u64),
    /// Its hash.
    Hash(B256),
    /// The latest durable one.
    Latest,
}

/// A sealed batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Version-1 header encoding.
    pub header: Bytes,
    /// UNIX seconds at which it was sealed.
    pub sealed_at: u64,
}

/// A batch by what names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchKey {
    /// Its number.
    Number(u64),
    /// A block in it.
    Block(u64),
    /// The latest sealed one.
    Latest,
}

/// The opening of one state key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The encoded value; absent: no leaf.
    pub value: Option<Bytes>,
    /// The leaf's salt.
    pub salt: Bytes,
    /// Encoded path.
    pub proof: Bytes,
}

/// The sequencer. Cheap to clone; reconnects by itself.
#[derive(Debug, Clone)]
pub struct Sequencer {
    client: SequencerClient<Channel>,
    timeout: Duration,
}

#[expect(clippy::needless_pass_by_value, reason = "used with map_err")]
fn failed(status: Status) -> UpstreamError {
    UpstreamError::new(PART, &status)
}

fn malformed(what: &'static str) -> UpstreamError {
    UpstreamError::malformed(PART, what)
}

impl Sequencer {
    /// A client over `channel` whose calls end after `timeout`.
    #[must_use]
    pub fn new(channel: Channel, timeout: Duration) -> Self {
        let client = SequencerClient::new(channel)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        Self { client, timeout }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(self.timeout);
        request
    }

    /// Chain id, head and fees.
    ///
    /// # Errors
    /// [`UpstreamError`], as every method here.
    pub async fn info(&self) -> Result<Info, UpstreamError> {
        let mut client = self.client.clone();
        let request = self.request(pb::GetInfoRequest {});
        let info = client.get_info(request).await.map_err(failed)?.into_inner();
        Ok(Info {
            chain_id: info.chain_id,
            head: decode::reference(info.head.as_ref(), "info.head")?,
            base_fee_wei: info.base_fee_wei,
            policy_root: info.policy_root.into(),
        })
    }

    /// Submits a transaction and returns once its block is durable.
    ///
    /// # Errors
    /// [`UpstreamError`]; a refusal carries the sequencer's stable code.
    pub async fn submit(&self, raw: Bytes) -> Result<(B256, u64), UpstreamError> {
        let mut client = self.client.clone();
        let request = self.request(pb::SubmitTransactionRequest { raw: raw.0 });
        let answer = client
            .submit_transaction(request)
            .await
            .map_err(failed)?
            .into_inner();
        let (block, _) = decode::reference(answer.block.as_ref(), "submit.block")?;
        Ok((decode::hash(&answer.hash, "submit.hash")?, block))
    }

    /// Executes a call on the latest block.
    ///
    /// # Errors
    /// [`UpstreamError`].
    pub async fn call(&self, call: &Call) -> Result<CallOutcome, UpstreamError> {
        let mut client = self.client.clone();
        let answer = client.call(self.request(call_message(call))).await;
        outcome(answer.map_err(failed)?.into_inner())
    }

    /// Finds the least gas limit with which a call succeeds, or how it fails.
    ///
    /// # Errors
    /// [`UpstreamError`].
    pub async fn estimate(&self, call: &Call) -> Result<Result<u64, CallOutcome>, UpstreamError> {
        let mut client = self.client.clone();
        let answer = client.estimate_gas(self.request(call_message(call))).await;
        let answer = answer.map_err(failed)?.into_inner();
        match (answer.gas, answer.failure) {
            (Some(gas), _) => Ok(Ok(gas)),
            (None, Some(failure)) => Ok(Err(outcome(failure)?)),
            (None, None) => Err(malformed("estimate")),
        }
    }

    /// Nonce, balance and code.
    ///
    /// # Errors
    /// [`UpstreamError`].
    pub async fn account(
        &self,
        address: Address,
        with_code: bool,
        pending: bool,
    ) -> Result<Account, UpstreamError> {
        let mut client = self.client.clone();
        let message = pb::GetAccountRequest {
            address: bytes(address),
            with_code,
            pending,
        };
        let account = client
            .get_account(self.request(message))
            .await
            .map_err(failed)?
            .into_inner();
        Ok(Account {
            nonce: account.nonce,
            balance: decode::number(&account.balance, "account.balance")?,
            code: Bytes::from(account.code),
        })
    }

    /// A transaction with its receipt.
    ///
    /// # Errors
    /// [`UpstreamError`].
    pub async fn transaction(&self, hash: B256) -> Result<Option<Transaction>, UpstreamError> {
        let mut client = self.client.clone();
        let message = pb::GetTransactionRequest { hash: bytes(hash) };
        let answer = client
            .get_transaction(self.request(message))
            .await
            .map_err(failed)?;
        answer
            .into_inner()
            .transaction
            .map(decode::transaction)
            .transpose()
    }

    /// A block with all its transactions.
    ///
    /// # Errors
    /// [`UpstreamError`].
    pub async fn block(&self, key: BlockKey) -> Result<Option<Block>, UpstreamError> {
        use pb::get_block_request::By;
        let by = match key {
            BlockKey::Number(number) => By::Number(number),
            BlockKey::Hash(hash) => By::Hash(bytes(hash)),
            BlockKey::Latest => By::Latest(true),
        };
        let mut client = self.client.clone();
        let request = self.request(pb::GetBlockRequest { by: Some(by) });
        let answer = client.get_block(request).await.map_err(failed)?;
        answer.into_inner().block.map(decode::block).transpose()
    }

    /// Blocks and whether more than `limit` logs matched; the blocks are the numbers in which at
    /// least one log matches.
    ///
    /// # Errors
    /// [`UpstreamError`].
    pub async fn log_blocks(
        &self,
        query: &LogQuery,
        limit: u32,
    ) -> Result<(Vec<u64>, bool), UpstreamError> {
        let topics = query.topics.iter().map(|any_of| pb::TopicFilter {
            any_of: any_of.iter().map(bytes).collect(),
        });
        let message = pb::GetLogsRequest {
            from_block: query.from_block,
            to_block: query.to_block,
            addresses: query.addresses.iter().map(bytes).collect(),
            topics: topics.collect(),
            limit,
        };
        let mut client = self.client.clone();
        let answer = client
            .get_logs(self.request(message))
            .await
            .map_err(failed)?
            .into_inner();
        let mut blocks = Vec::new();
        for transaction in &answer.transactions {
            let (number, _) = decode::reference(transaction.block.as_ref(), "logs.block")?;
            if blocks.last() != Some(&number) {
                blocks.push(number);
            }
        }
        Ok((blocks, answer.truncated))
    }

    /// A sealed batch.
    ///
    /// # Errors
    /// [`UpstreamError`].
    pub async fn batch(&self, key: BatchKey) -> Result<Option<Batch>, UpstreamError> {
        use pb::get_batch_request::By;
        let by = match key {
            BatchKey::Number(number) => By::Number(number),
            BatchKey::Block(number) => By::BlockNumber(number),
            BatchKey::Latest => By::Latest(true),
        };
        let mut client = self.client.clone();
        let request = self.request(pb::GetBatchRequest { by: Some(by) });
        let answer = client.get_batch(request).await.map_err(failed)?;
        answer.into_inner().batch.map(batch).transpose()
    }

    /// The opening of an account at a sealed batch.
    ///
    /// # Errors
    /// [`UpstreamError`].
    pub async fn account_proof(
        &self,
        batch_number: u64,
        account: Address,
    ) -> Result<(Batch, Opening), UpstreamError> {
        let key = pb::StateKey {
            key: Some(pb::state_key::Key::Account(bytes(account))),
        };
        let message = pb::GetStateProofRequest {
            batch: batch_number,
            keys: vec![key],
        };
        let mut client = self.client.clone();
        let answer = client
            .get_state_proof(self.request(message))
            .await
            .map_err(failed)?;
        let mut answer = answer.into_inner();
        let opening = answer
            .openings
            .pop()
            .ok_or_else(|| malformed("proof.openings"))?;
        let batch = batch(answer.batch.ok_or_else(|| malformed("proof.batch"))?)?;
        let pb::StateOpening {
            key: _,
            value,
            salt,
            proof,
        } = opening;
        let value = value.map(Bytes::from);
        Ok((
            batch,
            Opening {
                value,
                salt: salt.into(),
                proof: proof.into(),
            },
        ))
    }

    /// Reports the head of the gateway's audit ledger.
    ///
    /// # Errors
    /// [`UpstreamError`].
    pub async fn anchor_audit_head(&self, count: u64, head: [u8; 32]) -> Result<(), UpstreamError> {
        let message = pb::AnchorAuditHeadRequest {
            ledger: "gateway".to_owned(),
            count,
            head: bytes(head),
        };
        let mut client = self.client.clone();
        client
            .anchor_audit_head(self.request(message))
            .await
            .map(drop)
            .map_err(failed)
    }

    /// Seals the open batch and returns the number of the batch that holds the latest block.
    ///
    /// # Errors
    /// [`UpstreamError`].
    pub async fn seal_batch(&self) -> Result<u64, UpstreamError> {
        let mut client = self.client.clone();
        let answer = client
            .seal_batch(self.request(pb::SealBatchRequest {}))
            .await;
        answer
            .map(Response::into_inner)
            .map(|sealed| sealed.number)
            .map_err(failed)
    }
}

/// Bytes of fixed width on the wire.
fn bytes(value: impl AsRef<[u8]>) -> bytes::Bytes {
    bytes::Bytes::copy_from_slice(value.as_ref())
}

fn call_message(call: &Call) -> pb::CallRequest {
    let access_list = call
        .access_list
        .iter()
        .map(|(address, keys)| pb::AccessListItem {
            address: bytes(address),
            storage_keys: keys.iter().map(bytes).collect(),
        });
    pb::CallRequest {
        from: bytes(call.from),
        to: call.to.map(bytes),
        value: bytes(call.value.to_be_bytes::<32>()),
        gas: call.gas,
        input: call.input.0.clone(),
        access_list: access_list.collect(),
        gas_price: call
            .gas_price
            .map(|price| bytes(U256::from(price).to_be_bytes::<32>())),
    }
}

fn outcome(answer: pb::CallResponse) -> Result<CallOutcome, UpstreamError> {
    match answer.status() {
        pb::CallStatus::Succeeded => Ok(CallOutcome::Succeeded(answer.output.into())),
        pb::CallStatus::Reverted => Ok(CallOutcome::Reverted(answer.output.into())),
        pb::CallStatus::Halted => Ok(CallOutcome::Halted(answer.halt_reason)),
        pb::CallStatus::Unspecified => Err(malformed("call.status")),
    }
}

fn batch(message: pb::Batch) -> Result<Batch, UpstreamError> {
    Ok(Batch {
        number: message.number,
        hash: decode::hash(&message.hash, "batch.hash")?,
        header: message.header.into(),
        sealed_at: message.sealed_at,
    })
}
