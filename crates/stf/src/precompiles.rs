//! Ethereum's precompiled contracts, found without a table where it is plain that there is none.

use alloc::string::String;
use alloy_primitives::{Address, map::AddressSet};
use revm::{
    context::{Cfg, ContextTr},
    handler::{EthPrecompiles, PrecompileProvider},
    interpreter::{CallInputs, InterpreterResult},
    primitives::hardfork::SpecId,
};

/// Those of a fork.
#[derive(Clone, Debug)]
pub(crate) struct Precompiles(EthPrecompiles);

impl Precompiles {
    pub(crate) fn new(spec: SpecId) -> Self {
        Self(EthPrecompiles::new(spec))
    }
}

/// Whether a precompile may be there: their addresses are small numbers.
fn is_low(address: &Address) -> bool {
    address.iter().take(18).all(|byte| *byte == 0)
}

impl<C: ContextTr> PrecompileProvider<C> for Precompiles {
    type Output = InterpreterResult;

    fn set_spec(&mut self, spec: <C::Cfg as Cfg>::Spec) -> bool {
        PrecompileProvider::<C>::set_spec(&mut self.0, spec)
    }

    fn run(
        &mut self,
        context: &mut C,
        inputs: &CallInputs,
    ) -> Result<Option<InterpreterResult>, String> {
        if !is_low(&inputs.bytecode_address) {
            return Ok(None);
        }
        self.0.run(context, inputs)
    }

    fn warm_addresses(&self) -> &AddressSet {
        self.0.warm_addresses()
    }

    fn contains(&self, address: &Address) -> bool {
        is_low(address) && self.0.contains(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_have_low_addresses() {
        for spec in [SpecId::PRAGUE, SpecId::OSAKA] {
            let precompiles = Precompiles::new(spec);
            let addresses = precompiles.0.warm_addresses();
            assert!(addresses.len() > 16);
            assert!(addresses.iter().all(is_low));
        }
        assert!(!is_low(&Address::with_last_byte(1).create(0)));
    }
}
