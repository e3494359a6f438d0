//! A wrap's bytes.

use p3_batch_stark::BatchProof;

use crate::config::Config;

/// First bytes of a proof.
const MAGIC: &[u8; 16] = b"cloister-wrap-p2";

/// Longest proof that is read, in bytes. The released circuit's have 650 kB, and some 100 kB more if
/// no two queries share a node. An empty list is one byte here and 24 in memory, so reading takes
/// 25 MB at most.
pub const MAX_PROOF_BYTES: usize = 1 << 20;

/// A proof as Plonky3 has it.
pub type Inner = BatchProof<Config>;

/// Writes a proof, or nothing when it cannot be written, which only a bug can bring about.
#[must_use]
pub fn encode(proof: &Inner) -> Option<Vec<u8>> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(postcard::to_allocvec(proof).ok()?);
    Some(bytes)
}

/// Reads a proof. There is one encoding of each: anything else is refused.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<Inner> {
    let body = bytes.strip_prefix(MAGIC)?;
    if bytes.len() > MAX_PROOF_BYTES {
        return None;
    }
    let proof: Inner = postcard::from_bytes(body).ok()?;
    // Also refuses trailing bytes and numbers that are not in shortest form.
    (encode(&proof)? == bytes).then_some(proof)
}
