//! The course of a transaction: revm's, with single steps that come to the same in fewer
//! instructions of the guest.

use alloc::boxed::Box;
use core::marker::PhantomData;

use revm::{
    ExecuteEvm,
    context::{
        Block, Cfg, CfgEnv, ContextTr, JournalTr, Transaction, TxEnv,
        result::{EVMError, ExecResultAndState, ExecutionResult, HaltReason, InvalidTransaction},
        transaction::TransactionType,
    },
    context_interface::journaled_state::account::JournaledAccountTr,
    handler::{FrameResult, Handler, MainnetHandler, pre_execution},
    interpreter::InitialAndFloorGas,
    state::EvmState,
};

use crate::{
    block::{BlockState, Evm},
    state::StateError,
};

pub(crate) struct TransactionHandler<D, W>(PhantomData<(D, W)>);

impl<D, W> TransactionHandler<D, W> {
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<D: BlockState, W> Handler for TransactionHandler<D, W> {
    type Evm = Evm<D, W>;
    type Error = EVMError<StateError, InvalidTransaction>;
    type HaltReason = HaltReason;

    /// revm counts the zero bytes of the call data twice, in 64 bits.
    fn validate_initial_tx_gas(
        &self,
        evm: &mut Self::Evm,
    ) -> Result<InitialAndFloorGas, Self::Error> {
        let tx = evm.ctx.tx();
        let cfg = evm.ctx.cfg();
        let plain = tx.kind().is_call()
            && tx.access_list.is_empty()
            && tx.tx_type() != TransactionType::Eip7702;
        if !plain || cfg.is_eip7623_disabled() {
            return MainnetHandler::default().validate_initial_tx_gas(evm);
        }
        let params = cfg.gas_params();
        let zeros = zeros(tx.input());
        let others = tx.input().len().saturating_sub(zeros);
        let tokens = number(others)
            .saturating_mul(params.tx_token_non_zero_byte_multiplier())
            .saturating_add(number(zeros));
        let initial_gas = params
            .tx_base_stipend()
            .saturating_add(tokens.saturating_mul(params.tx_token_cost()));
        let gas_floor = params.tx_floor_cost_with_tokens(tokens);
        let gas_limit = tx.gas_limit();
        if initial_gas > gas_limit {
            return Err(InvalidTransaction::CallGasCostMoreThanGasLimit {
                initial_gas,
                gas_limit,
            }
            .into());
        }
        if gas_floor > gas_limit {
            return Err(InvalidTransaction::GasFloorMoreThanGasLimit {
                gas_floor,
                gas_limit,
            }
            .into());
        }
        Ok(InitialAndFloorGas::new(initial_gas, gas_floor))
    }

    /// For gas that costs nothing the caller needs no more than the value.
    fn validate_against_state_and_deduct_caller(
        &self,
        evm: &mut Self::Evm,
        gas: &mut InitialAndFloorGas,
    ) -> Result<(), Self::Error> {
        let (_, tx, cfg, journal, (), _) = evm.ctx.all_mut();
        if tx.max_fee_per_gas() != 0 || is_unusual(tx, cfg) {
            return MainnetHandler::default().validate_against_state_and_deduct_caller(evm, gas);
        }
        let mut caller = journal.load_account_with_code_mut(tx.caller())?.data;
        pre_execution::validate_account_nonce_and_code_with_components(
            &caller.account().info,
            tx,
            cfg,
        )?;
        let balance = *caller.balance();
        if balance < tx.value() {
            return Err(InvalidTransaction::LackOfFundForMaxFee {
                fee: Box::new(tx.value()),
                balance: Box::new(balance),
            }
            .into());
        }
        caller.touch();
        if tx.kind().is_call() {
            caller.bump_nonce();
        }
        Ok(())
    }

    /// Gas that costs nothing is not paid back. The caller has been touched when it was charged.
    fn reimburse_caller(
        &self,
        evm: &mut Self::Evm,
        exec_result: &mut FrameResult,
    ) -> Result<(), Self::Error> {
        let base_fee = u128::from(evm.ctx.block.basefee);
        if evm.ctx.tx().effective_gas_price(base_fee) == 0 {
            return Ok(());
        }
        MainnetHandler::default().reimburse_caller(evm, exec_result)
    }

    /// Who earns nothing is still touched.
    fn reward_beneficiary(
        &self,
        evm: &mut Self::Evm,
        exec_result: &mut FrameResult,
    ) -> Result<(), Self::Error> {
        let (block, tx, cfg, journal, (), _) = evm.ctx.all_mut();
        let base_fee = u128::from(block.basefee);
        if tx.effective_gas_price(base_fee) > base_fee || is_unusual(tx, cfg) {
            return MainnetHandler::default().reward_beneficiary(evm, exec_result);
        }
        journal.load_account_mut(block.beneficiary())?.touch();
        Ok(())
    }
}

/// Whether more than the price of gas decides what a transaction pays.
fn is_unusual(tx: &TxEnv, cfg: &CfgEnv) -> bool {
    tx.tx_type() == TransactionType::Eip4844
        || cfg.is_balance_check_disabled()
        || cfg.is_fee_charge_disabled()
}

/// Runs a transaction without an inspector.
pub(crate) fn transact<D: BlockState>(
    evm: &mut Evm<D>,
    tx: TxEnv,
) -> Result<ExecResultAndState<ExecutionResult, EvmState>, EVMError<StateError, InvalidTransaction>>
{
    evm.ctx.tx = tx;
    let result = TransactionHandler::new().run(evm);
    // In any case, because it empties the journal.
    let state = evm.finalize();
    Ok(ExecResultAndState::new(result?, state))
}

/// How many bytes are zero.
fn zeros(bytes: &[u8]) -> usize {
    let count = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| usize::from(*byte == 0))
            .sum::<usize>()
    };
    // Chunks of fixed length take no loop.
    let (chunks, rest) = bytes.as_chunks::<16>();
    let chunked: usize = chunks.iter().map(|chunk| count(chunk)).sum();
    chunked.saturating_add(count(rest))
}

fn number(index: usize) -> u64 {
    u64::try_from(index).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        MemoryState, block::evm, envelope::call_env, overlay::Overlay, rules, table::Seed,
    };
    use alloy_primitives::{Address, Bytes, TxKind, U256};
    use cloister_types::{AccountValue, BlockHeader, ChainConfig, Fork};
    use proptest::prelude::*;
    use revm::{
        bytecode::opcode as op,
        context::{
            TxEnv,
            transaction::{AccessList, AccessListItem},
        },
        handler::instructions::EthInstructions,
        state::Bytecode,
    };
    use std::{format, string::String, vec::Vec};

    type Ran = ExecResultAndState<ExecutionResult, EvmState>;

    const SENDER: Address = Address::repeat_byte(1);
    const CONTRACT: Address = Address::repeat_byte(2);

    fn state(stored: u64) -> MemoryState {
        // Stores the first three words of the call data in one slot, one after another, and returns
        // the first.
        let store = |word| [op::PUSH1, word, op::CALLDATALOAD, op::PUSH0, op::SSTORE];
        let answer = [op::PUSH0, op::CALLDATALOAD, op::PUSH0, op::MSTORE];
        let end = [op::PUSH1, 32, op::PUSH0, op::RETURN];
        let code = [store(0), store(32), store(64)].concat();
        let code = [code.as_slice(), &answer, &end].concat();
        let code = Bytecode::new_legacy(Bytes::from(code));
        let hash = code.hash_slow();
        let mut state = MemoryState::default();
        let sender = AccountValue {
            nonce: 4,
            balance: U256::from(50_000_000),
            ..AccountValue::EMPTY
        };
        let contract = AccountValue {
            nonce: 1,
            balance: U256::ZERO,
            code_hash: hash,
        };
        state
            .accounts
            .extend([(SENDER, sender), (CONTRACT, contract)]);
        state.codes.insert(hash, code);
        if stored > 0 {
            let slot = (CONTRACT, U256::ZERO);
            state.storage.insert(slot, U256::from(stored));
        }
        state
    }

    /// What comes of a transaction, by our handler and opcodes or revm's.
    fn ran(ours: bool, config: &ChainConfig, stored: u64, tx: TxEnv) -> Result<Ran, String> {
        let state = state(stored);
        let header = BlockHeader {
            base_fee_wei: config.base_fee_wei,
            gas_limit: config.block_gas_limit,
            beneficiary: Address::repeat_byte(3),
            ..BlockHeader::default()
        };
        let mut evm = evm(
            rules::cfg_env(config),
            rules::block_env(&header),
            Overlay::new(&state, Seed::random()),
            (),
        );
        let result = if ours {
            transact(&mut evm, tx)
        } else {
            evm.instruction = EthInstructions::new_mainnet_with_spec(rules::spec(config.fork));
            evm.transact(tx)
        };
        result.map_err(|error| format!("{error:?}"))
    }

    fn byte() -> impl Strategy<Value = u8> {
        prop_oneof![Just(0), any::<u8>()]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn transactions_end_as_with_revms_handler(
            fork in prop::sample::select([Fork::Prague, Fork::Osaka].as_slice()),
            words in prop::collection::vec(0..3_u64, 3),
            stored in 0..3_u64,
            data in prop::collection::vec(byte(), 0..150),
            target in prop_oneof![
                4 => Just(TxKind::Call(CONTRACT)),
                1 => Just(TxKind::Call(Address::repeat_byte(9))),
                1 => Just(TxKind::Create),
            ],
            gas_limit in prop_oneof![20_990..24_000_u64, 20_990..90_000_u64],
            gas_price in prop_oneof![Just(0), 0..5_u128],
            priority in prop::option::of(0..3_u128),
            base_fee in prop_oneof![Just(0), 0..4_u64],
            value in prop_oneof![4 => 0..2_u64, 1 => 49_999_998..50_000_003_u64],
            listed in 0..3_usize,
            nonce in 3..6_u64,
        ) {
            let item = AccessListItem {
                address: CONTRACT,
                storage_keys: vec![U256::from(5).into(); listed],
            };
            let mut tx = call_env();
            tx.tx_type = if priority.is_some() { 2 } else { u8::from(listed > 0) };
            tx.gas_priority_fee = priority;
            tx.chain_id = Some(1);
            tx.caller = SENDER;
            tx.kind = target;
            tx.data = if data.len() < 75 {
                data.into()
            } else {
                let words = words.into_iter();
                words.flat_map(|word| U256::from(word).to_be_bytes::<32>()).collect()
            };
            tx.gas_limit = gas_limit;
            tx.gas_price = gas_price;
            tx.value = U256::from(value);
            tx.nonce = nonce;
            tx.access_list = AccessList(if listed > 0 { vec![item] } else { Vec::new() });
            let config = ChainConfig {
                fork,
                base_fee_wei: base_fee,
                ..ChainConfig::new(1)
            };
            prop_assert_eq!(
                ran(true, &config, stored, tx.clone()),
                ran(false, &config, stored, tx)
            );
        }
    }

    #[test]
    fn zero_bytes_are_counted() {
        for length in 0..70_usize {
            let bytes: Vec<u8> = (0..length).map(|at| u8::from(at % 3 == 1)).collect();
            let expected = (0..length).filter(|at| at % 3 != 1).count();
            assert_eq!(zeros(&bytes), expected);
        }
    }
}
