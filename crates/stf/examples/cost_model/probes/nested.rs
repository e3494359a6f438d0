//! Probes of frames: calls of calls, frames that are undone, frames with little gas; and of what costs
//! more than its opcodes tell.

use alloy_primitives::hex;
use cloister_stf::cost::Feature;

use super::{Probe, keyed, probe, repeated, stopping};
use crate::world::Person;

/// What ends a frame and undoes it.
const REVERT: [u8; 3] = hex!("5f5ffd");

/// STATICCALL of itself with 96 bytes and so much gas as `gas` pushes.
fn with_gas(gas: &[u8]) -> Vec<u8> {
    [&hex!("5f5f60605f30")[..], gas, &hex!("fa50")].concat()
}

/// CALL of itself with all the gas that there is.
const CALL: [u8; 9] = hex!("5f5f5f5f5f305af150");

/// Code that does `setup`, and then `call`, which calls it, again and again; called by itself it does
/// `inner`.
fn nested(
    name: &str,
    about: Feature,
    inner: &[u8],
    setup: &[u8],
    (call, calls): (&[u8], usize),
) -> Probe {
    // ORIGIN CALLER EQ PUSH2 JUMPI: who was not called by itself goes behind the inner part.
    let [high, low] = u16::try_from(7 + inner.len()).unwrap().to_be_bytes();
    let mut code = vec![0x32, 0x33, 0x14, 0x61, high, low, 0x57];
    code.extend(inner);
    let setup = [&[0x5b], setup].concat();
    code.extend(repeated(&setup, call, calls));
    probe(name, about, code)
}

pub(super) fn all() -> Vec<Probe> {
    let mut probes = poor();
    probes.extend(deep());
    probes.extend(reverted());
    probes.extend(often_reverted());
    probes.extend(records());
    probes.extend(transfers());
    probes.extend(long());
    probes.extend(envelopes());
    probes
}

fn poor() -> Vec<Probe> {
    vec![
        nested(
            "calldataload-nested",
            Feature::OpEnvironment,
            &repeated(&[], &hex!("5f3550"), 5_000),
            &[],
            (&with_gas(&[0x5a]), 1),
        ),
        nested(
            "mstore8-nested",
            Feature::OpCopy,
            &repeated(&hex!("5f51"), &hex!("6010600153"), 1_000),
            &[],
            (&with_gas(&[0x5a]), 1),
        ),
        nested(
            "mstore-nested",
            Feature::OpMemory,
            &repeated(&hex!("602151"), &hex!("3260015260015150"), 1_000),
            &[],
            (&with_gas(&[0x5a]), 1),
        ),
        nested(
            "mcopy-nested",
            Feature::MoveWord,
            &repeated(&hex!("602151"), &hex!("601f5f60025e"), 1_000),
            &[],
            (&with_gas(&[0x5a]), 1),
        ),
        // 19,000 gas.
        nested(
            "grow-poor",
            Feature::MemoryGrowth,
            &repeated(&[], &hex!("5f5952"), 1_000),
            &[],
            (&with_gas(&hex!("614a38")), 20),
        ),
        // Called with gas for one opcode, and with none.
        nested(
            "call-starved",
            Feature::OpCall,
            &[0x5f, 0x00],
            &[],
            (&with_gas(&hex!("6002")), 500),
        ),
        nested(
            "call-penniless",
            Feature::OpCall,
            &[0x5f, 0x00],
            &[],
            (&with_gas(&[0x5f]), 500),
        ),
        nested(
            "call-invalid",
            Feature::OpCall,
            &[0xfe],
            &[],
            (&with_gas(&hex!("6103e8")), 500),
        ),
    ]
}

/// As deep as gas goes.
fn deep() -> Vec<Probe> {
    vec![
        probe(
            "call-deep",
            Feature::OpCall,
            hex!("5f5f5f5f305afa5000").to_vec(),
        ),
        nested(
            "call-deep-undone",
            Feature::OpCall,
            &hex!("5f5f5f5f5f305af1505f5ffd"),
            &[],
            (&CALL, 1),
        ),
        probe(
            "call-deep-growing",
            Feature::OpCall,
            hex!("5f59525f5f59525f60405f60405f305af15000").to_vec(),
        ),
        nested(
            "call-deep-storing",
            Feature::OpCall,
            &hex!("5f5f5f5f5f305af15a5a5d5f5ffd"),
            &[],
            (&CALL, 1),
        ),
    ]
}

/// Much that is undone at once.
fn reverted() -> Vec<Probe> {
    let once = |name: &str, about, inner: &[u8]| nested(name, about, inner, &[], (&CALL, 1));
    let again = |body: &[u8], times| {
        let mut code = repeated(&[], body, times);
        code.pop();
        [&code[..], &REVERT].concat()
    };
    vec![
        once(
            "tstore-undone",
            Feature::OpTransient,
            &keyed(3_000, &hex!("805d"), &REVERT),
        ),
        once(
            "sstore-undone",
            Feature::OpStore,
            &keyed(600, &hex!("8055"), &REVERT),
        ),
        once(
            "sstore-again-undone",
            Feature::OpStore,
            &again(&hex!("5a5f55"), 2_000),
        ),
        once(
            "sload-undone",
            Feature::LeafOpened,
            &keyed(2_000, &hex!("5450"), &REVERT),
        ),
        once(
            "balance-undone",
            Feature::LeafOpened,
            &keyed(2_000, &hex!("3150"), &REVERT),
        ),
        once(
            "log0-undone",
            Feature::OpLog,
            &again(&hex!("5f5fa0"), 3_000),
        ),
        once(
            "log4-undone",
            Feature::OpLog,
            &again(&hex!("434343435f5fa4"), 2_000),
        ),
        once(
            "log1-255-undone",
            Feature::OpLog,
            &again(&hex!("5a60ff5fa1"), 1_000),
        ),
        once(
            "create-undone",
            Feature::OpCreate,
            &again(&hex!("5f5f5ff050"), 300),
        ),
    ]
}

/// What is undone a little at a time, in many frames.
fn often_reverted() -> Vec<Probe> {
    let undone = |name: &str, about, body: &[u8]| {
        nested(name, about, &[body, &REVERT].concat(), &[], (&CALL, 400))
    };
    vec![
        undone("tstore-each-undone", Feature::OpTransient, &hex!("5a5a5d")),
        undone("sstore-each-undone", Feature::OpStore, &hex!("5a5f55")),
        undone("log4-each-undone", Feature::OpLog, &hex!("434343435f5fa4")),
        undone(
            "sload-each-undone",
            Feature::OpState,
            &keyed(10, &hex!("5450"), &[]),
        ),
        undone(
            "balance-each-undone",
            Feature::OpState,
            &keyed(10, &hex!("3150"), &[]),
        ),
        undone(
            "code-each-undone",
            Feature::OpState,
            &[&[0x73][..], stopping().as_slice(), &hex!("3b50")].concat(),
        ),
        // These end their frame before it can revert.
        undone("selfdestruct", Feature::OpStore, &hex!("30ff")),
        undone("selfdestruct-sender", Feature::OpStore, &hex!("32ff")),
    ]
}

/// Logs with topics of different form; a slot that changes and memory that grows again and again.
fn records() -> Vec<Probe> {
    vec![
        probe(
            "grow-slowly",
            Feature::MemoryGrowth,
            repeated(&[], &hex!("5f5952"), 5_000),
        ),
        probe(
            "grow-by-reading",
            Feature::MemoryGrowth,
            repeated(&[], &hex!("595150"), 5_000),
        ),
        probe(
            "sstore-again",
            Feature::OpStore,
            repeated(&[], &hex!("5a5f55"), 2_000),
        ),
        probe(
            "log1-loop",
            Feature::Log,
            hex!("6107d0" "5b805f5fa16001900380610003" "5700").to_vec(),
        ),
        probe(
            "log4-self",
            Feature::Log,
            repeated(&[], &hex!("303030305f5fa4"), 1_000),
        ),
        probe(
            "log4-small",
            Feature::Log,
            repeated(&[], &hex!("5f5f5f5f5f5fa4"), 1_000),
        ),
        probe(
            "log4-others",
            Feature::Log,
            repeated(&[], &hex!("325a5a60801b5a60901b5f5fa4"), 200),
        ),
    ]
}

/// Ether that moves, contracts that go away.
fn transfers() -> Vec<Probe> {
    let rich = |probe: Probe| Probe {
        value: 1_000_000,
        ..probe
    };
    let stop = stopping();
    let paying = [
        &hex!("5f5f5f5f600173")[..],
        stop.as_slice(),
        &hex!("5af150"),
    ]
    .concat();
    let mut undone = repeated(&[], &paying, 300);
    undone.pop();
    undone.extend(REVERT);
    let person = Person::new(3).address;
    let delegated = [&hex!("5f5f5f5f73")[..], person.as_slice(), &hex!("5afa50")].concat();
    vec![
        rich(probe(
            "call-paying",
            Feature::OpCall,
            repeated(&[], &paying, 500),
        )),
        probe("call-broke", Feature::OpCall, repeated(&[], &paying, 500)),
        rich(nested(
            "call-paying-undone",
            Feature::OpCall,
            &undone,
            &[],
            (&CALL, 1),
        )),
        probe(
            "create-broke",
            Feature::OpCreate,
            repeated(&[], &hex!("5f5f6001f050"), 400),
        ),
        probe(
            "create-selfdestruct",
            Feature::OpCreate,
            repeated(&hex!("6132ff5f52"), &hex!("6002601e5ff050"), 350),
        ),
        rich(probe(
            "create-paid-selfdestruct",
            Feature::OpCreate,
            repeated(&hex!("6132ff5f52"), &hex!("6002601e6001f050"), 300),
        )),
        probe(
            "create-failing",
            Feature::OpCreate,
            repeated(&hex!("635f5ffd005f52"), &hex!("6004601c5ff050"), 350),
        ),
        probe(
            "create-storing",
            Feature::OpCreate,
            repeated(&hex!("6443435500005f52"), &hex!("6005601b5ff050"), 200),
        ),
        Probe {
            authorizations: 1,
            calls: 1,
            ..nested(
                "call-delegated",
                Feature::OpCall,
                &[0x00],
                &[],
                (&delegated, 500),
            )
        },
    ]
}

/// Long inputs and answers, bytes that are not there.
fn long() -> Vec<Probe> {
    let grown = hex!("61a0005150");
    vec![
        nested(
            "return-long",
            Feature::CopyWord,
            &hex!("6140005ff3"),
            &[],
            (&CALL, 200),
        ),
        nested(
            "revert-long",
            Feature::CopyWord,
            &hex!("6140005ffd"),
            &[],
            (&CALL, 200),
        ),
        nested(
            "answer-long",
            Feature::CopyWord,
            &hex!("6140005ff3"),
            &grown,
            (&hex!("6140005f5f5f5f305af150"), 200),
        ),
        nested(
            "input-long",
            Feature::OpCall,
            &hex!("00"),
            &grown,
            (&hex!("5f5f6140005f5f305af150"), 200),
        ),
        nested(
            "returndatacopy",
            Feature::CopyWord,
            &hex!("6140005ff3"),
            &grown,
            (&hex!("5f5f5f5f5f305af1506140005f5f3e"), 200),
        ),
        probe(
            "codecopy-beyond",
            Feature::CopyWord,
            repeated(&grown, &hex!("614000617fff600339"), 100),
        ),
        probe(
            "calldataload-small",
            Feature::OpEnvironment,
            repeated(&[], &hex!("5a3550"), 5_000),
        ),
    ]
}

/// Transactions with long data and long init code.
fn envelopes() -> Vec<Probe> {
    let calldata = |name: &str, input: Vec<u8>, about, creates| Probe {
        input,
        creates,
        ..probe(name, about, vec![0x00])
    };
    let jumps = |first: u8| [&[0x00][..], &vec![first; 40_000]].concat();
    vec![
        calldata(
            "calldata-zeros",
            vec![0; 100_000],
            Feature::EnvelopeWord,
            false,
        ),
        calldata(
            "calldata-mixed",
            [0, 0xee, 0xee, 0].repeat(25_000),
            Feature::EnvelopeWord,
            false,
        ),
        calldata("creation-zeros", vec![0; 40_000], Feature::InitWord, true),
        calldata("creation-jumps", jumps(0x5b), Feature::InitWord, true),
        calldata("creation-pushes", jumps(0x60), Feature::InitWord, true),
    ]
}
