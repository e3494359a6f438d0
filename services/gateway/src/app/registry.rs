//! What policies know of an address: the contract behind it, its desk, template and ABI.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use alloy_primitives::{Address, B256};
use cloister_abi::{ContractAbi, Limits, Registry as Templates};
use cloister_authz::Desk;
use cloister_authz::request::{CallFacts, Contract, Target};
use cloister_types::UnixMillis;
use sha2::{Digest as _, Sha256};
use sqlx::PgPool;

use super::model::Log;
use crate::store::contracts::{self, Registered, Registration};

/// The template of a contract that was deployed without naming one.
pub const DEFAULT_TEMPLATE: &str = cloister_abi::standards::ERC20;
/// Most parsed ABIs that are kept.
const MAX_CACHED_ABIS: usize = 1_024;

/// A registered contract with its parsed ABI.
#[derive(Debug, Clone)]
pub struct Known {
    /// As policies see it.
    pub contract: Contract,
    /// The wallet that deployed it.
    pub deployer: Address,
    /// Its functions and events.
    pub abi: Option<Arc<ContractAbi>>,
    /// When its deployment was recorded.
    pub recorded_at: UnixMillis,
    /// Who attached template and ABI last, when somebody has.
    pub registration: Option<Registration>,
}

/// The registered ones of a set of addresses.
#[derive(Debug, Clone, Default)]
pub struct Directory(BTreeMap<Address, Known>);

impl Directory {
    /// The contract at `address`.
    #[must_use]
    pub fn get(&self, address: &Address) -> Option<&Known> {
        self.0.get(address)
    }

    /// The address as policies see it.
    #[must_use]
    pub fn target(&self, address: Address) -> Target {
        self.get(&address)
            .map_or(Target::Account(address), |known| {
                Target::Contract(known.contract.clone())
            })
    }

    /// A call's function and arguments. What a strict decoder refuses is an unknown function, and
    /// policies deny it.
    #[must_use]
    pub fn call(&self, address: &Address, data: &[u8]) -> CallFacts {
        let abi = self.get(address).and_then(|known| known.abi.as_ref());
        let decoded = abi.and_then(|abi| abi.decode_call(data, &Limits::default()).ok().flatten());
        CallFacts::new(data, decoded.as_ref())
    }

    /// The signature of a log's event; empty when unknown.
    #[must_use]
    pub fn event(&self, log: &Log) -> String {
        let abi = self.get(&log.address).and_then(|known| known.abi.as_ref());
        let decoded = abi
            .and_then(|abi| {
                abi.decode_log(&log.topics, &log.data, &Limits::default())
                    .ok()
            })
            .flatten();
        decoded.map(|event| event.signature).unwrap_or_default()
    }
}

/// The contract registry over the database, with parsed ABIs kept in memory.
#[derive(Debug)]
pub struct Registry {
    pool: PgPool,
    templates: Templates,
    parsed: Mutex<BTreeMap<B256, Option<Arc<ContractAbi>>>>,
}

impl Registry {
    /// A registry with the standard templates.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self {
            pool,
            templates: Templates::with_standards(),
            parsed: Mutex::default(),
        }
    }

    /// Whether policies know a template of this name.
    #[must_use]
    pub fn has_template(&self, name: &str) -> bool {
        self.templates.template(name).is_some()
    }

    /// The names of all templates.
    #[must_use]
    pub fn template_names(&self) -> Vec<&str> {
        self.templates.template_names().collect()
    }

    /// A function of `abi` that has the selector of a template's function under another signature,
    /// and that signature: rules for the template would not apply to its calls (SGW-16).
    #[must_use]
    pub fn conflict<'a>(&'a self, abi: &'a ContractAbi) -> Option<(&'a str, &'a str)> {
        let names = self.templates.template_names();
        let mut templates = names.filter_map(|name| self.templates.template(name));
        templates.find_map(|template| abi.conflict(template))
    }

    /// What is known of `addresses`, in one round trip.
    ///
    /// # Errors
    /// The database.
    pub async fn lookup(&self, addresses: &[Address]) -> sqlx::Result<Directory> {
        if addresses.is_empty() {
            return Ok(Directory::default());
        }
        let found = contracts::find(&self.pool, addresses).await?;
        Ok(Directory(
            found
                .into_iter()
                .map(|row| (row.address, self.known(row)))
                .collect(),
        ))
    }

    fn known(&self, row: Registered) -> Known {
        let abi = match &row.abi {
            Some(json) => self.parsed(json),
            None => self.templates.template(&row.template).cloned(),
        };
        // A desk that is no desk name any more owns nothing.
        let desk = row.desk.and_then(|desk| Desk::new(desk).ok());
        let contract = Contract {
            address: row.address,
            desk,
            template: row.template,
        };
        Known {
            contract,
            deployer: row.deployer,
            abi,
            recorded_at: row.recorded_at,
            registration: row.registration,
        }
    }

    fn parsed(&self, json: &str) -> Option<Arc<ContractAbi>> {
        let key = B256::from(<[u8; 32]>::from(Sha256::digest(json.as_bytes())));
        let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = parsed.get(&key) {
            return known.clone();
        }
        let abi = ContractAbi::from_json(json).ok().map(Arc::new);
        if parsed.len() >= MAX_CACHED_ABIS {
            parsed.clear();
        }
        parsed.insert(key, abi.clone());
        abi
    }
}
