//! Proves nodes of the aggregation tree.

use std::sync::Arc;

use openvm_continuations::prover::ChildVkKind;
use openvm_sdk::config::{MAX_NUM_CHILDREN_INTERNAL, MAX_NUM_CHILDREN_LEAF};
use openvm_stark_backend::{
    StarkEngine, SystemParams,
    keygen::types::{MultiStarkProvingKey, MultiStarkVerifyingKey},
    proof::Proof,
};
use openvm_stark_sdk::config::baby_bear_poseidon2::{BabyBearPoseidon2Config as SC, F};
use openvm_verify_stark_host::pvs::VkCommit;

use super::{
    backend::{Backend, CircuitProver},
    internal,
};
use crate::{protocol::Failure, tree::LayerKind};

/// Circuits of the tree. The internal circuit is its own child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Circuit {
    /// Over segments.
    Leaf,
    /// Over leaves.
    InternalForLeaf,
    /// Over internal-for-leaf nodes, and over itself.
    Internal,
}

impl Circuit {
    /// All circuits, from the segments up.
    pub const ALL: [Self; 3] = [Self::Leaf, Self::InternalForLeaf, Self::Internal];

    /// The circuit that a layer's nodes are proved with.
    #[must_use]
    pub fn of(layer: LayerKind) -> Self {
        match layer {
            LayerKind::Leaf => Self::Leaf,
            LayerKind::InternalForLeaf => Self::InternalForLeaf,
            LayerKind::InternalFirst | LayerKind::InternalRecursive => Self::Internal,
        }
    }
}

/// Proves nodes with one circuit.
pub struct NodeProver {
    prover: Width,
    vk: Arc<MultiStarkVerifyingKey<SC>>,
    params: SystemParams,
}

/// Circuits differ in how many children they take.
enum Width {
    Leaf(Box<CircuitProver<MAX_NUM_CHILDREN_LEAF>>),
    Internal(Box<CircuitProver<MAX_NUM_CHILDREN_INTERNAL>>),
}

impl std::fmt::Debug for NodeProver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeProver").finish_non_exhaustive()
    }
}

impl NodeProver {
    /// Generates the keys of a circuit over children that `child` verifies.
    #[must_use]
    pub fn generate(
        circuit: Circuit,
        child: Arc<MultiStarkVerifyingKey<SC>>,
        params: SystemParams,
    ) -> Self {
        let recursive = circuit == Circuit::Internal;
        let prover = match circuit {
            Circuit::Leaf => Width::Leaf(Box::new(CircuitProver::new::<Backend>(
                child,
                params.clone(),
                recursive,
                None,
            ))),
            Circuit::InternalForLeaf | Circuit::Internal => Width::Internal(Box::new(
                CircuitProver::new::<Backend>(child, params.clone(), recursive, None),
            )),
        };
        Self::with(prover, params)
    }

    /// Takes up keys that were generated before.
    #[must_use]
    pub fn load(
        circuit: Circuit,
        child: Arc<MultiStarkVerifyingKey<SC>>,
        pk: Arc<MultiStarkProvingKey<SC>>,
    ) -> Self {
        let recursive = circuit == Circuit::Internal;
        let params = pk.params.clone();
        let prover = match circuit {
            Circuit::Leaf => Width::Leaf(Box::new(CircuitProver::from_pk::<Backend>(
                child, pk, recursive, None,
            ))),
            Circuit::InternalForLeaf | Circuit::Internal => Width::Internal(Box::new(
                CircuitProver::from_pk::<Backend>(child, pk, recursive, None),
            )),
        };
        Self::with(prover, params)
    }

    fn with(prover: Width, params: SystemParams) -> Self {
        let vk = match &prover {
            Width::Leaf(prover) => prover.get_vk(),
            Width::Internal(prover) => prover.get_vk(),
        };
        Self { prover, vk, params }
    }

    /// The proving key.
    #[must_use]
    pub fn pk(&self) -> Arc<MultiStarkProvingKey<SC>> {
        match &self.prover {
            Width::Leaf(prover) => prover.get_pk(),
            Width::Internal(prover) => prover.get_pk(),
        }
    }

    /// The verifying key.
    #[must_use]
    pub fn vk(&self) -> Arc<MultiStarkVerifyingKey<SC>> {
        Arc::clone(&self.vk)
    }

    /// Commitment to the key of the children, or to the circuit's own where it is its own child.
    #[must_use]
    pub fn commitment(&self, own: bool) -> VkCommit<F> {
        match &self.prover {
            Width::Leaf(prover) => prover.get_vk_commit(own),
            Width::Internal(prover) => prover.get_vk_commit(own),
        }
    }

    /// Proves that the children are valid and follow one another.
    ///
    /// # Errors
    /// [`crate::protocol::FailureKind::Internal`] when proving fails or the proof does not hold.
    pub fn prove(&self, layer: LayerKind, children: &[Proof<SC>]) -> Result<Proof<SC>, Failure> {
        let kind = match layer {
            LayerKind::Leaf => ChildVkKind::App,
            LayerKind::InternalForLeaf | LayerKind::InternalFirst => ChildVkKind::Standard,
            LayerKind::InternalRecursive => ChildVkKind::RecursiveSelf,
        };
        let proof = match &self.prover {
            Width::Leaf(prover) => prover.agg_prove_no_def::<Backend>(children, kind),
            Width::Internal(prover) => prover.agg_prove_no_def::<Backend>(children, kind),
        }
        .map_err(internal)?;
        let engine = <Backend as StarkEngine>::new(self.params.clone());
        engine
            .verify(&self.vk, &proof)
            .map_err(|error| internal(format!("own proof does not hold: {error}")))?;
        Ok(proof)
    }
}
