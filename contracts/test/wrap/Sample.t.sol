// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Test} from "../utils/Test.sol";
import {Harness} from "./Harness.sol";

contract SampleTest is Test {
    Harness private harness;
    bytes private head;
    bytes private publicBytes;

    function setUp() external {
        address[] memory parts = new address[](1);
        parts[0] = deploy(read("sample.image"));
        harness = new Harness(parts);
        head = read("sample.head");
        publicBytes = read("sample.public");
    }

    function test_head() external view {
        harness.head(publicBytes, head);
    }

    function test_queries() external view {
        bytes memory context = harness.head(publicBytes, head);
        harness.queries(context, 0, 4, read("sample.queries"));
    }

    function test_single_queries() external view {
        bytes memory context = harness.head(publicBytes, head);
        harness.queries(context, 0, 1, read("sample.query0"));
        harness.queries(context, 1, 1, read("sample.query1"));
        harness.queries(context, 2, 1, read("sample.query2"));
        harness.queries(context, 3, 1, read("sample.query3"));
    }

    function read(string memory name) private view returns (bytes memory) {
        return vm.readFileBinary(string.concat("../tests/vectors/wrap/", name));
    }

    function deploy(bytes memory data) private returns (address pointer) {
        bytes memory code =
            abi.encodePacked(hex"61", uint16(data.length + 1), hex"80600a5f395ff300", data);
        assembly ("memory-safe") {
            pointer := create(0, add(code, 32), mload(code))
        }
        require(pointer != address(0), "deployed");
    }
}
