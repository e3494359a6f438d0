//! The proof system's parameters that wraps are made with. A change here makes another key.

use crate::circuit::Parameters;

/// Parameters for 100 proven bits and more, at Johnson's bound.
pub const PARAMETERS: Parameters = Parameters {
    log_blowup: 5,
    queries: 33,
    query_pow_bits: 20,
    batch_pow_bits: 0,
    fold_pow_bits: 0,
    lookup_pow_bits: 0,
    point_pow_bits: 0,
    log_arity: 3,
    log_final_length: 0,
    random_columns: 5,
    cap_height: 0,
};

/// Lengths that messages are filled up to.
pub const MESSAGE_LENGTHS: [u32; 6] = [4, 8, 12, 20, 36, 64];
