//! The contracts on Ethereum as typed calls, and the few questions we ask an Ethereum node.
//!
//! Bindings are made from the committed artefacts in `contracts/artifacts`. The crate refuses to
//! know keys (a signer comes in as alloy's `TxSigner`), databases, and when a transaction should be
//! sent: that is the committer's business.
//!
//! ```text
//!  Endpoint ──► EthClient ──► head, nonce, balance, receipt, send_raw …
//!                   │
//!                   ├──► Rollup ──► anchor(batch), heads(), commit_call(headers), verifiers_in(block)
//!                   └──► WrapVerifier ──► begin_call(head), check_call(queries), session_in(block)
//!  DeployPlan + signer ──► deploy() ──► Timelock · WrapVerifier · VerifierRouter · Rollup behind a proxy
//!  VerifierRouter ──► verifiers, freeze        Governance ──► propose, execute (a new verifier)
//! ```
//!
//! ```no_run
//! use std::time::Duration;
//! use cloister_l1::{Endpoint, EthClient};
//! use cloister_types::BatchNumber;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let endpoint = Endpoint::new("http://127.0.0.1:8545".parse()?, Duration::from_secs(10));
//! let rollup = EthClient::connect(&endpoint)?.rollup("0x5FbDB2315678afecb367f032d93F642f64180aa3".parse()?);
//! match rollup.anchor(BatchNumber(1)).await? {
//!     Some(anchor) => println!("batch 1 is {}", anchor.state),
//!     None => println!("Ethereum does not know batch 1"),
//! }
//! # Ok(())
//! # }
//! ```

mod bindings;
mod client;
mod deploy;
mod error;
mod governance;
mod image;
mod rollup;
mod router;
mod send;
mod verifier;

pub use client::{BlockRef, Endpoint, EthClient, Inclusion, MAX_TRANSACTION_GAS};
pub use deploy::{DeployError, DeployPlan, DeployedVerifier, Deployment, deploy};
pub use error::{L1Error, Refusal};
pub use governance::{ChangeError, Governance, Proposal};
pub use image::{ImageError, VerifierImage};
pub use rollup::{AnchorRecord, AnchorState, CommitEvent, Heads, MAX_BATCHES_PER_COMMIT, Rollup};
pub use router::{VerifierEntry, VerifierRouter};
pub use send::{Progress, SendError, SendLimits, Step};
pub use verifier::{ProofEvent, Session, VerifierVersion, WrapCircuit, WrapVerifier};

pub use alloy::network::TxSigner;
pub use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
