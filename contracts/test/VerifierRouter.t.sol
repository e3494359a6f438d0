// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {VerifierRouter} from "../src/VerifierRouter.sol";
import {IVerifierRouter} from "../src/interfaces/IVerifierRouter.sol";
import {HashVerifier, NamelessVerifier, SilentVerifier} from "./mocks/Verifiers.sol";
import {RollupFixture} from "./utils/RollupFixture.sol";

/// @title Versions are added, frozen, and never replaced
contract VerifierRouterTest is RollupFixture {
    HashVerifier private verifier;

    function setUp() external {
        deploy();
        verifier = new HashVerifier();
    }

    function test_starts_without_a_verifier() external {
        eq(router.latestVersion(), 0, "latest version");
        vm.expectRevert(abi.encodeWithSelector(IVerifierRouter.UnknownVerifier.selector, 1));
        router.verify(1, STRANGER, hashes(), "");
    }

    function test_adds_versions_in_order() external {
        vm.startPrank(address(timelock));
        vm.expectEmit(address(router));
        emit IVerifierRouter.VerifierAdded(1, address(verifier), verifier.programCommitment());
        router.addVerifier(1, address(verifier));
        router.addVerifier(2, address(new HashVerifier()));
        vm.stopPrank();
        eq(router.latestVersion(), 2, "latest version");
        eq(router.verifierOf(1).verifier, address(verifier), "version 1");
    }

    function test_never_replaces_a_version() external {
        vm.startPrank(address(timelock));
        router.addVerifier(1, address(verifier));
        address other = address(new HashVerifier());
        vm.expectRevert(abi.encodeWithSelector(IVerifierRouter.UnexpectedVersion.selector, 2, 1));
        router.addVerifier(1, other);
        vm.stopPrank();
    }

    function test_leaves_no_gap() external {
        vm.prank(address(timelock));
        vm.expectRevert(abi.encodeWithSelector(IVerifierRouter.UnexpectedVersion.selector, 1, 2));
        router.addVerifier(2, address(verifier));
    }

    function test_refuses_what_is_no_verifier() external {
        vm.startPrank(address(timelock));
        vm.expectRevert(abi.encodeWithSelector(IVerifierRouter.NotAVerifier.selector, STRANGER));
        router.addVerifier(1, STRANGER);
        address nameless = address(new NamelessVerifier());
        vm.expectRevert(abi.encodeWithSelector(IVerifierRouter.NotAVerifier.selector, nameless));
        router.addVerifier(1, nameless);
        vm.stopPrank();
    }

    function testFuzz_only_the_timelock_adds(address caller) external {
        vm.assume(caller != address(timelock));
        vm.prank(caller);
        vm.expectRevert(
            abi.encodeWithSelector(
                IAccessControl.AccessControlUnauthorizedAccount.selector, caller, bytes32(0)
            )
        );
        router.addVerifier(1, address(verifier));
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
        new VerifierRouter(address(0), GUARDIAN);
    }

    function hashes() private pure returns (bytes32[] memory list) {
        list = new bytes32[](2);
        list[0] = keccak256("one");
        list[1] = keccak256("two");
    }
}
