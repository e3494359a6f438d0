//! The state transition: previous batch, blocks and witness in, new batch header and receipts out.
//!
//! The sequencer runs it natively, block by block, and seals batches with it; the guest runs
//! [`execute_batch`], the same code over a witness. It is pure and deterministic: no clock, no
//! randomness, no input or output. It knows nothing of networks, databases, policies or proofs.
//!
//! ```text
//!  raw transaction ─ decode_and_recover ─► RecoveredTx ─┐
//!  StateReader (database, memory, witness) ─────────────┤
//!                                                       ▼
//!                                    BlockExecutor ─► BlockOutcome ─ absorb ─► BatchBuilder
//!                                                                                  │ prepare
//!  BatchInput ─ execute_batch: all of this over the witness                        ▼
//!       └────────── header equals ◄──── SealedBatch ◄── seal(root) ◄──── PreparedBatch
//! ```
//!
//! # Example
//!
//! ```
//! use cloister_stf::{BlockContext, BlockExecutor, GenesisAlloc, MemoryState, genesis};
//! use cloister_types::{BlockNumber, ChainConfig};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config = ChainConfig::new(2_718);
//! let genesis = genesis::build(&config, 1_700_000_000, &GenesisAlloc::default())?;
//! let state = MemoryState::from_genesis(&genesis);
//! let context = BlockContext::child_of(&genesis.block, 1_700_000_001);
//! let block = BlockExecutor::new(&config, context, &state)?.finish();
//! assert_eq!(block.header.number, BlockNumber(1));
//! # Ok(())
//! # }
//! ```
#![cfg_attr(not(test), no_std)]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::indexing_slicing,
        clippy::wildcard_enum_match_arm
    )
)]

extern crate alloc;

mod addresses;
pub mod batch;
pub mod block;
pub mod call;
pub mod cost;
pub mod envelope;
pub mod execute;
pub mod genesis;
mod handler;
pub mod input;
mod meter;
mod opcodes;
mod opened;
mod overlay;
mod precompiles;
pub mod reject;
mod rules;
pub mod seal;
pub mod state;
mod table;
pub mod witness;

pub use batch::BatchBuilder;
pub use block::{
    AccountChange, BlockContext, BlockError, BlockExecutor, BlockOutcome, BlockTrace, ExecuteError,
    ExecutedTransaction, Metered, StorageChange, Watch,
};
pub use call::{CallError, CallOutcome, CallRequest, CallStatus, call};
pub use envelope::{DecodeTxError, RecoveredTx, TransactionKind, decode_and_recover};
pub use execute::{BatchError, BatchOutput, execute_batch, execute_encoded};
pub use genesis::{Genesis, GenesisAccount, GenesisAlloc, GenesisError};
pub use input::{BatchInput, BlockInput, Opening, Witness};
pub use meter::Meter;
pub use reject::TxRejected;
pub use seal::{LeafValue, LeafWrite, PreparedBatch, SealError, SealInputs, SealedBatch};
pub use state::{MemoryState, StateError, StateReader};
pub use witness::{WitnessError, WitnessSource, build_witness};

pub use revm::state::Bytecode;
