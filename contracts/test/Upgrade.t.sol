// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {Rollup} from "../src/Rollup.sol";
import {RollupFixture} from "./utils/RollupFixture.sol";

/// @title The next version of the Rollup, as a later release might bring it
contract NextRollup is Rollup {
    function answer() external pure returns (uint256) {
        return 42;
    }
}

/// @title Only the timelock changes code and roles, and only after its delay
contract UpgradeTest is RollupFixture {
    address private next;

    function setUp() external {
        deploy();
        next = address(new NextRollup());
    }

    function test_the_timelock_upgrades_and_records_stay() external {
        commitNext(2);
        bytes32 hash = rollup.anchor(2).batchHash;
        throughTimelock(
            address(rollup), abi.encodeCall(UUPSUpgradeable.upgradeToAndCall, (next, ""))
        );
        eq(NextRollup(address(rollup)).answer(), 42, "new code");
        eq(rollup.anchor(2).batchHash, hash, "old record");
        eq(rollup.lastCommitted(), 2, "last committed");
        commitNext(1);
    }

    function testFuzz_nobody_else_upgrades(address caller) external {
        vm.assume(caller != address(timelock));
        vm.prank(caller);
        vm.expectRevert(
            abi.encodeWithSelector(
                IAccessControl.AccessControlUnauthorizedAccount.selector, caller, bytes32(0)
            )
        );
        rollup.upgradeToAndCall(next, "");
    }

    function test_an_upgrade_waits_for_the_delay() external {
        bytes memory data = abi.encodeCall(UUPSUpgradeable.upgradeToAndCall, (next, ""));
        vm.startPrank(GOVERNOR);
        timelock.schedule(address(rollup), 0, data, 0, 0, TIMELOCK_DELAY);
        bytes32 id = timelock.hashOperation(address(rollup), 0, data, 0, 0);
        vm.warp(block.timestamp + TIMELOCK_DELAY - 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                TimelockController.TimelockUnexpectedOperationState.selector,
                id,
                bytes32(1 << uint8(TimelockController.OperationState.Ready))
            )
        );
        timelock.execute(address(rollup), 0, data, 0, 0);
        vm.stopPrank();
    }

    function test_the_timelock_rotates_the_committer() external {
        bytes32 role = rollup.COMMITTER_ROLE();
        throughTimelock(address(rollup), abi.encodeCall(rollup.revokeRole, (role, COMMITTER)));
        throughTimelock(address(rollup), abi.encodeCall(rollup.grantRole, (role, STRANGER)));
        yes(!rollup.hasRole(role, COMMITTER) && rollup.hasRole(role, STRANGER), "rotated");
    }

    function test_the_deployer_holds_nothing() external view {
        yes(!rollup.hasRole(0x00, address(this)), "rollup admin");
        yes(!router.hasRole(0x00, address(this)), "router admin");
        yes(!timelock.hasRole(0x00, address(this)), "timelock admin");
    }
}
