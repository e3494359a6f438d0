//! The decoder against an independent encoder, and against hostile bytes.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail like tests"
)]

mod agreement;
mod hostile;
mod registration;
