#!/usr/bin/env python3
"""Recomputes the golden vectors of the frozen version-1 encodings.

This is a second implementation, from the written encodings alone: Python's standard library for
SHA-256 and HMAC, and Keccak-256 from FIPS 202's permutation with Keccak's padding below. It shares
no code with the Rust crates, whose tests compare themselves with the files byte for byte.

    python3 tests/vectors/generate.py           writes the files
    python3 tests/vectors/generate.py --check   fails when a file differs
"""

import hashlib
import hmac
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
ZERO32 = bytes(32)


# --- hashes -----------------------------------------------------------------------------------


def keccak256(data: bytes) -> bytes:
    """Keccak-256 with the original padding (0x01), as Ethereum uses it."""
    rate, mask = 136, (1 << 64) - 1
    rotations = [
        [0, 36, 3, 41, 18],
        [1, 44, 10, 45, 2],
        [62, 6, 43, 15, 61],
        [28, 55, 25, 21, 56],
        [27, 20, 39, 8, 14],
    ]
    constants, lfsr = [], 1
    for _ in range(24):
        constant = 0
        for j in range(7):
            if lfsr & 1:
                constant |= 1 << ((1 << j) - 1)
            lfsr <<= 1
            if lfsr & 0x100:
                lfsr ^= 0x171
        constants.append(constant)

    def rotate(value: int, by: int) -> int:
        return ((value << by) | (value >> (64 - by))) & mask if by else value

    def permute(a):
        for constant in constants:
            c = [a[x][0] ^ a[x][1] ^ a[x][2] ^ a[x][3] ^ a[x][4] for x in range(5)]
            d = [c[(x - 1) % 5] ^ rotate(c[(x + 1) % 5], 1) for x in range(5)]
            a = [[a[x][y] ^ d[x] for y in range(5)] for x in range(5)]
            b = [[0] * 5 for _ in range(5)]
            for x in range(5):
                for y in range(5):
                    b[y][(2 * x + 3 * y) % 5] = rotate(a[x][y], rotations[x][y])
            a = [
                [b[x][y] ^ (~b[(x + 1) % 5][y] & mask & b[(x + 2) % 5][y]) for y in range(5)]
                for x in range(5)
            ]
            a[0][0] ^= constant
        return a

    padded = bytearray(data) + b"\x01" + bytes(-(len(data) + 1) % rate)
    padded[-1] |= 0x80
    state = [[0] * 5 for _ in range(5)]
    for start in range(0, len(padded), rate):
        for lane in range(rate // 8):
            at = start + 8 * lane
            state[lane % 5][lane // 5] ^= int.from_bytes(padded[at : at + 8], "little")
        state = permute(state)
    return b"".join(state[lane % 5][lane // 5].to_bytes(8, "little") for lane in range(4))


assert keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
EMPTY_CODE = keccak256(b"")


def sha(domain: int, *parts: bytes) -> bytes:
    return hashlib.sha256(bytes([domain]) + b"".join(parts)).digest()


def mac(key: bytes, domain: int, *parts: bytes) -> bytes:
    return hmac.new(key, bytes([domain]) + b"".join(parts), hashlib.sha256).digest()


def u8(value: int) -> bytes:
    return value.to_bytes(1, "big")


def u32(value: int) -> bytes:
    return value.to_bytes(4, "big")


def u64(value: int) -> bytes:
    return value.to_bytes(8, "big")


def u256(value: int) -> bytes:
    return value.to_bytes(32, "big")


def prefixed(data: bytes) -> bytes:
    return u32(len(data)) + data


# --- state ------------------------------------------------------------------------------------

ACCOUNT, STORAGE, ACTIVITY = 1, 2, 3


def state_key(kind: int, address: bytes, slot: bytes = b"") -> bytes:
    return u8(kind) + address + slot


def leaf_key(encoded: bytes) -> bytes:
    return sha(0x03, encoded)


def account_value(nonce: int, balance: int, code_hash: bytes = EMPTY_CODE) -> bytes:
    return u64(nonce) + u256(balance) + code_hash


def activity_value(count: int, head: bytes) -> bytes:
    return u64(count) + head


def batch_key(secret: bytes, batch: int) -> bytes:
    return mac(secret, 0x0E, u64(batch))


def leaf_salt(key: bytes, place: bytes) -> bytes:
    return mac(key, 0x05, place)[:16]


def field_salt(key: bytes, transaction: bytes, field: int, log: int = 0xFFFFFFFF) -> bytes:
    return mac(key, 0x07, transaction, u8(field), u32(log))[:16]


def leaf_commit(kind: int, salt: bytes, value: bytes) -> bytes:
    return sha(0x04, u8(kind), salt, value)


def tree_root(leaves: dict, depth: int = 0) -> bytes:
    """Sparse binary tree: a subtree of exactly one leaf is that leaf."""
    if not leaves:
        return ZERO32
    if len(leaves) == 1:
        ((place, commit),) = leaves.items()
        return sha(0x01, place, commit)
    sides = ({}, {})
    for place, commit in leaves.items():
        sides[place[depth // 8] >> (7 - depth % 8) & 1][place] = commit
    return sha(0x02, tree_root(sides[0], depth + 1), tree_root(sides[1], depth + 1))


def multiproof(leaves: dict, keys: list) -> bytes:
    """Paths of the keys: tags in preorder, then hashes in the order in which the tags need them."""
    tags, hashes = bytearray(), []

    def visit(leaves: dict, keys: list, depth: int) -> None:
        if not leaves:
            tags.append(0)
        elif not keys:
            tags.append(2)
            hashes.append(tree_root(leaves, depth))
        elif len(leaves) == 1:
            ((place, commit),) = leaves.items()
            tags.append(3 if keys == [place] else 4)
            hashes.extend([commit] if keys == [place] else [place, commit])
        else:
            tags.append(1)
            for side in (0, 1):
                on_side = lambda place: place[depth // 8] >> (7 - depth % 8) & 1 == side
                visit(
                    {place: commit for place, commit in leaves.items() if on_side(place)},
                    [key for key in keys if on_side(key)],
                    depth + 1,
                )

    visit(leaves, keys, 0)
    return u8(1) + u32(len(tags)) + u32(len(hashes)) + bytes(tags) + b"".join(hashes)


def committed(key: bytes, entries: dict) -> dict:
    """Leaves of a tree, from encoded state keys to values, all with the salts of one batch."""
    return {
        leaf_key(encoded): leaf_commit(
            encoded[0], leaf_salt(key, leaf_key(encoded)), value
        )
        for encoded, value in entries.items()
    }


# --- transactions and activity -----------------------------------------------------------------


def log_bytes(log: dict) -> bytes:
    return log["address"] + u8(len(log["topics"])) + b"".join(log["topics"]) + log["data"]


def fields(tx: dict, key: bytes) -> tuple:
    """The seven encodings with their salts, and the logs' commitments."""

    def optional(address) -> bytes:
        return u8(address is not None) + (address or bytes(20))

    logs = [
        sha(0x08, field_salt(key, tx["hash"], 6, index), log_bytes(log))
        for index, log in enumerate(tx["logs"])
    ]
    encodings = [
        u64(tx["block_number"]) + u32(tx["index"]) + tx["hash"],
        tx["sender"],
        optional(tx["to"]) + optional(tx["created"]),
        u256(tx["value"]),
        tx["input"],
        u8(tx["succeeded"]) + u64(tx["gas_used"]),
        u32(len(logs)) + b"".join(logs),
    ]
    return [(e, field_salt(key, tx["hash"], f)) for f, e in enumerate(encodings)], logs


def field_commitment(field: int, salt: bytes, data: bytes) -> bytes:
    return sha(0x06, u8(field), salt, data)


def transaction_leaf(tx: dict, key: bytes) -> tuple:
    openings, logs = fields(tx, key)
    commitments = [field_commitment(f, s, e) for f, (e, s) in enumerate(openings)]
    return sha(0x09, *commitments), logs, commitments


def opening_bytes(tx: dict, key: bytes, shown_fields, shown_logs) -> bytes:
    openings, _ = fields(tx, key)
    out = u8(1)
    for field, (encoding, salt) in enumerate(openings):
        if field in shown_fields:
            out += u8(1) + salt + prefixed(encoding)
        else:
            out += u8(0) + field_commitment(field, salt, encoding)
    out += u32(len(shown_logs))
    for index in shown_logs:
        salt = field_salt(key, tx["hash"], 6, index)
        out += u32(index) + salt + prefixed(log_bytes(tx["logs"][index]))
    return out


def transaction_root(leaves: list) -> bytes:
    if not leaves:
        return ZERO32
    while len(leaves) > 1:
        pairs = [leaves[i : i + 2] for i in range(0, len(leaves), 2)]
        leaves = [sha(0x0A, *pair) if len(pair) == 2 else pair[0] for pair in pairs]
    return leaves[0]


def transaction_path(leaves: list, index: int) -> list:
    path = []
    while len(leaves) > 1:
        if index ^ 1 < len(leaves):
            path.append(leaves[index ^ 1])
        pairs = [leaves[i : i + 2] for i in range(0, len(leaves), 2)]
        leaves = [sha(0x0A, *pair) if len(pair) == 2 else pair[0] for pair in pairs]
        index //= 2
    return path


def entry(kind: int, commitment: bytes) -> bytes:
    return sha(0x0B, u8(kind), commitment)


def append(head: bytes, item: bytes) -> bytes:
    return sha(0x0C, head, item)


# --- headers ----------------------------------------------------------------------------------


def config_bytes(chain_id: int, fork: int, gas_limit: int, base_fee: int) -> bytes:
    return u8(1) + u64(chain_id) + u8(fork) + u64(gas_limit) + u64(base_fee)


def block_header(b: dict) -> bytes:
    return (
        u8(1) + u64(b["chain_id"]) + u64(b["number"]) + b["parent_hash"] + u64(b["timestamp"])
        + b["beneficiary"] + u64(b["gas_limit"]) + u64(b["gas_used"]) + u64(b["base_fee_wei"])
        + b["prev_randao"] + u32(b["transaction_count"]) + b["transactions_hash"]
    )


def private_header(p: dict) -> bytes:
    return (
        u8(1) + p["state_root_before"] + p["transaction_root"] + u32(p["transaction_count"])
        + p["policy_root"] + p["audit_head"] + u64(p["first_block"]) + p["first_block_hash"]
        + u64(p["last_block"]) + p["last_block_hash"] + u64(p["timestamp"])
    )


def public_header(h: dict) -> bytes:
    return (
        u8(1) + u64(h["chain_id"]) + u64(h["number"]) + h["previous_hash"] + h["state_root"]
        + h["message_root"] + u64(h["l1_message_count"]) + h["l1_message_hash"]
        + keccak256(private_header(h["private"]))
    )


def header_vector(h: dict) -> dict:
    return {
        **h,
        "private_encoding": private_header(h["private"]),
        "private_digest": keccak256(private_header(h["private"])),
        "public_encoding": public_header(h),
        "encoding": public_header(h) + private_header(h["private"]),
        "hash": keccak256(public_header(h)),
    }


def audit_head(ledgers: dict) -> bytes:
    if not ledgers:
        return ZERO32
    parts = [
        u8(len(name)) + name.encode() + u64(count) + head
        for name, (count, head) in sorted(ledgers.items())
    ]
    return sha(0x0D, *parts)


# --- the vectors --------------------------------------------------------------------------------


def headers() -> dict:
    block = {
        "chain_id": 2718, "number": 7, "parent_hash": b"\x11" * 32, "timestamp": 1_700_000_000,
        "beneficiary": b"\x22" * 20, "gas_limit": 100_000_000, "gas_used": 42_000,
        "base_fee_wei": 3, "prev_randao": keccak256(b"\x11" * 32), "transaction_count": 2,
        "transactions_hash": keccak256(b"\x33" * 32 + b"\x44" * 32),
    }
    batch = {
        "chain_id": 2718, "number": 5, "previous_hash": b"\x51" * 32, "state_root": b"\x52" * 32,
        "message_root": ZERO32, "l1_message_count": 0, "l1_message_hash": ZERO32,
        "private": {
            "state_root_before": b"\x61" * 32, "transaction_root": b"\x62" * 32,
            "transaction_count": 9, "policy_root": b"\x63" * 32, "audit_head": b"\x64" * 32,
            "first_block": 12, "first_block_hash": b"\x65" * 32, "last_block": 14,
            "last_block_hash": b"\x66" * 32, "timestamp": 1_700_000_123,
        },
    }
    config = config_bytes(2718, 2, 100_000_000, 3)
    ledgers = {"gateway": (3, b"\x71" * 32), "disclosure": (0, b"\x72" * 32)}
    return {
        "config": {
            "chain_id": 2718, "fork": "osaka", "block_gas_limit": 100_000_000, "base_fee_wei": 3,
            "encoding": config, "digest": sha(0x0F, config),
        },
        "block": {
            **block, "transaction_hashes": [b"\x33" * 32, b"\x44" * 32],
            "encoding": block_header(block), "hash": keccak256(block_header(block)),
        },
        "batch": header_vector(batch),
        "audit": {
            "ledgers": [
                {"name": name, "count": count, "head": head}
                for name, (count, head) in ledgers.items()
            ],
            "combined_head": audit_head(ledgers),
        },
    }


def state() -> dict:
    secret = bytes(range(32))
    address, slot = b"\xa1" * 20, u256(7)
    entries = [
        (state_key(ACCOUNT, address), account_value(3, 10**18, b"\xc0" * 32)),
        (state_key(STORAGE, address, slot), u256(99)),
        (state_key(ACTIVITY, address), activity_value(2, b"\xd0" * 32)),
    ]
    leaves = []
    for batch in (0, 1, 2**40):
        key = batch_key(secret, batch)
        for encoded, value in entries:
            place = leaf_key(encoded)
            salt = leaf_salt(key, place)
            leaves.append({
                "batch": batch, "key": encoded, "value": value, "leaf_key": place, "salt": salt,
                "commit": leaf_commit(encoded[0], salt, value),
            })
    trees = []
    for count in (0, 1, 2, 3, 17, 100):
        places = {hashlib.sha256(u32(i)).digest(): hashlib.sha256(u64(i)).digest() for i in range(count)}
        trees.append({"count": count, "root": tree_root(places)})
    return {
        "secret": secret,
        "batch_keys": [{"batch": b, "key": batch_key(secret, b)} for b in (0, 1, 2**40)],
        "leaves": leaves,
        "trees": trees,
    }


def sample_transaction() -> dict:
    return {
        "block_number": 9, "index": 4, "hash": b"\xe1" * 32, "sender": b"\xe2" * 20,
        "to": b"\xe3" * 20, "created": None, "value": 12345, "input": bytes.fromhex("a9059cbb00"),
        "succeeded": True, "gas_used": 51_234,
        "logs": [
            {"address": b"\xe3" * 20, "topics": [b"\xf1" * 32, bytes(12) + b"\xe2" * 20],
             "data": u256(12345)},
            {"address": b"\xe4" * 20, "topics": [], "data": b""},
        ],
    }


def transactions() -> dict:
    secret = bytes(range(32))
    key = batch_key(secret, 6)
    tx = sample_transaction()
    leaf, logs, commitments = transaction_leaf(tx, key)
    creation = {**tx, "to": None, "created": b"\xe5" * 20, "succeeded": False, "logs": []}
    leaves = [hashlib.sha256(u32(i)).digest() for i in range(7)]
    head = ZERO32
    chain = []
    for item in (entry(1, leaf), entry(2, logs[0]), entry(2, logs[1])):
        head = append(head, item)
        chain.append({"entry": item, "head": head})
    return {
        "secret": secret,
        "batch": 6,
        "transaction": {
            "fields": tx, "commitments": commitments, "log_commitments": logs, "leaf": leaf,
            "full_opening": opening_bytes(tx, key, range(7), range(2)),
            "redacted_opening": opening_bytes(tx, key, (0, 2, 6), (1,)),
        },
        "creation": {"fields": creation, "leaf": transaction_leaf(creation, key)[0]},
        "roots": [
            {
                "count": count, "root": transaction_root(leaves[:count]),
                "paths": [transaction_path(leaves[:count], i) for i in range(count)],
            }
            for count in range(8)
        ],
        "activity": chain,
    }


HISTORY = bytes.fromhex("0000f90827f1c53a10cb7a02335b175320002935")
HISTORY_CODE = bytes.fromhex(
    "3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f35600143038111604257"
    "611fff81430311604257611fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500"
)
CONFIG = bytes.fromhex("000000000000000000000000000000000000c105")
# EIP-1559: chain 2718, nonce 0, no fees, 21,000 gas, 0.1 ether to 0x0b…0b; signed once with the
# private key 0x46…46 (RFC 6979). A signature is input here, not output.
RAW_TRANSFER = (
    "02f86c820a9e808080825208940b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b88016345785d8a000080c001a0f9a3"
    "c2baed5fa1bcf5f5495a4afae73c4d3ffc9b4ff1a88209773fa27aaacea2a015d418aa590645bc8f450621792f4e9f06"
    "5b366493c3b5ce3f4c4dfa463da3f9"
)


def chain() -> dict:
    """Genesis and a batch of one block with one transfer, with no help from any EVM."""
    secret = bytes(range(32))
    chain_id, gas_limit, timestamp = 2718, 100_000_000, 1_700_000_000
    config = sha(0x0F, config_bytes(chain_id, 2, gas_limit, 0))
    raw = bytes.fromhex(RAW_TRANSFER)
    sender = bytes.fromhex("9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f")
    receiver, value, balance = b"\x0b" * 20, 10**17, 10**18
    policy, audit = b"\x63" * 32, b"\x64" * 32

    entries = {
        state_key(ACCOUNT, sender): account_value(0, balance),
        state_key(ACCOUNT, HISTORY): account_value(1, 0, keccak256(HISTORY_CODE)),
        state_key(ACCOUNT, CONFIG): account_value(1, 0),
        state_key(STORAGE, CONFIG, ZERO32): config,
    }
    tree = committed(batch_key(secret, 0), entries)
    block0 = {
        "chain_id": chain_id, "number": 0, "parent_hash": ZERO32, "timestamp": timestamp,
        "beneficiary": bytes(20), "gas_limit": gas_limit, "gas_used": 0, "base_fee_wei": 0,
        "prev_randao": keccak256(ZERO32), "transaction_count": 0,
        "transactions_hash": keccak256(b""),
    }
    hash0 = keccak256(block_header(block0))
    batch0 = {
        "chain_id": chain_id, "number": 0, "previous_hash": ZERO32, "state_root": tree_root(tree),
        "message_root": ZERO32, "l1_message_count": 0, "l1_message_hash": ZERO32,
        "private": {
            "state_root_before": ZERO32, "transaction_root": ZERO32, "transaction_count": 0,
            "policy_root": policy, "audit_head": ZERO32, "first_block": 0,
            "first_block_hash": hash0, "last_block": 0, "last_block_hash": hash0,
            "timestamp": timestamp,
        },
    }
    tx_hash = keccak256(raw)
    tx = {
        "block_number": 1, "index": 0, "hash": tx_hash, "sender": sender, "to": receiver,
        "created": None, "value": value, "input": b"", "succeeded": True, "gas_used": 21_000,
        "logs": [],
    }
    key = batch_key(secret, 1)
    leaf = transaction_leaf(tx, key)[0]
    head = append(ZERO32, entry(1, leaf))
    changes = {
        state_key(ACCOUNT, sender): account_value(1, balance - value),
        state_key(ACCOUNT, receiver): account_value(0, value),
        state_key(STORAGE, HISTORY, ZERO32): hash0,
        state_key(ACTIVITY, sender): activity_value(1, head),
        state_key(ACTIVITY, receiver): activity_value(1, head),
    }
    # What execution touches: what it changes, the contract that keeps the parent's hash,
    # the beneficiary (the zero address), and the configuration.
    touched = sorted(
        [
            *changes,
            state_key(ACCOUNT, HISTORY),
            state_key(ACCOUNT, bytes(20)),
            state_key(STORAGE, CONFIG, ZERO32),
        ],
        key=leaf_key,
    )
    openings = b""
    for encoded in touched:
        openings += encoded
        if encoded in entries:
            salt = leaf_salt(batch_key(secret, 0), leaf_key(encoded))
            openings += u8(1) + salt + entries[encoded]
        else:
            openings += u8(0)
    paths = multiproof(tree, [leaf_key(encoded) for encoded in touched])
    tree.update(committed(key, changes))
    block1 = {
        **block0, "number": 1, "parent_hash": hash0, "timestamp": timestamp + 2,
        "gas_used": 21_000, "prev_randao": keccak256(hash0), "transaction_count": 1,
        "transactions_hash": keccak256(tx_hash),
    }
    hash1 = keccak256(block_header(block1))
    batch1 = {
        **batch0, "number": 1, "previous_hash": keccak256(public_header(batch0)),
        "state_root": tree_root(tree),
        "private": {
            "state_root_before": batch0["state_root"], "transaction_root": leaf,
            "transaction_count": 1, "policy_root": policy, "audit_head": audit, "first_block": 1,
            "first_block_hash": hash1, "last_block": 1, "last_block_hash": hash1,
            "timestamp": timestamp + 2,
        },
    }
    batch_input = (
        u8(1) + config_bytes(chain_id, 2, gas_limit, 0)
        + public_header(batch0) + private_header(batch0["private"]) + policy + audit + key
        + u32(1) + block_header(block1) + u32(1) + prefixed(raw)
        + u32(len(touched)) + openings + u32(1) + prefixed(HISTORY_CODE) + prefixed(paths)
    )
    return {
        "batch_input": batch_input,
        "secret": secret, "chain_id": chain_id, "timestamp": timestamp, "policy_root": policy,
        "audit_head": audit, "sender": sender, "sender_balance": u256(balance),
        "receiver": receiver, "raw_transaction": raw, "transaction_hash": tx_hash,
        "block_hashes": [hash0, hash1], "genesis": header_vector(batch0),
        "batch": header_vector(batch1),
    }


def plain(value):
    if isinstance(value, (bytes, bytearray)):
        return "0x" + value.hex()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def main() -> int:
    check = "--check" in sys.argv[1:]
    wrong = []
    for name, make in (
        ("headers", headers), ("state", state), ("transactions", transactions), ("chain", chain),
    ):
        path = HERE / f"{name}.json"
        text = json.dumps(plain(make()), indent=2) + "\n"
        if not check:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            wrong.append(path.name)
    if wrong:
        print("differ from what this script computes: " + ", ".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
