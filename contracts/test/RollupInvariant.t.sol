// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Rollup} from "../src/Rollup.sol";
import {VerifierRouter} from "../src/VerifierRouter.sol";
import {IRollup} from "../src/interfaces/IRollup.sol";
import {BatchHeader} from "../src/libraries/BatchHeader.sol";
import {HashVerifier} from "./mocks/Verifiers.sol";
import {RollupFixture} from "./utils/RollupFixture.sol";
import {Test} from "./utils/Test.sol";

/// @title Everybody at once: honest and dishonest callers in any order
/// @dev Keeps its own picture of what must hold (`sealedHashes`, heads) beside the contract.
contract Handler is Test {
    uint64 private constant CHAIN_ID = 424_242;
    address private constant COMMITTER = address(0xC0);
    address private constant GUARDIAN = address(0x6A);

    Rollup private immutable rollup;
    VerifierRouter private immutable router;
    HashVerifier private immutable verifier;

    bytes32[] public sealedHashes;
    bytes32[] public sealedRoots;
    uint64 public proved;
    uint64 public finalized;
    bool public frozen;
    uint256 public dishonestSuccesses;
    uint256 public honestFailures;
    uint256 public commits;
    uint256 public proofs;

    constructor(Rollup rollup_, VerifierRouter router_, HashVerifier verifier_) {
        rollup = rollup_;
        router = router_;
        verifier = verifier_;
        sealedHashes.push(rollup_.anchor(0).batchHash);
        sealedRoots.push(rollup_.anchor(0).stateRoot);
    }

    function count() external view returns (uint256) {
        return sealedHashes.length;
    }

    function commitHonestly(uint256 many, bytes32 seed) external {
        many = bound(many, 1, 5);
        IRollup.BatchCommitment[] memory batches = new IRollup.BatchCommitment[](many);
        bytes32 parent = sealedHashes[sealedHashes.length - 1];
        for (uint256 i = 0; i < many; ++i) {
            batches[i] = sealBatch(uint64(sealedHashes.length + i), parent, seed);
            parent = batches[i].batchHash;
        }
        bool paused = rollup.paused();
        vm.prank(COMMITTER);
        try rollup.commit(batches) {
            if (paused) ++dishonestSuccesses;
            for (uint256 i = 0; i < many; ++i) {
                sealedHashes.push(batches[i].batchHash);
                sealedRoots.push(batches[i].stateRoot);
            }
            ++commits;
        } catch {
            if (!paused) ++honestFailures;
        }
    }

    function commitOnAnotherParent(bytes32 parent, uint64 number) external {
        if (parent == sealedHashes[sealedHashes.length - 1]) return;
        number = uint64(bound(number, 0, sealedHashes.length + 2));
        IRollup.BatchCommitment[] memory batches = new IRollup.BatchCommitment[](1);
        batches[0] = sealBatch(number, parent, "dishonest");
        vm.prank(COMMITTER);
        try rollup.commit(batches) {
            ++dishonestSuccesses;
        } catch {}
    }

    function commitAsStranger(address caller, bytes32 seed) external {
        if (caller == COMMITTER) return;
        IRollup.BatchCommitment[] memory batches = new IRollup.BatchCommitment[](1);
        bytes32 parent = sealedHashes[sealedHashes.length - 1];
        batches[0] = sealBatch(uint64(sealedHashes.length), parent, seed);
        vm.prank(caller);
        try rollup.commit(batches) {
            ++dishonestSuccesses;
        } catch {}
    }

    function proveHonestly(uint64 many, address submitter) external {
        uint64 committed = uint64(sealedHashes.length - 1);
        if (committed == proved) return;
        many = uint64(bound(many, 1, committed - proved));
        bytes memory proof = proofOf(proved + 1, proved + many);
        bool allowed = !rollup.paused() && !frozen;
        vm.prank(submitter);
        try rollup.prove(proved + 1, proved + many, 1, proof) {
            if (!allowed) ++dishonestSuccesses;
            proved += many;
            ++proofs;
        } catch {
            if (allowed) ++honestFailures;
        }
    }

    function proveFalsely(uint64 first, uint64 last, uint32 version, bytes calldata proof)
        external
    {
        try rollup.prove(first % 32, last % 32, version % 4, proof) {
            ++dishonestSuccesses;
        } catch {}
    }

    function finalizeSome(uint64 last) external {
        last = uint64(bound(last, 0, sealedHashes.length + 1));
        bool possible = last > finalized && last <= proved;
        try rollup.finalize(last) {
            if (!possible) ++dishonestSuccesses;
            if (block.number < rollup.anchor(last).proveBlock + rollup.finalityBlocks()) {
                ++dishonestSuccesses;
            }
            finalized = last;
        } catch {}
    }

    function takeBack(uint64 kept) external {
        kept = uint64(bound(kept, 0, sealedHashes.length));
        bool allowed = rollup.paused() && kept >= proved && kept < sealedHashes.length - 1;
        vm.prank(GUARDIAN);
        try rollup.revertBatches(kept) {
            if (!allowed) ++dishonestSuccesses;
            while (sealedHashes.length > uint256(kept) + 1) {
                sealedHashes.pop();
                sealedRoots.pop();
            }
        } catch {
            if (allowed) ++honestFailures;
        }
    }

    function pauseOrResume(bool pause) external {
        vm.prank(GUARDIAN);
        if (pause) {
            try rollup.pause() {} catch {}
        } else {
            try rollup.unpause() {} catch {}
        }
    }

    function freeze(uint256 dice) external {
        if (dice % 50 != 0) return;
        vm.prank(GUARDIAN);
        try router.freezeVerifier(1) {
            frozen = true;
        } catch {}
    }

    function passBlocks(uint256 many) external {
        vm.roll(block.number + bound(many, 1, 100));
    }

    function proofOf(uint64 first, uint64 last) private view returns (bytes memory) {
        bytes32[] memory hashes = new bytes32[](last - first + 1);
        for (uint64 i = first; i <= last; ++i) {
            hashes[i - first] = sealedHashes[i];
        }
        return verifier.proofOf(hashes);
    }

    function sealBatch(uint64 number, bytes32 parent, bytes32 seed)
        private
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
}

/// @title What holds after any sequence of calls
contract RollupInvariantTest is RollupFixture {
    Handler private handler;

    function setUp() external {
        deploy();
        HashVerifier verifier = new HashVerifier();
        addVerifier(address(verifier));
        handler = new Handler(rollup, router, verifier);
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function invariant_heads_are_in_order_and_as_expected() external view {
        yes(rollup.lastFinalized() <= rollup.lastProved(), "finalized <= proved");
        yes(rollup.lastProved() <= rollup.lastCommitted(), "proved <= committed");
        eq(rollup.lastCommitted(), handler.count() - 1, "committed");
        eq(rollup.lastProved(), handler.proved(), "proved");
        eq(rollup.lastFinalized(), handler.finalized(), "finalized");
    }

    function invariant_exactly_the_sealed_batches_are_recorded() external view {
        uint64 last = rollup.lastCommitted();
        for (uint64 number = 0; number <= last; ++number) {
            IRollup.Anchor memory anchor = rollup.anchor(number);
            eq(anchor.batchHash, handler.sealedHashes(number), "batch hash");
            eq(anchor.stateRoot, handler.sealedRoots(number), "state root");
            bool proved = number > 0 && number <= rollup.lastProved();
            yes((anchor.verifierVersion != 0) == proved, "a version exactly when proved");
        }
        eq(uint256(rollup.anchor(last + 1).state), 0, "nothing beyond");
    }

    function invariant_no_dishonest_call_succeeds_and_no_honest_one_fails() external view {
        eq(handler.dishonestSuccesses(), 0, "dishonest successes");
        eq(handler.honestFailures(), 0, "honest failures");
    }
}
