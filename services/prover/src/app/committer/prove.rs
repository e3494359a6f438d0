//! What is due to be brought to the verifier, and the calls that bring it.
//!
//! Nothing is kept of how far a proof was brought but what the contract itself keeps: the session.
//! So a restart, a lost transaction and a reorganisation need nothing else (SPR-8).

use std::sync::Arc;

use cloister_l1::{Address, BlockRef, Bytes, Heads, L1Error, Rollup, WrapVerifier};
use cloister_types::BatchNumber;

use super::act::{Call, Unfit};
use super::plan::{ProofDue, Stall, kind_of};
use super::split::{self, Part, Queries};
use super::wraps::Submission;
use super::{Committer, TurnError};

/// Bytes that a transaction has beside its call, at most.
const ENVELOPE_BYTES: usize = 256;

/// A wrap on its way to Ethereum, as far as this process knows.
#[derive(Debug)]
pub(super) struct Bringing {
    batch: u64,
    submission: Arc<Submission>,
    version: u32,
    verifier: WrapVerifier,
    /// What the head's queries are checked against.
    context: Bytes,
    /// Most queries that gas left room for in one transaction so far.
    most: usize,
}

impl Committer {
    /// The part of a proof that Ethereum waits for; `None` when it waits for none.
    pub(super) async fn proof_due(
        &mut self,
        heads: &Heads,
        head: &BlockRef,
    ) -> Result<Option<ProofDue>, TurnError> {
        let batch = heads.proved.0.saturating_add(1);
        if batch > heads.committed.0 {
            return Ok(None);
        }
        let Some(submission) = self.wraps.submission(batch).await? else {
            return Ok(None);
        };
        if heads.paused {
            return Err(TurnError::stalled(Stall::Paused));
        }
        let (version, address) = self.version_for(&submission, head).await?;
        let same = self.bringing.as_ref().is_some_and(|known| {
            known.submission.wrap == submission.wrap
                && known.version == version
                && known.verifier.address() == address
        });
        if !same {
            self.bringing = Some(
                self.take_up(batch, submission, version, address, head)
                    .await?,
            );
        }
        let Some(bringing) = &self.bringing else {
            return Ok(None);
        };
        let part = self.next_part(bringing, head).await?;
        let kind = kind_of(part);
        Ok(Some(ProofDue {
            batch,
            part,
            reverted_in_a_row: self.store.reverted(kind, batch, self.forgiven).await?,
        }))
    }

    /// The newest version that checks such wraps and is not frozen.
    async fn version_for(
        &self,
        submission: &Submission,
        head: &BlockRef,
    ) -> Result<(u32, Address), TurnError> {
        let mut frozen = None;
        for found in self.rollup.verifiers_in(head.hash).await? {
            if found.wraps != Some(submission.circuit()) {
                continue;
            }
            if !found.frozen {
                return Ok((found.version, found.address));
            }
            frozen = frozen.or(Some(found.version));
        }
        Err(TurnError::Stalled(match frozen {
            Some(version) => format!(
                "version {version} of the verifiers on Ethereum is frozen, and there is no other for \
                 guest image {}: add one (`cloister l1 add-verifier`)",
                submission.image()
            ),
            None => format!(
                "there is no verifier on Ethereum for guest image {} (circuit `{}`): add one \
                 (`cloister l1 add-verifier`)",
                submission.image(),
                submission.circuit().image_hash
            ),
        }))
    }

    /// Has the contract say what the queries are checked against.
    async fn take_up(
        &self,
        batch: u64,
        submission: Arc<Submission>,
        version: u32,
        address: Address,
        head: &BlockRef,
    ) -> Result<Bringing, TurnError> {
        let verifier = self.client.wrap_verifier(address);
        let context = verifier
            .context_in(
                self.rollup.address(),
                submission.batch_hash,
                &submission.head,
                head.hash,
            )
            .await;
        let context = match context {
            Ok(context) => context,
            Err(L1Error::Reverts(refusal)) => {
                return Err(TurnError::Stalled(format!(
                    "version {version} of the verifiers on Ethereum refuses the wrap of batch \
                     {batch}: {refusal}"
                )));
            }
            Err(error) => return Err(error.into()),
        };
        Ok(Bringing {
            batch,
            most: submission.queries(),
            submission,
            version,
            verifier,
            context,
        })
    }

    async fn next_part(&self, bringing: &Bringing, head: &BlockRef) -> Result<Part, TurnError> {
        let (consumer, submitter) = (self.rollup.address(), self.key.address());
        let session = bringing
            .verifier
            .session_in(consumer, submitter, &bringing.context, head.hash)
            .await?;
        let submission = &bringing.submission;
        let empty = bringing.prove_input(Queries { first: 0, count: 0 }).len();
        let room = self
            .max_transaction_bytes
            .saturating_sub(empty)
            .saturating_sub(ENVELOPE_BYTES);
        let fits = |queries: Queries| {
            queries.count <= bringing.most
                && submission.range(queries).len().next_multiple_of(32) <= room
        };
        let part = split::next(session, submission.queries(), fits).map_err(|_| {
            TurnError::Stalled(format!(
                "not even one query of the wrap of batch {} fits in {} bytes and the gas of one \
                 transaction: raise `l1.max_transaction_bytes`",
                bringing.batch, self.max_transaction_bytes
            ))
        })?;
        if part == Part::Begin {
            let bytes = self.begin_input(bringing).len();
            let bytes = bytes.saturating_add(ENVELOPE_BYTES);
            if bytes > self.max_transaction_bytes {
                return Err(TurnError::Stalled(format!(
                    "the head of the wrap of batch {} takes a transaction of {bytes} bytes: raise \
                     `l1.max_transaction_bytes`, which is {}",
                    bringing.batch, self.max_transaction_bytes
                )));
            }
        }
        Ok(part)
    }

    /// The call that brings a part. Where its gas does not fit in one transaction, a smaller part.
    pub(super) async fn prepare_part(
        &mut self,
        part: Part,
        head: &BlockRef,
    ) -> Result<Call, TurnError> {
        let Some(mut bringing) = self.bringing.take() else {
            return Err(TurnError::stalled(
                "a proof vanished while it was looked at",
            ));
        };
        let call = self.fit(&mut bringing, part, head).await;
        self.bringing = Some(bringing);
        call
    }

    async fn fit(
        &self,
        bringing: &mut Bringing,
        mut part: Part,
        head: &BlockRef,
    ) -> Result<Call, TurnError> {
        loop {
            let verifier = bringing.verifier.address();
            let (to, input) = match part {
                Part::Begin => (verifier, self.begin_input(bringing)),
                Part::Check(queries) => (verifier, self.check_input(bringing, queries)),
                Part::Prove(queries) => (self.rollup.address(), bringing.prove_input(queries)),
            };
            let unfit = match self.gas_limit(to, input.clone()).await? {
                Ok(gas_limit) => {
                    return Ok(Call {
                        kind: kind_of(part),
                        first: bringing.batch,
                        last: bringing.batch,
                        to,
                        input,
                        gas_limit,
                    });
                }
                Err(unfit) => unfit,
            };
            let count = match part {
                Part::Check(queries) | Part::Prove(queries) => queries.count,
                Part::Begin => 0,
            };
            if count <= 1 || !unfit.may_be_gas() {
                return Err(refused(bringing.batch, part, &unfit));
            }
            bringing.most = count.div_ceil(2);
            part = self.next_part(bringing, head).await?;
        }
    }

    fn begin_input(&self, bringing: &Bringing) -> Bytes {
        let submission = &bringing.submission;
        let consumer = self.rollup.address();
        WrapVerifier::begin_call(consumer, submission.batch_hash, &submission.head)
    }

    fn check_input(&self, bringing: &Bringing, queries: Queries) -> Bytes {
        WrapVerifier::check_call(
            self.rollup.address(),
            &bringing.context,
            queries.first,
            queries.count,
            &bringing.submission.range(queries),
        )
    }
}

impl Bringing {
    fn prove_input(&self, queries: Queries) -> Bytes {
        let range = if queries.count == 0 {
            Bytes::new()
        } else {
            self.submission.range(queries)
        };
        Rollup::prove_call(
            BatchNumber(self.batch),
            self.version,
            &self.context,
            queries.first,
            queries.count,
            &range,
        )
    }
}

fn refused(batch: u64, part: Part, unfit: &Unfit) -> TurnError {
    let what = match part {
        Part::Begin => "the head of the wrap".to_owned(),
        Part::Check(queries) => format!("{} queries of the wrap", queries.count),
        Part::Prove(queries) => format!("the proof with {} queries of the wrap", queries.count),
    };
    TurnError::Stalled(match unfit {
        Unfit::Gas(words) => {
            format!("{what} of batch {batch} cannot be brought in one transaction: {words}")
        }
        Unfit::Refused(refusal) => {
            format!("the contract would refuse {what} of batch {batch}: {refusal}")
        }
    })
}
