//! The versions of the guest program whose proofs are trusted, as built into this crate from
//! `guest/image/`.

/// The version that new batches are proved with.
pub const CURRENT: u32 = 1;

/// The program of [`CURRENT`].
#[cfg(feature = "engine")]
pub const ELF: &[u8] = include_bytes!("../../../guest/image/v1/batch.elf");

/// The verifying key of a version, as `cloister-prover-engine keys --write-image` writes it.
#[must_use]
pub fn verifying_key(version: u32) -> Option<&'static [u8]> {
    match version {
        1 => Some(include_bytes!("../../../guest/image/v1/verify.key")),
        _ => None,
    }
}

/// What the verifier on Ethereum knows of a version: the circuit's image with the version's
/// commitments, as `cloister_wrap::evm::image` makes it. A test of `crates/wrap` makes it again.
#[must_use]
pub fn verifier_image(version: u32) -> Option<&'static [u8]> {
    match version {
        1 => Some(include_bytes!("../../../guest/image/v1/verifier.image")),
        _ => None,
    }
}
