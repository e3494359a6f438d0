//! Checks wraps: shape first, then the proof; never panics, whatever the bytes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use p3_batch_stark::{CommonData, ProverData, verify_batch};
use rand_core::{SeedableRng, rngs::StdRng};

use crate::{
    config::{self, Config, Val},
    key::VerifyingKey,
    proof,
    security::{self, Shape as SecurityShape},
    shape::{BadShape, Shape},
    statement::{BadStatement, Statement},
    table::{BusColumn, TableAir},
};

/// Why a proof is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The statement does not fit the circuit.
    #[error("statement: {0}")]
    Statement(#[from] BadStatement),
    /// The bytes are no proof.
    #[error("the bytes are no proof of version 1")]
    Malformed,
    /// The proof has another shape than the circuit's.
    #[error("shape: {0}")]
    Shape(#[from] BadShape),
    /// The proof does not prove the statement.
    #[error("not proved: {0}")]
    NotProved(String),
    /// The check itself failed. Not the proof's acceptance.
    #[error("the verifier failed on this proof")]
    Failed,
}

/// A key made ready to check proofs.
pub struct Verifier {
    key: VerifyingKey,
    pub(crate) airs: Vec<TableAir>,
    pub(crate) common: CommonData<Config>,
    pub(crate) config: Config,
    shape: Shape,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Verifier")
            .field("key", self.key.digest())
            .finish_non_exhaustive()
    }
}

/// A key that no proof can be made or checked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key's tables and parameters do not fit together")]
pub struct BadCircuitForProofs;

impl Verifier {
    /// Makes a key ready; takes a fraction of a second.
    ///
    /// # Errors
    /// [`BadCircuitForProofs`] when Plonky3 cannot handle the key's circuit.
    pub fn new(key: VerifyingKey) -> Result<Self, BadCircuitForProofs> {
        catch_unwind(|| Self::make(key)).map_err(|_| BadCircuitForProofs)?
    }

    fn make(key: VerifyingKey) -> Result<Self, BadCircuitForProofs> {
        let circuit = key.circuit();
        // A verifier draws nothing random, so the seed has no meaning.
        let config = config::config(&key, &mut StdRng::seed_from_u64(0));
        let airs = TableAir::all(circuit);
        let degree_bits: Vec<usize> = circuit
            .tables
            .iter()
            .map(|table| table.log_height as usize + 1)
            .collect();
        let common = ProverData::from_airs_and_degrees(&config, &airs, &degree_bits)
            .map_err(|_| BadCircuitForProofs)?
            .common;
        let shape = Shape::new(circuit, &airs, &common, &config);
        Ok(Self {
            key,
            airs,
            common,
            config,
            shape,
        })
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// What security is computed from.
    #[must_use]
    pub fn security_shape(&self) -> SecurityShape {
        security::shape(self.key.circuit(), &self.airs, &self.common, &self.config)
    }

    /// The shape that every proof has.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The columns of each table's buses, which follow from the key alone: for generators of other
    /// verifiers.
    #[must_use]
    pub fn bus_columns(&self) -> Vec<Vec<BusColumn>> {
        self.airs
            .iter()
            .zip(&self.common.lookups)
            .map(|(air, lookups)| {
                air.bus_columns(lookups.iter().map(|lookup| lookup.elements.len()))
            })
            .collect()
    }

    /// Checks that the proof proves the statement under this key.
    ///
    /// # Errors
    /// [`Refusal`] says in which stage it failed.
    pub fn verify(&self, statement: &Statement, bytes: &[u8]) -> Result<(), Refusal> {
        let numbers = statement.public_values(self.key.circuit())?;
        let public_values: Vec<Vec<Val>> = numbers
            .into_iter()
            .map(|table| table.into_iter().map(Val::new).collect())
            .collect();
        // Plonky3's verifier is meant not to panic. Should it, that is a refusal.
        let check = || {
            let proof = proof::decode(bytes).ok_or(Refusal::Malformed)?;
            self.shape.check(&proof)?;
            verify_batch(
                &self.config,
                &self.airs,
                &proof,
                &public_values,
                &self.common,
            )
            .map_err(|error| Refusal::NotProved(error.to_string()))
        };
        catch_unwind(AssertUnwindSafe(check)).unwrap_or(Err(Refusal::Failed))
    }
}
