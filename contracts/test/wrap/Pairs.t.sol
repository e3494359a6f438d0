// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Constraints} from "../../src/wrap/Constraints.sol";
import {Extension} from "../../src/wrap/Extension.sol";
import {Head} from "../../src/wrap/Head.sol";
import {Merkle} from "../../src/wrap/Merkle.sol";
import {Queries} from "../../src/wrap/Queries.sol";
import {Transcript} from "../../src/wrap/Transcript.sol";
import {Harness} from "./Harness.sol";
import {WrapFixture} from "./WrapFixture.sol";

/// @title Every number and digest of a proof, changed, is refused for the reason that the verifiers
/// in Rust refuse it for
/// @dev Both read the list that `crates/wrap/tests/it/mutations.rs` describes. Nothing is ground in
/// this proof, so that no change is refused by luck.
contract WrapPairsTest is WrapFixture {
    uint256 private constant P = 0x78000001;
    uint256 private constant LINE = 9;
    /// @dev No change may cost more than a transaction may (EIP-7825).
    uint256 private constant TRANSACTION_GAS = 16_777_216;

    Harness private harness;
    bytes private publicBytes;
    bytes private context;

    function setUp() external {
        address[] memory parts = new address[](1);
        parts[0] = store(read("bare.image"));
        harness = new Harness(parts);
        head = read("bare.head");
        queries = read("bare.queries");
        publicBytes = read("sample.public");
        context = harness.head(publicBytes, head);
        harness.whole(publicBytes, head, queries);
    }

    /// @dev SWR-3.
    function test_refuses_every_change_of_the_head_for_the_listed_reason() external view {
        bytes memory data = head;
        bytes memory rows = queries;
        bytes memory list = read("bare.mutations");
        uint256 changes;
        uint256 pointer = free();
        for (uint256 line = 0; line < list.length; line += LINE) {
            if (list[line + 1] != 0) continue;
            bytes32 kept = change(data, list, line);
            refuses(abi.encodeCall(harness.whole, (publicBytes, data, rows)), list, line);
            restore(data, list, line, kept);
            release(pointer);
            ++changes;
        }
        yes(changes > 5000, "thousands of changes");
    }

    /// @dev SWR-3.
    function test_refuses_every_change_of_the_queries_for_the_listed_reason() external view {
        bytes memory data = queries;
        bytes memory words = context;
        bytes memory list = read("bare.mutations");
        uint256 changes;
        uint256 pointer = free();
        for (uint256 line = 0; line < list.length; line += LINE) {
            if (list[line + 1] == 0) continue;
            bytes32 kept = change(data, list, line);
            refuses(abi.encodeCall(harness.queries, (words, 0, QUERIES, data)), list, line);
            restore(data, list, line, kept);
            release(pointer);
            ++changes;
        }
        yes(changes > 4000, "thousands of changes");
    }

    /// @dev Makes a line's change; what stood there.
    function change(bytes memory data, bytes memory list, uint256 line)
        private
        pure
        returns (bytes32 kept)
    {
        uint256 from = offset(list, line);
        uint256 size = uint8(list[line + 6]);
        yes(from + size <= data.length, "within the part");
        for (uint256 i = 0; i < size; ++i) {
            kept |= bytes32(data[from + i]) >> (8 * i);
        }
        if (size == 32) {
            unchecked {
                data[from] = bytes1(uint8(data[from]) + 1);
            }
            return kept;
        }
        uint256 value;
        for (uint256 i = 0; i < 4; ++i) {
            value |= uint256(uint8(data[from + i])) << (8 * i);
        }
        value = list[line] == 0 ? (value + 1) % P : value + P;
        for (uint256 i = 0; i < 4; ++i) {
            data[from + i] = bytes1(uint8(value >> (8 * i)));
        }
    }

    function restore(bytes memory data, bytes memory list, uint256 line, bytes32 kept)
        private
        pure
    {
        uint256 from = offset(list, line);
        uint256 size = uint8(list[line + 6]);
        for (uint256 i = 0; i < size; ++i) {
            data[from + i] = kept[i];
        }
    }

    function offset(bytes memory list, uint256 line) private pure returns (uint256 from) {
        for (uint256 i = 2; i < 6; ++i) {
            from = (from << 8) | uint8(list[line + i]);
        }
    }

    function refuses(bytes memory call, bytes memory list, uint256 line) private view {
        (bool good, bytes memory data) = address(harness).staticcall{gas: TRANSACTION_GAS}(call);
        yes(!good, "refused");
        yes(data.length >= 4, "with a reason");
        eq(reason(bytes4(data)), uint8(list[line + 7]), "the listed reason");
    }

    /// @dev An error in the list's numbers.
    function reason(bytes4 selector) private pure returns (uint256) {
        if (selector == Transcript.BadLength.selector) return 1;
        if (selector == Merkle.BadSiblings.selector) return 1;
        if (selector == Extension.NotCanonical.selector) return 2;
        if (selector == Transcript.BadGrinding.selector) return 3;
        if (selector == Head.Unbalanced.selector) return 4;
        if (selector == Constraints.NotSatisfied.selector) return 5;
        if (selector == Extension.NoInverse.selector) return 6;
        if (selector == Queries.NotFolded.selector) return 7;
        if (selector == Merkle.NotCommitted.selector) return 8;
        if (selector == Merkle.Inconsistent.selector) return 8;
        return 0;
    }

    function free() private pure returns (uint256 pointer) {
        assembly ("memory-safe") {
            pointer := mload(0x40)
        }
    }

    /// @dev Thousands of calls would fill the memory: what a call took is given back.
    function release(uint256 pointer) private pure {
        assembly ("memory-safe") {
            mstore(0x40, pointer)
        }
    }
}
