// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Circuit} from "../../src/wrap/Circuit.sol";
import {Constraints} from "../../src/wrap/Constraints.sol";
import {Extension} from "../../src/wrap/Extension.sol";
import {Merkle} from "../../src/wrap/Merkle.sol";
import {Transcript} from "../../src/wrap/Transcript.sol";
import {WrapFixture} from "./WrapFixture.sol";

/// @title What no proof of the sample meets: equal positions, trees by hand, grinding of no bits
contract WrapPartsTest is WrapFixture {
    using Transcript for Transcript.State;

    /// @dev A tree of eight leaves, with the rows of a table of four joined at level 1.
    uint256[8] private leaves;
    uint256[4] private rows;
    uint256[4] private joined;
    uint256[2] private cap;
    uint256 private caps = 2;

    function setUp() external {
        for (uint256 i = 0; i < 8; ++i) {
            leaves[i] = uint256(keccak256(abi.encode("leaf", i)));
        }
        for (uint256 i = 0; i < 4; ++i) {
            rows[i] = uint256(keccak256(abi.encode("row", i)));
            joined[i] = hash(hash(leaves[2 * i], leaves[2 * i + 1]), rows[i]);
        }
        cap = [hash(joined[0], joined[1]), hash(joined[2], joined[3])];
    }

    function test_accepts_every_pair_of_leaves() external view {
        for (uint256 i = 0; i < 8; ++i) {
            for (uint256 j = i; j < 8; ++j) {
                bytes memory siblings = prove(i, j);
                eq(
                    this.walk([i, j], [leaves[i], leaves[j]], [rows[i / 2], rows[j / 2]], siblings),
                    siblings.length,
                    "all siblings are used"
                );
            }
        }
    }

    function test_refuses_another_leaf_row_sibling_or_place() external {
        bytes memory siblings = prove(2, 5);
        uint256[2] memory places = [uint256(2), 5];
        uint256[2] memory digests = [leaves[2], leaves[5]];
        uint256[2] memory joins = [rows[1], rows[2]];
        for (uint256 i = 0; i < 2; ++i) {
            digests[i] ^= 1;
            refuses(Merkle.NotCommitted.selector, places, digests, joins, siblings);
            digests[i] ^= 1;
            joins[i] ^= 1;
            refuses(Merkle.NotCommitted.selector, places, digests, joins, siblings);
            joins[i] ^= 1;
        }
        for (uint256 i = 0; i < siblings.length; i += 32) {
            siblings[i] ^= 0x01;
            refuses(Merkle.NotCommitted.selector, places, digests, joins, siblings);
            siblings[i] ^= 0x01;
        }
        places = [uint256(2), 13];
        refuses(Merkle.NotCommitted.selector, places, digests, joins, siblings);
    }

    /// @dev What stands in memory behind the cap is no part of it.
    function test_refuses_places_beyond_the_cap() external {
        caps = 1;
        bytes memory siblings = prove(4, 5);
        refuses(
            Merkle.NotCommitted.selector,
            [uint256(4), 5],
            [leaves[4], leaves[5]],
            [rows[2], rows[2]],
            siblings
        );
    }

    function test_refuses_siblings_cut_short() external {
        bytes memory siblings = prove(2, 5);
        for (uint256 length = 0; length < siblings.length; length += 31) {
            refuses(
                Merkle.BadSiblings.selector,
                [uint256(2), 5],
                [leaves[2], leaves[5]],
                [rows[1], rows[2]],
                slice(siblings, 0, length)
            );
        }
    }

    function test_refuses_equal_places_with_different_rows() external {
        bytes memory siblings = prove(3, 3);
        uint256[2] memory places = [uint256(3), 3];
        refuses(
            Merkle.Inconsistent.selector,
            places,
            [leaves[3], leaves[3] ^ 1],
            [rows[1], rows[1]],
            siblings
        );
        refuses(
            Merkle.Inconsistent.selector,
            places,
            [leaves[3], leaves[3]],
            [rows[1], rows[1] ^ 1],
            siblings
        );
    }

    function test_refuses_neighbours_with_different_rows_to_join() external {
        refuses(
            Merkle.Inconsistent.selector,
            [uint256(2), 3],
            [leaves[2], leaves[3]],
            [rows[1], rows[1] ^ 1],
            prove(2, 3)
        );
    }

    /// @dev Two that met after the rows joined may have had different ones.
    function test_accepts_different_rows_of_different_places() external view {
        bytes memory siblings = prove(0, 2);
        this.walk([uint256(0), 2], [leaves[0], leaves[2]], [rows[0], rows[1]], siblings);
    }

    function test_refuses_zeta_in_the_trace() external {
        vm.expectRevert(abi.encodeWithSelector(Constraints.PointInTrace.selector));
        this.constraints(read("sample.image"), Extension.ONE);
    }

    function test_grinding_of_no_bits_has_one_witness() external {
        this.grind(hex"00000000", 0);
        vm.expectRevert(abi.encodeWithSelector(Transcript.BadGrinding.selector));
        this.grind(hex"00000001", 0);
        vm.expectRevert(abi.encodeWithSelector(Transcript.BadLength.selector));
        this.grind(hex"000000", 0);
    }

    function test_grinding_is_checked() external {
        // The digest is hashed first, as nothing of it is left; then with the witness.
        uint256 squeezed = uint256(keccak256(abi.encode(uint256(7))));
        for (uint256 i = 0; i < 64; ++i) {
            bytes memory witness = abi.encodePacked(uint8(i), bytes3(0));
            uint256 drawn = uint256(keccak256(abi.encodePacked(squeezed, witness)));
            for (uint256 bits = 1; bits < 6; ++bits) {
                if (drawn & ((2 ** bits) - 1) != 0) {
                    vm.expectRevert(abi.encodeWithSelector(Transcript.BadGrinding.selector));
                }
                this.grind(witness, bits);
            }
        }
    }

    /// @dev Keccak-256 over a digest and absorbed bytes; eight draws of 32 bits from the end.
    function test_draws_from_the_end_of_chained_digests() external pure {
        Transcript.State memory state = Transcript.begin(7, 64);
        bytes memory data = hex"0102030405";
        uint256 start;
        assembly ("memory-safe") {
            start := add(data, 32)
        }
        state.absorb(start, 5);
        uint256 digest = uint256(keccak256(abi.encodePacked(uint256(7), data)));
        for (uint256 i = 0; i < 8; ++i) {
            eq(state.draw(), (digest >> (32 * i)) & 0xffffffff, "draw");
        }
        digest = uint256(keccak256(abi.encode(digest)));
        eq(state.draw(), digest & 0xffffffff, "next digest");
        // Absorbing throws away what is left.
        state.absorb(start, 2);
        digest = uint256(keccak256(abi.encodePacked(digest, hex"0102")));
        eq(state.draw(), digest & 0xffffffff, "after absorbing");
    }

    function walk(
        uint256[2] calldata places,
        uint256[2] calldata digests,
        uint256[2] calldata joins,
        bytes calldata siblings
    ) external view returns (uint256) {
        uint256[2] memory a = places;
        uint256[2] memory b = digests;
        uint256[2] memory c = joins;
        uint256[2] memory d = cap;
        Merkle.Walk memory w;
        w.levels = 2;
        w.caps = caps;
        w.count = 2;
        w.joinLevels = new uint256[](1);
        w.joinLevels[0] = 1;
        w.joinDigests = new uint256[](1);
        uint256 joinDigests;
        assembly ("memory-safe") {
            mstore(add(w, 32), d)
            mstore(add(w, 128), a)
            mstore(add(w, 160), b)
            joinDigests := c
        }
        w.joinDigests[0] = joinDigests;
        return Merkle.check(w, siblings, 0);
    }

    function constraints(bytes calldata data, uint256 zeta) external pure {
        bytes memory copy = data;
        uint256 image;
        uint256 slots;
        assembly ("memory-safe") {
            image := add(copy, 32)
        }
        uint256[] memory empty = new uint256[](Circuit.number(image, Circuit.SLOTS));
        assembly ("memory-safe") {
            slots := add(empty, 32)
        }
        Constraints.check(image, slots, zeta, 1, 1);
    }

    function grind(bytes calldata witness, uint256 bits) external pure {
        Transcript.State memory state = Transcript.begin(7, 64);
        state.grind(bits, witness, 0);
    }

    function refuses(
        bytes4 reason,
        uint256[2] memory places,
        uint256[2] memory digests,
        uint256[2] memory joins,
        bytes memory siblings
    ) private {
        vm.expectRevert(abi.encodeWithSelector(reason));
        this.walk(places, digests, joins, siblings);
    }

    /// @dev The siblings of two leaves, from the leaves, from the left.
    function prove(uint256 i, uint256 j) private view returns (bytes memory siblings) {
        if (i == j) return abi.encode(leaves[i ^ 1], joined[(i / 2) ^ 1]);
        if (i ^ 1 != j) siblings = abi.encode(leaves[i ^ 1], leaves[j ^ 1]);
        (i, j) = (i / 2, j / 2);
        if (i == j) return bytes.concat(siblings, abi.encode(joined[i ^ 1]));
        if (i ^ 1 != j) return bytes.concat(siblings, abi.encode(joined[i ^ 1], joined[j ^ 1]));
    }

    function hash(uint256 left, uint256 right) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(left, right)));
    }
}
