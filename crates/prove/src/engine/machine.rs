//! The machine that the guest runs on, and the parameters that its runs are proved with. A change
//! here changes the commitment that Ethereum trusts.

use openvm_circuit::arch::SystemConfig;
use openvm_sdk::config::AggregationSystemParams;
use openvm_sdk_config::SdkVmConfig;
use openvm_stark_backend::SystemParams;
use openvm_stark_sdk::config::app_params_with_100_bits_security;

use super::internal;
use crate::protocol::Failure;

/// Bytes that the program reveals: the batch hash.
pub const PUBLIC_VALUES: usize = 32;

/// Logarithm of the height of the matrix that all tables of a segment are stacked in; no table of
/// a segment is higher.
pub const LOG_STACKED_HEIGHT: usize = 22;

/// Memory that proving a segment may take by OpenVM's estimate, in bytes; a run is cut into
/// segments by it. Workers must agree on it, since it decides what segment 3 is.
pub const SEGMENT_BYTES: usize = 2 << 30;

/// RV32IM, input and output, 256-bit integers, and accelerators for what the state transition hashes
/// and recovers. Deferral, pairings and quadratic extensions are off: what is not there needs no
/// trust.
pub const MACHINE: &str = r#"
[app_vm_config.rv32i]
[app_vm_config.rv32m]
[app_vm_config.io]
[app_vm_config.keccak]
[app_vm_config.sha2]
[app_vm_config.bigint]

[app_vm_config.modular]
supported_moduli = [
    # secp256k1: coordinates, scalars
    "115792089237316195423570985008687907853269984665640564039457584007908834671663",
    "115792089237316195423570985008687907852837564279074904382605163141518161494337",
]

[[app_vm_config.ecc.supported_curves]]
struct_name = "Secp256k1Point"
modulus = "115792089237316195423570985008687907853269984665640564039457584007908834671663"
scalar = "115792089237316195423570985008687907852837564279074904382605163141518161494337"
a = "0"
b = "7"
"#;

/// The machine's configuration.
///
/// # Errors
/// [`Failure`] when OpenVM does not read it, which a test rules out.
pub fn config() -> Result<SdkVmConfig, Failure> {
    let mut config = SdkVmConfig::from_toml(MACHINE)
        .map_err(internal)?
        .optimize();
    let system: &mut SystemConfig = config.as_mut();
    system.set_segmentation_max_memory(SEGMENT_BYTES);
    Ok(config)
}

/// Parameters of the proof system for segments.
#[must_use]
pub fn app_params() -> SystemParams {
    app_params_with_100_bits_security(LOG_STACKED_HEIGHT)
}

/// Parameters of the proof system for the aggregation tree.
#[must_use]
pub fn aggregation_params() -> AggregationSystemParams {
    AggregationSystemParams::default()
}
