//! Small contracts, assembled by hand.

/// Code that returns `runtime` when it runs as init code.
pub(crate) fn deployer(runtime: &[u8]) -> Vec<u8> {
    let length = u16::try_from(runtime.len()).unwrap().to_be_bytes();
    // PUSH2 length, DUP1, PUSH1 13, PUSH1 0, CODECOPY, PUSH1 0, RETURN
    let mut code = vec![
        0x61, length[0], length[1], 0x80, 0x60, 13, 0x60, 0, 0x39, 0x60, 0, 0xf3,
    ];
    code.push(0x00);
    code.extend_from_slice(runtime);
    code
}

/// Call data: slot, value, flag. Stores the value, logs the caller as an indexed address, reverts
/// when the flag is set.
pub(crate) fn store() -> Vec<u8> {
    vec![
        0x60, 0x20, 0x35, // CALLDATALOAD(32): value
        0x5f, 0x35, // CALLDATALOAD(0): slot
        0x55, // SSTORE
        0x33, // CALLER: second topic
        0x60, 0x01, // first topic
        0x60, 0x20, 0x5f, 0xa2, // LOG2(0, 32)
        0x60, 0x40, 0x35, // CALLDATALOAD(64): flag
        0x60, 20, 0x57, // JUMPI
        0x00, // STOP
        0x5b, 0x60, 0x20, 0x5f, 0xfd, // JUMPDEST REVERT(0, 32)
    ]
}

pub(crate) fn store_call(slot: u8, value: u8, flag: bool) -> Vec<u8> {
    let mut data = vec![0; 96];
    data[31] = slot;
    data[63] = value;
    data[95] = u8::from(flag);
    data
}

/// Sends everything to the caller and ends itself.
pub(crate) fn suicide() -> Vec<u8> {
    vec![0x33, 0xff]
}

/// Init code that stores something and destroys the contract while it is being created.
pub(crate) fn stillborn() -> Vec<u8> {
    vec![0x60, 7, 0x60, 1, 0x55, 0x33, 0xff]
}

/// Creates a contract from the call data twice, by CREATE and CREATE2, and keeps the addresses in
/// slots 0 and 1. The second call of CREATE2 with the same code collides and gives zero.
pub(crate) fn factory() -> Vec<u8> {
    vec![
        0x36, 0x5f, 0x5f, 0x37, // CALLDATACOPY(0, 0, size)
        0x36, 0x5f, 0x34, 0xf0, // CREATE(value, 0, size)
        0x5f, 0x55, // SSTORE(0, ..)
        0x5f, 0x36, 0x5f, 0x5f, 0xf5, // CREATE2(0, 0, size, 0)
        0x60, 1, 0x55, // SSTORE(1, ..)
    ]
}

/// Looks around: block hash of the parent, balance and code of the address in the call data, its
/// own environment.
pub(crate) fn observer() -> Vec<u8> {
    vec![
        0x60, 1, 0x43, 0x03, 0x40, 0x5f, 0x55, // SSTORE(0, BLOCKHASH(NUMBER - 1))
        0x5f, 0x35, 0x31, 0x60, 1, 0x55, // SSTORE(1, BALANCE(..))
        0x5f, 0x35, 0x3b, 0x60, 2, 0x55, // SSTORE(2, EXTCODESIZE(..))
        0x44, 0x60, 3, 0x55, // SSTORE(3, PREVRANDAO)
        0x48, 0x60, 4, 0x55, // SSTORE(4, BASEFEE)
        0x42, 0x60, 5, 0x55, // SSTORE(5, TIMESTAMP)
        0x4a, 0x60, 6, 0x55, // SSTORE(6, BLOBBASEFEE)
    ]
}

/// Calls the address in the first word of its call data with the rest, by DELEGATECALL, and passes
/// failure on.
pub(crate) fn proxy() -> Vec<u8> {
    vec![
        0x60, 0x20, 0x36, 0x03, // size - 32
        0x60, 0x20, 0x5f, 0x37, // CALLDATACOPY(0, 32, size - 32)
        0x5f, 0x5f, // no output
        0x60, 0x20, 0x36, 0x03, // size - 32
        0x5f, // input at 0
        0x5f, 0x35, // target
        0x5a, 0xf4, // DELEGATECALL(gas, target, 0, size - 32, 0, 0)
        0x60, 25, 0x57, // JUMPI
        0x5f, 0x5f, 0xfd, // REVERT
        0x5b, // JUMPDEST
    ]
}
