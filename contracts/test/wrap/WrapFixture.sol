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
    /// @dev EIP-170.
    uint256 internal constant CODE_BYTES = 24_576;

    WrapVerifier internal verifier;
    bytes32[] internal batchHashes;
    bytes internal head;
    bytes internal queries;

    function deploy() internal {
        verifier = deployFor(ROUTER);
        batchHashes.push(bytes32(read("sample.public")));
        head = read("sample.head");
        queries = read("sample.queries");
    }

    /// @dev The image in two parts, so that the seam is tested.
    function deployFor(address router) internal returns (WrapVerifier) {
        bytes memory image = read("sample.image");
        address[] memory parts = new address[](2);
        parts[0] = store(slice(image, 0, 5000));
        parts[1] = store(slice(image, 5000, image.length));
        return new WrapVerifier(router, parts, keccak256(image));
    }

    /// @dev The image of the real circuit, in as many contracts as it takes.
    function realParts(bytes memory image) internal returns (address[] memory parts) {
        uint256 size = CODE_BYTES - 1;
        parts = new address[]((image.length + size - 1) / size);
        for (uint256 i = 0; i < parts.length; ++i) {
            uint256 end = i + 1 == parts.length ? image.length : size * (i + 1);
            parts[i] = store(slice(image, size * i, end));
        }
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
    function store(bytes memory data) internal returns (address) {
        return storeCode(bytes.concat(hex"00", data));
    }

    /// @dev A contract whose code is the data.
    function storeCode(bytes memory data) internal returns (address stored) {
        bytes memory code =
            abi.encodePacked(hex"61", uint16(data.length), hex"80600a5f395ff3", data);
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
