// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {
    PausableUpgradeable
} from "@openzeppelin/contracts-upgradeable/utils/PausableUpgradeable.sol";
import {Rollup} from "../src/Rollup.sol";
import {IRollup} from "../src/interfaces/IRollup.sol";
import {IVerifierRouter} from "../src/interfaces/IVerifierRouter.sol";
import {BatchHeader} from "../src/libraries/BatchHeader.sol";
import {HashVerifier, ReentrantVerifier, SilentVerifier} from "./mocks/Verifiers.sol";
import {RollupFixture} from "./utils/RollupFixture.sol";

/// @title Commit, prove, finalize and their refusals
contract RollupTest is RollupFixture {
    HashVerifier private verifier;

    function setUp() external {
        deploy();
        verifier = new HashVerifier();
    }

    // Set-up.

    function test_starts_at_genesis() external view {
        IRollup.Anchor memory genesis = rollup.anchor(0);
        eq(genesis.stateRoot, GENESIS_ROOT, "state root");
        eq(genesis.batchHash, GENESIS_HASH, "batch hash");
        eq(uint256(genesis.state), uint256(IRollup.BatchState.Finalized), "state");
        eq(rollup.chainId(), CHAIN_ID, "chain id");
        eq(rollup.finalityBlocks(), FINALITY_BLOCKS, "finality blocks");
        eq(rollup.router(), address(router), "router");
        eq(rollup.lastCommitted(), 0, "last committed");
    }

    function test_is_set_up_once() external {
        vm.expectRevert(abi.encodeWithSelector(Initializable.InvalidInitialization.selector));
        rollup.initialize(setupOf(router));
        vm.expectRevert(abi.encodeWithSelector(Initializable.InvalidInitialization.selector));
        implementation.initialize(setupOf(router));
    }

    function test_refuses_a_bad_setup() external {
        IRollup.Setup memory setup = setupOf(router);
        setup.admin = address(0);
        refusesSetup(setup, abi.encodeWithSelector(IRollup.BadAddress.selector, address(0)));
        setup = setupOf(router);
        setup.guardian = address(0);
        refusesSetup(setup, abi.encodeWithSelector(IRollup.BadAddress.selector, address(0)));
        setup = setupOf(router);
        setup.committer = address(0);
        refusesSetup(setup, abi.encodeWithSelector(IRollup.BadAddress.selector, address(0)));
        setup = setupOf(router);
        setup.router = STRANGER;
        refusesSetup(setup, abi.encodeWithSelector(IRollup.BadAddress.selector, STRANGER));
        setup = setupOf(router);
        setup.chainId = 0;
        refusesSetup(setup, abi.encodeWithSelector(IRollup.BadSetup.selector));
        setup = setupOf(router);
        setup.genesisStateRoot = 0;
        refusesSetup(setup, abi.encodeWithSelector(IRollup.BadSetup.selector));
        setup = setupOf(router);
        setup.genesisBatchHash = 0;
        refusesSetup(setup, abi.encodeWithSelector(IRollup.BadSetup.selector));
        setup = setupOf(router);
        setup.finalityBlocks = rollup.MAX_FINALITY_BLOCKS() + 1;
        refusesSetup(setup, abi.encodeWithSelector(IRollup.BadSetup.selector));
    }

    function refusesSetup(IRollup.Setup memory setup, bytes memory reason) private {
        vm.expectRevert(reason);
        new ERC1967Proxy(address(implementation), abi.encodeCall(Rollup.initialize, (setup)));
    }

    function test_storage_lies_where_erc_7201_puts_it() external view {
        bytes32 base = keccak256(abi.encode(uint256(keccak256("cloister.rollup")) - 1))
            & ~bytes32(uint256(0xff));
        eq(uint64(uint256(vm.load(address(rollup), base))), CHAIN_ID, "chain id in storage");
    }

    // Commit.

    function test_commits_a_batch() external {
        IRollup.BatchCommitment[] memory batches = sealNext(1, "a");
        vm.roll(1000);
        vm.prank(COMMITTER);
        vm.expectEmit(address(rollup));
        emit IRollup.BatchCommitted(1, batches[0].batchHash, batches[0].stateRoot, 0, 0);
        rollup.commit(batches);

        IRollup.Anchor memory anchor = rollup.anchor(1);
        eq(anchor.batchHash, batches[0].batchHash, "batch hash");
        eq(anchor.stateRoot, batches[0].stateRoot, "state root");
        eq(anchor.commitBlock, 1000, "commit block");
        eq(anchor.proveBlock, 0, "prove block");
        eq(uint256(anchor.state), uint256(IRollup.BatchState.Committed), "state");
        eq(rollup.lastCommitted(), 1, "last committed");
        eq(rollup.lastProved(), 0, "last proved");
    }

    function testFuzz_commits_any_split_of_batches(uint256 first, uint256 second) external {
        first = bound(first, 1, rollup.MAX_BATCHES_PER_COMMIT());
        second = bound(second, 1, rollup.MAX_BATCHES_PER_COMMIT());
        commitNext(first);
        commitNext(second);
        eq(rollup.lastCommitted(), first + second, "last committed");
    }

    function testFuzz_takes_batches_strictly_in_order(uint64 number) external {
        commitNext(3);
        vm.assume(number != 4);
        IRollup.BatchCommitment[] memory batches = new IRollup.BatchCommitment[](1);
        batches[0] = sealBatch(number, rollup.anchor(3).batchHash, "x");
        vm.prank(COMMITTER);
        vm.expectRevert(abi.encodeWithSelector(IRollup.UnexpectedBatch.selector, 4, number));
        rollup.commit(batches);
    }

    function test_refuses_the_same_batch_twice() external {
        IRollup.BatchCommitment[] memory batches = commitNext(1);
        vm.prank(COMMITTER);
        vm.expectRevert(abi.encodeWithSelector(IRollup.UnexpectedBatch.selector, 2, 1));
        rollup.commit(batches);
    }

    function testFuzz_refuses_a_batch_of_another_parent(bytes32 parent) external {
        commitNext(1);
        bytes32 stored = rollup.anchor(1).batchHash;
        vm.assume(parent != stored);
        IRollup.BatchCommitment[] memory batches = new IRollup.BatchCommitment[](1);
        batches[0] = sealBatch(2, parent, "x");
        bytes32 computed = BatchHeader.hash(
            CHAIN_ID, 2, stored, batches[0].stateRoot, 0, 0, 0, batches[0].privateDigest
        );
        vm.prank(COMMITTER);
        vm.expectRevert(
            abi.encodeWithSelector(
                IRollup.BatchHashMismatch.selector, 2, computed, batches[0].batchHash
            )
        );
        rollup.commit(batches);
    }

    function test_refuses_a_batch_of_another_chain() external {
        IRollup.BatchCommitment[] memory batches = sealNext(1, "a");
        bytes32 computed = batches[0].batchHash;
        batches[0].batchHash = BatchHeader.hash(
            CHAIN_ID + 1, 1, GENESIS_HASH, batches[0].stateRoot, 0, 0, 0, batches[0].privateDigest
        );
        vm.prank(COMMITTER);
        vm.expectRevert(
            abi.encodeWithSelector(
                IRollup.BatchHashMismatch.selector, 1, computed, batches[0].batchHash
            )
        );
        rollup.commit(batches);
    }

    function test_refuses_a_changed_field() external {
        IRollup.BatchCommitment[] memory batches = sealNext(2, "a");
        bytes32 sealedHash = batches[1].batchHash;
        batches[1].privateDigest = keccak256("other");
        bytes32 computed = BatchHeader.hash(
            CHAIN_ID,
            2,
            batches[0].batchHash,
            batches[1].stateRoot,
            0,
            0,
            0,
            batches[1].privateDigest
        );
        vm.prank(COMMITTER);
        vm.expectRevert(
            abi.encodeWithSelector(IRollup.BatchHashMismatch.selector, 2, computed, sealedHash)
        );
        rollup.commit(batches);
        eq(rollup.lastCommitted(), 0, "all or nothing");
    }

    function test_refuses_an_empty_state_root() external {
        IRollup.BatchCommitment[] memory batches = sealNext(1, "a");
        batches[0].stateRoot = 0;
        vm.prank(COMMITTER);
        vm.expectRevert(abi.encodeWithSelector(IRollup.EmptyStateRoot.selector, 1));
        rollup.commit(batches);
    }

    function test_refuses_messages_while_there_is_no_bridge() external {
        bytes memory reason = abi.encodeWithSelector(IRollup.MessagesUnsupported.selector, 1);
        vm.startPrank(COMMITTER);
        IRollup.BatchCommitment[] memory batches = sealNext(1, "a");
        batches[0].messageRoot = keccak256("messages");
        vm.expectRevert(reason);
        rollup.commit(batches);
        batches = sealNext(1, "a");
        batches[0].l1MessageCount = 1;
        vm.expectRevert(reason);
        rollup.commit(batches);
        batches = sealNext(1, "a");
        batches[0].l1MessageHash = keccak256("message");
        vm.expectRevert(reason);
        rollup.commit(batches);
        vm.stopPrank();
    }

    function test_refuses_none_and_too_many() external {
        IRollup.BatchCommitment[] memory none = new IRollup.BatchCommitment[](0);
        IRollup.BatchCommitment[] memory many = sealNext(65, "a");
        vm.startPrank(COMMITTER);
        vm.expectRevert(abi.encodeWithSelector(IRollup.BadBatchCount.selector, 64, 0));
        rollup.commit(none);
        vm.expectRevert(abi.encodeWithSelector(IRollup.BadBatchCount.selector, 64, 65));
        rollup.commit(many);
        vm.stopPrank();
    }

    function testFuzz_only_the_committer_commits(address caller) external {
        vm.assume(caller != COMMITTER);
        IRollup.BatchCommitment[] memory batches = sealNext(1, "a");
        bytes32 role = rollup.COMMITTER_ROLE();
        vm.prank(caller);
        vm.expectRevert(
            abi.encodeWithSelector(
                IAccessControl.AccessControlUnauthorizedAccount.selector, caller, role
            )
        );
        rollup.commit(batches);
    }

    function testFuzz_an_unknown_batch_has_no_anchor(uint64 number) external {
        commitNext(2);
        vm.assume(number > 2);
        IRollup.Anchor memory anchor = rollup.anchor(number);
        eq(keccak256(abi.encode(anchor)), keccak256(new bytes(256)), "all zero");
    }

    // Prove.

    function test_without_a_verifier_nothing_is_proved() external {
        commitNext(1);
        vm.expectRevert(abi.encodeWithSelector(IVerifierRouter.UnknownVerifier.selector, 1));
        rollup.prove(1, 1, 1, "");
        eq(rollup.lastProved(), 0, "last proved");
        eq(rollup.anchor(1).proveBlock, 0, "prove block");
    }

    function test_proves_a_range_with_its_hashes_in_order() external {
        addVerifier(address(verifier));
        IRollup.BatchCommitment[] memory batches = commitNext(3);
        bytes32[] memory hashes = new bytes32[](2);
        hashes[0] = batches[0].batchHash;
        hashes[1] = batches[1].batchHash;
        bytes memory proof = verifier.proofOf(hashes);
        vm.roll(500);
        vm.prank(STRANGER);
        vm.expectEmit(address(rollup));
        emit IRollup.BatchesProved(1, 2, 1);
        rollup.prove(1, 2, 1, proof);

        eq(rollup.lastProved(), 2, "last proved");
        IRollup.Anchor memory anchor = rollup.anchor(2);
        eq(uint256(anchor.state), uint256(IRollup.BatchState.Proved), "state");
        eq(anchor.proveBlock, 500, "prove block");
        eq(anchor.verifierVersion, 1, "version");
        eq(uint256(rollup.anchor(3).state), uint256(IRollup.BatchState.Committed), "next");
        eq(verifier.lastConsumer(), address(rollup), "consumer");
        eq(verifier.lastSubmitter(), STRANGER, "submitter");
    }

    function test_an_honest_proof_of_another_batch_is_refused() external {
        addVerifier(address(verifier));
        IRollup.BatchCommitment[] memory batches = commitNext(2);
        bytes32[] memory second = new bytes32[](1);
        second[0] = batches[1].batchHash;
        bytes memory proof = verifier.proofOf(second);
        vm.expectRevert(abi.encodeWithSelector(HashVerifier.BadProof.selector));
        rollup.prove(1, 1, 1, proof);
    }

    function test_proves_only_what_is_committed_and_in_order() external {
        addVerifier(address(verifier));
        commitNext(2);
        vm.expectRevert(abi.encodeWithSelector(IRollup.UnexpectedBatch.selector, 1, 2));
        rollup.prove(2, 2, 1, "");
        vm.expectRevert(abi.encodeWithSelector(IRollup.NotCommitted.selector, 3, 2));
        rollup.prove(1, 3, 1, "");
        vm.expectRevert(abi.encodeWithSelector(IRollup.BadBatchCount.selector, 256, 0));
        rollup.prove(1, 0, 1, "");
    }

    function test_a_proof_spans_at_most_256_batches() external {
        for (uint256 i = 0; i < 5; ++i) {
            commitNext(64);
        }
        vm.expectRevert(abi.encodeWithSelector(IRollup.BadBatchCount.selector, 256, 257));
        rollup.prove(1, 257, 1, "");
    }

    function test_refuses_unknown_frozen_and_silent_verifiers() external {
        addVerifier(address(verifier));
        addVerifier(address(new SilentVerifier()));
        IRollup.BatchCommitment[] memory batches = commitNext(1);
        bytes32[] memory hashes = new bytes32[](1);
        hashes[0] = batches[0].batchHash;
        bytes memory proof = verifier.proofOf(hashes);
        vm.expectRevert(abi.encodeWithSelector(IVerifierRouter.UnknownVerifier.selector, 3));
        rollup.prove(1, 1, 3, proof);
        vm.expectRevert(abi.encodeWithSelector(IVerifierRouter.UnknownVerifier.selector, 0));
        rollup.prove(1, 1, 0, proof);
        vm.expectRevert(abi.encodeWithSelector(IVerifierRouter.ProofRefused.selector, 2));
        rollup.prove(1, 1, 2, proof);
        vm.prank(GUARDIAN);
        router.freezeVerifier(1);
        vm.expectRevert(abi.encodeWithSelector(IVerifierRouter.FrozenVerifier.selector, 1));
        rollup.prove(1, 1, 1, proof);
        eq(rollup.lastProved(), 0, "last proved");
    }

    function test_a_verifier_that_calls_back_gains_nothing() external {
        ReentrantVerifier reentrant = new ReentrantVerifier();
        addVerifier(address(reentrant));
        commitNext(1);
        rollup.prove(1, 1, 1, "");
        eq(reentrant.provedSeen(), 1, "effects come first");
        eq(
            keccak256(reentrant.innerError()),
            keccak256(abi.encodeWithSelector(IRollup.UnexpectedBatch.selector, 2, 1)),
            "inner call"
        );
        eq(rollup.lastProved(), 1, "last proved");
    }

    // Finalize.

    function testFuzz_finalizes_only_old_proofs(uint256 age) external {
        proveFirst(2);
        uint256 provedAt = block.number;
        age = bound(age, 0, 2 * FINALITY_BLOCKS);
        vm.roll(provedAt + age);
        if (age < FINALITY_BLOCKS) {
            vm.expectRevert(
                abi.encodeWithSelector(IRollup.NotFinalYet.selector, 2, provedAt + FINALITY_BLOCKS)
            );
            rollup.finalize(2);
            eq(rollup.lastFinalized(), 0, "last finalized");
        } else {
            vm.expectEmit(address(rollup));
            emit IRollup.BatchesFinalized(1, 2);
            rollup.finalize(2);
            eq(rollup.lastFinalized(), 2, "last finalized");
            eq(uint256(rollup.anchor(2).state), uint256(IRollup.BatchState.Finalized), "state");
            vm.expectRevert(abi.encodeWithSelector(IRollup.NothingToDo.selector, 2));
            rollup.finalize(2);
        }
    }

    function test_never_finalizes_what_is_not_proved() external {
        proveFirst(1);
        commitNext(1);
        vm.roll(block.number + 1000);
        vm.expectRevert(abi.encodeWithSelector(IRollup.NotProved.selector, 2, 1));
        rollup.finalize(2);
    }

    // Guardian.

    function test_a_pause_stops_everything_that_moves() external {
        addVerifier(address(verifier));
        commitNext(1);
        pauseRollup();
        IRollup.BatchCommitment[] memory batches = sealNext(1, "a");
        bytes memory reason = abi.encodeWithSelector(PausableUpgradeable.EnforcedPause.selector);
        vm.prank(COMMITTER);
        vm.expectRevert(reason);
        rollup.commit(batches);
        vm.expectRevert(reason);
        rollup.prove(1, 1, 1, "");
        vm.expectRevert(reason);
        rollup.finalize(1);
    }

    function test_guardian_and_admin_end_a_pause() external {
        pauseRollup();
        vm.prank(GUARDIAN);
        rollup.unpause();
        pauseRollup();
        throughTimelock(address(rollup), abi.encodeCall(rollup.unpause, ()));
        yes(!rollup.paused(), "unpaused");
    }

    function testFuzz_only_the_guardian_guards(address caller) external {
        vm.assume(caller != GUARDIAN && caller != address(timelock));
        bytes memory reason = abi.encodeWithSelector(
            IAccessControl.AccessControlUnauthorizedAccount.selector, caller, rollup.GUARDIAN_ROLE()
        );
        vm.startPrank(caller);
        vm.expectRevert(reason);
        rollup.pause();
        vm.expectRevert(reason);
        rollup.unpause();
        vm.expectRevert(reason);
        rollup.revertBatches(0);
        vm.stopPrank();
    }

    function testFuzz_takes_back_unproved_batches_and_clears_them(uint256 kept) external {
        commitNext(10);
        kept = bound(kept, 0, 9);
        pauseRollup();
        vm.prank(GUARDIAN);
        vm.expectEmit(address(rollup));
        emit IRollup.BatchesReverted(uint64(kept + 1), 10);
        rollup.revertBatches(uint64(kept));
        eq(rollup.lastCommitted(), kept, "last committed");
        bytes32 base = 0x53c86bc0aa7e37252f57b6c4a3dc2798bde5d682383a8ca8f459365450fb3d00;
        for (uint256 number = kept + 1; number <= 10; ++number) {
            eq(uint256(rollup.anchor(uint64(number)).state), 0, "no anchor");
            bytes32 slot = keccak256(abi.encode(number, uint256(base) + 2));
            for (uint256 word = 0; word < 5; ++word) {
                eq(vm.load(address(rollup), bytes32(uint256(slot) + word)), 0, "cleared storage");
            }
        }
    }

    function test_what_was_taken_back_can_be_committed_anew() external {
        commitNext(3);
        pauseRollup();
        vm.startPrank(GUARDIAN);
        rollup.revertBatches(1);
        rollup.unpause();
        vm.stopPrank();
        IRollup.BatchCommitment[] memory batches = sealNext(2, "another try");
        vm.prank(COMMITTER);
        rollup.commit(batches);
        eq(rollup.anchor(3).batchHash, batches[1].batchHash, "batch hash");
    }

    function test_takes_back_neither_proved_batches_nor_while_running() external {
        proveFirst(2);
        commitNext(1);
        vm.startPrank(GUARDIAN);
        vm.expectRevert(abi.encodeWithSelector(PausableUpgradeable.ExpectedPause.selector));
        rollup.revertBatches(2);
        rollup.pause();
        vm.expectRevert(abi.encodeWithSelector(IRollup.AlreadyProved.selector, 2, 2));
        rollup.revertBatches(1);
        vm.expectRevert(abi.encodeWithSelector(IRollup.NothingToDo.selector, 3));
        rollup.revertBatches(3);
        rollup.revertBatches(2);
        vm.stopPrank();
        eq(rollup.lastCommitted(), 2, "last committed");
    }

    function test_takes_back_at_most_256_batches_at_once() external {
        for (uint256 i = 0; i < 5; ++i) {
            commitNext(64);
        }
        vm.startPrank(GUARDIAN);
        rollup.pause();
        vm.expectRevert(abi.encodeWithSelector(IRollup.BadBatchCount.selector, 256, 257));
        rollup.revertBatches(63);
        rollup.revertBatches(64);
        vm.stopPrank();
        eq(rollup.lastCommitted(), 64, "last committed");
    }

    function proveFirst(uint256 count) private {
        addVerifier(address(verifier));
        IRollup.BatchCommitment[] memory batches = commitNext(count);
        bytes32[] memory hashes = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            hashes[i] = batches[i].batchHash;
        }
        rollup.prove(1, uint64(count), 1, verifier.proofOf(hashes));
    }
}
