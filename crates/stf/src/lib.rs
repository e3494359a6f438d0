//! The state transition: previous batch, blocks and witness in, new batch header and receipts out.
