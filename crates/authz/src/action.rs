//! The verbs of policies.

/// What can be done, as policies name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Use a JSON-RPC method.
    Rpc,
    /// Execute without changing anything.
    Call,
    /// Send a transaction.
    Send,
    /// Create a contract.
    Deploy,
    /// See balance and nonce.
    ViewAccount,
    /// See code and registration.
    ViewContract,
    /// See a transaction with its receipt.
    ViewTransaction,
    /// See one log.
    ViewLog,
    /// See a batch.
    ViewBatch,
    /// Attach a wallet.
    LinkWallet,
    /// Register a contract.
    RegisterContract,
    /// Run the installation.
    Administer,
    /// Give a right to packages.
    Grant,
    /// Make a package.
    Disclose,
    /// Read the audit ledger.
    AuditRead,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 15] = [
        Self::Rpc,
        Self::Call,
        Self::Send,
        Self::Deploy,
        Self::ViewAccount,
        Self::ViewContract,
        Self::ViewTransaction,
        Self::ViewLog,
        Self::ViewBatch,
        Self::LinkWallet,
        Self::RegisterContract,
        Self::Administer,
        Self::Grant,
        Self::Disclose,
        Self::AuditRead,
    ];

    /// The name in policies.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rpc => "rpc",
            Self::Call => "call",
            Self::Send => "send",
            Self::Deploy => "deploy",
            Self::ViewAccount => "view_account",
            Self::ViewContract => "view_contract",
            Self::ViewTransaction => "view_transaction",
            Self::ViewLog => "view_log",
            Self::ViewBatch => "view_batch",
            Self::LinkWallet => "link_wallet",
            Self::RegisterContract => "register_contract",
            Self::Administer => "administer",
            Self::Grant => "grant",
            Self::Disclose => "disclose",
            Self::AuditRead => "audit_read",
        }
    }
}
