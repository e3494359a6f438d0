// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @title Roots of unity of BabyBear whose order is a power of two
library Roots {
    /// @dev What the domains of commitments are shifted by: the field's generator, and its inverse.
    uint256 internal constant SHIFT = 31;
    uint256 internal constant UNSHIFT = 64944062;

    /// @dev The root of order 2^k at bytes 4k, each the square of the next; then their inverses.
    bytes private constant ROOTS = hex"000000017800000067055c215ee994860bb4c4e42d4cc4da669d609017b56c64"
        hex"67456167688442f9145e952d4fe612264c73471511c33e2a62c3d2b177cad399"
        hex"54c131f44cabd6a65cf5713f3e9430e80ba067a318adc27d21fd55bc4b859b3d"
        hex"3bd579964483d85a3a26eef81a427a41"
        hex"000000017800000010faa3e06b615c4721ceed5a4be3ccb927785fbf6ea8a23f"
        hex"6012c2716ef6e8bf2e2a226e1ac410534ad8017575d577e1065608e5541ed5b7"
        hex"5bd8e8d13e31a4f50a52efd81b9f97783ce192145dd636af38d70dce3ada5283"
        hex"5792f5a409d870025954f60f662731d4";

    /// @dev How many roots the table has.
    uint256 private constant COUNT = 28;

    /// @notice Puts the table in memory: the root of order 2^k at word k, its inverse at word
    /// 28 + k.
    function load() internal pure returns (uint256 table) {
        bytes memory packed = ROOTS;
        assembly ("memory-safe") {
            table := mload(0x40)
            mstore(0x40, add(table, 1792))
            for { let i := 0 } lt(i, 56) { i := add(i, 1) } {
                mstore(add(table, shl(5, i)), shr(224, mload(add(packed, add(32, shl(2, i))))))
            }
        }
    }

    /// @notice The root of order 2^k.
    function root(uint256 table, uint256 k) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mload(add(table, shl(5, k)))
        }
    }

    /// @notice The inverse of the root of order 2^k.
    function inverseRoot(uint256 table, uint256 k) internal pure returns (uint256) {
        return root(table, k + COUNT);
    }

    /// @notice The product of the roots of order 2^(first + j) over the set bits j of `index`.
    /// With `first` 1 that is the root of order 2^n to the power of `index` with its n bits
    /// reversed.
    function product(uint256 table, uint256 first, uint256 index)
        internal
        pure
        returns (uint256 value)
    {
        assembly ("memory-safe") {
            value := 1
            let pointer := add(table, shl(5, first))
            for {} index { index := shr(1, index) } {
                if and(index, 1) { value := mulmod(value, mload(pointer), 0x78000001) }
                pointer := add(pointer, 32)
            }
        }
    }

    /// @notice The same with the inverses.
    function inverseProduct(uint256 table, uint256 first, uint256 index)
        internal
        pure
        returns (uint256)
    {
        return product(table, first + COUNT, index);
    }
}
