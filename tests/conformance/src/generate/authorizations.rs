//! EIP-7702: accounts that run the code of others.

use alloy_eips::eip7702::Authorization;
use alloy_primitives::{Address, U256, address};
use anyhow::Result;

use super::{
    asm::{Asm, op},
    draft::{CHAIN, Draft, OTHER, THIRD, number, person},
};
use crate::{
    fixture::{Number, SignedAuthorization},
    sign::Person,
};

const EIP: &str = "https://eips.ethereum.org/EIPS/eip-7702";
const ORDER: U256 = cloister_crypto::provider::ORDER;
const NOBODY: Address = address!("0x00000000000000000000000000000000000000aa");

/// An authorization, signed.
fn authorize(person: &Person, chain: u64, to: Address, nonce: u64) -> Result<SignedAuthorization> {
    let inner = Authorization {
        chain_id: U256::from(chain),
        address: to,
        nonce,
    };
    let signature = person.sign_digest(&inner.signature_hash())?;
    let parity = number(u64::from(signature.v()));
    Ok(SignedAuthorization {
        chain_id: number(chain),
        address: to,
        nonce: number(nonce),
        v: parity.clone(),
        r: Number::new(signature.r()),
        s: Number::new(signature.s()),
        y_parity: Some(parity),
        signer: Some(person.address),
    })
}

fn delegation(to: Address) -> Vec<u8> {
    [&[0xef, 0x01, 0x00], to.as_slice()].concat()
}

/// Stores its address, its caller, and the size of its own code as seen from inside and outside.
fn witness() -> Asm {
    Asm::new()
        .op(op::ADDRESS)
        .keep(0)
        .op(op::CALLER)
        .keep(1)
        .op(0x38)
        .keep(2)
        .ops(&[op::ADDRESS, op::EXTCODESIZE])
        .keep(3)
        .ops(&[op::ADDRESS, op::EXTCODEHASH])
        .keep(4)
}

/// Person 1 sends to person 2, who delegates to [`OTHER`] by the list.
fn scene(name: &str, about: &str, list: Vec<SignedAuthorization>) -> Result<Draft> {
    let two = person(2)?.address;
    Ok(Draft::new(name, about)?
        .contract(OTHER, witness())
        .to(two)
        .authorize(list)
        .source(EIP))
}

pub(crate) fn drafts() -> Result<Vec<Draft>> {
    let mut all = valid()?;
    all.extend(without_effect()?);
    all.extend(signed_by_nobody()?);
    all.extend(passed_over()?);
    all.extend(delegated()?);
    all.extend(chains_and_circles()?);
    all.extend(crowds()?);
    Ok(all)
}

fn valid() -> Result<Vec<Draft>> {
    let (one, two) = (person(1)?, person(2)?);
    Ok(vec![
        scene(
            "set_code",
            "An account runs code at once",
            vec![authorize(&two, CHAIN, OTHER, 0)?],
        )?,
        scene(
            "set_code_any_chain",
            "Chain 0 stands for any",
            vec![authorize(&two, 0, OTHER, 0)?],
        )?,
        scene(
            "set_code_existing_account",
            "An account that exists gives gas back",
            vec![authorize(&two, CHAIN, OTHER, 0)?],
        )?
        .owner(two.address, 5_u64),
        scene(
            "set_code_by_sender",
            "The sender's nonce counts first",
            vec![authorize(&one, CHAIN, OTHER, 1)?],
        )?
        .to(one.address),
        scene(
            "set_code_replaced",
            "The second authorization holds",
            vec![
                authorize(&two, CHAIN, THIRD, 0)?,
                authorize(&two, CHAIN, OTHER, 1)?,
            ],
        )?,
        scene(
            "set_code_and_cleared",
            "An address of zero takes the code away",
            vec![
                authorize(&two, CHAIN, OTHER, 0)?,
                authorize(&two, CHAIN, Address::ZERO, 1)?,
            ],
        )?,
    ])
}

fn without_effect() -> Result<Vec<Draft>> {
    let two = person(2)?;
    Ok(vec![
        scene(
            "set_code_to_precompile",
            "Delegating to a precompile runs nothing",
            vec![authorize(&two, CHAIN, Address::with_last_byte(2), 0)?],
        )?
        .data(vec![1, 2, 3]),
        scene(
            "set_code_to_nothing",
            "Delegating to an account without code runs nothing",
            vec![authorize(&two, CHAIN, NOBODY, 0)?],
        )?
        .value(3_u64),
        scene(
            "set_code_to_itself",
            "Delegating to oneself runs the designator, which is invalid",
            vec![authorize(&two, CHAIN, two.address, 0)?],
        )?,
        scene(
            "set_code_survives_revert",
            "A revert keeps the delegation",
            vec![authorize(&two, CHAIN, THIRD, 0)?],
        )?
        .contract(
            THIRD,
            Asm::new()
                .push(1)
                .keep(0)
                .ops(&[op::PUSH0, op::PUSH0, op::REVERT]),
        ),
        scene(
            "set_code_survives_out_of_gas",
            "So does running out of gas",
            vec![authorize(&two, CHAIN, THIRD, 0)?],
        )?
        .contract(THIRD, Asm::new().op(op::INVALID)),
        scene(
            "set_code_with_access_list",
            "With an access list",
            vec![authorize(&two, CHAIN, OTHER, 0)?],
        )?
        .access(&[(two.address, &[0, 1]), (OTHER, &[])]),
    ])
}

fn signed_by_nobody() -> Result<Vec<Draft>> {
    let two = person(2)?;
    let good = || authorize(&two, CHAIN, OTHER, 0);
    let unsigned = |change: fn(&mut SignedAuthorization)| -> Result<Vec<SignedAuthorization>> {
        let mut one = good()?;
        change(&mut one);
        one.signer = None;
        Ok(vec![one])
    };
    let mut high = good()?;
    high.s = Number::new(ORDER - high.s.u256()?);
    high.v = number(1 - high.v.u64()?);
    high.y_parity = Some(high.v.clone());
    high.signer = None;
    Ok(vec![
        scene(
            "authorization_high_s",
            "The other half of EIP-2 is skipped",
            vec![high],
        )?,
        scene(
            "authorization_r_zero",
            "Signed by nobody",
            unsigned(|one| one.r = number(0))?,
        )?,
        scene(
            "authorization_s_zero",
            "Signed by nobody",
            unsigned(|one| one.s = number(0))?,
        )?,
        scene(
            "authorization_parity_two",
            "Signed by nobody",
            unsigned(|one| {
                one.v = number(2);
                one.y_parity = Some(number(2));
            })?,
        )?,
    ])
}

fn passed_over() -> Result<Vec<Draft>> {
    let two = person(2)?;
    let good = || authorize(&two, CHAIN, OTHER, 0);
    Ok(vec![
        scene(
            "authorization_of_other_chain",
            "Another chain's is skipped",
            vec![authorize(&two, 5, OTHER, 0)?],
        )?,
        scene(
            "authorization_nonce_too_high",
            "A nonce ahead is skipped",
            vec![authorize(&two, CHAIN, OTHER, 1)?],
        )?,
        scene(
            "authorization_nonce_overflow",
            "The highest nonce is skipped",
            vec![authorize(&two, CHAIN, OTHER, u64::MAX)?],
        )?,
        scene(
            "authorization_twice",
            "The same nonce holds once",
            vec![good()?, authorize(&two, CHAIN, THIRD, 0)?],
        )?,
        scene(
            "authorization_of_a_contract",
            "An account with code is skipped",
            vec![good()?],
        )?
        .contract(two.address, vec![0]),
        scene(
            "authorization_by_sender_with_old_nonce",
            "The sender's nonce was counted before",
            vec![authorize(&person(1)?, CHAIN, OTHER, 0)?],
        )?
        .to(person(1)?.address),
        scene(
            "authorization_gas_one_below",
            "25,000 gas an authorization",
            vec![good()?],
        )?
        .gas(21_000 + 25_000 - 1)
        .refused("intrinsic_gas_too_low"),
        scene(
            "authorization_gas_exact",
            "Just enough for nothing to run",
            vec![good()?],
        )?
        .gas(21_000 + 25_000),
    ])
}

fn delegated() -> Result<Vec<Draft>> {
    let two = person(2)?.address;
    let caller = |kind| {
        Asm::new()
            .call(kind, 200_000, two, 0, 0)
            .keep(0)
            .address(two)
            .op(op::EXTCODESIZE)
            .keep(1)
            .address(two)
            .op(op::EXTCODEHASH)
            .keep(2)
            .push(23)
            .ops(&[op::PUSH0, op::PUSH0])
            .address(two)
            .op(op::EXTCODECOPY)
            .ops(&[op::PUSH0, op::MLOAD])
            .keep(3)
    };
    let scene = |name: &str, about: &str, kind| -> Result<Draft> {
        Ok(Draft::of(name, about, caller(kind))?
            .contract(OTHER, witness())
            .contract(two, delegation(OTHER))
            .source(EIP))
    };
    Ok(vec![
        scene("delegated_call", "CALL runs the delegated code", op::CALL)?,
        scene("delegated_callcode", "CALLCODE runs it here", op::CALLCODE)?,
        scene(
            "delegated_delegatecall",
            "DELEGATECALL runs it here",
            op::DELEGATECALL,
        )?,
        scene(
            "delegated_staticcall",
            "STATICCALL runs it, where it may not write",
            op::STATICCALL,
        )?,
    ])
}

fn chains_and_circles() -> Result<Vec<Draft>> {
    let two = person(2)?.address;
    let chain = Draft::new("delegation_of_a_delegation", "Only one step is followed")?
        .contract(two, delegation(THIRD))
        .contract(THIRD, delegation(OTHER))
        .contract(OTHER, witness())
        .to(two)
        .source(EIP);
    let looped = Draft::new(
        "delegation_in_a_circle",
        "Two accounts that delegate to each other",
    )?
    .contract(two, delegation(THIRD))
    .contract(THIRD, delegation(two))
    .to(two)
    .source(EIP);
    let creating = Asm::new()
        .memory(&super::asm::deployer(&[0x00]))
        .push(32)
        .ops(&[op::PUSH0, op::PUSH0, op::CREATE])
        .keep(0);
    let creator = Draft::new(
        "delegation_that_creates",
        "The delegated account's nonce names the new contract",
    )?
    .contract(two, delegation(OTHER))
    .contract(OTHER, creating)
    .to(two)
    .source(EIP);
    let destroying = Draft::new(
        "delegation_that_self_destructs",
        "The delegated account keeps its delegation",
    )?
    .contract(two, delegation(OTHER))
    .owner(two, 9_u64)
    .contract(two, delegation(OTHER))
    .contract(OTHER, Asm::new().address(NOBODY).op(op::SELFDESTRUCT))
    .to(two)
    .source(EIP);
    let fresh = Draft::new(
        "delegated_sender_runs_itself",
        "A delegated sender calls itself",
    )?
    .contract(person(1)?.address, delegation(OTHER))
    .contract(OTHER, witness())
    .to(person(1)?.address)
    .nonce(1)
    .source(EIP);
    Ok(vec![chain, looped, creator, destroying, fresh])
}

fn crowds() -> Result<Vec<Draft>> {
    let mut list = Vec::new();
    for number in 2..12 {
        list.push(authorize(&person(number)?, CHAIN, OTHER, 0)?);
    }
    let mut mixed = list.clone();
    for (index, authorization) in mixed.iter_mut().enumerate() {
        if index % 2 == 1 {
            authorization.nonce = number(7);
            authorization.signer = None;
        }
    }
    // A changed nonce makes another signer of the same signature, whoever that is.
    mixed.retain(|authorization| authorization.signer.is_some());
    mixed.push(authorize(&person(3)?, CHAIN, OTHER, 4)?);
    mixed.push(authorize(&person(5)?, 9, OTHER, 0)?);
    Ok(vec![
        scene("set_code_of_ten", "Ten accounts in one transaction", list)?,
        scene(
            "set_code_of_some",
            "What is skipped does not stop the others",
            mixed,
        )?,
    ])
}
