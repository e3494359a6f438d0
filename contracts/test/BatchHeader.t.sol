// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {BatchHeader} from "../src/libraries/BatchHeader.sol";
import {Test} from "./utils/Test.sol";

/// @title The batch hash has the frozen version-1 bytes
contract BatchHeaderTest is Test {
    /// @dev Made with `cast keccak` over bytes put together by hand.
    function test_hashes_the_public_layer() external pure {
        bytes32 hash = BatchHeader.hash(
            424_242,
            7,
            bytes32(uint256(0x11) * (type(uint256).max / 255)),
            bytes32(uint256(0x22) * (type(uint256).max / 255)),
            bytes32(uint256(0x33) * (type(uint256).max / 255)),
            5,
            bytes32(uint256(0x44) * (type(uint256).max / 255)),
            bytes32(uint256(0x55) * (type(uint256).max / 255))
        );
        eq(hash, GOLDEN, "golden batch hash");
    }

    /// @dev The same bytes as every other implementation: tests/vectors/headers.json.
    function test_agrees_with_the_golden_vectors() external view {
        string memory json = vm.readFile("../tests/vectors/headers.json");
        bytes32 hash = BatchHeader.hash(
            uint64(vm.parseJsonUint(json, ".batch.chain_id")),
            uint64(vm.parseJsonUint(json, ".batch.number")),
            vm.parseJsonBytes32(json, ".batch.previous_hash"),
            vm.parseJsonBytes32(json, ".batch.state_root"),
            vm.parseJsonBytes32(json, ".batch.message_root"),
            uint64(vm.parseJsonUint(json, ".batch.l1_message_count")),
            vm.parseJsonBytes32(json, ".batch.l1_message_hash"),
            vm.parseJsonBytes32(json, ".batch.private_digest")
        );
        eq(hash, vm.parseJsonBytes32(json, ".batch.hash"), "batch hash");
    }

    function testFuzz_every_field_changes_the_hash(bytes32[8] memory fields, uint256 bit)
        external
        pure
    {
        bytes32 base = hashOf(fields);
        for (uint256 i = 0; i < 8; ++i) {
            bytes32 kept = fields[i];
            // Numbers are the low 64 bits of their word.
            uint256 width = i == 0 || i == 1 || i == 5 ? 64 : 256;
            fields[i] = bytes32(uint256(kept) ^ (1 << (bit % width)));
            yes(hashOf(fields) != base, "a changed field must change the hash");
            fields[i] = kept;
        }
    }

    function hashOf(bytes32[8] memory fields) private pure returns (bytes32) {
        return BatchHeader.hash(
            uint64(uint256(fields[0])),
            uint64(uint256(fields[1])),
            fields[2],
            fields[3],
            fields[4],
            uint64(uint256(fields[5])),
            fields[6],
            fields[7]
        );
    }

    bytes32 private constant GOLDEN =
        0x7bc3203e60f99f9c6ef791473125b9111a9a9fa0347be9878313ff925a7075c0;
}
