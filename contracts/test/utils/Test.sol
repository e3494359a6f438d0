// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @title The part of forge's cheat codes that these tests use
interface Vm {
    function assume(bool condition) external pure;
    function expectRevert(bytes calldata data) external;
    function expectEmit(address emitter) external;
    function prank(address sender) external;
    function startPrank(address sender) external;
    function stopPrank() external;
    function roll(uint256 blockNumber) external;
    function etch(address target, bytes calldata code) external;
    function warp(uint256 timestamp) external;
    function load(address target, bytes32 slot) external view returns (bytes32);
    function readFile(string calldata path) external view returns (string memory);
    function readFileBinary(string calldata path) external view returns (bytes memory);
    function parseJsonUint(string calldata json, string calldata key)
        external
        pure
        returns (uint256);
    function parseJsonBytes32(string calldata json, string calldata key)
        external
        pure
        returns (bytes32);
    function snapshotGasLastCall(string calldata group, string calldata name)
        external
        returns (uint256);
    function snapshotValue(string calldata group, string calldata name, uint256 value) external;
}

/// @title What every test needs; forge-std is not on the registry that we build from
abstract contract Test {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    error Unequal(string what, bytes32 left, bytes32 right);
    error Untrue(string what);

    function eq(uint256 left, uint256 right, string memory what) internal pure {
        if (left != right) revert Unequal(what, bytes32(left), bytes32(right));
    }

    function eq(bytes32 left, bytes32 right, string memory what) internal pure {
        if (left != right) revert Unequal(what, left, right);
    }

    function eq(address left, address right, string memory what) internal pure {
        if (left != right) {
            revert Unequal(what, bytes32(uint256(uint160(left))), bytes32(uint256(uint160(right))));
        }
    }

    function yes(bool condition, string memory what) internal pure {
        if (!condition) revert Untrue(what);
    }

    function bound(uint256 value, uint256 least, uint256 most) internal pure returns (uint256) {
        return least + value % (most - least + 1);
    }
}
