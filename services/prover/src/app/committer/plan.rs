//! What to do next: a pure decision from what Ethereum and the database say.

use std::fmt;

use super::split::Part;
use crate::app::model::{Gate, Kind};

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

/// A part of a proof that Ethereum waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProofDue {
    /// The batch after the newest proved one.
    pub batch: u64,
    /// The part.
    pub part: Part,
    /// Transactions of this kind in a row that were for this batch and reverted.
    pub reverted_in_a_row: u64,
}

/// Proved batches that can be made final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FinalityDue {
    /// The batch after the newest final one.
    pub first: u64,
    /// The newest whose proof is old enough.
    pub last: u64,
    /// Transactions in a row that began at the first and reverted.
    pub reverted_in_a_row: u64,
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
    /// The part of a proof that is due.
    pub proof: Option<ProofDue>,
    /// Batches that are to be made final.
    pub finality: Option<FinalityDue>,
    /// What the newest transaction of all is for.
    pub newest: Option<Kind>,
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
    /// Hand these to the node again.
    Resend(Vec<i64>),
    /// Sign this one again with higher fees.
    Bump(i64),
    /// Commit these batches.
    Commit {
        /// First batch.
        first: u64,
        /// Last batch.
        last: u64,
    },
    /// Bring a part of a proof.
    Bring(ProofDue),
    /// Make these batches final.
    Finalize {
        /// First batch.
        first: u64,
        /// Last batch.
        last: u64,
    },
}

/// What can be done, and what cannot until somebody or something else moves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Plan {
    /// One of these: the first that turns out to be possible. Empty: nothing is due.
    pub steps: Vec<Step>,
    /// Why no commit is among them that should be.
    pub commit_stall: Option<Stall>,
    /// Why no part of a proof, or no finality, is among them that should be.
    pub prove_stall: Option<Stall>,
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
    /// The same transaction reverted again and again.
    KeepsReverting {
        /// What it is for.
        kind: Kind,
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
            Self::KeepsReverting { kind, first } => {
                let what = match kind {
                    Kind::Commit => "committing",
                    Kind::Begin | Kind::Check => "bringing the proof of",
                    Kind::Prove => "proving",
                    Kind::Finalize => "finalizing",
                };
                write!(
                    f,
                    "{what} batch {first} reverted {MAX_REVERTED_IN_A_ROW} times in a row; look \
                     at the transactions on Ethereum and restart"
                )
            }
        }
    }
}

/// Decides. One new transaction at a time: the next begins when all before it are in blocks. Commits,
/// parts of proofs and finality take turns when several are due, so that none waits for ever (SPR-10).
pub(crate) fn next(view: &View, policy: &Policy) -> Plan {
    if !view.waiting.is_empty() {
        return tend(view, policy);
    }
    let mut plan = Plan::default();
    let commit = commit(view, policy).unwrap_or_else(|stall| {
        plan.commit_stall = Some(stall);
        None
    });
    let [bring, finalize] = [bring(view), finalize(view)].map(|step| {
        step.unwrap_or_else(|stall| {
            plan.prove_stall = Some(stall);
            None
        })
    });
    let mut due = [commit, bring, finalize];
    // Whose turn it was comes last.
    due.rotate_left(match view.newest {
        Some(Kind::Commit) => 1,
        Some(Kind::Begin | Kind::Check | Kind::Prove) => 2,
        Some(Kind::Finalize) | None => 0,
    });
    plan.steps = due.into_iter().flatten().collect();
    if view.free_nonce > view.chain_nonce && !plan.steps.is_empty() {
        return Plan {
            steps: Vec::new(),
            commit_stall: Some(Stall::NodeBehind),
            prove_stall: plan.prove_stall,
        };
    }
    plan
}

fn commit(view: &View, policy: &Policy) -> Result<Option<Step>, Stall> {
    let due = view.committed.saturating_add(1);
    if view.committed > view.sealed {
        return if view.caught_up {
            Err(Stall::ContractAhead {
                committed: view.committed,
                sealed: view.sealed,
            })
        } else {
            Ok(None)
        };
    }
    let agreed = policy.recommit_from.is_some_and(|from| due >= from);
    if view.landed > view.committed && !agreed {
        return Err(Stall::TakenBack { first: due });
    }
    if view.sealed == view.committed {
        return Ok(None);
    }
    // SPV-21: nothing that the program has not confirmed.
    let checked = match view.gate {
        Gate::Open => view.sealed,
        Gate::Before(batch) => view.sealed.min(batch.saturating_sub(1)),
        Gate::Rejected(batch) => return Err(Stall::Rejected { batch }),
    };
    if checked < due {
        return Ok(None);
    }
    if view.paused {
        return Err(Stall::Paused);
    }
    not_burning(Kind::Commit, due, view.reverted_in_a_row)?;
    Ok(Some(Step::Commit {
        first: due,
        last: checked.min(view.committed.saturating_add(policy.max_batches)),
    }))
}

fn bring(view: &View) -> Result<Option<Step>, Stall> {
    let Some(due) = view.proof else {
        return Ok(None);
    };
    if view.paused {
        return Err(Stall::Paused);
    }
    not_burning(kind_of(due.part), due.batch, due.reverted_in_a_row)?;
    Ok(Some(Step::Bring(due)))
}

fn finalize(view: &View) -> Result<Option<Step>, Stall> {
    let Some(due) = view.finality else {
        return Ok(None);
    };
    if view.paused {
        return Err(Stall::Paused);
    }
    not_burning(Kind::Finalize, due.first, due.reverted_in_a_row)?;
    Ok(Some(Step::Finalize {
        first: due.first,
        last: due.last,
    }))
}

/// What a transaction with this part is for.
pub(crate) const fn kind_of(part: Part) -> Kind {
    match part {
        Part::Begin => Kind::Begin,
        Part::Check(_) => Kind::Check,
        Part::Prove(_) => Kind::Prove,
    }
}

const fn not_burning(kind: Kind, first: u64, reverted_in_a_row: u64) -> Result<(), Stall> {
    if reverted_in_a_row >= MAX_REVERTED_IN_A_ROW {
        return Err(Stall::KeepsReverting { kind, first });
    }
    Ok(())
}

/// Transactions wait: have the node hold them, and raise the fees of the first when it is stuck.
/// Later ones cannot be included before it.
fn tend(view: &View, policy: &Policy) -> Plan {
    let only = |step| Plan {
        steps: vec![step],
        ..Plan::default()
    };
    if let Some(first) = view.waiting.first() {
        let stuck_for = view.head.saturating_sub(first.signed_in_block);
        let refused = first.underpriced && !first.known;
        if refused || stuck_for >= policy.bump_after_blocks {
            if first.own_key {
                return only(Step::Bump(first.id));
            }
            return Plan {
                commit_stall: Some(Stall::ForeignKey { nonce: first.nonce }),
                ..Plan::default()
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
        Plan::default()
    } else {
        only(Step::Resend(unknown))
    }
}

#[cfg(test)]
mod tests {
    use super::super::split::Queries;
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
            proof: None,
            finality: None,
            newest: None,
            waiting: vec![],
        }
    }

    fn only(step: Step) -> Plan {
        Plan {
            steps: vec![step],
            ..Plan::default()
        }
    }

    fn rest() -> Plan {
        Plan::default()
    }

    fn stalled(stall: Stall) -> Plan {
        Plan {
            commit_stall: Some(stall),
            ..Plan::default()
        }
    }

    fn commit(first: u64, last: u64) -> Step {
        Step::Commit { first, last }
    }

    fn proof(part: Part) -> ProofDue {
        ProofDue {
            batch: 2,
            part,
            reverted_in_a_row: 0,
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
        assert_eq!(next(&view(), &POLICY), rest());
    }

    #[test]
    fn commits_what_is_due_in_groups() {
        let two = View {
            sealed: 5,
            ..view()
        };
        assert_eq!(next(&two, &POLICY), only(commit(4, 5)));
        let many = View {
            sealed: 50,
            ..view()
        };
        assert_eq!(next(&many, &POLICY), only(commit(4, 7)));
    }

    #[test]
    fn spv_21_commits_only_what_was_checked() {
        let with = |gate| View {
            sealed: 6,
            gate,
            ..view()
        };
        assert_eq!(next(&with(Gate::Before(4)), &POLICY), rest());
        assert_eq!(next(&with(Gate::Before(6)), &POLICY), only(commit(4, 5)));
        for batch in [2, 4, 6] {
            assert_eq!(
                next(&with(Gate::Rejected(batch)), &POLICY),
                stalled(Stall::Rejected { batch })
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
        assert_eq!(next(&view, &POLICY), rest());
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
        assert_eq!(next(&view, &POLICY), only(Step::Resend(vec![2])));
    }

    #[test]
    fn raises_fees_only_of_the_first_and_only_when_blocks_passed_it_by() {
        let view = View {
            waiting: vec![waiting(1, 95), waiting(2, 90)],
            ..view()
        };
        assert_eq!(next(&view, &POLICY), only(Step::Bump(1)));
        let quiet = View {
            waiting: vec![waiting(1, 96), waiting(2, 90)],
            ..view
        };
        assert_eq!(next(&quiet, &POLICY), rest());
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
        assert_eq!(next(&view, &POLICY), only(Step::Bump(1)));
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
            stalled(Stall::ForeignKey { nonce: 7 })
        );
    }

    #[test]
    fn waits_out_a_pause_only_when_there_is_work() {
        let idle = View {
            paused: true,
            ..view()
        };
        assert_eq!(next(&idle, &POLICY), rest());
        let busy = View { sealed: 4, ..idle };
        assert_eq!(next(&busy, &POLICY), stalled(Stall::Paused));
    }

    #[test]
    fn does_not_fight_the_guardian() {
        let view = View {
            committed: 1,
            ..view()
        };
        assert_eq!(next(&view, &POLICY), stalled(Stall::TakenBack { first: 2 }));
        let agreed = Policy {
            recommit_from: Some(2),
            ..POLICY
        };
        assert_eq!(next(&view, &agreed), only(commit(2, 3)));
        let for_later_ones = Policy {
            recommit_from: Some(3),
            ..POLICY
        };
        assert_eq!(
            next(&view, &for_later_ones),
            stalled(Stall::TakenBack { first: 2 })
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
            stalled(Stall::ContractAhead {
                committed: 9,
                sealed: 3
            })
        );
        let still_reading = View {
            caught_up: false,
            ..view
        };
        assert_eq!(next(&still_reading, &POLICY), rest());
    }

    #[test]
    fn never_uses_a_nonce_twice_when_the_node_lags() {
        let view = View {
            sealed: 4,
            free_nonce: 8,
            ..view()
        };
        assert_eq!(next(&view, &POLICY), stalled(Stall::NodeBehind));
    }

    #[test]
    fn stops_burning_gas() {
        let view = View {
            sealed: 4,
            reverted_in_a_row: 3,
            ..view()
        };
        let reverting = |kind, first| Stall::KeepsReverting { kind, first };
        assert_eq!(next(&view, &POLICY), stalled(reverting(Kind::Commit, 4)));
        let view = View {
            proof: Some(ProofDue {
                reverted_in_a_row: 3,
                ..proof(Part::Begin)
            }),
            ..view
        };
        assert_eq!(
            next(&view, &POLICY),
            Plan {
                prove_stall: Some(reverting(Kind::Begin, 2)),
                ..stalled(reverting(Kind::Commit, 4))
            }
        );
    }

    #[test]
    fn spr_10_commits_proofs_and_finality_take_turns() {
        let part = Part::Check(Queries { first: 0, count: 7 });
        let finality = FinalityDue {
            first: 1,
            last: 1,
            reverted_in_a_row: 0,
        };
        let after = |newest| {
            let view = View {
                sealed: 5,
                proof: Some(proof(part)),
                finality: Some(finality),
                newest,
                ..view()
            };
            next(&view, &POLICY).steps
        };
        let bring = Step::Bring(proof(part));
        let finalize = Step::Finalize { first: 1, last: 1 };
        let commit = commit(4, 5);
        let all = |steps: [&Step; 3]| steps.map(Clone::clone).to_vec();
        assert_eq!(after(None), all([&commit, &bring, &finalize]));
        for kind in [Kind::Begin, Kind::Check, Kind::Prove] {
            assert_eq!(after(Some(kind)), all([&finalize, &commit, &bring]));
        }
        assert_eq!(after(Some(Kind::Commit)), all([&bring, &finalize, &commit]));
        assert_eq!(
            after(Some(Kind::Finalize)),
            all([&commit, &bring, &finalize])
        );
    }

    #[test]
    fn spr_10_a_stalled_commit_does_not_hold_proofs_nor_the_other_way_round() {
        let rejected = View {
            sealed: 5,
            gate: Gate::Rejected(4),
            proof: Some(proof(Part::Begin)),
            newest: Some(Kind::Commit),
            ..view()
        };
        assert_eq!(
            next(&rejected, &POLICY),
            Plan {
                commit_stall: Some(Stall::Rejected { batch: 4 }),
                ..only(Step::Bring(proof(Part::Begin)))
            }
        );
        let reverting = View {
            sealed: 5,
            finality: Some(FinalityDue {
                first: 1,
                last: 2,
                reverted_in_a_row: 3,
            }),
            ..view()
        };
        assert_eq!(
            next(&reverting, &POLICY),
            Plan {
                prove_stall: Some(Stall::KeepsReverting {
                    kind: Kind::Finalize,
                    first: 1
                }),
                ..only(commit(4, 5))
            }
        );
    }

    #[test]
    fn proves_and_finalizes_nothing_during_a_pause() {
        let view = View {
            paused: true,
            proof: Some(proof(Part::Begin)),
            ..view()
        };
        let paused = Plan {
            prove_stall: Some(Stall::Paused),
            ..Plan::default()
        };
        assert_eq!(next(&view, &POLICY), paused);
        let view = View {
            proof: None,
            finality: Some(FinalityDue {
                first: 1,
                last: 1,
                reverted_in_a_row: 0,
            }),
            ..view
        };
        assert_eq!(next(&view, &POLICY), paused);
    }
}
