//! Where transfers are sent: the sequencer, the gateway, anvil.

use super::workload::Workload;
use alloy::hex;
use alloy::primitives::U256;
use anyhow::Context as _;
use cloister_proto::sequencer::v1::sequencer_client::SequencerClient;
use cloister_proto::sequencer::v1::{CallRequest, SubmitTransactionRequest};
use cloister_settings::{GrpcClientSection, SecretFile};
use cloister_test_kit::anvil;
use cloister_test_kit::client::Client;
use cloister_test_kit::stack::{CHAIN_ID, Stack};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tonic::transport::Channel;

/// Something that takes signed transactions.
pub(crate) trait Target: Send + Sync {
    /// Sends one; answers when it is acknowledged.
    fn send(&self, raw: &str) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Waits until everything that was acknowledged is in a block, by the next nonces of accounts.
    fn settle(&self) -> impl Future<Output = anyhow::Result<()>> + Send;
}

fn word(bytes: &[u8]) -> anyhow::Result<U256> {
    U256::try_from_be_slice(bytes).context("the balance is longer than 32 bytes")
}

fn word_of(result: &Value) -> anyhow::Result<U256> {
    word(&hex::decode(
        result.as_str().context("the balance is no text")?,
    )?)
}

fn call_params(workload: &Workload) -> Value {
    let (to, input) = workload.balance_call();
    json!([{"to": to, "data": hex::encode_prefixed(input)}, "latest"])
}

/// The sequencer's gRPC with the gateway's certificate.
pub(crate) struct Sequencer {
    clients: Vec<SequencerClient<Channel>>,
    next: AtomicUsize,
}

/// Connections to the sequencer, as of some gateway replicas.
const CONNECTIONS: usize = 4;

impl Sequencer {
    /// Connects on first use.
    pub(crate) fn connect(stack: &Stack) -> anyhow::Result<Self> {
        let section = GrpcClientSection {
            url: format!("https://127.0.0.1:{}", stack.ports.sequencer).parse()?,
            server_name: "sequencer".to_owned(),
            ca_file: stack.file("pki/ca.pem"),
            certificate_file: stack.file("pki/gateway.pem"),
            private_key_file: SecretFile(stack.file("pki/gateway.key")),
        };
        let client = || {
            let channel = cloister_proto::tls::client_channel(&section)?;
            anyhow::Ok(SequencerClient::new(channel))
        };
        let clients = (0..CONNECTIONS)
            .map(|_| client())
            .collect::<Result<_, _>>()?;
        Ok(Self {
            clients,
            next: AtomicUsize::new(0),
        })
    }

    /// One of the connections, in turn.
    fn client(&self) -> anyhow::Result<SequencerClient<Channel>> {
        let at = self.next.fetch_add(1, Ordering::Relaxed) % CONNECTIONS;
        self.clients
            .get(at)
            .cloned()
            .context("no connection to the sequencer")
    }

    /// Balance of the workload's first receiver.
    pub(crate) async fn balance(&self, workload: &Workload) -> anyhow::Result<U256> {
        let (to, input) = workload.balance_call();
        let request = CallRequest {
            from: vec![0; 20].into(),
            to: Some(to.to_vec().into()),
            input: input.into(),
            value: Vec::new().into(),
            ..CallRequest::default()
        };
        word(&self.client()?.call(request).await?.into_inner().output)
    }
}

impl Target for Sequencer {
    async fn send(&self, raw: &str) -> anyhow::Result<()> {
        let raw = hex::decode(raw)?.into();
        self.client()?
            .submit_transaction(SubmitTransactionRequest { raw })
            .await?;
        Ok(())
    }

    async fn settle(&self) -> anyhow::Result<()> {
        // The acknowledgement is the durable block.
        Ok(())
    }
}

/// The gateway, as somebody with a token.
pub(crate) struct Gateway(Client);

impl Gateway {
    /// Speaks in the name of the client's person.
    pub(crate) fn new(client: Client) -> Self {
        Self(client)
    }

    /// Balance of the workload's first receiver.
    pub(crate) async fn balance(&self, workload: &Workload) -> anyhow::Result<U256> {
        word_of(&self.0.rpc("eth_call", call_params(workload)).await?)
    }
}

impl Target for Gateway {
    async fn send(&self, raw: &str) -> anyhow::Result<()> {
        self.0.rpc("eth_sendRawTransaction", json!([raw])).await?;
        Ok(())
    }

    async fn settle(&self) -> anyhow::Result<()> {
        // The sequencer acknowledges to the gateway when the block is durable.
        Ok(())
    }
}

/// anvil with our chain's id, block interval and gas limit, and without fees.
pub(crate) struct Anvil(anvil::Anvil);

impl Anvil {
    /// Starts a node.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let extra = [
            "--block-time",
            "0.25",
            "--gas-limit",
            "100000000",
            "--base-fee",
            "0",
        ];
        let options = anvil::Options {
            chain_id: CHAIN_ID,
            extra: extra.map(str::to_owned).to_vec(),
            ..anvil::Options::default()
        };
        Ok(Self(anvil::Anvil::start(options).await?))
    }

    /// Balance of the workload's first receiver.
    pub(crate) async fn balance(&self, workload: &Workload) -> anyhow::Result<U256> {
        word_of(&self.0.rpc("eth_call", call_params(workload)).await?)
    }
}

impl Target for Anvil {
    async fn send(&self, raw: &str) -> anyhow::Result<()> {
        self.0.rpc("eth_sendRawTransaction", json!([raw])).await?;
        Ok(())
    }

    async fn settle(&self) -> anyhow::Result<()> {
        loop {
            let status = self.0.rpc("txpool_status", json!([])).await?;
            let none = |field: &str| status.get(field).and_then(Value::as_str) == Some("0x0");
            if none("pending") && none("queued") {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
