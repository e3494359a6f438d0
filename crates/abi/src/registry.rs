//! Which ABI a contract has.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy_primitives::Address;

use crate::contract::ContractAbi;
use crate::standards;

/// ABIs by contract address and by template name.
///
/// A contract that was not registered has no ABI: its calls decode to no function, and policies
/// deny them.
#[derive(Clone, Debug)]
pub struct Registry {
    templates: BTreeMap<String, Arc<ContractAbi>>,
    contracts: BTreeMap<Address, Arc<ContractAbi>>,
}

impl Default for Registry {
    fn default() -> Self {
        Self::with_standards()
    }
}

impl Registry {
    /// A registry that knows the templates of [`standards`].
    #[must_use]
    pub fn with_standards() -> Self {
        let templates = standards::all()
            .into_iter()
            .map(|(name, abi)| (name.to_owned(), Arc::new(abi)))
            .collect();
        Self {
            templates,
            contracts: BTreeMap::new(),
        }
    }

    /// Adds or replaces a template.
    pub fn add_template(&mut self, name: impl Into<String>, abi: ContractAbi) {
        self.templates.insert(name.into(), Arc::new(abi));
    }

    /// The ABI of a template.
    #[must_use]
    pub fn template(&self, name: &str) -> Option<&Arc<ContractAbi>> {
        self.templates.get(name)
    }

    /// Names of all templates, sorted.
    pub fn template_names(&self) -> impl Iterator<Item = &str> {
        self.templates.keys().map(String::as_str)
    }

    /// Sets a contract's ABI.
    pub fn register(&mut self, contract: Address, abi: Arc<ContractAbi>) {
        self.contracts.insert(contract, abi);
    }

    /// The ABI of a contract.
    #[must_use]
    pub fn contract(&self, contract: &Address) -> Option<&Arc<ContractAbi>> {
        self.contracts.get(contract)
    }
}
