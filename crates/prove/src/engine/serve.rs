//! What answers the service's requests.

mod requests;

use std::sync::Arc;

use openvm_circuit::arch::instructions::exe::VmExe;
use openvm_stark_sdk::config::baby_bear_poseidon2::F;
use sha2::{Digest as _, Sha256};

use super::{
    aggregation::{Circuit, NodeProver},
    internal,
    keys::{KeyId, Store, segment_keys},
    segment::{Plan, SegmentProver},
};
use crate::{protocol::Failure, verify::VerifyingKey};

/// Proves one program. Holds the keys of one layer at a time, so that the process stays small.
#[derive(Debug)]
pub struct Engine {
    image: u32,
    exe: Arc<VmExe<F>>,
    id: KeyId,
    store: Store,
    key: VerifyingKey,
    loaded: Loaded,
    plan: Option<([u8; 32], Plan)>,
}

/// What is in memory.
#[derive(Debug)]
enum Loaded {
    Nothing,
    Segments(Box<SegmentProver>),
    Nodes(Circuit, Box<NodeProver>),
}

impl Engine {
    /// An engine for a program whose keys are open.
    ///
    /// # Errors
    /// [`crate::protocol::FailureKind::Storage`] when the verifying key cannot be read.
    pub fn new(image: u32, exe: Arc<VmExe<F>>, id: KeyId, store: Store) -> Result<Self, Failure> {
        let key = store.verifying_key()?;
        Ok(Self {
            image,
            exe,
            id,
            store,
            key,
            loaded: Loaded::Nothing,
            plan: None,
        })
    }

    /// The key that this engine's final proofs are verified with.
    #[must_use]
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// The keys.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The prover of segments.
    fn segments(&mut self) -> Result<&mut SegmentProver, Failure> {
        if !matches!(self.loaded, Loaded::Segments(_)) {
            // What was loaded goes before the next comes.
            self.loaded = Loaded::Nothing;
            let prover = SegmentProver::new(&segment_keys()?, Arc::clone(&self.exe))?;
            self.loaded = Loaded::Segments(Box::new(prover));
        }
        match &mut self.loaded {
            Loaded::Segments(prover) => Ok(prover),
            Loaded::Nothing | Loaded::Nodes(..) => Err(internal("the segment prover is gone")),
        }
    }

    /// The prover of a circuit.
    fn nodes(&mut self, circuit: Circuit) -> Result<&NodeProver, Failure> {
        if !matches!(self.loaded, Loaded::Nodes(loaded, _) if loaded == circuit) {
            self.loaded = Loaded::Nothing;
            let prover = self.store.prover(circuit)?;
            self.loaded = Loaded::Nodes(circuit, Box::new(prover));
        }
        match &self.loaded {
            Loaded::Nodes(_, prover) => Ok(prover),
            Loaded::Nothing | Loaded::Segments(_) => Err(internal("the node prover is gone")),
        }
    }

    /// The plan for an input; the last one is kept, since segments of one batch come in a row.
    fn plan(&mut self, input: &[u8]) -> Result<([u8; 32], Plan), Failure> {
        let digest: [u8; 32] = Sha256::digest(input).into();
        if let Some((of, plan)) = &self.plan
            && *of == digest
        {
            return Ok((digest, plan.clone()));
        }
        let plan = self.segments()?.plan(input)?;
        self.plan = Some((digest, plan.clone()));
        Ok((digest, plan))
    }
}
