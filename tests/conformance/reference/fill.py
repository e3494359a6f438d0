"""Fills the expected results of state tests with Ethereum's executable specification.

Reads fixtures (JSON) from standard input and writes them to standard output with `hash`, `logs`,
`state` and, where the specification refuses the transaction, `expectException`. The specification
(PyPI `ethereum-execution` 2.20.0) shares no code with revm, on which the state
transition stands. Only `cloister-conformance generate` runs it; no check and no test does.
"""

import json
import sys

from ethereum_rlp import rlp
from ethereum_spec_tools.evm_tools.loaders.fixture_loader import Load
from ethereum_types.bytes import Bytes32
from ethereum_types.numeric import U64, U256, Uint

from ethereum.crypto.hash import Hash32, keccak256
from ethereum.exceptions import EthereumException
from ethereum.utils.hexadecimal import hex_to_bytes

sys.setrecursionlimit(100_000)

# The specification's errors in the words of execution-spec-tests.
EXCEPTIONS = {
    "BlobGasLimitExceededError": "TYPE_3_TX_MAX_BLOB_GAS_ALLOWANCE_EXCEEDED",
    "BlobCountExceededError": "TYPE_3_TX_BLOB_COUNT_EXCEEDED",
    "EmptyAuthorizationListError": "TYPE_4_EMPTY_AUTHORIZATION_LIST",
    "GasUsedExceedsLimitError": "GAS_ALLOWANCE_EXCEEDED",
    "InitCodeTooLargeError": "INITCODE_SIZE_EXCEEDED",
    "InsufficientBalanceError": "INSUFFICIENT_ACCOUNT_FUNDS",
    "InsufficientMaxFeePerGasError": "INSUFFICIENT_MAX_FEE_PER_GAS",
    "InsufficientTransactionGasError": "INTRINSIC_GAS_TOO_LOW",
    "InvalidBlobVersionedHashError": "TYPE_3_TX_INVALID_BLOB_VERSIONED_HASH",
    "InvalidBlock": "INSUFFICIENT_MAX_FEE_PER_GAS",
    "InvalidSenderError": "SENDER_NOT_EOA",
    "InvalidSignatureError": "INVALID_SIGNATURE_VRS",
    "NoBlobDataError": "TYPE_3_TX_ZERO_BLOBS",
    "NonceOverflowError": "NONCE_IS_MAX",
    "PriorityFeeGreaterThanMaxFeeError": "PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS",
    "TransactionGasLimitExceededError": "GAS_LIMIT_EXCEEDS_MAXIMUM",
    "TransactionTypeContractCreationError": "TYPE_4_TX_CONTRACT_CREATION",
    "TransactionTypeError": "TYPE_NOT_SUPPORTED",
}


def exception_name(error):
    """Name of an error in execution-spec-tests."""
    if type(error).__name__ == "NonceMismatchError":
        name = "NONCE_MISMATCH_TOO_LOW" if "low" in str(error) else "NONCE_MISMATCH_TOO_HIGH"
    else:
        # What the specification's decoder refuses has no class of its own.
        name = EXCEPTIONS.get(type(error).__name__, "RLP_INVALID_VALUE")
    return "TransactionException." + name


def environment(load, env, chain_id, state):
    """The block around the transaction."""
    number = int(env["currentNumber"], 16)
    hashes = [Hash32(hex_to_bytes(env["previousHash"]))] if "previousHash" in env else []
    return load.fork.BlockEnvironment(
        chain_id=U64(chain_id),
        state=state,
        block_gas_limit=Uint(int(env["currentGasLimit"], 16)),
        block_hashes=hashes,
        coinbase=load.fork.hex_to_address(env["currentCoinbase"]),
        number=Uint(number),
        base_fee_per_gas=Uint(int(env["currentBaseFee"], 16)),
        time=U256(int(env["currentTimestamp"], 16)),
        prev_randao=Bytes32(hex_to_bytes(env["currentRandom"])),
        excess_blob_gas=U64(int(env["currentExcessBlobGas"], 16)),
        parent_beacon_block_root=Hash32(b"\0" * 32),
    )


def decode(load, raw):
    """The transaction in the specification's form."""
    if raw[0] >= 0xC0:
        return rlp.decode_to(load.fork.LegacyTransaction, raw)
    return load.fork.decode_transaction(raw)


def quantity(number):
    """A number as the format writes it."""
    digits = f"{int(number):x}"
    return "0x" + digits.rjust(len(digits) + len(digits) % 2, "0")


def accounts(state):
    """The state after the transaction."""
    out = {}
    for address, account in sorted(state._main_trie._data.items()):
        storage = state._storage_tries.get(address)
        slots = sorted(storage._data.items()) if storage else []
        out["0x" + address.hex()] = {
            "nonce": quantity(account.nonce),
            "balance": quantity(account.balance),
            "code": "0x" + account.code.hex(),
            "storage": {
                quantity(int.from_bytes(slot, "big")): quantity(value) for slot, value in slots
            },
        }
    return out


def fill(load, test, post):
    """Runs one transaction and writes down what came of it."""
    state = load.json_to_state(test["pre"])
    block = environment(load, test["env"], int(test["config"]["chainid"], 16), state)
    output = load.fork.BlockOutput()
    for key in ("expectException", "gasUsed"):
        post.pop(key, None)
    try:
        tx = decode(load, hex_to_bytes(post["txbytes"]))
        load.fork.process_transaction(block, output, tx, Uint(0))
    except (EthereumException, rlp.DecodingError) as error:
        post["expectException"] = exception_name(error)
        state = load.json_to_state(test["pre"])
        output = load.fork.BlockOutput()
    post["hash"] = "0x" + load.fork.state_root(state).hex()
    post["logs"] = "0x" + keccak256(rlp.encode(output.block_logs)).hex()
    post["state"] = accounts(state)


def main():
    """Fills every case on standard input."""
    tests = json.load(sys.stdin)
    loads = {}
    for name, test in tests.items():
        for fork, posts in test["post"].items():
            load = loads.setdefault(fork, Load(fork.lower()))
            for post in posts:
                fill(load, test, post)
        print(name, file=sys.stderr)
    json.dump(tests, sys.stdout)


if __name__ == "__main__":
    main()
