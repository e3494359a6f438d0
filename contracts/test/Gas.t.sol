// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IRollup} from "../src/interfaces/IRollup.sol";
import {HashVerifier} from "./mocks/Verifiers.sol";
import {RollupFixture} from "./utils/RollupFixture.sol";

/// @title What each call costs, and that the largest allowed ones fit in a transaction
/// @dev Writes snapshots/Rollup.json; `FORGE_SNAPSHOT_CHECK=true forge test` compares instead. The
/// figures are those of whole transactions: calls are isolated (foundry.toml).
contract GasTest is RollupFixture {
    /// @dev EIP-7825.
    uint256 private constant TRANSACTION_GAS = 16_777_216;

    HashVerifier private verifier;

    function setUp() external {
        deploy();
        verifier = new HashVerifier();
        addVerifier(address(verifier));
        commitNext(1);
    }

    function test_gas_of_committing_1() external {
        commits(1, "commit 1 batch");
    }

    function test_gas_of_committing_8() external {
        commits(8, "commit 8 batches");
    }

    function test_gas_of_committing_64() external {
        commits(64, "commit 64 batches");
    }

    function test_gas_of_proving_1() external {
        proves(1, "prove 1 batch, stub verifier");
    }

    function test_gas_of_proving_256() external {
        for (uint256 i = 0; i < 4; ++i) {
            commitNext(64);
        }
        proves(256, "prove 256 batches, stub verifier");
    }

    function test_gas_of_finalizing() external {
        proves(1, "");
        vm.roll(block.number + FINALITY_BLOCKS);
        rollup.finalize(1);
        measured("finalize");
    }

    function test_gas_of_taking_back_256() external {
        for (uint256 i = 0; i < 4; ++i) {
            commitNext(64);
        }
        pauseRollup();
        vm.prank(GUARDIAN);
        rollup.revertBatches(1);
        measured("revert 256 batches");
    }

    function commits(uint256 count, string memory name) private {
        IRollup.BatchCommitment[] memory batches = sealNext(count, "gas");
        vm.prank(COMMITTER);
        rollup.commit(batches);
        measured(name);
    }

    function proves(uint64 count, string memory name) private {
        bytes32[] memory hashes = new bytes32[](count);
        for (uint64 i = 0; i < count; ++i) {
            hashes[i] = rollup.anchor(i + 1).batchHash;
        }
        bytes memory proof = verifier.proofOf(hashes);
        rollup.prove(1, count, 1, proof);
        if (bytes(name).length > 0) measured(name);
    }

    function measured(string memory name) private {
        uint256 gas = vm.snapshotGasLastCall("Rollup", name);
        yes(gas < TRANSACTION_GAS, "fits in one transaction");
    }
}
