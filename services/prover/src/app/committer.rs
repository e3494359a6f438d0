//! Commits sealed batches to Ethereum, in order and exactly once, and has them proved there.
//!
//! One turn looks at one Ethereum block and does at most one thing:
//!
//! ```text
//!  observe  where is each transaction of ours? (pending, included, lost; included ones are asked
//!           again until their block is final, so a reorganisation is noticed)
//!  settle   where is each batch committed, proved and final, by which transaction, how deep?
//!  prove    which part of the next proof does the verifier wait for? (wraps.rs, split.rs)
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
mod prove;
mod settle;
mod split;
mod wraps;

use std::sync::Arc;
use std::time::Duration;

use cloister_l1::{B256, BlockRef, EthClient, Heads, L1Error, Rollup, U256};
use cloister_service_kit::{Check, Result, Shutdown};
use cloister_signer::TransactionSigner;
use cloister_types::Clock;

use self::fees::FeeLimits;
use self::plan::{FinalityDue, Plan, Policy, ProofDue, Step, View, Waiting};
use self::prove::Bringing;
pub(crate) use self::wraps::Wraps;
use crate::app::health::Health;
use crate::app::model::{Gate, Intent, IntentState, Kind};
use crate::app::proving::model::ArtefactId;
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

    /// Why one step alone cannot be done. Also when the node has no answer to it: it may be that it
    /// takes no questions of that size, and commits must not wait for that (SPR-10). A node that is
    /// away has no answers to the other questions either.
    fn of_one_step(self) -> Result<String, Self> {
        match self {
            Self::Stalled(reason) => Ok(reason),
            Self::L1(error) => Ok(error.to_string()),
            error => Err(error),
        }
    }
}

/// What the committer works with that is not a setting.
#[derive(Debug)]
pub(crate) struct Parts {
    /// The Ethereum node.
    pub client: EthClient,
    /// The prover's tables.
    pub store: Store,
    /// Signs.
    pub key: Arc<dyn TransactionSigner>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What is known at present.
    pub health: Arc<Health>,
    /// Where wraps come from.
    pub wraps: Wraps,
}

/// Commits, proves and finalizes batches on Ethereum.
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
    /// Longest transaction.
    max_transaction_bytes: usize,
    poll: Duration,
    wraps: Wraps,
    /// The proof that is being brought.
    bringing: Option<Bringing>,
    /// Blocks between a proof and finality, as the contract says.
    finality_blocks: u64,
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
    /// The wrap of the batch after the newest proved one.
    wrap: Option<ArtefactId>,
}

impl Committer {
    /// A committer for one contract; with `checked_only` a batch waits for its execution by the
    /// program.
    pub(crate) async fn new(
        section: &L1Section,
        checked_only: bool,
        parts: Parts,
    ) -> Result<Self, StoreError> {
        let Parts {
            client,
            store,
            key,
            clock,
            health,
            wraps,
        } = parts;
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
            max_transaction_bytes: section.max_transaction_bytes as usize,
            poll: section.poll(),
            wraps,
            bringing: None,
            finality_blocks: 0,
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
        let mut intents = self.store.unsettled().await?;
        let seen = self.look(head.hash).await?;
        let waiting = intents
            .iter()
            .any(|intent| intent.state == IntentState::Pending);
        if self.seen == Some(seen) && !waiting {
            return Ok(());
        }
        let finalized = self.client.finalized().await?.map(|block| block.number);
        let heads = self.rollup.heads_in(head.hash).await?;
        let balance = self.client.balance(self.key.address()).await?;
        self.health.update(|snapshot| {
            snapshot.heads = Some(heads);
            snapshot.balance = Some(balance);
        });
        // The contract's heads say what else to look at.
        let seen = self.look(head.hash).await?;
        crate::metrics::heads(seen.sealed, &heads);
        crate::metrics::balance(balance);
        crate::metrics::l1_head(head.number);

        self.observe(&mut intents, &head, finalized).await?;
        self.settle(&intents, &head, finalized, heads.committed.0)
            .await?;
        self.settle_proofs(&intents, &head, finalized, &heads)
            .await?;
        self.settle_finality(&intents, &head, finalized, &heads)
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
        let (view, stuck) = self.view(&intents, &head, heads, seen).await?;
        let plan = plan::next(&view, &self.policy);
        let nonce = view.chain_nonce;
        let waited = !view.waiting.is_empty();
        let stalls = self
            .act(plan, stuck, &intents, &head, nonce, balance)
            .await?;
        if !waited {
            // Of proofs nothing was asked while a transaction waited.
            self.health.prove_stalled(stalls.prove.as_deref());
        }
        if let Some(reason) = stalls.commit {
            return Err(TurnError::Stalled(reason));
        }
        self.seen = stalls.prove.is_none().then_some(seen);
        Ok(())
    }

    /// What must change before anything new can be due.
    async fn look(&self, head: B256) -> Result<Seen, TurnError> {
        let heads = self.health.snapshot().heads;
        let committed = heads.map_or(0, |heads| heads.committed.0);
        let next = heads.map_or(0, |heads| heads.proved.0).saturating_add(1);
        Ok(Seen {
            head,
            sealed: self.store.sealed().await?,
            gate: self.gate(committed).await?,
            wrap: self.store.wrap(next).await?.map(|(wrap, _)| wrap),
        })
    }

    async fn gate(&self, committed: u64) -> Result<Gate, StoreError> {
        self.store.gate(committed, self.checked_only).await
    }

    /// What the decision depends on; and why no part of a proof is in it that should be.
    async fn view(
        &mut self,
        intents: &[Intent],
        head: &BlockRef,
        heads: Heads,
        seen: Seen,
    ) -> Result<(View, Option<String>), TurnError> {
        let address = self.key.address();
        let waiting = self.waiting(intents, head).await?;
        // Nothing new begins while one waits, so there is nothing to look for either.
        let (mut proof, mut finality, mut stuck) = (None, None, None);
        if waiting.is_empty() {
            finality = self.finality_due(&heads, head).await?;
            match self.proof_due(&heads, head).await {
                Ok(due) => proof = due,
                Err(error) => stuck = Some(error.of_one_step()?),
            }
        }
        let due = heads.committed.0.saturating_add(1);
        let at_source = self.health.snapshot().sealed_at_source;
        let view = View {
            head: head.number,
            chain_nonce: self.client.nonce_in(address, head.hash).await?,
            free_nonce: self.store.free_nonce(address).await?,
            committed: heads.committed.0,
            paused: heads.paused,
            sealed: seen.sealed,
            caught_up: at_source.is_some_and(|at_source| at_source <= seen.sealed),
            gate: seen.gate,
            landed: self.store.landed(head.number).await?,
            reverted_in_a_row: self
                .store
                .reverted(Kind::Commit, due, self.forgiven)
                .await?,
            proof,
            finality,
            newest: self.store.newest_kind().await?,
            waiting,
        };
        Ok((view, stuck))
    }

    /// Transactions in no block.
    async fn waiting(
        &self,
        intents: &[Intent],
        head: &BlockRef,
    ) -> Result<Vec<Waiting>, TurnError> {
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
        Ok(waiting)
    }

    /// Batches whose proof is old enough by the contract's rule.
    async fn finality_due(
        &self,
        heads: &Heads,
        head: &BlockRef,
    ) -> Result<Option<FinalityDue>, TurnError> {
        let Some(newest) = head.number.checked_sub(self.finality_blocks) else {
            return Ok(None);
        };
        let (finalized, proved) = (heads.finalized.0, heads.proved.0);
        let Some(last) = self.store.ripe(finalized, proved, newest).await? else {
            return Ok(None);
        };
        let first = finalized.saturating_add(1);
        Ok(Some(FinalityDue {
            first,
            last,
            reverted_in_a_row: self
                .store
                .reverted(Kind::Finalize, first, self.forgiven)
                .await?,
        }))
    }

    /// Does the first of the plan's steps that is possible, and says what is not.
    async fn act(
        &mut self,
        plan: Plan,
        stuck: Option<String>,
        intents: &[Intent],
        head: &BlockRef,
        nonce: u64,
        balance: U256,
    ) -> Result<Stalls, TurnError> {
        let mut stalls = Stalls {
            commit: plan.commit_stall.map(|stall| stall.to_string()),
            prove: stuck.or_else(|| plan.prove_stall.map(|stall| stall.to_string())),
        };
        for step in plan.steps {
            let prepared = match &step {
                Step::Resend(ids) => {
                    for id in ids {
                        self.resend(by_id(intents, *id)?).await?;
                    }
                    break;
                }
                Step::Bump(id) => {
                    self.bump(by_id(intents, *id)?, head).await?;
                    break;
                }
                Step::Commit { first, last } => self.prepare_commit(*first, *last).await,
                Step::Bring(ProofDue { part, .. }) => self.prepare_part(*part, head).await,
                Step::Finalize { first, last } => self.prepare_finalize(*first, *last).await,
            };
            let priced = match prepared {
                Ok(call) => self
                    .afford(&call, head, balance)
                    .await
                    .map(|fees| (call, fees)),
                Err(error) => Err(error),
            };
            match priced {
                Ok((call, fees)) => {
                    self.submit(call, fees, nonce, head).await?;
                    break;
                }
                // Nothing was signed: another one may be possible.
                Err(error) if matches!(step, Step::Commit { .. }) => match error {
                    TurnError::Stalled(reason) => stalls.commit = Some(reason),
                    error => return Err(error),
                },
                Err(error) => stalls.prove = Some(error.of_one_step()?),
            }
        }
        Ok(stalls)
    }
}

/// Why commits, and why proofs, do not go out.
#[derive(Debug, Default)]
struct Stalls {
    commit: Option<String>,
    prove: Option<String>,
}

fn by_id(intents: &[Intent], id: i64) -> Result<&Intent, TurnError> {
    intents
        .iter()
        .find(|intent| intent.id == id)
        .ok_or_else(|| TurnError::stalled("a transaction vanished while it was looked at"))
}

/// Up to a quarter more or less, so that many installations do not knock in step.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.75..1.25))
}
