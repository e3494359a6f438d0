//! Plain execution, with counts of what each of the machine's tables would hold.

use std::sync::Arc;

use openvm_circuit::{
    arch::{
        ExecutionError, InterpretedInstance, VmBuilder, VmCircuitConfig, VmExecutor,
        execution_mode::{MeteredCtx, MeteredCtxInputs, SegmentationLimits},
        instructions::exe::VmExe,
    },
    system::memory::merkle::public_values::extract_public_values,
};
use openvm_continuations::prover::engine_device_ctx;
use openvm_sdk_config::{SdkVmConfig, SdkVmCpuBuilder};
use openvm_stark_backend::StarkEngine;
use openvm_stark_sdk::config::baby_bear_poseidon2::{
    BabyBearPoseidon2Config, BabyBearPoseidon2CpuEngine, F,
};
use serde::Serialize;

use super::{failure, internal, machine, program};
use crate::{
    protocol::{Failure, FailureKind},
    serve::guard::guarded,
};

/// What an execution came to.
#[derive(Clone, Debug, Serialize)]
pub struct Execution {
    /// What the program revealed.
    #[serde(serialize_with = "as_hex")]
    pub public_values: [u8; machine::PUBLIC_VALUES],
    /// Instructions, accelerator calls among them.
    pub instructions: u64,
    /// Rows by table, tables without rows left out.
    pub tables: Vec<Table>,
}

/// One table of the machine.
#[derive(Clone, Debug, Serialize)]
pub struct Table {
    /// Its name in OpenVM.
    pub name: String,
    /// Rows that the execution takes. Tables of instructions have one row an instruction.
    pub rows: u64,
    /// Cells in a row.
    pub width: u64,
}

/// Writes bytes as hexadecimal digits.
fn as_hex<S: serde::Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("0x{}", hex::encode(bytes)))
}

/// Why an execution came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// The program ended by itself with another exit code than 0.
    #[error("the program ended with exit code {0}")]
    Exit(u32),
    /// The program did what the machine does not allow.
    #[error("the program broke off: {0}")]
    Broke(String),
    /// Nothing was executed.
    #[error(transparent)]
    NotRun(#[from] Failure),
}

impl Ended {
    /// A panic inside OpenVM while it ran the program: the program's fault, unless the machine's own
    /// memory could not be had.
    pub(super) fn panicked(message: String) -> Self {
        // An `io::Error` as `unwrap` prints it.
        if message.contains("kind: OutOfMemory") {
            return Self::NotRun(internal(format_args!(
                "the machine's memory cannot be had; give workers more: {message}"
            )));
        }
        Self::Broke(message)
    }
}

impl From<ExecutionError> for Ended {
    fn from(error: ExecutionError) -> Self {
        match error {
            ExecutionError::FailedWithExitCode(code) => Self::Exit(code),
            other => Self::Broke(other.to_string()),
        }
    }
}

impl From<Ended> for Failure {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::NotRun(failure) => failure,
            Ended::Exit(_) | Ended::Broke(_) => failure(FailureKind::Rejected, ended),
        }
    }
}

/// Runs programs without keys and without proving.
pub struct Runner {
    executor: VmExecutor<F, SdkVmConfig>,
    exe: Arc<VmExe<F>>,
    ctx: MeteredCtx,
    tables: Vec<(String, u64)>,
    executor_tables: Vec<usize>,
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner").finish_non_exhaustive()
    }
}

impl Runner {
    /// Prepares to run a program.
    ///
    /// # Errors
    /// [`FailureKind::Internal`] when OpenVM does not build the machine.
    pub fn new(exe: Arc<VmExe<F>>) -> Result<Self, Failure> {
        let config = machine::config()?;
        let engine = <BabyBearPoseidon2CpuEngine as StarkEngine>::new(machine::app_params());
        let airs =
            VmCircuitConfig::<BabyBearPoseidon2Config>::create_airs(&config).map_err(internal)?;
        let chips = VmBuilder::<BabyBearPoseidon2CpuEngine>::create_chip_complex(
            &SdkVmCpuBuilder,
            &config,
            airs.clone(),
            engine_device_ctx(&engine),
        )
        .map_err(internal)?;
        let executor = VmExecutor::<F, _>::new(config).map_err(internal)?;
        let tables: Vec<(String, u64)> = airs
            .into_airs()
            .map(|air| (air.name(), air.common_main_width() as u64))
            .collect();
        let names: Vec<String> = tables.iter().map(|(name, _)| name.clone()).collect();
        let zeros = vec![0; names.len()];
        let ctx = executor.build_metered_ctx(
            MeteredCtxInputs {
                constant_trace_heights: &vec![None; names.len()],
                air_names: &names,
                widths: &zeros,
                interactions: &zeros,
                need_rot: &vec![false; names.len()],
                constraint_eval_buffers: &zeros,
                // One segment, whatever it holds: this run counts and proves nothing.
                segmentation_limits: SegmentationLimits {
                    max_trace_height_bits: 31,
                    max_memory: usize::MAX,
                    max_interactions: u32::MAX,
                },
            },
            engine.proving_memory_config(),
        );
        Ok(Self {
            executor,
            exe,
            ctx,
            tables,
            executor_tables: chips.inventory.executor_idx_to_air_idx(),
        })
    }

    /// Translates the program for the machine, which takes longer than most runs.
    ///
    /// # Errors
    /// [`FailureKind::BadRequest`] when it holds what the machine does not know.
    pub fn session(&self) -> Result<Session<'_>, Failure> {
        let instance = self
            .executor
            .metered_instance(&self.exe, &self.executor_tables)
            .map_err(|error| failure(FailureKind::BadRequest, error))?;
        Ok(Session {
            runner: self,
            instance,
        })
    }
}

/// A program that is ready to run, as often as wanted.
pub struct Session<'a> {
    runner: &'a Runner,
    instance: InterpretedInstance<'a, F, MeteredCtx>,
}

impl std::fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Session<'_> {
    /// Runs the program over an input.
    ///
    /// # Errors
    /// [`Ended`] when the program does not end well.
    pub fn run(&self, input: &[u8]) -> Result<Execution, Ended> {
        guarded(|| self.run_unguarded(input)).map_err(Ended::panicked)?
    }

    /// Runs the program; OpenVM may panic on what the program does.
    fn run_unguarded(&self, input: &[u8]) -> Result<Execution, Ended> {
        let ctx = self.runner.ctx.clone();
        let (segments, state) = self
            .instance
            .execute_metered(program::streams(input), ctx)?;
        let instructions = segments.iter().map(|segment| segment.num_insns).sum();
        let tables = self
            .runner
            .tables
            .iter()
            .enumerate()
            .map(|(index, (name, width))| Table {
                name: name.clone(),
                width: *width,
                rows: segments
                    .iter()
                    .filter_map(|segment| segment.trace_heights.get(index))
                    .map(|rows| u64::from(*rows))
                    .sum(),
            })
            .filter(|table| table.rows > 0)
            .collect();
        Ok(Execution {
            public_values: revealed(&state.memory.memory)?,
            instructions,
            tables,
        })
    }
}

/// The bytes that the program revealed.
///
/// # Errors
/// [`FailureKind::Internal`] when the machine has another number of them.
pub fn revealed(
    memory: &openvm_circuit::system::memory::MemoryImage,
) -> Result<[u8; machine::PUBLIC_VALUES], Failure> {
    extract_public_values(machine::PUBLIC_VALUES, memory)
        .try_into()
        .map_err(|_| internal("the machine has another number of public values"))
}
