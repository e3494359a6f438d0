//! A real Ethereum node for development, with the gas cap of EIP-7825 switched on.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Child, Program, wait_until};
use crate::{port, tools};

/// The first account that anvil funds: address and private key (published in its documentation).
pub const FUNDED: [(&str, &str); 2] = [
    (
        "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
        "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    ),
    (
        "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
        "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    ),
];

/// How to run the node.
#[derive(Debug, Clone)]
pub struct Options {
    /// Chain id.
    pub chain_id: u64,
    /// Seconds between blocks; `None` mines a block for each transaction.
    pub block_time: Option<u64>,
    /// Slots in an epoch: blocks become final two epochs back.
    pub slots_in_an_epoch: u64,
    /// More arguments.
    pub extra: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            chain_id: 31_337,
            block_time: None,
            slots_in_an_epoch: 2,
            extra: Vec::new(),
        }
    }
}

/// A running node; it ends when this value is dropped.
#[derive(Debug)]
pub struct Anvil {
    // Before the folder: fields are dropped in this order.
    child: Option<Child>,
    folder: TempDir,
    port: u16,
    options: Options,
    client: reqwest::Client,
}

impl Anvil {
    /// Starts a node on a free port.
    ///
    /// # Errors
    /// When it is not installed or does not start.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        crate::pki::install_crypto();
        let folder = tempfile::Builder::new()
            .prefix("cloister-anvil-")
            .tempdir()?;
        let client = reqwest::Client::builder().no_proxy().build()?;
        let mut anvil = Self {
            folder,
            port: port::free()?,
            options,
            child: None,
            client,
        };
        anvil.resume().await?;
        Ok(anvil)
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state.json")
    }

    /// Starts the node again after [`Anvil::stop`], with the state it left; the port stays.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn resume(&mut self) -> anyhow::Result<()> {
        let mut program = Program::new(tools::node_program("anvil")?)
            .args(["--host", "127.0.0.1", "--port", &self.port.to_string()])
            .args([
                "--chain-id",
                &self.options.chain_id.to_string(),
                "--enable-tx-gas-limit",
            ])
            .args([
                "--slots-in-an-epoch",
                &self.options.slots_in_an_epoch.to_string(),
            ])
            .args(["--state", &self.state().display().to_string(), "--quiet"])
            .args(self.options.extra.clone());
        if let Some(seconds) = self.options.block_time {
            program = program.args(["--block-time", &seconds.to_string()]);
        }
        let mut child = program.start(&self.folder.path().join("anvil.log"))?;
        wait_until(&mut child, Duration::from_mins(1), || async {
            self.rpc("eth_chainId", json!([])).await.is_ok()
        })
        .await?;
        self.child = Some(child);
        Ok(())
    }

    /// Ends the node, keeping its state for [`Anvil::resume`].
    ///
    /// # Errors
    /// When it had to be killed.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        if let Some(mut child) = self.child.take() {
            child.stop(Duration::from_secs(30)).await?;
        }
        Ok(())
    }

    /// The whole state as the node wrote it at [`Anvil::stop`]: accounts, storage, blocks and
    /// transactions.
    ///
    /// # Errors
    /// When the node was never stopped.
    pub fn state_text(&self) -> anyhow::Result<String> {
        std::fs::read_to_string(self.state()).context("the node has not written its state yet")
    }

    /// The node's JSON-RPC address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// One JSON-RPC call.
    ///
    /// # Errors
    /// When the node does not answer or answers with an error.
    pub async fn rpc(&self, method: &str, params: Value) -> anyhow::Result<Value> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let answer: Value = self
            .client
            .post(self.url())
            .json(&body)
            .send()
            .await?
            .json()
            .await?;
        if let Some(error) = answer.get("error") {
            anyhow::bail!("anvil refused `{method}`: {error}");
        }
        answer
            .get("result")
            .cloned()
            .context("anvil's answer has no result")
    }

    /// Mines `count` blocks.
    ///
    /// # Errors
    /// As [`Anvil::rpc`].
    pub async fn mine(&self, count: u64) -> anyhow::Result<()> {
        self.rpc("anvil_mine", json!([format!("{count:#x}")]))
            .await
            .map(|_| ())
    }
}
