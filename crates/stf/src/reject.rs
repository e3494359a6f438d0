//! Why a transaction cannot be included in a block.

use alloc::string::String;
use alloy_primitives::U256;
use revm::context::result::InvalidTransaction;

/// Why a transaction cannot be included in a block; the state is as if it had never been tried.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TxRejected {
    /// The nonce was used already.
    #[error("the nonce is {got}, but the sender's next nonce is {expected}")]
    NonceTooLow {
        /// The sender's next nonce.
        expected: u64,
        /// The transaction's nonce.
        got: u64,
    },
    /// Transactions are missing before this one.
    #[error(
        "the nonce is {got}, but the sender's next nonce is {expected}; send those before first"
    )]
    NonceTooHigh {
        /// The sender's next nonce.
        expected: u64,
        /// The transaction's nonce.
        got: u64,
    },
    /// The nonce is the last that exists (EIP-2681).
    #[error("the nonce is the highest possible; use another account")]
    NonceOverflow,
    /// The sender cannot pay for gas and value.
    #[error("the sender has {balance} wei, but gas and value may cost {cost} wei")]
    InsufficientFunds {
        /// What the transaction may cost at most, in wei.
        cost: U256,
        /// The sender's balance in wei.
        balance: U256,
    },
    /// Gas limit times price and value exceed 256 bits.
    #[error("gas limit, gas price and value together exceed 256 bits")]
    CostOverflow,
    /// The gas limit does not pay for the transaction itself.
    #[error("the gas limit is {got}, but the transaction itself costs {expected}")]
    IntrinsicGasTooLow {
        /// Least gas limit.
        expected: u64,
        /// The transaction's gas limit.
        got: u64,
    },
    /// The gas limit exceeds that of a whole block.
    #[error("the gas limit is {got}, above the block's limit of {limit}")]
    GasLimitAboveBlock {
        /// The block's gas limit.
        limit: u64,
        /// The transaction's gas limit.
        got: u64,
    },
    /// The gas limit exceeds that of a transaction (EIP-7825).
    #[error("the gas limit is {got}, above a transaction's limit of {limit} (EIP-7825)")]
    GasLimitAboveCap {
        /// Most gas of a transaction.
        limit: u64,
        /// The transaction's gas limit.
        got: u64,
    },
    /// The block has not enough gas left; it fits into the next.
    #[error("the gas limit is {got}, but the block has only {left} left")]
    BlockFull {
        /// Gas left in the block.
        left: u64,
        /// The transaction's gas limit.
        got: u64,
    },
    /// The fee is below the block's base fee.
    #[error("the fee per gas is below the base fee of {base_fee_wei} wei")]
    FeeTooLow {
        /// The block's base fee in wei.
        base_fee_wei: u64,
    },
    /// The priority fee is above the whole fee.
    #[error("the priority fee is above the maximum fee")]
    PriorityFeeAboveMaxFee,
    /// The sender is a contract (EIP-3607).
    #[error("the sender is a contract (EIP-3607)")]
    SenderHasCode,
    /// The code that creates the contract is too long (EIP-3860).
    #[error("the init code is longer than 49152 bytes (EIP-3860); split the contract")]
    InitCodeTooLong,
    /// An EIP-7702 transaction without authorizations.
    #[error("the authorization list is empty")]
    NoAuthorizations,
    /// Signed for another chain.
    #[error("the transaction is for another chain")]
    WrongChain,
    /// The block counts as many transactions as it can.
    #[error("the block has as many transactions as it can count")]
    TooManyTransactions,
    /// A rule that no supported transaction can break.
    #[error("the transaction is invalid: {0}")]
    Other(String),
}

impl TxRejected {
    /// Stable name for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NonceTooLow { .. } => "nonce_too_low",
            Self::NonceTooHigh { .. } => "nonce_too_high",
            Self::NonceOverflow => "nonce_overflow",
            Self::InsufficientFunds { .. } => "insufficient_funds",
            Self::CostOverflow => "cost_overflow",
            Self::IntrinsicGasTooLow { .. } => "intrinsic_gas_too_low",
            Self::GasLimitAboveBlock { .. } => "gas_limit_above_block",
            Self::GasLimitAboveCap { .. } => "gas_limit_above_cap",
            Self::BlockFull { .. } => "block_full",
            Self::FeeTooLow { .. } => "fee_too_low",
            Self::PriorityFeeAboveMaxFee => "priority_fee_above_max_fee",
            Self::SenderHasCode => "sender_has_code",
            Self::InitCodeTooLong => "init_code_too_long",
            Self::NoAuthorizations => "no_authorizations",
            Self::WrongChain => "wrong_chain_id",
            Self::TooManyTransactions => "too_many_transactions",
            Self::Other(_) => "transaction_invalid",
        }
    }

    pub(crate) fn from_revm(
        error: InvalidTransaction,
        gas_limit: u64,
        block_gas_limit: u64,
        base_fee_wei: u64,
    ) -> Self {
        use InvalidTransaction as E;
        match error {
            E::NonceTooLow { tx, state } => Self::NonceTooLow {
                expected: state,
                got: tx,
            },
            E::NonceTooHigh { tx, state } => Self::NonceTooHigh {
                expected: state,
                got: tx,
            },
            E::NonceOverflowInTransaction => Self::NonceOverflow,
            E::LackOfFundForMaxFee { fee, balance } => Self::InsufficientFunds {
                cost: *fee,
                balance: *balance,
            },
            E::OverflowPaymentInTransaction => Self::CostOverflow,
            E::CallGasCostMoreThanGasLimit {
                initial_gas,
                gas_limit,
            } => Self::IntrinsicGasTooLow {
                expected: initial_gas,
                got: gas_limit,
            },
            E::GasFloorMoreThanGasLimit {
                gas_floor,
                gas_limit,
            } => Self::IntrinsicGasTooLow {
                expected: gas_floor,
                got: gas_limit,
            },
            E::CallerGasLimitMoreThanBlock => Self::GasLimitAboveBlock {
                limit: block_gas_limit,
                got: gas_limit,
            },
            E::TxGasLimitGreaterThanCap { gas_limit, cap } => Self::GasLimitAboveCap {
                limit: cap,
                got: gas_limit,
            },
            E::GasPriceLessThanBasefee => Self::FeeTooLow { base_fee_wei },
            E::PriorityFeeGreaterThanMaxFee => Self::PriorityFeeAboveMaxFee,
            E::RejectCallerWithCode => Self::SenderHasCode,
            E::CreateInitCodeSizeLimit => Self::InitCodeTooLong,
            E::EmptyAuthorizationList => Self::NoAuthorizations,
            E::InvalidChainId | E::MissingChainId => Self::WrongChain,
            other @ (E::AccessListNotSupported
            | E::MaxFeePerBlobGasNotSupported
            | E::BlobVersionedHashesNotSupported
            | E::BlobGasPriceGreaterThanMax { .. }
            | E::EmptyBlobs
            | E::BlobCreateTransaction
            | E::TooManyBlobs { .. }
            | E::BlobVersionNotSupported
            | E::AuthorizationListNotSupported
            | E::AuthorizationListInvalidFields
            | E::Eip2930NotSupported
            | E::Eip1559NotSupported
            | E::Eip4844NotSupported
            | E::Eip7702NotSupported
            | E::Eip7873NotSupported
            | E::Eip7873MissingTarget
            | E::Str(_)) => Self::Other(alloc::string::ToString::to_string(&other)),
        }
    }
}
