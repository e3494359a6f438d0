//! Transactions that cannot be included, each with the name under which the chain refuses it.

use alloy_consensus::{SignableTransaction as _, TxLegacy};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, address};
use alloy_rlp::{BufMut, Encodable as _};
use anyhow::Result;

use super::{
    asm::Asm,
    draft::{CHAIN, Draft, TARGET, number, person},
};
use crate::sign::encode;

const NOBODY: Address = address!("0x00000000000000000000000000000000000000aa");
const ENVELOPE: &str = "https://eips.ethereum.org/EIPS/eip-2718";
const ORDER: U256 = cloister_crypto::provider::ORDER;

pub(crate) fn drafts() -> Result<Vec<Draft>> {
    let mut all = money()?;
    all.extend(gas()?);
    all.extend(gas_limits()?);
    all.extend(senders()?);
    all.extend(signatures()?);
    all.extend(chains()?);
    all.extend(encodings()?);
    all.extend(types()?);
    Ok(all)
}

fn transfer(name: &str, about: &str) -> Result<Draft> {
    Ok(Draft::new(name, about)?.to(NOBODY).value(5_u64).gas(21_000))
}

fn money() -> Result<Vec<Draft>> {
    let sender = person(1)?.address;
    let mut nothing = transfer("balance_none", "A sender who does not exist")?;
    nothing.pre.clear();
    Ok(vec![
        transfer("balance_short_of_a_wei", "One wei less than value and fee")?
            .owner(sender, 21_000_u64 * 10 + 4)
            .refused("insufficient_funds"),
        nothing.refused("insufficient_funds"),
        transfer(
            "balance_below_maximum_fee",
            "The maximum fee counts, not the effective one",
        )?
        .owner(sender, 21_000_u64 * 10 + 5)
        .fees(11, 0)
        .refused("insufficient_funds"),
        transfer("cost_above_256_bits", "Fee and value together overflow")?
            .value(U256::MAX)
            .refused("cost_overflow"),
        transfer("price_below_base_fee", "A legacy price below the base fee")?
            .price(6)
            .refused("fee_too_low"),
        transfer(
            "maximum_fee_below_base_fee",
            "An EIP-1559 maximum below the base fee",
        )?
        .fees(6, 0)
        .refused("fee_too_low"),
        transfer("priority_above_maximum", "A priority fee above the maximum")?
            .fees(10, 11)
            .refused("priority_fee_above_max_fee"),
    ])
}

fn gas() -> Result<Vec<Draft>> {
    const FLOOR: &str = "https://eips.ethereum.org/EIPS/eip-7623";
    let code = || Asm::new().push(1).keep(0);
    Ok(vec![
        transfer("gas_one_below_transfer", "20,999 gas")?
            .gas(20_999)
            .refused("intrinsic_gas_too_low"),
        Draft::of(
            "gas_one_below_data",
            "Zero and other bytes of call data",
            code(),
        )?
        .data(vec![0, 1, 0, 1])
        .gas(21_000 + 2 * 10 + 2 * 40 - 1)
        .source(FLOOR)
        .refused("intrinsic_gas_too_low"),
        Draft::of("gas_one_below_floor", "EIP-7623's floor", code())?
            .data(vec![1; 1_000])
            .gas(21_000 + 40_000 - 1)
            .source(FLOOR)
            .refused("intrinsic_gas_too_low"),
        Draft::of("gas_at_floor", "EIP-7623's floor is paid", code())?
            .data(vec![1; 1_000])
            .gas(21_000 + 40_000)
            .source(FLOOR),
        Draft::of(
            "gas_above_floor",
            "Execution above the floor costs as before",
            code(),
        )?
        .data(vec![1; 1_000])
        .gas(100_000)
        .source(FLOOR),
        Draft::new(
            "gas_one_below_creation",
            "53,000 gas and 2 a word of init code",
        )?
        .creating(vec![0; 32])
        .gas(53_000 + 32 * 4 + 2 - 1)
        .refused("intrinsic_gas_too_low"),
        Draft::of(
            "gas_one_below_access_list",
            "2,400 an account and 1,900 a slot",
            code(),
        )?
        .access(&[(TARGET, &[1, 2])])
        .gas(21_000 + 2_400 + 2 * 1_900 - 1)
        .refused("intrinsic_gas_too_low"),
    ])
}

fn gas_limits() -> Result<Vec<Draft>> {
    const INIT: &str = "https://eips.ethereum.org/EIPS/eip-3860";
    const CAP: &str = "https://eips.ethereum.org/EIPS/eip-7825";
    let code = || Asm::new().push(1).keep(0);
    let mut small_block = Draft::of("gas_above_block", "More gas than the block has", code())?;
    small_block.env.current_gas_limit = number(999_999);
    Ok(vec![
        Draft::new("init_code_at_limit", "49,152 bytes of init code")?
            .creating(vec![0; 49_152])
            .source(INIT),
        Draft::new("init_code_above_limit", "49,153 bytes of init code")?
            .creating(vec![0; 49_153])
            .source(INIT)
            .refused("init_code_too_long"),
        Draft::of("gas_at_cap", "16,777,216 gas", code())?
            .gas(1 << 24)
            .source(CAP),
        Draft::of("gas_above_cap", "16,777,217 gas", code())?
            .gas((1 << 24) + 1)
            .source(CAP)
            .refused("gas_limit_above_cap"),
        Draft::of("gas_without_cap", "16,777,217 gas before EIP-7825", code())?
            .gas((1 << 24) + 1)
            .source(CAP)
            .prague(),
        small_block.refused("gas_limit_above_block"),
    ])
}

fn senders() -> Result<Vec<Draft>> {
    let sender = person(1)?.address;
    let mut used = transfer("nonce_too_low", "A nonce used before")?.nonce(2);
    if let Some(account) = used.pre.get_mut(&sender) {
        account.nonce = number(3);
    }
    let mut last = transfer("nonce_overflow", "The highest nonce (EIP-2681)")?.nonce(u64::MAX);
    if let Some(account) = last.pre.get_mut(&sender) {
        account.nonce = number(u64::MAX);
    }
    let contract = |name, about, code: Vec<u8>| -> Result<Draft> {
        let mut draft = transfer(name, about)?;
        if let Some(account) = draft.pre.get_mut(&sender) {
            account.code = code.into();
            account.nonce = number(1);
        }
        Ok(draft
            .nonce(1)
            .source("https://eips.ethereum.org/EIPS/eip-3607"))
    };
    let mut delegated = vec![0xef, 0x01, 0x00];
    delegated.extend_from_slice(TARGET.as_slice());
    Ok(vec![
        transfer("nonce_too_high", "A gap before the nonce")?
            .nonce(1)
            .refused("nonce_too_high"),
        used.refused("nonce_too_low"),
        last.refused("nonce_overflow"),
        contract("sender_is_a_contract", "EIP-3607", vec![0])?.refused("sender_has_code"),
        contract(
            "sender_almost_delegated",
            "A byte too many for a delegation",
            [delegated.clone(), vec![0]].concat(),
        )?
        .refused("sender_has_code"),
        contract(
            "sender_is_delegated",
            "EIP-7702 lets delegated accounts send",
            delegated,
        )?,
    ])
}

/// The transfer with another signature.
fn with_signature(draft: Draft, change: impl Fn(Signature) -> Signature) -> Result<Draft> {
    let tx = TxLegacy {
        chain_id: Some(CHAIN),
        nonce: 0,
        gas_price: 10,
        gas_limit: 21_000,
        to: TxKind::Call(NOBODY),
        value: U256::from(5),
        input: Bytes::new(),
    };
    let signature = person(1)?.sign_digest(&tx.signature_hash())?;
    Ok(draft.raw(encode(&tx, &change(signature))))
}

fn signatures() -> Result<Vec<Draft>> {
    let with = |name, about, change: fn(Signature) -> Signature, code| -> Result<Draft> {
        Ok(with_signature(transfer(name, about)?, change)?.refused(code))
    };
    Ok(vec![
        with(
            "signature_high_s",
            "The other half of EIP-2",
            |old| Signature::new(old.r(), ORDER - old.s(), !old.v()),
            "signature_high_s",
        )?,
        with(
            "signature_r_zero",
            "r is 0",
            |old| Signature::new(U256::ZERO, old.s(), old.v()),
            "signature_invalid",
        )?,
        with(
            "signature_s_zero",
            "s is 0",
            |old| Signature::new(old.r(), U256::ZERO, old.v()),
            "signature_invalid",
        )?,
        with(
            "signature_r_order",
            "r is the group's order",
            |old| Signature::new(ORDER, old.s(), old.v()),
            "signature_invalid",
        )?,
        with(
            "signature_s_order",
            "s is the group's order",
            |old| Signature::new(old.r(), ORDER, old.v()),
            "signature_invalid",
        )?,
        with(
            "signature_r_no_point",
            "r is the x of no point",
            |old| Signature::new(U256::from(5), old.s(), old.v()),
            "signature_invalid",
        )?,
        with(
            "signature_other_parity",
            "Another sender, who owns nothing",
            |old| Signature::new(old.r(), old.s(), !old.v()),
            "insufficient_funds",
        )?,
    ])
}

fn chains() -> Result<Vec<Draft>> {
    let unprotected = TxLegacy {
        chain_id: None,
        nonce: 0,
        gas_price: 10,
        gas_limit: 21_000,
        to: TxKind::Call(NOBODY),
        value: U256::from(5),
        input: Bytes::new(),
    };
    let foreign = TxLegacy {
        chain_id: Some(5),
        ..unprotected.clone()
    };
    let one = person(1)?;
    let elsewhere = transfer(
        "chain_of_others_typed",
        "An EIP-1559 transaction for chain 5",
    )?
    .fees(10, 0);
    let typed =
        crate::sign::Chosen::new(&elsewhere.tx, crate::fixture::Indexes::default())?.signed(5)?;
    Ok(vec![
        transfer("unprotected", "No chain id (before EIP-155)")?
            .source("https://eips.ethereum.org/EIPS/eip-155")
            .raw(one.sign(&unprotected)?)
            .refused("not_replay_protected"),
        transfer("chain_of_others", "Signed for chain 5")?
            .source("https://eips.ethereum.org/EIPS/eip-155")
            .raw(one.sign(&foreign)?)
            .refused("wrong_chain_id"),
        elsewhere.raw(typed).refused("wrong_chain_id"),
    ])
}

fn encodings() -> Result<Vec<Draft>> {
    let draft = |name, about, raw: Vec<u8>, code| -> Result<Draft> {
        Ok(transfer(name, about)?
            .source(ENVELOPE)
            .raw(raw)
            .refused(code))
    };
    let legacy = transfer("x", "x")?.signed()?.to_vec();
    let typed = transfer("x", "x")?.fees(10, 0).signed()?.to_vec();
    let after = |bytes: &[u8]| [bytes, &[0]].concat();
    let before = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes.pop();
        bytes
    };
    Ok(vec![
        draft(
            "legacy_with_a_byte_more",
            "A byte after the list",
            after(&legacy),
            "transaction_malformed",
        )?,
        draft(
            "legacy_with_a_byte_less",
            "The list ends early",
            before(&legacy),
            "transaction_malformed",
        )?,
        draft(
            "typed_with_a_byte_more",
            "A byte after the list",
            after(&typed),
            "transaction_malformed",
        )?,
        draft(
            "typed_with_a_byte_less",
            "The list ends early",
            before(&typed),
            "transaction_malformed",
        )?,
    ])
}

fn types() -> Result<Vec<Draft>> {
    let draft = |name, about, raw: Vec<u8>, code| -> Result<Draft> {
        let draft = transfer(name, about)?.source(ENVELOPE);
        Ok(draft.raw(raw).refused(code))
    };
    let mut unknown = transfer("x", "x")?.fees(10, 0).signed()?.to_vec();
    unknown.splice(..1, [5]);
    Ok(vec![
        draft(
            "type_unknown",
            "Type 5",
            unknown,
            "transaction_type_unsupported",
        )?,
        draft(
            "legacy_with_leading_zero",
            "A nonce of 0x00 instead of the empty string",
            leading_zero()?,
            "transaction_malformed",
        )?,
        draft(
            "blob",
            "An EIP-4844 transaction",
            blob()?,
            "blob_transaction",
        )?
        .source("https://eips.ethereum.org/EIPS/eip-4844"),
        draft(
            "set_code_creation",
            "An EIP-7702 transaction without target",
            set_code_creation()?,
            "transaction_malformed",
        )?
        .source("https://eips.ethereum.org/EIPS/eip-7702"),
        transfer(
            "no_authorizations",
            "An EIP-7702 transaction with an empty list",
        )?
        .gas(100_000)
        .authorize(vec![])
        .source("https://eips.ethereum.org/EIPS/eip-7702")
        .refused("no_authorizations"),
    ])
}

/// Wraps a payload as an RLP list.
fn list(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    alloy_rlp::Header {
        list: true,
        payload_length: payload.len(),
    }
    .encode(&mut out);
    out.extend_from_slice(payload);
    out
}

/// Signs the fields that `fields` encodes and appends the signature.
fn signed(kind: Option<u8>, fields: &[u8], tail: &[u8]) -> Result<Vec<u8>> {
    let prefix: Vec<u8> = kind.into_iter().collect();
    let preimage = [prefix.clone(), list(&[fields, tail].concat())].concat();
    let digest: B256 = alloy_primitives::keccak256(preimage);
    let signature = person(1)?.sign_digest(&digest)?;
    let mut all = fields.to_vec();
    match kind {
        Some(_) => signature.v().encode(&mut all),
        None => (CHAIN * 2 + 35 + u64::from(signature.v())).encode(&mut all),
    }
    signature.r().encode(&mut all);
    signature.s().encode(&mut all);
    Ok([prefix, list(&all)].concat())
}

fn leading_zero() -> Result<Vec<u8>> {
    let mut fields: Vec<u8> = Vec::new();
    fields.put_u8(0x00);
    10_u64.encode(&mut fields);
    21_000_u64.encode(&mut fields);
    NOBODY.encode(&mut fields);
    5_u64.encode(&mut fields);
    Bytes::new().encode(&mut fields);
    signed(None, &fields, &[1, 0x80, 0x80])
}

/// Chain id, nonce, fees, gas limit.
fn typed_head(out: &mut Vec<u8>) {
    for number in [CHAIN, 0, 2, 10, 100_000] {
        number.encode(out);
    }
}

fn blob() -> Result<Vec<u8>> {
    let mut fields = Vec::new();
    typed_head(&mut fields);
    NOBODY.encode(&mut fields);
    5_u64.encode(&mut fields);
    Bytes::new().encode(&mut fields);
    fields.put_u8(0xc0);
    1_u64.encode(&mut fields);
    let mut hash = B256::repeat_byte(0xb1);
    hash.0.iter_mut().take(1).for_each(|version| *version = 1);
    let mut hashes = Vec::new();
    hash.encode(&mut hashes);
    fields.extend(list(&hashes));
    signed(Some(3), &fields, &[])
}

fn set_code_creation() -> Result<Vec<u8>> {
    let mut fields = Vec::new();
    typed_head(&mut fields);
    fields.put_u8(0x80);
    0_u64.encode(&mut fields);
    Bytes::new().encode(&mut fields);
    fields.put_u8(0xc0);
    fields.put_u8(0xc0);
    signed(Some(4), &fields, &[])
}
