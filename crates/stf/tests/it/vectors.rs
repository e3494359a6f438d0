//! The frozen encodings, byte for byte, against files that `tests/vectors/generate.py` computed
//! with another implementation.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256, hex};
use cloister_crypto::{
    NativeCrypto, Salter, StateSecret, activity,
    audit::combined_head,
    state::{config_digest, leaf_commit, leaf_key},
};
use cloister_state_tree::{LeafCommit, LeafKey, MemoryStore, Tree};
use cloister_stf::{
    BatchBuilder, BatchInput, BlockContext, BlockExecutor, BlockInput, GenesisAccount,
    GenesisAlloc, MemoryState, Opening, SealInputs, SealedBatch, Witness, decode_and_recover,
    execute_batch, genesis, seal::prepare,
};
use cloister_types::{
    ActivityHead,
    ActivityKind::{Log, Transaction},
    BatchHeader, BatchNumber, BlockHeader, BlockNumber, ChainConfig, Field, LogRecord,
    PrivateHeader, Salt, StateKey, StateKind, TransactionFields, TransactionOpening,
    block::{prev_randao, transactions_hash},
    codec::Reader,
};
use serde_json::Value;

use crate::world::{CHAIN, Person, START, tx};

macro_rules! vectors {
    ($name:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!(
            "../../../../tests/vectors/",
            $name,
            ".json"
        )))
        .unwrap()
    };
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn b256(value: &Value) -> B256 {
    B256::from_slice(&bytes(value))
}

fn address(value: &Value) -> Address {
    Address::from_slice(&bytes(value))
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn small(value: &Value) -> u32 {
    number(value).try_into().unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn salter(vectors: &Value) -> Salter {
    Salter::new(&StateSecret::new(
        bytes(&vectors["secret"]).try_into().unwrap(),
    ))
}

fn batch_header(value: &Value) -> BatchHeader {
    let private = &value["private"];
    BatchHeader {
        chain_id: number(&value["chain_id"]),
        number: BatchNumber(number(&value["number"])),
        previous_hash: b256(&value["previous_hash"]),
        state_root: b256(&value["state_root"]),
        message_root: b256(&value["message_root"]),
        l1_message_count: number(&value["l1_message_count"]),
        l1_message_hash: b256(&value["l1_message_hash"]),
        private: PrivateHeader {
            state_root_before: b256(&private["state_root_before"]),
            transaction_root: b256(&private["transaction_root"]),
            transaction_count: small(&private["transaction_count"]),
            policy_root: b256(&private["policy_root"]),
            audit_head: b256(&private["audit_head"]),
            first_block: BlockNumber(number(&private["first_block"])),
            first_block_hash: b256(&private["first_block_hash"]),
            last_block: BlockNumber(number(&private["last_block"])),
            last_block_hash: b256(&private["last_block_hash"]),
            timestamp: number(&private["timestamp"]),
        },
    }
}

fn assert_batch_header(header: &BatchHeader, expected: &Value) {
    assert_eq!(*header, batch_header(expected));
    assert_eq!(
        header.private.encode(),
        bytes(&expected["private_encoding"])
    );
    assert_eq!(header.private_digest(), b256(&expected["private_digest"]));
    assert_eq!(
        header.public_encoding(),
        bytes(&expected["public_encoding"])
    );
    assert_eq!(header.encode(), bytes(&expected["encoding"]));
    assert_eq!(header.hash(), b256(&expected["hash"]));
    assert_eq!(
        BatchHeader::decode(&bytes(&expected["encoding"])),
        Ok(*header)
    );
}

#[test]
fn headers_match() {
    let vectors = vectors!("headers");
    let config = &vectors["config"];
    let ours = ChainConfig {
        chain_id: number(&config["chain_id"]),
        fork: config["fork"].as_str().unwrap().parse().unwrap(),
        block_gas_limit: number(&config["block_gas_limit"]),
        base_fee_wei: number(&config["base_fee_wei"]),
    };
    assert_eq!(ours.encode(), bytes(&config["encoding"]));
    assert_eq!(config_digest(&ours).to_vec(), bytes(&config["digest"]));

    let block = &vectors["block"];
    let hashes: Vec<B256> = list(&block["transaction_hashes"])
        .iter()
        .map(b256)
        .collect();
    let parent_hash = b256(&block["parent_hash"]);
    let ours = BlockHeader {
        chain_id: number(&block["chain_id"]),
        number: BlockNumber(number(&block["number"])),
        parent_hash,
        timestamp: number(&block["timestamp"]),
        beneficiary: address(&block["beneficiary"]),
        gas_limit: number(&block["gas_limit"]),
        gas_used: number(&block["gas_used"]),
        base_fee_wei: number(&block["base_fee_wei"]),
        prev_randao: prev_randao(&parent_hash),
        transaction_count: small(&block["transaction_count"]),
        transactions_hash: transactions_hash(&hashes),
    };
    assert_eq!(ours.encode(), bytes(&block["encoding"]));
    assert_eq!(ours.hash(), b256(&block["hash"]));

    assert_batch_header(&batch_header(&vectors["batch"]), &vectors["batch"]);

    let audit = &vectors["audit"];
    let ledgers: BTreeMap<String, (u64, B256)> = list(&audit["ledgers"])
        .iter()
        .map(|ledger| {
            let name = ledger["name"].as_str().unwrap().to_owned();
            (name, (number(&ledger["count"]), b256(&ledger["head"])))
        })
        .collect();
    assert_eq!(combined_head(&ledgers), b256(&audit["combined_head"]));
}

#[test]
fn leaves_and_trees_match() {
    let vectors = vectors!("state");
    let salter = salter(&vectors);
    for key in list(&vectors["batch_keys"]) {
        let ours = salter.batch_key(BatchNumber(number(&key["batch"])));
        assert_eq!(ours.expose().to_vec(), bytes(&key["key"]));
    }
    for leaf in list(&vectors["leaves"]) {
        let encoded = bytes(&leaf["key"]);
        let key = StateKey::read(&mut Reader::new("key", &encoded)).unwrap();
        assert_eq!(key.encode(), encoded);
        let place = leaf_key(&key);
        assert_eq!(place.to_vec(), bytes(&leaf["leaf_key"]));
        let salt = salter
            .batch(BatchNumber(number(&leaf["batch"])))
            .leaf_salt(&place);
        assert_eq!(salt.as_bytes().to_vec(), bytes(&leaf["salt"]));
        let commit = leaf_commit(key.kind(), &salt, &bytes(&leaf["value"]));
        assert_eq!(commit.to_vec(), bytes(&leaf["commit"]));
    }
    for expected in list(&vectors["trees"]) {
        let mut leaves: Vec<(LeafKey, LeafCommit)> = (0..small(&expected["count"]))
            .map(|i| {
                let commit = sha2_of(&u64::from(i).to_be_bytes());
                (LeafKey(sha2_of(&i.to_be_bytes())), LeafCommit(commit))
            })
            .collect();
        leaves.sort_unstable();
        let tree = Tree::new(MemoryStore::new());
        assert_eq!(
            tree.update(0, &leaves).unwrap().root().to_vec(),
            bytes(&expected["root"])
        );
    }
}

/// Plain SHA-256: the domain byte is the message's first.
fn sha2_of(message: &[u8]) -> [u8; 32] {
    let (first, rest) = message.split_first().unwrap();
    cloister_crypto::sha256(*first, &[rest])
}

fn transaction_fields(value: &Value) -> TransactionFields {
    let optional = |value: &Value| (!value.is_null()).then(|| address(value));
    TransactionFields {
        block_number: number(&value["block_number"]),
        index: small(&value["index"]),
        hash: b256(&value["hash"]),
        sender: address(&value["sender"]),
        to: optional(&value["to"]),
        created: optional(&value["created"]),
        value: U256::from(number(&value["value"])),
        input: bytes(&value["input"]).into(),
        succeeded: value["succeeded"].as_bool().unwrap(),
        gas_used: number(&value["gas_used"]),
        logs: list(&value["logs"])
            .iter()
            .map(|log| LogRecord {
                address: address(&log["address"]),
                topics: list(&log["topics"]).iter().map(b256).collect(),
                data: bytes(&log["data"]).into(),
            })
            .collect(),
    }
}

#[test]
fn transactions_and_activity_match() {
    let vectors = vectors!("transactions");
    let salter = salter(&vectors).batch(BatchNumber(number(&vectors["batch"])));
    let expected = &vectors["transaction"];
    let fields = transaction_fields(&expected["fields"]);
    let committed = activity::commit_transaction(&fields, &salter);
    assert_eq!(committed.leaf, b256(&expected["leaf"]));
    let logs: Vec<B256> = list(&expected["log_commitments"])
        .iter()
        .map(b256)
        .collect();
    assert_eq!(committed.logs, logs);
    let opening = activity::open_transaction(&fields, &salter);
    assert_eq!(opening.encode(), bytes(&expected["full_opening"]));
    let redacted = activity::redact(
        opening,
        |field| matches!(field, Field::Identity | Field::Target | Field::Logs),
        |log| log.index == 1,
    );
    let redacted_bytes = bytes(&expected["redacted_opening"]);
    assert_eq!(redacted.encode(), redacted_bytes);
    assert_eq!(
        TransactionOpening::decode(&redacted_bytes),
        Ok(redacted.clone())
    );
    assert_eq!(activity::opened_leaf(&redacted), Ok(committed.leaf));

    let creation = transaction_fields(&vectors["creation"]["fields"]);
    let leaf = activity::commit_transaction(&creation, &salter).leaf;
    assert_eq!(leaf, b256(&vectors["creation"]["leaf"]));

    for expected in list(&vectors["roots"]) {
        let count = small(&expected["count"]);
        let leaves: Vec<B256> = (0..count)
            .map(|i| B256::new(sha2_of(&i.to_be_bytes())))
            .collect();
        assert_eq!(activity::transaction_root(&leaves), b256(&expected["root"]));
        for (index, path) in list(&expected["paths"]).iter().enumerate() {
            let path: Vec<B256> = list(path).iter().map(b256).collect();
            assert_eq!(activity::transaction_path(&leaves, index), Some(path));
        }
    }

    let entries = [
        (Transaction, committed.leaf),
        (Log, logs[0]),
        (Log, logs[1]),
    ];
    let mut chain = ActivityHead::default();
    for ((kind, commitment), expected) in entries.into_iter().zip(list(&vectors["activity"])) {
        let entry = activity::activity_entry(kind, &commitment);
        assert_eq!(entry, b256(&expected["entry"]));
        chain = activity::append(&chain, &entry);
        assert_eq!(chain.head, b256(&expected["head"]));
    }
    assert_eq!(chain.count, 3);
}

/// Seals batches of a chain on which nobody has been active before.
struct Sealer {
    config: ChainConfig,
    salter: Salter,
    tree: Tree<MemoryStore>,
    policy_root: B256,
}

impl Sealer {
    fn seal(
        &self,
        batch: &BatchBuilder,
        previous: Option<&BatchHeader>,
        audit_head: B256,
    ) -> SealedBatch {
        let number = previous.map_or(BatchNumber(0), |header| header.number.next().unwrap());
        let inputs = SealInputs {
            config: &self.config,
            previous,
            policy_root: self.policy_root,
            audit_head,
            salter: &self.salter.batch(number),
        };
        let prepared = prepare(&inputs, batch, |_| Ok(ActivityHead::default())).unwrap();
        let update = self
            .tree
            .update(number.0, &prepared.tree_changes())
            .unwrap();
        let sealed = prepared.seal(update.root());
        self.tree.store().insert(&update);
        self.tree.commit(update).unwrap();
        sealed
    }
}

/// The whole way from genesis to the header of the first batch, against an implementation that has
/// no EVM and shares no code.
#[test]
fn a_chain_with_one_transfer_matches() {
    let vectors = vectors!("chain");
    let person = Person::new(0x46);
    assert_eq!(person.address, address(&vectors["sender"]));
    let receiver = address(&vectors["receiver"]);
    let mut transfer = tx(0, receiver, 100_000_000_000_000_000, &[]);
    (transfer.max_fee_per_gas, transfer.gas_limit) = (0, 21_000);
    let raw = person.sign(transfer);
    assert_eq!(raw.to_vec(), bytes(&vectors["raw_transaction"]), "{raw}");

    let config = ChainConfig::new(CHAIN);
    let account = GenesisAccount {
        balance: U256::from_be_slice(&bytes(&vectors["sender_balance"])),
        ..GenesisAccount::default()
    };
    let alloc = GenesisAlloc(BTreeMap::from([(person.address, account)]));
    let genesis = genesis::build(&config, START, &alloc).unwrap();
    let salter = salter(&vectors);
    let tree = Tree::new(MemoryStore::new());
    let policy_root = b256(&vectors["policy_root"]);
    let sealer = Sealer {
        config,
        salter,
        tree,
        policy_root,
    };
    let batch0 = sealer.seal(&BatchBuilder::genesis(&genesis), None, B256::ZERO);
    assert_batch_header(&batch0.header, &vectors["genesis"]);

    let state = MemoryState::from_genesis(&genesis);
    let context = BlockContext::child_of(&genesis.block, START + 2);
    let mut executor = BlockExecutor::new(&config, context, &state).unwrap();
    let recovered = decode_and_recover(&raw, &config, &NativeCrypto).unwrap();
    assert_eq!(*recovered.hash(), b256(&vectors["transaction_hash"]));
    executor.execute(&recovered).unwrap();
    let block = executor.finish();
    let hashes = [genesis.block.hash(), block.header.hash()];
    assert_eq!(hashes, [0, 1].map(|at| b256(&vectors["block_hashes"][at])));
    let mut batch = BatchBuilder::new();
    batch.absorb(&block.header, &block.transactions, &block.trace);
    let audit_head = b256(&vectors["audit_head"]);
    let batch1 = sealer.seal(&batch, Some(&batch0.header), audit_head);
    assert_batch_header(&batch1.header, &vectors["batch"]);

    let witness = witness_of(&batch, &batch0, &sealer.salter, &sealer.tree);
    let input = BatchInput {
        config,
        previous: batch0.header,
        policy_root,
        audit_head,
        batch_key: sealer.salter.batch_key(BatchNumber(1)),
        blocks: vec![BlockInput {
            header: block.header,
            transactions: vec![raw],
        }],
        witness,
    };
    let output = execute_batch(&input, &NativeCrypto).unwrap();
    assert_batch_header(output.header(), &vectors["batch"]);
    let encoded = input.encode();
    assert_eq!(encoded, bytes(&vectors["batch_input"]));
    assert_eq!(BatchInput::decode(&Bytes::from(encoded)), Ok(input));
}

fn witness_of(
    batch: &BatchBuilder,
    genesis: &SealedBatch,
    salter: &Salter,
    tree: &Tree<MemoryStore>,
) -> Witness {
    let mut keys: Vec<(LeafKey, StateKey)> = batch
        .witness_keys()
        .into_iter()
        .map(|key| (LeafKey(leaf_key(&key)), key))
        .collect();
    keys.sort_unstable();
    let salts = salter.batch(BatchNumber(0));
    let opening = |place: &LeafKey| {
        let leaf = genesis.leaves.iter().find(|leaf| leaf.leaf_key == *place)?;
        Some(Opening {
            salt: salts.leaf_salt(&place.0),
            value: leaf.value,
        })
    };
    let openings = keys
        .iter()
        .map(|(place, key)| (*key, opening(place)))
        .collect();
    let places: Vec<LeafKey> = keys.iter().map(|(place, _)| *place).collect();
    let codes = genesis_codes(batch);
    Witness {
        openings,
        codes,
        multiproof: tree.multiproof(0, &places).unwrap(),
    }
}

fn genesis_codes(batch: &BatchBuilder) -> Vec<Bytes> {
    // The block's system call runs the one contract of this genesis.
    assert_eq!(batch.witness_codes().len(), 1);
    vec![alloy_eips::eip2935::HISTORY_STORAGE_CODE.clone()]
}

/// Kinds and fields keep their numbers.
#[test]
fn numbers_of_kinds_and_fields_are_frozen() {
    assert_eq!(
        [StateKind::Account, StateKind::Storage, StateKind::Activity].map(StateKind::code),
        [1, 2, 3]
    );
    assert_eq!(Field::ALL.map(Field::code), [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(Salt::from([1; 16]).as_bytes(), &[1; 16]);
}
