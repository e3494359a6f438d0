//! Writes encoded inputs of batches, for the guest's benchmarks and tests.
//!
//! ```text
//! cargo run -p cloister-stf --example batch_input -- --code TOKEN --out DIR [KIND:COUNT …]
//! ```
//!
//! `TOKEN` is the artefact of an OpenZeppelin ERC-20 with `mint` (`tests/contracts`). The chain has
//! 10,000 other accounts. For each batch a file `KIND-COUNT.bin` is written and a JSON object printed,
//! with the number of leaves in its witness and its hash. Kinds:
//!
//! - `empty`: a block without transactions;
//! - `eth`, `erc20`, `deploy`: payments and transfers from 100 people to 100 others, the token's
//!   deployment;
//! - `eth-to-one`: payments from 100 people to one, which touch fewer leaves;
//! - `mixed`: four payments for six transfers;
//! - `recover`, `identity`: one transaction that calls that precompiled contract `COUNT` times with
//!   the 128 bytes of a signature.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a tool for development, which may end with a backtrace"
)]

#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../tests/it/world.rs"]
mod world;

use std::{collections::BTreeMap, path::PathBuf};

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use cloister_stf::{BatchInput, GenesisAccount, execute_batch};
use cloister_types::ChainConfig;
use world::{CHAIN, ETHER, Person, World, tx};

/// People with keys; the first half pays the second.
const PEOPLE: usize = 200;
/// Other accounts, which give the tree its depth.
const OTHERS: u64 = 10_000;

/// Transactions in a block.
const PER_BLOCK: usize = 25;

struct Arguments {
    code: String,
    out: PathBuf,
    batches: Vec<(String, usize)>,
}

impl Arguments {
    fn parse() -> Self {
        let (mut code, mut out, mut batches) = (None, None, Vec::new());
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--code" => code = words.next(),
                "--out" => out = words.next().map(PathBuf::from),
                batch => {
                    let (kind, count) = batch.split_once(':').expect("KIND:COUNT");
                    batches.push((kind.to_owned(), count.parse().expect("a count")));
                }
            }
        }
        Self {
            code: code.expect("--code TOKEN"),
            out: out.expect("--out DIR"),
            batches,
        }
    }
}

fn main() {
    let arguments = Arguments::parse();
    let token = creation_code(&arguments.code);
    std::fs::create_dir_all(&arguments.out).unwrap();
    for (kind, count) in &arguments.batches {
        let (input, hash) = batch(kind, *count, &token);
        let leaves = input.witness.openings.len();
        let path = arguments.out.join(format!("{kind}-{count}.bin"));
        std::fs::write(&path, input.encode()).unwrap();
        let description = serde_json::json!({
            "file": path, "kind": kind, "count": count, "leaves": leaves, "hash": hash,
        });
        println!("{description}");
    }
}

/// A batch of one kind, checked by executing it.
fn batch(kind: &str, count: usize, token: &[u8]) -> (BatchInput, B256) {
    let mut world = populated();
    let address = match kind {
        "erc20" | "mixed" => Some(deploy_and_mint(&mut world, token)),
        "recover" | "identity" => Some(deploy_caller(&mut world, count)),
        _ => None,
    };
    if address.is_some() {
        world.seal();
    }
    let to = || address.expect("a contract");
    let raws = match kind {
        "empty" => Vec::new(),
        "eth" => each(&world, count, payment),
        "eth-to-one" => each(&world, count, |world, _| payment(world, 0)),
        "erc20" => each(&world, count, |world, i| transfer(world, to(), i)),
        "deploy" => each(&world, count, |_, _| (None, 0, token.to_vec())),
        "mixed" => each(&world, count, |world, i| match i % 10 {
            0..4 => payment(world, i),
            _ => transfer(world, to(), i),
        }),
        "recover" => each(&world, 1, |_, _| (Some(to()), 0, signature(1))),
        "identity" => each(&world, 1, |_, _| (Some(to()), 0, signature(4))),
        other => panic!("unknown kind `{other}`"),
    };
    if raws.is_empty() {
        world.block(&[]);
    }
    for block in raws.chunks(PER_BLOCK) {
        for executed in world.block(block) {
            assert!(executed.fields.succeeded, "{executed:?}");
        }
    }
    let (input, sealed) = world.seal();
    let output = execute_batch(&input, &cloister_crypto::NativeCrypto).unwrap();
    assert_eq!(*output.header(), sealed.header);
    (input, sealed.header.hash())
}

/// Deploys a contract that gives its input's first 128 bytes to the precompiled contract that the
/// next word names, `times` times.
fn deploy_caller(world: &mut World, times: usize) -> Address {
    // calldatacopy(0, 0, 128)
    let mut code = vec![0x60, 0x80, 0x5f, 0x5f, 0x37];
    for _ in 0..times {
        // pop(staticcall(gas, calldataload(128), 0, 128, 0, 32))
        code.extend([
            0x60, 0x20, 0x5f, 0x60, 0x80, 0x5f, 0x60, 0x80, 0x35, 0x5a, 0xfa, 0x50,
        ]);
    }
    let length = u16::try_from(code.len()).unwrap().to_be_bytes();
    // codecopy(0, 12, length); return(0, length)
    let mut creation = vec![0x61, length[0], length[1], 0x60, 12, 0x5f, 0x39];
    creation.extend([0x61, length[0], length[1], 0x5f, 0xf3]);
    creation.extend(code);
    let raw = world.people[0].sign(tx(0, None, 0, &creation));
    World::deployed(&world.block(&[raw])[0])
}

/// A signature as the precompiled contract takes it, and which contract to give it to.
fn signature(precompile: u8) -> Vec<u8> {
    let hash = B256::repeat_byte(0xdd);
    let key = &Person::new(3).key;
    let (signature, recovery) = key.sign_prehash_recoverable(hash.as_slice()).unwrap();
    let v = 27 + u8::from(recovery.is_y_odd());
    let bytes = signature.to_bytes();
    [
        hash.as_slice(),
        &[0; 31],
        &[v],
        &bytes,
        &[0; 31],
        &[precompile],
    ]
    .concat()
}

fn populated() -> World {
    let account = |wei: u128| GenesisAccount {
        balance: U256::from(wei),
        ..GenesisAccount::default()
    };
    let mut alloc: BTreeMap<Address, GenesisAccount> = (0..OTHERS)
        .map(|i| (Address::from_word(keccak256(i.to_be_bytes())), account(1)))
        .collect();
    let people: Vec<Person> = (1..)
        .take(PEOPLE)
        .map(|number| Person::new(u8::try_from(number).unwrap()))
        .collect();
    alloc.extend(people.iter().map(|person| (person.address, account(ETHER))));
    let mut world = World::with(ChainConfig::new(CHAIN), alloc);
    world.people = people;
    world
}

/// Code that deploys the token, from the compiler's artefact.
fn creation_code(artifact: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(artifact).unwrap();
    let artifact: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut code = hex::decode(
        artifact["bytecode"]["object"]
            .as_str()
            .unwrap()
            .trim_start_matches("0x"),
    )
    .unwrap();
    // The constructor's two strings: offsets, then each with its length.
    for word in [64_u64, 128, 5] {
        code.extend_from_slice(&U256::from(word).to_be_bytes::<32>());
    }
    code.extend_from_slice(&padded(b"Bench"));
    code.extend_from_slice(&U256::from(3).to_be_bytes::<32>());
    code.extend_from_slice(&padded(b"BEN"));
    code
}

fn padded(text: &[u8]) -> [u8; 32] {
    let mut word = [0; 32];
    word[..text.len()].copy_from_slice(text);
    word
}

/// Deploys the token and gives everybody some.
fn deploy_and_mint(world: &mut World, code: &[u8]) -> Address {
    let raw = world.people[0].sign(tx(0, None, 0, code));
    let token = World::deployed(&world.block(&[raw])[0]);
    let mints: Vec<Bytes> = (1..)
        .zip(&world.people)
        .map(|(nonce, person)| {
            let input = call("mint(address,uint256)", person.address, 1_000_000_000);
            world.people[0].sign(tx(nonce, token, 0, &input))
        })
        .collect();
    for executed in world.block(&mints) {
        assert!(executed.fields.succeeded, "{executed:?}");
    }
    token
}

fn call(signature: &str, address: Address, amount: u64) -> Vec<u8> {
    let mut input = keccak256(signature)[..4].to_vec();
    input.extend_from_slice(address.into_word().as_slice());
    input.extend_from_slice(&U256::from(amount).to_be_bytes::<32>());
    input
}

/// Target, wei and input of a transaction.
type Call = (Option<Address>, u128, Vec<u8>);

/// Person `i` of the first half signs what `make` says.
fn each(world: &World, count: usize, make: impl Fn(&World, usize) -> Call) -> Vec<Bytes> {
    let senders = PEOPLE / 2;
    let mut nonces: Vec<u64> = (0..senders).map(|person| world.nonce(person)).collect();
    (0..count)
        .map(|i| {
            let (to, value, input) = make(world, i);
            let sender = i % senders;
            let nonce = nonces[sender];
            nonces[sender] += 1;
            world.people[sender].sign(tx(nonce, to, value, &input))
        })
        .collect()
}

fn receiver(world: &World, i: usize) -> Address {
    let half = PEOPLE / 2;
    world.people[half + i % half].address
}

fn payment(world: &World, i: usize) -> Call {
    (Some(receiver(world, i)), 1_000, Vec::new())
}

fn transfer(world: &World, token: Address, i: usize) -> Call {
    let input = call("transfer(address,uint256)", receiver(world, i), 1_000);
    (Some(token), 0, input)
}
