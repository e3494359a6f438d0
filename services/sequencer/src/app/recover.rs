//! What a starting sequencer does: take the writer term, check the chain, execute again what is
//! not sealed yet.

use std::{path::Path, sync::Arc};

use alloy_primitives::B256;
use cloister_crypto::NativeCrypto;
use cloister_state_tree::{DEFAULT_CACHED_PAGES, TreeError};
use cloister_stf::{
    BlockOutcome, DecodeTxError, Genesis, LeafValue, RecoveredTx, cost::Work, decode_and_recover,
};
use cloister_store_pg::tree::PageReadError;
use cloister_types::StateKey;

use super::{
    batch_policy::{BatchFill, CostModel},
    build::{Parent, ReplayError, replay_block},
    chain::Head,
    genesis::{self, GenesisFileError},
    model::{Batch, Block},
    rules::Rules,
    seal_queue::{DurableBlock, SealQueue},
    sealer::StateTree,
    state::State,
};
use crate::store::{Store, StoreError};

/// Batches whose chain of hashes is checked at start.
const CHECKED_BATCHES: u32 = 1_024;

/// Why the sequencer cannot start on this database.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecoverError {
    /// The database failed.
    #[error("the chain cannot be read")]
    Store(#[from] StoreError),
    /// The genesis file cannot be used.
    #[error("the chain cannot begin")]
    Genesis(#[from] GenesisFileError),
    /// Commits return before they are durable.
    #[error(
        "the database's role has `synchronous_commit = off`: acknowledged transactions could be \
         lost, set it to `on`"
    )]
    NotDurable,
    /// The database holds another chain.
    #[error("the database holds chain {got}, the configuration names chain {expected}")]
    OtherChain {
        /// Configured.
        expected: u64,
        /// Stored.
        got: u64,
    },
    /// The genesis file, the rules or the state secret are not those of this chain.
    #[error(
        "genesis comes out as state root `{got}`, this chain began with `{expected}`: genesis file, \
         chain settings and state secret must be those that it began with"
    )]
    OtherGenesis {
        /// Stored.
        expected: B256,
        /// From the configuration.
        got: B256,
    },
    /// The chain of hashes is broken.
    #[error("the database is damaged: {what} {number} does not follow the one before")]
    Broken {
        /// Block or batch.
        what: &'static str,
        /// Its number.
        number: u64,
    },
    /// A row is missing.
    #[error("the database is damaged: {what} {number} is missing")]
    Missing {
        /// Block or batch.
        what: &'static str,
        /// Its number.
        number: u64,
    },
    /// The tree's root is not the header's.
    #[error("the state tree cannot be opened at the last sealed batch")]
    Tree(#[from] TreeError<PageReadError>),
    /// A durable transaction cannot be decoded any more.
    #[error("a transaction of block {number} cannot be decoded")]
    Decode {
        /// Height.
        number: u64,
        /// The reason.
        source: DecodeTxError,
    },
    /// A durable block comes out otherwise.
    #[error("the blocks after the last sealed batch cannot be executed again")]
    Replay(#[from] ReplayError),
    /// A task failed.
    #[error("starting failed unexpectedly")]
    Panic(#[from] tokio::task::JoinError),
}

/// A chain ready to go on.
#[derive(Debug)]
pub(crate) struct Recovered {
    /// The writer term of this process.
    pub term: i64,
    /// Batch 0.
    pub genesis: Batch,
    /// The last sealed batch.
    pub sealed: Batch,
    /// The state tree at that batch.
    pub tree: StateTree,
    /// Batches that are not sealed, the open one included.
    pub queue: SealQueue,
    /// The newest block.
    pub parent: Parent,
    /// Number of the open batch.
    pub batch: u64,
    /// What the open batch holds.
    pub fill: BatchFill,
}

impl Recovered {
    /// The newest block as readers see it.
    pub(crate) fn head(&self) -> Head {
        Head {
            number: self.parent.header.number.0,
            hash: self.parent.header.hash(),
            timestamp: self.parent.header.timestamp,
            beneficiary: self.parent.header.beneficiary,
            state: self.parent.state.clone(),
        }
    }
}

/// Recovers the chain from the database, or begins it.
///
/// # Errors
/// [`RecoverError`].
pub(crate) async fn recover(
    store: &Store,
    rules: &Arc<Rules>,
    policy_root: B256,
    genesis_file: &Path,
    costs: &CostModel,
) -> Result<Recovered, RecoverError> {
    check_durability(store).await?;
    let genesis = genesis::read(genesis_file, rules)?;
    let term = take_term(store, rules, policy_root, &genesis).await?;
    let first = batch(store, 0).await?;
    check_genesis(&first, rules, policy_root, &genesis)?;
    let sealed = store.latest_batch().await?.ok_or(RecoverError::Missing {
        what: "batch",
        number: 0,
    })?;
    check_batches(store, &sealed).await?;
    let tree = open_tree(store, &sealed).await?;
    let state = load_state(store).await?;
    let last = sealed.header.private.last_block.0;
    let parent = block(store, last).await?;
    if parent.hash != sealed.header.private.last_block_hash {
        return Err(RecoverError::Broken {
            what: "block",
            number: last,
        });
    }
    let (accounts, slots) = state.sizes();
    tracing::info!(batch = sealed.number(), accounts, slots, "state loaded");
    let mut tail = Tail {
        queue: SealQueue::default(),
        parent: Parent {
            header: parent.header,
            state,
        },
        batch: sealed.number(),
        fill: BatchFill::default(),
    };
    let newest = store.latest_block().await?.unwrap_or(last);
    for number in last.saturating_add(1)..=newest {
        tail.follow(rules, costs, block(store, number).await?)
            .await?;
    }
    if tail.batch == sealed.number() {
        tail.batch = tail.batch.saturating_add(1);
    }
    let Tail {
        queue,
        parent,
        batch,
        fill,
    } = tail;
    tracing::info!(block = newest, batch, "chain recovered");
    Ok(Recovered {
        term,
        genesis: first,
        sealed,
        tree,
        queue,
        parent,
        batch,
        fill,
    })
}

/// SSQ-1 rests on the database's word that a commit is durable.
async fn check_durability(store: &Store) -> Result<(), RecoverError> {
    let (synchronous_commit, fsync) = store.durability().await?;
    if synchronous_commit == "off" {
        return Err(RecoverError::NotDurable);
    }
    if fsync == "off" {
        tracing::warn!(
            "the database runs with fsync off: a power cut may lose acknowledged blocks"
        );
    }
    Ok(())
}

/// Takes the writer term, beginning the chain when there is none.
async fn take_term(
    store: &Store,
    rules: &Arc<Rules>,
    policy_root: B256,
    genesis: &Genesis,
) -> Result<i64, RecoverError> {
    let mut taken = store.take_writer_term().await?;
    if taken.is_none() {
        let rows = genesis::rows(genesis, rules, policy_root)?;
        match store.write_genesis(&rows).await {
            Ok(()) => tracing::info!(batch = %rows.sealed.batch.hash, "chain begun"),
            // Another process was quicker: its chain is checked like any other.
            Err(error) if error.is_duplicate() => {}
            Err(error) => return Err(error.into()),
        }
        taken = store.take_writer_term().await?;
    }
    let (got, term) = taken.ok_or(RecoverError::Missing {
        what: "batch",
        number: 0,
    })?;
    let expected = rules.config.chain_id;
    if got != expected {
        return Err(RecoverError::OtherChain { expected, got });
    }
    Ok(term)
}

/// The policies may have changed since; the accounts, rules and secret may not.
fn check_genesis(
    first: &Batch,
    rules: &Rules,
    policy_root: B256,
    genesis: &Genesis,
) -> Result<(), RecoverError> {
    let again = genesis::rows(genesis, rules, policy_root)?
        .sealed
        .batch
        .header;
    let expected = first.header.state_root;
    let same_block = again.private.last_block_hash == first.header.private.last_block_hash;
    if again.state_root != expected || !same_block {
        return Err(RecoverError::OtherGenesis {
            expected,
            got: again.state_root,
        });
    }
    Ok(())
}

async fn check_batches(store: &Store, sealed: &Batch) -> Result<(), RecoverError> {
    let from = sealed.number().saturating_sub(u64::from(CHECKED_BATCHES));
    let batches = store
        .batches_from(from, CHECKED_BATCHES.saturating_add(1))
        .await?;
    for pair in batches.windows(2) {
        if let [before, after] = pair {
            let follows = after.header.previous_hash == before.hash
                && after.header.private.state_root_before == before.header.state_root
                && Some(after.header.number) == before.header.number.next();
            if !follows {
                return Err(RecoverError::Broken {
                    what: "batch",
                    number: after.number(),
                });
            }
        }
    }
    Ok(())
}

async fn open_tree(store: &Store, sealed: &Batch) -> Result<StateTree, RecoverError> {
    let pages = store.pages(tokio::runtime::Handle::current());
    let (version, root) = (sealed.number(), sealed.header.state_root.0);
    let open = move || StateTree::open(pages, version, root, DEFAULT_CACHED_PAGES);
    Ok(tokio::task::spawn_blocking(open).await??)
}

async fn load_state(store: &Store) -> Result<State, RecoverError> {
    let mut state = State::default();
    store
        .each_leaf(|leaf| match (leaf.key, leaf.value) {
            (StateKey::Account(address), LeafValue::Account(value)) => {
                state.set_account(address, value);
            }
            (StateKey::Storage(address, slot), LeafValue::Storage(value)) => {
                state.set_slot(address, slot.into(), value);
            }
            _ => {}
        })
        .await?;
    store
        .each_code(|hash, code| state.set_code(hash, code))
        .await?;
    Ok(state)
}

async fn batch(store: &Store, number: u64) -> Result<Batch, RecoverError> {
    store.batch(number).await?.ok_or(RecoverError::Missing {
        what: "batch",
        number,
    })
}

async fn block(store: &Store, number: u64) -> Result<Block, RecoverError> {
    let block = store.block(number).await?.ok_or(RecoverError::Missing {
        what: "block",
        number,
    })?;
    if block.header.number.0 != number || block.header.hash() != block.hash {
        return Err(RecoverError::Broken {
            what: "block",
            number,
        });
    }
    Ok(block)
}

/// The blocks after the last sealed batch, as they are executed again.
struct Tail {
    queue: SealQueue,
    parent: Parent,
    batch: u64,
    fill: BatchFill,
}

impl Tail {
    async fn follow(
        &mut self,
        rules: &Arc<Rules>,
        costs: &CostModel,
        block: Block,
    ) -> Result<(), RecoverError> {
        let number = block.header.number.0;
        if block.header.parent_hash != self.parent.header.hash() {
            return Err(RecoverError::Broken {
                what: "block",
                number,
            });
        }
        let starts_batch = block.batch == self.batch.saturating_add(1);
        if !starts_batch && (block.batch != self.batch || self.fill.tally().is_empty()) {
            return Err(RecoverError::Broken {
                what: "block",
                number,
            });
        }
        if starts_batch {
            self.batch = block.batch;
            self.fill = BatchFill::default();
        }
        let (block, outcome, work) =
            again(Arc::clone(rules), self.parent.state.clone(), block).await?;
        self.parent.state.apply(&outcome.trace);
        self.parent.header = block.header;
        let state = &self.parent.state;
        self.fill.add(&block, &outcome, &work, state, costs.table);
        let durable = DurableBlock {
            block: Arc::new(block),
            outcome: Arc::new(outcome),
            work,
        };
        self.queue.push(durable, self.parent.state.clone());
        Ok(())
    }
}

/// Executes a block again on a thread of its own.
async fn again(
    rules: Arc<Rules>,
    state: State,
    block: Block,
) -> Result<(Block, BlockOutcome, Work), RecoverError> {
    let work = move || {
        let number = block.header.number.0;
        let transactions = block
            .transactions
            .iter()
            .map(|one| decode_and_recover(&one.raw, &rules.config, &NativeCrypto))
            .collect::<Result<Vec<RecoveredTx>, _>>()
            .map_err(|source| RecoverError::Decode { number, source })?;
        let (outcome, work) = replay_block(&rules.config, &state, &block, &transactions)?;
        Ok((block, outcome, work))
    };
    tokio::task::spawn_blocking(work).await?
}
