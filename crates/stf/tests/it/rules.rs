//! The chain's rules for single transactions and blocks.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use cloister_stf::{
    BlockContext, BlockExecutor, CallRequest, CallStatus, ExecuteError, StateReader, TxRejected,
    call,
};
use cloister_types::{BlockNumber, ChainConfig, Fork, StateKey};
use std::collections::BTreeMap;

use crate::{
    codes,
    world::{CHAIN, ETHER, World, eip7702, legacy, tx},
};

fn rejection(world: &World, raw: &Bytes) -> TxRejected {
    let mut executor = world.executor();
    match executor.execute(&world.recover(raw)) {
        Err(ExecuteError::Rejected(reason)) => {
            assert!(executor.transactions().is_empty());
            reason
        }
        other => panic!("expected a rejection, got {other:?}"),
    }
}

#[test]
fn a_transfer_moves_value_and_costs_21000_gas() {
    let mut world = World::new();
    let (a, b) = (world.people[0].clone(), world.people[1].address);
    // The transaction offers 100 wei per gas, but a chain whose base fee is 0 is free of charge.
    let executed = world.block(&[a.sign(legacy(0, b, 5))]);
    assert_eq!(executed[0].fields.gas_used, 21_000);
    assert_eq!(executed[0].effective_gas_price, 0);
    assert_eq!(executed[0].concerned, {
        let mut both = vec![a.address, b];
        both.sort();
        both
    });
    let balance = |address| world.state.account(address).unwrap().balance;
    assert_eq!(balance(&b), U256::from(ETHER + 5));
    assert_eq!(balance(&a.address), U256::from(ETHER - 5));
    assert_eq!(balance(&Address::ZERO), U256::ZERO);
}

#[test]
fn the_base_fee_is_burnt_and_the_priority_fee_paid() {
    let config = ChainConfig {
        base_fee_wei: 7,
        ..ChainConfig::new(CHAIN)
    };
    let mut world = World::with(config, BTreeMap::new());
    let a = world.people[0].clone();
    let mut paying = tx(0, Address::repeat_byte(9), 0, &[]);
    paying.max_priority_fee_per_gas = 2;
    let mut context = BlockContext::child_of(&world.head, world.head.timestamp);
    context.beneficiary = Address::repeat_byte(0xbe);
    let raw = a.sign(paying);
    let mut executor = BlockExecutor::new(&world.config, context, &world.state).unwrap();
    let executed = executor.execute(&world.recover(&raw)).unwrap();
    assert_eq!(executed.effective_gas_price, 9);
    // The beneficiary's balance changed, but the transaction does not concern it.
    assert!(!executed.concerned.contains(&context.beneficiary));
    let outcome = executor.finish();
    world.accept(outcome, vec![raw]);
    let balance = |address| world.state.account(&address).unwrap().balance;
    assert_eq!(balance(context.beneficiary), U256::from(2 * 21_000));
    assert_eq!(balance(a.address), U256::from(ETHER - 9 * 21_000));
}

#[test]
fn a_fee_below_the_base_fee_is_refused() {
    let config = ChainConfig {
        base_fee_wei: 101,
        ..ChainConfig::new(CHAIN)
    };
    let world = World::with(config, BTreeMap::new());
    let raw = world.people[0].sign(tx(0, Address::ZERO, 0, &[]));
    assert_eq!(
        rejection(&world, &raw),
        TxRejected::FeeTooLow { base_fee_wei: 101 }
    );
}

#[test]
fn a_priority_fee_above_the_fee_is_refused() {
    let world = World::new();
    let mut odd = tx(0, Address::ZERO, 0, &[]);
    odd.max_priority_fee_per_gas = 101;
    assert_eq!(
        rejection(&world, &world.people[0].sign(odd)),
        TxRejected::PriorityFeeAboveMaxFee
    );
}

#[test]
fn nonces_have_no_gaps_and_are_used_once() {
    let mut world = World::new();
    let a = world.people[0].clone();
    let to = Address::repeat_byte(9);
    assert_eq!(
        rejection(&world, &a.sign(legacy(1, to, 0))),
        TxRejected::NonceTooHigh {
            expected: 0,
            got: 1
        }
    );
    world.block(&[a.sign(legacy(0, to, 0))]);
    assert_eq!(
        rejection(&world, &a.sign(legacy(0, to, 0))),
        TxRejected::NonceTooLow {
            expected: 1,
            got: 0
        }
    );
    assert_eq!(
        rejection(&world, &a.sign(legacy(u64::MAX, to, 0))),
        TxRejected::NonceOverflow
    );
}

#[test]
fn a_sender_who_cannot_pay_is_refused() {
    let charging = ChainConfig {
        base_fee_wei: 1,
        ..ChainConfig::new(CHAIN)
    };
    let world = World::with(charging, BTreeMap::new());
    let (a, to) = (&world.people[0], Address::repeat_byte(9));
    let cost = U256::from(ETHER) + U256::from(100 * 50_000);
    assert_eq!(
        rejection(&world, &a.sign(legacy(0, to, ETHER))),
        TxRejected::InsufficientFunds {
            cost,
            balance: U256::from(ETHER)
        }
    );
    let mut overflowing = tx(0, to, 0, &[]);
    overflowing.value = U256::MAX;
    assert_eq!(
        rejection(&world, &a.sign(overflowing)),
        TxRejected::CostOverflow
    );
}

#[test]
fn an_account_without_funds_transacts_on_a_chain_free_of_charge() {
    let mut world = World::new();
    let (a, to) = (world.people[0].clone(), world.people[1].address);
    world.block(&[a.sign(legacy(0, to, ETHER))]);
    // Nothing is left, and the transaction offers 100 wei per gas.
    let executed = world.block(&[a.sign(legacy(1, to, 0))]);
    assert!(executed[0].fields.succeeded);
    assert_eq!(
        rejection(&world, &a.sign(legacy(2, to, 1))),
        TxRejected::InsufficientFunds {
            cost: U256::from(1),
            balance: U256::ZERO
        }
    );
}

#[test]
fn gas_limits_are_held() {
    let config = ChainConfig {
        block_gas_limit: 20_000_000,
        ..ChainConfig::new(CHAIN)
    };
    let world = World::with(config, BTreeMap::new());
    let a = &world.people[0];
    let with_gas = |gas_limit| {
        let mut tx = tx(0, Address::repeat_byte(9), 0, &[1; 10]);
        tx.gas_limit = gas_limit;
        a.sign(tx)
    };
    // EIP-7623: ten nonzero bytes cost at least 10 × 40.
    assert_eq!(
        rejection(&world, &with_gas(20_999)),
        TxRejected::IntrinsicGasTooLow {
            expected: 21_160,
            got: 20_999
        }
    );
    assert_eq!(
        rejection(&world, &with_gas(21_399)),
        TxRejected::IntrinsicGasTooLow {
            expected: 21_400,
            got: 21_399
        }
    );
    assert_eq!(
        rejection(&world, &with_gas(20_000_001)),
        TxRejected::GasLimitAboveBlock {
            limit: 20_000_000,
            got: 20_000_001
        }
    );
    assert_eq!(
        rejection(&world, &with_gas(16_777_217)),
        TxRejected::GasLimitAboveCap {
            limit: 16_777_216,
            got: 16_777_217
        }
    );
    let prague = ChainConfig {
        fork: Fork::Prague,
        ..config
    };
    let mut world = World::with(prague, BTreeMap::new());
    assert_eq!(world.block(&[with_gas(16_777_217)]).len(), 1);
}

#[test]
fn a_full_block_refuses_what_fits_into_the_next() {
    let config = ChainConfig {
        block_gas_limit: 60_000,
        ..ChainConfig::new(CHAIN)
    };
    let world = World::with(config, BTreeMap::new());
    let a = &world.people[0];
    let raws = [
        a.sign(legacy(0, Address::ZERO, 0)),
        a.sign(legacy(1, Address::ZERO, 0)),
    ];
    let mut executor = world.executor();
    executor.execute(&world.recover(&raws[0])).unwrap();
    let refused = executor.execute(&world.recover(&raws[1]));
    assert!(matches!(
        refused,
        Err(ExecuteError::Rejected(TxRejected::BlockFull {
            left: 39_000,
            got: 50_000
        }))
    ));
}

/// SSTF-3.
#[test]
fn a_refused_transaction_leaves_no_trace() {
    let world = World::new();
    let empty = world.executor().finish();
    let mut executor = world.executor();
    let gap = world.people[0].sign(legacy(3, Address::repeat_byte(9), 0));
    assert!(executor.execute(&world.recover(&gap)).is_err());
    let outcome = executor.finish();
    assert_eq!(outcome.header, empty.header);
    assert_eq!(outcome.trace.accessed, empty.trace.accessed);
    assert_eq!(outcome.trace.accounts, empty.trace.accounts);
}

#[test]
fn code_over_the_limit_is_not_deployed() {
    let mut world = World::new();
    let a = world.people[0].clone();
    let with_code = |nonce, bytes: u32| {
        // PUSH3 length, PUSH0, RETURN
        let [_, x, y, z] = bytes.to_be_bytes();
        let mut tx = tx(nonce, None, 0, &[0x62, x, y, z, 0x5f, 0xf3]);
        tx.gas_limit = 10_000_000;
        a.sign(tx)
    };
    let executed = world.block(&[with_code(0, 24_576), with_code(1, 24_577)]);
    assert!(executed[0].fields.succeeded);
    assert!(!executed[1].fields.succeeded);
    assert_eq!(executed[1].fields.created, None);
    assert_eq!(
        executed[1].halt_reason.as_deref(),
        Some("create contract size limit")
    );
    let mut long = tx(2, None, 0, &vec![0; 49_153]);
    long.gas_limit = 10_000_000;
    assert_eq!(
        rejection(&world, &a.sign(long)),
        TxRejected::InitCodeTooLong
    );
}

#[test]
fn a_contract_cannot_send_transactions() {
    let person = crate::world::Person::new(77);
    let account = cloister_stf::GenesisAccount {
        balance: U256::from(ETHER),
        code: vec![0].into(),
        ..cloister_stf::GenesisAccount::default()
    };
    let world = World::with(
        ChainConfig::new(CHAIN),
        BTreeMap::from([(person.address, account)]),
    );
    assert_eq!(
        rejection(&world, &person.sign(legacy(1, Address::ZERO, 0))),
        TxRejected::SenderHasCode
    );
}

#[test]
fn an_authorization_list_must_not_be_empty() {
    let world = World::new();
    let raw = world.people[0].sign(eip7702(0, Address::ZERO, vec![], &[]));
    assert_eq!(rejection(&world, &raw), TxRejected::NoAuthorizations);
}

#[test]
fn a_delegated_account_runs_code_and_is_concerned() {
    let mut world = World::new();
    let (a, b) = (world.people[0].clone(), world.people[1].clone());
    let executed = world.block(&[a.sign(tx(0, None, 0, &codes::deployer(&codes::store())))]);
    let store = World::deployed(&executed[0]);
    let data = codes::store_call(5, 6, false);
    let bystander = Address::repeat_byte(0x44);
    let executed =
        world.block(&[a.sign(eip7702(1, bystander, vec![b.authorize(store, 0)], &data))]);
    assert!(executed[0].concerned.contains(&b.address));
    let executed = world.block(&[a.sign(tx(2, b.address, 0, &data))]);
    assert!(executed[0].fields.succeeded);
    assert_eq!(executed[0].fields.logs[0].address, b.address);
    assert_eq!(
        world.state.storage(&b.address, &U256::from(5)).unwrap(),
        U256::from(6)
    );
    assert_eq!(world.state.account(&b.address).unwrap().nonce, 1);
}

#[test]
fn a_failed_transaction_keeps_its_price_and_its_reason() {
    let mut world = World::new();
    let a = world.people[0].clone();
    let executed = world.block(&[a.sign(tx(0, None, 0, &codes::deployer(&codes::store())))]);
    let store = World::deployed(&executed[0]);
    let mut starved = tx(2, store, 0, &codes::store_call(1, 1, false));
    starved.gas_limit = 30_000;
    let executed = world.block(&[
        a.sign(tx(1, store, 0, &codes::store_call(1, 1, true))),
        a.sign(starved),
    ]);
    let [reverted, halted] = executed.as_slice() else {
        panic!("two transactions")
    };
    assert!(!reverted.fields.succeeded);
    assert_eq!(reverted.output.len(), 32);
    assert_eq!(reverted.halt_reason, None);
    assert!(reverted.fields.logs.is_empty());
    assert_eq!(halted.halt_reason.as_deref(), Some("out of gas"));
    assert_eq!(halted.fields.gas_used, 30_000);
    assert_eq!(
        halted.cumulative_gas_used,
        reverted.fields.gas_used + halted.fields.gas_used
    );
    assert_eq!(world.nonce(0), 3);
    assert_eq!(
        world.state.storage(&store, &U256::from(1)).unwrap(),
        U256::ZERO
    );
}

#[test]
fn blocks_see_the_hashes_of_their_ancestors() {
    let mut world = World::new();
    let a = world.people[0].clone();
    let executed = world.block(&[a.sign(tx(0, None, 0, &codes::deployer(&codes::observer())))]);
    let observer = World::deployed(&executed[0]);
    let parent = world.head.hash();
    let target = a.address.into_word();
    world.block(&[a.sign(tx(1, observer, 0, target.as_slice()))]);
    let slot = |slot: u64| world.state.storage(&observer, &U256::from(slot)).unwrap();
    assert_eq!(B256::from(slot(0)), parent);
    assert_eq!(B256::from(slot(3)), keccak256(parent));
    assert_eq!(slot(5), U256::from(world.head.timestamp));
    assert_eq!(slot(6), U256::from(1));
    assert_eq!(world.head.number, BlockNumber(2));
}

#[test]
fn logs_carry_a_bloom_and_concern_the_addresses_that_they_name() {
    let mut world = World::new();
    let a = world.people[0].clone();
    let executed = world.block(&[a.sign(tx(0, None, 0, &codes::deployer(&codes::store())))]);
    let store = World::deployed(&executed[0]);
    let executed = world.block(&[a.sign(tx(1, store, 0, &codes::store_call(1, 1, false)))]);
    let log = &executed[0].fields.logs[0];
    let bloom = executed[0].bloom();
    assert!(bloom.contains_raw_log(store, &log.topics));
    assert!(!bloom.contains_raw_log(Address::repeat_byte(1), &[]));
    let mut named = vec![store, a.address];
    named.sort();
    assert_eq!(cloister_stf::seal::log_addresses(log), named);
}

#[test]
fn small_topics_are_not_taken_for_addresses() {
    let log = |topics: Vec<U256>| cloister_types::LogRecord {
        address: Address::repeat_byte(1),
        topics: topics.into_iter().map(B256::from).collect(),
        data: Bytes::new(),
    };
    let just = vec![Address::repeat_byte(1)];
    let first = U256::from_be_bytes(Address::repeat_byte(7).into_word().0);
    assert_eq!(cloister_stf::seal::log_addresses(&log(vec![first])), just);
    let number = U256::from(0xffff);
    assert_eq!(
        cloister_stf::seal::log_addresses(&log(vec![U256::ZERO, number])),
        just
    );
    let beyond = U256::from(1) << 160;
    assert_eq!(
        cloister_stf::seal::log_addresses(&log(vec![U256::ZERO, beyond])),
        just
    );
    let address = U256::from(0x10000);
    assert_eq!(
        cloister_stf::seal::log_addresses(&log(vec![U256::ZERO, address])).len(),
        2
    );
}

#[test]
fn calls_change_nothing_and_skip_what_nodes_skip() {
    let mut world = World::new();
    let a = world.people[0].clone();
    let executed = world.block(&[a.sign(tx(0, None, 0, &codes::deployer(&codes::store())))]);
    let store = World::deployed(&executed[0]);
    let request = |from, flag| CallRequest {
        from,
        to: Some(store),
        input: codes::store_call(1, 2, flag).into(),
        ..CallRequest::default()
    };
    let before = world.state.clone();
    // The caller is a contract, has no money and no matching nonce.
    let outcome = call(
        &world.config,
        &world.head,
        &world.state,
        request(store, false),
    )
    .unwrap();
    assert_eq!(outcome.status, CallStatus::Succeeded);
    assert!(outcome.gas_used > 43_000);
    let outcome = call(
        &world.config,
        &world.head,
        &world.state,
        request(store, true),
    )
    .unwrap();
    assert_eq!(outcome.status, CallStatus::Reverted);
    assert_eq!(outcome.output.len(), 32);
    let starved = CallRequest {
        gas: 23_000,
        ..request(store, false)
    };
    let outcome = call(&world.config, &world.head, &world.state, starved).unwrap();
    assert_eq!(outcome.status, CallStatus::Halted);
    assert_eq!(
        outcome.halt_reason.as_deref(),
        Some("out of gas: reentrancy sentry")
    );
    assert_eq!(before.storage, world.state.storage);
    let rich = CallRequest {
        value: U256::from(1),
        ..request(Address::repeat_byte(3), false)
    };
    assert!(call(&world.config, &world.head, &world.state, rich).is_err());
}

#[test]
fn what_a_block_depends_on_is_recorded() {
    let world = World::new();
    let (a, to) = (&world.people[0], Address::repeat_byte(0x55));
    let mut executor = world.executor();
    executor
        .execute(&world.recover(&a.sign(legacy(0, to, 1))))
        .unwrap();
    let trace = executor.finish().trace;
    for address in [a.address, to] {
        assert!(trace.accessed.contains(&StateKey::Account(address)));
    }
    assert_eq!(trace.accounts.len(), 2); // sender, receiver; the beneficiary gets nothing
    assert_eq!(trace.storage.len(), 1); // the parent's hash
}
