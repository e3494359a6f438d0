//! The transaction on revm with Ethereum's own settings and without any code of the state
//! transition: it tells whether a result that differs from a fixture's differs for a reason that
//! can be named. It decides nothing by itself: the expected results are the fixtures'.

use alloy_primitives::{B256, TxKind, U256};
use anyhow::{Context as _, Result, bail};
use cloister_types::Fork;
use revm::{
    Context, DatabaseCommit as _, ExecuteEvm as _, MainBuilder as _, MainContext as _,
    context::{
        BlockEnv, CfgEnv, TxEnv,
        transaction::{AccessList, AccessListItem},
    },
    context_interface::{
        block::BlobExcessGasAndPrice,
        either::Either,
        transaction::{Authorization, RecoveredAuthority, RecoveredAuthorization},
    },
    database::InMemoryDB,
    primitives::{eip4844::BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE, hardfork::SpecId},
    state::{AccountInfo, Bytecode},
};

use crate::{
    accounts::{Accounts, Plain, logs_hash},
    fixture::Env,
    sign::Chosen,
};

/// What of the environment is this chain's and not the fixture's.
#[derive(Clone, Debug, Default)]
pub struct Differences {
    /// The rules are of a later fork.
    pub rules: Option<Fork>,
    /// PREVRANDAO is a digest of the parent's hash.
    pub prev_randao: Option<B256>,
    /// There are no blobs: their base fee is 1.
    pub no_blobs: bool,
    /// Gas is free of charge where the base fee is 0.
    pub free_of_charge: bool,
    /// Accounts that every chain of ours has: EIP-2935's contract and the configuration's.
    pub own_accounts: Option<Accounts>,
}

/// What came of the transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Executed {
    /// It was included.
    Included {
        /// Accounts afterwards.
        accounts: Accounts,
        /// Digest of the logs.
        logs: B256,
    },
    /// It cannot be included.
    Refused,
}

/// Executes a transaction.
///
/// # Errors
/// When a number does not fit its field or the fork is unknown.
pub fn execute(
    fork: &str,
    chain_id: u64,
    env: &Env,
    pre: &Accounts,
    tx: &Chosen<'_>,
    differences: &Differences,
) -> Result<Executed> {
    let spec = match (differences.rules, fork) {
        (Some(Fork::Prague), _) | (None, "Prague") => SpecId::PRAGUE,
        (Some(Fork::Osaka), _) | (None, "Osaka") => SpecId::OSAKA,
        (None, "Cancun") => SpecId::CANCUN,
        (None, other) => bail!("the reference does not know the fork `{other}`"),
    };
    let mut cfg = CfgEnv::new_with_spec(spec);
    cfg.chain_id = chain_id;
    let block = block_env(env, differences)?;
    let free = differences.free_of_charge && block.basefee == 0;
    let mut start = pre.clone();
    if let Some(own) = &differences.own_accounts {
        start.0.extend(own.0.clone());
    }
    let mut context = Context::mainnet().with_db(database(&start, env)?);
    context = context.with_cfg(cfg).with_block(block);
    let mut evm = context.build_mainnet();
    let Ok(result) = evm.transact(tx_env(chain_id, tx, free)?) else {
        return Ok(Executed::Refused);
    };
    let logs = logs_hash(result.result.logs());
    let mut db = evm.ctx.journaled_state.database;
    db.commit(result.state);
    let mut accounts = contents(&db);
    if let Some(own) = &differences.own_accounts {
        accounts.0.retain(|address, _| !own.0.contains_key(address));
    }
    Ok(Executed::Included { accounts, logs })
}

fn block_env(env: &Env, differences: &Differences) -> Result<BlockEnv> {
    let number = |number: &Option<crate::fixture::Number>| match number {
        Some(number) => number.u256(),
        None => Ok(U256::ZERO),
    };
    let blobs = if differences.no_blobs {
        0
    } else {
        u64::try_from(number(&env.current_excess_blob_gas)?).context("blob gas")?
    };
    let randao = B256::from(number(&env.current_random)?);
    Ok(BlockEnv {
        number: env.current_number.u256()?,
        beneficiary: env.current_coinbase,
        timestamp: env.current_timestamp.u256()?,
        gas_limit: env.current_gas_limit.u64()?,
        basefee: u64::try_from(number(&env.current_base_fee)?).context("base fee")?,
        difficulty: U256::ZERO,
        prevrandao: Some(differences.prev_randao.unwrap_or(randao)),
        blob_excess_gas_and_price: Some(BlobExcessGasAndPrice::new(
            blobs,
            BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE,
        )),
        slot_num: 0,
    })
}

fn database(accounts: &Accounts, env: &Env) -> Result<InMemoryDB> {
    let mut db = InMemoryDB::default();
    for (address, plain) in &accounts.0 {
        let Plain {
            nonce,
            balance,
            code,
            storage,
        } = plain;
        let code = Bytecode::new_raw_checked(code.clone())
            .unwrap_or_else(|_| Bytecode::new_legacy(code.clone()));
        let info = AccountInfo {
            nonce: *nonce,
            balance: *balance,
            code_hash: code.hash_slow(),
            account_id: None,
            code: Some(code),
        };
        db.insert_account_info(*address, info);
        for (slot, value) in storage {
            db.insert_account_storage(*address, *slot, *value)
                .context("a slot could not be set")?;
        }
    }
    if let Some(hash) = env.previous_hash {
        let parent = env.current_number.u256()?.saturating_sub(U256::from(1));
        db.cache.block_hashes.insert(parent, hash);
    }
    Ok(db)
}

fn tx_env(chain_id: u64, tx: &Chosen<'_>, free: bool) -> Result<TxEnv> {
    let Chosen {
        all,
        gas_limit,
        value,
        data,
        access_list,
        to,
    } = tx;
    let most = all.max_fee_per_gas.as_ref().or(all.gas_price.as_ref());
    let most = most.context("the transaction offers no price")?.u128()?;
    let priority = all.max_priority_fee_per_gas.as_ref();
    let priority = priority.map(crate::fixture::Number::u128).transpose()?;
    let kind = if all.authorization_list.is_some() {
        4
    } else if all.max_fee_per_gas.is_some() {
        2
    } else {
        u8::from(access_list.is_some())
    };
    let items = access_list.iter().flat_map(|items| items.iter());
    let access_list = items.map(|item| AccessListItem {
        address: item.address,
        storage_keys: item.storage_keys.clone(),
    });
    Ok(TxEnv {
        tx_type: kind,
        caller: all.sender.context("the fixture names no sender")?,
        gas_limit: u64::try_from(*gas_limit).context("gas limit")?,
        gas_price: if free { 0 } else { most },
        kind: match to {
            TxKind::Create => TxKind::Create,
            TxKind::Call(to) => TxKind::Call(*to),
        },
        value: *value,
        data: (*data).clone(),
        nonce: all.nonce.u64()?,
        chain_id: Some(chain_id),
        access_list: AccessList(access_list.collect()),
        gas_priority_fee: if free { priority.map(|_| 0) } else { priority },
        blob_hashes: Vec::new(),
        max_fee_per_blob_gas: 0,
        authorization_list: authorizations(tx)?,
    })
}

type Authorizations =
    Vec<Either<revm::context_interface::transaction::SignedAuthorization, RecoveredAuthorization>>;

fn authorizations(tx: &Chosen<'_>) -> Result<Authorizations> {
    let list = tx.all.authorization_list.iter().flatten();
    list.map(|signed| {
        let inner = Authorization {
            chain_id: signed.chain_id.u256()?,
            address: signed.address,
            nonce: signed.nonce.u64()?,
        };
        let authority = signed
            .signer
            .map_or(RecoveredAuthority::Invalid, RecoveredAuthority::Valid);
        let recovered = RecoveredAuthorization::new_unchecked(inner, authority);
        Ok(Either::Right(recovered))
    })
    .collect()
}

#[expect(
    clippy::iter_over_hash_type,
    reason = "what is collected is ordered by address and slot"
)]
fn contents(db: &InMemoryDB) -> Accounts {
    let mut all = Accounts::default();
    for (address, account) in &db.cache.accounts {
        let Some(info) = account.info() else {
            continue;
        };
        let code = info.code.clone().or_else(|| {
            let codes = &db.cache.contracts;
            codes.get(&info.code_hash).cloned()
        });
        let plain = Plain {
            nonce: info.nonce,
            balance: info.balance,
            code: code.map(|code| code.original_bytes()).unwrap_or_default(),
            storage: account
                .storage
                .iter()
                .filter(|(_, value)| !value.is_zero())
                .map(|(slot, value)| (*slot, *value))
                .collect(),
        };
        if plain != Plain::default() {
            all.0.insert(*address, plain);
        }
    }
    all
}
