//! Commits sealed batches to Ethereum, in order and exactly once.
//!
//! One turn looks at one Ethereum block and does at most one thing:
//!
//! ```text
//!  observe  where is each transaction of ours? (pending, included, lost; included ones are asked
//!           again until their block is final, so a reorganisation is noticed)
//!  settle   where is each batch committed, by which transaction, how deep?
//!  plan     what is due? (pure: plan.rs)
//!  act      sign ► write to the database (SPR-1) ► send
//! ```
//!
//! Exactly once rests on three things: the contract takes each number once and only on its parent;
//! a nonce is given to one purpose only (SPR-2); and everything signed is in the database before it
//! is sent, so that a process that was killed sends the same bytes again, never others (SPR-1).

mod act;
mod fees;
mod identity;
mod observe;
mod plan;
mod settle;

use std::sync::Arc;
use std::time::Duration;

use cloister_l1::{B256, BlockRef, EthClient, L1Error, Rollup};
use cloister_service_kit::{Check, Result, Shutdown};
use cloister_signer::TransactionSigner;
use cloister_types::Clock;

use self::fees::FeeLimits;
use self::plan::{Policy, Step, View, Waiting};
use crate::app::health::Health;
use crate::app::model::{Gate, Intent, IntentState};
use crate::config::L1Section;
use crate::store::{Store, StoreError};

/// The longest pause after failures.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// Why a turn did not come to its end. Each is tried again.
#[derive(Debug, thiserror::Error)]
enum TurnError {
    /// Ethereum.
    #[error(transparent)]
    L1(#[from] L1Error),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key.
    #[error("the committer's key could not sign: {0}")]
    Signer(#[from] alloy::signers::Error),
    /// Something that an operator must look at.
    #[error("{0}")]
    Stalled(String),
}

impl TurnError {
    fn stalled(reason: impl std::fmt::Display) -> Self {
        Self::Stalled(reason.to_string())
    }
}

/// What the committer works with.
#[derive(Debug)]
pub(crate) struct Committer {
    client: EthClient,
    rollup: Rollup,
    store: Store,
    key: Arc<dyn TransactionSigner>,
    clock: Arc<dyn Clock>,
    health: Arc<Health>,
    policy: Policy,
    fees: FeeLimits,
    confirmations: u64,
    /// Whether a batch is committed only after the program has confirmed it (SPV-21).
    checked_only: bool,
    poll: Duration,
    /// Newest transaction of earlier runs: what reverted before a restart is forgiven.
    forgiven: i64,
    /// Whether node, contract and key were found to be the right ones.
    identified: bool,
    /// What the last complete turn saw, and whether it left something waiting.
    seen: Option<Seen>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    head: B256,
    sealed: u64,
    gate: Gate,
}

impl Committer {
    /// A committer for one contract; with `checked_only` a batch waits for its execution by the
    /// program.
    pub(crate) async fn new(
        section: &L1Section,
        checked_only: bool,
        client: EthClient,
        store: Store,
        key: Arc<dyn TransactionSigner>,
        clock: Arc<dyn Clock>,
        health: Arc<Health>,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            rollup: client.rollup(section.rollup_contract),
            client,
            forgiven: store.newest_intent().await?,
            store,
            key,
            clock,
            health,
            policy: Policy {
                bump_after_blocks: section.bump_after_blocks,
                max_batches: section.max_batches_per_transaction,
                recommit_from: section.recommit_from,
            },
            fees: FeeLimits {
                cap: u128::from(section.max_fee_per_gas_wei),
                min_tip: u128::from(section.min_priority_fee_per_gas_wei),
            },
            confirmations: section.confirmations,
            checked_only,
            poll: section.poll(),
            identified: false,
            seen: None,
        })
    }

    /// Works until the shutdown. A turn that was begun is finished; no failure ends the loop.
    pub(crate) async fn run(mut self, shutdown: Shutdown, check: Check) -> Result<()> {
        let mut pause = self.poll;
        while !shutdown.is_stopping() {
            let Some(turn) = shutdown.unless_leaving(self.turn()).await else {
                break;
            };
            if self.identified {
                // From here on it answers, whatever stalls: what stalls is told by `GetStatus`.
                check.ready();
            }
            match turn {
                Ok(()) => {
                    self.health.commit_stalled(None);
                    pause = self.poll;
                }
                Err(TurnError::Stalled(reason)) => {
                    self.health.commit_stalled(Some(&reason));
                    self.seen = None;
                    pause = self.poll;
                }
                Err(error) => {
                    self.health.commit_stalled(Some(&error.to_string()));
                    self.seen = None;
                    // The node that comes back may be another one.
                    self.identified = false;
                    pause = jittered(pause.saturating_mul(2).min(MAX_PAUSE.max(self.poll)));
                }
            }
            let wait = async {
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = self.health.rung() => {}
                }
            };
            shutdown.unless_stopping(wait).await;
        }
        Ok(())
    }

    /// One look and at most one step.
    async fn turn(&mut self) -> Result<(), TurnError> {
        self.identify().await?;
        let head = self.client.head().await?;
        let sealed = self.store.sealed().await?;
        let mut intents = self.store.unsettled().await?;
        let known = self.health.snapshot().heads;
        let mut seen = Seen {
            head: head.hash,
            sealed,
            gate: self
                .gate(known.map_or(0, |heads| heads.committed.0))
                .await?,
        };
        let waiting = intents
            .iter()
            .any(|intent| intent.state == IntentState::Pending);
        if self.seen == Some(seen) && !waiting {
            return Ok(());
        }
        let finalized = self.client.finalized().await?.map(|block| block.number);
        let heads = self.rollup.heads_in(head.hash).await?;
        seen.gate = self.gate(heads.committed.0).await?;
        let balance = self.client.balance(self.key.address()).await?;
        self.health.update(|snapshot| {
            snapshot.heads = Some(heads);
            snapshot.balance = Some(balance);
        });
        crate::metrics::heads(sealed, heads.committed.0, heads.proved.0);
        crate::metrics::balance(balance);
        crate::metrics::l1_head(head.number);

        self.observe(&mut intents, &head, finalized).await?;
        self.settle(&intents, &head, finalized, heads.committed.0)
            .await?;
        self.finish(&intents).await?;
        if intents
            .iter()
            .filter_map(Intent::landed)
            .any(|landed| landed.block > head.number)
        {
            // A block came while we looked; decide at that one.
            return Ok(());
        }
        let view = self.view(&intents, &head, heads, seen).await?;
        let step = plan::next(&view, &self.policy);
        self.act(step, &intents, &head, balance).await?;
        self.seen = Some(seen);
        Ok(())
    }

    async fn gate(&self, committed: u64) -> Result<Gate, StoreError> {
        self.store.gate(committed, self.checked_only).await
    }

    async fn view(
        &self,
        intents: &[Intent],
        head: &BlockRef,
        heads: cloister_l1::Heads,
        seen: Seen,
    ) -> Result<View, TurnError> {
        let address = self.key.address();
        let mut waiting = Vec::new();
        for intent in intents {
            let (IntentState::Pending, Some(latest)) = (intent.state, intent.latest()) else {
                continue;
            };
            waiting.push(Waiting {
                id: intent.id,
                nonce: intent.nonce,
                own_key: intent.sender == address,
                known: self.client.knows(latest.hash).await?,
                underpriced: latest.fees.max_fee < head.base_fee_wei,
                signed_in_block: latest.signed_in_block,
            });
        }
        let due = heads.committed.0.saturating_add(1);
        let at_source = self.health.snapshot().sealed_at_source;
        Ok(View {
            head: head.number,
            chain_nonce: self.client.nonce_in(address, head.hash).await?,
            free_nonce: self.store.free_nonce(address).await?,
            committed: heads.committed.0,
            paused: heads.paused,
            sealed: seen.sealed,
            caught_up: at_source.is_some_and(|at_source| at_source <= seen.sealed),
            gate: seen.gate,
            landed: self.store.landed(head.number).await?,
            reverted_in_a_row: self.store.reverted(due, self.forgiven).await?,
            waiting,
        })
    }

    async fn act(
        &self,
        step: Step,
        intents: &[Intent],
        head: &BlockRef,
        balance: cloister_l1::U256,
    ) -> Result<(), TurnError> {
        let by_id = |id: i64| {
            intents
                .iter()
                .find(|intent| intent.id == id)
                .ok_or_else(|| TurnError::stalled("a transaction vanished while it was looked at"))
        };
        match step {
            Step::Idle => Ok(()),
            Step::Resend(ids) => {
                for id in ids {
                    self.resend(by_id(id)?).await?;
                }
                Ok(())
            }
            Step::Bump(id) => self.bump(by_id(id)?, head).await,
            Step::Commit { first, last, nonce } => {
                self.commit(first, last, nonce, head, balance).await
            }
            Step::Stall(reason) => Err(TurnError::stalled(reason)),
        }
    }
}

/// Up to a quarter more or less, so that many installations do not knock in step.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.75..1.25))
}
