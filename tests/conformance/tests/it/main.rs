//! The shipped fixtures and the hostile batches, natively. `cargo xtask conformance` runs the same
//! through the guest.

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod fixtures;
