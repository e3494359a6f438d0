// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @title The image of a circuit: all that the verifier knows of what is proved
/// @notice Made by `crates/wrap` (`evm::image`). A header of 32-byte numbers, four numbers for each
/// table, one for each round of folding, then the parts that the header points to. It is deployed
/// as the code of data contracts (behind a zero byte, so that nobody can call them) and pinned by
/// its hash.
library Circuit {
    /// @dev Numbers of the header, by place; as `evm::image` writes them.
    uint256 internal constant KEY_DIGEST = 0;
    uint256 internal constant PROGRAM = 1;
    uint256 internal constant MACHINE = 2;
    uint256 internal constant TABLES = 3;
    uint256 internal constant QUERIES = 4;
    uint256 internal constant LOG_BLOWUP = 5;
    uint256 internal constant LOG_FINAL = 6;
    uint256 internal constant LOG_CAP = 7;
    uint256 internal constant FOLDS = 8;
    uint256 internal constant BUS_GRINDING = 9;
    uint256 internal constant POINT_GRINDING = 10;
    uint256 internal constant COMBINE_GRINDING = 11;
    uint256 internal constant FOLD_GRINDING = 12;
    uint256 internal constant QUERY_GRINDING = 13;
    uint256 internal constant PUBLIC_BYTES = 14;
    uint256 internal constant PUBLIC_SLOT = 15;
    uint256 internal constant SELECTOR_SLOT = 16;
    uint256 internal constant BUS_SLOT = 17;
    uint256 internal constant BUSES = 18;
    uint256 internal constant TOTAL_SLOT = 19;
    uint256 internal constant OPENED_SLOT = 20;
    uint256 internal constant OPENED = 21;
    uint256 internal constant SLOTS = 22;
    uint256 internal constant LONGEST_MESSAGE = 23;
    uint256 internal constant CONSTANTS = 24;
    uint256 internal constant LEVELS = 25;
    uint256 internal constant BATCH_SEED = 26;
    uint256 internal constant OPENING_SEED = 28;
    uint256 internal constant FOLD_SEED = 30;
    uint256 internal constant CONSTANT_BYTES = 32;
    uint256 internal constant PUBLICS = 34;
    uint256 internal constant PROGRAM_BYTES = 36;
    /// @dev Where the tables begin: height with masks and width of the trace, columns of the buses
    /// and quotient chunks of each, from the lowest.
    uint256 internal constant FIRST_TABLE = 40;

    /// @dev Numbers of an extension element; random columns beside every matrix; numbers of a salt.
    uint256 internal constant DEGREE = 5;
    uint256 internal constant MASKS = 5;
    uint256 internal constant SALT = 4;
    /// @dev Marks a public value that is a byte of the statement.
    uint256 internal constant PUBLIC_BYTE = 1 << 31;

    /// @notice One number of the header. `image` is the address of the image in memory.
    function number(uint256 image, uint256 place) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mload(add(image, shl(5, place)))
        }
    }

    /// @notice 2^log.
    function size(uint256 log) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := shl(log, 1)
        }
    }

    /// @notice A part that the header points to: its address in memory and its length.
    function part(uint256 image, uint256 place)
        internal
        pure
        returns (uint256 pointer, uint256 length)
    {
        return (image + number(image, place), number(image, place + 1));
    }

    function logHeight(uint256 image, uint256 table) internal pure returns (uint256) {
        return number(image, FIRST_TABLE + 4 * table);
    }

    /// @notice Columns of the trace, random ones counted.
    function traceWidth(uint256 image, uint256 table) internal pure returns (uint256) {
        return number(image, FIRST_TABLE + 4 * table + 1) + MASKS;
    }

    /// @notice Base columns of the buses, random ones counted.
    function busWidth(uint256 image, uint256 table) internal pure returns (uint256) {
        return number(image, FIRST_TABLE + 4 * table + 2) * DEGREE + MASKS;
    }

    function chunks(uint256 image, uint256 table) internal pure returns (uint256) {
        return number(image, FIRST_TABLE + 4 * table + 3);
    }

    /// @notice How many values a round folds into one, as a power of two.
    function logArity(uint256 image, uint256 fold) internal pure returns (uint256) {
        return number(image, FIRST_TABLE + 4 * number(image, TABLES) + fold);
    }

    /// @notice Words of the header with tables and rounds.
    function headerWords(uint256 image) internal pure returns (uint256) {
        return FIRST_TABLE + 4 * number(image, TABLES) + number(image, FOLDS);
    }

    /// @notice Copies an image from its data contracts to memory, and hashes it.
    function load(address[] memory parts) internal view returns (uint256 image, bytes32 hash) {
        assembly ("memory-safe") {
            image := mload(0x40)
            let pointer := image
            let count := mload(parts)
            for { let i := 1 } iszero(gt(i, count)) { i := add(i, 1) } {
                let source := mload(add(parts, shl(5, i)))
                // Nothing when the code is gone.
                let length := extcodesize(source)
                length := sub(length, iszero(iszero(length)))
                extcodecopy(source, pointer, 1, length)
                pointer := add(pointer, length)
            }
            hash := keccak256(image, sub(pointer, image))
            mstore(0x40, and(add(pointer, 63), not(31)))
        }
    }

    /// @notice Copies no more than the first `words` of an image's first data contract.
    function loadHeader(address first, uint256 words) internal view returns (uint256 image) {
        assembly ("memory-safe") {
            image := mload(0x40)
            extcodecopy(first, image, 1, shl(5, words))
            mstore(0x40, add(image, shl(5, words)))
        }
    }
}
