//! One case of a fixture on our chain: a batch of one block of one transaction, executed natively
//! and compared with what the fixture expects.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256};
use anyhow::{Context as _, Result};
use cloister_crypto::NativeCrypto;
use cloister_stf::{
    BlockContext, BlockOutcome, DecodeTxError, Genesis, GenesisAccount, GenesisAlloc,
    decode_and_recover,
    genesis::{self, CONFIG_ADDRESS},
};
use cloister_types::{BlockNumber, ChainConfig, Fork, block::prev_randao};

use crate::{
    accounts::{Accounts, Plain, log, logs_hash},
    chain::{BlockResult, Chain, Refusal},
    exceptions,
    fixture::{Env, Fixture, Post},
    reference::{self, Differences, Executed},
    sign::Chosen,
    verdict::{Verdict, native},
};

/// EIP-2935's contract, which every chain of ours has.
pub const HISTORY_ADDRESS: Address =
    alloy_primitives::address!("0x0000F90827F1C53a10cb7A02335B175320002935");

/// One case of a fixture.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The test.
    pub fixture: &'a Fixture,
    /// Name of the fork.
    pub fork: &'a str,
    /// What is expected.
    pub post: &'a Post,
}

/// How a case compares with what the fixture expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// It is as expected.
    Passed,
    /// It cannot be compared, for a reason.
    Skipped(String),
    /// It is not as expected.
    Failed(String),
}

/// A case that was executed natively.
#[derive(Clone, Debug)]
pub struct Ran {
    /// How it compares with the fixture.
    pub comparison: Comparison,
    /// The batch for the guest with the native verdict; none where the chain cannot hold the case
    /// at all.
    pub batch: Option<(Bytes, Verdict)>,
}

impl Ran {
    fn skipped(reason: impl Into<String>) -> Self {
        Self {
            comparison: Comparison::Skipped(reason.into()),
            batch: None,
        }
    }
}

/// A case in the chain's terms.
struct Setting {
    config: ChainConfig,
    pre: Accounts,
    parent: BlockContext,
    context: BlockContext,
}

impl Setting {
    /// Hash of the block before.
    const fn parent_hash(&self) -> B256 {
        self.context.parent_hash
    }
}

/// Runs a case natively.
///
/// # Errors
/// When the state transition fails in a way that no input may cause.
pub fn run(case: &Case<'_>) -> Result<Ran> {
    let fork = match case.fork {
        // Under the next fork's rules; where those decide, the case is skipped for that reason.
        "Cancun" | "Prague" => Fork::Prague,
        "Osaka" => Fork::Osaka,
        _ => return Ok(Ran::skipped("the chain has no rules of this fork")),
    };
    let setting = match setting(case, fork) {
        Ok(setting) => setting,
        Err(error) => return Ok(Ran::skipped(format!("unfit for the chain: {error:#}"))),
    };
    let genesis = match first_state(&setting) {
        Ok(genesis) => genesis,
        Err(reason) => return Ok(Ran::skipped(reason)),
    };
    let chosen = Chosen::new(&case.fixture.transaction, case.post.indexes);
    let raw = match raw_transaction(case, chosen.as_ref().ok(), &setting.config) {
        Ok(raw) => raw,
        Err(error) => return Ok(Ran::skipped(format!("no transaction: {error:#}"))),
    };
    let mut chain = Chain::start(setting.config, &genesis)?;
    chain.pretend_parent(&setting.parent, setting.parent_hash());
    let context = setting.context;
    let chosen = chosen.ok();
    let judge = Judge {
        case,
        setting: &setting,
        chosen: chosen.as_ref(),
        genesis: &genesis,
    };
    match chain.block(context, std::slice::from_ref(&raw))? {
        BlockResult::Refused(refusal) => {
            let input = Bytes::from(chain.refused_input(&context, &raw, &refusal)?.encode());
            let verdict = native(&input);
            Ok(Ran {
                comparison: judge.refusal(&refusal, &verdict),
                batch: Some((input, verdict)),
            })
        }
        BlockResult::Executed(outcome) => {
            let accounts = Accounts::of_state(&chain.state, &[HISTORY_ADDRESS, CONFIG_ADDRESS]);
            let (input, sealed) = chain.seal()?;
            let input = Bytes::from(input.encode());
            let verdict = native(&input);
            let comparison = if verdict == Verdict::Valid(sealed.header.hash()) {
                let done = Done {
                    accounts,
                    logs: logs(&outcome),
                };
                judge.result(&done)?
            } else {
                Comparison::Failed(format!(
                    "the batch was sealed as {}, but replays as {verdict}",
                    sealed.header.hash()
                ))
            };
            Ok(Ran {
                comparison,
                batch: Some((input, verdict)),
            })
        }
    }
}

fn setting(case: &Case<'_>, fork: Fork) -> Result<Setting> {
    let Fixture {
        env, pre, config, ..
    } = case.fixture;
    let chain_id = match config.as_ref().and_then(|config| config.chainid.as_ref()) {
        Some(chain_id) => chain_id.u64()?,
        None => 1,
    };
    let base_fee = env.current_base_fee.as_ref().context("no base fee")?;
    let config = ChainConfig {
        chain_id,
        fork,
        block_gas_limit: env.current_gas_limit.u64()?,
        base_fee_wei: base_fee.u64()?,
    };
    let number = env.current_number.u64()?;
    let timestamp = env.current_timestamp.u64()?;
    let parent = BlockContext {
        number: BlockNumber(number.checked_sub(1).context("the case is in block 0")?),
        parent_hash: B256::ZERO,
        timestamp,
        beneficiary: Address::ZERO,
    };
    let context = BlockContext {
        number: BlockNumber(number),
        parent_hash: env.previous_hash.unwrap_or(B256::repeat_byte(0x70)),
        timestamp,
        beneficiary: env.current_coinbase,
    };
    Ok(Setting {
        config,
        pre: Accounts::read(pre)?,
        parent,
        context,
    })
}

/// The state before the block. Nonces of contracts are as the fixture has them.
fn first_state(setting: &Setting) -> Result<Genesis, String> {
    let mut alloc = BTreeMap::new();
    for (address, plain) in &setting.pre.0 {
        if *address == HISTORY_ADDRESS || *address == CONFIG_ADDRESS {
            return Err("an account of the chain's own is among its accounts".to_owned());
        }
        let Plain {
            nonce,
            balance,
            code,
            storage,
        } = plain.clone();
        alloc.insert(
            *address,
            GenesisAccount {
                balance,
                nonce,
                code,
                storage,
            },
        );
    }
    let built = genesis::build(
        &setting.config,
        setting.parent.timestamp,
        &GenesisAlloc(alloc),
    );
    let mut genesis =
        built.map_err(|error| format!("the chain cannot start like this: {error}"))?;
    for change in &mut genesis.trace.accounts {
        if let Some(plain) = setting.pre.0.get(&change.address) {
            change.after.nonce = plain.nonce;
        }
    }
    Ok(genesis)
}

/// The transaction as the fixture has it; signed anew with the chain's id where it is one without
/// replay protection, which changes its hash and nothing that execution sees.
fn raw_transaction(
    case: &Case<'_>,
    chosen: Option<&Chosen<'_>>,
    config: &ChainConfig,
) -> Result<Bytes> {
    let sign = || {
        let chosen = chosen.context("its parts do not fit together")?;
        chosen.signed(config.chain_id)
    };
    let Some(raw) = &case.post.txbytes else {
        return sign();
    };
    match decode_and_recover(raw, config, &NativeCrypto) {
        Err(DecodeTxError::NotReplayProtected) if own_refusal(case).is_none() => {
            let names = case.post.expect_exception.as_deref().unwrap_or_default();
            // Where the bytes are at fault, they must stay as they are.
            if names.contains("SIGNATURE") || names.contains("RLP") {
                return Ok(raw.clone());
            }
            sign()
        }
        _ => Ok(raw.clone()),
    }
}

fn own_refusal<'a>(case: &Case<'a>) -> Option<&'a str> {
    case.fixture.info.as_ref()?.cloister_refusal.as_deref()
}

/// Compares what came of a case with what the fixture expects.
struct Judge<'a> {
    case: &'a Case<'a>,
    setting: &'a Setting,
    chosen: Option<&'a Chosen<'a>>,
    genesis: &'a Genesis,
}

impl Judge<'_> {
    fn refusal(&self, refusal: &Refusal, verdict: &Verdict) -> Comparison {
        let code = refusal.code();
        if !verdict.is_refused_transaction(code) {
            let reason = format!("refused with {code}, but the batch is {verdict}");
            return Comparison::Failed(reason);
        }
        if let Some(expected) = own_refusal(self.case) {
            return if expected == code {
                Comparison::Passed
            } else {
                Comparison::Failed(format!("refused with {code}, not with {expected}"))
            };
        }
        match &self.case.post.expect_exception {
            Some(names) if exceptions::match_code(names, code) => return Comparison::Passed,
            Some(names) => {
                let reason = format!("refused with {code}, expected {names}");
                return Comparison::Failed(reason);
            }
            None => {}
        }
        match refusal {
            Refusal::Undecodable(DecodeTxError::Blob) => {
                Comparison::Skipped("the chain takes no blob transactions".to_owned())
            }
            Refusal::Undecodable(DecodeTxError::TooLong { .. }) => {
                Comparison::Skipped("the chain takes no transaction as long".to_owned())
            }
            Refusal::Undecodable(_) | Refusal::Rejected { .. } => {
                self.explained(format!("refused with {code}: {refusal}"), None)
            }
        }
    }

    fn result(&self, done: &Done) -> Result<Comparison> {
        Ok(match mismatch(self.case.post, &done.accounts, done.logs)? {
            None => Comparison::Passed,
            Some(mismatch) => self.explained(mismatch, Some(done)),
        })
    }

    /// A mismatch is a failure unless a known difference between the chains makes it.
    fn explained(&self, mismatch: String, done: Option<&Done>) -> Comparison {
        let explanation = match self.chosen {
            Some(chosen) => self.explain(chosen, done),
            None => Ok(None),
        };
        match explanation {
            Ok(Some(reason)) => Comparison::Skipped(reason),
            Ok(None) => Comparison::Failed(mismatch),
            Err(error) => Comparison::Failed(format!("{mismatch} (no reference: {error:#})")),
        }
    }

    /// Which of the chain's known differences to Ethereum makes the result another one: plain revm
    /// must arrive at the fixture's result with Ethereum's environment, and at ours with the
    /// chain's.
    fn explain(&self, chosen: &Chosen<'_>, done: Option<&Done>) -> Result<Option<String>> {
        let (setting, env) = (self.setting, &self.case.fixture.env);
        let rules = self.case.fork;
        let run = |env: &Env, differences: &Differences| {
            let chain_id = setting.config.chain_id;
            reference::execute(rules, chain_id, env, &setting.pre, chosen, differences)
        };
        let plain = run(env, &Differences::default())?;
        let as_expected = match &plain {
            Executed::Included { accounts, logs } => {
                mismatch(self.case.post, accounts, *logs)?.is_none()
            }
            Executed::Refused => self.case.post.expect_exception.is_some(),
        };
        if !as_expected {
            return Ok(None);
        }
        let parent_hash = setting.parent_hash();
        let mut ours = env.clone();
        ours.previous_hash = Some(parent_hash);
        let all = Differences {
            rules: Some(setting.config.fork),
            prev_randao: Some(prev_randao(&parent_hash)),
            no_blobs: true,
            free_of_charge: true,
            own_accounts: Some(own_accounts(self.genesis, setting, parent_hash)),
        };
        let arrives = match (run(&ours, &all)?, done) {
            (Executed::Included { accounts, logs }, Some(done)) => {
                accounts == done.accounts && logs == done.logs
            }
            (Executed::Refused, None) => true,
            (Executed::Included { .. }, None) | (Executed::Refused, Some(_)) => false,
        };
        if !arrives {
            return Ok(None);
        }
        for (reason, env, differences) in &singly(env, &ours, &all) {
            if run(env, differences)? != plain {
                return Ok(Some((*reason).to_owned()));
            }
        }
        Ok(Some(
            "several of the chain's differences together".to_owned(),
        ))
    }
}

/// Each difference by itself, with its reason.
fn singly<'a>(
    env: &'a Env,
    ours: &'a Env,
    all: &Differences,
) -> [(&'static str, &'a Env, Differences); 6] {
    let none = Differences::default;
    [
        (
            "the chain's rules are those of the next fork",
            env,
            Differences {
                rules: all.rules,
                ..none()
            },
        ),
        (
            "PREVRANDAO is a digest of the parent's hash here",
            env,
            Differences {
                prev_randao: all.prev_randao,
                ..none()
            },
        ),
        (
            "there are no blobs here, so BLOBBASEFEE is 1",
            env,
            Differences {
                no_blobs: true,
                ..none()
            },
        ),
        (
            "gas is free of charge here where the base fee is 0",
            env,
            Differences {
                free_of_charge: true,
                ..none()
            },
        ),
        (
            "the chain has accounts of its own",
            env,
            Differences {
                own_accounts: all.own_accounts.clone(),
                ..none()
            },
        ),
        ("BLOCKHASH answers this chain's blocks", ours, none()),
    ]
}

fn logs(outcome: &BlockOutcome) -> B256 {
    let records = outcome.transactions.iter().flat_map(|tx| &tx.fields.logs);
    logs_hash(&records.map(log).collect::<Vec<_>>())
}

/// What came of an included transaction.
struct Done {
    accounts: Accounts,
    logs: B256,
}

/// How a result differs from what is expected.
fn mismatch(post: &Post, accounts: &Accounts, logs: B256) -> Result<Option<String>> {
    if let Some(names) = &post.expect_exception {
        return Ok(Some(format!("included, but expected {names}")));
    }
    if logs != post.logs {
        return Ok(Some(format!(
            "the logs' hash is {logs}, expected {}",
            post.logs
        )));
    }
    if let Some(state) = &post.state {
        return Ok(Accounts::read(state)?.difference(accounts));
    }
    let root = accounts.root();
    Ok((root != post.hash).then(|| format!("the state's root is {root}, expected {}", post.hash)))
}

/// The chain's own accounts as a transaction sees them.
fn own_accounts(genesis: &Genesis, setting: &Setting, parent_hash: B256) -> Accounts {
    let state = cloister_stf::MemoryState::from_genesis(genesis);
    let mut all = Accounts::of_state(&state, &[]);
    all.0
        .retain(|address, _| *address == HISTORY_ADDRESS || *address == CONFIG_ADDRESS);
    if let Some(history) = all.0.get_mut(&HISTORY_ADDRESS) {
        let slot = setting
            .parent
            .number
            .0
            .checked_rem(8191)
            .unwrap_or_default();
        history
            .storage
            .insert(U256::from(slot), U256::from_be_bytes(parent_hash.0));
    }
    all
}
