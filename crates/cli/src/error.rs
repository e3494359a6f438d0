//! What can go wrong, in words for the person at the terminal.

use std::path::PathBuf;

use cloister_settings::SettingsError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The settings file is missing or malformed.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Nobody is logged in.
    #[error("you are not logged in: run `cloister login`")]
    NotLoggedIn,
    /// The session has ended and cannot be renewed.
    #[error("your session has ended: run `cloister login`")]
    SessionEnded,
    /// The session file cannot be used.
    #[error("the session file `{path}` cannot be used: {reason}")]
    Session {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A file cannot be read or written.
    #[error("`{path}`: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The certificates of `ca_file` are malformed.
    #[error("`{path}` holds no usable certificates")]
    Certificates {
        /// The file.
        path: PathBuf,
    },
    /// A service does not answer.
    #[error("`{url}` does not answer: {source}")]
    Unreachable {
        /// The service.
        url: String,
        /// Why.
        source: reqwest::Error,
    },
    /// A service refuses.
    #[error("{url} refuses ({status}): {message}")]
    Refused {
        /// The service.
        url: String,
        /// HTTP status.
        status: u16,
        /// What it says.
        message: String,
    },
    /// The answer of a service is not what it should be.
    #[error("`{url}` gives an answer that this version does not understand: {reason}")]
    BadAnswer {
        /// The service.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// The OpenID provider refuses.
    #[error(transparent)]
    Oidc(#[from] cloister_oidc::OAuthError),
    /// The provider's address is not usable.
    #[error(transparent)]
    Provider(#[from] cloister_oidc::ProviderError),
    /// No HTTP client for the provider can be made.
    #[error(transparent)]
    Http(#[from] cloister_oidc::HttpError),
    /// A key cannot be used.
    #[error(transparent)]
    Key(#[from] cloister_signer::SignerError),
    /// A text cannot be signed.
    #[error("the wallet's key cannot sign: {0}")]
    Signing(#[from] alloy::signers::Error),
    /// The Ethereum node gives no usable answer.
    #[error(transparent)]
    L1(#[from] cloister_l1::L1Error),
    /// The contracts could not be deployed.
    #[error(
        "the contracts were not deployed; what may be on Ethereum already is not in use, and deploying again starts afresh"
    )]
    Deploy(#[from] cloister_l1::DeployError),
    /// The verifiers of an installation could not be changed.
    #[error(transparent)]
    Change(#[from] cloister_l1::ChangeError),
    /// A transaction failed.
    #[error(transparent)]
    Send(#[from] cloister_l1::SendError),
    /// The image of a verifier cannot be used.
    #[error(transparent)]
    Image(#[from] cloister_l1::ImageError),
    /// The issuer's key is malformed.
    #[error("the issuer's key cannot be used: {0}")]
    IssuerKey(#[from] cloister_disclosure::KeyError),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] cloister_store_pg::StoreError),
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] cloister_store_pg::ledger::LedgerError),
    /// A line is no ledger row.
    #[error(transparent)]
    Export(#[from] cloister_audit::ExportError),
    /// An argument makes no sense.
    #[error("{0}")]
    Argument(String),
}
