//! Contracts of the attacks' scenes.

use alloy_primitives::{Address, Bytes};

use super::asm::{Asm, deployer, op};

/// Init code of a contract that stores the second word of its call data in the slot that the first
/// names, and logs the caller as a topic.
pub(crate) fn store_deployer() -> Bytes {
    let code = Asm::new().push(32).op(op::CALLDATALOAD);
    let code = code.ops(&[op::PUSH0, op::CALLDATALOAD, op::SSTORE, op::CALLER]);
    let code = code.push(1).push(32).ops(&[op::PUSH0, op::LOG0 + 2]);
    deployer(&code.code()).into()
}

/// Sends a wei to an address and keeps whether that succeeded.
pub(crate) fn sender(to: Address) -> Bytes {
    let code = Asm::new().call(op::CALL, 50_000, to, 1, 0);
    code.push(1).op(op::ADD).keep(0).into()
}

/// Runs in a circle until no gas is left.
pub(crate) fn burner() -> Bytes {
    Asm::new().op(op::JUMPDEST).push2(0).op(op::JUMP).into()
}
