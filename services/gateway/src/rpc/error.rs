//! What can go wrong, as the caller sees it: a number by EIP-1474, a stable code, a sentence.

use serde_json::{Map, Value, json};

/// The stable code of an error. The numbers follow EIP-1474 and what wallets expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// The body is not JSON.
    Parse,
    /// The body is JSON but not a JSON-RPC request.
    InvalidRequest,
    /// Nobody knows this method.
    MethodNotFound,
    /// The parameters do not have the method's shape.
    InvalidParams,
    /// A fault on our side; the cause is in our logs.
    Internal,
    /// No token, or one that is not acceptable.
    Unauthenticated,
    /// Policy does not allow it.
    Denied,
    /// The method is known and not served.
    MethodRefused,
    /// A part of the installation is away; trying again later may help.
    Unavailable,
    /// More than the limit of something was asked for.
    LimitExceeded,
    /// The state asked for is not the present one.
    HistoricalState,
    /// The principal has not linked a wallet yet.
    NoWallet,
    /// The wallet in the request is not one of the principal's.
    WalletNotLinked,
    /// The wallet that signed the transaction is not one of the principal's.
    SignerNotLinked,
    /// The call reverted.
    Reverted,
    /// The call stopped without a revert: out of gas, an invalid opcode.
    ExecutionFailed,
    /// The bytes are not a transaction that this chain takes.
    InvalidTransaction,
    /// EIP-4844 transactions have no place on this chain.
    BlobTransaction,
    /// A transaction without replay protection (EIP-155).
    NotReplayProtected,
    /// Signed for another chain.
    WrongChainId,
    /// The signature does not recover, or is malleable.
    InvalidSignature,
    /// The nonce was used already.
    NonceTooLow,
    /// The nonce is too far ahead.
    NonceTooHigh,
    /// The balance does not cover value and gas.
    InsufficientFunds,
    /// The gas limit does not cover what the transaction costs before it runs.
    IntrinsicGasTooLow,
    /// The gas limit is above a block's.
    GasLimitTooHigh,
    /// The fee is below the base fee.
    FeeTooLow,
    /// The tip is above the fee cap.
    TipAboveFeeCap,
    /// A waiting transaction with the same nonce pays as much or more.
    ReplacementUnderpriced,
    /// The transaction is waiting or included already.
    AlreadyKnown,
    /// The init code is longer than EIP-3860 allows.
    InitCodeTooLarge,
    /// The sender holds code (EIP-3607).
    SenderHasCode,
    /// The transaction is longer than the limit.
    TransactionTooLarge,
    /// The mempool is full.
    MempoolFull,
    /// Accepted, but not in a block within the time that a request may take.
    InclusionTimeout,
    /// Rejected for a reason without a code of its own.
    Rejected,
}

impl Code {
    /// Every code, for the generated error table.
    pub const ALL: &'static [Self] = &[
        Self::Parse,
        Self::InvalidRequest,
        Self::MethodNotFound,
        Self::InvalidParams,
        Self::Internal,
        Self::Unauthenticated,
        Self::Denied,
        Self::MethodRefused,
        Self::Unavailable,
        Self::LimitExceeded,
        Self::HistoricalState,
        Self::NoWallet,
        Self::WalletNotLinked,
        Self::SignerNotLinked,
        Self::Reverted,
        Self::ExecutionFailed,
        Self::InvalidTransaction,
        Self::BlobTransaction,
        Self::NotReplayProtected,
        Self::WrongChainId,
        Self::InvalidSignature,
        Self::NonceTooLow,
        Self::NonceTooHigh,
        Self::InsufficientFunds,
        Self::IntrinsicGasTooLow,
        Self::GasLimitTooHigh,
        Self::FeeTooLow,
        Self::TipAboveFeeCap,
        Self::ReplacementUnderpriced,
        Self::AlreadyKnown,
        Self::InitCodeTooLarge,
        Self::SenderHasCode,
        Self::TransactionTooLarge,
        Self::MempoolFull,
        Self::InclusionTimeout,
        Self::Rejected,
    ];

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> i64 {
        match self {
            Self::Parse => -32700,
            Self::InvalidRequest => -32600,
            Self::MethodNotFound => -32601,
            Self::InvalidParams => -32602,
            Self::Internal => -32603,
            Self::Unauthenticated
            | Self::Denied
            | Self::WalletNotLinked
            | Self::SignerNotLinked
            | Self::NoWallet => -32001,
            Self::Unavailable => -32003,
            Self::MethodRefused => -32004,
            Self::LimitExceeded => -32005,
            Self::Reverted => 3,
            Self::InclusionTimeout => 4,
            Self::HistoricalState
            | Self::ExecutionFailed
            | Self::InvalidTransaction
            | Self::BlobTransaction
            | Self::NotReplayProtected
            | Self::WrongChainId
            | Self::InvalidSignature
            | Self::NonceTooLow
            | Self::NonceTooHigh
            | Self::InsufficientFunds
            | Self::IntrinsicGasTooLow
            | Self::GasLimitTooHigh
            | Self::FeeTooLow
            | Self::TipAboveFeeCap
            | Self::ReplacementUnderpriced
            | Self::AlreadyKnown
            | Self::InitCodeTooLarge
            | Self::SenderHasCode
            | Self::TransactionTooLarge
            | Self::MempoolFull
            | Self::Rejected => -32000,
        }
    }

    /// The stable code for programs, in `data.code`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Parse => "parse_error",
            Self::InvalidRequest => "invalid_request",
            Self::MethodNotFound => "method_not_found",
            Self::InvalidParams => "invalid_params",
            Self::Internal => "internal",
            Self::Unauthenticated => "unauthenticated",
            Self::Denied => "denied",
            Self::MethodRefused => "method_refused",
            Self::Unavailable => "unavailable",
            Self::LimitExceeded => "limit_exceeded",
            Self::HistoricalState => "historical_state",
            Self::NoWallet => "no_wallet",
            Self::WalletNotLinked => "wallet_not_linked",
            Self::SignerNotLinked => "signer_not_linked",
            Self::Reverted => "reverted",
            Self::ExecutionFailed => "execution_failed",
            Self::InvalidTransaction => "transaction_malformed",
            Self::BlobTransaction => "unsupported_transaction_type",
            Self::NotReplayProtected => "not_replay_protected",
            Self::WrongChainId => "wrong_chain_id",
            Self::InvalidSignature => "signature_invalid",
            Self::NonceTooLow => "nonce_too_low",
            Self::NonceTooHigh => "nonce_too_high",
            Self::InsufficientFunds => "insufficient_funds",
            Self::IntrinsicGasTooLow => "intrinsic_gas_too_low",
            Self::GasLimitTooHigh => "gas_limit_above_block",
            Self::FeeTooLow => "fee_too_low",
            Self::TipAboveFeeCap => "priority_fee_above_max_fee",
            Self::ReplacementUnderpriced => "underpriced_replacement",
            Self::AlreadyKnown => "already_known",
            Self::InitCodeTooLarge => "code_size_exceeded",
            Self::SenderHasCode => "sender_has_code",
            Self::TransactionTooLarge => "transaction_too_large",
            Self::MempoolFull => "mempool_full",
            Self::InclusionTimeout => "inclusion_timeout",
            Self::Rejected => "rejected",
        }
    }
}

/// An error as the caller sees it. The cause for operators goes to the log, never in here.
#[derive(Debug, Clone)]
pub struct RpcError {
    code: Code,
    message: String,
    data: Data,
}

#[derive(Debug, Clone)]
enum Data {
    /// `{"code": …}` with further fields.
    Coded(Map<String, Value>),
    /// A value that clients expect as it is: revert data, a transaction hash.
    Bare(Value),
}

impl RpcError {
    /// An error with its stable code in `data`.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let mut fields = Map::new();
        fields.insert("code".to_owned(), json!(code.as_str()));
        Self {
            code,
            message: message.into(),
            data: Data::Coded(fields),
        }
    }

    /// An error whose `data` clients read as it is (EIP-7966, revert data).
    #[must_use]
    pub fn with_bare_data(code: Code, message: impl Into<String>, data: Value) -> Self {
        Self {
            code,
            message: message.into(),
            data: Data::Bare(data),
        }
    }

    /// Adds a field to `data`.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl Into<Value>) -> Self {
        if let Data::Coded(fields) = &mut self.data {
            fields.insert(name.to_owned(), value.into());
        }
        self
    }

    /// Parameters that do not have the method's shape.
    #[must_use]
    pub fn invalid_params(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidParams, message)
    }

    /// Policy said no. `rule` names what to ask for and depends on the method and the kind of
    /// object only, never on whether the object exists (SGW-2).
    #[must_use]
    pub fn denied(rule: &str) -> Self {
        Self::new(
            Code::Denied,
            format!("not allowed: no policy permits `{rule}` here, ask an administrator for it"),
        )
        .field("rule", rule)
    }

    /// A part of the installation is away.
    #[must_use]
    pub fn unavailable(what: &str) -> Self {
        Self::new(
            Code::Unavailable,
            format!("{what} is not available at present, try again later"),
        )
        .field("part", what)
    }

    /// A fault on our side; log the cause where it is known.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(
            Code::Internal,
            "internal error: an operator finds the cause in the log",
        )
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// The number on the wire.
    #[must_use]
    pub fn number(&self) -> i64 {
        self.code.number()
    }

    /// The sentence for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The value for programs.
    #[must_use]
    pub fn data(&self) -> Option<Value> {
        Some(match &self.data {
            Data::Coded(fields) => Value::Object(fields.clone()),
            Data::Bare(value) => value.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_complete() {
        let codes: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(codes.len(), Code::ALL.len());
        assert_eq!(Code::ALL.len(), 36);
    }

    #[test]
    fn a_denial_names_only_the_rule_to_ask_for() {
        let error = RpcError::denied("call");
        assert_eq!(error.number(), -32001);
        assert_eq!(
            error.data().unwrap(),
            json!({"code": "denied", "rule": "call"})
        );
    }

    #[test]
    fn a_revert_carries_its_data_bare() {
        let error =
            RpcError::with_bare_data(Code::Reverted, "execution reverted", json!("0x08c379a0"));
        assert_eq!(error.number(), 3);
        assert_eq!(error.data().unwrap(), json!("0x08c379a0"));
    }
}
