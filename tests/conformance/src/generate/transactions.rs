//! Every form of transaction that the chain takes.

use alloy_primitives::{Address, U256, address};
use anyhow::Result;

use super::{
    asm::{Asm, deployer, op},
    draft::{Draft, OTHER, TARGET, WEALTH, number, person},
};

const NOBODY: Address = address!("0x00000000000000000000000000000000000000aa");

/// Stores who asks, with what, and what it costs.
fn observer() -> Asm {
    Asm::new()
        .op(op::ORIGIN)
        .keep(0)
        .op(op::CALLER)
        .keep(1)
        .op(op::CALLVALUE)
        .keep(2)
        .op(0x3a)
        .keep(3)
        .op(op::CALLDATASIZE)
        .keep(4)
        .push(0)
        .op(op::CALLDATALOAD)
        .keep(5)
}

pub(crate) fn drafts() -> Result<Vec<Draft>> {
    let mut all = legacy()?;
    all.extend(access_lists()?);
    all.extend(fee_market()?);
    all.extend(edges()?);
    all.extend(balances()?);
    Ok(all)
}

fn legacy() -> Result<Vec<Draft>> {
    Ok(vec![
        Draft::new("legacy_transfer", "A transfer creates an account")?
            .to(NOBODY)
            .value(5_u64)
            .gas(21_000),
        Draft::new(
            "legacy_transfer_of_nothing",
            "A transfer of nothing to nobody leaves no account",
        )?
        .to(NOBODY)
        .gas(21_000),
        Draft::new("legacy_transfer_to_oneself", "Only the fee is paid")?
            .to(person(1)?.address)
            .value(7_u64)
            .gas(21_000),
        Draft::new("legacy_transfer_to_the_coinbase", "Value and fee arrive")?
            .to(super::draft::COINBASE)
            .value(7_u64)
            .gas(21_000),
        Draft::of(
            "legacy_call",
            "The contract sees the transaction",
            observer(),
        )?
        .data(vec![1, 2, 3])
        .value(9_u64),
        Draft::new("legacy_creation", "The contract is deployed")?
            .creating(deployer(&observer().code()))
            .value(1_u64),
        Draft::new(
            "legacy_creation_of_nothing",
            "An account with nonce 1 and no code",
        )?
        .creating(vec![]),
        Draft::of(
            "legacy_call_that_reverts",
            "Only nonce and fee stay",
            Asm::new()
                .push(1)
                .keep(0)
                .ops(&[op::PUSH0, op::PUSH0, op::REVERT]),
        )?
        .value(3_u64),
        Draft::of(
            "legacy_call_that_halts",
            "All gas is taken",
            Asm::new().push(1).keep(0).op(op::INVALID),
        )?
        .value(3_u64),
        Draft::new(
            "legacy_exact_balance",
            "Value and fee take all that the sender owns",
        )?
        .owner(person(1)?.address, 21_000_u64 * 10 + 5)
        .to(NOBODY)
        .value(5_u64)
        .gas(21_000),
        Draft::new(
            "legacy_value_to_a_precompile",
            "The identity precompile takes value",
        )?
        .to(Address::with_last_byte(4))
        .data(vec![1; 40])
        .value(5_u64),
    ])
}

fn access_lists() -> Result<Vec<Draft>> {
    const EIP: &str = "https://eips.ethereum.org/EIPS/eip-2930";
    let reads = || {
        Asm::new()
            .op(op::GAS)
            .push(1)
            .ops(&[op::SLOAD, op::POP, op::GAS, op::SWAP1, op::SUB])
            .keep(2)
            .op(op::GAS)
            .address(OTHER)
            .ops(&[op::BALANCE, op::POP, op::GAS, op::SWAP1, op::SUB])
            .keep(3)
    };
    let drafts = vec![
        Draft::of(
            "access_list_empty",
            "An EIP-2930 transaction without entries",
            reads(),
        )?
        .access(&[]),
        Draft::of("access_list_slot", "A listed slot is warm", reads())?.access(&[(TARGET, &[1])]),
        Draft::of("access_list_account", "A listed account is warm", reads())?
            .access(&[(OTHER, &[])]),
        Draft::of(
            "access_list_twice",
            "An entry listed twice is paid for twice",
            reads(),
        )?
        .access(&[(TARGET, &[1, 1]), (TARGET, &[1]), (OTHER, &[])]),
        Draft::of(
            "access_list_of_others",
            "What is listed need not be touched",
            reads(),
        )?
        .access(&[(NOBODY, &[1, 2, 3])]),
        Draft::new(
            "access_list_creation",
            "A creation with a warm slot of its own",
        )?
        .creating(
            Asm::new()
                .op(op::GAS)
                .push(1)
                .ops(&[op::SLOAD, op::POP, op::GAS, op::SWAP1, op::SUB])
                .keep(2),
        )
        .access(&[(person(1)?.address.create(0), &[1])]),
    ];
    Ok(drafts.into_iter().map(|draft| draft.source(EIP)).collect())
}

fn fee_market() -> Result<Vec<Draft>> {
    const EIP: &str = "https://eips.ethereum.org/EIPS/eip-1559";
    let drafts = vec![
        Draft::of(
            "fees_priority",
            "The whole priority fee is paid",
            observer(),
        )?
        .fees(20, 3),
        Draft::of(
            "fees_capped",
            "The maximum caps the priority fee",
            observer(),
        )?
        .fees(8, 3),
        Draft::of("fees_exact", "The maximum is the base fee", observer())?.fees(7, 0),
        Draft::of(
            "fees_all_priority",
            "Priority fee and maximum are equal",
            observer(),
        )?
        .fees(9, 9),
        Draft::new("fees_transfer", "A transfer with a priority fee")?
            .to(NOBODY)
            .value(1_u64)
            .gas(21_000)
            .fees(30, 2),
        Draft::new("fees_creation", "A creation with a priority fee")?
            .creating(deployer(&observer().code()))
            .fees(30, 2),
        Draft::of(
            "fees_access_list",
            "An EIP-1559 transaction with an access list",
            observer(),
        )?
        .fees(30, 2)
        .access(&[(TARGET, &[0, 1])]),
    ];
    Ok(drafts.into_iter().map(|draft| draft.source(EIP)).collect())
}

fn edges() -> Result<Vec<Draft>> {
    let mut high = Draft::new("nonce_last", "The last nonce but one (EIP-2681)")?
        .source("https://eips.ethereum.org/EIPS/eip-2681")
        .to(NOBODY)
        .value(1_u64)
        .nonce(u64::MAX - 1);
    if let Some(account) = high.pre.get_mut(&person(1)?.address) {
        account.nonce = number(u64::MAX - 1);
    }
    let mut late = Draft::of(
        "late_block",
        "Number and time of a late block",
        Asm::new()
            .op(0x43)
            .keep(0)
            .op(0x42)
            .keep(1)
            .op(0x41)
            .keep(2)
            .op(0x45)
            .keep(3)
            .op(0x46)
            .keep(4)
            .op(0x48)
            .keep(5)
            .op(0x44)
            .keep(6)
            .op(0x4a)
            .keep(7),
    )?;
    late.env.current_number = number(1_000_000_007);
    late.env.current_timestamp = number(4_000_000_000);
    let mut free = Draft::new("transfer_free_of_charge", "Base fee and price are 0")?
        .to(NOBODY)
        .value(WEALTH)
        .price(0);
    free.env.current_base_fee = Some(number(0));
    Ok(vec![high, late, free])
}

fn balances() -> Result<Vec<Draft>> {
    let half = U256::MAX >> 1;
    Ok(vec![
        Draft::new("transfer_of_half_of_all_wei", "Balances of 255 bits")?
            .owner(person(1)?.address, half)
            .owner(NOBODY, half)
            .to(NOBODY)
            .value(half - U256::from(210_000)),
        Draft::of(
            "block_hashes",
            "The parent's hash, and none of the block itself",
            Asm::new()
                .push(1)
                .ops(&[0x43, op::SUB, 0x40])
                .keep(0)
                .ops(&[0x43, 0x40])
                .keep(1)
                .push(7)
                .ops(&[0x43, op::ADD, 0x40])
                .keep(2),
        )?,
        Draft::of(
            "self_balance",
            "SELFBALANCE and BALANCE agree",
            Asm::new()
                .op(0x47)
                .keep(0)
                .ops(&[op::ADDRESS, op::BALANCE])
                .keep(1),
        )?
        .value(77_u64),
    ])
}
