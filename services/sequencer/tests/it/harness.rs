//! A running sequencer with its database, and wallets that speak to it.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    eips::eip2718::Encodable2718,
    primitives::{Address, B256, Bytes, TxKind, U256, hex},
    signers::{SignerSync, local::PrivateKeySigner},
};
use anyhow::Context as _;
use cloister_proto::{
    code::code_of,
    sequencer::v1::{
        Block, GetBlockRequest, GetInfoRequest, GetTransactionRequest, SealBatchRequest,
        SubmitTransactionRequest, SubmitTransactionResponse, Transaction, get_block_request::By,
        sequencer_client::SequencerClient,
    },
    tls::client_channel,
};
use cloister_settings::{GrpcClientSection, SecretFile};
use cloister_test_kit::{
    pki::{Pki, install_crypto, write_secret},
    postgres::{Cluster, Database, Options},
    process::{Child, Program},
};
use tempfile::TempDir;
use tokio::sync::Mutex;
use tonic::{Status, transport::Channel};

pub(crate) const CHAIN_ID: u64 = 2_718;
pub(crate) type Client = SequencerClient<Channel>;

/// How long anything may take before a test fails.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

/// The cluster that the tests of this process share while any of them runs.
static CLUSTER: Mutex<Weak<SharedCluster>> = Mutex::const_new(Weak::new());

/// A cluster that ends before its files are removed.
#[derive(Debug)]
pub(crate) struct SharedCluster(Cluster);

impl Drop for SharedCluster {
    fn drop(&mut self) {
        self.0.kill();
    }
}

/// A database in the shared cluster, which stays up as long as this value.
#[derive(Debug, Clone)]
pub(crate) struct SharedDatabase {
    database: Database,
    _cluster: Arc<SharedCluster>,
}

impl std::ops::Deref for SharedDatabase {
    type Target = Database;

    fn deref(&self) -> &Database {
        &self.database
    }
}

/// A new database in the cluster that all tests of this process share.
pub(crate) async fn shared_database() -> anyhow::Result<SharedDatabase> {
    let mut shared = CLUSTER.lock().await;
    let cluster = match shared.upgrade() {
        Some(cluster) => cluster,
        None => Arc::new(SharedCluster(Cluster::start(Options::default()).await?)),
    };
    *shared = Arc::downgrade(&cluster);
    drop(shared);
    let database = cluster.0.create_database("sequencer").await?;
    Ok(SharedDatabase {
        database,
        _cluster: cluster,
    })
}

/// A sequencer's files; the process is started and killed at will.
#[derive(Debug)]
pub(crate) struct Sequencer {
    folder: TempDir,
    pki: Pki,
    starts: AtomicU32,
    child: Option<Child>,
    address: String,
    funded: PrivateKeySigner,
    database: Option<SharedDatabase>,
}

impl Sequencer {
    /// Starts a sequencer on a database of its own; `settings` are more sections of its file.
    pub(crate) async fn start(settings: &str) -> anyhow::Result<Self> {
        let database = shared_database().await?;
        let mut sequencer = Self::start_on(&database, settings).await?;
        sequencer.database = Some(database);
        Ok(sequencer)
    }

    /// Starts a sequencer on `database`.
    pub(crate) async fn start_on(database: &Database, settings: &str) -> anyhow::Result<Self> {
        let mut sequencer = Self::prepare(database, settings)?;
        sequencer.run("migrate").await?;
        sequencer.resume().await?;
        Ok(sequencer)
    }

    /// Writes the files of a sequencer without starting it.
    pub(crate) fn prepare(database: &Database, settings: &str) -> anyhow::Result<Self> {
        install_crypto();
        let folder = tempfile::tempdir()?;
        let path = folder.path();
        let pki = Pki::new(&path.join("pki"))?;
        pki.issue_for(
            "sequencer",
            vec!["sequencer".to_owned(), "127.0.0.1".to_owned()],
        )?;
        let funded = PrivateKeySigner::from_slice(&[7; 32])?;
        write_secret(&path.join("password"), &database.password)?;
        write_secret(&path.join("secret"), &"5e".repeat(32))?;
        let genesis = serde_json::json!({
            "timestamp": 1_790_000_000,
            "alloc": {funded.address().to_string(): {"balance": "0xd3c21bcecceda1000000"}},
        });
        std::fs::write(path.join("genesis.json"), genesis.to_string())?;
        std::fs::write(path.join("sequencer.toml"), config(database, settings))?;
        let starts = AtomicU32::new(0);
        Ok(Self {
            folder,
            pki,
            starts,
            child: None,
            address: String::new(),
            funded,
            database: None,
        })
    }

    fn program(&self, command: &str) -> Program {
        Program::new(env!("CARGO_BIN_EXE_cloister-sequencer")).args([
            command,
            "--config",
            &self.file("sequencer.toml").display().to_string(),
        ])
    }

    /// Path of one of its files.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a command of the binary to its end.
    pub(crate) async fn run(&self, command: &str) -> anyhow::Result<String> {
        self.program(command).output().await
    }

    /// Starts the process and waits until it listens.
    pub(crate) async fn resume(&mut self) -> anyhow::Result<()> {
        let number = self.starts.fetch_add(1, Ordering::Relaxed);
        let log = self.file(&format!("log-{number}"));
        let mut child = self.program("serve").start(&log)?;
        self.address = tokio::time::timeout(LIMIT, listening(&mut child)).await??;
        self.child = Some(child);
        Ok(())
    }

    /// Ends the process at once, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill();
        }
    }

    /// Asks the process to stop, and waits for it.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<std::process::ExitStatus> {
        let mut child = self.child.take().context("it is not running")?;
        child.stop(LIMIT).await
    }

    /// Waits until the process has ended by itself.
    pub(crate) async fn ended(&mut self) -> anyhow::Result<(std::process::ExitStatus, String)> {
        let child = self.child.as_mut().context("it is not running")?;
        let status = tokio::time::timeout(LIMIT, async {
            loop {
                if let Some(status) = child.ended()? {
                    return anyhow::Ok(status);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await??;
        Ok((status, child.tail()))
    }

    /// Waits until its log holds `text`.
    pub(crate) async fn logged(&mut self, text: &str) -> anyhow::Result<()> {
        let child = self.child.as_mut().context("it is not running")?;
        tokio::time::timeout(LIMIT, async {
            loop {
                child.check()?;
                if std::fs::read_to_string(child.log())?.contains(text) {
                    return anyhow::Ok(());
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await?
    }

    /// A client with the certificate of `peer`.
    pub(crate) fn client(&self, peer: &str) -> anyhow::Result<Client> {
        self.client_of(peer, self)
    }

    /// A client of `server` with a certificate of this sequencer's authority.
    pub(crate) fn client_of(&self, peer: &str, server: &Self) -> anyhow::Result<Client> {
        let identity = self
            .pki
            .issue_for(peer, vec![peer.to_owned(), "127.0.0.1".to_owned()])?;
        let section = GrpcClientSection {
            url: format!("https://{}", server.address).parse()?,
            server_name: "sequencer".to_owned(),
            ca_file: server.pki.ca_file(),
            certificate_file: identity.certificate_file,
            private_key_file: SecretFile(identity.private_key_file),
        };
        Ok(SequencerClient::new(client_channel(&section)?)
            .max_decoding_message_size(64 * 1024 * 1024))
    }

    /// The gateway's client.
    pub(crate) fn gateway(&self) -> anyhow::Result<Client> {
        self.client("gateway")
    }

    /// The wallet that has everything at genesis.
    pub(crate) fn funded(&self) -> Wallet {
        Wallet {
            signer: self.funded.clone(),
            nonce: 0,
        }
    }
}

fn config(database: &Database, settings: &str) -> String {
    let policies = cloister_test_kit::tools::checkout().join("policies");
    format!(
        r#"
[admin]
listen = "127.0.0.1:0"
[database]
host = "{}"
port = {}
name = "{}"
user = "{}"
password_file = "password"
[grpc]
listen = "127.0.0.1:0"
certificate_file = "pki/sequencer.pem"
private_key_file = "pki/sequencer.key"
client_ca_file = "pki/ca.pem"
[chain]
id = {CHAIN_ID}
genesis_file = "genesis.json"
state_secret_file = "secret"
policies_dir = "{}"
{settings}
"#,
        database.host,
        database.port,
        database.name,
        database.user,
        policies.display()
    )
}

async fn listening(child: &mut Child) -> anyhow::Result<String> {
    loop {
        child.check()?;
        if let Some(address) = listening_address(child.log(), "grpc")? {
            return Ok(address);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The address of `kind` in the log, once it is there.
fn listening_address(log: &Path, kind: &str) -> anyhow::Result<Option<String>> {
    let text = std::fs::read_to_string(log)?;
    let line = text.lines().find(|line| {
        line.contains("\"listening\"") && line.contains(&format!("\"kind\":\"{kind}\""))
    });
    Ok(line
        .and_then(|line| line.split("\"address\":\"").nth(1))
        .and_then(|rest| rest.split('"').next())
        .map(str::to_owned))
}

/// A key with the nonce that it uses next.
#[derive(Debug, Clone)]
pub(crate) struct Wallet {
    pub(crate) signer: PrivateKeySigner,
    pub(crate) nonce: u64,
}

impl Wallet {
    /// A new wallet.
    pub(crate) fn random() -> Self {
        Self {
            signer: PrivateKeySigner::random(),
            nonce: 0,
        }
    }

    pub(crate) fn address(&self) -> Address {
        self.signer.address()
    }

    /// A plain transaction with the next nonce, which is not counted yet.
    pub(crate) fn draft(&self, to: TxKind, value: u64, input: &[u8]) -> TxEip1559 {
        TxEip1559 {
            chain_id: CHAIN_ID,
            nonce: self.nonce,
            gas_limit: 1_000_000,
            max_fee_per_gas: 0,
            max_priority_fee_per_gas: 0,
            to,
            value: U256::from(value),
            access_list: alloy::eips::eip2930::AccessList::default(),
            input: Bytes::copy_from_slice(input),
        }
    }

    /// The signed envelope of a transaction.
    pub(crate) fn sign(&self, draft: TxEip1559) -> Vec<u8> {
        let signature = self.signer.sign_hash_sync(&draft.signature_hash()).unwrap();
        TxEnvelope::Eip1559(draft.into_signed(signature)).encoded_2718()
    }

    /// The next plain transaction, signed; the nonce is counted.
    pub(crate) fn next(&mut self, to: TxKind, value: u64, input: &[u8]) -> Vec<u8> {
        let draft = self.draft(to, value, input);
        self.nonce += 1;
        self.sign(draft)
    }

    /// Signs, submits and waits for the acknowledgement.
    pub(crate) async fn send(
        &mut self,
        client: &Client,
        to: TxKind,
        value: u64,
        input: &[u8],
    ) -> Result<SubmitTransactionResponse, Status> {
        let raw = self.next(to, value, input);
        submit(client, raw).await
    }
}

/// Submits an envelope.
pub(crate) async fn submit(
    client: &Client,
    raw: Vec<u8>,
) -> Result<SubmitTransactionResponse, Status> {
    let request = SubmitTransactionRequest { raw: raw.into() };
    Ok(client
        .clone()
        .submit_transaction(request)
        .await?
        .into_inner())
}

/// The stable code with which something was refused.
pub(crate) fn code<T: std::fmt::Debug>(outcome: Result<T, Status>) -> String {
    let status = outcome.expect_err("it is refused");
    code_of(&status).map_or_else(|| format!("{status:?}"), str::to_owned)
}

/// A transaction by the hash of its acknowledgement.
pub(crate) async fn transaction(client: &Client, hash: &[u8]) -> anyhow::Result<Transaction> {
    let request = GetTransactionRequest {
        hash: hash.to_vec().into(),
    };
    let answer = client.clone().get_transaction(request).await?.into_inner();
    answer
        .transaction
        .with_context(|| format!("transaction {} is lost", hex::encode(hash)))
}

/// A block by its number.
pub(crate) async fn block(client: &Client, number: u64) -> anyhow::Result<Option<Block>> {
    let request = GetBlockRequest {
        by: Some(By::Number(number)),
    };
    Ok(client.clone().get_block(request).await?.into_inner().block)
}

/// Height of the latest durable block.
pub(crate) async fn height(client: &Client) -> anyhow::Result<u64> {
    let info = client
        .clone()
        .get_info(GetInfoRequest {})
        .await?
        .into_inner();
    Ok(info.head.context("there is always a head")?.number)
}

/// Seals the open batch.
pub(crate) async fn seal(client: &Client) -> anyhow::Result<u64> {
    Ok(client
        .clone()
        .seal_batch(SealBatchRequest {})
        .await?
        .into_inner()
        .number)
}

/// Checks that all blocks up to the head follow one another.
pub(crate) async fn check_links(client: &Client) -> anyhow::Result<u64> {
    let head = height(client).await?;
    let mut parent: Option<Vec<u8>> = None;
    for number in 0..=head {
        let block = block(client, number)
            .await?
            .with_context(|| format!("no block {number}"))?;
        if let Some(parent) = parent {
            anyhow::ensure!(
                block.parent_hash == parent,
                "block {number} has another parent"
            );
        }
        parent = block.r#ref.map(|place| place.hash.to_vec());
    }
    Ok(head)
}

/// Writes the caller's slot with the first word of the call data, logs it with topics 0x2a and the
/// caller, and returns it. Without call data it reverts with the word 0x2a.
pub(crate) fn contract() -> Vec<u8> {
    // The first part jumps over the revert when there is call data.
    let body = hex!("36600c57602a5f5260205ffd" "5b5f353355" "5f355f52" "33602a60205fa2" "60205ff3");
    deploying(&body)
}

/// Init code that deploys `runtime`.
pub(crate) fn deploying(runtime: &[u8]) -> Vec<u8> {
    let length = u16::try_from(runtime.len()).unwrap().to_be_bytes();
    let mut code = vec![0x61, length[0], length[1], 0x60, 0x0d, 0x5f, 0x39];
    code.extend([0x61, length[0], length[1], 0x5f, 0xf3, 0x00]);
    code.extend(runtime);
    code
}

/// A 32-byte word.
pub(crate) fn word(value: u64) -> [u8; 32] {
    B256::from(U256::from(value)).0
}

/// An address in the form of a topic.
pub(crate) fn topic(address: Address) -> Vec<u8> {
    address.into_word().to_vec()
}

/// Runs `work` on several tasks at once until `stop` is set, each with its own number.
pub(crate) fn in_parallel<F>(
    count: usize,
    work: impl Fn(usize) -> F,
) -> Vec<tokio::task::JoinHandle<F::Output>>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    (0..count)
        .map(|number| tokio::spawn(work(number)))
        .collect()
}

/// Gives each of several new wallets some wei.
pub(crate) async fn wallets(
    client: &Client,
    from: &mut Wallet,
    count: usize,
) -> anyhow::Result<Vec<Wallet>> {
    let wallets: Vec<Wallet> = (0..count).map(|_| Wallet::random()).collect();
    let raws: Vec<Vec<u8>> = wallets
        .iter()
        .map(|wallet| from.next(TxKind::Call(wallet.address()), 1_000_000, &[]))
        .collect();
    let client = Arc::new(client.clone());
    let sent = in_parallel(count, |number| {
        let (client, raw) = (Arc::clone(&client), raws[number].clone());
        async move { submit(&client, raw).await }
    });
    for one in sent {
        one.await??;
    }
    Ok(wallets)
}
