//! What proves: the processors, or with the feature `cuda` an NVIDIA GPU. Keys and proofs are the same;
//! the estimate that cuts a run into segments is not, so one installation proves with one of them.

#[cfg(not(feature = "cuda"))]
mod chosen {
    pub use openvm_continuations::prover::InnerCpuProver as CircuitProver;

    pub use super::super::device::{Builder as MachineBuilder, Engine as Backend};
}

#[cfg(feature = "cuda")]
mod chosen {
    pub use openvm_continuations::prover::InnerGpuProver as CircuitProver;
    pub use openvm_sdk_config::SdkVmGpuBuilder as MachineBuilder;

    /// Proves on the first GPU.
    pub type Backend = openvm_cuda_backend::BabyBearPoseidon2GpuEngine;
}

pub use chosen::{Backend, CircuitProver, MachineBuilder};
