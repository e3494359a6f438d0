// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Circuit} from "./Circuit.sol";
import {Extension} from "./Extension.sol";

/// @title The Fiat-Shamir transcript: Keccak-256 over all that was absorbed, chained
/// @notice Absorbed bytes wait behind the last digest; drawing hashes them to the next digest and
/// takes 32 bits at a time from its end. Absorbing throws away what is left of a digest.
library Transcript {
    struct State {
        /// The buffer's address in memory; it begins with the last digest.
        uint256 buffer;
        /// Where the next absorbed byte goes.
        uint256 end;
        /// What is left of the digest.
        uint256 pool;
        /// How many draws are left in it.
        uint256 left;
    }

    /// @notice The proof has another length than the circuit's proofs.
    error BadLength();
    /// @notice A grinding witness does not show the work, or is not zero where none is asked.
    error BadGrinding();

    /// @notice Begins with a digest; `room` is the largest number of bytes absorbed at a time.
    function begin(uint256 digest, uint256 room) internal pure returns (State memory state) {
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            mstore(buffer, digest)
            mstore(0x40, add(buffer, and(add(room, 95), not(31))))
            mstore(state, buffer)
            mstore(add(state, 32), add(buffer, 32))
        }
    }

    /// @notice Absorbs bytes of the call; gives the address at which they lie in the buffer.
    function absorb(State memory state, bytes calldata data, uint256 from, uint256 length)
        internal
        pure
        returns (uint256 pointer)
    {
        if (from + length > data.length) revert BadLength();
        pointer = state.end;
        assembly ("memory-safe") {
            calldatacopy(pointer, add(data.offset, from), length)
        }
        state.end = pointer + length;
        state.left = 0;
    }

    /// @notice Absorbs bytes of memory.
    function absorb(State memory state, uint256 from, uint256 length) internal pure {
        uint256 pointer = state.end;
        assembly ("memory-safe") {
            mcopy(pointer, from, length)
        }
        state.end = pointer + length;
        state.left = 0;
    }

    /// @notice Draws 32 bits.
    function draw(State memory state) internal pure returns (uint256 bits) {
        if (state.left == 0) _flush(state);
        bits = state.pool & 0xffffffff;
        state.pool >>= 32;
        --state.left;
    }

    /// @notice Draws an extension element, at home.
    function challenge(State memory state) internal pure returns (uint256 element) {
        for (uint256 lane = 0; lane < 255; lane += 51) {
            uint256 bits;
            do {
                bits = draw(state) & 0x7fffffff;
            } while (bits >= Extension.P);
            element |= Extension.scalar(bits) << lane;
        }
    }

    /// @notice Checks the grinding witness that stands at `from` in the call; four bytes.
    function grind(State memory state, uint256 bits, bytes calldata data, uint256 from)
        internal
        pure
    {
        if (from + 4 > data.length) revert BadLength();
        uint256 witness;
        assembly ("memory-safe") {
            witness := shr(224, calldataload(add(data.offset, from)))
        }
        if (bits == 0) {
            if (witness != 0) revert BadGrinding();
            return;
        }
        uint256 value = (witness >> 24) | ((witness >> 8) & 0xff00) | ((witness << 8) & 0xff0000)
            | ((witness << 24) & 0xff000000);
        if (value >= Extension.P) revert Extension.NotCanonical();
        if (state.left == 0) _flush(state);
        absorb(state, data, from, 4);
        if (draw(state) & (Circuit.size(bits) - 1) != 0) revert BadGrinding();
    }

    function _flush(State memory state) private pure {
        uint256 buffer = state.buffer;
        uint256 end = state.end;
        uint256 digest;
        assembly ("memory-safe") {
            digest := keccak256(buffer, sub(end, buffer))
            mstore(buffer, digest)
        }
        state.pool = digest;
        state.left = 8;
        state.end = buffer + 32;
    }
}
