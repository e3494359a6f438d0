//! Opcodes by family, each on edge values; results go to slots.

use alloy_primitives::U256;
use anyhow::Result;

use super::{
    asm::{Asm, op},
    draft::{Draft, OTHER, TARGET},
};

const PAPER: &str = "https://ethereum.github.io/yellowpaper/paper.pdf";

pub(crate) fn drafts() -> Result<Vec<Draft>> {
    let mut all = words()?;
    all.extend(memory()?);
    all.extend(copies()?);
    all.extend(foreign_copies()?);
    all.extend(code_of_others()?);
    all.extend(storage()?);
    all.extend(transient_storage()?);
    all.extend(flow()?);
    all.extend(ends()?);
    all.extend(logs()?);
    Ok(all)
}

/// Values where carries, signs and shifts turn.
fn edges() -> [U256; 8] {
    let one = U256::from(1);
    [
        U256::ZERO,
        one,
        U256::from(2),
        U256::from(255),
        U256::from(256),
        U256::MAX >> 1,
        one << 255,
        U256::MAX,
    ]
}

/// Adds a result to three times the sum so far, so that one slot tells all.
fn folded(code: Asm) -> Asm {
    code.op(op::SWAP1).push(3).ops(&[0x02, op::ADD])
}

const UNARY: [(&str, u8); 3] = [("iszero", 0x15), ("not", 0x19), ("clz", 0x1e)];
const BINARY: [(&str, u8); 21] = [
    ("add", 0x01),
    ("mul", 0x02),
    ("sub", 0x03),
    ("div", 0x04),
    ("sdiv", 0x05),
    ("mod", 0x06),
    ("smod", 0x07),
    ("exp", 0x0a),
    ("signextend", 0x0b),
    ("lt", 0x10),
    ("gt", 0x11),
    ("slt", 0x12),
    ("sgt", 0x13),
    ("eq", 0x14),
    ("and", 0x16),
    ("or", 0x17),
    ("xor", 0x18),
    ("byte", 0x1a),
    ("shl", 0x1b),
    ("shr", 0x1c),
    ("sar", 0x1d),
];
const TERNARY: [(&str, u8); 2] = [("addmod", 0x08), ("mulmod", 0x09)];

fn words() -> Result<Vec<Draft>> {
    let mut all = Vec::new();
    for (name, code) in UNARY {
        let mut asm = Asm::new();
        for (slot, value) in (0_u64..).zip(edges()) {
            asm = asm.word(value).op(code).keep(slot);
        }
        all.push(Draft::of(
            format!("word_{name}"),
            format!("{name} on edge values"),
            asm,
        )?);
    }
    for (name, code) in BINARY {
        let mut asm = Asm::new();
        for (slot, first) in (0_u64..).zip(edges()) {
            asm = asm.push(0);
            for second in edges() {
                asm = folded(asm.word(second).word(first).op(code));
            }
            asm = asm.keep(slot);
        }
        all.push(Draft::of(
            format!("word_{name}"),
            format!("{name} on all pairs of edge values"),
            asm,
        )?);
    }
    for (name, code) in TERNARY {
        let mut asm = Asm::new();
        for (slot, first) in (0_u64..).zip(edges()) {
            asm = asm.push(0);
            for second in edges() {
                for third in edges() {
                    asm = folded(asm.word(third).word(second).word(first).op(code));
                }
            }
            asm = asm.keep(slot);
        }
        all.push(Draft::of(
            format!("word_{name}"),
            format!("{name} on all triples of edge values"),
            asm,
        )?);
    }
    let clz = Asm::new().push(1).op(0x1e).keep(0);
    all.push(
        Draft::of("clz_before_osaka", "CLZ is no opcode before Osaka", clz)?
            .prague()
            .source("https://eips.ethereum.org/EIPS/eip-7939"),
    );
    Ok(all.into_iter().map(|draft| draft.source(PAPER)).collect())
}

fn memory() -> Result<Vec<Draft>> {
    let cost = |work: Asm| {
        let code = Asm::new().op(op::GAS).ops(&work.code());
        code.ops(&[op::GAS, op::SWAP1, op::SUB])
            .keep(0)
            .op(op::MSIZE)
            .keep(1)
    };
    let touch = |offset| Asm::new().push(1).word(offset).op(op::MSTORE);
    let at = |offset: u64| touch(U256::from(offset));
    Ok(vec![
        Draft::of("memory_first_word", "One word", cost(at(0)))?,
        Draft::of(
            "memory_unaligned",
            "A word over the edge of two",
            cost(at(1)),
        )?,
        Draft::of("memory_far", "A hundred kilobytes", cost(at(100_000)))?,
        Draft::of(
            "memory_byte",
            "MSTORE8 at the edge",
            cost(Asm::new().push(0x1ff).push(32).op(op::MSTORE8)),
        )?,
        Draft::of(
            "memory_read",
            "MLOAD expands too",
            cost(Asm::new().push(1_000).ops(&[op::MLOAD, op::POP])),
        )?,
        Draft::of(
            "memory_beyond_gas",
            "Four gigabytes are out of gas",
            cost(at(u64::from(u32::MAX))),
        )?,
        Draft::of(
            "memory_at_the_end_of_64_bits",
            "Out of gas, without overflow",
            cost(at(u64::MAX)),
        )?,
        Draft::of(
            "memory_at_the_end_of_256_bits",
            "Out of gas, without overflow",
            cost(touch(U256::MAX)),
        )?,
        Draft::of(
            "memory_hash_of_nothing_far_away",
            "No bytes, no expansion",
            cost(
                Asm::new()
                    .push(0)
                    .word(U256::MAX)
                    .ops(&[op::KECCAK256, op::POP]),
            ),
        )?,
        Draft::of(
            "memory_hash",
            "KECCAK256 of 100 bytes from 7 on",
            Asm::new()
                .memory(&[0xab; 128])
                .push(100)
                .push(7)
                .op(op::KECCAK256)
                .keep(0),
        )?,
    ])
}

fn copies() -> Result<Vec<Draft>> {
    const MCOPY: &str = "https://eips.ethereum.org/EIPS/eip-5656";
    let words: Vec<u8> = (0..96).collect();
    let copy = |to: u64, from: u64, length: u64| {
        let code = Asm::new()
            .memory(&words)
            .push(length)
            .push(from)
            .push(to)
            .op(op::MCOPY);
        let code = code
            .ops(&[op::PUSH0, op::MLOAD])
            .keep(0)
            .push(32)
            .op(op::MLOAD)
            .keep(1);
        code.push(64).op(op::MLOAD).keep(2).op(op::MSIZE).keep(3)
    };
    Ok(vec![
        Draft::of("mcopy_apart", "No overlap", copy(64, 0, 32))?.source(MCOPY),
        Draft::of(
            "mcopy_overlap_forwards",
            "Onto itself, later",
            copy(1, 0, 64),
        )?
        .source(MCOPY),
        Draft::of(
            "mcopy_overlap_backwards",
            "Onto itself, earlier",
            copy(0, 1, 64),
        )?
        .source(MCOPY),
        Draft::of(
            "mcopy_nothing",
            "No bytes from far away",
            copy(0, 1 << 40, 0),
        )?
        .source(MCOPY),
        Draft::of(
            "mcopy_expands",
            "Source and target expand",
            copy(200, 100, 50),
        )?
        .source(MCOPY),
        Draft::of("mcopy_beyond_gas", "Out of gas", copy(0, 1 << 40, 1))?.source(MCOPY),
    ])
}

fn foreign_copies() -> Result<Vec<Draft>> {
    let three = |code: u8, to: u64, from: u64, length: u64| {
        let asm = Asm::new().push(length).push(from).push(to).op(code);
        asm.ops(&[op::PUSH0, op::MLOAD])
            .keep(0)
            .push(32)
            .op(op::MLOAD)
            .keep(1)
            .op(op::MSIZE)
            .keep(2)
    };
    let data: Vec<u8> = (1..=50).collect();
    Ok(vec![
        Draft::of(
            "call_data_copy",
            "Beyond the end are zeros",
            three(op::CALLDATACOPY, 0, 30, 40),
        )?
        .data(data.clone()),
        Draft::of(
            "call_data_load_beyond",
            "Beyond the end is zero",
            Asm::new()
                .word(U256::MAX)
                .op(op::CALLDATALOAD)
                .keep(0)
                .push(40)
                .op(op::CALLDATALOAD)
                .keep(1),
        )?
        .data(data),
        Draft::of(
            "code_copy",
            "Own code, beyond the end zeros",
            three(op::CODECOPY, 0, 2, 60),
        )?,
        Draft::of(
            "return_data_copy_beyond",
            "Reading past the end halts",
            three(op::RETURNDATACOPY, 0, 0, 1),
        )?,
        Draft::of(
            "return_data_copy_of_nothing",
            "Reading nothing at the end does not",
            three(op::RETURNDATACOPY, 0, 0, 0),
        )?,
    ])
}

fn code_of_others() -> Result<Vec<Draft>> {
    let outside = |to: u64, from: u64, length: u64| {
        let asm = Asm::new()
            .push(length)
            .push(from)
            .push(to)
            .address(OTHER)
            .op(op::EXTCODECOPY);
        asm.ops(&[op::PUSH0, op::MLOAD])
            .keep(0)
            .address(OTHER)
            .op(op::EXTCODEHASH)
            .keep(1)
    };
    Ok(vec![
        Draft::of("external_code_copy", "Another's code", outside(0, 1, 40))?
            .contract(OTHER, vec![0x60; 20]),
        Draft::of(
            "external_code_of_nobody",
            "No account, no hash",
            outside(0, 1, 40),
        )?,
        Draft::of(
            "external_code_of_an_owner",
            "An account without code has the hash of nothing",
            outside(0, 1, 40),
        )?
        .owner(OTHER, 1_u64),
    ])
}

/// Writes each value to slot 0 and keeps the gas of each write in the slots from 10 on.
fn writes(values: &[u64]) -> Asm {
    let mut code = Asm::new();
    for (slot, value) in (10_u64..).zip(values) {
        code = code.op(op::GAS).push(*value).push(0).op(op::SSTORE);
        code = code.ops(&[op::GAS, op::SWAP1, op::SUB]).keep(slot);
    }
    code
}

fn storage() -> Result<Vec<Draft>> {
    const NET: &str = "https://eips.ethereum.org/EIPS/eip-3529";
    // Before, then the values written: the cases of EIP-2200 and EIP-3529.
    let table: [(u64, &[u64]); 12] = [
        (0, &[0]),
        (0, &[1]),
        (1, &[0]),
        (1, &[1]),
        (1, &[2]),
        (0, &[1, 0]),
        (0, &[1, 2]),
        (1, &[0, 1]),
        (1, &[2, 1]),
        (1, &[2, 0]),
        (1, &[0, 2, 0]),
        (1, &[0, 1, 0, 1]),
    ];
    let mut all = Vec::new();
    for (before, values) in table {
        let shown: Vec<String> = values.iter().map(u64::to_string).collect();
        let name = format!("storage_{before}_to_{}", shown.join("_"));
        let draft = Draft::of(name, "Cost and refund of writes", writes(values))?.source(NET);
        all.push(draft.slot(TARGET, 0, before));
    }
    let mut many = Draft::of(
        "storage_refund_capped",
        "At most a fifth of the gas comes back",
        (0..20).fold(Asm::new(), |code, slot| code.push(0).keep(slot)),
    )?
    .source(NET);
    for slot in 0..20 {
        many = many.slot(TARGET, slot, 1);
    }
    all.push(many);
    let stipend = Asm::new()
        .call(op::CALL, 2_300 + 5_000, OTHER, 0, 0)
        .keep(0);
    all.push(
        Draft::of(
            "storage_below_stipend",
            "SSTORE needs more than 2,300 gas left",
            stipend,
        )?
        .contract(OTHER, Asm::new().repeat_gas_down().push(1).keep(5))
        .source(NET),
    );
    Ok(all)
}

fn transient_storage() -> Result<Vec<Draft>> {
    const TRANSIENT: &str = "https://eips.ethereum.org/EIPS/eip-1153";
    let mut all = Vec::new();
    let transient = Asm::new()
        .push(7)
        .push(1)
        .op(op::TSTORE)
        .push(1)
        .op(op::TLOAD)
        .keep(0);
    let transient = transient
        .call(op::CALL, u64::MAX, OTHER, 0, 0)
        .op(op::POP)
        .push(1)
        .op(op::TLOAD)
        .keep(1);
    let transient = transient
        .call(op::DELEGATECALL, u64::MAX, OTHER, 0, 0)
        .op(op::POP)
        .push(1)
        .op(op::TLOAD)
        .keep(2);
    let transient = transient.call(op::STATICCALL, 50_000, OTHER, 0, 0).keep(3);
    all.push(
        Draft::of(
            "transient_storage",
            "Own per address, shared by delegation, not written statically",
            transient,
        )?
        .contract(OTHER, Asm::new().push(9).push(1).op(op::TSTORE))
        .source(TRANSIENT),
    );
    let reverted = Asm::new()
        .push(7)
        .push(1)
        .op(op::TSTORE)
        .call(op::CALL, u64::MAX, OTHER, 0, 0)
        .keep(0)
        .push(1)
        .op(op::TLOAD)
        .keep(1);
    let back = Asm::new().call(op::CALLCODE, u64::MAX, OTHER, 0, 0);
    all.push(
        Draft::of(
            "transient_storage_reverted",
            "A revert takes transient writes back",
            reverted,
        )?
        .contract(
            OTHER,
            back.push(9)
                .push(1)
                .op(op::TSTORE)
                .ops(&[op::PUSH0, op::PUSH0, op::REVERT]),
        )
        .source(TRANSIENT),
    );
    Ok(all)
}

impl Asm {
    /// Burns gas until about 2,300 are left.
    fn repeat_gas_down(self) -> Self {
        let start = self.here();
        self.op(op::JUMPDEST)
            .push(2_310)
            .ops(&[op::GAS, 0x11])
            .push2(start)
            .op(op::JUMPI)
    }
}

fn flow() -> Result<Vec<Draft>> {
    let deep = Asm::new().ops(&[op::PUSH0; 1_024]);
    Ok(vec![
        Draft::of(
            "stack_full",
            "1,024 items fit",
            deep.op(op::POP).keep(1).push(1).keep(0),
        )?,
        Draft::of(
            "stack_overflow",
            "1,025 do not",
            Asm::new().push(1).keep(0).ops(&[op::PUSH0; 1_025]),
        )?,
        Draft::of(
            "stack_underflow",
            "POP of nothing",
            Asm::new().push(1).keep(0).op(op::POP),
        )?,
        Draft::of(
            "stack_dup_16_of_15",
            "DUP16 with 15 items",
            Asm::new().ops(&[op::PUSH0; 15]).op(0x8f),
        )?,
        Draft::of(
            "stack_swap_16_of_16",
            "SWAP16 with 16 items",
            Asm::new().ops(&[op::PUSH0; 16]).op(0x9f),
        )?,
        Draft::of(
            "jump_to_no_destination",
            "A jump to STOP",
            Asm::new().push(1).keep(0).push(0).op(op::JUMP),
        )?,
        Draft::of(
            "jump_into_push",
            "A destination inside of a push is none",
            Asm::new().push(1).ops(&[op::JUMP, 0x60, op::JUMPDEST]),
        )?,
        Draft::of(
            "jump_beyond_64_bits",
            "A far jump",
            Asm::new().word(U256::from(1) << 64).op(op::JUMP),
        )?,
        Draft::of(
            "jump_not_taken",
            "JUMPI with zero goes on",
            Asm::new()
                .push(0)
                .word(U256::MAX)
                .op(op::JUMPI)
                .push(1)
                .keep(0),
        )?,
    ])
}

fn ends() -> Result<Vec<Draft>> {
    let mut all = vec![
        Draft::of(
            "push_cut_by_the_end",
            "A push at the end reads zeros",
            Asm::new().push(1).keep(0).ops(&[0x7f, 1, 2]),
        )?,
        Draft::of(
            "push_of_nothing",
            "PUSH0",
            Asm::new().op(op::PUSH0).push(1).op(op::ADD).keep(0),
        )?
        .source("https://eips.ethereum.org/EIPS/eip-3855"),
        Draft::of(
            "program_counter",
            "PC and GAS",
            Asm::new().op(0x58).keep(0).op(op::GAS).keep(1),
        )?,
        Draft::of(
            "return_of_nothing",
            "RETURN without bytes from far away",
            Asm::new()
                .push(1)
                .keep(0)
                .push(0)
                .word(U256::MAX)
                .op(op::RETURN),
        )?,
    ];
    for code in [0x0c, 0x21, 0x4b, 0xa5, 0xe0, 0xef, 0xfe] {
        let name = format!("opcode_unknown_{code:02x}");
        all.push(Draft::of(
            name,
            "Halts and takes all gas",
            Asm::new().push(1).keep(0).op(code),
        )?);
    }
    Ok(all)
}

fn logs() -> Result<Vec<Draft>> {
    Ok(vec![
        Draft::of(
            "log_in_order",
            "LOG0 to LOG4",
            (0_u8..5).fold(Asm::new().memory(&[7; 64]), |code, topics| {
                let code =
                    (0..topics).fold(code, |code, topic| code.push(u64::from(topic) + 0x1_0000));
                code.push(u64::from(topics) * 9)
                    .push(3)
                    .op(op::LOG0 + topics)
            }),
        )?,
        Draft::of(
            "log_reverted",
            "A revert takes logs back",
            Asm::new().ops(&[
                op::PUSH0,
                op::PUSH0,
                op::LOG0,
                op::PUSH0,
                op::PUSH0,
                op::REVERT,
            ]),
        )?,
        Draft::of(
            "log_of_addresses",
            "Topics in the form of addresses",
            Asm::new().op(op::CALLER).address(OTHER).push(1).ops(&[
                op::PUSH0,
                op::PUSH0,
                op::LOG0 + 3,
            ]),
        )?,
        Draft::of(
            "log_beyond_gas",
            "A log of four gigabytes",
            Asm::new()
                .push(1)
                .keep(0)
                .push(1 << 32)
                .ops(&[op::PUSH0, op::LOG0]),
        )?,
        Draft::of(
            "logs_by_the_hundred",
            "Bloom and hash of many logs",
            Asm::new()
                .push(100)
                .repeat(&[op::DUP1, op::PUSH0, op::PUSH0, op::LOG0 + 1]),
        )?,
    ])
}
