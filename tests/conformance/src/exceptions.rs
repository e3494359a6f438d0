//! Reasons of refusal: our stable names beside those of execution-spec-tests.

/// Whether one of the expected exceptions (parted by `|`) is what our code says. Whatever is wrong
/// with a blob transaction, that it is one comes first here.
#[must_use]
pub fn match_code(expected: &str, code: &str) -> bool {
    expected
        .split('|')
        .map(|name| name.trim().trim_start_matches("TransactionException."))
        .any(|name| names(code).contains(&name) || code == "blob_transaction")
}

/// The names in execution-spec-tests of what a code of ours stands for.
fn names(code: &str) -> &'static [&'static str] {
    match code {
        "nonce_too_low" => &["NONCE_MISMATCH_TOO_LOW"],
        "nonce_too_high" => &["NONCE_MISMATCH_TOO_HIGH"],
        "nonce_overflow" => &["NONCE_IS_MAX"],
        "insufficient_funds" => &["INSUFFICIENT_ACCOUNT_FUNDS"],
        "cost_overflow" => &[
            "GASLIMIT_PRICE_PRODUCT_OVERFLOW",
            "INSUFFICIENT_ACCOUNT_FUNDS",
        ],
        "intrinsic_gas_too_low" => &[
            "INTRINSIC_GAS_TOO_LOW",
            "INTRINSIC_GAS_BELOW_FLOOR_GAS_COST",
        ],
        "gas_limit_above_block" => &["GAS_ALLOWANCE_EXCEEDED"],
        "gas_limit_above_cap" => &["GAS_LIMIT_EXCEEDS_MAXIMUM"],
        "fee_too_low" => &["INSUFFICIENT_MAX_FEE_PER_GAS"],
        "priority_fee_above_max_fee" => &["PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS"],
        "sender_has_code" => &["SENDER_NOT_EOA"],
        "init_code_too_long" => &["INITCODE_SIZE_EXCEEDED"],
        "no_authorizations" => &["TYPE_4_EMPTY_AUTHORIZATION_LIST"],
        "wrong_chain_id" => &["INVALID_CHAINID"],
        "signature_invalid" | "signature_high_s" => &["INVALID_SIGNATURE_VRS"],
        "transaction_type_unsupported" => &["TYPE_NOT_SUPPORTED"],
        "transaction_malformed" => &[
            "RLP_INVALID_VALUE",
            "TYPE_4_TX_CONTRACT_CREATION",
            "TYPE_4_INVALID_AUTHORIZATION_FORMAT",
            // A price above 128 bits does not decode here; nobody could pay it.
            "GASLIMIT_PRICE_PRODUCT_OVERFLOW",
        ],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_of_the_alternatives_will_do() {
        let both = "TransactionException.INSUFFICIENT_ACCOUNT_FUNDS|TransactionException.INTRINSIC_GAS_TOO_LOW";
        assert!(match_code(both, "intrinsic_gas_too_low"));
        assert!(match_code(both, "insufficient_funds"));
        assert!(!match_code(both, "nonce_too_low"));
        assert!(!match_code(both, "unheard_of"));
    }

    #[test]
    fn a_blob_transaction_is_refused_before_it_is_looked_at() {
        assert!(match_code(
            "TransactionException.TYPE_3_TX_ZERO_BLOBS",
            "blob_transaction"
        ));
        assert!(match_code(
            "TransactionException.GAS_LIMIT_EXCEEDS_MAXIMUM",
            "blob_transaction"
        ));
    }
}
