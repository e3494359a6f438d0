//! Whatever is not a valid batch is refused, with the exact reason.

use alloy_primitives::{Address, B256, Bytes, Signature, U256};
use cloister_crypto::{NativeCrypto, SignatureError, provider::ORDER, state::leaf_key};
use cloister_state_tree::LeafKey;
use cloister_stf::{
    BatchError, BatchInput, BlockError, DecodeTxError, ExecuteError, LeafValue, Opening, SealError,
    SealedBatch, StateError, StateReader, TxRejected, execute_batch, execute_encoded,
    genesis::{CONFIG_ADDRESS, config_key},
};
use cloister_types::{BatchNumber, BlockNumber, ChainConfig, Salt, StateKey};
use proptest::prelude::*;

use crate::{
    codes,
    world::{CHAIN, Person, World, legacy, tx},
};

/// A chain with two sealed batches, the second of three blocks over state of the first.
struct Scene {
    world: World,
    input: BatchInput,
    sealed: SealedBatch,
    store: Address,
}

fn scene() -> Scene {
    let mut world = World::new();
    let (a, b) = (world.people[0].clone(), world.people[1].clone());
    let executed = world.block(&[
        a.sign(tx(0, None, 0, &codes::deployer(&codes::store()))),
        b.sign(legacy(0, Address::repeat_byte(0x31), 5)),
    ]);
    let store = World::deployed(&executed[0]);
    world.block(&[a.sign(tx(1, store, 0, &codes::store_call(1, 9, false)))]);
    world.seal();
    world.block(&[a.sign(tx(2, store, 0, &codes::store_call(1, 8, false)))]);
    world.block(&[
        b.sign(legacy(1, Address::repeat_byte(0x32), 6)),
        a.sign(legacy(3, store, 0)),
    ]);
    world.block(&[b.sign(legacy(2, a.address, 7))]);
    let (input, sealed) = world.seal();
    assert_eq!(
        execute_batch(&input, &NativeCrypto).unwrap().header(),
        &sealed.header
    );
    Scene {
        world,
        input,
        sealed,
        store,
    }
}

fn refusal(input: &BatchInput) -> BatchError {
    execute_batch(input, &NativeCrypto)
        .map(|output| *output.header())
        .unwrap_err()
}

/// Replaces the witness' entries by others, with honest openings and paths.
fn with_keys(scene: &Scene, change: impl FnOnce(&mut Vec<StateKey>)) -> BatchInput {
    let mut input = scene.input.clone();
    let mut keys: Vec<StateKey> = input.witness.openings.iter().map(|(key, _)| *key).collect();
    change(&mut keys);
    keys.sort_by_key(leaf_key);
    let old: std::collections::BTreeMap<_, _> = input.witness.openings.iter().copied().collect();
    let places: Vec<LeafKey> = keys.iter().map(|key| LeafKey(leaf_key(key))).collect();
    input.witness.multiproof = scene
        .world
        .multiproof_of(&places, scene.input.previous.number.0);
    input.witness.openings = keys
        .iter()
        .map(|key| (*key, old.get(key).copied().flatten()))
        .collect();
    input
}

fn change_opening(
    scene: &Scene,
    key: StateKey,
    change: impl FnOnce(&mut Option<Opening>),
) -> BatchInput {
    let mut input = scene.input.clone();
    let (_, opening) = input
        .witness
        .openings
        .iter_mut()
        .find(|(other, _)| *other == key)
        .unwrap();
    change(opening);
    input
}

/// SSTF-3.
#[test]
fn a_missing_entry_is_named() {
    let scene = scene();
    let mut missing_codes = 0;
    for (key, _) in &scene.input.witness.openings {
        let input = with_keys(&scene, |keys| keys.retain(|other| other != key));
        match refusal(&input) {
            BatchError::Block {
                source: BlockError::State(StateError::NotInWitness(named)),
                ..
            }
            | BatchError::Seal(SealError::State(StateError::NotInWitness(named))) => {
                assert_eq!(named, *key);
            }
            BatchError::Configuration => assert_eq!(*key, config_key()),
            other => panic!("without {key:?}: {other:?}"),
        }
    }
    for (at, code) in scene.input.witness.codes.iter().enumerate() {
        let mut input = scene.input.clone();
        input.witness.codes.remove(at);
        let hash = alloy_primitives::keccak256(code);
        let BatchError::Block {
            source: BlockError::State(StateError::CodeNotInWitness(named)),
            ..
        } = refusal(&input)
        else {
            panic!("code {hash} was not missed");
        };
        assert_eq!(named, hash);
        missing_codes += 1;
    }
    assert_eq!(missing_codes, 2);
}

/// SSTF-3.
#[test]
fn an_entry_too_many_is_named() {
    let scene = scene();
    let untouched = scene.world.people[3].address;
    for extra in [
        StateKey::Account(untouched),
        StateKey::Account(CONFIG_ADDRESS),
        StateKey::Storage(scene.store, B256::with_last_byte(42)),
        StateKey::Activity(untouched),
    ] {
        let mut input = with_keys(&scene, |keys| keys.push(extra));
        if extra.address() == &untouched || extra.address() == &CONFIG_ADDRESS {
            for (key, opening) in &mut input.witness.openings {
                if *key == extra {
                    *opening = scene.world.opening_of(key);
                }
            }
        }
        match refusal(&input) {
            BatchError::ExtraOpening(named) => assert_eq!(named, extra),
            other => panic!("{other:?}"),
        }
    }
    let mut input = scene.input.clone();
    let extra = Bytes::from_static(&[0xfe]);
    let hash = alloy_primitives::keccak256(&extra);
    input.witness.codes.push(extra);
    input
        .witness
        .codes
        .sort_by_key(|code| alloy_primitives::keccak256(code));
    assert!(matches!(refusal(&input), BatchError::ExtraCode(named) if named == hash));
}

/// SSTF-2.
#[test]
fn a_false_value_or_salt_is_named() {
    let scene = scene();
    let openings = scene.input.witness.openings.clone();
    assert!(openings.iter().any(|(_, opening)| opening.is_none()));
    for (key, opening) in openings {
        let lies: Vec<Option<Opening>> = match opening {
            // An entry that the tree does not have.
            None => vec![Some(Opening {
                salt: Salt::from([0; 16]),
                value: match key {
                    StateKey::Account(_) => LeafValue::Account(cloister_types::AccountValue::EMPTY),
                    StateKey::Storage(..) => LeafValue::Storage(U256::ZERO),
                    StateKey::Activity(_) => {
                        LeafValue::Activity(cloister_types::ActivityHead::default())
                    }
                },
            })],
            Some(Opening { salt, value }) => {
                let other = match value {
                    LeafValue::Account(mut value) => {
                        value.balance += U256::from(1);
                        LeafValue::Account(value)
                    }
                    LeafValue::Storage(value) => LeafValue::Storage(value ^ U256::from(1)),
                    LeafValue::Activity(mut value) => {
                        value.count += 1;
                        LeafValue::Activity(value)
                    }
                };
                let mut salt_bytes = *salt.as_bytes();
                salt_bytes[3] ^= 1;
                let wrong_kind = match value {
                    LeafValue::Account(_) => LeafValue::Storage(U256::ZERO),
                    LeafValue::Storage(_) | LeafValue::Activity(_) => {
                        LeafValue::Account(cloister_types::AccountValue::EMPTY)
                    }
                };
                vec![
                    None,
                    Some(Opening { salt, value: other }),
                    Some(Opening {
                        salt: Salt::from(salt_bytes),
                        value,
                    }),
                    Some(Opening {
                        salt,
                        value: wrong_kind,
                    }),
                ]
            }
        };
        for lie in lies {
            let input = change_opening(&scene, key, |opening| *opening = lie);
            match refusal(&input) {
                BatchError::Opening(named) => assert_eq!(named, key),
                other => panic!("{key:?} as {lie:?}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_witness_out_of_order_is_refused() {
    let scene = scene();
    let mut input = scene.input.clone();
    input.witness.openings.swap(0, 1);
    assert!(matches!(refusal(&input), BatchError::Paths(_)));
    let mut input = scene.input.clone();
    let twice = input.witness.openings[0];
    input.witness.openings.insert(0, twice);
    assert!(matches!(refusal(&input), BatchError::Paths(_)));
    let mut input = scene.input.clone();
    input.witness.codes.reverse();
    assert!(matches!(refusal(&input), BatchError::CodeOrder(1)));
    let mut input = scene.input.clone();
    let code = input.witness.codes[0].clone();
    input.witness.codes.insert(0, code);
    assert!(matches!(refusal(&input), BatchError::CodeOrder(1)));
}

#[test]
fn paths_of_another_state_are_refused() {
    let scene = scene();
    // The paths of the same entries in the tree one batch earlier.
    let mut input = scene.input.clone();
    let places: Vec<LeafKey> = input
        .witness
        .openings
        .iter()
        .map(|(key, _)| LeafKey(leaf_key(key)))
        .collect();
    input.witness.multiproof = scene.world.multiproof_of(&places, 0);
    match refusal(&input) {
        BatchError::StateRoot { expected, got } => {
            assert_eq!(expected, scene.input.previous.state_root);
            assert_ne!(got, expected);
        }
        BatchError::Paths(_) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn another_previous_header_is_refused_or_gives_another_hash() {
    let scene = scene();
    let with = |change: &dyn Fn(&mut cloister_types::BatchHeader)| {
        let mut input = scene.input.clone();
        change(&mut input.previous);
        input
    };
    assert!(matches!(
        refusal(&with(&|header| header.state_root = B256::repeat_byte(1))),
        BatchError::StateRoot { expected, .. } if expected == B256::repeat_byte(1)
    ));
    assert!(matches!(
        refusal(&with(&|header| header.chain_id = 1)),
        BatchError::ForeignPrevious {
            expected: CHAIN,
            got: 1
        }
    ));
    assert!(matches!(
        refusal(&with(&|header| header.private.last_block = BlockNumber(7))),
        BatchError::Sequence {
            field: "its number",
            ..
        }
    ));
    assert!(matches!(
        refusal(&with(&|header| header.private.last_block_hash = B256::ZERO)),
        BatchError::Sequence {
            field: "its parent hash",
            ..
        }
    ));
    assert!(matches!(
        refusal(&with(&|header| header.private.timestamp = u64::MAX)),
        BatchError::Sequence {
            field: "its timestamp",
            ..
        }
    ));
    assert!(matches!(
        refusal(&with(&|header| header.number = BatchNumber(u64::MAX))),
        BatchError::Seal(SealError::NumberOverflow(BatchNumber(u64::MAX)))
    ));
    assert!(matches!(
        refusal(&with(
            &|header| header.private.last_block = BlockNumber(u64::MAX)
        )),
        BatchError::Sequence {
            field: "its number",
            ..
        }
    ));
    // What cannot be told apart here makes another batch, which does not continue the chain that
    // Ethereum knows.
    for change in [
        (&|header: &mut cloister_types::BatchHeader| header.private.policy_root = B256::ZERO)
            as &dyn Fn(&mut cloister_types::BatchHeader),
        &|header| header.previous_hash = B256::ZERO,
        &|header| header.number = BatchNumber(9),
    ] {
        let output = execute_batch(&with(change), &NativeCrypto).unwrap();
        assert_ne!(
            output.header().previous_hash,
            scene.sealed.header.previous_hash
        );
    }
}

/// SSTF-2.
#[test]
fn blocks_replayed_reordered_or_left_out_are_refused() {
    let scene = scene();
    let with = |change: &dyn Fn(&mut Vec<cloister_stf::BlockInput>)| {
        let mut input = scene.input.clone();
        change(&mut input.blocks);
        refusal(&input)
    };
    let number = |error| match error {
        BatchError::Sequence {
            number,
            field: "its number",
        } => number,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        number(with(&|blocks| blocks.insert(1, blocks[0].clone()))),
        BlockNumber(3)
    );
    assert_eq!(number(with(&|blocks| blocks.swap(0, 1))), BlockNumber(4));
    assert_eq!(
        number(with(&|blocks| drop(blocks.remove(0)))),
        BlockNumber(4)
    );
    assert_eq!(
        number(with(&|blocks| drop(blocks.remove(1)))),
        BlockNumber(5)
    );
    assert!(matches!(
        with(&|blocks| blocks.clear()),
        BatchError::NoBlocks
    ));
    // Left out at the end, the batch touches less than the witness shows.
    assert!(matches!(
        with(&|blocks| drop(blocks.pop())),
        BatchError::ExtraOpening(_)
    ));
    assert!(matches!(
        with(&|blocks| blocks[1].header.timestamp = 1),
        BatchError::Sequence {
            number: BlockNumber(4),
            field: "its timestamp"
        }
    ));
    assert!(matches!(
        with(&|blocks| blocks[1].header.parent_hash = B256::ZERO),
        BatchError::Sequence {
            number: BlockNumber(4),
            field: "its parent hash"
        }
    ));
}

type Change = fn(&mut cloister_types::BlockHeader);

#[test]
fn a_header_that_execution_does_not_arrive_at_is_refused() {
    let scene = scene();
    let changes: [Change; 8] = [
        |header| header.gas_used += 1,
        |header| header.gas_limit += 1,
        |header| header.base_fee_wei += 1,
        |header| header.prev_randao = B256::ZERO,
        |header| header.transaction_count += 1,
        |header| header.transactions_hash = B256::ZERO,
        |header| header.chain_id += 1,
        |header| header.gas_used = 0,
    ];
    for change in changes {
        let mut input = scene.input.clone();
        let last = input.blocks.last_mut().unwrap();
        change(&mut last.header);
        let claimed = last.header;
        match refusal(&input) {
            BatchError::Header {
                claimed: named,
                executed,
            } => {
                assert_eq!(*named, claimed);
                assert_eq!(*executed, scene.input.blocks[2].header);
            }
            other => panic!("{other:?}"),
        }
    }
    // A transaction left out, swapped, or sent twice.
    let mut input = scene.input.clone();
    input.blocks[2].transactions.clear();
    assert!(matches!(refusal(&input), BatchError::Header { .. }));
    let mut input = scene.input.clone();
    input.blocks[1].transactions.swap(0, 1);
    assert!(matches!(refusal(&input), BatchError::Header { .. }));
    let mut input = scene.input.clone();
    let twice = input.blocks[2].transactions[0].clone();
    input.blocks[2].transactions.push(twice);
    assert!(matches!(
        refusal(&input),
        BatchError::Rejected {
            block: BlockNumber(5),
            index: 1,
            source: TxRejected::NonceTooLow {
                expected: 3,
                got: 2
            }
        }
    ));
}

/// SSTF-5.
#[test]
fn other_rules_than_at_genesis_are_refused() {
    let scene = scene();
    for config in [
        ChainConfig {
            fork: cloister_types::Fork::Prague,
            ..scene.input.config
        },
        ChainConfig {
            base_fee_wei: 1,
            ..scene.input.config
        },
        ChainConfig {
            block_gas_limit: 1,
            ..scene.input.config
        },
    ] {
        let input = BatchInput {
            config,
            ..scene.input.clone()
        };
        assert!(matches!(refusal(&input), BatchError::Configuration));
    }
    let mut input = scene.input.clone();
    input.config.chain_id = 1;
    input.previous.chain_id = 1;
    assert!(matches!(refusal(&input), BatchError::Configuration));
}

/// The scene's last transaction replaced by another.
fn with_transaction(scene: &Scene, raw: Bytes) -> BatchError {
    let mut input = scene.input.clone();
    input.blocks[2].transactions = vec![raw];
    refusal(&input)
}

#[test]
fn transactions_that_the_chain_does_not_take_are_refused() {
    let scene = scene();
    let b = &scene.world.people[1];
    let undecodable = |raw| match with_transaction(&scene, raw) {
        BatchError::Transaction {
            block: BlockNumber(5),
            index: 0,
            source,
        } => source,
        other => panic!("{other:?}"),
    };
    let good = tx(2, Address::ZERO, 0, &[]);
    let signature = b.signature(&good);
    let (r, s, odd) = (signature.r(), signature.s(), signature.v());
    assert_eq!(
        undecodable(Person::encode(&good, &Signature::new(r, ORDER - s, !odd))),
        DecodeTxError::Signature(SignatureError::HighS)
    );
    assert_eq!(
        undecodable(Person::encode(&good, &Signature::new(r, U256::ZERO, odd))),
        DecodeTxError::Signature(SignatureError::Invalid)
    );
    let mut foreign = good.clone();
    foreign.chain_id = 5;
    assert_eq!(
        undecodable(b.sign(foreign)),
        DecodeTxError::WrongChain {
            expected: CHAIN,
            got: 5
        }
    );
    assert_eq!(
        undecodable(Bytes::from_static(&[3, 0xc0])),
        DecodeTxError::Blob
    );
    let mut unprotected = legacy(2, Address::ZERO, 0);
    unprotected.chain_id = None;
    assert_eq!(
        undecodable(b.sign(unprotected)),
        DecodeTxError::NotReplayProtected
    );
}

#[test]
fn transactions_that_cannot_be_included_are_refused() {
    let scene = scene();
    let b = &scene.world.people[1];
    let to = scene.world.people[0].address;
    let rejected = |raw| match with_transaction(&scene, raw) {
        BatchError::Rejected {
            block: BlockNumber(5),
            index: 0,
            source,
        } => source,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        rejected(b.sign(legacy(3, to, 7))),
        TxRejected::NonceTooHigh {
            expected: 2,
            got: 3
        }
    );
    let mut starved = legacy(2, to, 7);
    starved.gas_limit = 20_000;
    assert_eq!(
        rejected(b.sign(starved)),
        TxRejected::IntrinsicGasTooLow {
            expected: 21_000,
            got: 20_000
        }
    );
    let mut overflowing = tx(2, to, 0, &[]);
    overflowing.value = U256::MAX;
    assert!(matches!(
        rejected(b.sign(overflowing)),
        TxRejected::InsufficientFunds {
            cost: U256::MAX,
            ..
        }
    ));
    let mut beyond = tx(2, to, 0, &[]);
    beyond.gas_limit = 16_777_217;
    assert_eq!(
        rejected(b.sign(beyond)),
        TxRejected::GasLimitAboveCap {
            limit: 16_777_216,
            got: 16_777_217
        }
    );
    assert!(matches!(
        rejected(b.sign(legacy(2, to, crate::world::ETHER))),
        TxRejected::InsufficientFunds { .. }
    ));
}

#[test]
fn an_input_cut_or_continued_anywhere_is_refused() {
    let scene = scene();
    let whole = Bytes::from(scene.input.encode());
    for end in 0..whole.len() {
        assert!(
            BatchInput::decode(&whole.slice(..end)).is_err(),
            "cut at {end}"
        );
    }
    let longer = Bytes::from([whole.as_ref(), &[0]].concat());
    assert!(BatchInput::decode(&longer).is_err());
    let mut other_version = whole.to_vec();
    other_version[0] = 2;
    assert!(BatchInput::decode(&other_version.into()).is_err());
}

#[test]
fn state_without_an_entry_is_an_error_and_not_zero() {
    let mut world = World::new();
    let raw = world.people[0].sign(tx(0, None, 0, &codes::deployer(&codes::store())));
    world.block(&[raw]);
    // A state that has lost its code.
    world.state.codes.clear();
    let executor = cloister_stf::BlockExecutor::new(
        &world.config,
        cloister_stf::BlockContext::child_of(&world.head, 0),
        &world.state,
    );
    assert!(matches!(
        executor.err(),
        Some(BlockError::State(StateError::CodeNotInWitness(_)))
    ));
    assert!(world.state.code(&B256::ZERO).is_err());
    let _: Option<ExecuteError> = None;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// SSTF-7. No change of any bytes makes another batch of the same number and previous hash valid,
    /// except where the input may choose: policy root, audit head and salts.
    #[test]
    fn changed_inputs_are_refused_and_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 1..=255u8), 1..3),
    ) {
        thread_local! {
            static SCENE: Scene = scene();
        }
        SCENE.with(|scene| {
            let mut bytes = scene.input.encode();
            for (at, change) in changes {
                let at = at.index(bytes.len());
                bytes[at] ^= change;
            }
            if let Ok(output) = execute_encoded(&bytes.into(), &NativeCrypto) {
                let (ours, sealed) = (output.header(), &scene.sealed.header);
                prop_assert_eq!(ours.private.state_root_before, sealed.private.state_root_before);
                prop_assert_eq!(ours.private.last_block, sealed.private.last_block);
            }
            Ok(())
        })?;
    }
}
