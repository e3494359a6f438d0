//! Batches that each do one thing very often, with the operands that cost most.

use std::{fmt::Write as _, path::Path};

use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use cloister_stf::cost::Feature;

use crate::world::{Person, World, eip2930, eip7702, tx};

mod nested;

/// Longest code that a probe repeats its body to, in bytes.
const CODE_BYTES: usize = 20_000;

/// Writes an input for each probe, and the list of them.
pub(crate) fn write(folder: &Path) {
    std::fs::create_dir_all(folder).expect("a folder");
    let mut list = String::new();
    for probe in all() {
        let path = folder.join(format!("{}.batch", probe.name));
        let input = probe.input();
        std::fs::write(&path, &input).expect("writable");
        writeln!(list, "{} {}", path.display(), probe.about.name()).unwrap();
    }
    std::fs::write(folder.join("probes"), list).expect("writable");
}

struct Probe {
    name: String,
    about: Feature,
    code: Vec<u8>,
    input: Vec<u8>,
    /// Entries in the access list.
    access: usize,
    /// Wei for each call.
    value: u128,
    /// Whether the transactions create contracts, with `input`, instead of calling one.
    creates: bool,
    /// Signed authorizations.
    authorizations: u64,
    /// Calls of the code by another contract in each transaction; 0 for transactions that call it.
    rounds: usize,
    /// Transactions: more than one, so that what is done outweighs code that is read once.
    calls: u64,
    /// Transactions in a block.
    per_block: usize,
}

/// Runtime code: `setup`, then `body` again and again.
fn repeated(setup: &[u8], body: &[u8], times: usize) -> Vec<u8> {
    let mut code = setup.to_vec();
    for _ in 0..times.min(CODE_BYTES / body.len()) {
        code.extend(body);
    }
    code.push(0x00);
    code
}

fn probe(name: impl Into<String>, about: Feature, code: Vec<u8>) -> Probe {
    Probe {
        name: name.into(),
        about,
        code,
        input: Vec::new(),
        access: 0,
        value: 0,
        creates: false,
        authorizations: 0,
        rounds: 0,
        calls: 4,
        per_block: 100,
    }
}

impl Probe {
    fn input(&self) -> Vec<u8> {
        let mut world = World::new();
        let stop = world.people[0].sign(tx(0, None, 0, &deploying(&[0x00])));
        World::deployed(&world.block(&[stop])[0]);
        let mut raw = tx(1, None, 0, &deploying(&self.code));
        raw.gas_limit = 16_000_000;
        let raw = world.people[0].sign(raw);
        let mut contract = World::deployed(&world.block(&[raw])[0]);
        if self.rounds > 0 {
            // All call data to memory, which every call gets.
            let call = [
                &hex!("5f5f365f5f73")[..],
                contract.as_slice(),
                &hex!("5af150"),
            ]
            .concat();
            let code = repeated(&hex!("365f5f37"), &call, self.rounds);
            let raw = world.people[0].sign(tx(2, None, 0, &deploying(&code)));
            contract = World::deployed(&world.block(&[raw])[0]);
        }
        world.seal();
        let raws: Vec<Bytes> = (0..self.calls)
            .map(|nonce| self.call(&world, nonce, contract))
            .collect();
        for block in raws.chunks(self.per_block) {
            for executed in world.block(block) {
                let halted = &executed.halt_reason;
                assert!(executed.fields.succeeded, "{}: {halted:?}", self.name);
            }
        }
        world.seal().0.encode()
    }

    fn call(&self, world: &World, nonce: u64, contract: Address) -> Bytes {
        let sender = &world.people[1];
        if self.access > 0 {
            let keys = (0..self.access).map(|key| keccak256(key.to_be_bytes()));
            let mut raw = eip2930(nonce, contract, keys.collect(), &self.input);
            raw.gas_limit = 16_000_000;
            return sender.sign(raw);
        }
        if self.authorizations > 0 {
            let signed =
                (0..self.authorizations).map(|nonce| world.people[2].authorize(contract, nonce));
            let mut raw = eip7702(nonce, contract, signed.collect(), &self.input);
            raw.gas_limit = 16_000_000;
            return sender.sign(raw);
        }
        let to = (!self.creates).then_some(contract);
        let mut raw = tx(nonce, to, self.value, &self.input);
        raw.gas_limit = if self.calls > 4 { 160_000 } else { 16_000_000 };
        sender.sign(raw)
    }
}

/// The contract that stops at once, as the first deployment of the first person.
fn stopping() -> Address {
    Person::new(1).address.create(0)
}

/// Init code that leaves `runtime`.
fn deploying(runtime: &[u8]) -> Vec<u8> {
    let length = u16::try_from(runtime.len()).unwrap().to_be_bytes();
    let mut code = vec![0x61, length[0], length[1], 0x80, 0x60, 0x0a, 0x5f, 0x39];
    code.extend([0x5f, 0xf3]);
    code.extend(runtime);
    code
}

fn all() -> Vec<Probe> {
    let mut probes = stack();
    probes.extend(environment());
    probes.extend(arithmetic());
    probes.extend(division());
    probes.extend(calldata());
    probes.extend(memory());
    // Opcodes that cost little more than to read them, were they executed but once.
    for probe in &mut probes {
        probe.rounds = 10;
    }
    probes.push(probe("end", Feature::Batch, vec![0x00]));
    probes.extend(powers());
    probes.extend(copies());
    probes.extend(state());
    probes.extend(frames());
    probes.extend(nested::all());
    probes.extend(envelope());
    probes.extend(hashes());
    probes.extend(modexp());
    probes.extend(curves());
    probes
}

/// PUSH32 of a word whose bytes are `byte`, but for the first, which are zero.
fn push(zeros: usize, byte: u8) -> Vec<u8> {
    let mut code = vec![0x7f];
    code.extend((0..32).map(|at| if at < zeros { 0 } else { byte }));
    code
}

fn stack() -> Vec<Probe> {
    let sixteen = [0x5f; 17];
    let jumps: Vec<u8> = (0..2_000u16)
        .flat_map(|at| {
            let [high, low] = (at * 5 + 4).to_be_bytes();
            [0x61, high, low, 0x56, 0x5b]
        })
        .collect();
    let branches: Vec<u8> = (0..2_000u16)
        .flat_map(|at| {
            let [high, low] = (at * 6 + 5).to_be_bytes();
            [0x58, 0x61, high, low, 0x57, 0x5b]
        })
        .collect();
    // The first branch's condition would be the program counter 0.
    let branches = [&[0x58, 0x58, 0x50, 0x50, 0x5b, 0x5b][..], &branches[6..]].concat();
    vec![
        probe(
            "push0-pop",
            Feature::OpStack,
            repeated(&[], &[0x5f, 0x50], 9_000),
        ),
        probe(
            "push1-pop",
            Feature::OpStack,
            repeated(&[], &hex!("60ee50"), 6_000),
        ),
        probe(
            "push4-pop",
            Feature::OpStack,
            repeated(&[], &hex!("63eeeeeeee50"), 4_000),
        ),
        probe(
            "push5-pop",
            Feature::OpMemory,
            repeated(&[], &hex!("64eeeeeeeeee50"), 4_000),
        ),
        probe("push32-pop", Feature::OpMemory, {
            let body = [push(0, 0xee), vec![0x50]].concat();
            repeated(&[], &body, 9_000)
        }),
        probe(
            "dup16-pop",
            Feature::OpStack,
            repeated(&sixteen, &[0x8f, 0x50], 9_000),
        ),
        probe(
            "swap16",
            Feature::OpSwap,
            repeated(&sixteen, &[0x9f], 18_000),
        ),
        probe("jumpdest", Feature::OpStack, repeated(&[], &[0x5b], 20_000)),
        probe(
            "gas-pop",
            Feature::OpStack,
            repeated(&[], &[0x5a, 0x50], 9_000),
        ),
        probe("jump", Feature::OpJump, repeated(&jumps, &[0x5b], 1)),
        probe("jumpi", Feature::OpJump, repeated(&branches, &[0x5b], 1)),
    ]
}

/// What the frame, the transaction and the block have to tell.
fn environment() -> Vec<Probe> {
    let mut probes = Vec::new();
    for (name, code) in [
        ("address", 0x30),
        ("origin", 0x32),
        ("caller", 0x33),
        ("callvalue", 0x34),
        ("calldatasize", 0x36),
        ("gasprice", 0x3a),
        ("coinbase", 0x41),
        ("timestamp", 0x42),
        ("prevrandao", 0x44),
        ("chainid", 0x46),
        ("blobbasefee", 0x4a),
    ] {
        let about = match name {
            "address" | "caller" => Feature::OpSimple,
            "callvalue" | "calldatasize" => Feature::OpStack,
            _ => Feature::OpEnvironment,
        };
        let code = repeated(&[], &[code, 0x50], 9_000);
        probes.push(probe(name, about, code));
    }
    probes
}

/// DUP2 DUP2 `code` POP, or one more DUP for three operands.
fn on_operands(name: String, about: Feature, operands: &[Vec<u8>], code: u8) -> Probe {
    let setup = operands.concat();
    let body = match operands.len() {
        3 => vec![0x82, 0x82, 0x82, code, 0x50],
        2 => vec![0x81, 0x81, code, 0x50],
        _ => vec![0x80, code, 0x50],
    };
    // A few thousand steps tell enough, and keep the costly ones within a transaction's gas.
    probe(name, about, repeated(&setup, &body, 2_000))
}

fn arithmetic() -> Vec<Probe> {
    let most = || push(0, 0xff);
    let mut probes = Vec::new();
    for (name, code) in [
        ("add", 0x01),
        ("sub", 0x03),
        ("lt", 0x10),
        ("sgt", 0x13),
        ("eq", 0x14),
        ("and", 0x16),
        ("xor", 0x18),
    ] {
        let operands = [most(), most()];
        probes.push(on_operands(
            name.to_owned(),
            Feature::OpSimple,
            &operands,
            code,
        ));
    }
    for (name, code) in [
        ("byte", 0x1a),
        ("shl", 0x1b),
        ("shr", 0x1c),
        ("sar", 0x1d),
        ("signextend", 0x0b),
    ] {
        // The top is the amount.
        let about = match name {
            "shl" | "shr" => Feature::OpSimple,
            _ => Feature::OpEnvironment,
        };
        let operands = [push(0, 0xf5), vec![0x60, 0x11]];
        probes.push(on_operands(name.to_owned(), about, &operands, code));
    }
    for (name, code) in [("iszero", 0x15), ("not", 0x19), ("clz", 0x1e)] {
        let about = match name {
            "clz" => Feature::OpEnvironment,
            _ => Feature::OpSimple,
        };
        let operands = [push(9, 0xf5)];
        probes.push(on_operands(name.to_owned(), about, &operands, code));
    }
    probes.push(on_operands(
        "mul".to_owned(),
        Feature::OpMul,
        &[most(), most()],
        0x02,
    ));
    probes
}

fn powers() -> Vec<Probe> {
    let rows = [
        ("exp-1", Feature::OpExp, 1),
        ("exp-16", Feature::ExpByte, 16),
        ("exp-32", Feature::ExpByte, 32),
    ];
    rows.map(|(name, about, bytes)| {
        let operands = [push(32 - bytes, 0xff), push(0, 0xff)].concat();
        probe(
            name,
            about,
            repeated(&operands, &[0x81, 0x81, 0x0a, 0x50], 500),
        )
    })
    .into()
}

fn division() -> Vec<Probe> {
    let mut probes = Vec::new();
    for zeros in [0, 1, 8, 9, 15, 16, 17, 23, 24, 25, 31] {
        for (name, code) in [("div", 0x04), ("sdiv", 0x05), ("mod", 0x06), ("smod", 0x07)] {
            // The top is divided.
            let operands = [push(zeros, 0xc3), push(0, 0x7d)];
            let name = format!("{name}-{zeros}");
            probes.push(on_operands(name, Feature::OpDiv, &operands, code));
        }
        for (name, code) in [("addmod", 0x08), ("mulmod", 0x09)] {
            let operands = [push(zeros, 0xc3), push(0, 0xfe), push(0, 0xfd)];
            let name = format!("{name}-{zeros}");
            probes.push(on_operands(name, Feature::OpModular, &operands, code));
        }
    }
    probes
}

/// Memory first, so that growing it is not part of the body.
fn long(name: &str, about: Feature, body: &[u8], times: usize) -> Probe {
    probe(name, about, repeated(&hex!("61a00051" "50"), body, times))
}

fn calldata() -> Vec<Probe> {
    vec![
        Probe {
            input: vec![0xab; 100],
            ..long(
                "calldataload",
                Feature::OpEnvironment,
                &hex!("60013550"),
                5_000,
            )
        },
        long(
            "calldataload-none",
            Feature::OpEnvironment,
            &hex!("5f3550"),
            5_000,
        ),
        Probe {
            input: vec![0xab; 40],
            ..long(
                "calldataload-edge",
                Feature::OpEnvironment,
                &hex!("60103550"),
                5_000,
            )
        },
    ]
}

fn memory() -> Vec<Probe> {
    vec![
        long("mload", Feature::OpMemory, &hex!("5f5150"), 5_000),
        long("mload-odd", Feature::OpMemory, &hex!("60015150"), 5_000),
        long("mstore", Feature::OpMemory, &hex!("5f5f52"), 5_000),
        long("mstore-odd", Feature::OpMemory, &hex!("5f600152"), 5_000),
        long("mstore8", Feature::OpCopy, &hex!("5f5f53"), 5_000),
        long("mstore8-odd", Feature::OpCopy, &hex!("6010600153"), 3_000),
        long("mload-far", Feature::OpMemory, &hex!("61900f5150"), 3_000),
    ]
}

fn copies() -> Vec<Probe> {
    vec![
        probe(
            "grow",
            Feature::MemoryWord,
            repeated(&hex!("620fffff51"), &[0x50], 1),
        ),
        probe(
            "grow-twice",
            Feature::MemoryWord,
            repeated(&hex!("6207ffff5150" "620fffff51"), &[0x50], 1),
        ),
        long("mcopy-none", Feature::OpCopy, &hex!("5f5f5f5e"), 4_000),
        long("mcopy", Feature::MoveWord, &hex!("6180005f60205e"), 100),
        long("mcopy-odd", Feature::MoveWord, &hex!("6180005f60015e"), 100),
        long(
            "calldatacopy",
            Feature::CopyWord,
            &hex!("6180005f600137"),
            100,
        ),
        long(
            "codecopy",
            Feature::CopyWord,
            &hex!("6140006001600339"),
            100,
        ),
        long(
            "extcodecopy",
            Feature::CopyWord,
            &hex!("6140006001600330" "3c"),
            100,
        ),
        long("keccak-0", Feature::OpKeccak, &hex!("5f5f2050"), 3_000),
        long("keccak-32", Feature::OpKeccak, &hex!("60205f2050"), 3_000),
        long(
            "keccak-long",
            Feature::KeccakBlock,
            &hex!("6180005f2050"),
            100,
        ),
        long("log0-none", Feature::Log, &hex!("5f5fa0"), 1_000),
        long("log4-none", Feature::Log, &hex!("43434343" "5f5fa4"), 1_000),
        long("log0-long", Feature::LogWord, &hex!("6140005fa0"), 60),
    ]
}

/// `PUSH2 key` and `body` for so many keys, then `end`.
fn keyed(times: u16, body: &[u8], end: &[u8]) -> Vec<u8> {
    let code = (0..times).flat_map(|key| {
        let [high, low] = key.to_be_bytes();
        [&[0x61, high, low], body].concat()
    });
    code.chain(end.iter().copied()).collect()
}

fn state() -> Vec<Probe> {
    let keyed =
        |name: &str, about, times, body: &[u8]| probe(name, about, keyed(times, body, &[0x00]));
    let stop = stopping();
    let of = |code: u8| [&[0x73][..], stop.as_slice(), &[code, 0x50]].concat();
    vec![
        probe(
            "sload-warm",
            Feature::OpState,
            repeated(&[], &hex!("5f5450"), 3_000),
        ),
        keyed("sload-cold", Feature::LeafOpened, 2_000, &hex!("5450")),
        keyed("sstore-warm", Feature::OpStore, 2_000, &hex!("5f55")),
        keyed("sstore-cold", Feature::LeafWritten, 600, &hex!("8055")),
        keyed("tstore", Feature::OpTransient, 3_000, &hex!("805d")),
        keyed("tload", Feature::OpTransient, 3_000, &hex!("5c50")),
        probe("balance", Feature::OpState, repeated(&[], &of(0x31), 800)),
        probe(
            "extcodesize",
            Feature::OpState,
            repeated(&[], &of(0x3b), 800),
        ),
        probe(
            "extcodehash",
            Feature::OpState,
            repeated(&[], &of(0x3f), 800),
        ),
        probe(
            "selfbalance",
            Feature::OpState,
            repeated(&[], &hex!("4750"), 5_000),
        ),
        probe(
            "blockhash",
            Feature::OpState,
            repeated(&[], &hex!("60014303" "4050"), 3_000),
        ),
        keyed("balance-cold", Feature::LeafOpened, 2_000, &hex!("3150")),
    ]
}

fn frames() -> Vec<Probe> {
    let stop = stopping();
    let calls = |code: u8, values: usize| {
        let mut body = vec![0x5f; values];
        body.push(0x73);
        body.extend(stop.as_slice());
        body.extend([0x5a, code, 0x50]);
        repeated(&[], &body, 500)
    };
    let nobody = [&[0x5f; 5][..], &[0x73], &[0xee; 20], &[0x5a, 0xf1, 0x50]].concat();
    // Five bytes that leave 24,000 bytes of code: 615dc05ff3.
    let leaving = hex!("64615dc05ff35f52");
    vec![
        probe("staticcall", Feature::OpCall, calls(0xfa, 4)),
        probe("delegatecall", Feature::OpCall, calls(0xf4, 4)),
        probe("call", Feature::OpCall, calls(0xf1, 5)),
        probe("callcode", Feature::OpCall, calls(0xf2, 5)),
        probe("call-nobody", Feature::OpCall, repeated(&[], &nobody, 500)),
        probe(
            "create",
            Feature::OpCreate,
            repeated(&[], &hex!("5f5f5ff050"), 400),
        ),
        Probe {
            // A second transaction would meet what the first created.
            calls: 1,
            ..probe(
                "create2",
                Feature::OpCreate,
                repeated(&[], &hex!("5a5f5f5ff550"), 400),
            )
        },
        probe(
            "init-code",
            Feature::InitWord,
            repeated(&[], &hex!("61c0005f5ff050"), 50),
        ),
        probe(
            "deployed",
            Feature::DeployedWord,
            repeated(&leaving, &hex!("6005601b5ff050"), 3),
        ),
        probe(
            "code",
            Feature::CodeWord,
            [&[0x00][..], &[0x5b; 24_000]].concat(),
        ),
        probe(
            "code-pushes",
            Feature::CodeWord,
            [&[0x00][..], &[0x60; 24_000]].concat(),
        ),
    ]
}

fn envelope() -> Vec<Probe> {
    vec![
        Probe {
            input: vec![0xee; 100_000],
            ..probe("calldata", Feature::EnvelopeWord, vec![0x00])
        },
        Probe {
            calls: 100,
            ..probe("transactions", Feature::Transaction, vec![0x00])
        },
        Probe {
            calls: 100,
            per_block: 1,
            ..probe("blocks", Feature::Block, vec![0x00])
        },
        Probe {
            calls: 1,
            authorizations: 100,
            ..probe("authorizations", Feature::Signature, vec![0x00])
        },
        Probe {
            access: 1_000,
            ..probe("access-list", Feature::OpState, vec![0x00])
        },
    ]
}

/// Calls a precompile so many times with `input`.
fn precompile(name: &str, about: Feature, number: u16, input: Vec<u8>, times: usize) -> Probe {
    let [high, low] = number.to_be_bytes();
    let length = u16::try_from(input.len()).unwrap().to_be_bytes();
    let copy = [0x36, 0x5f, 0x5f, 0x37];
    let body = [
        0x5f, 0x5f, 0x61, length[0], length[1], 0x5f, 0x61, high, low, 0x5a, 0xfa, 0x50,
    ];
    Probe {
        input,
        // Costly enough, of little code.
        calls: 1,
        ..probe(name, about, repeated(&copy, &body, times))
    }
}

fn hashes() -> Vec<Probe> {
    let signature = {
        let person = Person::new(3);
        let hash = B256::repeat_byte(0xdd);
        let (signature, recovery) = person
            .key
            .sign_prehash_recoverable(hash.as_slice())
            .unwrap();
        let v = 27 + u8::from(recovery.is_y_odd());
        let bytes = signature.to_bytes();
        [hash.as_slice(), &[0; 31], &[v], &bytes].concat()
    };
    let mut blake = 200_000u32.to_be_bytes().to_vec();
    blake.extend([0xab; 208]);
    blake.push(1);
    vec![
        precompile("ecrecover", Feature::EcRecover, 1, signature, 10),
        precompile("sha256", Feature::Sha256Block, 2, vec![0xab; 32_000], 10),
        precompile("ripemd", Feature::RipemdBlock, 3, vec![0xab; 32_000], 3),
        precompile("identity-0", Feature::Precompile, 4, Vec::new(), 500),
        precompile("identity", Feature::CopyWord, 4, vec![0xab; 32_000], 10),
        precompile("blake2", Feature::Blake2Round, 9, blake, 1),
    ]
}

/// Modular exponentiation: lengths of base, exponent and modulus in bytes, and the modulus' last.
fn modexp() -> Vec<Probe> {
    let rows = [
        ("modexp-32", 32, 32, 32, 0xfd, 3),
        ("modexp-32-even", 32, 32, 32, 0xfc, 3),
        ("modexp-8", 8, 32, 8, 0xfd, 3),
        ("modexp-256", 256, 3, 256, 0xfd, 1),
        ("modexp-256-even", 256, 3, 256, 0xfc, 1),
        ("modexp-1-1", 1, 1, 1, 0xfd, 50),
        ("modexp-256-1", 256, 1, 256, 0xfd, 1),
        ("modexp-base", 1_024, 1, 32, 0xfd, 1),
    ];
    rows.map(|(name, base, exponent, modulus, last, times)| {
        let mut input = Vec::new();
        for length in [base, exponent, modulus] {
            input.extend(U256::from(length).to_be_bytes::<32>());
        }
        input.extend(vec![0xff; base + exponent]);
        input.extend(vec![0xfd; modulus - 1]);
        input.push(last);
        precompile(name, Feature::ModexpGas, 5, input, times)
    })
    .into()
}

const BN_G1: [u8; 64] = hex!(
    "0000000000000000000000000000000000000000000000000000000000000001"
    "0000000000000000000000000000000000000000000000000000000000000002"
);
const BN_G2: [u8; 128] = hex!(
    "198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2"
    "1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed"
    "090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b"
    "12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa"
);
const BLS_G1: [u8; 128] = hex!(
    "00000000000000000000000000000000"
    "17f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
    "00000000000000000000000000000000"
    "08b3f481e3aaa0f1a09e30ed741d8ae4fcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1"
);
const BLS_G2: [u8; 256] = hex!(
    "00000000000000000000000000000000"
    "024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8"
    "00000000000000000000000000000000"
    "13e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e"
    "00000000000000000000000000000000"
    "0ce5d527727d6e118cc9cdc6da2e351aadfd9baa8cbdd3a76d429a695160d12c923ac9cc3baca289e193548608b82801"
    "00000000000000000000000000000000"
    "0606c4a02ea734cc32acd2b02bc28b99cb3e287e85a763af267492ab572e99ab3f370d275cec1da1aaa9075ff05f79be"
);
const KZG: [u8; 192] = hex!(
    "01e798154708fe7789429634053cbf9f99b619f9f084048927333fce637f549b"
    "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000000"
    "1522a4a7f34e1ea350ae07c29c96c7e79655aa926122e95fe69fcbd932ca49e9"
    "8f59a8d2a1a625a17f3fea0fe5eb8c896db3764f3185481bc22f91b4aaffcca25f26936857bc3a7c2539ea8ec3a952b7"
    "a62ad71d14c5719385c0686f1871430475bf3a00f0aa3f7b8dd99a9abc2160744faf0070725e00b60ad9a026a15b1a8c"
);
const P256: [u8; 160] = hex!(
    "4cee90eb86eaa050036147a12d49004b6b9c72bd725d39d4785011fe190f0b4d"
    "a73bd4903f0ce3b639bbbf6e8e80d16931ff4bcf5993d58468e8fb19086e8cac"
    "36dbcd03009df8c59286b162af3bd7fcc0450c9aa81be5d10d312af6c66b1d60"
    "4aebd3099c618202fcfe16ae7770b0c49ab5eadf74b754204a3bb6060e44eff3"
    "7618b065f9832de4ca6ca971a7a1adc826d0f7c00181a5fb2ddf79ae00b4e10e"
);

fn curves() -> Vec<Probe> {
    let pair = [&BN_G1[..], &BN_G2].concat();
    let scaled = |point: &[u8]| [point, &[0xff; 32]].concat();
    let bls_pair = [&BLS_G1[..], &BLS_G2].concat();
    let field = || [&[0; 17][..], &[0x11; 47]].concat();
    vec![
        precompile("bn254-add", Feature::Bn254Add, 6, BN_G1.repeat(2), 10),
        precompile("bn254-mul", Feature::Bn254Mul, 7, scaled(&BN_G1), 2),
        precompile("bn254-pairing-1", Feature::Bn254Pairing, 8, pair.clone(), 1),
        precompile("bn254-pairing-3", Feature::Bn254Pair, 8, pair.repeat(3), 1),
        precompile("kzg", Feature::Kzg, 0x0a, KZG.to_vec(), 1),
        precompile("bls-g1-add", Feature::BlsG1Add, 0x0b, BLS_G1.repeat(2), 5),
        precompile(
            "bls-g1-msm-1",
            Feature::BlsG1Point,
            0x0c,
            scaled(&BLS_G1),
            1,
        ),
        precompile(
            "bls-g1-msm-4",
            Feature::BlsG1Point,
            0x0c,
            scaled(&BLS_G1).repeat(4),
            1,
        ),
        precompile("bls-g2-add", Feature::BlsG2Add, 0x0d, BLS_G2.repeat(2), 5),
        precompile(
            "bls-g2-msm-1",
            Feature::BlsG2Point,
            0x0e,
            scaled(&BLS_G2),
            1,
        ),
        precompile(
            "bls-g2-msm-4",
            Feature::BlsG2Point,
            0x0e,
            scaled(&BLS_G2).repeat(4),
            1,
        ),
        precompile(
            "bls-pairing-1",
            Feature::BlsPairing,
            0x0f,
            bls_pair.clone(),
            1,
        ),
        precompile(
            "bls-pairing-3",
            Feature::BlsPair,
            0x0f,
            bls_pair.repeat(3),
            1,
        ),
        precompile("bls-map-g1", Feature::BlsMapG1, 0x10, field(), 1),
        precompile("bls-map-g2", Feature::BlsMapG2, 0x11, field().repeat(2), 1),
        precompile("p256", Feature::P256Verify, 0x100, P256.to_vec(), 1),
    ]
}
