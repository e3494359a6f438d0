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

/// @title A true proof with anything changed is refused, and for the right reason; number by number
/// and together with the verifiers in Rust in {WrapPairsTest}
contract WrapMutationsTest is WrapFixture {
    /// @dev Bytes of the sample's queries before the trees' siblings: rows, folds, salts.
    uint256 private constant ROWS = QUERIES * 2212;

    Harness private harness;
    bytes private context;
    bytes private publicBytes;

    function setUp() external {
        address[] memory parts = new address[](1);
        parts[0] = store(read("sample.image"));
        harness = new Harness(parts);
        head = read("sample.head");
        queries = read("sample.queries");
        publicBytes = read("sample.public");
        context = harness.head(publicBytes, head);
    }

    function test_accepts_the_true_proof() external view {
        harness.whole(publicBytes, head, queries);
        harness.queries(context, 0, QUERIES, queries);
        for (uint256 i = 0; i < QUERIES; ++i) {
            harness.queries(context, i, 1, query(i));
        }
    }

    /// @dev SWR-3.
    function test_refuses_every_change_of_the_head() external view {
        bytes memory data = head;
        // A step that meets every byte of a number.
        for (uint256 i = 0; i < data.length; i += 5) {
            bytes1 kept = data[i];
            data[i] = kept ^ bytes1(uint8(2 ** (i % 8)));
            fails(whole(publicBytes, data));
            data[i] = kept;
        }
    }

    function test_refuses_every_change_of_the_queries() external view {
        bytes memory data = queries;
        for (uint256 i = 0; i < data.length; i += 5) {
            bytes1 kept = data[i];
            data[i] = kept ^ bytes1(uint8(2 ** (i % 8)));
            fails(ranged(context, data));
            data[i] = kept;
        }
    }

    /// @dev A sample of changes of a real batch's proof.
    function test_refuses_changes_of_a_real_proof() external {
        Harness real = new Harness(realParts(read("real.image")));
        bytes memory public_ = read("real.public");
        bytes memory data = read("real.head");
        bytes memory fixed_ = real.head(public_, data);
        for (uint256 i = 7; i < data.length; i += 1999) {
            data[i] ^= bytes1(uint8(2 ** (i % 8)));
            fails(outcome(real, free(), abi.encodeCall(real.head, (public_, data))));
            data[i] ^= bytes1(uint8(2 ** (i % 8)));
        }
        data = read("real.queries1");
        real.queries(fixed_, 17, 16, data);
        for (uint256 i = 7; i < data.length; i += 4999) {
            data[i] ^= bytes1(uint8(2 ** (i % 8)));
            fails(outcome(real, free(), abi.encodeCall(real.queries, (fixed_, 17, 16, data))));
            data[i] ^= bytes1(uint8(2 ** (i % 8)));
        }
    }

    /// @dev SWR-1.
    function test_refuses_other_public_bytes() external view {
        bytes memory data = publicBytes;
        for (uint256 i = 0; i < data.length; ++i) {
            data[i] ^= bytes1(uint8(2 ** (i % 8)));
            fails(whole(data, head));
            data[i] ^= bytes1(uint8(2 ** (i % 8)));
        }
        eq(whole(bytes.concat(data, hex"00"), head), Transcript.BadLength.selector);
        eq(whole(slice(data, 0, 31), head), Transcript.BadLength.selector);
    }

    function test_refuses_a_head_cut_short_or_longer() external view {
        for (uint256 length = 0; length < head.length; length += 32) {
            eq(whole(publicBytes, slice(head, 0, length)), Transcript.BadLength.selector);
        }
        eq(whole(publicBytes, slice(head, 0, head.length - 1)), Transcript.BadLength.selector);
        eq(whole(publicBytes, bytes.concat(head, hex"00")), Transcript.BadLength.selector);
    }

    function test_refuses_queries_cut_short_or_longer() external view {
        for (uint256 length = 0; length < queries.length; length += 32) {
            eq(
                ranged(context, slice(queries, 0, length)),
                length < ROWS ? Transcript.BadLength.selector : Merkle.BadSiblings.selector
            );
        }
        eq(ranged(context, slice(queries, 0, queries.length - 1)), Merkle.BadSiblings.selector);
        eq(ranged(context, bytes.concat(queries, hex"00")), Transcript.BadLength.selector);
    }

    /// @dev Proofs of false traces, true in all else: only the constraints tell.
    function test_refuses_constraints_that_do_not_hold() external {
        string[2] memory names = ["sample.false-low.head", "sample.false-high.head"];
        for (uint256 table = 0; table < 2; ++table) {
            bytes memory data = read(names[table]);
            vm.expectRevert(abi.encodeWithSelector(Constraints.NotSatisfied.selector, table));
            harness.head(publicBytes, data);
        }
    }

    /// @dev The last polynomial is hashed into the challenges only; here it changes after them.
    function test_refuses_another_last_polynomial() external view {
        bytes memory data = context;
        uint256 last = 11 * 32;
        // Bits of the five numbers, 31 each.
        for (uint256 i = 0; i < 155; ++i) {
            uint256 bit = 51 * (i / 31) + i % 31;
            data[last + 31 - bit / 8] ^= bytes1(uint8(2 ** (bit % 8)));
            eq(ranged(data, queries), Queries.NotFolded.selector);
            data[last + 31 - bit / 8] ^= bytes1(uint8(2 ** (bit % 8)));
        }
    }

    /// @dev Totals that do not cancel out are refused though the transcript goes on from them.
    function test_refuses_totals_that_do_not_cancel_out() external view {
        bytes memory data = head;
        data[132] ^= 0x01;
        eq(whole(publicBytes, data), Head.Unbalanced.selector);
    }

    /// @dev Refused with one of the verifier's own errors.
    function fails(bytes4 reason) private pure {
        bool known = reason == Extension.NotCanonical.selector
            || reason == Transcript.BadGrinding.selector || reason == Head.Unbalanced.selector
            || reason == Constraints.NotSatisfied.selector || reason == Queries.NotFolded.selector
            || reason == Merkle.NotCommitted.selector || reason == Merkle.BadSiblings.selector
            || reason == Merkle.Inconsistent.selector || reason == Transcript.BadLength.selector
            || reason == Extension.NoInverse.selector;
        yes(known, "refused with an error of the verifier's");
    }

    function eq(bytes4 reason, bytes4 expected) private pure {
        eq(bytes32(reason), bytes32(expected), "reason");
    }

    /// @dev Why a whole proof is refused.
    function whole(bytes memory publics, bytes memory data) private view returns (bytes4) {
        return outcome(harness, free(), abi.encodeCall(harness.whole, (publics, data, queries)));
    }

    /// @dev Why queries are refused.
    function ranged(bytes memory words, bytes memory data) private view returns (bytes4) {
        return outcome(harness, free(), abi.encodeCall(harness.queries, (words, 0, QUERIES, data)));
    }

    function free() private pure returns (uint256 pointer) {
        assembly ("memory-safe") {
            pointer := mload(0x40)
        }
    }

    /// @dev Thousands of calls would fill the memory: what a call took is given back.
    function outcome(Harness target, uint256 pointer, bytes memory call)
        private
        view
        returns (bytes4 reason)
    {
        (bool good, bytes memory data) = address(target).staticcall(call);
        yes(!good, "refused");
        yes(data.length >= 4, "with a reason");
        reason = bytes4(data);
        assembly ("memory-safe") {
            mstore(0x40, pointer)
        }
    }
}
