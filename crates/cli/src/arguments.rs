//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use cloister_settings::SecretFile;
use cloister_signer::KeySource;

use crate::error::CliError;

/// Work with a private EVM chain that is anchored to Ethereum
#[derive(Debug, Parser)]
#[command(name = "cloister", version, arg_required_else_help = true)]
pub(crate) struct Arguments {
    /// Settings file [default: ~/.config/cloister/config.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// What to do
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Log in: prints an address and a code to confirm in a browser
    Login,
    /// Forget the stored session
    Logout,
    /// Show who the gateway takes you for: roles, desks, wallets
    Whoami,
    /// Offer a loopback RPC URL that adds your token, for Foundry and Hardhat
    #[command(
        after_help = "Example:\n  cloister rpc-proxy &\n  cast send --rpc-url http://127.0.0.1:PORT/SECRET …"
    )]
    RpcProxy {
        /// Loopback address to listen on; port 0 takes a free one
        #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
        listen: SocketAddr,
    },
    /// Link wallets to yourself
    Wallet {
        /// What to do
        #[command(subcommand)]
        command: WalletCommand,
    },
}

/// `cloister wallet …`
#[derive(Debug, Subcommand)]
pub(crate) enum WalletCommand {
    /// Show that a wallet is yours, by signing an EIP-4361 message with its key
    Link {
        /// The wallet's key
        #[command(flatten)]
        key: KeyArguments,
    },
    /// List your linked wallets
    List,
}

/// Where a private key comes from.
#[derive(Debug, Args)]
pub(crate) struct KeyArguments {
    /// File with the private key as 64 hexadecimal digits
    #[arg(long, value_name = "FILE", required_unless_present = "keystore")]
    key_file: Option<PathBuf>,
    /// Encrypted keystore (Web3 Secret Storage)
    #[arg(
        long,
        value_name = "FILE",
        requires = "passphrase_file",
        conflicts_with = "key_file"
    )]
    keystore: Option<PathBuf>,
    /// File with the keystore's passphrase
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl KeyArguments {
    /// The key's source.
    ///
    /// # Errors
    /// Never when the command line was parsed; the parser has checked the combination.
    pub(crate) fn source(self) -> Result<KeySource, CliError> {
        match (self.key_file, self.keystore, self.passphrase_file) {
            (Some(file), None, _) => Ok(KeySource::HexFile(SecretFile(file))),
            (None, Some(file), Some(passphrase)) => Ok(KeySource::Keystore {
                file: SecretFile(file),
                passphrase_file: SecretFile(passphrase),
            }),
            _ => Err(CliError::Argument(
                "name the key by --key-file or --keystore".to_owned(),
            )),
        }
    }
}
