//! Faults and refusals of the parts behind the gateway, as the caller sees them. The cause goes to
//! the log.

use alloy_primitives::{Bytes, hex};
use alloy_sol_types::decode_revert_reason;
use serde_json::json;

use crate::rpc::{Code, RpcError};
use crate::upstream::UpstreamError;
use crate::upstream::sequencer::CallOutcome;

/// Longest revert reason that is repeated in a message, in characters; the data holds all of it.
const MAX_REASON_CHARS: usize = 512;

/// The gateway's database is away or failed.
#[must_use]
pub fn database(error: &dyn std::error::Error) -> RpcError {
    tracing::error!(error = %error, "the database failed");
    RpcError::unavailable("database")
}

/// A service behind the gateway did not answer as it should.
#[must_use]
pub fn upstream(error: &UpstreamError) -> RpcError {
    match error {
        UpstreamError::Unavailable { part, .. } | UpstreamError::TimedOut { part, .. } => {
            tracing::warn!(%error, "a part is away");
            RpcError::unavailable(part)
        }
        UpstreamError::Failed { .. } => {
            tracing::error!(%error, "a part failed");
            RpcError::internal()
        }
        UpstreamError::Refused { code, message, .. } => refusal(code, message),
    }
}

/// The sequencer's stable codes in the words that wallets look for. `data.code` stays its own.
fn refusal(name: &str, message: &str) -> RpcError {
    let (code, words) = match name {
        "nonce_too_low" => (Code::NonceTooLow, "nonce too low"),
        "nonce_too_high" | "nonce_overflow" => (Code::NonceTooHigh, "nonce too high"),
        "insufficient_funds" | "cost_overflow" => (
            Code::InsufficientFunds,
            "insufficient funds for gas * price + value",
        ),
        "intrinsic_gas_too_low" => (Code::IntrinsicGasTooLow, "intrinsic gas too low"),
        "gas_limit_above_block" | "gas_limit_above_cap" => {
            (Code::GasLimitTooHigh, "exceeds block gas limit")
        }
        "fee_too_low" => (Code::FeeTooLow, "max fee per gas less than block base fee"),
        "priority_fee_above_max_fee" => (
            Code::TipAboveFeeCap,
            "max priority fee per gas higher than max fee per gas",
        ),
        "underpriced_replacement" | "replaced" => (
            Code::ReplacementUnderpriced,
            "replacement transaction underpriced",
        ),
        "already_known" => (Code::AlreadyKnown, "already known"),
        "code_size_exceeded" => (Code::InitCodeTooLarge, "max initcode size exceeded"),
        "sender_has_code" => (Code::SenderHasCode, "sender not an eoa"),
        "transaction_too_large" => (Code::TransactionTooLarge, "oversized data"),
        "mempool_full" | "sender_limit" => (Code::MempoolFull, "txpool is full"),
        "unsupported_transaction_type" => (Code::BlobTransaction, "transaction type not supported"),
        "not_replay_protected" => (
            Code::NotReplayProtected,
            "only replay-protected (EIP-155) transactions allowed over RPC",
        ),
        "wrong_chain_id" => (Code::WrongChainId, "invalid chain id for signer"),
        "signature_high_s" | "signature_invalid" => (Code::InvalidSignature, "invalid sender"),
        "transaction_malformed" => (Code::InvalidTransaction, "rlp: not a transaction"),
        "proving_limit" => (Code::Rejected, "too costly to prove"),
        "busy" | "limit_exceeded" => (Code::LimitExceeded, "limit exceeded"),
        other => {
            tracing::warn!(code = other, message, "a refusal without words of its own");
            (Code::Rejected, "rejected")
        }
    };
    RpcError::new(code, format!("{words}: {message}")).field("code", name)
}

/// How a call ended, as `eth_call` answers it.
///
/// # Errors
/// A revert with its reason in words and in data (code 3), or why the call stopped.
pub fn call(outcome: CallOutcome) -> Result<Bytes, RpcError> {
    match outcome {
        CallOutcome::Succeeded(output) => Ok(output),
        CallOutcome::Reverted(output) => Err(reverted(&output)),
        CallOutcome::Halted(reason) => Err(RpcError::new(Code::ExecutionFailed, reason)),
    }
}

fn reverted(output: &Bytes) -> RpcError {
    let reason = decode_revert_reason(output)
        .map(|reason| reason.chars().take(MAX_REASON_CHARS).collect::<String>())
        .map(|reason| {
            reason
                .strip_prefix("revert: ")
                .map_or(reason.clone(), str::to_owned)
        });
    let message = match reason {
        Some(reason) if !reason.is_empty() => format!("execution reverted: {reason}"),
        _ => "execution reverted".to_owned(),
    };
    RpcError::with_bare_data(Code::Reverted, message, json!(hex::encode_prefixed(output)))
}

#[cfg(test)]
mod tests {
    use alloy_sol_types::{Revert, SolError as _};

    use super::*;

    fn refused(code: &str) -> RpcError {
        upstream(&UpstreamError::Refused {
            part: "sequencer",
            code: code.to_owned(),
            message: "details".to_owned(),
        })
    }

    #[test]
    fn wallets_find_the_words_they_look_for() {
        for (code, words) in [
            ("nonce_too_low", "nonce too low"),
            ("insufficient_funds", "insufficient funds"),
            ("proving_limit", "too costly to prove"),
            ("intrinsic_gas_too_low", "intrinsic gas too low"),
            (
                "underpriced_replacement",
                "replacement transaction underpriced",
            ),
            ("already_known", "already known"),
        ] {
            let error = refused(code);
            assert_eq!(error.number(), -32000, "{code}");
            assert!(error.message().starts_with(words), "{}", error.message());
            assert_eq!(error.data().unwrap()["code"], *code);
        }
        assert_eq!(refused("something_new").code(), Code::Rejected);
    }

    #[test]
    fn a_revert_reason_is_told_in_words_and_in_data() {
        let output = Bytes::from(Revert::from("not the owner").abi_encode());
        let error = call(CallOutcome::Reverted(output.clone())).unwrap_err();
        assert_eq!(error.number(), 3);
        assert_eq!(error.message(), "execution reverted: not the owner");
        assert_eq!(error.data().unwrap(), json!(hex::encode_prefixed(&output)));
    }

    #[test]
    fn a_revert_without_a_reason_has_empty_data() {
        let error = call(CallOutcome::Reverted(Bytes::new())).unwrap_err();
        assert_eq!(
            (error.message(), error.data().unwrap()),
            ("execution reverted", json!("0x"))
        );
    }

    #[test]
    fn a_part_that_is_away_is_named_and_its_address_is_not() {
        let error = upstream(&UpstreamError::Unavailable {
            part: "sequencer",
            reason: "tcp connect to 10.1.2.3".to_owned(),
        });
        assert_eq!(error.number(), -32003);
        assert_eq!(
            error.data().unwrap(),
            json!({"code": "unavailable", "part": "sequencer"})
        );
        assert!(!error.message().contains("10.1.2.3"));
    }
}
