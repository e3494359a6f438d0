//! Writes the encoded input of one batch, for the guest's benchmarks and tests.
//!
//! ```text
//! cargo run -p cloister-stf --example batch_input -- --kind erc20 --count 100 --code TOKEN OUT
//! ```
//!
//! `TOKEN` is the artefact of an OpenZeppelin ERC-20 with `mint` (`tests/contracts`). The chain has
//! 10,000 other accounts. The last line of standard output is the batch's hash.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a tool for development, which may end with a backtrace"
)]

#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../tests/it/world.rs"]
mod world;

use std::collections::BTreeMap;

use alloy_primitives::{Address, Bytes, U256, keccak256};
use cloister_stf::{GenesisAccount, execute_batch};
use cloister_types::ChainConfig;
use world::{CHAIN, ETHER, Person, World, tx};

/// People with keys; the first half pays the second.
const PEOPLE: usize = 200;
/// Other accounts, which give the tree its depth.
const OTHERS: u64 = 10_000;

struct Arguments {
    kind: String,
    count: usize,
    per_block: usize,
    code: Option<String>,
    out: String,
}

impl Arguments {
    fn parse() -> Self {
        let mut arguments = Self {
            kind: "eth".into(),
            count: 100,
            per_block: 25,
            code: None,
            out: String::new(),
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().expect("a value after the option");
            match word.as_str() {
                "--kind" => arguments.kind = value(),
                "--count" => arguments.count = value().parse().unwrap(),
                "--per-block" => arguments.per_block = value().parse().unwrap(),
                "--code" => arguments.code = Some(value()),
                _ => arguments.out = word,
            }
        }
        arguments
    }
}

fn main() {
    let arguments = Arguments::parse();
    let mut world = populated();
    let token = arguments.code.as_deref().map(creation_code);
    let address = token.as_ref().map(|code| deploy_and_mint(&mut world, code));
    world.seal();
    let raws = match arguments.kind.as_str() {
        "eth" => each(&world, arguments.count, payment),
        "erc20" => {
            let token = address.expect("--code");
            each(&world, arguments.count, |world, i| {
                transfer(world, token, i)
            })
        }
        "deploy" => {
            let code = token.expect("--code");
            each(&world, arguments.count, |_, _| (None, 0, code.clone()))
        }
        "mixed" => {
            let token = address.expect("--code");
            each(&world, arguments.count, |world, i| match i % 10 {
                0..4 => payment(world, i),
                _ => transfer(world, token, i),
            })
        }
        "empty" => Vec::new(),
        other => unreachable!("unknown kind `{other}`"),
    };
    if raws.is_empty() {
        world.block(&[]);
    }
    for block in raws.chunks(arguments.per_block) {
        for executed in world.block(block) {
            assert!(executed.fields.succeeded, "{executed:?}");
        }
    }
    let (input, sealed) = world.seal();
    let output = execute_batch(&input, &cloister_crypto::NativeCrypto).unwrap();
    assert_eq!(*output.header(), sealed.header);
    let leaves = input.witness.openings.len();
    let encoded = input.encode();
    println!("{} bytes, {leaves} leaves in the witness", encoded.len());
    std::fs::write(&arguments.out, encoded).unwrap();
    println!("{}", sealed.header.hash());
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
