//! Cedar policy enforcement: who may do what, deny by default.
//!
//! Policies are files in the language [Cedar](https://www.cedarpolicy.com), validated strictly
//! against a typed schema. The engine answers one question at a time: may this [`Principal`] do
//! this, and which rule says so? Permission is a value, [`Authorized`], that only this crate can
//! make; functions on protected data take it as an argument.
//!
//! What it refuses to know: tokens, transports, databases, and where facts about contracts and
//! transactions come from. It does no I/O except reading the policy folder.
//!
//! ```text
//!  policies/*.cedar ──► PolicySet ──► Engine ◄── Principal (roles, desks, wallets)
//!  schema.cedarschema ──┘ (root)        ▲ │
//!                    request types ─────┘ └──► Authorized<R>  or  Denied, each with its Decision
//! ```
//!
//! ```
//! use cloister_authz::request::{MethodGroup, UseMethod};
//! use cloister_authz::{Engine, PolicySet, Principal};
//!
//! let policies = PolicySet::from_files([
//!     ("schema.cedarschema", include_str!("../../../policies/schema.cedarschema")),
//!     ("10-rpc.cedar", include_str!("../../../policies/10-rpc.cedar")),
//! ])?;
//! let engine = Engine::new(policies);
//! let ask = UseMethod { method: "eth_chainId".into(), group: MethodGroup::Public };
//! let allowed = engine.authorize(&Principal::anonymous(), ask).expect("anybody may");
//! assert_eq!(allowed.decision().rules(), ["rpc-public"]);
//! # Ok::<(), cloister_authz::PolicyError>(())
//! ```

mod action;
mod ask;
mod decision;
mod engine;
mod entities;
mod policy_set;
mod principal;
pub mod request;

pub use action::Action;
pub use alloy_primitives::B256;
pub use ask::Ask;
pub use decision::{Authorized, DEFAULT_DENY, Decision, Denied, EVALUATION_ERROR};
pub use engine::Engine;
pub use policy_set::{PolicyError, PolicySet, SCHEMA_FILE};
pub use principal::{Desk, NameError, Principal, Role};
