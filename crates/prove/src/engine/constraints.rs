//! Proves that tables satisfy their constraints and that what they send each other cancels out: the
//! part of OpenVM's SWIRL protocol between the commitment to the tables and its opening
//! (`openvm_stark_backend::verifier::batch_constraints` is what it must convince).
//!
//! OpenVM's own prover walks the tree of each message's expression for one row at a time, which was
//! two fifths of all proving. This one runs each table's expressions as straight-line code over as
//! many rows as the processor has lanes (decision 0123). What it gets wrong makes a proof that does
//! not verify, never one that should not.

use openvm_cpu_backend::CpuBackend;
use openvm_stark_backend::{
    FiatShamirTranscript,
    proof::{BatchConstraintProof, GkrProof},
    prover::{DeviceMultiStarkProvingKey, LogupZerocheckError, ProvingContext},
};
use openvm_stark_sdk::config::baby_bear_poseidon2::{BabyBearPoseidon2Config as SC, EF};
use rayon::prelude::*;

mod domain;
mod gkr;
mod messages;
mod program;
mod rounds;
mod sumcheck;
mod table;

use messages::Layout;
use sumcheck::Sumcheck;
use table::Table;

/// The proof, and the point that columns are claimed at.
pub(super) type Proved = ((GkrProof<SC>, BatchConstraintProof<SC>), Vec<EF>);

/// Proves constraints and messages of all tables of `context`, which are sorted by height.
///
/// # Errors
/// [`LogupZerocheckError`] when what is sent does not cancel out.
///
/// # Panics
/// When `context` does not have the shape that `key` asks for.
pub(super) fn prove<TS: FiatShamirTranscript<SC>>(
    transcript: &mut TS,
    key: &DeviceMultiStarkProvingKey<CpuBackend<SC>>,
    context: &ProvingContext<CpuBackend<SC>>,
) -> Result<Proved, LogupZerocheckError> {
    let l_skip = key.params.l_skip;
    let tables: Vec<Table<'_>> = context
        .per_trace
        .par_iter()
        .map(|(number, context)| {
            #[expect(clippy::indexing_slicing, reason = "a context names tables of its key")]
            Table::new(&key.per_air[*number], context)
        })
        .collect();
    let dimensions = tables.iter().map(|table| table.dimensions(l_skip)).max();
    let dimensions = dimensions.unwrap_or_default();

    let logup_pow_witness = transcript.grind(key.params.logup.pow_bits);
    let (alpha, beta) = (transcript.sample_ext(), transcript.sample_ext());
    let layout = Layout::new(&tables, l_skip, beta);
    let sum = gkr::prove(transcript, layout.fractions(&tables, alpha))?;
    let mut xi = sum.point;
    while xi.len() < l_skip + dimensions.max(layout.dimensions) {
        xi.push(transcript.sample_ext());
    }
    let shape = (l_skip, key.max_constraint_degree);
    let mut sumcheck = Sumcheck::begin(transcript, shape, tables, &layout, &xi);
    for round in 1..=dimensions {
        sumcheck.round(transcript, round);
    }
    let (batch, point) = sumcheck.end(transcript);
    let gkr = GkrProof {
        logup_pow_witness,
        q0_claim: sum.root,
        claims_per_layer: sum.claims,
        sumcheck_polys: sum.rounds,
    };
    Ok(((gkr, batch), point))
}
