//! A chain in memory: accounts with keys, state, tree, blocks and batches.

use std::collections::BTreeMap;

use alloy_consensus::{
    SignableTransaction, TxEip1559, TxEip2930, TxEip7702, TxLegacy,
    transaction::RlpEcdsaEncodableTx,
};
use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use cloister_crypto::{NativeCrypto, Salter, StateSecret, state::leaf_key};
use cloister_state_tree::{LeafKey, MemoryStore, Multiproof, Tree};
use cloister_stf::{
    BatchBuilder, BatchInput, BlockContext, BlockExecutor, BlockInput, BlockOutcome,
    ExecutedTransaction, GenesisAccount, GenesisAlloc, LeafValue, MemoryState, Opening,
    RecoveredTx, SealInputs, SealedBatch, StateReader, WitnessSource, build_witness,
    decode_and_recover, genesis, seal::prepare,
};
use cloister_types::{ActivityHead, BatchHeader, BatchNumber, BlockHeader, ChainConfig, StateKey};
use k256::ecdsa::SigningKey;

pub(crate) const CHAIN: u64 = 2_718;
pub(crate) const START: u64 = 1_700_000_000;
pub(crate) const ETHER: u128 = 1_000_000_000_000_000_000;

/// A key with its address.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) key: SigningKey,
    pub(crate) address: Address,
}

impl Person {
    pub(crate) fn new(number: u8) -> Self {
        let key = SigningKey::from_slice(&[number; 32]).unwrap();
        let address = Address::from_public_key(key.verifying_key());
        Self { key, address }
    }

    fn sign_digest(&self, digest: B256) -> Signature {
        let (signature, recovery) = self
            .key
            .sign_prehash_recoverable(digest.as_slice())
            .unwrap();
        Signature::from_signature_and_parity(signature, recovery.is_y_odd())
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "transactions are made on the spot"
    )]
    pub(crate) fn sign<T>(&self, tx: T) -> Bytes
    where
        T: SignableTransaction<Signature> + RlpEcdsaEncodableTx,
    {
        let signature = self.sign_digest(tx.signature_hash());
        Self::encode(&tx, &signature)
    }

    pub(crate) fn encode<T: RlpEcdsaEncodableTx>(tx: &T, signature: &Signature) -> Bytes {
        let mut out = Vec::new();
        tx.eip2718_encode(signature, &mut out);
        out.into()
    }

    pub(crate) fn signature<T: SignableTransaction<Signature>>(&self, tx: &T) -> Signature {
        self.sign_digest(tx.signature_hash())
    }

    pub(crate) fn authorize(&self, to: Address, nonce: u64) -> SignedAuthorization {
        let authorization = Authorization {
            chain_id: U256::from(CHAIN),
            address: to,
            nonce,
        };
        let signature = self.sign_digest(authorization.signature_hash());
        authorization.into_signed(signature)
    }
}

/// What most tests vary of an EIP-1559 transaction.
pub(crate) fn tx(
    nonce: u64,
    to: impl Into<Option<Address>>,
    value: u128,
    input: &[u8],
) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN,
        nonce,
        gas_limit: 2_000_000,
        max_fee_per_gas: 100,
        max_priority_fee_per_gas: 0,
        to: to.into().map_or(TxKind::Create, TxKind::Call),
        value: U256::from(value),
        access_list: alloy_eips::eip2930::AccessList::default(),
        input: input.to_vec().into(),
    }
}

pub(crate) fn legacy(nonce: u64, to: Address, value: u128) -> TxLegacy {
    TxLegacy {
        chain_id: Some(CHAIN),
        nonce,
        gas_price: 100,
        gas_limit: 50_000,
        to: TxKind::Call(to),
        value: U256::from(value),
        input: Bytes::new(),
    }
}

pub(crate) fn eip2930(nonce: u64, to: Address, slots: Vec<B256>, input: &[u8]) -> TxEip2930 {
    let item = alloy_eips::eip2930::AccessListItem {
        address: to,
        storage_keys: slots,
    };
    TxEip2930 {
        chain_id: CHAIN,
        nonce,
        gas_price: 100,
        gas_limit: 200_000,
        to: TxKind::Call(to),
        value: U256::ZERO,
        access_list: alloy_eips::eip2930::AccessList(vec![item]),
        input: input.to_vec().into(),
    }
}

pub(crate) fn eip7702(
    nonce: u64,
    to: Address,
    authorization_list: Vec<SignedAuthorization>,
    input: &[u8],
) -> TxEip7702 {
    TxEip7702 {
        chain_id: CHAIN,
        nonce,
        gas_limit: 500_000,
        max_fee_per_gas: 100,
        max_priority_fee_per_gas: 1,
        to,
        value: U256::ZERO,
        access_list: alloy_eips::eip2930::AccessList::default(),
        authorization_list,
        input: input.to_vec().into(),
    }
}

/// A sequencer in memory.
pub(crate) struct World {
    pub(crate) config: ChainConfig,
    pub(crate) people: Vec<Person>,
    pub(crate) state: MemoryState,
    pub(crate) head: BlockHeader,
    pub(crate) sealed: BatchHeader,
    pub(crate) salter: Salter,
    pub(crate) open: BatchBuilder,
    blocks: Vec<BlockInput>,
    pub(crate) outcomes: Vec<BlockOutcome>,
    /// State, activity chains and versions of leaves as of the last sealed batch.
    sealed_state: MemoryState,
    activity: BTreeMap<Address, ActivityHead>,
    versions: BTreeMap<StateKey, BatchNumber>,
    tree: Tree<MemoryStore>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(ChainConfig::new(CHAIN), BTreeMap::new())
    }

    pub(crate) fn with(config: ChainConfig, more: BTreeMap<Address, GenesisAccount>) -> Self {
        let people: Vec<Person> = (1..=4).map(Person::new).collect();
        let mut alloc = more;
        for person in &people {
            let account = GenesisAccount {
                balance: U256::from(ETHER),
                ..GenesisAccount::default()
            };
            alloc.insert(person.address, account);
        }
        let genesis = genesis::build(&config, START, &GenesisAlloc(alloc)).unwrap();
        let mut world = Self {
            config,
            people,
            state: MemoryState::from_genesis(&genesis),
            head: genesis.block,
            sealed: BatchHeader::default(),
            salter: Salter::new(&StateSecret::new([9; 32])),
            open: BatchBuilder::genesis(&genesis),
            blocks: Vec::new(),
            outcomes: Vec::new(),
            sealed_state: MemoryState::default(),
            activity: BTreeMap::new(),
            versions: BTreeMap::new(),
            tree: Tree::new(MemoryStore::new()),
        };
        world.commit(None);
        world
    }

    pub(crate) fn recover(&self, raw: &Bytes) -> RecoveredTx {
        decode_and_recover(raw, &self.config, &NativeCrypto).unwrap()
    }

    pub(crate) fn nonce(&self, person: usize) -> u64 {
        self.state
            .account(&self.people[person].address)
            .unwrap()
            .nonce
    }

    pub(crate) fn executor(&self) -> BlockExecutor<'_, MemoryState> {
        let context = BlockContext::child_of(&self.head, self.head.timestamp + 1);
        BlockExecutor::new(&self.config, context, &self.state).unwrap()
    }

    /// Executes a block of which every transaction must be includable.
    pub(crate) fn block(&mut self, raws: &[Bytes]) -> Vec<ExecutedTransaction> {
        let mut executor = self.executor();
        for raw in raws {
            executor.execute(&self.recover(raw)).unwrap();
        }
        let outcome = executor.finish();
        self.accept(outcome, raws.to_vec())
    }

    /// Makes an executed block the head.
    pub(crate) fn accept(
        &mut self,
        outcome: BlockOutcome,
        transactions: Vec<Bytes>,
    ) -> Vec<ExecutedTransaction> {
        self.open
            .absorb(&outcome.header, &outcome.transactions, &outcome.trace);
        self.state.apply(&outcome.trace);
        self.head = outcome.header;
        self.blocks.push(BlockInput {
            header: outcome.header,
            transactions,
        });
        let executed = outcome.transactions.clone();
        self.outcomes.push(outcome);
        executed
    }

    /// Seals the open batch; answers its input and what the sequencer made of it.
    pub(crate) fn seal(&mut self) -> (BatchInput, SealedBatch) {
        let number = self.sealed.number.next().unwrap();
        let input = BatchInput {
            config: self.config,
            previous: self.sealed,
            policy_root: B256::repeat_byte(0x63),
            audit_head: B256::repeat_byte(0x64),
            batch_key: self.salter.batch_key(number),
            blocks: std::mem::take(&mut self.blocks),
            witness: build_witness(&self.open, &*self).unwrap(),
        };
        (input, {
            let previous = self.sealed;
            self.commit(Some(&previous))
        })
    }

    fn commit(&mut self, previous: Option<&BatchHeader>) -> SealedBatch {
        let number = previous.map_or(BatchNumber::GENESIS, |header| header.number.next().unwrap());
        let (policy_root, audit_head) = match number {
            BatchNumber::GENESIS => (B256::repeat_byte(0x63), B256::ZERO),
            _ => (B256::repeat_byte(0x63), B256::repeat_byte(0x64)),
        };
        let salter = self.salter.batch(number);
        let inputs = SealInputs {
            config: &self.config,
            previous,
            policy_root,
            audit_head,
            salter: &salter,
        };
        let open = std::mem::take(&mut self.open);
        let prepared = prepare(&inputs, &open, |address| {
            Ok(self.activity.get(address).copied().unwrap_or_default())
        })
        .unwrap();
        let update = self
            .tree
            .update(number.0, &prepared.tree_changes())
            .unwrap();
        let sealed = prepared.seal(update.root());
        self.tree.store().insert(&update);
        self.tree.commit(update).unwrap();
        for leaf in &sealed.leaves {
            self.versions.insert(leaf.key, number);
            if let (StateKey::Activity(address), LeafValue::Activity(head)) = (leaf.key, leaf.value)
            {
                self.activity.insert(address, head);
            }
        }
        self.sealed = sealed.header;
        self.sealed_state = self.state.clone();
        sealed
    }

    pub(crate) fn multiproof_of(&self, keys: &[LeafKey], batch: u64) -> Multiproof {
        self.tree.multiproof(batch, keys).unwrap()
    }

    pub(crate) fn opening_of(&self, key: &StateKey) -> Option<Opening> {
        let version = *self.versions.get(key)?;
        let salt = self.salter.batch(version).leaf_salt(&leaf_key(key));
        let value = match key {
            StateKey::Account(address) => {
                LeafValue::Account(self.sealed_state.account(address).unwrap())
            }
            StateKey::Storage(address, slot) => {
                LeafValue::Storage(self.sealed_state.storage(address, &(*slot).into()).unwrap())
            }
            StateKey::Activity(address) => LeafValue::Activity(self.activity[address]),
        };
        Some(Opening { salt, value })
    }

    pub(crate) fn deployed(executed: &ExecutedTransaction) -> Address {
        assert!(executed.fields.succeeded, "{executed:?}");
        executed.fields.created.unwrap()
    }
}

impl WitnessSource for World {
    type Error = std::convert::Infallible;

    fn opening(&self, key: &StateKey, _: &LeafKey) -> Result<Option<Opening>, Self::Error> {
        Ok(self.opening_of(key))
    }

    fn code(&self, hash: &B256) -> Result<Bytes, Self::Error> {
        Ok(self.sealed_state.codes[hash].original_bytes())
    }

    fn multiproof(&self, keys: &[LeafKey]) -> Result<Multiproof, Self::Error> {
        Ok(self.multiproof_of(keys, self.sealed.number.0))
    }
}
