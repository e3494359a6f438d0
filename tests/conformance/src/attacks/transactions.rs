//! The scene's last transaction replaced by one that the chain does not take, and honest batches at
//! the edges.

use alloy_consensus::{SignableTransaction as _, TxEip1559};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use anyhow::Result;
use cloister_crypto::provider::ORDER;
use cloister_stf::{BatchInput, BlockContext, GenesisAccount, GenesisAlloc, genesis};
use cloister_types::ChainConfig;

use super::{Attack, CHAIN, Expected, START, Scene, class};
use crate::{
    chain::Chain,
    generate::programs,
    sign::{encode, transfers::Transfer},
};

pub(super) fn all(scene: &Scene) -> Result<Vec<Attack>> {
    let mut all = untakeable(scene)?;
    all.extend(rejected(scene)?);
    all.extend(edges(scene)?);
    Ok(all)
}

fn replaced(scene: &Scene, name: &str, class: u32, raw: Bytes) -> Attack {
    scene.changed(name, Expected::Class(class), |input| {
        if let Some(last) = input.blocks.last_mut() {
            last.transactions = vec![raw];
        }
    })
}

fn untakeable(scene: &Scene) -> Result<Vec<Attack>> {
    let b = &scene.people[1];
    let good = TxEip1559 {
        chain_id: CHAIN,
        nonce: 2,
        gas_limit: 100_000,
        max_fee_per_gas: 100,
        max_priority_fee_per_gas: 0,
        to: TxKind::Call(scene.people[0].address),
        value: U256::from(7),
        ..TxEip1559::default()
    };
    let signature = b.sign_digest(&good.signature_hash())?;
    let (r, s, odd) = (signature.r(), signature.s(), signature.v());
    let with = |r, s, odd| encode(&good, &Signature::new(r, s, odd));
    let foreign = TxEip1559 {
        chain_id: 5,
        ..good.clone()
    };
    let honest = b.sign(&good)?;
    let cut = honest.slice(..honest.len().saturating_sub(1));
    let longer = Bytes::from([honest.as_ref(), &[0]].concat());
    let raws = [
        ("a high-s signature", with(r, ORDER - s, !odd)),
        ("a signature with s of 0", with(r, U256::ZERO, odd)),
        ("a signature with r of 0", with(U256::ZERO, s, odd)),
        ("a signature with r of the order", with(ORDER, s, odd)),
        ("a signature of nobody", with(U256::from(5), s, odd)),
        ("a transaction of another chain", b.sign(&foreign)?),
        (
            "a transaction without chain",
            Transfer::new(2, Some(Address::ZERO)).sign_for(b, None)?,
        ),
        ("a blob transaction", Bytes::from_static(&[3, 0xc0])),
        (
            "a transaction of unknown type",
            Bytes::from_static(&[0x7f, 0xc0]),
        ),
        ("a transaction of no bytes", Bytes::new()),
        ("a transaction cut short", cut),
        ("a transaction with a byte more", longer),
    ];
    let class = class::TRANSACTION;
    let raws = raws.into_iter();
    let mut all: Vec<Attack> = raws
        .map(|(name, raw)| replaced(scene, name, class, raw))
        .collect();
    // A signature by somebody else is by somebody, whose account the witness does not show.
    let other = with(r, s, !odd);
    let name = "a signature of the other parity";
    all.push(replaced(scene, name, super::class::BLOCK, other));
    Ok(all)
}

fn rejected(scene: &Scene) -> Result<Vec<Attack>> {
    let b = &scene.people[1];
    let to = Some(scene.people[0].address);
    let make = |name: &str, tx: Transfer| -> Result<Attack> {
        Ok(replaced(scene, name, class::REJECTED, tx.sign(b)?))
    };
    Ok(vec![
        make("a nonce used before", Transfer::new(1, to))?,
        make("a nonce ahead", Transfer::new(3, to))?,
        make("the highest nonce", Transfer::new(u64::MAX, to))?,
        make("a gas limit one below", Transfer::new(2, to).gas(20_999))?,
        make(
            "a gas limit above the cap",
            Transfer::new(2, to).gas((1 << 24) + 1),
        )?,
        make(
            "a gas limit above the block",
            Transfer::new(2, to).gas(100_000_001),
        )?,
        make(
            "a value above the balance",
            Transfer::new(2, to).value(u64::MAX),
        )?,
        make(
            "a value of 256 bits",
            Transfer::new(2, to).whole_value(U256::MAX),
        )?,
        make(
            "init code above the limit",
            Transfer::new(2, None).data(vec![0; 49_153]).gas(5_000_000),
        )?,
    ])
}

type Sealed = (BatchInput, B256);

fn start(scene: &Scene, config: ChainConfig, more: &[(Address, GenesisAccount)]) -> Result<Chain> {
    let rich = GenesisAccount {
        balance: U256::from(1_000_000_000_000_000_000_u64),
        ..GenesisAccount::default()
    };
    let people = scene.people.iter();
    let people = people.map(|person| (person.address, rich.clone()));
    let alloc = GenesisAlloc(people.chain(more.iter().cloned()).collect());
    Chain::start(config, &genesis::build(&config, START, &alloc)?)
}

fn seal(mut chain: Chain) -> Result<Sealed> {
    let (input, sealed) = chain.seal()?;
    Ok((input, sealed.header.hash()))
}

/// A wei sent to an account that owns all that 256 bits can count, by a contract and by a person.
fn overflow(scene: &Scene) -> Result<Sealed> {
    let (giver, taker) = (Address::repeat_byte(0x66), Address::repeat_byte(0x77));
    let owner = GenesisAccount {
        balance: U256::MAX,
        ..GenesisAccount::default()
    };
    let sender = GenesisAccount {
        balance: U256::from(5),
        code: programs::sender(taker),
        ..GenesisAccount::default()
    };
    let config = ChainConfig::new(CHAIN);
    let mut chain = start(scene, config, &[(taker, owner), (giver, sender)])?;
    let [a, ..] = &scene.people;
    chain.block_of(&[
        Transfer::new(0, Some(giver)).sign(a)?,
        Transfer::new(1, Some(taker)).value(1).sign(a)?,
    ])?;
    seal(chain)
}

/// Batches that are valid, at the edge.
fn edges(scene: &Scene) -> Result<Vec<Attack>> {
    let mut all = Vec::new();
    let mut add = |name: &str, (input, hash): Sealed| {
        all.push(Attack::new(name, &input, Expected::Hash(hash)));
    };
    let config = ChainConfig::new(CHAIN);
    let [a, b, _] = &scene.people;
    let mut empty = start(scene, config, &[])?;
    empty.block_of(&[])?;
    add("a batch of one empty block", seal(empty)?);
    let mut still = start(scene, config, &[])?;
    let context = BlockContext::child_of(&still.head, still.head.timestamp);
    still.block(context, &[])?;
    add("a block at its parent's time", seal(still)?);
    let mut full = start(
        scene,
        ChainConfig {
            block_gas_limit: 42_000,
            ..config
        },
        &[],
    )?;
    full.block_of(&[
        Transfer::new(0, Some(b.address))
            .value(1)
            .gas(21_000)
            .sign(a)?,
        Transfer::new(0, Some(a.address))
            .value(1)
            .gas(21_000)
            .sign(b)?,
    ])?;
    add("a block full to the last gas", seal(full)?);
    add("a balance that would overflow", overflow(scene)?);
    let giver = Address::repeat_byte(0x66);
    let mut burnt = start(
        scene,
        config,
        &[(
            giver,
            GenesisAccount {
                code: programs::burner(),
                ..GenesisAccount::default()
            },
        )],
    )?;
    burnt.block_of(&[Transfer::new(0, Some(giver)).gas(1 << 20).sign(a)?])?;
    add("a contract that burns all gas", seal(burnt)?);
    let mut many = start(scene, config, &[])?;
    for nonce in 0..20 {
        many.block_of(&[Transfer::new(nonce, Some(b.address)).value(1).sign(a)?])?;
    }
    add("twenty blocks of one transaction", seal(many)?);
    Ok(all)
}
