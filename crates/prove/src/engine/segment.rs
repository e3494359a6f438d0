//! Plans the segments of an execution and proves one of them at a time.

use std::sync::Arc;

use openvm_circuit::{
    arch::{
        PreflightExecutionOutput, VirtualMachine, VmInstance, execution_mode::Segment,
        hasher::poseidon2::vm_poseidon2_hasher, instructions::exe::VmExe,
    },
    system::{
        memory::{dimensions::MemoryDimensions, merkle::public_values::UserPublicValuesProof},
        program::trace::compute_exe_commit_from_mem_config,
    },
};
use openvm_sdk_config::SdkVmConfig;
use openvm_stark_backend::{
    StarkEngine,
    keygen::types::{MultiStarkProvingKey, MultiStarkVerifyingKey},
    proof::Proof,
    prover::DeviceDataTransporter,
};
use openvm_stark_sdk::config::baby_bear_poseidon2::{
    BabyBearPoseidon2Config as SC, DIGEST_SIZE, Digest, F,
};

use super::{
    backend::{Backend, MachineBuilder},
    execution::{Ended, revealed},
    failure, internal, machine, program,
};
use crate::{
    protocol::{Failure, FailureKind},
    serve::guard::guarded,
};

/// Proof of the public values of a run.
pub type PublicValuesProof = UserPublicValuesProof<DIGEST_SIZE, F>;

/// The segments of a run, and what it revealed.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the program revealed.
    pub revealed: [u8; machine::PUBLIC_VALUES],
    /// The segments, in order.
    pub segments: Vec<Segment>,
}

/// Proves segments of one program.
pub struct SegmentProver {
    instance: VmInstance<Backend, MachineBuilder>,
    vk: MultiStarkVerifyingKey<SC>,
    widths: Vec<usize>,
}

impl std::fmt::Debug for SegmentProver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SegmentProver").finish_non_exhaustive()
    }
}

impl SegmentProver {
    /// Commits to the program and prepares to prove.
    ///
    /// # Errors
    /// [`FailureKind::Internal`] when OpenVM does not build the machine.
    pub fn new(pk: &MultiStarkProvingKey<SC>, exe: Arc<VmExe<F>>) -> Result<Self, Failure> {
        let engine = <Backend as StarkEngine>::new(pk.params.clone());
        let device_pk = engine.device().transport_pk_to_device(pk);
        let vk = pk.get_vk();
        let vm = VirtualMachine::new(engine, MachineBuilder, machine::config()?, device_pk)
            .map_err(internal)?;
        let program = vm.commit_program_on_device(&exe.program);
        let mut instance = VmInstance::new(vm, exe, program).map_err(internal)?;
        // Every run starts from a state of its own.
        *instance.state_mut() = None;
        let widths = vk
            .inner
            .per_air
            .iter()
            .map(|air| air.params.width.total_width())
            .collect();
        Ok(Self {
            instance,
            vk,
            widths,
        })
    }

    /// Commitment to the program: its code, its first memory, where it starts.
    pub fn program_commitment(&self) -> Digest {
        let config: &SdkVmConfig = self.instance.vm.config();
        compute_exe_commit_from_mem_config(
            self.instance.program_commitment(),
            self.instance.exe(),
            &config.as_ref().memory_config,
        )
    }

    /// Shape of the machine's memory.
    #[must_use]
    pub fn memory_dimensions(&self) -> MemoryDimensions {
        let config: &SdkVmConfig = self.instance.vm.config();
        config.as_ref().memory_config.memory_dimensions()
    }

    /// Cells of a segment's tables, padded as they are proved.
    #[must_use]
    pub fn cells(&self, segment: &Segment) -> u64 {
        segment
            .trace_heights
            .iter()
            .zip(&self.widths)
            .filter(|(height, _)| **height > 0)
            .map(|(height, width)| u64::from(height.next_power_of_two()) * (*width as u64))
            .sum()
    }

    /// Names of the machine's tables with the heights of a segment, empty ones left out.
    pub fn heights<'a>(
        &'a self,
        segment: &'a Segment,
    ) -> impl Iterator<Item = (&'a str, u32, usize)> {
        self.instance
            .vm
            .air_names()
            .zip(&segment.trace_heights)
            .zip(&self.widths)
            .filter(|((_, height), _)| **height > 0)
            .map(|((name, height), width)| (name, *height, *width))
    }

    /// Runs the program and cuts the run into segments. The same input gives the same segments on
    /// every machine.
    ///
    /// # Errors
    /// [`Ended`] when the program does not end well.
    pub fn plan(&self, input: &[u8]) -> Result<Plan, Ended> {
        guarded(|| {
            let VmInstance { vm, .. } = &self.instance;
            let exe = self.instance.exe();
            let interpreter = vm
                .metered_interpreter(exe)
                .map_err(|error| failure(FailureKind::BadRequest, error))?;
            let ctx = vm.build_metered_ctx(exe);
            let (segments, state) = interpreter.execute_metered(program::streams(input), ctx)?;
            Ok(Plan {
                revealed: revealed(&state.memory.memory)?,
                segments,
            })
        })
        .map_err(Ended::panicked)?
    }

    /// Proves a segment: runs to its start, then proves it alone. The last segment comes with the
    /// proof of the public values.
    ///
    /// # Errors
    /// [`FailureKind::BadRequest`] for a segment that the plan does not have;
    /// [`FailureKind::Internal`] when proving fails or the proof does not hold.
    pub fn prove(
        &mut self,
        input: &[u8],
        plan: &Plan,
        index: u32,
    ) -> Result<(Proof<SC>, Option<PublicValuesProof>), Failure> {
        let position = usize::try_from(index).map_err(internal)?;
        let Some(segment) = plan.segments.get(position) else {
            let reason = format!("there is no segment {index}, but {}", plan.segments.len());
            return Err(failure(FailureKind::BadRequest, reason));
        };
        let last = plan.segments.len() == position + 1;
        let exe = self.instance.exe().clone();
        let VmInstance {
            vm, interpreter, ..
        } = &mut self.instance;
        let mut state = vm.create_initial_state(&exe, program::streams(input));
        if segment.instret_start > 0 {
            state = vm
                .interpreter(&exe)
                .map_err(internal)?
                .execute_from_state(state, Some(segment.instret_start))
                .map_err(internal)?;
        }
        vm.transport_init_memory_to_device(&state.memory);
        let PreflightExecutionOutput {
            system_records,
            record_arenas,
            to_state,
        } = vm
            .execute_preflight(
                interpreter,
                state,
                Some(segment.num_insns),
                &segment.trace_heights,
            )
            .map_err(internal)?;
        let ctx = vm
            .generate_proving_ctx(system_records, record_arenas)
            .map_err(internal)?;
        let proof = vm
            .engine
            .prove(vm.pk(), ctx)
            .map_err(|error| internal(format!("{error:?}")))?;
        vm.engine
            .verify(&self.vk, &proof)
            .map_err(|error| internal(format!("own proof does not hold: {error}")))?;
        if !last {
            return Ok((proof, None));
        }
        let Some(top_tree) = vm.memory_top_tree() else {
            return Err(internal("no tree of the memory"));
        };
        let system: &openvm_circuit::arch::SystemConfig = vm.config().as_ref();
        let public_values = UserPublicValuesProof::compute(
            system.memory_config.memory_dimensions(),
            system.num_public_values,
            &vm_poseidon2_hasher(),
            &to_state.memory.memory,
            top_tree,
        );
        Ok((proof, Some(public_values)))
    }
}
