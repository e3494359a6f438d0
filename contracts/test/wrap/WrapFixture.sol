// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {WrapVerifier} from "../../src/wrap/WrapVerifier.sol";
import {Test} from "../utils/Test.sol";

/// @title A deployed verifier of the sample circuit, and a true proof
/// @dev Made by `crates/wrap/tests/it/evm.rs`.
abstract contract WrapFixture is Test {
    address internal constant ROUTER = address(0x7007);
    address internal constant CONSUMER = address(0xc0115);
    address internal constant SUBMITTER = address(0x5ab1);
    uint256 internal constant QUERIES = 4;

    WrapVerifier internal verifier;
    bytes32[] internal batchHashes;
    bytes internal head;
    bytes internal queries;

    function deploy() internal {
        bytes memory image = read("sample.image");
        // Two parts, so that the seam is tested.
        address[] memory parts = new address[](2);
        uint256 cut = 5000;
        parts[0] = store(slice(image, 0, cut));
        parts[1] = store(slice(image, cut, image.length));
        verifier = new WrapVerifier(ROUTER, parts, keccak256(image));
        batchHashes.push(bytes32(read("sample.public")));
        head = read("sample.head");
        queries = read("sample.queries");
    }

    function read(string memory name) internal view returns (bytes memory) {
        return vm.readFileBinary(string.concat("../tests/vectors/wrap/", name));
    }

    function query(uint256 number) internal view returns (bytes memory) {
        string[4] memory names =
            ["sample.query0", "sample.query1", "sample.query2", "sample.query3"];
        return read(names[number]);
    }

    /// @dev A contract whose code is a zero byte and the data.
    function store(bytes memory data) internal returns (address stored) {
        bytes memory code =
            abi.encodePacked(hex"61", uint16(data.length + 1), hex"80600a5f395ff300", data);
        assembly ("memory-safe") {
            stored := create(0, add(code, 32), mload(code))
        }
        yes(stored != address(0), "stored");
    }

    function slice(bytes memory data, uint256 from, uint256 to)
        internal
        pure
        returns (bytes memory part)
    {
        part = new bytes(to - from);
        assembly ("memory-safe") {
            mcopy(add(part, 32), add(add(data, 32), from), sub(to, from))
        }
    }
}
