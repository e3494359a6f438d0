//! Transactions that do much.

use anyhow::Result;

use super::{
    asm::{Asm, op},
    draft::{Draft, OTHER, TARGET, number},
};

pub(crate) fn drafts() -> Result<Vec<Draft>> {
    let mut all = slots()?;
    all.extend(loops()?);
    Ok(all)
}

fn slots() -> Result<Vec<Draft>> {
    let slots = |count: u64| {
        Asm::new()
            .push(count)
            .repeat(&[op::DUP1, op::DUP1, op::SSTORE])
    };
    let mut writes = Draft::of("storage_10000_writes", "10,000 new slots", slots(10_000))?
        .gas(250_000_000)
        .prague();
    writes.env.current_gas_limit = number(300_000_000);
    writes.root_only = true;
    let mut clears = Draft::of(
        "storage_200_clears",
        "200 slots cleared",
        Asm::new()
            .push(200)
            .repeat(&[op::PUSH0, op::DUP2, op::SSTORE]),
    )?;
    for slot in 1..=200 {
        clears = clears.slot(TARGET, slot, slot);
    }
    clears.root_only = true;
    Ok(vec![writes, clears.gas(3_000_000)])
}

fn loops() -> Result<Vec<Draft>> {
    let body = |inner: Asm| inner.op(op::POP).code();
    let hashes = Asm::new().push(2_000).repeat(&[
        op::DUP1,
        op::PUSH0,
        op::MSTORE,
        0x60,
        32,
        op::PUSH0,
        op::KECCAK256,
        op::PUSH0,
        op::MSTORE,
    ]);
    let calls = Asm::new()
        .push(500)
        .repeat(&body(Asm::new().call(op::CALL, 5_000, OTHER, 0, 0)));
    let creations = Asm::new().push(100).repeat(&body(Asm::new().ops(&[
        op::PUSH0,
        op::PUSH0,
        op::PUSH0,
        op::CREATE,
    ])));
    Ok(vec![
        Draft::of(
            "hashes_by_the_thousand",
            "2,000 hashes",
            hashes.ops(&[op::PUSH0, op::MLOAD]).keep(0),
        )?,
        Draft::of("calls_by_the_hundred", "500 calls", calls)?
            .contract(OTHER, Asm::new().ops(&[op::CALLER, op::POP])),
        Draft::of(
            "creations_by_the_hundred",
            "100 contracts without code",
            creations,
        )?
        .gas(10_000_000),
        Draft::of(
            "call_data_of_50000_bytes",
            "Much call data, most of it zero",
            Asm::new()
                .call_data_to_memory()
                .op(op::CALLDATASIZE)
                .ops(&[op::PUSH0, op::KECCAK256])
                .keep(0),
        )?
        .data([vec![0; 45_000], vec![7; 5_000]].concat())
        .gas(3_000_000),
    ])
}
