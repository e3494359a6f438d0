// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Circuit} from "./Circuit.sol";

/// @title What the head of a proof fixes and the queries are checked against
/// @notice A run of words in memory. A session keeps only its hash; whoever brings queries brings
/// the words again.
///
/// ```text
///  public bytes' hash │ combining challenge │ zeta │ for each table its openings combined, at zeta
///  and at the next point │ folding challenges │ last polynomial │ caps of the four commitments │
///  caps of the folds │ positions, ascending
/// ```
library Context {
    uint256 internal constant STATEMENT = 0;
    uint256 internal constant COMBINE = 1;
    uint256 internal constant ZETA = 2;
    uint256 internal constant SUMS = 3;

    function challenges(uint256 image) internal pure returns (uint256) {
        return SUMS + 2 * Circuit.number(image, Circuit.TABLES);
    }

    function last(uint256 image) internal pure returns (uint256) {
        return challenges(image) + Circuit.number(image, Circuit.FOLDS);
    }

    function caps(uint256 image) internal pure returns (uint256) {
        return last(image) + Circuit.size(Circuit.number(image, Circuit.LOG_FINAL));
    }

    function positions(uint256 image) internal pure returns (uint256) {
        uint256 trees = 4 + Circuit.number(image, Circuit.FOLDS);
        return caps(image) + (trees << Circuit.number(image, Circuit.LOG_CAP));
    }

    function words(uint256 image) internal pure returns (uint256) {
        return positions(image) + Circuit.number(image, Circuit.QUERIES);
    }

    function get(uint256 context, uint256 place) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mload(add(context, shl(5, place)))
        }
    }

    function set(uint256 context, uint256 place, uint256 value) internal pure {
        assembly ("memory-safe") {
            mstore(add(context, shl(5, place)), value)
        }
    }

    /// @notice Memory for a context.
    function create(uint256 image) internal pure returns (uint256 context) {
        uint256 size = words(image) << 5;
        assembly ("memory-safe") {
            context := mload(0x40)
            mstore(0x40, add(context, size))
        }
    }

    /// @notice Copies a context from the call. Its hash must have been a session's, so that its
    /// length is right.
    function copy(uint256 image, bytes calldata data) internal pure returns (uint256 context) {
        context = create(image);
        assembly ("memory-safe") {
            calldatacopy(context, data.offset, data.length)
        }
    }
}
