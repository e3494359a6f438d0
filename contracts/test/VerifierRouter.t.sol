// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {VerifierRouter} from "../src/VerifierRouter.sol";
import {IVerifierRouter} from "../src/interfaces/IVerifierRouter.sol";
import {
    CredulousVerifier,
    HashVerifier,
    NamelessVerifier,
    SilentVerifier
} from "./mocks/Verifiers.sol";
import {RollupFixture} from "./utils/RollupFixture.sol";

/// @title Versions are added, frozen, and never replaced
contract VerifierRouterTest is RollupFixture {
    HashVerifier private verifier;
    bytes32 private codeHash;

    function setUp() external {
        deploy();
        verifier = new HashVerifier();
        codeHash = address(verifier).codehash;
    }

    function test_starts_without_a_verifier() external {
        eq(router.latestVersion(), 0, "latest version");
        vm.expectRevert(abi.encodeWithSelector(IVerifierRouter.UnknownVerifier.selector, 1));
        router.verify(1, STRANGER, hashes(), "");
    }

    function test_adds_versions_in_order() external {
        vm.startPrank(address(timelock));
        vm.expectEmit(address(router));
        emit IVerifierRouter.VerifierAdded(
            1, address(verifier), verifier.programCommitment(), codeHash
        );
        router.addVerifier(1, address(verifier), codeHash);
        router.addVerifier(2, address(new HashVerifier()), codeHash);
        vm.stopPrank();
        eq(router.latestVersion(), 2, "latest version");
        eq(router.verifierOf(1).verifier, address(verifier), "version 1");
        eq(router.verifierOf(1).codeHash, codeHash, "code of version 1");
    }

    function test_never_replaces_a_version() external {
        vm.startPrank(address(timelock));
        router.addVerifier(1, address(verifier), codeHash);
        address other = address(new HashVerifier());
        vm.expectRevert(abi.encodeWithSelector(IVerifierRouter.UnexpectedVersion.selector, 2, 1));
        router.addVerifier(1, other, codeHash);
        vm.stopPrank();
    }

    function test_leaves_no_gap() external {
        vm.prank(address(timelock));
        vm.expectRevert(abi.encodeWithSelector(IVerifierRouter.UnexpectedVersion.selector, 1, 2));
        router.addVerifier(2, address(verifier), codeHash);
    }

    function test_refuses_what_is_no_verifier() external {
        vm.startPrank(address(timelock));
        vm.expectRevert(abi.encodeWithSelector(IVerifierRouter.NotAVerifier.selector, STRANGER));
        router.addVerifier(1, STRANGER, STRANGER.codehash);
        address nameless = address(new NamelessVerifier());
        vm.expectRevert(abi.encodeWithSelector(IVerifierRouter.NotAVerifier.selector, nameless));
        router.addVerifier(1, nameless, nameless.codehash);
        vm.stopPrank();
    }

    /// @dev SET-6: a contract of another circuit, router, program or machine has other code.
    function test_adds_no_other_code_than_was_named() external {
        address silent = address(new SilentVerifier());
        vm.prank(address(timelock));
        vm.expectRevert(unexpectedCode(silent, silent.codehash));
        router.addVerifier(1, silent, codeHash);
    }

    /// @dev SET-6.
    function test_refuses_proofs_when_the_code_has_changed() external {
        addVerifier(address(verifier));
        bytes memory proof = verifier.proofOf(hashes());
        vm.etch(address(verifier), type(CredulousVerifier).runtimeCode);
        vm.expectRevert(unexpectedCode(address(verifier), address(verifier).codehash));
        router.verify(1, STRANGER, hashes(), proof);
        vm.etch(address(verifier), "");
        vm.expectRevert(unexpectedCode(address(verifier), address(verifier).codehash));
        router.verify(1, STRANGER, hashes(), proof);
        vm.etch(address(verifier), type(HashVerifier).runtimeCode);
        router.verify(1, STRANGER, hashes(), proof);
    }

    function test_begins_with_the_verifiers_it_is_made_with() external {
        IVerifierRouter.Pinned[] memory initial = new IVerifierRouter.Pinned[](2);
        initial[0] = IVerifierRouter.Pinned(address(verifier), codeHash);
        initial[1] = IVerifierRouter.Pinned(address(new HashVerifier()), codeHash);
        VerifierRouter made = new VerifierRouter(address(timelock), GUARDIAN, initial);
        eq(made.latestVersion(), 2, "latest version");
        eq(made.verifierOf(1).verifier, address(verifier), "version 1");
        eq(made.verifierOf(2).verifier, initial[1].verifier, "version 2");
        made.verify(1, STRANGER, hashes(), verifier.proofOf(hashes()));
    }

    /// @dev SET-6.
    function test_is_not_made_with_other_code_than_was_named() external {
        IVerifierRouter.Pinned[] memory initial = new IVerifierRouter.Pinned[](1);
        address silent = address(new SilentVerifier());
        initial[0] = IVerifierRouter.Pinned(silent, codeHash);
        vm.expectRevert(unexpectedCode(silent, silent.codehash));
        new VerifierRouter(address(timelock), GUARDIAN, initial);
        initial[0] = IVerifierRouter.Pinned(STRANGER, STRANGER.codehash);
        vm.expectRevert(abi.encodeWithSelector(IVerifierRouter.NotAVerifier.selector, STRANGER));
        new VerifierRouter(address(timelock), GUARDIAN, initial);
    }

    function testFuzz_only_the_timelock_adds(address caller) external {
        vm.assume(caller != address(timelock));
        vm.prank(caller);
        vm.expectRevert(
            abi.encodeWithSelector(
                IAccessControl.AccessControlUnauthorizedAccount.selector, caller, bytes32(0)
            )
        );
        router.addVerifier(1, address(verifier), codeHash);
    }

    function testFuzz_only_admin_and_guardian_freeze(address caller) external {
        vm.assume(caller != address(timelock) && caller != GUARDIAN);
        addVerifier(address(verifier));
        bytes32 role = router.GUARDIAN_ROLE();
        vm.prank(caller);
        vm.expectRevert(
            abi.encodeWithSelector(
                IAccessControl.AccessControlUnauthorizedAccount.selector, caller, role
            )
        );
        router.freezeVerifier(1);
    }

    function test_a_frozen_version_refuses_for_ever() external {
        addVerifier(address(verifier));
        bytes memory proof = verifier.proofOf(hashes());
        router.verify(1, STRANGER, hashes(), proof);

        vm.prank(GUARDIAN);
        vm.expectEmit(address(router));
        emit IVerifierRouter.VerifierFrozen(1);
        router.freezeVerifier(1);

        vm.expectRevert(abi.encodeWithSelector(IVerifierRouter.FrozenVerifier.selector, 1));
        router.verify(1, STRANGER, hashes(), proof);
        vm.prank(address(timelock));
        vm.expectRevert(abi.encodeWithSelector(IVerifierRouter.FrozenVerifier.selector, 1));
        router.freezeVerifier(1);
        yes(router.verifierOf(1).frozen, "frozen");
    }

    function test_the_admin_freezes_too() external {
        addVerifier(address(verifier));
        throughTimelock(address(router), abi.encodeCall(router.freezeVerifier, (1)));
        yes(router.verifierOf(1).frozen, "frozen");
    }

    function test_freezing_the_unknown_is_an_error() external {
        vm.prank(GUARDIAN);
        vm.expectRevert(abi.encodeWithSelector(IVerifierRouter.UnknownVerifier.selector, 3));
        router.freezeVerifier(3);
    }

    function test_refuses_an_answer_that_is_not_the_magic_value() external {
        addVerifier(address(new SilentVerifier()));
        vm.expectRevert(abi.encodeWithSelector(IVerifierRouter.ProofRefused.selector, 1));
        router.verify(1, STRANGER, hashes(), "");
    }

    function test_tells_the_verifier_who_asks_and_for_whom() external {
        addVerifier(address(verifier));
        bytes memory proof = verifier.proofOf(hashes());
        vm.prank(GUARDIAN);
        router.verify(1, STRANGER, hashes(), proof);
        eq(verifier.lastCaller(), address(router), "caller");
        eq(verifier.lastConsumer(), GUARDIAN, "consumer");
        eq(verifier.lastSubmitter(), STRANGER, "submitter");
    }

    function test_needs_an_admin() external {
        vm.expectRevert(abi.encodeWithSelector(IVerifierRouter.NotAVerifier.selector, address(0)));
        new VerifierRouter(address(0), GUARDIAN, new IVerifierRouter.Pinned[](0));
    }

    function unexpectedCode(address where, bytes32 got) private view returns (bytes memory) {
        return abi.encodeWithSelector(IVerifierRouter.UnexpectedCode.selector, where, codeHash, got);
    }

    function hashes() private pure returns (bytes32[] memory list) {
        list = new bytes32[](2);
        list[0] = keccak256("one");
        list[1] = keccak256("two");
    }
}
