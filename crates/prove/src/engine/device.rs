//! OpenVM's prover on processors, with our own proof of constraints and messages.

use openvm_circuit::{
    arch::{AirInventory, ChipInventoryError, MatrixRecordArena, VmBuilder, VmChipComplex},
    system::SystemChipInventory,
};
use openvm_cpu_backend::{CpuBackend, CpuDevice, CpuProverError};
use openvm_sdk_config::{SdkVmConfig, SdkVmCpuBuilder};
use openvm_stark_backend::{
    EngineDeviceCtx, FiatShamirTranscript, StarkEngine, SystemParams,
    keygen::types::MultiStarkProvingKey,
    p3_matrix::dense::RowMajorMatrix,
    proof::{BatchConstraintProof, GkrProof, StackingProof, WhirProof},
    prover::{
        ColMajorMatrix, Coordinator, DeviceDataTransporter, DeviceMultiStarkProvingKey,
        MultiRapProver, OpeningProver, ProverBackend, ProverDevice, ProvingContext, TraceCommitter,
        stacked_pcs::StackedPcsData,
    },
};
use openvm_stark_sdk::config::baby_bear_poseidon2::{
    BabyBearPoseidon2Config as SC, BabyBearPoseidon2CpuEngine, CpuTranscript, Digest, EF, F,
};

use super::constraints;

type Backend = CpuBackend<SC>;
type PcsData = <Backend as ProverBackend>::PcsData;
type Key = DeviceMultiStarkProvingKey<Backend>;

/// Builds the machine for [`Engine`].
#[derive(Clone, Copy, Debug)]
pub struct Builder;

/// Proves with all processors that the process may use.
pub struct Engine {
    inner: BabyBearPoseidon2CpuEngine,
    device: Device,
}

/// OpenVM's device; only [`MultiRapProver`] is our own.
#[derive(Clone)]
pub struct Device(CpuDevice<SC>);

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Device").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl VmBuilder<Engine> for Builder {
    type VmConfig = SdkVmConfig;
    type RecordArena = MatrixRecordArena<F>;
    type SystemChipInventory = SystemChipInventory<SC>;

    fn create_chip_complex(
        &self,
        config: &SdkVmConfig,
        circuit: AirInventory<SC>,
        context: &EngineDeviceCtx<Engine>,
    ) -> Result<
        VmChipComplex<SC, Self::RecordArena, Backend, Self::SystemChipInventory>,
        ChipInventoryError,
    > {
        let builder = &SdkVmCpuBuilder;
        VmBuilder::<BabyBearPoseidon2CpuEngine>::create_chip_complex(
            builder, config, circuit, context,
        )
    }
}

impl StarkEngine for Engine {
    type SC = SC;
    type PB = Backend;
    type PD = Device;
    type TS = CpuTranscript;

    fn new(params: SystemParams) -> Self {
        let inner = <BabyBearPoseidon2CpuEngine as StarkEngine>::new(params);
        Self {
            device: Device(inner.device().clone()),
            inner,
        }
    }

    fn config(&self) -> &SC {
        self.inner.config()
    }

    fn device(&self) -> &Device {
        &self.device
    }

    fn initial_transcript(&self) -> CpuTranscript {
        self.inner.initial_transcript()
    }

    fn prover_from_transcript(
        &self,
        transcript: CpuTranscript,
    ) -> Coordinator<SC, Backend, Device, CpuTranscript> {
        Coordinator::new(Backend::new(), self.device.clone(), transcript)
    }
}

impl<TS: FiatShamirTranscript<SC>> ProverDevice<Backend, TS> for Device {
    type Error = CpuProverError;
    type DeviceCtx = ();

    fn device_ctx(&self) -> &() {
        &()
    }
}

impl TraceCommitter<Backend> for Device {
    type Error = CpuProverError;

    fn commit(&self, traces: &[&RowMajorMatrix<F>]) -> Result<(Digest, PcsData), CpuProverError> {
        self.0.commit(traces)
    }
}

impl<TS: FiatShamirTranscript<SC>> MultiRapProver<Backend, TS> for Device {
    type PartialProof = (GkrProof<SC>, BatchConstraintProof<SC>);
    type Artifacts = Vec<EF>;
    type Error = CpuProverError;

    fn prove_rap_constraints(
        &self,
        transcript: &mut TS,
        key: &Key,
        context: &ProvingContext<Backend>,
        _: &PcsData,
    ) -> Result<(Self::PartialProof, Vec<EF>), CpuProverError> {
        Ok(constraints::prove(transcript, key, context)?)
    }
}

impl<TS: FiatShamirTranscript<SC>> OpeningProver<Backend, TS> for Device {
    type OpeningProof = (StackingProof<SC>, WhirProof<SC>);
    type OpeningPoints = Vec<EF>;
    type Error = CpuProverError;

    fn prove_openings(
        &self,
        transcript: &mut TS,
        key: &Key,
        context: ProvingContext<Backend>,
        data: PcsData,
        point: Vec<EF>,
    ) -> Result<Self::OpeningProof, CpuProverError> {
        self.0.prove_openings(transcript, key, context, data, point)
    }
}

impl DeviceDataTransporter<SC, Backend> for Device {
    fn transport_pk_to_device(&self, key: &MultiStarkProvingKey<SC>) -> Key {
        self.0.transport_pk_to_device(key)
    }

    fn transport_matrix_to_device(&self, matrix: &ColMajorMatrix<F>) -> RowMajorMatrix<F> {
        self.0.transport_matrix_to_device(matrix)
    }

    fn transport_pcs_data_to_device(&self, data: &StackedPcsData<F, Digest>) -> PcsData {
        self.0.transport_pcs_data_to_device(data)
    }

    fn transport_matrix_from_device_to_host(
        &self,
        matrix: &RowMajorMatrix<F>,
    ) -> ColMajorMatrix<F> {
        self.0.transport_matrix_from_device_to_host(matrix)
    }
}
