//! What to do next: a pure decision from what Ethereum and the database say.

use std::fmt;

use crate::app::model::Gate;

/// A transaction that is in no block, as seen now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Key in the database.
    pub id: i64,
    /// Its nonce.
    pub nonce: u64,
    /// Whether the present key can sign for it again.
    pub own_key: bool,
    /// Whether the node has it.
    pub known: bool,
    /// Whether it offers less than the present base fee.
    pub underpriced: bool,
    /// Newest Ethereum block when it was last signed.
    pub signed_in_block: u64,
}

/// Everything the decision depends on, seen at one Ethereum block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    /// Newest Ethereum block.
    pub head: u64,
    /// Transactions of the committer in the chain.
    pub chain_nonce: u64,
    /// The first nonce that this database never gave away.
    pub free_nonce: u64,
    /// Newest batch that the contract holds.
    pub committed: u64,
    /// Whether the contract is paused.
    pub paused: bool,
    /// Newest batch that was sealed and is here.
    pub sealed: u64,
    /// Whether the sequencer has no further batch for us.
    pub caught_up: bool,
    /// How far batches have been compared with the program.
    pub gate: Gate,
    /// Highest batch that a transaction which is in the chain committed.
    pub landed: u64,
    /// Transactions in a row that tried the batch after `committed` and reverted.
    pub reverted_in_a_row: u64,
    /// Transactions in no block, by nonce.
    pub waiting: Vec<Waiting>,
}

/// Limits that the operator set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Policy {
    /// Blocks without inclusion after which fees are raised.
    pub bump_after_blocks: u64,
    /// Most batches in one transaction.
    pub max_batches: u64,
    /// Batches from here on may be committed again after the guardian took them back.
    pub recommit_from: Option<u64>,
}

/// Most transactions that may revert in a row before a person must look.
pub(crate) const MAX_REVERTED_IN_A_ROW: u64 = 3;

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing; all is well.
    Idle,
    /// Hand these to the node again.
    Resend(Vec<i64>),
    /// Sign this one again with higher fees.
    Bump(i64),
    /// Commit these batches under this nonce.
    Commit {
        /// First batch.
        first: u64,
        /// Last batch.
        last: u64,
        /// Nonce.
        nonce: u64,
    },
    /// Nothing can be done until somebody or something else moves.
    Stall(Stall),
}

/// Why nothing moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stall {
    /// The guardian paused the contract.
    Paused,
    /// The guardian took batches back.
    TakenBack {
        /// The first of them.
        first: u64,
    },
    /// The contract holds batches that the sequencer does not have.
    ContractAhead {
        /// Newest batch on Ethereum.
        committed: u64,
        /// Newest sealed batch.
        sealed: u64,
    },
    /// The node does not show transactions that it showed before.
    NodeBehind,
    /// A waiting transaction was signed by a key that is no longer configured.
    ForeignKey {
        /// Its nonce.
        nonce: u64,
    },
    /// The same commit reverted again and again.
    KeepsReverting {
        /// The batch.
        first: u64,
    },
    /// The program and the sequencer disagree about a batch.
    Rejected {
        /// The batch.
        batch: u64,
    },
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Paused => f.write_str("the contract is paused by its guardian"),
            Self::TakenBack { first } => write!(
                f,
                "the guardian took back batches from {first} on; when the cause is settled, set \
                 `l1.recommit_from = {first}` and restart"
            ),
            Self::ContractAhead { committed, sealed } => write!(
                f,
                "the contract holds batch {committed} and the sequencer sealed only {sealed}: is \
                 `l1.rollup_contract` another chain's, or was the sequencer restored from an old \
                 backup?"
            ),
            Self::NodeBehind => f.write_str(
                "the Ethereum node does not show transactions that were in the chain before; \
                 waiting for it to catch up",
            ),
            Self::ForeignKey { nonce } => write!(
                f,
                "transaction {nonce} waits and was signed by a committer key that is no longer \
                 configured; its fees cannot be raised"
            ),
            Self::Rejected { batch } => write!(
                f,
                "nothing is committed any more: the program does not agree with the sequencer \
                 about batch {batch}; what is needed to find out why is kept"
            ),
            Self::KeepsReverting { first } => write!(
                f,
                "committing batch {first} reverted {MAX_REVERTED_IN_A_ROW} times in a row; look \
                 at the transactions on Ethereum"
            ),
        }
    }
}

/// Decides. One new transaction at a time: the next begins when all before it are in blocks.
pub(crate) fn next(view: &View, policy: &Policy) -> Step {
    if !view.waiting.is_empty() {
        return tend(view, policy);
    }
    let due = view.committed.saturating_add(1);
    if view.committed > view.sealed {
        return if view.caught_up {
            Step::Stall(Stall::ContractAhead {
                committed: view.committed,
                sealed: view.sealed,
            })
        } else {
            Step::Idle
        };
    }
    let agreed = policy.recommit_from.is_some_and(|from| due >= from);
    if view.landed > view.committed && !agreed {
        return Step::Stall(Stall::TakenBack { first: due });
    }
    if view.sealed == view.committed {
        return Step::Idle;
    }
    // SPV-21: nothing that the program has not confirmed.
    let checked = match view.gate {
        Gate::Open => view.sealed,
        Gate::Before(batch) => view.sealed.min(batch.saturating_sub(1)),
        Gate::Rejected(batch) => return Step::Stall(Stall::Rejected { batch }),
    };
    if checked < due {
        return Step::Idle;
    }
    if view.paused {
        return Step::Stall(Stall::Paused);
    }
    if view.free_nonce > view.chain_nonce {
        return Step::Stall(Stall::NodeBehind);
    }
    if view.reverted_in_a_row >= MAX_REVERTED_IN_A_ROW {
        return Step::Stall(Stall::KeepsReverting { first: due });
    }
    Step::Commit {
        first: due,
        last: checked.min(view.committed.saturating_add(policy.max_batches)),
        nonce: view.chain_nonce,
    }
}

/// Transactions wait: have the node hold them, and raise the fees of the first when it is stuck.
/// Later ones cannot be included before it.
fn tend(view: &View, policy: &Policy) -> Step {
    if let Some(first) = view.waiting.first() {
        let stuck_for = view.head.saturating_sub(first.signed_in_block);
        let refused = first.underpriced && !first.known;
        if refused || stuck_for >= policy.bump_after_blocks {
            return if first.own_key {
                Step::Bump(first.id)
            } else {
                Step::Stall(Stall::ForeignKey { nonce: first.nonce })
            };
        }
    }
    let unknown: Vec<i64> = view
        .waiting
        .iter()
        .filter(|waiting| !waiting.known)
        .map(|waiting| waiting.id)
        .collect();
    if unknown.is_empty() {
        Step::Idle
    } else {
        Step::Resend(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy {
        bump_after_blocks: 5,
        max_batches: 4,
        recommit_from: None,
    };

    fn view() -> View {
        View {
            head: 100,
            chain_nonce: 7,
            free_nonce: 7,
            committed: 3,
            paused: false,
            sealed: 3,
            caught_up: true,
            gate: Gate::Open,
            landed: 3,
            reverted_in_a_row: 0,
            waiting: vec![],
        }
    }

    fn waiting(id: i64, signed_in_block: u64) -> Waiting {
        Waiting {
            id,
            nonce: 7,
            own_key: true,
            known: true,
            underpriced: false,
            signed_in_block,
        }
    }

    #[test]
    fn rests_when_all_is_committed() {
        assert_eq!(next(&view(), &POLICY), Step::Idle);
    }

    #[test]
    fn commits_what_is_due_in_groups() {
        let two = View {
            sealed: 5,
            ..view()
        };
        let commit = |last| Step::Commit {
            first: 4,
            last,
            nonce: 7,
        };
        assert_eq!(next(&two, &POLICY), commit(5));
        let many = View {
            sealed: 50,
            ..view()
        };
        assert_eq!(next(&many, &POLICY), commit(7));
    }

    #[test]
    fn spv_21_commits_only_what_was_checked() {
        let with = |gate| View {
            sealed: 6,
            gate,
            ..view()
        };
        assert_eq!(next(&with(Gate::Before(4)), &POLICY), Step::Idle);
        assert_eq!(
            next(&with(Gate::Before(6)), &POLICY),
            Step::Commit {
                first: 4,
                last: 5,
                nonce: 7
            }
        );
        for batch in [2, 4, 6] {
            assert_eq!(
                next(&with(Gate::Rejected(batch)), &POLICY),
                Step::Stall(Stall::Rejected { batch })
            );
        }
    }

    #[test]
    fn begins_nothing_while_a_transaction_waits() {
        let view = View {
            sealed: 5,
            waiting: vec![waiting(1, 98)],
            ..view()
        };
        assert_eq!(next(&view, &POLICY), Step::Idle);
    }

    #[test]
    fn resends_what_the_node_lost() {
        let lost = Waiting {
            known: false,
            ..waiting(2, 98)
        };
        let view = View {
            waiting: vec![waiting(1, 98), lost],
            ..view()
        };
        assert_eq!(next(&view, &POLICY), Step::Resend(vec![2]));
    }

    #[test]
    fn raises_fees_only_of_the_first_and_only_when_blocks_passed_it_by() {
        let view = View {
            waiting: vec![waiting(1, 95), waiting(2, 90)],
            ..view()
        };
        assert_eq!(next(&view, &POLICY), Step::Bump(1));
        let quiet = View {
            waiting: vec![waiting(1, 96), waiting(2, 90)],
            ..view
        };
        assert_eq!(next(&quiet, &POLICY), Step::Idle);
    }

    #[test]
    fn raises_fees_at_once_when_no_node_would_take_it() {
        let cheap = Waiting {
            known: false,
            underpriced: true,
            ..waiting(1, 100)
        };
        let view = View {
            waiting: vec![cheap],
            ..view()
        };
        assert_eq!(next(&view, &POLICY), Step::Bump(1));
    }

    #[test]
    fn cannot_raise_fees_for_another_key() {
        let foreign = Waiting {
            own_key: false,
            ..waiting(1, 90)
        };
        let view = View {
            waiting: vec![foreign],
            ..view()
        };
        assert_eq!(
            next(&view, &POLICY),
            Step::Stall(Stall::ForeignKey { nonce: 7 })
        );
    }

    #[test]
    fn waits_out_a_pause_only_when_there_is_work() {
        let idle = View {
            paused: true,
            ..view()
        };
        assert_eq!(next(&idle, &POLICY), Step::Idle);
        let busy = View { sealed: 4, ..idle };
        assert_eq!(next(&busy, &POLICY), Step::Stall(Stall::Paused));
    }

    #[test]
    fn does_not_fight_the_guardian() {
        let view = View {
            committed: 1,
            ..view()
        };
        assert_eq!(
            next(&view, &POLICY),
            Step::Stall(Stall::TakenBack { first: 2 })
        );
        let agreed = Policy {
            recommit_from: Some(2),
            ..POLICY
        };
        assert_eq!(
            next(&view, &agreed),
            Step::Commit {
                first: 2,
                last: 3,
                nonce: 7
            }
        );
        let for_later_ones = Policy {
            recommit_from: Some(3),
            ..POLICY
        };
        assert_eq!(
            next(&view, &for_later_ones),
            Step::Stall(Stall::TakenBack { first: 2 })
        );
    }

    #[test]
    fn notices_a_contract_that_is_ahead() {
        let view = View {
            committed: 9,
            landed: 3,
            ..view()
        };
        assert_eq!(
            next(&view, &POLICY),
            Step::Stall(Stall::ContractAhead {
                committed: 9,
                sealed: 3
            })
        );
        let still_reading = View {
            caught_up: false,
            ..view
        };
        assert_eq!(next(&still_reading, &POLICY), Step::Idle);
    }

    #[test]
    fn never_uses_a_nonce_twice_when_the_node_lags() {
        let view = View {
            sealed: 4,
            free_nonce: 8,
            ..view()
        };
        assert_eq!(next(&view, &POLICY), Step::Stall(Stall::NodeBehind));
    }

    #[test]
    fn uses_the_chains_nonce_when_the_key_was_used_elsewhere() {
        let view = View {
            sealed: 4,
            chain_nonce: 12,
            ..view()
        };
        assert_eq!(
            next(&view, &POLICY),
            Step::Commit {
                first: 4,
                last: 4,
                nonce: 12
            }
        );
    }

    #[test]
    fn stops_burning_gas() {
        let view = View {
            sealed: 4,
            reverted_in_a_row: 3,
            ..view()
        };
        assert_eq!(
            next(&view, &POLICY),
            Step::Stall(Stall::KeepsReverting { first: 4 })
        );
    }
}
