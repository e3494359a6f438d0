//! A person's or program's view of the gateway: JSON-RPC with a token, and wallets that sign.

use std::time::Duration;

use alloy::consensus::{SignableTransaction as _, TxEip1559};
use alloy::eips::eip2718::Encodable2718 as _;
use alloy::primitives::{Address, Bytes, TxKind, U256};
use alloy::signers::SignerSync as _;
use alloy::signers::local::PrivateKeySigner;
use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use crate::stack::{CHAIN_ID, Stack};

/// Gas limit of the transactions that [`Wallet`] signs.
const GAS_LIMIT: u64 = 5_000_000;

/// A key of our own with the next nonce.
#[derive(Debug)]
pub struct Wallet {
    signer: PrivateKeySigner,
    nonce: u64,
}

impl Wallet {
    /// A wallet with a new random key.
    #[must_use]
    pub fn random() -> Self {
        Self {
            signer: PrivateKeySigner::random(),
            nonce: 0,
        }
    }

    /// A wallet with the key `key` (64 hexadecimal digits).
    ///
    /// # Errors
    /// When it is no key.
    pub fn from_key(key: &str) -> anyhow::Result<Self> {
        Ok(Self {
            signer: key.parse()?,
            nonce: 0,
        })
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> Address {
        self.signer.address()
    }

    /// Its private key (64 hexadecimal digits).
    #[must_use]
    pub fn key(&self) -> String {
        format!("{:x}", self.signer.to_bytes())
    }

    /// Signs a text as wallets do (EIP-191).
    ///
    /// # Errors
    /// Never for a local key.
    pub fn sign_text(&self, text: &str) -> anyhow::Result<String> {
        Ok(format!(
            "0x{}",
            alloy::hex::encode(self.signer.sign_message_sync(text.as_bytes())?.as_bytes())
        ))
    }

    /// Signs an EIP-1559 transaction without fees with the next nonce.
    ///
    /// # Errors
    /// Never for a local key.
    pub fn sign(&mut self, to: TxKind, value: U256, input: Bytes) -> anyhow::Result<String> {
        let raw = self.sign_with(self.nonce, to, value, input)?;
        self.nonce += 1;
        Ok(raw)
    }

    /// Signs as [`Wallet::sign`] with a given nonce, which is not counted.
    ///
    /// # Errors
    /// Never for a local key.
    pub fn sign_with(
        &self,
        nonce: u64,
        to: TxKind,
        value: U256,
        input: Bytes,
    ) -> anyhow::Result<String> {
        let transaction = TxEip1559 {
            chain_id: CHAIN_ID,
            nonce,
            gas_limit: GAS_LIMIT,
            to,
            value,
            input,
            ..TxEip1559::default()
        };
        let signature = self.signer.sign_hash_sync(&transaction.signature_hash())?;
        let raw = transaction.into_signed(signature).encoded_2718();
        Ok(format!("0x{}", alloy::hex::encode(raw)))
    }

    /// The nonce that the next transaction gets.
    #[must_use]
    pub fn nonce(&self) -> u64 {
        self.nonce
    }

    /// Sets the nonce of the next transaction.
    pub fn set_nonce(&mut self, nonce: u64) {
        self.nonce = nonce;
    }
}

/// Somebody at the gateway, with or without a token.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    token: Option<String>,
}

impl Client {
    /// The stack's gateway with a token, or without one.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(stack: &Stack, token: Option<String>) -> anyhow::Result<Self> {
        Ok(Self {
            http: stack.provider()?.browser()?,
            url: stack.gateway_url(),
            token,
        })
    }

    /// Logs a person in and speaks in their name.
    ///
    /// # Errors
    /// When the provider refuses.
    pub async fn login(stack: &Stack, person: &crate::oidc::Person) -> anyhow::Result<Self> {
        let token = stack.provider()?.token(person).await?;
        Self::new(stack, Some(token))
    }

    /// The same, over connections that are kept. The stack must not restart its gateway meanwhile.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn keeping_connections(mut self, stack: &Stack) -> anyhow::Result<Self> {
        self.http = stack.provider()?.application()?;
        Ok(self)
    }

    /// The access token.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Sends a body as it is and returns status and text.
    ///
    /// # Errors
    /// When the gateway does not answer.
    pub async fn post_raw(&self, path: &str, body: String) -> anyhow::Result<(u16, String)> {
        let mut request = self
            .http
            .post(format!("{}{path}", self.url))
            .header("content-type", "application/json")
            .body(body);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// Announces a body of `length` bytes, sends its first byte, and returns the answer that
    /// comes before the rest: status and text. Who sends a refused body whole may find the
    /// connection closed before it reads the refusal.
    ///
    /// # Errors
    /// When the gateway does not answer.
    pub async fn post_endless(&self, length: u64) -> anyhow::Result<(u16, String)> {
        let first = futures::stream::once(async { anyhow::Ok(vec![b'[']) });
        let rest = futures::stream::pending();
        let stream = futures::StreamExt::chain(first, rest);
        let mut request = self
            .http
            .post(&self.url)
            .header("content-type", "application/json")
            .header("content-length", length)
            .body(reqwest::Body::wrap_stream(stream));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// One JSON-RPC call; the whole response object.
    ///
    /// # Errors
    /// When the gateway does not answer with JSON.
    pub async fn respond(&self, method: &str, params: Value) -> anyhow::Result<Value> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let (status, text) = self.post_raw("/", body.to_string()).await?;
        serde_json::from_str(&text).with_context(|| format!("answer {status}: {text}"))
    }

    /// One JSON-RPC call that must succeed; its result.
    ///
    /// # Errors
    /// When the gateway answers with an error.
    pub async fn rpc(&self, method: &str, params: Value) -> anyhow::Result<Value> {
        let mut answer = self.respond(method, params).await?;
        if let Some(error) = answer.get("error") {
            bail!("`{method}` failed: {error}");
        }
        answer
            .get_mut("result")
            .map(Value::take)
            .context("the answer has no result")
    }

    /// One JSON-RPC call that must fail; its error object.
    ///
    /// # Errors
    /// When it succeeds.
    pub async fn refused(&self, method: &str, params: Value) -> anyhow::Result<Value> {
        let mut answer = self.respond(method, params).await?;
        let error = answer.get_mut("error").map(Value::take);
        error.with_context(|| format!("`{method}` was not refused: {answer}"))
    }

    /// Links `wallet` to the person by an EIP-4361 message.
    ///
    /// # Errors
    /// When the gateway refuses.
    pub async fn link(&self, wallet: &Wallet) -> anyhow::Result<()> {
        let body = json!({"address": wallet.address().to_checksum(None)});
        let (status, text) = self
            .post_raw("/wallets/challenge", body.to_string())
            .await?;
        anyhow::ensure!(status < 300, "the challenge was refused: {status} {text}");
        let challenge: Value = serde_json::from_str(&text)?;
        let message = challenge
            .get("message")
            .and_then(Value::as_str)
            .context("no message")?;
        let body = json!({"message": message, "signature": wallet.sign_text(message)?});
        let (status, text) = self.post_raw("/wallets", body.to_string()).await?;
        anyhow::ensure!(status < 300, "the wallet was refused: {status} {text}");
        Ok(())
    }

    /// Sends a signed transaction and waits for its receipt.
    ///
    /// # Errors
    /// When it is refused or not included within ten seconds.
    pub async fn send(&self, raw: &str) -> anyhow::Result<Value> {
        let hash = self.rpc("eth_sendRawTransaction", json!([raw])).await?;
        for _ in 0..400 {
            let receipt = self.rpc("eth_getTransactionReceipt", json!([hash])).await?;
            if !receipt.is_null() {
                return Ok(receipt);
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        bail!("transaction {hash} was not included")
    }
}
