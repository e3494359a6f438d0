//! The few questions we ask an Ethereum node.

use std::time::Duration;

use alloy::consensus::BlockHeader as _;
use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::network::Ethereum;
use alloy::primitives::{Address, B256, Bytes, TxKind, U256};
use alloy::providers::{Provider as _, RootProvider};
use alloy::rpc::client::RpcClient;
use alloy::rpc::types::{Filter, Log, TransactionInput, TransactionRequest};
use alloy::sol_types::SolCall;
use alloy::transports::http::Http;
use url::Url;

use crate::Rollup;
use crate::error::{L1Error, bad_answer, classify};

/// Most gas of one transaction (EIP-7825).
pub const MAX_TRANSACTION_GAS: u64 = 16_777_216;

/// How a node is reached. Its `Debug` shows no more than the host: providers put access keys in
/// the path.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    url: Url,
    timeout: Duration,
}

impl Endpoint {
    /// A node at an `http` or `https` address; no request takes longer than `timeout`.
    #[must_use]
    pub const fn new(url: Url, timeout: Duration) -> Self {
        Self { url, timeout }
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint")
            .field("host", &self.url.host_str().unwrap_or_default())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// A block of Ethereum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockRef {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Its base fee in wei per gas.
    pub base_fee_wei: u128,
    /// UNIX seconds.
    pub timestamp: u64,
}

/// Where a transaction was included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inclusion {
    /// The transaction.
    pub transaction: B256,
    /// Number of its block.
    pub block_number: u64,
    /// Hash of its block.
    pub block_hash: B256,
    /// Gas it used.
    pub gas_used: u64,
    /// False: it was included and reverted.
    pub succeeded: bool,
}

/// A node of Ethereum over JSON-RPC. Connections are made when needed and made again when lost.
#[derive(Debug, Clone)]
pub struct EthClient {
    provider: RootProvider<Ethereum>,
}

impl EthClient {
    /// Prepares a client; nothing is sent yet.
    ///
    /// # Errors
    /// [`L1Error::BadEndpoint`] when the scheme is neither `http` nor `https`, or TLS cannot be set
    /// up.
    pub fn connect(endpoint: &Endpoint) -> Result<Self, L1Error> {
        let scheme = endpoint.url.scheme();
        if scheme != "http" && scheme != "https" {
            return Err(L1Error::BadEndpoint {
                reason: format!("its scheme is `{scheme}`, use `http` or `https`"),
            });
        }
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Losing a race against another thread is fine: it installed a provider too.
            let _lost = rustls::crypto::ring::default_provider().install_default();
        }
        let http = reqwest::Client::builder()
            .timeout(endpoint.timeout)
            .connect_timeout(endpoint.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| L1Error::BadEndpoint {
                reason: error.without_url().to_string(),
            })?;
        let local = matches!(
            endpoint.url.host_str(),
            Some("127.0.0.1" | "localhost" | "::1")
        );
        let transport = Http::with_client(http, endpoint.url.clone());
        Ok(Self {
            provider: RootProvider::new(RpcClient::new(transport, local)),
        })
    }

    pub(crate) const fn provider(&self) -> &RootProvider<Ethereum> {
        &self.provider
    }

    /// The Rollup contract at an address.
    #[must_use]
    pub fn rollup(&self, address: Address) -> Rollup {
        Rollup::new(self.clone(), address)
    }

    /// The chain's id.
    ///
    /// # Errors
    /// [`L1Error`] when the node gives no usable answer.
    pub async fn chain_id(&self) -> Result<u64, L1Error> {
        let answer = self.provider.get_chain_id().await;
        answer.map_err(|error| classify("eth_chainId", error))
    }

    /// The newest block.
    ///
    /// # Errors
    /// [`L1Error`] when the node gives no usable answer.
    pub async fn head(&self) -> Result<BlockRef, L1Error> {
        self.block(BlockNumberOrTag::Latest)
            .await?
            .ok_or_else(|| bad_answer("eth_getBlockByNumber", "there is no latest block"))
    }

    /// The newest block that Ethereum will not take back; `None` before the first one.
    ///
    /// # Errors
    /// [`L1Error`] when the node gives no usable answer.
    pub async fn finalized(&self) -> Result<Option<BlockRef>, L1Error> {
        self.block(BlockNumberOrTag::Finalized).await
    }

    async fn block(&self, tag: BlockNumberOrTag) -> Result<Option<BlockRef>, L1Error> {
        let block = self.provider.get_block_by_number(tag).await;
        let block = block.map_err(|error| classify("eth_getBlockByNumber", error))?;
        Ok(block.map(|block| BlockRef {
            number: block.header.number(),
            hash: block.header.hash,
            base_fee_wei: u128::from(block.header.base_fee_per_gas().unwrap_or_default()),
            timestamp: block.header.timestamp(),
        }))
    }

    /// An account's balance in wei at the newest block.
    ///
    /// # Errors
    /// [`L1Error`] when the node gives no usable answer.
    pub async fn balance(&self, account: Address) -> Result<U256, L1Error> {
        let answer = self.provider.get_balance(account).await;
        answer.map_err(|error| classify("eth_getBalance", error))
    }

    /// How many transactions of an account are in the chain, at the newest block.
    ///
    /// # Errors
    /// [`L1Error`] when the node gives no usable answer.
    pub async fn nonce(&self, account: Address) -> Result<u64, L1Error> {
        let answer = self
            .provider
            .get_transaction_count(account)
            .block_id(BlockId::latest())
            .await;
        answer.map_err(|error| classify("eth_getTransactionCount", error))
    }

    /// As [`EthClient::nonce`], as of one block.
    ///
    /// # Errors
    /// [`L1Error`] when the node gives no usable answer.
    pub async fn nonce_in(&self, account: Address, block: B256) -> Result<u64, L1Error> {
        let answer = self
            .provider
            .get_transaction_count(account)
            .block_id(BlockId::hash(block))
            .await;
        answer.map_err(|error| classify("eth_getTransactionCount", error))
    }

    /// The tip the node suggests, in wei per gas.
    ///
    /// # Errors
    /// [`L1Error`] when the node gives no usable answer.
    pub async fn priority_fee_wei(&self) -> Result<u128, L1Error> {
        let answer = self.provider.get_max_priority_fee_per_gas().await;
        answer.map_err(|error| classify("eth_maxPriorityFeePerGas", error))
    }

    /// Where a transaction is included at present; `None` when it is in no block.
    ///
    /// # Errors
    /// [`L1Error`] when the node gives no usable answer.
    pub async fn inclusion(&self, transaction: B256) -> Result<Option<Inclusion>, L1Error> {
        let receipt = self.provider.get_transaction_receipt(transaction).await;
        let Some(receipt) =
            receipt.map_err(|error| classify("eth_getTransactionReceipt", error))?
        else {
            return Ok(None);
        };
        // Some nodes answer for pending transactions too, with no block.
        let (Some(block_number), Some(block_hash)) = (receipt.block_number, receipt.block_hash)
        else {
            return Ok(None);
        };
        Ok(Some(Inclusion {
            transaction: receipt.transaction_hash,
            block_number,
            block_hash,
            gas_used: receipt.gas_used,
            succeeded: receipt.status(),
        }))
    }

    /// Whether the node knows a transaction, waiting or included.
    ///
    /// # Errors
    /// [`L1Error`] when the node gives no usable answer.
    pub async fn knows(&self, transaction: B256) -> Result<bool, L1Error> {
        let found = self.provider.get_transaction_by_hash(transaction).await;
        let found = found.map_err(|error| classify("eth_getTransactionByHash", error))?;
        Ok(found.is_some())
    }

    /// Hands a signed transaction to the node. Safe to do twice: the hash decides what it is.
    ///
    /// # Errors
    /// [`L1Error::Refused`] with the node's words, e.g. when it already has it.
    pub async fn send_raw(&self, raw: &[u8]) -> Result<B256, L1Error> {
        let sent = self.provider.send_raw_transaction(raw).await;
        let sent = sent.map_err(|error| classify("eth_sendRawTransaction", error))?;
        Ok(*sent.tx_hash())
    }

    /// Gas that a call would need at the newest block.
    ///
    /// # Errors
    /// [`L1Error::Reverts`] when the call would revert; else as for any question.
    pub async fn estimate_gas(
        &self,
        from: Address,
        to: Address,
        input: Bytes,
    ) -> Result<u64, L1Error> {
        let request = TransactionRequest::default()
            .from(from)
            .to(to)
            .input(TransactionInput::new(input));
        let answer = self.provider.estimate_gas(request).await;
        answer.map_err(|error| classify("eth_estimateGas", error))
    }

    /// Gas that the creation of a contract would need at the newest block.
    ///
    /// # Errors
    /// As [`EthClient::estimate_gas`].
    pub async fn estimate_creation(&self, from: Address, code: Bytes) -> Result<u64, L1Error> {
        let mut request = TransactionRequest::default()
            .from(from)
            .input(TransactionInput::new(code));
        request.to = Some(TxKind::Create);
        let answer = self.provider.estimate_gas(request).await;
        answer.map_err(|error| classify("eth_estimateGas", error))
    }

    /// What a contract answers to a call, as of one block.
    pub(crate) async fn view<C: SolCall>(
        &self,
        address: Address,
        call: &C,
        block: BlockId,
    ) -> Result<C::Return, L1Error> {
        self.view_with_gas(address, call, block, None).await
    }

    /// As [`EthClient::view`], with a limit of gas in place of the node's.
    pub(crate) async fn view_with_gas<C: SolCall>(
        &self,
        address: Address,
        call: &C,
        block: BlockId,
        gas: Option<u64>,
    ) -> Result<C::Return, L1Error> {
        const METHOD: &str = "eth_call";
        let mut request = TransactionRequest::default()
            .to(address)
            .input(TransactionInput::new(call.abi_encode().into()));
        request.gas = gas;
        let output = self.provider.call(request).block(block).await;
        let output = output.map_err(|error| classify(METHOD, error))?;
        if output.is_empty() {
            return Err(L1Error::NoContract { address });
        }
        C::abi_decode_returns_validate(&output)
            .map_err(|error| bad_answer(METHOD, &error.to_string()))
    }

    /// Events that are in the chain, in order.
    pub(crate) async fn logs(&self, filter: &Filter) -> Result<Vec<Log>, L1Error> {
        let logs = self.provider.get_logs(filter).await;
        let mut logs = logs.map_err(|error| classify("eth_getLogs", error))?;
        logs.retain(|log| !log.removed);
        Ok(logs)
    }

    /// Whether there is code at an address, at the newest block.
    ///
    /// # Errors
    /// [`L1Error`] when the node gives no usable answer.
    pub async fn has_code(&self, address: Address) -> Result<bool, L1Error> {
        let code = self.provider.get_code_at(address).await;
        let code = code.map_err(|error| classify("eth_getCode", error))?;
        Ok(!code.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_never_shows_its_path() {
        let url = "https://l1.example/v2/SECRET".parse().expect("a URL");
        let shown = format!("{:?}", Endpoint::new(url, Duration::from_secs(1)));
        assert!(!shown.contains("SECRET"), "{shown}");
        assert!(shown.contains("l1.example"), "{shown}");
    }

    #[test]
    fn refuses_a_scheme_it_does_not_speak() {
        let url = "ipc://node".parse().expect("a URL");
        let refused = EthClient::connect(&Endpoint::new(url, Duration::from_secs(1)));
        assert_eq!(
            refused.map(|_| ()).map_err(|error| error.to_string()),
            Err("the Ethereum node's address cannot be used: its scheme is `ipc`, use `http` or `https`".to_owned())
        );
    }
}
