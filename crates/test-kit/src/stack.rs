//! The whole of Cloister on one machine: every real part and the four services as processes.
//!
//! Each start step is a method of its own, so that the demo can show and time it; tests call
//! [`Stack::start`].

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use tempfile::TempDir;

use crate::anvil::{self, Anvil};
use crate::oidc::{self, Person, Provider};
use crate::pki::{self, Pki};
use crate::postgres::{self, Cluster, Database};
use crate::service::{Service, ServiceName};
use crate::{config, port};

/// The private chain's id in tests and the demo.
pub const CHAIN_ID: u64 = 61_337;

/// How to run the stack.
#[derive(Debug, Clone)]
pub struct Options {
    /// Postgres keeps what is acknowledged through a crash of the machine.
    pub durable: bool,
    /// Seconds between Ethereum blocks; `None` mines a block for each transaction.
    pub l1_block_time: Option<u64>,
    /// Batches are sealed after this many blocks …
    pub batch_blocks: u64,
    /// … or this many milliseconds.
    pub batch_age_ms: u64,
    /// Lifetime of access tokens in seconds.
    pub access_token_seconds: u64,
    /// What proves batches; without it they are committed only.
    pub engine: Option<Engine>,
}

/// The proof engine.
#[derive(Debug, Clone)]
pub struct Engine {
    /// The program `cloister-prover-engine`.
    pub program: PathBuf,
    /// The program `cloister-wrapper`; without it Ethereum checks no proofs.
    pub wrapper: Option<PathBuf>,
    /// Folder for its keys, which take minutes to make.
    pub key_cache: PathBuf,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            durable: false,
            l1_block_time: Some(1),
            batch_blocks: 100,
            batch_age_ms: 3_600_000,
            access_token_seconds: 3_600,
            engine: None,
        }
    }
}

/// The demo's people.
#[derive(Debug, Clone)]
pub struct People {
    /// Runs the installation.
    pub operator: Person,
    /// Trader at desk `rates`.
    pub alice: Person,
    /// Trader at desk `fx`.
    pub bob: Person,
    /// Compliance officer.
    pub carol: Person,
    /// Auditor.
    pub dave: Person,
}

impl People {
    fn new() -> Self {
        Self {
            operator: Person::new("olivia", "Olivia (operator)", &["operator"]),
            alice: Person::new("alice", "Alice (trader, rates)", &["trader", "desk-rates"]),
            bob: Person::new("bob", "Bob (trader, fx)", &["trader", "desk-fx"]),
            carol: Person::new("carol", "Carol (compliance officer)", &["compliance"]),
            dave: Person::new("dave", "Dave (auditor)", &["auditor"]),
        }
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> Vec<Person> {
        [
            &self.operator,
            &self.alice,
            &self.bob,
            &self.carol,
            &self.dave,
        ]
        .map(Clone::clone)
        .to_vec()
    }
}

/// Ports of the services, fixed for the life of a stack so that a service can be restarted.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// Gateway, HTTPS.
    pub gateway: u16,
    /// Sequencer, gRPC.
    pub sequencer: u16,
    /// Prover, gRPC.
    pub prover: u16,
    /// Disclosure, HTTPS.
    pub disclosure: u16,
    /// OpenID provider, HTTPS.
    pub provider: u16,
}

/// The databases of the services.
#[derive(Debug, Clone)]
pub struct Databases {
    /// The gateway's.
    pub gateway: Database,
    /// The sequencer's.
    pub sequencer: Database,
    /// The prover's.
    pub prover: Database,
    /// The disclosure service's.
    pub disclosure: Database,
}

/// Everything, running. Dropped, it ends all of it.
#[derive(Debug)]
pub struct Stack {
    /// How it runs.
    pub options: Options,
    /// Who can log in.
    pub people: People,
    /// Where the services listen.
    pub ports: Ports,
    /// The certificate authority.
    pub pki: Pki,
    /// The OpenID provider, once started.
    pub provider: Option<Provider>,
    /// The Ethereum node, once started.
    pub anvil: Option<Anvil>,
    /// The Postgres cluster, once started.
    pub cluster: Option<Cluster>,
    /// The services' databases, once made.
    pub databases: Option<Databases>,
    /// Address of the `Rollup` contract, once deployed (`0x…`).
    pub rollup: Option<String>,
    /// The services, once started.
    pub services: Vec<Service>,
    folder: TempDir,
}

impl Stack {
    /// Starts everything.
    ///
    /// # Errors
    /// When a part is missing or does not start.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let mut stack = Self::prepare(options)?;
        stack.start_postgres().await?;
        stack.start_ethereum().await?;
        stack.start_provider().await?;
        stack.start_service(ServiceName::Sequencer).await?;
        stack.deploy_contracts().await?;
        stack.start_service(ServiceName::Prover).await?;
        stack.start_service(ServiceName::Gateway).await?;
        stack.start_service(ServiceName::Disclosure).await?;
        Ok(stack)
    }

    /// Chooses ports, makes certificates and keys; starts nothing.
    ///
    /// # Errors
    /// When files cannot be written.
    pub fn prepare(options: Options) -> anyhow::Result<Self> {
        pki::install_crypto();
        let folder = tempfile::Builder::new()
            .prefix("cloister-stack-")
            .tempdir()?;
        let pki = Pki::new(&folder.path().join("pki"))?;
        for name in ["gateway", "sequencer", "prover", "disclosure"] {
            pki.issue_for(name, vec![name.to_owned()])?;
        }
        for name in ["gateway-https", "disclosure-https"] {
            pki.issue_for(name, vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
        }
        config::write_keys(folder.path())?;
        let ports = Ports {
            gateway: port::free()?,
            sequencer: port::free()?,
            prover: port::free()?,
            disclosure: port::free()?,
            provider: port::free()?,
        };
        Ok(Self {
            options,
            people: People::new(),
            ports,
            pki,
            provider: None,
            anvil: None,
            cluster: None,
            databases: None,
            rollup: None,
            services: Vec::new(),
            folder,
        })
    }

    /// Where certificates, configuration and logs lie.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts Postgres and makes each service's database and role.
    ///
    /// # Errors
    /// When Postgres does not start.
    pub async fn start_postgres(&mut self) -> anyhow::Result<()> {
        let cluster = Cluster::start(postgres::Options {
            durable: self.options.durable,
        })
        .await?;
        self.databases = Some(Databases {
            gateway: cluster.create_named("cloister_gateway").await?,
            sequencer: cluster.create_named("cloister_sequencer").await?,
            prover: cluster.create_named("cloister_prover").await?,
            disclosure: cluster.create_named("cloister_disclosure").await?,
        });
        self.cluster = Some(cluster);
        Ok(())
    }

    /// Starts the Ethereum node.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start_ethereum(&mut self) -> anyhow::Result<()> {
        let options = anvil::Options {
            block_time: self.options.l1_block_time,
            ..Default::default()
        };
        self.anvil = Some(Anvil::start(options).await?);
        Ok(())
    }

    /// Starts the OpenID provider with the demo's people.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start_provider(&mut self) -> anyhow::Result<()> {
        let options = oidc::Options {
            people: self.people.all(),
            redirect_uri: format!("{}/auth/callback", self.gateway_url()),
            access_token_seconds: self.options.access_token_seconds,
        };
        let folder = self.folder().join("oidc");
        let provider =
            Provider::start_on(self.ports.provider, &folder, &self.pki, &options).await?;
        pki::write_secret(
            &self.folder().join("oidc-client-secret"),
            provider.gateway_secret(),
        )?;
        self.provider = Some(provider);
        Ok(())
    }

    /// Deploys the contracts to the Ethereum node.
    ///
    /// # Errors
    /// When the node refuses.
    pub async fn deploy_contracts(&mut self) -> anyhow::Result<()> {
        let info = crate::l1::genesis(self).await?;
        self.rollup = Some(crate::l1::deploy(&self.l1_url()?, &info).await?);
        Ok(())
    }

    /// Writes a service's configuration, runs its migrations, starts it and waits until it is
    /// ready.
    ///
    /// # Errors
    /// When it does not become ready.
    pub async fn start_service(&mut self, name: ServiceName) -> anyhow::Result<()> {
        let admin = port::free()?;
        let text = config::of(self, name, admin)?;
        let path = self.folder().join(format!("{}.toml", name.as_str()));
        std::fs::write(&path, text)?;
        let mut service = Service::new(name, &path, self.folder(), admin)?;
        service.migrate().await?;
        service.start()?;
        service.wait_ready(Duration::from_mins(1)).await?;
        self.services.push(service);
        Ok(())
    }

    /// Lets the prover, which runs already, prove: it is restarted with the engine.
    ///
    /// # Errors
    /// When it does not stop in order or does not become ready again.
    pub async fn start_proving(&mut self, engine: Engine) -> anyhow::Result<()> {
        self.options.engine = Some(engine);
        let prover = self.service(ServiceName::Prover)?;
        prover.stop(Duration::from_mins(1)).await?;
        self.services
            .retain(|service| service.name() != ServiceName::Prover);
        self.start_service(ServiceName::Prover).await
    }

    /// A running service.
    ///
    /// # Errors
    /// When it was not started.
    pub fn service(&mut self, name: ServiceName) -> anyhow::Result<&mut Service> {
        let found = self
            .services
            .iter_mut()
            .find(|service| service.name() == name);
        found.with_context(|| format!("the {} was not started", name.as_str()))
    }

    /// The gateway's address.
    #[must_use]
    pub fn gateway_url(&self) -> String {
        format!("https://localhost:{}", self.ports.gateway)
    }

    /// The disclosure service's address.
    #[must_use]
    pub fn disclosure_url(&self) -> String {
        format!("https://localhost:{}", self.ports.disclosure)
    }

    /// The Ethereum node's address.
    ///
    /// # Errors
    /// When it was not started.
    pub fn l1_url(&self) -> anyhow::Result<String> {
        Ok(self
            .anvil
            .as_ref()
            .context("the Ethereum node was not started")?
            .url())
    }

    /// The OpenID provider.
    ///
    /// # Errors
    /// When it was not started.
    pub fn provider(&self) -> anyhow::Result<&Provider> {
        self.provider
            .as_ref()
            .context("the OpenID provider was not started")
    }

    /// The wallet that owns native value from genesis on.
    ///
    /// # Errors
    /// When its key cannot be read.
    pub fn funded_wallet(&self) -> anyhow::Result<crate::client::Wallet> {
        crate::client::Wallet::from_key(&std::fs::read_to_string(self.file("funded-key"))?)
    }

    /// A file of the stack's folder.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// Ends the services in an orderly way, the gateway first.
    ///
    /// # Errors
    /// When one had to be killed.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        let mut outcome = Ok(());
        for service in self.services.iter_mut().rev() {
            let stopped = service.stop(Duration::from_secs(30)).await;
            outcome = outcome.and(stopped);
        }
        self.services.clear();
        outcome
    }
}
