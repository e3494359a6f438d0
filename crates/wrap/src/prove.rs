//! Makes proofs of a circuit with Plonky3.

use p3_batch_stark::{ProverData, StarkInstance, prove_batch};
use rand_core::{
    SeedableRng, TryRng,
    rngs::{StdRng, SysRng},
};

use crate::{
    circuit::{BadCircuit, Circuit},
    config::{self, Config},
    key::VerifyingKey,
    merge::Place,
    proof,
    table::TableAir,
    trace::{AirTrace, BadTrace, TableTrace, assemble, mask},
};

/// Why a proof was not made.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The circuit is not sound in itself.
    #[error("circuit: {0}")]
    Circuit(#[from] BadCircuit),
    /// The traces do not have the circuit's shape.
    #[error(transparent)]
    Trace(#[from] BadTrace),
    /// The system gives no random bytes.
    #[error("no random bytes: {0}")]
    Random(String),
    /// Plonky3 refused.
    #[error("proving failed: {0}")]
    Proving(String),
}

/// Proves one circuit.
pub struct Prover {
    key: VerifyingKey,
    places: Vec<Place>,
    airs: Vec<TableAir>,
}

impl std::fmt::Debug for Prover {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Prover")
            .field("key", self.key.digest())
            .finish_non_exhaustive()
    }
}

impl Prover {
    /// The prover of a circuit that was merged by these places.
    ///
    /// # Errors
    /// [`ProveError::Circuit`] when it is not sound in itself.
    pub fn new(circuit: Circuit, places: Vec<Place>) -> Result<Self, ProveError> {
        let airs = TableAir::all(&circuit);
        let key = VerifyingKey::new(circuit)?;
        Ok(Self { key, places, airs })
    }

    /// The key that its proofs are checked with.
    #[must_use]
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// The tables for an AIR's trace each, without masks.
    ///
    /// # Errors
    /// [`ProveError::Trace`] when a trace has another shape.
    pub fn tables(&self, traces: &[AirTrace]) -> Result<Vec<TableTrace>, ProveError> {
        Ok(assemble(self.key.circuit(), &self.places, traces)?)
    }

    /// Proves tables, with masks that are drawn here, so that no two proofs share them (SWR-4).
    /// What goes in is not checked: a false trace gives a proof that no verifier accepts.
    ///
    /// # Errors
    /// [`ProveError`] when no random bytes can be had or Plonky3 refuses.
    pub fn prove(&self, mut tables: Vec<TableTrace>) -> Result<Vec<u8>, ProveError> {
        let failed = |error: &dyn std::fmt::Display| ProveError::Proving(error.to_string());
        mask(self.key.circuit(), &mut tables, &mut system_random()?);
        let config = config::config(&self.key, &mut system_random()?);
        let degree_bits: Vec<usize> = self
            .key
            .circuit()
            .tables
            .iter()
            .map(|table| table.log_height as usize + 1)
            .collect();
        let data = ProverData::from_airs_and_degrees(&config, &self.airs, &degree_bits)
            .map_err(|error| failed(&error))?;
        let instances: Vec<StarkInstance<'_, Config, TableAir>> = self
            .airs
            .iter()
            .zip(&tables)
            .map(|(air, trace)| StarkInstance {
                air,
                trace: &trace.matrix,
                public_values: trace.public_values.clone(),
            })
            .collect();
        let proof = prove_batch(&config, &instances, &data).map_err(|error| failed(&error))?;
        proof::encode(&proof).ok_or_else(|| failed(&"the proof has no encoding"))
    }
}

/// A generator with a fresh seed of the operating system's: every mask and salt of a proof comes
/// from one that no other proof had.
fn system_random() -> Result<StdRng, ProveError> {
    let mut seed = [0; 32];
    SysRng
        .try_fill_bytes(&mut seed)
        .map_err(|error| ProveError::Random(error.to_string()))?;
    Ok(StdRng::from_seed(seed))
}
