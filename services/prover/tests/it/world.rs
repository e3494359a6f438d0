//! One installation as far as the prover sees it.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use cloister_l1::{Address, CommitEvent, DeployPlan, Deployment, Endpoint, EthClient, Rollup};
use cloister_proto::prover::v1 as api;
use cloister_proto::prover::v1::prover_client::ProverClient;
use cloister_settings::{GrpcClientSection, GrpcServerSection, SecretFile};
use cloister_signer::{KeySource, LocalKey};
use cloister_test_kit::anvil::{self, Anvil, FUNDED};
use cloister_test_kit::pki::{Pki, write_secret};
use cloister_test_kit::port;
use cloister_test_kit::postgres::{self, Cluster, Database};
use cloister_test_kit::service::{Service, ServiceName};
use serde_json::json;
use sqlx::Connection as _;
use tempfile::TempDir;
use tonic::transport::Channel;

use crate::proxy::Proxy;
use crate::sequencer::{Batches, CHAIN_ID, Stub};

/// How long anything may take before the test gives up.
const PATIENCE: Duration = Duration::from_mins(1);

/// The committer of the tests; [`GUARDIAN`] deploys.
pub(crate) const COMMITTER: usize = 1;
/// Deployer, guardian and governor.
pub(crate) const GUARDIAN: usize = 0;

/// An account that the node funds.
pub(crate) fn account(index: usize) -> Address {
    FUNDED[index].0.parse().unwrap()
}

/// Settings that tests change.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) l1_chain_id: u64,
    pub(crate) rollup: Option<Address>,
    pub(crate) max_fee_per_gas_wei: u64,
    pub(crate) bump_after_blocks: u64,
    pub(crate) more: String,
    /// The section `[prover]`, if there is one.
    pub(crate) proving: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            l1_chain_id: 31_337,
            rollup: None,
            max_fee_per_gas_wei: 500_000_000_000,
            bump_after_blocks: 3,
            more: String::new(),
            proving: None,
        }
    }
}

/// All parts around one prover.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) cluster: Cluster,
    pub(crate) database: Database,
    pub(crate) anvil: Anvil,
    pub(crate) proxy: Proxy,
    pub(crate) batches: Batches,
    pub(crate) settings: Settings,
    pub(crate) deployment: Deployment,
    pub(crate) prover: Service,
    pub(crate) pki: Pki,
    stub: Option<Stub>,
    sequencer_port: u16,
    grpc_port: u16,
    admin_port: u16,
}

/// A key that the node funds.
pub(crate) fn key(folder: &TempDir, index: usize) -> LocalKey {
    let path = folder.path().join(format!("key-{index}"));
    write_secret(&path, FUNDED[index].1).unwrap();
    LocalKey::open(&KeySource::HexFile(SecretFile(path))).unwrap()
}

fn endpoint(url: &str) -> Endpoint {
    Endpoint::new(url.parse().unwrap(), Duration::from_secs(10))
}

impl World {
    /// Everything runs but the prover.
    pub(crate) async fn new() -> anyhow::Result<Self> {
        Self::with(anvil::Options::default()).await
    }

    /// As [`World::new`], with a node of other options.
    pub(crate) async fn with(options: anvil::Options) -> anyhow::Result<Self> {
        cloister_test_kit::pki::install_crypto();
        let folder = tempfile::tempdir()?;
        let cluster = Cluster::start(postgres::Options::default()).await?;
        let database = cluster.create_database("prover").await?;
        let anvil = Anvil::start(options).await?;
        let proxy = Proxy::start(anvil.url()).await?;
        let batches = Batches::new();
        let pki = Pki::new(&folder.path().join("pki"))?;
        for name in ["sequencer", "prover", "gateway", "disclosure"] {
            pki.issue(name)?;
        }
        let deployment = deploy(&folder, &anvil, &batches).await?;
        let admin_port = port::free()?;
        let config = folder.path().join("prover.toml");
        let prover = Service::new(ServiceName::Prover, &config, folder.path(), admin_port)?;
        write_secret(&folder.path().join("database-password"), &database.password)?;
        write_secret(&folder.path().join("committer-key"), FUNDED[COMMITTER].1)?;
        let mut world = Self {
            folder,
            cluster,
            database,
            anvil,
            proxy,
            batches,
            settings: Settings::default(),
            deployment,
            prover,
            pki,
            stub: None,
            sequencer_port: port::free()?,
            grpc_port: port::free()?,
            admin_port,
        };
        world.start_sequencer().await?;
        Ok(world)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the stand-in for the sequencer.
    pub(crate) async fn start_sequencer(&mut self) -> anyhow::Result<()> {
        let section = GrpcServerSection {
            listen: format!("127.0.0.1:{}", self.sequencer_port).parse()?,
            certificate_file: self.file("pki/sequencer.pem"),
            private_key_file: SecretFile(self.file("pki/sequencer.key")),
            client_ca_file: self.pki.ca_file(),
        };
        self.stub = Some(Stub::start(self.batches.clone(), section).await?);
        Ok(())
    }

    /// Ends the stand-in.
    pub(crate) fn stop_sequencer(&mut self) {
        self.stub = None;
    }

    /// Writes the configuration as the settings say.
    pub(crate) fn write_config(&self) -> anyhow::Result<()> {
        let mut text = format!(
            "[admin]\nlisten = \"127.0.0.1:{}\"\n\n[telemetry]\nlog = \"info\"\n\n",
            self.admin_port
        );
        write!(
            text,
            "[database]\nhost = \"127.0.0.1\"\nport = {}\nname = \"{}\"\nuser = \"{}\"\n\
             password_file = \"database-password\"\n\n",
            self.database.port, self.database.name, self.database.user
        )?;
        write!(
            text,
            "[grpc]\nlisten = \"127.0.0.1:{}\"\ncertificate_file = \"pki/prover.pem\"\n\
             private_key_file = \"pki/prover.key\"\nclient_ca_file = \"pki/ca.pem\"\n\n",
            self.grpc_port
        )?;
        write!(
            text,
            "[sequencer]\nurl = \"https://127.0.0.1:{}\"\nserver_name = \"sequencer\"\n\
             ca_file = \"pki/ca.pem\"\ncertificate_file = \"pki/prover.pem\"\n\
             private_key_file = \"pki/prover.key\"\n\n",
            self.sequencer_port
        )?;
        let settings = &self.settings;
        write!(
            text,
            "[l1]\nrpc_url = \"{}\"\nchain_id = {}\nrollup_contract = \"{}\"\n\
             committer_key_file = \"committer-key\"\nmax_fee_per_gas_wei = {}\npoll_ms = 20\n\
             bump_after_blocks = {}\n{}\n",
            self.proxy.url(),
            settings.l1_chain_id,
            settings.rollup.unwrap_or(self.deployment.rollup),
            settings.max_fee_per_gas_wei,
            settings.bump_after_blocks,
            settings.more
        )?;
        if let Some(proving) = &settings.proving {
            write!(text, "[prover]\n{proving}\n")?;
        }
        std::fs::write(self.file("prover.toml"), text)?;
        Ok(())
    }

    /// Migrates and starts the prover and waits for its gRPC port.
    pub(crate) async fn start(&mut self) -> anyhow::Result<()> {
        self.write_config()?;
        self.prover.migrate().await?;
        self.prover.start()?;
        let client = self.client("gateway")?;
        self.until("the prover answers", async || {
            Ok(client
                .clone()
                .get_status(api::GetStatusRequest {})
                .await
                .is_ok())
        })
        .await
    }

    /// Kills the prover (SIGKILL) and starts it again.
    pub(crate) async fn kill_and_restart(&mut self) -> anyhow::Result<()> {
        self.prover.kill();
        self.proxy.release();
        self.start().await
    }

    /// A gRPC client that shows the certificate of a service.
    pub(crate) fn client(&self, peer: &str) -> anyhow::Result<ProverClient<Channel>> {
        let section = GrpcClientSection {
            url: format!("https://127.0.0.1:{}", self.grpc_port).parse()?,
            server_name: "prover".to_owned(),
            ca_file: self.pki.ca_file(),
            certificate_file: self.file(&format!("pki/{peer}.pem")),
            private_key_file: SecretFile(self.file(&format!("pki/{peer}.key"))),
        };
        let channel = cloister_proto::tls::client_channel(&section)?;
        Ok(ProverClient::new(channel))
    }

    /// The prover's status, as the gateway sees it.
    pub(crate) async fn status(&self) -> anyhow::Result<api::GetStatusResponse> {
        let mut client = self.client("gateway")?;
        let status = client.get_status(api::GetStatusRequest {}).await?;
        Ok(status.into_inner())
    }

    /// One batch's status, as the gateway sees it.
    pub(crate) async fn batch(&self, number: u64) -> anyhow::Result<Option<api::BatchStatus>> {
        let mut client = self.client("gateway")?;
        let answer = client
            .get_batch_status(api::GetBatchStatusRequest { number })
            .await?;
        Ok(answer.into_inner().status)
    }

    /// Waits for a condition, asked again and again.
    pub(crate) async fn until<F>(&mut self, what: &str, condition: F) -> anyhow::Result<()>
    where
        F: AsyncFn() -> anyhow::Result<bool>,
    {
        let deadline = Instant::now() + PATIENCE;
        let mut turn = tokio::time::interval(Duration::from_millis(20));
        loop {
            turn.tick().await;
            if condition().await.unwrap_or(false) {
                return Ok(());
            }
            self.prover.check()?;
            if Instant::now() > deadline {
                let log = std::fs::read_to_string(self.prover.log()).unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(20).collect();
                anyhow::bail!("waited in vain until {what}; newest log lines: {tail:#?}");
            }
        }
    }

    /// Waits until a number in the prover's database is as wanted.
    pub(crate) async fn until_number(&mut self, query: &str, wanted: i64) -> anyhow::Result<()> {
        let database = self.database.clone();
        let statement = query.to_owned();
        self.until(&format!("`{query}` is {wanted}"), async || {
            let mut connection = database.connect().await?;
            let statement = sqlx::AssertSqlSafe(statement.clone());
            let number: i64 = sqlx::query_scalar(statement)
                .fetch_one(&mut connection)
                .await?;
            connection.close().await?;
            Ok(number == wanted)
        })
        .await
    }

    /// Waits until the prover says that a batch is committed.
    pub(crate) async fn until_committed(&mut self, number: u64) -> anyhow::Result<()> {
        let mut client = self.client("gateway")?;
        self.wait_status(&mut client, "the batch is committed", |status| {
            status.committed_batch >= number
        })
        .await
    }

    /// Waits until the prover names a reason that holds the words.
    pub(crate) async fn until_stalled(&mut self, words: &str) -> anyhow::Result<()> {
        let mut client = self.client("gateway")?;
        let what = format!("the prover says `{words}`");
        self.wait_status(&mut client, &what, |status| {
            status.stalled_reason.contains(words)
        })
        .await
    }

    /// Waits until nothing is stalled but for one reason.
    pub(crate) async fn until_only_stalled(&mut self, words: &str) -> anyhow::Result<()> {
        let mut client = self.client("gateway")?;
        let what = format!("the prover says nothing but `{words}`");
        self.wait_status(&mut client, &what, |status| {
            status.stalled_reason.starts_with(words) && !status.stalled_reason.contains("; ")
        })
        .await
    }

    /// Waits until nothing is stalled.
    pub(crate) async fn until_moving(&mut self) -> anyhow::Result<()> {
        let mut client = self.client("gateway")?;
        self.wait_status(&mut client, "nothing is stalled", |status| {
            status.stalled_reason.is_empty()
        })
        .await
    }

    async fn wait_status(
        &mut self,
        client: &mut ProverClient<Channel>,
        what: &str,
        condition: impl Fn(&api::GetStatusResponse) -> bool,
    ) -> anyhow::Result<()> {
        let client = client.clone();
        self.until(what, async || {
            let status = client.clone().get_status(api::GetStatusRequest {}).await?;
            Ok(condition(status.get_ref()))
        })
        .await
    }

    /// The node, asked directly.
    pub(crate) fn node(&self) -> EthClient {
        EthClient::connect(&endpoint(&self.anvil.url())).unwrap()
    }

    /// The contract, asked directly.
    pub(crate) fn rollup(&self) -> Rollup {
        self.node().rollup(self.deployment.rollup)
    }

    /// Every commit on the chain but genesis, in order.
    pub(crate) async fn commits(&self) -> anyhow::Result<Vec<CommitEvent>> {
        let events = self.rollup().commits_from(0).await?;
        Ok(events
            .into_iter()
            .filter(|event| event.number.0 > 0)
            .collect())
    }

    /// Exactly the sealed batches are on the chain, each once, in order, with its hash.
    pub(crate) async fn assert_committed_once(&self, last: u64) -> anyhow::Result<()> {
        let commits = self.commits().await?;
        let numbers: Vec<u64> = commits.iter().map(|event| event.number.0).collect();
        assert_eq!(numbers, (1..=last).collect::<Vec<_>>());
        for event in commits {
            assert_eq!(event.batch_hash, self.batches.hash(event.number.0));
        }
        Ok(())
    }

    /// How many transactions of the committer are in the chain.
    pub(crate) async fn nonce(&self) -> anyhow::Result<u64> {
        Ok(self.node().nonce(account(COMMITTER)).await?)
    }

    /// Sends a call of the guardian, mines it and demands that it succeeds.
    pub(crate) async fn as_guardian(&self, call: &str, words: &[u64]) -> anyhow::Result<()> {
        let mut data = alloy::primitives::keccak256(call)[..4].to_vec();
        for word in words {
            data.extend_from_slice(&[0; 24]);
            data.extend_from_slice(&word.to_be_bytes());
        }
        let transaction = json!({
            "from": FUNDED[GUARDIAN].0,
            "to": self.deployment.rollup,
            "data": alloy::primitives::hex::encode_prefixed(&data),
            "gas": "0x200000",
        });
        let hash = self
            .anvil
            .rpc("eth_sendTransaction", json!([transaction]))
            .await?;
        let deadline = Instant::now() + PATIENCE;
        let mut turn = tokio::time::interval(Duration::from_millis(20));
        while Instant::now() < deadline {
            turn.tick().await;
            let question = self.anvil.rpc("eth_getTransactionReceipt", json!([hash]));
            let receipt = question.await?;
            if !receipt.is_null() {
                anyhow::ensure!(receipt["status"] == "0x1", "the guardian's call failed");
                return Ok(());
            }
        }
        anyhow::bail!("the guardian's call was not included")
    }

    /// Puts a call of the guardian before everything that waits, and mines both.
    pub(crate) async fn guardian_first(&self, call: &str) -> anyhow::Result<()> {
        let data = &alloy::primitives::keccak256(call)[..4];
        let transaction = json!({
            "from": FUNDED[GUARDIAN].0,
            "to": self.deployment.rollup,
            "data": alloy::primitives::hex::encode_prefixed(data),
            "gas": "0x200000",
            "maxFeePerGas": "0x746a528800",
            "maxPriorityFeePerGas": "0x746a528800",
        });
        self.anvil
            .rpc("eth_sendTransaction", json!([transaction]))
            .await?;
        self.anvil.mine(1).await
    }

    /// Waits until the node holds a transaction of the committer that is in no block; its hash.
    pub(crate) async fn until_pooled(&mut self) -> anyhow::Result<serde_json::Value> {
        let (sender, receiver) = tokio::sync::watch::channel(serde_json::Value::Null);
        let url = self.anvil.url();
        let http = reqwest::Client::builder().no_proxy().build()?;
        self.until("a transaction waits at the node", async || {
            let question = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_getBlockByNumber", "params": ["pending", true]});
            let answer: serde_json::Value =
                http.post(&url).json(&question).send().await?.json().await?;
            let found = answer["result"]["transactions"][0].clone();
            let there = found["hash"].is_string();
            if there {
                sender.send_replace(found);
            }
            Ok(there)
        })
        .await?;
        let found = receiver.borrow().clone();
        Ok(found)
    }

    /// Switches mining at once on or off.
    pub(crate) async fn automine(&self, on: bool) -> anyhow::Result<()> {
        self.anvil.rpc("evm_setAutomine", json!([on])).await?;
        Ok(())
    }

    /// A metric's value.
    pub(crate) async fn metric(&self, name: &str) -> anyhow::Result<f64> {
        let text = self.prover.metrics().await?;
        let line = text
            .lines()
            .find(|line| line.split(' ').next() == Some(name))
            .with_context(|| format!("no metric `{name}`"))?;
        Ok(line.rsplit(' ').next().unwrap_or_default().parse()?)
    }
}

async fn deploy(folder: &TempDir, anvil: &Anvil, batches: &Batches) -> anyhow::Result<Deployment> {
    let client = EthClient::connect(&endpoint(&anvil.url()))?;
    let plan = DeployPlan {
        chain_id: CHAIN_ID,
        genesis_state_root: Batches::genesis_state_root(),
        genesis_batch_hash: batches.hash(0),
        committer: account(COMMITTER),
        guardian: account(GUARDIAN),
        governors: vec![account(GUARDIAN)],
        timelock_delay_s: 60,
        finality_blocks: 2,
        verifiers: Vec::new(),
        max_fee_per_gas_wei: 500_000_000_000,
        inclusion_timeout: Duration::from_secs(30),
    };
    Ok(cloister_l1::deploy(&client, &key(folder, GUARDIAN), &plan, &mut |_| ()).await?)
}
