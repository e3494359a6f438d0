//! Blocks as one caller sees them: the single source of every answer about the chain's history, so
//! that a receipt, a block and a log can never disagree about what is visible.

use std::sync::Arc;

use alloy_primitives::{B256, keccak256};
use cloister_audit::Outcome;
use cloister_authz::{DEFAULT_DENY, Principal};

use super::cache::Cache;
use super::identity::Caller;
use super::model::{Block, Transaction};
use super::op::Op;
use super::view::{BlockView, TransactionView, view};
use super::visibility::{PolicyVisibility, emitters};
use super::{App, failure};
use crate::rpc::RpcError;
use crate::upstream::sequencer::BlockKey;

/// Blocks that are kept; they never change once they are durable.
const KEPT_BLOCKS: usize = 64;
const BLOCK_TTL_MS: u64 = 600_000;
/// Views that are kept. A view depends on wallets and contracts that another replica may have
/// changed, so it is kept for a moment only: long enough for a client that polls for receipts.
const KEPT_VIEWS: usize = 256;
const VIEW_TTL_MS: u64 = 1_000;

/// A block with what one caller sees of it.
#[derive(Debug)]
pub struct Seen {
    /// The block, whole.
    pub block: Arc<Block>,
    /// What is visible.
    pub view: BlockView,
    /// The policies that let something be seen.
    rules: String,
}

impl Seen {
    /// The view of a transaction by its hash.
    #[must_use]
    pub fn transaction(&self, hash: B256) -> Option<&TransactionView> {
        let source = self
            .block
            .transactions
            .iter()
            .position(|known| known.hash == hash)?;
        self.view.of(source)
    }

    /// The whole transaction behind a view.
    #[must_use]
    pub fn source(&self, view: &TransactionView) -> Option<&Transaction> {
        self.block.transactions.get(view.source)
    }

    /// The policies that let something be seen, with commas between.
    #[must_use]
    pub fn rules(&self) -> &str {
        &self.rules
    }

    /// The row of an answer made from this block.
    ///
    /// # Errors
    /// The ledger is away.
    pub async fn record(&self, op: &Op<'_>, resource: &str, shown: bool) -> Result<(), RpcError> {
        let (rule, outcome) = if shown && !self.rules.is_empty() {
            (self.rules.as_str(), Outcome::Allowed)
        } else if shown {
            // An empty block: what is shown of it is public to every principal.
            ("nothing-visible", Outcome::Allowed)
        } else {
            (DEFAULT_DENY, Outcome::Denied)
        };
        op.record_rule(rule, resource, outcome).await
    }
}

#[derive(Debug, PartialEq, Eq)]
struct ViewKey {
    block: B256,
    viewer: B256,
}

/// Blocks and views that were asked for lately.
#[derive(Debug)]
pub struct Blocks {
    blocks: Cache<u64, Block>,
    views: Cache<ViewKey, Seen>,
}

impl Default for Blocks {
    fn default() -> Self {
        Self {
            blocks: Cache::new(KEPT_BLOCKS, BLOCK_TTL_MS),
            views: Cache::new(KEPT_VIEWS, VIEW_TTL_MS),
        }
    }
}

impl Blocks {
    /// Forgets all views: a wallet or a contract changed.
    pub fn forget_views(&self) {
        self.views.clear();
    }
}

/// Everything about a principal that decisions may depend on.
fn fingerprint(principal: &Principal) -> B256 {
    keccak256(format!("{principal:?}"))
}

impl App {
    /// A block, whole. Only views of it may leave.
    ///
    /// # Errors
    /// The sequencer is away or failed.
    pub async fn block(&self, key: BlockKey) -> Result<Option<Arc<Block>>, RpcError> {
        let now = self.clock.now();
        if let BlockKey::Number(number) = key
            && let Some(known) = self.blocks.blocks.get(&number, now)
        {
            return Ok(Some(known));
        }
        let found = self
            .sequencer
            .block(key)
            .await
            .map_err(|error| failure::upstream(&error))?;
        let Some(block) = found.map(Arc::new) else {
            return Ok(None);
        };
        self.blocks
            .blocks
            .put(block.number, Arc::clone(&block), now);
        Ok(Some(block))
    }

    /// What `caller` sees of a block.
    ///
    /// # Errors
    /// The database is away.
    pub async fn seen(&self, caller: &Caller, block: Arc<Block>) -> Result<Arc<Seen>, RpcError> {
        let now = self.clock.now();
        let key = ViewKey {
            block: block.hash,
            viewer: fingerprint(&caller.principal),
        };
        if let Some(known) = self.blocks.views.get(&key, now) {
            return Ok(known);
        }
        let contracts = self
            .registry
            .lookup(&emitters(&block))
            .await
            .map_err(|error| failure::database(&error))?;
        let mut visibility = PolicyVisibility::new(&self.engine, &caller.principal, &contracts);
        let view = view(&block, &mut visibility);
        let rules: Vec<_> = visibility.into_rules().into_iter().collect();
        let seen = Arc::new(Seen {
            block,
            view,
            rules: rules.join(","),
        });
        self.blocks.views.put(key, Arc::clone(&seen), now);
        Ok(seen)
    }

    /// The block of a transaction as `caller` sees it, when there is such a transaction.
    ///
    /// # Errors
    /// A part is away.
    pub async fn seen_with(
        &self,
        caller: &Caller,
        transaction: B256,
    ) -> Result<Option<Arc<Seen>>, RpcError> {
        let found = self
            .sequencer
            .transaction(transaction)
            .await
            .map_err(|error| failure::upstream(&error))?;
        let Some(found) = found else { return Ok(None) };
        match self.block(BlockKey::Number(found.block_number)).await? {
            None => Ok(None),
            Some(block) => self.seen(caller, block).await.map(Some),
        }
    }
}
