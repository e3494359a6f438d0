//! One Cloister service as a process.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use crate::process::{Child, Program, wait_until};
use crate::tools;

/// Which service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceName {
    /// `cloister-gateway`
    Gateway,
    /// `cloister-sequencer`
    Sequencer,
    /// `cloister-prover`
    Prover,
    /// `cloister-disclosure`
    Disclosure,
}

impl ServiceName {
    /// The short name, as in configuration files and certificates.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Sequencer => "sequencer",
            Self::Prover => "prover",
            Self::Disclosure => "disclosure",
        }
    }
}

/// A service with its configuration; it ends when this value is dropped.
#[derive(Debug)]
pub struct Service {
    name: ServiceName,
    config: PathBuf,
    log: PathBuf,
    admin: u16,
    child: Option<Child>,
    client: reqwest::Client,
}

impl Service {
    /// A service that is not started yet.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(name: ServiceName, config: &Path, logs: &Path, admin: u16) -> anyhow::Result<Self> {
        Ok(Self {
            name,
            config: config.to_path_buf(),
            log: logs.join(format!("{}.log", name.as_str())),
            admin,
            child: None,
            client: reqwest::Client::builder()
                .no_proxy()
                .timeout(Duration::from_secs(5))
                .build()?,
        })
    }

    /// Which service it is.
    #[must_use]
    pub fn name(&self) -> ServiceName {
        self.name
    }

    /// Where its output goes.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    fn program(&self, command: &str) -> anyhow::Result<Program> {
        let binary = tools::own_binary(&format!("cloister-{}", self.name.as_str()))?;
        Ok(Program::new(binary)
            .arg(command)
            .arg("--config")
            .arg(self.config.display().to_string()))
    }

    /// Runs its migrations.
    ///
    /// # Errors
    /// When they fail.
    pub async fn migrate(&self) -> anyhow::Result<()> {
        self.program("migrate")?.output().await?;
        Ok(())
    }

    /// Checks its configuration without starting anything.
    ///
    /// # Errors
    /// When it is refused; the error holds what the service says.
    pub async fn check_config(&self) -> anyhow::Result<()> {
        self.program("check-config")?.output().await?;
        Ok(())
    }

    /// Starts the process.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&mut self) -> anyhow::Result<()> {
        self.child = Some(self.program("serve")?.start(&self.log)?);
        Ok(())
    }

    /// Waits until `/readyz` says yes.
    ///
    /// # Errors
    /// When it ends first or the time is over.
    pub async fn wait_ready(&mut self, limit: Duration) -> anyhow::Result<()> {
        let (client, url) = (self.client.clone(), self.admin_url("/readyz"));
        let child = self.child.as_mut().context("the service was not started")?;
        wait_until(child, limit, || async {
            client
                .get(&url)
                .send()
                .await
                .is_ok_and(|answer| answer.status().is_success())
        })
        .await
    }

    /// Whether `/readyz` says yes at present.
    pub async fn is_ready(&self) -> bool {
        let answer = self.client.get(self.admin_url("/readyz")).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// The Prometheus metrics at present.
    ///
    /// # Errors
    /// When the admin port does not answer.
    pub async fn metrics(&self) -> anyhow::Result<String> {
        Ok(self
            .client
            .get(self.admin_url("/metrics"))
            .send()
            .await?
            .text()
            .await?)
    }

    /// An address on the admin port.
    #[must_use]
    pub fn admin_url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.admin)
    }

    /// The process id, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Ends it at once (SIGKILL).
    pub fn kill(&mut self) {
        self.child = None;
    }

    /// Fails with the end of its log when it has ended by itself.
    ///
    /// # Errors
    /// When it has ended.
    pub fn check(&mut self) -> anyhow::Result<()> {
        self.child.as_mut().map_or(Ok(()), Child::check)
    }

    /// Asks it to end and waits; it must leave by itself with status 0.
    ///
    /// # Errors
    /// When it had to be killed or left with another status.
    pub async fn stop(&mut self, limit: Duration) -> anyhow::Result<()> {
        if let Some(mut child) = self.child.take() {
            let status = child.stop(limit).await?;
            anyhow::ensure!(
                status.success(),
                "the {} left with {status}",
                self.name.as_str()
            );
        }
        Ok(())
    }
}
