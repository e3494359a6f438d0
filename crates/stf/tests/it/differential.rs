//! The sequencer's native execution and the guest's execution over a witness agree.

use alloy_primitives::{Address, B256, Bytes, U256};
use cloister_crypto::NativeCrypto;
use cloister_stf::{
    BatchInput, BlockContext, BlockExecutor, BlockOutcome, ExecuteError, Meter, RecoveredTx,
    TxRejected, execute_batch, execute_encoded,
};
use cloister_types::{ChainConfig, Fork};
use proptest::prelude::*;

use crate::{
    codes,
    world::{CHAIN, World, eip2930, eip7702, legacy, tx},
};
use std::collections::BTreeMap;

/// Something that somebody does. Numbers pick people, contracts and slots modulo what there is.
#[derive(Clone, Debug)]
enum Act {
    Transfer {
        from: usize,
        to: usize,
        value: u8,
        legacy: bool,
    },
    ToNobody {
        from: usize,
        value: u8,
    },
    Deploy {
        from: usize,
        what: usize,
        value: u8,
    },
    Call {
        from: usize,
        contract: usize,
        slot: u8,
        value: u8,
        revert: bool,
        proxied: bool,
    },
    Listed {
        from: usize,
        contract: usize,
        slot: u8,
    },
    Create {
        from: usize,
        contract: usize,
        what: usize,
    },
    Delegate {
        from: usize,
        authority: usize,
        contract: usize,
        clear: bool,
        stale: bool,
    },
    CallDelegated {
        from: usize,
        authority: usize,
        slot: u8,
        value: u8,
    },
    NonceGap {
        from: usize,
    },
    TooDear {
        from: usize,
        contract: usize,
    },
    EndBlock {
        same_second: bool,
    },
    EndBatch,
}

fn act() -> impl Strategy<Value = Act> {
    let (a, b, small) = (any::<usize>, any::<usize>, 0..3u8);
    prop_oneof![
        4 => (a(), b(), any::<u8>(), any::<bool>())
            .prop_map(|(from, to, value, legacy)| Act::Transfer { from, to, value, legacy }),
        1 => (a(), small.clone()).prop_map(|(from, value)| Act::ToNobody { from, value }),
        4 => (a(), b(), small.clone())
            .prop_map(|(from, what, value)| Act::Deploy { from, what, value }),
        8 => (a(), b(), 0..3u8, small.clone(), any::<bool>(), any::<bool>()).prop_map(
            |(from, contract, slot, value, revert, proxied)| Act::Call {
                from, contract, slot, value, revert: revert && slot == 0, proxied
            }
        ),
        1 => (a(), b(), 0..3u8)
            .prop_map(|(from, contract, slot)| Act::Listed { from, contract, slot }),
        2 => (a(), b(), a()).prop_map(|(from, contract, what)| Act::Create { from, contract, what }),
        2 => (a(), b(), a(), any::<bool>(), any::<bool>()).prop_map(
            |(from, authority, contract, clear, stale)| Act::Delegate {
                from, authority, contract, clear, stale
            }
        ),
        2 => (a(), b(), 0..3u8, small).prop_map(
            |(from, authority, slot, value)| Act::CallDelegated { from, authority, slot, value }
        ),
        1 => a().prop_map(|from| Act::NonceGap { from }),
        1 => (a(), b()).prop_map(|(from, contract)| Act::TooDear { from, contract }),
        3 => any::<bool>().prop_map(|same_second| Act::EndBlock { same_second }),
        1 => Just(Act::EndBatch),
    ]
}

fn inits() -> [Vec<u8>; 7] {
    [
        codes::deployer(&codes::store()),
        codes::deployer(&codes::proxy()),
        codes::deployer(&codes::factory()),
        codes::deployer(&codes::observer()),
        codes::deployer(&codes::suicide()),
        codes::stillborn(),
        vec![0x60, 0xef, 0x5f, 0x53, 0x60, 1, 0x5f, 0xf3], // code that starts with 0xef: refused
    ]
}

/// The play's memory: what has been deployed, and what waits for the end of the block.
struct Play {
    world: World,
    contracts: Vec<Address>,
    nonces: BTreeMap<usize, u64>,
    beneficiary: Option<usize>,
    fee: u128,
}

impl Play {
    fn nonce(&self, person: usize) -> u64 {
        self.nonces
            .get(&person)
            .copied()
            .unwrap_or_else(|| self.world.nonce(person))
    }

    fn contract(&self, pick: usize) -> Address {
        let address = self
            .contracts
            .get(pick % self.contracts.len().max(1))
            .copied();
        address.unwrap_or(Address::repeat_byte(0x99))
    }

    fn person(&self, pick: usize) -> usize {
        pick % self.world.people.len()
    }

    fn address(&self, pick: usize) -> Address {
        self.world.people[self.person(pick)].address
    }

    /// The transaction of an act.
    fn transaction(&self, act: &Act) -> Option<Bytes> {
        Some(match *act {
            Act::Transfer {
                from,
                to,
                value,
                legacy: old,
            } => {
                let (to, value) = (self.address(to), u128::from(value));
                if old {
                    let from = self.person(from);
                    self.world.people[from].sign(legacy(self.nonce(from), to, value))
                } else {
                    self.sign(from, to, value, &[])
                }
            }
            Act::ToNobody { from, value } => {
                self.sign(from, Address::repeat_byte(0x70 + value), value.into(), &[])
            }
            Act::Deploy { from, what, value } => {
                let inits = inits();
                self.sign(from, None, value.into(), &inits[what % inits.len()])
            }
            Act::Call {
                from,
                contract,
                slot,
                value,
                revert,
                proxied,
            } => {
                let mut data = codes::store_call(slot, value, revert);
                if proxied {
                    let target = self.contract(contract / 7).into_word();
                    data = [target.as_slice(), &data].concat();
                }
                self.sign(from, self.contract(contract), 0, &data)
            }
            Act::Listed {
                from,
                contract,
                slot,
            } => {
                let (from, to) = (self.person(from), self.contract(contract));
                let slots = vec![B256::with_last_byte(slot), B256::with_last_byte(77)];
                let data = codes::store_call(slot, 1, false);
                self.world.people[from].sign(eip2930(self.nonce(from), to, slots, &data))
            }
            Act::Create {
                from,
                contract,
                what,
            } => {
                let inits = inits();
                self.sign(from, self.contract(contract), 0, &inits[what % inits.len()])
            }
            Act::Delegate { .. } => self.delegation(act)?,
            Act::CallDelegated { .. } | Act::NonceGap { .. } | Act::TooDear { .. } => {
                self.odd_transaction(act)?
            }
            Act::EndBlock { .. } | Act::EndBatch => return None,
        })
    }

    /// What uses a delegation, and what cannot be included.
    fn odd_transaction(&self, act: &Act) -> Option<Bytes> {
        Some(match *act {
            Act::CallDelegated {
                from,
                authority,
                slot,
                value,
            } => {
                let data = codes::store_call(slot, value, false);
                self.sign(from, self.address(authority), 0, &data)
            }
            Act::NonceGap { from } => {
                let from = self.person(from);
                let gap = tx(self.nonce(from) + 1, Address::ZERO, 0, &[]);
                self.world.people[from].sign(gap)
            }
            Act::TooDear { from, contract } => {
                self.sign(from, self.contract(contract), u128::MAX, &[])
            }
            _ => return None,
        })
    }

    fn delegation(&self, act: &Act) -> Option<Bytes> {
        let &Act::Delegate {
            from,
            authority,
            contract,
            clear,
            stale,
        } = act
        else {
            return None;
        };
        let (from, authority) = (self.person(from), self.person(authority));
        let own = u64::from(from == authority);
        let nonce = self.nonce(authority) + own + 5 * u64::from(stale);
        let target = if clear {
            Address::ZERO
        } else {
            self.contract(contract)
        };
        let list = vec![self.world.people[authority].authorize(target, nonce)];
        let data = codes::store_call(1, 2, false);
        let tx = eip7702(self.nonce(from), self.address(authority), list, &data);
        Some(self.world.people[from].sign(tx))
    }

    fn sign(&self, from: usize, to: impl Into<Option<Address>>, value: u128, data: &[u8]) -> Bytes {
        let from = self.person(from);
        let mut tx = tx(self.nonce(from), to, value, data);
        tx.max_priority_fee_per_gas = self.fee;
        self.world.people[from].sign(tx)
    }

    /// Ends the block: some of the transactions turn out not to be includable.
    fn end_block(&mut self, acts: &[Act], same_second: bool) {
        let later = u64::from(!same_second);
        let mut context =
            BlockContext::child_of(&self.world.head, self.world.head.timestamp + later);
        context.beneficiary = self
            .beneficiary
            .map_or(Address::ZERO, |pick| self.world.people[pick % 4].address);
        let mut included = Vec::new();
        let mut created = Vec::new();
        let outcome = {
            let (config, state) = (&self.world.config, &self.world.state);
            let mut executor = BlockExecutor::new(config, context, state).unwrap();
            let mut metered = BlockExecutor::metered(config, context, state).unwrap();
            self.nonces.clear();
            for act in acts {
                let people = self.world.people.len();
                for person in 0..people {
                    let address = self.world.people[person].address;
                    let nonce = executor_nonce(&executor, &self.world, &address);
                    self.nonces.insert(person, nonce);
                }
                let Some(raw) = self.transaction(act) else {
                    continue;
                };
                let recovered = self.world.recover(&raw);
                also_metered(&mut metered, &recovered);
                match executor.execute(&recovered) {
                    Ok(executed) => {
                        created.extend(executed.fields.created);
                        included.push(raw);
                    }
                    Err(ExecuteError::Rejected(_)) => {}
                    Err(ExecuteError::Block(error)) => panic!("{error:?}"),
                }
            }
            let outcome = executor.finish();
            assert_same(&metered.finish(), &outcome);
            outcome
        };
        self.nonces.clear();
        self.world.accept(outcome, included);
        self.contracts.extend(created);
    }
}

/// Executes a transaction as the sequencer does when it builds blocks: first one that is not taken.
fn also_metered(
    metered: &mut BlockExecutor<'_, cloister_stf::MemoryState, Meter>,
    tx: &RecoveredTx,
) {
    let refusal = || ExecuteError::Rejected(TxRejected::TooManyTransactions);
    assert!(metered.execute_if(tx, |_| Err(refusal())).is_err());
    match metered.execute_if(tx, |_| Ok::<(), ExecuteError>(())) {
        Ok(_) | Err(ExecuteError::Rejected(_)) => {}
        Err(ExecuteError::Block(error)) => panic!("{error:?}"),
    }
}

/// Blocks are built by revm's own interpreter and handler, and sealed by ours.
fn assert_same(metered: &BlockOutcome, plain: &BlockOutcome) {
    assert_eq!(metered.header, plain.header);
    assert_eq!(metered.transactions, plain.transactions);
    assert_eq!(metered.trace.accounts, plain.trace.accounts);
    assert_eq!(metered.trace.storage, plain.trace.storage);
    assert_eq!(metered.trace.accessed, plain.trace.accessed);
    assert_eq!(metered.trace.read_codes, plain.trace.read_codes);
    let codes = |outcome: &BlockOutcome| -> Vec<B256> {
        let created = outcome.trace.created_codes.iter();
        created.map(|(hash, _)| *hash).collect()
    };
    assert_eq!(codes(metered), codes(plain));
}

/// The nonce of an account within a block, from what its transactions did.
fn executor_nonce(
    executor: &BlockExecutor<'_, cloister_stf::MemoryState>,
    world: &World,
    address: &Address,
) -> u64 {
    let call = cloister_stf::StateReader::account(&world.state, address)
        .unwrap()
        .nonce;
    let sent = executor
        .transactions()
        .iter()
        .filter(|tx| tx.fields.sender == *address)
        .count();
    call + u64::try_from(sent).unwrap()
}

fn check(input: &BatchInput, sealed: &cloister_stf::SealedBatch) {
    let encoded = Bytes::from(input.encode());
    assert_eq!(BatchInput::decode(&encoded).as_ref(), Ok(input));
    let output = execute_encoded(&encoded, &NativeCrypto).unwrap();
    assert_eq!(output.header(), &sealed.header);
    let written: Vec<_> = output
        .writes
        .iter()
        .map(|(position, commit)| (input.witness.openings[*position].0, *commit))
        .collect();
    let expected: Vec<_> = sealed
        .leaves
        .iter()
        .map(|leaf| (leaf.key, leaf.commit))
        .collect();
    assert_eq!(written, expected);
    assert_eq!(output.transactions, sealed.transactions);
}

fn play(acts: &[Act], config: ChainConfig, beneficiary: Option<usize>, fee: u128) {
    let world = World::with(config, BTreeMap::new());
    let mut play = Play {
        world,
        contracts: Vec::new(),
        nonces: BTreeMap::new(),
        beneficiary,
        fee,
    };
    let mut waiting: Vec<Act> = Vec::new();
    for act in acts.iter().chain([&Act::EndBatch]) {
        match act {
            Act::EndBlock { same_second } => {
                play.end_block(&std::mem::take(&mut waiting), *same_second);
            }
            Act::EndBatch => {
                play.end_block(&std::mem::take(&mut waiting), false);
                let (input, sealed) = play.world.seal();
                check(&input, &sealed);
            }
            other => waiting.push(other.clone()),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// SSTF-2, SSTF-3, SSTF-4, SSTF-6.
    #[test]
    fn native_and_witness_execution_agree(
        acts in prop::collection::vec(act(), 1..60),
        base_fee_wei in prop_oneof![Just(0u64), Just(7)],
        prague: bool,
        beneficiary in prop::option::of(any::<usize>()),
        fee in prop_oneof![Just(0u128), Just(3)],
    ) {
        let fork = if prague { Fork::Prague } else { Fork::Osaka };
        let config = ChainConfig { base_fee_wei, fork, ..ChainConfig::new(CHAIN) };
        play(&acts, config, beneficiary, fee);
    }
}

/// What random plays may miss is here on purpose.
#[test]
fn a_play_of_everything_agrees() {
    let mut world = World::new();
    let person = |world: &World, who: usize| world.people[who].clone();
    let a = person(&world, 0);
    let deploy = |nonce, init: &[u8]| a.sign(tx(nonce, None, 0, init));
    let executed = world.block(&[
        deploy(0, &codes::deployer(&codes::store())),
        deploy(1, &codes::deployer(&codes::factory())),
        deploy(2, &codes::stillborn()),
        deploy(3, &codes::deployer(&codes::suicide())),
    ]);
    let [store, factory, _, suicide] = [0, 1, 2, 3].map(|at| executed[at].fields.created.unwrap());
    let (input, sealed) = world.seal();
    check(&input, &sealed);
    // Zero, nonzero, zero within one batch leaves no trace in the tree; across batches it does.
    let set = |nonce, value| a.sign(tx(nonce, store, 0, &codes::store_call(1, value, false)));
    world.block(&[set(4, 9)]);
    world.block(&[set(5, 0)]);
    let (input, sealed) = world.seal();
    check(&input, &sealed);
    let slot = cloister_types::StateKey::Storage(store, B256::with_last_byte(1));
    assert!(sealed.leaves.iter().all(|leaf| leaf.key != slot));
    assert!(input.witness.openings.contains(&(slot, None)));
    world.block(&[set(6, 9)]);
    let (input, sealed) = world.seal();
    check(&input, &sealed);
    world.block(&[set(7, 0)]);
    let (input, sealed) = world.seal();
    check(&input, &sealed);
    let leaf = sealed.leaves.iter().find(|leaf| leaf.key == slot).unwrap();
    assert_eq!(leaf.value, cloister_stf::LeafValue::Storage(U256::ZERO));
    // Nested creation, destruction after creation, delegation and its use in one batch.
    let init = codes::deployer(&codes::suicide());
    let b = person(&world, 1);
    world.block(&[
        a.sign(tx(8, factory, 5, &init)),
        a.sign(tx(9, factory, 0, &init)),
        a.sign(tx(10, suicide, 1_000, &[])),
        a.sign(eip7702(
            11,
            b.address,
            vec![b.authorize(store, 0)],
            &codes::store_call(3, 4, false),
        )),
        a.sign(tx(12, b.address, 0, &codes::store_call(3, 0, true))),
    ]);
    let (input, sealed) = world.seal();
    check(&input, &sealed);
    assert!(execute_batch(&input, &NativeCrypto).is_ok());
}
