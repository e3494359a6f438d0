//! The command line tool `cloister` in the hands of one person.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use crate::client::Wallet;
use crate::oidc::{self, Person};
use crate::pki;
use crate::process::{Child, Program, wait_until};
use crate::stack::Stack;
use crate::tools;

/// One person's `cloister`, with a home folder of its own.
#[derive(Debug)]
pub struct Cli {
    home: PathBuf,
    config: PathBuf,
}

/// A running `cloister rpc-proxy`; it ends when this value is dropped.
#[derive(Debug)]
pub struct RpcProxy {
    url: String,
    _child: Child,
}

impl RpcProxy {
    /// The loopback URL to give to Foundry or Hardhat.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Cli {
    /// The tool of `person`, set up for the stack.
    ///
    /// # Errors
    /// When its configuration cannot be written.
    pub fn new(stack: &Stack, person: &str) -> anyhow::Result<Self> {
        let home = stack.file(&format!("home-{person}"));
        std::fs::create_dir_all(&home)?;
        let config = home.join("config.toml");
        let text = format!(
            "gateway = \"{}\"\ndisclosure = \"{}\"\nca_file = \"{}\"\n\n[oidc]\nissuer = \"{}\"\n\
             client_id = \"{}\"\naudience = \"{}\"\n",
            stack.gateway_url(),
            stack.disclosure_url(),
            stack.pki.ca_file().display(),
            stack.provider()?.issuer(),
            oidc::CLI_CLIENT,
            oidc::AUDIENCE,
        );
        std::fs::write(&config, text)?;
        Ok(Self { home, config })
    }

    /// A file of the person's home folder.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.home.join(name)
    }

    fn program<S: Into<String>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> anyhow::Result<Program> {
        Ok(Program::new(tools::own_binary("cloister")?)
            .variable("HOME", self.home.display().to_string())
            .variable("XDG_CONFIG_HOME", self.home.display().to_string())
            .arg("--config")
            .arg(self.config.display().to_string())
            .args(arguments))
    }

    /// Runs `cloister` with `arguments` to its end; what it printed.
    ///
    /// # Errors
    /// When it exits with another status than 0.
    pub async fn run<S: Into<String>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> anyhow::Result<String> {
        self.program(arguments)?.output().await
    }

    /// `cloister login`: the device flow, approved in a browser by `person`.
    ///
    /// # Errors
    /// When a step is refused.
    pub async fn login(&self, stack: &Stack, person: &Person) -> anyhow::Result<()> {
        let log = self.file("login.log");
        let _ = std::fs::remove_file(&log);
        let mut child = self.program(["login"])?.start(&log)?;
        let page = printed(&mut child, &log, "user_code=").await?;
        stack.provider()?.approve_device(person, &page).await?;
        let limit = Duration::from_mins(1);
        let ended = tokio::time::timeout(limit, async {
            loop {
                if let Some(status) = child.ended()? {
                    return anyhow::Ok(status);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        let status = ended.await.context("`cloister login` did not end")??;
        anyhow::ensure!(
            status.success(),
            "`cloister login` failed: {}",
            child.tail()
        );
        Ok(())
    }

    /// `cloister wallet link`: proves control of `wallet`.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn link(&self, _stack: &Stack, wallet: &Wallet) -> anyhow::Result<()> {
        let key = self.file("wallet.key");
        pki::write_secret(&key, &wallet.key())?;
        self.run(["wallet", "link", "--key-file", &key.display().to_string()])
            .await?;
        Ok(())
    }

    /// `cloister rpc-proxy` on a free port.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn rpc_proxy(&self) -> anyhow::Result<RpcProxy> {
        let log = self.file("rpc-proxy.log");
        let mut child = self
            .program(["rpc-proxy", "--listen", "127.0.0.1:0"])?
            .start(&log)?;
        let url = printed(&mut child, &log, "http://127.0.0.1:").await?;
        Ok(RpcProxy { url, _child: child })
    }
}

/// Waits until the log holds a word with `part` in it; that word.
async fn printed(child: &mut Child, log: &Path, part: &str) -> anyhow::Result<String> {
    let find = || {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        // Only whole lines: the last may be half written.
        let whole = text
            .rfind('\n')
            .and_then(|end| text.get(..end))
            .unwrap_or_default();
        let word = whole.split_whitespace().find(|word| word.contains(part));
        word.map(|word| word.trim_matches(['"', '`', ',', '.']).to_owned())
    };
    wait_until(child, Duration::from_secs(30), || async {
        find().is_some()
    })
    .await?;
    find().context("the line is gone")
}
