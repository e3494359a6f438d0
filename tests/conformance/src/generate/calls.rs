//! Calls between contracts.

use alloy_primitives::{Address, address};
use anyhow::Result;

use super::{
    asm::{Asm, op},
    draft::{Draft, OTHER, TARGET, THIRD},
};

const NOBODY: Address = address!("0x00000000000000000000000000000000000000aa");
const KINDS: [(&str, u8); 4] = [
    ("call", op::CALL),
    ("callcode", op::CALLCODE),
    ("delegatecall", op::DELEGATECALL),
    ("staticcall", op::STATICCALL),
];

pub(crate) fn drafts() -> Result<Vec<Draft>> {
    let mut all = contexts()?;
    all.extend(statics()?);
    all.extend(values()?);
    all.extend(value_targets()?);
    all.extend(gas()?);
    all.extend(depth()?);
    Ok(all)
}

/// Returns its address, caller and value as three words.
fn mirror() -> Asm {
    let code = Asm::new().ops(&[op::ADDRESS, op::PUSH0, op::MSTORE]);
    let code = code.op(op::CALLER).push(32).op(op::MSTORE);
    code.op(op::CALLVALUE).push(64).op(op::MSTORE).give(96)
}

/// Keeps what the last call returned: success from the stack, size, and three words.
fn kept(code: Asm) -> Asm {
    let code = code.keep(0).op(op::RETURNDATASIZE).keep(1);
    let code = code.ops(&[op::RETURNDATASIZE, op::PUSH0, op::PUSH0, op::RETURNDATACOPY]);
    (0..3).fold(code, |code, word| {
        code.push(word * 32).op(op::MLOAD).keep(2 + word)
    })
}

fn contexts() -> Result<Vec<Draft>> {
    let mut all = Vec::new();
    for (name, kind) in KINDS {
        let ends: [(&str, Asm); 4] = [
            ("returns", mirror()),
            (
                "reverts",
                Asm::new()
                    .memory(&[7; 40])
                    .push(40)
                    .ops(&[op::PUSH0, op::REVERT]),
            ),
            ("halts", Asm::new().op(op::INVALID)),
            (
                "writes",
                Asm::new().push(5).keep(40).op(op::CALLER).keep(41),
            ),
        ];
        for (end, code) in ends {
            let caller = kept(Asm::new().call(kind, 100_000, OTHER, 0, 0));
            let about = format!("A contract that {end}, by {name}");
            all.push(Draft::of(format!("{name}_that_{end}"), about, caller)?.contract(OTHER, code));
        }
        let nobody = kept(Asm::new().call(kind, 100_000, NOBODY, 0, 0));
        all.push(Draft::of(
            format!("{name}_of_nobody"),
            "Succeeds and does nothing",
            nobody,
        )?);
    }
    Ok(all)
}

fn statics() -> Result<Vec<Draft>> {
    let writes: [(&str, Asm); 8] = [
        ("sstore", Asm::new().push(1).keep(0)),
        ("tstore", Asm::new().push(1).push(0).op(op::TSTORE)),
        ("log", Asm::new().ops(&[op::PUSH0, op::PUSH0, op::LOG0])),
        (
            "create",
            Asm::new().ops(&[op::PUSH0, op::PUSH0, op::PUSH0, op::CREATE]),
        ),
        (
            "create2",
            Asm::new().ops(&[op::PUSH0, op::PUSH0, op::PUSH0, op::PUSH0, op::CREATE2]),
        ),
        (
            "selfdestruct",
            Asm::new().address(NOBODY).op(op::SELFDESTRUCT),
        ),
        (
            "call_with_value",
            Asm::new().call(op::CALL, 10_000, NOBODY, 1, 0),
        ),
        (
            "call_without_value",
            Asm::new().call(op::CALL, 10_000, NOBODY, 0, 0).op(op::POP),
        ),
    ];
    let mut all = Vec::new();
    for (name, code) in writes {
        let caller = kept(Asm::new().call(op::STATICCALL, 100_000, OTHER, 0, 0));
        let draft = Draft::of(
            format!("static_{name}"),
            "What changes state halts in a static call",
            caller,
        )?;
        all.push(draft.contract(OTHER, code).owner_of_contract(OTHER, 10));
    }
    let through = kept(Asm::new().call(op::STATICCALL, 100_000, OTHER, 0, 0));
    let inner = Asm::new()
        .call(op::CALL, 50_000, THIRD, 0, 0)
        .ops(&[op::PUSH0, op::MSTORE])
        .give(32);
    all.push(
        Draft::of(
            "static_through_a_call",
            "A call from a static call is static",
            through,
        )?
        .contract(OTHER, inner)
        .contract(THIRD, Asm::new().push(1).keep(0)),
    );
    Ok(all)
}

impl Draft {
    /// Gives a contract wei and leaves its nonce as it is.
    pub(crate) fn owner_of_contract(mut self, address: Address, balance: u64) -> Self {
        if let Some(account) = self.pre.get_mut(&address) {
            account.balance = super::draft::number(balance);
        }
        self
    }
}

fn values() -> Result<Vec<Draft>> {
    let send = |kind, to, value| kept(Asm::new().call(kind, 0, to, value, 0));
    let stipend = Asm::new()
        .op(op::GAS)
        .ops(&[op::PUSH0, op::MSTORE])
        .give(32);
    Ok(vec![
        Draft::of(
            "value_stipend",
            "The callee finds 2,300 gas",
            send(op::CALL, OTHER, 1),
        )?
        .contract(OTHER, stipend.clone())
        .value(5_u64),
        Draft::of(
            "value_stipend_by_callcode",
            "So it does by CALLCODE",
            send(op::CALLCODE, OTHER, 1),
        )?
        .contract(OTHER, stipend.clone())
        .value(5_u64),
        Draft::of(
            "no_value_no_stipend",
            "Without value there is none",
            send(op::CALL, OTHER, 0),
        )?
        .contract(OTHER, stipend),
        Draft::of(
            "value_stipend_too_small_to_write",
            "2,300 gas write nothing",
            send(op::CALL, OTHER, 1),
        )?
        .contract(OTHER, Asm::new().push(1).keep(0))
        .value(5_u64),
    ])
}

fn value_targets() -> Result<Vec<Draft>> {
    let send = |kind, to, value| kept(Asm::new().call(kind, 0, to, value, 0));
    let once = Asm::new().ops(&[op::CALLER, op::ADDRESS, 0x14]);
    let itself = |end: usize| {
        once.clone()
            .push2(end)
            .op(op::JUMPI)
            .call(op::CALL, 50_000, TARGET, 3, 0)
            .keep(0)
            .op(op::STOP)
    };
    let end = itself(0).here();
    Ok(vec![
        Draft::of(
            "value_creates_an_account",
            "25,000 gas for a new account",
            send(op::CALL, NOBODY, 1),
        )?
        .value(5_u64),
        Draft::of(
            "value_to_an_account",
            "No such gas for one that exists",
            send(op::CALL, NOBODY, 1),
        )?
        .owner(NOBODY, 1_u64)
        .value(5_u64),
        Draft::of(
            "value_too_much",
            "The call fails, its gas comes back",
            send(op::CALL, NOBODY, 6),
        )?
        .value(5_u64),
        Draft::of(
            "value_to_itself",
            "A call to oneself with value",
            itself(end).op(op::JUMPDEST),
        )?
        .value(5_u64),
        Draft::of(
            "value_to_a_precompile_that_fails",
            "A failed precompile returns the value",
            send(op::CALL, Address::with_last_byte(9), 1),
        )?
        .value(5_u64),
    ])
}

fn gas() -> Result<Vec<Draft>> {
    let burn = Asm::new().op(op::JUMPDEST).push2(0).op(op::JUMP);
    let asks = |gas| {
        kept(Asm::new().call(op::CALL, gas, OTHER, 0, 0))
            .op(op::GAS)
            .keep(9)
    };
    let mut all = vec![
        Draft::of("gas_all_but_a_64th", "EIP-150 keeps a 64th", asks(u64::MAX))?
            .contract(OTHER, burn.clone()),
        Draft::of(
            "gas_asked_above_what_is_left",
            "More than there is becomes what there is",
            asks(1 << 40),
        )?
        .contract(OTHER, burn.clone()),
        Draft::of(
            "gas_asked_and_burnt",
            "Only what was asked is lost",
            asks(5_000),
        )?
        .contract(OTHER, burn.clone()),
        Draft::of(
            "gas_cold_and_warm",
            "2,600 gas the first time, 100 after",
            Asm::new()
                .op(op::GAS)
                .call(op::CALL, 0, OTHER, 0, 0)
                .ops(&[op::POP, op::GAS, op::SWAP1, op::SUB])
                .keep(0)
                .op(op::GAS)
                .call(op::CALL, 0, OTHER, 0, 0)
                .ops(&[op::POP, op::GAS, op::SWAP1, op::SUB])
                .keep(1),
        )?,
        Draft::of(
            "gas_of_the_whole_transaction",
            "A contract that burns all that a transaction may have",
            burn.clone(),
        )?
        .gas(1 << 24)
        .source("https://eips.ethereum.org/EIPS/eip-7825"),
    ];
    // Each level is one gas short somewhere else.
    for limit in [
        21_100, 22_000, 23_700, 25_000, 30_000, 45_000, 50_000, 70_000,
    ] {
        let inner = Asm::new()
            .push(1)
            .keep(0)
            .call(op::CALL, u64::MAX, THIRD, 0, 0)
            .keep(1);
        let draft = Draft::of(
            format!("gas_runs_out_at_{limit}"),
            "Out of gas at one of three levels",
            Asm::new()
                .push(1)
                .keep(0)
                .call(op::CALL, u64::MAX, OTHER, 0, 0)
                .keep(1),
        )?;
        all.push(
            draft
                .contract(OTHER, inner)
                .contract(THIRD, Asm::new().push(1).keep(0))
                .gas(limit),
        );
    }
    Ok(all)
}

fn depth() -> Result<Vec<Draft>> {
    // Each level adds 1 to the number that it is given and calls itself with it; the last call
    // fails, and the deepest number comes back up.
    let recursion = |kind| {
        let code = Asm::new()
            .ops(&[op::PUSH0, op::CALLDATALOAD])
            .push(1)
            .ops(&[op::ADD, op::PUSH0, op::MSTORE]);
        let code = code.push(32).ops(&[op::PUSH0]).push(32).op(op::PUSH0);
        let code = if kind == op::CALL { code.push(0) } else { code };
        code.ops(&[op::ADDRESS, op::GAS, kind, op::POP]).give(32)
    };
    let start = |kind| {
        let code = kept(Asm::new().call(kind, u64::MAX, OTHER, 0, 0));
        code.op(op::GAS).keep(9)
    };
    let mut all = Vec::new();
    for (name, kind) in KINDS {
        if kind == op::CALLCODE {
            continue;
        }
        let inner = if kind == op::DELEGATECALL {
            op::CALL
        } else {
            kind
        };
        // 63/64 at each level: depth 1,024 takes more gas than EIP-7825 leaves.
        all.push(
            Draft::of(
                format!("depth_by_{name}"),
                "As deep as gas and 1,024 levels allow",
                start(kind),
            )?
            .contract(OTHER, recursion(inner))
            .gas(1 << 24),
        );
        let mut deep = Draft::of(
            format!("depth_1024_by_{name}"),
            "1,024 levels before EIP-7825",
            start(kind),
        )?
        .contract(OTHER, recursion(inner))
        .gas(90_000_000_000)
        .prague();
        deep.env.current_gas_limit = super::draft::number(100_000_000_000);
        all.push(deep);
    }
    let creation = Asm::new().ops(&[
        0x38,
        op::PUSH0,
        op::PUSH0,
        op::CODECOPY,
        0x38,
        op::PUSH0,
        op::PUSH0,
        op::CREATE,
    ]);
    all.push(
        Draft::new(
            "depth_of_creations",
            "Init code that creates itself until gas runs out",
        )?
        .creating(creation)
        .gas(10_000_000),
    );
    Ok(all)
}
