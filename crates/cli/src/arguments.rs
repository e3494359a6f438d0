//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use alloy::primitives::Address;
use clap::{Args, Parser, Subcommand};
use cloister_settings::SecretFile;
use cloister_signer::KeySource;

use crate::commands::audit::{Anchor, SourceArguments};
use crate::commands::contract::RegisterArguments;
use crate::commands::disclose::DiscloseCommand;
use crate::commands::l1::{
    AddArguments, DeployArguments, ExecuteArguments, FreezeArguments, ListArguments,
};
use crate::commands::proof::ProofVerifyArguments;
use crate::commands::prover::{FetchArguments, ProverCommand};
use crate::commands::verify::VerifyArguments;
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
    /// Check a disclosure package against Ethereum; needs no access to Cloister
    #[command(after_help = VERIFY_HELP)]
    Verify(VerifyArguments),
    /// Give, list and end rights to packages; take packages under them
    Disclose {
        /// What to do
        #[command(subcommand)]
        command: DiscloseCommand,
    },
    /// Verify or export an audit ledger
    Audit {
        /// What to do
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Look at batches
    Batch {
        /// What to do
        #[command(subcommand)]
        command: BatchCommand,
    },
    /// Work with proofs of batches
    Proof {
        /// What to do
        #[command(subcommand)]
        command: ProofCommand,
    },
    /// Run the prover: its jobs; for operators
    Prover {
        /// What to do
        #[command(subcommand)]
        command: ProverCommand,
    },
    /// Work with the contracts on Ethereum
    L1 {
        /// What to do
        #[command(subcommand)]
        command: L1Command,
    },
    /// Say what a contract on the chain is, and show it
    Contract {
        /// What to do
        #[command(subcommand)]
        command: ContractCommand,
    },
    /// Take sessions and tokens out of use
    Session {
        /// What to do
        #[command(subcommand)]
        command: SessionCommand,
    },
    /// Link wallets to yourself
    Wallet {
        /// What to do
        #[command(subcommand)]
        command: WalletCommand,
    },
}

/// What `cloister verify --help` says at the end.
const VERIFY_HELP: &str = "Exit status: 0 verified, 1 not verified, 2 could not be checked\n\nExample:\n  \
    cloister verify package.json --l1-rpc https://ethereum.example --rollup 0x…";

/// `cloister audit …`
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Recompute the hash chain; exit status 1 when a row was changed, moved, added or removed
    Verify {
        /// Where the rows are
        #[command(flatten)]
        source: SourceArguments,
        /// A head known from elsewhere (a batch header), as COUNT:HASH; may be given several times
        #[arg(long = "anchor", value_name = "COUNT:HASH")]
        anchors: Vec<Anchor>,
    },
    /// Print the rows as JSON lines
    Export {
        /// Where the rows are
        #[command(flatten)]
        source: SourceArguments,
    },
}

/// `cloister batch …`
#[derive(Debug, Subcommand)]
pub(crate) enum BatchCommand {
    /// Show a sealed batch and how far it is on its way to Ethereum
    Show {
        /// Its number
        number: u64,
        /// First show how its proof comes along, until it is made
        #[arg(long)]
        watch: bool,
    },
}

/// `cloister proof …`
#[derive(Debug, Subcommand)]
pub(crate) enum ProofCommand {
    /// Check a final proof of a batch; needs no access to Cloister
    #[command(after_help = PROOF_VERIFY_HELP)]
    Verify(ProofVerifyArguments),
    /// Take the final proof of a batch from the gateway; for compliance
    Fetch(FetchArguments),
}

/// What `cloister proof verify --help` says at the end.
const PROOF_VERIFY_HELP: &str = "Exit status: 0 verified, 1 not verified, 2 could not be checked\n\nExample:\n  \
    cloister proof verify batch-7.proof --batch-hash 0x…";

/// `cloister l1 …`
#[derive(Debug, Subcommand)]
pub(crate) enum L1Command {
    /// Deploy timelock, verifier, verifier router and Rollup for a new installation
    Deploy(Box<DeployArguments>),
    /// List the verifiers of an installation, and whether this program knows their code
    Verifiers(ListArguments),
    /// Deploy the verifier of the current guest for an installation, and schedule its addition
    AddVerifier(Box<AddArguments>),
    /// Add a scheduled verifier, once the timelock's delay has passed
    Execute(Box<ExecuteArguments>),
    /// Freeze a verifier: it refuses every proof from then on, for ever
    FreezeVerifier(Box<FreezeArguments>),
}

/// `cloister contract …`
#[derive(Debug, Subcommand)]
pub(crate) enum ContractCommand {
    /// Attach an ABI, a policy template or both, so that policies know its functions
    #[command(after_help = REGISTER_HELP)]
    Register(RegisterArguments),
    /// Show owner, template and functions of a contract of your desk
    Show {
        /// Its address
        address: Address,
    },
}

/// What `cloister contract register --help` says at the end.
const REGISTER_HELP: &str = "Who deployed a contract registers it once, within an hour; later changes \
    are for an operator\nor compliance officer of another desk, or of none.\n\nExample:\n  \
    cloister contract register 0x… --abi out/Token.sol/Token.json --template erc20";

/// `cloister session …`
#[derive(Debug, Subcommand)]
pub(crate) enum SessionCommand {
    /// End a person's browser sessions and refuse the tokens they hold; for operators and compliance
    Revoke {
        /// The person, as the identity provider names them (the token's subject)
        subject: String,
        /// The identity provider [default: your own]
        #[arg(long, value_name = "URL")]
        issuer: Option<String>,
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
