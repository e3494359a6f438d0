//! Metering: that it counts what matters and changes nothing.

use alloy_primitives::{Address, B256, Bytes, hex};
use cloister_stf::{
    BlockContext, BlockExecutor, BlockOutcome, ExecuteError, Meter, Metered, StateReader,
    TxRejected,
    cost::{BatchMeter, COST_TABLES, Feature, Touched, Work, words},
    seal::log_addresses,
};

use crate::world::{World, eip2930, eip7702, tx};

fn metered(world: &World) -> BlockExecutor<'_, impl StateReader, Meter> {
    let context = BlockContext::child_of(&world.head, world.head.timestamp + 1);
    BlockExecutor::metered(&world.config, context, &world.state).unwrap()
}

/// Executes a block with a meter; answers what each transaction would cost, and the block.
fn run(world: &World, raws: &[Bytes]) -> (Vec<Metered>, BlockOutcome, Work) {
    let mut executor = metered(world);
    let mut costs = Vec::new();
    for raw in raws {
        executor
            .execute_if(&world.recover(raw), |metered| {
                costs.push(*metered);
                Ok::<(), ExecuteError>(())
            })
            .unwrap();
    }
    let work = *executor.work();
    (costs, executor.finish(), work)
}

/// Init code that leaves `runtime`.
fn deploying(runtime: &[u8]) -> Vec<u8> {
    let length = u16::try_from(runtime.len()).unwrap().to_be_bytes();
    let mut code = vec![0x61, length[0], length[1], 0x80, 0x60, 0x0a, 0x5f, 0x39];
    code.extend([0x5f, 0xf3]);
    code.extend(runtime);
    code
}

/// A world with `runtime` deployed by its first person.
fn with_contract(runtime: &[u8]) -> (World, Address) {
    let mut world = World::new();
    let raw = world.people[0].sign(tx(0, None, 0, &deploying(runtime)));
    let address = World::deployed(&world.block(&[raw])[0]);
    (world, address)
}

/// What a call of `runtime` costs.
fn calling(runtime: &[u8], input: &[u8]) -> Work {
    let (world, address) = with_contract(runtime);
    let raw = world.people[1].sign(tx(0, address, 0, input));
    let (costs, outcome, _) = run(&world, &[raw]);
    assert!(outcome.transactions[0].fields.succeeded);
    costs[0].work
}

fn variety(world: &World, contract: Address) -> Vec<Bytes> {
    let [first, second, third, _] = &world.people[..] else {
        panic!("four people")
    };
    let nonce = world.nonce(0);
    vec![
        first.sign(tx(nonce, second.address, 5, &[])),
        first.sign(tx(nonce + 1, contract, 0, &[7; 32])),
        second.sign(eip2930(0, contract, vec![B256::ZERO], &[8; 32])),
        third.sign(eip7702(
            0,
            contract,
            vec![second.authorize(contract, 1)],
            &[9; 32],
        )),
        // Runs out of gas, reverts, and deploys.
        first.sign(tx(nonce + 2, contract, 0, &[])),
        first.sign(tx(nonce + 3, None, 0, &deploying(&[0x5b; 100]))),
    ]
}

/// Stores its input at slot 0, logs and hashes it; reverts without input.
const BUSY: [u8; 29] =
    hex!("36600757" "5f5ffd" "5b" "5f35805f55" "5f52" "60205fa0" "60205f20" "50602a5f5500");

#[test]
fn a_metered_block_is_the_block_without_a_meter() {
    let (world, contract) = with_contract(&BUSY);
    let raws = variety(&world, contract);
    let mut plain = world.executor();
    for raw in &raws {
        plain.execute(&world.recover(raw)).unwrap();
    }
    let plain = plain.finish();
    let (_, outcome, _) = run(&world, &raws);
    assert_eq!(outcome.header, plain.header);
    assert_eq!(outcome.transactions, plain.transactions);
    assert_eq!(outcome.trace.accessed, plain.trace.accessed);
    assert_eq!(outcome.trace.accounts, plain.trace.accounts);
    assert_eq!(outcome.trace.storage, plain.trace.storage);
}

#[test]
fn a_transaction_that_is_not_accepted_leaves_no_trace() {
    let (world, contract) = with_contract(&BUSY);
    let raws = variety(&world, contract);
    let mut executor = metered(&world);
    let refused = executor
        .execute_if(&world.recover(&raws[2]), |_| {
            Err(ExecuteError::Rejected(TxRejected::TooManyTransactions))
        })
        .unwrap_err();
    assert!(matches!(
        refused,
        ExecuteError::Rejected(TxRejected::TooManyTransactions)
    ));
    assert_eq!(executor.transactions().len(), 0);
    assert_eq!(executor.gas_left(), world.config.block_gas_limit);
    assert_eq!(*executor.work(), Work::default().with(Feature::Block, 1));
    let empty = world.executor().finish();
    let outcome = executor.finish();
    assert_eq!(outcome.header, empty.header);
    assert_eq!(outcome.trace.accessed, empty.trace.accessed);
}

#[test]
fn counts_opcodes_and_what_their_operands_add() {
    // PUSH1 3, PUSH1 2, MUL, POP; 256 bytes hashed at offset 0; 2 ** 0xffff.
    let work = calling(
        &hex!("6003600202" "50" "6101005f20" "50" "61ffff60020a" "50" "00"),
        &[],
    );
    assert_eq!(work.count(Feature::OpMul), 1);
    assert_eq!(work.count(Feature::OpKeccak), 1);
    assert_eq!(work.count(Feature::KeccakBlock), 2);
    assert_eq!(work.count(Feature::MemoryWord), 8);
    assert_eq!(work.count(Feature::MemoryGrowth), 1);
    assert_eq!(work.count(Feature::OpExp), 1);
    assert_eq!(work.count(Feature::ExpByte), 2);
    assert_eq!(work.count(Feature::OpStack), 9);
    assert_eq!(work.count(Feature::OpEnd), 1);
    assert_eq!(work.count(Feature::Transaction), 1);
    assert_eq!(work.count(Feature::Signature), 1);
}

#[test]
fn an_opcode_that_runs_out_of_gas_adds_nothing_by_its_operands() {
    // Hashes 2^64 bytes.
    let (world, address) = with_contract(&hex!("67ffffffffffffffff5f2000"));
    let raw = world.people[1].sign(tx(0, address, 0, &[]));
    let (costs, outcome, _) = run(&world, &[raw]);
    assert!(!outcome.transactions[0].fields.succeeded);
    assert_eq!(costs[0].work.count(Feature::OpKeccak), 1);
    assert_eq!(costs[0].work.count(Feature::KeccakBlock), 0);
    assert_eq!(costs[0].work.count(Feature::MemoryWord), 0);
    assert_eq!(costs[0].work.count(Feature::MemoryGrowth), 0);
}

/// SSTF-11.
#[test]
fn counts_what_is_taken_back_with_the_frames_that_fail() {
    // Called by itself: SLOAD, TSTORE; then it reverts, unless there are call data.
    let inner = hex!("5f5450" "5f5f5d" "36601357" "5f5ffd" "5b00");
    let undone = |call: &[u8]| {
        let jump = u8::try_from(6 + inner.len()).unwrap();
        let mut code = vec![0x32, 0x33, 0x14, 0x60, jump, 0x57];
        code.extend(inner);
        code.push(0x5b);
        code.extend(call);
        let (world, address) = with_contract(&code);
        let raw = world.people[1].sign(tx(0, address, 0, &[]));
        run(&world, &[raw]).0[0].work.count(Feature::Undone)
    };
    // CALL of itself without call data, and with a byte of it.
    let (failing, succeeding) = (hex!("5f5f5f5f5f305af1"), hex!("5f5f60015f5f305af1"));
    assert_eq!(undone(&[&failing[..], &[0x00]].concat()), 2);
    assert_eq!(undone(&[&succeeding[..], &[0x00]].concat()), 0);
    // Around it a frame that fails: its own CALL, and what succeeded in it.
    assert_eq!(undone(&[&succeeding[..], &hex!("5f5ffd")].concat()), 4);
    assert_eq!(undone(&[&failing[..], &hex!("5f5ffd")].concat()), 4);
}

#[test]
fn counts_logs_that_stay() {
    // LOG2 of 33 bytes, and LOG0 of none.
    let work = calling(&hex!("5f5f60215fa2" "5f5fa0" "00"), &[]);
    assert_eq!(work.count(Feature::Log), 2);
    assert_eq!(work.count(Feature::LogTopic), 2);
    assert_eq!(work.count(Feature::LogWord), 2);
}

/// Calls a precompile with so many zero bytes and all gas.
fn precompile(number: u16, bytes: u16) -> Work {
    let [high, low] = number.to_be_bytes();
    let [more, less] = bytes.to_be_bytes();
    let code = [
        0x5f, 0x5f, 0x61, more, less, 0x5f, 0x61, high, low, 0x5a, 0xfa, 0x50, 0x00,
    ];
    calling(&code, &[])
}

#[test]
fn counts_precompiles_by_what_they_do() {
    let count = |number, bytes, feature| precompile(number, bytes).count(feature);
    assert_eq!(count(1, 128, Feature::EcRecover), 1);
    assert_eq!(count(2, 128, Feature::Sha256Block), 3);
    assert_eq!(count(3, 0, Feature::RipemdBlock), 1);
    assert_eq!(count(4, 64, Feature::CopyWord), 4);
    assert!(count(5, 96, Feature::ModexpGas) > 0);
    assert_eq!(count(6, 128, Feature::Bn254Add), 1);
    assert_eq!(count(7, 96, Feature::Bn254Mul), 1);
    let pairing = precompile(8, 2 * 192);
    assert_eq!(pairing.count(Feature::Bn254Pairing), 1);
    assert_eq!(pairing.count(Feature::Bn254Pair), 2);
    assert_eq!(count(0x0a, 192, Feature::Kzg), 1);
    assert_eq!(count(0x0b, 256, Feature::BlsG1Add), 1);
    assert_eq!(count(0x0c, 2 * 160, Feature::BlsG1Point), 2);
    assert_eq!(count(0x0d, 512, Feature::BlsG2Add), 1);
    assert_eq!(count(0x0e, 288, Feature::BlsG2Point), 1);
    assert_eq!(count(0x0f, 2 * 384, Feature::BlsPair), 2);
    assert_eq!(count(0x10, 64, Feature::BlsMapG1), 1);
    assert_eq!(count(0x11, 128, Feature::BlsMapG2), 1);
    assert_eq!(count(0x100, 160, Feature::P256Verify), 1);
    for number in (1..=0x11).chain([0x100]) {
        let work = precompile(number, 0);
        assert_eq!(work.count(Feature::Precompile), 1, "{number}");
        assert_eq!(work.count(Feature::OtherPrecompileGas), 0, "{number}");
    }
}

#[test]
fn a_leaf_counts_once_in_a_batch_however_many_blocks_touch_it() {
    let (mut world, contract) = with_contract(&BUSY);
    world.seal();
    let mut meter = BatchMeter::default();
    for nonce in 0..3 {
        let raw = world.people[1].sign(tx(nonce, contract, 0, &[7; 32]));
        let (_, outcome, work) = run(&world, std::slice::from_ref(&raw));
        absorb(&world, &mut meter, &work, &outcome);
        world.accept(outcome, vec![raw]);
    }
    let work = meter.work(100);
    let (input, _) = world.seal();
    let opened = u64::try_from(input.witness.openings.len()).unwrap();
    assert_eq!(work.count(Feature::LeafOpened), opened);
    assert_eq!(work.count(Feature::Block), 3);
    assert_eq!(work.count(Feature::Batch), 1);
    let code: u64 = input
        .witness
        .codes
        .iter()
        .map(|code| words(code.len()))
        .sum();
    assert_eq!(work.count(Feature::CodeWord), code);
}

fn absorb(world: &World, meter: &mut BatchMeter, work: &Work, outcome: &BlockOutcome) {
    let active = outcome.transactions.iter().flat_map(|one| {
        let logs = one.fields.logs.iter().flat_map(log_addresses);
        one.concerned.iter().copied().chain(logs)
    });
    meter.absorb(work, &outcome.trace, active, |hash| {
        world.state.code(hash).unwrap().original_bytes().len()
    });
}

#[test]
fn what_a_transaction_costs_alone_bounds_a_batch_of_it() {
    let (mut world, contract) = with_contract(&BUSY);
    world.seal();
    for table in COST_TABLES {
        for raw in variety(&world, contract) {
            let sender = world.recover(&raw);
            if world.state.account(sender.sender()).unwrap().nonce != sender.nonce() {
                continue;
            }
            let (costs, outcome, work) = run(&world, &[raw]);
            let mut meter = BatchMeter::default();
            absorb(&world, &mut meter, &work, &outcome);
            let batch = table.instructions(&meter.work(1_000));
            let alone = table.instructions(&costs[0].alone(1_000));
            assert!(alone >= batch, "{alone} {batch}");
        }
    }
}

#[test]
fn touching_more_leaves_costs_more() {
    let few = Touched {
        leaves: 10,
        written: 5,
        code_words: 1,
    };
    let more = Touched {
        leaves: 11,
        written: 6,
        ..few
    };
    let table = COST_TABLES.last().unwrap();
    assert!(table.instructions(&more.work(1_000)) > table.instructions(&few.work(1_000)));
}
