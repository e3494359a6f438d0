//! Contracts that come and go.

use alloy_primitives::{Address, B256, address, keccak256};
use anyhow::Result;

use super::{
    asm::{Asm, deployer, op},
    draft::{Draft, OTHER, TARGET, number, person},
};

const NOBODY: Address = address!("0x00000000000000000000000000000000000000aa");

const KINDS: [(&str, u8); 2] = [("create", op::CREATE), ("create2", op::CREATE2)];

pub(crate) fn drafts() -> Result<Vec<Draft>> {
    let mut all = by_opcode()?;
    all.extend(limits()?);
    all.extend(collisions()?);
    all.extend(codes()?);
    all.extend(code_costs()?);
    all.extend(destructions()?);
    all.extend(short_lives()?);
    Ok(all)
}

/// Runs CREATE (or CREATE2 with salt 9) on the call data and keeps address, code size and output.
fn factory(kind: u8, value: u64) -> Asm {
    let code = Asm::new().call_data_to_memory();
    let code = if kind == op::CREATE2 {
        code.push(9)
    } else {
        code
    };
    let code = code
        .ops(&[op::CALLDATASIZE, op::PUSH0])
        .push(value)
        .op(kind);
    let code = code.op(op::DUP1).keep(0).op(op::EXTCODESIZE).keep(1);
    code.op(op::RETURNDATASIZE).keep(2)
}

fn by_opcode() -> Result<Vec<Draft>> {
    let mut all = Vec::new();
    let runtime = Asm::new().push(1).keep(0).code();
    let ends: [(&str, Vec<u8>); 6] = [
        ("deploys", deployer(&runtime)),
        ("deploys_nothing", vec![]),
        (
            "reverts",
            Asm::new()
                .memory(&[5; 32])
                .push(32)
                .ops(&[op::PUSH0, op::REVERT])
                .code(),
        ),
        ("halts", vec![op::INVALID]),
        (
            "writes",
            Asm::new().push(7).keep(1).op(op::ADDRESS).keep(2).code(),
        ),
        (
            "looks_at_itself",
            Asm::new()
                .ops(&[0x38])
                .keep(1)
                .ops(&[op::ADDRESS, op::EXTCODESIZE])
                .keep(2)
                .op(op::CALLDATASIZE)
                .keep(3)
                .code(),
        ),
    ];
    for (name, kind) in KINDS {
        for (end, init) in &ends {
            let name = format!("{name}_that_{end}");
            let draft = Draft::of(name, "Init code by opcode", factory(kind, 0))?;
            all.push(draft.data(init.clone()));
        }
    }
    Ok(all)
}

fn limits() -> Result<Vec<Draft>> {
    let mut all = Vec::new();
    let runtime = Asm::new().push(1).keep(0).code();
    for (name, kind) in KINDS {
        let draft = Draft::of(
            format!("{name}_with_value"),
            "The new contract owns wei",
            factory(kind, 3),
        )?;
        all.push(draft.data(deployer(&runtime)).value(5_u64));
        let draft = Draft::of(
            format!("{name}_with_too_much_value"),
            "Fails before anything runs",
            factory(kind, 6),
        )?;
        all.push(draft.data(deployer(&runtime)).value(5_u64));
        let long = Asm::new()
            .op(op::PUSH0)
            .push(49_153)
            .ops(&[op::PUSH0, op::PUSH0, kind])
            .keep(0);
        all.push(
            Draft::of(
                format!("{name}_init_code_above_limit"),
                "Out of gas (EIP-3860)",
                long,
            )?
            .source("https://eips.ethereum.org/EIPS/eip-3860"),
        );
    }
    let mut last = Draft::of(
        "create_with_the_last_nonce",
        "A nonce that cannot grow creates nothing",
        factory(op::CREATE, 0),
    )?
    .data(deployer(&runtime))
    .source("https://eips.ethereum.org/EIPS/eip-2681");
    if let Some(account) = last.pre.get_mut(&TARGET) {
        account.nonce = number(u64::MAX);
    }
    all.push(last);
    Ok(all)
}

fn collisions() -> Result<Vec<Draft>> {
    let init = deployer(&[0x00]);
    let salt = B256::with_last_byte(9);
    let second = TARGET.create2(salt, keccak256(&init));
    let first = TARGET.create(1);
    let twice = factory(op::CREATE2, 0)
        .push(9)
        .ops(&[op::CALLDATASIZE, op::PUSH0, op::PUSH0, op::CREATE2])
        .keep(5);
    let make = |name: &str, about: &str, kind| -> Result<Draft> {
        Ok(Draft::of(name, about, factory(kind, 0))?.data(init.clone()))
    };
    let mut nonce = make(
        "create2_onto_a_nonce",
        "An account with a nonce is in the way",
        op::CREATE2,
    )?
    .owner(second, 0_u64);
    if let Some(account) = nonce.pre.get_mut(&second) {
        account.nonce = number(1);
    }
    let new = person(1)?.address.create(0);
    Ok(vec![
        Draft::of("create2_twice", "The second collides", twice)?.data(init.clone()),
        make("create2_onto_code", "Code is in the way", op::CREATE2)?.contract(second, vec![0x00]),
        nonce,
        make("create2_onto_wei", "Wei is not in the way", op::CREATE2)?.owner(second, 5_u64),
        make("create_onto_code", "Code is in the way", op::CREATE)?.contract(first, vec![0x00]),
        Draft::new(
            "transaction_onto_code",
            "Code is in the way of a transaction's contract",
        )?
        .creating(init.clone())
        .contract(new, vec![0x00]),
        Draft::new("transaction_onto_wei", "Wei is not")?
            .creating(init)
            .owner(new, 5_u64),
    ])
}

/// Init code of a contract of zeros.
fn returns(length: u64) -> Vec<u8> {
    Asm::new().push(length).ops(&[op::PUSH0, op::RETURN]).code()
}

fn codes() -> Result<Vec<Draft>> {
    const EF: &str = "https://eips.ethereum.org/EIPS/eip-3541";
    const SIZE: &str = "https://eips.ethereum.org/EIPS/eip-170";
    let first = |byte: u64| Asm::new().push(byte).push(0).op(op::MSTORE8).give(1).code();
    let creating = |name: &str, about: &str, init: Vec<u8>| -> Result<Draft> {
        Ok(Draft::new(name, about)?.creating(init).gas(10_000_000))
    };
    let inside = |name: &str, about: &str, init: Vec<u8>| -> Result<Draft> {
        Ok(Draft::of(name, about, factory(op::CREATE, 0))?
            .data(init)
            .gas(10_000_000))
    };
    let mut all = vec![
        creating(
            "code_that_begins_with_ef",
            "Refused, all gas taken",
            first(0xef),
        )?
        .source(EF),
        inside(
            "code_that_begins_with_ef_by_opcode",
            "Refused, the call's gas taken",
            first(0xef),
        )?
        .source(EF),
        creating("code_that_begins_with_fe", "Taken", first(0xfe))?.source(EF),
        creating(
            "code_that_is_a_delegation",
            "Refused: it begins with 0xef",
            deployer(&[0xef, 0x01, 0x00, 1, 2, 3]),
        )?
        .source(EF),
        creating("code_at_the_limit", "24,576 bytes", returns(24_576))?.source(SIZE),
        creating("code_above_the_limit", "24,577 bytes", returns(24_577))?.source(SIZE),
        inside(
            "code_above_the_limit_by_opcode",
            "24,577 bytes",
            returns(24_577),
        )?
        .source(SIZE),
    ];
    for draft in &mut all {
        // Thousands of zeros would say nothing more than their root.
        draft.root_only = draft.name.contains("the_limit");
    }
    Ok(all)
}

fn code_costs() -> Result<Vec<Draft>> {
    const EF: &str = "https://eips.ethereum.org/EIPS/eip-3541";
    const SIZE: &str = "https://eips.ethereum.org/EIPS/eip-170";
    let mut all = Vec::new();
    for gas in [53_054 + 20_000, 53_000 + 20_100, 80_000] {
        let name = format!("code_deposit_with_{gas}");
        let draft = Draft::new(name, "200 gas a byte of code")?;
        all.push(draft.creating(returns(100)).gas(gas));
    }
    // What begins with 0xef may stand in a state from before EIP-3541.
    all.push(
        Draft::of(
            "code_that_begins_with_ef_runs",
            "0xef is no opcode",
            vec![0xef, 0x00],
        )?
        .source(EF),
    );
    let mut largest = vec![op::JUMPDEST; 24_574];
    largest.extend([op::PUSH0, op::STOP]);
    all.push(
        Draft::of(
            "code_of_the_largest_size_runs",
            "24,576 bytes of code",
            largest,
        )?
        .source(SIZE),
    );
    Ok(all)
}

const SELFDESTRUCT: &str = "https://eips.ethereum.org/EIPS/eip-6780";

fn end(to: Address) -> Asm {
    Asm::new().address(to).op(op::SELFDESTRUCT)
}

/// Deploys the code, calls it twice, and looks at what is left.
fn make_and_call(runtime: &[u8]) -> Asm {
    let init = deployer(runtime);
    let length = u64::try_from(init.len()).unwrap_or_default();
    let call = Asm::new()
        .ops(&[op::PUSH0; 5])
        .ops(&[0x85, op::GAS, op::CALL, op::POP])
        .code();
    let code = Asm::new().memory(&init).push(length).op(op::PUSH0).push(3);
    let code = code.op(op::CREATE).op(op::DUP1).keep(0);
    let code = code.ops(&call).ops(&call).op(op::DUP1);
    code.op(op::EXTCODESIZE).keep(1).op(op::BALANCE).keep(2)
}

fn destructions() -> Result<Vec<Draft>> {
    let all = vec![
        Draft::of("selfdestruct", "Wei goes, the contract stays", end(NOBODY))?
            .value(5_u64)
            .slot(TARGET, 1, 2),
        Draft::of("selfdestruct_to_itself", "Nothing happens", end(TARGET))?.value(5_u64),
        Draft::of("selfdestruct_without_wei", "No new account", end(NOBODY))?,
        Draft::of(
            "selfdestruct_by_call",
            "In a call",
            Asm::new()
                .call(op::CALL, u64::MAX, OTHER, 0, 0)
                .keep(0)
                .address(OTHER)
                .op(op::EXTCODESIZE)
                .keep(1),
        )?
        .contract(OTHER, end(NOBODY))
        .owner_of_contract(OTHER, 7),
        Draft::of(
            "selfdestruct_by_delegatecall",
            "The caller's wei goes",
            Asm::new()
                .call(op::DELEGATECALL, u64::MAX, OTHER, 0, 0)
                .keep(0),
        )?
        .contract(OTHER, end(NOBODY))
        .value(5_u64),
        Draft::of(
            "selfdestruct_reverted",
            "A revert takes it back",
            Asm::new().call(op::CALL, u64::MAX, OTHER, 0, 0).ops(&[
                op::PUSH0,
                op::PUSH0,
                op::REVERT,
            ]),
        )?
        .contract(OTHER, end(NOBODY))
        .owner_of_contract(OTHER, 7),
    ];
    let all = all.into_iter().map(|draft| draft.source(SELFDESTRUCT));
    Ok(all.collect())
}

fn short_lives() -> Result<Vec<Draft>> {
    let all = vec![
        Draft::of(
            "selfdestruct_in_its_transaction",
            "A contract of this transaction goes",
            make_and_call(&end(NOBODY).code()),
        )?
        .value(5_u64),
        Draft::of(
            "selfdestruct_in_its_transaction_to_itself",
            "Its wei is burnt",
            make_and_call(&Asm::new().ops(&[op::ADDRESS, op::SELFDESTRUCT]).code()),
        )?
        .value(5_u64),
        Draft::new(
            "selfdestruct_in_init_code",
            "A contract that ends before it begins",
        )?
        .creating(
            Asm::new()
                .push(1)
                .keep(0)
                .address(NOBODY)
                .op(op::SELFDESTRUCT),
        )
        .value(5_u64),
        Draft::new("selfdestruct_in_init_code_to_itself", "Its wei is burnt")?
            .creating(Asm::new().ops(&[op::ADDRESS, op::SELFDESTRUCT]))
            .value(5_u64),
    ];
    let all = all.into_iter().map(|draft| draft.source(SELFDESTRUCT));
    Ok(all.collect())
}
