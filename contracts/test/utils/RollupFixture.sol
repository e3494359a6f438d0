// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {Rollup} from "../../src/Rollup.sol";
import {VerifierRouter} from "../../src/VerifierRouter.sol";
import {IRollup} from "../../src/interfaces/IRollup.sol";
import {IVerifierRouter} from "../../src/interfaces/IVerifierRouter.sol";
import {BatchHeader} from "../../src/libraries/BatchHeader.sol";
import {Test} from "./Test.sol";

/// @title An installation as `cloister l1 deploy` makes it
abstract contract RollupFixture is Test {
    uint64 internal constant CHAIN_ID = 424_242;
    bytes32 internal constant GENESIS_ROOT = keccak256("genesis root");
    bytes32 internal constant GENESIS_HASH = keccak256("genesis hash");
    uint32 internal constant FINALITY_BLOCKS = 64;
    uint256 internal constant TIMELOCK_DELAY = 2 days;

    address internal constant COMMITTER = address(0xC0);
    address internal constant GUARDIAN = address(0x6A);
    address internal constant GOVERNOR = address(0x60);
    address internal constant STRANGER = address(0x57);

    TimelockController internal timelock;
    VerifierRouter internal router;
    Rollup internal implementation;
    Rollup internal rollup;

    function deploy() internal {
        address[] memory governors = new address[](1);
        governors[0] = GOVERNOR;
        timelock = new TimelockController(TIMELOCK_DELAY, governors, governors, address(0));
        router = new VerifierRouter(address(timelock), GUARDIAN, new IVerifierRouter.Pinned[](0));
        implementation = new Rollup();
        rollup = Rollup(
            address(
                new ERC1967Proxy(
                    address(implementation), abi.encodeCall(Rollup.initialize, (setupOf(router)))
                )
            )
        );
    }

    function setupOf(VerifierRouter verifiers) internal view returns (IRollup.Setup memory) {
        return IRollup.Setup({
            chainId: CHAIN_ID,
            genesisStateRoot: GENESIS_ROOT,
            genesisBatchHash: GENESIS_HASH,
            router: address(verifiers),
            admin: address(timelock),
            guardian: GUARDIAN,
            committer: COMMITTER,
            finalityBlocks: FINALITY_BLOCKS
        });
    }

    /// @dev A well-formed batch on a parent; `seed` stands for what the batch holds.
    function sealBatch(uint64 number, bytes32 parent, bytes32 seed)
        internal
        pure
        returns (IRollup.BatchCommitment memory batch)
    {
        batch.number = number;
        batch.stateRoot = keccak256(abi.encode("state root", seed, number));
        batch.privateDigest = keccak256(abi.encode("private digest", seed, number));
        batch.batchHash = BatchHeader.hash(
            CHAIN_ID, number, parent, batch.stateRoot, 0, 0, 0, batch.privateDigest
        );
    }

    /// @dev `count` batches that follow the newest committed one.
    function sealNext(uint256 count, bytes32 seed)
        internal
        view
        returns (IRollup.BatchCommitment[] memory batches)
    {
        batches = new IRollup.BatchCommitment[](count);
        uint64 number = rollup.lastCommitted();
        bytes32 parent = rollup.anchor(number).batchHash;
        for (uint256 i = 0; i < count; ++i) {
            ++number;
            batches[i] = sealBatch(number, parent, seed);
            parent = batches[i].batchHash;
        }
    }

    function commitNext(uint256 count) internal returns (IRollup.BatchCommitment[] memory batches) {
        batches = sealNext(count, "fixture");
        vm.prank(COMMITTER);
        rollup.commit(batches);
    }

    function addVerifier(address verifier) internal returns (uint32 version) {
        version = router.latestVersion() + 1;
        throughTimelock(
            address(router),
            abi.encodeCall(router.addVerifier, (version, verifier, verifier.codehash))
        );
    }

    function throughTimelock(address target, bytes memory data) internal {
        vm.startPrank(GOVERNOR);
        timelock.schedule(target, 0, data, 0, 0, TIMELOCK_DELAY);
        vm.warp(block.timestamp + TIMELOCK_DELAY);
        timelock.execute(target, 0, data, 0, 0);
        vm.stopPrank();
    }

    function pauseRollup() internal {
        vm.prank(GUARDIAN);
        rollup.pause();
    }
}
