//! `eth_sendRawTransaction` and `eth_sendRawTransactionSync` (EIP-7966).

use std::time::Duration;

use alloy_consensus::transaction::SignerRecoverable as _;
use alloy_consensus::{Transaction as _, TxEnvelope};
use alloy_eips::eip2718::Decodable2718 as _;
use alloy_eips::eip7702::SignedAuthorization;
use alloy_primitives::{Address, B256, Bytes, U64};
use cloister_audit::Outcome;
use cloister_authz::DEFAULT_DENY;
use cloister_authz::request::{SendTransaction, Target, ViewContract};
use serde_json::json;

use super::{Answer, execute, json as answer};
use crate::app::model::Call;
use crate::app::op::Op;
use crate::app::{failure, render, signer_not_linked};
use crate::rpc::params::Params;
use crate::rpc::{Code, RpcError};
use crate::store::contracts::Deployment;
use crate::upstream::UpstreamError;
use crate::upstream::sequencer::BlockKey;

/// First bytes of the code of a wallet that has delegated (EIP-7702).
const DELEGATION: [u8; 3] = [0xef, 0x01, 0x00];
/// First byte of a blob transaction (EIP-4844).
const BLOB_TYPE: u8 = 3;

/// A transaction that decodes, is for this chain, and is signed.
#[derive(Debug)]
struct Signed {
    envelope: TxEnvelope,
    hash: B256,
    sender: Address,
    raw: Bytes,
}

/// `eth_sendRawTransaction`: answers once the transaction's block is durable.
pub(crate) async fn send(op: &Op<'_>, params: &Params<'_>) -> Answer {
    let raw: Bytes = params.required(0, "transaction")?;
    params.none_from(1, "only the signed transaction is")?;
    let (hash, _) = submit(op, raw, None).await?;
    answer(&hash)
}

/// `eth_sendRawTransactionSync`: the same, answered with the receipt.
pub(crate) async fn send_sync(op: &Op<'_>, params: &Params<'_>) -> Answer {
    let raw: Bytes = params.required(0, "transaction")?;
    let timeout: Option<U64> = params.optional(1, "timeout")?;
    let timeout = timeout.map(|ms| Duration::from_millis(ms.to()));
    let (hash, number) = submit(op, raw, timeout).await?;
    let block = op.app.block(BlockKey::Number(number)).await?;
    let Some(block) = block else {
        return Err(RpcError::internal());
    };
    let seen = op.app.seen(op.caller, block).await?;
    let receipt = seen
        .transaction(hash)
        .and_then(|view| render::receipt(&seen.block, view));
    answer(&receipt.ok_or_else(RpcError::internal)?)
}

async fn submit(
    op: &Op<'_>,
    raw: Bytes,
    timeout: Option<Duration>,
) -> Result<(B256, u64), RpcError> {
    let signed = decode(raw, op.app.chain_id, op.app.limits.max_transaction_bytes)?;
    if !op.caller.principal.wallets.contains(&signed.sender) {
        let resource = format!("account:{:?}", signed.sender);
        op.record_rule("signer-not-linked", &resource, Outcome::Denied)
            .await?;
        return Err(signer_not_linked());
    }
    let deployment = match authorize(op, &signed).await? {
        None => None,
        Some(address) => Some(announce(op, &signed, address).await?),
    };
    let most = op.app.limits.request_timeout();
    let submission = op.app.sequencer.submit(signed.raw.clone());
    let outcome = tokio::time::timeout(timeout.unwrap_or(most).min(most), submission).await;
    let block = match outcome {
        Ok(Ok((_, block))) => block,
        Ok(Err(UpstreamError::TimedOut { .. })) | Err(_) => return Err(timed_out(signed.hash)),
        Ok(Err(error)) => {
            let refused = matches!(error, UpstreamError::Refused { .. });
            if let Some(deployment) = deployment.as_ref().filter(|_| refused) {
                // It may be refused because it waits, or is in a block, already (SGW-6).
                let waits = matches!(&error, UpstreamError::Refused { code, .. } if code == "already_known");
                op.app.withdraw(deployment, waits).await;
            }
            let answer = failure::upstream(&error);
            // Unless it was refused, it may be in a block yet: never sign another blindly.
            let hash = (!refused).then(|| json!(signed.hash));
            return Err(hash.map_or(answer.clone(), |hash| answer.field("transactionHash", hash)));
        }
    };
    if let Some(deployment) = &deployment {
        op.app.settle(deployment).await;
    }
    Ok((signed.hash, block))
}

/// Policy on the top frame. Returns the address that a creation will have.
async fn authorize(op: &Op<'_>, signed: &Signed) -> Result<Option<Address>, RpcError> {
    if let Some(list) = signed.envelope.authorization_list() {
        delegations(op, list).await?;
    }
    let call = Call {
        from: signed.sender,
        to: signed.envelope.to(),
        value: signed.envelope.value(),
        input: signed.envelope.input().clone(),
        ..Call::default()
    };
    let Some(to) = call.to else {
        execute::deploy(op, &call).await?;
        return Ok(Some(signed.sender.create(signed.envelope.nonce())));
    };
    let directory = op.app.registry.lookup(&[to]).await;
    let directory = directory.map_err(|error| failure::database(&error))?;
    let (mut target, hidden) = execute::target(op, &directory, to, &call.input);
    if hidden {
        // Nothing hides what a transaction does once it runs: foreign code is not reached by a plain
        // transfer of value either (SGW-15).
        target = directory.target(to);
        if matches!(target, Target::Account(_)) && has_code(op, to).await? {
            return Err(denied(op, to).await);
        }
    }
    let invocation = execute::invocation(op, &call, directory.call(&to, &call.input));
    op.authorize(SendTransaction { target, invocation }).await?;
    Ok(None)
}

/// Whether a transfer to `address` runs code of a contract; a wallet that runs code by its own
/// EIP-7702 delegation is a wallet.
async fn has_code(op: &Op<'_>, address: Address) -> Result<bool, RpcError> {
    let account = op.app.sequencer.account(address, true, false).await;
    let code = account.map_err(|error| failure::upstream(&error))?.code;
    Ok(!code.is_empty() && !code.starts_with(&DELEGATION))
}

/// EIP-7702: who signs is a linked wallet, and what it delegates to is a contract that the caller
/// may see, or nothing; else a delegation would run code that no policy lets the caller call, or
/// change a wallet that is not the caller's by something it signed for another chain (SGW-15).
async fn delegations(op: &Op<'_>, list: &[SignedAuthorization]) -> Result<(), RpcError> {
    let targets: Vec<Address> = list.iter().map(|item| *item.address()).collect();
    let directory = op.app.registry.lookup(&targets).await;
    let directory = directory.map_err(|error| failure::database(&error))?;
    for item in list {
        let authority = item.recover_authority().ok();
        if !authority.is_some_and(|wallet| op.caller.principal.wallets.contains(&wallet)) {
            let resource = format!("account:{:?}", authority.unwrap_or_default());
            op.record_rule("signer-not-linked", &resource, Outcome::Denied)
                .await?;
            return Err(signer_not_linked());
        }
        let visible = match directory.target(*item.address()) {
            Target::Contract(contract) => op.sees(ViewContract { contract }).await?.is_some(),
            Target::Account(address) => address.is_zero(),
        };
        if !visible {
            return Err(denied(op, *item.address()).await);
        }
    }
    Ok(())
}

/// The denial of a transaction, recorded.
async fn denied(op: &Op<'_>, address: Address) -> RpcError {
    let resource = format!("account:{address:?}");
    let recorded = op
        .record_rule(DEFAULT_DENY, &resource, Outcome::Denied)
        .await;
    recorded.err().unwrap_or_else(|| RpcError::denied("send"))
}

async fn announce(op: &Op<'_>, signed: &Signed, address: Address) -> Result<Deployment, RpcError> {
    let principal = &op.caller.principal;
    let deployment = Deployment {
        transaction: signed.hash,
        address,
        issuer: principal.issuer.clone(),
        subject: principal.subject.clone(),
        wallet: signed.sender,
        desk: op.caller.first_desk().map(ToString::to_string),
    };
    op.app.announce(&deployment).await?;
    Ok(deployment)
}

/// Accepted by the sequencer, as far as we know, but not seen in a block (EIP-7966: code 4, the
/// hash as data).
fn timed_out(hash: B256) -> RpcError {
    RpcError::with_bare_data(
        Code::InclusionTimeout,
        "the transaction was not seen in a block in time: ask for its receipt by the hash in `data`",
        json!(hash),
    )
}

/// Reads a transaction and refuses what this chain does not take, in this order: too long, a blob
/// transaction, malformed, without replay protection, for another chain, badly signed.
fn decode(raw: Bytes, chain_id: u64, max_bytes: usize) -> Result<Signed, RpcError> {
    if raw.len() > max_bytes {
        return Err(RpcError::new(
            Code::TransactionTooLarge,
            format!(
                "oversized data: {} bytes, at most {max_bytes} are taken",
                raw.len()
            ),
        ));
    }
    if raw.first() == Some(&BLOB_TYPE) {
        return Err(RpcError::new(
            Code::BlobTransaction,
            "transaction type not supported: blob transactions (EIP-4844) have no place here",
        ));
    }
    let envelope = TxEnvelope::decode_2718_exact(&raw).map_err(|_| {
        RpcError::new(
            Code::InvalidTransaction,
            "rlp: not a transaction: send a signed legacy, EIP-2930, EIP-1559 or EIP-7702 one",
        )
    })?;
    match envelope.chain_id() {
        None => Err(RpcError::new(
            Code::NotReplayProtected,
            "only replay-protected (EIP-155) transactions allowed over RPC",
        )),
        Some(signed_for) if signed_for != chain_id => Err(RpcError::new(
            Code::WrongChainId,
            format!("invalid chain id for signer: have {signed_for}, want {chain_id}"),
        )),
        Some(_) => recover(envelope, raw),
    }
}

fn recover(envelope: TxEnvelope, raw: Bytes) -> Result<Signed, RpcError> {
    let sender = envelope.recover_signer().map_err(|_| {
        RpcError::new(
            Code::InvalidSignature,
            "invalid sender: the signature does not recover, or its `s` is in the upper half",
        )
    })?;
    Ok(Signed {
        hash: *envelope.tx_hash(),
        sender,
        envelope,
        raw,
    })
}

#[cfg(test)]
mod tests {
    use alloy::signers::SignerSync as _;
    use alloy::signers::local::PrivateKeySigner;
    use alloy_consensus::{SignableTransaction as _, TxEip1559, TxEip4844, TxLegacy};
    use alloy_eips::eip2718::Encodable2718 as _;
    use alloy_primitives::{Signature, U256};

    use super::*;

    const CHAIN: u64 = 1_331;
    const MAX: usize = 4_096;

    fn signer() -> PrivateKeySigner {
        PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).unwrap()
    }

    fn legacy(chain_id: Option<u64>) -> Bytes {
        let unsigned = TxLegacy {
            chain_id,
            gas_limit: 21_000,
            ..TxLegacy::default()
        };
        let signature = signer().sign_hash_sync(&unsigned.signature_hash()).unwrap();
        TxEnvelope::Legacy(unsigned.into_signed(signature))
            .encoded_2718()
            .into()
    }

    fn refused(raw: Bytes) -> Code {
        decode(raw, CHAIN, MAX).unwrap_err().code()
    }

    #[test]
    fn takes_a_signed_transaction_of_this_chain() {
        let signed = decode(legacy(Some(CHAIN)), CHAIN, MAX).unwrap();
        assert_eq!(signed.sender, signer().address());
        let typed = TxEip1559 {
            chain_id: CHAIN,
            ..TxEip1559::default()
        };
        let signature = signer().sign_hash_sync(&typed.signature_hash()).unwrap();
        let raw = TxEnvelope::Eip1559(typed.into_signed(signature)).encoded_2718();
        assert_eq!(
            decode(raw.into(), CHAIN, MAX).unwrap().sender,
            signer().address()
        );
    }

    #[test]
    fn refuses_a_transaction_of_another_chain_or_of_any() {
        assert_eq!(refused(legacy(Some(CHAIN + 1))), Code::WrongChainId);
        assert_eq!(refused(legacy(None)), Code::NotReplayProtected);
    }

    #[test]
    fn refuses_blob_transactions() {
        let blob = TxEip4844 {
            chain_id: CHAIN,
            ..TxEip4844::default()
        };
        let signature = signer().sign_hash_sync(&blob.signature_hash()).unwrap();
        let raw = TxEnvelope::Eip4844(blob.into_signed(signature).into()).encoded_2718();
        assert_eq!(refused(raw.into()), Code::BlobTransaction);
        assert_eq!(refused(Bytes::from_static(&[3])), Code::BlobTransaction);
    }

    #[test]
    fn refuses_bytes_that_are_no_transaction() {
        let mut longer = legacy(Some(CHAIN)).to_vec();
        longer.push(0);
        assert_eq!(refused(longer.into()), Code::InvalidTransaction);
        assert_eq!(refused(Bytes::new()), Code::InvalidTransaction);
        assert_eq!(
            refused(Bytes::from_static(&[5, 1, 2])),
            Code::InvalidTransaction
        );
        assert_eq!(refused(vec![0; MAX + 1].into()), Code::TransactionTooLarge);
    }

    #[test]
    fn refuses_a_malleable_signature() {
        let unsigned = TxLegacy {
            chain_id: Some(CHAIN),
            ..TxLegacy::default()
        };
        let signature = signer().sign_hash_sync(&unsigned.signature_hash()).unwrap();
        let order = U256::from_be_slice(&alloy_primitives::hex!(
            "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
        ));
        let twin = Signature::new(signature.r(), order - signature.s(), !signature.v());
        let raw = TxEnvelope::Legacy(unsigned.into_signed(twin)).encoded_2718();
        assert_eq!(refused(raw.into()), Code::InvalidSignature);
    }
}
