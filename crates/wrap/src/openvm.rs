//! `OpenVM`'s side: its root verifier circuit, whose traces are wrapped.

pub mod adapter;
pub mod cli;
mod plan;
pub mod serve;

use std::sync::Arc;

use cloister_prove::verify::VerifyingKey as ProgramKey;

use openvm_continuations::{CommitBytes, RootSC, SC, prover::RootCpuProver};
use openvm_cpu_backend::CpuBackend;
use openvm_recursion_circuit::system::{VerifierSubCircuit, VerifierTraceGen};
use openvm_stark_backend::{
    keygen::types::{MultiStarkProvingKey, MultiStarkVerifyingKey},
    p3_field::PrimeField32,
    prover::ProvingContext,
};
use openvm_stark_sdk::config::{
    baby_bear_bn254_poseidon2::BabyBearBn254Poseidon2CpuEngine, root_params_with_100_bits_security,
};
use openvm_verify_stark_host::{VmStarkProof, vk::VmStarkVerifyingKey};

use crate::{
    circuit::Parameters,
    config::Val,
    key::{BadKey, VerifyingKey},
    merge::{Place, merge},
    prove::{ProveError, Prover},
    release::{MESSAGE_LENGTHS, PARAMETERS, Release},
    statement::Commitment,
    trace::{AirTrace, TableTrace},
};

pub use plan::places;

/// `OpenVM`'s field, as its release of Plonky3 has it.
pub(crate) type Source = openvm_stark_sdk::config::baby_bear_poseidon2::F;

/// Traces of the root circuit as `OpenVM` makes them.
pub type Context = ProvingContext<CpuBackend<RootSC>>;

/// `OpenVM`'s verifier of one proof.
type Verifier = VerifierSubCircuit<1>;

/// The root circuit for one internal-recursive key.
pub struct Root {
    prover: RootCpuProver,
    dag_commit: Commitment,
}

impl std::fmt::Debug for Root {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Root")
            .field("dag_commit", &self.dag_commit)
            .finish_non_exhaustive()
    }
}

impl Root {
    /// The root circuit that verifies final proofs of this key; traces of these heights, or of
    /// the least that fit a proof.
    #[must_use]
    pub fn new(key: &VmStarkVerifyingKey, heights: Option<Vec<usize>>) -> Self {
        let baseline = &key.baseline;
        let internal_recursive = Arc::new(key.mvk.clone());
        let prover = RootCpuProver::new::<BabyBearBn254Poseidon2CpuEngine>(
            Arc::clone(&internal_recursive),
            CommitBytes::from(baseline.internal_recursive_vk_commit.cached_commit),
            root_params_with_100_bits_security(),
            baseline.memory_dimensions,
            baseline.num_user_pvs,
            None,
            heights,
        );
        let circuit = prover.get_circuit();
        let dag_commit = dag_commit(&circuit.verifier_circuit, &internal_recursive);
        Self { prover, dag_commit }
    }

    /// `OpenVM`'s key of the circuit.
    #[must_use]
    pub fn key(&self) -> Arc<MultiStarkProvingKey<RootSC>> {
        self.prover.get_pk()
    }

    /// `OpenVM`'s prover of it.
    #[must_use]
    pub fn prover(&self) -> &RootCpuProver {
        &self.prover
    }

    /// The commitment to the constraints of the internal-recursive key.
    #[must_use]
    pub fn dag_commit(&self) -> &[u32; 8] {
        &self.dag_commit
    }

    /// Traces for a final proof, or nothing when it does not fit the heights: then one more
    /// internal round makes it smaller.
    #[must_use]
    pub fn context(&self, proof: &VmStarkProof) -> Option<Context> {
        self.prover
            .generate_proving_ctx_no_def(proof.inner.clone(), &proof.user_pvs_proof, &())
    }
}

/// The commitment to the constraints of a key, which the root circuit has as public values.
fn dag_commit(verifier: &Verifier, key: &MultiStarkVerifyingKey<SC>) -> [u32; 8] {
    let record =
        VerifierTraceGen::<CpuBackend<RootSC>, RootSC, ()>::cached_trace_record(verifier, key);
    record
        .dag_commit_info
        .map(|info| info.commit.map(|number| number.as_canonical_u32()))
        .unwrap_or_default()
}

/// Wraps of final proofs of one key.
#[derive(Debug)]
pub struct Wrapper {
    root: Root,
    prover: Prover,
}

/// Why a final proof was not wrapped.
#[derive(Debug, thiserror::Error)]
pub enum WrapError {
    /// The final proof does not fit the circuit's heights; one more internal round makes it fit.
    #[error(
        "the final proof is too large for the released circuit; aggregate it once more, or prove \
         smaller batches"
    )]
    TooLarge,
    /// `OpenVM`'s circuit is not the one that the plan was made for.
    #[error("the circuit is not as planned: {0}")]
    Unfit(#[from] adapter::Unfit),
    /// The program's key cannot be released.
    #[error("the program's key: {0}")]
    Key(#[from] BadKey),
    /// The circuit is not the released one, so nobody would accept its wraps.
    #[error("the circuit is another than the released one")]
    Unreleased,
    /// The proof was not made.
    #[error(transparent)]
    Prove(#[from] ProveError),
}

impl Wrapper {
    /// Derives the circuit of a key; takes seconds. The key decides everything: two calls give
    /// the same verifying key.
    ///
    /// # Errors
    /// [`WrapError`] when `OpenVM`'s circuit is not the one that the plan was made for.
    pub fn new(key: &VmStarkVerifyingKey) -> Result<Self, WrapError> {
        Self::with(key, places(), PARAMETERS, MESSAGE_LENGTHS.to_vec())
    }

    /// The same for a program, with its release. Only the released circuit will do.
    ///
    /// # Errors
    /// [`WrapError::Unreleased`] when the key gives another circuit, and those of [`Self::new`].
    pub fn released(program: &ProgramKey) -> Result<(Self, Release), WrapError> {
        let release = release(program)?;
        let wrapper = Self::new(program.openvm())?;
        if wrapper.key().digest() != release.key.digest() {
            return Err(WrapError::Unreleased);
        }
        Ok((wrapper, release))
    }

    /// The same with another plan.
    ///
    /// # Errors
    /// [`WrapError`] when `OpenVM`'s circuit is not the one that the plan was made for.
    pub fn with(
        key: &VmStarkVerifyingKey,
        places: Vec<Place>,
        parameters: Parameters,
        message_lengths: Vec<u32>,
    ) -> Result<Self, WrapError> {
        let made = places.iter().map(|place| 1 << place.log_height).collect();
        let root = Root::new(key, Some(made));
        let airs = adapter::airs(&root.key(), &places, root.dag_commit())?;
        let circuit = merge(airs, &places, parameters, message_lengths);
        let prover = Prover::new(circuit, places)?;
        Ok(Self { root, prover })
    }

    /// The key that the wraps are checked with.
    #[must_use]
    pub fn key(&self) -> &VerifyingKey {
        self.prover.key()
    }

    /// The root circuit.
    #[must_use]
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// What proves the traces.
    #[must_use]
    pub fn prover(&self) -> &Prover {
        &self.prover
    }

    /// The tables for a final proof. The proof must be valid: verify it first.
    ///
    /// # Errors
    /// [`WrapError`]; after [`WrapError::TooLarge`], aggregate once more and try again.
    pub fn traces(&self, proof: &VmStarkProof) -> Result<Vec<TableTrace>, WrapError> {
        let context = self.root.context(proof).ok_or(WrapError::TooLarge)?;
        Ok(self.prover.tables(&air_traces(context))?)
    }
}

/// The release of a program with the circuit of version 1.
///
/// # Errors
/// [`BadKey`] when the program's key names a machine by bytes that are no commitment.
pub fn release(program: &ProgramKey) -> Result<Release, BadKey> {
    Release::v1(program.image(), program.program().0, program.machine().0)
}

/// Heights that traces are made with.
#[must_use]
pub fn heights() -> Vec<usize> {
    places().iter().map(|place| 1 << place.log_height).collect()
}

/// `OpenVM`'s traces as this crate has them.
#[must_use]
pub fn air_traces(context: Context) -> Vec<AirTrace> {
    context
        .per_trace
        .into_iter()
        .map(|(_, context)| AirTrace {
            width: context.common_main.width,
            values: context.common_main.values.into_iter().map(value).collect(),
            public_values: context.public_values.into_iter().map(value).collect(),
        })
        .collect()
}

/// A number from one release of Plonky3 to the other.
fn value(number: Source) -> Val {
    Val::new(number.as_canonical_u32())
}
