//! Hostile batches: an honest one of three blocks, changed in every way that the witness, the
//! headers, the blocks and the bytes allow. Each has the one class of refusal that it must get, or
//! must come to another batch hash, which does not continue the chain that Ethereum knows.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use anyhow::{Context as _, Result, ensure};
use cloister_crypto::state::leaf_key;
use cloister_state_tree::{LeafKey, Multiproof};
use cloister_stf::{
    BatchInput, BlockInput, GenesisAccount, GenesisAlloc, LeafValue, Opening, SealedBatch,
    genesis::{self, CONFIG_ADDRESS, config_key},
};
use cloister_types::{
    AccountValue, BatchHeader, BatchNumber, BlockHeader, BlockNumber, ChainConfig, Fork, Salt,
    StateKey,
};

use crate::{
    case::Comparison,
    chain::Chain,
    generate::programs,
    sign::{Person, transfers::Transfer},
    verdict::{Verdict, native},
};

mod bytes;
mod transactions;

/// Chain id of the scene.
pub(crate) const CHAIN: u64 = 2_718;
const START: u64 = 1_700_000_000;

/// Classes of refusal as in `cloister_stf::BatchError::class`.
mod class {
    pub(super) const INPUT: u32 = 10;
    pub(super) const FOREIGN_PREVIOUS: u32 = 11;
    pub(super) const NO_BLOCKS: u32 = 12;
    pub(super) const PATHS: u32 = 13;
    pub(super) const STATE_ROOT: u32 = 14;
    pub(super) const OPENING: u32 = 15;
    pub(super) const CODE_ORDER: u32 = 16;
    pub(super) const CONFIGURATION: u32 = 17;
    pub(super) const SEQUENCE: u32 = 18;
    pub(super) const TRANSACTION: u32 = 19;
    pub(super) const REJECTED: u32 = 20;
    pub(super) const BLOCK: u32 = 21;
    pub(super) const HEADER: u32 = 22;
    pub(super) const EXTRA_OPENING: u32 = 23;
    pub(super) const EXTRA_CODE: u32 = 24;
    pub(super) const SEAL: u32 = 25;
}

/// Paths that do not fit the keys, or lead to another root.
const PATHS_OR_ROOT: Expected = Expected::OneOf([class::PATHS, class::STATE_ROOT, class::PATHS]);

/// What must come of a hostile batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Refused with this class.
    Class(u32),
    /// Refused with one of these classes: which check sees it first depends on where it is.
    OneOf([u32; 3]),
    /// Valid, with another hash than the honest batch.
    OtherHash,
    /// Valid, with this hash.
    Hash(B256),
    /// Refused, or valid with another hash: bytes that the sequencer may choose freely.
    NotTheHonestHash,
}

/// A hostile batch.
#[derive(Clone, Debug)]
pub struct Attack {
    /// What it does.
    pub name: String,
    /// The encoded batch.
    pub input: Bytes,
    /// What must come of it.
    pub expected: Expected,
}

/// The honest batch and the chain that it stands on.
#[derive(Debug)]
pub struct Scene {
    chain: Chain,
    people: [Person; 3],
    store: Address,
    /// The honest batch.
    pub input: BatchInput,
    /// What the sequencer made of it.
    pub sealed: SealedBatch,
}

impl Attack {
    fn new(name: impl Into<String>, input: &BatchInput, expected: Expected) -> Self {
        Self {
            name: name.into(),
            input: input.encode().into(),
            expected,
        }
    }
}

impl Scene {
    /// A chain with two sealed batches, the second of three blocks over state of the first.
    ///
    /// # Errors
    /// When the chain cannot be built.
    pub fn new() -> Result<Self> {
        let config = ChainConfig::new(CHAIN);
        let person = |number| Person::new(B256::repeat_byte(number));
        let people = [person(1)?, person(2)?, person(3)?];
        let account = GenesisAccount {
            balance: U256::from(1_000_000_000_000_000_000_u64),
            ..GenesisAccount::default()
        };
        let alloc = people
            .iter()
            .map(|person| (person.address, account.clone()));
        let genesis = genesis::build(&config, START, &GenesisAlloc(alloc.collect()))?;
        let mut chain = Chain::start(config, &genesis)?;
        let [a, b, _] = &people;
        let store = a.address.create(0);
        let call = |nonce, slot, value| {
            let data = [U256::from(slot), U256::from(value)].map(|word| word.to_be_bytes::<32>());
            Transfer::new(nonce, Some(store))
                .data(data.concat())
                .sign(a)
        };
        chain.block_of(&[
            Transfer::new(0, None)
                .data(programs::store_deployer())
                .sign(a)?,
            Transfer::new(0, Some(Address::repeat_byte(0x31)))
                .value(5)
                .sign(b)?,
        ])?;
        chain.block_of(&[call(1, 1, 9)?])?;
        chain.seal()?;
        chain.block_of(&[call(2, 1, 8)?])?;
        chain.block_of(&[
            Transfer::new(1, Some(Address::repeat_byte(0x32)))
                .value(6)
                .sign(b)?,
            call(3, 2, 7)?,
        ])?;
        chain.block_of(&[Transfer::new(2, Some(a.address)).value(7).sign(b)?])?;
        let (input, sealed) = chain.seal()?;
        Ok(Self {
            chain,
            people,
            store,
            input,
            sealed,
        })
    }

    /// The honest batch's hash.
    #[must_use]
    pub fn hash(&self) -> B256 {
        self.sealed.header.hash()
    }

    /// The honest batch, changed.
    fn changed(
        &self,
        name: impl Into<String>,
        expected: Expected,
        change: impl FnOnce(&mut BatchInput),
    ) -> Attack {
        let mut input = self.input.clone();
        change(&mut input);
        Attack::new(name, &input, expected)
    }

    /// The batch with other witness entries, their openings and paths honest.
    fn with_keys(&self, change: impl FnOnce(&mut Vec<StateKey>)) -> Result<BatchInput> {
        let mut input = self.input.clone();
        let mut keys: Vec<StateKey> = input.witness.openings.iter().map(|(key, _)| *key).collect();
        change(&mut keys);
        keys.sort_by_key(leaf_key);
        let places: Vec<LeafKey> = keys.iter().map(|key| LeafKey(leaf_key(key))).collect();
        let batch = self.input.previous.number.0;
        input.witness.multiproof = self.chain.multiproof_at(batch, &places)?;
        let old = std::mem::take(&mut input.witness.openings);
        for key in keys {
            let known = old.iter().find(|(other, _)| *other == key);
            let opening = match known {
                Some((_, opening)) => *opening,
                None => self.chain.opening_of(&key)?,
            };
            input.witness.openings.push((key, opening));
        }
        Ok(input)
    }
}

/// Every attack, deterministic.
///
/// # Errors
/// When the scene cannot be built.
pub fn all(scene: &Scene) -> Result<Vec<Attack>> {
    let honest = Expected::Hash(scene.hash());
    let mut all = vec![Attack::new("the honest batch", &scene.input, honest)];
    all.extend(missing(scene)?);
    all.extend(too_much(scene)?);
    all.extend(false_openings(scene));
    all.extend(disorder(scene)?);
    all.extend(false_nodes(scene)?);
    all.extend(previous_headers(scene));
    all.extend(free_choices(scene));
    all.extend(other_rules(scene));
    all.extend(other_blocks(scene));
    all.extend(other_transactions(scene));
    all.extend(other_headers(scene));
    all.extend(transactions::all(scene)?);
    all.extend(bytes::all(scene)?);
    Ok(all)
}

/// How the native verdict compares with what must come of an attack.
#[must_use]
pub fn judge(attack: &Attack, honest: &B256, verdict: &Verdict) -> Comparison {
    let fits = match (attack.expected, verdict) {
        (Expected::Class(class), Verdict::Refused(refused)) => refused.class == class,
        (Expected::OneOf(classes), Verdict::Refused(refused)) => classes.contains(&refused.class),
        (Expected::Hash(hash), Verdict::Valid(got)) => *got == hash,
        (Expected::OtherHash | Expected::NotTheHonestHash, Verdict::Valid(got)) => got != honest,
        (Expected::NotTheHonestHash, Verdict::Refused(_)) => true,
        (Expected::Class(_) | Expected::OneOf(_), Verdict::Valid(_))
        | (Expected::Hash(_) | Expected::OtherHash, Verdict::Refused(_)) => false,
    };
    if fits {
        Comparison::Passed
    } else {
        Comparison::Failed(format!("{verdict}, but expected {:?}", attack.expected))
    }
}

/// The attacks with their native verdicts, ready for the guest.
///
/// # Errors
/// When the scene cannot be built.
pub fn judged() -> Result<Vec<(String, Comparison, Bytes, Verdict)>> {
    let scene = Scene::new()?;
    let honest = scene.hash();
    Ok(all(&scene)?
        .into_iter()
        .map(|attack| {
            let verdict = native(&attack.input);
            let comparison = judge(&attack, &honest, &verdict);
            (attack.name, comparison, attack.input, verdict)
        })
        .collect())
}

fn missing(scene: &Scene) -> Result<Vec<Attack>> {
    let mut all = Vec::new();
    for (key, _) in &scene.input.witness.openings {
        let class = match key {
            _ if *key == config_key() => class::CONFIGURATION,
            StateKey::Account(_) | StateKey::Storage(..) => class::BLOCK,
            StateKey::Activity(_) => class::SEAL,
        };
        let input = scene.with_keys(|keys| keys.retain(|other| other != key))?;
        all.push(Attack::new(
            format!("without {key:?}"),
            &input,
            Expected::Class(class),
        ));
        let cut = |input: &mut BatchInput| input.witness.openings.retain(|(other, _)| other != key);
        // What is absent, or at the end of another's path, may leave without a trace in the paths.
        let name = format!("without {key:?}, its path left");
        let expected = Expected::OneOf([class::PATHS, class::STATE_ROOT, class]);
        all.push(scene.changed(name, expected, cut));
    }
    for at in 0..scene.input.witness.codes.len() {
        let cut = |input: &mut BatchInput| drop(input.witness.codes.remove(at));
        all.push(scene.changed(
            format!("without code {at}"),
            Expected::Class(class::BLOCK),
            cut,
        ));
    }
    Ok(all)
}

fn too_much(scene: &Scene) -> Result<Vec<Attack>> {
    let untouched = scene.people[2].address;
    let mut all = Vec::new();
    for key in [
        StateKey::Account(untouched),
        StateKey::Account(CONFIG_ADDRESS),
        StateKey::Account(Address::repeat_byte(0x99)),
        StateKey::Storage(scene.store, B256::with_last_byte(42)),
        StateKey::Activity(untouched),
    ] {
        let input = scene.with_keys(|keys| keys.push(key))?;
        let expected = Expected::Class(class::EXTRA_OPENING);
        all.push(Attack::new(
            format!("with {key:?} too much"),
            &input,
            expected,
        ));
    }
    let name = "with a code too much";
    all.push(
        scene.changed(name, Expected::Class(class::EXTRA_CODE), |input| {
            input.witness.codes.push(Bytes::from_static(&[0xfe]));
            input.witness.codes.sort_by_key(|code| keccak256(code));
        }),
    );
    Ok(all)
}

/// Other values, salts and kinds for an opening.
fn lies(key: &StateKey, opening: Option<Opening>) -> Vec<Option<Opening>> {
    let nothing = Salt::from([0; 16]);
    let Some(Opening { salt, value }) = opening else {
        let value = match key {
            StateKey::Account(_) => LeafValue::Account(AccountValue::EMPTY),
            StateKey::Storage(..) => LeafValue::Storage(U256::from(1)),
            StateKey::Activity(_) => LeafValue::Activity(cloister_types::ActivityHead::default()),
        };
        let salt = nothing;
        return vec![Some(Opening { salt, value })];
    };
    let other = match value {
        LeafValue::Account(mut value) => {
            value.balance = value.balance.wrapping_add(U256::from(1));
            LeafValue::Account(value)
        }
        LeafValue::Storage(value) => LeafValue::Storage(value ^ U256::from(1)),
        LeafValue::Activity(mut value) => {
            value.count = value.count.wrapping_add(1);
            LeafValue::Activity(value)
        }
    };
    let mut bytes = *salt.as_bytes();
    bytes[3] ^= 1;
    let other_salt = Salt::from(bytes);
    vec![
        None,
        Some(Opening { salt, value: other }),
        Some(Opening {
            salt: other_salt,
            value,
        }),
    ]
}

fn false_openings(scene: &Scene) -> Vec<Attack> {
    let mut all = Vec::new();
    for (at, (key, opening)) in scene.input.witness.openings.iter().enumerate() {
        for (lie, opening) in lies(key, *opening).into_iter().enumerate() {
            let name = format!("lie {lie} about {key:?}");
            all.push(
                scene.changed(name, Expected::Class(class::OPENING), |input| {
                    if let Some((_, place)) = input.witness.openings.get_mut(at) {
                        *place = opening;
                    }
                }),
            );
        }
    }
    all
}

fn disorder(scene: &Scene) -> Result<Vec<Attack>> {
    let paths = Expected::Class(class::PATHS);
    let order = Expected::Class(class::CODE_ORDER);
    let first = scene.input.witness.openings.first().context("no opening")?;
    let code = scene.input.witness.codes.first().context("no code")?;
    ensure!(
        scene.input.witness.codes.len() > 1,
        "the scene needs two codes"
    );
    let places: Vec<LeafKey> = scene
        .input
        .witness
        .openings
        .iter()
        .map(|(key, _)| LeafKey(leaf_key(key)))
        .collect();
    let earlier = scene.chain.multiproof_at(0, &places)?;
    Ok(vec![
        scene.changed("two openings swapped", paths, |input| {
            input.witness.openings.swap(0, 1);
        }),
        scene.changed("an opening twice", paths, |input| {
            input.witness.openings.insert(0, *first);
        }),
        scene.changed("codes in another order", order, |input| {
            input.witness.codes.reverse();
        }),
        scene.changed("a code twice", order, |input| {
            input.witness.codes.insert(0, code.clone());
        }),
        scene.changed("paths of an earlier batch", PATHS_OR_ROOT, |input| {
            input.witness.multiproof = earlier;
        }),
    ])
}

/// Each hash of the paths changed in one bit, and tags changed.
fn false_nodes(scene: &Scene) -> Result<Vec<Attack>> {
    let honest = scene.input.witness.multiproof.encode();
    let tags = scene.input.witness.multiproof.node_count();
    let hashes = 9 + tags;
    let mut all = Vec::new();
    let flipped = |at: usize| -> Result<Multiproof> {
        let mut bytes = honest.clone();
        *bytes.get_mut(at).context("beyond the paths")? ^= 1;
        Ok(Multiproof::decode(&bytes)?)
    };
    for (number, at) in (hashes..honest.len()).step_by(32).enumerate() {
        let multiproof = flipped(at + 31)?;
        // A changed commitment of an opened leaf changes the root as a changed neighbour does; a
        // changed key of a neighbouring leaf may also leave its path.
        let expected = PATHS_OR_ROOT;
        all.push(
            scene.changed(format!("hash {number} of the paths"), expected, |input| {
                input.witness.multiproof = multiproof;
            }),
        );
    }
    for at in (9..hashes).step_by(7) {
        let multiproof = flipped(at)?;
        let expected = PATHS_OR_ROOT;
        let name = format!("tag {} of the paths", at - 9);
        all.push(scene.changed(name, expected, |input| {
            input.witness.multiproof = multiproof;
        }));
    }
    Ok(all)
}

fn previous_headers(scene: &Scene) -> Vec<Attack> {
    type Change = fn(&mut BatchHeader);
    let changes: [(&str, u32, Change); 8] = [
        ("state root", class::STATE_ROOT, |header| {
            header.state_root = B256::repeat_byte(1);
        }),
        ("chain", class::FOREIGN_PREVIOUS, |header| {
            header.chain_id = 1;
        }),
        ("last block", class::SEQUENCE, |header| {
            header.private.last_block = BlockNumber(7);
        }),
        ("no block left", class::SEQUENCE, |header| {
            header.private.last_block = BlockNumber(u64::MAX);
        }),
        ("last hash", class::SEQUENCE, |header| {
            header.private.last_block_hash = B256::ZERO;
        }),
        ("time", class::SEQUENCE, |header| {
            header.private.timestamp = u64::MAX;
        }),
        ("no batch left", class::SEAL, |header| {
            header.number = BatchNumber(u64::MAX);
        }),
        ("genesis' root", class::STATE_ROOT, |header| {
            header.state_root = header.private.state_root_before;
        }),
    ];
    changes
        .into_iter()
        .map(|(name, class, change)| {
            let name = format!("previous header with another {name}");
            scene.changed(name, Expected::Class(class), |input| {
                change(&mut input.previous);
            })
        })
        .collect()
}

/// What no check can tell from an honest choice changes the batch hash, which Ethereum compares.
fn free_choices(scene: &Scene) -> Vec<Attack> {
    let other = Expected::OtherHash;
    vec![
        scene.changed("another policy root", other, |input| {
            input.policy_root = B256::ZERO;
        }),
        scene.changed("another audit head", other, |input| {
            input.audit_head = B256::ZERO;
        }),
        scene.changed("another batch key", other, |input| {
            input.batch_key = cloister_crypto::BatchKey::new([1; 32]);
        }),
        scene.changed("previous header with another policy root", other, |input| {
            input.previous.private.policy_root = B256::ZERO;
        }),
        scene.changed("previous header with another predecessor", other, |input| {
            input.previous.previous_hash = B256::ZERO;
        }),
        scene.changed("previous header with another number", other, |input| {
            input.previous.number = BatchNumber(9);
        }),
        scene.changed(
            "previous header with another message root",
            other,
            |input| {
                input.previous.message_root = B256::repeat_byte(7);
            },
        ),
    ]
}

fn other_rules(scene: &Scene) -> Vec<Attack> {
    type Change = fn(&mut BatchInput);
    let changes: [(&str, Change); 4] = [
        ("fork", |input| input.config.fork = Fork::Prague),
        ("base fee", |input| input.config.base_fee_wei = 1),
        ("gas limit", |input| input.config.block_gas_limit = 1),
        ("chain id", |input| {
            input.config.chain_id = 1;
            input.previous.chain_id = 1;
        }),
    ];
    changes
        .into_iter()
        .map(|(name, change)| {
            let expected = Expected::Class(class::CONFIGURATION);
            scene.changed(format!("another {name} than at genesis"), expected, change)
        })
        .collect()
}

type ChangeBlocks = fn(&mut Vec<BlockInput>);

fn other_blocks(scene: &Scene) -> Vec<Attack> {
    let changes: [(&str, u32, ChangeBlocks); 7] = [
        ("a block replayed", class::SEQUENCE, |blocks| {
            blocks.splice(1..1, blocks.first().cloned());
        }),
        ("two blocks swapped", class::SEQUENCE, |blocks| {
            blocks.swap(0, 1);
        }),
        ("the first block dropped", class::SEQUENCE, |blocks| {
            blocks.remove(0);
        }),
        ("a middle block dropped", class::SEQUENCE, |blocks| {
            blocks.remove(1);
        }),
        ("the last block dropped", class::EXTRA_OPENING, |blocks| {
            blocks.pop();
        }),
        ("no block", class::NO_BLOCKS, Vec::clear),
        ("the last block replayed", class::SEQUENCE, |blocks| {
            blocks.extend(blocks.last().cloned());
        }),
    ];
    with_blocks(scene, &changes)
}

fn other_transactions(scene: &Scene) -> Vec<Attack> {
    let changes: [(&str, u32, ChangeBlocks); 4] = [
        ("a transaction dropped", class::HEADER, |blocks| {
            if let Some(last) = blocks.last_mut() {
                last.transactions.clear();
            }
        }),
        ("two transactions swapped", class::HEADER, |blocks| {
            if let [_, second, _] = blocks.as_mut_slice() {
                second.transactions.swap(0, 1);
            }
        }),
        ("a transaction replayed", class::REJECTED, |blocks| {
            if let Some(last) = blocks.last_mut() {
                last.transactions.extend(last.transactions.last().cloned());
            }
        }),
        ("a transaction moved on", class::HEADER, |blocks| {
            if let [_, second, third] = blocks.as_mut_slice() {
                let moved = second.transactions.remove(0);
                third.transactions.insert(0, moved);
            }
        }),
    ];
    with_blocks(scene, &changes)
}

fn with_blocks(scene: &Scene, changes: &[(&str, u32, ChangeBlocks)]) -> Vec<Attack> {
    changes
        .iter()
        .map(|(name, class, change)| {
            scene.changed(*name, Expected::Class(*class), |input| {
                change(&mut input.blocks);
            })
        })
        .collect()
}

fn other_headers(scene: &Scene) -> Vec<Attack> {
    type Change = fn(&mut BlockHeader);
    let (header, sequence) = (class::HEADER, class::SEQUENCE);
    let changes: [(&str, u32, Change); 11] = [
        ("gas used", header, |header| header.gas_used += 1),
        ("gas limit", header, |header| header.gas_limit += 1),
        ("base fee", header, |header| header.base_fee_wei += 1),
        ("randomness", header, |header| {
            header.prev_randao = B256::ZERO;
        }),
        ("transaction count", header, |header| {
            header.transaction_count += 1;
        }),
        ("transactions' hash", header, |header| {
            header.transactions_hash = B256::ZERO;
        }),
        ("chain", header, |header| header.chain_id += 1),
        ("number", sequence, |header| header.number = BlockNumber(99)),
        ("parent", sequence, |header| header.parent_hash = B256::ZERO),
        ("time", sequence, |header| header.timestamp = 1),
        ("gas used of nothing", header, |header| header.gas_used = 0),
    ];
    changes
        .into_iter()
        .map(|(name, class, change)| {
            let name = format!("last block with another {name}");
            scene.changed(name, Expected::Class(class), |input| {
                if let Some(last) = input.blocks.last_mut() {
                    change(&mut last.header);
                }
            })
        })
        .collect()
}
